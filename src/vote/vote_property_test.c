/* SPDX-License-Identifier: Apache-2.0 */
/* Random runs against a model: datagrams lost, doubled, in any order, wrong, of several places and
 * modes. The model is what docs/orchestration.md says, over the whole list of arrivals at once. */
#include "support/test.h"

#include "vote/vote.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    RUNS = 4000,
    JOBS = 12,
    PLACES = 2,
    MEMBERS = 4,
    ARRIVALS_MAX = 2 * JOBS * PLACES * MEMBERS
};

#define PERIOD 1000000ull
#define RELEASE 50000000ull
#define SPAN (2 * PERIOD) /* deadline and wait */

struct arrival {
    uint64_t at_ns;
    uint32_t order; /* of those at one time */
    uint32_t member, job, place;
    uint8_t value;
};

struct model {
    uint32_t members, needed, counted; /* counted: bit per member */
    bool is_there[JOBS][PLACES];       /* agreed in time */
    uint8_t agreed[JOBS][PLACES];      /* as what */
    uint64_t agreed_at[JOBS][PLACES];  /* index of the arrival */
    int said[MEMBERS][JOBS][PLACES];   /* in time; -1 = nothing */
    uint64_t good[MEMBERS], wrong[MEMBERS], missing[MEMBERS];
    uint64_t jobs_agreed, jobs_failed;
};

static uint64_t noise;
static struct model model;
static uint64_t put_at[JOBS][PLACES]; /* 1 + index of the arrival that caused it */
static uint8_t put_value[JOBS][PLACES];
static uint64_t now_index, last_job;

static uint32_t draw(uint32_t below)
{
    noise ^= noise << 13;
    noise ^= noise >> 7;
    noise ^= noise << 17;
    return (uint32_t)(noise >> 33) % below;
}

static void on_put(void *context, const char *service, const struct axi_stamp *stamp,
                   const uint8_t *value, uint32_t bytes)
{
    (void)context;
    (void)service;
    assert_true(stamp->job < JOBS && stamp->place < PLACES);
    assert_int_equal(bytes, 1);
    assert_true(stamp->job >= last_job);
    assert_int_equal(put_at[stamp->job][stamp->place], 0); /* once */
    last_job = stamp->job;
    put_at[stamp->job][stamp->place] = now_index + 1;
    put_value[stamp->job][stamp->place] = value[0];
}

static int by_time(const void *a, const void *b)
{
    const struct arrival *left = a;
    const struct arrival *right = b;

    if (left->at_ns != right->at_ns) {
        return left->at_ns < right->at_ns ? -1 : 1;
    }
    return left->order < right->order ? -1 : left->order > right->order;
}

static uint32_t make_arrivals(struct arrival *arrivals)
{
    uint32_t count = 0;
    uint32_t loss = draw(3) * 15;
    uint32_t wrong = draw(3) * 15;

    for (uint32_t i = 0; i < JOBS * PLACES * model.members; i++) {
        struct arrival one = {.member = i % model.members,
                              .job = i / model.members % JOBS,
                              .place = i / model.members / JOBS,
                              .value = (uint8_t)(draw(100) < wrong ? draw(3) : 7)};

        if (draw(100) < loss || (one.place == 1 && one.job % 3 == 0)) {
            continue;
        }
        do {
            one.at_ns = RELEASE + one.job * PERIOD + draw(25) * PERIOD / 10;
            one.order = count;
            arrivals[count++] = one;
        } while (draw(8) == 0 && count < ARRIVALS_MAX);
        if (count == ARRIVALS_MAX) {
            break;
        }
    }
    qsort(arrivals, count, sizeof(arrivals[0]), by_time);
    return count;
}

/* ---- the model ---- */

static uint32_t saying(uint32_t job, uint32_t place, int value, bool only_counted)
{
    uint32_t count = 0;

    for (uint32_t m = 0; m < model.members; m++) {
        count +=
            model.said[m][job][place] == value && (!only_counted || (model.counted & 1u << m) != 0);
    }
    return count;
}

static bool delivers(uint32_t member, uint32_t job)
{
    for (uint32_t p = 0; p < PLACES; p++) {
        if (model.said[member][job][p] >= 0) {
            return true;
        }
    }
    return false;
}

static void hear(const struct arrival *arrivals, uint32_t count)
{
    memset(model.said, -1, sizeof(model.said));
    for (uint32_t i = 0; i < count; i++) {
        const struct arrival *a = &arrivals[i];
        int *said = &model.said[a->member][a->job][a->place];

        if (a->at_ns > RELEASE + a->job * PERIOD + SPAN || *said >= 0) {
            continue;
        }
        *said = a->value;
        if (!model.is_there[a->job][a->place] && (model.counted & 1u << a->member) != 0 &&
            saying(a->job, a->place, a->value, true) >= model.needed) {
            model.is_there[a->job][a->place] = true;
            model.agreed[a->job][a->place] = a->value;
            model.agreed_at[a->job][a->place] = i + 1;
        }
    }
}

/* What is right: what was put out; with one needed, what most say, if that is more. */
static int right_value(uint32_t job, uint32_t place)
{
    int right = model.agreed[job][place];

    for (uint32_t m = 0; model.needed == 1 && m < model.members; m++) {
        int other = model.said[m][job][place];

        if (other >= 0 && saying(job, place, other, true) > saying(job, place, right, true)) {
            right = other;
        }
    }
    return right;
}

/* As many that count say so as say what is right. */
static bool is_tie(uint32_t job, uint32_t place, int said)
{
    return saying(job, place, said, true) >= saying(job, place, right_value(job, place), true);
}

static void judge_job(uint32_t job)
{
    uint32_t counted = 0, bad = 0, silent = 0, doubtful = 0;
    bool has_failed = false, has_agreed = false;

    for (uint32_t m = 0; m < model.members; m++) {
        counted += (model.counted & 1u << m) != 0 && delivers(m, job);
    }
    if (counted == 0) {
        return;
    }
    for (uint32_t p = 0; p < PLACES; p++) {
        uint32_t with = 0, with_counted = 0;

        for (uint32_t m = 0; m < model.members; m++) {
            with |= model.said[m][job][p] >= 0 ? 1u << m : 0;
        }
        with_counted = (uint32_t)__builtin_popcount(with & model.counted);
        if (model.is_there[job][p]) {
            has_agreed = true;
            for (uint32_t m = 0; m < model.members; m++) {
                int said = model.said[m][job][p];

                if (said >= 0 && said != right_value(job, p)) {
                    *(is_tie(job, p, said) ? &doubtful : &bad) |= 1u << m;
                }
                silent |= said < 0 && delivers(m, job) ? 1u << m : 0;
            }
        } else if (with != 0 && counted - with_counted >= model.needed) {
            bad |= with;
        } else {
            has_failed = has_failed || with_counted > 0;
        }
    }
    has_failed = has_failed || !has_agreed;
    model.jobs_failed += has_failed;
    model.jobs_agreed += !has_failed;
    for (uint32_t m = 0; m < model.members; m++) {
        uint32_t bit = 1u << m;

        if ((bad & bit) != 0) {
            model.wrong[m]++;
        } else if ((silent & bit) != 0 || !delivers(m, job)) {
            model.missing[m]++;
        } else if ((doubtful & model.counted & bit) != 0) {
            model.wrong[m]++;
        } else {
            model.good[m] += has_agreed;
        }
    }
}

/* ---- both ---- */

static void feed(struct axi_vote *vote, const struct arrival *arrivals, uint32_t count)
{
    uint8_t bytes[AXI_STAMP_BYTES + 1];
    size_t length = 0;

    for (uint32_t i = 0; i < count; i++) {
        const struct arrival *a = &arrivals[i];
        const struct axi_stamp stamp = {
            .task_id = a->member + 1, .epoch = 1, .job = a->job, .place = a->place};

        now_index = i;
        assert_int_equal(axi_stamp_encode(&stamp, &a->value, 1, bytes, sizeof(bytes), &length), 0);
        if (draw(4) == 0) {
            (void)axi_vote_tick(vote, a->at_ns); /* whenever the caller likes */
        }
        axi_vote_datagram(vote, a->at_ns, bytes, length);
        if (draw(10) == 0) {
            axi_vote_datagram(vote, a->at_ns, bytes, draw((uint32_t)length)); /* cut off */
        }
    }
    (void)axi_vote_tick(vote, RELEASE + (JOBS + 2) * PERIOD + 1);
}

static void check(const struct axi_vote *vote)
{
    struct axi_vote_result result;
    uint64_t newest = 0;

    axi_vote_result(vote, 0, &result);
    for (uint32_t j = 0; j < JOBS; j++) {
        for (uint32_t p = 0; p < PLACES; p++) {
            bool is_put = put_at[j][p] != 0;

            assert_true(!is_put || model.is_there[j][p]);
            if (is_put) {
                assert_int_equal(put_at[j][p], model.agreed_at[j][p]); /* as soon as possible */
                assert_int_equal(put_value[j][p], model.agreed[j][p]);
            }
        }
    }
    for (uint32_t j = JOBS; j-- > 0;) { /* kept back only for a later job that was out */
        for (uint32_t p = 0; p < PLACES; p++) {
            bool is_overtaken = false;

            for (uint32_t later = j + 1; later < JOBS; later++) {
                for (uint32_t q = 0; q < PLACES; q++) {
                    is_overtaken = is_overtaken || (put_at[later][q] != 0 &&
                                                    put_at[later][q] < model.agreed_at[j][p]);
                }
            }
            assert_int_equal(put_at[j][p] != 0, model.is_there[j][p] && !is_overtaken);
            newest += is_overtaken && model.is_there[j][p];
        }
    }
    assert_int_equal(result.overtaken, newest);
    assert_int_equal(result.agreed, model.jobs_agreed);
    assert_int_equal(result.failed, model.jobs_failed);
    for (uint32_t m = 0; m < model.members; m++) {
        assert_int_equal(result.members[m].good, model.good[m]);
        assert_int_equal(result.members[m].wrong, model.wrong[m]);
        assert_true(result.members[m].silent <= model.missing[m]); /* late ones are neither */
    }
}

static void run(uint64_t seed)
{
    static struct arrival arrivals[ARRIVALS_MAX];
    const struct axi_vote_port port = {.put = on_put};
    struct axi_vote *vote = axi_vote_new(&port);
    struct axi_vote_group group = {.service = "s",
                                   .generation = 1,
                                   .period_ns = PERIOD,
                                   .deadline_ns = PERIOD,
                                   .wait_ns = SPAN - PERIOD,
                                   .release_ns = RELEASE};

    noise = seed * 0x9e3779b97f4a7c15ull + 1;
    memset(&model, 0, sizeof(model));
    memset(put_at, 0, sizeof(put_at));
    last_job = 0;
    model.members = group.member_count = 1 + draw(MEMBERS);
    model.needed = group.needed = 1 + draw(3);
    for (uint32_t m = 0; m < model.members; m++) {
        bool is_counted = draw(4) > 0;

        model.counted |= is_counted ? 1u << m : 0;
        group.members[m] = (struct axi_vote_member){.task = m + 1, .is_counted = is_counted};
    }
    assert_non_null(vote);
    assert_int_equal(axi_vote_set(vote, RELEASE, &group), 0);
    axi_vote_clock(vote, 0, true);
    uint32_t count = make_arrivals(arrivals);

    hear(arrivals, count);
    for (uint32_t job = 0; job < JOBS; job++) {
        judge_job(job);
    }
    feed(vote, arrivals, count);
    check(vote);
    axi_vote_free(vote);
}

static void is_what_the_model_says(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= RUNS; seed++) {
        if (seed % 1000 == 0) {
            print_message("seed %llu\n", (unsigned long long)seed);
        }
        run(seed);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(is_what_the_model_says)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
