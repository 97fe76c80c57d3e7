/* SPDX-License-Identifier: Apache-2.0 */
/* reconcile, resources, cell and dom0less: the whole machine, not one container. */
#include "runax/oci/verbs.h"

#include "runax/hv/jailhouse/cell_command.h"
#include "runax/hv/xen/xen.h"
#include "runax/oci/create.h"
#include "runax/oci/request.h"
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

/* A bundle as an overlay for the boot loader: Xen starts it itself, without runax. */
int axi_verb_dom0less(const struct axi_oci_options *options, struct axi_report *report)
{
    static struct axi_partition partition; /* a process makes one */
    struct axi_bundle bundle;
    uint32_t grace_ms;
    int rc = axi_bundle_read(options->bundle != NULL ? options->bundle : ".", &bundle, report);
    if (rc != 0) {
        return rc;
    }
    rc = axi_request_build(&bundle, options->arguments[0], &partition, &grace_ms, report);
    if (rc == 0) {
        rc = axi_xen_print_dom0less(&partition, stdout, report);
        axi_request_close(&partition);
    }
    axi_bundle_deinit(&bundle);
    return rc;
}
