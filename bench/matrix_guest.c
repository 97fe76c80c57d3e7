/* SPDX-License-Identifier: Apache-2.0 */
/* The matrix task as a bare-metal guest of the kvm backend; one line of ticks for each run. */
#include "matrix.h"

#include "guest.h"

static uint64_t ticks[MATRIX_RUNS_MAX];

static void put_line(uint64_t number)
{
    char text[24];
    uint32_t at = sizeof(text);
    text[--at] = '\n';
    do {
        text[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (number != 0);
    for (; at < sizeof(text); at++) {
        guest_put(text[at]);
    }
}

void guest_main(void)
{
    uint64_t next = guest_now_us();
    for (uint32_t i = 0; i < matrix.runs; i++) {
        next += matrix.period_us;
        while (guest_now_us() < next) {
            guest_idle();
        }
        ticks[i] = matrix_run();
    }
    for (uint32_t i = 0; i < matrix.runs; i++) {
        put_line(ticks[i]);
    }
    guest_exit(0);
}
