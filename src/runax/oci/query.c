/* SPDX-License-Identifier: Apache-2.0 */
/* state, list, ps, events, update, exec: what can be asked, and what a partition refuses. */
#include "runax/oci/verbs.h"

#include "runax/json.h"
#include "runax/monitor/control.h"
#include "runax/oci/state.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int print_json(json_t *value, size_t flags, struct axi_report *report)
{
    if (value == NULL) {
        return axi_report_set(report, -AXC_ENOMEM, "out of memory");
    }
    int rc = json_dumpf(value, stdout, flags);
    json_decref(value);
    (void)putchar('\n');
    return rc == 0 && fflush(stdout) == 0
               ? 0
               : axi_report_set(report, -AXC_EIO, "standard output cannot be written");
}

static int open_container(const struct axi_oci_options *options,
                          struct axi_container *ret_container, struct axi_report *report)
{
    return axi_state_open(options->root, options->arguments[0], 0, ret_container, report);
}

int axi_verb_state(const struct axi_oci_options *options, struct axi_report *report)
{
    struct axi_container container;
    struct axi_container_now now;
    int rc = open_container(options, &container, report);
    if (rc == 0) {
        axi_state_now(&container, &now);
        rc = print_json(axi_state_describe(&container, &now), JSON_INDENT(2), report);
        axi_state_deinit(&container);
    }
    return rc;
}

static void list_one(const struct axi_oci_options *options, const char *id, json_t *list)
{
    struct axi_container container;
    struct axi_container_now now;
    struct axi_report report = {0};
    if (axi_state_open(options->root, id, 0, &container, &report) != 0) {
        return; /* deleted meanwhile, or none of ours */
    }
    axi_state_now(&container, &now);
    json_t *state = axi_state_describe(&container, &now);
    axi_state_deinit(&container);
    if (state == NULL) {
        return;
    }
    if (strcmp(options->format, "json") == 0) {
        (void)json_array_append(list, state);
    } else if (options->is_quiet) {
        (void)puts(id);
    } else {
        (void)printf("%-32s %-8" JSON_INTEGER_FORMAT " %-9s %-10s %s\n", id,
                     json_integer_value(json_object_get(state, "pid")),
                     json_string_value(json_object_get(state, "status")),
                     json_string_value(json_object_get(state, "hypervisor")),
                     json_string_value(json_object_get(state, "bundle")));
    }
    json_decref(state);
}

static int check_format(struct axi_oci_options *options, struct axi_report *report)
{
    options->format = options->format != NULL ? options->format : "table";
    return strcmp(options->format, "json") == 0 || strcmp(options->format, "table") == 0
               ? 0
               : axi_report_set(report, -AXC_EINVALID,
                                "--format: \"%.40s\" is neither table nor json", options->format);
}

int axi_verb_list(const struct axi_oci_options *given, struct axi_report *report)
{
    struct axi_oci_options options = *given;
    int rc = check_format(&options, report);
    if (rc != 0) {
        return rc;
    }
    bool is_json = strcmp(options.format, "json") == 0;
    json_t *list = json_array();
    if (!is_json && !options.is_quiet) {
        (void)printf("%-32s %-8s %-9s %-10s %s\n", "ID", "PID", "STATUS", "HYPERVISOR", "BUNDLE");
    }
    struct dirent **entries = NULL;
    int count = scandir(options.root, &entries, NULL, alphasort);
    for (int i = 0; i < count; i++) {
        if (entries[i]->d_name[0] != '.') {
            list_one(&options, entries[i]->d_name, list);
        }
        free(entries[i]);
    }
    free(entries);
    if (is_json) {
        return print_json(list, JSON_COMPACT, report);
    }
    json_decref(list);
    return 0;
}

int axi_verb_ps(const struct axi_oci_options *given, struct axi_report *report)
{
    struct axi_oci_options options = *given;
    struct axi_container container;
    int rc = check_format(&options, report);
    rc = rc != 0 ? rc : open_container(&options, &container, report);
    if (rc != 0) {
        return rc;
    }
    bool is_there = axi_state_has_monitor(&container);
    pid_t pid = container.pid;
    axi_state_deinit(&container);
    if (strcmp(options.format, "json") == 0) {
        return print_json(is_there ? json_pack("[i]", (int)pid) : json_array(), JSON_COMPACT,
                          report);
    }
    (void)printf("%-8s %s\n", "PID", "COMMAND");
    if (is_there) {
        (void)printf("%-8d %s\n", (int)pid, "runax-monitor");
    }
    return 0;
}

int axi_verb_events(const struct axi_oci_options *options, struct axi_report *report)
{
    struct axi_container container;
    uint64_t cpu_ns = 0;
    uint64_t memory = 0;
    uint64_t exits = 0;
    uint64_t heartbeat = 0;
    if (!options->has_stats) {
        return axi_report_set(report, -AXC_EINVALID, "events: only --stats is possible");
    }
    int rc = open_container(options, &container, report);
    if (rc != 0) {
        return rc;
    }
    rc = axi_control_call(container.folder_fd, "stats", AXI_CONTROL_TIMEOUT_MS, report);
    if (rc == -AXC_EMONITOR) {
        rc = axi_report_set(report, -AXC_ENOT_RUNNING, "container not running: %s", container.id);
    }
    if (rc == 0) {
        (void)sscanf(report->text, "%" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64, &cpu_ns, &memory,
                     &exits, &heartbeat);
        rc = print_json(json_pack("{ss ss s{s{s{sI}} s{s{sI sI}} s{sI sI}}}", "type", "stats", "id",
                                  container.id, "data", "cpu", "usage", "total", (json_int_t)cpu_ns,
                                  "memory", "usage", "usage", (json_int_t)memory, "limit",
                                  (json_int_t)memory, "partition", "exits", (json_int_t)exits,
                                  "heartbeat", (json_int_t)heartbeat),
                        JSON_COMPACT, report);
    }
    axi_state_deinit(&container);
    return rc;
}

int axi_verb_exec(const struct axi_oci_options *options, struct axi_report *report)
{
    struct axi_container container;
    int rc = open_container(options, &container, report);
    if (rc != 0) {
        return rc;
    }
    axi_state_deinit(&container);
    (void)axi_report_set(report, -AXC_EHV_UNSUPPORTED,
                         "exec is not possible: container %s is a partition, it has one image and "
                         "no processes (operation not permitted)",
                         options->arguments[0]);
    return AXI_EXIT_NO_EXEC;
}

static int read_change(const char *path, char **ret_text, size_t *ret_bytes,
                       struct axi_report *report)
{
    FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
    if (file == NULL) {
        return axi_report_errno(report, "--resources %s", path);
    }
    size_t size = 0;
    char *text = NULL;
    ssize_t n = getdelim(&text, &size, '\0', file);
    if (file != stdin) {
        (void)fclose(file);
    }
    *ret_text = text;
    *ret_bytes = n > 0 ? (size_t)n : 0;
    return 0;
}

/* Engines send whole resource objects, with zeros and nulls for what shall stay as it is. */
static bool means_nothing(const json_t *value)
{
    const char *key;
    json_t *member;
    if (json_is_object(value)) {
        json_object_foreach ((json_t *)value, key, member) {
            if (!means_nothing(member)) {
                return false;
            }
        }
        return true;
    }
    return value == NULL || json_is_null(value) || json_is_false(value) ||
           (json_is_integer(value) && json_integer_value(value) <= 0) ||
           (json_is_string(value) && json_string_length(value) == 0) ||
           (json_is_array(value) && json_array_size(value) == 0);
}

int axi_verb_update(const struct axi_oci_options *options, struct axi_report *report)
{
    struct axi_container container;
    int rc = open_container(options, &container, report);
    if (rc != 0) {
        return rc;
    }
    axi_state_deinit(&container);
    char *text = NULL;
    size_t bytes = 0;
    json_t *change = NULL;
    const char *key;
    json_t *value;
    rc = options->change == NULL ? axi_report_set(report, -AXC_EINVALID, "update: --resources FILE")
                                 : read_change(options->change, &text, &bytes, report);
    rc = rc != 0 ? rc
                 : axi_json_parse(text, bytes, AXI_BUNDLE_BYTES_MAX, -AXC_EBUNDLE, report, &change);
    free(text);
    json_object_foreach (change, key, value) {
        if (rc == 0 && !means_nothing(value)) {
            rc = axi_report_set(report, -AXC_EHV_UNSUPPORTED,
                                "update: \"%.60s\" of a partition cannot be changed; it keeps the "
                                "CPUs, memory and devices it was created with",
                                key);
        }
    }
    json_decref(change);
    return rc;
}
