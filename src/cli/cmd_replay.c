/* SPDX-License-Identifier: Apache-2.0 */
/* axcan replay: the reference run. Prints the checksums a node must have recorded. */
#include "cli/command.h"
#include "image/image.h"
#include "replay/reference.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define JOBS_DEFAULT 10u
#define JOBS_MAX 10000000u

struct options {
    const char *image;
    const char *completed; /* file of job numbers, or NULL */
    uint64_t jobs;
    int is_json;
};

static int parse_number(const char *text, uint64_t *ret_number)
{
    char *end = NULL;

    errno = 0;
    *ret_number = strtoull(text, &end, 10);
    return errno == 0 && *text >= '0' && *text <= '9' &&
                   (*end == '\0' || *end == '\n' || *end == '\r')
               ? 0
               : -1;
}

static int parse(int argc, char **argv, struct options *options)
{
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : NULL;

        if (argv[i][0] != '-' && options->image == NULL) {
            options->image = argv[i];
        } else if (strcmp(argv[i], "--jobs") == 0 && value != NULL) {
            if (parse_number(value, &options->jobs) != 0 || options->jobs > JOBS_MAX) {
                return axi_cli_usage("replay", "--jobs takes a number up to %u, not '%s'", JOBS_MAX,
                                     value);
            }
            i++;
        } else if (strcmp(argv[i], "--completed") == 0 && value != NULL) {
            options->completed = value;
            i++;
        } else if (strcmp(argv[i], "-o") == 0 && value != NULL &&
                   (strcmp(value, "json") == 0 || strcmp(value, "text") == 0)) {
            options->is_json = strcmp(value, "json") == 0;
            i++;
        } else {
            return axi_cli_usage("replay", "unexpected argument '%s'", argv[i]);
        }
    }
    return options->image != NULL ? 0 : axi_cli_usage("replay", "no image given");
}

static int load(const char *path, struct axi_replay **ret_replay)
{
    const struct axi_image_entry *entry = NULL;
    struct axi_image *image = NULL;
    struct stat status;
    int error = -AXC_ENOENT;

    if (stat(path, &status) == 0) {
        error = S_ISDIR(status.st_mode) ? axi_image_open(path, &image)
                                        : axi_image_open_elf(path, &image);
    }
    if (error == 0) {
        error = axi_image_entry_for_isa(image, AXI_ISA_HOST, &entry);
    }
    if (error == 0) {
        error = axi_replay_new(entry->elf, entry->elf_bytes, ret_replay);
    }
    axi_image_free(image);
    return error;
}

/* One output row after another, as text or as the elements of a JSON list. */
static void print_row(const struct options *options, uint64_t row, uint64_t job, uint32_t state_crc,
                      uint32_t output_crc)
{
    if (!options->is_json) {
        (void)printf("%-10" PRIu64 " %08" PRIx32 " %08" PRIx32 "\n", job, state_crc, output_crc);
        return;
    }
    (void)printf("%s\n  {\"job\": %" PRIu64 ", \"state_crc\": \"%08" PRIx32
                 "\", \"output_crc\": \"%08" PRIx32 "\"}",
                 row > 0 ? "," : "", job, state_crc, output_crc);
}

/* Runs job `job`; the numbers since `*next` were killed jobs, whose change of state is discarded.
 */
static int follow(struct axi_reference_run *run, const struct options *options, uint64_t row,
                  uint64_t job, uint64_t *next)
{
    struct axi_trace record = {.kind = AXI_TRACE_COMPLETED, .job = job};
    uint32_t state_crc = 0;
    uint32_t output_crc = 0;
    int result = 0;

    if (job < *next || job - *next > JOBS_MAX) {
        return axi_cli_fail("replay", "job %" PRIu64 " does not follow: list ascending numbers",
                            job);
    }
    for (; *next < job; (*next)++) {
        struct axi_trace killed = {.kind = AXI_TRACE_KILLED, .job = *next};

        (void)axi_reference_event(run, &killed, &state_crc, &output_crc);
    }
    *next = job + 1;
    result = axi_reference_event(run, &record, &state_crc, &output_crc);
    if (result < 0) {
        return axi_cli_fail(
            "replay", "job %" PRIu64 " returned an error or looked at clock, topic or input", job);
    }
    print_row(options, row, job, state_crc, output_crc);
    return 0;
}

static int follow_file(struct axi_reference_run *run, const struct options *options)
{
    FILE *file = fopen(options->completed, "re");
    char line[128];
    uint64_t next = 0;
    uint64_t row = 0;
    int exit_code = 0;

    if (file == NULL) {
        return axi_cli_fail("replay", "%s: %s", options->completed, strerror(errno));
    }
    while (exit_code == 0 && fgets(line, sizeof(line), file) != NULL) {
        uint64_t job = 0;

        if (line[0] == '#' || line[0] == '\n') {
            continue;
        }
        if (parse_number(line, &job) != 0) {
            line[strcspn(line, "\n")] = '\0';
            exit_code =
                axi_cli_fail("replay", "%s: '%s' is no job number", options->completed, line);
        } else {
            exit_code = follow(run, options, row++, job, &next);
        }
    }
    (void)fclose(file);
    return exit_code;
}

static int follow_count(struct axi_reference_run *run, const struct options *options)
{
    uint64_t next = 0;
    int exit_code = 0;

    for (uint64_t job = 0; job < options->jobs && exit_code == 0; job++) {
        exit_code = follow(run, options, job, job, &next);
    }
    return exit_code;
}

static int replay_image(const struct options *options)
{
    struct axi_reference_run *run = NULL;
    struct axi_replay *replay = NULL;
    int exit_code = 0;
    int error = load(options->image, &replay);

    if (error == 0) {
        error = axi_reference_new(replay, &run);
    }
    if (error != 0) {
        axi_replay_free(replay);
        return axi_cli_fail("replay", "%s: %s (%s)", options->image, axi_error_text(error),
                            axi_error_name(error));
    }
    if (options->is_json) {
        (void)printf("{\"task\": \"%s\", \"jobs\": [", axi_replay_meta(replay)->name);
    } else {
        (void)printf("%-10s %-8s %-8s\n", "JOB", "STATE", "OUTPUT");
    }
    exit_code = options->completed != NULL ? follow_file(run, options) : follow_count(run, options);
    if (options->is_json) {
        (void)printf("\n]}\n");
    }
    axi_reference_free(run);
    return exit_code;
}

static int run(int argc, char **argv)
{
    struct options options = {.jobs = JOBS_DEFAULT};
    int exit_code = parse(argc, argv, &options);

    return exit_code != 0 ? exit_code : replay_image(&options);
}

const struct axi_command axi_command_replay = {
    .name = "replay",
    .summary = "run a task's jobs here and print their checksums",
    .usage =
        "usage: axcan replay IMAGE.axi|FILE.elf [--jobs N | --completed FILE] [-o text|json]\n\n"
        "Runs the jobs in this process, without a sandbox, and prints for each the CRC32C of\n"
        "the state after it and of its outputs: the reference for any distributed run.\n\n"
        "  --jobs N          jobs 0 to N-1 (default 10)\n"
        "  --completed FILE  the job numbers that completed, ascending, one per line; a number\n"
        "                    left out is a killed job, whose change of state is discarded\n",
    .run = run,
};
