/* SPDX-License-Identifier: Apache-2.0 */
/* The kernel: one core, contexts, a clock, one timer. It has no policy: who runs is decided by the
 * image's `choose`. Boot order: start.S (MMU on) -> axi_kernel_main: console, page pool,
 * interrupts, clock -> axi_image_start -> first choose. */
#ifndef AXI_OS_KERNEL_H
#define AXI_OS_KERNEL_H

#include "os/kernel/console.h"
#include "os/kernel/context.h"
#include "os/kernel/irq.h"
#include "os/kernel/memory.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* An exception of a task that is not an SVC. */
struct axi_fault {
    uint64_t syndrome; /* ESR_EL1 */
    uint64_t address;  /* FAR_EL1; meaningful for aborts and misaligned pc */
    uint64_t pc;
};

#define AXI_SYNDROME_CLASS(syndrome) ((uint32_t)((syndrome) >> 26) & 0x3fu)
#define AXI_CLASS_UNKNOWN 0x00u /* illegal instruction */
#define AXI_CLASS_TRAPPED 0x18u /* system register or instruction */
#define AXI_CLASS_FETCH 0x20u   /* instruction abort from EL0 */
#define AXI_CLASS_PC_ALIGN 0x22u
#define AXI_CLASS_DATA 0x24u /* data abort from EL0 */
#define AXI_CLASS_SP_ALIGN 0x26u
#define AXI_CLASS_FP 0x2cu
#define AXI_CLASS_SERROR 0x2fu
#define AXI_CLASS_BRK 0x3cu

/* What the image does. All run in the kernel: interrupts masked, kernel stack (8 KiB), short. */
struct axi_kernel_ops {
    /* SVC #number of a task; arguments and result in context->x[]. The context may be made anew. */
    void (*svc)(struct axi_context *context, uint32_t number);
    void (*fault)(struct axi_context *context, const struct axi_fault *fault);
    /* After every entry into the kernel (SVC, fault, interrupt, timer, yield) and whatever handler
     * ran: who goes on. NULL: nobody; the processor waits for an interrupt. It also programs the
     * timer (axi_timer_set) when what it waits for changed. */
    struct axi_context *(*choose)(void);
};

#define AXI_RESET_REASON_BYTES 128u

/* What the kernel found at boot. */
struct axi_boot_info {
    const uint8_t *config; /* configuration blob, not validated beyond magic and room; NULL: none */
    size_t config_bytes;
    /* Why the machine was reset, when it was by a panic; else "". Printable ASCII. */
    char reset_reason[AXI_RESET_REASON_BYTES];
    uint32_t boots; /* since power-on, this one included: no two have the same random numbers */
    uint32_t boot_el;
};

/* Defined by the image: make contexts, attach interrupts, fill in ops. Interrupts are masked. */
void axi_image_start(const struct axi_boot_info *boot, struct axi_kernel_ops *ret_ops);

/* Local time: ns since the counter started. Any context. */
uint64_t axi_clock_ns(void);
uint64_t axi_clock_ticks(void);
uint64_t axi_clock_from_ticks(uint64_t ticks);
/* Local time at which the kernel was entered last: the stamp of what happened. Hooks only. */
uint64_t axi_kernel_entry_ns(void);

/* The one timer: enters the kernel (choose) at local time `at_ns`, at once when that is past;
 * UINT64_MAX: never. The latest call counts. Hooks only. */
void axi_timer_set(uint64_t at_ns);

/* The context that was interrupted; NULL while idle. Hooks only. */
struct axi_context *axi_kernel_current(void);

/* Time in which nobody ran, since boot; does not count the present idling. */
uint64_t axi_kernel_idle_ns(void);

/* Ends the machine: by PSCI, or with an exit code by semihosting when that was allowed at boot
 * (then QEMU must be started with it). */
void axi_machine_allow_semihosting(void);
__attribute__((noreturn)) void axi_machine_off(int exit_code);
__attribute__((noreturn)) void axi_machine_reset(void);
/* Kernel only: off with that code when semihosting is allowed, else reset. */
__attribute__((noreturn)) void axi_machine_end_after_panic(int exit_code);
void axi_machine_init(uint32_t boot_el);

/* A bug in the kernel: prints the registers, leaves a record that survives the reset, and resets
 * the machine; with semihosting allowed it ends with exit code 99 instead. */
__attribute__((noreturn, format(printf, 1, 2))) void axi_panic(const char *format, ...);

#endif
