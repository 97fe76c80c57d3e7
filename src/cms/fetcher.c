/* SPDX-License-Identifier: Apache-2.0 */
#include "cms/fetcher.h"

#include "cluster/record.h"
#include "image/blobs.h"
#include "net/fetch.h"
#include "store/store.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define BLOB_BYTES_MAX (16u << 20)
#define LOOK_MS 300u

struct axi_cms_fetcher {
    struct axi_cms_fetcher_config config;
    struct axi_fetch *fetch;   /* NULL: nothing is fetched */
    struct axi_fetch *looking; /* the same; this and the rest are the thread's */
    struct axi_store *store;
    uint64_t revision;
};

/* ---- the thread: records ---- */

static void look_at(struct axi_cms_fetcher *f, const struct axi_store_value *value)
{
    json_t *json = json_loadb(value->bytes, value->value_bytes, 0, NULL);
    struct axi_record record;

    if (json != NULL && axi_record_from_json(json, &record) == 0) {
        for (uint32_t i = 0; i < record.entry_count; i++) {
            struct axi_digest digest;

            memcpy(digest.bytes, record.entries[i].elf_digest, sizeof(digest.bytes));
            if (!axi_blobs_has(f->config.dir, &digest)) {
                axi_fetch_want(f->looking, digest.bytes);
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

static void look(void *context, struct axi_fetch *fetch)
{
    struct axi_cms_fetcher *f = context;
    uint64_t next = f->revision;
    int r;

    f->looking = fetch;
    if (f->store == NULL && axi_store_open(f->config.store, &f->store, NULL) < 0) {
        f->store = NULL;
        return;
    }
    r = axi_store_changes(f->store, "task/", f->revision, on_change, f, &next);
    if (r == -AXC_ECOMPACTED) {
        r = axi_store_list(f->store, "task/", on_listed, f);
    }
    if (r == 0) {
        f->revision = next;
    }
}

static int put(void *context, const uint8_t digest[AXI_FETCH_DIGEST_BYTES], const void *bytes,
               size_t count)
{
    const struct axi_cms_fetcher *f = context;
    struct axi_digest expected;

    memcpy(expected.bytes, digest, sizeof(expected.bytes));
    return axi_blobs_put_expected(f->config.dir, &expected, bytes, count);
}

/* ---- the loop ---- */

static void arrived(void *context)
{
    const struct axi_cms_fetcher *f = context;

    f->config.arrived(f->config.context);
}

int axi_cms_fetcher_new(const struct axi_cms_fetcher_config *config,
                        struct axi_cms_fetcher **ret_fetcher)
{
    struct axi_cms_fetcher *f = calloc(1, sizeof(*f));
    const struct axi_fetch_config fetch = {.loop = config->loop,
                                           .sources = config->master_api,
                                           .token = config->token,
                                           .look_ms = LOOK_MS,
                                           .look = look,
                                           .put = put,
                                           .arrived = arrived,
                                           .context = f};
    struct axi_fetch *made = NULL;
    int r = 0;

    if (f == NULL) {
        return -AXC_ENOMEM;
    }
    f->config = *config;
    if (config->master_api != NULL) {
        r = axi_fetch_new(&fetch, &made);
    }
    if (r < 0) {
        free(f);
        return r;
    }
    f->fetch = made;
    *ret_fetcher = f;
    return 0;
}

int axi_cms_fetcher_get(struct axi_cms_fetcher *f, const uint8_t digest[32], uint8_t **ret_bytes,
                        size_t *ret_size)
{
    struct axi_digest wanted;

    memcpy(wanted.bytes, digest, sizeof(wanted.bytes));
    int r = axi_blobs_get(f->config.dir, &wanted, BLOB_BYTES_MAX, ret_bytes, ret_size);

    if (r < 0 && f->fetch != NULL) {
        axi_fetch_want(f->fetch, digest); /* also a damaged one */
    }
    return r == -AXC_EIMAGE_BLOB || r == -AXC_EIMAGE_DIGEST ? -AXC_ENOENT : r;
}

void axi_cms_fetcher_free(struct axi_cms_fetcher *f)
{
    if (f == NULL) {
        return;
    }
    axi_fetch_free(f->fetch);
    axi_store_free(f->store);
    free(f);
}
