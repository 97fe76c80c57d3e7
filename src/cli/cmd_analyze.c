/* SPDX-License-Identifier: Apache-2.0 */
/* axcan analyze: the timing model on files. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli/analyze.h"
#include "cli/client.h"
#include "cli/command.h"
#include "cli/options.h"

typedef int kind_function(struct axi_analyze *run, json_t *item, bool *ret_known);

static volatile sig_atomic_t is_interrupted;

static void on_interrupt(int signal_number)
{
    (void)signal_number;
    is_interrupted = 1;
}

/* Called by the model between steps; at most two lines a second, on a terminal only. */
static int poll_progress(void *context)
{
    const struct axi_analyze *run = context;
    static struct timespec last;
    static time_t start;
    struct timespec now;

    if (is_interrupted) {
        return 1;
    }
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    start = start != 0 ? start : now.tv_sec;
    if (now.tv_sec > start && now.tv_sec != last.tv_sec && isatty(STDERR_FILENO)) {
        last = now;
        (void)fprintf(stderr, "\raxcan analyze: case %s, step %zu of %zu, %lld s ", run->case_id,
                      run->step + 1, run->steps, (long long)(now.tv_sec - start));
    }
    return 0;
}

/* Flattened "key value" lines. */
static void print_members(const char *prefix, const json_t *value, int depth)
{
    const json_t *inner = json_object_get(value, "value");
    const char *key = NULL;
    json_t *child = NULL;
    char name[160];
    size_t i = 0;

    if (inner != NULL) {
        value = inner;
    }
    if (json_is_object(value) && depth < 8) {
        json_object_foreach ((json_t *)value, key, child) {
            (void)snprintf(name, sizeof(name), "%s%s%s", prefix, *prefix != '\0' ? "." : "", key);
            print_members(name, child, depth + 1);
        }
    } else if (json_is_array(value) && json_is_object(json_array_get(value, 0)) && depth < 8) {
        json_array_foreach (value, i, child) {
            (void)snprintf(name, sizeof(name), "%s[%zu]", prefix, i);
            print_members(name, child, depth + 1);
        }
    } else if (json_array_size(value) > 16) {
        (void)printf("  %-44s %zu entries; -o json prints them\n", prefix, json_array_size(value));
    } else {
        char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);

        (void)printf("  %-44s %s\n", prefix,
                     json_is_string(value) ? json_string_value(value) : text);
        free(text);
    }
}

static void print_case(const json_t *item, const char *id)
{
    const char *title = json_string_value(json_object_get(item, "title"));
    json_t *replica = NULL;
    size_t i = 0;

    (void)printf("%s  %s\n", id, title != NULL ? title : "");
    json_array_foreach (json_object_get(item, "replicas"), i, replica) {
        char name[64];

        (void)snprintf(name, sizeof(name), "replica[%zu]", i);
        print_members(name, json_object_get(replica, "computed"), 0);
    }
    print_members(json_is_array(json_object_get(item, "computed")) ? "task" : "",
                  json_object_get(item, "computed"), 0);
}

static bool parse_mode(const char *text, enum axi_mode *ret_mode)
{
    static const char *const names[] = {"sync", "sound", "periodic"};

    for (int i = 0; i < 3; i++) {
        if (strcmp(text, names[i]) == 0) {
            *ret_mode = (enum axi_mode)i;
            return true;
        }
    }
    return false;
}

/* The command line, else the file's "mode", else sync for the vectors by their format; everything
 * else is judged by the sound bound. */
static void choose_mode(struct axi_analyze *run, const json_t *document)
{
    const char *format = json_string_value(json_object_get(document, "format"));
    const char *mode = json_string_value(json_object_get(document, "mode"));

    if (!run->mode_given && (mode == NULL || !parse_mode(mode, &run->options.mode))) {
        run->options.mode =
            format != NULL && strcmp(format, "prob-golden/1") == 0 ? AXI_MODE_SYNC : AXI_MODE_SOUND;
    }
}

static int run_list(struct axi_analyze *run, kind_function *kind, json_t *list, bool quiet,
                    size_t *count)
{
    size_t i = 0;
    json_t *item = NULL;

    json_array_foreach (list, i, item) {
        const char *id = json_string_value(json_object_get(item, "id"));
        bool is_known = false;
        char number[32];
        int r = 0;

        (void)snprintf(number, sizeof(number), "%zu", i);
        run->case_id = id != NULL ? id : number;
        r = kind(run, item, &is_known);
        if (r != 0) {
            return r;
        }
        *count += is_known;
        if (is_known && !quiet) {
            print_case(item, run->case_id);
        }
    }
    return 0;
}

static int run_cases(struct axi_analyze *run, kind_function *kind, json_t *document, bool quiet)
{
    json_t *cases = json_object_get(document, "cases");
    json_t *extras = json_object_get(document, "extras");
    size_t count = 0;
    int r = 0;

    choose_mode(run, document);
    if (cases == NULL && extras == NULL) {
        json_t *single =
            json_is_array(document) ? json_incref(document) : json_pack("[O]", document);

        r = run_list(run, kind, single, quiet, &count);
        json_decref(single);
    } else {
        r = run_list(run, kind, cases, quiet, &count);
        r = r != 0 ? r : run_list(run, kind, extras, quiet, &count);
    }
    if (r == 0 && count == 0) {
        r = axi_cli_fail("analyze", "%s: no case of this kind; see docs/model.md for the format",
                         run->file);
    }
    return r;
}

static int finish(struct axi_analyze *run, const json_t *document, bool as_json, bool check,
                  const char *plot)
{
    size_t compared = 0;
    int r = 0;

    if (as_json) {
        (void)json_dumpf(document, stdout, JSON_INDENT(1) | JSON_REAL_PRECISION(17));
        (void)putchar('\n');
    }
    if (plot != NULL) {
        r = axi_analyze_plot(run, plot);
    }
    if (check) {
        size_t different = axi_analyze_check(document, &compared);

        (void)fprintf(stderr, "axcan analyze: %zu values compared, %zu differ\n", compared,
                      different);
        r = different > 0 || compared == 0 ? AXI_EXIT_FAILED : r;
    }
    return r;
}

static bool parse_probability(const char *text, double *ret_value)
{
    json_t *json = json_string(text);
    struct axi_exact value;
    bool ok = json != NULL && axi_exact_parse(json, &value) && value.value <= 1;

    json_decref(json);
    if (ok) {
        *ret_value = value.value;
    }
    return ok;
}

static kind_function *find_kind(const char *name)
{
    static const struct {
        const char *name;
        kind_function *run;
    } kinds[] = {{"pwcrt", axi_analyze_pwcrt},
                 {"service", axi_analyze_service},
                 {"dag", axi_analyze_dag},
                 {"edf", axi_analyze_edf}};

    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (strcmp(kinds[i].name, name) == 0) {
            return kinds[i].run;
        }
    }
    return NULL;
}

struct texts {
    const char *output;
    const char *mode;
    const char *plot;
    const char *target;
    const char *epsilon;
    const char *fault;
    const char *node;
};

/* Options with a meaning beyond their text; 0 or AXI_EXIT_USAGE. */
static int interpret(struct axi_analyze *run, const struct texts *texts)
{
    if (texts->output != NULL && strcmp(texts->output, "json") != 0) {
        return axi_cli_usage("analyze", "-o %s: only json", texts->output);
    }
    if (texts->mode != NULL && !parse_mode(texts->mode, &run->options.mode)) {
        return axi_cli_usage("analyze", "--mode %s: sync, sound or periodic", texts->mode);
    }
    run->mode_given = texts->mode != NULL;
    if (texts->target != NULL && !parse_probability(texts->target, &run->options.target)) {
        return axi_cli_usage("analyze", "--target %s: not a probability", texts->target);
    }
    if (texts->epsilon != NULL &&
        (!parse_probability(texts->epsilon, &run->epsilon) || !(run->epsilon > 0))) {
        return axi_cli_usage("analyze", "--epsilon %s: not a probability", texts->epsilon);
    }
    if (texts->fault != NULL) {
        char probability[64] = "";
        const char *colon = strchr(texts->fault, ':');

        if (colon != NULL && (size_t)(colon - texts->fault) < sizeof(probability)) {
            memcpy(probability, texts->fault, (size_t)(colon - texts->fault));
        }
        if (!parse_probability(probability, &run->fault_q) ||
            !axi_parse_number(colon + 1, &run->fault_ticks) || run->fault_ticks == 0) {
            return axi_cli_usage("analyze", "--fault %s: PROBABILITY:TICKS", texts->fault);
        }
    }
    return 0;
}

static int load(struct axi_analyze *run, const char *node, json_t **ret_document)
{
    if (node != NULL) {
        return axi_analyze_node(run->client, node, ret_document);
    }
    *ret_document = axi_analyze_load(run->file);
    return *ret_document == NULL ? AXI_EXIT_FAILED : 0;
}

static int run_file(struct axi_analyze *run, const char *kind_name, const struct texts *texts,
                    bool check)
{
    kind_function *kind = find_kind(kind_name);
    json_t *document = NULL;
    bool as_json = texts->output != NULL;
    int r = 0;

    if (strcmp(kind_name, "clock") == 0) {
        return axi_analyze_clock(run->file, as_json, texts->plot);
    }
    if (strcmp(kind_name, "pwcet") == 0) {
        r = axi_analyze_pwcet(run, run->file, &document);
        if (document != NULL && !as_json) {
            print_case(document, run->file);
        }
    } else if (kind == NULL) {
        return axi_cli_usage("analyze", "'%s' is none of pwcrt, service, dag, edf, pwcet, clock",
                             kind_name);
    } else {
        r = load(run, texts->node, &document);
        r = r != 0 ? r : run_cases(run, kind, document, as_json);
    }
    if (r == 0 || (document != NULL && kind == NULL && as_json)) {
        int finished = finish(run, document, as_json, check, texts->plot);

        r = r != 0 ? r : finished;
    }
    json_decref(document);
    return r;
}

static int run(int argc, char **argv)
{
    struct axi_analyze analyze = {.epsilon = 1e-9, .case_id = ""};
    struct texts texts = {0};
    struct axi_client client;
    const char *arguments[2] = {NULL, NULL};
    uint64_t cells = 0;
    bool check = false;
    size_t count = 0;

    axi_client_init(&client, "analyze");
    const struct axi_option options[] = {
        AXI_CLIENT_OPTIONS(&client),
        {"node", AXI_OPTION_TEXT, &texts.node},
        {"o", AXI_OPTION_TEXT, &texts.output},
        {"mode", AXI_OPTION_TEXT, &texts.mode},
        {"check", AXI_OPTION_FLAG, &check},
        {"plot", AXI_OPTION_TEXT, &texts.plot},
        {"target", AXI_OPTION_TEXT, &texts.target},
        {"grid", AXI_OPTION_NUMBER, &analyze.options.grid},
        {"max-cells", AXI_OPTION_NUMBER, &cells},
        {"epsilon", AXI_OPTION_TEXT, &texts.epsilon},
        {"block", AXI_OPTION_NUMBER, &analyze.block},
        {"fault", AXI_OPTION_TEXT, &texts.fault},
    };
    struct sigaction action = {.sa_handler = on_interrupt};
    int r = axi_options_parse("analyze", argc, argv, options, sizeof(options) / sizeof(options[0]),
                              "KIND FILE", 1, 2, arguments, &count);

    if (r == 0 && (count == 1) != (texts.node != NULL && strcmp(arguments[0], "edf") == 0)) {
        r = axi_cli_usage("analyze", "a KIND and a FILE are needed; or: edf --node NODE");
    }
    r = r != 0 ? r : interpret(&analyze, &texts);
    if (r != 0) {
        return r;
    }
    (void)sigaction(SIGINT, &action, NULL);
    analyze.options.max_cells = (size_t)cells;
    analyze.options.poll = poll_progress;
    analyze.options.context = &analyze;
    analyze.what = arguments[0];
    analyze.file = texts.node != NULL ? texts.node : arguments[1];
    analyze.client = &client;
    analyze.curves = texts.plot != NULL ? json_array() : NULL;
    r = run_file(&analyze, arguments[0], &texts, check);
    json_decref(analyze.curves);
    return r;
}

const struct axi_command axi_command_analyze = {
    .name = "analyze",
    .summary = "probabilistic response times, services, graphs, admission, pWCET",
    .usage =
        "usage: axcan analyze pwcrt FILE    P(late) and P(fail) of the tasks of a node\n"
        "       axcan analyze service FILE  failure probability of replicated services\n"
        "       axcan analyze dag FILE      end-to-end latency over a graph\n"
        "       axcan analyze edf FILE      exact EDF admission; budgets from distributions\n"
        "       axcan analyze edf --node N  the same of what runs on a node now\n"
        "       axcan analyze pwcet DATA    execution-time distribution from measurements\n"
        "       axcan analyze clock FILE    how well a clock followed: CSV of axcan-timed, or a "
        "log\n"
        "                                   with clock-sample lines\n"
        "\n"
        "FILE is JSON or YAML (docs/model.md, docs/time.md), '-' reads standard input. DATA has "
        "one time a line\n"
        "(the last column of CSV), or JSON {\"samples\": [...]} or {\"histogram\": [[t, n], "
        "...]}.\n"
        "\n"
        "  -o json           repeat the input with the results as \"computed\"\n"
        "  --check           compare \"computed\" with \"expected\" (1e-12); sets the exit code\n"
        "  --mode MODE       sync, sound (default) or periodic; vectors default to sync\n"
        "  --plot FILE.svg   draw response-time exceedance curves; clock: the offset\n"
        "  --target P        refine the grid until P(late) is known to be above or below P\n"
        "  --grid N          ticks a cell (default: exact, or as fine as --max-cells allows)\n"
        "  --max-cells N     memory limit in cells of 8 bytes (default 262144)\n"
        "  --epsilon P       pwcet, edf: wanted probability of exceedance (default 1e-9)\n"
        "  --block N         pwcet: measurements a block\n"
        "  --fault P:TICKS   pwcet: a fault with probability P takes TICKS\n",
    .run = run};
