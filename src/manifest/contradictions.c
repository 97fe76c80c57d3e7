/* SPDX-License-Identifier: Apache-2.0 */
/* What is wrong with an object though each of its fields is right. The place is that of the field
 * that most likely is the wrong one. */
#include "manifest/check.h"
#include "manifest/spec.h"

#include <stdio.h>
#include <string.h>

static json_int_t number(const json_t *object, const char *key)
{
    return json_integer_value(json_object_get(object, key));
}

static const char *text(const json_t *object, const char *key)
{
    const char *value = json_string_value(json_object_get(object, key));

    return value != NULL ? value : "";
}

static bool is_set(const json_t *object, const char *key)
{
    return json_is_true(json_object_get(object, key));
}

/* At object.key, or at object.key.member. */
static void at(struct axi_manifest_check *check, const char *key, const char *member)
{
    axi_manifest_enter(check, key, 0);
    if (member != NULL) {
        axi_manifest_enter(check, member, 0);
    }
}

static int check_counts(struct axi_manifest_check *check, const json_t *service)
{
    static const json_int_t least[] = {1, 2, 2, 3};
    static const json_int_t most[] = {1, AXI_SERVICE_REPLICAS_MAX, 2, 3};
    int mode = axi_choice_find(axi_mode_choices, text(service, "mode"));
    json_int_t replicas = number(service, "replicas");
    json_int_t minimum = number(service, "minimum");

    if (replicas < least[mode] || replicas > most[mode]) {
        at(check, "replicas", NULL);
        return axi_manifest_wrong(check,
                                  "mode %s has %s%" JSON_INTEGER_FORMAT " replica%s, not "
                                  "%" JSON_INTEGER_FORMAT,
                                  axi_mode_choices[mode],
                                  most[mode] > least[mode] ? "at least " : "", least[mode],
                                  least[mode] == 1 ? "" : "s", replicas);
    }
    if (minimum > replicas) {
        at(check, "minimum", NULL);
        return axi_manifest_wrong(check,
                                  "minimum %" JSON_INTEGER_FORMAT " is above replicas, "
                                  "%" JSON_INTEGER_FORMAT,
                                  minimum, replicas);
    }
    if (number(json_object_get(service, "update"), "surge") == 0 && minimum == replicas) {
        at(check, "update", "surge");
        return axi_manifest_wrong(check,
                                  "surge 0 takes one replica away first, and minimum forbids "
                                  "that: surge 1, or minimum below %" JSON_INTEGER_FORMAT,
                                  replicas);
    }
    return 0;
}

static int check_images(struct axi_manifest_check *check, const json_t *service)
{
    const json_t *diversity = json_object_get(service, "diversity");
    const json_t *variants = json_object_get(service, "variants");
    size_t images = 1 + json_array_size(variants);
    bool is_any =
        is_set(diversity, "platform") || is_set(diversity, "isa") || is_set(diversity, "image");
    size_t i = 0;
    json_t *variant = NULL;

    json_array_foreach (variants, i, variant) {
        if (json_equal(variant, json_object_get(service, "image"))) {
            at(check, "variants", NULL);
            axi_manifest_enter(check, NULL, i);
            return axi_manifest_wrong(check, "'%.64s' is the image itself, not a variant of it",
                                      json_string_value(variant));
        }
    }
    if (is_set(diversity, "image") && images == 1) {
        at(check, "diversity", "image");
        return axi_manifest_wrong(check, "replicas cannot differ in image: 'variants' names none");
    }
    if (is_set(diversity, "image") && is_set(diversity, "required") &&
        (json_int_t)images < number(service, "replicas")) {
        at(check, "diversity", "required");
        return axi_manifest_wrong(check,
                                  "%zu images cannot be different for %" JSON_INTEGER_FORMAT
                                  " replicas: more variants, or required false",
                                  images, number(service, "replicas"));
    }
    if (is_set(diversity, "required") && !is_any) {
        at(check, "diversity", "required");
        return axi_manifest_wrong(check, "required of what? set platform, isa or image to true");
    }
    return 0;
}

static int check_nodes(struct axi_manifest_check *check, const json_t *service)
{
    json_int_t nodes = (json_int_t)json_array_size(json_object_get(service, "nodes"));
    json_int_t replicas = number(service, "replicas");
    json_t *prefer = json_object_get(service, "prefer");
    const json_t *labels = json_object_get(service, "labels");
    const char *key = NULL;
    json_t *value = NULL;

    if (nodes > 0 && nodes < replicas) {
        at(check, "nodes", NULL);
        return axi_manifest_wrong(check,
                                  "%" JSON_INTEGER_FORMAT " nodes for %" JSON_INTEGER_FORMAT
                                  " replicas: two never share a node",
                                  nodes, replicas);
    }
    if (nodes == replicas && is_set(service, "survive_node_loss")) {
        at(check, "survive_node_loss", NULL);
        return axi_manifest_wrong(
            check, "'nodes' leaves none to spare for %" JSON_INTEGER_FORMAT " replicas", replicas);
    }
    json_object_foreach (prefer, key, value) {
        const json_t *demanded = json_object_get(labels, key);

        if (demanded != NULL && !json_equal(demanded, value)) {
            (void)snprintf(check->key, sizeof(check->key), "%s", key); /* the object is freed */
            at(check, "prefer", check->key);
            return axi_manifest_wrong(check, "can never hold: 'labels' demands %.64s: %.64s", key,
                                      json_string_value(demanded));
        }
    }
    return 0;
}

static int check_degraded(struct axi_manifest_check *check, const json_t *service)
{
    const json_t *degraded = json_object_get(service, "degraded");
    int full = axi_choice_find(axi_assurance_choices, text(service, "assurance"));
    int less = axi_choice_find(axi_assurance_choices, text(degraded, "assurance"));
    const char *image = text(degraded, "image");

    if (degraded == NULL) {
        return 0;
    }
    if (less > full) {
        at(check, "degraded", "assurance");
        return axi_manifest_wrong(check, "%s is above the service's own assurance, %s",
                                  axi_assurance_choices[less], axi_assurance_choices[full]);
    }
    if (less == full && (*image == '\0' || strcmp(image, text(service, "image")) == 0)) {
        at(check, "degraded", NULL);
        return axi_manifest_wrong(check,
                                  "nothing would be less than declared: give another image or a "
                                  "lower assurance");
    }
    return 0;
}

static int check_output(struct axi_manifest_check *check, const json_t *service)
{
    const json_t *output = json_object_get(service, "output");
    const char *mode = text(service, "mode");

    if (strcmp(text(output, "compare"), "exact") == 0 &&
        json_number_value(json_object_get(output, "tolerance")) > 0) {
        at(check, "output", "tolerance");
        return axi_manifest_wrong(check, "compare exact knows no tolerance: compare f32 or f64");
    }
    if (strcmp(mode, "single") == 0 && *text(output, "voter") != '\0') {
        at(check, "output", "voter");
        return axi_manifest_wrong(check, "mode single has nothing to compare; mode 2oo2 or tmr");
    }
    return 0;
}

static int check_policy(struct axi_manifest_check *check, const json_t *policy)
{
    const json_t *rebalance = json_object_get(policy, "rebalance");
    double high = json_number_value(json_object_get(rebalance, "high_percent"));
    double low = json_number_value(json_object_get(rebalance, "low_percent"));

    if (strcmp(text(policy, "name"), "cluster") != 0) {
        at(check, "name", NULL);
        return axi_manifest_wrong(check, "expected cluster: there is one policy");
    }
    if (low >= high) {
        at(check, "rebalance", "low_percent");
        return axi_manifest_wrong(check, "low_percent %.4g is not below high_percent, %.4g", low,
                                  high);
    }
    return 0;
}

int axi_manifest_contradictions(struct axi_manifest_check *check, const json_t *object)
{
    static int (*const of_services[])(struct axi_manifest_check *, const json_t *) = {
        check_counts, check_images, check_nodes, check_degraded, check_output};
    const char *kind = text(object, "kind");
    int r = 0;

    if (strcmp(kind, "Policy") == 0) {
        return check_policy(check, object);
    }
    if (strcmp(kind, "Service") != 0) {
        return 0;
    }
    for (size_t i = 0; r == 0 && i < sizeof(of_services) / sizeof(of_services[0]); i++) {
        r = of_services[i](check, object);
    }
    return r;
}
