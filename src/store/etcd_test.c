/* SPDX-License-Identifier: Apache-2.0 */
#include "store/conformance.h"
#include "store/etcd_json.h"
#include "store/etcd_rig_test.h"
#include "support/test.h"

#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct etcd_rig rig;

static int setup(void **state)
{
    (void)state;
    etcd_rig_init(&rig);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    etcd_rig_deinit(&rig);
    return 0;
}

static struct axi_store *open_store(const char *prefix, unsigned timeout_ms)
{
    struct axi_store *store = NULL;
    char location[200];

    snprintf(location, sizeof(location),
             "etcd://127.0.0.1:%u,127.0.0.1:%u,127.0.0.1:%u/%s?timeout_ms=%u", rig.client_ports[0],
             rig.client_ports[1], rig.client_ports[2], prefix, timeout_ms);
    assert_int_equal(axi_store_open(location, &store, NULL), 0);
    return store;
}

/* Members that were killed come back, and elect, when the machine lets them. */
static int cas_patiently(struct axi_store *store, const char *value)
{
    int rc = -1;

    for (int i = 0; i < 400 && rc != 0; i++) {
        rc = axi_store_cas(store, "k", AXI_STORE_ANY, value, strlen(value), NULL);
        if (rc != 0) {
            usleep(50000);
        }
    }
    return rc;
}

/* By the first member, so it has caught up when this returns. */
static void put_patiently(const char *prefix)
{
    struct axi_store *store = open_store(prefix, 10000);

    assert_int_equal(cas_patiently(store, "1"), 0);
    axi_store_free(store);
}

static void three_members_conform(void **state)
{
    struct axi_store *a = open_store("conform", 3000);
    struct axi_store *b = open_store("conform", 3000);

    (void)state;
    axi_store_conformance(a, b);
    axi_store_free(a);
    axi_store_free(b);
}

static int count_key(void *context, const char *key, const struct axi_store_value *value)
{
    int *count = context;

    assert_int_equal(value->value_bytes, 0);
    assert_true(key[0] == 'k');
    (*count)++;
    return *count == 230 ? -AXC_ECANCELLED : 0;
}

static void lists_more_than_one_page_and_only_its_own_prefix(void **state)
{
    struct axi_store *store = open_store("pages", 3000);
    struct axi_store *other = open_store("pages2", 3000);
    int count = 0;

    (void)state;
    for (int i = 0; i < 240; i += 120) {
        struct axi_store_op ops[120];
        char keys[120][16];

        for (int k = 0; k < 120; k++) {
            snprintf(keys[k], sizeof(keys[k]), "k/%d", i + k);
            ops[k] = (struct axi_store_op){.kind = AXI_STORE_PUT, .key = keys[k]};
        }
        assert_int_equal(axi_store_commit(store, ops, 120, NULL), 0);
    }
    assert_int_equal(axi_store_list(other, "k", count_key, &count), 0);
    assert_int_equal(count, 0);
    assert_int_equal(axi_store_list(store, "k/22", count_key, &count), 0);
    assert_int_equal(count, 11);
    count = 0;
    assert_int_equal(axi_store_list(store, "k", count_key, &count), -AXC_ECANCELLED);
    assert_int_equal(count, 230);
    axi_store_free(store);
    axi_store_free(other);
}

struct counts {
    int puts, deletions;
    char last[32];
};

static void count_change(void *context, const struct axi_store_change *change)
{
    struct counts *counts = context;

    if (change->is_deleted) {
        counts->deletions++;
    } else {
        counts->puts++;
        snprintf(counts->last, sizeof(counts->last), "%s", change->value->bytes);
    }
}

static void a_watch_learns_that_the_history_is_gone(void **state)
{
    struct axi_store *store = open_store("compact", 3000);
    struct counts counts = {0};
    uint64_t first = 0;
    uint64_t last = 0;
    int rc = 0;

    (void)state;
    assert_int_equal(axi_store_cas(store, "k", 0, "1", 1, &first), 0);
    assert_int_equal(axi_store_cas(store, "k", first, "2", 1, NULL), 0);
    assert_int_equal(axi_store_cas(store, "k", AXI_STORE_ANY, "3", 1, &last), 0);
    etcd_rig_compact(&rig, last);
    for (int i = 0; i < 5000 && rc == 0; i++) {
        uint64_t after = first;

        rc = axi_store_changes(store, "k", after, count_change, &counts, &after);
        assert_true(rc == 0 || after >= last);
        usleep(1000);
    }
    assert_int_equal(rc, -AXC_ECOMPACTED);
    assert_int_equal(counts.puts, 0);
    axi_store_free(store);
}

static void a_lease_that_is_not_kept_ends(void **state)
{
    struct axi_store *store = open_store("lease", 3000);
    struct axi_store_op op = {.kind = AXI_STORE_PUT, .key = "presence"};
    struct counts counts = {0};
    uint64_t revision = 0;

    (void)state;
    assert_int_equal(axi_store_lease_grant(store, 100, &op.lease), 0);
    assert_int_equal(axi_store_commit(store, &op, 1, &revision), 0);
    assert_int_equal(axi_store_lease_keep(store, op.lease), 0);
    for (int i = 0; i < 3000 && counts.deletions == 0; i++) {
        assert_int_equal(
            axi_store_changes(store, "presence", revision, count_change, &counts, &revision), 0);
        usleep(10000);
    }
    assert_int_equal(counts.deletions, 1);
    assert_int_equal(axi_store_lease_keep(store, op.lease), -AXC_ENOENT);
    axi_store_free(store);
}

static sem_t is_restarted;

static void *kill_and_restart(void *argument)
{
    int member = etcd_rig_leader(&rig);

    (void)argument;
    usleep(100000);
    etcd_rig_kill(&rig, member);
    usleep(700000);
    etcd_rig_start(&rig, member);
    sem_post(&is_restarted);
    for (;;) { /* a member dies with the thread that started it (PR_SET_PDEATHSIG) */
        pause();
    }
    return NULL;
}

/* The leader dies and comes back while two handles race: exactly one winner each, nothing lost, and
 * a watch that began before sees every change after. */
static void claims_stay_exactly_once_while_the_leader_dies(void **state)
{
    struct axi_store *a = open_store("race", 3000);
    struct axi_store *b = open_store("race", 3000);
    struct counts counts = {0};
    uint64_t after = 0;
    pthread_t killer;

    (void)state;
    assert_int_equal(axi_store_cas(a, "claims/now", 0, "start", 5, NULL), 0);
    assert_int_equal(axi_store_changes(b, "race/", 0, count_change, &counts, &after),
                     -AXC_ECOMPACTED);
    assert_int_equal(sem_init(&is_restarted, 0, 0), 0);
    assert_int_equal(pthread_create(&killer, NULL, kill_and_restart, NULL), 0);
    axi_store_race(a, b);
    sem_wait(&is_restarted);
    for (int i = 0; i < 5000 && counts.puts < 500; i++) {
        int rc = axi_store_changes(b, "race/", after, count_change, &counts, &after);

        assert_true(rc == 0 || rc == -AXC_EUNAVAILABLE);
        usleep(1000);
    }
    assert_int_equal(counts.puts, 500);
    axi_store_free(a);
    axi_store_free(b);
}

static void a_watch_goes_on_at_another_member(void **state)
{
    struct axi_store *watcher = open_store("move", 3000);
    struct axi_store *writer = open_store("move", 3000);
    struct counts counts = {0};
    uint64_t after = 0;
    int member = 0; /* the one asked first */

    (void)state;
    assert_int_equal(axi_store_changes(watcher, "k", 0, count_change, &counts, &after),
                     -AXC_ECOMPACTED);
    for (int step = 0; step < 2; step++) {
        int rc = cas_patiently(writer, step == 0 ? "first" : "second");

        assert_int_equal(rc, 0);
        const char *wanted = step == 0 ? "first" : "second";

        for (int i = 0; i < 10000 && strcmp(counts.last, wanted) != 0; i++) {
            rc = axi_store_changes(watcher, "k", after, count_change, &counts, &after);
            assert_true(rc == 0 || rc == -AXC_EUNAVAILABLE);
            usleep(1000);
        }
        assert_string_equal(counts.last, wanted);
        if (step == 0) {
            etcd_rig_kill(&rig, member);
        }
    }
    etcd_rig_start(&rig, member);
    axi_store_free(watcher);
    axi_store_free(writer);
}

static void a_watch_leaves_a_member_that_hangs(void **state)
{
    struct axi_store *watcher = open_store("hang", 300);
    struct axi_store *writer = open_store("hang", 300);
    struct counts counts = {0};
    uint64_t after = 0;

    (void)state;
    put_patiently("hang");
    assert_int_equal(axi_store_changes(watcher, "k", 0, count_change, &counts, &after),
                     -AXC_ECOMPACTED);
    put_patiently("hang");
    for (int i = 0; i < 5000 && counts.puts == 0; i++) {
        int rc = axi_store_changes(watcher, "k", after, count_change, &counts, &after);

        assert_true(rc == 0 || rc == -AXC_EUNAVAILABLE);
        usleep(1000);
    }
    assert_int_equal(counts.puts, 1);
    etcd_rig_signal(&rig, 0, SIGSTOP); /* where both are connected */
    assert_int_equal(axi_store_cas(writer, "k", AXI_STORE_ANY, "2", 1, NULL), -AXC_ETIMEOUT);
    for (int i = 0, rc = -1; i < 100 && rc != 0; i++) {
        rc = axi_store_cas(writer, "k", AXI_STORE_ANY, "last", 4, NULL);
    }
    for (int i = 0; i < 20000 && strcmp(counts.last, "last") != 0; i++) {
        int rc = axi_store_changes(watcher, "k", after, count_change, &counts, &after);

        assert_true(rc == 0 || rc == -AXC_EUNAVAILABLE);
        usleep(1000);
    }
    assert_string_equal(counts.last, "last");
    etcd_rig_signal(&rig, 0, SIGCONT);
    axi_store_free(watcher);
    axi_store_free(writer);
}

/* What was not sent changed nothing; what was sent to a member that never answers is unknown. */
struct said {
    int lost, back;
    bool was_silent;
};

static void count_member(void *context, const struct axi_store_member *member)
{
    struct said *said = context;

    said->lost += member->is_lost;
    said->back += !member->is_lost;
    said->was_silent = member->is_silent;
}

/* Asks until so many losses and returns were told; the rest of the test fails when they were not.
 */
static void ask_members(struct axi_store *store, struct axi_store_member members[],
                        struct said *said, int lost, int back)
{
    for (int i = 0; i < 2000 && (said->lost < lost || said->back < back); i++) {
        axi_store_members(store, members, count_member, said);
        usleep(10000);
    }
}

static void a_member_that_dies_or_hangs_is_told_while_the_others_serve(void **state)
{
    struct axi_store_member members[AXI_STORE_MEMBERS_MAX] = {0};
    struct axi_store *store = open_store("members", 300);
    struct said said = {0};
    int other = (etcd_rig_leader(&rig) + 1) % ETCD_MEMBERS;

    (void)state;
    for (int i = 0; i < 150; i++) { /* three questions to each */
        axi_store_members(store, members, count_member, &said);
        usleep(10000);
    }
    assert_string_not_equal(members[ETCD_MEMBERS - 1].name, "");
    assert_string_equal(members[ETCD_MEMBERS].name, "");
    etcd_rig_kill(&rig, other);
    put_patiently("m");
    ask_members(store, members, &said, 1, 0);
    assert_true(members[other].is_lost && said.was_silent);
    etcd_rig_start(&rig, other);
    ask_members(store, members, &said, 1, 1);
    assert_false(members[other].is_lost);
    etcd_rig_signal(&rig, other, SIGSTOP);
    ask_members(store, members, &said, 2, 1);
    assert_true(members[other].is_lost && said.was_silent);
    etcd_rig_signal(&rig, other, SIGCONT);
    ask_members(store, members, &said, 2, 2);
    etcd_rig_kill(&rig, other);
    etcd_rig_kill(&rig, (other + 1) % ETCD_MEMBERS);
    ask_members(store, members, &said, 5, 2); /* the last one has no majority */
    etcd_rig_start(&rig, other);
    etcd_rig_start(&rig, (other + 1) % ETCD_MEMBERS);
    ask_members(store, members, &said, 5, 5);
    assert_true(said.lost >= 5);
    assert_int_equal(said.back, said.lost);
    axi_store_free(store);
}

static void tells_unreachable_from_unknown(void **state)
{
    struct axi_store *store = open_store("fail", 300);
    struct axi_store_value value;
    uint64_t lease = 0;

    (void)state;
    put_patiently("fail");
    for (int i = 0; i < ETCD_MEMBERS; i++) {
        etcd_rig_signal(&rig, i, SIGSTOP);
    }
    assert_int_equal(axi_store_cas(store, "k", AXI_STORE_ANY, "w", 1, NULL), -AXC_ETIMEOUT);
    assert_int_equal(axi_store_get(store, "k", &value), -AXC_EUNAVAILABLE);
    for (int i = 0; i < ETCD_MEMBERS; i++) {
        etcd_rig_signal(&rig, i, SIGCONT);
        etcd_rig_kill(&rig, i);
    }
    assert_int_equal(axi_store_cas(store, "k", AXI_STORE_ANY, "x", 1, NULL), -AXC_EUNAVAILABLE);
    assert_int_equal(axi_store_get(store, "k", &value), -AXC_EUNAVAILABLE);
    assert_int_equal(axi_store_list(store, "k", count_key, NULL), -AXC_EUNAVAILABLE);
    assert_int_equal(axi_store_changes(store, "k", 0, count_change, NULL, &lease),
                     -AXC_EUNAVAILABLE);
    assert_int_equal(axi_store_lease_grant(store, 2000, &lease), -AXC_EUNAVAILABLE);
    assert_int_equal(axi_store_lease_keep(store, 1), -AXC_EUNAVAILABLE);
    axi_store_free(store);
}

static void base64_is_read_as_it_is_written(void **state)
{
    static const char *const pairs[][2] = {
        {"", ""},        {"f", "Zg=="},        {"fo", "Zm8="},
        {"foo", "Zm9v"}, {"foob", "Zm9vYg=="}, {"\xff\xfe?", "//4/"}};
    static const char *const wrong[] = {"Zg", "Zg=", "Zm9*", "=Zg=", "Z===", "Zm9v\n   "};
    char *bytes = NULL;
    size_t count = 0;

    (void)state;
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        char *text = axi_etcd_encode(pairs[i][0], strlen(pairs[i][0]));

        assert_string_equal(text, pairs[i][1]);
        assert_int_equal(axi_etcd_decode(text, strlen(text), &bytes, &count), 0);
        assert_int_equal(count, strlen(pairs[i][0]));
        assert_string_equal(bytes, pairs[i][0]);
        free(text);
        free(bytes);
    }
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        assert_int_equal(axi_etcd_decode(wrong[i], strlen(wrong[i]), &bytes, &count), -AXC_EIO);
    }
}

static int watch_line(const char *line, struct counts *counts, uint64_t *after, bool *compacted)
{
    return axi_etcd_watch_line(line, strlen(line), "p", count_change, counts, after, compacted);
}

static void a_line_that_makes_no_sense_reports_nothing(void **state)
{
    static const char *const wrong[] = {
        "",
        "[]",
        "{",
        "{\"result\":{\"events\":[{}]}}",
        "{\"result\":{\"events\":[{\"kv\":{\"key\":\"cC9r\",\"mod_revision\":\"x\"}}]}}",
        "{\"result\":{\"events\":[{\"kv\":{\"key\":7,\"mod_revision\":\"8\"}}]}}",
        "{\"result\":{\"events\":[{\"kv\":{\"mod_revision\":\"99999999999999999999\"}}]}}",
        "{\"result\":{\"compact_revision\":\"-1\"}}",
    };
    struct counts counts = {0};
    uint64_t after = 7;
    bool compacted = false;

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        assert_int_equal(watch_line(wrong[i], &counts, &after, &compacted), -AXC_EIO);
    }
    assert_int_equal(watch_line("{\"error\":{\"grpc_code\":14}}", &counts, &after, &compacted),
                     -AXC_EUNAVAILABLE);
    assert_int_equal(watch_line("{\"result\":{\"canceled\":true,\"compact_revision\":\"9\"}}",
                                &counts, &after, &compacted),
                     -AXC_EUNAVAILABLE);
    assert_true(compacted);
    assert_int_equal(counts.puts + counts.deletions, 0);
    assert_int_equal(after, 7);
    assert_int_equal(
        watch_line("{\"result\":{\"events\":["
                   "{\"kv\":{\"key\":\"cC9r\",\"mod_revision\":\"7\"}},"
                   "{\"kv\":{\"key\":\"eC9r\",\"mod_revision\":\"8\"}},"
                   "{\"type\":\"DELETE\",\"kv\":{\"key\":\"cC9r\",\"mod_revision\":\"9\"}}]}}",
                   &counts, &after, &compacted),
        0);
    assert_int_equal(counts.puts, 0);
    assert_int_equal(counts.deletions, 1);
    assert_int_equal(after, 9);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(base64_is_read_as_it_is_written),
        cmocka_unit_test(a_line_that_makes_no_sense_reports_nothing),
        cmocka_unit_test(three_members_conform),
        cmocka_unit_test(lists_more_than_one_page_and_only_its_own_prefix),
        cmocka_unit_test(a_watch_learns_that_the_history_is_gone),
        cmocka_unit_test(a_lease_that_is_not_kept_ends),
        cmocka_unit_test(claims_stay_exactly_once_while_the_leader_dies),
        cmocka_unit_test(a_watch_goes_on_at_another_member),
        cmocka_unit_test(a_watch_leaves_a_member_that_hangs),
        cmocka_unit_test(a_member_that_dies_or_hangs_is_told_while_the_others_serve),
        cmocka_unit_test(tells_unreachable_from_unknown),
    };

    return cmocka_run_group_tests_name("etcd", tests, setup, teardown);
}
