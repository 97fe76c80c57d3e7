/* SPDX-License-Identifier: Apache-2.0 */
#include "core/gate.h"

#include "base/bytes.h"
#include "base/crc32c.h"

#include <string.h>

#define VERSION 1u
#define CRC_AT 40u

static const uint8_t magic[4] = {'A', 'X', 'V', 'S'};

bool axi_gate_admit(struct axi_gate *gate, const struct axi_stamp *stamp)
{
    const struct axi_stamp *newest = &gate->newest;

    if (gate->has_any && stamp->task_id == newest->task_id) {
        if (stamp->epoch < newest->epoch && !gate->skip_epoch_check) {
            return false;
        }
        if (stamp->epoch == newest->epoch &&
            (stamp->job < newest->job ||
             (stamp->job == newest->job && stamp->place <= newest->place))) {
            return false;
        }
    }
    gate->newest = *stamp;
    gate->has_any = true;
    return true;
}

int axi_stamp_encode(const struct axi_stamp *stamp, const void *value, uint32_t value_bytes,
                     uint8_t *buffer, size_t capacity, size_t *ret_bytes)
{
    uint32_t crc = 0;

    if (capacity < AXI_STAMP_BYTES || value_bytes > capacity - AXI_STAMP_BYTES) {
        return -AXC_EFULL;
    }
    memcpy(buffer, magic, sizeof(magic));
    axi_put_le32(buffer + 4, VERSION);
    axi_put_le64(buffer + 8, stamp->task_id);
    axi_put_le64(buffer + 16, stamp->epoch);
    axi_put_le64(buffer + 24, stamp->job);
    axi_put_le32(buffer + 32, stamp->place);
    axi_put_le32(buffer + 36, value_bytes);
    memcpy(buffer + AXI_STAMP_BYTES, value, value_bytes);
    crc = axi_crc32c(0, buffer, CRC_AT);
    axi_put_le32(buffer + CRC_AT, axi_crc32c(crc, buffer + AXI_STAMP_BYTES, value_bytes));
    *ret_bytes = AXI_STAMP_BYTES + value_bytes;
    return 0;
}

int axi_stamp_decode(const uint8_t *bytes, size_t length, struct axi_stamp *ret_stamp,
                     const uint8_t **ret_value, uint32_t *ret_value_bytes)
{
    uint32_t value_bytes = 0;
    uint32_t crc = 0;

    if (length < AXI_STAMP_BYTES) {
        return -AXC_EWIRE_LENGTH;
    }
    if (memcmp(bytes, magic, sizeof(magic)) != 0) {
        return -AXC_EWIRE_MAGIC;
    }
    if (axi_get_le32(bytes + 4) != VERSION) {
        return -AXC_EWIRE_VERSION;
    }
    value_bytes = axi_get_le32(bytes + 36);
    if (value_bytes != length - AXI_STAMP_BYTES) {
        return -AXC_EWIRE_LENGTH;
    }
    crc = axi_crc32c(0, bytes, CRC_AT);
    if (axi_crc32c(crc, bytes + AXI_STAMP_BYTES, value_bytes) != axi_get_le32(bytes + CRC_AT)) {
        return -AXC_EWIRE_CRC;
    }
    *ret_stamp = (struct axi_stamp){.task_id = axi_get_le64(bytes + 8),
                                    .epoch = axi_get_le64(bytes + 16),
                                    .job = axi_get_le64(bytes + 24),
                                    .place = axi_get_le32(bytes + 32)};
    *ret_value = bytes + AXI_STAMP_BYTES;
    *ret_value_bytes = value_bytes;
    return 0;
}
