/* SPDX-License-Identifier: Apache-2.0 */
/* The network between the daemons: connections that behave like TCP. Bytes arrive in order, cut
 * into arbitrary pieces, after a delay; a partition holds them back until it heals or the
 * connection times out; a cut loses what is under way in one direction, lets the other side find
 * out later, and lets what was sent before arrive late, beside the connection that follows. */
#ifndef AXI_SIM_NETWORK_H
#define AXI_SIM_NETWORK_H

#include "event.h"

#define SIM_HOSTS_MAX 16u
#define SIM_CONNECTIONS_MAX 4096u

struct sim_network;

/* One side of a connection. Callbacks come from events, never from within a call below. */
struct sim_endpoint_ops {
    void (*opened)(void *context, uint64_t connection);
    void (*received)(void *context, uint64_t connection, const uint8_t *bytes, size_t count);
    void (*closed)(void *context, uint64_t connection);
};

struct sim_network_faults {
    uint64_t delay_min_ns, delay_max_ns;
    uint32_t slow_ppm; /* a segment takes slow_ns more */
    uint64_t slow_ns;
    uint32_t cut_ppm;    /* a segment is the last of its connection */
    uint32_t split_ppm;  /* a segment arrives in two pieces */
    uint64_t timeout_ns; /* a side without progress gives up after */
};

/* accept: host `host` is asked to take a connection; returns its context (NULL refuses). */
struct sim_network *sim_network_new(struct sim_clock *clock);
void sim_network_free(struct sim_network *network);
void sim_network_set_faults(struct sim_network *network, const struct sim_network_faults *faults);

typedef void *(*sim_accept)(void *context, uint64_t connection, uint32_t from_host);
/* ops NULL: nobody listens there. */
void sim_network_listen(struct sim_network *network, uint32_t host,
                        const struct sim_endpoint_ops *ops, sim_accept accept, void *context);

/* Always gives a number; opened or closed follows for this side. */
uint64_t sim_network_connect(struct sim_network *network, uint32_t from, uint32_t to,
                             const struct sim_endpoint_ops *ops, void *context);
/* side: the host that calls. */
void sim_network_send(struct sim_network *network, uint32_t host, uint64_t connection,
                      const void *bytes, size_t count);
/* Closes one side after what was sent; no callback for it follows. */
void sim_network_close(struct sim_network *network, uint32_t host, uint64_t connection);

/* The host's process died: its sides vanish, peers find out when they next hear of it (RST), after
 * a delay; what it sent before still arrives. */
void sim_network_kill_host(struct sim_network *network, uint32_t host);
void sim_network_partition(struct sim_network *network, uint32_t a, uint32_t b, bool is_cut);
void sim_network_heal_all(struct sim_network *network);
/* Cuts one open connection at random. */
void sim_network_cut_some(struct sim_network *network);
/* A paused host takes nothing in: what arrives waits. */
void sim_network_pause_host(struct sim_network *network, uint32_t host, bool is_paused);

#endif
