/* SPDX-License-Identifier: Apache-2.0 */
/* One directory per container below --root (mode 0700):
 *   state.json   what was created; written once, when the monitor has prepared the partition
 *   control      the monitor's socket (src/runax/monitor/control.h)
 *   exit         code, reason and time, written by the monitor before it ends
 *   hv-*         the backend's
 * What a container is doing is never stored: the monitor is asked, and a monitor that is gone
 * without a word means stopped. The directory itself is locked by those who change it. */
#ifndef AXI_RUNAX_OCI_STATE_H
#define AXI_RUNAX_OCI_STATE_H

#include "runax/oci/bundle.h"

#include <sys/types.h>

enum axi_container_status {
    AXI_CONTAINER_CREATING = 0,
    AXI_CONTAINER_CREATED = 1,
    AXI_CONTAINER_RUNNING = 2,
    AXI_CONTAINER_PAUSED = 3,
    AXI_CONTAINER_STOPPED = 4,
};

struct axi_container {
    char id[AXI_PARTITION_ID_BYTES];
    int folder_fd;
    char bundle[PATH_MAX];
    char rootfs[PATH_MAX];
    char created[40];
    char hv[16];
    char cgroup[PATH_MAX]; /* what the monitor was put into, "" = nothing of our own */
    uint32_t owner;        /* uid */
    pid_t pid;             /* monitor; 0 while creating */
    uint64_t pid_start;    /* its start time: tells it from a later process with the same pid */
    json_t *annotations;   /* owned */
    json_t *hooks;         /* owned or NULL */
};

struct axi_container_now {
    enum axi_container_status status;
    bool has_exit; /* exit_code and reason are valid */
    int exit_code;
    char reason[128];
};

/* -AXC_EINVALID for an id that is none. */
AXC_MUST_USE int axi_state_check_id(const char *id, struct axi_report *report);

/* Makes the directory and locks it. -AXC_EEXIST. The caller deinits. */
AXC_MUST_USE int axi_state_create(const char *root, const char *id,
                                  struct axi_container *ret_container, struct axi_report *report);

/* -AXC_ENO_CONTAINER; a directory without state.json opens as one that is being created (or whose
 * creator died). is_locked: first waits for others that change it and keeps them out until deinit.
 */
enum {
    AXI_STATE_LOCKED = 1, /* waits for others that change it and keeps them out until deinit */
    AXI_STATE_ANYHOW = 2, /* a damaged state.json is like none: to remove the container */
};
AXC_MUST_USE int axi_state_open(const char *root, const char *id, unsigned flags,
                                struct axi_container *ret_container, struct axi_report *report);
AXC_MUST_USE int axi_state_save(const struct axi_container *container, struct axi_report *report);

void axi_state_now(const struct axi_container *container, struct axi_container_now *ret_now);
const char *axi_container_status_name(enum axi_container_status status);

/* Is the monitor a living process (not a zombie, not another process with its pid)? */
bool axi_state_has_monitor(const struct axi_container *container);
uint64_t axi_process_start(pid_t pid); /* 0 = no such process, or a zombie */

/* Removes the directory and what is in it. Idempotent. */
AXC_MUST_USE int axi_state_remove(const char *root, const struct axi_container *container,
                                  struct axi_report *report);
void axi_state_deinit(struct axi_container *container);

/* The state that runtime-spec describes, with our members; the caller json_decrefs. NULL: memory.
 */
json_t *axi_state_describe(const struct axi_container *container,
                           const struct axi_container_now *now);

#endif
