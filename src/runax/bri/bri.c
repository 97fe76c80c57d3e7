/* SPDX-License-Identifier: Apache-2.0 */
#include "runax/bri/bri.h"

#include "runax/json.h"

#include <string.h>

static int read_names(const struct axi_json *json, const char *key, char (*ret_names)[16],
                      uint32_t *ret_count)
{
    const json_t *array;
    size_t count;
    int rc = axi_json_array(json, key, AXI_BRI_HVS_MAX, &array, &count);
    for (size_t i = 0; i < count && rc == 0; i++) {
        const char *text = json_string_value(json_array_get(array, i));
        if (text == NULL || strlen(text) == 0 || strlen(text) > 15) {
            return axi_report_set(json->report, json->error, "%s%s[%zu]: not a name", json->where,
                                  key, i);
        }
        (void)strcpy(ret_names[i], text);
    }
    *ret_count = (uint32_t)count;
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
    return rc;
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
    struct axi_partition *partition = &bri->partition;
    int rc = axi_json_u32(json, "version", true, AXI_BRI_VERSION, AXI_BRI_VERSION, &bri->version);
    rc = rc != 0 ? rc
                 : axi_json_text(json, "board", true, partition->board, sizeof(partition->board));
    rc = rc != 0 ? rc : axi_json_text(json, "isa", true, partition->isa, sizeof(partition->isa));
    rc = rc != 0 ? rc : read_names(json, "hypervisors", bri->hvs, &bri->hv_count);
    rc = rc != 0 ? rc : read_names(json, "layouts", bri->layouts, &bri->layout_count);
    partition->cpu_count = 1;
    rc = rc != 0 ? rc : axi_json_u32(json, "cpus", false, 0, AXI_CPUS_MAX, &partition->cpu_count);
    rc = rc != 0 ? rc : read_memory(json, partition);
    rc = rc != 0 ? rc : read_images(json, bri);
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
