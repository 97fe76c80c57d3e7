/* SPDX-License-Identifier: Apache-2.0 */
/* A stamped channel over a real socket: what a superseded instance sent is not taken. */
#include "support/test.h"

#include "node/channels.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static struct axi_value_table inputs;

static unsigned free_port(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t bytes = sizeof(address);
    int fd = socket(AF_INET, SOCK_DGRAM, 0);

    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &bytes), 0);
    (void)close(fd);
    return ntohs(address.sin_port);
}

static void put_out(struct axi_channels *channels, uint64_t epoch, uint64_t job, const char *text)
{
    const struct axi_stamp stamp = {.task_id = 7, .epoch = epoch, .job = job};

    axi_channels_output(channels, &stamp, "speed", text, (uint32_t)strlen(text) + 1);
}

/* Waits until the input's value is `text`; values that must not come precede one that must. */
static uint64_t expect(const char *text)
{
    const struct timespec nap = {.tv_nsec = 2000000};
    char value[AXC_VALUE_BYTES_MAX] = "";
    char name[AXC_NAME_BYTES] = "wheel";
    uint64_t sequence = 0;

    for (int i = 0; i < 5000 && strcmp(value, text) != 0; i++) {
        (void)nanosleep(&nap, NULL);
        (void)axi_values_read(&inputs, name, value, sizeof(value), &sequence);
    }
    assert_string_equal(value, text);
    return sequence;
}

static void drops_what_a_superseded_instance_sent(void **state)
{
    char out[32];
    char in[32];
    unsigned port = free_port();
    const struct axi_channel_config configs[] = {
        {.name = "speed", .is_output = true, .target = out}, {.name = "wheel", .target = in}};
    struct axi_channels channels;

    (void)state;
    (void)snprintf(out, sizeof(out), "node:127.0.0.1:%u", port);
    (void)snprintf(in, sizeof(in), "node:%u", port);
    assert_int_equal(axi_channels_start(&channels, configs, 2, &inputs), 0);
    put_out(&channels, 1, 0, "source 0");
    (void)expect("source 0");
    put_out(&channels, 2, 1, "target 1");
    put_out(&channels, 1, 1, "source 1, late");
    put_out(&channels, 2, 1, "target 1, twice");
    put_out(&channels, 2, 2, "target 2");
    assert_int_equal(expect("target 2"), 3);
    axi_channels_stop(&channels);
}

static void sends_to_a_voter_without_any_channel(void **state)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const struct axi_stamp stamp = {.task_id = 7, .epoch = 2, .job = 9, .place = 1};
    socklen_t length = sizeof(to);
    struct axi_channels channels;
    struct axi_stamp read = {0};
    const uint8_t *value = NULL;
    uint8_t bytes[128];
    uint32_t value_bytes = 0;
    int fd = socket(AF_INET, SOCK_DGRAM, 0);

    (void)state;
    assert_int_equal(bind(fd, (struct sockaddr *)&to, length), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&to, &length), 0);
    assert_int_equal(axi_channels_start(&channels, NULL, 0, &inputs), 0);
    axi_channels_output(&channels, &stamp, "nowhere", "x", 1); /* swallowed */
    axi_channels_send(&channels, &stamp, &to, "abc", 3);
    ssize_t count = recv(fd, bytes, sizeof(bytes), 0);

    assert_int_equal(axi_stamp_decode(bytes, (size_t)count, &read, &value, &value_bytes), 0);
    assert_int_equal(read.job, 9);
    assert_int_equal(value_bytes, 3);
    assert_memory_equal(value, "abc", 3);
    axi_channels_stop(&channels);
    (void)close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(drops_what_a_superseded_instance_sent),
        cmocka_unit_test(sends_to_a_voter_without_any_channel),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
