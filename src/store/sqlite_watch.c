/* SPDX-License-Identifier: Apache-2.0 */
/* Watch and leases of the SQLite backend. A deletion is remembered as a row of `tombstone` until
 * there are too many of them; a lease ends by its time, and whoever looks next takes its keys away.
 */
#include "store/sqlite_internal.h"

static struct axi_store_sqlite *of(struct axi_store *store)
{
    return (struct axi_store_sqlite *)store;
}

sqlite3_stmt *axi_store_sqlite_bind_now(struct axi_store_sqlite *s,
                                        enum axi_store_sqlite_statement which)
{
    sqlite3_stmt *statement = axi_store_sqlite_prepared(s, which);

    sqlite3_bind_int64(statement, 1, (sqlite3_int64)s->now_ns(s->clock_context));
    sqlite3_bind_text(statement, 2, s->boot, -1, SQLITE_STATIC);
    return statement;
}

static bool has_ended_lease(struct axi_store_sqlite *s)
{
    sqlite3_stmt *statement = axi_store_sqlite_bind_now(s, AXI_SQL_ENDED);
    bool has_ended = sqlite3_step(statement) == SQLITE_ROW;

    sqlite3_reset(statement);
    return has_ended;
}

int axi_store_sqlite_end_leases(struct axi_store_sqlite *s)
{
    uint64_t revision = 0;
    int rc;

    if (!has_ended_lease(s)) {
        return 0;
    }
    rc = axi_store_sqlite_next_revision(s, &revision);
    if (rc == 0) {
        sqlite3_bind_int64(axi_store_sqlite_bind_now(s, AXI_SQL_ENDED_BURY), 3,
                           (sqlite3_int64)revision);
        rc = axi_store_sqlite_run(s, AXI_SQL_ENDED_BURY);
    }
    if (rc == 0) {
        axi_store_sqlite_bind_now(s, AXI_SQL_ENDED_KEYS);
        rc = axi_store_sqlite_run(s, AXI_SQL_ENDED_KEYS);
    }
    if (rc == 0) {
        axi_store_sqlite_bind_now(s, AXI_SQL_ENDED_FORGET);
        rc = axi_store_sqlite_run(s, AXI_SQL_ENDED_FORGET);
    }
    return rc;
}

void axi_store_sqlite_expire(struct axi_store_sqlite *s)
{
    if (has_ended_lease(s) && axi_store_sqlite_begin(s) == 0) {
        (void)axi_store_sqlite_end(s, axi_store_sqlite_end_leases(s));
    }
}

int axi_store_sqlite_compact(struct axi_store_sqlite *s, uint64_t revision)
{
    sqlite3_stmt *statement;
    int rc;

    if (revision % (s->deletions_max / 16 + 1) != 0) {
        return 0;
    }
    statement = axi_store_sqlite_prepared(s, AXI_SQL_COMPACT_MARK);
    sqlite3_bind_int64(statement, 1, s->deletions_max);
    rc = axi_store_sqlite_run(s, AXI_SQL_COMPACT_MARK);
    if (rc == 0) {
        axi_store_sqlite_prepared(s, AXI_SQL_COMPACT);
        rc = axi_store_sqlite_run(s, AXI_SQL_COMPACT);
    }
    return rc;
}

int axi_store_sqlite_counter(struct axi_store_sqlite *s,
                             struct axi_store_sqlite_counter *ret_counter)
{
    sqlite3_stmt *statement = axi_store_sqlite_bind_now(s, AXI_SQL_COUNTER);
    int rc = sqlite3_step(statement);

    if (rc == SQLITE_ROW) {
        *ret_counter = (struct axi_store_sqlite_counter){
            .revision = (uint64_t)sqlite3_column_int64(statement, 0),
            .compacted = (uint64_t)sqlite3_column_int64(statement, 1),
            .has_ended = sqlite3_column_int(statement, 2) != 0};
    }
    sqlite3_reset(statement);
    return rc == SQLITE_ROW ? 0 : axi_store_sqlite_error(rc);
}

static int report(struct axi_store_sqlite *s, const char *prefix, uint64_t after,
                  axi_store_changed changed, void *context)
{
    sqlite3_stmt *statement = axi_store_sqlite_prepared(s, AXI_SQL_CHANGES);
    char end[AXI_STORE_KEY_MAX + 2];
    int rc = SQLITE_ROW;
    int result = 0;

    axi_store_sqlite_prefix_end(prefix, end);
    sqlite3_bind_int64(statement, 1, (sqlite3_int64)after);
    sqlite3_bind_text(statement, 2, prefix, -1, SQLITE_STATIC);
    sqlite3_bind_text(statement, 3, end, -1, SQLITE_STATIC);
    while (result == 0 && (rc = sqlite3_step(statement)) == SQLITE_ROW) {
        struct axi_store_change change = {
            .key = (const char *)sqlite3_column_text(statement, 0),
            .is_deleted = sqlite3_column_int(statement, 3) != 0,
            .revision = (uint64_t)sqlite3_column_int64(statement, 2),
        };
        struct axi_store_value value;

        result = axi_store_sqlite_copy_value(statement, 1, &value);
        if (result == 0) {
            change.value = change.is_deleted ? NULL : &value;
            changed(context, &change);
            axi_store_value_clear(&value);
        }
    }
    if (result == 0 && rc != SQLITE_DONE) {
        result = axi_store_sqlite_error(rc);
    }
    sqlite3_reset(statement);
    return result;
}

int axi_store_sqlite_changes(struct axi_store *store, const char *prefix, uint64_t after,
                             axi_store_changed changed, void *context, uint64_t *ret_revision)
{
    struct axi_store_sqlite *s = of(store);
    struct axi_store_sqlite_counter counter = {0};
    int rc = axi_store_sqlite_run(s, AXI_SQL_BEGIN_READ); /* one view for counter and changes */

    if (rc != 0) {
        return rc;
    }
    rc = axi_store_sqlite_counter(s, &counter);
    if (rc == 0 && counter.has_ended) {
        (void)axi_store_sqlite_run(s, AXI_SQL_COMMIT);
        axi_store_sqlite_expire(s);
        rc = axi_store_sqlite_run(s, AXI_SQL_BEGIN_READ);
        rc = rc == 0 ? axi_store_sqlite_counter(s, &counter) : rc;
    }
    if (rc == 0 && (after == 0 || after < counter.compacted || after > counter.revision)) {
        *ret_revision = counter.revision;
        rc = -AXC_ECOMPACTED;
    } else if (rc == 0 && counter.revision != after) {
        rc = report(s, prefix, after, changed, context);
    }
    (void)axi_store_sqlite_run(s, AXI_SQL_COMMIT); /* nothing was written */
    if (rc == 0) {
        *ret_revision = counter.revision;
    }
    return rc;
}

int axi_store_sqlite_lease_check(struct axi_store_sqlite *s, uint64_t lease)
{
    sqlite3_stmt *statement = axi_store_sqlite_bind_now(s, AXI_SQL_LEASE_IS);
    int rc;

    sqlite3_bind_int64(statement, 3, (sqlite3_int64)lease);
    rc = sqlite3_step(statement);
    sqlite3_reset(statement);
    if (rc == SQLITE_ROW) {
        return 0;
    }
    return rc == SQLITE_DONE ? -AXC_ENOENT : axi_store_sqlite_error(rc);
}

int axi_store_sqlite_lease_grant(struct axi_store *store, uint32_t ttl_ms, uint64_t *ret_lease)
{
    struct axi_store_sqlite *s = of(store);
    sqlite3_int64 lease = 0;
    int rc = axi_store_sqlite_begin(s);

    if (rc != 0) {
        return rc;
    }
    rc = axi_store_sqlite_end_leases(s);
    if (rc == 0) {
        sqlite3_bind_int64(axi_store_sqlite_bind_now(s, AXI_SQL_LEASE_NEW), 3,
                           (sqlite3_int64)ttl_ms * 1000000);
        rc = axi_store_sqlite_run(s, AXI_SQL_LEASE_NEW);
    }
    lease = sqlite3_last_insert_rowid(s->db);
    rc = axi_store_sqlite_end(s, rc);
    if (rc == 0) {
        *ret_lease = (uint64_t)lease;
    }
    return rc;
}

/* Inside a transaction: runs KEEP or END. */
static int touch(struct axi_store_sqlite *s, enum axi_store_sqlite_statement which, uint64_t lease)
{
    int rc;

    sqlite3_bind_int64(axi_store_sqlite_bind_now(s, which), 3, (sqlite3_int64)lease);
    rc = axi_store_sqlite_run(s, which);
    return rc == 0 && sqlite3_changes(s->db) == 0 ? -AXC_ENOENT : rc;
}

int axi_store_sqlite_lease_keep(struct axi_store *store, uint64_t lease)
{
    struct axi_store_sqlite *s = of(store);
    int rc = axi_store_sqlite_begin(s);

    return rc != 0 ? rc : axi_store_sqlite_end(s, touch(s, AXI_SQL_LEASE_KEEP, lease));
}

int axi_store_sqlite_lease_revoke(struct axi_store *store, uint64_t lease)
{
    struct axi_store_sqlite *s = of(store);
    int rc = axi_store_sqlite_begin(s);

    if (rc != 0) {
        return rc;
    }
    rc = touch(s, AXI_SQL_LEASE_END, lease);
    return axi_store_sqlite_end(s, rc == 0 ? axi_store_sqlite_end_leases(s) : rc);
}
