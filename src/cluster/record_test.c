/* SPDX-License-Identifier: Apache-2.0 */
#include "cluster/record.h"
#include "support/test.h"

#include <stdlib.h>
#include <string.h>

static struct axi_record full_record(void)
{
    struct axi_record record = {.id = 0x77,
                                .name = "work",
                                .spec = {.name = "work",
                                         .period_ns = 10,
                                         .deadline_ns = 9,
                                         .state_bytes = 16,
                                         .state_version = 2},
                                .entry_count = 1,
                                .entries = {{"linux-x86_64", {1}, 100, 5}},
                                .state = AXI_TASK_STARTING,
                                .owner = 0xabcdef012345,
                                .epoch = 7,
                                .epoch_last = 9,
                                .release_ns = 1234567890123456789,
                                .is_restore = true,
                                .wants_standby = true,
                                .standby = 5,
                                .standby_epoch = 6,
                                .claim = {.manager = 0xa1,
                                          .dead = 0x11,
                                          .dead_epoch = 4,
                                          .origin = {.epoch = 3, .job = 12, .step = 2}},
                                .start = {.epoch = 2, .job = 8, .step = 1}};

    return record;
}

static void a_record_reads_as_it_was_written(void **state)
{
    struct axi_record written = full_record();
    struct axi_record read;
    json_t *json = axi_record_to_json(&written);
    char *text = json_dumps(json, JSON_COMPACT);
    json_t *again = json_loads(text, 0, NULL);

    (void)state;
    assert_int_equal(axi_record_from_json(again, &read), 0);
    assert_memory_equal(&read, &written, sizeof(read));
    free(text);
    json_decref(json);
    json_decref(again);
}

static void what_is_absent_reads_as_none(void **state)
{
    struct axi_record written = full_record();
    struct axi_record read;
    json_t *json;

    (void)state;
    written.claim = (struct axi_claim){0};
    written.start = (struct axi_origin){0};
    json = axi_record_to_json(&written);
    assert_null(json_object_get(json, "claim"));
    assert_null(json_object_get(json, "start"));
    json_object_del(json, "standby");
    assert_int_equal(axi_record_from_json(json, &read), 0);
    assert_int_equal(read.claim.dead, 0);
    assert_int_equal(read.start.epoch, 0);
    assert_false(read.wants_standby);
    json_decref(json);
}

static void a_broken_record_is_refused(void **state)
{
    static const char *const needed[] = {"version", "spec", "entries", "state", "image"};
    struct axi_record written = full_record();
    struct axi_record read;

    (void)state;
    for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++) {
        json_t *json = axi_record_to_json(&written);

        json_object_del(json, needed[i]);
        assert_int_equal(axi_record_from_json(json, &read), -AXC_EINVALID);
        json_decref(json);
    }
    assert_int_equal(axi_record_from_json(NULL, &read), -AXC_EINVALID);
}

static void a_shift_keeps_the_release_grid(void **state)
{
    struct axi_record record = {.release_ns = 100, .spec = {.period_ns = 10}};

    (void)state;
    assert_int_equal(axi_record_shift(&record, 5, 150), 100); /* in time as it is */
    assert_int_equal(axi_record_shift(&record, 5, 151), 110);
    assert_int_equal(axi_record_shift(&record, 5, 1151), 1110);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_record_reads_as_it_was_written),
        cmocka_unit_test(what_is_absent_reads_as_none),
        cmocka_unit_test(a_broken_record_is_refused),
        cmocka_unit_test(a_shift_keeps_the_release_grid),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
