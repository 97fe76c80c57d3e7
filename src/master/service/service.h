/* SPDX-License-Identifier: Apache-2.0 */
/* Services: what was declared is kept true. One state machine per service, driven by
 * axi_services_tick and by what is reported here; everything it decides is in the store
 * (service/<name>) before it is done, so another master goes on with it. Part of the master's core:
 * same rules of use. */
#ifndef AXI_MASTER_SERVICE_SERVICE_H
#define AXI_MASTER_SERVICE_SERVICE_H

#include "manifest/spec.h"
#include "master/internal.h"
#include "place/plan.h"

enum axi_member_role {
    AXI_MEMBER_ACTIVE = 0, /* counts */
    AXI_MEMBER_NEW,        /* being started or proved: compared, does not count yet */
    AXI_MEMBER_OLD,        /* counts until its successor does, then it is removed */
    AXI_MEMBER_GOING,      /* being removed */
};

/* A replica as the service's record knows it. */
struct axi_member {
    uint64_t task;
    uint32_t number;     /* of the replica */
    uint32_t generation; /* of the declaration it was made for */
    uint32_t image;      /* index into images; AXI_SERVICE_IMAGES_MAX: the degraded one */
    enum axi_member_role role;
    uint64_t since_ns;                            /* master time of the role */
    uint64_t good_from, missed_from, killed_from; /* counters when its proof began */
    bool is_degraded;
    uint64_t successor; /* OLD: the degraded one for which it makes room; 0 = none */
};

/* What a service goes without for a more critical one (yield_step.c). */
struct axi_yielded {
    char to[32];       /* the service or task that it made room for last; "" = it lacks nothing */
    uint64_t since_ns; /* master time */
    uint32_t replicas; /* so many fewer than declared */
};

#define AXI_MEMBERS_MAX (2u * AXI_SERVICE_REPLICAS_MAX)
#define AXI_AVOIDED_MAX 8u

/* Images by digest, as the references were resolved when they were declared; the last one is the
 * degraded one. All zero: none. */
struct axi_service_images {
    uint8_t digests[AXI_SERVICE_IMAGES_MAX + 1][32];
};

struct axi_service {
    struct axi_service_spec spec;
    json_t *declared, *previous; /* owned: the manifest, and the one before (undo); may be NULL */
    struct axi_service_images images, previous_images;
    json_t
        *rollout_record; /* owned: what rollout.c keeps of itself in the record; NULL = nothing */
    uint64_t revision;   /* of service/<name> */
    uint32_t generation; /* counts declarations that change replicas */
    uint32_t numbers;    /* highest replica number ever given */
    uint64_t release_ns; /* r of the grid; 0 = not begun */
    struct axi_member members[AXI_MEMBERS_MAX];
    uint32_t member_count;
    bool is_deleting, is_paused;
    struct axi_yielded yielded;
    /* volatile */
    uint64_t next_ns;               /* local: when to look again */
    uint64_t create_ns, backoff_ns; /* local: no replica is created before; the pause after the
                                       next failure */
    uint64_t refused_ns; /* local: a launch was refused, also an update's: no other one before */
    uint64_t short_ns;   /* local: since when a replica is missing; 0 = none is */
    uint64_t moved_ns;   /* local: when one was moved last, for room or home */
    uint64_t home_ns;    /* local: when a move home is thought of again */
    uint64_t fit_ns;     /* local: when its places are judged again */
    uint64_t wait_ns;    /* local: since when its one task waits to be restored; 0 = it does not */
    uint64_t recover_ns; /* local: when a full one is thought of again */
    uint32_t recover_looks; /* so often in a row there was a node for it */
    uint64_t room_ns;       /* local: when others yielded to it last; 0 = never */
    uint64_t room_look_ns;  /* local: when room for its one task, or a full one, is thought of again
                             */
    uint64_t yield_ns;      /* local: it is not asked to yield before */
    uint64_t return_ns;     /* local: when a replica that it goes without is thought of again */
    uint32_t return_looks;  /* so often in a row there was a node for it */
    bool is_stateless;      /* nobody has a checkpoint of it any more */
    bool wants_nodes;       /* no node took a replica: any news of nodes ends the pause */
    bool is_uncertain;      /* a commit's outcome is unknown: settled before anything else */
    struct {
        uint64_t node, until_ns; /* refused or failed there: not tried again before (local) */
    } avoided[AXI_AVOIDED_MAX];
    uint64_t bad[AXI_MEMBERS_MAX]; /* tasks that a voter complained of, not yet dealt with */
    uint32_t bad_count;
    char condition[AXI_REASON_BYTES]; /* why it is not as declared; "" = it is */
    struct axi_rollout *rollout;      /* service/rollout.c, owned; NULL = none */
};

/* ---- for the master's core ---- */
int axi_services_load(struct axi_master *m);
void axi_services_free(struct axi_master *m);
/* Local time (ns) of the next thing to do. */
uint64_t axi_services_tick(struct axi_master *m);
/* A task with record.service changed state, or is gone; the node it ran on died. */
void axi_service_replica_changed(struct axi_master *m, const struct axi_task *task, int code,
                                 const char *reason);
/* Nodes joined, left, changed, or declared something: feasibility may have changed. */
void axi_services_nodes_changed(struct axi_master *m);
/* Its lease was lost (again): a node that flaps is not used until it was quiet. */
void axi_services_node_lost(struct axi_master *m, struct axi_node *node);
/* A plain task or a replica may be placed there: neither cordoned, drained nor flapping, and of the
 * platform that was declared. ret_reason: AXI_REASON_BYTES, may be NULL. */
bool axi_node_is_open(struct axi_master *m, const struct axi_node *node, char *ret_reason);

/* No node takes this plain task: true when moves of others have begun that make room for it. */
bool axi_room_for_task(struct axi_master *m, const struct axi_record *record);
/* Host of the partition that this node runs in, "" = it is no partition on demand. */
const char *axi_partition_host(struct axi_master *m, const char *node);
/* No node takes this plain task: true when a partition starts that will. (service/partitions.c) */
bool axi_partition_for_task(struct axi_master *m, const struct axi_record *record);

/* ---- for voters.c and rebalance.c ---- */
struct axi_service *axi_service_find(struct axi_master *m, const char *name);
size_t axi_services_list(struct axi_master *m, struct axi_service ***ret_services); /* borrowed */
/* A replica was wrong or silent `bad_limit` times in a row. */
void axi_service_replica_bad(struct axi_master *m, struct axi_service *service, uint64_t task,
                             bool is_wrong);
const struct axi_node_spec *axi_node_spec_of(struct axi_master *m,
                                             const char *node); /* never NULL */
/* Name of a service that declares (or declared before, and may go back to) the image; NULL: none.
 */
const char *axi_service_using(struct axi_master *m, const uint8_t digest[32]);
const struct axi_policy_spec *axi_policy(struct axi_master *m);

/* The cluster as a problem of placement: all nodes, all tasks that occupy one, all services. Tasks
 * are in the order of m->tasks, those that occupy nothing are left out; ids tell them apart. Free
 * with axi_snapshot_free. NULL: out of memory. (service/snapshot.c) */
struct axi_snapshot {
    struct axi_plan_problem problem; /* its arrays are the snapshot's */
    void *memory;
};
struct axi_snapshot *axi_snapshot_make(struct axi_master *m);
/* The same for one replica that is to be moved: what its service demands holds for it also when it
 * is about to be replaced. */
struct axi_snapshot *axi_snapshot_for_move(struct axi_master *m, uint64_t task);
void axi_snapshot_free(struct axi_snapshot *snapshot);

#endif
