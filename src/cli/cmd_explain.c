/* SPDX-License-Identifier: Apache-2.0 */
/* axcan explain: the fields of manifests. */
#include "cli/command.h"
#include "cli/options.h"
#include "manifest/manifest.h"

#include <stdio.h>
#include <stdlib.h>

static int print_text(char *takes_text)
{
    if (takes_text == NULL) {
        return axi_cli_fail("explain", "out of memory");
    }
    (void)fputs(takes_text, stdout);
    free(takes_text);
    return 0;
}

static int run_explain(int argc, char **argv)
{
    const char *field = "";
    const char *hint = NULL;
    bool is_schema = false;
    bool is_markdown = false;
    const struct axi_option options[] = {
        {"schema", AXI_OPTION_FLAG, &is_schema},
        {"markdown", AXI_OPTION_FLAG, &is_markdown},
    };
    int r = axi_options_parse("explain", argc, argv, options, 2, "FIELD", 0, 1, &field, NULL);

    if (r != 0) {
        return r;
    }
    if (is_schema) {
        json_t *schema = axi_manifest_schema();

        (void)json_dumpf(schema, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(15));
        (void)putchar('\n');
        json_decref(schema);
        return 0;
    }
    if (is_markdown) {
        return print_text(axi_manifest_tables());
    }
    char *text = axi_manifest_explain(field, &hint);

    if (text != NULL) {
        return print_text(text);
    }
    return hint != NULL
               ? axi_cli_fail("explain", "no field '%s'; did you mean '%s'?", field, hint)
               : axi_cli_fail("explain", "no field '%s'; 'axcan explain' lists them", field);
}

const struct axi_command axi_command_explain = {
    .name = "explain",
    .summary = "what the fields of manifests mean",
    .usage = "usage: axcan explain [FIELD]\n"
             "FIELD: service, node, policy, or a path below one, as service.update.good_jobs.\n"
             "  --schema          all fields as JSON schema (2020-12)\n"
             "  --markdown        all fields as tables\n",
    .run = run_explain};
