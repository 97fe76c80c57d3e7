/* SPDX-License-Identifier: Apache-2.0 */
#include "core/meta.h"

#include "base/bytes.h"
#include "base/crc32c.h"
#include "support/elf_maker.h"
#include "support/test.h"

#include <string.h>

struct refusal {
    const char *name;
    int error;
    uint32_t offset, bytes; /* field of the descriptor */
    uint64_t value;
};

static const struct refusal refusals[] = {
    {"rejects_bad_magic", AXC_EMETA_MAGIC, 0, 4, 0},
    {"rejects_unknown_note_version", AXC_EMETA_VERSION, 4, 2, 2},
    {"rejects_other_size_field", AXC_EMETA_SIZE, 6, 2, AXI_META_BYTES - 4},
    {"rejects_abi_from_the_future", AXC_EMETA_ABI, 8, 4, AXC_ABI + 1},
    {"rejects_empty_name", AXC_EMETA_NAME, 12, 1, 0},
    {"rejects_name_in_capitals", AXC_EMETA_NAME, 12, 1, 'A'},
    {"rejects_name_that_starts_with_a_dash", AXC_EMETA_NAME, 12, 1, '-'},
    {"rejects_name_with_a_slash", AXC_EMETA_NAME, 13, 1, '/'},
    {"rejects_empty_state", AXC_EMETA_STATE_BYTES, 44, 4, 0},
    {"rejects_state_above_64_kib", AXC_EMETA_STATE_BYTES, 44, 4, AXC_STATE_BYTES_MAX + 1},
    {"rejects_period_0", AXC_EMETA_PARAM, 84, 4, 0},
    {"rejects_deadline_0", AXC_EMETA_PARAM, 88, 4, 0},
    {"rejects_deadline_after_the_period", AXC_EMETA_PARAM, 88, 4, 50001},
    {"rejects_criticality_above_15", AXC_EMETA_CRITICALITY, 92, 4, 16},
    {"rejects_tiny_stack", AXC_EMETA_STACK, 100, 4, 1023},
    {"rejects_huge_stack", AXC_EMETA_STACK, 100, 4, AXC_STACK_BYTES_MAX + 1},
    {"rejects_unknown_overrun_policy", AXC_EMETA_POLICY, 112, 4, 3},
    {"rejects_unknown_fault_policy", AXC_EMETA_POLICY, 116, 4, 3},
    {"rejects_wcet_without_platform", AXC_EMETA_WCET, 128, 1, 0},
    {"rejects_platform_without_wcet", AXC_EMETA_WCET, 128 + 24, 4, 0},
    {"rejects_platform_with_a_space", AXC_EMETA_WCET, 130, 1, ' '},
};

static void encode_sample(uint8_t note[AXI_META_BYTES])
{
    struct axi_task_meta meta = elf_maker_meta();
    size_t bytes = 0;

    assert_int_equal(axi_meta_encode(&meta, note, AXI_META_BYTES, &bytes), 0);
    assert_int_equal(bytes, AXI_META_BYTES);
}

static void seal(uint8_t note[AXI_META_BYTES])
{
    axi_put_le32(note + AXI_META_BYTES - 4, axi_crc32c(0, note, AXI_META_BYTES - 4));
}

static void is_refused(void **state)
{
    const struct refusal *refusal = *state;
    uint8_t note[AXI_META_BYTES];
    struct axi_task_meta back = {.jobs = 4};

    encode_sample(note);
    for (uint32_t i = 0; i < refusal->bytes; i++) {
        note[refusal->offset + i] = (uint8_t)(refusal->value >> 8 * i);
    }
    seal(note);
    assert_string_equal(axi_error_name(axi_meta_decode(note, sizeof(note), &back)),
                        axi_error_name(refusal->error));
    assert_int_equal(back.jobs, 4);
}

static void round_trips(void **state)
{
    struct axi_task_meta meta = elf_maker_meta();
    struct axi_task_meta back;
    uint8_t note[AXI_META_BYTES];

    (void)state;
    encode_sample(note);
    assert_int_equal(axi_meta_decode(note, sizeof(note), &back), 0);
    assert_memory_equal(&back, &meta, sizeof(meta));
}

static void encode_resolves_defaults(void **state)
{
    struct axi_task_meta meta = elf_maker_meta();
    struct axi_task_meta back;
    uint8_t note[AXI_META_BYTES];
    size_t bytes;

    (void)state;
    meta.abi = 0;
    meta.stack_bytes = 0;
    meta.restart_limit = 0;
    meta.checkpoint_every = 0;
    assert_int_equal(axi_meta_encode(&meta, note, sizeof(note), &bytes), 0);
    assert_int_equal(axi_meta_decode(note, sizeof(note), &back), 0);
    assert_int_equal(back.abi, AXC_ABI);
    assert_int_equal(back.stack_bytes, AXC_STACK_BYTES_DEFAULT);
    assert_int_equal(back.restart_limit, 3);
    assert_int_equal(back.checkpoint_every, 1);
}

static void encode_rejects_what_decode_would(void **state)
{
    struct axi_task_meta meta = elf_maker_meta();
    uint8_t note[AXI_META_NOTE_BYTES];
    size_t bytes = 3;

    (void)state;
    assert_int_equal(axi_meta_encode(&meta, note, AXI_META_BYTES - 1, &bytes), -AXC_EFULL);
    assert_int_equal(axi_meta_encode_note(&meta, note, AXI_META_BYTES, &bytes), -AXC_EFULL);
    memset(meta.name, 'a', sizeof(meta.name)); /* no NUL */
    assert_int_equal(axi_meta_encode(&meta, note, sizeof(note), &bytes), -AXC_EMETA_NAME);
    assert_int_equal(axi_meta_encode_note(&meta, note, sizeof(note), &bytes), -AXC_EMETA_NAME);
    meta = elf_maker_meta();
    meta.wcet[2] = meta.wcet[0]; /* twice the same platform */
    assert_int_equal(axi_meta_encode(&meta, note, sizeof(note), &bytes), -AXC_EMETA_WCET);
    assert_int_equal(bytes, 3);
}

static void decode_rejects_wrong_sizes_and_flipped_bits(void **state)
{
    uint8_t note[AXI_META_BYTES + 1] = {0};
    struct axi_task_meta back;

    (void)state;
    encode_sample(note);
    for (size_t length = 0; length < AXI_META_BYTES; length++) {
        assert_int_equal(axi_meta_decode(note, length, &back), -AXC_EMETA_SIZE);
    }
    assert_int_equal(axi_meta_decode(note, AXI_META_BYTES + 1, &back), -AXC_EMETA_SIZE);
    for (size_t bit = 8 * 8; bit < 8 * (size_t)AXI_META_BYTES; bit++) {
        note[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_int_equal(axi_meta_decode(note, AXI_META_BYTES, &back), -AXC_EMETA_CRC);
        note[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
}

static void elf_note_is_found_by_program_header(void **state)
{
    struct axi_task_meta meta = elf_maker_meta();
    uint8_t file[ELF_FILE_BYTES];
    struct axi_task_meta back;

    (void)state;
    elf_maker(file, AXI_ISA_AARCH64);
    assert_int_equal(axi_meta_from_elf(file, sizeof(file), &back), 0);
    assert_memory_equal(&back, &meta, sizeof(meta));
}

static void elf_note_is_found_by_section(void **state)
{
    uint8_t file[ELF_FILE_BYTES + 128] = {0};
    struct axi_task_meta back;

    (void)state;
    elf_maker(file, AXI_ISA_X86_64);
    axi_put_le32(file + ELF_PHDR(NOTE, P_TYPE), 0);
    axi_put_le64(file + 40, ELF_FILE_BYTES); /* e_shoff */
    axi_put_le16(file + 58, 64);
    axi_put_le16(file + 60, 2);
    axi_put_le32(file + ELF_FILE_BYTES + 64 + 4, 7); /* SHT_NOTE */
    axi_put_le64(file + ELF_FILE_BYTES + 64 + 24, ELF_NOTE);
    axi_put_le64(file + ELF_FILE_BYTES + 64 + 32, AXI_META_NOTE_BYTES);
    assert_int_equal(axi_meta_from_elf(file, sizeof(file), &back), 0);
    assert_string_equal(back.name, "sample");
}

static void elf_note_of_another_owner_is_skipped(void **state)
{
    uint8_t file[ELF_FILE_BYTES];
    struct axi_task_meta back;

    (void)state;
    elf_maker(file, AXI_ISA_X86_64);
    /* A 4 + 4 byte GNU note in front, in the 20 bytes before ours that are text otherwise. */
    axi_put_le64(file + ELF_PHDR(NOTE, P_OFFSET), ELF_NOTE - 20);
    axi_put_le64(file + ELF_PHDR(NOTE, P_FILESZ), AXI_META_NOTE_BYTES + 20);
    axi_put_le32(file + ELF_NOTE - 20, 4);
    axi_put_le32(file + ELF_NOTE - 16, 4);
    axi_put_le32(file + ELF_NOTE - 12, 1);
    memcpy(file + ELF_NOTE - 8, "GNU\0xxxx", 8);
    assert_int_equal(axi_meta_from_elf(file, sizeof(file), &back), 0);
    assert_string_equal(back.name, "sample");
}

static void elf_without_note_or_with_a_broken_one_is_refused(void **state)
{
    uint8_t file[ELF_FILE_BYTES];
    struct axi_task_meta back;

    (void)state;
    elf_maker(file, AXI_ISA_X86_64);
    for (size_t length = 0; length < 64; length++) {
        assert_int_equal(axi_meta_from_elf(file, length, &back), -AXC_EMETA_NONE);
    }
    assert_int_equal(axi_meta_from_elf(file, ELF_NOTE + 100, &back), -AXC_EMETA_NONE);
    axi_put_le32(file + ELF_NOTE + 4, 0xfffffff0); /* descriptor size that wraps */
    assert_int_equal(axi_meta_from_elf(file, sizeof(file), &back), -AXC_EMETA_NONE);
    axi_put_le32(file + ELF_NOTE + 4, 40);
    assert_int_equal(axi_meta_from_elf(file, sizeof(file), &back), -AXC_EMETA_SIZE);
    axi_put_le32(file + ELF_PHDR(NOTE, P_TYPE), 0);
    assert_int_equal(axi_meta_from_elf(file, sizeof(file), &back), -AXC_EMETA_NONE);
}

static void wcet_is_found_by_platform(void **state)
{
    struct axi_task_meta meta = elf_maker_meta();
    uint64_t ns = 1;

    (void)state;
    assert_int_equal(axi_meta_wcet_ns(&meta, "axcan-virt", &ns), 0);
    assert_int_equal(ns, 2500000);
    assert_int_equal(axi_meta_wcet_ns(&meta, "linux-aarch64", &ns), -AXC_EADMIT_NO_WCET);
    assert_int_equal(axi_meta_wcet_ns(&meta, "", &ns), -AXC_EADMIT_NO_WCET);
    assert_int_equal(ns, 2500000);
}

int main(void)
{
    const struct CMUnitTest fixed[] = {
        cmocka_unit_test(round_trips),
        cmocka_unit_test(encode_resolves_defaults),
        cmocka_unit_test(encode_rejects_what_decode_would),
        cmocka_unit_test(decode_rejects_wrong_sizes_and_flipped_bits),
        cmocka_unit_test(elf_note_is_found_by_program_header),
        cmocka_unit_test(elf_note_is_found_by_section),
        cmocka_unit_test(elf_note_of_another_owner_is_skipped),
        cmocka_unit_test(elf_without_note_or_with_a_broken_one_is_refused),
        cmocka_unit_test(wcet_is_found_by_platform),
    };
    enum { FIXED = sizeof(fixed) / sizeof(fixed[0]) };
    enum { REFUSALS = sizeof(refusals) / sizeof(refusals[0]) };
    struct CMUnitTest tests[FIXED + REFUSALS];

    memcpy(tests, fixed, sizeof(fixed));
    for (int i = 0; i < REFUSALS; i++) {
        tests[FIXED + i] = (struct CMUnitTest){refusals[i].name, is_refused, NULL, NULL,
                                               (void *)(uintptr_t)&refusals[i]};
    }
    return _cmocka_run_group_tests("meta", tests, FIXED + REFUSALS, NULL, NULL);
}
