/* SPDX-License-Identifier: Apache-2.0 */
#include "store/store.h"

#include "store/etcd.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int key_is_valid(const char *key)
{
    return key != NULL && key[0] != '\0' &&
           strnlen(key, AXI_STORE_KEY_MAX + 1) <= AXI_STORE_KEY_MAX;
}

static int ops_are_valid(const struct axi_store_op *ops, size_t count)
{
    if (count == 0 || count > AXI_STORE_OPS_MAX) {
        return 0;
    }
    for (size_t i = 0; i < count; i++) {
        int has_value = ops[i].value != NULL || ops[i].value_bytes == 0;

        if (!key_is_valid(ops[i].key) || !has_value || ops[i].value_bytes > AXI_STORE_VALUE_MAX) {
            return 0;
        }
        for (size_t j = 0; j < i; j++) {
            if (strcmp(ops[i].key, ops[j].key) == 0) {
                return 0;
            }
        }
    }
    return 1;
}

int axi_store_get(struct axi_store *store, const char *key, struct axi_store_value *ret_value)
{
    return key_is_valid(key) ? store->ops->get(store, key, ret_value) : -AXC_EINVALID;
}

int axi_store_commit(struct axi_store *store, const struct axi_store_op *ops, size_t count,
                     uint64_t *ret_revision)
{
    uint64_t revision = 0;
    int rc = ops_are_valid(ops, count) ? store->ops->commit(store, ops, count, &revision)
                                       : -AXC_EINVALID;

    if (rc == 0 && ret_revision != NULL) {
        *ret_revision = revision;
    }
    return rc;
}

int axi_store_cas(struct axi_store *store, const char *key, uint64_t expected, const void *value,
                  size_t value_bytes, uint64_t *ret_revision)
{
    struct axi_store_op op = {.kind = value == NULL ? AXI_STORE_DELETE : AXI_STORE_PUT,
                              .key = key,
                              .expected = expected,
                              .value = value,
                              .value_bytes = value_bytes};

    return axi_store_commit(store, &op, 1, ret_revision);
}

int axi_store_list(struct axi_store *store, const char *prefix, axi_store_visit visit,
                   void *context)
{
    return key_is_valid(prefix) ? store->ops->list(store, prefix, visit, context) : -AXC_EINVALID;
}

int axi_store_changes(struct axi_store *store, const char *prefix, uint64_t after,
                      axi_store_changed changed, void *context, uint64_t *ret_revision)
{
    return prefix[0] == '\0' || key_is_valid(prefix)
               ? store->ops->changes(store, prefix, after, changed, context, ret_revision)
               : -AXC_EINVALID;
}

int axi_store_lease_grant(struct axi_store *store, uint32_t ttl_ms, uint64_t *ret_lease)
{
    return ttl_ms >= 100 && ttl_ms <= 600000 ? store->ops->lease_grant(store, ttl_ms, ret_lease)
                                             : -AXC_EINVALID;
}

int axi_store_lease_keep(struct axi_store *store, uint64_t lease)
{
    return store->ops->lease_keep(store, lease);
}

int axi_store_lease_revoke(struct axi_store *store, uint64_t lease)
{
    return store->ops->lease_revoke(store, lease);
}

void axi_store_members(struct axi_store *store, struct axi_store_member members[],
                       axi_store_member_changed changed, void *context)
{
    struct axi_store_member now[AXI_STORE_MEMBERS_MAX] = {0};

    if (store->ops->members == NULL) {
        return;
    }
    store->ops->members(store, now);
    for (size_t i = 0; i < AXI_STORE_MEMBERS_MAX; i++) {
        bool has_changed = now[i].is_lost != members[i].is_lost;

        members[i] = now[i];
        if (has_changed && changed != NULL) {
            changed(context, &members[i]);
        }
    }
}

static int refuse(char *ret_reason, const char *reason, const char *detail)
{
    if (ret_reason != NULL) {
        snprintf(ret_reason, AXI_STORE_REASON_BYTES, "%s: %s", reason, detail);
    }
    return -AXC_EINVALID;
}

int axi_store_open(const char *location, struct axi_store **ret_store, char *ret_reason)
{
    struct axi_store_sqlite_options options = {.path = location};
    int rc;

    if (location == NULL || location[0] == '\0') {
        return refuse(ret_reason, "store location", "empty");
    }
    if (strncmp(location, "etcd://", 7) == 0 || strncmp(location, "etcds://", 8) == 0) {
        struct axi_etcd_location etcd;

        rc = axi_etcd_location_parse(location, &etcd, ret_reason);
        return rc != 0 ? rc : axi_store_etcd_new(&etcd, ret_store);
    }
    if (strncmp(location, "sqlite:", 7) == 0) {
        options.path = location + 7;
    } else if (strstr(location, "://") != NULL) {
        return refuse(ret_reason, "store location of unknown kind", location);
    }
    rc = axi_store_sqlite_new(&options, ret_store);
    if (rc != 0 && ret_reason != NULL) {
        snprintf(ret_reason, AXI_STORE_REASON_BYTES, "%s: %s", options.path, axi_error_text(rc));
    }
    return rc;
}

void axi_store_value_clear(struct axi_store_value *value)
{
    free(value->bytes);
    *value = (struct axi_store_value){0};
}

void axi_store_free(struct axi_store *store)
{
    if (store != NULL) {
        store->ops->free(store);
    }
}
