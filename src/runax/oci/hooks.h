/* SPDX-License-Identifier: Apache-2.0 */
/* Hooks of a bundle. All run in the runtime's namespaces: a partition has none of its own. */
#ifndef AXI_RUNAX_OCI_HOOKS_H
#define AXI_RUNAX_OCI_HOOKS_H

#include "runax/report.h"

#include <jansson.h>

/* Runs hooks.PHASE ("createRuntime", ...) in order, each with the state on its standard input, its
 * own environment only, for at most its timeout (seconds; none: 60). The first that cannot be run,
 * fails or takes too long ends it: -AXC_EHOOK with its path, exit code and last output. hooks NULL:
 * 0. -AXC_EBUNDLE for one that is malformed. */
AXC_MUST_USE int axi_hooks_run(const json_t *hooks, const char *phase, const json_t *state,
                               struct axi_report *report);

#endif
