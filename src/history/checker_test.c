/* SPDX-License-Identifier: Apache-2.0 */
/* Each invariant is broken once on purpose: the checker must say so, and only so. */
#include "support/test.h"

#include "history/checker.h"
#include "history/report.h"

#include <string.h>

enum { MS = 1000000 };

struct story {
    struct axi_trace records[3][32];
    size_t count[3];
};

static struct axi_trace *tell(struct story *story, int node, uint8_t kind, uint64_t epoch,
                              uint64_t job, uint64_t at_ms)
{
    struct axi_trace *record = &story->records[node][story->count[node]++];

    *record = (struct axi_trace){.master_ns = at_ms * MS,
                                 .task_id = 7,
                                 .epoch = epoch,
                                 .job = job,
                                 .release_ns = job * 10 * MS,
                                 .kind = kind};
    return record;
}

static void run_job(struct story *story, int node, uint64_t epoch, uint64_t job)
{
    struct axi_trace *record = NULL;

    (void)tell(story, node, AXI_TRACE_RELEASED, epoch, job, job * 10);
    record = tell(story, node, AXI_TRACE_COMPLETED, epoch, job, job * 10 + 1);
    record->state_crc = (uint32_t)job + 100;
    record->output_crc = (uint32_t)job + 200;
}

/* Two jobs on a, a migration, two jobs on b. */
static void tell_migration(struct story *story)
{
    memset(story, 0, sizeof *story);
    (void)tell(story, 0, AXI_TRACE_ACTIVATED, 1, 0, 0);
    run_job(story, 0, 1, 0);
    run_job(story, 0, 1, 1);
    (void)tell(story, 0, AXI_TRACE_FROZEN, 1, 2, 15);
    (void)tell(story, 1, AXI_TRACE_INSTALLED, 2, 0, 12);
    (void)tell(story, 1, AXI_TRACE_ACTIVATED, 2, 2, 17);
    run_job(story, 1, 2, 2);
    run_job(story, 1, 2, 3);
}

static struct axi_verdict *judge_with(const struct story *story, struct axi_check_options options)
{
    static const char *const names[] = {"a", "b", "c"};
    struct axi_check_source sources[3];
    struct axi_verdict *verdict = NULL;

    for (int i = 0; i < 3; i++) {
        sources[i] = (struct axi_check_source){names[i], story->records[i], story->count[i], 0};
    }
    assert_int_equal(axi_check(sources, 3, &options, &verdict), 0);
    return verdict;
}

static struct axi_verdict *judge(const struct story *story)
{
    return judge_with(story, (struct axi_check_options){.virtual_time = true});
}

static void expect_only(struct axi_verdict *verdict, enum axi_invariant invariant, const char *text)
{
    assert_int_equal(verdict->violation_count, 1);
    assert_int_equal(verdict->violations[0].invariant, invariant);
    assert_non_null(strstr(verdict->violations[0].text, text));
    axi_verdict_free(verdict);
}

static void accepts_a_clean_migration(void **state)
{
    struct story story;
    struct axi_verdict *verdict = NULL;

    (void)state;
    tell_migration(&story);
    verdict = judge(&story);
    assert_int_equal(verdict->violation_count, 0);
    assert_int_equal(verdict->task_count, 1);
    assert_int_equal(verdict->tasks[0].completed, 4);
    assert_int_equal(verdict->tasks[0].lost, 0);
    assert_int_equal(verdict->tasks[0].next_job, 4);
    assert_int_equal(verdict->handover_count, 1);
    assert_false(verdict->handovers[0].is_restore);
    assert_int_equal(verdict->handovers[0].blackout_ns, 2 * MS);
    axi_verdict_free(verdict);
}

static void finds_a_job_released_twice(void **state)
{
    struct story story;

    (void)state;
    tell_migration(&story);
    run_job(&story, 1, 2, 3);
    expect_only(judge(&story), AXI_I1, "released twice");
}

static void finds_a_skipped_job_in_an_epoch(void **state)
{
    struct story story;

    (void)state;
    tell_migration(&story);
    run_job(&story, 1, 2, 5);
    expect_only(judge(&story), AXI_I1, "were skipped");
}

static void finds_a_release_after_a_higher_epoch(void **state)
{
    struct story story;
    struct axi_verdict *verdict = NULL;

    (void)state;
    tell_migration(&story);
    (void)tell(&story, 0, AXI_TRACE_RESUMED, 1, 2, 25);
    (void)tell(&story, 0, AXI_TRACE_RELEASED, 1, 2, 26);
    verdict = judge(&story);
    assert_true(verdict->violation_count >= 1);
    assert_int_equal(verdict->violations[0].invariant, AXI_I1);
    assert_non_null(strstr(verdict->violations[0].text, "after epoch 2 was activated"));
    axi_verdict_free(verdict);
}

static void allows_the_declared_clock_error(void **state)
{
    struct story story;
    struct axi_verdict *verdict = NULL;
    struct axi_check_options options = {.virtual_time = true};
    struct axi_check_source sources[2];

    (void)state;
    tell_migration(&story);
    for (size_t i = 0; i < story.count[0]; i++) {
        story.records[0][i].master_ns += 8 * MS; /* node a's clock is ahead */
    }
    sources[0] = (struct axi_check_source){"a", story.records[0], story.count[0], 8 * MS};
    sources[1] = (struct axi_check_source){"b", story.records[1], story.count[1], 0};
    assert_int_equal(axi_check(sources, 2, &options, &verdict), 0);
    assert_int_equal(verdict->violation_count, 0);
    axi_verdict_free(verdict);
    sources[0].bound_ns = 1 * MS;
    assert_int_equal(axi_check(sources, 2, &options, &verdict), 0);
    expect_only(verdict, AXI_I1, "after epoch 2 was activated");
}

static void finds_a_migration_that_skips(void **state)
{
    struct story story = {0};

    (void)state;
    (void)tell(&story, 0, AXI_TRACE_ACTIVATED, 1, 0, 0);
    run_job(&story, 0, 1, 0);
    (void)tell(&story, 0, AXI_TRACE_FROZEN, 1, 1, 5);
    (void)tell(&story, 1, AXI_TRACE_ACTIVATED, 2, 2, 17);
    expect_only(judge(&story), AXI_I1, "skipped");
}

static void finds_a_migration_that_repeats(void **state)
{
    struct story story = {0};

    (void)state;
    (void)tell(&story, 0, AXI_TRACE_ACTIVATED, 1, 0, 0);
    run_job(&story, 0, 1, 0);
    (void)tell(&story, 0, AXI_TRACE_FROZEN, 1, 1, 5);
    (void)tell(&story, 1, AXI_TRACE_ACTIVATED, 2, 0, 17);
    expect_only(judge(&story), AXI_I1, "repeated");
}

static void declares_what_a_restore_repeats(void **state)
{
    struct story story = {0};
    struct axi_verdict *verdict = NULL;

    (void)state;
    (void)tell(&story, 0, AXI_TRACE_ACTIVATED, 1, 0, 0);
    run_job(&story, 0, 1, 0);
    run_job(&story, 0, 1, 1);
    (void)tell(&story, 0, AXI_TRACE_RELEASED, 1, 2, 20); /* the node dies here */
    (void)tell(&story, 1, AXI_TRACE_ACTIVATED, 3, 1, 90);
    run_job(&story, 1, 3, 1);
    story.records[1][1].master_ns = 91 * MS;
    story.records[1][2].master_ns = 92 * MS;
    verdict = judge(&story);
    assert_int_equal(verdict->violation_count, 0);
    assert_int_equal(verdict->handover_count, 1);
    assert_true(verdict->handovers[0].is_restore);
    assert_int_equal(verdict->handovers[0].repeats, 2);
    axi_verdict_free(verdict);
}

static void a_frozen_instance_that_dies_may_be_restored(void **state)
{
    struct story story = {0};
    struct axi_verdict *verdict = NULL;

    (void)state;
    (void)tell(&story, 0, AXI_TRACE_ACTIVATED, 1, 0, 0);
    run_job(&story, 0, 1, 0);
    (void)tell(&story, 0, AXI_TRACE_FROZEN, 1, 1, 5); /* its node dies here */
    (void)tell(&story, 1, AXI_TRACE_INSTALLED, 3, 0, 90);
    (void)tell(&story, 1, AXI_TRACE_ACTIVATED, 3, 0, 91);
    verdict = judge(&story);
    assert_int_equal(verdict->violation_count, 0);
    assert_true(verdict->handovers[0].is_restore);
    assert_int_equal(verdict->handovers[0].repeats, 1);
    axi_verdict_free(verdict);
    (void)tell(&story, 0, AXI_TRACE_REMOVED, 1, 1, 6); /* stopped in order: must not repeat */
    expect_only(judge(&story), AXI_I1, "repeated");
}

static void a_warm_standby_that_takes_over_is_a_restore(void **state)
{
    struct story story = {0};
    struct axi_verdict *verdict = NULL;

    (void)state;
    (void)tell(&story, 0, AXI_TRACE_ACTIVATED, 1, 0, 0);
    tell(&story, 1, AXI_TRACE_INSTALLED, 2, 0, 1)->slot = 3;
    run_job(&story, 0, 1, 0);
    (void)tell(&story, 0, AXI_TRACE_FROZEN, 1, 1, 5); /* for a migration; its node dies here */
    tell(&story, 1, AXI_TRACE_ACTIVATED, 4, 0, 91)->slot = 3;
    verdict = judge(&story);
    assert_int_equal(verdict->violation_count, 0);
    assert_true(verdict->handovers[0].is_restore);
    assert_int_equal(verdict->handovers[0].repeats, 1);
    axi_verdict_free(verdict);
    story.records[1][1].slot = 4; /* not that one: then it stood by for the migration */
    expect_only(judge(&story), AXI_I1, "repeated");
}

static void a_killed_job_consumes_its_number(void **state)
{
    struct story story = {0};
    struct axi_verdict *verdict = NULL;

    (void)state;
    (void)tell(&story, 0, AXI_TRACE_ACTIVATED, 1, 0, 0);
    (void)tell(&story, 0, AXI_TRACE_RELEASED, 1, 0, 0);
    (void)tell(&story, 0, AXI_TRACE_KILLED, 1, 0, 1);
    run_job(&story, 0, 1, 1);
    verdict = judge(&story);
    assert_int_equal(verdict->violation_count, 0);
    assert_int_equal(verdict->tasks[0].killed, 1);
    axi_verdict_free(verdict);
    story.records[0][3].job = 0; /* repeated instead */
    story.records[0][4].job = 0;
    expect_only(judge(&story), AXI_I1, "released twice");
    story.records[0][2].detail2 = 4; /* ... which a resume step allows */
    verdict = judge(&story);
    assert_int_equal(verdict->violation_count, 0);
    axi_verdict_free(verdict);
}

static int reference_event(void *context, const struct axi_trace *record, uint32_t *ret_state_crc,
                           uint32_t *ret_output_crc)
{
    (void)context;
    *ret_state_crc = (uint32_t)record->job + 100;
    *ret_output_crc = (uint32_t)record->job + 200;
    return record->kind == AXI_TRACE_COMPLETED;
}

static void finds_a_digest_that_differs(void **state)
{
    struct story story;
    struct axi_reference reference = {NULL, reference_event};
    struct axi_check_options options = {.virtual_time = true, .reference = &reference};
    struct axi_verdict *verdict = NULL;

    (void)state;
    tell_migration(&story);
    verdict = judge_with(&story, options);
    assert_int_equal(verdict->violation_count, 0);
    assert_int_equal(verdict->tasks[0].digests_equal, 4);
    axi_verdict_free(verdict);
    story.records[1][3].output_crc ^= 1;
    expect_only(judge_with(&story, options), AXI_I2, "output digest");
}

static void finds_a_refused_task_that_runs(void **state)
{
    struct story story = {0};
    const uint64_t refused[] = {7};
    struct axi_check_options options = {.refused = refused, .refused_count = 1};

    (void)state;
    (void)tell(&story, 0, AXI_TRACE_ACTIVATED, 1, 0, 0);
    run_job(&story, 0, 1, 0);
    expect_only(judge_with(&story, options), AXI_I3, "refused");
}

static void finds_a_miss_outside_the_blackout(void **state)
{
    struct story story;
    struct axi_verdict *verdict = NULL;

    (void)state;
    tell_migration(&story);
    (void)tell(&story, 1, AXI_TRACE_MISSED, 2, 3, 41);
    expect_only(judge(&story), AXI_I4, "outside any blackout");
    verdict = judge_with(&story, (struct axi_check_options){.virtual_time = false});
    assert_int_equal(verdict->violation_count, 0); /* counted in real time */
    assert_int_equal(verdict->tasks[0].missed, 1);
    axi_verdict_free(verdict);
    story.records[1][5].release_ns = 16 * MS; /* before the activation at 17 ms */
    verdict = judge(&story);
    assert_int_equal(verdict->tasks[0].missed_in_blackout + verdict->violation_count, 1);
    axi_verdict_free(verdict);
}

static void a_miss_inside_the_blackout_is_declared(void **state)
{
    struct story story;
    struct axi_verdict *verdict = NULL;

    (void)state;
    tell_migration(&story);
    tell(&story, 1, AXI_TRACE_MISSED, 2, 3, 41)->release_ns = 16 * MS;
    verdict = judge(&story);
    assert_int_equal(verdict->violation_count, 0);
    assert_int_equal(verdict->tasks[0].missed_in_blackout, 1);
    axi_verdict_free(verdict);
}

static void finds_an_epoch_on_two_nodes(void **state)
{
    struct story story = {0};
    struct axi_verdict *verdict = NULL;

    (void)state;
    (void)tell(&story, 0, AXI_TRACE_ACTIVATED, 1, 0, 0);
    (void)tell(&story, 1, AXI_TRACE_ACTIVATED, 1, 0, 0);
    verdict = judge(&story);
    assert_true(verdict->violation_count >= 1);
    assert_non_null(strstr(verdict->violations[0].text, "on a and on b"));
    axi_verdict_free(verdict);
}

static void counts_a_job_cut_off_by_a_crash_as_lost(void **state)
{
    struct story story = {0};
    struct axi_verdict *verdict = NULL;

    (void)state;
    (void)tell(&story, 0, AXI_TRACE_ACTIVATED, 1, 0, 0);
    (void)tell(&story, 0, AXI_TRACE_RELEASED, 1, 0, 0);
    (void)tell(&story, 1, AXI_TRACE_ACTIVATED, 2, 1, 50);
    verdict = judge(&story);
    assert_int_equal(verdict->tasks[0].lost, 1);
    axi_verdict_free(verdict);
}

static void torn_histories_have_unseen_jobs(void **state)
{
    struct story story = {0};
    struct axi_verdict *verdict = NULL;

    (void)state;
    (void)tell(&story, 0, AXI_TRACE_ACTIVATED, 1, 0, 0);
    run_job(&story, 0, 1, 0);
    (void)tell(&story, 1, AXI_TRACE_ACTIVATED, 2, 3, 50);
    expect_only(judge(&story), AXI_I1, "skipped");
    verdict = judge_with(&story, (struct axi_check_options){.torn = true});
    assert_int_equal(verdict->violation_count, 0);
    assert_int_equal(verdict->tasks[0].unseen, 2);
    axi_verdict_free(verdict);
}

static void reports_as_text_and_json(void **state)
{
    struct story story;
    struct axi_verdict *verdict = NULL;
    char text[4096] = "";
    FILE *stream = fmemopen(text, sizeof text, "w");

    (void)state;
    tell_migration(&story);
    verdict = judge(&story);
    axi_report_text(stream, verdict, NULL);
    axi_report_json(stream, verdict, NULL);
    assert_int_equal(fclose(stream), 0);
    assert_non_null(strstr(text, "OK: 1 tasks, 1 handovers, 0 violations"));
    assert_non_null(strstr(text, "\"blackout_ns\":2000000}"));
    axi_verdict_free(verdict);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accepts_a_clean_migration),
        cmocka_unit_test(finds_a_job_released_twice),
        cmocka_unit_test(finds_a_skipped_job_in_an_epoch),
        cmocka_unit_test(finds_a_release_after_a_higher_epoch),
        cmocka_unit_test(allows_the_declared_clock_error),
        cmocka_unit_test(finds_a_migration_that_skips),
        cmocka_unit_test(finds_a_migration_that_repeats),
        cmocka_unit_test(declares_what_a_restore_repeats),
        cmocka_unit_test(a_frozen_instance_that_dies_may_be_restored),
        cmocka_unit_test(a_warm_standby_that_takes_over_is_a_restore),
        cmocka_unit_test(a_killed_job_consumes_its_number),
        cmocka_unit_test(finds_a_digest_that_differs),
        cmocka_unit_test(finds_a_refused_task_that_runs),
        cmocka_unit_test(finds_a_miss_outside_the_blackout),
        cmocka_unit_test(a_miss_inside_the_blackout_is_declared),
        cmocka_unit_test(finds_an_epoch_on_two_nodes),
        cmocka_unit_test(counts_a_job_cut_off_by_a_crash_as_lost),
        cmocka_unit_test(torn_histories_have_unseen_jobs),
        cmocka_unit_test(reports_as_text_and_json),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
