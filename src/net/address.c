/* SPDX-License-Identifier: Apache-2.0 */
#include "net/address.h"

#include "net/stream.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int axi_net_error(int uv_status)
{
    switch (uv_status) {
    case 0:
    case UV_EOF:
        return 0;
    case UV_ENOMEM:
        return -AXC_ENOMEM;
    case UV_EADDRINUSE:
        return -AXC_EEXIST;
    case UV_EACCES:
    case UV_EPERM:
        return -AXC_EPERM;
    case UV_ETIMEDOUT:
        return -AXC_ETIMEOUT;
    case UV_ECANCELED:
        return -AXC_ECANCELLED;
    case UV_EINVAL:
        return -AXC_EINVALID;
    case UV_ECONNREFUSED:
    case UV_ECONNRESET:
    case UV_EPIPE:
    case UV_EHOSTUNREACH:
    case UV_ENETUNREACH:
    case UV_EAI_NONAME:
        return -AXC_EUNAVAILABLE;
    default:
        return -AXC_EIO;
    }
}

static int port_is_valid(const char *port)
{
    char *end = NULL;

    if (*port < '0' || *port > '9') {
        return 0;
    }
    return strtoul(port, &end, 10) <= 65535 && *end == '\0';
}

int axi_address_split(const char *address, char host[AXI_NET_ADDRESS_BYTES], char port[8])
{
    const char *colon = strrchr(address, ':');

    if (colon == NULL || strlen(colon + 1) >= 8 || !port_is_valid(colon + 1)) {
        return -AXC_EINVALID;
    }
    size_t length = (size_t)(colon - address);

    if (length >= 2 && address[0] == '[' && address[length - 1] == ']') {
        address += 1;
        length -= 2;
    } else if (memchr(address, ':', length) != NULL) {
        return -AXC_EINVALID;
    }
    if (length == 0 || length >= AXI_NET_ADDRESS_BYTES) {
        return -AXC_EINVALID;
    }
    memcpy(host, address, length);
    host[length] = '\0';
    (void)snprintf(port, 8, "%s", colon + 1);
    return 0;
}

int axi_address_numeric(const char *host, const char *port, struct sockaddr_storage *ret_address)
{
    int number = (int)strtoul(port, NULL, 10);

    if (uv_ip4_addr(host, number, (struct sockaddr_in *)ret_address) == 0 ||
        uv_ip6_addr(host, number, (struct sockaddr_in6 *)ret_address) == 0) {
        return 0;
    }
    return -AXC_ENOENT;
}

int axi_address_resolve(const char *address, struct sockaddr_storage *ret_address)
{
    char host[AXI_NET_ADDRESS_BYTES];
    char port[8];
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    int r = axi_address_split(address, host, port);

    if (r < 0) {
        return r;
    }
    if (axi_address_numeric(host, port, ret_address) == 0) {
        return 0;
    }
    if (getaddrinfo(host, port, &hints, &found) != 0) {
        return -AXC_ENOENT;
    }
    memcpy(ret_address, found->ai_addr, found->ai_addrlen);
    freeaddrinfo(found);
    return 0;
}

void axi_address_print(const struct sockaddr *address, char text[AXI_NET_ADDRESS_BYTES])
{
    char host[INET6_ADDRSTRLEN] = "?";

    if (address->sa_family == AF_INET6) {
        const struct sockaddr_in6 *ip6 = (const struct sockaddr_in6 *)address;

        (void)uv_ip6_name(ip6, host, sizeof(host));
        (void)snprintf(text, AXI_NET_ADDRESS_BYTES, "[%s]:%u", host, ntohs(ip6->sin6_port));
        return;
    }
    const struct sockaddr_in *ip4 = (const struct sockaddr_in *)address;

    (void)uv_ip4_name(ip4, host, sizeof(host));
    (void)snprintf(text, AXI_NET_ADDRESS_BYTES, "%s:%u", host, ntohs(ip4->sin_port));
}

int axi_address_is_loopback(const char *address)
{
    struct sockaddr_storage found = {0};

    if (axi_address_resolve(address, &found) < 0) {
        return 0;
    }
    if (found.ss_family == AF_INET6) {
        return IN6_IS_ADDR_LOOPBACK(&((struct sockaddr_in6 *)&found)->sin6_addr);
    }
    return (ntohl(((struct sockaddr_in *)&found)->sin_addr.s_addr) >> 24) == 127;
}
