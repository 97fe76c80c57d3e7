/* SPDX-License-Identifier: Apache-2.0 */
#include "master/api.h"

#include "master/web.h"

#include <inttypes.h>
#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EVENTS_PER_REPLY 200u

/* One request while it is handled. `name` is the part of the path that '*' stood for. */
struct call {
    struct axi_api *api;
    struct axi_http_request *request;
    char name[AXI_HTTP_SEGMENT_BYTES];
    bool is_last;
};

struct route {
    const char *method;
    const char *pattern; /* '*' stands for one segment */
    int (*run)(struct call *call);
};

void axi_api_refuse(struct axi_http_request *request, int code, const char *reason)
{
    axi_http_reply_error(request, code, reason, axi_api_cure(code));
}

json_t *axi_api_body_object(struct axi_http_request *request)
{
    size_t bytes = 0;
    const uint8_t *body = axi_http_body(request, &bytes);
    json_error_t error;

    if (bytes == 0) {
        return json_object();
    }
    json_t *object = json_loadb((const char *)body, bytes, JSON_REJECT_DUPLICATES, &error);

    if (object == NULL || !json_is_object(object)) {
        char reason[AXI_REASON_BYTES];

        (void)snprintf(reason, sizeof(reason), "the body is not a JSON object: %.120s",
                       object == NULL ? error.text : "it is of another type");
        json_decref(object);
        axi_api_refuse(request, -AXC_EINVALID, reason);
        return NULL;
    }
    return object;
}

static int reply_object(struct call *call, json_t *takes_object, const char *what)
{
    if (takes_object == NULL) {
        char reason[AXI_REASON_BYTES + AXI_HTTP_SEGMENT_BYTES];

        (void)snprintf(reason, sizeof(reason), "no %s '%s'", what, call->name);
        axi_api_refuse(call->request, -AXC_ENOENT, reason);
        return 0;
    }
    uint64_t now_ns = call->api->now_master_ns(call->api->context);

    (void)json_object_set_new(takes_object, "now_ns", json_integer((json_int_t)now_ns));
    axi_http_reply(call->request, MHD_HTTP_OK, takes_object);
    return 0;
}

static int reply_items(struct call *call, json_t *takes_items)
{
    return reply_object(call, json_pack("{s:o}", "items", takes_items), "list");
}

static json_t *present_leader(const struct axi_api *api)
{
    const struct axi_leader_master *leader = axi_leader_present(api->leader);

    return leader == NULL ? json_null()
                          : json_pack("{s:s, s:s, s:s}", "name", leader->name, "address",
                                      leader->listen, "api", leader->api);
}

/* Whoever asks finds the leader in it. */
static int refuse_as_standby(struct call *call)
{
    const struct axi_leader_master *leader = axi_leader_present(call->api->leader);
    char cure[160] = "try again: a leader is being elected";

    if (leader != NULL) {
        (void)snprintf(cure, sizeof(cure), "ask the leader at http://%s", leader->api);
    }
    axi_http_reply(call->request, MHD_HTTP_SERVICE_UNAVAILABLE,
                   json_pack("{s:{s:i, s:s, s:s, s:s, s:o}}", "error", "code", AXC_ENOT_LEADER,
                             "name", axi_error_name(AXC_ENOT_LEADER), "reason",
                             axi_error_text(AXC_ENOT_LEADER), "cure", cure, "leader",
                             present_leader(call->api)));
    return 0;
}

static int get_masters(struct call *call)
{
    return reply_items(call, axi_leader_json(call->api->leader));
}

static int get_status(struct call *call)
{
    bool leads = call->api->master != NULL;
    json_t *status = leads ? axi_master_status(call->api->master) : json_object();

    if (status != NULL) {
        (void)json_object_set_new(status, "role", json_string(leads ? "leader" : "standby"));
        (void)json_object_set_new(status, "name", json_string(call->api->name));
        (void)json_object_set_new(status, "leader", present_leader(call->api));
        (void)json_object_set_new(status, "masters", axi_leader_json(call->api->leader));
        (void)json_object_set_new(status, "version", json_string(AXI_VERSION));
        (void)json_object_set_new(status, "node_address", json_string(call->api->node_address));
    }
    return reply_object(call, status, "status");
}

static int get_nodes(struct call *call)
{
    return reply_items(call, axi_master_nodes(call->api->master));
}

static int get_node(struct call *call)
{
    return reply_object(call, axi_master_node(call->api->master, call->name), "node");
}

static int get_managers(struct call *call)
{
    return reply_items(call, axi_master_managers(call->api->master));
}

static int get_checkpoints(struct call *call)
{
    json_t *managers = axi_master_managers(call->api->master);
    json_t *answer = axi_checkpoint_list_get(call->api->checkpoints, managers);

    json_decref(managers);
    if (answer == NULL && call->is_last) {
        axi_api_refuse(call->request, -AXC_EUNAVAILABLE,
                       "the managers are being asked; wait_ms waits for their answers");
        return 0;
    }
    return answer != NULL ? reply_object(call, answer, "list") : AXI_HTTP_WAIT;
}

static int get_tasks(struct call *call)
{
    return reply_items(call, axi_master_tasks(call->api->master));
}

static int get_task(struct call *call)
{
    return reply_object(call, axi_master_task(call->api->master, call->name), "task");
}

static int get_images(struct call *call)
{
    return reply_items(call, axi_master_images(call->api->master));
}

static int get_image(struct call *call)
{
    return reply_object(call, axi_master_image(call->api->master, call->name), "image");
}

static int get_operations(struct call *call)
{
    return reply_items(call, axi_master_ops(call->api->master));
}

/* Numbered lists: what is younger than `since`, waiting for it when nothing is. */
static int reply_since(struct call *call, json_t *takes_items, uint64_t since)
{
    size_t count = json_array_size(takes_items);

    if (count == 0 && !call->is_last) {
        json_decref(takes_items);
        return AXI_HTTP_WAIT;
    }
    json_int_t next = (json_int_t)since;

    if (count > 0) {
        next =
            json_integer_value(json_object_get(json_array_get(takes_items, count - 1), "number"));
    }
    return reply_object(call, json_pack("{s:o,s:I}", "items", takes_items, "next", next), "list");
}

static int read_since(struct call *call, uint64_t *ret_since)
{
    if (axi_http_query_number(call->request, "since", 0, ret_since)) {
        return 0;
    }
    axi_api_refuse(call->request, -AXC_EINVALID, "since is not a number");
    return -AXC_EINVALID;
}

static int get_events(struct call *call)
{
    uint64_t since = 0;

    if (read_since(call, &since) < 0) {
        return 0;
    }
    return reply_since(call, axi_master_events(call->api->master, since, EVENTS_PER_REPLY), since);
}

static int get_logs(struct call *call)
{
    uint64_t since = 0;

    if (read_since(call, &since) < 0) {
        return 0;
    }
    json_t *lines = axi_master_log(call->api->master, call->name, since);

    return lines == NULL ? reply_object(call, NULL, "task") : reply_since(call, lines, since);
}

/* ?wait_ms=&steps=N: waits until there are more than N steps or the operation has ended. */
static int get_operation(struct call *call)
{
    uint64_t id = 0;
    uint64_t steps = 0;
    char *end = NULL;

    id = strtoull(call->name, &end, 10);
    if (*end != '\0' || !axi_http_query_number(call->request, "steps", UINT64_MAX, &steps)) {
        axi_api_refuse(call->request, -AXC_EINVALID, "operation id or steps is not a number");
        return 0;
    }
    json_t *op = axi_master_op(call->api->master, id);

    if (op != NULL && !call->is_last) {
        const char *state = json_string_value(json_object_get(op, "state"));
        bool is_running = state != NULL && strcmp(state, "running") == 0;

        if (is_running && json_array_size(json_object_get(op, "steps")) <= steps) {
            json_decref(op);
            return AXI_HTTP_WAIT;
        }
    }
    return reply_object(call, op, "operation");
}

/* The end of every call that starts an operation. */
static int reply_operation(struct call *call, int r, uint64_t op, const char *reason)
{
    char id[24];

    call->api->changed(call->api->context);
    if (r < 0) {
        axi_api_refuse(call->request, r, reason);
        return 0;
    }
    (void)snprintf(id, sizeof(id), "%" PRIu64, op);
    axi_http_reply(call->request, MHD_HTTP_ACCEPTED, json_pack("{s:s}", "operation", id));
    return 0;
}

/* The optional "node" of a body; any other member is refused. 0 or -1 after having replied. */
static int read_node(struct call *call, json_t **ret_body, const char **ret_node)
{
    json_t *body = axi_api_body_object(call->request);
    const char *key = NULL;
    json_t *value = NULL;

    *ret_body = body;
    *ret_node = NULL;
    if (body == NULL) {
        return -1;
    }
    json_object_foreach (body, key, value) {
        if (strcmp(key, "node") != 0 || (!json_is_string(value) && !json_is_null(value))) {
            axi_api_refuse(call->request, -AXC_EINVALID, "the only member is \"node\", a name");
            return -1;
        }
        *ret_node = json_string_value(value);
    }
    return 0;
}

static int with_node(struct call *call, int (*run)(struct axi_master *, const char *, const char *,
                                                   uint64_t *, char *))
{
    json_t *body = NULL;
    const char *node = NULL;
    char reason[AXI_REASON_BYTES] = "";
    uint64_t op = 0;

    if (read_node(call, &body, &node) == 0) {
        int r = run(call->api->master, call->name, node, &op, reason);

        (void)reply_operation(call, r, op, reason);
    }
    json_decref(body);
    return 0;
}

static int post_migrate(struct call *call)
{
    return with_node(call, axi_master_migrate);
}

static int post_offload(struct call *call)
{
    char reason[AXI_REASON_BYTES] = "";
    uint64_t op = 0;
    int r = axi_master_offload(call->api->master, call->name, &op, reason);

    return reply_operation(call, r, op, reason);
}

static int post_offload_node(struct call *call)
{
    char reason[AXI_REASON_BYTES] = "";
    json_t *answer = axi_master_offload_node(call->api->master, call->name, reason);

    call->api->changed(call->api->context);
    if (answer == NULL) {
        axi_api_refuse(call->request, -AXC_ENOENT, reason);
    } else {
        axi_http_reply(call->request, MHD_HTTP_ACCEPTED, answer);
    }
    return 0;
}

static int post_start(struct call *call)
{
    return with_node(call, axi_master_start);
}

static int post_stop(struct call *call)
{
    char reason[AXI_REASON_BYTES] = "";
    uint64_t op = 0;
    int r = axi_master_stop(call->api->master, call->name, &op, reason);

    return reply_operation(call, r, op, reason);
}

static int delete_task(struct call *call)
{
    char reason[AXI_REASON_BYTES] = "";
    uint64_t op = 0;
    int r = axi_master_delete(call->api->master, call->name, &op, reason);

    return reply_operation(call, r, op, reason);
}

static int delete_image(struct call *call)
{
    char reason[AXI_REASON_BYTES] = "";
    int r = axi_master_image_delete(call->api->master, call->name, reason);

    call->api->changed(call->api->context);
    if (r < 0) {
        axi_api_refuse(call->request, r, reason);
    } else {
        axi_http_reply(call->request, MHD_HTTP_OK, json_pack("{s:s}", "deleted", call->name));
    }
    return 0;
}

static int with_body(struct call *call,
                     int (*run)(struct axi_master *, const json_t *, uint64_t *, char *))
{
    char reason[AXI_REASON_BYTES] = "";
    uint64_t op = 0;
    json_t *body = axi_api_body_object(call->request);

    if (body != NULL) {
        int r = run(call->api->master, body, &op, reason);

        (void)reply_operation(call, r, op, reason);
    }
    json_decref(body);
    return 0;
}

static int post_task(struct call *call)
{
    return with_body(call, axi_master_deploy);
}

static int post_profile(struct call *call)
{
    return with_body(call, axi_master_profile);
}

static int put_blob(struct call *call)
{
    return axi_api_put_blob(call->api, call->request, call->name);
}

static int get_blob(struct call *call)
{
    return axi_api_get_blob(call->api, call->request, call->name);
}

static int post_image(struct call *call)
{
    int r = axi_api_add_image(call->api, call->request);

    call->api->changed(call->api->context);
    return r;
}

static int get_services(struct call *call)
{
    return reply_items(call, axi_master_services(call->api->master));
}

static int get_service(struct call *call)
{
    return reply_object(call, axi_master_service(call->api->master, call->name), "service");
}

static int get_voters(struct call *call)
{
    return reply_items(call, axi_master_voters(call->api->master));
}

static int get_declared(struct call *call)
{
    return reply_items(call, axi_master_declared(call->api->master));
}

static int post_apply(struct call *call)
{
    return axi_api_apply(call->api, call->request);
}

static int post_undeclare(struct call *call)
{
    return axi_api_undeclare(call->api, call->request);
}

static int post_rollout(struct call *call)
{
    return axi_api_rollout(call->api, call->request, call->name);
}

static int post_cordon(struct call *call)
{
    return axi_api_cordon(call->api, call->request, call->name, true);
}

static int post_uncordon(struct call *call)
{
    return axi_api_cordon(call->api, call->request, call->name, false);
}

static int post_drain(struct call *call)
{
    return axi_api_drain(call->api, call->request, call->name);
}

static int post_rebalance(struct call *call)
{
    return axi_api_rebalance(call->api, call->request);
}

static int get_hosts(struct call *call)
{
    return reply_items(call, axi_master_hosts(call->api->master));
}

static int get_host(struct call *call)
{
    json_t *host = NULL;
    int r = axi_api_get_host(call->api, call->request, call->name, call->is_last, &host);

    if (r < 0) {
        return 0;
    }
    return r == AXI_HTTP_WAIT ? r : reply_object(call, host, "host");
}

static int put_host(struct call *call)
{
    return axi_api_put_host(call->api, call->request, call->name);
}

static int delete_host(struct call *call)
{
    return axi_api_delete_host(call->api, call->request, call->name);
}

static const struct route routes[] = {
    {"GET", "/v1/status", get_status},
    {"GET", "/v1/masters", get_masters},
    {"GET", "/v1/nodes", get_nodes},
    {"GET", "/v1/nodes/*", get_node},
    {"GET", "/v1/managers", get_managers},
    {"GET", "/v1/checkpoints", get_checkpoints},
    {"GET", "/v1/tasks", get_tasks},
    {"GET", "/v1/tasks/*", get_task},
    {"GET", "/v1/tasks/*/logs", get_logs},
    {"GET", "/v1/images", get_images},
    {"GET", "/v1/images/*", get_image},
    {"GET", "/v1/events", get_events},
    {"GET", "/v1/operations", get_operations},
    {"GET", "/v1/operations/*", get_operation},
    {"PUT", "/v1/blobs/*", put_blob},
    {"GET", "/v1/blobs/*", get_blob},
    {"POST", "/v1/images", post_image},
    {"DELETE", "/v1/images/*", delete_image},
    {"POST", "/v1/tasks", post_task},
    {"POST", "/v1/tasks/*/migrate", post_migrate},
    {"POST", "/v1/tasks/*/offload", post_offload},
    {"POST", "/v1/nodes/*/offload", post_offload_node},
    {"POST", "/v1/tasks/*/start", post_start},
    {"POST", "/v1/tasks/*/stop", post_stop},
    {"DELETE", "/v1/tasks/*", delete_task},
    {"POST", "/v1/profiles", post_profile},
    {"GET", "/v1/services", get_services},
    {"GET", "/v1/services/*", get_service},
    {"POST", "/v1/services/*/rollout", post_rollout},
    {"GET", "/v1/voters", get_voters},
    {"GET", "/v1/hosts", get_hosts},
    {"GET", "/v1/hosts/*", get_host},
    {"PUT", "/v1/hosts/*", put_host},
    {"DELETE", "/v1/hosts/*", delete_host},
    {"GET", "/v1/declared", get_declared},
    {"POST", "/v1/apply", post_apply},
    {"POST", "/v1/undeclare", post_undeclare},
    {"POST", "/v1/nodes/*/cordon", post_cordon},
    {"POST", "/v1/nodes/*/uncordon", post_uncordon},
    {"POST", "/v1/nodes/*/drain", post_drain},
    {"POST", "/v1/rebalance", post_rebalance},
};

/* A master that does not lead answers it, too. */
static bool is_everywhere(const struct route *route)
{
    return route->run == get_status || route->run == get_masters || route->run == put_blob ||
           route->run == get_blob;
}

int axi_api_handle(void *context, struct axi_http_request *request, bool is_last)
{
    struct call call = {.api = context, .request = request, .is_last = is_last};
    bool is_path_known = false;

    if (axi_web_owns(axi_http_path(request))) {
        axi_web_handle(request);
        return 0;
    }
    for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
        if (axi_http_matches(routes[i].pattern, axi_http_path(request), call.name)) {
            is_path_known = true;
            if (strcmp(routes[i].method, axi_http_method(request)) == 0) {
                return call.api->master != NULL || is_everywhere(&routes[i])
                           ? routes[i].run(&call)
                           : refuse_as_standby(&call);
            }
        }
    }
    axi_http_reply_error(request, is_path_known ? -AXC_EINVALID : -AXC_ENOENT,
                         is_path_known ? "this path does not take this method" : "no such path",
                         "docs/api.md lists the paths");
    return 0;
}

size_t axi_api_body_limit(const char *method, const char *path)
{
    if (strcmp(method, "PUT") == 0 && strncmp(path, "/v1/blobs/", 10) == 0) {
        return AXI_API_BLOB_BYTES_MAX;
    }
    if (axi_web_owns(path)) {
        return 0;
    }
    return strcmp(path, "/v1/apply") == 0 ? AXI_API_MANIFEST_BYTES_MAX : AXI_API_BODY_BYTES_MAX;
}

bool axi_api_is_open(const char *method, const char *path)
{
    return axi_web_owns(path) && (strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0);
}
