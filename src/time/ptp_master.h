/* SPDX-License-Identifier: Apache-2.0 */
/* A grandmaster of IEEE 1588-2008 for benches that have no other: announces itself, sends two-step
 * Syncs, answers Delay_Reqs. It takes no part in the choice of masters and never becomes a slave.
 * Passive: the owner gives it messages with their time stamps and calls tick. All stamps are in the
 * master's own time scale. Freestanding; one context. */
#ifndef AXI_TIME_PTP_MASTER_H
#define AXI_TIME_PTP_MASTER_H

#include "time/ptp_message.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Zeros mean the defaults given. */
struct axi_ptp_master_config {
    uint8_t clock[8];
    uint16_t port; /* 1 */
    uint8_t domain;
    struct axi_ptp_quality quality; /* identity is set from clock */
    bool is_ptp_scale;              /* stamps are TAI; else a scale of its own */
    int16_t utc_offset_s;
    int8_t log_sync, log_announce, log_delay; /* as given: log2 of seconds, -7..4 */
};

struct axi_ptp_master_ops {
    void *context;
    void (*send)(void *context, const uint8_t *bytes, size_t length, bool is_event);
};

struct axi_ptp_master {
    struct axi_ptp_master_config config;
    struct axi_ptp_master_ops ops;
    uint16_t sync_sequence, announce_sequence;
    uint64_t sync_at_ns, announce_at_ns;
    uint64_t requests, malformed; /* counted */
};

/* -AXC_EINVALID: an interval out of range. */
AXC_MUST_USE int axi_ptp_master_init(struct axi_ptp_master *master,
                                     const struct axi_ptp_master_config *config,
                                     const struct axi_ptp_master_ops *ops);

/* A message came in at received_ns; only Delay_Reqs of the own domain matter. */
void axi_ptp_master_message(struct axi_ptp_master *master, const uint8_t *bytes, size_t length,
                            uint64_t received_ns);
/* The Sync with this sequence number left at sent_ns: its Follow_Up goes out. */
void axi_ptp_master_sent(struct axi_ptp_master *master, uint16_t sequence, uint64_t sent_ns);
/* Sends what is due; returns when to call again. now_ns: a clock that never steps. */
uint64_t axi_ptp_master_tick(struct axi_ptp_master *master, uint64_t now_ns);

#endif
