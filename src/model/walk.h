/* SPDX-License-Identifier: Apache-2.0 */
/* The distribution of a job's completion time while the releases that pre-empt it are walked in
 * time order (S1 of the specification):
 *
 *   axi_walk_begin -> axi_walk_add(own) -> { axi_walk_settle(t), axi_walk_add(interference) } ...
 *
 * Mass that passes the deadline is counted in `miss` at once, from positive terms; it is never
 * computed as 1 - sum. The distribution is a sorted list while it has few states and becomes a
 * dense array when that is smaller. */
#ifndef AXI_MODEL_WALK_H
#define AXI_MODEL_WALK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/pmf.h"

struct axi_walk_list {
    uint64_t *values;
    double *probs;
    size_t head; /* entries before head are finished */
    size_t count;
    size_t room;
};

struct axi_walk {
    uint64_t deadline;
    size_t max_cells; /* most states of either form */
    double miss;      /* P(beyond the deadline) so far */
    uint64_t terms;   /* sum over convolutions of (count + 2): error bound = terms * 2^-53 */
    bool empty;       /* all mass finished or missed */
    bool dense;
    bool keep_done;
    struct axi_walk_list list;
    struct axi_walk_list scratch;
    struct axi_walk_list done; /* finished mass by completion time, when keep_done */
    double *memory;            /* padded array behind cells */
    double *cells;
    size_t cell_room;
    size_t lo;
    size_t hi;
};

/* One walk object serves many analyses; its memory is reused. */
void axi_walk_init(struct axi_walk *walk, size_t max_cells, bool keep_done);
void axi_walk_deinit(struct axi_walk *walk);

/* All mass at time 0. */
AXC_MUST_USE int axi_walk_begin(struct axi_walk *walk, uint64_t deadline);

/* Starts from `from` (values may be 0); mass above the deadline is missed. */
AXC_MUST_USE int axi_walk_begin_from(struct axi_walk *walk, uint64_t deadline,
                                     const struct axi_pmf *from);

/* Copies the unfinished states and the missed mass of another walk (a backlog). */
AXC_MUST_USE int axi_walk_begin_walk(struct axi_walk *walk, uint64_t deadline,
                                     const struct axi_walk *from);

/* Backlog: `time` ticks of processor time pass; x becomes max(0, x - time). */
AXC_MUST_USE int axi_walk_elapse(struct axi_walk *walk, uint64_t time);

/* Adds an independent execution time to everything unfinished. -AXC_EMODEL_GRID when the states
 * exceed max_cells; the walk must then be begun anew. */
AXC_MUST_USE int axi_walk_add(struct axi_walk *walk, const struct axi_pmf *pmf);

/* Mass at or before `time` has finished. */
AXC_MUST_USE int axi_walk_settle(struct axi_walk *walk, uint64_t time);

/* Response-time distribution: finished and remaining mass, inf = miss. */
AXC_MUST_USE int axi_walk_result(struct axi_walk *walk, struct axi_pmf *ret_pmf);

#endif
