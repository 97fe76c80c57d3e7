/* SPDX-License-Identifier: Apache-2.0 */
#include "net/startup.h"

#include "net/stream.h"

#include <stdio.h>

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
