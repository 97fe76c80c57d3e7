/* SPDX-License-Identifier: Apache-2.0 */
/* A voter's link to the master that leads: joining, what it is told to vote on, reports, master
 * time. While there is no master it goes on with what it was told. libuv loop thread. */
#ifndef AXI_VOTE_MASTER_LINK_H
#define AXI_VOTE_MASTER_LINK_H

#include "core/masters.h"
#include "core/wire.h"
#include "net/links.h"
#include "time/timebase.h"
#include "vote/vote.h"

#include <stdbool.h>

struct axi_vote_link_config {
    const char *name, *token, *version;
    const char *output_address; /* where nodes send outputs */
    const char *masters;        /* "HOST:PORT[,...]" */
    bool is_remote_allowed;
};

struct axi_vote_link {
    struct axi_vote_link_config config; /* strings borrowed */
    struct axi_vote *vote;              /* borrowed */
    struct axi_links links;
    struct axi_masters masters;
    struct axi_timebase timebase;
    struct axi_wire_parser parser;
    uint8_t frame[AXI_WIRE_CONTROL_BYTES_MAX];
    uint64_t number; /* of the link; 0 = none */
    bool is_up, has_joined;
    uint64_t boot_id, sequence;
    uint64_t asked_ns;                 /* local: when what is answered with the time was sent */
    uint64_t heard_ns;                 /* local: last sample */
    uint64_t try_ns, report_ns;        /* local: when next */
    uint32_t urgent_reports;           /* of what went wrong, until the next whole one */
    uint64_t forget_ns;                /* local: what a new master did not tell by then is gone */
    uint64_t slack_ns;                 /* while the time was fresh */
    bool is_told[AXI_VOTE_GROUPS_MAX]; /* since it joined; by number of the service */
};

void axi_vote_link_init(struct axi_vote_link *link, uv_loop_t *loop, struct axi_vote *vote,
                        const struct axi_vote_link_config *config);
uint64_t axi_vote_link_local_ns(void);
/* Master time now. */
uint64_t axi_vote_link_now(struct axi_vote_link *link);
/* Does what is due; returns the local time of the next. */
uint64_t axi_vote_link_tick(struct axi_vote_link *link);
void axi_vote_link_close(struct axi_vote_link *link, const char *reason);

#endif
