/* SPDX-License-Identifier: Apache-2.0 */
#include "net/http.h"

#include "net/host.h"
#include "net/stream.h"

#include <arpa/inet.h>
#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CONNECTIONS_MAX 64u
#define IDLE_SECONDS 30u

struct axi_http_request {
    struct axi_http *http;
    struct MHD_Connection *connection;
    const char *method; /* borrowed from the connection */
    char *path;
    uint8_t *body;
    size_t body_bytes, body_capacity, body_limit;
    struct axi_http_request *next_parked;
    uint64_t deadline_ms; /* of the long poll; 0 = has not waited yet */
    json_t *reply;
    uint8_t *reply_bytes; /* instead of reply */
    size_t reply_count;
    struct MHD_Response *response; /* instead of both */
    unsigned status;
    bool is_parked, is_refused;
};

struct axi_http {
    struct axi_http_config config;
    struct MHD_Daemon *daemon;
    uv_poll_t poll;
    uv_timer_t timer;
    struct axi_http_request *parked;
    unsigned open_handles;
    bool is_closing;
    char address[AXI_NET_ADDRESS_BYTES];
};

static void run(struct axi_http *http);

unsigned axi_http_status(int code)
{
    switch (code < 0 ? -code : code) {
    case AXC_ENOENT:
        return MHD_HTTP_NOT_FOUND;
    case AXC_EPERM:
    case AXC_EWIRE_AUTH:
        return MHD_HTTP_UNAUTHORIZED;
    case AXC_EEXIST:
    case AXC_EBUSY:
    case AXC_ESTATE:
    case AXC_ECONFLICT:
    case AXC_EIN_MIGRATION:
    case AXC_EREVISION:
        return MHD_HTTP_CONFLICT;
    case AXC_EFULL:
        return MHD_HTTP_CONTENT_TOO_LARGE;
    case AXC_EUNAVAILABLE:
    case AXC_ENOT_LEADER:
        return MHD_HTTP_SERVICE_UNAVAILABLE;
    case AXC_ETIMEOUT:
        return MHD_HTTP_GATEWAY_TIMEOUT;
    case AXC_ENOMEM:
    case AXC_EIO:
    case AXC_EINTERNAL:
        return MHD_HTTP_INTERNAL_SERVER_ERROR;
    case AXC_EINVALID:
        return MHD_HTTP_BAD_REQUEST;
    default:
        return MHD_HTTP_UNPROCESSABLE_CONTENT;
    }
}

const char *axi_http_method(const struct axi_http_request *request)
{
    return request->method;
}

const char *axi_http_path(const struct axi_http_request *request)
{
    return request->path;
}

const char *axi_http_query(const struct axi_http_request *request, const char *name)
{
    return MHD_lookup_connection_value(request->connection, MHD_GET_ARGUMENT_KIND, name);
}

bool axi_http_query_number(const struct axi_http_request *request, const char *name,
                           uint64_t fallback, uint64_t *ret_value)
{
    const char *text = axi_http_query(request, name);
    char *end = NULL;

    if (text == NULL) {
        *ret_value = fallback;
        return true;
    }
    if (*text < '0' || *text > '9' || strlen(text) > 19) {
        return false;
    }
    *ret_value = strtoull(text, &end, 10);
    return *end == '\0';
}

const char *axi_http_header(const struct axi_http_request *request, const char *name)
{
    return MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, name);
}

const uint8_t *axi_http_body(const struct axi_http_request *request, size_t *ret_bytes)
{
    *ret_bytes = request->body_bytes;
    return request->body;
}

bool axi_http_matches(const char *pattern, const char *path, char name[AXI_HTTP_SEGMENT_BYTES])
{
    const char *star = strchr(pattern, '*');

    if (star == NULL) {
        return strcmp(pattern, path) == 0;
    }
    size_t before = (size_t)(star - pattern);

    if (strncmp(pattern, path, before) != 0) {
        return false;
    }
    size_t length = strcspn(path + before, "/");

    if (length == 0 || length >= AXI_HTTP_SEGMENT_BYTES ||
        strcmp(star + 1, path + before + length) != 0) {
        return false;
    }
    memcpy(name, path + before, length);
    name[length] = '\0';
    return true;
}

static void drop_reply(struct axi_http_request *request)
{
    json_decref(request->reply);
    request->reply = NULL;
    free(request->reply_bytes);
    request->reply_bytes = NULL;
    if (request->response != NULL) {
        MHD_destroy_response(request->response);
        request->response = NULL;
    }
}

void axi_http_reply(struct axi_http_request *request, unsigned status, json_t *takes_body)
{
    drop_reply(request);
    request->reply = takes_body;
    request->status = status;
}

void axi_http_reply_bytes(struct axi_http_request *request, unsigned status, uint8_t *takes_bytes,
                          size_t count)
{
    axi_http_reply(request, status, NULL);
    request->reply_bytes = takes_bytes;
    request->reply_count = count;
}

void axi_http_reply_static(struct axi_http_request *request, unsigned status, const void *bytes,
                           size_t count)
{
    axi_http_reply(request, status, NULL);
    request->response =
        MHD_create_response_from_buffer(count, (void *)bytes, MHD_RESPMEM_PERSISTENT);
}

void axi_http_add_header(struct axi_http_request *request, const char *name, const char *value)
{
    if (request->response != NULL) {
        (void)MHD_add_response_header(request->response, name, value);
    }
}

void axi_http_reply_error(struct axi_http_request *request, int code, const char *reason,
                          const char *cure)
{
    int number = code < 0 ? -code : code;

    axi_http_reply(request, axi_http_status(number),
                   json_pack("{s:{s:i,s:s,s:s,s:s}}", "error", "code", number, "name",
                             axi_error_name(number), "reason",
                             reason != NULL && *reason != '\0' ? reason : axi_error_text(number),
                             "cure", cure != NULL ? cure : ""));
}

static enum MHD_Result send_body(struct axi_http_request *request, size_t count, void *takes_bytes,
                                 const char *type)
{
    struct MHD_Response *response =
        MHD_create_response_from_buffer(count, takes_bytes, MHD_RESPMEM_MUST_FREE);

    (void)MHD_add_response_header(response, "Content-Type", type);
    (void)MHD_add_response_header(response, "Cache-Control", "no-store");
    (void)MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
    enum MHD_Result result = MHD_queue_response(request->connection, request->status, response);

    MHD_destroy_response(response);
    return result;
}

static enum MHD_Result send_reply(struct axi_http_request *request)
{
    if (request->response != NULL) {
        return MHD_queue_response(request->connection, request->status, request->response);
    }
    if (request->reply_bytes != NULL) {
        uint8_t *bytes = request->reply_bytes;

        request->reply_bytes = NULL;
        return send_body(request, request->reply_count, bytes, "application/octet-stream");
    }
    char *text = request->reply != NULL ? json_dumps(request->reply, JSON_COMPACT) : NULL;

    if (text == NULL) {
        text = strdup("{\"error\":{\"code\":15,\"name\":\"INTERNAL\",\"reason\":\"the answer could "
                      "not be made\",\"cure\":\"\"}}");
        request->status = MHD_HTTP_INTERNAL_SERVER_ERROR;
    }
    return text != NULL ? send_body(request, strlen(text), text, "application/json") : MHD_NO;
}

static bool is_authorized(struct axi_http_request *request)
{
    const struct axi_http_config *config = &request->http->config;
    const char *header = axi_http_header(request, "Authorization");

    if (config->is_open != NULL && config->is_open(request->method, request->path)) {
        return true;
    }
    return header != NULL && strncmp(header, "Bearer ", 7) == 0 &&
           axi_host_token_matches(config->token, header + 7);
}

static void unpark(struct axi_http_request *request)
{
    struct axi_http_request **at = &request->http->parked;

    while (*at != NULL && *at != request) {
        at = &(*at)->next_parked;
    }
    if (*at != NULL) {
        *at = request->next_parked;
    }
    request->is_parked = false;
}

static void park(struct axi_http_request *request)
{
    request->is_parked = true;
    request->next_parked = request->http->parked;
    request->http->parked = request;
    MHD_suspend_connection(request->connection);
}

static enum MHD_Result answer(struct axi_http_request *request)
{
    struct axi_http *http = request->http;
    uint64_t now_ms = uv_now(http->config.loop);
    uint64_t wait_ms = 0;

    if (request->deadline_ms == 0) {
        if (!axi_http_query_number(request, "wait_ms", 0, &wait_ms)) {
            axi_http_reply_error(request, -AXC_EINVALID, "wait_ms is not a number", "");
            return send_reply(request);
        }
        wait_ms = wait_ms < AXI_HTTP_WAIT_MS_MAX ? wait_ms : AXI_HTTP_WAIT_MS_MAX;
        request->deadline_ms = now_ms + wait_ms;
    }
    bool is_last = now_ms >= request->deadline_ms;

    if (http->config.handler(http->config.context, request, is_last) == AXI_HTTP_WAIT) {
        if (!is_last) {
            park(request);
            return MHD_YES;
        }
        axi_http_reply_error(request, -AXC_ETIMEOUT, NULL, "");
    }
    return send_reply(request);
}

static int collect(struct axi_http_request *request, const char *data, size_t count)
{
    if (count > request->body_limit - request->body_bytes) {
        return -AXC_EFULL;
    }
    if (request->body_bytes + count > request->body_capacity) {
        size_t capacity = 2 * request->body_capacity + count;
        uint8_t *body = realloc(request->body, capacity);

        if (body == NULL) {
            return -AXC_ENOMEM;
        }
        request->body = body;
        request->body_capacity = capacity;
    }
    memcpy(request->body + request->body_bytes, data, count);
    request->body_bytes += count;
    return 0;
}

static struct axi_http_request *request_new(struct axi_http *http,
                                            struct MHD_Connection *connection, const char *path,
                                            const char *method)
{
    struct axi_http_request *request = calloc(1, sizeof(*request));

    if (request == NULL) {
        return NULL;
    }
    request->http = http;
    request->connection = connection;
    request->method = method;
    request->path = strdup(path);
    request->body_limit = http->config.body_limit(method, path);
    if (request->path == NULL) {
        free(request);
        return NULL;
    }
    return request;
}

static enum MHD_Result on_access(void *context, struct MHD_Connection *connection, const char *path,
                                 const char *method, const char *version, const char *data,
                                 size_t *data_bytes, void **slot)
{
    struct axi_http_request *request = *slot;

    (void)version;
    if (request == NULL) {
        request = request_new(context, connection, path, method);
        *slot = request;
        return request != NULL ? MHD_YES : MHD_NO;
    }
    if (!request->is_refused && !is_authorized(request)) {
        request->is_refused = true;
        axi_http_reply_error(request, -AXC_EPERM, "the token is missing or wrong",
                             "use the token file of this cluster");
    }
    if (*data_bytes > 0) {
        int r = request->is_refused ? 0 : collect(request, data, *data_bytes);

        *data_bytes = 0;
        if (r < 0) {
            request->is_refused = true;
            axi_http_reply_error(request, r, "the body is too large", "");
        }
        return MHD_YES;
    }
    return request->is_refused ? send_reply(request) : answer(request);
}

static void on_completed(void *context, struct MHD_Connection *connection, void **slot,
                         enum MHD_RequestTerminationCode why)
{
    struct axi_http_request *request = *slot;

    (void)context;
    (void)connection;
    (void)why;
    if (request == NULL) {
        return;
    }
    unpark(request);
    drop_reply(request);
    free(request->body);
    free(request->path);
    free(request);
    *slot = NULL;
}

static void resume(struct axi_http *http, bool all)
{
    uint64_t now_ms = uv_now(http->config.loop);
    struct axi_http_request *next = NULL;

    for (struct axi_http_request *request = http->parked; request != NULL; request = next) {
        next = request->next_parked;
        if (all || now_ms >= request->deadline_ms) {
            unpark(request);
            MHD_resume_connection(request->connection);
        }
    }
}

static void on_timer(uv_timer_t *timer)
{
    resume(timer->data, false);
    run(timer->data);
}

static void set_timer(struct axi_http *http)
{
    MHD_UNSIGNED_LONG_LONG http_ms = 0;
    uint64_t now_ms = uv_now(http->config.loop);
    uint64_t next_ms = UINT64_MAX;

    if (MHD_get_timeout(http->daemon, &http_ms) == MHD_YES) {
        next_ms = http_ms;
    }
    for (struct axi_http_request *r = http->parked; r != NULL; r = r->next_parked) {
        uint64_t left_ms = r->deadline_ms > now_ms ? r->deadline_ms - now_ms : 0;

        next_ms = left_ms < next_ms ? left_ms : next_ms;
    }
    if (next_ms == UINT64_MAX) {
        (void)uv_timer_stop(&http->timer);
    } else {
        (void)uv_timer_start(&http->timer, on_timer, next_ms, 0);
    }
}

static void run(struct axi_http *http)
{
    if (!http->is_closing) {
        (void)MHD_run(http->daemon);
        set_timer(http);
    }
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    (void)status;
    (void)events;
    run(poll->data);
}

void axi_http_wake(struct axi_http *http)
{
    if (http != NULL && !http->is_closing && http->parked != NULL) {
        resume(http, true);
        (void)uv_timer_start(&http->timer, on_timer, 0, 0);
    }
}

static int start_daemon(struct axi_http *http, struct sockaddr_storage *where)
{
    http->daemon = MHD_start_daemon(MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME |
                                        (where->ss_family == AF_INET6 ? MHD_USE_IPv6 : 0),
                                    0, NULL, NULL, on_access, http, MHD_OPTION_SOCK_ADDR,
                                    (struct sockaddr *)where, MHD_OPTION_NOTIFY_COMPLETED,
                                    on_completed, NULL, MHD_OPTION_CONNECTION_LIMIT,
                                    CONNECTIONS_MAX, MHD_OPTION_CONNECTION_TIMEOUT, IDLE_SECONDS,
                                    MHD_OPTION_LISTENING_ADDRESS_REUSE, 1u, MHD_OPTION_END);
    return http->daemon != NULL ? 0 : -AXC_EEXIST;
}

static void print_address(struct axi_http *http, const char *address)
{
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(http->daemon, MHD_DAEMON_INFO_BIND_PORT);
    size_t host = (size_t)(strrchr(address, ':') - address);

    (void)snprintf(http->address, sizeof(http->address), "%.*s:%u", (int)host, address,
                   info != NULL ? info->port : 0);
}

int axi_http_new(const struct axi_http_config *config, struct axi_http **ret_http)
{
    struct sockaddr_storage where = {0};
    int r = axi_address_resolve(config->address, &where);

    if (r < 0) {
        return r;
    }
    struct axi_http *http = calloc(1, sizeof(*http));

    if (http == NULL) {
        return -AXC_ENOMEM;
    }
    http->config = *config;
    r = start_daemon(http, &where);
    if (r < 0) {
        free(http);
        return r;
    }
    print_address(http, config->address);
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(http->daemon, MHD_DAEMON_INFO_EPOLL_FD);

    (void)uv_poll_init(config->loop, &http->poll, info->epoll_fd);
    (void)uv_timer_init(config->loop, &http->timer);
    http->poll.data = http;
    http->timer.data = http;
    http->open_handles = 2;
    (void)uv_poll_start(&http->poll, UV_READABLE, on_poll);
    run(http);
    *ret_http = http;
    return 0;
}

const char *axi_http_address(const struct axi_http *http)
{
    return http->address;
}

static void on_closed(uv_handle_t *handle)
{
    struct axi_http *http = handle->data;

    http->open_handles--;
    if (http->open_handles == 0) {
        MHD_stop_daemon(http->daemon);
        free(http);
    }
}

void axi_http_free(struct axi_http *http)
{
    if (http == NULL) {
        return;
    }
    resume(http, true);
    (void)MHD_run(http->daemon);
    http->is_closing = true;
    resume(http, true);
    uv_close((uv_handle_t *)&http->poll, on_closed);
    uv_close((uv_handle_t *)&http->timer, on_closed);
}
