/* SPDX-License-Identifier: Apache-2.0 */
/* The whole machine goes to a file and comes back as QEMU's migration stream. */
#include "runax/hv/qemu/qemu_internal.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define MIGRATE_POLL_US 2000
#define MIGRATE_POLLS_MAX 15000

int axi_qemu_wait_migration(struct axi_hv_guest *g, struct axi_report *report)
{
    for (int i = 0; i < MIGRATE_POLLS_MAX; i++) {
        json_t *answer = NULL;
        int rc =
            axi_qmp_call(&g->qmp, "query-migrate", NULL, AXI_QEMU_CALL_TIMEOUT_MS, report, &answer);
        if (rc != 0) {
            return rc;
        }
        const char *text = json_string_value(json_object_get(answer, "status"));
        bool is_done = text != NULL && strcmp(text, "completed") == 0;
        bool is_lost = text != NULL && strcmp(text, "failed") == 0;
        const char *why = json_string_value(json_object_get(answer, "error-desc"));
        if (is_lost) {
            (void)axi_report_set(report, -AXC_EHV_FAILED, "QEMU cannot save or restore: %s",
                                 why != NULL ? why : "no reason given");
        }
        json_decref(answer);
        if (is_done || is_lost) {
            return is_done ? 0 : -AXC_EHV_FAILED;
        }
        (void)usleep(MIGRATE_POLL_US);
    }
    return axi_report_set(report, -AXC_ETIMEOUT, "QEMU has not saved the state in time");
}

int axi_qemu_save(struct axi_hv_guest *g, int folder_fd, struct axi_report *report)
{
    if (g->is_frozen) {
        return axi_report_set(
            report, -AXC_EBUSY,
            "the guest waits for its console to be read; QEMU saves nothing then");
    }
    int fd = openat(folder_fd, AXI_QEMU_STATE_FILE, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0) {
        return axi_report_errno(report, AXI_QEMU_STATE_FILE);
    }
    int rc = axi_qmp_send_fd(&g->qmp, fd, "state", AXI_QEMU_CALL_TIMEOUT_MS, report);
    (void)close(fd);
    if (rc == 0) {
        rc = axi_qmp_call(&g->qmp, "migrate", json_pack("{s:s}", "uri", "fd:state"),
                          AXI_QEMU_CALL_TIMEOUT_MS, report, NULL);
    }
    return rc != 0 ? rc : axi_qemu_wait_migration(g, report);
}
