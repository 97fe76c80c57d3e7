/* SPDX-License-Identifier: Apache-2.0 */
#include "core/elf.h"

#include "support/elf_maker.h"
#include "support/test.h"

#include <stdio.h>
#include <stdlib.h>

#define IMAGE_MAX (1u << 20)

/* One field broken: `bytes` wide at `offset`; up to two changes where one alone means nothing. */
struct change {
    size_t offset;
    uint32_t bytes; /* 1, 2, 4 or 8; 0: no change */
    uint64_t value;
};

struct refusal {
    const char *name;
    int error;
    struct change change[2];
};

#define U16(offset, value)                                                                         \
    {                                                                                              \
        (offset), 2, (value)                                                                       \
    }
#define U32(offset, value)                                                                         \
    {                                                                                              \
        (offset), 4, (value)                                                                       \
    }
#define U64(offset, value)                                                                         \
    {                                                                                              \
        (offset), 8, (value)                                                                       \
    }
#define PH32(index, field, value) U32(ELF_PHDR(index, field), value)
#define PH64(index, field, value) U64(ELF_PHDR(index, field), value)
#define TAG(value) U64(ELF_DYN(DYN_SPARE, D_TAG), value)
#define HUGE_VALUE UINT64_C(0xfffffffffffff000)

/* clang-format off */
static const struct refusal refusals[] = {
    {"rejects_bad_magic", AXC_EELF_MAGIC, {U32(0, 0x464c4580)}},
    {"rejects_32_bit_class", AXC_EELF_CLASS, {{4, 1, 1}}},
    {"rejects_big_endian", AXC_EELF_CLASS, {{5, 1, 2}}},
    {"rejects_unknown_ident_version", AXC_EELF_VERSION, {{6, 1, 2}}},
    {"rejects_unknown_version", AXC_EELF_VERSION, {U32(E_VERSION, 0)}},
    {"rejects_fixed_address_executable", AXC_EELF_TYPE, {U16(E_TYPE, 2)}},
    {"rejects_relocatable_object", AXC_EELF_TYPE, {U16(E_TYPE, 1)}},
    {"rejects_wrong_isa", AXC_EELF_MACHINE, {U16(E_MACHINE, 183)}},
    {"rejects_unknown_isa", AXC_EELF_MACHINE, {U16(E_MACHINE, 40)}},
    {"rejects_odd_header_size", AXC_EELF_HEADER_SIZE, {U16(E_EHSIZE, 52)}},
    {"rejects_odd_program_header_size", AXC_EELF_HEADER_SIZE, {U16(E_PHENTSIZE, 32)}},
    {"rejects_no_program_headers", AXC_EELF_PHDR_COUNT, {U16(E_PHNUM, 0)}},
    {"rejects_too_many_program_headers", AXC_EELF_PHDR_COUNT, {U16(E_PHNUM, AXI_ELF_PHDRS_MAX + 1)}},
    {"rejects_program_headers_past_the_end", AXC_EELF_PHDR_RANGE, {U64(E_PHOFF, ELF_FILE_BYTES - 8)}},
    {"rejects_program_header_offset_that_wraps", AXC_EELF_PHDR_RANGE, {U64(E_PHOFF, UINT64_MAX - 7)}},
    {"rejects_interpreter", AXC_EELF_INTERP, {PH32(NOTE, P_TYPE, 3)}},
    {"rejects_thread_local_storage", AXC_EELF_TLS, {PH32(NOTE, P_TYPE, 7)}},
    {"rejects_static_tls_flag", AXC_EELF_TLS, {TAG(30), U64(ELF_DYN(DYN_SPARE, D_VALUE), 16)}},
    {"rejects_segment_past_the_end", AXC_EELF_SEGMENT_RANGE, {PH64(DATA, P_FILESZ, 0x1301 - 0x1000)}},
    {"rejects_segment_offset_that_wraps", AXC_EELF_SEGMENT_RANGE, {PH64(DATA, P_OFFSET, HUGE_VALUE)}},
    {"rejects_segment_larger_in_file", AXC_EELF_SEGMENT_SIZE, {PH64(DATA, P_MEMSZ, 0x2ff)}},
    {"rejects_segment_alignment_above_page", AXC_EELF_SEGMENT_ALIGN, {PH64(DATA, P_ALIGN, 65536)}},
    {"rejects_segment_alignment_not_power_of_two", AXC_EELF_SEGMENT_ALIGN, {PH64(DATA, P_ALIGN, 48)}},
    {"rejects_segment_not_congruent_to_its_offset", AXC_EELF_SEGMENT_ALIGN, {PH64(DATA, P_VADDR, 0x1010)}},
    {"rejects_writable_text", AXC_EELF_SEGMENT_WX, {PH32(TEXT, P_FLAGS, 7)}},
    {"rejects_executable_data", AXC_EELF_SEGMENT_WX, {PH32(DATA, P_FLAGS, 7)}},
    {"rejects_overlapping_segments", AXC_EELF_SEGMENT_OVERLAP, {PH64(TEXT, P_MEMSZ, 0x1800)}},
    {"rejects_data_on_a_text_page", AXC_EELF_SEGMENT_OVERLAP, {PH64(TEXT, P_MEMSZ, 0x1000 - 0x10), PH64(DATA, P_VADDR, 0)}},
    {"rejects_data_sharing_a_page_with_text", AXC_EELF_SEGMENT_OVERLAP, {PH64(DATA, P_VADDR, 0x800), PH64(DATA, P_ALIGN, 8)}},
    {"rejects_descending_segments", AXC_EELF_SEGMENT_ORDER, {PH64(TEXT, P_VADDR, 0x8000)}},
    {"rejects_text_after_data", AXC_EELF_SEGMENT_ORDER, {PH32(TEXT, P_FLAGS, 6), PH32(DATA, P_FLAGS, 5)}},
    {"rejects_nothing_to_load", AXC_EELF_NO_LOAD, {PH32(TEXT, P_TYPE, 0), PH32(DATA, P_TYPE, 0)}},
    {"rejects_oversized_image", AXC_EELF_TOO_LARGE, {PH64(DATA, P_MEMSZ, IMAGE_MAX)}},
    {"rejects_image_address_that_wraps", AXC_EELF_TOO_LARGE, {PH64(DATA, P_VADDR, HUGE_VALUE)}},
    {"rejects_image_size_that_wraps", AXC_EELF_TOO_LARGE, {PH64(DATA, P_MEMSZ, UINT64_MAX)}},
    {"rejects_entry_in_data", AXC_EELF_ENTRY, {U64(E_ENTRY, ELF_VALUES)}},
    {"rejects_entry_outside_the_image", AXC_EELF_ENTRY, {U64(E_ENTRY, 0x100000)}},
    {"rejects_entry_behind_the_text", AXC_EELF_ENTRY, {U64(E_ENTRY, ELF_TEXT_END)}},
    {"rejects_entry_in_read_only_text", AXC_EELF_ENTRY, {PH32(TEXT, P_FLAGS, 4)}},
    {"rejects_dynamic_outside_the_image", AXC_EELF_DYNAMIC_RANGE, {PH64(DYNAMIC, P_VADDR, 0x9000)}},
    {"rejects_dynamic_in_bss", AXC_EELF_DYNAMIC_RANGE, {PH64(DYNAMIC, P_VADDR, 0x1300)}},
    {"rejects_dynamic_of_odd_size", AXC_EELF_DYNAMIC_RANGE, {PH64(DYNAMIC, P_FILESZ, 0x5f)}},
    {"rejects_dynamic_without_end", AXC_EELF_DYNAMIC_RANGE, {PH64(DYNAMIC, P_FILESZ, 0x50)}},
    {"rejects_second_dynamic", AXC_EELF_DYNAMIC_RANGE, {PH32(NOTE, P_TYPE, 2), PH64(NOTE, P_FILESZ, 0x60)}},
    {"rejects_needed_library", AXC_EELF_NEEDED, {TAG(1)}},
    {"rejects_plt_relocations", AXC_EELF_JMPREL, {TAG(23)}},
    {"rejects_plt_relocation_size", AXC_EELF_JMPREL, {TAG(2)}},
    {"rejects_init", AXC_EELF_INIT, {TAG(12)}},
    {"rejects_fini", AXC_EELF_INIT, {TAG(13)}},
    {"rejects_constructors", AXC_EELF_INIT, {TAG(25)}},
    {"rejects_destructors", AXC_EELF_INIT, {TAG(26)}},
    {"rejects_preinit", AXC_EELF_INIT, {TAG(32)}},
    {"rejects_text_relocations", AXC_EELF_TEXTREL, {TAG(22)}},
    {"rejects_text_relocations_flag", AXC_EELF_TEXTREL, {TAG(30), U64(ELF_DYN(DYN_SPARE, D_VALUE), 4)}},
    {"rejects_rela_size_not_multiple", AXC_EELF_RELA_SIZE, {U64(ELF_DYN(DYN_RELASZ, D_VALUE), 47)}},
    {"rejects_rela_entry_size", AXC_EELF_RELA_SIZE, {U64(ELF_DYN(DYN_RELAENT, D_VALUE), 16)}},
    {"rejects_rela_size_without_table", AXC_EELF_RELA_SIZE, {U64(ELF_DYN(DYN_RELA, D_TAG), 0x6fffff00)}},
    {"rejects_rela_outside_the_image", AXC_EELF_RELA_RANGE, {U64(ELF_DYN(DYN_RELA, D_VALUE), 0x200000)}},
    {"rejects_rela_longer_than_the_file", AXC_EELF_RELA_RANGE, {U64(ELF_DYN(DYN_RELASZ, D_VALUE), 24 * 4096)}},
    {"rejects_rela_size_that_wraps", AXC_EELF_RELA_RANGE, {U64(ELF_DYN(DYN_RELASZ, D_VALUE), UINT64_C(24) << 58)}},
    {"rejects_symbolic_relocation", AXC_EELF_RELOC_TYPE, {U64(ELF_REL(0, R_INFO), 1)}},
    {"rejects_relative_relocation_with_symbol", AXC_EELF_RELOC_TYPE, {U64(ELF_REL(1, R_INFO), UINT64_C(1) << 32 | 8)}},
    {"rejects_relocation_of_the_other_isa", AXC_EELF_RELOC_TYPE, {U64(ELF_REL(1, R_INFO), 1027)}},
    {"rejects_reloc_in_text", AXC_EELF_RELOC_TARGET, {U64(ELF_REL(0, R_OFFSET), ELF_TEXT)}},
    {"rejects_reloc_outside_image", AXC_EELF_RELOC_TARGET, {U64(ELF_REL(1, R_OFFSET), 0x3000)}},
    {"rejects_reloc_across_the_end", AXC_EELF_RELOC_TARGET, {U64(ELF_REL(1, R_OFFSET), 0x2800 - 7)}},
    {"rejects_reloc_target_that_wraps", AXC_EELF_RELOC_TARGET, {U64(ELF_REL(1, R_OFFSET), UINT64_MAX - 3)}},
    {"rejects_addend_outside_image", AXC_EELF_RELOC_ADDEND, {U64(ELF_REL(0, R_ADDEND), ELF_IMAGE_BYTES + 1)}},
    {"rejects_negative_addend", AXC_EELF_RELOC_ADDEND, {U64(ELF_REL(0, R_ADDEND), UINT64_MAX)}},
    {"rejects_relocations_without_addend", AXC_EELF_REL_FORMAT, {TAG(17)}},
    {"rejects_relocations_without_addend_size", AXC_EELF_REL_FORMAT, {TAG(18)}},
    {"rejects_packed_relocations", AXC_EELF_REL_FORMAT, {TAG(36)}},
    {"rejects_packed_relocations_size", AXC_EELF_REL_FORMAT, {TAG(35)}},
    {"rejects_executable_stack", AXC_EELF_EXEC_STACK, {PH32(STACK, P_FLAGS, 7)}},
};
/* clang-format on */

static int check(const uint8_t *file, size_t length, struct axi_elf_plan *plan)
{
    struct axi_elf_limits limits = {.image_bytes_max = IMAGE_MAX, .isa = AXI_ISA_X86_64};

    return axi_elf_check(file, length, &limits, plan);
}

static void apply(uint8_t *file, const struct change *change)
{
    for (uint32_t i = 0; i < change->bytes; i++) {
        file[change->offset + i] = (uint8_t)(change->value >> 8 * i);
    }
}

static void is_refused(void **state)
{
    const struct refusal *refusal = *state;
    uint8_t file[ELF_FILE_BYTES];
    struct axi_elf_plan plan = {.entry = 77};

    elf_maker(file, AXI_ISA_X86_64);
    apply(file, &refusal->change[0]);
    apply(file, &refusal->change[1]);
    assert_string_equal(axi_error_name(check(file, sizeof(file), &plan)),
                        axi_error_name(refusal->error));
    assert_int_equal(plan.entry, 77); /* outputs untouched */
}

static void accepts_the_minimal_file_of_both_isas(void **state)
{
    const enum axi_isa isas[] = {AXI_ISA_X86_64, AXI_ISA_AARCH64};
    uint8_t file[ELF_FILE_BYTES];

    (void)state;
    for (int i = 0; i < 2; i++) {
        struct axi_elf_limits limits = {.image_bytes_max = ELF_IMAGE_BYTES, .isa = isas[i]};
        struct axi_elf_plan plan;

        elf_maker(file, isas[i]);
        assert_int_equal(axi_elf_check(file, sizeof(file), &limits, &plan), 0);
        assert_int_equal(plan.image_bytes, ELF_IMAGE_BYTES);
        assert_int_equal(plan.text_bytes, 0x1000);
        assert_int_equal(plan.data_offset, 0x1000);
        assert_int_equal(plan.data_bytes, 0x2000);
        assert_int_equal(plan.entry, ELF_TEXT);
        assert_int_equal(plan.rela_count, ELF_RELA_COUNT);
        assert_int_equal(plan.segment_count, 2);
    }
}

static void accepts_a_file_without_relocations_and_data(void **state)
{
    uint8_t file[ELF_FILE_BYTES];
    struct axi_elf_plan plan;

    (void)state;
    elf_maker(file, AXI_ISA_X86_64);
    axi_put_le32(file + ELF_PHDR(DATA, P_TYPE), 0);
    axi_put_le32(file + ELF_PHDR(DYNAMIC, P_TYPE), 0);
    assert_int_equal(check(file, sizeof(file), &plan), 0);
    assert_int_equal(plan.image_bytes, 0x1000);
    assert_int_equal(plan.text_bytes, 0x1000);
    assert_int_equal(plan.data_bytes, 0);
    assert_int_equal(plan.data_offset, 0x1000);
}

static void rejects_misaligned_aarch64_entry(void **state)
{
    struct axi_elf_limits limits = {.image_bytes_max = IMAGE_MAX, .isa = AXI_ISA_AARCH64};
    uint8_t file[ELF_FILE_BYTES];
    struct axi_elf_plan plan;

    (void)state;
    elf_maker(file, AXI_ISA_AARCH64);
    axi_put_le64(file + E_ENTRY, ELF_TEXT + 2);
    assert_int_equal(axi_elf_check(file, sizeof(file), &limits, &plan), -AXC_EELF_ENTRY);
}

static void rejects_image_above_the_limit_by_page_rounding(void **state)
{
    struct axi_elf_limits limits = {.image_bytes_max = 0x2800, .isa = AXI_ISA_X86_64};
    uint8_t file[ELF_FILE_BYTES];
    struct axi_elf_plan plan;

    (void)state;
    elf_maker(file, AXI_ISA_X86_64);
    assert_int_equal(axi_elf_check(file, sizeof(file), &limits, &plan), -AXC_EELF_TOO_LARGE);
}

static void rejects_unusable_limits(void **state)
{
    struct axi_elf_limits limits = {.image_bytes_max = IMAGE_MAX, .isa = (enum axi_isa)3};
    uint8_t file[ELF_FILE_BYTES];
    struct axi_elf_plan plan;

    (void)state;
    elf_maker(file, AXI_ISA_X86_64);
    assert_int_equal(axi_elf_check(file, sizeof(file), &limits, &plan), -AXC_EINVALID);
    limits = (struct axi_elf_limits){.image_bytes_max = UINT64_MAX, .isa = AXI_ISA_X86_64};
    assert_int_equal(axi_elf_check(file, sizeof(file), &limits, &plan), -AXC_EINVALID);
}

static void rejects_too_many_segments(void **state)
{
    uint8_t file[ELF_FILE_BYTES];
    struct axi_elf_plan plan;

    (void)state;
    elf_maker(file, AXI_ISA_X86_64);
    axi_put_le64(file + E_PHOFF, 0x400);
    axi_put_le16(file + E_PHNUM, AXI_ELF_SEGMENTS_MAX + 1);
    for (uint32_t i = 0; i <= AXI_ELF_SEGMENTS_MAX; i++) {
        uint8_t *p = file + 0x400 + i * 56;

        axi_put_le32(p + P_TYPE, 1);
        axi_put_le32(p + P_FLAGS, 5);
        axi_put_le64(p + P_VADDR, (uint64_t)i * 4096);
        axi_put_le64(p + P_FILESZ, 16);
        axi_put_le64(p + P_MEMSZ, 16);
        axi_put_le64(p + P_ALIGN, 4096);
    }
    assert_int_equal(check(file, sizeof(file), &plan), -AXC_EELF_PHDR_COUNT);
}

static void rejects_every_truncation(void **state)
{
    uint8_t file[ELF_FILE_BYTES];
    struct axi_elf_plan plan;

    (void)state;
    elf_maker(file, AXI_ISA_X86_64);
    for (size_t length = 0; length < sizeof(file); length++) {
        uint8_t *cut = malloc(length + 1); /* its own area, so that ASan sees a read behind it */
        int r;

        memcpy(cut, file, length);
        cut = realloc(cut, length > 0 ? length : 1);
        r = check(cut, length, &plan);
        free(cut);
        assert_true(r < 0);
        assert_true(length >= 64 || r == -AXC_EELF_TRUNCATED);
    }
}

/* A flipped bit may still give a correct file (in code, say); then loading stays inside the image.
 */
static void bit_flips_are_refused_or_load_inside_the_image(void **state)
{
    static uint8_t image[IMAGE_MAX + 64];
    uint8_t file[ELF_FILE_BYTES];
    uint32_t refused = 0;

    (void)state;
    elf_maker(file, AXI_ISA_X86_64);
    for (size_t bit = 0; bit < 8 * sizeof(file); bit++) {
        struct axi_elf_plan plan;
        bool is_structure = bit / 8 < ELF_TEXT || (bit / 8 >= ELF_DATA && bit / 8 < ELF_VALUES);

        if (!is_structure) {
            continue;
        }
        file[bit / 8] ^= (uint8_t)(1u << bit % 8);
        if (check(file, sizeof(file), &plan) < 0) {
            refused++;
        } else {
            memset(image + plan.image_bytes, 0x5a, 64);
            assert_int_equal(axi_elf_load(file, sizeof(file), &plan, image, 0x400000), 0);
            for (size_t i = 0; i < 64; i++) {
                assert_int_equal(image[plan.image_bytes + i], 0x5a);
            }
        }
        file[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    assert_true(refused > 1000);
}

static void load_copies_clears_and_relocates(void **state)
{
    static uint8_t image[ELF_IMAGE_BYTES];
    const uint64_t base = UINT64_C(0x7f0012345000);
    uint8_t file[ELF_FILE_BYTES];
    struct axi_elf_plan plan;

    (void)state;
    memset(image, 0xff, sizeof(image));
    elf_maker(file, AXI_ISA_X86_64);
    assert_int_equal(check(file, sizeof(file), &plan), 0);
    assert_int_equal(axi_elf_load(file, sizeof(file), &plan, image, base), 0);
    assert_memory_equal(image, file, ELF_TEXT_END);
    assert_int_equal(axi_get_le64(image + ELF_VALUES), base + ELF_TEXT);
    assert_int_equal(axi_get_le64(image + ELF_VALUES + 8), base + ELF_VALUES + 32);
    assert_int_equal(image[ELF_VALUES + 16], 0xa5);
    for (size_t i = ELF_TEXT_END; i < ELF_DATA; i++) {
        assert_int_equal(image[i], 0); /* nothing of the former content stays */
    }
    for (size_t i = ELF_FILE_BYTES; i < ELF_IMAGE_BYTES; i++) {
        assert_int_equal(image[i], 0);
    }
}

static void load_rejects_a_base_that_is_not_page_aligned_or_wraps(void **state)
{
    static uint8_t image[ELF_IMAGE_BYTES];
    uint8_t file[ELF_FILE_BYTES];
    struct axi_elf_plan plan;

    (void)state;
    elf_maker(file, AXI_ISA_X86_64);
    assert_int_equal(check(file, sizeof(file), &plan), 0);
    assert_int_equal(axi_elf_load(file, sizeof(file), &plan, image, 0x400800), -AXC_EELF_BASE);
    assert_int_equal(axi_elf_load(file, sizeof(file), &plan, image, UINT64_MAX - 0xfff),
                     -AXC_EELF_BASE);
}

int main(void)
{
    const struct CMUnitTest fixed[] = {
        cmocka_unit_test(accepts_the_minimal_file_of_both_isas),
        cmocka_unit_test(accepts_a_file_without_relocations_and_data),
        cmocka_unit_test(rejects_misaligned_aarch64_entry),
        cmocka_unit_test(rejects_image_above_the_limit_by_page_rounding),
        cmocka_unit_test(rejects_unusable_limits),
        cmocka_unit_test(rejects_too_many_segments),
        cmocka_unit_test(rejects_every_truncation),
        cmocka_unit_test(bit_flips_are_refused_or_load_inside_the_image),
        cmocka_unit_test(load_copies_clears_and_relocates),
        cmocka_unit_test(load_rejects_a_base_that_is_not_page_aligned_or_wraps),
    };
    enum { FIXED = sizeof(fixed) / sizeof(fixed[0]) };
    enum { REFUSALS = sizeof(refusals) / sizeof(refusals[0]) };
    struct CMUnitTest tests[FIXED + REFUSALS];

    memcpy(tests, fixed, sizeof(fixed));
    for (int i = 0; i < REFUSALS; i++) {
        tests[FIXED + i] = (struct CMUnitTest){refusals[i].name, is_refused, NULL, NULL,
                                               (void *)(uintptr_t)&refusals[i]};
    }
    return _cmocka_run_group_tests("elf", tests, FIXED + REFUSALS, NULL, NULL);
}
