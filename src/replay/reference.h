/* SPDX-License-Identifier: Apache-2.0 */
/* A reference run that follows a recorded history: for every completed job it gives the checksums
 * that state and outputs must have had. Repeats what the scheduler does with checkpoints: one after
 * every checkpoint_every-th job, at steps and at a freeze; a killed job falls back to the newest.
 * axi_reference_event has the shape the history checker takes. */
#ifndef AXI_REPLAY_REFERENCE_H
#define AXI_REPLAY_REFERENCE_H

#include "core/trace.h"
#include "replay/replay.h"

struct axi_reference_run;

/* Takes the replay over. -AXC_ENOMEM (then the replay stays the caller's). */
AXC_MUST_USE int axi_reference_new(struct axi_replay *replay, struct axi_reference_run **ret_run);
void axi_reference_free(struct axi_reference_run *run); /* NULL is allowed */

/* context: the struct axi_reference_run. Records of one task, epochs ascending, each in its node's
 * order. 1 with both checksums for COMPLETED, 0 for other records; -AXC_ENOENT when a restore goes
 * back to a checkpoint that is not kept any more or never was, -AXC_ESTATE when the record cannot
 * follow (a job that returned an error is said to have completed) or the job looked at clock, topic
 * or input. After an error the run cannot go on. */
int axi_reference_event(void *context, const struct axi_trace *record, uint32_t *ret_state_crc,
                        uint32_t *ret_output_crc);

#endif
