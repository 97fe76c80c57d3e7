/* SPDX-License-Identifier: Apache-2.0 */
#include "manifest/fields.h"
#include "manifest/manifest.h"
#include "manifest/spec.h"
#include "support/test.h"

#include <string.h>

static json_t *read_json(const char *text)
{
    json_error_t error;
    json_t *json = json_loads(text, 0, &error);

    if (json == NULL) {
        fail_msg("%s in %s", error.text, text);
    }
    return json;
}

static int service_of(const char *text, struct axi_service_spec *spec, char *reason)
{
    json_t *json = read_json(text);
    int r = axi_service_spec_from_json(json, spec, reason);

    json_decref(json);
    return r;
}

static void service_defaults_follow_the_mode(void **state)
{
    static const struct {
        const char *mode;
        uint32_t replicas, minimum, needed;
    } cases[] = {
        {"single", 1, 0, 1}, {"at-least-one", 2, 1, 1}, {"2oo2", 2, 2, 2}, {"tmr", 3, 2, 2}};
    struct axi_service_spec spec;
    char text[160];

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        (void)snprintf(text, sizeof(text),
                       "{\"kind\":\"Service\",\"name\":\"a\",\"image\":\"i\",\"mode\":\"%s\"}",
                       cases[i].mode);
        assert_int_equal(service_of(text, &spec, NULL), 0);
        assert_string_equal(axi_service_mode_name(spec.mode), cases[i].mode);
        assert_int_equal(spec.replicas, cases[i].replicas);
        assert_int_equal(spec.minimum, cases[i].minimum);
        assert_int_equal(axi_service_needed(&spec), cases[i].needed);
        assert_true(spec.is_movable);
        assert_false(spec.is_preemptible);
        assert_false(spec.degraded.is_allowed);
        assert_int_equal(spec.update.surge, 1);
        assert_int_equal(spec.update.good_jobs, 20);
        assert_int_equal(spec.update.timeout_ns, 60000000000ull);
        assert_int_equal(spec.output.bad_limit, 3);
    }
}

static void decodes_every_member_of_a_service(void **state)
{
    static const char text[] =
        "{\"kind\":\"Service\",\"name\":\"brake\",\"revision\":4,\"image\":\"sha256:aa\","
        "\"variants\":[\"b\",\"c\"],\"mode\":\"at-least-one\",\"replicas\":3,\"minimum\":1,"
        "\"criticality\":12,\"assurance\":\"isolated\",\"diversity\":{\"platform\":true,"
        "\"image\":true,\"required\":true},\"failure_per_hour\":1e-7,\"survive_node_loss\":true,"
        "\"movable\":false,\"preemptible\":true,\"latency_max_ms\":2.5,\"labels\":{\"zone\":"
        "\"front\"},"
        "\"prefer\":{\"rack\":\"a\"},\"nodes\":[\"n1\",\"n2\",\"n3\",\"n4\"],"
        "\"degraded\":{\"image\":\"s\",\"assurance\":\"realtime\",\"state\":\"restart\","
        "\"after_s\":1.5},\"output\":{\"voter\":\"v\",\"compare\":\"f64\",\"tolerance\":0.25,"
        "\"wait_ms\":20,\"bad_limit\":5},\"update\":{\"surge\":0,\"good_jobs\":7,\"misses_max\":2,"
        "\"timeout_s\":9,\"state\":\"map\",\"paused\":true},\"jobs\":1000,\"backlog_max\":50,"
        "\"wcet_us\":{\"linux-x86_64\":800}}";
    struct axi_service_spec spec;

    (void)state;
    assert_int_equal(service_of(text, &spec, NULL), 0);
    assert_string_equal(spec.name, "brake");
    assert_int_equal(spec.image_count, 3);
    assert_string_equal(spec.images[0], "sha256:aa");
    assert_string_equal(spec.images[2], "c");
    assert_int_equal(spec.mode, AXI_MODE_AT_LEAST_ONE);
    assert_int_equal(spec.replicas, 3);
    assert_int_equal(spec.minimum, 1);
    assert_int_equal(spec.criticality, 12);
    assert_int_equal(spec.assurance, 2);
    assert_int_equal(spec.diversity,
                     AXI_DIVERSE_PLATFORM | AXI_DIVERSE_IMAGE | AXI_DIVERSE_REQUIRED);
    assert_float_equal(spec.failure_per_hour, 1e-7, 1e-20);
    assert_true(spec.survives_node_loss);
    assert_false(spec.is_movable);
    assert_true(spec.is_preemptible);
    assert_int_equal(spec.latency_max_ns, 2500000);
    assert_string_equal(spec.labels[0], "zone=front");
    assert_string_equal(spec.prefer[0], "rack=a");
    assert_int_equal(spec.node_count, 4);
    assert_string_equal(spec.nodes[3], "n4");
    assert_true(spec.degraded.is_allowed);
    assert_string_equal(spec.degraded.image, "s");
    assert_int_equal(spec.degraded.assurance, 1);
    assert_int_equal(spec.degraded.state, AXI_STATE_RESTART);
    assert_int_equal(spec.degraded.after_ns, 1500000000);
    assert_string_equal(spec.output.voter, "v");
    assert_int_equal(spec.output.compare, AXI_COMPARE_F64);
    assert_float_equal(spec.output.tolerance, 0.25, 0);
    assert_int_equal(spec.output.wait_ns, 20000000);
    assert_int_equal(spec.output.bad_limit, 5);
    assert_int_equal(spec.update.surge, 0);
    assert_int_equal(spec.update.good_jobs, 7);
    assert_int_equal(spec.update.misses_max, 2);
    assert_int_equal(spec.update.timeout_ns, 9000000000ull);
    assert_int_equal(spec.update.state, AXI_STATE_MAP);
    assert_true(spec.update.is_paused);
    assert_int_equal(spec.jobs, 1000);
    assert_int_equal(spec.backlog_max, 50);
    assert_int_equal(spec.wcet_count, 1);
    assert_string_equal(spec.wcets[0].platform, "linux-x86_64");
    assert_int_equal(spec.wcets[0].wcet_ns, 800000);
}

static void decodes_nodes_and_the_policy(void **state)
{
    json_t *node = read_json("{\"kind\":\"Node\",\"name\":\"n1\",\"labels\":{\"a\":\"b\"},"
                             "\"platform\":\"linux-x86_64\",\"assurance\":\"shared\","
                             "\"latency_ms\":0.5,\"failure_per_hour\":1e-4,\"cordoned\":true}");
    json_t *policy =
        read_json("{\"kind\":\"Policy\",\"rebalance\":{\"enabled\":true,\"high_percent\":82.5},"
                  "\"platforms\":{\"linux-x86_64\":{\"failure_per_hour\":1e-6}}}");
    struct axi_node_spec n;
    struct axi_policy_spec p;

    (void)state;
    assert_int_equal(axi_node_spec_from_json(node, &n, NULL), 0);
    assert_string_equal(n.labels[0], "a=b");
    assert_string_equal(n.platform, "linux-x86_64");
    assert_int_equal(n.assurance, 0);
    assert_int_equal(n.latency_ns, 500000);
    assert_true(n.is_cordoned);
    assert_int_equal(axi_policy_spec_from_json(policy, &p, NULL), 0);
    assert_true(p.is_rebalancing);
    assert_int_equal(p.high_ppm, 825000);
    assert_int_equal(p.low_ppm, 700000);
    assert_int_equal(p.platform_count, 1);
    assert_string_equal(p.platforms[0].platform, "linux-x86_64");
    json_decref(node);
    json_decref(policy);
}

static void without_a_manifest_the_defaults_hold(void **state)
{
    struct axi_node_spec node;
    struct axi_policy_spec policy;

    (void)state;
    axi_node_spec_default("some name", &node);
    assert_string_equal(node.name, "some name");
    assert_int_equal(node.assurance, 3);
    assert_false(node.is_cordoned);
    axi_policy_spec_default(&policy);
    assert_false(policy.is_rebalancing);
    assert_int_equal(policy.high_ppm, 850000);
    assert_int_equal(policy.horizon_ns, 10000000000ull);
    assert_int_equal(policy.flap_limit, 3);
    assert_int_equal(policy.flap_window_ns, 60000000000ull);
}

static void refuses_what_is_no_manifest_and_leaves_the_target(void **state)
{
    struct axi_service_spec spec = {.replicas = 77};
    struct axi_node_spec node;
    char reason[160] = "";

    (void)state;
    assert_int_equal(service_of("{\"kind\":\"Service\",\"name\":\"a\"}", &spec, reason),
                     -AXC_EMANIFEST);
    assert_string_equal(reason, "'image' is missing");
    assert_int_equal(spec.replicas, 77);
    assert_int_equal(
        service_of("{\"kind\":\"Service\",\"name\":\"a\",\"image\":\"x.axi\"}", &spec, reason),
        -AXC_EMANIFEST);
    assert_non_null(strstr(reason, "image: expected an image's name or digest"));
    json_t *json = read_json("{\"kind\":\"Policy\"}");

    assert_int_equal(axi_node_spec_from_json(json, &node, reason), -AXC_EMANIFEST);
    assert_string_equal(reason, "expected a Node");
    json_decref(json);
}

/* A normalised object is its own normal form: the store may give it back. */
static void normalising_twice_changes_nothing(void **state)
{
    json_t *json =
        read_json("{\"kind\":\"Service\",\"name\":\"a\",\"image\":\"i\",\"mode\":\"tmr\","
                  "\"degraded\":{\"image\":\"s\"},\"latency_max_ms\":5.0}");
    struct axi_manifest_error error;
    json_t *once = NULL;
    json_t *twice = NULL;

    (void)state;
    assert_int_equal(axi_manifest_check(json, &once, &error), 0);
    assert_int_equal(axi_manifest_check(once, &twice, &error), 0);
    assert_true(json_equal(once, twice));
    assert_true(json_is_integer(json_object_get(once, "latency_max_ms")));
    json_decref(json);
    json_decref(once);
    json_decref(twice);
}

static void every_field_is_documented(void **state)
{
    (void)state;
    for (size_t i = 0; i < axi_field_count; i++) {
        const struct axi_field *field = &axi_fields[i];
        char expected[320];

        assert_true(strlen(field->doc) > 5);
        assert_non_null(field->example);
        assert_non_null(field->unit);
        axi_field_expected(field, expected, sizeof(expected));
        assert_true(strlen(expected) > 0);
        assert_ptr_equal(axi_field_find(field->path), field);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(service_defaults_follow_the_mode),
        cmocka_unit_test(decodes_every_member_of_a_service),
        cmocka_unit_test(decodes_nodes_and_the_policy),
        cmocka_unit_test(without_a_manifest_the_defaults_hold),
        cmocka_unit_test(refuses_what_is_no_manifest_and_leaves_the_target),
        cmocka_unit_test(normalising_twice_changes_nothing),
        cmocka_unit_test(every_field_is_documented),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
