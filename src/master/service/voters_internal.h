/* SPDX-License-Identifier: Apache-2.0 */
/* What voters.c (who is there, what they are told) and votes.c (what they report) share. */
#ifndef AXI_MASTER_SERVICE_VOTERS_INTERNAL_H
#define AXI_MASTER_SERVICE_VOTERS_INTERNAL_H

#include "master/service/voters.h"

#define AXI_VOTERS_MAX 8u
#define AXI_VOTE_COUNTS_MAX 16u

struct axi_voter {
    uint64_t id, link, boot_id; /* link 0 = not there now */
    uint64_t lost_ns;           /* local: since when it is not */
    char name[32], address[64], version[32];
};

struct axi_vote_account { /* of one replica */
    uint64_t task;
    struct axi_votes votes;
    uint64_t said_ns, complained_ns; /* local: last event, last word to the service */
};

/* What is known of a service's votes. Volatile: a voter says it all again. */
struct axi_ballot {
    char service[25];
    uint64_t voter;    /* that was told last; 0 = none */
    uint64_t link;     /* on which */
    uint64_t asked_ns; /* local: somebody wanted an address and there was none; 0 = never */
    axi_VoteGroup told;
    bool has_report;
    uint64_t agreed, failed, last_agreed_job;
    uint32_t failed_in_row;
    uint64_t said_ns;
    uint64_t reported_ns; /* local: last report; 0 = none */
    uint64_t agreed_ns;   /* local: when `agreed` changed last; 0 = never */
    struct axi_vote_account accounts[AXI_VOTE_COUNTS_MAX];
    uint32_t account_count;
};

struct axi_voters {
    struct axi_voter voters[AXI_VOTERS_MAX];
    size_t voter_count;
    struct axi_ballot **ballots;
    size_t ballot_count;
    uint64_t since_ns; /* local: no voter is known to have been lost before */
};

struct axi_voter *axi_voter_find(struct axi_master *m, uint64_t id);
struct axi_ballot *axi_ballot_find(struct axi_master *m, const char *service);
/* The service's replicas or rules changed since its voter was told: tells it. */
void axi_ballot_refresh(struct axi_master *m, const struct axi_service *service);

#endif
