/* SPDX-License-Identifier: Apache-2.0 */
#include "runax/monitor/control.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* State directories may lie deeper than the 107 bytes of a socket's path. */
static struct sockaddr_un address_of(int folder_fd)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    (void)snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d/control",
                   folder_fd);
    return address;
}

static int wait_for_answer(int fd, int timeout_ms, struct axi_report *ret_answer)
{
    char text[AXI_CONTROL_BYTES_MAX];
    struct pollfd item = {.fd = fd, .events = POLLIN};
    int ready = poll(&item, 1, timeout_ms);
    if (ready == 0) {
        return axi_report_set(ret_answer, -AXC_ETIMEOUT, "the monitor does not answer");
    }
    ssize_t n = ready > 0 ? recv(fd, text, sizeof(text) - 1, 0) : -1;
    if (n <= 0) {
        return axi_report_set(ret_answer, -AXC_EMONITOR, "the monitor went away");
    }
    text[n] = '\0';
    char *rest = NULL;
    int code = (int)strtol(text, &rest, 10);
    return axi_report_set(ret_answer, code, "%s", *rest == ' ' ? rest + 1 : rest);
}

int axi_control_call(int folder_fd, const char *request, int timeout_ms,
                     struct axi_report *ret_answer)
{
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return axi_report_errno(ret_answer, "socket");
    }
    struct sockaddr_un address = address_of(folder_fd);
    int rc;
    if (connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0 ||
        send(fd, request, strlen(request), MSG_NOSIGNAL) < 0) {
        rc = axi_report_set(ret_answer, -AXC_EMONITOR, "no monitor: %s", strerror(errno));
    } else {
        rc = wait_for_answer(fd, timeout_ms, ret_answer);
    }
    (void)close(fd);
    return rc;
}

int axi_control_listen(int folder_fd, struct axi_report *report)
{
    struct sockaddr_un address = address_of(folder_fd);
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) != 0 ||
        listen(fd, 16) != 0) {
        int rc = axi_report_errno(report, "control socket");
        if (fd >= 0) {
            (void)close(fd);
        }
        return rc;
    }
    return fd;
}

int axi_control_accept(int listener)
{
    struct ucred peer;
    socklen_t size = sizeof(peer);
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0) {
        return -1;
    }
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0 ||
        (peer.uid != 0 && peer.uid != geteuid())) {
        (void)close(fd);
        return -1;
    }
    return fd;
}

int axi_control_receive(int client, char ret_request[AXI_CONTROL_BYTES_MAX])
{
    ssize_t n = recv(client, ret_request, AXI_CONTROL_BYTES_MAX - 1, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
        return 0;
    }
    if (n <= 0) {
        return -1;
    }
    ret_request[n] = '\0';
    return 1;
}

void axi_control_answer(int client, int code, const char *text)
{
    char answer[AXI_CONTROL_BYTES_MAX];
    int n = snprintf(answer, sizeof(answer), "%d %s", code, text);
    if (n > 0) {
        (void)send(client, answer, (size_t)n < sizeof(answer) ? (size_t)n : sizeof(answer) - 1,
                   MSG_NOSIGNAL | MSG_DONTWAIT);
    }
}
