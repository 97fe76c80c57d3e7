/* SPDX-License-Identifier: Apache-2.0 */
#include "runax/oci/verbs.h"

#include <stdio.h>
#include <string.h>

struct verb {
    const char *name;
    axi_verb run;
    uint32_t min, max; /* arguments */
    const char *usage;
};

static const struct verb VERBS[] = {
    {"create", axi_verb_create, 1, 1, "create --bundle B [--pid-file P] ID"},
    {"start", axi_verb_start, 1, 1, "start ID"},
    {"run", axi_verb_run_attached, 1, 1, "run [--detach] --bundle B ID"},
    {"state", axi_verb_state, 1, 1, "state ID"},
    {"kill", axi_verb_kill, 1, 2, "kill [--all] ID [SIGNAL]"},
    {"delete", axi_verb_delete, 1, 1, "delete [--force] ID"},
    {"pause", axi_verb_pause, 1, 1, "pause ID"},
    {"resume", axi_verb_resume, 1, 1, "resume ID"},
    {"list", axi_verb_list, 0, 0, "list [--format json] [--quiet]"},
    {"ps", axi_verb_ps, 1, AXI_OPTIONS_ARGUMENTS_MAX, "ps [--format json] ID"},
    {"events", axi_verb_events, 1, 1, "events --stats ID"},
    {"update", axi_verb_update, 1, 1, "update --resources FILE ID"},
    {"exec", axi_verb_exec, 1, AXI_OPTIONS_ARGUMENTS_MAX, "exec ID ... (refused)"},
    {"checkpoint", axi_verb_checkpoint, 0, 1, "checkpoint --image-path D [--leave-running] ID"},
    {"restore", axi_verb_restore, 1, 1, "restore --image-path D --bundle B ID"},
    {"features", axi_verb_features, 0, 0, "features"},
    {"reconcile", axi_verb_reconcile, 0, 0, "reconcile (after a crash or reboot)"},
    {"resources", axi_verb_resources, 0, 0, "resources (who has what)"},
    {"cell", axi_verb_cell, 1, AXI_OPTIONS_ARGUMENTS_MAX, "cell dump|check|diff FILE..."},
    {"dom0less", axi_verb_dom0less, 1, 1, "dom0less [--bundle B] ID (device-tree overlay for Xen)"},
    {"spec", axi_verb_spec, 0, 0, "spec [--bundle B]"},
};

void axi_verb_help(void)
{
    (void)puts("runax [--root DIR] [--log FILE] [--log-format text|json] [--platform FILE] VERB");
    for (size_t i = 0; i < sizeof(VERBS) / sizeof(VERBS[0]); i++) {
        (void)printf("  runax %s\n", VERBS[i].usage);
    }
}

int axi_verb_run(const struct axi_oci_options *options, struct axi_report *report)
{
    for (size_t i = 0; i < sizeof(VERBS) / sizeof(VERBS[0]); i++) {
        const struct verb *verb = &VERBS[i];
        if (strcmp(verb->name, options->verb) != 0) {
            continue;
        }
        if (options->argument_count < verb->min && !options->has_help) {
            return axi_report_set(report, -AXC_EINVALID, "usage: runax %s", verb->usage);
        }
        if (options->argument_count > verb->max) {
            return axi_report_set(report, -AXC_EINVALID, "too many arguments: runax %s",
                                  verb->usage);
        }
        return verb->run(options, report);
    }
    return axi_report_set(report, -AXC_EINVALID, "unknown verb \"%.40s\"", options->verb);
}
