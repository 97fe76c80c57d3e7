/* SPDX-License-Identifier: Apache-2.0 */
#include "core/checkpoint.h"

#include "base/bytes.h"
#include "base/crc32c.h"

#include <string.h>

#define MAGIC 0x4b435841u /* "AXCK" */
#define VERSION 1u

enum offset {
    OFFSET_MAGIC = 0,
    OFFSET_VERSION = 4,
    OFFSET_HEADER_BYTES = 6,
    OFFSET_TASK = 8,
    OFFSET_EPOCH = 16,
    OFFSET_JOB = 24,
    OFFSET_STEP = 32,
    OFFSET_STATE_VERSION = 36,
    OFFSET_SCHEMA = 40,
    OFFSET_STATE_BYTES = 72,
    OFFSET_STATE_CRC = 76,
    OFFSET_RESERVED = 80,
    OFFSET_HEADER_CRC = 92
};

_Static_assert(OFFSET_SCHEMA + AXI_CHECKPOINT_SCHEMA_BYTES == OFFSET_STATE_BYTES, "layout");
_Static_assert(OFFSET_HEADER_CRC + 4 == AXI_CHECKPOINT_HEADER_BYTES, "layout");

static int check_state_bytes(uint32_t bytes)
{
    return bytes >= 1 && bytes <= AXC_STATE_BYTES_MAX ? 0 : -AXC_ECKPT_SIZE;
}

void axi_checkpoint_encode_header(const struct axi_checkpoint *checkpoint,
                                  uint8_t header[AXI_CHECKPOINT_HEADER_BYTES])
{
    axi_put_le32(header + OFFSET_MAGIC, MAGIC);
    axi_put_le16(header + OFFSET_VERSION, VERSION);
    axi_put_le16(header + OFFSET_HEADER_BYTES, AXI_CHECKPOINT_HEADER_BYTES);
    axi_put_le64(header + OFFSET_TASK, checkpoint->task_id);
    axi_put_le64(header + OFFSET_EPOCH, checkpoint->epoch);
    axi_put_le64(header + OFFSET_JOB, checkpoint->job);
    axi_put_le32(header + OFFSET_STEP, checkpoint->step);
    axi_put_le32(header + OFFSET_STATE_VERSION, checkpoint->state_version);
    memcpy(header + OFFSET_SCHEMA, checkpoint->schema_hash, AXI_CHECKPOINT_SCHEMA_BYTES);
    axi_put_le32(header + OFFSET_STATE_BYTES, checkpoint->state_bytes);
    axi_put_le32(header + OFFSET_STATE_CRC, checkpoint->state_crc);
    memset(header + OFFSET_RESERVED, 0, OFFSET_HEADER_CRC - OFFSET_RESERVED);
    axi_put_le32(header + OFFSET_HEADER_CRC, axi_crc32c(0, header, OFFSET_HEADER_CRC));
}

int axi_checkpoint_encode(const struct axi_checkpoint *checkpoint, const void *state,
                          uint8_t *buffer, size_t capacity, size_t *ret_bytes)
{
    struct axi_checkpoint stamped = *checkpoint;
    int r = check_state_bytes(checkpoint->state_bytes);

    if (r < 0) {
        return r;
    }
    if (!axi_range_ok(capacity, AXI_CHECKPOINT_HEADER_BYTES, checkpoint->state_bytes)) {
        return -AXC_EFULL;
    }
    stamped.state_crc =
        axi_crc32c_copy(0, buffer + AXI_CHECKPOINT_HEADER_BYTES, state, checkpoint->state_bytes);
    axi_checkpoint_encode_header(&stamped, buffer);
    *ret_bytes = AXI_CHECKPOINT_HEADER_BYTES + (size_t)checkpoint->state_bytes;
    return 0;
}

int axi_checkpoint_decode_header(const uint8_t *bytes, size_t length,
                                 struct axi_checkpoint *ret_checkpoint)
{
    struct axi_checkpoint c;

    if (length < AXI_CHECKPOINT_HEADER_BYTES) {
        return -AXC_ECKPT_TRUNCATED;
    }
    if (axi_get_le32(bytes + OFFSET_MAGIC) != MAGIC) {
        return -AXC_ECKPT_MAGIC;
    }
    if (axi_get_le16(bytes + OFFSET_VERSION) != VERSION ||
        axi_get_le16(bytes + OFFSET_HEADER_BYTES) != AXI_CHECKPOINT_HEADER_BYTES) {
        return -AXC_ECKPT_VERSION;
    }
    if (axi_get_le32(bytes + OFFSET_HEADER_CRC) != axi_crc32c(0, bytes, OFFSET_HEADER_CRC)) {
        return -AXC_ECKPT_HEADER_CRC;
    }
    c.task_id = axi_get_le64(bytes + OFFSET_TASK);
    c.epoch = axi_get_le64(bytes + OFFSET_EPOCH);
    c.job = axi_get_le64(bytes + OFFSET_JOB);
    c.step = axi_get_le32(bytes + OFFSET_STEP);
    c.state_version = axi_get_le32(bytes + OFFSET_STATE_VERSION);
    memcpy(c.schema_hash, bytes + OFFSET_SCHEMA, AXI_CHECKPOINT_SCHEMA_BYTES);
    c.state_bytes = axi_get_le32(bytes + OFFSET_STATE_BYTES);
    c.state_crc = axi_get_le32(bytes + OFFSET_STATE_CRC);
    if (check_state_bytes(c.state_bytes) < 0) {
        return -AXC_ECKPT_SIZE;
    }
    *ret_checkpoint = c;
    return 0;
}

int axi_checkpoint_decode(const uint8_t *bytes, size_t length,
                          struct axi_checkpoint *ret_checkpoint, const uint8_t **ret_state)
{
    struct axi_checkpoint c;
    const uint8_t *state;
    int r = axi_checkpoint_decode_header(bytes, length, &c);

    if (r < 0) {
        return r;
    }
    if (c.state_bytes > length - AXI_CHECKPOINT_HEADER_BYTES) {
        return -AXC_ECKPT_TRUNCATED;
    }
    if (c.state_bytes < length - AXI_CHECKPOINT_HEADER_BYTES) {
        return -AXC_ECKPT_SIZE;
    }
    state = bytes + AXI_CHECKPOINT_HEADER_BYTES;
    if (axi_crc32c(0, state, c.state_bytes) != c.state_crc) {
        return -AXC_ECKPT_CRC;
    }
    *ret_checkpoint = c;
    *ret_state = state;
    return 0;
}

int axi_checkpoint_verify(const struct axi_checkpoint *checkpoint,
                          const struct axi_checkpoint_expect *expect)
{
    if (checkpoint->task_id != expect->task_id) {
        return -AXC_ECKPT_TASK;
    }
    if (checkpoint->epoch < expect->epoch_min || checkpoint->epoch > expect->epoch_max) {
        return -AXC_ECKPT_EPOCH;
    }
    if (checkpoint->state_version != expect->state_version) {
        return -AXC_ECKPT_STATE_VERSION;
    }
    if (memcmp(checkpoint->schema_hash, expect->schema_hash, AXI_CHECKPOINT_SCHEMA_BYTES) != 0) {
        return -AXC_ECKPT_SCHEMA;
    }
    if (checkpoint->state_bytes != expect->state_bytes) {
        return -AXC_ECKPT_SIZE;
    }
    if (checkpoint->job < expect->job_min || checkpoint->job > expect->job_max) {
        return -AXC_ECKPT_JOB;
    }
    return 0;
}
