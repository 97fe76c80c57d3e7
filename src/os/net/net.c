/* SPDX-License-Identifier: Apache-2.0 */
#include "os/net/net.h"

#include "os/board/board.h"
#include "os/drivers/nic.h"
#include "os/kernel/kernel.h"
#include "time/ptp_message.h"

#include <lwip/dhcp.h>
#include <lwip/etharp.h>
#include <lwip/init.h>
#include <lwip/netif.h>
#include <lwip/stats.h>
#include <lwip/sys.h>
#include <lwip/timeouts.h>
#include <netif/ethernet.h>
#include <string.h>

#define NS_PER_MS 1000000ull
#define FRAMES_AT_ONCE 64u
#define MTU 1500u
#define LOOPBACK_NET 127u
#define TYPE_OFFSET 12u
#define FRAME_BYTES_MIN 60u  /* without checksum */
#define DESTINATION_GROUP 1u /* in the first byte of a MAC address */

static struct {
    const struct axi_nic_driver *nic;
    uint32_t intid;
    struct netif netif;
    uint32_t loopback; /* host byte order; 0 = none */
    uint64_t foreign, no_memory;
    uint64_t random;
    void (*wake)(void *context);
    void *wake_context;
    volatile uint64_t interrupt_ns; /* when the line was last raised; 0: not since it was opened */
    axi_net_ptp take_ptp;
    void *ptp_context;
    char name[AXC_NAME_BYTES];
    uint8_t frame[AXI_NIC_FRAME_BYTES];
} net;

/* ---- what lwIP asks for ---- */

uint32_t sys_now(void)
{
    return (uint32_t)(axi_clock_ns() / NS_PER_MS);
}

void axi_net_broken(const char *what)
{
    axi_panic("network stack: %s", what);
}

void axi_net_seed(uint64_t seed)
{
    net.random ^= seed;
    (void)axi_net_random64();
}

/* SplitMix64 (Steele, Lea, Flood 2014), stirred by the clock. */
uint64_t axi_net_random64(void)
{
    net.random += 0x9e3779b97f4a7c15ull ^ axi_clock_ticks();
    uint64_t z = net.random;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ z >> 27) * 0x94d049bb133111ebull;
    return z ^ z >> 31;
}

uint32_t axi_net_random32(void)
{
    return (uint32_t)axi_net_random64();
}

static err_t send_frame(struct netif *netif, struct pbuf *packet)
{
    (void)netif;
    uint8_t *buffer = packet->tot_len <= AXI_NIC_FRAME_BYTES ? net.nic->send_buffer() : NULL;

    if (buffer == NULL) {
        return ERR_BUF;
    }
    (void)pbuf_copy_partial(packet, buffer, packet->tot_len, 0);
    net.nic->send(packet->tot_len);
    return ERR_OK;
}

static err_t netif_start(struct netif *netif)
{
    netif->name[0] = 'e';
    netif->name[1] = 'n';
    netif->mtu = MTU;
    netif->hwaddr_len = AXI_NIC_MAC_BYTES;
    netif->flags = NETIF_FLAG_BROADCAST | NETIF_FLAG_ETHARP | NETIF_FLAG_ETHERNET;
    netif->output = etharp_output;
    netif->linkoutput = send_frame;
    return ERR_OK;
}

/* ---- frames in ---- */

static void on_interrupt(void *argument)
{
    (void)argument;
    net.interrupt_ns = axi_clock_ns();
    axi_irq_disable(net.intid);
    net.wake(net.wake_context);
}

/* Cheap, since a flood of foreign frames gets no further than here. */
static bool is_for_us(const uint8_t *frame, size_t bytes)
{
    static const uint8_t broadcast[AXI_NIC_MAC_BYTES] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

    if (bytes < SIZEOF_ETH_HDR) {
        return false;
    }
    unsigned type = (unsigned)frame[TYPE_OFFSET] << 8 | frame[TYPE_OFFSET + 1];

    if (type != ETHTYPE_IP && type != ETHTYPE_ARP) {
        return false;
    }
    return memcmp(frame, net.netif.hwaddr, AXI_NIC_MAC_BYTES) == 0 ||
           memcmp(frame, broadcast, AXI_NIC_MAC_BYTES) == 0;
}

static bool is_ptp(const uint8_t *frame, size_t bytes)
{
    return net.take_ptp != NULL && bytes > SIZEOF_ETH_HDR && (frame[0] & DESTINATION_GROUP) != 0 &&
           frame[TYPE_OFFSET] == AXI_PTP_ETHERTYPE >> 8 &&
           frame[TYPE_OFFSET + 1] == (AXI_PTP_ETHERTYPE & 0xff);
}

static void take_frame(size_t bytes, uint64_t arrived_ns)
{
    if (is_ptp(net.frame, bytes)) {
        net.take_ptp(net.ptp_context, net.frame + SIZEOF_ETH_HDR, bytes - SIZEOF_ETH_HDR,
                     arrived_ns);
        return;
    }
    if (!is_for_us(net.frame, bytes)) {
        net.foreign++;
        return;
    }
    struct pbuf *packet = pbuf_alloc(PBUF_RAW, (u16_t)bytes, PBUF_POOL);

    if (packet == NULL) {
        net.no_memory++;
        return;
    }
    (void)pbuf_take(packet, net.frame, (u16_t)bytes);
    if (net.netif.input(packet, &net.netif) != ERR_OK) {
        (void)pbuf_free(packet);
    }
}

/* True when none is left and the interrupt is on again. The line is closed meanwhile, however this
 * began: so an interrupt's time belongs to the first frame after it, and to no other. */
static bool take_frames(void)
{
    axi_irq_disable(net.intid);
    uint64_t arrived_ns = net.interrupt_ns;

    net.interrupt_ns = 0;
    for (uint32_t i = 0; i < FRAMES_AT_ONCE; i++) {
        size_t bytes = net.nic->receive(net.frame);

        if (bytes > 0) {
            take_frame(bytes, arrived_ns);
            arrived_ns = 0;
        } else if (!net.nic->rearm()) {
            axi_irq_enable(net.intid);
            return true;
        }
    }
    return false;
}

uint64_t axi_net_poll(void)
{
    bool is_empty = take_frames();

    sys_check_timeouts();
    uint32_t wait_ms = sys_timeouts_sleeptime();

    if (!is_empty) {
        return 0;
    }
    return wait_ms == SYS_TIMEOUTS_SLEEPTIME_INFINITE ? UINT64_MAX
                                                      : axi_clock_ns() + wait_ms * NS_PER_MS;
}

/* ---- PTP ---- */

void axi_net_take_ptp(axi_net_ptp take, void *context)
{
    net.ptp_context = context;
    net.take_ptp = take;
}

uint64_t axi_net_send_ptp(const uint8_t *bytes, size_t length)
{
    static const uint8_t group[AXI_NIC_MAC_BYTES] = {0x01, 0x1b, 0x19, 0, 0, 0};
    size_t total = SIZEOF_ETH_HDR + length;
    uint8_t *buffer = total <= AXI_NIC_FRAME_BYTES ? net.nic->send_buffer() : NULL;

    if (buffer == NULL) {
        return 0;
    }
    memcpy(buffer, group, sizeof(group));
    memcpy(buffer + AXI_NIC_MAC_BYTES, net.netif.hwaddr, AXI_NIC_MAC_BYTES);
    buffer[TYPE_OFFSET] = AXI_PTP_ETHERTYPE >> 8;
    buffer[TYPE_OFFSET + 1] = AXI_PTP_ETHERTYPE & 0xff;
    memcpy(buffer + SIZEOF_ETH_HDR, bytes, length);
    if (total < FRAME_BYTES_MIN) {
        memset(buffer + total, 0, FRAME_BYTES_MIN - total);
        total = FRAME_BYTES_MIN;
    }
    uint64_t sent_ns = axi_clock_ns();

    net.nic->send(total);
    return sent_ns;
}

/* ---- start ---- */

static uint32_t from_bytes(const uint8_t b[4])
{
    return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

static int add_interface(const struct axi_boot_config *config)
{
    ip4_addr_t address = {0};
    ip4_addr_t mask = {0};
    ip4_addr_t gateway = {0};

    if (config->network == AXI_BOOT_NETWORK_STATIC) {
        address.addr = lwip_htonl(from_bytes(config->address));
        mask.addr = lwip_htonl(~(uint32_t)0 << (32 - config->prefix));
        gateway.addr = lwip_htonl(from_bytes(config->gateway));
    }
    if (netif_add(&net.netif, &address, &mask, &gateway, NULL, netif_start, ethernet_input) ==
        NULL) {
        return -AXC_EIO;
    }
    netif_set_hostname(&net.netif, net.name);
    netif_set_default(&net.netif);
    netif_set_link_up(&net.netif);
    netif_set_up(&net.netif);
    if (config->network == AXI_BOOT_NETWORK_DHCP && dhcp_start(&net.netif) != ERR_OK) {
        return -AXC_EIO;
    }
    return 0;
}

int axi_net_start(const struct axi_boot_config *config, void (*wake)(void *context), void *context)
{
    uint64_t mac_seed = 0;

    net.nic = axi_board.nic.driver;
    if (net.nic == NULL) {
        return -AXC_ENOENT;
    }
    int r = net.nic->start(&axi_board.nic, config->has_mac ? config->mac : NULL, net.netif.hwaddr,
                           &net.intid);

    if (r < 0) {
        return r;
    }
    net.wake = wake;
    net.wake_context = context;
    net.loopback = from_bytes(config->loopback);
    memcpy(net.name, config->name, sizeof(net.name));
    memcpy(&mac_seed, net.netif.hwaddr, AXI_NIC_MAC_BYTES);
    axi_net_seed(mac_seed);
    axi_net_seed(config->seed);
    lwip_init();
    r = add_interface(config);
    if (r == 0) {
        axi_irq_attach(net.intid, on_interrupt, NULL);
    }
    return r;
}

bool axi_net_address(uint8_t ret_address[4])
{
    memcpy(ret_address, &net.netif.ip_addr.addr, 4);
    return !ip4_addr_isany_val(net.netif.ip_addr);
}

void axi_net_mac(uint8_t ret_mac[6])
{
    memcpy(ret_mac, net.netif.hwaddr, AXI_NIC_MAC_BYTES);
}

/* ---- counters ---- */

void axi_net_drops(struct axi_net_drops *ret_drops)
{
    const struct axi_nic_counts *nic = net.nic->counts();
    const struct stats_proto *protocols[] = {
        &lwip_stats.link, &lwip_stats.etharp, &lwip_stats.ip,
        &lwip_stats.icmp, &lwip_stats.udp,    &lwip_stats.tcp,
    };

    *ret_drops = (struct axi_net_drops){
        .device = nic->rx_oversize + nic->rx_errors + nic->rx_overruns,
        .foreign = net.foreign,
        .memory = net.no_memory + nic->tx_busy,
    };
    for (size_t i = 0; i < sizeof(protocols) / sizeof(protocols[0]); i++) {
        const struct stats_proto *p = protocols[i];

        ret_drops->malformed += (uint64_t)p->chkerr + p->lenerr + p->opterr + p->err;
        ret_drops->memory += p->memerr;
        ret_drops->unexpected += (uint64_t)p->proterr + p->rterr;
    }
}

/* ---- addresses ---- */

static const char *read_number(const char *text, uint32_t max, uint32_t *ret_value)
{
    uint32_t value = 0;

    if (*text < '0' || *text > '9') {
        return NULL;
    }
    while (*text >= '0' && *text <= '9') {
        value = value * 10 + (uint32_t)(*text++ - '0');
        if (value > max) {
            return NULL;
        }
    }
    *ret_value = value;
    return text;
}

int axi_net_read_port(const char *text, uint16_t *ret_port)
{
    uint32_t port = 0;

    text = read_number(text, 65535, &port);
    if (text == NULL || *text != '\0' || port == 0) {
        return -AXC_EINVALID;
    }
    *ret_port = (uint16_t)port;
    return 0;
}

int axi_net_resolve(const char *text, uint32_t *ret_address, uint16_t *ret_port)
{
    static const char separators[] = "...:";
    uint32_t address = 0;
    uint32_t part = 0;

    for (unsigned i = 0; i < 4; i++) {
        text = read_number(text, 255, &part);
        if (text == NULL || *text != separators[i]) {
            return -AXC_EINVALID;
        }
        text++;
        address = address << 8 | part;
    }
    if (axi_net_read_port(text, ret_port) < 0) {
        return -AXC_EINVALID;
    }
    if (address >> 24 == LOOPBACK_NET && net.loopback != 0) {
        address = net.loopback;
    }
    *ret_address = address;
    return 0;
}
