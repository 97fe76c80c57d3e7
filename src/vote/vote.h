/* SPDX-License-Identifier: Apache-2.0 */
/* The voter's core: outputs of the replicas of a service come in as stamped values (core/gate.h),
 * in any order, late, twice or never, and one value per job and place goes out as soon as enough
 * replicas agree on it. How agreement, wrong and silent replicas are defined: docs/orchestration.md
 * "Voting".
 *
 * Passive: no socket, no clock, no thread. Times are master time (ns) as the caller knows it and
 * never go back. Memory is taken when a group is set, and never for a value; what a replica sends
 * is kept apart from what the others send, so that one that floods, or sends nonsense, harms itself
 * only. One thread. */
#ifndef AXI_VOTE_VOTE_H
#define AXI_VOTE_VOTE_H

#include "base/error.h"
#include "core/gate.h"
#include "vote/compare.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define AXI_VOTE_SERVICE_BYTES 25u
#define AXI_VOTE_GROUPS_MAX 64u
#define AXI_VOTE_MEMBERS_MAX 16u
#define AXI_VOTE_PLACES_MAX 16u   /* outputs of one job that are voted on */
#define AXI_VOTE_JOBS 32u         /* jobs of which a member's values are kept */
#define AXI_VOTE_SPAN_PERIODS 24u /* deadline and wait together are cut to so many periods */

struct axi_vote_member {
    uint64_t task, epoch_min;
    uint32_t index;
    bool is_counted; /* else its values are compared only */
};

struct axi_vote_group {
    char service[AXI_VOTE_SERVICE_BYTES];
    uint64_t generation;
    uint32_t needed; /* counted members that must agree, at least 1 */
    enum axi_vote_compare compare;
    double tolerance; /* >= 0 */
    uint64_t period_ns, deadline_ns, wait_ns;
    uint64_t release_ns; /* of job 0; 0 = not known yet: nothing is late or silent */
    uint32_t member_count;
    struct axi_vote_member members[AXI_VOTE_MEMBERS_MAX];
};

/* Of one member since it was listed; each job is counted once at most. */
struct axi_vote_counts {
    uint64_t task;
    uint64_t good, wrong, silent;
    uint64_t late; /* values that came when their job was judged already */
    uint32_t good_in_row, bad_in_row;
    uint64_t last_job; /* judged last */
};

struct axi_vote_result {
    uint64_t generation;
    uint64_t agreed, failed; /* jobs */
    uint64_t overtaken;      /* values agreed on after one of a later job was put out: kept back */
    uint64_t last_agreed_job;
    uint32_t failed_in_row;
    uint32_t member_count;
    struct axi_vote_counts members[AXI_VOTE_MEMBERS_MAX];
};

/* Datagrams that were not used, by reason. */
enum axi_vote_drop {
    AXI_VOTE_DAMAGED = 0, /* no stamped value, cut off, checksum */
    AXI_VOTE_FOREIGN,     /* of a task that nobody listed */
    AXI_VOTE_STALE,       /* of an epoch that is over */
    AXI_VOTE_KNOWN,       /* this job and place came before */
    AXI_VOTE_OLD,         /* of a job too long ago */
    AXI_VOTE_FUTURE,      /* of a job that is not released yet */
    AXI_VOTE_EXCESS,      /* too many or too large outputs of one job */
    AXI_VOTE_DROP_COUNT
};

enum axi_vote_verdict_kind {
    AXI_VERDICT_AGREED = 0, /* of the job */
    AXI_VERDICT_FAILED,     /* some place of the job was not agreed on: nothing of it put out */
    AXI_VERDICT_WRONG,      /* of a member */
    AXI_VERDICT_SILENT,     /* of a member */
};

struct axi_vote_verdict {
    enum axi_vote_verdict_kind kind;
    uint64_t job;
    uint64_t task; /* the member; 0 = none */
};

/* Called from within the functions below; must not call back. */
struct axi_vote_port {
    void *context;
    /* An agreed value; stamp: the service's id, its generation, job and place. Borrowed. */
    void (*put)(void *context, const char *service, const struct axi_stamp *stamp,
                const uint8_t *value, uint32_t bytes);
    /* optional */
    void (*verdict)(void *context, const char *service, const struct axi_vote_verdict *verdict);
};

struct axi_vote;

/* Takes a copy of port. NULL: out of memory. */
struct axi_vote *axi_vote_new(const struct axi_vote_port *port);
void axi_vote_free(struct axi_vote *vote); /* NULL is fine */

/* Replaces what was said of the service; no members: it is gone. Members that were listed before
 * keep their counts and values, unless period or release changed. -AXC_EINVALID (a number out of
 * range, a member twice or in another group), -AXC_EFULL (groups), -AXC_ENOMEM; nothing changed
 * then. */
AXC_MUST_USE int axi_vote_set(struct axi_vote *vote, uint64_t now_ns,
                              const struct axi_vote_group *group);

/* How well the caller knows master time: slack_ns is added to every limit. is_fresh false: the
 * master has not been heard for a while; the grid then follows the arrivals that agree, slowly. */
void axi_vote_clock(struct axi_vote *vote, uint64_t slack_ns, bool is_fresh);

/* One datagram. */
void axi_vote_datagram(struct axi_vote *vote, uint64_t now_ns, const uint8_t *bytes, size_t count);

/* Judges what is due; returns the time of the next, UINT64_MAX = not before a datagram came. */
uint64_t axi_vote_tick(struct axi_vote *vote, uint64_t now_ns);

/* Services in the order they were set; NULL beyond the last. */
const char *axi_vote_service(const struct axi_vote *vote, uint32_t number);
void axi_vote_result(const struct axi_vote *vote, uint32_t number,
                     struct axi_vote_result *ret_result);
/* A member was wrong or silent, or the service failed, since this was asked last. */
bool axi_vote_is_urgent(struct axi_vote *vote, uint32_t number);
uint64_t axi_vote_dropped(const struct axi_vote *vote, enum axi_vote_drop reason);
uint64_t axi_vote_taken(const struct axi_vote *vote);

/* The id in the stamps of a service's agreed values: the same for one name and grid, everywhere. */
uint64_t axi_vote_id(const char *service, uint64_t release_ns);

#endif
