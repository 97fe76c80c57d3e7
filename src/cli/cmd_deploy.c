/* SPDX-License-Identifier: Apache-2.0 */
/* axcan deploy, profile: bring an image to the master and start or measure a task of it. */
#include "cli/client.h"
#include "cli/command.h"
#include "cli/operation.h"
#include "cli/output.h"
#include "image/digest.h"
#include "image/file.h"
#include "image/image.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define INDEX_BYTES_MAX (1u << 20)

static int put_blob(struct axi_client *client, const struct axi_digest *digest, const void *bytes,
                    size_t count)
{
    char text[AXI_DIGEST_TEXT_BYTES];
    char path[AXI_DIGEST_TEXT_BYTES + 16];

    axi_digest_format(digest, text);
    (void)snprintf(path, sizeof(path), "/v1/blobs/%s", text);
    return axi_client_put(client, path, bytes, count);
}

/* Uploads the ELFs and collects their digests. */
static int put_elfs(struct axi_client *client, const struct axi_image *image, json_t *elfs)
{
    for (uint32_t i = 0; i < axi_image_entry_count(image); i++) {
        const struct axi_image_entry *entry = axi_image_entry_at(image, i);
        char text[AXI_DIGEST_TEXT_BYTES];
        int r = put_blob(client, &entry->digest, entry->elf, entry->elf_bytes);

        if (r != 0) {
            return r;
        }
        axi_digest_format(&entry->digest, text);
        (void)json_array_append_new(elfs, json_string(text));
    }
    return 0;
}

/* The image's own digest is that of its index.json; a bare ELF is its own image. */
static int image_digest(const char *file, const struct axi_image *image, struct axi_digest *ret)
{
    char path[AXI_PATH_BYTES];
    uint8_t *index = NULL;
    size_t bytes = 0;
    int r = axi_file_join(path, sizeof(path), file, "index.json");

    if (r == 0) {
        r = axi_file_read(path, INDEX_BYTES_MAX, &index, &bytes);
    }
    if (r == 0) {
        axi_digest_of(index, bytes, ret);
    } else {
        *ret = axi_image_entry_at(image, 0)->digest;
    }
    free(index);
    return 0;
}

static int open_image(const char *command, const char *file, struct axi_image **ret_image)
{
    struct stat about;
    int r = stat(file, &about) < 0   ? -AXC_ENOENT
            : S_ISDIR(about.st_mode) ? axi_image_open(file, ret_image)
                                     : axi_image_open_elf(file, ret_image);

    if (r == 0) {
        return 0;
    }
    return axi_cli_fail(command, "%s: %s (%s); 'axcan build task.c' makes an image", file,
                        axi_error_text(r), axi_error_name(r));
}

/* Makes the image in `file` known to the master. ret_digest: text. */
static int upload(struct axi_client *client, const char *file,
                  char ret_digest[AXI_DIGEST_TEXT_BYTES])
{
    struct axi_image *image = NULL;
    struct axi_digest digest;
    json_t *elfs = json_array();
    int r = open_image(client->command, file, &image);

    if (r == 0) {
        r = image_digest(file, image, &digest);
    }
    if (r == 0) {
        r = put_elfs(client, image, elfs);
    }
    if (r == 0) {
        axi_digest_format(&digest, ret_digest);
        json_t *body = json_pack("{s:s,s:O}", "digest", ret_digest, "elfs", elfs);
        const char *schema = axi_image_entry_at(image, 0)->schema;

        if (schema[0] != '\0') { /* a bare ELF has none */
            json_object_set_new(body, "schema", json_string(schema));
        }

        r = axi_client_call(client, "POST", "/v1/images", body, NULL);
        json_decref(body);
    }
    json_decref(elfs);
    axi_image_free(image);
    return r;
}

/* FILE that is there: uploaded, its digest. Anything else: the reference of an image the master
 * knows already. */
static int resolve_image(struct axi_client *client, const char *what,
                         char ret_image[AXI_DIGEST_TEXT_BYTES])
{
    struct stat about;

    if (stat(what, &about) < 0 && strpbrk(what, "/.") == NULL &&
        strlen(what) < AXI_DIGEST_TEXT_BYTES) {
        (void)snprintf(ret_image, AXI_DIGEST_TEXT_BYTES, "%s", what);
        return 0;
    }
    int r = upload(client, what, ret_image);

    if (r == 0) { /* the core takes digits without the algorithm's name */
        memmove(ret_image, ret_image + 7, strlen(ret_image + 7) + 1);
    }
    return r;
}

/* "linux-x86_64=800us" into object. */
static int add_wcet(const char *text, json_t *object)
{
    const char *equals = strchr(text, '=');
    char platform[64];
    uint64_t ns = 0;

    if (equals == NULL || (size_t)(equals - text) >= sizeof(platform) ||
        !axi_parse_time_ns(equals + 1, &ns) || ns < 1000) {
        return axi_cli_usage("deploy", "--wcet: '%s' is not PLATFORM=TIME (linux-x86_64=800us)",
                             text);
    }
    memcpy(platform, text, (size_t)(equals - text));
    platform[equals - text] = '\0';
    (void)json_object_set_new(object, platform, json_integer((json_int_t)((ns + 999) / 1000)));
    return 0;
}

static void set_text(json_t *object, const char *key, const char *value)
{
    if (value != NULL) {
        (void)json_object_set_new(object, key, json_string(value));
    }
}

static void set_number(json_t *object, const char *key, uint64_t value)
{
    if (value > 0) {
        (void)json_object_set_new(object, key, json_integer((json_int_t)value));
    }
}

static int deploy(struct axi_client *client, const char *what, json_t *request)
{
    char image[AXI_DIGEST_TEXT_BYTES];
    json_t *op = NULL;
    int r = axi_client_open(client);

    if (r == 0) {
        r = resolve_image(client, what, image);
    }
    if (r == 0) {
        set_text(request, "image", image);
        r = axi_operation_run(client, "POST", "/v1/tasks", request, false, &op);
    }
    if (r == 0 && op != NULL) {
        const json_t *result = json_object_get(op, "result");
        const char *node = json_string_value(json_object_get(result, "node"));
        const char *task = json_string_value(json_object_get(op, "task"));

        if (node == NULL) {
            node = json_string_value(json_object_get(op, "node"));
        }
        (void)printf("%s deployed on %s\n", task != NULL ? task : what, node != NULL ? node : "?");
    }
    json_decref(op);
    axi_client_close(client);
    return r;
}

static int run_deploy(int argc, char **argv)
{
    struct axi_client client;
    const char *file = NULL;
    const char *name = NULL, *node = NULL, *isolation = NULL, *assurance = NULL;
    struct axi_option_list wcets = {0};
    uint64_t jobs = 0, backlog = 0;
    bool wants_standby = false;

    axi_client_init(&client, "deploy");
    const struct axi_option options[] = {
        AXI_CLIENT_OPTIONS(&client),
        {"no-wait", AXI_OPTION_FLAG, &client.no_wait},
        {"name", AXI_OPTION_TEXT, &name},
        {"node", AXI_OPTION_TEXT, &node},
        {"wcet", AXI_OPTION_LIST, &wcets},
        {"isolation", AXI_OPTION_TEXT, &isolation},
        {"assurance", AXI_OPTION_TEXT, &assurance},
        {"jobs", AXI_OPTION_NUMBER, &jobs},
        {"backlog", AXI_OPTION_NUMBER, &backlog},
        {"standby", AXI_OPTION_FLAG, &wants_standby},
    };
    int r = axi_options_parse("deploy", argc, argv, options, sizeof(options) / sizeof(options[0]),
                              "FILE.axi", 1, 1, &file, NULL);
    json_t *request = json_object();
    json_t *wcet_us = json_object();

    for (size_t i = 0; r == 0 && i < wcets.count; i++) {
        r = add_wcet(wcets.items[i], wcet_us);
    }
    if (r == 0) {
        set_text(request, "name", name);
        set_text(request, "node", node);
        set_text(request, "isolation", isolation);
        set_text(request, "assurance", assurance);
        set_number(request, "jobs", jobs);
        set_number(request, "backlog_max", backlog);
        if (wants_standby) {
            (void)json_object_set_new(request, "standby", json_true());
        }
        if (json_object_size(wcet_us) > 0) {
            (void)json_object_set(request, "wcet_us", wcet_us);
        }
        r = deploy(&client, file, request);
    }
    json_decref(wcet_us);
    json_decref(request);
    return r;
}

const struct axi_command axi_command_deploy = {
    .name = "deploy",
    .summary = "start a task of an image",
    .usage = "usage: axcan deploy FILE.axi|IMAGE [options]\n"
             "Uploads the image (unless it names one the master has), places the task on a node "
             "and\n"
             "waits until it runs.\n"
             "  --name NAME       of the task (default: the image's)\n"
             "  --node NODE       on this node only\n"
             "  --wcet PLATFORM=TIME   worst-case execution time, e.g. linux-x86_64=800us; may be\n"
             "                    given for several platforms\n"
             "  --jobs N          end after N jobs (0: never)\n"
             "  --assurance shared|realtime|isolated|partition   at least this\n"
             "  --isolation fence|continue   when its node loses the master (default fence)\n"
             "  --standby         checkpoint managers keep it loaded on a second node, too\n"
             "  --backlog N       releases that may be late at once (default 1000)\n"
             "  --no-wait         return when the operation has started\n" AXI_CLIENT_USAGE,
    .run = run_deploy};

/* ---- profile ---- */

static void print_time(const json_t *result, const char *key, const char *title)
{
    char text[32];

    axi_print_time(text, sizeof(text), (uint64_t)json_integer_value(json_object_get(result, key)));
    (void)printf("%-6s %s\n", title, text);
}

static void print_profile(const json_t *result)
{
    const char *platform = json_string_value(json_object_get(result, "platform"));

    (void)printf("jobs   %" JSON_INTEGER_FORMAT " on %s\n",
                 json_integer_value(json_object_get(result, "jobs")),
                 platform != NULL ? platform : "?");
    print_time(result, "min_ns", "min");
    print_time(result, "mean_ns", "mean");
    print_time(result, "p99_ns", "p99");
    print_time(result, "max_ns", "max");
    print_time(result, "wcet_ns", "wcet");
    (void)printf("saved  %s\n", json_is_true(json_object_get(result, "saved")) ? "yes" : "no");
}

/* What `axcan analyze pwcet` reads. */
static int write_histogram(const json_t *result, const char *path)
{
    json_t *document = json_pack("{s:O}", "histogram", json_object_get(result, "histogram"));
    int r = document == NULL ? -1 : json_dump_file(document, path, JSON_COMPACT);

    json_decref(document);
    return r == 0 ? 0 : axi_cli_fail("profile", "%s cannot be written", path);
}

static int profile(struct axi_client *client, const char *what, json_t *request,
                   const char *histogram_path)
{
    char image[AXI_DIGEST_TEXT_BYTES];
    json_t *op = NULL;
    int r = axi_client_open(client);

    if (r == 0) {
        r = resolve_image(client, what, image);
    }
    if (r == 0) {
        set_text(request, "image", image);
        r = axi_operation_run(client, "POST", "/v1/profiles", request, false, &op);
    }
    if (r == 0 && op != NULL) {
        print_profile(json_object_get(op, "result"));
        if (histogram_path != NULL) {
            r = write_histogram(json_object_get(op, "result"), histogram_path);
        }
    }
    json_decref(op);
    axi_client_close(client);
    return r;
}

static int run_profile(int argc, char **argv)
{
    struct axi_client client;
    const char *file = NULL;
    const char *node = NULL;
    const char *histogram = NULL;
    uint64_t jobs = 0, margin = 0;
    bool is_saved = false;

    axi_client_init(&client, "profile");
    const struct axi_option options[] = {
        AXI_CLIENT_OPTIONS(&client),
        {"no-wait", AXI_OPTION_FLAG, &client.no_wait},
        {"node", AXI_OPTION_TEXT, &node},
        {"jobs", AXI_OPTION_NUMBER, &jobs},
        {"margin", AXI_OPTION_NUMBER, &margin},
        {"save", AXI_OPTION_FLAG, &is_saved},
        {"histogram", AXI_OPTION_TEXT, &histogram},
    };
    int r = axi_options_parse("profile", argc, argv, options, sizeof(options) / sizeof(options[0]),
                              "FILE.axi", 1, 1, &file, NULL);

    if (r != 0) {
        return r;
    }
    if (node == NULL) {
        return axi_cli_usage("profile", "--node is missing: a time is measured on a node");
    }
    json_t *request = json_pack("{s:s,s:b}", "node", node, "save", is_saved);

    set_number(request, "jobs", jobs);
    set_number(request, "margin_percent", margin);
    r = profile(&client, file, request, histogram);
    json_decref(request);
    return r;
}

const struct axi_command axi_command_profile = {
    .name = "profile",
    .summary = "measure a task's execution time on a node",
    .usage = "usage: axcan profile FILE.axi|IMAGE --node NODE [options]\n"
             "Runs the task without a budget and prints its execution times. wcet is the largest\n"
             "one plus a margin: a measurement, not a proof.\n"
             "  --jobs N          run so many jobs (default 100)\n"
             "  --margin PERCENT  added to the largest (default 20)\n"
             "  --save            keep it with the image, so that deploy finds it\n"
             "  --histogram FILE  write the distribution, as 'axcan analyze pwcet' reads it\n"
             "  --no-wait         return when the operation has started\n" AXI_CLIENT_USAGE,
    .run = run_profile};
