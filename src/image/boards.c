/* SPDX-License-Identifier: Apache-2.0 */
#include "image/boards.h"

#include <string.h>

static const char *const qemu_virt[] = {"-machine", "virt", "-cpu", "cortex-a53",
                                        "-m",       "128",  NULL};
static const char *const qemu_zcu102[] = {"-machine", "xlnx-zcu102", "-m", "512",
                                          /* the board has a sound device, the host not */
                                          "-audiodev", "none,id=none", NULL};

static const struct axi_board_facts boards[] = {
    {"virt", 0x40000000, qemu_virt, "-device", "virtio-net-device,netdev=n0,mac=%s"},
    {"zcu102", 0, qemu_zcu102, "-net", "nic,netdev=n0,macaddr=%s"},
};

/* A board NAME is the platform axcan-NAME. One ELF serves every platform of its instruction set. */
static const struct axi_platform_facts platforms[] = {
    {"linux-x86_64", AXI_ISA_X86_64},
    {"linux-aarch64", AXI_ISA_AARCH64},
    {"axcan-virt", AXI_ISA_AARCH64},
    {"axcan-zcu102", AXI_ISA_AARCH64},
};

const struct axi_board_facts *axi_board_at(size_t index)
{
    return index < sizeof(boards) / sizeof(boards[0]) ? &boards[index] : NULL;
}

const struct axi_board_facts *axi_board_find(const char *name)
{
    for (size_t i = 0; axi_board_at(i) != NULL; i++) {
        if (strcmp(boards[i].name, name) == 0) {
            return &boards[i];
        }
    }
    return NULL;
}

const struct axi_platform_facts *axi_platform_at(size_t index)
{
    return index < sizeof(platforms) / sizeof(platforms[0]) ? &platforms[index] : NULL;
}
