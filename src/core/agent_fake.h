/* SPDX-License-Identifier: Apache-2.0 */
/* A node around a real agent, with a fake runtime: the port of the agent's tests. */
#ifndef AXI_CORE_AGENT_FAKE_H
#define AXI_CORE_AGENT_FAKE_H

#include "core/agent.h"
#include "core/region.h"

#include "support/test.h"

#include <stdlib.h>
#include <string.h>

#define FAKE_SLOTS 4u
#define FAKE_STATE_BYTES 64u
#define FAKE_FRAMES 512u
#define FAKE_IMAGE_BYTES 100000u
#define FAKE_TRACES 100u /* kept for a master that asks for them */
#define FAKE_NONE UINT32_MAX
#define MS UINT64_C(1000000)

struct fake_frame {
    uint32_t type;
    union axi_wire_message m;
    size_t tail_bytes;
    uint8_t tail[AXI_WIRE_TAIL_BYTES_MAX];
};

struct fake_slot {
    bool is_loaded;
    struct axi_instance_config config;
    struct axi_slot_view view;
    struct axi_region region;
    _Alignas(64) uint8_t region_memory[2048];
    uint8_t state[FAKE_STATE_BYTES];
};

/* A direct connection: bytes on their way to the other end. */
struct fake_pipe {
    bool is_used, is_closed;
    uint32_t to_link;
    size_t bytes;
    uint8_t data[400000];
};

#define FAKE_MANAGERS 2u
#define FAKE_MANAGER_FRAMES 256u

/* What a checkpoint manager ("cms0", "cms1") got on the node's link to it. */
struct fake_manager {
    uint32_t link, connects;
    bool is_closed, is_refusing;
    struct axi_wire_parser parser;
    uint8_t parser_buffer[AXI_WIRE_FRAME_BYTES_MAX];
    struct fake_frame *frames;
    uint32_t count, next;
    size_t room;
};

struct fake_node {
    struct axi_agent *agent;
    void *memory;
    struct axi_timebase timebase;
    uint64_t now_ns;
    struct fake_node *peer; /* whom connect("peer") reaches */

    uint32_t next_link, master_link, peer_link;
    bool is_master_closed;
    uint32_t connects;
    struct fake_pipe out; /* towards peer */
    struct axi_wire_parser parser;
    uint8_t parser_buffer[AXI_WIRE_FRAME_BYTES_MAX];
    struct fake_frame *frames; /* what the master got */
    uint32_t frame_count, frame_next;
    struct fake_manager managers[FAKE_MANAGERS];
    struct axi_wire_parser datagram_parser;
    struct fake_frame *datagrams;
    uint32_t datagram_count;

    bool has_image;
    uint8_t image[FAKE_IMAGE_BYTES], incoming[FAKE_IMAGE_BYTES];
    uint32_t commits, aborts, unloads;
    struct fake_slot slots[FAKE_SLOTS];
    struct axi_trace traces[128];
    uint32_t trace_count;
    struct axi_task_meta meta;
    int load_error;
    bool is_load_slow, is_post_refused, is_trace_lost;
    size_t room;
    uint64_t lease_ns;
    uint64_t memory_free;
    uint32_t cpu_load_ppm;
    uint32_t crash_ids[256];
    uint32_t crash_count;
};

static const uint8_t fake_digest[32] = {1, 2, 3, 4};

static uint64_t fake_now(void *context)
{
    return ((struct fake_node *)context)->now_ns;
}

static uint64_t fake_random(void *context)
{
    (void)context;
    return 4;
}

static int fake_connect(void *context, const char *address, uint32_t *ret_link)
{
    struct fake_node *node = context;

    *ret_link = node->next_link++;
    node->connects++;
    if (strcmp(address, "master") == 0) {
        node->master_link = *ret_link;
        node->is_master_closed = false;
        axi_wire_parser_init(&node->parser, node->parser_buffer, sizeof(node->parser_buffer));
        return 0;
    }
    if (strncmp(address, "cms", 3) == 0) {
        struct fake_manager *manager = &node->managers[address[3] - '0'];

        manager->link = *ret_link;
        manager->is_closed = false;
        manager->connects++;
        axi_wire_parser_init(&manager->parser, manager->parser_buffer,
                             sizeof(manager->parser_buffer));
        return manager->is_refusing ? -AXC_EUNAVAILABLE : 0;
    }
    if (strcmp(address, "peer") != 0) {
        return -AXC_EINVALID;
    }
    node->peer_link = *ret_link;
    return 0;
}

/* Keeps one whole frame that the agent sent. */
static inline void fake_keep(struct axi_wire_parser *parser, struct fake_frame *kept,
                             const uint8_t *frame, size_t bytes)
{
    struct axi_wire_frame parsed;

    assert_int_equal(axi_wire_feed(parser, &frame, &bytes, &parsed), 1);
    assert_int_equal(bytes, 0);
    kept->type = parsed.type;
    kept->tail_bytes = parsed.tail_bytes;
    memcpy(kept->tail, parsed.tail, parsed.tail_bytes);
    assert_int_equal(axi_wire_decode(&parsed, &kept->m), 0);
}

static inline struct fake_manager *fake_manager_of(struct fake_node *node, uint32_t link)
{
    for (uint32_t i = 0; i < FAKE_MANAGERS; i++) {
        if (node->managers[i].link == link && !node->managers[i].is_closed) {
            return &node->managers[i];
        }
    }
    return NULL;
}

static int fake_send(void *context, uint32_t link, const uint8_t *frame, size_t bytes)
{
    struct fake_node *node = context;
    struct fake_manager *manager = fake_manager_of(node, link);

    if (link == node->peer_link && node->out.is_used) {
        assert_true(node->out.bytes + bytes <= sizeof(node->out.data));
        memcpy(node->out.data + node->out.bytes, frame, bytes);
        node->out.bytes += bytes;
        return 0;
    }
    if (manager != NULL) {
        assert_true(manager->count < FAKE_MANAGER_FRAMES);
        fake_keep(&manager->parser, &manager->frames[manager->count++], frame, bytes);
        return 0;
    }
    if (link != node->master_link) {
        return -AXC_EUNAVAILABLE;
    }
    assert_true(node->frame_count < FAKE_FRAMES);
    fake_keep(&node->parser, &node->frames[node->frame_count++], frame, bytes);
    return 0;
}

static size_t fake_room(void *context, uint32_t link)
{
    const struct fake_manager *manager = fake_manager_of(context, link);

    return manager != NULL ? manager->room : ((struct fake_node *)context)->room;
}

static void fake_close(void *context, uint32_t link)
{
    struct fake_node *node = context;
    struct fake_manager *manager = fake_manager_of(node, link);

    if (manager != NULL) {
        manager->is_closed = true;
    } else if (link == node->master_link) {
        node->is_master_closed = true;
    } else if (link == node->peer_link) {
        node->out.is_closed = true;
    }
}

static bool fake_image_has(void *context, const uint8_t *digest, uint64_t *ret_bytes)
{
    struct fake_node *node = context;

    *ret_bytes = FAKE_IMAGE_BYTES;
    return node->has_image && memcmp(digest, fake_digest, 32) == 0;
}

static int fake_image_read(void *context, const uint8_t *digest, uint64_t offset, void *buffer,
                           size_t bytes)
{
    struct fake_node *node = context;

    (void)digest;
    memcpy(buffer, node->image + offset, bytes);
    return 0;
}

static int fake_image_open(void *context, const uint8_t *digest, uint64_t bytes,
                           uint32_t *ret_handle)
{
    (void)context;
    (void)digest;
    assert_true(bytes <= FAKE_IMAGE_BYTES);
    *ret_handle = 5;
    return 0;
}

static int fake_image_write(void *context, uint32_t handle, uint64_t offset, const void *data,
                            size_t bytes)
{
    struct fake_node *node = context;

    assert_int_equal(handle, 5);
    assert_true(offset + bytes <= FAKE_IMAGE_BYTES);
    memcpy(node->incoming + offset, data, bytes);
    return 0;
}

/* The fake digest is that of the image whose bytes count up. */
static int fake_image_commit(void *context, uint32_t handle)
{
    struct fake_node *node = context;

    (void)handle;
    node->commits++;
    for (size_t i = 0; i < FAKE_IMAGE_BYTES; i++) {
        if (node->incoming[i] != (uint8_t)(i * 7)) {
            return -AXC_EIMAGE_DIGEST;
        }
    }
    memcpy(node->image, node->incoming, FAKE_IMAGE_BYTES);
    node->has_image = true;
    return 0;
}

static void fake_image_abort(void *context, uint32_t handle)
{
    (void)handle;
    ((struct fake_node *)context)->aborts++;
}

static inline void fake_loaded(struct fake_node *node, uint32_t slot)
{
    struct fake_slot *s = &node->slots[slot];
    struct axi_agent_loaded loaded = {.meta = &node->meta,
                                      .state = s->state,
                                      .region = &s->region,
                                      .region_offset = (slot + 1) * UINT64_C(4096)};

    assert_int_equal(axi_region_init(&s->region, s->region_memory, sizeof(s->region_memory), 2,
                                     FAKE_STATE_BYTES),
                     0);
    s->is_loaded = true;
    axi_agent_loaded(node->agent, slot, 0, &loaded);
}

static int fake_load(void *context, uint32_t slot, uint64_t epoch, const axi_TaskSpec *spec)
{
    struct fake_node *node = context;

    (void)epoch;
    (void)spec;
    assert_true(node->has_image);
    assert_false(node->slots[slot].is_loaded);
    if (node->load_error != 0) {
        return node->load_error;
    }
    if (!node->is_load_slow) {
        fake_loaded(node, slot);
    }
    return 0;
}

static void fake_unload(void *context, uint32_t slot)
{
    struct fake_node *node = context;

    assert_true(node->slots[slot].is_loaded);
    node->slots[slot].is_loaded = false;
    node->unloads++;
}

static inline void fake_trace(struct fake_node *node, uint32_t slot, uint8_t kind)
{
    const struct fake_slot *s = &node->slots[slot];

    if (node->is_trace_lost) {
        return;
    }
    assert_true(node->trace_count < 128);
    node->traces[node->trace_count++] = (struct axi_trace){.master_ns = node->now_ns,
                                                           .task_id = s->view.task_id,
                                                           .epoch = s->view.epoch,
                                                           .job = s->view.next_job,
                                                           .slot = (uint16_t)slot,
                                                           .kind = kind};
}

/* What the scheduler stores after each job. */
static void fake_checkpoint(struct fake_slot *s)
{
    struct axi_checkpoint header = {.task_id = s->config.task_id,
                                    .epoch = s->config.epoch,
                                    .job = s->view.next_job,
                                    .state_version = s->config.state_version,
                                    .state_bytes = FAKE_STATE_BYTES};

    memcpy(header.schema_hash, s->config.schema_hash, 32);
    assert_int_equal(axi_region_write(&s->region, &header, s->state), 0);
}

static void fake_activate(struct fake_node *node, uint32_t slot,
                          const struct axi_instance_config *config)
{
    struct fake_slot *s = &node->slots[slot];
    uint8_t copy[256];
    size_t bytes = 0;

    assert_int_equal(s->view.state, AXI_SLOT_STANDBY);
    s->config = *config;
    s->view.state = AXI_SLOT_ACTIVE;
    s->view.epoch = config->epoch;
    s->view.next_job = config->first_job;
    memset(s->state, 0, sizeof(s->state));
    if (axi_region_newest(&s->region, copy, sizeof(copy), &bytes) == 0) {
        memcpy(s->state, copy + AXI_CHECKPOINT_HEADER_BYTES, sizeof(s->state));
    }
    fake_checkpoint(s);
    fake_trace(node, slot, AXI_TRACE_ACTIVATED);
}

static bool fake_post(void *context, const struct axi_sched_command *command)
{
    struct fake_node *node = context;
    struct fake_slot *s = &node->slots[command->slot];

    if (node->is_post_refused) {
        return false;
    }
    switch (command->op) {
    case AXI_SCHED_INSTALL:
        assert_int_equal(s->view.state, AXI_SLOT_FREE);
        s->config = command->config;
        s->view = (struct axi_slot_view){.state = AXI_SLOT_STANDBY,
                                         .task_id = s->config.task_id,
                                         .epoch = s->config.epoch,
                                         .output_from = s->config.output_from,
                                         .output_until = s->config.output_until};
        fake_trace(node, command->slot, AXI_TRACE_INSTALLED);
        break;
    case AXI_SCHED_ACTIVATE:
        fake_activate(node, command->slot, &command->config);
        break;
    case AXI_SCHED_FREEZE:
        if (s->view.state == AXI_SLOT_ACTIVE || s->view.state == AXI_SLOT_FENCED) {
            s->view.state = AXI_SLOT_FROZEN;
            fake_trace(node, command->slot, AXI_TRACE_FROZEN);
        }
        break;
    case AXI_SCHED_RESUME:
        if (s->view.state == AXI_SLOT_FROZEN || s->view.state == AXI_SLOT_FENCED) {
            s->view.state = AXI_SLOT_ACTIVE;
            fake_trace(node, command->slot, AXI_TRACE_RESUMED);
        }
        break;
    case AXI_SCHED_OUTPUT:
        s->view.output_from = command->config.output_from;
        s->view.output_until = command->config.output_until;
        break;
    default:
        s->view.state = AXI_SLOT_FREE;
        fake_trace(node, command->slot, AXI_TRACE_REMOVED);
        s->is_loaded = false;
        break;
    }
    return true;
}

static void fake_view(void *context, uint32_t slot, struct axi_slot_view *ret_view)
{
    *ret_view = ((struct fake_node *)context)->slots[slot].view;
}

static void fake_hists(void *context, uint32_t slot, struct axi_hist *ret_response,
                       struct axi_hist *ret_exec)
{
    (void)context;
    (void)slot;
    axi_hist_init(ret_response);
    axi_hist_init(ret_exec);
    axi_hist_add(ret_exec, 1000);
    axi_hist_add(ret_response, 1);
    axi_hist_add(ret_response, 1100); /* 2^10 and above */
    axi_hist_add(ret_response, 2047);
}

static void fake_set_lease(void *context, uint64_t until_ns)
{
    ((struct fake_node *)context)->lease_ns = until_ns;
}

static void fake_figures(void *context, struct axi_agent_figures *ret_figures)
{
    ret_figures->cpu_load_ppm = ((struct fake_node *)context)->cpu_load_ppm;
    ret_figures->memory_free_bytes = ((struct fake_node *)context)->memory_free;
}

static size_t fake_log_drain(void *context, uint64_t *ret_task_id, uint64_t *ret_epoch,
                             char *buffer, size_t capacity)
{
    (void)context;
    (void)ret_task_id;
    (void)ret_epoch;
    (void)buffer;
    (void)capacity;
    return 0;
}

static void fake_crash_point(void *context, uint32_t id)
{
    struct fake_node *node = context;

    assert_true(id < axi_agent_crash_point_count);
    node->crash_ids[node->crash_count++ % 256] = id;
}

static const struct axi_agent_port fake_port = {
    .now_ns = fake_now,
    .random64 = fake_random,
    .connect = fake_connect,
    .send = fake_send,
    .send_room = fake_room,
    .close = fake_close,
    .image_has = fake_image_has,
    .image_read = fake_image_read,
    .image_open = fake_image_open,
    .image_write = fake_image_write,
    .image_commit = fake_image_commit,
    .image_abort = fake_image_abort,
    .load = fake_load,
    .unload = fake_unload,
    .post = fake_post,
    .view = fake_view,
    .hists = fake_hists,
    .set_lease = fake_set_lease,
    .figures = fake_figures,
    .log_drain = fake_log_drain,
    .crash_point = fake_crash_point,
};

static inline struct axi_agent_config fake_config(struct fake_node *node, uint64_t node_id)
{
    return (struct axi_agent_config){
        .master_address = "master",
        .token = "secret",
        .name = "n",
        .version = "1",
        .address = "peer",
        .platforms = {"linux-x86_64"},
        .node_id = node_id,
        .boot_id = 1,
        .services = 7,
        .capacity_ppm = 900000,
        .slots = FAKE_SLOTS,
        .trace_records = FAKE_TRACES,
        .timebase = &node->timebase,
        .machine_id = 99,
        .region_path = "/proc/1/fd/5",
        .offload_ppm = 900000,
    };
}

/* What went to the group of managers. */
static void fake_notify(void *context, const uint8_t *frame, size_t bytes)
{
    struct fake_node *node = context;

    assert_true(bytes <= AXI_AGENT_NOTIFY_BYTES);
    assert_true(node->datagram_count < 64);
    axi_wire_parser_init(&node->datagram_parser, node->parser_buffer, sizeof(node->parser_buffer));
    fake_keep(&node->datagram_parser, &node->datagrams[node->datagram_count++], frame, bytes);
}

static inline struct fake_node *fake_make(uint64_t node_id, bool is_notifying)
{
    struct fake_node *node = aligned_alloc(64, sizeof(*node)); /* regions want their alignment */
    struct axi_agent_config config = fake_config(node, node_id);
    struct axi_agent_port port = fake_port;
    size_t bytes = axi_agent_bytes(&config);

    memset(node, 0, sizeof(*node));
    port.context = node;
    port.notify = is_notifying ? fake_notify : NULL;
    node->datagrams = calloc(64, sizeof(*node->datagrams));
    node->frames = calloc(FAKE_FRAMES, sizeof(*node->frames));
    for (uint32_t i = 0; i < FAKE_MANAGERS; i++) {
        node->managers[i] = (struct fake_manager){.link = FAKE_NONE, .room = 1000000};
        node->managers[i].frames = calloc(FAKE_MANAGER_FRAMES, sizeof(struct fake_frame));
    }
    node->memory = aligned_alloc(64, bytes);
    node->next_link = 1;
    node->peer_link = FAKE_NONE;
    node->master_link = FAKE_NONE;
    node->now_ns = 1000 * MS;
    node->room = 1000000;
    node->memory_free = UINT64_C(1) << 30;
    node->cpu_load_ppm = 12;
    node->meta.state_bytes = FAKE_STATE_BYTES;
    node->meta.state_version = 1;
    for (size_t i = 0; i < FAKE_IMAGE_BYTES; i++) {
        node->image[i] = (uint8_t)(i * 7);
    }
    axi_timebase_init(&node->timebase);
    node->agent = axi_agent_init(node->memory, &config, &port);
    assert_non_null(node->agent);
    return node;
}

static inline struct fake_node *fake_new(uint64_t node_id)
{
    return fake_make(node_id, false);
}

static inline void fake_free(struct fake_node *node)
{
    free(node->memory);
    for (uint32_t i = 0; i < FAKE_MANAGERS; i++) {
        free(node->managers[i].frames);
    }
    free(node->datagrams);
    free(node->frames);
    free(node);
}

#endif
