/* SPDX-License-Identifier: Apache-2.0 */
#include "runax/monitor/pump.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

enum { GUEST = 0, IN = 1, OUT = 2 };

void axi_pump_init(struct axi_pump *pump, int guest_fd, int in_fd, int out_fd)
{
    memset(pump, 0, sizeof(*pump));
    pump->guest_fd = guest_fd;
    pump->in_fd = guest_fd >= 0 ? in_fd : -1;
    pump->out_fd = out_fd;
}

void axi_pump_poll(const struct axi_pump *pump, struct pollfd *ret_polls)
{
    short guest_events = POLLIN;
    if (pump->in_used > 0) {
        guest_events |= POLLOUT;
    }
    ret_polls[GUEST] = (struct pollfd){.fd = pump->guest_fd, .events = guest_events};
    ret_polls[IN] = (struct pollfd){.fd = pump->in_used == 0 ? pump->in_fd : -1, .events = POLLIN};
    ret_polls[OUT] =
        (struct pollfd){.fd = pump->out_used > 0 ? pump->out_fd : -1, .events = POLLOUT};
}

static void append(struct axi_pump *pump, const char *data, uint32_t bytes)
{
    if (pump->out_start + pump->out_used + bytes > sizeof(pump->out)) {
        memmove(pump->out, pump->out + pump->out_start, pump->out_used);
        pump->out_start = 0;
    }
    memcpy(pump->out + pump->out_start + pump->out_used, data, bytes);
    pump->out_used += bytes;
}

static uint32_t room(const struct axi_pump *pump)
{
    return (uint32_t)sizeof(pump->out) - pump->out_used;
}

/* Says what was lost, once there is room again. */
static bool mark_lost(struct axi_pump *pump)
{
    char mark[80];
    if (pump->lost == 0 || room(pump) < sizeof(pump->out) / 2) {
        return pump->lost == 0;
    }
    int n =
        snprintf(mark, sizeof(mark), "\n[runax: %" PRIu64 " bytes of output lost]\n", pump->lost);
    append(pump, mark, (uint32_t)n);
    pump->lost = 0;
    return true;
}

static void take_output(struct axi_pump *pump, const char *data, uint32_t bytes)
{
    if (pump->out_fd < 0) {
        return;
    }
    uint32_t fits = 0;
    if (mark_lost(pump)) {
        fits = bytes < room(pump) ? bytes : room(pump);
        append(pump, data, fits);
    }
    pump->lost += bytes - fits;
}

static bool read_guest(struct axi_pump *pump)
{
    char data[4096];
    ssize_t n = read(pump->guest_fd, data, sizeof(data));
    if (n > 0) {
        take_output(pump, data, (uint32_t)n);
        return true;
    }
    if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
        pump->guest_fd = -1;
        pump->in_fd = -1;
        pump->in_used = 0;
    }
    return false;
}

static void write_out(struct axi_pump *pump)
{
    /* A writable pipe takes PIPE_BUF bytes without blocking; the fd may not be set non-blocking, it
     * is shared with the engine. */
    uint32_t bytes = pump->out_used < PIPE_BUF ? pump->out_used : PIPE_BUF;
    ssize_t n = write(pump->out_fd, pump->out + pump->out_start, bytes);
    if (n > 0) {
        pump->out_start += (uint32_t)n;
        pump->out_used -= (uint32_t)n;
    } else if (n < 0 && errno != EAGAIN && errno != EINTR) {
        pump->out_fd = -1;
        pump->out_used = 0;
    }
    if (pump->out_used == 0) {
        pump->out_start = 0;
    }
    (void)mark_lost(pump);
}

static void read_in(struct axi_pump *pump)
{
    ssize_t n = read(pump->in_fd, pump->in, sizeof(pump->in));
    if (n > 0) {
        pump->in_start = 0;
        pump->in_used = (uint32_t)n;
    } else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
        pump->in_fd = -1;
    }
}

static void write_guest(struct axi_pump *pump)
{
    ssize_t n = write(pump->guest_fd, pump->in + pump->in_start, pump->in_used);
    if (n > 0) {
        pump->in_start += (uint32_t)n;
        pump->in_used -= (uint32_t)n;
    } else if (n < 0 && errno != EAGAIN && errno != EINTR) {
        pump->in_used = 0;
    }
}

bool axi_pump_run(struct axi_pump *pump, const struct pollfd *polls)
{
    bool has_output = false;
    if (polls[OUT].fd >= 0 && polls[OUT].revents != 0 && pump->out_fd >= 0) {
        write_out(pump);
    }
    if (polls[GUEST].fd >= 0 && (polls[GUEST].revents & (POLLIN | POLLHUP | POLLERR)) != 0) {
        has_output = read_guest(pump);
    }
    if (polls[GUEST].fd >= 0 && (polls[GUEST].revents & POLLOUT) != 0 && pump->guest_fd >= 0) {
        write_guest(pump);
    }
    if (polls[IN].fd >= 0 && polls[IN].revents != 0 && pump->in_fd >= 0) {
        read_in(pump);
    }
    return has_output;
}

void axi_pump_drain(struct axi_pump *pump, int timeout_ms)
{
    struct timespec start;
    (void)clock_gettime(CLOCK_MONOTONIC, &start);
    pump->in_fd = -1;
    pump->in_used = 0;
    while (pump->guest_fd >= 0 || pump->out_used > 0) {
        struct timespec now;
        (void)clock_gettime(CLOCK_MONOTONIC, &now);
        long spent = (now.tv_sec - start.tv_sec) * 1000 + (now.tv_nsec - start.tv_nsec) / 1000000;
        struct pollfd polls[AXI_PUMP_POLLS];
        axi_pump_poll(pump, polls);
        if (spent >= timeout_ms || poll(polls, AXI_PUMP_POLLS, timeout_ms - (int)spent) <= 0) {
            return;
        }
        (void)axi_pump_run(pump, polls);
    }
}
