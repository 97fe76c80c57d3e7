/* SPDX-License-Identifier: Apache-2.0 */
#include "sync/clock_loop.h"

#include "base/log.h"

#include <stdlib.h>

#define NS_PER_MS 1000000u
#define WAIT_NS_MAX (500u * NS_PER_MS)

struct axi_clock_loop {
    struct axi_clock_source *source;
    struct axi_clock_local local;
    axi_clock_heard *heard;
    void *context;
    uv_loop_t *loop;
    uv_timer_t timer;
    uv_poll_t polls[AXI_CLOCK_FDS];
    uint32_t poll_count;
    uint32_t open_handles;
    bool is_closing;
};

static void run(struct axi_clock_loop *clock);

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

static void log_master(const struct axi_clock_loop *clock, uint32_t happened)
{
    char text[AXI_CLOCK_REASON_BYTES];

    if ((happened & (AXI_PTP_MASTER_CHANGED | AXI_PTP_MASTER_LOST | AXI_PTP_JUMPED)) != 0) {
        axi_clock_source_describe(clock->source, text);
        axi_log(AXI_LOG_WARN, "clock-master", "source=\"%s\" jumped=%d", text,
                (happened & AXI_PTP_JUMPED) != 0);
    }
}

static void run(struct axi_clock_loop *clock)
{
    struct axi_servo_estimate estimate;
    uint64_t next_ns = UINT64_MAX;
    uint64_t wait_ns = 0;

    if (clock->is_closing) {
        return;
    }
    uint32_t happened = axi_clock_source_run(clock->source, &next_ns);
    const struct axc_time_local now = {.ns = clock->local.now_ns(clock->local.context)};

    if (happened != 0) {
        axi_clock_source_get(clock->source, now.ns, &estimate);
        clock->heard(clock->context, now, &estimate, axi_clock_source_master(clock->source),
                     happened);
        log_master(clock, happened);
    }
    if (next_ns > now.ns) {
        wait_ns = next_ns - now.ns < WAIT_NS_MAX ? next_ns - now.ns : WAIT_NS_MAX;
    }
    uv_update_time(clock->loop);
    (void)uv_timer_start(&clock->timer, on_timer, (wait_ns + NS_PER_MS - 1) / NS_PER_MS, 0);
}

int axi_clock_loop_new(uv_loop_t *loop, const char *source, const struct axi_clock_local *local,
                       axi_clock_heard *heard, void *context, struct axi_clock_loop **ret_clock)
{
    struct axi_clock_loop *clock = calloc(1, sizeof(*clock));
    char reason[AXI_CLOCK_REASON_BYTES] = "";
    int fds[AXI_CLOCK_FDS];
    int r =
        clock == NULL ? -AXC_ENOMEM : axi_clock_source_new(source, local, &clock->source, reason);

    if (r < 0) {
        axi_log(AXI_LOG_ERROR, "clock", "source=\"%s\" error=%s text=\"%s\"", source,
                axi_error_name(r), reason);
        free(clock);
        return r;
    }
    clock->loop = loop;
    clock->local = *local;
    clock->heard = heard;
    clock->context = context;
    (void)uv_timer_init(loop, &clock->timer);
    clock->timer.data = clock;
    clock->poll_count = (uint32_t)axi_clock_source_fds(clock->source, fds);
    for (uint32_t i = 0; i < clock->poll_count; i++) {
        (void)uv_poll_init(loop, &clock->polls[i], fds[i]);
        clock->polls[i].data = clock;
    }
    clock->open_handles = clock->poll_count + 1;
    *ret_clock = clock;
    return 0;
}

void axi_clock_loop_start(struct axi_clock_loop *clock)
{
    for (uint32_t i = 0; i < clock->poll_count; i++) {
        (void)uv_poll_start(&clock->polls[i], UV_READABLE, on_readable);
    }
    run(clock);
}

static void on_closed(uv_handle_t *handle)
{
    struct axi_clock_loop *clock = handle->data;

    if (--clock->open_handles == 0) {
        axi_clock_source_free(clock->source);
        free(clock);
    }
}

void axi_clock_loop_close(struct axi_clock_loop *clock)
{
    if (clock == NULL || clock->is_closing) {
        return;
    }
    clock->is_closing = true;
    uv_close((uv_handle_t *)&clock->timer, on_closed);
    for (uint32_t i = 0; i < clock->poll_count; i++) {
        uv_close((uv_handle_t *)&clock->polls[i], on_closed);
    }
}
