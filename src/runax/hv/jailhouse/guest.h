/* SPDX-License-Identifier: Apache-2.0 */
/* One cell and its monitor's view of it. Internal to jailhouse/. */
#ifndef AXI_RUNAX_JAILHOUSE_GUEST_H
#define AXI_RUNAX_JAILHOUSE_GUEST_H

#include "core/host_channel.h"
#include "runax/hv/hv.h"
#include "runax/hv/jailhouse/device.h"

#define AXI_JAILHOUSE_MARK "hv-cell" /* in the state folder: the cell is ours to destroy */

struct axi_hv_guest {
    const struct axi_platform *platform;
    const struct axi_partition *partition;
    enum axi_cell_layout layout;
    int device_fd;
    int state_fd;
    bool is_created;
    struct axi_hv_status status;
    uint64_t start_ns;

    struct axi_host_channel *channel; /* NULL: none */

    int console_fd; /* the monitor's end, or -1 */
    int output_fd;  /* ours */
    int source_fd;  /* the driver's console: every open has its own position */
    char pending[2048];
    size_t pending_bytes;
};

/* load.c: copies the images and clears the rest, after create. */
AXC_MUST_USE int axi_jailhouse_load_images(struct axi_hv_guest *guest, struct axi_report *report,
                                           const struct axi_jailhouse_rcpu_image *rcpus,
                                           uint32_t rcpu_count, const void *staged);

/* Reads the images into memory of this process: *ret_staged (axi_jailhouse_unstage frees it) and
 * the entry of the application processors. Before create: the entry stands in the cell. */
AXC_MUST_USE int axi_jailhouse_stage(const struct axi_partition *partition,
                                     struct axi_report *report, void **ret_staged,
                                     uint64_t *ret_entry);
void axi_jailhouse_unstage(void *staged);

/* Remote cores' images in the kernel's firmware folder. */
AXC_MUST_USE int axi_jailhouse_put_firmware(const struct axi_platform *platform,
                                            const struct axi_partition *partition,
                                            struct axi_jailhouse_rcpu_image *ret_rcpus,
                                            uint32_t *ret_count, struct axi_report *report);
void axi_jailhouse_remove_firmware(const struct axi_platform *platform,
                                   const struct axi_partition *partition);

/* console.c: the hypervisor's console, from now on, into the guest's console_fd. */
AXC_MUST_USE int axi_jailhouse_console_open(struct axi_hv_guest *guest, struct axi_report *report);
void axi_jailhouse_console_pump(struct axi_hv_guest *guest);
void axi_jailhouse_console_end(struct axi_hv_guest *guest); /* output is complete */
void axi_jailhouse_console_close(struct axi_hv_guest *guest);

#endif
