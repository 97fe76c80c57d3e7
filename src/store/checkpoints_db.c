/* SPDX-License-Identifier: Apache-2.0 */
/* The file of a checkpoint store. Rows of a task lie side by side and are overwritten in place, so
 * the file stops growing; the WAL is grown once and kept, because a sync of a growing file is many
 * times slower than one of blocks that exist. Format: docs/formats/checkpoint.md. */
#include "store/checkpoints_internal.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define APPLICATION_ID 0x4158434B /* "AXCK" */
#define USER_VERSION 1
#define WAL_PAGES 4096
#define PAGE_BYTES 4096
#define WAL_BYTES (WAL_PAGES * (PAGE_BYTES + 24) + 32)

static const char *const statement_text[AXI_CKPT_STATEMENTS] = {
    [AXI_CKPT_BEGIN] = "BEGIN IMMEDIATE",
    [AXI_CKPT_COMMIT] = "COMMIT",
    [AXI_CKPT_ROLLBACK] = "ROLLBACK",
    [AXI_CKPT_PUT] = ("INSERT OR REPLACE INTO checkpoint (id, sequence, task, node, epoch, job, "
                      "step, crc, bytes,"
                      " stored_ns, pinned, base, kind, data)"
                      " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)"),
    [AXI_CKPT_DELETE] = "DELETE FROM checkpoint WHERE id = ?1",
    [AXI_CKPT_GET] = "SELECT data FROM checkpoint WHERE id = ?1 AND sequence = ?2",
    [AXI_CKPT_ALL] = ("SELECT id, sequence, task, node, epoch, job, step, crc, bytes, stored_ns,"
                      " pinned, base, kind, length(data) FROM checkpoint ORDER BY id"),
    [AXI_CKPT_UNPIN] = "UPDATE checkpoint SET pinned = 0 WHERE id = ?1",
};

static const char schema[] =
    "CREATE TABLE checkpoint (id INTEGER PRIMARY KEY, sequence INTEGER NOT NULL,"
    " task INTEGER NOT NULL, node INTEGER NOT NULL, epoch INTEGER NOT NULL, job INTEGER NOT NULL,"
    " step INTEGER NOT NULL, crc INTEGER NOT NULL, bytes INTEGER NOT NULL,"
    " stored_ns INTEGER NOT NULL, pinned INTEGER NOT NULL, base INTEGER NOT NULL,"
    " kind INTEGER NOT NULL, data BLOB NOT NULL)";

static int error_of(int rc)
{
    switch (rc & 0xff) {
    case SQLITE_OK:
    case SQLITE_DONE:
    case SQLITE_ROW:
        return 0;
    case SQLITE_FULL:
        return -AXC_EFULL;
    case SQLITE_NOMEM:
        return -AXC_ENOMEM;
    default:
        return -AXC_EIO;
    }
}

static int execute(struct axi_ckpt_db *db, const char *text)
{
    return error_of(sqlite3_exec(db->db, text, NULL, NULL, NULL));
}

static int read_number(struct axi_ckpt_db *db, const char *query, int64_t *ret_number)
{
    sqlite3_stmt *statement = NULL;
    int rc = sqlite3_prepare_v2(db->db, query, -1, &statement, NULL);

    if (rc == SQLITE_OK) {
        rc = sqlite3_step(statement);
    }
    if (rc == SQLITE_ROW) {
        *ret_number = sqlite3_column_int64(statement, 0);
    }
    (void)sqlite3_finalize(statement);
    return rc == SQLITE_ROW ? 0 : -AXC_EIO;
}

/* A file of ours, or an empty one that becomes ours. */
static int claim_file(struct axi_ckpt_db *db)
{
    char text[128];
    int64_t application = 0;
    int64_t version = 0;
    int64_t tables = 0;
    int r = read_number(db, "PRAGMA application_id", &application);

    r = r < 0 ? r : read_number(db, "PRAGMA user_version", &version);
    r = r < 0 ? r : read_number(db, "SELECT count(*) FROM sqlite_master", &tables);
    if (r < 0) {
        return r;
    }
    if (application == APPLICATION_ID && version == USER_VERSION && tables == 1) {
        return 0;
    }
    if (application != 0 || tables != 0) {
        return -AXC_EIO;
    }
    (void)snprintf(text, sizeof(text), "PRAGMA application_id = %d; PRAGMA user_version = %d",
                   APPLICATION_ID, USER_VERSION);
    r = execute(db, "BEGIN IMMEDIATE");
    r = r < 0 ? r : execute(db, schema);
    r = r < 0 ? r : execute(db, text);
    return r < 0 ? r : execute(db, "COMMIT");
}

/* Zeros behind what the WAL holds: SQLite takes them for the end, and later overwrites blocks that
 * exist. Nobody else has the WAL open, and no lock lies on it. No room to grow into is no reason
 * not to work in what there is. */
static void grow_wal(const char *path)
{
    static const uint8_t zeros[65536];
    char name[4096];
    int length = snprintf(name, sizeof(name), "%s-wal", path);
    int fd = length > 0 && (size_t)length < sizeof(name)
                 ? open(name, O_WRONLY | O_CLOEXEC | O_NOFOLLOW)
                 : -1;
    off_t at = fd >= 0 ? lseek(fd, 0, SEEK_END) : WAL_BYTES;

    while (at >= 0 && at < WAL_BYTES) {
        size_t count =
            WAL_BYTES - at < (off_t)sizeof(zeros) ? (size_t)(WAL_BYTES - at) : sizeof(zeros);
        ssize_t written = pwrite(fd, zeros, count, at);

        at = written > 0 ? at + written : -1;
    }
    if (fd >= 0) {
        (void)close(fd);
    }
}

static int set_up(struct axi_ckpt_db *db, const struct axi_checkpoints_options *options)
{
    char text[256];
    int persist = 1;
    int r = execute(db, "PRAGMA page_size = 4096; PRAGMA journal_mode = WAL");

    if (r < 0) {
        return r;
    }
    (void)snprintf(text, sizeof(text),
                   "PRAGMA synchronous = %s; PRAGMA wal_autocheckpoint = %d;"
                   "PRAGMA cache_size = -4096; PRAGMA temp_store = MEMORY",
                   options->is_volatile ? "OFF" : "FULL", WAL_PAGES);
    r = execute(db, text);
    (void)sqlite3_file_control(db->db, "main", SQLITE_FCNTL_PERSIST_WAL, &persist);
    r = r < 0 ? r : claim_file(db);
    if (r == 0 && !options->is_volatile && strcmp(options->path, ":memory:") != 0) {
        grow_wal(options->path);
    }
    return r;
}

int axi_ckpt_db_open(struct axi_ckpt_db *db, const struct axi_checkpoints_options *options,
                     bool is_reader)
{
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX;
    int r = 0;

    flags |= is_reader ? 0 : SQLITE_OPEN_CREATE;
    *db = (struct axi_ckpt_db){0};
    if (sqlite3_open_v2(options->path, &db->db, flags, NULL) != SQLITE_OK) {
        axi_ckpt_db_close(db);
        return -AXC_EIO;
    }
    (void)sqlite3_extended_result_codes(db->db, 1);
    (void)sqlite3_busy_timeout(db->db, 2000);
    r = is_reader ? execute(db, "PRAGMA query_only = 1; PRAGMA cache_size = -512")
                  : set_up(db, options);
    for (int i = 0; i < AXI_CKPT_STATEMENTS && r == 0; i++) {
        r = error_of(sqlite3_prepare_v3(db->db, statement_text[i], -1, SQLITE_PREPARE_PERSISTENT,
                                        &db->statements[i], NULL));
    }
    if (r < 0) {
        axi_ckpt_db_close(db);
    }
    return r;
}

void axi_ckpt_db_close(struct axi_ckpt_db *db)
{
    for (int i = 0; i < AXI_CKPT_STATEMENTS; i++) {
        (void)sqlite3_finalize(db->statements[i]);
    }
    (void)sqlite3_close(db->db);
    *db = (struct axi_ckpt_db){0};
}

static int finish(sqlite3_stmt *statement)
{
    int rc = sqlite3_step(statement);

    (void)sqlite3_reset(statement);
    return error_of(rc);
}

int axi_ckpt_db_run(struct axi_ckpt_db *db, enum axi_ckpt_statement which)
{
    return finish(db->statements[which]);
}

void axi_ckpt_db_rollback(struct axi_ckpt_db *db)
{
    if (sqlite3_get_autocommit(db->db) == 0) {
        (void)finish(db->statements[AXI_CKPT_ROLLBACK]);
    }
}

int axi_ckpt_db_put(struct axi_ckpt_db *db, const struct axi_ckpt_entry *entry, const uint8_t *data)
{
    sqlite3_stmt *statement = db->statements[AXI_CKPT_PUT];
    const uint64_t numbers[13] = {
        entry->row,       entry->sequence, entry->id.task_id, entry->id.node_id, entry->id.epoch,
        entry->id.job,    entry->id.step,  entry->crc,        entry->bytes,      entry->stored_ns,
        entry->is_pinned, entry->base,     entry->kind,
    };

    for (int i = 0; i < 13; i++) {
        (void)sqlite3_bind_int64(statement, i + 1, (sqlite3_int64)numbers[i]);
    }
    (void)sqlite3_bind_blob(statement, 14, data, (int)entry->stored_bytes, SQLITE_STATIC);
    return finish(statement);
}

int axi_ckpt_db_delete(struct axi_ckpt_db *db, uint64_t row)
{
    (void)sqlite3_bind_int64(db->statements[AXI_CKPT_DELETE], 1, (sqlite3_int64)row);
    return finish(db->statements[AXI_CKPT_DELETE]);
}

int axi_ckpt_db_unpin(struct axi_ckpt_db *db, uint64_t row)
{
    (void)sqlite3_bind_int64(db->statements[AXI_CKPT_UNPIN], 1, (sqlite3_int64)row);
    return finish(db->statements[AXI_CKPT_UNPIN]);
}

static int read_row(struct axi_ckpt_db *db, const struct axi_ckpt_entry *entry, const uint8_t *base,
                    uint8_t *buffer)
{
    sqlite3_stmt *statement = db->statements[AXI_CKPT_GET];

    (void)sqlite3_bind_int64(statement, 1, (sqlite3_int64)entry->row);
    (void)sqlite3_bind_int64(statement, 2, (sqlite3_int64)entry->sequence);
    int rc = sqlite3_step(statement);
    int r = rc == SQLITE_DONE ? -AXC_ENOENT : error_of(rc);

    if (rc == SQLITE_ROW) {
        r = axi_ckpt_unpack(entry->kind, sqlite3_column_blob(statement, 0),
                            (size_t)sqlite3_column_bytes(statement, 0), base, buffer, entry->bytes);
    }
    (void)sqlite3_reset(statement);
    return r;
}

int axi_ckpt_db_read(struct axi_ckpt_db *db, const struct axi_ckpt_entry *entry,
                     const struct axi_ckpt_entry *base, uint8_t *base_buffer, uint8_t *buffer)
{
    if (entry->base == 0) {
        return read_row(db, entry, NULL, buffer);
    }
    if (base == NULL || base->base != 0 || base->bytes != entry->bytes) {
        return -AXC_EIO;
    }
    int r = read_row(db, base, NULL, base_buffer);

    return r < 0 ? r : read_row(db, entry, base_buffer, buffer);
}

/* -AXC_EIO for a row that this program cannot have written; such a row is skipped. */
static int decode_row(sqlite3_stmt *row, struct axi_ckpt_entry *ret_entry)
{
    uint64_t numbers[14];

    for (int i = 0; i < 14; i++) {
        numbers[i] = (uint64_t)sqlite3_column_int64(row, i);
    }
    *ret_entry = (struct axi_ckpt_entry){
        .row = numbers[0],
        .sequence = numbers[1],
        .id = {.task_id = numbers[2],
               .node_id = numbers[3],
               .epoch = numbers[4],
               .job = numbers[5],
               .step = (uint32_t)numbers[6]},
        .crc = (uint32_t)numbers[7],
        .bytes = (uint32_t)numbers[8],
        .stored_ns = numbers[9],
        .is_pinned = numbers[10] != 0,
        .base = numbers[11],
        .kind = (enum axi_ckpt_kind)numbers[12],
        .stored_bytes = (uint32_t)numbers[13],
    };
    if (numbers[2] == 0 || numbers[0] % AXI_CKPT_BLOCK_ROWS == 0 || numbers[6] > UINT32_MAX ||
        numbers[8] <= AXI_CHECKPOINT_HEADER_BYTES || numbers[8] > AXI_CHECKPOINT_BYTES_MAX ||
        numbers[12] > AXI_CKPT_DELTA || numbers[13] > AXI_CHECKPOINT_BYTES_MAX ||
        (numbers[12] == AXI_CKPT_DELTA) != (numbers[11] != 0)) {
        return -AXC_EIO;
    }
    return 0;
}

static int load_row(struct axi_ckpt_index *index, const struct axi_ckpt_entry *entry)
{
    uint64_t block = entry->row / AXI_CKPT_BLOCK_ROWS;
    struct axi_ckpt_task *task = axi_ckpt_task_get(index, entry->id.task_id);

    if (task == NULL) {
        return -AXC_ENOMEM;
    }
    if (task->count == 0) {
        task->block = block;
    }
    if (block >= index->next_block) {
        index->next_block = block + 1;
    }
    if (entry->sequence >= index->next_sequence) {
        index->next_sequence = entry->sequence + 1;
    }
    return axi_ckpt_task_insert(task, entry);
}

int axi_ckpt_db_load(struct axi_ckpt_db *db, struct axi_ckpt_index *ret_index)
{
    sqlite3_stmt *rows = db->statements[AXI_CKPT_ALL];
    struct axi_ckpt_entry entry;
    int rc;
    int r = 0;

    while (r == 0 && (rc = sqlite3_step(rows)) == SQLITE_ROW) {
        if (decode_row(rows, &entry) == 0) {
            r = load_row(ret_index, &entry);
        }
    }
    r = r == 0 ? error_of(rc) : r;
    (void)sqlite3_reset(rows);
    return r;
}
