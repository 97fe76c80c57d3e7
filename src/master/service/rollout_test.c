/* SPDX-License-Identifier: Apache-2.0 */
/* Updates over scripted nodes: good versions come in, bad ones go back out, and never are fewer
 * replicas at work than was declared. */
#include "master/service/rollout.h"

#include "manifest/manifest.h"
#include "master/fake_cluster.h"
#include "support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MS 1000000ull

struct rig {
    struct fake_cluster c;
    uint32_t least; /* ACTIVE instances since it was last set */
};

static void add_image(struct fake_cluster *c, const char *reference, uint8_t number, uint8_t schema)
{
    struct axi_image_info image = {.digest = {number, 1, 2, 3},
                                   .spec = {.name = "work",
                                            .period_ns = 10 * MS,
                                            .deadline_ns = 10 * MS,
                                            .state_bytes = 16,
                                            .state_version = 1,
                                            .schema_hash = {schema}},
                                   .entry_count = 1,
                                   .entries = {{"linux-x86_64", {number}, 100, MS}}};

    (void)snprintf(image.reference, sizeof(image.reference), "%s", reference);
    assert_int_equal(axi_master_image_add(c->master, &image, NULL), 0);
}

/* name_and_mode: two members; more: further ones, each with a comma before it. */
static int declare(struct rig *rig, const char *name_and_mode, const char *image, const char *more)
{
    char text[512];
    char reason[AXI_REASON_BYTES] = "";
    json_t *answer = NULL;
    json_t *object;
    json_t *normalised = NULL;
    json_t *request;
    int rc;

    (void)snprintf(text, sizeof(text), "{\"kind\":\"Service\",%s,\"image\":\"%s\"%s}",
                   name_and_mode, image, more);
    object = json_loads(text, 0, NULL);
    assert_non_null(object);
    assert_int_equal(axi_manifest_check(object, &normalised, NULL), 0);
    request = json_pack("{s:[o]}", "objects", normalised);
    rc = axi_master_apply(rig->c.master, request, &answer, reason);
    if (rc != 0) {
        (void)fprintf(stderr, "%s\n", reason);
        json_dumpf(answer, stderr, 0);
    }
    json_decref(answer);
    json_decref(request);
    json_decref(object);
    return rc;
}

static int apply(struct rig *rig, const char *image, const char *more)
{
    return declare(rig, "\"name\":\"svc\",\"mode\":\"tmr\"", image, more);
}

static void run(struct rig *rig, uint64_t ms)
{
    for (uint64_t i = 0; i < ms; i++) {
        uint32_t active;

        fake_run(&rig->c, 1);
        active = fake_active_count(&rig->c);
        rig->least = active < rig->least ? active : rig->least;
    }
}

static const char *rollout_state(struct rig *rig)
{
    static char state[32];
    json_t *service = axi_master_service(rig->c.master, "svc");

    (void)snprintf(state, sizeof(state), "%s",
                   axi_json_get_text(json_object_get(service, "rollout"), "state"));
    json_decref(service);
    return state;
}

/* Runs until the update is in that state; false: not within `ms`. */
static bool run_until(struct rig *rig, const char *state, uint64_t ms)
{
    for (uint64_t i = 0; i < ms; i += 10) {
        if (strcmp(rollout_state(rig), state) == 0) {
            return true;
        }
        run(rig, 10);
    }
    return false;
}

static uint32_t running_elf(const struct rig *rig, uint8_t elf)
{
    uint32_t count = 0;

    for (uint32_t n = 0; n < FAKE_NODES; n++) {
        for (size_t i = 0; i < 8; i++) {
            const struct fake_instance *it = &rig->c.nodes[n].instances[i];

            count += it->state == AXI_SLOT_ACTIVE && it->elf == elf;
        }
    }
    return count;
}

static bool was_said(struct rig *rig, const char *type, const char *text)
{
    json_t *events = axi_master_events(rig->c.master, 0, 2000);
    json_t *event;
    size_t i;
    bool is_found = false;

    json_array_foreach (events, i, event) {
        is_found |= strcmp(axi_json_get_text(event, "type"), type) == 0 &&
                    strstr(axi_json_get_text(event, "text"), text) != NULL;
    }
    json_decref(events);
    return is_found;
}

static int setup(void **state)
{
    struct rig *rig = calloc(1, sizeof(*rig));

    fake_up(&rig->c);
    add_image(&rig->c, "v1", 1, 0);
    add_image(&rig->c, "v2", 2, 0);
    add_image(&rig->c, "v4", 4, 0);
    run(rig, 1000); /* past the grace of a new master */
    assert_int_equal(apply(rig, "v1", ""), 0);
    run(rig, 3000);
    assert_int_equal(running_elf(rig, 1), 3);
    rig->least = UINT32_MAX;
    *state = rig;
    return 0;
}

static int teardown(void **state)
{
    struct rig *rig = *state;

    fake_down(&rig->c);
    free(rig);
    return 0;
}

static void a_good_version_replaces_all(void **state)
{
    struct rig *rig = *state;

    assert_int_equal(apply(rig, "v2", ""), 0);
    assert_true(run_until(rig, "progressing", 1000));
    assert_true(run_until(rig, "done", 10000));
    run(rig, 500);
    assert_int_equal(running_elf(rig, 1), 0);
    assert_int_equal(running_elf(rig, 2), 3);
    assert_int_equal(rig->least, 3); /* each new one beside the old one */
    assert_true(was_said(rig, "rollout-started", "generation 2"));
    assert_true(was_said(rig, "rollout-round", "round 3, platform linux-x86_64"));
    assert_true(was_said(rig, "rollout-done", "new version"));
}

static void expect_revert(struct rig *rig, enum fake_fault fault, const char *why)
{
    rig->c.faults[2] = fault;
    assert_int_equal(apply(rig, "v2", ", \"update\": {\"timeout_s\": 3, \"good_jobs\": 60}"), 0);
    assert_true(run_until(rig, "reverted", 10000));
    run(rig, 1000);
    assert_int_equal(running_elf(rig, 2), 0);
    assert_int_equal(running_elf(rig, 1), 3);
    assert_int_equal(rig->least, 3);
    assert_true(was_said(rig, "rollout-reverted", why));
    json_t *service = axi_master_service(rig->c.master, "svc");
    assert_string_equal(axi_json_get_text(json_object_get(service, "declared"), "image"), "v1");
    json_decref(service);
}

static void deadline_misses_bring_the_former_version_back(void **state)
{
    expect_revert(*state, FAKE_MISSES, "deadlines missed");
}

static void a_crash_brings_the_former_version_back(void **state)
{
    expect_revert(*state, FAKE_KILLED, "jobs killed, the last by segv");
}

static void a_failed_replica_brings_the_former_version_back(void **state)
{
    expect_revert(*state, FAKE_FAILS, "failed");
}

static void silence_brings_the_former_version_back(void **state)
{
    expect_revert(*state, FAKE_STUCK, "not ready within 3000 ms");
}

static void wrong_outputs_bring_the_former_version_back(void **state)
{
    struct rig *rig = *state;
    struct axi_service *s = axi_service_find(rig->c.master, "svc");

    assert_int_equal(apply(rig, "v2", ", \"update\": {\"good_jobs\": 1000}"), 0);
    assert_true(run_until(rig, "progressing", 1000));
    run(rig, 1000);
    for (uint32_t i = 0; i < s->member_count; i++) {
        if (s->members[i].role == AXI_MEMBER_NEW) {
            axi_service_replica_bad(rig->c.master, s, s->members[i].task, true);
        }
    }
    assert_true(run_until(rig, "reverted", 3000));
    run(rig, 500);
    assert_int_equal(running_elf(rig, 1), 3);
    assert_int_equal(running_elf(rig, 2), 0);
    assert_true(was_said(rig, "rollout-reverted", "wrong or missing"));
}

static void proved_ones_give_way_in_rounds_too(void **state)
{
    struct rig *rig = *state;

    assert_int_equal(apply(rig, "v2", ""), 0);
    for (int i = 0; i < 1000 && !was_said(rig, "rollout-round", "round 3"); i++) {
        run(rig, 10);
    }
    rig->c.faults[2] = FAKE_KILLED; /* two are in, and now it shows */
    assert_true(run_until(rig, "reverting", 5000));
    rig->c.faults[2] = FAKE_GOOD;
    assert_true(run_until(rig, "reverted", 10000));
    run(rig, 500);
    assert_int_equal(running_elf(rig, 1), 3);
    assert_int_equal(running_elf(rig, 2), 0);
    assert_true(rig->least >= 2);
}

static void without_surge_the_minimum_is_kept(void **state)
{
    struct rig *rig = *state;

    assert_int_equal(apply(rig, "v2", ", \"update\": {\"surge\": 0}"), 0);
    assert_true(run_until(rig, "done", 15000));
    run(rig, 500);
    assert_int_equal(running_elf(rig, 2), 3);
    assert_true(rig->least >= 2);
}

/* The bad version replaced the only replica: its state must outlast it. */
static void a_single_replica_goes_back_with_its_state(void **state)
{
    static const char one[] = "\"name\":\"one\",\"mode\":\"single\"";
    struct rig *rig = *state;

    rig->c.faults[2] = FAKE_KILLED;
    assert_int_equal(declare(rig, one, "v1", ""), 0);
    run(rig, 2000);
    assert_int_equal(running_elf(rig, 1), 4);
    assert_int_equal(declare(rig, one, "v2", ", \"update\": {\"surge\": 0, \"good_jobs\": 60}"), 0);
    for (int i = 0; i < 500 && !was_said(rig, "rollout-done", "former version"); i++) {
        run(rig, 10);
    }
    assert_true(was_said(rig, "rollout-reverted", "killed"));
    assert_true(was_said(rig, "seeded", "the state of one-1"));
    assert_true(was_said(rig, "seeded", "the state of one-2"));
    assert_false(was_said(rig, "replica-placed", "warm restart"));
    run(rig, 500);
    assert_int_equal(running_elf(rig, 1), 4);
    assert_int_equal(running_elf(rig, 2), 0);
}

static uint64_t task_of(struct rig *rig, const char *service)
{
    const struct axi_service *s = axi_service_find(rig->c.master, service);

    assert_non_null(s);
    assert_int_equal(s->member_count, 1);
    return s->members[0].task;
}

static void declare_bad(struct rig *rig, const char *service, const char *more)
{
    rig->c.faults[2] = FAKE_KILLED;
    assert_int_equal(declare(rig, service, "v2", more), 0);
}

/* What finds no node is no reason to trust the new version. */
static void expect_proof_of_full_one(struct rig *rig, bool is_declared_before)
{
    static const char one[] = "\"name\":\"one\",\"mode\":\"single\"";
    static const char isolated[] = ", \"assurance\": \"isolated\", \"update\": {\"good_jobs\": 60},"
                                   "\"degraded\": {\"assurance\": \"realtime\", \"after_s\": 2}";

    fake_kill(&rig->c, 2);
    run(rig, 1000);
    rig->c.nodes[2].assurance = 2;
    fake_revive(&rig->c, 2, 900);
    run(rig, 500);
    assert_int_equal(declare(rig, one, "v1", isolated), 0);
    run(rig, 1500);
    fake_put_checkpoint(&rig->c, task_of(rig, "one"), task_of(rig, "one"), 9);
    fake_kill(&rig->c, 2); /* the only isolated one */
    run(rig, 1000);
    if (is_declared_before) {
        declare_bad(rig, one, isolated);
    }
    for (int i = 0; i < 2000 && !was_said(rig, "degraded", "one"); i++) {
        run(rig, 10);
    }
    assert_true(was_said(rig, "degraded", "one"));
    run(rig, 1000);
    if (!is_declared_before) {
        declare_bad(rig, one, isolated);
        run(rig, 1000);
    }
    assert_int_equal(running_elf(rig, 1), 3); /* with two of the other service */
    assert_int_equal(running_elf(rig, 2), 0);
    assert_false(was_said(rig, "rollout-done", ""));
    fake_revive(&rig->c, 2, 901);
    run(rig, 10000);
    assert_true(was_said(rig, "rollout-reverted", "killed"));
    assert_true(was_said(rig, "rollout-done", "one: all replicas are of the former version"));
    assert_int_equal(running_elf(rig, 1), 4);
    assert_int_equal(running_elf(rig, 2), 0);
}

static void a_degraded_one_made_meanwhile_is_of_the_former_version(void **state)
{
    expect_proof_of_full_one(*state, true);
}

static void what_is_declared_while_a_degraded_one_runs_is_proved(void **state)
{
    expect_proof_of_full_one(*state, false);
}

/* Jobs that were put out, each once, up to the last one. */
static uint32_t put_out_once(const struct rig *rig, uint32_t from)
{
    uint32_t job = from;

    while (job < FAKE_JOBS && rig->c.put_out[job] == 1) {
        job++;
    }
    return job - from;
}

static void each_job_of_a_single_service_is_put_out_once(void **state)
{
    static const char one[] = "\"name\":\"one\",\"mode\":\"single\"";
    struct rig *rig = *state;
    uint32_t before;

    rig->c.listened = "one-";
    assert_int_equal(declare(rig, one, "v1", ""), 0);
    run(rig, 2000);
    before = put_out_once(rig, 0);
    assert_true(before > 100);
    assert_int_equal(declare(rig, one, "v2", ""), 0);
    run(rig, 300);
    assert_int_equal(running_elf(rig, 1), 4); /* both run, one is heard */
    assert_int_equal(running_elf(rig, 2), 1);
    assert_true(put_out_once(rig, 0) >= before + 29);
    run(rig, 3000);
    assert_true(was_said(rig, "output-moves", "one-1 until then"));
    assert_int_equal(running_elf(rig, 1), 3);
    assert_int_equal(running_elf(rig, 2), 1);
    assert_true(put_out_once(rig, 0) >= before + 329);
    rig->c.faults[4] = FAKE_KILLED; /* a bad one was never heard, and the good one never silent */
    assert_int_equal(declare(rig, one, "v4", ", \"update\": {\"good_jobs\": 60}"), 0);
    run(rig, 3000);
    assert_true(was_said(rig, "rollout-reverted", "killed"));
    assert_true(put_out_once(rig, 0) >= before + 629);
}

static void an_heir_that_dies_gives_the_output_back(void **state)
{
    static const char one[] = "\"name\":\"one\",\"mode\":\"single\"";
    struct rig *rig = *state;

    rig->c.listened = "one-";
    assert_int_equal(declare(rig, one, "v1", ""), 0);
    run(rig, 1000);
    assert_int_equal(declare(rig, one, "v2", ""), 0);
    for (int i = 0; i < 5000 && !was_said(rig, "output-moves", ""); i++) {
        run(rig, 1);
    }
    for (uint32_t n = 0; n < FAKE_NODES; n++) {
        for (size_t i = 0; i < 8; i++) {
            struct fake_instance *it = &rig->c.nodes[n].instances[i];

            it->state = it->elf == 2 ? AXI_SLOT_FAILED : it->state;
        }
    }
    run(rig, 3000);
    assert_true(was_said(rig, "rollout-reverted", "failed"));
    assert_int_equal(running_elf(rig, 1), 4);
    assert_true(put_out_once(rig, 0) >= 400); /* in time: job k was not yet released */
}

static void paused_it_begins_no_round(void **state)
{
    struct rig *rig = *state;

    assert_int_equal(axi_master_rollout(rig->c.master, "svc", "pause", NULL), 0);
    assert_int_equal(apply(rig, "v2", ""), 0);
    run(rig, 3000);
    assert_int_equal(running_elf(rig, 2), 0);
    assert_int_equal(axi_master_rollout(rig->c.master, "svc", "resume", NULL), 0);
    assert_true(run_until(rig, "done", 10000));
    assert_int_equal(axi_master_rollout(rig->c.master, "svc", "jump", NULL), -AXC_EINVALID);
    assert_int_equal(axi_master_rollout(rig->c.master, "other", "undo", NULL), -AXC_ENOENT);
}

static void undone_it_goes_back(void **state)
{
    struct rig *rig = *state;

    assert_int_equal(axi_master_rollout(rig->c.master, "svc", "undo", NULL), -AXC_ESTATE);
    assert_int_equal(apply(rig, "v2", ""), 0);
    assert_true(run_until(rig, "progressing", 1000));
    run(rig, 700);
    assert_int_equal(axi_master_rollout(rig->c.master, "svc", "undo", NULL), 0);
    assert_int_equal(axi_master_rollout(rig->c.master, "svc", "undo", NULL), -AXC_ESTATE);
    assert_true(run_until(rig, "reverted", 10000));
    run(rig, 500);
    assert_int_equal(running_elf(rig, 1), 3);
    assert_int_equal(apply(rig, "v2", ""), 0);
    assert_true(run_until(rig, "progressing", 1000));
    assert_true(run_until(rig, "done", 10000));
    assert_int_equal(axi_master_rollout(rig->c.master, "svc", "undo", NULL), 0);
    assert_true(run_until(rig, "progressing", 1000));
    assert_true(run_until(rig, "done", 10000));
    run(rig, 500);
    assert_int_equal(running_elf(rig, 1), 3);
    assert_int_equal(rig->least, 3);
}

static void state_that_cannot_be_carried_over_is_no_update(void **state)
{
    struct rig *rig = *state;

    add_image(&rig->c, "v3", 3, 9);
    assert_int_equal(apply(rig, "v3", ""), 0);
    assert_true(run_until(rig, "reverted", 3000));
    run(rig, 500);
    assert_int_equal(running_elf(rig, 1), 3);
    assert_true(was_said(rig, "rollout-reverted", "the schemas differ"));
}

static void a_node_that_dies_meanwhile_is_not_the_versions_fault(void **state)
{
    struct rig *rig = *state;

    assert_int_equal(apply(rig, "v2", ""), 0);
    assert_true(run_until(rig, "progressing", 1000));
    run(rig, 300);
    fake_kill(&rig->c, 1);
    run(rig, 3000);
    fake_revive(&rig->c, 1, 777);
    assert_true(run_until(rig, "done", 30000));
    run(rig, 5000);
    assert_int_equal(running_elf(rig, 2), 3);
    assert_int_equal(running_elf(rig, 1), 0);
}

static void a_master_may_die_at_any_time(void **state)
{
    (void)state;
    for (uint64_t at = 50; at < 2500; at += 170) {
        void *inner = NULL;
        struct rig *rig;

        (void)setup(&inner);
        rig = inner;
        assert_int_equal(apply(rig, "v2", ""), 0);
        run(rig, at);
        fake_restart_master(&rig->c);
        assert_true(run_until(rig, "done", 20000));
        run(rig, 1000);
        assert_int_equal(running_elf(rig, 2), 3);
        assert_int_equal(running_elf(rig, 1), 0);
        assert_true(rig->least >= 3);
        (void)teardown(&inner);
    }
}

/* Its voter is waited for, so that none of its replicas is there when the next version comes. */
static void declare_before_any_replica(struct rig *rig, const char *last, const char *good_jobs)
{
    static const char late[] = "\"name\":\"late\",\"mode\":\"tmr\"";
    char more[128];

    (void)snprintf(more, sizeof(more),
                   ", \"output\": {\"voter\": \"v0\"}, \"update\": {\"good_jobs\": %s}", good_jobs);
    assert_int_equal(declare(rig, late, "v1", more), 0);
    assert_int_equal(declare(rig, late, "v2", more), 0);
    if (strcmp(last, "v2") != 0) {
        assert_int_equal(declare(rig, late, last, more), 0);
    }
    run(rig, 100);
    assert_false(was_said(rig, "placed", "late"));
}

static void what_crashes_unproved_goes_back_to_what_was_first(void **state)
{
    struct rig *rig = *state;

    rig->c.faults[4] = FAKE_KILLED;
    declare_before_any_replica(rig, "v4", "60");
    for (int i = 0; i < 2000 && !was_said(rig, "rollout-done", "late"); i++) {
        run(rig, 10);
    }
    run(rig, 500);
    assert_true(was_said(rig, "rollout-reverted", "late: the former declaration is back"));
    assert_true(was_said(rig, "rollout-done", "late: all replicas are of the former version"));
    assert_int_equal(running_elf(rig, 1), 6); /* v2 was not proved either */
    assert_int_equal(running_elf(rig, 2), 0);
    assert_int_equal(running_elf(rig, 4), 0);
}

static void what_did_its_good_jobs_together_is_proved(void **state)
{
    struct rig *rig = *state;

    rig->c.faults[2] = FAKE_KILLED; /* after 50 jobs */
    declare_before_any_replica(rig, "v2", "20");
    for (int i = 0; i < 2000 && running_elf(rig, 2) < 3; i++) {
        run(rig, 10);
    }
    run(rig, 3000);
    assert_int_equal(running_elf(rig, 2), 3);
    assert_false(was_said(rig, "rollout-reverted", "late"));
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_good_version_replaces_all),
        CASE(deadline_misses_bring_the_former_version_back),
        CASE(a_crash_brings_the_former_version_back),
        CASE(a_failed_replica_brings_the_former_version_back),
        CASE(silence_brings_the_former_version_back),
        CASE(wrong_outputs_bring_the_former_version_back),
        CASE(proved_ones_give_way_in_rounds_too),
        CASE(without_surge_the_minimum_is_kept),
        CASE(a_single_replica_goes_back_with_its_state),
        CASE(a_degraded_one_made_meanwhile_is_of_the_former_version),
        CASE(what_is_declared_while_a_degraded_one_runs_is_proved),
        CASE(each_job_of_a_single_service_is_put_out_once),
        CASE(an_heir_that_dies_gives_the_output_back),
        CASE(paused_it_begins_no_round),
        CASE(undone_it_goes_back),
        CASE(state_that_cannot_be_carried_over_is_no_update),
        CASE(a_node_that_dies_meanwhile_is_not_the_versions_fault),
        CASE(what_crashes_unproved_goes_back_to_what_was_first),
        CASE(what_did_its_good_jobs_together_is_proved),
        cmocka_unit_test(a_master_may_die_at_any_time),
    };

    return cmocka_run_group_tests_name("rollout", tests, NULL, NULL);
}
