/* SPDX-License-Identifier: Apache-2.0 */
/* The bare-metal node's runtime: runs instances at EL0, each in its own address space, under the
 * scheduler of core/sched.h. The sibling of node/runtime.h: same names, same meaning, so that the
 * two nodes' agent ports look alike. Whatever a task does, the node goes on.
 *
 * Contexts. Agent functions are called from the server thread (os/task/server.h), which any
 * interrupt may preempt. The hooks of the kernel (kernel_port.c) run with interrupts masked and
 * never preempt each other; together they are the scheduler context of core/sched.h. */
#ifndef AXI_OS_TASK_RUNTIME_H
#define AXI_OS_TASK_RUNTIME_H

#include "base/error.h"
#include "core/checkpoint.h"
#include "core/gate.h"
#include "core/meta.h"
#include "core/sched.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define AXI_ASSURANCE_ISOLATED 2u
#define AXI_ASSURANCE_PARTITION 3u /* with a monitor: os/task/monitor.h */

/* Longest text of a log line and of a channel value, as on Linux. */
#define AXI_RUNTIME_LOG_TEXT 116u

/* One value that a task put out on a channel, in commit order. */
struct axi_runtime_output {
    struct axi_stamp stamp; /* whose output it is, for `node:` channels (core/gate.h) */
    char name[AXC_NAME_BYTES];
    uint32_t to_host; /* it goes there, too, as a stamped value (host byte order) ... */
    uint16_t to_port; /* ... but for port 0: nowhere */
    bool is_shadow;   /* it goes nowhere else */
    uint32_t bytes;
    uint8_t value[AXC_VALUE_BYTES_MAX];
};

/* Zeros mean the defaults given. */
struct axi_runtime_config {
    uint32_t slots;           /* 16, at most 1024 */
    uint32_t image_bytes_max; /* memory of one image; 4 MiB */
    uint32_t region_slots;    /* checkpoints kept per instance; 4 */
    uint32_t traces;          /* records the agent may be behind, power of two; 4096 */
    uint32_t outputs;         /* channel values waiting for the server, power of two; 64 */
    uint64_t server_budget_ns, server_period_ns; /* 1 ms, 10 ms */
};

struct axi_runtime;

/* Once, at boot, interrupts masked; all memory comes from the page pool. -AXC_EINVALID, _ENOMEM. */
AXC_MUST_USE int axi_runtime_new(const struct axi_runtime_config *config,
                                 struct axi_runtime **ret_runtime);

/* Makes the server thread: `entry` is the node's loop and must not return. And fills in the
 * kernel's hooks, which belong to this runtime from then on. Once, in axi_image_start.
 * -AXC_ENOMEM. */
struct axi_kernel_ops;
AXC_MUST_USE int axi_runtime_start(struct axi_runtime *runtime, void (*entry)(void *argument),
                                   void *argument, struct axi_kernel_ops *ret_ops);

/* What the node can guarantee: AXI_ASSURANCE_ISOLATED. */
uint32_t axi_runtime_assurance(const struct axi_runtime *runtime);

/* Local time since boot, ns; any context. And the timebase, whose writer is the caller. */
uint64_t axi_runtime_clock_ns(void);
struct axi_timebase *axi_runtime_timebase(struct axi_runtime *runtime);

/* Validates, relocates and maps an image into the slot; the caller then posts INSTALL with
 * ret_state and ret_region in the config. The ELF file may go as soon as this returns. -AXC_EBUSY:
 * the slot's former instance is not quite gone yet, call again after some ms; -AXC_EELF_*,
 * -AXC_EADMIT_MEMORY (the page pool has not that much left), -AXC_ESTATE (slot in use). */
AXC_MUST_USE int axi_runtime_load(struct axi_runtime *runtime, uint32_t slot, const uint8_t *elf,
                                  size_t bytes, const struct axi_task_meta *meta, void **ret_state,
                                  struct axi_region **ret_region);
/* After a load, before INSTALL: channel outputs of this instance go as stamped values there, too;
 * port 0 = nowhere, as after each load. */
void axi_runtime_set_output(struct axi_runtime *runtime, uint32_t slot, uint32_t host,
                            uint16_t port);
/* Undoes a load that was not followed by INSTALL; after INSTALL, REMOVE does. */
void axi_runtime_unload(struct axi_runtime *runtime, uint32_t slot);
/* True when an image can be loaded into the slot now. */
bool axi_runtime_is_free(struct axi_runtime *runtime, uint32_t slot);
uint32_t axi_runtime_free_slots(struct axi_runtime *runtime);

/* Scheduler: see core/sched.h. post makes it run at once; false when its command ring is full. */
bool axi_runtime_post(struct axi_runtime *runtime, const struct axi_sched_command *command);
void axi_runtime_view(struct axi_runtime *runtime, uint32_t slot, struct axi_slot_view *ret_view);
void axi_runtime_hists(struct axi_runtime *runtime, uint32_t slot, struct axi_hist *ret_response,
                       struct axi_hist *ret_exec);
void axi_runtime_set_lease(struct axi_runtime *runtime, uint64_t until_local_ns);

/* Moves up to `max` trace records, oldest first; returns their number. A record that the agent
 * waits for (frozen, fault, finished, failed, removed, activated, installed, fenced) wakes the
 * server; the others may be drained on a tick. */
uint32_t axi_runtime_drain(struct axi_runtime *runtime, struct axi_trace *ret_records,
                           uint32_t max);
/* Records lost because nobody drained. */
uint64_t axi_runtime_traces_lost(const struct axi_runtime *runtime);

/* The server thread's sleep: returns when it was woken (by axi_runtime_wake, an urgent trace record
 * or an output since the former call) or at that local time; UINT64_MAX: only when woken. */
void axi_runtime_wait(struct axi_runtime *runtime, uint64_t until_local_ns);
/* Wakes the server. Kernel context, e.g. the network card's interrupt. */
void axi_runtime_wake(struct axi_runtime *runtime);

/* Whatever the runtime has to do outside the scheduler context: gives back the memory of removed
 * instances, makes killed ones ready again. Call it in each round of the server's loop. */
void axi_runtime_housekeep(struct axi_runtime *runtime);

/* One line of the task's log: printable ASCII with final NUL; false when there is none. */
bool axi_runtime_log_line(struct axi_runtime *runtime, uint32_t slot, uint32_t *ret_level,
                          uint64_t *ret_job, char *ret_text, size_t capacity);

/* Channels. The server writes what came in (as axi_values_write: 0 or AXC_SERVICE_E*) and takes
 * what tasks put out; false when there is none. Values are lost, and counted, when it does not keep
 * up. An output wakes the server. */
int32_t axi_runtime_input(struct axi_runtime *runtime, const char *name, const void *value,
                          uint32_t bytes);
bool axi_runtime_output(struct axi_runtime *runtime, struct axi_runtime_output *ret_output);
uint64_t axi_runtime_outputs_lost(const struct axi_runtime *runtime);

struct axi_runtime_load {
    uint32_t cpu_load_ppm;      /* share of the time that was not idle, since the former call */
    uint32_t task_load_ppm;     /* jobs that ended since then */
    uint64_t memory_free_bytes; /* of the page pool */
};
void axi_runtime_figures(struct axi_runtime *runtime, struct axi_runtime_load *ret_load);

#endif
