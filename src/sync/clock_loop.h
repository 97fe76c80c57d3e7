/* SPDX-License-Identifier: Apache-2.0 */
/* A clock source in a libuv loop: it runs when one of its descriptors or its timer says so. */
#ifndef AXI_SYNC_CLOCK_LOOP_H
#define AXI_SYNC_CLOCK_LOOP_H

#include "sync/clock_source.h"
#include "time/timebase.h"

#include <uv.h>

struct axi_clock_loop;

/* What the source says at local time `now`, whom it follows (0 = nobody), and the AXI_PTP_* bits of
 * what happened. From the loop, and from inside of start. */
typedef void axi_clock_heard(void *context, struct axc_time_local now,
                             const struct axi_servo_estimate *estimate, uint64_t master,
                             uint32_t happened);

/* source: text as in sync/clock_source.h. Errors are logged with their cure. */
AXC_MUST_USE int axi_clock_loop_new(uv_loop_t *loop, const char *source,
                                    const struct axi_clock_local *local, axi_clock_heard *heard,
                                    void *context, struct axi_clock_loop **ret_clock);
void axi_clock_loop_start(struct axi_clock_loop *clock);
/* Nothing is heard any more; the loop frees it when it runs next. NULL is fine. */
void axi_clock_loop_close(struct axi_clock_loop *clock);

#endif
