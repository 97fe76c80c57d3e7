/* SPDX-License-Identifier: Apache-2.0 */
/* Profiling: N jobs from zero without a budget on one node, the execution times fetched, the
 * instance removed. It has no record: after the master's death the node's instance is stale and
 * removed. */
#include "master/internal.h"

#include "base/hist.h"

#include <stdlib.h>
#include <string.h>

struct axi_profile {
    uint8_t image[32];
    char platform[24];
    uint32_t margin_percent;
    bool is_saved;
    uint64_t count, min_ns, max_ns, sum_ns;
    uint32_t buckets[AXI_HIST_BUCKETS];
};

void axi_profile_free(struct axi_profile *profile)
{
    free(profile);
}

static void end(struct axi_master *m, struct axi_task *task, int code, const char *reason,
                json_t *result)
{
    axi_send_remove(m, axi_node_find(m, task->record.owner), task->record.id, task->record.epoch,
                    m->port.random64(m->port.context));
    axi_op_end(m, task->flow.op, code, reason, result);
    axi_task_drop(m, task);
}

void axi_profile_timeout(struct axi_master *m, struct axi_task *task)
{
    end(m, task, -AXC_ETIMEOUT, "the node did not answer", NULL);
}

void axi_profile_run_timeout(struct axi_master *m, struct axi_task *task)
{
    const struct axi_task_spec *spec = &task->record.spec;
    uint64_t allowed = spec->jobs * spec->period_ns * 2 + m->config.step_timeout_ns;

    if (axi_now(m) - task->flow.entered_ns >= allowed) {
        end(m, task, -AXC_ETIMEOUT, "the jobs did not finish in time", NULL);
    }
}

void axi_profile_load(struct axi_master *m, struct axi_task *task)
{
    struct axi_node *node = axi_node_find(m, task->record.owner);
    axi_Load load = {.request = task->flow.request_target, .epoch = task->record.epoch};

    axi_task_spec_wire(task, node, &load.spec);
    axi_send(m, node, AXI_WIRE_LOAD, &load);
}

void axi_profile_start(struct axi_master *m, struct axi_task *task)
{
    axi_Start start = {.request = task->flow.request_target,
                       .task_id = task->record.id,
                       .epoch = task->record.epoch,
                       .release_ns = axi_now_master(m) + m->config.start_delay_ns};

    axi_send(m, axi_node_find(m, task->record.owner), AXI_WIRE_START, &start);
}

void axi_profile_get(struct axi_master *m, struct axi_task *task)
{
    axi_GetProfile get = {.task_id = task->record.id};

    if (task->flow.request_target == 0) {
        task->flow.request_target = m->port.random64(m->port.context);
    }
    get.request = task->flow.request_target;
    axi_send(m, axi_node_find(m, task->record.owner), AXI_WIRE_GET_PROFILE, &get);
}

void axi_profile_data(struct axi_master *m, struct axi_node *node, const axi_ProfileData *data)
{
    for (size_t i = 0; i < m->task_count; i++) {
        struct axi_task *task = m->tasks[i];
        struct axi_profile *profile = task->flow.profile;

        if (task->is_gone || profile == NULL || task->record.owner != node->id ||
            task->flow.request_target != data->request) {
            continue;
        }
        profile->count = data->count;
        profile->min_ns = data->min_ns;
        profile->max_ns = data->max_ns;
        profile->sum_ns = data->sum_ns;
        for (pb_size_t b = 0; b < data->buckets_count; b++) {
            if (data->first_bucket < AXI_HIST_BUCKETS - b) {
                profile->buckets[data->first_bucket + b] = data->buckets[b];
            }
        }
    }
}

static uint64_t percentile(const struct axi_profile *profile, uint32_t per_mille)
{
    struct axi_hist hist = {.count = profile->count,
                            .sum_ns = profile->sum_ns,
                            .min_ns = profile->min_ns,
                            .max_ns = profile->max_ns};

    memcpy(hist.buckets, profile->buckets, sizeof(hist.buckets));
    return axi_hist_quantile(&hist, per_mille);
}

/* [[time, count], ...] in ns, ascending. A bucket's time is its upper edge (the largest measured
 * for the last one), so that what is computed from it errs to the safe side. */
static json_t *histogram(const struct axi_profile *profile)
{
    json_t *list = json_array();

    for (uint32_t i = 0; i < AXI_HIST_BUCKETS; i++) {
        uint64_t edge = i + 1 < AXI_HIST_BUCKETS ? axi_hist_bucket_low(i + 1) - 1 : UINT64_MAX;

        if (profile->buckets[i] > 0) {
            edge = edge < profile->max_ns ? edge : profile->max_ns;
            (void)json_array_append_new(
                list, json_pack("[I,I]", (json_int_t)edge, (json_int_t)profile->buckets[i]));
        }
    }
    return list;
}

static bool save(struct axi_master *m, const struct axi_profile *profile, uint64_t wcet_ns)
{
    for (size_t i = 0; i < m->image_count; i++) {
        struct axi_image_info info = m->images[i];

        if (memcmp(info.digest, profile->image, 32) != 0) {
            continue;
        }
        for (uint32_t e = 0; e < info.entry_count; e++) {
            if (strcmp(info.entries[e].platform, profile->platform) == 0) {
                info.entries[e].wcet_ns = wcet_ns;
                return axi_image_store(m, &info) == 0;
            }
        }
    }
    return false;
}

static void finish(struct axi_master *m, struct axi_task *task)
{
    const struct axi_profile *profile = task->flow.profile;
    uint64_t wcet;
    bool is_saved;

    if (profile->count == 0) {
        end(m, task, -AXC_ESTATE, "no job was measured", NULL);
        return;
    }
    wcet = profile->max_ns + profile->max_ns / 100 * profile->margin_percent;
    wcet = (wcet + 999) / 1000 * 1000; /* images say whole microseconds */
    is_saved = profile->is_saved && save(m, profile, wcet);
    end(m, task, 0, "",
        json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:b, s:o}", "platform", profile->platform,
                  "jobs", (json_int_t)profile->count, "min_ns", (json_int_t)profile->min_ns,
                  "max_ns", (json_int_t)profile->max_ns, "mean_ns",
                  (json_int_t)(profile->sum_ns / profile->count), "p99_ns",
                  (json_int_t)percentile(profile, 990), "wcet_ns", (json_int_t)wcet, "saved",
                  is_saved, "histogram", histogram(profile)));
}

void axi_profile_result(struct axi_master *m, struct axi_task *task, const axi_Result *result)
{
    if (result->code != 0) {
        end(m, task, result->code,
            result->reason[0] != '\0' ? result->reason : axi_error_text(result->code), NULL);
    } else if (task->flow.step == AXI_STEP_PROFILE_LOAD) {
        task->flow.request_target = m->port.random64(m->port.context);
        axi_flow_go(m, task, AXI_STEP_PROFILE_START);
    } else if (task->flow.step == AXI_STEP_PROFILE_START) {
        axi_flow_go(m, task, AXI_STEP_PROFILE_RUN);
    } else if (task->flow.step == AXI_STEP_PROFILE_GET) {
        finish(m, task);
    }
}

static int judge(struct axi_master *m, const struct axi_record *record, struct axi_node *node,
                 char *ret_reason)
{
    struct axi_task probe = {.record = *record, .is_ephemeral = true};
    struct axi_node *chosen = NULL;

    return axi_task_place(m, &probe, node->id, NULL, 0, &chosen, ret_reason);
}

static int check_request(const json_t *request, const struct axi_node *node, char *ret_reason)
{
    json_int_t jobs = json_integer_value(json_object_get(request, "jobs"));
    const json_t *margin = json_object_get(request, "margin_percent");

    if (node == NULL) {
        return axi_refuse(ret_reason, AXC_ENOENT, "no node %.31s",
                          axi_json_get_text(request, "node"));
    }
    if (jobs < 0 || jobs > 1000000) {
        return axi_refuse(ret_reason, AXC_EINVALID, "jobs must be 1 to 1000000");
    }
    if (margin != NULL && (json_integer_value(margin) < 0 || json_integer_value(margin) > 1000)) {
        return axi_refuse(ret_reason, AXC_EINVALID, "margin_percent must be 0 to 1000");
    }
    return 0;
}

static void fill_record(struct axi_master *m, const struct axi_image_info *info,
                        const struct axi_node *node, json_int_t jobs, struct axi_record *record)
{
    record->id = m->port.random64(m->port.context) | 1;
    record->spec = info->spec;
    record->spec.jobs = jobs > 0 ? (uint64_t)jobs : 100;
    record->owner = node->id;
    record->epoch = record->epoch_last = 1;
    record->state = AXI_TASK_STARTING;
    record->entry_count = info->entry_count;
    memcpy(record->image, info->digest, 32);
    memcpy(record->entries, info->entries, sizeof(record->entries));
    axi_copy_text(record->name, sizeof(record->name), info->spec.name);
}

int axi_master_profile(struct axi_master *m, const json_t *request, uint64_t *ret_op,
                       char *ret_reason)
{
    struct axi_image_info *info =
        axi_image_lookup(m, axi_json_get_text(request, "image"), ret_reason);
    struct axi_node *node = axi_node_lookup(m, axi_json_get_text(request, "node"));
    const json_t *margin = json_object_get(request, "margin_percent");
    struct axi_record record = {0};
    struct axi_profile *profile = NULL;
    struct axi_task *task = NULL;
    struct axi_op *op = NULL;
    int rc = info != NULL ? check_request(request, node, ret_reason) : -AXC_ENOENT;

    if (rc != 0) {
        return rc;
    }
    fill_record(m, info, node, json_integer_value(json_object_get(request, "jobs")), &record);
    rc = judge(m, &record, node, ret_reason);
    if (rc != 0) {
        return rc;
    }
    profile = calloc(1, sizeof(*profile));
    task = profile != NULL ? axi_task_add(m, &record, 0) : NULL;
    op = task != NULL ? axi_op_new(m, "profile", record.name) : NULL;
    if (op == NULL) {
        free(profile);
        if (task != NULL) {
            axi_task_drop(m, task);
        }
        return axi_refuse(ret_reason, AXC_ENOMEM, "%s", axi_error_text(AXC_ENOMEM));
    }
    task->is_ephemeral = true;
    task->flow.op = op->id;
    task->flow.profile = profile;
    memcpy(profile->image, info->digest, 32);
    axi_copy_text(profile->platform, 24, record.entries[axi_task_entry(&record, node)].platform);
    profile->margin_percent = margin != NULL ? (uint32_t)json_integer_value(margin) : 20;
    profile->is_saved = json_is_true(json_object_get(request, "save"));
    task->flow.request_target = m->port.random64(m->port.context);
    *ret_op = op->id;
    axi_flow_go(m, task, AXI_STEP_PROFILE_LOAD);
    return 0;
}
