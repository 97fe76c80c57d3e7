/* SPDX-License-Identifier: Apache-2.0 */
/* axcan image build: tasks to one index with Linux containers and bare-metal images.
 *
 *     sources -> task image (axcan build)        per instruction set: axcan-run + ELF files
 *     task images                            ->  per board: Axcan OS with the tasks + information
 *     bare-metal images of others                per board: the file + information
 */
#include "cli/command.h"
#include "cli/image_app.h"
#include "cli/options.h"
#include "core/host_channel.h"
#include "host/os_files.h"
#include "image/boards.h"
#include "image/file.h"
#include "image/image.h"
#include "image/os_image.h"

#include <dirent.h>
#include <ftw.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define COMMAND "image build"
#define TASKS_MAX AXI_BOOT_TASKS_MAX
#define HEARTBEAT_MS 5000u /* Axcan OS beats ten times a second */
#define ARGS_MAX 160u
#define TEXTS_MAX 512u
#define OS_PATH "boot/axcan.img"
#define MEMORY_DEFAULT (64ull << 20)
#define FILE_BYTES_MAX (256u << 20)

struct build {
    const char *out, *name, *exit_text, *time_limit, *jobs;
    uint64_t memory, cpus;
    bool is_traced;
    struct axi_option_list boards, partitions, bris, hvs, wcets, cflags;
    const char *inputs[ARGS_MAX];
    size_t input_count;

    char work[64]; /* temporary folder */
    const char *paths[TASKS_MAX];
    struct axi_image *images[TASKS_MAX];
    uint32_t task_count;
    struct axi_app_part parts[AXI_APP_ENTRIES_MAX];
    struct axi_tar_file files[AXI_APP_ENTRIES_MAX][TASKS_MAX + 4];
    const char *args[AXI_APP_ENTRIES_MAX][TASKS_MAX + 8];
    uint32_t part_count;
    void *texts[TEXTS_MAX]; /* memory that parts point to */
    size_t text_count;
};

/* Remembers memory to free at the end; passes it on. */
static void *keep(struct build *build, void *memory)
{
    if (build->text_count == TEXTS_MAX) {
        free(memory);
        return NULL;
    }
    build->texts[build->text_count++] = memory;
    return memory;
}

static char *text(struct build *build, const char *format, const char *a, const char *b)
{
    char *line = NULL;

    /* formats are ours; NOLINTNEXTLINE */
    return asprintf(&line, format, a, b) < 0 ? NULL : keep(build, line);
}

static int fail_code(const char *what, int error)
{
    return axi_cli_fail(COMMAND, "%s: %s (%s)", what, axi_error_text(error), axi_error_name(error));
}

static bool ends_with(const char *name, const char *end)
{
    size_t length = strlen(name);

    return length > strlen(end) && strcmp(name + length - strlen(end), end) == 0;
}

static int is_source(const struct dirent *entry)
{
    return ends_with(entry->d_name, ".c");
}

/* All *.c of a folder, sorted, and -I of it. */
static int add_folder(struct build *build, const char *dir, char **argv, int *argc)
{
    struct dirent **names = NULL;
    int count = scandir(dir, &names, is_source, alphasort);

    for (int i = 0; i < count; i++) {
        if (*argc < (int)ARGS_MAX - 1) {
            argv[(*argc)++] = text(build, "%s/%s", dir, names[i]->d_name);
        }
        free(names[i]);
    }
    free(names);
    if (count <= 0) {
        return axi_cli_fail(COMMAND, "%s: neither a task image nor a folder with C sources", dir);
    }
    argv[(*argc)++] = text(build, "-I%s%s", dir, "");
    return 0;
}

/* Task images as they are; all sources together are one task, which `axcan build` compiles. */
static int sort_inputs(struct build *build)
{
    char *argv[ARGS_MAX + 8] = {"build"};
    int argc = 1;
    int r = 0;

    for (size_t i = 0; i < build->input_count && r == 0; i++) {
        const char *input = build->inputs[i];

        if (access(text(build, "%s/%s", input, "oci-layout"), F_OK) == 0) {
            if (build->task_count == TASKS_MAX - 1) {
                return axi_cli_fail(COMMAND, "more than %u tasks", TASKS_MAX - 1);
            }
            build->paths[build->task_count++] = input;
        } else if (ends_with(input, ".c")) {
            argv[argc++] = text(build, "%s%s", input, "");
        } else {
            r = add_folder(build, input, argv, &argc);
        }
    }
    if (r != 0 || argc == 1) {
        return r;
    }
    for (size_t i = 0; i < build->cflags.count; i++) {
        argv[argc++] = text(build, "--cflag=%s%s", build->cflags.items[i], "");
    }
    build->paths[build->task_count] = text(build, "%s/%s", build->work, "task.axi");
    argv[argc++] = "-o";
    argv[argc++] = text(build, "%s%s", build->paths[build->task_count++], "");
    return axi_command_build.run(argc, argv);
}

static struct axi_app_part *new_part(struct build *build, const char *os, const char *architecture,
                                     const char *variant)
{
    struct axi_app_part *part = &build->parts[build->part_count];
    struct axi_app_entry *entry = &part->entry;

    part->files = build->files[build->part_count];
    part->args = build->args[build->part_count++];
    (void)snprintf(entry->os, sizeof(entry->os), "%s", os);
    (void)snprintf(entry->architecture, sizeof(entry->architecture), "%s", architecture);
    (void)snprintf(entry->variant, sizeof(entry->variant), "%.32s", variant);
    if (variant[0] == '\0') {
        (void)snprintf(entry->ref, sizeof(entry->ref), "%s-%.16s", os, architecture);
    } else {
        (void)snprintf(entry->board, sizeof(entry->board), "%.32s", variant);
        (void)snprintf(entry->ref, sizeof(entry->ref), "%.32s", variant);
    }
    return part;
}

static void add_file(struct axi_app_part *part, const char *path, const void *data, size_t bytes,
                     unsigned mode)
{
    struct axi_tar_file *files = (struct axi_tar_file *)part->files; /* of struct build */

    files[part->file_count++] = (struct axi_tar_file){path, data, bytes, mode};
}

static int add_linux(struct build *build, enum axi_isa isa)
{
    const char **args = build->args[build->part_count];
    struct axi_app_part *part = NULL;
    uint8_t *program = NULL;
    size_t bytes = 0;
    uint32_t n = 0;
    int r = axi_image_read_program("axcan-run", isa, &program, &bytes);

    if (r < 0) {
        (void)fprintf(stderr, "axcan image build: no axcan-run for %s here: no Linux container\n",
                      axi_isa_name(isa));
        return r == -AXC_ENOENT ? 0 : fail_code("axcan-run", r);
    }
    (void)keep(build, program);
    part = new_part(build, "linux", axi_isa_oci_architecture(isa), "");
    add_file(part, "usr/bin/axcan-run", program, bytes, 0755);
    add_file(part, "tmp/", NULL, 0, 01777);
    args[n++] = "/usr/bin/axcan-run";
    if (build->jobs != NULL) {
        args[n++] = "--jobs";
        args[n++] = build->jobs;
    }
    if (build->is_traced) {
        args[n++] = "--trace";
    }
    for (uint32_t i = 0; i < build->task_count; i++) {
        const struct axi_image_entry *entry = NULL;
        const char *path = NULL;

        r = axi_image_entry_for_isa(build->images[i], isa, &entry);
        if (r < 0) {
            (void)fprintf(stderr, "axcan image build: %s has nothing for %s: no Linux container\n",
                          build->paths[i], axi_isa_name(isa));
            memset(part, 0, sizeof(*part));
            build->part_count--;
            return 0;
        }
        path = text(build, "/axcan/%s%s", entry->meta.name, ".elf");
        args[n++] = path;
        add_file(part, path + 1, entry->elf, entry->elf_bytes, 0755);
    }
    return 0;
}

/* What both kinds of partitions state. */
static void state_common(const struct build *build, const char *board, const char *isa,
                         const uint8_t *file, size_t bytes, struct axi_bri *bri)
{
    struct axi_partition *partition = &bri->partition;
    struct axi_digest digest;

    memset(bri, 0, sizeof(*bri));
    (void)snprintf(partition->board, sizeof(partition->board), "%s", board);
    (void)snprintf(partition->isa, sizeof(partition->isa), "%s", isa);
    for (size_t i = 0; i < build->hvs.count && i < AXI_BRI_HVS_MAX; i++) {
        (void)snprintf(bri->hvs[bri->hv_count++], sizeof(bri->hvs[0]), "%s", build->hvs.items[i]);
    }
    partition->cpu_count = build->cpus != 0 ? (uint32_t)build->cpus : 1;
    partition->console.kind = AXI_CONSOLE_DEFAULT;
    partition->watch.is_fatal = true;
    partition->image_count = 1;
    partition->images[0] = (struct axi_partition_image){
        .path = OS_PATH, .fd = -1, .core = -1, .load_address = AXI_ANY, .entry = AXI_ANY};
    if (bytes > 4 && memcmp(file, "\177ELF", 4) == 0) {
        partition->images[0].format = AXI_IMAGE_ELF;
    }
    axi_digest_of(file, bytes, &digest);
    axi_digest_format(&digest, bri->digests[0]);
}

static void state_memory(uint64_t address, uint64_t bytes, struct axi_partition *partition)
{
    partition->memory[partition->memory_count++] = (struct axi_memory){
        .pool = "ram", .host_address = AXI_ANY, .guest_address = address, .bytes = bytes};
}

static void state_tasks(const struct build *build, const char *board, struct axi_bri *bri)
{
    char platform[AXC_PLATFORM_BYTES];

    (void)snprintf(platform, sizeof(platform), "axcan-%s", board);
    for (uint32_t i = 0; i < build->task_count; i++) {
        const struct axi_image_entry *entry = NULL;
        struct axi_bri_task *task = &bri->tasks[bri->task_count];

        if (axi_image_entry_for_platform(build->images[i], platform, &entry) != 0) {
            continue;
        }
        bri->task_count++;
        (void)snprintf(task->name, sizeof(task->name), "%s", entry->meta.name);
        axi_digest_format(&entry->digest, task->digest);
        task->period_us = entry->meta.period_us;
        task->deadline_us = entry->meta.deadline_us;
        task->state_bytes = entry->meta.state_bytes;
        if (axi_meta_wcet_ns(&entry->meta, platform, &task->wcet_ns) < 0) {
            task->wcet_ns = 0;
        }
    }
}

/* An entry with the image and its information; both are kept until the end. */
static int add_partition(struct build *build, const struct axi_bri *bri, uint8_t *file,
                         size_t bytes, char *json)
{
    const char *isa = bri->partition.isa;
    const char **args = build->args[build->part_count];
    struct axi_app_part *part = new_part(build, "none",
                                         strcmp(isa, "x86_64") == 0    ? "amd64"
                                         : strcmp(isa, "aarch64") == 0 ? "arm64"
                                                                       : "arm",
                                         bri->partition.board);
    const char *path = bri->partition.images[0].path;

    args[0] = text(build, "/%s%s", path + strspn(path, "/"), "");
    add_file(part, args[0] + 1, file, bytes, 0644);
    add_file(part, AXI_BRI_PATH, json, strlen(json), 0644);
    for (uint32_t i = 0; i < bri->hv_count; i++) {
        size_t used = strlen(part->entry.hvs);

        (void)snprintf(part->entry.hvs + used, sizeof(part->entry.hvs) - used, "%s%s",
                       i > 0 ? "," : "", bri->hvs[i]);
    }
    for (uint32_t i = 0; i < bri->layout_count; i++) {
        size_t used = strlen(part->entry.layouts);

        (void)snprintf(part->entry.layouts + used, sizeof(part->entry.layouts) - used, "%s%s",
                       i > 0 ? "," : "", bri->layouts[i]);
    }
    return 0;
}

static uint64_t memory_end(const struct build *build, uint64_t ram)
{
    return ram + (build->memory != 0 ? build->memory : MEMORY_DEFAULT);
}

static void state_channel(uint64_t address, struct axi_partition *partition)
{
    partition->channels[partition->channel_count++] =
        (struct axi_channel){.name = AXI_HOST_CHANNEL,
                             .host_address = AXI_ANY,
                             .guest_address = address,
                             .bytes = 2u << 20, /* memory is mapped in such blocks */
                             .peers = 1,
                             .irq = AXI_ANY};
}

static void add_option(char **argv, int *argc, const char *option, const char *value)
{
    if (value != NULL) {
        argv[(*argc)++] = (char *)option;
        argv[(*argc)++] = (char *)value;
    }
}

static int pack_os(struct build *build, const char *board, uint64_t ram, const char *path)
{
    char *argv[ARGS_MAX + 10] = {"os", "--quiet"};
    char channel[24];
    int argc = 2;

    (void)snprintf(channel, sizeof(channel), "0x%" PRIx64, memory_end(build, ram));
    add_option(argv, &argc, "--board", board);
    for (uint32_t i = 0; i < build->task_count; i++) {
        add_option(argv, &argc, "--task", build->paths[i]);
    }
    for (size_t i = 0; i < build->wcets.count; i++) {
        add_option(argv, &argc, "--wcet", build->wcets.items[i]);
    }
    add_option(argv, &argc, "--jobs", build->jobs);
    add_option(argv, &argc, "--time-limit", build->time_limit);
    add_option(argv, &argc, "--host-channel", channel);
    add_option(argv, &argc, "--exit", build->exit_text);
    add_option(argv, &argc, "-o", path);
    argv[argc] = "--trace";
    return axi_image_os(argc + (build->is_traced ? 1 : 0), argv);
}

static int add_os(struct build *build, const char *board)
{
    struct axi_bri bri;
    struct axi_os_image os;
    uint64_t ram = axi_board_find(board)->ram;
    uint8_t *file = NULL;
    char *json = NULL;
    size_t bytes = 0;
    const char *path = text(build, "%s/%s.img", build->work, board);
    int r = pack_os(build, board, ram, path);

    if (r != 0) {
        return r;
    }
    r = axi_file_read(path, FILE_BYTES_MAX, &file, &bytes);
    file = keep(build, file);
    r = r != 0 ? r : axi_os_image_read(file, bytes, &os);
    if (r != 0) {
        return fail_code(path, r);
    }
    state_common(build, board, "aarch64", file, bytes, &bri);
    state_memory(ram, memory_end(build, ram) - ram, &bri.partition);
    if (os.text_offset + os.image_bytes > bri.partition.memory[0].bytes) {
        return axi_cli_fail(COMMAND, "--memory: the image for %s alone needs %llu bytes", board,
                            (unsigned long long)(os.text_offset + os.image_bytes));
    }
    state_channel(memory_end(build, ram), &bri.partition);
    bri.partition.watch.heartbeat_ms = HEARTBEAT_MS;
    bri.partition.images[0].load_address = ram + os.text_offset;
    state_tasks(build, board, &bri);
    json = keep(build, axi_bri_print(&bri));
    return json == NULL ? fail_code(board, -AXC_ENOMEM)
                        : add_partition(build, &bri, file, bytes, json);
}

static const char *value_for(const struct axi_option_list *list, const char *board, size_t length)
{
    for (size_t i = 0; i < list->count; i++) {
        if (strncmp(list->items[i], board, length) == 0 && list->items[i][length] == '=') {
            return list->items[i] + length + 1;
        }
    }
    return NULL;
}

static const char *isa_of(const uint8_t *file, size_t bytes)
{
    unsigned machine = bytes >= 20 && memcmp(file, "\177ELF", 4) == 0 ? file[18] : 183;

    return machine == 62 ? "x86_64" : machine == 40 ? "arm" : "aarch64";
}

/* "BOARD=FILE". */
static int add_foreign(struct build *build, const char *argument)
{
    const char *equals = strchr(argument, '=');
    size_t length = equals != NULL ? (size_t)(equals - argument) : 0;
    const char *stated = value_for(&build->bris, argument, length);
    struct axi_report report = {0};
    struct axi_bri bri;
    uint8_t *file = NULL;
    char *json = NULL;
    char board[16];
    size_t bytes = 0;
    size_t json_bytes = 0;
    int r = 0;

    if (length == 0 || length >= sizeof(board)) {
        return axi_cli_usage(COMMAND, "--partition: '%s' is not BOARD=FILE", argument);
    }
    (void)snprintf(board, sizeof(board), "%.*s", (int)length, argument);
    r = axi_file_read(equals + 1, FILE_BYTES_MAX, &file, &bytes);
    if (r != 0) {
        return fail_code(equals + 1, r);
    }
    (void)keep(build, file);
    if (stated == NULL) {
        state_common(build, board, isa_of(file, bytes), file, bytes, &bri);
        if (build->memory != 0) {
            state_memory(AXI_ANY, build->memory, &bri.partition);
        }
        json = keep(build, axi_bri_print(&bri));
    } else {
        r = axi_file_read(stated, AXI_BRI_BYTES_MAX, (uint8_t **)&json, &json_bytes);
        json = r == 0 ? keep(build, json) : NULL;
        r = r != 0 ? r : axi_bri_parse(json, json_bytes, &bri, &report);
        if (r != 0) {
            return axi_cli_fail(COMMAND, "%s: %s", stated,
                                report.code != 0 ? axi_report_text(&report) : axi_error_text(r));
        }
        if (strcmp(bri.partition.board, board) != 0) {
            return axi_cli_fail(COMMAND, "%s: is for board %s, not %s", stated, bri.partition.board,
                                board);
        }
    }
    return json == NULL ? fail_code(board, -AXC_ENOMEM)
                        : add_partition(build, &bri, file, bytes, json);
}

static int check(struct build *build)
{
    if (build->out == NULL) {
        return axi_cli_usage(COMMAND, "-o APP is needed");
    }
    if (build->input_count == 0 && build->partitions.count == 0) {
        return axi_cli_usage(COMMAND, "a task (image, sources or folder) or --partition is needed");
    }
    if (build->boards.count == 0) {
        for (size_t i = 0; axi_board_at(i) != NULL; i++) {
            build->boards.items[build->boards.count++] = axi_board_at(i)->name;
        }
    }
    for (size_t i = 0; i < build->boards.count; i++) {
        if (!axi_os_is_board(build->boards.items[i])) {
            return axi_cli_usage(COMMAND, "--board: '%s' is none of " AXI_BOARD_NAMES,
                                 build->boards.items[i]);
        }
    }
    if (build->boards.count + build->partitions.count + AXI_IMAGE_ISAS > AXI_APP_ENTRIES_MAX) {
        return axi_cli_usage(COMMAND, "more than %u entries", AXI_APP_ENTRIES_MAX);
    }
    if (build->memory % 4096 != 0 || build->memory > 1ull << 40 || build->cpus > AXI_CPUS_MAX) {
        return axi_cli_usage(COMMAND, "--memory: pages of 4096 bytes; --cpus: at most %u",
                             AXI_CPUS_MAX);
    }
    return 0;
}

/* A board twice could not be told apart. */
static int check_boards(const struct build *build)
{
    for (uint32_t i = 0; i < build->part_count; i++) {
        for (uint32_t k = 0; k < i; k++) {
            if (build->parts[i].entry.board[0] != '\0' &&
                strcmp(build->parts[i].entry.board, build->parts[k].entry.board) == 0) {
                return axi_cli_fail(COMMAND, "two images for board %s; --board takes the others",
                                    build->parts[i].entry.board);
            }
        }
    }
    return 0;
}

static int make_parts(struct build *build)
{
    int r = sort_inputs(build);

    for (uint32_t i = 0; i < build->task_count && r == 0; i++) {
        int error = axi_image_open(build->paths[i], &build->images[i]);

        r = error == 0 ? 0 : fail_code(build->paths[i], error);
    }
    for (uint32_t i = 0; build->task_count > 0 && i < AXI_IMAGE_ISAS && r == 0; i++) {
        r = add_linux(build, axi_image_isas[i]);
    }
    for (size_t i = 0; build->task_count > 0 && i < build->boards.count && r == 0; i++) {
        r = add_os(build, build->boards.items[i]);
    }
    for (size_t i = 0; i < build->partitions.count && r == 0; i++) {
        r = add_foreign(build, build->partitions.items[i]);
    }
    return r != 0 ? r : check_boards(build);
}

static const char *name_of(const struct build *build)
{
    return build->name != NULL     ? build->name
           : build->task_count > 0 ? axi_image_entry_at(build->images[0], 0)->meta.name
                                   : "app";
}

static int write_app(struct build *build)
{
    struct axi_app_index index;
    int r = axi_app_write(build->out, name_of(build), build->parts, build->part_count, &index);

    if (r == -AXC_EINVALID) {
        return axi_cli_fail(COMMAND, "%s: exists and is no image; choose another with -o",
                            build->out);
    }
    if (r != 0) {
        return fail_code(build->out, r);
    }
    (void)printf("%s: application %s, %u entries\n", build->out, index.name, index.count);
    for (uint32_t i = 0; i < index.count; i++) {
        char digest[AXI_DIGEST_TEXT_BYTES];

        axi_digest_format(&index.entries[i].manifest.digest, digest);
        (void)printf("  %-12s %s/%s%s%s  %s\n", index.entries[i].ref, index.entries[i].os,
                     index.entries[i].architecture, index.entries[i].variant[0] != '\0' ? "/" : "",
                     index.entries[i].variant, digest);
    }
    return 0;
}

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *walk)
{
    (void)info;
    (void)kind;
    (void)walk;
    return remove(path);
}

static void clean(struct build *build)
{
    (void)nftw(build->work, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    for (uint32_t i = 0; i < build->task_count; i++) {
        axi_image_free(build->images[i]);
    }
    for (size_t i = 0; i < build->text_count; i++) {
        free(build->texts[i]);
    }
}

int axi_image_build(int argc, char **argv)
{
    static struct build build = {.exit_text = "psci", .work = "/tmp/axcan-image-XXXXXX"};
    const struct axi_option options[] = {
        {"o", AXI_OPTION_TEXT, &build.out},
        {"name", AXI_OPTION_TEXT, &build.name},
        {"board", AXI_OPTION_LIST, &build.boards},
        {"partition", AXI_OPTION_LIST, &build.partitions},
        {"bri", AXI_OPTION_LIST, &build.bris},
        {"hv", AXI_OPTION_LIST, &build.hvs},
        {"memory", AXI_OPTION_NUMBER, &build.memory},
        {"cpus", AXI_OPTION_NUMBER, &build.cpus},
        {"jobs", AXI_OPTION_TEXT, &build.jobs},
        {"wcet", AXI_OPTION_LIST, &build.wcets},
        {"exit", AXI_OPTION_TEXT, &build.exit_text},
        {"time-limit", AXI_OPTION_TEXT, &build.time_limit},
        {"trace", AXI_OPTION_FLAG, &build.is_traced},
        {"cflag", AXI_OPTION_LIST, &build.cflags},
    };
    int r = axi_options_parse(COMMAND, argc, argv, options, sizeof(options) / sizeof(options[0]),
                              "TASK", 0, 64, build.inputs, &build.input_count);

    r = r != 0 ? r : check(&build);
    if (r == 0 && mkdtemp(build.work) == NULL) {
        return axi_cli_fail(COMMAND, "cannot make a folder under /tmp");
    }
    if (r != 0) {
        return r;
    }
    r = make_parts(&build);
    r = r != 0 ? r : write_app(&build);
    clean(&build);
    return r;
}
