/* SPDX-License-Identifier: Apache-2.0 */
/* Invariant I7: job k of a task is released for r + kT in master time, whichever node releases it,
 * and on that node's clock not before it but for the clock's error. A task that was stopped and
 * started again may have another r; one that was restored one that is whole periods later (what it
 * missed is not made up for); one that was migrated may not.
 *
 * Heap is used; no I/O. */
#ifndef AXI_HISTORY_GRID_H
#define AXI_HISTORY_GRID_H

#include "history/checker.h"

/* Judges the same sources that axi_check judged; adds violations and each task's grid to its
 * verdict. 0 or -AXC_ENOMEM. */
AXC_MUST_USE int axi_check_grid(const struct axi_check_source *sources, size_t source_count,
                                struct axi_verdict *verdict);

#endif
