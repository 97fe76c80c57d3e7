/* SPDX-License-Identifier: Apache-2.0 */
#include "runax/resource/resource.h"

#include "runax/hv/hv.h"
#include "runax/resource/allocate.h"
#include "runax/resource/journal.h"
#include "support/test.h"

#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* --- a hypervisor that keeps one file per partition it runs --- */

static char hv_folder[64];
static bool refuses_reclaim;

static int fake_reclaim(const struct axi_partition *partition, const struct axi_hv_host *host,
                        struct axi_report *report)
{
    (void)host;
    char path[256];
    (void)snprintf(path, sizeof(path), "%s/%s", hv_folder, partition->name);
    if (refuses_reclaim) {
        return axi_report_set(report, -AXC_EHV_FAILED, "fake: refused");
    }
    (void)unlink(path);
    return 0;
}

static void fake_create(const struct axi_partition *partition)
{
    char path[256];
    (void)snprintf(path, sizeof(path), "%s/%s", hv_folder, partition->name);
    int fd = open(path, O_CREAT | O_EXCL | O_WRONLY, 0600);
    assert_true(fd >= 0);
    (void)close(fd);
}

static const struct axi_hv fake_hv = {.name = "fake",
                                      .takes =
                                          AXI_TAKES_MEMORY | AXI_TAKES_DEVICES | AXI_TAKES_CONSOLE,
                                      .reclaim = fake_reclaim};
static const struct axi_hv host_hv = {.name = "host", .takes = 0, .reclaim = fake_reclaim};

const struct axi_hv *axi_hv_find(const char *name)
{
    return strcmp(name, "fake") == 0 ? &fake_hv : strcmp(name, "host") == 0 ? &host_hv : NULL;
}

/* --- fixture --- */

static char folder[64];
static struct axi_platform platform;
static struct axi_report report;

static int remove_item(const char *path, const struct stat *status, int type, struct FTW *where)
{
    (void)status;
    (void)type;
    (void)where;
    return remove(path);
}

static int setup(void **state)
{
    (void)state;
    const char *base = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
    (void)snprintf(folder, sizeof(folder), "%s/axc-resource-XXXXXX", base);
    (void)snprintf(hv_folder, sizeof(hv_folder), "%s/axc-fakehv-XXXXXX", base);
    assert_non_null(mkdtemp(folder));
    assert_non_null(mkdtemp(hv_folder));
    refuses_reclaim = false;
    platform = (struct axi_platform){
        .board = "test",
        .cpus.bits = {0xff},
        .pools = {{.name = "ram", .address = 0x70000000, .bytes = 0x400000},
                  {.name = "ram", .address = 0x80000000, .bytes = 0x200000},
                  {.name = "tcm", .address = 0xffe00000, .bytes = 0x10000}},
        .pool_count = 3,
        .irqs = {{.first = 136, .count = 8}},
        .irq_count = 1,
        .devices = {{.name = "uart1", .host_address = 0xff010000, .bytes = 0x1000, .irqs = {54}}},
        .device_count = 1,
        .remote_cores = {{.name = "rpu0", .id = 0}, {.name = "rpu1", .id = 1}},
        .remote_core_count = 2,
    };
    report = (struct axi_report){0};
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    (void)nftw(folder, remove_item, 8, FTW_DEPTH | FTW_PHYS);
    (void)nftw(hv_folder, remove_item, 8, FTW_DEPTH | FTW_PHYS);
    return 0;
}

static struct axi_partition wish(const char *id, uint32_t cpus, uint64_t bytes)
{
    struct axi_partition partition = {
        .hv = "fake",
        .cpu_count = cpus,
        .memory = {{.host_address = AXI_ANY, .guest_address = 0, .bytes = bytes, .flags = 0x27}},
        .memory_count = bytes != 0,
    };
    (void)snprintf(partition.id, sizeof(partition.id), "%s", id);
    axi_partition_name(&partition);
    return partition;
}

static int acquire(struct axi_partition *partition)
{
    return axi_resource_acquire(folder, &platform, "/nonexistent", getpid(), partition, &report);
}

static int count_entries(void)
{
    FILE *null = fopen("/dev/null", "w");
    int count = axi_resource_print(folder, null, &report);
    (void)fclose(null);
    return count;
}

static int count_files(const char *path)
{
    char command[128];
    int count = -1;
    (void)snprintf(command, sizeof(command), "ls -A %s | grep -v '^.lock$' | wc -l", path);
    FILE *pipe = popen(command, "r");
    assert_int_equal(fscanf(pipe, "%d", &count), 1);
    (void)pclose(pipe);
    return count;
}

/* --- CPUs --- */

static void gives_free_cpus_and_never_cpu_0(void **state)
{
    (void)state;
    struct axi_partition a = wish("a", 4, 0);
    assert_int_equal(acquire(&a), 0);
    assert_int_equal(a.cpus.bits[0], 0xf0);
    struct axi_partition b = wish("b", 4, 0); /* 1 to 3 are left, 0 is the host's */
    assert_int_equal(acquire(&b), -AXC_ERESOURCE_CPU);
    assert_non_null(strstr(report.text, "CPU 0"));
    b = wish("b", 3, 0);
    assert_int_equal(acquire(&b), 0);
    assert_int_equal(b.cpus.bits[0], 0x0e);
}

static void chooses_inside_the_allowed_set(void **state)
{
    (void)state;
    struct axi_partition a = wish("a", 1, 0);
    a.cpus.bits[0] = 0x0c;
    assert_int_equal(acquire(&a), 0);
    assert_int_equal(a.cpus.bits[0], 0x08);
    struct axi_partition b = wish("b", 2, 0);
    b.cpus.bits[0] = 0x0c;
    assert_int_equal(acquire(&b), -AXC_ERESOURCE_CPU);
    assert_non_null(strstr(report.text, "taken by a"));
    struct axi_partition c = wish("c", 1, 0);
    c.cpus.bits[0] = 0x100;
    assert_int_equal(acquire(&c), -AXC_ERESOURCE_CPU);
    struct axi_partition none = wish("d", 0, 0);
    assert_int_equal(acquire(&none), -AXC_ERESOURCE_CPU);
    assert_int_equal(count_entries(), 1);
}

static void shares_cpus_evenly_where_allowed(void **state)
{
    (void)state;
    platform.shares_cpus = platform.allows_cpu0 = true;
    platform.cpus.bits[0] = 3;
    uint64_t seen[4];
    for (int i = 0; i < 4; i++) {
        char id[8];
        (void)snprintf(id, sizeof(id), "p%d", i);
        struct axi_partition partition = wish(id, 1, 0);
        assert_int_equal(acquire(&partition), 0);
        seen[i] = partition.cpus.bits[0];
    }
    assert_int_equal(seen[0] | seen[1], 3);
    assert_int_equal(seen[2] | seen[3], 3);
}

/* --- memory --- */

static void places_memory_aligned_and_apart(void **state)
{
    (void)state;
    struct axi_partition a = wish("a", 1, 0x10000);
    struct axi_partition b = wish("b", 1, 0x20000);
    b.memory[0].align = 0x100000;
    assert_int_equal(acquire(&a), 0);
    assert_int_equal(acquire(&b), 0);
    assert_int_equal(a.memory[0].host_address, 0x70000000);
    assert_int_equal(b.memory[0].host_address, 0x70100000);
    struct axi_partition c = wish("c", 1, 0x80000);
    assert_int_equal(acquire(&c), 0);
    assert_int_equal(c.memory[0].host_address, 0x70010000);
    assert_int_equal(axi_resource_release(folder, "a", &report), 0);
    struct axi_partition d = wish("d", 1, 0x10000);
    assert_int_equal(acquire(&d), 0);
    assert_int_equal(d.memory[0].host_address, 0x70000000);
}

static void splits_memory_over_pools_when_the_guest_does_not_see_it(void **state)
{
    (void)state;
    struct axi_partition a = wish("a", 1, 0x500000);
    assert_int_equal(acquire(&a), 0);
    assert_int_equal(a.memory_count, 2);
    assert_int_equal(a.memory[0].host_address, 0x70000000);
    assert_int_equal(a.memory[0].bytes, 0x400000);
    assert_int_equal(a.memory[1].host_address, 0x80000000);
    assert_int_equal(a.memory[1].guest_address, 0x400000);
    assert_int_equal(a.memory[1].bytes, 0x100000);
    struct axi_partition b = wish("b", 1, 0x200000);
    assert_int_equal(acquire(&b), -AXC_ERESOURCE_MEMORY);
    struct axi_partition c = wish("c", 1, 0x500000);
    c.memory[0].guest_address = AXI_ANY;
    assert_int_equal(acquire(&c), -AXC_ERESOURCE_MEMORY);
}

static void refuses_memory_that_overlaps_or_is_not_offered(void **state)
{
    (void)state;
    struct axi_partition a = wish("a", 1, 0x10000);
    a.memory[1] = a.memory[0];
    a.memory[1].guest_address = 0xf000;
    a.memory_count = 2;
    assert_int_equal(acquire(&a), -AXC_ERESOURCE_OVERLAP);
    a.memory[1].guest_address = 0x10000;
    a.memory[0].host_address = a.memory[1].host_address = 0x70000000;
    assert_int_equal(acquire(&a), -AXC_ERESOURCE_OVERLAP);
    a.memory[1].host_address = 0x60000000;
    assert_int_equal(acquire(&a), -AXC_ERESOURCE_MEMORY);
    assert_non_null(strstr(report.text, "not offered"));
    a.memory[1].host_address = 0xff010000; /* registers are no RAM */
    assert_int_equal(acquire(&a), -AXC_ERESOURCE_MEMORY);
    a.memory[1].host_address = 0x703ff000; /* ends behind the pool */
    assert_int_equal(acquire(&a), -AXC_ERESOURCE_MEMORY);
    a.memory[1].host_address = AXI_ANY;
    a.memory[1].bytes = 0x1001;
    assert_int_equal(acquire(&a), -AXC_ERESOURCE_MEMORY);
    a.memory[1].bytes = UINT64_MAX & ~UINT64_C(0xfff);
    assert_int_equal(acquire(&a), -AXC_ERESOURCE_MEMORY);
    a.memory[1].bytes = 0x1000;
    (void)strcpy(a.memory[1].pool, "ocm");
    assert_int_equal(acquire(&a), -AXC_ERESOURCE_MEMORY);
    assert_int_equal(count_entries(), 0);
    (void)strcpy(a.memory[1].pool, "tcm");
    assert_int_equal(acquire(&a), 0);
    assert_int_equal(a.memory[1].host_address, 0xffe00000);
    struct axi_partition b = wish("b", 1, 0x1000);
    b.memory[0].host_address = 0x70008000;
    assert_int_equal(acquire(&b), -AXC_ERESOURCE_MEMORY);
    assert_non_null(strstr(report.text, "taken by a"));
}

static void counts_host_memory_against_its_limit(void **state)
{
    (void)state;
    platform.host_memory_bytes = 0x300000;
    struct axi_partition a = wish("a", 1, 0x200000);
    (void)strcpy(a.hv, "host");
    a.memory[0].host_address = 0x1000; /* chosen by the hypervisor instead */
    assert_int_equal(acquire(&a), 0);
    assert_true(a.memory[0].host_address == AXI_ANY);
    struct axi_partition b = wish("b", 1, 0x101000);
    (void)strcpy(b.hv, "host");
    assert_int_equal(acquire(&b), -AXC_ERESOURCE_MEMORY);
    b.memory[0].bytes = 0x100000;
    assert_int_equal(acquire(&b), 0);
}

/* --- interrupts, channels, devices, remote cores --- */

static void gives_channels_consecutive_interrupts_and_shared_memory(void **state)
{
    (void)state;
    struct axi_partition a = wish("a", 1, 0);
    struct axi_channel channel = {.name = "net",
                                  .host_address = AXI_ANY,
                                  .guest_address = AXI_ANY,
                                  .bytes = 0x10000,
                                  .peers = 2,
                                  .irq = AXI_ANY};
    a.channels[0] = a.channels[1] = channel;
    (void)strcpy(a.channels[1].name, "aux");
    a.channel_count = 2;
    a.irqs[0] = 137;
    a.irq_count = 1;
    assert_int_equal(acquire(&a), 0);
    assert_int_equal(a.channels[0].pci_bdf, 1 << 3); /* pin 1 of base 137: 137 is taken */
    assert_int_equal(a.channels[1].pci_bdf, 2 << 3);
    assert_int_equal(a.channels[0].irq, 138);
    assert_int_equal(a.channels[1].irq, 139);
    struct axi_partition b = wish("b", 1, 0);
    b.channels[0] = channel;
    b.channel_count = 1;
    assert_int_equal(acquire(&b), -AXC_ERESOURCE_MEMORY); /* the same device id */
    assert_non_null(strstr(report.text, "device id"));
    b.channels[0].device_id = 1;
    assert_int_equal(acquire(&b), 0);
    assert_int_equal(b.channels[0].host_address, a.channels[0].host_address);
    assert_int_equal(b.channels[0].pci_bdf, a.channels[0].pci_bdf);
    assert_int_equal(b.channels[0].irq, 136);
    struct axi_partition c = wish("c", 1, 0);
    c.irqs[0] = 138;
    c.irq_count = 1;
    assert_int_equal(acquire(&c), -AXC_ERESOURCE_IRQ);
    c.irqs[0] = 32;
    assert_int_equal(acquire(&c), -AXC_ERESOURCE_IRQ);
}

static void gives_a_device_to_one_only(void **state)
{
    (void)state;
    struct axi_partition a = wish("a", 1, 0);
    (void)strcpy(a.devices[0].name, "uart1");
    a.device_count = 1;
    assert_int_equal(acquire(&a), 0);
    assert_int_equal(a.devices[0].guest_address, 0xff010000);
    assert_int_equal(a.devices[0].irqs[0], 54);
    struct axi_partition b = a;
    (void)strcpy(b.id, "b");
    (void)strcpy(b.name, "b");
    b.cpus = (struct axi_cpuset){0};
    assert_int_equal(acquire(&b), -AXC_ERESOURCE_DEVICE);
    assert_non_null(strstr(report.text, "taken by a"));
    struct axi_partition c = wish("c", 1, 0); /* the same registers, by number */
    c.console = (struct axi_partition_console){.kind = AXI_CONSOLE_XUARTPS, .address = 0xff010000};
    assert_int_equal(acquire(&c), -AXC_ERESOURCE_DEVICE);
    c.console.address = 0xff000000;
    assert_int_equal(acquire(&c), -AXC_ERESOURCE_DEVICE);
    c = wish("c", 1, 0x1000);
    c.memory[0].host_address = 0xff010000;
    c.memory[0].flags = AXI_MEMORY_IO | AXI_MEMORY_READ;
    assert_int_equal(acquire(&c), -AXC_ERESOURCE_MEMORY);
    (void)strcpy(b.devices[0].name, "gpu");
    assert_int_equal(acquire(&b), -AXC_ERESOURCE_DEVICE);
}

static void gives_a_remote_core_without_any_cpu(void **state)
{
    (void)state;
    struct axi_partition a = wish("a", 0, 0);
    (void)strcpy(a.remote_cores[0].name, "rpu1");
    a.remote_core_count = 1;
    assert_int_equal(acquire(&a), 0);
    assert_int_equal(a.remote_cores[0].id, 1);
    assert_int_equal(axi_cpuset_count(&a.cpus), 0);
    struct axi_partition b = wish("b", 0, 0);
    b.remote_cores[0] = a.remote_cores[0];
    b.remote_core_count = 1;
    assert_int_equal(acquire(&b), -AXC_ERESOURCE_DEVICE);
}

static void gives_a_console_without_marks_to_one(void **state)
{
    (void)state;
    struct axi_partition a = wish("a", 1, 0);
    struct axi_partition b = wish("b", 1, 0);
    struct axi_partition c = wish("c", 1, 0);
    a.console.kind = b.console.kind = AXI_CONSOLE_DEFAULT;
    c.console.kind = AXI_CONSOLE_HYPERVISOR;
    assert_int_equal(acquire(&a), 0);
    assert_int_equal(a.console.kind, AXI_CONSOLE_HYPERVISOR);
    assert_int_equal(acquire(&b), 0); /* did not ask for this one */
    assert_int_equal(b.console.kind, AXI_CONSOLE_NONE);
    assert_int_equal(acquire(&c), -AXC_ERESOURCE_DEVICE);
    assert_non_null(strstr(report.text, "taken by a"));
}

/* --- journal --- */

static void journal_keeps_every_field(void **state)
{
    (void)state;
    struct axi_journal_entry entry = {.state = AXI_JOURNAL_CONFIRMED, .state_root = "/run/x"};
    axi_journal_owner_of(getpid(), &entry.owner);
    struct axi_partition *p = &entry.partition;
    *p = wish("all-fields", 3, 0x5000);
    p->images[0] = (struct axi_partition_image){.path = "boot/a.bin",
                                                .fd = -1,
                                                .bytes = 77,
                                                .core = -1,
                                                .load_address = 5,
                                                .entry = AXI_ANY};
    p->image_count = 1;
    p->options[0] = (struct axi_partition_option){.key = "k", .value = "v"};
    p->option_count = 1;
    p->irqs[0] = 9;
    p->irq_count = 1;
    p->devices[0] = platform.devices[0];
    p->device_count = 1;
    p->remote_cores[0] = platform.remote_cores[1];
    p->remote_core_count = 1;
    p->channels[0] = (struct axi_channel){.name = "c", .bytes = 0x2000, .peers = 12, .irq = 40};
    p->channel_count = 1;
    p->watch = (struct axi_watch){
        .heartbeat_ms = 1, .console_silence_ms = 2, .start_ms = 3, .is_fatal = true};
    p->console = (struct axi_partition_console){.kind = 3, .address = 4, .bytes = 5, .irq = 6};
    uint8_t bytes[AXI_JOURNAL_ENTRY_BYTES_MAX];
    int length = axi_journal_encode(&entry, bytes, sizeof(bytes));
    assert_true(length > 0);
    struct axi_journal_entry back;
    assert_int_equal(axi_journal_decode(bytes, (size_t)length, &back), 0);
    assert_memory_equal(&back, &entry, sizeof(entry));
    for (int i = 0; i < length; i++) { /* every cut and every flipped byte is noticed */
        assert_int_equal(axi_journal_decode(bytes, (size_t)i, &back), -AXC_EJOURNAL);
        bytes[i] ^= 0x10;
        assert_int_equal(axi_journal_decode(bytes, (size_t)length, &back), -AXC_EJOURNAL);
        bytes[i] ^= 0x10;
    }
}

static void largest_partition_fits_into_the_journal(void **state)
{
    (void)state;
    struct axi_journal_entry entry = {.state = AXI_JOURNAL_PENDING};
    struct axi_partition *p = &entry.partition;
    memset(p, 'x', sizeof(*p));
    p->memory_count = AXI_PARTITION_MEMORY_MAX;
    p->irq_count = AXI_PARTITION_IRQS_MAX;
    p->channel_count = AXI_PARTITION_CHANNELS_MAX;
    p->device_count = AXI_PARTITION_DEVICES_MAX;
    p->remote_core_count = AXI_PARTITION_REMOTE_CORES_MAX;
    p->image_count = AXI_PARTITION_IMAGES_MAX;
    p->option_count = AXI_PARTITION_OPTIONS_MAX;
    p->watch.is_fatal = true;
    uint8_t bytes[AXI_JOURNAL_ENTRY_BYTES_MAX];
    assert_true(axi_journal_encode(&entry, bytes, sizeof(bytes)) < 0); /* texts without an end */
    char *last = (char *)p;
    for (size_t i = 15; i < sizeof(*p); i += 16) { /* ends every text somewhere */
        last[i] = 0;
    }
    p->memory_count = AXI_PARTITION_MEMORY_MAX;
    p->irq_count = AXI_PARTITION_IRQS_MAX;
    p->channel_count = AXI_PARTITION_CHANNELS_MAX;
    p->device_count = AXI_PARTITION_DEVICES_MAX;
    p->remote_core_count = AXI_PARTITION_REMOTE_CORES_MAX;
    p->image_count = AXI_PARTITION_IMAGES_MAX;
    p->option_count = AXI_PARTITION_OPTIONS_MAX;
    for (uint32_t i = 0; i < AXI_PARTITION_DEVICES_MAX; i++) {
        p->devices[i].stream_id_count = 4;
    }
    assert_true(sizeof(*p) <
                AXI_JOURNAL_ENTRY_BYTES_MAX); /* the format is shorter than the struct */
    assert_true(axi_journal_encode(&entry, bytes, sizeof(bytes)) > 0);
}

static void refuses_to_work_with_a_damaged_entry(void **state)
{
    (void)state;
    struct axi_partition a = wish("a", 1, 0x1000);
    assert_int_equal(acquire(&a), 0);
    char path[128];
    (void)snprintf(path, sizeof(path), "%s/a.entry", folder);
    assert_int_equal(truncate(path, 100), 0);
    struct axi_partition b = wish("b", 1, 0x1000);
    assert_int_equal(acquire(&b), -AXC_EJOURNAL);
    assert_non_null(strstr(report.text, "a.entry"));
    assert_int_equal(axi_resource_reconcile(folder, &platform, &report), -AXC_EJOURNAL);
    struct timespec old[2] = {{.tv_sec = 1},
                              {.tv_sec = 1}}; /* before this boot: nothing holds it */
    assert_int_equal(utimensat(AT_FDCWD, path, old, 0), 0);
    assert_int_equal(axi_resource_reconcile(folder, &platform, &report), 1);
    assert_int_equal(acquire(&b), 0);
}

static void refuses_ids_that_are_paths(void **state)
{
    (void)state;
    static const char *const ids[] = {"../x", "a/b", ".x", ""};
    for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
        struct axi_partition partition;
        assert_int_equal(axi_resource_find(folder, ids[i], &partition, &report), -AXC_EINVALID);
        assert_int_equal(axi_resource_release(folder, ids[i], &report), -AXC_EINVALID);
    }
}

static void same_id_or_name_is_refused(void **state)
{
    (void)state;
    struct axi_partition a = wish("a", 1, 0x1000);
    assert_int_equal(acquire(&a), 0);
    struct axi_partition again = wish("a", 1, 0x1000);
    assert_int_equal(acquire(&again), -AXC_EEXIST);
    struct axi_partition named = wish("b", 1, 0x1000);
    (void)strcpy(named.name, "a");
    assert_int_equal(acquire(&named), -AXC_EEXIST);
}

/* --- reconcile --- */

static void reconcile_takes_back_only_what_has_no_owner(void **state)
{
    (void)state;
    struct axi_partition a = wish("a", 1, 0x1000);
    struct axi_partition b = wish("b", 1, 0x1000);
    assert_int_equal(acquire(&a), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        int rc = acquire(&b);
        fake_create(&b);
        _exit(rc == 0 ? 0 : 1);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    refuses_reclaim = true;
    assert_int_equal(axi_resource_reconcile(folder, &platform, &report), -AXC_EHV_FAILED);
    assert_int_equal(count_entries(), 2);
    struct axi_partition c = wish("c", 8, 0);
    assert_int_equal(acquire(&c), -AXC_ERESOURCE_CPU);
    assert_non_null(strstr(report.text, "runax reconcile"));
    refuses_reclaim = false;
    assert_int_equal(axi_resource_reconcile(folder, &platform, &report), 1);
    assert_int_equal(count_files(hv_folder), 0);
    assert_int_equal(axi_resource_reconcile(folder, &platform, &report), 0);
    assert_int_equal(axi_resource_find(folder, "a", &b, &report), 0);
}

static void reconcile_takes_back_what_a_reboot_ended(void **state)
{
    (void)state;
    struct axi_partition a = wish("a", 7, 0x1000);
    assert_int_equal(acquire(&a), 0);
    struct axi_journal journal;
    struct axi_journal_entry entry;
    assert_int_equal(axi_journal_open(folder, &journal, &report), 0);
    assert_int_equal(axi_journal_read(&journal, "a", &entry, &report), 0);
    assert_true(axi_journal_is_alive(&entry.owner));
    entry.owner.boot_id++; /* the same pid and start time, on another day */
    assert_int_equal(axi_journal_write(&journal, &entry, &report), 0);
    axi_journal_close(&journal);
    struct axi_partition b = wish("b", 7, 0x1000);
    assert_int_equal(acquire(&b), -AXC_ERESOURCE_CPU);
    assert_int_equal(axi_resource_reconcile(folder, &platform, &report), 1);
    assert_int_equal(acquire(&b), 0);
}

/* One life of a partition, as a create, a monitor and a delete go through it. */
static void live(unsigned seed)
{
    char id[24];
    (void)snprintf(id, sizeof(id), "c%u", seed);
    struct axi_partition partition = wish(id, 1, 0x4000);
    int rc = acquire(&partition);
    if (rc != 0) {
        _exit(rc == -AXC_ERESOURCE_CPU || rc == -AXC_ERESOURCE_MEMORY ? 0 : 1);
    }
    fake_create(&partition);
    rc = axi_resource_confirm(folder, id, getpid(), &report);
    if (seed % 3 == 0) {
        (void)pause(); /* runs until it is killed */
    }
    rc = rc != 0 ? rc : fake_reclaim(&partition, NULL, &report);
    rc = rc != 0 ? rc : axi_resource_release(folder, id, &report);
    _exit(rc == 0 ? 0 : 1);
}

static void two_hundred_creates_killed_at_random_leak_nothing(void **state)
{
    (void)state;
    enum { CREATES = 200 };
    platform.cpus.bits[0] = platform.cpus.bits[1] = UINT64_MAX;
    platform.cpus.bits[0] &= ~UINT64_C(1);
    pid_t children[CREATES];
    unsigned random = 12345;
    for (unsigned i = 0; i < CREATES; i++) {
        children[i] = fork();
        assert_true(children[i] >= 0);
        if (children[i] == 0) {
            live(i);
        }
        random = random * 1103515245 + 12345;
        unsigned victim = (random >> 16) % (i + 1);
        if (random >> 30 == 0) {
            (void)kill(children[victim], SIGKILL); /* not waited for yet: it is ours */
        }
        if (i % 50 == 49) { /* beside the others */
            assert_true(axi_resource_reconcile(folder, &platform, &report) >= 0);
        }
    }
    for (unsigned i = 0; i < CREATES; i += 1 + i % 2) {
        (void)kill(children[i], SIGKILL);
    }
    for (unsigned i = 0; i < CREATES; i++) {
        int status = 0;
        (void)kill(children[i], i % 3 == 0 ? SIGKILL : 0);
        assert_int_equal(waitpid(children[i], &status, 0), children[i]);
        assert_true(WIFSIGNALED(status) || WEXITSTATUS(status) == 0);
    }
    assert_true(axi_resource_reconcile(folder, &platform, &report) >= 0);
    assert_int_equal(count_entries(), 0);
    assert_int_equal(count_files(folder), 0);
    assert_int_equal(count_files(hv_folder), 0);
}

/* --- 10,000 random sequences against a model --- */

enum { SLOTS = 10 };

struct model {
    bool is_there[SLOTS];
    struct axi_partition partitions[SLOTS];
    bool is_dead[SLOTS];
};

static void check_model(const struct model *model)
{
    uint64_t cpus = 0;
    int there = 0;
    for (int i = 0; i < SLOTS; i++) {
        if (!model->is_there[i]) {
            continue;
        }
        const struct axi_partition *own = &model->partitions[i];
        there++;
        assert_int_equal(cpus & own->cpus.bits[0], 0);
        cpus |= own->cpus.bits[0];
        for (int k = 0; k < i; k++) {
            const struct axi_partition *other = &model->partitions[k];
            for (uint32_t m = 0; model->is_there[k] && m < own->memory_count; m++) {
                for (uint32_t n = 0; n < other->memory_count; n++) {
                    uint64_t a = own->memory[m].host_address;
                    uint64_t b = other->memory[n].host_address;
                    assert_true(a >= b + other->memory[n].bytes || b >= a + own->memory[m].bytes);
                }
            }
        }
    }
    assert_int_equal(count_entries(), there);
}

static void model_create(struct model *model, int slot, uint64_t random, bool is_dead)
{
    char id[16];
    (void)snprintf(id, sizeof(id), "s%d", slot);
    struct axi_partition partition =
        wish(id, (uint32_t)(random % 3) + 1, ((random >> 8) % 0x180 + 1) * 0x1000);
    partition.memory[0].align = UINT64_C(0x1000) << (random >> 40) % 6;
    pid_t owner = is_dead ? 0x7ffffff0 : getpid();
    int rc = axi_resource_acquire(folder, &platform, "/nonexistent", owner, &partition, &report);
    if (model->is_there[slot]) {
        assert_int_equal(rc, -AXC_EEXIST);
    } else if (rc == 0) {
        model->is_there[slot] = true;
        model->is_dead[slot] = is_dead;
        model->partitions[slot] = partition;
    } else {
        assert_true(rc == -AXC_ERESOURCE_CPU || rc == -AXC_ERESOURCE_MEMORY);
    }
}

static void model_end(struct model *model, int slot, bool is_delete)
{
    char id[16];
    (void)snprintf(id, sizeof(id), "s%d", slot);
    if (is_delete) {
        assert_int_equal(axi_resource_release(folder, id, &report), 0);
        model->is_there[slot] = false;
        return;
    }
    int rc = axi_resource_confirm(folder, id, 0x7ffffff1, &report); /* its monitor dies at once */
    assert_int_equal(rc, model->is_there[slot] ? 0 : -AXC_ENOENT);
    model->is_dead[slot] = true;
}

static void model_reconcile(struct model *model)
{
    int dead = 0;
    for (int i = 0; i < SLOTS; i++) {
        if (model->is_there[i] && model->is_dead[i]) {
            dead++;
            model->is_there[i] = false;
        }
    }
    assert_int_equal(axi_resource_reconcile(folder, &platform, &report), dead);
}

static void ten_thousand_random_sequences_leave_the_journal_exact(void **state)
{
    (void)state;
    static struct model model;
    uint64_t random = 0x9e3779b97f4a7c15;
    for (int i = 0; i < 10000; i++) {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        int slot = (int)((random >> 20) % SLOTS);
        switch ((random >> 50) % 10) {
        case 0:
            model_reconcile(&model);
            break;
        case 1:
        case 2:
        case 3:
            model_end(&model, slot, true);
            break;
        case 4:
        case 5:
            model_end(&model, slot, false);
            break;
        default:
            model_create(&model, slot, random, (random >> 30) % 4 == 0);
        }
        if (i % 16 == 0) {
            check_model(&model);
        }
    }
    for (int i = 0; i < SLOTS; i++) {
        model_end(&model, i, true);
    }
    check_model(&model);
    assert_int_equal(count_files(folder), 0);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(gives_free_cpus_and_never_cpu_0),
        CASE(chooses_inside_the_allowed_set),
        CASE(shares_cpus_evenly_where_allowed),
        CASE(places_memory_aligned_and_apart),
        CASE(splits_memory_over_pools_when_the_guest_does_not_see_it),
        CASE(refuses_memory_that_overlaps_or_is_not_offered),
        CASE(counts_host_memory_against_its_limit),
        CASE(gives_channels_consecutive_interrupts_and_shared_memory),
        CASE(gives_a_device_to_one_only),
        CASE(gives_a_remote_core_without_any_cpu),
        CASE(gives_a_console_without_marks_to_one),
        CASE(journal_keeps_every_field),
        CASE(largest_partition_fits_into_the_journal),
        CASE(refuses_to_work_with_a_damaged_entry),
        CASE(refuses_ids_that_are_paths),
        CASE(same_id_or_name_is_refused),
        CASE(reconcile_takes_back_only_what_has_no_owner),
        CASE(reconcile_takes_back_what_a_reboot_ended),
        CASE(two_hundred_creates_killed_at_random_leak_nothing),
        CASE(ten_thousand_random_sequences_leave_the_journal_exact),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
