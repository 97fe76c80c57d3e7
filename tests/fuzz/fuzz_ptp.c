/* SPDX-License-Identifier: Apache-2.0 */
/* PTP messages of any content, in any order, to slave and grandmaster: nothing crashes, what is
 * decoded can be encoded again, and the clock that tasks see never goes back. */
#include "fuzz/fuzz.h"

#include "time/ptp_master.h"
#include "time/ptp_slave.h"
#include "time/timebase.h"

#include <stdlib.h>
#include <string.h>

struct world {
    struct axi_ptp_slave slave;
    struct axi_ptp_master master;
    struct axi_timebase timebase;
    uint64_t now, last, random;
};

static void send(void *context, const uint8_t *bytes, size_t length, bool is_event)
{
    struct world *w = context;

    if (is_event) {
        axi_ptp_slave_sent(&w->slave, (uint16_t)(bytes[30] << 8 | bytes[31]), w->now);
    }
    if (length > AXI_PTP_BYTES_MAX) {
        abort();
    }
}

static uint64_t random64(void *context)
{
    return ((struct world *)context)->random++;
}

static void check_encoding(const uint8_t *bytes, size_t length)
{
    struct axi_ptp_message m;
    struct axi_ptp_message again;
    uint8_t out[AXI_PTP_BYTES_MAX];

    if (axi_ptp_decode(bytes, length, &m) == 0 &&
        (axi_ptp_decode(out, axi_ptp_encode(&m, out), &again) != 0 ||
         again.timestamp_ns != m.timestamp_ns || again.correction != m.correction)) {
        abort();
    }
}

static void follow(struct world *w)
{
    struct axi_servo_estimate e;
    struct axc_time_local now = {w->now};
    uint64_t master;

    axi_servo_estimate(&w->slave.servo, w->now, &e);
    (void)axi_timebase_steer(
        &w->timebase, now,
        &(struct axi_timebase_estimate){e.master_ns, e.rate_ppb, e.bound_ns, e.growth_ppm}, false);
    master = axi_time_to_master(&w->timebase, now).ns;
    if (axi_time_bound_ns(&w->timebase, now) != UINT64_MAX) {
        if (master < w->last) {
            abort();
        }
        w->last = master;
    }
}

/* Input: pieces of {time step, length, bytes}. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct world w = {.now = 1000000000000ull};
    const struct axi_ptp_slave_config slave = {.clock = {1, 2, 3, 4, 5, 6, 7, 8}};
    const struct axi_ptp_master_config master = {.clock = {8, 7, 6, 5, 4, 3, 2, 1}};
    uint64_t next = 0;

    axi_ptp_slave_init(&w.slave, &slave, &(struct axi_ptp_port_ops){&w, send, random64});
    if (axi_ptp_master_init(&w.master, &master, &(struct axi_ptp_master_ops){&w, send}) != 0) {
        abort();
    }
    axi_timebase_init(&w.timebase);
    while (size > 2) {
        size_t length = data[1] % 80u;

        length = length < size - 2 ? length : size - 2;
        w.now += (uint64_t)data[0] * 1000000u;
        check_encoding(data + 2, length);
        if ((axi_ptp_slave_message(&w.slave, data + 2, length, w.now) & AXI_PTP_UPDATED) != 0) {
            follow(&w);
        }
        axi_ptp_master_message(&w.master, data + 2, length, w.now);
        (void)axi_ptp_slave_tick(&w.slave, w.now, &next);
        (void)axi_ptp_master_tick(&w.master, w.now);
        data += 2 + length;
        size -= 2 + length;
    }
    return 0;
}
