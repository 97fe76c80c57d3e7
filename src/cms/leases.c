/* SPDX-License-Identifier: Apache-2.0 */
/* Leases of nodes: watched as revisions that change (by this manager's clock), and kept for a node
 * that has lost its master. */
#include "cms/internal.h"
#include "core/sched.h"

#include <stdio.h>
#include <string.h>

#define MS 1000000ull
#define BATCH_MAX 64u
#define BATCH_NS (20 * MS)
#define LATE_NS 20000000ull
#define GRACE_NS 100000000ull /* for a tick that came late: renewals must be seen first */

void axi_cms_lease_changed(struct axi_cms *cms, struct axi_cms_node *node, uint64_t revision)
{
    if (revision == node->lease_revision) {
        return;
    }
    if (revision == 0) { /* the node was forgotten: nobody has renewed anything */
        node->lease_revision = 0;
        return;
    }
    node->lease_revision = revision;
    node->lease_seen_ns = axi_cms_now(cms);
    if (node->is_dead) {
        node->is_dead = false;
        axi_cms_event(cms, AXI_INFO, "node-back", NULL, node, "its lease is renewed again");
    }
}

/* A manager that was held up itself has not seen renewals: it looks before it judges anybody.
 * Waiting longer is always safe. */
void axi_cms_leases_excuse(struct axi_cms *cms)
{
    uint64_t now = cms->tick_ns;
    uint64_t window = axi_cms_window_ns(cms);
    bool was_held_up = cms->due_ns != 0 && now > cms->due_ns && now - cms->due_ns > LATE_NS;

    for (size_t i = 0; i < cms->node_count && was_held_up; i++) {
        struct axi_cms_node *node = cms->nodes[i];

        if (!node->is_dead && now - node->lease_seen_ns + GRACE_NS > window) {
            node->lease_seen_ns = now - window + GRACE_NS;
        }
    }
}

static bool owns_anything(const struct axi_cms *cms, uint64_t node)
{
    for (size_t i = 0; i < cms->task_count; i++) {
        if (cms->tasks[i]->revision != 0 && cms->tasks[i]->record.owner == node) {
            return true;
        }
    }
    return false;
}

/* Another daemon of the same machine lives: it was not the machine. */
static const char *what_died(const struct axi_cms *cms, const struct axi_cms_node *dead)
{
    for (size_t i = 0; i < cms->node_count; i++) {
        const struct axi_cms_node *node = cms->nodes[i];

        if (node != dead && dead->machine_id != 0 && node->machine_id == dead->machine_id &&
            !node->is_dead && node->link != 0) {
            return "its machine lives: the node's daemon died or hangs";
        }
    }
    return dead->link != 0 ? "it is linked here but keeps no lease: cut off from whoever keeps it"
                           : "its machine died, or it is cut off";
}

/* Judged only right after the store was read: the lease stood still over the whole window. */
void axi_cms_leases_expire(struct axi_cms *cms)
{
    uint64_t window = axi_cms_window_ns(cms);

    for (size_t i = 0; i < cms->node_count; i++) {
        struct axi_cms_node *node = cms->nodes[i];

        if (node->is_dead || !node->is_registered || !cms->has_polled ||
            cms->polled_ns <= node->lease_seen_ns + window) {
            continue;
        }
        node->is_dead = true;
        node->died_ns = axi_cms_now(cms);
        if (owns_anything(cms, node->id)) {
            axi_cms_event(cms, AXI_WARNING, "node-dead", NULL, node,
                          "lease not renewed for %llu ms; %s",
                          (unsigned long long)((node->died_ns - node->lease_seen_ns) / MS),
                          what_died(cms, node));
            axi_cms_query_nodes(cms);
        }
    }
}

uint64_t axi_cms_leases_next(struct axi_cms *cms)
{
    for (size_t i = 0; i < cms->node_count; i++) {
        if (cms->nodes[i]->is_renewal_pending) {
            return cms->keep_ns > cms->tick_ns ? cms->keep_ns : cms->tick_ns;
        }
    }
    return UINT64_MAX; /* what else there is comes with the next look at the store */
}

/* ---- keeping ---- */

/* A node whose keeper this manager is tells what it has: fenced instances wait for a Resume. */
void axi_cms_report(struct axi_cms_node *node, const axi_Report *report)
{
    for (pb_size_t i = 0; i < report->instances_count; i++) {
        node->has_lapsed |= report->instances[i].state == AXI_SLOT_FENCED;
    }
}

void axi_cms_heartbeat(struct axi_cms_node *node, const axi_Heartbeat *beat)
{
    node->heartbeat = *beat;
    node->is_renewal_pending = true;
}

/* Fenced instances that the records still give to this node may go on. Read anew: what is known
 * here may be older than the lease that lapsed. */
static void let_go_on(struct axi_cms *cms, struct axi_cms_node *node)
{
    node->has_lapsed = false;
    for (size_t i = 0; i < cms->task_count; i++) {
        struct axi_cms_task *task = cms->tasks[i];
        const struct axi_record *r = &task->record;
        axi_Resume resume = {.task_id = r->id, .epoch = r->epoch};

        if (task->revision == 0 || r->owner != node->id || r->state != AXI_TASK_RUNNING) {
            continue;
        }
        if (axi_cms_view_read(cms, task) != 0) {
            node->has_lapsed = true; /* again with the next heartbeat */
        } else if (task->revision != 0 && r->owner == node->id && r->epoch == resume.epoch &&
                   r->state == AXI_TASK_RUNNING && r->migration.phase == AXI_MIGRATION_NONE) {
            resume.request = axi_cms_random(cms);
            axi_cms_send(cms, node->link, AXI_WIRE_RESUME, &resume);
        }
    }
}

/* Its renewal is in the store: now it may know. */
static void acknowledge(struct axi_cms *cms, struct axi_cms_node *node, uint64_t revision)
{
    /* no time: the master's is only estimated here */
    axi_HeartbeatAck ack = {.sequence = node->heartbeat.sequence,
                            .send_local_ns = node->heartbeat.send_local_ns,
                            .lease_ns = cms->config.lease_ns};
    uint64_t now = axi_cms_now(cms);

    if (node->kept_ns == 0 || now - node->kept_ns > cms->config.lease_ns) {
        node->has_lapsed = true;
        axi_cms_event(cms, AXI_INFO, "lease-kept", NULL, node,
                      "its master is away; this manager keeps its lease");
    }
    node->kept_ns = now;
    axi_cms_lease_changed(cms, node, revision);
    axi_cms_send(cms, node->link, AXI_WIRE_HEARTBEAT_ACK, &ack);
    if (node->has_lapsed) {
        let_go_on(cms, node);
    }
}

static size_t collect(struct axi_cms *cms, struct axi_cms_node **batch, struct axi_store_op *ops,
                      char (*keys)[40], char (*values)[96])
{
    size_t count = 0;

    for (size_t i = 0; i < cms->node_count && count < BATCH_MAX; i++) {
        struct axi_cms_node *node = cms->nodes[i];

        if (!node->is_renewal_pending || node->link == 0) {
            continue;
        }
        node->is_renewal_pending = false;
        (void)snprintf(keys[count], sizeof(keys[0]), "lease/%llx", (unsigned long long)node->id);
        (void)snprintf(values[count], sizeof(values[0]),
                       "{\"boot\":\"%llx\",\"sequence\":%llu,\"keeper\":\"%llx\"}",
                       (unsigned long long)node->boot_id,
                       (unsigned long long)node->heartbeat.sequence,
                       (unsigned long long)cms->config.manager_id);
        ops[count] = (struct axi_store_op){.kind = AXI_STORE_PUT,
                                           .key = keys[count],
                                           .expected = AXI_STORE_ANY,
                                           .value = values[count],
                                           .value_bytes = strlen(values[count])};
        batch[count++] = node;
    }
    return count;
}

/* Renewals wait a moment for company: one transaction for all. */
void axi_cms_leases_keep(struct axi_cms *cms)
{
    struct axi_cms_node *batch[BATCH_MAX];
    struct axi_store_op ops[BATCH_MAX];
    char keys[BATCH_MAX][40];
    char values[BATCH_MAX][96];
    uint64_t revision = 0;
    size_t count;

    if (axi_cms_now(cms) < cms->keep_ns || cms->is_crashed) {
        return;
    }
    count = collect(cms, batch, ops, keys, values);
    if (count == 0) {
        return;
    }
    if (axi_store_commit(cms->config.store, ops, count, &revision) != 0) {
        count = 0; /* no word, no lease */
    }
    cms->keep_ns = axi_cms_now(cms) + BATCH_NS;
    for (size_t i = 0; i < count; i++) {
        acknowledge(cms, batch[i], revision);
    }
}
