/* SPDX-License-Identifier: Apache-2.0 */
#include "os/task/server.h"

#include "base/bytes.h"

static void renew(struct axi_server *server, uint64_t from_ns)
{
    server->left_ns = server->budget_ns;
    server->deadline_ns = axi_add_sat(from_ns, server->period_ns);
}

void axi_server_init(struct axi_server *server, uint64_t budget_ns, uint64_t period_ns)
{
    *server = (struct axi_server){.budget_ns = budget_ns, .period_ns = period_ns};
    renew(server, 0);
}

void axi_server_rejoin(struct axi_server *server, uint64_t now_ns)
{
    uint64_t window_ns = axi_sub_sat(server->deadline_ns, now_ns);

    /* left / window > Q / T: the old deadline would give it more than its share. */
    if (axi_mul_sat(server->left_ns, server->period_ns) >=
        axi_mul_sat(window_ns, server->budget_ns)) {
        renew(server, now_ns);
    }
}

void axi_server_wake(struct axi_server *server, uint64_t now_ns)
{
    if (!server->is_awake) {
        server->is_awake = true;
        axi_server_rejoin(server, now_ns);
    }
}

void axi_server_sleep(struct axi_server *server)
{
    server->is_awake = false;
}

void axi_server_charge(struct axi_server *server, uint64_t ran_ns, uint64_t now_ns)
{
    while (ran_ns >= server->left_ns) {
        ran_ns -= server->left_ns;
        renew(server, server->deadline_ns > now_ns ? server->deadline_ns : now_ns);
    }
    server->left_ns -= ran_ns;
}

bool axi_server_is_first(const struct axi_server *server, uint64_t job_deadline_ns)
{
    return server->is_awake &&
           (job_deadline_ns == UINT64_MAX || server->deadline_ns < job_deadline_ns);
}
