/* SPDX-License-Identifier: Apache-2.0 */
#include "cluster/asks.h"

struct axi_place_task axi_record_asks(const struct axi_record *record,
                                      struct axi_place_entry *entries)
{
    for (uint32_t i = 0; i < record->entry_count; i++) {
        entries[i] = (struct axi_place_entry){
            record->entries[i].platform, record->entries[i].wcet_ns, record->entries[i].elf_bytes};
    }
    return (struct axi_place_task){.deadline_ns = record->spec.deadline_ns,
                                   .period_ns = record->spec.period_ns,
                                   .needs = record->spec.needs,
                                   .assurance_min = record->assurance_min,
                                   .state_bytes = record->spec.state_bytes,
                                   .stack_bytes = record->spec.stack_bytes,
                                   .entries = entries,
                                   .entry_count = record->entry_count};
}

struct axi_demand_task axi_record_demand(const struct axi_record *record, uint32_t entry,
                                         const struct axi_demand_margin *margin)
{
    return axi_demand_present(record->entries[entry].wcet_ns, record->spec.period_ns,
                              record->spec.deadline_ns, margin);
}

bool axi_record_is_live(const struct axi_record *record)
{
    return record->state == AXI_TASK_PLACING || record->state == AXI_TASK_STARTING ||
           record->state == AXI_TASK_RUNNING || record->state == AXI_TASK_STOPPING;
}

bool axi_record_occupies(const struct axi_record *record, uint64_t node)
{
    return (axi_record_is_live(record) && record->owner == node) ||
           (record->wants_standby && record->standby == node) ||
           (record->migration.phase == AXI_MIGRATION_PREPARING && record->migration.target == node);
}
