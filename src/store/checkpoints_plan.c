/* SPDX-License-Identifier: Apache-2.0 */
/* What one transaction changes: the writer plans in the index (new entries pending, old ones
 * doomed), writes the rows, commits, and only then makes the plan the truth. After a failure the
 * index is read from the file again, because only the file knows what a failed commit did. */
#include "store/checkpoints_internal.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define BASE_EVERY 8u              /* differences to one base before the next whole checkpoint */
#define BASES_BYTES_MAX (8u << 20) /* bases kept in memory; tasks beyond that are stored whole */
#define PINS_MAX 1024u             /* per task; rows of a task are limited */
#define BASE_IDLE_PUTS 8192u       /* a base that nobody needed for so long makes room */

static uint64_t now_ns(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000000000ull + (uint64_t)now.tv_nsec;
}

/* Durable entries that count for the last K and are newer than position `at`. */
static size_t newer_than(const struct axi_ckpt_task *task, size_t at)
{
    size_t newer = 0;

    for (size_t i = 0; i < at; i++) {
        const struct axi_ckpt_entry *entry = &task->entries[i];

        newer += !entry->is_pinned && !entry->is_pending;
    }
    return newer;
}

bool axi_ckpt_is_visible(const struct axi_ckpt_task *task, const struct axi_ckpt_entry *entry,
                         uint32_t keep)
{
    return !entry->is_pending &&
           (entry->is_pinned || newer_than(task, (size_t)(entry - task->entries)) < keep);
}

static size_t count_pins(const struct axi_ckpt_task *task)
{
    size_t pins = 0;

    for (size_t i = 0; i < task->count; i++) {
        pins += task->entries[i].is_pinned;
    }
    return pins;
}

static bool is_needed(const struct axi_ckpt_task *task, uint64_t row)
{
    for (size_t i = 0; i < task->count; i++) {
        if (task->entries[i].base == row && !task->entries[i].is_doomed) {
            return true;
        }
    }
    return false;
}

static void doom(struct axi_ckpt_writer *w, struct axi_ckpt_task *task,
                 struct axi_ckpt_entry *entry)
{
    entry->is_doomed = true;
    if (entry->row == task->base_row) {
        axi_ckpt_task_drop_base(w->index, task);
    }
}

/* Dooms what is beyond the last K: differences first, because that frees their bases. */
static void doom_old(struct axi_ckpt_writer *w, struct axi_ckpt_task *task)
{
    for (int pass = 0; pass < 2; pass++) {
        size_t newer = 0;

        for (size_t i = 0; i < task->count; i++) {
            struct axi_ckpt_entry *entry = &task->entries[i];

            if (entry->is_pinned || entry->is_doomed) {
                continue;
            }
            if (newer >= w->keep && (entry->base != 0) == (pass == 0) &&
                (entry->base != 0 || !is_needed(task, entry->row))) {
                doom(w, task, entry);
                continue;
            }
            newer++;
        }
    }
}

/* Deletes the rows of doomed entries that got no new content. */
static int delete_doomed(struct axi_ckpt_writer *w, struct axi_ckpt_task *task)
{
    int r = 0;

    for (size_t i = 0; i < task->count && r == 0; i++) {
        struct axi_ckpt_entry *entry = &task->entries[i];

        if (entry->is_doomed && !entry->is_row_gone) {
            r = axi_ckpt_db_delete(&w->db, entry->row);
            entry->is_row_gone = true;
        }
    }
    return r;
}

static uint64_t take_row(struct axi_ckpt_task *task)
{
    for (size_t i = 0; i < task->count; i++) {
        struct axi_ckpt_entry *entry = &task->entries[i];

        if (entry->is_doomed && !entry->is_row_gone) {
            entry->is_row_gone = true;
            return entry->row;
        }
    }
    return axi_ckpt_task_free_row(task);
}

/* ---- bases ---- */

static void drop_idle_bases(struct axi_ckpt_writer *w)
{
    for (size_t i = 0; i < w->index->count; i++) {
        struct axi_ckpt_task *task = w->index->tasks[i];

        if (task->base_bytes != NULL &&
            w->index->next_sequence - task->base_used > BASE_IDLE_PUTS) {
            axi_ckpt_task_drop_base(w->index, task);
        }
    }
}

static void keep_base(struct axi_ckpt_writer *w, struct axi_ckpt_task *task, uint64_t row,
                      const struct axi_ckpt_op *op)
{
    axi_ckpt_task_drop_base(w->index, task);
    if (w->no_delta) {
        return;
    }
    if (w->index->base_total + op->count > BASES_BYTES_MAX) {
        if (w->index->next_sequence - w->swept > BASE_IDLE_PUTS) {
            w->swept = w->index->next_sequence;
            drop_idle_bases(w);
        }
        return;
    }
    task->base_bytes = malloc(op->count);
    if (task->base_bytes != NULL) {
        memcpy(task->base_bytes, op->bytes, op->count);
        task->base_row = row;
        task->base_size = op->count;
        task->base_age = 0;
        w->index->base_total += op->count;
    }
}

static const uint8_t *usable_base(const struct axi_ckpt_task *task, uint32_t count)
{
    return task->base_row != 0 && task->base_size == count && task->base_age < BASE_EVERY
               ? task->base_bytes
               : NULL;
}

/* ---- operations ---- */

static bool is_same(const struct axi_ckpt_entry *entry, const struct axi_ckpt_op *op)
{
    return !entry->is_doomed && entry->id.node_id == op->id.node_id &&
           entry->id.epoch == op->id.epoch && entry->id.job == op->id.job &&
           entry->id.step == op->id.step && entry->crc == op->crc && entry->bytes == op->count;
}

static bool is_newer(const struct axi_checkpoint_id *a, const struct axi_checkpoint_id *b)
{
    if (a->epoch != b->epoch) {
        return a->epoch > b->epoch;
    }
    return a->job != b->job ? a->job > b->job : a->step > b->step;
}

/* Durable already, or older than all that are kept: nothing is to be written. */
static bool is_settled(const struct axi_ckpt_writer *w, const struct axi_ckpt_task *task,
                       const struct axi_ckpt_op *op)
{
    size_t newer = 0;

    for (size_t i = 0; i < task->count; i++) {
        const struct axi_ckpt_entry *entry = &task->entries[i];

        if (is_same(entry, op)) {
            return true;
        }
        newer += !entry->is_doomed && !entry->is_pinned && is_newer(&entry->id, &op->id);
    }
    return newer >= w->keep;
}

/* Enters the new checkpoint and finds its row; ret_entry is then complete. */
static int plan_put(struct axi_ckpt_writer *w, struct axi_ckpt_task *task,
                    struct axi_ckpt_entry *ret_entry)
{
    int r = axi_ckpt_task_insert(task, ret_entry);

    if (r < 0) {
        return r;
    }
    doom_old(w, task);
    ret_entry->row = take_row(task);
    for (size_t i = 0; i < task->count; i++) {
        if (task->entries[i].sequence == ret_entry->sequence) {
            task->entries[i].row = ret_entry->row;
        }
    }
    return ret_entry->row == 0 ? -AXC_EFULL : 0;
}

/* A pinned one stands alone from the beginning. */
static int write_put(struct axi_ckpt_writer *w, struct axi_ckpt_task *task,
                     const struct axi_ckpt_op *op, bool is_pinned)
{
    const uint8_t *base = w->no_delta || is_pinned ? NULL : usable_base(task, op->count);
    uint32_t packed = 0;
    struct axi_ckpt_entry entry = {
        .id = op->id,
        .sequence = w->index->next_sequence++,
        .stored_ns = now_ns(),
        .crc = op->crc,
        .bytes = op->count,
        .is_pinned = is_pinned,
        .is_pending = true,
    };

    entry.kind = axi_ckpt_pack(op->bytes, base, op->count, w->scratch, w->packed, &packed);
    entry.stored_bytes = packed;
    entry.base = entry.kind == AXI_CKPT_DELTA ? task->base_row : 0;
    w->lock(w->context);
    int r = plan_put(w, task, &entry);

    w->unlock(w->context);
    r = r < 0 ? r : axi_ckpt_db_put(&w->db, &entry, w->packed);
    r = r < 0 ? r : delete_doomed(w, task);
    if (r < 0) {
        return r;
    }
    if (entry.kind == AXI_CKPT_DELTA) {
        task->base_age++;
    } else if (!is_pinned) {
        keep_base(w, task, entry.row, op);
    }
    task->base_used = entry.sequence;
    w->whole_bytes += op->count;
    w->stored_bytes += packed;
    return 0;
}

static int put(struct axi_ckpt_writer *w, struct axi_ckpt_op *op)
{
    w->lock(w->context);
    struct axi_ckpt_task *task = axi_ckpt_task_get(w->index, op->id.task_id);

    w->unlock(w->context);
    if (task == NULL) {
        return -AXC_ENOMEM;
    }
    return is_settled(w, task, op) ? 0 : write_put(w, task, op, false);
}

/* Pinned ones stand alone, so that they outlive everything else of their task. */
static int pin(struct axi_ckpt_writer *w, struct axi_ckpt_task *task, struct axi_ckpt_entry *entry,
               struct axi_ckpt_op *op)
{
    struct axi_checkpoint checkpoint;
    const uint8_t *state;
    uint32_t packed = 0;

    op->code =
        axi_ckpt_db_read(&w->db, entry, axi_ckpt_task_row(task, entry->base), w->scratch, w->whole);
    if (op->code == 0) {
        op->code = axi_checkpoint_decode(w->whole, entry->bytes, &checkpoint, &state);
    }
    if (op->code < 0) {
        return 0; /* this one cannot be pinned; nothing was changed */
    }
    entry->kind = axi_ckpt_pack(w->whole, NULL, entry->bytes, w->scratch, w->packed, &packed);
    entry->stored_bytes = packed;
    entry->base = 0;
    entry->is_pinned = true;
    return axi_ckpt_db_put(&w->db, entry, w->packed);
}

/* The owner's thread waits for these, so it reads nothing of the index meanwhile. */
static int set_pin(struct axi_ckpt_writer *w, struct axi_ckpt_op *op)
{
    struct axi_ckpt_task *task = axi_ckpt_task_find(w->index, op->id.task_id);
    struct axi_ckpt_entry *entry = task != NULL ? axi_ckpt_task_lookup(task, &op->id) : NULL;
    bool is_pinned = op->job == AXI_CKPT_JOB_PIN;

    if (entry == NULL || entry->is_doomed) {
        op->code = -AXC_ENOENT;
        return 0;
    }
    if (entry->is_pinned == is_pinned) {
        return 0;
    }
    if (is_pinned) {
        return pin(w, task, entry, op);
    }
    int r = axi_ckpt_db_unpin(&w->db, entry->row);

    entry->is_pinned = false;
    doom_old(w, task);
    return r < 0 ? r : delete_doomed(w, task);
}

static int import(struct axi_ckpt_writer *w, struct axi_ckpt_op *op)
{
    w->lock(w->context);
    struct axi_ckpt_task *task = axi_ckpt_task_get(w->index, op->id.task_id);

    w->unlock(w->context);
    if (task == NULL) {
        return -AXC_ENOMEM;
    }
    for (size_t i = 0; i < task->count; i++) {
        struct axi_ckpt_entry *entry = &task->entries[i];

        if (is_same(entry, op)) {
            op->code = entry->is_pending ? -AXC_EBUSY : 0;
            return entry->is_pending || entry->is_pinned ? 0 : pin(w, task, entry, op);
        }
    }
    if (count_pins(task) >= PINS_MAX) {
        op->code = -AXC_EFULL;
        return 0;
    }
    return write_put(w, task, op, true);
}

static int forget(struct axi_ckpt_writer *w, struct axi_ckpt_op *op)
{
    struct axi_ckpt_task *task = axi_ckpt_task_find(w->index, op->id.task_id);

    if (task == NULL) {
        return 0;
    }
    for (size_t i = 0; i < task->count; i++) {
        if (!task->entries[i].is_pinned) {
            doom(w, task, &task->entries[i]);
        }
    }
    axi_ckpt_task_drop_base(w->index, task);
    return delete_doomed(w, task);
}

/* ---- the transaction ---- */

static int perform(struct axi_ckpt_writer *w, struct axi_ckpt_op *op)
{
    switch (op->job) {
    case AXI_CKPT_JOB_PUT:
        return put(w, op);
    case AXI_CKPT_JOB_IMPORT:
        return import(w, op);
    case AXI_CKPT_JOB_FORGET:
        return forget(w, op);
    default:
        return set_pin(w, op);
    }
}

static bool is_doomed(const struct axi_ckpt_entry *entry)
{
    return entry->is_doomed;
}

static void apply(struct axi_ckpt_writer *w, const struct axi_ckpt_op *ops)
{
    w->lock(w->context);
    for (const struct axi_ckpt_op *op = ops; op != NULL; op = op->next) {
        struct axi_ckpt_task *task = axi_ckpt_task_find(w->index, op->id.task_id);

        if (task == NULL) {
            continue;
        }
        axi_ckpt_task_sweep(task, is_doomed);
        for (size_t i = 0; i < task->count; i++) {
            task->entries[i].is_pending = false;
        }
    }
    w->unlock(w->context);
}

static int reload(struct axi_ckpt_writer *w)
{
    w->lock(w->context);
    axi_ckpt_index_clear(w->index);
    int r = axi_ckpt_db_load(&w->db, w->index);

    if (r < 0) {
        axi_ckpt_index_clear(w->index);
    }
    w->unlock(w->context);
    w->must_reload = r < 0;
    return r;
}

int axi_ckpt_batch(struct axi_ckpt_writer *w, struct axi_ckpt_op *ops)
{
    int r = w->must_reload ? reload(w) : 0;

    r = r < 0 ? r : axi_ckpt_db_run(&w->db, AXI_CKPT_BEGIN);
    for (struct axi_ckpt_op *op = ops; op != NULL && r == 0; op = op->next) {
        op->code = 0;
        r = perform(w, op);
    }
    r = r < 0 ? r : axi_ckpt_db_run(&w->db, AXI_CKPT_COMMIT);
    if (r == 0) {
        apply(w, ops);
        return 0;
    }
    axi_ckpt_db_rollback(&w->db);
    (void)reload(w); /* tried again before the next batch when it fails now */
    for (struct axi_ckpt_op *op = ops; op != NULL; op = op->next) {
        op->code = r;
    }
    return r;
}
