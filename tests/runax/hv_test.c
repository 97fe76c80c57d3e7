/* SPDX-License-Identifier: Apache-2.0 */
/* The contract of src/runax/hv/hv.h, kept by each backend that can run here. */
#include "hv_guest.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define MIB (UINT64_C(1) << 20)

static const struct hv_machine qemu_virt = {"qemu", "virt", "guest-virt.elf", 0x40000000, 16 * MIB};
static const struct hv_machine qemu_zcu102 = {"qemu", "zcu102", "guest-zcu102.elf", 0, 16 * MIB};

#ifdef __x86_64__
static const struct hv_machine kvm_x86 = {"kvm", "kvm-x86", "guest-kvm-x86.elf", 0, 4 * MIB};
#endif

static const struct hv_machine *machine_of(void **state)
{
    return *state;
}

static void runs_a_guest_to_its_exit_code(void **state)
{
    struct hv_run run;
    struct axi_hv_status status;
    hv_run_init(&run, machine_of(state), "h e42");
    assert_int_equal(run.hv->probe(&run.platform, &run.partition, &run.report), 0);
    hv_run_prepare(&run);
    hv_run_for(&run, 50);
    run.hv->status(run.guest, &status);
    assert_int_equal(status.state, AXI_HV_PREPARED);
    assert_string_equal(run.output, ""); /* nothing runs before start */
    assert_int_equal(run.hv->start(run.guest, &run.report), 0);
    hv_run_until_end(&run, &status);
    assert_int_equal(status.state, AXI_HV_STOPPED);
    assert_int_equal(status.exit_code, 42);
    char greeting[64];
    (void)snprintf(greeting, sizeof(greeting), "hello from %s\r\n", machine_of(state)->board);
    assert_string_equal(run.output, greeting);
    hv_run_deinit(&run);
}

static void an_end_without_code_is_0(void **state)
{
    struct hv_run run;
    struct axi_hv_status status;
    hv_run_init(&run, machine_of(state), "o");
    hv_run_start(&run);
    hv_run_until_end(&run, &status);
    assert_int_equal(status.state, AXI_HV_STOPPED);
    assert_int_equal(status.exit_code, 0);
    hv_run_deinit(&run);
}

static void a_crash_is_a_failure_with_a_reason(void **state)
{
    struct hv_run run;
    struct axi_hv_status status;
    hv_run_init(&run, machine_of(state), "h c");
    hv_run_start(&run);
    hv_run_until_end(&run, &status);
    assert_int_equal(status.state, AXI_HV_FAILED);
    assert_int_equal(status.exit_code, AXI_EXIT_CRASHED);
    assert_true(status.reason[0] != '\0');
    hv_run_deinit(&run);
}

static void console_works_both_ways(void **state)
{
    struct hv_run run;
    struct axi_hv_status status;
    hv_run_init(&run, machine_of(state), "h i e0");
    hv_run_start(&run);
    hv_run_until(&run, "hello");
    hv_run_type(&run, "first line\n");
    hv_run_until(&run, "echo: first line\r\n");
    hv_run_type(&run, "quit\n");
    hv_run_until_end(&run, &status);
    assert_int_equal(status.exit_code, 0);
    hv_run_deinit(&run);
}

static void no_output_is_lost_when_a_guest_floods(void **state)
{
    struct hv_run run;
    struct axi_hv_status status;
    hv_run_init(&run, machine_of(state), "f700 e1");
    hv_run_start(&run);
    hv_run_until_end(&run, &status);
    assert_int_equal(status.exit_code, 1);
    const char *at = run.output;
    for (int i = 0; i < 700; i++) {
        char line[32];
        (void)snprintf(line, sizeof(line), "line %d of", i);
        at = strstr(at, line);
        assert_non_null(at);
    }
    hv_run_deinit(&run);
}

static void paused_guest_stands_still_and_goes_on(void **state)
{
    struct hv_run run;
    struct axi_hv_status status;
    hv_run_init(&run, machine_of(state), "t20 e0");
    hv_run_start(&run);
    hv_run_until(&run, "tick 2");
    assert_int_equal(run.hv->pause(run.guest, &run.report), 0);
    assert_int_equal(run.hv->pause(run.guest, &run.report), -AXC_ESTATE);
    hv_run_for(&run, 20); /* what was on its way */
    size_t bytes = run.output_bytes;
    hv_run_for(&run, 100);
    assert_int_equal(run.output_bytes, bytes);
    run.hv->status(run.guest, &status);
    assert_int_equal(status.state, AXI_HV_PAUSED);
    assert_int_equal(run.hv->verify(run.guest, &run.report), 0);
    assert_int_equal(run.hv->resume(run.guest, &run.report), 0);
    hv_run_until_end(&run, &status);
    assert_int_equal(status.exit_code, 0);
    assert_non_null(strstr(run.output, "tick 19"));
    hv_run_deinit(&run);
}

/* Nobody reads the console, the guest cannot go on writing: pause and stop must work all the same.
 */
static void paused_while_its_console_is_full(void **state)
{
    struct hv_run run;
    struct axi_hv_status status;
    hv_run_init(&run, machine_of(state), "f9000 e0");
    hv_run_start(&run);
    (void)usleep(100000);
    assert_int_equal(run.hv->pause(run.guest, &run.report), 0);
    hv_run_for(&run, 20);
    size_t bytes = run.output_bytes;
    hv_run_for(&run, 50);
    assert_int_equal(run.output_bytes, bytes);
    assert_int_equal(run.hv->resume(run.guest, &run.report), 0);
    (void)usleep(50000);
    assert_int_equal(run.hv->stop(run.guest, false, &run.report), 0);
    hv_run_until_end(&run, &status);
    assert_int_equal(status.exit_code, AXI_EXIT_KILLED);
    hv_run_deinit(&run);
}

static void looping_guest_is_stopped_by_force(void **state)
{
    struct hv_run run;
    struct axi_hv_status status;
    hv_run_init(&run, machine_of(state), "h l");
    hv_run_start(&run);
    hv_run_until(&run, "hello");
    assert_int_equal(run.hv->stop(run.guest, true, &run.report), -AXC_EHV_UNSUPPORTED);
    assert_int_equal(run.hv->stop(run.guest, false, &run.report), 0);
    hv_run_until_end(&run, &status);
    assert_int_equal(status.state, AXI_HV_STOPPED);
    assert_int_equal(status.exit_code, AXI_EXIT_KILLED);
    assert_int_equal(run.hv->stop(run.guest, false, &run.report), 0);
    hv_run_deinit(&run);
}

static void stopped_while_paused_or_prepared(void **state)
{
    for (int is_paused = 0; is_paused < 2; is_paused++) {
        struct hv_run run;
        struct axi_hv_status status;
        hv_run_init(&run, machine_of(state), "h i");
        hv_run_prepare(&run);
        if (is_paused != 0) {
            assert_int_equal(run.hv->start(run.guest, &run.report), 0);
            assert_int_equal(run.hv->pause(run.guest, &run.report), 0);
        }
        assert_int_equal(run.hv->stop(run.guest, false, &run.report), 0);
        hv_run_until_end(&run, &status);
        assert_int_equal(status.exit_code, AXI_EXIT_KILLED);
        hv_run_deinit(&run);
    }
}

static void add_host_channel(struct hv_run *run, uint64_t guest_address)
{
    struct axi_channel *channel = &run->partition.channels[run->partition.channel_count++];
    *channel = (struct axi_channel){.name = "host",
                                    .host_address = AXI_ANY,
                                    .guest_address = guest_address,
                                    .bytes = 4096,
                                    .peers = 1};
}

static void asked_to_end_through_the_channel_after_beating(void **state)
{
    struct hv_run run;
    struct axi_hv_status status;
    struct axi_hv_stats first, second;
    char script[64];
    uint64_t address = machine_of(state)->ram + machine_of(state)->memory_bytes;
    (void)snprintf(script, sizeof(script), "a%llx w7", (unsigned long long)address);
    hv_run_init(&run, machine_of(state), script);
    add_host_channel(&run, address);
    hv_run_start(&run);
    hv_run_until(&run, "beating");
    hv_run_for(&run, 50);
    assert_int_equal(run.hv->stats(run.guest, &first), 0);
    hv_run_for(&run, 50);
    assert_int_equal(run.hv->stats(run.guest, &second), 0);
    assert_true(second.heartbeat > first.heartbeat && first.heartbeat > 0);
    assert_true(second.cpu_ns > 0);
    assert_true(second.memory_bytes >= machine_of(state)->memory_bytes);
    assert_int_equal(run.hv->stop(run.guest, true, &run.report), 0);
    hv_run_until_end(&run, &status);
    assert_int_equal(status.state, AXI_HV_STOPPED);
    assert_int_equal(status.exit_code, 7);
    assert_non_null(strstr(run.output, "bye"));
    hv_run_deinit(&run);
}

static void all_of_its_memory_is_there(void **state)
{
    struct hv_run run;
    struct axi_hv_status status;
    char script[64];
    uint64_t last = machine_of(state)->ram + machine_of(state)->memory_bytes - 8;
    (void)snprintf(script, sizeof(script), "s%llx e0", (unsigned long long)last);
    hv_run_init(&run, machine_of(state), script);
    hv_run_start(&run);
    hv_run_until_end(&run, &status);
    assert_string_equal(run.output, "stored\r\n");
    hv_run_deinit(&run);
}

static void refuses(struct hv_run *run, int code, const char *words)
{
    assert_int_equal(run->hv->prepare(&run->partition, &run->host, &run->report, &run->guest),
                     code);
    assert_null(run->guest);
    if (strstr(run->report.text, words) == NULL) {
        fail_msg("\"%s\" is not in: %s", words, run->report.text);
    }
    hv_run_deinit(run);
}

static void refuses_what_cannot_be_loaded(void **state)
{
    struct hv_run run;
    hv_run_init(&run, machine_of(state), "o");
    run.partition.memory[0].bytes = MIB; /* the image begins behind it */
    refuses(&run, -AXC_EOVERFLOW, "not in the partition's memory");

    hv_run_init(&run, machine_of(state), "o");
    assert_int_equal(ftruncate(run.partition.images[0].fd, 100), 0);
    refuses(&run, -AXC_EELF_TRUNCATED, "ends at byte 100");

    hv_run_init(&run, machine_of(state), "o");
    run.partition.images[1] = run.partition.images[0];
    run.partition.images[1].fd = fcntl(run.partition.images[0].fd, F_DUPFD_CLOEXEC, 0);
    run.partition.image_count = 2;
    refuses(&run, -AXC_ERESOURCE_OVERLAP, "overlap");

    hv_run_init(&run, machine_of(state), "o");
    run.partition.images[0].format = AXI_IMAGE_RAW;
    refuses(&run, -AXC_EINVALID, "load address");
}

static void refuses_boards_it_does_not_have(void **state)
{
    struct hv_run run;
    hv_run_init(&run, machine_of(state), "o");
    strcpy(run.partition.board, "toaster");
    assert_int_equal(run.hv->probe(&run.platform, &run.partition, &run.report),
                     -AXC_EHV_UNSUPPORTED);
    refuses(&run, -AXC_EHV_UNSUPPORTED, "toaster");
}

/* The monitor is killed: reclaim, called by somebody else, finds and removes all there is. */
static void reclaim_after_a_killed_monitor(void **state)
{
    struct hv_run run;
    hv_run_init(&run, machine_of(state), "h l");
    int ready[2];
    assert_int_equal(pipe(ready), 0);
    pid_t monitor = fork();
    if (monitor == 0) {
        if (run.hv->prepare(&run.partition, &run.host, &run.report, &run.guest) == 0 &&
            run.hv->start(run.guest, &run.report) == 0) {
            (void)!write(ready[1], "r", 1);
        }
        (void)pause();
        _exit(0);
    }
    char byte;
    assert_int_equal(read(ready[0], &byte, 1), 1);
    assert_int_equal(kill(monitor, SIGKILL), 0);
    assert_int_equal(waitpid(monitor, NULL, 0), monitor);
    (void)close(ready[0]);
    (void)close(ready[1]);
    assert_int_equal(run.hv->reclaim(&run.partition, &run.host, &run.report), 0);
    hv_run_deinit(&run); /* fails when a file is left */
}

static void a_checkpoint_goes_on_where_it_was(void **state)
{
    struct hv_run run;
    struct axi_hv_status status;
    hv_run_init(&run, machine_of(state), "h t3 i e5");
    hv_run_start(&run);
    hv_run_until(&run, "tick 2");
    int folder = open(run.folder, O_DIRECTORY | O_RDONLY | O_CLOEXEC);
    assert_int_equal(run.hv->pause(run.guest, &run.report), 0);
    if (run.hv->checkpoint(run.guest, folder, &run.report) != 0) {
        fail_msg("%s", run.report.text);
    }
    run.hv->destroy(run.guest);
    run.guest = NULL;
    run.output_bytes = 0;
    run.output[0] = '\0';
    if (run.hv->restore(&run.partition, &run.host, folder, &run.report, &run.guest) != 0) {
        fail_msg("%s", run.report.text);
    }
    assert_int_equal(run.hv->verify(run.guest, &run.report), 0);
    assert_int_equal(run.hv->start(run.guest, &run.report), 0);
    hv_run_type(&run, "quit\n");
    hv_run_until_end(&run, &status);
    assert_int_equal(status.exit_code, 5);
    assert_null(strstr(run.output, "tick 1")); /* that was before */
    (void)unlinkat(folder, "hv-qemu.state", 0);
    (void)unlinkat(folder, "hv-kvm.state", 0);
    (void)close(folder);
    hv_run_deinit(&run);
}

static void starts_an_r5_core(void **state)
{
    (void)state;
    static const struct hv_machine r5 = {"qemu", "zcu102", "guest-r5.elf", 0, 0x30200000};
    struct hv_run run;
    struct axi_hv_status status;
    hv_run_init(&run, &r5, NULL);
    run.partition.cpu_count = 0;
    run.partition.images[0].core = 0;
    run.partition.remote_core_count = 1;
    strcpy(run.partition.remote_cores[0].name, "rpu0");
    run.partition.console.kind = AXI_CONSOLE_XUARTPS;
    run.partition.console.address = 0xff010000;
    hv_run_start(&run);
    hv_run_until_end(&run, &status);
    assert_string_equal(run.output, "hello from r5\r\n");
    assert_int_equal(status.exit_code, 5);
    hv_run_deinit(&run);
}

static void add_peer_channel(struct hv_run *run, uint32_t device_id, uint64_t bytes)
{
    struct axi_channel *channel = &run->partition.channels[run->partition.channel_count++];
    *channel = (struct axi_channel){.host_address = AXI_ANY,
                                    .guest_address = AXI_ANY,
                                    .bytes = bytes,
                                    .device_id = device_id,
                                    .peers = 2};
    (void)snprintf(channel->name, sizeof(channel->name), "test-%d", (int)getpid());
}

static bool has_channel_file(void)
{
    char path[64];
    (void)snprintf(path, sizeof(path), "/dev/shm/axcan-channel-test-%d", (int)getpid());
    return access(path, F_OK) == 0;
}

static void qemu_shows_a_channel_with_peers_and_removes_it(void **state)
{
    (void)state;
    struct hv_run run;
    struct axi_hv_status status;
    hv_run_init(&run, &qemu_virt, "e0");
    add_peer_channel(&run, 0, 65536);
    hv_run_start(&run);
    assert_true(has_channel_file());
    hv_run_until_end(&run, &status);
    assert_int_equal(status.exit_code, 0);
    hv_run_deinit(&run);
    assert_false(has_channel_file());
}

#ifdef __x86_64__
static void peers_share_their_channel_and_the_last_one_removes_it(void **state)
{
    (void)state;
    struct hv_run writer, reader, stranger;
    struct axi_hv_status status;
    hv_run_init(&writer, &kvm_x86, "se0100000 i e0");
    hv_run_init(&reader, &kvm_x86, "pe0100000 e0");
    hv_run_init(&stranger, &kvm_x86, "o");
    add_peer_channel(&writer, 0, 8192);
    add_peer_channel(&reader, 1, 8192);
    add_peer_channel(&stranger, 1, 4096);
    hv_run_start(&writer);
    hv_run_until(&writer, "stored");
    refuses(&stranger, -AXC_EHV_FAILED, "wants 4096");
    hv_run_start(&reader);
    hv_run_until_end(&reader, &status);
    assert_string_equal(reader.output, "123456789abcdef\r\n");
    hv_run_deinit(&reader);
    assert_true(has_channel_file());
    hv_run_deinit(&writer);
    assert_false(has_channel_file());
}
#endif

static void refuses_options_it_cannot_keep(void **state)
{
    (void)state;
    struct hv_run run;
    hv_run_init(&run, &qemu_virt, "o");
    run.partition.option_count = 1;
    strcpy(run.partition.options[0].key, "net");
    strcpy(run.partition.options[0].value, "user,hostfwd=tcp::22-:22");
    refuses(&run, -AXC_EINVALID, "option net");
#ifdef __x86_64__
    hv_run_init(&run, &kvm_x86, "o");
    run.partition.option_count = 1;
    strcpy(run.partition.options[0].key, "fifo");
    strcpy(run.partition.options[0].value, "100");
    if (run.hv->probe(&run.platform, NULL, &run.report) == 0) {
        refuses(&run, -AXC_EINVALID, "option fifo");
    } else {
        hv_run_deinit(&run);
    }
#endif
}

static void says_why_qemu_does_not_start(void **state)
{
    (void)state;
    struct hv_run run;
    hv_run_init(&run, &qemu_virt, "o");
    strcpy(run.platform.qemu.folder, "/nonexistent");
    assert_int_equal(run.hv->probe(&run.platform, NULL, &run.report), -AXC_EHV_UNSUPPORTED);
    refuses(&run, -AXC_EHV_FAILED, "cannot execute QEMU");
}

static void qemu_killed_by_somebody_is_a_failure(void **state)
{
    (void)state;
    struct hv_run run;
    struct axi_hv_status status;
    hv_run_init(&run, &qemu_virt, "h l");
    hv_run_start(&run);
    hv_run_until(&run, "hello");
    char text[32] = "";
    int fd = openat(run.host.state_fd, "hv-qemu.pid", O_RDONLY | O_CLOEXEC);
    assert_true(read(fd, text, sizeof(text) - 1) > 0);
    (void)close(fd);
    assert_int_equal(kill((pid_t)atoi(text), SIGKILL), 0);
    hv_run_until_end(&run, &status);
    assert_int_equal(status.state, AXI_HV_FAILED);
    assert_string_equal(status.reason, "QEMU was killed by signal 9");
    hv_run_deinit(&run);
}

#ifdef __x86_64__
static bool has_kvm(void)
{
    struct axi_platform platform;
    struct axi_report report = {0};
    axi_platform_default(&platform);
    if (axi_hv_find("kvm")->probe(&platform, NULL, &report) == 0) {
        return true;
    }
    (void)printf("capability:kvm %s\n", report.text);
    return false;
}

static void skipped_without_kvm(void **state)
{
    (void)state;
    skip();
}
#endif

#define CONTRACT(test, machine)                                                                    \
    {                                                                                              \
#test " on " #machine, test, NULL, NULL, (void *)(uintptr_t)&machine                       \
    }
#define CONTRACT_TESTS(machine)                                                                    \
    CONTRACT(runs_a_guest_to_its_exit_code, machine), CONTRACT(an_end_without_code_is_0, machine), \
        CONTRACT(a_crash_is_a_failure_with_a_reason, machine),                                     \
        CONTRACT(console_works_both_ways, machine),                                                \
        CONTRACT(paused_guest_stands_still_and_goes_on, machine),                                  \
        CONTRACT(looping_guest_is_stopped_by_force, machine),                                      \
        CONTRACT(asked_to_end_through_the_channel_after_beating, machine)
#define MORE_TESTS(machine)                                                                        \
    CONTRACT(no_output_is_lost_when_a_guest_floods, machine),                                      \
        CONTRACT(paused_while_its_console_is_full, machine),                                       \
        CONTRACT(stopped_while_paused_or_prepared, machine),                                       \
        CONTRACT(all_of_its_memory_is_there, machine),                                             \
        CONTRACT(refuses_what_cannot_be_loaded, machine),                                          \
        CONTRACT(refuses_boards_it_does_not_have, machine),                                        \
        CONTRACT(reclaim_after_a_killed_monitor, machine)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CONTRACT_TESTS(qemu_virt),
        MORE_TESTS(qemu_virt),
        CONTRACT(a_checkpoint_goes_on_where_it_was, qemu_virt),
        CONTRACT_TESTS(qemu_zcu102),
        cmocka_unit_test(starts_an_r5_core),
        cmocka_unit_test(qemu_shows_a_channel_with_peers_and_removes_it),
        cmocka_unit_test(refuses_options_it_cannot_keep),
        cmocka_unit_test(says_why_qemu_does_not_start),
        cmocka_unit_test(qemu_killed_by_somebody_is_a_failure),
    };
    (void)signal(SIGPIPE, SIG_IGN);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
#ifdef __x86_64__
    const struct CMUnitTest kvm_tests[] = {
        CONTRACT_TESTS(kvm_x86), MORE_TESTS(kvm_x86),
        cmocka_unit_test(peers_share_their_channel_and_the_last_one_removes_it)};
    const struct CMUnitTest without[] = {cmocka_unit_test(skipped_without_kvm)};
    failed += has_kvm() ? cmocka_run_group_tests_name("kvm", kvm_tests, NULL, NULL)
                        : cmocka_run_group_tests_name("kvm", without, NULL, NULL);
#endif
    return failed;
}
