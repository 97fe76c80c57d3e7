/* SPDX-License-Identifier: Apache-2.0 */
#include "net/options.h"

#include "base/log.h"
#include "net/host.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WANTED_BYTES 200

static void refuse(const struct axi_program *program, const char *option, const char *value,
                   const char *wanted)
{
    (void)fprintf(stderr, "%s: --%s: '%s' is not %s\n", program->name, option, value, wanted);
    exit(2);
}

static void fail_usage(const struct axi_program *program, const char *format, const char *word)
{
    (void)fprintf(stderr, "%s: ", program->name);
    (void)fprintf(stderr, format, word);
    (void)fprintf(stderr, "\n%s", program->usage);
    exit(2);
}

static void read_number(const struct axi_program *program, const struct axi_option *option,
                        const char *value)
{
    char wanted[WANTED_BYTES];
    char *end = NULL;
    int64_t number = strtoll(value, &end, 10);

    if (end == value || *end != '\0' || *value == ' ' || *value == '+' || number < option->min ||
        number > option->max) {
        (void)snprintf(wanted, sizeof(wanted), "a number from %" PRId64 " to %" PRId64, option->min,
                       option->max);
        refuse(program, option->name, value, wanted);
    }
    if (option->kind == AXI_OPTION_SIGNED) {
        *(int64_t *)option->to = number;
    } else {
        *(uint64_t *)option->to = (uint64_t)number * (option->scale != 0 ? option->scale : 1);
    }
}

static void read_word(const struct axi_program *program, const struct axi_option *option,
                      const char *value)
{
    char wanted[WANTED_BYTES] = "one of:";

    for (uint64_t i = 0; option->words[i] != NULL; i++) {
        size_t used = strlen(wanted);

        if (strcmp(value, option->words[i]) == 0) {
            *(uint64_t *)option->to = i;
            return;
        }
        (void)snprintf(wanted + used, sizeof(wanted) - used, " %s", option->words[i]);
    }
    refuse(program, option->name, value, wanted);
}

static void apply(const struct axi_program *program, const struct axi_option *option,
                  const char *value)
{
    const char *wanted;

    switch (option->kind) {
    case AXI_OPTION_TEXT:
        *(const char **)option->to = value;
        break;
    case AXI_OPTION_NUMBER:
    case AXI_OPTION_SIGNED:
        read_number(program, option, value);
        break;
    case AXI_OPTION_FLAG:
        *(int *)option->to = 1;
        break;
    case AXI_OPTION_WORD:
        read_word(program, option, value);
        break;
    case AXI_OPTION_CALL:
        wanted = option->call(option->to, value);
        if (wanted != NULL) {
            refuse(program, option->name, value, wanted);
        }
        break;
    }
}

/* The options that every daemon has; false: not one of them. */
static int apply_common(const struct axi_program *program, const char *name,
                        enum axi_log_level *level)
{
    if (strcmp(name, "verbose") == 0) {
        *level = AXI_LOG_DEBUG;
    } else if (strcmp(name, "quiet") == 0) {
        *level = AXI_LOG_WARN;
    } else if (strcmp(name, "version") == 0) {
        (void)printf("%s %s\n", program->name, program->version);
        exit(0);
    } else if (strcmp(name, "help") == 0) {
        (void)fputs(program->usage, stdout);
        exit(0);
    } else {
        return 0;
    }
    return 1;
}

static const struct axi_option *find(const struct axi_option *options, const char *name,
                                     size_t length)
{
    for (const struct axi_option *option = options; option->name != NULL; option++) {
        if (strlen(option->name) == length && strncmp(option->name, name, length) == 0) {
            return option;
        }
    }
    return NULL;
}

/* "--name value", "--name=value" or "--flag" at argv[*at]. */
static void read_one(const struct axi_program *program, const struct axi_option *options, int argc,
                     char **argv, int *at, enum axi_log_level *level)
{
    const char *word = argv[*at];
    const char *name = word + 2;
    const char *equals = strchr(word, '=');
    size_t length = equals != NULL ? (size_t)(equals - name) : strlen(name);
    const struct axi_option *option = find(options, name, length);

    if (option == NULL && !apply_common(program, name, level)) {
        fail_usage(program, "unknown option %s", word);
    } else if (option == NULL) {
        return;
    } else if (option->kind == AXI_OPTION_FLAG) {
        if (equals != NULL) {
            fail_usage(program, "%s: this option takes no value", word);
        }
        apply(program, option, NULL);
    } else if (equals != NULL) {
        apply(program, option, equals + 1);
    } else if (*at + 1 < argc) {
        apply(program, option, argv[++*at]);
    } else {
        fail_usage(program, "%s: its value is missing", word);
    }
}

void axi_options_read(const struct axi_program *program, const struct axi_option *options, int argc,
                      char **argv)
{
    enum axi_log_level level = AXI_LOG_INFO;

    for (int at = 1; at < argc; at++) {
        if (strcmp(argv[at], "-h") == 0) {
            (void)apply_common(program, "help", &level);
        }
        if (strncmp(argv[at], "--", 2) != 0) {
            fail_usage(program, "unexpected '%s'", argv[at]);
        }
        read_one(program, options, argc, argv, &at, &level);
    }
    for (const struct axi_option *option = options; option->name != NULL; option++) {
        if (option->is_required && *(const char **)option->to == NULL) {
            fail_usage(program, "--%s is missing", option->name);
        }
    }
    axi_host_log_to_stderr(level);
}
