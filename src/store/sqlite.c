/* SPDX-License-Identifier: Apache-2.0 */
/* The store on SQLite: one file, several processes, WAL with full synchronisation: a commit that
 * returned survives a power cut. Format: docs/formats/cluster-store.md. */
#include "store/store.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define APPLICATION_ID 0x41584353 /* "AXCS" */
#define USER_VERSION 1

enum statement { BEGIN, COMMIT, ROLLBACK, GET, REVISION, PUT, DELETE, NEXT, LIST, STATEMENT_COUNT };

static const char *const statement_text[STATEMENT_COUNT] = {
    [BEGIN] = "BEGIN IMMEDIATE",
    [COMMIT] = "COMMIT",
    [ROLLBACK] = "ROLLBACK",
    [GET] = "SELECT value, revision FROM kv WHERE key = ?1",
    [REVISION] = "SELECT revision FROM kv WHERE key = ?1",
    [PUT] = ("INSERT INTO kv (key, value, revision) VALUES (?1, ?2, ?3) "
             "ON CONFLICT (key) DO UPDATE SET value = ?2, revision = ?3"),
    [DELETE] = "DELETE FROM kv WHERE key = ?1",
    [NEXT] = "UPDATE counter SET revision = revision + 1 RETURNING revision",
    [LIST] = "SELECT key, value, revision FROM kv WHERE key >= ?1 AND key < ?2 ORDER BY key",
};

struct sqlite_store {
    struct axi_store base;
    sqlite3 *db;
    sqlite3_stmt *statements[STATEMENT_COUNT];
};

static struct sqlite_store *of(struct axi_store *store)
{
    return (struct sqlite_store *)store;
}

/* Before a COMMIT was tried nothing has changed, whatever went wrong. */
static int error_before_commit(int rc)
{
    return rc == SQLITE_NOMEM ? -AXC_ENOMEM : -AXC_EUNAVAILABLE;
}

static sqlite3_stmt *prepared(struct sqlite_store *s, enum statement which)
{
    sqlite3_reset(s->statements[which]);
    return s->statements[which];
}

static int run(struct sqlite_store *s, enum statement which)
{
    sqlite3_stmt *statement = prepared(s, which);
    int rc = sqlite3_step(statement);

    sqlite3_reset(statement);
    return rc;
}

static int copy_value(sqlite3_stmt *statement, int column, struct axi_store_value *ret_value)
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
    sqlite3_stmt *statement = prepared(of(store), GET);
    int rc;

    sqlite3_bind_text(statement, 1, key, -1, SQLITE_STATIC);
    rc = sqlite3_step(statement);
    if (rc == SQLITE_ROW) {
        rc = copy_value(statement, 0, ret_value);
    } else {
        rc = rc == SQLITE_DONE ? -AXC_ENOENT : error_before_commit(rc);
    }
    sqlite3_reset(statement);
    return rc;
}

/* Inside a transaction: 0 when the key's revision is as expected. */
static int compare(struct sqlite_store *s, const struct axi_store_op *op)
{
    sqlite3_stmt *statement = prepared(s, REVISION);
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
        return error_before_commit(rc);
    }
    return revision == op->expected ? 0 : -AXC_ECONFLICT;
}

static int apply(struct sqlite_store *s, const struct axi_store_op *op, uint64_t revision)
{
    sqlite3_stmt *statement;
    int rc;

    if (op->kind == AXI_STORE_CHECK) {
        return 0;
    }
    statement = prepared(s, op->kind == AXI_STORE_PUT ? PUT : DELETE);
    sqlite3_bind_text(statement, 1, op->key, -1, SQLITE_STATIC);
    if (op->kind == AXI_STORE_PUT) {
        const void *value = op->value_bytes > 0 ? op->value : "";

        sqlite3_bind_blob(statement, 2, value, (int)op->value_bytes, SQLITE_STATIC);
        sqlite3_bind_int64(statement, 3, (sqlite3_int64)revision);
    }
    rc = sqlite3_step(statement);
    sqlite3_reset(statement);
    return rc == SQLITE_DONE ? 0 : error_before_commit(rc);
}

static int next_revision(struct sqlite_store *s, uint64_t *ret_revision)
{
    sqlite3_stmt *statement = prepared(s, NEXT);
    int rc = sqlite3_step(statement);

    if (rc == SQLITE_ROW) {
        *ret_revision = (uint64_t)sqlite3_column_int64(statement, 0);
        rc = sqlite3_step(statement); /* the update is done once the statement has ended */
    }
    sqlite3_reset(statement);
    return rc == SQLITE_DONE ? 0 : error_before_commit(rc);
}

static int change(struct sqlite_store *s, const struct axi_store_op *ops, size_t count,
                  uint64_t *ret_revision)
{
    int rc = 0;

    for (size_t i = 0; i < count && rc == 0; i++) {
        rc = compare(s, &ops[i]);
    }
    if (rc == 0) {
        rc = next_revision(s, ret_revision);
    }
    for (size_t i = 0; i < count && rc == 0; i++) {
        rc = apply(s, &ops[i], *ret_revision);
    }
    return rc;
}

static int sqlite_commit(struct axi_store *store, const struct axi_store_op *ops, size_t count,
                         uint64_t *ret_revision)
{
    struct sqlite_store *s = of(store);
    int rc = run(s, BEGIN);

    if (rc != SQLITE_DONE) {
        return error_before_commit(rc);
    }
    rc = change(s, ops, count, ret_revision);
    if (rc == 0) {
        rc = run(s, COMMIT);
        if (rc == SQLITE_DONE) {
            return 0;
        }
        /* A lock that is still held means that nothing was written; after anything else (a failed
         * sync) only reading again tells. */
        rc = rc == SQLITE_BUSY ? -AXC_EUNAVAILABLE : -AXC_ETIMEOUT;
    }
    if (sqlite3_get_autocommit(s->db) == 0) {
        run(s, ROLLBACK);
    }
    return rc;
}

/* The least text greater than every text that starts with prefix. */
static void prefix_end(const char *prefix, char end[AXI_STORE_KEY_MAX + 2])
{
    size_t length = strlen(prefix);

    memcpy(end, prefix, length + 1);
    end[length - 1] = (char)(end[length - 1] + 1);
}

static int sqlite_list(struct axi_store *store, const char *prefix, axi_store_visit visit,
                       void *context)
{
    sqlite3_stmt *statement = prepared(of(store), LIST);
    char end[AXI_STORE_KEY_MAX + 2];
    int rc;
    int result = 0;

    prefix_end(prefix, end);
    sqlite3_bind_text(statement, 1, prefix, -1, SQLITE_STATIC);
    sqlite3_bind_text(statement, 2, end, -1, SQLITE_STATIC);
    while (result == 0 && (rc = sqlite3_step(statement)) != SQLITE_DONE) {
        struct axi_store_value value;

        if (rc != SQLITE_ROW) {
            result = error_before_commit(rc);
            break;
        }
        result = copy_value(statement, 1, &value);
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
    struct sqlite_store *s = of(store);

    for (size_t i = 0; i < STATEMENT_COUNT; i++) {
        sqlite3_finalize(s->statements[i]);
    }
    sqlite3_close(s->db);
    free(s);
}

static const struct axi_store_ops sqlite_ops = {
    .get = sqlite_get, .commit = sqlite_commit, .list = sqlite_list, .free = sqlite_free};

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
    return application == APPLICATION_ID && version == USER_VERSION ? 0 : -AXC_EIO;
}

static int create(sqlite3 *db)
{
    static const char *const schema =
        "BEGIN IMMEDIATE;"
        "CREATE TABLE IF NOT EXISTS kv (key TEXT PRIMARY KEY, value BLOB NOT NULL,"
        " revision INTEGER NOT NULL) WITHOUT ROWID;"
        "CREATE TABLE IF NOT EXISTS counter (revision INTEGER NOT NULL);"
        "INSERT INTO counter SELECT 0 WHERE NOT EXISTS (SELECT 1 FROM counter);"
        "PRAGMA application_id = 1096303443; PRAGMA user_version = 1;"
        "COMMIT;";

    return sqlite3_exec(db, schema, NULL, NULL, NULL) == SQLITE_OK ? 0 : -AXC_EIO;
}

static int open_database(struct sqlite_store *s, const struct axi_store_sqlite_options *options)
{
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
    int rc;

    if (sqlite3_open_v2(options->path, &s->db, flags, NULL) != SQLITE_OK) {
        return -AXC_EIO;
    }
    sqlite3_busy_timeout(s->db, options->timeout_ms > 0 ? (int)options->timeout_ms : 2000);
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

int axi_store_sqlite_new(const struct axi_store_sqlite_options *options,
                         struct axi_store **ret_store)
{
    struct sqlite_store *s;
    int rc;

    if (options == NULL || options->path == NULL) {
        return -AXC_EINVALID;
    }
    s = calloc(1, sizeof(*s));
    if (s == NULL) {
        return -AXC_ENOMEM;
    }
    s->base.ops = &sqlite_ops;
    rc = open_database(s, options);
    for (size_t i = 0; i < STATEMENT_COUNT && rc == 0; i++) {
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
