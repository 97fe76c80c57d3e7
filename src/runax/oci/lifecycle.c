/* SPDX-License-Identifier: Apache-2.0 */
/* create, run, start, kill, pause, resume, delete, checkpoint, restore. */
#include "runax/oci/verbs.h"

#include "runax/json.h"
#include "runax/monitor/control.h"
#include "runax/oci/create.h"
#include "runax/oci/hooks.h"
#include "runax/oci/log.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define KILL_TIMEOUT_MS 10000
#define CHECKPOINT_TIMEOUT_MS 120000

int axi_verb_create(const struct axi_oci_options *options, struct axi_report *report)
{
    const struct axi_create create = {.options = options, .id = options->arguments[0]};
    struct axi_container container;
    int rc = axi_oci_create(&create, &container, report);
    if (rc == 0) {
        axi_state_deinit(&container);
    }
    return rc;
}

static int run_phase(const struct axi_container *container, const char *phase,
                     enum axi_container_status status, struct axi_report *report)
{
    const struct axi_container_now now = {.status = status};
    if (container->hooks == NULL) {
        return 0;
    }
    json_t *state = axi_state_describe(container, &now);
    int rc = axi_hooks_run(container->hooks, phase, state, report);
    json_decref(state);
    return rc;
}

static int start_container(struct axi_container *container, struct axi_report *report)
{
    struct axi_container_now now;
    struct axi_report answer = {0};
    axi_state_now(container, &now);
    if (now.status != AXI_CONTAINER_CREATED) {
        return axi_report_set(report, -AXC_ESTATE,
                              "cannot start a container in the %s state: %s was started already",
                              axi_container_status_name(now.status), container->id);
    }
    int rc = run_phase(container, "startContainer", AXI_CONTAINER_CREATED, report);
    if (rc == 0) {
        rc = axi_control_call(container->folder_fd, "start", AXI_CONTROL_TIMEOUT_MS, report);
    }
    rc = rc != 0 ? rc : run_phase(container, "poststart", AXI_CONTAINER_RUNNING, report);
    if (rc == -AXC_EHOOK) { /* the specification: stop it */
        (void)!axi_control_call(container->folder_fd, "kill 9", KILL_TIMEOUT_MS, &answer);
    }
    return rc;
}

int axi_verb_start(const struct axi_oci_options *options, struct axi_report *report)
{
    struct axi_container container;
    int rc =
        axi_state_open(options->root, options->arguments[0], AXI_STATE_LOCKED, &container, report);
    if (rc == 0) {
        rc = start_container(&container, report);
        axi_state_deinit(&container);
    }
    return rc;
}

int axi_parse_signal(const char *text, int *ret_number, struct axi_report *report)
{
    uint64_t number = 0;
    const char *name = strncasecmp(text, "SIG", 3) == 0 ? text + 3 : text;
    if (axi_parse_u64(text, &number) == 0 && number < 65) {
        *ret_number = (int)number;
        return 0;
    }
    if (strncasecmp(name, "RTMIN", 5) == 0 && (name[5] == '\0' || name[5] == '+') &&
        (name[5] == '\0' || (axi_parse_u64(name + 6, &number) == 0 && number <= 30))) {
        *ret_number = 34 + (int)number;
        return 0;
    }
    for (int i = 1; i < 32; i++) {
        const char *abbreviation = sigabbrev_np(i);
        if (abbreviation != NULL && strcasecmp(abbreviation, name) == 0) {
            *ret_number = i;
            return 0;
        }
    }
    return axi_report_set(report, -AXC_EINVALID, "unknown signal \"%.40s\"", text);
}

static int signal_container(struct axi_container *container, int number, struct axi_report *report)
{
    char request[32];
    struct axi_container_now now;
    (void)snprintf(request, sizeof(request), "kill %d", number);
    int rc = container->pid == 0
                 ? -AXC_EMONITOR
                 : axi_control_call(container->folder_fd, request, KILL_TIMEOUT_MS, report);
    if (rc != -AXC_EMONITOR) {
        return rc;
    }
    axi_state_now(container, &now); /* nobody there: it has ended, or is just beginning or ending */
    return axi_report_set(report, -AXC_ENOT_RUNNING, "container not running: %s is %s",
                          container->id, axi_container_status_name(now.status));
}

int axi_verb_kill(const struct axi_oci_options *options, struct axi_report *report)
{
    struct axi_container container;
    int number = SIGTERM;
    int rc =
        options->argument_count < 2 ? 0 : axi_parse_signal(options->arguments[1], &number, report);
    rc = rc != 0 ? rc : axi_state_open(options->root, options->arguments[0], 0, &container, report);
    if (rc != 0) {
        return rc;
    }
    rc = signal_container(&container, number, report);
    axi_state_deinit(&container);
    return rc == -AXC_ENOT_RUNNING && options->is_all ? 0 : rc;
}

static int ask(const struct axi_oci_options *options, const char *request, int timeout_ms,
               struct axi_report *report)
{
    struct axi_container container;
    struct axi_container_now now;
    int rc = axi_state_open(options->root, options->arguments[0], 0, &container, report);
    if (rc != 0) {
        return rc;
    }
    rc = container.pid == 0 ? -AXC_EMONITOR
                            : axi_control_call(container.folder_fd, request, timeout_ms, report);
    if (rc == -AXC_EMONITOR) {
        axi_state_now(&container, &now);
        rc = axi_report_set(report, -AXC_ENOT_RUNNING, "container not running: %s is %s",
                            container.id, axi_container_status_name(now.status));
    }
    axi_state_deinit(&container);
    return rc;
}

int axi_verb_pause(const struct axi_oci_options *options, struct axi_report *report)
{
    return ask(options, "pause", AXI_CONTROL_TIMEOUT_MS, report);
}

int axi_verb_resume(const struct axi_oci_options *options, struct axi_report *report)
{
    return ask(options, "resume", AXI_CONTROL_TIMEOUT_MS, report);
}

static int delete_container(const struct axi_oci_options *options, struct axi_container *container,
                            struct axi_report *report)
{
    struct axi_container_now now;
    axi_state_now(container, &now);
    if (now.status != AXI_CONTAINER_STOPPED && !options->is_forced) {
        return axi_report_set(report, -AXC_ESTATE,
                              "cannot delete container %s that is not stopped: %s", container->id,
                              axi_container_status_name(now.status));
    }
    return axi_oci_remove(options, container, report);
}

int axi_verb_delete(const struct axi_oci_options *options, struct axi_report *report)
{
    struct axi_container container;
    unsigned flags = AXI_STATE_LOCKED | (options->is_forced ? AXI_STATE_ANYHOW : 0);
    int rc = axi_state_open(options->root, options->arguments[0], flags, &container, report);
    if (rc == -AXC_ENO_CONTAINER && options->is_forced) {
        return 0;
    }
    if (rc == 0) {
        rc = delete_container(options, &container, report);
        axi_state_deinit(&container);
    }
    return rc;
}

/* `run` without --detach: stays until the guest's end, hands on the signals that come. */
static int stay(const struct axi_oci_options *options, struct axi_container *container,
                struct axi_report *report)
{
    sigset_t set;
    int status = 0;
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    while (waitpid(container->pid, &status, WNOHANG) == 0) {
        int number = 0;
        if (sigwait(&set, &number) == 0 && number != SIGCHLD) {
            struct axi_report why = {0};
            if (signal_container(container, number, &why) != 0) {
                axi_oci_log(options, "warning", axi_report_text(&why));
            }
        }
    }
    int rc = axi_oci_remove(options, container, report);
    return rc != 0 ? rc : WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static int create_and_start(const struct axi_create *create, struct axi_report *report)
{
    const struct axi_oci_options *options = create->options;
    struct axi_container container;
    sigset_t set;
    int rc = axi_oci_create(create, &container, report);
    if (rc != 0) {
        return rc;
    }
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    if (!options->is_detached) {
        (void)sigprocmask(SIG_BLOCK, &set, NULL);
    }
    rc = start_container(&container, report);
    if (rc != 0) {
        struct axi_report why = {0};
        (void)!axi_oci_remove(options, &container, &why);
    } else if (!options->is_detached) {
        rc = stay(options, &container, report);
    }
    axi_state_deinit(&container);
    return rc;
}

int axi_verb_run_attached(const struct axi_oci_options *options, struct axi_report *report)
{
    const struct axi_create create = {.options = options,
                                      .id = options->arguments[0],
                                      .may_share_terminal = !options->is_detached};
    return create_and_start(&create, report);
}

int axi_verb_restore(const struct axi_oci_options *options, struct axi_report *report)
{
    const struct axi_create create = {
        .options = options,
        .id = options->arguments[0],
        .restore_folder = options->image_path != NULL ? options->image_path : "checkpoint"};
    return create_and_start(&create, report);
}

int axi_verb_checkpoint(const struct axi_oci_options *options, struct axi_report *report)
{
    char path[PATH_MAX];
    char request[PATH_MAX + 16];
    const char *folder = options->image_path != NULL ? options->image_path : "checkpoint";
    if (options->has_help) { /* podman asks whether the verb is there at all */
        axi_verb_help();
        return 0;
    }
    if ((mkdir(folder, 0700) != 0 && errno != EEXIST) || realpath(folder, path) == NULL) {
        return axi_report_errno(report, "--image-path %s", folder);
    }
    (void)snprintf(request, sizeof(request), "checkpoint %s", path);
    int rc = ask(options, request, CHECKPOINT_TIMEOUT_MS, report);
    if (rc == 0 && !options->leaves_running) {
        rc = ask(options, "kill 9", KILL_TIMEOUT_MS, report);
    }
    return rc;
}
