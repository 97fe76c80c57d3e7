/* SPDX-License-Identifier: Apache-2.0 */
/* What the agent asks of its node, done by the Linux runtime and the image cache. */
#include "node/daemon_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>

static uint64_t now_ns(void *context)
{
    (void)context;
    return axi_runtime_clock_ns();
}

static uint64_t random64(void *context)
{
    uint64_t value = 0;

    (void)context;
    while (getrandom(&value, sizeof(value), 0) != (ssize_t)sizeof(value)) {
    }
    return value;
}

/* ---- images ---- */

static bool image_has(void *context, const uint8_t *digest, uint64_t *ret_bytes)
{
    struct axi_node_daemon *daemon = context;
    const uint8_t *bytes = NULL;
    size_t size = 0;

    if (axi_images_get(daemon->images, digest, &bytes, &size) < 0) {
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
    struct axi_node_daemon *daemon = context;
    const uint8_t *bytes = NULL;
    size_t size = 0;
    int r = axi_images_get(daemon->images, digest, &bytes, &size);

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
    return axi_images_open(((struct axi_node_daemon *)context)->images, digest, bytes, ret_handle);
}

static int image_write(void *context, uint32_t handle, uint64_t offset, const void *data,
                       size_t bytes)
{
    return axi_images_write(((struct axi_node_daemon *)context)->images, handle, offset, data,
                            bytes);
}

static int image_commit(void *context, uint32_t handle)
{
    return axi_images_commit(((struct axi_node_daemon *)context)->images, handle);
}

static void image_abort(void *context, uint32_t handle)
{
    axi_images_abort(((struct axi_node_daemon *)context)->images, handle);
}

/* ---- instances ---- */

/* Loads now; tells the agent unless the slot has no runner yet (-AXC_EBUSY). */
static int try_load(struct axi_node_daemon *daemon, uint32_t slot, const uint8_t *digest,
                    const char *output_address)
{
    struct axi_task_meta meta;
    struct axi_agent_loaded loaded = {
        .meta = &meta, .region_offset = axi_runtime_region_offset(daemon->runtime, slot)};
    const uint8_t *elf = NULL;
    size_t bytes = 0;
    int r = axi_images_get(daemon->images, digest, &elf, &bytes);

    if (r == 0) {
        r = axi_meta_from_elf(elf, bytes, &meta);
    }
    if (r == 0) {
        r = axi_runtime_load(daemon->runtime, slot, elf, bytes, &meta, &loaded.state,
                             &loaded.region);
    }
    if (r == 0) {
        r = axi_runtime_set_output(daemon->runtime, slot, output_address);
        if (r < 0) {
            axi_runtime_unload(daemon->runtime, slot);
        } else {
            axi_agent_loaded(daemon->agent, slot, 0, &loaded);
        }
    }
    return r;
}

static int load(void *context, uint32_t slot, uint64_t epoch, const axi_TaskSpec *spec)
{
    struct axi_node_daemon *daemon = context;
    struct axi_node_load *wait = &daemon->loads[slot];

    (void)epoch;
    int r = try_load(daemon, slot, spec->elf_digest, spec->output_address);

    if (r == -AXC_EBUSY) {
        wait->is_pending = true;
        wait->until_ns = axi_runtime_clock_ns() + AXI_NODE_LOAD_WAIT_NS;
        memcpy(wait->digest, spec->elf_digest, sizeof(wait->digest));
        memcpy(wait->output_address, spec->output_address, sizeof(wait->output_address));
        daemon->pending_loads++;
        return 0;
    }
    return r;
}

static void end_wait(struct axi_node_daemon *daemon, uint32_t slot)
{
    if (daemon->loads[slot].is_pending) {
        daemon->loads[slot].is_pending = false;
        daemon->pending_loads--;
    }
}

static void unload(void *context, uint32_t slot)
{
    struct axi_node_daemon *daemon = context;

    if (daemon->loads[slot].is_pending) {
        end_wait(daemon, slot);
        if (!axi_runtime_is_loading(daemon->runtime, slot)) {
            return; /* nothing is in the slot yet */
        }
    }
    axi_runtime_unload(daemon->runtime, slot);
}

void axi_node_retry_loads(struct axi_node_daemon *daemon, uint64_t now)
{
    for (uint32_t i = 0; i < daemon->slots && daemon->pending_loads > 0; i++) {
        struct axi_node_load *wait = &daemon->loads[i];

        if (!wait->is_pending) {
            continue;
        }
        bool is_loading = axi_runtime_is_loading(daemon->runtime, i);
        int r = is_loading || axi_runtime_is_free(daemon->runtime, i) ? 0 : -AXC_EBUSY;

        if (r == 0) {
            wait->is_pending = false; /* before the agent may use the slot */
            daemon->pending_loads--;
            r = try_load(daemon, i, wait->digest, wait->output_address);
            if (r == -AXC_EBUSY) {
                wait->is_pending = true;
                daemon->pending_loads++;
            }
        }
        if (r == -AXC_EBUSY && now < wait->until_ns) {
            continue;
        }
        end_wait(daemon, i);
        if (axi_runtime_is_loading(daemon->runtime, i)) {
            axi_runtime_unload(daemon->runtime, i);
        }
        if (r < 0) {
            axi_agent_loaded(daemon->agent, i, r == -AXC_EBUSY ? -AXC_ENODE_NO_RUNNER : r, NULL);
        }
    }
}

static bool post(void *context, const struct axi_sched_command *command)
{
    return axi_runtime_post(((struct axi_node_daemon *)context)->runtime, command);
}

static void view(void *context, uint32_t slot, struct axi_slot_view *ret_view)
{
    axi_runtime_view(((struct axi_node_daemon *)context)->runtime, slot, ret_view);
}

static void hists(void *context, uint32_t slot, struct axi_hist *ret_response,
                  struct axi_hist *ret_exec)
{
    axi_runtime_hists(((struct axi_node_daemon *)context)->runtime, slot, ret_response, ret_exec);
}

static void set_lease(void *context, uint64_t until_local_ns)
{
    axi_runtime_set_lease(((struct axi_node_daemon *)context)->runtime, until_local_ns);
}

static void figures(void *context, struct axi_agent_figures *ret_figures)
{
    struct axi_runtime_load load_now = {0};

    axi_runtime_figures(((struct axi_node_daemon *)context)->runtime, &load_now);
    ret_figures->cpu_load_ppm = load_now.cpu_load_ppm;
    ret_figures->task_load_ppm = load_now.task_load_ppm;
    ret_figures->memory_free_bytes = load_now.memory_free_bytes;
}

static size_t drain_slot(struct axi_node_daemon *daemon, uint32_t slot, char *buffer,
                         size_t capacity)
{
    char text[256];
    uint32_t level = 0;
    uint64_t job = 0;
    size_t used = 0;

    while (capacity - used > sizeof(text) + 32 &&
           axi_runtime_log_line(daemon->runtime, slot, &level, &job, text, sizeof(text))) {
        int n = snprintf(buffer + used, capacity - used, "%" PRIu32 " %" PRIu64 " %s\n", level, job,
                         text);

        used += n > 0 ? (size_t)n : 0;
    }
    return used;
}

/* Slots take turns, so that one chatty task does not silence the others. */
static size_t log_drain(void *context, uint64_t *ret_task_id, uint64_t *ret_epoch, char *buffer,
                        size_t capacity)
{
    struct axi_node_daemon *daemon = context;

    for (uint32_t i = 0; i < daemon->slots; i++) {
        uint32_t slot = daemon->log_slot++ % daemon->slots;
        struct axi_slot_view now;

        axi_runtime_view(daemon->runtime, slot, &now);
        if (now.state == AXI_SLOT_FREE) {
            continue;
        }
        size_t used = drain_slot(daemon, slot, buffer, capacity);

        if (used > 0) {
            *ret_task_id = now.task_id;
            *ret_epoch = now.epoch;
            return used;
        }
    }
    return 0;
}

/* One that does not go out is as good as lost on the way. */
static void notify(void *context, const uint8_t *frame, size_t bytes)
{
    (void)!send(((struct axi_node_daemon *)context)->notify_fd, frame, bytes, 0);
}

void axi_node_fill_port(struct axi_node_daemon *daemon, struct axi_agent_port *ret_port)
{
    *ret_port = (struct axi_agent_port){
        .context = daemon,
        .now_ns = now_ns,
        .random64 = random64,
        .connect = axi_node_link_connect,
        .send = axi_node_link_send,
        .send_room = axi_node_link_send_room,
        .close = axi_node_link_close,
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
        .notify = daemon->notify_fd >= 0 ? notify : NULL,
    };
}
