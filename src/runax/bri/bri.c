/* SPDX-License-Identifier: Apache-2.0 */
#include "runax/bri/bri.h"

#include "runax/json.h"

#include <string.h>

static int copy_name(const struct axi_json *json, const char *key, const json_t *array,
                     size_t index, char *ret_name, size_t size)
{
    const char *text = json_string_value(json_array_get(array, index));
    if (text == NULL || strlen(text) == 0 || strlen(text) >= size) {
        return axi_report_set(json->report, json->error, "%s%s[%zu]: not a name", json->where, key,
                              index);
    }
    (void)strcpy(ret_name, text);
    return 0;
}

static int read_names(const struct axi_json *json, const char *key, char (*ret_names)[16],
                      uint32_t *ret_count)
{
    const json_t *array;
    size_t count;
    int rc = axi_json_array(json, key, AXI_BRI_HVS_MAX, &array, &count);
    for (size_t i = 0; i < count && rc == 0; i++) {
        rc = copy_name(json, key, array, i, ret_names[i], sizeof(ret_names[i]));
    }
    *ret_count = rc == 0 ? (uint32_t)count : 0;
    return rc;
}

static int read_memory(const struct axi_json *json, struct axi_partition *partition)
{
    static const char *const KEYS[] = {"pool", "address", "host_address", "bytes", "align", NULL};
    const json_t *array;
    size_t count;
    int rc = axi_json_array(json, "memory", AXI_PARTITION_MEMORY_MAX, &array, &count);
    for (size_t i = 0; i < count && rc == 0; i++) {
        struct axi_memory *memory = &partition->memory[i];
        *memory = (struct axi_memory){.pool = "ram",
                                      .host_address = AXI_ANY,
                                      .guest_address = AXI_ANY,
                                      .flags = AXI_MEMORY_READ | AXI_MEMORY_WRITE |
                                               AXI_MEMORY_EXECUTE | AXI_MEMORY_LOADABLE};
        struct axi_json item;
        rc = axi_json_item(json, "memory", array, i, &item);
        rc = rc != 0 ? rc : axi_json_only(&item, KEYS);
        rc = rc != 0 ? rc : axi_json_text(&item, "pool", false, memory->pool, sizeof(memory->pool));
        rc = rc != 0
                 ? rc
                 : axi_json_u64(&item, "address", false, 0, AXI_ANY - 1, &memory->guest_address);
        rc = rc != 0 ? rc
                     : axi_json_u64(&item, "host_address", false, 0, AXI_ANY - 1,
                                    &memory->host_address);
        rc =
            rc != 0 ? rc : axi_json_u64(&item, "bytes", true, 1, UINT64_C(1) << 40, &memory->bytes);
        rc = rc != 0 ? rc
                     : axi_json_u64(&item, "align", false, 0, UINT64_C(1) << 40, &memory->align);
    }
    partition->memory_count = (uint32_t)count;
    return rc;
}

static int read_image(const struct axi_json *json, struct axi_partition_image *image, char *digest,
                      size_t digest_size)
{
    static const char *const KEYS[] = {"path", "format", "load", "entry", "digest", "core", NULL};
    *image = (struct axi_partition_image){
        .fd = -1, .core = -1, .load_address = AXI_ANY, .entry = AXI_ANY};
    char format[8] = "raw";
    uint64_t core = AXI_ANY;
    int rc = axi_json_only(json, KEYS);
    rc = rc != 0 ? rc : axi_json_text(json, "path", true, image->path, sizeof(image->path));
    rc = rc != 0 ? rc : axi_json_text(json, "format", false, format, sizeof(format));
    rc = rc != 0 ? rc : axi_json_text(json, "digest", false, digest, digest_size);
    rc = rc != 0 ? rc : axi_json_u64(json, "load", false, 0, AXI_ANY - 1, &image->load_address);
    rc = rc != 0 ? rc : axi_json_u64(json, "entry", false, 0, AXI_ANY - 1, &image->entry);
    rc = rc != 0 ? rc
                 : axi_json_u64(json, "core", false, 0, AXI_PARTITION_REMOTE_CORES_MAX - 1, &core);
    if (rc != 0) {
        return rc;
    }
    if (strcmp(format, "raw") != 0 && strcmp(format, "elf") != 0) {
        return axi_report_set(json->report, json->error, "%sformat: \"%s\" is neither raw nor elf",
                              json->where, format);
    }
    if (!axi_bri_is_digest(digest)) {
        return axi_report_set(json->report, json->error, "%sdigest: not sha256:<64 digits>",
                              json->where);
    }
    image->format = strcmp(format, "elf") == 0 ? AXI_IMAGE_ELF : AXI_IMAGE_RAW;
    image->core = core == AXI_ANY ? -1 : (int32_t)core;
    return 0;
}

static int read_images(const struct axi_json *json, struct axi_bri *bri)
{
    const json_t *array;
    size_t count;
    int rc = axi_json_array(json, "images", AXI_PARTITION_IMAGES_MAX, &array, &count);
    for (size_t i = 0; i < count && rc == 0; i++) {
        struct axi_json item;
        rc = axi_json_item(json, "images", array, i, &item);
        rc = rc != 0 ? rc
                     : read_image(&item, &bri->partition.images[i], bri->digests[i],
                                  sizeof(bri->digests[i]));
    }
    if (rc == 0 && count == 0) {
        return axi_report_set(json->report, json->error, "images: none");
    }
    bri->partition.image_count = (uint32_t)count;
    for (size_t i = 0; i < count && rc == 0; i++) {
        if (bri->partition.images[i].core >= (int32_t)bri->partition.remote_core_count) {
            return axi_report_set(json->report, json->error,
                                  "images[%zu].core: not in remote_cores", i);
        }
    }
    return rc;
}

static int read_channels(const struct axi_json *json, struct axi_partition *partition)
{
    static const char *const KEYS[] = {"name",  "address",   "host_address", "bytes",
                                       "peers", "device_id", "protocol",     NULL};
    const json_t *array;
    size_t count;
    int rc = axi_json_array(json, "channels", AXI_PARTITION_CHANNELS_MAX, &array, &count);
    for (size_t i = 0; i < count && rc == 0; i++) {
        struct axi_channel *channel = &partition->channels[i];
        uint32_t protocol = 0;
        struct axi_json item;
        *channel = (struct axi_channel){
            .host_address = AXI_ANY, .guest_address = AXI_ANY, .irq = AXI_ANY, .peers = 1};
        rc = axi_json_item(json, "channels", array, i, &item);
        rc = rc != 0 ? rc : axi_json_only(&item, KEYS);
        rc =
            rc != 0 ? rc : axi_json_text(&item, "name", true, channel->name, sizeof(channel->name));
        rc = rc != 0
                 ? rc
                 : axi_json_u64(&item, "address", false, 0, AXI_ANY - 1, &channel->guest_address);
        rc = rc != 0 ? rc
                     : axi_json_u64(&item, "host_address", false, 0, AXI_ANY - 1,
                                    &channel->host_address);
        rc = rc != 0 ? rc
                     : axi_json_u64(&item, "bytes", true, 64, UINT64_C(1) << 32, &channel->bytes);
        rc = rc != 0 ? rc : axi_json_u32(&item, "peers", false, 1, 12, &channel->peers);
        rc = rc != 0 ? rc
                     : axi_json_u32(&item, "device_id", false, 0, channel->peers - 1,
                                    &channel->device_id);
        rc = rc != 0 ? rc : axi_json_u32(&item, "protocol", false, 0, 0xffff, &protocol);
        channel->protocol = (uint16_t)protocol;
    }
    partition->channel_count = (uint32_t)count;
    return rc;
}

static int read_irqs(const struct axi_json *json, struct axi_partition *partition)
{
    const json_t *array;
    size_t count;
    int rc = axi_json_array(json, "irqs", AXI_PARTITION_IRQS_MAX, &array, &count);
    for (size_t i = 0; i < count && rc == 0; i++) {
        json_int_t irq = json_integer_value(json_array_get(array, i));
        if (irq < 16 || irq > 1019) {
            return axi_report_set(json->report, json->error, "irqs[%zu]: not 16..1019", i);
        }
        partition->irqs[i] = (uint32_t)irq;
    }
    partition->irq_count = (uint32_t)count;
    return rc;
}

/* Devices and remote cores are named; what they are stands in the platform file. */
static int read_parts(const struct axi_json *json, struct axi_partition *partition)
{
    const json_t *array;
    size_t count;
    int rc = axi_json_array(json, "devices", AXI_PARTITION_DEVICES_MAX, &array, &count);
    for (size_t i = 0; i < count && rc == 0; i++) {
        rc = copy_name(json, "devices", array, i, partition->devices[i].name,
                       sizeof(partition->devices[i].name));
    }
    partition->device_count = rc == 0 ? (uint32_t)count : 0;
    rc = rc != 0
             ? rc
             : axi_json_array(json, "remote_cores", AXI_PARTITION_REMOTE_CORES_MAX, &array, &count);
    for (size_t i = 0; i < count && rc == 0; i++) {
        rc = copy_name(json, "remote_cores", array, i, partition->remote_cores[i].name,
                       sizeof(partition->remote_cores[i].name));
    }
    partition->remote_core_count = rc == 0 ? (uint32_t)count : 0;
    return rc;
}

static int read_console(const struct axi_json *json, struct axi_partition_console *console)
{
    static const char *const KEYS[] = {"kind", "address", NULL};
    static const struct {
        const char *name;
        uint32_t kind;
    } KINDS[] = {{"none", AXI_CONSOLE_NONE},       {"8250", AXI_CONSOLE_8250},
                 {"pl011", AXI_CONSOLE_PL011},     {"xuartps", AXI_CONSOLE_XUARTPS},
                 {"default", AXI_CONSOLE_DEFAULT}, {"hypervisor", AXI_CONSOLE_HYPERVISOR}};
    struct axi_json object;
    char kind[16] = "";
    int rc = axi_json_object(json, "console", &object);
    if (rc != 0 || object.object == NULL) {
        return rc;
    }
    rc = axi_json_only(&object, KEYS);
    rc = rc != 0 ? rc : axi_json_text(&object, "kind", true, kind, sizeof(kind));
    rc = rc != 0 ? rc : axi_json_u64(&object, "address", false, 0, AXI_ANY - 1, &console->address);
    for (size_t i = 0; i < sizeof(KINDS) / sizeof(KINDS[0]) && rc == 0; i++) {
        if (strcmp(kind, KINDS[i].name) == 0) {
            console->kind = KINDS[i].kind;
            return 0;
        }
    }
    return rc != 0
               ? rc
               : axi_report_set(json->report, json->error, "console.kind: \"%s\" is unknown", kind);
}

static int read_watch(const struct axi_json *json, struct axi_watch *watch)
{
    static const char *const KEYS[] = {"heartbeat_ms", "console_silence_ms", "start_ms", "fatal",
                                       NULL};
    struct axi_json object;
    int rc = axi_json_object(json, "watch", &object);
    if (rc != 0 || object.object == NULL) {
        return rc;
    }
    rc = axi_json_only(&object, KEYS);
    rc = rc != 0
             ? rc
             : axi_json_u32(&object, "heartbeat_ms", false, 0, UINT32_MAX, &watch->heartbeat_ms);
    rc = rc != 0 ? rc
                 : axi_json_u32(&object, "console_silence_ms", false, 0, UINT32_MAX,
                                &watch->console_silence_ms);
    rc = rc != 0 ? rc : axi_json_u32(&object, "start_ms", false, 0, UINT32_MAX, &watch->start_ms);
    return rc != 0 ? rc : axi_json_bool(&object, "fatal", &watch->is_fatal);
}

static int read_members(const struct axi_json *json, struct axi_bri *bri)
{
    static const char *const KEYS[] = {
        "version", "board",     "isa",   "hypervisors", "layouts", "cpus",
        "memory",  "images",    "watch", "irqs",        "devices", "remote_cores",
        "console", "predicted", "tasks", "channels",    NULL};
    struct axi_partition *partition = &bri->partition;
    int rc = axi_json_u32(json, "version", true, AXI_BRI_VERSION, AXI_BRI_VERSION, &bri->version);
    rc = rc != 0 ? rc : axi_json_only(json, KEYS);
    rc = rc != 0 ? rc
                 : axi_json_text(json, "board", true, partition->board, sizeof(partition->board));
    rc = rc != 0 ? rc : axi_json_text(json, "isa", true, partition->isa, sizeof(partition->isa));
    rc = rc != 0 ? rc : read_names(json, "hypervisors", bri->hvs, &bri->hv_count);
    rc = rc != 0 ? rc : read_names(json, "layouts", bri->layouts, &bri->layout_count);
    partition->cpu_count = 1;
    rc = rc != 0 ? rc : axi_json_u32(json, "cpus", false, 0, AXI_CPUS_MAX, &partition->cpu_count);
    rc = rc != 0 ? rc : read_memory(json, partition);
    rc = rc != 0 ? rc : read_parts(json, partition);
    rc = rc != 0 ? rc : read_images(json, bri);
    rc = rc != 0 ? rc : read_channels(json, partition);
    rc = rc != 0 ? rc : read_irqs(json, partition);
    rc = rc != 0 ? rc : axi_bri_read_facts(json, bri);
    rc = rc != 0 ? rc : read_console(json, &partition->console);
    return rc != 0 ? rc : read_watch(json, &partition->watch);
}

int axi_bri_parse(const char *text, size_t bytes, struct axi_bri *ret_bri,
                  struct axi_report *report)
{
    json_t *root;
    int rc = axi_json_parse(text, bytes, AXI_BRI_BYTES_MAX, -AXC_EBRI, report, &root);
    if (rc != 0) {
        return rc;
    }
    struct axi_bri bri = {.partition.console.kind = AXI_CONSOLE_DEFAULT,
                          .partition.watch.is_fatal = true};
    struct axi_json json = {.object = root, .error = -AXC_EBRI, .report = report};
    rc = read_members(&json, &bri);
    json_decref(root);
    if (rc == 0) {
        *ret_bri = bri;
    }
    return rc;
}
