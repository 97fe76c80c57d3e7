/* SPDX-License-Identifier: Apache-2.0 */
/* QEMU's machine `virt` (hw/arm/virt.c has its memory map), GICv2 or GICv3. */
#include "os/board/board.h"

#include "os/drivers/gic.h"
#include "os/drivers/nic.h"
#include "os/drivers/uart.h"

#define UART 0x09000000u
#define GIC_DISTRIBUTOR 0x08000000u
#define GIC_INTERFACE 0x08010000u
#define GIC_REDISTRIBUTOR 0x080a0000u

/* Read by who packs images (core/boot_config.h). */
extern const char axi_board_head[8];
__attribute__((section(".head.board"), used)) const char axi_board_head[8] = "virt";

static void console_put(char byte)
{
    axi_pl011_put(UART, byte);
}

static const struct axi_irq_controller *irq_controller(void)
{
    return axi_gic_is_v3() ? axi_gicv3(GIC_DISTRIBUTOR, GIC_REDISTRIBUTOR)
                           : axi_gicv2(GIC_DISTRIBUTOR, GIC_INTERFACE);
}

/* QEMU answers at the level above the one it starts the kernel in. */
static bool psci_by_smc(uint32_t boot_el)
{
    return boot_el == 2;
}

static const struct axi_board_range devices[] = {
    {0x08000000, 2u << 20}, /* GIC */
    {0x09000000, 2u << 20}, /* UART */
    {0x0a000000, 2u << 20}, /* virtio-mmio */
};

const struct axi_board axi_board = {
    .name = "virt",
    .platform = "axcan-virt",
    .ram = {0x40000000, 128u << 20},
    .config_address = 0x44000000,
    .devices = devices,
    .device_count = sizeof(devices) / sizeof(devices[0]),
    .nic = {.driver = &axi_virtio_net_driver,
            .base = 0x0a000000,
            .stride = 0x200,
            .count = 32,
            .first_intid = 48,
            .intid_stride = 1},
    .timer_intid = 27,
    .console_put = console_put,
    .irq_controller = irq_controller,
    .psci_by_smc = psci_by_smc,
};
