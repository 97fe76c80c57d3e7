/* SPDX-License-Identifier: Apache-2.0 */
#include "master/checkpoint_list.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void merge(json_t *newest, const char *manager, const char *items)
{
    json_t *list = json_loads(items, 0, NULL);

    assert_non_null(list);
    axi_checkpoint_list_merge(newest, list, manager);
    json_decref(list);
}

static void assert_is(const json_t *newest, const char *task, int job, const char *manager)
{
    const json_t *row = json_object_get(newest, task);

    assert_int_equal(json_integer_value(json_object_get(row, "job")), job);
    assert_string_equal(json_string_value(json_object_get(row, "manager")), manager);
}

static void the_newest_of_all_managers_stays(void **context)
{
    json_t *newest = json_object();

    (void)context;
    merge(newest, "m1",
          "[{\"task\":\"a\",\"epoch\":2,\"job\":9,\"step\":0},"
          "{\"task\":\"b\",\"epoch\":1,\"job\":5,\"step\":1}]");
    merge(newest, "m2",
          "[{\"task\":\"a\",\"epoch\":1,\"job\":99,\"step\":0},"
          "{\"task\":\"b\",\"epoch\":1,\"job\":5,\"step\":2},"
          "{\"task\":\"c\",\"epoch\":1,\"job\":1,\"step\":0}]");
    merge(newest, "m3", "[{\"task\":\"b\",\"epoch\":1,\"job\":5,\"step\":2}]");
    assert_int_equal(json_object_size(newest), 3);
    assert_is(newest, "a", 9, "m1"); /* an older epoch's is not newer */
    assert_is(newest, "b", 5, "m2"); /* a later step; the first that has it */
    assert_is(newest, "c", 1, "m2");
    json_decref(newest);
}

static void what_is_no_row_is_left_out(void **context)
{
    json_t *newest = json_object();

    (void)context;
    merge(newest, "m1",
          "[7, null, {}, [], {\"task\":3,\"epoch\":1,\"job\":1,\"step\":0},"
          "{\"task\":\"a\",\"epoch\":\"1\",\"job\":1,\"step\":0}]");
    merge(newest, "m1", "{\"items\":1}");
    axi_checkpoint_list_merge(newest, NULL, "m1");
    assert_int_equal(json_object_size(newest), 0);
    json_decref(newest);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_newest_of_all_managers_stays),
        cmocka_unit_test(what_is_no_row_is_left_out),
    };

    return cmocka_run_group_tests_name("checkpoint_list", tests, NULL, NULL);
}
