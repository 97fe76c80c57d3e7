/* SPDX-License-Identifier: Apache-2.0 */
#include "master/clock.h"

#include "base/log.h"
#include "net/host.h"
#include "sync/clock_loop.h"

#include <stdbool.h>
#include <stdlib.h>
#include <time.h>

#define LOCK_WAIT_NS 10000000000ull
#define HOST_BOUND_NS                                                                              \
    3600000000000ull /* the host's own setting says nothing of the grandmaster's */

struct axi_master_clock {
    struct axi_timebase timebase;
    struct axi_clock_loop *source;
    bool is_locked, is_serving, is_far;
};

static uint64_t local_ns(void *context)
{
    (void)context;
    return axi_host_clock_ns(CLOCK_BOOTTIME);
}

static uint64_t random64(void *context)
{
    (void)context;
    return axi_host_random();
}

static void heard(void *context, struct axc_time_local now,
                  const struct axi_servo_estimate *estimate, uint64_t master, uint32_t happened)
{
    struct axi_master_clock *clock = context;
    const struct axi_timebase_estimate to = {.master_ns = estimate->master_ns,
                                             .drift_ppb = estimate->rate_ppb,
                                             .bound_ns = estimate->bound_ns,
                                             .growth_ppm = estimate->growth_ppm};

    (void)master;
    if ((happened & AXI_PTP_STATE_CHANGED) != 0) {
        axi_log(AXI_LOG_INFO, "clock-state", "state=%s", axi_servo_state_name(estimate->state));
    }
    clock->is_locked |= estimate->state == AXI_SERVO_LOCKED;
    if (clock->is_locked && (happened & AXI_PTP_UPDATED) != 0) {
        bool is_far = axi_timebase_steer(&clock->timebase, now, &to, !clock->is_serving) > 0;

        if (is_far && !clock->is_far) {
            axi_log(AXI_LOG_ERROR, "clock-jump", "master time is more than 100 ms away; slewing");
        }
        clock->is_far = is_far;
    }
}

int axi_master_clock_new(uv_loop_t *loop, const char *source, struct axi_master_clock **ret_clock)
{
    const struct axi_clock_local local = {.now_ns = local_ns, .random64 = random64};
    struct axi_master_clock *clock = calloc(1, sizeof(*clock));
    uint64_t end_ns = local_ns(NULL) + LOCK_WAIT_NS;

    if (clock == NULL) {
        return -AXC_ENOMEM;
    }
    axi_timebase_init(&clock->timebase);
    (void)axi_timebase_steer(&clock->timebase, (struct axc_time_local){.ns = local_ns(NULL)},
                             &(struct axi_timebase_estimate){
                                 .master_ns = axi_host_clock_ns(CLOCK_TAI),
                                 .bound_ns = HOST_BOUND_NS,
                             },
                             true);
    int r = axi_clock_loop_new(loop, source, &local, heard, clock, &clock->source);

    if (r < 0) {
        free(clock);
        return r;
    }
    axi_clock_loop_start(clock->source);
    while (!clock->is_locked && local_ns(NULL) < end_ns) {
        (void)uv_run(loop, UV_RUN_ONCE);
    }
    if (!clock->is_locked) {
        axi_log(AXI_LOG_WARN, "clock-unlocked",
                "source=\"%s\" text=\"no lock within 10 s: starts with this host's time and slews "
                "later\"",
                source);
    }
    clock->is_serving = true;
    *ret_clock = clock;
    return 0;
}

uint64_t axi_master_clock_ns(struct axi_master_clock *clock)
{
    return axi_time_to_master(&clock->timebase, (struct axc_time_local){.ns = local_ns(NULL)}).ns;
}

void axi_master_clock_close(struct axi_master_clock *clock)
{
    if (clock != NULL) {
        axi_clock_loop_close(clock->source);
    }
}

void axi_master_clock_free(struct axi_master_clock *clock)
{
    free(clock);
}
