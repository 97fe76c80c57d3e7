/* SPDX-License-Identifier: Apache-2.0 */
/* A task set of `axcan analyze edf`, shared by its parts. Times are ticks of the file. */
#ifndef AXI_CLI_EDF_H
#define AXI_CLI_EDF_H

#include "cli/analyze.h"
#include "core/demand.h"

enum { AXI_EDF_TASKS_MAX = 1024 };

struct axi_edf_task {
    struct axi_demand_task demand; /* C, T, D' (0 when D' <= 0) */
    __int128 deadline;             /* D' = D - Delta_max - d - J, may be negative */
    uint64_t lost;                 /* Delta_max + d + J */
    bool is_server;                /* the node's own: never changed */
    const char *name;              /* borrowed from the input; NULL = its number */
};

struct axi_edf {
    size_t count;
    uint64_t capacity_ppm;
    struct axi_edf_task tasks[AXI_EDF_TASKS_MAX];
};

/* 0, -AXC_EADMIT_DEADLINE (*ret_which: whose), -AXC_EADMIT_LOAD, ... for the whole set. */
int axi_edf_judge(const struct axi_edf *edf, struct axi_demand_verdict *ret_verdict,
                  size_t *ret_which);

/* "explanation": one line why, and what would cure it. error, verdict, which: of axi_edf_judge. */
void axi_edf_explain(const struct axi_edf *edf, int error, const struct axi_demand_verdict *verdict,
                     size_t which, json_t *computed);

/* "slack_ppm": how much all C may grow together; "sensitivity": for each task the largest C, and
 * the smallest T and D, with which the set is schedulable while the others stay as they are (null:
 * none, or not found in bounded time). */
void axi_edf_limits(const struct axi_edf *edf, json_t *computed);

#endif
