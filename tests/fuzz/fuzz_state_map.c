/* SPDX-License-Identifier: Apache-2.0 */
/* Two schema texts, separated by a zero byte: whatever they say, mapping reads and writes inside
 * the states. The first four bytes are their sizes. */
#include "fuzz/fuzz.h"
#include "image/state_map.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct axi_state_map *map = NULL;

    if (size < 5) {
        return 0;
    }
    uint32_t from_bytes = (uint32_t)data[0] | (uint32_t)data[1] << 8;
    uint32_t to_bytes = (uint32_t)data[2] | (uint32_t)data[3] << 8;
    char *text = calloc(1, size); /* ends in two zero bytes at least */
    uint8_t *from = malloc(from_bytes + 1u);
    uint8_t *to = malloc(to_bytes + 1u);

    FUZZ_CHECK(text != NULL && from != NULL && to != NULL);
    memcpy(text, data + 4, size - 4);
    memset(from, 1, from_bytes + 1u);
    to[to_bytes] = 0x5a;
    const char *second = text + strlen(text) + 1;

    if (second < text + size && axi_state_map_new(text, from_bytes, second, to_bytes, &map) == 0) {
        axi_state_map_apply(map, from, to);
        FUZZ_CHECK(to[to_bytes] == 0x5a);
    }
    axi_state_map_free(map);
    free(to);
    free(from);
    free(text);
    return 0;
}
