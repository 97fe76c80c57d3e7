/* SPDX-License-Identifier: Apache-2.0 */
/* A task's state and its checkpoints. */
#include "core/sched.h"
#include "core/sched_slot.h"

#include <string.h>

/* Reads the newest checkpoint's state into the scratch buffer. */
static int read_newest(struct axi_sched *sched, struct axi_sched_slot *slot,
                       const uint8_t **ret_state)
{
    struct axi_checkpoint checkpoint;
    const uint8_t *state;
    size_t bytes = 0;
    int r =
        axi_region_newest(slot->config.region, sched->scratch, AXI_CHECKPOINT_BYTES_MAX, &bytes);

    if (r == 0) {
        r = axi_checkpoint_decode_header(sched->scratch, bytes, &checkpoint);
    }
    if (r < 0) {
        return r;
    }
    if (checkpoint.state_bytes != slot->config.state_bytes) {
        return -AXC_ECKPT_SIZE;
    }
    state = sched->scratch + AXI_CHECKPOINT_HEADER_BYTES;
    *ret_state = state;
    return 0;
}

int axi_slot_restore(struct axi_sched *sched, struct axi_sched_slot *slot)
{
    const uint8_t *state = NULL;
    int r = read_newest(sched, slot, &state);

    if (r == 0) {
        memcpy(slot->config.state, state, slot->config.state_bytes);
        slot->is_restore_needed = false;
    }
    return r;
}

/* The state as it is now, or, after a kill, as the newest checkpoint has it: then the new one
 * differs only in the job that runs next. */
int axi_slot_checkpoint(struct axi_sched *sched, struct axi_sched_slot *slot, uint32_t *ret_crc)
{
    const struct axi_instance_config *config = &slot->config;
    struct axi_checkpoint checkpoint = {
        .task_id = config->task_id,
        .epoch = config->epoch,
        .job = slot->next_job,
        .step = slot->resume_step,
        .state_version = config->state_version,
        .state_bytes = config->state_bytes,
    };
    const uint8_t *state = config->state;
    int r = slot->is_restore_needed ? read_newest(sched, slot, &state) : 0;

    if (r < 0) {
        return r;
    }
    memcpy(checkpoint.schema_hash, config->schema_hash, sizeof(checkpoint.schema_hash));
    slot->since_checkpoint = 0;
    return axi_region_write_crc(config->region, &checkpoint, state, ret_crc);
}
