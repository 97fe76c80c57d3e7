/* SPDX-License-Identifier: Apache-2.0 */
#include "master/leader.h"

#include "cluster/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MS 1000000ull
#define KEEPS 4u  /* renewals in a lease */
#define LOOKS 20u /* of a standby in a lease */
#define LOOK_NS_MAX (100 * MS)
#define UNREADY_LEASES                                                                             \
    2u /* left to others that have the images; nobody came: it leads all the same */

struct axi_leader {
    struct axi_leader_config config;
    uint64_t lease_ns;
    uint64_t lease;          /* in the store; 0 = none */
    uint64_t valid_until_ns; /* local: counted from before the last renewal was asked for */
    uint64_t keep_ns, look_ns, absent_ns, passed_until_ns;
    bool is_announced; /* masters/ID says what self says */
    bool is_complete;  /* see axi_leader_set_images */
    bool has_looked;   /* the rest is what the store said last */
    bool is_leading;
    uint64_t terms, revision; /* of the key `leader`; 0 = it is absent */
    struct axi_leader_master present;
    struct axi_leader_master masters[AXI_LEADER_MASTERS_MAX];
    size_t master_count;
};

static uint64_t now_of(const struct axi_leader *l)
{
    return l->config.now_ns(l->config.context);
}

static bool is_self(const struct axi_leader *l, const struct axi_leader_master *other)
{
    return other->id == l->config.self.id;
}

static bool is_alone(const struct axi_leader *l)
{
    for (size_t i = 0; i < l->master_count; i++) {
        if (!is_self(l, &l->masters[i])) {
            return false;
        }
    }
    return true;
}

/* ---- values ---- */

static char *text_of(const struct axi_leader_master *master)
{
    json_t *json =
        json_pack("{s:o, s:o, s:s, s:s, s:s, s:I}", "master", axi_json_id(master->id), "boot",
                  axi_json_id(master->boot), "name", master->name, "listen", master->listen, "api",
                  master->api, "images", (json_int_t)master->images);
    char *text = json != NULL ? json_dumps(json, JSON_COMPACT) : NULL;

    json_decref(json);
    return text;
}

static void read_master(const struct axi_store_value *value, struct axi_leader_master *ret_master)
{
    json_t *json = json_loadb(value->bytes, value->value_bytes, 0, NULL);

    *ret_master = (struct axi_leader_master){.id = axi_json_get_id(json, "master"),
                                             .boot = axi_json_get_id(json, "boot"),
                                             .images = axi_json_get_u64(json, "images")};
    axi_copy_text(ret_master->name, sizeof(ret_master->name), axi_json_get_text(json, "name"));
    axi_copy_text(ret_master->listen, sizeof(ret_master->listen),
                  axi_json_get_text(json, "listen"));
    axi_copy_text(ret_master->api, sizeof(ret_master->api), axi_json_get_text(json, "api"));
    json_decref(json);
}

static int put_self(struct axi_leader *l, const char *key, uint64_t expected,
                    uint64_t *ret_revision)
{
    char *text = text_of(&l->config.self);
    struct axi_store_op op = {
        .kind = AXI_STORE_PUT, .key = key, .expected = expected, .value = text, .lease = l->lease};
    int rc = -AXC_EINVALID; /* a text that is no UTF-8 */

    if (text != NULL) {
        op.value_bytes = strlen(text);
        rc = axi_store_commit(l->config.store, &op, 1, ret_revision);
    }
    free(text);
    if (rc == -AXC_ENOENT) { /* it ended meanwhile */
        l->lease = 0;
        l->is_announced = false;
        l->keep_ns = now_of(l);
    }
    return rc;
}

/* ---- the lease ---- */

static void step_down(struct axi_leader *l)
{
    l->is_leading = false;
    l->has_looked = false;
    l->look_ns = now_of(l);
}

static void step_down_when_late(struct axi_leader *l)
{
    if (l->is_leading && now_of(l) >= l->valid_until_ns && !is_alone(l)) {
        step_down(l);
    }
}

static int visit(void *context, const char *key, const struct axi_store_value *value)
{
    struct axi_leader *l = context;

    (void)key;
    if (l->master_count < AXI_LEADER_MASTERS_MAX) {
        read_master(value, &l->masters[l->master_count]);
        l->master_count += l->masters[l->master_count].id != 0;
    }
    return 0;
}

static void list_masters(struct axi_leader *l)
{
    struct axi_leader_master before[AXI_LEADER_MASTERS_MAX];
    size_t count = l->master_count;

    memcpy(before, l->masters, sizeof(before));
    l->master_count = 0;
    if (axi_store_list(l->config.store, AXI_LEADER_MASTERS, visit, l) != 0) {
        memcpy(l->masters, before, sizeof(before));
        l->master_count = count;
    }
}

static void announce(struct axi_leader *l)
{
    char key[40];

    (void)snprintf(key, sizeof(key), AXI_LEADER_MASTERS "%llx",
                   (unsigned long long)l->config.self.id);
    l->is_announced = put_self(l, key, AXI_STORE_ANY, NULL) == 0;
}

static void keep(struct axi_leader *l)
{
    uint64_t asked_ns = now_of(l);
    int rc = l->lease != 0 ? axi_store_lease_keep(l->config.store, l->lease) : -AXC_ENOENT;

    if (rc == -AXC_ENOENT) { /* its keys are gone with it */
        l->lease = 0;
        l->is_announced = false;
        l->look_ns = asked_ns;
        asked_ns = now_of(l);
        rc = axi_store_lease_grant(l->config.store, (uint32_t)(l->lease_ns / MS), &l->lease);
        l->lease = rc == 0 ? l->lease : 0;
    }
    if (rc == 0) {
        l->valid_until_ns = asked_ns + l->lease_ns;
        if (!l->is_announced) {
            announce(l);
        }
        list_masters(l);
    }
    l->keep_ns = now_of(l) + l->lease_ns / KEEPS;
}

/* ---- the key ---- */

static void take_lead(struct axi_leader *l, uint64_t revision)
{
    l->terms += !l->is_leading;
    l->is_leading = true;
    l->revision = revision;
    l->present = l->config.self;
}

/* A commit of unknown outcome that came through after all shows here, too. */
static void judge_key(struct axi_leader *l, const struct axi_store_value *value)
{
    bool is_own = false;

    read_master(value, &l->present);
    l->revision = value->revision;
    l->absent_ns = 0;
    is_own = is_self(l, &l->present) && l->present.boot == l->config.self.boot;
    if (is_own && !l->is_leading && l->lease != 0 && now_of(l) < l->valid_until_ns &&
        now_of(l) >= l->passed_until_ns) {
        take_lead(l, value->revision);
    } else if (!is_own && l->is_leading) {
        step_down(l);
        l->has_looked = true;
    }
}

static void look(struct axi_leader *l)
{
    struct axi_store_value value = {0};
    uint64_t wait_ns = l->lease_ns / LOOKS < LOOK_NS_MAX ? l->lease_ns / LOOKS : LOOK_NS_MAX;
    int rc = axi_store_get(l->config.store, AXI_LEADER_KEY, &value);

    if (rc == 0) {
        l->has_looked = true;
        judge_key(l, &value);
        axi_store_value_clear(&value);
    } else if (rc == -AXC_ENOENT) {
        l->has_looked = true;
        l->revision = 0;
        l->present = (struct axi_leader_master){0};
        l->absent_ns = l->absent_ns != 0 ? l->absent_ns : now_of(l);
    }
    l->look_ns = now_of(l) +
                 (l->is_leading || (rc != 0 && rc != -AXC_ENOENT) ? l->lease_ns / KEEPS : wait_ns);
}

static bool may_campaign(const struct axi_leader *l)
{
    uint64_t now = now_of(l);
    bool is_free = l->revision == 0 || (is_self(l, &l->present) && !l->is_leading);
    bool is_left = l->is_complete || is_alone(l) ||
                   (l->absent_ns != 0 && now - l->absent_ns > UNREADY_LEASES * l->lease_ns);

    return l->has_looked && is_free && l->lease != 0 && now < l->valid_until_ns &&
           now >= l->passed_until_ns && (is_left || l->is_leading);
}

static void campaign(struct axi_leader *l)
{
    uint64_t revision = 0;
    int rc = put_self(l, AXI_LEADER_KEY, l->revision, &revision);

    if (rc == 0) {
        l->absent_ns = 0;
        take_lead(l, revision);
    } else {
        l->has_looked = false;
        l->look_ns = now_of(l) + (rc == -AXC_ECONFLICT ? 0 : l->lease_ns / LOOKS);
    }
}

/* ---- entry points ---- */

int axi_leader_new(const struct axi_leader_config *config, struct axi_leader **ret_leader)
{
    struct axi_leader *l = calloc(1, sizeof(*l));

    if (l == NULL) {
        return -AXC_ENOMEM;
    }
    l->config = *config;
    l->lease_ns = (config->lease_ms != 0 ? config->lease_ms : AXI_LEADER_LEASE_MS) * MS;
    *ret_leader = l;
    return 0;
}

void axi_leader_free(struct axi_leader *l)
{
    free(l);
}

uint64_t axi_leader_tick(struct axi_leader *l)
{
    uint64_t next;

    step_down_when_late(l);
    if (now_of(l) >= l->keep_ns) {
        keep(l);
    }
    if (now_of(l) >= l->look_ns) {
        look(l);
    }
    if (may_campaign(l)) {
        campaign(l);
    }
    step_down_when_late(l);
    next = l->keep_ns < l->look_ns ? l->keep_ns : l->look_ns;
    return l->is_leading && l->valid_until_ns < next && !is_alone(l) ? l->valid_until_ns : next;
}

uint64_t axi_leader_term(const struct axi_leader *l)
{
    return l->is_leading ? l->terms : 0;
}

uint64_t axi_leader_revision(const struct axi_leader *l)
{
    return l->is_leading ? l->revision : 0;
}

const struct axi_leader_master *axi_leader_present(const struct axi_leader *l)
{
    bool is_own_past = is_self(l, &l->present) && !l->is_leading;

    return l->revision != 0 && !is_own_past ? &l->present : NULL;
}

const struct axi_leader_master *axi_leader_masters(const struct axi_leader *l, size_t *ret_count)
{
    *ret_count = l->master_count;
    return l->masters;
}

json_t *axi_leader_json(const struct axi_leader *l)
{
    json_t *array = json_array();
    const struct axi_leader_master *present = axi_leader_present(l);

    for (size_t i = 0; i < l->master_count; i++) {
        const struct axi_leader_master *m = &l->masters[i];
        bool leads = present != NULL && present->id == m->id && present->boot == m->boot;

        (void)json_array_append_new(
            array, json_pack("{s:s, s:s, s:o, s:s, s:s, s:I}", "name", m->name, "role",
                             leads ? "leader" : "standby", "id", axi_json_id(m->id), "address",
                             m->listen, "api", m->api, "images", (json_int_t)m->images));
    }
    return array;
}

void axi_leader_set_images(struct axi_leader *l, uint64_t revision, bool is_complete)
{
    l->is_complete = is_complete;
    if (is_complete && l->config.self.images != revision) {
        l->config.self.images = revision;
        l->is_announced = false;
        if (l->lease != 0) {
            announce(l);
        }
    }
}

void axi_leader_resign(struct axi_leader *l)
{
    if (l->lease != 0) {
        (void)!axi_store_lease_revoke(l->config.store, l->lease);
    }
    l->lease = 0;
    l->is_announced = false;
    l->is_leading = false;
    l->has_looked = false;
}

void axi_leader_pass(struct axi_leader *l)
{
    axi_leader_resign(l);
    l->passed_until_ns = now_of(l) + l->lease_ns / 2;
    l->keep_ns = now_of(l) + l->lease_ns / KEEPS;
    l->look_ns = now_of(l) + l->lease_ns / LOOKS;
}
