/* SPDX-License-Identifier: Apache-2.0 */
/* Yielding, step by step. A degraded variant is started beside the full replica, which goes when it
 * counts and becomes an ordinary member again when it comes to nothing. The last replica of a
 * service does not go, it is stopped: its state is kept. What was yielded is in the service's
 * record, so that another master gives it back: after the policy's cooldown, when the one that it
 * was yielded to runs (or is gone) and there is room. */
#include "master/service/yield.h"

#include <stdio.h>
#include <string.h>

#define SECOND 1000000000ull
#define AGAIN_NS (SECOND / 4)
#define RESERVED_NS (10 * SECOND) /* so long room that was made is kept for whom it was made */
#define REFUSED_NS (10 * SECOND)
#define LOOKS_TO_RETURN 2u

static void again_in(struct axi_master *m, struct axi_service *s, uint64_t ns)
{
    uint64_t at = axi_now(m) + ns;

    s->next_ns = at < s->next_ns ? at : s->next_ns;
}

/* ---- who is in need ---- */

uint32_t axi_yield_urgent(struct axi_master *m, const struct axi_service *s)
{
    uint32_t least = s->spec.minimum > 1 ? s->spec.minimum : 1;
    uint32_t wanted = axi_service_wanted(s);
    struct axi_service_counts counts;
    uint32_t there;

    axi_service_count(m, s, &counts);
    there = counts.alive > counts.running ? counts.alive : counts.running;
    least = least < wanted ? least : wanted;
    return s->is_deleting || there >= least ? 0 : least - there;
}

static bool is_in_need(struct axi_master *m, const struct axi_service *s)
{
    return s->wait_ns != 0 || axi_yield_urgent(m, s) > 0;
}

bool axi_yield_is_reserved(struct axi_master *m, uint32_t criticality)
{
    struct axi_service **services = NULL;
    size_t count = axi_services_list(m, &services);

    for (size_t i = 0; i < count; i++) {
        const struct axi_service *s = services[i];

        if (s->spec.criticality > criticality && s->room_ns != 0 &&
            axi_now(m) < s->room_ns + RESERVED_NS && is_in_need(m, s)) {
            return true;
        }
    }
    for (size_t i = 0; i < m->task_count; i++) {
        const struct axi_task *task = m->tasks[i];

        if (!task->is_gone && task->record.state == AXI_TASK_PLACING &&
            task->flow.room_ns > axi_now(m) && task->record.spec.criticality > criticality) {
            return true;
        }
    }
    return false;
}

bool axi_yield_must_last(struct axi_master *m, const struct axi_service *s)
{
    const struct axi_service *to = axi_service_find(m, s->yielded.to);

    if (s->yielded.to[0] != '\0' &&
        (axi_now_master(m) - s->yielded.since_ns < axi_policy(m)->cooldown_ns ||
         (to != NULL && is_in_need(m, to)))) {
        return true;
    }
    return axi_yield_is_reserved(m, s->spec.criticality);
}

bool axi_yield_is_under_way(struct axi_master *m, const char *to)
{
    struct axi_service **services = NULL;
    size_t count = axi_services_list(m, &services);

    for (size_t i = 0; i < count; i++) {
        const struct axi_service *s = services[i];
        bool is_stopping = axi_service_wanted(s) == 0;

        for (uint32_t k = 0; strcmp(s->yielded.to, to) == 0 && k < s->member_count; k++) {
            const struct axi_member *member = &s->members[k];

            if (member->role == AXI_MEMBER_GOING ||
                (member->role == AXI_MEMBER_OLD && member->successor != 0) ||
                (is_stopping && axi_member_runs(m, member->task))) {
                return true;
            }
        }
    }
    return false;
}

/* ---- to begin ---- */

static int begin_lesser(struct axi_master *m, struct axi_service *s, const struct axi_yield *yield,
                        const char *to, char *ret_reason)
{
    const struct axi_member *member = axi_member_find(s, yield->task);
    bool has_own = s->spec.degraded.image[0] != '\0';
    struct axi_member_request request = {.image = has_own ? AXI_SERVICE_IMAGES_MAX : member->image,
                                         .role = AXI_MEMBER_NEW,
                                         .is_degraded = true,
                                         .node = m->nodes[yield->lesser_node]->id,
                                         .instead_of = yield->task,
                                         .instead_role = AXI_MEMBER_OLD,
                                         .yields_to = to,
                                         .has_seed = true,
                                         .seed = yield->task,
                                         .rule = s->spec.degraded.state};
    char why[AXI_REASON_BYTES];
    uint64_t created = 0;

    (void)snprintf(why, sizeof(why), "degraded: makes room for %s", to);
    return axi_member_add(m, s, &request, why, &created, ret_reason);
}

/* The last one stays a member, and is stopped by axi_yield_step. */
static int begin_without(struct axi_master *m, struct axi_service *s, uint64_t task, const char *to)
{
    struct axi_service next = *s;

    axi_copy_text(next.yielded.to, sizeof(next.yielded.to), to);
    next.yielded.since_ns = axi_now_master(m);
    next.yielded.replicas++;
    if (axi_service_wanted(&next) > 0) {
        struct axi_member *member = axi_member_find(&next, task);

        member->role = AXI_MEMBER_GOING;
        member->since_ns = next.yielded.since_ns;
    }
    return axi_service_commit(m, s, &next);
}

static bool begin_one(struct axi_master *m, const struct axi_yield *yield, const char *to,
                      uint32_t criticality)
{
    struct axi_service *s = axi_service_find(m, yield->service);
    bool is_lesser = yield->lesser_node != AXI_PLAN_NONE;
    char reason[AXI_REASON_BYTES] = "";
    int rc =
        is_lesser ? begin_lesser(m, s, yield, to, reason) : begin_without(m, s, yield->task, to);

    axi_service_look_now(m, s);
    if (rc == 0) {
        axi_event(m, AXI_WARNING, "yields", axi_task_find(m, yield->task), m->nodes[yield->node],
                  "%s (criticality %u) makes room for %s (%u): %s", s->spec.name,
                  s->spec.criticality, to, criticality,
                  is_lesser ? "its degraded variant takes over" : "it goes on with fewer replicas");
        return true;
    }
    if (rc == -AXC_EBUSY || rc == -AXC_ETIMEOUT || rc == -AXC_EUNAVAILABLE ||
        rc == -AXC_ECONFLICT) {
        return false; /* not for long */
    }
    s->yield_ns = axi_now(m) + REFUSED_NS;
    axi_event(m, AXI_WARNING, "yield-refused", axi_task_find(m, yield->task), m->nodes[yield->node],
              "%s cannot make room for %s: %s", s->spec.name, to,
              reason[0] != '\0' ? reason : axi_error_text(rc));
    return false;
}

bool axi_yield_begin(struct axi_master *m, const struct axi_yield_question *question,
                     const char *to)
{
    uint32_t nodes[AXI_SERVICE_REPLICAS_MAX];
    struct axi_yields yields;
    bool is_begun = false;

    if (question->extra_count == 0 || question->extra_count > AXI_SERVICE_REPLICAS_MAX ||
        axi_yield_find(m, question, nodes, &yields) != 0) {
        return false;
    }
    for (size_t i = 0; i < question->extra_count; i++) {
        if (nodes[i] == AXI_PLAN_NONE) {
            return false;
        }
    }
    for (size_t i = 0; i < yields.count; i++) {
        const struct axi_snapshot_extra *extra = &question->extras[yields.list[i].extra];
        uint32_t criticality =
            extra->spec != NULL ? extra->spec->criticality : extra->info->spec.criticality;

        is_begun |= begin_one(m, &yields.list[i], to, criticality);
    }
    return is_begun;
}

/* ---- to go on ---- */

/* The degraded one came to nothing: the full one, which still runs, counts as before. */
static int reinstate(struct axi_master *m, struct axi_service *s, uint64_t task)
{
    struct axi_service next = *s;
    struct axi_member *member = axi_member_find(&next, task);
    int rc;

    member->role = AXI_MEMBER_ACTIVE;
    member->successor = 0;
    member->since_ns = axi_now_master(m);
    rc = axi_service_commit(m, s, &next);
    if (rc == 0) {
        s->yield_ns = axi_now(m) + REFUSED_NS;
        axi_event(m, AXI_WARNING, "yield-refused", axi_task_find(m, task), NULL,
                  "%s makes no room for %s: its degraded variant was lost or did not begin",
                  s->spec.name, s->yielded.to);
    }
    return rc;
}

/* The full one goes as soon as its own successor counts, whatever else the service is short of. */
static int go_on(struct axi_master *m, struct axi_service *s)
{
    int rc = 0;

    for (uint32_t i = 0; i < s->member_count && rc == 0; i++) {
        const struct axi_member *member = &s->members[i];
        const struct axi_member *successor = axi_member_find(s, member->successor);

        if (member->role != AXI_MEMBER_OLD || member->successor == 0) {
            continue;
        }
        if (successor == NULL || successor->role == AXI_MEMBER_GOING) {
            rc = reinstate(m, s, member->task);
        } else if (successor->role == AXI_MEMBER_ACTIVE && axi_member_runs(m, successor->task) &&
                   axi_service_may_lose(m, s, member->task)) {
            rc = axi_member_set_role(m, s, member->task, AXI_MEMBER_GOING,
                                     "its degraded successor counts");
        }
    }
    return rc;
}

static void stop_last(struct axi_master *m, const struct axi_service *s)
{
    for (uint32_t i = 0; i < s->member_count; i++) {
        const struct axi_task *task = axi_task_find(m, s->members[i].task);
        char reason[AXI_REASON_BYTES] = "";
        uint64_t op = 0;

        if (task != NULL && s->members[i].role == AXI_MEMBER_ACTIVE &&
            axi_member_runs(m, s->members[i].task)) {
            (void)!axi_master_stop(m, task->record.name, &op,
                                   reason); /* refused: looked at again */
        }
    }
}

static bool is_pending(const struct axi_service *s)
{
    for (uint32_t i = 0; i < s->member_count; i++) {
        if (s->members[i].role == AXI_MEMBER_OLD && s->members[i].successor != 0) {
            return true;
        }
    }
    return false;
}

/* Twice in a row a node must take one more. */
static int take_back(struct axi_master *m, struct axi_service *s)
{
    struct axi_service next = *s;
    int rc;

    if (axi_now(m) < s->return_ns) {
        return 0;
    }
    s->return_ns = axi_now(m) + SECOND;
    again_in(m, s, SECOND);
    s->return_looks = axi_service_fits_more(m, s) ? s->return_looks + 1 : 0;
    if (s->return_looks < LOOKS_TO_RETURN) {
        return 0;
    }
    s->return_looks = 0;
    next.yielded.replicas--;
    rc = axi_service_commit(m, s, &next);
    if (rc == 0) {
        axi_event(m, AXI_INFO, "yield-ends", NULL, NULL,
                  "%s: there is room again for a replica that it went without for %s", s->spec.name,
                  s->yielded.to);
    }
    return rc;
}

static int give_back(struct axi_master *m, struct axi_service *s)
{
    struct axi_service_counts counts;
    struct axi_service next = *s;
    int rc;

    axi_service_count(m, s, &counts);
    if (s->yielded.replicas > 0 && s->spec.is_preemptible) {
        s->return_looks = axi_yield_must_last(m, s) ? 0 : s->return_looks;
        return axi_yield_must_last(m, s) ? 0 : take_back(m, s);
    }
    if (counts.degraded > 0 || is_pending(s)) {
        return 0;
    }
    next.yielded = (struct axi_yielded){.to = ""};
    rc = axi_service_commit(m, s, &next);
    if (rc == 0) {
        axi_event(m, AXI_INFO, "yield-ends", NULL, NULL, "%s lacks nothing for others any more",
                  s->spec.name);
    }
    return rc;
}

int axi_yield_step(struct axi_master *m, struct axi_service *s)
{
    int rc = go_on(m, s);

    if (rc == 0 && axi_service_wanted(s) == 0) {
        stop_last(m, s);
        again_in(m, s, AGAIN_NS);
    }
    return rc == 0 && s->yielded.to[0] != '\0' ? give_back(m, s) : rc;
}

bool axi_yield_describe(const struct axi_service *s, uint32_t degraded,
                        char ret_text[AXI_REASON_BYTES])
{
    uint32_t fewer = s->spec.replicas - axi_service_wanted(s);
    char lack[48] = "";

    if (s->yielded.to[0] == '\0' || fewer + degraded == 0) {
        return false;
    }

    if (fewer > 0) {
        (void)snprintf(lack, sizeof(lack), "%u of %u replicas%s", fewer, s->spec.replicas,
                       degraded > 0 ? ", " : "");
    }
    (void)snprintf(ret_text, AXI_REASON_BYTES, "makes room for %s: goes without %s%s",
                   s->yielded.to, lack, degraded > 0 ? "the full image" : "");
    return true;
}
