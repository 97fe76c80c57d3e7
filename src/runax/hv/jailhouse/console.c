/* SPDX-License-Identifier: Apache-2.0 */
/* Reading the device gives the console of the hypervisor and of every cell that may use it, without
 * marks; the resource manager gives it to one partition at a time. What was said before belongs to
 * others and is skipped. A read without O_NONBLOCK would wait, one with it returns 0 for "nothing
 * new"; there is no poll(). */
#include "runax/hv/jailhouse/guest.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int axi_jailhouse_console_open(struct axi_hv_guest *guest, struct axi_report *report)
{
    uint32_t kind = guest->partition->console.kind;
    if (kind != AXI_CONSOLE_HYPERVISOR && kind != AXI_CONSOLE_DEFAULT) {
        return 0; /* none, or a device of the guest's own */
    }
    int ends[2];
    guest->source_fd = open(guest->platform->jailhouse.device, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (guest->source_fd < 0 ||
        socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) != 0) {
        return axi_report_errno(report, "console of %s", guest->platform->jailhouse.device);
    }
    guest->console_fd = ends[0];
    guest->output_fd = ends[1];
    ssize_t skipped = 1;
    while (skipped > 0) {
        skipped = read(guest->source_fd, guest->pending, sizeof(guest->pending));
    }
    return 0;
}

static bool flush(struct axi_hv_guest *guest)
{
    char nothing[256];
    while (recv(guest->output_fd, nothing, sizeof(nothing), MSG_DONTWAIT) > 0) {
        /* the hypervisor's console has no input */
    }
    while (guest->pending_bytes != 0) {
        ssize_t done = send(guest->output_fd, guest->pending, guest->pending_bytes, MSG_NOSIGNAL);
        if (done <= 0) {
            return false; /* the monitor is slow: the ring keeps the rest */
        }
        guest->pending_bytes -= (size_t)done;
        memmove(guest->pending, guest->pending + done, guest->pending_bytes);
    }
    return true;
}

void axi_jailhouse_console_pump(struct axi_hv_guest *guest)
{
    while (guest->output_fd >= 0 && flush(guest)) {
        ssize_t got = read(guest->source_fd, guest->pending, sizeof(guest->pending));
        if (got <= 0) {
            return;
        }
        guest->pending_bytes = (size_t)got;
    }
}

void axi_jailhouse_console_end(struct axi_hv_guest *guest)
{
    axi_jailhouse_console_pump(guest);
    if (guest->output_fd >= 0) {
        (void)close(guest->output_fd);
        guest->output_fd = -1;
    }
}

void axi_jailhouse_console_close(struct axi_hv_guest *guest)
{
    int *const fds[] = {&guest->console_fd, &guest->output_fd, &guest->source_fd};
    for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++) {
        if (*fds[i] >= 0) {
            (void)close(*fds[i]);
            *fds[i] = -1;
        }
    }
}
