/* SPDX-License-Identifier: Apache-2.0 */
/* What one job puts out: limits and checksum, the same in the node and in the replay that judges
 * it.
 *
 * The output CRC of a job starts at 0 and takes in every successful output() and publish() in call
 * order: the name with its final NUL, the value's length as u32 little-endian, the value's bytes. A
 * job that puts out nothing has CRC 0. Freestanding; any context. */
#ifndef AXI_CORE_OUTPUT_H
#define AXI_CORE_OUTPUT_H

#include "axcan/task.h"
#include "base/bytes.h"
#include "base/crc32c.h"

#include <stdbool.h>

/* All of one job's outputs together, each counted as name with NUL + 4 + value. Beyond it the
 * service returns AXC_SERVICE_EFULL. */
#define AXI_OUTPUT_BYTES_MAX 8192u

/* A job's outputs wait in an area until it completes: kind (1 byte), value length (u32 LE), name
 * with NUL, value; unaligned. Room for AXI_OUTPUT_BYTES_MAX, whatever the sizes. */
#define AXI_OUTPUT_HEAD_BYTES 5u
#define AXI_OUTPUT_AREA_BYTES 12288u

enum axi_output_kind { AXI_OUTPUT_TOPIC = 1, AXI_OUTPUT_CHANNEL = 2 };

struct axi_output {
    uint8_t kind; /* enum axi_output_kind; not checked by take */
    uint32_t bytes;
    char name[AXC_NAME_BYTES]; /* with NUL, rest zero */
    uint8_t value[AXC_VALUE_BYTES_MAX];
};

/* Bytes of a name with its NUL; 0 when it is empty or too long (AXC_SERVICE_ENAME). */
static inline uint32_t axi_output_name_bytes(const char *name)
{
    uint32_t bytes = 0;

    while (bytes < AXC_NAME_BYTES && name[bytes] != '\0') {
        bytes++;
    }
    return bytes == 0 || bytes == AXC_NAME_BYTES ? 0 : bytes + 1;
}

/* 0 when the value may be added to `used` bytes of earlier outputs, else AXC_SERVICE_E*. */
static inline int32_t axi_output_check(const char *name, uint32_t value_bytes, uint32_t used)
{
    uint32_t name_bytes = axi_output_name_bytes(name);

    if (name_bytes == 0) {
        return AXC_SERVICE_ENAME;
    }
    if (value_bytes > AXC_VALUE_BYTES_MAX) {
        return AXC_SERVICE_ESIZE;
    }
    return used + name_bytes + 4 + value_bytes > AXI_OUTPUT_BYTES_MAX ? AXC_SERVICE_EFULL : 0;
}

static inline uint32_t axi_output_crc(uint32_t crc, const char *name, const void *value,
                                      uint32_t value_bytes)
{
    uint8_t length[4];

    axi_put_le32(length, value_bytes);
    crc = axi_crc32c(crc, name, axi_output_name_bytes(name));
    crc = axi_crc32c(crc, length, sizeof(length));
    return axi_crc32c(crc, value, value_bytes);
}

/* Adds one to the area, of which *bytes are in use and count as *used: 0 or
 * AXC_SERVICE_E{NAME,SIZE,FULL}. `name` is read up to its NUL, at most AXC_NAME_BYTES. */
int32_t axi_output_append(uint8_t *area, uint32_t *bytes, uint32_t *used, uint8_t kind,
                          const char *name, const void *value, uint32_t value_bytes);

/* Takes the record at *offset of `end` bytes; false at the end or at the first malformed one. The
 * area may be a task's to write at any time: everything is copied before it is looked at. Begin
 * with *offset = *used = 0. */
bool axi_output_take(const uint8_t *area, uint32_t end, uint32_t *offset, uint32_t *used,
                     struct axi_output *ret_output);

#endif
