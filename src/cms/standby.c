/* SPDX-License-Identifier: Apache-2.0 */
/* Warm standby: an instance of the task stays loaded on a second node, under an epoch of its own,
 * so that a restore needs no Load. One manager keeps it, the lowest in sight; two that do not see
 * each other only race for the record's compare-and-swap.
 *
 *   record.standby, standby_epoch   chosen by swap, then loaded there
 *   restore                         the claim's fresh epoch goes into Start with standby_epoch: the
 *                                   loaded instance becomes the one of that epoch
 *
 * A standby that is lost costs only time: the restore finds no such instance and loads one. */
#include "cms/internal.h"

#include <string.h>

#define MS 1000000ull
#define LOOK_NS (100 * MS)
#define QUERY_NS (20 * MS)
#define LOAD_OLD_NS (1000 * MS)
#define UNLINKED_NS (3000 * MS) /* a node out of reach is given up as standby after */
#define NOBODY_NS (2000 * MS)

static bool is_keeper(const struct axi_cms *cms)
{
    uint32_t ready = axi_cms_peers_ready(cms);

    for (size_t i = 0; i < cms->peer_count; i++) {
        if ((ready & 1u << i) != 0 && cms->peers[i].id < cms->config.manager_id) {
            return false;
        }
    }
    return true;
}

bool axi_cms_standby_usable(struct axi_cms *cms, const struct axi_record *r)
{
    const struct axi_cms_node *node = axi_cms_node_find(cms, r->standby);

    return r->wants_standby && r->standby != 0 && r->standby_epoch != 0 && node != NULL &&
           node->link != 0 && !node->is_dead && node->id != r->owner && node->id != r->claim.dead;
}

/* A node may be out of reach for a moment. */
static bool is_to_stay(struct axi_cms *cms, struct axi_cms_task *task)
{
    const struct axi_record *r = &task->record;
    const struct axi_cms_node *node = axi_cms_node_find(cms, r->standby);
    struct axi_cms_standby *standby = &task->standby;

    if (r->standby == 0 || node == NULL || node->is_dead || node->id == r->owner) {
        return false;
    }
    if (node->link != 0 || standby->seen_ns == 0) {
        standby->seen_ns = axi_cms_now(cms);
    }
    return axi_cms_now(cms) - standby->seen_ns < UNLINKED_NS;
}

static void load(struct axi_cms *cms, struct axi_cms_task *task, struct axi_cms_node *node)
{
    struct axi_cms_standby *standby = &task->standby;
    axi_Load load = {.request = axi_cms_random(cms), .epoch = task->record.standby_epoch};

    standby->request = load.request;
    standby->link = node->link;
    standby->epoch = load.epoch;
    axi_record_spec_wire(&task->record, axi_cms_entry(&task->record, node), &load.spec);
    axi_cms_send(cms, node->link, AXI_WIRE_LOAD, &load);
}

/* Swaps in another standby (node NULL: none). What is loaded at the former one is dropped. */
static void change(struct axi_cms *cms, struct axi_cms_task *task, struct axi_cms_node *node)
{
    struct axi_record next = task->record;
    struct axi_cms_node *former = axi_cms_node_find(cms, next.standby);
    axi_Remove drop = {
        .request = axi_cms_random(cms), .task_id = next.id, .epoch = next.standby_epoch};

    next.standby = node != NULL ? node->id : 0;
    next.standby_epoch = node != NULL ? ++next.epoch_last : 0;
    if (axi_cms_commit(cms, task, &next, NULL, 0) != 0) {
        return;
    }
    task->standby = (struct axi_cms_standby){.due_ns = task->standby.due_ns,
                                             .query_ns = task->standby.query_ns,
                                             .refused = task->standby.refused};
    if (former != NULL && former->link != 0 && drop.epoch != 0) {
        axi_cms_send(cms, former->link, AXI_WIRE_REMOVE, &drop);
    }
    if (node != NULL) {
        axi_cms_event(cms, AXI_INFO, "standby", task, node, "epoch %llu is loaded there",
                      (unsigned long long)next.standby_epoch);
        load(cms, task, node);
    }
}

/* The loads are asked for first, so that the choice is made on what is so now. */
static bool is_load_fresh(struct axi_cms *cms, struct axi_cms_task *task)
{
    uint64_t now = axi_cms_now(cms);

    if (task->standby.query_ns != 0 && now - task->standby.query_ns < LOAD_OLD_NS) {
        return true;
    }
    axi_cms_query_nodes(cms);
    task->standby.query_ns = now;
    task->standby.due_ns = now + QUERY_NS;
    return false;
}

static void choose(struct axi_cms *cms, struct axi_cms_task *task)
{
    const uint64_t excluded[] = {task->record.owner, task->standby.refused};
    struct axi_cms_node *node = NULL;
    char reason[AXI_REASON_BYTES];

    if (!is_load_fresh(cms, task)) {
        return;
    }
    if (axi_cms_place(cms, task, excluded, 2, &node, reason) == 0) {
        task->standby.has_warned = false;
        change(cms, task, node);
        return;
    }
    task->standby.due_ns = axi_cms_now(cms) + NOBODY_NS;
    task->standby.refused = 0;
    if (!task->standby.has_warned) {
        axi_cms_event(cms, AXI_WARNING, "standby-waits", task, NULL, "no node takes one: %s",
                      reason);
        task->standby.has_warned = true;
    }
    if (task->record.standby != 0) {
        change(cms, task, NULL);
    }
}

static void keep(struct axi_cms *cms, struct axi_cms_task *task)
{
    const struct axi_record *r = &task->record;
    struct axi_cms_node *node = axi_cms_node_find(cms, r->standby);
    bool is_running = r->state == AXI_TASK_RUNNING && r->migration.phase == AXI_MIGRATION_NONE;
    bool is_over = r->state == AXI_TASK_STOPPED || r->state == AXI_TASK_COMPLETED ||
                   r->state == AXI_TASK_FAILED || r->state == AXI_TASK_LOST ||
                   r->state == AXI_TASK_DELETING;

    task->standby.due_ns = axi_cms_now(cms) + LOOK_NS;
    if (is_over && r->standby != 0) {
        change(cms, task, NULL);
    } else if (is_running && !is_to_stay(cms, task)) {
        choose(cms, task);
    } else if (is_running && node->link != 0 &&
               (task->standby.link != node->link || task->standby.epoch != r->standby_epoch)) {
        load(cms, task, node);
    }
}

/* The port gets the image meanwhile, and ticks when it is here. */
static void serve_image(struct axi_cms *cms, struct axi_cms_task *task)
{
    struct axi_cms_node *node = axi_cms_node_find(cms, task->record.standby);
    axi_ImageNeed need = task->standby.need;

    if (need.request != 0 && need.request == task->standby.request && node != NULL &&
        node->link == task->standby.link) {
        axi_cms_image_need(cms, node, &need);
    }
}

void axi_cms_standby_tick(struct axi_cms *cms)
{
    uint64_t now = axi_cms_now(cms);
    bool may_act = cms->has_polled && !cms->is_store_lost && is_keeper(cms);

    for (size_t i = 0; i < cms->task_count && may_act && !cms->is_crashed; i++) {
        struct axi_cms_task *task = cms->tasks[i];

        serve_image(cms, task);
        if (task->record.wants_standby && task->revision != 0 && !task->is_unsure &&
            !task->is_changed && task->flow.step == AXI_CMS_STEP_IDLE &&
            strcmp(task->record.restorer, "master") != 0 && now >= task->standby.due_ns) {
            keep(cms, task);
        }
    }
}

bool axi_cms_standby_result(struct axi_cms *cms, struct axi_cms_node *node,
                            const axi_Result *result)
{
    for (size_t i = 0; i < cms->task_count; i++) {
        struct axi_cms_task *task = cms->tasks[i];

        if (task->standby.request != result->request) {
            continue;
        }
        task->standby.request = 0;
        if (result->code == 0) {
            axi_cms_event(cms, AXI_INFO, "standby-ready", task, node, "a restore goes there");
        } else if (task->record.standby == node->id && task->flow.step == AXI_CMS_STEP_IDLE &&
                   !task->is_unsure && !task->is_changed) {
            axi_cms_event(cms, AXI_WARNING, "standby-refused", task, node, "%s",
                          result->reason[0] != '\0' ? result->reason
                                                    : axi_error_text(result->code));
            /* an epoch that is too old there says nothing against the node */
            task->standby.refused = result->code == -AXC_EEPOCH_STALE ? 0 : node->id;
            change(cms, task, NULL);
        }
        return true;
    }
    return false;
}
