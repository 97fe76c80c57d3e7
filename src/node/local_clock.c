/* SPDX-License-Identifier: Apache-2.0 */
#include "node/local_clock.h"

#include <time.h>

#define NS_PER_S INT64_C(1000000000)

static int64_t skew_ns, skew_ppb; /* written before threads and processes start */

static int64_t boottime_ns(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_BOOTTIME, &now);
    return now.tv_sec * NS_PER_S + now.tv_nsec;
}

static int64_t skewed(int64_t boot_ns)
{
    return boot_ns + skew_ns + (int64_t)((__int128)boot_ns * skew_ppb / NS_PER_S);
}

int axi_local_clock_skew(int64_t offset_ns, int64_t rate_ppb)
{
    if (offset_ns > AXI_SKEW_NS_MAX || offset_ns < -AXI_SKEW_NS_MAX ||
        rate_ppb > AXI_SKEW_PPB_MAX || rate_ppb < -AXI_SKEW_PPB_MAX) {
        return -AXC_EINVALID;
    }
    skew_ns = offset_ns;
    skew_ppb = rate_ppb;
    if (skewed(boottime_ns()) <= 0) {
        skew_ns = 0;
        skew_ppb = 0;
        return -AXC_EINVALID;
    }
    return 0;
}

uint64_t axi_local_clock_ns(void)
{
    return (uint64_t)skewed(boottime_ns());
}

uint64_t axi_local_clock_to_boottime(uint64_t local_ns)
{
    const __int128 rate = NS_PER_S + skew_ppb;
    __int128 since = (__int128)local_ns - skew_ns;

    if (skew_ppb == 0) {
        return since > 0 ? (uint64_t)since : 0;
    }
    return since > 0 ? (uint64_t)((since * NS_PER_S + rate - 1) / rate) + 1 : 0;
}
