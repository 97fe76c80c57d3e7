/* SPDX-License-Identifier: Apache-2.0 */
#include "cms/api.h"

#include "cluster/text.h"

#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One request while it is handled. `name` is the part of the path that '*' stood for. */
struct call {
    struct axi_cms_api *api;
    struct axi_http_request *request;
    char name[AXI_HTTP_SEGMENT_BYTES];
};

static int refuse(struct call *call, int code, const char *reason)
{
    axi_http_reply_error(call->request, code, reason,
                         code == -AXC_ENOENT ? "'axcan get checkpoints' lists what there is" : "");
    return 0;
}

static int reply(struct call *call, json_t *takes_object)
{
    if (takes_object == NULL) {
        return refuse(
            call, -AXC_ENOENT,
            "no checkpoint of such a task is kept; 'axcan get checkpoints' lists the tasks");
    }
    axi_http_reply(call->request, MHD_HTTP_OK, takes_object);
    return 0;
}

static int get_status(struct call *call)
{
    json_t *status = axi_cms_status(call->api->cms);
    struct axi_checkpoints_figures figures;

    axi_checkpoints_get_figures(call->api->checkpoints, &figures);
    (void)json_object_set_new(status, "version", json_string(AXI_VERSION));
    (void)json_object_set_new(
        status, "checkpoints",
        json_pack("{s:I,s:I,s:I,s:I,s:I,s:I}", "puts", (json_int_t)figures.puts, "commits",
                  (json_int_t)figures.commits, "failed", (json_int_t)figures.failed, "queued",
                  (json_int_t)figures.queued, "stored_bytes", (json_int_t)figures.stored_bytes,
                  "whole_bytes", (json_int_t)figures.whole_bytes));
    return reply(call, status);
}

static int get_tasks(struct call *call)
{
    return reply(call, json_pack("{s:o}", "items", axi_cms_tasks(call->api->cms)));
}

static int get_task(struct call *call)
{
    return reply(call, axi_cms_task(call->api->cms, call->name));
}

/* ---- single checkpoints ---- */

/* What a query names: node, epoch, job, step; what is left out is free. */
struct wanted {
    struct axi_checkpoint_id id;
    bool has_epoch, has_job, has_step, is_found;
};

static int match(void *context, const struct axi_checkpoint_info *info)
{
    struct wanted *wanted = context;
    const struct axi_checkpoint_id *id = &info->id;

    if ((wanted->id.node_id != 0 && wanted->id.node_id != id->node_id) ||
        (wanted->has_epoch && wanted->id.epoch != id->epoch) ||
        (wanted->has_job && wanted->id.job != id->job) ||
        (wanted->has_step && wanted->id.step != id->step)) {
        return 0;
    }
    wanted->id = *id;
    wanted->is_found = true;
    return -AXC_EEXIST; /* newest first: this is it */
}

static uint64_t task_id_of(struct call *call)
{
    json_t *task = axi_cms_task(call->api->cms, call->name);
    uint64_t id = axi_json_get_id(task, "task");
    char *end = NULL;

    json_decref(task);
    if (id == 0) { /* deleted tasks may have pinned ones: only their number is left */
        id = strtoull(call->name, &end, 16);
        id = *end == '\0' ? id : 0;
    }
    return id;
}

static bool read_number(struct call *call, const char *name, bool *ret_is_there,
                        uint64_t *ret_value)
{
    *ret_is_there = axi_http_query(call->request, name) != NULL;
    return axi_http_query_number(call->request, name, 0, ret_value);
}

/* The newest checkpoint that the query fits; 0 or -1 after having replied. */
static int find(struct call *call, struct axi_checkpoint_id *ret_id)
{
    const char *node = axi_http_query(call->request, "node");
    struct wanted wanted = {.id = {.task_id = task_id_of(call)}};
    uint64_t step = 0;

    if (!read_number(call, "epoch", &wanted.has_epoch, &wanted.id.epoch) ||
        !read_number(call, "job", &wanted.has_job, &wanted.id.job) ||
        !read_number(call, "step", &wanted.has_step, &step)) {
        (void)refuse(call, -AXC_EINVALID, "epoch, job or step is not a number");
        return -1;
    }
    wanted.id.step = (uint32_t)step;
    wanted.id.node_id = node != NULL ? strtoull(node, NULL, 16) : 0;
    if (wanted.id.task_id != 0) {
        int r = axi_checkpoints_list(call->api->checkpoints, wanted.id.task_id, match, &wanted);

        if (r < 0 && !wanted.is_found) {
            (void)refuse(call, r, NULL);
            return -1;
        }
    }
    if (!wanted.is_found) {
        (void)refuse(call, -AXC_ENOENT,
                     "no such checkpoint is kept; 'axcan get checkpoints TASK' lists what is");
        return -1;
    }
    *ret_id = wanted.id;
    return 0;
}

static int get_data(struct call *call)
{
    struct axi_checkpoint_id id;
    size_t bytes = 0;

    if (find(call, &id) < 0) {
        return 0;
    }
    uint8_t *buffer = malloc(AXI_CHECKPOINT_BYTES_MAX);
    int r = buffer == NULL ? -AXC_ENOMEM
                           : axi_checkpoints_read(call->api->checkpoints, &id, buffer,
                                                  AXI_CHECKPOINT_BYTES_MAX, &bytes);

    if (r < 0) {
        free(buffer);
        return refuse(call, r, NULL);
    }
    axi_http_reply_bytes(call->request, MHD_HTTP_OK, buffer, bytes);
    return 0;
}

static json_t *describe(const struct axi_checkpoint_id *id, bool is_pinned)
{
    return json_pack("{s:o,s:o,s:I,s:I,s:I,s:b}", "task", axi_json_id(id->task_id), "node_id",
                     axi_json_id(id->node_id), "epoch", (json_int_t)id->epoch, "job",
                     (json_int_t)id->job, "step", (json_int_t)id->step, "pinned", (int)is_pinned);
}

static int set_pin(struct call *call, bool is_pinned)
{
    struct axi_checkpoint_id id;

    if (find(call, &id) < 0) {
        return 0;
    }
    int r = axi_checkpoints_pin(call->api->checkpoints, &id, is_pinned);

    return r < 0 ? refuse(call, r, NULL) : reply(call, describe(&id, is_pinned));
}

static int post_pin(struct call *call)
{
    return set_pin(call, true);
}

static int delete_pin(struct call *call)
{
    return set_pin(call, false);
}

/* An imported one is pinned: nobody else holds it, and newer ones would push it out at once. */
static int post_import(struct call *call)
{
    size_t bytes = 0;
    const uint8_t *body = axi_http_body(call->request, &bytes);
    struct axi_checkpoint_id id;
    int r = axi_checkpoints_import(call->api->checkpoints, 0, body, bytes, &id);

    return r < 0 ? refuse(call, r, NULL) : reply(call, describe(&id, true));
}

/* ---- routes ---- */

static const struct {
    const char *method, *pattern;
    int (*run)(struct call *call);
} routes[] = {
    {"GET", "/v1/status", get_status},           {"GET", "/v1/checkpoints", get_tasks},
    {"GET", "/v1/checkpoints/*", get_task},      {"GET", "/v1/checkpoints/*/data", get_data},
    {"POST", "/v1/checkpoints/*/pin", post_pin}, {"DELETE", "/v1/checkpoints/*/pin", delete_pin},
    {"POST", "/v1/checkpoints", post_import},
};

int axi_cms_api_handle(void *context, struct axi_http_request *request, bool is_last)
{
    struct call call = {.api = context, .request = request};
    bool is_path_known = false;

    (void)is_last;
    for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
        if (axi_http_matches(routes[i].pattern, axi_http_path(request), call.name)) {
            is_path_known = true;
            if (strcmp(routes[i].method, axi_http_method(request)) == 0) {
                return routes[i].run(&call);
            }
        }
    }
    axi_http_reply_error(request, is_path_known ? -AXC_EINVALID : -AXC_ENOENT,
                         is_path_known ? "this path does not take this method" : "no such path",
                         "docs/api.md lists the paths");
    return 0;
}

size_t axi_cms_api_body_limit(const char *method, const char *path)
{
    (void)method;
    (void)path;
    return AXI_CMS_API_BODY_BYTES_MAX;
}
