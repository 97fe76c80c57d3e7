/* SPDX-License-Identifier: Apache-2.0 */
/* A client of the masters' HTTP API: one request after the other, to whichever master leads. For
 * programs that may block. Not thread-safe. */
#ifndef AXI_NET_API_CLIENT_H
#define AXI_NET_API_CLIENT_H

#include "core/masters.h"

#include <stddef.h>
#include <stdint.h>

struct axi_api_client {
    uint64_t deadline_ns;       /* CLOCK_MONOTONIC; set before each request */
    struct axi_masters masters; /* APIs; whoever leads is asked. None: url as it stands */
    char apis[AXI_MASTERS_TEXT_BYTES];
    char url[128];
    uint32_t changes; /* how often another master was turned to after one had answered */
    bool is_found;    /* the one at url led when it was asked last */
    char token[72];
    void *curl;
};

/* bytes: from malloc, with a NUL behind them that count leaves out; NULL when there are none. */
struct axi_api_answer {
    char *bytes;
    size_t count;
};

/* apis: "HOST:PORT[,HOST:PORT...]". Set deadline_ns, the rest must be zero. -AXC_EINVALID (too
 * long), -AXC_ENOMEM. */
AXC_MUST_USE int axi_api_client_open(struct axi_api_client *client, const char *apis,
                                     const char *token);
void axi_api_client_close(struct axi_api_client *client);
/* This one daemon alone is asked from now on, whoever leads. */
void axi_api_client_use(struct axi_api_client *client, const char *api);
uint64_t axi_api_client_left_ms(const struct axi_api_client *client);

/* Sends the request to whoever leads, waiting for an election; when nobody leads in time, what the
 * last one answered. 0 with the HTTP status and the answer (free its bytes), or a code for
 * axi_api_client_error. */
int axi_api_client_exchange(struct axi_api_client *client, const char *method, const char *path,
                            const void *bytes, size_t count, long *ret_status,
                            struct axi_api_answer *ret_answer);
/* Nobody answered in time. */
bool axi_api_client_is_late(int code);
const char *axi_api_client_error(int code); /* static */

#endif
