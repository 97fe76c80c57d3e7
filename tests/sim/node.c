/* SPDX-License-Identifier: Apache-2.0 */
/* A node daemon without Linux: the real agent and scheduler on a simulated machine. */
#include "cluster.h"
#include "core/sched_slot.h"

#include <stdlib.h>
#include <string.h>

enum { NODE_CAPACITY_PPM = 1000000 };

static void settle(struct sim_node *node);

static struct sim_clock *clock_of(struct sim_node *node)
{
    return &node->cluster->clock;
}

/* ---- the agent's port ---- */

static uint64_t port_now(void *context)
{
    return sim_machine_local_ns(&((struct sim_node *)context)->machine);
}

static uint64_t port_random(void *context)
{
    return sim_random(clock_of(context));
}

static const struct sim_endpoint_ops endpoint;

static int port_connect(void *context, const char *address, uint32_t *ret_link)
{
    struct sim_node *node = context;
    uint32_t host = node->cluster->current;

    if (address[0] == 'n') {
        host = SIM_NODE_HOST + (uint32_t)(address[1] - '0');
    }
    if (address[0] == 'c') {
        host = SIM_MANAGER_HOST + (uint32_t)(address[1] - '0');
    }
    if (host == SIM_NODE_HOST + node->machine.index) {
        return -AXC_EINVALID;
    }
    *ret_link = (uint32_t)sim_network_connect(
        node->cluster->network, SIM_NODE_HOST + node->machine.index, host, &endpoint, node);
    return 0;
}

static int port_send(void *context, uint32_t link, const uint8_t *frame, size_t bytes)
{
    struct sim_node *node = context;

    sim_network_send(node->cluster->network, SIM_NODE_HOST + node->machine.index, link, frame,
                     bytes);
    return 0;
}

static void writable(void *context, uint64_t link);

static size_t port_send_room(void *context, uint32_t link)
{
    struct sim_node *node = context;

    if (sim_chance(clock_of(node), 30000)) {
        sim_at(clock_of(node), clock_of(node)->now_ns + SIM_MS, writable, node, link);
        return 0;
    }
    return 1u << 20;
}

static void port_close(void *context, uint32_t link)
{
    struct sim_node *node = context;

    sim_network_close(node->cluster->network, SIM_NODE_HOST + node->machine.index, link);
}

static void free_slot(struct sim_node *node, uint32_t slot)
{
    free(node->slots[slot].memory);
    node->slots[slot].memory = NULL;
    node->slots[slot].is_loading = false;
}

/* A paused node gets to it when it goes on. */
static bool defer(struct sim_node *node, void (*what)(void *context, uint64_t argument),
                  uint64_t argument)
{
    if (node->is_paused) {
        sim_at(clock_of(node), clock_of(node)->now_ns + SIM_MS, what, node, argument);
    }
    return node->is_paused;
}

static void loaded(void *context, uint64_t argument)
{
    struct sim_node *node = context;
    uint32_t slot = (uint32_t)(argument % SIM_SLOTS);
    uint32_t image = (uint32_t)(argument / SIM_SLOTS % 64);
    struct axi_task_meta meta;
    struct axi_agent_loaded result = {.meta = &meta};

    if (node->agent == NULL || argument / SIM_SLOTS / 64 != node->machine.boot ||
        !node->slots[slot].is_loading || defer(node, loaded, argument)) {
        return;
    }
    node->slots[slot].is_loading = false;
    sim_image_meta(&node->cluster->images[image], &meta);
    result.state = node->machine.runners[slot].state;
    result.region = &node->slots[slot].region;
    if (setjmp(node->crash) != 0) {
        sim_node_crash(node, "crash point", 0);
        return;
    }
    node->is_in_agent = true;
    if (sim_chance(clock_of(node), node->machine.fault_ppm)) {
        free_slot(node, slot);
        axi_agent_loaded(node->agent, slot, -AXC_ENODE_NO_RUNNER, NULL);
    } else {
        axi_agent_loaded(node->agent, slot, 0, &result);
    }
    settle(node);
}

static int port_load(void *context, uint32_t slot, uint64_t epoch, const axi_TaskSpec *spec)
{
    struct sim_node *node = context;
    struct sim_runner *runner = &node->machine.runners[slot];
    size_t bytes = axi_region_bytes(3, SIM_STATE_BYTES);
    int image = sim_image_find(node->cluster, spec->elf_digest);

    (void)epoch;
    if (image < 0 || !node->has_image[image]) {
        return -AXC_ENOENT;
    }
    if (node->slots[slot].memory != NULL) {
        sim_log(node->cluster, node->name, "BUG: slot %u loaded twice", slot);
        return -AXC_EBUSY;
    }
    sim_workload_note_id(node->cluster, (uint32_t)image, spec->task_id);
    bytes = (bytes + 63) / 64 * 64;
    node->slots[slot].memory = aligned_alloc(64, bytes + 64);
    if (node->slots[slot].memory == NULL) {
        abort();
    }
    memset(node->slots[slot].memory, 0, bytes + 64);
    if (axi_region_init(&node->slots[slot].region, node->slots[slot].memory, bytes, 3,
                        SIM_STATE_BYTES) < 0) {
        abort();
    }
    runner->state = (struct sim_state *)((uint8_t *)node->slots[slot].memory + bytes);
    node->slots[slot].voter = sim_voter_find(node->cluster, spec->output_address);
    runner->task_id = spec->task_id;
    runner->salt = sim_image_salt(node->cluster, (uint32_t)image, spec->task_id);
    runner->is_mirrored = node->cluster->images[image].is_mirrored;
    runner->defect = node->cluster->images[image].defect;
    runner->wcet_ns = spec->wcet_ns;
    runner->is_busy = false;
    node->slots[slot].is_loading = true;
    sim_at(clock_of(node),
           clock_of(node)->now_ns + sim_between(clock_of(node), 100 * SIM_US, 3 * SIM_MS), loaded,
           node, (node->machine.boot * 64 + (uint64_t)image) * SIM_SLOTS + slot);
    return 0;
}

static void port_unload(void *context, uint32_t slot)
{
    free_slot(context, slot);
}

static void on_release_slot(void *context, uint32_t slot)
{
    free_slot(context, slot);
}

static bool port_post(void *context, const struct axi_sched_command *command)
{
    struct sim_node *node = context;
    struct axi_sched_command given = *command;
    bool is_taken = false;

    if (node->cluster->options.disable_grid && given.op == AXI_SCHED_ACTIVATE &&
        given.config.epoch > 1) {
        given.config.release_ns += SIM_MS;
    }
    is_taken = axi_sched_post(node->machine.sched, &given);

    sim_machine_wake(&node->machine);
    return is_taken;
}

static void port_view(void *context, uint32_t slot, struct axi_slot_view *ret_view)
{
    axi_sched_view(((struct sim_node *)context)->machine.sched, slot, ret_view);
}

static void port_hists(void *context, uint32_t slot, struct axi_hist *ret_response,
                       struct axi_hist *ret_exec)
{
    axi_sched_hists(((struct sim_node *)context)->machine.sched, slot, ret_response, ret_exec);
}

static void port_set_lease(void *context, uint64_t until_local_ns)
{
    struct sim_node *node = context;

    if (node->cluster->options.disable_lapse) { /* the new end alone, whatever became of the old */
        atomic_store(&node->machine.sched->lease_until_ns, until_local_ns);
        sim_machine_wake(&node->machine);
        return;
    }
    axi_sched_set_lease(node->machine.sched,
                        node->cluster->options.disable_fence ? UINT64_MAX : until_local_ns);
    sim_machine_wake(&node->machine);
}

static void port_figures(void *context, struct axi_agent_figures *ret_figures)
{
    (void)context;
    *ret_figures = (struct axi_agent_figures){.memory_free_bytes = 1u << 30};
}

static size_t port_log_drain(void *context, uint64_t *ret_task_id, uint64_t *ret_epoch,
                             char *buffer, size_t capacity)
{
    (void)context;
    (void)ret_task_id;
    (void)ret_epoch;
    (void)buffer;
    (void)capacity;
    return 0;
}

static void port_crash_point(void *context, uint32_t id)
{
    struct sim_node *node = context;

    if (id != node->crash_at || node->crash_skip-- > 0 || !node->is_in_agent) {
        return;
    }
    sim_log(node->cluster, node->name, "crash point %s", axi_agent_crash_points[id]);
    node->crash_at = UINT32_MAX;
    node->cluster->counts.crash_points++;
    longjmp(node->crash, 1);
}

/* ---- what happens to the agent ---- */

enum happening { LINK_UP, LINK_DOWN, LINK_BYTES, LINK_WRITABLE, TRACE, TICK, CLOCK, PEER_UP };

static void feed_traces(struct sim_node *node)
{
    while (node->machine.seen_count < node->machine.trace_count) {
        struct axi_trace record = node->machine.traces[node->machine.seen_count++];

        axi_agent_trace(node->agent, &record);
    }
}

/* Every call into the agent: it may die inside, then the whole node does. */
static void happen(struct sim_node *node, enum happening what, uint64_t link, const uint8_t *bytes,
                   size_t count)
{
    if (node->agent == NULL) {
        return;
    }
    if (setjmp(node->crash) != 0) {
        sim_node_crash(node, "crash point", 0);
        return;
    }
    node->is_in_agent = true;
    switch (what) {
    case LINK_UP:
        axi_agent_link_up(node->agent, (uint32_t)link, false);
        break;
    case PEER_UP:
        axi_agent_link_up(node->agent, (uint32_t)link, true);
        break;
    case LINK_DOWN:
        axi_agent_link_down(node->agent, (uint32_t)link, -AXC_EUNAVAILABLE);
        break;
    case LINK_BYTES:
        axi_agent_link_bytes(node->agent, (uint32_t)link, bytes, count);
        break;
    case LINK_WRITABLE:
        axi_agent_link_writable(node->agent, (uint32_t)link);
        break;
    case TRACE:
        feed_traces(node);
        break;
    case CLOCK:
        sim_ptp_run(node);
        break;
    case TICK:
        break;
    }
    settle(node);
}

static void writable(void *context, uint64_t link)
{
    if (defer(context, writable, link)) {
        return;
    }
    happen(context, LINK_WRITABLE, link, NULL, 0);
}

static void opened(void *context, uint64_t connection)
{
    happen(context, LINK_UP, connection, NULL, 0);
}

static void received(void *context, uint64_t connection, const uint8_t *bytes, size_t count)
{
    happen(context, LINK_BYTES, connection, bytes, count);
}

static void closed(void *context, uint64_t connection)
{
    happen(context, LINK_DOWN, connection, NULL, 0);
}

static const struct sim_endpoint_ops endpoint = {opened, received, closed};

static void *accept_link(void *context, uint64_t connection, uint32_t from_host)
{
    struct sim_node *node = context;

    (void)from_host;
    happen(node, PEER_UP, connection, NULL, 0);
    return node->agent == NULL ? NULL : node;
}

static void tick(void *context, uint64_t generation)
{
    struct sim_node *node = context;

    if (node->tick_generation == generation && !defer(node, tick, generation)) {
        happen(node, TICK, 0, NULL, 0);
    }
}

/* Ticks the agent and plans its next tick. Inside a setjmp of the caller. */
static void settle(struct sim_node *node)
{
    uint64_t now = sim_machine_local_ns(&node->machine);
    uint64_t next = axi_agent_tick(node->agent, now);

    node->is_in_agent = false;
    next = next > now ? next : now + 10 * SIM_US;
    next = next > now + SIM_S ? now + SIM_S : next;
    node->tick_generation++;
    sim_at(clock_of(node), sim_machine_true_at(&node->machine, next), tick, node,
           node->tick_generation);
}

static void drain(void *context, uint64_t boot)
{
    struct sim_node *node = context;

    if (node->machine.boot == boot && node->agent != NULL && !defer(node, drain, boot)) {
        node->is_trace_queued = false;
        happen(node, TRACE, 0, NULL, 0);
    }
}

static void on_trace(void *context, const struct axi_trace *record)
{
    struct sim_node *node = context;

    if (record->kind != AXI_TRACE_RELEASED && record->kind != AXI_TRACE_COMPLETED) {
        sim_log(node->cluster, node->name, "%s task %llx epoch %llu job %llu %s",
                axi_trace_kind_name(record->kind), (unsigned long long)record->task_id,
                (unsigned long long)record->epoch, (unsigned long long)record->job,
                record->cause != 0 ? axi_cause_name(record->cause) : "");
    }
    if (record->kind == AXI_TRACE_ACTIVATED && node->cluster->options.has_services) {
        sim_services_activated(node, record->task_id, record->epoch == 1);
    }
    sim_consumer_output(&node->cluster->consumer, record);
    if (!node->is_trace_queued) {
        node->is_trace_queued = true;
        sim_at(clock_of(node),
               clock_of(node)->now_ns + sim_between(clock_of(node), 20 * SIM_US, SIM_MS), drain,
               node, node->machine.boot);
    }
}

static void on_output(void *context, uint32_t slot)
{
    sim_voter_output(context, slot);
}

static void run_ptp(void *context, uint64_t boot)
{
    struct sim_node *node = context;

    if (node->machine.boot == boot && node->agent != NULL && !defer(node, run_ptp, boot)) {
        happen(node, CLOCK, 0, NULL, 0);
        sim_at(clock_of(node), clock_of(node)->now_ns + 125 * SIM_MS, run_ptp, node, boot);
    }
}

/* ---- life of the node ---- */

static struct axi_agent_config make_config(struct sim_node *node)
{
    struct axi_agent_config config = {
        .master_address = "master",
        .token = "",
        .name = node->name,
        .version = "sim",
        .address = node->address,
        .node_id = 0x020000000001u + node->machine.index,
        .boot_id = sim_random(clock_of(node)) | 1,
        .memory_bytes = 1u << 30,
        .cores = 1,
        .frequency_mhz = 1000,
        .services = 7,
        .assurance = 1,
        .capacity_ppm = NODE_CAPACITY_PPM,
        .slots = SIM_SLOTS,
        .chunk_bytes = 4096,
        .checkpoint_bytes_max = 4096,
        .timebase = &node->machine.timebase,
        .has_clock = node->ptp.is_used,
        .skip_epoch_check = node->cluster->options.disable_epoch,
    };

    config.platforms[0] = node->platform;
    if (node->cluster->options.disable_admission) {
        config.capacity_ppm = 4 * NODE_CAPACITY_PPM;
    }
    return config;
}

void sim_node_boot(struct sim_node *node)
{
    struct axi_agent_port port = {
        .context = node,
        .now_ns = port_now,
        .random64 = port_random,
        .connect = port_connect,
        .send = port_send,
        .send_room = port_send_room,
        .close = port_close,
        .load = port_load,
        .unload = port_unload,
        .post = port_post,
        .view = port_view,
        .hists = port_hists,
        .set_lease = port_set_lease,
        .figures = port_figures,
        .log_drain = port_log_drain,
        .crash_point = port_crash_point,
    };
    struct axi_agent_config config;

    sim_node_image_port(&port);
    sim_machine_boot(&node->machine);
    config = make_config(node);
    node->agent_memory = aligned_alloc(64, (axi_agent_bytes(&config) + 63) / 64 * 64);
    node->agent =
        node->agent_memory == NULL ? NULL : axi_agent_init(node->agent_memory, &config, &port);
    if (node->agent == NULL) {
        abort();
    }
    node->is_trace_queued = false;
    sim_log(node->cluster, node->name, "boot %llu", (unsigned long long)node->machine.boot);
    sim_network_listen(node->cluster->network, SIM_NODE_HOST + node->machine.index, &endpoint,
                       accept_link, node);
    happen(node, TICK, 0, NULL, 0);
    if (node->ptp.is_used) {
        sim_ptp_boot(node);
        run_ptp(node, node->machine.boot);
    }
}

static void boot_again(void *context, uint64_t boot)
{
    struct sim_node *node = context;

    if (node->agent == NULL && node->machine.boot == boot) {
        sim_node_boot(node);
    }
}

static void drop_memory(struct sim_node *node)
{
    free(node->agent_memory);
    node->agent_memory = NULL;
    node->agent = NULL;
    free(node->upload);
    node->upload = NULL;
    for (uint32_t i = 0; i < SIM_SLOTS; i++) {
        free_slot(node, i);
    }
}

/* away_ns 0: a time drawn by chance. */
void sim_node_crash(struct sim_node *node, const char *why, uint64_t away_ns)
{
    struct sim_clock *clock = clock_of(node);

    if (node->agent == NULL) {
        return;
    }
    sim_log(node->cluster, node->name, "dies: %s", why);
    node->cluster->counts.node_crashes++;
    node->troubled_ns = clock->now_ns;
    node->crashes++;
    node->is_in_agent = false;
    node->is_paused = false;
    sim_network_pause_host(node->cluster->network, SIM_NODE_HOST + node->machine.index, false);
    drop_memory(node);
    sim_machine_crash(&node->machine);
    sim_network_kill_host(node->cluster->network, SIM_NODE_HOST + node->machine.index);
    if (away_ns == 0) {
        away_ns = sim_chance(clock, 500000) ? sim_between(clock, 5 * SIM_MS, 300 * SIM_MS)
                                            : sim_between(clock, 300 * SIM_MS, 3 * SIM_S);
    }
    sim_at(clock, clock->now_ns + away_ns, boot_again, node, node->machine.boot);
}

static void end_starving(void *context, uint64_t boot)
{
    struct sim_node *node = context;

    if (node->machine.boot == boot && !node->is_paused) {
        sim_machine_pause(&node->machine, false);
    }
}

void sim_node_pause(struct sim_node *node)
{
    if (node->agent != NULL && !node->is_paused) {
        sim_log(node->cluster, node->name, "is paused");
        node->troubled_ns = clock_of(node)->now_ns;
        node->is_paused = true;
        sim_machine_pause(&node->machine, true);
        sim_network_pause_host(node->cluster->network, SIM_NODE_HOST + node->machine.index, true);
    }
}

void sim_node_unpause(struct sim_node *node, uint64_t starved_ns)
{
    if (node->is_paused) {
        sim_log(node->cluster, node->name, "goes on, its scheduler %llu us later",
                (unsigned long long)(starved_ns / SIM_US));
        node->is_paused = false;
        node->troubled_ns = clock_of(node)->now_ns;
        sim_network_pause_host(node->cluster->network, SIM_NODE_HOST + node->machine.index, false);
        sim_at(clock_of(node), clock_of(node)->now_ns + starved_ns, end_starving, node,
               node->machine.boot);
    }
}

void sim_node_init(struct sim_cluster *cluster, uint32_t index)
{
    static const char *const platforms[] = {"linux-x86_64", "linux-aarch64", "axcan-virt"};
    struct sim_node *node = &cluster->nodes[index];

    node->cluster = cluster;
    (void)snprintf(node->name, sizeof node->name, "n%u", index);
    (void)snprintf(node->address, sizeof node->address, "n%u", index);
    node->crash_at = UINT32_MAX;
    node->platform = cluster->options.has_services ? platforms[index % 3] : platforms[0];
    sim_machine_init(&node->machine, &cluster->clock, index, node->name);
    sim_ptp_init(node);
    node->machine.release_slot = on_release_slot;
    node->machine.on_trace = on_trace;
    node->machine.on_output = on_output;
    node->machine.context = node;
}

void sim_node_deinit(struct sim_node *node)
{
    drop_memory(node);
    sim_machine_deinit(&node->machine);
}
