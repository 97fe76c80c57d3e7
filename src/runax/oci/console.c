/* SPDX-License-Identifier: Apache-2.0 */
#include "runax/oci/console.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <termios.h>
#include <unistd.h>

static int send_fd(const char *path, int fd, struct axi_report *report)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char name[] = "/dev/ptmx";
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control = {0};
    struct iovec part = {.iov_base = name, .iov_len = sizeof(name) - 1};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = control.bytes,
                             .msg_controllen = sizeof(control.bytes)};
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(header), &fd, sizeof(fd));
    if (strlen(path) >= sizeof(address.sun_path)) {
        return axi_report_set(report, -AXC_EINVALID, "--console-socket: path too long");
    }
    (void)strcpy(address.sun_path, path);
    int peer = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int rc = 0;
    if (peer < 0 || connect(peer, (struct sockaddr *)&address, sizeof(address)) != 0 ||
        sendmsg(peer, &message, MSG_NOSIGNAL) < 0) {
        rc = axi_report_errno(report, "--console-socket %s", path);
    }
    if (peer >= 0) {
        (void)close(peer);
    }
    return rc;
}

int axi_console_attach(const char *path, struct axi_report *report)
{
    char name[64];
    struct termios modes;
    int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    int slave = -1;
    int rc = 0;
    if (master < 0 || grantpt(master) != 0 || unlockpt(master) != 0 ||
        ptsname_r(master, name, sizeof(name)) != 0 ||
        (slave = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC)) < 0 || tcgetattr(slave, &modes) != 0) {
        rc = axi_report_errno(report, "pseudo terminal");
    }
    if (rc == 0) {
        cfmakeraw(&modes);
        modes.c_oflag |= OPOST | ONLCR;
        if (tcsetattr(slave, TCSANOW, &modes) != 0) {
            rc = axi_report_errno(report, "pseudo terminal");
        }
    }
    rc = rc != 0 ? rc : send_fd(path, master, report);
    if (rc == 0 && (dup2(slave, STDIN_FILENO) < 0 || dup2(slave, STDOUT_FILENO) < 0 ||
                    dup2(slave, STDERR_FILENO) < 0)) {
        rc = axi_report_errno(report, "pseudo terminal");
    }
    if (master >= 0) {
        (void)close(master);
    }
    if (slave >= 0) {
        (void)close(slave);
    }
    return rc;
}
