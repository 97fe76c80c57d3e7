/* SPDX-License-Identifier: Apache-2.0 */
/* Inside the checkpoint store: checkpoints.c (interface, queue, writer thread) on top of
 * checkpoints_plan.c (what a batch changes), checkpoints_index.c (what is stored, in memory),
 * checkpoints_db.c (SQLite) and checkpoints_codec.c (differences and compression).
 *
 * Only the writer changes the index, and holds the store's mutex while it does; the owner's thread
 * reads it under the mutex. */
#ifndef AXI_STORE_CHECKPOINTS_INTERNAL_H
#define AXI_STORE_CHECKPOINTS_INTERNAL_H

#include "store/checkpoints.h"

#include <sqlite3.h>

/* ---- codec: how a checkpoint's bytes stand on disk ---- */

enum axi_ckpt_kind {
    AXI_CKPT_RAW = 0,
    AXI_CKPT_LZ4 = 1,   /* LZ4 block */
    AXI_CKPT_DELTA = 2, /* LZ4 block of the XOR with the base, which has the same size */
};

/* Writes the shortest form into ret_data (capacity >= count). base: of `count` bytes, or NULL.
 * scratch: count bytes. Returns the kind. */
enum axi_ckpt_kind axi_ckpt_pack(const uint8_t *bytes, const uint8_t *base, uint32_t count,
                                 uint8_t *scratch, uint8_t *ret_data, uint32_t *ret_data_bytes);
/* Restores exactly `count` bytes. -AXC_EIO: not possible with this data. base as when packed. */
AXC_MUST_USE int axi_ckpt_unpack(enum axi_ckpt_kind kind, const uint8_t *data, size_t data_bytes,
                                 const uint8_t *base, uint8_t *ret_bytes, uint32_t count);

/* ---- index ---- */

struct axi_ckpt_entry {
    struct axi_checkpoint_id id;
    uint64_t sequence;  /* of the put; a row that was reused has another one */
    uint64_t row, base; /* row numbers; base 0: needs no other row */
    uint64_t stored_ns;
    uint32_t crc, bytes, stored_bytes;
    enum axi_ckpt_kind kind;
    bool is_pinned;
    bool is_pending;  /* of the batch under way */
    bool is_doomed;   /* goes with the batch under way */
    bool is_row_gone; /* doomed, and its row has a new content or was deleted in the batch */
};

/* Newest first. Rows of a task lie together: block * AXI_CKPT_BLOCK_ROWS + slot, slot from 1. */
struct axi_ckpt_task {
    uint64_t id, block;
    struct axi_ckpt_entry *entries;
    size_t count, capacity;
    /* The last checkpoint stored whole, in memory; base_row 0: none. */
    uint64_t base_row, base_used; /* base_used: sequence of the put that last needed it */
    uint8_t *base_bytes;
    uint32_t base_size, base_age; /* base_age: differences made to it */
};

#define AXI_CKPT_BLOCK_ROWS 4096u

struct axi_ckpt_index {
    struct axi_ckpt_task **tasks; /* ascending ids */
    size_t count, capacity;
    uint64_t next_block, next_sequence;
    size_t base_total; /* bytes in base_bytes of all tasks */
};

void axi_ckpt_index_clear(struct axi_ckpt_index *index);
struct axi_ckpt_task *axi_ckpt_task_find(const struct axi_ckpt_index *index, uint64_t id);
/* Finds or makes. NULL: no memory. */
struct axi_ckpt_task *axi_ckpt_task_get(struct axi_ckpt_index *index, uint64_t id);
/* In order of (epoch, job, step, sequence). Invalidates pointers to entries. -AXC_ENOMEM. */
AXC_MUST_USE int axi_ckpt_task_insert(struct axi_ckpt_task *task,
                                      const struct axi_ckpt_entry *entry);
/* Drops the entries for which is_gone says so. */
void axi_ckpt_task_sweep(struct axi_ckpt_task *task,
                         bool (*is_gone)(const struct axi_ckpt_entry *entry));
/* Newest durable entry with this id (node 0: of any node), or NULL. */
struct axi_ckpt_entry *axi_ckpt_task_lookup(const struct axi_ckpt_task *task,
                                            const struct axi_checkpoint_id *id);
/* The entry that has this row now, or NULL. */
struct axi_ckpt_entry *axi_ckpt_task_row(const struct axi_ckpt_task *task, uint64_t row);
/* A row number that no entry of the task has; 0: none left. */
uint64_t axi_ckpt_task_free_row(const struct axi_ckpt_task *task);
/* Forgets the base kept in memory. */
void axi_ckpt_task_drop_base(struct axi_ckpt_index *index, struct axi_ckpt_task *task);

/* ---- SQLite ---- */

enum axi_ckpt_statement {
    AXI_CKPT_BEGIN,
    AXI_CKPT_COMMIT,
    AXI_CKPT_ROLLBACK,
    AXI_CKPT_PUT,
    AXI_CKPT_DELETE,
    AXI_CKPT_GET,
    AXI_CKPT_ALL,
    AXI_CKPT_UNPIN,
    AXI_CKPT_STATEMENTS
};

struct axi_ckpt_db {
    sqlite3 *db;
    sqlite3_stmt *statements[AXI_CKPT_STATEMENTS];
};

/* The connection that writes makes the file and its tables; a reader wants both to be there. */
AXC_MUST_USE int axi_ckpt_db_open(struct axi_ckpt_db *db,
                                  const struct axi_checkpoints_options *options, bool is_reader);
void axi_ckpt_db_close(struct axi_ckpt_db *db); /* a zeroed one is fine */
/* 0, -AXC_EFULL, -AXC_EIO, -AXC_ENOMEM. */
AXC_MUST_USE int axi_ckpt_db_run(struct axi_ckpt_db *db, enum axi_ckpt_statement which);
void axi_ckpt_db_rollback(struct axi_ckpt_db *db);
AXC_MUST_USE int axi_ckpt_db_put(struct axi_ckpt_db *db, const struct axi_ckpt_entry *entry,
                                 const uint8_t *data);
AXC_MUST_USE int axi_ckpt_db_delete(struct axi_ckpt_db *db, uint64_t row);
AXC_MUST_USE int axi_ckpt_db_unpin(struct axi_ckpt_db *db, uint64_t row);
/* Reads an entry back, header and state, unverified. base: the entry that it is a difference to, or
 * NULL; base_buffer and buffer hold AXI_CHECKPOINT_BYTES_MAX. -AXC_ENOENT: a row is another's. */
AXC_MUST_USE int axi_ckpt_db_read(struct axi_ckpt_db *db, const struct axi_ckpt_entry *entry,
                                  const struct axi_ckpt_entry *base, uint8_t *base_buffer,
                                  uint8_t *buffer);
/* Fills an empty index. */
AXC_MUST_USE int axi_ckpt_db_load(struct axi_ckpt_db *db, struct axi_ckpt_index *ret_index);

/* ---- the writer's work ---- */

enum axi_ckpt_job {
    AXI_CKPT_JOB_PUT,
    AXI_CKPT_JOB_IMPORT,
    AXI_CKPT_JOB_PIN,
    AXI_CKPT_JOB_UNPIN,
    AXI_CKPT_JOB_FORGET
};

/* One thing asked for, from the queue to its result. */
struct axi_ckpt_op {
    struct axi_ckpt_op *next;
    enum axi_ckpt_job job;
    struct axi_checkpoint_id id;
    uint64_t cookie;
    int code;
    bool is_done; /* under the mutex; for who waits */
    uint32_t crc, count;
    uint8_t *bytes; /* PUT: owned, freed once committed; IMPORT: borrowed */
};

/* What planning needs; the writer's alone, except the index. */
struct axi_ckpt_writer {
    struct axi_ckpt_db db;
    struct axi_ckpt_index *index;
    uint32_t keep;
    bool no_delta, must_reload;
    uint64_t swept;                    /* sequence at the last search for idle bases */
    uint8_t *scratch, *packed, *whole; /* AXI_CHECKPOINT_BYTES_MAX each */
    void (*lock)(void *context);
    void (*unlock)(void *context);
    void *context;
    uint64_t whole_bytes, stored_bytes; /* packed so far, before and after */
};

/* Commits a list of operations as one transaction and sets their codes; 0 or what went wrong. */
int axi_ckpt_batch(struct axi_ckpt_writer *writer, struct axi_ckpt_op *ops);
/* Is the entry one of the `keep` newest, or pinned, and durable? (A base of newer ones that is kept
 * for their sake alone is not.) */
bool axi_ckpt_is_visible(const struct axi_ckpt_task *task, const struct axi_ckpt_entry *entry,
                         uint32_t keep);

#endif
