/* SPDX-License-Identifier: Apache-2.0 */
#include "time/ptp_message.h"

#include <string.h>

#define HEADER_BYTES 34u
#define TIMESTAMP_BYTES 10u
#define ANNOUNCE_BYTES 64u
#define RESPONSE_BYTES 54u
#define NS_PER_S 1000000000u
#define SECONDS_MAX (UINT64_MAX / NS_PER_S - 1)

static uint64_t get_be(const uint8_t *p, size_t bytes)
{
    uint64_t value = 0;

    for (size_t i = 0; i < bytes; i++) {
        value = value << 8 | p[i];
    }
    return value;
}

static void put_be(uint8_t *p, size_t bytes, uint64_t value)
{
    for (size_t i = bytes; i > 0; i--) {
        p[i - 1] = (uint8_t)value;
        value >>= 8;
    }
}

static void get_port(const uint8_t *p, struct axi_ptp_port *ret)
{
    memcpy(ret->clock, p, sizeof(ret->clock));
    ret->number = (uint16_t)get_be(p + 8, 2);
}

static void put_port(uint8_t *p, const struct axi_ptp_port *port)
{
    memcpy(p, port->clock, sizeof(port->clock));
    put_be(p + 8, 2, port->number);
}

static size_t length_of(uint8_t type)
{
    switch (type) {
    case AXI_PTP_SYNC:
    case AXI_PTP_DELAY_REQ:
    case AXI_PTP_FOLLOW_UP:
        return HEADER_BYTES + TIMESTAMP_BYTES;
    case AXI_PTP_DELAY_RESP:
        return RESPONSE_BYTES;
    case AXI_PTP_ANNOUNCE:
        return ANNOUNCE_BYTES;
    default:
        return 0;
    }
}

static bool is_identity(const struct axi_ptp_port *port)
{
    static const uint8_t all[2][8] = {{0}, {255, 255, 255, 255, 255, 255, 255, 255}};

    return memcmp(port->clock, all[0], 8) != 0 && memcmp(port->clock, all[1], 8) != 0 &&
           port->number != 0 && port->number != 0xffff;
}

static void get_announce(const uint8_t *b, struct axi_ptp_message *m)
{
    m->utc_offset_s = (int16_t)get_be(b + 44, 2);
    m->quality.priority1 = b[47];
    m->quality.clock_class = b[48];
    m->quality.accuracy = b[49];
    m->quality.variance = (uint16_t)get_be(b + 50, 2);
    m->quality.priority2 = b[52];
    memcpy(m->quality.identity, b + 53, 8);
    m->quality.steps_removed = (uint16_t)get_be(b + 61, 2);
    m->time_source = b[63];
}

int axi_ptp_decode(const uint8_t *bytes, size_t length, struct axi_ptp_message *ret)
{
    struct axi_ptp_message m = {0};
    uint64_t seconds;
    uint64_t ns;
    size_t own;

    if (length < HEADER_BYTES) {
        return -AXC_EPTP_TRUNCATED;
    }
    if ((bytes[1] & 15) != 2) {
        return -AXC_EPTP_VERSION;
    }
    m.type = bytes[0] & 15;
    own = get_be(bytes + 2, 2);
    if (length_of(m.type) == 0) {
        return -AXC_EPTP_TYPE;
    }
    if (own < length_of(m.type) || own > length) {
        return -AXC_EPTP_TRUNCATED;
    }
    seconds = get_be(bytes + 34, 6);
    ns = get_be(bytes + 40, 4);
    if (seconds > SECONDS_MAX || ns >= NS_PER_S) {
        return -AXC_EPTP_TIMESTAMP;
    }
    m.domain = bytes[4];
    m.flags = (uint16_t)get_be(bytes + 6, 2);
    m.correction = (int64_t)get_be(bytes + 8, 8);
    get_port(bytes + 20, &m.source);
    m.sequence = (uint16_t)get_be(bytes + 30, 2);
    m.log_interval = (int8_t)bytes[33];
    m.timestamp_ns = seconds * NS_PER_S + ns;
    if (m.type == AXI_PTP_DELAY_RESP) {
        get_port(bytes + 44, &m.requesting);
    }
    if (m.type == AXI_PTP_ANNOUNCE) {
        get_announce(bytes, &m);
    }
    if (!is_identity(&m.source) || (m.type == AXI_PTP_DELAY_RESP && !is_identity(&m.requesting))) {
        return -AXC_EPTP_IDENTITY;
    }
    *ret = m;
    return 0;
}

/* controlField, deprecated but expected by version 1 hardware. */
static uint8_t control_of(uint8_t type)
{
    switch (type) {
    case AXI_PTP_SYNC:
        return 0;
    case AXI_PTP_DELAY_REQ:
        return 1;
    case AXI_PTP_FOLLOW_UP:
        return 2;
    case AXI_PTP_DELAY_RESP:
        return 3;
    default:
        return 5;
    }
}

size_t axi_ptp_encode(const struct axi_ptp_message *m, uint8_t *buffer)
{
    size_t length = length_of(m->type);

    memset(buffer, 0, AXI_PTP_BYTES_MAX);
    buffer[0] = m->type;
    buffer[1] = 2;
    put_be(buffer + 2, 2, length);
    buffer[4] = m->domain;
    put_be(buffer + 6, 2, m->flags);
    put_be(buffer + 8, 8, (uint64_t)m->correction);
    put_port(buffer + 20, &m->source);
    put_be(buffer + 30, 2, m->sequence);
    buffer[32] = control_of(m->type);
    buffer[33] = (uint8_t)m->log_interval;
    put_be(buffer + 34, 6, m->timestamp_ns / NS_PER_S);
    put_be(buffer + 40, 4, m->timestamp_ns % NS_PER_S);
    if (m->type == AXI_PTP_DELAY_RESP) {
        put_port(buffer + 44, &m->requesting);
    }
    if (m->type == AXI_PTP_ANNOUNCE) {
        put_be(buffer + 44, 2, (uint16_t)m->utc_offset_s);
        buffer[47] = m->quality.priority1;
        buffer[48] = m->quality.clock_class;
        buffer[49] = m->quality.accuracy;
        put_be(buffer + 50, 2, m->quality.variance);
        buffer[52] = m->quality.priority2;
        memcpy(buffer + 53, m->quality.identity, 8);
        put_be(buffer + 61, 2, m->quality.steps_removed);
        buffer[63] = m->time_source;
    }
    return length;
}

void axi_ptp_identity(const uint8_t mac[6], uint8_t ret_clock[8])
{
    memcpy(ret_clock, mac, 3);
    ret_clock[3] = 0xff;
    ret_clock[4] = 0xfe;
    memcpy(ret_clock + 5, mac + 3, 3);
}

bool axi_ptp_port_equal(const struct axi_ptp_port *a, const struct axi_ptp_port *b)
{
    return memcmp(a->clock, b->clock, sizeof(a->clock)) == 0 && a->number == b->number;
}

int axi_ptp_compare(const struct axi_ptp_quality *a, const struct axi_ptp_quality *b)
{
    const uint32_t fields[][2] = {
        {a->priority1, b->priority1}, {a->clock_class, b->clock_class}, {a->accuracy, b->accuracy},
        {a->variance, b->variance},   {a->priority2, b->priority2},
    };
    int r;

    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        if (fields[i][0] != fields[i][1]) {
            return fields[i][0] < fields[i][1] ? -1 : 1;
        }
    }
    r = memcmp(a->identity, b->identity, sizeof(a->identity));
    return r != 0 ? r : (int)a->steps_removed - (int)b->steps_removed;
}
