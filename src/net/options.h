/* SPDX-License-Identifier: Apache-2.0 */
/* Command lines of the daemons: a table of options, one parser for all. Every daemon has --verbose,
 * --quiet, --version and --help besides. Before threads start; what is wrong is said on stderr with
 * what was wanted, and ends the program with exit code 2. */
#ifndef AXI_NET_OPTIONS_H
#define AXI_NET_OPTIONS_H

#include <stdint.h>

enum axi_option_kind {
    AXI_OPTION_TEXT,   /* to: const char ** */
    AXI_OPTION_NUMBER, /* to: uint64_t *; min to max, stored times scale */
    AXI_OPTION_SIGNED, /* to: int64_t *; min to max */
    AXI_OPTION_FLAG,   /* to: int *; takes no value, set to 1 */
    AXI_OPTION_WORD,   /* to: uint64_t *; index of the value in words */
    AXI_OPTION_CALL,   /* call decides; returns NULL or what was wanted */
};

struct axi_option {
    const char *name;
    enum axi_option_kind kind;
    void *to;
    int64_t min, max;
    uint64_t scale;           /* 0 = 1 */
    const char *const *words; /* ends with NULL */
    /* Of AXI_OPTION_CALL: takes the value (borrowed for the program's life) into `to`. */
    const char *(*call)(void *to, const char *value);
    int is_required; /* TEXT only */
};

struct axi_program {
    const char *name;
    const char *version;
    const char *usage; /* whole text of --help */
};

/* Reads the command line into where the table points; the table ends with a NULL name. Sets up the
 * log on stderr. */
void axi_options_read(const struct axi_program *program, const struct axi_option *options, int argc,
                      char **argv);

#endif
