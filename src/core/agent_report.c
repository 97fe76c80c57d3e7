/* SPDX-License-Identifier: Apache-2.0 */
/* What the master, or the manager in its place, hears of instances: reports, events, log lines,
 * profiles. */
#include "core/agent_internal.h"

#include "base/hist.h"

#include <string.h>

#define EVENTS_PER_REPORT 32u /* misses and skips; the rest of them shows in the next Report */
#define LOG_BYTES 4096u
#define LOGS_PER_TICK 16u
#define P50 500u
#define P99 990u

static void fill_status(struct axi_agent *agent, const struct axi_agent_instance *instance,
                        axi_InstanceStatus *ret)
{
    struct axi_slot_view view;

    *ret = (axi_InstanceStatus)axi_InstanceStatus_init_zero;
    ret->task_id = instance->spec.task_id;
    ret->epoch = instance->epoch;
    ret->migration = instance->migration;
    ret->profile = instance->spec.profile;
    ret->next_job = instance->next_job;
    ret->checkpoint_job = instance->checkpoint_job;
    ret->durable_job = axi_managers_durable_job(agent, instance->slot);
    ret->state = AXI_SLOT_FREE; /* loading */
    if (instance->phase != AXI_INSTANCE_READY) {
        return;
    }
    ret->state = instance->sched_state;
    agent->port.view(agent->port.context, instance->slot, &view);
    if (view.task_id != instance->spec.task_id || !axi_instance_has_epoch(instance, view.epoch)) {
        return;
    }
    agent->port.hists(agent->port.context, instance->slot, &agent->response, &agent->exec);
    ret->state = view.state;
    ret->next_job = view.next_job;
    ret->released = view.released;
    ret->completed = view.completed;
    ret->missed = view.missed;
    ret->killed = view.killed;
    ret->skipped = view.skipped;
    ret->overruns = view.overruns;
    ret->exec_max_ns = view.exec_max_ns;
    ret->response_max_ns = view.response_max_ns;
    ret->late = view.late;
    ret->start_min_ns = view.start_min_ns;
    ret->start_max_ns = view.start_max_ns;
    ret->output_from = view.output_from;
    ret->output_until = view.output_until;
    ret->last_cause = view.last_cause;
    ret->last_detail = view.last_detail;
    ret->exec_p99_ns = axi_hist_quantile(&agent->exec, P99);
    ret->response_p50_ns = axi_hist_quantile(&agent->response, P50);
    ret->response_p99_ns = axi_hist_quantile(&agent->response, P99);
}

void axi_agent_report_one(struct axi_agent *agent, struct axi_agent_instance *instance)
{
    axi_Report *report = &agent->report;

    if (!axi_agent_has_keeper(agent)) {
        return;
    }
    report->instances_count = 1;
    report->complete = false;
    fill_status(agent, instance, &report->instances[0]);
    axi_agent_tell_keeper(agent, AXI_WIRE_REPORT, report);
}

/* How often response times of each power of two were met. */
static void send_histogram(struct axi_agent *agent, const struct axi_agent_instance *instance)
{
    const uint32_t most = sizeof(((axi_Histogram *)0)->response) / sizeof(uint32_t);
    axi_Histogram histogram = {.task_id = instance->spec.task_id, .epoch = instance->epoch};

    agent->port.hists(agent->port.context, instance->slot, &agent->response, &agent->exec);
    for (uint32_t i = 0; i < AXI_HIST_BUCKETS; i++) {
        uint64_t low_ns = axi_hist_bucket_low(i);
        uint32_t k = low_ns < 2 ? 0 : 63u - (uint32_t)__builtin_clzll(low_ns);

        if (agent->response.buckets[i] != 0 && k < most) {
            histogram.response[k] += agent->response.buckets[i];
            histogram.response_count = (pb_size_t)(k + 1) > histogram.response_count
                                           ? (pb_size_t)(k + 1)
                                           : histogram.response_count;
        }
    }
    if (histogram.response_count > 0) {
        axi_agent_tell_master(agent, AXI_WIRE_HISTOGRAM, &histogram);
    }
}

static void send_histograms(struct axi_agent *agent)
{
    for (uint32_t i = 0; i < agent->config.slots && agent->is_histogram_wanted; i++) {
        if (agent->instances[i].phase == AXI_INSTANCE_READY) {
            send_histogram(agent, &agent->instances[i]);
        }
    }
}

void axi_agent_report_all(struct axi_agent *agent)
{
    const size_t most = sizeof(agent->report.instances) / sizeof(agent->report.instances[0]);
    axi_Report *report = &agent->report;

    agent->event_tokens = EVENTS_PER_REPORT;
    report->instances_count = 0;
    report->complete = false;
    for (uint32_t i = 0; i < agent->config.slots; i++) {
        const struct axi_agent_instance *instance = &agent->instances[i];

        if (instance->phase == AXI_INSTANCE_FREE || instance->phase == AXI_INSTANCE_DROPPED ||
            instance->phase == AXI_INSTANCE_REMOVING) {
            continue;
        }
        if (report->instances_count == most) {
            axi_agent_tell_keeper(agent, AXI_WIRE_REPORT, report);
            report->instances_count = 0;
        }
        fill_status(agent, instance, &report->instances[report->instances_count++]);
    }
    report->complete = true;
    axi_agent_tell_keeper(agent, AXI_WIRE_REPORT, report);
    send_histograms(agent);
}

void axi_agent_send_event(struct axi_agent *agent, const struct axi_trace *record)
{
    axi_NodeEvent event = {
        .task_id = record->task_id,
        .epoch = record->epoch,
        .job = record->job,
        .kind = record->kind,
        .cause = record->cause,
        .detail = record->detail,
        .master_ns = record->master_ns,
    };

    switch (record->kind) {
    case AXI_TRACE_MISSED:
    case AXI_TRACE_SKIPPED:
    case AXI_TRACE_KILLED:
        if (agent->event_tokens == 0) {
            return;
        }
        agent->event_tokens--;
        break;
    case AXI_TRACE_FENCED:
    case AXI_TRACE_FINISHED:
    case AXI_TRACE_FAILED:
        break;
    default:
        return;
    }
    axi_agent_tell_master(agent, AXI_WIRE_NODE_EVENT, &event);
}

void axi_agent_send_logs(struct axi_agent *agent)
{
    char *text = (char *)agent->chunk;
    size_t capacity = agent->config.chunk_bytes < LOG_BYTES ? agent->config.chunk_bytes : LOG_BYTES;

    for (uint32_t i = 0; i < LOGS_PER_TICK; i++) {
        axi_LogLines lines = axi_LogLines_init_zero;
        size_t bytes = 0;
        size_t count;

        if (agent->port.send_room(agent->port.context, agent->master) <
            AXI_WIRE_CONTROL_BYTES_MAX + capacity) {
            return;
        }
        count = agent->port.log_drain(agent->port.context, &lines.task_id, &lines.epoch, text,
                                      capacity);
        if (count == 0 || count > capacity) {
            return;
        }
        if (axi_wire_encode(AXI_WIRE_LOG_LINES, &lines, text, count, agent->frame,
                            AXI_WIRE_FRAME_BYTES_MAX, &bytes) < 0 ||
            agent->port.send(agent->port.context, agent->master, agent->frame, bytes) < 0) {
            return;
        }
    }
}

int axi_agent_send_profile(struct axi_agent *agent, uint64_t request, uint32_t slot)
{
    const uint32_t most = sizeof(((axi_ProfileData *)0)->buckets) / sizeof(uint32_t);
    const struct axi_hist *exec = &agent->exec;

    agent->port.hists(agent->port.context, slot, &agent->response, &agent->exec);
    for (uint32_t first = 0; first < AXI_HIST_BUCKETS; first += most) {
        axi_ProfileData data = {
            .request = request,
            .count = exec->count,
            .min_ns = exec->min_ns,
            .max_ns = exec->max_ns,
            .sum_ns = exec->sum_ns,
            .first_bucket = first,
            .buckets_count =
                (pb_size_t)(AXI_HIST_BUCKETS - first < most ? AXI_HIST_BUCKETS - first : most),
        };

        memcpy(data.buckets, exec->buckets + first, data.buckets_count * sizeof(uint32_t));
        axi_agent_tell_master(agent, AXI_WIRE_PROFILE_DATA, &data);
    }
    return 0;
}
