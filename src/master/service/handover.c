/* SPDX-License-Identifier: Apache-2.0 */
#include "master/service/handover.h"

#include <inttypes.h>
#include <stdio.h>

#define MS 1000000ull
#define AHEAD_NS (600 * MS) /* one node says that it knows of job k, the other one hears of it */

static bool is_concerned(const struct axi_service *s)
{
    return s->spec.mode == AXI_MODE_SINGLE;
}

/* The member's task when it runs, else NULL. */
static struct axi_task *running(struct axi_master *m, const struct axi_member *member)
{
    return axi_member_runs(m, member->task) ? axi_task_find(m, member->task) : NULL;
}

/* Puts out, or did until a job that was named. */
static bool is_heard(const struct axi_task *task)
{
    return task->record.output_from != AXI_OUTPUT_NEVER;
}

static bool is_told(const struct axi_task *task)
{
    return task->has_status && task->status.epoch == task->record.epoch &&
           task->status.output_from == task->record.output_from &&
           task->status.output_until == task->record.output_until;
}

/* Who shall put out: one that counts before one that shall go, that before one that is proved. */
static struct axi_task *find_heir(struct axi_master *m, const struct axi_service *s)
{
    static const int worths[] = {
        [AXI_MEMBER_ACTIVE] = 3, [AXI_MEMBER_OLD] = 2, [AXI_MEMBER_NEW] = 1};
    struct axi_task *heir = NULL;
    int best = 0;

    for (uint32_t i = 0; i < s->member_count; i++) {
        struct axi_task *task = running(m, &s->members[i]);
        int worth = s->members[i].role != AXI_MEMBER_GOING ? worths[s->members[i].role] : 0;

        if (task != NULL && worth > 0 && worth >= best) { /* of equals the youngest */
            best = worth;
            heir = task;
        }
    }
    return heir;
}

/* The first job that is released well after now, of those tasks' own grids. */
static uint64_t job_ahead(struct axi_master *m, const struct axi_task *task, uint64_t least)
{
    const struct axi_record *r = &task->record;
    uint64_t then = axi_now_master(m) + AHEAD_NS;
    uint64_t job = then > r->release_ns ? (then - r->release_ns) / r->spec.period_ns + 1 : 1;

    job = job > task->status.next_job ? job : task->status.next_job + 1;
    return job > least ? job : least;
}

static bool set(struct axi_master *m, struct axi_task *task, uint64_t from, uint64_t until)
{
    struct axi_record next = task->record;

    if (next.output_from == from && next.output_until == until) {
        return true;
    }
    next.output_from = from;
    next.output_until = until;
    return !task->is_uncertain && axi_task_commit(m, task, &next, NULL, 0) == 0;
}

/* Nobody else puts out: all that it has yet to do is its own. */
static void open_all(struct axi_master *m, struct axi_task *heir)
{
    bool is_due = heir->record.output_from > heir->status.next_job;

    if (is_due || heir->record.output_until != 0) {
        (void)set(m, heir, is_due ? 0 : heir->record.output_from, 0);
    }
}

static bool is_agreed(struct axi_master *m, const struct axi_service *s,
                      const struct axi_task *heir)
{
    for (uint32_t i = 0; i < s->member_count; i++) {
        const struct axi_task *task = running(m, &s->members[i]);

        if (task != NULL && task != heir && is_heard(task) &&
            (task->record.output_until == 0 ||
             task->record.output_until != heir->record.output_from)) {
            return false;
        }
    }
    return heir->record.output_until == 0;
}

/* The heir first: should the other commit fail, a job is put out twice rather than by nobody. */
static void agree(struct axi_master *m, struct axi_service *s, struct axi_task *heir)
{
    uint64_t job = job_ahead(m, heir, 1);

    for (uint32_t i = 0; i < s->member_count; i++) {
        const struct axi_task *task = running(m, &s->members[i]);

        if (task != NULL && task != heir && is_heard(task)) {
            job = job_ahead(m, task, job);
        }
    }
    if (!set(m, heir, job, 0)) {
        return;
    }
    for (uint32_t i = 0; i < s->member_count; i++) {
        struct axi_task *task = running(m, &s->members[i]);

        if (task != NULL && task != heir && is_heard(task) &&
            set(m, task, task->record.output_from < job ? task->record.output_from : 0, job)) {
            axi_event(m, AXI_INFO, "output-moves", heir, axi_node_find(m, heir->record.owner),
                      "puts out from job %" PRIu64 " on, %s until then", job, task->record.name);
        }
    }
}

static void tell(struct axi_master *m, const struct axi_task *task)
{
    struct axi_node *node = axi_node_find(m, task->record.owner);
    const axi_SetOutput set_output = {.request = m->port.random64(m->port.context) | 1,
                                      .task_id = task->record.id,
                                      .epoch = task->record.epoch,
                                      .output_from = task->record.output_from,
                                      .output_until = task->record.output_until};

    if (axi_node_is_ready(node)) {
        axi_send(m, node, AXI_WIRE_SET_OUTPUT, &set_output);
    }
}

bool axi_handover_step(struct axi_master *m, struct axi_service *s)
{
    struct axi_task *heir = is_concerned(s) ? find_heir(m, s) : NULL;
    bool is_alone = true;
    bool is_over = true;

    if (heir == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < s->member_count; i++) {
        const struct axi_task *task = running(m, &s->members[i]);

        is_alone &= task == NULL || task == heir || !is_heard(task);
    }
    if (is_alone) {
        open_all(m, heir);
    } else if (!is_agreed(m, s, heir)) {
        agree(m, s, heir);
    }
    for (uint32_t i = 0; i < s->member_count; i++) {
        const struct axi_task *task = running(m, &s->members[i]);

        if (task != NULL && !is_told(task)) {
            is_over = false;
            /* the others only when it is sure that the heir goes on: better twice than by nobody */
            if (task == heir || is_told(heir)) {
                tell(m, task);
            }
        }
    }
    return !is_over || !is_alone;
}

uint64_t axi_handover_first(struct axi_master *m, const struct axi_service *s)
{
    for (uint32_t i = 0; i < s->member_count && is_concerned(s); i++) {
        if (axi_member_runs(m, s->members[i].task)) {
            return AXI_OUTPUT_NEVER;
        }
    }
    return 0;
}

bool axi_handover_holds(struct axi_master *m, const struct axi_service *s, uint64_t id)
{
    const struct axi_task *task = axi_task_find(m, id);
    const struct axi_task *heir = is_concerned(s) ? find_heir(m, s) : NULL;

    if (task == NULL || heir == NULL || heir == task || !axi_member_runs(m, id) ||
        !is_heard(task)) {
        return false;
    }
    return !is_agreed(m, s, heir) || !is_told(heir) || !is_told(task) ||
           task->status.next_job < task->record.output_until;
}

const char *axi_handover_text(const struct axi_record *record, char text[48])
{
    if (record->output_until != 0) {
        (void)snprintf(text, 48, "until job %" PRIu64, record->output_until);
    } else if (record->output_from == AXI_OUTPUT_NEVER) {
        (void)snprintf(text, 48, "none");
    } else if (record->output_from != 0) {
        (void)snprintf(text, 48, "from job %" PRIu64, record->output_from);
    } else {
        (void)snprintf(text, 48, "all");
    }
    return text;
}
