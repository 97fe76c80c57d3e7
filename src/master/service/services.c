/* SPDX-License-Identifier: Apache-2.0 */
#include "master/service/service.h"

void axi_service_replica_changed(struct axi_master *m, const struct axi_task *task, int code,
                                 const char *reason)
{
    axi_event(m, code == 0 ? AXI_INFO : AXI_WARNING, "replica-changed", task,
              axi_node_find(m, task->record.owner), "%s", reason);
}
