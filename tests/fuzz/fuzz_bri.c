/* SPDX-License-Identifier: Apache-2.0 */
/* Binary runtime information: whatever is read prints, and reads to the same again. */
#include "fuzz/fuzz.h"
#include "runax/bri/bri.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct axi_bri one;
    static struct axi_bri two;
    struct axi_report report = {0};
    char *text = malloc(size > 0 ? size : 1); /* exact: no parser may rely on a NUL */

    FUZZ_CHECK(text != NULL);
    memcpy(text, data, size);
    if (axi_bri_parse(text, size, &one, &report) == 0) {
        char *printed = axi_bri_print(&one);
        char *again = NULL;

        FUZZ_CHECK(printed != NULL);
        FUZZ_CHECK(axi_bri_parse(printed, strlen(printed), &two, &report) == 0);
        again = axi_bri_print(&two);
        FUZZ_CHECK(again != NULL && strcmp(printed, again) == 0);
        FUZZ_CHECK(one.partition.image_count >= 1 &&
                   one.partition.image_count == two.partition.image_count);
        free(printed);
        free(again);
    } else {
        FUZZ_CHECK(report.text[0] != '\0');
    }
    free(text);
    return 0;
}
