/* SPDX-License-Identifier: Apache-2.0 */
#include "runax/hv/xen/xen.h"
#include "runax/json.h"

#include <inttypes.h>
#include <string.h>

#define MIB (UINT64_C(1) << 20)
#define PAGE 4096u
#define MODULE_ADDRESS UINT64_C(0x50000000)

static bool is_plain(const char *text)
{
    return text[strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                             "_./,:+-@")] == '\0';
}

static uint64_t memory_bytes(const struct axi_partition *partition)
{
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < partition->memory_count; i++) {
        bytes += partition->memory[i].bytes;
    }
    return bytes;
}

static int check(const struct axi_partition *partition, struct axi_report *report)
{
    const char *why = NULL;
    if (partition->remote_core_count != 0) {
        why = "xen has no remote cores";
    } else if (partition->channel_count != 0) {
        why = "xen: channels are not supported";
    } else if (partition->memory_count == 0 || partition->cpu_count == 0) {
        why = "a domain needs memory and a CPU";
    } else if (partition->image_count != 1) {
        why = "a domain has exactly one image";
    } else if (strcmp(partition->isa, "x86_64") != 0 &&
               partition->memory[0].guest_address != AXI_ANY &&
               partition->memory[0].guest_address != AXI_XEN_RAM) {
        why = "xen gives a guest its memory at 0x40000000";
    }
    for (uint32_t i = 0; i < partition->option_count && why == NULL; i++) {
        why = is_plain(partition->options[i].value) ? NULL
                                                    : "an option has characters xl would "
                                                      "misread";
    }
    for (uint32_t i = 0; i < partition->device_count && why == NULL; i++) {
        why = is_plain(partition->devices[i].path) ? NULL : "a device path xl would misread";
    }
    return why == NULL ? 0 : axi_report_set(report, -AXC_EHV_UNSUPPORTED, "%s", why);
}

static void print_cpus(const struct axi_partition *partition, FILE *file)
{
    const char *separator = "[";
    (void)fprintf(file, "vcpus = %u\ncpus = ", partition->cpu_count);
    for (uint32_t cpu = 0; cpu < AXI_CPUS_MAX; cpu++) {
        if (axi_cpuset_has(&partition->cpus, cpu)) {
            (void)fprintf(file, "%s\"%u\"", separator, cpu);
            separator = ", ";
        }
    }
    (void)fputs("]\n", file);
}

static void print_devices(const struct axi_partition *partition, FILE *file)
{
    const char *separator = "";
    bool has_path = false;
    (void)fputs("iomem = [", file);
    for (uint32_t i = 0; i < partition->device_count; i++) {
        const struct axi_device *device = &partition->devices[i];
        if (device->bytes != 0) {
            (void)fprintf(file, "%s\"%" PRIx64 ",%" PRIx64 "@%" PRIx64 "\"", separator,
                          device->host_address / PAGE, (device->bytes + PAGE - 1) / PAGE,
                          device->guest_address / PAGE);
            separator = ", ";
        }
        has_path |= device->path[0] != '\0';
    }
    separator = "";
    (void)fputs("]\nirqs = [", file);
    for (uint32_t i = 0; i < partition->irq_count; i++) {
        (void)fprintf(file, "%s%u", separator, partition->irqs[i]);
        separator = ", ";
    }
    for (uint32_t i = 0; i < partition->device_count; i++) {
        for (uint32_t k = 0; k < 4 && partition->devices[i].irqs[k] != 0; k++) {
            (void)fprintf(file, "%s%u", separator, partition->devices[i].irqs[k]);
            separator = ", ";
        }
    }
    (void)fputs("]\n", file);
    if (!has_path) {
        return;
    }
    separator = "";
    (void)fputs("passthrough = \"enabled\"\ndtdev = [", file);
    for (uint32_t i = 0; i < partition->device_count; i++) {
        if (partition->devices[i].path[0] != '\0') {
            (void)fprintf(file, "%s\"%s\"", separator, partition->devices[i].path);
            separator = ", ";
        }
    }
    (void)fputs("]\n", file);
}

int axi_xen_print_config(const struct axi_partition *partition, const char *kernel, FILE *file,
                         struct axi_report *report)
{
    static const char *const OPTIONS[] = {"gic_version", "pool", "trap_unmapped_accesses"};
    int rc = check(partition, report);
    if (rc == 0 && strpbrk(kernel, "\"'\\\n") != NULL) {
        rc = axi_report_set(report, -AXC_EHV_UNSUPPORTED, "--root: a path xl would misread");
    }
    if (rc != 0) {
        return rc;
    }
    (void)fprintf(file, "name = \"%s\"\nkernel = \"%s\"\nmemory = %" PRIu64 "\n", partition->name,
                  kernel, (memory_bytes(partition) + MIB - 1) / MIB);
    print_cpus(partition, file);
    if (strcmp(partition->isa, "x86_64") == 0) {
        (void)fputs("type = \"pvh\"\n", file);
    } else if (partition->console.kind != AXI_CONSOLE_NONE) {
        (void)fputs("vuart = \"sbsa_uart\"\n", file);
    }
    /* The reason of its end is read from the domain, so it stays until it is destroyed. */
    (void)fputs("on_poweroff = \"preserve\"\non_reboot = \"preserve\"\non_crash = \"preserve\"\n"
                "on_watchdog = \"preserve\"\n",
                file);
    for (size_t i = 0; i < sizeof(OPTIONS) / sizeof(OPTIONS[0]); i++) {
        const char *value = axi_partition_option(partition, OPTIONS[i]);
        if (value != NULL) {
            (void)fprintf(file, "%s = \"%s\"\n", OPTIONS[i], value);
        }
    }
    const char *colors = axi_partition_option(partition, "llc_colors");
    if (colors != NULL) {
        (void)fprintf(file, "llc_colors = [\"%s\"]\n", colors);
    }
    if (partition->device_count + partition->irq_count != 0) {
        print_devices(partition, file);
    }
    return 0;
}

static void print_cells(uint64_t value, FILE *file)
{
    (void)fprintf(file, "0x%" PRIx32 " 0x%" PRIx32, (uint32_t)(value >> 32), (uint32_t)value);
}

static void print_static_memory(const struct axi_partition *partition, FILE *file)
{
    if (partition->memory[0].host_address == AXI_ANY) {
        return; /* Xen chooses */
    }
    (void)fputs("\t\t#xen,static-mem-address-cells = <2>;\n"
                "\t\t#xen,static-mem-size-cells = <2>;\n\t\txen,static-mem = <",
                file);
    for (uint32_t i = 0; i < partition->memory_count; i++) {
        (void)fputs(i == 0 ? "" : " ", file);
        print_cells(partition->memory[i].host_address, file);
        (void)fputc(' ', file);
        print_cells(partition->memory[i].bytes, file);
    }
    (void)fputs(">;\n", file);
}

int axi_xen_print_dom0less(const struct axi_partition *partition, FILE *file,
                           struct axi_report *report)
{
    const char *text = axi_partition_option(partition, "module_address");
    uint64_t address = MODULE_ADDRESS;
    int rc = check(partition, report);
    if (rc == 0 && text != NULL && axi_parse_u64(text, &address) != 0) {
        rc = axi_report_set(report, -AXC_EHV_UNSUPPORTED, "module_address: \"%.64s\" is no number",
                            text);
    }
    if (rc == 0 && partition->device_count != 0) {
        rc = axi_report_set(report, -AXC_EHV_UNSUPPORTED,
                            "dom0less: devices need a partial device tree of their own");
    }
    if (rc != 0) {
        return rc;
    }
    (void)fprintf(file,
                  "/dts-v1/;\n/plugin/;\n\n&{/chosen} {\n\t%s {\n"
                  "\t\tcompatible = \"xen,domain\";\n"
                  "\t\t#address-cells = <2>;\n\t\t#size-cells = <2>;\n\t\tmemory = <",
                  partition->name);
    print_cells((memory_bytes(partition) + 1023) / 1024, file);
    (void)fprintf(file, ">;\n\t\tcpus = <%u>;\n", partition->cpu_count);
    if (partition->console.kind != AXI_CONSOLE_NONE) {
        (void)fputs("\t\tvpl011;\n", file);
    }
    print_static_memory(partition, file);
    (void)fprintf(file,
                  "\t\tmodule@%" PRIx64 " {\n"
                  "\t\t\tcompatible = \"multiboot,kernel\", \"multiboot,module\";\n\t\t\treg = <",
                  address);
    print_cells(address, file);
    (void)fputc(' ', file);
    print_cells(partition->images[0].bytes, file);
    (void)fputs(">;\n\t\t};\n\t};\n};\n", file);
    return 0;
}
