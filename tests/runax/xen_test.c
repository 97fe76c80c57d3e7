/* SPDX-License-Identifier: Apache-2.0 */
/* The xen backend against a scripted xl (fake_xl). */
#include "runax/hv/xen/xen.h"
#include "support/test.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static const struct axi_hv *const hv = &axi_hv_xen;
static char folder[64];
static struct axi_platform platform;
static struct axi_partition partition;
static struct axi_hv_host host;
static struct axi_report report;
static struct axi_hv_guest *guest;

static void put(const char *name, const char *text)
{
    char path[256];
    (void)snprintf(path, sizeof(path), "%s/%s", folder, name);
    FILE *file = fopen(path, "w");
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

static void drop(const char *name)
{
    char path[256];
    (void)snprintf(path, sizeof(path), "%s/%s", folder, name);
    (void)unlink(path);
}

static int setup(void **state)
{
    (void)state;
    char path[256];
    char command[512];
    (void)strcpy(folder, "/tmp/axc-xen-XXXXXX");
    assert_non_null(mkdtemp(folder));
    (void)snprintf(command, sizeof(command), "cp %s %s/xl && mkdir %s/domains %s/state",
                   getenv("AXCAN_FAKE_XL"), folder, folder, folder);
    assert_int_equal(system(command), 0);
    platform = (struct axi_platform){.board = "virt", .isa = "aarch64", .cpus.bits = {0xe}};
    (void)snprintf(platform.xen.xl, sizeof(platform.xen.xl), "%s/xl", folder);
    partition = (struct axi_partition){
        .id = "one",
        .name = "one",
        .isa = "aarch64",
        .cpu_count = 2,
        .cpus.bits = {0xa},
        .memory = {{.host_address = AXI_ANY, .guest_address = AXI_ANY, .bytes = 0x1000000}},
        .memory_count = 1,
        .images = {{.path = "a.bin", .core = -1, .load_address = AXI_ANY, .entry = AXI_ANY}},
        .image_count = 1,
        .console.kind = AXI_CONSOLE_DEFAULT,
    };
    (void)snprintf(path, sizeof(path), "%s/image", folder);
    partition.images[0].fd = open(path, O_RDWR | O_CREAT, 0600);
    partition.images[0].bytes = 64;
    assert_int_equal(pwrite(partition.images[0].fd, "ARM\x64....", 8, 56), 8);
    (void)snprintf(path, sizeof(path), "%s/state", folder);
    host =
        (struct axi_hv_host){.platform = &platform, .state_fd = open(path, O_RDONLY | O_DIRECTORY)};
    report = (struct axi_report){0};
    guest = NULL;
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
    char path[256];
    (void)snprintf(path, sizeof(path), "%s/domains", folder);
    assert_int_equal(rmdir(path), 0); /* nothing leaked */
    (void)snprintf(path, sizeof(path), "%s/state", folder);
    assert_int_equal(rmdir(path), 0);
    (void)close(host.state_fd);
    (void)close(partition.images[0].fd);
    return nftw(folder, remove_item, 8, FTW_DEPTH | FTW_PHYS);
}

static void assert_prepared(void)
{
    if (hv->probe(&platform, &partition, &report) != 0 ||
        hv->prepare(&partition, &host, &report, &guest) != 0) {
        fail_msg("%s", report.text);
    }
}

/* Dispatches until the state is this one; the time is bounded by the test's own limit. */
static struct axi_hv_status wait_for(enum axi_hv_state state)
{
    struct axi_hv_status now;
    struct timespec pause = {.tv_nsec = 2000000};
    do {
        hv->dispatch(guest);
        hv->status(guest, &now);
        (void)nanosleep(&pause, NULL);
    } while (now.state != state);
    return now;
}

static const char *config_of(void)
{
    static char *text = NULL;
    size_t length = 0;
    free(text);
    FILE *file = open_memstream(&text, &length);
    int rc = axi_xen_print_config(&partition, "/k", file, &report);
    (void)fclose(file);
    return rc == 0 ? text : "";
}

static void configuration_has_what_the_partition_has(void **state)
{
    (void)state;
    partition.devices[0] = (struct axi_device){.name = "uart1",
                                               .path = "/axi/serial@ff010000",
                                               .host_address = 0xff010000,
                                               .guest_address = 0xff010000,
                                               .bytes = 0x1000,
                                               .irqs = {54}};
    partition.device_count = 1;
    partition.irqs[0] = 140;
    partition.irq_count = 1;
    partition.options[0] = (struct axi_partition_option){"gic_version", "v3"};
    partition.option_count = 1;
    assert_string_equal(config_of(),
                        "name = \"one\"\nkernel = \"/k\"\nmemory = 16\nvcpus = 2\n"
                        "cpus = [\"1\", \"3\"]\nvuart = \"sbsa_uart\"\n"
                        "on_poweroff = \"preserve\"\non_reboot = \"preserve\"\n"
                        "on_crash = \"preserve\"\non_watchdog = \"preserve\"\n"
                        "gic_version = \"v3\"\n"
                        "iomem = [\"ff010,1@ff010\"]\nirqs = [140, 54]\n"
                        "passthrough = \"enabled\"\ndtdev = [\"/axi/serial@ff010000\"]\n");
    (void)strcpy(partition.options[0].value, "v3\"\nvif = [\"");
    assert_string_equal(config_of(), "");
    assert_non_null(strstr(report.text, "option"));
}

static void dom0less_overlay_describes_the_domain(void **state)
{
    (void)state;
    char *text = NULL;
    size_t length = 0;
    FILE *file = open_memstream(&text, &length);
    partition.memory[0].host_address = 0x870000000;
    partition.images[0].bytes = 0x1234;
    assert_int_equal(axi_xen_print_dom0less(&partition, file, &report), 0);
    (void)fclose(file);
    static const char *const lines[] = {
        "&{/chosen} {\n\tone {\n",
        "compatible = \"xen,domain\";",
        "memory = <0x0 0x4000>;",
        "cpus = <2>;",
        "vpl011;",
        "xen,static-mem = <0x8 0x70000000 0x0 0x1000000>;",
        "module@50000000 {",
        "reg = <0x0 0x50000000 0x0 0x1234>;",
    };
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        if (strstr(text, lines[i]) == NULL) {
            fail_msg("no %s in %s", lines[i], text);
        }
    }
    free(text);
}

static void life_of_a_domain(void **state)
{
    (void)state;
    char text[64];
    assert_prepared();
    assert_string_equal(get("domains/one"), "--p---\n");
    assert_int_equal(hv->start(guest, &report), 0);
    (void)wait_for(AXI_HV_RUNNING);
    assert_int_equal(hv->pause(guest, &report), 0);
    assert_string_equal(get("domains/one"), "--p---\n");
    (void)wait_for(AXI_HV_PAUSED);
    assert_int_equal(hv->resume(guest, &report), 0);
    assert_int_equal(write(hv->console_fd(guest), "echo\n", 5), 5);
    ssize_t used = 0;
    while (used < 20) {
        ssize_t got = read(hv->console_fd(guest), text + used, sizeof(text) - (size_t)used);
        used += got > 0 ? got : 0;
    }
    text[used] = '\0';
    assert_string_equal(text, "console of one\necho\n");
    assert_int_equal(hv->stop(guest, true, &report), 0);
    assert_int_equal(wait_for(AXI_HV_STOPPED).exit_code, 0);
    assert_int_equal(hv->stop(guest, false, &report), 0);
}

static void ends_are_told_apart(void **state)
{
    static const struct {
        const char *flags;
        enum axi_hv_state state;
        const char *word;
    } cases[] = {
        {"---s-- 0\n", AXI_HV_STOPPED, "poweroff"},
        {"---s-- 1\n", AXI_HV_STOPPED, "reboot"},
        {"---s-- 3\n", AXI_HV_FAILED, "crash"},
        {"---s-- 4\n", AXI_HV_FAILED, "watchdog"},
        {"---sc- 3\n", AXI_HV_FAILED, "crashed"},
        {"-----d\n", AXI_HV_FAILED, "dying"},
        {NULL, AXI_HV_FAILED, "gone"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_prepared();
        assert_int_equal(hv->start(guest, &report), 0);
        if (cases[i].flags != NULL) {
            put("domains/one", cases[i].flags);
        } else {
            drop("domains/one");
            drop("domains/one.cfg");
        }
        assert_non_null(strstr(wait_for(cases[i].state).reason, cases[i].word));
        hv->destroy(guest);
        guest = NULL;
    }
}

static void stop_asks_or_kills(void **state)
{
    (void)state;
    assert_prepared();
    assert_int_equal(hv->start(guest, &report), 0);
    put("no-driver", "");
    assert_int_equal(hv->stop(guest, true, &report), -AXC_EHV_UNSUPPORTED);
    assert_non_null(strstr(report.text, "not available"));
    assert_int_equal(hv->stop(guest, false, &report), 0);
    assert_int_equal(wait_for(AXI_HV_STOPPED).exit_code, AXI_EXIT_KILLED);
}

static void refusals_leave_nothing(void **state)
{
    (void)state;
    put("fail", "create");
    assert_int_equal(hv->prepare(&partition, &host, &report, &guest), -AXC_EHV_FAILED);
    assert_non_null(strstr(report.text, "create refused"));
    put("fail", "");
    put("liar", "");
    assert_int_equal(hv->prepare(&partition, &host, &report, &guest), -AXC_EHV_VERIFY);
    assert_string_equal(get("domains/one"), "");
    drop("liar");
    put("fail", "info");
    assert_int_equal(hv->probe(&platform, &partition, &report), -AXC_EHV_UNSUPPORTED);
    put("fail", "");
    (void)strcpy(platform.xen.xl, "/nonexistent/xl");
    assert_int_equal(hv->probe(&platform, &partition, &report), -AXC_EHV_UNSUPPORTED);
    (void)snprintf(platform.xen.xl, sizeof(platform.xen.xl), "%s/xl", folder);
    assert_int_equal(pwrite(partition.images[0].fd, "none", 4, 56), 4);
    assert_int_equal(hv->prepare(&partition, &host, &report, &guest), -AXC_EHV_UNSUPPORTED);
    assert_non_null(strstr(report.text, "Image header"));
    partition.memory[0].guest_address = 0;
    assert_int_equal(hv->probe(&platform, &partition, &report), -AXC_EHV_UNSUPPORTED);
}

static void foreign_domain_survives_and_a_left_one_does_not(void **state)
{
    (void)state;
    put("domains/one", "r-----\n");
    put("domains/one.cfg", "");
    assert_int_equal(hv->prepare(&partition, &host, &report, &guest), -AXC_EHV_FAILED);
    assert_int_equal(hv->reclaim(&partition, &host, &report), 0);
    assert_string_equal(get("domains/one"), "r-----\n");
    put("state/hv-domain", ""); /* as a killed monitor leaves it */
    put("fail", "destroy");
    assert_int_equal(hv->reclaim(&partition, &host, &report), -AXC_EHV_FAILED);
    put("fail", "");
    assert_int_equal(hv->reclaim(&partition, &host, &report), 0);
    assert_int_equal(hv->reclaim(&partition, &host, &report), 0);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(configuration_has_what_the_partition_has),
        CASE(dom0less_overlay_describes_the_domain),
        CASE(life_of_a_domain),
        CASE(ends_are_told_apart),
        CASE(stop_asks_or_kills),
        CASE(refusals_leave_nothing),
        CASE(foreign_domain_survives_and_a_left_one_does_not),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
