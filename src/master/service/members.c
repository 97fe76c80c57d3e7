/* SPDX-License-Identifier: Apache-2.0 */
/* The members of a service: which there are, what they count for, and how one is added or goes. */
#include "master/service/members.h"

#include "master/service/handover.h"
#include "master/service/internal.h"
#include "master/service/voters.h"

#include <stdio.h>
#include <string.h>

#define MS 1000000ull
#define FIRST_RELEASE_NS (200 * MS) /* loading comes before it */

struct axi_member *axi_member_find(struct axi_service *service, uint64_t task)
{
    for (uint32_t i = 0; task != 0 && i < service->member_count; i++) {
        if (service->members[i].task == task) {
            return &service->members[i];
        }
    }
    return NULL;
}

uint64_t axi_service_wcet_ns(const struct axi_service_spec *spec,
                             const struct axi_image_entry *entry)
{
    for (uint32_t i = 0; i < spec->wcet_count; i++) {
        if (strcmp(spec->wcets[i].platform, entry->platform) == 0) {
            return spec->wcets[i].wcet_ns;
        }
    }
    return entry->wcet_ns;
}

struct axi_image_info *axi_service_image(struct axi_master *m, const struct axi_service_images *of,
                                         uint32_t index)
{
    for (size_t i = 0; index <= AXI_SERVICE_IMAGES_MAX && i < m->image_count; i++) {
        if (memcmp(m->images[i].digest, of->digests[index], 32) == 0) {
            return &m->images[i];
        }
    }
    return NULL;
}

/* ---- counting ---- */

bool axi_member_runs(struct axi_master *m, uint64_t task)
{
    struct axi_replica_view view;

    axi_replica_look(m, task, &view);
    return view.state == AXI_REPLICA_RUNNING || view.state == AXI_REPLICA_MOVING;
}

void axi_service_count(struct axi_master *m, const struct axi_service *service,
                       struct axi_service_counts *ret_counts)
{
    struct axi_service_counts counts = {0};

    for (uint32_t i = 0; i < service->member_count; i++) {
        const struct axi_member *member = &service->members[i];
        bool is_counted = member->role == AXI_MEMBER_ACTIVE || member->role == AXI_MEMBER_OLD;
        bool is_wanted = member->role == AXI_MEMBER_ACTIVE || member->role == AXI_MEMBER_NEW;
        struct axi_replica_view view;

        axi_replica_look(m, member->task, &view);
        bool runs = view.state == AXI_REPLICA_RUNNING || view.state == AXI_REPLICA_MOVING;

        counts.running += is_counted && runs;
        counts.alive += is_wanted && view.state != AXI_REPLICA_GONE &&
                        view.state != AXI_REPLICA_FAILED && view.state != AXI_REPLICA_LEAVING;
        counts.ready +=
            member->role == AXI_MEMBER_ACTIVE && (runs || view.state == AXI_REPLICA_ENDED);
        counts.degraded += is_counted && runs && member->is_degraded;
    }
    *ret_counts = counts;
}

uint32_t axi_service_wanted(const struct axi_service *service)
{
    const struct axi_service_spec *spec = &service->spec;
    uint32_t fewer = spec->is_preemptible ? service->yielded.replicas : 0;
    uint32_t wanted = fewer < spec->replicas ? spec->replicas - fewer : 0;

    return wanted < spec->minimum ? spec->minimum : wanted;
}

bool axi_service_may_lose(struct axi_master *m, const struct axi_service *service, uint64_t task)
{
    struct axi_service_counts counts;
    bool is_counted = false;

    for (uint32_t i = 0; i < service->member_count; i++) {
        const struct axi_member *member = &service->members[i];

        is_counted |= member->task == task &&
                      (member->role == AXI_MEMBER_ACTIVE || member->role == AXI_MEMBER_OLD);
    }
    if (axi_handover_holds(m, service, task)) {
        return false;
    }
    axi_service_count(m, service, &counts);
    return !is_counted || !axi_member_runs(m, task) || counts.running > service->spec.minimum;
}

/* ---- the state of a new one ---- */

static bool is_bad(const struct axi_service *service, uint64_t task)
{
    for (uint32_t i = 0; i < service->bad_count; i++) {
        if (service->bad[i] == task) {
            return true;
        }
    }
    return false;
}

/* The higher, the better to begin with: 0 = of no use. */
static uint64_t worth_as_seed(struct axi_master *m, const struct axi_service *service,
                              const struct axi_member *member)
{
    struct axi_replica_view view;
    struct axi_votes votes;

    axi_replica_look(m, member->task, &view);
    if (view.state == AXI_REPLICA_RUNNING || view.state == AXI_REPLICA_MOVING) {
        bool has_votes = axi_votes_of(m, member->task, &votes);
        bool agrees = has_votes && votes.bad_in_row == 0 && votes.good_in_row > 0;
        bool is_suspect = is_bad(service, member->task) || (has_votes && votes.bad_in_row > 0);

        return (is_suspect ? 1u : 4u) + agrees + (member->role == AXI_MEMBER_ACTIVE) +
               (member->role != AXI_MEMBER_NEW) + (UINT64_C(1) << 40);
    }
    /* the last one's checkpoint, unless it was asked for in vain */
    return view.state == AXI_REPLICA_FAILED && !service->is_stateless ? member->number : 0;
}

uint64_t axi_member_seed(struct axi_master *m, const struct axi_service *service)
{
    uint64_t best = 0;
    uint64_t seed = 0;

    for (uint32_t i = 0; i < service->member_count; i++) {
        uint64_t worth = worth_as_seed(m, service, &service->members[i]);

        if (worth > best) {
            best = worth;
            seed = service->members[i].task;
        }
    }
    return seed;
}

/* ---- nodes ---- */

void axi_service_avoid(struct axi_master *m, struct axi_service *service, uint64_t node,
                       uint64_t pause_ns)
{
    uint64_t until = axi_now(m) + pause_ns;
    uint32_t slot = 0;

    if (node == 0) {
        return;
    }
    for (uint32_t i = 0; i < AXI_AVOIDED_MAX; i++) {
        if (service->avoided[i].node == node) {
            slot = i;
            until = service->avoided[i].until_ns > until ? service->avoided[i].until_ns : until;
            break;
        }
        slot = service->avoided[i].until_ns < service->avoided[slot].until_ns ? i : slot;
    }
    service->avoided[slot].node = node;
    service->avoided[slot].until_ns = until;
}

size_t axi_service_avoided(struct axi_master *m, const struct axi_service *service,
                           uint64_t ret_nodes[AXI_AVOIDED_MAX])
{
    size_t count = 0;

    for (uint32_t i = 0; i < AXI_AVOIDED_MAX; i++) {
        if (service->avoided[i].node != 0 && axi_now(m) < service->avoided[i].until_ns) {
            ret_nodes[count++] = service->avoided[i].node;
        }
    }
    return count;
}

static uint32_t assurance_of(const struct axi_service_spec *spec, bool is_degraded)
{
    return is_degraded ? spec->degraded.assurance : spec->assurance;
}

bool axi_service_may_use_spares(struct axi_master *m, const struct axi_service *service)
{
    struct axi_service_counts counts;
    bool is_asked = false;

    axi_service_count(m, service, &counts);
    for (size_t i = 0; i < m->declared->service_count; i++) {
        is_asked = is_asked || m->declared->services[i]->spec.survives_node_loss;
    }
    return is_asked && service->numbers >= service->spec.replicas &&
           counts.alive < service->spec.replicas;
}

static int choose(struct axi_master *m, const struct axi_service *service,
                  const struct axi_member_request *request, bool ignores_spares, uint64_t *ret_node,
                  char *ret_reason)
{
    const struct axi_service_spec *spec = request->spec != NULL ? request->spec : &service->spec;
    const struct axi_service_images *images =
        request->images != NULL ? request->images : &service->images;
    struct axi_snapshot_extra extra = {.name = spec->name,
                                       .spec = spec,
                                       .info = axi_service_image(m, images, request->image),
                                       .image = request->image,
                                       .assurance_min = assurance_of(spec, request->is_degraded)};
    struct axi_snapshot_options options = {.extras = &extra,
                                           .extra_count = 1,
                                           .without = request->instead_of,
                                           .keeps_all = true,
                                           .ignores_spares = ignores_spares};
    uint64_t excluded[AXI_AVOIDED_MAX];
    size_t count = axi_service_avoided(m, service, excluded);
    struct axi_plan_choice choice = {.node = AXI_PLAN_NONE};
    struct axi_snapshot *snapshot;
    int rc;

    if (extra.info == NULL) {
        return axi_refuse(ret_reason, AXC_ENOENT, "an image of %s is not known (any more)",
                          spec->name);
    }
    snapshot = axi_snapshot_build(m, &options);
    if (snapshot == NULL) {
        return -AXC_ENOMEM;
    }
    rc = axi_plan_best(&snapshot->problem, snapshot->problem.task_count - 1, excluded, count,
                       &choice);
    if (rc == 0) {
        *ret_node = snapshot->problem.nodes[choice.node].place.id;
    } else {
        rc = axi_refuse(ret_reason, -rc, "%.150s", choice.reason);
    }
    axi_snapshot_free(snapshot);
    return rc;
}

int axi_service_choose(struct axi_master *m, const struct axi_service *service,
                       const struct axi_member_request *request, uint64_t *ret_node,
                       char *ret_reason)
{
    int rc = choose(m, service, request, false, ret_node, ret_reason);

    if (rc != 0 && axi_service_may_use_spares(m, service)) {
        rc = choose(m, service, request, true, ret_node, ret_reason);
    }
    return rc;
}

/* ---- adding ---- */

bool axi_member_ask_former(const struct axi_service *service, struct axi_member_request *request,
                           struct axi_service_spec *ret_former)
{
    if (service->previous == NULL ||
        axi_service_spec_from_json(service->previous, ret_former, NULL) != 0) {
        return false;
    }
    request->spec = ret_former;
    request->images = &service->previous_images;
    request->generation = service->generation - 1;
    return true;
}

static int append(struct axi_master *m, struct axi_service *next,
                  const struct axi_member_request *request, char *ret_reason)
{
    uint64_t now = axi_now_master(m);
    uint64_t task = m->port.random64(m->port.context) | 1;

    if (axi_now(m) < next->refused_ns) {
        return axi_refuse(ret_reason, AXC_EBUSY, "the last one was refused a moment ago");
    }
    if (next->member_count >= AXI_MEMBERS_MAX) {
        return axi_refuse(ret_reason, AXC_EFULL, "%u replicas of %s are there or going",
                          next->member_count, next->spec.name);
    }
    for (uint32_t i = 0; i < next->member_count; i++) {
        if (request->instead_of != 0 && next->members[i].task == request->instead_of) {
            next->members[i].role = request->instead_role;
            next->members[i].since_ns = now;
            next->members[i].successor = request->yields_to != NULL ? task : 0;
        }
    }
    if (request->yields_to != NULL) {
        axi_copy_text(next->yielded.to, sizeof(next->yielded.to), request->yields_to);
        next->yielded.since_ns = now;
    }
    next->members[next->member_count++] = (struct axi_member){
        .task = task,
        .number = ++next->numbers,
        .generation = request->generation != 0 ? request->generation : next->generation,
        .image = request->image,
        .role = request->role,
        .since_ns = now,
        .is_degraded = request->is_degraded};
    return 0;
}

static const char *seed_text(struct axi_master *m, const struct axi_member_request *request,
                             uint64_t seed, bool is_first)
{
    const struct axi_task *task = axi_task_find(m, seed);

    if (request->rule == AXI_STATE_RESTART && !is_first) {
        return "warm restart: begins from zero, as declared";
    }
    if (seed == 0) {
        return is_first ? "begins from zero" : "warm restart: no state is left anywhere";
    }
    if (task != NULL && task->record.state == AXI_TASK_RUNNING) {
        return request->rule == AXI_STATE_MAP ? "state of a running one, mapped by field"
                                              : "state of a running one";
    }
    return "restored from the newest checkpoint of one that is gone";
}

static void begin_grid(struct axi_master *m, struct axi_service *next, uint64_t seed)
{
    if (next->release_ns == 0 || seed == 0) {
        uint64_t first = axi_now_master(m) + m->config.start_delay_ns + FIRST_RELEASE_NS;
        struct axi_service_counts counts;

        axi_service_count(m, next, &counts);
        /* those that start together share one grid */
        next->release_ns = next->release_ns != 0 && counts.alive > 0 ? next->release_ns : first;
    }
}

/* The only replica of its service, and nobody keeps the grid: as one that managers restore it need
 * not catch up, which may take longer than an update waits for it. */
static bool may_shift(struct axi_master *m, const struct axi_service *service,
                      const struct axi_service_spec *spec)
{
    bool is_alone = spec->mode == AXI_MODE_SINGLE;

    for (uint32_t i = 0; i < service->member_count; i++) {
        struct axi_replica_view view;

        axi_replica_look(m, service->members[i].task, &view);
        is_alone = is_alone && view.state != AXI_REPLICA_STARTING &&
                   view.state != AXI_REPLICA_RUNNING && view.state != AXI_REPLICA_MOVING;
    }
    return is_alone;
}

int axi_member_add(struct axi_master *m, struct axi_service *service,
                   const struct axi_member_request *request, const char *why, uint64_t *ret_task,
                   char *ret_reason)
{
    const struct axi_service_spec *spec = request->spec != NULL ? request->spec : &service->spec;
    const struct axi_service_images *images =
        request->images != NULL ? request->images : &service->images;
    struct axi_replica_request replica = {.spec = spec,
                                          .image = axi_service_image(m, images, request->image),
                                          .assurance_min = assurance_of(spec, request->is_degraded),
                                          .node = request->node,
                                          .seed = request->has_seed ? request->seed
                                                                    : axi_member_seed(m, service),
                                          .rule = request->rule,
                                          .output_address = axi_voter_address(m, service),
                                          .output_from = axi_handover_first(m, service),
                                          .is_restored_by_managers = spec->mode == AXI_MODE_SINGLE,
                                          .may_shift = may_shift(m, service, spec)};
    struct axi_service_spec lesser;
    struct axi_service next = *service;
    struct axi_store_op ops[1 + AXI_ALSO_MAX];
    char key[AXI_SERVICE_KEY_BYTES];
    bool is_first = service->numbers < spec->replicas;
    int rc = append(m, &next, request, ret_reason);

    replica.seed = request->rule == AXI_STATE_RESTART ? 0 : replica.seed;
    if (request->image == AXI_SERVICE_IMAGES_MAX) { /* the declared WCETs are the full image's */
        lesser = *spec;
        lesser.wcet_count = 0;
        replica.spec = &lesser;
    }
    if (rc == 0 && replica.image == NULL) {
        rc = axi_refuse(ret_reason, AXC_ENOENT, "an image of %s is not known (any more)",
                        spec->name);
    }
    if (rc == 0 && replica.node == 0) {
        rc = axi_service_choose(m, service, request, &replica.node, ret_reason);
    }
    if (rc != 0) {
        return rc;
    }
    begin_grid(m, &next, replica.seed);
    replica.number = next.numbers;
    replica.id = next.members[next.member_count - 1].task;
    replica.release_ns = next.release_ns;
    rc = axi_service_prepare(service, &next, key, &ops[0]);
    if (rc != 0) {
        return rc;
    }
    for (size_t i = 0; i < request->also_count && i < AXI_ALSO_MAX; i++) {
        ops[1 + i] = request->also[i];
    }
    rc = axi_replica_create(m, &replica, ops, 1 + request->also_count, ret_task, ret_reason);
    axi_service_committed(m, service, &next, &ops[0], rc);
    if (rc == 0) {
        axi_event(m, AXI_INFO, "replica-placed", axi_task_find(m, replica.id),
                  axi_node_find(m, replica.node), "%s; %s", why,
                  seed_text(m, request, replica.seed, is_first));
    }
    return rc;
}

/* ---- roles ---- */

int axi_member_set_role(struct axi_master *m, struct axi_service *service, uint64_t task,
                        enum axi_member_role role, const char *why)
{
    struct axi_service next = *service;
    struct axi_member *member = axi_member_find(&next, task);
    int rc;

    if (member == NULL) {
        return -AXC_ENOENT;
    }
    member->role = role;
    member->since_ns = axi_now_master(m);
    rc = axi_service_commit(m, service, &next);
    if (rc == 0) {
        axi_event(m, AXI_INFO, role == AXI_MEMBER_GOING ? "replica-goes" : "replica-role",
                  axi_task_find(m, task), NULL, "%s-%u is %s: %s", next.spec.name, member->number,
                  axi_member_role_name(role), why);
    }
    return rc;
}
