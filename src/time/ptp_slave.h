/* SPDX-License-Identifier: Apache-2.0 */
/* A slave-only ordinary clock of IEEE 1588-2008: end-to-end delay mechanism, one- and two-step
 * masters, one domain. Chooses the best announced master, pairs Sync with Follow_Up and Delay_Req
 * with Delay_Resp, and feeds the servo. Passive: the owner gives it every message with its time
 * stamp and calls tick; it sends through the port. The same code on bare metal and in axcan-node.
 *
 * All times are local time in ns but for what a message says. Freestanding; one context. */
#ifndef AXI_TIME_PTP_SLAVE_H
#define AXI_TIME_PTP_SLAVE_H

#include "time/ptp_message.h"
#include "time/servo.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define AXI_PTP_FOREIGN_MAX 8u /* masters remembered */
#define AXI_PTP_PENDING 4u     /* Syncs that wait for their Follow_Up */

/* Zeros mean the defaults given. */
struct axi_ptp_slave_config {
    uint8_t clock[8]; /* own identity (axi_ptp_identity) */
    uint16_t port;    /* 1 */
    uint8_t domain;
    uint64_t delay_min_ns, delay_max_ns; /* Delay_Req after Sync: 20 ms, 100 ms */
    struct axi_servo_config servo;
};

struct axi_ptp_port_ops {
    void *context;
    /* Sends one message; event messages are stamped when they leave: axi_ptp_slave_sent. */
    void (*send)(void *context, const uint8_t *bytes, size_t length, bool is_event);
    uint64_t (*random64)(void *context);
};

/* Bits of what happened, for events and logs. */
#define AXI_PTP_STATE_CHANGED 1u /* of the servo */
#define AXI_PTP_MASTER_CHANGED 2u
#define AXI_PTP_MASTER_LOST 4u
#define AXI_PTP_JUMPED 8u   /* the master's clock jumped */
#define AXI_PTP_UPDATED 16u /* the servo took a Sync: steer the timebase */

/* Messages counted by what became of them. */
struct axi_ptp_counters {
    uint64_t syncs, delays;
    uint64_t malformed, foreign_domain, foreign_master, stale, unmatched, refused;
};

struct axi_ptp_foreign {
    bool is_used;
    struct axi_ptp_port port;
    struct axi_ptp_quality quality;
    uint64_t heard_ns, interval_ns;
    uint32_t count; /* Announces in time */
    uint16_t flags;
    int16_t utc_offset_s;
    uint16_t sequence;
};

struct axi_ptp_pending {
    bool is_used, has_sync, has_follow_up;
    uint16_t sequence;
    uint64_t t1_ns, t2_ns;
};

struct axi_ptp_slave {
    struct axi_ptp_slave_config config;
    struct axi_ptp_port_ops ops;
    struct axi_servo servo;
    struct axi_ptp_foreign foreign[AXI_PTP_FOREIGN_MAX];
    int32_t master; /* index in foreign, -1 = none */
    struct axi_ptp_pending pending[AXI_PTP_PENDING];
    bool has_sync_sequence;
    uint16_t sync_sequence; /* of the last Sync used */
    uint16_t delay_sequence;
    bool is_delay_due, is_delay_sent, has_delay_stamp;
    uint64_t delay_at_ns, delay_stamp_ns;
    struct axi_ptp_counters counters;
};

void axi_ptp_slave_init(struct axi_ptp_slave *slave, const struct axi_ptp_slave_config *config,
                        const struct axi_ptp_port_ops *ops);

/* A message came in. received_ns: its time stamp (event messages; else any time of now). Returns
 * AXI_PTP_* bits. Whatever is wrong with it is counted and changes nothing. */
uint32_t axi_ptp_slave_message(struct axi_ptp_slave *slave, const uint8_t *bytes, size_t length,
                               uint64_t received_ns);
/* The Delay_Req with this sequence number left at sent_ns. Call it before any later message. */
void axi_ptp_slave_sent(struct axi_ptp_slave *slave, uint16_t sequence, uint64_t sent_ns);

/* Timers; *ret_next: when to call again at the latest. Returns AXI_PTP_* bits. */
uint32_t axi_ptp_slave_tick(struct axi_ptp_slave *slave, uint64_t now_ns, uint64_t *ret_next);

/* The chosen master; NULL: none. Borrowed until the next call. */
const struct axi_ptp_foreign *axi_ptp_slave_master(const struct axi_ptp_slave *slave);

#endif
