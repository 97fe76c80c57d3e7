/* SPDX-License-Identifier: Apache-2.0 */
/* The task record of the cluster store (docs/formats/cluster-store.md): what master and checkpoint
 * managers know of a task, and what they change by compare-and-swap only. Host library; any thread;
 * functions keep no pointer. */
#ifndef AXI_CLUSTER_RECORD_H
#define AXI_CLUSTER_RECORD_H

#include "base/error.h"
#include "cluster/text.h"
#include "core/wire.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#define AXI_PLATFORMS_MAX 4u
#define AXI_TRIED_MAX 8u

/* Releases that may be late at once before further ones are skipped. Large, because releases inside
 * a blackout must come late and never be skipped: 10 s of a 10 ms task. */
#define AXI_BACKLOG_DEFAULT 1000u

/* Parameters of a task, the same on every platform (from the image's metadata). */
struct axi_task_spec {
    char name[32];
    uint64_t period_ns, deadline_ns, jobs;
    uint32_t state_bytes, state_version, needs, stack_bytes, criticality;
    uint32_t overrun_policy, fault_policy, restart_limit, checkpoint_every;
    uint32_t backlog_max; /* 0 = AXI_BACKLOG_DEFAULT */
    bool continue_isolated;
    uint8_t schema_hash[32];
};

struct axi_image_entry {
    char platform[24];
    uint8_t elf_digest[32];
    uint64_t elf_bytes;
    uint64_t wcet_ns; /* 0 = not known */
};

enum axi_task_state {
    AXI_TASK_PLACING = 0, /* a node is being asked; nothing of this task runs anywhere */
    AXI_TASK_STARTING,    /* owner and epoch may have been told to start */
    AXI_TASK_RUNNING,
    AXI_TASK_STOPPING,
    AXI_TASK_STOPPED,   /* checkpoint/<id> is in the store */
    AXI_TASK_RESTORING, /* claimed from a dead owner; a checkpoint is being fetched */
    AXI_TASK_COMPLETED,
    AXI_TASK_FAILED,
    AXI_TASK_LOST,
    AXI_TASK_DELETING,
    AXI_TASK_STATE_COUNT
};

enum axi_migration_phase {
    AXI_MIGRATION_NONE = 0,
    AXI_MIGRATION_PREPARING, /* no decision yet */
    AXI_MIGRATION_COMMITTED, /* owner and epoch are the target's */
    AXI_MIGRATION_ABORTED,   /* the epoch is burned; the source goes on */
};

struct axi_migration {
    enum axi_migration_phase phase;
    uint64_t id, source, source_epoch, target, epoch, wanted, started_ns;
    uint8_t token[16];
    uint32_t attempts, tried_count;
    uint64_t tried[AXI_TRIED_MAX];
    bool is_relayed, is_restore;
    char reason[AXI_REASON_BYTES];
};

/* A checkpoint by its numbers; epoch 0 = none. */
struct axi_origin {
    uint64_t epoch, job;
    uint32_t step;
};

/* Who restores the task after its owner died: states RESTORING to STARTING. */
struct axi_claim {
    uint64_t manager;    /* id of the checkpoint manager that holds the claim; 0 = the master, or
                            (RESTORING without holder) whoever comes first */
    uint64_t dead;       /* node whose instance is restored; 0 = there is no claim */
    uint64_t dead_epoch; /* epoch of that instance */
    struct axi_origin origin; /* the checkpoint it starts from; none until a manager claimed */
};

struct axi_record {
    uint64_t id;
    char name[32];
    uint8_t image[32];
    struct axi_task_spec spec;
    uint32_t entry_count;
    struct axi_image_entry entries[AXI_PLATFORMS_MAX];
    enum axi_task_state state;
    uint64_t owner, epoch, epoch_last; /* epoch_last: highest ever reserved */
    uint64_t release_ns, created_ns, pin;
    uint32_t assurance_min;
    bool has_checkpoint, is_restore; /* checkpoint/<id> is in the store; start from it */
    uint64_t holder,
        holder_epoch; /* RESTORING: who holds the checkpoint; 0 = the store or nobody */
    uint64_t checkpoint_job;
    char restorer[16];  /* "" = managers, else the master; "master" = the master alone */
    bool wants_standby; /* managers keep an instance loaded on a second node */
    uint64_t standby, standby_epoch; /* where it is, 0 = none; epoch it was loaded with */
    struct axi_claim claim;
    struct axi_origin start; /* what the record's epoch was started from: a checkpoint of an older
                                epoch; epoch 0 = from zero, or unknown. Until the epoch has a
                                checkpoint of its own, this one is as good */
    char reason[AXI_REASON_BYTES];
    struct axi_migration migration;
    /* Of a service's replica; empty and 0 of any other task. */
    char service[25];
    uint32_t replica;   /* number within the service, never used twice */
    bool is_grid_fixed; /* release_ns is the service's: what is late is caught up, never shifted */
    uint64_t seed;      /* until it runs: the task whose newest state it begins with; 0 = none */
    uint32_t seed_rule; /* enum axi_state_rule of manifest/spec.h */
    char output_address[64]; /* of its voter, HOST:PORT; "" = none */
    uint64_t output_from;    /* jobs before it put out to the voter alone; AXI_OUTPUT_NEVER: all */
    uint64_t output_until;   /* so do this one and later ones; 0 = no end */
};

#define AXI_OUTPUT_NEVER ((uint64_t)INT64_MAX)

json_t *axi_record_to_json(const struct axi_record *record);
AXC_MUST_USE int axi_record_from_json(const json_t *json, struct axi_record *ret_record);
json_t *axi_spec_to_json(const struct axi_task_spec *spec);
AXC_MUST_USE int axi_spec_from_json(const json_t *json, struct axi_task_spec *ret_spec);
json_t *axi_entries_to_json(const struct axi_image_entry *entries, uint32_t count);
AXC_MUST_USE int axi_entries_from_json(const json_t *json, struct axi_image_entry *ret_entries,
                                       uint32_t *ret_count);
const char *axi_task_state_name(enum axi_task_state state);

/* Index of the entry for the first of the node's platforms (best first), or -1. */
int axi_record_entry(const struct axi_record *record, const char *const *platforms, size_t count);
/* What a node is told of the task; entry -1 leaves out the ELF. */
void axi_record_spec_wire(const struct axi_record *record, int entry, axi_TaskSpec *ret_spec);
/* Smallest r + kT, k >= 0, for which job `job` is released at or after `earliest_ns`; r itself when
 * the grid is a service's. */
uint64_t axi_record_shift(const struct axi_record *record, uint64_t job, uint64_t earliest_ns);

#endif
