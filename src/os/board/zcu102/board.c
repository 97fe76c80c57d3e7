/* SPDX-License-Identifier: Apache-2.0 */
/* Zynq UltraScale+ evaluation board ZCU102 (Xilinx UG1085), and QEMU's xlnx-zcu102. */
#include "os/board/board.h"

#include "os/drivers/gic.h"
#include "os/drivers/nic.h"
#include "os/drivers/uart.h"

#define UART 0xff000000u
#define GIC_DISTRIBUTOR 0xf9010000u
#define GIC_INTERFACE 0xf9020000u

/* Read by who packs images (core/boot_config.h). */
extern const char axi_board_head[8];
__attribute__((section(".head.board"), used)) const char axi_board_head[8] = "zcu102";

static void console_init(void)
{
    axi_cadence_uart_init(UART);
}

static void console_put(char byte)
{
    axi_cadence_uart_put(UART, byte);
}

static const struct axi_irq_controller *irq_controller(void)
{
    return axi_gicv2(GIC_DISTRIBUTOR, GIC_INTERFACE);
}

static bool psci_by_smc(uint32_t boot_el)
{
    (void)boot_el; /* the firmware is at EL3 */
    return true;
}

static const struct axi_board_range devices[] = {
    {0xf9000000, 2u << 20}, /* GIC */
    {0xff000000, 2u << 20}, /* UARTs, GEMs */
};

const struct axi_board axi_board = {
    .name = "zcu102",
    .platform = "axcan-zcu102",
    .ram = {0x00000000, 128u << 20},
    .config_address = 0x04000000,
    .devices = devices,
    .device_count = sizeof(devices) / sizeof(devices[0]),
    .nic = {.driver = &axi_gem_driver,
            .base = 0xff0b0000,
            .stride = 0x10000,
            .count = 1,
            .first_intid = 89,
            .intid_stride = 2},
    .timer_intid = 27,
    .console_init = console_init,
    .console_put = console_put,
    .irq_controller = irq_controller,
    .psci_by_smc = psci_by_smc,
};
