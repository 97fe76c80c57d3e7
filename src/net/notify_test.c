/* SPDX-License-Identifier: Apache-2.0 */
#include "net/notify.h"

#include "support/test.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PATIENCE_MS 10000 /* only a hang is a failure */

/* A group of this test's own: the port is taken from the process. */
static const char *group(void)
{
    static char text[64];

    (void)snprintf(text, sizeof(text), "udp:239.255.77.1:%d", 20000 + (int)(getpid() % 20000));
    return text;
}

static void every_receiver_of_a_group_gets_what_is_sent(void **state)
{
    int receivers[2];
    int sender = -1;
    char text[16];

    (void)state;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(axi_notify_open_receiver(group(), false, &receivers[i]), 0);
    }
    assert_int_equal(axi_notify_open_sender(group(), false, &sender), 0);
    assert_int_equal(send(sender, "job 7", 5, 0), 5);
    for (int i = 0; i < 2; i++) {
        struct pollfd wait = {.fd = receivers[i], .events = POLLIN};

        assert_int_equal(poll(&wait, 1, PATIENCE_MS), 1);
        assert_int_equal(recv(receivers[i], text, sizeof(text), 0), 5);
        assert_memory_equal(text, "job 7", 5);
        (void)close(receivers[i]);
    }
    (void)close(sender);
}

static void refuses_what_it_cannot_read_or_may_not_reach(void **state)
{
    int fd = -7;

    (void)state;
    assert_int_equal(axi_notify_open_sender("tcp:127.0.0.1:5", true, &fd), -AXC_EINVALID);
    assert_int_equal(axi_notify_open_sender("udp:", true, &fd), -AXC_EINVALID);
    assert_int_equal(axi_notify_open_sender("udp:192.0.2.1:5000", false, &fd), -AXC_EPERM);
    assert_int_equal(axi_notify_open_receiver("udp:192.0.2.1:5000", false, &fd), -AXC_EPERM);
    assert_int_equal(axi_notify_open_receiver("udp:192.0.2.1:5000", true, &fd), -AXC_EIO);
    assert_int_equal(fd, -7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_receiver_of_a_group_gets_what_is_sent),
        cmocka_unit_test(refuses_what_it_cannot_read_or_may_not_reach),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
