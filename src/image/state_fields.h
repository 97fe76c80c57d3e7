/* SPDX-License-Identifier: Apache-2.0 */
/* The values in a task's state, by the names that its schema text (docs/formats/image.md) gives
 * them. */
#ifndef AXI_IMAGE_STATE_FIELDS_H
#define AXI_IMAGE_STATE_FIELDS_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

struct axi_state_value {
    const char *name; /* "lanes[1].angle"; borrowed for the call */
    const char *path; /* of its field: "lanes[4].angle"; borrowed for the call */
    const char *kind; /* "i32", "f64", ... */
    uint32_t offset, bytes;
};

/* A negative return ends the walk and is returned. */
typedef int (*axi_state_visit)(void *context, const struct axi_state_value *value);

/* Every value of a state of state_bytes, in the schema's order, arrays element by element.
 * -AXC_EINVALID: not a schema of a state of this size. */
AXC_MUST_USE int axi_state_walk(const char *schema, uint32_t state_bytes, axi_state_visit visit,
                                void *context);

/* The value as text; state: where the state begins. */
void axi_state_print(const struct axi_state_value *value, const uint8_t *state, char *ret_text,
                     size_t size);

#endif
