/* SPDX-License-Identifier: Apache-2.0 */
/* The architecture's generic timer, seen by its virtual counter (Arm ARM D11). */
#include "os/board/board.h"
#include "os/kernel/trap.h"

#define NS_PER_S 1000000000ull
#define CONTROL_ENABLE 1ull

static uint64_t frequency_hz;

static void write_control(uint64_t value)
{
    __asm__ volatile("msr cntv_ctl_el0, %0\n\tisb" ::"r"(value) : "memory");
}

/* Level-triggered: it stays asserted until it is turned off. choose follows and programs anew. */
static void expired(void *argument)
{
    (void)argument;
    write_control(0);
}

void axi_clock_init(void)
{
    __asm__ volatile("mrs %0, cntfrq_el0" : "=r"(frequency_hz));
    if (frequency_hz == 0) {
        axi_panic("timer: the firmware did not set the counter's frequency");
    }
    __asm__ volatile("msr cntkctl_el1, xzr"); /* tasks ask for the time by a service */
    write_control(0);
    axi_irq_attach(axi_board.timer_intid, expired, NULL);
}

uint64_t axi_clock_ticks(void)
{
    uint64_t ticks;

    __asm__ volatile("isb\n\tmrs %0, cntvct_el0" : "=r"(ticks)::"memory");
    return ticks;
}

uint64_t axi_clock_from_ticks(uint64_t ticks)
{
    return ticks / frequency_hz * NS_PER_S + ticks % frequency_hz * NS_PER_S / frequency_hz;
}

uint64_t axi_clock_ns(void)
{
    return axi_clock_from_ticks(axi_clock_ticks());
}

void axi_timer_set(uint64_t at_ns)
{
    if (at_ns == UINT64_MAX) {
        write_control(0);
        return;
    }
    uint64_t ticks = at_ns / NS_PER_S * frequency_hz +
                     (at_ns % NS_PER_S * frequency_hz + NS_PER_S - 1) / NS_PER_S;

    __asm__ volatile("msr cntv_cval_el0, %0" ::"r"(ticks));
    write_control(CONTROL_ENABLE);
}
