/* SPDX-License-Identifier: Apache-2.0 */
/* The voters of a cluster: what they are told (which replicas vote on what) and what they report.
 * Part of the master's core: same rules of use. */
#ifndef AXI_MASTER_SERVICE_VOTERS_H
#define AXI_MASTER_SERVICE_VOTERS_H

#include "master/service/service.h"

struct axi_votes { /* of one replica, since it was listed */
    uint64_t good, wrong, silent, last_job;
    uint32_t good_in_row, bad_in_row;
};

/* False: no voter has said anything of it, nor is about to. */
bool axi_votes_of(struct axi_master *m, uint64_t task, struct axi_votes *ret_votes);
/* Outputs of the service were agreed on lately. If not (too few count, they differ, they send to no
 * voter, the voter is away), counts say nothing of whether a new replica is any good. */
bool axi_votes_prove(struct axi_master *m, const struct axi_service *service);
/* The voter is there and reports, and nothing was agreed on lately: nothing is put out. */
bool axi_votes_fail(struct axi_master *m, const struct axi_service *service);
/* Where replicas of the service send their outputs; "" = no voter has joined (that it asks for).
 * All replicas of a service send to one voter: while some do, it stays the same. */
const char *axi_voter_address(struct axi_master *m, const struct axi_service *service);
/* True: a replica of this service should not be created yet: what it sends its outputs to is fixed
 * when it is loaded, and the voter the service asks for by name has not joined (waited for 10 s
 * from the first question on; then the service goes without). */
bool axi_voter_is_awaited(struct axi_master *m, const struct axi_service *service);
/* Members, roles or rules of the service changed (or it is gone: service NULL, by name). */
void axi_voters_tell(struct axi_master *m, const struct axi_service *service, const char *name);
/* Agreed verdicts: {"voter","agreed","failed","failed_in_row","last_agreed_job"}; NULL = none. */
json_t *axi_votes_json(struct axi_master *m, const char *service);

/* Called by frames.c. */
void axi_voter_join(struct axi_master *m, struct axi_link *link, const axi_VoterJoin *join);
void axi_voter_message(struct axi_master *m, struct axi_link *link, uint32_t type,
                       const union axi_wire_message *message);
void axi_voter_report(struct axi_master *m, struct axi_link *link, const axi_VoteReport *report);
void axi_voter_link_down(struct axi_master *m, struct axi_link *link);
/* By axi_master_free. */
void axi_voters_free(struct axi_master *m);

#endif
