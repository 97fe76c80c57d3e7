/* SPDX-License-Identifier: Apache-2.0 */
#include "runax/hv/kvm/uart.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { THR = 0, IER = 1, IIR = 2, LCR = 3, LSR = 5, SCR = 7 };
enum { DR = 0x00, FR = 0x18, CR = 0x30, IMSC = 0x38, RIS = 0x3c, MIS = 0x40, ICR = 0x44 };

static void type(struct axi_uart *uart, const char *text)
{
    uint32_t count = 0;
    while (text[count] != '\0') {
        count++;
    }
    axi_uart_type(uart, (const uint8_t *)text, count);
}

static void typed_bytes_come_in_order_and_once(void **state)
{
    (void)state;
    struct axi_uart uart = {0};
    assert_int_equal(axi_uart_8250_read(&uart, LSR) & 1, 0);
    type(&uart, "ab");
    assert_int_equal(axi_uart_8250_read(&uart, LSR) & 1, 1);
    assert_int_equal(axi_uart_8250_read(&uart, THR), 'a');
    assert_int_equal(axi_uart_8250_read(&uart, THR), 'b');
    assert_int_equal(axi_uart_8250_read(&uart, THR), 0);
    assert_int_equal(axi_uart_8250_read(&uart, LSR) & 1, 0);
}

static void input_wraps_and_keeps_no_more_than_its_room(void **state)
{
    (void)state;
    struct axi_uart uart = {0};
    for (uint32_t round = 0; round < 5; round++) {
        for (uint32_t i = 0; i < AXI_UART_INPUT_BYTES + 3; i++) {
            uint8_t byte = (uint8_t)(round + i);
            axi_uart_type(&uart, &byte, 1);
        }
        assert_int_equal(axi_uart_room(&uart), 0);
        for (uint32_t i = 0; i < AXI_UART_INPUT_BYTES; i++) {
            assert_int_equal(axi_uart_8250_read(&uart, THR), (uint8_t)(round + i));
        }
        assert_int_equal(axi_uart_room(&uart), AXI_UART_INPUT_BYTES);
        type(&uart, "x"); /* the next round begins elsewhere in the ring */
        (void)axi_uart_8250_read(&uart, THR);
    }
}

static void receive_interrupt_only_when_enabled(void **state)
{
    (void)state;
    struct axi_uart uart = {0};
    type(&uart, "a");
    assert_false(axi_uart_8250_line(&uart));
    assert_false(axi_uart_8250_write(&uart, IER, 1));
    assert_true(axi_uart_8250_line(&uart));
    assert_int_equal(axi_uart_8250_read(&uart, IIR) & 0xf, 4);
    (void)axi_uart_8250_read(&uart, THR);
    assert_false(axi_uart_8250_line(&uart));
    assert_int_equal(axi_uart_8250_read(&uart, IIR) & 0xf, 1);
}

static void sent_interrupt_ends_when_it_was_read(void **state)
{
    (void)state;
    struct axi_uart uart = {0};
    (void)axi_uart_8250_write(&uart, IER, 2); /* an empty transmitter interrupts at once */
    assert_true(axi_uart_8250_line(&uart));
    assert_int_equal(axi_uart_8250_read(&uart, IIR) & 0xf, 2);
    assert_false(axi_uart_8250_line(&uart));
    assert_true(axi_uart_8250_write(&uart, THR, 'x'));
    assert_true(axi_uart_8250_line(&uart));
}

static void divisor_is_no_output(void **state)
{
    (void)state;
    struct axi_uart uart = {0};
    type(&uart, "a");
    (void)axi_uart_8250_write(&uart, LCR, 0x83);
    assert_int_equal(axi_uart_8250_read(&uart, LCR), 0x83);
    assert_false(axi_uart_8250_write(&uart, THR, 1));
    assert_false(axi_uart_8250_write(&uart, IER, 0xff));
    assert_int_equal(axi_uart_8250_read(&uart, THR), 1);
    (void)axi_uart_8250_write(&uart, LCR, 0x03);
    assert_int_equal(axi_uart_8250_read(&uart, IER), 0);
    assert_int_equal(axi_uart_8250_read(&uart, THR), 'a');
    (void)axi_uart_8250_write(&uart, SCR, 0x5a);
    assert_int_equal(axi_uart_8250_read(&uart, SCR), 0x5a);
}

static void pl011_flags_and_interrupts(void **state)
{
    (void)state;
    struct axi_uart uart = {0};
    assert_int_equal(axi_uart_pl011_read(&uart, FR), 0x90);
    assert_true(axi_uart_pl011_write(&uart, DR, 'x'));
    assert_int_equal(axi_uart_pl011_read(&uart, RIS), 0x20);
    assert_false(axi_uart_pl011_line(&uart));
    assert_false(axi_uart_pl011_write(&uart, ICR, 0x20));
    type(&uart, "a");
    assert_int_equal(axi_uart_pl011_read(&uart, FR), 0x80);
    (void)axi_uart_pl011_write(&uart, IMSC, 0x10);
    assert_true(axi_uart_pl011_line(&uart));
    assert_int_equal(axi_uart_pl011_read(&uart, MIS), 0x10);
    assert_int_equal(axi_uart_pl011_read(&uart, DR), 'a');
    assert_false(axi_uart_pl011_line(&uart));
    (void)axi_uart_pl011_write(&uart, CR, 0x301);
    assert_int_equal(axi_uart_pl011_read(&uart, CR), 0x301);
    assert_int_equal(axi_uart_pl011_read(&uart, 0xfe0), 0x11);
    assert_int_equal(axi_uart_pl011_read(&uart, 0xffc), 0xb1);
    assert_int_equal(axi_uart_pl011_read(&uart, 0x800), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(typed_bytes_come_in_order_and_once),
        cmocka_unit_test(input_wraps_and_keeps_no_more_than_its_room),
        cmocka_unit_test(receive_interrupt_only_when_enabled),
        cmocka_unit_test(sent_interrupt_ends_when_it_was_read),
        cmocka_unit_test(divisor_is_no_output),
        cmocka_unit_test(pl011_flags_and_interrupts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
