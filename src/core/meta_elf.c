/* SPDX-License-Identifier: Apache-2.0 */
/* Finds the task note in an ELF file: gABI chapter 5, "Note Section". */
#include "base/bytes.h"
#include "core/meta.h"

#include <string.h>

#define NOTE_HEADER_BYTES 12u
#define ENTRIES_MAX 64u /* program headers or sections looked at */

enum { PT_NOTE = 4, SHT_NOTE = 7 };

/* Where a header table's entries keep what is needed here. */
struct table {
    uint32_t offset_at, count_at, entry_bytes_at; /* in the ELF header */
    uint32_t entry_bytes;
    uint32_t type_at, data_offset_at, data_bytes_at; /* in an entry */
    uint32_t note_type;
};

static const struct table phdrs = {32, 56, 54, 56, 0, 8, 32, PT_NOTE};
static const struct table sections = {40, 60, 58, 64, 4, 24, 32, SHT_NOTE};

static uint64_t align4(uint32_t bytes)
{
    return ((uint64_t)bytes + 3) & ~(uint64_t)3;
}

/* Walks the notes in one area. -AXC_EMETA_NONE when none is ours. */
static int find_note(const uint8_t *area, uint64_t bytes, struct axi_task_meta *ret_meta)
{
    while (bytes >= NOTE_HEADER_BYTES) {
        uint32_t owner_bytes = axi_get_le32(area);
        uint32_t body_bytes = axi_get_le32(area + 4);
        uint64_t body_at = NOTE_HEADER_BYTES + align4(owner_bytes);

        if (!axi_range_ok(bytes, body_at, body_bytes)) {
            return -AXC_EMETA_NONE;
        }
        if (owner_bytes == sizeof(AXI_META_NOTE_OWNER) &&
            memcmp(area + NOTE_HEADER_BYTES, AXI_META_NOTE_OWNER, owner_bytes) == 0 &&
            axi_get_le32(area + 8) == AXI_META_NOTE_TYPE) {
            return axi_meta_decode(area + body_at, body_bytes, ret_meta);
        }
        body_at += align4(body_bytes);
        if (body_at >= bytes) {
            return -AXC_EMETA_NONE;
        }
        area += body_at;
        bytes -= body_at;
    }
    return -AXC_EMETA_NONE;
}

static int search(const uint8_t *file, size_t length, const struct table *t,
                  struct axi_task_meta *ret_meta)
{
    uint64_t offset = axi_get_le64(file + t->offset_at);
    uint32_t count = axi_get_le16(file + t->count_at);

    if (axi_get_le16(file + t->entry_bytes_at) != t->entry_bytes || count > ENTRIES_MAX ||
        !axi_range_ok(length, offset, (uint64_t)count * t->entry_bytes)) {
        return -AXC_EMETA_NONE;
    }
    for (uint32_t i = 0; i < count; i++) {
        const uint8_t *entry = file + offset + i * t->entry_bytes;
        uint64_t at = axi_get_le64(entry + t->data_offset_at);
        uint64_t bytes = axi_get_le64(entry + t->data_bytes_at);
        int r;

        if (axi_get_le32(entry + t->type_at) != t->note_type || !axi_range_ok(length, at, bytes)) {
            continue;
        }
        r = find_note(file + at, bytes, ret_meta);
        if (r != -AXC_EMETA_NONE) {
            return r;
        }
    }
    return -AXC_EMETA_NONE;
}

int axi_meta_from_elf(const uint8_t *file, size_t length, struct axi_task_meta *ret_meta)
{
    static const uint8_t magic[6] = {0x7f, 'E', 'L', 'F', 2, 1};
    int r;

    if (length < 64 || memcmp(file, magic, sizeof(magic)) != 0) {
        return -AXC_EMETA_NONE;
    }
    r = search(file, length, &phdrs, ret_meta);
    if (r != -AXC_EMETA_NONE) {
        return r;
    }
    return search(file, length, &sections, ret_meta);
}
