/* SPDX-License-Identifier: Apache-2.0 */
#include "net/tick.h"

#include "net/host.h"

#include <time.h>

#define NS_PER_MS 1000000u
#define WAIT_MS_MAX 1000u

static void on_timer(uv_timer_t *timer)
{
    axi_tick_want(timer->data);
}

static void on_due(uv_idle_t *due)
{
    (void)due; /* that it is active is enough */
}

static void on_end(uv_check_t *end)
{
    struct axi_tick *tick = end->data;

    if (!uv_is_active((uv_handle_t *)&tick->due)) {
        return;
    }
    (void)uv_idle_stop(&tick->due);
    uint64_t next_ns = tick->run(tick->context);
    uint64_t now_ns = axi_host_clock_ns(CLOCK_BOOTTIME);
    uint64_t wait_ns = next_ns > now_ns ? next_ns - now_ns : 0;
    uint64_t wait_ms = wait_ns / NS_PER_MS + (wait_ns % NS_PER_MS != 0);

    if (!uv_is_closing((uv_handle_t *)&tick->timer)) {
        uv_update_time(tick->timer.loop);
        (void)uv_timer_start(&tick->timer, on_timer, wait_ms < WAIT_MS_MAX ? wait_ms : WAIT_MS_MAX,
                             0);
    }
}

void axi_tick_init(struct axi_tick *tick, uv_loop_t *loop, uint64_t (*run)(void *context),
                   void *context)
{
    *tick = (struct axi_tick){.run = run, .context = context};
    (void)uv_timer_init(loop, &tick->timer);
    (void)uv_idle_init(loop, &tick->due);
    (void)uv_check_init(loop, &tick->end);
    tick->timer.data = tick->end.data = tick;
    (void)uv_check_start(&tick->end, on_end);
    axi_tick_want(tick);
}

void axi_tick_want(struct axi_tick *tick)
{
    if (!uv_is_closing((uv_handle_t *)&tick->due)) {
        (void)uv_idle_start(&tick->due, on_due);
    }
}

void axi_tick_close(struct axi_tick *tick)
{
    uv_close((uv_handle_t *)&tick->timer, NULL);
    uv_close((uv_handle_t *)&tick->due, NULL);
    uv_close((uv_handle_t *)&tick->end, NULL);
}
