/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the master's core share. Nothing outside src/master includes it.
 *
 * A task has one record (in the store; its copy here is what the store said last) and one flow: the
 * step of whatever the master is doing with it. A step's `drive` may run any number of times: at
 * entry, at every retry interval, after a reconnect, and first thing in a new master; so every
 * drive is idempotent. axi_flow_resume derives the step from the record alone. */
#ifndef AXI_MASTER_INTERNAL_H
#define AXI_MASTER_INTERNAL_H

#include "cluster/record.h"
#include "cluster/text.h"
#include "core/sched.h"
#include "core/wire.h"
#include "master/master.h"
#include "place/place.h"

#include <stdarg.h>

/* ---- flows ---- */

/* X(STEP, name, drive, timeout). The order is the numbering of the crash points. */
#define AXI_STEP_LIST(X)                                                                           \
    X(IDLE, "idle", axi_idle, NULL)                                                                \
    X(LAUNCH_PLACE, "place", axi_launch_place, NULL)                                               \
    X(LAUNCH_LOAD, "load", axi_launch_load, axi_launch_timeout)                                    \
    X(LAUNCH_SEED, "seed", axi_launch_seed, axi_launch_seed_timeout)                               \
    X(LAUNCH_DECLARE, "declare", axi_launch_declare, NULL)                                         \
    X(LAUNCH_START, "start", axi_launch_start, NULL)                                               \
    X(LAUNCH_RECORD, "record", axi_launch_record, NULL)                                            \
    X(STOP_HALT, "halt", axi_stop_halt, NULL)                                                      \
    X(STOP_RECORD, "keep", axi_stop_record, NULL)                                                  \
    X(STOP_REMOVE, "remove", axi_stop_remove, axi_stop_remove_timeout)                             \
    X(DELETE_REMOVE, "unload", axi_delete_remove, NULL)                                            \
    X(DELETE_RECORD, "forget", axi_delete_record, NULL)                                            \
    X(MIGRATE_RESERVE, "reserve", axi_migrate_reserve, NULL)                                       \
    X(MIGRATE_PREPARE, "prepare", axi_migrate_prepare, axi_migrate_timeout)                        \
    X(MIGRATE_TRANSFER, "transfer", axi_migrate_transfer, axi_migrate_timeout)                     \
    X(MIGRATE_SWITCH, "switch", axi_migrate_switch, axi_migrate_timeout)                           \
    X(MIGRATE_COMMIT, "commit", axi_migrate_commit, NULL)                                          \
    X(MIGRATE_ACTIVATE, "activate", axi_migrate_activate, NULL)                                    \
    X(MIGRATE_CONFIRM, "confirm", axi_migrate_activate, NULL)                                      \
    X(MIGRATE_RELEASE, "release", axi_migrate_release, axi_migrate_finish)                         \
    X(MIGRATE_FINISH, "finish", axi_migrate_finish, NULL)                                          \
    X(MIGRATE_ABORT, "abort", axi_migrate_abort, NULL)                                             \
    X(MIGRATE_UNDO, "undo", axi_migrate_undo, axi_migrate_undo_timeout)                            \
    X(MIGRATE_GIVE_UP, "give-up", axi_migrate_give_up, NULL)                                       \
    X(RESTORE_DELEGATED, "delegated", axi_restore_delegated, NULL)                                 \
    X(RESTORE_WAIT, "wait", axi_restore_wait, NULL)                                                \
    X(RESTORE_CLAIM, "claim", axi_restore_claim, NULL)                                             \
    X(RESTORE_FETCH, "fetch", axi_restore_fetch, NULL)                                             \
    X(RESTORE_KEEP, "keep-checkpoint", axi_restore_keep, NULL)                                     \
    X(RESTORE_LOST, "lost", axi_restore_lost, NULL)                                                \
    X(REPLICA_LOST, "replica-lost", axi_replica_lost, NULL)                                        \
    X(FINISH_RECORD, "end", axi_finish_record, NULL)                                               \
    X(PROFILE_LOAD, "profile-load", axi_profile_load, axi_profile_timeout)                         \
    X(PROFILE_START, "profile-start", axi_profile_start, axi_profile_timeout)                      \
    X(PROFILE_RUN, "profile-run", NULL, axi_profile_run_timeout)                                   \
    X(PROFILE_GET, "profile-get", axi_profile_get, axi_profile_timeout)

enum axi_step {
#define AXI_STEP_ENUM(step, name, drive, timeout) AXI_STEP_##step,
    AXI_STEP_LIST(AXI_STEP_ENUM)
#undef AXI_STEP_ENUM
        AXI_STEP_COUNT
};

/* An object arriving as Chunks. */
struct axi_incoming {
    uint64_t transfer, total, received;
    uint32_t crc;
    uint8_t *bytes;
};

struct axi_profile; /* profile.c */

struct axi_flow {
    enum axi_step step;
    uint64_t entered_ns, timeout_ns, retry_ns; /* local times */
    uint64_t op;                               /* 0 = none */
    uint64_t request_target;                   /* the request waited for; 0 = draw one */
    bool source_ready, target_ready, target_standby, target_prepared;
    bool is_source_frozen, has_confirmed, is_source_dead, is_warned;
    bool is_certain;      /* the claimed node itself said that the instance is gone */
    bool is_own_restore;  /* no manager took it in time */
    uint32_t seed_source; /* service/seed.c: which one is asked */
    size_t seed_manager;
    uint64_t target_job, frozen_ns, activated_ns;
    uint64_t
        room_ns; /* local: others are moved to make room for it; no node before is no failure */
    uint64_t wanted, claimed_node, claimed_holder, claimed_holder_epoch;
    uint32_t tried_count, attempts;
    uint64_t tried[AXI_TRIED_MAX];
    enum axi_task_state end_state; /* FINISH_RECORD */
    int code;                      /* why the flow fails */
    char reason[AXI_REASON_BYTES];
    struct axi_incoming incoming;
    struct axi_profile *profile; /* owned */
};

struct axi_log_line {
    uint64_t number;
    char node[32];
    char *text;
};

struct axi_task {
    struct axi_record record;
    uint64_t revision;
    struct axi_flow flow;
    axi_InstanceStatus status; /* of the owner's instance, as last reported */
    bool is_uncertain;         /* a commit's outcome is unknown: settled before anything else */
    axi_Histogram histogram;   /* the same instance's */
    bool has_status, is_ephemeral, is_gone; /* ephemeral: profiling, no record in the store */
    uint64_t seen_node, seen_round; /* who reported the owner's instance last, in which round */
    uint64_t reported_ns;           /* local: the owner's instance was in a Report last */
    uint64_t resume_sent_ns;
    bool is_delegation_said; /* once per restore */
    uint64_t rebalanced_ns;  /* local; see service/rebalance.c */
    uint32_t rebalanced_count;
    uint64_t adopted_ns; /* local: a manager changed the record last */
    struct axi_log_line *log;
    uint32_t log_count, log_start;
};

/* ---- nodes ---- */

#define AXI_LOSSES_MAX 8u

struct axi_node {
    uint64_t id, boot_id;
    axi_Hello hello;                                    /* its last one */
    uint64_t link;                                      /* 0 = none */
    bool has_reported, is_dead, is_new_boot, has_lease; /* has_lease: renewed since it joined */
    bool is_renewal_pending;
    bool is_leaving; /* it said that it will end */
    axi_Heartbeat heartbeat;
    uint64_t heartbeat_master_ns;    /* receipt */
    bool is_overdue, is_disagreeing; /* said: see clocks.c */
    uint64_t sync_acted_ns;          /* local */
    size_t watched;                  /* its place in service/telemetry.c + 1; 0 = none yet */
    uint64_t renewed_local_ns, lease_revision, joined_ns, round, died_local_ns;
    uint64_t rebalanced_ns; /* local: a move from or to it began last; see service/rebalance.c */
    uint32_t rounds_over;
    uint64_t lost_ns[AXI_LOSSES_MAX]; /* local: when its lease was lost, the latest first */
};

#define AXI_MANAGERS_MAX 8u

/* A checkpoint manager: known by its key in the store, its link, or both. */
struct axi_manager {
    uint64_t id, link, seen_ns; /* local: present or linked last */
    bool is_present;            /* its key is in the store */
    char name[32], address[64], api_address[64], version[32];
    axi_ManagerStatus status;
};

struct axi_link {
    uint64_t id;
    struct axi_node *node;   /* NULL = before Hello, a manager's or a voter's */
    uint64_t manager, voter; /* whose it is; 0 = no such */
    char peer[64];
    struct axi_wire_parser parser;
    uint8_t *buffer;
    bool is_closing;
};

#define AXI_LINKS_FOUND 256u

struct axi_op {
    uint64_t id;
    const char *kind;
    char task[32];
    json_t *steps, *result;
    bool is_done;
    int code;
    char reason[AXI_REASON_BYTES];
    uint64_t started_ns, ended_ns;
};

struct axi_master {
    struct axi_master_config config;
    struct axi_master_port port;
    bool is_crashed, is_deposed;
    uint64_t leader_revision; /* of key "master" when this one took over */
    uint64_t term;            /* how many masters took this store over, this one too */
    uint64_t store_lost_ns;   /* since when no commit got through; 0 = the last one did */
    bool is_store_lost_said;
    struct axi_store_member store_members[AXI_STORE_MEMBERS_MAX];
    uint64_t started_local_ns, next_batch_ns, events_due_ns;
    bool has_closing_links;
    bool has_renewals;        /* of leases, some may be pending */
    uint64_t expiry_ns;       /* local: no lease expires before */
    uint64_t tick_ns, due_ns; /* when the last tick began, when the next one was asked for */
    struct axi_node **nodes;
    struct axi_task **tasks;
    struct axi_link **links;
    struct axi_link *found_links[AXI_LINKS_FOUND]; /* by id; found last */
    union axi_wire_message message;                /* the one being handled */
    struct axi_image_info *images;
    struct axi_op **ops;
    size_t node_count, task_count, link_count, image_count, op_count;
    struct axi_manager managers[AXI_MANAGERS_MAX];
    size_t manager_count;
    uint64_t watched_tasks, watched_managers; /* revisions */
    uint64_t watch_ns, presence_ns, presence_lease;
    uint32_t watch_count;
    bool is_watch_lost;
    uint64_t next_op, event_number, log_number, events_stored;
    json_t *events, *events_pending;
    struct axi_declared *declared;   /* service/: services, nodes, policy; owned */
    struct axi_voters *voters;       /* service/voters.c; owned */
    struct axi_telemetry *telemetry; /* service/telemetry.c; owned, NULL = none yet */
    uint64_t rebalance_round;        /* of telemetry: looked at last by service/rebalance.c */
};

/* ---- events.c, ops.c ---- */
#define AXI_INFO "info"
#define AXI_WARNING "warning"
#define AXI_ERROR "error"
/* task, node may be NULL. */
void axi_event(struct axi_master *m, const char *level, const char *type,
               const struct axi_task *task, const struct axi_node *node, const char *format, ...)
    __attribute__((format(printf, 6, 7)));
void axi_events_flush(struct axi_master *m);
int axi_events_load(struct axi_master *m);

struct axi_op *axi_op_new(struct axi_master *m, const char *kind, const char *task);
struct axi_op *axi_op_find(struct axi_master *m, uint64_t id);
void axi_op_step(struct axi_master *m, uint64_t op, const char *name, const char *detail);
/* Takes result (may be NULL). No effect when op is 0, unknown or done. */
void axi_op_end(struct axi_master *m, uint64_t op, int code, const char *reason, json_t *result);
void axi_op_free(struct axi_op *op);

/* ---- master.c ---- */
uint64_t axi_now(struct axi_master *m);        /* local */
uint64_t axi_now_master(struct axi_master *m); /* master time */
bool axi_crash(struct axi_master *m, uint32_t point);
bool axi_in_grace(struct axi_master *m); /* a lease after start: nodes may not be back yet */
int axi_put_json(struct axi_master *m, const char *key, uint64_t expected, const json_t *value,
                 uint64_t *ret_revision);
int axi_commit(struct axi_master *m, const struct axi_store_op *ops, size_t count,
               uint64_t *ret_revision);
/* For ops that expect AXI_STORE_ANY: doing them twice does no harm, so an outcome that is unknown
 * (a member of the store died meanwhile) is settled by doing them again. */
int axi_commit_again(struct axi_master *m, const struct axi_store_op *ops, size_t count,
                     uint64_t *ret_revision);

/* ---- frames.c ---- */
bool axi_send(struct axi_master *m, struct axi_node *node, uint32_t type, const void *message);
void axi_send_link(struct axi_master *m, uint64_t link, uint32_t type, const void *message);
void axi_send_object(struct axi_master *m, struct axi_node *node, uint64_t transfer, uint32_t kind,
                     const uint8_t *bytes, size_t count);
void axi_send_elf(struct axi_master *m, struct axi_node *node, uint64_t transfer,
                  const uint8_t digest[32]);
void axi_forward_chunk(struct axi_master *m, struct axi_node *to, const axi_Chunk *chunk,
                       const void *tail, size_t tail_bytes);
/* 1 when the object is whole and its CRC right, 0 when more is to come, negative: drop it. */
int axi_incoming_take(struct axi_incoming *incoming, const axi_Chunk *chunk, const void *tail,
                      size_t tail_bytes);
void axi_incoming_clear(struct axi_incoming *incoming);
void axi_send_remove(struct axi_master *m, struct axi_node *node, uint64_t task_id, uint64_t epoch,
                     uint64_t request);
void axi_dispatch(struct axi_master *m, struct axi_link *link, const struct axi_wire_frame *frame);
void axi_link_close(struct axi_master *m, struct axi_link *link, int code, const char *reason);

/* ---- registry.c, leases.c ---- */
struct axi_node *axi_node_find(struct axi_master *m, uint64_t id);
struct axi_node *axi_node_lookup(struct axi_master *m, const char *name);
const char *axi_node_name(struct axi_master *m, uint64_t id);
bool axi_node_is_ready(const struct axi_node *node);
int axi_nodes_load(struct axi_master *m);
/* Forgets a dead node for good, here and in the store. -AXC_EBUSY: it lives, or a task's record
 * still names it. *node is gone after 0. */
AXC_MUST_USE int axi_node_forget(struct axi_master *m, struct axi_node *node);
bool axi_token_is_right(const struct axi_master *m, const char *token);
void axi_node_hello(struct axi_master *m, struct axi_link *link, const axi_Hello *hello);
void axi_node_report(struct axi_master *m, struct axi_node *node, const axi_Report *report);
void axi_node_link_down(struct axi_master *m, struct axi_node *node);
void axi_node_heartbeat(struct axi_master *m, struct axi_node *node, const axi_Heartbeat *beat);
void axi_leases_renew(struct axi_master *m);
void axi_leases_excuse(struct axi_master *m);
void axi_leases_expire(struct axi_master *m);
void axi_leases_revive(struct axi_master *m);
uint64_t axi_leases_next(struct axi_master *m);
uint64_t axi_leases_batch_ns(const struct axi_master *m); /* a renewal waits so long at most */
uint64_t axi_lease_window_ns(struct axi_master *m);
/* False too when the store cannot say. */
bool axi_node_is_gone(struct axi_master *m, struct axi_node *node);
void axi_node_declare_dead(struct axi_master *m, struct axi_node *node);

/* ---- clocks.c ---- */
/* `now` replaces node->heartbeat: says what changed with its clock, and acts by the policy. */
void axi_clock_heartbeat(struct axi_master *m, struct axi_node *node, const axi_Heartbeat *now);
json_t *axi_clock_json(const struct axi_node *node);

/* ---- offload.c ---- */
void axi_offload_request(struct axi_master *m, struct axi_node *node,
                         const axi_OffloadRequest *request);

/* ---- managers.c ---- */
bool axi_managers_present(const struct axi_master *m); /* one at least that can claim */
bool axi_managers_known(const struct axi_master *m);   /* there is one, or was a moment ago */
bool axi_manager_is_present(const struct axi_master *m, uint64_t id);
const char *axi_manager_name(const struct axi_master *m, uint64_t id);
void axi_manager_join(struct axi_master *m, struct axi_link *link, const axi_ManagerJoin *join);
void axi_manager_message(struct axi_master *m, struct axi_link *link,
                         const struct axi_wire_frame *frame, const union axi_wire_message *message);
void axi_manager_link_down(struct axi_master *m, struct axi_link *link);
void axi_managers_tell(struct axi_master *m, struct axi_node *node);
void axi_managers_keep(struct axi_master *m); /* lists what left; the master's own presence */
void axi_managers_changed(void *context, const struct axi_store_change *change);
int axi_managers_visit(void *context, const char *key, const struct axi_store_value *value);

/* ---- watch.c: records that managers changed ---- */
int axi_watch_load(struct axi_master *m); /* who is there, before any flow goes on */
void axi_watch_tick(struct axi_master *m);
/* Reads what managers changed, now; 0 or why the store could not say. */
int axi_watch_poll(struct axi_master *m);
/* Reads one record now. True when it is another one than was thought (the flow was derived anew:
 * the caller returns), or when the store could not say. */
/* The record is another one than was thought: its flow is derived anew. */
void axi_adopt(struct axi_master *m, struct axi_task *task, const struct axi_record *record,
               uint64_t revision);
bool axi_watch_refresh(struct axi_master *m, struct axi_task *task);

/* ---- delegate.c: restores that are left to the managers ---- */
/* A manager holds the claim, or is to take it. */
bool axi_is_delegated(const struct axi_master *m, const struct axi_task *task);
bool axi_is_for_managers(const struct axi_master *m, const struct axi_task *task);
/* Restore without a holder: the record says so, and the master only watches. */
void axi_delegate(struct axi_master *m, struct axi_task *task);
/* The source of an undecided migration died: true when the task is left to the managers. */
bool axi_delegate_undecided(struct axi_master *m, struct axi_task *task);

/* ---- tasks.c ---- */
/* Decodes a record; -AXC_EINVALID. */
int axi_task_decode(const struct axi_store_value *value, struct axi_record *ret_record);
struct axi_task *axi_task_find(struct axi_master *m, uint64_t id);
struct axi_task *axi_task_lookup(struct axi_master *m, const char *name);
struct axi_task *axi_task_add(struct axi_master *m, const struct axi_record *record,
                              uint64_t revision);
void axi_task_drop(struct axi_master *m, struct axi_task *task); /* freed at the end of the tick */
void axi_tasks_sweep(struct axi_master *m);
void axi_task_free(struct axi_task *task);
int axi_tasks_load(struct axi_master *m);
/* Compare-and-swap of the record; also[also_count] go into the same transaction (at most 4). On 0
 * task->record is *next. CONFLICT: someone else changed it; it was read again and the flow derived
 * anew: the caller returns at once. Other errors: nothing changed, the retry will come. */
AXC_MUST_USE int axi_task_commit(struct axi_master *m, struct axi_task *task,
                                 const struct axi_record *next, const struct axi_store_op *also,
                                 size_t also_count);
/* Ends an unknown outcome by committing the record as it is. */
void axi_task_settle(struct axi_master *m, struct axi_task *task);
int axi_task_entry(const struct axi_record *record, const struct axi_node *node); /* or -1 */
void axi_task_spec_wire(const struct axi_task *task, const struct axi_node *node,
                        axi_TaskSpec *ret_spec);
/* The node without its tasks, for place/place.h; all its slots count as free. */
void axi_node_place(const struct axi_node *node, struct axi_place_node *ret_place);
/* Best node for the task, or -AXC_ENO_CANDIDATE with every node's refusal in ret_reason. */
int axi_task_place(struct axi_master *m, const struct axi_task *task, uint64_t wanted,
                   const uint64_t *tried, size_t tried_count, struct axi_node **ret_node,
                   char *ret_reason);

/* ---- flow.c ---- */
void axi_flow_go(struct axi_master *m, struct axi_task *task, enum axi_step step);
void axi_flow_drive(struct axi_master *m, struct axi_task *task);
void axi_flow_idle(struct axi_master *m, struct axi_task *task);
void axi_flow_fail(struct axi_master *m, struct axi_task *task, int code, const char *reason);
void axi_flow_resume(struct axi_master *m, struct axi_task *task);
void axi_flow_tick(struct axi_master *m, struct axi_task *task);
uint64_t axi_flow_next(const struct axi_task *task);
void axi_flow_clear(struct axi_flow *flow);
bool axi_flow_is_migration(const struct axi_flow *flow);
/* A node came back, or a Result or Chunk object arrived: the flow that waits for it goes on. */
void axi_flow_result(struct axi_master *m, struct axi_node *node, const axi_Result *result);
void axi_flow_chunk(struct axi_master *m, struct axi_node *node, const axi_Chunk *chunk,
                    const void *tail, size_t tail_bytes);

/* Each drive and timeout of the step list. */
typedef void axi_step_function(struct axi_master *m, struct axi_task *task);
axi_step_function axi_idle, axi_launch_place, axi_launch_load, axi_launch_timeout, axi_launch_seed,
    axi_launch_seed_timeout, axi_replica_lost, axi_launch_declare, axi_launch_start,
    axi_launch_record, axi_stop_halt, axi_stop_record, axi_stop_remove, axi_stop_remove_timeout,
    axi_delete_remove, axi_delete_record, axi_migrate_reserve, axi_migrate_prepare,
    axi_migrate_transfer, axi_migrate_timeout, axi_migrate_switch, axi_migrate_commit,
    axi_migrate_activate, axi_migrate_release, axi_migrate_finish, axi_migrate_abort,
    axi_migrate_undo, axi_migrate_undo_timeout, axi_migrate_give_up, axi_restore_delegated,
    axi_restore_wait, axi_restore_claim, axi_restore_fetch, axi_restore_keep, axi_restore_lost,
    axi_finish_record, axi_profile_load, axi_profile_start, axi_profile_timeout,
    axi_profile_run_timeout, axi_profile_get;

/* ---- launch.c, lifecycle.c, migrate.c, recover.c, profile.c: events of their steps ---- */
void axi_launch_result(struct axi_master *m, struct axi_task *task, const axi_Result *result);
void axi_lifecycle_result(struct axi_master *m, struct axi_task *task, const axi_Result *result);
/* Checks flow.incoming, then commits *next with it as the task's stored checkpoint. */
AXC_MUST_USE int axi_record_checkpoint(struct axi_master *m, struct axi_task *task,
                                       struct axi_record *next);
void axi_migrate_result(struct axi_master *m, struct axi_task *task, struct axi_node *node,
                        const axi_Result *result);
void axi_migrate_progress(struct axi_master *m, struct axi_node *node,
                          const axi_Progress *progress);
void axi_migrate_query(struct axi_master *m, struct axi_node *node, const axi_QueryDecision *query);
void axi_migrate_fail(struct axi_master *m, struct axi_task *task, int code, const char *reason);
void axi_migrate_link_down(struct axi_master *m, struct axi_task *task, struct axi_node *node);
void axi_restore_result(struct axi_master *m, struct axi_task *task, const axi_Result *result);
void axi_profile_result(struct axi_master *m, struct axi_task *task, const axi_Result *result);
void axi_profile_data(struct axi_master *m, struct axi_node *node, const axi_ProfileData *data);
void axi_profile_free(struct axi_profile *profile);
/* recover.c: what a node says and what its death means for a task. */
void axi_recover_instance(struct axi_master *m, struct axi_node *node,
                          const axi_InstanceStatus *status);
void axi_recover_missing(struct axi_master *m, struct axi_node *node, struct axi_task *task,
                         bool is_new_boot);
/* Tells the owner that its fenced or frozen instance may go on. */
void axi_recover_go_on(struct axi_master *m, struct axi_task *task, struct axi_node *node);
/* Claims the task of a dead or forgetful node; holder (0 = none) has a checkpoint of it. */
void axi_restore_begin(struct axi_master *m, struct axi_task *task, uint64_t dead, bool is_certain,
                       uint64_t holder, uint64_t holder_epoch);
void axi_recover_dead(struct axi_master *m, struct axi_node *node, struct axi_task *task);
void axi_recover_histogram(struct axi_master *m, const struct axi_node *node,
                           const axi_Histogram *histogram);
void axi_recover_event(struct axi_master *m, struct axi_node *node, const axi_NodeEvent *event);

/* The claimed node is dead and its lease still as it was: 1, and *ret_op (key: 40 bytes) lets the
 * transaction prove it. 0: no proof is needed. Negative: not (yet); the caller returns. */
AXC_MUST_USE int axi_prove_gone(struct axi_master *m, struct axi_task *task,
                                struct axi_store_op *ret_op, char *key);

/* ---- service/replica.c, service/seed.c ---- */
/* Its death is the service's affair: it is replaced, not restored. */
bool axi_is_replaceable(const struct axi_record *record);
/* It has never run. */
bool axi_is_new_replica(const struct axi_record *record);
/* The node does not take it: the replica ends. */
void axi_replica_give_up(struct axi_master *m, struct axi_task *task, int code, const char *reason);
/* Tells its service, if it has one. */
void axi_replica_changed(struct axi_master *m, const struct axi_task *task, int code,
                         const char *reason);
/* Its node is dead or does not have it any more. */
void axi_replica_gone(struct axi_master *m, struct axi_task *task, uint64_t node, bool is_certain);
/* Loaded, and too late for the first job of its grid: true when it got a seed now. */
bool axi_seed_late(struct axi_master *m, struct axi_task *task);
/* Whether what its seed has can become its state; a reason when not. */
AXC_MUST_USE int axi_seed_check(struct axi_master *m, const struct axi_record *record,
                                char *ret_reason);
void axi_seed_result(struct axi_master *m, struct axi_task *task, const axi_Result *result);
/* From a manager: what was asked for, else nothing. */
void axi_seed_manager_chunk(struct axi_master *m, const axi_Chunk *chunk, const void *tail,
                            size_t tail_bytes);
void axi_seed_manager_result(struct axi_master *m, const axi_Result *result);
/* flow.incoming is its state now: puts it into *next and *ret_op (key: 40 bytes); false: it has
 * none. */
bool axi_seed_apply(const struct axi_task *task, struct axi_record *next,
                    struct axi_store_op *ret_op, char *key);

/* ---- images.c ---- */
/* The text whose SHA-256 this is: memory from malloc, or NULL. */
char *axi_schema_text(struct axi_master *m, const uint8_t hash[32]);
int axi_images_load(struct axi_master *m);
struct axi_image_info *axi_image_lookup(struct axi_master *m, const char *name, char *ret_reason);
int axi_image_store(struct axi_master *m, const struct axi_image_info *info);

#endif
