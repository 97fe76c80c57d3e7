/* SPDX-License-Identifier: Apache-2.0 */
/* The axcan command line: finds the subcommand in the table and runs it. */
#include "cli/command.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

static const struct axi_command *const commands[] = {
    &axi_command_up,         &axi_command_down,       &axi_command_status,    &axi_command_deploy,
    &axi_command_get,        &axi_command_describe,   &axi_command_migrate,   &axi_command_offload,
    &axi_command_start,      &axi_command_stop,       &axi_command_delete,    &axi_command_logs,
    &axi_command_top,        &axi_command_profile,    &axi_command_build,     &axi_command_inspect,
    &axi_command_replay,     &axi_command_completion, &axi_command_analyze,   &axi_command_image,
    &axi_command_checkpoint, &axi_command_train,      &axi_command_apply,     &axi_command_diff,
    &axi_command_plan,       &axi_command_explain,    &axi_command_rollout,   &axi_command_drain,
    &axi_command_cordon,     &axi_command_uncordon,   &axi_command_rebalance,
};

#define COMMAND_COUNT (sizeof(commands) / sizeof(commands[0]))

static void print_help(FILE *to)
{
    (void)fputs("usage: axcan COMMAND [ARGUMENTS]\n\ncommands:\n", to);
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        (void)fprintf(to, "  %-11s%s\n", commands[i]->name, commands[i]->summary);
    }
    (void)fputs("  version    print the version\n"
                "\n'axcan COMMAND --help' explains one command.\n",
                to);
}

static const struct axi_command *find(const char *name)
{
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        if (strcmp(commands[i]->name, name) == 0) {
            return commands[i];
        }
    }
    return NULL;
}

static int is_help(const char *argument)
{
    return strcmp(argument, "--help") == 0 || strcmp(argument, "-h") == 0;
}

static int wants_help(int argc, char **argv)
{
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (is_help(argv[i])) {
            return 1;
        }
    }
    return 0;
}

int main(int argc, char **argv)
{
    const struct axi_command *command = NULL;

    (void)signal(SIGPIPE, SIG_IGN);
    if (argc < 2) {
        print_help(stderr);
        return AXI_EXIT_USAGE;
    }
    if (is_help(argv[1]) || strcmp(argv[1], "help") == 0) {
        if (argc > 2 && (command = find(argv[2])) != NULL) {
            (void)fputs(command->usage, stdout);
        } else {
            print_help(stdout);
        }
        return AXI_EXIT_OK;
    }
    if (strcmp(argv[1], "version") == 0 || strcmp(argv[1], "--version") == 0) {
        (void)puts("axcan " AXI_VERSION);
        return AXI_EXIT_OK;
    }
    command = find(argv[1]);
    if (command == NULL) {
        (void)fprintf(stderr, "axcan: no command '%s'; 'axcan --help' lists the commands\n",
                      argv[1]);
        return AXI_EXIT_USAGE;
    }
    if (wants_help(argc - 1, argv + 1)) {
        (void)fputs(command->usage, stdout);
        return AXI_EXIT_OK;
    }
    return command->run(argc - 1, argv + 1);
}
