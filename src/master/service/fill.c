/* SPDX-License-Identifier: Apache-2.0 */
/* Making the replicas that are missing: all of them planned together, so that what they must
 * differ in is reachable; then room is made by moves of others, and last a lesser one is taken. */
#include "master/service/hosts.h"
#include "master/service/voters.h"
#include "master/service/yield.h"

#include <stdio.h>
#include <string.h>

#define MS 1000000ull
#define SECOND (1000 * MS)
#define MOVES_EVERY_NS (15 * SECOND) /* for what is not urgent; a whole plan each time */

/* Those that are to be created of one kind. */
struct wanted {
    struct axi_member_request request; /* without node and variant */
    struct axi_snapshot_extra extras[AXI_SERVICE_REPLICAS_MAX];
    uint32_t count;
    bool ignores_spares;
};

static uint32_t variants_of(const struct axi_service_spec *spec)
{
    return (spec->diversity & AXI_DIVERSE_IMAGE) != 0 ? spec->image_count : 1;
}

/* The variant that the fewest have, so that they differ as far as they can. */
static uint32_t next_variant(const struct axi_service *s, const struct axi_service_spec *spec,
                             const struct wanted *w)
{
    uint32_t used[AXI_SERVICE_IMAGES_MAX + 1] = {0};
    uint32_t best = 0;

    for (uint32_t i = 0; i < s->member_count; i++) {
        used[s->members[i].image] +=
            s->members[i].role == AXI_MEMBER_ACTIVE || s->members[i].role == AXI_MEMBER_NEW;
    }
    for (uint32_t i = 0; i < w->count; i++) {
        used[w->extras[i].image]++;
    }
    for (uint32_t i = 1; i < variants_of(spec); i++) {
        best = used[i] < used[best] ? i : best;
    }
    return best;
}

static int prepare(struct axi_master *m, const struct axi_service *s, uint32_t count,
                   struct wanted *w, char *ret_reason)
{
    const struct axi_service_spec *spec = w->request.spec;

    for (w->count = 0; w->count < count; w->count++) {
        struct axi_snapshot_extra *extra = &w->extras[w->count];
        uint32_t image = w->request.is_degraded && spec->degraded.image[0] != '\0'
                             ? AXI_SERVICE_IMAGES_MAX
                             : next_variant(s, spec, w);

        *extra = (struct axi_snapshot_extra){
            .name = spec->name,
            .spec = spec,
            .info = axi_service_image(m, w->request.images, image),
            .image = image,
            .assurance_min = w->request.is_degraded ? spec->degraded.assurance : spec->assurance};
        if (extra->info == NULL) {
            return axi_refuse(ret_reason, AXC_ENOENT, "an image of %s is not known (any more)",
                              spec->name);
        }
    }
    return 0;
}

void axi_service_close_avoided(struct axi_master *m, const struct axi_service *s,
                               struct axi_snapshot *snapshot)
{
    uint64_t avoided[AXI_AVOIDED_MAX];
    size_t count = axi_service_avoided(m, s, avoided);

    for (size_t n = 0; n < snapshot->problem.node_count; n++) {
        struct axi_plan_node *node = (struct axi_plan_node *)&snapshot->problem.nodes[n];

        for (size_t i = 0; i < count; i++) {
            if (node->place.id == avoided[i]) {
                node->is_cordoned = true;
                node->closed_why = "left alone for a while: a replica failed there";
            }
        }
    }
}

/* Nodes for all of them; what finds none is told in ret_reason. Returns how many found one. */
static int place_all(struct axi_master *m, const struct axi_service *s, const struct wanted *w,
                     uint64_t *ret_nodes, char *ret_reason)
{
    struct axi_snapshot_options options = {.extras = w->extras,
                                           .extra_count = w->count,
                                           .keeps_all = true,
                                           .ignores_spares = w->ignores_spares};
    struct axi_snapshot *snapshot = axi_snapshot_build(m, &options);
    struct axi_plan_options how = {.moves_max = 0};
    struct axi_plan plan = {0};
    int placed = 0;

    if (snapshot == NULL) {
        return -AXC_ENOMEM;
    }
    axi_service_close_avoided(m, s, snapshot);
    if (axi_plan_make(&snapshot->problem, &how, &plan) != 0) {
        axi_snapshot_free(snapshot);
        return -AXC_ENOMEM;
    }
    for (uint32_t i = 0; i < w->count; i++) {
        const struct axi_plan_choice *choice =
            &plan.choices[snapshot->problem.task_count - w->count + i];

        ret_nodes[i] = 0;
        if (choice->node != AXI_PLAN_NONE) {
            ret_nodes[i] = snapshot->problem.nodes[choice->node].place.id;
            placed++;
        } else {
            (void)snprintf(ret_reason, AXI_REASON_BYTES, "%.155s", choice->reason);
        }
    }
    axi_plan_clear(&plan);
    axi_snapshot_free(snapshot);
    return placed;
}

/* The failed member that the new one stands in for: it goes in the same transaction. */
static uint64_t failed_one(struct axi_master *m, const struct axi_service *s)
{
    struct axi_replica_view view;

    for (uint32_t i = 0; i < s->member_count; i++) {
        axi_replica_look(m, s->members[i].task, &view);
        if (view.state == AXI_REPLICA_FAILED && s->members[i].role != AXI_MEMBER_GOING) {
            return s->members[i].task;
        }
    }
    return 0;
}

static int create_all(struct axi_master *m, struct axi_service *s, struct wanted *w,
                      const uint64_t *nodes, char *ret_reason)
{
    struct axi_service_counts counts;
    uint64_t task;
    int rc = 0;

    axi_service_count(m, s, &counts);
    for (uint32_t i = 0; i < w->count && rc == 0; i++) {
        struct axi_member_request request = w->request;

        if (nodes[i] == 0) {
            continue;
        }
        request.node = nodes[i];
        request.image = w->extras[i].image;
        request.role = counts.running == 0 ? AXI_MEMBER_ACTIVE : AXI_MEMBER_NEW;
        request.instead_of = failed_one(m, s);
        request.instead_role = AXI_MEMBER_GOING;
        rc = axi_member_add(m, s, &request,
                            s->numbers < s->spec.replicas ? "declared" : "a replica is missing",
                            &task, ret_reason);
        if (rc != 0 && rc != -AXC_ETIMEOUT && rc != -AXC_EUNAVAILABLE && rc != -AXC_EBUSY) {
            axi_service_avoid(m, s, nodes[i], 5 * SECOND);
        }
    }
    return rc;
}

static bool has_former(const struct axi_service *s)
{
    bool has = false;

    for (uint32_t i = 0; i < s->member_count; i++) {
        has |= s->members[i].generation != s->generation && s->members[i].role == AXI_MEMBER_ACTIVE;
    }
    return has;
}

static bool may_degrade(struct axi_master *m, const struct axi_service *s)
{
    return s->spec.degraded.is_allowed && s->short_ns != 0 &&
           axi_now(m) - s->short_ns >= s->spec.degraded.after_ns;
}

static int try_kind(struct axi_master *m, struct axi_service *s, uint32_t count,
                    struct wanted *wanted, char *ret_reason)
{
    uint64_t nodes[AXI_SERVICE_REPLICAS_MAX];
    int placed = prepare(m, s, count, wanted, ret_reason);

    if (placed == 0) {
        placed = place_all(m, s, wanted, nodes, ret_reason);
    }
    if (placed > 0) {
        int rc = create_all(m, s, wanted, nodes, ret_reason);

        return rc != 0 ? rc : placed;
    }
    return placed;
}

/* A replica is missing, and the others leave no node but those kept for such a loss. */
static int use_spares(struct axi_master *m, struct axi_service *s, uint32_t count,
                      struct wanted *wanted, char *ret_reason)
{
    int placed;

    wanted->ignores_spares = true;
    placed = try_kind(m, s, count, wanted, ret_reason);
    wanted->ignores_spares = false;
    if (placed > 0) {
        axi_event(m, AXI_WARNING, "spare-used", NULL, NULL,
                  "%s: %d of the missing replicas placed where the loss of another node may leave "
                  "something without a place",
                  s->spec.name, placed);
    }
    return placed;
}

/* False also when that has been tried for so long that a degraded one is the better way. */
static bool make_room(struct axi_master *m, struct axi_service *s, const struct wanted *w,
                      bool may_yield, const char *reason)
{
    struct axi_snapshot_options options = {.extras = w->extras, .extra_count = w->count};
    uint32_t urgent = may_yield ? axi_yield_urgent(m, s) : 0;

    return axi_room_make(m, s, &options, urgent < w->count ? urgent : w->count, reason) &&
           (axi_room_is_awaited(m, s) || !may_degrade(m, s));
}

bool axi_service_fits_more(struct axi_master *m, struct axi_service *s)
{
    char reason[AXI_REASON_BYTES];
    uint64_t node = 0;
    int placed = 0;

    for (int lesser = 0; placed <= 0 && lesser <= (int)s->spec.degraded.is_allowed; lesser++) {
        struct wanted wanted = {
            .request = {.spec = &s->spec, .images = &s->images, .is_degraded = lesser != 0}};

        placed = prepare(m, s, 1, &wanted, reason);
        placed = placed == 0 ? place_all(m, s, &wanted, &node, reason) : placed;
        if (placed == 0 && lesser == 0 && axi_now(m) >= s->room_look_ns) {
            s->room_look_ns = axi_now(m) + MOVES_EVERY_NS;
            (void)make_room(m, s, &wanted, true, reason);
        }
    }
    return placed > 0;
}

/* Something stands against it for the moment. */
static bool must_wait(struct axi_master *m, struct axi_service *s)
{
    bool is_waiting = axi_now(m) < s->create_ns;

    if (!is_waiting && ((s->numbers == 0 && axi_voter_is_awaited(m, s)) ||
                        axi_yield_is_reserved(m, s->spec.criticality))) {
        s->create_ns = axi_now(m) + SECOND / 4;
        is_waiting = true;
    }
    if (is_waiting) {
        s->next_ns = s->create_ns < s->next_ns ? s->create_ns : s->next_ns;
    }
    return is_waiting;
}

/* Full ones find no node: lesser ones, where the manifest allows it. */
static int take_lesser(struct axi_master *m, struct axi_service *s, uint32_t missing,
                       struct wanted *wanted, char *ret_reason)
{
    int placed;

    wanted->request.is_degraded = true;
    wanted->request.rule = s->spec.degraded.state;
    placed = try_kind(m, s, missing, wanted, ret_reason);
    if (placed > 0) {
        axi_event(m, AXI_WARNING, "degraded", NULL, NULL,
                  "%s: no node for a full replica; a degraded one takes its place", s->spec.name);
    }
    return placed;
}

int axi_service_fill(struct axi_master *m, struct axi_service *s, bool is_rolling)
{
    struct axi_service_spec former;
    struct wanted wanted = {.request = {.spec = &s->spec, .images = &s->images}};
    enum axi_state_rule update = s->spec.update.state;
    struct axi_service_counts counts;
    char reason[AXI_REASON_BYTES] = "";
    bool may_use_spares;
    uint32_t missing;
    int placed;

    axi_service_count(m, s, &counts);
    missing = axi_service_wanted(s);
    missing = counts.alive < missing ? missing - counts.alive : 0;
    if (missing == 0) {
        s->short_ns = 0;
        return 0;
    }
    s->short_ns = s->short_ns != 0 ? s->short_ns : axi_now(m);
    if (must_wait(m, s)) {
        return 0;
    }
    if (is_rolling && !(has_former(s) && axi_member_ask_former(s, &wanted.request, &former))) {
        return 0;
    }
    wanted.request.rule = update == AXI_STATE_MAP ? AXI_STATE_MAP : AXI_STATE_CARRY;
    placed = try_kind(m, s, missing, &wanted, reason);
    may_use_spares = axi_service_may_use_spares(m, s);
    if (placed == 0 && make_room(m, s, &wanted, !may_use_spares, reason)) {
        return 0;
    }
    if (placed == 0 && may_use_spares) { /* before anybody yields */
        placed = use_spares(m, s, missing, &wanted, reason);
        if (placed == 0 && make_room(m, s, &wanted, true, reason)) {
            return 0;
        }
    }
    if (placed == 0 && !axi_room_is_awaited(m, s)) {
        (void)axi_partitions_want(m, wanted.extras, wanted.count, s->spec.name, reason);
    }
    if (placed == 0 && may_degrade(m, s)) {
        placed = take_lesser(m, s, missing, &wanted, reason);
    }
    if (placed < (int)missing) {
        s->wants_nodes = placed == 0;
        axi_service_condition(m, s, "service-short", reason);
        axi_service_back_off(m, s);
    }
    return placed < 0 && placed != -AXC_ENO_CANDIDATE ? placed : 0;
}
