/* SPDX-License-Identifier: Apache-2.0 */
/* One fault in an otherwise calm cluster, when it has come to rest: a replica or a node lies or
 * falls silent, a node dies, a voter dies or loses the master. What redundancy is there for must
 * show then: the outputs go on, and who is at fault is replaced, nobody else. */
#include "cluster.h"
#include "vote_ledger.h"

#include <string.h>

enum { REPLACED_WITHIN_S = 10, LASTS_S = 12, CUT_S = 6, EVERYTHING_KNOWN_S = 4, CLOCK_MS = 2 };

#define COMPLAIN(cluster, ...)                                                                     \
    (void)axi_verdict_violate((cluster)->verdict, AXI_I6, NULL, __VA_ARGS__)

static const struct axi_task_spec *spec_of(const struct sim_cluster *cluster,
                                           const struct sim_service *s)
{
    return &cluster->images[s->image].info.spec;
}

static uint32_t index_of(const struct sim_cluster *cluster, const struct sim_service *s)
{
    return (uint32_t)(s - cluster->services);
}

/* ---- is it at rest? ---- */

static int voter_of(struct sim_cluster *cluster, uint64_t task)
{
    struct sim_where where = sim_instance_find(cluster, task);

    return where.node == NULL || !where.is_active ? -1 : where.node->slots[where.slot].voter;
}

/* A node whose clock is far off releases at other times than the others: that is at fault, too. */
static bool is_on_time(struct sim_node *node)
{
    return node != NULL && node->agent != NULL &&
           sim_machine_clock_error(&node->machine) < CLOCK_MS * SIM_MS;
}

/* Replicas of at-least-one that lost different jobs may differ for good: then nobody knows who is
 * right, and the next copy of any one of them makes it the majority. */
static bool is_agreeing(struct sim_cluster *cluster, const struct sim_service *s, uint64_t job)
{
    const struct sim_said *first = NULL;

    for (uint32_t i = 0; i < s->member_count; i++) {
        const struct sim_teller *teller = sim_teller_find(cluster, s->members[i].task);
        const struct sim_said *said = teller != NULL ? sim_said_find(teller, job, 0) : NULL;

        if (said != NULL && first != NULL && said->value[0] != first->value[0]) {
            return false;
        }
        first = said != NULL ? said : first;
    }
    return true;
}

/* All replicas run, count, agree and have been voted on for a while, by one voter. */
static bool is_settled(struct sim_cluster *cluster, const struct sim_service *s)
{
    const struct sim_puts *puts = &cluster->votes->puts[index_of(cluster, s)];
    const struct axi_task_spec *spec = spec_of(cluster, s);
    uint64_t now = cluster->clock.now_ns;
    int voter = s->member_count > 0 ? voter_of(cluster, s->members[0].task) : -1;
    const struct sim_voter *host = voter >= 0 ? &cluster->voters[voter] : NULL;

    if (!s->is_declared || s->is_deleting || s->member_count != s->replicas || host == NULL ||
        host->vote == NULL || now - host->booted_ns < EVERYTHING_KNOWN_S * SIM_S ||
        puts->count == 0 || puts->jobs[puts->count - 1].ns + 4 * spec->period_ns + SIM_S < now) {
        return false;
    }
    for (uint32_t i = 0; i < s->member_count; i++) {
        const struct sim_teller *teller = sim_teller_find(cluster, s->members[i].task);

        if (!is_on_time(sim_instance_find(cluster, s->members[i].task).node) ||
            !s->members[i].is_active || voter_of(cluster, s->members[i].task) != voter ||
            teller == NULL || now - teller->counted_ns < EVERYTHING_KNOWN_S * SIM_S) {
            return false;
        }
    }
    return is_agreeing(cluster, s, puts->jobs[puts->count - 1].job);
}

/* ---- the fault ---- */

/* Two against one: who lies is known. */
static bool knows_liars(const struct sim_service *s)
{
    return s->replicas >= 3;
}

static bool is_victim(const struct sim_calm *calm, uint64_t task)
{
    for (uint32_t i = 0; i < calm->victim_count; i++) {
        if (calm->victims[i] == task) {
            return true;
        }
    }
    return false;
}

static void check_victims(void *context, uint64_t argument)
{
    struct sim_cluster *cluster = context;
    const struct sim_calm *calm = &cluster->calm;

    (void)argument;
    for (uint32_t i = 0; i < cluster->service_count; i++) {
        const struct sim_service *s = &cluster->services[i];

        for (uint32_t k = 0; k < s->member_count; k++) {
            if (s->members[k].is_counted && is_victim(calm, s->members[k].task) &&
                sim_place_has_room(cluster, s)) {
                COMPLAIN(cluster, "%s: replica %016llx is at fault for %d s and still counts",
                         s->name, (unsigned long long)s->members[k].task, REPLACED_WITHIN_S);
            }
        }
    }
}

static void add_victims(struct sim_cluster *cluster, const struct sim_node *node, enum sim_liar how)
{
    struct sim_calm *calm = &cluster->calm;

    for (uint32_t i = 0; i < cluster->service_count; i++) {
        const struct sim_service *s = &cluster->services[i];

        for (uint32_t k = 0; k < s->member_count && calm->victim_count < SIM_VICTIMS_MAX; k++) {
            struct sim_where where = sim_instance_find(cluster, s->members[k].task);

            if (where.node == node && calm->is_settled[i] && (how != SIM_LIES || knows_liars(s))) {
                calm->victims[calm->victim_count++] = s->members[k].task;
            }
        }
    }
}

static void expect_replaced(struct sim_cluster *cluster, uint64_t after_ns)
{
    sim_at(&cluster->clock, cluster->clock.now_ns + after_ns + REPLACED_WITHIN_S * SIM_S,
           check_victims, cluster, 0);
}

static void misbehave(struct sim_cluster *cluster, const struct sim_service *s, uint64_t after_ns)
{
    struct sim_clock *clock = &cluster->clock;
    struct sim_calm *calm = &cluster->calm;
    struct sim_liar_plan plan = {.how = knows_liars(s) && sim_chance(clock, 600000) ? SIM_LIES
                                                                                    : SIM_SILENT};
    uint64_t task = s->members[sim_below(clock, s->member_count)].task;

    plan.task = task;
    if (cluster->options.disable_majority) {
        plan.second = s->members[s->members[0].task == task ? 1 : 0].task;
    }
    calm->victims[calm->victim_count++] = task;
    sim_liar_begin(cluster, &plan, cluster->end_ns - clock->now_ns);
    expect_replaced(cluster, after_ns);
}

/* A node that is the only one of its platform cannot be replaced by another. */
static bool can_do_without(const struct sim_cluster *cluster)
{
    bool is_free = cluster->node_count >= 5;

    for (uint32_t i = 0; i < cluster->service_count; i++) {
        is_free = is_free && !cluster->services[i].must_differ;
    }
    return is_free;
}

static void spoil_node(struct sim_cluster *cluster, struct sim_node *node)
{
    struct sim_liar_plan plan = {.how = sim_chance(&cluster->clock, 500000) ? SIM_LIES : SIM_SILENT,
                                 .node = node};

    add_victims(cluster, node, plan.how);
    sim_liar_begin(cluster, &plan, LASTS_S * SIM_S);
    if (can_do_without(cluster)) {
        expect_replaced(cluster, 0);
    }
}

static void spare_used(void *context, uint64_t argument)
{
    (void)argument;
    sim_spare_used(context);
}

static void strike(struct sim_cluster *cluster, const struct sim_service *s)
{
    static const char *const names[] = {"nothing",     "a replica",    "a node",
                                        "a node dies", "a voter dies", "a voter is cut off"};
    struct sim_clock *clock = &cluster->clock;
    struct sim_calm *calm = &cluster->calm;
    uint64_t task = s->members[sim_below(clock, s->member_count)].task;
    struct sim_node *node = sim_instance_find(cluster, task).node;
    struct sim_voter *host = &cluster->voters[voter_of(cluster, task)];

    sim_log(cluster, "calm", "%s: %s", s->name, names[calm->kind]);
    switch (calm->kind) {
    case SIM_CALM_REPLICA:
        misbehave(cluster, s, 0);
        break;
    case SIM_CALM_NODE:
        spoil_node(cluster, node);
        break;
    case SIM_CALM_DEATH:
        sim_node_crash(node, "in the calm", LASTS_S * SIM_S);
        if (calm->is_spared) {
            sim_at(clock, clock->now_ns + REPLACED_WITHIN_S * SIM_S, spare_used, cluster, 0);
        }
        break;
    case SIM_CALM_VOTER:
        sim_voter_crash(host, sim_between(clock, 200 * SIM_MS, SIM_S));
        break;
    case SIM_CALM_CUT:
        sim_voter_cut(host, CUT_S * SIM_S);
        misbehave(cluster, s, CUT_S * SIM_S);
        break;
    default:
        break;
    }
}

/* Where a replica was at fault none is placed for a while: there must be another node for it. */
static bool may_fail(struct sim_cluster *cluster, const struct sim_service *s,
                     enum sim_calm_kind kind)
{
    bool may = kind == SIM_CALM_DEATH || kind == SIM_CALM_VOTER || sim_place_has_spare(cluster, s);

    for (uint32_t i = 0; kind == SIM_CALM_NODE && i < cluster->service_count; i++) {
        may = may && sim_place_has_spare(cluster, &cluster->services[i]);
    }
    return may;
}

static void begin(void *context, uint64_t argument)
{
    struct sim_cluster *cluster = context;
    struct sim_calm *calm = &cluster->calm;
    uint32_t settled[SIM_SERVICES_MAX];
    uint32_t count = 0;

    (void)argument;
    calm->begin_ns = cluster->clock.now_ns;
    for (uint32_t i = 0; i < cluster->service_count; i++) {
        const struct sim_puts *puts = &cluster->votes->puts[i];

        calm->is_settled[i] = is_settled(cluster, &cluster->services[i]);
        if (calm->is_settled[i]) {
            calm->from[i] = puts->jobs[puts->count - 1];
            settled[count++] = i;
        }
    }
    calm->is_spared = sim_spare_judge(cluster);
    calm->kind = (enum sim_calm_kind)sim_below(&cluster->clock, SIM_CALM_KINDS);
    if (count > 0) {
        const struct sim_service *s =
            &cluster->services[settled[sim_below(&cluster->clock, count)]];

        calm->kind = may_fail(cluster, s, calm->kind) ? calm->kind : SIM_CALM_NOTHING;
        cluster->counts.calm++;
        strike(cluster, s);
    }
}

void sim_calm_start(struct sim_cluster *cluster)
{
    sim_at(&cluster->clock, cluster->faults_end_ns + SIM_CALM_AFTER_S * SIM_S, begin, cluster, 0);
}

/* ---- what must be true then ---- */

void sim_calm_activated(struct sim_node *node, uint64_t task)
{
    struct sim_calm *calm = &node->cluster->calm;
    uint32_t image = sim_task_find(node->cluster, task);

    if (calm->begin_ns != 0 && image != UINT32_MAX && calm->moved_count < SIM_MOVES_MAX) {
        calm->moves[calm->moved_count++] =
            (struct sim_move){image / SIM_EACH, node->cluster->clock.now_ns};
    }
}

void sim_calm_replaced(struct sim_cluster *cluster, const struct sim_service *s, uint64_t task)
{
    const struct sim_calm *calm = &cluster->calm;
    struct sim_where where = sim_instance_find(cluster, task);
    bool is_spoilt = sim_votes_liar(cluster, where.node, task) != SIM_HONEST ||
                     (where.node != NULL && where.node == cluster->liar.node); /* or was */

    if (calm->begin_ns == 0 || is_victim(calm, task) || is_spoilt || !is_on_time(where.node) ||
        !calm->is_settled[index_of(cluster, s)] || calm->kind == SIM_CALM_DEATH) {
        return;
    }
    COMPLAIN(cluster, "%s: replica %016llx is replaced for its outputs, which were good", s->name,
             (unsigned long long)task);
}

static bool is_put(const struct sim_puts *puts, const struct sim_put *job)
{
    for (uint32_t i = puts->count; i > 0; i--) {
        if (puts->jobs[i - 1].id == job->id && puts->jobs[i - 1].job == job->job) {
            return true;
        }
    }
    return false;
}

/* A replica that begins or is moved is not there for a while: that is declared. */
static bool is_excused(const struct sim_cluster *cluster, uint32_t service, uint64_t at_ns)
{
    for (uint32_t i = 0; i < cluster->calm.moved_count; i++) {
        const struct sim_move *move = &cluster->calm.moves[i];
        uint64_t far_ns = at_ns > move->at_ns ? at_ns - move->at_ns : move->at_ns - at_ns;

        if (move->service == service && far_ns < 1500 * SIM_MS) {
            return true;
        }
    }
    return false;
}

/* Two of three were right all the time: every job is agreed on. */
static void check_agreed(struct sim_cluster *cluster, uint32_t index)
{
    const struct sim_service *s = &cluster->services[index];
    const struct axi_task_spec *spec = spec_of(cluster, s);
    const struct sim_puts *puts = &cluster->votes->puts[index];
    struct sim_put job = cluster->calm.from[index];
    uint64_t r_ns = s->grids[s->grid_count - 1];
    uint32_t missing = 0;

    for (job.job++; r_ns + job.job * spec->period_ns + spec->deadline_ns + 2 * spec->period_ns <
                    cluster->end_ns;
         job.job++) {
        bool is_missing =
            !is_put(puts, &job) && !is_excused(cluster, index, r_ns + job.job * spec->period_ns);

        if (is_missing && missing++ == 0) {
            COMPLAIN(cluster, "%s: job %llu is not agreed on, with one fault at most", s->name,
                     (unsigned long long)job.job);
        }
    }
}

void sim_calm_judge(struct sim_cluster *cluster)
{
    const struct sim_calm *calm = &cluster->calm;

    for (uint32_t i = 0; i < cluster->service_count; i++) {
        const struct sim_service *s = &cluster->services[i];

        if (calm->is_settled[i] && strcmp(s->mode, "tmr") == 0 && calm->kind != SIM_CALM_VOTER &&
            s->declared_ns < calm->begin_ns) {
            check_agreed(cluster, i);
        }
    }
}
