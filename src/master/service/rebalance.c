/* SPDX-License-Identifier: Apache-2.0 */
#include "master/service/rebalance.h"

#include "master/service/service.h"
#include "master/service/telemetry.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOVES_MAX 16u
#define ROUNDS_OVER 3u /* samples in a row: one wild one is no overload */
#define HOLDS_MAX 4u   /* a task rests 2^this cooldowns at most */

enum why { OVERLOAD, HOME };

struct move {
    uint32_t task, from, to; /* indices of the problem */
    enum why why;
    uint64_t before_ppm, after_ppm; /* of the capacity: of the node left, of the one it goes to */
};

struct rebalance {
    struct axi_master *m;
    struct axi_snapshot *snapshot;
    struct axi_plan_problem problem; /* tasks: own copy, as though the moves were done */
    struct axi_plan_task *tasks;
    struct axi_planner *planner; /* of the problem */
    uint64_t *load_ppm; /* per node, of one processor: predicted, else measured or promised */
    struct move moves[MOVES_MAX];
    size_t count;
    bool is_asked; /* by a user: nobody rests */
};

/* ---- figures ---- */

static uint64_t of_capacity(const struct rebalance *r, uint32_t node, uint64_t load_ppm)
{
    uint64_t capacity = r->problem.nodes[node].place.capacity_ppm;

    return capacity != 0 ? load_ppm * 1000000u / capacity : UINT64_MAX;
}

static uint64_t declared_ppm(const struct axi_task *task, const struct axi_node *node)
{
    const struct axi_record *record = &task->record;
    int entry = node != NULL ? axi_task_entry(record, node) : -1;

    if (entry < 0 || record->spec.period_ns == 0) {
        return 0;
    }
    return (uint64_t)((double)record->entries[entry].wcet_ns * 1e6 /
                      (double)record->spec.period_ns);
}

/* What the task takes: its part, by what is declared, of what its node's tasks will take as far as
 * it can be foreseen; never more than it may. */
static uint64_t task_ppm(struct axi_master *m, const struct axi_task *task,
                         const struct axi_node *node)
{
    const struct axi_node *owner = axi_node_find(m, task->record.owner);
    uint64_t declared = declared_ppm(task, node);
    uint64_t load = owner != NULL ? axi_predicted_ppm(m, owner->id) : 0;
    uint64_t all = 0;

    for (size_t i = 0; load != 0 && i < m->task_count; i++) {
        all += m->tasks[i]->record.owner == owner->id ? declared_ppm(m->tasks[i], owner) : 0;
    }
    return all == 0 || load >= all ? declared
                                   : (uint64_t)((double)declared * (double)load / (double)all);
}

static uint64_t share_ppm(const struct rebalance *r, uint32_t task, uint32_t node)
{
    const struct axi_task *known = axi_task_find(r->m, r->tasks[task].id);

    return known != NULL ? task_ppm(r->m, known, r->m->nodes[node]) : 0;
}

static void fill_loads(struct rebalance *r)
{
    for (uint32_t n = 0; n < r->problem.node_count; n++) {
        uint64_t id = r->problem.nodes[n].place.id;

        r->load_ppm[n] = axi_predicted_ppm(r->m, id);
        if (r->load_ppm[n] != 0) {
            continue;
        }
        for (uint32_t t = 0; t < r->problem.task_count; t++) {
            r->load_ppm[n] += r->tasks[t].node == n ? share_ppm(r, t, n) : 0;
        }
        if (r->load_ppm[n] < axi_measured_ppm(r->m, id)) {
            r->load_ppm[n] = axi_measured_ppm(r->m, id);
        }
    }
}

/* ---- who may move, and where ---- */

static uint64_t hold_ns(struct axi_master *m, const struct axi_task *task)
{
    uint32_t times = task->rebalanced_count < HOLDS_MAX ? task->rebalanced_count : HOLDS_MAX;

    return axi_policy(m)->cooldown_ns << times;
}

static bool is_resting(struct axi_master *m, const struct axi_node *node)
{
    return node->rebalanced_ns != 0 &&
           axi_now(m) - node->rebalanced_ns < axi_policy(m)->cooldown_ns;
}

static bool may_move(const struct rebalance *r, uint32_t index)
{
    const struct axi_plan_task *task = &r->tasks[index];
    const struct axi_task *known = axi_task_find(r->m, task->id);

    return task->is_movable && known != NULL && known->record.state == AXI_TASK_RUNNING &&
           known->flow.step == AXI_STEP_IDLE &&
           (r->is_asked || known->rebalanced_ns == 0 ||
            axi_now(r->m) - known->rebalanced_ns >= hold_ns(r->m, known));
}

static size_t liking(const struct rebalance *r, uint32_t task, uint32_t node)
{
    uint32_t service = r->tasks[task].service;

    return service != AXI_PLAN_NONE
               ? axi_plan_preferred(&r->problem.services[service], &r->problem.nodes[node])
               : 0;
}

/* Room is left by the prediction; the filters have the last word. */
static bool takes(const struct rebalance *r, uint32_t task, uint32_t node, uint64_t *ret_after)
{
    uint64_t after = of_capacity(r, node, r->load_ppm[node] + share_ppm(r, task, node));
    double score = 0;

    if (node == r->tasks[task].node || after > axi_policy(r->m)->low_ppm ||
        (!r->is_asked && is_resting(r->m, r->m->nodes[node]))) {
        return false;
    }
    *ret_after = after;
    return axi_planner_judge(r->planner, task, node, &score, NULL) == 0;
}

/* Among those that like it best the emptiest; liked: at least this much. */
static uint32_t choose(const struct rebalance *r, uint32_t task, size_t liked, uint64_t *ret_after)
{
    uint32_t best = AXI_PLAN_NONE;
    size_t best_liking = 0;
    uint64_t after = 0;

    for (uint32_t n = 0; n < r->problem.node_count; n++) {
        size_t likes = liking(r, task, n);
        bool is_better = best == AXI_PLAN_NONE || likes > best_liking;

        if (likes >= liked && takes(r, task, n, &after) &&
            (is_better || (likes == best_liking && after < *ret_after))) {
            best = n;
            best_liking = likes;
            *ret_after = after;
        }
    }
    return best;
}

static bool put_move(struct rebalance *r, uint32_t task, uint32_t to, enum why why, uint64_t after)
{
    uint32_t from = r->tasks[task].node;
    uint64_t left = share_ppm(r, task, from);

    if (axi_planner_assume(r->planner, task, to) != 0) {
        return false;
    }
    r->moves[r->count++] = (struct move){.task = task,
                                         .from = from,
                                         .to = to,
                                         .why = why,
                                         .before_ppm = of_capacity(r, from, r->load_ppm[from]),
                                         .after_ppm = after};
    r->load_ppm[to] += share_ppm(r, task, to);
    r->load_ppm[from] -= left < r->load_ppm[from] ? left : r->load_ppm[from];
    r->tasks[task].node = to;
    r->tasks[task].is_movable = false; /* once per plan */
    return true;
}

/* ---- the two reasons ---- */

/* The least critical first, of equals the one that takes most: few moves. */
static bool goes_before(const struct rebalance *r, uint32_t a, uint32_t b, uint32_t node)
{
    if (r->tasks[a].criticality != r->tasks[b].criticality) {
        return r->tasks[a].criticality < r->tasks[b].criticality;
    }
    return share_ppm(r, a, node) > share_ppm(r, b, node);
}

static bool relieve_once(struct rebalance *r, uint32_t node)
{
    uint32_t best = AXI_PLAN_NONE;
    uint32_t best_to = AXI_PLAN_NONE;
    uint64_t best_after = 0;

    for (uint32_t t = 0; t < r->problem.task_count; t++) {
        uint64_t after = 0;
        uint32_t to;

        if (r->tasks[t].node != node || !may_move(r, t) || share_ppm(r, t, node) == 0 ||
            (best != AXI_PLAN_NONE && !goes_before(r, t, best, node))) {
            continue;
        }
        to = choose(r, t, 0, &after);
        if (to != AXI_PLAN_NONE) {
            best = t;
            best_to = to;
            best_after = after;
        }
    }
    return best != AXI_PLAN_NONE && put_move(r, best, best_to, OVERLOAD, best_after);
}

static void relieve(struct rebalance *r)
{
    const struct axi_policy_spec *policy = axi_policy(r->m);

    for (uint32_t n = 0; n < r->problem.node_count; n++) {
        const struct axi_node *node = r->m->nodes[n];
        bool is_over = axi_predicted_ppm(r->m, node->id) != 0 && axi_node_is_ready(node) &&
                       of_capacity(r, n, r->load_ppm[n]) > policy->high_ppm;

        if (!is_over ||
            (!r->is_asked && (node->rounds_over < ROUNDS_OVER || is_resting(r->m, node)))) {
            continue;
        }
        while (r->count < MOVES_MAX && of_capacity(r, n, r->load_ppm[n]) > policy->low_ppm &&
               relieve_once(r, n)) {
        }
    }
}

static void go_home(struct rebalance *r)
{
    for (uint32_t t = 0; t < r->problem.task_count && r->count < MOVES_MAX; t++) {
        uint32_t node = r->tasks[t].node;
        uint64_t after = 0;
        uint32_t to;

        if (node == AXI_PLAN_NONE || r->tasks[t].service == AXI_PLAN_NONE ||
            r->problem.services[r->tasks[t].service].prefer_count == 0 || !may_move(r, t)) {
            continue;
        }
        to = choose(r, t, liking(r, t, node) + 1, &after);
        if (to != AXI_PLAN_NONE && !put_move(r, t, to, HOME, after)) {
            return;
        }
    }
}

/* ---- plan and do ---- */

static void deinit(struct rebalance *r)
{
    axi_planner_free(r->planner);
    axi_snapshot_free(r->snapshot);
    free(r->tasks);
    free(r->load_ppm);
}

/* Keeps pointers into *r. */
static int init(struct axi_master *m, bool is_asked, struct rebalance *r)
{
    *r = (struct rebalance){.m = m, .snapshot = axi_snapshot_make(m), .is_asked = is_asked};
    if (r->snapshot != NULL) {
        r->problem = r->snapshot->problem;
        r->tasks = calloc(r->problem.task_count + 1, sizeof(*r->tasks));
        r->load_ppm = calloc(r->problem.node_count + 1, sizeof(*r->load_ppm));
    }
    if (r->tasks == NULL || r->load_ppm == NULL) {
        return -AXC_ENOMEM;
    }
    memcpy(r->tasks, r->problem.tasks, r->problem.task_count * sizeof(*r->tasks));
    r->problem.tasks = r->tasks;
    return axi_planner_new(&r->problem, &r->planner);
}

static int make_plan(struct axi_master *m, bool is_asked, struct rebalance *ret)
{
    int rc = init(m, is_asked, ret);

    if (rc != 0) {
        deinit(ret);
        return rc;
    }
    fill_loads(ret);
    relieve(ret);
    if (is_asked) {
        go_home(ret); /* else room.c does, now and then */
    }
    return 0;
}

static void explain(const struct rebalance *r, const struct move *move,
                    char reason[AXI_REASON_BYTES])
{
    const struct axi_policy_spec *policy = axi_policy(r->m);
    const char *to = r->problem.nodes[move->to].place.name;

    if (move->why == OVERLOAD) {
        (void)snprintf(reason, AXI_REASON_BYTES,
                       "to %.31s: load predicted within %llu s is %u %% of capacity, above %u %%; "
                       "there it will be %u %%",
                       to, (unsigned long long)(policy->horizon_ns / 1000000000u),
                       (unsigned)(move->before_ppm / 10000u), policy->high_ppm / 10000u,
                       (unsigned)(move->after_ppm / 10000u));
    } else {
        (void)snprintf(reason, AXI_REASON_BYTES,
                       "to %.31s, which it prefers: there the load will be %u %%, below %u %%", to,
                       (unsigned)(move->after_ppm / 10000u), policy->low_ppm / 10000u);
    }
}

/* Recently moved tasks rest longer and longer; a quiet while forgives. */
static void note_move(struct axi_master *m, struct axi_task *task, struct axi_node *from,
                      struct axi_node *to)
{
    struct axi_service *service = axi_service_find(m, task->record.service);
    uint64_t now = axi_now(m);
    bool is_forgiven = task->rebalanced_ns == 0 ||
                       now - task->rebalanced_ns > axi_policy(m)->cooldown_ns << (HOLDS_MAX + 1);

    task->rebalanced_count = is_forgiven ? 1 : task->rebalanced_count + 1;
    task->rebalanced_ns = from->rebalanced_ns = to->rebalanced_ns = now;
    if (service != NULL) {
        service->moved_ns = now;
    }
    from->rounds_over = 0;
}

static int execute(const struct rebalance *r, const struct move *move, const char *reason,
                   uint64_t *ret_op, char *ret_refusal)
{
    struct axi_master *m = r->m;
    struct axi_task *task = axi_task_find(m, r->tasks[move->task].id);
    struct axi_node *from = m->nodes[move->from];
    struct axi_node *to = m->nodes[move->to];
    int rc = axi_master_migrate(m, r->tasks[move->task].name, to->hello.name, ret_op, ret_refusal);

    if (rc == 0) {
        note_move(m, task, from, to);
        axi_event(m, AXI_INFO, "rebalanced", task, from, "%s", reason);
    } else {
        axi_event(m, AXI_WARNING, "rebalance-refused", task, from, "to %s: %s", to->hello.name,
                  ret_refusal);
    }
    return rc;
}

static json_t *move_json(const struct rebalance *r, const struct move *move, const char *reason)
{
    uint32_t service = r->tasks[move->task].service;

    return json_pack("{s:s, s:s, s:s, s:s, s:s}", "task", r->tasks[move->task].name, "service",
                     service != AXI_PLAN_NONE ? r->problem.services[service].name : "", "from",
                     r->problem.nodes[move->from].place.name, "to",
                     r->problem.nodes[move->to].place.name, "why", reason);
}

int axi_master_rebalance(struct axi_master *m, bool is_dry_run, json_t **ret_answer,
                         char *ret_reason)
{
    json_t *plan = json_array();
    json_t *operations = json_array();
    struct rebalance r;
    int rc = make_plan(m, true, &r);

    if (rc != 0) {
        json_decref(plan);
        json_decref(operations);
        return axi_refuse(ret_reason, AXC_ENOMEM, "out of memory");
    }
    for (size_t i = 0; i < r.count; i++) {
        char reason[AXI_REASON_BYTES];
        char refusal[AXI_REASON_BYTES] = "";
        char id[24];
        uint64_t op = 0;

        explain(&r, &r.moves[i], reason);
        json_array_append_new(plan, move_json(&r, &r.moves[i], reason));
        if (!is_dry_run && execute(&r, &r.moves[i], reason, &op, refusal) == 0) {
            (void)snprintf(id, sizeof(id), "%llu", (unsigned long long)op);
            json_array_append_new(
                operations,
                json_pack("{s:s, s:s}", "task", r.tasks[r.moves[i].task].name, "operation", id));
        }
    }
    deinit(&r);
    *ret_answer = json_pack("{s:o, s:o}", "plan", plan, "operations", operations);
    return 0;
}

/* True when some node asks for a look. */
static bool count_rounds(struct axi_master *m)
{
    bool is_any = false;

    for (size_t i = 0; i < m->node_count; i++) {
        struct axi_node *node = m->nodes[i];
        uint64_t high = (uint64_t)axi_policy(m)->high_ppm * node->hello.capacity_ppm / 1000000u;
        bool is_over = axi_node_is_ready(node) && axi_predicted_ppm(m, node->id) > high;

        node->rounds_over = is_over ? node->rounds_over + 1 : 0;
        is_any |= node->rounds_over >= ROUNDS_OVER && !is_resting(m, node);
    }
    return is_any;
}

bool axi_rebalance_allows(struct axi_master *m, const struct axi_task *task,
                          const struct axi_node *to)
{
    const struct axi_policy_spec *policy = axi_policy(m);
    uint64_t share = task_ppm(m, task, to);
    uint64_t load = axi_predicted_ppm(m, to->id);

    if (!policy->is_rebalancing) {
        return true;
    }
    if (is_resting(m, to) ||
        (task->rebalanced_ns != 0 && axi_now(m) - task->rebalanced_ns < hold_ns(m, task))) {
        return false;
    }
    return load == 0 ||
           (load + share) * 1000000u <= (uint64_t)policy->low_ppm * to->hello.capacity_ppm;
}

void axi_rebalance_tick(struct axi_master *m)
{
    uint64_t round = axi_telemetry_round(m);
    struct rebalance r;

    if (round == m->rebalance_round || !axi_policy(m)->is_rebalancing || axi_in_grace(m)) {
        return;
    }
    m->rebalance_round = round;
    if (!count_rounds(m) || make_plan(m, false, &r) != 0) {
        return;
    }
    for (size_t i = 0; i < r.count; i++) {
        char reason[AXI_REASON_BYTES];
        char refusal[AXI_REASON_BYTES] = "";
        uint64_t op = 0;

        explain(&r, &r.moves[i], reason);
        (void)execute(&r, &r.moves[i], reason, &op, refusal);
    }
    deinit(&r);
}
