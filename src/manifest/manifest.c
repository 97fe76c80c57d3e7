/* SPDX-License-Identifier: Apache-2.0 */
#include "manifest/manifest.h"

#include "manifest/check.h"
#include "manifest/tree.h"

#include <stdio.h>
#include <string.h>

/* Follows the place of an error into the tree: its node, or the deepest one there is on the way. */
static const struct axi_yaml *locate(const struct axi_yaml *tree,
                                     const struct axi_manifest_place *place)
{
    for (size_t step = 0; step < place->depth; step++) {
        const char *key = place->steps[step].key;
        const struct axi_yaml *found = NULL;

        if (key == NULL && place->steps[step].index < tree->count) {
            found = &tree->items[place->steps[step].index];
        }
        for (size_t i = 0; key != NULL && i + 1 < tree->count; i += 2) {
            if (strcmp(tree->items[i].text, key) == 0) {
                bool is_key = place->is_key && step + 1 == place->depth;

                found = &tree->items[is_key ? i : i + 1];
            }
        }
        if (found == NULL) {
            return tree;
        }
        tree = found;
    }
    return tree;
}

static void fail(struct axi_manifest_error *error, const struct axi_yaml *at, const char *text)
{
    error->line = at->line;
    error->column = at->column;
    (void)snprintf(error->text, sizeof(error->text), "%s", text);
}

static int check_document(const struct axi_yaml *document, json_t *objects,
                          struct axi_manifest_error *error)
{
    struct axi_manifest_check check = {.are_files_allowed = true};
    char place[160];
    json_t *normalised = NULL;
    json_t *object = axi_yaml_json(document, NULL);

    if (object == NULL) { /* text that JSON cannot hold */
        fail(error, document, "out of memory, or text that is not UTF-8");
        return -AXC_EMANIFEST;
    }
    int r = axi_manifest_normalise(&check, object, &normalised);

    if (r < 0) {
        const struct axi_yaml *at = locate(document, &check.place);

        axi_manifest_place_text(&check.place, place, sizeof(place));
        error->line = at->line;
        error->column = at->column;
        (void)snprintf(error->text, sizeof(error->text), "%s%s%.150s", place,
                       *place != '\0' ? ": " : "", check.text);
    } else {
        (void)json_object_set_new(normalised, "line", json_integer((json_int_t)document->line));
        (void)json_array_append_new(objects, normalised);
    }
    json_decref(object);
    return r;
}

static const char *text_of(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

/* The same object twice in one text: which one counts? */
static int refuse_twins(const struct axi_yaml *document, const json_t *objects,
                        struct axi_manifest_error *error)
{
    size_t last = json_array_size(objects) - 1;
    const json_t *object = json_array_get(objects, last);
    char text[160];

    for (size_t i = 0; i < last; i++) {
        const json_t *other = json_array_get(objects, i);

        if (strcmp(text_of(other, "kind"), text_of(object, "kind")) == 0 &&
            strcmp(text_of(other, "name"), text_of(object, "name")) == 0) {
            (void)snprintf(text, sizeof(text), "%s '%s' is declared already, in line %lld",
                           text_of(object, "kind"), text_of(object, "name"),
                           (long long)json_integer_value(json_object_get(other, "line")));
            fail(error, document, text);
            return -AXC_EMANIFEST;
        }
    }
    return 0;
}

static bool is_empty(const struct axi_yaml *document)
{
    return document->kind == AXI_YAML_SCALAR && document->is_plain && document->text[0] == '\0';
}

/* A document is one object, or a list of them as `axcan get declared -o yaml` prints it. */
static int add_document(const struct axi_yaml *document, json_t *objects,
                        struct axi_manifest_error *error)
{
    bool is_list = document->kind == AXI_YAML_LIST;
    size_t count = is_list ? document->count : 1;
    int r = 0;

    for (size_t i = 0; r == 0 && !is_empty(document) && i < count; i++) {
        const struct axi_yaml *one = is_list ? &document->items[i] : document;

        if (json_array_size(objects) == AXI_MANIFEST_OBJECTS_MAX) {
            fail(error, one, "more than 1024 objects in one text: split it");
            return -AXC_EMANIFEST;
        }
        r = check_document(one, objects, error);
        r = r == 0 ? refuse_twins(one, objects, error) : r;
    }
    return r;
}

int axi_manifest_parse(const char *text, size_t bytes, json_t **ret_objects,
                       struct axi_manifest_error *ret_error)
{
    struct axi_yaml documents;
    json_t *objects = NULL;

    memset(ret_error, 0, sizeof(*ret_error));
    if (bytes > AXI_MANIFEST_BYTES_MAX) {
        (void)snprintf(ret_error->text, sizeof(ret_error->text), "longer than 1 MiB");
        return -AXC_EMANIFEST;
    }
    int r = axi_yaml_read(text, bytes, &documents, ret_error);

    if (r < 0) {
        return r;
    }
    objects = json_array();
    for (size_t i = 0; r == 0 && i < documents.count; i++) {
        r = add_document(&documents.items[i], objects, ret_error);
    }
    if (r == 0 && json_array_size(objects) == 0) {
        (void)snprintf(ret_error->text, sizeof(ret_error->text),
                       "nothing is declared; expected objects with 'kind' and 'name'");
        r = -AXC_EMANIFEST;
    }
    axi_yaml_clear(&documents);
    if (r < 0) {
        json_decref(objects);
        return r;
    }
    *ret_objects = objects;
    return 0;
}
