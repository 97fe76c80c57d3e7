/* SPDX-License-Identifier: Apache-2.0 */
/* I7: every instance releases on its task's grid, whichever node it is moved to or restored on, and
 * every replica of a service on the grid that the service's record has. */
#include "cluster.h"

#include "history/grid.h"

#include <stdlib.h>

/* The only replica of its service goes on later when it is restored. */
static bool is_grid_of(const struct sim_service *s, const struct axi_grid *grid)
{
    for (uint32_t i = 0; i < s->grid_count; i++) {
        if (s->grids[i] == grid->origin_ns ||
            (s->replicas == 1 && grid->origin_ns > s->grids[i] &&
             (grid->origin_ns - s->grids[i]) % grid->period_ns == 0)) {
            return true;
        }
    }
    return false;
}

/* A replica's jobs are compared with the others' by their number alone. */
static void check_replica(struct sim_cluster *cluster, const struct axi_task_verdict *task)
{
    uint32_t image = sim_task_find(cluster, task->task_id);
    const struct sim_service *s = NULL;

    if (image == UINT32_MAX || task->grid.period_ns == 0) {
        return;
    }
    s = &cluster->services[image / SIM_EACH];
    if (!is_grid_of(s, &task->grid)) {
        (void)axi_verdict_violate(cluster->verdict, AXI_I7, NULL,
                                  "%s: replica %016llx releases on the grid of %llu, which the "
                                  "service never had",
                                  s->name, (unsigned long long)task->task_id,
                                  (unsigned long long)task->grid.origin_ns);
    }
}

void sim_grid_judge(struct sim_cluster *cluster, struct axi_check_source *sources)
{
    for (uint32_t i = 0; i < cluster->node_count; i++) {
        sources[i].bound_ns = cluster->nodes[i].machine.bound_max_ns;
    }
    if (axi_check_grid(sources, cluster->node_count, cluster->verdict) < 0) {
        abort();
    }
    for (size_t i = 0; cluster->options.has_services && i < cluster->verdict->task_count; i++) {
        check_replica(cluster, &cluster->verdict->tasks[i]);
    }
}
