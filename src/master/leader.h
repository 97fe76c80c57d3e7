/* SPDX-License-Identifier: Apache-2.0 */
/* Who of several masters on one store leads. Passive and single-threaded like the master's core:
 * the daemon, the unit tests and the cluster simulation drive the same object.
 *
 * Every master keeps one lease in the store and two keys under it: `masters/ID` (it is there) and,
 * when it leads, `leader`. Both vanish when the lease is not kept; then whoever of the others sees
 * it first puts `leader` anew. The lease only chooses: what must not happen twice is guarded by the
 * key `master`, which the core of the new leader changes before it reads anything, and which every
 * transaction of a core compares (master.c). The core's change holds only while `leader` still has
 * the revision that axi_leader_revision tells.
 *
 * A leader that could not keep its lease for as long as it lasts steps down by its own clock, at
 * once, when another master may have taken over; one that is alone keeps on. A master that comes
 * back after a crash under the same id (its directory's, which it holds alone) knows that its
 * former life is over, and waits for no lease. */
#ifndef AXI_MASTER_LEADER_H
#define AXI_MASTER_LEADER_H

#include "base/error.h"
#include "store/store.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define AXI_LEADER_KEY "leader"
#define AXI_LEADER_MASTERS "masters/" /* prefix; the id in hex follows */
#define AXI_LEADER_LEASE_MS 2000u     /* the least that etcd grants */
#define AXI_LEADER_MASTERS_MAX 8u

/* A master as it describes itself. */
struct axi_leader_master {
    uint64_t id;     /* of its directory; never 0 */
    uint64_t boot;   /* of this life of the process */
    char name[32];   /* for people */
    char listen[64]; /* "HOST:PORT" for nodes */
    char api[64];    /* "HOST:PORT" for commands */
    uint64_t images; /* store revision up to which it has the blobs of all images */
};

struct axi_leader_config {
    struct axi_store *store;           /* borrowed */
    uint64_t (*now_ns)(void *context); /* local, counts through suspend; never 0 */
    void *context;
    uint32_t lease_ms;             /* 0 = AXI_LEADER_LEASE_MS */
    struct axi_leader_master self; /* `images` aside */
};

struct axi_leader;

AXC_MUST_USE int axi_leader_new(const struct axi_leader_config *config,
                                struct axi_leader **ret_leader);
void axi_leader_free(struct axi_leader *leader); /* NULL is fine; the keys end with their lease */

/* Does what is due, in the store too; returns the local time (ns) of the next thing. Call it before
 * the core's tick: what it took away the core must not use any more. */
uint64_t axi_leader_tick(struct axi_leader *leader);

/* It leads, in its term-th leadership (from 1); 0: it does not. A leadership lost and won again is
 * another term: the core of the former one is to be given up. */
uint64_t axi_leader_term(const struct axi_leader *leader);
/* The revision of the key `leader` while it leads; for axi_master_config.election. */
uint64_t axi_leader_revision(const struct axi_leader *leader);

/* Who leads, as far as is known: borrowed, valid until the next tick; NULL: nobody, or not known.
 */
const struct axi_leader_master *axi_leader_present(const struct axi_leader *leader);
/* The masters that are there, this one too: borrowed, valid until the next tick. */
const struct axi_leader_master *axi_leader_masters(const struct axi_leader *leader,
                                                   size_t *ret_count);
/* [{"name","role":"leader|standby","id","address","api","images"}], a new reference. */
json_t *axi_leader_json(const struct axi_leader *leader);

/* The blobs of all images up to this revision of the store are here. Until this was said first, and
 * as long as is_complete is false, it leaves it to others to lead, though not for ever. */
void axi_leader_set_images(struct axi_leader *leader, uint64_t revision, bool is_complete);

/* Orderly end: gives its keys up, so that another one leads at once. */
void axi_leader_resign(struct axi_leader *leader);

/* Gives the leadership up for a while: its core could not take over. */
void axi_leader_pass(struct axi_leader *leader);

#endif
