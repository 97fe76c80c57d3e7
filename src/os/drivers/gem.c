/* SPDX-License-Identifier: Apache-2.0 */
/* Cadence GEM Ethernet of Zynq UltraScale+ (UG1085 chapter 34, UG1087): queue 0 with a ring of
 * fixed 32-bit receive and transmit descriptors; no frame is steered to the priority queue, which
 * has a descriptor of each kind to rest at. The firmware before us has set
 * clocks and PHY up for 1 Gbit/s, and made the device's memory accesses coherent. */
#include "os/board/board.h"
#include "os/drivers/nic.h"
#include "os/kernel/memory.h"

#include <string.h>

enum {
    REG_CONTROL = 0x000,
    REG_CONFIG = 0x004,
    REG_DMA_CONFIG = 0x010,
    REG_TX_STATUS = 0x014,
    REG_RX_BASE = 0x018,
    REG_TX_BASE = 0x01c,
    REG_RX_STATUS = 0x020,
    REG_INTERRUPT_STATUS = 0x024,
    REG_INTERRUPT_ENABLE = 0x028,
    REG_INTERRUPT_DISABLE = 0x02c,
    REG_HASH_LOW = 0x080,
    REG_HASH_HIGH = 0x084,
    REG_MAC_LOW = 0x088,
    REG_MAC_HIGH = 0x08c,
    REG_MODULE_ID = 0x0fc,
    REG_TX1_BASE = 0x440,
    REG_RX1_BASE = 0x480
};

#define MODULE_GEM 7u /* REG_MODULE_ID >> 16, 12 bits */
#define MODULE_MASK 0xfffu

#define CONTROL_RX_ENABLE (1u << 2)
#define CONTROL_TX_ENABLE (1u << 3)
#define CONTROL_CLEAR_COUNTS (1u << 5)
#define CONTROL_TX_START (1u << 9)

#define CONFIG_FULL_DUPLEX (1u << 1)
#define CONFIG_MULTICAST_HASH (1u << 6)
#define CONFIG_FRAMES_1536 (1u << 8)
#define CONFIG_GIGABIT (1u << 10)
#define CONFIG_STRIP_CHECKSUM (1u << 17)
#define CONFIG_MDC_DIVISOR (5u << 18)
#define CONFIG_BUS_64 (1u << 21)

#define DMA_BURST_16 (1u << 4)
#define DMA_FULL_PACKET_MEMORY (7u << 8)
#define DMA_BUFFER_SHIFT 16 /* in units of 64 bytes */
#define DMA_BUFFER_UNIT 64u

#define RX_STATUS_NO_BUFFER 1u
#define RX_STATUS_OVERRUN 4u
#define STATUS_ALL 0xffffffffu
#define INTERRUPT_RX (1u << 1)
#define INTERRUPT_RX_USED (1u << 2)

#define RX_OURS 1u
#define RX_WRAP 2u
#define RX_ADDRESS_MASK (~3u)
#define RX_BYTES_MASK 0x1fffu
#define RX_FIRST (1u << 14)
#define RX_LAST (1u << 15)

#define TX_BYTES_MASK 0x3fffu
#define TX_LAST (1u << 15)
#define TX_WRAP (1u << 30)
#define TX_OURS (1u << 31)

#define ENTRIES 64u
#define BUFFER_BYTES 1536u

struct descriptor {
    volatile uint32_t word[2]; /* receive: address, status; transmit likewise */
};

struct ring {
    _Alignas(64) struct descriptor descriptors[ENTRIES];
    _Alignas(64) uint8_t buffers[ENTRIES][BUFFER_BYTES];
};

static struct ring rx_ring, tx_ring;
static _Alignas(64) struct descriptor parked_rx, parked_tx;
static _Alignas(64) uint8_t parked_buffer[BUFFER_BYTES]; /* nothing is ever put there */

static struct {
    uint64_t base; /* physical */
    uint32_t rx_next, tx_next;
    struct axi_nic_counts counts;
} nic;

static uint32_t read_register(uint32_t offset)
{
    return axi_device_read(nic.base + offset);
}

static void write_register(uint32_t offset, uint32_t value)
{
    axi_device_write(nic.base + offset, value);
}

static uint32_t dma_address(const void *memory)
{
    return (uint32_t)axi_physical(memory); /* the boards' RAM below 4 GiB */
}

static void start_rings(void)
{
    for (uint32_t i = 0; i < ENTRIES; i++) {
        bool is_last = i == ENTRIES - 1;

        rx_ring.descriptors[i].word[0] = dma_address(rx_ring.buffers[i]) | (is_last ? RX_WRAP : 0);
        rx_ring.descriptors[i].word[1] = 0;
        tx_ring.descriptors[i].word[0] = dma_address(tx_ring.buffers[i]);
        tx_ring.descriptors[i].word[1] = TX_OURS | (is_last ? TX_WRAP : 0);
    }
    parked_rx.word[0] = dma_address(parked_buffer) | RX_WRAP;
    parked_tx.word[1] = TX_OURS | TX_WRAP;
    axi_nic_barrier();
    write_register(REG_RX_BASE, dma_address(rx_ring.descriptors));
    write_register(REG_TX_BASE, dma_address(tx_ring.descriptors));
    write_register(REG_RX1_BASE, dma_address(&parked_rx));
    write_register(REG_TX1_BASE, dma_address(&parked_tx));
}

/* The address registers hold the first byte lowest; writing the high one makes the pair valid. */
static void set_mac(const uint8_t *mac, uint8_t ret_mac[AXI_NIC_MAC_BYTES])
{
    uint64_t address = (uint64_t)read_register(REG_MAC_HIGH) << 32 | read_register(REG_MAC_LOW);

    if (mac != NULL) {
        address = 0;
        for (unsigned i = 0; i < AXI_NIC_MAC_BYTES; i++) {
            address |= (uint64_t)mac[i] << (8 * i);
        }
    }
    write_register(REG_MAC_LOW, (uint32_t)address);
    write_register(REG_MAC_HIGH, (uint32_t)(address >> 32) & 0xffff);
    for (unsigned i = 0; i < AXI_NIC_MAC_BYTES; i++) {
        ret_mac[i] = (uint8_t)(address >> (8 * i));
    }
}

static int start(const struct axi_board_nic *where, const uint8_t *mac,
                 uint8_t ret_mac[AXI_NIC_MAC_BYTES], uint32_t *ret_intid)
{
    nic.base = where->base;
    *ret_intid = where->first_intid;
    if ((read_register(REG_MODULE_ID) >> 16 & MODULE_MASK) != MODULE_GEM) {
        return -AXC_ENOENT;
    }
    write_register(REG_CONTROL, 0);
    write_register(REG_CONTROL, CONTROL_CLEAR_COUNTS);
    write_register(REG_INTERRUPT_DISABLE, STATUS_ALL);
    write_register(REG_TX_STATUS, STATUS_ALL);
    write_register(REG_RX_STATUS, STATUS_ALL);
    write_register(REG_INTERRUPT_STATUS, STATUS_ALL);
    write_register(REG_CONFIG, CONFIG_FULL_DUPLEX | CONFIG_MULTICAST_HASH | CONFIG_FRAMES_1536 |
                                   CONFIG_GIGABIT | CONFIG_STRIP_CHECKSUM | CONFIG_MDC_DIVISOR |
                                   CONFIG_BUS_64);
    write_register(REG_DMA_CONFIG, DMA_BURST_16 | DMA_FULL_PACKET_MEMORY |
                                       BUFFER_BYTES / DMA_BUFFER_UNIT << DMA_BUFFER_SHIFT);
    write_register(REG_HASH_LOW, STATUS_ALL); /* every multicast address */
    write_register(REG_HASH_HIGH, STATUS_ALL);
    set_mac(mac, ret_mac);
    start_rings();
    write_register(REG_INTERRUPT_ENABLE, INTERRUPT_RX | INTERRUPT_RX_USED);
    write_register(REG_CONTROL, CONTROL_RX_ENABLE | CONTROL_TX_ENABLE);
    return 0;
}

static bool has_received(void)
{
    return (rx_ring.descriptors[nic.rx_next].word[0] & RX_OURS) != 0;
}

/* The frame's bytes, 0 when it is to be dropped. */
static size_t judge(uint32_t status)
{
    size_t bytes = status & RX_BYTES_MASK;

    if ((status & (RX_FIRST | RX_LAST)) != (RX_FIRST | RX_LAST) || bytes > AXI_NIC_FRAME_BYTES) {
        nic.counts.rx_oversize += (status & RX_LAST) != 0 ? 1 : 0;
        return 0;
    }
    if (bytes == 0) {
        nic.counts.rx_errors++;
    }
    return bytes;
}

static size_t receive(uint8_t *frame)
{
    size_t bytes = 0;

    while (bytes == 0 && has_received()) {
        struct descriptor *descriptor = &rx_ring.descriptors[nic.rx_next];

        axi_nic_barrier(); /* the status is read after the owner bit */
        bytes = judge(descriptor->word[1]);
        if (bytes > 0) {
            memcpy(frame, rx_ring.buffers[nic.rx_next], bytes);
            nic.counts.received++;
        }
        descriptor->word[1] = 0;
        axi_nic_barrier();
        descriptor->word[0] &= ~RX_OURS;
        nic.rx_next = (nic.rx_next + 1) % ENTRIES;
    }
    return bytes;
}

static uint8_t *send_buffer(void)
{
    if ((tx_ring.descriptors[nic.tx_next].word[1] & TX_OURS) == 0) {
        nic.counts.tx_busy++;
        return NULL;
    }
    return tx_ring.buffers[nic.tx_next];
}

static void send(size_t bytes)
{
    uint32_t word = ((uint32_t)bytes & TX_BYTES_MASK) | TX_LAST;

    axi_nic_barrier();
    tx_ring.descriptors[nic.tx_next].word[1] = word | (nic.tx_next == ENTRIES - 1 ? TX_WRAP : 0);
    axi_nic_barrier();
    write_register(REG_CONTROL, CONTROL_RX_ENABLE | CONTROL_TX_ENABLE | CONTROL_TX_START);
    nic.tx_next = (nic.tx_next + 1) % ENTRIES;
    nic.counts.sent++;
}

static bool rearm(void)
{
    uint32_t status = read_register(REG_RX_STATUS);

    write_register(REG_RX_STATUS, status);
    write_register(REG_INTERRUPT_STATUS, read_register(REG_INTERRUPT_STATUS));
    if ((status & (RX_STATUS_NO_BUFFER | RX_STATUS_OVERRUN)) != 0) {
        nic.counts.rx_overruns++;
        /* Buffers came back: makes the device look at its ring again. */
        write_register(REG_CONTROL, CONTROL_RX_ENABLE | CONTROL_TX_ENABLE);
    }
    axi_nic_barrier();
    return has_received();
}

static const struct axi_nic_counts *counts(void)
{
    return &nic.counts;
}

const struct axi_nic_driver axi_gem_driver = {
    .start = start,
    .receive = receive,
    .send_buffer = send_buffer,
    .send = send,
    .rearm = rearm,
    .counts = counts,
};
