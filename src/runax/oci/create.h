/* SPDX-License-Identifier: Apache-2.0 */
/* From a bundle to a prepared partition with its monitor, or to nothing at all: every step that
 * succeeded is undone when a later one fails. */
#ifndef AXI_RUNAX_OCI_CREATE_H
#define AXI_RUNAX_OCI_CREATE_H

#include "runax/oci/options.h"
#include "runax/oci/state.h"
#include "runax/platform.h"

struct axi_create {
    const struct axi_oci_options *options;
    const char *id;
    const char *restore_folder; /* of a checkpoint, or NULL */
    bool may_share_terminal;    /* process.terminal without a console socket: our own stdio */
};

/* On success the monitor is a child of the calling process and the caller deinits the container. */
AXC_MUST_USE int axi_oci_create(const struct axi_create *create,
                                struct axi_container *ret_container, struct axi_report *report);

/* Ends what is left of a container (monitor, partition, resources, cgroup), runs its poststop
 * hooks, removes its directory. Idempotent. */
AXC_MUST_USE int axi_oci_remove(const struct axi_oci_options *options,
                                struct axi_container *container, struct axi_report *report);

/* --platform, the default file, or this host. */
AXC_MUST_USE int axi_oci_read_platform(const struct axi_oci_options *options,
                                       struct axi_platform *ret_platform,
                                       struct axi_report *report);

#endif
