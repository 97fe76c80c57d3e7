/* SPDX-License-Identifier: Apache-2.0 */
/* Jailhouse's driver: the character device's commands and its sysfs tree. The commands may block
 * for as long as the hypervisor works, and for the guest's answer where it is asked. */
#ifndef AXI_RUNAX_JAILHOUSE_DEVICE_H
#define AXI_RUNAX_JAILHOUSE_DEVICE_H

#include "runax/hv/jailhouse/cell.h"

struct axi_jailhouse_image {
    const void *bytes;
    uint64_t length;
    uint64_t guest_address;
};

/* A remote core's image: a file in the kernel's firmware folder. */
struct axi_jailhouse_rcpu_image {
    uint32_t rcpu;
    char file[32];
};

/* The commands; negative errno of the driver, as the callers know what it means for each. */
int axi_jailhouse_create(int fd, const void *config, size_t length);
int axi_jailhouse_load(int fd, enum axi_cell_layout layout, const char *cell,
                       const struct axi_jailhouse_image *images, uint32_t image_count,
                       const struct axi_jailhouse_rcpu_image *rcpus, uint32_t rcpu_count);
int axi_jailhouse_start(int fd, const char *cell);
int axi_jailhouse_destroy(int fd, const char *cell);

/* Does the driver know the command "load" of this layout's hypervisor? Changes nothing. False as
 * well when the hypervisor is not enabled. */
bool axi_jailhouse_has_layout(int fd, enum axi_cell_layout layout);

struct axi_jailhouse_cell {
    uint32_t id;
    char state[24]; /* as the driver prints it */
    char cpus[128];
    char failed_cpus[128];
    char rcpus[64]; /* "" where the driver has none */
    uint64_t exits;
};

bool axi_jailhouse_is_enabled(const char *sysfs);
/* The cell of this name. -AXC_ENOENT; -AXC_EIO when the tree cannot be read. */
AXC_MUST_USE int axi_jailhouse_find(const char *sysfs, const char *name,
                                    struct axi_jailhouse_cell *ret_cell);

#endif
