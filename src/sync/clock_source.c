/* SPDX-License-Identifier: Apache-2.0 */
#include "sync/clock_source.h"

#include "base/bytes.h"
#include "sync/ptp4l.h"
#include "sync/ptp_socket.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MS 1000000ull
#define NS_PER_S 1000000000ull
#define ASK_NS (125 * MS) /* ptp4l is asked so often */
#define BRACKET_TRIES 3
#define BRACKET_TRIES_MAX 20 /* ... until one is not interrupted */
#define BRACKET_NS 2000

struct axi_clock_source {
    struct axi_clock_local local;
    struct axi_ptp4l *ptp4l; /* one of these two */
    struct axi_ptp_socket *socket;
    char name[80];
    struct axi_ptp_slave slave; /* its servo serves ptp4l too */
    struct axi_ptp4l_status status;
    uint64_t ask_at_ns;
    uint8_t grandmaster[8];
    bool has_master;
};

static uint64_t realtime_ns(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

/* Local minus real time: the tightest of a few brackets. */
static uint64_t local_minus_real(const struct axi_clock_source *source)
{
    uint64_t best = UINT64_MAX;
    uint64_t difference = 0;

    for (int i = 0; i < BRACKET_TRIES || (best > BRACKET_NS && i < BRACKET_TRIES_MAX); i++) {
        uint64_t before = source->local.now_ns(source->local.context);
        uint64_t real = realtime_ns();
        uint64_t after = source->local.now_ns(source->local.context);

        if (after - before < best) {
            best = after - before;
            difference = before + best / 2 - real;
        }
    }
    return difference;
}

/* ---- making one ---- */

static int refuse(char *reason, int code, const char *format, const char *value)
{
    (void)snprintf(reason, AXI_CLOCK_REASON_BYTES, format, value);
    return code;
}

/* The words behind the first, cut at commas. */
static int read_words(char **rest, enum axi_ptp_transport *ret_transport, uint8_t *ret_domain,
                      char *reason)
{
    for (char *word = strtok_r(NULL, ",", rest); word != NULL; word = strtok_r(NULL, ",", rest)) {
        char *end = NULL;
        unsigned long domain = strncmp(word, "domain=", 7) == 0 ? strtoul(word + 7, &end, 10) : 0;

        if (strcmp(word, "l2") == 0) {
            *ret_transport = AXI_PTP_L2;
        } else if (end != NULL && end != word + 7 && *end == '\0' && domain < 256) {
            *ret_domain = (uint8_t)domain;
        } else {
            return refuse(reason, -AXC_EINVALID, "'%.60s' is neither l2 nor domain=0..255", word);
        }
    }
    return 0;
}

static int open_slave(struct axi_clock_source *source, char *text, char *reason)
{
    struct axi_ptp_slave_config config = {0};
    enum axi_ptp_transport transport = AXI_PTP_UDP4;
    char *rest = NULL;
    char *interface = strtok_r(text, ",", &rest);
    uint8_t mac[6];
    int r = read_words(&rest, &transport, &config.domain, reason);

    if (r < 0) {
        return r;
    }
    if (interface == NULL) {
        return refuse(reason, -AXC_EINVALID, "name an interface: ptp:eth0%s", "");
    }
    r = axi_ptp_socket_new(interface, transport, &source->socket);
    if (r < 0) {
        return refuse(reason, r,
                      r == -AXC_ENOENT  ? "no interface %s"
                      : r == -AXC_EPERM ? "PTP on %s needs CAP_NET_RAW and CAP_NET_BIND_SERVICE"
                                        : "cannot open PTP sockets on %s; does ptp4l use them?",
                      interface);
    }
    axi_ptp_socket_mac(source->socket, mac);
    axi_ptp_identity(mac, config.clock);
    source->slave.config = config;
    return 0;
}

/* "ptp4l", then perhaps ":PATH", then perhaps ",domain=N". */
static int open_ptp4l(struct axi_clock_source *source, char *text, char *reason)
{
    enum axi_ptp_transport transport = AXI_PTP_UDP4;
    uint8_t domain = 0;
    char *rest = NULL;
    const char *first = strtok_r(text, ",", &rest);
    const char *path = first[5] == ':' ? first + 6 : AXI_PTP4L_PATH;
    int r = read_words(&rest, &transport, &domain, reason);

    if (r == 0 && transport == AXI_PTP_L2) {
        r = refuse(reason, -AXC_EINVALID, "%s", "ptp4l's transport is its own matter: no l2 here");
    }
    if (r < 0) {
        return r;
    }
    r = axi_ptp4l_new(path, domain, &source->ptp4l);
    return r < 0 ? refuse(reason, r, "cannot make a socket to talk to ptp4l at %.80s", path) : 0;
}

static int open_source(struct axi_clock_source *source, char *text, char *reason)
{
    if (strncmp(text, "ptp:", 4) == 0) {
        return open_slave(source, text + 4, reason);
    }
    if (strncmp(text, "ptp4l", 5) == 0 && (text[5] == '\0' || strchr(":,", text[5]) != NULL)) {
        return open_ptp4l(source, text, reason);
    }
    return refuse(reason, -AXC_EINVALID, "'%.60s' is neither ptp4l[:PATH] nor ptp:INTERFACE", text);
}

static void send(void *context, const uint8_t *bytes, size_t length, bool is_event)
{
    struct axi_clock_source *source = context;

    (void)axi_ptp_socket_send(source->socket, bytes, length, is_event); /* lost like on the wire */
}

static uint64_t random64(void *context)
{
    struct axi_clock_source *source = context;

    return source->local.random64(source->local.context);
}

int axi_clock_source_new(const char *text, const struct axi_clock_local *local,
                         struct axi_clock_source **ret_source, char *ret_reason)
{
    struct axi_clock_source *source = calloc(1, sizeof(*source));
    char copy[160];
    int r;

    if (source == NULL) {
        return -AXC_ENOMEM;
    }
    source->local = *local;
    (void)snprintf(copy, sizeof(copy), "%s", text);
    (void)snprintf(source->name, sizeof(source->name), "%s", text);
    r = open_source(source, copy, ret_reason);
    if (r < 0) {
        axi_clock_source_free(source);
        return r;
    }
    const struct axi_ptp_slave_config config = source->slave.config;
    const struct axi_ptp_port_ops ops = {.context = source, .send = send, .random64 = random64};

    axi_ptp_slave_init(&source->slave, &config, &ops);
    *ret_source = source;
    return 0;
}

void axi_clock_source_free(struct axi_clock_source *source)
{
    if (source != NULL) {
        axi_ptp4l_free(source->ptp4l);
        axi_ptp_socket_free(source->socket);
        free(source);
    }
}

size_t axi_clock_source_fds(const struct axi_clock_source *source, int ret_fds[AXI_CLOCK_FDS])
{
    if (source->socket != NULL) {
        return axi_ptp_socket_fds(source->socket, ret_fds);
    }
    ret_fds[0] = axi_ptp4l_fd(source->ptp4l);
    return 1;
}

/* ---- the own slave ---- */

static uint32_t run_slave(struct axi_clock_source *source, uint64_t *ret_next)
{
    struct axi_ptp_arrival arrival;
    uint64_t difference = local_minus_real(source);
    uint32_t bits = 0;

    while (axi_ptp_socket_receive(source->socket, &arrival)) {
        uint64_t local_ns = arrival.realtime_ns + difference;

        if (arrival.is_sent_stamp) {
            axi_ptp_slave_sent(&source->slave, arrival.sequence, local_ns);
        } else {
            bits |= axi_ptp_slave_message(&source->slave, arrival.bytes, arrival.length, local_ns);
        }
    }
    return bits | axi_ptp_slave_tick(&source->slave, source->local.now_ns(source->local.context),
                                     ret_next);
}

/* ---- a running ptp4l ---- */

/* Its clock is this machine's; the path delay is in its offset already, and in the bound here. */
static uint32_t feed(struct axi_clock_source *source)
{
    const struct axi_ptp4l_status *status = &source->status;
    struct axi_servo *servo = &source->slave.servo;
    uint64_t difference = local_minus_real(source);
    uint64_t real = realtime_ns();
    int64_t scale = status->is_ptp_scale ? status->utc_offset_s * (int64_t)NS_PER_S : 0;
    uint64_t master = real - (uint64_t)status->master_offset_ns + (uint64_t)scale;
    uint32_t did;

    servo->config.asymmetry_ns = status->path_delay_ns > 0 ? (uint64_t)status->path_delay_ns : 1;
    did = axi_servo_sync(servo, master, real + difference);
    axi_servo_delay(servo, real + difference, master);
    return ((did & AXI_SERVO_REFUSED) == 0 ? AXI_PTP_UPDATED : 0) |
           ((did & AXI_SERVO_STATE_CHANGED) != 0 ? AXI_PTP_STATE_CHANGED : 0) |
           ((did & AXI_SERVO_JUMPED) != 0 ? AXI_PTP_JUMPED : 0);
}

static uint32_t judge_master(struct axi_clock_source *source)
{
    const struct axi_ptp4l_status *status = &source->status;
    bool had_master = source->has_master;

    source->has_master = status->has_master;
    if (!status->has_master) {
        return had_master ? AXI_PTP_MASTER_LOST : 0;
    }
    if (had_master && memcmp(source->grandmaster, status->grandmaster, 8) == 0) {
        return 0;
    }
    memcpy(source->grandmaster, status->grandmaster, 8);
    axi_servo_change_master(&source->slave.servo);
    return AXI_PTP_MASTER_CHANGED;
}

static uint32_t run_ptp4l(struct axi_clock_source *source, uint64_t *ret_next)
{
    uint64_t now = source->local.now_ns(source->local.context);
    uint32_t bits = 0;

    if (axi_ptp4l_take(source->ptp4l, &source->status) && source->status.is_new) {
        bits = judge_master(source);
        bits |= source->has_master ? feed(source) : 0;
    }
    if (now >= source->ask_at_ns) {
        (void)axi_ptp4l_ask(source->ptp4l); /* nobody there: silence says it */
        source->ask_at_ns = now + ASK_NS;
    }
    if ((axi_servo_tick(&source->slave.servo, now) & AXI_SERVO_STATE_CHANGED) != 0) {
        bits |= AXI_PTP_STATE_CHANGED;
        if (source->has_master) {
            source->has_master = false;
            bits |= AXI_PTP_MASTER_LOST;
        }
    }
    *ret_next = source->ask_at_ns;
    return bits;
}

uint32_t axi_clock_source_run(struct axi_clock_source *source, uint64_t *ret_next)
{
    return source->socket != NULL ? run_slave(source, ret_next) : run_ptp4l(source, ret_next);
}

void axi_clock_source_get(const struct axi_clock_source *source, uint64_t now_local_ns,
                          struct axi_servo_estimate *ret_estimate)
{
    axi_servo_estimate(&source->slave.servo, now_local_ns, ret_estimate);
}

uint64_t axi_clock_source_master(const struct axi_clock_source *source)
{
    const struct axi_ptp_foreign *master = axi_ptp_slave_master(&source->slave);
    const uint8_t *id = source->ptp4l != NULL ? (source->has_master ? source->grandmaster : NULL)
                        : master != NULL      ? master->quality.identity
                                              : NULL;
    uint64_t number = 0;

    for (int i = 0; id != NULL && i < 8; i++) {
        number = number << 8 | id[i];
    }
    return number;
}

void axi_clock_source_describe(const struct axi_clock_source *source, char *ret_text)
{
    uint64_t master = axi_clock_source_master(source);

    if (master == 0) {
        (void)snprintf(ret_text, AXI_CLOCK_REASON_BYTES, "%s: no master", source->name);
    } else {
        (void)snprintf(ret_text, AXI_CLOCK_REASON_BYTES, "%s: %016llx", source->name,
                       (unsigned long long)master);
    }
}
