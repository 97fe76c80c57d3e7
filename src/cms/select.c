/* SPDX-License-Identifier: Apache-2.0 */
/* Which checkpoint a task is restored from, and where. */
#include "cluster/asks.h"
#include "cms/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COOKIE_STORED UINT64_MAX /* its result is not waited for: it is looked for again */

int axi_cms_origin_compare(const struct axi_origin *a, const struct axi_origin *b)
{
    if (a->epoch != b->epoch) {
        return a->epoch < b->epoch ? -1 : 1;
    }
    if (a->job != b->job) {
        return a->job < b->job ? -1 : 1;
    }
    return a->step == b->step ? 0 : (a->step < b->step ? -1 : 1);
}

/* ---- the checkpoint ---- */

struct choice {
    uint64_t dead, dead_epoch;
    bool is_stopped; /* it was started from the cluster store's checkpoint: no other will do */
    struct axi_origin start, best;
    struct axi_checkpoint_id id;
};

/* One of the dead instance; or the one that instance was started from, or an older one of that same
 * epoch, which only repeats more (not after a stop: it was said which job is next). */
static int visit(void *context, const struct axi_checkpoint_info *info)
{
    struct choice *choice = context;
    struct axi_origin origin = {info->id.epoch, info->id.job, info->id.step};
    bool is_own = origin.epoch == choice->dead_epoch && info->id.node_id == choice->dead;
    int order = axi_cms_origin_compare(&origin, &choice->start);
    bool is_start = choice->start.epoch != 0 && origin.epoch == choice->start.epoch &&
                    (order == 0 || (order < 0 && !choice->is_stopped));

    if ((is_own || is_start) && axi_cms_origin_compare(&origin, &choice->best) > 0) {
        choice->best = origin;
        choice->id = info->id;
    }
    return 0;
}

struct axi_origin axi_cms_best(struct axi_cms *cms, const struct axi_cms_task *task,
                               struct axi_checkpoint_id *ret_id)
{
    const struct axi_record *r = &task->record;
    bool is_claimed = r->state == AXI_TASK_RESTORING;
    struct choice choice = {.dead = is_claimed ? r->claim.dead : r->owner,
                            .dead_epoch = is_claimed ? r->claim.dead_epoch : r->epoch,
                            .is_stopped = r->has_checkpoint && r->checkpoint_job == r->start.job,
                            .start = r->start};

    if (task->revision == 0 || choice.dead_epoch == 0 ||
        axi_checkpoints_list(cms->config.checkpoints, r->id, visit, &choice) != 0) {
        return (struct axi_origin){0};
    }
    *ret_id = choice.id;
    return choice.best;
}

struct search {
    struct axi_origin wanted;
    struct axi_checkpoint_id id;
    bool is_found;
};

static int visit_wanted(void *context, const struct axi_checkpoint_info *info)
{
    struct search *search = context;
    struct axi_origin origin = {info->id.epoch, info->id.job, info->id.step};

    if (!search->is_found && axi_cms_origin_compare(&origin, &search->wanted) == 0) {
        search->is_found = true;
        search->id = info->id;
    }
    return 0;
}

int axi_cms_read_origin(struct axi_cms *cms, const struct axi_cms_task *task,
                        const struct axi_origin *origin, size_t *ret_bytes)
{
    struct search search = {.wanted = *origin};
    int rc = axi_checkpoints_list(cms->config.checkpoints, task->record.id, visit_wanted, &search);

    if (rc == 0 && !search.is_found) {
        return -AXC_ENOENT;
    }
    return rc != 0 ? rc
                   : axi_checkpoints_read(cms->config.checkpoints, &search.id, cms->checkpoint,
                                          AXI_CHECKPOINT_BYTES_MAX, ret_bytes);
}

bool axi_cms_take_stored(struct axi_cms *cms, const struct axi_cms_task *task)
{
    const struct axi_record *r = &task->record;
    struct axi_store_value value = {0};
    struct axi_checkpoint header;
    const uint8_t *state = NULL;
    struct axi_origin origin;
    char key[40];
    int rc;

    if (!r->has_checkpoint || r->start.epoch == 0 || cms->is_crashed) {
        return false;
    }
    (void)snprintf(key, sizeof(key), "checkpoint/%016llx", (unsigned long long)r->id);
    rc = axi_store_get(cms->config.store, key, &value);
    if (rc == 0) {
        rc =
            axi_checkpoint_decode((const uint8_t *)value.bytes, value.value_bytes, &header, &state);
    }
    if (rc == 0) {
        origin = (struct axi_origin){header.epoch, header.job, header.step};
        rc = header.task_id == r->id && axi_cms_origin_compare(&origin, &r->start) == 0
                 ? axi_checkpoints_put(cms->config.checkpoints, r->owner,
                                       (const uint8_t *)value.bytes, value.value_bytes,
                                       COOKIE_STORED)
                 : -AXC_ENOENT;
    }
    axi_store_value_clear(&value);
    return rc == 0;
}

/* ---- the node ---- */

int axi_cms_entry(const struct axi_record *record, const struct axi_cms_node *node)
{
    const char *platforms[AXI_PLATFORMS_MAX];

    for (uint32_t i = 0; i < node->platform_count; i++) {
        platforms[i] = node->platforms[i];
    }
    return axi_record_entry(record, platforms, node->platform_count);
}

static bool occupies(const struct axi_cms_task *task, uint64_t node)
{
    bool is_promised = task->record.state == AXI_TASK_RESTORING && task->flow.target == node;

    return task->revision != 0 && (is_promised || axi_record_occupies(&task->record, node));
}

static void snapshot(struct axi_cms *cms, const struct axi_cms_node *node,
                     const struct axi_cms_task *except, struct axi_demand_task *demands,
                     struct axi_place_node *ret)
{
    const struct axi_demand_margin margin = {.delta_ns = node->load.delta_ns,
                                             .latency_ns = node->load.latency_ns};
    size_t count = 0;

    for (size_t i = 0; i < cms->task_count; i++) {
        const struct axi_cms_task *task = cms->tasks[i];
        int entry = axi_cms_entry(&task->record, node);

        if (task != except && entry >= 0 && occupies(task, node->id)) {
            demands[count++] = axi_record_demand(&task->record, (uint32_t)entry, &margin);
        }
    }
    *ret = (struct axi_place_node){
        .id = node->id,
        .name = node->name,
        .platform_count = node->platform_count,
        .services = node->services,
        .assurance = node->assurance,
        .capacity_ppm = node->capacity_ppm,
        .free_slots = node->slots > count ? node->slots - (uint32_t)count : 0,
        .memory_free_bytes = node->load_ns != 0 ? node->load.memory_free_bytes : node->memory_bytes,
        /* one that knows no master time was never joined since it started */
        .is_ready = node->link != 0 && node->is_registered && !node->is_dead &&
                    (node->load_ns == 0 || node->load.master_ns != 0),
        .tasks = demands,
        .task_count = count,
        .margin = margin};
    for (uint32_t p = 0; p < node->platform_count; p++) {
        ret->platforms[p] = node->platforms[p];
    }
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

/* A warm standby first; a tight task next to this manager; else by load, then memory. */
static bool is_better(const struct axi_cms *cms, const struct axi_record *r,
                      const struct axi_cms_node *a, const struct axi_cms_node *b)
{
    bool is_tight = r->spec.period_ns <= cms->config.tight_ns && cms->config.own_node[0] != '\0';
    bool a_own = is_tight && strcmp(a->name, cms->config.own_node) == 0;
    bool b_own = is_tight && strcmp(b->name, cms->config.own_node) == 0;
    uint64_t a_load = a->load.cpu_load_ppm + a->promised_ppm;
    uint64_t b_load = b->load.cpu_load_ppm + b->promised_ppm;

    if (r->standby != 0 && (a->id == r->standby || b->id == r->standby)) {
        return a->id == r->standby;
    }
    if (a_own != b_own) {
        return a_own;
    }
    if (a_load != b_load) {
        return a_load < b_load;
    }
    if (a->load.memory_free_bytes != b->load.memory_free_bytes) {
        return a->load.memory_free_bytes > b->load.memory_free_bytes;
    }
    return a->id < b->id;
}

static void explain(char *ret_reason, const struct axi_cms_node *node,
                    const struct axi_place_verdict *verdict)
{
    char text[2 * AXI_REASON_BYTES + 40];
    size_t used = strlen(ret_reason);

    (void)snprintf(text, sizeof(text), "%s%s: %s", used > 0 ? "; " : "", node->name,
                   verdict->code != 0 ? verdict->reason : "tried already");
    axi_copy_text(ret_reason + used, AXI_REASON_BYTES - used, text);
}

int axi_cms_place(struct axi_cms *cms, struct axi_cms_task *task, const uint64_t *excluded,
                  size_t excluded_count, struct axi_cms_node **ret_node, char *ret_reason)
{
    struct axi_demand_task *demands = calloc(cms->task_count + 1, sizeof(*demands));
    struct axi_place_entry entries[AXI_PLATFORMS_MAX];
    const struct axi_record *r = &task->record;
    const struct axi_place_task what = axi_record_asks(r, entries);
    struct axi_cms_node *best = NULL;

    ret_reason[0] = '\0';
    for (size_t i = 0; i < cms->node_count && demands != NULL; i++) {
        struct axi_cms_node *node = cms->nodes[i];
        struct axi_place_verdict verdict;
        struct axi_place_node place;

        if (!node->is_registered || (r->pin != 0 && r->pin != node->id)) {
            continue;
        }
        snapshot(cms, node, task, demands, &place);
        axi_place_judge(&what, &place, &verdict);
        if (verdict.code != 0 || contains(excluded, excluded_count, node->id)) {
            explain(ret_reason, node, &verdict);
        } else if (best == NULL || is_better(cms, r, node, best)) {
            best = node;
        }
    }
    free(demands);
    if (best == NULL) {
        return -AXC_ENO_CANDIDATE;
    }
    *ret_node = best;
    return 0;
}
