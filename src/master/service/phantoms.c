/* SPDX-License-Identifier: Apache-2.0 */
/* Which partitions would help: the planner is asked with nodes that are not there yet. All its
 * filters judge them like any node, so nothing is started that could not take what waits. */
#include "master/service/hosts.h"

#include <stdio.h>
#include <string.h>

uint64_t axi_phantom_id(const char *name)
{
    uint64_t hash = 14695981039346656037ull; /* FNV-1a */

    for (; *name != '\0'; name++) {
        hash = (hash ^ (unsigned char)*name) * 1099511628211ull;
    }
    return hash | 1ull << 63; /* identities of nodes are MAC addresses */
}

/* How many of the extras find no node. */
static int count_homeless(struct axi_master *m, const struct axi_snapshot_options *options,
                          const struct axi_phantoms *phantoms)
{
    struct axi_snapshot_options with = *options;
    struct axi_plan_options how = {.moves_max = 0};
    struct axi_snapshot *snapshot;
    struct axi_plan plan = {0};
    int homeless = -AXC_ENOMEM;

    with.keeps_all = true;
    with.phantoms = phantoms;
    snapshot = axi_snapshot_build(m, &with);
    if (snapshot != NULL && axi_plan_make(&snapshot->problem, &how, &plan) == 0) {
        size_t tasks = snapshot->problem.task_count;

        homeless = 0;
        for (size_t i = tasks - options->extra_count; i < tasks; i++) {
            homeless += plan.choices[i].node == AXI_PLAN_NONE;
        }
        axi_plan_clear(&plan);
    }
    axi_snapshot_free(snapshot);
    return homeless;
}

static void add(struct axi_phantoms *phantoms, struct axi_host *host, uint32_t slot, bool is_new)
{
    struct axi_phantom *phantom;

    if (phantoms->count < AXI_PHANTOMS_MAX) {
        phantom = &phantoms->items[phantoms->count++];
        *phantom = (struct axi_phantom){.host = host, .slot = slot, .is_new = is_new};
        axi_partition_name(host, slot, phantom->name);
        phantom->id = axi_phantom_id(phantom->name);
    }
}

static bool has_living_node(struct axi_master *m, const char *name)
{
    for (size_t i = 0; i < m->node_count; i++) {
        if (!m->nodes[i]->is_dead && strcmp(m->nodes[i]->hello.name, name) == 0) {
            return true;
        }
    }
    return false;
}

static void add_starting(struct axi_master *m, struct axi_phantoms *phantoms)
{
    for (size_t h = 0; h < m->declared->host_count; h++) {
        for (uint32_t i = 0; i < AXI_HOST_PARTITIONS_MAX; i++) {
            if (m->declared->hosts[h]->record.slots[i].state == AXI_PARTITION_STARTING) {
                add(phantoms, m->declared->hosts[h], i, false);
            }
        }
    }
}

static uint32_t used_of(const struct axi_host *host, const struct axi_phantoms *phantoms)
{
    uint32_t used = 0;

    for (uint32_t i = 0; i < AXI_HOST_PARTITIONS_MAX; i++) {
        used += host->record.slots[i].state != AXI_PARTITION_ABSENT;
    }
    for (size_t i = 0; i < phantoms->count; i++) {
        used += phantoms->items[i].is_new && phantoms->items[i].host == host;
    }
    return used;
}

/* The first slot that is free in all respects, or AXI_HOST_PARTITIONS_MAX. */
static uint32_t free_slot(struct axi_master *m, const struct axi_host *host,
                          const struct axi_phantoms *phantoms)
{
    uint32_t max = host->record.facts.max;

    if (used_of(host, phantoms) >= max) {
        return AXI_HOST_PARTITIONS_MAX;
    }
    for (uint32_t i = 0; i < max; i++) {
        bool is_free = host->record.slots[i].state == AXI_PARTITION_ABSENT;
        char name[32];

        axi_partition_name(host, i, name);
        for (size_t k = 0; k < phantoms->count; k++) {
            is_free &= phantoms->items[k].host != host || phantoms->items[k].slot != i;
        }
        if (is_free && !has_living_node(m, name)) { /* another node may be called so */
            return i;
        }
    }
    return AXI_HOST_PARTITIONS_MAX;
}

static bool may_start(struct axi_master *m, const struct axi_host *host, bool is_now)
{
    return axi_host_is_present(m, host) && !host->is_uncertain &&
           (!is_now || axi_now_master(m) >= host->record.not_before_ns);
}

/* Tries one more partition on each host, those with the fewest first, so that they are spread; true
 * when one of them helps, which is then among the phantoms. */
static bool add_helping(struct axi_master *m, const struct axi_snapshot_options *options,
                        bool is_now, struct axi_phantoms *phantoms, int *homeless)
{
    const struct axi_declared *d = m->declared;

    for (uint32_t used = 0; used < AXI_HOST_PARTITIONS_MAX; used++) {
        for (size_t h = 0; h < d->host_count && phantoms->count < AXI_PHANTOMS_MAX; h++) {
            struct axi_host *host = d->hosts[h];
            uint32_t slot = free_slot(m, host, phantoms);
            int left;

            if (used_of(host, phantoms) != used || slot == AXI_HOST_PARTITIONS_MAX ||
                !may_start(m, host, is_now)) {
                continue;
            }
            add(phantoms, host, slot, true);
            left = count_homeless(m, options, phantoms);
            if (left >= 0 && left < *homeless) {
                *homeless = left;
                return true;
            }
            phantoms->count--;
        }
    }
    return false;
}

int axi_phantoms_plan(struct axi_master *m, const struct axi_snapshot_options *options, bool is_now,
                      struct axi_phantoms *ret_phantoms)
{
    struct axi_phantoms phantoms = {.count = 0};
    int without;
    int homeless;

    ret_phantoms->count = 0;
    if (m->declared->host_count == 0) {
        return (int)options->extra_count;
    }
    without = count_homeless(m, options, NULL);
    add_starting(m, &phantoms);
    homeless = phantoms.count > 0 && without > 0 ? count_homeless(m, options, &phantoms) : without;
    while (homeless > 0 && add_helping(m, options, is_now, &phantoms, &homeless)) {
    }
    if (homeless >= 0 && homeless < without) {
        *ret_phantoms = phantoms;
    }
    return homeless;
}
