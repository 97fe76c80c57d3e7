/* SPDX-License-Identifier: Apache-2.0 */
/* virtio-net over MMIO, version 1 (legacy) and 2 (virtio 1.1, sections 4.2 and 5.1). Negotiates the
 * MAC address and, in version 2, VERSION_1; one receive and one transmit queue, each a ring of
 * fixed buffers: descriptor i owns buffer i for ever. */
#include "os/board/board.h"
#include "os/drivers/nic.h"
#include "os/kernel/memory.h"

#include <stdatomic.h>
#include <string.h>

enum {
    REG_MAGIC = 0x000,
    REG_VERSION = 0x004,
    REG_DEVICE = 0x008,
    REG_DEVICE_FEATURES = 0x010,
    REG_DEVICE_FEATURES_SELECT = 0x014,
    REG_DRIVER_FEATURES = 0x020,
    REG_DRIVER_FEATURES_SELECT = 0x024,
    REG_GUEST_PAGE_SIZE = 0x028, /* version 1 */
    REG_QUEUE_SELECT = 0x030,
    REG_QUEUE_SIZE_MAX = 0x034,
    REG_QUEUE_SIZE = 0x038,
    REG_QUEUE_ALIGN = 0x03c, /* version 1 */
    REG_QUEUE_PFN = 0x040,   /* version 1 */
    REG_QUEUE_READY = 0x044,
    REG_QUEUE_NOTIFY = 0x050,
    REG_INTERRUPT_STATUS = 0x060,
    REG_INTERRUPT_ACK = 0x064,
    REG_STATUS = 0x070,
    REG_QUEUE_DESC = 0x080,
    REG_QUEUE_DRIVER = 0x090,
    REG_QUEUE_DEVICE = 0x0a0,
    REG_CONFIG = 0x100
};

#define MAGIC 0x74726976u
#define DEVICE_NET 1u

#define STATUS_ACKNOWLEDGE 1u
#define STATUS_DRIVER 2u
#define STATUS_DRIVER_OK 4u
#define STATUS_FEATURES_OK 8u

#define FEATURE_MAC (1u << 5)
#define FEATURE_VERSION_1 (1u << 0) /* of the second word */

#define DESC_WRITE 2u
#define AVAIL_NO_INTERRUPT 1u

#define QUEUE_RX 0u
#define QUEUE_TX 1u
#define ENTRIES 64u
#define BUFFER_BYTES 2048u
#define HEADER_BYTES_V1 10u
#define HEADER_BYTES_V2 12u
#define PAGE_BYTES 4096u

struct descriptor {
    uint64_t address;
    uint32_t bytes;
    uint16_t flags;
    uint16_t next;
};

struct used_entry {
    uint32_t id;
    uint32_t bytes;
};

/* The layout version 1 demands; version 2 takes it as well. */
struct queue_memory {
    struct descriptor descriptors[ENTRIES];
    struct {
        uint16_t flags;
        _Atomic uint16_t index;
        uint16_t ring[ENTRIES];
    } avail;
    struct {
        _Alignas(PAGE_BYTES) uint16_t flags;
        _Atomic uint16_t index;
        struct used_entry ring[ENTRIES];
    } used;
    uint8_t buffers[ENTRIES][BUFFER_BYTES];
};

struct queue {
    struct queue_memory *memory;
    uint16_t available; /* buffers given to the device so far */
    uint16_t seen;      /* used entries taken so far */
};

static _Alignas(PAGE_BYTES) struct queue_memory rx_memory, tx_memory;

static struct {
    uint64_t base; /* physical */
    uint32_t version;
    uint32_t header_bytes;
    struct queue rx, tx;
    uint16_t tx_free[ENTRIES]; /* the first tx_free_count: buffers that are ours */
    uint16_t tx_free_count;
    bool has_returned; /* receive buffers were given back since the device was told */
    struct axi_nic_counts counts;
} nic;

static uint8_t read_config_byte(uint32_t offset)
{
    return *(volatile uint8_t *)axi_at_physical(nic.base + REG_CONFIG + offset);
}

static void write_register(uint32_t offset, uint32_t value)
{
    axi_device_write(nic.base + offset, value);
}

static void write_address(uint32_t offset, const void *memory, size_t skip)
{
    uint64_t address = axi_physical(memory) + skip;

    write_register(offset, (uint32_t)address);
    write_register(offset + 4, (uint32_t)(address >> 32));
}

static int start_queue(uint32_t number, struct queue *queue, struct queue_memory *memory)
{
    memset(memory, 0, sizeof(*memory));
    *queue = (struct queue){.memory = memory};
    write_register(REG_QUEUE_SELECT, number);
    if (axi_device_read(nic.base + REG_QUEUE_SIZE_MAX) < ENTRIES) {
        return -AXC_EIO;
    }
    write_register(REG_QUEUE_SIZE, ENTRIES);
    for (uint32_t i = 0; i < ENTRIES; i++) {
        memory->descriptors[i] = (struct descriptor){
            .address = axi_physical(memory->buffers[i]),
            .bytes = BUFFER_BYTES,
            .flags = number == QUEUE_RX ? DESC_WRITE : 0,
        };
    }
    if (nic.version == 1) {
        write_register(REG_QUEUE_ALIGN, PAGE_BYTES);
        write_register(REG_QUEUE_PFN, (uint32_t)(axi_physical(memory) / PAGE_BYTES));
        return 0;
    }
    write_address(REG_QUEUE_DESC, memory, 0);
    write_address(REG_QUEUE_DRIVER, memory, offsetof(struct queue_memory, avail));
    write_address(REG_QUEUE_DEVICE, memory, offsetof(struct queue_memory, used));
    write_register(REG_QUEUE_READY, 1);
    return 0;
}

static int negotiate(void)
{
    write_register(REG_STATUS, 0);
    write_register(REG_STATUS, STATUS_ACKNOWLEDGE);
    write_register(REG_STATUS, STATUS_ACKNOWLEDGE | STATUS_DRIVER);
    write_register(REG_DEVICE_FEATURES_SELECT, 0);
    uint32_t offered = axi_device_read(nic.base + REG_DEVICE_FEATURES);

    write_register(REG_DRIVER_FEATURES_SELECT, 0);
    write_register(REG_DRIVER_FEATURES, offered & FEATURE_MAC);
    if (nic.version == 1) {
        write_register(REG_GUEST_PAGE_SIZE, PAGE_BYTES);
        return 0;
    }
    write_register(REG_DRIVER_FEATURES_SELECT, 1);
    write_register(REG_DRIVER_FEATURES, FEATURE_VERSION_1);
    write_register(REG_STATUS, STATUS_ACKNOWLEDGE | STATUS_DRIVER | STATUS_FEATURES_OK);
    return (axi_device_read(nic.base + REG_STATUS) & STATUS_FEATURES_OK) != 0 ? 0 : -AXC_EIO;
}

static void make_available(struct queue *queue, uint16_t slot)
{
    struct queue_memory *memory = queue->memory;

    memory->avail.ring[queue->available % ENTRIES] = slot;
    queue->available++;
    atomic_store_explicit(&memory->avail.index, queue->available, memory_order_release);
    axi_nic_barrier();
}

static bool find_device(const struct axi_board_nic *where, uint32_t *ret_intid)
{
    for (uint32_t i = 0; i < where->count; i++) {
        uint64_t base = where->base + i * where->stride;
        uint32_t version = axi_device_read(base + REG_VERSION);

        if (axi_device_read(base + REG_MAGIC) == MAGIC && (version == 1 || version == 2) &&
            axi_device_read(base + REG_DEVICE) == DEVICE_NET) {
            nic.base = base;
            nic.version = version;
            nic.header_bytes = version == 1 ? HEADER_BYTES_V1 : HEADER_BYTES_V2;
            *ret_intid = where->first_intid + i * where->intid_stride;
            return true;
        }
    }
    return false;
}

static int start(const struct axi_board_nic *where, const uint8_t *mac,
                 uint8_t ret_mac[AXI_NIC_MAC_BYTES], uint32_t *ret_intid)
{
    if (!find_device(where, ret_intid)) {
        return -AXC_ENOENT;
    }
    int r = negotiate();

    r = r < 0 ? r : start_queue(QUEUE_RX, &nic.rx, &rx_memory);
    r = r < 0 ? r : start_queue(QUEUE_TX, &nic.tx, &tx_memory);
    if (r < 0) {
        write_register(REG_STATUS, 0);
        return r;
    }
    for (unsigned i = 0; i < AXI_NIC_MAC_BYTES; i++) {
        ret_mac[i] = mac != NULL ? mac[i] : read_config_byte(i);
    }
    tx_memory.avail.flags = AVAIL_NO_INTERRUPT;
    for (uint16_t i = 0; i < ENTRIES; i++) {
        make_available(&nic.rx, i);
        nic.tx_free[i] = i;
    }
    nic.tx_free_count = ENTRIES;
    write_register(REG_STATUS, axi_device_read(nic.base + REG_STATUS) | STATUS_DRIVER_OK);
    write_register(REG_QUEUE_NOTIFY, QUEUE_RX);
    return 0;
}

static bool has_used(const struct queue *queue)
{
    return atomic_load_explicit(&queue->memory->used.index, memory_order_acquire) != queue->seen;
}

static size_t receive(uint8_t *frame)
{
    struct queue_memory *memory = nic.rx.memory;

    while (has_used(&nic.rx)) {
        struct used_entry entry = memory->used.ring[nic.rx.seen % ENTRIES];
        size_t bytes = 0;

        nic.rx.seen++;
        if (entry.id >= ENTRIES) {
            nic.counts.rx_errors++; /* no buffer of ours: nothing to give back */
            continue;
        }
        if (entry.bytes <= nic.header_bytes || entry.bytes > BUFFER_BYTES) {
            nic.counts.rx_errors++;
        } else if (entry.bytes - nic.header_bytes > AXI_NIC_FRAME_BYTES) {
            nic.counts.rx_oversize++;
        } else {
            bytes = entry.bytes - nic.header_bytes;
            memcpy(frame, memory->buffers[entry.id] + nic.header_bytes, bytes);
            nic.counts.received++;
        }
        make_available(&nic.rx, (uint16_t)entry.id);
        nic.has_returned = true;
        if (bytes > 0) {
            return bytes;
        }
    }
    return 0;
}

static uint8_t *send_buffer(void)
{
    struct queue *tx = &nic.tx;

    while (has_used(tx) && nic.tx_free_count < ENTRIES) {
        nic.tx_free[nic.tx_free_count] =
            (uint16_t)(tx->memory->used.ring[tx->seen % ENTRIES].id % ENTRIES);
        nic.tx_free_count++;
        tx->seen++;
    }
    if (nic.tx_free_count == 0) {
        nic.counts.tx_busy++;
        return NULL;
    }
    return tx->memory->buffers[nic.tx_free[nic.tx_free_count - 1]] + nic.header_bytes;
}

static void send(size_t bytes)
{
    struct queue_memory *memory = nic.tx.memory;
    uint16_t slot = nic.tx_free[--nic.tx_free_count];

    memset(memory->buffers[slot], 0, nic.header_bytes);
    memory->descriptors[slot].bytes = (uint32_t)(bytes + nic.header_bytes);
    make_available(&nic.tx, slot);
    write_register(REG_QUEUE_NOTIFY, QUEUE_TX);
    nic.counts.sent++;
}

static bool rearm(void)
{
    write_register(REG_INTERRUPT_ACK, axi_device_read(nic.base + REG_INTERRUPT_STATUS));
    if (nic.has_returned) {
        write_register(REG_QUEUE_NOTIFY, QUEUE_RX);
        nic.has_returned = false;
    }
    axi_nic_barrier();
    return has_used(&nic.rx);
}

static const struct axi_nic_counts *counts(void)
{
    return &nic.counts;
}

const struct axi_nic_driver axi_virtio_net_driver = {
    .start = start,
    .receive = receive,
    .send_buffer = send_buffer,
    .send = send,
    .rearm = rearm,
    .counts = counts,
};
