/* SPDX-License-Identifier: Apache-2.0 */
/* axcan-master: the master's core, its store, the node protocol's listener and the HTTP API in one
 * libuv loop. */
#ifndef AXI_MASTER_DAEMON_H
#define AXI_MASTER_DAEMON_H

#include <stdint.h>

struct axi_master_options {
    const char *name;        /* of this master, among several */
    const char *listen;      /* for nodes, "host:port" */
    const char *advertise;   /* how nodes and other masters reach it; NULL = what it listens on */
    const char *api;         /* for the command line, "host:port" */
    const char *dir;         /* store and image blobs */
    const char *token_file;  /* one token for nodes and API; mode 0600 */
    const char *ready_file;  /* optional: "LISTEN API\n" once both are bound */
    const char *store;       /* location (store/store.h); NULL = DIR/store.db */
    const char *history_dir; /* optional: where histories of nodes without a disk go */
    const char *predictor;   /* optional: weights (docs/formats/predictor.md) */
    const char *telemetry;   /* optional: file that samples are written to */
    uint64_t lease_ms;       /* 0 = default of master.h */
    uint64_t heartbeat_ms;
    uint64_t leader_lease_ms; /* 0 = default of leader.h */
    const char *clock;        /* a PTP source (sync/clock_source.h); NULL = the host's TAI */
    uint64_t sync_policy;     /* enum axi_sync_policy */
    int allow_remote;         /* else only loopback addresses are accepted */
};

/* Runs until SIGTERM or SIGINT. Returns the process's exit code; the reason of a failure is logged.
 */
int axi_master_daemon_run(const struct axi_master_options *options);

#endif
