/* SPDX-License-Identifier: Apache-2.0 */
#include "support/test.h"

#include "runax/hv/hv.h"
#include "runax/monitor/control.h"
#include "runax/monitor/place.h"
#include "runax/monitor/pump.h"
#include "runax/oci/options.h"
#include "runax/oci/verbs.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define WORDS_MAX 24

/* Splits at blanks; "runax" comes first. */
static int parse(const char *line, struct axi_oci_options *ret_options, struct axi_report *report)
{
    static char copy[1024];
    char *words[WORDS_MAX] = {"runax"};
    int count = 1;
    (void)snprintf(copy, sizeof(copy), "%s", line);
    for (char *word = strtok(copy, " "); word != NULL; word = strtok(NULL, " ")) {
        words[count++] = word;
    }
    words[count] = NULL;
    return axi_oci_options_parse(count, words, ret_options, report);
}

/* Recorded from containerd 1.6.20, podman 4.3.1 with conmon 2.1.6, and CRI-O's source. */
static void understands_what_engines_were_recorded_to_say(void **state)
{
    (void)state;
    static const struct {
        const char *line, *verb, *first, *second;
    } CALLS[] = {
        {"--root /run/containerd/runc/k8s --log /b/log.json --log-format json create --bundle /b "
         "--pid-file /b/init.pid --console-socket /s id1",
         "create", "id1", NULL},
        {"--root R --log L --log-format json --systemd-cgroup start id1", "start", "id1", NULL},
        {"--root R --log L --log-format json exec --process /p --console-socket /s --detach "
         "--pid-file /b/e.pid id1",
         "exec", "id1", NULL},
        {"--root R --log L --log-format json ps --format json id1", "ps", "id1", NULL},
        {"--root R --log L --log-format json kill --all id1 9", "kill", "id1", "9"},
        {"--root R --log L --log-format json delete --force id1", "delete", "id1", NULL},
        {"--root R --log L --log-format json update --resources - id1", "update", "id1", NULL},
        {"--root R --log L --log-format json events --stats id1", "events", "id1", NULL},
        {"--root R --log L --log-format json checkpoint --image-path /i --work-path /w "
         "--file-locks --leave-running id1",
         "checkpoint", "id1", NULL},
        {"--root R --log L --log-format json restore --image-path /i --work-path /w --detach "
         "--pid-file /b/init.pid -no-subreaper --bundle /b id1",
         "restore", "id1", NULL},
        {"--log-format=json --log /l --cgroup-manager disabled create --bundle /c --pid-file /p "
         "--preserve-fds 2 id1",
         "create", "id1", NULL},
        {"--log-format=json --log /l exec --pid-file /p --process /x --detach --tty "
         "--console-socket /s id1",
         "exec", "id1", NULL},
        {"kill id1 15", "kill", "id1", "15"},
        {"update --resources=/f id1", "update", "id1", NULL},
        {"checkpoint --help", "checkpoint", NULL, NULL},
        {"--root=/run/runax --systemd-cgroup create --bundle /b --no-pivot --pid-file /p id1",
         "create", "id1", NULL},
        {"--root=/run/runax kill id1 KILL", "kill", "id1", "KILL"},
        {"--root=/run/runax state id1", "state", "id1", NULL},
        {"features", "features", NULL, NULL},
    };
    for (size_t i = 0; i < sizeof(CALLS) / sizeof(CALLS[0]); i++) {
        struct axi_oci_options options;
        struct axi_report report = {0};
        if (parse(CALLS[i].line, &options, &report) != 0) {
            fail_msg("%s: %s", CALLS[i].line, report.text);
        }
        assert_string_equal(options.verb, CALLS[i].verb);
        assert_int_equal(options.argument_count,
                         (CALLS[i].first != NULL) + (CALLS[i].second != NULL));
        if (CALLS[i].first != NULL) {
            assert_string_equal(options.arguments[0], CALLS[i].first);
        }
        if (CALLS[i].second != NULL) {
            assert_string_equal(options.arguments[1], CALLS[i].second);
        }
    }
}

static void takes_values_in_every_spelling(void **state)
{
    (void)state;
    struct axi_oci_options options;
    struct axi_report report = {0};
    assert_int_equal(parse("--root=/r --debug run -b B --preserve-fds=3 --detach=false -- -id",
                           &options, &report),
                     0);
    assert_string_equal(options.root, "/r");
    assert_true(options.is_debug && !options.is_detached);
    assert_int_equal(options.preserve_fds, 3);
    assert_string_equal(options.arguments[0], "-id");
}

static void refuses_what_it_does_not_know(void **state)
{
    (void)state;
    static const char *const LINES[] = {"--nonsense create", "create --stats id", "create --bundle",
                                        "--log-format xml state id",
                                        "create --preserve-fds many id"};
    for (size_t i = 0; i < sizeof(LINES) / sizeof(LINES[0]); i++) {
        struct axi_oci_options options;
        struct axi_report report = {0};
        assert_int_equal(parse(LINES[i], &options, &report), -AXC_EINVALID);
        assert_true(strlen(report.text) > 0);
    }
}

static void keeps_the_log_of_a_command_line_it_refuses(void **state)
{
    (void)state;
    struct axi_oci_options options;
    struct axi_report report = {0};
    assert_int_equal(parse("--log /l --log-format json create --nonsense", &options, &report),
                     -AXC_EINVALID);
    assert_string_equal(options.log, "/l");
    assert_string_equal(options.log_format, "json");
}

static void reads_signals_as_numbers_and_names(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int number;
    } SIGNALS[] = {{"15", 15},       {"0", 0},       {"TERM", 15},      {"SIGTERM", 15},
                   {"kill", 9},      {"sigkill", 9}, {"RTMIN", 34},     {"SIGRTMIN+3", 37},
                   {"RTMIN+30", 64}, {"64", 64},     {"RTMIN+31", -1},  {"65", -1},
                   {"", -1},         {"SIG", -1},    {"TERMINATE", -1}, {"-9", -1}};
    for (size_t i = 0; i < sizeof(SIGNALS) / sizeof(SIGNALS[0]); i++) {
        int number = -1;
        struct axi_report report = {0};
        int rc = axi_parse_signal(SIGNALS[i].text, &number, &report);
        assert_int_equal(rc, SIGNALS[i].number < 0 ? -AXC_EINVALID : 0);
        assert_int_equal(number, SIGNALS[i].number);
    }
}

static void finds_the_directory_of_a_cgroup_path(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool is_systemd;
        const char *path; /* NULL: refused */
    } PATHS[] = {
        {"", false, ""},
        {"/k8s.io/c1", false, "/k8s.io/c1"},
        {"default/c1", false, "/default/c1"},
        {"machine.slice:libpod:abc", true, "/machine.slice/libpod-abc.scope"},
        {"a-b.slice:cri:c", true, "/a.slice/a-b.slice/cri-c.scope"},
        {"a-b.slice:cri:c", false, "/a.slice/a-b.slice/cri-c.scope"},
        {"/a/../../b", false, NULL},
        {"..", false, NULL},
        {"/plain", true, NULL},
        {"noslice:cri:c", true, NULL},
        {"a.slice:x:y/../../z", true, NULL},
    };
    for (size_t i = 0; i < sizeof(PATHS) / sizeof(PATHS[0]); i++) {
        char path[PATH_MAX] = "";
        struct axi_report report = {0};
        int rc = axi_cgroup_path(PATHS[i].text, PATHS[i].is_systemd, path, sizeof(path), &report);
        assert_int_equal(rc, PATHS[i].path != NULL ? 0 : -AXC_EBUNDLE);
        if (rc == 0) {
            assert_string_equal(path, PATHS[i].path);
        }
    }
}

static void reads_and_prints_cpu_lists(void **state)
{
    (void)state;
    static const struct {
        const char *text, *printed;
        int rc;
    } LISTS[] = {{"", "", 0},
                 {"3", "3", 0},
                 {"0-2,4", "0-2,4", 0},
                 {"4,0,1", "0-1,4", 0},
                 {"255", "255", 0},
                 {"256", "", -AXC_EOVERFLOW},
                 {"2-1", "", -AXC_EINVALID},
                 {"1,", "", -AXC_EINVALID},
                 {"a", "", -AXC_EINVALID},
                 {"1-", "", -AXC_EINVALID},
                 {"99999999999999999999", "", -AXC_EOVERFLOW}};
    for (size_t i = 0; i < sizeof(LISTS) / sizeof(LISTS[0]); i++) {
        struct axi_cpuset set = {0};
        char text[64];
        assert_int_equal(axi_cpuset_parse(LISTS[i].text, &set), LISTS[i].rc);
        axi_cpuset_print(&set, text, sizeof(text));
        assert_string_equal(text, LISTS[i].printed);
    }
}

static void gives_long_ids_names_that_differ(void **state)
{
    (void)state;
    struct axi_partition one = {0};
    struct axi_partition two = {0};
    memset(one.id, 'a', 64);
    memset(two.id, 'a', 63);
    two.id[63] = 'b';
    axi_partition_name(&one);
    axi_partition_name(&two);
    assert_int_equal(strlen(one.name), 31);
    assert_string_not_equal(one.name, two.name);
    (void)strcpy(one.id, "short");
    axi_partition_name(&one);
    assert_string_equal(one.name, "short");
}

/* Runs the pump until nothing more moves. */
static void settle(struct axi_pump *pump)
{
    struct pollfd polls[AXI_PUMP_POLLS];
    for (;;) {
        axi_pump_poll(pump, polls);
        if (poll(polls, AXI_PUMP_POLLS, 0) <= 0) {
            return;
        }
        (void)axi_pump_run(pump, polls);
    }
}

static void pumps_both_ways_and_says_what_was_lost(void **state)
{
    (void)state;
    static struct axi_pump pump;
    static char data[4096];
    static char text[400000];
    int guest[2];
    int in[2];
    int out[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, guest), 0);
    assert_int_equal(pipe(in), 0);
    assert_int_equal(pipe2(out, O_NONBLOCK), 0);
    axi_pump_init(&pump, guest[0], in[0], out[1]);
    assert_int_equal(write(in[1], "ask", 3), 3);
    settle(&pump);
    assert_int_equal(read(guest[1], data, sizeof(data)), 3);
    memset(data, 'x', sizeof(data));
    for (int i = 0; i < 80; i++) { /* 320 KiB: more than pipe and buffer */
        assert_int_equal(write(guest[1], data, sizeof(data)), sizeof(data));
        settle(&pump);
    }
    assert_true(pump.lost > 100000);
    (void)close(guest[1]);
    size_t used = 0;
    for (int i = 0; i < 100; i++) {
        ssize_t n = read(out[0], text + used, sizeof(text) - 1 - used);
        used += n > 0 ? (size_t)n : 0;
        axi_pump_drain(&pump, 5);
    }
    text[used] = '\0';
    unsigned long long lost = 0;
    const char *mark = strstr(text, "\n[runax: ");
    assert_non_null(mark);
    assert_int_equal(sscanf(mark, "\n[runax: %llu bytes of output lost]", &lost), 1);
    assert_int_equal((size_t)(mark - text) + lost, 80 * sizeof(data));
    (void)close(guest[0]);
    (void)close(in[0]);
    (void)close(in[1]);
    (void)close(out[0]);
    (void)close(out[1]);
}

static void talks_over_the_control_socket(void **state)
{
    (void)state;
    char folder[] = "/tmp/axi-control-XXXXXX";
    char request[AXI_CONTROL_BYTES_MAX];
    struct axi_report report = {0};
    assert_non_null(mkdtemp(folder));
    int fd = open(folder, O_RDONLY | O_DIRECTORY);
    assert_int_equal(axi_control_call(fd, "state", 100, &report), -AXC_EMONITOR);
    int listener = axi_control_listen(fd, &report);
    assert_true(listener >= 0);
    assert_int_equal(axi_control_call(fd, "state", 10, &report), -AXC_ETIMEOUT);
    int client = axi_control_accept(listener); /* of the call before, which has given up */
    assert_int_equal(axi_control_receive(client, request), 1);
    assert_string_equal(request, "state");
    axi_control_answer(client, 0, "running"); /* to nobody: no signal, no error */
    assert_int_equal(axi_control_receive(client, request), -1);
    (void)close(client);
    (void)close(listener);
    assert_int_equal(unlinkat(fd, "control", 0), 0);
    (void)close(fd);
    assert_int_equal(rmdir(folder), 0);
}

static void chooses_the_hypervisor_and_says_why_not(void **state)
{
    (void)state;
    struct axi_platform platform;
    struct axi_partition partition = {.board = "toaster", .isa = "aarch64"};
    struct axi_report report = {0};
    const struct axi_hv *hv = NULL;
    axi_platform_default(&platform);
    assert_true(axi_cpuset_count(&platform.housekeeping) > 0);
    assert_int_equal(axi_hv_choose(&platform, &partition, &report, &hv), -AXC_EHV_UNSUPPORTED);
    assert_non_null(strstr(report.text, "kvm:"));
    assert_non_null(strstr(report.text, "qemu:"));
    (void)strcpy(partition.hv, "bochs");
    assert_int_equal(axi_hv_choose(&platform, &partition, &report, &hv), -AXC_EHV_UNSUPPORTED);
    assert_non_null(strstr(report.text, "bochs: no such backend"));
    assert_null(hv);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(understands_what_engines_were_recorded_to_say),
        cmocka_unit_test(takes_values_in_every_spelling),
        cmocka_unit_test(refuses_what_it_does_not_know),
        cmocka_unit_test(keeps_the_log_of_a_command_line_it_refuses),
        cmocka_unit_test(reads_signals_as_numbers_and_names),
        cmocka_unit_test(finds_the_directory_of_a_cgroup_path),
        cmocka_unit_test(reads_and_prints_cpu_lists),
        cmocka_unit_test(gives_long_ids_names_that_differ),
        cmocka_unit_test(pumps_both_ways_and_says_what_was_lost),
        cmocka_unit_test(talks_over_the_control_socket),
        cmocka_unit_test(chooses_the_hypervisor_and_says_why_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
