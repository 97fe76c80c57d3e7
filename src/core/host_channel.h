/* SPDX-License-Identifier: Apache-2.0 */
/* First 64 bytes of the channel named "host", between a guest and its monitor. Little endian. The
 * rest of the channel is free for the guest and whoever opens it on the host.
 *
 *   offset bytes
 *      0     4   magic 0x48435841 "AXCH"   written by the host before the guest starts
 *      4     4   version 1                 likewise
 *      8     4   request                   host: 0 none, 1 end soon (the container's stop signal)
 *     12     4   exit                      guest: 0x100 + exit code, before it ends without one
 *     16     8   heartbeat                 guest: any other value than before = alive
 *     24    40   0
 */
#ifndef AXI_CORE_HOST_CHANNEL_H
#define AXI_CORE_HOST_CHANNEL_H

#include <stdatomic.h>
#include <stdint.h>

#define AXI_HOST_CHANNEL "host"
#define AXI_HOST_CHANNEL_MAGIC 0x48435841u
#define AXI_HOST_CHANNEL_VERSION 1u
#define AXI_HOST_CHANNEL_END 1u
#define AXI_HOST_CHANNEL_EXIT 0x100u

struct axi_host_channel { /* as mapped; the guest writes while we read */
    _Atomic uint32_t magic;
    _Atomic uint32_t version;
    _Atomic uint32_t request;
    _Atomic uint32_t exit;
    _Atomic uint64_t heartbeat;
    uint8_t reserved[40];
};
_Static_assert(sizeof(struct axi_host_channel) == 64, "the guest sees these bytes");

#endif
