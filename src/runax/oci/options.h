/* SPDX-License-Identifier: Apache-2.0 */
/* The command line as engines write it: global options, a verb, its options and arguments; options
 * with one or two dashes, "--name value" or "--name=value". What other runtimes know and a
 * partition has no use for is accepted and ignored by name; anything else is refused. */
#ifndef AXI_RUNAX_OCI_OPTIONS_H
#define AXI_RUNAX_OCI_OPTIONS_H

#include "runax/report.h"

#include <stdbool.h>
#include <stdint.h>

#define AXI_OPTIONS_ARGUMENTS_MAX 16u

struct axi_oci_options {
    const char *root;       /* state directory of this engine */
    const char *log;        /* file for messages, or NULL */
    const char *log_format; /* "text" or "json" */
    const char *platform;   /* platform file, or NULL */
    const char *resources;  /* journal folder */
    bool is_debug;
    bool has_systemd_cgroup;
    bool has_version;
    bool has_help;
    const char *verb; /* NULL: none given */

    const char *bundle;
    const char *pid_file;
    const char *console_socket;
    uint64_t preserve_fds;
    bool is_detached;
    bool is_forced;
    bool is_all;
    bool is_quiet;
    bool has_stats;
    bool leaves_running;
    const char *format;
    const char *process;
    const char *change; /* update: file with resources, "-" = stdin */
    const char *image_path;
    const char *work_path;

    const char *arguments[AXI_OPTIONS_ARGUMENTS_MAX]; /* after the verb; borrowed from argv */
    uint32_t argument_count;
};

/* -AXC_EINVALID; the report names the option. The options before it are set: they say where the log
 * is. */
AXC_MUST_USE int axi_oci_options_parse(int argc, char **argv, struct axi_oci_options *ret_options,
                                       struct axi_report *report);

#endif
