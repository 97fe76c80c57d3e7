/* SPDX-License-Identifier: Apache-2.0 */
/* agents_load MASTER[,MASTER...] TOKEN_FILE COUNT: COUNT nodes at rest in one process: the real
 * agent core on real sockets, without tasks. Prints "joined" once all are; ends with its standard
 * input. */
#include "core/agent.h"
#include "net/host.h"
#include "net/stream.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINKS 4u
#define CONNECT_MS 2000u
#define NODES_MAX 1000u

struct load_node;

struct load_link {
    struct load_node *node;
    struct axi_stream *stream;
    uint32_t number;
};

struct load_node {
    uv_loop_t *loop;
    uv_timer_t tick;
    struct axi_agent *agent;
    struct axi_timebase timebase;
    struct load_link links[LINKS];
    char name[16];
};

static uint64_t now_ns(void *context)
{
    (void)context;
    return axi_host_clock_ns(CLOCK_BOOTTIME);
}

static uint64_t random64(void *context)
{
    (void)context;
    return axi_host_random();
}

/* ---- the loop ---- */

static void on_tick(uv_timer_t *timer)
{
    struct load_node *node = timer->data;
    uint64_t next = axi_agent_tick(node->agent, now_ns(NULL));
    uint64_t now = now_ns(NULL);

    next = next < now ? now : next;
    (void)uv_timer_start(timer, on_tick,
                         next - now > 1000000000u ? 1000 : (next - now + 999999) / 1000000, 0);
}

static void poke(struct load_node *node)
{
    (void)uv_timer_start(&node->tick, on_tick, 0, 0);
}

/* ---- links ---- */

static void on_connected(void *context, struct axi_stream *stream)
{
    struct load_link *link = context;

    (void)stream;
    axi_agent_link_up(link->node->agent, link->number, false);
    poke(link->node);
}

static void on_received(void *context, struct axi_stream *stream, const uint8_t *bytes,
                        size_t count)
{
    struct load_link *link = context;

    (void)stream;
    axi_agent_link_bytes(link->node->agent, link->number, bytes, count);
    poke(link->node);
}

static void on_closed(void *context, struct axi_stream *stream, int error)
{
    struct load_link *link = context;

    (void)stream;
    link->stream = NULL;
    axi_agent_link_down(link->node->agent, link->number, error);
    poke(link->node);
}

static const struct axi_stream_handler handler = {
    .connected = on_connected, .received = on_received, .closed = on_closed};

static int link_connect(void *context, const char *address, uint32_t *ret_link)
{
    struct load_node *node = context;

    for (uint32_t i = 0; i < LINKS; i++) {
        struct load_link *link = &node->links[i];

        if (link->stream == NULL) {
            *link = (struct load_link){.node = node, .number = i};
            *ret_link = i;
            return axi_stream_connect(node->loop, address, CONNECT_MS, &handler, link,
                                      &link->stream);
        }
    }
    return -AXC_EFULL;
}

static int link_send(void *context, uint32_t number, const uint8_t *frame, size_t bytes)
{
    struct load_node *node = context;

    return node->links[number].stream != NULL
               ? axi_stream_send(node->links[number].stream, frame, bytes)
               : -AXC_EUNAVAILABLE;
}

static size_t link_room(void *context, uint32_t number)
{
    (void)context;
    (void)number;
    return 1u << 20;
}

static void link_close(void *context, uint32_t number)
{
    struct load_node *node = context;

    if (node->links[number].stream != NULL) {
        axi_stream_close(node->links[number].stream);
        node->links[number].stream = NULL;
    }
}

/* ---- a node at rest has no images and no tasks ---- */

static bool image_has(void *context, const uint8_t *digest, uint64_t *ret_bytes)
{
    (void)context;
    (void)digest;
    (void)ret_bytes;
    return false;
}

static int load(void *context, uint32_t slot, uint64_t epoch, const axi_TaskSpec *spec)
{
    (void)context;
    (void)slot;
    (void)epoch;
    (void)spec;
    return -AXC_EFULL;
}

static void view(void *context, uint32_t slot, struct axi_slot_view *ret_view)
{
    (void)context;
    (void)slot;
    *ret_view = (struct axi_slot_view){0};
}

static void set_lease(void *context, uint64_t until_local_ns)
{
    (void)context;
    (void)until_local_ns;
}

static void figures(void *context, struct axi_agent_figures *ret_figures)
{
    (void)context;
    *ret_figures = (struct axi_agent_figures){.memory_free_bytes = 1u << 30};
}

static size_t log_drain(void *context, uint64_t *ret_task_id, uint64_t *ret_epoch, char *buffer,
                        size_t capacity)
{
    (void)context;
    (void)ret_task_id;
    (void)ret_epoch;
    (void)buffer;
    (void)capacity;
    return 0;
}

static struct load_node *make(uv_loop_t *loop, uint32_t index, const char *masters,
                              const char *token)
{
    struct load_node *node = calloc(1, sizeof(*node));
    const struct axi_agent_port port = {.context = node,
                                        .now_ns = now_ns,
                                        .random64 = random64,
                                        .connect = link_connect,
                                        .send = link_send,
                                        .send_room = link_room,
                                        .close = link_close,
                                        .image_has = image_has,
                                        .load = load,
                                        .view = view,
                                        .set_lease = set_lease,
                                        .figures = figures,
                                        .log_drain = log_drain};

    if (node == NULL) {
        return NULL;
    }
    (void)snprintf(node->name, sizeof(node->name), "load%" PRIu32, index);
    const struct axi_agent_config config = {.master_address = masters,
                                            .token = token,
                                            .name = node->name,
                                            .version = "bench",
                                            .address = "",
                                            .platforms = {"linux-x86_64"},
                                            .node_id = 0x020000000000u + index + 1,
                                            .boot_id = axi_host_random(),
                                            .cores = 1,
                                            .capacity_ppm = 900000,
                                            .slots = 16,
                                            .timebase = &node->timebase};
    size_t bytes = axi_agent_bytes(&config);
    void *memory = aligned_alloc(64, (bytes + 63) / 64 * 64);

    axi_timebase_init(&node->timebase);
    node->loop = loop;
    node->agent = memory != NULL ? axi_agent_init(memory, &config, &port) : NULL;
    (void)uv_timer_init(loop, &node->tick);
    node->tick.data = node;
    return node->agent != NULL ? node : NULL;
}

static struct load_node *nodes[NODES_MAX];
static uint32_t node_count;

static void look(uv_timer_t *timer)
{
    uint32_t joined = 0;

    for (uint32_t i = 0; i < node_count; i++) {
        struct axi_agent_status status;

        axi_agent_get_status(nodes[i]->agent, &status);
        joined += status.joined;
    }
    if (joined == node_count) {
        (void)puts("joined");
        (void)fflush(stdout);
        uv_timer_stop(timer);
    }
}

static void on_input(uv_poll_t *poll, int status, int events)
{
    (void)poll;
    (void)status;
    (void)events;
    exit(0);
}

int main(int argc, char **argv)
{
    char token[AXI_TOKEN_BYTES];
    uv_loop_t loop;
    uv_timer_t timer;
    uv_poll_t input;

    if (argc != 4 || axi_host_read_token(argv[2], token) < 0) {
        (void)fputs("usage: agents_load MASTER[,MASTER...] TOKEN_FILE COUNT\n", stderr);
        return 2;
    }
    node_count = (uint32_t)atoi(argv[3]);
    node_count = node_count < NODES_MAX ? node_count : NODES_MAX;
    (void)signal(SIGPIPE, SIG_IGN);
    (void)uv_loop_init(&loop);
    for (uint32_t i = 0; i < node_count; i++) {
        nodes[i] = make(&loop, i, argv[1], token);
        if (nodes[i] == NULL) {
            (void)fputs("agents_load: out of memory\n", stderr);
            return 1;
        }
        poke(nodes[i]);
    }
    (void)uv_timer_init(&loop, &timer);
    (void)uv_timer_start(&timer, look, 100, 100);
    (void)uv_poll_init(&loop, &input, 0);
    (void)uv_poll_start(&input, UV_READABLE | UV_DISCONNECT, on_input);
    return uv_run(&loop, UV_RUN_DEFAULT);
}
