/* SPDX-License-Identifier: Apache-2.0 */
#include "runax/platform.h"

#include <sched.h>
#include <stdio.h>
#include <string.h>

static const char *host_isa(void)
{
#if defined(__aarch64__)
    return "aarch64";
#else
    return "x86_64";
#endif
}

/* CPUs that Linux keeps free of ordinary work ("isolcpus="); empty when unknown. */
static void read_isolated(struct axi_cpuset *ret_set)
{
    *ret_set = (struct axi_cpuset){0};
    FILE *file = fopen("/sys/devices/system/cpu/isolated", "re");
    if (file == NULL) {
        return;
    }
    char text[256] = "";
    if (fgets(text, sizeof(text), file) != NULL) {
        text[strcspn(text, "\n")] = '\0';
        if (axi_cpuset_parse(text, ret_set) != 0) {
            *ret_set = (struct axi_cpuset){0};
        }
    }
    (void)fclose(file);
}

void axi_platform_default(struct axi_platform *ret_platform)
{
    struct axi_platform platform = {
        .board = "host",
        .hvs = {"kvm", "qemu"},
        .hv_count = 2,
        .shares_cpus = true,
        .allows_cpu0 = true,
        .jailhouse = {.device = "/dev/jailhouse",
                      .sysfs = "/sys/devices/jailhouse",
                      .memory = "/dev/mem",
                      .firmware = "/lib/firmware"},
        .xen = {.xl = "/usr/sbin/xl"},
        .qemu = {.folder = "/usr/bin"},
        .kvm = {.device = "/dev/kvm"},
    };
    (void)snprintf(platform.isa, sizeof(platform.isa), "%s", host_isa());
    struct axi_cpuset isolated;
    read_isolated(&isolated);
    cpu_set_t mine;
    CPU_ZERO(&mine);
    if (sched_getaffinity(0, sizeof(mine), &mine) != 0) {
        CPU_SET(0, &mine);
    }
    for (uint32_t cpu = 0; cpu < AXI_CPUS_MAX && cpu < CPU_SETSIZE; cpu++) {
        if (!CPU_ISSET(cpu, &mine) && !axi_cpuset_has(&isolated, cpu)) {
            continue;
        }
        axi_cpuset_add(&platform.cpus, cpu);
        if (!axi_cpuset_has(&isolated, cpu)) {
            axi_cpuset_add(&platform.housekeeping, cpu);
        }
    }
    *ret_platform = platform;
}
