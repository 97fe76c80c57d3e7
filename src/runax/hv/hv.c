/* SPDX-License-Identifier: Apache-2.0 */
#include "runax/hv/hv.h"

#include "runax/hv/jailhouse/jailhouse.h"
#include "runax/hv/kvm/kvm.h"
#include "runax/hv/qemu/qemu.h"
#include "runax/hv/xen/xen.h"

#include <stdio.h>
#include <string.h>

/* One line per backend, best first. */
const struct axi_hv *const axi_hvs[] = {
    &axi_hv_jailhouse, &axi_hv_xen, &axi_hv_kvm, &axi_hv_qemu, NULL,
};

const struct axi_hv *axi_hv_find(const char *name)
{
    for (size_t i = 0; axi_hvs[i] != NULL; i++) {
        if (strcmp(axi_hvs[i]->name, name) == 0) {
            return axi_hvs[i];
        }
    }
    return NULL;
}

static int choose_named(const struct axi_platform *platform, const char *name,
                        struct axi_partition *partition, struct axi_report *report,
                        const struct axi_hv **ret_hv)
{
    const struct axi_hv *hv = axi_hv_find(name);
    if (hv == NULL) {
        return axi_report_set(report, -AXC_EHV_UNSUPPORTED, "%s: no such backend in this build",
                              name);
    }
    struct axi_report why = {0};
    int rc = hv->probe(platform, partition, &why);
    if (rc != 0) {
        return axi_report_set(report, rc, "%s: %s", name, axi_report_text(&why));
    }
    (void)snprintf(partition->hv, sizeof(partition->hv), "%s", hv->name);
    *ret_hv = hv;
    return 0;
}

int axi_hv_choose(const struct axi_platform *platform, struct axi_partition *partition,
                  struct axi_report *report, const struct axi_hv **ret_hv)
{
    if (partition->hv[0] != '\0') {
        char name[sizeof(partition->hv)];
        (void)strcpy(name, partition->hv);
        return choose_named(platform, name, partition, report, ret_hv);
    }
    char reasons[AXI_REPORT_TEXT_BYTES] = "";
    size_t used = 0;
    for (uint32_t i = 0; i < platform->hv_count; i++) {
        struct axi_report why = {0};
        if (choose_named(platform, platform->hvs[i], partition, &why, ret_hv) == 0) {
            return 0;
        }
        int n = snprintf(reasons + used, sizeof(reasons) - used, "%s%s", used != 0 ? "; " : "",
                         axi_report_text(&why));
        used =
            n < 0 || (size_t)n >= sizeof(reasons) - used ? sizeof(reasons) - 1 : used + (size_t)n;
    }
    return axi_report_set(report, -AXC_EHV_UNSUPPORTED, "no hypervisor for this partition: %s",
                          used != 0 ? reasons : "the platform lists none");
}
