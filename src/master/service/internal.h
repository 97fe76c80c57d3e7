/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of this folder share. */
#ifndef AXI_MASTER_SERVICE_INTERNAL_H
#define AXI_MASTER_SERVICE_INTERNAL_H

#include "master/service/members.h"

#define AXI_SERVICE_KEY_BYTES 40u

struct axi_host;
struct axi_phantoms;

struct axi_declared_node {
    struct axi_node_spec spec;
    json_t *declared;        /* owned; NULL = not declared */
    uint64_t revision;       /* of declared-node/<name>; 0 = not in the store */
    bool is_cordoned;        /* by command, besides what is declared */
    uint64_t drain_until_ns; /* master time; 0 = it is not drained */
    uint64_t drain_op;       /* volatile: operation of the drain; 0 = another master's */
    uint64_t drain_next_ns;  /* volatile, local */
};

struct axi_declared {
    struct axi_service **services;
    size_t service_count;
    struct axi_declared_node **nodes;
    size_t node_count;
    struct axi_host **hosts; /* hosts.h */
    size_t host_count;
    uint64_t partitions_ns, waiting_ns; /* volatile, local: when partitions.c looks again */
    size_t waiting_next;                /* volatile: at which task it goes on */
    struct axi_node_spec any_node;      /* without memory for its own */
    struct axi_policy_spec policy;
    json_t *policy_declared; /* owned; NULL = the defaults hold */
    uint64_t policy_revision;
};

/* ---- store.c: the keys as JSON ---- */
void axi_service_key(const char *name, char key[AXI_SERVICE_KEY_BYTES]);
json_t *axi_service_to_json(const struct axi_service *service);
json_t *axi_yielded_json(const struct axi_yielded *yielded);
/* -AXC_EINVALID; *ret_service: nothing volatile set. */
AXC_MUST_USE int axi_service_from_json(const json_t *json, struct axi_service *ret_service);
void axi_service_clear(struct axi_service *service); /* what it owns */
json_t *axi_declared_node_to_json(const struct axi_declared_node *node);
struct axi_service *axi_service_insert(struct axi_master *m, const struct axi_service *service);
/* What the store says becomes what is thought; what is volatile stays. JSON that *next has and
 * *service has not is taken over, what it lost is freed. The voters are told. */
void axi_service_adopt(struct axi_master *m, struct axi_service *service,
                       const struct axi_service *next, uint64_t revision);
void axi_service_erase(struct axi_master *m, struct axi_service *service);
/* Made when there is none yet; NULL: out of memory. */
struct axi_declared_node *axi_declared_node_get(struct axi_master *m, const char *name);
/* Writes declared-node/<name>; *next replaces *node (its JSON is taken over). */
AXC_MUST_USE int axi_declared_node_commit(struct axi_master *m, struct axi_declared_node *node,
                                          const struct axi_declared_node *next);

/* ---- snapshot.c ---- */
/* A replica that does not exist yet. */
struct axi_snapshot_extra {
    const char *name;                    /* of the task */
    const struct axi_service_spec *spec; /* NULL: a plain task */
    const struct axi_image_info *info;
    uint32_t image; /* variant */
    uint32_t assurance_min;
    uint64_t task; /* id */
};
struct axi_snapshot_options {
    const struct axi_snapshot_extra *extras; /* appended to the tasks, in this order */
    size_t extra_count;
    uint64_t without;      /* task that is left out: 0 = none */
    const char *replacing; /* service whose members are left out; NULL = none */
    uint64_t moving;       /* member that is to be moved: its service's demands hold, also when
                              it is old; 0 = none */
    bool keeps_all;        /* nothing that runs may move */
    bool ignores_spares;   /* places that are kept for the loss of a node may be used */
    const struct axi_phantoms *phantoms; /* nodes to be (hosts.h), after those that are; or NULL */
};
struct axi_snapshot *axi_snapshot_build(struct axi_master *m,
                                        const struct axi_snapshot_options *options);
/* Index of a task by its id, or AXI_PLAN_NONE. */
uint32_t axi_snapshot_task(const struct axi_snapshot *snapshot, uint64_t id);

/* ---- services.c ---- */
bool axi_node_is_flapping(struct axi_master *m, const struct axi_node *node);
bool axi_node_is_cordoned(struct axi_master *m, const struct axi_node *node);
bool axi_node_name_is_cordoned(struct axi_master *m, const char *name); /* also drained */
bool axi_node_is_draining(struct axi_master *m, const struct axi_node *node);

/* ---- reconcile.c, drain.c ---- */
void axi_service_reconcile(struct axi_master *m, struct axi_service *service);
/* Says it when it is another one than before; "" = as declared. */
void axi_service_condition(struct axi_master *m, struct axi_service *service, const char *type,
                           const char *text);
void axi_service_back_off(struct axi_master *m, struct axi_service *service);
/* fill.c: creates what is missing. degrade.c: lesser ones, and back. 0 also when nothing could be
 * done; else the store did not take it: look again soon. */
AXC_MUST_USE int axi_service_fill(struct axi_master *m, struct axi_service *service,
                                  bool is_rolling);
AXC_MUST_USE int axi_service_degrade(struct axi_master *m, struct axi_service *service);
/* True when a node takes one replica more, a degraded one where that is allowed. Now and then moves
 * begin that make room for a full one. */
bool axi_service_fits_more(struct axi_master *m, struct axi_service *service);
/* Nodes that refused this service lately are as good as cordoned. */
void axi_service_close_avoided(struct axi_master *m, const struct axi_service *service,
                               struct axi_snapshot *snapshot);
/* room.c: true when room is being made: by moves for all of options->extras, or for the first
 * `urgent` of them; or by less critical ones that yield (yield.h), for the urgent ones. */
bool axi_room_make(struct axi_master *m, struct axi_service *service,
                   const struct axi_snapshot_options *options, uint32_t urgent, const char *reason);
/* True for some seconds after that was begun: it may still come to something. */
bool axi_room_is_awaited(struct axi_master *m, const struct axi_service *service);
/* fit.c: moves a member that may not be where it is. */
void axi_service_fit(struct axi_master *m, struct axi_service *service);
void axi_room_bring_home(struct axi_master *m, struct axi_service *service);
uint64_t axi_drains_tick(struct axi_master *m); /* local time of the next thing to do */

#endif
