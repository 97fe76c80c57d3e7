/* SPDX-License-Identifier: Apache-2.0 */
/* Single questions: one task, one node or all of them, everything else staying. */
#include "place/planner.h"

#define NONE AXI_PLAN_NONE

/* What changes by a judgement of a task that is somewhere already: it is taken off meanwhile, its
 * own spare too, and the journal brings both back. */
static size_t lift(struct axi_planner *planner, uint32_t task)
{
    size_t mark = axi_planner_mark(planner);

    if (planner->tasks[task].node != NONE) {
        axi_planner_move(planner, task, NONE);
    }
    return mark;
}

int axi_planner_judge(struct axi_planner *planner, size_t task, size_t node, double *ret_score,
                      char reason[AXI_PLAN_REASON_BYTES])
{
    double score = 0;
    size_t mark = 0;
    int code = 0;

    if (task >= planner->problem->task_count || node >= planner->problem->node_count) {
        return -AXC_EINVALID;
    }
    mark = lift(planner, (uint32_t)task);
    code = axi_judge_full(planner, (uint32_t)task, (uint32_t)node, &score);
    if (reason != NULL) {
        reason[0] = '\0';
        if (code != 0) {
            axi_reason_refused(planner, (uint32_t)task, (uint32_t)node, code, reason);
        }
    }
    axi_planner_rollback(planner, mark);
    if (planner->is_out_of_memory) {
        return -AXC_ENOMEM;
    }
    if (code == 0) {
        *ret_score = score;
    }
    return code;
}

int axi_planner_best(struct axi_planner *planner, size_t task, const uint64_t *excluded,
                     size_t excluded_count, struct axi_plan_choice *ret_choice)
{
    struct axi_planner_scan scan;
    size_t mark = 0;

    *ret_choice = (struct axi_plan_choice){.node = NONE, .code = -AXC_EINVALID};
    if (task >= planner->problem->task_count) {
        return -AXC_EINVALID;
    }
    mark = lift(planner, (uint32_t)task);
    axi_planner_scan(planner, (uint32_t)task, excluded, excluded_count, &scan);
    if (scan.count > 0) {
        ret_choice->node = scan.best[0].node;
        ret_choice->code = 0;
        axi_reason_chosen(planner, (uint32_t)task, scan.best[0].node, &scan, ret_choice->reason);
    } else {
        ret_choice->code = axi_tally_code(&scan.tally);
        axi_reason_tally(planner, (uint32_t)task, &scan.tally, ret_choice->reason);
    }
    axi_planner_rollback(planner, mark);
    if (planner->is_out_of_memory) {
        return -AXC_ENOMEM;
    }
    return ret_choice->code == 0 ? 0 : -AXC_ENO_CANDIDATE;
}

int axi_plan_judge(const struct axi_plan_problem *problem, size_t task, size_t node,
                   double *ret_score, char reason[AXI_PLAN_REASON_BYTES])
{
    struct axi_planner *planner = NULL;
    int rc = axi_planner_new(problem, &planner);

    if (rc == 0) {
        rc = axi_planner_judge(planner, task, node, ret_score, reason);
    } else if (reason != NULL) {
        reason[0] = '\0';
    }
    axi_planner_free(planner);
    return rc;
}

int axi_plan_best(const struct axi_plan_problem *problem, size_t task, const uint64_t *excluded,
                  size_t excluded_count, struct axi_plan_choice *ret_choice)
{
    struct axi_planner *planner = NULL;
    int rc = axi_planner_new(problem, &planner);

    *ret_choice = (struct axi_plan_choice){.node = AXI_PLAN_NONE, .code = rc};
    if (rc == 0) {
        rc = axi_planner_best(planner, task, excluded, excluded_count, ret_choice);
    }
    axi_planner_free(planner);
    return rc;
}
