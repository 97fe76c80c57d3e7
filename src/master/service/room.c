/* SPDX-License-Identifier: Apache-2.0 */
/* Breathing: moves of some tasks make room for others that found none, and bring home by `prefer`
 * what was moved away. Few moves at a time, and a pause after each. Where moves do not help, less
 * critical ones yield. */
#include "master/service/rebalance.h"
#include "master/service/yield.h"

#include <stdio.h>
#include <string.h>

#define SECOND 1000000000ull
#define MOVES_MAX 2u
#define ROOM_PAUSE_NS (5 * SECOND)
#define HOME_EVERY_NS (3 * SECOND)
#define AGAIN_NS (SECOND / 4)

/* Carries out the plan's moves; how many began. */
static uint32_t carry_out(struct axi_master *m, const struct axi_snapshot *snapshot,
                          const struct axi_plan *plan, size_t count, const char *type,
                          const char *what_for)
{
    uint32_t begun = 0;

    for (size_t i = 0; i < count && begun < MOVES_MAX; i++) {
        const struct axi_plan_task *task = &snapshot->problem.tasks[i];
        uint32_t to = plan->choices[i].node;
        char reason[AXI_REASON_BYTES] = "";
        const struct axi_task *moving = axi_task_find(m, task->id);
        const char *target;
        uint64_t op = 0;

        if (to == AXI_PLAN_NONE || to == task->node || moving == NULL) {
            continue;
        }
        target = snapshot->problem.nodes[to].place.name;
        if (axi_master_migrate(m, moving->record.name, target, &op, reason) == 0) {
            axi_event(m, AXI_INFO, type, moving,
                      axi_node_find(m, snapshot->problem.nodes[to].place.id), "moves to %s: %s",
                      target, what_for);
            begun++;
        }
    }
    return begun;
}

static bool is_all_placed(const struct axi_plan *plan, size_t first, size_t count)
{
    for (size_t i = first; i < count; i++) {
        if (plan->choices[i].node == AXI_PLAN_NONE) {
            return false;
        }
    }
    return true;
}

static uint32_t move_at_most(struct axi_master *m, const struct axi_snapshot *snapshot,
                             size_t extra_count, uint32_t moves, const char *what_for)
{
    struct axi_plan_options how = {.moves_max = moves};
    struct axi_plan plan = {0};
    size_t count = snapshot->problem.task_count;
    uint32_t begun = 0;

    if (axi_plan_make(&snapshot->problem, &how, &plan) != 0) {
        return 0;
    }
    if (is_all_placed(&plan, count - extra_count, count)) {
        begun = carry_out(m, snapshot, &plan, count - extra_count, "room-made", what_for);
    }
    axi_plan_clear(&plan);
    return begun;
}

/* True when moves have begun that make room for all of options->extras. First by one move: two may
 * change places, and neither can go first. */
static bool move_for(struct axi_master *m, const struct axi_snapshot_options *options,
                     const char *what_for)
{
    struct axi_snapshot *snapshot = axi_snapshot_build(m, options);
    uint32_t begun = 0;

    for (uint32_t moves = 1; snapshot != NULL && begun == 0 && moves <= MOVES_MAX; moves++) {
        begun = move_at_most(m, snapshot, options->extra_count, moves, what_for);
    }
    axi_snapshot_free(snapshot);
    return begun > 0;
}

static bool move_for_service(struct axi_master *m, struct axi_service *s,
                             const struct axi_snapshot_options *options, uint32_t urgent,
                             const char *reason)
{
    struct axi_snapshot_options least = *options;
    char text[AXI_REASON_BYTES];

    (void)snprintf(text, sizeof(text), "room for %s (%.90s)", s->spec.name, reason);
    least.extra_count = urgent;
    if (!move_for(m, options, text) &&
        (urgent == 0 || urgent >= options->extra_count || !move_for(m, &least, text))) {
        return false;
    }
    s->moved_ns = axi_now(m);
    return true;
}

static bool yield_for_service(struct axi_master *m, struct axi_service *s,
                              const struct axi_snapshot_options *options, uint32_t urgent)
{
    struct axi_yield_question question = {.extras = options->extras,
                                          .extra_count = urgent,
                                          .without = options->without,
                                          .asking = s,
                                          .ignores_spares = axi_service_may_use_spares(m, s)};

    if (urgent == 0 || urgent > options->extra_count ||
        !axi_yield_begin(m, &question, s->spec.name)) {
        return false;
    }
    s->room_ns = axi_now(m);
    return true;
}

bool axi_room_make(struct axi_master *m, struct axi_service *s,
                   const struct axi_snapshot_options *options, uint32_t urgent, const char *reason)
{
    bool is_resting = s->moved_ns != 0 && axi_now(m) < s->moved_ns + ROOM_PAUSE_NS;

    if (!axi_yield_is_under_way(m, s->spec.name) &&
        (is_resting || (!move_for_service(m, s, options, urgent, reason) &&
                        !yield_for_service(m, s, options, urgent)))) {
        return false;
    }
    s->next_ns = axi_now(m) + AGAIN_NS;
    return true;
}

bool axi_room_is_awaited(struct axi_master *m, const struct axi_service *s)
{
    uint64_t begun = s->room_ns > s->moved_ns ? s->room_ns : s->moved_ns;

    return begun != 0 && axi_now(m) < begun + ROOM_PAUSE_NS;
}

bool axi_room_for_task(struct axi_master *m, const struct axi_record *record)
{
    struct axi_image_info info = {.spec = record->spec, .entry_count = record->entry_count};
    struct axi_snapshot_extra extra = {
        .name = record->name, .info = &info, .assurance_min = record->assurance_min};
    struct axi_snapshot_options options = {.extras = &extra, .extra_count = 1};
    struct axi_yield_question question = {.extras = &extra, .extra_count = 1};
    char text[AXI_REASON_BYTES];

    memcpy(info.entries, record->entries, sizeof(info.entries));
    (void)snprintf(text, sizeof(text), "room for task %s", record->name);
    return move_for(m, &options, text) || axi_yield_begin(m, &question, record->name);
}

/* ---- home ---- */

/* The node with more of the preferred labels that takes the task now; AXI_PLAN_NONE: none. */
static uint32_t better_home(struct axi_master *m, const struct axi_plan_problem *problem,
                            struct axi_planner *planner, const struct axi_task *known, size_t index)
{
    const struct axi_plan_task *task = &problem->tasks[index];
    const struct axi_plan_service *service = &problem->services[task->service];
    size_t best = axi_plan_preferred(service, &problem->nodes[task->node]);
    uint32_t home = AXI_PLAN_NONE;

    for (uint32_t n = 0; n < problem->node_count; n++) {
        size_t count = axi_plan_preferred(service, &problem->nodes[n]);
        double score;

        if (n != task->node && count > best && axi_rebalance_allows(m, known, m->nodes[n]) &&
            axi_planner_judge(planner, index, n, &score, NULL) == 0) {
            best = count;
            home = n;
        }
    }
    return home;
}

/* One member of one service at a time, after a pause since it was moved last. */
void axi_room_bring_home(struct axi_master *m, struct axi_service *s)
{
    const struct axi_policy_spec *policy = axi_policy(m);
    uint64_t now = axi_now(m);
    uint64_t pause = policy->cooldown_ns != 0 ? policy->cooldown_ns : ROOM_PAUSE_NS;
    struct axi_planner *planner = NULL;
    struct axi_snapshot *snapshot;
    int rc;

    if (s->spec.prefer_count == 0 || !s->spec.is_movable || now < s->home_ns ||
        (s->moved_ns != 0 && now < s->moved_ns + pause)) {
        return;
    }
    s->home_ns = now + HOME_EVERY_NS;
    snapshot = axi_snapshot_make(m);
    if (snapshot != NULL) {
        axi_service_close_avoided(m, s, snapshot);
    }
    rc = snapshot != NULL ? axi_planner_new(&snapshot->problem, &planner) : -AXC_ENOMEM;
    for (size_t i = 0; rc == 0 && i < snapshot->problem.task_count; i++) {
        const struct axi_plan_task *task = &snapshot->problem.tasks[i];
        const struct axi_task *known = axi_task_find(m, task->id);
        uint32_t home;
        uint64_t op = 0;

        if (known == NULL || strcmp(known->record.service, s->spec.name) != 0 ||
            !task->is_movable || task->service == AXI_PLAN_NONE) {
            continue;
        }
        home = better_home(m, &snapshot->problem, planner, known, i);
        if (home != AXI_PLAN_NONE &&
            axi_master_migrate(m, known->record.name, snapshot->problem.nodes[home].place.name, &op,
                               NULL) == 0) {
            axi_event(m, AXI_INFO, "home", known, m->nodes[home],
                      "moves to %s, which it prefers and which takes it again",
                      snapshot->problem.nodes[home].place.name);
            s->moved_ns = now;
            break;
        }
    }
    axi_planner_free(planner);
    axi_snapshot_free(snapshot);
}
