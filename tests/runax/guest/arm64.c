/* SPDX-License-Identifier: Apache-2.0 */
/* The test guest on QEMU's boards "virt" (PL011, PSCI by HVC) and "zcu102" (Cadence UART, SMC). */
#include "guest.h"

#ifdef BOARD_VIRT
const char guest_board[] = "virt";
#define UART 0x09000000u
#define PSCI "hvc #0"
#define DATA 0x00u
#define STATUS 0x18u
#define STATUS_FULL 0x20u
#define STATUS_EMPTY 0x10u
#else
const char guest_board[] = "zcu102";
#define UART 0xff000000u
#define PSCI "smc #0"
#define DATA 0x30u
#define STATUS 0x2cu
#define STATUS_FULL 0x10u
#define STATUS_EMPTY 0x02u
#endif

static volatile uint32_t *reg(uint32_t offset)
{
    return (volatile uint32_t *)(uintptr_t)(UART + offset);
}

void guest_put(char c)
{
#ifndef BOARD_VIRT
    *reg(0) = 0x14; /* transmitter and receiver on */
#endif
    while ((*reg(STATUS) & STATUS_FULL) != 0) {
    }
    *reg(DATA) = (uint8_t)c;
}

int guest_get(void)
{
    return (*reg(STATUS) & STATUS_EMPTY) != 0 ? -1 : (int)(*reg(DATA) & 0xff);
}

void guest_idle(void)
{
    __asm__ volatile("yield");
}

uint64_t guest_now_us(void)
{
    uint64_t ticks, hz;
    __asm__ volatile("isb; mrs %0, cntvct_el0; mrs %1, cntfrq_el0" : "=r"(ticks), "=r"(hz));
    return ticks / hz * 1000000 + ticks % hz * 1000000 / hz;
}

static void psci(uint64_t function)
{
    register uint64_t x0 __asm__("x0") = function;
    __asm__ volatile(PSCI : "+r"(x0)::"x1", "x2", "x3", "memory");
}

void guest_off(void)
{
    for (;;) {
        psci(0x84000008u); /* SYSTEM_OFF */
    }
}

void guest_crash(void)
{
    for (;;) {
        psci(0x84000009u); /* SYSTEM_RESET */
    }
}

void guest_exit(uint32_t code)
{
    uint64_t arguments[2] = {0x20026, code}; /* application exit */
    register uint64_t x0 __asm__("x0") = 0x18;
    register uint64_t x1 __asm__("x1") = (uint64_t)(uintptr_t)arguments;
    __asm__ volatile("hlt #0xf000" : "+r"(x0) : "r"(x1) : "memory");
    guest_off();
}

uint64_t guest_channel(void)
{
    return 0; /* as the script says */
}

__asm__(".section .text.start, \"ax\"\n"
        ".global _start\n"
        "_start: ldr x1, =stack_top\n"
        "        mov sp, x1\n"
        "        b guest_main\n"
        ".previous\n");
