/* SPDX-License-Identifier: Apache-2.0 */
/* A checkpoint manager's core: reads the nodes' checkpoint regions, keeps checkpoints durably,
 * watches the leases and restores the tasks of a dead node, exactly once among all managers.
 * Passive and single-threaded like master/master.h: the daemon (libuv) and the cluster simulation
 * (virtual time) drive the same object.
 *
 * Rule of use: call any entry point, then axi_cms_tick; call tick again at the time it returned.
 * The core never calls back into the caller but through the port; the port must not call entry
 * points from inside a callback.
 *
 * Restore, in words (the record is the task's record in the cluster store, cluster/record.h):
 *   1 SUSPECT  lease/<node> unchanged for lease x (1 + drift) + margin, by this manager's clock
 *   2 ASK      NewestList to every reachable peer; waits for all answers, at most grace_ns
 *   3 CLAIM    the newest (epoch, job, step) wins, ties by the higher manager id; a loser claims
 * only when the record is still unclaimed after claim_wait_ns. Compare-and-swap: record
 *              RUNNING/STARTING of the dead owner -> RESTORING with claim {manager, checkpoint}, a
 *              fresh epoch, owner 0, and the dead node's lease revision unchanged
 *   4 PLACE    LoadQuery to all nodes at hand, bounded wait; src/place filters by the records;
 *              the least loaded (CPU, then memory) of the feasible ones; a tight task prefers the
 *              manager's own node; a warm standby comes first
 *   5 LOAD     Load on the target with the fresh epoch (ImageNeed is served); STANDBY = Result 0.
 *              Refused: the next candidate, with another fresh epoch
 *   6 DECLARE  compare-and-swap: STARTING, owner = target, epoch, release_ns shifted by whole
 * periods 7 START    Chunks of the checkpoint, then Start; Result 0 or the instance is ACTIVE 8
 * RECORD   compare-and-swap: RUNNING, no claim, restored event Before DECLARE nothing can run: a
 * claimer that dies is superseded by another manager when the record did not change for
 * claim_lease_ns (RESTORING -> RESTORING, fresh epoch). After DECLARE the owner is the target,
 * whoever drives: a superseder repeats START at the same owner and epoch, or, when the target
 * answers that the instance is gone or its lease expires, claims anew. A manager that cannot reach
 * the store does nothing and says so. */
#ifndef AXI_CMS_MANAGER_H
#define AXI_CMS_MANAGER_H

#include "base/error.h"
#include "core/masters.h"
#include "store/checkpoints.h"
#include "store/store.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define AXI_CMS_LINK_NONE UINT64_MAX

struct axi_cms_port {
    void *context;
    uint64_t (*now_local_ns)(void *context); /* monotonic, counts through suspend; never 0 */
    uint64_t (*random64)(void *context);
    /* Starts a link to HOST:PORT; later comes link_up or link_down. Numbers are never used twice.
     */
    int (*connect)(void *context, const char *address, uint64_t *ret_link);
    /* Sends one whole frame, in order; queues or closes, never blocks. */
    void (*send)(void *context, uint64_t link, const uint8_t *frame, size_t frame_bytes);
    void (*close)(void *context, uint64_t link); /* no link_down follows */
    /* Memory of regions on this machine: maps path of node `node_id` read-only, whole; NULL when
     * that cannot be (other machine, gone). Unmapped when the link ends. Optional. */
    const uint8_t *(*map_regions)(void *context, uint64_t node_id, uint64_t machine_id,
                                  const char *path, size_t *ret_bytes);
    void (*unmap_regions)(void *context, const uint8_t *memory, size_t bytes);
    /* An ELF by digest: memory from malloc, freed by the core. -AXC_ENOENT: not here (yet); the
     * port then tries to get it (from the master) and the core asks again. */
    int (*get_blob)(void *context, const uint8_t digest[32], uint8_t **ret_bytes, size_t *ret_size);
    /* optional: an event; also sent to the master while it is linked. */
    void (*on_event)(void *context, const json_t *event);
    /* optional, for the simulation: see axi_cms_crash_points. True: this manager dies here. */
    bool (*crash_point)(void *context, uint32_t point);
};

struct axi_cms_config {
    struct axi_store *store;             /* cluster store; borrowed */
    struct axi_checkpoints *checkpoints; /* own; borrowed */
    uint64_t manager_id;                 /* never 0 */
    uint64_t boot_id;
    char name[32];
    char address[64]; /* for nodes and peers */
    char api_address[64];
    char master_address[AXI_MASTERS_TEXT_BYTES]; /* the masters' node ports, core/masters.h; "" =
                                                    none */
    char token[65];
    char own_node[32];        /* node on this machine, preferred for tight tasks; "" = none */
    uint64_t lease_ns;        /* of nodes, until the master says; 0 = 500 ms */
    uint64_t lease_margin_ns; /* 0 = 50 ms */
    uint32_t drift_ppm;       /* 0 = 200 */
    uint64_t grace_ns;        /* waiting for peers' answers; 0 = 20 ms */
    uint64_t claim_wait_ns;   /* a loser waits so long for the winner's claim; 0 = 100 ms */
    uint64_t claim_lease_ns;  /* a claim without progress is superseded; 0 = 1 s */
    uint64_t query_ns;        /* waiting for LoadReply; 0 = 20 ms */
    uint64_t request_ns;      /* Load, Start: silent so long = next candidate; 0 = 2 s */
    uint64_t start_delay_ns;  /* first release after Start; 0 = 20 ms */
    uint64_t tight_ns;        /* periods up to this are tight; 0 = 20 ms */
    uint32_t reads;           /* checkpoints fetched at once per node; 0 = 32 */
    bool plain_write_claim;   /* tests of the history checker only: claims without comparing */
};

struct axi_cms;

AXC_MUST_USE int axi_cms_new(const struct axi_cms_config *config, const struct axi_cms_port *port,
                             struct axi_cms **ret_cms);
void axi_cms_free(struct axi_cms *cms);

/* A link that connect began, or one that a node or peer opened (is_incoming). */
void axi_cms_link_up(struct axi_cms *cms, uint64_t link, bool is_incoming, const char *peer);
void axi_cms_link_bytes(struct axi_cms *cms, uint64_t link, const uint8_t *bytes, size_t count);
void axi_cms_link_down(struct axi_cms *cms, uint64_t link, int code);
/* A Notices frame that came as a datagram: a hint from anybody, good only for an instance that its
 * node has told of on its link. Anything else is ignored. */
void axi_cms_datagram(struct axi_cms *cms, const uint8_t *bytes, size_t count);

/* Does what is due (also polls the checkpoint store); returns the local time of the next thing. */
uint64_t axi_cms_tick(struct axi_cms *cms);
void axi_cms_shutdown(struct axi_cms *cms, const char *reason);

/* ---- what there is; each returns a new reference ---- */

/* {"id","name","address","store":"reachable|unreachable","nodes":[...],"peers":[...],
 *  "stored","stored_bytes","restores","durable_age":{"p50_ms","p99_ms"},"claims":[...]} */
json_t *axi_cms_status(struct axi_cms *cms);
/* Per task: {"task","name","node","epoch","job","step","bytes","stored_bytes","kept","pinned",
 *  "age_jobs","age_ms"}: age of the newest durable one, against the newest that was noticed. */
json_t *axi_cms_tasks(struct axi_cms *cms);
/* One task (name or id): its checkpoints, newest first. NULL: unknown. */
json_t *axi_cms_task(struct axi_cms *cms, const char *task);

/* Names of all crash points, from the restore step table. */
const char *const *axi_cms_crash_points(uint32_t *ret_count);

#endif
