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

/* Its record's assurance is that of the declaration it was made for. */
static void demand_present_assurance(const struct axi_service *s, const struct axi_member *member,
                                     struct axi_plan_task *task)
{
    uint32_t least = member->is_degraded ? s->spec.degraded.assurance : s->spec.assurance;

    task->what.assurance_min = least;
}

static int move(struct axi_master *m, const struct axi_plan_problem *problem, uint32_t index,
                const char *why)
{
    const struct axi_plan_task *task = &problem->tasks[index];
    struct axi_plan_choice choice = {.node = AXI_PLAN_NONE};
    uint64_t here = problem->nodes[task->node].place.id;
    char reason[AXI_REASON_BYTES] = "";
    const struct axi_task *known = axi_task_find(m, task->id);
    uint64_t op = 0;
    int rc = axi_plan_best(problem, index, &here, 1, &choice);

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

void axi_service_fit(struct axi_master *m, struct axi_service *s)
{
    struct axi_snapshot *snapshot;

    if (axi_now(m) < s->fit_ns) {
        return;
    }
    s->fit_ns = axi_now(m) + EVERY_NS;
    snapshot = axi_snapshot_make(m);
    for (uint32_t i = 0; snapshot != NULL && i < s->member_count; i++) {
        const struct axi_task *known = axi_task_find(m, s->members[i].task);
        uint32_t index = axi_snapshot_task(snapshot, s->members[i].task);
        char why[AXI_PLAN_REASON_BYTES] = "";
        struct axi_plan_task *task;
        double score = 0;
        int rc;

        if (index == AXI_PLAN_NONE || known == NULL || known->flow.step != AXI_STEP_IDLE ||
            known->record.state != AXI_TASK_RUNNING || s->members[i].role != AXI_MEMBER_ACTIVE) {
            continue;
        }
        task = (struct axi_plan_task *)&snapshot->problem.tasks[index];
        demand_present_assurance(s, &s->members[i], task);
        rc = axi_plan_judge(&snapshot->problem, index, task->node, &score, why);
        if (is_misplacement(rc) && move(m, &snapshot->problem, index, why) == 0) {
            break;
        }
    }
    axi_snapshot_free(snapshot);
}
