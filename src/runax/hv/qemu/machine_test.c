/* SPDX-License-Identifier: Apache-2.0 */
/* The options of a partition's network: what they become on QEMU's command line, what is refused.
 */
#include "runax/hv/qemu/machine.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

struct rig {
    struct axi_partition partition;
    struct axi_qemu_plan plan;
    struct axi_qemu_command command;
    struct axi_report report;
};

static void set(struct rig *rig, const char *key, const char *value)
{
    struct axi_partition_option *option = &rig->partition.options[rig->partition.option_count++];

    (void)snprintf(option->key, sizeof(option->key), "%s", key);
    (void)snprintf(option->value, sizeof(option->value), "%s", value);
}

static void begin(struct rig *rig, const char *board)
{
    memset(rig, 0, sizeof(*rig));
    (void)snprintf(rig->partition.board, sizeof(rig->partition.board), "%s", board);
    rig->partition.cpu_count = 1;
    rig->partition.memory_count = 1;
    rig->partition.memory[0].guest_address = AXI_ANY;
    rig->partition.memory[0].bytes = 64u << 20;
    set(rig, "net", "user");
}

static int make(struct rig *rig)
{
    int rc = axi_qemu_plan(&rig->partition, &rig->report, &rig->plan);

    return rc != 0
               ? rc
               : axi_qemu_command("qemu", &rig->partition, &rig->plan, &rig->report, &rig->command);
}

static void assert_argument(const struct rig *rig, const char *after, const char *expected)
{
    for (uint32_t i = 0; i + 1 < rig->command.argc; i++) {
        if (strcmp(rig->command.argv[i], after) == 0 &&
            strcmp(rig->command.argv[i + 1], expected) == 0) {
            return;
        }
    }
    fail_msg("no %s %s", after, expected);
}

static void network_options_reach_the_machine(void **state)
{
    struct rig rig;

    (void)state;
    begin(&rig, "virt");
    set(&rig, "mac", "02:aB:00:00:00:01");
    set(&rig, "forward", "65535:7402");
    assert_int_equal(make(&rig), 0);
    assert_argument(&rig, "-netdev", "user,id=net0,hostfwd=tcp:127.0.0.1:65535-:7402");
    assert_argument(&rig, "-device", "virtio-net-device,netdev=net0,mac=02:aB:00:00:00:01");
    begin(&rig, "virt");
    set(&rig, "forward", "192.0.2.7:80:7402");
    assert_int_equal(make(&rig), 0);
    assert_argument(&rig, "-netdev", "user,id=net0,hostfwd=tcp:192.0.2.7:80-:7402");
    begin(&rig, "zcu102");
    set(&rig, "mac", "02:00:00:00:00:01");
    assert_int_equal(make(&rig), 0);
    assert_argument(&rig, "-netdev", "user,id=net0");
    assert_argument(&rig, "-net", "nic,netdev=net0,macaddr=02:00:00:00:00:01");
}

static void bad_values_are_refused_by_name(void **state)
{
    static const struct {
        const char *key, *value, *expected;
    } cases[] = {
        {"mac", "", "option mac: \"\" is no MAC address"},
        {"mac", "02:00:00:00:00:0", "option mac: \"02:00:00:00:00:0\" is no MAC address"},
        {"mac", "02:00:00:00:00:01:", "option mac: \"02:00:00:00:00:01:\" is no MAC address"},
        {"mac", "02-00-00-00-00-01", "option mac: \"02-00-00-00-00-01\" is no MAC address"},
        {"mac", "02:00:00:00:00:0g", "option mac: \"02:00:00:00:00:0g\" is no MAC address"},
        {"mac", "02:00:00:00:00:01,x", "option mac: \"02:00:00:00:00:01,x\" is no MAC address"},
        {"forward", "", "option forward: \"\" is not [ADDRESS:]HOSTPORT:GUESTPORT"},
        {"forward", "192.0.2:80:80",
         "option forward: \"192.0.2:80:80\" is not [ADDRESS:]HOSTPORT:GUESTPORT"},
        {"forward", "192.0.2.7,x:80:80",
         "option forward: \"192.0.2.7,x:80:80\" is not [ADDRESS:]HOSTPORT:GUESTPORT"},
        {"forward", "192.0.2.7",
         "option forward: \"192.0.2.7\" is not [ADDRESS:]HOSTPORT:GUESTPORT"},
        {"forward", "80", "option forward: \"80\" is not [ADDRESS:]HOSTPORT:GUESTPORT"},
        {"forward", "80:", "option forward: \"80:\" is not [ADDRESS:]HOSTPORT:GUESTPORT"},
        {"forward", ":80", "option forward: \":80\" is not [ADDRESS:]HOSTPORT:GUESTPORT"},
        {"forward", "0:80", "option forward: \"0:80\" is not [ADDRESS:]HOSTPORT:GUESTPORT"},
        {"forward", "80:0", "option forward: \"80:0\" is not [ADDRESS:]HOSTPORT:GUESTPORT"},
        {"forward", "65536:80", "option forward: \"65536:80\" is not [ADDRESS:]HOSTPORT:GUESTPORT"},
        {"forward", "80:65536", "option forward: \"80:65536\" is not [ADDRESS:]HOSTPORT:GUESTPORT"},
        {"forward", "100000:80",
         "option forward: \"100000:80\" is not [ADDRESS:]HOSTPORT:GUESTPORT"},
        {"forward", "80:80:80", "option forward: \"80:80:80\" is not [ADDRESS:]HOSTPORT:GUESTPORT"},
        {"forward", "-1:80", "option forward: \"-1:80\" is not [ADDRESS:]HOSTPORT:GUESTPORT"},
        {"forward", "+1:80", "option forward: \"+1:80\" is not [ADDRESS:]HOSTPORT:GUESTPORT"},
        {"forward", "80: 80", "option forward: \"80: 80\" is not [ADDRESS:]HOSTPORT:GUESTPORT"},
        {"forward", "80:80,id=x",
         "option forward: \"80:80,id=x\" is not [ADDRESS:]HOSTPORT:GUESTPORT"},
        {"net", "tap", "option net: \"tap\" is neither user nor none"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct rig rig;

        begin(&rig, "virt");
        rig.partition.option_count = 0;
        set(&rig, cases[i].key, cases[i].value);
        assert_int_equal(make(&rig), -AXC_EINVALID);
        assert_string_equal(rig.report.text, cases[i].expected);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(network_options_reach_the_machine),
        cmocka_unit_test(bad_values_are_refused_by_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
