/* SPDX-License-Identifier: Apache-2.0 */
#include "manifest/manifest.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define PATH_BYTES 256u

static void compare(const json_t *from, const json_t *to, const char *path, json_t *differences);

static bool is_bookkeeping(const char *path)
{
    return strcmp(path, "revision") == 0 || strcmp(path, "line") == 0;
}

static void compare_member(const char *key, const json_t *from, const json_t *to, const char *path,
                           json_t *differences)
{
    char below[PATH_BYTES];

    (void)snprintf(below, sizeof(below), "%s%s%s", path, *path != '\0' ? "." : "", key);
    if (!is_bookkeeping(below)) {
        compare(json_object_get(from, key), json_object_get(to, key), below, differences);
    }
}

static void compare(const json_t *from, const json_t *to, const char *path, json_t *differences)
{
    const char *key = NULL;
    json_t *value = NULL;

    if (json_is_object(from) && json_is_object(to)) {
        json_object_foreach ((json_t *)from, key, value) {
            compare_member(key, from, to, path, differences);
        }
        json_object_foreach ((json_t *)to, key, value) {
            if (json_object_get(from, key) == NULL) {
                compare_member(key, from, to, path, differences);
            }
        }
        return;
    }
    if (from == NULL ? to == NULL : to != NULL && json_equal(from, to)) {
        return;
    }
    json_t *difference = json_pack("{s:s}", "path", path);

    (void)json_object_set_new(difference, "from",
                              from != NULL ? json_deep_copy(from) : json_null());
    (void)json_object_set_new(difference, "to", to != NULL ? json_deep_copy(to) : json_null());
    (void)json_array_append_new(differences, difference);
}

json_t *axi_manifest_diff(const json_t *from, const json_t *to)
{
    json_t *differences = json_array();

    compare(json_is_object(from) ? from : NULL, json_is_object(to) ? to : NULL, "", differences);
    return differences;
}
