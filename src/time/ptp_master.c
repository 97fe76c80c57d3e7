/* SPDX-License-Identifier: Apache-2.0 */
#include "time/ptp_master.h"

#include <string.h>

#define NS_PER_S 1000000000ull
#define LOG_MIN (-7)
#define LOG_MAX 4

static uint64_t interval_ns(int8_t log)
{
    return log >= 0 ? NS_PER_S << log : NS_PER_S >> -log;
}

static bool is_log(int8_t log)
{
    return log >= LOG_MIN && log <= LOG_MAX;
}

int axi_ptp_master_init(struct axi_ptp_master *master, const struct axi_ptp_master_config *config,
                        const struct axi_ptp_master_ops *ops)
{
    if (!is_log(config->log_sync) || !is_log(config->log_announce) || !is_log(config->log_delay)) {
        return -AXC_EINVALID;
    }
    *master = (struct axi_ptp_master){.config = *config, .ops = *ops};
    master->config.port = config->port != 0 ? config->port : 1;
    memcpy(master->config.quality.identity, config->clock, sizeof(config->clock));
    return 0;
}

static struct axi_ptp_message start(const struct axi_ptp_master *master, uint8_t type,
                                    uint16_t sequence, int8_t log_interval)
{
    struct axi_ptp_message m = {
        .type = type,
        .domain = master->config.domain,
        .source = {.number = master->config.port},
        .sequence = sequence,
        .log_interval = log_interval,
    };

    memcpy(m.source.clock, master->config.clock, sizeof(m.source.clock));
    return m;
}

static void send(struct axi_ptp_master *master, const struct axi_ptp_message *m)
{
    uint8_t bytes[AXI_PTP_BYTES_MAX];

    master->ops.send(master->ops.context, bytes, axi_ptp_encode(m, bytes),
                     axi_ptp_is_event(m->type));
}

void axi_ptp_master_message(struct axi_ptp_master *master, const uint8_t *bytes, size_t length,
                            uint64_t received_ns)
{
    struct axi_ptp_message request;
    struct axi_ptp_message m;
    int r = axi_ptp_decode(bytes, length, &request);

    if (r < 0) {
        master->malformed += r != -AXC_EPTP_TYPE;
        return;
    }
    if (request.type != AXI_PTP_DELAY_REQ || request.domain != master->config.domain) {
        return;
    }
    master->requests++;
    m = start(master, AXI_PTP_DELAY_RESP, request.sequence, master->config.log_delay);
    m.timestamp_ns = received_ns;
    m.correction = request.correction; /* what transparent clocks added on the way here */
    m.requesting = request.source;
    send(master, &m);
}

void axi_ptp_master_sent(struct axi_ptp_master *master, uint16_t sequence, uint64_t sent_ns)
{
    struct axi_ptp_message m = start(master, AXI_PTP_FOLLOW_UP, sequence, master->config.log_sync);

    m.timestamp_ns = sent_ns;
    send(master, &m);
}

static void announce(struct axi_ptp_master *master)
{
    struct axi_ptp_message m =
        start(master, AXI_PTP_ANNOUNCE, master->announce_sequence++, master->config.log_announce);

    m.flags = master->config.is_ptp_scale ? AXI_PTP_FLAG_PTP_TIMESCALE : 0;
    m.quality = master->config.quality;
    m.utc_offset_s = master->config.utc_offset_s;
    m.time_source = 0xa0; /* internal oscillator */
    send(master, &m);
}

static void sync_out(struct axi_ptp_master *master)
{
    struct axi_ptp_message m =
        start(master, AXI_PTP_SYNC, master->sync_sequence++, master->config.log_sync);

    m.flags = AXI_PTP_FLAG_TWO_STEP;
    send(master, &m);
}

/* The next time on the grid after now; a late call sends once, not several times. */
static uint64_t next_at(uint64_t at_ns, uint64_t now_ns, uint64_t interval)
{
    at_ns += interval;
    return at_ns > now_ns ? at_ns : now_ns + interval;
}

uint64_t axi_ptp_master_tick(struct axi_ptp_master *master, uint64_t now_ns)
{
    if (now_ns >= master->announce_at_ns) {
        announce(master);
        master->announce_at_ns =
            next_at(master->announce_at_ns, now_ns, interval_ns(master->config.log_announce));
    }
    if (now_ns >= master->sync_at_ns) {
        sync_out(master);
        master->sync_at_ns =
            next_at(master->sync_at_ns, now_ns, interval_ns(master->config.log_sync));
    }
    return master->sync_at_ns < master->announce_at_ns ? master->sync_at_ns
                                                       : master->announce_at_ns;
}
