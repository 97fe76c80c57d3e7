/* SPDX-License-Identifier: Apache-2.0 */
#include "net/ports.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#define FIRST 10000u
#define CONNECTIONS_FIRST 32768u /* Linux's default */
#define TRIES 4096u

/* First port that the kernel may give to a connection. */
static unsigned connections_first(void)
{
    FILE *file = fopen("/proc/sys/net/ipv4/ip_local_port_range", "re");
    unsigned first = 0;

    if (file == NULL) {
        return CONNECTIONS_FIRST;
    }
    if (fscanf(file, "%u", &first) != 1 || first > 65536) {
        first = CONNECTIONS_FIRST;
    }
    (void)fclose(file);
    return first;
}

static int is_free(uint16_t port)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int is_bound = fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0;

    if (fd >= 0) {
        (void)close(fd);
    }
    return is_bound;
}

int axi_ports_find(uint16_t *ret_ports, size_t count)
{
    unsigned end = connections_first();
    uint32_t random = 0;
    size_t found = 0;

    if (end < FIRST + TRIES) { /* no room below: above 61000, or anywhere */
        end = 65536;
    }
    if (getrandom(&random, sizeof(random), 0) != (ssize_t)sizeof(random)) {
        return -AXC_EFULL;
    }
    random %= end - FIRST; /* no overflow: each port is tried once at most */
    for (unsigned i = 0; i < TRIES && found < count; i++) {
        uint16_t port = (uint16_t)(FIRST + (random + i) % (end - FIRST));

        if (is_free(port)) {
            ret_ports[found++] = port;
        }
    }
    return found == count ? 0 : -AXC_EFULL;
}
