/* SPDX-License-Identifier: Apache-2.0 */
/* axcan image os: kernel, tasks and configuration in one bootable file. Nothing is linked. */
#include "cli/command.h"
#include "cli/options.h"
#include "cli/os_files.h"
#include "image/file.h"
#include "image/image.h"
#include "image/os_image.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COMMAND "image os"

enum format { RAW, ELF, CONFIG };

struct request {
    const char *board, *out, *format_text, *exit_text;
    enum format format;
    uint64_t jobs, time_limit_ns, capacity_ppm;
    bool is_traced;
    struct axi_option_list tasks, wcets;
    struct axi_boot_config config;
    struct axi_image *images[AXI_BOOT_TASKS_MAX];
};

static int fail_code(const char *what, int error)
{
    return axi_cli_fail(COMMAND, "%s: %s (%s)", what, axi_error_text(error), axi_error_name(error));
}

static int find_word(const char *text, const char *const *words, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(text, words[i]) == 0) {
            return (int)i;
        }
    }
    return -1;
}

static int check_request(struct request *request)
{
    static const char *const exits[] = {"halt", "psci", "semihosting"};
    static const char *const formats[] = {"raw", "elf", "config"};
    int how_to_end = find_word(request->exit_text, exits, 3);
    size_t length = request->out != NULL ? strlen(request->out) : 0;

    if (request->out == NULL) {
        return axi_cli_usage(COMMAND, "-o FILE is needed");
    }
    if (!axi_os_is_board(request->board)) {
        return axi_cli_usage(COMMAND, "--board: '%s' is none of virt, zcu102", request->board);
    }
    if (how_to_end < 0) {
        return axi_cli_usage(COMMAND, "--exit: '%s' is none of halt, psci, semihosting",
                             request->exit_text);
    }
    if (request->format_text != NULL) {
        int format = find_word(request->format_text, formats, 3);

        if (format < 0) {
            return axi_cli_usage(COMMAND, "--format: '%s' is none of raw, elf, config",
                                 request->format_text);
        }
        request->format = (enum format)format;
    } else if (length > 4 && strcmp(request->out + length - 4, ".elf") == 0) {
        request->format = ELF;
    }
    if (request->tasks.count == 0) {
        return axi_cli_usage(COMMAND, "--task IMAGE.axi is needed");
    }
    if (request->capacity_ppm == 0 || request->capacity_ppm > 1000000) {
        return axi_cli_usage(COMMAND, "--capacity: 1 to 1000000 ppm");
    }
    request->config.exit = (enum axi_boot_exit)how_to_end;
    request->config.flags = request->is_traced ? AXI_BOOT_FLAG_TRACE : 0;
    request->config.time_limit_ns = request->time_limit_ns;
    request->config.capacity_ppm = (uint32_t)request->capacity_ppm;
    request->config.slots = (uint32_t)request->tasks.count;
    return 0;
}

/* "NAME=IMAGE" or "IMAGE": the instance's name is the task's unless given. */
static const char *split_name(const char *text, char ret_name[AXC_NAME_BYTES])
{
    const char *equals = strchr(text, '=');

    ret_name[0] = '\0';
    if (equals == NULL || (size_t)(equals - text) >= AXC_NAME_BYTES) {
        return text;
    }
    memset(ret_name, 0, AXC_NAME_BYTES);
    memcpy(ret_name, text, (size_t)(equals - text));
    if (!axi_meta_is_name(ret_name)) { /* a path with '=' in it */
        ret_name[0] = '\0';
        return text;
    }
    return equals + 1;
}

/* "NAME=TIME" of the list for this instance; 0 when none is given. */
static int find_wcet(const struct axi_option_list *wcets, const char *name, uint64_t *ret_ns)
{
    size_t length = strlen(name);

    *ret_ns = 0;
    for (size_t i = 0; i < wcets->count; i++) {
        const char *text = wcets->items[i];

        if (strncmp(text, name, length) == 0 && text[length] == '=' &&
            (!axi_parse_time_ns(text + length + 1, ret_ns) || *ret_ns == 0)) {
            return axi_cli_usage(COMMAND, "--wcet: '%s' is not NAME=TIME", text);
        }
    }
    return 0;
}

static int add_task(struct request *request, const char *text)
{
    uint32_t n = request->config.task_count;
    struct axi_boot_task *task = &request->config.tasks[n];
    const char *path = split_name(text, task->name);
    const struct axi_image_entry *entry = NULL;
    char platform[AXC_PLATFORM_BYTES];
    uint64_t declared_ns = 0;
    int error = axi_image_open(path, &request->images[n]);

    (void)snprintf(platform, sizeof(platform), "axcan-%s", request->board);
    if (error == 0) {
        error = axi_image_entry_for_platform(request->images[n], platform, &entry);
    }
    if (error < 0) {
        return fail_code(path, error);
    }
    if (task->name[0] == '\0') {
        memcpy(task->name, entry->meta.name, sizeof(task->name));
    }
    error = find_wcet(&request->wcets, task->name, &task->wcet_ns);
    if (error != 0) {
        return error;
    }
    if (task->wcet_ns == 0 && axi_meta_wcet_ns(&entry->meta, platform, &declared_ns) < 0) {
        return axi_cli_fail(COMMAND,
                            "%s declares no WCET for %s; add {\"%s\", US} to .wcet or give "
                            "--wcet %s=TIME",
                            task->name, platform, platform, task->name);
    }
    task->jobs = request->jobs;
    task->elf = entry->elf;
    task->elf_bytes = (uint32_t)entry->elf_bytes;
    request->config.task_count++;
    return 0;
}

static int write_file(const struct request *request, const uint8_t *blob, size_t blob_bytes)
{
    uint8_t *kernel = NULL;
    uint8_t *file = NULL;
    size_t kernel_bytes = 0;
    size_t bytes = 0;
    char path[AXI_OS_PATH_BYTES];
    int error = 0;

    if (request->format == CONFIG) {
        error = axi_file_write(request->out, blob, blob_bytes);
        return error == 0 ? 0 : fail_code(request->out, error);
    }
    error =
        axi_os_kernel_read(request->board, request->format == ELF, path, &kernel, &kernel_bytes);
    if (error == -AXC_ENOENT) {
        return axi_cli_fail(COMMAND,
                            "no kernel for %s (%s); 'make build' makes it, $AXCAN_OS names its "
                            "folder",
                            request->board, path);
    }
    if (error == 0) {
        error = axi_os_image_pack(kernel, kernel_bytes, blob, blob_bytes, &file, &bytes);
    }
    if (error < 0) {
        error = fail_code(path, error);
    } else if ((error = axi_file_write(request->out, file, bytes)) < 0) {
        error = fail_code(request->out, error);
    } else {
        (void)printf("%s: Axcan OS for %s, %u task%s, %zu bytes\n", request->out, request->board,
                     request->config.task_count, request->config.task_count == 1 ? "" : "s", bytes);
    }
    free(kernel);
    free(file);
    return error;
}

static int pack(struct request *request)
{
    uint8_t *blob = NULL;
    size_t bytes = 0;
    int error = 0;

    for (size_t i = 0; i < request->tasks.count; i++) {
        error = add_task(request, request->tasks.items[i]);
        if (error != 0) {
            return error;
        }
    }
    size_t capacity = axi_boot_config_bytes(&request->config);

    blob = malloc(capacity);
    error = blob == NULL ? -AXC_ENOMEM
                         : axi_boot_config_encode(&request->config, blob, capacity, &bytes);
    error = error == -AXC_EBOOT_DUPLICATE
                ? axi_cli_fail(COMMAND, "two tasks of one name; give NAME=IMAGE.axi")
            : error < 0 ? fail_code("configuration", error)
                        : write_file(request, blob, bytes);
    free(blob);
    return error;
}

static int run_os(int argc, char **argv)
{
    static struct request request = {.board = "virt", .exit_text = "psci", .capacity_ppm = 900000};
    const struct axi_option options[] = {
        {"board", AXI_OPTION_TEXT, &request.board},
        {"task", AXI_OPTION_LIST, &request.tasks},
        {"wcet", AXI_OPTION_LIST, &request.wcets},
        {"jobs", AXI_OPTION_NUMBER, &request.jobs},
        {"trace", AXI_OPTION_FLAG, &request.is_traced},
        {"exit", AXI_OPTION_TEXT, &request.exit_text},
        {"time-limit", AXI_OPTION_TIME, &request.time_limit_ns},
        {"capacity", AXI_OPTION_NUMBER, &request.capacity_ppm},
        {"format", AXI_OPTION_TEXT, &request.format_text},
        {"o", AXI_OPTION_TEXT, &request.out},
    };
    int r = axi_options_parse(COMMAND, argc, argv, options, sizeof(options) / sizeof(options[0]),
                              "", 0, 0, NULL, NULL);

    axi_boot_config_init(&request.config);
    if (r == 0) {
        r = check_request(&request);
    }
    if (r == 0) {
        r = pack(&request);
    }
    for (size_t i = 0; i < AXI_BOOT_TASKS_MAX; i++) {
        axi_image_free(request.images[i]);
    }
    return r;
}

static int run(int argc, char **argv)
{
    if (argc < 2 || strcmp(argv[1], "os") != 0) {
        return axi_cli_usage("image", "'os' is the only kind of image it makes");
    }
    return run_os(argc - 1, argv + 1);
}

const struct axi_command axi_command_image = {
    .name = "image",
    .summary = "pack Axcan OS and tasks into a bootable image",
    .usage =
        "usage: axcan image os --task [NAME=]IMAGE.axi [--task ...] -o FILE [options]\n\n"
        "Packs the kernel of a board, tasks and their configuration into one file that boots and\n"
        "runs the tasks without any network. Nothing is linked.\n\n"
        "  --board virt|zcu102  the machine (default virt)\n"
        "  --task IMAGE.axi     a task; NAME= renames this instance (up to 32 times)\n"
        "  --jobs N             jobs of each task (default: as the task says)\n"
        "  --wcet NAME=TIME     budget of a task instead of the declared one\n"
        "  --trace              every event is a line on the console\n"
        "  --exit HOW           at the end: psci (off, the default), semihosting (exit code) or\n"
        "                       halt\n"
        "  --time-limit TIME    end after this time, whatever the tasks do\n"
        "  --capacity PPM       density accepted, in millionths (default 900000)\n"
        "  --format KIND        raw (arm64 Image, the default), elf (default for FILE.elf), or\n"
        "                       config: the configuration alone, for a loader\n"
        "  -o FILE              what to write\n\n"
        "Run it: qemu-system-aarch64 -M virt -cpu cortex-a53 -nographic -kernel FILE\n"
        "Kernels are found by $AXCAN_OS, in the build tree, or in the installed prefix.\n",
    .run = run,
};
