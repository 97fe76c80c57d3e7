/* SPDX-License-Identifier: Apache-2.0 */
/* axcan status, logs, top, completion. */
#include "cli/client.h"
#include "cli/cluster.h"
#include "cli/command.h"
#include "cli/resource.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* ---- status ---- */

static void print_members(const char *dir, bool *ret_any_dead)
{
    json_t *cluster = axi_cluster_load(dir);
    json_t *processes = axi_cluster_processes(cluster);
    size_t index = 0;
    const json_t *member = NULL;

    json_array_foreach (processes, index, member) {
        bool is_alive = axi_member_is_alive(member);

        *ret_any_dead |= !is_alive;
        const char *board = json_string_value(json_object_get(member, "board"));
        const char *console = json_string_value(json_object_get(member, "console"));

        (void)printf("%-10s %-6s pid %" JSON_INTEGER_FORMAT,
                     json_string_value(json_object_get(member, "name")),
                     is_alive ? "alive" : "dead",
                     json_integer_value(json_object_get(member, "pid")));
        if (board != NULL && console != NULL) {
            (void)printf("  %s, console %s", board, console);
        }
        (void)putchar('\n');
    }
    json_decref(processes);
    json_decref(cluster);
}

static int run_status(int argc, char **argv)
{
    struct axi_client client;
    char dir[AXI_CLI_PATH_BYTES];
    const char *output = NULL;
    json_t *status = NULL;
    bool is_any_dead = false;
    enum axi_format format = AXI_FORMAT_YAML;

    axi_client_init(&client, "status");
    client.timeout_ns = 5000000000ull;
    const struct axi_option options[] = {
        AXI_CLIENT_OPTIONS(&client),
        {"o", AXI_OPTION_TEXT, &output},
    };
    int r = axi_options_parse("status", argc, argv, options, sizeof(options) / sizeof(options[0]),
                              "", 0, 0, NULL, NULL);

    if (r == 0 && output != NULL && strcmp(output, "json") != 0 && strcmp(output, "yaml") != 0) {
        r = axi_cli_usage("status", "-o: '%s' is none of json, yaml", output);
    }
    if (r == 0) {
        r = axi_client_dir(&client, dir);
    }
    if (r != 0) {
        return r;
    }
    if (output == NULL) {
        print_members(dir, &is_any_dead);
    } else {
        (void)axi_parse_format(output, &format);
    }
    r = axi_client_open(&client);
    if (r == 0) {
        r = axi_client_call(&client, "GET", "/v1/status", NULL, &status);
    }
    if (r == 0 && output == NULL) {
        axi_client_print_page(&client, "web page:");
    }
    if (r == 0) {
        (void)json_object_del(status, "now_ns");
        if (format == AXI_FORMAT_JSON) {
            axi_print_json(stdout, status);
        } else {
            axi_print_yaml(stdout, status);
        }
    }
    const char *role = json_string_value(json_object_get(status, "role"));

    is_any_dead |= role != NULL && strcmp(role, "standby") == 0; /* nobody leads */
    json_decref(status);
    axi_client_close(&client);
    return r == 0 && is_any_dead ? AXI_EXIT_FAILED : r;
}

const struct axi_command axi_command_status = {
    .name = "status",
    .summary = "is the cluster alive?",
    .usage =
        "usage: axcan status [-o json|yaml]\n"
        "Exit code 0: the master answers and no process of the cluster is dead.\n" AXI_CLIENT_USAGE,
    .run = run_status};

/* ---- logs ---- */

static int show_lines(struct axi_client *client, const char *task, uint64_t *since,
                      uint64_t wait_ms)
{
    char path[192];
    json_t *answer = NULL;
    size_t index = 0;
    const json_t *line = NULL;

    (void)snprintf(path, sizeof(path), "/v1/tasks/%s/logs?since=%" PRIu64 "&wait_ms=%" PRIu64, task,
                   *since, wait_ms);
    int r = axi_client_call(client, "GET", path, NULL, &answer);

    if (r != 0) {
        return r;
    }
    json_array_foreach (json_object_get(answer, "items"), index, line) {
        const char *node = json_string_value(json_object_get(line, "node"));
        const char *text = json_string_value(json_object_get(line, "line"));

        (void)printf("%s %s\n", node != NULL ? node : "?", text != NULL ? text : "");
    }
    (void)fflush(stdout);
    *since = (uint64_t)json_integer_value(json_object_get(answer, "next"));
    json_decref(answer);
    return 0;
}

static int run_logs(int argc, char **argv)
{
    struct axi_client client;
    const char *task = NULL;
    bool is_followed = false;
    uint64_t since = 0;

    axi_client_init(&client, "logs");
    const struct axi_option options[] = {
        AXI_CLIENT_OPTIONS(&client),
        {"f", AXI_OPTION_FLAG, &is_followed},
        {"follow", AXI_OPTION_FLAG, &is_followed},
    };
    int r = axi_options_parse("logs", argc, argv, options, sizeof(options) / sizeof(options[0]),
                              "TASK", 1, 1, &task, NULL);

    if (r != 0) {
        return r;
    }
    if (strlen(task) > 64 || strpbrk(task, "/?#% &") != NULL) {
        return axi_cli_usage("logs", "'%s' is no name", task);
    }
    r = axi_client_open(&client);
    if (r == 0) {
        r = show_lines(&client, task, &since, 0);
    }
    while (r == 0 && is_followed) {
        client.http.deadline_ns = axi_cli_now_ns() + client.timeout_ns;
        r = show_lines(&client, task, &since, 10000);
    }
    axi_client_close(&client);
    return r;
}

const struct axi_command axi_command_logs = {
    .name = "logs",
    .summary = "what a task has logged",
    .usage = "usage: axcan logs TASK [-f]\n"
             "Each line: node, level (0 error .. 3 debug), job number, text.\n"
             "  -f, --follow      go on as lines come\n" AXI_CLIENT_USAGE,
    .run = run_logs};

/* ---- top ---- */

static int show_top(struct axi_client *client)
{
    static const char *const kinds[] = {"nodes", "tasks"};
    json_t *answers[2] = {NULL, NULL};
    int r = 0;

    for (size_t i = 0; i < 2 && r == 0; i++) {
        r = axi_client_call(client, "GET", axi_kind_find(kinds[i])->path, NULL, &answers[i]);
    }
    if (r == 0) {
        (void)fputs(axi_terminal_home_and_clear(), stdout);
        for (size_t i = 0; i < 2; i++) {
            axi_kind_print(axi_kind_find(kinds[i]), answers[i], AXI_FORMAT_TABLE, true);
            (void)putchar('\n');
        }
        (void)fflush(stdout);
    }
    json_decref(answers[0]);
    json_decref(answers[1]);
    return r;
}

static int run_top(int argc, char **argv)
{
    struct axi_client client;
    uint64_t rounds = 0, every_ns = 1000000000ull;

    axi_client_init(&client, "top");
    const struct axi_option options[] = {
        AXI_CLIENT_OPTIONS(&client),
        {"n", AXI_OPTION_NUMBER, &rounds},
        {"every", AXI_OPTION_TIME, &every_ns},
    };
    int r = axi_options_parse("top", argc, argv, options, sizeof(options) / sizeof(options[0]), "",
                              0, 0, NULL, NULL);

    if (r == 0) {
        r = axi_client_open(&client);
    }
    for (uint64_t i = 0; r == 0 && (rounds == 0 || i < rounds); i++) {
        if (i > 0) {
            (void)usleep((useconds_t)(every_ns / 1000));
        }
        client.http.deadline_ns = axi_cli_now_ns() + client.timeout_ns;
        r = show_top(&client);
    }
    axi_client_close(&client);
    return r;
}

const struct axi_command axi_command_top = {
    .name = "top",
    .summary = "nodes and tasks, live",
    .usage = "usage: axcan top [-n ROUNDS] [--every TIME]\n" AXI_CLIENT_USAGE,
    .run = run_top};

/* ---- completion ---- */

static const char bash_completion[] =
    "_axcan()\n"
    "{\n"
    "    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} words=\n"
    "    case $prev in\n"
    "    axcan|help) words=$(axcan --help | sed -n 's/^  \\([a-z][a-z]*\\) .*/\\1/p') ;;\n"
    "    get) words='nodes tasks services voters declared images events managers checkpoints' ;;\n"
    "    explain) words=$(axcan explain --markdown | sed -n 's/^### kind: //p' | tr A-Z a-z) ;;\n"
    "    rollout) words='status undo pause resume' ;;\n"
    "    status|undo|pause|resume|service)\n"
    "        words=$(axcan get services -o name --timeout 2s 2>/dev/null | cut -d/ -f2) ;;\n"
    "    -o) words='wide json yaml name' ;;\n"
    "    --to|--node|drain|cordon|uncordon)\n"
    "        words=$(axcan get nodes -o name --timeout 2s 2>/dev/null | cut -d/ -f2) ;;\n"
    "    migrate|start|stop|delete|logs|describe)\n"
    "        words=$(axcan get tasks -o name --timeout 2s 2>/dev/null | cut -d/ -f2) ;;\n"
    "    *)\n"
    "        case $cur in\n"
    "        -*) words=$(axcan \"${COMP_WORDS[1]}\" --help 2>/dev/null |\n"
    "                grep -o -- '--[a-z][a-z-]*' | sort -u) ;;\n"
    "        *) COMPREPLY=($(compgen -f -- \"$cur\")); return ;;\n"
    "        esac ;;\n"
    "    esac\n"
    "    COMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n"
    "}\n"
    "complete -o filenames -F _axcan axcan\n";

static int run_completion(int argc, char **argv)
{
    const char *shell = NULL;
    int r = axi_options_parse("completion", argc, argv, NULL, 0, "bash", 1, 1, &shell, NULL);

    if (r != 0) {
        return r;
    }
    if (strcmp(shell, "bash") != 0) {
        return axi_cli_usage("completion", "'%s' is not supported; only bash is", shell);
    }
    (void)fputs(bash_completion, stdout);
    return 0;
}

const struct axi_command axi_command_completion = {.name = "completion",
                                                   .summary = "print shell completion code",
                                                   .usage =
                                                       "usage: axcan completion bash\n"
                                                       "Try it: source <(axcan completion bash)\n",
                                                   .run = run_completion};
