/* SPDX-License-Identifier: Apache-2.0 */
/* A partition with the scripted guest (guest/guest.c) on some backend, for tests of hv.h. */
#ifndef AXI_TESTS_HV_GUEST_H
#define AXI_TESTS_HV_GUEST_H

#include "runax/hv/hv.h"

#include <stddef.h>

struct hv_machine { /* one line of a table: where the guest shall run */
    const char *hv, *board, *file;
    uint64_t ram, memory_bytes;
};

struct hv_run {
    const struct hv_machine *machine;
    const struct axi_hv *hv;
    struct axi_platform platform;
    struct axi_partition partition;
    struct axi_hv_host host;
    struct axi_hv_guest *guest;
    struct axi_report report;
    char folder[64];
    char output[65536]; /* what the console said so far */
    size_t output_bytes;
};

/* The partition with a copy of the machine's guest file that runs `script`; nothing prepared. The
 * script NULL: the file as it is. */
void hv_run_init(struct hv_run *run, const struct hv_machine *machine, const char *script);
void hv_run_prepare(struct hv_run *run); /* and verify */
void hv_run_start(struct hv_run *run);

/* Dispatches and collects output until the guest has ended; fails the test after 30 s. */
void hv_run_until_end(struct hv_run *run, struct axi_hv_status *ret_status);
/* Likewise until the output contains the text. */
void hv_run_until(struct hv_run *run, const char *text);
/* Dispatches for so long. */
void hv_run_for(struct hv_run *run, int ms);
void hv_run_type(const struct hv_run *run, const char *text);
void hv_run_deinit(struct hv_run *run);

#endif
