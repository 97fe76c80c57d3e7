/* SPDX-License-Identifier: Apache-2.0 */
/* Files of `axcan analyze`: whatever parses as a task set is analysed within bounds, and the
 * results are probabilities. */
#include <jansson.h>

#include "cli/analyze.h"
#include "fuzz/fuzz.h"

enum { STEPS = 300, CELLS = 2048 };

static int count_steps(void *context)
{
    return ++*(int *)context > STEPS;
}

static void analyze(const struct axi_analyze *run, struct axi_analyze_tasks *set)
{
    for (size_t k = 0; k < set->count && k < 4; k++) {
        for (int mode = AXI_MODE_SYNC; mode <= AXI_MODE_PERIODIC; mode++) {
            int steps = 0;
            struct axi_model_options options = {.mode = (enum axi_mode)mode,
                                                .max_cells = CELLS,
                                                .poll = count_steps,
                                                .context = &steps};
            struct axi_response response;

            if (axi_model_response(set->model, k, &options, &response) == 0) {
                FUZZ_CHECK(response.miss >= 0 && response.miss <= 1 + 1e-9);
                FUZZ_CHECK(response.lo <= response.hi);
            }
        }
    }
    (void)run;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct axi_analyze run = {.file = "fuzz", .case_id = "0", .is_silent = true};
    struct axi_analyze_tasks set;
    char message[160];
    json_t *document = NULL;

    if (size > 4096) {
        return 0;
    }
    document = axi_yaml_parse((const char *)data, size, message, sizeof(message));
    if (document != NULL && json_array_size(json_object_get(document, "tasks")) <= 8 &&
        axi_analyze_tasks(&run, json_object_get(document, "tasks"), &set) == 0) {
        analyze(&run, &set);
        axi_analyze_tasks_free(&set);
    }
    json_decref(document);
    return 0;
}
