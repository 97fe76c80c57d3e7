/* SPDX-License-Identifier: Apache-2.0 */
#include "history/report.h"

#include <inttypes.h>
#include <string.h>

static const char *task_name(const struct axi_report_names *names, uint64_t task_id, char *buffer,
                             size_t buffer_bytes)
{
    const char *name = names != NULL ? names->task(names->context, task_id) : NULL;

    if (name != NULL) {
        return name;
    }
    (void)snprintf(buffer, buffer_bytes, "%016" PRIx64, task_id);
    return buffer;
}

static void text_tasks(FILE *stream, const struct axi_verdict *verdict,
                       const struct axi_report_names *names)
{
    char id[20];

    (void)fprintf(stream, "%-20s %7s %9s %9s %7s %7s %7s %8s %7s %6s %s\n", "TASK", "EPOCHS",
                  "RELEASED", "COMPLETED", "KILLED", "SKIPPED", "MISSED", "BLACKOUT", "REPEATS",
                  "LOST", "DIGESTS");
    for (size_t i = 0; i < verdict->task_count; i++) {
        const struct axi_task_verdict *task = &verdict->tasks[i];

        (void)fprintf(stream,
                      "%-20s %7" PRIu64 " %9" PRIu64 " %9" PRIu64 " %7" PRIu64 " %7" PRIu64
                      " %7" PRIu64 " %8" PRIu64 " %7" PRIu64 " %6" PRIu64 " %" PRIu64 " equal",
                      task_name(names, task->task_id, id, sizeof id), task->epochs, task->released,
                      task->completed, task->killed, task->skipped, task->missed,
                      task->missed_in_blackout, task->repeated, task->lost, task->digests_equal);
        if (task->digests_unjudged > 0) {
            (void)fprintf(stream, ", %" PRIu64 " not judged", task->digests_unjudged);
        }
        if (task->unseen > 0) {
            (void)fprintf(stream, "; %" PRIu64 " jobs without record", task->unseen);
        }
        (void)fprintf(stream, "%s%s\n", task->is_finished ? "; finished" : "",
                      task->is_failed ? "; failed" : "");
    }
}

static void text_grids(FILE *stream, const struct axi_verdict *verdict,
                       const struct axi_report_names *names)
{
    char id[20];

    for (size_t i = 0; i < verdict->task_count; i++) {
        const struct axi_grid *grid = &verdict->tasks[i].grid;

        if (grid->releases > 0) {
            (void)fprintf(stream,
                          "grid      %-20s period %.3f ms, %" PRIu64
                          " releases, %.3f to %.3f ms after their instants\n",
                          task_name(names, verdict->tasks[i].task_id, id, sizeof id),
                          (double)grid->period_ns / 1e6, grid->releases,
                          (double)grid->earliest_ns / 1e6, (double)grid->latest_ns / 1e6);
        }
    }
}

void axi_report_text(FILE *stream, const struct axi_verdict *verdict,
                     const struct axi_report_names *names)
{
    char id[20];

    text_tasks(stream, verdict, names);
    text_grids(stream, verdict, names);
    for (size_t i = 0; i < verdict->handover_count; i++) {
        const struct axi_handover *handover = &verdict->handovers[i];

        (void)fprintf(stream,
                      "%-9s %-20s %s -> %s, epoch %" PRIu64 " -> %" PRIu64 ", job %" PRIu64
                      ", blackout %.3f ms",
                      handover->is_restore ? "restore" : "migration",
                      task_name(names, handover->task_id, id, sizeof id), handover->from_node,
                      handover->to_node, handover->from_epoch, handover->to_epoch, handover->job,
                      (double)handover->blackout_ns / 1e6);
        if (handover->is_restore) {
            (void)fprintf(stream, ", repeats %" PRIu64 " jobs", handover->repeats);
        }
        (void)fputc('\n', stream);
    }
    for (size_t i = 0; i < verdict->violation_count; i++) {
        const struct axi_violation *violation = &verdict->violations[i];

        (void)fprintf(
            stream, "VIOLATION I%d %s epoch %" PRIu64 " job %" PRIu64 " at %" PRIu64 ": %s\n",
            (int)violation->invariant, task_name(names, violation->task_id, id, sizeof id),
            violation->epoch, violation->job, violation->master_ns, violation->text);
    }
    (void)fprintf(stream, "%s: %zu tasks, %zu handovers, %zu violations\n",
                  verdict->violation_count == 0 ? "OK" : "FAILED", verdict->task_count,
                  verdict->handover_count, verdict->violation_count);
}

/* Names and texts of ours hold printable ASCII; quotes and backslashes are escaped all the same. */
static void json_string(FILE *stream, const char *text)
{
    (void)fputc('"', stream);
    for (; *text != '\0'; text++) {
        if (*text == '"' || *text == '\\') {
            (void)fputc('\\', stream);
        }
        (void)fputc((unsigned char)*text < 0x20 ? ' ' : *text, stream);
    }
    (void)fputc('"', stream);
}

static void json_number(FILE *stream, const char *name, uint64_t value)
{
    (void)fprintf(stream, ",\"%s\":%" PRIu64, name, value);
}

static void json_task(FILE *stream, const struct axi_task_verdict *task,
                      const struct axi_report_names *names)
{
    char id[20];

    (void)fprintf(stream, "{\"id\":\"%016" PRIx64 "\",\"name\":", task->task_id);
    json_string(stream, task_name(names, task->task_id, id, sizeof id));
    json_number(stream, "epochs", task->epochs);
    json_number(stream, "next_job", task->next_job);
    json_number(stream, "released", task->released);
    json_number(stream, "completed", task->completed);
    json_number(stream, "killed", task->killed);
    json_number(stream, "skipped", task->skipped);
    json_number(stream, "missed", task->missed);
    json_number(stream, "missed_in_blackout", task->missed_in_blackout);
    json_number(stream, "lost", task->lost);
    json_number(stream, "repeated", task->repeated);
    json_number(stream, "unseen", task->unseen);
    json_number(stream, "digests_equal", task->digests_equal);
    json_number(stream, "digests_unjudged", task->digests_unjudged);
    if (task->grid.releases > 0) {
        (void)fprintf(stream,
                      ",\"grid\":{\"period_ns\":%" PRIu64 ",\"origin_ns\":%" PRIu64
                      ",\"releases\":%" PRIu64 ",\"nodes\":%" PRIu64 ",\"earliest_ns\":%" PRId64
                      ",\"latest_ns\":%" PRId64 "}",
                      task->grid.period_ns, task->grid.origin_ns, task->grid.releases,
                      task->grid.nodes, task->grid.earliest_ns, task->grid.latest_ns);
    }
    if (task->seed != 0) {
        (void)fprintf(stream, ",\"seed\":\"%016" PRIx64 "\",\"seed_mapped\":%s", task->seed,
                      task->is_seed_mapped ? "true" : "false");
    }
    (void)fprintf(stream, ",\"finished\":%s,\"failed\":%s}", task->is_finished ? "true" : "false",
                  task->is_failed ? "true" : "false");
}

static void json_handover(FILE *stream, const struct axi_handover *handover,
                          const struct axi_report_names *names)
{
    char id[20];

    (void)fprintf(stream,
                  "{\"kind\":\"%s\",\"task\":", handover->is_restore ? "restore" : "migration");
    json_string(stream, task_name(names, handover->task_id, id, sizeof id));
    (void)fprintf(stream, ",\"from\":");
    json_string(stream, handover->from_node);
    (void)fprintf(stream, ",\"to\":");
    json_string(stream, handover->to_node);
    json_number(stream, "from_epoch", handover->from_epoch);
    json_number(stream, "to_epoch", handover->to_epoch);
    json_number(stream, "job", handover->job);
    json_number(stream, "repeats", handover->repeats);
    json_number(stream, "unseen", handover->unseen);
    json_number(stream, "frozen_ns", handover->frozen_ns);
    json_number(stream, "blackout_ns", handover->blackout_ns);
    (void)fputc('}', stream);
}

static void json_violation(FILE *stream, const struct axi_violation *violation,
                           const struct axi_report_names *names)
{
    char id[20];

    (void)fprintf(stream, "{\"invariant\":\"I%d\",\"task\":", (int)violation->invariant);
    json_string(stream, task_name(names, violation->task_id, id, sizeof id));
    json_number(stream, "epoch", violation->epoch);
    json_number(stream, "job", violation->job);
    json_number(stream, "master_ns", violation->master_ns);
    (void)fprintf(stream, ",\"text\":");
    json_string(stream, violation->text);
    (void)fputc('}', stream);
}

void axi_report_json(FILE *stream, const struct axi_verdict *verdict,
                     const struct axi_report_names *names)
{
    (void)fprintf(stream, "{\"ok\":%s,\"tasks\":[",
                  verdict->violation_count == 0 ? "true" : "false");
    for (size_t i = 0; i < verdict->task_count; i++) {
        (void)fputs(i > 0 ? "," : "", stream);
        json_task(stream, &verdict->tasks[i], names);
    }
    (void)fputs("],\"handovers\":[", stream);
    for (size_t i = 0; i < verdict->handover_count; i++) {
        (void)fputs(i > 0 ? "," : "", stream);
        json_handover(stream, &verdict->handovers[i], names);
    }
    (void)fputs("],\"violations\":[", stream);
    for (size_t i = 0; i < verdict->violation_count; i++) {
        (void)fputs(i > 0 ? "," : "", stream);
        json_violation(stream, &verdict->violations[i], names);
    }
    (void)fputs("]}\n", stream);
}
