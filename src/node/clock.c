/* SPDX-License-Identifier: Apache-2.0 */
/* The PTP source of a node, in the daemon's loop: it runs when one of its descriptors or its timer
 * says so, and tells the agent what it made of it. */
#include "node/daemon_internal.h"

#define NS_PER_MS 1000000u
#define WAIT_NS_MAX (500u * NS_PER_MS)

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

static void run(struct axi_node_daemon *daemon);

static void on_timer(uv_timer_t *timer)
{
    run(timer->data);
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    (void)status;
    (void)events;
    run(poll->data);
}

static void run(struct axi_node_daemon *daemon)
{
    struct axi_servo_estimate estimate;
    uint64_t next_ns = UINT64_MAX;
    uint64_t wait_ns = 0;

    if (daemon->is_stopping) {
        return;
    }
    uint32_t happened = axi_clock_source_run(daemon->clock, &next_ns);
    const struct axc_time_local now = {.ns = axi_runtime_clock_ns()};

    axi_clock_source_get(daemon->clock, now.ns, &estimate);
    if (happened != 0) {
        axi_agent_clock(daemon->agent, now, &estimate, axi_clock_source_master(daemon->clock),
                        happened);
        axi_servo_log(AXI_LOG_DEBUG, now.ns, &estimate);
    }
    if ((happened & (AXI_PTP_MASTER_CHANGED | AXI_PTP_MASTER_LOST | AXI_PTP_JUMPED)) != 0) {
        char text[AXI_CLOCK_REASON_BYTES];

        axi_clock_source_describe(daemon->clock, text);
        axi_log(AXI_LOG_WARN, "clock-master", "source=\"%s\" jumped=%d", text,
                (happened & AXI_PTP_JUMPED) != 0);
    }
    if (next_ns > now.ns) {
        wait_ns = next_ns - now.ns < WAIT_NS_MAX ? next_ns - now.ns : WAIT_NS_MAX;
    }
    uv_update_time(&daemon->loop);
    (void)uv_timer_start(&daemon->clock_timer, on_timer, (wait_ns + NS_PER_MS - 1) / NS_PER_MS, 0);
}

int axi_node_clock_open(struct axi_node_daemon *daemon)
{
    const struct axi_clock_local local = {
        .context = daemon, .now_ns = now_ns, .random64 = random64};
    char reason[AXI_CLOCK_REASON_BYTES] = "";
    int fds[AXI_CLOCK_FDS];
    int r;

    if (daemon->options->clock == NULL) {
        return 0;
    }
    r = axi_clock_source_new(daemon->options->clock, &local, &daemon->clock, reason);
    if (r < 0) {
        axi_log(AXI_LOG_ERROR, "clock", "source=\"%s\" error=%s text=\"%s\"",
                daemon->options->clock, axi_error_name(r), reason);
        return r;
    }
    (void)uv_timer_init(&daemon->loop, &daemon->clock_timer);
    daemon->clock_timer.data = daemon;
    daemon->clock_poll_count = (uint32_t)axi_clock_source_fds(daemon->clock, fds);
    for (uint32_t i = 0; i < daemon->clock_poll_count; i++) {
        (void)uv_poll_init(&daemon->loop, &daemon->clock_polls[i], fds[i]);
        daemon->clock_polls[i].data = daemon;
    }
    return 0;
}

void axi_node_clock_start(struct axi_node_daemon *daemon)
{
    for (uint32_t i = 0; i < daemon->clock_poll_count; i++) {
        (void)uv_poll_start(&daemon->clock_polls[i], UV_READABLE, on_readable);
    }
    if (daemon->clock != NULL) {
        run(daemon);
    }
}

void axi_node_clock_close(struct axi_node_daemon *daemon)
{
    for (uint32_t i = 0; i < daemon->clock_poll_count; i++) {
        uv_close((uv_handle_t *)&daemon->clock_polls[i], NULL);
    }
    if (daemon->clock != NULL) {
        uv_close((uv_handle_t *)&daemon->clock_timer, NULL);
    }
}
