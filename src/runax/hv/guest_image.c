/* SPDX-License-Identifier: Apache-2.0 */
#include "runax/hv/guest_image.h"

#include "base/bytes.h"

#include <elf.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#define ARM64_IMAGE_MAGIC_OFFSET 56u
#define ARM64_IMAGE_TEXT_OFFSET 8u
#define ARM64_IMAGE_HEADER_BYTES 64u

struct loader {
    const struct axi_guest_memory *memory;
    const struct axi_partition_image *image;
    struct axi_guest_loaded *loaded;
    struct axi_report *report;
};

struct segment { /* of either ELF class */
    uint64_t offset, file_bytes, virtual, physical, memory_bytes;
    uint32_t type;
};

struct elf {
    uint64_t entry, phdr_offset;
    uint32_t phdr_count, phdr_bytes;
    bool is_64;
};

static int read_exactly(const struct loader *l, uint64_t offset, void *to, uint64_t bytes)
{
    uint8_t *at = to;
    while (bytes != 0) {
        ssize_t n = pread(l->image->fd, at, bytes, (off_t)offset);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return axi_report_errno(l->report, "image %s", l->image->path);
        }
        if (n == 0) {
            return axi_report_set(l->report, -AXC_EELF_TRUNCATED,
                                  "image %s ends at byte %" PRIu64 ", more is needed",
                                  l->image->path, offset);
        }
        at += n;
        offset += (uint64_t)n;
        bytes -= (uint64_t)n;
    }
    return 0;
}

/* Reserves the guest addresses of a segment and returns where they are. */
static int claim(const struct loader *l, uint64_t guest, uint64_t bytes, uint8_t **ret_host)
{
    uint8_t *host = axi_guest_memory_at(l->memory, guest, bytes);
    if (host == NULL) {
        return axi_report_set(l->report, -AXC_EOVERFLOW,
                              "image %s: %" PRIu64 " bytes at %#" PRIx64
                              " are not in the partition's memory",
                              l->image->path, bytes, guest);
    }
    struct axi_guest_loaded *loaded = l->loaded;
    for (uint32_t i = 0; i < loaded->count; i++) {
        if (guest < loaded->segments[i].guest + loaded->segments[i].bytes &&
            loaded->segments[i].guest < guest + bytes) {
            return axi_report_set(l->report, -AXC_ERESOURCE_OVERLAP,
                                  "image %s: %" PRIu64 " bytes at %#" PRIx64
                                  " overlap what is loaded at %#" PRIx64,
                                  l->image->path, bytes, guest, loaded->segments[i].guest);
        }
    }
    if (loaded->count == AXI_GUEST_SEGMENTS_MAX) {
        return axi_report_set(l->report, -AXC_EFULL, "image %s: more than %u segments in all",
                              l->image->path, AXI_GUEST_SEGMENTS_MAX);
    }
    loaded->segments[loaded->count].guest = guest;
    loaded->segments[loaded->count++].bytes = bytes;
    *ret_host = host;
    return 0;
}

static int refuse(const struct loader *l, int code)
{
    return axi_report_set(l->report, code, "image %s: %s", l->image->path, axi_error_text(code));
}

static int parse_header(const struct loader *l, uint16_t machine, struct elf *ret_elf)
{
    uint8_t h[sizeof(Elf64_Ehdr)] = {0};
    int rc = read_exactly(l, 0, h, sizeof(Elf32_Ehdr));
    if (rc == 0 && h[EI_CLASS] == ELFCLASS64) {
        rc = read_exactly(l, 0, h, sizeof(Elf64_Ehdr));
    }
    if (rc != 0) {
        return rc;
    }
    bool is_64 = h[EI_CLASS] == ELFCLASS64;
    if (memcmp(h, ELFMAG, SELFMAG) != 0) {
        return refuse(l, -AXC_EELF_MAGIC);
    }
    if ((!is_64 && h[EI_CLASS] != ELFCLASS32) || h[EI_DATA] != ELFDATA2LSB) {
        return axi_report_set(l->report, -AXC_EELF_CLASS,
                              "image %s: neither a 32-bit nor a 64-bit little-endian file",
                              l->image->path);
    }
    if (h[EI_VERSION] != EV_CURRENT) {
        return refuse(l, -AXC_EELF_VERSION);
    }
    if (axi_get_le16(h + 16) != ET_EXEC) {
        return axi_report_set(l->report, -AXC_EELF_TYPE,
                              "image %s: not linked at fixed addresses (ET_EXEC)", l->image->path);
    }
    if (axi_get_le16(h + 18) != machine) {
        return axi_report_set(l->report, -AXC_EBOARD,
                              "image %s is for processors of ELF machine %u, needed is %u",
                              l->image->path, axi_get_le16(h + 18), machine);
    }
    *ret_elf = (struct elf){
        .is_64 = is_64,
        .entry = is_64 ? axi_get_le64(h + 24) : axi_get_le32(h + 24),
        .phdr_offset = is_64 ? axi_get_le64(h + 32) : axi_get_le32(h + 28),
        .phdr_bytes = axi_get_le16(h + (is_64 ? 54 : 42)),
        .phdr_count = axi_get_le16(h + (is_64 ? 56 : 44)),
    };
    if (ret_elf->phdr_bytes != (is_64 ? sizeof(Elf64_Phdr) : sizeof(Elf32_Phdr))) {
        return refuse(l, -AXC_EELF_HEADER_SIZE);
    }
    return ret_elf->phdr_count == 0 ? refuse(l, -AXC_EELF_PHDR_COUNT) : 0;
}

static int parse_segment(const struct loader *l, const struct elf *elf, uint32_t index,
                         struct segment *ret_segment)
{
    uint8_t p[sizeof(Elf64_Phdr)];
    uint64_t offset = elf->phdr_offset + (uint64_t)index * elf->phdr_bytes;
    if (elf->phdr_offset > INT64_MAX - UINT32_MAX) {
        return refuse(l, -AXC_EELF_PHDR_RANGE);
    }
    int rc = read_exactly(l, offset, p, elf->phdr_bytes);
    if (rc != 0) {
        return rc;
    }
    *ret_segment =
        elf->is_64
            ? (struct segment){axi_get_le64(p + 8),  axi_get_le64(p + 32), axi_get_le64(p + 16),
                               axi_get_le64(p + 24), axi_get_le64(p + 40), axi_get_le32(p)}
            : (struct segment){axi_get_le32(p + 4),  axi_get_le32(p + 16), axi_get_le32(p + 8),
                               axi_get_le32(p + 12), axi_get_le32(p + 20), axi_get_le32(p)};
    return 0;
}

static int load_segment(const struct loader *l, const struct segment *segment)
{
    if (segment->file_bytes > segment->memory_bytes) {
        return refuse(l, -AXC_EELF_SEGMENT_SIZE);
    }
    if (!axi_range_ok(INT64_MAX, segment->offset, segment->file_bytes)) {
        return refuse(l, -AXC_EELF_SEGMENT_RANGE);
    }
    uint8_t *host = NULL;
    int rc = claim(l, segment->physical, segment->memory_bytes, &host);
    return rc != 0 ? rc : read_exactly(l, segment->offset, host, segment->file_bytes);
}

/* An entry that is a virtual address becomes the physical one of the same byte. */
static uint64_t physical_entry(uint64_t entry, const struct segment *segment)
{
    if (entry - segment->physical < segment->memory_bytes) {
        return entry;
    }
    if (entry - segment->virtual < segment->memory_bytes) {
        return entry - segment->virtual + segment->physical;
    }
    return AXI_ANY;
}

static int load_elf(const struct loader *l, uint16_t machine, uint64_t *ret_entry)
{
    struct elf elf = {0};
    int rc = parse_header(l, machine, &elf);
    uint64_t entry = AXI_ANY;
    for (uint32_t i = 0; rc == 0 && i < elf.phdr_count; i++) {
        struct segment segment = {0};
        rc = parse_segment(l, &elf, i, &segment);
        if (rc == 0 && segment.type == PT_LOAD && segment.memory_bytes != 0) {
            rc = load_segment(l, &segment);
            uint64_t found = physical_entry(elf.entry, &segment);
            entry = entry == AXI_ANY ? found : entry;
        }
    }
    if (rc != 0) {
        return rc;
    }
    if (entry == AXI_ANY && l->image->entry == AXI_ANY) {
        return axi_report_set(l->report, -AXC_EELF_ENTRY,
                              "image %s: its entry %#" PRIx64 " is in no loaded segment",
                              l->image->path, elf.entry);
    }
    *ret_entry = entry;
    return 0;
}

static int raw_address(const struct loader *l, uint64_t ram, uint64_t *ret_address)
{
    uint8_t header[ARM64_IMAGE_HEADER_BYTES];
    if (l->image->load_address != AXI_ANY) {
        *ret_address = l->image->load_address;
        return 0;
    }
    if (l->image->bytes < sizeof(header) || read_exactly(l, 0, header, sizeof(header)) != 0 ||
        memcmp(header + ARM64_IMAGE_MAGIC_OFFSET, "ARM\x64", 4) != 0) {
        return axi_report_set(l->report, -AXC_EINVALID,
                              "image %s: a raw file without a load address must begin with an "
                              "arm64 Image header",
                              l->image->path);
    }
    *ret_address = ram + axi_get_le64(header + ARM64_IMAGE_TEXT_OFFSET);
    return 0;
}

static int load_raw(const struct loader *l, uint64_t ram, uint64_t *ret_entry)
{
    uint64_t address = 0;
    uint8_t *host = NULL;
    int rc = raw_address(l, ram, &address);
    if (rc == 0 && l->image->bytes == 0) {
        rc = axi_report_set(l->report, -AXC_EELF_NO_LOAD, "image %s is empty", l->image->path);
    }
    if (rc == 0) {
        rc = claim(l, address, l->image->bytes, &host);
    }
    if (rc == 0) {
        rc = read_exactly(l, 0, host, l->image->bytes);
    }
    if (rc == 0) {
        *ret_entry = address;
    }
    return rc;
}

int axi_guest_load(const struct axi_guest_memory *memory, const struct axi_partition_image *image,
                   uint16_t machine, uint64_t ram, struct axi_guest_loaded *loaded,
                   struct axi_report *report, uint64_t *ret_entry)
{
    struct loader loader = {memory, image, loaded, report};
    uint64_t entry = AXI_ANY;
    int rc = image->format == AXI_IMAGE_ELF ? load_elf(&loader, machine, &entry)
                                            : load_raw(&loader, ram, &entry);
    if (rc == 0) {
        *ret_entry = image->entry != AXI_ANY ? image->entry : entry;
    }
    return rc;
}
