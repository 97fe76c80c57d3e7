/* SPDX-License-Identifier: Apache-2.0 */
/* For the managers' unit tests: two managers on one cluster store and scripted nodes that answer as
 * a node would, under virtual time; nodes can refuse, fall silent, lie or die, managers die at a
 * crash point or lose the store. */
#ifndef AXI_CMS_FAKE_MANAGERS_H
#define AXI_CMS_FAKE_MANAGERS_H

#include "cluster/record.h"
#include "cms/manager.h"
#include "core/sched.h"
#include "core/wire.h"

#define FAKE_MANAGERS 2u
#define FAKE_NODES 3u
#define FAKE_QUEUE 1024u
#define FAKE_TASK 0x77u
#define FAKE_STATE_BYTES 16u

struct fake_instance {
    uint64_t task, epoch;
    uint32_t state; /* enum axi_slot_state; FREE = unused */
};

struct fake_node {
    uint64_t id;
    uint64_t links[FAKE_MANAGERS]; /* 0 = none */
    bool is_alive, has_lease;
    uint32_t refuse, ignore; /* wire type */
    struct fake_instance instances[4];
    uint32_t received[64]; /* count per wire type */
    axi_Start start;       /* the last ones */
    axi_Resume resume;
    axi_HeartbeatAck heartbeat_ack;
    axi_Ack ack;
    axi_SlotRead read;
    /* the checkpoint behind every notice */
    uint8_t checkpoint[256];
    size_t checkpoint_bytes;
    uint64_t write;
    bool is_torn;
};

struct fake_frame {
    uint32_t from, to; /* managers 0 and 1; FAKE_MANAGERS + n: node n */
    uint64_t link;
    size_t bytes;
    uint8_t *frame; /* NULL: closed */
};

struct fake_managers;

struct fake_store {
    struct axi_store base;
    struct fake_managers *all;
    bool is_unreachable;
};

struct fake_manager {
    struct fake_managers *all;
    uint32_t index;
    struct axi_cms *cms; /* NULL = dead */
    struct axi_checkpoints *checkpoints;
    struct fake_store store;
    int crash_at; /* crash point, or -1 */
    bool has_crashed;
    char events[4096]; /* types, separated by blanks */
};

struct fake_managers {
    uint64_t now_ns, random, next_link, leases_ns;
    struct axi_store *store;
    struct axi_cms_config config; /* what all have in common */
    struct fake_manager managers[FAKE_MANAGERS];
    struct fake_node nodes[FAKE_NODES];
    struct fake_frame queue[FAKE_QUEUE];
    size_t head, tail;
    uint64_t peer_link;
    bool has_peer_link;
};

/* Two managers, three nodes, task FAKE_TASK running on node 0 in epoch 3. */
void fakes_up(struct fake_managers *all);
void fakes_down(struct fake_managers *all);
void fakes_run(struct fake_managers *all, uint64_t ms);
void fakes_kill_manager(struct fake_managers *all, uint32_t manager);
void fakes_start_manager(struct fake_managers *all, uint32_t manager);
void fakes_kill_node(struct fake_managers *all, uint32_t node);
/* Node `node` has a checkpoint of this job in its region and tells manager `manager`. */
void fakes_notice(struct fake_managers *all, uint32_t node, uint32_t manager, uint64_t epoch,
                  uint64_t job);
void fakes_say(struct fake_managers *all, uint32_t node, uint32_t manager, uint32_t type,
               const void *message, const void *tail, size_t tail_bytes);
struct axi_record fakes_record(struct fake_managers *all);
void fakes_put(struct fake_managers *all, const struct axi_record *record);
uint32_t fakes_active(struct fake_managers *all); /* ACTIVE instances on living nodes */
bool fakes_heard(const struct fake_managers *all, uint32_t manager, const char *event);

#endif
