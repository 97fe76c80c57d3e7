/* SPDX-License-Identifier: Apache-2.0 */
/* axcan apply, plan, diff: what is declared, and delete -f: what is not any more. */
#include "cli/client.h"
#include "cli/command.h"
#include "cli/declare.h"
#include "cli/manifest_file.h"
#include "cli/output.h"
#include "cli/undeclare.h"
#include "manifest/manifest.h"

#include <stdio.h>
#include <string.h>

#define EXIT_DIFFERS 1
#define EXIT_REFUSED 2

struct request {
    struct axi_client client;
    const char *file, *output;
    bool is_dry_run, is_waiting;
};

/* names NULL: the command takes none, and -f must be there. */
static int parse(struct request *request, const char *command, int argc, char **argv,
                 const char **ret_names, size_t *ret_count)
{
    axi_client_init(&request->client, command);
    const struct axi_option options[] = {
        AXI_CLIENT_OPTIONS(&request->client),
        {"f", AXI_OPTION_TEXT, &request->file},
        {"o", AXI_OPTION_TEXT, &request->output},
        {"dry-run", AXI_OPTION_FLAG, &request->is_dry_run},
        {"wait", AXI_OPTION_FLAG, &request->is_waiting},
        {"no-wait", AXI_OPTION_FLAG, &request->client.no_wait},
    };
    size_t count = 0;
    int r = axi_options_parse(command, argc, argv, options, sizeof(options) / sizeof(options[0]),
                              "-f FILE", 0, ret_names != NULL ? 2 : 0, ret_names,
                              ret_count != NULL ? ret_count : &count);

    if (r == 0 && ret_names == NULL && request->file == NULL) {
        r = axi_cli_usage(command, "-f FILE is missing: the manifest, or - for stdin");
    }
    if (r == 0 && request->output != NULL && strcmp(request->output, "json") != 0) {
        r = axi_cli_usage(command, "-o: '%s' is not json", request->output);
    }
    return r;
}

static bool is_service(const json_t *object)
{
    return strcmp(axi_declare_text(object, "kind"), "Service") == 0;
}

static int wait_ready(struct request *request, const json_t *objects)
{
    size_t i = 0;
    json_t *object = NULL;
    int r = 0;

    json_array_foreach (objects, i, object) {
        if (is_service(object)) {
            int each = axi_declare_wait_ready(&request->client, axi_declare_text(object, "name"));

            r = each != 0 ? each : r;
        }
    }
    return r;
}

static void print_answer(const struct request *request, const json_t *answer, bool is_dry_run,
                         bool with_fields)
{
    if (request->output != NULL) {
        axi_print_json(stdout, answer);
        return;
    }
    axi_declare_print_changes(json_object_get(answer, "changes"), is_dry_run, with_fields);
    if (is_dry_run) {
        axi_declare_print_plan(json_object_get(answer, "plan"));
    }
    (void)fflush(stdout);
}

/* A wrong manifest is told before the master is asked for anything. */
static int load(struct request *request, json_t **ret_objects)
{
    int r = axi_manifest_file(&request->client, request->file, ret_objects);

    r = r == 0 ? axi_client_open(&request->client) : r;
    return r == 0 ? axi_manifest_images(&request->client, request->file, true, *ret_objects) : r;
}

static int run_apply(int argc, char **argv)
{
    struct request request = {0};
    json_t *objects = NULL;
    json_t *answer = NULL;
    int r = parse(&request, "apply", argc, argv, NULL, NULL);

    r = r == 0 ? load(&request, &objects) : r;
    r = r == 0
            ? axi_declare_send(&request.client, "/v1/apply", objects, request.is_dry_run, &answer)
            : r;
    if (r == 0) {
        print_answer(&request, answer, request.is_dry_run, false);
        r = request.is_waiting && !request.is_dry_run ? wait_ready(&request, objects) : 0;
    }
    json_decref(answer);
    json_decref(objects);
    axi_client_close(&request.client);
    return r;
}

const struct axi_command axi_command_apply = {
    .name = "apply",
    .summary = "declare services, nodes and policy by a manifest",
    .usage =
        "usage: axcan apply -f FILE|- [options]\n"
        "Makes the cluster keep what the manifest declares: all of it, or nothing and exit code "
        "1\n"
        "when something cannot be (2: the manifest is wrong). Images that it names by a file\n"
        "FILE.axi, relative to the manifest, are uploaded.\n"
        "  --dry-run         change nothing; say what would change and move\n"
        "  --wait            until every service of the manifest is as declared; exit code 1 "
        "when\n"
        "                    its update was reverted or the time is up\n"
        "  -o json           the master's answer as it is\n" AXI_CLIENT_USAGE,
    .run = run_apply};

static bool is_change(const json_t *changes)
{
    size_t i = 0;
    json_t *change = NULL;

    json_array_foreach (changes, i, change) {
        if (strcmp(axi_declare_text(change, "action"), "unchanged") != 0) {
            return true;
        }
    }
    return false;
}

static int run_plan(int argc, char **argv)
{
    struct request request = {0};
    json_t *objects = NULL;
    json_t *answer = NULL;
    int r = parse(&request, "plan", argc, argv, NULL, NULL);

    r = r == 0 ? load(&request, &objects) : r;
    r = r == 0 ? axi_declare_send(&request.client, "/v1/apply", objects, true, &answer) : r;
    if (r != 0) {
        r = EXIT_REFUSED;
    } else {
        print_answer(&request, answer, true, true);
        r = is_change(json_object_get(answer, "changes")) ||
                    json_array_size(json_object_get(answer, "plan")) > 0
                ? EXIT_DIFFERS
                : 0;
    }
    json_decref(answer);
    json_decref(objects);
    axi_client_close(&request.client);
    return r;
}

const struct axi_command axi_command_plan = {
    .name = "plan",
    .summary = "what a manifest would change and move, and why",
    .usage =
        "usage: axcan plan -f FILE|- [-o json] [options]\n"
        "Changes nothing (but images given as files are uploaded, as they must be known to be\n"
        "judged). Exit code 0: nothing to do; 1: it would change something; 2: it is "
        "refused.\n" AXI_CLIENT_USAGE,
    .run = run_plan};

/* ---- diff ---- */

static const json_t *find(const json_t *declared, const json_t *object)
{
    size_t i = 0;
    json_t *one = NULL;

    json_array_foreach (declared, i, one) {
        if (strcmp(axi_declare_text(one, "kind"), axi_declare_text(object, "kind")) == 0 &&
            strcmp(axi_declare_text(one, "name"), axi_declare_text(object, "name")) == 0) {
            return one;
        }
    }
    return NULL;
}

/* What kind of change each object of the manifest is; a new array like "changes" of apply. */
static json_t *compare(const json_t *declared, const json_t *objects)
{
    json_t *changes = json_array();
    size_t i = 0;
    json_t *object = NULL;

    json_array_foreach (objects, i, object) {
        const json_t *present = find(declared, object);
        json_t *fields = axi_manifest_diff(present, object);
        const char *action = present == NULL                ? "create"
                             : json_array_size(fields) == 0 ? "unchanged"
                                                            : "change";

        (void)json_array_append_new(changes, json_pack("{s:O, s:O, s:s, s:o}", "kind",
                                                       json_object_get(object, "kind"), "name",
                                                       json_object_get(object, "name"), "action",
                                                       action, "fields", fields));
    }
    return changes;
}

static int run_diff(int argc, char **argv)
{
    struct request request = {0};
    json_t *objects = NULL;
    json_t *answer = NULL;
    int r = parse(&request, "diff", argc, argv, NULL, NULL);

    r = r == 0 ? axi_manifest_file(&request.client, request.file, &objects) : r;
    r = r == 0 ? axi_manifest_images(&request.client, request.file, false, objects) : r;
    r = r == 0 ? axi_client_open(&request.client) : r;
    r = r == 0 ? axi_client_call(&request.client, "GET", "/v1/declared", NULL, &answer) : r;
    if (r != 0) {
        r = EXIT_REFUSED;
    } else {
        json_t *changes = compare(json_object_get(answer, "items"), objects);

        if (request.output != NULL) {
            axi_print_json(stdout, changes);
        } else {
            axi_declare_print_changes(changes, false, true);
        }
        r = is_change(changes) ? EXIT_DIFFERS : 0;
        json_decref(changes);
    }
    json_decref(answer);
    json_decref(objects);
    axi_client_close(&request.client);
    return r;
}

const struct axi_command axi_command_diff = {
    .name = "diff",
    .summary = "how a manifest differs from what is declared",
    .usage = "usage: axcan diff -f FILE|- [-o json] [options]\n"
             "Compares each object with the declared one, defaults filled in.\n"
             "Exit code 0: the same; 1: they differ; 2: neither could be told.\n" AXI_CLIENT_USAGE,
    .run = run_diff};

/* ---- delete ---- */

static json_t *names_of(const json_t *objects)
{
    json_t *names = json_array();
    size_t i = 0;
    json_t *object = NULL;

    json_array_foreach (objects, i, object) {
        (void)json_array_append_new(names,
                                    json_pack("{s:O, s:O}", "kind", json_object_get(object, "kind"),
                                              "name", json_object_get(object, "name")));
    }
    return names;
}

/* The objects to forget, from the file or from "service NAME". */
static int collect(struct request *request, const char *const *names, size_t count,
                   json_t **ret_objects)
{
    json_t *objects = NULL;

    if (request->file != NULL && count == 0) {
        int r = axi_manifest_file(&request->client, request->file, &objects);

        if (r == 0) {
            *ret_objects = names_of(objects);
            json_decref(objects);
        }
        return r;
    }
    bool is_known = request->file == NULL && count == 2 &&
                    (strcmp(names[0], "service") == 0 || strcmp(names[0], "node") == 0);

    if (!is_known) {
        return axi_cli_usage("delete", "expected -f FILE, or service NAME, or node NAME");
    }
    int r = axi_client_check_name(&request->client, names[1]);

    if (r == 0) {
        *ret_objects = json_pack("[{s:s, s:s}]", "kind", names[0][0] == 's' ? "Service" : "Node",
                                 "name", names[1]);
    }
    return r;
}

static int wait_gone(struct request *request, const json_t *objects)
{
    size_t i = 0;
    json_t *object = NULL;
    int r = 0;

    json_array_foreach (objects, i, object) {
        if (r == 0 && is_service(object)) {
            r = axi_declare_wait_gone(&request->client, axi_declare_text(object, "name"));
        }
    }
    return r;
}

int axi_undeclare_run(int argc, char **argv)
{
    struct request request = {0};
    const char *names[2] = {0};
    size_t count = 0;
    json_t *objects = NULL;
    json_t *answer = NULL;
    int r = parse(&request, "delete", argc, argv, names, &count);

    r = r == 0 ? collect(&request, names, count, &objects) : r;
    r = r == 0 ? axi_client_open(&request.client) : r;
    r = r == 0 ? axi_declare_send(&request.client, "/v1/undeclare", objects, request.is_dry_run,
                                  &answer)
               : r;
    if (r == 0 && !request.is_dry_run && !request.client.no_wait) {
        r = wait_gone(&request, objects);
    }
    if (r == 0) {
        print_answer(&request, answer, request.is_dry_run, false);
    }
    json_decref(answer);
    json_decref(objects);
    axi_client_close(&request.client);
    return r;
}
