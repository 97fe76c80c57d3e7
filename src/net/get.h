/* SPDX-License-Identifier: Apache-2.0 */
/* One GET from the HTTP API of another daemon. Blocks; any thread, but not that of a loop. */
#ifndef AXI_NET_GET_H
#define AXI_NET_GET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct axi_get {
    const char *source; /* "HOST:PORT" */
    const char *path;
    const char *token;
    size_t bytes_max; /* a longer answer is none */
    long timeout_ms;
    bool (*is_ending)(void *context); /* asked meanwhile; true: give up. NULL = never */
    void *context;
};

/* The HTTP status, 0 when nobody answered; *ret_bytes from malloc, also then, or NULL for none.
 * curl: a CURL handle, used again and again. */
long axi_get(void *curl, const struct axi_get *get, uint8_t **ret_bytes, size_t *ret_count);

#endif
