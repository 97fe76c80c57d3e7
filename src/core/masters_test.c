/* SPDX-License-Identifier: Apache-2.0 */
#include "core/masters.h"
#include "support/test.h"

#include <string.h>

static void lists_are_checked(void **state)
{
    char many[AXI_MASTERS_TEXT_BYTES + 2];

    (void)state;
    assert_int_equal(axi_masters_check("127.0.0.1:7400"), 0);
    assert_int_equal(axi_masters_check("a:1,b:2,[::1]:65535"), 0);
    assert_int_equal(axi_masters_check(NULL), -AXC_EINVALID);
    assert_int_equal(axi_masters_check(""), -AXC_EINVALID);
    assert_int_equal(axi_masters_check("a"), -AXC_EINVALID);
    assert_int_equal(axi_masters_check("a:"), -AXC_EINVALID);
    assert_int_equal(axi_masters_check(":1"), -AXC_EINVALID);
    assert_int_equal(axi_masters_check("a:1,"), -AXC_EINVALID);
    assert_int_equal(axi_masters_check(",a:1"), -AXC_EINVALID);
    assert_int_equal(axi_masters_check("a:1,,b:2"), -AXC_EINVALID);
    assert_int_equal(axi_masters_check("a:1 ,b:2"), -AXC_EINVALID);
    assert_int_equal(axi_masters_check("a:123456"), -AXC_EINVALID);
    assert_int_equal(axi_masters_check("a:1,a:1,a:1,a:1,a:1,a:1,a:1,a:1"), 0);
    assert_int_equal(axi_masters_check("a:1,a:1,a:1,a:1,a:1,a:1,a:1,a:1,a:1"), -AXC_EINVALID);
    memset(many, 'a', sizeof(many));
    memcpy(many + 62, ":1", 3);
    assert_int_equal(axi_masters_check(many), -AXC_EINVALID); /* 64 characters */
    memset(many, 'a', sizeof(many) - 1);
    many[sizeof(many) - 1] = '\0';
    assert_int_equal(axi_masters_check(many), -AXC_EINVALID);
}

static void none_is_no_address(void **state)
{
    struct axi_masters masters;

    (void)state;
    axi_masters_init(&masters, NULL);
    assert_string_equal(axi_masters_next(&masters), "");
    assert_false(axi_masters_failed(&masters, -AXC_EUNAVAILABLE, NULL));
    axi_masters_init(&masters, "not an address");
    assert_string_equal(axi_masters_next(&masters), "");
}

static void a_single_one_is_waited_for(void **state)
{
    struct axi_masters masters;

    (void)state;
    axi_masters_init(&masters, "a:1");
    for (int i = 0; i < 3; i++) {
        assert_string_equal(axi_masters_next(&masters), "a:1");
        assert_false(axi_masters_failed(&masters, -AXC_ETIMEOUT, ""));
    }
}

static void the_list_is_gone_through_in_turn(void **state)
{
    struct axi_masters masters;

    (void)state;
    axi_masters_init(&masters, "a:1,b:2,c:3");
    assert_string_equal(axi_masters_next(&masters), "a:1");
    assert_true(axi_masters_failed(&masters, -AXC_EUNAVAILABLE, NULL));
    assert_string_equal(axi_masters_next(&masters), "b:2");
    assert_true(axi_masters_failed(&masters, -AXC_ENOT_LEADER, ""));
    assert_string_equal(axi_masters_next(&masters), "c:3");
    assert_false(axi_masters_failed(&masters, -AXC_EUNAVAILABLE, NULL));
    assert_string_equal(axi_masters_next(&masters), "a:1");
}

static void a_hint_comes_first_and_once(void **state)
{
    struct axi_masters masters;

    (void)state;
    axi_masters_init(&masters, "a:1,b:2");
    assert_string_equal(axi_masters_next(&masters), "a:1");
    assert_true(axi_masters_failed(&masters, -AXC_ENOT_LEADER, "x:9"));
    assert_string_equal(axi_masters_next(&masters), "x:9");
    assert_true(axi_masters_failed(&masters, -AXC_EUNAVAILABLE, NULL));
    assert_string_equal(axi_masters_next(&masters), "b:2");
    /* its own address, and what is none, are no hints */
    assert_false(axi_masters_failed(&masters, -AXC_ENOT_LEADER, "b:2"));
    assert_string_equal(axi_masters_next(&masters), "a:1");
    assert_true(axi_masters_failed(&masters, -AXC_ENOT_LEADER, "no where"));
    assert_string_equal(axi_masters_next(&masters), "b:2");
}

static void whom_it_joined_comes_first(void **state)
{
    struct axi_masters masters;

    (void)state;
    axi_masters_init(&masters, "a:1,b:2");
    (void)axi_masters_next(&masters);
    (void)axi_masters_failed(&masters, -AXC_EUNAVAILABLE, NULL);
    assert_string_equal(axi_masters_next(&masters), "b:2");
    axi_masters_joined(&masters);
    assert_true(axi_masters_failed(&masters, -AXC_EUNAVAILABLE, NULL));
    assert_string_equal(axi_masters_next(&masters), "b:2");
    assert_false(axi_masters_failed(&masters, -AXC_EUNAVAILABLE, NULL));
    assert_string_equal(axi_masters_next(&masters), "a:1");
}

static void one_that_hangs_is_passed_over(void **state)
{
    struct axi_masters masters;

    (void)state;
    axi_masters_init(&masters, "a:1,b:2");
    assert_string_equal(axi_masters_next(&masters), "a:1");
    axi_masters_joined(&masters);
    (void)axi_masters_failed(&masters, -AXC_ETIMEOUT, NULL);
    for (int i = 0; i < 16; i++) { /* whoever still believes in it is not believed */
        assert_string_equal(axi_masters_next(&masters), "b:2");
        (void)axi_masters_failed(&masters, -AXC_ENOT_LEADER, "a:1");
    }
    assert_string_equal(axi_masters_next(&masters), "a:1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_are_checked),
        cmocka_unit_test(none_is_no_address),
        cmocka_unit_test(a_single_one_is_waited_for),
        cmocka_unit_test(the_list_is_gone_through_in_turn),
        cmocka_unit_test(a_hint_comes_first_and_once),
        cmocka_unit_test(whom_it_joined_comes_first),
        cmocka_unit_test(one_that_hangs_is_passed_over),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
