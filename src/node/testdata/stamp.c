/* SPDX-License-Identifier: Apache-2.0 */
/* A task for the benchmarks: its state is the time of its first instruction. With constants and
 * code it makes an image of 16 KiB. */
#include "axcan/task.h"

struct state {
    uint64_t now_ns;
    uint64_t n;
};

#ifndef WITHOUT_BULK
#define BULK_BYTES 11000
#else
#define BULK_BYTES 16
#endif

static const uint8_t bulk[BULK_BYTES] = {1, 2, 3};
static uint64_t used = 1; /* one page of data */

static int job(const struct axc_job *job, void *memory)
{
    struct state *state = memory;

    state->now_ns = job->services->now(job);
#ifdef SPIN
    while (job->services->now(job) < job->release_ns + 700000) {
        /* something to preempt */
    }
#endif
    state->n += used + bulk[state->n % BULK_BYTES];
    return 0;
}

AXCAN_TASK("stamp", .job = job, .state_bytes = sizeof(struct state), .state_version = 1,
           .period_us = 1000, .deadline_us = 1000, .wcet = {{"linux-x86_64", 500}});

#ifdef AS_PROGRAM
/* The same code as a process of its own: what posix_spawn starts. */
static uint64_t fixed_now(const struct axc_job *job)
{
    return job->number;
}

int main(void)
{
    static const struct axc_services services = {.size = sizeof(services), .now = fixed_now};
    const struct axc_job first = {.services = &services};
    struct state state = {0};

    return axcan_entry(&first, &state);
}
#endif
