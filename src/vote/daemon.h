/* SPDX-License-Identifier: Apache-2.0 */
/* axcan-voter: the voter's core between a UDP socket and what it puts out, told by the master. */
#ifndef AXI_VOTE_DAEMON_H
#define AXI_VOTE_DAEMON_H

#include "vote/outs.h"

#include <stdint.h>

struct axi_vote_options {
    const char *name;
    const char *master;     /* node ports of the masters: HOST:PORT[,...] */
    const char *listen;     /* for outputs (UDP), HOST:PORT; port 0 takes a free one */
    const char *advertise;  /* how nodes reach it, a numeric IPv4 address; NULL = what is bound */
    const char *token_file; /* the cluster's secret; mode 0600 */
    const char *history;    /* optional: log of verdicts */
    const char *ready_file; /* optional: written once it is bound */
    int allow_remote;
    const char *outs[AXI_VOTE_OUTS_MAX];
    uint32_t out_count;
};

/* Runs until SIGTERM or SIGINT. Returns the process's exit code; the reason of a failure is logged.
 */
int axi_vote_daemon_run(const struct axi_vote_options *options);

#endif
