/* SPDX-License-Identifier: Apache-2.0 */
/* The reference run against histories whose outcome is known by hand. Argument: steps.axi. */
#include "base/crc32c.h"
#include "core/output.h"
#include "image/image.h"
#include "replay/reference.h"

#include "support/test.h"

static const char *image_path;

struct pair {
    uint64_t sum;
    uint64_t steps;
};

static int open_run(void **state)
{
    const struct axi_image_entry *entry = NULL;
    struct axi_image *image = NULL;
    struct axi_replay *replay = NULL;
    struct axi_reference_run *run = NULL;

    assert_int_equal(axi_image_open(image_path, &image), 0);
    assert_int_equal(axi_image_entry_for_isa(image, AXI_ISA_HOST, &entry), 0);
    assert_int_equal(axi_replay_new(entry->elf, entry->elf_bytes, &replay), 0);
    assert_int_equal(axi_reference_new(replay, &run), 0);
    axi_image_free(image);
    *state = run;
    return 0;
}

static int close_run(void **state)
{
    axi_reference_free(*state);
    return 0;
}

static int send(struct axi_reference_run *run, enum axi_trace_kind kind, uint64_t job,
                uint64_t detail, uint32_t detail2, uint32_t *ret_state_crc)
{
    struct axi_trace record = {
        .kind = (uint8_t)kind, .job = job, .detail = detail, .detail2 = detail2};
    uint32_t output_crc = 0;

    return axi_reference_event(run, &record, ret_state_crc, &output_crc);
}

/* Sends COMPLETED and expects the state that `want` has. */
static void complete(struct axi_reference_run *run, uint64_t job, const struct pair *want)
{
    uint32_t crc = 0;

    assert_int_equal(send(run, AXI_TRACE_COMPLETED, job, 0, 0, &crc), 1);
    assert_int_equal(crc, axi_crc32c(0, want, sizeof(*want)));
}

static void first_half(struct pair *s, uint64_t job)
{
    s->sum = s->sum * 31 + job + 1;
    s->steps++;
}

static void second_half(struct pair *s, uint64_t resume_step)
{
    s->sum = s->sum * 37 + resume_step;
    s->steps++;
}

static void whole(struct pair *s, uint64_t job)
{
    first_half(s, job);
    second_half(s, 0);
}

static void output_crc_follows_the_documented_rule(void **state)
{
    struct axi_trace record = {.kind = AXI_TRACE_COMPLETED};
    struct pair want = {0, 0};
    uint32_t state_crc = 0;
    uint32_t output_crc = 0;
    uint32_t crc = 0;

    first_half(&want, 0);
    crc = axi_crc32c(0, "half\0\x08\0\0\0", 9);
    crc = axi_crc32c(crc, &want.sum, 8);
    second_half(&want, 0);
    crc = axi_crc32c(crc, "digest\0\x08\0\0\0", 11);
    crc = axi_crc32c(crc, &want.sum, 8);
    assert_int_equal(axi_reference_event(*state, &record, &state_crc, &output_crc), 1);
    assert_int_equal(output_crc, crc);
}

static void killed_job_falls_back_to_the_newest_checkpoint(void **state)
{
    struct pair want = {0, 0};
    struct pair checkpoint;
    uint32_t crc = 0;

    assert_int_equal(send(*state, AXI_TRACE_ACTIVATED, 0, 0, 0, &crc), 0);
    for (uint64_t job = 0; job < 4; job++) {
        whole(&want, job);
        complete(*state, job, &want);
    }
    checkpoint = want; /* after job 3: every second one */
    whole(&want, 4);
    complete(*state, 4, &want);
    assert_int_equal(send(*state, AXI_TRACE_KILLED, 5, 0, 0, &crc), 0);
    want = checkpoint;
    whole(&want, 6);
    complete(*state, 6, &want);
}

static void killed_job_with_a_step_is_repeated_from_there(void **state)
{
    struct pair want = {0, 0};
    uint32_t crc = 0;

    whole(&want, 0);
    complete(*state, 0, &want);
    first_half(&want, 1);
    assert_int_equal(send(*state, AXI_TRACE_STEP, 1, 1, 0, &crc), 0);
    assert_int_equal(send(*state, AXI_TRACE_KILLED, 1, 0, 1, &crc), 0);
    second_half(&want, 1);
    complete(*state, 1, &want);
}

static void step_of_a_job_that_completes_changes_nothing(void **state)
{
    struct pair want = {0, 0};
    uint32_t crc = 0;

    assert_int_equal(send(*state, AXI_TRACE_STEP, 0, 1, 0, &crc), 0);
    whole(&want, 0);
    complete(*state, 0, &want);
    assert_int_equal(send(*state, AXI_TRACE_STEP, 1, 9, 0, &crc), -AXC_ESTATE);
}

static void migration_goes_on_and_restore_goes_back(void **state)
{
    struct pair want = {0, 0};
    struct pair after_one;
    uint32_t crc = 0;

    whole(&want, 0);
    complete(*state, 0, &want);
    whole(&want, 1);
    complete(*state, 1, &want);
    after_one = want;
    whole(&want, 2);
    complete(*state, 2, &want);
    assert_int_equal(send(*state, AXI_TRACE_FROZEN, 3, 0, 0, &crc), 0);
    assert_int_equal(send(*state, AXI_TRACE_ACTIVATED, 3, 0, 0, &crc), 0);
    whole(&want, 3);
    complete(*state, 3, &want);
    assert_int_equal(send(*state, AXI_TRACE_ACTIVATED, 2, 0, 0, &crc), 0);
    want = after_one;
    whole(&want, 2);
    complete(*state, 2, &want);
    assert_int_equal(send(*state, AXI_TRACE_ACTIVATED, 77, 0, 0, &crc), -AXC_ENOENT);
}

static void job_that_fails_cannot_have_completed(void **state)
{
    uint32_t crc = 0;

    assert_int_equal(send(*state, AXI_TRACE_COMPLETED, 13, 0, 0, &crc), -AXC_ESTATE);
}

#define WITH_RUN(test) cmocka_unit_test_setup_teardown(test, open_run, close_run)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        WITH_RUN(output_crc_follows_the_documented_rule),
        WITH_RUN(killed_job_falls_back_to_the_newest_checkpoint),
        WITH_RUN(killed_job_with_a_step_is_repeated_from_there),
        WITH_RUN(step_of_a_job_that_completes_changes_nothing),
        WITH_RUN(migration_goes_on_and_restore_goes_back),
        WITH_RUN(job_that_fails_cannot_have_completed),
    };

    image_path = argc > 1 ? argv[1] : "steps.axi";
    return cmocka_run_group_tests(tests, NULL, NULL);
}
