/* SPDX-License-Identifier: Apache-2.0 */
/* Registers of a UART without any timing: what is written is sent at once, what was typed waits
 * here. Two kinds with the same contract: 16550 (x86), PL011 (aarch64). */
#ifndef AXI_RUNAX_KVM_UART_H
#define AXI_RUNAX_KVM_UART_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define AXI_UART_INPUT_BYTES 64u

struct axi_uart { /* zero: as after reset */
    uint8_t input[AXI_UART_INPUT_BYTES];
    uint32_t input_at, input_bytes;
    uint32_t enabled; /* interrupts */
    uint32_t regs[8]; /* that only keep what is written */
    bool is_sent;     /* the "transmitter empty" interrupt has not been seen yet */
};

/* Room for typed bytes; after adding some, ask axi_uart_..._line again. */
uint32_t axi_uart_room(const struct axi_uart *uart);
void axi_uart_type(struct axi_uart *uart, const uint8_t *bytes, uint32_t count);

/* 16550, register 0..7. A write returns true when the byte shall be sent. */
uint8_t axi_uart_8250_read(struct axi_uart *uart, uint32_t reg);
bool axi_uart_8250_write(struct axi_uart *uart, uint32_t reg, uint8_t value);
bool axi_uart_8250_line(const struct axi_uart *uart); /* its interrupt */

/* PL011, offset 0..0xfff. */
uint32_t axi_uart_pl011_read(struct axi_uart *uart, uint32_t offset);
bool axi_uart_pl011_write(struct axi_uart *uart, uint32_t offset, uint32_t value);
bool axi_uart_pl011_line(const struct axi_uart *uart);

#endif
