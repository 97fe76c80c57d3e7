/* SPDX-License-Identifier: Apache-2.0 */
/* A checkpoint manager's daemon without libuv: the real core and the real checkpoint store on
 * virtual sockets and virtual time. The store outlives the daemon, as a disk does (mostly). */
#include "cluster.h"

#include <stdlib.h>
#include <string.h>

enum { TICK_MAX_NS = 1000000000, DRIFT_PPM = 100 };

static void settle(struct sim_manager *host);

static uint64_t port_now_local(void *context)
{
    struct sim_manager *host = context;
    uint64_t elapsed = host->cluster->clock.now_ns - host->cluster->start_ns;

    return 7 * SIM_S + elapsed + (uint64_t)((int64_t)(elapsed / SIM_US) * host->drift_ppm / 1000);
}

static uint64_t port_random(void *context)
{
    return sim_random(&((struct sim_manager *)context)->cluster->clock);
}

static const struct sim_endpoint_ops endpoint;

static int port_connect(void *context, const char *address, uint64_t *ret_link)
{
    struct sim_manager *host = context;
    uint32_t to = host->cluster->current;

    if (address[0] == 'c') {
        to = SIM_MANAGER_HOST + (uint32_t)(address[1] - '0');
    }
    if (host->is_dying) {
        return -AXC_EUNAVAILABLE;
    }
    *ret_link = sim_network_connect(host->cluster->network, host->host, to, &endpoint, host);
    return 0;
}

static void port_send(void *context, uint64_t link, const uint8_t *frame, size_t bytes)
{
    struct sim_manager *host = context;

    if (!host->is_dying) {
        sim_network_send(host->cluster->network, host->host, link, frame, bytes);
    }
}

static void port_close(void *context, uint64_t link)
{
    struct sim_manager *host = context;

    if (!host->is_dying) {
        sim_network_close(host->cluster->network, host->host, link);
    }
}

/* Sometimes the image is not here yet. */
static int port_get_blob(void *context, const uint8_t digest[32], uint8_t **ret_bytes,
                         size_t *ret_size)
{
    struct sim_cluster *cluster = ((struct sim_manager *)context)->cluster;

    return sim_chance(&cluster->clock, 300000)
               ? -AXC_ENOENT
               : sim_image_blob(cluster, digest, ret_bytes, ret_size);
}

static void port_on_event(void *context, const json_t *event)
{
    struct sim_manager *host = context;
    const json_t *task = json_object_get(event, "task");
    const json_t *node = json_object_get(event, "node");

    sim_log(host->cluster, host->name, "event %s task=%s node=%s: %s",
            json_string_value(json_object_get(event, "type")),
            json_is_string(task) ? json_string_value(task) : "-",
            json_is_string(node) ? json_string_value(node) : "-",
            json_string_value(json_object_get(event, "text")));
}

static bool port_crash_point(void *context, uint32_t point)
{
    struct sim_manager *host = context;
    uint32_t count = 0;

    if (host->is_dying) {
        return true;
    }
    if (point != host->crash_at || host->crash_skip-- > 0) {
        return false;
    }
    sim_log(host->cluster, host->name, "crash point %s", axi_cms_crash_points(&count)[point]);
    host->crash_at = UINT32_MAX;
    host->is_dying = true;
    host->cluster->counts.crash_points++;
    return true;
}

static void opened(void *context, uint64_t connection)
{
    struct sim_manager *host = context;

    if (host->cms != NULL) {
        axi_cms_link_up(host->cms, connection, false, "");
        settle(host);
    }
}

static void received(void *context, uint64_t connection, const uint8_t *bytes, size_t count)
{
    struct sim_manager *host = context;

    if (host->cms != NULL) {
        axi_cms_link_bytes(host->cms, connection, bytes, count);
        settle(host);
    }
}

static void closed(void *context, uint64_t connection)
{
    struct sim_manager *host = context;

    if (host->cms != NULL) {
        axi_cms_link_down(host->cms, connection, -AXC_EUNAVAILABLE);
        settle(host);
    }
}

static const struct sim_endpoint_ops endpoint = {opened, received, closed};

static void *accept_link(void *context, uint64_t connection, uint32_t from_host)
{
    struct sim_manager *host = context;
    char peer[16];

    if (host->cms == NULL) {
        return NULL;
    }
    (void)snprintf(peer, sizeof peer, "host%u", from_host);
    axi_cms_link_up(host->cms, connection, true, peer);
    settle(host);
    return host;
}

static void tick(void *context, uint64_t generation)
{
    struct sim_manager *host = context;

    if (host->cms != NULL && host->tick_generation == generation) {
        if (host->is_paused) {
            sim_at(&host->cluster->clock, host->cluster->clock.now_ns + 5 * SIM_MS, tick, host,
                   generation);
            return;
        }
        settle(host);
    }
}

/* After any entry point: tick, and again when it says. */
static void settle(struct sim_manager *host)
{
    struct sim_clock *clock = &host->cluster->clock;
    uint64_t next = host->is_dying ? 0 : axi_cms_tick(host->cms);
    uint64_t now = port_now_local(host);

    if (host->is_dying) {
        sim_manager_crash(host, "crash point");
        return;
    }
    next = next > now ? next - now : 10 * SIM_US;
    next = next > TICK_MAX_NS ? TICK_MAX_NS : next;
    host->tick_generation++;
    sim_at(clock, clock->now_ns + next, tick, host, host->tick_generation);
}

static void open_checkpoints(struct sim_manager *host)
{
    const struct axi_checkpoints_options options = {
        .path = ":memory:", .is_inline = true, .is_volatile = true};

    if (axi_checkpoints_new(&options, &host->checkpoints) < 0) {
        abort();
    }
}

void sim_manager_init(struct sim_cluster *cluster, uint32_t index)
{
    struct sim_manager *host = &cluster->managers[index];

    host->cluster = cluster;
    host->host = SIM_MANAGER_HOST + index;
    host->crash_at = UINT32_MAX;
    host->drift_ppm = (int32_t)sim_between(&cluster->clock, 0, 2 * DRIFT_PPM) - DRIFT_PPM;
    (void)snprintf(host->name, sizeof host->name, "c%u", index);
    sim_store_init(&host->store, cluster);
    open_checkpoints(host);
}

/* Results that a dead daemon never heard of. */
static void drain_results(struct sim_manager *host)
{
    struct axi_checkpoints_result results[16];

    while (axi_checkpoints_poll(host->checkpoints, results, 16) > 0) {
    }
}

void sim_manager_boot(struct sim_manager *host)
{
    struct sim_cluster *cluster = host->cluster;
    const struct axi_cms_port port = {
        .context = host,
        .now_local_ns = port_now_local,
        .random64 = port_random,
        .connect = port_connect,
        .send = port_send,
        .close = port_close,
        .get_blob = port_get_blob,
        .on_event = port_on_event,
        .crash_point = port_crash_point,
    };
    struct axi_cms_config config = {
        .store = &host->store.base,
        .checkpoints = host->checkpoints,
        .manager_id = 0x0a0000000001u + host->host,
        .boot_id = sim_random(&cluster->clock) | 1,
        .master_address = "master",
        .plain_write_claim = cluster->options.disable_claim,
    };

    (void)snprintf(config.name, sizeof config.name, "%s", host->name);
    (void)snprintf(config.address, sizeof config.address, "%s", host->name);
    host->is_dying = false;
    host->is_paused = false;
    host->life++;
    drain_results(host);
    if (axi_cms_new(&config, &port, &host->cms) < 0) {
        abort();
    }
    sim_log(cluster, host->name, "boot");
    sim_network_listen(cluster->network, host->host, &endpoint, accept_link, host);
    settle(host);
}

static void boot_again(void *context, uint64_t life)
{
    struct sim_manager *host = context;

    if (host->cms == NULL && host->life == life) {
        sim_manager_boot(host);
    }
}

void sim_manager_crash(struct sim_manager *host, const char *why)
{
    struct sim_cluster *cluster = host->cluster;
    struct sim_clock *clock = &cluster->clock;
    uint64_t away = sim_chance(clock, 500000) ? sim_between(clock, 5 * SIM_MS, 300 * SIM_MS)
                                              : sim_between(clock, 300 * SIM_MS, 4 * SIM_S);

    if (host->cms == NULL) {
        return;
    }
    sim_log(cluster, host->name, "dies: %s", why);
    cluster->counts.manager_crashes++;
    host->is_dying = true; /* nothing more is sent */
    axi_cms_free(host->cms);
    host->cms = NULL;
    host->is_paused = false;
    host->tick_generation++;
    sim_network_pause_host(cluster->network, host->host, false);
    sim_network_kill_host(cluster->network, host->host);
    if (sim_chance(clock, 50000)) { /* its disk was replaced */
        axi_checkpoints_free(host->checkpoints);
        open_checkpoints(host);
    }
    sim_at(clock, clock->now_ns + away, boot_again, host, host->life);
}

void sim_manager_touch(struct sim_manager *host)
{
    host->tick_generation++;
    sim_at(&host->cluster->clock, host->cluster->clock.now_ns, tick, host, host->tick_generation);
}

void sim_manager_deinit(struct sim_manager *host)
{
    axi_cms_free(host->cms);
    host->cms = NULL;
    axi_checkpoints_free(host->checkpoints);
}
