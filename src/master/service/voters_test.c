/* SPDX-License-Identifier: Apache-2.0 */
/* Voters over scripted nodes: who may join, what they are told, what their reports lead to. */
#include "master/service/fake_services.h"
#include "master/service/voters_internal.h"

#include "support/test.h"

#include <string.h>

#define LINK 9000u
#define ADDRESS "10.0.0.9:7404"

static void say(struct rig *rig, uint64_t link, uint32_t type, const void *message)
{
    uint8_t frame[AXI_WIRE_CONTROL_BYTES_MAX];
    size_t bytes = 0;

    assert_int_equal(axi_wire_encode(type, message, NULL, 0, frame, sizeof(frame), &bytes), 0);
    axi_master_link_bytes(rig->c.master, link, frame, bytes);
}

static axi_VoterJoin join_of(uint64_t id, const char *name, const char *address)
{
    axi_VoterJoin join = {.protocol_min = 1, .protocol_max = 1, .voter_id = id, .boot_id = 1};

    axi_copy_text(join.name, sizeof(join.name), name);
    axi_copy_text(join.output_address, sizeof(join.output_address), address);
    return join;
}

static void join(struct rig *rig, uint64_t link, uint64_t id, const char *name, const char *address)
{
    const axi_VoterJoin message = join_of(id, name, address);

    axi_master_link_up(rig->c.master, link, "voter");
    say(rig, link, AXI_WIRE_VOTER_JOIN, &message);
}

static const axi_VoteGroup *told(struct rig *rig)
{
    const struct axi_ballot *ballot = axi_ballot_find(rig->c.master, "brake");

    assert_non_null(ballot);
    return &ballot->told;
}

static uint32_t counted(struct rig *rig)
{
    const axi_VoteGroup *group = told(rig);
    uint32_t count = 0;

    for (pb_size_t i = 0; i < group->members_count; i++) {
        count += group->members[i].is_counted;
    }
    return count;
}

/* Counts for every member that is listed; `bad` (0 = none) is wrong so often in a row. */
static void report(struct rig *rig, uint64_t bad, uint32_t times)
{
    const axi_VoteGroup *group = told(rig);
    axi_VoteReport message = {.agreed = 100, .last_agreed_job = 99};

    axi_copy_text(message.service, sizeof(message.service), "brake");
    message.counts_count = group->members_count;
    for (pb_size_t i = 0; i < group->members_count; i++) {
        uint64_t task = group->members[i].task_id;

        message.counts[i] = (axi_VoteCount){.task_id = task, .good = 100, .good_in_row = 100};
        if (task == bad) {
            message.counts[i] =
                (axi_VoteCount){.task_id = task, .good = 97, .wrong = times, .bad_in_row = times};
        }
    }
    say(rig, LINK, AXI_WIRE_VOTE_REPORT, &message);
}

/* Too few count: no job of any member is good. */
static void fail_votes(struct rig *rig)
{
    const axi_VoteGroup *group = told(rig);
    axi_VoteReport message = {.agreed = 100, .failed = 9, .failed_in_row = 9};

    axi_copy_text(message.service, sizeof(message.service), "brake");
    message.counts_count = group->members_count;
    for (pb_size_t i = 0; i < group->members_count; i++) {
        message.counts[i] = (axi_VoteCount){.task_id = group->members[i].task_id};
    }
    say(rig, LINK, AXI_WIRE_VOTE_REPORT, &message);
}

static struct rig *with_voted_service(void **state)
{
    struct rig *rig = *state;

    join(rig, LINK, 7, "eye", ADDRESS);
    rig_apply(rig, RIG_TMR);
    rig_run(rig, 1500);
    rig_assert_ready(rig, "brake", 3);
    return rig;
}

static void refuses_who_cannot_vote(void **state)
{
    struct rig *rig = *state;
    axi_VoterJoin joins[] = {
        join_of(0, "eye", ADDRESS),  join_of(7, "", ADDRESS),       join_of(7, "eye", ""),
        join_of(7, "eye", "host:7"), join_of(7, "eye", "10.0.0.9"), join_of(7, "eye", ADDRESS),
    };

    joins[5].protocol_min = 9;
    for (uint32_t i = 0; i < sizeof(joins) / sizeof(joins[0]); i++) {
        axi_master_link_up(rig->c.master, LINK + i, "voter");
        say(rig, LINK + i, AXI_WIRE_VOTER_JOIN, &joins[i]);
        assert_true(axi_voter_find(rig->c.master, 7) == NULL ||
                    axi_voter_find(rig->c.master, 7)->link == 0);
    }
    assert_true(rig_has_event(rig, "voter-refused"));
}

static void replicas_send_to_the_voter_that_is_told_of_them(void **state)
{
    struct rig *rig = with_voted_service(state);
    const axi_VoteGroup *group = told(rig);

    assert_int_equal(group->members_count, 3);
    assert_int_equal(counted(rig), 3);
    assert_int_equal(group->needed, 2);
    assert_int_equal(group->generation, 1);
    assert_true(group->period_ns > 0 && group->wait_ns == group->period_ns);
    assert_int_not_equal(group->release_ns, 0);
    for (pb_size_t i = 0; i < group->members_count; i++) {
        const struct axi_task *task = axi_task_find(rig->c.master, group->members[i].task_id);

        assert_string_equal(task->record.output_address, ADDRESS);
    }
}

static void a_wrong_replica_is_replaced_at_its_limit(void **state)
{
    struct rig *rig = with_voted_service(state);
    uint64_t bad = told(rig)->members[1].task_id;
    struct axi_votes votes;

    report(rig, bad, 2);
    rig_run(rig, 500);
    assert_true(rig_has_event(rig, "replica-disagrees"));
    assert_true(axi_votes_of(rig->c.master, bad, &votes));
    assert_int_equal(votes.wrong, 2);
    rig_assert_ready(rig, "brake", 3);
    assert_non_null(axi_task_find(rig->c.master, bad));
    report(rig, bad, 3);
    for (int i = 0; i < 10 && axi_task_find(rig->c.master, bad) != NULL; i++) {
        rig_run(rig, 500);
        report(rig, 0, 0); /* its successor agrees */
    }
    assert_null(axi_task_find(rig->c.master, bad));
    rig_run(rig, 500);
    rig_assert_ready(rig, "brake", 3);
}

static void a_new_replica_counts_once_it_agrees(void **state)
{
    struct rig *rig = with_voted_service(state);

    report(rig, 0, 0);
    fake_kill(&rig->c, rig_node_of(rig, "brake"));
    rig_run(rig, 3000);
    assert_int_equal(told(rig)->members_count, 3);
    assert_int_equal(counted(rig), 2);
    report(rig, 0, 0);
    rig_run(rig, 1000);
    assert_int_equal(counted(rig), 3);
}

static bool runs_on(struct rig *rig, uint32_t node)
{
    const axi_VoteGroup *group = told(rig);

    for (pb_size_t i = 0; i < group->members_count; i++) {
        const struct axi_task *task = axi_task_find(rig->c.master, group->members[i].task_id);

        if (task != NULL && task->record.owner == node + 1) {
            return true;
        }
    }
    return false;
}

/* Two of three died at once: nothing is agreed on, so nobody's outputs are good. */
static void new_replicas_count_without_votes_when_none_succeed(void **state)
{
    struct rig *rig = with_voted_service(state);

    report(rig, 0, 0);
    for (uint32_t n = 0, killed = 0; n < 4 && killed < 2; n++) {
        if (runs_on(rig, n)) {
            fake_kill(&rig->c, n);
            fake_revive(&rig->c, n, 300 + n);
            killed++;
        }
    }
    for (int i = 0; i < 6; i++) {
        rig_run(rig, 1000);
        fail_votes(rig);
    }
    rig_assert_ready(rig, "brake", 3);
    assert_int_equal(counted(rig), 3);
}

static void failed_votes_are_said_and_shown(void **state)
{
    struct rig *rig = with_voted_service(state);
    const axi_VoteReport message = {
        .service = "brake", .agreed = 5, .failed = 3, .failed_in_row = 3, .last_agreed_job = 4};
    json_t *votes;

    assert_null(axi_votes_json(rig->c.master, "brake"));
    say(rig, LINK, AXI_WIRE_VOTE_REPORT, &message);
    assert_true(rig_has_event(rig, "vote-failed"));
    votes = axi_votes_json(rig->c.master, "brake");
    assert_int_equal(json_integer_value(json_object_get(votes, "failed_in_row")), 3);
    assert_string_equal(json_string_value(json_object_get(votes, "voter")), "eye");
    json_decref(votes);
}

static void a_voter_that_comes_back_is_told_again(void **state)
{
    struct rig *rig = with_voted_service(state);
    struct axi_service *service = axi_service_find(rig->c.master, "brake");

    axi_master_link_down(rig->c.master, LINK);
    assert_true(rig_has_event(rig, "voter-lost"));
    assert_string_equal(axi_voter_address(rig->c.master, service), ADDRESS);
    join(rig, LINK + 1, 7, "eye", ADDRESS);
    assert_int_equal(axi_ballot_find(rig->c.master, "brake")->link, LINK + 1);
    join(rig, LINK + 2, 8, "aye", "10.0.0.8:7404"); /* they go on sending to the first one */
    assert_int_equal(axi_ballot_find(rig->c.master, "brake")->voter, 7);
    assert_string_equal(axi_voter_address(rig->c.master, service), ADDRESS);
}

/* It would hear nobody, and have all of them replaced. */
static void another_voter_takes_over_only_after_a_while(void **state)
{
    struct rig *rig = with_voted_service(state);
    struct axi_service *service = axi_service_find(rig->c.master, "brake");

    join(rig, LINK + 1, 8, "aye", "10.0.0.8:7404");
    axi_master_link_down(rig->c.master, LINK);
    rig_run(rig, 5000);
    axi_ballot_refresh(rig->c.master, service);
    assert_int_not_equal(axi_ballot_find(rig->c.master, "brake")->voter, 8);
    assert_string_equal(axi_voter_address(rig->c.master, service), ADDRESS);
    rig_run(rig, 30000);
    axi_ballot_refresh(rig->c.master, service);
    assert_int_equal(axi_ballot_find(rig->c.master, "brake")->voter, 8);
    assert_string_equal(axi_voter_address(rig->c.master, service), "10.0.0.8:7404");
}

static void a_voter_asked_for_by_name_is_waited_for(void **state)
{
    struct rig *rig = *state;

    join(rig, LINK, 7, "eye", ADDRESS);
    rig_apply(rig, "{\"kind\":\"Service\",\"name\":\"brake\",\"image\":\"multi\",\"mode\":\"tmr\","
                   "\"output\":{\"voter\":\"far\"}}");
    rig_run(rig, 3000);
    assert_int_equal(fake_active_count(&rig->c), 0);
    assert_true(rig_has_event(rig, "voter-missing"));
    join(rig, LINK + 1, 8, "far", "10.0.0.8:7404");
    rig_run(rig, 1500);
    rig_assert_ready(rig, "brake", 3);
    assert_string_equal(
        axi_task_find(rig->c.master, told(rig)->members[0].task_id)->record.output_address,
        "10.0.0.8:7404");
}

static void a_service_goes_without_a_voter_that_never_joins(void **state)
{
    struct rig *rig = *state;

    rig_apply(rig, "{\"kind\":\"Service\",\"name\":\"brake\",\"image\":\"multi\",\"mode\":\"tmr\","
                   "\"output\":{\"voter\":\"far\"}}");
    rig_run(rig, 13000);
    rig_assert_ready(rig, "brake", 3);
}

static void a_service_that_is_gone_is_forgotten(void **state)
{
    struct rig *rig = with_voted_service(state);
    json_t *request =
        json_loads("{\"objects\": [{\"kind\":\"Service\",\"name\":\"brake\"}]}", 0, NULL);
    json_t *answer = NULL;

    assert_int_equal(axi_master_undeclare(rig->c.master, request, &answer, rig->reason), 0);
    json_decref(request);
    json_decref(answer);
    rig_run(rig, 2000);
    assert_null(axi_ballot_find(rig->c.master, "brake"));
}

static void what_a_voter_may_not_say_ends_its_link(void **state)
{
    struct rig *rig = *state;
    const axi_Heartbeat beat = {.sequence = 1};
    const axi_VoteReport nobody = {.service = "nobody", .failed = 7};

    join(rig, LINK, 7, "eye", ADDRESS);
    say(rig, LINK, AXI_WIRE_VOTE_REPORT, &nobody);
    assert_int_equal(axi_voter_find(rig->c.master, 7)->link, LINK);
    say(rig, LINK, AXI_WIRE_HEARTBEAT, &beat);
    rig_run(rig, 100);
    assert_int_equal(axi_voter_find(rig->c.master, 7)->link, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(refuses_who_cannot_vote),
        RIG_TEST(replicas_send_to_the_voter_that_is_told_of_them),
        RIG_TEST(a_wrong_replica_is_replaced_at_its_limit),
        RIG_TEST(a_new_replica_counts_once_it_agrees),
        RIG_TEST(new_replicas_count_without_votes_when_none_succeed),
        RIG_TEST(failed_votes_are_said_and_shown),
        RIG_TEST(a_voter_that_comes_back_is_told_again),
        RIG_TEST(another_voter_takes_over_only_after_a_while),
        RIG_TEST(a_voter_asked_for_by_name_is_waited_for),
        RIG_TEST(a_service_goes_without_a_voter_that_never_joins),
        RIG_TEST(a_service_that_is_gone_is_forgotten),
        RIG_TEST(what_a_voter_may_not_say_ends_its_link),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
