/* SPDX-License-Identifier: Apache-2.0 */
#include "manifest/spec.h"

#include "manifest/fields.h"
#include "manifest/manifest.h"

#include <stdio.h>
#include <string.h>

#define REASON_BYTES 160u

static const char *text(const json_t *object, const char *key)
{
    const char *value = json_string_value(json_object_get(object, key));

    return value != NULL ? value : "";
}

static double number(const json_t *object, const char *key)
{
    return json_number_value(json_object_get(object, key));
}

static uint32_t count(const json_t *object, const char *key)
{
    return (uint32_t)json_integer_value(json_object_get(object, key));
}

static bool is_set(const json_t *object, const char *key)
{
    return json_is_true(json_object_get(object, key));
}

static int choice(const json_t *object, const char *key, const char *const *choices)
{
    return axi_choice_find(choices, text(object, key));
}

static uint64_t scaled(const json_t *object, const char *key, double unit)
{
    return (uint64_t)(number(object, key) * unit + 0.5);
}

/* What was checked fits. */
static void copy(char *to, size_t size, const char *from)
{
    (void)snprintf(to, size, "%s", from);
}

static uint32_t labels(const json_t *object, const char *key,
                       char ret_labels[AXI_SERVICE_LABELS_MAX][AXI_LABEL_BYTES])
{
    uint32_t used = 0;
    const char *name = NULL;
    json_t *value = NULL;

    json_object_foreach (json_object_get(object, key), name, value) {
        (void)snprintf(ret_labels[used++], AXI_LABEL_BYTES, "%s=%s", name,
                       json_string_value(value));
    }
    return used;
}

/* Checked again: what a store kept may be older than this program. */
static int normalise(const json_t *json, const char *kind, json_t **ret_object, char *ret_reason)
{
    struct axi_manifest_error error;
    json_t *object = NULL;
    int r = axi_manifest_check(json, &object, &error);

    if (r == 0 && strcmp(text(object, "kind"), kind) != 0) {
        (void)snprintf(error.text, sizeof(error.text), "expected a %s", kind);
        json_decref(object);
        r = -AXC_EMANIFEST;
    }
    if (r < 0) {
        if (ret_reason != NULL) {
            (void)snprintf(ret_reason, REASON_BYTES, "%.*s", (int)REASON_BYTES - 1, error.text);
        }
        return r;
    }
    *ret_object = object;
    return 0;
}

static void decode_images(const json_t *json, struct axi_service_spec *spec)
{
    size_t i = 0;
    json_t *image = NULL;

    copy(spec->images[0], sizeof(spec->images[0]), text(json, "image"));
    spec->image_count = 1;
    json_array_foreach (json_object_get(json, "variants"), i, image) {
        copy(spec->images[spec->image_count++], sizeof(spec->images[0]), json_string_value(image));
    }
}

static void decode_diversity(const json_t *json, struct axi_service_spec *spec)
{
    spec->diversity = (is_set(json, "platform") ? AXI_DIVERSE_PLATFORM : 0) |
                      (is_set(json, "isa") ? AXI_DIVERSE_ISA : 0) |
                      (is_set(json, "image") ? AXI_DIVERSE_IMAGE : 0) |
                      (is_set(json, "required") ? AXI_DIVERSE_REQUIRED : 0);
}

static void decode_placing(const json_t *json, struct axi_service_spec *spec)
{
    size_t i = 0;
    json_t *node = NULL;
    const char *platform = NULL;
    json_t *wcet = NULL;

    spec->label_count = labels(json, "labels", spec->labels);
    spec->prefer_count = labels(json, "prefer", spec->prefer);
    json_array_foreach (json_object_get(json, "nodes"), i, node) {
        copy(spec->nodes[spec->node_count++], sizeof(spec->nodes[0]), json_string_value(node));
    }
    json_object_foreach (json_object_get(json, "wcet_us"), platform, wcet) {
        copy(spec->wcets[spec->wcet_count].platform, sizeof(spec->wcets[0].platform), platform);
        spec->wcets[spec->wcet_count++].wcet_ns = (uint64_t)json_integer_value(wcet) * 1000;
    }
}

static void decode_degraded(const json_t *json, struct axi_degraded *degraded)
{
    degraded->is_allowed = json != NULL;
    if (json == NULL) {
        return;
    }
    copy(degraded->image, sizeof(degraded->image), text(json, "image"));
    degraded->assurance = (uint32_t)choice(json, "assurance", axi_assurance_choices);
    degraded->state = (enum axi_state_rule)choice(json, "state", axi_state_choices);
    degraded->after_ns = scaled(json, "after_s", 1e9);
}

static void decode_policies(const json_t *json, struct axi_service_spec *spec)
{
    const json_t *output = json_object_get(json, "output");
    const json_t *update = json_object_get(json, "update");

    copy(spec->output.voter, sizeof(spec->output.voter), text(output, "voter"));
    spec->output.compare = (enum axi_compare)choice(output, "compare", axi_compare_choices);
    spec->output.tolerance = number(output, "tolerance");
    spec->output.wait_ns = scaled(output, "wait_ms", 1e6);
    spec->output.bad_limit = count(output, "bad_limit");
    spec->update.surge = count(update, "surge");
    spec->update.good_jobs = count(update, "good_jobs");
    spec->update.misses_max = count(update, "misses_max");
    spec->update.timeout_ns = scaled(update, "timeout_s", 1e9);
    spec->update.state = (enum axi_state_rule)choice(update, "state", axi_state_choices);
    spec->update.is_paused = is_set(update, "paused");
}

int axi_service_spec_from_json(const json_t *json, struct axi_service_spec *ret_spec,
                               char *ret_reason)
{
    json_t *object = NULL;
    int r = normalise(json, "Service", &object, ret_reason);

    if (r < 0) {
        return r;
    }
    memset(ret_spec, 0, sizeof(*ret_spec));
    copy(ret_spec->name, sizeof(ret_spec->name), text(object, "name"));
    decode_images(object, ret_spec);
    ret_spec->mode = (enum axi_service_mode)choice(object, "mode", axi_mode_choices);
    ret_spec->replicas = count(object, "replicas");
    ret_spec->minimum = count(object, "minimum");
    ret_spec->criticality = count(object, "criticality");
    ret_spec->assurance = (uint32_t)choice(object, "assurance", axi_assurance_choices);
    decode_diversity(json_object_get(object, "diversity"), ret_spec);
    ret_spec->failure_per_hour = number(object, "failure_per_hour");
    ret_spec->survives_node_loss = is_set(object, "survive_node_loss");
    ret_spec->is_movable = is_set(object, "movable");
    ret_spec->is_preemptible = is_set(object, "preemptible");
    ret_spec->latency_max_ns = scaled(object, "latency_max_ms", 1e6);
    decode_placing(object, ret_spec);
    decode_degraded(json_object_get(object, "degraded"), &ret_spec->degraded);
    decode_policies(object, ret_spec);
    ret_spec->jobs = (uint64_t)json_integer_value(json_object_get(object, "jobs"));
    ret_spec->backlog_max = count(object, "backlog_max");
    json_decref(object);
    return 0;
}

static void decode_node(const json_t *object, struct axi_node_spec *spec)
{
    memset(spec, 0, sizeof(*spec));
    copy(spec->name, sizeof(spec->name), text(object, "name"));
    spec->label_count = labels(object, "labels", spec->labels);
    copy(spec->platform, sizeof(spec->platform), text(object, "platform"));
    spec->assurance = (uint32_t)choice(object, "assurance", axi_assurance_choices);
    spec->latency_ns = scaled(object, "latency_ms", 1e6);
    spec->failure_per_hour = number(object, "failure_per_hour");
    spec->wrong_per_hour = number(object, "wrong_per_hour");
    spec->is_cordoned = is_set(object, "cordoned");
}

int axi_node_spec_from_json(const json_t *json, struct axi_node_spec *ret_spec, char *ret_reason)
{
    json_t *object = NULL;
    int r = normalise(json, "Node", &object, ret_reason);

    if (r == 0) {
        decode_node(object, ret_spec);
        json_decref(object);
    }
    return r;
}

static void decode_policy(const json_t *object, struct axi_policy_spec *spec)
{
    const json_t *rebalance = json_object_get(object, "rebalance");
    const json_t *flapping = json_object_get(object, "flapping");
    const json_t *partitions = json_object_get(object, "partitions");
    const char *platform = NULL;
    json_t *about = NULL;

    memset(spec, 0, sizeof(*spec));
    spec->is_rebalancing = is_set(rebalance, "enabled");
    spec->high_ppm = (uint32_t)scaled(rebalance, "high_percent", 1e4);
    spec->low_ppm = (uint32_t)scaled(rebalance, "low_percent", 1e4);
    spec->horizon_ns = scaled(rebalance, "horizon_s", 1e9);
    spec->cooldown_ns = scaled(rebalance, "cooldown_s", 1e9);
    spec->flap_window_ns = scaled(flapping, "window_s", 1e9);
    spec->flap_limit = count(flapping, "limit");
    spec->partition_idle_ns = scaled(partitions, "idle_s", 1e9);
    spec->partition_start_ns = scaled(partitions, "start_s", 1e9);
    json_object_foreach (json_object_get(object, "platforms"), platform, about) {
        uint32_t i = spec->platform_count++;

        copy(spec->platforms[i].platform, sizeof(spec->platforms[i].platform), platform);
        spec->platforms[i].failure_per_hour = number(about, "failure_per_hour");
    }
}

int axi_policy_spec_from_json(const json_t *json, struct axi_policy_spec *ret_spec,
                              char *ret_reason)
{
    json_t *object = NULL;
    int r = normalise(json, "Policy", &object, ret_reason);

    if (r == 0) {
        decode_policy(object, ret_spec);
        json_decref(object);
    }
    return r;
}

/* Any name a node may have, also one that no manifest could give it. */
void axi_node_spec_default(const char *name, struct axi_node_spec *ret_spec)
{
    json_t *json = json_pack("{s:s, s:s}", "kind", "Node", "name", "any");

    if (json == NULL || axi_node_spec_from_json(json, ret_spec, NULL) < 0) {
        memset(ret_spec, 0, sizeof(*ret_spec));
        ret_spec->assurance = 3;
    }
    json_decref(json);
    (void)snprintf(ret_spec->name, sizeof(ret_spec->name), "%.31s", name);
}

void axi_policy_spec_default(struct axi_policy_spec *ret_spec)
{
    json_t *json = json_pack("{s:s}", "kind", "Policy");

    if (json == NULL || axi_policy_spec_from_json(json, ret_spec, NULL) < 0) {
        memset(ret_spec, 0, sizeof(*ret_spec));
        ret_spec->flap_limit = 1;
    }
    json_decref(json);
}

const char *axi_service_mode_name(enum axi_service_mode mode)
{
    return axi_mode_choices[mode];
}

uint32_t axi_service_needed(const struct axi_service_spec *spec)
{
    switch (spec->mode) {
    case AXI_MODE_TWO_OF_TWO:
    case AXI_MODE_TMR:
        return 2;
    case AXI_MODE_SINGLE:
    case AXI_MODE_AT_LEAST_ONE:
        return 1;
    }
    return 1;
}
