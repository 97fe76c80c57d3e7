/* SPDX-License-Identifier: Apache-2.0 */
/* Logs of clocks: whatever is read is summarised and drawn. */
#include "cli/clock_log.h"
#include "fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    FILE *from = size > 0 ? fmemopen((void *)(uintptr_t)data, size, "r") : NULL;
    struct axi_clock_log *log = NULL;
    size_t line = 0;

    if (from == NULL) {
        return 0;
    }
    if (axi_clock_log_read(from, &log, &line) == 0) {
        json_t *summary = axi_clock_log_summarize(log);
        FILE *to = fopen("/dev/null", "w");

        FUZZ_CHECK(json_integer_value(json_object_get(summary, "samples")) > 0);
        FUZZ_CHECK(to != NULL);
        axi_clock_log_draw(log, summary, "fuzz", to);
        (void)fclose(to);
        json_decref(summary);
        axi_clock_log_free(log);
    }
    (void)fclose(from);
    return 0;
}
