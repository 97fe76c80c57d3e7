/* SPDX-License-Identifier: Apache-2.0 */
/* The node's side of the node protocol (core/wire.proto): joins the master, keeps the lease, loads,
 * starts, halts and migrates instances. Freestanding and passive: the port acts. The same code runs
 * in axcan-node, on bare metal and in the cluster simulation.
 *
 * Contexts. Every function here is called from ONE agent context, which is not real-time. The agent
 * speaks to the scheduler (another context) through the port's post, view, hists and set_lease, and
 * hears of it by axi_agent_trace. Port functions are called from the agent context, must not block
 * for long and must not call back into the agent, but for axi_agent_loaded from inside load. */
#ifndef AXI_CORE_AGENT_H
#define AXI_CORE_AGENT_H

#include "core/meta.h"
#include "core/sched.h"
#include "core/trace.h"
#include "core/wire.h"
#include "time/ptp_slave.h"
#include "time/timebase.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define AXI_AGENT_LINK_NONE UINT32_MAX
#define AXI_AGENT_PLATFORMS_MAX 4u
#define AXI_AGENT_DIGEST_BYTES 32u
#define AXI_AGENT_MANAGERS_MAX 8u
#define AXI_AGENT_NOTIFY_BYTES 1400u

/* Set once at start; strings are borrowed for the agent's life. Zeros mean the defaults given. */
struct axi_agent_config {
    const char *master_address; /* "host:port[,host:port...]", each as the port's connect takes it;
                                   core/masters.h */
    const char *token;          /* "" = none */
    const char *name;
    const char *version;
    const char *address; /* where peers reach this node's listener; "" = not at all (relay) */
    const char
        *reset_reason; /* why the machine was reset, for the master; NULL or "" = it was not */
    const char *platforms[AXI_AGENT_PLATFORMS_MAX]; /* best first; NULL ends the list */
    uint64_t node_id, boot_id;
    uint64_t features;
    uint64_t memory_bytes;
    uint32_t cores, frequency_mhz;
    uint32_t services;     /* AXC_SVC_* offered */
    uint32_t assurance;    /* 0 shared, 1 realtime, 2 isolated, 3 partition */
    uint32_t capacity_ppm; /* admission limit on the sum of densities */
    /* What runs beside the tasks under the same EDF (bare metal: network and agent): so much in
     * each period, counted by admission as a task. 0: nothing. */
    uint64_t server_budget_ns, server_period_ns;

    /* Limits; all memory is sized by them at init. */
    uint32_t slots;           /* instances, 1..1024 */
    uint32_t links;           /* master link and peer links at once; 0 = 8 */
    uint32_t managers_max;    /* checkpoint managers linked at once, besides; 0 = 4, at most 8 */
    uint32_t migrations;      /* known at once, both roles; 0 = 16 */
    uint32_t transfers;       /* checkpoints under way for Start, Halt, GetCheckpoint; 0 = 4 */
    uint32_t chunk_bytes;     /* tail of one Chunk; 0 = 32768, at most AXI_WIRE_TAIL_BYTES_MAX */
    uint32_t trace_records;   /* kept for a master that writes this node's history; 0 = it has its
                                 own */
    uint64_t image_bytes_max; /* largest ELF file taken; 0 = 16 MiB */
    uint32_t checkpoint_bytes_max; /* header and state; 0 = AXI_CHECKPOINT_BYTES_MAX */

    /* Times in ns. Heartbeat interval and lease come from the master. */
    uint64_t report_ns;   /* between full rounds of Reports; 0 = 1 s */
    uint64_t transfer_ns; /* a silent transfer, connect or hello is given up; 0 = 5 s */
    uint64_t retry_ns;    /* first wait before connecting again, doubles to 8 x; 0 = 200 ms */
    uint64_t notice_ns;   /* between looks for new checkpoints while tasks run; 0 = 5 ms */

    /* Checkpoint managers; the master names more. NULL ends the list. */
    const char *managers[AXI_AGENT_MANAGERS_MAX];
    uint64_t machine_id;     /* for readers on the same machine; 0 = there can be none */
    const char *region_path; /* file of core/region.h with all regions; NULL or "" = none */
    uint32_t offload_ppm;    /* processor load beyond which the master is asked to move the least
                                critical task away; 0 = never */

    struct axi_timebase *timebase; /* borrowed; the agent is its writer */

    /* Clock and deadlines, docs/time.md. A node that follows heartbeats and declares nothing makes
     * no claim on deadlines across nodes: its delta is 0. */
    bool has_clock;           /* a PTP source reports by axi_agent_clock */
    uint64_t clock_bound_ns;  /* delta declared at least; 0 = as measured */
    uint64_t latency_ns;      /* d, at least */
    bool is_latency_measured; /* d: not below the longest recent round trip to the master */
    uint64_t holdover_ns;     /* a silent source is followed so long; 0 = 60 s */

    /* Tests of the history checker only: the master's requests are taken whatever epoch they cite.
     */
    bool skip_epoch_check;
};

/* What load made, for axi_agent_loaded. */
struct axi_agent_loaded {
    const struct axi_task_meta *meta; /* the ELF's note; borrowed during the call */
    void *state;                      /* state_bytes of the spec; kept until release_slot/unload */
    struct axi_region *region;        /* empty, state_bytes of the spec; kept likewise */
    uint64_t region_offset;           /* where it lies in region_path */
};

struct axi_agent_figures {
    uint32_t cpu_load_ppm;
    uint32_t task_load_ppm; /* processor time of the jobs that ended since the former call */
    uint64_t memory_free_bytes;
};

/* The contract of a node runtime. Functions returning int: 0 or -AXC_E*. A digest is the SHA-256 of
 * an ELF file, 32 bytes. */
struct axi_agent_port {
    void *context;
    uint64_t (*now_ns)(void *context); /* local time, never back, suspend does not stop it */
    uint64_t (*random64)(void *context);

    /* Links: reliable byte streams, numbered by the port as it likes. connect starts; later comes
     * axi_agent_link_up or _link_down, never from inside. A number is not used again before
     * link_down was reported or close called. */
    int (*connect)(void *context, const char *address, uint32_t *ret_link);
    /* Queues one frame (copies it). It must take a frame without tail whenever the link is up; a
     * negative return means that the link is beyond use: the agent closes it. */
    int (*send)(void *context, uint32_t link, const uint8_t *frame, size_t bytes);
    /* Bytes that bulk data may still queue (0 = wait for axi_agent_link_writable): back-pressure.
     */
    size_t (*send_room)(void *context, uint32_t link);
    /* Sends what is queued, in bounded time, then closes. Nothing is reported of it any more. */
    void (*close)(void *context, uint32_t link);

    /* Image cache, by digest. commit checks the SHA-256 of what was written
     * (-AXC_EIMAGE_DIGEST) and keeps it; the handle ends with commit or abort. */
    bool (*image_has)(void *context, const uint8_t *digest, uint64_t *ret_bytes);
    int (*image_read)(void *context, const uint8_t *digest, uint64_t offset, void *buffer,
                      size_t bytes);
    int (*image_open)(void *context, const uint8_t *digest, uint64_t bytes, uint32_t *ret_handle);
    int (*image_write)(void *context, uint32_t handle, uint64_t offset, const void *data,
                       size_t bytes);
    int (*image_commit)(void *context, uint32_t handle);
    void (*image_abort)(void *context, uint32_t handle);

    /* Instances. The agent chooses the slot: 0..slots-1, free for the scheduler. load validates and
     * relocates the cached image spec->elf_digest into a runner for `slot` and makes state memory
     * and checkpoint region. 0: axi_agent_loaded follows, perhaps from inside; negative: refused,
     * nothing follows. spec is borrowed during the call. unload undoes a load that was never
     * INSTALLed; after INSTALL the scheduler's release_slot does. */
    int (*load)(void *context, uint32_t slot, uint64_t epoch, const axi_TaskSpec *spec);
    void (*unload)(void *context, uint32_t slot);

    /* Scheduler: axi_sched_post (and wake it), _view, _hists, _set_lease. */
    bool (*post)(void *context, const struct axi_sched_command *command);
    void (*view)(void *context, uint32_t slot, struct axi_slot_view *ret_view);
    void (*hists)(void *context, uint32_t slot, struct axi_hist *ret_response,
                  struct axi_hist *ret_exec);
    void (*set_lease)(void *context, uint64_t until_local_ns);

    void (*figures)(void *context, struct axi_agent_figures *ret_figures);
    /* Moves log lines ("level job text\n") of one instance into buffer; returns their bytes, 0 when
     * no instance has any. */
    size_t (*log_drain)(void *context, uint64_t *ret_task_id, uint64_t *ret_epoch, char *buffer,
                        size_t capacity);

    /* Optional, may be NULL: sends a Notices frame (at most AXI_AGENT_NOTIFY_BYTES) as a datagram
     * to all managers. It may get lost: each manager's link says the newest again now and then. */
    void (*notify)(void *context, const uint8_t *frame, size_t bytes);

    /* Optional, may be NULL: called at every transition of a migration, see below. The simulation
     * kills the node here. It may not come back (longjmp). */
    void (*crash_point)(void *context, uint32_t id);
};

struct axi_agent;

/* Memory: the caller gives axi_agent_bytes(config) bytes, 64-aligned, for the agent's life; 0 and
 * NULL mean that a limit is out of range. config and port are copied. */
size_t axi_agent_bytes(const struct axi_agent_config *config);
struct axi_agent *axi_agent_init(void *memory, const struct axi_agent_config *config,
                                 const struct axi_agent_port *port);

/* What happened ... An incoming link is a peer that connected to this node's listener; otherwise
 * the link is one that connect returned. code of _down: why, -AXC_E* or 0. _bytes: any piece of the
 * stream. _writable: send_room grew. Unknown links are ignored. */
void axi_agent_link_up(struct axi_agent *agent, uint32_t link, bool incoming);
void axi_agent_link_down(struct axi_agent *agent, uint32_t link, int code);
void axi_agent_link_bytes(struct axi_agent *agent, uint32_t link, const uint8_t *bytes,
                          size_t count);
void axi_agent_link_writable(struct axi_agent *agent, uint32_t link);
/* The load of `slot` ended; loaded is NULL when code is negative (nothing is left to unload). */
void axi_agent_loaded(struct axi_agent *agent, uint32_t slot, int code,
                      const struct axi_agent_loaded *loaded);
/* The PTP source has taken messages, or its state changed: what it says at local time `at`, whom it
 * follows (clock identity, big-endian; 0 = nobody), and the AXI_PTP_* bits of what happened. Master
 * time follows it from the first lock on; heartbeats steer it before and after. */
void axi_agent_clock(struct axi_agent *agent, struct axc_time_local at,
                     const struct axi_servo_estimate *estimate, uint64_t grandmaster,
                     uint32_t happened);
/* One scheduler record, in order. Lost records delay the agent by some ms, no more. */
void axi_agent_trace(struct axi_agent *agent, const struct axi_trace *record);

/* ... then tick: timers, retries, bulk data. Call it after events and by the returned local time.
 * The first call connects to the master. */
uint64_t axi_agent_tick(struct axi_agent *agent, uint64_t now_ns);

/* Says Goodbye on every link and closes them; the agent does not connect again. */
void axi_agent_leave(struct axi_agent *agent, const char *reason);

struct axi_agent_status {
    bool joined;
    int join_error;          /* what the master answered last, e.g. -AXC_EDUPLICATE_NODE; 0 */
    uint64_t lease_until_ns; /* local; 0 = none yet */
    uint64_t master_ns;      /* HelloReply.master_ns of the last join */
    uint32_t instances;
    uint32_t migrations; /* not yet ended */
    uint32_t density_ppm;
    uint32_t managers; /* linked */
    bool is_kept;      /* the master is away and a manager renews the lease */
    bool is_clocked;   /* the PTP source steers master time */
    uint64_t delta_ns; /* declared bound of the clock's error */
};
void axi_agent_get_status(const struct axi_agent *agent, struct axi_agent_status *ret_status);

/* Asks the master to move a task (0 = the least critical one) elsewhere; nothing when not joined.
 */
void axi_agent_request_offload(struct axi_agent *agent, uint64_t task_id, const char *reason);

/* The same for every task that runs here, one by one; the node will end and takes no new ones. */
void axi_agent_leave_tasks(struct axi_agent *agent, const char *reason);

struct axi_agent_manager_status {
    uint64_t id;                /* 0: not known yet */
    const char *address, *name; /* borrowed until the next event */
    bool is_linked, is_keeper;
    uint64_t notices;   /* checkpoints told of */
    uint64_t overtaken; /* overwritten before they could be told or read */
    uint64_t read_bytes;
};
/* Figures of one checkpoint manager; false when there is none with this index. */
bool axi_agent_get_manager(const struct axi_agent *agent, uint32_t index,
                           struct axi_agent_manager_status *ret_status);
/* Next job of the newest checkpoint that manager `index` holds durably, 0 when none is known. */
uint64_t axi_agent_durable_job(const struct axi_agent *agent, uint32_t index, uint64_t task_id,
                               uint64_t epoch);

/* Crash points, taken from the migration state table: "source.FROZEN.entered" (state changed,
 * nothing sent) and "source.FROZEN.told" (its messages are queued). Index = id. */
extern const char *const axi_agent_crash_points[];
extern const uint32_t axi_agent_crash_point_count;

#endif
