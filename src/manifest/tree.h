/* SPDX-License-Identifier: Apache-2.0 */
/* YAML as a tree that knows where everything stood. Plain data only: aliases, anchors, tags and
 * duplicate keys are refused; JSON is YAML. Host library; any thread. */
#ifndef AXI_MANIFEST_TREE_H
#define AXI_MANIFEST_TREE_H

#include "manifest/manifest.h"

#include <stdbool.h>
#include <stdint.h>

enum axi_yaml_kind { AXI_YAML_SCALAR = 0, AXI_YAML_LIST, AXI_YAML_MAP };

struct axi_yaml {
    enum axi_yaml_kind kind;
    bool is_plain;          /* a scalar without quotes */
    size_t line, column;    /* of its beginning, from 1 */
    char *text;             /* of a scalar; no NUL inside */
    struct axi_yaml *items; /* of a list; of a map: key, value, key, value */
    size_t count;           /* of items */
};

/* All documents of the text, as the items of a list. -AXC_EMANIFEST with *ret_error; -AXC_ENOMEM.
 * Free with axi_yaml_clear. */
AXC_MUST_USE int axi_yaml_read(const char *text, size_t bytes, struct axi_yaml *ret_documents,
                               struct axi_manifest_error *ret_error);
void axi_yaml_clear(struct axi_yaml *tree);

/* As JSON. scalar: what becomes of a scalar; NULL: by YAML's core schema (true, false, null,
 * decimal, 0x and 0o integers, decimal fractions; everything else and everything in quotes is
 * text). NULL: out of memory. */
json_t *axi_yaml_json(const struct axi_yaml *tree, json_t *(*scalar)(const struct axi_yaml *));

#endif
