/* SPDX-License-Identifier: Apache-2.0 */
#include "runax/bri/bri.h"
#include "runax/json.h"

#include <string.h>

bool axi_bri_is_digest(const char *text)
{
    static const char HEX[] = "0123456789abcdef";
    return text[0] == '\0' ||
           (strncmp(text, "sha256:", 7) == 0 && strlen(text) == 71 && strspn(text + 7, HEX) == 64);
}

static int read_tasks(const struct axi_json *json, struct axi_bri *bri)
{
    static const char *const KEYS[] = {"name",    "digest",      "period_us", "deadline_us",
                                       "wcet_ns", "state_bytes", NULL};
    const json_t *array;
    size_t count;
    int rc = axi_json_array(json, "tasks", AXI_BRI_TASKS_MAX, &array, &count);
    for (size_t i = 0; i < count && rc == 0; i++) {
        struct axi_bri_task *task = &bri->tasks[i];
        struct axi_json item;
        rc = axi_json_item(json, "tasks", array, i, &item);
        rc = rc != 0 ? rc : axi_json_only(&item, KEYS);
        rc = rc != 0 ? rc : axi_json_text(&item, "name", true, task->name, sizeof(task->name));
        rc = rc != 0 ? rc
                     : axi_json_text(&item, "digest", false, task->digest, sizeof(task->digest));
        rc =
            rc != 0 ? rc : axi_json_u32(&item, "period_us", false, 0, UINT32_MAX, &task->period_us);
        rc = rc != 0 ? rc
                     : axi_json_u32(&item, "deadline_us", false, 0, UINT32_MAX, &task->deadline_us);
        rc = rc != 0 ? rc : axi_json_u64(&item, "wcet_ns", false, 0, INT64_MAX, &task->wcet_ns);
        rc = rc != 0 ? rc
                     : axi_json_u32(&item, "state_bytes", false, 0, UINT32_MAX, &task->state_bytes);
        if (rc == 0 && !axi_bri_is_digest(task->digest)) {
            return axi_report_set(json->report, json->error,
                                  "tasks[%zu].digest: not sha256:<64 digits>", i);
        }
    }
    bri->task_count = (uint32_t)count;
    return rc;
}

static int read_predicted(const struct axi_json *json, struct axi_bri *bri)
{
    const json_t *array;
    size_t count;
    int rc = axi_json_array(json, "predicted", 2, &array, &count);
    for (size_t i = 0; i < count && rc == 0; i++) {
        const char *text = json_string_value(json_array_get(array, i));
        if (text != NULL && strcmp(text, "cpus") == 0) {
            bri->predicted |= AXI_PREDICTED_CPUS;
        } else if (text != NULL && strcmp(text, "memory") == 0) {
            bri->predicted |= AXI_PREDICTED_MEMORY;
        } else {
            return axi_report_set(json->report, json->error,
                                  "predicted[%zu]: neither cpus nor memory", i);
        }
    }
    return rc;
}

int axi_bri_read_facts(const struct axi_json *json, struct axi_bri *bri)
{
    int rc = read_tasks(json, bri);
    return rc != 0 ? rc : read_predicted(json, bri);
}
