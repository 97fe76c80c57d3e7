/* SPDX-License-Identifier: Apache-2.0 */
/* Counts its jobs and says so; the state tells whether it was carried over. */
#include <axcan/task.h>

struct state {
    uint64_t count;
    uint8_t ballast[4088]; /* every byte is used: a rolling pattern of the job numbers */
};

static void print(char *text, uint64_t value)
{
    char digits[20];
    int n = 0;

    do {
        digits[n++] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    while (n > 0) {
        *text++ = digits[--n];
    }
    *text = '\0';
}

static int job(const struct axc_job *job, void *memory)
{
    struct state *state = memory;
    char text[32] = "count=";

    state->ballast[state->count % sizeof(state->ballast)] = (uint8_t)job->number;
    state->count++;
    if (job->number % 20 == 0) {
        print(text + 6, state->count);
        job->services->log(job, 2, text);
    }
    (void)job->services->output(job, "count", &state->count, sizeof(state->count));
    return state->count == job->number + 1 ? 0 : 7; /* a lost or doubled job is a fault */
}

AXCAN_TASK("counter", .job = job, .state_bytes = sizeof(struct state), .state_version = 1,
           .period_us = 10000, .deadline_us = 10000, .fault_policy = AXC_POLICY_STOP,
           .needs = AXC_SVC_LOG | AXC_SVC_IO,
           .wcet = {{"linux-x86_64", 500},
                    {"linux-aarch64", 500},
                    {"axcan-virt", 3000},
                    {"axcan-zcu102", 3000}});
