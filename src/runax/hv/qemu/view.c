/* SPDX-License-Identifier: Apache-2.0 */
/* What QEMU says about the guest, and where its processors run. */
#include "runax/hv/qemu/qemu_internal.h"

#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

int axi_qemu_pin_cpus(struct axi_hv_guest *g, struct axi_report *report)
{
    json_t *cpus = NULL;
    if (axi_cpuset_count(&g->partition.cpus) == 0) {
        return 0;
    }
    int rc =
        axi_qmp_call(&g->qmp, "query-cpus-fast", NULL, AXI_QEMU_CALL_TIMEOUT_MS, report, &cpus);
    uint32_t host_cpu = 0;
    for (size_t i = 0; rc == 0 && i < json_array_size(cpus); i++) {
        while (!axi_cpuset_has(&g->partition.cpus, host_cpu % AXI_CPUS_MAX)) {
            host_cpu++;
        }
        cpu_set_t set;
        CPU_ZERO(&set);
        CPU_SET(host_cpu % AXI_CPUS_MAX, &set);
        host_cpu++;
        json_int_t thread =
            json_integer_value(json_object_get(json_array_get(cpus, i), "thread-id"));
        if (sched_setaffinity((pid_t)thread, sizeof(set), &set) != 0) {
            rc = axi_report_errno(report, "cannot pin virtual CPU %zu to CPU %u", i,
                                  (host_cpu - 1) % AXI_CPUS_MAX);
        }
    }
    json_decref(cpus);
    return rc;
}

static int query_status(struct axi_hv_guest *g, struct axi_report *report, char *ret_text,
                        size_t size)
{
    json_t *answer = NULL;
    int rc = axi_qmp_call(&g->qmp, "query-status", NULL, AXI_QEMU_CALL_TIMEOUT_MS, report, &answer);
    if (rc == 0) {
        const char *text = json_string_value(json_object_get(answer, "status"));
        (void)snprintf(ret_text, size, "%s", text != NULL ? text : "");
        json_decref(answer);
    }
    return rc;
}

static const char *expected_status(const struct axi_hv_guest *g)
{
    switch (g->status.state) {
    case AXI_HV_PREPARED:
        return g->plan.incoming >= 0 ? "paused" : "prelaunch";
    case AXI_HV_PAUSED:
        return "paused";
    case AXI_HV_RUNNING:
        return "running";
    default:
        return "ended";
    }
}

static int verify_number(const struct axi_hv_guest *g, const char *what, json_int_t has,
                         uint64_t wanted, struct axi_report *report)
{
    if ((uint64_t)has != wanted) {
        return axi_report_set(report, -AXC_EHV_VERIFY,
                              "QEMU has %s %" JSON_INTEGER_FORMAT ", partition %s wants %" PRIu64,
                              what, has, g->partition.name, wanted);
    }
    return 0;
}

static int verify_sizes(struct axi_hv_guest *g, struct axi_report *report)
{
    json_t *cpus = NULL, *memory = NULL;
    int rc =
        axi_qmp_call(&g->qmp, "query-cpus-fast", NULL, AXI_QEMU_CALL_TIMEOUT_MS, report, &cpus);
    if (rc == 0) {
        uint64_t wanted = g->partition.cpu_count != 0 ? g->partition.cpu_count : 1;
        if (g->plan.has_remote_image) {
            wanted = g->plan.board->cpus_max + g->plan.board->remote_cores;
        }
        rc = verify_number(g, "CPUs", (json_int_t)json_array_size(cpus), wanted, report);
        json_decref(cpus);
    }
    if (rc == 0) {
        rc = axi_qmp_call(&g->qmp, "query-memory-size-summary", NULL, AXI_QEMU_CALL_TIMEOUT_MS,
                          report, &memory);
    }
    if (rc == 0) {
        json_int_t has = json_integer_value(json_object_get(memory, "base-memory"));
        rc = verify_number(g, "bytes of memory", has, g->plan.ram_bytes, report);
        json_decref(memory);
    }
    return rc;
}

int axi_qemu_verify(struct axi_hv_guest *g, struct axi_report *report)
{
    char has[32];
    if (g->is_frozen) { /* it answers when it goes on */
        return 0;
    }
    int rc = query_status(g, report, has, sizeof(has));
    if (rc == 0 && strcmp(has, expected_status(g)) != 0) {
        return axi_report_set(report, -AXC_EHV_VERIFY, "QEMU says %s, partition %s should be %s",
                              has, g->partition.name, expected_status(g));
    }
    json_t *name = NULL;
    if (rc == 0) {
        rc = axi_qmp_call(&g->qmp, "query-name", NULL, AXI_QEMU_CALL_TIMEOUT_MS, report, &name);
    }
    if (rc == 0) {
        const char *text = json_string_value(json_object_get(name, "name"));
        if (text == NULL || strcmp(text, g->partition.name) != 0) {
            rc = axi_report_set(report, -AXC_EHV_VERIFY, "QEMU's guest is called %s, not %s",
                                text != NULL ? text : "nothing", g->partition.name);
        }
        json_decref(name);
    }
    return rc != 0 ? rc : verify_sizes(g, report);
}
