/* SPDX-License-Identifier: Apache-2.0 */
/* Domains of Xen by way of its tool xl (docs/runax.md, "xen"). Options: "gic_version", "pool",
 * "llc_colors", "trap_unmapped_accesses"; dom0less: "module_address". */
#ifndef AXI_RUNAX_XEN_H
#define AXI_RUNAX_XEN_H

#include "runax/hv/hv.h"

#include <stdio.h>

#define AXI_XEN_RAM UINT64_C(0x40000000) /* where Xen puts a guest's memory on Arm */

extern const struct axi_hv axi_hv_xen;

/* xl's configuration file. `kernel` is a path for xl. -AXC_EHV_UNSUPPORTED names what Xen cannot
 * give, or an option with characters that would end its quotes. */
AXC_MUST_USE int axi_xen_print_config(const struct axi_partition *partition, const char *kernel,
                                      FILE *file, struct axi_report *report);

/* A device-tree overlay for /chosen by which Xen itself starts the partition at boot; the boot
 * loader puts the image at option "module_address" (0x50000000). Same errors. */
AXC_MUST_USE int axi_xen_print_dom0less(const struct axi_partition *partition, FILE *file,
                                        struct axi_report *report);

/* --- running xl --- */

#define AXI_XL_OUTPUT_BYTES 4096u

struct axi_xl { /* a command under way; pid 0: none */
    int pid;
    int fd;
    char output[AXI_XL_OUTPUT_BYTES]; /* both streams; ends in NUL */
    size_t used;
};

/* Starts "xl WORDS..." (NULL at the end). -AXC_E with the report. */
AXC_MUST_USE int axi_xl_start(struct axi_xl *command, const char *xl, const char *const *words,
                              struct axi_report *report);
/* Has it ended? 1: *ret_status is its exit status; 0: not yet (never blocks unless `waits`). */
int axi_xl_poll(struct axi_xl *command, bool waits, int *ret_status);
/* Ends and forgets it. */
void axi_xl_cancel(struct axi_xl *command);
/* All at once: -AXC_EHV_FAILED with what xl said when its status is not 0. */
AXC_MUST_USE int axi_xl_run(const char *xl, const char *const *words, struct axi_report *report);

/* What `xl list -v NAME` says; *ret_status keeps its value for a line that is not understood. */
void axi_xl_read_status(const char *output, const char *name, struct axi_hv_status *ret_status);

#endif
