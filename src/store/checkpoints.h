/* SPDX-License-Identifier: Apache-2.0 */
/* A manager's own store of checkpoints: one SQLite file, one writer thread with group commit, the
 * last K of every task kept plus pinned ones. Keyed by node, task, epoch, job and step. What is
 * stored is the format of core/checkpoint.h; the application's CRC is the integrity check, verified
 * at put and at every read. A checkpoint may be kept as a compressed difference to an older one of
 * the same task where that pays; readers never see it.
 *
 * Context: every function from ONE thread, the owner's; the writer thread is inside. */
#ifndef AXI_STORE_CHECKPOINTS_H
#define AXI_STORE_CHECKPOINTS_H

#include "base/error.h"
#include "core/checkpoint.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define AXI_CHECKPOINTS_KEEP_DEFAULT 8u
#define AXI_CHECKPOINTS_KEEP_MAX 1024u

struct axi_checkpoints_options {
    const char *path; /* file, made when absent; ":memory:" for tests: implies is_inline */
    uint32_t keep;    /* newest kept per task; 0 = AXI_CHECKPOINTS_KEEP_DEFAULT */
    uint32_t queue;   /* puts under way at once; 0 = 4096 */
    bool is_volatile; /* tests only: no synchronous writes */
    bool is_inline;   /* no writer thread: _poll commits (simulation, virtual time) */
    bool no_delta;    /* store every checkpoint whole */
};

struct axi_checkpoints;

/* -AXC_EIO: not to be opened, or no store of ours; -AXC_EINVALID: keep; -AXC_ENOMEM. */
AXC_MUST_USE int axi_checkpoints_new(const struct axi_checkpoints_options *options,
                                     struct axi_checkpoints **ret_checkpoints);
/* Commits what is queued, then closes. NULL is fine. */
void axi_checkpoints_free(struct axi_checkpoints *checkpoints);

struct axi_checkpoint_id {
    uint64_t node_id; /* who made it */
    uint64_t task_id, epoch, job;
    uint32_t step;
};

/* Queues a copy of a whole checkpoint (header and state). 0: its result comes by _poll with
 * `cookie`; the errors of axi_checkpoint_decode; -AXC_ECKPT_TASK (task 0); -AXC_EBUSY: the queue is
 * full (puts or bytes), try later. The same checkpoint put again is a success. */
AXC_MUST_USE int axi_checkpoints_put(struct axi_checkpoints *checkpoints, uint64_t node_id,
                                     const uint8_t *bytes, size_t count, uint64_t cookie);

struct axi_checkpoints_result {
    uint64_t cookie;
    int code; /* 0: durable, or older than all that are kept; -AXC_EIO (disk), -AXC_EFULL (no space)
               * : not stored, the queue goes on
               */
};

/* Readable when results wait; owned by the store. -1 with is_inline. */
int axi_checkpoints_fd(const struct axi_checkpoints *checkpoints);
/* Moves up to max results; returns their number. With is_inline it commits what is queued first. */
size_t axi_checkpoints_poll(struct axi_checkpoints *checkpoints,
                            struct axi_checkpoints_result *ret_results, size_t max);

struct axi_checkpoint_info {
    struct axi_checkpoint_id id;
    uint32_t bytes;        /* header and state */
    uint32_t stored_bytes; /* on disk */
    uint64_t stored_ns;    /* CLOCK_REALTIME; for people */
    bool is_pinned;
};

/* Newest durable one of a task by (epoch, job, step); epoch_max bounds the epoch. -AXC_ENOENT. */
AXC_MUST_USE int axi_checkpoints_newest(struct axi_checkpoints *checkpoints, uint64_t task_id,
                                        uint64_t epoch_max, struct axi_checkpoint_info *ret_info);

/* Copies header and state into buffer (AXI_CHECKPOINT_BYTES_MAX is always enough). -AXC_ENOENT,
 * -AXC_EFULL, -AXC_EIO, the errors of axi_checkpoint_decode when the disk lied. */
AXC_MUST_USE int axi_checkpoints_read(struct axi_checkpoints *checkpoints,
                                      const struct axi_checkpoint_id *id, uint8_t *buffer,
                                      size_t capacity, size_t *ret_bytes);

/* Must not call the store. A negative return ends the listing and is returned. */
typedef int (*axi_checkpoints_visit)(void *context, const struct axi_checkpoint_info *info);
/* All of a task (task_id 0: of every task), newest first within a task. */
AXC_MUST_USE int axi_checkpoints_list(struct axi_checkpoints *checkpoints, uint64_t task_id,
                                      axi_checkpoints_visit visit, void *context);

/* A pinned checkpoint is not dropped for newer ones. Waits for the writer, as _forget does.
 * -AXC_ENOENT; -AXC_EFULL (1024 pinned of this task, or no space); the errors of _read. */
AXC_MUST_USE int axi_checkpoints_pin(struct axi_checkpoints *checkpoints,
                                     const struct axi_checkpoint_id *id, bool is_pinned);
/* Stores a checkpoint that was exported elsewhere, pinned, and waits for it. -AXC_EBUSY, the errors
 * of _put and of its result; the same again is a success. */
AXC_MUST_USE int axi_checkpoints_import(struct axi_checkpoints *checkpoints, uint64_t node_id,
                                        const uint8_t *bytes, size_t count,
                                        struct axi_checkpoint_id *ret_id);
/* The task was deleted: all of it goes, pinned ones stay. */
AXC_MUST_USE int axi_checkpoints_forget(struct axi_checkpoints *checkpoints, uint64_t task_id);

struct axi_checkpoints_figures {
    uint64_t puts, commits, failed, stored_bytes, whole_bytes; /* since open */
    uint64_t queued;
};
void axi_checkpoints_get_figures(const struct axi_checkpoints *checkpoints,
                                 struct axi_checkpoints_figures *ret_figures);

#endif
