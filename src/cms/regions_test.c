/* SPDX-License-Identifier: Apache-2.0 */
#include "cms/regions.h"
#include "support/test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define BYTES 8192u

static int make_file(unsigned seals)
{
    int fd = memfd_create("regions", MFD_CLOEXEC | MFD_ALLOW_SEALING);

    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, BYTES), 0);
    assert_int_equal(pwrite(fd, "region", 6, 4096), 6);
    assert_int_equal(fcntl(fd, F_ADD_SEALS, seals), 0);
    return fd;
}

static void path_of(int fd, char path[64])
{
    (void)snprintf(path, 64, "/proc/%d/fd/%d", (int)getpid(), fd);
}

static void maps_a_sealed_file(void **state)
{
    size_t bytes = 0;
    char path[64];
    int fd = make_file(F_SEAL_SHRINK);

    (void)state;
    path_of(fd, path);
    const uint8_t *memory = axi_cms_regions_map(path, &bytes);

    assert_non_null(memory);
    assert_int_equal(bytes, BYTES);
    assert_memory_equal(memory + 4096, "region", 6);
    assert_int_equal(pwrite(fd, "REGION", 6, 4096), 6); /* the writer goes on writing */
    close(fd);
    assert_memory_equal(memory + 4096, "REGION", 6); /* and may die */
    axi_cms_regions_unmap(memory, bytes);
}

/* A file that its owner can cut off would end the manager by SIGBUS. */
static void refuses_a_file_that_may_shrink(void **state)
{
    size_t bytes = 0;
    char path[64];
    int fd = make_file(F_SEAL_GROW);

    (void)state;
    path_of(fd, path);
    assert_null(axi_cms_regions_map(path, &bytes));
    close(fd);
}

static void refuses_what_is_no_memory_file(void **state)
{
    static const char *const paths[] = {
        "",
        "/etc/passwd",
        "/proc/self/fd/0",
        "/proc/1/mem",
        "/proc//fd/1",
        "/proc/12/fd/",
        "/proc/12/fd/1/../../../../etc/passwd",
        "/proc/12/fd/1x",
        "/proc/99999999999999/fd/1",
        "proc/1/fd/1",
    };
    char path[64];
    size_t bytes = 0;
    int ends[2];

    (void)state;
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        assert_null(axi_cms_regions_map(paths[i], &bytes));
    }
    assert_int_equal(pipe(ends), 0); /* opening one must not wait for its other end */
    path_of(ends[0], path);
    assert_null(axi_cms_regions_map(path, &bytes));
    close(ends[0]);
    close(ends[1]);
    assert_null(axi_cms_regions_map(path, &bytes)); /* gone */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(maps_a_sealed_file),
        cmocka_unit_test(refuses_a_file_that_may_shrink),
        cmocka_unit_test(refuses_what_is_no_memory_file),
    };

    return cmocka_run_group_tests_name("cms regions", tests, NULL, NULL);
}
