/* SPDX-License-Identifier: Apache-2.0 */
#include "cms/fetcher.h"

#include "base/log.h"
#include "cluster/record.h"
#include "image/blobs.h"
#include "store/store.h"

#include <curl/curl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BLOB_BYTES_MAX (16u << 20)
#define WANTED_MAX 256u
#define LOOK_MS 300
#define REQUEST_MS 10000L

struct buffer {
    uint8_t *bytes;
    size_t count;
};

struct axi_cms_fetcher {
    struct axi_cms_fetcher_config config;
    uv_async_t arrived;
    pthread_t thread;
    bool has_thread;

    pthread_mutex_t mutex; /* the rest is shared */
    pthread_cond_t wake;
    bool is_ending;
    struct axi_digest wanted[WANTED_MAX]; /* missing, each once */
    size_t wanted_count;
};

/* ---- what is wanted ---- */

static bool is_here(const struct axi_cms_fetcher *f, const struct axi_digest *digest)
{
    char text[AXI_DIGEST_TEXT_BYTES];
    char path[4096];

    axi_digest_format(digest, text);
    (void)snprintf(path, sizeof(path), "%s/blobs/sha256/%s", f->config.dir, axi_digest_hex(text));
    return access(path, R_OK) == 0;
}

/* Beyond the bound nothing is noted: the record is read again when one is asked for. */
static void want(struct axi_cms_fetcher *f, const struct axi_digest *digest)
{
    (void)pthread_mutex_lock(&f->mutex);
    bool is_new = f->wanted_count < WANTED_MAX;

    for (size_t i = 0; i < f->wanted_count && is_new; i++) {
        is_new = !axi_digest_is_equal(&f->wanted[i], digest);
    }
    if (is_new) {
        f->wanted[f->wanted_count++] = *digest;
        (void)pthread_cond_signal(&f->wake);
    }
    (void)pthread_mutex_unlock(&f->mutex);
}

static void unwant(struct axi_cms_fetcher *f, const struct axi_digest *digest)
{
    (void)pthread_mutex_lock(&f->mutex);
    for (size_t i = 0; i < f->wanted_count; i++) {
        if (axi_digest_is_equal(&f->wanted[i], digest)) {
            f->wanted[i] = f->wanted[--f->wanted_count];
            break;
        }
    }
    (void)pthread_mutex_unlock(&f->mutex);
}

static bool is_ending(struct axi_cms_fetcher *f)
{
    (void)pthread_mutex_lock(&f->mutex);
    bool ending = f->is_ending;

    (void)pthread_mutex_unlock(&f->mutex);
    return ending;
}

/* ---- the thread: records ---- */

static void look_at(struct axi_cms_fetcher *f, const struct axi_store_value *value)
{
    json_t *json = json_loadb(value->bytes, value->value_bytes, 0, NULL);
    struct axi_record record;

    if (json != NULL && axi_record_from_json(json, &record) == 0) {
        for (uint32_t i = 0; i < record.entry_count; i++) {
            struct axi_digest digest;

            memcpy(digest.bytes, record.entries[i].elf_digest, sizeof(digest.bytes));
            if (!is_here(f, &digest)) {
                want(f, &digest);
            }
        }
    }
    json_decref(json);
}

static void on_change(void *context, const struct axi_store_change *change)
{
    if (!change->is_deleted) {
        look_at(context, change->value);
    }
}

static int on_listed(void *context, const char *key, const struct axi_store_value *value)
{
    (void)key;
    look_at(context, value);
    return 0;
}

static void look(struct axi_cms_fetcher *f, struct axi_store *store, uint64_t *revision)
{
    uint64_t next = *revision;
    int r = axi_store_changes(store, "task/", *revision, on_change, f, &next);

    if (r == -AXC_ECOMPACTED) {
        r = axi_store_list(store, "task/", on_listed, f);
    }
    if (r == 0) {
        *revision = next;
    }
}

/* ---- the thread: requests ---- */

static size_t on_data(char *data, size_t size, size_t count, void *context)
{
    struct buffer *buffer = context;
    size_t bytes = size * count;

    if (bytes > BLOB_BYTES_MAX - buffer->count) {
        return 0;
    }
    uint8_t *grown = realloc(buffer->bytes, buffer->count + bytes + 1);

    if (grown == NULL) {
        return 0;
    }
    memcpy(grown + buffer->count, data, bytes);
    buffer->bytes = grown;
    buffer->count += bytes;
    return bytes;
}

static int on_progress(void *context, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
    (void)a;
    (void)b;
    (void)c;
    (void)d;
    return is_ending(context) ? 1 : 0; /* 1: give up */
}

static long request(struct axi_cms_fetcher *f, CURL *curl, const char *digest,
                    struct buffer *ret_body)
{
    char url[256];
    char header[128];
    long status = 0;

    (void)snprintf(url, sizeof(url), "http://%s/v1/blobs/%s", f->config.master_api, digest);
    (void)snprintf(header, sizeof(header), "Authorization: Bearer %s", f->config.token);
    struct curl_slist *headers = curl_slist_append(NULL, header);

    curl_easy_reset(curl);
    (void)curl_easy_setopt(curl, CURLOPT_URL, url);
    (void)curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    (void)curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_data);
    (void)curl_easy_setopt(curl, CURLOPT_WRITEDATA, ret_body);
    (void)curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    (void)curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
    (void)curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_progress);
    (void)curl_easy_setopt(curl, CURLOPT_XFERINFODATA, f);
    (void)curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, REQUEST_MS);
    (void)curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http");
    if (curl_easy_perform(curl) == CURLE_OK) {
        (void)curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    }
    curl_slist_free_all(headers);
    return status;
}

/* What is tried in vain stays wanted, until the master says that it does not have it either. */
static void fetch(struct axi_cms_fetcher *f, CURL *curl, const struct axi_digest *digest)
{
    char text[AXI_DIGEST_TEXT_BYTES];
    struct buffer body = {0};

    axi_digest_format(digest, text);
    long status = request(f, curl, text, &body);

    if (status == 200) {
        int r = axi_blobs_put_expected(
            f->config.dir, digest, body.bytes != NULL ? (const void *)body.bytes : "", body.count);

        axi_log(r < 0 ? AXI_LOG_WARN : AXI_LOG_INFO, "image-fetched",
                "digest=%s bytes=%zu error=%s", text, body.count, axi_error_name(r));
        (void)uv_async_send(&f->arrived);
    }
    if (status == 200 || (status >= 400 && status < 500)) {
        unwant(f, digest);
    }
    free(body.bytes);
}

static void fetch_all(struct axi_cms_fetcher *f, CURL *curl)
{
    struct axi_digest wanted[WANTED_MAX];

    (void)pthread_mutex_lock(&f->mutex);
    size_t count = f->wanted_count;

    memcpy(wanted, f->wanted, count * sizeof(wanted[0]));
    (void)pthread_mutex_unlock(&f->mutex);
    for (size_t i = 0; i < count && !is_ending(f); i++) {
        fetch(f, curl, &wanted[i]);
    }
}

static void wait_a_little(struct axi_cms_fetcher *f)
{
    struct timespec until;

    (void)clock_gettime(CLOCK_MONOTONIC, &until); /* a step of the wall clock must not stop it */
    until.tv_nsec += LOOK_MS * 1000000L;
    until.tv_sec += until.tv_nsec / 1000000000L;
    until.tv_nsec %= 1000000000L;
    (void)pthread_mutex_lock(&f->mutex);
    if (!f->is_ending) {
        (void)pthread_cond_timedwait(&f->wake, &f->mutex, &until);
    }
    (void)pthread_mutex_unlock(&f->mutex);
}

static void *run(void *context)
{
    struct axi_cms_fetcher *f = context;
    CURL *curl = curl_easy_init();
    struct axi_store *store = NULL;
    uint64_t revision = 0;

    while (!is_ending(f) && curl != NULL) {
        if (store == NULL && axi_store_open(f->config.store, &store, NULL) < 0) {
            store = NULL;
        }
        if (store != NULL) {
            look(f, store, &revision);
        }
        fetch_all(f, curl);
        wait_a_little(f);
    }
    axi_store_free(store);
    curl_easy_cleanup(curl);
    return NULL;
}

/* ---- the loop ---- */

static void on_arrived(uv_async_t *async)
{
    struct axi_cms_fetcher *f = async->data;

    f->config.arrived(f->config.context);
}

int axi_cms_fetcher_new(const struct axi_cms_fetcher_config *config,
                        struct axi_cms_fetcher **ret_fetcher)
{
    struct axi_cms_fetcher *f = calloc(1, sizeof(*f));
    pthread_condattr_t attributes;

    if (f == NULL) {
        return -AXC_ENOMEM;
    }
    f->config = *config;
    f->arrived.data = f;
    (void)pthread_mutex_init(&f->mutex, NULL);
    (void)pthread_condattr_init(&attributes);
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&f->wake, &attributes);
    (void)pthread_condattr_destroy(&attributes);
    if (uv_async_init(config->loop, &f->arrived, on_arrived) < 0) {
        free(f);
        return -AXC_ENOMEM;
    }
    if (config->master_api != NULL) {
        (void)curl_global_init(CURL_GLOBAL_DEFAULT);
        f->has_thread = pthread_create(&f->thread, NULL, run, f) == 0;
        if (!f->has_thread) {
            axi_cms_fetcher_free(f);
            return -AXC_ENOMEM;
        }
    }
    *ret_fetcher = f;
    return 0;
}

int axi_cms_fetcher_get(struct axi_cms_fetcher *f, const uint8_t digest[32], uint8_t **ret_bytes,
                        size_t *ret_size)
{
    struct axi_digest wanted;

    memcpy(wanted.bytes, digest, sizeof(wanted.bytes));
    int r = axi_blobs_get(f->config.dir, &wanted, BLOB_BYTES_MAX, ret_bytes, ret_size);

    if (r < 0 && f->has_thread) {
        want(f, &wanted); /* also a damaged one */
    }
    return r == -AXC_EIMAGE_BLOB || r == -AXC_EIMAGE_DIGEST ? -AXC_ENOENT : r;
}

static void on_closed(uv_handle_t *handle)
{
    struct axi_cms_fetcher *f = handle->data;

    (void)pthread_cond_destroy(&f->wake);
    (void)pthread_mutex_destroy(&f->mutex);
    free(f);
}

void axi_cms_fetcher_free(struct axi_cms_fetcher *f)
{
    if (f == NULL) {
        return;
    }
    if (f->has_thread) {
        (void)pthread_mutex_lock(&f->mutex);
        f->is_ending = true;
        (void)pthread_cond_signal(&f->wake);
        (void)pthread_mutex_unlock(&f->mutex);
        (void)pthread_join(f->thread, NULL);
    }
    uv_close((uv_handle_t *)&f->arrived, on_closed);
}
