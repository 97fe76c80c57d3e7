/* SPDX-License-Identifier: Apache-2.0 */
/* A minimal correct task ELF, made byte by byte so that tests can break one field at a time.
 *
 *     0x0000  header, program headers     \
 *     0x0180  text (entry)                 > LOAD, read + execute
 *     0x01c0  note .note.axcan            /
 *     0x1000  dynamic   0x1100 two relocations   0x1200 data   0x1300 bss: LOAD, read + write
 *
 * File offsets equal image offsets. */
#ifndef AXI_TEST_ELF_MAKER_H
#define AXI_TEST_ELF_MAKER_H

#include "base/bytes.h"
#include "core/elf.h"
#include "core/meta.h"

#include <string.h>

enum {
    ELF_TEXT = 0x180,
    ELF_TEXT_BYTES = 0x40,
    ELF_NOTE = 0x1c0,
    ELF_TEXT_END = 0x300,
    ELF_DATA = 0x1000,
    ELF_DYNAMIC = 0x1000,
    ELF_DYNAMIC_BYTES = 0x60,
    ELF_RELA = 0x1100,
    ELF_RELA_COUNT = 2,
    ELF_VALUES = 0x1200, /* two relocated pointers, then the byte pattern 0xa5 */
    ELF_FILE_BYTES = 0x1300,
    ELF_DATA_MEMORY_BYTES = 0x1800, /* so bss is 0x1300 .. 0x2800 */
    ELF_IMAGE_BYTES = 0x3000,
    ELF_PHDR_COUNT = 5
};

/* File offsets of fields, for breaking them. */
#define ELF_EHDR(field) ((size_t)(field))
#define ELF_PHDR(index, field) ((size_t)(64 + (index)*56 + (field)))
#define ELF_DYN(index, field) ((size_t)(ELF_DYNAMIC + (index)*16 + (field)))
#define ELF_REL(index, field) ((size_t)(ELF_RELA + (index)*24 + (field)))
enum { E_TYPE = 16, E_MACHINE = 18, E_VERSION = 20, E_ENTRY = 24, E_PHOFF = 32, E_EHSIZE = 52 };
enum { E_PHENTSIZE = 54, E_PHNUM = 56 };
enum { P_TYPE = 0, P_FLAGS = 4, P_OFFSET = 8, P_VADDR = 16, P_FILESZ = 32, P_MEMSZ = 40 };
enum { P_ALIGN = 48 };
enum { D_TAG = 0, D_VALUE = 8 };
enum { R_OFFSET = 0, R_INFO = 8, R_ADDEND = 16 };
enum { TEXT = 0, DATA = 1, DYNAMIC = 2, STACK = 3, NOTE = 4 };         /* program headers */
enum { DYN_RELA = 0, DYN_RELASZ = 1, DYN_RELAENT = 2, DYN_SPARE = 3 }; /* dynamic entries */

static inline void elf_maker_phdr(uint8_t *file, int index, uint32_t type, uint32_t flags,
                                  uint64_t offset, uint64_t file_bytes, uint64_t memory_bytes,
                                  uint64_t align)
{
    axi_put_le32(file + ELF_PHDR(index, P_TYPE), type);
    axi_put_le32(file + ELF_PHDR(index, P_FLAGS), flags);
    axi_put_le64(file + ELF_PHDR(index, P_OFFSET), offset);
    axi_put_le64(file + ELF_PHDR(index, P_VADDR), offset);
    axi_put_le64(file + ELF_PHDR(index, P_FILESZ), file_bytes);
    axi_put_le64(file + ELF_PHDR(index, P_MEMSZ), memory_bytes);
    axi_put_le64(file + ELF_PHDR(index, P_ALIGN), align);
}

static inline struct axi_task_meta elf_maker_meta(void)
{
    struct axi_task_meta meta = {.name = "sample",
                                 .state_bytes = 16,
                                 .state_version = 2,
                                 .period_us = 50000,
                                 .deadline_us = 40000,
                                 .criticality = 3,
                                 .needs = AXC_SVC_LOG,
                                 .jobs = 1000,
                                 .wcet = {{"linux-x86_64", 800}, {"axcan-virt", 2500}}};

    for (size_t i = 0; i < sizeof(meta.schema_hash); i++) {
        meta.schema_hash[i] = (uint8_t)(i * 7);
    }
    axi_meta_set_defaults(&meta);
    return meta;
}

static inline void elf_maker_dynamic(uint8_t *file, enum axi_isa isa)
{
    static const uint64_t entries[][2] = {{7, ELF_RELA},
                                          {8, ELF_RELA_COUNT * 24},
                                          {9, 24},
                                          {0x6ffffff9, ELF_RELA_COUNT}, /* DT_RELACOUNT */
                                          {0x6ffffffb, 0x08000000},     /* DT_FLAGS_1: PIE */
                                          {0, 0}};

    for (int i = 0; i < 6; i++) {
        axi_put_le64(file + ELF_DYN(i, D_TAG), entries[i][0]);
        axi_put_le64(file + ELF_DYN(i, D_VALUE), entries[i][1]);
    }
    for (int i = 0; i < ELF_RELA_COUNT; i++) {
        axi_put_le64(file + ELF_REL(i, R_OFFSET), ELF_VALUES + (uint64_t)i * 8);
        axi_put_le64(file + ELF_REL(i, R_INFO), isa == AXI_ISA_AARCH64 ? 1027 : 8);
        axi_put_le64(file + ELF_REL(i, R_ADDEND), i == 0 ? ELF_TEXT : ELF_VALUES + 32);
    }
}

static inline void elf_maker(uint8_t file[ELF_FILE_BYTES], enum axi_isa isa)
{
    static const uint8_t ident[16] = {0x7f, 'E', 'L', 'F', 2, 1, 1};
    struct axi_task_meta meta = elf_maker_meta();
    size_t bytes = 0;

    memset(file, 0, ELF_FILE_BYTES);
    memcpy(file, ident, sizeof(ident));
    axi_put_le16(file + E_TYPE, 3);
    axi_put_le16(file + E_MACHINE, (uint16_t)isa);
    axi_put_le32(file + E_VERSION, 1);
    axi_put_le64(file + E_ENTRY, ELF_TEXT);
    axi_put_le64(file + E_PHOFF, 64);
    axi_put_le16(file + E_EHSIZE, 64);
    axi_put_le16(file + E_PHENTSIZE, 56);
    axi_put_le16(file + E_PHNUM, ELF_PHDR_COUNT);
    elf_maker_phdr(file, TEXT, 1, 5, 0, ELF_TEXT_END, ELF_TEXT_END, 4096);
    elf_maker_phdr(file, DATA, 1, 6, ELF_DATA, ELF_FILE_BYTES - ELF_DATA, ELF_DATA_MEMORY_BYTES,
                   4096);
    elf_maker_phdr(file, DYNAMIC, 2, 6, ELF_DYNAMIC, ELF_DYNAMIC_BYTES, ELF_DYNAMIC_BYTES, 8);
    elf_maker_phdr(file, STACK, 0x6474e551, 6, 0, 0, 0, 16);
    elf_maker_phdr(file, NOTE, 4, 4, ELF_NOTE, AXI_META_NOTE_BYTES, AXI_META_NOTE_BYTES, 4);
    memset(file + ELF_TEXT, 0x90, ELF_TEXT_BYTES);
    if (axi_meta_encode_note(&meta, file + ELF_NOTE, AXI_META_NOTE_BYTES, &bytes) != 0) {
        __builtin_trap();
    }
    memset(file + ELF_VALUES, 0xa5, ELF_FILE_BYTES - ELF_VALUES);
    elf_maker_dynamic(file, isa);
}

#endif
