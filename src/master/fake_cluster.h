/* SPDX-License-Identifier: Apache-2.0 */
/* For the master's unit tests: scripted nodes that answer as a node would, under virtual time, and
 * that can refuse, fall silent or die at a given message. */
#ifndef AXI_MASTER_FAKE_CLUSTER_H
#define AXI_MASTER_FAKE_CLUSTER_H

#include "core/wire.h"
#include "master/master.h"

#define FAKE_NODES 3     /* that join in fake_up */
#define FAKE_NODES_MAX 6 /* others by fake_revive */
#define FAKE_QUEUE 512

struct fake_instance {
    uint64_t task, epoch, migration;
    uint32_t state; /* enum axi_slot_state; FREE = unused */
    uint8_t elf;    /* first byte of its digest */
    uint64_t completed, missed, killed;
    uint64_t release_ns, next_job; /* master time of job 0; 0 = it was not started by Start */
    uint64_t output_from, output_until;
    bool is_listened;
};

#define FAKE_JOBS 4096u

struct fake_node {
    uint64_t id, boot, link;
    bool is_alive;
    const char *name;     /* NULL = n1, n2, ... */
    const char *platform; /* NULL = linux-x86_64 */
    uint32_t assurance;   /* 0 = realtime */
    uint32_t die_at;      /* wire type on whose receipt it dies; 0 = never */
    uint32_t refuse;      /* wire type it answers with ADMIT_LOAD */
    uint32_t ignore;      /* wire type it never answers */
    uint64_t heartbeat_ns, sequence;
    uint32_t cpu_load_ppm;
    axi_Heartbeat clock; /* what each heartbeat says of it */
    struct fake_instance instances[8];
    uint32_t received[64]; /* count per wire type */
    axi_Start start;       /* the last one */
    uint8_t object[256];   /* the last one that came in Chunks */
    size_t object_bytes;
    axi_Decision decision;
    axi_HeartbeatAck ack; /* the last one */
};

struct fake_frame {
    uint64_t link;
    size_t bytes;
    uint8_t *frame; /* NULL: the link was closed */
};

/* What is wrong with a program. */
enum fake_fault { FAKE_GOOD = 0, FAKE_MISSES, FAKE_KILLED, FAKE_FAILS, FAKE_STUCK };

struct fake_cluster {
    uint64_t now_ns, random, next_link;
    struct axi_store *store;
    struct axi_master *master;
    struct axi_master_config config;
    struct fake_node nodes[FAKE_NODES_MAX];
    struct fake_frame queue[FAKE_QUEUE];
    size_t queue_head, queue_tail;
    uint64_t peer_migration, peer_task; /* of the migration under way */
    enum fake_fault faults[8];          /* by the first byte of the ELF's digest */
    int crash_at;                       /* crash point, or -1 */
    bool has_crashed;
    char last_error_event[32];
    struct {
        uint64_t job;
        uint32_t step;
        uint8_t schema_hash[32];
    } checkpoint;               /* what nodes answer GetCheckpoint and Halt with */
    const char *listened;       /* what names of tasks begin with; NULL = none of these: */
    uint8_t put_out[FAKE_JOBS]; /* how often each of their jobs was put out */
};

void fake_up(struct fake_cluster *cluster); /* master and nodes joined, one image "work" added */
void fake_down(struct fake_cluster *cluster);
void fake_run(struct fake_cluster *cluster, uint64_t ms);
void fake_kill(struct fake_cluster *cluster, uint32_t node);
void fake_revive(struct fake_cluster *cluster, uint32_t node, uint64_t boot);
/* The master dies and a new one takes over the store; nodes reconnect with what they run. */
void fake_restart_master(struct fake_cluster *cluster);
uint32_t fake_active_count(struct fake_cluster *cluster);    /* ACTIVE instances on living nodes */
struct fake_node *fake_owner(struct fake_cluster *cluster);  /* that of task "work", or NULL */
const char *fake_state(struct fake_cluster *cluster);        /* of task "work", "" = none */
int fake_op_code(struct fake_cluster *cluster, uint64_t op); /* 1 = still running */
/* Into the store, where that of `key_task` belongs: one of `task`: 16 bytes of state, epoch 1. */
void fake_put_checkpoint(struct fake_cluster *cluster, uint64_t key_task, uint64_t task,
                         uint64_t job);

#endif
