/* SPDX-License-Identifier: Apache-2.0 */
#include "image/state_map.h"

#include "support/test.h"

#include <string.h>

#define OLD                                                                                        \
    "axcan-schema 1 24\n"                                                                          \
    "count 0 4 u32\n"                                                                              \
    "gain 4 4 f32\n"                                                                               \
    "lanes[2] 8 8 struct\n"                                                                        \
    "lanes[2].angle 8 4 i32\n"                                                                     \
    "lanes[2].gone 12 4 u32\n"

/* gain has another kind, lanes grew a member in front, fresh is new. */
#define NEW                                                                                        \
    "axcan-schema 1 36\n"                                                                          \
    "fresh 0 4 u32\n"                                                                              \
    "gain 4 4 i32\n"                                                                               \
    "count 8 4 u32\n"                                                                              \
    "lanes[2] 12 12 struct\n"                                                                      \
    "lanes[2].first 12 8 u64\n"                                                                    \
    "lanes[2].angle 20 4 i32\n"

static uint32_t word(const uint8_t *state, uint32_t offset)
{
    uint32_t value;

    memcpy(&value, state + offset, sizeof(value));
    return value;
}

static void equal_fields_are_copied_others_are_zero(void **state)
{
    const uint32_t old[6] = {7, 8, 11, 12, 21, 22};
    struct axi_state_map *map = NULL;
    uint8_t new[36];

    (void)state;
    memset(new, 0xff, sizeof(new));
    assert_int_equal(axi_state_map_new(OLD, 24, NEW, 36, &map), 0);
    axi_state_map_apply(map, (const uint8_t *)old, new);
    assert_int_equal(word(new, 0), 0);
    assert_int_equal(word(new, 4), 0);
    assert_int_equal(word(new, 8), 7);
    assert_int_equal(word(new, 12), 0);
    assert_int_equal(word(new, 20), 11);
    assert_int_equal(word(new, 24), 0);
    assert_int_equal(word(new, 32), 21);
    axi_state_map_free(map);
}

static void an_array_of_another_shape_is_another_field(void **state)
{
    struct axi_state_map *map = NULL;

    (void)state;
    assert_int_equal(axi_state_map_new("axcan-schema 1 8\na[2] 0 4 u32\n", 8,
                                       "axcan-schema 1 12\na[3] 0 4 u32\n", 12, &map),
                     -AXC_ENOENT);
    assert_null(map);
}

static void what_is_no_schema_is_refused(void **state)
{
    struct axi_state_map *map = NULL;

    (void)state;
    assert_int_equal(axi_state_map_new("axcan-schema 2 24\n", 24, NEW, 36, &map), -AXC_EINVALID);
    assert_int_equal(axi_state_map_new(OLD, 20, NEW, 36, &map), -AXC_EINVALID);
    assert_int_equal(axi_state_map_new(OLD, 24, "axcan-schema 1 36\nx 34 4 u32\n", 36, &map),
                     -AXC_EINVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_fields_are_copied_others_are_zero),
        cmocka_unit_test(an_array_of_another_shape_is_another_field),
        cmocka_unit_test(what_is_no_schema_is_refused),
    };

    return cmocka_run_group_tests_name("state_map", tests, NULL, NULL);
}
