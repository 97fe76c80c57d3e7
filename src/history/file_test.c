/* SPDX-License-Identifier: Apache-2.0 */
/* Histories as files: whose they are, and those that were never begun. */
#include "history/file.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static char path[] = "/tmp/axcan-history-XXXXXX";

static int make(void **state)
{
    (void)state;
    return close(mkstemp(path)); /* empty */
}

static int destroy(void **state)
{
    (void)state;
    return unlink(path);
}

static int open_as(uint64_t node)
{
    struct axi_history_file file = {0};
    int r = axi_history_file_open(&file, path, node, 10);

    axi_history_file_close(&file);
    return r;
}

static void a_history_belongs_to_its_node(void **state)
{
    (void)state;
    assert_int_equal(truncate(path, 0), 0);
    assert_int_equal(open_as(7), 0);
    assert_int_equal(open_as(7), 0);
    assert_int_equal(open_as(8), -AXC_EINVALID);
}

/* The node was killed when the file had its size and nothing else yet. */
static void one_that_was_never_begun_is_begun(void **state)
{
    (void)state;
    assert_int_equal(truncate(path, 0), 0);
    assert_int_equal(truncate(path, 4096), 0);
    assert_int_equal(open_as(7), 0);
    assert_int_equal(open_as(8), -AXC_EINVALID);
}

static void what_is_no_history_is_refused(void **state)
{
    int fd = open(path, O_WRONLY | O_TRUNC);

    (void)state;
    assert_int_equal(write(fd, "not one", 7), 7);
    assert_int_equal(open_as(7), -AXC_EINVALID);
    assert_int_equal(ftruncate(fd, 4096), 0);
    assert_int_equal(open_as(7), -AXC_EINVALID);
    (void)close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_history_belongs_to_its_node),
        cmocka_unit_test(one_that_was_never_begun_is_begun),
        cmocka_unit_test(what_is_no_history_is_refused),
    };

    return cmocka_run_group_tests(tests, make, destroy);
}
