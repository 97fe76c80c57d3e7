/* SPDX-License-Identifier: Apache-2.0 */
/* Asks a running ptp4l (linuxptp) how far its clock is from its master's, by PTP management
 * messages (IEEE 1588-2008 clause 15) over its UDS socket. Never blocks. One thread. */
#ifndef AXI_SYNC_PTP4L_H
#define AXI_SYNC_PTP4L_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define AXI_PTP4L_PATH "/var/run/ptp4l"

struct axi_ptp4l;

/* Makes an own socket beside nothing else of the file system (abstract name is not possible with
 * ptp4l: a file in the temporary directory, removed by free). ptp4l answers who asks in its own
 * domain. -AXC_EINVALID (path too long), -AXC_EIO.
 */
AXC_MUST_USE int axi_ptp4l_new(const char *path, uint8_t domain, struct axi_ptp4l **ret_ptp4l);
void axi_ptp4l_free(struct axi_ptp4l *ptp4l); /* NULL is fine */
int axi_ptp4l_fd(const struct axi_ptp4l *ptp4l);

/* Asks for everything below. -AXC_EUNAVAILABLE: nobody listens at the path. */
int axi_ptp4l_ask(struct axi_ptp4l *ptp4l);

/* What ptp4l said last. */
struct axi_ptp4l_status {
    bool has_master;          /* gmPresent */
    bool is_new;              /* master_offset_ns came with the last take */
    int64_t master_offset_ns; /* its clock (CLOCK_REALTIME) minus the master's */
    int64_t path_delay_ns;
    uint8_t grandmaster[8];
    bool is_ptp_scale; /* the master's scale is TAI, ptp4l's clock is UTC */
    int16_t utc_offset_s;
};

/* Reads the answers that are here; true: *ret changed. Anything malformed is ignored. */
bool axi_ptp4l_take(struct axi_ptp4l *ptp4l, struct axi_ptp4l_status *ret);

/* Parses one answer into *status; false: not one of ours. For tests and fuzzing too. */
bool axi_ptp4l_parse(const uint8_t *bytes, size_t length, struct axi_ptp4l_status *status);

#endif
