/* SPDX-License-Identifier: Apache-2.0 */
/* The PTP source of a node tells the agent what it hears. */
#include "node/daemon_internal.h"

static uint64_t now_ns(void *context)
{
    (void)context;
    return axi_runtime_clock_ns();
}

static uint64_t random64(void *context)
{
    (void)context;
    return axi_host_random();
}

static void heard(void *context, struct axc_time_local now,
                  const struct axi_servo_estimate *estimate, uint64_t master, uint32_t happened)
{
    struct axi_node_daemon *daemon = context;

    axi_agent_clock(daemon->agent, now, estimate, master, happened);
    axi_servo_log(AXI_LOG_DEBUG, now.ns, estimate);
}

int axi_node_clock_open(struct axi_node_daemon *daemon)
{
    const struct axi_clock_local local = {
        .context = daemon, .now_ns = now_ns, .random64 = random64};

    return daemon->options->clock == NULL
               ? 0
               : axi_clock_loop_new(&daemon->loop, daemon->options->clock, &local, heard, daemon,
                                    &daemon->clock);
}
