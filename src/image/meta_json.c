/* SPDX-License-Identifier: Apache-2.0 */
#include "image/meta_json.h"

#include "image/digest.h"

#include <string.h>

const char *axi_policy_name(uint32_t policy)
{
    static const char *const names[] = {"kill-job", "restart", "stop"};

    return policy < sizeof(names) / sizeof(names[0]) ? names[policy] : "unknown";
}

static json_t *needs_to_json(uint32_t needs)
{
    static const char *const names[] = {"log", "topic", "io"};
    json_t *list = json_array();

    for (unsigned bit = 0; bit < sizeof(names) / sizeof(names[0]); bit++) {
        if ((needs & 1u << bit) != 0) {
            (void)json_array_append_new(list, json_string(names[bit]));
        }
    }
    return list;
}

static json_t *wcet_to_json(const struct axi_task_meta *meta)
{
    json_t *object = json_object();

    for (unsigned i = 0; i < AXC_WCET_MAX && meta->wcet[i].platform[0] != '\0'; i++) {
        (void)json_object_set_new(object, meta->wcet[i].platform,
                                  json_integer(meta->wcet[i].wcet_us));
    }
    return object;
}

json_t *axi_meta_to_json(const struct axi_task_meta *meta)
{
    struct axi_digest schema;
    char schema_text[AXI_DIGEST_TEXT_BYTES];

    memcpy(schema.bytes, meta->schema_hash, sizeof(schema.bytes));
    axi_digest_format(&schema, schema_text);
    return json_pack(
        "{s:s, s:I, s:I, s:I, s:s, s:I, s:I, s:I, s:o, s:I, s:I, s:s, s:s, s:I, s:I, s:o}", "name",
        meta->name, "abi", (json_int_t)meta->abi, "state_bytes", (json_int_t)meta->state_bytes,
        "state_version", (json_int_t)meta->state_version, "schema_hash", schema_text, "period_us",
        (json_int_t)meta->period_us, "deadline_us", (json_int_t)meta->deadline_us, "criticality",
        (json_int_t)meta->criticality, "needs", needs_to_json(meta->needs), "jobs",
        (json_int_t)meta->jobs, "stack_bytes", (json_int_t)meta->stack_bytes, "overrun_policy",
        axi_policy_name(meta->overrun_policy), "fault_policy", axi_policy_name(meta->fault_policy),
        "restart_limit", (json_int_t)meta->restart_limit, "checkpoint_every",
        (json_int_t)meta->checkpoint_every, "wcet_us", wcet_to_json(meta));
}
