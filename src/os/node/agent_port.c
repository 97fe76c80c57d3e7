/* SPDX-License-Identifier: Apache-2.0 */
/* What the agent asks of its node, done by the bare-metal runtime, image cache and streams. */
#include "os/kernel/console.h"
#include "os/net/net.h"
#include "os/net/stream.h"
#include "os/node/node_internal.h"

#include <string.h>

static uint64_t now_ns(void *context)
{
    (void)context;
    return axi_runtime_clock_ns();
}

static uint64_t random64(void *context)
{
    (void)context;
    return axi_net_random64();
}

/* ---- links: a link's number is its stream's ---- */

static int connect(void *context, const char *address, uint32_t *ret_link)
{
    (void)context;
    return axi_streams_connect(address, ret_link);
}

static int send(void *context, uint32_t link, const uint8_t *frame, size_t bytes)
{
    (void)context;
    return axi_streams_send(link, frame, bytes);
}

static size_t send_room(void *context, uint32_t link)
{
    (void)context;
    return axi_streams_room(link);
}

static void close(void *context, uint32_t link)
{
    (void)context;
    axi_streams_close(link);
}

/* ---- images ---- */

static bool image_has(void *context, const uint8_t *digest, uint64_t *ret_bytes)
{
    struct axi_node *node = context;
    const uint8_t *bytes = NULL;
    size_t size = 0;

    if (axi_images_get(&node->images, digest, &bytes, &size) < 0) {
        return false;
    }
    if (ret_bytes != NULL) {
        *ret_bytes = size;
    }
    return true;
}

static int image_read(void *context, const uint8_t *digest, uint64_t offset, void *buffer,
                      size_t count)
{
    struct axi_node *node = context;
    const uint8_t *bytes = NULL;
    size_t size = 0;
    int r = axi_images_get(&node->images, digest, &bytes, &size);

    if (r < 0) {
        return r;
    }
    if (offset > size || count > size - offset) {
        return -AXC_EINVALID;
    }
    memcpy(buffer, bytes + offset, count);
    return 0;
}

static int image_open(void *context, const uint8_t *digest, uint64_t bytes, uint32_t *ret_handle)
{
    return axi_images_open(&((struct axi_node *)context)->images, digest, bytes, ret_handle);
}

static int image_write(void *context, uint32_t handle, uint64_t offset, const void *data,
                       size_t bytes)
{
    return axi_images_write(&((struct axi_node *)context)->images, handle, offset, data, bytes);
}

static int image_commit(void *context, uint32_t handle)
{
    return axi_images_commit(&((struct axi_node *)context)->images, handle);
}

static void image_abort(void *context, uint32_t handle)
{
    axi_images_abort(&((struct axi_node *)context)->images, handle);
}

/* ---- instances ---- */

static int set_output(struct axi_node *node, uint32_t slot, const char *address)
{
    uint32_t host = 0;
    uint16_t port = 0;
    int r = *address == '\0' ? 0 : axi_net_resolve(address, &host, &port);

    if (r == 0) {
        axi_runtime_set_output(node->runtime, slot, host, port);
    }
    return r;
}

/* Loads now and tells the agent; -AXC_EBUSY: the slot's former instance is not gone yet. Images
 * kept for later make room. */
static int try_load(struct axi_node *node, uint32_t slot, const uint8_t *digest,
                    const char *output_address)
{
    struct axi_task_meta meta;
    struct axi_agent_loaded loaded = {.meta = &meta};
    const uint8_t *elf = NULL;
    size_t bytes = 0;
    int r = axi_images_get(&node->images, digest, &elf, &bytes);

    if (r == 0) {
        r = axi_meta_from_elf(elf, bytes, &meta);
    }
    if (r < 0) {
        return r;
    }
    do {
        r = axi_runtime_load(node->runtime, slot, elf, bytes, &meta, &loaded.state, &loaded.region);
    } while (r == -AXC_EADMIT_MEMORY && axi_images_drop_one(&node->images, digest));
    if (r == 0) {
        r = set_output(node, slot, output_address);
        if (r < 0) {
            axi_runtime_unload(node->runtime, slot);
        } else {
            axi_agent_loaded(node->agent, slot, 0, &loaded);
        }
    }
    return r;
}

static int load(void *context, uint32_t slot, uint64_t epoch, const axi_TaskSpec *spec)
{
    struct axi_node *node = context;
    struct axi_node_load *wait = &node->loads[slot];

    (void)epoch;
    int r = try_load(node, slot, spec->elf_digest, spec->output_address);

    if (r == -AXC_EBUSY) {
        wait->is_pending = true;
        wait->until_ns = axi_runtime_clock_ns() + AXI_NODE_LOAD_WAIT_NS;
        memcpy(wait->digest, spec->elf_digest, sizeof(wait->digest));
        memcpy(wait->output_address, spec->output_address, sizeof(wait->output_address));
        node->pending_loads++;
        return 0;
    }
    return r;
}

static void unload(void *context, uint32_t slot)
{
    struct axi_node *node = context;

    if (node->loads[slot].is_pending) {
        node->loads[slot].is_pending = false; /* nothing of it is in the slot yet */
        node->pending_loads--;
    } else {
        axi_runtime_unload(node->runtime, slot);
    }
}

void axi_node_retry_loads(struct axi_node *node, uint64_t now)
{
    for (uint32_t i = 0; i < node->slots && node->pending_loads > 0; i++) {
        struct axi_node_load *wait = &node->loads[i];

        if (!wait->is_pending || (!axi_runtime_is_free(node->runtime, i) && now < wait->until_ns)) {
            continue;
        }
        wait->is_pending = false; /* before the agent may use the slot */
        node->pending_loads--;
        int r = try_load(node, i, wait->digest, wait->output_address);

        if (r == -AXC_EBUSY && now < wait->until_ns) {
            wait->is_pending = true;
            node->pending_loads++;
        } else if (r < 0) {
            axi_agent_loaded(node->agent, i, r, NULL);
        }
    }
}

static bool post(void *context, const struct axi_sched_command *command)
{
    return axi_runtime_post(((struct axi_node *)context)->runtime, command);
}

static void view(void *context, uint32_t slot, struct axi_slot_view *ret_view)
{
    axi_runtime_view(((struct axi_node *)context)->runtime, slot, ret_view);
}

static void hists(void *context, uint32_t slot, struct axi_hist *ret_response,
                  struct axi_hist *ret_exec)
{
    axi_runtime_hists(((struct axi_node *)context)->runtime, slot, ret_response, ret_exec);
}

static void set_lease(void *context, uint64_t until_local_ns)
{
    axi_runtime_set_lease(((struct axi_node *)context)->runtime, until_local_ns);
}

static void figures(void *context, struct axi_agent_figures *ret_figures)
{
    struct axi_runtime_load load_now = {0};

    axi_runtime_figures(((struct axi_node *)context)->runtime, &load_now);
    ret_figures->cpu_load_ppm = load_now.cpu_load_ppm;
    ret_figures->task_load_ppm = load_now.task_load_ppm;
    ret_figures->memory_free_bytes = load_now.memory_free_bytes;
}

static size_t drain_slot(struct axi_node *node, uint32_t slot, char *buffer, size_t capacity)
{
    char text[AXI_RUNTIME_LOG_TEXT];
    uint32_t level = 0;
    uint64_t job = 0;
    size_t used = 0;

    while (capacity - used > sizeof(text) + 32 &&
           axi_runtime_log_line(node->runtime, slot, &level, &job, text, sizeof(text))) {
        int n = axi_format(buffer + used, capacity - used, "%u %llu %s\n", level,
                           (unsigned long long)job, text);

        used += n > 0 ? (size_t)n : 0;
    }
    return used;
}

/* Slots take turns, so that one chatty task does not silence the others. */
static size_t log_drain(void *context, uint64_t *ret_task_id, uint64_t *ret_epoch, char *buffer,
                        size_t capacity)
{
    struct axi_node *node = context;

    for (uint32_t i = 0; i < node->slots; i++) {
        uint32_t slot = node->log_slot++ % node->slots;
        struct axi_slot_view now;

        axi_runtime_view(node->runtime, slot, &now);
        if (now.state == AXI_SLOT_FREE) {
            continue;
        }
        size_t used = drain_slot(node, slot, buffer, capacity);

        if (used > 0) {
            *ret_task_id = now.task_id;
            *ret_epoch = now.epoch;
            return used;
        }
    }
    return 0;
}

void axi_node_fill_port(struct axi_node *node, struct axi_agent_port *ret_port)
{
    *ret_port = (struct axi_agent_port){
        .context = node,
        .now_ns = now_ns,
        .random64 = random64,
        .connect = connect,
        .send = send,
        .send_room = send_room,
        .close = close,
        .image_has = image_has,
        .image_read = image_read,
        .image_open = image_open,
        .image_write = image_write,
        .image_commit = image_commit,
        .image_abort = image_abort,
        .load = load,
        .unload = unload,
        .post = post,
        .view = view,
        .hists = hists,
        .set_lease = set_lease,
        .figures = figures,
        .log_drain = log_drain,
    };
}
