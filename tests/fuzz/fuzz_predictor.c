/* SPDX-License-Identifier: Apache-2.0 */
/* Files of the predictor: weights that are taken predict finite numbers and print to the same
 * again; telemetry that is taken can be trained on. */
#include "fuzz/fuzz.h"
#include "predict/trace.h"
#include "predict/train.h"

#include <stdlib.h>
#include <string.h>

static void try_weights(const uint8_t *data, size_t size)
{
    static struct axi_predict_weights weights;
    static struct axi_predict predict;
    struct axi_predict_config config = {.model = AXI_PREDICT_LEARNED,
                                        .horizon = 3,
                                        .quantile = 0.9,
                                        .ceiling = 1e6,
                                        .weights = &weights};
    uint8_t again[AXI_WEIGHTS_FILE_BYTES];

    if (axi_weights_decode(data, size, &weights) != 0) {
        return;
    }
    axi_weights_encode(&weights, again);
    FUZZ_CHECK(memcmp(again, data, sizeof(again)) == 0);
    FUZZ_CHECK(axi_predict_init(&predict, &config) == 0);
    for (int i = 0; i < 40; i++) {
        const struct axi_forecast *f = axi_predict_get(&predict);

        axi_predict_add(&predict, (double)(i * i % 7) * 2e5);
        FUZZ_CHECK(f->mean >= 0 && f->mean <= 1e6 && f->upper >= 0 && f->upper <= 1e6);
    }
}

static void try_trace(const uint8_t *data, size_t size)
{
    FILE *from = size > 0 ? fmemopen((void *)(uintptr_t)data, size, "r") : NULL;
    struct axi_telemetry_trace trace = {0};
    size_t line = 0;

    if (from == NULL) {
        return;
    }
    if (axi_telemetry_trace_read(from, &trace, &line) == 0) {
        struct axi_train_set *set = axi_train_set_new();

        for (size_t i = 0; i < trace.count && i < 4; i++) {
            FUZZ_CHECK(trace.series[i].count > 0);
            FUZZ_CHECK(axi_train_set_add(set, trace.series[i].samples, trace.series[i].count, 2, 0,
                                         1e6) == 0);
        }
        axi_train_set_free(set);
        axi_telemetry_trace_clear(&trace);
    } else {
        FUZZ_CHECK(trace.count == 0 && trace.series == NULL);
    }
    (void)fclose(from);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    try_weights(data, size);
    try_trace(data, size);
    return 0;
}
