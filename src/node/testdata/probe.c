/* SPDX-License-Identifier: Apache-2.0 */
/* A task for the node's tests: counts its jobs, and in every fourth one does what VARIANT says. */
#include "axcan/task.h"

#define GOOD 1
#define LOOP 2
#define DIVIDE 3
#define NULL_POINTER 4
#define STACK 5
#define SYSCALL 6
#define ERROR 7
#define STEP 8
#define EXIT 9
#define ILLEGAL 10
#define SMASH 11
#define LINGER 12

#if VARIANT == LINGER
#include "node/shared.h"
#endif

struct state {
    uint64_t n;
    uint64_t steps;
    double sum;
};

static volatile int zero;

#if VARIANT == STACK
static __attribute__((noinline)) int dig(volatile int depth)
{
    volatile char page[1024];

    page[0] = (char)depth;
    return depth == -1 ? 0 : dig(depth + 1) + page[0];
}
#endif

#if VARIANT == SYSCALL || VARIANT == EXIT
static long call_kernel(long number, long first, long second, long third)
{
#ifdef __aarch64__
    register long x8 __asm__("x8") = number;
    register long x0 __asm__("x0") = first;
    register long x1 __asm__("x1") = second;
    register long x2 __asm__("x2") = third;
    register long x3 __asm__("x3") = 0;

    __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3) : "memory");
    return x0;
#else
    long result;
    register long r10 __asm__("r10") = 0;

    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(first), "S"(second), "d"(third), "r"(r10)
                     : "rcx", "r11", "memory");
    return result;
#endif
}
#endif

static int misbehave(const struct axc_job *job, struct state *state)
{
    (void)job;
    (void)state;
#if VARIANT == LOOP
    for (;;) {
        zero = 0;
    }
#elif VARIANT == DIVIDE && defined(__x86_64__)
    return 7 / zero;
#elif VARIANT == NULL_POINTER
    *(volatile int *)(uintptr_t)(0x10 + zero) = 1;
#elif VARIANT == STACK
    return dig(0);
#elif VARIANT == SYSCALL
#ifdef __aarch64__
    call_kernel(172, 0, 0, 0); /* getpid */
#else
    call_kernel(39, 0, 0, 0);
#endif
#elif VARIANT == EXIT
#ifdef __aarch64__
    call_kernel(94, 3, 0, 0); /* exit_group is allowed: the runner dies without a word */
#else
    call_kernel(231, 3, 0, 0);
#endif
#elif VARIANT == ILLEGAL
    __builtin_trap();
#elif VARIANT == ERROR
    state->sum = 1e9;
    return -42;
#elif VARIANT == LINGER
    /* Says that it is done and goes on for ever. */
    atomic_store(&((struct axi_shm_slot *)AXI_RUNNER_SLOT_BASE)->report, AXI_REPORT_DONE);
    for (;;) {
        zero = 0;
    }
#elif VARIANT == SMASH
    /* Overwrites everything writable it can find around its state. */
    for (long i = 0; i < 65536; i++) {
        ((volatile uint8_t *)state)[i] = 0xff;
    }
    for (long i = 1; i < 0xc000; i++) {
        ((volatile uint8_t *)state)[-i] = 0xff;
    }
#endif
    return 0;
}

static int job(const struct axc_job *job, void *memory)
{
    struct state *state = memory;

    state->n++;
    state->sum += 0.5 * (double)state->n;
    job->services->log(job, 2, "job");
#if VARIANT == STEP
    if (job->number == 3) {
        if (job->resume_step == 0) {
            state->steps++;
            job->services->checkpoint(job, 1);
            *(volatile int *)(uintptr_t)(0x20 + zero) = 1; /* dies after the checkpoint */
        }
        state->steps += 10;
    }
    return 0;
#else
    if (job->number % 4 == 3) {
        return misbehave(job, state);
    }
    (void)job->services->publish(job, "count", &state->n, sizeof(state->n));
    (void)job->services->output(job, "out", &state->n, sizeof(state->n));
    return 0;
#endif
}

AXCAN_TASK("probe", .job = job, .state_bytes = sizeof(struct state), .state_version = 1,
           .period_us = 10000, .deadline_us = 10000, .wcet = {{"linux-x86_64", 1000}});
