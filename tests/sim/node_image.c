/* SPDX-License-Identifier: Apache-2.0 */
/* The images that a simulated node holds, as its agent's port sees them. */
#include "cluster.h"

#include <stdlib.h>
#include <string.h>

int sim_image_find(const struct sim_cluster *cluster, const uint8_t *digest)
{
    for (uint32_t i = 0; i < cluster->task_count; i++) {
        if (memcmp(cluster->images[i].digest, digest, 32) == 0) {
            return (int)i;
        }
    }
    return -1;
}

static bool port_image_has(void *context, const uint8_t *digest, uint64_t *ret_bytes)
{
    struct sim_node *node = context;
    int image = sim_image_find(node->cluster, digest);

    if (image < 0 || !node->has_image[image]) {
        return false;
    }
    *ret_bytes = node->cluster->images[image].info.entries[0].elf_bytes;
    return true;
}

static int port_image_read(void *context, const uint8_t *digest, uint64_t offset, void *buffer,
                           size_t bytes)
{
    struct sim_node *node = context;
    int image = sim_image_find(node->cluster, digest);

    if (image < 0 || !node->has_image[image]) {
        return -AXC_ENOENT;
    }
    memcpy(buffer, &node->cluster->images[image].bytes[offset], bytes);
    return 0;
}

/* One upload at a time is enough here: a second one replaces the first and fails its commit. */
static int port_image_open(void *context, const uint8_t *digest, uint64_t bytes,
                           uint32_t *ret_handle)
{
    struct sim_node *node = context;

    if (node->upload != NULL) {
        return -AXC_EBUSY;
    }
    if (bytes > SIM_IMAGE_BYTES_MAX) {
        return -AXC_EIMAGE_TOO_LARGE;
    }
    node->upload = calloc(1, bytes);
    if (node->upload == NULL) {
        abort();
    }
    node->upload_bytes = bytes;
    node->upload_image = sim_image_find(node->cluster, digest);
    *ret_handle = 1;
    return 0;
}

static int port_image_write(void *context, uint32_t handle, uint64_t offset, const void *data,
                            size_t bytes)
{
    struct sim_node *node = context;

    (void)handle;
    if (node->upload == NULL || offset > node->upload_bytes ||
        bytes > node->upload_bytes - offset) {
        return -AXC_EINVALID;
    }
    memcpy(node->upload + offset, data, bytes);
    return 0;
}

static void port_image_abort(void *context, uint32_t handle)
{
    struct sim_node *node = context;

    (void)handle;
    free(node->upload);
    node->upload = NULL;
}

static int port_image_commit(void *context, uint32_t handle)
{
    struct sim_node *node = context;
    const struct sim_image *image =
        node->upload_image < 0 ? NULL : &node->cluster->images[node->upload_image];
    bool is_same = node->upload != NULL && image != NULL &&
                   image->info.entries[0].elf_bytes == node->upload_bytes &&
                   memcmp(image->bytes, node->upload, node->upload_bytes) == 0;

    if (is_same) {
        node->has_image[node->upload_image] = true;
    }
    port_image_abort(context, handle);
    return is_same ? 0 : -AXC_EIMAGE_DIGEST;
}

void sim_image_meta(const struct sim_image *image, struct axi_task_meta *ret_meta)
{
    const struct axi_task_spec *spec = &image->info.spec;

    *ret_meta = (struct axi_task_meta){
        .abi = AXC_ABI,
        .state_bytes = spec->state_bytes,
        .state_version = spec->state_version,
        .period_us = (uint32_t)(spec->period_ns / 1000),
        .deadline_us = (uint32_t)(spec->deadline_ns / 1000),
        .criticality = spec->criticality,
        .needs = spec->needs,
        .jobs = spec->jobs,
        .stack_bytes = spec->stack_bytes,
        .overrun_policy = spec->overrun_policy,
        .fault_policy = spec->fault_policy,
        .restart_limit = spec->restart_limit,
        .checkpoint_every = spec->checkpoint_every,
    };
    memcpy(ret_meta->name, spec->name, sizeof ret_meta->name);
    memcpy(ret_meta->schema_hash, spec->schema_hash, sizeof ret_meta->schema_hash);
    for (uint32_t i = 0; i < image->info.entry_count; i++) {
        ret_meta->wcet[i].wcet_us = (uint32_t)(image->info.entries[i].wcet_ns / 1000);
        (void)snprintf(ret_meta->wcet[i].platform, sizeof ret_meta->wcet[i].platform, "%s",
                       image->info.entries[i].platform);
    }
}

void sim_node_image_port(struct axi_agent_port *port)
{
    port->image_has = port_image_has;
    port->image_read = port_image_read;
    port->image_open = port_image_open;
    port->image_write = port_image_write;
    port->image_commit = port_image_commit;
    port->image_abort = port_image_abort;
}
