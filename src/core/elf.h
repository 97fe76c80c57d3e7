/* SPDX-License-Identifier: Apache-2.0 */
/* ELF loader for task images: position-independent, self-contained, W^X.
 *
 *     file:   header | program headers | text | data | dynamic | rela ...
 *     image:  [0 .. text_bytes)                        read + execute (read-only data too)
 *             [data_offset .. data_offset + data_bytes) read + write, ends at image_bytes
 *
 * axi_elf_check validates everything and writes nothing; axi_elf_load only copies, clears and
 * relocates, and never touches memory outside the image. Freestanding; any context. */
#ifndef AXI_CORE_ELF_H
#define AXI_CORE_ELF_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

#define AXI_ELF_PAGE_BYTES 4096u
#define AXI_ELF_PHDRS_MAX 16u
#define AXI_ELF_SEGMENTS_MAX 8u

/* The numbers are e_machine. */
enum axi_isa { AXI_ISA_X86_64 = 62, AXI_ISA_AARCH64 = 183 };

/* The instruction set this code runs on. */
#ifdef __aarch64__
#define AXI_ISA_HOST AXI_ISA_AARCH64
#else
#define AXI_ISA_HOST AXI_ISA_X86_64
#endif

struct axi_elf_limits {
    uint64_t image_bytes_max; /* largest image in memory the node allows */
    enum axi_isa isa;         /* demanded instruction set */
};

#define AXI_ELF_SEGMENT_EXECUTE 1u
#define AXI_ELF_SEGMENT_WRITE 2u
#define AXI_ELF_SEGMENT_READ 4u

struct axi_elf_segment {
    uint64_t file_offset;
    uint64_t file_bytes;   /* <= memory_bytes; the rest is zero */
    uint64_t image_offset; /* p_vaddr */
    uint64_t memory_bytes;
    uint32_t flags; /* AXI_ELF_SEGMENT_* */
};

/* What to load; made by axi_elf_check. */
struct axi_elf_plan {
    enum axi_isa isa;
    uint64_t image_bytes; /* page multiple */
    uint64_t text_bytes;  /* read-execute prefix, page multiple */
    uint64_t data_offset; /* start of the read-write part, page multiple, >= text_bytes */
    uint64_t data_bytes;  /* 0 when nothing is writable; page multiple */
    uint64_t entry;       /* image offset of the job function */
    uint64_t rela_offset; /* file offset of the relocation table */
    uint64_t rela_count;
    uint32_t segment_count;
    struct axi_elf_segment segments[AXI_ELF_SEGMENTS_MAX]; /* ascending image_offset */
};

/* Validates a whole file. Returns 0 or one distinct -AXC_EELF_* per check; -AXC_EINVALID when
 * `limits` itself is unusable. `ret_plan` is untouched on failure. */
AXC_MUST_USE int axi_elf_check(const uint8_t *file, size_t length,
                               const struct axi_elf_limits *limits, struct axi_elf_plan *ret_plan);

/* Makes the image in `image` (plan->image_bytes, any previous content) so that it can execute at
 * `run_base`, which may differ from where the loader sees it. `file` must be the unchanged bytes
 * that were checked. The caller then makes text executable and maintains instruction caches.
 * -AXC_EELF_BASE when run_base is not a page multiple or the image would wrap the address space. */
AXC_MUST_USE int axi_elf_load(const uint8_t *file, size_t length, const struct axi_elf_plan *plan,
                              uint8_t *image, uint64_t run_base);

#endif
