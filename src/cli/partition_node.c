/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/partition_node.h"

#include "cli/command.h"
#include "host/bundle.h"
#include "host/runax.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

void axi_partition_node_remove(const json_t *member)
{
    const json_t *removal = json_object_get(member, "removal");
    int nowhere = removal != NULL ? open("/dev/null", O_WRONLY | O_CLOEXEC) : -1;

    if (nowhere >= 0) {
        (void)!axi_program_run(removal, nowhere);
        (void)close(nowhere);
    }
}

json_t *axi_partition_node_removal(const char *dir, const char *name)
{
    struct axi_runax runax;
    json_t *argv = NULL;

    if (axi_runax_find(&runax, dir) == 0) {
        argv = axi_runax_argv(&runax, name);
        (void)json_array_append_new(argv, json_string("delete"));
        (void)json_array_append_new(argv, json_string("--force"));
        (void)json_array_append_new(argv, json_string(name));
    }
    return argv;
}

json_t *axi_partition_node_argv(const char *dir, const char *name, const char *board,
                                const char *image, const struct axi_boot_config *config,
                                uint16_t port)
{
    char path[PATH_MAX];
    char reason[AXI_OS_REASON_BYTES];
    struct axi_runax runax;
    const struct axi_bundle bundle = {.dir = path,
                                      .board = board,
                                      .hypervisor = "qemu",
                                      .image = image,
                                      .config = config,
                                      .address = "127.0.0.1",
                                      .port = port};
    json_t *argv;

    if (axi_runax_find(&runax, dir) < 0) {
        (void)axi_cli_fail("up", "runax is not there; build or install it");
        return NULL;
    }
    (void)snprintf(path, sizeof(path), "%s/%s.bundle", dir, name);
    if (axi_bundle_make(&bundle, reason) < 0) {
        (void)axi_cli_fail("up", "%s", reason);
        return NULL;
    }
    argv = axi_runax_argv(&runax, name);
    (void)json_array_append_new(argv, json_string("run"));
    (void)json_array_append_new(argv, json_string("--bundle"));
    (void)json_array_append_new(argv, json_string(path));
    (void)json_array_append_new(argv, json_string(name));
    return argv;
}
