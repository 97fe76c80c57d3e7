/* SPDX-License-Identifier: Apache-2.0 */
/* The master's core: node registry, leases, task records, deployment, migration, recovery,
 * operations. Passive and single-threaded: no socket, no clock, no thread of its own; the daemon
 * (libuv) and the cluster simulation (virtual time) drive the same object through this header.
 *
 * Rule of use: call any entry point, then axi_master_tick; call tick again at the time it returned.
 * Nothing blocks but the store. The core never calls back into the caller but through the port, and
 * the port must not call entry points from inside a callback.
 *
 * What must survive the master's death is in the store before a message is sent that relies on it.
 * Everything else here is volatile: a new master on the same store goes on with every task,
 * migration and removal that was under way. Operations (ids given to users) are volatile; what they
 * started is finished all the same. */
#ifndef AXI_MASTER_MASTER_H
#define AXI_MASTER_MASTER_H

#include "base/error.h"
#include "cluster/record.h"
#include "store/store.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct axi_predict_weights;

/* Means over half a second or, with a long horizon, more. */
struct axi_telemetry_sample {
    uint64_t master_ns;
    uint32_t task_load_ppm, cpu_load_ppm, density_ppm; /* as in Heartbeat */
    uint64_t latency_ns;
};

/* What the core needs from its surroundings. Callbacks marked optional may be NULL. */
struct axi_master_port {
    void *context;
    uint64_t (*now_master_ns)(void *context); /* master time: TAI of this host */
    uint64_t (*now_local_ns)(void *context);  /* monotonic, counts through suspend; never 0 */
    uint64_t (*random64)(void *context);
    /* Sends one whole frame on a link, in order. Borrowed during the call: queues or drops it; a
     * link that cannot take more must be closed by the transport, not block. */
    void (*send)(void *context, uint64_t link, const uint8_t *frame, size_t frame_bytes);
    /* Closes a link after what was sent. No link_down follows for it. */
    void (*close)(void *context, uint64_t link);
    /* An ELF by digest: memory from malloc, freed by the core. -AXC_ENOENT when unknown. */
    int (*get_blob)(void *context, const uint8_t digest[32], uint8_t **ret_bytes, size_t *ret_size);
    /* optional: an event was recorded (borrowed; see axi_master_events for its fields) */
    void (*on_event)(void *context, const json_t *event);
    /* optional: this operation changed (a step, or its end) */
    void (*on_op)(void *context, uint64_t op);
    /* optional: one line of a task's log, without newline */
    void (*on_log)(void *context, const char *task, const char *node, const char *line);
    /* optional: trace records of a node that keeps no history itself, as in
     * docs/formats/history.md, the first with number `first` of this boot. Borrowed. Returns the
     * number wanted next. Without it no node is asked for them. */
    uint64_t (*on_traces)(void *context, const char *node, uint64_t node_id, uint64_t boot_id,
                          uint64_t first, const uint8_t *records, size_t count);
    /* optional: one sample of a node's telemetry (docs/formats/predictor.md) */
    void (*on_telemetry)(void *context, const char *node,
                         const struct axi_telemetry_sample *sample);
    /* optional, for the simulation: called at each crash point (axi_master_crash_points). True: the
     * master dies here: it sends and stores nothing more; free it and make a new one. */
    bool (*crash_point)(void *context, uint32_t point);
};

/* What is done for a node whose clock became so bad that its tasks are not schedulable any more:
 * say so; or also move, or stop, the task the node names, the least critical first. */
enum axi_sync_policy { AXI_SYNC_ALARM = 0, AXI_SYNC_MIGRATE, AXI_SYNC_DROP };

struct axi_master_config {
    struct axi_store *store; /* borrowed for the master's life */
    uint64_t election;       /* axi_leader_revision of the election that was won; it must still hold
                                when this master takes over. 0 = there are no elections */
    uint64_t lease_ns;       /* 0 = 500 ms */
    uint64_t heartbeat_ns;   /* 0 = 100 ms */
    uint64_t batch_ns;       /* lease renewals wait so long for company; 0 = 20 ms */
    uint64_t lease_margin_ns; /* added to lease * (1 + drift); 0 = 50 ms */
    uint32_t drift_ppm;       /* 0 = 200: between a node's and this clock */
    uint64_t retry_ns;        /* an unanswered request is sent again; 0 = 250 ms */
    uint64_t step_timeout_ns; /* a step of an operation fails after; 0 = 5 s */
    uint64_t start_delay_ns;  /* first release after Start; 0 = 20 ms */
    uint64_t lost_after_ns;   /* a dead owner that alone has the state is waited for; 0 = 10 s */
    enum axi_sync_policy sync_policy;
    uint32_t attempts_max; /* candidates per operation; 0 = 3 */
    uint32_t many_nodes;   /* leases.c spares itself from so many on; 0 = 50 */
    uint32_t events_max;   /* events kept in the store; 0 = 2000 */
    const struct axi_predict_weights *predictor; /* NULL: the built-in ones; borrowed */
    char token[65];                              /* nodes must show it; "" = any */
    bool skip_commit_cas; /* tests of the history checker only: decide without the store's word */
    bool skip_lease_wait; /* tests of the history checker only: declare nodes dead at once */
};

struct axi_master;

/* Reads the store and takes over. -AXC_EUNAVAILABLE: try again. Takes a copy of port and config. */
AXC_MUST_USE int axi_master_new(const struct axi_master_config *config,
                                const struct axi_master_port *port, struct axi_master **ret_master);
void axi_master_free(struct axi_master *master);

/* Links are numbered by the transport; a number is never used twice in one master's life. */
void axi_master_link_up(struct axi_master *master, uint64_t link, const char *peer);
/* True: axi_master_tick must follow. False: only heartbeats came, and the time it named last holds.
 */
bool axi_master_link_bytes(struct axi_master *master, uint64_t link, const uint8_t *bytes,
                           size_t count);
void axi_master_link_down(struct axi_master *master, uint64_t link);

/* Does what is due; returns the local time (ns) of the next thing that will be. */
uint64_t axi_master_tick(struct axi_master *master);
/* True once another master took over the same store, or axi_master_depose: this one has closed its
 * links and stores nothing more; free it. */
bool axi_master_is_deposed(const struct axi_master *master);
/* It leads no more: closes its links; whoever was linked asks the next one. */
void axi_master_depose(struct axi_master *master, const char *reason);
/* Says Goodbye on every link and closes it (orderly end of the daemon). Tasks go on running for a
 * lease; the next master finds them. */
void axi_master_shutdown(struct axi_master *master);

/* ---- images ---- */

struct axi_image_info {
    char reference[96]; /* what the user calls it; "" = the task's name */
    uint8_t digest[32]; /* of the image's index */
    struct axi_task_spec spec;
    uint64_t created_ns; /* set by axi_master_image_add: when it was first made known */
    uint32_t entry_count;
    struct axi_image_entry entries[AXI_PLATFORMS_MAX];
};

/* Makes an image known under its digest (repeated: the same again, WCETs found by profile stay).
 * The port's get_blob must know its ELFs. ret_reason: AXI_REASON_BYTES, may be NULL (everywhere
 * below). */
AXC_MUST_USE int axi_master_image_add(struct axi_master *master, const struct axi_image_info *info,
                                      char *ret_reason);
/* Keeps the schema text (docs/formats/image.md) with this SHA-256, so that state can be mapped from
 * and to it. -AXC_ECKPT_SCHEMA: another text. It goes with the last image that has it. */
AXC_MUST_USE int axi_master_schema_add(struct axi_master *master, const char *text,
                                       const uint8_t hash[32], char *ret_reason);
/* Refused (BUSY) while a task uses it. image: digest in hex (a unique prefix of >= 6 will do) or
 * reference. */
AXC_MUST_USE int axi_master_image_delete(struct axi_master *master, const char *image,
                                         char *ret_reason);

/* ---- operations ----
 * Return 0 and an operation id, or at once a negative code with a reason that says what is wrong.
 * `task` and `node` are names or hexadecimal ids. Then watch on_op / axi_master_op. */

/* request: {"image": digest or reference (required), "name": task name (default: the image's),
 *  "node": pin to this node, "jobs": N, "wcet_us": {"platform": n}, "assurance":
 *  "shared|realtime|isolated|partition" at least, "isolation": "fence|continue", "backlog_max": n}.
 *  Unknown members are refused. */
AXC_MUST_USE int axi_master_deploy(struct axi_master *master, const json_t *request,
                                   uint64_t *ret_op, char *ret_reason);
AXC_MUST_USE int axi_master_start(struct axi_master *master, const char *task, const char *node,
                                  uint64_t *ret_op, char *ret_reason); /* node NULL = any */
AXC_MUST_USE int axi_master_stop(struct axi_master *master, const char *task, uint64_t *ret_op,
                                 char *ret_reason);
AXC_MUST_USE int axi_master_delete(struct axi_master *master, const char *task, uint64_t *ret_op,
                                   char *ret_reason);
/* Migrates to the other node with the least processor load (then most free memory) that admits it.
 */
AXC_MUST_USE int axi_master_offload(struct axi_master *master, const char *task, uint64_t *ret_op,
                                    char *ret_reason);
/* The same for all running tasks of a node: {"operations": [{"task", "operation"}], "refused":
 * [{"task", "error", "reason"}]}, a new reference; NULL: no such node. */
json_t *axi_master_offload_node(struct axi_master *master, const char *node, char *ret_reason);
/* node NULL: the best other node. When the named target fails, the next best ones are tried. */
AXC_MUST_USE int axi_master_migrate(struct axi_master *master, const char *task, const char *node,
                                    uint64_t *ret_op, char *ret_reason);
/* request: {"image", "node" (required), "jobs": n (default 100), "save": bool, "margin_percent": n
 *  (default 20)}. Result:
 * {"jobs","min_ns","max_ns","mean_ns","p99_ns","wcet_ns","platform","saved"}. */
AXC_MUST_USE int axi_master_profile(struct axi_master *master, const json_t *request,
                                    uint64_t *ret_op, char *ret_reason);

/* ---- what is declared: services, nodes, policy (docs/orchestration.md) ---- */

/* request: {"objects": [normalised objects], "dry_run": bool}; an object may have "revision": the
 * one it was read with, refused (REVISION) when it has changed since. All or nothing. *ret_answer
 * (a new reference, also on refusal): {"changes": [{"kind","name","action":
 * "create|change|unchanged|delete","fields":[{"path","from","to"}]}], "plan": [{"task","service",
 * "from","to","why"}], "refused": [{"kind","name","code","error","reason","nodes":[{"node","error",
 * "reason"}]}]}. With dry_run nothing changes, and the plan says what would move. */
AXC_MUST_USE int axi_master_apply(struct axi_master *master, const json_t *request,
                                  json_t **ret_answer, char *ret_reason);
/* request: {"objects": [{"kind","name","revision"?}], "dry_run"}; the same answer. */
AXC_MUST_USE int axi_master_undeclare(struct axi_master *master, const json_t *request,
                                      json_t **ret_answer, char *ret_reason);
/* action: "undo" (the former declaration again), "pause", "resume". */
AXC_MUST_USE int axi_master_rollout(struct axi_master *master, const char *service,
                                    const char *action, char *ret_reason);
/* Nothing new goes there, or may again; survives the master. */
AXC_MUST_USE int axi_master_cordon(struct axi_master *master, const char *node, bool is_cordoned,
                                   char *ret_reason);
/* Cordons, then moves everything that runs there elsewhere; deadline_ns (from now, 0 = 60 s): what
 * is left then stays, and is named in the operation's result. */
AXC_MUST_USE int axi_master_drain(struct axi_master *master, const char *node, uint64_t deadline_ns,
                                  uint64_t *ret_op, char *ret_reason);
/* *ret_answer: {"plan": [{"task","service","from","to","why"}], "operations": [...]}. */
AXC_MUST_USE int axi_master_rebalance(struct axi_master *master, bool is_dry_run,
                                      json_t **ret_answer, char *ret_reason);
/* {"name","mode","image","replicas","ready","agreed","minimum","generation","revision","state":
 * "ready|progressing|degraded|short|paused|deleting","condition","rollout":{...},"members":[{"task",
 * "node","platform","role","image","degraded","votes":{...}}],"votes":{...},"declared":{...}} */
json_t *axi_master_services(struct axi_master *master);
json_t *axi_master_service(struct axi_master *master, const char *name);
/* Declared nodes and policy, as the store has them: {"kind","name","revision",...}. */
json_t *axi_master_declared(struct axi_master *master);

/* ---- hosts of partitions that are started on demand (docs/orchestration.md) ---- */

/* What axcan-host reports of itself (docs/api.md). *ret_answer (a new reference): {"partitions":
 * [{"name","run","wanted"}], "revision"}. -AXC_EINVALID, -AXC_EEXIST (another host of that name is
 * there), -AXC_EFULL, -AXC_EUNAVAILABLE. */
AXC_MUST_USE int axi_master_host_report(struct axi_master *master, const char *name,
                                        const json_t *report, json_t **ret_answer,
                                        char *ret_reason);
/* Refused (BUSY) while it reports. */
AXC_MUST_USE int axi_master_host_delete(struct axi_master *master, const char *name,
                                        char *ret_reason);
/* {"name","id","state":"ready|paused|lost","platform","hypervisor","max","used","failures",
 *  "revision","partitions":[{"name","state","run","since_ns","why","reported","reason"}],...} */
json_t *axi_master_hosts(struct axi_master *master);
json_t *axi_master_host(struct axi_master *master, const char *name);

/* Voters: {"id","name","address","version","state":"joined|lost","services":[names],"agreed",
 * "failed"}. */
json_t *axi_master_voters(struct axi_master *master);

/* ---- what there is; each returns a new reference (NULL = not found) ---- */

/* {"id","kind","task","node","state":"running|done|failed","code","error","reason","steps":
 *  [{"name","at_ns","detail"}],"result":{...},"started_ns","ended_ns"}; times in master ns.
 *  A finished migration's result: {"from","to","epoch","attempts","blackout_ns",
 *  "restored","first_job"}. The last 1000 operations are kept. */
json_t *axi_master_op(struct axi_master *master, uint64_t op);
json_t *axi_master_ops(struct axi_master *master);
/* Checkpoint managers: {"id","name","address","api","version","state":"present|lost","linked",...
 * and what each says of itself}. */
json_t *axi_master_managers(struct axi_master *master);
json_t *axi_master_nodes(struct axi_master *master);
json_t *axi_master_node(struct axi_master *master, const char *node);
json_t *axi_master_tasks(struct axi_master *master);
json_t *axi_master_task(struct axi_master *master, const char *task);
json_t *axi_master_images(struct axi_master *master);
json_t *axi_master_image(struct axi_master *master, const char *image);
/* Events with number > after, at most limit, oldest first: {"number","time_ns","type","level":
 *  "info|warning|error","task","node","text",...}. */
json_t *axi_master_events(struct axi_master *master, uint64_t after, uint32_t limit);
/* The last lines (<= 500 kept per task, volatile) of a task's log: array of
 * {"number","node","line"}. */
json_t *axi_master_log(struct axi_master *master, const char *task, uint64_t after);
/* {"nodes":n,"ready":n,"tasks":n,"running":n,...,"lease_ns","heartbeat_ns","detection_bound_ns"} */
json_t *axi_master_status(struct axi_master *master);

/* ---- for the simulation ---- */

/* Names of all crash points, indexed by their number; taken from the step table. */
const char *const *axi_master_crash_points(uint32_t *ret_count);

#endif
