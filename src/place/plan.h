/* SPDX-License-Identifier: Apache-2.0 */
/* Plans: where all replicas of all services go, with every constraint between them. Pure functions
 * over a snapshot; place/place.h judges one task on one node, this adds what concerns several: the
 * diversity of replicas, the failure probability of a service (model/replica.h), the loss of any
 * one node, moves of some tasks to make room for others. Same input, same plan. Filters, scores and
 * weights: docs/orchestration.md, "Placement". Host library; any thread, one planner at a time.
 *
 * Order: criticality, then utilisation, falling; among the tasks of equal rank the one that would
 * lose most by not getting its best node now (regret). Then local search by moves and swaps until
 * nothing gets better or options.steps judgements are used up. */
#ifndef AXI_PLACE_PLAN_H
#define AXI_PLACE_PLAN_H

#include "place/place.h"

#define AXI_PLAN_NONE UINT32_MAX

struct axi_plan_node {
    struct axi_place_node place; /* its tasks: only what is not among the plan's tasks. free_slots
                                    and memory_free_bytes likewise: as though none of the plan's
                                    tasks were there (add back axi_place_bytes of those that are) */
    const char *isa;             /* "aarch64", "x86_64"; NULL: like every other NULL */
    const char *const *labels;   /* "key=value" */
    size_t label_count;
    uint64_t latency_ns;           /* bounded, one way */
    double fail_per_hour;          /* rate of its going down */
    double wrong_per_hour;         /* rate of its delivering wrong values in time; beside the former
                                    */
    double platform_fail_per_hour; /* common to all nodes of its first platform */
    uint32_t predicted_ppm; /* upper quantile of its load within the horizon, with all tasks where
                               they are; 0 = not known */
    bool is_cordoned;       /* keeps what it has, gets nothing ... */
    const char *closed_why; /* ... because, in words after "is"; NULL: "cordoned" */
    bool is_leaving;        /* drained: what may move leaves, nothing comes */
};

/* Its replicas are the tasks that name it: all of them are given, also those without a node yet,
 * since the target (fail_per_hour_max) is judged when the last one is placed. A caller that would
 * rather have a replica too weak than none gives no target. */
struct axi_plan_service {
    const char *name;
    uint32_t diversity;        /* AXI_DIVERSE_* of manifest/spec.h, same bits */
    uint32_t needed;           /* k of its n replicas must be right */
    double fail_per_hour_max;  /* 0 = no target */
    uint64_t latency_max_ns;   /* 0 = any */
    const char *const *labels; /* required of a node */
    size_t label_count;
    const char *const *prefer; /* labels that make a node better */
    size_t prefer_count;
    const uint64_t *nodes; /* ids allowed; count 0 = all */
    size_t node_count;
    bool survives_node_loss;
};

/* A replica that is about to go (its successor is placed beside it) is given without service: it
 * takes room and nothing more. */
struct axi_plan_task {
    uint64_t id;
    const char *name;
    struct axi_place_task what;
    uint32_t service; /* index, or AXI_PLAN_NONE: only `what` counts */
    uint32_t image;   /* number of the variant, for diversity over images */
    uint32_t criticality;
    uint32_t node;   /* index of where it is, AXI_PLAN_NONE = nowhere yet */
    bool is_movable; /* else it stays where it is */
};

struct axi_plan_problem {
    const struct axi_plan_node *nodes;
    const struct axi_plan_task *tasks;
    const struct axi_plan_service *services;
    size_t node_count, task_count, service_count;
};

struct axi_plan_options {
    uint64_t steps;                 /* judgements of the search; 0 = 50000 and 200 for each task */
    uint32_t moves_max;             /* of tasks that are placed already; 0 = any number */
    bool is_rebalancing;            /* also move for a better spread, not only for feasibility */
    bool (*is_over)(void *context); /* optional: asked now and then; true ends the search */
    void *context;
};

#define AXI_PLAN_REASON_BYTES 192u

struct axi_plan_choice {
    uint32_t node; /* AXI_PLAN_NONE: nowhere */
    int code;      /* 0; or why nowhere: the commonest of the nodes' refusals; or, with the node
                      where it is: why it should leave, and no other node takes it */
    char reason[AXI_PLAN_REASON_BYTES]; /* code: which filter refused how many nodes, with one name
                                           each; else why there (what decided) */
};

struct axi_plan {
    struct axi_plan_choice *choices; /* one per task */
    size_t moved, placed, refused;   /* left where they were; from nowhere; with a code */
    double score;                    /* lower is better; comparable for one problem */
};

/* Judges one node for one task with all filters and the other tasks where problem->tasks says they
 * are; is_movable plays no part, and the node where the task is already may be cordoned. 0 and a
 * score (lower is better; what the plan's score gains), or the refusal: -AXC_EADMIT_*,
 * -AXC_EUNAVAILABLE (not ready, cordoned, leaving), -AXC_EPLACE_{NODE,LABEL,LATENCY,SHARED,
 * DIVERSITY,FAILURE,SPARE}; -AXC_EINVALID (an index out of range), -AXC_ENOMEM. reason: may be
 * NULL. Reads the whole problem: for many questions make an axi_planner. */
AXC_MUST_USE int axi_plan_judge(const struct axi_plan_problem *problem, size_t task, size_t node,
                                double *ret_score, char reason[AXI_PLAN_REASON_BYTES]);

/* Best node for one task, everything else staying; excluded: node ids. *ret_choice is filled in
 * all cases. -AXC_ENO_CANDIDATE, -AXC_ENOMEM, -AXC_EINVALID. */
AXC_MUST_USE int axi_plan_best(const struct axi_plan_problem *problem, size_t task,
                               const uint64_t *excluded, size_t excluded_count,
                               struct axi_plan_choice *ret_choice);

/* A whole plan. 0 also when some tasks go nowhere (plan.refused). -AXC_ENOMEM, -AXC_EINVALID (an
 * index in the problem is out of range). Free with axi_plan_clear. options: NULL = all 0. */
AXC_MUST_USE int axi_plan_make(const struct axi_plan_problem *problem,
                               const struct axi_plan_options *options, struct axi_plan *ret_plan);
void axi_plan_clear(struct axi_plan *plan);

/* How many of the labels that the service prefers the node has. */
size_t axi_plan_preferred(const struct axi_plan_service *service, const struct axi_plan_node *node);

/* Probability that the service fails within an hour with its replicas where they are, nothing being
 * replaced meanwhile; 1 when it has fewer than it needs. An upper bound: a fault, also of one wrong
 * value, counts for the whole hour. */
double axi_plan_failure_per_hour(const struct axi_plan_problem *problem, size_t service);

/* The same questions, many times over one problem: it is read once, and each judgement costs O(its
 * node's tasks) at most. Borrows the problem until freed. -AXC_ENOMEM, -AXC_EINVALID. */
struct axi_planner;
AXC_MUST_USE int axi_planner_new(const struct axi_plan_problem *problem,
                                 struct axi_planner **ret_planner);
void axi_planner_free(struct axi_planner *planner); /* NULL: nothing */
AXC_MUST_USE int axi_planner_judge(struct axi_planner *planner, size_t task, size_t node,
                                   double *ret_score, char reason[AXI_PLAN_REASON_BYTES]);
AXC_MUST_USE int axi_planner_best(struct axi_planner *planner, size_t task,
                                  const uint64_t *excluded, size_t excluded_count,
                                  struct axi_plan_choice *ret_choice);
/* From now on the task is taken to be on that node (AXI_PLAN_NONE: nowhere); nothing is judged.
 * -AXC_EINVALID, -AXC_ENOMEM. */
AXC_MUST_USE int axi_planner_assume(struct axi_planner *planner, size_t task, uint32_t node);

#endif
