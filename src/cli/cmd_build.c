/* SPDX-License-Identifier: Apache-2.0 */
/* axcan build: C source to task image.
 *
 *     per instruction set: gcc -> ELF with debug information -> descriptor, schema
 *     compare across instruction sets -> strip -> fill the note -> check as a loader does -> image
 */
#include "cli/build_tool.h"
#include "cli/command.h"
#include "cli/schema.h"
#include "cli/task_elf.h"
#include "image/file.h"
#include "image/image.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ITEMS_MAX 128u
#define ISA_COUNT 2u

static const enum axi_isa all_isas[ISA_COUNT] = {AXI_ISA_X86_64, AXI_ISA_AARCH64};

struct options {
    const char *sources[ITEMS_MAX + 1];
    const char *flags[ITEMS_MAX + 1];
    size_t source_count;
    size_t flag_count;
    const char *out;
    const char *isa; /* NULL: all */
};

/* What becomes one entry of the image. */
struct product {
    struct axi_image_entry entry;
    struct axi_task_meta meta;
    char *schema;
    uint8_t *elf;
    size_t elf_bytes;
};

struct build {
    char sdk[AXI_BUILD_PATH_BYTES];
    char work[64]; /* temporary folder */
    struct product products[ISA_COUNT];
    uint32_t count;
};

static int fail_code(const char *what, int error)
{
    return axi_cli_fail("build", "%s: %s (%s)", what, axi_error_text(error), axi_error_name(error));
}

/* The value of "-o X", "-oX"; NULL when there is none. */
static const char *option_value(int argc, char **argv, int *i, size_t prefix)
{
    if (argv[*i][prefix] != '\0') {
        return argv[*i] + prefix;
    }
    return *i + 1 < argc ? argv[++*i] : NULL;
}

static int parse_option(int argc, char **argv, int *i, struct options *options)
{
    const char *argument = argv[*i];
    const char *flag = NULL;

    if (strncmp(argument, "-o", 2) == 0) {
        options->out = option_value(argc, argv, i, 2);
        return options->out != NULL ? 0 : axi_cli_usage("build", "-o needs a path");
    }
    if (strcmp(argument, "--isa") == 0) {
        options->isa = option_value(argc, argv, i, 5);
        return options->isa != NULL ? 0 : axi_cli_usage("build", "--isa needs a name");
    }
    if (strncmp(argument, "-I", 2) == 0 || strncmp(argument, "-D", 2) == 0) {
        flag = argument;
        if (argument[2] == '\0') {
            return axi_cli_usage("build", "%s needs its value without a space", argument);
        }
    } else if (strcmp(argument, "--cflag") == 0) {
        flag = option_value(argc, argv, i, 7);
    } else if (strncmp(argument, "--cflag=", 8) == 0) {
        flag = argument + 8;
    }
    if (flag == NULL) {
        return axi_cli_usage("build", "unknown or incomplete option '%s'", argument);
    }
    if (options->flag_count == ITEMS_MAX) {
        return axi_cli_usage("build", "too many flags");
    }
    options->flags[options->flag_count++] = flag;
    return 0;
}

static int parse(int argc, char **argv, struct options *options)
{
    for (int i = 1; i < argc; i++) {
        if (argv[i][0] == '-') {
            int exit_code = parse_option(argc, argv, &i, options);

            if (exit_code != 0) {
                return exit_code;
            }
        } else if (options->source_count == ITEMS_MAX) {
            return axi_cli_usage("build", "too many source files");
        } else {
            options->sources[options->source_count++] = argv[i];
        }
    }
    if (options->source_count == 0) {
        return axi_cli_usage("build", "no source file given");
    }
    if (options->isa != NULL && strcmp(options->isa, "x86_64") != 0 &&
        strcmp(options->isa, "aarch64") != 0) {
        return axi_cli_usage("build", "--isa takes x86_64 or aarch64, not '%s'", options->isa);
    }
    return 0;
}

/* dir/cruise.c -> cruise.axi in the current folder. */
static void default_out(const char *source, char ret_out[AXI_PATH_BYTES])
{
    const char *slash = strrchr(source, '/');
    const char *base = slash != NULL ? slash + 1 : source;
    const char *dot = strrchr(base, '.');
    int length = dot != NULL && dot != base ? (int)(dot - base) : (int)strlen(base);

    (void)snprintf(ret_out, AXI_PATH_BYTES, "%.*s.axi", length, base);
}

static void work_path(const struct build *build, enum axi_isa isa, const char *suffix,
                      char ret_path[128])
{
    (void)snprintf(ret_path, 128, "%s/%s.%s", build->work, axi_isa_name(isa), suffix);
}

static int compile(struct build *build, const struct options *options, enum axi_isa isa)
{
    struct axi_build_job job = {.isa = isa,
                                .sdk = build->sdk,
                                .sources = options->sources,
                                .flags = options->flags,
                                .is_quiet = build->count > 0};
    char linked[128];
    char stripped[128];
    int error = 0;

    work_path(build, isa, "debug", linked);
    work_path(build, isa, "elf", stripped);
    error = axi_build_link(&job, linked);
    if (error == 0) {
        error = axi_build_strip(isa, linked, stripped);
    }
    if (error == -AXC_ENOENT) {
        return axi_cli_fail("build",
                            "%s is not installed; tools/install-deps or apt-get install it",
                            axi_build_compiler(isa));
    }
    return error == 0 ? 0
                      : axi_cli_fail("build", "%s failed for %s; see its messages above",
                                     axi_build_compiler(isa), axi_isa_name(isa));
}

/* Descriptor and schema of one linked file into build->products[build->count]. */
static int derive(struct build *build, enum axi_isa isa)
{
    struct product *product = &build->products[build->count];
    struct axi_schema_problem problem;
    struct axi_digest digest;
    char linked[128];
    uint32_t state_bytes = 0;
    int error = 0;

    work_path(build, isa, "debug", linked);
    error = axi_task_elf_describe(linked, &product->meta);
    if (error == -AXC_EMETA_NONE) {
        return axi_cli_fail("build",
                            "no single AXCAN_TASK(...) in the sources; every task has one");
    }
    if (error != 0) {
        return fail_code("AXCAN_TASK", error);
    }
    error = axi_schema_from_elf(linked, &product->schema, &state_bytes, &problem);
    if (error != 0) {
        return axi_cli_fail("build", "%s (%s)",
                            problem.text[0] != '\0' ? problem.text : axi_error_text(error),
                            axi_error_name(error));
    }
    if (state_bytes != product->meta.state_bytes) {
        return axi_cli_fail("build",
                            ".state_bytes is %u but struct state has %u bytes: use sizeof(struct "
                            "state) (SCHEMA_SIZE)",
                            product->meta.state_bytes, state_bytes);
    }
    axi_digest_of(product->schema, strlen(product->schema), &digest);
    memcpy(product->meta.schema_hash, digest.bytes, sizeof(product->meta.schema_hash));
    build->count++;
    return 0;
}

/* Both instruction sets must have the same schema and the same parameters. */
static int compare(const struct build *build)
{
    const struct product *a = &build->products[0];
    const struct product *b = &build->products[1];
    struct axi_schema_problem problem;

    if (build->count < ISA_COUNT) {
        return 0;
    }
    if (axi_schema_compare(a->schema, axi_isa_name(all_isas[0]), b->schema,
                           axi_isa_name(all_isas[1]), &problem) != 0) {
        return axi_cli_fail("build", "%s (SCHEMA_ISA)", problem.text);
    }
    if (memcmp(&a->meta, &b->meta, sizeof(a->meta)) != 0) {
        return axi_cli_fail("build", "AXCAN_TASK has different values on %s and %s",
                            axi_isa_name(all_isas[0]), axi_isa_name(all_isas[1]));
    }
    return 0;
}

static int finish(const struct build *build, struct product *product, enum axi_isa isa)
{
    char stripped[128];
    int error = 0;

    work_path(build, isa, "elf", stripped);
    error = axi_file_read(stripped, AXI_IMAGE_ELF_BYTES_MAX, &product->elf, &product->elf_bytes);
    if (error == 0) {
        error = axi_task_elf_fill_note(product->elf, product->elf_bytes, &product->meta);
    }
    if (error == 0) {
        error = axi_image_entry_from_elf(product->elf, product->elf_bytes, product->schema,
                                         &product->entry);
    }
    return error == 0 ? 0 : fail_code(axi_isa_name(isa), error);
}

static int write_image(struct build *build, const char *out)
{
    struct axi_image_entry entries[ISA_COUNT];
    int error = 0;

    for (uint32_t i = 0; i < build->count; i++) {
        entries[i] = build->products[i].entry;
    }
    error = axi_image_write(out, entries, build->count);
    if (error == -AXC_EINVALID) {
        return axi_cli_fail("build", "%s: exists and is no task image; choose another with -o",
                            out);
    }
    return error == 0 ? 0 : fail_code(out, error);
}

static void print_result(const struct build *build, const char *out)
{
    const struct axi_task_meta *meta = &build->products[0].meta;

    (void)printf("%s: task %s, state %u bytes\n", out, meta->name, meta->state_bytes);
    for (uint32_t i = 0; i < build->count; i++) {
        const struct axi_image_entry *entry = &build->products[i].entry;
        char digest[AXI_DIGEST_TEXT_BYTES];

        axi_digest_format(&entry->digest, digest);
        (void)printf("  %-8s %7zu bytes  %s\n", axi_isa_name(entry->isa), entry->elf_bytes, digest);
    }
}

static int build_all(struct build *build, const struct options *options, const char *out)
{
    enum axi_isa built[ISA_COUNT];
    int exit_code = 0;

    for (size_t i = 0; i < ISA_COUNT && exit_code == 0; i++) {
        if (options->isa != NULL && strcmp(options->isa, axi_isa_name(all_isas[i])) != 0) {
            continue;
        }
        built[build->count] = all_isas[i];
        exit_code = compile(build, options, all_isas[i]);
        if (exit_code == 0) {
            exit_code = derive(build, all_isas[i]);
        }
    }
    if (exit_code == 0) {
        exit_code = compare(build);
    }
    for (uint32_t i = 0; i < build->count && exit_code == 0; i++) {
        exit_code = finish(build, &build->products[i], built[i]);
    }
    if (exit_code == 0) {
        exit_code = write_image(build, out);
    }
    if (exit_code == 0) {
        print_result(build, out);
    }
    return exit_code;
}

static void clean(struct build *build)
{
    static const char *const suffixes[] = {"debug", "elf"};
    char path[128];

    for (size_t i = 0; i < ISA_COUNT; i++) {
        for (size_t j = 0; j < sizeof(suffixes) / sizeof(suffixes[0]); j++) {
            work_path(build, all_isas[i], suffixes[j], path);
            (void)unlink(path);
        }
        free(build->products[i].schema);
        free(build->products[i].elf);
    }
    (void)rmdir(build->work);
}

static int run(int argc, char **argv)
{
    struct options options = {0};
    struct build build = {.work = "/tmp/axcan-build-XXXXXX"};
    char out[AXI_PATH_BYTES];
    int exit_code = parse(argc, argv, &options);

    if (exit_code != 0) {
        return exit_code;
    }
    if (options.out != NULL) {
        (void)snprintf(out, sizeof(out), "%s", options.out);
    } else {
        default_out(options.sources[0], out);
    }
    if (axi_build_find_sdk(build.sdk) != 0) {
        return axi_cli_fail("build", "no SDK in %s; set AXCAN_SDK to the folder with task.ld",
                            build.sdk);
    }
    if (mkdtemp(build.work) == NULL) {
        return axi_cli_fail("build", "cannot make a folder under /tmp");
    }
    exit_code = build_all(&build, &options, out);
    clean(&build);
    return exit_code;
}

const struct axi_command axi_command_build = {
    .name = "build",
    .summary = "compile a task for every instruction set into an image",
    .usage =
        "usage: axcan build SOURCE.c... [-o IMAGE.axi] [-IDIR] [-DNAME[=VALUE]]\n"
        "                   [--cflag FLAG]... [--isa x86_64|aarch64]\n\n"
        "Compiles the sources for x86-64 and aarch64, derives the schema of `struct state` and\n"
        "writes an OCI image layout folder (default: SOURCE.axi in the current folder). A state\n"
        "that could not travel (pointers, long, bit-fields, implicit padding) is refused.\n\n"
        "  -o IMAGE      the image to write; an older image there is replaced\n"
        "  -IDIR -DNAME  passed to the compiler\n"
        "  --cflag FLAG  one more compiler flag\n"
        "  --isa NAME    build for one instruction set only\n\n"
        "The SDK is found by $AXCAN_SDK, in the build tree, or in the installed prefix.\n",
    .run = run,
};
