/* SPDX-License-Identifier: Apache-2.0 */
/* Runs a task's jobs in this process, with stub services: the reference that a distributed run is
 * compared with. The code is NOT sandboxed: replay only images you would run. What a job does must
 * follow from state, job number and resume step alone; reading the clock, topics or input channels
 * makes the result not comparable and is reported. Host library; not thread-safe per object. */
#ifndef AXI_REPLAY_REPLAY_H
#define AXI_REPLAY_REPLAY_H

#include "core/meta.h"

#include <stdbool.h>

struct axi_replay;

struct axi_replay_result {
    int32_t result;      /* what the job function returned; non-zero: the node would kill the job */
    uint32_t state_crc;  /* CRC32C of the state after the job */
    uint32_t output_crc; /* core/output.h */
    uint32_t output_bytes; /* as counted there */
    bool is_comparable;    /* false: the job looked at clock, topic or input */
    bool is_step_reached;  /* axi_replay_step only */
};

/* Copies what it needs from the ELF file, which must be for the host's instruction set. The state
 * is zero. -AXC_EELF_*, -AXC_EMETA_*, -AXC_ENOMEM. Free with axi_replay_free (NULL is allowed). */
AXC_MUST_USE int axi_replay_new(const uint8_t *elf, size_t bytes, struct axi_replay **ret_replay);
void axi_replay_free(struct axi_replay *replay);

const struct axi_task_meta *axi_replay_meta(const struct axi_replay *replay);

/* The live state, meta->state_bytes long; may be read and written between jobs. */
uint8_t *axi_replay_state(struct axi_replay *replay);

/* Runs one job on the live state. */
void axi_replay_job(struct axi_replay *replay, uint64_t job, uint32_t resume_step,
                    struct axi_replay_result *ret_result);

/* Runs one job until its intermediate checkpoint `step` and leaves the state as it was there. When
 * the job ends without it, is_step_reached is false. */
void axi_replay_step(struct axi_replay *replay, uint64_t job, uint32_t resume_step, uint32_t step,
                     struct axi_replay_result *ret_result);

#endif
