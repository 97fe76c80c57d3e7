/* SPDX-License-Identifier: Apache-2.0 */
/* Index documents and layers of application images, both from every input. */
#include "fuzz/fuzz.h"
#include "image/app_image.h"

#include <stdlib.h>
#include <string.h>

static void check_index(const char *text, size_t size)
{
    static struct axi_app_index index;
    static struct axi_app_index again;
    char *printed;

    if (axi_app_parse_index(text, size, &index) != 0) {
        return;
    }
    FUZZ_CHECK(index.count >= 1 && index.count <= AXI_APP_ENTRIES_MAX);
    printed = axi_app_print_index(&index);
    if (printed != NULL) { /* NULL: a text that is no UTF-8 */
        FUZZ_CHECK(axi_app_parse_index(printed, strlen(printed), &again) == 0);
        FUZZ_CHECK(memcmp(index.entries, again.entries, sizeof(index.entries)) == 0);
    }
    free(printed);
}

static void check_layer(const uint8_t *data, size_t size)
{
    struct axi_tar_file file;

    if (axi_tar_find(data, size, "boot/axcan.json", &file) == 0) {
        const uint8_t *at = file.data;

        FUZZ_CHECK(at >= data && file.bytes <= size && (size_t)(at - data) <= size - file.bytes);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size > 0 ? size : 1); /* exact: no parser may rely on a NUL */

    FUZZ_CHECK(copy != NULL);
    memcpy(copy, data, size);
    check_index((const char *)copy, size);
    check_layer(copy, size);
    free(copy);
    return 0;
}
