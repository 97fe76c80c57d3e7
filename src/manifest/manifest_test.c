/* SPDX-License-Identifier: Apache-2.0 */
#include "manifest/fields.h"
#include "manifest/manifest.h"
#include "manifest/tree.h"
#include "support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SERVICE "kind: Service\nname: a\nimage: i\n" /* what follows is line 4 */

static const struct {
    const char *text;
    size_t line, column;
    const char *expected; /* must be in the error's text */
} wrong[] = {
    /* not a manifest at all */
    {"", 0, 0, "nothing is declared"},
    {"# nothing\n---\n---\n", 0, 0, "nothing is declared"},
    {"just text", 1, 1, "expected a map with 'kind' and 'name'; found the text 'just text'"},
    {"[3]", 1, 2, "expected a map with 'kind' and 'name'; found 3"},
    {"a: [1", 2, 1, "did not find expected"},
    {"a: b: c", 1, 5, "mapping values are not allowed"},
    {"kind: Node\nname: \x01", 2, 7, "control characters are not allowed"},
    {"kind: Node\nname: \xff\xff", 2, 7, "UTF-8"},
    {"kind: Node\nname: \"a\\0b\"", 2, 7, "NUL"},
    {"kind: &x Node\nname: a", 1, 7, "anchors (&) are not taken"},
    {"kind: Node\nname: *x", 2, 7, "aliases (*) are not taken"},
    {"kind: !!str Node", 1, 7, "tags (!) are not taken"},
    {"kind: Node\nlabels: !x {a: b}", 2, 9, "tags (!)"},
    {"kind: Node\nname: a\nname: b", 3, 1, "'name' is there already, in line 2"},
    {"{\"kind\": \"Node\", \"kind\": \"Node\"}", 1, 18, "'kind' is there already"},
    {"? [a]\n: b", 1, 3, "expected a field's name; found a list or a map"},
    /* kinds and names */
    {"name: a", 1, 1, "'kind' is missing: Service, Node or Policy"},
    {"kind: Servce\nname: a", 1, 7, "did you mean Service?"},
    {"kind: [Node]", 1, 7, "expected one of Service, Node, Policy; found a list"},
    {"kind: Service\nname: a", 1, 1, "'image' is missing"},
    {"kind: Service\nimage: a", 1, 1, "'name' is missing"},
    {"kind: Service\nimage: i\nname: Brake", 3, 7, "a name of 1 to 24 characters"},
    {"kind: Service\nimage: i\nname: 12", 3, 7, "found 12; put it in quotes if it is a name"},
    {"kind: Service\nimage: i\nname: a-name-that-is-far-too-long", 3, 7, "1 to 24 characters"},
    {"kind: Service\nimage: ''\nname: a", 2, 8, "expected an image"},
    {"kind: Service\nimage: a/b\nname: a", 2, 8, "files end in .axi"},
    {"kind: Policy\nname: mine", 2, 7, "expected cluster: there is one policy"},
    {"kind: Policy\n---\nkind: Policy", 3, 1, "Policy 'cluster' is declared already, in line 1"},
    {SERVICE "---\n" SERVICE, 5, 1, "Service 'a' is declared already, in line 1"},
    /* unknown fields, with the nearest there is */
    {SERVICE "replica: 2", 4, 1, "no field 'replica' in service; did you mean 'replicas'?"},
    {SERVICE "colour: red", 4, 1, "no field 'colour' in service; 'axcan explain service'"},
    {SERVICE "update:\n  good-jobs: 2", 5, 3,
     "update.good-jobs: no field 'good-jobs' in "
     "service.update; did you mean 'good_jobs'?"},
    {SERVICE "update: {surge: 1, timeout: 3}", 4, 20, "did you mean 'timeout_s'?"},
    {"kind: Node\nname: n\nimage: i", 3, 1, "no field 'image' in node"},
    {"kind: Policy\nplatforms: {p: {fail: 1}}", 2, 17, "no field 'fail' in policy.platforms.*"},
    /* types */
    {SERVICE "replicas: two", 4, 11, "replicas: expected an integer from 1 to 16; found the text"},
    {SERVICE "replicas: '2'", 4, 11, "numbers stand without quotes and unit"},
    {SERVICE "replicas: 2.5", 4, 11, "expected an integer from 1 to 16; found 2.5"},
    {SERVICE "replicas:", 4, 10, "expected an integer from 1 to 16; found nothing"},
    {SERVICE "movable: yes", 4, 10, "expected true or false; found the text 'yes'"},
    {SERVICE "movable: 1", 4, 10, "expected true or false; found 1"},
    {SERVICE "update: 3", 4, 9, "update: expected a map of fields; found 3"},
    {SERVICE "labels: [a]", 4, 9,
     "expected a map of at most 8 texts by name; found a list; a map "
     "is {key: value}"},
    {SERVICE "labels: {a: 1}", 4, 13, "labels.a: expected a name of 1 to 31"},
    {SERVICE "labels: {'a b': c}", 4, 10, "expected a key of 1 to 31 characters"},
    {SERVICE "nodes: n1", 4, 8,
     "expected a list of at most 16 names; found the text 'n1'; a list "
     "is [a, b]"},
    {SERVICE "nodes: [n1, n 2]", 4, 13, "nodes[1]: expected a name"},
    {SERVICE "nodes: [n1, n1]", 4, 13, "nodes[1]: 'n1' is there twice"},
    {SERVICE "wcet_us: {p: 1.5}", 4, 14, "wcet_us.p: expected an integer from 1 to 4294967295"},
    {SERVICE "wcet_us: {a: 1, b: 1, c: 1, d: 1, e: 1}", 4, 10, "these are more"},
    {SERVICE "variants: [a, b, c, d]", 4, 11, "a list of at most 3 images"},
    {SERVICE "mode: trm", 4, 7,
     "one of single, at-least-one, 2oo2, tmr; found the text 'trm'; "
     "did you mean tmr?"},
    {SERVICE "assurance: high", 4, 12, "one of shared, realtime, isolated, partition"},
    /* ranges */
    {SERVICE "criticality: 16", 4, 14, "an integer from 0 to 15; found 16"},
    {SERVICE "criticality: -1", 4, 14, "an integer from 0 to 15; found -1"},
    {SERVICE "failure_per_hour: 1.5", 4, 19, "a number from 0 to 1; found 1.5"},
    {SERVICE "failure_per_hour: .nan", 4, 19, "a number from 0 to 1; found the text '.nan'"},
    {SERVICE "update: {timeout_s: 0}", 4, 21, "a number from 1 to 31536000"},
    {SERVICE "jobs: 99999999999999999999", 4, 7, "an integer from 0 to"},
    {"kind: Policy\nrebalance: {high_percent: 101}", 2, 27, "a number from 1 to 100"},
    /* contradictions */
    {SERVICE "mode: tmr\nreplicas: 2", 5, 11, "mode tmr has 3 replicas, not 2"},
    {SERVICE "mode: 2oo2\nreplicas: 3", 5, 11, "mode 2oo2 has 2 replicas, not 3"},
    {SERVICE "replicas: 2", 4, 11, "mode single has 1 replica, not 2"},
    {SERVICE "mode: at-least-one\nreplicas: 1", 5, 11, "has at least 2 replicas, not 1"},
    {SERVICE "mode: tmr\nminimum: 4", 5, 10, "minimum 4 is above replicas, 3"},
    {SERVICE "mode: 2oo2\nupdate: {surge: 0}", 5, 17, "surge 0 takes one replica away first"},
    {SERVICE "diversity: {image: true}", 4, 20, "cannot differ in image: 'variants' names none"},
    {SERVICE "mode: tmr\nvariants: [j]\ndiversity: {image: true, required: true}", 6, 36,
     "2 images cannot be different for 3 replicas"},
    {SERVICE "diversity: {required: true}", 4, 23, "required of what?"},
    {SERVICE "variants: [i]", 4, 12, "'i' is the image itself"},
    {SERVICE "mode: tmr\nnodes: [a, b]", 5, 8, "2 nodes for 3 replicas: two never share a node"},
    {SERVICE "nodes: [a]\nsurvive_node_loss: true", 5, 20, "leaves none to spare"},
    {SERVICE "labels: {z: a}\nprefer: {z: b}", 5, 13, "can never hold: 'labels' demands z: a"},
    {SERVICE "degraded: {}", 4, 11, "nothing would be less than declared"},
    {SERVICE "degraded: {image: i}", 4, 11, "nothing would be less than declared"},
    {SERVICE "degraded: {image: s, assurance: isolated}", 4, 33,
     "isolated is above the service's own assurance, shared"},
    {SERVICE "mode: tmr\noutput: {tolerance: 0.1}", 5, 21, "compare exact knows no tolerance"},
    {SERVICE "output: {voter: v}", 4, 17, "mode single has nothing to compare"},
    {"kind: Policy\nrebalance: {high_percent: 60}", 2, 12, "low_percent 70 is not below"},
    {"kind: Policy\nrebalance: {high_percent: 60, low_percent: 60}", 2, 44, "is not below"},
};

static void every_error_has_its_place_and_says_what_was_expected(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct axi_manifest_error error;
        json_t *objects = NULL;
        int r = axi_manifest_parse(wrong[i].text, strlen(wrong[i].text), &objects, &error);

        if (r != -AXC_EMANIFEST || error.line != wrong[i].line || error.column != wrong[i].column ||
            strstr(error.text, wrong[i].expected) == NULL) {
            fail_msg("case %zu: %d, %zu:%zu: '%s', expected %zu:%zu: '%s'\n%s", i, r, error.line,
                     error.column, error.text, wrong[i].line, wrong[i].column, wrong[i].expected,
                     wrong[i].text);
        }
        assert_null(objects);
    }
}

static json_t *parse(const char *text)
{
    struct axi_manifest_error error;
    json_t *objects = NULL;

    if (axi_manifest_parse(text, strlen(text), &objects, &error) != 0) {
        fail_msg("%zu:%zu: %s\n%s", error.line, error.column, error.text, text);
    }
    return objects;
}

static void reads_several_documents_lists_and_json(void **state)
{
    static const char text[] = "# all kinds\nkind: Policy\n---\n" SERVICE "movable: false\n---\n"
                               "{\"kind\": \"Node\", \"name\": \"n\\u0031\"}\n---\n"
                               "- {kind: Node, name: n2}\n- {kind: Node, name: n3}\n";
    json_t *objects = parse(text);

    (void)state;
    assert_int_equal(json_array_size(objects), 5);
    assert_int_equal(json_integer_value(json_object_get(json_array_get(objects, 1), "line")), 4);
    assert_true(json_is_false(json_object_get(json_array_get(objects, 1), "movable")));
    assert_string_equal(json_string_value(json_object_get(json_array_get(objects, 2), "name")),
                        "n1");
    assert_int_equal(json_integer_value(json_object_get(json_array_get(objects, 4), "line")), 12);
    json_decref(objects);
}

static void scalars_follow_the_core_schema(void **state)
{
    static const char text[] = "[1, -2, 0x1F, 0o17, 1.5, 1e-7, -.5, 1_000, 0b1, '3', \"true\", "
                               "true, yes, ~, null, 1.2.3, 12ab, +5, ., 1e999]";
    static const char expected[] =
        "[1,-2,31,15,1.5,1e-7,-0.5,\"1_000\",\"0b1\",\"3\",\"true\",true,\"yes\",null,null,"
        "\"1.2.3\",\"12ab\",5,\".\",\"1e999\"]";
    struct axi_manifest_error error;
    struct axi_yaml tree;

    (void)state;
    assert_int_equal(axi_yaml_read(text, strlen(text), &tree, &error), 0);
    json_t *json = axi_yaml_json(&tree.items[0], NULL);
    char *dump = json_dumps(json, JSON_COMPACT | JSON_REAL_PRECISION(15));

    assert_non_null(dump);
    assert_string_equal(dump, expected);
    free(dump);
    json_decref(json);
    axi_yaml_clear(&tree);
}

static void refuses_what_is_too_much(void **state)
{
    struct axi_manifest_error error;
    size_t bytes = AXI_MANIFEST_BYTES_MAX + 1;
    char *text = malloc(bytes);
    json_t *objects = NULL;
    char *at = text;

    (void)state;
    assert_non_null(text);
    memset(text, ' ', bytes);
    assert_int_equal(axi_manifest_parse(text, bytes, &objects, &error), -AXC_EMANIFEST);
    assert_string_equal(error.text, "longer than 1 MiB");
    memset(text, '[', 1000);
    assert_int_equal(axi_manifest_parse(text, 1000, &objects, &error), -AXC_EMANIFEST);
    assert_string_equal(error.text, "too deep");
    for (int i = 0; i < 1025; i++) {
        at += sprintf(at, "---\n{kind: Node, name: n%d}\n", i);
    }
    assert_int_equal(axi_manifest_parse(text, (size_t)(at - text), &objects, &error),
                     -AXC_EMANIFEST);
    assert_int_equal(error.line, 2050);
    assert_non_null(strstr(error.text, "more than 1024 objects"));
    free(text);
}

static void differences_name_their_fields(void **state)
{
    json_t *a = parse(SERVICE "mode: tmr\nlabels: {z: a}\nupdate: {good_jobs: 5}\nrevision: 3");
    json_t *b = parse(SERVICE "mode: tmr\nlabels: {y: b}\nlatency_max_ms: 5.0\n"
                              "degraded: {image: s}");
    json_t *differences = axi_manifest_diff(json_array_get(a, 0), json_array_get(b, 0));
    json_t *same = axi_manifest_diff(json_array_get(a, 0), json_array_get(a, 0));
    char paths[200] = "";
    json_t *one = NULL;
    size_t i = 0;

    (void)state;
    json_array_foreach (differences, i, one) {
        (void)strcat(strcat(paths, json_string_value(json_object_get(one, "path"))), " ");
    }
    assert_int_equal(json_array_size(differences), 5);
    assert_non_null(strstr(paths, "labels.z "));
    assert_non_null(strstr(paths, "labels.y "));
    assert_non_null(strstr(paths, "update.good_jobs "));
    assert_non_null(strstr(paths, "latency_max_ms "));
    assert_non_null(strstr(paths, "degraded "));
    assert_int_equal(json_array_size(same), 0);
    json_decref(same);
    json_decref(differences);
    json_decref(a);
    json_decref(b);
}

/* The example of every field is YAML that the field itself takes. */
static void every_example_is_taken_by_its_field(void **state)
{
    (void)state;
    for (size_t i = 0; i < axi_field_count; i++) {
        const struct axi_field *field = &axi_fields[i];
        char text[600];
        char path[160];
        char *save = NULL;
        size_t used = 0;
        size_t depth = 0;

        (void)snprintf(path, sizeof(path), "%s", field->path);
        char *kind = strtok_r(path, ".", &save);
        bool has_dot = strchr(field->path, '.') != NULL;

        if (!has_dot) {
            json_decref(parse(field->example));
            continue;
        }
        used = (size_t)snprintf(text, sizeof(text), "{");
        for (char *part = strtok_r(NULL, ".", &save); part != NULL;
             part = strtok_r(NULL, ".", &save), depth++) {
            used +=
                (size_t)snprintf(text + used, sizeof(text) - used, "%s%s: ", depth > 0 ? "{" : "",
                                 strcmp(part, "*") == 0 ? "any" : part);
        }
        (void)snprintf(text + used, sizeof(text) - used, "%s%.*s}", field->example, (int)depth - 1,
                       "}}}}");
        struct axi_manifest_error error;
        json_t *objects = NULL;
        char whole[900];
        const char *name = axi_field_name(field);
        bool is_kind = strcmp(name, "kind") == 0;

        /* the field's object in flow form, the rest of what is required around it */
        (void)snprintf(whole, sizeof(whole), "{%s%s%s%.*s}",
                       is_kind                        ? ""
                       : strcmp(kind, "service") == 0 ? "kind: Service, "
                       : strcmp(kind, "node") == 0    ? "kind: Node, "
                                                      : "kind: Policy, ",
                       depth == 1 && strcmp(name, "name") == 0 ? "" : "name: cluster, ",
                       strcmp(kind, "service") != 0 || (depth == 1 && strcmp(name, "image") == 0)
                           ? ""
                           : "image: i, ",
                       (int)strlen(text) - 2, text + 1);
        int r = axi_manifest_parse(whole, strlen(whole), &objects, &error);

        /* some contradict the defaults of other fields; none is malformed */
        if (r != 0 && (strstr(error.text, "expected ") != NULL || strstr(error.text, "no field") ||
                       strstr(error.text, "missing"))) {
            fail_msg("%s: %s: %s", field->path, error.text, whole);
        }
        if (r == 0) {
            json_decref(objects);
        }
    }
}

static void explains_fields_and_guesses_what_was_meant(void **state)
{
    const char *hint = NULL;
    char *text = axi_manifest_explain("service.update.good_jobs", &hint);

    (void)state;
    assert_non_null(text);
    assert_non_null(strstr(text, "an integer from 1 to 1000000 (jobs); default 20"));
    assert_non_null(strstr(text, "example: good_jobs: 100"));
    free(text);
    text = axi_manifest_explain("service", &hint);
    assert_non_null(text);
    assert_non_null(strstr(text, "failure_per_hour"));
    free(text);
    text = axi_manifest_explain("", &hint);
    assert_non_null(text);
    assert_non_null(strstr(text, "policy"));
    free(text);
    assert_null(axi_manifest_explain("service.updat.surge", &hint));
    assert_string_equal(hint, "service.update.surge");
    assert_null(axi_manifest_explain("good_jobs", &hint));
    assert_string_equal(hint, "service.update.good_jobs");
    assert_null(axi_manifest_explain("entirely.different", &hint));
    assert_null(hint);
}

static char *read_file(const char *path)
{
    FILE *file = fopen(path, "r");
    static char text[400000];

    assert_non_null(file);
    text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
    (void)fclose(file);
    return text;
}

static void shipped_schema_is_that_of_the_table(void **state)
{
    json_t *schema = axi_manifest_schema();
    json_t *shipped = json_loads(read_file(AXI_MANIFEST_SCHEMA), 0, NULL);

    (void)state;
    if (!json_equal(schema, shipped)) {
        fail_msg("axcan explain --schema > docs/formats/manifest.schema.json makes it anew");
    }
    json_decref(schema);
    json_decref(shipped);
}

static void documentation_has_the_tables_of_all_fields(void **state)
{
    char *tables = axi_manifest_tables();

    (void)state;
    assert_non_null(tables);
    if (strstr(read_file(AXI_ORCHESTRATION_DOC), tables) == NULL) {
        fail_msg("the tables of docs/orchestration.md are not 'axcan explain --markdown'");
    }
    free(tables);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_error_has_its_place_and_says_what_was_expected),
        cmocka_unit_test(reads_several_documents_lists_and_json),
        cmocka_unit_test(scalars_follow_the_core_schema),
        cmocka_unit_test(refuses_what_is_too_much),
        cmocka_unit_test(differences_name_their_fields),
        cmocka_unit_test(every_example_is_taken_by_its_field),
        cmocka_unit_test(explains_fields_and_guesses_what_was_meant),
        cmocka_unit_test(shipped_schema_is_that_of_the_table),
        cmocka_unit_test(documentation_has_the_tables_of_all_fields),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
