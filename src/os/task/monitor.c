/* SPDX-License-Identifier: Apache-2.0 */
#include "os/task/monitor.h"

#include "core/host_channel.h"
#include "os/kernel/kernel.h"
#include "os/kernel/memory.h"

static struct axi_host_channel *channel;

void axi_monitor_open(uint64_t address)
{
    struct axi_host_channel *page = axi_at_physical(address);

    if (address == 0) {
        return;
    }
    if (atomic_load(&page->magic) != AXI_HOST_CHANNEL_MAGIC ||
        atomic_load(&page->version) != AXI_HOST_CHANNEL_VERSION) {
        axi_console_print("axcan-os: nobody answers in the host channel\n");
        return;
    }
    channel = page;
}

bool axi_monitor_is_there(void)
{
    return channel != NULL;
}

bool axi_monitor_beat(void)
{
    if (channel == NULL) {
        return false;
    }
    atomic_store(&channel->heartbeat, atomic_load(&channel->heartbeat) + 1);
    return atomic_load(&channel->request) == AXI_HOST_CHANNEL_END;
}

void axi_monitor_set_exit_code(int code)
{
    if (channel != NULL) {
        atomic_store(&channel->exit, AXI_HOST_CHANNEL_EXIT + (uint32_t)code);
    }
}
