/* SPDX-License-Identifier: Apache-2.0 */
/* A context is anything that can own the processor: a task's job at EL0, or a kernel thread.
 *
 * Threads run at EL1 on the stack pointer SP_EL0 ("EL1t"), tasks at EL0; the kernel proper runs on
 * SP_EL1 with interrupts masked and is entered by exceptions only. So every way into the kernel is
 * the same: all registers go into the context that ran, the handler does its work on the one kernel
 * stack, axi_kernel_ops.choose says who goes on. An exception in the kernel itself is a panic. */
#ifndef AXI_OS_CONTEXT_H
#define AXI_OS_CONTEXT_H

#include "os/kernel/space.h"

#include <stddef.h>
#include <stdint.h>

/* Floating point registers: tasks only. The kernel is compiled without. */
struct axi_fp {
    uint64_t q[64]; /* q0..q31 */
    uint64_t control, status;
} __attribute__((aligned(16)));

/* start.S and vectors.S know the offsets. */
struct axi_context {
    uint64_t x[31];
    uint64_t sp;
    uint64_t pc;
    uint64_t pstate;
    uint64_t ticks; /* processor time used, counter ticks: EL0 (or thread) and SVC time. The owner
                       may clear it; right when read in a hook of axi_kernel_ops */
    const struct axi_space *space; /* NULL: a kernel thread */
    struct axi_fp *fp;             /* NULL: a kernel thread */
    const char *name;              /* for panics; borrowed */
};

/* Ready to run entry(argument0, argument1) at EL0 with the return address `return_to`; the FP
 * registers (in `fp`, which the context borrows) are zero. `context->ticks` is cleared. A context
 * that is running or was preempted may be given again: what it did is forgotten. */
void axi_context_init_task(struct axi_context *context, const struct axi_space *space,
                           struct axi_fp *fp, uint64_t entry, uint64_t stack_top,
                           uint64_t return_to, uint64_t argument0, uint64_t argument1);

/* Ready to run entry(argument) as a kernel thread with interrupts on; entry must not return.
 * `stack`: `stack_bytes` of kernel memory, the thread's own. */
void axi_context_init_thread(struct axi_context *context, const char *name,
                             void (*entry)(void *argument), void *argument, void *stack,
                             size_t stack_bytes);

/* Before the memory of a task's context (its `fp`) is used for something else: its FP registers are
 * not saved there any more. Hooks, or a thread with interrupts masked. */
void axi_context_drop(struct axi_context *context);

/* A stack for the image's main thread, with an unmapped page below (kernel.ld): an overflow is a
 * panic, not a riddle. */
#define AXI_THREAD_STACK_BYTES 65536u
extern uint8_t axi_thread_stack[];

/* From a thread: enters the kernel, so that choose decides anew. Returns when chosen again. */
void axi_thread_yield(void);

/* From a thread: a short section without interrupts, so without preemption. Nests. */
static inline uint64_t axi_irq_mask(void)
{
    uint64_t former;

    __asm__ volatile("mrs %0, daif\n\tmsr daifset, #2" : "=r"(former)::"memory");
    return former;
}

static inline void axi_irq_restore(uint64_t former)
{
    __asm__ volatile("msr daif, %0" ::"r"(former) : "memory");
}

#endif
