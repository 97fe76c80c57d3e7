/* SPDX-License-Identifier: Apache-2.0 */
#include "core/history.h"

#include "base/bytes.h"

#include <string.h>

#define MAGIC 0x49485841u /* "AXHI" */
#define VERSION 1u

/* Native little endian, like the records. */
struct header {
    uint32_t magic;
    uint32_t version;
    uint32_t record_bytes;
    uint32_t reserved;
    uint64_t node_id;
    uint64_t count;
    uint64_t lost;
    uint64_t boot_id; /* records taken from a network: their boot, and ... */
    uint64_t base;    /* ... count + lost before its record number 0 */
    uint64_t reserved2;
};

_Static_assert(sizeof(struct header) == AXI_HISTORY_HEADER_BYTES, "layout");
_Static_assert(sizeof(struct axi_trace) == AXI_HISTORY_RECORD_BYTES, "layout");

static uint64_t capacity_of(size_t bytes)
{
    return axi_sub_sat(bytes, AXI_HISTORY_HEADER_BYTES) / AXI_HISTORY_RECORD_BYTES;
}

int axi_history_init(struct axi_history *ret_history, void *memory, size_t bytes, uint64_t node_id)
{
    struct header header = {.magic = MAGIC,
                            .version = VERSION,
                            .record_bytes = AXI_HISTORY_RECORD_BYTES,
                            .node_id = node_id};

    if (capacity_of(bytes) == 0) {
        return -AXC_EINVALID;
    }
    memcpy(memory, &header, sizeof(header));
    ret_history->memory = memory;
    ret_history->capacity = capacity_of(bytes);
    return 0;
}

int axi_history_info(const void *file, size_t bytes, struct axi_history_info *ret_info)
{
    struct header header;

    if (capacity_of(bytes) == 0) {
        return -AXC_EINVALID;
    }
    memcpy(&header, file, sizeof(header));
    if (header.magic != MAGIC || header.version != VERSION ||
        header.record_bytes != AXI_HISTORY_RECORD_BYTES || header.count > capacity_of(bytes)) {
        return -AXC_EINVALID;
    }
    ret_info->node_id = header.node_id;
    ret_info->count = header.count;
    ret_info->lost = header.lost;
    return 0;
}

int axi_history_attach(struct axi_history *ret_history, void *memory, size_t bytes,
                       uint64_t node_id)
{
    struct axi_history_info info;
    int r = axi_history_info(memory, bytes, &info);

    if (r < 0) {
        return r;
    }
    if (info.node_id != node_id) {
        return -AXC_EINVALID;
    }
    ret_history->memory = memory;
    ret_history->capacity = capacity_of(bytes);
    return 0;
}

void axi_history_append(struct axi_history *history, const struct axi_trace *record)
{
    struct header *header = (struct header *)(void *)history->memory;
    uint64_t count = header->count;

    if (count >= history->capacity) {
        header->lost++;
        return;
    }
    memcpy(history->memory + AXI_HISTORY_HEADER_BYTES + count * AXI_HISTORY_RECORD_BYTES, record,
           sizeof(*record));
    __atomic_store_n(&header->count, count + 1, __ATOMIC_RELEASE);
}

uint64_t axi_history_take(struct axi_history *history, uint64_t boot_id, uint64_t first,
                          const uint8_t *records, uint64_t count)
{
    struct header *header = (struct header *)(void *)history->memory;
    uint64_t next;

    if (header->boot_id != boot_id) {
        header->base = header->count + header->lost;
        __atomic_store_n(&header->boot_id, boot_id, __ATOMIC_RELEASE);
    }
    next = header->count + header->lost - header->base;
    if (first > next) {
        header->lost += first - next;
        next = first;
    }
    for (; next - first < count; next++) {
        struct axi_trace record;

        memcpy(&record, records + (next - first) * AXI_HISTORY_RECORD_BYTES, sizeof(record));
        axi_history_append(history, &record);
    }
    return next;
}

void axi_history_record(const void *file, uint64_t index, struct axi_trace *ret_record)
{
    memcpy(ret_record,
           (const uint8_t *)file + AXI_HISTORY_HEADER_BYTES + index * AXI_HISTORY_RECORD_BYTES,
           sizeof(*ret_record));
}
