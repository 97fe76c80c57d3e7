/* SPDX-License-Identifier: Apache-2.0 */
#include "store/checkpoints.h"
#include "support/test.h"

#include <poll.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define NODE 0x0200000000000001ull
#define TASK 77u
#define STATE_BYTES 4096u

struct fixture {
    char directory[64];
    char path[96];
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    snprintf(f->directory, sizeof(f->directory), "/tmp/axcan-ckpt-XXXXXX");
    assert_non_null(mkdtemp(f->directory));
    snprintf(f->path, sizeof(f->path), "%s/checkpoints.db", f->directory);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    char path[112];
    static const char *const suffixes[] = {"", "-wal", "-shm"};

    for (size_t i = 0; i < 3; i++) {
        snprintf(path, sizeof(path), "%s%s", f->path, suffixes[i]);
        unlink(path);
    }
    rmdir(f->directory);
    free(f);
    return 0;
}

static struct axi_checkpoints *open_inline(uint32_t keep)
{
    const struct axi_checkpoints_options options = {
        .path = ":memory:", .keep = keep, .is_inline = true};
    struct axi_checkpoints *store = NULL;

    assert_int_equal(axi_checkpoints_new(&options, &store), 0);
    return store;
}

static struct axi_checkpoints *open_file(struct fixture *f, bool is_inline)
{
    const struct axi_checkpoints_options options = {
        .path = f->path, .is_volatile = true, .is_inline = is_inline};
    struct axi_checkpoints *store = NULL;

    assert_int_equal(axi_checkpoints_new(&options, &store), 0);
    return store;
}

/* A state that changes a little with every job, as most do. */
static size_t make(uint8_t *buffer, uint64_t task, uint64_t epoch, uint64_t job,
                   uint32_t state_bytes)
{
    static uint8_t state[AXC_STATE_BYTES_MAX];
    const struct axi_checkpoint checkpoint = {.task_id = task,
                                              .epoch = epoch,
                                              .job = job,
                                              .state_version = 1,
                                              .state_bytes = state_bytes};
    uint32_t noise = 12345 + (uint32_t)task;
    size_t bytes = 0;

    for (uint32_t i = 0; i < state_bytes; i++) {
        noise = noise * 1664525u + 1013904223u;
        state[i] = (uint8_t)(noise >> 24);
    }
    for (uint32_t i = 0; i < state_bytes; i += 64) {
        state[i] = (uint8_t)(job + i);
    }
    assert_int_equal(
        axi_checkpoint_encode(&checkpoint, state, buffer, AXI_CHECKPOINT_BYTES_MAX, &bytes), 0);
    return bytes;
}

static uint8_t buffer[AXI_CHECKPOINT_BYTES_MAX];

static void put(struct axi_checkpoints *store, uint64_t task, uint64_t epoch, uint64_t job,
                uint32_t state_bytes)
{
    size_t bytes = make(buffer, task, epoch, job, state_bytes);

    assert_int_equal(axi_checkpoints_put(store, NODE, buffer, bytes, job), 0);
}

/* Waits for `count` results and demands their code. */
static void settle(struct axi_checkpoints *store, size_t count, int code)
{
    struct axi_checkpoints_result results[64];

    while (count > 0) {
        struct pollfd waiting = {.fd = axi_checkpoints_fd(store), .events = POLLIN};
        size_t wanted = count < 64 ? count : 64;

        if (waiting.fd >= 0) {
            assert_int_equal(poll(&waiting, 1, 60000), 1);
        }
        size_t got = axi_checkpoints_poll(store, results, wanted);

        for (size_t i = 0; i < got; i++) {
            assert_int_equal(results[i].code, code);
        }
        assert_true(got > 0 || waiting.fd >= 0);
        count -= got;
    }
}

static void put_jobs(struct axi_checkpoints *store, uint64_t task, uint64_t from, uint64_t to)
{
    for (uint64_t job = from; job < to; job++) {
        put(store, task, 3, job, STATE_BYTES);
    }
    settle(store, to - from, 0);
}

static int read_job(struct axi_checkpoints *store, uint64_t task, uint64_t epoch, uint64_t job)
{
    static uint8_t found[AXI_CHECKPOINT_BYTES_MAX];
    const struct axi_checkpoint_id id = {NODE, task, epoch, job, 0};
    size_t bytes = 0;
    int r = axi_checkpoints_read(store, &id, found, sizeof(found), &bytes);

    if (r == 0) {
        struct axi_checkpoint checkpoint;
        const uint8_t *state;

        assert_int_equal(axi_checkpoint_decode(found, bytes, &checkpoint, &state), 0);
        assert_int_equal(make(buffer, task, epoch, job, checkpoint.state_bytes), bytes);
        assert_memory_equal(found, buffer, bytes);
    }
    return r;
}

static int count_visit(void *context, const struct axi_checkpoint_info *info)
{
    struct axi_checkpoint_info *last = context;

    if (last->bytes != 0 && last->id.task_id == info->id.task_id) {
        assert_true(last->id.epoch > info->id.epoch ||
                    (last->id.epoch == info->id.epoch && last->id.job >= info->id.job));
    }
    uint64_t seen = last->stored_ns + 1; /* borrowed as the counter */

    *last = *info;
    last->stored_ns = seen;
    return 0;
}

static uint64_t count_of(struct axi_checkpoints *store, uint64_t task)
{
    struct axi_checkpoint_info last = {0};

    assert_int_equal(axi_checkpoints_list(store, task, count_visit, &last), 0);
    return last.stored_ns;
}

static void keeps_the_newest_k_of_each_task(void **state)
{
    struct axi_checkpoints *store = open_inline(4);
    struct axi_checkpoint_info info;

    (void)state;
    assert_int_equal(axi_checkpoints_newest(store, TASK, UINT64_MAX, &info), -AXC_ENOENT);
    for (uint64_t job = 1; job <= 40; job++) {
        put_jobs(store, TASK, job, job + 1);
        put_jobs(store, TASK + 1, job, job + 1);
        assert_int_equal(axi_checkpoints_newest(store, TASK, UINT64_MAX, &info), 0);
        assert_int_equal(info.id.job, job);
        assert_int_equal(count_of(store, TASK), job < 4 ? job : 4);
        for (uint64_t kept = job < 4 ? 1 : job - 3; kept <= job; kept++) {
            assert_int_equal(read_job(store, TASK, 3, kept), 0);
        }
        assert_int_equal(job < 5 ? -AXC_ENOENT : read_job(store, TASK, 3, job - 4), -AXC_ENOENT);
    }
    assert_int_equal(count_of(store, 0), 8);
    axi_checkpoints_free(store);
}

static void orders_by_epoch_before_job(void **state)
{
    struct axi_checkpoints *store = open_inline(0);
    struct axi_checkpoint_info info;

    (void)state;
    put(store, TASK, 5, 10, 100);
    put(store, TASK, 2, 90, 100);
    put(store, TASK, 7, 3, 100);
    settle(store, 3, 0);
    assert_int_equal(axi_checkpoints_newest(store, TASK, UINT64_MAX, &info), 0);
    assert_int_equal(info.id.epoch, 7);
    assert_int_equal(axi_checkpoints_newest(store, TASK, 6, &info), 0);
    assert_int_equal(info.id.epoch, 5);
    assert_int_equal(axi_checkpoints_newest(store, TASK, 1, &info), -AXC_ENOENT);
    axi_checkpoints_free(store);
}

/* Two managers may read slots in any order; what is older than all that are kept changes nothing.
 */
static void late_old_ones_do_not_push_out_newer_ones(void **state)
{
    struct axi_checkpoints *store = open_inline(3);

    (void)state;
    put_jobs(store, TASK, 10, 13);
    put_jobs(store, TASK, 2, 4);
    assert_int_equal(count_of(store, TASK), 3);
    assert_int_equal(read_job(store, TASK, 3, 10), 0);
    assert_int_equal(read_job(store, TASK, 3, 3), -AXC_ENOENT);
    axi_checkpoints_free(store);
}

static void small_changes_take_little_space(void **state)
{
    struct axi_checkpoints *store = open_inline(8);
    struct axi_checkpoints_figures figures;

    (void)state;
    put_jobs(store, TASK, 1, 65);
    axi_checkpoints_get_figures(store, &figures);
    assert_int_equal(figures.puts, 64);
    assert_true(figures.stored_bytes < figures.whole_bytes / 2);
    axi_checkpoints_free(store);
}

static void the_same_again_is_a_success_and_changes_nothing(void **state)
{
    struct axi_checkpoints *store = open_inline(3);

    (void)state;
    put_jobs(store, TASK, 10, 13);
    put_jobs(store, TASK, 12, 13);
    put_jobs(store, TASK, 11, 12);
    assert_int_equal(count_of(store, TASK), 3);
    assert_int_equal(read_job(store, TASK, 3, 10), 0);
    axi_checkpoints_free(store);
}

static void pinned_ones_outlive_the_rest(void **state)
{
    struct fixture *f = *state;
    struct axi_checkpoints *store = open_file(f, true);
    const struct axi_checkpoint_id id = {NODE, TASK, 3, 5, 0};
    const struct axi_checkpoint_id unknown = {NODE, TASK, 3, 500, 0};

    put_jobs(store, TASK, 1, 9);
    assert_int_equal(axi_checkpoints_pin(store, &unknown, true), -AXC_ENOENT);
    assert_int_equal(axi_checkpoints_pin(store, &id, true), 0);
    put_jobs(store, TASK, 9, 60);
    assert_int_equal(count_of(store, TASK), 9);
    assert_int_equal(axi_checkpoints_forget(store, TASK), 0);
    assert_int_equal(count_of(store, TASK), 1);
    axi_checkpoints_free(store);
    store = open_file(f, true);
    assert_int_equal(read_job(store, TASK, 3, 5), 0);
    put_jobs(store, TASK, 60, 80);
    assert_int_equal(axi_checkpoints_pin(store, &id, false), 0);
    assert_int_equal(count_of(store, TASK), 8);
    assert_int_equal(read_job(store, TASK, 3, 5), -AXC_ENOENT);
    axi_checkpoints_free(store);
}

static void imported_ones_are_pinned(void **state)
{
    struct axi_checkpoints *store = open_file(*state, false);
    struct axi_checkpoint_id id;
    size_t bytes = make(buffer, TASK, 2, 5, 100);

    put_jobs(store, TASK, 1, 20);
    assert_int_equal(axi_checkpoints_import(store, NODE, buffer, bytes - 1, &id),
                     -AXC_ECKPT_TRUNCATED);
    bytes = make(buffer, TASK, 2, 5, 100);
    assert_int_equal(axi_checkpoints_import(store, NODE, buffer, bytes, &id), 0);
    assert_int_equal(axi_checkpoints_import(store, NODE, buffer, bytes, &id), 0);
    assert_int_equal(id.job, 5);
    assert_int_equal(count_of(store, TASK), 9);
    bytes = make(buffer, TASK, 3, 19, STATE_BYTES);
    assert_int_equal(axi_checkpoints_import(store, NODE, buffer, bytes, &id), 0);
    put_jobs(store, TASK, 20, 60);
    assert_int_equal(read_job(store, TASK, 2, 5), 0);
    assert_int_equal(read_job(store, TASK, 3, 19), 0);
    assert_int_equal(count_of(store, TASK), 10);
    axi_checkpoints_free(store);
}

static void everything_is_there_after_reopening(void **state)
{
    struct fixture *f = *state;

    for (uint64_t round = 0; round < 5; round++) {
        struct axi_checkpoints *store = open_file(f, round % 2 == 0);

        for (uint64_t task = 1; task <= 20 && round > 0; task++) {
            for (uint64_t job = round * 11 - 7; job <= round * 11; job++) {
                assert_int_equal(read_job(store, task, 3, job), 0);
            }
        }
        for (uint64_t task = 1; task <= 20; task++) {
            put_jobs(store, task, round * 11 + 1, round * 11 + 12);
        }
        axi_checkpoints_free(store);
    }
}

static void refuses_what_is_no_checkpoint(void **state)
{
    struct axi_checkpoints *store = open_inline(0);
    size_t bytes = make(buffer, TASK, 1, 1, 100);

    (void)state;
    buffer[bytes - 1] ^= 1;
    assert_int_equal(axi_checkpoints_put(store, NODE, buffer, bytes, 1), -AXC_ECKPT_CRC);
    assert_int_equal(axi_checkpoints_put(store, NODE, buffer, bytes - 1, 1), -AXC_ECKPT_TRUNCATED);
    bytes = make(buffer, 0, 1, 1, 100);
    assert_int_equal(axi_checkpoints_put(store, NODE, buffer, bytes, 1), -AXC_ECKPT_TASK);
    assert_int_equal(count_of(store, 0), 0);
    axi_checkpoints_free(store);
}

static void a_full_queue_says_busy(void **state)
{
    const struct axi_checkpoints_options options = {.path = ":memory:", .queue = 4};
    struct axi_checkpoints *store = NULL;
    size_t bytes = make(buffer, TASK, 1, 1, 100);

    (void)state;
    assert_int_equal(axi_checkpoints_new(&options, &store), 0);
    for (uint64_t i = 0; i < 4; i++) {
        assert_int_equal(axi_checkpoints_put(store, NODE, buffer, bytes, i), 0);
    }
    assert_int_equal(axi_checkpoints_put(store, NODE, buffer, bytes, 4), -AXC_EBUSY);
    settle(store, 4, 0);
    assert_int_equal(axi_checkpoints_put(store, NODE, buffer, bytes, 4), 0);
    settle(store, 1, 0);
    axi_checkpoints_free(store);
}

static void the_writer_thread_serves_many_tasks(void **state)
{
    struct axi_checkpoints *store = open_file(*state, false);
    struct axi_checkpoints_figures figures;

    for (uint64_t job = 1; job <= 30; job++) {
        for (uint64_t task = 1; task <= 50; task++) {
            put(store, task, 3, job, task % 7 == 0 ? AXC_STATE_BYTES_MAX : 1000);
        }
        settle(store, 50, 0);
        assert_int_equal(read_job(store, job, 3, job), 0);
    }
    axi_checkpoints_get_figures(store, &figures);
    assert_int_equal(figures.puts, 1500);
    assert_int_equal(figures.queued, 0);
    assert_true(figures.commits < 1500);
    assert_int_equal(count_of(store, 0), 400);
    axi_checkpoints_free(store);
}

/* Overwrites the data of some rows behind the store's back. */
static void damage(struct fixture *f, const char *sql)
{
    sqlite3 *db = NULL;

    assert_int_equal(sqlite3_open(f->path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    assert_true(sqlite3_changes(db) > 0);
    sqlite3_close(db);
}

static void damaged_rows_are_told_from_good_ones(void **state)
{
    struct fixture *f = *state;
    struct axi_checkpoints *store = open_file(f, true);

    put_jobs(store, TASK, 1, 9);
    axi_checkpoints_free(store);
    damage(f, "UPDATE checkpoint SET data = zeroblob(length(data)) WHERE job = 6");
    damage(f, "UPDATE checkpoint SET epoch = 4 WHERE job = 5");
    damage(f, "UPDATE checkpoint SET bytes = 1 WHERE job = 4");
    damage(f, "UPDATE checkpoint SET kind = 9 WHERE job = 3");
    store = open_file(f, true);
    assert_true(read_job(store, TASK, 3, 6) < 0);
    assert_int_equal(read_job(store, TASK, 4, 5), -AXC_EIO);
    assert_int_equal(read_job(store, TASK, 3, 4), -AXC_ENOENT);
    assert_int_equal(read_job(store, TASK, 3, 3), -AXC_ENOENT);
    assert_int_equal(read_job(store, TASK, 3, 8), 0);
    put_jobs(store, TASK, 9, 30);
    assert_int_equal(read_job(store, TASK, 3, 29), 0);
    axi_checkpoints_free(store);
}

static void a_missing_base_costs_only_what_needs_it(void **state)
{
    struct fixture *f = *state;
    struct axi_checkpoints *store = open_file(f, true);

    put_jobs(store, TASK, 1, 7);
    axi_checkpoints_free(store);
    damage(f, "DELETE FROM checkpoint WHERE base = 0");
    store = open_file(f, true);
    assert_int_equal(read_job(store, TASK, 3, 6), -AXC_EIO);
    put_jobs(store, TASK, 7, 8);
    assert_int_equal(read_job(store, TASK, 3, 7), 0);
    axi_checkpoints_free(store);
}

static void foreign_files_are_refused_and_left_alone(void **state)
{
    struct fixture *f = *state;
    const struct axi_checkpoints_options options = {.path = f->path, .is_inline = true};
    struct axi_checkpoints *store = NULL;
    sqlite3 *db = NULL;

    assert_int_equal(sqlite3_open(f->path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "CREATE TABLE other (x)", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    assert_int_equal(axi_checkpoints_new(&options, &store), -AXC_EIO);
    FILE *file = fopen(f->path, "w");

    assert_non_null(file);
    fputs("this is not a database, whatever its name says; it is long enough to be read\n", file);
    fclose(file);
    assert_int_equal(axi_checkpoints_new(&options, &store), -AXC_EIO);
}

/* The child stores as fast as it can and says after each result how far it is durable. */
static void store_until_killed(struct fixture *f, int to_parent)
{
    const struct axi_checkpoints_options options = {.path = f->path};
    struct axi_checkpoints *store = NULL;
    struct axi_checkpoints_result results[64];

    if (axi_checkpoints_new(&options, &store) < 0) {
        _exit(1);
    }
    for (uint64_t job = 1;; job++) {
        for (uint64_t task = 1; task <= 5; task++) {
            size_t bytes = make(buffer, task, 3, job, STATE_BYTES);

            if (axi_checkpoints_put(store, NODE, buffer, bytes, task << 32 | job) < 0) {
                _exit(1);
            }
        }
        struct pollfd waiting = {.fd = axi_checkpoints_fd(store), .events = POLLIN};

        (void)poll(&waiting, 1, 1);
        size_t count = axi_checkpoints_poll(store, results, 64);

        for (size_t i = 0; i < count; i++) {
            if (results[i].code != 0 || write(to_parent, &results[i].cookie, 8) != 8) {
                _exit(1);
            }
        }
    }
}

static void what_was_durable_survives_a_kill(void **state)
{
    struct fixture *f = *state;

    for (int round = 0; round < 3; round++) {
        uint64_t durable[6] = {0};
        uint64_t cookie;
        int ends[2];
        int status;

        assert_int_equal(pipe(ends), 0);
        pid_t child = fork();

        assert_true(child >= 0);
        if (child == 0) {
            close(ends[0]);
            store_until_killed(f, ends[1]);
        }
        close(ends[1]);
        for (int i = 0; i < 300; i++) {
            assert_int_equal(read(ends[0], &cookie, 8), 8);
            durable[cookie >> 32] = (uint32_t)cookie;
        }
        assert_int_equal(kill(child, SIGKILL), 0);
        while (read(ends[0], &cookie, 8) == 8) {
            durable[cookie >> 32] = (uint32_t)cookie;
        }
        close(ends[0]);
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status));
        struct axi_checkpoints *store = open_file(f, true);
        struct axi_checkpoint_info info;

        for (uint64_t task = 1; task <= 5; task++) {
            assert_int_equal(axi_checkpoints_newest(store, task, UINT64_MAX, &info), 0);
            assert_true(info.id.job >= durable[task]);
            assert_int_equal(read_job(store, task, 3, info.id.job), 0);
            assert_int_equal(axi_checkpoints_forget(store, task), 0);
        }
        axi_checkpoints_free(store);
    }
}

/* A limit on file sizes looks like a full disk to SQLite. */
static void a_full_disk_loses_nothing_and_passes(void **state)
{
    struct fixture *f = *state;
    struct rlimit before;

    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    (void)signal(SIGXFSZ, SIG_IGN);
    struct axi_checkpoints *store = open_file(f, true);

    put_jobs(store, TASK, 1, 9);
    struct rlimit tight = {.rlim_cur = 200000, .rlim_max = before.rlim_max};
    struct axi_checkpoints_result result;
    int code = 0;

    assert_int_equal(setrlimit(RLIMIT_FSIZE, &tight), 0);
    for (uint64_t task = 100; task < 200 && code == 0; task++) {
        put(store, task, 3, 1, 32768);
        assert_int_equal(axi_checkpoints_poll(store, &result, 1), 1);
        code = result.code;
    }
    assert_true(code == -AXC_EFULL || code == -AXC_EIO);
    assert_int_equal(read_job(store, TASK, 3, 8), 0);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    put_jobs(store, TASK, 9, 10);
    assert_int_equal(read_job(store, TASK, 3, 9), 0);
    assert_int_equal(count_of(store, TASK), 8);
    axi_checkpoints_free(store);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(keeps_the_newest_k_of_each_task),
    cmocka_unit_test(orders_by_epoch_before_job),
    cmocka_unit_test(late_old_ones_do_not_push_out_newer_ones),
    cmocka_unit_test(small_changes_take_little_space),
    cmocka_unit_test(the_same_again_is_a_success_and_changes_nothing),
    cmocka_unit_test_setup_teardown(pinned_ones_outlive_the_rest, setup, teardown),
    cmocka_unit_test_setup_teardown(imported_ones_are_pinned, setup, teardown),
    cmocka_unit_test_setup_teardown(everything_is_there_after_reopening, setup, teardown),
    cmocka_unit_test(refuses_what_is_no_checkpoint),
    cmocka_unit_test(a_full_queue_says_busy),
    cmocka_unit_test_setup_teardown(the_writer_thread_serves_many_tasks, setup, teardown),
    cmocka_unit_test_setup_teardown(damaged_rows_are_told_from_good_ones, setup, teardown),
    cmocka_unit_test_setup_teardown(a_missing_base_costs_only_what_needs_it, setup, teardown),
    cmocka_unit_test_setup_teardown(foreign_files_are_refused_and_left_alone, setup, teardown),
    cmocka_unit_test_setup_teardown(what_was_durable_survives_a_kill, setup, teardown),
    cmocka_unit_test_setup_teardown(a_full_disk_loses_nothing_and_passes, setup, teardown),
};

int main(void)
{
    return cmocka_run_group_tests(tests, NULL, NULL);
}
