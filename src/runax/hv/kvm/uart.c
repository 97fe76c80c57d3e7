/* SPDX-License-Identifier: Apache-2.0 */
#include "runax/hv/kvm/uart.h"

#include <string.h>

enum { THR = 0, IER = 1, IIR = 2, LCR = 3, MCR = 4, LSR = 5, MSR = 6, SCR = 7 };
#define IER_RECEIVED 0x1u
#define IER_SENT 0x2u
#define IIR_NONE 0x1u
#define IIR_SENT 0x2u
#define IIR_RECEIVED 0x4u
#define IIR_FIFOS 0xc0u
#define LCR_DIVISOR 0x80u
#define LSR_DATA 0x01u
#define LSR_EMPTY 0x60u
#define MSR_READY 0xb0u

/* PL011 (Arm DDI 0183). */
enum {
    DR = 0x00,
    FR = 0x18,
    IBRD = 0x24,
    FBRD = 0x28,
    LCR_H = 0x2c,
    CR = 0x30,
    IFLS = 0x34,
    IMSC = 0x38,
    RIS = 0x3c,
    MIS = 0x40,
    ICR = 0x44,
    ID = 0xfe0,
};
#define FR_RECEIVE_EMPTY 0x10u
#define FR_TRANSMIT_EMPTY 0x80u
#define INT_RECEIVED 0x10u
#define INT_SENT 0x20u

uint32_t axi_uart_room(const struct axi_uart *uart)
{
    return AXI_UART_INPUT_BYTES - uart->input_bytes;
}

void axi_uart_type(struct axi_uart *uart, const uint8_t *bytes, uint32_t count)
{
    for (uint32_t i = 0; i < count && uart->input_bytes < AXI_UART_INPUT_BYTES; i++) {
        uart->input[(uart->input_at + uart->input_bytes++) % AXI_UART_INPUT_BYTES] = bytes[i];
    }
}

static uint8_t take_input(struct axi_uart *uart)
{
    if (uart->input_bytes == 0) {
        return 0;
    }
    uint8_t byte = uart->input[uart->input_at];
    uart->input_at = (uart->input_at + 1) % AXI_UART_INPUT_BYTES;
    uart->input_bytes--;
    return byte;
}

static bool is_divisor(const struct axi_uart *uart)
{
    return (uart->regs[LCR] & LCR_DIVISOR) != 0;
}

static uint8_t interrupt_cause(const struct axi_uart *uart)
{
    if ((uart->enabled & IER_RECEIVED) != 0 && uart->input_bytes != 0) {
        return IIR_RECEIVED;
    }
    return (uart->enabled & IER_SENT) != 0 && uart->is_sent ? IIR_SENT : IIR_NONE;
}

bool axi_uart_8250_line(const struct axi_uart *uart)
{
    return interrupt_cause(uart) != IIR_NONE;
}

uint8_t axi_uart_8250_read(struct axi_uart *uart, uint32_t reg)
{
    uint8_t cause;
    switch (reg) {
    case THR:
        return is_divisor(uart) ? 1 : take_input(uart);
    case IER:
        return (uint8_t)(is_divisor(uart) ? 0 : uart->enabled);
    case IIR:
        cause = interrupt_cause(uart);
        uart->is_sent = uart->is_sent && cause != IIR_SENT;
        return (uint8_t)(cause | IIR_FIFOS);
    case LSR:
        return (uint8_t)(LSR_EMPTY | (uart->input_bytes != 0 ? LSR_DATA : 0));
    case MSR:
        return MSR_READY;
    default:
        return (uint8_t)uart->regs[reg & 7];
    }
}

bool axi_uart_8250_write(struct axi_uart *uart, uint32_t reg, uint8_t value)
{
    if (reg == THR) {
        uart->is_sent = true;
        return !is_divisor(uart);
    }
    if (reg == IER && !is_divisor(uart)) {
        uart->is_sent = uart->is_sent || (value & ~uart->enabled & IER_SENT) != 0;
        uart->enabled = value & 0xf;
    } else if (reg == LCR || reg == MCR || reg == SCR) {
        uart->regs[reg] = value;
    }
    return false;
}

static uint32_t pl011_raw(const struct axi_uart *uart)
{
    return (uart->input_bytes != 0 ? INT_RECEIVED : 0) | (uart->is_sent ? INT_SENT : 0);
}

bool axi_uart_pl011_line(const struct axi_uart *uart)
{
    return (pl011_raw(uart) & uart->enabled) != 0;
}

uint32_t axi_uart_pl011_read(struct axi_uart *uart, uint32_t offset)
{
    static const uint8_t id[] = {0x11, 0x10, 0x14, 0x00, 0x0d, 0xf0, 0x05, 0xb1};
    switch (offset) {
    case DR:
        return take_input(uart);
    case FR:
        return FR_TRANSMIT_EMPTY | (uart->input_bytes == 0 ? FR_RECEIVE_EMPTY : 0);
    case IMSC:
        return uart->enabled;
    case RIS:
        return pl011_raw(uart);
    case MIS:
        return pl011_raw(uart) & uart->enabled;
    case IBRD:
    case FBRD:
    case LCR_H:
    case CR:
    case IFLS:
        return uart->regs[(offset - IBRD) / 4];
    default:
        return offset >= ID && offset < ID + 4 * sizeof(id) ? id[(offset - ID) / 4] : 0;
    }
}

bool axi_uart_pl011_write(struct axi_uart *uart, uint32_t offset, uint32_t value)
{
    switch (offset) {
    case DR:
        uart->is_sent = true;
        return true;
    case IMSC:
        uart->enabled = value & 0x7ff;
        return false;
    case ICR:
        uart->is_sent = uart->is_sent && (value & INT_SENT) == 0;
        return false;
    case IBRD:
    case FBRD:
    case LCR_H:
    case CR:
    case IFLS:
        uart->regs[(offset - IBRD) / 4] = value;
        return false;
    default:
        return false;
    }
}
