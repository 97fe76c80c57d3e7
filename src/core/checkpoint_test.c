/* SPDX-License-Identifier: Apache-2.0 */
#include "core/checkpoint.h"

#include "base/bytes.h"
#include "base/crc32c.h"
#include "support/test.h"

#include <stdbool.h>
#include <string.h>

enum { STATE = 1000, WHOLE = AXI_CHECKPOINT_HEADER_BYTES + STATE };

static uint8_t state_bytes_of[AXC_STATE_BYTES_MAX];
static uint8_t whole[AXI_CHECKPOINT_BYTES_MAX + 1];

static struct axi_checkpoint sample(uint32_t state_bytes)
{
    struct axi_checkpoint c = {.task_id = UINT64_C(0x1122334455667788),
                               .epoch = 7,
                               .job = 41,
                               .step = 2,
                               .state_version = 3,
                               .state_bytes = state_bytes};

    for (uint32_t i = 0; i < sizeof(c.schema_hash); i++) {
        c.schema_hash[i] = (uint8_t)(200 + i);
    }
    for (uint32_t i = 0; i < sizeof(state_bytes_of); i++) {
        state_bytes_of[i] = (uint8_t)(i * 31 + (i >> 8));
    }
    return c;
}

/* A sample of STATE bytes in `whole`. */
static void encode_sample(void)
{
    struct axi_checkpoint c = sample(STATE);
    size_t bytes = 0;

    assert_int_equal(axi_checkpoint_encode(&c, state_bytes_of, whole, sizeof(whole), &bytes), 0);
    assert_int_equal(bytes, WHOLE);
}

static int decode(size_t length)
{
    struct axi_checkpoint c = {.job = 999};
    const uint8_t *state = NULL;
    int r = axi_checkpoint_decode(whole, length, &c, &state);

    assert_true(r == 0 || (c.job == 999 && state == NULL)); /* outputs untouched on failure */
    return r;
}

static void round_trips_one_byte_to_64_kib(void **unused)
{
    const uint32_t sizes[] = {1, 2, 7, 8, 9, 4095, 4096, 10240, 65535, AXC_STATE_BYTES_MAX};

    (void)unused;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct axi_checkpoint c = sample(sizes[i]);
        struct axi_checkpoint back;
        const uint8_t *state;
        size_t bytes;

        assert_int_equal(axi_checkpoint_encode(&c, state_bytes_of, whole, sizeof(whole), &bytes),
                         0);
        assert_int_equal(bytes, AXI_CHECKPOINT_HEADER_BYTES + sizes[i]);
        assert_int_equal(axi_checkpoint_decode(whole, bytes, &back, &state), 0);
        assert_int_equal(back.task_id, c.task_id);
        assert_int_equal(back.epoch, c.epoch);
        assert_int_equal(back.job, c.job);
        assert_int_equal(back.step, c.step);
        assert_int_equal(back.state_version, c.state_version);
        assert_int_equal(back.state_bytes, c.state_bytes);
        assert_int_equal(back.state_crc, axi_crc32c(0, state_bytes_of, sizes[i]));
        assert_memory_equal(back.schema_hash, c.schema_hash, sizeof(c.schema_hash));
        assert_memory_equal(state, state_bytes_of, sizes[i]);
    }
}

/* The byte table of docs/formats/checkpoint.md, so that the format cannot change by accident. */
static void header_is_as_documented(void **unused)
{
    (void)unused;
    encode_sample();
    assert_memory_equal(whole, "AXCK\x01\x00\x60\x00\x88\x77\x66\x55\x44\x33\x22\x11", 16);
    assert_int_equal(axi_get_le64(whole + 16), 7);
    assert_int_equal(axi_get_le64(whole + 24), 41);
    assert_int_equal(axi_get_le32(whole + 32), 2);
    assert_int_equal(axi_get_le32(whole + 36), 3);
    assert_int_equal(whole[40], 200);
    assert_int_equal(axi_get_le32(whole + 72), STATE);
    assert_int_equal(axi_get_le32(whole + 76), axi_crc32c(0, state_bytes_of, STATE));
    assert_int_equal(axi_get_le32(whole + 92), axi_crc32c(0, whole, 92));
}

static void encode_rejects_empty_and_oversized_states(void **unused)
{
    struct axi_checkpoint c = sample(0);
    size_t bytes = 5;

    (void)unused;
    assert_int_equal(axi_checkpoint_encode(&c, state_bytes_of, whole, sizeof(whole), &bytes),
                     -AXC_ECKPT_SIZE);
    c.state_bytes = AXC_STATE_BYTES_MAX + 1;
    assert_int_equal(axi_checkpoint_encode(&c, state_bytes_of, whole, sizeof(whole), &bytes),
                     -AXC_ECKPT_SIZE);
    c.state_bytes = 100;
    assert_int_equal(axi_checkpoint_encode(&c, state_bytes_of, whole, 195, &bytes), -AXC_EFULL);
    assert_int_equal(axi_checkpoint_encode(&c, state_bytes_of, whole, 50, &bytes), -AXC_EFULL);
    assert_int_equal(bytes, 5);
}

static void rejects_every_truncation(void **unused)
{
    (void)unused;
    encode_sample();
    for (size_t length = 0; length < WHOLE; length++) {
        assert_int_equal(decode(length), -AXC_ECKPT_TRUNCATED);
    }
}

static void rejects_bytes_left_over(void **unused)
{
    (void)unused;
    encode_sample();
    assert_int_equal(decode(WHOLE + 1), -AXC_ECKPT_SIZE);
}

static void rejects_every_flipped_bit(void **unused)
{
    (void)unused;
    encode_sample();
    for (size_t bit = 0; bit < 8 * (size_t)WHOLE; bit++) {
        whole[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_int_not_equal(decode(WHOLE), 0);
        whole[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    assert_int_equal(decode(WHOLE), 0);
}

struct break_case {
    const char *name;
    size_t offset;
    bool fix_header_crc;
    int error;
};

static const struct break_case breaks[] = {
    {"rejects_bad_magic", 0, true, AXC_ECKPT_MAGIC},
    {"rejects_unknown_version", 4, true, AXC_ECKPT_VERSION},
    {"rejects_other_header_size", 6, true, AXC_ECKPT_VERSION},
    {"rejects_changed_task_by_header_crc", 8, false, AXC_ECKPT_HEADER_CRC},
    {"rejects_changed_schema_by_header_crc", 41, false, AXC_ECKPT_HEADER_CRC},
    {"rejects_state_size_above_64_kib", 75, true, AXC_ECKPT_SIZE},
    {"rejects_state_size_above_what_is_there", 73, true, AXC_ECKPT_TRUNCATED},
    {"rejects_state_size_below_what_is_there", 72, true, AXC_ECKPT_SIZE},
    {"rejects_wrong_state_crc", 76, true, AXC_ECKPT_CRC},
    {"rejects_changed_first_state_byte", 96, true, AXC_ECKPT_CRC},
    {"rejects_changed_last_state_byte", WHOLE - 1, true, AXC_ECKPT_CRC},
};

static void is_broken(void **state)
{
    const struct break_case *c = *state;

    encode_sample();
    whole[c->offset] ^= 0x20;
    if (c->offset == 72) {
        axi_put_le32(whole + 72, STATE - 1);
    }
    if (c->fix_header_crc) {
        axi_put_le32(whole + 92, axi_crc32c(0, whole, 92));
    }
    assert_string_equal(axi_error_name(decode(WHOLE)), axi_error_name(c->error));
}

static void rejects_state_size_zero(void **unused)
{
    (void)unused;
    encode_sample();
    axi_put_le32(whole + 72, 0);
    axi_put_le32(whole + 92, axi_crc32c(0, whole, 92));
    assert_int_equal(decode(WHOLE), -AXC_ECKPT_SIZE);
    assert_int_equal(decode(AXI_CHECKPOINT_HEADER_BYTES), -AXC_ECKPT_SIZE);
}

static struct axi_checkpoint_expect expectation(const struct axi_checkpoint *c)
{
    struct axi_checkpoint_expect expect = {.task_id = c->task_id,
                                           .epoch_min = c->epoch,
                                           .epoch_max = c->epoch,
                                           .job_min = c->job,
                                           .job_max = c->job,
                                           .state_version = c->state_version,
                                           .state_bytes = c->state_bytes};

    memcpy(expect.schema_hash, c->schema_hash, sizeof(expect.schema_hash));
    return expect;
}

static void verify_accepts_what_is_expected(void **unused)
{
    struct axi_checkpoint c = sample(STATE);
    struct axi_checkpoint_expect expect = expectation(&c);

    (void)unused;
    assert_int_equal(axi_checkpoint_verify(&c, &expect), 0);
    expect.epoch_min = 0;
    expect.epoch_max = UINT64_MAX;
    expect.job_min = 0;
    expect.job_max = UINT64_MAX;
    assert_int_equal(axi_checkpoint_verify(&c, &expect), 0);
}

#define VERIFY_TEST(name, change, error)                                                           \
    static void name(void **unused)                                                                \
    {                                                                                              \
        struct axi_checkpoint c = sample(STATE);                                                   \
        struct axi_checkpoint_expect expect = expectation(&c);                                     \
        (void)unused;                                                                              \
        change;                                                                                    \
        assert_int_equal(axi_checkpoint_verify(&c, &expect), -(error));                            \
    }
VERIFY_TEST(verify_rejects_another_task, c.task_id++, AXC_ECKPT_TASK)
VERIFY_TEST(verify_rejects_a_superseded_epoch, c.epoch--, AXC_ECKPT_EPOCH)
VERIFY_TEST(verify_rejects_an_epoch_ahead, c.epoch++, AXC_ECKPT_EPOCH)
VERIFY_TEST(verify_rejects_another_schema, c.schema_hash[31] ^= 1, AXC_ECKPT_SCHEMA)
VERIFY_TEST(verify_rejects_another_state_version, c.state_version++, AXC_ECKPT_STATE_VERSION)
VERIFY_TEST(verify_rejects_another_state_size, c.state_bytes--, AXC_ECKPT_SIZE)
VERIFY_TEST(verify_rejects_an_older_job, c.job--, AXC_ECKPT_JOB)
VERIFY_TEST(verify_rejects_a_job_ahead, c.job++, AXC_ECKPT_JOB)

int main(void)
{
    const struct CMUnitTest fixed[] = {
        cmocka_unit_test(round_trips_one_byte_to_64_kib),
        cmocka_unit_test(header_is_as_documented),
        cmocka_unit_test(encode_rejects_empty_and_oversized_states),
        cmocka_unit_test(rejects_every_truncation),
        cmocka_unit_test(rejects_bytes_left_over),
        cmocka_unit_test(rejects_every_flipped_bit),
        cmocka_unit_test(rejects_state_size_zero),
        cmocka_unit_test(verify_accepts_what_is_expected),
        cmocka_unit_test(verify_rejects_another_task),
        cmocka_unit_test(verify_rejects_a_superseded_epoch),
        cmocka_unit_test(verify_rejects_an_epoch_ahead),
        cmocka_unit_test(verify_rejects_another_schema),
        cmocka_unit_test(verify_rejects_another_state_version),
        cmocka_unit_test(verify_rejects_another_state_size),
        cmocka_unit_test(verify_rejects_an_older_job),
        cmocka_unit_test(verify_rejects_a_job_ahead),
    };
    enum { FIXED = sizeof(fixed) / sizeof(fixed[0]), BREAKS = sizeof(breaks) / sizeof(breaks[0]) };
    struct CMUnitTest tests[FIXED + BREAKS];

    memcpy(tests, fixed, sizeof(fixed));
    for (int i = 0; i < BREAKS; i++) {
        tests[FIXED + i] = (struct CMUnitTest){breaks[i].name, is_broken, NULL, NULL,
                                               (void *)(uintptr_t)&breaks[i]};
    }
    return _cmocka_run_group_tests("checkpoint", tests, FIXED + BREAKS, NULL, NULL);
}
