/* SPDX-License-Identifier: Apache-2.0 */
/* The table of instances whose regions nodes offer, bounded whatever they say. */
#include "cms/internal.h"

#include <stdlib.h>

#define INSTANCES_MAX 4096u /* that one node may tell of */

void axi_cms_instance_free(struct axi_cms_instance *instance)
{
    free(instance->bytes);
    free(instance);
}

struct axi_cms_instance *axi_cms_instance_find(struct axi_cms *cms, uint64_t node, uint64_t task,
                                               uint64_t epoch)
{
    for (size_t i = 0; i < cms->instance_count; i++) {
        struct axi_cms_instance *it = cms->instances[i];

        if (it->task_id == task && it->epoch == epoch && it->node_id == node) {
            return it;
        }
    }
    return NULL;
}

static size_t count_of(const struct axi_cms *cms, uint64_t node)
{
    size_t count = 0;

    for (size_t i = 0; i < cms->instance_count; i++) {
        count += cms->instances[i]->node_id == node;
    }
    return count;
}

struct axi_cms_instance *axi_cms_instance_add(struct axi_cms *cms, uint64_t node, uint64_t task,
                                              uint64_t epoch)
{
    struct axi_cms_instance **grown;
    struct axi_cms_instance *it;

    if (count_of(cms, node) >= INSTANCES_MAX) {
        return NULL;
    }
    grown = realloc(cms->instances, (cms->instance_count + 1) * sizeof(struct axi_cms_instance *));
    it = calloc(1, sizeof(*it));
    if (grown != NULL) {
        cms->instances = grown;
    }
    if (grown == NULL || it == NULL) {
        free(it);
        return NULL;
    }
    it->node_id = node;
    it->task_id = task;
    it->epoch = epoch;
    cms->instances[cms->instance_count++] = it;
    return it;
}

/* Tasks that only a notice spoke of: neither in the store nor with a checkpoint here. */
void axi_cms_forget_unknown_tasks(struct axi_cms *cms)
{
    size_t kept = 0;

    for (size_t i = 0; i < cms->task_count; i++) {
        struct axi_cms_task *task = cms->tasks[i];
        bool is_needed = task->revision != 0 || task->durable.epoch != 0 || task->is_unsure;

        for (size_t k = 0; k < cms->instance_count && !is_needed; k++) {
            is_needed = cms->instances[k]->task_id == task->record.id;
        }
        if (is_needed) {
            cms->tasks[kept++] = task;
        } else {
            free(task);
        }
    }
    cms->task_count = kept;
}
