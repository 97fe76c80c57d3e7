/* SPDX-License-Identifier: Apache-2.0 */
/* Whether what is declared can be: all replicas of the new services planned together, with few
 * moves of others; what cannot be says which filter refused which node. */
#include "master/service/declare.h"

#include <stdio.h>
#include <string.h>

#define MOVES_MAX 2u

struct question {
    struct axi_snapshot_extra extras[AXI_DECLARE_MAX];
    struct axi_declare *of[AXI_DECLARE_MAX]; /* each extra's declaration */
    char names[AXI_DECLARE_MAX][40];
    size_t count;
};

static void ask_for(struct axi_master *m, struct question *q, struct axi_declare *d)
{
    uint32_t first = d->service != NULL ? d->service->numbers : 0;
    bool is_varied = (d->spec.diversity & AXI_DIVERSE_IMAGE) != 0;

    for (uint32_t i = 0; i < d->spec.replicas && q->count < AXI_DECLARE_MAX; i++) {
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
    struct axi_plan_task *tasks = (struct axi_plan_task *)problem->tasks; /* the snapshot's own */

    for (size_t i = 0; i < problem->task_count; i++) {
        tasks[i].node = plan->choices[i].node;
    }
    for (size_t n = 0; n < problem->node_count; n++) {
        char reason[AXI_PLAN_REASON_BYTES] = "";
        double score = 0;
        int rc = axi_plan_judge(problem, index, n, &score, reason);

        json_array_append_new(
            array, json_pack("{s:s, s:s, s:s}", "node", problem->nodes[n].place.name, "error",
                             rc == 0 ? "" : axi_error_name(rc), "reason",
                             rc == 0 ? "takes it alone, but not in this arrangement" : reason));
    }
    return array;
}

static void add_plan(struct axi_master *m, const struct axi_plan_problem *problem,
                     const struct axi_plan *plan, size_t index, const char *service,
                     json_t *ret_plan)
{
    const struct axi_plan_task *task = &problem->tasks[index];
    const struct axi_plan_choice *choice = &plan->choices[index];
    const struct axi_task *known = axi_task_find(m, task->id);

    json_array_append_new(
        ret_plan,
        json_pack("{s:s, s:s, s:s, s:s, s:s}", "task", task->name, "service",
                  known != NULL ? known->record.service : service, "from",
                  task->node == AXI_PLAN_NONE ? "" : problem->nodes[task->node].place.name, "to",
                  problem->nodes[choice->node].place.name, "why", choice->reason));
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

static int plan_question(struct axi_master *m, const struct question *q, const char *replacing,
                         json_t *ret_plan)
{
    struct axi_snapshot_options options = {
        .extras = q->extras, .extra_count = q->count, .replacing = replacing};
    struct axi_snapshot *snapshot = axi_snapshot_build(m, &options);
    struct axi_plan_options how = {.moves_max = MOVES_MAX};
    struct axi_plan plan = {0};
    int rc = snapshot != NULL ? axi_plan_make(&snapshot->problem, &how, &plan) : -AXC_ENOMEM;

    if (rc == 0) {
        judge_plan(m, q, snapshot, &plan, ret_plan);
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
