/* SPDX-License-Identifier: Apache-2.0 */
/* The cluster store: small linearizable key-value state with compare-and-swap on revisions. One
 * vtable, several backends (SQLite here; etcd later), one conformance suite for all of them
 * (store/conformance.h).
 *
 * Revisions work as in etcd: one global counter counts commits; a key's revision is the counter's
 * value at its last change. 0 = the key is absent. A revision never comes back.
 *
 * Results: 0; -AXC_ENOENT; -AXC_ECONFLICT (a comparison failed, nothing was changed);
 * -AXC_EUNAVAILABLE (the store was not reached, nothing was changed); -AXC_ETIMEOUT (the outcome is
 * unknown: read again to learn it); -AXC_EINVALID; -AXC_ENOMEM.
 *
 * Context: one thread per handle; calls block for one disk commit or one round trip. Several
 * handles (also of several processes) on one store are what the interface is for. */
#ifndef AXI_STORE_STORE_H
#define AXI_STORE_STORE_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

#define AXI_STORE_ANY UINT64_MAX /* expected revision: whatever it is, also absent */
#define AXI_STORE_KEY_MAX 200u   /* bytes of a key without its NUL */
#define AXI_STORE_VALUE_MAX (1024u * 1024u)
#define AXI_STORE_OPS_MAX 256u /* changes in one transaction */

enum axi_store_kind {
    AXI_STORE_PUT,
    AXI_STORE_DELETE,
    AXI_STORE_CHECK, /* compare only: the transaction holds when `expected` is the revision */
};

/* One change (or comparison) of a transaction. Borrowed during the call. */
struct axi_store_op {
    enum axi_store_kind kind;
    const char *key;
    uint64_t expected; /* revision; 0 = must be absent; AXI_STORE_ANY = no comparison */
    const void *value; /* PUT */
    size_t value_bytes;
};

/* A value read. `bytes` is followed by a NUL that value_bytes does not count; free with _clear. */
struct axi_store_value {
    char *bytes;
    size_t value_bytes;
    uint64_t revision;
};

/* Called by list for each key in ascending order; arguments borrowed during the call. Must not call
 * the store. A negative return ends the listing and is returned by it. */
typedef int (*axi_store_visit)(void *context, const char *key, const struct axi_store_value *value);

struct axi_store;

struct axi_store_ops {
    int (*get)(struct axi_store *store, const char *key, struct axi_store_value *ret_value);
    int (*commit)(struct axi_store *store, const struct axi_store_op *ops, size_t count,
                  uint64_t *ret_revision);
    int (*list)(struct axi_store *store, const char *prefix, axi_store_visit visit, void *context);
    void (*free)(struct axi_store *store);
};

/* First member of every backend's handle. */
struct axi_store {
    const struct axi_store_ops *ops;
};

/* -AXC_ENOENT when absent. */
AXC_MUST_USE int axi_store_get(struct axi_store *store, const char *key,
                               struct axi_store_value *ret_value);

/* All of the changes or none of them, atomically and durably. ret_revision (may be NULL): the
 * revision that every changed key now has. A key may occur once only. */
AXC_MUST_USE int axi_store_commit(struct axi_store *store, const struct axi_store_op *ops,
                                  size_t count, uint64_t *ret_revision);

/* One compare-and-swap: value NULL deletes. */
AXC_MUST_USE int axi_store_cas(struct axi_store *store, const char *key, uint64_t expected,
                               const void *value, size_t value_bytes, uint64_t *ret_revision);

AXC_MUST_USE int axi_store_list(struct axi_store *store, const char *prefix, axi_store_visit visit,
                                void *context);

void axi_store_value_clear(struct axi_store_value *value);
void axi_store_free(struct axi_store *store); /* NULL is fine */

struct axi_store_sqlite_options {
    const char *path;    /* file, made when absent; ":memory:" is private to the handle */
    int is_volatile;     /* tests only: no synchronous writes; a power cut may lose commits */
    uint32_t timeout_ms; /* wait for another process's lock; 0 = 2000 */
};

/* -AXC_EIO when the file cannot be opened or is no store of ours. */
AXC_MUST_USE int axi_store_sqlite_new(const struct axi_store_sqlite_options *options,
                                      struct axi_store **ret_store);

#endif
