/* SPDX-License-Identifier: Apache-2.0 */
/* What voters report: counts of every replica, events, and complaints to the services. */
#include "master/service/replica.h"
#include "master/service/voters_internal.h"

#include <string.h>

#define SAY_NS 10000000000ull  /* between events of one replica or service */
#define PROVE_NS 3000000000ull /* reports come every second */
#define PROVE_PERIODS 4u
#define COMPLAIN_NS 5000000000ull /* between complaints of one that stays bad */

static bool is_due(struct axi_master *m, uint64_t *at_ns, uint64_t pause_ns)
{
    uint64_t now = axi_now(m);

    if (*at_ns != 0 && now - *at_ns < pause_ns) {
        return false;
    }
    *at_ns = now;
    return true;
}

static void say_of_replica(struct axi_master *m, const struct axi_ballot *ballot,
                           struct axi_vote_account *account, const struct axi_votes *former)
{
    const struct axi_task *task = axi_task_find(m, account->task);
    const struct axi_votes *votes = &account->votes;
    bool is_wrong = votes->wrong > former->wrong;

    if ((!is_wrong && votes->silent <= former->silent) || task == NULL ||
        !is_due(m, &account->said_ns, SAY_NS)) {
        return;
    }
    if (is_wrong) {
        axi_event(m, AXI_WARNING, "replica-disagrees", task, axi_node_find(m, task->record.owner),
                  "%s: its output differs from what the others agree on (job %llu, %llu times so "
                  "far)",
                  ballot->service, (unsigned long long)votes->last_job,
                  (unsigned long long)votes->wrong);
    } else {
        axi_event(m, AXI_WARNING, "replica-silent", task, axi_node_find(m, task->record.owner),
                  "%s: no output in time while others deliver (job %llu, %llu times so far)",
                  ballot->service, (unsigned long long)votes->last_job,
                  (unsigned long long)votes->silent);
    }
}

static const struct axi_member *member_of(const struct axi_service *service, uint64_t task)
{
    for (uint32_t i = 0; service != NULL && i < service->member_count; i++) {
        if (service->members[i].task == task) {
            return &service->members[i];
        }
    }
    return NULL;
}

/* One that is being moved, or begins, is late: that is not its fault. */
static void complain(struct axi_master *m, struct axi_service *service,
                     struct axi_vote_account *account, bool is_wrong)
{
    const struct axi_member *member = member_of(service, account->task);
    struct axi_replica_view view;

    if (member == NULL || member->role == AXI_MEMBER_GOING ||
        account->votes.bad_in_row < service->spec.output.bad_limit) {
        account->complained_ns = 0;
        return;
    }
    axi_replica_look(m, account->task, &view);
    if (view.state == AXI_REPLICA_RUNNING && is_due(m, &account->complained_ns, COMPLAIN_NS)) {
        axi_service_replica_bad(m, service, account->task, is_wrong);
    }
}

static void say_of_service(struct axi_master *m, struct axi_ballot *ballot, uint64_t failed_before)
{
    if (ballot->failed > failed_before && is_due(m, &ballot->said_ns, SAY_NS)) {
        axi_event(m, AXI_WARNING, "vote-failed", NULL, NULL,
                  "%s: too few replicas agree; nothing was put out (%u jobs in a row, %llu so far)",
                  ballot->service, ballot->failed_in_row, (unsigned long long)ballot->failed);
    }
}

static const struct axi_vote_account *account_of(const struct axi_ballot *ballot, uint64_t task)
{
    for (uint32_t i = 0; i < ballot->account_count; i++) {
        if (ballot->accounts[i].task == task) {
            return &ballot->accounts[i];
        }
    }
    return NULL;
}

static void take_counts(struct axi_master *m, struct axi_service *service,
                        struct axi_ballot *ballot, const axi_VoteReport *report)
{
    struct axi_ballot former = *ballot;

    ballot->account_count = 0;
    for (pb_size_t i = 0; i < report->counts_count && i < AXI_VOTE_COUNTS_MAX; i++) {
        const axi_VoteCount *count = &report->counts[i];
        const struct axi_vote_account *before = account_of(&former, count->task_id);
        struct axi_vote_account *account = &ballot->accounts[ballot->account_count++];
        static const struct axi_votes none;
        const struct axi_votes *votes_before = before != NULL ? &before->votes : &none;

        *account = before != NULL ? *before : (struct axi_vote_account){.task = count->task_id};
        account->votes = (struct axi_votes){.good = count->good,
                                            .wrong = count->wrong,
                                            .silent = count->silent,
                                            .last_job = count->last_job,
                                            .good_in_row = count->good_in_row,
                                            .bad_in_row = count->bad_in_row};
        say_of_replica(m, ballot, account, votes_before);
        complain(m, service, account, count->wrong > votes_before->wrong);
    }
}

void axi_voter_report(struct axi_master *m, struct axi_link *link, const axi_VoteReport *report)
{
    const struct axi_voter *voter = axi_voter_find(m, link->voter);
    struct axi_ballot *ballot = axi_ballot_find(m, report->service);
    struct axi_service *service =
        report->service[0] != '\0' ? axi_service_find(m, report->service) : NULL;

    if (voter == NULL || voter->link != link->id) {
        return;
    }
    if (report->sequence != 0) {
        axi_ManagerStatusAck ack = {.sequence = report->sequence,
                                    .send_local_ns = report->send_local_ns,
                                    .receive_master_ns = axi_now_master(m)};

        ack.reply_master_ns = axi_now_master(m);
        axi_send_link(m, link->id, AXI_WIRE_MANAGER_STATUS_ACK, &ack);
    }
    if (ballot == NULL || service == NULL || ballot->voter != voter->id) {
        return;
    }
    uint64_t failed_before = report->failed >= ballot->failed ? ballot->failed : 0;

    take_counts(m, service, ballot, report);
    if (report->agreed != ballot->agreed) {
        ballot->agreed_ns = axi_now(m);
    }
    ballot->has_report = true;
    ballot->reported_ns = axi_now(m);
    ballot->agreed = report->agreed;
    ballot->failed = report->failed;
    ballot->last_agreed_job = report->last_agreed_job;
    ballot->failed_in_row = report->failed_in_row;
    say_of_service(m, ballot, failed_before);
}

/* Listed with a service whose votes succeed: its first counts will come. */
static bool is_told(const struct axi_ballot *ballot, uint64_t task)
{
    for (pb_size_t i = 0; ballot->agreed > 0 && i < ballot->told.members_count; i++) {
        if (ballot->told.members[i].task_id == task) {
            return true;
        }
    }
    return false;
}

bool axi_votes_of(struct axi_master *m, uint64_t task, struct axi_votes *ret_votes)
{
    for (size_t i = 0; m->voters != NULL && i < m->voters->ballot_count; i++) {
        const struct axi_vote_account *account = account_of(m->voters->ballots[i], task);

        if (account != NULL) {
            *ret_votes = account->votes;
            return true;
        }
        if (is_told(m->voters->ballots[i], task)) {
            *ret_votes = (struct axi_votes){0};
            return true;
        }
    }
    return false;
}

static bool is_recent(struct axi_master *m, const struct axi_ballot *ballot, uint64_t at_ns)
{
    return at_ns != 0 && axi_now(m) - at_ns <= PROVE_NS + PROVE_PERIODS * ballot->told.period_ns;
}

bool axi_votes_prove(struct axi_master *m, const struct axi_service *service)
{
    const struct axi_ballot *ballot = axi_ballot_find(m, service->spec.name);

    return ballot != NULL && ballot->agreed > 0 && is_recent(m, ballot, ballot->agreed_ns);
}

bool axi_votes_fail(struct axi_master *m, const struct axi_service *service)
{
    const struct axi_ballot *ballot = axi_ballot_find(m, service->spec.name);

    return ballot != NULL && is_recent(m, ballot, ballot->reported_ns) &&
           !axi_votes_prove(m, service);
}

json_t *axi_votes_json(struct axi_master *m, const char *service)
{
    const struct axi_ballot *ballot = axi_ballot_find(m, service);
    const struct axi_voter *voter = ballot != NULL ? axi_voter_find(m, ballot->voter) : NULL;

    if (voter == NULL || !ballot->has_report) {
        return NULL;
    }
    return json_pack("{s:s, s:I, s:I, s:I, s:I}", "voter", voter->name, "agreed",
                     (json_int_t)ballot->agreed, "failed", (json_int_t)ballot->failed,
                     "failed_in_row", (json_int_t)ballot->failed_in_row, "last_agreed_job",
                     (json_int_t)ballot->last_agreed_job);
}
