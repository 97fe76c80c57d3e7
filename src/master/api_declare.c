/* SPDX-License-Identifier: Apache-2.0 */
/* Services, declared nodes and policy over HTTP. */
#include "master/api.h"

#include <inttypes.h>
#include <microhttpd.h>
#include <stdio.h>
#include <string.h>

#define DEADLINE_S_MAX 86400.0

/* Members that a body may have, with a test of each; any other is refused. */
struct member {
    const char *name;
    bool (*is_fine)(const json_t *value);
    const char *expected;
};

static bool is_array(const json_t *value)
{
    return json_is_array(value);
}

static bool is_boolean(const json_t *value)
{
    return json_is_boolean(value);
}

static bool is_action(const json_t *value)
{
    const char *text = json_string_value(value);

    return text != NULL &&
           (strcmp(text, "undo") == 0 || strcmp(text, "pause") == 0 || strcmp(text, "resume") == 0);
}

static bool is_deadline(const json_t *value)
{
    double seconds = json_number_value(value);

    return json_is_number(value) && seconds >= 0 && seconds <= DEADLINE_S_MAX;
}

static const struct member objects_member = {"objects", is_array, "an array of objects"};
static const struct member dry_run_member = {"dry_run", is_boolean, "true or false"};
static const struct member action_member = {"action", is_action, "undo, pause or resume"};
static const struct member deadline_member = {"deadline_s", is_deadline, "seconds from 0 to 86400"};

/* The body, checked; NULL after having replied. The first `required` members must be there. */
static json_t *read_body(struct axi_http_request *request, const struct member *const *members,
                         size_t count, size_t required)
{
    json_t *body = axi_api_body_object(request);
    char reason[AXI_REASON_BYTES] = "";
    size_t found = 0;

    if (body == NULL) {
        return NULL;
    }
    for (size_t i = 0; i < count; i++) {
        const json_t *value = json_object_get(body, members[i]->name);

        found += value != NULL;
        if (*reason == '\0' && (value != NULL ? !members[i]->is_fine(value) : i < required)) {
            (void)snprintf(reason, sizeof(reason), "\"%s\": expected %s", members[i]->name,
                           members[i]->expected);
        }
    }
    if (*reason == '\0' && json_object_size(body) > found) {
        (void)snprintf(reason, sizeof(reason), "the body has members that mean nothing here");
    }
    if (*reason != '\0') {
        axi_api_refuse(request, -AXC_EINVALID, reason);
        json_decref(body);
        return NULL;
    }
    return body;
}

/* The answer, also of a refusal: then with the error beside it. */
static void reply_answer(struct axi_http_request *request, int r, json_t *takes_answer,
                         const char *reason)
{
    int code = r < 0 ? -r : r;

    if (r == 0) {
        axi_http_reply(request, MHD_HTTP_OK, takes_answer);
        return;
    }
    if (takes_answer == NULL) {
        axi_api_refuse(request, r, reason);
        return;
    }
    (void)json_object_set_new(takes_answer, "error",
                              json_pack("{s:i, s:s, s:s, s:s}", "code", code, "name",
                                        axi_error_name(code), "reason", reason, "cure",
                                        axi_api_cure(code)));
    axi_http_reply(request, axi_http_status(code), takes_answer);
}

static int declare(struct axi_api *api, struct axi_http_request *request,
                   int (*run)(struct axi_master *, const json_t *, json_t **, char *))
{
    static const struct member *const members[] = {&objects_member, &dry_run_member};
    char reason[AXI_REASON_BYTES] = "";
    json_t *answer = NULL;
    json_t *body = read_body(request, members, 2, 1);

    if (body != NULL) {
        int r = run(api->master, body, &answer, reason);

        api->changed(api->context);
        reply_answer(request, r, answer, reason);
    }
    json_decref(body);
    return 0;
}

int axi_api_apply(struct axi_api *api, struct axi_http_request *request)
{
    return declare(api, request, axi_master_apply);
}

int axi_api_undeclare(struct axi_api *api, struct axi_http_request *request)
{
    return declare(api, request, axi_master_undeclare);
}

/* r < 0: refused; else {key: value}. */
static int reply_done(struct axi_api *api, struct axi_http_request *request, int r,
                      const char *reason, const char *key, const char *value)
{
    api->changed(api->context);
    if (r < 0) {
        axi_api_refuse(request, r, reason);
    } else {
        axi_http_reply(request, MHD_HTTP_OK, json_pack("{s:s}", key, value));
    }
    return 0;
}

int axi_api_rollout(struct axi_api *api, struct axi_http_request *request, const char *service)
{
    static const struct member *const members[] = {&action_member};
    char reason[AXI_REASON_BYTES] = "";
    json_t *body = read_body(request, members, 1, 1);

    if (body != NULL) {
        const char *action = json_string_value(json_object_get(body, "action"));
        int r = axi_master_rollout(api->master, service, action, reason);

        (void)reply_done(api, request, r, reason, "action", action);
    }
    json_decref(body);
    return 0;
}

int axi_api_cordon(struct axi_api *api, struct axi_http_request *request, const char *node,
                   bool is_cordoned)
{
    char reason[AXI_REASON_BYTES] = "";
    json_t *body = read_body(request, NULL, 0, 0);

    if (body != NULL) {
        int r = axi_master_cordon(api->master, node, is_cordoned, reason);

        (void)reply_done(api, request, r, reason, is_cordoned ? "cordoned" : "uncordoned", node);
    }
    json_decref(body);
    return 0;
}

int axi_api_drain(struct axi_api *api, struct axi_http_request *request, const char *node)
{
    static const struct member *const members[] = {&deadline_member};
    char reason[AXI_REASON_BYTES] = "";
    char id[24];
    uint64_t op = 0;
    json_t *body = read_body(request, members, 1, 0);

    if (body != NULL) {
        double seconds = json_number_value(json_object_get(body, "deadline_s"));
        int r = axi_master_drain(api->master, node, (uint64_t)(seconds * 1e9), &op, reason);

        api->changed(api->context);
        (void)snprintf(id, sizeof(id), "%" PRIu64, op);
        if (r < 0) {
            axi_api_refuse(request, r, reason);
        } else {
            axi_http_reply(request, MHD_HTTP_ACCEPTED, json_pack("{s:s}", "operation", id));
        }
    }
    json_decref(body);
    return 0;
}

int axi_api_rebalance(struct axi_api *api, struct axi_http_request *request)
{
    static const struct member *const members[] = {&dry_run_member};
    char reason[AXI_REASON_BYTES] = "";
    json_t *answer = NULL;
    json_t *body = read_body(request, members, 1, 0);

    if (body != NULL) {
        bool is_dry_run = json_is_true(json_object_get(body, "dry_run"));
        int r = axi_master_rebalance(api->master, is_dry_run, &answer, reason);

        api->changed(api->context);
        reply_answer(request, r, answer, reason);
    }
    json_decref(body);
    return 0;
}
