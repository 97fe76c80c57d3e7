/* SPDX-License-Identifier: Apache-2.0 */
/* The master's own clock when it follows a grandmaster (axcan-master --clock), as the nodes do. */
#ifndef AXI_MASTER_CLOCK_H
#define AXI_MASTER_CLOCK_H

#include "base/error.h"

#include <stdint.h>
#include <uv.h>

struct axi_master_clock;

/* source: as in sync/clock_source.h. Waits for the first lock, at most 10 s, in the loop, where
 * nothing else may be started yet; from then on time only slews. Errors are logged. */
AXC_MUST_USE int axi_master_clock_new(uv_loop_t *loop, const char *source,
                                      struct axi_master_clock **ret_clock);
uint64_t axi_master_clock_ns(struct axi_master_clock *clock);
void axi_master_clock_close(struct axi_master_clock *clock); /* its handles; the time goes on */
void axi_master_clock_free(struct axi_master_clock *clock);  /* after the loop; NULL is fine */

#endif
