/* SPDX-License-Identifier: Apache-2.0 */
/* Whether what is declared can be: all replicas of the new services planned together, with few
 * moves of others, or with less critical ones that yield; what cannot be says which filter refused
 * which node. */
#include "master/service/declare.h"
#include "master/service/hosts.h"
#include "master/service/yield.h"

#include <stdio.h>
#include <string.h>

#define MOVES_MAX 2u

struct question {
    struct axi_snapshot_extra extras[AXI_DECLARE_MAX];
    struct axi_declare *of[AXI_DECLARE_MAX]; /* each extra's declaration */
    char names[AXI_DECLARE_MAX][40];
    size_t count;
};

/* What it has yielded it need not have room for now. */
static uint32_t wanted(const struct axi_declare *d)
{
    struct axi_service as_declared = {.spec = d->spec};

    if (d->service != NULL) {
        as_declared.yielded = d->service->yielded;
    }
    return axi_service_wanted(&as_declared);
}

static void ask_for(struct axi_master *m, struct question *q, struct axi_declare *d)
{
    uint32_t count = wanted(d);
    uint32_t first = d->service != NULL ? d->service->numbers : 0;
    bool is_varied = (d->spec.diversity & AXI_DIVERSE_IMAGE) != 0;

    for (uint32_t i = 0; i < count && q->count < AXI_DECLARE_MAX; i++) {
        uint32_t image = is_varied ? i % d->spec.image_count : 0;
        bool has_own = d->is_lesser && d->spec.degraded.image[0] != '\0';

        (void)snprintf(q->names[q->count], sizeof(q->names[0]), "%s-%u", d->spec.name,
                       first + i + 1);
        q->of[q->count] = d;
        q->extras[q->count] = (struct axi_snapshot_extra){
            .name = q->names[q->count],
            .spec = &d->spec,
            .info = axi_service_image(m, &d->images, has_own ? AXI_SERVICE_IMAGES_MAX : image),
            .image = has_own ? AXI_SERVICE_IMAGES_MAX : image,
            .assurance_min = d->is_lesser ? d->spec.degraded.assurance : d->spec.assurance};
        q->count++;
    }
}

/* What every node says of one that found none, with the others where they were planned. */
static json_t *refusals(const struct axi_plan_problem *problem, const struct axi_plan *plan,
                        size_t index)
{
    json_t *array = json_array();
    struct axi_planner *planner = NULL;
    int made = axi_planner_new(problem, &planner);

    for (size_t i = 0; i < problem->task_count && made == 0; i++) {
        if (plan->choices[i].node != problem->tasks[i].node) {
            made = axi_planner_assume(planner, i, plan->choices[i].node);
        }
    }
    for (size_t n = 0; n < problem->node_count && made == 0; n++) {
        char reason[AXI_PLAN_REASON_BYTES] = "";
        double score = 0;
        int rc = axi_planner_judge(planner, index, n, &score, reason);

        json_array_append_new(
            array, json_pack("{s:s, s:s, s:s}", "node", problem->nodes[n].place.name, "error",
                             rc == 0 ? "" : axi_error_name(rc), "reason",
                             rc == 0 ? "takes it alone, but not in this arrangement" : reason));
    }
    axi_planner_free(planner);
    return array;
}

static void add_plan(struct axi_master *m, const struct axi_plan_problem *problem,
                     const struct axi_plan *plan, size_t index, const char *service,
                     json_t *ret_plan)
{
    const struct axi_plan_task *task = &problem->tasks[index];
    const struct axi_plan_choice *choice = &plan->choices[index];
    const struct axi_task *known = axi_task_find(m, task->id);
    const char *to = problem->nodes[choice->node].place.name;
    char why[AXI_PLAN_REASON_BYTES + 64];

    (void)snprintf(why, sizeof(why), "%s", choice->reason);
    if (choice->node >= m->node_count) { /* one of axi_phantoms */
        (void)snprintf(why, sizeof(why), "would start a partition on %.*s: %s",
                       (int)(strrchr(to, '-') - to), to, choice->reason);
    }
    json_array_append_new(
        ret_plan,
        json_pack("{s:s, s:s, s:s, s:s, s:s}", "task", task->name, "service",
                  known != NULL ? known->record.service : service, "from",
                  task->node == AXI_PLAN_NONE ? "" : problem->nodes[task->node].place.name, "to",
                  to, "why", why));
}

static void judge_plan(struct axi_master *m, const struct question *q,
                       const struct axi_snapshot *snapshot, const struct axi_plan *plan,
                       json_t *ret_plan)
{
    const struct axi_plan_problem *problem = &snapshot->problem;
    size_t first = problem->task_count - q->count;

    for (size_t i = 0; i < problem->task_count; i++) {
        const struct axi_plan_choice *choice = &plan->choices[i];

        if (ret_plan != NULL && choice->node != AXI_PLAN_NONE &&
            choice->node != problem->tasks[i].node) {
            add_plan(m, problem, plan, i, i >= first ? q->of[i - first]->spec.name : "", ret_plan);
        }
    }
    for (size_t i = 0; i < q->count; i++) {
        const struct axi_plan_choice *choice = &plan->choices[first + i];
        struct axi_declare *d = q->of[i];

        if (choice->node == AXI_PLAN_NONE && d->code == 0) {
            d->code = choice->code != 0 ? choice->code : -AXC_ENO_CANDIDATE;
            (void)snprintf(d->reason, sizeof(d->reason), "%.31s finds no node: %.100s",
                           problem->tasks[first + i].name, choice->reason);
            d->nodes = refusals(problem, plan, first + i);
        }
    }
}

/* Others yield to what a service cannot be without, not to every replica of it (yield.h). */
static void mark_urgent(const struct question *q, const struct axi_plan *plan, size_t first,
                        bool *ret_may)
{
    for (size_t i = 0; i < q->count; i++) {
        const struct axi_service_spec *spec = &q->of[i]->spec;
        uint32_t least = spec->minimum > 1 ? spec->minimum : 1;
        uint32_t there = 0;

        for (size_t k = 0; k < q->count; k++) {
            there += q->of[k] == q->of[i] &&
                     (plan->choices[first + k].node != AXI_PLAN_NONE || (k < i && ret_may[k]));
        }
        ret_may[i] = plan->choices[first + i].node == AXI_PLAN_NONE && there < least;
    }
}

/* Gives nodes to extras that found none, where others can yield. */
static int let_yield(struct axi_master *m, const struct question *q, size_t first,
                     struct axi_plan *plan, struct axi_yields *ret_yields)
{
    bool may[AXI_DECLARE_MAX] = {false};
    uint32_t nodes[AXI_DECLARE_MAX];
    struct axi_yield_question question = {
        .extras = q->extras, .extra_count = q->count, .at = plan, .may = may};
    int rc;

    mark_urgent(q, plan, first, may);
    rc = axi_yield_find(m, &question, nodes, ret_yields);
    for (size_t i = 0; i < q->count && rc == 0; i++) {
        struct axi_plan_choice *choice = &plan->choices[first + i];

        if (choice->node == AXI_PLAN_NONE && nodes[i] != AXI_PLAN_NONE) {
            choice->node = nodes[i];
            choice->code = 0;
            (void)snprintf(choice->reason, sizeof(choice->reason),
                           "less critical ones make room there");
        }
    }
    return rc;
}

static void add_yields(struct axi_master *m, const struct question *q,
                       const struct axi_yields *yields, json_t *ret_plan)
{
    for (size_t i = 0; i < yields->count && ret_plan != NULL; i++) {
        const struct axi_yield *yield = &yields->list[i];
        const struct axi_service_spec *to = &q->of[yield->extra]->spec;
        const struct axi_service *service = axi_service_find(m, yield->service);
        bool is_lesser = yield->lesser_node != AXI_PLAN_NONE;
        char why[AXI_REASON_BYTES];

        if (q->of[yield->extra]->code != 0) {
            continue;
        }
        (void)snprintf(why, sizeof(why), "%s: makes room for %s (criticality %u, its own is %u)",
                       is_lesser ? "its degraded variant takes over" : "goes", to->name,
                       to->criticality, service->spec.criticality);
        json_array_append_new(
            ret_plan,
            json_pack("{s:s, s:s, s:s, s:s, s:s}", "task",
                      axi_task_find(m, yield->task)->record.name, "service", yield->service, "from",
                      m->nodes[yield->node]->hello.name, "to",
                      is_lesser ? m->nodes[yield->lesser_node]->hello.name : "", "why", why));
    }
}

static bool is_any_homeless(const struct axi_plan *plan, size_t first, size_t count)
{
    for (size_t i = first; i < first + count; i++) {
        if (plan->choices[i].node == AXI_PLAN_NONE) {
            return true;
        }
    }
    return false;
}

/* Again, with partitions that hosts would start for those that find no node; nothing else moves.
 * False: none would help, and the first plan holds. */
static bool plan_partitions(struct axi_master *m, const struct question *q,
                            const struct axi_snapshot_options *options, json_t *ret_plan)
{
    struct axi_snapshot_options with = *options;
    struct axi_phantoms phantoms = {.count = 0};
    struct axi_plan_options how = {.moves_max = 0};
    struct axi_snapshot *snapshot = NULL;
    struct axi_plan plan = {0};
    bool is_made = false;

    if (axi_phantoms_plan(m, options, false, &phantoms) < 0 || phantoms.count == 0) {
        return false;
    }
    with.keeps_all = true;
    with.phantoms = &phantoms;
    snapshot = axi_snapshot_build(m, &with);
    if (snapshot != NULL && axi_plan_make(&snapshot->problem, &how, &plan) == 0) {
        judge_plan(m, q, snapshot, &plan, ret_plan);
        axi_plan_clear(&plan);
        is_made = true;
    }
    axi_snapshot_free(snapshot);
    return is_made;
}

static int plan_question(struct axi_master *m, const struct question *q, const char *replacing,
                         json_t *ret_plan)
{
    struct axi_snapshot_options options = {
        .extras = q->extras, .extra_count = q->count, .replacing = replacing};
    struct axi_snapshot *snapshot = axi_snapshot_build(m, &options);
    struct axi_plan_options how = {.moves_max = MOVES_MAX};
    struct axi_plan plan = {0};
    struct axi_yields yields = {.count = 0};
    int rc = snapshot != NULL ? axi_plan_make(&snapshot->problem, &how, &plan) : -AXC_ENOMEM;

    if (rc == 0) {
        size_t first = snapshot->problem.task_count - q->count;

        if (replacing == NULL && plan.refused > 0) {
            rc = let_yield(m, q, first, &plan, &yields);
        }
        if (!is_any_homeless(&plan, first, q->count) ||
            !plan_partitions(m, q, &options, ret_plan)) {
            judge_plan(m, q, snapshot, &plan, ret_plan);
            add_yields(m, q, &yields, ret_plan);
        }
        axi_plan_clear(&plan);
    }
    axi_snapshot_free(snapshot);
    return rc;
}

/* A change: its service as it would be, its present members left out. */
static int judge_change(struct axi_master *m, struct axi_declare *d, json_t *ret_plan)
{
    struct question q = {.count = 0};

    ask_for(m, &q, d);
    return plan_question(m, &q, d->spec.name, ret_plan);
}

/* Where the full ones find no node, degraded ones may do. */
static int judge_lesser(struct axi_master *m, struct axi_declare *d, json_t *ret_plan)
{
    struct axi_declare lesser = *d;
    int rc;

    lesser.is_lesser = true;
    lesser.code = 0;
    lesser.nodes = NULL;
    rc = judge_change(m, &lesser, ret_plan);
    if (rc == 0 && lesser.code == 0) {
        d->code = 0;
        json_decref(d->nodes);
        d->nodes = NULL;
    }
    json_decref(lesser.nodes);
    return rc;
}

int axi_declare_judge(struct axi_master *m, struct axi_declare *list, size_t count,
                      json_t *ret_plan)
{
    struct question creates = {.count = 0};
    int rc = 0;

    for (size_t i = 0; i < count; i++) {
        if (list[i].kind == AXI_DECLARE_SERVICE && list[i].action == AXI_DECLARE_CREATE) {
            ask_for(m, &creates, &list[i]);
        }
    }
    if (creates.count > 0) {
        rc = plan_question(m, &creates, NULL, ret_plan);
    }
    for (size_t i = 0; i < count && rc == 0; i++) {
        struct axi_declare *d = &list[i];

        if (d->kind != AXI_DECLARE_SERVICE) {
            continue;
        }
        if (d->action == AXI_DECLARE_CHANGE) {
            rc = judge_change(m, d, d->is_replacing ? ret_plan : NULL);
        }
        if (rc == 0 && d->code != 0 && d->spec.degraded.is_allowed && d->nodes != NULL) {
            rc = judge_lesser(m, d, ret_plan);
        }
    }
    return rc;
}
