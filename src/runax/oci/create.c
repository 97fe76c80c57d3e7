/* SPDX-License-Identifier: Apache-2.0 */
#include "runax/oci/create.h"

#include "runax/monitor/control.h"
#include "runax/monitor/monitor.h"
#include "runax/monitor/place.h"
#include "runax/oci/console.h"
#include "runax/oci/hooks.h"
#include "runax/oci/log.h"
#include "runax/oci/request.h"
#include "runax/resource/resource.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

struct making {
    const struct axi_create *create;
    struct axi_bundle bundle;
    struct axi_platform platform;
    struct axi_partition partition;
    const struct axi_hv *hv;
    uint32_t grace_ms;
    struct axi_container *container;
    int creator_fd; /* to the monitor; -1 = none: closing it before "commit" ends the monitor */
};

int axi_oci_read_platform(const struct axi_oci_options *options, struct axi_platform *ret_platform,
                          struct axi_report *report)
{
    const char *path = options->platform;
    if (path == NULL && access(AXI_PLATFORM_FILE, F_OK) != 0) {
        axi_platform_default(ret_platform);
        return 0;
    }
    return axi_platform_read(path != NULL ? path : AXI_PLATFORM_FILE, ret_platform, report);
}

static void say(void *context, const char *level, const char *text)
{
    axi_oci_log(context, level, text);
}

static int place_monitor(const struct making *making, struct axi_report *report)
{
    const struct axi_bundle *bundle = &making->bundle;
    struct axi_cpuset cpus = making->platform.housekeeping;
    if (!making->platform.shares_cpus) {
        for (uint32_t i = 0; i < AXI_CPUS_MAX / 64; i++) {
            cpus.bits[i] &= ~making->partition.cpus.bits[i];
        }
    }
    struct axi_report why = {0};
    if (making->container->cgroup[0] != '\0' &&
        axi_cgroup_enter(making->container->cgroup, &why) != 0) {
        axi_oci_log(making->create->options, "warning", axi_report_text(&why));
    }
    if (bundle->has_oom_score && axi_place_oom_score(bundle->oom_score, &why) != 0) {
        axi_oci_log(making->create->options, "warning", axi_report_text(&why));
    }
    return axi_place_on(&cpus, report);
}

/* A directory fd of its own: the creator's is locked, and the lock belongs to the open directory.
 */
static int reopen_folder(struct making *making, struct axi_report *report)
{
    int fd = openat(making->container->folder_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return axi_report_errno(report, "state directory");
    }
    (void)close(making->container->folder_fd);
    making->container->folder_fd = fd;
    return 0;
}

static int become_monitor(struct making *making, int *ret_restore_fd, struct axi_report *report)
{
    const struct axi_create *create = making->create;
    (void)setsid();
    (void)prctl(PR_SET_PDEATHSIG, 0);
    (void)prctl(PR_SET_NAME, "runax-monitor");
    *ret_restore_fd = -1;
    int rc = reopen_folder(making, report);
    if (rc == 0 && making->bundle.has_terminal && create->options->console_socket != NULL) {
        rc = axi_console_attach(create->options->console_socket, report);
    }
    rc = rc != 0 ? rc : place_monitor(making, report);
    if (rc == 0 && create->restore_folder != NULL) {
        *ret_restore_fd = open(create->restore_folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        rc = *ret_restore_fd >= 0
                 ? 0
                 : axi_report_errno(report, "--image-path %s", create->restore_folder);
    }
    return rc != 0 || chdir("/") == 0 ? rc : axi_report_errno(report, "chdir /");
}

static _Noreturn void run_monitor(struct making *making, int creator_fd)
{
    struct axi_report report = {0};
    int restore_fd;
    int rc = become_monitor(making, &restore_fd, &report);
    if (rc != 0) {
        axi_control_answer(creator_fd, rc, axi_report_text(&report));
        _exit(AXI_EXIT_MONITOR);
    }
    axi_bundle_deinit(&making->bundle);
    const struct axi_monitor_config config = {.hv = making->hv,
                                              .partition = &making->partition,
                                              .platform = &making->platform,
                                              .folder_fd = making->container->folder_fd,
                                              .creator_fd = creator_fd,
                                              .restore_fd = restore_fd,
                                              .grace_ms = making->grace_ms,
                                              .say = say,
                                              .context = (void *)making->create->options};
    axi_monitor_run(&config);
}

/* The monitor's word about preparing. */
static int read_ready(int fd, struct axi_report *report)
{
    char text[AXI_REPORT_TEXT_BYTES + 16];
    ssize_t n;
    do {
        n = recv(fd, text, sizeof(text) - 1, 0);
    } while (n < 0 && errno == EINTR);
    if (n <= 0) {
        return axi_report_set(report, -AXC_EMONITOR, "the monitor died while preparing");
    }
    text[n] = '\0';
    char *rest = text;
    long code = strtol(text, &rest, 10);
    return code == 0 ? 0 : axi_report_set(report, (int)code, "%s", *rest == ' ' ? rest + 1 : rest);
}

static int launch(struct making *making, struct axi_report *report)
{
    int ready[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ready) != 0) {
        return axi_report_errno(report, "socket");
    }
    pid_t pid = fork();
    if (pid == 0) {
        (void)close(ready[0]);
        run_monitor(making, ready[1]);
    }
    (void)close(ready[1]);
    int rc = pid < 0 ? axi_report_errno(report, "fork") : 0;
    if (pid > 0) {
        making->container->pid = pid;
        making->container->pid_start = axi_process_start(pid);
        rc = read_ready(ready[0], report);
    }
    making->creator_fd = ready[0];
    return rc;
}

static int run_create_hooks(struct making *making, struct axi_report *report)
{
    static const char *const PHASES[] = {"prestart", "createRuntime", "createContainer"};
    if (making->bundle.hooks == NULL) {
        return 0;
    }
    const struct axi_container_now now = {.status = AXI_CONTAINER_CREATED};
    json_t *state = axi_state_describe(making->container, &now);
    (void)json_object_set_new(state, "status", json_string("creating"));
    int rc = state != NULL ? 0 : axi_report_set(report, -AXC_ENOMEM, "hooks: out of memory");
    for (size_t i = 0; i < sizeof(PHASES) / sizeof(PHASES[0]) && rc == 0; i++) {
        rc = axi_hooks_run(making->bundle.hooks, PHASES[i], state, report);
    }
    json_decref(state);
    return rc;
}

static int write_pid_file(const char *path, pid_t pid, struct axi_report *report)
{
    char temporary[PATH_MAX];
    char text[16];
    if (path == NULL) {
        return 0;
    }
    if (snprintf(temporary, sizeof(temporary), "%s.tmp", path) >= (int)sizeof(temporary)) {
        return axi_report_set(report, -AXC_EINVALID, "--pid-file: too long");
    }
    int n = snprintf(text, sizeof(text), "%d", (int)pid);
    int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    bool is_written = fd >= 0 && write(fd, text, (size_t)n) == n;
    is_written = fd >= 0 && close(fd) == 0 && is_written && rename(temporary, path) == 0;
    return is_written ? 0 : axi_report_errno(report, "--pid-file %s", path);
}

static int fill_container(struct making *making, struct axi_report *report)
{
    struct axi_container *container = making->container;
    (void)strcpy(container->bundle, making->bundle.path);
    (void)strcpy(container->rootfs, making->bundle.rootfs);
    (void)strcpy(container->hv, making->hv->name);
    container->annotations = json_incref(making->bundle.annotations);
    container->hooks = json_incref(making->bundle.hooks);
    return axi_cgroup_path(making->bundle.cgroup, making->create->options->has_systemd_cgroup,
                           container->cgroup, sizeof(container->cgroup), report);
}

static int make(struct making *making, struct axi_report *report)
{
    const struct axi_oci_options *options = making->create->options;
    struct axi_container *container = making->container;
    int rc = axi_state_create(options->root, making->create->id, container, report);
    if (rc != 0) {
        return rc;
    }
    rc = fill_container(making, report);
    rc = rc != 0 ? rc
                 : axi_resource_acquire(options->resources, &making->platform, options->root,
                                        getpid(), &making->partition, report);
    rc = rc != 0 ? rc : launch(making, report);
    rc = rc != 0 ? rc
                 : axi_resource_confirm(options->resources, container->id, container->pid, report);
    rc = rc != 0 ? rc : run_create_hooks(making, report);
    rc = rc != 0 ? rc : axi_state_save(container, report);
    rc = rc != 0 ? rc : write_pid_file(options->pid_file, container->pid, report);
    if (rc == 0 && send(making->creator_fd, "commit", 6, MSG_NOSIGNAL) != 6) {
        rc = axi_report_set(report, -AXC_EMONITOR, "the monitor died while preparing");
    }
    if (rc != 0) {
        struct axi_report why = {0};
        if (axi_oci_remove(options, container, &why) != 0) {
            axi_oci_log(options, "warning", axi_report_text(&why));
        }
        axi_state_deinit(container);
    }
    return rc;
}

static int check_terminal(const struct making *making, struct axi_report *report)
{
    const struct axi_create *create = making->create;
    if (making->bundle.has_terminal && create->options->console_socket == NULL &&
        !create->may_share_terminal) {
        return axi_report_set(report, -AXC_EBUNDLE,
                              "process.terminal is set: --console-socket is needed");
    }
    return 0;
}

int axi_oci_create(const struct axi_create *create, struct axi_container *ret_container,
                   struct axi_report *report)
{
    struct making *making = calloc(1, sizeof(*making));
    if (making == NULL) {
        return axi_report_set(report, -AXC_ENOMEM, "out of memory");
    }
    const char *folder = create->options->bundle != NULL ? create->options->bundle : ".";
    making->create = create;
    making->container = ret_container;
    int rc = axi_bundle_read(folder, &making->bundle, report);
    if (rc != 0) {
        free(making);
        return rc;
    }
    rc = check_terminal(making, report);
    rc = rc != 0 ? rc
                 : axi_request_build(&making->bundle, create->id, &making->partition,
                                     &making->grace_ms, report);
    if (rc == 0) {
        rc = axi_oci_read_platform(create->options, &making->platform, report);
        rc = rc != 0 ? rc
                     : axi_hv_choose(&making->platform, &making->partition, report, &making->hv);
        making->creator_fd = -1;
        rc = rc != 0 ? rc : make(making, report);
        if (making->creator_fd >= 0) {
            (void)close(making->creator_fd);
        }
        axi_request_close(&making->partition);
    }
    axi_bundle_deinit(&making->bundle);
    free(making);
    return rc;
}
