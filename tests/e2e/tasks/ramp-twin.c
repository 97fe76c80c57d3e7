/* SPDX-License-Identifier: Apache-2.0 */
/* Computes what ramp.c does, another way. */
#include "ramp.h"

static int job(const struct axc_job *job, void *memory)
{
    struct state *state = memory;

    state->sum = job->number % 2 == 0 ? job->number / 2 * (job->number + 1)
                                      : (job->number + 1) / 2 * job->number;
    (void)job->services->output(job, "ramp", &state->sum, sizeof(state->sum));
    return 0;
}

RAMP_TASK("ramp", job);
