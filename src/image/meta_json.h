/* SPDX-License-Identifier: Apache-2.0 */
/* Task metadata as JSON: in the image's config, in `axcan inspect` and in the HTTP API. */
#ifndef AXI_IMAGE_META_JSON_H
#define AXI_IMAGE_META_JSON_H

#include "core/meta.h"

#include <jansson.h>

/* A new reference, or NULL when out of memory. */
json_t *axi_meta_to_json(const struct axi_task_meta *meta);

/* "kill-job", "restart", "stop", or "unknown". */
const char *axi_policy_name(uint32_t policy);

#endif
