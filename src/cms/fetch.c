/* SPDX-License-Identifier: Apache-2.0 */
/* Checkpoints: noticed, read at this manager's own pace (from memory on the same machine, else by
 * SlotRead), verified, given to the checkpoint store, acknowledged once durable. Of an instance
 * that writes faster than it is read the newest write counts; nobody ever waits for a manager. */
#include "cms/internal.h"

#include <stdlib.h>
#include <string.h>

#define MS 1000000ull
#define READ_BYTES 65536u
#define READ_LOST_NS 1000000000ull /* an unanswered SlotRead is forgotten */
#define FULL_WAIT_NS 2000000ull
#define RETRY_NS 2000000ull
#define SWEEP_NS 5000000000ull
#define IDLE_INSTANCE_NS 60000000000ull

/* ---- judging ---- */

/* One complaint per task and while the ring remembers it. */
static bool has_complained(struct axi_cms *cms, uint64_t task_id)
{
    for (size_t i = 0; i < AXI_CMS_REFUSED_MAX; i++) {
        if (cms->refused[i] == task_id) {
            return true;
        }
    }
    cms->refused[cms->refused_next] = task_id;
    cms->refused_next = (cms->refused_next + 1) % AXI_CMS_REFUSED_MAX;
    return false;
}

static bool is_party(const struct axi_record *r, uint64_t node, uint64_t epoch)
{
    const struct axi_migration *mig = &r->migration;

    return (r->owner == node && r->epoch == epoch) ||
           (r->claim.dead == node && r->claim.dead_epoch == epoch) ||
           (mig->phase != AXI_MIGRATION_NONE &&
            ((mig->source == node && mig->source_epoch == epoch) ||
             (mig->target == node && mig->epoch == epoch)));
}

/* May this node have a checkpoint of this task and epoch? 0; -AXC_EBUSY: the record is to be read
 * anew before it can be said; else why not. */
static int judge_owner(const struct axi_cms_task *task, const struct axi_cms_instance *it)
{
    const struct axi_record *r = &task->record;

    if (task->revision != 0 && is_party(r, it->node_id, it->epoch)) {
        return 0;
    }
    return task->revision == 0 || it->epoch >= r->epoch ? -AXC_EBUSY : -AXC_EEPOCH_STALE;
}

static int judge(struct axi_cms *cms, struct axi_cms_instance *it, const uint8_t *bytes,
                 size_t count, struct axi_checkpoint *ret_header)
{
    struct axi_cms_task *task = axi_cms_task_get(cms, it->task_id);
    struct axi_checkpoint_expect expect = {
        .task_id = it->task_id, .epoch_max = it->epoch, .job_max = UINT64_MAX};
    const uint8_t *state = NULL;
    int rc = task == NULL ? -AXC_ENOMEM : axi_checkpoint_decode(bytes, count, ret_header, &state);

    if (rc == 0 && judge_owner(task, it) == -AXC_EBUSY && axi_cms_view_read(cms, task) != 0) {
        return -AXC_EUNAVAILABLE; /* a task or epoch that is new to this manager */
    }
    if (rc != 0) {
        return rc;
    }
    rc = judge_owner(task, it);
    if (rc == 0) {
        expect.state_version = task->record.spec.state_version;
        expect.state_bytes = task->record.spec.state_bytes;
        memcpy(expect.schema_hash, task->record.spec.schema_hash, sizeof(expect.schema_hash));
        rc = axi_checkpoint_verify(ret_header, &expect);
    }
    return rc == -AXC_EBUSY ? -AXC_ENOENT : rc;
}

static void complain(struct axi_cms *cms, struct axi_cms_instance *it, int code)
{
    struct axi_cms_task *task = axi_cms_task_find(cms, it->task_id);
    struct axi_cms_node *node = axi_cms_node_find(cms, it->node_id);
    const char *type = code == -AXC_EEPOCH_STALE ? "stale-checkpoint"
                       : code == -AXC_ENOENT     ? "unknown-checkpoint"
                                                 : "checkpoint-corrupt";

    if (!has_complained(cms, it->task_id)) {
        axi_cms_event(cms, AXI_WARNING, type, task, node, "task %llx epoch %llu job %llu: %s",
                      (unsigned long long)it->task_id, (unsigned long long)it->epoch,
                      (unsigned long long)it->notice.job, axi_error_text(code));
    }
}

/* ---- into the store ---- */

static bool note_put(struct axi_cms *cms, const struct axi_cms_instance *it, uint64_t write,
                     const struct axi_checkpoint *header, size_t bytes)
{
    if (cms->put_count == cms->put_capacity) {
        return false;
    }
    cms->puts[cms->put_count++] =
        (struct axi_cms_put){.cookie = cms->next_cookie++,
                             .node_id = it->node_id,
                             .task_id = it->task_id,
                             .epoch = it->epoch,
                             .write = write,
                             .noticed_ns = it->reading_noticed_ns,
                             .origin = {header->epoch, header->job, header->step},
                             .bytes = (uint32_t)bytes};
    return true;
}

struct owner {
    uint64_t node, epoch;
};

static int visit_owner(void *context, const struct axi_checkpoint_info *info)
{
    const struct owner *owner = context;

    return info->id.node_id == owner->node && info->id.epoch == owner->epoch ? -AXC_EEXIST : 0;
}

/* Something of that instance came here while the record named its node; else anybody could say so.
 */
static bool was_owner(struct axi_cms *cms, const struct axi_cms_instance *it)
{
    struct owner owner = {it->node_id, it->epoch};

    return axi_checkpoints_list(cms->config.checkpoints, it->task_id, visit_owner, &owner) ==
           -AXC_EEXIST;
}

/* A whole write was read. */
static void take(struct axi_cms *cms, struct axi_cms_instance *it, uint64_t write,
                 const uint8_t *bytes, size_t count)
{
    struct axi_checkpoint header;
    int rc = judge(cms, it, bytes, count, &header);

    if (rc == -AXC_EUNAVAILABLE) {
        it->retry_ns = axi_cms_now(cms) + 50 * MS;
        return;
    }
    if (rc != 0 && rc != -AXC_EEPOCH_STALE) {
        complain(cms, it, rc);
        it->refused_write = write;
        return;
    }
    if (rc == -AXC_EEPOCH_STALE) { /* of a superseded instance: said, and kept for diagnosis */
        complain(cms, it, rc);
        if (!was_owner(cms, it)) {
            it->refused_write = write;
            return;
        }
    }
    if (!note_put(cms, it, write, &header, count)) {
        it->retry_ns = axi_cms_now(cms) + FULL_WAIT_NS;
        return;
    }
    rc = axi_checkpoints_put(cms->config.checkpoints, it->node_id, bytes, count,
                             cms->puts[cms->put_count - 1].cookie);
    if (rc == 0) {
        it->taken_write = write;
    } else {
        cms->put_count--;
        it->retry_ns = axi_cms_now(cms) + FULL_WAIT_NS;
    }
}

static void durable(struct axi_cms *cms, const struct axi_cms_put *put)
{
    struct axi_cms_instance *it =
        axi_cms_instance_find(cms, put->node_id, put->task_id, put->epoch);
    struct axi_cms_task *task = axi_cms_task_find(cms, put->task_id);
    uint64_t now = axi_cms_now(cms);

    cms->stored++;
    cms->stored_bytes += put->bytes;
    axi_hist_add(&cms->ages, now - put->noticed_ns);
    if (it != NULL && put->write > it->durable_write) {
        it->durable_write = put->write;
        it->durable_job = put->origin.job;
    }
    if (task == NULL || axi_cms_origin_compare(&put->origin, &task->durable) <= 0) {
        return;
    }
    task->durable = put->origin;
    task->durable_ns = now;
    task->durable_node = put->node_id;
    task->durable_bytes = put->bytes;
    if (axi_cms_origin_compare(&task->durable, &task->noticed) >= 0) {
        task->undurable_since_ns = 0;
    } else {
        task->undurable_since_ns = put->noticed_ns;
    }
    if (task->restored_epoch != 0 && put->origin.epoch == task->restored_epoch &&
        put->origin.job > task->restored.job && !task->has_said_newer) {
        task->has_said_newer = true;
        axi_cms_event(cms, AXI_WARNING, "newer-existed", task, axi_cms_node_find(cms, put->node_id),
                      "restored from job %llu; job %llu turned up here later",
                      (unsigned long long)task->restored.job, (unsigned long long)put->origin.job);
    }
}

static void take_result(struct axi_cms *cms, const struct axi_checkpoints_result *result)
{
    for (size_t i = 0; i < cms->put_count; i++) { /* nearly always the first */
        if (cms->puts[i].cookie != result->cookie) {
            continue;
        }
        struct axi_cms_put put = cms->puts[i];
        struct axi_cms_instance *it =
            axi_cms_instance_find(cms, put.node_id, put.task_id, put.epoch);

        memmove(&cms->puts[i], &cms->puts[i + 1], (--cms->put_count - i) * sizeof(put));
        if (result->code == 0) {
            durable(cms, &put);
            return;
        }
        if (it != NULL && it->taken_write == put.write) { /* read and put again */
            it->taken_write = it->durable_write;
            it->retry_ns = axi_cms_now(cms) + 100 * MS;
        }
        if (!has_complained(cms, put.task_id)) {
            axi_cms_event(cms, AXI_ERROR, "checkpoint-not-stored",
                          axi_cms_task_find(cms, put.task_id), NULL, "job %llu: %s",
                          (unsigned long long)put.origin.job, axi_error_text(result->code));
        }
        return;
    }
}

/* ---- reading ---- */

static void read_memory(struct axi_cms *cms, struct axi_cms_node *node, struct axi_cms_instance *it)
{
    uint64_t write = it->notice.write;
    struct axi_region region;
    size_t bytes = 0;
    size_t total = 0;
    int rc = axi_region_file_attach(&region, node->regions, node->regions_bytes,
                                    it->notice.region_offset);

    if (rc == 0) {
        rc = axi_region_read(&region, write, 0, cms->checkpoint, AXI_CHECKPOINT_BYTES_MAX, &bytes,
                             &total);
    }
    if (rc == -AXC_ECKPT_TORN) { /* the next notice is on its way */
        cms->overtaken++;
        it->refused_write = write;
    } else if (rc != 0 || bytes != total) {
        complain(cms, it, rc != 0 ? rc : -AXC_ECKPT_SIZE);
        it->refused_write = write;
    } else {
        it->reading_noticed_ns = it->noticed_ns;
        take(cms, it, write, cms->checkpoint, bytes);
    }
}

static void send_read(struct axi_cms *cms, struct axi_cms_node *node, struct axi_cms_instance *it)
{
    uint32_t left = it->total - it->received;
    axi_SlotRead read = {.request = axi_cms_random(cms),
                         .task_id = it->task_id,
                         .epoch = it->epoch,
                         .write = it->reading_write,
                         .offset = it->received,
                         .bytes = left < READ_BYTES ? left : READ_BYTES};

    it->request = read.request;
    it->request_ns = axi_cms_now(cms);
    axi_cms_send(cms, node->link, AXI_WIRE_SLOT_READ, &read);
}

static void end_read(struct axi_cms_node *node, struct axi_cms_instance *it)
{
    if (it->request != 0 && node != NULL && node->reads > 0) {
        node->reads--;
    }
    it->request = 0;
    free(it->bytes);
    it->bytes = NULL;
}

static void begin_read(struct axi_cms *cms, struct axi_cms_node *node, struct axi_cms_instance *it)
{
    if (it->notice.bytes < AXI_CHECKPOINT_HEADER_BYTES ||
        it->notice.bytes > AXI_CHECKPOINT_BYTES_MAX) {
        complain(cms, it, -AXC_ECKPT_SIZE);
        it->refused_write = it->notice.write;
        return;
    }
    it->bytes = malloc(it->notice.bytes);
    if (it->bytes == NULL) {
        return;
    }
    it->total = it->notice.bytes;
    it->received = 0;
    it->reading_write = it->notice.write;
    it->reading_noticed_ns = it->noticed_ns;
    node->reads++;
    send_read(cms, node, it);
}

/* The newest write, unless it is here, was judged, or is being read. */
static void fetch(struct axi_cms *cms, struct axi_cms_node *node, struct axi_cms_instance *it)
{
    if (it->request != 0 || it->notice.write <= it->taken_write ||
        it->notice.write <= it->refused_write || node->link == 0 ||
        axi_cms_now(cms) < it->retry_ns) {
        return;
    }
    if (node->regions != NULL && it->notice.region_offset != 0) {
        read_memory(cms, node, it);
    } else if (node->reads < cms->config.reads) {
        begin_read(cms, node, it);
    }
}

/* The newest that the owner says it made: what is durable here is measured against it. */
static void note_newest(struct axi_cms *cms, struct axi_cms_task *task, struct axi_cms_node *node,
                        const axi_Notice *notice)
{
    struct axi_origin origin = {notice->epoch, notice->job, notice->step};

    if (is_party(&task->record, node->id, notice->epoch) &&
        axi_cms_origin_compare(&origin, &task->noticed) > 0) {
        task->noticed = origin;
        task->noticed_ns = axi_cms_now(cms);
        if (task->undurable_since_ns == 0) {
            task->undurable_since_ns = task->noticed_ns;
        }
    }
}

static void take_notice(struct axi_cms *cms, struct axi_cms_node *node, const axi_Notice *notice,
                        bool is_hint)
{
    struct axi_cms_instance *it =
        axi_cms_instance_find(cms, node->id, notice->task_id, notice->epoch);
    struct axi_cms_task *task;

    it = it != NULL ? it : axi_cms_instance_add(cms, node->id, notice->task_id, notice->epoch);
    task = it != NULL ? axi_cms_task_get(cms, notice->task_id) : NULL;
    if (task == NULL) {
        return;
    }
    if (!is_hint) {
        note_newest(cms, task, node, notice);
    }
    if (notice->write <= it->notice.write) {
        return;
    }
    it->notice = *notice;
    it->noticed_ns = axi_cms_now(cms);
    fetch(cms, node, it);
}

/* The node's own word on its link: where a datagram named a write that the node does not have, this
 * counts. */
static void correct_hint(struct axi_cms_instance *it, const axi_Notice *notice)
{
    bool is_wrong = notice->write < it->notice.write && it->refused_write == it->notice.write;

    if (it->is_hinted && is_wrong) {
        it->notice.write = it->taken_write;
        it->refused_write = 0;
    }
    it->is_hinted = it->is_hinted && notice->write < it->notice.write; /* not known yet */
}

static void take_hint(struct axi_cms *cms, struct axi_cms_node *node, const axi_Notice *notice)
{
    struct axi_cms_instance *it =
        axi_cms_instance_find(cms, node->id, notice->task_id, notice->epoch);

    if (it != NULL && notice->write > it->notice.write) {
        it->is_hinted = true;
        take_notice(cms, node, notice, true);
    }
}

void axi_cms_datagram(struct axi_cms *cms, const uint8_t *bytes, size_t count)
{
    uint8_t buffer[AXI_WIRE_CONTROL_BYTES_MAX];
    struct axi_wire_parser parser;
    struct axi_wire_frame frame;
    struct axi_cms_node *node;

    axi_wire_parser_init(&parser, buffer, sizeof(buffer));
    if (cms->is_crashed || axi_wire_feed(&parser, &bytes, &count, &frame) != 1 ||
        frame.type != AXI_WIRE_NOTICES || axi_wire_decode(&frame, &cms->message) != 0) {
        return;
    }
    node = axi_cms_node_find(cms, cms->message.Notices.node_id);
    for (pb_size_t i = 0; node != NULL && node->link != 0 && i < cms->message.Notices.notices_count;
         i++) {
        take_hint(cms, node, &cms->message.Notices.notices[i]);
    }
}

void axi_cms_notices(struct axi_cms *cms, struct axi_cms_node *node, const axi_Notices *notices)
{
    for (pb_size_t i = 0; i < notices->notices_count; i++) {
        const axi_Notice *notice = &notices->notices[i];

        if (notice->task_id != 0 && notice->epoch != 0 && notice->write != 0) {
            struct axi_cms_instance *it =
                axi_cms_instance_find(cms, node->id, notice->task_id, notice->epoch);

            if (it != NULL) {
                correct_hint(it, notice);
            }
            take_notice(cms, node, notice, false);
        }
    }
}

void axi_cms_slot_data(struct axi_cms *cms, struct axi_cms_node *node, const axi_SlotData *data,
                       const uint8_t *tail, size_t tail_bytes)
{
    struct axi_cms_instance *it = NULL;

    for (size_t i = 0; i < cms->instance_count && it == NULL; i++) {
        if (cms->instances[i]->request == data->request && data->request != 0 &&
            cms->instances[i]->node_id == node->id) {
            it = cms->instances[i];
        }
    }
    if (it == NULL) {
        return;
    }
    if (data->code != 0) {
        cms->overtaken += data->code == -AXC_ECKPT_TORN;
        it->refused_write = it->reading_write;
        end_read(node, it);
    } else if (data->total != it->total || data->offset != it->received || tail_bytes == 0 ||
               tail_bytes > it->total - it->received) {
        complain(cms, it, -AXC_ECKPT_SIZE);
        it->refused_write = it->reading_write;
        end_read(node, it);
    } else {
        memcpy(it->bytes + it->received, tail, tail_bytes);
        it->received += (uint32_t)tail_bytes;
        if (it->received < it->total) {
            send_read(cms, node, it);
            return;
        }
        take(cms, it, it->reading_write, it->bytes, it->total);
        end_read(node, it);
    }
    fetch(cms, node, it); /* there may be a newer one by now */
}

void axi_cms_fetch_node_down(struct axi_cms *cms, struct axi_cms_node *node)
{
    for (size_t i = 0; i < cms->instance_count;) {
        struct axi_cms_instance *it = cms->instances[i];

        if (it->node_id == node->id) { /* a new link tells of its instances anew */
            axi_cms_instance_free(it);
            cms->instances[i] = cms->instances[--cms->instance_count];
        } else {
            i++;
        }
    }
    node->reads = 0;
    axi_cms_forget_unknown_tasks(cms);
}

/* ---- acknowledging ---- */

static void send_acks(struct axi_cms *cms, struct axi_cms_node *node)
{
    axi_Acks acks = axi_Acks_init_zero;

    for (size_t i = 0; i < cms->instance_count; i++) {
        struct axi_cms_instance *it = cms->instances[i];

        if (it->node_id != node->id || it->durable_write <= it->acked_write) {
            continue;
        }
        it->acked_write = it->durable_write;
        acks.acks[acks.acks_count++] = (axi_Ack){.task_id = it->task_id,
                                                 .epoch = it->epoch,
                                                 .write = it->durable_write,
                                                 .job = it->durable_job};
        if (acks.acks_count == sizeof(acks.acks) / sizeof(acks.acks[0])) {
            axi_cms_send(cms, node->link, AXI_WIRE_ACKS, &acks);
            acks.acks_count = 0;
        }
    }
    if (acks.acks_count > 0) {
        axi_cms_send(cms, node->link, AXI_WIRE_ACKS, &acks);
    }
}

static void retry_reads(struct axi_cms *cms)
{
    uint64_t now = axi_cms_now(cms);

    for (size_t i = 0; i < cms->instance_count; i++) {
        struct axi_cms_instance *it = cms->instances[i];
        struct axi_cms_node *node = axi_cms_node_find(cms, it->node_id);

        if (it->request != 0 && now - it->request_ns > READ_LOST_NS) {
            end_read(node, it);
        }
        if (node != NULL) {
            fetch(cms, node, it);
        }
    }
}

/* Instances that have not spoken for long, of epochs that are over. */
static void sweep(struct axi_cms *cms)
{
    uint64_t now = axi_cms_now(cms);
    size_t before = cms->instance_count;

    for (size_t i = 0; i < cms->instance_count;) {
        struct axi_cms_instance *it = cms->instances[i];
        const struct axi_cms_task *task = axi_cms_task_find(cms, it->task_id);
        bool is_over = task == NULL || !is_party(&task->record, it->node_id, it->epoch);

        if (is_over && it->request == 0 && now - it->noticed_ns > IDLE_INSTANCE_NS) {
            axi_cms_instance_free(it);
            cms->instances[i] = cms->instances[--cms->instance_count];
        } else {
            i++;
        }
    }
    if (cms->instance_count != before) {
        axi_cms_forget_unknown_tasks(cms);
    }
}

void axi_cms_fetch_tick(struct axi_cms *cms)
{
    struct axi_checkpoints_result results[64];
    size_t count;
    bool is_any = false;

    do {
        count = axi_checkpoints_poll(cms->config.checkpoints, results, 64);
        for (size_t i = 0; i < count; i++) {
            take_result(cms, &results[i]);
        }
        is_any |= count > 0;
    } while (count == 64);
    for (size_t i = 0; i < cms->node_count && is_any; i++) {
        if (cms->nodes[i]->link != 0) {
            send_acks(cms, cms->nodes[i]);
        }
    }
    if (cms->tick_ns >= cms->retry_ns) {
        cms->retry_ns = cms->tick_ns + RETRY_NS;
        retry_reads(cms);
    }
    if (cms->tick_ns >= cms->sweep_ns) {
        cms->sweep_ns = cms->tick_ns + SWEEP_NS;
        sweep(cms);
    }
}

/* With an fd the store's owner ticks when results wait; without one they wait now. */
uint64_t axi_cms_fetch_next(struct axi_cms *cms)
{
    bool is_inline = axi_checkpoints_fd(cms->config.checkpoints) < 0;

    return cms->put_count > 0 && is_inline ? cms->tick_ns : UINT64_MAX;
}
