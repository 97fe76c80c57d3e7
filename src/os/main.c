/* SPDX-License-Identifier: Apache-2.0 */
/* From the kernel's start to what the configuration asks for: the networked node, or a standalone
 * run. Without a good configuration the machine says so and waits. */
#include "base/log.h"
#include "core/boot_config.h"
#include "os/board/board.h"
#include "os/kernel/kernel.h"
#include "os/kernel/memory.h"
#include "os/kernel/pages.h"
#include "os/net/net.h"
#include "os/node/node.h"
#include "os/task/runtime.h"
#include "os/task/standalone.h"

static struct axi_boot_config config;

static int start_node(const struct axi_boot_info *boot, struct axi_kernel_ops *ret_ops)
{
    static struct axi_standalone standalone;
    const struct axi_runtime_config runtime_config = {
        .slots = config.slots > config.task_count ? config.slots : config.task_count,
        .server_budget_ns = config.server_budget_ns,
        .server_period_ns = config.server_period_ns,
    };
    struct axi_runtime *runtime = NULL;
    struct axi_node *node = NULL;
    int r;

    if (config.host_channel != 0 &&
        !axi_pages_span(axi_at_physical(config.host_channel), AXI_PAGE_BYTES)) {
        axi_log(AXI_LOG_WARN, "host-channel", "text=\"not in this board's memory\"");
        config.host_channel = 0;
    }
    if (config.host_channel != 0) { /* shared with the monitor: never anybody else's */
        axi_pages_reserve(axi_at_physical(config.host_channel), AXI_PAGE_BYTES);
    }
    r = axi_runtime_new(&runtime_config, &runtime);

    if (r == 0 && config.network == AXI_BOOT_NETWORK_NONE) {
        standalone = (struct axi_standalone){runtime, &config, axi_board.platform};
        return axi_runtime_start(runtime, axi_standalone_run, &standalone, ret_ops);
    }
    axi_net_seed(boot->boots);
    r = r < 0 ? r : axi_node_new(&config, runtime, boot->reset_reason, &node);
    return r < 0 ? r : axi_runtime_start(runtime, axi_node_main, node, ret_ops);
}

static int start(const struct axi_boot_info *boot, struct axi_kernel_ops *ret_ops)
{
    int r = boot->config != NULL ? axi_boot_config_decode(boot->config, boot->config_bytes, &config)
                                 : -AXC_ENOENT;

    if (r == 0 && config.exit == AXI_BOOT_EXIT_SEMIHOSTING) {
        axi_machine_allow_semihosting();
    }
    return r < 0 ? r : start_node(boot, ret_ops);
}

static struct axi_context *choose_nobody(void)
{
    return NULL;
}

void axi_image_start(const struct axi_boot_info *boot, struct axi_kernel_ops *ret_ops)
{
    int r = start(boot, ret_ops);

    if (boot->reset_reason[0] != '\0') {
        axi_log(AXI_LOG_WARN, "node-reset", "reason=\"%s\"", boot->reset_reason);
    }
    if (r < 0) {
        axi_log(AXI_LOG_ERROR, "boot-failed", "board=%s error=%s text=\"%s\"", axi_board.name,
                axi_error_name(r), axi_error_text(r));
        ret_ops->choose = choose_nobody;
    }
}
