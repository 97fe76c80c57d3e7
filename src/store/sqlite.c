/* SPDX-License-Identifier: Apache-2.0 */
/* The store on SQLite: one file, several processes, WAL with full synchronisation: a commit that
 * returned survives a power cut. Format: docs/formats/cluster-store.md. */
#include "store/sqlite_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define APPLICATION_ID 0x41584353 /* "AXCS" */
#define USER_VERSION 2            /* version 1, without leases and deletions, is brought up */

#define HAS_ENDED "(ends_ns <= ?1 OR boot <> ?2)"
#define ENDED "(SELECT id FROM lease WHERE " HAS_ENDED ")"

static const char *const statement_text[AXI_SQL_STATEMENT_COUNT] = {
    [AXI_SQL_BEGIN] = "BEGIN IMMEDIATE",
    [AXI_SQL_BEGIN_READ] = "BEGIN",
    [AXI_SQL_COMMIT] = "COMMIT",
    [AXI_SQL_ROLLBACK] = "ROLLBACK",
    [AXI_SQL_GET] =
        ("SELECT value, revision, EXISTS (SELECT 1 FROM lease WHERE id = kv.lease AND " HAS_ENDED
         ") FROM kv WHERE key = ?3"),
    [AXI_SQL_REVISION] = "SELECT revision FROM kv WHERE key = ?1",
    [AXI_SQL_INSERT] = "INSERT INTO kv (key, value, revision, lease) VALUES (?1, ?2, ?3, ?4)",
    [AXI_SQL_UPDATE] = "UPDATE kv SET value = ?2, revision = ?3, lease = ?4 WHERE key = ?1",
    [AXI_SQL_DELETE] = "DELETE FROM kv WHERE key = ?1",
    [AXI_SQL_NEXT] = "UPDATE counter SET revision = ?1",
    [AXI_SQL_LIST] =
        "SELECT key, value, revision FROM kv WHERE key >= ?1 AND key < ?2 ORDER BY key",
    [AXI_SQL_COUNTER] = "SELECT revision, compacted, EXISTS " ENDED " FROM counter",
    [AXI_SQL_BURY] = "INSERT OR REPLACE INTO tombstone (key, revision) VALUES (?1, ?2)",
    [AXI_SQL_UNBURY] = "DELETE FROM tombstone WHERE key = ?1",
    [AXI_SQL_CHANGES] =
        ("SELECT key, value, revision, 0 FROM kv INDEXED BY kv_revision"
         " WHERE revision > ?1 AND key >= ?2 AND key < ?3 "
         "UNION ALL SELECT key, x'', revision, 1 FROM tombstone INDEXED BY tombstone_revision"
         " WHERE revision > ?1 AND key >= ?2 AND key < ?3 ORDER BY 3, 1"),
    [AXI_SQL_COMPACT_MARK] =
        ("UPDATE counter SET compacted = max(compacted, coalesce((SELECT revision FROM tombstone"
         " ORDER BY revision DESC LIMIT 1 OFFSET ?1), 0))"),
    [AXI_SQL_COMPACT] = "DELETE FROM tombstone WHERE revision <= (SELECT compacted FROM counter)",
    [AXI_SQL_LEASE_NEW] = "INSERT INTO lease (ttl_ns, ends_ns, boot) VALUES (?3, ?1 + ?3, ?2)",
    [AXI_SQL_LEASE_IS] = "SELECT 1 FROM lease WHERE id = ?3 AND ends_ns > ?1 AND boot = ?2",
    [AXI_SQL_LEASE_KEEP] = ("UPDATE lease SET ends_ns = ?1 + ttl_ns"
                            " WHERE id = ?3 AND ends_ns > ?1 AND boot = ?2"),
    [AXI_SQL_LEASE_END] = ("UPDATE lease SET ends_ns = 0"
                           " WHERE id = ?3 AND ends_ns > ?1 AND boot = ?2"),
    [AXI_SQL_ENDED] = "SELECT 1 FROM lease WHERE " HAS_ENDED " LIMIT 1",
    [AXI_SQL_ENDED_BURY] = ("INSERT OR REPLACE INTO tombstone (key, revision)"
                            " SELECT key, ?3 FROM kv WHERE lease IN " ENDED),
    [AXI_SQL_ENDED_KEYS] = "DELETE FROM kv WHERE lease <> 0 AND lease IN " ENDED,
    [AXI_SQL_ENDED_FORGET] = "DELETE FROM lease WHERE id IN " ENDED,
};

static struct axi_store_sqlite *of(struct axi_store *store)
{
    return (struct axi_store_sqlite *)store;
}

/* Before a COMMIT was tried nothing has changed, whatever went wrong. */
int axi_store_sqlite_error(int rc)
{
    return rc == SQLITE_NOMEM ? -AXC_ENOMEM : -AXC_EUNAVAILABLE;
}

sqlite3_stmt *axi_store_sqlite_prepared(struct axi_store_sqlite *s,
                                        enum axi_store_sqlite_statement which)
{
    sqlite3_reset(s->statements[which]);
    return s->statements[which];
}

int axi_store_sqlite_run(struct axi_store_sqlite *s, enum axi_store_sqlite_statement which)
{
    sqlite3_stmt *statement = s->statements[which];
    int rc = sqlite3_step(statement);

    sqlite3_reset(statement);
    return rc == SQLITE_DONE ? 0 : axi_store_sqlite_error(rc);
}

int axi_store_sqlite_begin(struct axi_store_sqlite *s)
{
    return axi_store_sqlite_run(s, AXI_SQL_BEGIN);
}

int axi_store_sqlite_end(struct axi_store_sqlite *s, int rc)
{
    if (rc == 0) {
        sqlite3_stmt *statement = axi_store_sqlite_prepared(s, AXI_SQL_COMMIT);

        rc = sqlite3_step(statement);
        sqlite3_reset(statement);
        if (rc == SQLITE_DONE) {
            return 0;
        }
        /* A lock that is still held means that nothing was written; after anything else (a failed
         * sync) only reading again tells. */
        rc = rc == SQLITE_BUSY ? -AXC_EUNAVAILABLE : -AXC_ETIMEOUT;
    }
    if (sqlite3_get_autocommit(s->db) == 0) {
        (void)axi_store_sqlite_run(s, AXI_SQL_ROLLBACK);
    }
    return rc;
}

int axi_store_sqlite_next_revision(struct axi_store_sqlite *s, uint64_t *ret_revision)
{
    sqlite3_stmt *statement;
    struct axi_store_sqlite_counter counter;
    int rc = axi_store_sqlite_counter(s, &counter);

    if (rc == 0) { /* RETURNING would make a temporary table of it each time */
        statement = axi_store_sqlite_prepared(s, AXI_SQL_NEXT);
        sqlite3_bind_int64(statement, 1, (sqlite3_int64)(counter.revision + 1));
        rc = axi_store_sqlite_run(s, AXI_SQL_NEXT);
    }
    if (rc == 0) {
        *ret_revision = counter.revision + 1;
    }
    return rc;
}

int axi_store_sqlite_copy_value(sqlite3_stmt *statement, int column,
                                struct axi_store_value *ret_value)
{
    const void *blob = sqlite3_column_blob(statement, column);
    size_t bytes = (size_t)sqlite3_column_bytes(statement, column);
    char *copy = malloc(bytes + 1);

    if (copy == NULL) {
        return -AXC_ENOMEM;
    }
    if (bytes > 0) {
        memcpy(copy, blob, bytes);
    }
    copy[bytes] = '\0';
    *ret_value = (struct axi_store_value){copy, bytes,
                                          (uint64_t)sqlite3_column_int64(statement, column + 1)};
    return 0;
}

static int sqlite_get(struct axi_store *store, const char *key, struct axi_store_value *ret_value)
{
    sqlite3_stmt *statement = axi_store_sqlite_bind_now(of(store), AXI_SQL_GET);
    int rc;

    sqlite3_bind_text(statement, 3, key, -1, SQLITE_STATIC);
    rc = sqlite3_step(statement);
    if (rc == SQLITE_ROW && sqlite3_column_int(statement, 2) != 0) {
        sqlite3_reset(statement);
        axi_store_sqlite_expire(of(store));
        rc = sqlite3_step(statement);
    }
    if (rc == SQLITE_ROW) {
        rc = axi_store_sqlite_copy_value(statement, 0, ret_value);
    } else {
        rc = rc == SQLITE_DONE ? -AXC_ENOENT : axi_store_sqlite_error(rc);
    }
    sqlite3_reset(statement);
    return rc;
}

/* Inside a transaction: 0 when the key's revision is as expected. */
static int compare(struct axi_store_sqlite *s, const struct axi_store_op *op)
{
    sqlite3_stmt *statement = axi_store_sqlite_prepared(s, AXI_SQL_REVISION);
    uint64_t revision = 0;
    int rc;

    if (op->expected == AXI_STORE_ANY) {
        return 0;
    }
    sqlite3_bind_text(statement, 1, op->key, -1, SQLITE_STATIC);
    rc = sqlite3_step(statement);
    if (rc == SQLITE_ROW) {
        revision = (uint64_t)sqlite3_column_int64(statement, 0);
    }
    sqlite3_reset(statement);
    if (rc != SQLITE_ROW && rc != SQLITE_DONE) {
        return axi_store_sqlite_error(rc);
    }
    return revision == op->expected ? 0 : -AXC_ECONFLICT;
}

/* INSERT or UPDATE. */
static int write_row(struct axi_store_sqlite *s, enum axi_store_sqlite_statement which,
                     const struct axi_store_op *op, uint64_t revision)
{
    sqlite3_stmt *statement = axi_store_sqlite_prepared(s, which);
    const void *value = op->value_bytes > 0 ? op->value : "";

    sqlite3_bind_text(statement, 1, op->key, -1, SQLITE_STATIC);
    sqlite3_bind_blob(statement, 2, value, (int)op->value_bytes, SQLITE_STATIC);
    sqlite3_bind_int64(statement, 3, (sqlite3_int64)revision);
    sqlite3_bind_int64(statement, 4, (sqlite3_int64)op->lease);
    return axi_store_sqlite_run(s, which);
}

/* A key that is there has no tombstone. */
static int put(struct axi_store_sqlite *s, const struct axi_store_op *op, uint64_t revision)
{
    sqlite3_stmt *statement;
    int rc = write_row(s, AXI_SQL_UPDATE, op, revision);

    if (rc != 0 || sqlite3_changes(s->db) > 0) {
        return rc;
    }
    rc = write_row(s, AXI_SQL_INSERT, op, revision);
    if (rc == 0) {
        statement = axi_store_sqlite_prepared(s, AXI_SQL_UNBURY);
        sqlite3_bind_text(statement, 1, op->key, -1, SQLITE_STATIC);
        rc = axi_store_sqlite_run(s, AXI_SQL_UNBURY);
    }
    return rc;
}

static int delete_key(struct axi_store_sqlite *s, const char *key, uint64_t revision)
{
    sqlite3_stmt *statement = axi_store_sqlite_prepared(s, AXI_SQL_DELETE);
    int rc;

    sqlite3_bind_text(statement, 1, key, -1, SQLITE_STATIC);
    rc = axi_store_sqlite_run(s, AXI_SQL_DELETE);
    if (rc != 0 || sqlite3_changes(s->db) == 0) {
        return rc;
    }
    statement = axi_store_sqlite_prepared(s, AXI_SQL_BURY);
    sqlite3_bind_text(statement, 1, key, -1, SQLITE_STATIC);
    sqlite3_bind_int64(statement, 2, (sqlite3_int64)revision);
    return axi_store_sqlite_run(s, AXI_SQL_BURY);
}

static int apply(struct axi_store_sqlite *s, const struct axi_store_op *op, uint64_t revision)
{
    switch (op->kind) {
    case AXI_STORE_PUT:
        return put(s, op, revision);
    case AXI_STORE_DELETE:
        return delete_key(s, op->key, revision);
    default:
        return 0;
    }
}

static int change(struct axi_store_sqlite *s, const struct axi_store_op *ops, size_t count,
                  uint64_t *ret_revision)
{
    int rc = 0;

    for (size_t i = 0; i < count && rc == 0; i++) {
        rc = compare(s, &ops[i]);
        if (rc == 0 && ops[i].kind == AXI_STORE_PUT && ops[i].lease != 0) {
            rc = axi_store_sqlite_lease_check(s, ops[i].lease);
        }
    }
    if (rc == 0) {
        rc = axi_store_sqlite_next_revision(s, ret_revision);
    }
    for (size_t i = 0; i < count && rc == 0; i++) {
        rc = apply(s, &ops[i], *ret_revision);
    }
    return rc == 0 ? axi_store_sqlite_compact(s, *ret_revision) : rc;
}

static int sqlite_commit(struct axi_store *store, const struct axi_store_op *ops, size_t count,
                         uint64_t *ret_revision)
{
    struct axi_store_sqlite *s = of(store);
    int rc = axi_store_sqlite_begin(s);

    if (rc != 0) {
        return rc;
    }
    rc = axi_store_sqlite_end_leases(s);
    return axi_store_sqlite_end(s, rc == 0 ? change(s, ops, count, ret_revision) : rc);
}

/* The least text greater than every text that starts with prefix. */
void axi_store_sqlite_prefix_end(const char *prefix, char end[AXI_STORE_KEY_MAX + 2])
{
    size_t length = strlen(prefix);

    if (length == 0) { /* beyond every key */
        memcpy(end, "\x7f", 2);
        return;
    }
    memcpy(end, prefix, length + 1);
    end[length - 1] = (char)(end[length - 1] + 1);
}

static int sqlite_list(struct axi_store *store, const char *prefix, axi_store_visit visit,
                       void *context)
{
    sqlite3_stmt *statement = axi_store_sqlite_prepared(of(store), AXI_SQL_LIST);
    char end[AXI_STORE_KEY_MAX + 2];
    int rc;
    int result = 0;

    axi_store_sqlite_expire(of(store));
    axi_store_sqlite_prefix_end(prefix, end);
    sqlite3_bind_text(statement, 1, prefix, -1, SQLITE_STATIC);
    sqlite3_bind_text(statement, 2, end, -1, SQLITE_STATIC);
    while (result == 0 && (rc = sqlite3_step(statement)) != SQLITE_DONE) {
        struct axi_store_value value;

        if (rc != SQLITE_ROW) {
            result = axi_store_sqlite_error(rc);
            break;
        }
        result = axi_store_sqlite_copy_value(statement, 1, &value);
        if (result == 0) {
            result = visit(context, (const char *)sqlite3_column_text(statement, 0), &value);
            axi_store_value_clear(&value);
        }
    }
    sqlite3_reset(statement);
    return result;
}

static void sqlite_free(struct axi_store *store)
{
    struct axi_store_sqlite *s = of(store);

    for (size_t i = 0; i < AXI_SQL_STATEMENT_COUNT; i++) {
        sqlite3_finalize(s->statements[i]);
    }
    sqlite3_close(s->db);
    free(s);
}

static const struct axi_store_ops sqlite_ops = {
    .get = sqlite_get,
    .commit = sqlite_commit,
    .list = sqlite_list,
    .changes = axi_store_sqlite_changes,
    .lease_grant = axi_store_sqlite_lease_grant,
    .lease_keep = axi_store_sqlite_lease_keep,
    .lease_revoke = axi_store_sqlite_lease_revoke,
    .free = sqlite_free,
};

static int pragma_number(sqlite3 *db, const char *pragma, int *ret_number)
{
    sqlite3_stmt *statement = NULL;
    int rc = sqlite3_prepare_v2(db, pragma, -1, &statement, NULL);

    if (rc == SQLITE_OK && sqlite3_step(statement) == SQLITE_ROW) {
        *ret_number = sqlite3_column_int(statement, 0);
    } else {
        rc = SQLITE_ERROR;
    }
    sqlite3_finalize(statement);
    return rc == SQLITE_OK ? 0 : -AXC_EIO;
}

/* A file that is another application's database is left alone. */
static int check_identity(sqlite3 *db)
{
    int application = 0;
    int version = 0;
    int rc = pragma_number(db, "PRAGMA application_id", &application);

    if (rc == 0) {
        rc = pragma_number(db, "PRAGMA user_version", &version);
    }
    if (rc != 0) {
        return rc;
    }
    if (application == 0 && version == 0) {
        int pages = 0;

        rc = pragma_number(db, "SELECT count(*) FROM sqlite_master", &pages);
        return rc != 0 || pages > 0 ? -AXC_EIO : 0;
    }
    return application == APPLICATION_ID && version >= 1 && version <= USER_VERSION ? 0 : -AXC_EIO;
}

/* Two processes may get here at once: the version is read again inside the transaction. */
static int create(sqlite3 *db)
{
    static const char *const first =
        "CREATE TABLE IF NOT EXISTS kv (key TEXT PRIMARY KEY, value BLOB NOT NULL,"
        " revision INTEGER NOT NULL) WITHOUT ROWID;"
        "CREATE TABLE IF NOT EXISTS counter (revision INTEGER NOT NULL);"
        "INSERT INTO counter SELECT 0 WHERE NOT EXISTS (SELECT 1 FROM counter);";
    static const char *const second =
        "ALTER TABLE kv ADD COLUMN lease INTEGER NOT NULL DEFAULT 0;"
        "CREATE INDEX kv_revision ON kv (revision);"
        "CREATE INDEX kv_lease ON kv (lease) WHERE lease <> 0;"
        "ALTER TABLE counter ADD COLUMN compacted INTEGER NOT NULL DEFAULT 0;"
        "UPDATE counter SET compacted = revision;"
        "CREATE TABLE tombstone (key TEXT PRIMARY KEY, revision INTEGER NOT NULL) WITHOUT ROWID;"
        "CREATE INDEX tombstone_revision ON tombstone (revision);"
        "CREATE TABLE lease (id INTEGER PRIMARY KEY AUTOINCREMENT, ttl_ns INTEGER NOT NULL,"
        " ends_ns INTEGER NOT NULL, boot TEXT NOT NULL);"
        "PRAGMA application_id = 1096303443; PRAGMA user_version = 2;";
    int version = 0;
    int rc = sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL);

    if (rc != SQLITE_OK || pragma_number(db, "PRAGMA user_version", &version) != 0) {
        return -AXC_EIO;
    }
    if (version < 1) {
        rc = sqlite3_exec(db, first, NULL, NULL, NULL);
    }
    if (version < 2 && rc == SQLITE_OK) {
        rc = sqlite3_exec(db, second, NULL, NULL, NULL);
    }
    return rc == SQLITE_OK && sqlite3_exec(db, "COMMIT", NULL, NULL, NULL) == SQLITE_OK ? 0
                                                                                        : -AXC_EIO;
}

/* A lock is held for one disk commit, a fraction of a millisecond: SQLite's own waiting in whole
 * milliseconds would be most of a claim. */
static int wait_for_lock(void *context, int tries)
{
    const struct axi_store_sqlite *s = context;
    struct timespec wait = {.tv_nsec = tries < 50 ? 100000 : 1000000};
    uint64_t waited_us = tries < 50 ? (uint64_t)tries * 100u : (uint64_t)(tries - 45) * 1000u;

    if (waited_us > s->timeout_us) {
        return 0;
    }
    (void)nanosleep(&wait, NULL);
    return 1;
}

static int open_database(struct axi_store_sqlite *s, const struct axi_store_sqlite_options *options)
{
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
    int rc;

    if (sqlite3_open_v2(options->path, &s->db, flags, NULL) != SQLITE_OK) {
        return -AXC_EIO;
    }
    s->timeout_us = (options->timeout_ms > 0 ? options->timeout_ms : 2000) * 1000ull;
    sqlite3_busy_handler(s->db, wait_for_lock, s);
    rc = check_identity(s->db);
    if (rc != 0) {
        return rc;
    }
    if (sqlite3_exec(s->db, "PRAGMA journal_mode = WAL", NULL, NULL, NULL) != SQLITE_OK ||
        sqlite3_exec(
            s->db, options->is_volatile ? "PRAGMA synchronous = OFF" : "PRAGMA synchronous = FULL",
            NULL, NULL, NULL) != SQLITE_OK) {
        return -AXC_EIO;
    }
    return create(s->db);
}

static uint64_t boottime_ns(void *context)
{
    struct timespec now;

    (void)context;
    clock_gettime(CLOCK_BOOTTIME, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* Lease times count from this start of the machine; those of another one have ended. */
static void set_clock(struct axi_store_sqlite *s, const struct axi_store_sqlite_options *options)
{
    FILE *file;

    if (options->now_ns != NULL) {
        s->now_ns = options->now_ns;
        s->clock_context = options->clock_context;
        return;
    }
    s->now_ns = boottime_ns;
    file = fopen("/proc/sys/kernel/random/boot_id", "re");
    if (file != NULL) {
        if (fgets(s->boot, sizeof(s->boot), file) == NULL) {
            s->boot[0] = '\0';
        }
        fclose(file);
    }
}

int axi_store_sqlite_new(const struct axi_store_sqlite_options *options,
                         struct axi_store **ret_store)
{
    struct axi_store_sqlite *s;
    int rc;

    if (options == NULL || options->path == NULL) {
        return -AXC_EINVALID;
    }
    s = calloc(1, sizeof(*s));
    if (s == NULL) {
        return -AXC_ENOMEM;
    }
    s->base.ops = &sqlite_ops;
    s->deletions_max = options->deletions_max > 0 ? options->deletions_max : 4096;
    set_clock(s, options);
    rc = open_database(s, options);
    for (size_t i = 0; i < AXI_SQL_STATEMENT_COUNT && rc == 0; i++) {
        rc = sqlite3_prepare_v3(s->db, statement_text[i], -1, SQLITE_PREPARE_PERSISTENT,
                                &s->statements[i], NULL) == SQLITE_OK
                 ? 0
                 : -AXC_EIO;
    }
    if (rc != 0) {
        sqlite_free(&s->base);
        return rc;
    }
    *ret_store = &s->base;
    return 0;
}
