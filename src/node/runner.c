/* SPDX-License-Identifier: Apache-2.0 */
#include "node/runner.h"

#include "core/trace.h"
#include "node/futex.h"
#include "node/sandbox.h"
#include "node/services.h"

#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <ucontext.h>

#define SIGNAL_STACK_BYTES 65536u

typedef int (*job_function)(const struct axc_job *job, void *state);

static struct axi_shm_slot *const slot = (struct axi_shm_slot *)AXI_RUNNER_SLOT_BASE;
static uint8_t signal_stack[SIGNAL_STACK_BYTES] __attribute__((aligned(64)));

static _Noreturn void leave(int status)
{
    for (;;) {
        (void)syscall(SYS_exit_group, status);
    }
}

static uint32_t cause_of(int signal_number, uint64_t address)
{
    switch (signal_number) {
    case SIGFPE:
        return AXI_CAUSE_FPE;
    case SIGILL:
    case SIGTRAP:
        return AXI_CAUSE_ILLEGAL;
    case SIGBUS:
        return AXI_CAUSE_BUS;
    case SIGSYS:
        return AXI_CAUSE_SYSCALL;
    default:
        return address >= AXI_RUNNER_STACK_BASE &&
                       address < AXI_RUNNER_STACK_BASE + AXI_RUNNER_GUARD_BYTES
                   ? AXI_CAUSE_STACK
                   : AXI_CAUSE_SEGV;
    }
}

static void on_fault(int signal_number, siginfo_t *info, void *context)
{
    uint64_t address = (uint64_t)(uintptr_t)info->si_addr;

    (void)context;
    slot->fault_cause = cause_of(signal_number, address);
    slot->fault_detail = signal_number == SIGSYS ? (uint64_t)(uint32_t)info->si_syscall : address;
    axi_services_report(AXI_REPORT_FAULT);
    leave(1);
}

static void install_fault_handler(void)
{
    static const int signals[] = {SIGSEGV, SIGFPE, SIGILL, SIGBUS, SIGSYS, SIGTRAP};
    const stack_t stack = {.ss_sp = signal_stack, .ss_size = sizeof(signal_stack)};
    struct sigaction action = {.sa_sigaction = on_fault,
                               .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER};
    sigset_t none;

    (void)sigaltstack(&stack, NULL);
    for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
        (void)sigaction(signals[i], &action, NULL);
    }
    sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Every job starts with the default floating-point modes: a job that changed them must not make the
 * next one compute otherwise than it would after a migration. */
static void reset_floating_point(void)
{
#ifdef __aarch64__
    uint64_t zero = 0;

    __asm__ volatile("msr fpcr, %0\n\tmsr fpsr, %0" ::"r"(zero));
#else
    uint32_t mxcsr = 0x1f80;

    __asm__ volatile("fninit\n\tldmxcsr %0" ::"m"(mxcsr));
#endif
}

/* Calls the job function on the task's own stack. */
static int call_on_stack(job_function function, const struct axc_job *job, void *state,
                         uint64_t top)
{
#ifdef __aarch64__
    register const struct axc_job *x0 __asm__("x0") = job;
    register void *x1 __asm__("x1") = state;
    register uint64_t x2 __asm__("x2") = top;
    register job_function x3 __asm__("x3") = function;

    __asm__ volatile("mov x19, sp\n\tmov sp, x2\n\tblr x3\n\tmov sp, x19"
                     : "+r"(x0), "+r"(x1), "+r"(x2), "+r"(x3)
                     :
                     : "x4", "x5", "x6", "x7", "x8", "x9", "x10", "x11", "x12", "x13", "x14", "x15",
                       "x16", "x17", "x19", "x30", "v0", "v1", "v2", "v3", "v4", "v5", "v6", "v7",
                       "v16", "v17", "v18", "v19", "v20", "v21", "v22", "v23", "v24", "v25", "v26",
                       "v27", "v28", "v29", "v30", "v31", "memory", "cc");
    return (int)(uintptr_t)x0;
#else
    uint64_t result;

    __asm__ volatile(
        "mov %%rsp, %%rbx\n\tmov %[top], %%rsp\n\tcall *%[function]\n\tmov %%rbx, %%rsp"
        : "=a"(result), "+D"(job), "+S"(state)
        : [top] "r"(top), [function] "r"(function)
        : "rbx", "rcx", "rdx", "r8", "r9", "r10", "r11", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4",
          "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14",
          "xmm15", "memory", "cc");
    return (int)result;
#endif
}

static void run_job(void)
{
    const struct axc_job job = {
        .number = slot->job,
        .release_ns = slot->release_ns,
        .deadline_ns = slot->deadline_ns,
        .resume_step = slot->resume_step,
        .services = axi_services_table(),
    };
    uint64_t top =
        AXI_RUNNER_STACK_BASE + AXI_RUNNER_GUARD_BYTES + (slot->stack_bytes + 15u) / 16u * 16u;
    job_function function = (job_function)(uintptr_t)slot->entry;

    reset_floating_point();
    slot->result = call_on_stack(function, &job, slot->state, top);
    axi_services_report(AXI_REPORT_DONE);
}

/* The pages of an ordinary stack are there before anybody waits for a load. */
static void touch_stack(uint32_t bytes)
{
    volatile uint8_t *stack =
        (volatile uint8_t *)(uintptr_t)(AXI_RUNNER_STACK_BASE + AXI_RUNNER_GUARD_BYTES);

    for (uint32_t at = 0; at < bytes && at < AXC_STACK_BYTES_MAX; at += AXI_PAGE) {
        stack[at] = 0;
    }
}

/* The copies of the data pages are made now, not in the first job. */
static void load(void)
{
    volatile uint8_t *data = (volatile uint8_t *)(uintptr_t)slot->data_start;
    uint64_t bytes = slot->data_bytes;

    if (bytes > 0 && mprotect((void *)(uintptr_t)data, bytes, PROT_READ | PROT_WRITE) != 0) {
        leave(2);
    }
    for (uint64_t i = 0; i < bytes; i += AXI_PAGE) {
        data[i] = data[i];
    }
    touch_stack(slot->stack_bytes);
    (void)*(volatile uint8_t *)(uintptr_t)slot->entry;
}

static void set_scheduling(const struct axi_runner_options *options)
{
    cpu_set_t cpus;

    if (options->cpu >= 0) {
        CPU_ZERO(&cpus);
        CPU_SET((size_t)options->cpu, &cpus);
        (void)sched_setaffinity(0, sizeof(cpus), &cpus);
    }
    if (options->fifo_priority > 0) {
        const struct sched_param param = {.sched_priority = options->fifo_priority};

        (void)sched_setscheduler(0, SCHED_FIFO, &param);
    }
}

_Noreturn void axi_runner_main(const struct axi_node_memory *memory,
                               const struct axi_runner_options *options, uint32_t slot_number)
{
    static const struct rlimit no_core = {0, 0};
    struct axi_runner_view view;
    uint32_t seen = 0;

    (void)prctl(PR_SET_NAME, "axcan-runner");
    (void)setrlimit(RLIMIT_CORE, &no_core);
    if (axi_memory_enter_runner(memory, slot_number, &view) < 0) {
        leave(3);
    }
    (void)syscall(SYS_close_range, 0u, ~0u, 0u);
    axi_services_init(slot, view.world, view.event);
    install_fault_handler();
    touch_stack(AXC_STACK_BYTES_DEFAULT);
    atomic_store(&slot->command, 0);
    set_scheduling(options);
    if (!options->is_unconfined && axi_sandbox_enter() < 0) {
        leave(4);
    }
    axi_services_report(AXI_REPORT_ALIVE);
    for (;;) {
        while (atomic_load_explicit(&slot->command, memory_order_acquire) == seen) {
            axi_futex_wait(&slot->command, seen, NULL);
        }
        seen = atomic_load_explicit(&slot->command, memory_order_acquire);
        if (slot->op == AXI_RUNNER_LOAD) {
            load();
            axi_services_report_loaded();
        } else if (slot->op == AXI_RUNNER_RELOAD) {
            load();
            axi_services_report(AXI_REPORT_LOADED);
        } else if (slot->op == AXI_RUNNER_JOB) {
            run_job();
        }
    }
}
