/* SPDX-License-Identifier: Apache-2.0 */
#include "master/checkpoint_list.h"

#include "net/get.h"

#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>

#define FRESH_MS 1000u
#define REQUEST_MS 1500L
#define ANSWER_BYTES_MAX (16u << 20)

struct axi_checkpoint_list {
    uv_loop_t *loop;
    const char *token;
    void (*arrived)(void *context);
    void *context;
    uv_work_t work;
    json_t *managers; /* of the request under way, its thread's own */
    json_t *found;    /* what it found, the thread's own until it ends */
    json_t *answer;   /* NULL: none yet */
    uint64_t answered_ms;
    bool is_asking, is_closing;
};

/* ---- what the managers say ---- */

static bool is_row(const json_t *row)
{
    return json_is_string(json_object_get(row, "task")) &&
           json_is_integer(json_object_get(row, "epoch")) &&
           json_is_integer(json_object_get(row, "job")) &&
           json_is_integer(json_object_get(row, "step"));
}

static bool is_newer(const json_t *row, const json_t *than)
{
    static const char *const keys[] = {"epoch", "job", "step"};

    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        json_int_t a = json_integer_value(json_object_get(row, keys[i]));
        json_int_t b = json_integer_value(json_object_get(than, keys[i]));

        if (a != b) {
            return a > b;
        }
    }
    return false;
}

void axi_checkpoint_list_merge(json_t *newest, const json_t *items, const char *manager)
{
    size_t index = 0;
    json_t *row = NULL;

    json_array_foreach ((json_t *)(uintptr_t)items, index, row) {
        if (!is_row(row)) {
            continue;
        }
        const char *task = json_string_value(json_object_get(row, "task"));
        const json_t *there = json_object_get(newest, task);

        if (there == NULL || is_newer(row, there)) {
            (void)json_object_set_new(row, "manager", json_string(manager));
            (void)json_object_set(newest, task, row);
        }
    }
}

/* ---- the thread ---- */

static json_t *ask_one(CURL *curl, const char *api, const char *token)
{
    const struct axi_get get = {.source = api,
                                .path = "/v1/checkpoints",
                                .token = token,
                                .bytes_max = ANSWER_BYTES_MAX,
                                .timeout_ms = REQUEST_MS};
    uint8_t *bytes = NULL;
    size_t count = 0;
    json_t *answer = NULL;

    if (axi_get(curl, &get, &bytes, &count) == 200 && bytes != NULL) {
        answer = json_loadb((const char *)bytes, count, 0, NULL);
    }
    free(bytes);
    return answer;
}

static void ask_all(uv_work_t *work)
{
    struct axi_checkpoint_list *list = work->data;
    json_t *newest = json_object();
    json_t *silent = json_array();
    json_t *items = json_array();
    CURL *curl = curl_easy_init();
    const char *task = NULL;
    size_t index = 0;
    json_t *each = NULL;

    json_array_foreach (list->managers, index, each) {
        const char *name = json_string_value(json_object_get(each, "name"));
        const char *api = json_string_value(json_object_get(each, "api"));
        const char *state = json_string_value(json_object_get(each, "state"));
        bool is_there = api != NULL && state != NULL && strcmp(state, "present") == 0;
        json_t *answer = curl != NULL && is_there ? ask_one(curl, api, list->token) : NULL;

        if (answer != NULL) {
            axi_checkpoint_list_merge(newest, json_object_get(answer, "items"), name);
        } else {
            (void)json_array_append_new(silent, json_string(name != NULL ? name : ""));
        }
        json_decref(answer);
    }
    json_object_foreach (newest, task, each) {
        (void)json_array_append(items, each);
    }
    json_decref(newest);
    curl_easy_cleanup(curl);
    list->found = json_pack("{s:o, s:o}", "items", items, "silent", silent);
}

/* ---- the loop ---- */

static void list_free(struct axi_checkpoint_list *list)
{
    json_decref(list->answer);
    free(list);
}

static void on_asked(uv_work_t *work, int status)
{
    struct axi_checkpoint_list *list = work->data;

    (void)status; /* canceled: nothing was found */
    list->is_asking = false;
    json_decref(list->managers);
    list->managers = NULL;
    if (list->is_closing) {
        json_decref(list->found);
        list_free(list);
        return;
    }
    json_decref(list->answer);
    list->answer = list->found;
    list->found = NULL;
    list->answered_ms = uv_now(list->loop);
    list->arrived(list->context);
}

json_t *axi_checkpoint_list_get(struct axi_checkpoint_list *list, const json_t *managers)
{
    if (list->answer != NULL && uv_now(list->loop) - list->answered_ms < FRESH_MS) {
        return json_deep_copy(list->answer);
    }
    if (!list->is_asking) {
        list->managers = json_deep_copy(managers);
        list->is_asking = uv_queue_work(list->loop, &list->work, ask_all, on_asked) == 0;
    }
    return NULL;
}

int axi_checkpoint_list_new(uv_loop_t *loop, const char *token, void (*arrived)(void *context),
                            void *context, struct axi_checkpoint_list **ret_list)
{
    struct axi_checkpoint_list *list = calloc(1, sizeof(*list));

    if (list == NULL) {
        return -AXC_ENOMEM;
    }
    list->loop = loop;
    list->token = token;
    list->arrived = arrived;
    list->context = context;
    list->work.data = list;
    (void)curl_global_init(CURL_GLOBAL_DEFAULT);
    *ret_list = list;
    return 0;
}

void axi_checkpoint_list_free(struct axi_checkpoint_list *list)
{
    if (list == NULL) {
        return;
    }
    list->is_closing = true;
    if (!list->is_asking) {
        list_free(list);
    } else {
        (void)uv_cancel((uv_req_t *)&list->work); /* when it has not begun */
    }
}
