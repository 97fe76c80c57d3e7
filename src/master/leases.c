/* SPDX-License-Identifier: Apache-2.0 */
/* Leases: renewed in the store, several nodes in one transaction, before any heartbeat is
 * acknowledged. The node counts its lease from the time it SENT the heartbeat; this master counts
 * from the time it saw the renewal stored, which is later, and adds drift and margin: when it says
 * "expired", the node has stopped for longer than that. */
#include "master/internal.h"
#include "master/service/service.h"
#include "master/service/telemetry.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LATE_NS 20000000ull
#define GRACE_NS 100000000ull /* for a tick that came late: heartbeats must be read first */

uint64_t axi_lease_window_ns(struct axi_master *m)
{
    uint64_t drift = m->config.lease_ns / 1000000 * m->config.drift_ppm;

    return m->config.skip_lease_wait ? m->config.lease_ns / 8
                                     : m->config.lease_ns + drift + m->config.lease_margin_ns;
}

static bool has_many_nodes(const struct axi_master *m)
{
    return m->node_count >= m->config.many_nodes;
}

/* With many nodes a lease that was renewed a moment ago is left as it is: it still has three
 * quarters to run, and this heartbeat needs no answer. */
static bool is_renewal_due(struct axi_master *m, const struct axi_node *node)
{
    return !has_many_nodes(m) || !node->has_lease ||
           axi_now(m) - node->renewed_local_ns > m->config.lease_ns / 4;
}

void axi_node_heartbeat(struct axi_master *m, struct axi_node *node, const axi_Heartbeat *beat)
{
    axi_clock_heartbeat(m, node, beat);
    axi_telemetry_heartbeat(m, node, beat);
    node->heartbeat = *beat;
    node->heartbeat_master_ns = axi_now_master(m);
    node->is_renewal_pending |= is_renewal_due(m, node);
    m->has_renewals |= node->is_renewal_pending;
}

/* With many nodes every second heartbeat will do, if a lease outlasts five: a node whose heartbeat
 * is not acknowledged in time sends the next one as ever. */
static uint64_t next_heartbeat_ns(const struct axi_master *m)
{
    return has_many_nodes(m) && 5 * m->config.heartbeat_ns <= m->config.lease_ns
               ? 2 * m->config.heartbeat_ns
               : 0;
}

static void acknowledge(struct axi_master *m, struct axi_node *node)
{
    axi_HeartbeatAck ack = {.sequence = node->heartbeat.sequence,
                            .send_local_ns = node->heartbeat.send_local_ns,
                            .receive_master_ns = node->heartbeat_master_ns,
                            .reply_master_ns = axi_now_master(m),
                            .lease_ns = m->config.lease_ns,
                            .next_ns = next_heartbeat_ns(m)};

    axi_send(m, node, AXI_WIRE_HEARTBEAT_ACK, &ack);
}

#define BATCH_MAX 120u

static size_t collect(struct axi_master *m, struct axi_node **batch, struct axi_store_op *ops,
                      char (*keys)[40], char (*values)[96])
{
    size_t count = 0;

    for (size_t i = 0; i < m->node_count && count < BATCH_MAX; i++) {
        struct axi_node *node = m->nodes[i];

        if (!node->is_renewal_pending || node->link == 0) {
            continue;
        }
        (void)snprintf(keys[count], sizeof(keys[0]), "lease/%llx", (unsigned long long)node->id);
        (void)snprintf(values[count], sizeof(values[0]), "{\"boot\":\"%llx\",\"sequence\":%llu}",
                       (unsigned long long)node->boot_id,
                       (unsigned long long)node->heartbeat.sequence);
        ops[count] = (struct axi_store_op){.kind = AXI_STORE_PUT,
                                           .key = keys[count],
                                           .expected = AXI_STORE_ANY,
                                           .value = values[count],
                                           .value_bytes = strlen(values[count])};
        batch[count++] = node;
    }
    return count;
}

/* With many nodes a renewal waits longer for company: a commit costs what it costs, however many
 * are in it. */
uint64_t axi_leases_batch_ns(const struct axi_master *m)
{
    uint64_t most_ns = m->config.heartbeat_ns / 2;

    return !has_many_nodes(m) || most_ns < m->config.batch_ns ? m->config.batch_ns : most_ns;
}

void axi_leases_renew(struct axi_master *m)
{
    struct axi_node *batch[BATCH_MAX];
    struct axi_store_op ops[BATCH_MAX];
    char keys[BATCH_MAX][40];
    char values[BATCH_MAX][96];
    uint64_t revision = 0;
    bool is_anyone_new = false;
    bool is_lapsed = false;
    size_t count;
    int rc;

    if (!m->has_renewals || axi_now(m) < m->next_batch_ns) {
        return;
    }
    count = collect(m, batch, ops, keys, values);
    m->has_renewals = count == BATCH_MAX;
    if (count == 0) {
        return;
    }
    for (size_t i = 0; i < count; i++) {
        is_lapsed |=
            !batch[i]->has_lease || axi_now(m) - batch[i]->renewed_local_ns > m->config.lease_ns;
    }
    rc = axi_commit(m, ops, count, &revision);
    /* Before a node that had no lease gets one again, it is known what was claimed meanwhile; what
     * is claimed from now on compares with this renewal. */
    if (rc == 0 && is_lapsed && axi_managers_known(m) && axi_watch_poll(m) != 0) {
        rc = -AXC_ETIMEOUT;
    }
    m->next_batch_ns = axi_now(m) + axi_leases_batch_ns(m);
    m->has_renewals |= rc != 0;
    for (size_t i = 0; i < count && (rc == 0 || rc == -AXC_ETIMEOUT); i++) {
        batch[i]->is_renewal_pending = false;
        batch[i]->renewed_local_ns = axi_now(m); /* unknown outcome: it may have been renewed */
        if (rc == 0) {
            batch[i]->lease_revision = revision;
            is_anyone_new |= !batch[i]->has_lease;
            batch[i]->has_lease = true;
            acknowledge(m, batch[i]);
        }
    }
    if (is_anyone_new) {
        axi_services_nodes_changed(m);
    }
    for (size_t t = 0; is_anyone_new && t < m->task_count; t++) {
        axi_flow_drive(m, m->tasks[t]); /* a node that just became ready may be waited for */
    }
}

/* By the time this tick began: a slow store within it is nobody's fault. */
static bool is_expired(struct axi_master *m, const struct axi_node *node)
{
    return !node->is_dead && m->tick_ns > node->renewed_local_ns + axi_lease_window_ns(m);
}

/* Another keeper may have renewed it. -AXC_ECONFLICT: it has; other errors: the store cannot say.
 */
static int check_unrenewed(struct axi_master *m, struct axi_node *node)
{
    struct axi_store_value value = {0};
    char key[40];
    uint64_t revision = 0;
    int rc;

    (void)snprintf(key, sizeof(key), "lease/%llx", (unsigned long long)node->id);
    rc = m->is_crashed ? -AXC_EUNAVAILABLE : axi_store_get(m->config.store, key, &value);
    if (rc == 0) {
        revision = value.revision;
        axi_store_value_clear(&value);
    } else if (rc != -AXC_ENOENT) {
        return rc;
    }
    if (revision != node->lease_revision) {
        node->lease_revision = revision;
        node->renewed_local_ns = axi_now(m);
        return -AXC_ECONFLICT;
    }
    return 0;
}

/* A manager that keeps its lease may have found it alive after this master gave it up: it lives,
 * without this master. */
static void come_back(struct axi_master *m, struct axi_node *node)
{
    node->is_dead = false;
    axi_event(m, AXI_INFO, "node-back", NULL, node, "a manager keeps its lease");
    for (size_t i = 0; i < m->task_count && !m->is_crashed; i++) {
        struct axi_task *task = m->tasks[i];
        bool is_waiting = task->flow.step == AXI_STEP_RESTORE_DELEGATED ||
                          task->flow.step == AXI_STEP_RESTORE_WAIT;

        if (is_waiting && task->flow.claimed_node == node->id && task->record.owner == node->id) {
            axi_flow_clear(&task->flow);
            axi_flow_resume(m, task);
        }
    }
}

bool axi_node_is_gone(struct axi_master *m, struct axi_node *node)
{
    int rc;

    if (node == NULL || !node->is_dead) {
        return node == NULL;
    }
    rc = check_unrenewed(m, node);
    if (rc == -AXC_ECONFLICT) {
        come_back(m, node);
    }
    return rc == 0;
}

void axi_leases_revive(struct axi_master *m)
{
    for (size_t i = 0; i < m->node_count && !m->is_crashed; i++) {
        (void)axi_node_is_gone(m, m->nodes[i]);
    }
}

void axi_node_declare_dead(struct axi_master *m, struct axi_node *node)
{
    node->is_dead = true;
    node->died_local_ns = axi_now(m);
    node->has_lease = false;
    node->has_reported = false;
    node->is_renewal_pending = false;
    if (node->link != 0) { /* it must say Hello and report again */
        for (size_t i = 0; i < m->link_count; i++) {
            if (m->links[i]->id == node->link) {
                axi_link_close(m, m->links[i], -AXC_ENODE_LEASE, "lease expired");
            }
        }
        node->link = 0;
    }
    axi_event(m, AXI_WARNING, "node-dead", NULL, node, "lease not renewed for %llu ms",
              (unsigned long long)((axi_now(m) - node->renewed_local_ns) / 1000000));
    for (size_t i = 0; i < m->task_count && !m->is_crashed; i++) {
        axi_recover_dead(m, node, m->tasks[i]);
    }
    axi_services_node_lost(m, node);
}

/* A master that was held up itself has unread heartbeats: it hears them before it judges anybody.
 * Waiting longer is always safe. */
void axi_leases_excuse(struct axi_master *m)
{
    uint64_t now = axi_now(m);
    uint64_t window = axi_lease_window_ns(m);
    bool was_held_up = m->due_ns != 0 && now > m->due_ns && now - m->due_ns > LATE_NS;

    for (size_t i = 0; i < m->node_count && was_held_up; i++) {
        struct axi_node *node = m->nodes[i];

        if (!node->is_dead && now - node->renewed_local_ns + GRACE_NS > window) {
            node->renewed_local_ns = now - window + GRACE_NS;
        }
    }
}

/* None expires before: a lease that is renewed, or given to a node, from now on lasts a window. */
static uint64_t earliest_expiry(struct axi_master *m)
{
    uint64_t window = axi_lease_window_ns(m);
    uint64_t next = m->tick_ns + window + 1;

    for (size_t i = 0; i < m->node_count; i++) {
        const struct axi_node *node = m->nodes[i];
        uint64_t at = node->renewed_local_ns + window + 1;

        if (at <= m->tick_ns) { /* the store could not say: ask again soon */
            at = m->tick_ns + m->config.batch_ns;
        }
        if (!node->is_dead && at < next) {
            next = at;
        }
    }
    return next;
}

void axi_leases_expire(struct axi_master *m)
{
    if (m->tick_ns < m->expiry_ns) {
        return;
    }
    for (size_t i = 0; i < m->node_count; i++) {
        if (is_expired(m, m->nodes[i]) && check_unrenewed(m, m->nodes[i]) == 0) {
            axi_node_declare_dead(m, m->nodes[i]);
        }
    }
    m->expiry_ns = earliest_expiry(m);
}

uint64_t axi_leases_next(struct axi_master *m)
{
    return m->has_renewals && m->next_batch_ns < m->expiry_ns ? m->next_batch_ns : m->expiry_ns;
}
