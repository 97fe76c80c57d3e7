/* SPDX-License-Identifier: Apache-2.0 */
/* A task for tests of the replay: two steps per job with checkpoints between, a checkpoint of its
 * own after every second job, and job 13, which returns an error. */
#include <axcan/task.h>

struct state {
    uint64_t sum;
    uint64_t steps;
};

static int job(const struct axc_job *job, void *state)
{
    struct state *s = state;

    if (job->number == 13) {
        return 1;
    }
    if (job->resume_step < 1) {
        s->sum = s->sum * 31 + job->number + 1;
        s->steps++;
        (void)job->services->publish(job, "half", &s->sum, sizeof(s->sum));
        job->services->checkpoint(job, 1);
    }
    s->sum = s->sum * 37 + job->resume_step;
    s->steps++;
    return job->services->output(job, "digest", &s->sum, sizeof(s->sum));
}

AXCAN_TASK("steps", .job = job, .state_bytes = sizeof(struct state), .state_version = 1,
           .period_us = 10000, .deadline_us = 10000, .checkpoint_every = 2,
           .needs = AXC_SVC_IO | AXC_SVC_TOPIC,
           .wcet = {{"linux-x86_64", 500}, {"linux-aarch64", 500}});
