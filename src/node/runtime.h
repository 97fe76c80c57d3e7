/* SPDX-License-Identifier: Apache-2.0 */
/* The Linux node's runtime: runs instances in sandboxed processes under the scheduler of
 * core/sched.h. Whatever a task does, the node goes on. Made before the program has threads; every
 * function is called from one thread, the agent's, unless it says otherwise. */
#ifndef AXI_NODE_RUNTIME_H
#define AXI_NODE_RUNTIME_H

#include "base/error.h"
#include "core/checkpoint.h"
#include "core/meta.h"
#include "core/sched.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define AXI_ASSURANCE_SHARED 0u
#define AXI_ASSURANCE_REALTIME 1u

/* A channel: input `file:PATH` (its content) or `udp:PORT` (the last datagram); output `file:PATH`
 * (appended) or `udp:HOST:PORT`. `node:` instead of `udp:` on both sides: datagrams with a stamp,
 * of which the input takes none that is stale (core/gate.h). */
struct axi_channel_config {
    char name[AXC_NAME_BYTES];
    bool is_output;
    const char *target; /* borrowed until axi_runtime_new returns */
};

/* Zeros mean the defaults given. */
struct axi_runtime_config {
    uint32_t slots;           /* 16, at most 1024 */
    uint32_t image_bytes_max; /* memory of one image; 4 MiB */
    uint32_t region_slots;    /* checkpoints kept per instance; 4 */
    bool is_realtime;         /* ask for SCHED_FIFO */
    bool is_pinned;           /* scheduler and tasks stay on `cpu`; always with is_realtime */
    bool is_memory_locked;
    bool is_unconfined; /* for kernels without seccomp: a task may do any system call, and the node
                           guarantees no more than AXI_ASSURANCE_SHARED */
    uint32_t cpu;
    const char *history_path; /* NULL: none; borrowed until axi_runtime_new returns */
    uint64_t node_id;         /* goes into the history and the regions' file */
    uint64_t boot_id;         /* goes into the regions' file */
    uint64_t history_records; /* room in a new file; 1048576 */
    const struct axi_channel_config *channels; /* borrowed until axi_runtime_new returns */
    uint32_t channel_count;
};

struct axi_runtime;

/* Forks the zygote, which forks a runner per slot, and starts the threads. -AXC_EINVALID, _ENOMEM,
 * _EIO. Without the privilege for SCHED_FIFO it runs all the same, with the lower assurance. */
AXC_MUST_USE int axi_runtime_new(const struct axi_runtime_config *config,
                                 struct axi_runtime **ret_runtime);
void axi_runtime_free(struct axi_runtime *runtime); /* NULL is fine */

/* What the node can guarantee: AXI_ASSURANCE_*. */
uint32_t axi_runtime_assurance(const struct axi_runtime *runtime);

/* The checkpoint regions of all slots are one file (core/region.h), for readers on this machine. */
int axi_runtime_regions_fd(const struct axi_runtime *runtime);
uint64_t axi_runtime_region_offset(const struct axi_runtime *runtime, uint32_t slot);

/* Local time (node/local_clock.h), ns; any thread. And the timebase, whose writer is the caller. */
uint64_t axi_runtime_clock_ns(void);
struct axi_timebase *axi_runtime_timebase(struct axi_runtime *runtime);

/* Validates and relocates an image into the slot's window and makes its runner ready; the caller
 * then posts INSTALL with ret_state and ret_region in the config. -AXC_EBUSY: no runner is ready in
 * the slot yet, or it has not taken the image over yet: call again, at the latest after some ms;
 * -AXC_EELF_*, -AXC_ENOMEM, -AXC_ESTATE (slot in use), -AXC_ENODE_NO_RUNNER (it died meanwhile). */
AXC_MUST_USE int axi_runtime_load(struct axi_runtime *runtime, uint32_t slot, const uint8_t *elf,
                                  size_t bytes, const struct axi_task_meta *meta, void **ret_state,
                                  struct axi_region **ret_region);
/* After a load, before INSTALL: channel outputs of this instance go as stamped values to
 * "A.B.C.D:PORT", too; "" = nowhere, as after each load. -AXC_EINVALID: no such address. */
AXC_MUST_USE int axi_runtime_set_output(struct axi_runtime *runtime, uint32_t slot,
                                        const char *address);
/* Undoes a load that was not followed by INSTALL; after INSTALL, REMOVE does. */
void axi_runtime_unload(struct axi_runtime *runtime, uint32_t slot);
/* True between a load that answered -AXC_EBUSY with the image in place and its end; then load is to
 * be called again, or unload. */
bool axi_runtime_is_loading(const struct axi_runtime *runtime, uint32_t slot);
/* True when an image can be loaded into the slot now. */
bool axi_runtime_is_free(struct axi_runtime *runtime, uint32_t slot);
uint32_t axi_runtime_free_slots(struct axi_runtime *runtime);

/* Scheduler: see core/sched.h. post wakes it; false when its command ring is full. */
bool axi_runtime_post(struct axi_runtime *runtime, const struct axi_sched_command *command);
void axi_runtime_view(struct axi_runtime *runtime, uint32_t slot, struct axi_slot_view *ret_view);
void axi_runtime_hists(struct axi_runtime *runtime, uint32_t slot, struct axi_hist *ret_response,
                       struct axi_hist *ret_exec);
void axi_runtime_set_lease(struct axi_runtime *runtime, uint64_t until_local_ns);

/* Readable after a record that the agent waits for (frozen, fault, finished, failed, removed,
 * activated, installed, fenced); the others may be drained on a tick. Owned by the runtime. */
int axi_runtime_event_fd(const struct axi_runtime *runtime);
/* Moves up to `max` trace records, oldest first; returns their number. */
uint32_t axi_runtime_drain(struct axi_runtime *runtime, struct axi_trace *ret_records,
                           uint32_t max);
/* Records lost because nobody drained. */
uint64_t axi_runtime_traces_lost(const struct axi_runtime *runtime);

/* One line of the task's log: printable ASCII with final NUL; false when there is none. */
bool axi_runtime_log_line(struct axi_runtime *runtime, uint32_t slot, uint32_t *ret_level,
                          uint64_t *ret_job, char *ret_text, size_t capacity);

struct axi_runtime_load {
    uint32_t cpu_load_ppm;      /* of the machine's processors, since the former call */
    uint32_t task_load_ppm;     /* jobs that ended since then, of one processor */
    uint64_t memory_free_bytes; /* available in the machine */
};
void axi_runtime_figures(struct axi_runtime *runtime, struct axi_runtime_load *ret_load);

#endif
