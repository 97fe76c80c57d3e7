/* SPDX-License-Identifier: Apache-2.0 */
/* A master daemon without libuv: the real core on virtual sockets and virtual time. */
#include "cluster.h"

#include <stdlib.h>
#include <string.h>

enum { TICK_MAX_NS = 1000000000 };

static void settle(struct sim_master *host);

static uint64_t port_now_master(void *context)
{
    return ((struct sim_master *)context)->cluster->clock.now_ns;
}

static uint64_t port_now_local(void *context)
{
    struct sim_cluster *cluster = ((struct sim_master *)context)->cluster;

    return cluster->clock.now_ns - cluster->start_ns + 5 * SIM_S;
}

static uint64_t port_random(void *context)
{
    return sim_random(&((struct sim_master *)context)->cluster->clock);
}

static void port_send(void *context, uint64_t link, const uint8_t *frame, size_t bytes)
{
    struct sim_master *host = context;

    if (!host->is_dying) {
        sim_network_send(host->cluster->network, host->host, link, frame, bytes);
    }
}

static void port_close(void *context, uint64_t link)
{
    struct sim_master *host = context;

    if (!host->is_dying) {
        sim_network_close(host->cluster->network, host->host, link);
    }
}

static int port_get_blob(void *context, const uint8_t digest[32], uint8_t **ret_bytes,
                         size_t *ret_size)
{
    return sim_image_blob(((struct sim_master *)context)->cluster, digest, ret_bytes, ret_size);
}

static void port_on_event(void *context, const json_t *event)
{
    struct sim_master *host = context;
    const json_t *task = json_object_get(event, "task");
    const json_t *node = json_object_get(event, "node");

    sim_log(host->cluster, host->host == 0 ? "m0" : "m1", "event %s task=%s node=%s: %s",
            json_string_value(json_object_get(event, "type")),
            json_is_string(task) ? json_string_value(task) : "-",
            json_is_string(node) ? json_string_value(node) : "-",
            json_string_value(json_object_get(event, "text")));
    if (strcmp(json_string_value(json_object_get(event, "type")), "spare-used") == 0) {
        host->cluster->are_spares_used = true;
    }
    if (json_is_string(task) &&
        strcmp(json_string_value(json_object_get(event, "type")), "replica-bad") == 0) {
        sim_votes_replaced(host->cluster, json_string_value(task));
    }
}

static bool port_crash_point(void *context, uint32_t point)
{
    struct sim_master *host = context;
    uint32_t count = 0;

    if (host->is_dying) {
        return true;
    }
    if (point != host->crash_at || host->crash_skip-- > 0) {
        return false;
    }
    sim_log(host->cluster, host->host == 0 ? "m0" : "m1", "crash point %s",
            axi_master_crash_points(&count)[point]);
    host->crash_at = UINT32_MAX;
    host->is_dying = true;
    host->cluster->counts.crash_points++;
    return true;
}

static void opened(void *context, uint64_t connection)
{
    (void)context;
    (void)connection;
}

static void received(void *context, uint64_t connection, const uint8_t *bytes, size_t count)
{
    struct sim_master *host = context;

    if (host->master != NULL) {
        if (axi_master_link_bytes(host->master, connection, bytes, count)) {
            settle(host);
        }
    }
}

static void closed(void *context, uint64_t connection)
{
    struct sim_master *host = context;

    if (host->master != NULL) {
        axi_master_link_down(host->master, connection);
        settle(host);
    }
}

static const struct sim_endpoint_ops endpoint = {opened, received, closed};

static void *accept_link(void *context, uint64_t connection, uint32_t from_host)
{
    struct sim_master *host = context;
    char peer[16];

    if (host->master == NULL) {
        return NULL;
    }
    (void)snprintf(peer, sizeof peer, "n%u", from_host - SIM_NODE_HOST);
    axi_master_link_up(host->master, connection, peer);
    settle(host);
    return host;
}

static void tick(void *context, uint64_t generation)
{
    struct sim_master *host = context;

    if (host->master != NULL && host->tick_generation == generation) {
        if (host->is_paused) {
            sim_at(&host->cluster->clock, host->cluster->clock.now_ns + 5 * SIM_MS, tick, host,
                   generation);
            return;
        }
        settle(host);
    }
}

/* Its core goes; the process stands by. */
static void demote(struct sim_master *host, const char *why)
{
    sim_log(host->cluster, host->host == 0 ? "m0" : "m1", "stands by: %s", why);
    axi_master_depose(host->master, why);
    axi_master_free(host->master);
    host->master = NULL;
    host->life++;
    host->tick_generation++;
    sim_network_kill_host(host->cluster->network, host->host);
}

/* After any entry point: tick, and again when it says. */
static void settle(struct sim_master *host)
{
    struct sim_clock *clock = &host->cluster->clock;
    uint64_t next = 0;
    uint64_t now = 0;

    if (host->leader != NULL && !host->is_dying) {
        (void)axi_leader_tick(host->leader);
        if (axi_leader_term(host->leader) != host->term) {
            demote(host, "it lost the leader's lease");
            return;
        }
    }
    if (!host->is_dying) {
        next = axi_master_tick(host->master);
    }
    if (host->is_dying) {
        sim_master_crash(host->cluster, (uint32_t)(host - host->cluster->masters), "crash point");
        return;
    }
    if (axi_master_is_deposed(host->master) && host->leader != NULL) {
        demote(host, "another master took over");
        axi_leader_pass(host->leader);
        return;
    }
    if (axi_master_is_deposed(host->master)) {
        sim_master_crash(host->cluster, (uint32_t)(host - host->cluster->masters), "deposed");
        return;
    }
    now = port_now_local(host);
    next = next > now ? next - now : 10 * SIM_US;
    next = next > TICK_MAX_NS ? TICK_MAX_NS : next;
    host->tick_generation++;
    sim_at(clock, clock->now_ns + next, tick, host, host->tick_generation);
}

void sim_master_touch(struct sim_master *host)
{
    host->tick_generation++;
    sim_at(&host->cluster->clock, host->cluster->clock.now_ns, tick, host, host->tick_generation);
}

static void retry_boot(void *context, uint64_t life)
{
    struct sim_master *host = context;

    if (host->master == NULL && host->leader == NULL && host->life == life) {
        sim_master_boot(host->cluster, (uint32_t)(host - host->cluster->masters));
    }
}

static void listen_later(struct sim_master *host)
{
    struct sim_cluster *cluster = host->cluster;
    char reason[AXI_REASON_BYTES];

    sim_network_listen(cluster->network, host->host, &endpoint, accept_link, host);
    cluster->current = (uint32_t)(host - cluster->masters);
    for (uint32_t i = 0; i < cluster->task_count; i++) {
        /* known images answer the same again; a failure shows when the deployment is asked for */
        int error = axi_master_image_add(host->master, &cluster->images[i].info, reason);

        if (error < 0) {
            sim_log(cluster, "client", "image %u: %d %s", i, error, reason);
        }
        if (cluster->images[i].schema[0] != '\0') {
            (void)!axi_master_schema_add(host->master, cluster->images[i].schema,
                                         cluster->images[i].info.spec.schema_hash, reason);
        }
    }
    settle(host);
}

static int make_core(struct sim_master *host)
{
    struct sim_cluster *cluster = host->cluster;
    const struct axi_master_port port = {
        .context = host,
        .now_master_ns = port_now_master,
        .now_local_ns = port_now_local,
        .random64 = port_random,
        .send = port_send,
        .close = port_close,
        .get_blob = port_get_blob,
        .on_event = port_on_event,
        .crash_point = port_crash_point,
    };
    struct axi_master_config config = {.store = &host->store.base};

    config.election = host->leader != NULL ? axi_leader_revision(host->leader) : 0;
    config.sync_policy = cluster->seed % 2 != 0 ? AXI_SYNC_MIGRATE : AXI_SYNC_ALARM;
    config.many_nodes = cluster->seed % 3 == 0 ? 2 : 0;
    config.skip_commit_cas = cluster->options.disable_cas;
    host->life++;
    return axi_master_new(&config, &port, &host->master);
}

/* As the daemon does: who leads has a core. */
static void candidate(void *context, uint64_t process)
{
    struct sim_master *host = context;
    struct sim_clock *clock = &host->cluster->clock;
    uint64_t next = 0;
    uint64_t now = port_now_local(host);
    int error = 0;

    if (host->leader == NULL || host->process != process) {
        return;
    }
    if (host->is_paused) {
        sim_at(clock, clock->now_ns + 5 * SIM_MS, candidate, host, process);
        return;
    }
    next = axi_leader_tick(host->leader);
    if (host->master != NULL && axi_leader_term(host->leader) != host->term) {
        demote(host, "it lost the leader's lease");
    }
    if (host->master == NULL && axi_leader_revision(host->leader) != 0) {
        host->term = axi_leader_term(host->leader);
        error = make_core(host);
        sim_log(host->cluster, host->host == 0 ? "m0" : "m1", "leads: %d", error);
        if (host->is_dying) {
            host->master = error == 0 ? host->master : NULL;
            sim_master_crash(host->cluster, host->host, "crash point");
            return;
        }
        if (error == 0) {
            host->cluster->counts.failovers += host->cluster->current != host->host;
            listen_later(host);
        } else {
            host->master = NULL;
            axi_leader_pass(host->leader);
        }
    }
    if (host->process == process && host->leader != NULL) {
        next = next > now + SIM_MS ? next - now : SIM_MS;
        sim_at(clock, clock->now_ns + (next < TICK_MAX_NS ? next : TICK_MAX_NS), candidate, host,
               process);
    }
}

static void stand_for_election(struct sim_master *host)
{
    const struct axi_leader_config config = {
        .store = &host->store.base,
        .now_ns = port_now_local,
        .context = host,
        .lease_ms = 1000,
        .self = {.id = host->host + 1, .boot = sim_random(&host->cluster->clock), .name = "m"},
    };

    if (axi_leader_new(&config, &host->leader) < 0) {
        abort();
    }
    axi_leader_set_images(host->leader, 1, true);
    host->life++;
    candidate(host, ++host->process);
}

void sim_master_boot(struct sim_cluster *cluster, uint32_t index)
{
    struct sim_master *host = &cluster->masters[index];
    int error = 0;

    host->cluster = cluster;
    host->host = index;
    host->is_dying = false;
    host->is_paused = false;
    host->store.cluster = cluster;
    if (host->store.base.ops == NULL) {
        sim_store_init(&host->store, cluster);
    }
    if (cluster->has_election) {
        stand_for_election(host);
        return;
    }
    error = make_core(host);
    sim_log(cluster, index == 0 ? "m0" : "m1", "boot: %d", error);
    if (error < 0 || host->is_dying) {
        if (error == 0) {
            axi_master_free(host->master);
        }
        host->master = NULL;
        host->is_dying = false;
        sim_at(&cluster->clock, cluster->clock.now_ns + 50 * SIM_MS, retry_boot, host, host->life);
        return;
    }
    listen_later(host);
}

void sim_master_crash(struct sim_cluster *cluster, uint32_t index, const char *why)
{
    struct sim_master *host = &cluster->masters[index];

    if (host->master == NULL && host->leader == NULL) {
        return;
    }
    sim_log(cluster, index == 0 ? "m0" : "m1", "dies: %s", why);
    cluster->counts.master_crashes++;
    host->is_dying = true; /* nothing more is sent */
    axi_master_free(host->master);
    host->master = NULL;
    axi_leader_free(host->leader);
    host->leader = NULL;
    host->process++;
    host->is_paused = false;
    host->life++;
    host->tick_generation++;
    sim_network_pause_host(cluster->network, host->host, false);
    sim_network_kill_host(cluster->network, host->host);
    if (cluster->current == index || cluster->has_election) {
        /* shorter than the lease, mostly; sometimes much longer */
        uint64_t away = sim_chance(&cluster->clock, 700000)
                            ? sim_between(&cluster->clock, 20 * SIM_MS, 300 * SIM_MS)
                            : sim_between(&cluster->clock, 300 * SIM_MS, 4 * SIM_S);

        sim_at(&cluster->clock, cluster->clock.now_ns + away, retry_boot, host, host->life);
    }
}
