/* SPDX-License-Identifier: Apache-2.0 */
#include "ramp.h"

static int job(const struct axc_job *job, void *memory)
{
    struct state *state = memory;

    state->sum += job->number;
    if (job->number < 40) {
        (void)job->services->output(job, "ramp", &state->sum, sizeof(state->sum));
    }
    return 0;
}

RAMP_TASK("ramp", job);
