/* SPDX-License-Identifier: Apache-2.0 */
/* axcan train: weights of the learned predictor, from recorded telemetry or simulated loads. */
#include "cli/command.h"
#include "cli/options.h"
#include "predict/trace.h"
#include "predict/train.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FULL_PPM 1e6
#define TRACES_MAX 64

static const uint32_t horizons[] = {8, 20, 32};

struct train {
    const char *out;
    uint64_t seed;
    bool is_simulated;
    struct axi_option_list without;
    const char *traces[TRACES_MAX];
    size_t trace_count;
};

static int add_trace(struct axi_train_set *set, const char *path)
{
    struct axi_telemetry_trace trace = {0};
    FILE *file = fopen(path, "re");
    size_t line = 0;
    int r;

    if (file == NULL) {
        return axi_cli_fail("train", "%s: %s", path, strerror(errno));
    }
    r = axi_telemetry_trace_read(file, &trace, &line);
    (void)fclose(file);
    if (r != 0) {
        return axi_cli_fail("train", "%s:%zu: %s; expected: %s", path, line, axi_error_text(r),
                            AXI_TRACE_HEADER);
    }
    for (size_t i = 0; r == 0 && i < trace.count; i++) {
        for (size_t h = 0; r == 0 && h < sizeof(horizons) / sizeof(horizons[0]); h++) {
            r = axi_train_set_add(set, trace.series[i].samples, trace.series[i].count, horizons[h],
                                  0, FULL_PPM);
        }
    }
    axi_telemetry_trace_clear(&trace);
    return r == 0 ? 0 : axi_cli_fail("train", "%s: %s", path, axi_error_text(r));
}

static int add_simulated(struct axi_train_set *set, const struct train *train)
{
    uint32_t families = (1u << AXI_WORKLOADS) - 1;
    int r;

    for (size_t i = 0; i < train->without.count; i++) {
        enum axi_workload family;

        if (axi_workload_of(train->without.items[i], &family) != 0) {
            return axi_cli_usage("train", "no family '%s'", train->without.items[i]);
        }
        families &= ~(1u << family);
    }
    r = axi_train_set_add_simulated(set, families, train->seed - 1);
    return r == 0 ? 0 : axi_cli_fail("train", "%s", axi_error_text(r));
}

static int write_weights(const char *path, const struct axi_predict_weights *weights)
{
    uint8_t bytes[AXI_WEIGHTS_FILE_BYTES];
    FILE *file = fopen(path, "wbe");
    bool is_written;

    if (file == NULL) {
        return axi_cli_fail("train", "%s: %s", path, strerror(errno));
    }
    axi_weights_encode(weights, bytes);
    is_written = fwrite(bytes, 1, sizeof(bytes), file) == sizeof(bytes);
    is_written = fclose(file) == 0 && is_written;
    if (!is_written) {
        (void)unlink(path);
        return axi_cli_fail("train", "%s: cannot be written", path);
    }
    return 0;
}

static int train_on(struct axi_train_set *set, const struct train *train)
{
    struct axi_train_options options = {.seed = train->seed};
    struct axi_predict_weights weights;
    char name[AXI_WEIGHTS_NAME_BYTES];
    double loss = 0;
    int r = train->is_simulated ? add_simulated(set, train) : 0;

    for (size_t i = 0; r == 0 && i < train->trace_count; i++) {
        r = add_trace(set, train->traces[i]);
    }
    if (r != 0) {
        return r;
    }
    (void)snprintf(name, sizeof(name), "%s%zu traces", train->is_simulated ? "simulated, " : "",
                   train->trace_count);
    options.name = name;
    r = axi_train_run(set, &options, &weights, &loss);
    if (r != 0) {
        return axi_cli_fail("train", "%s", axi_error_text(r));
    }
    r = write_weights(train->out, &weights);
    if (r == 0) {
        (void)printf("train: %zu samples of %u series, loss %.5f, written to %s\n",
                     axi_train_set_count(set), weights.series, loss, train->out);
    }
    return r;
}

static int run(int argc, char **argv)
{
    struct train train = {.seed = 1};
    const struct axi_option options[] = {
        {"o", AXI_OPTION_TEXT, &train.out},
        {"seed", AXI_OPTION_NUMBER, &train.seed},
        {"simulate", AXI_OPTION_FLAG, &train.is_simulated},
        {"without", AXI_OPTION_LIST, &train.without},
    };
    struct axi_train_set *set;
    int r = axi_options_parse("train", argc, argv, options, sizeof(options) / sizeof(options[0]),
                              "TRACE...", 0, TRACES_MAX, train.traces, &train.trace_count);

    if (r != 0) {
        return r;
    }
    if (train.out == NULL) {
        return axi_cli_usage("train", "-o MODEL is missing");
    }
    if (train.trace_count == 0 && !train.is_simulated) {
        return axi_cli_usage("train", "nothing to train on: name traces, or say --simulate");
    }
    if (train.without.count > 0 && !train.is_simulated) {
        return axi_cli_usage("train", "--without leaves out simulated families: say --simulate");
    }
    if (train.seed == 0) {
        return axi_cli_usage("train", "--seed counts from 1");
    }
    set = axi_train_set_new();
    r = set != NULL ? train_on(set, &train) : axi_cli_fail("train", "out of memory");
    axi_train_set_free(set);
    return r;
}

const struct axi_command axi_command_train = {
    .name = "train",
    .summary = "train the load predictor on recorded telemetry",
    .usage = "usage: axcan train [TRACE...] -o MODEL [--simulate] [--without FAMILY] [--seed N]\n"
             "\nTRACE is telemetry as axcan-master --telemetry writes it. MODEL is read by\n"
             "axcan-master --predictor.\n"
             "  --simulate        also simulated loads: diurnal, bursty, steps, periodic, heavy,\n"
             "                    modes, creep, and blends of them\n"
             "  --without FAMILY  leave a simulated family out, to judge on it; may be repeated\n"
             "  --seed N          of the simulated loads and the training (default 1)\n"
             "\nexit code: 0 written, 1 a trace is malformed or a file not usable, 2 usage\n",
    .run = run,
};
