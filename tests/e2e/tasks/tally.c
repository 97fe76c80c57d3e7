/* SPDX-License-Identifier: Apache-2.0 */
/* Like counter, for tests in which jobs may be killed: a killed job consumes its number, so numbers
 * may be skipped, but none may come twice. */
#include <axcan/task.h>

struct state {
    uint64_t next; /* lowest job number that may come */
    uint64_t count;
};

static int job(const struct axc_job *job, void *memory)
{
    struct state *state = memory;

    if (job->number < state->next) {
        return 7;
    }
    state->next = job->number + 1;
    state->count++;
    return 0;
}

AXCAN_TASK("tally", .job = job, .state_bytes = sizeof(struct state), .state_version = 1,
           .period_us = 10000, .deadline_us = 10000, .fault_policy = AXC_POLICY_STOP,
           .wcet = {{"linux-x86_64", 500},
                    {"linux-aarch64", 500},
                    {"axcan-virt", 3000},
                    {"axcan-zcu102", 3000}});
