/* SPDX-License-Identifier: Apache-2.0 */
/* runax as an OCI runtime, called as an engine calls it: one short command after the other. State
 * and resources are below a directory of the caller's own, so that nobody else's partitions are
 * ever touched. Calls block, each for 30 s at most. */
#ifndef AXI_HOST_RUNAX_H
#define AXI_HOST_RUNAX_H

#include "base/error.h"

#include <jansson.h>
#include <limits.h>
#include <stdbool.h>

#define AXI_RUNAX_REASON_BYTES 160u

struct axi_runax {
    char program[PATH_MAX];
    const char *dir; /* borrowed */
};

enum axi_runax_state {
    AXI_RUNAX_NONE = 0, /* no such partition */
    AXI_RUNAX_RUNNING,  /* created or paused, too */
    AXI_RUNAX_STOPPED,
};

/* -AXC_ENOENT: there is no runax. */
AXC_MUST_USE int axi_runax_find(struct axi_runax *ret_runax, const char *dir);
/* Can it start partitions by this hypervisor? Else why not. */
AXC_MUST_USE int axi_runax_probe(const struct axi_runax *runax, const char *hypervisor,
                                 char ret_reason[AXI_RUNAX_REASON_BYTES]);

/* Command line up to the verb: state in DIR/runax, log in DIR/NAME.runax.log. */
json_t *axi_runax_argv(const struct axi_runax *runax, const char *name);

/* create and start; what the guest prints is appended to DIR/NAME.log. */
AXC_MUST_USE int axi_runax_start(const struct axi_runax *runax, const char *name,
                                 const char *bundle, char ret_reason[AXI_RUNAX_REASON_BYTES]);
/* Asks the guest to end (SIGTERM); axi_runax_state tells when it has. */
void axi_runax_stop(const struct axi_runax *runax, const char *name);
/* Ends it by force when it still runs, and gives back what it had. No such partition: 0, too. */
AXC_MUST_USE int axi_runax_delete(const struct axi_runax *runax, const char *name);
/* ret_reason: of a stopped one exit code and reason. */
enum axi_runax_state axi_runax_state(const struct axi_runax *runax, const char *name,
                                     char ret_reason[AXI_RUNAX_REASON_BYTES]);

/* Runs a command to its end; both outputs go to out_fd. Its exit code, or negative: it cannot be
 * started (-AXC_ENOENT) or did not end in time (-AXC_ETIMEOUT). */
AXC_MUST_USE int axi_program_run(const json_t *argv, int out_fd);

#endif
