/* SPDX-License-Identifier: Apache-2.0 */
/* When a restore begins, and what runs its steps. */
#include "cms/internal.h"

#include <stdlib.h>
#include <string.h>

#define MS 1000000ull
#define RETRY_NS (4 * MS)
#define MASTER_SILENT_NS (2000 * MS)
#define CLAIMER_SLOW 3u /* a claimer that is linked gets so many claim leases */

struct step_info {
    const char *name;
    axi_cms_step_function *drive; /* idempotent */
};

static const struct step_info steps[AXI_CMS_STEP_COUNT] = {
#define STEP_ROW(step, name, drive) [AXI_CMS_STEP_##step] = {name, drive},
    AXI_CMS_STEP_LIST(STEP_ROW)
#undef STEP_ROW
};

/* Two crash points per step: before it does anything, and after it did (and waits). */
const char *const *axi_cms_crash_points(uint32_t *ret_count)
{
    static const char *const names[2 * AXI_CMS_STEP_COUNT] = {
#define POINT_NAMES(step, name, drive)                                                             \
    [2 * AXI_CMS_STEP_##step] = name ":before", [2 * AXI_CMS_STEP_##step + 1] = name ":after",
        AXI_CMS_STEP_LIST(POINT_NAMES)
#undef POINT_NAMES
    };

    *ret_count = 2 * AXI_CMS_STEP_COUNT;
    return names;
}

void axi_cms_go(struct axi_cms *cms, struct axi_cms_task *task, enum axi_cms_step step)
{
    struct axi_cms_flow *flow = &task->flow;

    if (cms->is_crashed) {
        return;
    }
    flow->step = step;
    flow->entered_ns = axi_cms_now(cms);
    flow->request = flow->sent_link = flow->need_request = 0;
    flow->is_probe = flow->is_warned = false;
    if (step == AXI_CMS_STEP_IDLE || axi_cms_crash(cms, 2u * step)) {
        return;
    }
    axi_cms_drive(cms, task);
    if (flow->step == step) {
        (void)axi_cms_crash(cms, 2u * step + 1);
    }
}

void axi_cms_drive(struct axi_cms *cms, struct axi_cms_task *task)
{
    if (cms->is_crashed || task->is_unsure || task->is_changed) {
        return;
    }
    task->flow.retry_ns = axi_cms_now(cms) + RETRY_NS;
    if (steps[task->flow.step].drive != NULL) {
        steps[task->flow.step].drive(cms, task);
    }
}

void axi_cms_idle(struct axi_cms *cms, struct axi_cms_task *task)
{
    (void)cms;
    task->flow = (struct axi_cms_flow){0};
}

static bool is_master_silent(struct axi_cms *cms)
{
    return !cms->is_master_present && axi_cms_now(cms) - cms->master_seen_ns > MASTER_SILENT_NS;
}

/* The record stood still for so long that its claimer has died or cannot go on. */
static bool is_claim_over(struct axi_cms *cms, const struct axi_cms_task *task)
{
    uint64_t allowed = cms->config.claim_lease_ns;

    if (axi_cms_peer_is_linked(cms, task->record.claim.manager)) {
        allowed *= CLAIMER_SLOW;
    }
    return axi_cms_now(cms) - task->changed_ns > allowed;
}

bool axi_cms_may_claim(struct axi_cms *cms, const struct axi_cms_task *task)
{
    const struct axi_record *r = &task->record;
    const struct axi_cms_node *owner = axi_cms_node_find(cms, r->owner);
    bool is_gone = task->flow.is_certain || (owner != NULL && owner->is_dead);

    if (task->revision == 0 || task->is_unsure || strcmp(r->restorer, "master") == 0 ||
        (r->migration.phase != AXI_MIGRATION_NONE &&
         (r->migration.phase != AXI_MIGRATION_PREPARING || !is_master_silent(cms)))) {
        return false;
    }
    switch (r->state) {
    case AXI_TASK_RUNNING:
        return is_gone && !r->spec.continue_isolated;
    case AXI_TASK_STARTING:
        return is_gone;
    case AXI_TASK_RESTORING:
        if (r->claim.manager == 0) { /* the master leaves it to whoever holds a checkpoint */
            return r->holder == 0 && r->claim.dead != 0;
        }
        return r->claim.manager == cms->config.manager_id || is_claim_over(cms, task);
    default:
        return false;
    }
}

/* Where the record alone says that this manager is. */
void axi_cms_derive(struct axi_cms *cms, struct axi_cms_task *task)
{
    const struct axi_record *r = &task->record;
    bool is_claimed = r->claim.dead != 0 && r->claim.manager != 0 &&
                      (r->state == AXI_TASK_RESTORING || r->state == AXI_TASK_STARTING);
    uint64_t suspected_ns = task->flow.suspected_ns;

    axi_cms_idle(cms, task);
    task->flow.suspected_ns = suspected_ns;
    if (!is_claimed) {
        return; /* looked at in the next tick */
    }
    if (r->claim.manager != cms->config.manager_id ||
        (r->state == AXI_TASK_RESTORING && !axi_cms_may_claim(cms, task))) {
        axi_cms_go(cms, task, AXI_CMS_STEP_WATCH);
    } else if (r->state == AXI_TASK_RESTORING) {
        /* a node may have been told to load this epoch: no other one may be */
        axi_cms_go(cms, task, AXI_CMS_STEP_CLAIM);
    } else {
        task->flow.target = r->owner;
        axi_cms_go(cms, task, AXI_CMS_STEP_START);
    }
}

void axi_cms_record_changed(struct axi_cms *cms, struct axi_cms_task *task,
                            const struct axi_record *before)
{
    const struct axi_record *r = &task->record;

    if (r->state == AXI_TASK_STARTING && r->claim.dead != 0 && r->claim.manager != 0 &&
        before->epoch != r->epoch) {
        task->restored = r->claim.origin;
        task->restored_epoch = r->claim.dead_epoch;
        task->has_said_newer = false;
    }
    (void)cms; /* may come from within a call of the store: acted upon in the tick */
    task->is_changed = true;
}

/* A task at rest: is there anything to do for it? */
static void consider(struct axi_cms *cms, struct axi_cms_task *task)
{
    const struct axi_record *r = &task->record;
    bool is_claimed = r->claim.dead != 0 && r->claim.manager != 0 &&
                      (r->state == AXI_TASK_RESTORING || r->state == AXI_TASK_STARTING);

    if (task->revision == 0 || axi_cms_now(cms) < task->asked_at_ns) {
        return;
    }
    if (axi_cms_may_claim(cms, task) && (!is_claimed || r->state == AXI_TASK_STARTING)) {
        task->flow.suspected_ns = axi_cms_now(cms);
        axi_cms_go(cms, task, AXI_CMS_STEP_ASK);
    } else if (is_claimed) {
        axi_cms_derive(cms, task);
    }
}

void axi_cms_restore_tick(struct axi_cms *cms)
{
    uint64_t now = axi_cms_now(cms);
    bool is_look = cms->has_polled && !cms->is_store_lost && cms->polled_ns == cms->tick_ns;

    for (size_t i = 0; i < cms->task_count && !cms->is_crashed; i++) {
        struct axi_cms_task *task = cms->tasks[i];

        if (task->is_unsure && now >= task->flow.retry_ns) {
            task->flow.retry_ns = now + 5 * RETRY_NS;
            if (axi_cms_view_read(cms, task) != 0) {
                continue;
            }
        }
        if (task->is_changed) {
            task->is_changed = false;
            if (task->flow.step != AXI_CMS_STEP_IDLE) {
                axi_cms_derive(cms, task);
            }
        }
        if (is_look && !task->is_unsure && task->flow.step == AXI_CMS_STEP_IDLE) {
            consider(cms, task);
        }
    }
    axi_cms_peers_ask(cms);
    for (size_t i = 0; i < cms->task_count && !cms->is_crashed; i++) {
        struct axi_cms_task *task = cms->tasks[i];

        if (task->flow.step == AXI_CMS_STEP_ASK || now >= task->flow.retry_ns) {
            axi_cms_drive(cms, task);
        }
    }
}

uint64_t axi_cms_restore_next(struct axi_cms *cms)
{
    uint64_t next = UINT64_MAX;

    for (size_t i = 0; i < cms->task_count; i++) {
        const struct axi_cms_task *task = cms->tasks[i];

        if ((task->flow.step != AXI_CMS_STEP_IDLE || task->is_unsure) &&
            task->flow.retry_ns < next) {
            next = task->flow.retry_ns;
        }
    }
    return next;
}

/* ---- answers of nodes ---- */

void axi_cms_image_need(struct axi_cms *cms, struct axi_cms_node *node, const axi_ImageNeed *need)
{
    uint8_t *bytes = NULL;
    size_t count = 0;
    int rc = cms->port.get_blob(cms->port.context, need->digest, &bytes, &count);

    if (rc == 0) {
        axi_cms_send_object(cms, node->link, need->request, AXI_CHUNK_ELF, bytes, count);
        free(bytes);
    }
    for (size_t i = 0; i < cms->task_count; i++) {
        struct axi_cms_flow *flow = &cms->tasks[i]->flow;

        if (flow->step == AXI_CMS_STEP_LOAD && flow->request == need->request) {
            flow->need_request = rc == 0 ? 0 : need->request;
            memcpy(flow->need_digest, need->digest, sizeof(flow->need_digest));
        }
        if (cms->tasks[i]->standby.request == need->request) {
            cms->tasks[i]->standby.need = rc == 0 ? (axi_ImageNeed){0} : *need;
        }
    }
}
