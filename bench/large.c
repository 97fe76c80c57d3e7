/* SPDX-License-Identifier: Apache-2.0 */
/* The largest state a task may have, every word of it new after each job. */
#include <axcan/task.h>

enum { WORDS = 65536 / 8 };

struct state {
    uint64_t words[WORDS];
};

static int job(const struct axc_job *job, void *memory)
{
    struct state *state = memory;

    for (uint32_t i = 0; i < WORDS; i++) { /* lost or doubled: a fault */
        if (job->number > 0 && state->words[i] != (job->number - 1) * 0x9e3779b97f4a7c15u + i) {
            return 7;
        }
        state->words[i] = job->number * 0x9e3779b97f4a7c15u + i;
    }
    return 0;
}

AXCAN_TASK("large", .job = job, .state_bytes = sizeof(struct state), .state_version = 1,
           .period_us = 4000000, .deadline_us = 4000000, .fault_policy = AXC_POLICY_STOP,
           .wcet = {{"linux-x86_64", 300}, {"linux-aarch64", 300}});
