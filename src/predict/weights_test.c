/* SPDX-License-Identifier: Apache-2.0 */
/* Files: weights and traces; training. */
#include "base/bytes.h"
#include "base/crc32c.h"
#include "predict/trace.h"
#include "predict/train.h"
#include "support/test.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static uint8_t file[AXI_WEIGHTS_FILE_BYTES + 8];

static void fill(void)
{
    memset(file, 0, sizeof(file));
    axi_weights_encode(axi_weights_default(), file);
}

static void seal(void)
{
    axi_put_le32(file + 92, axi_crc32c(0, file, 92));
    axi_put_le32(file + AXI_WEIGHTS_FILE_BYTES - 4,
                 axi_crc32c(0, file + AXI_WEIGHTS_HEADER_BYTES, 4 * AXI_LEARNED_WEIGHTS));
}

static void reads_back_what_it_wrote(void **state)
{
    struct axi_predict_weights weights;
    uint8_t again[AXI_WEIGHTS_FILE_BYTES];

    (void)state;
    fill();
    assert_int_equal(axi_weights_decode(file, AXI_WEIGHTS_FILE_BYTES, &weights), 0);
    axi_weights_encode(&weights, again);
    assert_memory_equal(file, again, sizeof(again));
    assert_int_equal(weights.samples, axi_weights_default()->samples);
}

static void refuses_each_damage_by_its_name(void **state)
{
    static const struct {
        size_t at;
        uint32_t value; /* 16 bits put there; 32 bits above the header */
        bool is_sealed;
        size_t bytes;
        int error;
    } cases[] = {
        {0, 0x4158, true, AXI_WEIGHTS_FILE_BYTES, -AXC_EPREDICT_MAGIC},
        {4, 2, true, AXI_WEIGHTS_FILE_BYTES, -AXC_EPREDICT_VERSION},
        {6, 97, true, AXI_WEIGHTS_FILE_BYTES, -AXC_EPREDICT_SIZE},
        {8, 4711, true, AXI_WEIGHTS_FILE_BYTES, -AXC_EPREDICT_SIZE},
        {12, 9, true, AXI_WEIGHTS_FILE_BYTES, -AXC_EPREDICT_SHAPE},
        {14, 23, true, AXI_WEIGHTS_FILE_BYTES, -AXC_EPREDICT_SHAPE},
        {22, 1, true, AXI_WEIGHTS_FILE_BYTES, -AXC_EPREDICT_SHAPE},
        {14, 23, false, AXI_WEIGHTS_FILE_BYTES, -AXC_EPREDICT_CRC},
        {100, 0x3f800000, false, AXI_WEIGHTS_FILE_BYTES, -AXC_EPREDICT_CRC},
        {100, 0x7fc00000, true, AXI_WEIGHTS_FILE_BYTES, -AXC_EPREDICT_VALUE}, /* NaN */
        {100, 0x7f800000, true, AXI_WEIGHTS_FILE_BYTES, -AXC_EPREDICT_VALUE}, /* infinite */
        {100, 0x447a4000, true, AXI_WEIGHTS_FILE_BYTES, -AXC_EPREDICT_VALUE}, /* 1001 */
        {42, 0x7fc0, true, AXI_WEIGHTS_FILE_BYTES, -AXC_EPREDICT_VALUE},      /* quantile */
        {48, 0x0a0a, true, AXI_WEIGHTS_FILE_BYTES, -AXC_EPREDICT_VALUE},      /* name */
        {26, 0, true, AXI_WEIGHTS_FILE_BYTES - 1, -AXC_EPREDICT_TRUNCATED},
        {26, 0, true, AXI_WEIGHTS_FILE_BYTES + 1, -AXC_EPREDICT_SIZE},
        {26, 0, true, 95, -AXC_EPREDICT_TRUNCATED},
        {26, 0, true, 0, -AXC_EPREDICT_TRUNCATED},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct axi_predict_weights weights = {.samples = 99};
        int r;

        fill();
        if (cases[i].at >= AXI_WEIGHTS_HEADER_BYTES) {
            axi_put_le32(file + cases[i].at, cases[i].value);
        } else {
            axi_put_le16(file + cases[i].at, (uint16_t)cases[i].value);
        }
        if (cases[i].is_sealed) {
            seal();
        }
        r = axi_weights_decode(file, cases[i].bytes, &weights);
        if (r != cases[i].error) {
            fail_msg("case %zu: %s, expected %s", i, axi_error_name(r),
                     axi_error_name(cases[i].error));
        }
        assert_int_equal(weights.samples, 99); /* untouched */
    }
}

static void says_which_file_it_cannot_read(void **state)
{
    struct axi_predict_weights weights;

    (void)state;
    assert_int_equal(axi_weights_load("/nowhere/weights", &weights), -AXC_ENOENT);
    assert_int_equal(axi_weights_load("/dev/null", &weights), -AXC_EPREDICT_TRUNCATED);
    assert_int_equal(axi_weights_load("/", &weights), -AXC_EIO);
}

/* ---- training ---- */

static void training_is_repeatable_and_learns(void **state)
{
    struct axi_train_set *set = axi_train_set_new();
    struct axi_train_options options = {.seed = 3, .epochs = 1, .name = "a test"};
    static struct axi_predict_weights one;
    static struct axi_predict_weights two;
    static double samples[1500];
    double first = 0;
    double later = 0;

    (void)state;
    assert_int_equal(axi_train_run(set, &options, &one, NULL), -AXC_EMODEL_EMPTY);
    axi_workload_make(AXI_WORKLOAD_CREEP, 1, 1500, samples);
    samples[700] = NAN; /* left out, with what would be predicted to be it */
    assert_int_equal(axi_train_set_add(set, samples, 1500, 0, 0, 1e6), -AXC_EINVALID);
    assert_int_equal(axi_train_set_add(set, samples, 1500, 20, 0, 1e6), 0);
    assert_true(axi_train_set_count(set) > 1400);
    assert_int_equal(axi_train_run(set, &options, &one, &first), 0);
    assert_int_equal(axi_train_run(set, &options, &two, NULL), 0);
    assert_memory_equal(&one, &two, sizeof(one));
    options.epochs = 20;
    assert_int_equal(axi_train_run(set, &options, &two, &later), 0);
    assert_true(later < first);
    assert_string_equal(two.name, "a test");
    axi_train_set_free(set);
}

/* ---- traces ---- */

#define HEADER AXI_TRACE_HEADER "\n"

static int read_trace(const char *text, struct axi_telemetry_trace *ret_trace, size_t *ret_line)
{
    FILE *from = fmemopen((void *)(uintptr_t)text, strlen(text), "r");
    int r;

    assert_non_null(from);
    r = axi_telemetry_trace_read(from, ret_trace, ret_line);
    (void)fclose(from);
    return r;
}

static void reads_a_trace_by_node(void **state)
{
    struct axi_telemetry_trace trace;
    size_t line = 0;

    (void)state;
    assert_int_equal(read_trace(HEADER "1,a,10,0,0,0\n1,b,20,0,0,0\n2,a,11,5,6,7\r\n3,a,12,0,0,0",
                                &trace, &line),
                     0);
    assert_int_equal(trace.count, 2);
    assert_string_equal(trace.series[0].node, "a");
    assert_int_equal(trace.series[0].count, 3);
    assert_true(trace.series[0].samples[2] == 12);
    assert_true(trace.series[1].samples[0] == 20);
    axi_telemetry_trace_clear(&trace);
}

static void names_the_line_that_is_wrong(void **state)
{
    static const struct {
        const char *text;
        size_t line;
    } cases[] = {
        {"time,node\n", 1},
        {"\n", 1},
        {HEADER "1,a,1,1,1\n", 2},
        {HEADER "1,a,1,1,1,1,1\n", 2},
        {HEADER "1,a,1,1,1,1\n2,a,x,1,1,1\n", 3},
        {HEADER "1,a,1,1,1,1\n2,a,-1,1,1,1\n", 3},
        {HEADER "1,a,1,1,1,1\n1,a,1,1,1,1\n", 3},
        {HEADER "1,,1,1,1,1\n", 2},
        {HEADER "1,0123456789012345678901234567890123,1,1,1,1\n", 2},
        {HEADER "99999999999999999999999,a,1,1,1,1\n", 2},
        {HEADER "1,a,nan,1,1,1\n", 2},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct axi_telemetry_trace trace;
        size_t line = 0;

        assert_int_equal(read_trace(cases[i].text, &trace, &line), -AXC_ETRACE_FORMAT);
        assert_int_equal(line, cases[i].line);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_back_what_it_wrote),
        cmocka_unit_test(refuses_each_damage_by_its_name),
        cmocka_unit_test(says_which_file_it_cannot_read),
        cmocka_unit_test(training_is_repeatable_and_learns),
        cmocka_unit_test(reads_a_trace_by_node),
        cmocka_unit_test(names_the_line_that_is_wrong),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
