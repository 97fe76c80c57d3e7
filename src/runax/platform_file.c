/* SPDX-License-Identifier: Apache-2.0 */
#include "runax/json.h"
#include "runax/platform.h"

#include "base/bytes.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Reads one item of an array into the platform's element `index`. */
typedef int (*read_item)(const struct axi_json *item, struct axi_platform *platform, size_t index);

static int read_list(const struct axi_json *json, const char *key, size_t max, read_item read,
                     struct axi_platform *platform, uint32_t *ret_count)
{
    const json_t *array;
    size_t count;
    int rc = axi_json_array(json, key, max, &array, &count);
    for (size_t i = 0; i < count && rc == 0; i++) {
        struct axi_json item;
        rc = axi_json_item(json, key, array, i, &item);
        rc = rc != 0 ? rc : read(&item, platform, i);
    }
    *ret_count = (uint32_t)count;
    return rc;
}

static int refuse(const struct axi_json *json, const char *what)
{
    return axi_report_set(json->report, json->error, "%s%s", json->where, what);
}

static int read_cpus(const struct axi_json *json, const char *key, struct axi_cpuset *ret_set)
{
    char text[128] = "";
    int rc = axi_json_text(json, key, false, text, sizeof(text));
    if (rc == 0 && text[0] != '\0' && axi_cpuset_parse(text, ret_set) != 0) {
        return axi_report_set(json->report, json->error, "%s%s: \"%s\" is no list of CPUs",
                              json->where, key, text);
    }
    return rc;
}

static int read_pool(const struct axi_json *item, struct axi_platform *platform, size_t index)
{
    static const char *const KEYS[] = {"name", "address", "bytes", "align", NULL};
    struct axi_platform_pool *pool = &platform->pools[index];
    *pool = (struct axi_platform_pool){.name = "ram"};
    int rc = axi_json_only(item, KEYS);
    rc = rc != 0 ? rc : axi_json_text(item, "name", false, pool->name, sizeof(pool->name));
    rc = rc != 0 ? rc : axi_json_u64(item, "address", true, 0, UINT64_MAX, &pool->address);
    rc = rc != 0 ? rc : axi_json_u64(item, "bytes", true, 4096, UINT64_MAX, &pool->bytes);
    rc = rc != 0 ? rc : axi_json_u64(item, "align", false, 0, UINT64_C(1) << 40, &pool->align);
    if (rc != 0) {
        return rc;
    }
    if ((pool->address | pool->bytes | pool->align) % 4096 != 0 ||
        (pool->align & (pool->align - 1)) != 0) {
        return refuse(item, "address, bytes: not whole pages, or align is no power of two");
    }
    if (!axi_range_ok(UINT64_MAX - 4096, pool->address, pool->bytes)) {
        return refuse(item, "bytes: wraps around");
    }
    for (size_t i = 0; i < index; i++) {
        const struct axi_platform_pool *other = &platform->pools[i];
        if (pool->address < other->address + other->bytes &&
            other->address < pool->address + pool->bytes) {
            return refuse(item, "address: overlaps a pool before it");
        }
    }
    return 0;
}

static int read_irqs(const struct axi_json *item, struct axi_platform *platform, size_t index)
{
    static const char *const KEYS[] = {"first", "count", NULL};
    struct axi_platform_irqs *irqs = &platform->irqs[index];
    *irqs = (struct axi_platform_irqs){.count = 1};
    int rc = axi_json_only(item, KEYS);
    rc = rc != 0 ? rc : axi_json_u32(item, "first", true, 32, 1019, &irqs->first);
    return rc != 0 ? rc : axi_json_u32(item, "count", false, 1, 1020 - irqs->first, &irqs->count);
}

static int read_numbers(const struct axi_json *item, const char *key, uint32_t *numbers,
                        uint32_t *ret_count)
{
    const json_t *array;
    size_t count;
    int rc = axi_json_array(item, key, 4, &array, &count);
    for (size_t i = 0; i < count && rc == 0; i++) {
        const json_t *value = json_array_get(array, i);
        if (!json_is_integer(value) || json_integer_value(value) < 0 ||
            json_integer_value(value) > UINT32_MAX) {
            return axi_report_set(item->report, item->error, "%s%s[%zu]: not a number", item->where,
                                  key, i);
        }
        numbers[i] = (uint32_t)json_integer_value(value);
    }
    *ret_count = (uint32_t)count;
    return rc;
}

static int read_device(const struct axi_json *item, struct axi_platform *platform, size_t index)
{
    static const char *const KEYS[] = {"name",  "path", "address",    "guest_address",
                                       "bytes", "irqs", "stream_ids", NULL};
    struct axi_device *device = &platform->devices[index];
    uint32_t irq_count;
    *device = (struct axi_device){0};
    int rc = axi_json_only(item, KEYS);
    rc = rc != 0 ? rc : axi_json_text(item, "name", true, device->name, sizeof(device->name));
    rc = rc != 0 ? rc : axi_json_text(item, "path", false, device->path, sizeof(device->path));
    rc = rc != 0 ? rc : axi_json_u64(item, "address", false, 0, UINT64_MAX, &device->host_address);
    device->guest_address = device->host_address;
    rc = rc != 0
             ? rc
             : axi_json_u64(item, "guest_address", false, 0, UINT64_MAX, &device->guest_address);
    rc = rc != 0 ? rc : axi_json_u64(item, "bytes", false, 0, UINT64_C(1) << 40, &device->bytes);
    rc = rc != 0 ? rc : read_numbers(item, "irqs", device->irqs, &irq_count);
    rc = rc != 0 ? rc
                 : read_numbers(item, "stream_ids", device->stream_ids, &device->stream_id_count);
    if (rc == 0 && !axi_range_ok(UINT64_MAX, device->host_address, device->bytes)) {
        return refuse(item, "bytes: wraps around");
    }
    for (size_t i = 0; i < index && rc == 0; i++) {
        if (strcmp(platform->devices[i].name, device->name) == 0) {
            return refuse(item, "name: stands twice");
        }
    }
    return rc;
}

static int read_core(const struct axi_json *item, struct axi_platform *platform, size_t index)
{
    static const char *const KEYS[] = {"name", "compatible", "id", NULL};
    struct axi_remote_core *core = &platform->remote_cores[index];
    *core = (struct axi_remote_core){0};
    int rc = axi_json_only(item, KEYS);
    rc = rc != 0 ? rc : axi_json_text(item, "name", true, core->name, sizeof(core->name));
    rc = rc != 0
             ? rc
             : axi_json_text(item, "compatible", false, core->compatible, sizeof(core->compatible));
    rc = rc != 0 ? rc : axi_json_u32(item, "id", true, 0, 63, &core->id);
    for (size_t i = 0; i < index && rc == 0; i++) {
        if (strcmp(platform->remote_cores[i].name, core->name) == 0 ||
            platform->remote_cores[i].id == core->id) {
            return refuse(item, "name, id: stands twice");
        }
    }
    return rc;
}

static int read_hvs(const struct axi_json *json, struct axi_platform *platform)
{
    const json_t *array;
    size_t count;
    int rc = axi_json_array(json, "hypervisors", AXI_PLATFORM_HVS_MAX, &array, &count);
    for (size_t i = 0; i < count && rc == 0; i++) {
        const char *name = json_string_value(json_array_get(array, i));
        if (name == NULL || name[0] == '\0' || strlen(name) >= sizeof(platform->hvs[0])) {
            return axi_report_set(json->report, json->error, "%shypervisors[%zu]: not a name",
                                  json->where, i);
        }
        (void)strcpy(platform->hvs[i], name);
    }
    if (array != NULL) {
        platform->hv_count = (uint32_t)count;
    }
    return rc;
}

static int read_jailhouse(const struct axi_json *json, struct axi_platform *platform)
{
    static const char *const KEYS[] = {"layout",      "device",       "sysfs",    "memory",
                                       "gic_address", "comm_address", "firmware", NULL};
    static const char *const LAYOUTS[] = {"siemens14", "bu13", "omnivisor14", "omnivisor2025"};
    struct axi_json object;
    int rc = axi_json_object(json, "jailhouse", &object);
    if (rc != 0 || object.object == NULL) {
        return rc;
    }
    char *layout = platform->jailhouse.layout;
    const struct {
        const char *key;
        char *text;
    } texts[] = {{"device", platform->jailhouse.device},
                 {"sysfs", platform->jailhouse.sysfs},
                 {"memory", platform->jailhouse.memory},
                 {"firmware", platform->jailhouse.firmware}};
    rc = axi_json_only(&object, KEYS);
    rc = rc != 0
             ? rc
             : axi_json_text(&object, "layout", true, layout, sizeof(platform->jailhouse.layout));
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]) && rc == 0; i++) {
        rc = axi_json_text(&object, texts[i].key, false, texts[i].text,
                           sizeof(platform->jailhouse.device));
    }
    rc = rc != 0 ? rc
                 : axi_json_u64(&object, "gic_address", false, 0, UINT64_MAX,
                                &platform->jailhouse.gic_address);
    rc = rc != 0 ? rc
                 : axi_json_u64(&object, "comm_address", false, 0, UINT64_MAX,
                                &platform->jailhouse.comm_address);
    for (size_t i = 0; i < sizeof(LAYOUTS) / sizeof(LAYOUTS[0]) && rc == 0; i++) {
        if (strcmp(LAYOUTS[i], layout) == 0) {
            return 0;
        }
    }
    return rc != 0 ? rc : refuse(&object, "layout: siemens14, bu13, omnivisor14 or omnivisor2025");
}

/* A hypervisor's section that has one text. */
static int read_section(const struct axi_json *json, const char *section, const char *key,
                        char *text, size_t size)
{
    const char *const keys[] = {key, NULL};
    struct axi_json object;
    int rc = axi_json_object(json, section, &object);
    if (rc != 0 || object.object == NULL) {
        return rc;
    }
    rc = axi_json_only(&object, keys);
    return rc != 0 ? rc : axi_json_text(&object, key, false, text, size);
}

static int read_hypervisors(const struct axi_json *json, struct axi_platform *platform)
{
    int rc = read_hvs(json, platform);
    rc = rc != 0 ? rc : read_jailhouse(json, platform);
    rc = rc != 0 ? rc : read_section(json, "xen", "xl", platform->xen.xl, sizeof(platform->xen.xl));
    rc = rc != 0 ? rc
                 : read_section(json, "qemu", "folder", platform->qemu.folder,
                                sizeof(platform->qemu.folder));
    return rc != 0 ? rc
                   : read_section(json, "kvm", "device", platform->kvm.device,
                                  sizeof(platform->kvm.device));
}

static int read_members(const struct axi_json *json, struct axi_platform *platform)
{
    static const char *const KEYS[] = {
        "version",    "board",        "isa",   "hypervisors", "cpus",    "housekeeping",
        "allow_cpu0", "share_cpus",   "pools", "interrupts",  "devices", "host_memory_bytes",
        "jailhouse",  "remote_cores", "xen",   "qemu",        "kvm",     NULL};
    uint64_t version = 0;
    int rc = axi_json_only(json, KEYS);
    rc = rc != 0 ? rc : axi_json_u64(json, "version", true, 1, 1, &version);
    rc =
        rc != 0 ? rc : axi_json_text(json, "board", true, platform->board, sizeof(platform->board));
    rc = rc != 0 ? rc : axi_json_text(json, "isa", false, platform->isa, sizeof(platform->isa));
    rc = rc != 0 ? rc : read_hypervisors(json, platform);
    rc = rc != 0 ? rc : read_cpus(json, "cpus", &platform->cpus);
    rc = rc != 0 ? rc : read_cpus(json, "housekeeping", &platform->housekeeping);
    rc = rc != 0 ? rc : axi_json_bool(json, "allow_cpu0", &platform->allows_cpu0);
    rc = rc != 0 ? rc : axi_json_bool(json, "share_cpus", &platform->shares_cpus);
    rc = rc != 0 ? rc
                 : axi_json_u64(json, "host_memory_bytes", false, 0, UINT64_MAX,
                                &platform->host_memory_bytes);
    rc = rc != 0 ? rc
                 : read_list(json, "pools", AXI_PLATFORM_POOLS_MAX, read_pool, platform,
                             &platform->pool_count);
    rc = rc != 0 ? rc
                 : read_list(json, "interrupts", AXI_PLATFORM_IRQS_MAX, read_irqs, platform,
                             &platform->irq_count);
    rc = rc != 0 ? rc
                 : read_list(json, "devices", AXI_PLATFORM_DEVICES_MAX, read_device, platform,
                             &platform->device_count);
    return rc != 0 ? rc
                   : read_list(json, "remote_cores", AXI_PLATFORM_REMOTE_CORES_MAX, read_core,
                               platform, &platform->remote_core_count);
}

/* CPUs given exclusively to partitions are not the monitors'. */
static int settle_housekeeping(const struct axi_json *json, struct axi_platform *platform)
{
    if (platform->shares_cpus) {
        return 0;
    }
    uint64_t left = 0;
    bool is_given = json_object_get(json->object, "housekeeping") != NULL;
    for (uint32_t i = 0; i < AXI_CPUS_MAX / 64; i++) {
        uint64_t common = platform->housekeeping.bits[i] & platform->cpus.bits[i];
        if (common != 0 && is_given) {
            return refuse(json, "housekeeping: has a CPU of cpus; monitors would disturb it");
        }
        platform->housekeeping.bits[i] &= ~platform->cpus.bits[i];
        left |= platform->housekeeping.bits[i];
    }
    return left != 0 ? 0 : refuse(json, "cpus: leaves no CPU for the host and the monitors");
}

int axi_platform_parse(const char *text, size_t bytes, struct axi_platform *ret_platform,
                       struct axi_report *report)
{
    json_t *root;
    int rc = axi_json_parse(text, bytes, AXI_PLATFORM_BYTES_MAX, -AXC_EPLATFORM, report, &root);
    if (rc != 0) {
        return rc;
    }
    struct axi_platform platform;
    axi_platform_default(&platform);
    platform.shares_cpus = platform.allows_cpu0 = false;
    struct axi_json json = {.object = root, .error = -AXC_EPLATFORM, .report = report};
    rc = read_members(&json, &platform);
    rc = rc != 0 ? rc : settle_housekeeping(&json, &platform);
    json_decref(root);
    if (rc == 0) {
        *ret_platform = platform;
    }
    return rc;
}

int axi_platform_read(const char *path, struct axi_platform *ret_platform,
                      struct axi_report *report)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return axi_report_errno(report, "platform file %s", path);
    }
    char *text = malloc(AXI_PLATFORM_BYTES_MAX + 1);
    size_t used = 0;
    ssize_t got = text != NULL ? 1 : 0;
    while (got > 0 && used <= AXI_PLATFORM_BYTES_MAX) {
        got = read(fd, text + used, AXI_PLATFORM_BYTES_MAX + 1 - used);
        used += got > 0 ? (size_t)got : 0;
    }
    int rc = 0;
    struct axi_report why = {0};
    if (text == NULL) {
        rc = axi_report_set(report, -AXC_ENOMEM, "platform file %s: out of memory", path);
    } else if (got < 0) {
        rc = axi_report_errno(report, "platform file %s", path);
    } else if ((rc = axi_platform_parse(text, used, ret_platform, &why)) != 0) {
        (void)axi_report_set(report, rc, "platform file %s: %s", path, axi_report_text(&why));
    }
    free(text);
    (void)close(fd);
    return rc;
}
