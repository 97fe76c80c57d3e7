/* SPDX-License-Identifier: Apache-2.0 */
/* The failure probability of a service within an hour. A replica is right for the hour when neither
 * its platform nor its node goes down and its node delivers no wrong value; the service is right
 * for certain while `needed` replicas are. Faults of one node or platform are common to what is
 * there (model/replica.h). Replacement within the hour is not counted on, so this is a bound. */
#include "model/replica.h"
#include "place/planner.h"

#include <math.h>

/* P(at least one event within an hour); what is no rate counts as 0. */
static double within_hour(double rate)
{
    return rate > 0 ? -expm1(-rate) : 0;
}

double axi_failure_risk(const struct axi_plan_node *node)
{
    return within_hour(fmax(0, node->fail_per_hour) + fmax(0, node->wrong_per_hour) +
                       fmax(0, node->platform_fail_per_hour));
}

double axi_failure_of(const struct axi_planner *planner, uint32_t service)
{
    const struct axi_plan_service *given = &planner->problem->services[service];
    const struct axi_scheme scheme = {.k = given->needed, .allow_colocated = given->needed == 1};
    struct axi_replica replicas[AXI_REPLICA_MAX];
    struct axi_service_failure failure = {0};
    size_t n = 0;
    double sum = 0;

    for (uint32_t t = planner->services[service].first; t != AXI_PLAN_NONE;
         t = planner->tasks[t].next_replica) {
        uint32_t node = planner->tasks[t].node;

        if (node == AXI_PLAN_NONE || n == AXI_REPLICA_MAX) {
            continue;
        }
        const struct axi_plan_node *at = planner->nodes[node].given;
        double wrong = within_hour(at->wrong_per_hour);

        replicas[n++] =
            (struct axi_replica){.fail = wrong,
                                 .wrong = wrong,
                                 .node = node,
                                 .platform = planner->nodes[node].platform,
                                 .node_fail = within_hour(at->fail_per_hour),
                                 .platform_fail = within_hour(at->platform_fail_per_hour)};
    }
    if (axi_service_evaluate(replicas, n, &scheme, &failure) != 0) {
        return 1;
    }
    /* With a majority needed, wrong values that agree are among the failures already. */
    sum = failure.fail + (2 * (size_t)given->needed <= n ? failure.unsafe : 0);
    return sum < 1 ? sum : 1;
}

double axi_plan_failure_per_hour(const struct axi_plan_problem *problem, size_t service)
{
    struct axi_planner *planner = NULL;
    double failure = 1;

    if (service < problem->service_count && axi_planner_new(problem, &planner) == 0) {
        failure = axi_failure_of(planner, (uint32_t)service);
    }
    axi_planner_free(planner);
    return failure;
}
