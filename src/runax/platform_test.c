/* SPDX-License-Identifier: Apache-2.0 */
#include "runax/platform.h"
#include "support/test.h"

#include <stdio.h>
#include <string.h>

#define HEAD "{\"version\": 1, \"board\": \"zcu102\", \"isa\": \"aarch64\", "
#define CPUS "\"cpus\": \"2-3\", \"housekeeping\": \"0-1\""

static struct axi_platform platform;
static struct axi_report report;

static int parse(const char *text)
{
    report = (struct axi_report){0};
    return axi_platform_parse(text, strlen(text), &platform, &report);
}

static void reads_every_member(void **state)
{
    (void)state;
    assert_int_equal(
        parse(HEAD CPUS
              ", \"hypervisors\": [\"jailhouse\"], \"allow_cpu0\": false, \"share_cpus\": false,"
              "\"pools\": [{\"address\": \"0x800600000\", \"bytes\": \"0x100000\"},"
              "            {\"name\": \"tcm\", \"address\": 4292870144, \"bytes\": 65536}],"
              "\"interrupts\": [{\"first\": 136, \"count\": 8}],"
              "\"devices\": [{\"name\": \"uart1\", \"address\": \"0xff010000\", \"bytes\": 4096,"
              "               \"irqs\": [54], \"stream_ids\": [3712, 0]}],"
              "\"remote_cores\": [{\"name\": \"rpu0\", \"id\": 0}],"
              "\"jailhouse\": {\"layout\": \"siemens14\", \"gic_address\": \"0xf9010000\","
              "                \"device\": \"/tmp/d\", \"sysfs\": \"/tmp/s\"},"
              "\"xen\": {\"xl\": \"/x\"}, \"qemu\": {\"folder\": \"/q\"}, \"kvm\": {\"device\": "
              "\"/k\"}}"),
        0);
    assert_string_equal(platform.hvs[0], "jailhouse");
    assert_int_equal(platform.hv_count, 1);
    assert_int_equal(platform.cpus.bits[0], 0xc);
    assert_int_equal(platform.pools[0].address, 0x800600000);
    assert_string_equal(platform.pools[0].name, "ram");
    assert_int_equal(platform.devices[0].guest_address, 0xff010000);
    assert_int_equal(platform.devices[0].stream_id_count, 2);
    assert_int_equal(platform.jailhouse.gic_address, 0xf9010000);
    assert_string_equal(platform.xen.xl, "/x");
    assert_false(platform.shares_cpus);
}

static void refuses_each_fault_by_name(void **state)
{
    static const struct {
        const char *text;
        const char *words;
    } cases[] = {
        {"", "line"},
        {"[]", "object"},
        {"{\"version\": 2, \"board\": \"x\"}", "version"},
        {"{\"version\": 1}", "board"},
        {HEAD CPUS ", \"pool\": []}", "pool"},
        {HEAD "\"cpus\": \"3-1\"}", "CPUs"},
        {HEAD "\"cpus\": \"2-3\", \"housekeeping\": \"1-2\"}", "housekeeping"},
        {HEAD "\"cpus\": \"0-255\"}", "leaves no CPU"},
        {HEAD CPUS ", \"pools\": [{\"address\": 1, \"bytes\": 4096}]}", "pools[0]"},
        {HEAD CPUS ", \"pools\": [{\"address\": 0, \"bytes\": 8192},"
                   "{\"address\": 4096, \"bytes\": 4096}]}",
         "pools[1].address: overlaps"},
        {HEAD CPUS ", \"pools\": [{\"address\": \"0xfffffffffffff000\", \"bytes\": 8192}]}",
         "wraps"},
        {HEAD CPUS ", \"interrupts\": [{\"first\": 1000, \"count\": 40}]}", "count"},
        {HEAD CPUS ", \"devices\": [{\"name\": \"a\"}, {\"name\": \"a\"}]}", "twice"},
        {HEAD CPUS ", \"remote_cores\": [{\"name\": \"a\", \"id\": 64}]}", "id"},
        {HEAD CPUS ", \"jailhouse\": {\"layout\": \"14\"}}", "layout"},
        {HEAD CPUS ", \"jailhouse\": {}}", "layout"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(parse(cases[i].text), -AXC_EPLATFORM);
        assert_non_null(strstr(report.text, cases[i].words));
    }
    assert_int_equal(axi_platform_read("/nonexistent", &platform, &report), -AXC_ENOENT);
    assert_int_equal(axi_platform_read("/proc/self", &platform, &report), -AXC_EIO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_every_member),
        cmocka_unit_test(refuses_each_fault_by_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
