/* SPDX-License-Identifier: Apache-2.0 */
/* What reads as a kernel without configuration can be packed, and the result reads back. */
#include "fuzz/fuzz.h"
#include "image/os_image.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t config[24] = "configuration";
    struct axi_os_image image;
    uint8_t *packed = NULL;
    size_t bytes = 0;

    if (axi_os_image_read(data, size, &image) != 0) {
        return 0;
    }
    if (image.config != NULL) {
        FUZZ_CHECK(image.config >= data && image.config + image.config_bytes <= data + size);
        return 0;
    }
    if (image.image_bytes > 1u << 20 ||
        axi_os_image_pack(data, size, config, sizeof(config), &packed, &bytes) != 0) {
        return 0;
    }
    FUZZ_CHECK(axi_os_image_read(packed, bytes, &image) == 0);
    FUZZ_CHECK(image.config_bytes == sizeof(config));
    FUZZ_CHECK(memcmp(image.config, config, sizeof(config)) == 0);
    free(packed);
    return 0;
}
