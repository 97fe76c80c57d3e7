/* SPDX-License-Identifier: Apache-2.0 */
#include "os/node/channels.h"

#include "os/net/net.h"

#include <lwip/udp.h>
#include <string.h>

struct channel {
    const struct axi_boot_channel *config;
    struct udp_pcb *pcb;
    bool is_stamped;
    struct axi_gate gate; /* stamped input */
    ip_addr_t to;         /* output */
    uint16_t port;
};

static struct {
    struct axi_runtime *runtime;
    struct channel channels[AXI_BOOT_CHANNELS_MAX];
    uint32_t count;
    struct udp_pcb *voters; /* what goes to a voter */
} table;

static void take_value(struct channel *channel, const uint8_t *datagram, size_t count)
{
    const uint8_t *value = datagram;
    uint32_t bytes = (uint32_t)count;

    if (channel->is_stamped) {
        struct axi_stamp stamp;

        if (axi_stamp_decode(datagram, count, &stamp, &value, &bytes) < 0 ||
            !axi_gate_admit(&channel->gate, &stamp)) {
            return; /* damaged, stale or known */
        }
    }
    if (bytes <= AXC_VALUE_BYTES_MAX) {
        (void)axi_runtime_input(table.runtime, channel->config->name, value, bytes);
    }
}

static void on_datagram(void *argument, struct udp_pcb *pcb, struct pbuf *packet,
                        const ip_addr_t *from, u16_t port)
{
    uint8_t datagram[AXI_STAMP_BYTES + AXC_VALUE_BYTES_MAX];

    (void)pcb;
    (void)from;
    (void)port;
    if (packet->tot_len <= sizeof(datagram)) {
        take_value(argument, datagram, pbuf_copy_partial(packet, datagram, packet->tot_len, 0));
    }
    (void)pbuf_free(packet);
}

/* The target's text behind "udp:" or "node:"; NULL: it is neither. */
static const char *read_kind(const char *target, bool *ret_is_stamped)
{
    *ret_is_stamped = memcmp(target, "node:", 5) == 0;
    if (*ret_is_stamped) {
        return target + 5;
    }
    return memcmp(target, "udp:", 4) == 0 ? target + 4 : NULL;
}

static int open_channel(struct channel *channel)
{
    const struct axi_boot_channel *config = channel->config;
    const char *where = read_kind(config->target, &channel->is_stamped);
    uint32_t host = 0;

    if (where == NULL) {
        return -AXC_EINVALID;
    }
    int r = config->is_output ? axi_net_resolve(where, &host, &channel->port)
                              : axi_net_read_port(where, &channel->port);

    channel->pcb = r == 0 ? udp_new() : NULL;
    if (channel->pcb == NULL) {
        return r < 0 ? r : -AXC_ENOMEM;
    }
    channel->to.addr = lwip_htonl(host);
    if (!config->is_output) {
        udp_recv(channel->pcb, on_datagram, channel);
        r = udp_bind(channel->pcb, IP_ANY_TYPE, channel->port) == ERR_OK ? 0 : -AXC_EEXIST;
    }
    return r;
}

int axi_channels_start(const struct axi_boot_config *config, struct axi_runtime *runtime,
                       uint32_t *ret_bad)
{
    int r = 0;

    table.runtime = runtime;
    table.voters = udp_new();
    r = table.voters != NULL ? 0 : -AXC_ENOMEM;
    for (uint32_t i = 0; i < config->channel_count && r == 0; i++) {
        table.channels[i].config = &config->channels[i];
        table.count = i + 1;
        r = open_channel(&table.channels[i]);
        *ret_bad = i;
    }
    return r;
}

/* An actuator that does not take the value has missed it, as a real one would. */
static void send_value(struct udp_pcb *pcb, const ip_addr_t *to, uint16_t port, bool is_stamped,
                       const struct axi_runtime_output *output)
{
    struct pbuf *packet =
        pbuf_alloc(PBUF_TRANSPORT, (u16_t)(AXI_STAMP_BYTES + output->bytes), PBUF_RAM);
    size_t count = output->bytes;

    if (packet == NULL) {
        return;
    }
    if (!is_stamped) {
        memcpy(packet->payload, output->value, output->bytes);
    } else if (axi_stamp_encode(&output->stamp, output->value, output->bytes, packet->payload,
                                packet->len, &count) < 0) {
        count = 0;
    }
    pbuf_realloc(packet, (u16_t)count);
    if (count > 0 || !is_stamped) {
        (void)udp_sendto(pcb, packet, to, port);
    }
    (void)pbuf_free(packet);
}

static void send_to_channel(const struct axi_runtime_output *output)
{
    for (uint32_t i = 0; i < table.count; i++) {
        const struct channel *channel = &table.channels[i];

        if (channel->config->is_output && strcmp(channel->config->name, output->name) == 0) {
            send_value(channel->pcb, &channel->to, channel->port, channel->is_stamped, output);
            return;
        }
    }
}

void axi_channels_poll(void)
{
    struct axi_runtime_output output;

    while (axi_runtime_output(table.runtime, &output)) {
        if (!output.is_shadow) {
            send_to_channel(&output);
        }
        if (output.to_port != 0) {
            const ip_addr_t to = {.addr = lwip_htonl(output.to_host)};

            send_value(table.voters, &to, output.to_port, true, &output);
        }
    }
}
