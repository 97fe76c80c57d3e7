/* SPDX-License-Identifier: Apache-2.0 */
/* runax: an OCI runtime whose containers are partitions of a bare-metal hypervisor. */
#include "runax/oci/log.h"
#include "runax/oci/verbs.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#define EXIT_USAGE 2

static int run(const struct axi_oci_options *options, struct axi_report *report)
{
    if (options->has_version) {
        (void)puts("runax version " AXI_VERSION "\nspec: 1.2.0");
        return 0;
    }
    if (options->verb == NULL) {
        axi_verb_help();
        return options->has_help ? 0 : EXIT_USAGE;
    }
    return axi_verb_run(options, report);
}

int main(int argc, char **argv)
{
    struct axi_oci_options options = {.log_format = "text"};
    struct axi_report report = {0};
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
        if (fcntl(fd, F_GETFD) < 0) {
            (void)!open("/dev/null", O_RDWR); /* the lowest free number: this one */
        }
    }
    int rc = axi_oci_options_parse(argc, argv, &options, &report);
    if (rc == 0) {
        /* Engines leak fds of theirs into us; a monitor would keep them for ever. */
        (void)close_range(3 + (unsigned)options.preserve_fds, ~0U, 0);
        rc = run(&options, &report);
    }
    if (rc != 0 && report.code != 0) {
        axi_oci_log(&options, "error", axi_report_text(&report));
    }
    return rc < 0 ? 1 : rc;
}
