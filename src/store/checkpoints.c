/* SPDX-License-Identifier: Apache-2.0 */
#include "store/checkpoints_internal.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define QUEUE_DEFAULT 4096u
#define QUEUE_BYTES_MAX (8u << 20)
#define BATCH_MAX 1024u
#define BATCH_BYTES_MAX (4u << 20)

struct list {
    struct axi_ckpt_op *first, **end;
    size_t count, bytes;
};

struct axi_checkpoints {
    struct axi_ckpt_index index;
    struct axi_ckpt_writer writer;
    struct axi_ckpt_db reader; /* the owner's; unused with is_inline */
    uint8_t *base_buffer;      /* the owner's */
    uint32_t queue_max;
    bool is_inline;
    int event; /* -1: inline */

    pthread_mutex_t mutex; /* everything below, and the index */
    pthread_cond_t has_work, has_done;
    struct list queue, done;
    size_t under_way, under_way_bytes; /* puts without a result that was taken; their bytes */
    bool is_ending;
    struct axi_checkpoints_figures figures;
    pthread_t thread;
    bool has_thread;
};

static void list_init(struct list *list)
{
    *list = (struct list){.end = &list->first};
}

static void append(struct list *list, struct axi_ckpt_op *op)
{
    op->next = NULL;
    *list->end = op;
    list->end = &op->next;
    list->count++;
    list->bytes += op->count;
}

static struct axi_ckpt_op *pop(struct list *list)
{
    struct axi_ckpt_op *op = list->first;

    if (op != NULL) {
        list->first = op->next;
        list->count--;
        list->bytes -= op->count;
        if (list->first == NULL) {
            list->end = &list->first;
        }
        op->next = NULL;
    }
    return op;
}

static void lock(void *context)
{
    (void)pthread_mutex_lock(&((struct axi_checkpoints *)context)->mutex);
}

static void unlock(void *context)
{
    (void)pthread_mutex_unlock(&((struct axi_checkpoints *)context)->mutex);
}

/* ---- the writer ---- */

/* Under the mutex. */
static struct axi_ckpt_op *take_batch(struct axi_checkpoints *c)
{
    struct list batch;

    list_init(&batch);
    while (c->queue.first != NULL && batch.count < BATCH_MAX && batch.bytes < BATCH_BYTES_MAX) {
        append(&batch, pop(&c->queue));
    }
    return batch.first;
}

/* Under the mutex. Puts wait for _poll; whoever asked for anything else is waiting itself. */
static void hand_back(struct axi_checkpoints *c, struct axi_ckpt_op *ops, int code)
{
    c->figures.commits += code == 0;
    c->figures.whole_bytes = c->writer.whole_bytes;
    c->figures.stored_bytes = c->writer.stored_bytes;
    while (ops != NULL) {
        struct axi_ckpt_op *op = ops;

        ops = op->next;
        op->is_done = true;
        if (op->job == AXI_CKPT_JOB_PUT) {
            c->figures.puts += op->code == 0;
            c->figures.failed += op->code != 0;
            c->under_way_bytes -= op->count;
            op->count = 0;
            free(op->bytes);
            op->bytes = NULL;
            append(&c->done, op);
        }
    }
    (void)pthread_cond_broadcast(&c->has_done);
}

static void work_once(struct axi_checkpoints *c)
{
    struct axi_ckpt_op *batch = take_batch(c);

    unlock(c);
    int code = axi_ckpt_batch(&c->writer, batch);

    lock(c);
    hand_back(c, batch, code);
}

static void *write_thread(void *context)
{
    struct axi_checkpoints *c = context;

    lock(c);
    while (c->queue.first != NULL || !c->is_ending) {
        if (c->queue.first == NULL) {
            (void)pthread_cond_wait(&c->has_work, &c->mutex);
            continue;
        }
        work_once(c);
        uint64_t one = 1;

        while (write(c->event, &one, sizeof(one)) < 0 && errno == EINTR) {
        }
    }
    unlock(c);
    return NULL;
}

static void work_inline(struct axi_checkpoints *c)
{
    lock(c);
    while (c->queue.first != NULL) {
        work_once(c);
    }
    unlock(c);
}

/* Queues something that is not a put and waits for its result. */
static int submit_and_wait(struct axi_checkpoints *c, struct axi_ckpt_op *op)
{
    lock(c);
    append(&c->queue, op);
    if (c->is_inline) {
        unlock(c);
        work_inline(c);
        return op->code;
    }
    (void)pthread_cond_signal(&c->has_work);
    while (!op->is_done) {
        (void)pthread_cond_wait(&c->has_done, &c->mutex);
    }
    unlock(c);
    return op->code;
}

/* ---- open and close ---- */

static int open_files(struct axi_checkpoints *c, const struct axi_checkpoints_options *options)
{
    int r = axi_ckpt_db_open(&c->writer.db, options, false);

    r = r < 0 ? r : axi_ckpt_db_load(&c->writer.db, &c->index);
    if (r == 0 && !c->is_inline) {
        r = axi_ckpt_db_open(&c->reader, options, true);
    }
    return r;
}

static int start_thread(struct axi_checkpoints *c)
{
    c->event = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (c->event < 0) {
        return -AXC_EIO;
    }
    c->has_thread = pthread_create(&c->thread, NULL, write_thread, c) == 0;
    return c->has_thread ? 0 : -AXC_ENOMEM;
}

static int get_buffers(struct axi_checkpoints *c)
{
    c->writer.scratch = malloc(AXI_CHECKPOINT_BYTES_MAX);
    c->writer.packed = malloc(AXI_CHECKPOINT_BYTES_MAX);
    c->writer.whole = malloc(AXI_CHECKPOINT_BYTES_MAX);
    c->base_buffer = malloc(AXI_CHECKPOINT_BYTES_MAX);
    return c->writer.scratch == NULL || c->writer.packed == NULL || c->writer.whole == NULL ||
                   c->base_buffer == NULL
               ? -AXC_ENOMEM
               : 0;
}

int axi_checkpoints_new(const struct axi_checkpoints_options *options,
                        struct axi_checkpoints **ret_checkpoints)
{
    struct axi_checkpoints *c;

    if (options->keep > AXI_CHECKPOINTS_KEEP_MAX || options->path == NULL) {
        return -AXC_EINVALID;
    }
    c = calloc(1, sizeof(*c));
    if (c == NULL) {
        return -AXC_ENOMEM;
    }
    /* A database in memory belongs to one connection. */
    c->is_inline = options->is_inline || strcmp(options->path, ":memory:") == 0;
    c->event = -1;
    c->queue_max = options->queue != 0 ? options->queue : QUEUE_DEFAULT;
    c->index.next_sequence = 1;
    c->writer.index = &c->index;
    c->writer.keep = options->keep != 0 ? options->keep : AXI_CHECKPOINTS_KEEP_DEFAULT;
    c->writer.no_delta = options->no_delta;
    c->writer.lock = lock;
    c->writer.unlock = unlock;
    c->writer.context = c;
    list_init(&c->queue);
    list_init(&c->done);
    (void)pthread_mutex_init(&c->mutex, NULL);
    (void)pthread_cond_init(&c->has_work, NULL);
    (void)pthread_cond_init(&c->has_done, NULL);
    int r = get_buffers(c);

    r = r < 0 ? r : open_files(c, options);
    if (r == 0 && !c->is_inline) {
        r = start_thread(c);
    }
    if (r < 0) {
        axi_checkpoints_free(c);
        return r;
    }
    *ret_checkpoints = c;
    return 0;
}

static void free_list(struct list *list)
{
    struct axi_ckpt_op *op;

    while ((op = pop(list)) != NULL) {
        free(op->bytes);
        free(op);
    }
}

void axi_checkpoints_free(struct axi_checkpoints *c)
{
    if (c == NULL) {
        return;
    }
    if (c->has_thread) {
        lock(c);
        c->is_ending = true;
        (void)pthread_cond_signal(&c->has_work);
        unlock(c);
        (void)pthread_join(c->thread, NULL);
    } else if (c->writer.db.db != NULL) {
        work_inline(c);
    }
    if (c->event >= 0) {
        (void)close(c->event);
    }
    axi_ckpt_db_close(&c->reader);
    axi_ckpt_db_close(&c->writer.db);
    axi_ckpt_index_clear(&c->index);
    free_list(&c->queue);
    free_list(&c->done);
    (void)pthread_cond_destroy(&c->has_work);
    (void)pthread_cond_destroy(&c->has_done);
    (void)pthread_mutex_destroy(&c->mutex);
    free(c->writer.scratch);
    free(c->writer.packed);
    free(c->writer.whole);
    free(c->base_buffer);
    free(c);
}

/* ---- puts ---- */

/* What the bytes say they are; checks all of them. */
static int describe(uint64_t node_id, const uint8_t *bytes, size_t count,
                    struct axi_ckpt_op *ret_op)
{
    struct axi_checkpoint checkpoint;
    const uint8_t *state;
    int r = axi_checkpoint_decode(bytes, count, &checkpoint, &state);

    if (r < 0) {
        return r;
    }
    *ret_op = (struct axi_ckpt_op){
        .id = {.node_id = node_id,
               .task_id = checkpoint.task_id,
               .epoch = checkpoint.epoch,
               .job = checkpoint.job,
               .step = checkpoint.step},
        .crc = checkpoint.state_crc,
        .count = (uint32_t)count,
    };
    return checkpoint.task_id != 0 ? 0 : -AXC_ECKPT_TASK;
}

static int make_put(uint64_t node_id, const uint8_t *bytes, size_t count, uint64_t cookie,
                    struct axi_ckpt_op **ret_op)
{
    struct axi_ckpt_op described;
    int r = describe(node_id, bytes, count, &described);

    if (r < 0) {
        return r;
    }
    struct axi_ckpt_op *op = malloc(sizeof(*op));
    uint8_t *copy = malloc(count);

    if (op == NULL || copy == NULL) {
        free(op);
        free(copy);
        return -AXC_ENOMEM;
    }
    memcpy(copy, bytes, count);
    *op = described;
    op->job = AXI_CKPT_JOB_PUT;
    op->cookie = cookie;
    op->bytes = copy;
    *ret_op = op;
    return 0;
}

int axi_checkpoints_put(struct axi_checkpoints *c, uint64_t node_id, const uint8_t *bytes,
                        size_t count, uint64_t cookie)
{
    struct axi_ckpt_op *op = NULL;

    lock(c);
    bool is_full = c->under_way >= c->queue_max || count > QUEUE_BYTES_MAX - c->under_way_bytes;

    unlock(c);
    if (is_full) {
        return -AXC_EBUSY;
    }
    int r = make_put(node_id, bytes, count, cookie, &op);

    if (r < 0) {
        return r;
    }
    lock(c);
    append(&c->queue, op);
    c->under_way++;
    c->under_way_bytes += count;
    (void)pthread_cond_signal(&c->has_work);
    unlock(c);
    return 0;
}

int axi_checkpoints_fd(const struct axi_checkpoints *c)
{
    return c->event;
}

size_t axi_checkpoints_poll(struct axi_checkpoints *c, struct axi_checkpoints_result *ret_results,
                            size_t max)
{
    size_t count = 0;
    uint64_t events;
    struct axi_ckpt_op *op;

    if (c->is_inline) {
        work_inline(c);
    } else if (read(c->event, &events, sizeof(events)) < 0) {
        /* nothing was signalled since; what is there is handed out all the same */
    }
    lock(c);
    while (count < max && (op = pop(&c->done)) != NULL) {
        ret_results[count++] = (struct axi_checkpoints_result){op->cookie, op->code};
        c->under_way--;
        free(op);
    }
    if (c->done.first != NULL && c->event >= 0) { /* stays readable */
        uint64_t one = 1;

        (void)!write(c->event, &one, sizeof(one));
    }
    unlock(c);
    return count;
}

/* ---- reading ---- */

static struct axi_checkpoint_info info_of(const struct axi_ckpt_entry *entry)
{
    return (struct axi_checkpoint_info){.id = entry->id,
                                        .bytes = entry->bytes,
                                        .stored_bytes = entry->stored_bytes,
                                        .stored_ns = entry->stored_ns,
                                        .is_pinned = entry->is_pinned};
}

int axi_checkpoints_newest(struct axi_checkpoints *c, uint64_t task_id, uint64_t epoch_max,
                           struct axi_checkpoint_info *ret_info)
{
    int r = -AXC_ENOENT;

    lock(c);
    const struct axi_ckpt_task *task = axi_ckpt_task_find(&c->index, task_id);

    for (size_t i = 0; task != NULL && i < task->count && r < 0; i++) {
        const struct axi_ckpt_entry *entry = &task->entries[i];

        if (entry->id.epoch <= epoch_max && axi_ckpt_is_visible(task, entry, c->writer.keep)) {
            *ret_info = info_of(entry);
            r = 0;
        }
    }
    unlock(c);
    return r;
}

/* Copies the entry and the one it builds on out of the index. */
static int find(struct axi_checkpoints *c, const struct axi_checkpoint_id *id,
                struct axi_ckpt_entry *ret_entry, struct axi_ckpt_entry *ret_base)
{
    int r = -AXC_ENOENT;

    lock(c);
    const struct axi_ckpt_task *task = axi_ckpt_task_find(&c->index, id->task_id);
    const struct axi_ckpt_entry *entry = task != NULL ? axi_ckpt_task_lookup(task, id) : NULL;

    if (entry != NULL && axi_ckpt_is_visible(task, entry, c->writer.keep)) {
        const struct axi_ckpt_entry *base =
            entry->base != 0 ? axi_ckpt_task_row(task, entry->base) : NULL;

        r = entry->base != 0 && base == NULL ? -AXC_EIO : 0;
        *ret_entry = *entry;
        *ret_base = base != NULL ? *base : (struct axi_ckpt_entry){0};
    }
    unlock(c);
    return r;
}

static int check(const struct axi_ckpt_entry *entry, const uint8_t *bytes)
{
    struct axi_checkpoint checkpoint;
    const uint8_t *state;
    int r = axi_checkpoint_decode(bytes, entry->bytes, &checkpoint, &state);

    if (r == 0 && (checkpoint.task_id != entry->id.task_id || checkpoint.epoch != entry->id.epoch ||
                   checkpoint.job != entry->id.job || checkpoint.step != entry->id.step)) {
        r = -AXC_EIO; /* intact, but not what the row says it is */
    }
    return r;
}

int axi_checkpoints_read(struct axi_checkpoints *c, const struct axi_checkpoint_id *id,
                         uint8_t *buffer, size_t capacity, size_t *ret_bytes)
{
    struct axi_ckpt_entry entry;
    struct axi_ckpt_entry base;
    int r = find(c, id, &entry, &base);

    if (r < 0) {
        return r;
    }
    if (entry.bytes > capacity) {
        return -AXC_EFULL;
    }
    r = axi_ckpt_db_read(c->is_inline ? &c->writer.db : &c->reader, &entry, &base, c->base_buffer,
                         buffer);
    r = r < 0 ? r : check(&entry, buffer);
    if (r == 0) {
        *ret_bytes = entry.bytes;
    }
    return r;
}

int axi_checkpoints_list(struct axi_checkpoints *c, uint64_t task_id, axi_checkpoints_visit visit,
                         void *context)
{
    int r = 0;

    lock(c);
    for (size_t t = 0; t < c->index.count && r >= 0; t++) {
        const struct axi_ckpt_task *task = c->index.tasks[t];

        for (size_t i = 0; i < task->count && r >= 0; i++) {
            struct axi_checkpoint_info info = info_of(&task->entries[i]);

            if ((task_id == 0 || task->id == task_id) &&
                axi_ckpt_is_visible(task, &task->entries[i], c->writer.keep)) {
                r = visit(context, &info);
            }
        }
    }
    unlock(c);
    return r < 0 ? r : 0;
}

int axi_checkpoints_pin(struct axi_checkpoints *c, const struct axi_checkpoint_id *id,
                        bool is_pinned)
{
    struct axi_ckpt_op op = {.job = is_pinned ? AXI_CKPT_JOB_PIN : AXI_CKPT_JOB_UNPIN, .id = *id};

    return submit_and_wait(c, &op);
}

int axi_checkpoints_import(struct axi_checkpoints *c, uint64_t node_id, const uint8_t *bytes,
                           size_t count, struct axi_checkpoint_id *ret_id)
{
    struct axi_ckpt_op op;
    int r = describe(node_id, bytes, count, &op);

    if (r < 0) {
        return r;
    }
    op.job = AXI_CKPT_JOB_IMPORT;
    op.bytes = (uint8_t *)(uintptr_t)bytes; /* read only; the call waits */
    r = submit_and_wait(c, &op);
    if (r == 0) {
        *ret_id = op.id;
    }
    return r;
}

int axi_checkpoints_forget(struct axi_checkpoints *c, uint64_t task_id)
{
    struct axi_ckpt_op op = {.job = AXI_CKPT_JOB_FORGET, .id.task_id = task_id};

    return submit_and_wait(c, &op);
}

void axi_checkpoints_get_figures(const struct axi_checkpoints *checkpoints,
                                 struct axi_checkpoints_figures *ret_figures)
{
    struct axi_checkpoints *c = (struct axi_checkpoints *)checkpoints; /* the mutex is in it */

    lock(c);
    *ret_figures = c->figures;
    ret_figures->queued = c->under_way;
    unlock(c);
}
