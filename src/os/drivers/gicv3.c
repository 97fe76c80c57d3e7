/* SPDX-License-Identifier: Apache-2.0 */
#include "os/drivers/gic.h"

#include "os/kernel/memory.h"

#define D_CONTROL 0x0000u
#define D_TYPE 0x0004u
#define D_ROUTER 0x6000u
#define CONTROL_GROUP1 (1u << 1)
#define CONTROL_AFFINITY (1u << 4)
#define CONTROL_PENDING_WRITE (1u << 31)
#define R_WAKER 0x0014u
#define WAKER_SLEEP (1u << 1)
#define WAKER_ASLEEP (1u << 2)
/* The same in the distributor (shared interrupts) and in the redistributor's second frame (private
 * ones). */
#define GROUP 0x080u
#define SET_ENABLE 0x100u
#define CLEAR_ENABLE 0x180u
#define CLEAR_PENDING 0x280u
#define PRIORITY 0x400u
#define CONFIG 0xc00u

static struct {
    uint64_t distributor, redistributor, private_frame;
} gic;

static void wait_for_writes(void)
{
    while ((axi_device_read(gic.distributor + D_CONTROL) & CONTROL_PENDING_WRITE) != 0) {
    }
}

/* 32 interrupts from `first` on: off, group 1, one priority. */
static void reset_lines(uint64_t frame, uint32_t first)
{
    axi_device_write(frame + CLEAR_ENABLE + first / 8, UINT32_MAX);
    axi_device_write(frame + CLEAR_PENDING + first / 8, UINT32_MAX);
    axi_device_write(frame + GROUP + first / 8, UINT32_MAX);
    for (uint32_t i = first; i < first + 32; i += 4) {
        axi_device_write(frame + PRIORITY + i, 0xa0a0a0a0u);
    }
}

static void init_interface(void)
{
    __asm__ volatile("msr s3_0_c12_c12_5, %0\n\tisb" ::"r"(7ull)); /* ICC_SRE_EL1 */
    __asm__ volatile("msr s3_0_c4_c6_0, %0" ::"r"(0xf0ull));       /* ICC_PMR_EL1 */
    __asm__ volatile("msr s3_0_c12_c12_4, xzr");                   /* ICC_CTLR_EL1 */
    __asm__ volatile("msr s3_0_c12_c12_7, %0\n\tisb" ::"r"(1ull)); /* ICC_IGRPEN1_EL1 */
}

static void init(void)
{
    uint32_t lines = 32 * ((axi_device_read(gic.distributor + D_TYPE) & 0x1fu) + 1);

    axi_device_write(gic.distributor + D_CONTROL, 0);
    wait_for_writes();
    for (uint32_t i = 32; i < lines; i += 32) {
        reset_lines(gic.distributor, i);
        axi_device_write(gic.distributor + CONFIG + i / 4, 0);
        axi_device_write(gic.distributor + CONFIG + i / 4 + 4, 0);
    }
    axi_device_write(gic.distributor + D_CONTROL, CONTROL_AFFINITY | CONTROL_GROUP1);
    wait_for_writes();
    for (uint32_t i = 32; i < lines && i < 1020; i++) { /* to core 0.0.0.0 */
        axi_device_write(gic.distributor + D_ROUTER + 8 * i, 0);
        axi_device_write(gic.distributor + D_ROUTER + 8 * i + 4, 0);
    }
    axi_device_write(gic.redistributor + R_WAKER,
                     axi_device_read(gic.redistributor + R_WAKER) & ~WAKER_SLEEP);
    while ((axi_device_read(gic.redistributor + R_WAKER) & WAKER_ASLEEP) != 0) {
    }
    reset_lines(gic.private_frame, 0);
    init_interface();
}

static uint64_t frame_of(uint32_t intid)
{
    return intid < 32 ? gic.private_frame : gic.distributor;
}

static void enable(uint32_t intid)
{
    axi_device_write(frame_of(intid) + SET_ENABLE + intid / 32 * 4, 1u << (intid % 32));
}

static void disable(uint32_t intid)
{
    axi_device_write(frame_of(intid) + CLEAR_ENABLE + intid / 32 * 4, 1u << (intid % 32));
    wait_for_writes();
}

static uint32_t acknowledge(void)
{
    uint64_t intid;

    __asm__ volatile("mrs %0, s3_0_c12_c12_0\n\tdsb sy" : "=r"(intid)::"memory"); /* ICC_IAR1_EL1 */
    return (uint32_t)intid & 0xffffffu;
}

static void end(uint32_t intid)
{
    __asm__ volatile("dsb sy\n\tmsr s3_0_c12_c12_1, %0\n\tisb" ::"r"((uint64_t)intid) /* EOIR1 */
                     : "memory");
}

const struct axi_irq_controller *axi_gicv3(uint64_t distributor, uint64_t redistributor)
{
    static const struct axi_irq_controller controller = {init, enable, disable, acknowledge, end};

    gic.distributor = distributor;
    gic.redistributor = redistributor;
    gic.private_frame = redistributor + 0x10000;
    return &controller;
}
