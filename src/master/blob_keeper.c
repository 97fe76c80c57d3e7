/* SPDX-License-Identifier: Apache-2.0 */
#include "master/blob_keeper.h"

#include "cluster/record.h"
#include "cluster/text.h"
#include "image/blobs.h"
#include "master/leader.h"
#include "net/fetch.h"
#include "store/store.h"

#include <jansson.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOOK_MS 100u
#define IMAGES "image/"

struct axi_blob_keeper {
    struct axi_blob_keeper_config config;
    struct axi_fetch *fetch;

    /* of the thread */
    struct axi_fetch *looking;
    struct axi_store *store;
    uint64_t revision, masters_revision;
    char sources[AXI_FETCH_SOURCES_BYTES];
    bool is_missing; /* something, when all was looked through last */

    pthread_mutex_t mutex; /* what the loop is told */
    uint64_t told_revision;
    bool is_complete;
};

/* ---- the thread ---- */

static int add_source(void *context, const char *key, const struct axi_store_value *value)
{
    struct axi_blob_keeper *k = context;
    json_t *json = json_loadb(value->bytes, value->value_bytes, 0, NULL);
    const char *api = axi_json_get_text(json, "api");
    size_t used = strlen(k->sources);

    (void)key;
    if (*api != '\0' && axi_json_get_id(json, "master") != k->config.id &&
        used + strlen(api) + 2 < sizeof(k->sources)) {
        (void)snprintf(k->sources + used, sizeof(k->sources) - used, "%s%s", used > 0 ? "," : "",
                       api);
    }
    json_decref(json);
    return 0;
}

static int look_at_image(void *context, const char *key, const struct axi_store_value *value)
{
    struct axi_blob_keeper *k = context;
    json_t *json = json_loadb(value->bytes, value->value_bytes, 0, NULL);
    struct axi_image_entry entries[AXI_PLATFORMS_MAX];
    uint32_t count = 0;

    (void)key;
    if (axi_entries_from_json(json_object_get(json, "entries"), entries, &count) != 0) {
        count = 0; /* the core complains of it */
    }
    for (uint32_t i = 0; i < count; i++) {
        struct axi_digest digest;

        memcpy(digest.bytes, entries[i].elf_digest, sizeof(digest.bytes));
        if (!axi_blobs_has(k->config.dir, &digest)) {
            k->is_missing = true;
            axi_fetch_want(k->looking, digest.bytes);
        }
    }
    json_decref(json);
    return 0;
}

static void note_change(void *context, const struct axi_store_change *change)
{
    (void)change;
    *(bool *)context = true;
}

/* True when keys below the prefix changed since; *revision goes on. */
static bool has_changed(struct axi_store *store, const char *prefix, uint64_t *revision)
{
    bool changed = false;
    uint64_t next = *revision;
    int rc = axi_store_changes(store, prefix, *revision, note_change, &changed, &next);

    if (rc != 0 && rc != -AXC_ECOMPACTED) {
        return false;
    }
    changed = changed || rc == -AXC_ECOMPACTED;
    *revision = next;
    return changed;
}

static void tell(struct axi_blob_keeper *k)
{
    (void)pthread_mutex_lock(&k->mutex);
    k->told_revision = k->revision;
    k->is_complete = !k->is_missing;
    (void)pthread_mutex_unlock(&k->mutex);
    axi_fetch_tell(k->looking);
}

static void look(void *context, struct axi_fetch *fetch)
{
    struct axi_blob_keeper *k = context;

    k->looking = fetch;
    if (k->store == NULL && axi_store_open(k->config.store, &k->store, NULL) < 0) {
        k->store = NULL;
        return;
    }
    if (!has_changed(k->store, IMAGES, &k->revision) && !k->is_missing) {
        return;
    }
    if (has_changed(k->store, AXI_LEADER_MASTERS, &k->masters_revision)) {
        k->sources[0] = '\0';
        (void)!axi_store_list(k->store, AXI_LEADER_MASTERS, add_source, k);
        axi_fetch_set_sources(fetch, k->sources);
    }
    k->is_missing = false;
    if (axi_store_list(k->store, IMAGES, look_at_image, k) != 0) {
        k->is_missing = true; /* unknown: look again */
    }
    tell(k);
}

static int put(void *context, const uint8_t digest[AXI_FETCH_DIGEST_BYTES], const void *bytes,
               size_t count)
{
    const struct axi_blob_keeper *k = context;
    struct axi_digest expected;

    memcpy(expected.bytes, digest, sizeof(expected.bytes));
    return axi_blobs_put_expected(k->config.dir, &expected, bytes, count);
}

/* ---- the loop ---- */

static void arrived(void *context)
{
    struct axi_blob_keeper *k = context;

    (void)pthread_mutex_lock(&k->mutex);
    uint64_t revision = k->told_revision;
    bool is_complete = k->is_complete;

    (void)pthread_mutex_unlock(&k->mutex);
    k->config.judged(k->config.context, revision, is_complete);
}

int axi_blob_keeper_new(const struct axi_blob_keeper_config *config,
                        struct axi_blob_keeper **ret_keeper)
{
    struct axi_blob_keeper *k = calloc(1, sizeof(*k));
    const struct axi_fetch_config fetch = {.loop = config->loop,
                                           .token = config->token,
                                           .look_ms = LOOK_MS,
                                           .look = look,
                                           .put = put,
                                           .arrived = arrived,
                                           .context = k};

    if (k == NULL) {
        return -AXC_ENOMEM;
    }
    k->config = *config;
    (void)pthread_mutex_init(&k->mutex, NULL);
    int r = axi_fetch_new(&fetch, &k->fetch);

    if (r < 0) {
        free(k);
        return r;
    }
    *ret_keeper = k;
    return 0;
}

void axi_blob_keeper_free(struct axi_blob_keeper *k)
{
    if (k == NULL) {
        return;
    }
    axi_fetch_free(k->fetch);
    axi_store_free(k->store);
    (void)pthread_mutex_destroy(&k->mutex);
    free(k);
}
