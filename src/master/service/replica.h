/* SPDX-License-Identifier: Apache-2.0 */
/* Replicas: tasks that belong to a service. The master's core launches and ends them; the service
 * layer (service.h) decides which there are. Part of the master's core: same rules of use. */
#ifndef AXI_MASTER_SERVICE_REPLICA_H
#define AXI_MASTER_SERVICE_REPLICA_H

#include "manifest/spec.h"
#include "master/internal.h"

struct axi_replica_request {
    const struct axi_service_spec *spec; /* name, jobs, wcets, backlog, criticality */
    uint32_t number;                     /* task name: NAME-NUMBER */
    uint64_t id;                         /* of the task; 0 = drawn */
    const struct axi_image_info *image;
    uint32_t assurance_min; /* the service's, or the degraded one */
    uint64_t node;          /* where; refused there: the replica ends with that reason */
    uint64_t release_ns; /* r of the service's grid; 0 = begin a new one (start delay from now) */
    uint64_t seed;       /* task that it takes its state from: a running replica (its node is
                            asked), else the newest checkpoint that a manager or the store has;
                            0 = from zero */
    enum axi_state_rule rule;     /* without a seed and not RESTART: one that comes too late for job
                                     0 of its grid takes the state of a replica that runs by then */
    const char *output_address;   /* of the voter; "" = none */
    uint64_t output_from;         /* of the record: handover.h */
    bool is_restored_by_managers; /* mode single; else a dead replica is LOST at once, and replaced
                                   */
    bool may_shift; /* of a seed's grid nothing runs: its next job is the first to come, and those
                       of the time in which nothing ran are not caught up */
};

/* Records and launches a replica: load, then fetch the seed's state (AFTER the image is there, so
 * that it is fresh), declare, start on the service's grid; late jobs are caught up. also:
 * operations for the same store transaction (the service's record). *ret_task: its id. Refused with
 * a reason when images or schemas make it impossible; the later end is told by
 * axi_service_replica_changed. */
AXC_MUST_USE int axi_replica_create(struct axi_master *m, const struct axi_replica_request *request,
                                    const struct axi_store_op *also, size_t also_count,
                                    uint64_t *ret_task, char *ret_reason);

/* Stops and forgets a replica in whatever state it is; repeated calls do no harm. */
void axi_replica_remove(struct axi_master *m, uint64_t task);

/* What the service layer sees of a replica. */
enum axi_replica_state {
    AXI_REPLICA_GONE = 0, /* no such task (any more) */
    AXI_REPLICA_STARTING,
    AXI_REPLICA_RUNNING,
    AXI_REPLICA_MOVING,    /* being migrated: it counts as running */
    AXI_REPLICA_RESTORING, /* by the managers */
    AXI_REPLICA_WAITING,   /* restore found no node that takes it */
    AXI_REPLICA_ENDED,     /* COMPLETED */
    AXI_REPLICA_FAILED,    /* FAILED or LOST */
    AXI_REPLICA_LEAVING,   /* being removed */
};

struct axi_replica_view {
    enum axi_replica_state state;
    uint64_t node;                                /* 0 = none */
    uint64_t next_job, completed, missed, killed; /* of the running instance */
    const char *reason;                           /* of a failure; "" */
};

void axi_replica_look(struct axi_master *m, uint64_t task, struct axi_replica_view *ret_view);

#endif
