/* SPDX-License-Identifier: Apache-2.0 */
#include "node/daemon.h"

#include "net/notify.h"
#include "net/startup.h"
#include "node/daemon_internal.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NS_PER_MS 1000000ull
#define TICK_NS_MAX (20 * NS_PER_MS)  /* records without an event are drained so often */
#define IDLE_NS_MAX (200 * NS_PER_MS) /* no instance, no records */
#define DRAIN_NS (10000 * NS_PER_MS)
#define DRAIN_ASK_NS (1000 * NS_PER_MS)
#define TRACES_AT_ONCE 64u
#define IMAGE_MEMORY_BYTES (32u << 20)
#define PATH_BYTES 4096u

#if defined(__x86_64__)
#define PLATFORM "linux-x86_64"
#else
#define PLATFORM "linux-aarch64"
#endif

/* ---- the loop ---- */

static void drain_traces(struct axi_node_daemon *daemon)
{
    struct axi_trace records[TRACES_AT_ONCE];
    uint32_t count = 0;

    do {
        count = axi_runtime_drain(daemon->runtime, records, TRACES_AT_ONCE);
        for (uint32_t i = 0; i < count; i++) {
            axi_agent_trace(daemon->agent, &records[i]);
        }
    } while (count == TRACES_AT_ONCE);
}

static void stop(struct axi_node_daemon *daemon);

/* True when the node may end: nothing is left here, or it took too long. */
static bool is_drained(struct axi_node_daemon *daemon, uint64_t now_ns)
{
    struct axi_agent_status status;

    axi_agent_get_status(daemon->agent, &status);
    if (status.instances == 0 || now_ns >= daemon->drain_until_ns) {
        return true;
    }
    if (now_ns >= daemon->drain_ask_ns) {
        axi_agent_leave_tasks(daemon->agent, "the node ends");
        daemon->drain_ask_ns = now_ns + DRAIN_ASK_NS;
    }
    return false;
}

static void on_tick(uv_timer_t *timer)
{
    struct axi_node_daemon *daemon = timer->data;

    if (daemon->is_stopping) {
        return;
    }
    drain_traces(daemon);
    uint64_t now_ns = axi_runtime_clock_ns();

    if (daemon->is_draining && is_drained(daemon, now_ns)) {
        stop(daemon);
        return;
    }
    axi_node_retry_loads(daemon, now_ns);
    uint64_t next_ns = axi_agent_tick(daemon->agent, now_ns);
    uint64_t wait_ns = next_ns > now_ns ? next_ns - now_ns : 0;
    uint64_t most_ns = IDLE_NS_MAX;
    struct axi_agent_status status;

    axi_agent_get_status(daemon->agent, &status);
    if (status.instances > 0) {
        most_ns = daemon->pending_loads > 0 ? NS_PER_MS : TICK_NS_MAX;
    }

    wait_ns = wait_ns < most_ns ? wait_ns : most_ns;
    uv_update_time(&daemon->loop);
    (void)uv_timer_start(&daemon->tick, on_tick, (wait_ns + NS_PER_MS - 1) / NS_PER_MS, 0);
}

void axi_node_poke(struct axi_node_daemon *daemon)
{
    if (!daemon->is_stopping) {
        on_tick(&daemon->tick);
    }
}

static void on_events(uv_poll_t *poll, int status, int events)
{
    struct axi_node_daemon *daemon = poll->data;
    uint64_t count = 0;

    (void)status;
    (void)events;
    (void)!read(axi_runtime_event_fd(daemon->runtime), &count, sizeof(count));
    axi_node_poke(daemon);
}

static void stop(struct axi_node_daemon *daemon)
{
    if (daemon->is_stopping) {
        return;
    }
    axi_log(AXI_LOG_INFO, "node-stop", "name=%s reason=signal", daemon->options->name);
    axi_agent_leave(daemon->agent, "the node ends");
    daemon->is_stopping = true;
    axi_listener_free(daemon->listener);
    for (uint32_t i = 0; i < AXI_NODE_LINKS; i++) {
        axi_node_link_close(daemon, i);
    }
    uv_close((uv_handle_t *)&daemon->tick, NULL);
    uv_close((uv_handle_t *)&daemon->events, NULL);
    axi_clock_loop_close(daemon->clock);
    uv_close((uv_handle_t *)&daemon->on_term, NULL);
    uv_close((uv_handle_t *)&daemon->on_int, NULL);
}

/* The first SIGTERM may let the tasks move away before; a second one ends the node at once. */
static void on_signal(uv_signal_t *handle, int number)
{
    struct axi_node_daemon *daemon = handle->data;
    struct axi_agent_status status;

    axi_agent_get_status(daemon->agent, &status);
    if (number != SIGTERM || !daemon->options->offload_on_stop || daemon->is_draining ||
        !status.joined || status.instances == 0) {
        stop(daemon);
        return;
    }
    axi_log(AXI_LOG_INFO, "node-drain", "name=%s instances=%" PRIu32, daemon->options->name,
            status.instances);
    daemon->is_draining = true;
    daemon->drain_until_ns = axi_runtime_clock_ns() + DRAIN_NS;
    axi_node_poke(daemon);
}

/* ---- start ---- */

static int read_identity(struct axi_node_daemon *daemon)
{
    char path[PATH_BYTES];

    int r = axi_startup_path(daemon->options->dir, "identity", path, sizeof(path));

    if (r < 0) {
        return r;
    }
    r = axi_host_read_identity(path, &daemon->node_id);
    return r < 0 ? axi_startup_fail("identity", path, r) : 0;
}

static int open_files(struct axi_node_daemon *daemon)
{
    const struct axi_node_options *options = daemon->options;
    char path[PATH_BYTES];
    int r = axi_startup_private(options->token_file, options->dir, daemon->token);

    if (r < 0) {
        return r;
    }
    r = read_identity(daemon);
    if (r < 0) {
        return r;
    }
    r = axi_startup_path(options->dir, "images", path, sizeof(path));
    if (r < 0) {
        return r;
    }
    r = axi_images_new(path, IMAGE_MEMORY_BYTES, &daemon->images);
    return r < 0 ? axi_startup_fail("images", path, r) : 0;
}

/* Before anything that makes threads: the runtime forks its zygote from this process. */
static int open_runtime(struct axi_node_daemon *daemon)
{
    const struct axi_node_options *options = daemon->options;
    const struct axi_runtime_config config = {
        .slots = daemon->slots,
        .is_realtime = options->fifo != AXI_FIFO_NO,
        .is_pinned = options->cpu >= 0,
        .is_memory_locked = options->fifo != AXI_FIFO_NO,
        .is_unconfined = options->no_sandbox != 0,
        .cpu = options->cpu >= 0 ? (uint32_t)options->cpu : 0,
        .history_path = options->history,
        .node_id = daemon->node_id,
        .boot_id = daemon->boot_id,
        .region_slots = (uint32_t)options->region_slots,
        .channels = options->channels,
        .channel_count = options->channel_count,
    };
    if (options->no_sandbox) {
        axi_log(AXI_LOG_WARN, "no-sandbox",
                "tasks are not confined: they may do what this user may; assurance is shared");
    }
    int r = axi_runtime_new(&config, &daemon->runtime);

    if (r < 0) {
        return axi_startup_fail("runtime", options->name, r);
    }
    if (options->fifo == AXI_FIFO_YES &&
        axi_runtime_assurance(daemon->runtime) < AXI_ASSURANCE_REALTIME) {
        axi_log(AXI_LOG_ERROR, "no-fifo",
                "cure=\"run as root or with CAP_SYS_NICE, or give --fifo auto\"");
        return -AXC_EPERM;
    }
    (void)snprintf(daemon->region_path, sizeof(daemon->region_path), "/proc/%d/fd/%d",
                   (int)getpid(), axi_runtime_regions_fd(daemon->runtime));
    return 0;
}

static uint32_t processor_mhz(void)
{
    char line[256];
    double mhz = 0;
    FILE *file = fopen("/proc/cpuinfo", "re");

    while (file != NULL && mhz == 0 && fgets(line, sizeof(line), file) != NULL) {
        if (sscanf(line, "cpu MHz : %lf", &mhz) != 1) {
            mhz = 0;
        }
    }
    if (file != NULL) {
        (void)fclose(file);
    }
    return (uint32_t)mhz;
}

static int open_agent(struct axi_node_daemon *daemon)
{
    const struct axi_node_options *options = daemon->options;
    struct axi_agent_port port;
    struct axi_agent_config config = {
        .master_address = options->master,
        .token = daemon->token,
        .name = options->name,
        .version = AXI_VERSION,
        .address = options->advertise != NULL ? options->advertise
                                              : axi_listener_address(daemon->listener),
        .platforms = {PLATFORM},
        .node_id = daemon->node_id,
        .boot_id = daemon->boot_id,
        .memory_bytes = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE),
        .cores = options->cpu >= 0 ? 1 : (uint32_t)sysconf(_SC_NPROCESSORS_ONLN),
        .frequency_mhz = processor_mhz(),
        .services = AXC_SVC_LOG | AXC_SVC_TOPIC | AXC_SVC_IO,
        .assurance = axi_runtime_assurance(daemon->runtime),
        .capacity_ppm = (uint32_t)options->capacity_ppm,
        .slots = daemon->slots,
        .managers_max = AXI_AGENT_MANAGERS_MAX,
        .machine_id = axi_host_machine_id(),
        .region_path = daemon->region_path,
        .offload_ppm = (uint32_t)options->offload_ppm,
        .has_clock = options->clock != NULL,
        .clock_bound_ns = options->clock_bound_ns,
        .latency_ns = options->latency_ns,
        .is_latency_measured = options->is_latency_measured != 0,
        .timebase = axi_runtime_timebase(daemon->runtime),
    };
    memcpy(config.managers, options->managers, sizeof(options->managers));
    size_t bytes = axi_agent_bytes(&config);
    void *memory = bytes > 0 ? aligned_alloc(64, (bytes + 63) / 64 * 64) : NULL;

    axi_node_fill_port(daemon, &port);
    daemon->agent = memory != NULL ? axi_agent_init(memory, &config, &port) : NULL;
    daemon->loads = calloc(daemon->slots, sizeof(*daemon->loads));
    if (daemon->agent == NULL || daemon->loads == NULL) {
        return axi_startup_fail("agent", options->name, -AXC_EINVALID);
    }
    return 0;
}

static int open_loop(struct axi_node_daemon *daemon)
{
    (void)uv_loop_init(&daemon->loop);
    (void)uv_timer_init(&daemon->loop, &daemon->tick);
    (void)uv_poll_init(&daemon->loop, &daemon->events, axi_runtime_event_fd(daemon->runtime));
    (void)uv_signal_init(&daemon->loop, &daemon->on_term);
    (void)uv_signal_init(&daemon->loop, &daemon->on_int);
    daemon->tick.data = daemon->events.data = daemon;
    daemon->on_term.data = daemon->on_int.data = daemon;
    int r = axi_listener_new(&daemon->loop, daemon->options->listen, axi_node_link_accept, daemon,
                             &daemon->listener);

    return r < 0 ? axi_startup_fail("listen", daemon->options->listen, r) : 0;
}

static int start(struct axi_node_daemon *daemon)
{
    int r = axi_startup_address("listen", daemon->options->listen, daemon->options->allow_remote);

    if (r == 0) {
        r = axi_startup_masters("master", daemon->options->master, daemon->options->allow_remote);
    }
    for (uint32_t i = 0; r == 0 && i < daemon->options->manager_count; i++) {
        r = axi_startup_address("manager", daemon->options->managers[i],
                                daemon->options->allow_remote);
    }
    if (r == 0) {
        r = open_files(daemon);
    }
    if (r == 0) {
        r = open_runtime(daemon);
    }
    if (r == 0) {
        r = open_loop(daemon);
    }
    if (r == 0 && daemon->options->notify != NULL) {
        r = axi_notify_open_sender(daemon->options->notify, daemon->options->allow_remote != 0,
                                   &daemon->notify_fd);
        r = r < 0 ? axi_startup_fail("notify", daemon->options->notify, r) : 0;
    }
    if (r == 0) {
        r = axi_node_clock_open(daemon);
    }
    return r < 0 ? r : open_agent(daemon);
}

static void close_all(struct axi_node_daemon *daemon)
{
    axi_runtime_free(daemon->runtime); /* NULL is fine */
    axi_images_free(daemon->images);
    free(daemon->agent);
    free(daemon->loads);
    if (daemon->notify_fd >= 0) {
        (void)close(daemon->notify_fd);
    }
}

int axi_node_daemon_run(const struct axi_node_options *options)
{
    struct axi_node_daemon daemon = {.options = options,
                                     .slots = (uint32_t)options->slots,
                                     .boot_id = axi_host_random(),
                                     .notify_fd = -1};

    (void)signal(SIGPIPE, SIG_IGN);
    if (start(&daemon) < 0) {
        close_all(&daemon);
        return 1;
    }
    axi_log(AXI_LOG_INFO, "node-ready",
            "name=%s id=%012" PRIx64 " listen=%s master=%s assurance=%" PRIu32, options->name,
            daemon.node_id, axi_listener_address(daemon.listener), options->master,
            axi_runtime_assurance(daemon.runtime));
    (void)uv_signal_start(&daemon.on_term, on_signal, SIGTERM);
    (void)uv_signal_start(&daemon.on_int, on_signal, SIGINT);
    (void)uv_poll_start(&daemon.events, UV_READABLE, on_events);
    on_tick(&daemon.tick);
    if (daemon.clock != NULL) {
        axi_clock_loop_start(daemon.clock);
    }
    axi_host_raise_priority();
    (void)uv_run(&daemon.loop, UV_RUN_DEFAULT);
    (void)uv_loop_close(&daemon.loop);
    close_all(&daemon);
    return 0;
}
