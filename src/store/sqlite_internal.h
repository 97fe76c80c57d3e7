/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the SQLite backend share. */
#ifndef AXI_STORE_SQLITE_INTERNAL_H
#define AXI_STORE_SQLITE_INTERNAL_H

#include "store/store.h"

#include <sqlite3.h>

/* GET, COUNTER and those with ENDED or LEASE in their name take ?1 = now, ?2 = boot:
 * axi_store_sqlite_bind_now. */
enum axi_store_sqlite_statement {
    AXI_SQL_BEGIN,
    AXI_SQL_BEGIN_READ,
    AXI_SQL_COMMIT,
    AXI_SQL_ROLLBACK,
    AXI_SQL_GET,
    AXI_SQL_REVISION,
    AXI_SQL_INSERT,
    AXI_SQL_UPDATE,
    AXI_SQL_DELETE,
    AXI_SQL_NEXT,
    AXI_SQL_LIST,
    AXI_SQL_COUNTER,
    AXI_SQL_BURY,
    AXI_SQL_UNBURY,
    AXI_SQL_CHANGES,
    AXI_SQL_COMPACT_MARK,
    AXI_SQL_COMPACT,
    AXI_SQL_LEASE_NEW,
    AXI_SQL_LEASE_IS,
    AXI_SQL_LEASE_KEEP,
    AXI_SQL_LEASE_END,
    AXI_SQL_ENDED,
    AXI_SQL_ENDED_BURY,
    AXI_SQL_ENDED_KEYS,
    AXI_SQL_ENDED_FORGET,
    AXI_SQL_STATEMENT_COUNT
};

struct axi_store_sqlite {
    struct axi_store base;
    sqlite3 *db;
    sqlite3_stmt *statements[AXI_SQL_STATEMENT_COUNT];
    uint64_t (*now_ns)(void *context);
    void *clock_context;
    char boot[40];
    uint32_t deletions_max;
    uint64_t timeout_us; /* wait for another process's lock */
};

struct axi_store_sqlite_counter {
    uint64_t revision, compacted;
    bool has_ended; /* leases, whose keys are still there */
};

/* A result of SQLite before a COMMIT was tried: nothing has changed. */
int axi_store_sqlite_error(int rc);
/* The statement, reset and ready to be bound. */
sqlite3_stmt *axi_store_sqlite_prepared(struct axi_store_sqlite *s,
                                        enum axi_store_sqlite_statement which);
sqlite3_stmt *axi_store_sqlite_bind_now(struct axi_store_sqlite *s,
                                        enum axi_store_sqlite_statement which);
/* Runs a statement that yields no row; 0 or an error of before the commit. */
int axi_store_sqlite_run(struct axi_store_sqlite *s, enum axi_store_sqlite_statement which);
int axi_store_sqlite_begin(struct axi_store_sqlite *s);
/* Commits when rc is 0, else rolls back; returns rc or the commit's error. */
int axi_store_sqlite_end(struct axi_store_sqlite *s, int rc);
/* Inside a transaction. */
int axi_store_sqlite_next_revision(struct axi_store_sqlite *s, uint64_t *ret_revision);
/* Column and the one after it: value and revision. */
int axi_store_sqlite_copy_value(sqlite3_stmt *statement, int column,
                                struct axi_store_value *ret_value);
/* The least text greater than every text that starts with prefix. */
void axi_store_sqlite_prefix_end(const char *prefix, char end[AXI_STORE_KEY_MAX + 2]);

/* ---- sqlite_watch.c ---- */

/* Takes away the keys of ended leases. Best effort: whoever comes next tries again. */
void axi_store_sqlite_expire(struct axi_store_sqlite *s);
/* Inside a transaction: the keys of ended leases, if there are any, become deletions of one new
 * revision. */
int axi_store_sqlite_end_leases(struct axi_store_sqlite *s);
int axi_store_sqlite_counter(struct axi_store_sqlite *s,
                             struct axi_store_sqlite_counter *ret_counter);
/* Inside a transaction: forgets the oldest deletions now and then. */
int axi_store_sqlite_compact(struct axi_store_sqlite *s, uint64_t revision);
/* 0 or -AXC_ENOENT when the lease has ended. */
int axi_store_sqlite_lease_check(struct axi_store_sqlite *s, uint64_t lease);

int axi_store_sqlite_changes(struct axi_store *store, const char *prefix, uint64_t after,
                             axi_store_changed changed, void *context, uint64_t *ret_revision);
int axi_store_sqlite_lease_grant(struct axi_store *store, uint32_t ttl_ms, uint64_t *ret_lease);
int axi_store_sqlite_lease_keep(struct axi_store *store, uint64_t lease);
int axi_store_sqlite_lease_revoke(struct axi_store *store, uint64_t lease);

#endif
