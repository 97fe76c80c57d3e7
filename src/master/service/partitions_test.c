/* SPDX-License-Identifier: Apache-2.0 */
/* Partitions on demand over scripted hosts: each starts a scripted node when it is asked to, and
 * reports it as axcan-host would. */
#include "master/service/fake_services.h"
#include "master/service/hosts.h"

#include "support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SYNC_MS 250u
#define SAFE                                                                                       \
    "{\"kind\":\"Service\",\"name\":\"safe\",\"image\":\"multi\",\"mode\":\"single\","             \
    "\"assurance\":\"partition\"}"
#define SAFE_COUNT(count)                                                                          \
    "{\"kind\":\"Service\",\"name\":\"safe\",\"image\":\"multi\",\"mode\":\"at-least-one\","       \
    "\"minimum\":1,\"assurance\":\"partition\",\"replicas\":" count "}"
#define SAFE_UPDATE(backlog)                                                                       \
    "{\"kind\":\"Service\",\"name\":\"safe\",\"image\":\"multi\",\"mode\":\"single\","             \
    "\"assurance\":\"partition\",\"minimum\":1,\"wcet_us\":{\"axcan-virt\":6000},"                 \
    "\"backlog_max\":" backlog "}"
#define QUICK "{\"kind\":\"Policy\",\"partitions\":{\"idle_s\":2,\"start_s\":5}}"
#define FOUR                                                                                       \
    "\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9" /* of two bytes each: where it is cut, one is halved */
#define LONG_REASON                                                                                \
    FOUR FOUR FOUR FOUR FOUR FOUR FOUR FOUR FOUR FOUR FOUR FOUR FOUR FOUR FOUR FOUR FOUR FOUR FOUR \
        FOUR FOUR FOUR
#define FIRST_NODE 4u /* of the scripted ones, two are left: partitions of one host or of two */

struct host {
    const char *name;
    uint32_t max;
    uint32_t first; /* scripted node of its p1 */
    bool is_broken; /* nothing starts */
    bool is_deaf;   /* it starts nothing and says so never */
    bool is_silent; /* it does not report */
    uint64_t id;
    uint32_t run[2];
    bool has_failed[2];
    uint32_t starts;
};

struct hosts {
    struct rig *rig;
    struct host list[2];
    size_t count;
    uint32_t boots;
};

static json_t *report_of(const struct hosts *all, const struct host *host)
{
    json_t *partitions = json_array();

    for (uint32_t i = 0; i < 2; i++) {
        bool is_dead = !all->rig->c.nodes[FIRST_NODE + (host->first + i) % 2].is_alive;
        char name[32];

        (void)snprintf(name, sizeof(name), "%s-p%u", host->name, i + 1);
        if (host->run[i] != 0) {
            json_array_append_new(partitions,
                                  json_pack("{s:s, s:i, s:s, s:s}", "name", name, "run",
                                            (int)host->run[i], "state",
                                            host->has_failed[i] || is_dead ? "failed" : "running",
                                            "reason", LONG_REASON));
        }
    }
    return json_pack("{s:o, s:s, s:s, s:s, s:i, s:{s:s, s:i, s:i, s:i, s:i, s:i, s:i}, s:o}", "id",
                     axi_json_id(host->id), "platform", "axcan-virt", "hypervisor", "fake",
                     "version", "1", "max", (int)host->max, "node", "assurance", "partition",
                     "services", 7, "slots", 8, "capacity_ppm", 900000, "memory_bytes", 1 << 20,
                     "server_budget_ns", 0, "server_period_ns", 0, "partitions", partitions);
}

static void begin(struct hosts *all, struct host *host, uint32_t slot, uint32_t run)
{
    static char names[2][2][32];
    uint32_t n = FIRST_NODE + (host->first + slot) % 2;
    char *name = names[host - all->list][slot];

    host->run[slot] = run;
    host->starts++;
    host->has_failed[slot] = host->is_broken;
    if (!host->is_broken) {
        (void)snprintf(name, 32, "%s-p%u", host->name, slot + 1);
        all->rig->c.nodes[n].name = name;
        all->rig->c.nodes[n].platform = "axcan-virt";
        all->rig->c.nodes[n].assurance = 3;
        fake_revive(&all->rig->c, n, 1000 + all->boots++);
    }
}

static void end(struct hosts *all, struct host *host, uint32_t slot)
{
    uint32_t n = FIRST_NODE + (host->first + slot) % 2;

    if (host->run[slot] != 0 && !host->has_failed[slot] && all->rig->c.nodes[n].is_alive) {
        fake_kill(&all->rig->c, n);
    }
    host->run[slot] = 0;
    host->has_failed[slot] = false;
}

static void obey(struct hosts *all, struct host *host, const json_t *partitions)
{
    for (size_t i = 0; i < json_array_size(partitions); i++) {
        const json_t *item = json_array_get(partitions, i);
        const char *name = json_string_value(json_object_get(item, "name"));
        uint32_t slot = (uint32_t)(name[strlen(name) - 1] - '1');
        uint32_t run = (uint32_t)json_integer_value(json_object_get(item, "run"));

        if (!json_is_true(json_object_get(item, "wanted"))) {
            end(all, host, slot);
        } else if (host->run[slot] != run && !host->is_deaf) {
            end(all, host, slot);
            begin(all, host, slot, run);
        }
    }
}

static void hosts_run(struct hosts *all, uint64_t ms)
{
    for (uint64_t at = 0; at < ms; at += SYNC_MS) {
        for (size_t h = 0; h < all->count; h++) {
            struct host *host = &all->list[h];
            json_t *report = report_of(all, host);
            json_t *answer = NULL;

            if (!host->is_silent && axi_master_host_report(all->rig->c.master, host->name, report,
                                                           &answer, all->rig->reason) == 0) {
                obey(all, host, json_object_get(answer, "partitions"));
            }
            json_decref(answer);
            json_decref(report);
        }
        fake_run(&all->rig->c, SYNC_MS);
    }
}

static struct hosts hosts_up(struct rig *rig, size_t count, uint32_t max)
{
    struct hosts all = {.rig = rig,
                        .list = {{.name = "edge1", .max = max, .id = 0xa1},
                                 {.name = "edge2", .max = max, .first = 1, .id = 0xa2}},
                        .count = count};

    rig_apply(rig, QUICK);
    hosts_run(&all, SYNC_MS);
    return all;
}

static uint32_t used(const struct hosts *all, const char *name)
{
    json_t *host = axi_master_host(all->rig->c.master, name);
    uint32_t count = (uint32_t)json_integer_value(json_object_get(host, "used"));

    assert_non_null(host);
    json_decref(host);
    return count;
}

static bool has_node(const struct hosts *all, const char *name)
{
    json_t *node = axi_master_node(all->rig->c.master, name);
    bool is_there = node != NULL;

    json_decref(node);
    return is_there;
}

static void remove_service(struct rig *rig)
{
    json_t *request = json_pack("{s:[{s:s, s:s}]}", "objects", "kind", "Service", "name", "safe");
    json_t *answer = NULL;

    assert_int_equal(axi_master_undeclare(rig->c.master, request, &answer, NULL), 0);
    json_decref(answer);
    json_decref(request);
}

/* ---- */

static void one_is_started_for_what_needs_it_and_not_two(void **state)
{
    struct rig *rig = *state;
    struct hosts all = hosts_up(rig, 2, 1);
    json_t *answer = rig_answer(rig, "{\"dry_run\": true, \"objects\": [" SAFE "]}", 0);

    assert_string_equal(rig_text(answer, "plan", "to"), "edge1-p1");
    assert_non_null(strstr(rig_text(answer, "plan", "why"), "would start a partition on edge1"));
    json_decref(answer);
    hosts_run(&all, 1000);
    assert_int_equal(all.list[0].starts + all.list[1].starts, 0); /* nothing was asked for yet */
    rig_apply(rig, SAFE);
    hosts_run(&all, 4000);
    rig_assert_ready(rig, "safe", 1);
    assert_int_equal(rig_node_of(rig, "safe"), FIRST_NODE);
    assert_int_equal(all.list[0].starts, 1);
    assert_int_equal(all.list[1].starts, 0);
    assert_true(rig_has_event(rig, "partition-wanted") && rig_has_event(rig, "partition-up"));
    hosts_run(&all, 10000); /* not idle: it has a task */
    assert_int_equal(used(&all, "edge1"), 1);
}

static void replicas_get_one_each_spread_over_hosts(void **state)
{
    struct rig *rig = *state;
    struct hosts all = hosts_up(rig, 2, 1);

    rig_apply(rig, SAFE_COUNT("2"));
    hosts_run(&all, 5000);
    rig_assert_ready(rig, "safe", 2);
    assert_int_equal(all.list[0].starts, 1);
    assert_int_equal(all.list[1].starts, 1);
}

static void never_more_than_a_host_has_room_for(void **state)
{
    struct rig *rig = *state;
    struct hosts all = hosts_up(rig, 1, 2);
    json_t *answer = rig_answer(rig, "{\"objects\": [" SAFE_COUNT("3") "]}", -AXC_EADMIT_SERVICE);

    json_decref(answer);
    rig_apply(rig, SAFE_COUNT("2"));
    hosts_run(&all, 5000);
    rig_assert_ready(rig, "safe", 2);
    all.list[0].max = 1; /* what runs goes on, nothing new comes */
    fake_kill(&rig->c, FIRST_NODE);
    hosts_run(&all, 8000);
    assert_int_equal(all.list[0].starts, 2);
    assert_int_equal(used(&all, "edge1"), 1);
    assert_int_equal(rig_number(rig, "safe", "ready"), 1);
}

static void none_is_started_that_would_not_help(void **state)
{
    static const char *const objects[] = {
        "{\"kind\":\"Service\",\"name\":\"safe\",\"image\":\"multi\",\"mode\":\"single\","
        "\"assurance\":\"partition\",\"labels\":{\"zone\":\"moon\"}}",
        "{\"kind\":\"Service\",\"name\":\"safe\",\"image\":\"multi\",\"mode\":\"single\","
        "\"assurance\":\"partition\",\"nodes\":[\"n1\"]}",
        "{\"kind\":\"Node\",\"name\":\"edge1-p1\",\"cordoned\":true}," SAFE};
    struct rig *rig = *state;
    struct hosts all = hosts_up(rig, 1, 1);
    char request[1024];

    rig_apply(rig, "{\"kind\":\"Node\",\"name\":\"edge1-p1\",\"cordoned\":true}");
    for (size_t i = 0; i < 3; i++) {
        (void)snprintf(request, sizeof(request), "{\"objects\": [%s]}", objects[i]);
        json_decref(rig_answer(rig, request, -AXC_EADMIT_SERVICE));
    }
    hosts_run(&all, 2000);
    assert_int_equal(all.list[0].starts, 0);
}

static void an_idle_one_is_taken_away_with_its_node(void **state)
{
    struct rig *rig = *state;
    struct hosts all = hosts_up(rig, 1, 1);

    rig_apply(rig, SAFE);
    hosts_run(&all, 4000);
    assert_true(has_node(&all, "edge1-p1"));
    remove_service(rig);
    hosts_run(&all, 1000);
    assert_int_equal(used(&all, "edge1"), 1); /* not at once */
    hosts_run(&all, 6000);
    assert_int_equal(used(&all, "edge1"), 0);
    assert_false(has_node(&all, "edge1-p1"));
    assert_true(rig_has_event(rig, "partition-idle") && rig_has_event(rig, "partition-ended"));
    rig_apply(rig, SAFE); /* and it comes again */
    hosts_run(&all, 4000);
    rig_assert_ready(rig, "safe", 1);
    assert_int_equal(all.list[0].starts, 2);
}

static void a_host_where_none_starts_gets_a_pause_and_another_is_tried(void **state)
{
    struct rig *rig = *state;
    struct hosts all = hosts_up(rig, 2, 1);

    all.list[0].is_broken = true;
    rig_apply(rig, SAFE);
    hosts_run(&all, 6000);
    rig_assert_ready(rig, "safe", 1);
    assert_int_equal(all.list[0].starts, 1);
    assert_int_equal(all.list[1].starts, 1);
    assert_true(rig_has_event(rig, "partition-failed"));
}

static void pauses_of_a_host_grow(void **state)
{
    struct rig *rig = *state;
    struct hosts all = hosts_up(rig, 1, 1);

    all.list[0].is_broken = true;
    rig_apply(rig, SAFE);
    hosts_run(&all, 60000);
    assert_in_range(all.list[0].starts, 3, 5); /* after 2, 4, 8, 16 s and more */
    all.list[0].is_broken = false;
    hosts_run(&all, 60000);
    rig_assert_ready(rig, "safe", 1);
}

static void one_that_does_not_join_in_time_has_failed(void **state)
{
    struct rig *rig = *state;
    struct hosts all = hosts_up(rig, 2, 1);

    all.list[0].is_deaf = true;
    rig_apply(rig, SAFE);
    hosts_run(&all, 4000);
    assert_int_equal(all.list[1].starts, 0);
    hosts_run(&all, 6000);
    rig_assert_ready(rig, "safe", 1);
    assert_int_equal(all.list[1].starts, 1);
}

static void a_dead_one_is_cleaned_up_and_replaced(void **state)
{
    struct rig *rig = *state;
    struct hosts all = hosts_up(rig, 1, 2);

    rig_apply(rig, SAFE_COUNT("2"));
    hosts_run(&all, 5000);
    rig_assert_ready(rig, "safe", 2);
    fake_kill(&rig->c, FIRST_NODE);
    hosts_run(&all, 500);
    fake_restart_master(&rig->c); /* it has its record, whatever the host gave as reason */
    assert_int_equal(used(&all, "edge1"), 2);
    hosts_run(&all, 2000);
    assert_int_equal(used(&all, "edge1"), 1);
    assert_int_equal(all.list[0].run[0], 0);
    assert_true(rig_has_event(rig, "partition-failed"));
    hosts_run(&all, 10000);
    rig_assert_ready(rig, "safe", 2);
    assert_int_equal(all.list[0].starts, 3);
    assert_int_equal(all.list[0].run[0], 2);
}

static void another_master_goes_on_with_it(void **state)
{
    struct rig *rig = *state;
    struct hosts all = hosts_up(rig, 2, 1);

    rig_apply(rig, SAFE);
    fake_run(&rig->c, 100); /* wanted; the host has not heard of it */
    fake_restart_master(&rig->c);
    hosts_run(&all, 6000);
    rig_assert_ready(rig, "safe", 1);
    assert_int_equal(all.list[0].starts + all.list[1].starts, 1);
    fake_restart_master(&rig->c);
    hosts_run(&all, 4000);
    rig_assert_ready(rig, "safe", 1);
    assert_int_equal(all.list[0].starts + all.list[1].starts, 1);
    remove_service(rig);
    hosts_run(&all, 3000); /* leaving, or ending */
    fake_restart_master(&rig->c);
    hosts_run(&all, 6000);
    assert_int_equal(used(&all, "edge1"), 0);
    assert_false(has_node(&all, "edge1-p1"));
}

static void a_cordoned_one_goes_and_its_next_life_is_open(void **state)
{
    struct rig *rig = *state;
    struct hosts all = hosts_up(rig, 1, 1);
    uint64_t op = 0;

    rig_apply(rig, SAFE);
    hosts_run(&all, 4000);
    assert_int_equal(axi_master_cordon(rig->c.master, "edge1-p1", true, rig->reason), 0);
    remove_service(rig);
    hosts_run(&all, 6000);
    assert_int_equal(used(&all, "edge1"), 0);
    rig_apply(rig, SAFE);
    hosts_run(&all, 4000);
    rig_assert_ready(rig, "safe", 1);
    assert_int_equal(axi_master_drain(rig->c.master, "edge1-p1", 0, &op, rig->reason), 0);
    hosts_run(&all, 3000); /* nowhere to go: it stays */
    assert_int_equal(used(&all, "edge1"), 1);
}

static void what_a_drain_moves_gets_a_partition_elsewhere(void **state)
{
    struct rig *rig = *state;
    struct hosts all = hosts_up(rig, 2, 1);
    uint64_t op = 0;

    rig_apply(rig, SAFE);
    hosts_run(&all, 4000);
    assert_int_equal(rig_node_of(rig, "safe"), FIRST_NODE);
    assert_int_equal(axi_master_drain(rig->c.master, "edge1-p1", 0, &op, rig->reason), 0);
    hosts_run(&all, 8000);
    assert_int_equal(rig_node_of(rig, "safe"), FIRST_NODE + 1);
    assert_int_equal(fake_op_code(&rig->c, op), 0);
    hosts_run(&all, 4000);
    assert_int_equal(used(&all, "edge1"), 0); /* and the empty one goes */
    rig_assert_ready(rig, "safe", 1);
}

static void an_update_that_must_run_beside_gets_a_partition(void **state)
{
    struct rig *rig = *state;
    struct hosts all = hosts_up(rig, 2, 1);

    rig_apply(rig, SAFE_UPDATE("10"));
    hosts_run(&all, 4000);
    assert_int_equal(rig_node_of(rig, "safe"), FIRST_NODE);
    rig_apply(rig, SAFE_UPDATE("20"));
    hosts_run(&all, 20000);
    rig_assert_ready(rig, "safe", 1);
    assert_int_equal(rig_node_of(rig, "safe"), FIRST_NODE + 1);
    assert_int_equal(rig_number(rig, "safe", "generation"), 2);
    assert_int_equal(used(&all, "edge1") + used(&all, "edge2"), 1);
}

static void a_degraded_service_gets_its_full_image_back_in_one(void **state)
{
    struct rig *rig = *state;
    struct hosts all = hosts_up(rig, 1, 1);

    all.list[0].is_broken = true;
    rig_apply(rig,
              "{\"kind\":\"Service\",\"name\":\"safe\",\"image\":\"multi\",\"mode\":\"single\","
              "\"assurance\":\"partition\",\"degraded\":{\"assurance\":\"shared\","
              "\"after_s\":1}}");
    hosts_run(&all, 8000);
    assert_int_not_equal(rig_node_of(rig, "safe"), FIRST_NODE);
    all.list[0].is_broken = false;
    hosts_run(&all, 90000);
    assert_int_equal(rig_node_of(rig, "safe"), FIRST_NODE);
    rig_assert_ready(rig, "safe", 1);
}

/* ---- a store whose commits have no known outcome now and then ---- */

struct doubtful {
    struct axi_store base;
    struct axi_store *real;
    struct axi_store_ops ops;
    uint32_t commits, every; /* of those that name a host */
    bool is_done;            /* the doubtful ones are done all the same */
};

static int doubtful_commit(struct axi_store *store, const struct axi_store_op *ops, size_t count,
                           uint64_t *ret_revision)
{
    struct doubtful *d = (struct doubtful *)(void *)store;
    bool is_hit = strncmp(ops[0].key, "host/", 5) == 0 && ++d->commits % d->every == 0;
    int rc = is_hit && !d->is_done ? 0 : axi_store_commit(d->real, ops, count, ret_revision);

    return is_hit ? -AXC_ETIMEOUT : rc;
}

static int doubtful_get(struct axi_store *store, const char *key, struct axi_store_value *ret)
{
    return axi_store_get(((struct doubtful *)(void *)store)->real, key, ret);
}

static int doubtful_list(struct axi_store *store, const char *prefix, axi_store_visit visit,
                         void *context)
{
    return axi_store_list(((struct doubtful *)(void *)store)->real, prefix, visit, context);
}

static int no_lease(struct axi_store *store, uint32_t ttl_ms, uint64_t *ret_lease)
{
    (void)store;
    (void)ttl_ms;
    (void)ret_lease;
    return -AXC_EUNAVAILABLE; /* presence is for managers, and there are none */
}

static int no_keep(struct axi_store *store, uint64_t lease)
{
    (void)store;
    (void)lease;
    return -AXC_EUNAVAILABLE;
}

static int doubtful_changes(struct axi_store *store, const char *prefix, uint64_t after,
                            axi_store_changed changed, void *context, uint64_t *ret_revision)
{
    return axi_store_changes(((struct doubtful *)(void *)store)->real, prefix, after, changed,
                             context, ret_revision);
}

static void commits_of_unknown_outcome_start_none_twice(void **state)
{
    struct rig *rig = *state;
    uint32_t starts = 0;

    for (uint32_t round = 0; round < 6; round++) {
        struct doubtful d = {.real = rig->c.store, .every = 3 + round / 2, .is_done = round % 2};
        struct hosts all = hosts_up(rig, 2, 1);

        d.ops = (struct axi_store_ops){.get = doubtful_get,
                                       .commit = doubtful_commit,
                                       .list = doubtful_list,
                                       .changes = doubtful_changes,
                                       .lease_grant = no_lease,
                                       .lease_keep = no_keep,
                                       .lease_revoke = no_keep};
        d.base.ops = &d.ops;
        rig->c.master->config.store = &d.base;
        rig_apply(rig, SAFE);
        hosts_run(&all, 8000);
        rig_assert_ready(rig, "safe", 1);
        starts = all.list[0].starts + all.list[1].starts;
        assert_int_equal(starts, 1);
        remove_service(rig);
        hosts_run(&all, 12000);
        assert_int_equal(used(&all, "edge1") + used(&all, "edge2"), 0);
        assert_true(d.commits > d.every);
        rig->c.master->config.store = rig->c.store;
    }
}

static void a_host_that_is_lost_keeps_what_runs_and_gets_nothing(void **state)
{
    struct rig *rig = *state;
    struct hosts all = hosts_up(rig, 1, 2);

    rig_apply(rig, SAFE);
    hosts_run(&all, 4000);
    all.list[0].is_silent = true;
    hosts_run(&all, 20000);
    rig_assert_ready(rig, "safe", 1);
    assert_true(rig_has_event(rig, "host-lost"));
    json_decref(rig_answer(rig,
                           "{\"objects\": [{\"kind\":\"Service\",\"name\":\"more\",\"image\":"
                           "\"multi\",\"mode\":\"at-least-one\",\"minimum\":1,\"replicas\":2,"
                           "\"assurance\":\"partition\"}]}",
                           -AXC_EADMIT_SERVICE));
    all.list[0].is_silent = false;
    hosts_run(&all, 2000);
    rig_assert_ready(rig, "safe", 1);
    assert_int_equal(all.list[0].starts, 1);
}

static void one_that_the_store_does_not_know_is_adopted_not_killed(void **state)
{
    struct rig *rig = *state;
    struct hosts all = hosts_up(rig, 1, 1);

    begin(&all, &all.list[0], 0, 7);
    hosts_run(&all, 1000);
    assert_true(rig_has_event(rig, "partition-adopted"));
    assert_int_equal(all.list[0].run[0], 7);
    rig_apply(rig, SAFE);
    hosts_run(&all, 3000);
    rig_assert_ready(rig, "safe", 1);
    assert_int_equal(all.list[0].starts, 1);
}

static void a_plain_task_waits_for_its_partition(void **state)
{
    struct rig *rig = *state;
    struct hosts all = hosts_up(rig, 1, 1);
    json_t *request = json_pack("{s:s, s:s}", "image", "multi", "assurance", "partition");
    uint64_t op = 0;

    assert_int_equal(axi_master_deploy(rig->c.master, request, &op, rig->reason), 0);
    json_decref(request);
    hosts_run(&all, 3000);
    assert_int_equal(fake_op_code(&rig->c, op), 0);
    assert_int_equal(all.list[0].starts, 1);
    assert_int_equal(axi_master_stop(rig->c.master, "multi", &op, rig->reason), 0);
    hosts_run(&all, 8000); /* what is stopped needs none ... */
    assert_int_equal(used(&all, "edge1"), 0);
    assert_int_equal(axi_master_start(rig->c.master, "multi", NULL, &op, rig->reason), 0);
    hosts_run(&all, 3000); /* ... and gets one when it goes on */
    assert_int_equal(fake_op_code(&rig->c, op), 0);
    assert_int_equal(all.list[0].starts, 2);
}

static void a_plain_task_gets_another_one_when_its_partition_fails(void **state)
{
    struct rig *rig = *state;
    struct hosts all = hosts_up(rig, 2, 1);
    json_t *request = json_pack("{s:s, s:s}", "image", "multi", "assurance", "partition");
    uint64_t op = 0;

    all.list[0].is_broken = true;
    assert_int_equal(axi_master_deploy(rig->c.master, request, &op, rig->reason), 0);
    json_decref(request);
    hosts_run(&all, 4500);
    assert_int_equal(fake_op_code(&rig->c, op), 0);
    assert_int_equal(all.list[1].starts, 1);
}

static void reports_that_make_no_sense_are_refused(void **state)
{
    static const struct {
        const char *host, *key, *value, *reason;
    } table[] = {
        {"edge/1", "max", "1", "is no name of a host"},
        {"-edge", "max", "1", "is no name of a host"},
        {"a23456789012345678901234x", "max", "1", "is no name of a host"},
        {"edge9", "id", "\"\"", "\"id\""},
        {"edge9", "platform", "\"\"", "\"platform\""},
        {"edge9", "platform", "\"a b\"", "\"platform\""},
        {"edge9", "hypervisor", "7", "\"hypervisor\""},
        {"edge9", "max", "17", "\"max\": expected a whole number from 0 to 16"},
        {"edge9", "max", "-1", "\"max\""},
        {"edge9", "max", "4e9", "\"max\""},
        {"edge9", "node", "{}", "\"node\""},
        {"edge9", "partitions", "{}", "nothing else"},
        {"edge9", "more", "1", "nothing else"},
        {"edge9", "partitions", "[{\"name\":\"edge8-p1\",\"run\":1,\"state\":\"running\"}]",
         "is none of edge9-p1"},
        {"edge9", "partitions", "[{\"name\":\"edge9-p17\",\"run\":1,\"state\":\"running\"}]",
         "is none of"},
        {"edge9", "partitions", "[{\"name\":\"edge9-p01\",\"run\":1,\"state\":\"running\"}]",
         "is none of"},
        {"edge9", "partitions", "[{\"name\":\"edge9-p1x\",\"run\":1,\"state\":\"running\"}]",
         "is none of"},
        {"edge9", "partitions", "[{\"name\":\"edge9-p1\",\"run\":1,\"state\":\"fine\"}]",
         "\"state\""},
        {"edge9", "partitions", "[{\"name\":\"edge9-p1\",\"run\":0,\"state\":\"failed\"}]",
         "\"run\""},
        {"edge9", "partitions",
         "[{\"name\":\"edge9-p1\",\"run\":1,\"state\":\"failed\"},"
         "{\"name\":\"edge9-p1\",\"run\":1,\"state\":\"failed\"}]",
         "twice"},
    };
    struct rig *rig = *state;
    struct hosts all = hosts_up(rig, 1, 1);

    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        json_t *report = report_of(&all, &all.list[0]);
        json_t *answer = NULL;

        json_object_set_new(report, table[i].key,
                            json_loads(table[i].value, JSON_DECODE_ANY, NULL));
        assert_int_equal(
            axi_master_host_report(rig->c.master, table[i].host, report, &answer, rig->reason),
            -AXC_EINVALID);
        if (strstr(rig->reason, table[i].reason) == NULL) {
            fail_msg("'%s' instead of '%s'", rig->reason, table[i].reason);
        }
        assert_null(axi_master_host(rig->c.master, table[i].host));
        json_decref(report);
    }
}

static void a_second_host_of_the_same_name_is_refused(void **state)
{
    struct rig *rig = *state;
    struct hosts all = hosts_up(rig, 1, 1);
    struct host other = all.list[0];
    json_t *answer = NULL;
    json_t *report;

    other.id = 0xbad;
    report = report_of(&all, &other);
    assert_int_equal(axi_master_host_report(rig->c.master, "edge1", report, &answer, rig->reason),
                     -AXC_EEXIST);
    assert_int_equal(axi_master_host_delete(rig->c.master, "edge1", rig->reason), -AXC_EBUSY);
    fake_run(&rig->c, 11000); /* the first one is gone for good */
    assert_int_equal(axi_master_host_report(rig->c.master, "edge1", report, &answer, rig->reason),
                     0);
    json_decref(answer);
    json_decref(report);
    fake_run(&rig->c, 11000);
    assert_int_equal(axi_master_host_delete(rig->c.master, "edge1", rig->reason), 0);
    assert_int_equal(axi_master_host_delete(rig->c.master, "edge1", rig->reason), -AXC_ENOENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(one_is_started_for_what_needs_it_and_not_two),
        RIG_TEST(replicas_get_one_each_spread_over_hosts),
        RIG_TEST(never_more_than_a_host_has_room_for),
        RIG_TEST(none_is_started_that_would_not_help),
        RIG_TEST(an_idle_one_is_taken_away_with_its_node),
        RIG_TEST(a_host_where_none_starts_gets_a_pause_and_another_is_tried),
        RIG_TEST(pauses_of_a_host_grow),
        RIG_TEST(one_that_does_not_join_in_time_has_failed),
        RIG_TEST(a_dead_one_is_cleaned_up_and_replaced),
        RIG_TEST(another_master_goes_on_with_it),
        RIG_TEST(a_cordoned_one_goes_and_its_next_life_is_open),
        RIG_TEST(what_a_drain_moves_gets_a_partition_elsewhere),
        RIG_TEST(an_update_that_must_run_beside_gets_a_partition),
        RIG_TEST(a_degraded_service_gets_its_full_image_back_in_one),
        RIG_TEST(commits_of_unknown_outcome_start_none_twice),
        RIG_TEST(a_host_that_is_lost_keeps_what_runs_and_gets_nothing),
        RIG_TEST(one_that_the_store_does_not_know_is_adopted_not_killed),
        RIG_TEST(a_plain_task_waits_for_its_partition),
        RIG_TEST(a_plain_task_gets_another_one_when_its_partition_fails),
        RIG_TEST(reports_that_make_no_sense_are_refused),
        RIG_TEST(a_second_host_of_the_same_name_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
