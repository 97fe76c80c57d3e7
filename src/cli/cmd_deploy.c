/* SPDX-License-Identifier: Apache-2.0 */
/* axcan deploy, profile: bring an image to the master and start or measure a task of it. */
#include "cli/client.h"
#include "cli/command.h"
#include "cli/image_upload.h"
#include "cli/operation.h"
#include "cli/output.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
        r = axi_image_or_name(client, what, image);
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
        r = axi_image_or_name(client, what, image);
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
