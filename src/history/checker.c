/* SPDX-License-Identifier: Apache-2.0 */
#include "history/entries.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The walk through one task's epochs. */
enum { STANDBYS = 8 };

/* A stop removes what it froze soon. Later a node that was given up may remove what it had frozen
 * for a migration, its task having been claimed meanwhile. */
#define STOP_NS 500000000ull

struct walk {
    struct axi_verdict *verdict;
    const struct axi_check_source *sources;
    const struct axi_check_options *options;
    struct axi_entries entries; /* of all tasks */
    struct axi_task_verdict task;
    bool is_refused;
    bool is_judged; /* the reference still follows */
    int error;

    /* the epoch being walked */
    uint64_t epoch;
    uint32_t source;
    const struct axi_trace *activated;
    uint64_t next; /* job the next release must have */
    bool is_open;  /* a job is released and not ended */
    uint64_t open_job;
    bool is_frozen;
    bool is_ended;                                /* the end of its activity is on record */
    uint64_t installed_ns, frozen_ns, removed_ns; /* 0 = not on record */
    uint16_t installed_slot;
    bool is_open_late;      /* the open job is late because of a blackout */
    uint64_t late_until_ns; /* releases before this are late because of a blackout */
    uint64_t last_ns;

    /* the last copies that were installed, never activated and not removed: one of them may take
     * over under a higher epoch (warm standby), which then has no INSTALLED of its own */
    struct place {
        uint32_t source;
        uint16_t slot;
    } standbys[STANDBYS];
    uint32_t standby_count;
    bool is_promoted; /* the epoch being walked is such a one */

    /* the epoch before, if any was activated */
    bool has_previous;
    uint64_t previous_epoch, previous_next, previous_last_ns;
    uint64_t previous_frozen_ns, previous_removed_ns;
    uint32_t previous_source;
    bool previous_frozen, previous_open, previous_ended;

    /* the first activation of any higher epoch: from then on this one must be silent */
    uint64_t higher_activated_ns;
    uint32_t higher_source;
    uint64_t higher_epoch;
};

static int grow(void **array, size_t count, size_t bytes)
{
    void *larger = NULL;

    if (count != 0 && (count & (count - 1)) != 0) {
        return 0;
    }
    larger = realloc(*array, (count == 0 ? 1 : 2 * count) * bytes);
    if (larger == NULL) {
        return -AXC_ENOMEM;
    }
    *array = larger;
    return 0;
}

int axi_verdict_violate(struct axi_verdict *verdict, enum axi_invariant invariant,
                        const struct axi_trace *record, const char *format, ...)
{
    struct axi_violation *violation = NULL;
    va_list arguments;
    int error = grow((void **)&verdict->violations, verdict->violation_count, sizeof *violation);

    if (error < 0) {
        return error;
    }
    violation = &verdict->violations[verdict->violation_count++];
    memset(violation, 0, sizeof *violation);
    violation->invariant = invariant;
    if (record != NULL) {
        violation->task_id = record->task_id;
        violation->epoch = record->epoch;
        violation->job = record->job;
        violation->master_ns = record->master_ns;
    }
    va_start(arguments, format);
    (void)vsnprintf(violation->text, sizeof violation->text, format, arguments);
    va_end(arguments);
    return 0;
}

#define VIOLATE(walk, invariant, record, ...)                                                      \
    do {                                                                                           \
        int violate_error = axi_verdict_violate((walk)->verdict, invariant, record, __VA_ARGS__);  \
        (walk)->error = violate_error < 0 ? violate_error : (walk)->error;                         \
    } while (0)

static const char *node_of(const struct walk *walk, uint32_t source)
{
    return walk->sources[source].node;
}

static void refer(struct walk *walk, const struct axi_trace *record, bool is_assumed)
{
    const struct axi_reference *reference = walk->options->reference;
    uint32_t state_crc = 0;
    uint32_t output_crc = 0;
    int result = 0;

    if (reference == NULL || !walk->is_judged) {
        walk->task.digests_unjudged += record->kind == AXI_TRACE_COMPLETED;
        return;
    }
    result = reference->event(reference->context, record, &state_crc, &output_crc);
    if (result < 0) {
        walk->is_judged = false;
    }
    if (record->kind != AXI_TRACE_COMPLETED || is_assumed) {
        return;
    }
    if (result <= 0) {
        walk->task.digests_unjudged++;
    } else if (state_crc == record->state_crc && output_crc == record->output_crc) {
        walk->task.digests_equal++;
    } else {
        VIOLATE(walk, AXI_I2, record,
                "%s: %s digest of the job is %08" PRIx32 ", the reference's %08" PRIx32,
                node_of(walk, walk->source), state_crc == record->state_crc ? "output" : "state",
                state_crc == record->state_crc ? record->output_crc : record->state_crc,
                state_crc == record->state_crc ? output_crc : state_crc);
        walk->is_judged = false; /* one divergence is reported once */
    }
}

/* Jobs the dead node ran without leaving a record: the best assumption is that they completed. */
static void assume_unseen(struct walk *walk, uint64_t from, uint64_t to)
{
    struct axi_trace record = {.task_id = walk->task.task_id, .epoch = walk->previous_epoch};

    record.kind = AXI_TRACE_COMPLETED;
    record.slot = AXI_CHECK_SLOT_ASSUMED;
    for (uint64_t job = from; job < to; job++) {
        record.job = job;
        refer(walk, &record, true);
    }
}

/* An orderly handover: the successor stood by before the predecessor froze (migration), or was
 * loaded after the frozen predecessor was removed (stop and start). Any other is a restore, that by
 * a warm standby too: a frozen instance too may die, or be cut off, before its final checkpoint
 * reaches anybody. */
static bool is_orderly(const struct walk *walk)
{
    uint64_t slack =
        walk->sources[walk->source].bound_ns + walk->sources[walk->previous_source].bound_ns;

    if (!walk->previous_frozen || walk->is_promoted) {
        return false;
    }
    return walk->installed_ns == 0 || walk->installed_ns <= walk->previous_frozen_ns + slack ||
           (walk->previous_removed_ns != 0 &&
            walk->previous_removed_ns <= walk->previous_frozen_ns + STOP_NS + slack &&
            walk->previous_removed_ns <= walk->installed_ns + slack);
}

static void judge_handover(struct walk *walk, const struct axi_trace *record)
{
    struct axi_handover handover = {.task_id = record->task_id, .to_epoch = record->epoch};
    uint64_t expected = walk->previous_next;
    int error = 0;

    handover.from_epoch = walk->previous_epoch;
    handover.from_node = node_of(walk, walk->previous_source);
    handover.to_node = node_of(walk, walk->source);
    handover.job = record->job;
    handover.is_restore = !is_orderly(walk);
    handover.frozen_ns = walk->previous_last_ns;
    handover.blackout_ns =
        record->master_ns > handover.frozen_ns ? record->master_ns - handover.frozen_ns : 0;
    if (record->job > expected && handover.is_restore && walk->options->torn &&
        !walk->previous_ended) {
        handover.unseen = record->job - expected;
    } else if (record->job > expected) {
        VIOLATE(walk, AXI_I1, record,
                "%s: epoch begins with job %" PRIu64 ", %" PRIu64 " jobs after epoch %" PRIu64
                " on %s ended with %" PRIu64 " next: skipped",
                handover.to_node, record->job, record->job - expected, handover.from_epoch,
                handover.from_node, expected);
    } else if (record->job < expected && !handover.is_restore) {
        VIOLATE(walk, AXI_I1, record,
                "%s: migration begins with job %" PRIu64 " although epoch %" PRIu64
                " on %s was frozen with %" PRIu64 " next: repeated",
                handover.to_node, record->job, handover.from_epoch, handover.from_node, expected);
    } else {
        handover.repeats = expected - record->job;
    }
    walk->task.repeated += handover.repeats;
    walk->task.unseen += handover.unseen;
    /* the job that was cut off is lost unless this epoch repeats it */
    walk->task.lost += walk->previous_open && record->job >= expected && handover.unseen == 0;
    assume_unseen(walk, expected, expected + handover.unseen);
    error =
        grow((void **)&walk->verdict->handovers, walk->verdict->handover_count, sizeof handover);
    if (error < 0) {
        walk->error = error;
        return;
    }
    walk->verdict->handovers[walk->verdict->handover_count++] = handover;
}

static bool was_standing_by(const struct walk *walk, const struct axi_trace *record)
{
    for (uint32_t i = 0; walk->installed_ns == 0 && i < walk->standby_count && i < STANDBYS; i++) {
        if (walk->standbys[i].source == walk->source && walk->standbys[i].slot == record->slot) {
            return true;
        }
    }
    return false;
}

/* The task's first epoch begins with another's state, or from zero inside a service's grid. */
static void begin_seeded(struct walk *walk, const struct axi_trace *record)
{
    uint64_t seed = record->response_ns;
    bool is_mapped = record->detail2 != 0;
    struct axi_seed_past past = {0};

    walk->task.seed = seed;
    walk->task.is_seed_mapped = is_mapped;
    if (seed != record->task_id) {
        axi_seed_look(&walk->entries, seed, record->job, &past);
    }
    if (past.is_known && past.next_job < record->job && !walk->options->torn) {
        VIOLATE(walk, AXI_I1, record,
                "%s: begins with job %" PRIu64 ", but its seed %016" PRIx64
                " went no further than job %" PRIu64,
                node_of(walk, walk->source), record->job, seed, past.next_job);
    } else if (past.has_state && !is_mapped && record->detail == 0 &&
               past.state_crc != record->state_crc) {
        VIOLATE(walk, AXI_I2, record,
                "%s: begins with state %08" PRIx32 ", its seed's before that job was %08" PRIx32,
                node_of(walk, walk->source), record->state_crc, past.state_crc);
    }
    walk->is_judged = walk->options->reference != NULL &&
                      axi_seed_replay(&walk->entries, walk->options->reference, record);
}

static void on_activated(struct walk *walk, const struct axi_trace *record)
{
    if (walk->activated != NULL) {
        VIOLATE(walk, AXI_I1, record, "%s: epoch activated a second time (first on %s)",
                node_of(walk, walk->source), node_of(walk, walk->source));
        return;
    }
    walk->activated = record;
    walk->is_promoted = was_standing_by(walk, record);
    walk->next = record->job;
    walk->task.epochs++;
    walk->late_until_ns = record->master_ns;
    if (walk->has_previous) {
        judge_handover(walk, record);
    } else if (record->response_ns != 0) {
        begin_seeded(walk, record);
    } else if (record->job != 0 && !walk->options->torn) {
        VIOLATE(walk, AXI_I1, record, "%s: the task's first epoch begins with job %" PRIu64,
                node_of(walk, walk->source), record->job);
    }
}

static void on_released(struct walk *walk, const struct axi_trace *record)
{
    const char *node = node_of(walk, walk->source);

    walk->task.released++;
    if (walk->is_refused) {
        VIOLATE(walk, AXI_I3, record, "%s: released a job of a refused task", node);
    }
    if (walk->activated == NULL) {
        VIOLATE(walk, AXI_I1, record, "%s: released a job of an epoch never activated there", node);
        walk->next = record->job;
    }
    if (walk->is_frozen) {
        VIOLATE(walk, AXI_I1, record, "%s: released a job after the instance was frozen", node);
    }
    if (record->job < walk->next) {
        VIOLATE(walk, AXI_I1, record, "%s: job released twice in one epoch (%" PRIu64 " is next)",
                node, walk->next);
    } else if (record->job > walk->next) {
        VIOLATE(walk, AXI_I1, record, "%s: jobs %" PRIu64 " to %" PRIu64 " were skipped", node,
                walk->next, record->job - 1);
    }
    walk->is_open_late = record->release_ns < walk->late_until_ns;
    walk->is_open = true;
    walk->open_job = record->job;
    walk->next = record->job + 1;
}

static void on_ended(struct walk *walk, const struct axi_trace *record)
{
    bool is_kill = record->kind == AXI_TRACE_KILLED;

    walk->task.completed += !is_kill;
    walk->task.killed += is_kill;
    if (!walk->is_open || record->job != walk->open_job) {
        VIOLATE(walk, AXI_I1, record, "%s: %s a job that was not released",
                node_of(walk, walk->source), axi_trace_kind_name(record->kind));
    }
    if (walk->is_open && walk->is_open_late && record->master_ns > walk->late_until_ns) {
        walk->late_until_ns = record->master_ns; /* the backlog hands its lateness on */
    }
    walk->is_open = false;
    if (is_kill && record->detail2 > 0) {
        walk->next = record->job; /* repeated from its intermediate checkpoint */
    }
}

static void on_missed(struct walk *walk, const struct axi_trace *record)
{
    walk->task.missed++;
    if (record->release_ns < walk->late_until_ns || walk->is_frozen ||
        (walk->is_open && walk->is_open_late)) {
        walk->task.missed_in_blackout++;
    } else if (walk->options->virtual_time) {
        VIOLATE(walk, AXI_I4, record, "%s: deadline missed outside any blackout",
                node_of(walk, walk->source));
    }
}

static void check_superseded(struct walk *walk, const struct axi_trace *record)
{
    uint64_t slack = 0;

    if (walk->higher_epoch == 0) {
        return;
    }
    slack = walk->sources[walk->source].bound_ns + walk->sources[walk->higher_source].bound_ns;
    if (record->master_ns > walk->higher_activated_ns &&
        record->master_ns - walk->higher_activated_ns > slack) {
        VIOLATE(walk, AXI_I1, record,
                "%s: %s %" PRIu64 " ns after epoch %" PRIu64 " was activated on %s",
                node_of(walk, walk->source), axi_trace_kind_name(record->kind),
                record->master_ns - walk->higher_activated_ns, walk->higher_epoch,
                node_of(walk, walk->higher_source));
        walk->higher_epoch = 0; /* reported once per epoch */
    }
}

static void on_end_of_activity(struct walk *walk, const struct axi_trace *record)
{
    walk->is_ended = true;
    if (record->kind == AXI_TRACE_FINISHED) {
        walk->task.is_finished = true;
    } else if (record->kind == AXI_TRACE_FAILED) {
        walk->task.is_failed = true;
    } else if (record->kind == AXI_TRACE_REMOVED) {
        walk->removed_ns = record->master_ns;
    } else if (record->kind == AXI_TRACE_FROZEN) {
        walk->is_frozen = true;
        walk->frozen_ns = record->master_ns;
        if (record->job != walk->next && walk->activated != NULL) {
            VIOLATE(walk, AXI_I1, record, "%s: frozen with job %" PRIu64 " next, expected %" PRIu64,
                    node_of(walk, walk->source), record->job, walk->next);
        }
    }
}

static void on_skipped(struct walk *walk, const struct axi_trace *record)
{
    uint64_t count = record->detail > 0 ? record->detail : 1; /* jobs job .. job + detail - 1 */

    walk->task.skipped += count;
    if (record->job != walk->next) {
        VIOLATE(walk, AXI_I1, record, "%s: dropped job is not the next one, %" PRIu64,
                node_of(walk, walk->source), walk->next);
    }
    walk->next = record->job + count;
}

static void walk_record(struct walk *walk, const struct axi_trace *record)
{
    switch (record->kind) {
    case AXI_TRACE_ACTIVATED:
        on_activated(walk, record);
        break;
    case AXI_TRACE_RELEASED:
        check_superseded(walk, record);
        on_released(walk, record);
        break;
    case AXI_TRACE_COMPLETED:
        check_superseded(walk, record);
        on_ended(walk, record);
        break;
    case AXI_TRACE_KILLED:
        on_ended(walk, record);
        break;
    case AXI_TRACE_MISSED:
        on_missed(walk, record);
        break;
    case AXI_TRACE_SKIPPED:
        on_skipped(walk, record);
        break;
    case AXI_TRACE_INSTALLED:
        walk->installed_ns = record->master_ns;
        walk->installed_slot = record->slot;
        break;
    case AXI_TRACE_RESUMED:
        walk->is_frozen = false;
        walk->is_ended = false;
        walk->late_until_ns = record->master_ns;
        break;
    case AXI_TRACE_FROZEN:
    case AXI_TRACE_FENCED:
    case AXI_TRACE_REMOVED:
    case AXI_TRACE_FINISHED:
    case AXI_TRACE_FAILED:
        on_end_of_activity(walk, record);
        break;
    default:
        break;
    }
    if (record->kind != AXI_TRACE_REMOVED && record->kind != AXI_TRACE_INSTALLED &&
        record->kind != AXI_TRACE_MISSED) {
        walk->last_ns = record->master_ns;
    }
    if (walk->activated != NULL) {
        refer(walk, record, false);
    }
}

/* Standby copies that never were activated do not count as predecessors. */
static void end_epoch(struct walk *walk)
{
    if (walk->activated == NULL) {
        if (walk->installed_ns != 0 && walk->removed_ns == 0) {
            walk->standbys[walk->standby_count++ % STANDBYS] =
                (struct place){walk->source, walk->installed_slot};
        }
        return;
    }
    walk->has_previous = true;
    walk->previous_epoch = walk->epoch;
    walk->previous_source = walk->source;
    walk->previous_next = walk->next;
    walk->previous_frozen = walk->is_frozen;
    walk->previous_frozen_ns = walk->frozen_ns;
    walk->previous_removed_ns = walk->removed_ns;
    walk->previous_open = walk->is_open;
    walk->previous_ended = walk->is_ended;
    walk->previous_last_ns = walk->last_ns;
}

static void begin_epoch(struct walk *walk, const struct axi_entry *entry)
{
    walk->epoch = entry->record->epoch;
    walk->source = entry->source;
    walk->activated = NULL;
    walk->is_open = false;
    walk->is_frozen = false;
    walk->is_ended = false;
    walk->installed_ns = walk->frozen_ns = walk->removed_ns = 0;
    walk->next = 0;
}

/* First activation among the epochs after `from` (entries of one task, sorted). */
static void find_higher(struct walk *walk, const struct axi_entry *entries, size_t from, size_t end)
{
    walk->higher_epoch = 0;
    for (size_t i = from; i < end; i++) {
        const struct axi_trace *record = entries[i].record;

        if (record->kind == AXI_TRACE_ACTIVATED && record->epoch > walk->epoch &&
            (walk->higher_epoch == 0 || record->master_ns < walk->higher_activated_ns)) {
            walk->higher_epoch = record->epoch;
            walk->higher_activated_ns = record->master_ns;
            walk->higher_source = entries[i].source;
        }
    }
}

static bool is_refused(const struct axi_check_options *options, uint64_t task_id)
{
    for (size_t i = 0; i < options->refused_count; i++) {
        if (options->refused[i] == task_id) {
            return true;
        }
    }
    return false;
}

static int walk_task(struct walk *walk, const struct axi_entry *entries, size_t count)
{
    int error = 0;

    walk->task = (struct axi_task_verdict){.task_id = entries[0].record->task_id};
    walk->is_refused = is_refused(walk->options, walk->task.task_id);
    walk->is_judged = true;
    walk->has_previous = false;
    walk->standby_count = 0;
    for (size_t i = 0; i < count; i++) {
        if (i == 0 || entries[i].record->epoch != walk->epoch) {
            if (i > 0) {
                end_epoch(walk);
            }
            begin_epoch(walk, &entries[i]);
            find_higher(walk, entries, i, count);
        } else if (entries[i].source != walk->source &&
                   strcmp(node_of(walk, entries[i].source), node_of(walk, walk->source)) != 0 &&
                   entries[i].record->kind == AXI_TRACE_ACTIVATED && walk->activated != NULL) {
            VIOLATE(walk, AXI_I1, entries[i].record, "epoch activated on %s and on %s",
                    node_of(walk, walk->source), node_of(walk, entries[i].source));
        }
        walk->source = entries[i].source;
        walk_record(walk, entries[i].record);
    }
    end_epoch(walk);
    walk->task.next_job = walk->has_previous ? walk->previous_next : 0;
    error = grow((void **)&walk->verdict->tasks, walk->verdict->task_count, sizeof walk->task);
    if (error < 0) {
        return error;
    }
    walk->verdict->tasks[walk->verdict->task_count++] = walk->task;
    return walk->error;
}

int axi_check(const struct axi_check_source *sources, size_t source_count,
              const struct axi_check_options *options, struct axi_verdict **ret_verdict)
{
    struct walk walk = {.sources = sources, .options = options};
    size_t count = 0;
    int error = 0;
    struct axi_entry *entries = axi_entries_sort(sources, source_count, &count);

    walk.verdict = calloc(1, sizeof *walk.verdict);
    if (entries == NULL || walk.verdict == NULL) {
        free(entries);
        free(walk.verdict);
        return -AXC_ENOMEM;
    }
    walk.entries = (struct axi_entries){entries, count};
    for (size_t i = 0, end = 0; i < count && error == 0; i = end) {
        for (end = i; end < count && entries[end].record->task_id == entries[i].record->task_id;) {
            end++;
        }
        error = walk_task(&walk, &entries[i], end - i);
    }
    free(entries);
    if (error < 0) {
        axi_verdict_free(walk.verdict);
        return error;
    }
    *ret_verdict = walk.verdict;
    return 0;
}

void axi_verdict_free(struct axi_verdict *verdict)
{
    if (verdict == NULL) {
        return;
    }
    free(verdict->tasks);
    free(verdict->handovers);
    free(verdict->violations);
    free(verdict);
}
