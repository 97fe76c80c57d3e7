/* SPDX-License-Identifier: Apache-2.0 */
#include "place/place.h"

#include "base/bytes.h"

#include <stdio.h>
#include <string.h>

/* C / min(D, T) in ppm, rounded up; saturates. */
static uint64_t density_ppm(const struct axi_demand_task *demand)
{
    uint64_t window =
        demand->deadline_ns < demand->period_ns ? demand->deadline_ns : demand->period_ns;
    unsigned __int128 scaled = (unsigned __int128)demand->wcet_ns * 1000000u;

    if (window == 0) {
        return UINT64_MAX;
    }
    scaled = (scaled + window - 1) / window;
    return scaled > UINT64_MAX ? UINT64_MAX : (uint64_t)scaled;
}

static int find_entry(const struct axi_place_task *task, const struct axi_place_node *node)
{
    for (uint32_t p = 0; p < node->platform_count; p++) {
        for (size_t e = 0; e < task->entry_count; e++) {
            if (strcmp(node->platforms[p], task->entries[e].platform) == 0) {
                return (int)e;
            }
        }
    }
    return -1;
}

#define REFUSE(verdict, error, ...)                                                                \
    ((verdict)->code = -(error),                                                                   \
     (void)snprintf((verdict)->reason, sizeof((verdict)->reason), __VA_ARGS__))

/* What does not depend on time: platform, services, assurance, slots, memory. */
static void judge_fixed(const struct axi_place_task *task, const struct axi_place_node *node,
                        struct axi_place_verdict *v)
{
    static const char *const assurances[] = {"shared", "realtime", "isolated", "partition"};
    int entry = find_entry(task, node);
    uint64_t bytes;

    if (!node->is_ready) {
        REFUSE(v, AXC_EUNAVAILABLE, "%s is not ready", node->name);
    } else if (entry < 0) {
        REFUSE(v, AXC_EADMIT_PLATFORM, "the image has no entry for %s",
               node->platform_count > 0 ? node->platforms[0] : "this platform");
    } else if ((task->needs & ~node->services) != 0) {
        REFUSE(v, AXC_EADMIT_SERVICE, "services 0x%x are needed and not offered",
               task->needs & ~node->services);
    } else if (node->assurance < task->assurance_min) {
        REFUSE(v, AXC_EADMIT_SERVICE, "assurance is %s, %s is asked for",
               assurances[node->assurance & 3], assurances[task->assurance_min & 3]);
    } else if (node->free_slots == 0) {
        REFUSE(v, AXC_EADMIT_SLOTS, "no free instance slot");
    } else {
        v->entry = (uint32_t)entry;
        bytes = axi_add_sat(task->entries[entry].elf_bytes,
                            (uint64_t)task->state_bytes * 3 + task->stack_bytes);
        if (bytes > node->memory_free_bytes) {
            REFUSE(v, AXC_EADMIT_MEMORY, "%llu bytes are needed, %llu are free",
                   (unsigned long long)bytes, (unsigned long long)node->memory_free_bytes);
        }
    }
}

void axi_place_judge(const struct axi_place_task *task, const struct axi_place_node *node,
                     struct axi_place_verdict *ret_verdict)
{
    struct axi_place_verdict *v = ret_verdict;
    struct axi_demand_task own = {.period_ns = task->period_ns,
                                  .deadline_ns =
                                      axi_demand_compensated_ns(task->deadline_ns, &node->margin)};
    struct axi_demand_verdict demand = {0};

    *v = (struct axi_place_verdict){.node_id = node->id};
    judge_fixed(task, node, v);
    for (size_t i = 0; i < node->task_count; i++) {
        v->density_after_ppm = axi_add_sat(v->density_after_ppm, density_ppm(&node->tasks[i]));
    }
    if (v->code != 0 || task->ignore_demand) {
        return;
    }
    own.wcet_ns = task->entries[v->entry].wcet_ns;
    v->density_after_ppm = axi_add_sat(v->density_after_ppm, density_ppm(&own));
    v->code = axi_demand_admit(node->tasks, (uint32_t)node->task_count, &own, node->capacity_ppm,
                               &demand);
    axi_demand_explain(v->code, &own, task->deadline_ns, &node->margin, &demand, v->reason,
                       sizeof(v->reason));
}

static bool contains(const uint64_t *ids, size_t count, uint64_t id)
{
    for (size_t i = 0; i < count; i++) {
        if (ids[i] == id) {
            return true;
        }
    }
    return false;
}

static bool is_better(const struct axi_place_verdict *a, const struct axi_place_verdict *b)
{
    if (a->density_after_ppm != b->density_after_ppm) {
        return a->density_after_ppm < b->density_after_ppm;
    }
    return a->node_id < b->node_id;
}

int axi_place_best(const struct axi_place_task *task, const struct axi_place_node *nodes,
                   size_t count, const uint64_t *excluded, size_t excluded_count,
                   struct axi_place_verdict *verdicts)
{
    int best = -AXC_ENO_CANDIDATE;

    for (size_t i = 0; i < count; i++) {
        axi_place_judge(task, &nodes[i], &verdicts[i]);
        if (verdicts[i].code != 0 || contains(excluded, excluded_count, nodes[i].id)) {
            continue;
        }
        if (best < 0 || is_better(&verdicts[i], &verdicts[best])) {
            best = (int)i;
        }
    }
    return best;
}
