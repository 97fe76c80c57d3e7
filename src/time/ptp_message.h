/* SPDX-License-Identifier: Apache-2.0 */
/* Messages of the precision time protocol, IEEE 1588-2008 (version 2), as an end-to-end ordinary
 * clock uses them: Announce, Sync, Follow_Up, Delay_Req, Delay_Resp. The same bytes travel in
 * Ethernet frames of type 0x88F7 and in UDP datagrams. Freestanding; any context; nothing kept. */
#ifndef AXI_TIME_PTP_MESSAGE_H
#define AXI_TIME_PTP_MESSAGE_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define AXI_PTP_ETHERTYPE 0x88F7u
#define AXI_PTP_EVENT_PORT 319u   /* Sync, Delay_Req: what is time-stamped */
#define AXI_PTP_GENERAL_PORT 320u /* the rest */
#define AXI_PTP_GROUP 0xE0000181u /* 224.0.1.129 */
#define AXI_PTP_BYTES_MAX 64u     /* of what axi_ptp_encode writes */

enum axi_ptp_type {
    AXI_PTP_SYNC = 0,
    AXI_PTP_DELAY_REQ = 1,
    AXI_PTP_FOLLOW_UP = 8,
    AXI_PTP_DELAY_RESP = 9,
    AXI_PTP_ANNOUNCE = 11,
};

#define AXI_PTP_FLAG_TWO_STEP 0x0200u
#define AXI_PTP_FLAG_LEAP_61 0x0001u
#define AXI_PTP_FLAG_LEAP_59 0x0002u
#define AXI_PTP_FLAG_UTC_VALID 0x0004u
#define AXI_PTP_FLAG_PTP_TIMESCALE 0x0008u /* else the scale is the master's own */

struct axi_ptp_port {
    uint8_t clock[8]; /* EUI-64 */
    uint16_t number;  /* 1.. */
};

/* What an Announce says of its grandmaster; smaller is better, field by field in this order. */
struct axi_ptp_quality {
    uint8_t priority1, clock_class, accuracy;
    uint16_t variance;
    uint8_t priority2;
    uint8_t identity[8];
    uint16_t steps_removed;
};

struct axi_ptp_message {
    uint8_t type; /* enum axi_ptp_type */
    uint8_t domain;
    uint16_t flags;     /* AXI_PTP_FLAG_* */
    int64_t correction; /* ns * 2^16 */
    struct axi_ptp_port source;
    uint16_t sequence;
    int8_t log_interval;
    uint64_t timestamp_ns;          /* since the scale's epoch; Announce: not used */
    struct axi_ptp_port requesting; /* Delay_Resp */
    struct axi_ptp_quality quality; /* Announce */
    int16_t utc_offset_s;           /* Announce */
    uint8_t time_source;            /* Announce */
};

/* True for the types that carry a hardware or kernel time stamp of their sending. */
static inline bool axi_ptp_is_event(uint8_t type)
{
    return type == AXI_PTP_SYNC || type == AXI_PTP_DELAY_REQ;
}

/* Reads one message; bytes behind its own length (Ethernet padding, TLVs) are ignored.
 * -AXC_EPTP_{TRUNCATED,VERSION,TYPE,TIMESTAMP,IDENTITY}; *ret is untouched then. */
AXC_MUST_USE int axi_ptp_decode(const uint8_t *bytes, size_t length, struct axi_ptp_message *ret);

/* Writes one message; returns its length. buffer: AXI_PTP_BYTES_MAX. */
size_t axi_ptp_encode(const struct axi_ptp_message *message, uint8_t *buffer);

/* EUI-64 of a MAC address: 3 bytes, ff fe, 3 bytes. */
void axi_ptp_identity(const uint8_t mac[6], uint8_t ret_clock[8]);

bool axi_ptp_port_equal(const struct axi_ptp_port *a, const struct axi_ptp_port *b);

/* < 0: a is the better grandmaster; 0: the same. */
int axi_ptp_compare(const struct axi_ptp_quality *a, const struct axi_ptp_quality *b);

#endif
