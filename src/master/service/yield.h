/* SPDX-License-Identifier: Apache-2.0 */
/* Making room where moves do not: replicas of strictly less critical services are replaced by their
 * degraded variant, where they declare one; as the last resort those above the minimum of a service
 * that is declared preemptible go. yield.c finds out which (pure, over a snapshot), yield_step.c
 * does it and gives everything back. Part of the master's core: same rules of use. */
#ifndef AXI_MASTER_SERVICE_YIELD_H
#define AXI_MASTER_SERVICE_YIELD_H

#include "master/service/internal.h"

#define AXI_YIELDS_MAX 8u /* replicas that yield for one question */

/* One replica that yields. Indices of nodes are those of m->nodes. */
struct axi_yield {
    uint64_t task;                        /* of the replica */
    uint32_t node;                        /* where it is */
    uint32_t lesser_node;                 /* of its degraded variant; AXI_PLAN_NONE: it just goes */
    uint32_t extra;                       /* the one of the question that it yields to */
    char service[AXI_SERVICE_NAME_BYTES]; /* its own */
};

struct axi_yields {
    struct axi_yield list[AXI_YIELDS_MAX];
    size_t count;
};

struct axi_yield_question {
    const struct axi_snapshot_extra *extras; /* what wants room, the most urgent first */
    size_t extra_count;
    uint64_t without;          /* task that is left out; 0 = none */
    const struct axi_plan *at; /* over the same extras: where everything is taken to be; NULL: where
                                  it is, the extras nowhere */
    const bool *may;           /* for each extra: others may yield to it; NULL = for all */
    const struct axi_service *asking; /* its avoided nodes are no places; may be NULL */
    bool ignores_spares;              /* as in the options of a snapshot */
};

/* Finds nodes for those extras that have none (AXI_PLAN_NONE in `at`), each by the fewest yields:
 * none that go before any that go, then the least critical, then the fewest. ret_nodes: for each
 * extra, AXI_PLAN_NONE where nothing helps. Which yields: *ret_yields. -AXC_ENOMEM. */
AXC_MUST_USE int axi_yield_find(struct axi_master *m, const struct axi_yield_question *question,
                                uint32_t *ret_nodes, struct axi_yields *ret_yields);

/* Replicas of the service that are so badly missed that others yield: those below its minimum, or
 * one when none of it is there. */
uint32_t axi_yield_urgent(struct axi_master *m, const struct axi_service *service);

/* Begins what makes room for all of the extras. to: name of the service or task. False: nothing
 * can be done. */
bool axi_yield_begin(struct axi_master *m, const struct axi_yield_question *question,
                     const char *to);
/* True while a replica that yields to this one is still there. */
bool axi_yield_is_under_way(struct axi_master *m, const char *to);
/* True when room has been made for something more critical that is not there yet: nothing of this
 * criticality may take it. */
bool axi_yield_is_reserved(struct axi_master *m, uint32_t criticality);
/* True while the service may not have back what it yielded. */
bool axi_yield_must_last(struct axi_master *m, const struct axi_service *service);

/* One look at what the service yielded. 0, or the store did not take it: look again soon. */
AXC_MUST_USE int axi_yield_step(struct axi_master *m, struct axi_service *service);
/* What the service goes without for whom, in words. False: nothing (ret_text is as it was). */
bool axi_yield_describe(const struct axi_service *service, uint32_t degraded,
                        char ret_text[AXI_REASON_BYTES]);

#endif
