/* SPDX-License-Identifier: Apache-2.0 */
/* The bare-metal network on the host: driver and kernel beneath net.c made of memory. Every frame
 * sent comes back, so the node talks to itself, through driver interface, ARP, IP and TCP. The
 * clock is the test's. Included by one file of a program. */
#ifndef AXI_OS_NET_WIRE_SIM_H
#define AXI_OS_NET_WIRE_SIM_H

#include "os/board/board.h"
#include "os/drivers/nic.h"
#include "os/kernel/kernel.h"
#include "os/net/net.h"
#include "os/net/stream.h"

#include <stdlib.h>
#include <string.h>

#define NS_PER_MS 1000000ull
#define WIRE_PORT 7100u
#define WIRE_SELF "10.0.2.15:7100"
#define FRAMES 512u

static struct {
    uint8_t bytes[AXI_NIC_FRAME_BYTES];
    size_t count;
} wire[FRAMES];
static uint32_t wire_head, wire_tail;
static uint32_t lose_every; /* 0: none; UINT32_MAX: all */
static uint32_t sent;
static uint64_t clock_ns = NS_PER_MS;
static bool is_irq_on;
static axi_irq_handler irq_handler;
static struct axi_nic_counts counts;

static int wire_start(const struct axi_board_nic *where, const uint8_t *mac,
                      uint8_t ret_mac[AXI_NIC_MAC_BYTES], uint32_t *ret_intid)
{
    static const uint8_t own[AXI_NIC_MAC_BYTES] = {0x52, 0x54, 0, 0x12, 0x34, 0x56};

    (void)where;
    memcpy(ret_mac, mac != NULL ? mac : own, AXI_NIC_MAC_BYTES);
    *ret_intid = 79;
    return 0;
}

static size_t wire_receive(uint8_t *frame)
{
    if (wire_tail == wire_head) {
        return 0;
    }
    size_t bytes = wire[wire_tail % FRAMES].count;

    memcpy(frame, wire[wire_tail % FRAMES].bytes, bytes);
    wire_tail++;
    return bytes;
}

static uint8_t *wire_send_buffer(void)
{
    return wire_head - wire_tail < FRAMES ? wire[wire_head % FRAMES].bytes : NULL;
}

static void wire_send(size_t bytes)
{
    sent++;
    if (lose_every == 0 || (lose_every != UINT32_MAX && sent % lose_every != 0)) {
        wire[wire_head++ % FRAMES].count = bytes;
    }
}

static bool wire_rearm(void)
{
    return wire_tail != wire_head;
}

static const struct axi_nic_counts *wire_counts(void)
{
    return &counts;
}

static const struct axi_nic_driver wire_driver = {
    .start = wire_start,
    .receive = wire_receive,
    .send_buffer = wire_send_buffer,
    .send = wire_send,
    .rearm = wire_rearm,
    .counts = wire_counts,
};

/* ---- the kernel ---- */

const struct axi_board axi_board = {.name = "test", .nic = {.driver = &wire_driver}};

uint64_t axi_clock_ns(void)
{
    return clock_ns;
}

uint64_t axi_clock_ticks(void)
{
    return clock_ns;
}

void axi_irq_attach(uint32_t intid, axi_irq_handler handler, void *argument)
{
    (void)argument;
    irq_handler = handler;
    is_irq_on = intid == 79;
}

void axi_irq_enable(uint32_t intid)
{
    is_irq_on = intid == 79;
}

void axi_irq_disable(uint32_t intid)
{
    is_irq_on = is_irq_on && intid != 79;
}

void axi_panic(const char *format, ...)
{
    (void)format;
    abort();
}

/* ---- start and time ---- */

static void wire_wake(void *context)
{
    (void)context;
}

/* The node is 10.0.2.15; 127.x.y.z is, too. */
static int wire_start_network(const struct axi_stream_handler *handler)
{
    static struct axi_boot_config config;
    static const uint8_t self[4] = {10, 0, 2, 15};

    axi_boot_config_init(&config);
    config.network = AXI_BOOT_NETWORK_STATIC;
    memcpy(config.address, self, sizeof(self));
    memcpy(config.loopback, self, sizeof(self));
    config.prefix = 24;
    config.seed = 1;
    int r = axi_net_start(&config, wire_wake, NULL);

    return r < 0 ? r : axi_streams_start(handler, WIRE_PORT);
}

/* So much time goes by, in steps of 10 ms. */
static void wire_run_ms(uint32_t ms)
{
    for (uint32_t i = 0; i < ms; i += 10) {
        for (int turn = 0; turn < 20; turn++) {
            (void)axi_net_poll();
            (void)axi_streams_poll(clock_ns);
        }
        clock_ns += 10 * NS_PER_MS;
    }
}

#endif
