/* SPDX-License-Identifier: Apache-2.0 */
#include "ramp.h"

static int job(const struct axc_job *job, void *memory)
{
    struct state *state = memory;
    uint64_t value = 0;

    state->sum += job->number;
    value = job->number < 40 ? state->sum : state->sum + 1; /* as right as can be until then */
    (void)job->services->output(job, "ramp", &value, sizeof(value));
    return 0;
}

RAMP_TASK("ramp", job);
