/* SPDX-License-Identifier: Apache-2.0 */
#include "runax/oci/create.h"

#include "runax/hv/hv.h"
#include "runax/monitor/control.h"
#include "runax/monitor/place.h"
#include "runax/oci/hooks.h"
#include "runax/oci/log.h"
#include "runax/resource/resource.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define END_MS 5000 /* for a monitor that was told to end */

/* Waits until the process has ended; it may be our child or another's. */
static bool wait_for_end(int pid_fd, pid_t pid, int timeout_ms)
{
    struct pollfd item = {.fd = pid_fd, .events = POLLIN};
    bool has_ended = poll(&item, 1, timeout_ms) > 0;
    if (has_ended) {
        (void)waitpid(pid, NULL, WNOHANG);
    }
    return has_ended;
}

static void end_monitor(const struct axi_container *container)
{
    struct axi_report answer = {0};
    if (container->pid == 0) { /* its creator died: so does it, if it is still there at all */
        (void)!axi_control_call(container->folder_fd, "kill 9", END_MS, &answer);
        return;
    }
    int fd = (int)syscall(SYS_pidfd_open, container->pid, 0);
    if (fd >= 0 && axi_state_has_monitor(container)) { /* not another process with its pid */
        int rc = axi_control_call(container->folder_fd, "kill 9", END_MS, &answer);
        if (rc == -AXC_ETIMEOUT || !wait_for_end(fd, container->pid, END_MS)) {
            (void)syscall(SYS_pidfd_send_signal, fd, SIGKILL, NULL, 0);
            (void)wait_for_end(fd, container->pid, END_MS);
        }
    }
    if (fd >= 0) {
        (void)waitpid(container->pid, NULL, WNOHANG);
        (void)close(fd);
    }
}

/* What a monitor that was killed could not give back itself. */
static int reclaim(const struct axi_oci_options *options, const struct axi_container *container,
                   struct axi_report *report)
{
    struct axi_platform platform;
    struct axi_partition partition;
    int rc = axi_resource_find(options->resources, container->id, &partition, report);
    if (rc != 0) {
        return rc == -AXC_ENOENT ? 0 : rc; /* given back already, or it never came so far */
    }
    rc = axi_oci_read_platform(options, &platform, report);
    const struct axi_hv *hv = axi_hv_find(partition.hv);
    const struct axi_hv_host host = {.platform = &platform, .state_fd = container->folder_fd};
    if (rc == 0 && hv != NULL) {
        rc = hv->reclaim(&partition, &host, report);
    }
    return rc != 0 ? rc : axi_resource_release(options->resources, container->id, report);
}

int axi_oci_remove(const struct axi_oci_options *options, struct axi_container *container,
                   struct axi_report *report)
{
    struct axi_report why = {0};
    struct axi_container_now now;
    end_monitor(container);
    int rc = reclaim(options, container, report);
    if (rc != 0) {
        return rc;
    }
    axi_cgroup_remove(container->cgroup);
    axi_state_now(container, &now);
    now.status = AXI_CONTAINER_STOPPED;
    json_t *state = axi_state_describe(container, &now);
    rc = axi_state_remove(options->root, container, report);
    if (rc == 0 && state != NULL && axi_hooks_run(container->hooks, "poststop", state, &why) != 0) {
        axi_oci_log(options, "warning", axi_report_text(&why));
    }
    json_decref(state);
    return rc;
}
