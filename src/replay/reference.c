/* SPDX-License-Identifier: Apache-2.0 */
#include "replay/reference.h"

#include "axcan/task.h"

#include <stdlib.h>
#include <string.h>

#define CHECKPOINTS_KEPT 256u /* how far back a restore may go */

struct checkpoint {
    uint64_t job; /* next job */
    uint32_t step;
};

struct axi_reference_run {
    struct axi_replay *replay;
    uint32_t state_bytes;
    uint32_t resume_step;
    uint32_t since_checkpoint; /* completed jobs */
    bool was_stepped;          /* the present job has made a step's checkpoint */
    uint64_t count;            /* checkpoints ever made; the newest is count - 1 */
    struct checkpoint headers[CHECKPOINTS_KEPT];
    uint8_t *states; /* CHECKPOINTS_KEPT * state_bytes */
};

static void checkpoint(struct axi_reference_run *run, uint64_t job, uint32_t step)
{
    size_t n = run->count % CHECKPOINTS_KEPT;

    run->headers[n] = (struct checkpoint){.job = job, .step = step};
    memcpy(run->states + n * run->state_bytes, axi_replay_state(run->replay), run->state_bytes);
    run->count++;
    run->since_checkpoint = 0;
}

static void load(struct axi_reference_run *run, uint64_t which)
{
    size_t n = which % CHECKPOINTS_KEPT;

    memcpy(axi_replay_state(run->replay), run->states + n * run->state_bytes, run->state_bytes);
    run->resume_step = run->headers[n].step;
}

/* Goes back to the newest checkpoint of that job and step. */
static int load_job(struct axi_reference_run *run, uint64_t job, uint32_t step)
{
    uint64_t oldest = run->count > CHECKPOINTS_KEPT ? run->count - CHECKPOINTS_KEPT : 0;

    for (uint64_t which = run->count; which > oldest; which--) {
        const struct checkpoint *header = &run->headers[(which - 1) % CHECKPOINTS_KEPT];

        if (header->job == job && header->step == step) {
            load(run, which - 1);
            return 0;
        }
    }
    return -AXC_ENOENT;
}

int axi_reference_new(struct axi_replay *replay, struct axi_reference_run **ret_run)
{
    struct axi_reference_run *run = calloc(1, sizeof(*run));

    if (run == NULL) {
        return -AXC_ENOMEM;
    }
    run->state_bytes = axi_replay_meta(replay)->state_bytes;
    run->states = malloc((size_t)CHECKPOINTS_KEPT * run->state_bytes);
    if (run->states == NULL) {
        free(run);
        return -AXC_ENOMEM;
    }
    run->replay = replay;
    checkpoint(run, 0, 0);
    *ret_run = run;
    return 0;
}

void axi_reference_free(struct axi_reference_run *run)
{
    if (run == NULL) {
        return;
    }
    axi_replay_free(run->replay);
    free(run->states);
    free(run);
}

/* Makes the step's checkpoint by running the job up to it. */
static int follow_step(struct axi_reference_run *run, const struct axi_trace *record)
{
    struct axi_replay_result result;
    uint32_t step = (uint32_t)record->detail;
    uint64_t before = 0;

    checkpoint(run, record->job, run->resume_step);
    before = run->count - 1;
    axi_replay_step(run->replay, record->job, run->resume_step, step, &result);
    if (!result.is_step_reached || !result.is_comparable) {
        return -AXC_ESTATE;
    }
    checkpoint(run, record->job, step);
    load(run, before);
    run->was_stepped = true;
    return 0;
}

static int follow_completed(struct axi_reference_run *run, const struct axi_trace *record,
                            uint32_t *ret_state_crc, uint32_t *ret_output_crc)
{
    const struct axi_task_meta *meta = axi_replay_meta(run->replay);
    struct axi_replay_result result;

    axi_replay_job(run->replay, record->job, run->resume_step, &result);
    if (result.result != 0 || !result.is_comparable) {
        return -AXC_ESTATE;
    }
    run->was_stepped = run->was_stepped || run->resume_step != 0;
    run->resume_step = 0;
    run->since_checkpoint++;
    if (run->was_stepped || run->since_checkpoint >= meta->checkpoint_every ||
        record->job + 1 == meta->jobs) {
        checkpoint(run, record->job + 1, 0);
    }
    run->was_stepped = false;
    *ret_state_crc = result.state_crc;
    *ret_output_crc = result.output_crc;
    return 1;
}

static int follow_killed(struct axi_reference_run *run, const struct axi_trace *record)
{
    if (record->detail2 != 0) {
        return load_job(run, record->job, record->detail2);
    }
    load(run, run->count - 1);
    run->resume_step = 0;
    run->was_stepped = false;
    return 0;
}

int axi_reference_event(void *context, const struct axi_trace *record, uint32_t *ret_state_crc,
                        uint32_t *ret_output_crc)
{
    struct axi_reference_run *run = context;

    switch (record->kind) {
    case AXI_TRACE_ACTIVATED:
        return load_job(run, record->job, (uint32_t)record->detail);
    case AXI_TRACE_STEP:
        return follow_step(run, record);
    case AXI_TRACE_COMPLETED:
        return follow_completed(run, record, ret_state_crc, ret_output_crc);
    case AXI_TRACE_KILLED:
        return follow_killed(run, record);
    case AXI_TRACE_FROZEN:
        checkpoint(run, record->job, run->resume_step);
        return 0;
    default:
        return 0;
    }
}
