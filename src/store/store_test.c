/* SPDX-License-Identifier: Apache-2.0 */
#include "store/conformance.h"
#include "store/etcd.h"
#include "support/test.h"

#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

struct fixture {
    char directory[64];
    char path[96];
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    snprintf(f->directory, sizeof(f->directory), "/tmp/axcan-store-XXXXXX");
    assert_non_null(mkdtemp(f->directory));
    snprintf(f->path, sizeof(f->path), "%s/store.db", f->directory);
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

static struct axi_store *open_store(struct fixture *f, int is_volatile)
{
    struct axi_store_sqlite_options options = {.path = f->path, .is_volatile = is_volatile};
    struct axi_store *store = NULL;

    assert_int_equal(axi_store_sqlite_new(&options, &store), 0);
    return store;
}

static void sqlite_conforms(void **state)
{
    struct axi_store *a = open_store(*state, 0);
    struct axi_store *b = open_store(*state, 1);

    axi_store_conformance(a, b);
    axi_store_free(a);
    axi_store_free(b);
}

static void two_connections_race_and_each_claim_has_one_winner(void **state)
{
    struct axi_store *a = open_store(*state, 1);
    struct axi_store *b = open_store(*state, 1);

    axi_store_race(a, b);
    axi_store_free(a);
    axi_store_free(b);
}

static uint64_t test_clock(void *context)
{
    return *(uint64_t *)context;
}

static void count_change(void *context, const struct axi_store_change *change)
{
    int *counts = context;

    counts[change->is_deleted]++;
}

static void a_lease_that_is_not_kept_ends(void **state)
{
    uint64_t now_ns = 1;
    struct axi_store_sqlite_options options = {
        .path = ":memory:", .now_ns = test_clock, .clock_context = &now_ns};
    struct axi_store_op op = {.kind = AXI_STORE_PUT, .key = "p", .value = "", .value_bytes = 0};
    struct axi_store_value value;
    struct axi_store *store = NULL;
    int counts[2] = {0, 0};
    uint64_t revision = 0;

    (void)state;
    assert_int_equal(axi_store_sqlite_new(&options, &store), 0);
    assert_int_equal(axi_store_lease_grant(store, 100, &op.lease), 0);
    assert_int_equal(axi_store_commit(store, &op, 1, &revision), 0);
    now_ns += 99999999;
    assert_int_equal(axi_store_lease_keep(store, op.lease), 0);
    now_ns += 99999999;
    assert_int_equal(axi_store_get(store, "p", &value), 0);
    axi_store_value_clear(&value);
    now_ns += 1;
    assert_int_equal(axi_store_changes(store, "p", revision, count_change, counts, &revision), 0);
    assert_int_equal(counts[0], 0);
    assert_int_equal(counts[1], 1);
    assert_int_equal(axi_store_get(store, "p", &value), -AXC_ENOENT);
    assert_int_equal(axi_store_lease_keep(store, op.lease), -AXC_ENOENT);
    axi_store_free(store);
}

static void a_watch_learns_that_deletions_were_forgotten(void **state)
{
    struct axi_store_sqlite_options options = {.path = ":memory:", .deletions_max = 16};
    struct axi_store *store = NULL;
    int counts[2] = {0, 0};
    uint64_t start = 0;
    uint64_t later = 0;

    (void)state;
    assert_int_equal(axi_store_sqlite_new(&options, &store), 0);
    assert_int_equal(axi_store_cas(store, "a", 0, "", 0, &start), 0);
    for (int i = 0; i < 24; i++) {
        char key[16];

        snprintf(key, sizeof(key), "k/%d", i);
        assert_int_equal(axi_store_cas(store, key, 0, "", 0, NULL), 0);
        assert_int_equal(axi_store_cas(store, key, AXI_STORE_ANY, NULL, 0, &later), 0);
    }
    assert_int_equal(axi_store_changes(store, "k/", start, count_change, counts, &later),
                     -AXC_ECOMPACTED);
    assert_int_equal(counts[1], 0);
    assert_int_equal(axi_store_changes(store, "k/", later, count_change, counts, &later), 0);
    assert_int_equal(axi_store_changes(store, "k/", later - 10, count_change, counts, &later), 0);
    assert_int_equal(counts[1], 5);
    assert_int_equal(axi_store_changes(store, "k/", later + 1, count_change, counts, &later),
                     -AXC_ECOMPACTED);
    axi_store_free(store);
}

static void brings_up_a_store_of_version_1(void **state)
{
    static const char *const old =
        "CREATE TABLE kv (key TEXT PRIMARY KEY, value BLOB NOT NULL, revision INTEGER NOT NULL)"
        " WITHOUT ROWID; CREATE TABLE counter (revision INTEGER NOT NULL);"
        "INSERT INTO counter VALUES (7); INSERT INTO kv VALUES ('k', x'76', 5);"
        "PRAGMA application_id = 1096303443; PRAGMA user_version = 1;";
    struct fixture *f = *state;
    struct axi_store *store;
    struct axi_store_value value;
    sqlite3 *db = NULL;
    uint64_t revision = 0;

    assert_int_equal(sqlite3_open(f->path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, old, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    store = open_store(f, 1);
    assert_int_equal(axi_store_get(store, "k", &value), 0);
    assert_string_equal(value.bytes, "v");
    assert_int_equal(value.revision, 5);
    axi_store_value_clear(&value);
    assert_int_equal(axi_store_cas(store, "k", 5, "w", 1, &revision), 0);
    assert_int_equal(revision, 8);
    axi_store_free(store);
}

static void opens_by_location(void **state)
{
    static const char *const wrong[] = {"", "redis://localhost:1",
                                        "sqlite:/nonexistent/x/store.db"};
    static const int errors[] = {-AXC_EINVALID, -AXC_EINVALID, -AXC_EIO};
    struct fixture *f = *state;
    struct axi_store *store = NULL;
    char location[112];

    for (size_t i = 0; i < 3; i++) {
        char reason[AXI_STORE_REASON_BYTES] = "";

        assert_int_equal(axi_store_open(wrong[i], &store, reason), errors[i]);
        assert_true(reason[0] != '\0');
        assert_null(store);
    }
    snprintf(location, sizeof(location), "sqlite:%s", f->path);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(axi_store_open(location + (i == 0 ? 0 : 7), &store, NULL), 0);
        assert_int_equal(axi_store_cas(store, "k", i, "", 0, NULL), 0);
        axi_store_free(store);
    }
}

static void what_was_committed_is_there_after_reopening(void **state)
{
    struct axi_store *store = open_store(*state, 0);
    struct axi_store_value value;
    uint64_t revision = 0;
    uint64_t later = 0;

    assert_int_equal(axi_store_cas(store, "k", 0, "v", 1, &revision), 0);
    axi_store_free(store);
    store = open_store(*state, 0);
    assert_int_equal(axi_store_get(store, "k", &value), 0);
    assert_int_equal(value.revision, revision);
    axi_store_value_clear(&value);
    assert_int_equal(axi_store_cas(store, "l", 0, "v", 1, &later), 0);
    assert_true(later > revision);
    axi_store_free(store);
}

/* Nothing half-written, nothing lost, and the store goes on when there is room again. */
static void a_full_disk_refuses_and_loses_nothing(void **state)
{
    struct axi_store *store = open_store(*state, 0);
    static char large[300000];
    struct axi_store_op ops[] = {
        {AXI_STORE_PUT, "small", AXI_STORE_ANY, "new", 3, 0},
        {AXI_STORE_PUT, "large", 0, large, sizeof(large), 0},
    };
    struct rlimit before;
    struct rlimit little;
    struct axi_store_value value;
    int rc;

    assert_int_equal(axi_store_cas(store, "small", 0, "old", 3, NULL), 0);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    little = before;
    little.rlim_cur = 100000;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &little), 0);
    rc = axi_store_commit(store, ops, 2, NULL);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_true(rc == -AXC_EUNAVAILABLE || rc == -AXC_ETIMEOUT);
    assert_int_equal(axi_store_get(store, "large", &value), -AXC_ENOENT);
    assert_int_equal(axi_store_get(store, "small", &value), 0);
    assert_string_equal(value.bytes, "old");
    axi_store_value_clear(&value);
    assert_int_equal(axi_store_commit(store, ops, 2, NULL), 0);
    axi_store_free(store);
}

/* Puts "n" = 0, 1, ... and each time "m" to the same; tells after each commit. */
static void commit_until_killed(struct fixture *f, int told)
{
    struct axi_store *store = open_store(f, 0);

    for (uint32_t n = 0;; n++) {
        struct axi_store_op ops[] = {
            {.kind = AXI_STORE_PUT,
             .key = "n",
             .expected = AXI_STORE_ANY,
             .value = &n,
             .value_bytes = sizeof(n)},
            {.kind = AXI_STORE_PUT,
             .key = "m",
             .expected = AXI_STORE_ANY,
             .value = &n,
             .value_bytes = sizeof(n)},
        };

        if (axi_store_commit(store, ops, 2, NULL) != 0 || write(told, &n, sizeof(n)) != sizeof(n)) {
            _exit(1);
        }
    }
}

static uint32_t read_number(struct axi_store *store, const char *key)
{
    struct axi_store_value value;
    uint32_t number = 0;

    assert_int_equal(axi_store_get(store, key, &value), 0);
    assert_int_equal(value.value_bytes, sizeof(number));
    memcpy(&number, value.bytes, sizeof(number));
    axi_store_value_clear(&value);
    return number;
}

static void a_process_killed_amid_commits_leaves_whole_ones(void **state)
{
    struct axi_store *store = open_store(*state, 0);

    for (int round = 0; round < 5; round++) {
        uint32_t told = 0;
        int ends[2];
        int count = 0;
        pid_t pid;

        assert_int_equal(pipe(ends), 0);
        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
            commit_until_killed(*state, ends[1]);
        }
        close(ends[1]);
        while (count < 10 + round && read(ends[0], &told, sizeof(told)) == sizeof(told)) {
            count++;
        }
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
        while (read(ends[0], &told, sizeof(told)) == sizeof(told)) {
            count++;
        }
        close(ends[0]);
        assert_int_equal(told, count - 1);
        assert_true(read_number(store, "n") >= told);
        assert_int_equal(read_number(store, "n"), read_number(store, "m"));
    }
    axi_store_free(store);
}

static void refuses_a_file_that_is_no_store(void **state)
{
    struct fixture *f = *state;
    struct axi_store_sqlite_options options = {.path = f->path};
    struct axi_store *store = NULL;
    FILE *file = fopen(f->path, "w");

    fputs("this is some other file, long enough to be looked at\n", file);
    fclose(file);
    assert_int_equal(axi_store_sqlite_new(&options, &store), -AXC_EIO);
    options.path = "/nonexistent/directory/store.db";
    assert_int_equal(axi_store_sqlite_new(&options, &store), -AXC_EIO);
    assert_null(store);
}

static void reads_locations_of_etcd(void **state)
{
    static const char *const wrong[] = {
        "etcd://",
        "etcd://host",
        "etcd://host:0",
        "etcd://host:65536",
        "etcd://host:1,",
        "etcd://a b:1",
        "etcd://user@host:1",
        "etcd://[::1:2",
        "etcd://host:1?x=1",
        "etcd://host:1?ca=",
        "etcd://h:1?timeout_ms=99",
        "etcd://h:1?timeout_ms=1e9",
        "etcd://a:1,b:1,c:1,d:1,e:1,f:1,g:1,h:1,i:1,j:1",
    };
    struct axi_etcd_location location;
    struct axi_store *store = NULL;

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        char reason[AXI_STORE_REASON_BYTES] = "";

        assert_int_equal(axi_store_open(wrong[i], &store, reason), -AXC_EINVALID);
        assert_non_null(strstr(reason, "store location: "));
    }
    assert_int_equal(axi_etcd_location_parse("etcd://10.0.0.1:2379", &location, NULL), 0);
    assert_string_equal(location.endpoints[0], "10.0.0.1:2379");
    assert_string_equal(location.prefix, "axcan");
    assert_false(location.is_tls);
    assert_int_equal(axi_etcd_location_parse("etcds://[::1]:1,b.c:65535/car?ca=/a/b&cert=/c&key=/d"
                                             "&timeout_ms=250",
                                             &location, NULL),
                     0);
    assert_int_equal(location.endpoint_count, 2);
    assert_string_equal(location.endpoints[0], "[::1]:1");
    assert_string_equal(location.endpoints[1], "b.c:65535");
    assert_string_equal(location.prefix, "car");
    assert_string_equal(location.ca, "/a/b");
    assert_string_equal(location.certificate, "/c");
    assert_string_equal(location.key, "/d");
    assert_int_equal(location.timeout_ms, 250);
    assert_true(location.is_tls);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(sqlite_conforms, setup, teardown),
        cmocka_unit_test_setup_teardown(two_connections_race_and_each_claim_has_one_winner, setup,
                                        teardown),
        cmocka_unit_test(a_lease_that_is_not_kept_ends),
        cmocka_unit_test(a_watch_learns_that_deletions_were_forgotten),
        cmocka_unit_test_setup_teardown(brings_up_a_store_of_version_1, setup, teardown),
        cmocka_unit_test(reads_locations_of_etcd),
        cmocka_unit_test_setup_teardown(opens_by_location, setup, teardown),
        cmocka_unit_test_setup_teardown(what_was_committed_is_there_after_reopening, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_full_disk_refuses_and_loses_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(a_process_killed_amid_commits_leaves_whole_ones, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(refuses_a_file_that_is_no_store, setup, teardown),
    };

    return cmocka_run_group_tests_name("store", tests, NULL, NULL);
}
