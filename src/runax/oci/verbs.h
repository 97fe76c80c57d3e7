/* SPDX-License-Identifier: Apache-2.0 */
/* The verbs of the command line. Each returns the exit code of the process (0..255), or -AXC_E with
 * the report: then the error goes to the log and the process ends with 1. */
#ifndef AXI_RUNAX_OCI_VERBS_H
#define AXI_RUNAX_OCI_VERBS_H

#include "runax/oci/options.h"

#define AXI_EXIT_NO_EXEC 126 /* `exec`: a partition has no processes */

typedef int (*axi_verb)(const struct axi_oci_options *options, struct axi_report *report);

/* Runs options->verb after checking the number of its arguments. */
int axi_verb_run(const struct axi_oci_options *options, struct axi_report *report);

int axi_verb_create(const struct axi_oci_options *options, struct axi_report *report);
int axi_verb_run_attached(const struct axi_oci_options *options, struct axi_report *report);
int axi_verb_start(const struct axi_oci_options *options, struct axi_report *report);
int axi_verb_kill(const struct axi_oci_options *options, struct axi_report *report);
int axi_verb_delete(const struct axi_oci_options *options, struct axi_report *report);
int axi_verb_pause(const struct axi_oci_options *options, struct axi_report *report);
int axi_verb_resume(const struct axi_oci_options *options, struct axi_report *report);
int axi_verb_state(const struct axi_oci_options *options, struct axi_report *report);
int axi_verb_list(const struct axi_oci_options *options, struct axi_report *report);
int axi_verb_ps(const struct axi_oci_options *options, struct axi_report *report);
int axi_verb_events(const struct axi_oci_options *options, struct axi_report *report);
int axi_verb_update(const struct axi_oci_options *options, struct axi_report *report);
int axi_verb_exec(const struct axi_oci_options *options, struct axi_report *report);
int axi_verb_checkpoint(const struct axi_oci_options *options, struct axi_report *report);
int axi_verb_restore(const struct axi_oci_options *options, struct axi_report *report);
int axi_verb_features(const struct axi_oci_options *options, struct axi_report *report);
int axi_verb_spec(const struct axi_oci_options *options, struct axi_report *report);
int axi_verb_reconcile(const struct axi_oci_options *options, struct axi_report *report);
int axi_verb_resources(const struct axi_oci_options *options, struct axi_report *report);
int axi_verb_dom0less(const struct axi_oci_options *options, struct axi_report *report);
int axi_verb_cell(const struct axi_oci_options *options, struct axi_report *report);
void axi_verb_help(void);

/* "15", "TERM", "SIGTERM", "RTMIN+3"; -AXC_EINVALID. */
AXC_MUST_USE int axi_parse_signal(const char *text, int *ret_number, struct axi_report *report);

#endif
