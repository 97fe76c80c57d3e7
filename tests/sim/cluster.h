/* SPDX-License-Identifier: Apache-2.0 */
/* The whole cluster of one seed: masters on one store, nodes, clients, faults. */
#ifndef AXI_SIM_CLUSTER_H
#define AXI_SIM_CLUSTER_H

#include "cms/manager.h"
#include "consumer.h"
#include "core/agent.h"
#include "core/gate.h"
#include "history/checker.h"
#include "machine.h"
#include "master/leader.h"
#include "master/master.h"
#include "network.h"
#include "store/store.h"

#include <setjmp.h>
#include <stdio.h>

#define SIM_NODES_MAX 6u
#define SIM_TASKS_MAX 16u /* images; each is a task, or a version of a service */
#define SIM_PLAIN_TASKS_MAX 8u
#define SIM_SERVICES_MAX 3u
#define SIM_VERSIONS 4u /* of a service: three good ones, the last one bad */
#define SIM_BAD (SIM_VERSIONS - 1)
#define SIM_LESSER SIM_VERSIONS     /* its degraded image */
#define SIM_EACH (SIM_VERSIONS + 1) /* images of a service */
#define SIM_MEMBERS_MAX 64u
#define SIM_GRIDS_MAX 32u
#define SIM_MASTERS 2u
#define SIM_MANAGERS_MAX 3u
#define SIM_NODE_HOST SIM_MASTERS                        /* host number of node 0 */
#define SIM_MANAGER_HOST (SIM_NODE_HOST + SIM_NODES_MAX) /* of checkpoint manager 0, "c0" */
#define SIM_VOTERS_MAX 2u
#define SIM_VOTER_HOST (SIM_MANAGER_HOST + SIM_MANAGERS_MAX) /* of voter 0, "v0" */
#define SIM_IMAGE_BYTES_MAX 20000u
#define SIM_CALM_AFTER_S 24u /* after the faults */
#define SIM_VICTIMS_MAX 16u
#define SIM_MOVES_MAX 64u

struct sim_cluster;

struct sim_options {
    bool disable_cas;   /* the decisions are written blindly */
    bool disable_fence; /* nodes never notice that their lease is gone */
    bool disable_claim; /* managers claim by plain writes */
    bool disable_lapse; /* a lease that is renewed too late counts as if it had never ended */
    int managers;       /* -1: drawn by the seed */
    bool has_services;  /* services instead of single tasks */
    /* what services.c does not declare, or does not do, and judges all the same */
    bool disable_admission, disable_minimum, disable_diversity, disable_proof, disable_removal,
        disable_return;
    bool disable_labels;      /* not declared */
    bool disable_spare;       /* nobody asks for a place after the loss of a node */
    bool disable_whole;       /* the degraded image is declared as the full one */
    bool disable_degrading;   /* judged as if nothing might be degraded */
    bool disable_agreement;   /* services are declared to need one output, and judged to need two */
    bool disable_patience;    /* replaced for one bad job */
    bool disable_replacement; /* never replaced for bad jobs */
    bool disable_majority;    /* with one replica that is bad, a second one falls silent */
    bool disable_once;        /* actuators have no gate */
    bool disable_grid;        /* nodes start an instance's later epochs on a grid of their own */
    bool disable_epoch; /* consumers use outputs of superseded epochs, nodes take such commands */
    bool is_verbose;
};

struct sim_image {
    uint8_t digest[32];
    uint8_t bytes[SIM_IMAGE_BYTES_MAX];
    struct axi_image_info info;
    uint64_t salt; /* of its values; 0 = the task's id */
    enum sim_defect defect;
    bool is_mirrored; /* its state's fields are in another order */
    char schema[192]; /* text; "" = the hash is of nothing */
};

/* A replica as the service's record has it. */
struct sim_member {
    uint64_t task;
    uint32_t number; /* of its name */
    bool is_counted; /* active, or old with a successor that is not proved yet */
    bool is_active, is_going, is_degraded;
};

/* A service: what its clients want, and what the store says. */
struct sim_service {
    char name[8];
    const char *mode;
    uint32_t replicas, minimum;
    bool differs, must_differ; /* in platform */
    uint32_t image;            /* of version 0 */
    uint32_t bad_limit;
    bool names_voter;
    uint32_t platforms; /* of the full image: bits */
    bool needs_label, prefers, survives, may_degrade, is_lesser_mirrored;
    bool is_wanted, is_unsure; /* unsure: an answer never came */
    uint64_t asked_ns;
    /* the record, as committed last */
    bool is_declared, is_deleting;
    uint32_t version;
    uint64_t declared_ns;          /* its version or presence changed */
    uint64_t grids[SIM_GRIDS_MAX]; /* r of its release grid, the present one last */
    uint32_t grid_count;
    struct sim_member members[SIM_MEMBERS_MAX];
    uint32_t member_count;
};

/* ptp.c: a node's PTP source. */
struct sim_ptp {
    bool is_used;
    uint32_t state; /* enum axi_servo_state */
    uint32_t updates, silent_updates, bad_updates;
    uint64_t random;
    uint64_t local_ns, master_ns; /* of the last update */
    int64_t rate_ppb;
};

struct sim_node {
    struct sim_ptp ptp;
    struct sim_cluster *cluster;
    struct sim_machine machine;
    char name[8], address[8];
    void *agent_memory;
    struct axi_agent *agent;
    uint64_t tick_generation;
    bool is_paused; /* its daemon takes nothing in and does nothing */
    bool is_trace_queued;
    jmp_buf crash; /* where a crash point returns to */
    bool is_in_agent;
    uint32_t crash_at;   /* crash point to die at; UINT32_MAX = none */
    uint32_t crash_skip; /* visits of it to survive first */
    uint64_t crashes;
    bool has_image[SIM_TASKS_MAX];
    uint8_t *upload;
    size_t upload_bytes;
    int upload_image;
    const char *platform;
    uint64_t closed_ns;   /* when clients cordoned, drained or opened it last */
    uint64_t troubled_ns; /* when a fault hit it last: crash, pause, partition */
    struct {
        void *memory;
        struct axi_region region;
        bool is_loading;
        int voter; /* its outputs go there; -1 = to none */
    } slots[SIM_SLOTS];
};

struct sim_store {
    struct axi_store base;
    struct sim_cluster *cluster;
    struct axi_store *inner; /* borrowed */
    uint32_t unavailable_ppm, unknown_ppm;
};

struct sim_master {
    struct sim_cluster *cluster;
    uint32_t host;
    struct axi_master *master; /* NULL = dead, or it stands by */
    struct axi_leader *leader; /* of a cluster with elections; NULL = dead */
    uint64_t term, process;    /* of `master`; how often it was started */
    struct sim_store store;
    uint64_t tick_generation;
    bool is_paused, is_dying;
    uint32_t crash_at, crash_skip;
    uint64_t life;
    bool is_in_call;
};

struct sim_manager {
    struct sim_cluster *cluster;
    uint32_t host;
    char name[8];
    struct axi_cms *cms; /* NULL = dead */
    struct axi_checkpoints *checkpoints;
    struct sim_store store;
    uint64_t tick_generation, life;
    bool is_paused, is_dying;
    int32_t drift_ppm;
    uint32_t crash_at, crash_skip;
};

struct sim_voter {
    struct sim_cluster *cluster;
    uint32_t host, index;
    char name[8], address[24];
    struct axi_vote *vote;      /* NULL = dead */
    struct axi_vote_link *link; /* as vote */
    uint64_t tick_generation;
    uint64_t life, booted_ns; /* life: among all voters' lives */
    int32_t drift_ppm;
};

/* What becomes of the datagrams between replicas, voters and actuators. */
struct sim_datagrams {
    uint32_t lost_ppm, twice_ppm, late_ppm, damaged_ppm;
    uint64_t late_ns; /* at most */
};

/* Who says something wrong, or nothing: a replica, or all that run on a node. */
enum sim_liar { SIM_HONEST = 0, SIM_LIES, SIM_SILENT };

struct sim_liar_plan {
    enum sim_liar how;
    const struct sim_node *node; /* NULL: the task */
    uint64_t task, second;       /* second: falls silent as well; 0 = nobody */
    uint64_t generation;
};

struct sim_actuator { /* of a service */
    struct axi_gate gate;
    struct axi_stamp used; /* last */
};

struct sim_put { /* put out by a service's voter */
    uint64_t id, job, ns;
};

/* calm.c */
enum sim_calm_kind {
    SIM_CALM_NOTHING = 0,
    SIM_CALM_REPLICA, /* lies, or is silent, for good */
    SIM_CALM_NODE,
    SIM_CALM_DEATH, /* of a node */
    SIM_CALM_VOTER, /* dies */
    SIM_CALM_CUT,   /* the voter loses the master, and a replica lies */
    SIM_CALM_KINDS
};

struct sim_move {
    uint32_t service;
    uint64_t at_ns;
};

struct sim_calm {
    enum sim_calm_kind kind;
    uint64_t begin_ns; /* 0 = not yet */
    bool is_settled[SIM_SERVICES_MAX];
    struct sim_put from[SIM_SERVICES_MAX]; /* put out last then */
    uint64_t victims[SIM_VICTIMS_MAX];     /* replicas that are to be replaced */
    uint32_t victim_count;
    bool is_spared;                       /* there was a place for what a lost node ran */
    struct sim_move moves[SIM_MOVES_MAX]; /* replicas that were activated since */
    uint32_t moved_count;
};

/* One request of a client and what came of it. */
struct sim_request {
    char kind; /* 'd'eploy 'm'igrate 's'top 'r'un again 'x' delete */
    uint32_t task;
    uint32_t master;
    uint64_t op, life, since_ns;
    bool is_open;
};

enum sim_intent { SIM_ABSENT, SIM_RUNNING, SIM_STOPPED, SIM_UNSURE };

/* A stop or delete was confirmed at from_ns and nothing else was asked before to_ns: silence. */
struct sim_silence {
    uint64_t from_ns, to_ns;
};

struct sim_task {
    enum sim_intent intent; /* what clients were told last */
    bool is_refused;        /* its demand fits no node */
    uint64_t jobs;
    uint64_t ids[1024]; /* every incarnation that a node was told to load */
    uint32_t id_count;
    struct sim_silence silences[64];
    uint32_t silence_count;
};

struct sim_cluster {
    struct sim_clock clock;
    struct sim_options options;
    uint64_t seed;
    uint64_t start_ns, faults_end_ns, end_ns;
    struct sim_network *network;
    struct axi_store *store;
    struct sim_master masters[SIM_MASTERS];
    bool has_election; /* both masters run; one leads, the other stands by */
    uint32_t current;  /* the master that listens on the address nodes know */
    struct sim_node nodes[SIM_NODES_MAX];
    uint32_t node_count;
    struct sim_manager managers[SIM_MANAGERS_MAX];
    uint32_t manager_count;
    struct sim_image images[SIM_TASKS_MAX];
    struct sim_task tasks[SIM_TASKS_MAX];
    uint32_t task_count;
    struct sim_service services[SIM_SERVICES_MAX];
    uint32_t service_count;
    bool is_crowded; /* large tasks */
    bool
        are_spares_used; /* the master said that another loss may leave something without a place */
    uint32_t bare_node;  /* the one without the label */
    uint64_t labelled_ns; /* when the labels were changed last; UINT64_MAX = nobody knows */
    struct sim_request requests[1024];
    uint32_t request_count;
    struct sim_consumer consumer;
    struct sim_voter voters[SIM_VOTERS_MAX];
    uint32_t voter_count;
    uint64_t voter_lives;
    struct sim_datagrams datagrams;
    struct sim_liar_plan liar;
    struct sim_actuator actuators[SIM_SERVICES_MAX];
    struct sim_votes *votes; /* owned; vote_ledger.h */
    struct sim_calm calm;
    struct axi_verdict *verdict;
    struct {
        uint64_t migrations, aborted, node_crashes, master_crashes, failovers, requests, restores;
        uint64_t partitions, crash_points, store_faults, manager_crashes;
        uint64_t applies, updates, bad_updates, drains;
        uint64_t voter_crashes, agreed, replaced, calm; /* replaced: for their outputs */
        uint64_t degraded, spares;
    } counts;
};

/* Prints "seconds who: text" when verbose. */
void sim_log(struct sim_cluster *cluster, const char *who, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* node.c */
void sim_ptp_init(struct sim_node *node); /* draws whether there is one */
void sim_ptp_boot(struct sim_node *node);
void sim_ptp_run(struct sim_node *node); /* every 125 ms; tells the agent */
void sim_node_init(struct sim_cluster *cluster, uint32_t index);
void sim_node_boot(struct sim_node *node);
void sim_node_crash(struct sim_node *node, const char *why, uint64_t away_ns);
/* Stops agent and scheduler; going on, the scheduler follows after starved_ns. */
void sim_node_pause(struct sim_node *node);
void sim_node_unpause(struct sim_node *node, uint64_t starved_ns);
void sim_node_deinit(struct sim_node *node);

/* node_image.c */
int sim_image_find(const struct sim_cluster *cluster, const uint8_t *digest); /* or -1 */
void sim_image_meta(const struct sim_image *image, struct axi_task_meta *ret_meta);
void sim_node_image_port(struct axi_agent_port *port); /* its image_ functions */

/* master_host.c */
void sim_master_boot(struct sim_cluster *cluster, uint32_t index);
void sim_master_crash(struct sim_cluster *cluster, uint32_t index, const char *why);
/* Something was asked of the core: it ticks soon. */
void sim_master_touch(struct sim_master *master);

/* manager_host.c */
void sim_manager_init(struct sim_cluster *cluster, uint32_t index);
void sim_manager_boot(struct sim_manager *host);
void sim_manager_crash(struct sim_manager *host, const char *why);
void sim_manager_touch(struct sim_manager *host);
void sim_manager_deinit(struct sim_manager *host);

/* manager_faults.c: one more thing that goes wrong around managers */
void sim_manager_strike(struct sim_cluster *cluster);
void sim_manager_faults_end(struct sim_cluster *cluster);

/* store_faults.c */
void sim_store_init(struct sim_store *store, struct sim_cluster *cluster);
void sim_store_deinit(struct sim_cluster *cluster); /* the store itself too */

/* workload.c: images and tasks, clients that ask for things and wait for answers */
void sim_workload_prepare(struct sim_cluster *cluster);
void sim_workload_start(struct sim_cluster *cluster);
int sim_image_blob(const struct sim_cluster *cluster, const uint8_t digest[32], uint8_t **ret_bytes,
                   size_t *ret_size); /* as the ports' get_blob */
void sim_workload_note_id(struct sim_cluster *cluster, uint32_t image, uint64_t task_id);
uint64_t sim_image_salt(const struct sim_cluster *cluster, uint32_t image, uint64_t task_id);
void sim_image_make(struct sim_cluster *cluster, uint32_t index);
struct sim_master *
sim_listening(struct sim_cluster *cluster); /* the master that answers; or NULL */

/* manifests.c: what is declared */
void sim_services_prepare(struct sim_cluster *cluster); /* draws services and makes their images */
json_t *sim_manifest_service(const struct sim_cluster *cluster, const struct sim_service *s,
                             uint32_t version, uint32_t surge);
json_t *sim_manifest_nodes(const struct sim_cluster *cluster); /* a list */
json_t *sim_manifest_policy(void);
/* One of those nodes that are not the only ones of their platform. */
uint32_t sim_twin_node(struct sim_cluster *cluster);

/* services.c: clients that declare services and nodes, update, drain, take back */
void sim_services_start(struct sim_cluster *cluster);

/* voter_host.c */
void sim_voter_init(struct sim_cluster *cluster, uint32_t index);
void sim_voter_boot(struct sim_voter *host);
void sim_voter_crash(struct sim_voter *host, uint64_t away_ns);
void sim_voter_deinit(struct sim_voter *host);
uint64_t sim_voter_clock_error(struct sim_voter *host);                     /* of its master time */
int sim_voter_find(const struct sim_cluster *cluster, const char *address); /* or -1 */
/* The job that a slot's runner has just completed: its outputs go to its voter. */
void sim_voter_output(struct sim_node *node, uint32_t slot);

/* voter_faults.c */
void sim_voter_strike(struct sim_cluster *cluster);
void sim_voter_cut(struct sim_voter *host, uint64_t lasts_ns); /* off the masters */
void sim_voter_faults_end(struct sim_cluster *cluster);
void sim_liar_begin(struct sim_cluster *cluster, const struct sim_liar_plan *plan,
                    uint64_t lasts_ns);
/* node: where the task is, or NULL. */
enum sim_liar sim_votes_liar(const struct sim_cluster *cluster, const struct sim_node *node,
                             uint64_t task);

/* vote_judge.c */
struct sim_votes *sim_votes_new(void);
void sim_votes_free(struct sim_votes *votes);
uint32_t sim_vote_places(uint64_t job); /* outputs of that job */
void sim_votes_sent(struct sim_cluster *cluster, const struct axi_stamp *stamp, uint32_t value);
void sim_votes_arrived(struct sim_voter *host, const struct axi_stamp *stamp);
void sim_votes_taken(struct sim_voter *host, const struct axi_stamp *stamp);
void sim_votes_members(struct sim_cluster *cluster, const struct sim_service *s);
void sim_votes_put(struct sim_voter *host, const char *service, const struct axi_stamp *stamp,
                   uint32_t value);
void sim_votes_judged(struct sim_voter *host, const char *service, uint64_t job);
void sim_votes_blamed(struct sim_voter *host, const char *service, uint64_t job, uint64_t task,
                      bool is_wrong);
void sim_votes_replaced(struct sim_cluster *cluster, const char *replica); /* its name */

/* actuator.c */
void sim_actuator_send(struct sim_cluster *cluster, uint32_t service,
                       const struct axi_stamp *stamp);
void sim_actuators_deinit(struct sim_cluster *cluster);

/* calm.c */
void sim_calm_start(struct sim_cluster *cluster);
void sim_calm_activated(struct sim_node *node, uint64_t task);
void sim_calm_replaced(struct sim_cluster *cluster, const struct sim_service *s, uint64_t task);
void sim_calm_judge(struct sim_cluster *cluster);

/* place_judge.c */
void sim_place_activated(struct sim_node *node, uint64_t task, bool is_first);
void sim_place_committed(struct sim_cluster *cluster, const struct sim_service *before,
                         const struct sim_service *after);
bool sim_place_has_spare(struct sim_cluster *cluster, const struct sim_service *s);
/* Some node could take one replica more, as things are. */
bool sim_place_has_room(struct sim_cluster *cluster, const struct sim_service *s);
void sim_place_judge(struct sim_cluster *cluster);
/* Before a node is lost; false: there was nothing to judge. */
bool sim_spare_judge(struct sim_cluster *cluster);
void sim_spare_used(struct sim_cluster *cluster); /* a while after it */

/* service_judge.c */
struct sim_where {
    struct sim_node *node; /* NULL: nowhere */
    uint32_t slot;
    bool is_active;
};

struct sim_service *sim_service_find(struct sim_cluster *cluster, const char *name); /* or NULL */
struct sim_where sim_instance_find(struct sim_cluster *cluster, uint64_t task);
/* A transaction came into force. */
void sim_services_committed(struct sim_cluster *cluster, const struct axi_store_op *ops,
                            size_t count);
/* An instance was activated: what runs there must pass the exact test. */
void sim_services_activated(struct sim_node *node, uint64_t task, bool is_first);
void sim_services_judge(struct sim_cluster *cluster);

/* grid_judge.c: I7. sources: what axi_check judged, one per node; their bounds are set here. */
void sim_grid_judge(struct sim_cluster *cluster, struct axi_check_source *sources);

/* faults.c */
void sim_faults_start(struct sim_cluster *cluster);

/* judge.c: index of the image that the task id was loaded with, or UINT32_MAX */
uint32_t sim_task_find(const struct sim_cluster *cluster, uint64_t task_id);
/* true when no invariant is broken; else says which on stdout. */
bool sim_judge(struct sim_cluster *cluster);

#endif
