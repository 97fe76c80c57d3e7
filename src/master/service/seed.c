/* SPDX-License-Identifier: Apache-2.0 */
/* The state that a new replica begins with: that of the node its seed runs on, else the newest that
 * a manager has, else the cluster store's. Whatever comes is checked, brought into the replica's
 * own schema and stamped with its id and epoch; later it is a checkpoint like any other. */
#include "core/checkpoint.h"
#include "image/state_map.h"
#include "manifest/spec.h"
#include "master/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define AGAIN_NS 2000000ull
#define AGAIN_MAX_NS 50000000ull

/* In the order in which they are asked. */
enum source { SOURCE_NODE = 0, SOURCE_MANAGERS, SOURCE_STORE, SOURCE_NONE };

/* ---- what can be made of it ---- */

/* The state map between two schemas; both must be known. */
static int make_map(struct axi_master *m, const uint8_t from_hash[32], uint32_t from_bytes,
                    const struct axi_record *to, struct axi_state_map **ret_map, char *ret_reason)
{
    char *from = axi_schema_text(m, from_hash);
    char *into = axi_schema_text(m, to->spec.schema_hash);
    int rc;

    if (from == NULL || into == NULL) {
        rc = axi_refuse(ret_reason, AXC_ECKPT_SCHEMA,
                        "state cannot be mapped: the schema text of the %s image is not known; "
                        "upload it anew",
                        from == NULL ? "old" : "new");
    } else {
        rc = axi_state_map_new(from, from_bytes, into, to->spec.state_bytes, ret_map);
        if (rc != 0) {
            rc = axi_refuse(ret_reason, -rc, "state cannot be mapped: %s",
                            rc == -AXC_ENOENT ? "no field has an equal path and kind"
                                              : axi_error_text(rc));
        }
    }
    free(from);
    free(into);
    return rc;
}

static bool is_same_schema(const struct axi_record *record, const uint8_t hash[32], uint32_t bytes)
{
    return memcmp(hash, record->spec.schema_hash, 32) == 0 && bytes == record->spec.state_bytes;
}

static int refuse_carry(const struct axi_record *record, const char *seed, uint32_t version,
                        bool is_same, char *ret_reason)
{
    return axi_refuse(
        ret_reason, is_same ? AXC_ECKPT_STATE_VERSION : AXC_ECKPT_SCHEMA,
        "%s cannot carry the state of %s over: %s (state versions %u and %u); declare "
        "update.state map or restart",
        record->name, seed, is_same ? "the versions differ" : "the schemas differ", version,
        record->spec.state_version);
}

int axi_seed_check(struct axi_master *m, const struct axi_record *record, char *ret_reason)
{
    const struct axi_task *seed = axi_task_find(m, record->seed);
    const struct axi_task_spec *spec = seed != NULL ? &seed->record.spec : NULL;
    struct axi_state_map *map = NULL;
    bool is_same;
    int rc = 0;

    if (spec == NULL) { /* seen when its checkpoint comes */
        return 0;
    }
    is_same = is_same_schema(record, spec->schema_hash, spec->state_bytes);
    if (record->seed_rule == AXI_STATE_CARRY &&
        (!is_same || spec->state_version != record->spec.state_version)) {
        return refuse_carry(record, seed->record.name, spec->state_version, is_same, ret_reason);
    }
    if (!is_same) {
        rc = make_map(m, spec->schema_hash, spec->state_bytes, record, &map, ret_reason);
        axi_state_map_free(map);
    }
    return rc;
}

/* Fills `state` (the replica's state_bytes) from the seed's. */
static int convert(struct axi_master *m, const struct axi_record *record,
                   const struct axi_checkpoint *header, const uint8_t *from, uint8_t *state,
                   char *ret_reason)
{
    bool is_same = is_same_schema(record, header->schema_hash, header->state_bytes);
    struct axi_state_map *map = NULL;
    int rc;

    if (record->seed_rule == AXI_STATE_CARRY &&
        (!is_same || header->state_version != record->spec.state_version)) {
        return refuse_carry(record, "its seed", header->state_version, is_same, ret_reason);
    }
    if (is_same) {
        memcpy(state, from, record->spec.state_bytes);
        return 0;
    }
    rc = make_map(m, header->schema_hash, header->state_bytes, record, &map, ret_reason);
    if (rc == 0) {
        axi_state_map_apply(map, from, state);
    }
    axi_state_map_free(map);
    return rc;
}

/* A job that is half done can go on only in the same image. */
static bool is_step_right(struct axi_master *m, const struct axi_record *record, uint32_t step)
{
    const struct axi_task *seed = axi_task_find(m, record->seed);

    return step == 0 || (seed != NULL && memcmp(seed->record.image, record->image, 32) == 0);
}

/* Makes flow.incoming the replica's own checkpoint. */
static int take(struct axi_master *m, struct axi_task *task, const uint8_t *bytes, size_t count,
                char *ret_reason)
{
    const struct axi_record *r = &task->record;
    const struct axi_task *seed = axi_task_find(m, r->seed);
    size_t capacity = AXI_CHECKPOINT_HEADER_BYTES + r->spec.state_bytes;
    uint8_t *state = calloc(1, r->spec.state_bytes);
    uint8_t *stamped = malloc(capacity);
    const uint8_t *from = NULL;
    struct axi_checkpoint header;
    int rc = state == NULL || stamped == NULL ? -AXC_ENOMEM
                                              : axi_checkpoint_decode(bytes, count, &header, &from);

    if (rc == 0 && header.task_id != r->seed) {
        rc = -AXC_ECKPT_TASK;
    } else if (rc == 0 && seed != NULL && header.epoch > seed->record.epoch_last) {
        rc = -AXC_ECKPT_EPOCH;
    } else if (rc == 0 && !is_step_right(m, r, header.step)) {
        rc = -AXC_ECKPT_JOB;
    }
    if (rc != 0) {
        (void)axi_refuse(ret_reason, -rc, "%s", axi_error_text(rc));
    } else {
        rc = convert(m, r, &header, from, state, ret_reason);
    }
    if (rc == 0) {
        header.task_id = r->id;
        header.epoch = r->epoch;
        header.state_version = r->spec.state_version;
        header.state_bytes = r->spec.state_bytes;
        memcpy(header.schema_hash, r->spec.schema_hash, sizeof(header.schema_hash));
        rc = axi_checkpoint_encode(&header, state, stamped, capacity, &count);
    }
    free(state);
    if (rc != 0) {
        free(stamped);
        return rc;
    }
    axi_incoming_clear(&task->flow.incoming);
    task->flow.incoming =
        (struct axi_incoming){.total = count, .received = count, .bytes = stamped};
    return 0;
}

bool axi_seed_apply(const struct axi_task *task, struct axi_record *next,
                    struct axi_store_op *ret_op, char *key)
{
    const struct axi_incoming *in = &task->flow.incoming;
    struct axi_checkpoint header;

    if (next->seed == 0 || next->has_checkpoint || in->bytes == NULL ||
        axi_checkpoint_decode_header(in->bytes, in->total, &header) != 0) {
        return false;
    }
    next->has_checkpoint = true;
    next->checkpoint_job = header.job;
    next->start = (struct axi_origin){header.epoch, header.job, header.step};
    (void)snprintf(key, 40, "checkpoint/%016llx", (unsigned long long)next->id);
    *ret_op = (struct axi_store_op){.kind = AXI_STORE_PUT,
                                    .key = key,
                                    .expected = AXI_STORE_ANY,
                                    .value = in->bytes,
                                    .value_bytes = in->total};
    return true;
}

/* Replicas that begin a grid together begin with job 0. The one whose image took too long would
 * begin with a later job from zero, and never agree with the others. */
bool axi_seed_late(struct axi_master *m, struct axi_task *task)
{
    struct axi_record next = task->record;

    if (!axi_is_new_replica(&next) || next.seed != 0 || next.seed_rule == AXI_STATE_RESTART ||
        !next.is_grid_fixed || axi_now_master(m) + m->config.start_delay_ns <= next.release_ns) {
        return false;
    }
    for (size_t i = 0; i < m->task_count; i++) {
        const struct axi_record *peer = &m->tasks[i]->record;

        if (m->tasks[i]->is_gone || strcmp(peer->service, next.service) != 0 ||
            peer->state != AXI_TASK_RUNNING || peer->release_ns != next.release_ns) {
            continue;
        }
        next.seed = peer->id;
        if (axi_seed_check(m, &next, NULL) == 0 && axi_task_commit(m, task, &next, NULL, 0) == 0) {
            return true;
        }
        next = task->record;
    }
    return false;
}

/* ---- where it comes from ---- */

static void give_up(struct axi_master *m, struct axi_task *task)
{
    struct axi_node *node = axi_node_find(m, task->record.owner);
    char reason[AXI_REASON_BYTES];
    int code = task->flow.code != 0 ? task->flow.code : -AXC_ECKPT_NONE;

    (void)snprintf(reason, sizeof(reason), "no state to begin with: %.120s",
                   task->flow.reason[0] != '\0' ? task->flow.reason : axi_error_text(code));
    axi_send_remove(m, node, task->record.id, task->record.epoch,
                    m->port.random64(m->port.context));
    axi_replica_give_up(m, task, code, reason);
}

/* This source has none that is of use: the next one. */
static void next_source(struct axi_task *task, int code, const char *reason)
{
    struct axi_flow *flow = &task->flow;

    flow->code = code;
    axi_copy_text(flow->reason, sizeof(flow->reason), reason);
    flow->request_target = 0;
    axi_incoming_clear(&flow->incoming);
    if (flow->seed_source == SOURCE_MANAGERS) {
        flow->seed_manager++;
    } else {
        flow->seed_source++;
    }
}

/* What arrived, or was read: true when the replica has its state. */
static bool use(struct axi_master *m, struct axi_task *task, const uint8_t *bytes, size_t count)
{
    char reason[AXI_REASON_BYTES] = "";
    int rc = take(m, task, bytes, count, reason);

    if (rc == 0) {
        task->flow.request_target = 0;
        axi_flow_go(m, task, AXI_STEP_LAUNCH_DECLARE);
        return true;
    }
    if (rc == -AXC_ECKPT_JOB && task->flow.seed_source == SOURCE_NODE) {
        /* in the middle of a job: asked again a little later, not in step with its period */
        task->flow.request_target = 0;
        task->flow.retry_ns =
            axi_now(m) + AGAIN_NS + m->port.random64(m->port.context) % (AGAIN_MAX_NS - AGAIN_NS);
        axi_incoming_clear(&task->flow.incoming);
        return true;
    }
    next_source(task, rc, reason);
    return false;
}

static void draw(struct axi_master *m, struct axi_task *task)
{
    if (task->flow.request_target == 0) {
        task->flow.request_target = m->port.random64(m->port.context);
    }
}

/* True: asked, or worth waiting for. */
static bool ask_node(struct axi_master *m, struct axi_task *task)
{
    const struct axi_task *seed = axi_task_find(m, task->record.seed);
    struct axi_node *node = seed != NULL ? axi_node_find(m, seed->record.owner) : NULL;
    bool is_live = seed != NULL && (seed->record.state == AXI_TASK_RUNNING ||
                                    seed->record.state == AXI_TASK_STARTING ||
                                    seed->record.state == AXI_TASK_STOPPING);
    axi_GetCheckpoint get = {.task_id = task->record.seed};

    if (!is_live || node == NULL || node->is_dead) {
        return false;
    }
    if (axi_is_new_replica(&seed->record)) {
        return true; /* what it has is not its own before it runs */
    }
    if (!axi_node_is_ready(node)) {
        return axi_in_grace(m); /* after a change of masters it has to join first */
    }
    draw(m, task);
    get.request = task->flow.request_target;
    get.epoch = seed->record.epoch;
    return axi_send(m, node, AXI_WIRE_GET_CHECKPOINT, &get);
}

static bool ask_manager(struct axi_master *m, struct axi_task *task)
{
    struct axi_flow *flow = &task->flow;
    axi_GetCheckpoint get = {.task_id = task->record.seed, .epoch = UINT64_MAX};

    while (flow->seed_manager < m->manager_count && m->managers[flow->seed_manager].link == 0) {
        flow->seed_manager++;
    }
    if (flow->seed_manager >= m->manager_count) {
        flow->seed_source = SOURCE_STORE;
        return false;
    }
    draw(m, task);
    get.request = flow->request_target;
    axi_send_link(m, m->managers[flow->seed_manager].link, AXI_WIRE_GET_CHECKPOINT, &get);
    return true;
}

/* True: done with it, or the store has to be asked again. */
static bool take_stored(struct axi_master *m, struct axi_task *task)
{
    struct axi_store_value value = {0};
    bool is_used;
    char key[40];
    int rc;

    (void)snprintf(key, sizeof(key), "checkpoint/%016llx", (unsigned long long)task->record.seed);
    rc = m->is_crashed ? -AXC_EUNAVAILABLE : axi_store_get(m->config.store, key, &value);
    if (rc == -AXC_ENOENT) {
        next_source(task, -AXC_ECKPT_NONE,
                    task->flow.reason[0] != '\0' ? task->flow.reason
                                                 : axi_error_text(-AXC_ECKPT_NONE));
        return false;
    }
    if (rc != 0) {
        return true;
    }
    is_used = use(m, task, (const uint8_t *)value.bytes, value.value_bytes);
    axi_store_value_clear(&value);
    return is_used;
}

void axi_launch_seed(struct axi_master *m, struct axi_task *task)
{
    const struct axi_task *seed = axi_task_find(m, task->record.seed);
    bool is_done = false;

    if (seed != NULL && seed->record.state == AXI_TASK_STOPPED) {
        task->flow.seed_source = SOURCE_STORE; /* its last state is there, and nowhere a newer */
    }
    while (!is_done && task->flow.step == AXI_STEP_LAUNCH_SEED && !task->is_gone) {
        switch (task->flow.seed_source) {
        case SOURCE_NODE:
            is_done = ask_node(m, task);
            task->flow.seed_source = is_done ? SOURCE_NODE : SOURCE_MANAGERS;
            break;
        case SOURCE_MANAGERS:
            is_done = ask_manager(m, task);
            break;
        case SOURCE_STORE:
            is_done = take_stored(m, task);
            break;
        default:
            give_up(m, task);
            is_done = true;
            break;
        }
    }
}

void axi_launch_seed_timeout(struct axi_master *m, struct axi_task *task)
{
    next_source(task, -AXC_ETIMEOUT, "no answer to GetCheckpoint");
    axi_flow_drive(m, task);
}

void axi_seed_result(struct axi_master *m, struct axi_task *task, const axi_Result *result)
{
    struct axi_incoming in = task->flow.incoming;

    if (result->code == 0 && (in.bytes == NULL || in.received != in.total)) {
        return; /* its chunks were dropped: asked again */
    }
    task->flow.incoming = (struct axi_incoming){0};
    if (result->code != 0) {
        next_source(task, result->code,
                    result->reason[0] != '\0' ? result->reason : axi_error_text(result->code));
    } else {
        (void)use(m, task, in.bytes, in.total);
    }
    free(in.bytes);
    if (task->flow.step == AXI_STEP_LAUNCH_SEED && task->flow.seed_source != SOURCE_NODE) {
        axi_flow_drive(m, task);
    }
}

/* ---- managers ---- */

static struct axi_task *find_waiting(struct axi_master *m, uint64_t request)
{
    for (size_t i = 0; i < m->task_count && request != 0; i++) {
        struct axi_task *task = m->tasks[i];

        if (!task->is_gone && task->flow.step == AXI_STEP_LAUNCH_SEED &&
            task->flow.request_target == request && task->flow.seed_source == SOURCE_MANAGERS) {
            return task;
        }
    }
    return NULL;
}

void axi_seed_manager_chunk(struct axi_master *m, const axi_Chunk *chunk, const void *tail,
                            size_t tail_bytes)
{
    struct axi_task *task = find_waiting(m, chunk->transfer);

    if (task != NULL && axi_incoming_take(&task->flow.incoming, chunk, tail, tail_bytes) < 0) {
        axi_incoming_clear(&task->flow.incoming);
        axi_event(m, AXI_WARNING, "chunk-bad", task, NULL, "bad chunk was dropped");
    }
}

void axi_seed_manager_result(struct axi_master *m, const axi_Result *result)
{
    struct axi_task *task = find_waiting(m, result->request);

    if (task != NULL) {
        axi_seed_result(m, task, result);
    }
}
