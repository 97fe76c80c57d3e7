/* SPDX-License-Identifier: Apache-2.0 */
/* Task sets of any bytes: small ones are judged as by walking every window and by running them;
 * with any numbers at all, the admission test ends, and what it admits has room for each task. */
#include "core/demand_sim.h"
#include "fuzz/fuzz.h"

#include <string.h>

struct bytes {
    const uint8_t *data;
    size_t left;
};

static uint64_t draw(void *context, uint64_t below)
{
    struct bytes *bytes = context;

    if (bytes->left == 0) {
        return 0;
    }
    bytes->left--;
    return *bytes->data++ % below;
}

static void judge_any(const uint8_t *data, size_t size)
{
    struct axi_demand_task tasks[8];
    struct axi_demand_verdict verdict;
    char text[AXI_DEMAND_TEXT_BYTES];
    const struct axi_demand_margin margin = {.delta_ns = size, .latency_ns = 1};
    uint32_t n = (uint32_t)(size / sizeof(tasks[0]));
    int r;

    n = n < 8 ? n : 8;
    if (n == 0) {
        return;
    }
    memcpy(tasks, data, n * sizeof(tasks[0]));
    memset(&verdict, 0, sizeof(verdict));
    r = axi_demand_admit(tasks, n - 1, &tasks[n - 1], 1000000, &verdict);
    FUZZ_CHECK(r != 0 || tasks[n - 1].wcet_ns <= tasks[n - 1].deadline_ns);
    FUZZ_CHECK(r != 0 || tasks[n - 1].wcet_ns <= tasks[n - 1].period_ns);
    axi_demand_explain(r, &tasks[n - 1], tasks[n - 1].deadline_ns, &margin, &verdict, text,
                       sizeof(text));
    FUZZ_CHECK(memchr(text, 0, sizeof(text)) != NULL);
    FUZZ_CHECK((text[0] == 0) == (r == 0 || r == -AXC_EINVALID));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes bytes = {.data = data, .left = size};
    struct demand_sim_set set;

    demand_sim_make(&set, draw, &bytes);
    FUZZ_CHECK(demand_sim_compare(&set) != DEMAND_SIM_DISAGREE);
    judge_any(data, size);
    return 0;
}
