/* SPDX-License-Identifier: Apache-2.0 */
#include "store/checkpoints_internal.h"

#include <stdlib.h>
#include <string.h>

static int compare_u64(uint64_t a, uint64_t b)
{
    return a < b ? -1 : a > b;
}

/* > 0: a is newer. */
static int compare_age(const struct axi_ckpt_entry *a, const struct axi_ckpt_entry *b)
{
    int r = compare_u64(a->id.epoch, b->id.epoch);

    r = r != 0 ? r : compare_u64(a->id.job, b->id.job);
    r = r != 0 ? r : compare_u64(a->id.step, b->id.step);
    return r != 0 ? r : compare_u64(a->sequence, b->sequence);
}

static size_t position(const struct axi_ckpt_index *index, uint64_t id)
{
    size_t low = 0;
    size_t high = index->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (index->tasks[middle]->id < id) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

void axi_ckpt_index_clear(struct axi_ckpt_index *index)
{
    for (size_t i = 0; i < index->count; i++) {
        free(index->tasks[i]->base_bytes);
        free(index->tasks[i]->entries);
        free(index->tasks[i]);
    }
    free(index->tasks);
    *index = (struct axi_ckpt_index){.next_sequence = index->next_sequence};
}

struct axi_ckpt_task *axi_ckpt_task_find(const struct axi_ckpt_index *index, uint64_t id)
{
    size_t at = position(index, id);

    return at < index->count && index->tasks[at]->id == id ? index->tasks[at] : NULL;
}

struct axi_ckpt_task *axi_ckpt_task_get(struct axi_ckpt_index *index, uint64_t id)
{
    struct axi_ckpt_task *task = axi_ckpt_task_find(index, id);
    size_t at = position(index, id);

    if (task != NULL) {
        return task;
    }
    if (index->count == index->capacity) {
        size_t capacity = index->capacity == 0 ? 16 : 2 * index->capacity;
        struct axi_ckpt_task **grown =
            realloc(index->tasks, capacity * sizeof(struct axi_ckpt_task *));

        if (grown == NULL) {
            return NULL;
        }
        index->tasks = grown;
        index->capacity = capacity;
    }
    task = calloc(1, sizeof(*task));
    if (task == NULL) {
        return NULL;
    }
    task->id = id;
    task->block = index->next_block++;
    memmove(&index->tasks[at + 1], &index->tasks[at],
            (index->count - at) * sizeof(struct axi_ckpt_task *));
    index->tasks[at] = task;
    index->count++;
    return task;
}

int axi_ckpt_task_insert(struct axi_ckpt_task *task, const struct axi_ckpt_entry *entry)
{
    size_t at = 0;

    if (task->count == task->capacity) {
        size_t capacity = task->capacity == 0 ? 12 : 2 * task->capacity;
        struct axi_ckpt_entry *grown = realloc(task->entries, capacity * sizeof(*grown));

        if (grown == NULL) {
            return -AXC_ENOMEM;
        }
        task->entries = grown;
        task->capacity = capacity;
    }
    while (at < task->count && compare_age(&task->entries[at], entry) > 0) {
        at++;
    }
    memmove(&task->entries[at + 1], &task->entries[at],
            (task->count - at) * sizeof(task->entries[0]));
    task->entries[at] = *entry;
    task->count++;
    return 0;
}

void axi_ckpt_task_sweep(struct axi_ckpt_task *task,
                         bool (*is_gone)(const struct axi_ckpt_entry *entry))
{
    size_t kept = 0;

    for (size_t i = 0; i < task->count; i++) {
        if (!is_gone(&task->entries[i])) {
            task->entries[kept++] = task->entries[i];
        }
    }
    task->count = kept;
}

struct axi_ckpt_entry *axi_ckpt_task_lookup(const struct axi_ckpt_task *task,
                                            const struct axi_checkpoint_id *id)
{
    for (size_t i = 0; i < task->count; i++) {
        struct axi_ckpt_entry *entry = &task->entries[i];

        if (!entry->is_pending && entry->id.epoch == id->epoch && entry->id.job == id->job &&
            entry->id.step == id->step && (id->node_id == 0 || entry->id.node_id == id->node_id)) {
            return entry;
        }
    }
    return NULL;
}

/* A doomed entry's row may have its next content already: then that entry is meant. */
struct axi_ckpt_entry *axi_ckpt_task_row(const struct axi_ckpt_task *task, uint64_t row)
{
    for (size_t i = 0; i < task->count; i++) {
        if (task->entries[i].row == row && !task->entries[i].is_doomed) {
            return &task->entries[i];
        }
    }
    return NULL;
}

uint64_t axi_ckpt_task_free_row(const struct axi_ckpt_task *task)
{
    uint8_t used[AXI_CKPT_BLOCK_ROWS] = {0};

    for (size_t i = 0; i < task->count; i++) {
        used[task->entries[i].row % AXI_CKPT_BLOCK_ROWS] = 1;
    }
    for (uint64_t slot = 1; slot < AXI_CKPT_BLOCK_ROWS; slot++) {
        if (used[slot] == 0) {
            return task->block * AXI_CKPT_BLOCK_ROWS + slot;
        }
    }
    return 0;
}

void axi_ckpt_task_drop_base(struct axi_ckpt_index *index, struct axi_ckpt_task *task)
{
    if (task->base_bytes != NULL) {
        index->base_total -= task->base_size;
    }
    free(task->base_bytes);
    task->base_bytes = NULL;
    task->base_row = 0;
    task->base_size = 0;
}
