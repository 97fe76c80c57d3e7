/* SPDX-License-Identifier: Apache-2.0 */
#include "time/ptp_slave.h"

#include "base/bytes.h"

#include <string.h>

#define MS 1000000ull

#define ANNOUNCE_TIMEOUT 3u /* intervals without Announce: the master is gone */
#define QUALIFY_COUNT 2u    /* Announces before a master is believed (9.3.2.5) */
#define STEPS_MAX 255u
#define DELAY_ANSWER_NS (1000 * MS)

void axi_ptp_slave_init(struct axi_ptp_slave *slave, const struct axi_ptp_slave_config *config,
                        const struct axi_ptp_port_ops *ops)
{
    memset(slave, 0, sizeof(*slave));
    slave->config = *config;
    slave->config.port = config->port != 0 ? config->port : 1;
    slave->config.delay_min_ns = config->delay_min_ns != 0 ? config->delay_min_ns : 20 * MS;
    slave->config.delay_max_ns = config->delay_max_ns != 0 ? config->delay_max_ns : 100 * MS;
    slave->ops = *ops;
    slave->master = -1;
    axi_servo_init(&slave->servo, &config->servo);
}

const struct axi_ptp_foreign *axi_ptp_slave_master(const struct axi_ptp_slave *slave)
{
    return slave->master >= 0 ? &slave->foreign[slave->master] : NULL;
}

static struct axi_ptp_port own_port(const struct axi_ptp_slave *slave)
{
    struct axi_ptp_port port = {.number = slave->config.port};

    memcpy(port.clock, slave->config.clock, sizeof(port.clock));
    return port;
}

/* ---- choice of the master ---- */

/* 2^log_interval s, within sense: 1/128 s to 64 s. */
static uint64_t interval_ns(int8_t log_interval)
{
    int shift = log_interval > 6 ? 6 : log_interval < -7 ? -7 : log_interval;

    return shift >= 0 ? (1000 * MS) << shift : (1000 * MS) >> -shift;
}

static bool is_qualified(const struct axi_ptp_foreign *foreign, uint64_t now_ns)
{
    return foreign->is_used && foreign->count >= QUALIFY_COUNT &&
           axi_sub_sat(now_ns, foreign->heard_ns) <= ANNOUNCE_TIMEOUT * foreign->interval_ns;
}

static void forget_exchange(struct axi_ptp_slave *slave)
{
    memset(slave->pending, 0, sizeof(slave->pending));
    slave->has_sync_sequence = false;
    slave->is_delay_due = slave->is_delay_sent = false;
}

static uint32_t choose(struct axi_ptp_slave *slave, uint64_t now_ns)
{
    int32_t best = -1;
    int32_t old = slave->master;

    for (int32_t i = 0; i < (int32_t)AXI_PTP_FOREIGN_MAX; i++) {
        if (is_qualified(&slave->foreign[i], now_ns) &&
            (best < 0 ||
             axi_ptp_compare(&slave->foreign[i].quality, &slave->foreign[best].quality) < 0)) {
            best = i;
        }
    }
    if (best == old) {
        return 0;
    }
    slave->master = best;
    forget_exchange(slave);
    if (best < 0) {
        return AXI_PTP_MASTER_LOST;
    }
    axi_servo_change_master(&slave->servo);
    return AXI_PTP_MASTER_CHANGED;
}

/* The entry of a port, else the one heard longest ago that is not the chosen one. */
static struct axi_ptp_foreign *entry_of(struct axi_ptp_slave *slave,
                                        const struct axi_ptp_port *port)
{
    struct axi_ptp_foreign *oldest = NULL;

    for (int32_t i = 0; i < (int32_t)AXI_PTP_FOREIGN_MAX; i++) {
        struct axi_ptp_foreign *foreign = &slave->foreign[i];

        if (foreign->is_used && axi_ptp_port_equal(&foreign->port, port)) {
            return foreign;
        }
        if (i != slave->master && (oldest == NULL || !foreign->is_used ||
                                   (oldest->is_used && foreign->heard_ns < oldest->heard_ns))) {
            oldest = foreign;
        }
    }
    *oldest = (struct axi_ptp_foreign){.port = *port};
    return oldest;
}

static uint32_t on_announce(struct axi_ptp_slave *slave, const struct axi_ptp_message *m,
                            uint64_t now_ns)
{
    struct axi_ptp_foreign *foreign;

    if (m->quality.steps_removed >= STEPS_MAX ||
        memcmp(m->quality.identity, slave->config.clock, 8) == 0) {
        slave->counters.foreign_master++;
        return 0;
    }
    foreign = entry_of(slave, &m->source);
    if (foreign->is_used && (int16_t)(m->sequence - foreign->sequence) <= 0 &&
        axi_sub_sat(now_ns, foreign->heard_ns) <= ANNOUNCE_TIMEOUT * foreign->interval_ns) {
        slave->counters.stale++;
        return 0;
    }
    if (foreign->is_used &&
        axi_sub_sat(now_ns, foreign->heard_ns) > ANNOUNCE_TIMEOUT * foreign->interval_ns) {
        foreign->count = 0;
    }
    foreign->is_used = true;
    foreign->sequence = m->sequence;
    foreign->quality = m->quality;
    foreign->flags = m->flags;
    foreign->utc_offset_s = m->utc_offset_s;
    foreign->heard_ns = now_ns;
    foreign->interval_ns = interval_ns(m->log_interval);
    foreign->count++;
    return choose(slave, now_ns);
}

/* ---- Sync and Follow_Up ---- */

static int64_t correction_ns(int64_t correction)
{
    return correction / 65536;
}

static struct axi_ptp_pending *pending_of(struct axi_ptp_slave *slave, uint16_t sequence)
{
    struct axi_ptp_pending *oldest = &slave->pending[0];

    for (uint32_t i = 0; i < AXI_PTP_PENDING; i++) {
        struct axi_ptp_pending *entry = &slave->pending[i];

        if (entry->is_used && entry->sequence == sequence) {
            return entry;
        }
        if (!entry->is_used ||
            (oldest->is_used && (int16_t)(entry->sequence - oldest->sequence) < 0)) {
            oldest = entry;
        }
    }
    *oldest = (struct axi_ptp_pending){.is_used = true, .sequence = sequence};
    return oldest;
}

static uint32_t use_sync(struct axi_ptp_slave *slave, uint16_t sequence, uint64_t t1_ns,
                         uint64_t t2_ns)
{
    uint32_t did;
    uint64_t span = slave->config.delay_max_ns - slave->config.delay_min_ns;
    uint32_t bits = 0;

    if (slave->has_sync_sequence && (int16_t)(sequence - slave->sync_sequence) <= 0) {
        slave->counters.stale++;
        return 0;
    }
    slave->has_sync_sequence = true;
    slave->sync_sequence = sequence;
    did = axi_servo_sync(&slave->servo, t1_ns, t2_ns);
    if ((did & AXI_SERVO_REFUSED) != 0) {
        slave->counters.refused++;
    } else {
        slave->counters.syncs++;
        bits = AXI_PTP_UPDATED;
    }
    bits |= (did & AXI_SERVO_STATE_CHANGED) != 0 ? AXI_PTP_STATE_CHANGED : 0;
    bits |= (did & AXI_SERVO_JUMPED) != 0 ? AXI_PTP_JUMPED : 0;
    /* Not at once: a processor that is warm from the Sync would answer faster than it heard. */
    slave->is_delay_due = true;
    slave->delay_at_ns =
        t2_ns + slave->config.delay_min_ns + slave->ops.random64(slave->ops.context) % (span + 1);
    return bits;
}

static uint32_t on_sync(struct axi_ptp_slave *slave, const struct axi_ptp_message *m,
                        uint64_t t2_ns)
{
    int64_t correction = correction_ns(m->correction);
    struct axi_ptp_pending *entry;

    if ((m->flags & AXI_PTP_FLAG_TWO_STEP) == 0) {
        return use_sync(slave, m->sequence, m->timestamp_ns + (uint64_t)correction, t2_ns);
    }
    entry = pending_of(slave, m->sequence);
    entry->t2_ns = t2_ns;
    entry->t1_ns += (uint64_t)correction;
    entry->has_sync = true;
    if (!entry->has_follow_up) {
        return 0;
    }
    entry->is_used = false;
    return use_sync(slave, m->sequence, entry->t1_ns, t2_ns);
}

static uint32_t on_follow_up(struct axi_ptp_slave *slave, const struct axi_ptp_message *m)
{
    struct axi_ptp_pending *entry = pending_of(slave, m->sequence);

    if (entry->has_follow_up) {
        slave->counters.stale++;
        return 0;
    }
    entry->t1_ns += m->timestamp_ns + (uint64_t)correction_ns(m->correction);
    entry->has_follow_up = true;
    if (!entry->has_sync) {
        return 0; /* it overtook its Sync */
    }
    entry->is_used = false;
    return use_sync(slave, m->sequence, entry->t1_ns, entry->t2_ns);
}

/* ---- Delay_Req and Delay_Resp ---- */

/* It says about when it is sent, as IEEE 1588 permits: who listens learns what this clock shows. */
static void send_delay_req(struct axi_ptp_slave *slave, uint64_t now_ns)
{
    struct axi_servo_estimate estimate;
    uint8_t bytes[AXI_PTP_BYTES_MAX];
    struct axi_ptp_message m = {
        .type = AXI_PTP_DELAY_REQ,
        .domain = slave->config.domain,
        .source = own_port(slave),
        .sequence = ++slave->delay_sequence,
        .log_interval = 0x7f,
    };

    axi_servo_estimate(&slave->servo, now_ns, &estimate);
    m.timestamp_ns = estimate.bound_ns != UINT64_MAX ? estimate.master_ns : 0;
    slave->is_delay_due = false;
    slave->is_delay_sent = true;
    slave->has_delay_stamp = false;
    slave->delay_at_ns = now_ns + DELAY_ANSWER_NS; /* until then an answer counts */
    slave->ops.send(slave->ops.context, bytes, axi_ptp_encode(&m, bytes), true);
}

void axi_ptp_slave_sent(struct axi_ptp_slave *slave, uint16_t sequence, uint64_t sent_ns)
{
    if (slave->is_delay_sent && sequence == slave->delay_sequence && !slave->has_delay_stamp) {
        slave->has_delay_stamp = true;
        slave->delay_stamp_ns = sent_ns;
    }
}

static uint32_t on_delay_resp(struct axi_ptp_slave *slave, const struct axi_ptp_message *m)
{
    struct axi_ptp_port own = own_port(slave);

    if (!axi_ptp_port_equal(&m->requesting, &own)) {
        return 0; /* multicast: the answers to all slaves arrive */
    }
    if (!slave->is_delay_sent || !slave->has_delay_stamp || m->sequence != slave->delay_sequence) {
        slave->counters.unmatched++;
        return 0;
    }
    slave->is_delay_sent = false;
    slave->counters.delays++;
    axi_servo_delay(&slave->servo, slave->delay_stamp_ns,
                    m->timestamp_ns - (uint64_t)correction_ns(m->correction));
    return 0;
}

/* ---- the owner's calls ---- */

uint32_t axi_ptp_slave_message(struct axi_ptp_slave *slave, const uint8_t *bytes, size_t length,
                               uint64_t received_ns)
{
    const struct axi_ptp_foreign *master = axi_ptp_slave_master(slave);
    struct axi_ptp_message m;
    int r = axi_ptp_decode(bytes, length, &m);

    if (r < 0) {
        slave->counters.malformed += r != -AXC_EPTP_TYPE;
        return 0;
    }
    if (m.domain != slave->config.domain) {
        slave->counters.foreign_domain++;
        return 0;
    }
    if (m.type == AXI_PTP_ANNOUNCE) {
        return on_announce(slave, &m, received_ns);
    }
    if (m.type == AXI_PTP_DELAY_REQ) {
        return 0; /* another slave's */
    }
    if (master == NULL || !axi_ptp_port_equal(&m.source, &master->port)) {
        slave->counters.foreign_master++;
        return 0;
    }
    switch (m.type) {
    case AXI_PTP_SYNC:
        return on_sync(slave, &m, received_ns);
    case AXI_PTP_FOLLOW_UP:
        return on_follow_up(slave, &m);
    default:
        return on_delay_resp(slave, &m);
    }
}

uint32_t axi_ptp_slave_tick(struct axi_ptp_slave *slave, uint64_t now_ns, uint64_t *ret_next)
{
    const struct axi_ptp_foreign *master = axi_ptp_slave_master(slave);
    uint32_t bits = 0;
    uint64_t next = UINT64_MAX;

    if (slave->is_delay_due && now_ns >= slave->delay_at_ns) {
        send_delay_req(slave, now_ns);
    } else if (slave->is_delay_sent && now_ns >= slave->delay_at_ns) {
        slave->is_delay_sent = false; /* its answer is lost */
    }
    if (master != NULL && !is_qualified(master, now_ns)) {
        bits |= choose(slave, now_ns);
        master = axi_ptp_slave_master(slave);
    }
    if ((axi_servo_tick(&slave->servo, now_ns) & AXI_SERVO_STATE_CHANGED) != 0) {
        bits |= AXI_PTP_STATE_CHANGED;
    }
    if (slave->is_delay_due || slave->is_delay_sent) {
        next = slave->delay_at_ns;
    }
    if (master != NULL) {
        uint64_t gone = master->heard_ns + ANNOUNCE_TIMEOUT * master->interval_ns + 1;
        uint64_t silent = slave->servo.heard_ns + slave->servo.config.silent_ns + 1;

        next = gone < next ? gone : next;
        if (silent > now_ns && silent < next) {
            next = silent;
        }
    }
    *ret_next = next;
    return bits;
}
