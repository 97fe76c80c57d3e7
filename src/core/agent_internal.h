/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of the agent, shared by agent*.c only.
 *
 *   agent.c            links, frames, timers          agent_join.c       hello, heartbeat, lease
 *   agent_admit.c      admission of an instance      agent_clock.c      who steers master time
 *   agent_report.c     reports, events, logs          agent_requests.c   requests of the master
 *   agent_instances.c  life of an instance            agent_migrate.c    state table, both roles
 *   agent_source.c, agent_target.c  actions of it     agent_transfer.c   bulk data
 *   agent_managers.c   links to checkpoint managers
 *   agent_notices.c    notices and slot reads on them
 *   agent_trace.c      the history of a node that has no disk
 *
 * The trace and the scheduler's view tell what an instance is; the agent never assumes that a
 * posted command was executed. */
#ifndef AXI_CORE_AGENT_INTERNAL_H
#define AXI_CORE_AGENT_INTERNAL_H

#include "base/text.h"
#include "core/agent.h"
#include "core/demand.h"
#include "core/masters.h"

#define AXI_AGENT_REASON_BYTES AXI_DEMAND_TEXT_BYTES
#define AXI_AGENT_HEARTBEATS 16u /* unacknowledged ones remembered */
#define AXI_AGENT_POLL_NS 10000000u

/* Who asked, or brings an image: a manager's link, the master whatever its link, or nobody. */
#define AXI_ORIGIN_MASTER (UINT32_MAX - 1u)
#define AXI_ORIGIN_NONE AXI_AGENT_LINK_NONE

enum axi_link_role {
    AXI_LINK_FREE = 0,
    AXI_LINK_MASTER,
    AXI_LINK_PEER_IN,
    AXI_LINK_PEER_OUT,
    AXI_LINK_MANAGER
};

struct axi_agent_link {
    uint32_t role; /* enum axi_link_role */
    uint32_t id;   /* the port's number */
    bool is_up;
    int broken; /* -AXC_E*: close it when this event is handled */
    uint64_t since_ns;
    uint64_t migration; /* peer links: id, 0 until PeerHello */
    struct axi_wire_parser parser;
};

enum axi_transfer_state {
    AXI_TRANSFER_IDLE = 0,
    AXI_TRANSFER_EXPECTED, /* asked for, nothing came yet */
    AXI_TRANSFER_RECEIVING,
    AXI_TRANSFER_SENDING,
    AXI_TRANSFER_DONE, /* received whole; buffer holds it (images are in the cache) */
};

struct axi_agent_transfer {
    uint32_t state;
    uint32_t kind; /* enum axi_wire_chunk_kind */
    uint64_t id;   /* request or migration */
    uint32_t link; /* sending: where to */
    uint32_t crc;  /* of the whole object, as every chunk says */
    uint32_t crc_so_far;
    uint64_t offset, total;
    uint64_t relay_to;
    uint64_t last_ns; /* last progress, local */
    uint8_t *buffer;  /* checkpoints; NULL for images */
    uint8_t digest[AXI_AGENT_DIGEST_BYTES];
    uint32_t handle; /* image being written */
    bool has_handle;
};

enum axi_instance_phase {
    AXI_INSTANCE_FREE = 0,
    AXI_INSTANCE_FETCHING, /* waits for the image */
    AXI_INSTANCE_LOADING,  /* the port loads */
    AXI_INSTANCE_DROPPED,  /* removed while the port loads */
    AXI_INSTANCE_INSTALLING,
    AXI_INSTANCE_READY, /* sched_state rules */
    AXI_INSTANCE_REMOVING,
};

struct axi_agent_instance {
    uint32_t phase; /* enum axi_instance_phase */
    uint32_t slot;
    uint32_t sched_state; /* enum axi_slot_state, last known */
    uint32_t unposted;    /* enum axi_sched_op that the full command ring refused; 0 = none */
    uint32_t last_op;     /* posted last */
    bool is_awaited;      /* its effect was not seen yet */
    uint64_t awaited_ns;  /* since then, local */
    axi_TaskSpec spec;
    uint64_t epoch;
    uint64_t release_ns, first_job;
    uint32_t resume_step;
    uint64_t seed; /* as Start says */
    bool is_mapped;
    uint64_t next_job, checkpoint_job;
    uint64_t completed_ns; /* master time of the last completed job, next_job - 1 */
    uint64_t migration;    /* it takes part in, or 0 */
    void *state;
    struct axi_region *region;
    uint64_t region_offset;
    uint64_t lapses;        /* of the agent when it was loaded */
    uint64_t standby_epoch; /* it was installed with this lower one; 0 = no */
    uint64_t fetch_id;      /* request or migration that fetches */
    uint32_t fetch_origin;  /* who brings the image; NONE: the migration's source */
    uint32_t fetch_attempts;
    struct axi_agent_transfer image;
};

enum axi_request_state { AXI_REQUEST_FREE = 0, AXI_REQUEST_PENDING, AXI_REQUEST_DONE };

struct axi_agent_request {
    uint32_t state;
    uint32_t type; /* enum axi_wire_type */
    uint64_t id;
    uint64_t task_id, epoch, job;
    uint32_t slot; /* of the instance it waits for */
    uint32_t origin;
    int32_t code;
    uint64_t age; /* grows: the oldest answered one is replaced first */
    bool wants_checkpoint;
    bool is_sending;
    char reason[AXI_AGENT_REASON_BYTES];
};

/* States of a migration, both roles; names are those of the crash points. */
#define AXI_MIGRATION_STATES(X)                                                                    \
    X(NONE, "none.NONE")                                                                           \
    X(S_READY, "source.READY")                                                                     \
    X(S_CONNECTING, "source.CONNECTING")                                                           \
    X(S_HELLO, "source.HELLO")                                                                     \
    X(S_SENDING, "source.SENDING")                                                                 \
    X(S_SENT, "source.SENT")                                                                       \
    X(S_FREEZING, "source.FREEZING")                                                               \
    X(S_FROZEN, "source.FROZEN")                                                                   \
    X(S_IN_DOUBT, "source.IN_DOUBT")                                                               \
    X(S_RELEASED, "source.RELEASED")                                                               \
    X(S_GONE, "source.GONE")                                                                       \
    X(S_RESUMING, "source.RESUMING")                                                               \
    X(S_RESUMED, "source.RESUMED")                                                                 \
    X(S_FAILED, "source.FAILED")                                                                   \
    X(T_RESERVED, "target.RESERVED")                                                               \
    X(T_LOADED, "target.LOADED")                                                                   \
    X(T_STANDBY, "target.STANDBY")                                                                 \
    X(T_PREPARED, "target.PREPARED")                                                               \
    X(T_ACTIVATING, "target.ACTIVATING")                                                           \
    X(T_ACTIVE, "target.ACTIVE")                                                                   \
    X(T_CONFIRMED, "target.CONFIRMED")                                                             \
    X(T_ABORTED, "target.ABORTED")                                                                 \
    X(T_FAILED, "target.FAILED")

enum axi_migration_state {
#define AXI_MIGRATION_ENUM(name, text) AXI_M_##name,
    AXI_MIGRATION_STATES(AXI_MIGRATION_ENUM)
#undef AXI_MIGRATION_ENUM
        AXI_M_STATES
};

enum axi_migration_event {
    AXI_ON_TRANSFER = 0, /* master: step 3 */
    AXI_ON_SWITCH,       /* master: step 5 */
    AXI_ON_COMMITTED,    /* master: Decision */
    AXI_ON_ABORTED,
    AXI_ON_LINK_UP, /* peer link */
    AXI_ON_LINK_DOWN,
    AXI_ON_PEER_REPLY,
    AXI_ON_SENT,       /* the object under way is queued whole */
    AXI_ON_CHECKPOINT, /* kind 2 is here whole */
    AXI_ON_FINAL,      /* kind 3 is here whole */
    AXI_ON_LOADED,     /* the instance: standby in the scheduler */
    AXI_ON_ACTIVATED,
    AXI_ON_JOB_DONE,
    AXI_ON_FROZEN,
    AXI_ON_RESUMED,
    AXI_ON_STOPPED, /* fenced, finished, failed or could not be loaded; code */
    AXI_ON_REMOVED,
    AXI_ON_TIMEOUT, /* nothing happened for transfer_ns */
    AXI_ON_EVENTS
};

struct axi_agent_migration {
    uint64_t id; /* 0 = free entry */
    uint32_t state;
    uint64_t task_id, epoch, new_epoch; /* epoch: the source's */
    uint64_t peer_id;
    uint64_t release_ns;
    uint32_t slot; /* UINT32_MAX: no instance */
    uint32_t link; /* peer link, or AXI_AGENT_LINK_NONE */
    char address[64];
    uint8_t token[16];
    bool is_relayed, is_image_sent, is_image_from_master, is_image_needed;
    uint32_t told; /* phase of the last Progress that went out; 0 = tell again */
    int told_code;
    int code; /* of FAILED */
    char reason[AXI_AGENT_REASON_BYTES];
    uint64_t job, at_master_ns;           /* of the last Progress */
    uint64_t since_ns;                    /* last progress, local */
    uint64_t asked_ns;                    /* last QueryDecision */
    struct axi_agent_transfer image;      /* source: going out */
    struct axi_agent_transfer checkpoint; /* source: going out; target: coming in */
};

struct axi_migration_input {
    int code;
    const char *reason; /* may be NULL */
    uint64_t job, master_ns;
    uint64_t release_ns; /* COMMITTED */
    bool need_image;     /* PEER_REPLY */
};

enum axi_join_state {
    AXI_JOIN_IDLE = 0,
    AXI_JOIN_CONNECTING,
    AXI_JOIN_HELLO,
    AXI_JOIN_DONE,
    AXI_JOIN_LEFT
};

enum axi_manager_state {
    AXI_MANAGER_FREE = 0,
    AXI_MANAGER_IDLE, /* connects at retry_at_ns */
    AXI_MANAGER_CONNECTING,
    AXI_MANAGER_HELLO,
    AXI_MANAGER_LINKED,
    AXI_MANAGER_PARKED, /* another entry is linked to the same manager */
};

#define AXI_AGENT_READS 64u /* unanswered SlotReads per manager */

/* What one manager knows of one instance; index = slot. */
struct axi_agent_mark {
    uint64_t noticed; /* number of the last write told */
    uint64_t acked;   /* ... and of the newest durable one */
    uint64_t acked_job;
};

struct axi_agent_manager {
    uint32_t state; /* enum axi_manager_state */
    bool is_static; /* configured: the master's list does not remove it */
    uint64_t id;    /* 0 until known */
    char address[64];
    char name[32];
    uint32_t link;
    uint64_t since_ns, retry_at_ns, retry_wait_ns;
    uint64_t again_at_ns; /* with datagrams: the newest is told on the link too */
    uint64_t notices, overtaken, read_bytes;
    axi_SlotRead reads[AXI_AGENT_READS]; /* ring */
    uint32_t read_first, read_count;
    struct axi_agent_mark *marks; /* index = slot; in the agent's block */
};

struct axi_agent_seen {
    uint64_t task_id, epoch;
};

/* A bound that is declared: it rises at once and falls when less has sufficed for a while. */
struct axi_agent_declared {
    bool is_known;
    uint64_t value_ns;
    uint64_t below_since_ns, below_max_ns; /* a smaller one would have done since; 0 = no */
};

#define AXI_AGENT_TRIPS 64u

/* Who steers master time and what it is good for. */
struct axi_agent_clock {
    bool is_steering; /* the PTP source does */
    bool is_far;      /* master time is more than 100 ms off and slews */
    struct axi_servo_estimate estimate;
    uint64_t grandmaster;
    uint64_t heard_ns; /* local time of its last update */
    uint32_t steps, jumps;
    int64_t master_offset_ns; /* own master time - the master's, while a source steers */
    struct axi_demand_margin margin;
    struct axi_agent_declared delta, latency;
    uint64_t trips_ns[AXI_AGENT_TRIPS]; /* ring: round trips to the master, its own time left out */
    uint32_t trip_count;
    uint64_t victim; /* task that should go; 0 = all is schedulable */
    uint64_t judged; /* fingerprint of what victim was found for */
};

struct axi_agent {
    struct axi_agent_config config;
    struct axi_agent_port port;
    uint64_t now_ns; /* local, of the event being handled */

    uint32_t join; /* enum axi_join_state */
    int join_error;
    bool has_refused; /* this attempt: by NOT_LEADER, and `leader` */
    char leader[AXI_MASTERS_ADDRESS_BYTES];
    struct axi_masters masters;
    uint32_t master; /* link number, or AXI_AGENT_LINK_NONE */
    uint64_t join_since_ns, retry_at_ns, retry_wait_ns;
    uint64_t heartbeat_ns, heartbeat_at_ns, report_at_ns, heard_ns, log_at_ns;
    uint64_t sequence, acknowledged;
    uint64_t lease_until_ns, lease_ns, master_ns;
    uint64_t sent_ns[AXI_AGENT_HEARTBEATS]; /* by sequence */
    uint32_t event_tokens;                  /* rate limit of misses and skips, per report round */
    uint64_t request_age;
    struct axi_trace *traces; /* ring of config.trace_records; see agent_trace.c */
    uint64_t trace_base, trace_sent, trace_next, trace_at_ns;
    bool is_trace_wanted, is_histogram_wanted;

    bool is_master_away;    /* its link was lost or could not be made */
    uint64_t lapses;        /* how often a lease began anew, the one before being over */
    uint32_t lease_origin;  /* link that the present lease came on */
    uint32_t keeper;        /* index of the manager that keeps the lease, or UINT32_MAX */
    uint64_t keeper_ack_ns; /* its last HeartbeatAck, or when it became the keeper */
    struct axi_agent_figures figures;
    uint64_t figures_ns; /* local time of figures; 0 = none yet */
    uint32_t overloads;  /* heartbeats in a row with too much load */
    uint64_t offload_at_ns;

    struct axi_agent_clock clock;

    uint32_t link_count; /* config.links and then one per manager */
    struct axi_agent_link *links;
    struct axi_agent_manager *managers;
    struct axi_agent_mark *marks;         /* config.slots per manager, and for the group */
    struct axi_agent_manager group;       /* port.notify: all of them at once; has marks only */
    struct axi_agent_instance *instances; /* index = slot */
    struct axi_agent_migration *migrations;
    struct axi_agent_transfer *transfers;
    struct axi_agent_request *requests;
    uint32_t request_count;
    struct axi_agent_seen *seen;
    uint32_t seen_count, seen_next;
    struct axi_demand_task *demand; /* scratch for admission: slots and the server */
    uint8_t *frame;                 /* AXI_WIRE_FRAME_BYTES_MAX */
    uint8_t *chunk;                 /* chunk_bytes */
    union axi_wire_message message; /* the frame being handled */
    axi_Report report;              /* scratch */
    axi_Notices notices;            /* scratch */
    struct axi_hist response, exec; /* scratch */
};

/* agent.c */
void axi_agent_send(struct axi_agent *agent, uint32_t link, uint32_t type, const void *message);
/* To the master when joined; dropped otherwise (what matters is told again after a join). */
void axi_agent_tell_master(struct axi_agent *agent, uint32_t type, const void *message);
/* To whoever asked, as long as there is somebody. */
void axi_agent_answer(struct axi_agent *agent, uint32_t origin, uint32_t type, const void *message);
/* To who keeps the lease: the master when joined, else the keeper among the managers. */
void axi_agent_tell_keeper(struct axi_agent *agent, uint32_t type, const void *message);
bool axi_agent_has_keeper(const struct axi_agent *agent);
struct axi_agent_link *axi_agent_find_link(struct axi_agent *agent, uint32_t id);
struct axi_agent_link *axi_agent_add_link(struct axi_agent *agent, uint32_t id, uint32_t role);
/* Goodbye (when up) and close. The migration it served is told when is_told. */
void axi_agent_close_link(struct axi_agent *agent, uint32_t id, int code, const char *reason);

/* agent_join.c */
void axi_agent_join_up(struct axi_agent *agent);
void axi_agent_join_down(struct axi_agent *agent, int code);
void axi_agent_on_hello_reply(struct axi_agent *agent, const axi_HelloReply *reply);
void axi_agent_on_heartbeat_ack(struct axi_agent *agent, uint32_t origin,
                                const axi_HeartbeatAck *ack);
uint64_t axi_agent_join_tick(struct axi_agent *agent); /* returns when next */
/* Not joined: picks a manager as keeper and sends it the heartbeats. */
uint64_t axi_agent_keeper_tick(struct axi_agent *agent);
/* False from start to the first sample of the master's clock: a release would come at any time. */
bool axi_agent_knows_time(struct axi_agent *agent);
void axi_agent_refresh_figures(struct axi_agent *agent);

/* agent_clock.c */
/* A heartbeat's round trip: master_ns is what the master's clock showed when it came there. */
void axi_agent_clock_sample(struct axi_agent *agent, uint64_t sent_ns, uint64_t received_ns,
                            uint64_t master_ns);
void axi_agent_clock_tick(struct axi_agent *agent);
void axi_agent_clock_fill(struct axi_agent *agent, axi_Heartbeat *heartbeat);

/* agent_managers.c, agent_notices.c */
struct axi_agent_manager *axi_manager_by_link(struct axi_agent *agent, uint32_t link);
/* Tells of every write that is new to it (or the group), as far as there is room. */
void axi_manager_notice(struct axi_agent *agent, struct axi_agent_manager *manager);
/* Tells of the newest write of each instance, unless it did already. */
void axi_manager_notice_newest(struct axi_agent *agent, struct axi_agent_manager *manager);
void axi_managers_init(struct axi_agent *agent);
void axi_managers_on_list(struct axi_agent *agent, const axi_Managers *list);
void axi_managers_link_up(struct axi_agent *agent, struct axi_agent_link *link);
void axi_managers_link_down(struct axi_agent *agent, uint32_t link, int code);
bool axi_managers_allow(const struct axi_agent *agent, const struct axi_agent_link *link,
                        uint32_t type);
void axi_managers_on_reply(struct axi_agent *agent, struct axi_agent_link *link,
                           const axi_ManagerReply *reply);
void axi_managers_on_read(struct axi_agent *agent, struct axi_agent_link *link,
                          const axi_SlotRead *read);
void axi_managers_on_acks(struct axi_agent *agent, const struct axi_agent_link *link,
                          const axi_Acks *acks);
void axi_managers_on_query(struct axi_agent *agent, const struct axi_agent_link *link,
                           const axi_LoadQuery *query);
void axi_managers_forget_slot(struct axi_agent *agent, uint32_t slot);
uint64_t axi_managers_durable_job(const struct axi_agent *agent, uint32_t slot);
/* Answers reads while there is room; true when it could go on at once. */
bool axi_managers_pump(struct axi_agent *agent);
uint64_t axi_managers_tick(struct axi_agent *agent);

/* agent_report.c */
void axi_agent_report_all(struct axi_agent *agent);
void axi_agent_report_one(struct axi_agent *agent, struct axi_agent_instance *instance);
void axi_agent_send_event(struct axi_agent *agent, const struct axi_trace *record);
void axi_agent_send_logs(struct axi_agent *agent);
int axi_agent_send_profile(struct axi_agent *agent, uint64_t request, uint32_t slot);

/* agent_trace.c */
void axi_agent_keep_trace(struct axi_agent *agent, const struct axi_trace *record);
void axi_agent_trace_joined(struct axi_agent *agent, uint64_t features);
void axi_agent_on_trace_ack(struct axi_agent *agent, const axi_TraceAck *ack);
uint64_t axi_agent_send_traces(struct axi_agent *agent); /* when joined; returns when next */

/* agent_requests.c */
void axi_agent_on_request(struct axi_agent *agent, uint32_t origin, uint32_t type,
                          const union axi_wire_message *m);
/* Nobody waits on this link any more. */
void axi_requests_link_down(struct axi_agent *agent, uint32_t link);
void axi_request_done(struct axi_agent *agent, struct axi_agent_request *request, int code,
                      const char *reason);
/* Answers all pending requests of this type (0 = any) that wait for the slot. */
void axi_requests_done(struct axi_agent *agent, uint32_t slot, uint32_t type, int code,
                       const char *reason);
/* The instance stopped: Halts that wait for it may be answered. */
void axi_requests_halted(struct axi_agent *agent, uint32_t slot);
void axi_request_sent(struct axi_agent *agent, uint64_t id);   /* its chunks are queued */
void axi_request_unsent(struct axi_agent *agent, uint64_t id); /* the link went: send anew later */
void axi_agent_retry_requests(struct axi_agent *agent);

/* agent_admit.c, agent_instances.c */
uint64_t axi_agent_epoch_seen(const struct axi_agent *agent, uint64_t task_id);
void axi_agent_see_epoch(struct axi_agent *agent, uint64_t task_id, uint64_t epoch);
/* The task that should leave because what runs here is not schedulable any more: one whose D' is
 * below its C, else the least critical one; 0 = all is schedulable. */
uint64_t axi_agent_find_victim(struct axi_agent *agent);
struct axi_agent_instance *axi_instance_find(struct axi_agent *agent, uint64_t task_id,
                                             uint64_t epoch);
/* Admits and reserves; -AXC_EADMIT_*, -AXC_EEXIST, ... with reason. The instance then fetches and
 * loads by itself. */
int axi_instance_create(struct axi_agent *agent, const axi_TaskSpec *spec, uint64_t epoch,
                        uint64_t fetch_id, uint64_t migration, uint32_t fetch_origin, char *reason,
                        size_t reason_bytes, struct axi_agent_instance **ret_instance);
void axi_instance_fetch(struct axi_agent *agent, struct axi_agent_instance *instance);
void axi_instance_image_here(struct axi_agent *agent, struct axi_agent_instance *instance);
void axi_instance_fail(struct axi_agent *agent, struct axi_agent_instance *instance, int code,
                       const char *reason);
void axi_instance_post(struct axi_agent *agent, struct axi_agent_instance *instance, uint32_t op);
/* Which jobs put out, as the spec says now; false: the scheduler takes no command at present. */
bool axi_instance_post_output(struct axi_agent *agent, const struct axi_agent_instance *instance);
void axi_instance_remove(struct axi_agent *agent, struct axi_agent_instance *instance);
/* Copies the newest checkpoint into buffer (checkpoint_bytes_max); of a stopped instance with the
 * job that runs next. */
int axi_instance_read_checkpoint(struct axi_agent *agent, const struct axi_agent_instance *instance,
                                 uint8_t *buffer, size_t *ret_bytes);
/* Checks a received checkpoint against the instance and stores it in the region. */
int axi_instance_take_checkpoint(struct axi_agent *agent, struct axi_agent_instance *instance,
                                 const uint8_t *bytes, size_t count, uint64_t epoch_min,
                                 uint64_t job_min, struct axi_checkpoint *ret_header);
/* The scheduler may still call a promoted standby by its former epoch. */
bool axi_instance_has_epoch(const struct axi_agent_instance *instance, uint64_t epoch);
bool axi_instance_is_stopped(const struct axi_agent_instance *instance);
uint32_t axi_agent_density_ppm(const struct axi_agent *agent);
uint32_t axi_agent_free_slots(const struct axi_agent *agent);
uint64_t axi_agent_instances_tick(struct axi_agent *agent);

/* agent_migrate.c */
struct axi_agent_migration *axi_migration_find(struct axi_agent *agent, uint64_t id);
struct axi_agent_migration *axi_migration_add(struct axi_agent *agent, uint64_t id);
bool axi_migration_is_final(const struct axi_agent_migration *m);
bool axi_migration_is_source(const struct axi_agent_migration *m);
/* An undecided migration holds the instance. */
bool axi_migration_holds(struct axi_agent *agent, const struct axi_agent_instance *instance);
void axi_migration_event(struct axi_agent *agent, struct axi_agent_migration *m, uint32_t event,
                         const struct axi_migration_input *input);
/* Changes the state, passes the crash point, tells the master, passes the next one. */
void axi_migration_enter(struct axi_agent *agent, struct axi_agent_migration *m, uint32_t state);
void axi_migration_tell(struct axi_agent *agent, struct axi_agent_migration *m);
void axi_migration_tell_unknown(struct axi_agent *agent, uint64_t id, uint64_t task_id);
void axi_migration_query(struct axi_agent *agent, struct axi_agent_migration *m);
void axi_migration_set_failure(struct axi_agent_migration *m, int code, const char *reason);
void axi_migration_drop_link(struct axi_agent *agent, struct axi_agent_migration *m, int code);
struct axi_agent_instance *axi_migration_instance(struct axi_agent *agent,
                                                  const struct axi_agent_migration *m);
void axi_agent_on_step(struct axi_agent *agent, uint32_t type, const union axi_wire_message *m);
void axi_migrations_rejoin(struct axi_agent *agent);
uint64_t axi_agent_migrations_tick(struct axi_agent *agent);

/* agent_source.c, agent_target.c */
void axi_source_open(struct axi_agent *agent, struct axi_agent_request *request,
                     const axi_MigrateOut *out);
void axi_target_open(struct axi_agent *agent, struct axi_agent_request *request,
                     const axi_MigrateIn *in);
void axi_target_on_peer_hello(struct axi_agent *agent, struct axi_agent_link *link,
                              const axi_PeerHello *hello);
void axi_source_on_peer_reply(struct axi_agent *agent, struct axi_agent_link *link,
                              const axi_PeerReply *reply);
typedef void (*axi_migration_action)(struct axi_agent *agent, struct axi_agent_migration *m,
                                     const struct axi_migration_input *input);
#define AXI_MIGRATION_ACTIONS(X)                                                                   \
    X(source_begin)                                                                                \
    X(source_hello)                                                                                \
    X(source_reply)                                                                                \
    X(source_next)                                                                                 \
    X(source_freeze)                                                                               \
    X(source_frozen)                                                                               \
    X(source_sent)                                                                                 \
    X(source_cut)                                                                                  \
    X(source_fail)                                                                                 \
    X(source_release)                                                                              \
    X(source_cancel)                                                                               \
    X(source_resume)                                                                               \
    X(source_resumed)                                                                              \
    X(source_gone)                                                                                 \
    X(target_loaded)                                                                               \
    X(target_checkpoint)                                                                           \
    X(target_final)                                                                                \
    X(target_fail)                                                                                 \
    X(target_abort)                                                                                \
    X(target_activate)                                                                             \
    X(target_activated)                                                                            \
    X(target_confirmed)                                                                            \
    X(target_lost)                                                                                 \
    X(migration_contradiction)                                                                     \
    X(migration_forget_link)                                                                       \
    X(migration_query)                                                                             \
    X(migration_tell_again)
#define AXI_MIGRATION_ACTION(name)                                                                 \
    void axi_##name##_action(struct axi_agent *agent, struct axi_agent_migration *m,               \
                             const struct axi_migration_input *input);
AXI_MIGRATION_ACTIONS(AXI_MIGRATION_ACTION)
#undef AXI_MIGRATION_ACTION

/* agent_transfer.c */
void axi_transfer_reset(struct axi_agent *agent, struct axi_agent_transfer *transfer);
int axi_transfer_send_buffer(struct axi_agent *agent, struct axi_agent_transfer *transfer,
                             uint32_t link, uint64_t id, uint32_t kind, size_t bytes,
                             uint64_t relay_to);
int axi_transfer_send_image(struct axi_agent *agent, struct axi_agent_transfer *transfer,
                            uint32_t link, uint64_t id, const uint8_t *digest, uint64_t relay_to);
void axi_agent_on_chunk(struct axi_agent *agent, struct axi_agent_link *link,
                        const axi_Chunk *chunk, const uint8_t *tail, size_t tail_bytes);
struct axi_agent_transfer *axi_agent_take_transfer(struct axi_agent *agent);
struct axi_agent_transfer *axi_agent_find_transfer(struct axi_agent *agent, uint64_t id);
/* Sends chunks while the links have room. Returns when it wants to be called again. */
uint64_t axi_agent_pump(struct axi_agent *agent);
/* What went to or came from a link that is gone. */
void axi_transfers_link_down(struct axi_agent *agent, uint32_t link);

#endif
