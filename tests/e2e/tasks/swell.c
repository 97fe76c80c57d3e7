/* SPDX-License-Identifier: Apache-2.0 */
/* A job takes 1 ms at first, from job 240 on more and more, 9 ms from 320 to 560, then 1 ms again.
 */
#include <axcan/task.h>

#define MS UINT64_C(1000000)

struct state {
    uint64_t count;
};

static uint64_t length_ns(uint64_t job)
{
    if (job < 240 || job >= 560) {
        return MS;
    }
    return job >= 320 ? 9 * MS : MS + (job - 240) * MS / 10;
}

static int job(const struct axc_job *job, void *memory)
{
    struct state *state = memory;
    uint64_t end_ns = job->services->now(job) + length_ns(job->number);

    while (job->services->now(job) < end_ns) {
    }
    state->count++;
    return state->count == job->number + 1 ? 0 : 7;
}

AXCAN_TASK("swell", .job = job, .state_bytes = sizeof(struct state), .state_version = 1,
           .period_us = 50000, .deadline_us = 50000, .fault_policy = AXC_POLICY_STOP,
           .wcet = {{"linux-x86_64", 14000}, {"linux-aarch64", 14000}});
