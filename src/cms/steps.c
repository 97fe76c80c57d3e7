/* SPDX-License-Identifier: Apache-2.0 */
/* The steps of a restore (cms/manager.h has them in words). */
#include "cms/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MS 1000000ull
#define NOBODY_WAIT_NS (500 * MS)
#define STORED_WAIT_NS (20 * MS)
#define NO_NODE_WAIT_NS (300 * MS)
#define LOAD_FRESH_NS (200 * MS)

static uint64_t since_entered(struct axi_cms *cms, const struct axi_cms_task *task)
{
    return axi_cms_now(cms) - task->flow.entered_ns;
}

static void give_up(struct axi_cms *cms, struct axi_cms_task *task, uint64_t wait_ns)
{
    axi_cms_idle(cms, task);
    task->asked_at_ns = axi_cms_now(cms) + wait_ns;
}

/* ---- whose is the newest ---- */

void axi_cms_answered(struct axi_cms *cms, struct axi_cms_task *task, uint32_t peer,
                      const struct axi_origin *origin)
{
    struct axi_cms_flow *flow = &task->flow;
    int order = axi_cms_origin_compare(origin, &flow->best);
    uint64_t manager = cms->peers[peer].id;

    flow->answered |= 1u << peer;
    if (order > 0 || (order == 0 && manager > flow->best_manager)) {
        flow->best = *origin;
        flow->best_manager = manager;
    }
    axi_cms_drive(cms, task);
}

void axi_cms_step_ask(struct axi_cms *cms, struct axi_cms_task *task)
{
    struct axi_cms_flow *flow = &task->flow;
    uint32_t ready = axi_cms_peers_ready(cms);
    struct axi_checkpoint_id id;
    struct axi_origin mine;
    int order;

    if (!axi_cms_may_claim(cms, task)) {
        axi_cms_derive(cms, task);
        return;
    }
    if (flow->ask == 0 ||
        ((ready & ~flow->answered) != 0 && since_entered(cms, task) < cms->config.grace_ns)) {
        return;
    }
    mine = axi_cms_best(cms, task, &id);
    order = axi_cms_origin_compare(&mine, &flow->best);
    if (mine.epoch == 0 && flow->best.epoch == 0 && axi_cms_take_stored(cms, task)) {
        give_up(cms, task, STORED_WAIT_NS);
    } else if (mine.epoch == 0 && flow->best.epoch == 0) {
        if (task->asked_at_ns == 0) {
            axi_cms_event(cms, AXI_WARNING, "no-checkpoint", task, NULL,
                          "its node is dead and no manager in reach holds a checkpoint of it");
        }
        give_up(cms, task, NOBODY_WAIT_NS);
    } else if (order < 0 || (order == 0 && flow->best_manager > cms->config.manager_id)) {
        axi_cms_go(cms, task, AXI_CMS_STEP_YIELD);
    } else {
        axi_cms_go(cms, task, AXI_CMS_STEP_CLAIM);
    }
}

void axi_cms_step_yield(struct axi_cms *cms, struct axi_cms_task *task)
{
    struct axi_checkpoint_id id;

    if (!axi_cms_may_claim(cms, task)) {
        axi_cms_derive(cms, task);
    } else if (since_entered(cms, task) < cms->config.claim_wait_ns) {
        return;
    } else if (axi_cms_best(cms, task, &id).epoch == 0) {
        give_up(cms, task, NOBODY_WAIT_NS);
    } else {
        axi_cms_go(cms, task, AXI_CMS_STEP_CLAIM);
    }
}

/* ---- the claim ---- */

static void claimed(struct axi_cms *cms, struct axi_cms_task *task, uint64_t before)
{
    const struct axi_claim *claim = &task->record.claim;
    const struct axi_cms_node *dead = axi_cms_node_find(cms, claim->dead);

    if (before != 0 && before != cms->config.manager_id) {
        axi_cms_event(cms, AXI_WARNING, "claim-superseded", task, dead,
                      "%s made no progress; %s restores it from job %llu",
                      axi_cms_peer_name(cms, before), cms->config.name,
                      (unsigned long long)claim->origin.job);
    } else {
        axi_cms_event(cms, AXI_WARNING, "claim", task, dead, "by %s: epoch %llu, job %llu, step %u",
                      cms->config.name, (unsigned long long)claim->origin.epoch,
                      (unsigned long long)claim->origin.job, claim->origin.step);
    }
}

/* From here on the target may be told to start it. */
static void declare(struct axi_cms *cms, struct axi_record *next, uint64_t target)
{
    next->state = AXI_TASK_STARTING;
    next->owner = target;
    next->start = next->claim.origin;
    next->release_ns = axi_record_shift(next, next->claim.origin.job,
                                        axi_cms_master_now(cms) + cms->config.start_delay_ns);
}

static void note_restored(struct axi_cms_task *task)
{
    task->restored = task->record.claim.origin;
    task->restored_epoch = task->record.claim.dead_epoch;
    task->has_said_newer = false;
}

/* What was claimed is not here any more: whoever holds one takes the task, in the end the master.
 */
static void release_claim(struct axi_cms *cms, struct axi_cms_task *task)
{
    struct axi_record next = task->record;
    /* or declared by one that died since, and refused: nobody else would take it out of that state
     */
    bool is_refused = next.state == AXI_TASK_STARTING && next.claim.dead != 0 &&
                      next.claim.manager != 0 && task->flow.is_certain;

    if (is_refused ||
        (next.state == AXI_TASK_RESTORING && next.claim.manager == cms->config.manager_id)) {
        next.state = AXI_TASK_RESTORING;
        next.owner = 0;
        next.claim.manager = 0;
        next.claim.origin = (struct axi_origin){0};
        next.epoch = ++next.epoch_last;
        if (axi_cms_commit(cms, task, &next, NULL, 0) != 0) {
            return;
        }
        axi_cms_event(cms, AXI_ERROR, "claim-released", task, NULL,
                      "%s does not hold the checkpoint any more", cms->config.name);
    }
    give_up(cms, task, NOBODY_WAIT_NS);
}

void axi_cms_step_claim(struct axi_cms *cms, struct axi_cms_task *task)
{
    struct axi_record next = task->record;
    const struct axi_cms_node *owner = axi_cms_node_find(cms, next.owner);
    uint64_t before = next.state == AXI_TASK_RESTORING ? next.claim.manager : 0;
    struct axi_store_op lease = {.kind = AXI_STORE_CHECK};
    struct axi_checkpoint_id id;
    size_t also = 0;
    char key[40];

    if (!axi_cms_may_claim(cms, task)) {
        axi_cms_derive(cms, task);
        return;
    }
    if (next.state != AXI_TASK_RESTORING) {
        next.claim = (struct axi_claim){.dead = next.owner, .dead_epoch = next.epoch};
        if (!task->flow.is_certain && owner != NULL) {
            (void)snprintf(key, sizeof(key), "lease/%llx", (unsigned long long)owner->id);
            lease.key = key;
            lease.expected = owner->lease_revision; /* 0: never had one */
            also = 1;
        }
    }
    next.claim.manager = cms->config.manager_id;
    next.claim.origin = axi_cms_best(cms, task, &id);
    if (next.claim.origin.epoch == 0) {
        release_claim(cms, task);
        return;
    }
    if (next.standby == next.claim.dead) {
        next.standby = next.standby_epoch = 0;
    }
    next.state = AXI_TASK_RESTORING;
    next.is_restore = true;
    next.owner = next.holder = next.holder_epoch = 0;
    next.epoch = ++next.epoch_last;
    next.migration = (struct axi_migration){0};
    if (axi_cms_standby_usable(cms, &next) && axi_cms_master_now(cms) != 0) {
        declare(cms, &next, next.standby); /* loaded and admitted: claimed and declared at once */
    }
    if (axi_cms_commit(cms, task, &next, &lease, also) != 0) {
        return;
    }
    task->flow.is_certain = false;
    task->flow.tried_count = 0;
    task->asked_at_ns = 0;
    claimed(cms, task, before);
    note_restored(task);
    axi_cms_go(cms, task,
               next.state == AXI_TASK_STARTING ? AXI_CMS_STEP_START : AXI_CMS_STEP_PLACE);
}

/* ---- the node ---- */

/* Every node in reach has said how it is, or was given the time. */
static bool is_load_known(struct axi_cms *cms)
{
    uint64_t now = axi_cms_now(cms);
    bool is_asked = false;
    bool is_known = true;

    for (size_t i = 0; i < cms->node_count; i++) {
        const struct axi_cms_node *node = cms->nodes[i];
        bool is_fresh = node->load_ns != 0 && now - node->load_ns < LOAD_FRESH_NS;

        if (node->link == 0 || node->is_dead || !node->is_registered || is_fresh) {
            continue;
        }
        if (node->query_ns == 0 || now - node->query_ns > LOAD_FRESH_NS) {
            is_asked = true; /* nobody asked it of late */
        } else if (now - node->query_ns < cms->config.query_ns) {
            is_known = false;
        }
    }
    if (is_asked) {
        axi_cms_query_nodes(cms);
    }
    return is_known && !is_asked;
}

void axi_cms_step_place(struct axi_cms *cms, struct axi_cms_task *task)
{
    struct axi_cms_flow *flow = &task->flow;
    struct axi_cms_node *node = NULL;
    char reason[AXI_REASON_BYTES];
    int entry;

    if (axi_cms_standby_usable(cms, &task->record)) { /* loaded and admitted: nothing to ask */
        flow->target = task->record.standby;
        axi_cms_go(cms, task, AXI_CMS_STEP_DECLARE);
        return;
    }
    if (!is_load_known(cms)) {
        return;
    }
    if (axi_cms_place(cms, task, flow->tried, flow->tried_count, &node, reason) != 0) {
        if (!flow->is_warned) {
            axi_cms_event(cms, AXI_ERROR, "restore-waits", task, NULL, "no node takes it yet: %s",
                          reason);
        }
        flow->is_warned = true;
        flow->tried_count = 0;
        flow->retry_ns = axi_cms_now(cms) + NO_NODE_WAIT_NS;
        return;
    }
    entry = axi_cms_entry(&task->record, node);
    flow->target = node->id;
    node->promised_ppm +=
        entry < 0 ? 0 : task->record.entries[entry].wcet_ns * 1000000 / task->record.spec.period_ns;
    axi_cms_go(cms, task, AXI_CMS_STEP_LOAD);
}

/* This attempt failed, and nothing of it can run: another epoch, the next candidate. */
static void next_candidate(struct axi_cms *cms, struct axi_cms_task *task, const char *reason)
{
    struct axi_cms_flow *flow = &task->flow;
    struct axi_cms_node *node = axi_cms_node_find(cms, flow->target);
    struct axi_record next = task->record;
    axi_Remove drop = {.request = axi_cms_random(cms), .task_id = next.id, .epoch = next.epoch};

    next.epoch = ++next.epoch_last;
    if (axi_cms_commit(cms, task, &next, NULL, 0) != 0) {
        return;
    }
    axi_cms_event(cms, AXI_WARNING, "placement-refused", task, node, "%s", reason);
    if (node != NULL) {
        axi_cms_send(cms, node->link, AXI_WIRE_REMOVE, &drop);
    }
    if (flow->tried_count < AXI_TRIED_MAX) {
        flow->tried[flow->tried_count++] = flow->target;
    }
    flow->target = 0;
    axi_cms_go(cms, task, AXI_CMS_STEP_PLACE);
}

/* The image was not here when the node asked: perhaps now. */
static void serve_image(struct axi_cms *cms, struct axi_cms_task *task, struct axi_cms_node *node)
{
    axi_ImageNeed need = {.request = task->flow.need_request};

    if (need.request != 0) {
        memcpy(need.digest, task->flow.need_digest, sizeof(need.digest));
        axi_cms_image_need(cms, node, &need);
    }
}

void axi_cms_step_load(struct axi_cms *cms, struct axi_cms_task *task)
{
    struct axi_cms_flow *flow = &task->flow;
    struct axi_cms_node *node = axi_cms_node_find(cms, flow->target);
    axi_Load load = {.epoch = task->record.epoch};

    if (node == NULL || node->link == 0 || node->is_dead ||
        (flow->sent_link != 0 && flow->sent_link != node->link)) {
        next_candidate(cms, task, "lost while it was asked to load");
        return;
    }
    if (since_entered(cms, task) > cms->config.request_ns) {
        next_candidate(cms, task, "no answer to Load");
        return;
    }
    if (flow->sent_link == 0) { /* once: what comes twice could come late */
        flow->request = load.request = axi_cms_random(cms);
        flow->sent_link = node->link;
        axi_record_spec_wire(&task->record, axi_cms_entry(&task->record, node), &load.spec);
        axi_cms_send(cms, node->link, AXI_WIRE_LOAD, &load);
    }
    serve_image(cms, task, node);
}

/* ---- the start ---- */

void axi_cms_step_declare(struct axi_cms *cms, struct axi_cms_task *task)
{
    struct axi_record next = task->record;
    struct axi_checkpoint_id id;
    struct axi_origin best = axi_cms_best(cms, task, &id);

    if (axi_cms_master_now(cms) == 0) {
        return; /* the nodes' answers bring the time */
    }
    if (axi_cms_origin_compare(&best, &next.claim.origin) > 0) {
        next.claim.origin = best; /* it came while a node was sought */
    }
    declare(cms, &next, task->flow.target);
    if (axi_cms_commit(cms, task, &next, NULL, 0) == 0) {
        note_restored(task);
        axi_cms_go(cms, task, AXI_CMS_STEP_START);
    }
}

static void send_start(struct axi_cms *cms, struct axi_cms_task *task, struct axi_cms_node *node)
{
    const struct axi_record *r = &task->record;
    struct axi_cms_flow *flow = &task->flow;
    size_t bytes = 0;
    int rc = axi_cms_read_origin(cms, task, &r->claim.origin, &bytes);

    flow->request = axi_cms_random(cms);
    flow->sent_link = node->link;
    flow->is_probe = rc != 0;
    if (rc == 0) {
        axi_Start start = {.request = flow->request,
                           .task_id = r->id,
                           .epoch = r->epoch,
                           .release_ns = r->release_ns,
                           .first_job = r->claim.origin.job,
                           .resume_step = r->claim.origin.step,
                           .has_checkpoint = true,
                           .seed = r->seed,
                           .is_mapped = r->seed != 0 && r->seed_rule != 0,
                           .standby_epoch = r->standby == r->owner ? r->standby_epoch : 0};

        axi_cms_send_object(cms, node->link, flow->request, AXI_CHUNK_CHECKPOINT, cms->checkpoint,
                            bytes);
        axi_cms_send(cms, node->link, AXI_WIRE_START, &start);
    } else { /* another manager's claim, and its checkpoint is not here: does the instance run? */
        axi_Resume probe = {.request = flow->request, .task_id = r->id, .epoch = r->epoch};

        axi_cms_send(cms, node->link, AXI_WIRE_RESUME, &probe);
    }
}

void axi_cms_step_start(struct axi_cms *cms, struct axi_cms_task *task)
{
    struct axi_cms_flow *flow = &task->flow;
    struct axi_cms_node *node = axi_cms_node_find(cms, task->record.owner);

    flow->target = task->record.owner;
    if (axi_cms_may_claim(cms, task)) { /* the target died */
        axi_cms_idle(cms, task);
        axi_cms_go(cms, task, AXI_CMS_STEP_ASK);
    } else if (node != NULL && node->link != 0 &&
               (flow->sent_link != node->link ||
                since_entered(cms, task) > cms->config.request_ns)) {
        flow->entered_ns = axi_cms_now(cms);
        send_start(cms, task, node);
    }
}

/* The target refused to start it: once it has surely dropped the instance, all begins anew. */
void axi_cms_step_remove(struct axi_cms *cms, struct axi_cms_task *task)
{
    struct axi_cms_flow *flow = &task->flow;
    struct axi_cms_node *node = axi_cms_node_find(cms, task->record.owner);
    axi_Remove drop = {.task_id = task->record.id, .epoch = task->record.epoch};

    if (axi_cms_may_claim(cms, task)) {
        axi_cms_idle(cms, task);
        axi_cms_go(cms, task, AXI_CMS_STEP_ASK);
    } else if (node != NULL && node->link != 0 && flow->sent_link != node->link) {
        flow->request = drop.request = axi_cms_random(cms);
        flow->sent_link = node->link;
        axi_cms_send(cms, node->link, AXI_WIRE_REMOVE, &drop);
    }
}

void axi_cms_step_record(struct axi_cms *cms, struct axi_cms_task *task)
{
    struct axi_record next = task->record;
    struct axi_cms_node *node = axi_cms_node_find(cms, next.owner);
    uint64_t suspected_ns = task->flow.suspected_ns;
    uint64_t taken_ns = suspected_ns != 0 ? axi_cms_now(cms) - suspected_ns : 0;

    next.state = AXI_TASK_RUNNING;
    next.seed = 0;
    next.is_grid_fixed = false;
    next.is_restore = false;
    next.claim = (struct axi_claim){0};
    if (next.standby == next.owner) {
        next.standby = next.standby_epoch = 0; /* the keeper finds another one */
    }
    if (axi_cms_commit(cms, task, &next, NULL, 0) != 0) {
        return;
    }
    cms->restores++;
    axi_cms_event(cms, AXI_WARNING, "restored", task, node,
                  "by %s from epoch %llu: jobs from %llu on are repeated (declared); %llu ms after "
                  "the claim was due",
                  cms->config.name, (unsigned long long)task->restored.epoch,
                  (unsigned long long)task->restored.job, (unsigned long long)(taken_ns / MS));
    axi_cms_idle(cms, task);
}

/* Another manager restores it. When its claim is over: before the declaration the task is claimed
 * anew, after it whoever drives repeats the same start. */
void axi_cms_step_watch(struct axi_cms *cms, struct axi_cms_task *task)
{
    const struct axi_record *r = &task->record;
    bool is_starting = r->state == AXI_TASK_STARTING;

    if (axi_cms_may_claim(cms, task)) {
        axi_cms_idle(cms, task);
        axi_cms_go(cms, task, AXI_CMS_STEP_ASK);
    } else if (is_starting && axi_cms_now(cms) - task->changed_ns > cms->config.claim_lease_ns) {
        task->flow.target = r->owner;
        axi_cms_go(cms, task, AXI_CMS_STEP_START);
    }
}

/* ---- what the nodes answer ---- */

static void start_refused(struct axi_cms *cms, struct axi_cms_task *task, struct axi_cms_node *node,
                          const axi_Result *result)
{
    axi_cms_event(cms, AXI_WARNING, "start-refused", task, node, "%s",
                  result->reason[0] != '\0' ? result->reason : axi_error_text(result->code));
    if (result->code == -AXC_EEPOCH_STALE) {
        task->is_unsure = true; /* the record must have moved on */
    } else if (result->code == -AXC_ENOENT) {
        task->flow.is_certain = true;
        axi_cms_go(cms, task, AXI_CMS_STEP_CLAIM);
    } else if (result->code == -AXC_EBUSY) {
        task->flow.sent_link = 0; /* again at the next retry */
    } else {
        axi_cms_go(cms, task, AXI_CMS_STEP_REMOVE);
    }
}

static void flow_result(struct axi_cms *cms, struct axi_cms_task *task, struct axi_cms_node *node,
                        const axi_Result *result)
{
    struct axi_cms_flow *flow = &task->flow;

    switch (flow->step) {
    case AXI_CMS_STEP_LOAD:
        if (result->code == 0) {
            axi_cms_go(cms, task, AXI_CMS_STEP_DECLARE);
        } else {
            next_candidate(cms, task,
                           result->reason[0] != '\0' ? result->reason
                                                     : axi_error_text(result->code));
        }
        break;
    case AXI_CMS_STEP_START:
        if (result->code == 0) {
            axi_cms_go(cms, task, AXI_CMS_STEP_RECORD);
        } else {
            start_refused(cms, task, node, result);
        }
        break;
    case AXI_CMS_STEP_REMOVE:
        if (result->code == 0) {
            flow->is_certain = true;
            axi_cms_go(cms, task, AXI_CMS_STEP_CLAIM);
        } else {
            task->is_unsure = true;
        }
        break;
    default:
        break;
    }
}

void axi_cms_result(struct axi_cms *cms, struct axi_cms_node *node, const axi_Result *result)
{
    if (result->request == 0 || axi_cms_standby_result(cms, node, result)) {
        return;
    }
    for (size_t i = 0; i < cms->task_count; i++) {
        struct axi_cms_task *task = cms->tasks[i];

        if (task->flow.request == result->request && task->flow.target == node->id &&
            !task->is_unsure && !task->is_changed) {
            flow_result(cms, task, node, result);
            return;
        }
    }
}
