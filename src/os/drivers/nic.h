/* SPDX-License-Identifier: Apache-2.0 */
/* The network interface, as every driver shows it: frames in, frames out, polled. The board names
 * its driver and says where the device is; there is one device.
 *
 * Interrupts. The device raises its line for received frames only. The line's handler masks it at
 * the interrupt controller and wakes the server, nothing else; the server polls until nothing is
 * left, then calls `rearm` and unmasks the line. So a storm of frames costs one interrupt for
 * each time the server is allowed to run, whatever its rate. All functions: the server's context.
 *
 * Robustness: nothing the device or a peer sends makes a driver write outside its buffers; frames
 * that do not fit are dropped and counted. */
#ifndef AXI_OS_DRIVERS_NIC_H
#define AXI_OS_DRIVERS_NIC_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define AXI_NIC_MAC_BYTES 6u
#define AXI_NIC_FRAME_BYTES 1514u /* Ethernet header and 1500 bytes, without checksum */

struct axi_nic_counts {
    uint64_t received, sent;
    uint64_t rx_oversize; /* frames longer than AXI_NIC_FRAME_BYTES, or in pieces */
    uint64_t rx_errors;   /* frames or descriptors that the device marked bad, or made no sense */
    uint64_t rx_overruns; /* times that the device had no buffer for a frame, if it tells */
    uint64_t tx_busy;     /* frames not sent: no descriptor free */
};

struct axi_board_nic; /* os/board/board.h */

struct axi_nic_driver {
    /* Finds and starts the device. mac: address to take, or NULL for the device's own. *ret_intid:
     * its interrupt. -AXC_ENOENT (no device), -AXC_EIO (it does not answer as it should). Once. */
    int (*start)(const struct axi_board_nic *where, const uint8_t *mac,
                 uint8_t ret_mac[AXI_NIC_MAC_BYTES], uint32_t *ret_intid);
    /* Copies the oldest received frame into `frame` (AXI_NIC_FRAME_BYTES) and gives its buffer back
     * to the device; 0: none is waiting. */
    size_t (*receive)(uint8_t *frame);
    /* A buffer for a frame of up to AXI_NIC_FRAME_BYTES, or NULL (all in use, counted); what was
     * written there goes out with `send`, before anything else is called. */
    uint8_t *(*send_buffer)(void);
    void (*send)(size_t bytes);
    /* Lets the device raise its line again; true: frames came meanwhile, poll on. */
    bool (*rearm)(void);
    const struct axi_nic_counts *(*counts)(void);
};

extern const struct axi_nic_driver axi_virtio_net_driver;
extern const struct axi_nic_driver axi_gem_driver;

/* What was written to memory is there for the device before whatever is written next, and what the
 * device wrote before is read after. */
static inline void axi_nic_barrier(void)
{
    __asm__ volatile("dmb osh" ::: "memory");
}

#endif
