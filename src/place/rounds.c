/* SPDX-License-Identifier: Apache-2.0 */
/* When tasks were refused, everything is placed again with those first, and the better of the plans
 * is kept (squeaky wheel optimization, Joslin and Clements 1999). Better: fewer refused of the
 * highest criticality where two plans differ in that, else the lower score. */
#include "place/make.h"

#include <stdlib.h>
#include <string.h>

#define NONE AXI_PLAN_NONE
#define ROUNDS_MAX 12u
#define CRITICALITIES 16u

struct outcome {
    uint32_t refused[CRITICALITIES];
    double score;
};

static struct outcome judge_outcome(struct axi_make *make, bool *ret_any)
{
    struct axi_planner *planner = make->planner;
    struct outcome outcome = {.score = axi_score_total(planner)};

    *ret_any = false;
    for (uint32_t t = 0; t < planner->problem->task_count; t++) {
        if (axi_make_is_waiting(make, t)) {
            uint32_t criticality = planner->tasks[t].given->criticality;

            outcome.refused[criticality < CRITICALITIES ? criticality : CRITICALITIES - 1]++;
            make->boosts[t]++;
            *ret_any = true;
        }
    }
    return outcome;
}

static bool is_better(const struct outcome *a, const struct outcome *b)
{
    for (uint32_t c = CRITICALITIES; c-- > 0;) {
        if (a->refused[c] != b->refused[c]) {
            return a->refused[c] < b->refused[c];
        }
    }
    return a->score < b->score;
}

static void save(const struct axi_make *make, uint32_t *nodes)
{
    for (uint32_t t = 0; t < make->planner->problem->task_count; t++) {
        nodes[t] = make->planner->tasks[t].node;
    }
}

/* In two steps, so that no state between has more on a node than one of the two. */
static void restore(struct axi_make *make, const uint32_t *nodes)
{
    struct axi_planner *planner = make->planner;

    for (int step = 0; step < 2; step++) {
        for (uint32_t t = 0; t < planner->problem->task_count; t++) {
            if (planner->tasks[t].node != nodes[t]) {
                axi_make_move(make, t, step == 0 ? NONE : nodes[t]);
            }
        }
    }
    planner->journal_count = 0;
}

void axi_make_rounds(struct axi_make *make, const uint32_t *beginning, uint32_t *best)
{
    struct axi_planner *planner = make->planner;
    bool any = false;
    struct outcome least = judge_outcome(make, &any);

    save(make, best);
    for (uint32_t round = 0; any && round < ROUNDS_MAX; round++) {
        uint64_t before = planner->steps;
        struct outcome outcome;

        /* what the first greedy pass has cost, another will */
        if (make->steps_left < make->greedy_steps || axi_make_is_over(make)) {
            break;
        }
        restore(make, beginning);
        axi_make_pass(make);
        make->steps_left -=
            planner->steps - before < make->steps_left ? planner->steps - before : make->steps_left;
        outcome = judge_outcome(make, &any);
        if (is_better(&outcome, &least)) {
            least = outcome;
            save(make, best);
        }
    }
    restore(make, best);
}
