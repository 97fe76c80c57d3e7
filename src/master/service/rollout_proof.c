/* SPDX-License-Identifier: Apache-2.0 */
#include "master/service/rollout_proof.h"

#include "master/service/rollout_internal.h"
#include "master/service/voters.h"

#include <inttypes.h>
#include <stdio.h>

static enum axi_proof say(enum axi_proof proof, char *ret_reason, const char *text)
{
    (void)snprintf(ret_reason, AXI_REASON_BYTES, "%s", text);
    return proof;
}

static bool is_bad(const struct axi_service *s, uint64_t task)
{
    for (uint32_t i = 0; i < s->bad_count; i++) {
        if (s->bad[i] == task) {
            return true;
        }
    }
    return false;
}

static bool is_wrong(struct axi_master *m, uint64_t task)
{
    struct axi_votes votes;

    return axi_votes_of(m, task, &votes) && votes.wrong > 0;
}

/* While it catches up its outputs come too late for any vote. */
static void forgive(struct axi_service *s, uint64_t task)
{
    uint32_t kept = 0;

    for (uint32_t i = 0; i < s->bad_count; i++) {
        if (s->bad[i] != task) {
            s->bad[kept++] = s->bad[i];
        }
    }
    s->bad_count = kept;
}

/* Jobs that its beginning made late miss their deadlines whatever it is: it has caught up once a
 * look at it finds new jobs and no new miss. */
static bool has_caught_up(struct axi_rollout *r, const struct axi_replica_view *view)
{
    if (view->completed < r->completed) { /* another instance: it was moved */
        r->is_proving = false;
    }
    if (!r->is_proving && r->completed != 0 && view->completed > r->completed) {
        r->is_proving = view->missed == r->missed;
        r->good_from = view->completed;
        r->missed_from = view->missed;
    }
    r->completed = view->completed;
    r->missed = view->missed;
    return r->is_proving;
}

/* Killed, or given up by its policy. A lost lease or node is not the program's fault. */
static bool has_crashed(const struct axi_task *task, const struct axi_replica_view *view,
                        char *ret_reason)
{
    uint32_t cause = task->status.last_cause;

    if (task->record.state == AXI_TASK_FAILED) {
        (void)snprintf(ret_reason, AXI_REASON_BYTES, "%s failed: %.100s", task->record.name,
                       view->reason);
        return true;
    }
    if (view->killed > 0 && cause != AXI_CAUSE_LEASE && cause != AXI_CAUSE_HALT) {
        (void)snprintf(ret_reason, AXI_REASON_BYTES, "%s: %" PRIu64 " jobs killed, the last by %s",
                       task->record.name, view->killed, axi_cause_name(cause));
        return true;
    }
    return false;
}

bool axi_rollout_is_unproved(const struct axi_service *s)
{
    bool is_begun = axi_json_get_u64(s->rollout_record, "generation") == s->generation;

    return s->previous != NULL && s->generation > 1 &&
           (!is_begun || json_is_true(json_object_get(s->rollout_record, "unproved")));
}

enum axi_proof axi_rollout_watch(struct axi_master *m, const struct axi_service *s,
                                 char *ret_reason)
{
    uint32_t good = 0;

    for (uint32_t i = 0; i < s->member_count; i++) {
        const struct axi_member *member = &s->members[i];
        const struct axi_task *task = axi_task_find(m, member->task);
        struct axi_replica_view view;

        if (task == NULL || member->role == AXI_MEMBER_GOING) {
            continue;
        }
        axi_replica_look(m, member->task, &view);
        if (has_crashed(task, &view, ret_reason)) {
            return AXI_PROOF_BAD;
        }
        good += member->role == AXI_MEMBER_ACTIVE && !member->is_degraded &&
                (view.state == AXI_REPLICA_ENDED || view.completed >= s->spec.update.good_jobs);
    }
    return good >= s->spec.replicas ? AXI_PROOF_READY : AXI_PROOF_WAIT;
}

bool axi_rollout_is_spoilt(struct axi_master *m, const struct axi_service *s, char *ret_reason)
{
    for (uint32_t i = 0; i < s->member_count; i++) {
        const struct axi_member *member = &s->members[i];
        const struct axi_task *task = axi_task_find(m, member->task);
        struct axi_replica_view view;

        if (task == NULL || member->generation != s->generation ||
            member->role != AXI_MEMBER_ACTIVE) {
            continue;
        }
        axi_replica_look(m, member->task, &view);
        if (has_crashed(task, &view, ret_reason)) {
            return true;
        }
        if (is_bad(s, member->task)) {
            (void)snprintf(ret_reason, AXI_REASON_BYTES, "%s: its outputs were wrong or missing",
                           task->record.name);
            return true;
        }
    }
    return false;
}

/* Where no votes succeed they say nothing of a new replica. The former version has shown already
 * that it works; another one is taken without votes only where nothing is put out as it is. */
static bool needs_votes(struct axi_master *m, const struct axi_service *s)
{
    return axi_votes_prove(m, s) ||
           (s->previous != NULL && !axi_rollout_is_reverting(s) && !axi_votes_fail(m, s));
}

static enum axi_proof judge_running(struct axi_master *m, struct axi_service *s,
                                    const struct axi_member *newcomer,
                                    const struct axi_replica_view *view, char *ret_reason)
{
    struct axi_rollout *r = s->rollout;
    const struct axi_task *task = axi_task_find(m, newcomer->task);
    struct axi_votes votes;
    bool has_votes = axi_votes_of(m, newcomer->task, &votes);

    if (has_crashed(task, view, ret_reason)) {
        return AXI_PROOF_BAD;
    }
    if (has_votes && s->spec.output.bad_limit != 0 && votes.wrong >= s->spec.output.bad_limit) {
        (void)snprintf(ret_reason, AXI_REASON_BYTES, "%s: %" PRIu64 " wrong outputs",
                       task->record.name, votes.wrong);
        return AXI_PROOF_BAD;
    }
    if (!has_caught_up(r, view)) {
        return say(AXI_PROOF_WAIT, ret_reason, "it has not caught up, or misses every deadline");
    }
    if (view->missed - r->missed_from > s->spec.update.misses_max) {
        (void)snprintf(ret_reason, AXI_REASON_BYTES, "%s: %" PRIu64 " deadlines missed",
                       task->record.name, view->missed - r->missed_from);
        return AXI_PROOF_BAD;
    }
    r->good = view->completed - r->good_from;
    if (has_votes && votes.good_in_row < r->good && needs_votes(m, s)) {
        r->good = votes.good_in_row;
    }
    if (r->good >= s->spec.update.good_jobs) {
        return AXI_PROOF_READY;
    }
    (void)snprintf(ret_reason, AXI_REASON_BYTES, "%s: %" PRIu64 " of %" PRIu32 " good jobs",
                   task->record.name, r->good, s->spec.update.good_jobs);
    return AXI_PROOF_WAIT;
}

enum axi_proof axi_rollout_prove(struct axi_master *m, struct axi_service *s,
                                 const struct axi_member *newcomer, char *ret_reason)
{
    struct axi_rollout *r = s->rollout;
    const struct axi_task *task = axi_task_find(m, newcomer->task);
    struct axi_replica_view view;

    if (r->task != newcomer->task) {
        *r = (struct axi_rollout){.task = newcomer->task, .retry_ns = r->retry_ns};
    }
    if (is_bad(s, newcomer->task) && (r->is_proving || is_wrong(m, newcomer->task))) {
        return say(AXI_PROOF_BAD, ret_reason, "its outputs were wrong or missing");
    }
    forgive(s, newcomer->task);
    axi_replica_look(m, newcomer->task, &view);
    switch (view.state) {
    case AXI_REPLICA_RUNNING:
    case AXI_REPLICA_MOVING:
        return judge_running(m, s, newcomer, &view, ret_reason);
    case AXI_REPLICA_ENDED:
        return AXI_PROOF_READY; /* all its jobs are done */
    case AXI_REPLICA_FAILED:
        return has_crashed(task, &view, ret_reason) ? AXI_PROOF_BAD
                                                    : say(AXI_PROOF_VOID, ret_reason, view.reason);
    case AXI_REPLICA_GONE:
    case AXI_REPLICA_LEAVING:
        return say(AXI_PROOF_VOID, ret_reason, "it is gone");
    default:
        return say(AXI_PROOF_WAIT, ret_reason,
                   s->condition[0] != '\0' ? s->condition : "it is being started");
    }
}
