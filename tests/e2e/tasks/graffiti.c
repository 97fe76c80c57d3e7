/* SPDX-License-Identifier: Apache-2.0 */
/* Logs what a browser must not take for a page. */
#include <axcan/task.h>

struct state {
    uint64_t count;
};

static int job(const struct axc_job *job, void *memory)
{
    struct state *state = memory;

    if (job->number % 50 == 0) {
        job->services->log(job, 2, "<img src=x onerror=\"document.title='broken in'\"><b>bold</b>");
    }
    state->count++;
    return 0;
}

AXCAN_TASK("graffiti", .job = job, .state_bytes = sizeof(struct state), .state_version = 1,
           .period_us = 20000, .deadline_us = 20000, .needs = AXC_SVC_LOG,
           .wcet = {{"linux-x86_64", 500}, {"axcan-virt", 1000}, {"axcan-zcu102", 1000}});
