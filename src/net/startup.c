/* SPDX-License-Identifier: Apache-2.0 */
#include "net/startup.h"

#include "core/masters.h"
#include "net/stream.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

int axi_startup_fail(const char *what, const char *value, int error)
{
    axi_log(AXI_LOG_ERROR, "start-failed", "what=%s value=%s error=%s text=\"%s\"", what, value,
            axi_error_name(error), axi_error_text(error));
    return error;
}

int axi_startup_address(const char *what, const char *address, int allow_remote)
{
    struct sockaddr_storage found;
    int r;

    if (address == NULL) {
        return 0;
    }
    r = axi_address_resolve(address, &found);
    if (r == 0 && !allow_remote && !axi_address_is_loopback(address)) {
        axi_log(AXI_LOG_ERROR, "not-loopback",
                "what=%s value=%s cure=\"give --allow-remote to go beyond this machine\"", what,
                address);
        return -AXC_EPERM;
    }
    return r < 0 ? axi_startup_fail(what, address, r) : 0;
}

int axi_startup_private(const char *token_file, const char *dir, char ret_token[AXI_TOKEN_BYTES])
{
    int r = axi_host_read_token(token_file, ret_token);

    if (r < 0) {
        return axi_startup_fail("token-file", token_file, r);
    }
    r = axi_host_make_directory(dir);
    return r < 0 ? axi_startup_fail("dir", dir, r) : 0;
}

int axi_startup_path(const char *dir, const char *name, char *ret_path, size_t size)
{
    int length = snprintf(ret_path, size, "%s/%s", dir, name);

    return length < 0 || (size_t)length >= size ? axi_startup_fail("dir", dir, -AXC_EINVALID) : 0;
}

bool axi_startup_is_any_host(const char *address)
{
    return strncmp(address, "0.0.0.0:", 8) == 0 || strncmp(address, "[::]:", 5) == 0;
}

void axi_startup_known(char *to, size_t size, const char *bound, const char *advertise)
{
    const char *port = strrchr(bound, ':');
    const char *host_end = advertise != NULL ? strrchr(advertise, ':') : NULL;

    if (axi_startup_is_any_host(bound) && host_end != NULL) {
        (void)snprintf(to, size, "%.*s%s", (int)(host_end - advertise), advertise, port);
    } else {
        (void)snprintf(to, size, "%s", bound);
    }
}

int axi_startup_lock(const char *dir)
{
    char path[4096];
    int r = axi_startup_path(dir, "lock", path, sizeof(path));
    int fd = r == 0 ? open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600) : -1;

    if (r == 0 && (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0)) {
        r = axi_startup_fail("dir", dir, fd < 0 ? -AXC_EIO : -AXC_EBUSY);
    }
    if (r < 0 && fd >= 0) {
        (void)close(fd);
    }
    return r; /* the kernel drops it with the process */
}

int axi_startup_masters(const char *what, const char *list, int allow_remote)
{
    char copy[AXI_MASTERS_TEXT_BYTES];
    char *rest = copy;
    int r = list != NULL ? axi_masters_check(list) : 0;

    if (list == NULL || r < 0) {
        return r < 0 ? axi_startup_fail(what, list, r) : 0;
    }
    (void)snprintf(copy, sizeof(copy), "%s", list);
    for (char *one = strtok_r(copy, ",", &rest); one != NULL && r == 0;
         one = strtok_r(NULL, ",", &rest)) {
        r = axi_startup_address(what, one, allow_remote);
    }
    return r;
}

int axi_startup_ready(const char *file, const char *listen, const char *api)
{
    char line[256];
    int r;

    if (file == NULL) {
        return 0;
    }
    (void)snprintf(line, sizeof(line), "%s %s\n", listen, api);
    r = axi_host_write_file(file, line);
    return r < 0 ? axi_startup_fail("ready-file", file, r) : 0;
}
