/* SPDX-License-Identifier: Apache-2.0 */
/* Which replicas yield. For every node that refuses for want of room, the replicas of less critical
 * services there are taken away in thought, the least critical first, until it takes the one that
 * wants room; each must find a node for its degraded variant, beside everything that runs until
 * then, since the full one goes only when its successor counts. What turns out not to be needed is
 * left alone, and the node with the least harm is chosen. */
#include "master/service/yield.h"

#include "master/service/rollout.h"
#include "master/service/rollout_internal.h"

#include <stdlib.h>
#include <string.h>

#define NONE AXI_PLAN_NONE
#define STEPS_MAX 100000u /* judgements of one question */
#define PLACES_TRIED 4u   /* for one degraded variant */

enum fate { STAYS, DEGRADED, GONE };

struct yielder {
    struct axi_service *service; /* borrowed */
    uint64_t id;
    uint32_t task, lesser; /* indices; lesser NONE: it may not degrade (further) */
    uint32_t node, lesser_node;
    uint32_t image;
    enum fate fate;
    bool is_fixed; /* yields to a former extra already */
    uint32_t extra;
};

struct harm { /* the former, the worse */
    uint32_t gone, criticality, count;
    double score;
};

struct search {
    struct axi_master *m;
    const struct axi_yield_question *q;
    struct axi_snapshot *snapshot;
    struct axi_plan_task *tasks;     /* as they are, yielders without their service */
    struct axi_plan_problem present; /* with those */
    struct axi_planner *planner;     /* as it would be */
    struct axi_planner *beside;      /* as it is until the full ones go */
    struct axi_snapshot_extra *extras;
    struct yielder *yielders; /* by node, then criticality, then load, falling */
    size_t count;
    size_t first;   /* index of the first extra */
    uint64_t steps; /* judgements so far */
};

static int judge(struct search *s, uint32_t task, uint32_t node, double *ret_score)
{
    s->steps++;
    return axi_planner_judge(s->planner, task, node, ret_score, NULL);
}

static bool is_want_of_room(int code)
{
    return code == -AXC_EADMIT_LOAD || code == -AXC_EADMIT_DEADLINE || code == -AXC_EADMIT_SLOTS ||
           code == -AXC_EADMIT_MEMORY;
}

/* ---- who may ---- */

static uint32_t criticality_of(const struct axi_snapshot_extra *extra)
{
    return extra->spec != NULL ? extra->spec->criticality : extra->info->spec.criticality;
}

static bool is_calm(struct axi_master *m, const struct axi_service *s)
{
    return !s->is_deleting && !s->is_uncertain && !axi_rollout_is_open(s) &&
           axi_rollout_count_old(s) == 0 && axi_now(m) >= s->yield_ns;
}

static bool may_yield(struct axi_master *m, const struct axi_service *s,
                      const struct axi_member *member)
{
    const struct axi_task *task = axi_task_find(m, member->task);
    struct axi_replica_view view;

    axi_replica_look(m, member->task, &view);
    return member->role == AXI_MEMBER_ACTIVE && task != NULL && view.state == AXI_REPLICA_RUNNING &&
           task->flow.step == AXI_STEP_IDLE &&
           ((s->spec.degraded.is_allowed && !member->is_degraded) || s->spec.is_preemptible);
}

static void add_service(struct search *s, struct axi_service *service)
{
    for (uint32_t i = 0; i < service->member_count; i++) {
        const struct axi_member *member = &service->members[i];

        if (may_yield(s->m, service, member)) {
            s->yielders[s->count++] = (struct yielder){.service = service,
                                                       .id = member->task,
                                                       .image = member->image,
                                                       .lesser = NONE,
                                                       .node = NONE,
                                                       .lesser_node = NONE};
        }
    }
}

static int add_yielders(struct search *s)
{
    struct axi_service **services = NULL;
    size_t count = axi_services_list(s->m, &services);
    uint32_t highest = 0;
    size_t most = 1;

    for (size_t i = 0; i < s->q->extra_count; i++) {
        uint32_t criticality = criticality_of(&s->q->extras[i]);

        highest = criticality > highest ? criticality : highest;
    }
    for (size_t i = 0; i < count; i++) {
        most += services[i]->member_count;
    }
    s->yielders = calloc(most, sizeof(*s->yielders));
    s->extras = calloc(s->q->extra_count + most, sizeof(*s->extras));
    if (s->yielders == NULL || s->extras == NULL) {
        return -AXC_ENOMEM;
    }
    for (size_t i = 0; i < count; i++) {
        if (services[i]->spec.criticality < highest && is_calm(s->m, services[i])) {
            add_service(s, services[i]);
        }
    }
    return 0;
}

/* The degraded variants come behind the question's own extras. */
static size_t add_lesser(struct search *s)
{
    size_t count = s->q->extra_count;

    memcpy(s->extras, s->q->extras, count * sizeof(*s->extras));
    for (size_t i = 0; i < s->count; i++) {
        struct yielder *y = &s->yielders[i];
        const struct axi_service_spec *spec = &y->service->spec;
        const struct axi_member *member = axi_member_find(y->service, y->id);
        uint32_t image = spec->degraded.image[0] != '\0' ? AXI_SERVICE_IMAGES_MAX : y->image;
        const struct axi_image_info *info = axi_service_image(s->m, &y->service->images, image);

        if (spec->degraded.is_allowed && !member->is_degraded && info != NULL) {
            y->lesser = (uint32_t)count; /* of the extras, for now */
            s->extras[count++] =
                (struct axi_snapshot_extra){.name = spec->name,
                                            .spec = spec,
                                            .info = info,
                                            .image = image,
                                            .assurance_min = spec->degraded.assurance};
        }
    }
    return count;
}

static int by_node(const void *left, const void *right)
{
    const struct yielder *a = left;
    const struct yielder *b = right;
    uint32_t ca = a->service->spec.criticality;
    uint32_t cb = b->service->spec.criticality;

    if (a->node != b->node) {
        return a->node < b->node ? -1 : 1;
    }
    if (ca != cb) {
        return ca < cb ? -1 : 1;
    }
    return a->task < b->task ? -1 : a->task > b->task;
}

/* ---- the two pictures ---- */

static void find_indices(struct search *s)
{
    for (size_t i = 0; i < s->count; i++) {
        struct yielder *y = &s->yielders[i];

        y->task = axi_snapshot_task(s->snapshot, y->id);
        y->node = y->task != NONE ? s->snapshot->problem.tasks[y->task].node : NONE;
        y->lesser = y->lesser != NONE ? (uint32_t)s->first + y->lesser : NONE;
        if (y->task != NONE) {
            s->tasks[y->task].service = NONE;
        }
    }
    qsort(s->yielders, s->count, sizeof(*s->yielders), by_node);
    while (s->count > 0 && s->yielders[s->count - 1].node == NONE) {
        s->count--;
    }
}

static int take_plan(struct search *s)
{
    const struct axi_plan *at = s->q->at;
    int rc = 0;

    for (size_t i = 0; at != NULL && i < s->first + s->q->extra_count && rc == 0; i++) {
        if (at->choices[i].node != s->snapshot->problem.tasks[i].node) {
            rc = axi_planner_assume(s->planner, i, at->choices[i].node);
        }
    }
    for (size_t i = 0; at != NULL && i < s->count; i++) { /* one that moves does not yield, too */
        s->yielders[i].is_fixed |= at->choices[s->yielders[i].task].node != s->yielders[i].node;
    }
    return rc;
}

static int begin(struct search *s)
{
    int rc = add_yielders(s);
    struct axi_snapshot_options options = {
        .extras = s->extras, .without = s->q->without, .ignores_spares = s->q->ignores_spares};
    size_t bytes;

    if (rc != 0) {
        return rc;
    }
    options.extra_count = add_lesser(s);
    s->snapshot = axi_snapshot_build(s->m, &options);
    if (s->snapshot == NULL) {
        return -AXC_ENOMEM;
    }
    if (s->q->asking != NULL) {
        axi_service_close_avoided(s->m, s->q->asking, s->snapshot);
    }
    s->first = s->snapshot->problem.task_count - options.extra_count;
    bytes = s->snapshot->problem.task_count * sizeof(*s->tasks);
    s->tasks = malloc(bytes);
    if (s->tasks == NULL) {
        return -AXC_ENOMEM;
    }
    memcpy(s->tasks, s->snapshot->problem.tasks, bytes);
    find_indices(s);
    s->present = s->snapshot->problem;
    s->present.tasks = s->tasks;
    rc = axi_planner_new(&s->snapshot->problem, &s->planner);
    rc = rc == 0 ? axi_planner_new(&s->present, &s->beside) : rc;
    return rc == 0 ? take_plan(s) : rc;
}

static void end(struct search *s)
{
    axi_planner_free(s->planner);
    axi_planner_free(s->beside);
    axi_snapshot_free(s->snapshot);
    free(s->tasks);
    free(s->extras);
    free(s->yielders);
}

/* ---- one node ---- */

static int set_fate(struct search *s, struct yielder *y, enum fate fate, uint32_t lesser_node)
{
    int rc = 0;

    if (y->lesser != NONE) {
        rc = axi_planner_assume(s->planner, y->lesser, lesser_node);
        rc = rc == 0 ? axi_planner_assume(s->beside, y->lesser, lesser_node) : rc;
    }
    if (rc == 0) {
        rc = axi_planner_assume(s->planner, y->task, fate == STAYS ? y->node : NONE);
    }
    y->fate = fate;
    y->lesser_node = lesser_node;
    return rc;
}

/* Nodes excluded so far; one more where it may be, but not yet. */
static uint32_t place_but(struct search *s, const struct yielder *y, uint64_t *excluded,
                          size_t count)
{
    for (uint32_t tried = 0; tried < PLACES_TRIED; tried++) {
        struct axi_plan_choice choice = {.node = NONE};
        double score = 0;

        s->steps += s->snapshot->problem.node_count / 4 + 1;
        if (axi_planner_best(s->planner, y->lesser, excluded, count, &choice) != 0) {
            return NONE;
        }
        if (axi_planner_judge(s->beside, y->lesser, choice.node, &score, NULL) == 0) {
            return choice.node;
        }
        excluded[count++] = s->snapshot->problem.nodes[choice.node].place.id;
    }
    return NONE;
}

/* Elsewhere if that can be: here there is too little room as it is. */
static uint32_t place_lesser(struct search *s, const struct yielder *y)
{
    uint64_t excluded[PLACES_TRIED + 1] = {s->snapshot->problem.nodes[y->node].place.id};
    uint32_t node = place_but(s, y, excluded, 1);
    double score = 0;

    if (node == NONE && judge(s, y->lesser, y->node, &score) == 0 &&
        axi_planner_judge(s->beside, y->lesser, y->node, &score, NULL) == 0) {
        node = y->node;
    }
    return node;
}

static int degrade(struct search *s, struct yielder *y)
{
    uint32_t node;
    int rc = axi_planner_assume(s->planner, y->task, NONE);

    if (rc != 0) {
        return rc;
    }
    node = place_lesser(s, y);
    return set_fate(s, y, node != NONE ? DEGRADED : STAYS, node);
}

static bool may_go(const struct search *s, const struct yielder *y)
{
    struct axi_service_counts counts;
    uint32_t going = 0;

    for (size_t i = 0; i < s->count; i++) {
        going += s->yielders[i].service == y->service && s->yielders[i].fate == GONE;
    }
    axi_service_count(s->m, y->service, &counts);
    return y->service->spec.is_preemptible && counts.running > y->service->spec.minimum + going &&
           axi_service_wanted(y->service) > y->service->spec.minimum + going;
}

static bool is_asked(const struct search *s, const struct yielder *y, uint32_t extra)
{
    return !y->is_fixed && y->service->spec.criticality < criticality_of(&s->q->extras[extra]);
}

/* The most critical first: what the node takes the extra without need not yield after all. */
static int spare_the_needless(struct search *s, uint32_t extra, struct yielder *list, size_t count)
{
    uint32_t node = list[0].node;
    uint32_t task = (uint32_t)(s->first + extra);
    double score = 0;
    int rc = 0;

    for (size_t i = count; i-- > 0 && rc == 0;) {
        enum fate fate = list[i].fate;
        uint32_t lesser_node = list[i].lesser_node;

        if (list[i].is_fixed || fate == STAYS) {
            continue;
        }
        rc = set_fate(s, &list[i], STAYS, NONE);
        if (rc == 0 && judge(s, task, node, &score) != 0) {
            rc = set_fate(s, &list[i], fate, lesser_node);
        }
    }
    return rc;
}

/* 0 with *ret_score: the node takes it by now. */
static int try_fates(struct search *s, uint32_t extra, struct yielder *list, size_t count,
                     double *ret_score)
{
    uint32_t task = (uint32_t)(s->first + extra);
    uint32_t node = list[0].node;
    int rc = judge(s, task, node, ret_score);

    for (size_t i = 0; i < count && is_want_of_room(rc); i++) {
        if (is_asked(s, &list[i], extra) && list[i].lesser != NONE) {
            if (degrade(s, &list[i]) != 0) {
                return -AXC_ENOMEM;
            }
            rc = list[i].fate == DEGRADED ? judge(s, task, node, ret_score) : rc;
        }
    }
    for (size_t i = 0; i < count && is_want_of_room(rc); i++) {
        if (is_asked(s, &list[i], extra) && may_go(s, &list[i])) {
            if (set_fate(s, &list[i], GONE, NONE) != 0) {
                return -AXC_ENOMEM;
            }
            rc = judge(s, task, node, ret_score);
        }
    }
    return rc;
}

static struct harm harm_of(const struct yielder *list, size_t count, double score)
{
    struct harm harm = {.score = score};

    for (size_t i = 0; i < count; i++) {
        if (!list[i].is_fixed && list[i].fate != STAYS) {
            uint32_t criticality = list[i].service->spec.criticality + 1;

            harm.gone += list[i].fate == GONE;
            harm.count++;
            harm.criticality = criticality > harm.criticality ? criticality : harm.criticality;
        }
    }
    return harm;
}

static bool is_less(const struct harm *a, const struct harm *b)
{
    return a->gone != b->gone                 ? a->gone < b->gone
           : a->criticality != b->criticality ? a->criticality < b->criticality
           : a->count != b->count             ? a->count < b->count
                                              : a->score < b->score;
}

/* ---- all of them ---- */

struct option {
    uint32_t node; /* NONE: there is none */
    struct harm harm;
    struct axi_yields yields;
};

static void note(uint32_t extra, const struct yielder *list, size_t count, double score,
                 struct option *best)
{
    struct harm harm = harm_of(list, count, score);

    if (harm.count > AXI_YIELDS_MAX || (best->node != NONE && !is_less(&harm, &best->harm))) {
        return;
    }
    *best = (struct option){.node = list[0].node, .harm = harm};
    for (size_t i = 0; i < count; i++) {
        const struct yielder *y = &list[i];

        if (!y->is_fixed && y->fate != STAYS) {
            struct axi_yield *yield = &best->yields.list[best->yields.count++];

            *yield = (struct axi_yield){
                .task = y->id, .node = y->node, .lesser_node = y->lesser_node, .extra = extra};
            axi_copy_text(yield->service, sizeof(yield->service), y->service->spec.name);
        }
    }
}

static int undo(struct search *s, struct yielder *list, size_t count)
{
    int rc = 0;

    for (size_t i = 0; i < count && rc == 0; i++) {
        if (!list[i].is_fixed && list[i].fate != STAYS) {
            rc = set_fate(s, &list[i], STAYS, NONE);
        }
    }
    return rc;
}

static int look_at_nodes(struct search *s, uint32_t extra, struct option *best)
{
    int rc = 0;

    for (size_t i = 0, next = 0; i < s->count && rc == 0 && s->steps < STEPS_MAX; i = next) {
        double score = 0;

        while (next < s->count && s->yielders[next].node == s->yielders[i].node) {
            next++;
        }
        rc = try_fates(s, extra, &s->yielders[i], next - i, &score);
        if (rc == 0) {
            rc = spare_the_needless(s, extra, &s->yielders[i], next - i);
            note(extra, &s->yielders[i], next - i, score, best);
        }
        rc = rc == -AXC_ENOMEM ? rc : undo(s, &s->yielders[i], next - i);
    }
    return rc;
}

/* From now on it is so, also for the extras that come after. */
static int settle(struct search *s, uint32_t extra, const struct option *best,
                  struct axi_yields *all)
{
    int rc = axi_planner_assume(s->planner, s->first + extra, best->node);

    for (size_t k = 0; k < best->yields.count && rc == 0; k++) {
        const struct axi_yield *yield = &best->yields.list[k];

        for (size_t i = 0; i < s->count && rc == 0; i++) {
            if (s->yielders[i].id == yield->task) {
                rc = set_fate(s, &s->yielders[i], yield->lesser_node != NONE ? DEGRADED : GONE,
                              yield->lesser_node);
                s->yielders[i].is_fixed = true;
            }
        }
        all->list[all->count++] = *yield;
    }
    return rc;
}

/* One that fits by now, since room was made for others, needs no yields of its own. */
static int place_extra(struct search *s, uint32_t extra, uint32_t *ret_node, struct axi_yields *all)
{
    struct axi_plan_choice choice = {.node = NONE};
    struct option best = {.node = NONE};
    int rc = axi_planner_best(s->planner, s->first + extra, NULL, 0, &choice);

    if (rc == 0) {
        best.node = choice.node;
    } else if (rc == -AXC_ENO_CANDIDATE && (s->q->may == NULL || s->q->may[extra])) {
        rc = look_at_nodes(s, extra, &best);
        rc = rc == -AXC_ENOMEM ? rc : 0;
    }
    if (rc == -AXC_ENO_CANDIDATE || (rc == 0 && best.node == NONE) ||
        all->count + best.yields.count > AXI_YIELDS_MAX) {
        return 0;
    }
    *ret_node = best.node;
    return rc == 0 ? settle(s, extra, &best, all) : rc;
}

int axi_yield_find(struct axi_master *m, const struct axi_yield_question *question,
                   uint32_t *ret_nodes, struct axi_yields *ret_yields)
{
    struct search s = {.m = m, .q = question};
    int rc = begin(&s);

    *ret_yields = (struct axi_yields){.count = 0};
    for (uint32_t i = 0; i < question->extra_count && rc == 0; i++) {
        const struct axi_plan *at = question->at;

        ret_nodes[i] = at != NULL ? at->choices[s.first + i].node : NONE;
        if (ret_nodes[i] == NONE) {
            rc = place_extra(&s, i, &ret_nodes[i], ret_yields);
        }
    }
    end(&s);
    return rc;
}
