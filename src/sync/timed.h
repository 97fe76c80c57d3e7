/* SPDX-License-Identifier: Apache-2.0 */
/* axcan-timed: a grandmaster for benches that have none, and a witness that follows a clock source
 * and writes what it sees. */
#ifndef AXI_SYNC_TIMED_H
#define AXI_SYNC_TIMED_H

#include <stdint.h>

struct axi_timed_options {
    const char *interface; /* grandmaster */
    int is_l2;             /* else UDP */
    uint64_t domain, priority;
    const char *clock; /* witness: as axi_clock_source_new takes it */
    uint64_t seconds;  /* end after; 0 = until a signal */
    int64_t offset_ns; /* of this process's clock: grandmaster's scale, witness's local clock ... */
    int64_t rate_ppb;  /* ... and its rate, |rate| <= 10^6 */
    int is_csv;
};

/* Serve until a signal or the time is over. Exit code of the program. */
int axi_timed_grandmaster(const struct axi_timed_options *options);
/* One line per update: local s, state, error against CLOCK_REALTIME (that is the truth when the
 * grandmaster runs on this machine), offset, path delay, bound. Exit code 1: never locked. */
int axi_timed_witness(const struct axi_timed_options *options);

#endif
