/* SPDX-License-Identifier: Apache-2.0 */
/* Manifests: what is refused says where and why; what is taken is its own normal form, decodes, and
 * differs from itself in nothing. */
#include "fuzz/fuzz.h"
#include "manifest/manifest.h"
#include "manifest/spec.h"

#include <stdlib.h>
#include <string.h>

static void check_spec(const json_t *object)
{
    static struct axi_service_spec service;
    struct axi_node_spec node;
    struct axi_policy_spec policy;
    char reason[160];
    int taken = (axi_service_spec_from_json(object, &service, reason) == 0) +
                (axi_node_spec_from_json(object, &node, reason) == 0) +
                (axi_policy_spec_from_json(object, &policy, reason) == 0);

    FUZZ_CHECK(taken == 1);
}

static void check_object(json_t *object)
{
    struct axi_manifest_error error;
    json_t *again = NULL;

    FUZZ_CHECK(json_is_integer(json_object_get(object, "line")));
    (void)json_object_del(object, "line");
    if (axi_manifest_check(object, &again, &error) < 0) { /* only a file may stand in the way */
        FUZZ_CHECK(strstr(error.text, "is a file") != NULL);
        return;
    }
    json_t *differences = axi_manifest_diff(object, again);

    FUZZ_CHECK(json_equal(object, again) && json_array_size(differences) == 0);
    check_spec(again);
    json_decref(differences);
    json_decref(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct axi_manifest_error error;
    json_t *objects = NULL;
    json_t *object = NULL;
    size_t i = 0;
    char *text = malloc(size > 0 ? size : 1); /* exact: no parser may rely on a NUL */

    FUZZ_CHECK(text != NULL);
    memcpy(text, data, size);
    if (axi_manifest_parse(text, size, &objects, &error) == 0) {
        FUZZ_CHECK(json_array_size(objects) > 0);
        json_array_foreach (objects, i, object) {
            check_object(object);
        }
        json_decref(objects);
    } else {
        FUZZ_CHECK(error.text[0] != '\0' && (error.line == 0) == (error.column == 0));
    }
    free(text);
    return 0;
}
