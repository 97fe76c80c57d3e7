/* SPDX-License-Identifier: Apache-2.0 */
/* Real processes, real faults: whatever a task does, the node goes on and says what happened. */
#include "support/test.h"

#include "core/checkpoint.h"
#include "core/history.h"
#include "core/output.h"
#include "node/runtime_rig.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

struct state {
    uint64_t n;
    uint64_t steps;
    double sum;
};

static struct rig *start(const char *variant)
{
    const struct axi_runtime_config config = {.slots = 3};
    struct rig *rig = rig_new(&config);

    assert_int_equal(rig_load(rig, 0, variant), 0);
    return rig;
}

static const struct axi_trace *nth(const struct rig *rig, uint32_t kind, uint32_t n)
{
    for (uint32_t i = 0; i < rig->trace_count; i++) {
        if (rig->traces[i].kind == kind && n-- == 0) {
            return &rig->traces[i];
        }
    }
    fail_msg("record missing");
    return NULL;
}

static uint32_t good_state_crc(uint64_t jobs)
{
    struct state state = {0};

    for (uint64_t i = 0; i < jobs; i++) {
        state.n++;
        state.sum += 0.5 * (double)state.n;
    }
    return axi_crc32c(0, &state, sizeof(state));
}

static void a_good_task_runs_its_jobs_and_finishes(void **test)
{
    struct rig *rig = start("GOOD");
    uint64_t value = 3;
    uint32_t crc;

    (void)test;
    rig->config.jobs = 12;
    rig_activate(rig, 0);
    assert_true(rig_wait(rig, AXI_TRACE_FINISHED, 1));
    assert_int_equal(rig_count(rig, AXI_TRACE_COMPLETED), 12);
    for (uint32_t i = 0; i < 12; i++) {
        const struct axi_trace *record = nth(rig, AXI_TRACE_COMPLETED, i);

        assert_int_equal(record->job, i);
        assert_int_equal(record->state_crc, good_state_crc(i + 1));
        assert_true(record->exec_ns > 0);
    }
    crc = axi_output_crc(0, "count", &value, sizeof(value));
    crc = axi_output_crc(crc, "out", &value, sizeof(value));
    assert_int_equal(nth(rig, AXI_TRACE_COMPLETED, 2)->output_crc, crc);
    rig_free(rig);
}

/* Jobs 3, 7 and 11 misbehave; all others complete, on the state of the last good one. */
static void expect_cause(const char *variant, uint32_t cause)
{
    struct rig *rig = start(variant);

    rig->config.jobs = 13;
    rig_activate(rig, 0);
    assert_true(rig_wait(rig, AXI_TRACE_FINISHED, 1));
    assert_int_equal(rig_count(rig, AXI_TRACE_KILLED), 3);
    assert_int_equal(rig_count(rig, AXI_TRACE_COMPLETED), 10);
    for (uint32_t i = 0; i < 3; i++) {
        assert_int_equal(nth(rig, AXI_TRACE_KILLED, i)->cause, cause);
        assert_int_equal(nth(rig, AXI_TRACE_KILLED, i)->job, 4 * i + 3);
    }
    assert_int_equal(nth(rig, AXI_TRACE_COMPLETED, 9)->state_crc, good_state_crc(10));
    rig_free(rig);
}

static void an_endless_loop_is_killed_at_its_budget(void **test)
{
    (void)test;
    expect_cause("LOOP", AXI_CAUSE_BUDGET);
}

static void a_division_by_zero_is_reported(void **test)
{
    (void)test;
#ifdef __x86_64__ /* elsewhere the result is 0 and nothing is wrong */
    expect_cause("DIVIDE", AXI_CAUSE_FPE);
#endif
}

static void a_null_pointer_is_reported(void **test)
{
    (void)test;
    expect_cause("NULL_POINTER", AXI_CAUSE_SEGV);
}

static void a_stack_overflow_is_told_from_other_faults(void **test)
{
    (void)test;
    expect_cause("STACK", AXI_CAUSE_STACK);
}

static void a_system_call_is_refused_and_reported(void **test)
{
    (void)test;
    expect_cause("SYSCALL", AXI_CAUSE_SYSCALL);
}

static void an_illegal_instruction_is_reported(void **test)
{
    (void)test;
    expect_cause("ILLEGAL", AXI_CAUSE_ILLEGAL);
}

static void a_runner_that_leaves_is_replaced(void **test)
{
    (void)test;
    expect_cause("EXIT", AXI_CAUSE_EXIT);
}

static void an_error_result_is_reported(void **test)
{
    (void)test;
    expect_cause("ERROR", AXI_CAUSE_RESULT);
}

static void the_fault_address_is_kept(void **test)
{
    struct rig *rig = start("NULL_POINTER");

    (void)test;
    rig_activate(rig, 0);
    assert_true(rig_wait(rig, AXI_TRACE_KILLED, 1));
    assert_int_equal(nth(rig, AXI_TRACE_KILLED, 0)->detail, 0x10);
    rig_free(rig);
}

static void a_step_is_resumed_after_a_fault(void **test)
{
    struct rig *rig = start("STEP");
    uint8_t copy[AXI_CHECKPOINT_HEADER_BYTES + 24];
    struct axi_checkpoint checkpoint;
    const uint8_t *bytes_of_state = NULL;
    struct state state;
    size_t bytes = 0;

    (void)test;
    rig->config.jobs = 6;
    rig_activate(rig, 0);
    assert_true(rig_wait(rig, AXI_TRACE_FINISHED, 1));
    assert_int_equal(rig_count(rig, AXI_TRACE_STEP), 1);
    assert_int_equal(rig_count(rig, AXI_TRACE_KILLED), 1);
    assert_int_equal(nth(rig, AXI_TRACE_KILLED, 0)->detail2, 1);
    assert_int_equal(rig_count(rig, AXI_TRACE_COMPLETED), 6);
    assert_int_equal(axi_region_newest(rig->region, copy, sizeof(copy), &bytes), 0);
    assert_int_equal(axi_checkpoint_decode(copy, bytes, &checkpoint, &bytes_of_state), 0);
    memcpy(&state, bytes_of_state, sizeof(state));
    assert_int_equal(state.steps, 11);
    assert_int_equal(state.n, 7); /* job 3 began twice */
    assert_int_equal(checkpoint.job, 6);
    rig_free(rig);
}

static void restart_policy_ends_in_failed_and_a_healthy_task_goes_on(void **test)
{
    struct rig *rig = start("LOOP");
    struct axi_slot_view view;

    (void)test;
    rig->config.first_job = 3;
    rig->config.overrun_policy = 2; /* AXC_POLICY_STOP */
    rig_activate(rig, 0);
    assert_int_equal(rig_load(rig, 1, "GOOD"), 0);
    rig->config.jobs = 20;
    rig_activate(rig, 1);
    assert_true(rig_wait(rig, AXI_TRACE_FINISHED, 1));
    axi_runtime_view(rig->runtime, 0, &view);
    assert_int_equal(view.state, AXI_SLOT_FAILED);
    axi_runtime_view(rig->runtime, 1, &view);
    assert_int_equal(view.completed, 20);
    rig_free(rig);
}

static void a_task_that_overwrites_its_window_harms_nobody_else(void **test)
{
    struct rig *rig = start("SMASH");
    struct axi_slot_view view;

    (void)test;
    rig_activate(rig, 0);
    assert_int_equal(rig_load(rig, 1, "GOOD"), 0);
    rig->config.jobs = 40;
    rig_activate(rig, 1);
    assert_true(rig_wait(rig, AXI_TRACE_FINISHED, 1));
    axi_runtime_view(rig->runtime, 1, &view);
    assert_int_equal(view.completed, 40);
    assert_int_equal(view.killed, 0);
    rig_free(rig);
}

static void a_removed_slot_can_be_used_again(void **test)
{
    struct rig *rig = start("LOOP");

    (void)test;
    for (uint32_t round = 1; round <= 3; round++) {
        rig->config.first_job = 3;
        rig->config.budget_ns = 0;
        rig_activate(rig, 0);
        assert_true(rig_wait(rig, AXI_TRACE_RELEASED, round));
        rig_post(rig, AXI_SCHED_REMOVE, 0);
        assert_true(rig_wait(rig, AXI_TRACE_REMOVED, round));
        assert_int_equal(rig_load(rig, 0, "LOOP"), 0);
    }
    rig_free(rig);
}

static void an_unused_load_can_be_undone(void **test)
{
    struct rig *rig = start("GOOD");

    (void)test;
    for (uint32_t round = 0; round < 3; round++) {
        uint64_t give_up_ns = axi_runtime_clock_ns() + RIG_PATIENCE_NS;

        axi_runtime_unload(rig->runtime, 0);
        while (!axi_runtime_is_free(rig->runtime, 0) && axi_runtime_clock_ns() < give_up_ns) {
            rig_nap();
        }
        assert_int_equal(rig_load(rig, 0, "GOOD"), 0);
    }
    rig_free(rig);
}

static void a_broken_image_is_refused_and_the_slot_stays_free(void **test)
{
    const struct axi_task_meta meta = rig_meta();
    struct rig *rig = start("GOOD");
    size_t bytes = 0;
    uint8_t *elf = rig_read_task("GOOD", &bytes);
    void *state;
    struct axi_region *region;
    int r;

    (void)test;
    elf[4] = 1;
    while ((r = axi_runtime_load(rig->runtime, 1, elf, bytes, &meta, &state, &region)) ==
           -AXC_EBUSY) {
        rig_nap();
    }
    assert_int_equal(r, -AXC_EELF_CLASS);
    free(elf);
    assert_int_equal(rig_load(rig, 1, "GOOD"), 0);
    rig_free(rig);
}

static void log_lines_arrive(void **test)
{
    struct rig *rig = start("GOOD");
    uint32_t level = 9;
    uint64_t job = 9;
    char text[64] = "";

    (void)test;
    rig->config.jobs = 2;
    rig_activate(rig, 0);
    assert_true(rig_wait(rig, AXI_TRACE_FINISHED, 1));
    assert_true(axi_runtime_log_line(rig->runtime, 0, &level, &job, text, sizeof(text)));
    assert_string_equal(text, "job");
    assert_int_equal(level, 2);
    assert_int_equal(job, 0);
    assert_true(axi_runtime_log_line(rig->runtime, 0, &level, &job, text, sizeof(text)));
    assert_int_equal(job, 1);
    assert_false(axi_runtime_log_line(rig->runtime, 0, &level, &job, text, sizeof(text)));
    rig_free(rig);
}

static void outputs_reach_their_file(void **test)
{
    char path[] = "/tmp/axcan-output-XXXXXX";
    char target[64];
    int fd = mkstemp(path);
    struct axi_channel_config channel = {.name = "out", .is_output = true, .target = target};
    const struct axi_runtime_config config = {.slots = 1, .channels = &channel, .channel_count = 1};
    uint64_t give_up_ns = axi_runtime_clock_ns() + RIG_PATIENCE_NS;
    uint64_t values[3] = {0};
    struct rig *rig;

    (void)test;
    assert_true(fd >= 0);
    (void)snprintf(target, sizeof(target), "file:%s", path);
    rig = rig_new(&config);
    assert_int_equal(rig_load(rig, 0, "GOOD"), 0);
    rig->config.jobs = 3;
    rig_activate(rig, 0);
    assert_true(rig_wait(rig, AXI_TRACE_FINISHED, 1));
    while (pread(fd, values, sizeof(values), 0) < (ssize_t)sizeof(values) &&
           axi_runtime_clock_ns() < give_up_ns) {
        rig_nap();
    }
    assert_int_equal(values[0], 1);
    assert_int_equal(values[2], 3);
    rig_free(rig);
    (void)close(fd);
    (void)unlink(path);
}

static void the_history_survives_the_death_of_the_node(void **test)
{
    char path[] = "/tmp/axcan-history-XXXXXX";
    struct axi_history_info info;
    struct axi_trace record;
    int fd = mkstemp(path);
    uint8_t *file = malloc(1u << 20);
    ssize_t bytes;
    pid_t pid;

    (void)test;
    assert_true(fd >= 0 && file != NULL);
    pid = fork();
    if (pid == 0) {
        const struct axi_runtime_config config = {
            .slots = 1, .history_path = path, .node_id = 5, .history_records = 1000};
        struct rig *rig = rig_new(&config);

        (void)rig_load(rig, 0, "GOOD");
        rig_activate(rig, 0);
        (void)rig_wait(rig, AXI_TRACE_COMPLETED, 5);
        (void)raise(SIGKILL);
    }
    assert_true(waitpid(pid, NULL, 0) == pid);
    bytes = pread(fd, file, 1u << 20, 0);
    assert_int_equal(axi_history_info(file, (size_t)bytes, &info), 0);
    assert_int_equal(info.node_id, 5);
    assert_true(info.count >= 12);
    axi_history_record(file, 0, &record);
    assert_int_equal(record.kind, AXI_TRACE_INSTALLED);
    axi_history_record(file, 1, &record);
    assert_int_equal(record.kind, AXI_TRACE_ACTIVATED);
    free(file);
    (void)close(fd);
    (void)unlink(path);
}

/* As a checkpoint manager on the same machine does it. */
static void a_reader_of_the_regions_outlives_the_node(void **test)
{
    const struct axi_runtime_config config = {.slots = 2, .node_id = 7, .boot_id = 8};
    struct rig *rig = rig_new(&config);
    static uint8_t copy[4096];
    struct axi_checkpoint checkpoint;
    struct axi_region region;
    struct stat about;
    char path[64];
    size_t bytes = 0;

    (void)test;
    (void)snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)getpid(),
                   axi_runtime_regions_fd(rig->runtime));
    assert_int_not_equal(ftruncate(axi_runtime_regions_fd(rig->runtime), 4096), 0);
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    assert_true(fd >= 0);
    assert_int_equal(fstat(fd, &about), 0);
    size_t size = (size_t)about.st_size;
    void *map = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);

    assert_true(map != MAP_FAILED);
    (void)close(fd);
    assert_int_equal(axi_region_file_check(map, size, 7, 8), 0);
    assert_int_equal(rig_load(rig, 1, "GOOD"), 0);
    rig->config.jobs = 5;
    rig_activate(rig, 1);
    assert_true(rig_wait(rig, AXI_TRACE_FINISHED, 1));
    assert_int_equal(
        axi_region_file_attach(&region, map, size, axi_runtime_region_offset(rig->runtime, 1)), 0);
    rig_free(rig);
    assert_int_equal(axi_region_newest(&region, copy, sizeof(copy), &bytes), 0);
    assert_int_equal(axi_checkpoint_decode_header(copy, bytes, &checkpoint), 0);
    assert_int_equal(checkpoint.job, 5);
    (void)munmap(map, size);
}

static void realtime_scheduling_works_where_it_is_allowed(void **test)
{
    const struct axi_runtime_config config = {.slots = 2, .is_realtime = true};
    const struct sched_param fifo = {.sched_priority = 10};
    const struct sched_param other = {0};
    struct rig *rig = NULL;

    (void)test;
    if (sched_setscheduler(0, SCHED_FIFO, &fifo) < 0) {
        print_message("capability:sched-fifo is missing\n");
        skip();
    }
    (void)sched_setscheduler(0, SCHED_OTHER, &other);
    rig = rig_new(&config);
    assert_int_equal(axi_runtime_assurance(rig->runtime), AXI_ASSURANCE_REALTIME);
    assert_int_equal(rig_load(rig, 0, "LOOP"), 0);
    rig->config.jobs = 13;
    rig_activate(rig, 0);
    assert_true(rig_wait(rig, AXI_TRACE_FINISHED, 1));
    assert_int_equal(rig_count(rig, AXI_TRACE_COMPLETED), 10);
    rig_free(rig);
}

static void a_runner_that_goes_on_after_its_last_job_is_ended(void **test)
{
    const struct axi_runtime_config config = {.slots = 2, .is_realtime = true};
    struct rig *rig = rig_new(&config);

    (void)test;
    assert_int_equal(rig_load(rig, 0, "LINGER"), 0);
    rig->config.jobs = 4;
    rig_activate(rig, 0);
    assert_true(rig_wait(rig, AXI_TRACE_FINISHED, 1));
    assert_int_equal(rig_load(rig, 1, "GOOD"), 0);
    rig->config.jobs = 10;
    rig_activate(rig, 1);
    assert_true(rig_wait(rig, AXI_TRACE_FINISHED, 2));
    rig_free(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_good_task_runs_its_jobs_and_finishes),
        cmocka_unit_test(an_endless_loop_is_killed_at_its_budget),
        cmocka_unit_test(a_division_by_zero_is_reported),
        cmocka_unit_test(a_null_pointer_is_reported),
        cmocka_unit_test(a_stack_overflow_is_told_from_other_faults),
        cmocka_unit_test(a_system_call_is_refused_and_reported),
        cmocka_unit_test(an_illegal_instruction_is_reported),
        cmocka_unit_test(a_runner_that_leaves_is_replaced),
        cmocka_unit_test(an_error_result_is_reported),
        cmocka_unit_test(the_fault_address_is_kept),
        cmocka_unit_test(a_step_is_resumed_after_a_fault),
        cmocka_unit_test(restart_policy_ends_in_failed_and_a_healthy_task_goes_on),
        cmocka_unit_test(a_task_that_overwrites_its_window_harms_nobody_else),
        cmocka_unit_test(a_removed_slot_can_be_used_again),
        cmocka_unit_test(an_unused_load_can_be_undone),
        cmocka_unit_test(a_broken_image_is_refused_and_the_slot_stays_free),
        cmocka_unit_test(log_lines_arrive),
        cmocka_unit_test(outputs_reach_their_file),
        cmocka_unit_test(the_history_survives_the_death_of_the_node),
        cmocka_unit_test(a_reader_of_the_regions_outlives_the_node),
        cmocka_unit_test(realtime_scheduling_works_where_it_is_allowed),
        cmocka_unit_test(a_runner_that_goes_on_after_its_last_job_is_ended),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
