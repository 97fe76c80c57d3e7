/* SPDX-License-Identifier: Apache-2.0 */
/* axcan image os: kernel, tasks and configuration in one bootable file. Nothing is linked. */
#include "cli/command.h"
#include "cli/image_app.h"
#include "cli/options.h"
#include "host/os_files.h"
#include "image/image.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COMMAND "image os"

struct request {
    const char *board, *out, *format_text, *exit_text, *channel_text;
    enum axi_os_format format;
    uint64_t jobs, time_limit_ns, capacity_ppm;
    bool is_traced, is_quiet;
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

static bool parse_address(struct request *request)
{
    const char *text = request->channel_text;
    char *end = NULL;
    uint64_t address = strtoull(text, &end, 0);

    request->config.host_channel = address;
    return *text >= '0' && *text <= '9' && *end == '\0' && address != 0 && address % 4096 == 0;
}

static int check_request(struct request *request)
{
    static const char *const exits[] = {"halt", "psci", "semihosting"};
    int how_to_end = find_word(request->exit_text, exits, 3);

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
    if (axi_os_parse_format(request->format_text, request->out, &request->format) < 0) {
        return axi_cli_usage(COMMAND, "--format: '%s' is none of raw, elf, config",
                             request->format_text);
    }
    if (request->tasks.count == 0) {
        return axi_cli_usage(COMMAND, "--task IMAGE.axi is needed");
    }
    if (request->capacity_ppm == 0 || request->capacity_ppm > 1000000) {
        return axi_cli_usage(COMMAND, "--capacity: 1 to 1000000 ppm");
    }
    if (request->channel_text != NULL && !parse_address(request)) {
        return axi_cli_usage(COMMAND, "--host-channel: '%s' is no address of a 4 KiB page",
                             request->channel_text);
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

static bool has_namesakes(const struct axi_boot_config *config)
{
    for (uint32_t i = 0; i < config->task_count; i++) {
        for (uint32_t k = 0; k < i; k++) {
            if (strcmp(config->tasks[i].name, config->tasks[k].name) == 0) {
                return true;
            }
        }
    }
    return false;
}

static int check_wcets(const struct request *request)
{
    for (size_t i = 0; i < request->wcets.count; i++) {
        const char *text = request->wcets.items[i];
        size_t length = strcspn(text, "=");
        bool is_known = false;

        for (uint32_t k = 0; k < request->config.task_count; k++) {
            const char *name = request->config.tasks[k].name;

            is_known |= strlen(name) == length && strncmp(name, text, length) == 0;
        }
        if (!is_known) {
            return axi_cli_fail(COMMAND, "--wcet: no --task is named %.*s", (int)length, text);
        }
    }
    return 0;
}

static int pack(struct request *request)
{
    const struct axi_os_file file = {.board = request->board,
                                     .format = request->format,
                                     .config = &request->config,
                                     .path = request->out};
    char reason[AXI_OS_REASON_BYTES];
    size_t bytes = 0;
    int r = 0;

    for (size_t i = 0; i < request->tasks.count && r == 0; i++) {
        r = add_task(request, request->tasks.items[i]);
    }
    if (r == 0 && has_namesakes(&request->config)) {
        r = axi_cli_fail(COMMAND, "two tasks of one name; give NAME=IMAGE.axi");
    }
    if (r == 0) {
        r = check_wcets(request);
    }
    if (r == 0 && axi_os_write(&file, &bytes, reason) < 0) {
        r = axi_cli_fail(COMMAND, "%s", reason);
    }
    if (r == 0 && !request->is_quiet) {
        (void)printf("%s: Axcan OS for %s, %u task%s, %zu bytes\n", request->out, request->board,
                     request->config.task_count, request->config.task_count == 1 ? "" : "s", bytes);
    }
    return r;
}

int axi_image_os(int argc, char **argv)
{
    static struct request request; /* too much for the stack */
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
        {"host-channel", AXI_OPTION_TEXT, &request.channel_text},
        {"quiet", AXI_OPTION_FLAG, &request.is_quiet},
        {"o", AXI_OPTION_TEXT, &request.out},
    };
    int r = 0;

    memset(&request, 0, sizeof(request));
    request.board = "virt";
    request.exit_text = "psci";
    request.capacity_ppm = 900000;
    r = axi_options_parse(COMMAND, argc, argv, options, sizeof(options) / sizeof(options[0]), "", 0,
                          0, NULL, NULL);

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
