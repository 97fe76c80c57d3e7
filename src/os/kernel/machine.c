/* SPDX-License-Identifier: Apache-2.0 */
/* The end of the machine: PSCI (Arm DEN 0022) and semihosting (Arm IHI 0100). And its caches. */
#include "os/board/board.h"
#include "os/kernel/kernel.h"

#define PSCI_SYSTEM_OFF 0x84000008u
#define PSCI_SYSTEM_RESET 0x84000009u
#define SEMIHOSTING_EXIT 0x18u
#define SEMIHOSTING_APPLICATION_EXIT 0x20026u
#define LINE_BYTES 64u

static struct {
    bool has_smc, has_semihosting;
} machine;

void axi_machine_init(uint32_t boot_el)
{
    machine.has_smc = axi_board.psci_by_smc(boot_el);
}

void axi_machine_allow_semihosting(void)
{
    machine.has_semihosting = true;
}

static __attribute__((noreturn)) void call_psci(uint64_t function)
{
    register uint64_t x0 __asm__("x0") = function;

    if (machine.has_smc) {
        __asm__ volatile("smc #0" : "+r"(x0)::"x1", "x2", "x3", "memory");
    } else {
        __asm__ volatile("hvc #0" : "+r"(x0)::"x1", "x2", "x3", "memory");
    }
    for (;;) { /* firmware without PSCI */
        __asm__ volatile("wfe");
    }
}

static void exit_semihosting(int exit_code)
{
    uint64_t arguments[2] = {SEMIHOSTING_APPLICATION_EXIT, (uint64_t)exit_code};
    register uint64_t x0 __asm__("x0") = SEMIHOSTING_EXIT;
    register uint64_t x1 __asm__("x1") = (uint64_t)(uintptr_t)arguments;

    __asm__ volatile("hlt #0xf000" : "+r"(x0) : "r"(x1) : "memory");
}

void axi_machine_off(int exit_code)
{
    (void)axi_irq_mask();
    if (machine.has_semihosting) {
        exit_semihosting(exit_code);
    }
    call_psci(PSCI_SYSTEM_OFF);
}

void axi_machine_reset(void)
{
    (void)axi_irq_mask();
    call_psci(PSCI_SYSTEM_RESET);
}

void axi_machine_end_after_panic(int exit_code)
{
    if (machine.has_semihosting) {
        axi_machine_off(exit_code);
    }
    axi_machine_reset();
}

void axi_cache_clean(const void *data, size_t bytes)
{
    uintptr_t at = (uintptr_t)data & ~(uintptr_t)(LINE_BYTES - 1);

    for (; at < (uintptr_t)data + bytes; at += LINE_BYTES) {
        __asm__ volatile("dc cvac, %0" ::"r"(at) : "memory");
    }
    __asm__ volatile("dsb sy" ::: "memory");
}

void axi_cache_sync_code(const void *code, size_t bytes)
{
    uintptr_t at = (uintptr_t)code & ~(uintptr_t)(LINE_BYTES - 1);

    for (; at < (uintptr_t)code + bytes; at += LINE_BYTES) {
        __asm__ volatile("dc cvau, %0" ::"r"(at) : "memory");
    }
    /* All of the instruction cache: the code runs at another address than it was written at. */
    __asm__ volatile("dsb ish\n\tic iallu\n\tdsb nsh\n\tisb" ::: "memory");
}
