/* SPDX-License-Identifier: Apache-2.0 */
/* The client against a peer whose words are written before it listens. */
#include "runax/hv/qemu/qmp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define GREETING "{\"QMP\": {\"version\": {}, \"capabilities\": []}}\r\n"
#define OPENED GREETING "{\"return\": {}, \"id\": 1}\r\n"

struct peer {
    struct axi_qmp qmp;
    struct axi_report report;
    int fd;
    char events[256]; /* their names, each with a blank */
};

static void on_event(void *context, const char *name, const json_t *data)
{
    struct peer *peer = context;
    (void)data;
    strcat(peer->events, name);
    strcat(peer->events, " ");
}

static void say(const struct peer *peer, const char *words)
{
    assert_int_equal(write(peer->fd, words, strlen(words)), strlen(words));
}

static void begin(struct peer *peer, const char *words)
{
    int pair[2];
    memset(peer, 0, sizeof(*peer));
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    peer->fd = pair[1];
    axi_qmp_init(&peer->qmp, pair[0], on_event, peer);
    say(peer, words);
}

static void end(struct peer *peer)
{
    axi_qmp_deinit(&peer->qmp);
    if (peer->fd >= 0) {
        (void)close(peer->fd);
    }
}

static void hang_up(struct peer *peer)
{
    (void)shutdown(peer->fd, SHUT_WR);
}

static void opens_and_calls(void **state)
{
    (void)state;
    struct peer peer;
    json_t *answer = NULL;
    begin(&peer,
          OPENED "{\"event\": \"STOP\"}\r\n{\"return\": {\"status\": \"paused\"}, \"id\": 2}\n");
    assert_int_equal(axi_qmp_open(&peer.qmp, 1000, &peer.report), 0);
    assert_int_equal(axi_qmp_call(&peer.qmp, "query-status", NULL, 1000, &peer.report, &answer), 0);
    assert_string_equal(json_string_value(json_object_get(answer, "status")), "paused");
    assert_string_equal(peer.events, "STOP ");
    json_decref(answer);
    end(&peer);
}

static void a_refusal_is_told_in_qemus_words(void **state)
{
    (void)state;
    struct peer peer;
    begin(&peer, OPENED "{\"error\": {\"class\": \"GenericError\", \"desc\": \"no such thing\"}, "
                        "\"id\": 2}\r\n");
    assert_int_equal(axi_qmp_open(&peer.qmp, 1000, &peer.report), 0);
    assert_int_equal(axi_qmp_call(&peer.qmp, "stop", NULL, 1000, &peer.report, NULL),
                     -AXC_EHV_FAILED);
    assert_string_equal(peer.report.text, "QEMU refuses stop: no such thing");
    end(&peer);
}

static void a_late_answer_is_not_that_of_the_next_command(void **state)
{
    (void)state;
    struct peer peer;
    begin(&peer, OPENED);
    assert_int_equal(axi_qmp_open(&peer.qmp, 1000, &peer.report), 0);
    assert_int_equal(axi_qmp_call(&peer.qmp, "stop", NULL, 10, &peer.report, NULL), -AXC_ETIMEOUT);
    say(&peer, "{\"error\": {\"desc\": \"late\"}, \"id\": 2}\r\n{\"return\": {}, \"id\": 3}\r\n");
    assert_int_equal(axi_qmp_call(&peer.qmp, "cont", NULL, 1000, &peer.report, NULL), 0);
    assert_string_equal(peer.events, AXI_QMP_REFUSED " ");
    end(&peer);
}

static void a_sent_commands_refusal_is_an_event(void **state)
{
    (void)state;
    struct peer peer;
    begin(&peer, OPENED);
    assert_int_equal(axi_qmp_open(&peer.qmp, 1000, &peer.report), 0);
    assert_int_equal(axi_qmp_send(&peer.qmp, "cont", &peer.report), 0);
    say(&peer, "{\"error\": {\"desc\": \"no\"}, \"id\": 2}\r\n{\"event\": \"SHUT");
    axi_qmp_dispatch(&peer.qmp);
    assert_string_equal(peer.events, AXI_QMP_REFUSED " ");
    say(&peer, "DOWN\"}\r\n"); /* a message may come in pieces */
    axi_qmp_dispatch(&peer.qmp);
    assert_string_equal(peer.events, AXI_QMP_REFUSED " SHUTDOWN ");
    assert_false(peer.qmp.is_closed);
    end(&peer);
}

static void an_event_behind_an_answer_is_not_forgotten(void **state)
{
    (void)state;
    struct peer peer;
    begin(&peer, OPENED "{\"return\": {}, \"id\": 2}\r\n{\"event\": \"SHUTDOWN\"}\r\n");
    assert_int_equal(axi_qmp_open(&peer.qmp, 1000, &peer.report), 0);
    assert_int_equal(axi_qmp_call(&peer.qmp, "cont", NULL, 1000, &peer.report, NULL), 0);
    assert_string_equal(peer.events, "");
    axi_qmp_dispatch(&peer.qmp);
    assert_string_equal(peer.events, "SHUTDOWN ");
    end(&peer);
}

static void a_peer_that_goes_or_talks_nonsense_is_gone(void **state)
{
    (void)state;
    static const char *const words[] = {"", GREETING, "no JSON\r\n", "[1, 2]\r\n", "{\"QMP\""};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        struct peer peer;
        begin(&peer, words[i]);
        hang_up(&peer);
        assert_int_equal(axi_qmp_open(&peer.qmp, 1000, &peer.report), -AXC_EUNAVAILABLE);
        assert_true(peer.qmp.is_closed);
        end(&peer);
    }
}

static void another_protocol_is_refused(void **state)
{
    (void)state;
    struct peer peer;
    begin(&peer, "{\"hello\": 1}\r\n");
    assert_int_equal(axi_qmp_open(&peer.qmp, 1000, &peer.report), -AXC_EHV_FAILED);
    end(&peer);
}

static void an_endless_line_ends_the_connection(void **state)
{
    (void)state;
    struct peer peer;
    static char words[32 * 1024];
    memset(words, 'x', sizeof(words) - 1);
    begin(&peer, "");
    for (int i = 0; i < 20 && !peer.qmp.is_closed; i++) {
        say(&peer, words);
        axi_qmp_dispatch(&peer.qmp);
    }
    assert_true(peer.qmp.is_closed);
    assert_true(peer.qmp.room <= AXI_QMP_LINE_MAX);
    end(&peer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(opens_and_calls),
        cmocka_unit_test(a_refusal_is_told_in_qemus_words),
        cmocka_unit_test(a_late_answer_is_not_that_of_the_next_command),
        cmocka_unit_test(a_sent_commands_refusal_is_an_event),
        cmocka_unit_test(an_event_behind_an_answer_is_not_forgotten),
        cmocka_unit_test(a_peer_that_goes_or_talks_nonsense_is_gone),
        cmocka_unit_test(another_protocol_is_refused),
        cmocka_unit_test(an_endless_line_ends_the_connection),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
