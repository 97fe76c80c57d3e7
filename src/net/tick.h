/* SPDX-License-Identifier: Apache-2.0 */
/* When a daemon's core gets to work: when the time has come that it named, or it is wanted; at the
 * end of a turn of the loop, after all that could be read was. So there is one tick for all peers
 * whose messages came together, and nobody is judged while his are unread. */
#ifndef AXI_NET_TICK_H
#define AXI_NET_TICK_H

#include <stdint.h>
#include <uv.h>

struct axi_tick {
    uv_timer_t timer;
    uv_idle_t due;  /* active while it is: the loop reads, and does not wait */
    uv_check_t end; /* of a turn */
    /* Does what is due; returns the time of the next (CLOCK_BOOTTIME, ns; UINT64_MAX = none: it
     * looks once a second all the same). */
    uint64_t (*run)(void *context);
    void *context;
};

/* `tick` stays where it is until it is closed and the loop has run. It is due at once. */
void axi_tick_init(struct axi_tick *tick, uv_loop_t *loop, uint64_t (*run)(void *context),
                   void *context);
/* From the loop's thread, at any time: `run` comes at the end of this turn. */
void axi_tick_want(struct axi_tick *tick);
/* `run` is not called any more. */
void axi_tick_close(struct axi_tick *tick);

#endif
