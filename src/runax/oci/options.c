/* SPDX-License-Identifier: Apache-2.0 */
#include "runax/oci/options.h"

#include "runax/json.h"
#include "runax/resource/resource.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum kind { FLAG, TEXT, NUMBER, IGNORED_FLAG, IGNORED_TEXT };

struct option {
    const char *name;
    const char *verbs; /* " create run "; NULL: global, before the verb */
    enum kind kind;
    size_t offset;
};

#define AT(member) offsetof(struct axi_oci_options, member)
#define MAKES " create run restore "

static const struct option OPTIONS[] = {
    {"root", NULL, TEXT, AT(root)},
    {"log", NULL, TEXT, AT(log)},
    {"log-format", NULL, TEXT, AT(log_format)},
    {"platform", NULL, TEXT, AT(platform)},
    {"resources", NULL, TEXT, AT(resources)},
    {"debug", NULL, FLAG, AT(is_debug)},
    {"systemd-cgroup", NULL, FLAG, AT(has_systemd_cgroup)},
    {"version", NULL, FLAG, AT(has_version)},
    {"v", NULL, FLAG, AT(has_version)},
    {"help", NULL, FLAG, AT(has_help)},
    {"h", NULL, FLAG, AT(has_help)},
    {"rootless", NULL, IGNORED_TEXT, 0},
    {"criu", NULL, IGNORED_TEXT, 0},
    {"cgroup-manager", NULL, IGNORED_TEXT, 0},
    {"bundle", MAKES "spec dom0less ", TEXT, AT(bundle)},
    {"b", MAKES "spec dom0less ", TEXT, AT(bundle)},
    {"pid-file", MAKES "exec ", TEXT, AT(pid_file)},
    {"console-socket", MAKES "exec ", TEXT, AT(console_socket)},
    {"preserve-fds", MAKES "exec ", NUMBER, AT(preserve_fds)},
    {"no-pivot", MAKES, IGNORED_FLAG, 0},
    {"no-new-keyring", MAKES, IGNORED_FLAG, 0},
    {"no-subreaper", MAKES, IGNORED_FLAG, 0},
    {"pidfd-socket", MAKES "exec ", IGNORED_TEXT, 0},
    {"keep", MAKES, IGNORED_FLAG, 0},
    {"detach", MAKES "exec ", FLAG, AT(is_detached)},
    {"d", MAKES "exec ", FLAG, AT(is_detached)},
    {"force", " delete ", FLAG, AT(is_forced)},
    {"f", " delete ", FLAG, AT(is_forced)},
    {"all", " kill ", FLAG, AT(is_all)},
    {"a", " kill ", FLAG, AT(is_all)},
    {"stats", " events ", FLAG, AT(has_stats)},
    {"interval", " events ", IGNORED_TEXT, 0},
    {"format", " list ps ", TEXT, AT(format)},
    {"f", " list ps ", TEXT, AT(format)},
    {"quiet", " list ", FLAG, AT(is_quiet)},
    {"q", " list ", FLAG, AT(is_quiet)},
    {"process", " exec ", TEXT, AT(process)},
    {"p", " exec ", TEXT, AT(process)},
    {"tty", " exec ", IGNORED_FLAG, 0},
    {"t", " exec ", IGNORED_FLAG, 0},
    {"cwd", " exec ", IGNORED_TEXT, 0},
    {"env", " exec ", IGNORED_TEXT, 0},
    {"e", " exec ", IGNORED_TEXT, 0},
    {"user", " exec ", IGNORED_TEXT, 0},
    {"u", " exec ", IGNORED_TEXT, 0},
    {"cap", " exec ", IGNORED_TEXT, 0},
    {"resources", " update ", TEXT, AT(change)},
    {"r", " update ", TEXT, AT(change)},
    {"image-path", " checkpoint restore ", TEXT, AT(image_path)},
    {"work-path", " checkpoint restore ", TEXT, AT(work_path)},
    {"leave-running", " checkpoint ", FLAG, AT(leaves_running)},
    {"file-locks", " checkpoint restore ", IGNORED_FLAG, 0},
    {"tcp-established", " checkpoint restore ", IGNORED_FLAG, 0},
    {"ext-unix-sk", " checkpoint restore ", IGNORED_FLAG, 0},
    {"shell-job", " checkpoint restore ", IGNORED_FLAG, 0},
    {"manage-cgroups-mode", " checkpoint restore ", IGNORED_TEXT, 0},
    {"empty-ns", " checkpoint restore ", IGNORED_TEXT, 0},
    {"help", " checkpoint ", FLAG, AT(has_help)}, /* podman probes with it */
};

static bool is_of_verb(const struct option *option, const char *verb)
{
    if (verb == NULL || option->verbs == NULL) {
        return verb == NULL && option->verbs == NULL;
    }
    char padded[32];
    (void)snprintf(padded, sizeof(padded), " %s ", verb);
    return strstr(option->verbs, padded) != NULL;
}

static const struct option *find(const char *name, size_t length, const char *verb)
{
    for (size_t i = 0; i < sizeof(OPTIONS) / sizeof(OPTIONS[0]); i++) {
        const struct option *option = &OPTIONS[i];
        if (strlen(option->name) == length && memcmp(option->name, name, length) == 0 &&
            is_of_verb(option, verb)) {
            return option;
        }
    }
    return NULL;
}

static int store(struct axi_oci_options *options, const struct option *option, const char *value,
                 struct axi_report *report)
{
    char *target = (char *)options + option->offset;
    switch (option->kind) {
    case FLAG:
        *(bool *)target = value == NULL || strcmp(value, "false") != 0;
        return 0;
    case TEXT:
        *(const char **)target = value;
        return 0;
    case NUMBER:
        if (axi_parse_u64(value, (uint64_t *)target) != 0) {
            return axi_report_set(report, -AXC_EINVALID, "--%s: \"%s\" is no number", option->name,
                                  value);
        }
        return 0;
    case IGNORED_FLAG:
    case IGNORED_TEXT:
        return 0;
    }
    return 0;
}

static int parse_option(struct axi_oci_options *options, char **argv, int *index,
                        struct axi_report *report)
{
    const char *text = argv[*index];
    const char *name = text + (text[1] == '-' ? 2 : 1);
    size_t length = strcspn(name, "=");
    const struct option *option = find(name, length, options->verb);
    if (option == NULL) {
        return axi_report_set(report, -AXC_EINVALID, "unknown option %s of %s", text,
                              options->verb != NULL ? options->verb : "runax");
    }
    const char *value = name[length] == '=' ? name + length + 1 : NULL;
    if (value == NULL && option->kind != FLAG && option->kind != IGNORED_FLAG) {
        value = argv[*index + 1];
        if (value == NULL) {
            return axi_report_set(report, -AXC_EINVALID, "%s wants a value", text);
        }
        (*index)++;
    }
    return store(options, option, value, report);
}

int axi_oci_options_parse(int argc, char **argv, struct axi_oci_options *ret_options,
                          struct axi_report *report)
{
    *ret_options = (struct axi_oci_options){
        .root = "/run/runax", .log_format = "text", .resources = AXI_RESOURCE_FOLDER};
    struct axi_oci_options *options = ret_options;
    bool has_ended = false; /* by "--" */
    for (int i = 1; i < argc; i++) {
        bool is_option = argv[i][0] == '-' && argv[i][1] != '\0' && !has_ended;
        if (is_option && strcmp(argv[i], "--") == 0) {
            has_ended = true;
        } else if (is_option) {
            int rc = parse_option(options, argv, &i, report);
            if (rc != 0) {
                return rc;
            }
        } else if (options->verb == NULL) {
            options->verb = argv[i];
            has_ended = strcmp(argv[i], "cell") == 0; /* it reads its own options */
        } else if (options->argument_count == AXI_OPTIONS_ARGUMENTS_MAX) {
            return axi_report_set(report, -AXC_EINVALID, "too many arguments");
        } else {
            options->arguments[options->argument_count++] = argv[i];
            /* what follows an exec's container id is its command */
            has_ended = has_ended || strcmp(options->verb, "exec") == 0;
        }
    }
    if (strcmp(options->log_format, "json") != 0 && strcmp(options->log_format, "text") != 0) {
        return axi_report_set(report, -AXC_EINVALID,
                              "--log-format: \"%s\" is neither text nor json", options->log_format);
    }
    return 0;
}
