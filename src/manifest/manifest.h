/* SPDX-License-Identifier: Apache-2.0 */
/* Manifests: YAML (or JSON, which is YAML) read with libyaml, checked against the one table of
 * fields (manifest/fields.c), from which also the JSON schema, `axcan explain` and the tables of
 * docs/orchestration.md come. Host library; any thread. */
#ifndef AXI_MANIFEST_MANIFEST_H
#define AXI_MANIFEST_MANIFEST_H

#include "base/error.h"

#include <jansson.h>
#include <stddef.h>

#define AXI_MANIFEST_BYTES_MAX (1024u * 1024u)
#define AXI_MANIFEST_OBJECTS_MAX 1024u
#define AXI_MANIFEST_TEXT_BYTES 320u

struct axi_manifest_error {
    size_t line, column;                /* from 1; 0 = not of a place in the text */
    char text[AXI_MANIFEST_TEXT_BYTES]; /* what is wrong and what was expected */
};

/* All documents of one text: *ret_objects is a new array of normalised objects, defaults filled in,
 * each with a member "line" (of its beginning) that the store does not keep. -AXC_EMANIFEST with
 * *ret_error; nothing is returned then. Aliases, tags and duplicate keys are refused. */
AXC_MUST_USE int axi_manifest_parse(const char *text, size_t bytes, json_t **ret_objects,
                                    struct axi_manifest_error *ret_error);
/* The same checks on one object given as JSON: *ret_normalised is a new reference. The error's text
 * names the field by its path. */
AXC_MUST_USE int axi_manifest_check(const json_t *object, json_t **ret_normalised,
                                    struct axi_manifest_error *ret_error);

/* JSON schema (2020-12) of one document; a new reference. */
json_t *axi_manifest_schema(void);
/* "service.update.good_jobs", "service", "" (all kinds): what the field is, type, range, default,
 * and its members; text from malloc. NULL: no such field; then *ret_hint (static or NULL) is the
 * nearest one there is. */
char *axi_manifest_explain(const char *path, const char **ret_hint);
/* The tables of all fields, as docs/orchestration.md has them (Markdown); text from malloc. */
char *axi_manifest_tables(void);
/* Differences of two normalised objects: array of {"path","from","to"} (null = absent), a new
 * reference; "revision" and "line" do not count. */
json_t *axi_manifest_diff(const json_t *from, const json_t *to);

#endif
