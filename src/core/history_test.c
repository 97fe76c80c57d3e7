/* SPDX-License-Identifier: Apache-2.0 */
/* Histories that come over a network. The file's own side: node's and checker's tests. */
#include "core/history.h"

#include "support/test.h"

#include <string.h>

enum { ROOM = 8, BYTES = AXI_HISTORY_HEADER_BYTES + ROOM * AXI_HISTORY_RECORD_BYTES };

static _Alignas(8) uint8_t memory[BYTES];
static struct axi_history history;
static struct axi_trace sent[ROOM + 2];

static int setup(void **state)
{
    (void)state;
    memset(memory, 0, sizeof(memory));
    for (size_t i = 0; i < ROOM + 2; i++) {
        sent[i] = (struct axi_trace){.job = i, .kind = AXI_TRACE_RELEASED};
    }
    return axi_history_init(&history, memory, sizeof(memory), 7);
}

static uint64_t take(uint64_t boot, uint64_t first, uint64_t count)
{
    return axi_history_take(&history, boot, first, (const uint8_t *)&sent[first % ROOM], count);
}

static void expect(uint64_t count, uint64_t lost)
{
    struct axi_history_info info;

    assert_int_equal(axi_history_info(memory, sizeof(memory), &info), 0);
    assert_int_equal(info.count, count);
    assert_int_equal(info.lost, lost);
}

static void records_sent_twice_are_written_once(void **state)
{
    struct axi_trace record;

    (void)state;
    assert_int_equal(take(1, 0, 3), 3);
    assert_int_equal(take(1, 0, 3), 3);
    assert_int_equal(take(1, 1, 4), 5);
    expect(5, 0);
    for (uint64_t i = 0; i < 5; i++) {
        axi_history_record(memory, i, &record);
        assert_int_equal(record.job, i);
    }
}

static void a_gap_counts_as_lost(void **state)
{
    (void)state;
    assert_int_equal(take(1, 0, 2), 2);
    assert_int_equal(take(1, 5, 2), 7);
    assert_int_equal(take(1, 2, 3), 7); /* too late */
    expect(4, 3);
}

static void each_boot_counts_from_0(void **state)
{
    (void)state;
    assert_int_equal(take(1, 0, 2), 2);
    assert_int_equal(take(2, 0, 2), 2);
    assert_int_equal(take(2, 0, 3), 3);
    expect(5, 0);
}

static void the_reader_may_begin_anew_with_the_same_file(void **state)
{
    (void)state;
    assert_int_equal(take(1, 0, 2), 2);
    assert_int_equal(axi_history_attach(&history, memory, sizeof(memory), 7), 0);
    assert_int_equal(take(1, 1, 2), 3);
    expect(3, 0);
}

static void a_full_file_counts_what_it_has_no_room_for(void **state)
{
    (void)state;
    assert_int_equal(take(1, 0, 6), 6);
    assert_int_equal(take(1, 6, 4), 10);
    expect(ROOM, 2);
    assert_int_equal(take(1, 6, 4), 10);
    expect(ROOM, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(records_sent_twice_are_written_once, setup),
        cmocka_unit_test_setup(a_gap_counts_as_lost, setup),
        cmocka_unit_test_setup(each_boot_counts_from_0, setup),
        cmocka_unit_test_setup(the_reader_may_begin_anew_with_the_same_file, setup),
        cmocka_unit_test_setup(a_full_file_counts_what_it_has_no_room_for, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
