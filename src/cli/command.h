/* SPDX-License-Identifier: Apache-2.0 */
/* Subcommands of the axcan program. A subcommand is one entry of the table in main.c and one
 * function; it gets argv starting with its own name and returns the exit code. Results go to
 * stdout; errors go to stderr as "axcan COMMAND: what is wrong; the cure". */
#ifndef AXI_CLI_COMMAND_H
#define AXI_CLI_COMMAND_H

enum axi_exit {
    AXI_EXIT_OK = 0,
    AXI_EXIT_FAILED = 1, /* the command was understood and did not succeed */
    AXI_EXIT_USAGE = 2,  /* the command line is wrong */
};

struct axi_command {
    const char *name;
    const char *summary; /* one line for `axcan --help` */
    const char *usage;   /* full text of `axcan NAME --help`, ends with a newline */
    int (*run)(int argc, char **argv);
};

/* Prints "axcan NAME: text" with a final newline on stderr; returns AXI_EXIT_USAGE (adds the hint
 * to --help) or AXI_EXIT_FAILED, so that a caller can `return axi_cli_usage(...)`. */
int axi_cli_usage(const char *name, const char *format, ...) __attribute__((format(printf, 2, 3)));
int axi_cli_fail(const char *name, const char *format, ...) __attribute__((format(printf, 2, 3)));

extern const struct axi_command axi_command_analyze;
extern const struct axi_command axi_command_build;
extern const struct axi_command axi_command_checkpoint;
extern const struct axi_command axi_command_image;
extern const struct axi_command axi_command_inspect;
extern const struct axi_command axi_command_replay;
extern const struct axi_command axi_command_up;
extern const struct axi_command axi_command_down;
extern const struct axi_command axi_command_status;
extern const struct axi_command axi_command_deploy;
extern const struct axi_command axi_command_get;
extern const struct axi_command axi_command_describe;
extern const struct axi_command axi_command_migrate;
extern const struct axi_command axi_command_offload;
extern const struct axi_command axi_command_start;
extern const struct axi_command axi_command_stop;
extern const struct axi_command axi_command_delete;
extern const struct axi_command axi_command_logs;
extern const struct axi_command axi_command_top;
extern const struct axi_command axi_command_profile;
extern const struct axi_command axi_command_train;
extern const struct axi_command axi_command_completion;
extern const struct axi_command axi_command_apply;
extern const struct axi_command axi_command_diff;
extern const struct axi_command axi_command_plan;
extern const struct axi_command axi_command_explain;
extern const struct axi_command axi_command_rollout;
extern const struct axi_command axi_command_drain;
extern const struct axi_command axi_command_cordon;
extern const struct axi_command axi_command_uncordon;
extern const struct axi_command axi_command_rebalance;

#endif
