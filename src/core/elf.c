/* SPDX-License-Identifier: Apache-2.0 */
/* Names and numbers after the System V gABI, chapters 4 and 5, and the AArch64 and x86-64 psABIs.
 * Every offset is checked against the file before it is used, and everything is read through the
 * segments that are loaded, so that file and image cannot tell different stories. */
#include "core/elf.h"

#include "base/bytes.h"

#include <stdbool.h>
#include <string.h>

#define EHDR_BYTES 64u
#define PHDR_BYTES 56u
#define DYN_BYTES 16u
#define RELA_BYTES 24u

enum { ET_DYN = 3, EV_CURRENT = 1, ELFCLASS64 = 2, ELFDATA2LSB = 1 };
enum { R_X86_64_RELATIVE = 8, R_AARCH64_RELATIVE = 1027 };

enum phdr_type {
    PT_LOAD = 1,
    PT_DYNAMIC = 2,
    PT_INTERP = 3,
    PT_TLS = 7,
    PT_GNU_STACK = 0x6474e551
};

enum dyn_tag {
    DT_NULL = 0,
    DT_NEEDED = 1,
    DT_PLTRELSZ = 2,
    DT_RELA = 7,
    DT_RELASZ = 8,
    DT_RELAENT = 9,
    DT_INIT = 12,
    DT_FINI = 13,
    DT_REL = 17,
    DT_RELSZ = 18,
    DT_TEXTREL = 22,
    DT_JMPREL = 23,
    DT_INIT_ARRAY = 25,
    DT_FINI_ARRAY = 26,
    DT_FLAGS = 30,
    DT_PREINIT_ARRAY = 32,
    DT_RELRSZ = 35,
    DT_RELR = 36
};
enum { DF_TEXTREL = 4, DF_STATIC_TLS = 16 };

struct phdr {
    uint32_t type;
    uint32_t flags;
    uint64_t offset;
    uint64_t vaddr;
    uint64_t file_bytes;
    uint64_t memory_bytes;
    uint64_t align;
};

struct dynamic {
    bool is_present;
    uint64_t vaddr, bytes;
    bool has_rela, has_relasz;
    uint64_t rela, relasz, relaent;
};

static struct phdr get_phdr(const uint8_t *p)
{
    return (struct phdr){
        .type = axi_get_le32(p),
        .flags = axi_get_le32(p + 4),
        .offset = axi_get_le64(p + 8),
        .vaddr = axi_get_le64(p + 16),
        .file_bytes = axi_get_le64(p + 32),
        .memory_bytes = axi_get_le64(p + 40),
        .align = axi_get_le64(p + 48),
    };
}

static uint64_t page_up(uint64_t value) /* callers bound value well below 2^64 */
{
    return (value + AXI_ELF_PAGE_BYTES - 1) & ~(uint64_t)(AXI_ELF_PAGE_BYTES - 1);
}

static uint64_t page_down(uint64_t value)
{
    return value & ~(uint64_t)(AXI_ELF_PAGE_BYTES - 1);
}

static int check_header(const uint8_t *file, size_t length, enum axi_isa isa)
{
    static const uint8_t magic[4] = {0x7f, 'E', 'L', 'F'};

    if (length < EHDR_BYTES) {
        return -AXC_EELF_TRUNCATED;
    }
    if (memcmp(file, magic, sizeof(magic)) != 0) {
        return -AXC_EELF_MAGIC;
    }
    if (file[4] != ELFCLASS64 || file[5] != ELFDATA2LSB) {
        return -AXC_EELF_CLASS;
    }
    if (file[6] != EV_CURRENT || axi_get_le32(file + 20) != EV_CURRENT) {
        return -AXC_EELF_VERSION;
    }
    if (axi_get_le16(file + 16) != ET_DYN) {
        return -AXC_EELF_TYPE;
    }
    if (axi_get_le16(file + 18) != (uint32_t)isa) {
        return -AXC_EELF_MACHINE;
    }
    if (axi_get_le16(file + 52) != EHDR_BYTES || axi_get_le16(file + 54) != PHDR_BYTES) {
        return -AXC_EELF_HEADER_SIZE;
    }
    if (axi_get_le16(file + 56) == 0 || axi_get_le16(file + 56) > AXI_ELF_PHDRS_MAX) {
        return -AXC_EELF_PHDR_COUNT;
    }
    if (!axi_range_ok(length, axi_get_le64(file + 32), axi_get_le16(file + 56) * PHDR_BYTES)) {
        return -AXC_EELF_PHDR_RANGE;
    }
    return 0;
}

static int check_segment(const struct phdr *p, size_t length, uint64_t image_bytes_max)
{
    if (!axi_range_ok(length, p->offset, p->file_bytes)) {
        return -AXC_EELF_SEGMENT_RANGE;
    }
    if (p->file_bytes > p->memory_bytes) {
        return -AXC_EELF_SEGMENT_SIZE;
    }
    /* More than page alignment would be a promise that a page-aligned image cannot keep. */
    if (p->align > AXI_ELF_PAGE_BYTES || (p->align & (p->align - 1)) != 0 ||
        (p->align > 1 && (p->vaddr - p->offset) % p->align != 0)) {
        return -AXC_EELF_SEGMENT_ALIGN;
    }
    if ((p->flags & AXI_ELF_SEGMENT_WRITE) != 0 && (p->flags & AXI_ELF_SEGMENT_EXECUTE) != 0) {
        return -AXC_EELF_SEGMENT_WX;
    }
    if (!axi_range_ok(image_bytes_max, p->vaddr, p->memory_bytes)) {
        return -AXC_EELF_TOO_LARGE;
    }
    return 0;
}

/* Appends a checked segment; the plan's segments stay ascending, first text, then data. */
static int add_segment(struct axi_elf_plan *plan, const struct phdr *p)
{
    bool is_data = (p->flags & AXI_ELF_SEGMENT_WRITE) != 0;
    uint64_t end = p->vaddr + p->memory_bytes;

    if (plan->segment_count > 0) {
        const struct axi_elf_segment *last = &plan->segments[plan->segment_count - 1];
        bool is_after_data = (last->flags & AXI_ELF_SEGMENT_WRITE) != 0;

        if (p->vaddr < last->image_offset || (is_after_data && !is_data)) {
            return -AXC_EELF_SEGMENT_ORDER;
        }
        if (p->vaddr < last->image_offset + last->memory_bytes ||
            (is_data && !is_after_data && p->vaddr < plan->text_bytes)) {
            return -AXC_EELF_SEGMENT_OVERLAP;
        }
    }
    if (plan->segment_count == AXI_ELF_SEGMENTS_MAX) {
        return -AXC_EELF_PHDR_COUNT;
    }
    plan->segments[plan->segment_count++] = (struct axi_elf_segment){
        p->offset, p->file_bytes, p->vaddr, p->memory_bytes, p->flags & 7u};
    if (is_data && plan->data_bytes == 0) {
        plan->data_offset = page_down(p->vaddr);
    }
    plan->image_bytes = page_up(end);
    if (is_data) {
        plan->data_bytes = plan->image_bytes - plan->data_offset;
    } else {
        plan->text_bytes = plan->image_bytes;
        plan->data_offset = plan->image_bytes;
    }
    return 0;
}

static int check_phdr(const struct phdr *p, size_t length, const struct axi_elf_limits *limits,
                      struct axi_elf_plan *plan, struct dynamic *dynamic)
{
    int r;

    switch (p->type) {
    case PT_LOAD:
        r = check_segment(p, length, limits->image_bytes_max);
        if (r < 0 || p->memory_bytes == 0) {
            return r;
        }
        return add_segment(plan, p);
    case PT_DYNAMIC:
        if (dynamic->is_present || p->file_bytes % DYN_BYTES != 0) {
            return -AXC_EELF_DYNAMIC_RANGE;
        }
        dynamic->is_present = true;
        dynamic->vaddr = p->vaddr;
        dynamic->bytes = p->file_bytes;
        return 0;
    case PT_INTERP:
        return -AXC_EELF_INTERP;
    case PT_TLS:
        return -AXC_EELF_TLS;
    case PT_GNU_STACK:
        return (p->flags & AXI_ELF_SEGMENT_EXECUTE) != 0 ? -AXC_EELF_EXEC_STACK : 0;
    default:
        return 0; /* notes and what else describes, but is not loaded */
    }
}

/* The segment of which [offset, offset + bytes) is part, file content only; NULL when there is
 * none. */
static const struct axi_elf_segment *find_segment(const struct axi_elf_plan *plan, uint64_t offset,
                                                  uint64_t bytes)
{
    for (uint32_t i = 0; i < plan->segment_count; i++) {
        const struct axi_elf_segment *s = &plan->segments[i];

        if (axi_range_inside(offset, bytes, s->image_offset, s->file_bytes)) {
            return s;
        }
    }
    return NULL;
}

static int check_entry(struct axi_elf_plan *plan, uint64_t entry)
{
    const struct axi_elf_segment *s = find_segment(plan, entry, 1);

    if (s == NULL || (s->flags & AXI_ELF_SEGMENT_EXECUTE) == 0 ||
        (plan->isa == AXI_ISA_AARCH64 && entry % 4 != 0)) {
        return -AXC_EELF_ENTRY;
    }
    plan->entry = entry;
    return 0;
}

static int check_dynamic_entry(struct dynamic *dynamic, uint64_t tag, uint64_t value)
{
    switch (tag) {
    case DT_NEEDED:
        return -AXC_EELF_NEEDED;
    case DT_JMPREL:
    case DT_PLTRELSZ:
        return -AXC_EELF_JMPREL;
    case DT_INIT:
    case DT_FINI:
    case DT_INIT_ARRAY:
    case DT_FINI_ARRAY:
    case DT_PREINIT_ARRAY:
        return -AXC_EELF_INIT;
    case DT_TEXTREL:
        return -AXC_EELF_TEXTREL;
    case DT_REL:
    case DT_RELSZ:
    case DT_RELR:
    case DT_RELRSZ:
        return -AXC_EELF_REL_FORMAT;
    case DT_FLAGS:
        if ((value & DF_TEXTREL) != 0) {
            return -AXC_EELF_TEXTREL;
        }
        return (value & DF_STATIC_TLS) != 0 ? -AXC_EELF_TLS : 0;
    case DT_RELA:
        dynamic->has_rela = true;
        dynamic->rela = value;
        return 0;
    case DT_RELASZ:
        dynamic->has_relasz = true;
        dynamic->relasz = value;
        return 0;
    case DT_RELAENT:
        dynamic->relaent = value;
        return 0;
    default:
        return 0; /* symbol and string tables: nothing here looks a symbol up */
    }
}

static int check_dynamic(const uint8_t *file, const struct axi_elf_plan *plan,
                         struct dynamic *dynamic)
{
    const struct axi_elf_segment *s = find_segment(plan, dynamic->vaddr, dynamic->bytes);

    if (s == NULL) {
        return -AXC_EELF_DYNAMIC_RANGE;
    }
    for (uint64_t at = 0; at < dynamic->bytes; at += DYN_BYTES) {
        const uint8_t *p = file + s->file_offset + (dynamic->vaddr - s->image_offset) + at;
        uint64_t tag = axi_get_le64(p);
        int r;

        if (tag == DT_NULL) {
            return 0;
        }
        r = check_dynamic_entry(dynamic, tag, axi_get_le64(p + 8));
        if (r < 0) {
            return r;
        }
    }
    return -AXC_EELF_DYNAMIC_RANGE; /* no DT_NULL */
}

static int check_reloc(const uint8_t *p, const struct axi_elf_plan *plan)
{
    uint64_t relative = plan->isa == AXI_ISA_AARCH64 ? R_AARCH64_RELATIVE : R_X86_64_RELATIVE;
    uint64_t target = axi_get_le64(p);

    if (axi_get_le64(p + 8) != relative) { /* type in the low half, symbol (none) in the high */
        return -AXC_EELF_RELOC_TYPE;
    }
    if (axi_get_le64(p + 16) > plan->image_bytes) { /* one past the end is a valid C pointer */
        return -AXC_EELF_RELOC_ADDEND;
    }
    for (uint32_t i = 0; i < plan->segment_count; i++) {
        const struct axi_elf_segment *s = &plan->segments[i];

        if ((s->flags & AXI_ELF_SEGMENT_WRITE) != 0 &&
            axi_range_inside(target, 8, s->image_offset, s->memory_bytes)) {
            return 0;
        }
    }
    return -AXC_EELF_RELOC_TARGET;
}

static int check_relocs(const uint8_t *file, const struct dynamic *dynamic,
                        struct axi_elf_plan *plan)
{
    const struct axi_elf_segment *s;

    if (!dynamic->has_rela && !dynamic->has_relasz) {
        return 0;
    }
    if (!dynamic->has_rela || dynamic->relaent != RELA_BYTES || dynamic->relasz % RELA_BYTES != 0) {
        return -AXC_EELF_RELA_SIZE;
    }
    s = find_segment(plan, dynamic->rela, dynamic->relasz);
    if (s == NULL) {
        return -AXC_EELF_RELA_RANGE;
    }
    plan->rela_offset = s->file_offset + (dynamic->rela - s->image_offset);
    plan->rela_count = dynamic->relasz / RELA_BYTES;
    for (uint64_t i = 0; i < plan->rela_count; i++) {
        int r = check_reloc(file + plan->rela_offset + i * RELA_BYTES, plan);

        if (r < 0) {
            return r;
        }
    }
    return 0;
}

int axi_elf_check(const uint8_t *file, size_t length, const struct axi_elf_limits *limits,
                  struct axi_elf_plan *ret_plan)
{
    struct axi_elf_plan plan = {.isa = limits->isa};
    struct dynamic dynamic = {0};
    int r;

    if ((limits->isa != AXI_ISA_X86_64 && limits->isa != AXI_ISA_AARCH64) ||
        limits->image_bytes_max > (uint64_t)1 << 40) {
        return -AXC_EINVALID;
    }
    r = check_header(file, length, limits->isa);
    if (r < 0) {
        return r;
    }
    for (uint32_t i = 0; i < axi_get_le16(file + 56); i++) {
        struct phdr phdr = get_phdr(file + axi_get_le64(file + 32) + i * PHDR_BYTES);

        r = check_phdr(&phdr, length, limits, &plan, &dynamic);
        if (r < 0) {
            return r;
        }
    }
    if (plan.segment_count == 0) {
        return -AXC_EELF_NO_LOAD;
    }
    if (plan.image_bytes > limits->image_bytes_max) { /* by rounding up to a page */
        return -AXC_EELF_TOO_LARGE;
    }
    r = check_entry(&plan, axi_get_le64(file + 24));
    if (r == 0 && dynamic.is_present) {
        r = check_dynamic(file, &plan, &dynamic);
    }
    if (r == 0) {
        r = check_relocs(file, &dynamic, &plan);
    }
    if (r == 0) {
        *ret_plan = plan;
    }
    return r;
}

int axi_elf_load(const uint8_t *file, size_t length, const struct axi_elf_plan *plan,
                 uint8_t *image, uint64_t run_base)
{
    uint64_t end = 0;

    (void)length;
    if (run_base % AXI_ELF_PAGE_BYTES != 0 || run_base > UINT64_MAX - plan->image_bytes) {
        return -AXC_EELF_BASE;
    }
    for (uint32_t i = 0; i < plan->segment_count; i++) {
        const struct axi_elf_segment *s = &plan->segments[i];

        memset(image + end, 0, (size_t)(s->image_offset - end));
        memcpy(image + s->image_offset, file + s->file_offset, (size_t)s->file_bytes);
        end = s->image_offset + s->file_bytes; /* what follows is zero: bss or a gap */
    }
    memset(image + end, 0, (size_t)(plan->image_bytes - end));
    for (uint64_t i = 0; i < plan->rela_count; i++) {
        const uint8_t *p = file + plan->rela_offset + i * RELA_BYTES;

        axi_put_le64(image + axi_get_le64(p), run_base + axi_get_le64(p + 16));
    }
    return 0;
}
