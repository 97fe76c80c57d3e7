/* SPDX-License-Identifier: Apache-2.0 */
/* Which voters have joined, who votes for which service, and what they are told. */
#include "net/sink.h"

#include "master/service/members.h"
#include "master/service/voters_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define AWAITED_NS 10000000000ull
#define AWAY_NS 30000000000ull /* so long one that was lost is expected back */

static struct axi_voters *voters_of(struct axi_master *m)
{
    if (m->voters == NULL) {
        m->voters = calloc(1, sizeof(*m->voters));
        if (m->voters != NULL) {
            m->voters->since_ns = axi_now(m);
        }
    }
    return m->voters;
}

void axi_voters_free(struct axi_master *m)
{
    for (size_t i = 0; m->voters != NULL && i < m->voters->ballot_count; i++) {
        free(m->voters->ballots[i]);
    }
    if (m->voters != NULL) {
        free(m->voters->ballots);
    }
    free(m->voters);
    m->voters = NULL;
}

struct axi_voter *axi_voter_find(struct axi_master *m, uint64_t id)
{
    for (size_t i = 0; m->voters != NULL && i < m->voters->voter_count; i++) {
        if (m->voters->voters[i].id == id) {
            return &m->voters->voters[i];
        }
    }
    return NULL;
}

struct axi_ballot *axi_ballot_find(struct axi_master *m, const char *service)
{
    for (size_t i = 0; m->voters != NULL && i < m->voters->ballot_count; i++) {
        if (strcmp(m->voters->ballots[i]->service, service) == 0) {
            return m->voters->ballots[i];
        }
    }
    return NULL;
}

static struct axi_ballot *get_ballot(struct axi_master *m, const char *service)
{
    struct axi_ballot *ballot = axi_ballot_find(m, service);
    struct axi_voters *all = voters_of(m);

    if (ballot != NULL || all == NULL) {
        return ballot;
    }
    struct axi_ballot **grown =
        realloc(all->ballots, (all->ballot_count + 1) * sizeof(struct axi_ballot *));

    if (grown != NULL) {
        all->ballots = grown;
    }
    ballot = grown != NULL ? calloc(1, sizeof(*ballot)) : NULL;
    if (ballot != NULL) {
        axi_copy_text(ballot->service, sizeof(ballot->service), service);
        all->ballots[all->ballot_count++] = ballot;
    }
    return ballot;
}

static void drop_ballot(struct axi_master *m, struct axi_ballot *ballot)
{
    struct axi_voters *all = m->voters;

    for (size_t i = 0; i < all->ballot_count; i++) {
        if (all->ballots[i] == ballot) {
            all->ballots[i] = all->ballots[--all->ballot_count];
            free(ballot);
            return;
        }
    }
}

/* ---- who votes for a service ---- */

static bool wants_voter(const struct axi_service_spec *spec)
{
    return spec->mode != AXI_MODE_SINGLE || spec->output.voter[0] != '\0';
}

static bool is_named(const struct axi_service_spec *spec, const struct axi_voter *voter)
{
    return spec->output.voter[0] == '\0' || strcmp(spec->output.voter, voter->name) == 0;
}

/* The address that the running replicas were given: it is fixed when a task is loaded, and all
 * must send to the same voter. "" = none was given one. */
static const char *used_address(struct axi_master *m, const struct axi_service *service)
{
    for (uint32_t i = 0; i < service->member_count; i++) {
        const struct axi_task *task = axi_task_find(m, service->members[i].task);

        if (task != NULL && task->record.output_address[0] != '\0') {
            return task->record.output_address;
        }
    }
    return "";
}

static struct axi_voter *voter_at(struct axi_master *m, const struct axi_service_spec *spec,
                                  const char *address)
{
    for (size_t i = 0; m->voters != NULL && i < m->voters->voter_count; i++) {
        struct axi_voter *voter = &m->voters->voters[i];

        if (voter->link != 0 && is_named(spec, voter) && strcmp(voter->address, address) == 0) {
            return voter;
        }
    }
    return NULL;
}

/* The one with the first name, so that the choice is the same at every master. */
static struct axi_voter *any_voter(struct axi_master *m, const struct axi_service_spec *spec)
{
    struct axi_voter *best = NULL;

    for (size_t i = 0; m->voters != NULL && i < m->voters->voter_count; i++) {
        struct axi_voter *voter = &m->voters->voters[i];

        if (voter->link != 0 && is_named(spec, voter) &&
            (best == NULL || strcmp(voter->name, best->name) < 0)) {
            best = voter;
        }
    }
    return best;
}

/* Who took the replicas' outputs there was lost a moment ago, or has not found this master yet.
 * Another one hears none of them: all would seem silent to it. */
static bool is_expected_back(struct axi_master *m, const char *address)
{
    uint64_t lost_ns = m->voters != NULL ? m->voters->since_ns : axi_now(m);

    for (size_t i = 0; m->voters != NULL && i < m->voters->voter_count; i++) {
        if (strcmp(m->voters->voters[i].address, address) == 0) {
            lost_ns = m->voters->voters[i].lost_ns;
        }
    }
    return axi_now(m) - lost_ns < AWAY_NS;
}

static struct axi_voter *choose(struct axi_master *m, const struct axi_service *service)
{
    const char *used = used_address(m, service);
    struct axi_voter *voter = NULL;

    if (!wants_voter(&service->spec)) {
        return NULL;
    }
    if (used[0] != '\0') {
        voter = voter_at(m, &service->spec, used);
        if (voter == NULL && is_expected_back(m, used)) {
            return NULL;
        }
    }
    return voter != NULL ? voter : any_voter(m, &service->spec);
}

const char *axi_voter_address(struct axi_master *m, const struct axi_service *service)
{
    const struct axi_voter *voter = choose(m, service);

    if (!wants_voter(&service->spec)) {
        return "";
    }
    return voter != NULL ? voter->address : used_address(m, service);
}

bool axi_voter_is_awaited(struct axi_master *m, const struct axi_service *service)
{
    struct axi_ballot *ballot = NULL;
    uint64_t now = axi_now(m);

    if (service->spec.output.voter[0] == '\0' || axi_voter_address(m, service)[0] != '\0') {
        return false;
    }
    ballot = get_ballot(m, service->spec.name);
    if (ballot == NULL) {
        return false;
    }
    if (ballot->asked_ns == 0) {
        ballot->asked_ns = now;
        axi_event(m, AXI_WARNING, "voter-missing", NULL, NULL,
                  "%s: its voter '%s' has not joined; it is waited for some seconds",
                  service->spec.name, service->spec.output.voter);
    }
    return now - ballot->asked_ns < AWAITED_NS;
}

/* ---- what it is told ---- */

static void add_member(struct axi_master *m, const struct axi_member *member, axi_VoteGroup *group)
{
    const struct axi_task *task = axi_task_find(m, member->task);

    if (task == NULL || member->role == AXI_MEMBER_GOING ||
        group->members_count == AXI_VOTE_COUNTS_MAX) {
        return;
    }
    group->period_ns = task->record.spec.period_ns;
    group->deadline_ns = task->record.spec.deadline_ns;
    group->members[group->members_count++] =
        (axi_VoteMember){.task_id = member->task,
                         .epoch_min = task->record.epoch,
                         .index = member->number,
                         .is_counted = member->role != AXI_MEMBER_NEW};
}

static void make_group(struct axi_master *m, const struct axi_service *service,
                       axi_VoteGroup *ret_group)
{
    const struct axi_output_policy *output = &service->spec.output;

    *ret_group = (axi_VoteGroup)axi_VoteGroup_init_zero;
    axi_copy_text(ret_group->service, sizeof(ret_group->service), service->spec.name);
    ret_group->generation = service->generation;
    ret_group->needed = axi_service_needed(&service->spec);
    ret_group->compare = (uint32_t)output->compare;
    ret_group->tolerance = output->tolerance;
    ret_group->release_ns = service->release_ns;
    for (int counted = 1; counted >= 0; counted--) { /* those that count must have room */
        for (uint32_t i = 0; i < service->member_count; i++) {
            if ((service->members[i].role != AXI_MEMBER_NEW) == (counted == 1)) {
                add_member(m, &service->members[i], ret_group);
            }
        }
    }
    ret_group->wait_ns = output->wait_ns != 0 ? output->wait_ns : ret_group->period_ns;
}

/* Another voter has it, or nobody. */
static void take_away(struct axi_master *m, struct axi_ballot *ballot)
{
    axi_VoteGroup group = axi_VoteGroup_init_zero;
    const struct axi_voter *voter = axi_voter_find(m, ballot->voter);

    if (voter != NULL && voter->link == ballot->link && ballot->link != 0) {
        axi_copy_text(group.service, sizeof(group.service), ballot->service);
        axi_send_link(m, voter->link, AXI_WIRE_VOTE_GROUP, &group);
    }
    ballot->voter = ballot->link = 0;
}

/* As they go over the wire. */
static bool is_same(const axi_VoteGroup *a, const axi_VoteGroup *b)
{
    uint8_t frames[2][AXI_WIRE_CONTROL_BYTES_MAX];
    size_t bytes[2] = {0};

    return axi_wire_encode(AXI_WIRE_VOTE_GROUP, a, NULL, 0, frames[0], sizeof(frames[0]),
                           &bytes[0]) == 0 &&
           axi_wire_encode(AXI_WIRE_VOTE_GROUP, b, NULL, 0, frames[1], sizeof(frames[1]),
                           &bytes[1]) == 0 &&
           bytes[0] == bytes[1] && memcmp(frames[0], frames[1], bytes[0]) == 0;
}

void axi_ballot_refresh(struct axi_master *m, const struct axi_service *service)
{
    struct axi_voter *voter = choose(m, service);
    struct axi_ballot *ballot =
        voter != NULL ? get_ballot(m, service->spec.name) : axi_ballot_find(m, service->spec.name);
    axi_VoteGroup group;

    if (ballot == NULL) {
        return;
    }
    if (voter == NULL || ballot->voter != voter->id) {
        take_away(m, ballot);
    }
    if (voter == NULL) {
        return;
    }
    make_group(m, service, &group);
    if ((ballot->link == voter->link && is_same(&group, &ballot->told)) ||
        (ballot->link == 0 && group.members_count == 0)) {
        return; /* it knows, or there is nothing to know yet */
    }
    ballot->told = group;
    ballot->voter = voter->id;
    ballot->link = voter->link;
    axi_send_link(m, voter->link, AXI_WIRE_VOTE_GROUP, &group);
}

void axi_voters_tell(struct axi_master *m, const struct axi_service *service, const char *name)
{
    struct axi_ballot *ballot;

    if (service != NULL) {
        axi_ballot_refresh(m, service);
        return;
    }
    ballot = axi_ballot_find(m, name);
    if (ballot != NULL) {
        take_away(m, ballot);
        drop_ballot(m, ballot);
    }
}

/* ---- links ---- */

static struct axi_voter *get_voter(struct axi_master *m, uint64_t id)
{
    struct axi_voter *voter = axi_voter_find(m, id);
    struct axi_voters *all = voters_of(m);

    if (voter != NULL || all == NULL) {
        return voter;
    }
    for (size_t i = 0; i < all->voter_count && all->voter_count == AXI_VOTERS_MAX; i++) {
        if (all->voters[i].link == 0) { /* the place of one that left */
            all->voters[i] = all->voters[--all->voter_count];
        }
    }
    if (all->voter_count == AXI_VOTERS_MAX) {
        return NULL;
    }
    voter = &all->voters[all->voter_count++];
    *voter = (struct axi_voter){.id = id};
    return voter;
}

static int judge(struct axi_master *m, const axi_VoterJoin *join, char *ret_reason)
{
    struct sockaddr_in address;

    if (!axi_token_is_right(m, join->token)) {
        return axi_refuse(ret_reason, AXC_EWIRE_AUTH, "wrong token");
    }
    if (join->protocol_min > AXI_WIRE_VERSION || join->protocol_max < AXI_WIRE_VERSION) {
        return axi_refuse(ret_reason, AXC_EWIRE_VERSION, "this master speaks protocol %u",
                          AXI_WIRE_VERSION);
    }
    if (join->voter_id == 0 || join->name[0] == '\0') {
        return axi_refuse(ret_reason, AXC_EINVALID, "voter_id and name are needed");
    }
    if (axi_sink_address(join->output_address, &address) < 0) {
        return axi_refuse(ret_reason, AXC_EINVALID,
                          "'%s' is no numeric IPv4 address and port for outputs",
                          join->output_address);
    }
    if (get_voter(m, join->voter_id) == NULL) {
        return axi_refuse(ret_reason, AXC_EFULL, "there are %u voters already", AXI_VOTERS_MAX);
    }
    return 0;
}

static void refresh_all(struct axi_master *m)
{
    struct axi_service **services = NULL;
    size_t count = axi_services_list(m, &services);

    for (size_t i = 0; i < count; i++) {
        axi_ballot_refresh(m, services[i]);
    }
}

void axi_voter_join(struct axi_master *m, struct axi_link *link, const axi_VoterJoin *join)
{
    axi_HelloReply reply = {.protocol = AXI_WIRE_VERSION,
                            .lease_ns = m->config.lease_ns,
                            .heartbeat_ns = m->config.heartbeat_ns,
                            .master_ns = axi_now_master(m)};
    struct axi_voter *voter;

    reply.result = judge(m, join, reply.reason);
    axi_send_link(m, link->id, AXI_WIRE_HELLO_REPLY, &reply);
    if (reply.result != 0) {
        axi_event(m, AXI_WARNING, "voter-refused", NULL, NULL, "%s (%s): %s", join->name,
                  link->peer, reply.reason);
        axi_link_close(m, link, reply.result, reply.reason);
        return;
    }
    voter = get_voter(m, join->voter_id);
    for (size_t i = 0; i < m->link_count; i++) { /* the same one came again */
        if (m->links[i]->voter == voter->id && m->links[i] != link) {
            m->links[i]->voter = 0;
            axi_link_close(m, m->links[i], -AXC_ECANCELLED, "replaced by a newer link");
        }
    }
    link->voter = voter->id;
    voter->link = link->id;
    voter->boot_id = join->boot_id;
    axi_copy_text(voter->name, sizeof(voter->name), join->name);
    axi_copy_text(voter->address, sizeof(voter->address), join->output_address);
    axi_copy_text(voter->version, sizeof(voter->version), join->version);
    axi_event(m, AXI_INFO, "voter-joined", NULL, NULL, "%s takes outputs at %s", voter->name,
              voter->address);
    refresh_all(m);
}

void axi_voter_message(struct axi_master *m, struct axi_link *link, uint32_t type,
                       const union axi_wire_message *message)
{
    if (type == AXI_WIRE_VOTE_REPORT) {
        axi_voter_report(m, link, &message->VoteReport);
        if (message->VoteReport.sequence != 0) {
            refresh_all(m);
        }
    } else if (type != AXI_WIRE_GOODBYE) {
        axi_link_close(m, link, -AXC_EWIRE_STATE, "not allowed on a voter's link");
    }
}

void axi_voter_link_down(struct axi_master *m, struct axi_link *link)
{
    struct axi_voter *voter = axi_voter_find(m, link->voter);

    if (voter != NULL && voter->link == link->id) {
        voter->link = 0;
        voter->lost_ns = axi_now(m);
        axi_event(m, AXI_WARNING, "voter-lost", NULL, NULL,
                  "%s: it goes on with what it was told, nobody hears its verdicts", voter->name);
    }
}

json_t *axi_master_voters(struct axi_master *m)
{
    json_t *array = json_array();

    for (size_t i = 0; m->voters != NULL && i < m->voters->voter_count; i++) {
        const struct axi_voter *voter = &m->voters->voters[i];
        json_t *services = json_array();
        json_int_t agreed = 0;
        json_int_t failed = 0;

        for (size_t b = 0; b < m->voters->ballot_count; b++) {
            const struct axi_ballot *ballot = m->voters->ballots[b];

            if (ballot->voter == voter->id) {
                json_array_append_new(services, json_string(ballot->service));
                agreed += (json_int_t)ballot->agreed;
                failed += (json_int_t)ballot->failed;
            }
        }
        json_array_append_new(array,
                              json_pack("{s:o, s:s, s:s, s:s, s:s, s:o, s:I, s:I}", "id",
                                        axi_json_id(voter->id), "name", voter->name, "address",
                                        voter->address, "version", voter->version, "state",
                                        voter->link != 0 ? "joined" : "lost", "services", services,
                                        "agreed", agreed, "failed", failed));
    }
    return array;
}
