/* SPDX-License-Identifier: Apache-2.0 */
/* Watches on etcd: one streaming answer per prefix, read without blocking whenever changes() is
 * called. A stream that ends is opened again at another member from the revision reached. */
#include "store/etcd_internal.h"

#include <stdlib.h>
#include <string.h>

#define RETRY_MS 50
#define QUIET_TIMEOUTS 5 /* a stream silent for so many timeout_ms is asked for anew */

struct axi_etcd_watch {
    struct axi_etcd_watch *next;
    char prefix[AXI_STORE_KEY_MAX + 1];
    CURL *easy; /* NULL: no stream is open */
    struct axi_etcd_buffer input;
    char *body;
    size_t endpoint;
    uint64_t after;      /* revision up to which everything was reported */
    uint64_t heard_ms;   /* when it said something last */
    uint64_t opened_ms;  /* when the stream was asked for */
    uint64_t retry_ms;   /* not before */
    uint64_t trouble_ms; /* since when no stream works; 0 = one does */
    bool is_established; /* the member confirmed the watch */
    bool has_ended;      /* curl is done with the stream */
};

static struct axi_store_etcd *of(struct axi_store *store)
{
    return (struct axi_store_etcd *)store;
}

static void close_stream(struct axi_store_etcd *s, struct axi_etcd_watch *w)
{
    if (w->easy != NULL) {
        curl_multi_remove_handle(s->multi, w->easy);
        curl_easy_cleanup(w->easy);
    }
    free(w->body);
    free(w->input.bytes);
    w->easy = NULL;
    w->body = NULL;
    w->input = (struct axi_etcd_buffer){0};
    w->is_established = false;
    w->has_ended = false;
}

void axi_etcd_watches_free(struct axi_store_etcd *s)
{
    while (s->watches != NULL) {
        struct axi_etcd_watch *w = s->watches;

        s->watches = w->next;
        close_stream(s, w);
        free(w);
    }
}

static struct axi_etcd_watch *find(struct axi_store_etcd *s, const char *prefix)
{
    struct axi_etcd_watch *w = s->watches;

    while (w != NULL && strcmp(w->prefix, prefix) != 0) {
        w = w->next;
    }
    if (w == NULL) {
        w = calloc(1, sizeof(*w));
        if (w != NULL) {
            strcpy(w->prefix, prefix); /* its length was checked */
            w->endpoint = s->current;
            w->next = s->watches;
            s->watches = w;
        }
    }
    return w;
}

/* The stream is of no more use: the next member, a little later. */
static void fail(struct axi_store_etcd *s, struct axi_etcd_watch *w)
{
    uint64_t now = axi_etcd_now_ms();

    close_stream(s, w);
    w->endpoint = (w->endpoint + 1) % s->location.endpoint_count;
    w->retry_ms = now + RETRY_MS;
    w->trouble_ms = w->trouble_ms == 0 ? now : w->trouble_ms;
}

static char *body_of(struct axi_store_etcd *s, struct axi_etcd_watch *w)
{
    json_t *body =
        json_pack("{s:{s:o, s:o, s:o}}", "create_request", "key", axi_etcd_key(s, w->prefix),
                  "range_end", axi_etcd_range_end(s, w->prefix), "start_revision",
                  json_sprintf("%llu", (unsigned long long)w->after + 1));
    char *text = body == NULL ? NULL : json_dumps(body, JSON_COMPACT);

    json_decref(body);
    return text;
}

static int open_stream(struct axi_store_etcd *s, struct axi_etcd_watch *w)
{
    w->body = body_of(s, w);
    w->easy = curl_easy_init();
    if (w->body == NULL || w->easy == NULL) {
        close_stream(s, w);
        return -AXC_ENOMEM;
    }
    if (axi_etcd_prepare(s, w->easy, w->endpoint, "watch", &w->input) != 0) {
        fail(s, w);
        return 0;
    }
    curl_easy_setopt(w->easy, CURLOPT_POSTFIELDS, w->body);
    curl_easy_setopt(w->easy, CURLOPT_PRIVATE, w);
    if (curl_multi_add_handle(s->multi, w->easy) != CURLM_OK) {
        close_stream(s, w);
        return -AXC_ENOMEM;
    }
    w->opened_ms = axi_etcd_now_ms();
    w->heard_ms = w->opened_ms;
    w->trouble_ms = w->trouble_ms == 0 ? w->opened_ms : w->trouble_ms;
    return 0;
}

/* A member that lets us wait is left, so that each gets its turn. */
static bool is_stuck(const struct axi_store_etcd *s, const struct axi_etcd_watch *w)
{
    return w->easy != NULL && !w->is_established &&
           axi_etcd_now_ms() - w->opened_ms > s->location.timeout_ms / 2;
}

/* A member that hangs keeps its connections: silence may be that, or nothing to say. */
static bool is_quiet(const struct axi_store_etcd *s, const struct axi_etcd_watch *w)
{
    uint64_t quiet_ms = (uint64_t)QUIET_TIMEOUTS * s->location.timeout_ms;

    return w->easy != NULL && w->is_established && axi_etcd_now_ms() - w->heard_ms > quiet_ms;
}

static void perform(struct axi_store_etcd *s)
{
    CURLMsg *message;
    int running = 0;
    int left = 0;

    curl_multi_perform(s->multi, &running);
    while ((message = curl_multi_info_read(s->multi, &left)) != NULL) {
        struct axi_etcd_watch *w = NULL;

        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&w);
        w->has_ended = true;
    }
}

/* Reports what whole lines say. */
static int take_lines(struct axi_store_etcd *s, struct axi_etcd_watch *w, axi_store_changed changed,
                      void *context, bool *ret_is_compacted)
{
    size_t done = 0;
    int rc = 0;

    while (rc == 0 && done < w->input.count) {
        const char *line = w->input.bytes + done;
        const char *end = memchr(line, '\n', w->input.count - done);

        if (end == NULL) {
            break;
        }
        done += (size_t)(end - line) + 1;
        rc = axi_etcd_watch_line(line, (size_t)(end - line), s->location.prefix, changed, context,
                                 &w->after, ret_is_compacted);
        w->is_established = w->is_established || rc == 0;
    }
    if (done > 0) {
        w->heard_ms = axi_etcd_now_ms();
        memmove(w->input.bytes, w->input.bytes + done, w->input.count - done);
        w->input.count -= done;
    }
    if (w->is_established) {
        w->trouble_ms = 0;
    }
    return rc;
}

static int current_revision(struct axi_store_etcd *s, uint64_t *ret_revision)
{
    json_t *answer = NULL;
    json_t *body = json_pack("{s:o, s:b}", "key", axi_etcd_key(s, "revision"), "count_only", 1);
    int rc = axi_etcd_call(s, "kv/range", body, false, &answer);

    if (rc == 0) {
        rc = axi_etcd_revision(answer, ret_revision);
    }
    json_decref(answer);
    return rc == 0 || rc == -AXC_ENOMEM ? rc : -AXC_EUNAVAILABLE;
}

static int start_over(struct axi_store_etcd *s, struct axi_etcd_watch *w, uint64_t *ret_revision)
{
    int rc = current_revision(s, ret_revision);

    close_stream(s, w);
    return rc == 0 ? -AXC_ECOMPACTED : rc;
}

int axi_etcd_changes(struct axi_store *store, const char *prefix, uint64_t after,
                     axi_store_changed changed, void *context, uint64_t *ret_revision)
{
    struct axi_store_etcd *s = of(store);
    struct axi_etcd_watch *w = find(s, prefix);
    bool is_compacted = false;
    int rc = 0;

    if (w == NULL) {
        return -AXC_ENOMEM;
    }
    if (after == 0) {
        return start_over(s, w, ret_revision);
    }
    if (w->after != after) {
        close_stream(s, w);
        w->after = after;
    }
    if (is_quiet(s, w)) {
        close_stream(s, w);
        w->endpoint = s->current;
    }
    if (w->easy == NULL && axi_etcd_now_ms() >= w->retry_ms) {
        rc = open_stream(s, w);
    }
    if (rc != 0) {
        return rc;
    }
    perform(s);
    rc = take_lines(s, w, changed, context, &is_compacted);
    if (is_compacted) {
        return start_over(s, w, ret_revision);
    }
    if (rc == -AXC_ENOMEM) {
        return rc;
    }
    if (rc != 0 || w->has_ended || is_stuck(s, w)) {
        fail(s, w);
    }
    if (w->trouble_ms != 0 && axi_etcd_now_ms() - w->trouble_ms > s->location.timeout_ms) {
        return -AXC_EUNAVAILABLE;
    }
    *ret_revision = w->after;
    return 0;
}
