/* SPDX-License-Identifier: Apache-2.0 */
/* Whatever comes over the network, and whatever a master says: nothing crashes, a value goes out
 * once per job and place, jobs ascend, and only what enough counted members sent. */
#include "fuzz/fuzz.h"

#include "base/bytes.h"
#include "vote/vote.h"

#include <string.h>

#define PERIOD 1000000ull
#define RELEASE 1000000000ull

struct world {
    uint64_t generation, id, job;
    uint32_t places; /* put out of that job */
    bool has_put;
};

static void on_put(void *context, const char *service, const struct axi_stamp *stamp,
                   const uint8_t *value, uint32_t bytes)
{
    struct world *w = context;

    (void)value;
    FUZZ_CHECK(service[0] == 's');
    FUZZ_CHECK(bytes <= AXC_VALUE_BYTES_MAX && stamp->place < AXI_VOTE_PLACES_MAX);
    if (!w->has_put || stamp->task_id != w->id || stamp->job > w->job) {
        w->places = 0;
    } else {
        FUZZ_CHECK(stamp->job == w->job);
    }
    FUZZ_CHECK((w->places & 1u << stamp->place) == 0);
    w->places |= 1u << stamp->place;
    w->job = stamp->job;
    w->id = stamp->task_id;
    w->has_put = true;
}

static void set_group(struct axi_vote *vote, uint64_t now, const uint8_t *data, struct world *w)
{
    struct axi_vote_group group = {.service = "s",
                                   .generation = ++w->generation,
                                   .needed = data[0] % 4u,
                                   .compare = (enum axi_vote_compare)(data[1] % 4u),
                                   .tolerance = (double)data[2] / 8 - 1,
                                   .period_ns = data[3] % 8u * PERIOD,
                                   .deadline_ns = data[4] * (PERIOD / 8),
                                   .wait_ns = data[5] * (PERIOD / 8),
                                   .release_ns = data[6] % 4u == 0 ? 0 : RELEASE,
                                   .member_count = data[7] % (AXI_VOTE_MEMBERS_MAX + 2)};

    for (uint32_t i = 0; i < group.member_count && i < AXI_VOTE_MEMBERS_MAX; i++) {
        group.members[i] = (struct axi_vote_member){.task = (data[6] / 4u + i) % 20u,
                                                    .epoch_min = data[2] % 3u,
                                                    .is_counted = (data[5] >> (i % 8) & 1) == 0};
    }
    int r = axi_vote_set(vote, now, &group);

    FUZZ_CHECK(r == 0 || r == -AXC_EINVALID);
    if (r == 0 && group.member_count == 0) {
        w->has_put = false; /* forgotten: it may begin anew */
    } else if (r == 0) {
        w->has_put = w->has_put && axi_vote_id("s", group.release_ns) == w->id;
    }
}

static void send_stamped(struct axi_vote *vote, uint64_t now, const uint8_t *data, size_t bytes)
{
    const struct axi_stamp stamp = {.task_id = data[0] % 20u,
                                    .epoch = data[1] % 4u,
                                    .job = data[2] == 255 ? UINT64_MAX : data[2],
                                    .place = data[3] % (AXI_VOTE_PLACES_MAX + 1)};
    uint8_t datagram[AXI_STAMP_BYTES + 256];
    size_t count = 0;

    FUZZ_CHECK(axi_stamp_encode(&stamp, data + 4, (uint32_t)bytes, datagram, sizeof(datagram),
                                &count) == 0);
    axi_vote_datagram(vote, now, datagram, count);
}

static void check_counts(struct axi_vote *vote)
{
    struct axi_vote_result result;

    for (uint32_t i = 0; axi_vote_service(vote, i) != NULL; i++) {
        axi_vote_result(vote, i, &result);
        for (uint32_t m = 0; m < result.member_count; m++) {
            const struct axi_vote_counts *c = &result.members[m];

            FUZZ_CHECK(c->good_in_row <= c->good && c->bad_in_row <= c->wrong + c->silent);
            FUZZ_CHECK(c->good_in_row == 0 || c->bad_in_row == 0);
        }
    }
}

/* Input: pieces of {what, time step, 8 bytes, value of what / 4 % 64 bytes}. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct world w = {0};
    const struct axi_vote_port port = {.context = &w, .put = on_put};
    struct axi_vote *vote = axi_vote_new(&port);
    uint64_t now = RELEASE - PERIOD;

    FUZZ_CHECK(vote != NULL);
    while (size >= 10) {
        size_t bytes = data[0] / 4u;

        bytes = bytes < size - 10 ? bytes : size - 10;
        now += data[1] * (PERIOD / 16);
        switch (data[0] % 4u) {
        case 0:
            set_group(vote, now, data + 2, &w);
            break;
        case 1:
            axi_vote_datagram(vote, now, data + 2, bytes + 8);
            break;
        case 2:
            send_stamped(vote, now, data + 2, bytes + 4);
            break;
        default:
            axi_vote_clock(vote, data[2] * (PERIOD / 16), data[3] % 2 == 0);
            FUZZ_CHECK(axi_vote_tick(vote, now) > now);
            check_counts(vote);
            break;
        }
        data += 10 + bytes;
        size -= 10 + bytes;
    }
    axi_vote_free(vote);
    return 0;
}
