/* SPDX-License-Identifier: Apache-2.0 */
#include "place/place.h"

#include "base/bytes.h"

#include <stdio.h>
#include <string.h>

uint64_t axi_place_density_ppm(const struct axi_demand_task *demand)
{
    uint64_t window =
        demand->deadline_ns < demand->period_ns ? demand->deadline_ns : demand->period_ns;
    unsigned __int128 scaled = 0;

    if (window == 0) {
        return UINT64_MAX;
    }
    if (demand->wcet_ns <= UINT64_MAX / 2000000 && window <= UINT64_MAX / 2) {
        return (demand->wcet_ns * 1000000 + window - 1) / window; /* much the faster division */
    }
    scaled = ((unsigned __int128)demand->wcet_ns * 1000000u + window - 1) / window;
    return scaled > UINT64_MAX ? UINT64_MAX : (uint64_t)scaled;
}

uint64_t axi_place_bytes(const struct axi_place_task *task, uint32_t entry)
{
    return axi_add_sat(task->entries[entry].elf_bytes,
                       (uint64_t)task->state_bytes * 3 + task->stack_bytes);
}

int axi_place_entry_of(const struct axi_place_task *task, const struct axi_place_node *node)
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

int axi_place_judge_fixed(const struct axi_place_task *task, const struct axi_place_node *node,
                          uint32_t *ret_entry)
{
    int entry = axi_place_entry_of(task, node);

    if (!node->is_ready) {
        return -AXC_EUNAVAILABLE;
    }
    if (entry < 0) {
        return -AXC_EADMIT_PLATFORM;
    }
    if ((task->needs & ~node->services) != 0 || node->assurance < task->assurance_min) {
        return -AXC_EADMIT_SERVICE;
    }
    if (node->free_slots == 0) {
        return -AXC_EADMIT_SLOTS;
    }
    *ret_entry = (uint32_t)entry;
    return axi_place_bytes(task, *ret_entry) > node->memory_free_bytes ? -AXC_EADMIT_MEMORY : 0;
}

static void explain_service(const struct axi_place_task *task, const struct axi_place_node *node,
                            char *reason)
{
    static const char *const assurances[] = {"shared", "realtime", "isolated", "partition"};

    if ((task->needs & ~node->services) != 0) {
        (void)snprintf(reason, AXI_PLACE_REASON_BYTES, "services 0x%x are needed and not offered",
                       task->needs & ~node->services);
    } else {
        (void)snprintf(reason, AXI_PLACE_REASON_BYTES, "assurance is %s, %s is asked for",
                       assurances[node->assurance & 3], assurances[task->assurance_min & 3]);
    }
}

static void explain_fixed(const struct axi_place_task *task, const struct axi_place_node *node,
                          struct axi_place_verdict *v)
{
    switch (v->code) {
    case -AXC_EUNAVAILABLE:
        (void)snprintf(v->reason, sizeof(v->reason), "%s is not ready", node->name);
        break;
    case -AXC_EADMIT_PLATFORM:
        (void)snprintf(v->reason, sizeof(v->reason), "the image has no entry for %s",
                       node->platform_count > 0 ? node->platforms[0] : "this platform");
        break;
    case -AXC_EADMIT_SERVICE:
        explain_service(task, node, v->reason);
        break;
    case -AXC_EADMIT_SLOTS:
        (void)snprintf(v->reason, sizeof(v->reason), "no free instance slot");
        break;
    case -AXC_EADMIT_MEMORY:
        (void)snprintf(v->reason, sizeof(v->reason), "%llu bytes are needed, %llu are free",
                       (unsigned long long)axi_place_bytes(task, v->entry),
                       (unsigned long long)node->memory_free_bytes);
        break;
    default:
        break;
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
    v->code = axi_place_judge_fixed(task, node, &v->entry);
    explain_fixed(task, node, v);
    for (size_t i = 0; i < node->task_count; i++) {
        v->density_after_ppm =
            axi_add_sat(v->density_after_ppm, axi_place_density_ppm(&node->tasks[i]));
    }
    if (v->code != 0 || task->ignore_demand) {
        return;
    }
    own.wcet_ns = task->entries[v->entry].wcet_ns;
    v->density_after_ppm = axi_add_sat(v->density_after_ppm, axi_place_density_ppm(&own));
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
