/* SPDX-License-Identifier: Apache-2.0 */
/* Carries a task's state from one schema into another, by field: values of fields with equal path
 * and kind (arrays: of equal shape, theirs and those they lie in) are copied, all others are zero.
 * Host library; any thread; schema texts as in docs/formats/image.md. */
#ifndef AXI_IMAGE_STATE_MAP_H
#define AXI_IMAGE_STATE_MAP_H

#include "base/error.h"

#include <stdint.h>

struct axi_state_map;

/* Keeps neither text. -AXC_ENOENT: no field of `to` is in `from`; -AXC_EINVALID: one of them is no
 * schema of a state of its size; -AXC_ENOMEM. */
AXC_MUST_USE int axi_state_map_new(const char *from, uint32_t from_bytes, const char *to,
                                   uint32_t to_bytes, struct axi_state_map **ret_map);
/* Writes all of ret_state (to_bytes); the two do not overlap. */
void axi_state_map_apply(const struct axi_state_map *map, const uint8_t *state, uint8_t *ret_state);
void axi_state_map_free(struct axi_state_map *map); /* NULL is fine */

#endif
