/* SPDX-License-Identifier: Apache-2.0 */
#include "os/node/node.h"

#include "base/log.h"
#include "os/board/board.h"
#include "os/kernel/console.h"
#include "os/kernel/kernel.h"
#include "os/kernel/memory.h"
#include "os/net/net.h"
#include "os/net/stream.h"
#include "os/node/channels.h"
#include "os/node/node_internal.h"
#include "os/task/monitor.h"

#include <string.h>

#define NS_PER_MS 1000000ull
#define TICK_NS_MAX (20 * NS_PER_MS)  /* records without a wake-up are drained so often */
#define IDLE_NS_MAX (200 * NS_PER_MS) /* no instance, no records */
#define DROPS_NS (5000 * NS_PER_MS)   /* between two lines about dropped frames */
#define DRAIN_NS                                                                                   \
    (1500 * NS_PER_MS) /* asked to end: what runs here may move away for so long ...               \
                        */
#define DRAIN_ASK_NS (500 * NS_PER_MS) /* ... and is asked to so often */
#define FLUSH_POLLS 20                 /* of the network, for the last words */
#define TRACES_AT_ONCE 32u
#define TRACES_KEPT 2048u /* until the master has written them into a history */
#define IMAGE_BYTES_MAX (4u << 20)
#define CHUNK_BYTES 8192u
#define AGENT_LINKS 6u    /* master and peers ... */
#define AGENT_MANAGERS 3u /* ... and those: fewer than streams, some of which are closing */
#define AGENT_MIGRATIONS 6u
#define AGENT_TRANSFERS 2u

static int complain(const struct axi_node *node, const char *what, const char *value, int error)
{
    axi_log(AXI_LOG_ERROR, "node-start", "name=%s what=%s value=%s error=%s text=\"%s\"",
            node->config->name, what, value, axi_error_name(error), axi_error_text(error));
    return error;
}

/* ---- what the streams say ---- */

static void on_up(void *context, uint32_t stream, bool incoming)
{
    axi_agent_link_up(((struct axi_node *)context)->agent, stream, incoming);
}

static void on_down(void *context, uint32_t stream, int error)
{
    axi_log(AXI_LOG_INFO, "link-down", "link=%u error=%s", stream, axi_error_name(error));
    axi_agent_link_down(((struct axi_node *)context)->agent, stream, error);
}

static void on_received(void *context, uint32_t stream, const uint8_t *bytes, size_t count)
{
    axi_agent_link_bytes(((struct axi_node *)context)->agent, stream, bytes, count);
}

static void on_writable(void *context, uint32_t stream)
{
    axi_agent_link_writable(((struct axi_node *)context)->agent, stream);
}

/* ---- start ---- */

int axi_node_new(const struct axi_boot_config *config, struct axi_runtime *runtime,
                 const char *reset_reason, struct axi_node **ret_node)
{
    struct axi_node *node = axi_pages_take(sizeof(*node));
    struct axi_node_load *loads = axi_pages_take(config->slots * sizeof(*loads));

    if (node == NULL || loads == NULL) {
        return -AXC_ENOMEM;
    }
    node->config = config;
    node->runtime = runtime;
    node->reset_reason = reset_reason;
    node->loads = loads;
    node->slots = config->slots;
    node->images.bytes_max = IMAGE_BYTES_MAX;
    *ret_node = node;
    return 0;
}

static void wake(void *context)
{
    axi_runtime_wake(((struct axi_node *)context)->runtime);
}

static int open_network(struct axi_node *node)
{
    uint32_t bad = 0;
    int r = axi_net_start(node->config, wake, node);

    if (r < 0) {
        return complain(node, "network", axi_board.name, r);
    }
    axi_node_clock_start(&node->clock, node->config);
    r = axi_channels_start(node->config, node->runtime, &bad);
    if (r < 0) {
        return complain(node, "channel", node->config->channels[bad].target, r);
    }
    return 0;
}

static uint64_t node_id(const struct axi_node *node)
{
    uint8_t mac[6];
    uint64_t id = 0;

    axi_net_mac(mac);
    for (size_t i = 0; i < sizeof(mac); i++) {
        id = id << 8 | mac[i];
    }
    return node->config->node_id != 0 ? node->config->node_id : id;
}

static const char *peer_address(struct axi_node *node)
{
    const struct axi_boot_config *config = node->config;
    uint8_t ip[4];

    if (config->advertise[0] != '\0' || config->peer_port == 0) {
        return config->advertise;
    }
    (void)axi_net_address(ip);
    (void)axi_format(node->address, sizeof(node->address), "%u.%u.%u.%u:%u", ip[0], ip[1], ip[2],
                     ip[3], config->peer_port);
    return node->address;
}

static int open_agent(struct axi_node *node)
{
    const struct axi_boot_config *config = node->config;
    struct axi_agent_port port;

    (void)axi_format(node->masters, sizeof(node->masters), "%s%s%s", config->master,
                     config->masters[0] != '\0' ? "," : "", config->masters);
    const struct axi_agent_config agent_config = {
        .master_address = node->masters,
        .token = config->token,
        .name = config->name,
        .version = AXI_VERSION,
        .address = peer_address(node),
        .reset_reason = node->reset_reason,
        .platforms = {axi_board.platform},
        .node_id = node_id(node),
        .boot_id = axi_net_random64(),
        .memory_bytes = axi_board.ram.bytes,
        .cores = 1,
        .services = AXC_SVC_LOG | AXC_SVC_TOPIC | AXC_SVC_IO,
        .assurance =
            axi_monitor_is_there() ? AXI_ASSURANCE_PARTITION : axi_runtime_assurance(node->runtime),
        .capacity_ppm = config->capacity_ppm,
        .server_budget_ns = config->server_budget_ns,
        .server_period_ns = config->server_period_ns,
        .slots = node->slots,
        .links = AGENT_LINKS,
        .managers_max = AGENT_MANAGERS,
        .migrations = AGENT_MIGRATIONS,
        .transfers = AGENT_TRANSFERS,
        .chunk_bytes = CHUNK_BYTES,
        .trace_records = TRACES_KEPT,
        .image_bytes_max = IMAGE_BYTES_MAX,
        .timebase = axi_runtime_timebase(node->runtime),
        .has_clock = config->clock == AXI_BOOT_CLOCK_PTP,
        .clock_bound_ns = config->clock_bound_ns,
        .latency_ns = config->latency_ns,
    };
    size_t bytes = axi_agent_bytes(&agent_config);
    void *memory = bytes > 0 ? axi_pages_take(bytes) : NULL;

    axi_node_fill_port(node, &port);
    node->agent = memory != NULL ? axi_agent_init(memory, &agent_config, &port) : NULL;
    if (node->agent == NULL) {
        return complain(node, "agent", config->name, -AXC_ENOMEM);
    }
    axi_log(AXI_LOG_INFO, "node-ready", "name=%s id=%012llx address=%s master=%s", config->name,
            (unsigned long long)agent_config.node_id, agent_config.address, config->master);
    return 0;
}

static int open_streams(struct axi_node *node)
{
    static struct axi_stream_handler handler = {
        .up = on_up, .down = on_down, .received = on_received, .writable = on_writable};

    handler.context = node;
    int r = axi_streams_start(&handler, node->config->peer_port);

    return r < 0 ? complain(node, "peer-port", node->config->name, r) : 0;
}

/* ---- the loop ---- */

static void drain_traces(struct axi_node *node)
{
    struct axi_trace records[TRACES_AT_ONCE];
    uint32_t count = 0;

    do {
        count = axi_runtime_drain(node->runtime, records, TRACES_AT_ONCE);
        for (uint32_t i = 0; i < count; i++) {
            axi_agent_trace(node->agent, &records[i]);
        }
    } while (count == TRACES_AT_ONCE);
}

/* Says on the console what the network dropped, when it did, now and then. */
static void report_drops(struct axi_node *node, uint64_t now_ns)
{
    struct axi_net_drops d;

    if (now_ns < node->drops_tell_ns) {
        return;
    }
    axi_net_drops(&d);
    uint64_t outputs = axi_runtime_outputs_lost(node->runtime);
    uint64_t sum = d.device + d.foreign + d.memory + d.malformed + d.unexpected + outputs;

    if (sum != node->drops_told) {
        node->drops_told = sum;
        node->drops_tell_ns = now_ns + DROPS_NS;
        axi_log(AXI_LOG_INFO, "frames-dropped",
                "device=%llu foreign=%llu memory=%llu malformed=%llu unexpected=%llu outputs=%llu",
                (unsigned long long)d.device, (unsigned long long)d.foreign,
                (unsigned long long)d.memory, (unsigned long long)d.malformed,
                (unsigned long long)d.unexpected, (unsigned long long)outputs);
    }
}

static void report_join(struct axi_node *node, const struct axi_agent_status *status)
{
    if (status->joined != node->is_joined) {
        node->is_joined = status->joined;
        axi_log(AXI_LOG_INFO, status->joined ? "node-joined" : "node-left", "name=%s master=%s",
                node->config->name, node->config->master);
    }
}

/* Master time follows the PTP slave. Returns the local time of its next timer. */
static uint64_t follow_clock(struct axi_node *node)
{
    struct axi_servo_estimate estimate;
    uint64_t next_ns = 0;
    uint32_t happened = axi_node_clock_poll(&node->clock, &next_ns);

    if (happened != 0) {
        const struct axc_time_local now = {.ns = axi_runtime_clock_ns()};

        axi_servo_estimate(&node->clock.slave.servo, now.ns, &estimate);
        axi_agent_clock(node->agent, now, &estimate, axi_node_clock_grandmaster(&node->clock),
                        happened);
        if ((happened & AXI_PTP_STATE_CHANGED) != 0) {
            axi_log(AXI_LOG_INFO, "clock-stamps", "used=%llu missing=%llu",
                    (unsigned long long)node->clock.slave.counters.syncs,
                    (unsigned long long)node->clock.unstamped);
        }
        if (node->clock.has_lines) {
            axi_servo_log(AXI_LOG_INFO, now.ns, &estimate);
        }
    }
    return next_ns;
}

/* The partition's monitor asks for an end: what runs here is moved away first, for as long as the
 * monitor may be expected to wait. */
static void end_orderly(struct axi_node *node, uint64_t now_ns)
{
    struct axi_agent_status status;

    if (!axi_monitor_beat()) {
        return;
    }
    if (node->drain_until_ns == 0) {
        axi_log(AXI_LOG_INFO, "node-stop", "name=%s reason=monitor", node->config->name);
        node->drain_until_ns = now_ns + DRAIN_NS;
    }
    axi_agent_get_status(node->agent, &status);
    if (status.instances > 0 && now_ns < node->drain_until_ns) {
        if (now_ns >= node->drain_ask_ns) {
            axi_agent_leave_tasks(node->agent, "the partition ends");
            node->drain_ask_ns = now_ns + DRAIN_ASK_NS;
        }
        return;
    }
    axi_agent_leave(node->agent, "the partition ends");
    for (int i = 0; i < FLUSH_POLLS; i++) {
        (void)axi_net_poll();
    }
    axi_monitor_set_exit_code(0);
    axi_machine_off(0);
}

/* One round; returns the local time of the next, 0: at once. */
static uint64_t turn(struct axi_node *node)
{
    struct axi_agent_status status;
    uint64_t net_ns = axi_net_poll();
    uint64_t clock_ns = follow_clock(node);

    axi_channels_poll();
    axi_runtime_housekeep(node->runtime);
    drain_traces(node);
    uint64_t now_ns = axi_runtime_clock_ns();
    uint64_t streams_ns = axi_streams_poll(now_ns);

    end_orderly(node, now_ns);
    axi_node_retry_loads(node, now_ns);
    uint64_t next_ns = axi_agent_tick(node->agent, now_ns);

    axi_agent_get_status(node->agent, &status);
    report_join(node, &status);
    report_drops(node, now_ns);
    uint64_t most_ns = now_ns + (status.instances > 0 ? TICK_NS_MAX : IDLE_NS_MAX);

    if (node->pending_loads > 0) {
        most_ns = now_ns + NS_PER_MS;
    }
    next_ns = next_ns < most_ns ? next_ns : most_ns;
    next_ns = next_ns < streams_ns ? next_ns : streams_ns;
    next_ns = next_ns < clock_ns ? next_ns : clock_ns;
    return next_ns < net_ns ? next_ns : net_ns;
}

static void wait_for_address(struct axi_node *node)
{
    uint8_t ip[4];

    for (;;) {
        uint64_t next_ns = axi_net_poll();

        if (axi_net_address(ip)) {
            return;
        }
        axi_runtime_wait(node->runtime, next_ns);
    }
}

void axi_node_main(void *argument)
{
    struct axi_node *node = argument;
    int r = 0;

    axi_monitor_open(node->config->host_channel);
    r = open_network(node);

    if (r == 0) {
        wait_for_address(node);
        r = open_agent(node);
    }
    if (r == 0) {
        r = open_streams(node);
    }
    for (;;) {
        axi_runtime_wait(node->runtime, r == 0 ? turn(node) : UINT64_MAX);
    }
}
