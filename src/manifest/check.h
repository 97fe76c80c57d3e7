/* SPDX-License-Identifier: Apache-2.0 */
/* One object against the table of fields: types, ranges, names, defaults, contradictions. */
#ifndef AXI_MANIFEST_CHECK_H
#define AXI_MANIFEST_CHECK_H

#include "manifest/fields.h"
#include "manifest/manifest.h"

#include <stdbool.h>

/* Where in an object something is wrong; keys are borrowed from it, or static. */
struct axi_manifest_place {
    size_t depth;
    struct {
        const char *key; /* NULL: the index counts */
        size_t index;
    } steps[AXI_FIELD_DEPTH_MAX + 1];
    bool is_key; /* the last key itself is wrong, not its value */
};

struct axi_manifest_check {
    bool are_files_allowed; /* images may be files: only where somebody will upload them */
    struct axi_manifest_place place;
    char text[AXI_MANIFEST_TEXT_BYTES]; /* without the place */
    char key[64]; /* of the place, where the object it was read from does not outlive the check */
};

/* *ret_normalised: a new object with all defaults. -AXC_EMANIFEST: check->place and ->text say what
 * is wrong. */
AXC_MUST_USE int axi_manifest_normalise(struct axi_manifest_check *check, const json_t *object,
                                        json_t **ret_normalised);

/* contradictions.c: what no single field shows. object: normalised. */
AXC_MUST_USE int axi_manifest_contradictions(struct axi_manifest_check *check,
                                             const json_t *object);

/* Notes what is wrong, at the present place; returns -AXC_EMANIFEST. */
int axi_manifest_wrong(struct axi_manifest_check *check, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Goes one step down and back. */
void axi_manifest_enter(struct axi_manifest_check *check, const char *key, size_t index);
void axi_manifest_leave(struct axi_manifest_check *check);

/* "update.good_jobs", "nodes[2]"; "" at depth 0. */
void axi_manifest_place_text(const struct axi_manifest_place *place, char *ret_text, size_t size);

#endif
