/* SPDX-License-Identifier: Apache-2.0 */
#include "vote/daemon.h"

#include "base/log.h"
#include "net/host.h"
#include "net/links.h"
#include "net/startup.h"
#include "vote/master_link.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_MS 1000000ull
#define BATCH 32u           /* datagrams taken by one call ... */
#define BATCHES_AT_ONCE 16u /* ... and so many calls before timers have their turn */
#define DATAGRAM_BYTES (AXI_STAMP_BYTES + AXC_VALUE_BYTES_MAX + 1) /* one more: too long */
#define RECEIVE_BYTES (4 << 20)
#define CONNECT_MS 2000u
#define DROPS_NS (5000 * NS_PER_MS)

struct daemon {
    const struct axi_vote_options *options;
    uv_loop_t loop;
    uv_timer_t tick;
    uv_poll_t readable;
    uv_signal_t on_term, on_int;
    int fd;
    struct axi_vote *vote;
    struct axi_vote_link link;
    struct axi_links links; /* the present one to a master, and those that are closing */
    struct axi_vote_outs outs;
    uint64_t drops_told, drops_ns;
    bool is_stopping;
    char token[AXI_TOKEN_BYTES];
    char bound[AXI_NET_ADDRESS_BYTES];
    uint8_t datagrams[BATCH][DATAGRAM_BYTES];
};

/* ---- the link's port ---- */

static uint64_t local_ns(void *context)
{
    (void)context;
    return axi_host_clock_ns(CLOCK_BOOTTIME);
}

static int port_connect(void *context, const char *address, uint64_t *ret_number)
{
    struct daemon *daemon = context;

    if (!daemon->options->allow_remote && !axi_address_is_loopback(address)) {
        return -AXC_EPERM;
    }
    return axi_links_connect(&daemon->links, address, CONNECT_MS, ret_number);
}

static void port_send(void *context, uint64_t number, const uint8_t *frame, size_t bytes)
{
    axi_links_send(&((struct daemon *)context)->links, number, frame, bytes);
}

static void port_close(void *context, uint64_t number)
{
    axi_links_close(&((struct daemon *)context)->links, number);
}

static void on_up(void *context, uint64_t number, bool is_incoming, const char *peer)
{
    (void)is_incoming;
    (void)peer;
    axi_vote_link_up(&((struct daemon *)context)->link, number);
}

static void on_bytes(void *context, uint64_t number, const uint8_t *bytes, size_t count)
{
    axi_vote_link_bytes(&((struct daemon *)context)->link, number, bytes, count);
}

static void on_down(void *context, uint64_t number, int code)
{
    axi_vote_link_down(&((struct daemon *)context)->link, number, code);
}

/* ---- votes ---- */

static void on_put(void *context, const char *service, const struct axi_stamp *stamp,
                   const uint8_t *value, uint32_t bytes)
{
    axi_vote_outs_put(&((struct daemon *)context)->outs, service, stamp, value, bytes);
}

static void on_verdict(void *context, const char *service, const struct axi_vote_verdict *verdict)
{
    axi_vote_outs_verdict(&((struct daemon *)context)->outs, service, verdict);
}

static void report_drops(struct daemon *daemon, uint64_t now_ns)
{
    uint64_t d[AXI_VOTE_DROP_COUNT];
    uint64_t lost = atomic_load(&daemon->outs.lost);
    uint64_t sum = lost;

    if (now_ns < daemon->drops_ns) {
        return;
    }
    for (uint32_t i = 0; i < AXI_VOTE_DROP_COUNT; i++) {
        d[i] = axi_vote_dropped(daemon->vote, (enum axi_vote_drop)i);
        sum += d[i];
    }
    daemon->drops_ns = now_ns + DROPS_NS;
    if (sum != daemon->drops_told) {
        daemon->drops_told = sum;
        axi_log(AXI_LOG_INFO, "datagrams-dropped",
                "taken=%" PRIu64 " damaged=%" PRIu64 " foreign=%" PRIu64 " stale=%" PRIu64
                " known=%" PRIu64 " old=%" PRIu64 " future=%" PRIu64 " excess=%" PRIu64
                " outs=%" PRIu64,
                axi_vote_taken(daemon->vote), d[AXI_VOTE_DAMAGED], d[AXI_VOTE_FOREIGN],
                d[AXI_VOTE_STALE], d[AXI_VOTE_KNOWN], d[AXI_VOTE_OLD], d[AXI_VOTE_FUTURE],
                d[AXI_VOTE_EXCESS], lost);
    }
}

/* ---- the loop ---- */

static void on_tick(uv_timer_t *timer);

static void tick(struct daemon *daemon)
{
    if (daemon->is_stopping) {
        return;
    }
    uint64_t start_ns = local_ns(daemon);
    uint64_t now_ns = axi_vote_link_now(&daemon->link);
    uint64_t judge_ns = axi_vote_tick(daemon->vote, now_ns);
    uint64_t link_ns = axi_vote_link_tick(&daemon->link);
    uint64_t wait_ns = link_ns > start_ns ? link_ns - start_ns : 0;
    uint64_t judge_wait_ns = judge_ns > now_ns ? judge_ns - now_ns : 0;

    report_drops(daemon, start_ns);
    wait_ns = judge_wait_ns < wait_ns ? judge_wait_ns : wait_ns;

    uv_update_time(&daemon->loop);
    (void)uv_timer_start(&daemon->tick, on_tick, (wait_ns + NS_PER_MS - 1) / NS_PER_MS, 0);
}

static void on_tick(uv_timer_t *timer)
{
    tick(timer->data);
}

/* False: nothing more waits. */
static bool take_batch(struct daemon *daemon)
{
    struct mmsghdr messages[BATCH];
    struct iovec parts[BATCH];

    memset(messages, 0, sizeof(messages));
    for (uint32_t i = 0; i < BATCH; i++) {
        parts[i] = (struct iovec){daemon->datagrams[i], DATAGRAM_BYTES};
        messages[i].msg_hdr.msg_iov = &parts[i];
        messages[i].msg_hdr.msg_iovlen = 1;
    }
    int count = recvmmsg(daemon->fd, messages, BATCH, MSG_DONTWAIT, NULL);
    uint64_t now_ns = axi_vote_link_now(&daemon->link);

    for (int i = 0; i < count; i++) {
        axi_vote_datagram(daemon->vote, now_ns, daemon->datagrams[i], messages[i].msg_len);
    }
    return count == (int)BATCH;
}

/* What a flood leaves in the socket's buffer waits for the next turn of the loop. */
static void on_readable(uv_poll_t *poll, int status, int events)
{
    struct daemon *daemon = poll->data;

    (void)status;
    (void)events;
    for (uint32_t i = 0; i < BATCHES_AT_ONCE && take_batch(daemon); i++) {
    }
    tick(daemon);
}

static void stop(struct daemon *daemon)
{
    if (daemon->is_stopping) {
        return;
    }
    daemon->is_stopping = true;
    daemon->drops_ns = 0;
    report_drops(daemon, local_ns(daemon));
    axi_log(AXI_LOG_INFO, "voter-stop", "name=%s taken=%" PRIu64, daemon->options->name,
            axi_vote_taken(daemon->vote));
    axi_vote_link_close(&daemon->link, "the voter ends");
    axi_links_close_all(&daemon->links);
    uv_close((uv_handle_t *)&daemon->readable, NULL);
    uv_close((uv_handle_t *)&daemon->tick, NULL);
    uv_close((uv_handle_t *)&daemon->on_term, NULL);
    uv_close((uv_handle_t *)&daemon->on_int, NULL);
}

static void on_signal(uv_signal_t *handle, int number)
{
    (void)number;
    stop(handle->data);
}

/* ---- start ---- */

static int open_socket(struct daemon *daemon)
{
    const char *listen = daemon->options->listen;
    struct sockaddr_storage address = {0};
    socklen_t length = sizeof(address);
    int bytes = RECEIVE_BYTES;
    char host[INET_ADDRSTRLEN] = "";
    int r = axi_address_resolve(listen, &address);

    if (r == 0 && address.ss_family != AF_INET) {
        r = -AXC_EINVALID; /* nodes send by IPv4 */
    }
    if (r < 0) {
        return axi_startup_fail("listen", listen, r);
    }
    daemon->fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (daemon->fd < 0 ||
        bind(daemon->fd, (struct sockaddr *)&address, sizeof(struct sockaddr_in)) != 0 ||
        getsockname(daemon->fd, (struct sockaddr *)&address, &length) != 0) {
        return axi_startup_fail("listen", listen, -AXC_EEXIST);
    }
    (void)setsockopt(daemon->fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
    const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)&address;

    (void)inet_ntop(AF_INET, &in->sin_addr, host, sizeof(host));
    (void)snprintf(daemon->bound, sizeof(daemon->bound), "%s:%u", host, ntohs(in->sin_port));
    return 0;
}

static int open_outs(struct daemon *daemon)
{
    const struct axi_vote_options *options = daemon->options;
    int r = 0;

    for (uint32_t i = 0; i < options->out_count && r == 0; i++) {
        r = axi_vote_outs_add(&daemon->outs, options->outs[i]);
        if (r < 0) {
            return axi_startup_fail("out", options->outs[i], r);
        }
    }
    r = axi_vote_outs_start(&daemon->outs, options->history);
    return r < 0 ? axi_startup_fail("history", options->history != NULL ? options->history : "", r)
                 : 0;
}

static int check_addresses(const struct axi_vote_options *options)
{
    struct sockaddr_in address;
    int r = axi_startup_address("listen", options->listen, options->allow_remote);

    if (r == 0 && axi_masters_check(options->master) < 0) {
        return axi_startup_fail("master", options->master, -AXC_EINVALID);
    }
    if (r == 0 && options->advertise == NULL && strncmp(options->listen, "0.0.0.0:", 8) == 0) {
        axi_log(AXI_LOG_ERROR, "start-failed",
                "what=listen value=%s cure=\"give --advertise HOST:PORT: nodes must be told one\"",
                options->listen);
        return -AXC_EINVALID;
    }
    if (r == 0 && options->advertise != NULL &&
        axi_sink_address(options->advertise, &address) < 0) {
        axi_log(AXI_LOG_ERROR, "start-failed",
                "what=advertise value=%s cure=\"give a numeric IPv4 address and a port\"",
                options->advertise);
        return -AXC_EINVALID;
    }
    return r;
}

static int start(struct daemon *daemon)
{
    const struct axi_vote_options *options = daemon->options;
    const struct axi_vote_port port = {.context = daemon, .put = on_put, .verdict = on_verdict};
    int r = check_addresses(options);

    if (r == 0) {
        r = axi_host_read_token(options->token_file, daemon->token);
        r = r < 0 ? axi_startup_fail("token-file", options->token_file, r) : 0;
    }
    r = r < 0 ? r : open_socket(daemon);
    r = r < 0 ? r : open_outs(daemon);
    if (r < 0) {
        return r;
    }
    const struct axi_vote_link_config config = {
        .name = options->name,
        .token = daemon->token,
        .version = AXI_VERSION,
        .output_address = options->advertise != NULL ? options->advertise : daemon->bound,
        .masters = options->master,
        .boot_id = axi_host_random(),
    };

    daemon->vote = axi_vote_new(&port);
    if (daemon->vote == NULL) {
        return -AXC_ENOMEM;
    }
    static const struct axi_links_handler handler = {
        .up = on_up, .bytes = on_bytes, .down = on_down};
    const struct axi_vote_link_port link_port = {.context = daemon,
                                                 .local_ns = local_ns,
                                                 .connect = port_connect,
                                                 .send = port_send,
                                                 .close = port_close};

    daemon->links =
        (struct axi_links){.loop = &daemon->loop, .handler = &handler, .context = daemon};
    axi_vote_link_init(&daemon->link, daemon->vote, &config, &link_port);
    axi_log(AXI_LOG_INFO, "voter-ready", "name=%s listen=%s", options->name, daemon->bound);
    return axi_startup_ready(options->ready_file, daemon->bound, "-");
}

int axi_vote_daemon_run(const struct axi_vote_options *options)
{
    static struct daemon daemon; /* too large for the stack */

    daemon.options = options;
    axi_vote_outs_init(&daemon.outs);
    (void)signal(SIGPIPE, SIG_IGN);
    (void)signal(SIGXFSZ, SIG_IGN); /* a limit on file sizes is a full disk */
    (void)uv_loop_init(&daemon.loop);
    (void)uv_timer_init(&daemon.loop, &daemon.tick);
    (void)uv_signal_init(&daemon.loop, &daemon.on_term);
    (void)uv_signal_init(&daemon.loop, &daemon.on_int);
    daemon.tick.data = daemon.on_term.data = daemon.on_int.data = daemon.readable.data = &daemon;
    if (start(&daemon) < 0) {
        return 1; /* the process ends: the kernel takes the rest back */
    }
    (void)uv_poll_init(&daemon.loop, &daemon.readable, daemon.fd);
    (void)uv_poll_start(&daemon.readable, UV_READABLE, on_readable);
    (void)uv_signal_start(&daemon.on_term, on_signal, SIGTERM);
    (void)uv_signal_start(&daemon.on_int, on_signal, SIGINT);
    axi_host_raise_priority();
    tick(&daemon);
    (void)uv_run(&daemon.loop, UV_RUN_DEFAULT);
    (void)close(daemon.fd);
    axi_vote_outs_stop(&daemon.outs);
    axi_vote_free(daemon.vote);
    (void)uv_loop_close(&daemon.loop);
    return 0;
}
