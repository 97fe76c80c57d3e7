/* SPDX-License-Identifier: Apache-2.0 */
/* The cluster store: small linearizable key-value state with compare-and-swap on revisions, leases
 * and watch. One vtable, several backends (SQLite on one machine, etcd on more), one conformance
 * suite for all of them (store/conformance.h).
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

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define AXI_STORE_ANY UINT64_MAX /* expected revision: whatever it is, also absent */
#define AXI_STORE_KEY_MAX 200u   /* bytes of a key without its NUL */
#define AXI_STORE_VALUE_MAX (1024u * 1024u)
#define AXI_STORE_OPS_MAX                                                                          \
    128u /* operations of one transaction, comparisons too; etcd's own limit */
#define AXI_STORE_REASON_BYTES 160u

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
    uint64_t lease; /* PUT: the key goes when this lease ends; 0 = it stays */
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

/* One change seen by a watch; is_deleted: value is NULL. Borrowed during the call. */
struct axi_store_change {
    const char *key;
    bool is_deleted;
    uint64_t revision;
    const struct axi_store_value *value;
};
typedef void (*axi_store_changed)(void *context, const struct axi_store_change *change);

/* One member of a store that has several, as it answered last. */
struct axi_store_member {
    char name[128]; /* HOST:PORT; "" = no such member */
    bool is_lost;   /* it did not answer twice in a row, or said that it belongs to no majority */
    bool is_silent; /* it is lost since nobody answers there */
};

#define AXI_STORE_MEMBERS_MAX 9u

struct axi_store;

struct axi_store_ops {
    int (*get)(struct axi_store *store, const char *key, struct axi_store_value *ret_value);
    int (*commit)(struct axi_store *store, const struct axi_store_op *ops, size_t count,
                  uint64_t *ret_revision);
    int (*list)(struct axi_store *store, const char *prefix, axi_store_visit visit, void *context);
    int (*changes)(struct axi_store *store, const char *prefix, uint64_t after,
                   axi_store_changed changed, void *context, uint64_t *ret_revision);
    int (*lease_grant)(struct axi_store *store, uint32_t ttl_ms, uint64_t *ret_lease);
    int (*lease_keep)(struct axi_store *store, uint64_t lease);
    int (*lease_revoke)(struct axi_store *store, uint64_t lease);
    /* optional: how each member is */
    void (*members)(struct axi_store *store, struct axi_store_member members[]);
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

/* Watch: reports every change of keys below `prefix` ("": of all keys) after revision `after`, in
 * ascending order of revisions, then returns; it does not wait. *ret_revision: what to give as
 * `after` next time. A key changed several times may be reported by its newest change only.
 * -AXC_ECOMPACTED: the store no longer knows what happened since then, or `after` is 0 (the first
 * call): list, and go on from *ret_revision, which is set in this case too. After another error
 * what was reported already is reported again. `changed` must not call the store. Cheap when
 * nothing changed: call it every few ms. A backend may see a change of another handle some ms late,
 * its own included; what is reported late is still reported in order. */
AXC_MUST_USE int axi_store_changes(struct axi_store *store, const char *prefix, uint64_t after,
                                   axi_store_changed changed, void *context,
                                   uint64_t *ret_revision);

/* Leases: keys put with a lease vanish when it was not kept for its TTL (at the earliest then; a
 * little later is allowed). For presence and leadership hints only: what must not happen twice is
 * guarded by revisions. ttl_ms: 100 to 600000; a backend may round up (etcd: to 2 s at least).
 * lease_keep, lease_revoke and a PUT with the lease: -AXC_ENOENT when it has ended. A PUT without
 * lease takes a key from its lease. */
AXC_MUST_USE int axi_store_lease_grant(struct axi_store *store, uint32_t ttl_ms,
                                       uint64_t *ret_lease);
AXC_MUST_USE int axi_store_lease_keep(struct axi_store *store, uint64_t lease);
AXC_MUST_USE int axi_store_lease_revoke(struct axi_store *store, uint64_t lease);

/* The members of a store of several, each asked for its status now and then; never waits: what was
 * asked is looked after at the next call, so call it every few 100 ms at least. `members` (as many
 * as AXI_STORE_MEMBERS_MAX) is what the last call left there, zeroed before the first one;
 * `changed` (may be NULL) is called for each member that was lost or came back since then. It must
 * not call the store. A store without members leaves `members` as it is. */
typedef void (*axi_store_member_changed)(void *context, const struct axi_store_member *member);
void axi_store_members(struct axi_store *store, struct axi_store_member members[],
                       axi_store_member_changed changed, void *context);

void axi_store_value_clear(struct axi_store_value *value);
void axi_store_free(struct axi_store *store); /* NULL is fine */

struct axi_store_sqlite_options {
    const char *path;       /* file, made when absent; ":memory:" is private to the handle */
    int is_volatile;        /* tests only: no synchronous writes; a power cut may lose commits */
    uint32_t timeout_ms;    /* wait for another process's lock; 0 = 2000 */
    uint32_t deletions_max; /* deletions remembered for changes(), roughly; 0 = 4096 */
    uint64_t (*now_ns)(void *context); /* clock of leases, never backwards; NULL: CLOCK_BOOTTIME */
    void *clock_context;
};

/* -AXC_EIO when the file cannot be opened or is no store of ours. */
AXC_MUST_USE int axi_store_sqlite_new(const struct axi_store_sqlite_options *options,
                                      struct axi_store **ret_store);

/* By location: "sqlite:PATH" or PATH, or "etcd://HOST:PORT[,HOST:PORT...][/PREFIX]" (PREFIX default
 * "axcan"; etcd's v3 JSON gateway). An error comes with ret_reason (AXI_STORE_REASON_BYTES, may be
 * NULL): -AXC_EINVALID for a location that makes no sense, else as the backend's _new. */
AXC_MUST_USE int axi_store_open(const char *location, struct axi_store **ret_store,
                                char *ret_reason);

#endif
