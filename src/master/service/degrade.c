/* SPDX-License-Identifier: Apache-2.0 */
/* Lesser replicas, where the manifest allows them: taken when the full one finds no node for too
 * long, given back when it fits again.
 *
 * Mode single is special: its managers restore the one task there is. When they find no node, its
 * record is given up and the degraded replica created in one transaction, so that never both are
 * restored; the old record stays, LOST, until its newest checkpoint has been fetched. */
#include "master/service/hosts.h"
#include "master/service/yield.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SECOND 1000000000ull
#define LOOKS_TO_RECOVER 2u
#define MOVES_EVERY_NS (15 * SECOND) /* for what is not urgent; a whole plan each time */
#define ROOM_EVERY_MAX_NS (30 * SECOND)

static bool is_waiting(struct axi_master *m, const struct axi_member *member)
{
    struct axi_replica_view view;

    axi_replica_look(m, member->task, &view);
    return view.state == AXI_REPLICA_WAITING || view.state == AXI_REPLICA_RESTORING;
}

/* Room for the full one: of this image, as though the member were not there. */
static bool make_room(struct axi_master *m, struct axi_service *s, const struct axi_member *member,
                      uint32_t image, uint32_t urgent, const char *reason)
{
    struct axi_snapshot_extra extra = {.name = s->spec.name,
                                       .spec = &s->spec,
                                       .info = axi_service_image(m, &s->images, image),
                                       .image = image,
                                       .assurance_min = s->spec.assurance};
    struct axi_snapshot_options options = {
        .extras = &extra, .extra_count = 1, .without = member->task};

    return extra.info != NULL && axi_room_make(m, s, &options, urgent, reason);
}

/* Others make room for one that waits to be restored and finds no node. */
static bool make_room_to_restore(struct axi_master *m, struct axi_service *s,
                                 const struct axi_member *member)
{
    struct axi_member_request request = {.image = member->image, .instead_of = member->task};
    char reason[AXI_REASON_BYTES] = "";
    uint64_t node = 0;
    uint64_t pause;

    if (axi_now(m) < s->room_look_ns) {
        return axi_yield_is_under_way(m, s->spec.name);
    }
    pause = SECOND / 2 + (axi_now(m) - s->wait_ns) / 2; /* a whole plan each time */
    s->room_look_ns = axi_now(m) + (pause < ROOM_EVERY_MAX_NS ? pause : ROOM_EVERY_MAX_NS);
    return axi_service_choose(m, s, &request, &node, reason) == -AXC_ENO_CANDIDATE &&
           make_room(m, s, member, member->image, 1, reason);
}

/* Nothing of it may have been told to start; a dead owner's lease is compared once more. */
static int check_given_up(struct axi_master *m, struct axi_task *task, struct axi_store_op *lease,
                          char *lease_key)
{
    const struct axi_record *r = &task->record;

    if (task->is_uncertain || r->state == AXI_TASK_STARTING || r->state == AXI_TASK_STOPPING ||
        (r->state == AXI_TASK_PLACING && r->owner != 0)) {
        return -AXC_EBUSY;
    }
    return r->state == AXI_TASK_RUNNING ? axi_prove_gone(m, task, lease, lease_key) : 0;
}

static int give_up_op(const struct axi_task *task, struct axi_record *next, char key[40],
                      struct axi_store_op *ret_op)
{
    json_t *json;
    char *text;

    *next = task->record;
    next->state = AXI_TASK_LOST;
    next->owner = 0;
    next->is_restore = false;
    next->claim = (struct axi_claim){0};
    next->migration = (struct axi_migration){0};
    axi_copy_text(next->restorer, sizeof(next->restorer), "master");
    axi_copy_text(next->reason, sizeof(next->reason), "given up for a degraded replica");
    json = axi_record_to_json(next);
    text = json != NULL ? json_dumps(json, JSON_COMPACT) : NULL;
    json_decref(json);
    if (text == NULL) {
        return -AXC_ENOMEM;
    }
    (void)snprintf(key, 40, "task/%016llx", (unsigned long long)next->id);
    *ret_op = (struct axi_store_op){.kind = AXI_STORE_PUT,
                                    .key = key,
                                    .expected = task->revision,
                                    .value = text,
                                    .value_bytes = strlen(text)};
    return 0;
}

/* Every key of one transaction has its revision. */
static void gave_up(struct axi_master *m, struct axi_service *s, uint64_t id,
                    const struct axi_record *next)
{
    struct axi_task *task = axi_task_find(m, id);

    if (task != NULL) {
        axi_adopt(m, task, next, s->revision);
        axi_event(m, AXI_WARNING, "degraded", task, NULL,
                  "%s: no node takes the full image for %llu s; a degraded replica goes on",
                  s->spec.name, (unsigned long long)(s->spec.degraded.after_ns / SECOND));
    }
}

/* One that stands in for the member; of the former version when that is of it: the full image of
 * the new one has to prove itself. False: its manifest does not allow it. */
static bool ask_lesser(const struct axi_service *s, const struct axi_member *member,
                       struct axi_member_request *request, struct axi_service_spec *ret_former)
{
    bool is_former =
        member->generation != s->generation && axi_member_ask_former(s, request, ret_former);
    const struct axi_service_spec *spec = is_former ? ret_former : &s->spec;

    request->image = spec->degraded.image[0] != '\0' ? AXI_SERVICE_IMAGES_MAX : 0;
    request->rule = spec->degraded.state;
    return spec->degraded.is_allowed;
}

static int degrade_single(struct axi_master *m, struct axi_service *s,
                          const struct axi_member *member)
{
    struct axi_task *task = axi_task_find(m, member->task);
    struct axi_store_op also[2] = {0};
    struct axi_record next;
    char key[40];
    char lease_key[40];
    char reason[AXI_REASON_BYTES] = "";
    uint64_t created = 0;
    int leases = task != NULL ? check_given_up(m, task, &also[1], lease_key) : -AXC_ENOENT;
    int rc;
    struct axi_service_spec former;
    struct axi_member_request request = {.role = AXI_MEMBER_ACTIVE,
                                         .is_degraded = true,
                                         .instead_of = member->task,
                                         .instead_role = AXI_MEMBER_GOING,
                                         .has_seed = true,
                                         .seed = member->task,
                                         .also = also};

    if (leases < 0 || !ask_lesser(s, member, &request, &former)) {
        return 0; /* not now */
    }
    rc = axi_service_choose(m, s, &request, &request.node, reason);
    if (rc != 0) {
        axi_service_condition(m, s, "service-short", reason);
        return 0;
    }
    rc = give_up_op(task, &next, key, &also[0]);
    if (rc != 0) {
        return rc;
    }
    request.also_count = 1 + (size_t)leases;
    rc = axi_member_add(m, s, &request, "degraded: the full one finds no node", &created, reason);
    free((void *)(uintptr_t)also[0].value);
    if (rc == 0 && !s->is_uncertain) {
        gave_up(m, s, next.id, &next);
    } else if (rc == 0 || rc == -AXC_ETIMEOUT) {
        task = axi_task_find(m, next.id);
        if (task != NULL) {
            task->is_uncertain = true;
        }
    }
    return rc;
}

/* ---- back to the full one ---- */

static bool is_lesser(struct axi_master *m, const struct axi_member *member)
{
    struct axi_replica_view view;

    axi_replica_look(m, member->task, &view);
    return member->role == AXI_MEMBER_ACTIVE && member->is_degraded &&
           view.state == AXI_REPLICA_RUNNING;
}

/* A degraded member for whose full one there is a node; NULL: none. */
static const struct axi_member *find_recoverable(struct axi_master *m, struct axi_service *s,
                                                 uint64_t *ret_node)
{
    const struct axi_member *first = NULL;
    char reason[AXI_REASON_BYTES] = "";

    for (uint32_t i = 0; i < s->member_count; i++) {
        const struct axi_member *member = &s->members[i];
        struct axi_member_request request = {.instead_of = member->task};

        if (!is_lesser(m, member)) {
            continue;
        }
        if (axi_service_choose(m, s, &request, ret_node, reason) == 0) {
            return member;
        }
        first = first == NULL ? member : first;
    }
    if (first != NULL && axi_now(m) >= s->room_look_ns) {
        s->room_look_ns = axi_now(m) + MOVES_EVERY_NS;
        if (!make_room(m, s, first, 0, 0, reason)) { /* by moves only */
            axi_partition_for_full(m, s, first);
        }
    }
    return NULL;
}

/* Twice in a row it must find a node: one that flaps is no reason to move. */
static int recover(struct axi_master *m, struct axi_service *s)
{
    struct axi_member_request request = {
        .role = AXI_MEMBER_NEW, .instead_role = AXI_MEMBER_OLD, .has_seed = true};
    const struct axi_member *member;
    char reason[AXI_REASON_BYTES] = "";
    uint64_t created = 0;
    int rc;

    if (axi_now(m) < s->recover_ns) {
        return 0;
    }
    s->recover_ns = axi_now(m) + SECOND;
    member = axi_yield_must_last(m, s) ? NULL : find_recoverable(m, s, &request.node);
    s->recover_looks = member != NULL ? s->recover_looks + 1 : 0;
    if (s->recover_looks < LOOKS_TO_RECOVER) {
        s->next_ns = s->recover_ns < s->next_ns ? s->recover_ns : s->next_ns;
        return 0;
    }
    s->recover_looks = 0;
    request.instead_of = request.seed = member->task;
    request.rule = s->spec.degraded.state;
    rc = axi_member_add(m, s, &request, "recovered: the full one fits again", &created, reason);
    if (rc == 0) {
        axi_event(m, AXI_INFO, "recovered", axi_task_find(m, created), NULL,
                  "%s: the full image runs again; the degraded one goes when it counts",
                  s->spec.name);
    }
    return rc == -AXC_ETIMEOUT || rc == -AXC_EUNAVAILABLE ? rc : 0;
}

int axi_service_degrade(struct axi_master *m, struct axi_service *s)
{
    uint64_t now = axi_now(m);
    bool is_one_waiting = false;

    for (uint32_t i = 0; i < s->member_count; i++) {
        struct axi_member member = s->members[i];
        struct axi_replica_view view;

        if (member.role != AXI_MEMBER_ACTIVE) {
            continue;
        }
        axi_replica_look(m, member.task, &view);
        if (member.is_degraded && view.state == AXI_REPLICA_RUNNING) {
            return recover(m, s);
        }
        if (s->spec.mode != AXI_MODE_SINGLE || member.is_degraded || !is_waiting(m, &member)) {
            continue;
        }
        is_one_waiting = true;
        if (s->wait_ns == 0) {
            s->wait_ns = now;
            s->room_look_ns = 0;
        }
        if (make_room_to_restore(m, s, &member) && axi_room_is_awaited(m, s)) {
            return 0;
        }
        if (s->spec.degraded.is_allowed && now - s->wait_ns >= s->spec.degraded.after_ns) {
            return degrade_single(m, s, &member);
        }
        if (s->spec.degraded.is_allowed) {
            uint64_t due = s->wait_ns + s->spec.degraded.after_ns;

            s->next_ns = due < s->next_ns ? due : s->next_ns;
        }
    }
    s->wait_ns = is_one_waiting ? s->wait_ns : 0;
    return 0;
}
