/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of the node runtime. Threads: the scheduler thread (real-time; sched_thread.c, port.c,
 * outputs.c), the channel thread (channels.c) and the agent's thread (runtime.c). */
#ifndef AXI_NODE_RUNTIME_INTERNAL_H
#define AXI_NODE_RUNTIME_INTERNAL_H

#include "history/file.h"
#include "node/channels.h"
#include "node/memory.h"
#include "node/runtime.h"
#include "node/zygote.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <time.h>

#define AXI_SCHEDULER_PRIORITY 90
#define AXI_RUNNER_PRIORITY 10 /* + depth */

#define AXI_LINGER_NS 10000000u /* processor time that a runner may need to go to sleep */

/* Life of the runner of one slot. The scheduler thread moves it, but for IDLE -> CLAIMED -> LOADED,
 * which the agent's thread does while it loads.
 *
 *   DOWN (fork asked) -> STARTING (forked) -> IDLE -> CLAIMED -> LOADED (runs jobs)
 *                                  with image:  RELOADING -> LOADED      any -> DOWN: killed, died
 */
enum axi_runner_state {
    AXI_RUNNER_DOWN = 0,
    AXI_RUNNER_STARTING,
    AXI_RUNNER_IDLE,
    AXI_RUNNER_CLAIMED,
    AXI_RUNNER_RELOADING,
    AXI_RUNNER_LOADED,
};

struct axi_node_slot {
    _Atomic uint32_t runner_state;
    _Atomic bool has_image;       /* the window holds an image that an instance uses */
    bool is_loading;              /* agent's thread: the runner takes the image over ... */
    uint64_t load_until_ns;       /* ... and is given up at this time */
    _Atomic bool is_unload_asked; /* by the agent, for an image that was never installed */
    /* set by the agent's thread while CLAIMED, then constant until the image goes */
    uint64_t entry, data_start, data_bytes;
    uint32_t stack_bytes;
    struct axi_region region;
    struct sockaddr_in output_to; /* its outputs go there, too; port 0 = nowhere */
    uint32_t log_tail;
    /* scheduler thread only */
    pid_t pid;
    clockid_t cpu_clock;
    uint32_t commands;    /* number of the last command */
    int priority;         /* as set last */
    bool is_fork_asked;   /* the zygote has the request */
    bool is_job_waiting;  /* start when the runner is LOADED again */
    uint64_t cpu_base_ns; /* processor time when the job started */
    uint64_t cpu_last_ns; /* read last */
    struct axi_job_start start;
};

#define AXI_RUNTIME_TIMERS 2u

struct axi_runtime_timer {
    timer_t id;
    bool exists;
    _Atomic uint64_t at_ns; /* UINT64_MAX: not armed; the signal handler sets it too */
    _Atomic uint32_t *event;
};

struct axi_runtime {
    struct axi_runtime_config config;
    struct axi_node_memory memory;
    struct axi_zygote zygote;
    struct axi_node_slot *slots;
    void *sched_memory;
    struct axi_sched *sched;
    uint32_t assurance;
    /* scheduler thread */
    pthread_t thread;
    bool has_thread;
    _Atomic bool is_stopping;
    struct axi_runtime_timer timers[AXI_RUNTIME_TIMERS];
    _Atomic bool is_unload_asked; /* in some slot */
    uint32_t changing;    /* slots on the way to IDLE or LOADED: DOWN, STARTING, RELOADING */
    uint64_t patrol_ns;   /* time of the last patrol */
    uint32_t patrol_slot; /* where the next one goes on */
    uint32_t running_count;
    uint16_t *running; /* slots whose runner has a job */
    struct axi_ring traces;
    void *trace_memory;
    _Atomic uint64_t traces_lost;
    int event_fd;
    uint64_t cpu_busy, cpu_total;      /* at the last call of figures, ticks */
    uint64_t jobs_busy_ns, jobs_at_ns; /* likewise */
    struct axi_history_file history;
    struct axi_channels channels;
};

/* port.c, scheduler thread */
struct axi_sched_port axi_runtime_port(struct axi_runtime *runtime);
void axi_runner_send(struct axi_runtime *runtime, uint32_t slot, uint32_t op);
void axi_runner_end(struct axi_runtime *runtime, uint32_t slot);
void axi_runner_read_cpu(struct axi_node_slot *slot); /* sets cpu_last_ns */
bool axi_runner_is_lingering(struct axi_runtime *runtime, uint32_t slot);
void axi_runner_start_job(struct axi_runtime *runtime, uint32_t slot);

/* outputs.c, scheduler thread: parses what the task left, publishes, returns the CRC. */
uint32_t axi_outputs_commit(struct axi_runtime *runtime, uint32_t slot, bool is_shadow);

/* sched_thread.c */
int axi_sched_thread_start(struct axi_runtime *runtime);
void axi_sched_thread_stop(struct axi_runtime *runtime);
void axi_runtime_wake(struct axi_runtime *runtime);

#endif
