/* SPDX-License-Identifier: Apache-2.0 */
/* Options of the subcommands that talk to a cluster: one table per command, "--name VALUE" or
 * "--name=VALUE", anywhere among the positional arguments; "--" ends them. */
#ifndef AXI_CLI_OPTIONS_H
#define AXI_CLI_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum axi_option_kind {
    AXI_OPTION_FLAG,   /* bool */
    AXI_OPTION_TEXT,   /* const char *, borrowed from argv */
    AXI_OPTION_NUMBER, /* uint64_t */
    AXI_OPTION_TIME,   /* uint64_t ns: "5s", "20ms", "800us", "10ns"; a bare number is seconds */
    AXI_OPTION_LIST,   /* struct axi_option_list, up to 32 times */
};

struct axi_option_list {
    const char *items[32];
    size_t count;
};

struct axi_option {
    const char *name; /* "timeout"; one letter also answers to "-o" */
    enum axi_option_kind kind;
    void *target;
};

/* Fills targets and at most `max` positional arguments (at least `min`). 0, or AXI_EXIT_USAGE after
 * having said what is wrong. `wanted` names the positionals: "TASK". */
int axi_options_parse(const char *command, int argc, char **argv, const struct axi_option *options,
                      size_t option_count, const char *wanted, size_t min, size_t max,
                      const char **ret_arguments, size_t *ret_count);

/* false when the text is no time. */
bool axi_parse_time_ns(const char *text, uint64_t *ret_ns);
bool axi_parse_number(const char *text, uint64_t *ret_value);

#endif
