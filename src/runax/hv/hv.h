/* SPDX-License-Identifier: Apache-2.0 */
/* The one contract between the monitor and a hypervisor. A monitor process (one per partition, one
 * thread in its poll loop) calls everything below but probe and reclaim; nothing may block longer
 * than the hypervisor itself needs, and never for the guest.
 *
 *   probe ... prepare --> prepared --start--> running <--pause/resume--> paused
 *                             |                  |  guest's end, stop         |
 *                             |                  v                            |
 *                             +-- destroy --- stopped | failed <--------------+
 *
 * prepare does all the work that can be done before the first instruction: allocate, configure,
 * create, load, verify. start only opens the gate. Each call is undoable: prepare undoes itself
 * when it fails, destroy undoes it at any time, and reclaim does so from another process when the
 * monitor was killed. Every failure fills the report. */
#ifndef AXI_RUNAX_HV_H
#define AXI_RUNAX_HV_H

#include "runax/partition.h"
#include "runax/platform.h"
#include "runax/report.h"

enum axi_hv_state {
    AXI_HV_PREPARED = 0,
    AXI_HV_RUNNING = 1,
    AXI_HV_PAUSED = 2,
    AXI_HV_STOPPED = 3, /* ended by itself or on request: exit_code is valid */
    AXI_HV_FAILED = 4,  /* crashed, or the hypervisor lost it: reason says how */
};

/* Exit codes of the monitor when the guest gave none (docs/runax.md). */
enum {
    AXI_EXIT_HUNG = 124,    /* no heartbeat, and watch.is_fatal */
    AXI_EXIT_MONITOR = 125, /* the hypervisor or the monitor failed */
    AXI_EXIT_CRASHED = 134, /* AXI_HV_FAILED */
    AXI_EXIT_KILLED = 137,
    AXI_EXIT_TERMINATED = 143,
};

struct axi_hv_status {
    enum axi_hv_state state;
    int exit_code; /* 0..255, the guest's; 0 when it ended without giving one (PSCI SYSTEM_OFF) */
    char reason[96];
};

struct axi_hv_stats {
    uint64_t cpu_ns;       /* processor time of the guest */
    uint64_t memory_bytes; /* taken for the guest */
    uint64_t exits;        /* returns into the hypervisor; 0 = not counted */
    uint64_t heartbeat;    /* the guest's counter, 0 = none */
};

/* What a backend gets from the monitor. Borrowed until destroy returns. */
struct axi_hv_host {
    const struct axi_platform *platform;
    int state_fd; /* directory for sockets, pid files and the like; names begin with "hv-" */
};

struct axi_hv_guest; /* the backend's own struct */

struct axi_hv {
    const char *name; /* "qemu", "kvm", "jailhouse", "xen" */
    uint32_t takes;   /* enum axi_takes (resource/allocate.h): 0 = CPUs and host memory only */

    /* May this backend run this partition on this platform? 0, or -AXC_EHV_UNSUPPORTED with the
     * reason. Changes nothing; called at create and by `runax features`, with partition NULL then
     * (is the hypervisor there at all?). */
    int (*probe)(const struct axi_platform *platform, const struct axi_partition *partition,
                 struct axi_report *report);

    /* Nothing of the guest runs afterwards. Takes no fd of the partition: what it keeps it dups. */
    int (*prepare)(const struct axi_partition *partition, const struct axi_hv_host *host,
                   struct axi_report *report, struct axi_hv_guest **ret_guest);
    int (*start)(struct axi_hv_guest *guest, struct axi_report *report);

    /* graceful: asks the guest and returns at once, -AXC_EHV_UNSUPPORTED when it cannot be asked;
     * else: ends it now, with exit code AXI_EXIT_KILLED. Already stopped: 0. */
    int (*stop)(struct axi_hv_guest *guest, bool graceful, struct axi_report *report);
    int (*pause)(struct axi_hv_guest *guest, struct axi_report *report);
    int (*resume)(struct axi_hv_guest *guest, struct axi_report *report);

    /* An fd that polls readable when dispatch has something to do, or -1: then the monitor calls
     * dispatch every `poll_ms`. dispatch never blocks. status is what dispatch learned last. */
    int (*event_fd)(const struct axi_hv_guest *guest);
    void (*dispatch)(struct axi_hv_guest *guest);
    void (*status)(const struct axi_hv_guest *guest, struct axi_hv_status *ret_status);

    /* Non-blocking fd: reading gives the guest's output, writing is its input (a socket or pty);
     * -1: none. At end of file the guest's output is complete. Owned by the guest. */
    int (*console_fd)(const struct axi_hv_guest *guest);

    /* Asks the hypervisor, not ourselves: is what it has equal to what we prepared (name, CPUs,
     * memory, state)? -AXC_EHV_VERIFY names the first difference. */
    int (*verify)(struct axi_hv_guest *guest, struct axi_report *report);
    int (*stats)(struct axi_hv_guest *guest, struct axi_hv_stats *ret_stats);

    /* Optional (NULL: refused by name). The state of the paused or running guest goes to files in
     * the directory; restore is a prepare from them, the guest comes back paused before start. */
    int (*checkpoint)(struct axi_hv_guest *guest, int folder_fd, struct axi_report *report);
    int (*restore)(const struct axi_partition *partition, const struct axi_hv_host *host,
                   int folder_fd, struct axi_report *report, struct axi_hv_guest **ret_guest);

    /* Ends the guest, returns everything to the host, frees the struct. Never fails for the caller;
     * what could not be returned is left to reclaim. NULL allowed. */
    void (*destroy)(struct axi_hv_guest *guest);

    /* From any process, without a guest: remove what is left of this partition. Idempotent: nothing
     * left is 0. */
    int (*reclaim)(const struct axi_partition *partition, const struct axi_hv_host *host,
                   struct axi_report *report);

    uint32_t poll_ms; /* see event_fd */
};

/* All backends of this build in order of preference; ends with NULL. */
extern const struct axi_hv *const axi_hvs[];

/* By name, or NULL. */
const struct axi_hv *axi_hv_find(const char *name);

/* Chooses: partition->hv when it is set, else the first of the platform's list that probes well.
 * -AXC_EHV_UNSUPPORTED with every reason. Sets partition->hv. */
AXC_MUST_USE int axi_hv_choose(const struct axi_platform *platform, struct axi_partition *partition,
                               struct axi_report *report, const struct axi_hv **ret_hv);

#endif
