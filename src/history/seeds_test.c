/* SPDX-License-Identifier: Apache-2.0 */
/* First epochs that begin with another task's state: what is right, and each way to be wrong. */
#include "support/test.h"

#include "history/checker.h"

#include <string.h>

enum { MS = 1000000, OLD = 7, NEW = 8 };

struct story {
    struct axi_trace records[2][48];
    size_t count[2];
};

/* The program of the tests: the state is a sum, the digest says so. */
struct program {
    uint64_t task;
    uint32_t state, kept;
    uint64_t next, kept_job;
    uint32_t factor;
    uint32_t calls;
};

static int event(void *context, const struct axi_trace *record, uint32_t *ret_state_crc,
                 uint32_t *ret_output_crc)
{
    struct program *program = context;

    if (program->task != record->task_id) {
        *program = (struct program){.task = record->task_id, .factor = program->factor};
    }
    if (record->kind == AXI_TRACE_FROZEN) {
        program->kept = program->state;
        program->kept_job = record->job;
    } else if (record->kind == AXI_TRACE_ACTIVATED) {
        program->state = program->kept;
        return record->job == program->kept_job ? 0 : -AXC_ENOENT;
    } else if (record->kind == AXI_TRACE_COMPLETED) {
        program->state = program->state * program->factor + (uint32_t)record->job + 1;
        program->calls++;
        *ret_state_crc = *ret_output_crc = program->state;
        return 1;
    }
    return 0;
}

static uint32_t state_after(uint64_t jobs)
{
    uint32_t state = 0;

    for (uint64_t job = 0; job < jobs; job++) {
        state = state * 3 + (uint32_t)job + 1;
    }
    return state;
}

static struct axi_trace *tell(struct story *story, uint32_t task, uint8_t kind, uint64_t job)
{
    int node = task == OLD ? 0 : 1;
    struct axi_trace *record = &story->records[node][story->count[node]++];

    *record = (struct axi_trace){.master_ns = (job * 10 + kind) * MS,
                                 .task_id = task,
                                 .epoch = 1,
                                 .job = job,
                                 .release_ns = job * 10 * MS,
                                 .kind = kind};
    return record;
}

static void run(struct story *story, uint32_t task, uint64_t from, uint64_t to)
{
    for (uint64_t job = from; job < to; job++) {
        struct axi_trace *record;

        (void)tell(story, task, AXI_TRACE_RELEASED, job);
        record = tell(story, task, AXI_TRACE_COMPLETED, job);
        record->state_crc = record->output_crc = state_after(job + 1);
    }
}

/* Six jobs of OLD; NEW begins with job 4 and OLD's state then. */
static struct axi_trace *tell_seeded(struct story *story)
{
    struct axi_trace *activated;

    memset(story, 0, sizeof(*story));
    (void)tell(story, OLD, AXI_TRACE_ACTIVATED, 0);
    run(story, OLD, 0, 6);
    activated = tell(story, NEW, AXI_TRACE_ACTIVATED, 4);
    activated->response_ns = OLD;
    activated->state_crc = state_after(4);
    run(story, NEW, 4, 6);
    return activated;
}

static struct axi_verdict *judge(const struct story *story, bool is_torn, uint32_t factor)
{
    struct program program = {.factor = factor};
    struct axi_reference reference = {&program, event};
    struct axi_check_source sources[2];
    struct axi_verdict *verdict = NULL;

    for (int i = 0; i < 2; i++) {
        sources[i] =
            (struct axi_check_source){i == 0 ? "a" : "b", story->records[i], story->count[i], 0};
    }
    struct axi_check_options options = {.torn = is_torn, .reference = &reference};

    assert_int_equal(axi_check(sources, 2, &options, &verdict), 0);
    return verdict;
}

static void expect_only(struct axi_verdict *verdict, enum axi_invariant invariant, const char *text)
{
    assert_int_equal(verdict->violation_count, 1);
    assert_int_equal(verdict->violations[0].invariant, invariant);
    assert_non_null(strstr(verdict->violations[0].text, text));
    axi_verdict_free(verdict);
}

static void a_seeded_task_is_right_and_judged(void **state)
{
    struct story story;
    struct axi_verdict *verdict;

    (void)state;
    (void)tell_seeded(&story);
    verdict = judge(&story, false, 3);
    assert_int_equal(verdict->violation_count, 0);
    assert_int_equal(verdict->tasks[1].seed, OLD);
    assert_int_equal(verdict->tasks[1].digests_equal, 2);
    assert_int_equal(verdict->tasks[1].digests_unjudged, 0);
    axi_verdict_free(verdict);
}

/* Its node died, and job 3 was repeated with another outcome: which of them NEW got is not known.
 */
static void a_seed_that_was_restored_later_is_no_measure(void **state)
{
    struct story story;
    struct axi_verdict *verdict;
    struct axi_trace *record;

    (void)state;
    (void)tell_seeded(&story);
    for (int kind = AXI_TRACE_ACTIVATED; kind <= AXI_TRACE_COMPLETED; kind++) {
        record = tell(&story, OLD, (uint8_t)kind, 3);
        record->epoch = 2;
        record->master_ns += 1000ull * MS;
        record->state_crc = 12345;
    }
    verdict = judge(&story, false, 3);
    for (size_t i = 0; i < verdict->violation_count; i++) {
        assert_null(strstr(verdict->violations[i].text, "begins with state"));
    }
    axi_verdict_free(verdict);
}

static void another_state_than_the_seeds_is_found(void **state)
{
    struct story story;

    (void)state;
    tell_seeded(&story)->state_crc ^= 1;
    expect_only(judge(&story, false, 3), AXI_I2, "begins with state");
}

static void wrong_digests_afterwards_are_found(void **state)
{
    struct story story;

    (void)state;
    (void)tell_seeded(&story);
    story.records[1][story.count[1] - 1].state_crc ^= 1;
    expect_only(judge(&story, false, 3), AXI_I2, "state digest");
}

static void a_seed_that_never_got_there_is_found(void **state)
{
    struct story story;

    (void)state;
    (void)tell_seeded(&story);
    story.count[0] = 1 + 2 * 2; /* OLD stopped after job 1 */
    expect_only(judge(&story, false, 3), AXI_I1, "went no further than job 2");
    struct axi_verdict *verdict = judge(&story, true, 3);

    assert_int_equal(verdict->violation_count, 0); /* its last records may be missing */
    assert_int_equal(verdict->tasks[1].digests_equal, 2);
    axi_verdict_free(verdict);
}

static void nobodys_state_is_found(void **state)
{
    struct story story;

    (void)state;
    tell_seeded(&story)->response_ns = 0;
    expect_only(judge(&story, false, 3), AXI_I1, "the task's first epoch begins with job 4");
}

static void mapped_state_and_another_program_are_not_judged(void **state)
{
    struct story story;
    struct axi_trace *activated;
    struct axi_verdict *verdict;

    (void)state;
    activated = tell_seeded(&story);
    activated->detail2 = 1;
    activated->state_crc ^= 1;
    verdict = judge(&story, false, 3);
    assert_int_equal(verdict->violation_count, 0);
    assert_true(verdict->tasks[1].is_seed_mapped);
    assert_int_equal(verdict->tasks[1].digests_unjudged, 2);
    axi_verdict_free(verdict);
    (void)tell_seeded(&story);
    story.records[0][2].state_crc ^= 1; /* OLD ran another image */
    verdict = judge(&story, false, 3);
    assert_int_equal(verdict->violation_count, 1); /* OLD itself, against its program */
    assert_int_equal(verdict->violations[0].task_id, OLD);
    assert_int_equal(verdict->tasks[1].digests_unjudged, 2);
    axi_verdict_free(verdict);
}

static void zero_state_inside_a_grid_is_judged_from_zero(void **state)
{
    struct story story = {0};
    struct axi_trace *activated = tell(&story, NEW, AXI_TRACE_ACTIVATED, 4);
    struct axi_verdict *verdict;
    struct axi_trace *record;

    (void)state;
    activated->response_ns = NEW;
    (void)tell(&story, NEW, AXI_TRACE_RELEASED, 4);
    record = tell(&story, NEW, AXI_TRACE_COMPLETED, 4);
    record->state_crc = record->output_crc = 5;
    verdict = judge(&story, false, 3);
    assert_int_equal(verdict->violation_count, 0);
    assert_int_equal(verdict->tasks[0].digests_equal, 1);
    axi_verdict_free(verdict);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_seeded_task_is_right_and_judged),
        cmocka_unit_test(a_seed_that_was_restored_later_is_no_measure),
        cmocka_unit_test(another_state_than_the_seeds_is_found),
        cmocka_unit_test(wrong_digests_afterwards_are_found),
        cmocka_unit_test(a_seed_that_never_got_there_is_found),
        cmocka_unit_test(nobodys_state_is_found),
        cmocka_unit_test(mapped_state_and_another_program_are_not_judged),
        cmocka_unit_test(zero_state_inside_a_grid_is_judged_from_zero),
    };

    return cmocka_run_group_tests_name("seeds", tests, NULL, NULL);
}
