/* SPDX-License-Identifier: Apache-2.0 */
#include "sync/timed.h"

#include "base/log.h"
#include "sync/clock_source.h"
#include "sync/ptp_socket.h"
#include "time/ptp_master.h"

#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#define MS 1000000ull
#define NS_PER_S 1000000000ull
#define SYNC_LOG (-3) /* 8 per second */
#define WAIT_NS_MAX (200 * MS)
#define BRACKETS 5

static volatile sig_atomic_t is_stopping;

static void on_signal(int number)
{
    (void)number;
    is_stopping = 1;
}

static void catch_signals(void)
{
    const struct sigaction action = {.sa_handler = on_signal};

    (void)sigaction(SIGTERM, &action, NULL);
    (void)sigaction(SIGINT, &action, NULL);
}

static uint64_t clock_ns(clockid_t id)
{
    struct timespec now;

    (void)clock_gettime(id, &now);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

/* The wrong clock that options ask for, since the program began. */
static uint64_t skewed(const struct axi_timed_options *options, uint64_t ns, uint64_t began_ns)
{
    int64_t elapsed = (int64_t)(ns - began_ns);

    return ns + (uint64_t)options->offset_ns +
           (uint64_t)(int64_t)((__int128)elapsed * options->rate_ppb / (int64_t)NS_PER_S);
}

static void wait_for(const int *fds, size_t count, uint64_t ns)
{
    struct pollfd polls[AXI_CLOCK_FDS];
    struct timespec time;

    ns = ns < WAIT_NS_MAX ? ns : WAIT_NS_MAX;
    time = (struct timespec){.tv_nsec = (long)ns};
    for (size_t i = 0; i < count; i++) {
        polls[i] = (struct pollfd){.fd = fds[i], .events = POLLIN};
    }
    (void)ppoll(polls, (nfds_t)count, &time, NULL);
}

static bool is_over(const struct axi_timed_options *options, uint64_t began_ns)
{
    return is_stopping || (options->seconds != 0 &&
                           clock_ns(CLOCK_MONOTONIC) - began_ns >= options->seconds * NS_PER_S);
}

/* ---- grandmaster ---- */

static void send(void *context, const uint8_t *bytes, size_t length, bool is_event)
{
    if (axi_ptp_socket_send(context, bytes, length, is_event) < 0) {
        axi_log(AXI_LOG_WARN, "ptp-send", "type=%u", bytes[0] & 15u);
    }
}

static int open_grandmaster(const struct axi_timed_options *options,
                            struct axi_ptp_socket **ret_socket, struct axi_ptp_master *master)
{
    struct axi_ptp_master_config config = {
        .domain = (uint8_t)options->domain,
        .quality = {.priority1 = (uint8_t)options->priority,
                    .clock_class = 248,
                    .accuracy = 0xfe,
                    .variance = 0xffff,
                    .priority2 = 128},
        .log_sync = SYNC_LOG,
        .log_delay = SYNC_LOG,
    };
    uint8_t mac[6];
    int r = axi_ptp_socket_new(options->interface, options->is_l2 ? AXI_PTP_L2 : AXI_PTP_UDP4,
                               ret_socket);

    if (r < 0) {
        axi_log(AXI_LOG_ERROR, "ptp-open", "interface=%s error=%s text=\"%s\"", options->interface,
                axi_error_name(r), axi_error_text(r));
        return r;
    }
    axi_ptp_socket_mac(*ret_socket, mac);
    axi_ptp_identity(mac, config.clock);
    return axi_ptp_master_init(master, &config,
                               &(struct axi_ptp_master_ops){.context = *ret_socket, .send = send});
}

int axi_timed_grandmaster(const struct axi_timed_options *options)
{
    struct axi_ptp_socket *socket = NULL;
    struct axi_ptp_master master;
    struct axi_ptp_arrival arrival;
    uint64_t began = clock_ns(CLOCK_MONOTONIC);
    uint64_t began_real = clock_ns(CLOCK_REALTIME);
    int fds[AXI_PTP_FDS];

    if (open_grandmaster(options, &socket, &master) < 0) {
        return 1;
    }
    catch_signals();
    axi_log(AXI_LOG_INFO, "grandmaster", "interface=%s domain=%" PRIu64 " priority=%" PRIu64,
            options->interface, options->domain, options->priority);
    while (!is_over(options, began)) {
        while (axi_ptp_socket_receive(socket, &arrival)) {
            uint64_t at = skewed(options, arrival.realtime_ns, began_real);

            if (arrival.is_sent_stamp) {
                axi_ptp_master_sent(&master, arrival.sequence, at);
            } else {
                axi_ptp_master_message(&master, arrival.bytes, arrival.length, at);
            }
        }
        uint64_t now = clock_ns(CLOCK_MONOTONIC);
        uint64_t next = axi_ptp_master_tick(&master, now);

        wait_for(fds, axi_ptp_socket_fds(socket, fds), next > now ? next - now : 0);
    }
    axi_log(AXI_LOG_INFO, "grandmaster-end", "requests=%" PRIu64, master.requests);
    axi_ptp_socket_free(socket);
    return 0;
}

/* ---- witness ---- */

struct witness {
    const struct axi_timed_options *options;
    uint64_t began_boot;
};

static uint64_t local_now(void *context)
{
    const struct witness *w = context;

    return skewed(w->options, clock_ns(CLOCK_BOOTTIME), w->began_boot);
}

static uint64_t random64(void *context)
{
    uint64_t value = 0;

    (void)context;
    while (getrandom(&value, sizeof(value), 0) != (ssize_t)sizeof(value)) {
    }
    return value;
}

/* Local and real time of the same instant: the tightest of a few brackets, since whoever is
 * interrupted between two readings measures that. */
static void read_both(struct witness *w, uint64_t *ret_local, uint64_t *ret_real)
{
    uint64_t best = UINT64_MAX;

    for (int i = 0; i < BRACKETS; i++) {
        uint64_t before = clock_ns(CLOCK_REALTIME);
        uint64_t local = local_now(w);
        uint64_t after = clock_ns(CLOCK_REALTIME);

        if (after - before < best) {
            best = after - before;
            *ret_local = local;
            *ret_real = before + best / 2;
        }
    }
}

static void write_line(const struct axi_timed_options *options, struct witness *w,
                       const struct axi_clock_source *source)
{
    uint64_t local = 0;
    uint64_t real = 0;
    struct axi_servo_estimate e;

    read_both(w, &local, &real);
    axi_clock_source_get(source, local, &e);
    (void)printf(options->is_csv ? "%.6f,%s,%" PRId64 ",%" PRId64 ",%" PRId64 ",%" PRIu64 "\n"
                                 : "%.6f %-8s error %" PRId64 " ns offset %" PRId64
                                   " ns delay %" PRId64 " ns bound %" PRIu64 " ns\n",
                 (double)(clock_ns(CLOCK_BOOTTIME) - w->began_boot) / 1e9,
                 axi_servo_state_name(e.state), (int64_t)(e.master_ns - real), e.offset_ns,
                 e.delay_ns, e.bound_ns);
    (void)fflush(stdout);
}

int axi_timed_witness(const struct axi_timed_options *options)
{
    struct witness w = {.options = options, .began_boot = clock_ns(CLOCK_BOOTTIME)};
    struct axi_clock_source *source = NULL;
    const struct axi_clock_local local = {.context = &w, .now_ns = local_now, .random64 = random64};
    char reason[AXI_CLOCK_REASON_BYTES] = "";
    uint64_t began = clock_ns(CLOCK_MONOTONIC);
    bool was_locked = false;
    int fds[AXI_CLOCK_FDS];
    int r = axi_clock_source_new(options->clock, &local, &source, reason);

    if (r < 0) {
        axi_log(AXI_LOG_ERROR, "clock-open", "error=%s text=\"%s\"", axi_error_name(r), reason);
        return 1;
    }
    catch_signals();
    if (options->is_csv) {
        (void)puts("seconds,state,error_ns,offset_ns,delay_ns,bound_ns");
    }
    while (!is_over(options, began)) {
        uint64_t next = 0;
        uint32_t bits = axi_clock_source_run(source, &next);
        struct axi_servo_estimate e;

        axi_clock_source_get(source, local_now(&w), &e);
        was_locked |= e.state == AXI_SERVO_LOCKED;
        if ((bits & (AXI_PTP_MASTER_CHANGED | AXI_PTP_MASTER_LOST | AXI_PTP_JUMPED)) != 0) {
            axi_clock_source_describe(source, reason);
            axi_log(AXI_LOG_INFO, "clock", "source=\"%s\"%s", reason,
                    (bits & AXI_PTP_JUMPED) != 0 ? " jumped=1" : "");
        }
        if ((bits & (AXI_PTP_UPDATED | AXI_PTP_STATE_CHANGED)) != 0) {
            write_line(options, &w, source);
        }
        uint64_t now = local_now(&w);

        wait_for(fds, axi_clock_source_fds(source, fds), next > now ? next - now : 0);
    }
    axi_clock_source_free(source);
    return was_locked ? 0 : 1;
}
