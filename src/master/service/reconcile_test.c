/* SPDX-License-Identifier: Apache-2.0 */
/* What was declared stays true: deaths, wrong replicas, masters that die, nodes that flap, no room,
 * degraded replicas and back. */
#include "master/service/fake_services.h"

#include "base/sha256.h"
#include "support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MS 1000000ull

static void ready_tmr(struct rig *rig)
{
    rig_apply(rig, RIG_TMR);
    rig_run(rig, 1500);
    rig_assert_ready(rig, "brake", 3);
    rig->is_watching = true;
    rig->least_running = 3;
}

static void a_dead_node_s_replica_is_replaced_diversely(void **state)
{
    struct rig *rig = *state;
    uint32_t victim;

    ready_tmr(rig);
    victim = rig_node_of(rig, "brake");
    fake_kill(&rig->c, victim);
    rig_run(rig, 3000);
    rig_assert_ready(rig, "brake", 3);
    assert_int_equal(rig_platforms(rig, "brake"), 3);
    assert_int_equal(rig->least_running, 2);
    assert_int_equal(rig_number(rig, "brake", "generation"), 1);
    assert_true(rig_has_event(rig, "replica-placed"));
}

/* Three of four nodes cannot keep a place for another loss: what is there must be used. */
static void what_was_kept_for_a_loss_is_used_after_it(void **state)
{
    struct rig *rig = *state;

    rig_apply(rig, "{\"kind\":\"Service\",\"name\":\"brake\",\"image\":\"multi\","
                   "\"mode\":\"tmr\",\"survive_node_loss\":true}");
    rig_run(rig, 1500);
    rig_assert_ready(rig, "brake", 3);
    fake_kill(&rig->c, rig_node_of(rig, "brake"));
    rig_run(rig, 3000);
    rig_assert_ready(rig, "brake", 3);
    assert_true(rig_has_event(rig, "spare-used"));
}

static void a_replacement_begins_with_the_state_of_a_running_one(void **state)
{
    struct rig *rig = *state;
    uint32_t victim;

    ready_tmr(rig);
    victim = rig_node_of(rig, "brake");
    fake_kill(&rig->c, victim);
    for (uint32_t n = 0; n < 4; n++) {
        rig->c.nodes[n].start = (axi_Start){0};
    }
    rig_run(rig, 3000);
    for (uint32_t n = 0; n < 4; n++) {
        if (rig->c.nodes[n].start.task_id != 0) {
            assert_true(rig->c.nodes[n].start.has_checkpoint);
            assert_int_equal(rig->c.nodes[n].start.first_job, 7);
        }
    }
}

static void replica_numbers_are_never_used_twice(void **state)
{
    struct rig *rig = *state;

    ready_tmr(rig);
    for (uint64_t boot = 500; boot < 503; boot++) {
        uint32_t victim = rig_node_of(rig, "brake");

        fake_kill(&rig->c, victim);
        rig_run(rig, 3000);
        fake_revive(&rig->c, victim, boot);
        rig_run(rig, 1500);
    }
    rig_assert_ready(rig, "brake", 3);
    assert_int_equal(axi_service_find(rig->c.master, "brake")->numbers, 6);
}

static void when_no_node_is_left_it_waits_and_goes_on_later(void **state)
{
    struct rig *rig = *state;

    ready_tmr(rig);
    fake_kill(&rig->c, 0);
    fake_kill(&rig->c, 1);
    rig_run(rig, 4000);
    assert_int_equal(rig_number(rig, "brake", "ready"), 2);
    assert_true(rig_has_event(rig, "service-short"));
    fake_revive(&rig->c, 1, 900);
    rig_run(rig, 3000);
    rig_assert_ready(rig, "brake", 3);
    assert_true(rig_has_event(rig, "service-ready"));
}

static void a_service_whose_replicas_all_died_is_made_anew(void **state)
{
    struct rig *rig = *state;

    ready_tmr(rig);
    for (uint32_t n = 0; n < 4; n++) {
        fake_kill(&rig->c, n);
    }
    rig_run(rig, 2000);
    for (uint32_t n = 0; n < 4; n++) {
        fake_revive(&rig->c, n, 700 + n);
    }
    rig_run(rig, 15000);
    rig_assert_ready(rig, "brake", 3);
}

static void another_master_goes_on_at_every_crash_point(void **state)
{
    uint32_t count = 0;
    (void)axi_master_crash_points(&count);
    (void)state;
    for (uint32_t point = 0; point < count; point++) {
        struct rig *rig = NULL;

        rig_setup((void **)&rig);
        ready_tmr(rig);
        rig->c.crash_at = (int)point;
        fake_kill(&rig->c, rig_node_of(rig, "brake"));
        rig_run(rig, 6000);
        rig->c.crash_at = -1;
        rig_assert_ready(rig, "brake", 3);
        assert_int_equal(rig_platforms(rig, "brake"), 3);
        assert_int_equal(fake_active_count(&rig->c), 3);
        assert_true(rig->least_running >= 2);
        rig_teardown((void **)&rig);
    }
}

/* ---- a store that fails ---- */

struct bad_store {
    struct axi_store store;
    struct axi_store *real;
    bool is_down;
    bool is_mute;            /* it does what it is told, and answers nothing */
    uint32_t every, commits; /* every n-th commit has an unknown outcome; 0 = none */
};

static struct bad_store *bad_of(struct axi_store *store)
{
    return (struct bad_store *)store;
}

static int bad_get(struct axi_store *s, const char *key, struct axi_store_value *ret)
{
    return bad_of(s)->is_down || bad_of(s)->is_mute ? -AXC_EUNAVAILABLE
                                                    : axi_store_get(bad_of(s)->real, key, ret);
}

static int bad_commit(struct axi_store *s, const struct axi_store_op *ops, size_t count,
                      uint64_t *ret_revision)
{
    struct bad_store *bad = bad_of(s);
    bool is_unknown = bad->every != 0 && ++bad->commits % bad->every == 0;
    int rc;

    if (bad->is_down) {
        return -AXC_EUNAVAILABLE;
    }
    if (is_unknown && bad->commits / bad->every % 2 == 0) {
        return -AXC_ETIMEOUT; /* it did not happen */
    }
    rc = axi_store_commit(bad->real, ops, count, ret_revision);
    return (is_unknown || bad->is_mute) && rc == 0 ? -AXC_ETIMEOUT : rc; /* it did */
}

static int bad_list(struct axi_store *s, const char *prefix, axi_store_visit visit, void *context)
{
    return bad_of(s)->is_down ? -AXC_EUNAVAILABLE
                              : axi_store_list(bad_of(s)->real, prefix, visit, context);
}

static int bad_changes(struct axi_store *s, const char *prefix, uint64_t after,
                       axi_store_changed changed, void *context, uint64_t *ret_revision)
{
    return bad_of(s)->is_down
               ? -AXC_EUNAVAILABLE
               : axi_store_changes(bad_of(s)->real, prefix, after, changed, context, ret_revision);
}

static int bad_grant(struct axi_store *s, uint32_t ttl_ms, uint64_t *ret_lease)
{
    return axi_store_lease_grant(bad_of(s)->real, ttl_ms, ret_lease);
}

static int bad_keep(struct axi_store *s, uint64_t lease)
{
    return axi_store_lease_keep(bad_of(s)->real, lease);
}

static int bad_revoke(struct axi_store *s, uint64_t lease)
{
    return axi_store_lease_revoke(bad_of(s)->real, lease);
}

static const struct axi_store_ops bad_ops = {.get = bad_get,
                                             .commit = bad_commit,
                                             .list = bad_list,
                                             .changes = bad_changes,
                                             .lease_grant = bad_grant,
                                             .lease_keep = bad_keep,
                                             .lease_revoke = bad_revoke};

static void use_bad_store(struct rig *rig, struct bad_store *bad)
{
    *bad = (struct bad_store){.store = {.ops = &bad_ops}, .real = rig->c.store};
    rig->c.config.store = &bad->store;
    fake_restart_master(&rig->c);
    rig_run(rig, 1000);
}

static void nothing_is_lost_while_the_store_is_away(void **state)
{
    struct rig *rig = *state;
    struct bad_store bad;

    use_bad_store(rig, &bad);
    ready_tmr(rig);
    bad.is_down = true;
    rig_run(rig, 200);
    fake_kill(&rig->c, rig_node_of(rig, "brake"));
    rig_run(rig, 3000);
    assert_int_equal(rig_number(rig, "brake", "replicas"), 3);
    bad.is_down = false;
    rig_run(rig, 5000);
    rig_assert_ready(rig, "brake", 3);
    assert_int_equal(fake_active_count(&rig->c), 3);
}

static void unknown_outcomes_are_settled(void **state)
{
    struct rig *rig = *state;
    struct bad_store bad;

    for (uint32_t every = 2; every < 9; every++) {
        use_bad_store(rig, &bad);
        bad.every = every;
        rig_apply(rig, RIG_TMR);
        rig_run(rig, 4000);
        fake_kill(&rig->c, every % 4);
        rig_run(rig, 4000);
        fake_revive(&rig->c, every % 4, 600 + every);
        rig_run(rig, 4000);
        bad.every = 0;
        rig_run(rig, 3000);
        rig_assert_ready(rig, "brake", 3);
        assert_int_equal(fake_active_count(&rig->c), 3);
    }
}

static void a_declaration_of_unknown_outcome_is_kept_true(void **state)
{
    struct rig *rig = *state;
    struct bad_store bad;

    use_bad_store(rig, &bad);
    bad.is_mute = true;
    json_decref(rig_answer(rig, "{\"objects\": [" RIG_TMR "]}", -AXC_ETIMEOUT));
    bad.is_mute = false;
    rig_run(rig, 3000);
    rig_assert_ready(rig, "brake", 3);
    json_decref(rig_answer(rig, "{\"objects\": [" RIG_TMR "]}", 0));
    assert_int_equal(rig_number(rig, "brake", "generation"), 1);
}

static void images_come_and_go_although_outcomes_are_unknown(void **state)
{
    struct rig *rig = *state;
    struct axi_image_info image = {.digest = {77},
                                   .reference = "fleeting",
                                   .spec = {.name = "fleeting",
                                            .period_ns = 10 * MS,
                                            .deadline_ns = 10 * MS,
                                            .state_bytes = 16},
                                   .entry_count = 1,
                                   .entries = {{"linux-x86_64", {1}, 100, MS}}};
    struct bad_store bad;
    struct axi_sha256 sha;

    axi_sha256_init(&sha);
    axi_sha256_update(&sha, "{}", 2);
    axi_sha256_final(&sha, image.spec.schema_hash);
    use_bad_store(rig, &bad);
    bad.every = 2;
    for (int i = 0; i < 4; i++) {
        assert_int_equal(axi_master_image_add(rig->c.master, &image, rig->reason), 0);
        assert_int_equal(
            axi_master_schema_add(rig->c.master, "{}", image.spec.schema_hash, rig->reason), 0);
        assert_int_equal(axi_master_image_delete(rig->c.master, "fleeting", rig->reason), 0);
    }
    assert_true(bad.commits >= 16);
    bad.every = 1;
    bad.is_down = true;
    assert_int_equal(axi_master_image_add(rig->c.master, &image, rig->reason), -AXC_EUNAVAILABLE);
}

static void a_wrong_replica_is_replaced_elsewhere(void **state)
{
    struct rig *rig = *state;
    struct axi_service *s;
    struct axi_member *bad;
    uint64_t task;
    uint32_t node;

    ready_tmr(rig);
    s = axi_service_find(rig->c.master, "brake");
    node = rig_node_of(rig, "brake");
    bad = &s->members[0];
    task = bad->task;
    rig->c.nodes[node].received[AXI_WIRE_LOAD] = 0;
    axi_service_replica_bad(rig->c.master, s, task, true);
    axi_service_replica_bad(rig->c.master, s, task, true); /* said twice */
    rig_run(rig, 4000);
    rig_assert_ready(rig, "brake", 3);
    assert_null(axi_member_find(axi_service_find(rig->c.master, "brake"), task));
    assert_true(rig->least_running >= 2);
    assert_int_equal(rig->c.nodes[node].received[AXI_WIRE_LOAD], 0);
}

static void at_the_minimum_a_wrong_one_goes_only_after_its_successor_counts(void **state)
{
    struct rig *rig = *state;
    struct axi_service *s;
    uint64_t task;

    rig_apply(rig,
              "{\"kind\":\"Service\",\"name\":\"brake\",\"image\":\"multi\",\"mode\":\"2oo2\"}");
    rig_run(rig, 1500);
    rig_assert_ready(rig, "brake", 2);
    rig->is_watching = true;
    rig->least_running = 2;
    s = axi_service_find(rig->c.master, "brake");
    task = s->members[0].task;
    axi_service_replica_bad(rig->c.master, s, task, false);
    rig_run(rig, 4000);
    rig_assert_ready(rig, "brake", 2);
    assert_null(axi_member_find(axi_service_find(rig->c.master, "brake"), task));
    assert_int_equal(rig->least_running, 2);
}

/* An old one may be moved off its node, but not to where another replica is. */
static void an_old_replica_is_moved_by_its_service_s_demands(void **state)
{
    struct rig *rig = *state;
    struct axi_service *s;
    struct axi_snapshot *snapshot;
    uint64_t old, other;

    ready_tmr(rig);
    s = axi_service_find(rig->c.master, "brake");
    old = s->members[0].task;
    other = axi_task_find(rig->c.master, s->members[1].task)->record.owner;
    s->members[0].role = AXI_MEMBER_OLD;
    snapshot = axi_snapshot_for_move(rig->c.master, old);
    assert_non_null(snapshot);
    for (size_t t = 0; t < snapshot->problem.task_count; t++) {
        for (size_t n = 0; n < snapshot->problem.node_count; n++) {
            char reason[AXI_PLAN_REASON_BYTES] = "";
            double score = 0;

            if (snapshot->problem.tasks[t].id == old &&
                snapshot->problem.nodes[n].place.id == other) {
                assert_int_equal(axi_plan_judge(&snapshot->problem, t, n, &score, reason),
                                 -AXC_EPLACE_SHARED);
                old = 0; /* it was there */
            }
        }
    }
    axi_snapshot_free(snapshot);
    assert_int_equal(old, 0);
}

static void a_flapping_node_is_left_alone_until_it_is_quiet(void **state)
{
    struct rig *rig = *state;

    rig_apply(rig, "{\"kind\":\"Policy\",\"flapping\":{\"window_s\":20,\"limit\":2}}");
    for (uint64_t boot = 800; boot < 802; boot++) {
        fake_kill(&rig->c, 0);
        rig_run(rig, 1000);
        fake_revive(&rig->c, 0, boot);
        rig_run(rig, 500);
    }
    assert_true(rig_has_event(rig, "node-flapping"));
    rig->c.nodes[0].received[AXI_WIRE_LOAD] = 0;
    rig_apply(rig, RIG_COUNT("3"));
    rig_run(rig, 3000);
    rig_assert_ready(rig, "many", 3);
    fake_kill(&rig->c, 1);
    rig_run(rig, 3000);
    assert_int_equal(rig->c.nodes[0].received[AXI_WIRE_LOAD], 0);
    rig_run(rig, 30000);
    rig_assert_ready(rig, "many", 3);
    assert_int_not_equal(rig->c.nodes[0].received[AXI_WIRE_LOAD], 0);
}

static void drained_replicas_move_and_the_minimum_holds(void **state)
{
    struct rig *rig = *state;
    uint32_t node;
    char name[8];
    uint64_t op = 0;
    json_t *json;

    ready_tmr(rig);
    node = rig_node_of(rig, "brake");
    (void)snprintf(name, sizeof(name), "n%u", node + 1);
    assert_int_equal(axi_master_drain(rig->c.master, name, 10000 * MS, &op, rig->reason), 0);
    rig_run(rig, 4000);
    assert_int_equal(fake_op_code(&rig->c, op), 0);
    rig_assert_ready(rig, "brake", 3);
    assert_int_equal(rig_nodes(rig, "brake"), 3);
    assert_true(rig->least_running >= 2);
    json = axi_master_node(rig->c.master, name);
    assert_int_equal(json_array_size(json_object_get(json, "tasks")), 0);
    json_decref(json);
}

static void a_drain_that_cannot_end_names_what_stayed(void **state)
{
    struct rig *rig = *state;
    json_t *pinned = json_loads("{\"image\":\"multi\",\"name\":\"p\",\"node\":\"n1\"}", 0, NULL);
    uint64_t op = 0;
    const json_t *stayed;
    json_t *json;

    assert_int_equal(axi_master_deploy(rig->c.master, pinned, &op, rig->reason), 0);
    json_decref(pinned);
    rig_run(rig, 500);
    assert_int_equal(axi_master_drain(rig->c.master, "n1", 1000 * MS, &op, rig->reason), 0);
    assert_int_equal(axi_master_drain(rig->c.master, "n1", 1000 * MS, &op, rig->reason),
                     -AXC_EBUSY);
    rig_run(rig, 2000);
    json = axi_master_op(rig->c.master, op);
    assert_int_equal(fake_op_code(&rig->c, op), -AXC_ETIMEOUT);
    assert_string_equal(json_string_value(json_object_get(json, "reason")), "1 stays on n1: p");
    stayed = json_array_get(json_object_get(json_object_get(json, "result"), "stayed"), 0);
    assert_string_equal(axi_json_get_text(stayed, "task"), "p");
    assert_non_null(strstr(axi_json_get_text(stayed, "reason"), "was deployed for this node"));
    json_decref(json);
}

static void a_drain_is_gone_on_with_by_another_master(void **state)
{
    struct rig *rig = *state;
    uint32_t node;
    char name[8];
    uint64_t op = 0;

    ready_tmr(rig);
    node = rig_node_of(rig, "brake");
    (void)snprintf(name, sizeof(name), "n%u", node + 1);
    assert_int_equal(axi_master_drain(rig->c.master, name, 10000 * MS, &op, rig->reason), 0);
    fake_restart_master(&rig->c);
    rig_run(rig, 5000);
    rig_assert_ready(rig, "brake", 3);
    assert_true(rig_has_event(rig, "node-drained"));
    for (size_t k = 0; k < 8; k++) {
        assert_int_not_equal(rig->c.nodes[node].instances[k].state, AXI_SLOT_ACTIVE);
    }
}

#define SINGLE                                                                                     \
    "{\"kind\":\"Service\",\"name\":\"solo\",\"image\":\"multi\",\"mode\":\"single\","             \
    "\"assurance\":\"isolated\",\"degraded\":{\"assurance\":\"realtime\",\"after_s\":2}}"

static void a_single_service_degrades_and_recovers(void **state)
{
    struct rig *rig = *state;
    json_t *json;

    fake_kill(&rig->c, 3);
    rig_run(rig, 1000);
    rig->c.nodes[3].assurance = 2;
    fake_revive(&rig->c, 3, 900);
    rig_run(rig, 500);
    rig_apply(rig, SINGLE);
    rig_run(rig, 1500);
    rig_assert_ready(rig, "solo", 1);
    assert_int_equal(rig_node_of(rig, "solo"), 3);
    fake_kill(&rig->c, 3);
    rig_run(rig, 20000);
    assert_true(rig_has_event(rig, "degraded"));
    json = axi_master_service(rig->c.master, "solo");
    assert_string_equal(json_string_value(json_object_get(json, "state")), "degraded");
    json_decref(json);
    assert_int_equal(fake_active_count(&rig->c), 1);
    fake_revive(&rig->c, 3, 901);
    rig_run(rig, 8000);
    assert_true(rig_has_event(rig, "recovered"));
    rig_assert_ready(rig, "solo", 1);
    assert_int_equal(rig_node_of(rig, "solo"), 3);
    assert_int_equal(fake_active_count(&rig->c), 1);
}

/* Its state is that of job 7, two hundred jobs ago: nobody runs that it would have to agree with.
 */
static void the_only_replica_made_anew_does_not_catch_up(void **state)
{
    struct rig *rig = *state;
    const struct axi_service *s;
    const struct axi_record *record;
    uint64_t failed;
    uint64_t failed_at;
    uint64_t release_ns;
    uint64_t next_ns;

    rig_apply(rig, "{\"kind\":\"Service\",\"name\":\"solo\",\"image\":\"multi\","
                   "\"mode\":\"single\"}");
    rig_run(rig, 2000);
    rig_assert_ready(rig, "solo", 1);
    s = axi_service_find(rig->c.master, "solo");
    failed = s->members[0].task;
    release_ns = axi_task_find(rig->c.master, failed)->record.release_ns;
    fake_put_checkpoint(&rig->c, failed, failed, 7);
    rig->c.nodes[rig_node_of(rig, "solo")].instances[0].state = AXI_SLOT_FAILED;
    failed_at = rig->c.now_ns;
    rig_run(rig, 3000);
    rig_assert_ready(rig, "solo", 1);
    assert_int_not_equal(s->members[0].task, failed);
    record = &axi_task_find(rig->c.master, s->members[0].task)->record;
    assert_int_equal(record->checkpoint_job, 7);
    next_ns = record->release_ns + 7 * 10 * MS;
    assert_true(next_ns >= failed_at);
    assert_int_equal((record->release_ns - release_ns) % (10 * MS), 0);
    assert_true(next_ns < failed_at + 3000 * MS);
}

/* The task of 70 % fits only on n1, and only when the replica of 40 % leaves it. */
static void room_is_made_for_a_task_that_fits_nowhere(void **state)
{
    struct rig *rig = *state;
    json_t *task = json_loads("{\"image\":\"multi\",\"name\":\"big\",\"wcet_us\":{"
                              "\"linux-x86_64\":7000,\"linux-aarch64\":7000,"
                              "\"axcan-virt\":9500,\"axcan-partition\":9500}}",
                              0, NULL);
    uint64_t op = 0;

    rig_apply(rig, "{\"kind\":\"Service\",\"name\":\"a\",\"image\":\"multi\","
                   "\"mode\":\"single\",\"nodes\":[\"n1\",\"n2\"],\"prefer\":{\"x\":\"y\"},"
                   "\"wcet_us\":{\"linux-x86_64\":4000,\"axcan-virt\":4000}}");
    rig_apply(rig, "{\"kind\":\"Node\",\"name\":\"n1\",\"labels\":{\"x\":\"y\"}}");
    rig_run(rig, 12000);
    rig_assert_ready(rig, "a", 1);
    assert_int_equal(rig_node_of(rig, "a"), 0);
    fake_kill(&rig->c, 3); /* the only other one that could run it */
    rig_run(rig, 1000);
    assert_int_equal(axi_master_deploy(rig->c.master, task, &op, rig->reason), 0);
    rig_run(rig, 2000);
    assert_true(rig_has_event(rig, "room-made"));
    assert_int_equal(fake_op_code(&rig->c, op), 0);
    assert_int_equal(rig_node_of(rig, "a"), 1);
    json_decref(task);
}

static void a_preferred_node_is_gone_home_to(void **state)
{
    struct rig *rig = *state;

    rig_apply(rig, "{\"kind\":\"Policy\",\"rebalance\":{\"cooldown_s\":2}}");
    rig_apply(rig, "{\"kind\":\"Node\",\"name\":\"n2\",\"labels\":{\"rack\":\"a\"}}");
    rig_apply(rig, "{\"kind\":\"Service\",\"name\":\"pref\",\"image\":\"multi\","
                   "\"mode\":\"at-least-one\",\"prefer\":{\"rack\":\"a\"}}");
    rig_run(rig, 1500);
    rig_assert_ready(rig, "pref", 2);
    assert_int_equal(axi_master_cordon(rig->c.master, "n2", true, rig->reason), 0);
    fake_kill(&rig->c, 1);
    rig_run(rig, 3000);
    rig_assert_ready(rig, "pref", 2);
    fake_revive(&rig->c, 1, 950);
    assert_int_equal(axi_master_cordon(rig->c.master, "n2", false, rig->reason), 0);
    rig_run(rig, 8000);
    assert_true(rig_has_event(rig, "home"));
    rig_assert_ready(rig, "pref", 2);
}

static void nobody_goes_home_to_where_one_was_bad(void **state)
{
    struct rig *rig = *state;
    struct axi_service *s;

    rig_apply(rig, "{\"kind\":\"Policy\",\"rebalance\":{\"cooldown_s\":2}}");
    rig_apply(rig, "{\"kind\":\"Service\",\"name\":\"pref\",\"image\":\"multi\","
                   "\"mode\":\"at-least-one\",\"prefer\":{\"rack\":\"a\"}}");
    rig_run(rig, 1500);
    s = axi_service_find(rig->c.master, "pref");
    for (uint32_t n = 0; n < 4; n++) {
        char node[80];

        if (axi_task_find(rig->c.master, s->members[0].task)->record.owner != n + 1 &&
            axi_task_find(rig->c.master, s->members[1].task)->record.owner != n + 1) {
            (void)snprintf(node, sizeof(node),
                           "{\"kind\":\"Node\",\"name\":\"n%u\",\"labels\":{\"rack\":\"a\"}}",
                           n + 1);
            rig_apply(rig, node);
            axi_service_avoid(rig->c.master, s, n + 1, 10000 * MS);
        }
    }
    rig_run(rig, 8000);
    assert_false(rig_has_event(rig, "home"));
    rig_run(rig, 8000);
    assert_true(rig_has_event(rig, "home"));
}

static void replicas_move_off_nodes_that_do_not_fit_any_more(void **state)
{
    struct rig *rig = *state;
    uint32_t node;
    char object[256];

    rig_apply(rig, RIG_COUNT("2"));
    rig_run(rig, 1500);
    node = rig_node_of(rig, "many");
    (void)snprintf(object, sizeof(object),
                   "{\"kind\":\"Service\",\"name\":\"many\",\"image\":\"multi\",\"minimum\":1,"
                   "\"mode\":\"at-least-one\",\"replicas\":2,\"nodes\":[\"n%u\",\"n%u\",\"n%u\"]}",
                   (node + 1) % 4 + 1, (node + 2) % 4 + 1, (node + 3) % 4 + 1);
    rig_apply(rig, object);
    rig_run(rig, 4000);
    rig_assert_ready(rig, "many", 2);
    assert_true(rig_has_event(rig, "misplaced"));
    for (size_t k = 0; k < 8; k++) {
        assert_int_not_equal(rig->c.nodes[node].instances[k].state, AXI_SLOT_ACTIVE);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(a_dead_node_s_replica_is_replaced_diversely),
        RIG_TEST(what_was_kept_for_a_loss_is_used_after_it),
        RIG_TEST(a_replacement_begins_with_the_state_of_a_running_one),
        RIG_TEST(replica_numbers_are_never_used_twice),
        RIG_TEST(when_no_node_is_left_it_waits_and_goes_on_later),
        RIG_TEST(a_service_whose_replicas_all_died_is_made_anew),
        cmocka_unit_test(another_master_goes_on_at_every_crash_point),
        RIG_TEST(nothing_is_lost_while_the_store_is_away),
        RIG_TEST(unknown_outcomes_are_settled),
        RIG_TEST(a_declaration_of_unknown_outcome_is_kept_true),
        RIG_TEST(images_come_and_go_although_outcomes_are_unknown),
        RIG_TEST(a_wrong_replica_is_replaced_elsewhere),
        RIG_TEST(at_the_minimum_a_wrong_one_goes_only_after_its_successor_counts),
        RIG_TEST(an_old_replica_is_moved_by_its_service_s_demands),
        RIG_TEST(a_flapping_node_is_left_alone_until_it_is_quiet),
        RIG_TEST(drained_replicas_move_and_the_minimum_holds),
        RIG_TEST(a_drain_that_cannot_end_names_what_stayed),
        RIG_TEST(a_drain_is_gone_on_with_by_another_master),
        RIG_TEST(a_single_service_degrades_and_recovers),
        RIG_TEST(the_only_replica_made_anew_does_not_catch_up),
        RIG_TEST(replicas_move_off_nodes_that_do_not_fit_any_more),
        RIG_TEST(room_is_made_for_a_task_that_fits_nowhere),
        RIG_TEST(a_preferred_node_is_gone_home_to),
        RIG_TEST(nobody_goes_home_to_where_one_was_bad),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
