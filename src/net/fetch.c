/* SPDX-License-Identifier: Apache-2.0 */
#include "net/fetch.h"

#include "base/log.h"
#include "net/get.h"

#include <curl/curl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define BLOBS "/v1/blobs/sha256:"
#define BLOB_BYTES_MAX (16u << 20)
#define WANTED_MAX 256u
#define REQUEST_MS 10000L

struct digest {
    uint8_t bytes[AXI_FETCH_DIGEST_BYTES];
};

struct axi_fetch {
    struct axi_fetch_config config;
    uv_async_t arrived;
    pthread_t thread;
    bool has_thread;

    pthread_mutex_t mutex; /* the rest is shared */
    pthread_cond_t wake;
    bool is_ending;
    char sources[AXI_FETCH_SOURCES_BYTES];
    struct digest wanted[WANTED_MAX]; /* missing, each once */
    size_t wanted_count;
};

/* ---- what is wanted ---- */

/* Beyond the bound nothing is noted: the record is read again when one is asked for. */
void axi_fetch_want(struct axi_fetch *f, const uint8_t digest[AXI_FETCH_DIGEST_BYTES])
{
    (void)pthread_mutex_lock(&f->mutex);
    bool is_new = f->wanted_count < WANTED_MAX;

    for (size_t i = 0; i < f->wanted_count && is_new; i++) {
        is_new = memcmp(f->wanted[i].bytes, digest, AXI_FETCH_DIGEST_BYTES) != 0;
    }
    if (is_new) {
        memcpy(f->wanted[f->wanted_count++].bytes, digest, AXI_FETCH_DIGEST_BYTES);
        (void)pthread_cond_signal(&f->wake);
    }
    (void)pthread_mutex_unlock(&f->mutex);
}

static void unwant(struct axi_fetch *f, const struct digest *digest)
{
    (void)pthread_mutex_lock(&f->mutex);
    for (size_t i = 0; i < f->wanted_count; i++) {
        if (memcmp(&f->wanted[i], digest, sizeof(*digest)) == 0) {
            f->wanted[i] = f->wanted[--f->wanted_count];
            break;
        }
    }
    (void)pthread_mutex_unlock(&f->mutex);
}

static bool is_ending(struct axi_fetch *f)
{
    (void)pthread_mutex_lock(&f->mutex);
    bool ending = f->is_ending;

    (void)pthread_mutex_unlock(&f->mutex);
    return ending;
}

/* ---- the thread: requests ---- */

static bool has_ended(void *context)
{
    return is_ending(context);
}

static void take(struct axi_fetch *f, const struct digest *digest, const char *text,
                 const uint8_t *bytes, size_t count)
{
    int r = f->config.put(f->config.context, digest->bytes,
                          bytes != NULL ? (const void *)bytes : "", count);

    axi_log(r < 0 ? AXI_LOG_WARN : AXI_LOG_INFO, "image-fetched",
            "digest=sha256:%s bytes=%zu error=%s", text, count, axi_error_name(r));
    axi_fetch_tell(f);
}

/* Each source in turn. What is tried in vain stays wanted, until all that there are say that they
 * do not have it either. */
static void fetch(struct axi_fetch *f, CURL *curl, const struct digest *digest)
{
    char text[2 * AXI_FETCH_DIGEST_BYTES + 1];
    char path[sizeof(BLOBS) + sizeof(text)];
    char sources[AXI_FETCH_SOURCES_BYTES];
    char *rest = sources;
    bool is_refused = true;

    for (size_t i = 0; i < AXI_FETCH_DIGEST_BYTES; i++) {
        (void)snprintf(text + 2 * i, 3, "%02x", digest->bytes[i]);
    }
    (void)snprintf(path, sizeof(path), BLOBS "%s", text);
    (void)pthread_mutex_lock(&f->mutex);
    memcpy(sources, f->sources, sizeof(sources));
    (void)pthread_mutex_unlock(&f->mutex);
    for (char *source = strtok_r(sources, ",", &rest); source != NULL && !is_ending(f);
         source = strtok_r(NULL, ",", &rest)) {
        const struct axi_get get = {.source = source,
                                    .path = path,
                                    .token = f->config.token,
                                    .bytes_max = BLOB_BYTES_MAX,
                                    .timeout_ms = REQUEST_MS,
                                    .is_ending = has_ended,
                                    .context = f};
        uint8_t *bytes = NULL;
        size_t count = 0;
        long status = axi_get(curl, &get, &bytes, &count);

        if (status == 200) {
            take(f, digest, text, bytes, count);
        }
        free(bytes);
        if (status == 200) {
            unwant(f, digest);
            return;
        }
        is_refused = is_refused && status >= 400 && status < 500;
    }
    if (is_refused) {
        unwant(f, digest);
    }
}

static void fetch_all(struct axi_fetch *f, CURL *curl)
{
    struct digest wanted[WANTED_MAX];

    (void)pthread_mutex_lock(&f->mutex);
    size_t count = f->wanted_count;

    memcpy(wanted, f->wanted, count * sizeof(wanted[0]));
    (void)pthread_mutex_unlock(&f->mutex);
    for (size_t i = 0; i < count && !is_ending(f); i++) {
        fetch(f, curl, &wanted[i]);
    }
}

static void wait_a_little(struct axi_fetch *f)
{
    struct timespec until;

    (void)clock_gettime(CLOCK_MONOTONIC, &until); /* a step of the wall clock must not stop it */
    until.tv_nsec += (long)f->config.look_ms * 1000000L;
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
    struct axi_fetch *f = context;
    CURL *curl = curl_easy_init();

    while (!is_ending(f) && curl != NULL) {
        f->config.look(f->config.context, f);
        fetch_all(f, curl);
        wait_a_little(f);
    }
    curl_easy_cleanup(curl);
    return NULL;
}

void axi_fetch_set_sources(struct axi_fetch *f, const char *sources)
{
    (void)pthread_mutex_lock(&f->mutex);
    (void)snprintf(f->sources, sizeof(f->sources), "%s", sources);
    (void)pthread_mutex_unlock(&f->mutex);
}

void axi_fetch_tell(struct axi_fetch *f)
{
    (void)uv_async_send(&f->arrived);
}

/* ---- the loop ---- */

static void on_arrived(uv_async_t *async)
{
    struct axi_fetch *f = async->data;

    f->config.arrived(f->config.context);
}

int axi_fetch_new(const struct axi_fetch_config *config, struct axi_fetch **ret_fetch)
{
    struct axi_fetch *f = calloc(1, sizeof(*f));
    pthread_condattr_t attributes;

    if (f == NULL) {
        return -AXC_ENOMEM;
    }
    f->config = *config;
    f->arrived.data = f;
    (void)snprintf(f->sources, sizeof(f->sources), "%s",
                   config->sources != NULL ? config->sources : "");
    (void)pthread_mutex_init(&f->mutex, NULL);
    (void)pthread_condattr_init(&attributes);
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&f->wake, &attributes);
    (void)pthread_condattr_destroy(&attributes);
    if (uv_async_init(config->loop, &f->arrived, on_arrived) < 0) {
        free(f);
        return -AXC_ENOMEM;
    }
    (void)curl_global_init(CURL_GLOBAL_DEFAULT);
    f->has_thread = pthread_create(&f->thread, NULL, run, f) == 0;
    if (!f->has_thread) {
        axi_fetch_free(f);
        return -AXC_ENOMEM;
    }
    *ret_fetch = f;
    return 0;
}

static void on_closed(uv_handle_t *handle)
{
    struct axi_fetch *f = handle->data;

    (void)pthread_cond_destroy(&f->wake);
    (void)pthread_mutex_destroy(&f->mutex);
    free(f);
}

void axi_fetch_free(struct axi_fetch *f)
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
