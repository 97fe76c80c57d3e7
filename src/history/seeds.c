/* SPDX-License-Identifier: Apache-2.0 */
#include "history/entries.h"

#define DEPTH_MAX 64u /* seeds of seeds */

static size_t first_of(const struct axi_entries *entries, uint64_t task)
{
    size_t low = 0;
    size_t high = entries->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (entries->list[middle].record->task_id < task) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static bool is_of(const struct axi_entries *entries, size_t i, uint64_t task)
{
    return i < entries->count && entries->list[i].record->task_id == task;
}

static uint64_t end_of(const struct axi_trace *record)
{
    switch (record->kind) {
    case AXI_TRACE_COMPLETED:
        return record->job + 1;
    case AXI_TRACE_KILLED:
        return record->detail2 == 0 ? record->job + 1 : record->job;
    case AXI_TRACE_SKIPPED:
        return record->job + (record->detail > 0 ? record->detail : 1);
    case AXI_TRACE_ACTIVATED: /* what came before was its own seed's */
        return record->job;
    default:
        return 0;
    }
}

void axi_seed_look(const struct axi_entries *entries, uint64_t seed, uint64_t job,
                   struct axi_seed_past *ret_past)
{
    struct axi_seed_past past = {0};
    uint64_t state_job = 0;     /* next job of the state found */
    uint64_t killed = 0;        /* one more than the last job killed before `job` */
    bool is_told_twice = false; /* and not alike: a restore repeated the job that leads to it */

    for (size_t i = first_of(entries, seed); is_of(entries, i, seed); i++) {
        const struct axi_trace *record = entries->list[i].record;
        uint64_t end = end_of(record);
        bool has_crc =
            (record->kind == AXI_TRACE_COMPLETED && end >= state_job) ||
            (record->kind == AXI_TRACE_ACTIVATED && record->detail == 0 && end > state_job);

        /* one that was installed and never ran says nothing: it had its state from its own seed */
        past.is_known |= record->kind != AXI_TRACE_INSTALLED && record->kind != AXI_TRACE_REMOVED;
        past.next_job = end > past.next_job ? end : past.next_job;
        if (has_crc && end <= job) {
            is_told_twice = end == state_job && past.has_state &&
                            (is_told_twice || past.state_crc != record->state_crc);
            state_job = end;
            past.state_crc = record->state_crc;
            past.has_state = true;
        } else if (record->kind == AXI_TRACE_KILLED && end <= job && end > killed) {
            killed = end;
        }
    }
    /* a kill falls back to a checkpoint that may be older than the last job */
    past.has_state =
        past.has_state && !is_told_twice && killed <= state_job && past.next_job >= job;
    *ret_past = past;
}

struct replay {
    const struct axi_entries *entries;
    const struct axi_reference *reference;
    uint64_t task; /* the seeded one, whose program runs */
    uint64_t next; /* job */
};

/* False: it cannot follow, or not with these digests. */
static bool feed(struct replay *replay, const struct axi_trace *record, bool is_assumed)
{
    struct axi_trace own = *record;
    uint32_t state_crc = 0;
    uint32_t output_crc = 0;
    int r;

    own.task_id = replay->task;
    r = replay->reference->event(replay->reference->context, &own, &state_crc, &output_crc);
    if (r < 0) {
        return false;
    }
    return is_assumed || record->kind != AXI_TRACE_COMPLETED || r == 0 ||
           (state_crc == record->state_crc && output_crc == record->output_crc);
}

static bool feed_kind(struct replay *replay, uint8_t kind, uint64_t job)
{
    const struct axi_trace record = {.job = job, .kind = kind, .slot = AXI_CHECK_SLOT_ASSUMED};

    return feed(replay, &record, true);
}

static bool replay_task(struct replay *replay, uint64_t task, uint64_t job, unsigned depth);

/* The first epoch of `record`'s task: as its own seed left it, or from zero. */
static bool begin(struct replay *replay, const struct axi_trace *record, unsigned depth)
{
    uint64_t seed = record->response_ns;

    if (seed == 0 && record->job == 0) {
        return feed(replay, record, false);
    }
    if (seed == 0 || record->detail2 != 0 ||
        (seed != record->task_id && !replay_task(replay, seed, record->job, depth + 1))) {
        return false;
    }
    replay->next = record->job;
    return feed_kind(replay, AXI_TRACE_FROZEN, record->job) && feed(replay, record, false);
}

/* All that the task did before `job`. */
static bool replay_task(struct replay *replay, uint64_t task, uint64_t job, unsigned depth)
{
    bool has_begun = false;

    for (size_t i = first_of(replay->entries, task); is_of(replay->entries, i, task); i++) {
        const struct axi_trace *record = replay->entries->list[i].record;
        uint64_t end = end_of(record);

        if (depth > DEPTH_MAX || (record->kind == AXI_TRACE_ACTIVATED && record->job > job)) {
            break;
        }
        if (record->kind == AXI_TRACE_ACTIVATED && !has_begun) {
            has_begun = begin(replay, record, depth);
            if (!has_begun) {
                return false;
            }
        } else if (has_begun && record->job < job && end <= job && !feed(replay, record, false)) {
            return false;
        }
        replay->next = end > replay->next && end <= job ? end : replay->next;
    }
    return has_begun && depth <= DEPTH_MAX;
}

bool axi_seed_replay(const struct axi_entries *entries, const struct axi_reference *reference,
                     const struct axi_trace *activated)
{
    struct replay replay = {.entries = entries, .reference = reference, .task = activated->task_id};
    uint64_t seed = activated->response_ns;

    if (activated->detail2 != 0 ||
        (seed != activated->task_id && !replay_task(&replay, seed, activated->job, 0))) {
        return false;
    }
    while (seed != activated->task_id && replay.next < activated->job) { /* not on record */
        if (!feed_kind(&replay, AXI_TRACE_COMPLETED, replay.next++)) {
            return false;
        }
    }
    return feed_kind(&replay, AXI_TRACE_FROZEN, activated->job);
}
