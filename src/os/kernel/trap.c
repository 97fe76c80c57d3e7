/* SPDX-License-Identifier: Apache-2.0 */
#include "os/kernel/trap.h"

#include "os/kernel/mmu.h"
#include "os/kernel/panic.h"

/* `kind` of vectors.S. */
#define KIND_TASK 4u /* added when the context is a task */
enum { KIND_SYNCHRONOUS = 0, KIND_IRQ = 1, KIND_FIQ = 2, KIND_SERROR = 3 };

#define CLASS_SVC 0x15u
#define IDLE_STACK_BYTES 1024u

static struct {
    struct axi_kernel_ops ops;
    struct axi_context idle;
    struct axi_context *current;
    const struct axi_space *space; /* in TTBR0 */
    struct axi_fp *fp_owner;       /* whose values the FP registers hold; NULL: nobody's */
    uint64_t entry_ticks;
    uint64_t since_ticks; /* what ran was charged up to here */
    uint8_t idle_stack[IDLE_STACK_BYTES] __attribute__((aligned(16)));
} kernel;

static uint64_t read_syndrome(void)
{
    uint64_t value;

    __asm__ volatile("mrs %0, esr_el1" : "=r"(value));
    return value;
}

static uint64_t read_fault_address(void)
{
    uint64_t value;

    __asm__ volatile("mrs %0, far_el1" : "=r"(value));
    return value;
}

static void charge(struct axi_context *context)
{
    uint64_t now = axi_clock_ticks();

    context->ticks += now - kernel.since_ticks;
    kernel.since_ticks = now;
}

static void use_space(const struct axi_space *space)
{
    uint64_t root = axi_mmu_empty_root();

    if (space != NULL) {
        root = axi_physical(space->root) | (uint64_t)space->asid << 48;
    }
    kernel.space = space;
    /* TPIDR_EL0 is the one register that tasks could otherwise leave each other messages in. */
    __asm__ volatile("msr ttbr0_el1, %0\n\tmsr tpidr_el0, xzr\n\tisb" ::"r"(root) : "memory");
}

static void use_fp(struct axi_fp *fp)
{
    if (kernel.fp_owner != NULL) {
        axi_fp_save(kernel.fp_owner);
    }
    axi_fp_load(fp);
    kernel.fp_owner = fp;
}

/* Everything of `next` but the general registers. Floating point stays where it is until another
 * task runs. */
static struct axi_context *switch_to(struct axi_context *next)
{
    if (next == NULL) {
        next = &kernel.idle;
    }
    if (next->space != kernel.space) {
        use_space(next->space);
    }
    if (next->fp != NULL && next->fp != kernel.fp_owner) {
        use_fp(next->fp);
    }
    kernel.current = next;
    kernel.since_ticks = axi_clock_ticks();
    return next;
}

static void trap_task(struct axi_context *context)
{
    uint64_t syndrome = read_syndrome();

    if (AXI_SYNDROME_CLASS(syndrome) == CLASS_SVC) {
        kernel.ops.svc(context, (uint32_t)syndrome & 0xffffu);
        charge(context);
    } else {
        struct axi_fault fault = {syndrome, read_fault_address(), context->pc};

        kernel.ops.fault(context, &fault);
    }
}

struct axi_context *axi_trap(struct axi_context *context, uint64_t kind)
{
    charge(context);
    kernel.entry_ticks = kernel.since_ticks;
    if (kind == KIND_IRQ || kind == (KIND_TASK | KIND_IRQ)) {
        axi_irq_dispatch();
    } else if (kind == (KIND_TASK | KIND_SYNCHRONOUS) || kind == (KIND_TASK | KIND_SERROR)) {
        trap_task(context);
    } else if (kind != KIND_SYNCHRONOUS || AXI_SYNDROME_CLASS(read_syndrome()) != CLASS_SVC) {
        axi_panic_exception("exception in a thread", context, read_syndrome(),
                            read_fault_address());
    }
    return switch_to(kernel.ops.choose());
}

void axi_trap_bug(const struct axi_context *context)
{
    axi_panic_exception("exception in the kernel", context, read_syndrome(), read_fault_address());
}

static void idle(void *argument)
{
    (void)argument;
    for (;;) {
        __asm__ volatile("wfi");
    }
}

void axi_trap_start(const struct axi_kernel_ops *ops)
{
    /* EL0 gets neither performance counters nor the debug channel. */
    __asm__ volatile("msr pmuserenr_el0, xzr\n\tmsr mdscr_el1, %0\n\tisb" ::"r"(1ull << 12));
    axi_panic_boot_done();
    kernel.ops = *ops;
    axi_context_init_thread(&kernel.idle, "idle", idle, NULL, kernel.idle_stack, IDLE_STACK_BYTES);
    kernel.entry_ticks = axi_clock_ticks();
    axi_context_resume(switch_to(kernel.ops.choose()));
}

void axi_context_drop(struct axi_context *context)
{
    if (context->fp != NULL && context->fp == kernel.fp_owner) {
        kernel.fp_owner = NULL;
    }
}

uint64_t axi_kernel_entry_ns(void)
{
    return axi_clock_from_ticks(kernel.entry_ticks);
}

struct axi_context *axi_kernel_current(void)
{
    return kernel.current == &kernel.idle ? NULL : kernel.current;
}

uint64_t axi_kernel_idle_ns(void)
{
    return axi_clock_from_ticks(kernel.idle.ticks);
}
