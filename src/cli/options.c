/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/options.h"

#include "cli/command.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

bool axi_parse_number(const char *text, uint64_t *ret_value)
{
    char *end = NULL;

    if (*text < '0' || *text > '9') {
        return false;
    }
    errno = 0;
    *ret_value = strtoull(text, &end, 10);
    return *end == '\0' && errno == 0;
}

bool axi_parse_time_ns(const char *text, uint64_t *ret_ns)
{
    static const struct {
        const char *unit;
        double ns;
    } units[] = {{"ns", 1}, {"us", 1e3}, {"ms", 1e6}, {"s", 1e9}, {"m", 60e9}, {"", 1e9}};
    char *end = NULL;

    if (*text < '0' || *text > '9') {
        return false;
    }
    double value = strtod(text, &end);

    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (strcmp(end, units[i].unit) == 0 && value * units[i].ns < 9e18) {
            *ret_ns = (uint64_t)(value * units[i].ns + 0.5);
            return true;
        }
    }
    return false;
}

static int set(const char *command, const struct axi_option *option, const char *value)
{
    struct axi_option_list *list = option->target;

    switch (option->kind) {
    case AXI_OPTION_FLAG:
        *(bool *)option->target = true;
        return 0;
    case AXI_OPTION_TEXT:
        *(const char **)option->target = value;
        return 0;
    case AXI_OPTION_NUMBER:
        return axi_parse_number(value, option->target)
                   ? 0
                   : axi_cli_usage(command, "--%s: '%s' is not a number", option->name, value);
    case AXI_OPTION_TIME:
        return axi_parse_time_ns(value, option->target)
                   ? 0
                   : axi_cli_usage(command, "--%s: '%s' is not a time; write 10s, 20ms or 800us",
                                   option->name, value);
    case AXI_OPTION_LIST:
        if (list->count == sizeof(list->items) / sizeof(list->items[0])) {
            return axi_cli_usage(command, "--%s is given too often", option->name);
        }
        list->items[list->count++] = value;
        return 0;
    }
    return 0;
}

static const struct axi_option *find(const struct axi_option *options, size_t count,
                                     const char *name, size_t length)
{
    for (size_t i = 0; i < count; i++) {
        if (strlen(options[i].name) == length && memcmp(options[i].name, name, length) == 0) {
            return &options[i];
        }
    }
    return NULL;
}

/* One option at argv[*at]; moves *at over its value. */
static int take_option(const char *command, int argc, char **argv, int *at,
                       const struct axi_option *options, size_t count)
{
    const char *argument = argv[*at];
    const char *name = argument + (argument[1] == '-' ? 2 : 1);
    size_t length = strcspn(name, "=");
    bool is_short = argument[1] != '-';
    const char *value = name[length] == '=' ? name + length + 1 : NULL;

    if (is_short && length > 1) { /* -oyaml */
        value = name + 1;
        length = 1;
    }
    const struct axi_option *option =
        is_short == (length == 1) ? find(options, count, name, length) : NULL;

    if (option == NULL) {
        return axi_cli_usage(command, "no option '%s'", argument);
    }
    if (option->kind == AXI_OPTION_FLAG) {
        return value != NULL ? axi_cli_usage(command, "'%s' takes no value", argument)
                             : set(command, option, NULL);
    }
    if (value == NULL) {
        if (*at + 1 >= argc) {
            return axi_cli_usage(command, "'%s' needs a value", argument);
        }
        value = argv[++*at];
    }
    return set(command, option, value);
}

int axi_options_parse(const char *command, int argc, char **argv, const struct axi_option *options,
                      size_t option_count, const char *wanted, size_t min, size_t max,
                      const char **ret_arguments, size_t *ret_count)
{
    size_t count = 0;
    bool only_arguments = false;

    for (int i = 1; i < argc; i++) {
        if (!only_arguments && strcmp(argv[i], "--") == 0) {
            only_arguments = true;
        } else if (!only_arguments && argv[i][0] == '-' && argv[i][1] != '\0') {
            int r = take_option(command, argc, argv, &i, options, option_count);

            if (r != 0) {
                return r;
            }
        } else if (count == max) {
            return axi_cli_usage(command, "'%s' is one argument too many", argv[i]);
        } else {
            ret_arguments[count++] = argv[i];
        }
    }
    if (count < min) {
        return axi_cli_usage(command, "%s is missing", wanted);
    }
    if (ret_count != NULL) {
        *ret_count = count;
    }
    return 0;
}
