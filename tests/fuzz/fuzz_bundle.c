/* SPDX-License-Identifier: Apache-2.0 */
/* What a bundle brings along: config.json with its annotations, CPU lists, hooks and cgroup path,
 * and the binary runtime information of an image. */
#include "fuzz/fuzz.h"
#include "runax/bri/bri.h"
#include "runax/monitor/place.h"
#include "runax/oci/bundle.h"
#include "runax/oci/request.h"

#include <string.h>

static void check_bundle(const char *text, size_t size)
{
    static struct axi_bundle bundle;
    static struct axi_partition partition;
    struct axi_report report = {0};
    char path[PATH_MAX];
    char cpus[512];
    uint32_t grace_ms;

    if (axi_bundle_parse(text, size, "/nowhere", &bundle, &report) != 0) {
        FUZZ_CHECK(report.code != 0 && strlen(axi_report_text(&report)) > 0);
        return;
    }
    for (int i = 0; i < 2; i++) {
        if (axi_cgroup_path(bundle.cgroup, i != 0, path, sizeof(path), &report) == 0) {
            FUZZ_CHECK(strstr(path, "/../") == NULL && (path[0] == '/' || path[0] == '\0'));
        }
    }
    struct axi_cpuset again;
    axi_cpuset_print(&bundle.cpus, cpus, sizeof(cpus));
    FUZZ_CHECK(axi_cpuset_parse(cpus, &again) == 0);
    FUZZ_CHECK(axi_cpuset_count(&again) <= axi_cpuset_count(&bundle.cpus));
    strcpy(bundle.rootfs, "/nowhere/rootfs"); /* nothing of the host is opened */
    FUZZ_CHECK(axi_request_build(&bundle, "fuzz", &partition, &grace_ms, &report) != 0);
    axi_bundle_deinit(&bundle);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct axi_bri bri;
    struct axi_report report = {0};
    check_bundle((const char *)data, size);
    if (axi_bri_parse((const char *)data, size, &bri, &report) == 0) {
        FUZZ_CHECK(bri.partition.image_count >= 1);
        FUZZ_CHECK(bri.partition.image_count <= AXI_PARTITION_IMAGES_MAX);
        FUZZ_CHECK(bri.partition.memory_count <= AXI_PARTITION_MEMORY_MAX);
    }
    return 0;
}
