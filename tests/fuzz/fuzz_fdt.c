/* SPDX-License-Identifier: Apache-2.0 */
/* A device tree is read within its bytes, and the same answer comes from a copy of just them. */
#include "fuzz/fuzz.h"
#include "os/kernel/fdt.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct axi_fdt_facts facts = {0}, again = {0};
    void *copy = malloc(size > 0 ? size : 1); /* aligned, and ends where the input ends */

    FUZZ_CHECK(copy != NULL);
    memcpy(copy, data, size);
    if (axi_fdt_read(copy, size, &facts) == 0) {
        FUZZ_CHECK(axi_fdt_read(copy, size, &again) == 0);
        FUZZ_CHECK(memcmp(&facts, &again, sizeof(facts)) == 0);
    } else {
        FUZZ_CHECK(memcmp(&facts, &again, sizeof(facts)) == 0);
    }
    free(copy);
    return 0;
}
