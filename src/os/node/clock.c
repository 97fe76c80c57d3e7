/* SPDX-License-Identifier: Apache-2.0 */
#include "os/node/clock.h"

#include "os/kernel/kernel.h"
#include "os/net/net.h"

#define TYPE_MASK 15u

static void take(void *context, const uint8_t *bytes, size_t length, uint64_t arrived_ns)
{
    struct axi_node_clock *clock = context;

    if (axi_ptp_is_event(bytes[0] & TYPE_MASK) && arrived_ns == 0) {
        clock->unstamped++;
        return;
    }
    clock->happened |= axi_ptp_slave_message(&clock->slave, bytes, length,
                                             arrived_ns != 0 ? arrived_ns : axi_clock_ns());
}

static void send(void *context, const uint8_t *bytes, size_t length, bool is_event)
{
    struct axi_node_clock *clock = context;
    uint64_t sent_ns = axi_net_send_ptp(bytes, length);

    if (is_event && sent_ns != 0) {
        axi_ptp_slave_sent(&clock->slave, clock->slave.delay_sequence, sent_ns);
    }
}

static uint64_t random64(void *context)
{
    (void)context;
    return axi_net_random64();
}

void axi_node_clock_start(struct axi_node_clock *clock, const struct axi_boot_config *config)
{
    struct axi_ptp_slave_config slave = {.domain = config->clock_domain};
    const struct axi_ptp_port_ops ops = {.context = clock, .send = send, .random64 = random64};
    uint8_t mac[6];

    if (config->clock != AXI_BOOT_CLOCK_PTP) {
        return;
    }
    axi_net_mac(mac);
    axi_ptp_identity(mac, slave.clock);
    axi_ptp_slave_init(&clock->slave, &slave, &ops);
    clock->has_lines = (config->clock_flags & AXI_BOOT_CLOCK_FLAG_LINES) != 0;
    clock->is_on = true;
    axi_net_take_ptp(take, clock);
}

uint32_t axi_node_clock_poll(struct axi_node_clock *clock, uint64_t *ret_next)
{
    *ret_next = UINT64_MAX;
    if (!clock->is_on) {
        return 0;
    }
    uint32_t happened =
        clock->happened | axi_ptp_slave_tick(&clock->slave, axi_clock_ns(), ret_next);

    clock->happened = 0;
    return happened;
}

uint64_t axi_node_clock_grandmaster(const struct axi_node_clock *clock)
{
    const struct axi_ptp_foreign *master = axi_ptp_slave_master(&clock->slave);
    uint64_t identity = 0;

    for (size_t i = 0; master != NULL && i < sizeof(master->quality.identity); i++) {
        identity = identity << 8 | master->quality.identity[i];
    }
    return identity;
}
