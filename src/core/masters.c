/* SPDX-License-Identifier: Apache-2.0 */
#include "core/masters.h"

#include <string.h>

#define SHUNNED_ROUNDS 8u

/* Length of the address at `text`. */
static size_t length_of(const char *text)
{
    size_t length = 0;

    while (text[length] != '\0' && text[length] != ',') {
        length++;
    }
    return length;
}

/* What a port's connect may make sense of. */
static bool is_text(const char *text, size_t length)
{
    if (length == 0 || length >= AXI_MASTERS_ADDRESS_BYTES) {
        return false;
    }
    for (size_t i = 0; i < length; i++) {
        if (text[i] <= ' ' || text[i] > '~' || text[i] == ',') {
            return false;
        }
    }
    return true;
}

/* With a colon and a port at the end. */
static bool is_address(const char *text, size_t length)
{
    size_t port = length;

    while (port > 0 && text[port - 1] >= '0' && text[port - 1] <= '9') {
        port--;
    }
    return is_text(text, length) && port > 1 && port < length && length - port <= 5 &&
           text[port - 1] == ':';
}

/* 0: not a list of what `is` accepts. */
static uint32_t count_of(const char *list, bool (*is)(const char *text, size_t length))
{
    uint32_t count = 0;
    const char *at = list;

    for (;;) {
        size_t length = length_of(at);

        if (!is(at, length) || count == AXI_MASTERS_MAX) {
            return 0;
        }
        count++;
        if (at[length] == '\0') {
            return count;
        }
        at += length + 1;
    }
}

static bool is_too_long(const char *list)
{
    return strnlen(list, AXI_MASTERS_TEXT_BYTES) == AXI_MASTERS_TEXT_BYTES;
}

int axi_masters_check(const char *list)
{
    return list != NULL && !is_too_long(list) && count_of(list, is_address) > 0 ? 0 : -AXC_EINVALID;
}

void axi_masters_init(struct axi_masters *masters, const char *list)
{
    memset(masters, 0, sizeof(*masters));
    masters->list = list;
    masters->count = list != NULL && !is_too_long(list) ? count_of(list, is_text) : 0;
}

static void copy(char to[AXI_MASTERS_ADDRESS_BYTES], const char *from, size_t length)
{
    memcpy(to, from, length);
    to[length] = '\0';
}

static void take_from_list(struct axi_masters *masters)
{
    uint32_t index = masters->tries++ % masters->count;
    const char *at = masters->list;

    for (uint32_t i = 0; i < index; i++) {
        at += length_of(at) + 1;
    }
    copy(masters->address, at, length_of(at));
}

const char *axi_masters_next(struct axi_masters *masters)
{
    if (masters->count == 0) {
        return "";
    }
    if (masters->hint[0] != '\0') {
        memcpy(masters->address, masters->hint, sizeof(masters->address));
        masters->hint[0] = '\0';
        return masters->address;
    }
    take_from_list(masters);
    if (masters->count > 1 && masters->shunned_tries > 0) {
        masters->shunned_tries--;
        if (strcmp(masters->address, masters->shunned) == 0) {
            take_from_list(masters);
        }
    }
    return masters->address;
}

void axi_masters_joined(struct axi_masters *masters)
{
    masters->shunned_tries = 0;
    memcpy(masters->hint, masters->address, sizeof(masters->hint));
}

static bool is_shunned(const struct axi_masters *masters, const char *address)
{
    return masters->shunned_tries > 0 && strcmp(address, masters->shunned) == 0;
}

bool axi_masters_failed(struct axi_masters *masters, int code, const char *leader)
{
    size_t length = leader != NULL ? strnlen(leader, AXI_MASTERS_ADDRESS_BYTES) : 0;

    if (code == -AXC_ETIMEOUT && masters->count > 1) {
        memcpy(masters->shunned, masters->address, sizeof(masters->shunned));
        masters->shunned_tries = masters->count * SHUNNED_ROUNDS;
        if (strcmp(masters->hint, masters->shunned) == 0) {
            masters->hint[0] = '\0';
        }
    }
    if (length > 0 && is_text(leader, length) && strcmp(leader, masters->address) != 0 &&
        !is_shunned(masters, leader)) {
        copy(masters->hint, leader, length);
    }
    return masters->hint[0] != '\0' || (masters->count > 1 && masters->tries % masters->count != 0);
}
