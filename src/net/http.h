/* SPDX-License-Identifier: Apache-2.0 */
/* HTTP server inside a libuv loop: bodies bounded and collected, bearer token checked, requests may
 * wait for something to happen (long poll). What the paths mean is the handler's business (api.c).
 * Loop thread only. */
#ifndef AXI_NET_HTTP_H
#define AXI_NET_HTTP_H

#include "base/error.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#define AXI_HTTP_WAIT_MS_MAX 30000u /* longest long poll */
#define AXI_HTTP_WAIT 1             /* handler: not yet, call me again */

struct axi_http;
struct axi_http_request;

/* Answers by axi_http_reply or axi_http_reply_error and returns 0, or returns AXI_HTTP_WAIT to be
 * called again after axi_http_wake or when its time is up (is_last: it must answer now). */
typedef int (*axi_http_handler)(void *context, struct axi_http_request *request, bool is_last);

struct axi_http_config {
    uv_loop_t *loop;
    const char *address; /* "127.0.0.1:0" takes a free port */
    const char *token;   /* borrowed for the server's life */
    axi_http_handler handler;
    void *context;
    /* Largest body accepted for this request; asked before the body is read. */
    size_t (*body_limit)(const char *method, const char *path);
    /* Answered without a token; NULL = nothing is. */
    bool (*is_open)(const char *method, const char *path);
};

AXC_MUST_USE int axi_http_new(const struct axi_http_config *config, struct axi_http **ret_http);
const char *axi_http_address(const struct axi_http *http); /* borrowed */
/* Something changed: waiting requests are tried again, in the next loop turn. */
void axi_http_wake(struct axi_http *http);
/* Waiting requests are dropped; close callbacks run in the loop. NULL is fine. */
void axi_http_free(struct axi_http *http);

const char *axi_http_method(const struct axi_http_request *request);
const char *axi_http_path(const struct axi_http_request *request);
/* Borrowed; NULL when absent. */
const char *axi_http_query(const struct axi_http_request *request, const char *name);
/* Decimal query value; missing gives fallback; malformed gives false. */
bool axi_http_query_number(const struct axi_http_request *request, const char *name,
                           uint64_t fallback, uint64_t *ret_value);
/* Borrowed; NULL when absent. */
const char *axi_http_header(const struct axi_http_request *request, const char *name);
const uint8_t *axi_http_body(const struct axi_http_request *request, size_t *ret_bytes);

/* takes body. */
void axi_http_reply(struct axi_http_request *request, unsigned status, json_t *takes_body);
/* Bytes instead of JSON (application/octet-stream). takes: memory from malloc. */
void axi_http_reply_bytes(struct axi_http_request *request, unsigned status, uint8_t *takes_bytes,
                          size_t count);
/* Bytes that outlive the server, with headers of the caller's own by axi_http_add_header. */
void axi_http_reply_static(struct axi_http_request *request, unsigned status, const void *bytes,
                           size_t count);
void axi_http_add_header(struct axi_http_request *request, const char *name, const char *value);
/* The HTTP status that tells an error's code. */
unsigned axi_http_status(int code);
/* {"error":{"code","name","reason","cure"}}; the HTTP status follows from the code. */
void axi_http_reply_error(struct axi_http_request *request, int code, const char *reason,
                          const char *cure);

/* Does the path fit the pattern, in which one '*' may stand for one segment? The segment goes into
 * name. */
#define AXI_HTTP_SEGMENT_BYTES 128u
bool axi_http_matches(const char *pattern, const char *path, char name[AXI_HTTP_SEGMENT_BYTES]);

#endif
