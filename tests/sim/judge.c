/* SPDX-License-Identifier: Apache-2.0 */
/* The judgement of one seed: I1-I4 by the history checker over what instances did, with a reference
 * that replays it; I5 and I6 from requests, records and slots after the faults have ended. */
#include "cluster.h"

#include "base/crc32c.h"
#include "history/report.h"

#include <stdlib.h>
#include <string.h>

/* ---- the reference: the same state function, driven by the recorded history ---- */

struct snapshot {
    uint64_t next_job;
    struct sim_state state;
};

struct reference {
    const struct sim_cluster *cluster;
    uint64_t task_id, jobs, salt;
    uint32_t every, since;
    bool is_wrong, is_mirrored, was_stepped;
    struct sim_state state;
    struct snapshot *snapshots;
    size_t count, capacity;
};

uint32_t sim_task_find(const struct sim_cluster *cluster, uint64_t task_id)
{
    for (uint32_t i = 0; i < cluster->task_count; i++) {
        for (uint32_t k = 0; k < cluster->tasks[i].id_count; k++) {
            if (cluster->tasks[i].ids[k] == task_id) {
                return i;
            }
        }
    }
    return UINT32_MAX;
}

static void keep(struct reference *reference, uint64_t next_job)
{
    if (reference->count == reference->capacity) {
        reference->capacity = reference->capacity == 0 ? 256 : 2 * reference->capacity;
        reference->snapshots =
            realloc(reference->snapshots, reference->capacity * sizeof *reference->snapshots);
        if (reference->snapshots == NULL) {
            abort();
        }
    }
    reference->snapshots[reference->count++] = (struct snapshot){next_job, reference->state};
    reference->since = 0;
}

static int go_back(struct reference *reference, uint64_t job)
{
    for (size_t i = reference->count; i > 0; i--) {
        if (reference->snapshots[i - 1].next_job == job) {
            reference->state = reference->snapshots[i - 1].state;
            keep(reference, job);
            return 0;
        }
    }
    memset(&reference->state, 0, sizeof reference->state);
    reference->since = 0;
    return job == 0 ? 0 : -AXC_ENOENT;
}

static void begin_task(struct reference *reference, uint64_t task_id)
{
    const struct sim_cluster *cluster = reference->cluster;
    uint32_t index = sim_task_find(cluster, task_id);

    reference->task_id = task_id;
    reference->count = 0;
    reference->since = 0;
    reference->every = index == UINT32_MAX ? 1 : cluster->images[index].info.spec.checkpoint_every;
    reference->jobs = index == UINT32_MAX ? 0 : cluster->tasks[index].jobs;
    reference->salt = sim_image_salt(cluster, index, task_id);
    reference->is_wrong = index != UINT32_MAX && cluster->images[index].defect == SIM_WRONG;
    reference->is_mirrored = index != UINT32_MAX && cluster->images[index].is_mirrored;
    reference->was_stepped = false;
    memset(&reference->state, 0, sizeof reference->state);
}

static uint32_t state_crc(const struct reference *reference)
{
    struct sim_state mirror = sim_state_mirror(&reference->state);

    return axi_crc32c(0, reference->is_mirrored ? &mirror : &reference->state, sizeof mirror);
}

static int replay(void *context, const struct axi_trace *record, uint32_t *ret_state_crc,
                  uint32_t *ret_output_crc)
{
    struct reference *reference = context;

    if (reference->task_id != record->task_id) {
        begin_task(reference, record->task_id);
    }
    switch (record->kind) {
    case AXI_TRACE_ACTIVATED:
        reference->was_stepped = record->detail != 0;
        return go_back(reference, record->job);
    case AXI_TRACE_COMPLETED:
        sim_state_finish(&reference->state, reference->salt, record->job, ret_output_crc);
        *ret_output_crc ^= reference->is_wrong;
        *ret_state_crc = state_crc(reference);
        if (++reference->since >= reference->every || reference->was_stepped ||
            (reference->jobs != 0 && record->job + 1 >= reference->jobs)) {
            keep(reference, record->job + 1);
        }
        reference->was_stepped = false;
        return 1;
    case AXI_TRACE_STEP:
        keep(reference, record->job);
        reference->was_stepped = true;
        return 0;
    case AXI_TRACE_KILLED:
        reference->was_stepped = record->detail2 != 0;
        if (record->detail2 == 0 && reference->count > 0) {
            reference->state = reference->snapshots[reference->count - 1].state;
        } else if (record->detail2 == 0) {
            memset(&reference->state, 0, sizeof reference->state);
        }
        return 0;
    case AXI_TRACE_FROZEN:
        keep(reference, record->job);
        return 0;
    default:
        return 0;
    }
}

/* Misses that a node counted while its declared clock error was large say nothing: part of the
 * admission, D' = D - clock error - latency, would have refused them. Nor do those right after
 * several tasks were restored there at once: the jobs that each one's blackout made late come first
 * by their deadlines and delay the others'. Nor those right after a job that faulted was repeated
 * from its intermediate checkpoint: it takes more than its budget in all. */
#define CROWD_NS (100 * SIM_MS)
#define REPEAT_NS (200 * SIM_MS)
#define CROWD_RECOVERY_NS (500 * SIM_MS)

static void drop_unjudged_misses(struct sim_machine *machine)
{
    uint64_t activated_ns[2] = {0, 0}; /* the last but one, the last */
    uint64_t repeated_ns = 0;
    size_t kept = 0;

    for (size_t i = 0; i < machine->trace_count; i++) {
        const struct axi_trace *trace = &machine->traces[i];
        bool is_crowded = activated_ns[0] != 0 && activated_ns[1] - activated_ns[0] < CROWD_NS &&
                          trace->master_ns - activated_ns[1] < CROWD_RECOVERY_NS;

        if (trace->kind == AXI_TRACE_ACTIVATED && trace->job > 0) {
            activated_ns[0] = activated_ns[1];
            activated_ns[1] = trace->master_ns;
        }
        bool is_repeated = repeated_ns != 0 && trace->master_ns - repeated_ns < REPEAT_NS;

        if (trace->kind == AXI_TRACE_KILLED && trace->detail2 > 0) {
            repeated_ns = trace->master_ns;
        }
        if (trace->kind != AXI_TRACE_MISSED ||
            (!machine->is_clock_bad[i] && !is_crowded && !is_repeated)) {
            machine->traces[kept++] = machine->traces[i];
        }
    }
    machine->trace_count = kept;
}

static void check_clocks(struct sim_cluster *cluster)
{
    for (uint32_t i = 0; i < cluster->node_count; i++) {
        const struct sim_machine *machine = &cluster->nodes[i].machine;

        if (machine->clock_lie_ns > 0) {
            (void)axi_verdict_violate(cluster->verdict, AXI_I4, NULL,
                                      "%s: the clock was wrong by %llu us more than it declared",
                                      machine->name,
                                      (unsigned long long)(machine->clock_lie_ns / 1000));
        }
    }
}

static bool check_history(struct sim_cluster *cluster)
{
    struct axi_check_source sources[SIM_NODES_MAX];
    struct reference state = {.cluster = cluster};
    struct axi_reference reference = {&state, replay};
    const struct sim_task *refused = &cluster->tasks[cluster->task_count - 1];
    struct axi_check_options options = {.virtual_time = true, .reference = &reference};
    struct axi_verdict *early = cluster->verdict;

    options.refused = refused->ids;
    options.refused_count = cluster->options.has_services ? 0 : refused->id_count;
    for (uint32_t i = 0; i < cluster->node_count; i++) {
        struct sim_machine *machine = &cluster->nodes[i].machine;

        drop_unjudged_misses(machine);
        sources[i] = (struct axi_check_source){cluster->nodes[i].name, machine->traces,
                                               machine->trace_count, 0};
    }
    if (axi_check(sources, cluster->node_count, &options, &cluster->verdict) < 0) {
        abort();
    }
    for (size_t i = 0; i < early->violation_count; i++) {
        (void)axi_verdict_violate(cluster->verdict, early->violations[i].invariant, NULL, "%s",
                                  early->violations[i].text);
    }
    axi_verdict_free(early);
    sim_grid_judge(cluster, sources);
    free(state.snapshots);
    return true;
}

/* ---- what clients were told ---- */

static void check_silence(struct sim_cluster *cluster)
{
    for (uint32_t n = 0; n < cluster->node_count; n++) {
        const struct sim_machine *machine = &cluster->nodes[n].machine;

        for (size_t i = 0; i < machine->trace_count; i++) {
            const struct axi_trace *record = &machine->traces[i];
            uint32_t index = record->kind == AXI_TRACE_RELEASED
                                 ? sim_task_find(cluster, record->task_id)
                                 : UINT32_MAX;

            for (uint32_t k = 0; index != UINT32_MAX && k < cluster->tasks[index].silence_count;
                 k++) {
                const struct sim_silence *silence = &cluster->tasks[index].silences[k];

                if (record->master_ns > silence->from_ns &&
                    (silence->to_ns == 0 || record->master_ns < silence->to_ns)) {
                    (void)axi_verdict_violate(
                        cluster->verdict, AXI_I1, record,
                        "%s: task%u released a job %llu us after clients were "
                        "told that it is stopped or deleted",
                        machine->name, index,
                        (unsigned long long)((record->master_ns - silence->from_ns) / 1000));
                    return;
                }
            }
        }
    }
}

/* ---- convergence ---- */

struct record_view {
    char state[16];
    uint64_t task_id, owner, epoch, standby, standby_epoch;
    bool is_migrating;
};

struct record_list {
    struct sim_cluster *cluster;
    struct record_view records[64];
    uint32_t count;
};

static int visit_record(void *context, const char *key, const struct axi_store_value *value)
{
    struct record_list *list = context;
    json_t *json = json_loadb(value->bytes, value->value_bytes, 0, NULL);
    struct record_view *view = &list->records[list->count];
    const char *owner = json_string_value(json_object_get(json, "owner"));
    const char *id = json_string_value(json_object_get(json, "id"));
    const char *state = json_string_value(json_object_get(json, "state"));
    const char *phase =
        json_string_value(json_object_get(json_object_get(json, "migration"), "phase"));

    (void)key;
    if (state == NULL || id == NULL || list->count == 64) {
        (void)axi_verdict_violate(list->cluster->verdict, AXI_I6, NULL, "record %s is unreadable",
                                  key);
        json_decref(json);
        return 0;
    }
    list->count++;
    memset(view, 0, sizeof *view);
    (void)snprintf(view->state, sizeof view->state, "%s", state);
    view->task_id = strtoull(id, NULL, 16);
    view->owner = owner == NULL ? 0 : strtoull(owner, NULL, 16);
    view->epoch = (uint64_t)json_integer_value(json_object_get(json, "epoch"));
    owner = json_string_value(json_object_get(json_object_get(json, "standby"), "node"));
    view->standby = owner == NULL ? 0 : strtoull(owner, NULL, 16);
    view->standby_epoch =
        (uint64_t)json_integer_value(json_object_get(json_object_get(json, "standby"), "epoch"));
    view->is_migrating = phase != NULL && strcmp(phase, "none") != 0;
    json_decref(json);
    return 0;
}

static bool is_one_of(const char *state, const char *list)
{
    const char *found = strstr(list, state);
    size_t length = strlen(state);

    return found != NULL && (found == list || found[-1] == ' ') &&
           (found[length] == ' ' || found[length] == '\0');
}

#define COMPLAIN(cluster, ...)                                                                     \
    (void)axi_verdict_violate((cluster)->verdict, AXI_I6, NULL, __VA_ARGS__)

/* Every live slot must be what some record says. */
static void check_slots(struct sim_cluster *cluster, const struct record_list *list)
{
    for (uint32_t n = 0; n < cluster->node_count; n++) {
        struct sim_node *node = &cluster->nodes[n];

        for (uint32_t slot = 0; node->agent != NULL && slot < SIM_SLOTS; slot++) {
            struct axi_slot_view view;
            const struct record_view *record = NULL;

            axi_sched_view(node->machine.sched, slot, &view);
            for (uint32_t i = 0; view.state != AXI_SLOT_FREE && i < list->count; i++) {
                record = list->records[i].task_id == view.task_id ? &list->records[i] : record;
            }
            if (view.state == AXI_SLOT_STANDBY && record != NULL &&
                record->standby == 0x020000000001u + n && record->standby_epoch == view.epoch) {
                continue;
            }
            if (view.state != AXI_SLOT_FREE && (record == NULL || record->epoch != view.epoch ||
                                                record->owner != 0x020000000001u + n)) {
                COMPLAIN(cluster,
                         "%s still holds task%u epoch %llu in slot state %u; the record "
                         "says %s, epoch %llu, owner %llx",
                         node->name, sim_task_find(cluster, view.task_id),
                         (unsigned long long)view.epoch, view.state,
                         record == NULL ? "nothing" : record->state,
                         (unsigned long long)(record == NULL ? 0 : record->epoch),
                         (unsigned long long)(record == NULL ? 0 : record->owner));
            }
        }
    }
}

static uint64_t last_release(const struct sim_cluster *cluster, const struct record_view *record)
{
    uint64_t last = 0;

    for (uint32_t n = 0; n < cluster->node_count; n++) {
        const struct sim_machine *machine = &cluster->nodes[n].machine;

        for (size_t i = machine->trace_count; i > 0; i--) {
            const struct axi_trace *trace = &machine->traces[i - 1];

            if (trace->kind == AXI_TRACE_RELEASED && trace->task_id == record->task_id &&
                trace->epoch == record->epoch) {
                last = trace->master_ns > last ? trace->master_ns : last;
                break;
            }
        }
    }
    return last;
}

static void check_record(struct sim_cluster *cluster, const struct record_view *record)
{
    uint32_t index = sim_task_find(cluster, record->task_id);
    const struct sim_task *task = index == UINT32_MAX ? NULL : &cluster->tasks[index];

    if (!is_one_of(record->state, "running stopped completed failed lost") ||
        record->is_migrating) {
        COMPLAIN(cluster, "task%u ended in state %s%s", index, record->state,
                 record->is_migrating ? " with a migration under way" : "");
        return;
    }
    if (strcmp(record->state, "running") == 0 &&
        last_release(cluster, record) + SIM_S < cluster->clock.now_ns) {
        COMPLAIN(cluster, "task%u is recorded as running in epoch %llu but releases nothing", index,
                 (unsigned long long)record->epoch);
    }
    if (task == NULL) {
        return;
    }
    if ((task->intent == SIM_RUNNING && strcmp(record->state, "stopped") == 0) ||
        (task->intent == SIM_STOPPED && strcmp(record->state, "running") == 0)) {
        COMPLAIN(cluster, "task%u is %s although clients were told otherwise", index,
                 record->state);
    }
    if (strcmp(record->state, "lost") == 0 && cluster->counts.node_crashes == 0) {
        COMPLAIN(cluster, "task%u is lost although no node died", index);
    }
}

static void check_convergence(struct sim_cluster *cluster)
{
    struct record_list list = {.cluster = cluster};

    if (axi_store_list(cluster->store, "task/", visit_record, &list) < 0) {
        abort();
    }
    for (uint32_t i = 0; i < list.count; i++) {
        check_record(cluster, &list.records[i]);
    }
    check_slots(cluster, &list);
    for (uint32_t i = 0; i < cluster->task_count; i++) {
        bool is_known = false;

        for (uint32_t k = 0; k < list.count; k++) {
            is_known = is_known || sim_task_find(cluster, list.records[k].task_id) == i;
        }
        if ((cluster->tasks[i].intent == SIM_RUNNING || cluster->tasks[i].intent == SIM_STOPPED) &&
            !is_known) {
            COMPLAIN(cluster, "task%u is gone although clients were told that it exists", i);
        }
    }
    for (uint32_t i = 0; i < cluster->request_count; i++) {
        if (cluster->requests[i].is_open) {
            (void)axi_verdict_violate(cluster->verdict, AXI_I5, NULL,
                                      "operation %c of task%u is still running at the end",
                                      cluster->requests[i].kind, cluster->requests[i].task);
        }
    }
}

bool sim_judge(struct sim_cluster *cluster)
{
    (void)check_history(cluster);
    check_clocks(cluster);
    sim_consumer_judge(&cluster->consumer, cluster->verdict);
    check_silence(cluster);
    check_convergence(cluster);
    if (cluster->options.has_services) {
        sim_services_judge(cluster);
    }
    if (cluster->options.is_verbose) {
        axi_report_text(stdout, cluster->verdict, NULL);
    } else {
        for (size_t i = 0; i < cluster->verdict->violation_count && i < 4; i++) {
            const struct axi_violation *violation = &cluster->verdict->violations[i];

            (void)printf("  seed %llu I%d: %s (epoch %llu, job %llu, %.6f s)\n",
                         (unsigned long long)cluster->seed, (int)violation->invariant,
                         violation->text, (unsigned long long)violation->epoch,
                         (unsigned long long)violation->job,
                         violation->master_ns == 0
                             ? 0.0
                             : (double)(violation->master_ns - cluster->start_ns) / 1e9);
        }
    }
    return cluster->verdict->violation_count == 0;
}
