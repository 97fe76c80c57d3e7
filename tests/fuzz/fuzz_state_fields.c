/* SPDX-License-Identifier: Apache-2.0 */
/* A schema text from an image: whatever it says, every value lies inside the state. The first two
 * bytes are the state's size. */
#include "fuzz/fuzz.h"
#include "image/state_fields.h"

#include <stdlib.h>
#include <string.h>

struct check {
    const uint8_t *state;
    uint32_t state_bytes, count;
};

static int visit(void *context, const struct axi_state_value *value)
{
    struct check *check = context;
    char text[64];

    FUZZ_CHECK(value->offset <= check->state_bytes);
    FUZZ_CHECK(value->bytes <= check->state_bytes - value->offset);
    FUZZ_CHECK(strlen(value->name) > 0);
    axi_state_print(value, check->state, text, sizeof(text));
    FUZZ_CHECK(++check->count <= check->state_bytes);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2) {
        return 0;
    }
    uint32_t bytes = (uint32_t)data[0] | (uint32_t)data[1] << 8;
    uint8_t *state = calloc(1, bytes + 1u);
    char *schema = malloc(size - 1);

    FUZZ_CHECK(state != NULL && schema != NULL);
    memcpy(schema, data + 2, size - 2);
    schema[size - 2] = '\0';
    struct check check = {.state = state, .state_bytes = bytes};

    (void)!axi_state_walk(schema, bytes, visit, &check);
    free(schema);
    free(state);
    return 0;
}
