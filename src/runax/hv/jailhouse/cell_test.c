/* SPDX-License-Identifier: Apache-2.0 */
/* The hashes are those of the configurations that the hypervisors' own sources give when they are
 * compiled: siemens/jailhouse master, the header runPHI ships (bu13), Omnivisor of October 2024 and
 * of 2025. */
#include "runax/hv/jailhouse/cell.h"

#include "image/digest.h"
#include "support/test.h"

#include <stdlib.h>
#include <string.h>

static struct axi_report report;

static void assert_golden(const struct axi_cell *cell, enum axi_cell_layout layout, size_t length,
                          const char *sha256)
{
    uint8_t bytes[4096];
    size_t written = 0;
    int rc = axi_cell_write(cell, layout, bytes, sizeof(bytes), &written, &report);
    if (rc != 0) {
        fail_msg("%s", axi_report_text(&report));
    }
    assert_int_equal(written, length);
    struct axi_digest digest;
    char text[AXI_DIGEST_TEXT_BYTES];
    axi_digest_of(bytes, written, &digest);
    axi_digest_format(&digest, text);
    assert_string_equal(strchr(text, ':') + 1, sha256);
    struct axi_cell back;
    assert_int_equal(axi_cell_read(bytes, written, layout, &back, &report), 0);
    assert_memory_equal(&back, cell, sizeof(back));
}

/* --- cells as partitions --- */

static struct axi_platform zcu102(void)
{
    return (struct axi_platform){.board = "zcu102",
                                 .isa = "aarch64",
                                 .jailhouse = {.layout = "siemens14", .gic_address = 0xf9010000}};
}

static struct axi_memory ram(uint64_t host, uint64_t guest, uint64_t bytes)
{
    return (struct axi_memory){.host_address = host,
                               .guest_address = guest,
                               .bytes = bytes,
                               .flags = AXI_MEMORY_READ | AXI_MEMORY_WRITE | AXI_MEMORY_EXECUTE |
                                        AXI_MEMORY_LOADABLE};
}

static struct axi_device registers(const char *name, uint64_t address)
{
    struct axi_device device = {.host_address = address, .guest_address = address, .bytes = 0x1000};
    (void)strcpy(device.name, name);
    return device;
}

static struct axi_partition zcu102_demo(void)
{
    return (struct axi_partition){
        .name = "inmate-demo",
        .cpu_count = 1,
        .cpus.bits = {0x8},
        .console = {.kind = AXI_CONSOLE_XUARTPS, .address = 0xff010000},
        .devices = {registers("uart1", 0xff010000)},
        .device_count = 1,
        .memory = {ram(0x800600000, 0, 0x10000)},
        .memory_count = 1,
    };
}

static struct axi_cell cell_of(const struct axi_platform *platform,
                               const struct axi_partition *partition)
{
    static struct axi_cell cell;
    if (axi_cell_of_partition(platform, partition, &cell, &report) != 0) {
        fail_msg("%s", axi_report_text(&report));
    }
    return cell;
}

static void zcu102_demo_is_upstreams_in_three_layouts(void **state)
{
    (void)state;
    struct axi_platform platform = zcu102();
    struct axi_partition partition = zcu102_demo();
    struct axi_cell cell = cell_of(&platform, &partition);
    assert_golden(&cell, AXI_CELL_SIEMENS14, 236,
                  "06cd0a510d5db425a1dd389af0df7b4247d951868f2df3776e8c627bd0fb41ca");
    assert_golden(&cell, AXI_CELL_BU13, 264,
                  "7074cf0e1b447fa632a5bbdea8c9020d25782e37e9043354845cc2a8a31647d3");
    assert_golden(&cell, AXI_CELL_OMNIVISOR14, 268,
                  "7a3721f1bffd2183e7e4eb57f37fab0ebd9f4332efd69843f629375cb8f260d1");
}

static struct axi_partition qemu_demo(void)
{
    return (struct axi_partition){
        .name = "inmate-demo",
        .cpu_count = 1,
        .cpus.bits = {0x2},
        .console = {.kind = AXI_CONSOLE_PL011, .address = 0x09000000},
        .devices = {registers("uart", 0x09000000)},
        .device_count = 1,
        .memory = {ram(0x7fa00000, 0, 0x10000)},
        .memory_count = 1,
        .channels = {{.name = "demo",
                      .host_address = 0x7faf0000,
                      .guest_address = 0x7faf0000,
                      .bytes = 0x10000,
                      .device_id = 1,
                      .peers = 3,
                      .irq = 144}},
        .channel_count = 1,
        .options = {{"pci_domain", "1"}},
        .option_count = 1,
    };
}

static void qemu_demo_with_shared_memory_is_upstreams(void **state)
{
    (void)state;
    struct axi_platform platform = zcu102();
    platform.jailhouse.gic_address = 0x08000000;
    struct axi_partition partition = qemu_demo();
    struct axi_cell cell = cell_of(&platform, &partition);
    assert_golden(&cell, AXI_CELL_SIEMENS14, 484,
                  "408ed108b5ed17669c40d2685497f4d5af01f6e923f869ce4254078203255cff");
}

static void remote_core_cell_is_omnivisors(void **state)
{
    (void)state;
    struct axi_platform platform = zcu102();
    struct axi_partition partition = {
        .name = "inmate-demo-RPU0",
        .remote_cores = {{.name = "rpu0", .id = 0}},
        .remote_core_count = 1,
        .console = {.kind = AXI_CONSOLE_XUARTPS, .address = 0xff010000},
        .devices = {registers("uart1", 0xff010000)},
        .device_count = 1,
        .memory = {ram(0xffe00000, 0xffe00000, 0x10000), ram(0xffe20000, 0xffe20000, 0x10000),
                   ram(0xfffc0000, 0xfffc0000, 0x40000), ram(0x3ed00000, 0, 0x8000000)},
        .memory_count = 4,
        .channels = {{.name = "host",
                      .host_address = 0x46d00000,
                      .guest_address = 0x46d00000,
                      .bytes = 0x10000,
                      .peers = 1}},
        .channel_count = 1,
    };
    struct axi_cell cell = cell_of(&platform, &partition);
    assert_golden(&cell, AXI_CELL_OMNIVISOR2025, 448,
                  "5c9acf5cbd4ef3bc0c3b806e1cc7cd48ebdd8b10493fc472478e0b0fff2c1ad6");
    uint8_t bytes[1024];
    size_t length;
    assert_int_equal(
        axi_cell_write(&cell, AXI_CELL_SIEMENS14, bytes, sizeof(bytes), &length, &report),
        -AXC_ECELL);
    assert_non_null(strstr(report.text, "remote cores"));
}

/* --- cells with things that partitions do not have --- */

static void soft_core_cell_is_omnivisors(void **state)
{
    (void)state;
    struct axi_cell cell = {
        .architecture = AXI_CELL_ARM64,
        .name = "inmate-demo-RISCV",
        .flags = AXI_CELL_PASSIVE_COMMREG,
        .console = {.address = 0xff010000, .type = 4, .flags = 3},
        .cpu_set_bytes = 8,
        .rcpu_set_bytes = 8,
        .fpga_set_bytes = 8,
        .rcpus.bits = {4},
        .fpga_regions.bits = {1},
        .memory = {{0xff010000, 0xff010000, 0x1000, 0x93, 0},
                   {0x70000000, 0x70000000, 0x2000000, 0x47, 0},
                   {0x46d00000, 0x46d00000, 0x10000, 0x83, 0},
                   {0, 0x80000000, 0x1000, 0x23, 0}},
        .memory_count = 4,
        .streams = {0x3f0e80},
        .stream_count = 1,
        .rcpus_described = {{2, "pico32", "dottavia,pico32-remoteproc"}},
        .rcpu_count = 1,
        .fpgas = {{"pico32.dtbo", "pico32_remoteproc", "dfx_picorv.bit", 0, 0x80000000, 1}},
        .fpga_count = 1,
    };
    assert_golden(&cell, AXI_CELL_OMNIVISOR2025, 515,
                  "04c174c822eacd45d13934d69117ce0479d9c0bea72c6b54a60c0f30b54d56a7");
}

static void interrupt_cell_is_omnivisors(void **state)
{
    (void)state;
    struct axi_cell cell = {
        .architecture = AXI_CELL_ARM64,
        .name = "inmate-demo-APU",
        .flags = AXI_CELL_PASSIVE_COMMREG,
        .console = {.address = 0xff010000, .type = 4, .flags = 3},
        .cpu_set_bytes = 8,
        .cpus.bits = {1},
        .memory = {{0xff010000, 0xff010000, 0x1000, 0x93, 0},
                   {0xff250000, 0xff250000, 0x1000, 0x93, 0},
                   {0x46d00000, 0x46d00000, 0x10000, 0x93, 0},
                   {0x47000000, 0, 0x8000000, 0x47, 0},
                   {0, 0x80000000, 0x1000, 0x23, 0}},
        .memory_count = 5,
        .irqchips = {{0xf9010000, 0, 32, {0, 0, 0, 3u << 18}}},
        .irqchip_count = 1,
    };
    assert_golden(&cell, AXI_CELL_OMNIVISOR2025, 392,
                  "4ea14059b001f6212c1bac8d20ffc1e358fe338b4a1e884439ef6893aa4ab47a");
}

static struct axi_cell linux_demo(void)
{
    return (struct axi_cell){
        .architecture = AXI_CELL_ARM64,
        .name = "qemu-arm64-linux-demo",
        .flags = AXI_CELL_PASSIVE_COMMREG | AXI_CELL_CONSOLE_PERMITTED,
        .vpci_irq_base = 108,
        .console = {.address = 0x09000000, .type = 3, .flags = 3},
        .cpu_set_bytes = 8,
        .cpus.bits = {0xc},
        .memory = {{0x7faf0000, 0x7faf0000, 0x1000, 0x81, 0},
                   {0x7faf1000, 0x7faf1000, 0x9000, 0x83, 0},
                   {0x7fafa000, 0x7fafa000, 0x2000, 0x81, 0},
                   {0x7fafc000, 0x7fafc000, 0x2000, 0x81, 0},
                   {0x7fafe000, 0x7fafe000, 0x2000, 0x83, 0},
                   {0x7fb00000, 0x7fb00000, 0x1000, 0x81, 0},
                   {0, 0, 0, 0, 0},
                   {0x7fb01000, 0x7fb01000, 0x7f000, 0x81, 0},
                   {0x7fb80000, 0x7fb80000, 0x7f000, 0x83, 0},
                   {0x09000000, 0x09000000, 0x1000, 0x93, 0},
                   {0x7f900000, 0, 0x10000, 0x47, 0},
                   {0x70000000, 0x70000000, 0x8000000, 0x4f, 0},
                   {0, 0x80000000, 0x1000, 0x23, 0}},
        .memory_count = 13,
        .irqchips = {{0x08000000, 0, 32, {2, 0, 0, 3u << 12}}},
        .irqchip_count = 1,
        .pci = {{.type = AXI_CELL_PCI_IVSHMEM,
                 .domain = 1,
                 .bar_mask = {0xfffff000},
                 .shmem_dev_id = 2,
                 .shmem_peers = 3},
                {.type = AXI_CELL_PCI_IVSHMEM,
                 .bdf = 8,
                 .bar_mask = {0xfffff000},
                 .shmem_regions_start = 5,
                 .shmem_dev_id = 1,
                 .shmem_peers = 2,
                 .shmem_protocol = 1}},
        .pci_count = 2,
    };
}

static void linux_demo_is_upstreams_in_three_layouts(void **state)
{
    (void)state;
    struct axi_cell cell = linux_demo();
    assert_int_equal(axi_cell_check(&cell, &report), 0);
    assert_golden(&cell, AXI_CELL_SIEMENS14, 700,
                  "571a35bbe11b6f6ebf1ccdf84ca16aa8eee49057b5892204bf915d3df7a6ce38");
    assert_golden(&cell, AXI_CELL_BU13, 808,
                  "695ad8f851b4c7a5ed58d45c9e0901d701236157d50aca18a67c0f7e205388e5");
    assert_golden(&cell, AXI_CELL_OMNIVISOR14, 812,
                  "789f00fe5725fa7ced64b0db7884001e4edb0789cd9072e169a73485b4dbc3c0");
}

static void network_channel_is_divided_as_upstreams(void **state)
{
    (void)state;
    struct axi_platform platform = zcu102();
    struct axi_partition partition = zcu102_demo();
    partition.channels[0] = (struct axi_channel){.name = "net",
                                                 .host_address = 0x7fb00000,
                                                 .guest_address = 0x7fb00000,
                                                 .bytes = 0x100000,
                                                 .device_id = 1,
                                                 .peers = 2,
                                                 .protocol = 1,
                                                 .pci_bdf = 8,
                                                 .irq = 141};
    partition.channel_count = 1;
    struct axi_cell cell = cell_of(&platform, &partition);
    struct axi_cell upstream = linux_demo();
    assert_memory_equal(cell.memory, upstream.memory + 5, 4 * sizeof(cell.memory[0]));
    assert_int_equal(cell.vpci_irq_base, upstream.vpci_irq_base);
}

/* --- refusals --- */

static void a_file_of_one_layout_is_no_file_of_another(void **state)
{
    (void)state;
    struct axi_cell cell = linux_demo();
    for (unsigned layout = 0; layout < AXI_CELL_LAYOUTS; layout++) {
        uint8_t bytes[2048];
        size_t length;
        assert_int_equal(axi_cell_write(&cell, (enum axi_cell_layout)layout, bytes, sizeof(bytes),
                                        &length, &report),
                         0);
        assert_int_equal(axi_cell_layouts_of(bytes, length), 1u << layout);
        struct axi_cell back;
        for (size_t cut = 0; cut < length; cut += 3) {
            assert_int_equal(
                axi_cell_read(bytes, cut, (enum axi_cell_layout)layout, &back, &report),
                -AXC_ECELL);
        }
        bytes[6] ^= 1; /* revision or signature */
        assert_int_equal(axi_cell_layouts_of(bytes, length), 0);
    }
}

static void writes_nothing_beyond_its_buffer(void **state)
{
    (void)state;
    struct axi_cell cell = linux_demo();
    for (size_t capacity = 0; capacity < 700; capacity += 7) {
        uint8_t *bytes = malloc(capacity + 1);
        size_t length;
        bytes[capacity] = 0x5a;
        assert_int_equal(
            axi_cell_write(&cell, AXI_CELL_SIEMENS14, bytes, capacity, &length, &report),
            -AXC_ECELL);
        assert_int_equal(bytes[capacity], 0x5a);
        free(bytes);
    }
}

struct patch {
    size_t offset;
    size_t bytes;
    uint64_t value;
};

#define SET(member, value)                                                                         \
    {                                                                                              \
        offsetof(struct axi_cell, member), sizeof(((struct axi_cell *)0)->member), value           \
    }

static void finds_what_the_hypervisor_would_not(void **state)
{
    static const struct {
        const char *words;
        struct patch patches[2];
    } cases[] = {
        {"no name", {SET(name[0], 0)}},
        {"no CPU", {SET(cpus.bits[0], 0)}},
        {"CPU 0", {SET(architecture, AXI_CELL_X86), SET(cpus.bits[0], 1)}},
        {"reply_timeout", {SET(flags, 0)}},
        {"overlap", {SET(memory[11].virt, 0xf000)}},
        {"not writable", {SET(memory[11].flags, AXI_CELL_READ | AXI_CELL_LOADABLE)}},
        {"shared with the root", {SET(memory[11].flags, 0xc3)}},
        {"wraps", {SET(memory[11].bytes, UINT64_MAX - 0xfff)}},
        {"unknown", {SET(memory[11].flags, 0x104f)}},
        {"smaller than", {SET(memory[11].bytes, 0x800)}},
        {"own output region", {SET(memory[2].flags, 0x83)}},
        {"not there", {SET(pci[1].shmem_regions_start, 10)}},
        {"device id", {SET(pci[1].shmem_dev_id, 2)}},
        {"more than 12", {SET(pci[1].shmem_peers, 13)}},
        {"state table", {SET(memory[0].flags, 0x83)}},
        {"among the cell's", {SET(irqchips[0].pins[3], 1u << 12)}},
        {"multiple of 32", {SET(irqchips[0].pin_base, 33)}},
        {"communication regions", {SET(memory[9].flags, 0x23)}},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct axi_cell cell = linux_demo();
        for (size_t k = 0; k < 2; k++) {
            const struct patch *patch = &cases[i].patches[k];
            memcpy((char *)&cell + patch->offset, &patch->value, patch->bytes); /* little-endian */
        }
        assert_int_equal(axi_cell_check(&cell, &report), -AXC_ECELL);
        if (strstr(report.text, cases[i].words) == NULL) {
            fail_msg("case %zu: %s", i, report.text);
        }
    }
}

static void two_cells_may_share_only_shared_memory(void **state)
{
    (void)state;
    struct axi_platform platform = zcu102();
    platform.jailhouse.gic_address = 0x08000000;
    struct axi_partition partition = qemu_demo();
    struct axi_cell a = cell_of(&platform, &partition);
    struct axi_cell b = linux_demo();
    assert_int_equal(axi_cell_check_pair(&a, &b, &report), 0); /* upstream runs these together */
    b.cpus.bits[0] = 2;
    assert_int_equal(axi_cell_check_pair(&a, &b, &report), -AXC_ECELL);
    b.cpus.bits[0] = 4;
    b.memory[10].phys = 0x7fa08000;
    assert_int_equal(axi_cell_check_pair(&a, &b, &report), -AXC_ECELL);
    b = a;
    assert_int_equal(axi_cell_check_pair(&a, &b, &report), -AXC_ECELL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(zcu102_demo_is_upstreams_in_three_layouts),
        cmocka_unit_test(qemu_demo_with_shared_memory_is_upstreams),
        cmocka_unit_test(remote_core_cell_is_omnivisors),
        cmocka_unit_test(soft_core_cell_is_omnivisors),
        cmocka_unit_test(interrupt_cell_is_omnivisors),
        cmocka_unit_test(linux_demo_is_upstreams_in_three_layouts),
        cmocka_unit_test(network_channel_is_divided_as_upstreams),
        cmocka_unit_test(a_file_of_one_layout_is_no_file_of_another),
        cmocka_unit_test(writes_nothing_beyond_its_buffer),
        cmocka_unit_test(finds_what_the_hypervisor_would_not),
        cmocka_unit_test(two_cells_may_share_only_shared_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
