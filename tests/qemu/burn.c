/* SPDX-License-Identifier: Apache-2.0 */
/* The task of the bare-metal tests: takes an exact number of instructions and, in every n-th job,
 * misbehaves. One ELF file; harness.py writes the parameters and the note of each instance into a
 * copy. */
#include "axcan/task.h"

enum mode { /* harness.py has the same names */
            WELL = 0,
            NULL_POINTER,
            ILLEGAL,
            STACK,
            LOOP,
            MISALIGNED, /* an exclusive access */
            ODD_JUMP,
            BAD_TEXT,   /* a service is given a bad pointer */
            BAD_BUFFER, /* the same, to write to; the kernel's own memory */
            SYSCALL,
            RESULT,
            STEP, /* an intermediate checkpoint, then a fault; resumed it ends well */
            JUMP, /* to nowhere */
            WRITE_TEXT,
            EXECUTE_DATA,
            KERNEL,     /* writes to its memory */
            PRIVILEGED, /* a system register */
            MODES,      /* changes FPCR, leaves values in FP registers */
            SMASH_DATA, /* destroys its data, then faults: the next job finds it as loaded */
            OVERLONG,   /* runs to twice its instructions more */
            CALL_LOOP,  /* calls a service for ever */
            STEP_LOOP,  /* makes checkpoints for ever */
            RANDOM      /* calls services with whatever comes: another job, other calls */
};

struct parameters {
    char magic[8];
    uint64_t iterations; /* of two instructions each */
    uint64_t mode;
    uint64_t every; /* misbehaves in jobs every - 1, 2 * every - 1, ... */
    uint64_t
        topic; /* 1: publishes its number, 2: reads it and adds it up, 3: puts it out,
                  4: logs how long after its release it began, 5: asks for the time 100 times */
};

/* Not constant to the compiler. */
static const volatile struct parameters parameters = {"AXBURN01", 0, 0, 0, 0};
static volatile uint64_t data[4] = {11, 22, 33, 44};
static volatile uint8_t target[1024];

struct state {
    uint64_t n;
    uint64_t steps;
    uint64_t sum;
    double mean;
};

static void burn(uint64_t iterations)
{
    if (iterations > 0) {
        __asm__ volatile("1: subs %0, %0, #1\n\tb.ne 1b" : "+r"(iterations)::"cc");
    }
}

static __attribute__((noinline)) int dig(volatile int depth)
{
    volatile char page[1024];

    page[0] = (char)depth;
    return depth == -1 ? 0 : dig(depth + 1) + page[0];
}

static void poke(uint64_t address)
{
    __asm__ volatile("str %0, [%1]" ::"r"(1ull), "r"(address) : "memory");
}

static uint64_t draw(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

static void call_at_random(const struct axc_job *job, const struct state *state)
{
    static const char name[] = "numbers";
    const uint64_t addresses[] = {
        0,
        8,
        (uintptr_t)name,
        (uintptr_t)name,
        (uintptr_t)name,
        (uintptr_t)&target[0],
        (uintptr_t)state,
        ((uintptr_t)state | 0xfff) - 7, /* the end of its page */
        (uintptr_t)&job - 64,           /* on the stack */
        0x7ff00000 - 4,                 /* below it */
        (uintptr_t)job,
        (uintptr_t)job->services,
        0x7fffffffffull,
        0xffffff8040200000ull,
        ~0ull,
    };
    const uint32_t sizes[] = {0, 1, 8, 32, 116, 1024, 1025, 4096, ~0u};
    uint64_t seed = (job->number + 1) * 0x9e3779b97f4a7c15ull;

    for (uint64_t i = draw(&seed) % 20; i > 0; i--) {
        const void *a = (const void *)(uintptr_t)addresses[draw(&seed) % 15];
        void *b = (void *)(uintptr_t)addresses[draw(&seed) % 15];
        uint64_t *c = (uint64_t *)(uintptr_t)addresses[draw(&seed) % 15];
        uint32_t bytes = sizes[draw(&seed) % 9];

        switch (draw(&seed) % 5) {
        case 0:
            job->services->log(job, (uint32_t)draw(&seed), a);
            break;
        case 1:
            (void)job->services->publish(job, a, b, bytes);
            break;
        case 2:
            (void)job->services->output(job, a, b, bytes);
            break;
        case 3:
            (void)job->services->read_topic(job, a, b, bytes, c);
            break;
        default:
            (void)job->services->input(job, a, b, bytes, c);
            break;
        }
    }
}

static int misbehave_in_memory(uint64_t mode)
{
    switch (mode) {
    case NULL_POINTER:
        poke(0x10);
        break;
    case STACK:
        return dig(0);
    case WRITE_TEXT:
        poke((uint64_t)(uintptr_t)&burn & ~7ull);
        break;
    case KERNEL:
        poke(0xffffff8040200000ull);
        break;
    case JUMP:
        ((int (*)(void))0x12340000ull)();
        break;
    case EXECUTE_DATA:
        data[0] = 0xd65f03c0d65f03c0ull; /* ret; ret */
        return ((int (*)(void))(uintptr_t)&data[0])();
    case SMASH_DATA:
        for (int i = 0; i < 4; i++) {
            data[i] = ~0ull;
        }
        poke(0x18);
        break;
    default:
        break;
    }
    return 0;
}

static int misbehave(const struct axc_job *job, struct state *state, uint64_t mode)
{
    switch (mode) {
    case ILLEGAL:
        __asm__ volatile("udf #0");
        break;
    case LOOP:
        for (;;) {
            data[3] = 44;
        }
    case MISALIGNED:
        __asm__ volatile("ldxr x9, [%0]" ::"r"((uintptr_t)&data[0] + 1) : "x9", "memory");
        break;
    case ODD_JUMP:
        __asm__ volatile("add x9, %0, #2\n\tbr x9" ::"r"(&burn) : "x9");
        break;
    case BAD_TEXT:
        job->services->log(job, 2, (const char *)0x7ff00000 - 1); /* in the guard */
        break;
    case BAD_BUFFER:
        (void)job->services->read_topic(job, "numbers", (void *)0xffffff8040200000ull, 64, NULL);
        (void)job->services->publish(job, "numbers", (void *)0xffffff8040200000ull, 8);
        break;
    case SYSCALL:
        __asm__ volatile("mov x8, #172\n\tsvc #0" ::: "x8", "x0", "memory");
        break;
    case RESULT:
        state->sum = 999;
        return -42;
    case STEP:
        if (job->resume_step == 0) {
            state->steps++;
            job->services->checkpoint(job, 7);
            poke(0x20);
        }
        state->steps += 100 * job->resume_step;
        break;
    case PRIVILEGED:
        __asm__ volatile("msr daifset, #2" ::: "memory");
        __asm__ volatile("mrs x9, ttbr0_el1" ::: "x9");
        break;
    case MODES: {
        uint64_t mode_bits = 3u << 22; /* round toward zero */

        __asm__ volatile("msr fpcr, %0" ::"r"(mode_bits));
        break;
    }
    case CALL_LOOP:
        for (;;) {
            (void)job->services->now(job);
        }
    case STEP_LOOP:
        for (uint32_t step = 1;; step++) {
            job->services->checkpoint(job, step);
        }
    case RANDOM:
        call_at_random(job, state);
        break;
    case OVERLONG:
        burn(2 * parameters.iterations);
        break;
    default:
        return misbehave_in_memory(mode);
    }
    return 0;
}

static void log_number(const struct axc_job *job, uint64_t number)
{
    char text[24] = {0};
    int at = sizeof(text) - 1;

    do {
        text[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    job->services->log(job, 2, text + at);
}

static int32_t use_topic(const struct axc_job *job, struct state *state)
{
    uint64_t value = 0;

    switch (parameters.topic) {
    case 1:
        return job->services->publish(job, "numbers", &state->n, sizeof(state->n));
    case 2:
        if (job->services->read_topic(job, "numbers", &value, sizeof(value), NULL) > 0) {
            state->sum += value;
        }
        return 0;
    case 3:
        job->services->log(job, 2, "a line");
        return job->services->output(job, "out", &state->n, sizeof(state->n));
    case 5:
        for (int i = 0; i < 100; i++) {
            state->sum += job->services->now(job);
        }
        return 0;
    default:
        return 0;
    }
}

static int job(const struct axc_job *job, void *memory)
{
    struct state *state = memory;
    uint64_t every = parameters.every;
    int r = 0;

    if (parameters.topic == 4) {
        log_number(job, job->services->now(job) - job->release_ns);
    }
    state->n++;
    state->mean += ((double)state->n - state->mean) / 3.0;
    if (data[0] + data[1] + data[2] != 66) {
        return -7; /* the image is not as it was loaded */
    }
    burn(parameters.iterations);
    if (use_topic(job, state) < 0) {
        return -8;
    }
    if (every != 0 && job->number % every == every - 1) {
        r = misbehave(job, state, parameters.mode);
    }
    return r;
}

AXCAN_TASK("burn", .job = job, .state_bytes = sizeof(struct state), .state_version = 1,
           .period_us = 10000, .deadline_us = 10000, .wcet = {{"axcan-virt", 1000}});
