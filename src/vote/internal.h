/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the voter's core share: vote.c (groups, datagrams), judge.c (verdicts). */
#ifndef AXI_VOTE_INTERNAL_H
#define AXI_VOTE_INTERNAL_H

#include "vote/vote.h"

#define AXI_VOTE_JOB_BYTES 8192u /* of one job's values, as on the node (core/output.h) */

/* What one member put out in one job, or what was agreed on for it. */
struct axi_vote_job {
    uint64_t job;
    uint32_t places; /* bit per place that is there; 0 = the slot is empty */
    uint32_t used;
    uint16_t offsets[AXI_VOTE_PLACES_MAX], lengths[AXI_VOTE_PLACES_MAX];
    uint8_t data[AXI_VOTE_JOB_BYTES];
};

struct axi_vote_seat {
    struct axi_vote_member config;
    struct axi_vote_counts counts;
    struct axi_vote_job *jobs; /* AXI_VOTE_JOBS slots, of job number modulo; owned */
    uint64_t epoch;            /* highest seen */
    uint64_t listed_ns;
    uint64_t first_job, newest_job;
    uint64_t lag, shrunk_job; /* jobs it is behind; when that last became less */
    bool has_any, is_lagging, has_shrunk;
};

struct axi_vote_table {
    struct axi_vote_group config;
    uint64_t id;
    struct axi_vote_seat seats[AXI_VOTE_MEMBERS_MAX];
    struct axi_vote_job *agreed; /* AXI_VOTE_JOBS slots; owned */
    struct axi_vote_result result;
    uint64_t put_job; /* newest that was put out */
    bool has_put, is_urgent;
    uint64_t next_job; /* to be judged */
    uint64_t heard_ns; /* a value came last */
    /* The grid while the master is away: what is added to it, and the least time from a job's
     * release to its agreement, of the window that runs and while the clock was fresh. */
    int64_t shift_ns;
    int64_t least_ns, fresh_least_ns;
    uint32_t window;
    bool has_fresh_least;
};

/* Where a member is found by its task; sorted. */
struct axi_vote_entry {
    uint64_t task;
    struct axi_vote_table *table;
    struct axi_vote_seat *seat;
};

struct axi_vote {
    struct axi_vote_port port;
    struct axi_vote_table *tables[AXI_VOTE_GROUPS_MAX];
    uint32_t table_count;
    struct axi_vote_entry entries[AXI_VOTE_GROUPS_MAX * AXI_VOTE_MEMBERS_MAX];
    uint32_t entry_count;
    uint64_t slack_ns;
    bool is_fresh;
    uint64_t dropped[AXI_VOTE_DROP_COUNT], taken;
};

/* NULL: nothing of that job, or place, is kept. */
const struct axi_vote_job *axi_vote_job_of(const struct axi_vote_job *jobs, uint64_t job);
struct axi_vote_value axi_vote_value_of(const struct axi_vote_job *job, uint32_t place);
/* Keeps a value; false: no room. */
bool axi_vote_keep(struct axi_vote_job *jobs, uint64_t job, uint32_t place, const uint8_t *value,
                   uint32_t bytes);

/* Release of a job on the group's grid, master time; UINT64_MAX beyond all times. */
uint64_t axi_vote_release(const struct axi_vote_table *table, uint64_t job);
/* After it nothing of the job is put out, and it is judged. */
uint64_t axi_vote_close(const struct axi_vote *vote, const struct axi_vote_table *table,
                        uint64_t job);
/* The largest set of counted members (bit per seat) of which one agrees with each other on that
 * place, and that one in *ret_centre. 0: nobody has it. */
uint32_t axi_vote_largest(const struct axi_vote_table *table, uint64_t job, uint32_t place,
                          uint32_t *ret_centre);
/* Judges what is due in this group. */
void axi_vote_judge(struct axi_vote *vote, struct axi_vote_table *table, uint64_t now_ns);
/* A value of the job was agreed on now. */
void axi_vote_follow_grid(struct axi_vote *vote, struct axi_vote_table *table, uint64_t job,
                          uint64_t now_ns);

#endif
