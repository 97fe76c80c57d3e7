/* SPDX-License-Identifier: Apache-2.0 */
#include "os/drivers/uart.h"
#include "os/kernel/memory.h"

#define REG_DATA 0x00u
#define REG_FLAGS 0x18u
#define FLAG_TX_FULL (1u << 5)

static void put(uint64_t base, char byte)
{
    while ((axi_device_read(base + REG_FLAGS) & FLAG_TX_FULL) != 0) {
    }
    axi_device_write(base + REG_DATA, (uint8_t)byte);
}

void axi_pl011_put(uint64_t base, char byte)
{
    if (byte == '\n') {
        put(base, '\r');
    }
    put(base, byte);
}
