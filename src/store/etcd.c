/* SPDX-License-Identifier: Apache-2.0 */
#include "store/etcd.h"

#include "store/etcd_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PAGE_KEYS 100

static struct axi_store_etcd *of(struct axi_store *store)
{
    return (struct axi_store_etcd *)store;
}

static json_t *encoded(const void *bytes, size_t count)
{
    char *text = axi_etcd_encode(bytes, count);
    json_t *string = text == NULL ? NULL : json_string(text);

    free(text);
    return string;
}

static size_t full_key(const struct axi_store_etcd *s, const char *key, char full[320])
{
    return (size_t)snprintf(full, 320, "%s/%s", s->location.prefix, key);
}

json_t *axi_etcd_key(const struct axi_store_etcd *s, const char *key)
{
    char full[320];
    size_t bytes = full_key(s, key, full);

    return encoded(full, bytes);
}

json_t *axi_etcd_range_end(const struct axi_store_etcd *s, const char *prefix)
{
    char full[320];
    size_t bytes = full_key(s, prefix, full);

    full[bytes - 1] = (char)(full[bytes - 1] + 1);
    return encoded(full, bytes);
}

/* Numbers travel as strings: JSON's own lose digits beyond 2^53. */
static json_t *number(uint64_t value)
{
    return json_sprintf("%llu", (unsigned long long)value);
}

/* An answer that makes no sense tells nothing about what happened. */
static int judge(int rc, bool is_write)
{
    if (rc == -AXC_EIO || rc == -AXC_ECOMPACTED) {
        return is_write ? -AXC_ETIMEOUT : -AXC_EUNAVAILABLE;
    }
    return rc;
}

struct got {
    const char *key;
    struct axi_store_value value;
    bool is_there;
};

static int take_value(void *context, const char *key, const struct axi_store_value *value)
{
    struct got *got = context;
    char *copy;

    if (got->is_there || strcmp(key, got->key) != 0) {
        return -AXC_EIO;
    }
    copy = malloc(value->value_bytes + 1);
    if (copy == NULL) {
        return -AXC_ENOMEM;
    }
    memcpy(copy, value->bytes, value->value_bytes + 1);
    got->value = (struct axi_store_value){copy, value->value_bytes, value->revision};
    got->is_there = true;
    return 0;
}

static int etcd_get(struct axi_store *store, const char *key, struct axi_store_value *ret_value)
{
    struct axi_store_etcd *s = of(store);
    struct got got = {.key = key};
    json_t *answer = NULL;
    uint64_t revision;
    int rc = axi_etcd_call(s, "kv/range", json_pack("{s:o}", "key", axi_etcd_key(s, key)), false,
                           &answer);

    if (rc == 0) {
        rc = axi_etcd_revision(answer, &revision);
    }
    if (rc == 0) {
        rc = axi_etcd_visit(answer, s->location.prefix, take_value, &got, NULL);
    }
    json_decref(answer);
    if (rc != 0) {
        axi_store_value_clear(&got.value);
        return judge(rc, false);
    }
    if (!got.is_there) {
        return -AXC_ENOENT;
    }
    *ret_value = got.value;
    return 0;
}

static json_t *compare_of(const struct axi_store_etcd *s, const struct axi_store_op *op)
{
    return json_pack("{s:o, s:s, s:s, s:o}", "key", axi_etcd_key(s, op->key), "target", "MOD",
                     "result", "EQUAL", "mod_revision", number(op->expected));
}

static json_t *request_of(const struct axi_store_etcd *s, const struct axi_store_op *op)
{
    if (op->kind == AXI_STORE_DELETE) {
        return json_pack("{s:{s:o}}", "request_delete_range", "key", axi_etcd_key(s, op->key));
    }
    return json_pack("{s:{s:o, s:o, s:o}}", "request_put", "key", axi_etcd_key(s, op->key), "value",
                     encoded(op->value, op->value_bytes), "lease", number(op->lease));
}

static json_t *transaction_of(const struct axi_store_etcd *s, const struct axi_store_op *ops,
                              size_t count)
{
    json_t *compares = json_array();
    json_t *requests = json_array();
    int rc = compares == NULL || requests == NULL;

    for (size_t i = 0; i < count && rc == 0; i++) {
        if (ops[i].expected != AXI_STORE_ANY) {
            rc |= json_array_append_new(compares, compare_of(s, &ops[i]));
        }
        if (ops[i].kind != AXI_STORE_CHECK) {
            rc |= json_array_append_new(requests, request_of(s, &ops[i]));
        }
    }
    if (rc != 0) {
        json_decref(compares);
        json_decref(requests);
        return NULL;
    }
    return json_pack("{s:o, s:o}", "compare", compares, "success", requests);
}

static int etcd_commit(struct axi_store *store, const struct axi_store_op *ops, size_t count,
                       uint64_t *ret_revision)
{
    struct axi_store_etcd *s = of(store);
    json_t *answer = NULL;
    int rc = axi_etcd_call(s, "kv/txn", transaction_of(s, ops, count), true, &answer);

    if (rc == 0 && !json_is_true(json_object_get(answer, "succeeded"))) {
        /* only an answer of etcd, which has a header, says that a comparison failed */
        rc = axi_etcd_revision(answer, &(uint64_t){0});
        rc = rc == 0 ? -AXC_ECONFLICT : rc;
    } else if (rc == 0) {
        rc = axi_etcd_revision(answer, ret_revision);
    }
    json_decref(answer);
    return judge(rc, true);
}

/* The key right after `last`, which etcd had as it is. */
static json_t *key_after(const char *last)
{
    return encoded(last, strlen(last) + 1);
}

static json_t *page_of(json_t *key, json_t *end, uint64_t revision)
{
    return json_pack("{s:o, s:o, s:i, s:o}", "key", key, "range_end", end, "limit", PAGE_KEYS,
                     "revision", number(revision));
}

/* All pages at the revision of the first one, so that a listing is one view. */
static int etcd_list(struct axi_store *store, const char *prefix, axi_store_visit visit,
                     void *context)
{
    struct axi_store_etcd *s = of(store);
    json_t *key = axi_etcd_key(s, prefix);
    uint64_t revision = 0;
    bool has_more = true;

    while (has_more) {
        json_t *body = page_of(key, axi_etcd_range_end(s, prefix), revision);
        json_t *answer = NULL;
        char *last_key = NULL;
        int rc = axi_etcd_call(s, "kv/range", body, false, &answer);

        if (rc == 0 && revision == 0) {
            rc = axi_etcd_revision(answer, &revision);
        }
        if (rc == 0) {
            rc = axi_etcd_visit(answer, s->location.prefix, visit, context, &last_key);
        }
        has_more = rc == 0 && json_is_true(json_object_get(answer, "more")) && last_key != NULL;
        key = has_more ? key_after(last_key) : NULL;
        free(last_key);
        json_decref(answer);
        if (rc != 0) {
            return judge(rc, false);
        }
    }
    return 0;
}

static int etcd_lease_grant(struct axi_store *store, uint32_t ttl_ms, uint64_t *ret_lease)
{
    uint32_t ttl_s = ttl_ms <= 2000 ? 2 : (ttl_ms + 999) / 1000;
    json_t *answer = NULL;
    uint64_t lease = 0;
    int rc = axi_etcd_call(of(store), "lease/grant", json_pack("{s:i}", "TTL", (int)ttl_s), true,
                           &answer);

    if (rc == 0) {
        rc = axi_etcd_number(answer, "ID", &lease);
    }
    json_decref(answer);
    if (rc == 0 && lease != 0) {
        *ret_lease = lease;
        return 0;
    }
    return judge(rc == 0 ? -AXC_EIO : rc, true);
}

static int etcd_lease_keep(struct axi_store *store, uint64_t lease)
{
    json_t *answer = NULL;
    uint64_t ttl_s = 0;
    /* repeating it does no harm, so it asks every endpoint like a read */
    int rc = axi_etcd_call(of(store), "lease/keepalive", json_pack("{s:o}", "ID", number(lease)),
                           false, &answer);

    if (rc == 0) {
        const json_t *result = json_object_get(answer, "result");

        rc = json_is_object(result) ? axi_etcd_number(result, "TTL", &ttl_s) : -AXC_EIO;
    }
    json_decref(answer);
    return rc == 0 && ttl_s == 0 ? -AXC_ENOENT : judge(rc, false);
}

static int etcd_lease_revoke(struct axi_store *store, uint64_t lease)
{
    json_t *answer = NULL;
    int rc = axi_etcd_call(of(store), "lease/revoke", json_pack("{s:o}", "ID", number(lease)), true,
                           &answer);

    json_decref(answer);
    return judge(rc, true);
}

static void etcd_free(struct axi_store *store)
{
    struct axi_store_etcd *s = of(store);

    axi_etcd_watches_free(s);
    axi_etcd_members_free(s);
    curl_multi_cleanup(s->multi);
    curl_easy_cleanup(s->request);
    curl_slist_free_all(s->headers);
    curl_global_cleanup();
    free(s);
}

static const struct axi_store_ops etcd_ops = {
    .get = etcd_get,
    .commit = etcd_commit,
    .list = etcd_list,
    .changes = axi_etcd_changes,
    .lease_grant = etcd_lease_grant,
    .lease_keep = etcd_lease_keep,
    .lease_revoke = etcd_lease_revoke,
    .members = axi_etcd_members,
    .free = etcd_free,
};

/* hasleader: a member cut off from the others ends its watches instead of staying silent. */
static const char *const headers[] = {"Content-Type: application/json",
                                      "Expect:", "Grpc-Metadata-hasleader: true"};

int axi_store_etcd_new(const struct axi_etcd_location *location, struct axi_store **ret_store)
{
    struct axi_store_etcd *s = calloc(1, sizeof(*s));

    if (s == NULL || curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        free(s);
        return -AXC_ENOMEM;
    }
    s->base.ops = &etcd_ops;
    s->location = *location;
    s->request = curl_easy_init();
    s->multi = curl_multi_init();
    for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++) {
        struct curl_slist *longer = curl_slist_append(s->headers, headers[i]);

        if (longer == NULL) {
            etcd_free(&s->base);
            return -AXC_ENOMEM;
        }
        s->headers = longer;
    }
    if (s->request == NULL || s->multi == NULL) {
        etcd_free(&s->base);
        return -AXC_ENOMEM;
    }
    *ret_store = &s->base;
    return 0;
}
