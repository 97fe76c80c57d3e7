/* SPDX-License-Identifier: Apache-2.0 */
/* Task records as JSON: docs/formats/cluster-store.md. */
#include "cluster/record.h"

#include <stdlib.h>
#include <string.h>

static const char *const state_names[AXI_TASK_STATE_COUNT] = {
    [AXI_TASK_PLACING] = "placing",     [AXI_TASK_STARTING] = "starting",
    [AXI_TASK_RUNNING] = "running",     [AXI_TASK_STOPPING] = "stopping",
    [AXI_TASK_STOPPED] = "stopped",     [AXI_TASK_RESTORING] = "restoring",
    [AXI_TASK_COMPLETED] = "completed", [AXI_TASK_FAILED] = "failed",
    [AXI_TASK_LOST] = "lost",           [AXI_TASK_DELETING] = "deleting",
};
static const char *const phase_names[] = {"none", "preparing", "committed", "aborted"};

const char *axi_task_state_name(enum axi_task_state state)
{
    return state < AXI_TASK_STATE_COUNT ? state_names[state] : "unknown";
}

static int find_name(const char *const *names, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(names[i], name) == 0) {
            return (int)i;
        }
    }
    return -AXC_EINVALID;
}

static json_t *hex_json(const uint8_t *bytes, size_t count)
{
    char text[65];

    axi_hex(bytes, count, text);
    return json_string(text);
}

json_t *axi_spec_to_json(const struct axi_task_spec *spec)
{
    return json_pack(
        "{s:s, s:I, s:I, s:I, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:b, s:o}", "name",
        spec->name, "period_ns", (json_int_t)spec->period_ns, "deadline_ns",
        (json_int_t)spec->deadline_ns, "jobs", (json_int_t)spec->jobs, "state_bytes",
        (int)spec->state_bytes, "state_version", (int)spec->state_version, "needs",
        (int)spec->needs, "stack_bytes", (int)spec->stack_bytes, "criticality",
        (int)spec->criticality, "overrun_policy", (int)spec->overrun_policy, "fault_policy",
        (int)spec->fault_policy, "restart_limit", (int)spec->restart_limit, "checkpoint_every",
        (int)spec->checkpoint_every, "backlog_max", (int)spec->backlog_max, "continue_isolated",
        spec->continue_isolated, "schema_hash", hex_json(spec->schema_hash, 32));
}

int axi_spec_from_json(const json_t *json, struct axi_task_spec *ret_spec)
{
    struct axi_task_spec spec = {0};

    axi_copy_text(spec.name, sizeof(spec.name), axi_json_get_text(json, "name"));
    spec.period_ns = axi_json_get_u64(json, "period_ns");
    spec.deadline_ns = axi_json_get_u64(json, "deadline_ns");
    spec.jobs = axi_json_get_u64(json, "jobs");
    spec.state_bytes = (uint32_t)axi_json_get_u64(json, "state_bytes");
    spec.state_version = (uint32_t)axi_json_get_u64(json, "state_version");
    spec.needs = (uint32_t)axi_json_get_u64(json, "needs");
    spec.stack_bytes = (uint32_t)axi_json_get_u64(json, "stack_bytes");
    spec.criticality = (uint32_t)axi_json_get_u64(json, "criticality");
    spec.overrun_policy = (uint32_t)axi_json_get_u64(json, "overrun_policy");
    spec.fault_policy = (uint32_t)axi_json_get_u64(json, "fault_policy");
    spec.restart_limit = (uint32_t)axi_json_get_u64(json, "restart_limit");
    spec.checkpoint_every = (uint32_t)axi_json_get_u64(json, "checkpoint_every");
    spec.backlog_max = (uint32_t)axi_json_get_u64(json, "backlog_max");
    spec.continue_isolated = json_is_true(json_object_get(json, "continue_isolated"));
    if (spec.name[0] == '\0' || spec.period_ns == 0 || spec.deadline_ns == 0) {
        return -AXC_EINVALID;
    }
    if (axi_unhex(axi_json_get_text(json, "schema_hash"), spec.schema_hash, 32) != 0) {
        return -AXC_EINVALID;
    }
    *ret_spec = spec;
    return 0;
}

json_t *axi_entries_to_json(const struct axi_image_entry *entries, uint32_t count)
{
    json_t *array = json_array();

    for (uint32_t i = 0; i < count; i++) {
        json_array_append_new(array,
                              json_pack("{s:s, s:o, s:I, s:I}", "platform", entries[i].platform,
                                        "digest", hex_json(entries[i].elf_digest, 32), "bytes",
                                        (json_int_t)entries[i].elf_bytes, "wcet_ns",
                                        (json_int_t)entries[i].wcet_ns));
    }
    return array;
}

int axi_entries_from_json(const json_t *json, struct axi_image_entry *ret_entries,
                          uint32_t *ret_count)
{
    size_t count = json_array_size(json);

    if (count == 0 || count > AXI_PLATFORMS_MAX) {
        return -AXC_EINVALID;
    }
    for (size_t i = 0; i < count; i++) {
        const json_t *item = json_array_get(json, i);
        struct axi_image_entry *entry = &ret_entries[i];

        *entry = (struct axi_image_entry){.elf_bytes = axi_json_get_u64(item, "bytes"),
                                          .wcet_ns = axi_json_get_u64(item, "wcet_ns")};
        axi_copy_text(entry->platform, sizeof(entry->platform),
                      axi_json_get_text(item, "platform"));
        if (axi_unhex(axi_json_get_text(item, "digest"), entry->elf_digest, 32) != 0) {
            return -AXC_EINVALID;
        }
    }
    *ret_count = (uint32_t)count;
    return 0;
}

static json_t *migration_to_json(const struct axi_migration *migration)
{
    json_t *tried = json_array();

    for (uint32_t i = 0; i < migration->tried_count; i++) {
        json_array_append_new(tried, axi_json_id(migration->tried[i]));
    }
    return json_pack(
        "{s:s, s:o, s:o, s:I, s:o, s:I, s:o, s:I, s:o, s:i, s:o, s:b, s:b, s:s}", "phase",
        phase_names[migration->phase], "id", axi_json_id(migration->id), "source",
        axi_json_id(migration->source), "source_epoch", (json_int_t)migration->source_epoch,
        "target", axi_json_id(migration->target), "epoch", (json_int_t)migration->epoch, "wanted",
        axi_json_id(migration->wanted), "started_ns", (json_int_t)migration->started_ns, "token",
        hex_json(migration->token, 16), "attempts", (int)migration->attempts, "tried", tried,
        "relay", migration->is_relayed, "restore", migration->is_restore, "reason",
        migration->reason);
}

static int migration_from_json(const json_t *json, struct axi_migration *ret)
{
    const json_t *tried = json_object_get(json, "tried");
    int phase = find_name(phase_names, 4, axi_json_get_text(json, "phase"));

    if (phase < 0 || axi_unhex(axi_json_get_text(json, "token"), ret->token, 16) != 0 ||
        json_array_size(tried) > AXI_TRIED_MAX) {
        return -AXC_EINVALID;
    }
    ret->phase = (enum axi_migration_phase)phase;
    ret->id = axi_json_get_id(json, "id");
    ret->source = axi_json_get_id(json, "source");
    ret->source_epoch = axi_json_get_u64(json, "source_epoch");
    ret->target = axi_json_get_id(json, "target");
    ret->epoch = axi_json_get_u64(json, "epoch");
    ret->wanted = axi_json_get_id(json, "wanted");
    ret->started_ns = axi_json_get_u64(json, "started_ns");
    ret->attempts = (uint32_t)axi_json_get_u64(json, "attempts");
    ret->is_relayed = json_is_true(json_object_get(json, "relay"));
    ret->is_restore = json_is_true(json_object_get(json, "restore"));
    axi_copy_text(ret->reason, sizeof(ret->reason), axi_json_get_text(json, "reason"));
    ret->tried_count = (uint32_t)json_array_size(tried);
    for (uint32_t i = 0; i < ret->tried_count; i++) {
        const char *text = json_string_value(json_array_get(tried, i));

        ret->tried[i] = text != NULL ? strtoull(text, NULL, 16) : 0;
    }
    return 0;
}

static json_t *origin_to_json(const struct axi_origin *origin)
{
    return json_pack("{s:I, s:I, s:i}", "epoch", (json_int_t)origin->epoch, "job",
                     (json_int_t)origin->job, "step", (int)origin->step);
}

static struct axi_origin origin_from_json(const json_t *json)
{
    return (struct axi_origin){.epoch = axi_json_get_u64(json, "epoch"),
                               .job = axi_json_get_u64(json, "job"),
                               .step = (uint32_t)axi_json_get_u64(json, "step")};
}

json_t *axi_record_to_json(const struct axi_record *r)
{
    json_t *json = json_pack(
        "{s:i, s:o, s:s, s:o, s:o, s:o, s:s, s:o, s:I, s:I, s:I, s:I, s:b, s:b, s:o, s:I, s:I}",
        "version", 1, "id", axi_json_id(r->id), "name", r->name, "image", hex_json(r->image, 32),
        "spec", axi_spec_to_json(&r->spec), "entries",
        axi_entries_to_json(r->entries, r->entry_count), "state", axi_task_state_name(r->state),
        "owner", axi_json_id(r->owner), "epoch", (json_int_t)r->epoch, "epoch_last",
        (json_int_t)r->epoch_last, "release_ns", (json_int_t)r->release_ns, "created_ns",
        (json_int_t)r->created_ns, "has_checkpoint", r->has_checkpoint, "is_restore", r->is_restore,
        "holder", axi_json_id(r->holder), "holder_epoch", (json_int_t)r->holder_epoch,
        "checkpoint_job", (json_int_t)r->checkpoint_job);

    json_object_set_new(json, "restorer", json_string(r->restorer));
    if (r->wants_standby) {
        json_object_set_new(json, "standby",
                            json_pack("{s:o, s:I}", "node", axi_json_id(r->standby), "epoch",
                                      (json_int_t)r->standby_epoch));
    }
    if (r->claim.dead != 0) {
        json_t *claim = origin_to_json(&r->claim.origin);

        json_object_set_new(claim, "manager", axi_json_id(r->claim.manager));
        json_object_set_new(claim, "dead", axi_json_id(r->claim.dead));
        json_object_set_new(claim, "dead_epoch", json_integer((json_int_t)r->claim.dead_epoch));
        json_object_set_new(json, "claim", claim);
    }
    if (r->start.epoch != 0) {
        json_object_set_new(json, "start", origin_to_json(&r->start));
    }
    json_object_set_new(json, "reason", json_string(r->reason));
    json_object_set_new(
        json, "constraints",
        json_pack("{s:o, s:i}", "node", axi_json_id(r->pin), "assurance", (int)r->assurance_min));
    if (r->migration.phase != AXI_MIGRATION_NONE) {
        json_object_set_new(json, "migration", migration_to_json(&r->migration));
    }
    if (r->service[0] != '\0') {
        json_object_set_new(
            json, "replica",
            json_pack("{s:s, s:i, s:b, s:o, s:i, s:s, s:I, s:I}", "service", r->service, "number",
                      (int)r->replica, "grid_fixed", r->is_grid_fixed, "seed", axi_json_id(r->seed),
                      "seed_rule", (int)r->seed_rule, "output", r->output_address, "output_from",
                      (json_int_t)r->output_from, "output_until", (json_int_t)r->output_until));
    }
    return json;
}

int axi_record_from_json(const json_t *json, struct axi_record *ret_record)
{
    struct axi_record r = {0};
    const json_t *constraints = json_object_get(json, "constraints");
    const json_t *migration = json_object_get(json, "migration");
    const json_t *standby = json_object_get(json, "standby");
    const json_t *claim = json_object_get(json, "claim");
    const json_t *replica = json_object_get(json, "replica");
    int state = find_name(state_names, AXI_TASK_STATE_COUNT, axi_json_get_text(json, "state"));

    if (axi_json_get_u64(json, "version") != 1 || state < 0 ||
        axi_spec_from_json(json_object_get(json, "spec"), &r.spec) != 0 ||
        axi_entries_from_json(json_object_get(json, "entries"), r.entries, &r.entry_count) != 0 ||
        axi_unhex(axi_json_get_text(json, "image"), r.image, 32) != 0 ||
        (migration != NULL && migration_from_json(migration, &r.migration) != 0)) {
        return -AXC_EINVALID;
    }
    r.state = (enum axi_task_state)state;
    r.id = axi_json_get_id(json, "id");
    axi_copy_text(r.name, sizeof(r.name), axi_json_get_text(json, "name"));
    r.owner = axi_json_get_id(json, "owner");
    r.epoch = axi_json_get_u64(json, "epoch");
    r.epoch_last = axi_json_get_u64(json, "epoch_last");
    r.release_ns = axi_json_get_u64(json, "release_ns");
    r.created_ns = axi_json_get_u64(json, "created_ns");
    r.has_checkpoint = json_is_true(json_object_get(json, "has_checkpoint"));
    r.is_restore = json_is_true(json_object_get(json, "is_restore"));
    r.holder = axi_json_get_id(json, "holder");
    r.holder_epoch = axi_json_get_u64(json, "holder_epoch");
    r.checkpoint_job = axi_json_get_u64(json, "checkpoint_job");
    r.pin = axi_json_get_id(constraints, "node");
    r.assurance_min = (uint32_t)axi_json_get_u64(constraints, "assurance");
    r.wants_standby = standby != NULL;
    r.standby = axi_json_get_id(standby, "node");
    r.standby_epoch = axi_json_get_u64(standby, "epoch");
    r.claim = (struct axi_claim){.manager = axi_json_get_id(claim, "manager"),
                                 .dead = axi_json_get_id(claim, "dead"),
                                 .dead_epoch = axi_json_get_u64(claim, "dead_epoch"),
                                 .origin = origin_from_json(claim)};
    r.start = origin_from_json(json_object_get(json, "start"));
    axi_copy_text(r.restorer, sizeof(r.restorer), axi_json_get_text(json, "restorer"));
    axi_copy_text(r.reason, sizeof(r.reason), axi_json_get_text(json, "reason"));
    axi_copy_text(r.service, sizeof(r.service), axi_json_get_text(replica, "service"));
    r.replica = (uint32_t)axi_json_get_u64(replica, "number");
    r.is_grid_fixed = json_is_true(json_object_get(replica, "grid_fixed"));
    r.seed = axi_json_get_id(replica, "seed");
    r.seed_rule = (uint32_t)axi_json_get_u64(replica, "seed_rule");
    axi_copy_text(r.output_address, sizeof(r.output_address), axi_json_get_text(replica, "output"));
    r.output_from = axi_json_get_u64(replica, "output_from");
    r.output_until = axi_json_get_u64(replica, "output_until");
    *ret_record = r;
    return 0;
}

int axi_record_entry(const struct axi_record *record, const char *const *platforms, size_t count)
{
    for (size_t p = 0; p < count; p++) {
        for (uint32_t e = 0; e < record->entry_count; e++) {
            if (strcmp(platforms[p], record->entries[e].platform) == 0) {
                return (int)e;
            }
        }
    }
    return -1;
}

void axi_record_spec_wire(const struct axi_record *record, int entry, axi_TaskSpec *ret_spec)
{
    const struct axi_task_spec *spec = &record->spec;
    axi_TaskSpec wire = {.task_id = record->id,
                         .period_ns = spec->period_ns,
                         .deadline_ns = spec->deadline_ns,
                         .jobs = spec->jobs,
                         .state_bytes = spec->state_bytes,
                         .state_version = spec->state_version,
                         .needs = spec->needs,
                         .stack_bytes = spec->stack_bytes,
                         .overrun_policy = spec->overrun_policy,
                         .fault_policy = spec->fault_policy,
                         .restart_limit = spec->restart_limit,
                         .checkpoint_every = spec->checkpoint_every,
                         .criticality = spec->criticality,
                         .continue_isolated = spec->continue_isolated,
                         .backlog_max = spec->backlog_max,
                         .output_from = record->output_from,
                         .output_until = record->output_until};

    axi_copy_text(wire.name, sizeof(wire.name), record->name);
    axi_copy_text(wire.output_address, sizeof(wire.output_address), record->output_address);
    memcpy(wire.schema_hash, spec->schema_hash, 32);
    if (entry >= 0) {
        wire.wcet_ns = record->entries[entry].wcet_ns;
        wire.elf_bytes = record->entries[entry].elf_bytes;
        memcpy(wire.elf_digest, record->entries[entry].elf_digest, 32);
    }
    *ret_spec = wire;
}

uint64_t axi_record_shift(const struct axi_record *record, uint64_t job, uint64_t earliest_ns)
{
    uint64_t period = record->spec.period_ns;
    uint64_t release = record->release_ns + job * period;

    if (release >= earliest_ns || record->is_grid_fixed) {
        return record->release_ns;
    }
    return record->release_ns + (earliest_ns - release + period - 1) / period * period;
}
