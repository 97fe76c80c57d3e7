/* SPDX-License-Identifier: Apache-2.0 */
/* What replicas said to their voters, and what these put out: vote_judge.c keeps it, calm.c reads
 * it. */
#ifndef AXI_SIM_VOTE_LEDGER_H
#define AXI_SIM_VOTE_LEDGER_H

#include "cluster.h"

#define SIM_TELLERS_MAX 1024u
#define SIM_SAID_BACK 400u /* jobs that are looked back */

/* One job of one replica. */
struct sim_said {
    uint64_t job, epoch;
    uint32_t value[2]; /* by place */
    uint64_t sent_ns, arrived_ns[2];
    uint64_t life; /* of the voter that it came to */
    uint32_t voter;
    bool is_doubtful; /* the voter's clock was not good when it came */
};

struct sim_teller { /* a replica */
    uint64_t task;
    uint32_t service;
    struct sim_said *said;
    uint32_t count, capacity;
    uint64_t counted_ns;                         /* since when it counts; 0 = it never did */
    uint64_t known_life, known_epoch, known_job; /* its voter took a value of it first */
    uint32_t blames;
};

/* Of one voter's life and one service. */
struct sim_ballot {
    uint64_t life;
    uint64_t id, job; /* put out last; id 0 = nothing */
    uint32_t places;  /* of it: bits */
    bool has_verdict;
    uint64_t verdict_job;
};

struct sim_puts { /* of a service */
    struct sim_put *jobs;
    uint32_t count, capacity;
};

struct sim_votes {
    struct sim_teller tellers[SIM_TELLERS_MAX];
    uint32_t teller_count;
    struct sim_ballot ballots[SIM_SERVICES_MAX][SIM_VOTERS_MAX];
    struct sim_puts puts[SIM_SERVICES_MAX];
};

/* NULL: not known. */
struct sim_teller *sim_teller_find(struct sim_cluster *cluster, uint64_t task);
/* epoch 0: of any, the newest. NULL: it said nothing of that job. */
struct sim_said *sim_said_find(const struct sim_teller *teller, uint64_t job, uint64_t epoch);

#endif
