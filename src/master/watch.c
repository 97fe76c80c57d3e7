/* SPDX-License-Identifier: Apache-2.0 */
/* Records that somebody else changed: checkpoint managers restore without asking the master, which
 * learns of it from the store and adopts the new owner. */
#include "cluster/members.h"
#include "master/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WATCH_NS 20000000ull
#define ALONE_NS 100000000ull /* no manager is known */
#define REVIVE_EVERY 10u

/* An instance that the record does not name any more is removed: its node may not know yet. */
static void drop_former(struct axi_master *m, const struct axi_record *before,
                        const struct axi_record *now)
{
    bool is_kept = now->migration.phase != AXI_MIGRATION_NONE || now->holder == before->owner;

    if (before->owner != 0 && !is_kept &&
        (before->owner != now->owner || before->epoch != now->epoch)) {
        axi_send_remove(m, axi_node_find(m, before->owner), before->id, before->epoch,
                        m->port.random64(m->port.context));
    }
}

void axi_adopt(struct axi_master *m, struct axi_task *task, const struct axi_record *record,
               uint64_t revision)
{
    struct axi_record before = task->record;
    bool is_other = before.owner != record->owner || before.epoch != record->epoch ||
                    before.state != record->state ||
                    before.claim.manager != record->claim.manager ||
                    before.migration.phase != record->migration.phase ||
                    before.migration.id != record->migration.id;

    task->record = *record;
    task->revision = revision;
    task->is_uncertain = false;
    task->adopted_ns = axi_now(m);
    if (!is_other) {
        return; /* a standby moved, say */
    }
    task->has_status =
        task->has_status && before.owner == record->owner && before.epoch == record->epoch;
    if (record->state == AXI_TASK_RUNNING) {
        task->is_delegation_said = false;
        axi_event(m, AXI_INFO, "adopted", task, axi_node_find(m, record->owner),
                  "the record was changed by %s: epoch %llu",
                  axi_manager_name(m, before.claim.manager), (unsigned long long)record->epoch);
    }
    axi_op_end(m, task->flow.op, -AXC_ECONFLICT, "the task was changed by someone else meanwhile",
               NULL);
    axi_flow_clear(&task->flow);
    drop_former(m, &before, record);
    axi_flow_resume(m, task);
    axi_replica_changed(m, task, 0, "its record was changed by someone else");
}

struct adoptions {
    struct axi_master *m;
    uint64_t ids[64];
    size_t count;
    bool is_full;
};

static void changed(void *context, const struct axi_store_change *change)
{
    struct adoptions *found = context;
    uint64_t id = strtoull(change->key + strlen("task/"), NULL, 16);
    const struct axi_task *task = axi_task_find(found->m, id);

    if (task == NULL || change->revision <= task->revision) {
        return; /* our own */
    }
    found->is_full |= found->count == 64;
    if (found->count < 64) {
        found->ids[found->count++] = id;
    }
}

static int visit(void *context, const char *key, const struct axi_store_value *value)
{
    struct axi_store_change change = {.key = key, .revision = value->revision, .value = value};

    changed(context, &change);
    return 0;
}

bool axi_watch_refresh(struct axi_master *m, struct axi_task *task)
{
    struct axi_store_value value = {0};
    struct axi_record record;
    char key[40];
    int rc;

    m->is_watch_lost = false;
    if (!axi_managers_known(m) || task->is_ephemeral || task->is_uncertain) {
        return false;
    }
    (void)snprintf(key, sizeof(key), "task/%016llx", (unsigned long long)task->record.id);
    rc = m->is_crashed ? -AXC_EUNAVAILABLE : axi_store_get(m->config.store, key, &value);
    if (rc != 0) {
        m->is_watch_lost = true;
        return true;
    }
    rc = axi_task_decode(&value, &record);
    if (rc == 0 && value.revision != task->revision) {
        axi_adopt(m, task, &record, value.revision);
        rc = 1;
    }
    axi_store_value_clear(&value);
    return rc != 0;
}

int axi_watch_poll(struct axi_master *m)
{
    struct adoptions found = {.m = m};
    uint64_t next = m->watched_tasks;
    int rc = m->is_crashed ? -AXC_EUNAVAILABLE
                           : axi_store_changes(m->config.store, "task/", m->watched_tasks, changed,
                                               &found, &next);

    if (rc == -AXC_ECOMPACTED) {
        rc = axi_store_list(m->config.store, "task/", visit, &found);
    }
    for (size_t i = 0; i < found.count && rc == 0; i++) {
        struct axi_task *task = axi_task_find(m, found.ids[i]);

        if (task != NULL && axi_watch_refresh(m, task) && m->is_watch_lost) {
            rc = -AXC_EUNAVAILABLE;
        }
    }
    if (rc == 0 && !found.is_full) {
        m->watched_tasks = next;
    }
    return rc;
}

static void poll_managers(struct axi_master *m)
{
    uint64_t next = m->watched_managers;
    int rc = m->is_crashed ? -AXC_EUNAVAILABLE
                           : axi_store_changes(m->config.store, "manager/", m->watched_managers,
                                               axi_managers_changed, m, &next);

    if (rc == -AXC_ECOMPACTED) {
        rc = axi_store_list(m->config.store, "manager/", axi_managers_visit, m);
    }
    if (rc == 0) {
        m->watched_managers = next;
    }
}

int axi_watch_load(struct axi_master *m)
{
    return axi_store_list(m->config.store, "manager/", axi_managers_visit, m);
}

static void member_changed(void *context, const struct axi_store_member *member)
{
    const char *text = NULL;
    const char *type = axi_member_event(member, &text);

    axi_event(context, member->is_lost ? AXI_WARNING : AXI_INFO, type, NULL, NULL,
              "member %s of the store %s", member->name, text);
}

/* A manager takes no task before it has seen a node's lease unrenewed for longer than the lease: it
 * is known by then. */
static uint64_t alone_ns(const struct axi_master *m)
{
    return m->config.lease_ns / 4 < ALONE_NS ? m->config.lease_ns / 4 : ALONE_NS;
}

void axi_watch_tick(struct axi_master *m)
{
    if (axi_now(m) < m->watch_ns || m->is_crashed) {
        return;
    }
    m->watch_ns = axi_now(m) + WATCH_NS;
    axi_store_members(m->config.store, m->store_members, member_changed, m);
    poll_managers(m);
    axi_managers_keep(m);
    if (!axi_managers_known(m)) {
        m->watch_ns = axi_now(m) + alone_ns(m);
        return;
    }
    if (axi_watch_poll(m) != 0) {
        m->watch_ns = axi_now(m) + 2 * WATCH_NS;
    }
    if (m->watch_count++ % REVIVE_EVERY == 0) {
        axi_leases_revive(m);
    }
}
