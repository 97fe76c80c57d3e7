/* SPDX-License-Identifier: Apache-2.0 */
/* The voter's rules, one by one. vote_property_test.c compares random runs with a model. */
#include "support/test.h"

#include "vote/vote.h"

#include <math.h>
#include <string.h>

#define MS 1000000ull
#define PERIOD (10 * MS)
#define RELEASE (1000 * MS)
#define OUTS_MAX 64u

struct put {
    struct axi_stamp stamp;
    uint32_t bytes;
    uint8_t value[AXC_VALUE_BYTES_MAX];
};

static struct put outs[OUTS_MAX];
static uint32_t out_count;

static void on_put(void *context, const char *service, const struct axi_stamp *stamp,
                   const uint8_t *value, uint32_t bytes)
{
    (void)context;
    assert_string_equal(service, "brake");
    assert_true(out_count < OUTS_MAX);
    outs[out_count] = (struct put){.stamp = *stamp, .bytes = bytes};
    memcpy(outs[out_count++].value, value, bytes);
}

static struct axi_vote *make(void)
{
    const struct axi_vote_port port = {.put = on_put};
    struct axi_vote *vote = axi_vote_new(&port);

    assert_non_null(vote);
    axi_vote_clock(vote, 0, true);
    out_count = 0;
    return vote;
}

/* Members are tasks 1, 2, ... and all counted; wait and deadline are one period. */
static struct axi_vote_group group_of(uint32_t needed, uint32_t members)
{
    struct axi_vote_group group = {.service = "brake",
                                   .generation = 3,
                                   .needed = needed,
                                   .period_ns = PERIOD,
                                   .deadline_ns = PERIOD,
                                   .wait_ns = PERIOD,
                                   .release_ns = RELEASE,
                                   .member_count = members};

    for (uint32_t i = 0; i < members; i++) {
        group.members[i] =
            (struct axi_vote_member){.task = i + 1, .epoch_min = 1, .index = i, .is_counted = true};
    }
    return group;
}

static struct axi_vote *with(uint32_t needed, uint32_t members)
{
    struct axi_vote *vote = make();
    const struct axi_vote_group group = group_of(needed, members);

    assert_int_equal(axi_vote_set(vote, RELEASE - PERIOD, &group), 0);
    return vote;
}

static void send(struct axi_vote *vote, uint64_t task, uint64_t job, uint32_t place,
                 const void *value, uint32_t bytes, uint64_t at_ns)
{
    const struct axi_stamp stamp = {.task_id = task, .epoch = 1, .job = job, .place = place};
    uint8_t datagram[AXI_STAMP_BYTES + AXC_VALUE_BYTES_MAX];
    size_t count = 0;

    assert_int_equal(axi_stamp_encode(&stamp, value, bytes, datagram, sizeof(datagram), &count), 0);
    axi_vote_datagram(vote, at_ns, datagram, count);
}

/* One byte, half a period after the release. */
static void say(struct axi_vote *vote, uint64_t task, uint64_t job, char value)
{
    send(vote, task, job, 0, &value, 1, RELEASE + job * PERIOD + PERIOD / 2);
}

/* Everything up to this job is judged. */
static void end(struct axi_vote *vote, uint64_t job)
{
    (void)axi_vote_tick(vote, RELEASE + (job + 2) * PERIOD + 1);
}

static struct axi_vote_result result_of(const struct axi_vote *vote)
{
    struct axi_vote_result result;

    assert_non_null(axi_vote_service(vote, 0));
    axi_vote_result(vote, 0, &result);
    return result;
}

static void puts_out_what_two_of_three_agree_on(void **state)
{
    struct axi_vote *vote = with(2, 3);

    (void)state;
    say(vote, 1, 0, 'x');
    say(vote, 2, 0, 'a');
    assert_int_equal(out_count, 0);
    say(vote, 3, 0, 'a');
    assert_int_equal(out_count, 1);
    assert_int_equal(outs[0].value[0], 'a');
    assert_int_equal(outs[0].stamp.job, 0);
    assert_int_equal(outs[0].stamp.epoch, 3);
    assert_int_equal(outs[0].stamp.task_id, axi_vote_id("brake", RELEASE));
    end(vote, 0);
    const struct axi_vote_result result = result_of(vote);

    assert_int_equal(result.agreed, 1);
    assert_int_equal(result.failed, 0);
    assert_int_equal(result.members[0].wrong, 1);
    assert_int_equal(result.members[0].bad_in_row, 1);
    assert_int_equal(result.members[1].good, 1);
    assert_int_equal(result.members[2].good_in_row, 1);
    assert_true(axi_vote_is_urgent(vote, 0));
    assert_false(axi_vote_is_urgent(vote, 0));
    axi_vote_free(vote);
}

static void withholds_what_two_of_two_differ_in(void **state)
{
    struct axi_vote *vote = with(2, 2);

    (void)state;
    say(vote, 1, 0, 'a');
    say(vote, 2, 0, 'b');
    end(vote, 0);
    struct axi_vote_result result = result_of(vote);

    assert_int_equal(out_count, 0);
    assert_int_equal(result.failed, 1);
    assert_int_equal(result.failed_in_row, 1);
    assert_int_equal(result.members[0].wrong + result.members[1].wrong, 0); /* nobody knows whose */
    say(vote, 1, 1, 'a');
    say(vote, 2, 1, 'a');
    end(vote, 1);
    result = result_of(vote);
    assert_int_equal(out_count, 1);
    assert_int_equal(result.failed_in_row, 0);
    axi_vote_free(vote);
}

static void one_output_is_enough_where_one_is_needed(void **state)
{
    struct axi_vote *vote = with(1, 3);

    (void)state;
    say(vote, 1, 0, 'x');
    assert_int_equal(out_count, 1);
    say(vote, 2, 0, 'a');
    say(vote, 3, 0, 'a');
    assert_int_equal(out_count, 1);
    end(vote, 0);
    const struct axi_vote_result result = result_of(vote);

    assert_int_equal(result.members[0].wrong, 1); /* the others outvote what is out already */
    assert_int_equal(result.members[1].good, 1);
    axi_vote_free(vote);
}

/* Two that count say two things: it is told, but no reason to replace one; a new replica that says
 * what one of them says may count. */
static void one_against_one_nobody_is_at_fault(void **state)
{
    struct axi_vote *vote = make();
    struct axi_vote_group group = group_of(1, 4);

    (void)state;
    group.members[2].is_counted = group.members[3].is_counted = false;
    assert_int_equal(axi_vote_set(vote, RELEASE - PERIOD, &group), 0);
    for (uint64_t job = 0; job < 3; job++) {
        say(vote, 1 + job % 2, job, job % 2 == 0 ? 'a' : 'b');
        say(vote, 2 - job % 2, job, job % 2 == 0 ? 'b' : 'a');
        say(vote, 3, job, 'b');
        say(vote, 4, job, 'c');
        end(vote, job);
    }
    const struct axi_vote_result result = result_of(vote);

    assert_int_equal(out_count, 3);
    assert_int_equal(result.members[0].wrong, 1);
    assert_int_equal(result.members[1].wrong, 2);
    assert_int_equal(result.members[0].bad_in_row + result.members[1].bad_in_row, 0);
    assert_int_equal(result.members[2].good_in_row, 3);
    assert_int_equal(result.members[3].wrong, 3);
    assert_int_equal(result.members[3].bad_in_row, 3);
    axi_vote_free(vote);
}

static void names_a_silent_member_and_counts_in_a_row(void **state)
{
    struct axi_vote *vote = with(2, 3);

    (void)state;
    for (uint64_t job = 0; job < 10; job++) {
        say(vote, 1, job, 'a');
        say(vote, 2, job, 'a');
        if (job < 4 || job == 9) {
            say(vote, 3, job, 'a');
        }
    }
    end(vote, 8);
    struct axi_vote_result result = result_of(vote);

    assert_int_equal(result.agreed, 9);
    assert_int_equal(result.members[2].silent, 5);
    assert_int_equal(result.members[2].bad_in_row, 5);
    assert_int_equal(result.members[0].good_in_row, 9);
    end(vote, 9);
    result = result_of(vote);
    assert_int_equal(result.members[2].bad_in_row, 0);
    assert_int_equal(result.members[2].good_in_row, 1);
    assert_int_equal(result.members[2].silent, 5);
    axi_vote_free(vote);
}

static void one_that_never_said_anything_is_silent_after_a_grace(void **state)
{
    struct axi_vote *vote = with(2, 3);

    (void)state;
    for (uint64_t job = 0; job < 300; job++) {
        out_count = 0;
        say(vote, 1, job, 'a');
        say(vote, 2, job, 'a');
        if (job == 50) {
            assert_int_equal(result_of(vote).members[2].silent, 0);
        }
    }
    end(vote, 299);
    assert_in_range(result_of(vote).members[2].silent, 100, 290);
    axi_vote_free(vote);
}

/* What it said before it was listed was dropped; one of those values comes late, and is taken. */
static void nobody_is_silent_in_jobs_before_it_was_listed(void **state)
{
    struct axi_vote *vote = with(1, 1);
    const struct axi_vote_group two = group_of(1, 2);

    (void)state;
    for (uint64_t job = 0; job < 3; job++) {
        say(vote, 1, job, 'a');
    }
    assert_int_equal(axi_vote_set(vote, RELEASE + 2 * PERIOD + PERIOD * 3 / 4, &two), 0);
    send(vote, 2, 1, 0, "a", 1, RELEASE + 2 * PERIOD + PERIOD * 4 / 5); /* not its jobs 0 and 2 */
    say(vote, 1, 3, 'a');
    say(vote, 2, 3, 'a');
    say(vote, 1, 4, 'a');
    end(vote, 4);
    assert_int_equal(result_of(vote).members[1].good, 2);
    assert_int_equal(result_of(vote).members[1].silent, 1); /* job 4 */
    axi_vote_free(vote);
}

static void one_that_catches_up_is_late_and_not_silent(void **state)
{
    struct axi_vote *vote = with(2, 3);
    uint64_t behind = 0;
    uint64_t at_ns = 0;

    (void)state;
    for (uint64_t job = 0; job < 140; job++) {
        out_count = 0;
        say(vote, 1, job, 'a');
        say(vote, 2, job, 'a');
        at_ns = RELEASE + job * PERIOD + PERIOD / 2;
        for (int i = 0; i < 2 && job >= 60 && behind <= job; i++) {
            char value = 'a';

            send(vote, 3, behind, 0, &value, 1, at_ns);
            behind++;
        }
    }
    end(vote, 139);
    const struct axi_vote_result result = result_of(vote);

    assert_in_range(result.members[2].silent, 0, 3);
    assert_true(result.members[2].late > 50);
    assert_int_equal(result.failed, 0);
    axi_vote_free(vote);
}

static void an_uncounted_member_is_compared_only(void **state)
{
    struct axi_vote *vote = make();
    struct axi_vote_group group = group_of(2, 3);

    (void)state;
    group.members[2].is_counted = false;
    assert_int_equal(axi_vote_set(vote, RELEASE, &group), 0);
    say(vote, 1, 0, 'a');
    say(vote, 3, 0, 'a');
    assert_int_equal(out_count, 0);
    say(vote, 2, 0, 'a');
    assert_int_equal(out_count, 1);
    say(vote, 1, 1, 'a');
    say(vote, 2, 1, 'a');
    say(vote, 3, 1, 'b');
    end(vote, 1);
    struct axi_vote_result result = result_of(vote);

    assert_int_equal(result.members[2].good, 1);
    assert_int_equal(result.members[2].wrong, 1);
    group.members[2].is_counted = true; /* keeps what it counted */
    group.generation = 4;
    assert_int_equal(axi_vote_set(vote, RELEASE + 3 * PERIOD, &group), 0);
    assert_int_equal(result_of(vote).members[2].good, 1);
    say(vote, 1, 4, 'a');
    say(vote, 3, 4, 'a');
    assert_int_equal(out_count, 3);
    assert_int_equal(outs[2].stamp.epoch, 4);
    axi_vote_free(vote);
}

static void agrees_place_by_place(void **state)
{
    struct axi_vote *vote = with(2, 3);
    const uint64_t at_ns = RELEASE + PERIOD / 2;

    (void)state;
    for (uint64_t task = 1; task <= 3; task++) {
        send(vote, task, 0, 0, "p", 1, at_ns);
        send(vote, task, 0, 2, task == 2 ? "x" : "q", 1, at_ns);
    }
    send(vote, 3, 0, 5, "extra", 5, at_ns); /* which the others do not put out */
    assert_int_equal(out_count, 2);
    assert_int_equal(outs[1].stamp.place, 2);
    assert_int_equal(outs[1].value[0], 'q');
    end(vote, 0);
    const struct axi_vote_result result = result_of(vote);

    assert_int_equal(result.agreed, 1);
    assert_int_equal(result.failed, 0);
    assert_int_equal(result.members[0].good, 1);
    assert_int_equal(result.members[1].wrong, 1);
    assert_int_equal(result.members[2].wrong, 1);
    axi_vote_free(vote);
}

static void late_values_change_nothing_and_jobs_ascend(void **state)
{
    struct axi_vote *vote = with(2, 3);

    (void)state;
    say(vote, 1, 0, 'a');
    say(vote, 1, 1, 'b');
    say(vote, 2, 1, 'b');
    send(vote, 2, 0, 0, "a", 1, RELEASE + PERIOD + PERIOD * 3 / 4); /* agreed, but overtaken */
    assert_int_equal(out_count, 1);
    assert_int_equal(outs[0].stamp.job, 1);
    assert_int_equal(result_of(vote).overtaken, 1);
    say(vote, 1, 2, 'c');
    send(vote, 2, 2, 0, "c", 1, RELEASE + 4 * PERIOD + 1); /* after deadline and wait */
    assert_int_equal(out_count, 1);
    const struct axi_vote_result result = result_of(vote);

    assert_int_equal(result.failed, 1);
    assert_int_equal(result.agreed, 2);
    assert_int_equal(result.members[1].late, 1);
    axi_vote_free(vote);
}

static void every_useless_datagram_is_counted_and_harmless(void **state)
{
    struct axi_vote *vote = with(2, 3);
    uint8_t junk[AXI_STAMP_BYTES + 4] = "AXVS";
    static const uint8_t big[AXC_VALUE_BYTES_MAX];
    const uint64_t at_ns = RELEASE + PERIOD / 2;

    (void)state;
    axi_vote_datagram(vote, at_ns, junk, sizeof(junk));
    axi_vote_datagram(vote, at_ns, junk, 3);
    axi_vote_datagram(vote, at_ns, junk, 0);
    assert_int_equal(axi_vote_dropped(vote, AXI_VOTE_DAMAGED), 3);
    say(vote, 99, 0, 'a');
    assert_int_equal(axi_vote_dropped(vote, AXI_VOTE_FOREIGN), 1);
    say(vote, 1, 0, 'a');
    say(vote, 1, 0, 'a');
    assert_int_equal(axi_vote_dropped(vote, AXI_VOTE_KNOWN), 1);
    send(vote, 1, UINT64_MAX, 0, "a", 1, at_ns);
    send(vote, 1, 1000, 0, "a", 1, at_ns);
    assert_int_equal(axi_vote_dropped(vote, AXI_VOTE_FUTURE), 2);
    send(vote, 1, 0, AXI_VOTE_PLACES_MAX, "a", 1, at_ns);
    send(vote, 1, 0, UINT32_MAX, "a", 1, at_ns);
    assert_int_equal(axi_vote_dropped(vote, AXI_VOTE_EXCESS), 2);
    for (uint32_t place = 1; place <= 8; place++) {
        send(vote, 1, 0, place, big, sizeof(big), at_ns);
    }
    assert_int_equal(axi_vote_dropped(vote, AXI_VOTE_EXCESS), 3);
    const struct axi_stamp old = {.task_id = 2, .epoch = 0};
    size_t count = 0;

    assert_int_equal(axi_stamp_encode(&old, "a", 1, junk, sizeof(junk), &count), 0);
    axi_vote_datagram(vote, at_ns, junk, count);
    assert_int_equal(axi_vote_dropped(vote, AXI_VOTE_STALE), 1);
    say(vote, 2, 0, 'a');
    assert_int_equal(out_count, 1);
    assert_int_equal(axi_vote_taken(vote), 9);
    axi_vote_free(vote);
}

static void an_epoch_that_is_over_stays_over(void **state)
{
    struct axi_vote *vote = with(2, 3);
    struct axi_stamp stamp = {.task_id = 1, .epoch = 5};
    uint8_t bytes[AXI_STAMP_BYTES + 1];
    size_t count = 0;

    (void)state;
    assert_int_equal(axi_stamp_encode(&stamp, "a", 1, bytes, sizeof(bytes), &count), 0);
    axi_vote_datagram(vote, RELEASE + 1, bytes, count);
    stamp = (struct axi_stamp){.task_id = 1, .epoch = 4, .job = 1};
    assert_int_equal(axi_stamp_encode(&stamp, "b", 1, bytes, sizeof(bytes), &count), 0);
    axi_vote_datagram(vote, RELEASE + PERIOD, bytes, count);
    assert_int_equal(axi_vote_dropped(vote, AXI_VOTE_STALE), 1);
    axi_vote_free(vote);
}

static void a_member_may_not_be_in_two_groups(void **state)
{
    struct axi_vote *vote = with(2, 3);
    struct axi_vote_group group = group_of(2, 3);

    (void)state;
    memcpy(group.service, "steer", 6);
    assert_int_equal(axi_vote_set(vote, RELEASE, &group), -AXC_EINVALID);
    group = group_of(0, 3);
    assert_int_equal(axi_vote_set(vote, RELEASE, &group), -AXC_EINVALID);
    group = group_of(2, 3);
    group.tolerance = (double)NAN;
    assert_int_equal(axi_vote_set(vote, RELEASE, &group), -AXC_EINVALID);
    group = group_of(2, 3);
    group.members[1].task = 1;
    assert_int_equal(axi_vote_set(vote, RELEASE, &group), -AXC_EINVALID);
    group = group_of(2, 0);
    assert_int_equal(axi_vote_set(vote, RELEASE, &group), 0); /* it is gone */
    assert_null(axi_vote_service(vote, 0));
    say(vote, 1, 0, 'a');
    assert_int_equal(axi_vote_dropped(vote, AXI_VOTE_FOREIGN), 1);
    axi_vote_free(vote);
}

static void jobs_that_are_open_when_the_group_comes_are_voted_on(void **state)
{
    struct axi_vote *vote = make();
    const struct axi_vote_group group = group_of(2, 3);
    const uint64_t now = RELEASE + 10 * PERIOD + PERIOD / 2;

    (void)state;
    assert_int_equal(axi_vote_set(vote, now, &group), 0);
    for (uint64_t job = 7; job <= 10; job++) { /* 7 and 8 are over */
        send(vote, 1, job, 0, "a", 1, now);
        send(vote, 2, job, 0, "a", 1, now);
    }
    assert_int_equal(out_count, 2);
    assert_int_equal(outs[0].stamp.job, 9);
    end(vote, 10);
    assert_int_equal(result_of(vote).agreed, 2);
    assert_int_equal(result_of(vote).members[0].late, 2);
    axi_vote_free(vote);
}

static void values_of_unknown_grids_are_voted_on(void **state)
{
    struct axi_vote *vote = make();
    struct axi_vote_group group = group_of(2, 3);

    (void)state;
    group.release_ns = 0;
    assert_int_equal(axi_vote_set(vote, RELEASE, &group), 0);
    say(vote, 1, 7, 'a');
    say(vote, 2, 7, 'a');
    assert_int_equal(out_count, 1);
    assert_true(axi_vote_tick(vote, RELEASE * 2) == UINT64_MAX);
    assert_int_equal(result_of(vote).members[2].silent, 0);
    axi_vote_free(vote);
}

/* The master is away and this clock runs 100 ppm slow: as time passes, arrivals seem ever earlier;
 * without following them they would be refused as of the future. */
static void follows_the_grid_while_the_master_is_away(void **state)
{
    struct axi_vote *vote = with(2, 3);

    (void)state;
    for (uint64_t job = 0; job < 200000; job++) {
        uint64_t at_ns = RELEASE + job * PERIOD - job * PERIOD / 10000 + PERIOD / 4;

        axi_vote_clock(vote, 0, job < 100);
        out_count = 0;
        send(vote, 1, job, 0, "a", 1, at_ns);
        send(vote, 2, job, 0, "a", 1, at_ns + 1000);
        assert_int_equal(out_count, 1);
        send(vote, 3, job, 0, "a", 1, at_ns + 2000);
    }
    assert_int_equal(result_of(vote).failed, 0);
    assert_int_equal(result_of(vote).members[2].silent, 0);
    axi_vote_free(vote);
}

/* ---- tolerance ---- */

static void near_numbers_agree_and_their_median_is_put_out(void **state)
{
    static const struct {
        double first, second, third;
        int agreed; /* members whose value is right; 0: failed */
        double out;
    } cases[] = {
        {1.0, 1.2, 5.0, 2, 1.1},        {1.0, 3.0, 3.4, 2, 3.2},
        {1.0, 3.0, 5.0, 0, 0},          {NAN, NAN, 1.0, 2, NAN},
        {NAN, 1.0, 2.0, 0, 0},          {INFINITY, INFINITY, 0, 2, INFINITY},
        {INFINITY, -INFINITY, 0, 0, 0}, {-0.25, 0.25, 9, 2, 0.0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct axi_vote *vote = make();
        struct axi_vote_group group = group_of(2, 3);
        const uint64_t at_ns = RELEASE + 1;
        double out = 0;

        group.compare = AXI_VOTE_F64;
        group.tolerance = 0.5;
        assert_int_equal(axi_vote_set(vote, RELEASE, &group), 0);
        send(vote, 1, 0, 0, &cases[i].first, 8, at_ns);
        send(vote, 2, 0, 0, &cases[i].second, 8, at_ns);
        send(vote, 3, 0, 0, &cases[i].third, 8, at_ns);
        end(vote, 0);
        const struct axi_vote_result result = result_of(vote);

        assert_int_equal(out_count, cases[i].agreed > 0);
        assert_int_equal(result.members[0].good + result.members[1].good + result.members[2].good,
                         cases[i].agreed);
        if (out_count > 0) {
            memcpy(&out, outs[0].value, 8);
            assert_true(isnan(cases[i].out)
                            ? isnan(out)
                            : out == cases[i].out || fabs(out - cases[i].out) < 1e-12);
        }
        axi_vote_free(vote);
    }
}

static void sizes_and_what_is_left_over_must_be_equal(void **state)
{
    const float numbers[3] = {1.0f, 2.0f, 3.0f};
    const struct axi_vote_value whole = {(const uint8_t *)numbers, 12};
    const struct axi_vote_value part = {(const uint8_t *)numbers, 8};
    uint8_t close[13];
    uint8_t other[13];
    float near = 1.4f;

    (void)state;
    assert_false(axi_vote_agree(AXI_VOTE_F32, 1.0, whole, part));
    assert_false(axi_vote_agree(AXI_VOTE_EXACT, 1.0, whole, part));
    memcpy(close, numbers, 12);
    memcpy(other, numbers, 12);
    memcpy(close, &near, 4);
    close[12] = other[12] = 7;
    assert_true(axi_vote_agree(AXI_VOTE_F32, 0.5, (struct axi_vote_value){close, 13},
                               (struct axi_vote_value){other, 13}));
    assert_false(axi_vote_agree(AXI_VOTE_F32, 0.1, (struct axi_vote_value){close, 13},
                                (struct axi_vote_value){other, 13}));
    other[12] = 8;
    assert_false(axi_vote_agree(AXI_VOTE_F32, 0.5, (struct axi_vote_value){close, 13},
                                (struct axi_vote_value){other, 13}));
    assert_true(axi_vote_agree(AXI_VOTE_EXACT, 0, (struct axi_vote_value){close, 0},
                               (struct axi_vote_value){other, 0}));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(puts_out_what_two_of_three_agree_on),
        cmocka_unit_test(withholds_what_two_of_two_differ_in),
        cmocka_unit_test(one_output_is_enough_where_one_is_needed),
        cmocka_unit_test(one_against_one_nobody_is_at_fault),
        cmocka_unit_test(names_a_silent_member_and_counts_in_a_row),
        cmocka_unit_test(one_that_never_said_anything_is_silent_after_a_grace),
        cmocka_unit_test(nobody_is_silent_in_jobs_before_it_was_listed),
        cmocka_unit_test(one_that_catches_up_is_late_and_not_silent),
        cmocka_unit_test(an_uncounted_member_is_compared_only),
        cmocka_unit_test(agrees_place_by_place),
        cmocka_unit_test(late_values_change_nothing_and_jobs_ascend),
        cmocka_unit_test(every_useless_datagram_is_counted_and_harmless),
        cmocka_unit_test(an_epoch_that_is_over_stays_over),
        cmocka_unit_test(a_member_may_not_be_in_two_groups),
        cmocka_unit_test(jobs_that_are_open_when_the_group_comes_are_voted_on),
        cmocka_unit_test(values_of_unknown_grids_are_voted_on),
        cmocka_unit_test(follows_the_grid_while_the_master_is_away),
        cmocka_unit_test(near_numbers_agree_and_their_median_is_put_out),
        cmocka_unit_test(sizes_and_what_is_left_over_must_be_equal),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
