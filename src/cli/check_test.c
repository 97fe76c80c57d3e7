/* SPDX-License-Identifier: Apache-2.0 */
#include "support/test.h"

#include "cli/check.h"

#include "core/history.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { FILE_BYTES = 64 + 80 * 64 };

struct history_file {
    _Alignas(64) uint8_t bytes[FILE_BYTES];
    struct axi_history history;
    char path[64];
};

static void begin(struct history_file *file, uint64_t node_id)
{
    memset(file, 0, sizeof *file);
    assert_int_equal(axi_history_init(&file->history, file->bytes, FILE_BYTES, node_id), 0);
}

static void tell(struct history_file *file, uint8_t kind, uint64_t epoch, uint64_t job)
{
    const struct axi_trace record = {.task_id = 5,
                                     .epoch = epoch,
                                     .job = job,
                                     .kind = kind,
                                     .master_ns = 1000000 * (2 * job + kind)};

    axi_history_append(&file->history, &record);
}

static void run_job(struct history_file *file, uint64_t epoch, uint64_t job)
{
    tell(file, AXI_TRACE_RELEASED, epoch, job);
    tell(file, AXI_TRACE_COMPLETED, epoch, job);
}

static void save(struct history_file *file)
{
    FILE *stream = NULL;

    (void)snprintf(file->path, sizeof file->path, "/tmp/axcan-check-%d-%p.history", (int)getpid(),
                   (void *)file);
    stream = fopen(file->path, "w");
    assert_non_null(stream);
    assert_int_equal(fwrite(file->bytes, 1, FILE_BYTES, stream), FILE_BYTES);
    assert_int_equal(fclose(stream), 0);
}

static int check(struct history_file *a, struct history_file *b, bool is_strict)
{
    struct axi_check_request request = {.files = {a->path, b->path}, .file_count = 2};

    request.is_strict = is_strict;
    save(a);
    save(b);
    return axi_check_run(&request);
}

static void tell_migration(struct history_file *a, struct history_file *b, uint64_t first)
{
    begin(a, 1);
    begin(b, 2);
    tell(a, AXI_TRACE_ACTIVATED, 1, 0);
    run_job(a, 1, 0);
    tell(a, AXI_TRACE_FROZEN, 1, 1);
    tell(b, AXI_TRACE_ACTIVATED, 2, first);
    run_job(b, 2, first);
}

static void accepts_a_migration_between_two_files(void **state)
{
    struct history_file a;
    struct history_file b;

    (void)state;
    tell_migration(&a, &b, 1);
    a.path[0] = '\0';
    assert_int_equal(check(&a, &b, true), 0);
    (void)unlink(a.path);
    (void)unlink(b.path);
}

static void refuses_a_migration_that_skips(void **state)
{
    struct history_file a;
    struct history_file b;

    (void)state;
    tell_migration(&a, &b, 2);
    assert_int_equal(check(&a, &b, false), 1);
    (void)unlink(a.path);
    (void)unlink(b.path);
}

static void is_strict_about_dropped_jobs_only_when_told(void **state)
{
    struct history_file a;
    struct history_file b;

    (void)state;
    tell_migration(&a, &b, 1);
    tell(&b, AXI_TRACE_SKIPPED, 2, 2);
    assert_int_equal(check(&a, &b, false), 0);
    assert_int_equal(check(&a, &b, true), 1);
    (void)unlink(a.path);
    (void)unlink(b.path);
}

static void says_which_file_is_no_history(void **state)
{
    struct axi_check_request request = {.files = {"/dev/null"}, .file_count = 1};

    (void)state;
    assert_int_equal(axi_check_run(&request), 2);
    request.files[0] = "/nonexistent/node.history";
    assert_int_equal(axi_check_run(&request), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accepts_a_migration_between_two_files),
        cmocka_unit_test(refuses_a_migration_that_skips),
        cmocka_unit_test(is_strict_about_dropped_jobs_only_when_told),
        cmocka_unit_test(says_which_file_is_no_history),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
