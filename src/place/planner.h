/* SPDX-License-Identifier: Apache-2.0 */
/* The planner's working state: a problem with its tasks where they are for now, and what is kept of
 * each node so that a judgement needs no scan. Internal to src/place.
 *
 *   node -> members (list through the tasks), sums of density, load, memory, slots
 *   service -> members (list through the tasks), placed or not
 *   task -> its node, its demand there; spare: where it would go if that node were lost
 *
 * Sums are exact: what is added is taken away again. Everything is allocated at the beginning but
 * the journal, which grows with the depth of a search. */
#ifndef AXI_PLACE_PLANNER_H
#define AXI_PLACE_PLANNER_H

#include "place/plan.h"

/* Weights of the score (docs/orchestration.md says what they do to each other). The stake of a task
 * is STAKE_BASE and its density: what it costs to have it on a worse node. */
#define AXI_WEIGHT_LOAD 1.0 /* times the square of each node's load */
#define AXI_WEIGHT_OVER 5.0 /* times what of the load is above AXI_LOAD_HIGH */
#define AXI_LOAD_HIGH 0.8
#define AXI_STAKE_BASE 0.1
#define AXI_WEIGHT_PREFER 0.5  /* times stake and the part of the preferred labels missing */
#define AXI_WEIGHT_LATENCY 0.2 /* times stake and the part used of the latency allowed */
#define AXI_WEIGHT_ALIKE                                                                           \
    10.0 /* times stake, for each replica and each trait it shares: beats any load */
#define AXI_WEIGHT_RISK 0.2  /* times stake, for each power of ten above the target, of 12 */
#define AXI_WEIGHT_MOVE 0.02 /* of one move of criticality 0; twice as much of criticality 15 */
#define AXI_WEIGHT_REFUSED 1000.0

struct axi_planner_node {
    struct axi_place_node place; /* free_slots and memory_free_bytes as of now */
    const struct axi_plan_node *given;
    uint32_t platform, isa; /* numbers: equal names, equal numbers */
    uint32_t first;         /* of its members; AXI_PLAN_NONE */
    uint32_t member_count;
    uint32_t first_reserved; /* of the tasks whose spare it is */
    uint64_t density_ppm;    /* rounded up, each at most AXI_DENSITY_MAX_PPM */
    uint64_t load_floor_ppm; /* C / T, each rounded down */
    unsigned __int128 bytes;
    int64_t excess_ppm; /* predicted beyond the density that it was predicted with; >= 0 */
    double risk;        /* of the node and its platform in an hour */
    /* The lightest candidate that the exact test refused for certain since the node last gave up a
     * task: what is no lighter is refused, too. period 0: none. */
    struct axi_demand_task refused;
};

#define AXI_DENSITY_MAX_PPM ((uint64_t)1 << 40)

struct axi_planner_task {
    const struct axi_plan_task *given;
    uint32_t node;           /* where it is now */
    uint32_t next, previous; /* on its node */
    uint32_t next_replica;   /* of its service */
    uint32_t spare, next_reserved, previous_reserved;
    struct axi_demand_task demand; /* on its node */
    uint64_t density_ppm, load_floor_ppm, bytes;
    double stake;
    uint32_t makes_room_for; /* the task that it was moved for; AXI_PLAN_NONE */
    bool is_locked;          /* not to be moved by the search for now */
};

struct axi_planner_service {
    uint32_t first; /* of its replicas, placed or not */
    uint32_t replica_count, placed_count;
};

struct axi_planner_change { /* of a task's node or, is_spare, its spare; to be undone */
    uint32_t task, old;
    bool is_spare;
};

/* A node that a scan found. */
struct axi_planner_option {
    uint32_t node;
    int quick; /* verdict of axi_judge_quick: 0 or AXI_UNDECIDED */
    double score;
};

#define AXI_TALLY_KINDS 20u
/* Refusals by code. */
struct axi_planner_tally {
    size_t kinds;
    struct {
        int code;
        uint32_t count, first; /* first: a node */
    } of[AXI_TALLY_KINDS];
};

struct axi_planner {
    const struct axi_plan_problem *problem;
    struct axi_planner_node *nodes;
    struct axi_planner_task *tasks;
    struct axi_planner_service *services;
    struct axi_demand_task *demands;    /* room for those of any node */
    struct axi_planner_option *options; /* room for all nodes: of a scan */
    uint32_t *lost;                     /* room for all nodes: of the spares */
    struct axi_planner_change *journal;
    size_t journal_count, journal_capacity;
    uint64_t steps; /* judgements so far */
    bool has_spares;
    bool is_out_of_memory; /* the journal could not grow: whatever was searched is void */
};

/* planner.c */
void axi_planner_put(struct axi_planner *planner, uint32_t task, uint32_t node);
void axi_planner_take(struct axi_planner *planner, uint32_t task);
/* Take and put with an entry in the journal; node AXI_PLAN_NONE: take. */
void axi_planner_move(struct axi_planner *planner, uint32_t task, uint32_t node);
void axi_planner_set_spare(struct axi_planner *planner, uint32_t task, uint32_t node);
size_t axi_planner_mark(const struct axi_planner *planner);
void axi_planner_rollback(struct axi_planner *planner, size_t mark);
/* The node's demands in planner->demands; returns their number. */
uint32_t axi_planner_gather(struct axi_planner *planner, uint32_t node);

/* judge.c. The task is nowhere meanwhile. */
#define AXI_UNDECIDED 1 /* quick: only the exact test can say */
/* All filters that are cheap: 0 or AXI_UNDECIDED with the score, or a refusal. */
int axi_judge_quick(struct axi_planner *planner, uint32_t task, uint32_t node, double *ret_score);
/* The rest, for what the former did not refuse: the exact test, failure, spares. */
int axi_judge_late(struct axi_planner *planner, uint32_t task, uint32_t node, int quick);
/* Both without the spares: what a node's loss is judged by. */
int axi_judge_bare(struct axi_planner *planner, uint32_t task, uint32_t node);
int axi_judge_full(struct axi_planner *planner, uint32_t task, uint32_t node, double *ret_score);
/* What a node's load adds to the score. */
double axi_score_load(const struct axi_planner_node *node, uint64_t density_ppm);
/* Traits that service diversity asks for and the task, being there, would share with placed
 * replicas; *ret_first: one of those, or AXI_PLAN_NONE. */
uint32_t axi_judge_alike(const struct axi_planner *planner, uint32_t task, uint32_t node,
                         uint32_t *ret_first);
double axi_score_total(struct axi_planner *planner);

/* failure.c */
double axi_failure_of(const struct axi_planner *planner, uint32_t service);
double axi_failure_risk(const struct axi_plan_node *node);

/* spare.c: every single node may fail, and what ran there and asks for it finds a place. */
void axi_spare_prepare(struct axi_planner *planner);
/* Would the task break that by being on the node? *ret_lost: the node whose loss. */
int axi_spare_judge(struct axi_planner *planner, uint32_t task, uint32_t node, uint32_t *ret_lost);
/* After a put: its own spare is found, and those that it has pushed away are found again. */
void axi_spare_settle(struct axi_planner *planner, uint32_t task);

/* scan.c */
#define AXI_SCAN_KEPT 8u
struct axi_planner_scan {
    uint32_t count;  /* options, best first; only the first is judged fully */
    double frontier; /* no node left out scores less */
    struct axi_planner_option best[AXI_SCAN_KEPT];
    struct axi_planner_tally tally; /* complete when count is 0 */
};
/* excluded: ids; counted as -AXC_EEXIST. */
void axi_planner_scan(struct axi_planner *planner, uint32_t task, const uint64_t *excluded,
                      size_t excluded_count, struct axi_planner_scan *ret_scan);
void axi_tally_add(struct axi_planner_tally *tally, int code, uint32_t node);
/* The commonest kind of those not told yet (NULL: of all), what was excluded last; `kinds`: none.
 */
size_t axi_tally_next(const struct axi_planner_tally *tally, const bool *is_told);
/* -AXC_ENO_CANDIDATE: none but excluded ones. */
int axi_tally_code(const struct axi_planner_tally *tally);

/* reason.c: each adds to what stands in `reason` already. The task is nowhere meanwhile, but for
 * _chosen, where it may be there. scan: what it was chosen from, or NULL. */
void axi_reason_refused(struct axi_planner *planner, uint32_t task, uint32_t node, int code,
                        char reason[AXI_PLAN_REASON_BYTES]);
void axi_reason_tally(struct axi_planner *planner, uint32_t task,
                      const struct axi_planner_tally *tally, char reason[AXI_PLAN_REASON_BYTES]);
void axi_reason_chosen(struct axi_planner *planner, uint32_t task, uint32_t node,
                       const struct axi_planner_scan *scan, char reason[AXI_PLAN_REASON_BYTES]);

#endif
