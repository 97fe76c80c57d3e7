/* SPDX-License-Identifier: Apache-2.0 */
/* A plan in the making: greedy placement (greedy.c), room for what was refused and improvements
 * (search.c), the result (make.c). Internal to src/place. */
#ifndef AXI_PLACE_MAKE_H
#define AXI_PLACE_MAKE_H

#include "place/planner.h"

struct axi_make_decision { /* the scan that chose a task's node */
    struct axi_planner_option won, next;
    uint32_t count; /* of options there were: 0, 1, 2 (or more) */
};

struct axi_make {
    struct axi_planner *planner;
    const struct axi_plan_options *options;
    struct axi_plan_choice *choices;
    struct axi_make_decision *decisions;
    int *own_codes;   /* why a task should leave where it is; 0 */
    uint32_t *order;  /* room for all tasks */
    uint32_t *boosts; /* of each task: how often it was refused; goes first */
    uint32_t moved;
    uint64_t greedy_steps; /* judgements of the first pass */
    uint64_t steps_left;   /* judgements of the search */
    bool is_over;
};

/* make.c */
/* Its node is ready, and the plan may take it away from there (or does already). */
bool axi_make_may_move(const struct axi_make *make, uint32_t task);
/* Moves with the count of moves kept. */
void axi_make_move(struct axi_make *make, uint32_t task, uint32_t node);
void axi_make_rollback(struct axi_make *make, size_t mark);
bool axi_make_is_over(struct axi_make *make);
void axi_make_decide(struct axi_make *make, uint32_t task, const struct axi_planner_scan *scan);
/* What it says when no node takes it, from its last scan. */
void axi_make_refuse(struct axi_make *make, uint32_t task, const struct axi_planner_scan *scan);

/* It is nowhere, or where it should not be. */
bool axi_make_is_waiting(const struct axi_make *make, uint32_t task);
/* Places what waits, greedily. */
void axi_make_pass(struct axi_make *make);

/* rounds.c: tries again and ends with the best plan found. beginning: the nodes of all tasks before
 * the first pass; best: room for as many. */
void axi_make_rounds(struct axi_make *make, const uint32_t *beginning, uint32_t *best);

/* greedy.c: places order[0..count), which is sorted. */
void axi_make_greedy(struct axi_make *make, uint32_t count);
int axi_make_compare_rank(const struct axi_make *make, uint32_t a, uint32_t b);

/* search.c */
/* Places the task by displacing others; they are placed elsewhere. */
bool axi_make_room(struct axi_make *make, uint32_t task);
/* Returns whether anything has got better. */
bool axi_make_improve(struct axi_make *make);

#endif
