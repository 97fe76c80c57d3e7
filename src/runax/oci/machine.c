/* SPDX-License-Identifier: Apache-2.0 */
/* reconcile, resources and cell: the whole machine, not one container. */
#include "runax/oci/verbs.h"

#include "runax/hv/jailhouse/cell_command.h"
#include "runax/oci/create.h"
#include "runax/resource/resource.h"

#include <stdio.h>

int axi_verb_reconcile(const struct axi_oci_options *options, struct axi_report *report)
{
    struct axi_platform platform;
    int rc = axi_oci_read_platform(options, &platform, report);
    rc = rc != 0 ? rc : axi_resource_reconcile(options->resources, &platform, report);
    if (rc < 0) {
        return rc;
    }
    (void)printf("%d released\n", rc);
    return 0;
}

int axi_verb_resources(const struct axi_oci_options *options, struct axi_report *report)
{
    int rc = axi_resource_print(options->resources, stdout, report);
    return rc < 0 ? rc : 0;
}

int axi_verb_cell(const struct axi_oci_options *options, struct axi_report *report)
{
    char *words[AXI_OPTIONS_ARGUMENTS_MAX + 1] = {NULL};
    for (uint32_t i = 0; i < options->argument_count; i++) {
        words[i] = (char *)options->arguments[i]; /* read only there */
    }
    return axi_cell_command((int)options->argument_count, words, stdout, report);
}
