/* SPDX-License-Identifier: Apache-2.0 */
#include "history/grid.h"

#include <inttypes.h>
#include <stdlib.h>

/* The source of a migration removes what it froze soon. One that was given up meanwhile, so that
 * its task was restored, does so when it is heard of again. */
#define MIGRATED_NS 500000000ull

struct event {
    const struct axi_trace *record;
    uint32_t source;
};

/* One task's events, by epoch, then in time. */
struct walk {
    const struct axi_check_source *sources;
    struct axi_verdict *verdict;
    struct axi_grid *grid;
    uint64_t epoch;                 /* the one that is or was active */
    uint64_t frozen_ns, removed_ns; /* of this epoch; 0 = it never was */
    /* Since the last release the task was stopped and started; restored. */
    bool may_begin_anew, may_begin_later;
    uint32_t source;
    bool has_source;
    int error;
};

static int compare(const void *left, const void *right)
{
    const struct axi_trace *a = ((const struct event *)left)->record;
    const struct axi_trace *b = ((const struct event *)right)->record;

    if (a->task_id != b->task_id) {
        return a->task_id < b->task_id ? -1 : 1;
    }
    if (a->epoch != b->epoch) {
        return a->epoch < b->epoch ? -1 : 1;
    }
    return a->master_ns < b->master_ns ? -1 : a->master_ns > b->master_ns;
}

static bool is_of_interest(const struct axi_trace *record)
{
    return record->kind == AXI_TRACE_RELEASED || record->kind == AXI_TRACE_ACTIVATED ||
           record->kind == AXI_TRACE_FROZEN || record->kind == AXI_TRACE_REMOVED;
}

/* Sorted; NULL when there is no memory. */
static struct event *collect(const struct axi_check_source *sources, size_t source_count,
                             size_t *ret_count)
{
    struct event *events = NULL;
    size_t count = 0;
    size_t n = 0;

    for (size_t s = 0; s < source_count; s++) {
        for (size_t i = 0; i < sources[s].count; i++) {
            count += is_of_interest(&sources[s].records[i]);
        }
    }
    events = malloc((count + 1) * sizeof(*events));
    if (events == NULL) {
        return NULL;
    }
    for (size_t s = 0; s < source_count; s++) {
        for (size_t i = 0; i < sources[s].count; i++) {
            if (is_of_interest(&sources[s].records[i])) {
                events[n++] = (struct event){&sources[s].records[i], (uint32_t)s};
            }
        }
    }
    qsort(events, n, sizeof(*events), compare);
    *ret_count = n;
    return events;
}

/* T of the first two releases of one epoch; 0: there are none. */
static uint64_t find_period(const struct event *events, size_t count)
{
    const struct axi_trace *first = NULL;

    for (size_t i = 0; i < count; i++) {
        const struct axi_trace *record = events[i].record;

        if (record->kind != AXI_TRACE_RELEASED) {
            continue;
        }
        if (first != NULL && first->epoch == record->epoch && record->job > first->job &&
            record->release_ns > first->release_ns) {
            return (record->release_ns - first->release_ns) / (record->job - first->job);
        }
        first = record;
    }
    return 0;
}

static void violate(struct walk *walk, const struct axi_trace *record, int64_t ns, const char *what)
{
    int r = axi_verdict_violate(walk->verdict, AXI_I7, record,
                                "released for %" PRIu64 ", %" PRId64 " ns %s", record->release_ns,
                                ns, what);

    walk->error = r < 0 ? r : walk->error;
}

static bool may_move(const struct walk *walk, uint64_t origin_ns)
{
    const struct axi_grid *grid = walk->grid;

    return walk->may_begin_anew || (walk->may_begin_later && origin_ns > grid->origin_ns &&
                                    (origin_ns - grid->origin_ns) % grid->period_ns == 0);
}

static void take_release(struct walk *walk, const struct event *event)
{
    const struct axi_trace *record = event->record;
    struct axi_grid *grid = walk->grid;
    uint64_t origin_ns = record->release_ns - record->job * grid->period_ns;
    int64_t late_ns = (int64_t)(record->master_ns - record->release_ns);

    if (grid->releases == 0) {
        grid->origin_ns = origin_ns;
        grid->earliest_ns = late_ns;
        grid->latest_ns = late_ns;
    } else if (origin_ns != grid->origin_ns && !may_move(walk, origin_ns)) {
        violate(walk, record, (int64_t)(origin_ns - grid->origin_ns), "off r + kT");
    }
    if (late_ns < 0 && (uint64_t)-late_ns > walk->sources[event->source].bound_ns) {
        violate(walk, record, -late_ns, "before its instant");
    }
    grid->origin_ns = origin_ns;
    grid->earliest_ns = late_ns < grid->earliest_ns ? late_ns : grid->earliest_ns;
    grid->latest_ns = late_ns > grid->latest_ns ? late_ns : grid->latest_ns;
    grid->nodes += !walk->has_source || walk->source != event->source;
    grid->releases++;
    walk->source = event->source;
    walk->has_source = true;
    walk->may_begin_anew = walk->may_begin_later = false; /* it may move once */
}

/* How this epoch follows the one that was active before it. A copy that never was active (a
 * standby, a migration that was given up) says nothing. */
static void take_activation(struct walk *walk, const struct axi_trace *record)
{
    bool is_gone = walk->removed_ns != 0;
    bool was_migrated =
        is_gone && walk->frozen_ns != 0 && walk->removed_ns - walk->frozen_ns <= MIGRATED_NS;

    if (record->epoch == walk->epoch) {
        return;
    }
    walk->may_begin_anew |= is_gone && walk->removed_ns <= record->master_ns;
    walk->may_begin_anew |= !was_migrated && record->job == 0; /* its start was never confirmed */
    walk->may_begin_later |= !was_migrated;
    walk->epoch = record->epoch;
    walk->frozen_ns = walk->removed_ns = 0;
}

static void take(struct walk *walk, const struct event *event)
{
    const struct axi_trace *record = event->record;

    if (record->kind == AXI_TRACE_RELEASED) {
        take_release(walk, event);
    } else if (record->kind == AXI_TRACE_ACTIVATED) {
        take_activation(walk, record);
    } else if (record->epoch == walk->epoch && record->kind == AXI_TRACE_FROZEN) {
        walk->frozen_ns = record->master_ns;
    } else if (record->epoch == walk->epoch) {
        walk->removed_ns = record->master_ns;
    }
}

static struct axi_task_verdict *find_task(struct axi_verdict *verdict, uint64_t task_id)
{
    for (size_t i = 0; i < verdict->task_count; i++) {
        if (verdict->tasks[i].task_id == task_id) {
            return &verdict->tasks[i];
        }
    }
    return NULL;
}

static int judge_task(const struct axi_check_source *sources, struct axi_task_verdict *task,
                      struct axi_verdict *verdict, const struct event *events, size_t count)
{
    struct walk walk = {.sources = sources, .verdict = verdict, .grid = &task->grid};

    walk.grid->period_ns = find_period(events, count);
    for (size_t i = 0; i < count && walk.grid->period_ns != 0; i++) {
        take(&walk, &events[i]);
    }
    return walk.error;
}

int axi_check_grid(const struct axi_check_source *sources, size_t source_count,
                   struct axi_verdict *verdict)
{
    size_t count = 0;
    struct event *events = collect(sources, source_count, &count);
    int r = events == NULL ? -AXC_ENOMEM : 0;

    for (size_t i = 0; i < count && r == 0;) {
        uint64_t task_id = events[i].record->task_id;
        struct axi_task_verdict *task = find_task(verdict, task_id);
        size_t end = i;

        while (end < count && events[end].record->task_id == task_id) {
            end++;
        }
        r = task != NULL ? judge_task(sources, task, verdict, events + i, end - i) : 0;
        i = end;
    }
    free(events);
    return r;
}
