/* SPDX-License-Identifier: Apache-2.0 */
/* The election under virtual time: masters with a handle each on one store, whose calls can fail or
 * leave their outcome open. */
#include "master/leader.h"
#include "support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MS 1000000ull
#define MASTERS 3

struct faulty {
    struct axi_store base;
    struct axi_store *inner;
    int fails;      /* every call: this error, nothing done; 0 = none */
    bool is_silent; /* writes are done, but answer -AXC_ETIMEOUT */
};

struct rig {
    uint64_t now_ns;
    char path[64];
    struct faulty stores[MASTERS];
    struct axi_leader *leaders[MASTERS];
    uint64_t skew_ns[MASTERS]; /* how far ahead its clock is */
    uint64_t next_boot;
};

struct clock {
    struct rig *rig;
    int index;
};
static struct clock clocks[MASTERS];

/* ---- a store that fails ---- */

static struct faulty *of(struct axi_store *store)
{
    return (struct faulty *)store;
}

static int get(struct axi_store *store, const char *key, struct axi_store_value *ret_value)
{
    return of(store)->fails != 0 ? of(store)->fails
                                 : axi_store_get(of(store)->inner, key, ret_value);
}

static int commit(struct axi_store *store, const struct axi_store_op *ops, size_t count,
                  uint64_t *ret_revision)
{
    int rc = of(store)->fails;

    rc = rc != 0 ? rc : axi_store_commit(of(store)->inner, ops, count, ret_revision);
    return of(store)->is_silent ? -AXC_ETIMEOUT : rc;
}

static int list(struct axi_store *store, const char *prefix, axi_store_visit visit, void *context)
{
    return of(store)->fails != 0 ? of(store)->fails
                                 : axi_store_list(of(store)->inner, prefix, visit, context);
}

static int grant(struct axi_store *store, uint32_t ttl_ms, uint64_t *ret_lease)
{
    return of(store)->fails != 0 ? of(store)->fails
                                 : axi_store_lease_grant(of(store)->inner, ttl_ms, ret_lease);
}

static int keep(struct axi_store *store, uint64_t lease)
{
    return of(store)->fails != 0 ? of(store)->fails : axi_store_lease_keep(of(store)->inner, lease);
}

static int lease_end(struct axi_store *store, uint64_t lease)
{
    return of(store)->fails != 0 ? of(store)->fails
                                 : axi_store_lease_revoke(of(store)->inner, lease);
}

static const struct axi_store_ops faulty_ops = {.get = get,
                                                .commit = commit,
                                                .list = list,
                                                .lease_grant = grant,
                                                .lease_keep = keep,
                                                .lease_revoke = lease_end};

/* ---- the rig ---- */

static uint64_t store_now(void *context)
{
    return ((struct rig *)context)->now_ns;
}

static uint64_t master_now(void *context)
{
    struct clock *clock = context;

    return clock->rig->now_ns + clock->rig->skew_ns[clock->index];
}

static void start(struct rig *rig, int index)
{
    struct axi_leader_config config = {
        .store = &rig->stores[index].base,
        .now_ns = master_now,
        .context = &clocks[index],
        .self = {.id = (uint64_t)index + 1, .boot = ++rig->next_boot, .listen = "127.0.0.1:1"},
    };

    (void)snprintf(config.self.name, sizeof(config.self.name), "m%d", index);
    (void)snprintf(config.self.api, sizeof(config.self.api), "127.0.0.1:%d", 100 + index);
    assert_int_equal(axi_leader_new(&config, &rig->leaders[index]), 0);
    axi_leader_set_images(rig->leaders[index], 1, true);
}

static void kill_master(struct rig *rig, int index)
{
    axi_leader_free(rig->leaders[index]);
    rig->leaders[index] = NULL;
}

static int setup(void **state)
{
    struct rig *rig = calloc(1, sizeof(*rig));

    rig->now_ns = 1000 * MS;
    (void)snprintf(rig->path, sizeof(rig->path), "/tmp/axcan-leader-XXXXXX");
    (void)close(mkstemp(rig->path));
    for (int i = 0; i < MASTERS; i++) {
        const struct axi_store_sqlite_options options = {
            .path = rig->path, .is_volatile = 1, .now_ns = store_now, .clock_context = rig};

        clocks[i] = (struct clock){rig, i};
        rig->stores[i].base.ops = &faulty_ops;
        assert_int_equal(axi_store_sqlite_new(&options, &rig->stores[i].inner), 0);
    }
    *state = rig;
    return 0;
}

static int teardown(void **state)
{
    static const char *const rests[] = {"", "-wal", "-shm"};
    struct rig *rig = *state;
    char path[96];

    for (int i = 0; i < MASTERS; i++) {
        axi_leader_free(rig->leaders[i]);
        axi_store_free(rig->stores[i].inner);
    }
    for (int i = 0; i < 3; i++) {
        (void)snprintf(path, sizeof(path), "%s%s", rig->path, rests[i]);
        (void)unlink(path);
    }
    free(rig);
    return 0;
}

/* Ticks those of the mask every 10 ms; never may two lead. */
static void run(struct rig *rig, unsigned mask, uint64_t ms)
{
    for (uint64_t end = rig->now_ns + ms * MS; rig->now_ns < end; rig->now_ns += 10 * MS) {
        int leading = 0;

        for (int i = 0; i < MASTERS; i++) {
            if (rig->leaders[i] != NULL && (mask >> i & 1) != 0) {
                (void)axi_leader_tick(rig->leaders[i]);
                leading += axi_leader_term(rig->leaders[i]) != 0;
            }
        }
        assert_true(leading <= 1);
    }
}

static int leading(const struct rig *rig)
{
    for (int i = 0; i < MASTERS; i++) {
        if (rig->leaders[i] != NULL && axi_leader_term(rig->leaders[i]) != 0) {
            return i;
        }
    }
    return -1;
}

/* ---- tests ---- */

static void one_leads_at_once_and_the_others_know_it(void **state)
{
    struct rig *rig = *state;
    size_t count = 0;

    start(rig, 0);
    (void)axi_leader_tick(rig->leaders[0]);
    assert_int_equal(axi_leader_term(rig->leaders[0]), 1);
    assert_true(axi_leader_revision(rig->leaders[0]) > 0);
    start(rig, 1);
    run(rig, 3, 3000);
    assert_int_equal(leading(rig), 0);
    assert_string_equal(axi_leader_present(rig->leaders[1])->name, "m0");
    (void)axi_leader_masters(rig->leaders[0], &count);
    assert_int_equal(count, 2);
    json_t *json = axi_leader_json(rig->leaders[1]);
    assert_string_equal(json_string_value(json_object_get(json_array_get(json, 0), "role")),
                        "leader");
    assert_string_equal(json_string_value(json_object_get(json_array_get(json, 1), "role")),
                        "standby");
    json_decref(json);
}

static void a_standby_follows_within_the_lease(void **state)
{
    struct rig *rig = *state;

    start(rig, 0);
    run(rig, 1, 20);
    start(rig, 1);
    start(rig, 2);
    run(rig, 7, 3000);
    kill_master(rig, 0);
    run(rig, 7, 1400); /* not before the lease, as far as it was kept, has ended */
    assert_int_equal(leading(rig), -1);
    run(rig, 7, 700);
    assert_true(leading(rig) >= 1);
}

static void two_at_once_are_not_two(void **state)
{
    struct rig *rig = *state;

    for (int i = 0; i < MASTERS; i++) {
        start(rig, i);
    }
    for (int round = 0; round < 5; round++) {
        run(rig, 7, 3000);
        int first = leading(rig);

        assert_true(first >= 0);
        kill_master(rig, first);
        run(rig, 7, 2600);
        assert_true(leading(rig) >= 0 && leading(rig) != first);
        start(rig, first);
    }
}

static void an_orderly_end_is_followed_at_once(void **state)
{
    struct rig *rig = *state;

    start(rig, 0);
    run(rig, 1, 20);
    start(rig, 1);
    run(rig, 3, 1000);
    axi_leader_resign(rig->leaders[0]);
    assert_int_equal(axi_leader_term(rig->leaders[0]), 0);
    kill_master(rig, 0);
    run(rig, 3, 200);
    assert_int_equal(leading(rig), 1);
}

static void a_restart_does_not_wait_for_its_own_past(void **state)
{
    struct rig *rig = *state;

    start(rig, 0);
    run(rig, 1, 1000);
    kill_master(rig, 0);
    start(rig, 0);
    (void)axi_leader_tick(rig->leaders[0]);
    assert_int_equal(leading(rig), 0);
}

static void one_that_slept_beyond_its_lease_steps_down(void **state)
{
    struct rig *rig = *state;

    start(rig, 0);
    run(rig, 1, 20);
    start(rig, 1);
    run(rig, 3, 2000);
    run(rig, 2, 2600); /* the leader sleeps */
    assert_int_equal(axi_leader_term(rig->leaders[1]), 1);
    assert_int_equal(axi_leader_term(rig->leaders[0]), 1); /* it does not know yet */
    (void)axi_leader_tick(rig->leaders[0]);
    assert_int_equal(axi_leader_term(rig->leaders[0]), 0);
    run(rig, 3, 3000);
    assert_int_equal(leading(rig), 1);
    assert_string_equal(axi_leader_present(rig->leaders[0])->name, "m1");
}

static void who_slept_alone_goes_on_in_the_same_term(void **state)
{
    struct rig *rig = *state;

    start(rig, 0);
    run(rig, 1, 2000);
    rig->now_ns += 10000 * MS;
    run(rig, 1, 100);
    assert_int_equal(axi_leader_term(rig->leaders[0]), 1);
    start(rig, 1); /* the key is there again */
    run(rig, 3, 100);
    assert_string_equal(axi_leader_present(rig->leaders[1])->name, "m0");
}

static void all_asleep_and_one_leads_again_in_a_new_term(void **state)
{
    struct rig *rig = *state;

    start(rig, 0);
    run(rig, 1, 20);
    start(rig, 1);
    run(rig, 3, 1000);
    rig->now_ns += 5000 * MS; /* the machine was suspended */
    run(rig, 3, 2600);
    assert_true(leading(rig) >= 0);
    if (leading(rig) == 0) { /* what it knew is old: its core is made anew */
        assert_int_equal(axi_leader_term(rig->leaders[0]), 2);
    }
}

static void a_leader_cut_off_from_the_store_steps_down_by_its_clock(void **state)
{
    struct rig *rig = *state;

    start(rig, 0);
    run(rig, 1, 20);
    start(rig, 1);
    run(rig, 3, 2000);
    rig->stores[0].fails = -AXC_EUNAVAILABLE;
    run(rig, 3, 2600); /* run() watches that never two lead */
    assert_int_equal(leading(rig), 1);
    rig->stores[0].fails = 0;
    run(rig, 3, 3000);
    assert_int_equal(leading(rig), 1);
}

static void without_a_store_one_alone_goes_on_waiting(void **state)
{
    struct rig *rig = *state;

    start(rig, 0);
    run(rig, 1, 1000);
    rig->stores[0].fails = -AXC_ETIMEOUT;
    run(rig, 1, 10000);
    assert_int_equal(axi_leader_term(rig->leaders[0]), 1);
    rig->stores[0].fails = 0;
    run(rig, 1, 1000);
    assert_int_equal(axi_leader_term(rig->leaders[0]), 1);
}

static void an_unknown_outcome_is_looked_up(void **state)
{
    struct rig *rig = *state;

    start(rig, 0);
    rig->stores[0].is_silent = true;
    run(rig, 1, 500);
    assert_int_equal(axi_leader_term(rig->leaders[0]), 1);
    start(rig, 1);
    run(rig, 3, 500);
    assert_int_equal(leading(rig), 0);
}

static void a_clock_that_jumps_ahead_costs_the_lead_at_most(void **state)
{
    struct rig *rig = *state;

    start(rig, 0);
    run(rig, 1, 20);
    start(rig, 1);
    run(rig, 3, 1000);
    rig->skew_ns[0] += 60000 * MS;
    run(rig, 3, 3000);
    assert_true(leading(rig) >= 0);
    rig->skew_ns[1] += 60000 * MS;
    run(rig, 3, 3000);
    assert_true(leading(rig) >= 0);
}

static void who_lacks_images_leaves_the_lead_to_others_for_a_while(void **state)
{
    struct rig *rig = *state;

    start(rig, 0);
    run(rig, 1, 20);
    start(rig, 1);
    start(rig, 2);
    axi_leader_set_images(rig->leaders[1], 0, false);
    run(rig, 7, 1000);
    kill_master(rig, 0);
    run(rig, 7, 2600);
    assert_int_equal(leading(rig), 2);
    kill_master(rig, 2);
    run(rig, 7, 2600);
    assert_int_equal(leading(rig), 1); /* alone: there is nobody it could be left to */
}

static void who_could_not_take_over_lets_another_try(void **state)
{
    struct rig *rig = *state;

    start(rig, 0);
    run(rig, 1, 20);
    start(rig, 1);
    run(rig, 3, 1000);
    axi_leader_pass(rig->leaders[0]);
    run(rig, 3, 500);
    assert_int_equal(leading(rig), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(one_leads_at_once_and_the_others_know_it, setup, teardown),
        cmocka_unit_test_setup_teardown(a_standby_follows_within_the_lease, setup, teardown),
        cmocka_unit_test_setup_teardown(two_at_once_are_not_two, setup, teardown),
        cmocka_unit_test_setup_teardown(an_orderly_end_is_followed_at_once, setup, teardown),
        cmocka_unit_test_setup_teardown(a_restart_does_not_wait_for_its_own_past, setup, teardown),
        cmocka_unit_test_setup_teardown(one_that_slept_beyond_its_lease_steps_down, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(who_slept_alone_goes_on_in_the_same_term, setup, teardown),
        cmocka_unit_test_setup_teardown(all_asleep_and_one_leads_again_in_a_new_term, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_leader_cut_off_from_the_store_steps_down_by_its_clock,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(without_a_store_one_alone_goes_on_waiting, setup, teardown),
        cmocka_unit_test_setup_teardown(an_unknown_outcome_is_looked_up, setup, teardown),
        cmocka_unit_test_setup_teardown(a_clock_that_jumps_ahead_costs_the_lead_at_most, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(who_lacks_images_leaves_the_lead_to_others_for_a_while,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(who_could_not_take_over_lets_another_try, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
