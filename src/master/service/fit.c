/* SPDX-License-Identifier: Apache-2.0 */
/* Members that may not be any more where they are: a label was taken away, the service was declared
 * anew, two became alike. They move, one at a time. */
#include "master/service/internal.h"

#include <stdio.h>
#include <string.h>

#define EVERY_NS 2000000000ull

/* What another node could cure; load is judged by the node itself. */
static bool is_misplacement(int code)
{
    return code == -AXC_EPLACE_LABEL || code == -AXC_EPLACE_LATENCY || code == -AXC_EPLACE_NODE ||
           code == -AXC_EPLACE_DIVERSITY || code == -AXC_EPLACE_SHARED ||
           code == -AXC_EADMIT_SERVICE;
}

/* A member's record has the assurance of the declaration it was made for. */
static void demand_present_assurance(const struct axi_service *s, struct axi_snapshot *snapshot)
{
    for (uint32_t i = 0; i < s->member_count; i++) {
        const struct axi_member *member = &s->members[i];
        uint32_t index = axi_snapshot_task(snapshot, member->task);

        if (index != AXI_PLAN_NONE) {
            struct axi_plan_task *task = (struct axi_plan_task *)&snapshot->problem.tasks[index];

            task->what.assurance_min =
                member->is_degraded ? s->spec.degraded.assurance : s->spec.assurance;
        }
    }
}

static int move(struct axi_master *m, const struct axi_plan_problem *problem,
                struct axi_planner *planner, uint32_t index, const char *why)
{
    const struct axi_plan_task *task = &problem->tasks[index];
    struct axi_plan_choice choice = {.node = AXI_PLAN_NONE};
    uint64_t here = problem->nodes[task->node].place.id;
    char reason[AXI_REASON_BYTES] = "";
    const struct axi_task *known = axi_task_find(m, task->id);
    uint64_t op = 0;
    int rc = axi_planner_best(planner, index, &here, 1, &choice);

    if (rc == 0 && known != NULL) {
        rc = axi_master_migrate(m, known->record.name, problem->nodes[choice.node].place.name, &op,
                                reason);
    }
    if (rc == 0) {
        axi_event(m, AXI_INFO, "misplaced", known, axi_node_find(m, here), "moves to %s: %s",
                  problem->nodes[choice.node].place.name, why);
    }
    return rc;
}

static bool is_settled(struct axi_master *m, const struct axi_member *member)
{
    const struct axi_task *known = axi_task_find(m, member->task);

    return known != NULL && known->flow.step == AXI_STEP_IDLE &&
           known->record.state == AXI_TASK_RUNNING && member->role == AXI_MEMBER_ACTIVE;
}

void axi_service_fit(struct axi_master *m, struct axi_service *s)
{
    struct axi_planner *planner = NULL;
    struct axi_snapshot *snapshot;
    int made;

    if (axi_now(m) < s->fit_ns) {
        return;
    }
    s->fit_ns = axi_now(m) + EVERY_NS;
    snapshot = axi_snapshot_make(m);
    if (snapshot == NULL) {
        return;
    }
    demand_present_assurance(s, snapshot);
    axi_service_close_avoided(m, s, snapshot);
    made = axi_planner_new(&snapshot->problem, &planner);
    for (uint32_t i = 0; made == 0 && i < s->member_count; i++) {
        uint32_t index = axi_snapshot_task(snapshot, s->members[i].task);
        char why[AXI_PLAN_REASON_BYTES] = "";
        double score = 0;
        int rc;

        if (index == AXI_PLAN_NONE || !is_settled(m, &s->members[i])) {
            continue;
        }
        rc = axi_planner_judge(planner, index, snapshot->problem.tasks[index].node, &score, why);
        if (is_misplacement(rc) && move(m, &snapshot->problem, planner, index, why) == 0) {
            break;
        }
    }
    axi_planner_free(planner);
    axi_snapshot_free(snapshot);
}
