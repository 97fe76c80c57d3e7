/* SPDX-License-Identifier: Apache-2.0 */
/* axcan-node: the agent, the Linux runtime and their streams in one libuv loop. */
#ifndef AXI_NODE_DAEMON_H
#define AXI_NODE_DAEMON_H

#include "node/runtime.h"

#include <stdint.h>

#define AXI_NODE_CHANNELS_MAX 32u
#define AXI_NODE_MANAGERS_MAX 4u

enum axi_fifo { AXI_FIFO_AUTO, AXI_FIFO_YES, AXI_FIFO_NO };

struct axi_node_options {
    const char *name;
    const char *master;     /* "host:port" */
    const char *listen;     /* for peers */
    const char *advertise;  /* how peers reach it; NULL = what listen bound */
    const char *dir;        /* identity and image cache */
    const char *token_file; /* mode 0600 */
    const char *history;    /* NULL = none */
    int64_t cpu;            /* processor to stay on; -1 = any */
    uint64_t fifo;          /* enum axi_fifo */
    uint64_t capacity_ppm;  /* density accepted */
    uint64_t slots;
    uint64_t region_slots;                       /* checkpoints kept per instance */
    const char *managers[AXI_NODE_MANAGERS_MAX]; /* besides those the master names */
    uint32_t manager_count;
    const char *notify;   /* NULL, or "udp:GROUP:PORT" where its notices go, too */
    uint64_t offload_ppm; /* processor load that makes it ask for help; 0 = never */
    const char *clock;    /* a PTP source (sync/clock_source.h); NULL = the master's heartbeats */
    uint64_t clock_bound_ns; /* declared bound of the clock's error; 0 = what is measured */
    uint64_t latency_ns;     /* declared bound of one-way latency ... */
    int is_latency_measured; /* ... or what round trips to the master say */
    int offload_on_stop;     /* SIGTERM: its tasks move away first, for at most 10 s */
    int no_sandbox;          /* tasks are trusted: the kernel has no seccomp */
    int allow_remote;        /* else only loopback addresses are accepted */
    struct axi_channel_config channels[AXI_NODE_CHANNELS_MAX];
    uint32_t channel_count;
};

/* The command line, with defaults; a wrong one ends the program with exit code 2. Static storage.
 */
const struct axi_node_options *axi_node_options_read(int argc, char **argv);

/* Runs until SIGTERM or SIGINT. Returns the process's exit code; the reason of a failure is logged.
 */
int axi_node_daemon_run(const struct axi_node_options *options);

#endif
