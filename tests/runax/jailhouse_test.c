/* SPDX-License-Identifier: Apache-2.0 */
/* The jailhouse backend against a driver that behaves as the real ones do, traps included. */
#include "core/host_channel.h"
#include "runax/hv/hv.h"
#include "runax/hv/jailhouse/jailhouse.h"
#include "support/test.h"

#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define RAM 0x100000u
#define HOST_CHANNEL 0x200000u

static const struct axi_hv *const hv = &axi_hv_jailhouse;
static char folder[64];
static struct axi_platform platform;
static struct axi_partition partition;
static struct axi_hv_host host;
static struct axi_report report;
static struct axi_hv_guest *guest;

static void put(const char *name, const char *mode, const char *text)
{
    char path[256];
    (void)snprintf(path, sizeof(path), "%s/%s", folder, name);
    FILE *file = fopen(path, mode);
    assert_non_null(file);
    (void)fputs(text, file);
    (void)fclose(file);
}

static const char *get(const char *name)
{
    static char text[4096];
    char path[256];
    (void)snprintf(path, sizeof(path), "%s/%s", folder, name);
    FILE *file = fopen(path, "r");
    text[0] = '\0';
    if (file != NULL) {
        text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
        (void)fclose(file);
    }
    return text;
}

static void get_memory(uint64_t address, void *bytes, size_t length)
{
    char path[256];
    (void)snprintf(path, sizeof(path), "%s/mem", folder);
    int fd = open(path, O_RDONLY);
    assert_int_equal(pread(fd, bytes, length, (off_t)address), length);
    (void)close(fd);
}

static void put_memory(uint64_t address, const void *bytes, size_t length)
{
    char path[256];
    (void)snprintf(path, sizeof(path), "%s/mem", folder);
    int fd = open(path, O_WRONLY);
    assert_int_equal(pwrite(fd, bytes, length, (off_t)address), length);
    (void)close(fd);
}

static void describe(const char *layout)
{
    platform = (struct axi_platform){
        .board = "zcu102",
        .isa = "aarch64",
        .cpus.bits = {0xe},
        .jailhouse = {.gic_address = 0xf9010000},
    };
    (void)snprintf(platform.jailhouse.layout, 16, "%s", layout);
    (void)snprintf(platform.jailhouse.device, 64, "%.40s/device", folder);
    (void)snprintf(platform.jailhouse.memory, 64, "%.40s/mem", folder);
    (void)snprintf(platform.jailhouse.sysfs, 64, "%.40s/sys", folder);
    (void)snprintf(platform.jailhouse.firmware, 64, "%.40s/firmware", folder);
    put("layout", "w", layout);
    partition = (struct axi_partition){
        .id = "one",
        .name = "one",
        .isa = "aarch64",
        .cpu_count = 2,
        .cpus.bits = {0x6},
        .memory = {{.host_address = RAM, .guest_address = 0, .bytes = 0x8000, .flags = 0x27},
                   {.host_address = RAM + 0x20000,
                    .guest_address = 0x8000,
                    .bytes = 0x8000,
                    .flags = 0x27}},
        .memory_count = 2,
        .channels = {{.name = AXI_HOST_CHANNEL,
                      .host_address = HOST_CHANNEL,
                      .guest_address = HOST_CHANNEL,
                      .bytes = 0x2000,
                      .peers = 1}},
        .channel_count = 1,
        .console.kind = AXI_CONSOLE_HYPERVISOR,
        .images = {{.path = "a.bin", .core = -1, .load_address = 0x7000, .entry = AXI_ANY}},
        .image_count = 1,
    };
    char path[128];
    static uint8_t image[0x2000];
    memset(image, 0xa5, sizeof(image));
    (void)snprintf(path, sizeof(path), "%s/image", folder);
    partition.images[0].fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    partition.images[0].bytes = sizeof(image);
    assert_int_equal(write(partition.images[0].fd, image, sizeof(image)), sizeof(image));
}

static int setup(void **state)
{
    (void)state;
    static const char *const folders[] = {"sys", "sys/cells", "sys/cells/0", "firmware", "state"};
    char path[128];
    (void)strcpy(folder, "/tmp/axc-jailhouse-XXXXXX");
    assert_non_null(mkdtemp(folder));
    for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
        (void)snprintf(path, sizeof(path), "%s/%s", folder, folders[i]);
        assert_int_equal(mkdir(path, 0700), 0);
    }
    put("device", "w", "hypervisor: said before\n");
    put("mem", "w", "");
    put("arch", "w", "2");
    put("sys/enabled", "w", "1\n");
    put("sys/cells/0/name", "w", "root\n");
    put("sys/cells/0/state", "w", "running\n");
    put("sys/cells/0/cpus_assigned_list", "w", "0-3\n");
    (void)snprintf(path, sizeof(path), "%s/mem", folder);
    assert_int_equal(truncate(path, 0x400000), 0);
    (void)snprintf(path, sizeof(path), "%s/state", folder);
    host =
        (struct axi_hv_host){.platform = &platform, .state_fd = open(path, O_RDONLY | O_DIRECTORY)};
    assert_int_equal(setenv("AXC_FAKE_JAILHOUSE", folder, 1), 0);
    report = (struct axi_report){0};
    guest = NULL;
    describe("siemens14");
    return 0;
}

static int remove_item(const char *path, const struct stat *status, int type, struct FTW *where)
{
    (void)status;
    (void)type;
    (void)where;
    return remove(path);
}

static int teardown(void **state)
{
    (void)state;
    hv->destroy(guest);
    (void)close(host.state_fd);
    (void)close(partition.images[0].fd);
    assert_string_equal(get("sys/cells/0/cpus_assigned_list"), "0-3\n"); /* nothing leaked */
    assert_int_equal(access("hung", F_OK), -1);
    return nftw(folder, remove_item, 8, FTW_DEPTH | FTW_PHYS);
}

static int prepare(void)
{
    int rc = hv->probe(&platform, &partition, &report);
    return rc != 0 ? rc : hv->prepare(&partition, &host, &report, &guest);
}

static void assert_prepared(void)
{
    if (prepare() != 0) {
        fail_msg("%s", report.text);
    }
}

static struct axi_hv_status status(void)
{
    struct axi_hv_status now;
    hv->dispatch(guest);
    hv->status(guest, &now);
    return now;
}

static const char *console(void)
{
    static char text[512];
    ssize_t got = read(hv->console_fd(guest), text, sizeof(text) - 1);
    text[got > 0 ? got : 0] = '\0';
    return text;
}

/* --- life --- */

static void create_load_start_exit(void **state)
{
    (void)state;
    uint8_t bytes[0x1000];
    memset(bytes, 0xee, sizeof(bytes));
    put_memory(RAM, bytes, sizeof(bytes)); /* what a former partition left */
    assert_prepared();
    assert_string_equal(get("sys/cells/1/name"), "one\n");
    assert_string_equal(get("sys/cells/1/state"), "shut down\n");
    assert_string_equal(get("sys/cells/0/cpus_assigned_list"), "0,3\n");
    get_memory(RAM, bytes, sizeof(bytes));
    assert_int_equal(bytes[0] | bytes[4095], 0);
    get_memory(RAM + 0x7000, bytes, sizeof(bytes)); /* the image crosses two regions */
    assert_int_equal(bytes[0] & bytes[4095], 0xa5);
    get_memory(RAM + 0x20000, bytes, sizeof(bytes));
    assert_int_equal(bytes[0] & bytes[4095], 0xa5);
    assert_int_equal(status().state, AXI_HV_PREPARED);
    assert_int_equal(hv->verify(guest, &report), 0);
    put("guest", "w", "hello from the cell\n");
    assert_int_equal(hv->start(guest, &report), 0);
    assert_int_equal(status().state, AXI_HV_RUNNING);
    assert_string_equal(console(), "hello from the cell\n"); /* nothing from before */
    assert_int_equal(hv->verify(guest, &report), 0);
    struct axi_hv_stats stats;
    uint32_t exit_word = AXI_HOST_CHANNEL_EXIT + 3;
    uint64_t beat = 99;
    put_memory(HOST_CHANNEL + 16, &beat, sizeof(beat));
    assert_int_equal(hv->stats(guest, &stats), 0);
    assert_int_equal(stats.exits, 7);
    assert_int_equal(stats.heartbeat, 99);
    put("device", "a", "bye\n");
    put_memory(HOST_CHANNEL + 12, &exit_word, sizeof(exit_word));
    assert_int_equal(status().state, AXI_HV_STOPPED);
    assert_int_equal(status().exit_code, 3);
    assert_string_equal(console(), "bye\n");
    assert_int_equal(read(hv->console_fd(guest), bytes, 1), 0); /* complete */
    assert_string_equal(get("sys/cells/1/state"), "shut down\n");
    hv->destroy(guest);
    guest = NULL;
    assert_string_equal(get("sys/cells/1/name"), "");
}

static void states_of_the_driver_are_told_apart(void **state)
{
    static const struct {
        const char *text;
        enum axi_hv_state state;
    } cases[] = {
        {"running\n", AXI_HV_RUNNING},          {"running/locked\n", AXI_HV_RUNNING},
        {"shut down\n", AXI_HV_STOPPED},        {"failed\n", AXI_HV_FAILED},
        {"Comm ABI mismatch\n", AXI_HV_FAILED}, {"invalid\n", AXI_HV_FAILED},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_prepared();
        assert_int_equal(hv->start(guest, &report), 0);
        put("sys/cells/1/state", "w", cases[i].text);
        assert_int_equal(status().state, cases[i].state);
        put("sys/cells/1/state", "w", "running\n"); /* a locked cell would deny its end */
        hv->destroy(guest);
        guest = NULL;
    }
    assert_prepared(); /* one of two CPUs failed: the driver still says running */
    assert_int_equal(hv->start(guest, &report), 0);
    put("sys/cells/1/cpus_failed_list", "w", "2\n");
    assert_int_equal(status().state, AXI_HV_FAILED);
    assert_non_null(strstr(status().reason, "CPU 2"));
}

static void stop_asks_or_ends(void **state)
{
    (void)state;
    assert_prepared();
    assert_int_equal(hv->start(guest, &report), 0);
    uint32_t request = 0;
    assert_int_equal(hv->stop(guest, true, &report), 0);
    get_memory(HOST_CHANNEL + 8, &request, sizeof(request));
    assert_int_equal(request, AXI_HOST_CHANNEL_END);
    assert_int_equal(status().state, AXI_HV_RUNNING);
    assert_int_equal(hv->pause(guest, &report), -AXC_EHV_UNSUPPORTED);
    assert_int_equal(hv->stop(guest, false, &report), 0);
    assert_int_equal(status().state, AXI_HV_STOPPED);
    assert_int_equal(status().exit_code, AXI_EXIT_KILLED);
    hv->destroy(guest);
    partition.channel_count = 0;
    assert_prepared();
    assert_int_equal(hv->start(guest, &report), 0);
    assert_int_equal(hv->stop(guest, true, &report), -AXC_EHV_UNSUPPORTED);
}

static void active_cell_may_deny_and_is_never_waited_for_without_end(void **state)
{
    (void)state;
    partition.channel_count = 0;
    partition.options[0] = (struct axi_partition_option){"commreg", "active"};
    partition.option_count = 1;
    assert_prepared();
    assert_int_equal(hv->start(guest, &report), 0);
    put("deny", "w", "");
    assert_int_equal(hv->stop(guest, true, &report), -AXC_EHV_FAILED);
    assert_non_null(strstr(report.text, "EPERM"));
    hv->destroy(guest); /* refused as well: the mark stays */
    guest = NULL;
    assert_string_equal(get("sys/cells/1/name"), "one\n");
    assert_int_equal(hv->reclaim(&partition, &host, &report), -AXC_EHV_FAILED);
    char path[128];
    (void)snprintf(path, sizeof(path), "%s/deny", folder);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(hv->reclaim(&partition, &host, &report), 0);
    assert_int_equal(hv->reclaim(&partition, &host, &report), 0);
    assert_string_equal(get("hung"), "");
}

/* --- refusals and traps --- */

static void each_step_that_is_refused_leaves_nothing(void **state)
{
    static const char *const steps[] = {"create 16", "create 22", "create 7", "create 1",
                                        "create 12", "load 22",   "load 16"};
    (void)state;
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        put("fail", "w", "");
        assert_int_equal(hv->probe(&platform, &partition, &report), 0);
        put("fail", "w", steps[i]);
        assert_int_equal(hv->prepare(&partition, &host, &report, &guest), -AXC_EHV_FAILED);
        assert_string_equal(get("sys/cells/1/name"), "");
        assert_int_equal(faccessat(host.state_fd, "hv-cell", F_OK, 0), -1);
    }
    put("fail", "w", "");
    assert_prepared();
    put("fail", "w", "start 5");
    assert_int_equal(hv->start(guest, &report), -AXC_EHV_FAILED);
    put("fail", "w", "");
}

static void success_without_a_cell_is_noticed(void **state)
{
    (void)state;
    put("arch", "w", "1"); /* the driver says 0 and makes nothing */
    assert_int_equal(prepare(), -AXC_EHV_VERIFY);
    assert_non_null(strstr(report.text, "has no cell one"));
}

static void wrong_layout_is_noticed(void **state)
{
    (void)state;
    describe("siemens14");
    put("layout", "w", "omnivisor14");            /* the same signature, revision and commands */
    assert_int_equal(prepare(), -AXC_EHV_FAILED); /* takes memory for CPUs that are not there */
    put("sys/cells/0/cpus_assigned_list", "w", "0-63\n");
    assert_int_equal(prepare(), -AXC_EHV_VERIFY); /* and here for some that are */
    put("sys/cells/0/cpus_assigned_list", "w", "0-3\n");
    assert_non_null(strstr(report.text, "layout"));
    put("layout", "w", "omnivisor2025"); /* other commands */
    assert_int_equal(prepare(), -AXC_EHV_UNSUPPORTED);
    assert_non_null(strstr(report.text, "does not know the commands"));
    put("layout", "w", "bu13");
    assert_int_equal(prepare(), -AXC_EHV_FAILED);
    put("layout", "w", "siemens14");
    put("sys/enabled", "w", "0\n");
    assert_int_equal(prepare(), -AXC_EHV_UNSUPPORTED);
}

static void foreign_cell_of_this_name_survives(void **state)
{
    (void)state;
    assert_prepared();
    assert_int_equal(unlinkat(host.state_fd, "hv-cell", 0), 0); /* as if an admin had made it */
    struct axi_hv_guest *second = NULL;
    assert_int_equal(hv->prepare(&partition, &host, &report, &second), -AXC_EHV_FAILED);
    assert_non_null(strstr(report.text, "exists"));
    assert_int_equal(hv->reclaim(&partition, &host, &report), 0);
    assert_string_equal(get("sys/cells/1/name"), "one\n");
}

static void bad_image_is_refused_before_there_is_a_cell(void **state)
{
    (void)state;
    partition.images[0].load_address = 0xf000; /* ends behind the memory */
    assert_int_not_equal(prepare(), 0);
    assert_string_equal(get("sys/cells/1/name"), "");
    assert_null(strstr(get("calls"), "create"));
}

static void omnivisor_answers_yes_and_starts_nothing(void **state)
{
    (void)state;
    describe("omnivisor14");
    assert_prepared();
    put("fail", "w", "start-hypercall 1");
    assert_int_equal(hv->start(guest, &report), -AXC_EHV_FAILED);
    assert_non_null(strstr(report.text, "still shut down"));
}

static void remote_core_gets_its_image_as_firmware(void **state)
{
    (void)state;
    describe("siemens14");
    partition.remote_cores[0] = (struct axi_remote_core){.name = "rpu0", .id = 0};
    partition.remote_core_count = 1;
    assert_int_equal(prepare(), -AXC_EHV_UNSUPPORTED);
    describe("omnivisor2025");
    partition.remote_cores[0] = (struct axi_remote_core){.name = "rpu0", .id = 0};
    partition.remote_core_count = 1;
    partition.cpu_count = 0;
    partition.cpus = (struct axi_cpuset){0};
    partition.images[0].core = 0;
    assert_prepared();
    assert_string_equal(get("sys/cells/1/rcpus_assigned_list"), "0\n");
    char path[128];
    struct stat file;
    (void)snprintf(path, sizeof(path), "%s/firmware", folder);
    assert_int_equal(stat(path, &file), 0);
    assert_int_equal(file.st_nlink, 2);
    assert_int_equal(hv->start(guest, &report), 0);
    assert_int_equal(status().state, AXI_HV_RUNNING);
    hv->destroy(guest);
    guest = NULL;
    assert_int_equal(rmdir(path), 0); /* empty */
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(create_load_start_exit),
        CASE(states_of_the_driver_are_told_apart),
        CASE(stop_asks_or_ends),
        CASE(active_cell_may_deny_and_is_never_waited_for_without_end),
        CASE(each_step_that_is_refused_leaves_nothing),
        CASE(success_without_a_cell_is_noticed),
        CASE(wrong_layout_is_noticed),
        CASE(foreign_cell_of_this_name_survives),
        CASE(bad_image_is_refused_before_there_is_a_cell),
        CASE(omnivisor_answers_yes_and_starts_nothing),
        CASE(remote_core_gets_its_image_as_firmware),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
