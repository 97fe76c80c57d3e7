/* SPDX-License-Identifier: Apache-2.0 */
/* Partitions on demand: started for what finds no node, taken away when idle. One state machine per
 * slot of a host (hosts.h), level-triggered like services: everything follows from the record, from
 * what the host reported last and from the nodes, so any master goes on with it. */
#include "master/service/hosts.h"

#include <stdio.h>
#include <string.h>

#define MS 1000000ull
#define SECOND (1000 * MS)
#define LOOK_NS (250 * MS)
#define LEAVE_NS (500 * MS)     /* so long an idle one takes nothing before it is ended */
#define SILENT_NS (15 * SECOND) /* a host says nothing of a partition that should run there */
#define UNUSED_NS (10 * SECOND) /* what it was started for may take so long to come */
#define WAITING_NS (2 * SECOND) /* managers look first for a node for what they restore */
#define WAITING_MAX 4u
#define PAUSE_FIRST_NS (2 * SECOND)
#define PAUSE_MAX_NS (300 * SECOND)

/* The partition that a node of this name runs in; NULL: none of ours. */
static const struct axi_host *find_partition(struct axi_master *m, const char *node,
                                             uint32_t *ret_slot)
{
    for (size_t h = 0; h < m->declared->host_count; h++) {
        const struct axi_host *host = m->declared->hosts[h];
        size_t length = strlen(host->record.facts.name);

        for (uint32_t i = 0; strncmp(node, host->record.facts.name, length) == 0 &&
                             node[length] == '-' && i < AXI_HOST_PARTITIONS_MAX;
             i++) {
            char name[32];

            axi_partition_name(host, i, name);
            if (strcmp(name, node) == 0 && host->record.slots[i].state != AXI_PARTITION_ABSENT) {
                *ret_slot = i;
                return host;
            }
        }
    }
    return NULL;
}

bool axi_partition_is_leaving(struct axi_master *m, const char *node)
{
    uint32_t slot = 0;
    const struct axi_host *host = find_partition(m, node, &slot);

    return host != NULL && host->record.slots[slot].state >= AXI_PARTITION_LEAVING;
}

const char *axi_partition_host(struct axi_master *m, const char *node)
{
    uint32_t slot = 0;
    const struct axi_host *host = find_partition(m, node, &slot);

    return host != NULL ? host->record.facts.name : "";
}

/* Of several that were called so the living one. */
static struct axi_node *node_of(struct axi_master *m, const struct axi_host *host, uint32_t slot)
{
    struct axi_node *found = NULL;
    char name[32];

    axi_partition_name(host, slot, name);
    for (size_t i = 0; i < m->node_count; i++) {
        if (strcmp(m->nodes[i]->hello.name, name) == 0 && (found == NULL || found->is_dead)) {
            found = m->nodes[i];
        }
    }
    return found;
}

void axi_partitions_look_now(struct axi_master *m)
{
    m->declared->partitions_ns = 0;
}

/* *next is the host's record with changes, this slot's state among them. */
static bool change(struct axi_master *m, struct axi_host *host, uint32_t slot,
                   struct axi_host_record *next, enum axi_partition_state state)
{
    next->slots[slot].state = state;
    next->slots[slot].since_ns = axi_now_master(m);
    if (axi_host_commit(m, host, next) != 0) {
        return false;
    }
    host->changed_ns[slot] = axi_now(m);
    host->idle_ns[slot] = 0;
    axi_partitions_look_now(m);
    axi_services_nodes_changed(m);
    return true;
}

static void pause_host(struct axi_master *m, struct axi_host_record *next)
{
    uint64_t pause = PAUSE_FIRST_NS;

    for (uint32_t i = 0; i < next->failures && pause < PAUSE_MAX_NS; i++) {
        pause *= 2;
    }
    next->failures++;
    next->not_before_ns = axi_now_master(m) + (pause < PAUSE_MAX_NS ? pause : PAUSE_MAX_NS);
}

static void fail(struct axi_master *m, struct axi_host *host, uint32_t slot, const char *reason)
{
    struct axi_host_record next = host->record;
    char why[AXI_REASON_BYTES];
    char name[32];

    axi_partition_name(host, slot, name);
    axi_copy_text(why, sizeof(why), reason); /* it may be the slot's own text */
    axi_copy_text(next.slots[slot].why, sizeof(next.slots[slot].why), why);
    pause_host(m, &next);
    if (change(m, host, slot, &next, AXI_PARTITION_ENDING)) {
        axi_event(
            m, AXI_WARNING, "partition-failed", NULL, node_of(m, host, slot),
            "%s: %.100s; %s is given a pause of %llu s", name, why, next.facts.name,
            (unsigned long long)((next.not_before_ns - next.slots[slot].since_ns + SECOND / 2) /
                                 SECOND));
    }
}

/* ---- has it anything to do ---- */

static bool is_for(const struct axi_task *task, uint64_t node)
{
    const struct axi_record *r = &task->record;
    bool is_at_rest =
        r->state == AXI_TASK_STOPPED || r->state == AXI_TASK_COMPLETED || r->state == AXI_TASK_LOST;

    return !task->is_gone &&
           ((r->owner == node && !is_at_rest) || r->standby == node || r->holder == node ||
            (r->pin == node && r->state <= AXI_TASK_STOPPING) ||
            (r->migration.phase != AXI_MIGRATION_NONE &&
             (r->migration.source == node || r->migration.target == node)) ||
            (task->flow.step != AXI_STEP_IDLE && task->flow.wanted == node));
}

static bool is_busy(struct axi_master *m, uint64_t node)
{
    for (size_t i = 0; i < m->task_count; i++) {
        if (is_for(m->tasks[i], node)) {
            return true;
        }
    }
    return false;
}

/* ---- one look at one slot, by its state ---- */

/* What its host says of this run, or does not; true: it has failed. */
static bool has_failed(struct axi_master *m, struct axi_host *host, uint32_t slot)
{
    const struct axi_partition *p = &host->record.slots[slot];
    bool is_this_run = host->reports[slot].run == p->run;
    uint64_t age = axi_now(m) - host->changed_ns[slot];

    if (host->reports[slot].said == AXI_SAID_FAILED && is_this_run) {
        fail(m, host, slot, host->reports[slot].reason);
        return true;
    }
    if (p->state != AXI_PARTITION_STARTING && axi_host_is_present(m, host) && age > SILENT_NS &&
        (host->reports[slot].said == AXI_SAID_NOTHING || !is_this_run)) {
        fail(m, host, slot, "its host knows nothing of it any more");
        return true;
    }
    return false;
}

static void look_at_starting(struct axi_master *m, struct axi_host *host, uint32_t slot)
{
    const struct axi_partition *p = &host->record.slots[slot];
    const struct axi_node *node = node_of(m, host, slot);
    uint64_t age_ns = axi_now_master(m) - p->since_ns;
    uint64_t bound_ns = axi_policy(m)->partition_start_ns;
    struct axi_host_record next = host->record;
    char text[AXI_REASON_BYTES];

    if (axi_node_is_ready(node)) {
        if (change(m, host, slot, &next, AXI_PARTITION_RUNNING)) {
            axi_event(m, AXI_INFO, "partition-up", NULL, node, "joined after %llu ms",
                      (unsigned long long)(age_ns / MS));
        }
    } else if (!axi_host_is_present(m, host) &&
               axi_now(m) - m->started_local_ns > AXI_HOST_PRESENT_NS) {
        fail(m, host, slot, "its host is lost");
    } else if (age_ns > bound_ns) {
        (void)snprintf(text, sizeof(text), "its node did not join within %llu s",
                       (unsigned long long)(bound_ns / SECOND));
        fail(m, host, slot, text);
    }
}

/* The first task is the proof that starting it was right. */
static void note_use(struct axi_master *m, struct axi_host *host, uint32_t slot)
{
    struct axi_host_record next = host->record;

    host->idle_ns[slot] = 0;
    if (!next.slots[slot].was_used) {
        next.slots[slot].was_used = true;
        next.failures = 0;
        (void)!axi_host_commit(m, host, &next);
    }
}

static void look_at_running(struct axi_master *m, struct axi_host *host, uint32_t slot)
{
    const struct axi_node *node = node_of(m, host, slot);
    uint64_t bound_ns = axi_policy(m)->partition_idle_ns;
    struct axi_host_record next = host->record;
    uint64_t now = axi_now(m);

    if (!next.slots[slot].was_used && bound_ns < UNUSED_NS) {
        bound_ns = UNUSED_NS;
    }
    if (node != NULL && is_busy(m, node->id)) {
        note_use(m, host, slot);
        return;
    }
    host->idle_ns[slot] = host->idle_ns[slot] != 0 ? host->idle_ns[slot] : now;
    if (now - host->idle_ns[slot] < bound_ns || !axi_host_is_present(m, host)) {
        return;
    }
    (void)snprintf(next.slots[slot].why, sizeof(next.slots[slot].why), "no task for %.1f s",
                   (double)bound_ns / (double)SECOND);
    if (!next.slots[slot].was_used) { /* what it was for never came: not again at once */
        pause_host(m, &next);
    }
    if (change(m, host, slot, &next, AXI_PARTITION_LEAVING)) {
        axi_event(m, AXI_INFO, "partition-idle", NULL, node, "%s; it is taken away",
                  next.slots[slot].why);
    }
}

static void look_at_leaving(struct axi_master *m, struct axi_host *host, uint32_t slot)
{
    const struct axi_node *node = node_of(m, host, slot);
    struct axi_host_record next = host->record;

    if (node != NULL && is_busy(m, node->id)) {
        if (change(m, host, slot, &next, AXI_PARTITION_RUNNING)) {
            axi_event(m, AXI_INFO, "partition-kept", NULL, node, "it has a task again");
        }
    } else if (axi_now(m) - host->changed_ns[slot] >= LEAVE_NS) {
        (void)change(m, host, slot, &next, AXI_PARTITION_ENDING);
    }
}

/* What a command said of its node (cordon, drain) was said of this one, not of the next. False: the
 * store did not take it. */
static bool open_again(struct axi_master *m, const char *name)
{
    struct axi_declared_node *declared = NULL;
    struct axi_declared_node next;

    if (axi_node_name_is_cordoned(m, name)) {
        declared = axi_declared_node_get(m, name);
    }
    if (declared == NULL || (!declared->is_cordoned && declared->drain_until_ns == 0)) {
        return true;
    }
    next = *declared;
    next.is_cordoned = false;
    next.drain_until_ns = 0;
    return axi_declared_node_commit(m, declared, &next) == 0;
}

/* Over when its host has said so and its node, if it ever joined, is dead. */
static void look_at_ending(struct axi_master *m, struct axi_host *host, uint32_t slot)
{
    struct axi_node *node = node_of(m, host, slot);
    struct axi_host_record next = host->record;
    char name[32];

    if (host->seen_ns <= host->changed_ns[slot] || host->reports[slot].said != AXI_SAID_NOTHING ||
        (node != NULL && !node->is_dead)) {
        return;
    }
    if (node != NULL) {
        int rc = axi_node_forget(m, node); /* one that a task's record names stays, as dead */

        if (rc != 0 && rc != -AXC_EBUSY) {
            return;
        }
    }
    axi_partition_name(host, slot, name);
    if (open_again(m, name) && change(m, host, slot, &next, AXI_PARTITION_ABSENT)) {
        axi_event(m, AXI_INFO, "partition-ended", NULL, NULL, "%s: %.120s", name,
                  next.slots[slot].why);
    }
}

static void look(struct axi_master *m, struct axi_host *host, uint32_t slot)
{
    enum axi_partition_state state = host->record.slots[slot].state;

    if (host->changed_ns[slot] == 0) { /* as another master left it */
        host->changed_ns[slot] = axi_now(m);
    }
    if (state != AXI_PARTITION_ENDING && has_failed(m, host, slot)) {
        return;
    }
    switch (state) {
    case AXI_PARTITION_STARTING:
        look_at_starting(m, host, slot);
        break;
    case AXI_PARTITION_RUNNING:
        look_at_running(m, host, slot);
        break;
    case AXI_PARTITION_LEAVING:
        look_at_leaving(m, host, slot);
        break;
    case AXI_PARTITION_ENDING:
        look_at_ending(m, host, slot);
        break;
    case AXI_PARTITION_ABSENT:
        break;
    }
}

/* ---- what is wanted ---- */

static bool start(struct axi_master *m, const struct axi_phantom *phantom, const char *what_for)
{
    struct axi_host *host = phantom->host;
    struct axi_host_record next = host->record;
    struct axi_partition *p = &next.slots[phantom->slot];

    p->run++;
    p->was_used = false;
    axi_copy_text(p->why, sizeof(p->why), what_for);
    if (!change(m, host, phantom->slot, &next, AXI_PARTITION_STARTING)) {
        return false;
    }
    axi_event(m, AXI_INFO, "partition-wanted", NULL, NULL, "%s is started on %s for %.100s",
              phantom->name, host->record.facts.name, what_for);
    return true;
}

static bool is_any_present(struct axi_master *m)
{
    for (size_t h = 0; h < m->declared->host_count; h++) {
        if (axi_host_is_present(m, m->declared->hosts[h])) {
            return true;
        }
    }
    return false;
}

static bool want(struct axi_master *m, const struct axi_snapshot_options *options,
                 const char *what_for, char *ret_reason)
{
    struct axi_phantoms phantoms;
    char before[AXI_REASON_BYTES];
    bool is_coming = false;

    if (!is_any_present(m) || axi_phantoms_plan(m, options, true, &phantoms) < 0) {
        return false;
    }
    for (size_t i = 0; i < phantoms.count; i++) {
        is_coming |= !phantoms.items[i].is_new || start(m, &phantoms.items[i], what_for);
    }
    if (is_coming && ret_reason != NULL) {
        axi_copy_text(before, sizeof(before), ret_reason);
        (void)snprintf(ret_reason, AXI_REASON_BYTES, "waits for partition %s; %.100s",
                       phantoms.items[phantoms.count - 1].name, before);
    }
    return is_coming;
}

bool axi_partitions_want(struct axi_master *m, const struct axi_snapshot_extra *extras,
                         uint32_t count, const char *what_for, char *ret_reason)
{
    struct axi_snapshot_options options = {.extras = extras, .extra_count = count};

    return want(m, &options, what_for, ret_reason);
}

/* A plain task, or one of a service that is restored under its own record. */
static bool want_for(struct axi_master *m, const struct axi_record *record, uint64_t id)
{
    struct axi_image_info info = {.spec = record->spec, .entry_count = record->entry_count};
    struct axi_service *service = axi_service_find(m, record->service);
    const struct axi_member *member = service != NULL ? axi_member_find(service, id) : NULL;
    struct axi_snapshot_extra extra = {.name = record->name,
                                       .spec = member != NULL ? &service->spec : NULL,
                                       .info = &info,
                                       .image = member != NULL ? member->image : 0,
                                       .assurance_min = record->assurance_min,
                                       .task = id};
    struct axi_snapshot_options options = {.extras = &extra, .extra_count = 1, .without = id};

    memcpy(info.entries, record->entries, sizeof(info.entries));
    return want(m, &options, record->name, NULL);
}

void axi_partition_for_full(struct axi_master *m, const struct axi_service *service,
                            const struct axi_member *member)
{
    struct axi_snapshot_extra extra = {.name = service->spec.name,
                                       .spec = &service->spec,
                                       .info = axi_service_image(m, &service->images, 0),
                                       .assurance_min = service->spec.assurance};
    struct axi_snapshot_options options = {
        .extras = &extra, .extra_count = 1, .without = member != NULL ? member->task : 0};

    if (extra.info != NULL) {
        (void)want(m, &options, service->spec.name, NULL);
    }
}

bool axi_partition_for_task(struct axi_master *m, const struct axi_record *record)
{
    return want_for(m, record, 0);
}

/* Nobody has found a node for it yet: one that is restored or deployed, or is to leave a drained
 * node. */
static bool is_waiting(struct axi_master *m, const struct axi_task *task)
{
    const struct axi_node *owner = axi_node_find(m, task->record.owner);
    enum axi_step step = task->flow.step;
    bool is_restored = step == AXI_STEP_RESTORE_DELEGATED || step == AXI_STEP_RESTORE_WAIT ||
                       (step == AXI_STEP_LAUNCH_PLACE &&
                        (task->record.is_restore || axi_now(m) < task->flow.room_ns));
    bool is_drained = step == AXI_STEP_IDLE && task->record.state == AXI_TASK_RUNNING &&
                      owner != NULL && axi_node_is_draining(m, owner);

    return !task->is_gone && !task->is_uncertain && !task->is_ephemeral &&
           axi_now(m) - task->flow.entered_ns > WAITING_NS && task->record.pin == 0 &&
           (is_restored || is_drained);
}

/* A few at a time, in turn: each costs a plan or more. */
static void look_after_waiting(struct axi_master *m)
{
    struct axi_declared *d = m->declared;
    uint32_t asked = 0;

    if (axi_now(m) < d->waiting_ns || axi_in_grace(m) || !is_any_present(m)) {
        return;
    }
    d->waiting_ns = axi_now(m) + SECOND;
    for (size_t i = 0; i < m->task_count && asked < WAITING_MAX && !m->is_crashed; i++) {
        const struct axi_task *task = m->tasks[d->waiting_next++ % m->task_count];

        if (is_waiting(m, task)) {
            (void)want_for(m, &task->record, task->record.id);
            asked++;
        }
    }
}

/* ---- the tick ---- */

void axi_partition_adopt(struct axi_master *m, struct axi_host *host, uint32_t slot, uint32_t run)
{
    struct axi_host_record next = host->record;
    char name[32];

    axi_partition_name(host, slot, name);
    next.slots[slot].run = run;
    next.slots[slot].was_used = false;
    axi_copy_text(next.slots[slot].why, sizeof(next.slots[slot].why), "it ran already");
    if (change(m, host, slot, &next, AXI_PARTITION_RUNNING)) {
        axi_event(m, AXI_WARNING, "partition-adopted", NULL, NULL,
                  "%s runs on %s, which was not known here", name, next.facts.name);
    }
}

static void look_at_host(struct axi_master *m, struct axi_host *host, uint64_t *ret_next)
{
    uint64_t now = axi_now(m);
    bool is_used = host->is_uncertain;

    if (host->seen_ns != 0 && !axi_host_is_present(m, host) && !host->is_lost_said) {
        host->is_lost_said = true;
        axi_event(m, AXI_WARNING, "host-lost", NULL, NULL,
                  "%s: its axcan-host says nothing any more; what runs there goes on",
                  host->record.facts.name);
    }
    if (!axi_host_settle(m, host)) {
        *ret_next = now + LOOK_NS < *ret_next ? now + LOOK_NS : *ret_next;
        return;
    }
    for (uint32_t i = 0; i < AXI_HOST_PARTITIONS_MAX && !m->is_crashed; i++) {
        if (host->record.slots[i].state != AXI_PARTITION_ABSENT) {
            is_used = true;
            look(m, host, i);
        }
    }
    now += is_used ? LOOK_NS : SECOND;
    *ret_next = now < *ret_next ? now : *ret_next;
}

uint64_t axi_partitions_tick(struct axi_master *m)
{
    uint64_t next = UINT64_MAX;

    if (m->declared->host_count == 0 || axi_in_grace(m)) {
        return m->declared->host_count == 0 ? UINT64_MAX : axi_now(m) + LOOK_NS;
    }
    if (axi_now(m) < m->declared->partitions_ns) {
        return m->declared->partitions_ns;
    }
    for (size_t h = 0; h < m->declared->host_count && !m->is_crashed; h++) {
        look_at_host(m, m->declared->hosts[h], &next);
    }
    look_after_waiting(m);
    m->declared->partitions_ns = next;
    return next;
}
