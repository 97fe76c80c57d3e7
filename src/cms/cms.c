/* SPDX-License-Identifier: Apache-2.0 */
/* The manager's life: links, the tick. */
#include "cluster/members.h"
#include "cms/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MS 1000000ull
#define MASTER_TIME_OLD_NS 10000000000ull /* then any sample is better than the best one */

uint64_t axi_cms_now(struct axi_cms *cms)
{
    return cms->port.now_local_ns(cms->port.context);
}

uint64_t axi_cms_random(struct axi_cms *cms)
{
    return cms->port.random64(cms->port.context) | 1;
}

bool axi_cms_crash(struct axi_cms *cms, uint32_t point)
{
    if (!cms->is_crashed && cms->port.crash_point != NULL &&
        cms->port.crash_point(cms->port.context, point)) {
        cms->is_crashed = true;
    }
    return cms->is_crashed;
}

uint64_t axi_cms_master_now(struct axi_cms *cms)
{
    return cms->has_master_time ? axi_cms_now(cms) + (uint64_t)cms->master_offset_ns : 0;
}

/* The other side read `master_ns` at some time between sent_local_ns and now. */
void axi_cms_master_time(struct axi_cms *cms, uint64_t master_ns, uint64_t sent_local_ns)
{
    uint64_t now = axi_cms_now(cms);
    uint64_t rtt = now - sent_local_ns;

    if (master_ns == 0 || sent_local_ns > now ||
        (cms->has_master_time && rtt > cms->master_time_rtt_ns &&
         now - cms->master_time_ns < MASTER_TIME_OLD_NS)) {
        return;
    }
    cms->master_offset_ns = (int64_t)(master_ns - (sent_local_ns + rtt / 2));
    cms->master_time_rtt_ns = rtt;
    cms->master_time_ns = now;
    cms->has_master_time = true;
}

uint64_t axi_cms_window_ns(const struct axi_cms *cms)
{
    const struct axi_cms_config *config = &cms->config;

    return config->lease_ns + config->lease_ns / 1000000 * config->drift_ppm +
           config->lease_margin_ns;
}

bool axi_cms_tokens_match(const char *expected, const char *given)
{
    char padded[65] = {0};
    unsigned difference = 0;

    axi_copy_text(padded, sizeof(padded), given);
    for (size_t i = 0; i < 64; i++) { /* in a time that does not depend on the texts */
        difference |= (unsigned)(expected[i] ^ padded[i]);
    }
    return expected[0] == '\0' || difference == 0;
}

static void set_default(uint64_t *value, uint64_t fallback)
{
    *value = *value != 0 ? *value : fallback;
}

static void set_defaults(struct axi_cms_config *config)
{
    set_default(&config->lease_ns, 500 * MS);
    set_default(&config->lease_margin_ns, 50 * MS);
    set_default(&config->grace_ns, AXI_RESTORE_GRACE_NS);
    set_default(&config->claim_wait_ns, AXI_RESTORE_CLAIM_WAIT_NS);
    set_default(&config->claim_lease_ns, 1000 * MS);
    set_default(&config->query_ns, AXI_RESTORE_QUERY_NS);
    set_default(&config->request_ns, 2000 * MS);
    set_default(&config->start_delay_ns, AXI_RESTORE_START_DELAY_NS);
    set_default(&config->tight_ns, 20 * MS);
    config->drift_ppm = config->drift_ppm != 0 ? config->drift_ppm : 200;
    config->reads = config->reads != 0 ? config->reads : 32;
}

/* What was durable before this life. */
static int visit_held(void *context, const struct axi_checkpoint_info *info)
{
    struct axi_cms *cms = context;
    struct axi_cms_task *task = axi_cms_task_get(cms, info->id.task_id);
    struct axi_origin origin = {info->id.epoch, info->id.job, info->id.step};

    if (task != NULL && axi_cms_origin_compare(&origin, &task->durable) > 0) {
        task->durable = task->noticed = origin;
        task->durable_node = info->id.node_id;
        task->durable_bytes = info->bytes;
        task->durable_ns = task->noticed_ns = axi_cms_now(cms);
    }
    return 0;
}

int axi_cms_new(const struct axi_cms_config *config, const struct axi_cms_port *port,
                struct axi_cms **ret_cms)
{
    struct axi_cms *cms;
    int rc;

    if (config->manager_id == 0 || config->store == NULL || config->checkpoints == NULL) {
        return -AXC_EINVALID;
    }
    cms = calloc(1, sizeof(*cms));
    if (cms == NULL) {
        return -AXC_ENOMEM;
    }
    cms->config = *config;
    cms->port = *port;
    set_defaults(&cms->config);
    axi_masters_init(&cms->masters, cms->config.master_address);
    axi_hist_init(&cms->ages);
    cms->next_cookie = 1;
    cms->put_capacity = 4096;
    cms->puts = calloc(cms->put_capacity, sizeof(*cms->puts));
    cms->frame = malloc(AXI_WIRE_FRAME_BYTES_MAX);
    cms->checkpoint = malloc(AXI_CHECKPOINT_BYTES_MAX);
    rc = cms->puts == NULL || cms->frame == NULL || cms->checkpoint == NULL ? -AXC_ENOMEM : 0;
    if (rc == 0) {
        rc = axi_checkpoints_list(config->checkpoints, 0, visit_held, cms);
    }
    if (rc != 0) {
        axi_cms_free(cms);
        return rc;
    }
    axi_cms_event(cms, AXI_INFO, "manager-started", NULL, NULL, "%s holds checkpoints of %zu tasks",
                  cms->config.name, cms->task_count);
    *ret_cms = cms;
    return 0;
}

static void free_link(struct axi_cms_link *link)
{
    free(link->buffer);
    free(link);
}

void axi_cms_free(struct axi_cms *cms)
{
    if (cms == NULL) {
        return;
    }
    for (size_t i = 0; i < cms->node_count; i++) {
        struct axi_cms_node *node = cms->nodes[i];

        if (node->regions != NULL) {
            cms->port.unmap_regions(cms->port.context, node->regions, node->regions_bytes);
        }
        free(node);
    }
    for (size_t i = 0; i < cms->link_count; i++) {
        free_link(cms->links[i]);
    }
    for (size_t i = 0; i < cms->task_count; i++) {
        free(cms->tasks[i]);
    }
    for (size_t i = 0; i < cms->instance_count; i++) {
        axi_cms_instance_free(cms->instances[i]);
    }
    free(cms->links);
    free(cms->nodes);
    free(cms->tasks);
    free(cms->instances);
    free(cms->puts);
    free(cms->frame);
    free(cms->checkpoint);
    free(cms);
}

/* ---- links ---- */

struct axi_cms_link *axi_cms_link_find(struct axi_cms *cms, uint64_t id)
{
    for (size_t i = 0; i < cms->link_count; i++) {
        if (cms->links[i]->id == id) {
            return cms->links[i];
        }
    }
    return NULL;
}

struct axi_cms_link *axi_cms_link_add(struct axi_cms *cms, uint64_t id, enum axi_cms_link_kind kind,
                                      uint64_t owner, const char *peer)
{
    struct axi_cms_link **grown =
        realloc(cms->links, (cms->link_count + 1) * sizeof(struct axi_cms_link *));
    struct axi_cms_link *link = calloc(1, sizeof(*link));

    if (grown != NULL) {
        cms->links = grown;
    }
    if (link != NULL) {
        link->buffer = malloc(AXI_WIRE_FRAME_BYTES_MAX);
    }
    if (grown == NULL || link == NULL || link->buffer == NULL) {
        free(link != NULL ? link->buffer : NULL);
        free(link);
        cms->port.close(cms->port.context, id);
        return NULL;
    }
    link->id = id;
    link->kind = kind;
    link->owner = owner;
    axi_copy_text(link->peer, sizeof(link->peer), peer != NULL ? peer : "");
    axi_wire_parser_init(&link->parser, link->buffer, AXI_WIRE_FRAME_BYTES_MAX);
    cms->links[cms->link_count++] = link;
    return link;
}

void axi_cms_link_close(struct axi_cms *cms, struct axi_cms_link *link, int code,
                        const char *reason)
{
    axi_Goodbye message = {.code = code};

    if (link->is_closing || cms->is_crashed) {
        return;
    }
    axi_copy_text(message.reason, sizeof(message.reason), reason);
    if (link->is_up) {
        axi_cms_send(cms, link->id, AXI_WIRE_GOODBYE, &message);
    }
    link->is_closing = true;
    cms->port.close(cms->port.context, link->id);
}

void axi_cms_link_up(struct axi_cms *cms, uint64_t id, bool is_incoming, const char *peer)
{
    struct axi_cms_link *link = axi_cms_link_find(cms, id);

    if (is_incoming && link == NULL) {
        link = axi_cms_link_add(cms, id, AXI_CMS_LINK_NEW, 0, peer);
    }
    if (link == NULL) {
        return;
    }
    link->is_up = true;
    if (link->kind == AXI_CMS_LINK_MASTER) {
        axi_cms_master_up(cms);
    } else if (link->kind == AXI_CMS_LINK_PEER) {
        axi_PeerManagerHello hello = {.protocol_min = AXI_WIRE_VERSION,
                                      .protocol_max = AXI_WIRE_VERSION,
                                      .manager_id = cms->config.manager_id};

        axi_copy_text(hello.token, sizeof(hello.token), cms->config.token);
        axi_copy_text(hello.name, sizeof(hello.name), cms->config.name);
        axi_cms_send(cms, id, AXI_WIRE_PEER_MANAGER_HELLO, &hello);
    }
}

void axi_cms_link_bytes(struct axi_cms *cms, uint64_t id, const uint8_t *bytes, size_t count)
{
    struct axi_cms_link *link = axi_cms_link_find(cms, id);
    struct axi_wire_frame frame;
    int rc = 0;

    while (link != NULL && !link->is_closing && !cms->is_crashed &&
           (rc = axi_wire_feed(&link->parser, &bytes, &count, &frame)) == 1) {
        axi_cms_dispatch(cms, link, &frame);
    }
    if (link != NULL && rc < 0 && !link->is_closing) {
        axi_cms_event(cms, AXI_WARNING, "link-protocol", NULL, NULL, "%s from %s",
                      axi_error_text(rc), link->peer);
        axi_cms_link_close(cms, link, rc, axi_error_text(rc));
    }
}

/* A link that is gone, by either side. */
static void drop_link(struct axi_cms *cms, size_t index)
{
    struct axi_cms_link *link = cms->links[index];
    struct axi_cms_node *node = axi_cms_node_find(cms, link->owner);

    cms->links[index] = cms->links[--cms->link_count];
    if (link->kind == AXI_CMS_LINK_NODE && node != NULL && node->link == link->id) {
        axi_cms_node_link_down(cms, node);
    } else if (link->kind == AXI_CMS_LINK_PEER) {
        axi_cms_peer_link_down(cms, link);
    } else if (link->kind == AXI_CMS_LINK_MASTER && cms->master_link == link->id) {
        axi_cms_master_down(cms);
    }
    free_link(link);
}

void axi_cms_link_down(struct axi_cms *cms, uint64_t id, int code)
{
    (void)code;
    for (size_t i = 0; i < cms->link_count; i++) {
        if (cms->links[i]->id == id) {
            drop_link(cms, i);
            return;
        }
    }
}

static void sweep_links(struct axi_cms *cms)
{
    for (size_t i = 0; i < cms->link_count;) {
        if (cms->links[i]->is_closing) {
            drop_link(cms, i);
        } else {
            i++;
        }
    }
}

/* ---- the tick ---- */

#define POLL_NS AXI_RESTORE_POLL_NS
#define POLL_BUSY_NS 4000000ull
#define LOSS_SAID_NS 100000000ull /* shorter ones are nobody's business */

static bool is_restoring(const struct axi_cms *cms)
{
    for (size_t i = 0; i < cms->task_count; i++) {
        if (cms->tasks[i]->flow.step != AXI_CMS_STEP_IDLE) {
            return true;
        }
    }
    return false;
}

static void member_changed(void *context, const struct axi_store_member *member)
{
    const char *text = NULL;
    const char *type = axi_member_event(member, &text);

    axi_cms_event(context, member->is_lost ? AXI_WARNING : AXI_INFO, type, NULL, NULL,
                  "member %s of the store %s", member->name, text);
}

static void poll_store(struct axi_cms *cms)
{
    int rc = axi_cms_view_poll(cms);
    uint64_t now = axi_cms_now(cms);

    axi_store_members(cms->config.store, cms->store_members, member_changed, cms);
    cms->poll_ns = now + (is_restoring(cms) ? POLL_BUSY_NS : POLL_NS);
    if (rc == 0) {
        cms->polled_ns = cms->tick_ns;
        cms->has_polled = true;
        if (cms->is_loss_said) {
            axi_cms_event(cms, AXI_INFO, "store-back", NULL, NULL, "after %llu ms",
                          (unsigned long long)((now - cms->store_lost_ns) / MS));
        }
        cms->is_store_lost = cms->is_loss_said = false;
    } else {
        cms->poll_ns = now + 2 * POLL_NS;
        cms->store_lost_ns = cms->is_store_lost ? cms->store_lost_ns : now;
        if (!cms->is_loss_said && now - cms->store_lost_ns >= LOSS_SAID_NS) {
            cms->is_loss_said = true;
            axi_cms_event(cms, AXI_ERROR, "store-unreachable", NULL, NULL,
                          "%s; this manager claims nothing until it is back", axi_error_text(rc));
        }
        cms->is_store_lost = true;
    }
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

uint64_t axi_cms_tick(struct axi_cms *cms)
{
    if (cms->is_crashed) {
        return UINT64_MAX;
    }
    cms->tick_ns = axi_cms_now(cms);
    sweep_links(cms);
    axi_cms_leases_excuse(cms);
    if (cms->tick_ns >= cms->poll_ns) {
        poll_store(cms);
    }
    axi_cms_fetch_tick(cms);
    axi_cms_leases_keep(cms);
    axi_cms_leases_expire(cms);
    axi_cms_restore_tick(cms);
    axi_cms_standby_tick(cms);
    axi_cms_peers_tick(cms);
    axi_cms_master_tick(cms);
    if (cms->is_crashed) {
        return UINT64_MAX;
    }
    cms->due_ns = earlier(earlier(cms->poll_ns, axi_cms_fetch_next(cms)),
                          earlier(axi_cms_leases_next(cms), axi_cms_restore_next(cms)));
    return cms->due_ns;
}

void axi_cms_shutdown(struct axi_cms *cms, const char *reason)
{
    axi_cms_event(cms, AXI_INFO, "manager-stopped", NULL, NULL, "%s", reason);
    if (cms->key_lease != 0 && axi_store_lease_revoke(cms->config.store, cms->key_lease) != 0) {
        axi_cms_event(cms, AXI_WARNING, "presence-kept", NULL, NULL, "its key lapses by itself");
    }
    for (size_t i = 0; i < cms->link_count; i++) {
        axi_cms_link_close(cms, cms->links[i], 0, reason);
    }
}
