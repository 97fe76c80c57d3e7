/* SPDX-License-Identifier: Apache-2.0 */
#include "runax/bri/bri.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char FULL[] =
    "{\"version\": 1, \"board\": \"zcu102\", \"isa\": \"aarch64\", \"hypervisors\": [\"jailhouse\","
    "\"qemu\"], \"layouts\": [\"siemens14\"], \"cpus\": 2, \"memory\": [{\"bytes\": 65536,"
    "\"address\": \"0x0\"}, {\"pool\": \"tcm\", \"bytes\": 65536, \"host_address\": 4292870144}],"
    "\"images\": [{\"path\": \"boot/os.img\", \"load\": 2097152}, {\"path\": \"boot/r5.elf\","
    "\"format\": \"elf\", \"core\": 0}], \"console\": {\"kind\": \"xuartps\", \"address\":"
    "\"0xff010000\"}, \"irqs\": [136], \"devices\": [\"uart1\"],"
    "\"remote_cores\": [\"rpu0\"], \"channels\": [{\"name\": \"c\", \"bytes\": 4096,"
    "\"peers\": 2, \"device_id\": 1}],"
    "\"watch\": {\"heartbeat_ms\": 100, \"fatal\": false}, \"predicted\": [\"memory\"], \"tasks\":"
    "[{\"name\": \"t\", \"period_us\": 10000, \"wcet_ns\": 300000}]}";

static void test_what_is_read_prints_and_reads_the_same(void **state)
{
    struct axi_bri one;
    struct axi_bri two;
    struct axi_report report = {0};
    (void)state;
    if (axi_bri_parse(FULL, strlen(FULL), &one, &report) != 0) {
        fail_msg("%s", report.text);
    }
    assert_int_equal(one.partition.cpu_count, 2);
    assert_int_equal(one.partition.images[1].core, 0);
    assert_int_equal(one.partition.console.kind, AXI_CONSOLE_XUARTPS);
    assert_int_equal(one.partition.memory[1].host_address, 0xffe00000);
    assert_int_equal(one.predicted, AXI_PREDICTED_MEMORY);
    assert_string_equal(one.tasks[0].name, "t");
    char *text = axi_bri_print(&one);
    assert_non_null(text);
    assert_int_equal(axi_bri_parse(text, strlen(text), &two, &report), 0);
    assert_memory_equal(&one.partition, &two.partition, sizeof(one.partition));
    char *again = axi_bri_print(&two);
    assert_string_equal(text, again);
    free(text);
    free(again);
}

static void test_every_refusal_names_the_member(void **state)
{
#define HEAD "{\"version\": 1, \"board\": \"virt\", \"isa\": \"aarch64\", "
    static const struct {
        const char *text, *wanted;
    } cases[] = {
        {"[]", ""},
        {"{\"board\": \"virt\"}", "version"},
        {"{\"version\": 2, \"board\": \"virt\"}", "version"},
        {HEAD "\"images\": []}", "images"},
        {HEAD "\"images\": [{\"path\": \"x\"}], \"color\": 1}", "color"},
        {HEAD "\"images\": [{\"path\": \"x\", \"core\": 1}]}", "images[0].core"},
        {HEAD "\"images\": [{\"path\": \"x\", \"format\": \"zip\"}]}", "images[0].format"},
        {HEAD "\"images\": [{\"path\": \"x\", \"digest\": \"sha256:0\"}]}", "images[0].digest"},
        {HEAD "\"images\": [{\"path\": \"x\"}], \"memory\": [{}]}", "memory[0].bytes"},
        {HEAD "\"images\": [{\"path\": \"x\"}], \"irqs\": [1]}", "irqs[0]"},
        {HEAD "\"images\": [{\"path\": \"x\"}], \"console\": {\"kind\": \"vga\"}}", "console.kind"},
        {HEAD "\"images\": [{\"path\": \"x\"}], \"devices\": [{}]}", "devices[0]"},
        {HEAD "\"images\": [{\"path\": \"x\"}], \"channels\": [{\"name\": \"c\"}]}",
         "channels[0].bytes"},
        {HEAD "\"images\": [{\"path\": \"x\"}], \"predicted\": [\"luck\"]}", "predicted[0]"},
        {HEAD "\"images\": [{\"path\": \"x\"}], \"tasks\": [{\"name\": 1}]}", "tasks[0].name"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct axi_bri bri;
        struct axi_report report = {0};
        assert_int_equal(axi_bri_parse(cases[i].text, strlen(cases[i].text), &bri, &report),
                         -AXC_EBRI);
        if (strstr(report.text, cases[i].wanted) == NULL) {
            fail_msg("%s: %s", cases[i].text, report.text);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_read_prints_and_reads_the_same),
        cmocka_unit_test(test_every_refusal_names_the_member),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
