/* SPDX-License-Identifier: Apache-2.0 */
/* Checkpoint format: a 96-byte header, then the state (docs/formats/checkpoint.md has the byte
 * table). Little endian on every platform, so a checkpoint made on one instruction set restores on
 * another; the schema hash proves that the state's layout agrees. Freestanding; any context. */
#ifndef AXI_CORE_CHECKPOINT_H
#define AXI_CORE_CHECKPOINT_H

#include "axcan/task.h"
#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

#define AXI_CHECKPOINT_HEADER_BYTES 96u
#define AXI_CHECKPOINT_BYTES_MAX (AXI_CHECKPOINT_HEADER_BYTES + AXC_STATE_BYTES_MAX)
#define AXI_CHECKPOINT_SCHEMA_BYTES 32u

struct axi_checkpoint {
    uint64_t task_id;
    uint64_t epoch; /* the owner's epoch when it was taken */
    uint64_t job;   /* next job to run, or the job to repeat when step > 0 */
    uint32_t step;  /* 0, or the resume step of an intermediate checkpoint */
    uint32_t state_version;
    uint8_t schema_hash[AXI_CHECKPOINT_SCHEMA_BYTES];
    uint32_t state_bytes; /* 1..AXC_STATE_BYTES_MAX */
    uint32_t state_crc;   /* CRC-32C of the state; set by decode, computed by encode */
};

/* What a checkpoint must be to be accepted. Ranges include both ends. */
struct axi_checkpoint_expect {
    uint64_t task_id;
    uint64_t epoch_min, epoch_max;
    uint64_t job_min, job_max;
    uint32_t state_version;
    uint32_t state_bytes;
    uint8_t schema_hash[AXI_CHECKPOINT_SCHEMA_BYTES];
};

/* Writes header and state: AXI_CHECKPOINT_HEADER_BYTES + state_bytes. The given state_crc is
 * ignored. -AXC_ECKPT_SIZE, -AXC_EFULL (capacity). `state` and `buffer` do not overlap. */
AXC_MUST_USE int axi_checkpoint_encode(const struct axi_checkpoint *checkpoint, const void *state,
                                       uint8_t *buffer, size_t capacity, size_t *ret_bytes);

/* Writes the header alone; state_crc is taken as given. */
void axi_checkpoint_encode_header(const struct axi_checkpoint *checkpoint,
                                  uint8_t header[AXI_CHECKPOINT_HEADER_BYTES]);

/* Reads and checks a header; `length` may be longer than the header.
 * -AXC_ECKPT_{TRUNCATED,MAGIC,VERSION,HEADER_CRC,SIZE}. */
AXC_MUST_USE int axi_checkpoint_decode_header(const uint8_t *bytes, size_t length,
                                              struct axi_checkpoint *ret_checkpoint);

/* Reads a whole checkpoint of exactly `length` bytes and checks the state's CRC. *ret_state borrows
 * from `bytes`. The errors of decode_header, -AXC_ECKPT_TRUNCATED (state cut off), -AXC_ECKPT_SIZE
 * (bytes left over), -AXC_ECKPT_CRC. */
AXC_MUST_USE int axi_checkpoint_decode(const uint8_t *bytes, size_t length,
                                       struct axi_checkpoint *ret_checkpoint,
                                       const uint8_t **ret_state);

/* Compares a decoded checkpoint with what its receiver expects; the first difference decides:
 * -AXC_ECKPT_{TASK,EPOCH,STATE_VERSION,SCHEMA,SIZE,JOB}. */
AXC_MUST_USE int axi_checkpoint_verify(const struct axi_checkpoint *checkpoint,
                                       const struct axi_checkpoint_expect *expect);

#endif
