/* SPDX-License-Identifier: Apache-2.0 */
/* Where a Linux node's master time comes from, besides the master's heartbeats:
 *
 *   ptp4l[:PATH][,domain=N]        a running ptp4l, asked at its socket (/var/run/ptp4l)
 *   ptp:INTERFACE[,l2][,domain=N]  this process is the PTP slave, on UDP unless l2
 *
 * Both feed the same servo (time/servo.h), so that state, bound and holdover mean the same. The
 * owner waits for the file descriptors, calls run, and steers its timebase with what get says. One
 * thread; never blocks. */
#ifndef AXI_SYNC_CLOCK_SOURCE_H
#define AXI_SYNC_CLOCK_SOURCE_H

#include "base/error.h"
#include "time/ptp_slave.h"

#include <stddef.h>
#include <stdint.h>

#define AXI_CLOCK_FDS 2u
#define AXI_CLOCK_REASON_BYTES 160u

struct axi_clock_source;

/* The node's local clock, ns; and the local time at which CLOCK_REALTIME showed realtime_ns. */
struct axi_clock_local {
    void *context;
    uint64_t (*now_ns)(void *context);
    uint64_t (*random64)(void *context);
};

/* -AXC_EINVALID (text), -AXC_ENOENT (interface), -AXC_EPERM, -AXC_EIO; ret_reason
 * (AXI_CLOCK_REASON_BYTES) says what to do. A ptp4l that does not answer is no error: it may come.
 */
AXC_MUST_USE int axi_clock_source_new(const char *text, const struct axi_clock_local *local,
                                      struct axi_clock_source **ret_source, char *ret_reason);
void axi_clock_source_free(struct axi_clock_source *source); /* NULL is fine */

/* Fills fds to wait on (readable or in error); returns their number. */
size_t axi_clock_source_fds(const struct axi_clock_source *source, int ret_fds[AXI_CLOCK_FDS]);

/* Takes what has come and does what is due. Returns AXI_PTP_* bits; *ret_next: local time to call
 * again at the latest. */
uint32_t axi_clock_source_run(struct axi_clock_source *source, uint64_t *ret_next);

void axi_clock_source_get(const struct axi_clock_source *source, uint64_t now_local_ns,
                          struct axi_servo_estimate *ret_estimate);

/* Clock identity of the grandmaster it follows, big-endian; 0: nobody. */
uint64_t axi_clock_source_master(const struct axi_clock_source *source);

/* Who it follows: clock identity in hex, "ptp4l ..." or "none". AXI_CLOCK_REASON_BYTES. */
void axi_clock_source_describe(const struct axi_clock_source *source, char *ret_text);

#endif
