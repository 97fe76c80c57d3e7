/* SPDX-License-Identifier: Apache-2.0 */
/* Platform files: whatever parses is consistent. */
#include "fuzz/fuzz.h"
#include "runax/platform.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct axi_platform platform;
    struct axi_report report = {0};
    if (axi_platform_parse((const char *)data, size, &platform, &report) != 0) {
        FUZZ_CHECK(report.code == -AXC_EPLATFORM && report.text[0] != '\0');
        return 0;
    }
    FUZZ_CHECK(axi_cpuset_count(&platform.housekeeping) != 0);
    for (uint32_t i = 0; i < platform.pool_count; i++) {
        FUZZ_CHECK(platform.pools[i].address + platform.pools[i].bytes > platform.pools[i].address);
    }
    return 0;
}
