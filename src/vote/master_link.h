/* SPDX-License-Identifier: Apache-2.0 */
/* A voter's link to the master that leads: joining, what it is told to vote on, reports, master
 * time. While there is no master it goes on with what it was told. Passive: the owner brings
 * connections and time, and calls the tick. One thread; nothing here blocks. */
#ifndef AXI_VOTE_MASTER_LINK_H
#define AXI_VOTE_MASTER_LINK_H

#include "core/masters.h"
#include "core/wire.h"
#include "time/timebase.h"
#include "vote/vote.h"

#include <stdbool.h>

struct axi_vote_link_config {
    const char *name, *token, *version;
    const char *output_address; /* where nodes send outputs */
    const char *masters;        /* "HOST:PORT[,...]" */
    uint64_t boot_id;
};

/* Connections are known by numbers that are not 0 and never used twice. */
struct axi_vote_link_port {
    void *context;
    uint64_t (*local_ns)(void *context);
    /* axi_vote_link_up or _down follows, not from within. Errors: not even begun. */
    int (*connect)(void *context, const char *address, uint64_t *ret_number);
    void (*send)(void *context, uint64_t number, const uint8_t *frame, size_t bytes);
    void (*close)(void *context, uint64_t number); /* nothing follows */
};

struct axi_vote_link {
    struct axi_vote_link_config config; /* strings borrowed */
    struct axi_vote *vote;              /* borrowed */
    struct axi_vote_link_port port;
    struct axi_masters masters;
    struct axi_timebase timebase;
    struct axi_wire_parser parser;
    uint8_t frame[AXI_WIRE_CONTROL_BYTES_MAX];
    uint64_t number; /* of the link; 0 = none */
    bool is_up, has_joined;
    uint64_t sequence, answered;
    uint64_t now_ns;                   /* master: what was said last */
    uint64_t asked_ns;                 /* local: when what is answered with the time was sent */
    uint64_t heard_ns;                 /* local: last sample */
    uint64_t try_ns, report_ns;        /* local: when next */
    uint32_t urgent_reports;           /* of what went wrong, until the next whole one */
    uint64_t forget_ns;                /* local: what a new master did not tell by then is gone */
    uint64_t slack_ns;                 /* while the time was fresh */
    bool is_told[AXI_VOTE_GROUPS_MAX]; /* since it joined; by number of the service */
};

void axi_vote_link_init(struct axi_vote_link *link, struct axi_vote *vote,
                        const struct axi_vote_link_config *config,
                        const struct axi_vote_link_port *port);
/* What became of a connection; of others than the present one nothing is taken. */
void axi_vote_link_up(struct axi_vote_link *link, uint64_t number);
void axi_vote_link_bytes(struct axi_vote_link *link, uint64_t number, const uint8_t *bytes,
                         size_t count);
void axi_vote_link_down(struct axi_vote_link *link, uint64_t number, int code);
/* Master time now. */
uint64_t axi_vote_link_now(struct axi_vote_link *link);
/* Does what is due; returns the local time of the next. */
uint64_t axi_vote_link_tick(struct axi_vote_link *link);
/* Says goodbye; the owner closes the connections. */
void axi_vote_link_close(struct axi_vote_link *link, const char *reason);

#endif
