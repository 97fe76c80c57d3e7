/* SPDX-License-Identifier: Apache-2.0 */
/* One look at one service: what is gone is forgotten, what is bad goes, what is missing is made.
 * Level-triggered: everything follows from the record and from what its tasks are now, so it may
 * run at any time, in any master. Each change is committed before the next is thought of. */
#include "master/service/handover.h"
#include "master/service/rollout.h"
#include "master/service/voters.h"
#include "master/service/yield.h"

#include <stdio.h>
#include <string.h>

#define MS 1000000ull
#define SECOND (1000 * MS)
#define AGAIN_NS (250 * MS)
#define BACKOFF_FIRST_NS (500 * MS)
#define BACKOFF_MAX_NS (30 * SECOND)
#define FAILED_PAUSE_NS (10 * SECOND)
#define QUIET_NS (30 * SECOND) /* so long a member must last for the backoff to be forgotten */
#define PROOF_JOBS 3u

static void again_in(struct axi_master *m, struct axi_service *s, uint64_t ns)
{
    uint64_t at = axi_now(m) + ns;

    s->next_ns = at < s->next_ns ? at : s->next_ns;
}

static enum axi_replica_state look(struct axi_master *m, uint64_t task,
                                   struct axi_replica_view *ret_view)
{
    axi_replica_look(m, task, ret_view);
    return ret_view->state;
}

void axi_service_condition(struct axi_master *m, struct axi_service *s, const char *type,
                           const char *text)
{
    if (strcmp(s->condition, text) == 0) {
        return;
    }
    axi_copy_text(s->condition, sizeof(s->condition), text);
    if (text[0] != '\0') {
        axi_event(m, AXI_WARNING, type, NULL, NULL, "%s: %s", s->spec.name, text);
    }
}

void axi_service_back_off(struct axi_master *m, struct axi_service *s)
{
    s->backoff_ns = s->backoff_ns == 0 ? BACKOFF_FIRST_NS : 2 * s->backoff_ns;
    s->backoff_ns = s->backoff_ns > BACKOFF_MAX_NS ? BACKOFF_MAX_NS : s->backoff_ns;
    s->create_ns = axi_now(m) + s->backoff_ns;
    again_in(m, s, s->backoff_ns);
}

/* ---- those that go ---- */

/* Something that starts may still want its checkpoints. */
static bool is_seed(struct axi_master *m, uint64_t id)
{
    for (size_t i = 0; i < m->task_count; i++) {
        const struct axi_record *r = &m->tasks[i]->record;

        if (!m->tasks[i]->is_gone && r->seed == id && r->state <= AXI_TASK_STARTING) {
            return true;
        }
    }
    return false;
}

/* Members whose task is gone are forgotten; those that are to go are removed. */
static int forget_and_remove(struct axi_master *m, struct axi_service *s)
{
    struct axi_service next = *s;
    struct axi_replica_view view;
    uint32_t kept = 0;

    for (uint32_t i = 0; i < s->member_count; i++) {
        const struct axi_member *member = &s->members[i];

        if (look(m, member->task, &view) == AXI_REPLICA_GONE) {
            continue;
        }
        if (member->role == AXI_MEMBER_GOING) {
            if (s->is_deleting ||
                (!is_seed(m, member->task) && !axi_handover_holds(m, s, member->task))) {
                axi_replica_remove(m, member->task);
            }
            again_in(m, s, AGAIN_NS);
        }
        next.members[kept++] = *member;
    }
    next.member_count = kept;
    return kept == s->member_count ? 0 : axi_service_commit(m, s, &next);
}

/* A task of this service that the record does not know: its creation was never recorded, or the
 * service was declared anew. */
static void remove_orphans(struct axi_master *m, struct axi_service *s)
{
    for (size_t i = 0; i < m->task_count; i++) {
        const struct axi_task *task = m->tasks[i];

        if (!task->is_gone && !task->is_uncertain &&
            strcmp(task->record.service, s->spec.name) == 0 &&
            task->record.state != AXI_TASK_DELETING &&
            axi_member_find(s, task->record.id) == NULL) {
            axi_event(m, AXI_WARNING, "replica-unknown", task, NULL,
                      "is no member of %s; it is removed", s->spec.name);
            axi_replica_remove(m, task->record.id);
        }
    }
}

static bool has_tasks(struct axi_master *m, const struct axi_service *s)
{
    for (size_t i = 0; i < m->task_count; i++) {
        if (!m->tasks[i]->is_gone && strcmp(m->tasks[i]->record.service, s->spec.name) == 0) {
            return true;
        }
    }
    return false;
}

/* The record goes last: without it nobody would remove what is left. */
static void delete_step(struct axi_master *m, struct axi_service *s)
{
    char key[AXI_SERVICE_KEY_BYTES];
    char name[AXI_SERVICE_NAME_BYTES];
    struct axi_store_op op = {.kind = AXI_STORE_DELETE, .key = key, .expected = s->revision};
    int rc;

    for (uint32_t i = 0; i < s->member_count; i++) {
        axi_replica_remove(m, s->members[i].task);
    }
    remove_orphans(m, s);
    again_in(m, s, AGAIN_NS);
    if (s->member_count > 0) {
        (void)forget_and_remove(m, s);
    }
    if (s->member_count > 0 || has_tasks(m, s)) {
        return;
    }
    axi_service_key(s->spec.name, key);
    rc = s->revision != 0 ? axi_commit(m, &op, 1, NULL) : 0;
    if (rc == -AXC_ECONFLICT || rc == -AXC_ETIMEOUT) {
        s->is_uncertain = true;
    } else if (rc == 0) {
        axi_copy_text(name, sizeof(name), s->spec.name);
        axi_event(m, AXI_INFO, "service-deleted", NULL, NULL, "%s is gone", name);
        axi_service_erase(m, s);
        axi_voters_tell(m, NULL, name);
    }
}

/* ---- failed and bad ones ---- */

/* A failed member goes at once when another runs; the last one's checkpoint may be needed. */
static int drop_failed(struct axi_master *m, struct axi_service *s)
{
    struct axi_service_counts counts;
    struct axi_replica_view view;
    int rc = 0;

    axi_service_count(m, s, &counts);
    for (uint32_t i = 0; i < s->member_count && rc == 0; i++) {
        struct axi_member member = s->members[i];
        char why[AXI_REASON_BYTES];

        if (member.role == AXI_MEMBER_GOING || look(m, member.task, &view) != AXI_REPLICA_FAILED ||
            counts.running == 0) {
            continue;
        }
        (void)snprintf(why, sizeof(why), "it failed: %.120s", view.reason);
        axi_service_avoid(m, s, view.node, FAILED_PAUSE_NS);
        rc = axi_member_set_role(m, s, member.task, AXI_MEMBER_GOING, why);
    }
    return rc;
}

/* One at a time: with two wrong ones nobody knows any more who is right. */
static int replace_bad(struct axi_master *m, struct axi_service *s)
{
    uint64_t task = s->bad_count > 0 ? s->bad[0] : 0;
    struct axi_member *member = axi_member_find(s, task);
    struct axi_replica_view view;
    enum axi_member_role role;
    struct axi_service_counts counts;
    int rc;

    axi_service_count(m, s, &counts);
    if (task == 0 || (member != NULL && counts.alive < axi_service_wanted(s) &&
                      member->role == AXI_MEMBER_ACTIVE)) {
        return 0; /* another one is being replaced: first that */
    }
    if (member != NULL && member->role != AXI_MEMBER_GOING && member->role != AXI_MEMBER_OLD) {
        role = axi_service_may_lose(m, s, task) ? AXI_MEMBER_GOING : AXI_MEMBER_OLD;
        (void)look(m, task, &view);
        axi_service_avoid(m, s, view.node, axi_policy(m)->flap_window_ns);
        rc = axi_member_set_role(
            m, s, task, role,
            role == AXI_MEMBER_OLD ? "bad outputs; goes when its successor counts" : "bad outputs");
        if (rc != 0) {
            return rc;
        }
    }
    memmove(&s->bad[0], &s->bad[1], (AXI_MEMBERS_MAX - 1) * sizeof(s->bad[0]));
    s->bad_count--;
    return 0;
}

/* ---- roles ---- */

static bool is_proved(struct axi_master *m, const struct axi_service *s, uint64_t task)
{
    struct axi_votes votes;
    uint32_t needed = s->spec.update.good_jobs < PROOF_JOBS ? s->spec.update.good_jobs : PROOF_JOBS;

    return !axi_votes_of(m, task, &votes) || votes.good_in_row >= needed || !axi_votes_prove(m, s);
}

/* A new member counts once it runs and agrees; one that does not in time goes. */
static int promote(struct axi_master *m, struct axi_service *s)
{
    int rc = 0;

    for (uint32_t i = 0; i < s->member_count && rc == 0; i++) {
        struct axi_member member = s->members[i];
        struct axi_replica_view view;
        uint64_t age = axi_now_master(m) - member.since_ns;

        if (member.role != AXI_MEMBER_NEW) {
            continue;
        }
        again_in(m, s, AGAIN_NS);
        if (look(m, member.task, &view) == AXI_REPLICA_RUNNING && is_proved(m, s, member.task)) {
            rc = axi_member_set_role(m, s, member.task, AXI_MEMBER_ACTIVE, "it runs and agrees");
        } else if (age > s->spec.update.timeout_ns) {
            axi_service_avoid(m, s, view.node, FAILED_PAUSE_NS);
            axi_service_back_off(m, s);
            rc = axi_member_set_role(m, s, member.task, AXI_MEMBER_GOING,
                                     "it did not prove itself in time");
        }
    }
    return rc;
}

/* The worst to keep: degraded before others, then the youngest. */
static const struct axi_member *pick_surplus(struct axi_master *m, const struct axi_service *s,
                                             enum axi_member_role role)
{
    const struct axi_member *worst = NULL;

    for (uint32_t i = 0; i < s->member_count; i++) {
        const struct axi_member *member = &s->members[i];

        if (member->role == role && axi_service_may_lose(m, s, member->task) &&
            (worst == NULL || member->is_degraded > worst->is_degraded ||
             (member->is_degraded == worst->is_degraded && member->number > worst->number))) {
            worst = member;
        }
    }
    return worst;
}

static int remove_surplus(struct axi_master *m, struct axi_service *s)
{
    struct axi_service_counts counts;
    const struct axi_member *member = NULL;
    uint32_t wanted = axi_service_wanted(s);

    axi_service_count(m, s, &counts);
    if (wanted == 0) {
        return 0; /* the last ones are stopped, for their state */
    }
    if (counts.ready >= wanted) {
        member = pick_surplus(m, s, AXI_MEMBER_OLD);
        if (member != NULL) {
            return axi_member_set_role(m, s, member->task, AXI_MEMBER_GOING,
                                       "its successor counts");
        }
    }
    if (counts.alive > wanted) {
        member = pick_surplus(m, s, AXI_MEMBER_NEW);
        member = member != NULL ? member : pick_surplus(m, s, AXI_MEMBER_ACTIVE);
        if (member != NULL) {
            again_in(m, s, AGAIN_NS);
            return axi_member_set_role(m, s, member->task, AXI_MEMBER_GOING,
                                       "more replicas than declared");
        }
    }
    return 0;
}

/* ---- the whole ---- */

static void say_condition(struct axi_master *m, struct axi_service *s)
{
    struct axi_service_counts counts;
    bool was_short = s->condition[0] != '\0';
    char text[AXI_REASON_BYTES];

    axi_service_count(m, s, &counts);
    s->is_stateless &= counts.running == 0;
    if (counts.ready >= s->spec.replicas && counts.degraded == 0) {
        for (uint32_t i = 0; i < s->member_count && s->backoff_ns != 0; i++) {
            s->backoff_ns = axi_now_master(m) - s->members[i].since_ns < QUIET_NS ? s->backoff_ns
                            : i + 1 == s->member_count                            ? 0
                                                                                  : s->backoff_ns;
        }
        axi_service_condition(m, s, "", "");
        if (was_short) {
            axi_event(m, AXI_INFO, "service-ready", NULL, NULL, "%s is as declared: %u of %u",
                      s->spec.name, counts.ready, s->spec.replicas);
        }
    } else if (counts.alive >= axi_service_wanted(s) && !axi_rollout_is_open(s) &&
               axi_yield_describe(s, counts.degraded, text)) {
        axi_service_condition(m, s, "service-yields", text);
    } else if (counts.alive < s->spec.replicas && s->condition[0] == '\0') {
        (void)snprintf(text, sizeof(text), "%u of %u replicas", counts.alive, s->spec.replicas);
        axi_service_condition(m, s, "service-short", text);
    }
}

void axi_service_reconcile(struct axi_master *m, struct axi_service *s)
{
    bool is_rolling;

    if (!axi_service_settle(m, s)) {
        again_in(m, s, AGAIN_NS);
        return;
    }
    if (s->is_deleting) {
        delete_step(m, s);
        return;
    }
    if (forget_and_remove(m, s) != 0) {
        again_in(m, s, AGAIN_NS);
        return;
    }
    remove_orphans(m, s);
    if (axi_in_grace(m)) { /* nodes may not be back yet: what runs there is not judged */
        again_in(m, s, AGAIN_NS);
        return;
    }
    if (axi_handover_step(m, s)) {
        again_in(m, s, AGAIN_NS);
    }
    is_rolling = axi_rollout_step(m, s);
    if (s->is_uncertain || drop_failed(m, s) != 0 || replace_bad(m, s) != 0 ||
        (!is_rolling && promote(m, s) != 0) || (!is_rolling && remove_surplus(m, s) != 0) ||
        axi_service_degrade(m, s) != 0 || axi_yield_step(m, s) != 0 ||
        axi_service_fill(m, s, is_rolling) != 0) {
        again_in(m, s, AGAIN_NS);
        return;
    }
    say_condition(m, s);
    axi_service_fit(m, s);
    axi_room_bring_home(m, s);
}
