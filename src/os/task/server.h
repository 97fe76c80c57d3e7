/* SPDX-License-Identifier: Apache-2.0 */
/* Network, agent and everything else that is no task run as one server under the same EDF: a
 * constant bandwidth server (Abeni and Buttazzo 1998) of budget Q in each period T. Whatever comes
 * from the network, the tasks of the node lose at most Q/T of the processor to it.
 *
 *   wakes:     keeps (Q, d) when what is left of Q fits before d, else d = now + T, Q is full
 *   runs:      when no job is ready, for free; else while its d is earlier than the top job's
 *   rejoins:   a job became ready: as if it woke now, for what it got for free must not count as
 *              still owed
 *   out of Q:  d = d + T, Q is full again: it waits behind the jobs that are due before
 *
 * The policy is pure: times in, decision out. Master time, as the jobs' deadlines are. */
#ifndef AXI_OS_TASK_SERVER_H
#define AXI_OS_TASK_SERVER_H

#include <stdbool.h>
#include <stdint.h>

struct axi_server {
    uint64_t budget_ns; /* Q */
    uint64_t period_ns; /* T */
    uint64_t left_ns;   /* of the present Q, > 0 */
    uint64_t deadline_ns;
    bool is_awake;
};

/* 0 < budget_ns <= period_ns. */
void axi_server_init(struct axi_server *server, uint64_t budget_ns, uint64_t period_ns);
void axi_server_wake(struct axi_server *server, uint64_t now_ns);
/* A job is ready, and none was before. */
void axi_server_rejoin(struct axi_server *server, uint64_t now_ns);
void axi_server_sleep(struct axi_server *server);

/* It ran for that long while a job was ready. */
void axi_server_charge(struct axi_server *server, uint64_t ran_ns, uint64_t now_ns);

/* True when it runs now; job_deadline_ns: that of the top job, UINT64_MAX without one. */
bool axi_server_is_first(const struct axi_server *server, uint64_t job_deadline_ns);

#endif
