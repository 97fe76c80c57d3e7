/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the manager's core share. Nothing outside src/cms includes it.
 *
 * view.c keeps a copy of the cluster store's records, nodes, leases and managers, fed by its watch.
 * A restore is a flow on a task, as in the master: each step's drive is idempotent and runs at
 * entry and at every retry; after any doubt the step is derived from the record alone. Nothing is
 * done that a successful compare-and-swap has not declared. */
#ifndef AXI_CMS_INTERNAL_H
#define AXI_CMS_INTERNAL_H

#include "base/hist.h"
#include "cluster/failover.h"
#include "cluster/record.h"
#include "cluster/text.h"
#include "cms/manager.h"
#include "core/region.h"
#include "core/wire.h"
#include "place/place.h"

#define AXI_CMS_PEERS_MAX 8u
#define AXI_CMS_REFUSED_MAX 16u

/* X(STEP, name, drive). The order is the numbering of the crash points. */
#define AXI_CMS_STEP_LIST(X)                                                                       \
    X(IDLE, "idle", NULL)                                                                          \
    X(ASK, "ask", axi_cms_step_ask)                                                                \
    X(YIELD, "yield", axi_cms_step_yield)                                                          \
    X(CLAIM, "claim", axi_cms_step_claim)                                                          \
    X(PLACE, "place", axi_cms_step_place)                                                          \
    X(LOAD, "load", axi_cms_step_load)                                                             \
    X(DECLARE, "declare", axi_cms_step_declare)                                                    \
    X(START, "start", axi_cms_step_start)                                                          \
    X(REMOVE, "remove", axi_cms_step_remove)                                                       \
    X(RECORD, "record", axi_cms_step_record)                                                       \
    X(WATCH, "watch", axi_cms_step_watch)

enum axi_cms_step {
#define AXI_CMS_STEP_ENUM(step, name, drive) AXI_CMS_STEP_##step,
    AXI_CMS_STEP_LIST(AXI_CMS_STEP_ENUM)
#undef AXI_CMS_STEP_ENUM
        AXI_CMS_STEP_COUNT
};

struct axi_cms_flow {
    enum axi_cms_step step;
    uint64_t entered_ns, retry_ns; /* local */
    uint64_t suspected_ns;         /* when the owner was taken for dead; for figures */
    uint64_t ask;           /* request of the NewestList that named this task; 0 = to be asked */
    uint32_t answered;      /* bit per peer */
    struct axi_origin best; /* the newest of the peers' answers */
    uint64_t best_manager;
    uint64_t target;             /* node that loads or starts it */
    uint64_t request, sent_link; /* Load, Start or Remove under way; the link it went out on */
    uint64_t need_request;       /* an image is asked for and not here yet */
    uint8_t need_digest[32];
    uint64_t tried[AXI_TRIED_MAX];
    uint32_t tried_count;
    bool is_probe;   /* START: asks only whether the instance runs */
    bool is_certain; /* the owner itself said that its instance is gone: no lease to wait for */
    bool is_warned;  /* said once what it waits for */
};

/* What the standby's keeper knows of it; the record says the rest. */
struct axi_cms_standby {
    uint64_t request;     /* Load under way; 0 = none */
    uint64_t link, epoch; /* where and under what it was asked for; 0 = not yet */
    uint64_t seen_ns;     /* local: its node was in reach last */
    uint64_t due_ns, query_ns;
    uint64_t refused;   /* node that would not take it */
    axi_ImageNeed need; /* it wants an image that is not here yet; request 0 = no */
    bool has_warned;
};

struct axi_cms_task {
    struct axi_record record;
    uint64_t revision;   /* 0 = gone, or not known to exist */
    uint64_t changed_ns; /* local: the record was seen to change */
    bool is_changed;     /* by someone else: the flow is derived from it before it goes on */
    bool is_unsure;      /* a commit's outcome is unknown: read before anything else */
    struct axi_cms_flow flow;
    /* figures: the newest that was noticed and the newest that is durable here */
    struct axi_origin noticed, durable;
    uint64_t noticed_ns, durable_ns, undurable_since_ns; /* local; 0 = none */
    uint64_t durable_node, durable_bytes;
    struct axi_origin restored; /* what it was restored from last, by anybody */
    uint64_t restored_epoch;    /* of the dead instance */
    bool has_said_newer;
    uint64_t asked_at_ns; /* backoff: not asked again before */
    struct axi_cms_standby standby;
};

/* One instance whose region a node offers. */
struct axi_cms_instance {
    uint64_t node_id, task_id, epoch;
    axi_Notice notice;    /* the newest */
    bool is_hinted;       /* ... came as a datagram */
    uint64_t noticed_ns;  /* its arrival */
    uint64_t taken_write; /* fetched, and given to the checkpoint store */
    uint64_t durable_write, acked_write, durable_job;
    uint64_t refused_write; /* judged and not taken */
    uint64_t retry_ns;      /* the store was full: not before */
    uint64_t request;       /* a SlotRead is under way; 0 = none */
    uint64_t request_ns;
    uint32_t received, total;
    uint64_t reading_write, reading_noticed_ns;
    uint8_t *bytes;
};

struct axi_cms_node {
    uint64_t id, boot_id;
    char name[32];
    char platforms[AXI_PLATFORMS_MAX][24];
    uint32_t platform_count, services, assurance, capacity_ppm, slots;
    uint64_t memory_bytes;
    bool is_registered; /* node/<id> is in the store */
    /* lease */
    uint64_t lease_revision, lease_seen_ns;
    bool is_dead;
    uint64_t died_ns;
    /* link */
    uint64_t link; /* 0 = none */
    uint64_t machine_id;
    const uint8_t *regions;
    size_t regions_bytes;
    uint32_t reads;
    /* on demand */
    axi_LoadReply load;
    uint64_t load_ns, query_ns, query; /* answer and question, local */
    uint64_t promised_ppm;             /* density given to it since the answer */
    /* its lease is kept here while the master is away */
    axi_Heartbeat heartbeat;
    uint64_t kept_ns;
    bool is_renewal_pending, has_lapsed;
};

struct axi_cms_peer {
    uint64_t id;
    char name[32], address[64], api_address[64];
    uint64_t revision, link, try_ns;
    bool is_present; /* its key is in the store */
    bool is_ready;   /* greeted */
};

enum axi_cms_link_kind {
    AXI_CMS_LINK_NEW,
    AXI_CMS_LINK_NODE,
    AXI_CMS_LINK_PEER,
    AXI_CMS_LINK_MASTER
};

struct axi_cms_link {
    uint64_t id, owner; /* owner: node or manager */
    enum axi_cms_link_kind kind;
    bool is_up, is_closing;
    char peer[64];
    struct axi_wire_parser parser;
    uint8_t *buffer;
};

/* A put under way in the checkpoint store. */
struct axi_cms_put {
    uint64_t cookie, node_id, task_id, epoch, write, noticed_ns;
    struct axi_origin origin;
    uint32_t bytes;
};

struct axi_cms {
    struct axi_cms_config config;
    struct axi_cms_port port;
    bool is_crashed;
    struct axi_cms_link **links;
    struct axi_cms_node **nodes;
    struct axi_cms_task **tasks;
    struct axi_cms_instance **instances;
    struct axi_cms_peer peers[AXI_CMS_PEERS_MAX];
    size_t link_count, node_count, task_count, instance_count, peer_count;
    union axi_wire_message message; /* the one being dispatched */
    uint8_t *frame;                 /* AXI_WIRE_FRAME_BYTES_MAX, for sending */
    uint8_t *checkpoint;            /* AXI_CHECKPOINT_BYTES_MAX, for reading */
    /* store */
    uint64_t watched; /* revision */
    uint64_t keep_ns; /* leases are not renewed before */
    uint64_t poll_ns, polled_ns, tick_ns, due_ns;
    struct axi_store_member store_members[AXI_STORE_MEMBERS_MAX];
    bool is_store_lost, is_loss_said, has_polled;
    uint64_t store_lost_ns, key_lease, key_ns;
    bool is_master_present;
    uint64_t master_seen_ns;
    /* master */
    struct axi_masters masters;
    uint64_t master_heard_ns; /* its last answer */
    uint64_t master_link, master_try_ns, status_ns, status_sequence;
    bool has_joined;
    int64_t master_offset_ns; /* master time - local */
    bool has_master_time;
    uint64_t master_time_rtt_ns, master_time_ns; /* of the best sample, and when it was taken */
    /* puts */
    struct axi_cms_put *puts;
    size_t put_count, put_capacity;
    uint64_t next_cookie;
    uint64_t retry_ns, sweep_ns;           /* of the fetches */
    uint64_t refused[AXI_CMS_REFUSED_MAX]; /* tasks complained about */
    uint32_t refused_next;
    /* figures */
    uint64_t stored, stored_bytes, overtaken, restores;
    struct axi_hist ages; /* notice -> durable */
};

/* ---- cms.c ---- */
uint64_t axi_cms_now(struct axi_cms *cms);
/* 0 while unknown. */
uint64_t axi_cms_master_now(struct axi_cms *cms);
void axi_cms_master_time(struct axi_cms *cms, uint64_t master_ns, uint64_t sent_local_ns);
bool axi_cms_crash(struct axi_cms *cms, uint32_t point);
uint64_t axi_cms_random(struct axi_cms *cms); /* never 0 */
struct axi_cms_link *axi_cms_link_find(struct axi_cms *cms, uint64_t id);
struct axi_cms_link *axi_cms_link_add(struct axi_cms *cms, uint64_t id, enum axi_cms_link_kind kind,
                                      uint64_t owner, const char *peer);
void axi_cms_link_close(struct axi_cms *cms, struct axi_cms_link *link, int code,
                        const char *reason);
uint64_t axi_cms_window_ns(const struct axi_cms *cms); /* a lease unchanged so long has expired */
bool axi_cms_tokens_match(const char *expected, const char *given);

/* ---- frames.c ---- */
void axi_cms_send(struct axi_cms *cms, uint64_t link, uint32_t type, const void *message);
void axi_cms_send_object(struct axi_cms *cms, uint64_t link, uint64_t transfer, uint32_t kind,
                         const uint8_t *bytes, size_t count);
void axi_cms_dispatch(struct axi_cms *cms, struct axi_cms_link *link,
                      const struct axi_wire_frame *frame);
#define AXI_INFO "info"
#define AXI_WARNING "warning"
#define AXI_ERROR "error"
/* task, node may be NULL. */
void axi_cms_event(struct axi_cms *cms, const char *level, const char *type,
                   const struct axi_cms_task *task, const struct axi_cms_node *node,
                   const char *format, ...) __attribute__((format(printf, 6, 7)));

/* ---- view.c: what the store says ---- */
struct axi_cms_node *axi_cms_node_find(struct axi_cms *cms, uint64_t id);
struct axi_cms_node *axi_cms_node_get(struct axi_cms *cms, uint64_t id); /* made when unknown */
struct axi_cms_task *axi_cms_task_find(struct axi_cms *cms, uint64_t id);
struct axi_cms_task *axi_cms_task_get(struct axi_cms *cms, uint64_t id);
const char *axi_cms_node_name(struct axi_cms *cms, uint64_t id);
void axi_cms_task_key(uint64_t id, char key[40]);
/* Reads what changed; 0, or why the store could not say. */
int axi_cms_view_poll(struct axi_cms *cms);
/* Reads one record now. */
int axi_cms_view_read(struct axi_cms *cms, struct axi_cms_task *task);
/* Compare-and-swap of the record with other operations (at most 2). On 0 task->record is *next.
 * Anything but 0 and -AXC_EUNAVAILABLE leaves the task unsure: it is read again. */
AXC_MUST_USE int axi_cms_commit(struct axi_cms *cms, struct axi_cms_task *task,
                                const struct axi_record *next, const struct axi_store_op *also,
                                size_t also_count);

/* ---- leases.c ---- */
void axi_cms_leases_expire(struct axi_cms *cms);
void axi_cms_leases_excuse(struct axi_cms *cms);
void axi_cms_lease_changed(struct axi_cms *cms, struct axi_cms_node *node, uint64_t revision);
void axi_cms_report(struct axi_cms_node *node, const axi_Report *report);
void axi_cms_heartbeat(struct axi_cms_node *node, const axi_Heartbeat *beat);
void axi_cms_leases_keep(struct axi_cms *cms);
uint64_t axi_cms_leases_next(struct axi_cms *cms);

/* ---- nodes.c ---- */
void axi_cms_node_hello(struct axi_cms *cms, struct axi_cms_link *link,
                        const axi_ManagerHello *hello);
void axi_cms_node_link_down(struct axi_cms *cms, struct axi_cms_node *node);
void axi_cms_query_nodes(struct axi_cms *cms);
void axi_cms_load_reply(struct axi_cms *cms, struct axi_cms_node *node, const axi_LoadReply *reply);

/* ---- fetch.c ---- */
void axi_cms_notices(struct axi_cms *cms, struct axi_cms_node *node, const axi_Notices *notices);
void axi_cms_slot_data(struct axi_cms *cms, struct axi_cms_node *node, const axi_SlotData *data,
                       const uint8_t *tail, size_t tail_bytes);
void axi_cms_fetch_tick(struct axi_cms *cms);
void axi_cms_fetch_node_down(struct axi_cms *cms, struct axi_cms_node *node);
uint64_t axi_cms_fetch_next(struct axi_cms *cms);

/* ---- instances.c ---- */
struct axi_cms_instance *axi_cms_instance_find(struct axi_cms *cms, uint64_t node, uint64_t task,
                                               uint64_t epoch);
/* NULL: no memory, or the node tells of too many. */
struct axi_cms_instance *axi_cms_instance_add(struct axi_cms *cms, uint64_t node, uint64_t task,
                                              uint64_t epoch);
void axi_cms_instance_free(struct axi_cms_instance *instance);
void axi_cms_forget_unknown_tasks(struct axi_cms *cms);

/* ---- peers.c ---- */
void axi_cms_peer_changed(struct axi_cms *cms, const char *key, const struct axi_store_value *value,
                          uint64_t revision);
void axi_cms_peer_hello(struct axi_cms *cms, struct axi_cms_link *link,
                        const axi_PeerManagerHello *hello);
void axi_cms_peer_reply(struct axi_cms *cms, struct axi_cms_link *link,
                        const axi_ManagerReply *reply);
void axi_cms_peer_link_down(struct axi_cms *cms, struct axi_cms_link *link);
void axi_cms_peer_newest(struct axi_cms *cms, struct axi_cms_link *link,
                         const axi_NewestList *list);
void axi_cms_peers_tick(struct axi_cms *cms);
/* Asks all peers about the tasks in step ASK that were not asked about yet. */
void axi_cms_peers_ask(struct axi_cms *cms);
bool axi_cms_peer_is_linked(const struct axi_cms *cms, uint64_t manager);
uint32_t axi_cms_peers_ready(const struct axi_cms *cms); /* bit per peer */
const char *axi_cms_peer_name(const struct axi_cms *cms, uint64_t manager);

/* ---- master_link.c ---- */
void axi_cms_master_tick(struct axi_cms *cms);
void axi_cms_master_up(struct axi_cms *cms);
void axi_cms_master_message(struct axi_cms *cms, uint32_t type,
                            const union axi_wire_message *message);
void axi_cms_master_down(struct axi_cms *cms);

/* ---- select.c: which checkpoint, which node ---- */
int axi_cms_origin_compare(const struct axi_origin *a, const struct axi_origin *b);
/* The newest usable one held here, for the instance that the record says is to be restored; origin
 * epoch 0 when there is none. */
struct axi_origin axi_cms_best(struct axi_cms *cms, const struct axi_cms_task *task,
                               struct axi_checkpoint_id *ret_id);
/* The one that the claim names. -AXC_ENOENT. */
int axi_cms_read_origin(struct axi_cms *cms, const struct axi_cms_task *task,
                        const struct axi_origin *origin, size_t *ret_bytes);
/* Copies the cluster store's checkpoint, when it is the one that the record's epoch was started
 * from, into this manager's store: soon found there. False: there is none such. */
bool axi_cms_take_stored(struct axi_cms *cms, const struct axi_cms_task *task);
int axi_cms_place(struct axi_cms *cms, struct axi_cms_task *task, const uint64_t *excluded,
                  size_t excluded_count, struct axi_cms_node **ret_node, char *ret_reason);
int axi_cms_entry(const struct axi_record *record, const struct axi_cms_node *node);

/* ---- standby.c ---- */
void axi_cms_standby_tick(struct axi_cms *cms);
/* False: the result is of something else. */
bool axi_cms_standby_result(struct axi_cms *cms, struct axi_cms_node *node,
                            const axi_Result *result);
/* The record names a standby whose node can be told to start it. */
bool axi_cms_standby_usable(struct axi_cms *cms, const struct axi_record *record);

/* ---- restore.c, steps.c ---- */
void axi_cms_restore_tick(struct axi_cms *cms);
uint64_t axi_cms_restore_next(struct axi_cms *cms);
void axi_cms_go(struct axi_cms *cms, struct axi_cms_task *task, enum axi_cms_step step);
void axi_cms_drive(struct axi_cms *cms, struct axi_cms_task *task);
void axi_cms_idle(struct axi_cms *cms, struct axi_cms_task *task);
/* The record is another one now: goes on with what it says. */
void axi_cms_record_changed(struct axi_cms *cms, struct axi_cms_task *task,
                            const struct axi_record *before);
void axi_cms_derive(struct axi_cms *cms, struct axi_cms_task *task);
bool axi_cms_may_claim(struct axi_cms *cms, const struct axi_cms_task *task);
void axi_cms_answered(struct axi_cms *cms, struct axi_cms_task *task, uint32_t peer,
                      const struct axi_origin *origin);
void axi_cms_result(struct axi_cms *cms, struct axi_cms_node *node, const axi_Result *result);
void axi_cms_image_need(struct axi_cms *cms, struct axi_cms_node *node, const axi_ImageNeed *need);
typedef void axi_cms_step_function(struct axi_cms *cms, struct axi_cms_task *task);
axi_cms_step_function axi_cms_step_ask, axi_cms_step_yield, axi_cms_step_claim, axi_cms_step_place,
    axi_cms_step_load, axi_cms_step_declare, axi_cms_step_start, axi_cms_step_remove,
    axi_cms_step_record, axi_cms_step_watch;

#endif
