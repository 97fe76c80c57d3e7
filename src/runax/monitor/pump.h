/* SPDX-License-Identifier: Apache-2.0 */
/* The guest's console to the container's standard output, and its standard input to the console.
 *
 *   guest -> 64 KiB -> stdout: a reader that does not read never holds up the guest; what does not
 *                      fit is dropped, counted and said in the stream
 *   stdin -> 4 KiB  -> guest: a guest that does not read holds up stdin
 */
#ifndef AXI_RUNAX_MONITOR_PUMP_H
#define AXI_RUNAX_MONITOR_PUMP_H

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>

#define AXI_PUMP_POLLS 3u

struct axi_pump {
    int guest_fd; /* borrowed; -1: no console, or it has ended */
    int in_fd;    /* -1: ended */
    int out_fd;   /* -1: nobody reads any more */
    uint32_t out_start, out_used;
    uint32_t in_start, in_used;
    uint64_t lost; /* bytes not yet reported as lost */
    char in[4096];
    char out[65536];
};

void axi_pump_init(struct axi_pump *pump, int guest_fd, int in_fd, int out_fd);

/* Fills AXI_PUMP_POLLS entries for poll (fd -1: not now). */
void axi_pump_poll(const struct axi_pump *pump, struct pollfd *ret_polls);

/* After poll. true: the guest has written something. */
bool axi_pump_run(struct axi_pump *pump, const struct pollfd *polls);

/* After the guest's end: the rest of its output, for at most timeout_ms. */
void axi_pump_drain(struct axi_pump *pump, int timeout_ms);

#endif
