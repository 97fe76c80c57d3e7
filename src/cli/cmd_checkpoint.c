/* SPDX-License-Identifier: Apache-2.0 */
/* axcan checkpoint: single checkpoints, of the managers' stores and of files. */
#include "cli/command.h"
#include "cli/managers.h"
#include "cli/output.h"
#include "core/checkpoint.h"
#include "image/file.h"
#include "image/image.h"
#include "image/state_fields.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define UNSET UINT64_MAX
#define REASON_BYTES 200u
#define DIFFERENCES_MAX 200u

/* A checkpoint in memory, checked. */
struct loaded {
    char name[512]; /* what the user called it */
    uint8_t *bytes;
    size_t count;
    struct axi_checkpoint header;
    const uint8_t *state;
};

struct checkpoint_command {
    struct axi_client client;
    const char *manager, *image, *output;
    uint64_t epoch, job, step;
    const char *arguments[2];
    size_t count;
};

/* ---- where checkpoints come from ---- */

/* "JOB" or "EPOCH.JOB", digits only. */
static bool parse_which(const char *text, uint64_t *ret_epoch, uint64_t *ret_job)
{
    const char *digits = "0123456789";
    size_t first = strspn(text, digits);
    size_t second = text[first] == '.' ? strspn(text + first + 1, digits) : 0;
    bool has_epoch = text[first] == '.';

    if (first == 0 || first > 19 || second > 19 || (has_epoch && second == 0) ||
        text[first + (has_epoch ? second + 1 : 0)] != '\0') {
        return false;
    }
    if (has_epoch) {
        *ret_epoch = strtoull(text, NULL, 10);
    }
    *ret_job = strtoull(has_epoch ? text + first + 1 : text, NULL, 10);
    return true;
}

/* "TASK" or "TASK@JOB" or "TASK@EPOCH.JOB", with --epoch, --job and --step. False: it is none. */
static bool data_path(const struct checkpoint_command *c, const char *what, const char *leaf,
                      char *ret_path, size_t size)
{
    const char *at = strchr(what, '@');
    int name = at != NULL ? (int)(at - what) : (int)strlen(what);
    uint64_t epoch = c->epoch;
    uint64_t job = c->job;

    if (name == 0 || name > 120 || strcspn(what, "/?#% &") < (size_t)name ||
        (at != NULL && !parse_which(at + 1, &epoch, &job))) {
        return false;
    }
    int used = snprintf(ret_path, size, "/v1/checkpoints/%.*s/%s?", name, what, leaf);

    if (epoch != UNSET) {
        used += snprintf(ret_path + used, size - (size_t)used, "epoch=%" PRIu64 "&", epoch);
    }
    if (job != UNSET) {
        used += snprintf(ret_path + used, size - (size_t)used, "job=%" PRIu64 "&", job);
    }
    if (c->step != UNSET) {
        (void)snprintf(ret_path + used, size - (size_t)used, "step=%" PRIu64, c->step);
    }
    return true;
}

static bool is_wanted(const struct checkpoint_command *c, const json_t *manager)
{
    const char *name = json_string_value(json_object_get(manager, "name"));
    const char *api = json_string_value(json_object_get(manager, "api"));

    return api != NULL && (c->manager == NULL || strcmp(c->manager, api) == 0 ||
                           (name != NULL && strcmp(c->manager, name) == 0));
}

static int decode(struct checkpoint_command *c, struct loaded *loaded)
{
    int r = axi_checkpoint_decode(loaded->bytes, loaded->count, &loaded->header, &loaded->state);

    return r == 0 ? 0
                  : axi_cli_fail(c->client.command, "%s is no intact checkpoint: %s (%s)",
                                 loaded->name, axi_error_text(r), axi_error_name(r));
}

/* From the first manager that has it. */
static int fetch(struct checkpoint_command *c, const char *what, struct loaded *ret_loaded)
{
    char path[400];
    char reason[REASON_BYTES] = "no such checkpoint manager; 'axcan get managers' lists them";
    json_t *managers = axi_managers_list(&c->client);
    size_t index = 0;
    const json_t *manager = NULL;
    int r = -1;

    if (!data_path(c, what, "data", path, sizeof(path))) {
        json_decref(managers);
        return axi_cli_usage("checkpoint", "'%s' is not TASK[@[EPOCH.]JOB]", what);
    }
    json_array_foreach (managers, index, manager) {
        if (r < 0 && is_wanted(c, manager)) {
            r = axi_manager_bytes(&c->client, json_string_value(json_object_get(manager, "api")),
                                  "GET", path, NULL, 0, &ret_loaded->bytes, &ret_loaded->count,
                                  reason);
        }
    }
    json_decref(managers);
    return r == 0 ? 0 : axi_cli_fail(c->client.command, "%s: %s", what, reason);
}

/* A file of that name comes first; else it is a task. */
static int load(struct checkpoint_command *c, const char *what, struct loaded *ret_loaded)
{
    int r = 0;

    (void)snprintf(ret_loaded->name, sizeof(ret_loaded->name), "%s", what);
    if (access(what, F_OK) == 0) {
        r = axi_file_read(what, AXI_CHECKPOINT_BYTES_MAX, &ret_loaded->bytes, &ret_loaded->count);
        if (r < 0) {
            return axi_cli_fail(c->client.command, "%s: %s", what, axi_error_text(r));
        }
    } else if (strchr(what, '@') == NULL && strpbrk(what, "/.?#% ") != NULL) {
        return axi_cli_fail(c->client.command, "%s: no such file, and no name of a task", what);
    } else {
        r = c->client.http.curl == NULL ? axi_client_open(&c->client) : 0;
        r = r != 0 ? r : fetch(c, what, ret_loaded);
    }
    return r != 0 ? r : decode(c, ret_loaded);
}

/* The schema text of --image, when it is that of the checkpoint; the caller frees *ret_image. */
static int open_schema(struct checkpoint_command *c, const struct axi_checkpoint *header,
                       struct axi_image **ret_image, const char **ret_schema)
{
    *ret_image = NULL;
    *ret_schema = NULL;
    if (c->image == NULL) {
        return 0;
    }
    int r = axi_image_open(c->image, ret_image);

    if (r < 0) {
        return axi_cli_fail(c->client.command, "%s: %s", c->image, axi_error_text(r));
    }
    const struct axi_image_entry *entry = axi_image_entry_at(*ret_image, 0);

    if (memcmp(entry->meta.schema_hash, header->schema_hash, sizeof(header->schema_hash)) != 0) {
        axi_image_free(*ret_image);
        *ret_image = NULL;
        return axi_cli_fail(c->client.command,
                            "the state of this checkpoint is laid out otherwise than %s says",
                            c->image);
    }
    *ret_schema = entry->schema;
    return 0;
}

/* ---- inspect ---- */

static int print_field(void *context, const struct axi_state_value *value)
{
    char text[64];

    axi_state_print(value, context, text, sizeof(text));
    (void)printf("%-24s %s\n", value->name, text);
    return 0;
}

static void print_hex(const uint8_t *bytes, size_t count)
{
    for (size_t at = 0; at < count; at += 16) {
        (void)printf("%08zx ", at);
        for (size_t i = at; i < at + 16 && i < count; i++) {
            (void)printf(" %02x", bytes[i]);
        }
        (void)putchar('\n');
    }
}

static void print_header(const struct axi_checkpoint *header)
{
    (void)printf("%-24s %016" PRIx64 "\n", "task", header->task_id);
    (void)printf("%-24s %" PRIu64 "\n", "epoch", header->epoch);
    (void)printf("%-24s %" PRIu64 "\n", "job", header->job);
    (void)printf("%-24s %" PRIu32 "\n", "step", header->step);
    (void)printf("%-24s %" PRIu32 "\n", "state_version", header->state_version);
    (void)printf("%-24s %" PRIu32 "\n", "state_bytes", header->state_bytes);
    (void)printf("%-24s %08" PRIx32 "\n", "state_crc", header->state_crc);
    (void)printf("%-24s ", "schema");
    for (size_t i = 0; i < sizeof(header->schema_hash); i++) {
        (void)printf("%02x", header->schema_hash[i]);
    }
    (void)puts("\n");
}

static int run_inspect(struct checkpoint_command *c)
{
    struct loaded loaded = {0};
    struct axi_image *image = NULL;
    const char *schema = NULL;
    int r = load(c, c->arguments[0], &loaded);

    r = r != 0 ? r : open_schema(c, &loaded.header, &image, &schema);
    if (r == 0) {
        print_header(&loaded.header);
        if (schema == NULL) {
            print_hex(loaded.state, loaded.header.state_bytes);
        } else if (axi_state_walk(schema, loaded.header.state_bytes, print_field,
                                  (void *)(uintptr_t)loaded.state) < 0) {
            r = axi_cli_fail(c->client.command, "%s: its schema cannot be read", c->image);
        }
    }
    axi_image_free(image);
    free(loaded.bytes);
    return r;
}

/* ---- diff ---- */

struct diff {
    const struct loaded *a, *b;
    uint32_t count;
};

static int compare_field(void *context, const struct axi_state_value *value)
{
    struct diff *diff = context;
    char before[64];
    char after[64];

    if (memcmp(diff->a->state + value->offset, diff->b->state + value->offset, value->bytes) == 0) {
        return 0;
    }
    if (diff->count++ < DIFFERENCES_MAX) {
        axi_state_print(value, diff->a->state, before, sizeof(before));
        axi_state_print(value, diff->b->state, after, sizeof(after));
        (void)printf("%-24s %s -> %s\n", value->name, before, after);
    }
    return 0;
}

/* Without names: words of eight bytes. */
static void compare_words(struct diff *diff)
{
    char name[32];
    uint32_t bytes = diff->a->header.state_bytes;

    for (uint32_t at = 0; at < bytes; at += 8) {
        const struct axi_state_value word = {
            .name = name, .kind = "u64", .offset = at, .bytes = bytes - at < 8 ? bytes - at : 8};

        (void)snprintf(name, sizeof(name), "+%" PRIu32, at);
        (void)compare_field(diff, &word);
    }
}

static void compare_number(const char *name, uint64_t a, uint64_t b, uint32_t *count)
{
    if (a != b) {
        (void)printf("%-24s %" PRIu64 " -> %" PRIu64 "\n", name, a, b);
        (*count)++;
    }
}

static int compare(struct checkpoint_command *c, const struct loaded *a, const struct loaded *b,
                   const char *schema)
{
    struct diff diff = {.a = a, .b = b};

    if (a->header.state_bytes != b->header.state_bytes ||
        memcmp(a->header.schema_hash, b->header.schema_hash, sizeof(a->header.schema_hash)) != 0) {
        return axi_cli_fail(c->client.command, "the two states are laid out differently");
    }
    compare_number("(task)", a->header.task_id, b->header.task_id, &diff.count);
    compare_number("(epoch)", a->header.epoch, b->header.epoch, &diff.count);
    compare_number("(job)", a->header.job, b->header.job, &diff.count);
    compare_number("(step)", a->header.step, b->header.step, &diff.count);
    if (schema == NULL) {
        compare_words(&diff);
    } else if (axi_state_walk(schema, a->header.state_bytes, compare_field, &diff) < 0) {
        return axi_cli_fail(c->client.command, "%s: its schema cannot be read", c->image);
    }
    if (diff.count > DIFFERENCES_MAX) {
        (void)printf("... and %" PRIu32 " more\n", diff.count - DIFFERENCES_MAX);
    }
    return diff.count == 0 ? AXI_EXIT_OK : AXI_EXIT_FAILED;
}

static int run_diff(struct checkpoint_command *c)
{
    struct loaded a = {0};
    struct loaded b = {0};
    struct axi_image *image = NULL;
    const char *schema = NULL;
    int r = load(c, c->arguments[0], &a);

    r = r != 0 ? r : load(c, c->arguments[1], &b);
    r = r != 0 ? r : open_schema(c, &a.header, &image, &schema);
    r = r != 0 ? r : compare(c, &a, &b, schema);
    axi_image_free(image);
    free(a.bytes);
    free(b.bytes);
    return r;
}

/* ---- export, import, pin ---- */

static int run_export(struct checkpoint_command *c)
{
    struct loaded loaded = {0};
    char name[AXI_CLI_PATH_BYTES];
    int r = axi_client_open(&c->client);

    (void)snprintf(loaded.name, sizeof(loaded.name), "%s", c->arguments[0]);
    r = r != 0 ? r : fetch(c, c->arguments[0], &loaded);
    r = r != 0 ? r : decode(c, &loaded);
    if (r == 0) {
        (void)snprintf(name, sizeof(name), "%.*s-%" PRIu64 ".%" PRIu64 ".axck",
                       (int)strcspn(c->arguments[0], "@"), c->arguments[0], loaded.header.epoch,
                       loaded.header.job);
        const char *path = c->output != NULL ? c->output : name;
        int error = axi_file_write(path, loaded.bytes, loaded.count);

        r = error < 0 ? axi_cli_fail(c->client.command, "%s: %s", path, axi_error_text(error)) : 0;
        if (r == 0) {
            (void)printf("%s: %zu bytes, epoch %" PRIu64 ", job %" PRIu64 "\n", path, loaded.count,
                         loaded.header.epoch, loaded.header.job);
        }
    }
    free(loaded.bytes);
    return r;
}

/* Does the same at every manager that is meant; succeeds when one of them does it. */
static int at_all(struct checkpoint_command *c, const char *method, const char *path,
                  const struct loaded *body, const char *done)
{
    char reason[REASON_BYTES] = "no such checkpoint manager; 'axcan get managers' lists them";
    json_t *managers = axi_managers_list(&c->client);
    size_t index = 0;
    size_t count = 0;
    bool is_missed = false;
    const json_t *manager = NULL;

    json_array_foreach (managers, index, manager) {
        uint8_t *answer = NULL;
        size_t bytes = 0;

        if (is_wanted(c, manager) &&
            axi_manager_bytes(&c->client, json_string_value(json_object_get(manager, "api")),
                              method, path, body != NULL ? (const void *)body->bytes : "",
                              body != NULL ? body->count : 0, &answer, &bytes, reason) == 0) {
            (void)printf("%s at %s\n", done, json_string_value(json_object_get(manager, "name")));
            free(answer);
            count++;
        } else if (is_wanted(c, manager)) {
            is_missed = true;
            (void)fprintf(stderr, "axcan checkpoint: not at %s: %s\n",
                          json_string_value(json_object_get(manager, "name")), reason);
        }
    }
    json_decref(managers);
    if (count > 0 || is_missed) { /* the others hold what is to be kept */
        return count > 0 ? 0 : AXI_EXIT_FAILED;
    }
    return axi_cli_fail(c->client.command, "%s", reason);
}

static int run_import(struct checkpoint_command *c)
{
    struct loaded loaded = {0};
    int r = access(c->arguments[0], F_OK) == 0
                ? load(c, c->arguments[0], &loaded)
                : axi_cli_fail(c->client.command, "%s: no such file", c->arguments[0]);

    r = r != 0 ? r : axi_client_open(&c->client);
    r = r != 0 ? r : at_all(c, "POST", "/v1/checkpoints", &loaded, "imported and pinned");
    free(loaded.bytes);
    return r;
}

/* The managers' newest may differ: what the first one has is meant at all of them. */
static int set_pin(struct checkpoint_command *c, const char *method, const char *done)
{
    struct loaded loaded = {0};
    char path[400];
    char text[80];
    int r = axi_client_open(&c->client);

    (void)snprintf(loaded.name, sizeof(loaded.name), "%s", c->arguments[0]);
    r = r != 0 ? r : fetch(c, c->arguments[0], &loaded);
    r = r != 0 ? r : decode(c, &loaded);
    if (r == 0) {
        (void)snprintf(text, sizeof(text), "%016" PRIx64, loaded.header.task_id);
        c->epoch = loaded.header.epoch;
        c->job = loaded.header.job;
        c->step = loaded.header.step;
        (void)data_path(c, text, "pin", path, sizeof(path));
        (void)snprintf(text, sizeof(text), "epoch %" PRIu64 ", job %" PRIu64 ": %s", c->epoch,
                       c->job, done);
        r = at_all(c, method, path, NULL, text);
    }
    free(loaded.bytes);
    return r;
}

static int run_pin(struct checkpoint_command *c)
{
    return set_pin(c, "POST", "pinned");
}

static int run_unpin(struct checkpoint_command *c)
{
    return set_pin(c, "DELETE", "unpinned");
}

/* ---- the command ---- */

static const struct {
    const char *name, *wanted;
    size_t arguments;
    int (*run)(struct checkpoint_command *c);
} verbs[] = {
    {"export", "TASK", 1, run_export},   {"import", "FILE", 1, run_import},
    {"inspect", "WHAT", 1, run_inspect}, {"diff", "WHAT WHAT", 2, run_diff},
    {"pin", "TASK", 1, run_pin},         {"unpin", "TASK", 1, run_unpin},
};

static int run(int argc, char **argv)
{
    struct checkpoint_command c = {.epoch = UNSET, .job = UNSET, .step = UNSET};
    const char *verb = argc > 1 ? argv[1] : "";

    axi_client_init(&c.client, "checkpoint");
    const struct axi_option options[] = {
        AXI_CLIENT_OPTIONS(&c.client),        {"manager", AXI_OPTION_TEXT, &c.manager},
        {"image", AXI_OPTION_TEXT, &c.image}, {"epoch", AXI_OPTION_NUMBER, &c.epoch},
        {"job", AXI_OPTION_NUMBER, &c.job},   {"step", AXI_OPTION_NUMBER, &c.step},
        {"o", AXI_OPTION_TEXT, &c.output},    {"output", AXI_OPTION_TEXT, &c.output},
    };

    for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
        if (strcmp(verb, verbs[i].name) == 0) {
            int r = axi_options_parse(
                "checkpoint", argc - 1, argv + 1, options, sizeof(options) / sizeof(options[0]),
                verbs[i].wanted, verbs[i].arguments, verbs[i].arguments, c.arguments, &c.count);

            r = r != 0 ? r : verbs[i].run(&c);
            axi_client_close(&c.client);
            return r;
        }
    }
    return axi_cli_usage("checkpoint", "'%s' is none of export, import, inspect, diff, pin, unpin",
                         verb);
}

const struct axi_command axi_command_checkpoint = {
    .name = "checkpoint",
    .summary = "export, import, inspect, compare or pin checkpoints",
    .usage =
        "usage: axcan checkpoint export TASK[@[EPOCH.]JOB] [-o FILE]\n"
        "       axcan checkpoint import FILE          at all managers, pinned\n"
        "       axcan checkpoint inspect WHAT [--image IMAGE]\n"
        "       axcan checkpoint diff WHAT WHAT [--image IMAGE]   exit code 1 when they differ\n"
        "       axcan checkpoint pin|unpin TASK[@[EPOCH.]JOB]\n"
        "WHAT is a file, or TASK[@[EPOCH.]JOB] of a manager's store: the newest that fits.\n"
        "  --epoch N, --job N, --step N   which one of the task\n"
        "  --image IMAGE     names the values in the state by the schema of this image\n"
        "  --manager NAME    only this one\n" AXI_CLIENT_USAGE,
    .run = run};
