/* SPDX-License-Identifier: Apache-2.0 */
/* axcan inspect: what a task image or a bare ELF file holds, after every check a node makes. */
#include "cli/command.h"
#include "image/file.h"
#include "image/image.h"
#include "image/meta_json.h"
#include "image/os_image.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static json_t *segments_to_json(const struct axi_elf_plan *plan)
{
    json_t *list = json_array();

    for (uint32_t i = 0; i < plan->segment_count; i++) {
        const struct axi_elf_segment *segment = &plan->segments[i];
        char flags[4] = "---";

        flags[0] = (segment->flags & AXI_ELF_SEGMENT_READ) != 0 ? 'r' : '-';
        flags[1] = (segment->flags & AXI_ELF_SEGMENT_WRITE) != 0 ? 'w' : '-';
        flags[2] = (segment->flags & AXI_ELF_SEGMENT_EXECUTE) != 0 ? 'x' : '-';
        (void)json_array_append_new(list,
                                    json_pack("{s:s, s:I, s:I, s:I, s:I}", "flags", flags,
                                              "file_offset", (json_int_t)segment->file_offset,
                                              "file_bytes", (json_int_t)segment->file_bytes,
                                              "image_offset", (json_int_t)segment->image_offset,
                                              "memory_bytes", (json_int_t)segment->memory_bytes));
    }
    return list;
}

static json_t *relocations_to_json(const struct axi_elf_plan *plan)
{
    json_t *types = json_object();

    /* The check that made the plan admits no other type. */
    if (plan->rela_count > 0) {
        (void)json_object_set_new(
            types, plan->isa == AXI_ISA_X86_64 ? "R_X86_64_RELATIVE" : "R_AARCH64_RELATIVE",
            json_integer((json_int_t)plan->rela_count));
    }
    return json_pack("{s:I, s:o}", "count", (json_int_t)plan->rela_count, "types", types);
}

static json_t *entry_to_json(const struct axi_image_entry *entry)
{
    const struct axi_elf_limits limits = {.image_bytes_max = AXI_IMAGE_MEMORY_BYTES_MAX,
                                          .isa = entry->isa};
    struct axi_elf_plan plan;
    char digest[AXI_DIGEST_TEXT_BYTES];

    if (axi_elf_check(entry->elf, entry->elf_bytes, &limits, &plan) != 0) {
        return NULL;
    }
    axi_digest_format(&entry->digest, digest);
    return json_pack("{s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:o, s:o}", "isa",
                     axi_isa_name(entry->isa), "digest", digest, "elf_bytes",
                     (json_int_t)entry->elf_bytes, "image_bytes", (json_int_t)plan.image_bytes,
                     "text_bytes", (json_int_t)plan.text_bytes, "data_bytes",
                     (json_int_t)plan.data_bytes, "entry", (json_int_t)plan.entry, "segments",
                     segments_to_json(&plan), "relocations", relocations_to_json(&plan));
}

static json_t *image_to_json(const struct axi_image *image)
{
    const struct axi_image_entry *first = axi_image_entry_at(image, 0);
    json_t *entries = json_array();

    for (uint32_t i = 0; i < axi_image_entry_count(image); i++) {
        (void)json_array_append_new(entries, entry_to_json(axi_image_entry_at(image, i)));
    }
    return json_pack("{s:o, s:s, s:o}", "task", axi_meta_to_json(&first->meta), "schema",
                     first->schema, "entries", entries);
}

static void print_value(const char *key, const json_t *value)
{
    const char *name = NULL;
    const json_t *item = NULL;
    size_t i = 0;

    (void)printf("%-18s", key);
    if (json_is_string(value)) {
        (void)printf("%s", json_string_value(value));
    } else if (json_is_integer(value)) {
        (void)printf("%" JSON_INTEGER_FORMAT, json_integer_value(value));
    } else if (json_is_boolean(value)) {
        (void)printf("%s", json_is_true(value) ? "yes" : "no");
    }
    json_array_foreach (value, i, item) {
        (void)printf("%s%s", i > 0 ? " " : "", json_string_value(item));
    }
    i = 0;
    json_object_foreach ((json_t *)(uintptr_t)value, name, item) {
        (void)printf("%s%s=%" JSON_INTEGER_FORMAT, i++ > 0 ? " " : "", name,
                     json_integer_value(item));
    }
    (void)putchar('\n');
}

static void print_entry(const json_t *entry)
{
    const json_t *segment = NULL;
    const json_t *relocations = json_object_get(entry, "relocations");
    size_t i = 0;

    (void)putchar('\n');
    print_value("isa", json_object_get(entry, "isa"));
    print_value("digest", json_object_get(entry, "digest"));
    print_value("elf_bytes", json_object_get(entry, "elf_bytes"));
    print_value("image_bytes", json_object_get(entry, "image_bytes"));
    print_value("entry", json_object_get(entry, "entry"));
    json_array_foreach (json_object_get(entry, "segments"), i, segment) {
        (void)printf("segment %-10zu%s at %" JSON_INTEGER_FORMAT ", %" JSON_INTEGER_FORMAT
                     " bytes (%" JSON_INTEGER_FORMAT " from file)\n",
                     i, json_string_value(json_object_get(segment, "flags")),
                     json_integer_value(json_object_get(segment, "image_offset")),
                     json_integer_value(json_object_get(segment, "memory_bytes")),
                     json_integer_value(json_object_get(segment, "file_bytes")));
    }
    print_value("relocations", json_object_get(relocations, "types"));
}

static void print_text(const json_t *document)
{
    const char *key = NULL;
    const json_t *item = NULL;
    const char *schema = json_string_value(json_object_get(document, "schema"));
    size_t i = 0;

    json_object_foreach (json_object_get(document, "task"), key, item) {
        print_value(key, item);
    }
    json_array_foreach (json_object_get(document, "entries"), i, item) {
        print_entry(item);
    }
    if (*schema != '\0') {
        (void)printf("\n%s", schema);
    }
}

static int open_any(const char *path, struct axi_image **ret_image)
{
    struct stat status;

    if (stat(path, &status) != 0) {
        return -AXC_ENOENT;
    }
    return S_ISDIR(status.st_mode) ? axi_image_open(path, ret_image)
                                   : axi_image_open_elf(path, ret_image);
}

static json_t *boot_task_to_json(const struct axi_boot_task *task)
{
    struct axi_image_entry entry;
    char digest[AXI_DIGEST_TEXT_BYTES] = "";
    int error = axi_image_entry_from_elf(task->elf, task->elf_bytes, "", &entry);

    if (error == 0) {
        axi_digest_format(&entry.digest, digest);
    }
    return json_pack("{s:s, s:s, s:s, s:I, s:I, s:I, s:s}", "name", task->name, "task",
                     error == 0 ? entry.meta.name : "", "digest", digest, "elf_bytes",
                     (json_int_t)task->elf_bytes, "jobs", (json_int_t)task->jobs, "wcet_ns",
                     (json_int_t)task->wcet_ns, "error", error == 0 ? "" : axi_error_name(error));
}

/* The token is a secret and left out. */
static json_t *boot_config_to_json(const struct axi_boot_config *config)
{
    static const char *const networks[] = {"none", "static", "dhcp"};
    static const char *const exits[] = {"halt", "psci", "semihosting"};
    json_t *tasks = json_array();

    for (uint32_t i = 0; i < config->task_count; i++) {
        (void)json_array_append_new(tasks, boot_task_to_json(&config->tasks[i]));
    }
    return json_pack("{s:s, s:s, s:s, s:s, s:b, s:s, s:I, s:I, s:I, s:I, s:I, s:s, s:I, s:o}",
                     "node", config->name, "network", networks[config->network], "master",
                     config->master, "advertise", config->advertise, "trace",
                     (config->flags & AXI_BOOT_FLAG_TRACE) != 0, "exit", exits[config->exit],
                     "time_limit_ns", (json_int_t)config->time_limit_ns, "slots",
                     (json_int_t)config->slots, "capacity_ppm", (json_int_t)config->capacity_ppm,
                     "server_budget_ns", (json_int_t)config->server_budget_ns, "server_period_ns",
                     (json_int_t)config->server_period_ns, "clock",
                     config->clock == AXI_BOOT_CLOCK_PTP ? "ptp" : "master", "clock_domain",
                     (json_int_t)config->clock_domain, "tasks", tasks);
}

/* The values of an object but for lists, objects and empty texts. */
static void print_values(const json_t *object)
{
    const char *key = NULL;
    const json_t *item = NULL;

    json_object_foreach ((json_t *)(uintptr_t)object, key, item) {
        if (!json_is_object(item) && !json_is_array(item) &&
            !(json_is_string(item) && *json_string_value(item) == '\0')) {
            print_value(key, item);
        }
    }
}

static void print_os_image(const json_t *document)
{
    const json_t *config = json_object_get(document, "config");
    const json_t *task = NULL;
    size_t i = 0;

    print_values(document);
    print_values(config);
    json_array_foreach (json_object_get(config, "tasks"), i, task) {
        (void)putchar('\n');
        print_values(task);
    }
}

/* An image of Axcan OS, or its configuration alone. -AXC_EIMAGE_OS_LAYOUT when it is neither. */
static int os_image_to_json(const uint8_t *file, size_t bytes, json_t **ret_document)
{
    static struct axi_boot_config config;
    struct axi_os_image image = {.config = file, .config_bytes = bytes};
    json_t *document = NULL;
    size_t length = 0;
    int error = axi_boot_config_length(file, bytes, &length);

    if (error == -AXC_EBOOT_MAGIC || error == -AXC_EBOOT_TRUNCATED) {
        error = axi_os_image_read(file, bytes, &image);
    }
    if (error == 0 && image.config != NULL) {
        error = axi_boot_config_decode(image.config, image.config_bytes, &config);
    }
    if (error < 0) {
        return error;
    }
    document = json_object();
    if (image.image_bytes > 0) {
        (void)json_object_set_new(document, "board", json_string(image.board));
        (void)json_object_set_new(document, "format", json_string(image.is_elf ? "elf" : "raw"));
        (void)json_object_set_new(document, "image_bytes",
                                  json_integer((json_int_t)image.image_bytes));
    }
    (void)json_object_set_new(document, "config_bytes",
                              json_integer((json_int_t)image.config_bytes));
    if (image.config != NULL) {
        (void)json_object_set_new(document, "config", boot_config_to_json(&config));
    }
    *ret_document = document;
    return 0;
}

/* The exit code, or -AXC_EIMAGE_OS_LAYOUT when the file is something else. */
static int inspect_os(const char *path, int is_json)
{
    json_t *document = NULL;
    uint8_t *file = NULL;
    size_t bytes = 0;
    int error = axi_file_read(path, AXI_OS_IMAGE_BYTES_MAX, &file, &bytes);

    if (error < 0) {
        return -AXC_EIMAGE_OS_LAYOUT; /* the task image's reader says why */
    }
    error = os_image_to_json(file, bytes, &document);
    free(file);
    if (error == -AXC_EIMAGE_OS_LAYOUT) {
        return error;
    }
    if (error < 0) {
        return axi_cli_fail("inspect", "%s: %s (%s)", path, axi_error_text(error),
                            axi_error_name(error));
    }
    if (is_json) {
        (void)json_dumpf(document, stdout, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
        (void)putchar('\n');
    } else {
        print_os_image(document);
    }
    json_decref(document);
    return 0;
}

static int inspect(const char *path, int is_json)
{
    struct axi_image *image = NULL;
    json_t *document = NULL;
    int error = inspect_os(path, is_json);

    if (error != -AXC_EIMAGE_OS_LAYOUT) {
        return error;
    }
    error = open_any(path, &image);

    if (error != 0) {
        return axi_cli_fail("inspect", "%s: %s (%s)", path, axi_error_text(error),
                            axi_error_name(error));
    }
    document = image_to_json(image);
    if (document == NULL) {
        error = axi_cli_fail("inspect", "out of memory");
    } else if (is_json) {
        (void)json_dumpf(document, stdout, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
        (void)putchar('\n');
    } else {
        print_text(document);
    }
    json_decref(document);
    axi_image_free(image);
    return error;
}

static int run(int argc, char **argv)
{
    const char *path = NULL;
    int is_json = 0;

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "-o") == 0 && i + 1 < argc) {
            i++;
            if (strcmp(argv[i], "json") != 0 && strcmp(argv[i], "text") != 0) {
                return axi_cli_usage("inspect", "-o takes json or text, not '%s'", argv[i]);
            }
            is_json = strcmp(argv[i], "json") == 0;
        } else if (argv[i][0] == '-' || path != NULL) {
            return axi_cli_usage("inspect", "unexpected argument '%s'", argv[i]);
        } else {
            path = argv[i];
        }
    }
    return path != NULL ? inspect(path, is_json) : axi_cli_usage("inspect", "no image given");
}

const struct axi_command axi_command_inspect = {
    .name = "inspect",
    .summary = "show what a task image, ELF file or image of Axcan OS holds",
    .usage = "usage: axcan inspect IMAGE.axi|FILE.elf [-o text|json]\n\n"
             "Verifies the image as a node does and prints the task's metadata, and for each\n"
             "instruction set digest, sizes, segments and relocations, and the state's schema.\n"
             "Of an image of Axcan OS: board, configuration and packed tasks.\n",
    .run = run,
};
