/* SPDX-License-Identifier: Apache-2.0 */
/* The cluster store as a master sees it over a bad network: not reached, or reached with an outcome
 * that stays unknown: never applied, applied, or applied later, when the master has moved on. */
#include "cluster.h"

#include <stdlib.h>
#include <string.h>

struct late_commit {
    struct sim_cluster *cluster;
    size_t count;
    struct axi_store_op ops[];
};

static void late_free(void *context)
{
    struct late_commit *late = context;

    for (size_t i = 0; i < late->count; i++) {
        free((void *)(uintptr_t)late->ops[i].key);
        free((void *)(uintptr_t)late->ops[i].value);
    }
    free(late);
}

static int commit(struct sim_cluster *cluster, const struct axi_store_op *ops, size_t count,
                  uint64_t *ret_revision)
{
    struct axi_store_op blind[AXI_STORE_OPS_MAX];
    size_t kept = 0;

    if (!cluster->options.disable_cas || count > AXI_STORE_OPS_MAX) {
        return axi_store_commit(cluster->store, ops, count, ret_revision);
    }
    for (size_t i = 0; i < count; i++) {
        if (ops[i].kind != AXI_STORE_CHECK) {
            blind[kept] = ops[i];
            blind[kept++].expected = AXI_STORE_ANY;
        }
    }
    return kept == 0 ? 0 : axi_store_commit(cluster->store, blind, kept, ret_revision);
}

static int apply(struct sim_cluster *cluster, const struct axi_store_op *ops, size_t count,
                 uint64_t *ret_revision)
{
    int error = commit(cluster, ops, count, ret_revision);

    if (error == 0 && cluster->options.has_services) {
        sim_services_committed(cluster, ops, count);
    }
    return error;
}

static void late_arrives(void *context, uint64_t argument)
{
    struct late_commit *late = context;
    int error = apply(late->cluster, late->ops, late->count, NULL);

    (void)argument;
    sim_log(late->cluster, "store", "late commit of %s: %d", late->ops[0].key, error);
    late_free(late);
}

static void send_late(struct sim_cluster *cluster, const struct axi_store_op *ops, size_t count)
{
    struct late_commit *late = calloc(1, sizeof *late + count * sizeof late->ops[0]);

    if (late == NULL) {
        abort();
    }
    late->cluster = cluster;
    late->count = count;
    for (size_t i = 0; i < count; i++) {
        late->ops[i] = ops[i];
        late->ops[i].key = strdup(ops[i].key);
        late->ops[i].value = NULL;
        if (ops[i].value != NULL) {
            void *copy = malloc(ops[i].value_bytes + 1);

            if (copy == NULL) {
                abort();
            }
            memcpy(copy, ops[i].value, ops[i].value_bytes);
            late->ops[i].value = copy;
        }
    }
    sim_at(&cluster->clock, cluster->clock.now_ns + sim_between(&cluster->clock, 1, 900 * SIM_MS),
           late_arrives, late, 0);
}

/* A key made long after its maker gave up would be nobody's: the interface (read again to learn the
 * outcome) leaves that out, and so do we. */
static bool is_creation(const struct axi_store_op *ops, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (ops[i].kind == AXI_STORE_PUT && ops[i].expected == 0) {
            return true;
        }
    }
    return false;
}

static int faulty_get(struct axi_store *base, const char *key, struct axi_store_value *ret_value)
{
    struct sim_store *store = (struct sim_store *)base;

    if (sim_chance(&store->cluster->clock, store->unavailable_ppm)) {
        store->cluster->counts.store_faults++;
        return -AXC_EUNAVAILABLE;
    }
    return axi_store_get(store->inner, key, ret_value);
}

static int faulty_commit(struct axi_store *base, const struct axi_store_op *ops, size_t count,
                         uint64_t *ret_revision)
{
    struct sim_store *store = (struct sim_store *)base;
    struct sim_cluster *cluster = store->cluster;

    if (sim_chance(&cluster->clock, store->unavailable_ppm)) {
        cluster->counts.store_faults++;
        return -AXC_EUNAVAILABLE;
    }
    if (sim_chance(&cluster->clock, store->unknown_ppm)) {
        uint64_t fate = sim_below(&cluster->clock, is_creation(ops, count) ? 2 : 3);
        int error = 0;

        cluster->counts.store_faults++;
        if (fate == 0) {
            error = apply(cluster, ops, count, NULL);
        } else if (fate == 2) {
            send_late(cluster, ops, count);
        }
        sim_log(cluster, "store", "commit of %s: outcome unknown (%s %d)", ops[0].key,
                fate == 0   ? "applied"
                : fate == 1 ? "dropped"
                            : "late",
                error);
        return -AXC_ETIMEOUT;
    }
    return apply(cluster, ops, count, ret_revision);
}

static int faulty_list(struct axi_store *base, const char *prefix, axi_store_visit visit,
                       void *context)
{
    struct sim_store *store = (struct sim_store *)base;

    if (sim_chance(&store->cluster->clock, store->unavailable_ppm)) {
        return -AXC_EUNAVAILABLE;
    }
    return axi_store_list(store->inner, prefix, visit, context);
}

/* Besides being out of reach, a store forgets: the caller then has to list. */
static int faulty_changes(struct axi_store *base, const char *prefix, uint64_t after,
                          axi_store_changed changed, void *context, uint64_t *ret_revision)
{
    struct sim_store *store = (struct sim_store *)base;
    struct sim_clock *clock = &store->cluster->clock;

    if (sim_chance(clock, store->unavailable_ppm)) {
        return -AXC_EUNAVAILABLE;
    }
    if (sim_chance(clock, store->unknown_ppm)) {
        after = 0;
    }
    return axi_store_changes(store->inner, prefix, after, changed, context, ret_revision);
}

static int faulty_lease_grant(struct axi_store *base, uint32_t ttl_ms, uint64_t *ret_lease)
{
    struct sim_store *store = (struct sim_store *)base;
    uint64_t unused;

    if (sim_chance(&store->cluster->clock, store->unavailable_ppm)) {
        return -AXC_EUNAVAILABLE;
    }
    if (sim_chance(&store->cluster->clock, store->unknown_ppm)) {
        (void)!axi_store_lease_grant(store->inner, ttl_ms, &unused); /* granted to nobody */
        return -AXC_ETIMEOUT;
    }
    return axi_store_lease_grant(store->inner, ttl_ms, ret_lease);
}

static int faulty_lease_keep(struct axi_store *base, uint64_t lease)
{
    struct sim_store *store = (struct sim_store *)base;

    if (sim_chance(&store->cluster->clock, store->unavailable_ppm)) {
        return -AXC_EUNAVAILABLE;
    }
    return axi_store_lease_keep(store->inner, lease);
}

static int faulty_lease_revoke(struct axi_store *base, uint64_t lease)
{
    struct sim_store *store = (struct sim_store *)base;
    int error;

    if (sim_chance(&store->cluster->clock, store->unavailable_ppm)) {
        return -AXC_EUNAVAILABLE;
    }
    error = axi_store_lease_revoke(store->inner, lease);
    return sim_chance(&store->cluster->clock, store->unknown_ppm) ? -AXC_ETIMEOUT : error;
}

static void faulty_free(struct axi_store *base)
{
    (void)base; /* the store outlives every master */
}

void sim_store_init(struct sim_store *store, struct sim_cluster *cluster)
{
    static const struct axi_store_ops ops = {.get = faulty_get,
                                             .commit = faulty_commit,
                                             .list = faulty_list,
                                             .changes = faulty_changes,
                                             .lease_grant = faulty_lease_grant,
                                             .lease_keep = faulty_lease_keep,
                                             .lease_revoke = faulty_lease_revoke,
                                             .free = faulty_free};

    store->base.ops = &ops;
    store->cluster = cluster;
    store->inner = cluster->store;
}

void sim_store_deinit(struct sim_cluster *cluster)
{
    sim_forget(&cluster->clock, late_arrives, late_free);
    axi_store_free(cluster->store);
}
