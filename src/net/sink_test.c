/* SPDX-License-Identifier: Apache-2.0 */
#include "support/test.h"

#include "net/sink.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void reads_numeric_addresses_only(void **state)
{
    static const char *const refused[] = {
        "",       "127.0.0.1",    "127.0.0.1:",   ":5",           "127.0.0.1:0", "127.0.0.1:65536",
        "host:5", "127.0.0.1:5x", "127.0.0.1: 5", "127.0.0.1:-1", "1.2.3.4.5:1", "[::1]:5"};
    struct sockaddr_in address = {0};

    (void)state;
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        assert_int_equal(axi_sink_address(refused[i], &address), -AXC_EINVALID);
    }
    assert_int_equal(axi_sink_address("10.1.2.3:7410", &address), 0);
    assert_int_equal(ntohl(address.sin_addr.s_addr), 0x0a010203);
    assert_int_equal(ntohs(address.sin_port), 7410);
}

static void stamps_what_goes_to_a_node(void **state)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const struct axi_stamp stamp = {.task_id = 5, .epoch = 6, .job = 7, .place = 1};
    socklen_t length = sizeof(address);
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    struct axi_sink target;
    struct axi_stamp read = {0};
    const uint8_t *value = NULL;
    uint8_t bytes[128];
    uint32_t value_bytes = 0;
    char text[64];

    (void)state;
    assert_int_equal(bind(fd, (struct sockaddr *)&address, length), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &length), 0);
    for (int way = 0; way < 3; way++) {
        (void)snprintf(text, sizeof(text), "%s:127.0.0.1:%u", way == 1 ? "udp" : "node",
                       ntohs(address.sin_port));
        assert_int_equal(axi_sink_open(text, &target), 0);
        if (way == 2) {
            axi_sink_send_to(fd, &address, &stamp, "abc", 3);
        } else {
            assert_int_equal(axi_sink_put(&target, &stamp, "abc", 3), 0);
        }
        ssize_t count = recv(fd, bytes, sizeof(bytes), 0);

        if (way == 1) {
            assert_int_equal(count, 3);
        } else {
            assert_int_equal(axi_stamp_decode(bytes, (size_t)count, &read, &value, &value_bytes),
                             0);
            assert_int_equal(read.job, 7);
            assert_int_equal(value_bytes, 3);
        }
        axi_sink_close(&target);
        assert_int_equal(target.fd, -1);
    }
    (void)close(fd);
}

static void says_what_is_wrong_with_a_target(void **state)
{
    struct axi_sink target;

    (void)state;
    assert_int_equal(axi_sink_open("pipe:/tmp/x", &target), -AXC_EINVALID);
    assert_int_equal(axi_sink_open("udp:5", &target), -AXC_EINVALID);
    assert_int_equal(axi_sink_open("file:/nowhere/at/all", &target), -AXC_EIO);
    assert_int_equal(axi_sink_open("file:/dev/full", &target), 0);
    assert_int_equal(axi_sink_put(&target, NULL, "abc", 3), -AXC_EIO);
    axi_sink_close(&target);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_numeric_addresses_only),
        cmocka_unit_test(stamps_what_goes_to_a_node),
        cmocka_unit_test(says_what_is_wrong_with_a_target),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
