/* SPDX-License-Identifier: Apache-2.0 */
/* Life of an instance: admission, image, load, installation, and what the scheduler says of it.
 *
 *   FETCHING -> LOADING -> INSTALLING -> READY (the scheduler's states) -> REMOVING -> FREE
 *                  |  removed meanwhile
 *                  +-> DROPPED -> FREE */
#include "core/agent_internal.h"

#include "base/log.h"

#include <string.h>

#define FETCH_ATTEMPTS 3u
#define LOOK_NS (2u * AXI_AGENT_POLL_NS) /* the trace is normally much earlier */

struct axi_agent_instance *axi_instance_find(struct axi_agent *agent, uint64_t task_id,
                                             uint64_t epoch)
{
    for (uint32_t i = 0; i < agent->config.slots; i++) {
        struct axi_agent_instance *instance = &agent->instances[i];

        if (instance->phase != AXI_INSTANCE_FREE && instance->phase != AXI_INSTANCE_DROPPED &&
            instance->phase != AXI_INSTANCE_REMOVING && instance->spec.task_id == task_id &&
            instance->epoch == epoch) {
            return instance;
        }
    }
    return NULL;
}

bool axi_instance_has_epoch(const struct axi_agent_instance *instance, uint64_t epoch)
{
    return epoch == instance->epoch ||
           (instance->standby_epoch != 0 && epoch == instance->standby_epoch);
}

bool axi_instance_is_stopped(const struct axi_agent_instance *instance)
{
    return instance->phase == AXI_INSTANCE_READY &&
           (instance->sched_state == AXI_SLOT_FROZEN || instance->sched_state == AXI_SLOT_FENCED ||
            instance->sched_state == AXI_SLOT_FINISHED || instance->sched_state == AXI_SLOT_FAILED);
}

/* Loads when the image is here, else asks for it. Also called again when chunks stall. */
void axi_instance_fetch(struct axi_agent *agent, struct axi_agent_instance *instance)
{
    axi_ImageNeed need = {.request = instance->fetch_id};
    uint64_t bytes = 0;

    if (agent->port.image_has(agent->port.context, instance->spec.elf_digest, &bytes)) {
        axi_instance_image_here(agent, instance);
        return;
    }
    axi_transfer_reset(agent, &instance->image);
    instance->image.state = AXI_TRANSFER_EXPECTED;
    instance->image.id = instance->fetch_id;
    instance->image.last_ns = agent->now_ns;
    memcpy(instance->image.digest, instance->spec.elf_digest, AXI_AGENT_DIGEST_BYTES);
    memcpy(need.digest, instance->spec.elf_digest, sizeof(need.digest));
    axi_agent_answer(agent, instance->fetch_origin, AXI_WIRE_IMAGE_NEED, &need);
}

void axi_instance_image_here(struct axi_agent *agent, struct axi_agent_instance *instance)
{
    int r;

    axi_transfer_reset(agent, &instance->image);
    instance->phase = AXI_INSTANCE_LOADING;
    /* The port may answer from inside: nothing is touched after a success. */
    r = agent->port.load(agent->port.context, instance->slot, instance->epoch, &instance->spec);
    if (r < 0) {
        instance->phase = AXI_INSTANCE_FETCHING; /* nothing to unload */
        axi_instance_fail(agent, instance, r, NULL);
    }
}

static void free_instance(struct axi_agent *agent, struct axi_agent_instance *instance)
{
    uint32_t slot = instance->slot;

    axi_transfer_reset(agent, &instance->image);
    axi_managers_forget_slot(agent, slot);
    *instance = (struct axi_agent_instance){.slot = slot};
}

/* It never came to standby: answers whoever waits, tells the migration, frees the slot. */
void axi_instance_fail(struct axi_agent *agent, struct axi_agent_instance *instance, int code,
                       const char *reason)
{
    struct axi_agent_migration *m = axi_migration_find(agent, instance->migration);
    uint32_t slot = instance->slot;

    axi_log(AXI_LOG_WARN, "instance-failed", "task=%s error=%s", instance->spec.name,
            axi_error_name(code));
    axi_requests_done(agent, slot, 0, code, reason);
    free_instance(agent, instance);
    if (m != NULL) {
        axi_migration_event(agent, m, AXI_ON_STOPPED,
                            &(struct axi_migration_input){.code = code, .reason = reason});
    }
}

/* What the image says must be what the master believes: state travels by these three. */
static int check_meta(const struct axi_agent *agent, const axi_TaskSpec *spec,
                      const struct axi_task_meta *meta)
{
    if (meta->state_bytes != spec->state_bytes) {
        return -AXC_ECKPT_SIZE;
    }
    if (meta->state_version != spec->state_version) {
        return -AXC_ECKPT_STATE_VERSION;
    }
    if (memcmp(meta->schema_hash, spec->schema_hash, sizeof(spec->schema_hash)) != 0) {
        return -AXC_ECKPT_SCHEMA;
    }
    if ((meta->needs & ~agent->config.services) != 0) {
        return -AXC_EADMIT_SERVICE;
    }
    return 0;
}

/* Which bytes run here: the same on every host of one instruction set. */
static void log_loaded(const struct axi_agent_instance *instance)
{
    static const char digits[] = "0123456789abcdef";
    char hex[2 * AXI_AGENT_DIGEST_BYTES + 1] = {0};

    for (size_t i = 0; i < AXI_AGENT_DIGEST_BYTES; i++) {
        hex[2 * i] = digits[instance->spec.elf_digest[i] >> 4];
        hex[2 * i + 1] = digits[instance->spec.elf_digest[i] & 15];
    }
    axi_log(AXI_LOG_INFO, "loaded", "task=%s slot=%u sha256=%s", instance->spec.name,
            instance->slot, hex);
}

void axi_agent_loaded(struct axi_agent *agent, uint32_t slot, int code,
                      const struct axi_agent_loaded *loaded)
{
    struct axi_agent_instance *instance = &agent->instances[slot];
    int r = code;

    if (slot >= agent->config.slots ||
        (instance->phase != AXI_INSTANCE_LOADING && instance->phase != AXI_INSTANCE_DROPPED)) {
        return;
    }
    if (r == 0 && instance->phase == AXI_INSTANCE_LOADING) {
        r = check_meta(agent, &instance->spec, loaded->meta);
    }
    if (code == 0 && (r < 0 || instance->phase == AXI_INSTANCE_DROPPED)) {
        agent->port.unload(agent->port.context, slot);
    }
    if (instance->phase == AXI_INSTANCE_DROPPED) {
        free_instance(agent, instance);
        axi_requests_done(agent, slot, AXI_WIRE_REMOVE, 0, NULL);
        return;
    }
    if (r < 0) {
        axi_instance_fail(agent, instance, r, NULL);
        return;
    }
    instance->state = loaded->state;
    instance->region = loaded->region;
    instance->region_offset = loaded->region_offset;
    instance->phase = AXI_INSTANCE_INSTALLING;
    log_loaded(instance);
    axi_instance_post(agent, instance, AXI_SCHED_INSTALL);
}

static void fill_config(const struct axi_agent_instance *instance, struct axi_instance_config *ret)
{
    const axi_TaskSpec *spec = &instance->spec;

    *ret = (struct axi_instance_config){
        .task_id = spec->task_id,
        .epoch = instance->epoch,
        .release_ns = instance->release_ns,
        .period_ns = spec->period_ns,
        .deadline_ns = spec->deadline_ns,
        .budget_ns = spec->profile ? 0 : spec->wcet_ns,
        .jobs = spec->jobs,
        .first_job = instance->first_job,
        .resume_step = instance->resume_step,
        .state_version = spec->state_version,
        .state_bytes = spec->state_bytes,
        .overrun_policy = spec->overrun_policy,
        .fault_policy = spec->fault_policy,
        .restart_limit = spec->restart_limit,
        .checkpoint_every = spec->checkpoint_every,
        .output_from = spec->output_from,
        .output_until = spec->output_until,
        .backlog_max = spec->backlog_max,
        .continue_isolated = spec->continue_isolated,
        .is_mapped = instance->is_mapped,
        .seed = instance->seed,
        .state = instance->state,
        .region = instance->region,
    };
    memcpy(ret->schema_hash, spec->schema_hash, sizeof(ret->schema_hash));
}

void axi_instance_post(struct axi_agent *agent, struct axi_agent_instance *instance, uint32_t op)
{
    struct axi_sched_command command = {.op = op, .slot = instance->slot};

    fill_config(instance, &command.config);
    if (op == AXI_SCHED_FREEZE && instance->sched_state == AXI_SLOT_ACTIVE) {
        instance->sched_state = AXI_SLOT_FREEZING;
    }
    instance->is_awaited = true;
    instance->awaited_ns = agent->now_ns;
    instance->last_op = op;
    instance->unposted = agent->port.post(agent->port.context, &command) ? 0 : op;
}

bool axi_instance_post_output(struct axi_agent *agent, const struct axi_agent_instance *instance)
{
    struct axi_sched_command command = {.op = AXI_SCHED_OUTPUT, .slot = instance->slot};

    fill_config(instance, &command.config);
    return agent->port.post(agent->port.context, &command);
}

void axi_instance_remove(struct axi_agent *agent, struct axi_agent_instance *instance)
{
    struct axi_agent_migration *m = axi_migration_find(agent, instance->migration);

    switch (instance->phase) {
    case AXI_INSTANCE_FETCHING:
        axi_requests_done(agent, instance->slot, AXI_WIRE_LOAD, -AXC_ECANCELLED, "removed");
        free_instance(agent, instance);
        break;
    case AXI_INSTANCE_LOADING:
        axi_requests_done(agent, instance->slot, AXI_WIRE_LOAD, -AXC_ECANCELLED, "removed");
        instance->phase = AXI_INSTANCE_DROPPED;
        break;
    case AXI_INSTANCE_INSTALLING:
    case AXI_INSTANCE_READY:
        if (instance->unposted == AXI_SCHED_INSTALL) { /* the scheduler never heard of it */
            agent->port.unload(agent->port.context, instance->slot);
            axi_requests_done(agent, instance->slot, AXI_WIRE_LOAD, -AXC_ECANCELLED, "removed");
            free_instance(agent, instance);
            break;
        }
        instance->phase = AXI_INSTANCE_REMOVING;
        axi_instance_post(agent, instance, AXI_SCHED_REMOVE);
        break;
    default:
        return;
    }
    if (m != NULL) {
        axi_migration_event(agent, m, AXI_ON_REMOVED,
                            &(struct axi_migration_input){.code = -AXC_ECANCELLED,
                                                          .reason = "the instance was removed"});
    }
}

int axi_instance_read_checkpoint(struct axi_agent *agent, const struct axi_agent_instance *instance,
                                 uint8_t *buffer, size_t *ret_bytes)
{
    struct axi_checkpoint header;
    int r =
        axi_region_newest(instance->region, buffer, agent->config.checkpoint_bytes_max, ret_bytes);

    if (r == 0) {
        r = axi_checkpoint_decode_header(buffer, *ret_bytes, &header);
    }
    if (r < 0) {
        return r;
    }
    /* Numbers that were skipped after the last job are consumed; the state is the same. Not so
     * where the lease or a failure came between two checkpoints: jobs since then are not in it. */
    if ((instance->sched_state == AXI_SLOT_FROZEN || instance->sched_state == AXI_SLOT_FINISHED) &&
        header.step == 0 && header.job < instance->next_job) {
        header.job = instance->next_job;
        axi_checkpoint_encode_header(&header, buffer);
    }
    return 0;
}

int axi_instance_take_checkpoint(struct axi_agent *agent, struct axi_agent_instance *instance,
                                 const uint8_t *bytes, size_t count, uint64_t epoch_min,
                                 uint64_t job_min, struct axi_checkpoint *ret_header)
{
    struct axi_checkpoint_expect expect = {
        .task_id = instance->spec.task_id,
        .epoch_min = epoch_min,
        .epoch_max = instance->epoch,
        .job_min = job_min,
        .job_max = UINT64_MAX,
        .state_version = instance->spec.state_version,
        .state_bytes = instance->spec.state_bytes,
    };
    const uint8_t *state = NULL;
    int r = axi_checkpoint_decode(bytes, count, ret_header, &state);

    (void)agent;
    memcpy(expect.schema_hash, instance->spec.schema_hash, sizeof(expect.schema_hash));
    if (r == 0) {
        r = axi_checkpoint_verify(ret_header, &expect);
    }
    if (r < 0) {
        return r;
    }
    return axi_region_write(instance->region, ret_header, state);
}

static void tell_migration(struct axi_agent *agent, const struct axi_agent_instance *instance,
                           uint32_t event, int code, uint64_t master_ns)
{
    struct axi_agent_migration *m = axi_migration_find(agent, instance->migration);

    if (m != NULL) {
        axi_migration_event(agent, m, event,
                            &(struct axi_migration_input){
                                .code = code, .job = instance->next_job, .master_ns = master_ns});
    }
}

static void on_removed(struct axi_agent *agent, struct axi_agent_instance *instance)
{
    uint32_t slot = instance->slot;

    if (instance->phase != AXI_INSTANCE_REMOVING) {
        tell_migration(agent, instance, AXI_ON_REMOVED, -AXC_ECANCELLED, 0);
    }
    free_instance(agent, instance);
    axi_requests_done(agent, slot, AXI_WIRE_REMOVE, 0, NULL);
    axi_requests_done(agent, slot, 0, -AXC_ECANCELLED, "removed");
}

/* The instance stopped for good or by the fence. */
static void on_stopped(struct axi_agent *agent, struct axi_agent_instance *instance, uint32_t state,
                       uint64_t master_ns)
{
    int code = state == AXI_SLOT_FENCED   ? -AXC_ENODE_LEASE
               : state == AXI_SLOT_FAILED ? -AXC_ETASK_FAILED
                                          : -AXC_ESTATE;

    axi_requests_halted(agent, instance->slot);
    axi_requests_done(agent, instance->slot, AXI_WIRE_START, state == AXI_SLOT_FINISHED ? 0 : code,
                      NULL);
    axi_requests_done(agent, instance->slot, AXI_WIRE_RESUME, code, NULL);
    tell_migration(agent, instance, AXI_ON_STOPPED, code, master_ns);
}

/* The scheduler's slot is in `state` now. Called for trace records and for what the view shows;
 * the same state twice is no event. */
static void on_state(struct axi_agent *agent, struct axi_agent_instance *instance, uint32_t state,
                     uint64_t master_ns)
{
    uint32_t former = instance->sched_state;

    if (state == AXI_SLOT_FREE) {
        on_removed(agent, instance);
        return;
    }
    if (instance->phase == AXI_INSTANCE_REMOVING ||
        (former == state && instance->phase == AXI_INSTANCE_READY)) {
        return;
    }
    instance->sched_state = state;
    instance->phase = AXI_INSTANCE_READY;
    instance->is_awaited = false;
    switch (state) {
    case AXI_SLOT_STANDBY:
        axi_requests_done(agent, instance->slot, AXI_WIRE_LOAD, 0, NULL);
        tell_migration(agent, instance, AXI_ON_LOADED, 0, master_ns);
        break;
    case AXI_SLOT_ACTIVE:
        if (former == AXI_SLOT_STANDBY) {
            axi_requests_done(agent, instance->slot, AXI_WIRE_START, 0, NULL);
            tell_migration(agent, instance, AXI_ON_ACTIVATED, 0, master_ns);
        } else {
            axi_requests_done(agent, instance->slot, AXI_WIRE_RESUME, 0, NULL);
            tell_migration(agent, instance, AXI_ON_RESUMED, 0, master_ns);
        }
        break;
    case AXI_SLOT_FREEZING:
        instance->is_awaited = true; /* FROZEN is to come */
        break;
    case AXI_SLOT_FROZEN:
        axi_requests_halted(agent, instance->slot);
        tell_migration(agent, instance, AXI_ON_FROZEN, 0, master_ns);
        break;
    default:
        on_stopped(agent, instance, state, master_ns);
        break;
    }
    if (instance->phase == AXI_INSTANCE_READY) {
        axi_agent_report_one(agent, instance);
    }
}

/* The job just completed may be in the region: what a restore would begin with, about. */
static void on_completed(struct axi_agent *agent, struct axi_agent_instance *instance,
                         const struct axi_trace *record)
{
    uint32_t every = instance->spec.checkpoint_every;

    instance->next_job = record->job + 1;
    instance->completed_ns = record->master_ns;
    if (every <= 1 || instance->next_job >= instance->checkpoint_job + every) {
        instance->checkpoint_job = instance->next_job;
    }
    tell_migration(agent, instance, AXI_ON_JOB_DONE, 0, record->master_ns);
}

static uint32_t state_after(uint32_t kind)
{
    switch (kind) {
    case AXI_TRACE_INSTALLED:
        return AXI_SLOT_STANDBY;
    case AXI_TRACE_ACTIVATED:
    case AXI_TRACE_RESUMED:
        return AXI_SLOT_ACTIVE;
    case AXI_TRACE_FROZEN:
        return AXI_SLOT_FROZEN;
    case AXI_TRACE_FENCED:
        return AXI_SLOT_FENCED;
    case AXI_TRACE_FINISHED:
        return AXI_SLOT_FINISHED;
    case AXI_TRACE_FAILED:
        return AXI_SLOT_FAILED;
    default:
        return UINT32_MAX;
    }
}

/* A record that comes after the view told the same must not turn the state back. */
static bool is_asked_for(const struct axi_agent_instance *instance, uint32_t kind)
{
    return (kind != AXI_TRACE_FROZEN || instance->last_op == AXI_SCHED_FREEZE) &&
           (kind != AXI_TRACE_RESUMED || instance->last_op == AXI_SCHED_RESUME) &&
           (kind != AXI_TRACE_INSTALLED || instance->last_op == AXI_SCHED_INSTALL);
}

void axi_agent_trace(struct axi_agent *agent, const struct axi_trace *record)
{
    struct axi_agent_instance *instance;
    uint32_t state = state_after(record->kind);

    agent->now_ns = agent->port.now_ns(agent->port.context);
    axi_agent_keep_trace(agent, record);
    axi_agent_send_event(agent, record);
    if (record->slot >= agent->config.slots) {
        return;
    }
    instance = &agent->instances[record->slot];
    if (instance->phase == AXI_INSTANCE_FREE || record->task_id != instance->spec.task_id ||
        !axi_instance_has_epoch(instance, record->epoch)) {
        return; /* of a former occupant */
    }
    if (record->kind == AXI_TRACE_COMPLETED) {
        on_completed(agent, instance, record);
    } else if (record->kind == AXI_TRACE_KILLED && record->cause != AXI_CAUSE_LEASE) {
        /* it ran here, too; of a program that crashes in every job no other will end */
        tell_migration(agent, instance, AXI_ON_JOB_DONE, 0, record->master_ns);
    } else if (record->kind == AXI_TRACE_REMOVED) {
        on_state(agent, instance, AXI_SLOT_FREE, record->master_ns);
    } else if (state != UINT32_MAX && is_asked_for(instance, record->kind)) {
        instance->next_job = record->job;
        if (record->kind == AXI_TRACE_ACTIVATED) {
            instance->checkpoint_job = record->job;
        }
        on_state(agent, instance, state, record->master_ns);
    }
}

/* Trace records may be lost when their ring overflows: the view tells in the end. */
static void look(struct axi_agent *agent, struct axi_agent_instance *instance)
{
    struct axc_time_master now =
        axi_time_to_master(agent->config.timebase, (struct axc_time_local){.ns = agent->now_ns});
    struct axi_slot_view view;

    if (agent->now_ns < instance->awaited_ns + LOOK_NS) {
        return;
    }
    agent->port.view(agent->port.context, instance->slot, &view);
    if (view.state == AXI_SLOT_FREE && instance->phase == AXI_INSTANCE_INSTALLING) {
        return; /* not yet executed */
    }
    if (view.state == AXI_SLOT_ACTIVE && instance->last_op == AXI_SCHED_FREEZE) {
        return; /* likewise */
    }
    if (view.task_id != instance->spec.task_id || !axi_instance_has_epoch(instance, view.epoch)) {
        return;
    }
    instance->next_job = view.next_job;
    on_state(agent, instance, view.state, now.ns);
}

static void retry_fetch(struct axi_agent *agent, struct axi_agent_instance *instance)
{
    if (agent->now_ns < instance->image.last_ns + agent->config.transfer_ns ||
        (instance->fetch_origin == AXI_ORIGIN_MASTER && agent->join != AXI_JOIN_DONE)) {
        return;
    }
    if (instance->fetch_origin == AXI_ORIGIN_NONE) {
        instance->image.last_ns = agent->now_ns; /* the migration watches the source */
        return;
    }
    if (++instance->fetch_attempts >= FETCH_ATTEMPTS) {
        axi_instance_fail(agent, instance, -AXC_ETIMEOUT, "the image did not come");
        return;
    }
    axi_instance_fetch(agent, instance);
}

uint64_t axi_agent_instances_tick(struct axi_agent *agent)
{
    uint64_t next_ns = UINT64_MAX;

    for (uint32_t i = 0; i < agent->config.slots; i++) {
        struct axi_agent_instance *instance = &agent->instances[i];

        if (instance->phase == AXI_INSTANCE_FREE) {
            continue;
        }
        if (instance->phase == AXI_INSTANCE_FETCHING) {
            retry_fetch(agent, instance);
            next_ns = next_ns < agent->now_ns + agent->config.transfer_ns
                          ? next_ns
                          : agent->now_ns + agent->config.transfer_ns;
            continue;
        }
        if (instance->unposted != 0) {
            axi_instance_post(agent, instance, instance->unposted);
        }
        if (instance->is_awaited) {
            look(agent, instance);
        }
        if (instance->is_awaited) {
            next_ns = agent->now_ns + AXI_AGENT_POLL_NS;
        }
    }
    return next_ns;
}
