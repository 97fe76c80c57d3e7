/* SPDX-License-Identifier: Apache-2.0 */
/* Where a voter's agreed values go, and its log of verdicts. Datagrams are sent by the caller at
 * once; files are written by a thread of their own, so that a slow disk holds up no value. */
#ifndef AXI_VOTE_OUTS_H
#define AXI_VOTE_OUTS_H

#include "base/error.h"
#include "base/ring.h"
#include "net/sink.h"
#include "vote/vote.h"

#include <pthread.h>
#include <stdatomic.h>

#define AXI_VOTE_OUTS_MAX 16u

struct axi_vote_out {
    char service[AXI_VOTE_SERVICE_BYTES]; /* "" = every service */
    struct axi_sink sink;
};

struct axi_vote_outs {
    struct axi_vote_out outs[AXI_VOTE_OUTS_MAX + 1]; /* the last one: the log */
    uint32_t count;
    bool has_history;
    struct axi_ring queue; /* caller -> thread */
    void *memory;
    int wake_fd;
    pthread_t thread;
    bool has_thread;
    _Atomic bool is_stopping;
    _Atomic uint64_t lost; /* what the thread had no room for, or a file did not take */
};

void axi_vote_outs_init(struct axi_vote_outs *outs);
/* "[SERVICE=]TARGET", target as axi_sink_open takes it; before start. Errors of axi_sink_open,
 * -AXC_EFULL, -AXC_EINVALID. */
AXC_MUST_USE int axi_vote_outs_add(struct axi_vote_outs *outs, const char *text);
/* history: file for one JSON object a line {"service","job","verdict","task"}; NULL: none. */
AXC_MUST_USE int axi_vote_outs_start(struct axi_vote_outs *outs, const char *history);
/* Writes what is queued, then closes. */
void axi_vote_outs_stop(struct axi_vote_outs *outs);

void axi_vote_outs_put(struct axi_vote_outs *outs, const char *service,
                       const struct axi_stamp *stamp, const uint8_t *value, uint32_t bytes);
void axi_vote_outs_verdict(struct axi_vote_outs *outs, const char *service,
                           const struct axi_vote_verdict *verdict);

#endif
