/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/check.h"

#include "core/history.h"
#include "history/grid.h"
#include "history/report.h"
#include "image/file.h"
#include "image/image.h"
#include "replay/reference.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HISTORY_BYTES_MAX (1ull << 30)

#if defined(__aarch64__)
static const enum axi_isa host_isa = AXI_ISA_AARCH64;
#else
static const enum axi_isa host_isa = AXI_ISA_X86_64;
#endif

struct history {
    char node[64];
    struct axi_trace *records;
    struct axi_history_info info;
};

struct task {
    uint64_t task_id;
    char name[AXC_NAME_BYTES];
    struct axi_reference_run *run;
};

struct check {
    const struct axi_check_request *request;
    struct history histories[AXI_CHECK_FILES_MAX];
    uint32_t history_count;
    struct task tasks[AXI_CHECK_IMAGES_MAX];
    uint32_t task_count;
    bool has_lost_records;
};

/* A node is called by its file's name, without directory and extension. */
static void name_node(const char *path, char *name, size_t bytes)
{
    const char *slash = strrchr(path, '/');
    char *dot = NULL;

    (void)snprintf(name, bytes, "%s", slash != NULL ? slash + 1 : path);
    dot = strrchr(name, '.');
    if (dot != NULL && dot != name) {
        *dot = '\0';
    }
}

static int load_history(struct check *check, const char *path)
{
    struct history *history = &check->histories[check->history_count];
    uint8_t *file = NULL;
    size_t bytes = 0;
    int error = axi_file_read(path, HISTORY_BYTES_MAX, &file, &bytes);

    error = error < 0 ? error : axi_history_info(file, bytes, &history->info);
    if (error < 0) {
        (void)fprintf(stderr, "axcan-check: %s: %s\n", path, axi_error_text(error));
        free(file);
        return error;
    }
    history->records = calloc(history->info.count + 1, sizeof *history->records);
    if (history->records == NULL) {
        free(file);
        return -AXC_ENOMEM;
    }
    for (uint64_t i = 0; i < history->info.count; i++) {
        axi_history_record(file, i, &history->records[i]);
    }
    free(file);
    name_node(path, history->node, sizeof history->node);
    if (history->info.lost > 0) {
        check->has_lost_records = true;
        (void)fprintf(stderr, "axcan-check: %s: %" PRIu64 " records found the file full\n", path,
                      history->info.lost);
    }
    check->history_count++;
    return 0;
}

static int open_image(const char *path, struct axi_image **ret_image)
{
    int error = axi_image_open(path, ret_image);

    return error < 0 ? axi_image_open_elf(path, ret_image) : error;
}

static int load_task(struct check *check, const struct axi_check_image *wanted)
{
    struct task *task = &check->tasks[check->task_count];
    const struct axi_image_entry *entry = NULL;
    struct axi_replay *replay = NULL;
    struct axi_image *image = NULL;
    int error = open_image(wanted->path, &image);

    error = error < 0 ? error : axi_image_entry_for_isa(image, host_isa, &entry);
    error = error < 0 ? error : axi_replay_new(entry->elf, entry->elf_bytes, &replay);
    error = error < 0 ? error : axi_reference_new(replay, &task->run);
    if (error < 0) {
        (void)fprintf(stderr, "axcan-check: %s: %s\n", wanted->path, axi_error_text(error));
        axi_replay_free(replay);
    } else {
        task->task_id = wanted->task_id;
        memcpy(task->name, entry->meta.name, sizeof task->name);
        check->task_count++;
    }
    axi_image_free(image);
    return error;
}

static const struct task *find_task(const struct check *check, uint64_t task_id)
{
    for (uint32_t i = 0; i < check->task_count; i++) {
        if (check->tasks[i].task_id == task_id) {
            return &check->tasks[i];
        }
    }
    return NULL;
}

static int refer(void *context, const struct axi_trace *record, uint32_t *ret_state_crc,
                 uint32_t *ret_output_crc)
{
    const struct task *task = find_task(context, record->task_id);

    return task == NULL ? -AXC_ENOENT
                        : axi_reference_event(task->run, record, ret_state_crc, ret_output_crc);
}

static const char *name_task(void *context, uint64_t task_id)
{
    const struct task *task = find_task(context, task_id);

    return task == NULL ? NULL : task->name;
}

static int judge(struct check *check, struct axi_verdict **ret_verdict)
{
    const struct axi_check_request *request = check->request;
    const struct axi_reference reference = {check, refer};
    struct axi_check_source sources[AXI_CHECK_FILES_MAX];
    const struct axi_check_options options = {
        .torn = request->is_torn || check->has_lost_records,
        .refused = request->refused,
        .refused_count = request->refused_count,
        .reference = request->image_count > 0 ? &reference : NULL,
    };

    for (uint32_t i = 0; i < check->history_count; i++) {
        const struct history *history = &check->histories[i];

        sources[i] = (struct axi_check_source){history->node, history->records, history->info.count,
                                               request->bound_ns};
    }
    int r = axi_check(sources, check->history_count, &options, ret_verdict);

    return r == 0 && request->is_grid ? axi_check_grid(sources, check->history_count, *ret_verdict)
                                      : r;
}

static bool is_all_well(const struct axi_check_request *request, const struct axi_verdict *verdict)
{
    bool is_well = verdict->violation_count == 0;

    for (size_t i = 0; i < verdict->task_count && request->is_strict; i++) {
        const struct axi_task_verdict *task = &verdict->tasks[i];

        is_well = is_well && task->lost == 0 && task->skipped == 0 && task->unseen == 0 &&
                  (request->image_count == 0 || task->digests_unjudged == 0);
    }
    return is_well;
}

static void clean(struct check *check)
{
    for (uint32_t i = 0; i < check->history_count; i++) {
        free(check->histories[i].records);
    }
    for (uint32_t i = 0; i < check->task_count; i++) {
        axi_reference_free(check->tasks[i].run);
    }
    free(check);
}

int axi_check_run(const struct axi_check_request *request)
{
    struct check *check = calloc(1, sizeof *check);
    struct axi_report_names names = {check, name_task};
    struct axi_verdict *verdict = NULL;
    int error = check == NULL ? -AXC_ENOMEM : 0;
    bool is_well = false;

    if (error < 0) {
        return 2;
    }
    check->request = request;
    for (uint32_t i = 0; i < request->file_count && error == 0; i++) {
        error = load_history(check, request->files[i]);
    }
    for (uint32_t i = 0; i < request->image_count && error == 0; i++) {
        error = load_task(check, &request->images[i]);
    }
    error = error < 0 ? error : judge(check, &verdict);
    if (error == 0) {
        is_well = is_all_well(request, verdict);
        (request->is_json ? axi_report_json : axi_report_text)(stdout, verdict, &names);
        if (!request->is_json && !is_well && verdict->violation_count == 0) {
            (void)puts("FAILED: jobs were lost, dropped, unseen or not judged (--strict)");
        }
    }
    axi_verdict_free(verdict);
    clean(check);
    return error < 0 ? 2 : is_well ? 0 : 1;
}
