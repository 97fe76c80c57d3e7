/* SPDX-License-Identifier: Apache-2.0 */
#include "master/daemon.h"

#include "core/wire.h"
#include "image/blobs.h"
#include "image/file.h"
#include "master/api.h"
#include "master/blob_keeper.h"
#include "master/clock.h"
#include "master/telemetry_file.h"
#include "master/traces.h"
#include "net/host.h"
#include "net/links.h"
#include "net/startup.h"
#include "net/tick.h"
#include "predict/weights.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_MS 1000000ull
#define PATH_BYTES 4096u
#define STORE_TRIES 50 /* of 0.2 s */

struct daemon;

struct daemon {
    const struct axi_master_options *options;
    uv_loop_t loop;
    struct axi_tick tick;
    uv_signal_t on_term, on_int;
    struct axi_listener *listener;
    struct axi_store *store;
    struct axi_leader *leader;
    struct axi_master *master; /* NULL: this one does not lead */
    uint64_t term;             /* leader.h: that of `master` */
    struct axi_blob_keeper *keeper;
    struct axi_http *http;
    struct axi_api api;
    struct axi_master_clock *clock;       /* NULL: the host's */
    struct axi_traces *traces;            /* NULL: no histories are wanted */
    struct axi_telemetry_file *telemetry; /* NULL: none is wanted */
    struct axi_predict_weights weights;   /* with options.predictor */
    struct axi_links links;
    bool has_news, is_stopping;
    char token[AXI_TOKEN_BYTES];
    char blob_dir[PATH_BYTES], store_path[PATH_BYTES];
    uint64_t id; /* of the directory */
};

static uint64_t now_master_ns(void *context)
{
    struct daemon *daemon = context;

    return daemon->clock != NULL ? axi_master_clock_ns(daemon->clock)
                                 : axi_host_clock_ns(CLOCK_TAI);
}

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

static int make_core(struct daemon *daemon);

/* The nodes ask the next leader; what waits at the API is answered so, too. */
static void demote(struct daemon *daemon, const char *reason)
{
    axi_log(AXI_LOG_WARN, "master-standby", "name=%s reason=\"%s\"", daemon->options->name, reason);
    axi_master_depose(daemon->master, reason);
    axi_links_close_all(&daemon->links);
    axi_master_free(daemon->master);
    daemon->master = daemon->api.master = NULL;
    daemon->has_news = true;
}

static void promote(struct daemon *daemon)
{
    axi_links_close_all(&daemon->links); /* they have not heard of the election */
    if (make_core(daemon) < 0) {
        daemon->master = NULL;
        axi_leader_pass(daemon->leader);
        return;
    }
    daemon->term = axi_leader_term(daemon->leader);
    daemon->api.master = daemon->master;
    daemon->has_news = true;
    axi_log(AXI_LOG_INFO, "master-leads", "name=%s", daemon->options->name);
}

/* Who leads comes first: a core whose lease is lost must not be asked. */
static uint64_t tick_roles(struct daemon *daemon)
{
    uint64_t next_ns = axi_leader_tick(daemon->leader);
    uint64_t term = axi_leader_term(daemon->leader);

    if (daemon->master != NULL && term != daemon->term) {
        demote(daemon, "it lost the leader's lease");
    }
    if (daemon->master == NULL && axi_leader_revision(daemon->leader) != 0) {
        promote(daemon);
    }
    if (daemon->master != NULL) {
        uint64_t core_ns = axi_master_tick(daemon->master);

        next_ns = core_ns < next_ns ? core_ns : next_ns;
        if (axi_master_is_deposed(daemon->master)) {
            demote(daemon, "another master took over");
            axi_leader_pass(daemon->leader);
        }
    }
    return next_ns;
}

static uint64_t on_tick(void *context)
{
    struct daemon *daemon = context;
    uint64_t next_ns = tick_roles(daemon);

    if (daemon->has_news) {
        daemon->has_news = false;
        axi_http_wake(daemon->http);
    }
    return next_ns;
}

static void on_checkpoints_listed(void *context)
{
    struct daemon *daemon = context;

    axi_http_wake(daemon->http);
}

static void on_api_changed(void *context)
{
    struct daemon *daemon = context;

    axi_tick_want(&daemon->tick);
}

/* ---- links ---- */

static void on_link_up(void *context, uint64_t link, bool is_incoming, const char *peer)
{
    struct daemon *daemon = context;

    (void)is_incoming; /* the master connects to nobody */
    if (daemon->master != NULL) {
        axi_master_link_up(daemon->master, link, peer);
        axi_tick_want(&daemon->tick);
    }
}

/* Nodes, managers and voters alike read a HelloReply. */
static void send_away(struct daemon *daemon, uint64_t link)
{
    const struct axi_leader_master *leader = axi_leader_present(daemon->leader);
    axi_HelloReply reply = {.result = -AXC_ENOT_LEADER, .protocol = AXI_WIRE_VERSION};
    uint8_t frame[AXI_WIRE_CONTROL_BYTES_MAX];
    size_t bytes = 0;

    (void)snprintf(reply.reason, sizeof(reply.reason), "%s", axi_error_text(AXC_ENOT_LEADER));
    (void)snprintf(reply.leader, sizeof(reply.leader), "%s", leader != NULL ? leader->listen : "");
    if (axi_wire_encode(AXI_WIRE_HELLO_REPLY, &reply, NULL, 0, frame, sizeof(frame), &bytes) == 0) {
        axi_links_send(&daemon->links, link, frame, bytes);
    }
    axi_links_close(&daemon->links, link);
}

static void on_link_bytes(void *context, uint64_t link, const uint8_t *bytes, size_t count)
{
    struct daemon *daemon = context;

    if (daemon->master == NULL) {
        send_away(daemon, link);
        return;
    }
    if (axi_master_link_bytes(daemon->master, link, bytes, count)) {
        axi_tick_want(&daemon->tick);
    }
}

static void on_link_down(void *context, uint64_t link, int code)
{
    struct daemon *daemon = context;

    (void)code;
    if (daemon->master != NULL) {
        axi_master_link_down(daemon->master, link);
        axi_tick_want(&daemon->tick);
    }
}

static const struct axi_links_handler links_handler = {
    .up = on_link_up, .bytes = on_link_bytes, .down = on_link_down};

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

static int get_blob(void *context, const uint8_t digest[32], uint8_t **ret_bytes, size_t *ret_size)
{
    struct daemon *daemon = context;
    struct axi_digest wanted;

    memcpy(wanted.bytes, digest, sizeof(wanted.bytes));
    int r = axi_blobs_get(daemon->blob_dir, &wanted, AXI_API_BLOB_BYTES_MAX, ret_bytes, ret_size);

    return r == -AXC_EIMAGE_BLOB ? -AXC_ENOENT : r;
}

static const char *text_of(const json_t *event, const char *key)
{
    const char *text = json_string_value(json_object_get(event, key));

    return text != NULL ? text : "";
}

static void on_event(void *context, const json_t *event)
{
    struct daemon *daemon = context;

    daemon->has_news = true;
    axi_log(AXI_LOG_INFO, text_of(event, "type"), "task=%s node=%s text=\"%s\"",
            text_of(event, "task"), text_of(event, "node"), text_of(event, "text"));
}

static void on_op(void *context, uint64_t op)
{
    struct daemon *daemon = context;

    (void)op;
    daemon->has_news = true;
}

static void on_log(void *context, const char *task, const char *node, const char *line)
{
    struct daemon *daemon = context;

    (void)task;
    (void)node;
    (void)line;
    daemon->has_news = true;
}

static uint64_t on_traces(void *context, const char *node, uint64_t node_id, uint64_t boot_id,
                          uint64_t first, const uint8_t *records, size_t count)
{
    struct daemon *daemon = context;

    return axi_traces_take(daemon->traces, node, node_id, boot_id, first, records, count);
}

static void on_telemetry(void *context, const char *node, const struct axi_telemetry_sample *sample)
{
    struct daemon *daemon = context;

    axi_telemetry_file_add(daemon->telemetry, node, sample);
}

/* ---- start and stop ---- */

static void stop(struct daemon *daemon, const char *reason)
{
    if (daemon->is_stopping) {
        return;
    }
    axi_log(AXI_LOG_INFO, "master-stop", "reason=%s", reason);
    if (daemon->master != NULL) {
        axi_master_shutdown(daemon->master);
    }
    axi_leader_resign(daemon->leader);
    daemon->is_stopping = true;
    axi_blob_keeper_free(daemon->keeper);
    axi_listener_free(daemon->listener);
    axi_http_free(daemon->http);
    axi_checkpoint_list_free(daemon->api.checkpoints);
    axi_links_close_all(&daemon->links);
    axi_master_clock_close(daemon->clock);
    axi_tick_close(&daemon->tick);
    uv_close((uv_handle_t *)&daemon->on_term, NULL);
    uv_close((uv_handle_t *)&daemon->on_int, NULL);
}

static void on_signal(uv_signal_t *handle, int number)
{
    (void)number;
    stop(handle->data, "signal");
}

static const char *location_of(const struct daemon *daemon)
{
    return daemon->options->store != NULL ? daemon->options->store : daemon->store_path;
}

static int open_predictor(struct daemon *daemon)
{
    const struct axi_master_options *options = daemon->options;
    int r = options->predictor != NULL ? axi_weights_load(options->predictor, &daemon->weights) : 0;

    if (r < 0) {
        return axi_startup_fail("predictor", options->predictor, r);
    }
    if (options->telemetry != NULL) {
        r = axi_telemetry_file_new(options->telemetry, &daemon->telemetry);
    }
    return r < 0 ? axi_startup_fail("telemetry", options->telemetry, r) : 0;
}

static int open_files(struct daemon *daemon)
{
    const struct axi_master_options *options = daemon->options;
    char reason[AXI_STORE_REASON_BYTES];
    char path[PATH_BYTES];
    int r = axi_startup_private(options->token_file, options->dir, daemon->token);

    r = r < 0 ? r : axi_startup_lock(options->dir);
    if (r < 0) {
        return r;
    }
    r = axi_file_join(daemon->blob_dir, sizeof(daemon->blob_dir), options->dir, "images");
    if (r == 0) {
        r = axi_blobs_init(daemon->blob_dir);
    }
    if (r == 0) {
        r = axi_file_join(path, sizeof(path), options->dir, "identity");
    }
    if (r == 0) {
        r = axi_host_read_identity(path, &daemon->id);
    }
    if (r == 0) {
        r = axi_file_join(daemon->store_path, sizeof(daemon->store_path), options->dir, "store.db");
    }
    if (r < 0) {
        return axi_startup_fail("dir", options->dir, r);
    }
    r = axi_store_open(location_of(daemon), &daemon->store, reason);
    if (r < 0) {
        return axi_startup_fail("store", reason, r);
    }
    if (options->history_dir != NULL) {
        r = axi_traces_new(options->history_dir, &daemon->traces);
    }
    if (r < 0) {
        return axi_startup_fail("history-dir", options->history_dir, r);
    }
    return open_predictor(daemon);
}

static int make_core(struct daemon *daemon)
{
    const struct axi_master_port port = {
        .context = daemon,
        .now_master_ns = now_master_ns,
        .now_local_ns = now_local_ns,
        .random64 = random64,
        .send = port_send,
        .close = port_close,
        .get_blob = get_blob,
        .on_event = on_event,
        .on_op = on_op,
        .on_log = on_log,
        .on_traces = daemon->traces != NULL ? on_traces : NULL,
        .on_telemetry = daemon->telemetry != NULL ? on_telemetry : NULL,
    };
    struct axi_master_config config = {
        .store = daemon->store,
        .election = axi_leader_revision(daemon->leader),
        .lease_ns = daemon->options->lease_ms * NS_PER_MS,
        .predictor = daemon->options->predictor != NULL ? &daemon->weights : NULL,
        .sync_policy = (enum axi_sync_policy)daemon->options->sync_policy,
        .heartbeat_ns = daemon->options->heartbeat_ms * NS_PER_MS,
    };

    _Static_assert(sizeof(config.token) == sizeof(daemon->token), "same token");
    memcpy(config.token, daemon->token, sizeof(config.token));
    int r = axi_master_new(&config, &port, &daemon->master);

    if (r < 0) {
        axi_log(AXI_LOG_WARN, "take-over", "error=%s", axi_error_name(r));
    }
    return r;
}

static void on_blobs_judged(void *context, uint64_t revision, bool is_complete)
{
    struct daemon *daemon = context;

    axi_leader_set_images(daemon->leader, revision, is_complete);
    axi_tick_want(&daemon->tick);
}

/* A store of several members may be electing, or start at the same time as we. */
static int wait_for_store(struct daemon *daemon)
{
    struct axi_store_value value = {0};
    int r = axi_store_get(daemon->store, AXI_LEADER_KEY, &value);

    for (int i = 0; i < STORE_TRIES && (r == -AXC_EUNAVAILABLE || r == -AXC_ETIMEOUT); i++) {
        axi_log(AXI_LOG_WARN, "store-unreachable", "error=%s", axi_error_name(r));
        (void)usleep(200000);
        r = axi_store_get(daemon->store, AXI_LEADER_KEY, &value);
    }
    axi_store_value_clear(&value);
    return r < 0 && r != -AXC_ENOENT ? axi_startup_fail("store", daemon->options->dir, r) : 0;
}

/* After the sockets: their addresses are what others are told. */
static int open_election(struct daemon *daemon)
{
    const struct axi_master_options *options = daemon->options;
    struct axi_leader_config config = {
        .store = daemon->store,
        .now_ns = now_local_ns,
        .context = daemon,
        .lease_ms = (uint32_t)options->leader_lease_ms,
        .self = {.id = daemon->id, .boot = axi_host_random()},
    };
    const struct axi_blob_keeper_config keeper = {.loop = &daemon->loop,
                                                  .store = location_of(daemon),
                                                  .dir = daemon->blob_dir,
                                                  .token = daemon->token,
                                                  .id = daemon->id,
                                                  .judged = on_blobs_judged,
                                                  .context = daemon};

    (void)snprintf(config.self.name, sizeof(config.self.name), "%s", options->name);
    axi_startup_known(config.self.listen, sizeof(config.self.listen),
                      axi_listener_address(daemon->listener), options->advertise);
    axi_startup_known(config.self.api, sizeof(config.self.api), axi_http_address(daemon->http),
                      options->advertise);
    int r = axi_leader_new(&config, &daemon->leader);

    if (r == 0) {
        r = axi_blob_keeper_new(&keeper, &daemon->keeper);
    }
    if (r < 0) {
        return axi_startup_fail("election", options->name, r);
    }
    daemon->api.leader = daemon->leader;
    (void)tick_roles(daemon); /* who is the only one leads before it says that it is ready */
    return 0;
}

static int open_sockets(struct daemon *daemon)
{
    const struct axi_master_options *options = daemon->options;
    struct axi_http_config http = {
        .loop = &daemon->loop,
        .address = options->api,
        .token = daemon->token,
        .handler = axi_api_handle,
        .context = &daemon->api,
        .body_limit = axi_api_body_limit,
        .is_open = axi_api_is_open,
    };
    daemon->links =
        (struct axi_links){.loop = &daemon->loop, .handler = &links_handler, .context = daemon};
    int r = axi_listener_new(&daemon->loop, options->listen, axi_links_accept, &daemon->links,
                             &daemon->listener);

    if (r < 0) {
        return axi_startup_fail("listen", options->listen, r);
    }
    daemon->api = (struct axi_api){
        .name = options->name,
        .blob_dir = daemon->blob_dir,
        .node_address = axi_listener_address(daemon->listener),
        .context = daemon,
        .now_master_ns = now_master_ns,
        .changed = on_api_changed,
    };
    r = axi_checkpoint_list_new(&daemon->loop, daemon->token, on_checkpoints_listed, daemon,
                                &daemon->api.checkpoints);
    r = r < 0 ? r : axi_http_new(&http, &daemon->http);
    return r < 0 ? axi_startup_fail("api", options->api, r) : 0;
}

static int announce(struct daemon *daemon)
{
    const char *listen = axi_listener_address(daemon->listener);
    const char *api = axi_http_address(daemon->http);

    axi_log(AXI_LOG_INFO, "master-ready", "listen=%s api=%s", listen, api);
    return axi_startup_ready(daemon->options->ready_file, listen, api);
}

static int start(struct daemon *daemon)
{
    int r = axi_startup_address("listen", daemon->options->listen, daemon->options->allow_remote);

    if (r == 0) {
        r = axi_startup_address("api", daemon->options->api, daemon->options->allow_remote);
    }
    if (r == 0) {
        r = open_files(daemon);
    }
    if (r == 0 && daemon->options->clock != NULL) {
        r = axi_master_clock_new(&daemon->loop, daemon->options->clock, &daemon->clock);
    }
    if (r == 0) {
        r = wait_for_store(daemon);
    }
    if (r == 0) {
        r = open_sockets(daemon);
    }
    if (r == 0) {
        r = open_election(daemon);
    }
    return r < 0 ? r : announce(daemon);
}

int axi_master_daemon_run(const struct axi_master_options *options)
{
    struct daemon daemon = {.options = options};

    (void)signal(SIGPIPE, SIG_IGN);
    (void)uv_loop_init(&daemon.loop);
    (void)uv_signal_init(&daemon.loop, &daemon.on_term);
    (void)uv_signal_init(&daemon.loop, &daemon.on_int);
    daemon.on_term.data = daemon.on_int.data = &daemon;
    if (start(&daemon) < 0) {
        return 1; /* the process ends: the kernel takes the sockets back */
    }
    (void)uv_signal_start(&daemon.on_term, on_signal, SIGTERM);
    (void)uv_signal_start(&daemon.on_int, on_signal, SIGINT);
    axi_tick_init(&daemon.tick, &daemon.loop, on_tick, &daemon);
    axi_host_raise_priority();
    (void)uv_run(&daemon.loop, UV_RUN_DEFAULT);
    axi_master_free(daemon.master);
    axi_leader_free(daemon.leader);
    axi_store_free(daemon.store);
    axi_traces_free(daemon.traces);
    axi_telemetry_file_free(daemon.telemetry);
    axi_master_clock_free(daemon.clock);
    (void)uv_loop_close(&daemon.loop);
    return 0;
}
