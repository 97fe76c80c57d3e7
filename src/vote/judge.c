/* SPDX-License-Identifier: Apache-2.0 */
/* Verdicts: job by job, when its time is over. */
#include "vote/internal.h"

#include "base/bytes.h"

#define GRACE_NS 1000000000ull /* a member that was just listed may be silent so long ... */
#define GRACE_PERIODS 16u      /* ... and so many periods; one that catches up may stop for them */
#define WINDOW 64u             /* agreed values over which the grid is followed */
#define SLEW_PPM 500

uint64_t axi_vote_release(const struct axi_vote_table *table, uint64_t job)
{
    uint64_t at = axi_add_sat(table->config.release_ns, axi_mul_sat(job, table->config.period_ns));

    if (table->shift_ns < 0) {
        return axi_sub_sat(at, (uint64_t)-table->shift_ns);
    }
    return axi_add_sat(at, (uint64_t)table->shift_ns);
}

uint64_t axi_vote_close(const struct axi_vote *vote, const struct axi_vote_table *table,
                        uint64_t job)
{
    const struct axi_vote_group *config = &table->config;
    uint64_t most_ns = axi_mul_sat(AXI_VOTE_SPAN_PERIODS, config->period_ns);
    uint64_t span_ns =
        axi_add_sat(axi_add_sat(config->deadline_ns, config->wait_ns), vote->slack_ns);

    return axi_add_sat(axi_vote_release(table, job), span_ns < most_ns ? span_ns : most_ns);
}

static uint32_t agreeing_with(const struct axi_vote_table *table, uint64_t job, uint32_t place,
                              struct axi_vote_value value)
{
    const struct axi_vote_group *config = &table->config;
    uint32_t set = 0;

    for (uint32_t i = 0; i < config->member_count; i++) {
        struct axi_vote_value own =
            axi_vote_value_of(axi_vote_job_of(table->seats[i].jobs, job), place);

        if (table->seats[i].config.is_counted && own.data != NULL &&
            axi_vote_agree(config->compare, config->tolerance, own, value)) {
            set |= 1u << i;
        }
    }
    return set;
}

uint32_t axi_vote_largest(const struct axi_vote_table *table, uint64_t job, uint32_t place,
                          uint32_t *ret_centre)
{
    uint32_t best = 0;

    for (uint32_t i = 0; i < table->config.member_count; i++) {
        struct axi_vote_value value =
            axi_vote_value_of(axi_vote_job_of(table->seats[i].jobs, job), place);

        if (!table->seats[i].config.is_counted || value.data == NULL) {
            continue;
        }
        uint32_t set = agreeing_with(table, job, place, value);

        if (__builtin_popcount(set) > __builtin_popcount(best)) {
            best = set;
            *ret_centre = i;
        }
    }
    return best;
}

/* ---- one job ---- */

/* Bits per seat. */
struct findings {
    uint32_t delivered, counted; /* anything of the job; of which are counted */
    uint32_t wrong, silent;
    uint32_t
        doubtful; /* they differ, but as many that count say so as say what is taken for right */
    bool has_agreed, has_failed;
};

static struct findings look(const struct axi_vote_table *table, uint64_t job)
{
    struct findings f = {0};

    for (uint32_t i = 0; i < table->config.member_count && i < AXI_VOTE_MEMBERS_MAX; i++) {
        if (axi_vote_job_of(table->seats[i].jobs, job) != NULL) {
            f.delivered |= 1u << i;
            f.counted |= table->seats[i].config.is_counted ? 1u << i : 0;
        }
    }
    return f;
}

/* What the members are compared with. Where one output is enough, the first one may have been the
 * wrong one: more that agree with each other are believed then. */
static struct axi_vote_value reference(const struct axi_vote_table *table, uint64_t job,
                                       uint32_t place, struct axi_vote_value agreed)
{
    uint32_t centre = 0;

    if (table->config.needed == 1) {
        uint32_t best = axi_vote_largest(table, job, place, &centre);

        if (__builtin_popcount(best) >
            __builtin_popcount(agreeing_with(table, job, place, agreed))) {
            return axi_vote_value_of(axi_vote_job_of(table->seats[centre].jobs, job), place);
        }
    }
    return agreed;
}

static void compare(const struct axi_vote_table *table, uint64_t job, uint32_t place,
                    struct axi_vote_value agreed, struct findings *f)
{
    const struct axi_vote_group *config = &table->config;
    struct axi_vote_value right = reference(table, job, place, agreed);
    int right_count = __builtin_popcount(agreeing_with(table, job, place, right));

    f->has_agreed = true;
    for (uint32_t i = 0; i < config->member_count; i++) {
        struct axi_vote_value own =
            axi_vote_value_of(axi_vote_job_of(table->seats[i].jobs, job), place);

        if (own.data == NULL) {
            f->silent |= f->delivered & 1u << i;
        } else if (!axi_vote_agree(config->compare, config->tolerance, own, right)) {
            bool is_tie = __builtin_popcount(agreeing_with(table, job, place, own)) >= right_count;

            *(is_tie ? &f->doubtful : &f->wrong) |= 1u << i;
        }
    }
}

static uint32_t having(const struct axi_vote_table *table, uint64_t job, uint32_t place)
{
    uint32_t set = 0;

    for (uint32_t i = 0; i < table->config.member_count; i++) {
        const struct axi_vote_job *kept = axi_vote_job_of(table->seats[i].jobs, job);

        set |= kept != NULL && (kept->places & 1u << place) != 0 ? 1u << i : 0;
    }
    return set;
}

static void examine(const struct axi_vote_table *table, uint64_t job, struct findings *f)
{
    const struct axi_vote_job *agreed = axi_vote_job_of(table->agreed, job);

    for (uint32_t place = 0; place < AXI_VOTE_PLACES_MAX; place++) {
        struct axi_vote_value value = axi_vote_value_of(agreed, place);
        uint32_t set = having(table, job, place);

        if (value.data != NULL) {
            compare(table, job, place, value, f);
        } else if (set != 0 &&
                   (uint32_t)__builtin_popcount(f->counted & ~set) >= table->config.needed) {
            f->wrong |= set; /* enough agree that there is no such output */
        } else if ((set & f->counted) != 0) {
            f->has_failed = true;
        }
    }
    f->has_failed = f->has_failed || !f->has_agreed;
}

/* ---- members ---- */

static void tell(struct axi_vote *vote, struct axi_vote_table *table,
                 enum axi_vote_verdict_kind kind, uint64_t job, uint64_t task)
{
    const struct axi_vote_verdict verdict = {.kind = kind, .job = job, .task = task};

    table->is_urgent = table->is_urgent || kind != AXI_VERDICT_AGREED;
    if (vote->port.verdict != NULL) {
        vote->port.verdict(vote->port.context, table->config.service, &verdict);
    }
}

/* One that is behind but comes nearer is late, which is not silent: it has been moved, or has just
 * begun. */
static bool is_catching_up(struct axi_vote_seat *seat, uint64_t job)
{
    uint64_t lag = axi_sub_sat(job, seat->newest_job);

    if (lag == 0) {
        return false;
    }
    if (seat->is_lagging && lag < seat->lag) {
        seat->has_shrunk = true;
        seat->shrunk_job = job;
    }
    seat->lag = lag;
    seat->is_lagging = true;
    return seat->has_shrunk && job - seat->shrunk_job <= GRACE_PERIODS;
}

static bool is_silent(const struct axi_vote_table *table, struct axi_vote_seat *seat, uint64_t job,
                      uint64_t now_ns)
{
    uint64_t grace_ns = GRACE_NS + axi_mul_sat(GRACE_PERIODS, table->config.period_ns);

    if (!seat->has_any) {
        return seat->config.is_counted && now_ns > axi_add_sat(seat->listed_ns, grace_ns);
    }
    return job >= seat->first_job && axi_vote_release(table, job) >= seat->listed_ns &&
           !is_catching_up(seat, job);
}

static void count_bad(struct axi_vote_seat *seat, uint64_t *counter)
{
    (*counter)++;
    seat->counts.bad_in_row++;
    seat->counts.good_in_row = 0;
}

static void judge_member(struct axi_vote *vote, struct axi_vote_table *table, uint32_t index,
                         uint64_t job, const struct findings *f, uint64_t now_ns)
{
    struct axi_vote_seat *seat = &table->seats[index];
    struct axi_vote_counts *counts = &seat->counts;
    uint32_t bit = 1u << index;
    bool has_delivered = (f->delivered & bit) != 0;
    bool is_mute = !has_delivered && is_silent(table, seat, job, now_ns);

    counts->last_job = job;
    if (has_delivered) {
        seat->is_lagging = seat->has_shrunk = false;
    }
    if ((f->wrong & bit) != 0) {
        count_bad(seat, &counts->wrong);
        tell(vote, table, AXI_VERDICT_WRONG, job, seat->config.task);
    } else if (is_mute || (f->silent & bit) != 0) {
        count_bad(seat, &counts->silent);
        tell(vote, table, AXI_VERDICT_SILENT, job, seat->config.task);
    } else if ((f->doubtful & bit) != 0 && seat->config.is_counted) {
        counts->wrong++; /* who is right, nobody knows: no reason to replace it */
        counts->good_in_row = counts->bad_in_row = 0;
        tell(vote, table, AXI_VERDICT_WRONG, job, seat->config.task);
    } else if (!has_delivered) {
        counts->good_in_row = 0;
    } else if (f->has_agreed) {
        counts->good++;
        counts->good_in_row++;
        counts->bad_in_row = 0;
    }
}

static void judge_job(struct axi_vote *vote, struct axi_vote_table *table, uint64_t job,
                      uint64_t now_ns)
{
    struct axi_vote_result *result = &table->result;
    struct findings f = look(table, job);

    if (f.counted == 0) {
        return; /* no output in this job, or nobody is there */
    }
    examine(table, job, &f);
    if (f.has_failed) {
        result->failed++;
        result->failed_in_row++;
    } else {
        result->agreed++;
        result->last_agreed_job = job;
        result->failed_in_row = 0;
    }
    tell(vote, table, f.has_failed ? AXI_VERDICT_FAILED : AXI_VERDICT_AGREED, job, 0);
    for (uint32_t i = 0; i < table->config.member_count; i++) {
        judge_member(vote, table, i, job, &f, now_ns);
    }
}

/* After a long silence the jobs whose values cannot be kept any more are passed over. */
static void pass_over(const struct axi_vote *vote, struct axi_vote_table *table, uint64_t now_ns)
{
    uint64_t period_ns = table->config.period_ns;
    uint64_t close_ns = axi_vote_close(vote, table, table->next_job);
    uint64_t due = now_ns > close_ns ? (now_ns - close_ns) / period_ns : 0;

    if (due > AXI_VOTE_JOBS) {
        table->next_job += due - AXI_VOTE_JOBS;
    }
}

void axi_vote_judge(struct axi_vote *vote, struct axi_vote_table *table, uint64_t now_ns)
{
    if (table->config.release_ns == 0) {
        return;
    }
    pass_over(vote, table, now_ns);
    while (axi_vote_close(vote, table, table->next_job) < now_ns) {
        judge_job(vote, table, table->next_job, now_ns);
        table->next_job++;
    }
}

/* ---- the grid without the master ---- */

void axi_vote_follow_grid(struct axi_vote *vote, struct axi_vote_table *table, uint64_t job,
                          uint64_t now_ns)
{
    int64_t after_ns = (int64_t)(now_ns - axi_vote_release(table, job));
    int64_t most_ns = (int64_t)(WINDOW * (table->config.period_ns / 1000000u) * SLEW_PPM) + 1000;

    if (table->window == 0 || after_ns < table->least_ns) {
        table->least_ns = after_ns;
    }
    if (++table->window < WINDOW) {
        return;
    }
    table->window = 0;
    if (vote->is_fresh) {
        table->fresh_least_ns = table->least_ns;
        table->has_fresh_least = true;
        table->shift_ns = 0;
    } else if (table->has_fresh_least) {
        int64_t error_ns = table->least_ns - table->fresh_least_ns;

        error_ns = error_ns > most_ns ? most_ns : error_ns;
        table->shift_ns += error_ns < -most_ns ? -most_ns : error_ns;
    }
}
