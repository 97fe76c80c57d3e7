/* SPDX-License-Identifier: Apache-2.0 */
/* Two clocks, two types, one conversion. Local time: the node's own clock, which suspend does not
 * stop. Master time: the cluster's common clock (the master host's TAI clock, later PTP). Both
 * 64-bit ns. A timebase is written by one thread (the agent) and read by any, without locks. It
 * keeps two copies, of which one is always whole: a reader that interrupted the writer on the same
 * processor (the scheduler does) never waits for it. */
#ifndef AXI_TIME_TIMEBASE_H
#define AXI_TIME_TIMEBASE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct axc_time_local {
    uint64_t ns;
};

struct axc_time_master {
    uint64_t ns;
};

struct axi_time_reference {
    _Atomic uint64_t local_ns;
    _Atomic uint64_t master_ns;
    _Atomic int64_t slew_ppb;    /* for the slew span from local_ns on, |slew| <= 5 * 10^5 */
    _Atomic int64_t drift_ppb;   /* master runs faster by this all the time, |drift| <= 5 * 10^5 */
    _Atomic uint64_t bound_ns;   /* |error| bound at local_ns; UINT64_MAX = never set */
    _Atomic uint32_t growth_ppm; /* of the bound with age */
};

struct axi_timebase {
    _Atomic uint32_t sequence; /* copies[sequence % 2] is whole */
    struct axi_time_reference copies[2];
    _Atomic uint64_t compensation_ns;
};

void axi_timebase_init(struct axi_timebase *timebase);

/* Conversions; before the first set, master = local. Monotone: what one timebase returned for a
 * later local time is never smaller. Any context; wait-free. */
struct axc_time_master axi_time_to_master(struct axi_timebase *timebase,
                                          struct axc_time_local local);
struct axc_time_local axi_time_to_local(struct axi_timebase *timebase,
                                        struct axc_time_master master);

/* Error bound now: grows with age by the assumed drift (100 ppm after a sample, what the estimate
 * says after a steer). */
uint64_t axi_time_bound_ns(struct axi_timebase *timebase, struct axc_time_local now);

/* What this node shortens relative deadlines by: the clock error it declares and the latency it
 * allows for (docs/time.md). 0 until set. Set by the writer, read in any context. */
void axi_timebase_set_compensation(struct axi_timebase *timebase, uint64_t compensation_ns);
uint64_t axi_timebase_compensation_ns(struct axi_timebase *timebase);

/* One measurement by round trip (Cristian 1989): the peer read `master` between local send and
 * receive. The first one sets the clock; later ones slew (never step; at most 500 ppm, but an error
 * beyond 100 ms is reported by a positive return so that the caller raises an event). A sample
 * whose round trip is worse than the present bound is ignored. Writer thread only. */
int axi_timebase_sample(struct axi_timebase *timebase, struct axc_time_local send,
                        struct axc_time_local receive, struct axc_time_master master);

/* What an estimator of the master's clock (time/servo.h) says at local time `now`. */
struct axi_timebase_estimate {
    uint64_t master_ns;
    int64_t drift_ppb;
    uint64_t bound_ns;
    uint32_t growth_ppm;
};

/* Follows an estimate: the rate at once, an offset by slewing (at most 500 ppm), so that master
 * time never steps; what is not slewed away yet is part of the error bound. With may_step (no
 * instance is there that could see it), or when it was never set, it is set there at once, in
 * either direction. An estimate without bound (UINT64_MAX) is ignored. Returns 1 when the offset is
 * beyond 100 ms and is not stepped: the caller raises an event. Writer thread only. */
int axi_timebase_steer(struct axi_timebase *timebase, struct axc_time_local now,
                       const struct axi_timebase_estimate *estimate, bool may_step);

#endif
