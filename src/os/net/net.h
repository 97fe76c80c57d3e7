/* SPDX-License-Identifier: Apache-2.0 */
/* The node's network: lwIP over the board's network interface. Every function belongs to the server
 * thread; nothing here blocks or waits. */
#ifndef AXI_OS_NET_NET_H
#define AXI_OS_NET_NET_H

#include "base/error.h"
#include "core/boot_config.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What the network dropped, and why; see axi_nic_counts for the device's own. */
struct axi_net_drops {
    uint64_t device;     /* frames too long, damaged, or that the device had no buffer for */
    uint64_t foreign;    /* frames for others, or of a protocol that is not spoken here */
    uint64_t memory;     /* no memory left for a frame that came or went */
    uint64_t malformed;  /* bad length, checksum, version, fragments */
    uint64_t unexpected; /* well formed, but for no connection or port */
};

/* Starts device and stack by config->network, which is not AXI_BOOT_NETWORK_NONE. `wake` is called
 * from the kernel when frames came (with the device's interrupt masked until they were polled).
 * -AXC_ENOENT: the board has no network interface; -AXC_EIO: it does not work. */
AXC_MUST_USE int axi_net_start(const struct axi_boot_config *config, void (*wake)(void *context),
                               void *context);

/* Handles a bounded number of frames and due timers. Returns the local time of the next timer; 0:
 * more frames wait, call again. */
uint64_t axi_net_poll(void);

/* PTP messages of Ethernet (type 0x88F7), from now on given to `take` by axi_net_poll. arrived_ns:
 * local time of the interrupt that told of the frame; 0: nobody knows when it came, since it was
 * found without one or behind another frame. Messages go to the group of all PTP clocks. */
typedef void (*axi_net_ptp)(void *context, const uint8_t *bytes, size_t length,
                            uint64_t arrived_ns);
void axi_net_take_ptp(axi_net_ptp take, void *context);
/* Returns the local time just before the device was told to send; 0: no buffer. */
uint64_t axi_net_send_ptp(const uint8_t *bytes, size_t length);

/* True once the node has its address (at once without DHCP); it is then a.b.c.d in ret_address. */
bool axi_net_address(uint8_t ret_address[4]);
void axi_net_mac(uint8_t ret_mac[6]);
void axi_net_drops(struct axi_net_drops *ret_drops);

/* "a.b.c.d:port" in host byte order, port 1..65535; loopback addresses become what the
 * configuration says. -AXC_EINVALID: anything else; names are not looked up. */
AXC_MUST_USE int axi_net_resolve(const char *text, uint32_t *ret_address, uint16_t *ret_port);
/* "port", 1..65535. -AXC_EINVALID. */
AXC_MUST_USE int axi_net_read_port(const char *text, uint16_t *ret_port);

/* Random numbers of the network (ports, sequence numbers) and the node; seeded by the configuration
 * and the clock: hard to guess from afar, no more. */
void axi_net_seed(uint64_t seed);
uint64_t axi_net_random64(void);

#endif
