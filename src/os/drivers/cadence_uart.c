/* SPDX-License-Identifier: Apache-2.0 */
#include "os/drivers/uart.h"
#include "os/kernel/memory.h"

#define REG_CONTROL 0x00u
#define REG_STATUS 0x2cu
#define REG_FIFO 0x30u
#define CONTROL_RX_ENABLE (1u << 2)
#define CONTROL_TX_ENABLE (1u << 4)
#define STATUS_TX_FULL (1u << 4)

void axi_cadence_uart_init(uint64_t base)
{
    axi_device_write(base + REG_CONTROL, CONTROL_RX_ENABLE | CONTROL_TX_ENABLE);
}

static void put(uint64_t base, char byte)
{
    while ((axi_device_read(base + REG_STATUS) & STATUS_TX_FULL) != 0) {
    }
    axi_device_write(base + REG_FIFO, (uint8_t)byte);
}

void axi_cadence_uart_put(uint64_t base, char byte)
{
    if (byte == '\n') {
        put(base, '\r');
    }
    put(base, byte);
}
