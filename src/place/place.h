/* SPDX-License-Identifier: Apache-2.0 */
/* Placement: which nodes may run a task (filter, with the reason of every refusal) and which does
 * best (score). Pure functions over a snapshot. */
#ifndef AXI_PLACE_PLACE_H
#define AXI_PLACE_PLACE_H

#include "base/error.h"
#include "core/demand.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define AXI_PLACE_REASON_BYTES 160u

struct axi_place_node {
    uint64_t id;
    const char *name;
    const char *platforms[4]; /* best first */
    uint32_t platform_count;
    uint32_t services, assurance, capacity_ppm, free_slots;
    uint64_t memory_free_bytes;
    bool is_ready;                       /* joined and its lease is live */
    const struct axi_demand_task *tasks; /* all that run or are promised there, each with its D',
                                            and the node's own server */
    size_t task_count;
    struct axi_demand_margin margin; /* as the node declares it */
};

struct axi_place_entry {
    const char *platform;
    uint64_t wcet_ns; /* 0 = not known */
    uint64_t elf_bytes;
};

struct axi_place_task {
    uint64_t deadline_ns, period_ns;
    uint32_t needs, assurance_min, state_bytes, stack_bytes;
    const struct axi_place_entry *entries;
    size_t entry_count;
    bool ignore_demand; /* profiling: no WCET yet, no admission */
};

struct axi_place_verdict {
    uint64_t node_id;
    int code;       /* 0 = feasible, else -AXC_EADMIT_* or -AXC_EUNAVAILABLE */
    uint32_t entry; /* index of the image entry that fits */
    uint64_t density_after_ppm;
    char reason[AXI_PLACE_REASON_BYTES]; /* why not; "" when feasible */
};

/* Index of the image's entry for the first of the node's platforms that it has one for, or -1. */
int axi_place_entry_of(const struct axi_place_task *task, const struct axi_place_node *node);

/* Memory that an instance takes: the image, three times its state, its stack. Saturates. */
uint64_t axi_place_bytes(const struct axi_place_task *task, uint32_t entry);

/* Density that the tasks already there and those to come are added up with: C / min(D', T) in ppm,
 * rounded up, UINT64_MAX when nothing is left of the deadline. */
uint64_t axi_place_density_ppm(const struct axi_demand_task *demand);

/* What does not depend on time: readiness, platform, services, assurance, slots, memory. 0 with the
 * entry that fits, or the refusal. */
int axi_place_judge_fixed(const struct axi_place_task *task, const struct axi_place_node *node,
                          uint32_t *ret_entry);

/* Judges one node. */
void axi_place_judge(const struct axi_place_task *task, const struct axi_place_node *node,
                     struct axi_place_verdict *ret_verdict);

/* Judges all nodes into verdicts[count] and picks the feasible one with the lowest density
 * afterwards (ties: the lower id) that is not in excluded. Returns its index or -AXC_ENO_CANDIDATE.
 */
int axi_place_best(const struct axi_place_task *task, const struct axi_place_node *nodes,
                   size_t count, const uint64_t *excluded, size_t excluded_count,
                   struct axi_place_verdict *verdicts);

#endif
