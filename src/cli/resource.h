/* SPDX-License-Identifier: Apache-2.0 */
/* The kinds of things a cluster lists, and the columns they are shown in. */
#ifndef AXI_CLI_RESOURCE_H
#define AXI_CLI_RESOURCE_H

#include "cli/output.h"

struct axi_resource {
    const char *plural, *singular, *path;
    const struct axi_column *columns; /* the first one is the name */
    size_t column_count;
};

/* By plural or singular name; NULL when unknown. */
const struct axi_resource *axi_kind_find(const char *name);

/* answer: {"items": [...], "now_ns"}; its items are sorted by name (events keep their order). */
void axi_kind_print(const struct axi_resource *resource, json_t *answer, enum axi_format format,
                    bool with_title);

#endif
