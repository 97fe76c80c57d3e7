/* SPDX-License-Identifier: Apache-2.0 */
/* axcan-cms: the manager's core, its checkpoint store, the cluster store, links and the HTTP API in
 * one libuv loop. */
#ifndef AXI_CMS_DAEMON_H
#define AXI_CMS_DAEMON_H

#include <stdint.h>

struct axi_cms_options {
    const char *name;        /* of this manager in the cluster */
    const char *listen;      /* for nodes and other managers, "host:port" */
    const char *advertise;   /* how they reach it; NULL = what it listens on */
    const char *api;         /* for the command line, "host:port" */
    const char *master;      /* the master's node port; NULL = none */
    const char *master_api;  /* where ELFs are fetched from; NULL = none */
    const char *store;       /* cluster store, axi_store_open */
    const char *dir;         /* identity, checkpoints and images; made when missing */
    const char *token_file;  /* the cluster's secret; mode 0600 */
    const char *ready_file;  /* optional: "LISTEN API\n" once both are bound */
    const char *own_node;    /* optional: node on this machine, preferred for tight tasks */
    uint64_t keep;           /* checkpoints per task; 0 = default */
    uint64_t lease_ms;       /* of nodes, until the master says; 0 = default of manager.h */
    uint64_t claim_lease_ms; /* 0 = default of manager.h */
    const char *notify;      /* optional: "udp:GROUP:PORT" where nodes send notices, too */
    int allow_remote;        /* else only loopback addresses are accepted */
};

/* Runs until SIGTERM or SIGINT. Returns the process's exit code; the reason of a failure is logged.
 */
int axi_cms_daemon_run(const struct axi_cms_options *options);

#endif
