/* SPDX-License-Identifier: Apache-2.0 */
#include "cms/daemon.h"

#include "cms/api.h"
#include "cms/fetcher.h"
#include "cms/manager.h"
#include "cms/regions.h"
#include "core/agent.h"
#include "image/blobs.h"
#include "net/host.h"
#include "net/links.h"
#include "net/notify.h"
#include "net/startup.h"
#include "net/tick.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#define NS_PER_MS 1000000ull
#define PATH_BYTES 4096u
#define CONNECT_MS 2000u
#define DATAGRAMS_AT_ONCE 64u

struct daemon {
    const struct axi_cms_options *options;
    uv_loop_t loop;
    struct axi_tick tick;
    uv_signal_t on_term, on_int;
    uv_poll_t stored; /* results of the checkpoint store */
    uv_poll_t notified;
    int notify_fd; /* datagrams of nodes; -1 = none */
    struct axi_listener *listener;
    struct axi_links links;
    struct axi_store *store;
    struct axi_checkpoints *checkpoints;
    struct axi_cms *cms;
    struct axi_http *http;
    struct axi_cms_api api;
    struct axi_cms_fetcher *fetcher;
    uint64_t manager_id, machine_id;
    bool is_stopping;
    char token[AXI_TOKEN_BYTES];
    char blob_dir[PATH_BYTES];
};

static uint64_t now_local_ns(void *context)
{
    (void)context;
    return axi_host_clock_ns(CLOCK_BOOTTIME);
}

static uint64_t random64(void *context)
{
    (void)context;
    return axi_host_random();
}

static uint64_t on_tick(void *context)
{
    struct daemon *daemon = context;

    return axi_cms_tick(daemon->cms);
}

static void on_stored(uv_poll_t *poll, int status, int events)
{
    struct daemon *daemon = poll->data;

    (void)status;
    (void)events;
    axi_tick_want(&daemon->tick);
}

/* What a flood leaves in the socket's buffer waits for the next turn of the loop. */
static void on_notified(uv_poll_t *poll, int status, int events)
{
    struct daemon *daemon = poll->data;
    uint8_t bytes[AXI_AGENT_NOTIFY_BYTES];

    (void)status;
    (void)events;
    for (unsigned i = 0; i < DATAGRAMS_AT_ONCE; i++) {
        ssize_t count = recv(daemon->notify_fd, bytes, sizeof(bytes), 0);

        if (count < 0) {
            break;
        }
        axi_cms_datagram(daemon->cms, bytes, (size_t)count);
    }
    axi_tick_want(&daemon->tick);
}

static void on_blob(void *context)
{
    struct daemon *daemon = context;

    axi_tick_want(&daemon->tick);
}

/* ---- links ---- */

static void on_link_up(void *context, uint64_t link, bool is_incoming, const char *peer)
{
    struct daemon *daemon = context;

    axi_cms_link_up(daemon->cms, link, is_incoming, peer);
    axi_tick_want(&daemon->tick);
}

static void on_link_bytes(void *context, uint64_t link, const uint8_t *bytes, size_t count)
{
    struct daemon *daemon = context;

    axi_cms_link_bytes(daemon->cms, link, bytes, count);
    axi_tick_want(&daemon->tick);
}

static void on_link_down(void *context, uint64_t link, int code)
{
    struct daemon *daemon = context;

    axi_cms_link_down(daemon->cms, link, code);
    axi_tick_want(&daemon->tick);
}

static const struct axi_links_handler links_handler = {
    .up = on_link_up, .bytes = on_link_bytes, .down = on_link_down};

static int port_connect(void *context, const char *address, uint64_t *ret_link)
{
    struct daemon *daemon = context;

    if (!daemon->options->allow_remote && !axi_address_is_loopback(address)) {
        return -AXC_EPERM;
    }
    return axi_links_connect(&daemon->links, address, CONNECT_MS, ret_link);
}

static void port_send(void *context, uint64_t link, const uint8_t *frame, size_t frame_bytes)
{
    struct daemon *daemon = context;

    axi_links_send(&daemon->links, link, frame, frame_bytes);
}

static void port_close(void *context, uint64_t link)
{
    struct daemon *daemon = context;

    axi_links_close(&daemon->links, link);
}

/* ---- the rest of the port ---- */

static const uint8_t *map_regions(void *context, uint64_t node_id, uint64_t machine_id,
                                  const char *path, size_t *ret_bytes)
{
    struct daemon *daemon = context;

    (void)node_id;
    if (machine_id == 0 || machine_id != daemon->machine_id) {
        return NULL;
    }
    return axi_cms_regions_map(path, ret_bytes);
}

static void unmap_regions(void *context, const uint8_t *memory, size_t bytes)
{
    (void)context;
    axi_cms_regions_unmap(memory, bytes);
}

static int get_blob(void *context, const uint8_t digest[32], uint8_t **ret_bytes, size_t *ret_size)
{
    struct daemon *daemon = context;

    return axi_cms_fetcher_get(daemon->fetcher, digest, ret_bytes, ret_size);
}

static const char *text_of(const json_t *event, const char *key)
{
    const char *text = json_string_value(json_object_get(event, key));

    return text != NULL ? text : "";
}

static void on_event(void *context, const json_t *event)
{
    const char *level = text_of(event, "level");

    (void)context;
    axi_log(strcmp(level, "error") == 0     ? AXI_LOG_ERROR
            : strcmp(level, "warning") == 0 ? AXI_LOG_WARN
                                            : AXI_LOG_INFO,
            text_of(event, "type"), "task=%s node=%s text=\"%s\"", text_of(event, "task"),
            text_of(event, "node"), text_of(event, "text"));
}

/* ---- start and stop ---- */

static void stop(struct daemon *daemon, const char *reason)
{
    if (daemon->is_stopping) {
        return;
    }
    axi_log(AXI_LOG_INFO, "manager-stop", "reason=%s", reason);
    axi_cms_shutdown(daemon->cms, reason);
    daemon->is_stopping = true;
    axi_listener_free(daemon->listener);
    axi_http_free(daemon->http);
    axi_cms_fetcher_free(daemon->fetcher);
    axi_links_close_all(&daemon->links);
    uv_close((uv_handle_t *)&daemon->stored, NULL);
    if (daemon->notify_fd >= 0) {
        uv_close((uv_handle_t *)&daemon->notified, NULL);
    }
    axi_tick_close(&daemon->tick);
    uv_close((uv_handle_t *)&daemon->on_term, NULL);
    uv_close((uv_handle_t *)&daemon->on_int, NULL);
}

static void on_signal(uv_signal_t *handle, int number)
{
    (void)number;
    stop(handle->data, "signal");
}

static int open_identity(struct daemon *daemon)
{
    const struct axi_cms_options *options = daemon->options;
    char path[PATH_BYTES];
    int r = axi_startup_private(options->token_file, options->dir, daemon->token);

    if (r < 0) {
        return r;
    }
    r = axi_startup_path(options->dir, "identity", path, PATH_BYTES);
    if (r == 0) {
        r = axi_host_read_identity(path, &daemon->manager_id);
        r = r < 0 ? axi_startup_fail("identity", path, r) : 0;
    }
    daemon->machine_id = axi_host_machine_id();
    return r;
}

static int open_stores(struct daemon *daemon)
{
    const struct axi_cms_options *options = daemon->options;
    char path[PATH_BYTES];
    char reason[160] = "";
    struct axi_checkpoints_options checkpoints = {.path = path, .keep = (uint32_t)options->keep};
    int r = axi_startup_path(options->dir, "images", daemon->blob_dir, PATH_BYTES);

    r = r < 0 ? r : axi_blobs_init(daemon->blob_dir);
    if (r < 0) {
        return axi_startup_fail("images", options->dir, r);
    }
    r = axi_startup_path(options->dir, "checkpoints.db", path, PATH_BYTES);
    r = r < 0 ? r : axi_checkpoints_new(&checkpoints, &daemon->checkpoints);
    if (r < 0) {
        return axi_startup_fail("checkpoints", path, r);
    }
    r = axi_store_open(options->store, &daemon->store, reason);
    if (r < 0 && *reason != '\0') {
        axi_log(AXI_LOG_ERROR, "start-failed", "what=store text=\"%s\"", reason);
    }
    return r < 0 ? axi_startup_fail("store", options->store, r) : 0;
}

static int open_fetcher(struct daemon *daemon)
{
    const struct axi_cms_fetcher_config config = {
        .loop = &daemon->loop,
        .store = daemon->options->store,
        .dir = daemon->blob_dir,
        .master_api = daemon->options->master_api,
        .token = daemon->token,
        .arrived = on_blob,
        .context = daemon,
    };
    int r = axi_cms_fetcher_new(&config, &daemon->fetcher);

    return r < 0 ? axi_startup_fail("fetcher", daemon->blob_dir, r) : 0;
}

static int open_sockets(struct daemon *daemon)
{
    const struct axi_cms_options *options = daemon->options;
    const struct axi_http_config http = {
        .loop = &daemon->loop,
        .address = options->api,
        .token = daemon->token,
        .handler = axi_cms_api_handle,
        .context = &daemon->api,
        .body_limit = axi_cms_api_body_limit,
    };

    daemon->links =
        (struct axi_links){.loop = &daemon->loop, .handler = &links_handler, .context = daemon};
    int r = axi_listener_new(&daemon->loop, options->listen, axi_links_accept, &daemon->links,
                             &daemon->listener);

    if (r < 0) {
        return axi_startup_fail("listen", options->listen, r);
    }
    r = axi_http_new(&http, &daemon->http);
    return r < 0 ? axi_startup_fail("api", options->api, r) : 0;
}

static int open_notify(struct daemon *daemon)
{
    const struct axi_cms_options *options = daemon->options;
    int r = options->notify == NULL
                ? 0
                : axi_notify_open_receiver(options->notify, options->allow_remote != 0,
                                           &daemon->notify_fd);

    return r < 0 ? axi_startup_fail("notify", options->notify, r) : 0;
}

static void start_notify(struct daemon *daemon)
{
    if (daemon->notify_fd >= 0) {
        (void)uv_poll_init(&daemon->loop, &daemon->notified, daemon->notify_fd);
        daemon->notified.data = daemon;
        (void)uv_poll_start(&daemon->notified, UV_READABLE, on_notified);
    }
}

static void copy(char *to, size_t size, const char *from)
{
    (void)snprintf(to, size, "%s", from != NULL ? from : "");
}

/* Last: whatever the core asks of its port is there by then. */
static int make_core(struct daemon *daemon)
{
    const struct axi_cms_options *options = daemon->options;
    const struct axi_cms_port port = {
        .context = daemon,
        .now_local_ns = now_local_ns,
        .random64 = random64,
        .connect = port_connect,
        .send = port_send,
        .close = port_close,
        .map_regions = map_regions,
        .unmap_regions = unmap_regions,
        .get_blob = get_blob,
        .on_event = on_event,
    };
    struct axi_cms_config config = {
        .store = daemon->store,
        .checkpoints = daemon->checkpoints,
        .manager_id = daemon->manager_id,
        .boot_id = axi_host_random(),
        .lease_ns = options->lease_ms * NS_PER_MS,
        .claim_lease_ns = options->claim_lease_ms * NS_PER_MS,
    };

    copy(config.name, sizeof(config.name), options->name);
    copy(config.address, sizeof(config.address),
         options->advertise != NULL ? options->advertise : axi_listener_address(daemon->listener));
    axi_startup_known(config.api_address, sizeof(config.api_address),
                      axi_http_address(daemon->http), options->advertise);
    copy(config.master_address, sizeof(config.master_address), options->master);
    copy(config.own_node, sizeof(config.own_node), options->own_node);
    copy(config.token, sizeof(config.token), daemon->token);
    int r = axi_cms_new(&config, &port, &daemon->cms);

    if (r < 0) {
        return axi_startup_fail("core", options->name, r);
    }
    daemon->api = (struct axi_cms_api){.cms = daemon->cms, .checkpoints = daemon->checkpoints};
    return 0;
}

static int announce(struct daemon *daemon)
{
    const char *listen = axi_listener_address(daemon->listener);
    const char *api = axi_http_address(daemon->http);

    axi_log(AXI_LOG_INFO, "manager-ready", "name=%s id=%012" PRIx64 " listen=%s api=%s",
            daemon->options->name, daemon->manager_id, listen, api);
    return axi_startup_ready(daemon->options->ready_file, listen, api);
}

static int start(struct daemon *daemon)
{
    const struct axi_cms_options *options = daemon->options;
    int r = axi_startup_address("listen", options->listen, options->allow_remote);

    if (r == 0 && axi_startup_is_any_host(options->listen) && options->advertise == NULL) {
        axi_log(AXI_LOG_ERROR, "start-failed",
                "what=listen value=%s cure=\"give --advertise HOST:PORT: nodes must be told one\"",
                options->listen);
        return -AXC_EINVALID;
    }
    r = r < 0 ? r : axi_startup_address("api", options->api, options->allow_remote);
    r = r < 0 ? r : axi_startup_masters("master", options->master, options->allow_remote);
    r = r < 0 ? r : axi_startup_masters("master-api", options->master_api, options->allow_remote);
    r = r < 0 ? r : open_identity(daemon);
    r = r < 0 ? r : open_stores(daemon);
    r = r < 0 ? r : open_fetcher(daemon);
    r = r < 0 ? r : open_sockets(daemon);
    r = r < 0 ? r : open_notify(daemon);
    r = r < 0 ? r : make_core(daemon);
    return r < 0 ? r : announce(daemon);
}

int axi_cms_daemon_run(const struct axi_cms_options *options)
{
    struct daemon daemon = {.options = options, .notify_fd = -1};

    (void)signal(SIGPIPE, SIG_IGN);
    (void)signal(SIGXFSZ, SIG_IGN); /* a limit on file sizes is a full disk */
    (void)uv_loop_init(&daemon.loop);
    (void)uv_signal_init(&daemon.loop, &daemon.on_term);
    (void)uv_signal_init(&daemon.loop, &daemon.on_int);
    daemon.on_term.data = daemon.on_int.data = &daemon;
    if (start(&daemon) < 0) {
        return 1; /* the process ends: the kernel takes the rest back */
    }
    (void)uv_poll_init(&daemon.loop, &daemon.stored, axi_checkpoints_fd(daemon.checkpoints));
    daemon.stored.data = &daemon;
    (void)uv_poll_start(&daemon.stored, UV_READABLE, on_stored);
    start_notify(&daemon);
    (void)uv_signal_start(&daemon.on_term, on_signal, SIGTERM);
    (void)uv_signal_start(&daemon.on_int, on_signal, SIGINT);
    axi_tick_init(&daemon.tick, &daemon.loop, on_tick, &daemon);
    axi_host_raise_priority();
    (void)uv_run(&daemon.loop, UV_RUN_DEFAULT);
    axi_cms_free(daemon.cms);
    axi_checkpoints_free(daemon.checkpoints);
    axi_store_free(daemon.store);
    (void)uv_loop_close(&daemon.loop);
    return 0;
}
