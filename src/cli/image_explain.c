/* SPDX-License-Identifier: Apache-2.0 */
/* axcan image explain: what a partition of an image would take on this machine now, and why. */
#include "base/bytes.h"
#include "cli/command.h"
#include "cli/image_app.h"
#include "cli/options.h"
#include "cli/output.h"
#include "image/file.h"
#include "runax/hv/hv.h"
#include "runax/resource/resource.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COMMAND "image explain"
#define USAGE_BYTES_MAX (4u << 20)
#define NEAREST 3u
#define MIB (1ull << 20)
#define MEMORY_DEFAULT (128 * MIB) /* as runax takes it: src/runax/oci/request.c */

struct explain {
    const char *path, *board, *platform_file, *resources, *usage, *format_text;
    enum axi_format format;
    struct axi_platform platform;
    struct axi_app_index index;
    const struct axi_app_entry *entry;
    struct axi_bri bri;
    uint64_t image_bytes;
    char why_memory[160];
    char why_cpus[160];
    char why_hv[AXI_REPORT_TEXT_BYTES + 64];
};

/* What one run of a similar image took. */
struct usage {
    uint64_t image_bytes, memory_bytes;
    uint32_t cpus;
    uint64_t distance; /* of the image sizes: larger / smaller in 1/1000 */
};

static bool parse_usage(const char *line, size_t bytes, const struct explain *explain,
                        struct usage *ret_usage)
{
    json_t *json = json_loadb(line, bytes, 0, NULL);
    const char *board = json_string_value(json_object_get(json, "board"));
    json_int_t image = json_integer_value(json_object_get(json, "image_bytes"));
    json_int_t memory = json_integer_value(json_object_get(json, "memory_bytes"));
    json_int_t cpus = json_integer_value(json_object_get(json, "cpus"));
    uint64_t own = explain->image_bytes;
    bool is_similar = board != NULL && strcmp(board, explain->bri.partition.board) == 0 &&
                      image > 0 && memory > 0 && memory < (json_int_t)1 << 40 &&
                      image < (json_int_t)1 << 40 && cpus >= 0 && cpus <= (json_int_t)AXI_CPUS_MAX;

    json_decref(json);
    if (is_similar) {
        uint64_t other = (uint64_t)image;

        *ret_usage = (struct usage){other, (uint64_t)memory, (uint32_t)cpus,
                                    own > other ? own * 1000 / other : other * 1000 / own};
    }
    return is_similar;
}

static void insert(struct usage *nearest, uint32_t *count, const struct usage *usage)
{
    uint32_t at = *count;

    while (at > 0 && nearest[at - 1].distance > usage->distance) {
        at--;
    }
    if (at == NEAREST) {
        return;
    }
    *count = *count < NEAREST ? *count + 1 : NEAREST;
    for (uint32_t i = *count - 1; i > at; i--) {
        nearest[i] = nearest[i - 1];
    }
    nearest[at] = *usage;
}

/* The most similar images of which a run was measured; 0 when there is none. */
static int read_usage(const struct explain *explain, struct usage nearest[NEAREST],
                      uint32_t *ret_count)
{
    uint8_t *text = NULL;
    size_t bytes = 0;
    int r = 0;

    *ret_count = 0;
    if (explain->usage == NULL) {
        return 0;
    }
    r = axi_file_read(explain->usage, USAGE_BYTES_MAX, &text, &bytes);
    if (r != 0) {
        return axi_cli_fail(COMMAND, "%s: %s", explain->usage, axi_error_text(r));
    }
    for (const char *line = (const char *)text; *line != '\0';) {
        size_t length = strcspn(line, "\n");
        struct usage usage;

        if (parse_usage(line, length, explain, &usage)) {
            insert(nearest, ret_count, &usage);
        }
        line += length + (line[length] == '\n' ? 1 : 0);
    }
    free(text);
    return 0;
}

/* The most that the nearest took, in proportion to a larger image, a quarter more, whole MiB. */
static uint64_t predict_memory(const struct explain *explain, const struct usage *nearest,
                               uint32_t count)
{
    uint64_t bytes = 0;

    for (uint32_t i = 0; i < count; i++) {
        uint64_t one = nearest[i].memory_bytes;

        if (explain->image_bytes > nearest[i].image_bytes) {
            one = one / 1000 * nearest[i].distance;
        }
        bytes = one > bytes ? one : bytes;
    }
    return (bytes + bytes / 4 + MIB - 1) / MIB * MIB;
}

static int complete(struct explain *explain)
{
    struct axi_partition *partition = &explain->bri.partition;
    struct usage nearest[NEAREST];
    uint32_t count = 0;
    int r = read_usage(explain, nearest, &count);

    if (r != 0) {
        return r;
    }
    (void)snprintf(explain->why_cpus, sizeof(explain->why_cpus), "stated by the image");
    (void)snprintf(explain->why_memory, sizeof(explain->why_memory), "stated by the image");
    if (partition->cpu_count == 0 && partition->remote_core_count == 0) {
        partition->cpu_count = 1;
        for (uint32_t i = 0; i < count; i++) {
            partition->cpu_count =
                nearest[i].cpus > partition->cpu_count ? nearest[i].cpus : partition->cpu_count;
        }
        explain->bri.predicted |= AXI_PREDICTED_CPUS;
        (void)snprintf(explain->why_cpus, sizeof(explain->why_cpus),
                       "predicted: the most of %u similar images", count);
    }
    if (partition->memory_count == 0) {
        partition->memory[0] = (struct axi_memory){
            .pool = "ram",
            .host_address = AXI_ANY,
            .guest_address = AXI_ANY,
            .bytes = count > 0 ? predict_memory(explain, nearest, count) : MEMORY_DEFAULT,
            .flags = AXI_MEMORY_READ | AXI_MEMORY_WRITE | AXI_MEMORY_EXECUTE | AXI_MEMORY_LOADABLE};
        partition->memory_count = 1;
        explain->bri.predicted |= AXI_PREDICTED_MEMORY;
        (void)snprintf(explain->why_memory, sizeof(explain->why_memory),
                       count > 0 ? "predicted: measured use of %u similar images and a quarter"
                                 : "predicted: runax's default; no similar image was measured",
                       count);
    }
    return 0;
}

static int load(struct explain *explain)
{
    struct axi_app_layers layers;
    struct axi_report report = {0};
    int r = axi_image_open_app(COMMAND, explain->path, &explain->index);

    if (r != 0) {
        return r;
    }
    explain->entry = axi_image_for_board(&explain->index, explain->board);
    if (explain->entry == NULL) {
        return axi_cli_fail(COMMAND,
                            "%s has no image for board %s; 'axcan image inspect' lists them",
                            explain->path, explain->board);
    }
    r = axi_app_load(explain->path, explain->entry, &layers);
    r = r != 0 ? r : axi_image_read_bri(&layers, &explain->bri, &report);
    for (uint32_t i = 0; r == 0 && i < explain->bri.partition.image_count; i++) {
        struct axi_partition_image *image = &explain->bri.partition.images[i];
        struct axi_tar_file file;

        if (axi_app_find(&layers, image->path + strspn(image->path, "/"), &file) == 0) {
            image->bytes = file.bytes;
            explain->image_bytes += file.bytes;
        }
    }
    axi_app_unload(&layers);
    return r == 0 ? 0
                  : axi_cli_fail(COMMAND, "%s: %s", explain->path,
                                 report.code != 0 ? axi_report_text(&report) : axi_error_text(r));
}

/* Chooses hypervisor and resources as create would, and takes nothing. */
static int plan(struct explain *explain)
{
    struct axi_partition *partition = &explain->bri.partition;
    const struct axi_hv *hv = NULL;
    struct axi_report report = {0};
    int r = 0;

    (void)snprintf(partition->id, sizeof(partition->id), "axcan-image-explain");
    axi_partition_name(partition);
    (void)snprintf(explain->why_hv, sizeof(explain->why_hv),
                   "the first of the platform's list that can run it");
    if (explain->bri.hv_count == 1) {
        memcpy(partition->hv, explain->bri.hvs[0], sizeof(partition->hv));
        (void)snprintf(explain->why_hv, sizeof(explain->why_hv), "the only one the image is for");
    }
    r = axi_hv_choose(&explain->platform, partition, &report, &hv);
    r = r != 0 ? r : axi_resource_plan(explain->resources, &explain->platform, partition, &report);
    return r == 0 ? 0
                  : axi_cli_fail(COMMAND, "it could not be created now: %s (%s)",
                                 axi_report_text(&report), axi_error_name(r));
}

static void address(uint64_t value, char ret_text[24])
{
    if (value == AXI_ANY) {
        (void)snprintf(ret_text, 24, "any");
    } else {
        (void)snprintf(ret_text, 24, "0x%" PRIx64, value);
    }
}

static json_t *memory_to_json(const struct explain *explain)
{
    json_t *list = json_array();

    for (uint32_t i = 0; i < explain->bri.partition.memory_count; i++) {
        const struct axi_memory *memory = &explain->bri.partition.memory[i];
        char guest[24];
        char host[24];

        address(memory->guest_address, guest);
        address(memory->host_address, host);
        (void)json_array_append_new(
            list, json_pack("{s:s, s:I, s:s, s:s, s:s, s:b}", "pool", memory->pool, "bytes",
                            (json_int_t)memory->bytes, "guest_address", guest, "host_address", host,
                            "why", explain->why_memory, "predicted",
                            (explain->bri.predicted & AXI_PREDICTED_MEMORY) != 0));
    }
    return list;
}

static json_t *images_to_json(const struct explain *explain)
{
    json_t *list = json_array();

    for (uint32_t i = 0; i < explain->bri.partition.image_count; i++) {
        const struct axi_partition_image *image = &explain->bri.partition.images[i];
        char load_address[24];

        address(image->load_address, load_address);
        (void)json_array_append_new(list,
                                    json_pack("{s:s, s:I, s:s, s:s}", "path", image->path, "bytes",
                                              (json_int_t)image->bytes, "load_address",
                                              load_address, "digest", explain->bri.digests[i]));
    }
    return list;
}

static json_t *names_of_devices(const struct axi_partition *partition)
{
    json_t *list = json_array();

    for (uint32_t i = 0; i < partition->device_count; i++) {
        (void)json_array_append_new(list, json_string(partition->devices[i].name));
    }
    for (uint32_t i = 0; i < partition->remote_core_count; i++) {
        (void)json_array_append_new(list, json_string(partition->remote_cores[i].name));
    }
    for (uint32_t i = 0; i < partition->channel_count; i++) {
        (void)json_array_append_new(list, json_string(partition->channels[i].name));
    }
    return list;
}

static json_t *to_json(const struct explain *explain)
{
    const struct axi_partition *partition = &explain->bri.partition;
    char cpus[256];
    char digest[AXI_DIGEST_TEXT_BYTES];

    axi_cpuset_print(&partition->cpus, cpus, sizeof(cpus));
    axi_digest_format(&explain->entry->manifest.digest, digest);
    return json_pack("{s:s, s:s, s:{s:s, s:s}, s:{s:i, s:s, s:s, s:b}, s:o, s:o, s:o}", "board",
                     partition->board, "digest", digest, "hypervisor", "name", partition->hv, "why",
                     explain->why_hv, "cpus", "count", (int)partition->cpu_count, "numbers", cpus,
                     "why", explain->why_cpus, "predicted",
                     (int)((explain->bri.predicted & AXI_PREDICTED_CPUS) != 0), "memory",
                     memory_to_json(explain), "images", images_to_json(explain), "devices",
                     names_of_devices(partition));
}

static void print_text(const struct explain *explain)
{
    const struct axi_partition *partition = &explain->bri.partition;
    json_t *memory = memory_to_json(explain);
    json_t *images = images_to_json(explain);
    const json_t *item = NULL;
    size_t i = 0;
    char cpus[256];

    axi_cpuset_print(&partition->cpus, cpus, sizeof(cpus));
    (void)printf("%-12s %-34s (%s)\n", "hypervisor", partition->hv, explain->why_hv);
    (void)printf("%-12s %-2u on %-28s (%s)\n", "cpus", partition->cpu_count, cpus,
                 explain->why_cpus);
    json_array_foreach (memory, i, item) {
        (void)printf("%-12s %" PRIu64 " KiB %s at guest %s, host %s (%s)\n", "memory",
                     partition->memory[i].bytes / 1024, partition->memory[i].pool,
                     json_string_value(json_object_get(item, "guest_address")),
                     json_string_value(json_object_get(item, "host_address")), explain->why_memory);
    }
    json_array_foreach (images, i, item) {
        (void)printf("%-12s %s, %" PRIu64 " bytes, at %s\n", "image", partition->images[i].path,
                     partition->images[i].bytes,
                     json_string_value(json_object_get(item, "load_address")));
    }
    for (i = 0; i < partition->device_count; i++) {
        (void)printf("%-12s %s\n", "device", partition->devices[i].name);
    }
    for (i = 0; i < partition->remote_core_count; i++) {
        (void)printf("%-12s %s\n", "remote core", partition->remote_cores[i].name);
    }
    json_decref(memory);
    json_decref(images);
}

static int read_platform(struct explain *explain)
{
    struct axi_report report = {0};
    const char *path = explain->platform_file != NULL ? explain->platform_file : AXI_PLATFORM_FILE;
    int r = axi_platform_read(path, &explain->platform, &report);

    if (r == -AXC_ENOENT && explain->platform_file == NULL) {
        axi_platform_default(&explain->platform);
        return 0;
    }
    return r == 0 ? 0 : axi_cli_fail(COMMAND, "%s", axi_report_text(&report));
}

int axi_image_explain(int argc, char **argv)
{
    static struct explain explain = {.resources = AXI_RESOURCE_FOLDER};
    size_t count = 0;
    const struct axi_option options[] = {
        {"board", AXI_OPTION_TEXT, &explain.board},
        {"platform", AXI_OPTION_TEXT, &explain.platform_file},
        {"resources", AXI_OPTION_TEXT, &explain.resources},
        {"usage", AXI_OPTION_TEXT, &explain.usage},
        {"o", AXI_OPTION_TEXT, &explain.format_text},
    };
    int r = axi_options_parse(COMMAND, argc, argv, options, sizeof(options) / sizeof(options[0]),
                              "APP", 1, 1, &explain.path, &count);

    if (r == 0 && explain.board == NULL) {
        r = axi_cli_usage(COMMAND, "--board BOARD is needed");
    }
    if (r == 0 && !axi_parse_format(explain.format_text, &explain.format)) {
        r = axi_cli_usage(COMMAND, "-o: '%s' is none of json, yaml", explain.format_text);
    }
    r = r != 0 ? r : read_platform(&explain);
    r = r != 0 ? r : load(&explain);
    r = r != 0 ? r : complete(&explain);
    r = r != 0 ? r : plan(&explain);
    if (r != 0) {
        return r;
    }
    if (explain.format == AXI_FORMAT_JSON || explain.format == AXI_FORMAT_YAML) {
        json_t *document = to_json(&explain);

        (explain.format == AXI_FORMAT_JSON ? axi_print_json : axi_print_yaml)(stdout, document);
        json_decref(document);
    } else {
        print_text(&explain);
    }
    return 0;
}
