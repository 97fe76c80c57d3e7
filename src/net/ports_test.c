/* SPDX-License-Identifier: Apache-2.0 */
/* Ports that a server can come back on. */
#include "net/ports.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define COUNT 16u

static int take(uint16_t port)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    if (bind(fd, (struct sockaddr *)&address, sizeof(address)) != 0) {
        (void)close(fd);
        return -1;
    }
    return fd;
}

/* All can be had at once, so no two are the same. */
static void ports_differ_and_are_free(void **state)
{
    uint16_t ports[COUNT];
    int fds[COUNT];

    (void)state;
    assert_int_equal(axi_ports_find(ports, COUNT), 0);
    for (size_t i = 0; i < COUNT; i++) {
        fds[i] = take(ports[i]);
        assert_true(fds[i] >= 0);
    }
    for (size_t i = 0; i < COUNT; i++) {
        (void)close(fds[i]);
    }
}

static void ports_that_are_taken_are_not_found(void **state)
{
    uint16_t ports[COUNT];
    uint16_t others[COUNT];
    int fds[COUNT];

    (void)state;
    assert_int_equal(axi_ports_find(ports, COUNT), 0);
    for (size_t i = 0; i < COUNT; i++) {
        fds[i] = take(ports[i]);
    }
    assert_int_equal(axi_ports_find(others, COUNT), 0);
    for (size_t i = 0; i < COUNT; i++) {
        for (size_t k = 0; k < COUNT; k++) {
            assert_int_not_equal(others[i], ports[k]);
        }
    }
    for (size_t i = 0; i < COUNT; i++) {
        (void)close(fds[i]);
    }
}

/* Where the range leaves room below it; ports of the system are nobody's. */
static void ports_lie_outside_what_connections_get(void **state)
{
    FILE *file = fopen("/proc/sys/net/ipv4/ip_local_port_range", "re");
    uint16_t ports[COUNT];
    unsigned first = 0;

    (void)state;
    assert_non_null(file);
    assert_int_equal(fscanf(file, "%u", &first), 1);
    (void)fclose(file);
    assert_int_equal(axi_ports_find(ports, COUNT), 0);
    for (size_t i = 0; i < COUNT; i++) {
        assert_true(ports[i] >= 1024);
        assert_true(first < 16384 || ports[i] < first);
    }
}

static void more_than_there_are_is_refused(void **state)
{
    static uint16_t ports[65536];

    (void)state;
    assert_int_equal(axi_ports_find(ports, 65536), -AXC_EFULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ports_differ_and_are_free),
        cmocka_unit_test(ports_that_are_taken_are_not_found),
        cmocka_unit_test(ports_lie_outside_what_connections_get),
        cmocka_unit_test(more_than_there_are_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
