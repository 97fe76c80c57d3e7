/* SPDX-License-Identifier: Apache-2.0 */
#include "os/drivers/gic.h"

#include "os/kernel/memory.h"

#define D_CONTROL 0x000u
#define D_TYPE 0x004u
#define D_SET_ENABLE 0x100u
#define D_CLEAR_ENABLE 0x180u
#define D_CLEAR_PENDING 0x280u
#define D_PRIORITY 0x400u
#define D_TARGETS 0x800u
#define D_CONFIG 0xc00u
#define C_CONTROL 0x00u
#define C_PRIORITY_MASK 0x04u
#define C_ACKNOWLEDGE 0x0cu
#define C_END 0x10u

static struct {
    uint64_t distributor, interface;
} gic;

/* Firmware put the interrupts into group 1 when there is a secure world; without one, group 0 is
 * what the control bits below enable. Both look the same from here. */
static void init(void)
{
    uint32_t lines = 32 * ((axi_device_read(gic.distributor + D_TYPE) & 0x1fu) + 1);

    axi_device_write(gic.distributor + D_CONTROL, 0);
    for (uint32_t i = 0; i < lines; i += 32) {
        axi_device_write(gic.distributor + D_CLEAR_ENABLE + i / 8, UINT32_MAX);
        axi_device_write(gic.distributor + D_CLEAR_PENDING + i / 8, UINT32_MAX);
    }
    for (uint32_t i = 0; i < lines; i += 4) {
        axi_device_write(gic.distributor + D_PRIORITY + i, 0xa0a0a0a0u);
        if (i >= 32) {
            axi_device_write(gic.distributor + D_TARGETS + i, 0x01010101u);
        }
    }
    for (uint32_t i = 32; i < lines; i += 16) {
        axi_device_write(gic.distributor + D_CONFIG + i / 4, 0);
    }
    axi_device_write(gic.distributor + D_CONTROL, 1);
    axi_device_write(gic.interface + C_PRIORITY_MASK, 0xf0);
    axi_device_write(gic.interface + C_CONTROL, 1);
}

static void enable(uint32_t intid)
{
    axi_device_write(gic.distributor + D_SET_ENABLE + intid / 32 * 4, 1u << (intid % 32));
}

static void disable(uint32_t intid)
{
    axi_device_write(gic.distributor + D_CLEAR_ENABLE + intid / 32 * 4, 1u << (intid % 32));
    __asm__ volatile("dsb sy" ::: "memory");
}

static uint32_t acknowledge(void)
{
    return axi_device_read(gic.interface + C_ACKNOWLEDGE) & 0x3ffu;
}

static void end(uint32_t intid)
{
    __asm__ volatile("dsb sy" ::: "memory"); /* the device has dropped its line */
    axi_device_write(gic.interface + C_END, intid);
}

const struct axi_irq_controller *axi_gicv2(uint64_t distributor, uint64_t interface)
{
    static const struct axi_irq_controller controller = {init, enable, disable, acknowledge, end};

    gic.distributor = distributor;
    gic.interface = interface;
    return &controller;
}
