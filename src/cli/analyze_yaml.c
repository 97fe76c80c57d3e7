/* SPDX-License-Identifier: Apache-2.0 */
/* YAML as JSON. Plain whole numbers become integers; every other plain number stays text, so that
 * probabilities keep the digits that were written. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/analyze.h"
#include "cli/command.h"
#include "cli/input.h"
#include "manifest/tree.h"

enum { FILE_LIMIT = 256 << 20 };

static json_t *scalar(const struct axi_yaml *node)
{
    const char *text = node->text;
    char *end = NULL;
    long long number = 0;

    if (!node->is_plain) {
        return json_string(text);
    }
    if (strcmp(text, "true") == 0 || strcmp(text, "false") == 0) {
        return json_boolean(text[0] == 't');
    }
    if (*text == '\0' || strcmp(text, "null") == 0 || strcmp(text, "~") == 0) {
        return json_null();
    }
    errno = 0;
    number = strtoll(text, &end, 10);
    return *end == '\0' && errno == 0 ? json_integer(number) : json_string(text);
}

json_t *axi_yaml_parse(const char *text, size_t size, char *ret_error, size_t error_size)
{
    struct axi_manifest_error error;
    struct axi_yaml documents;
    json_t *result = NULL;

    if (axi_yaml_read(text, size, &documents, &error) < 0) {
        (void)snprintf(ret_error, error_size, "line %zu: %.120s", error.line, error.text);
        return NULL;
    }
    (void)snprintf(ret_error, error_size, "expected one document of text in UTF-8");
    if (documents.count == 1) {
        result = axi_yaml_json(&documents.items[0], scalar);
    }
    axi_yaml_clear(&documents);
    return result;
}

json_t *axi_analyze_load(const char *file)
{
    char message[160] = "";
    json_error_t error;
    json_t *result = NULL;
    size_t size = 0;
    char *text = axi_cli_read("analyze", file, FILE_LIMIT, &size);

    if (text == NULL) {
        return NULL;
    }
    if (text[strspn(text, " \t\r\n")] == '{' || text[strspn(text, " \t\r\n")] == '[') {
        result = json_loadb(text, size, JSON_REJECT_DUPLICATES, &error);
        if (result == NULL) {
            (void)axi_cli_fail("analyze", "%s: line %d: %s", file, error.line, error.text);
        }
    } else {
        result = axi_yaml_parse(text, size, message, sizeof(message));
        if (result == NULL) {
            (void)axi_cli_fail("analyze", "%s: %s", file, message);
        }
    }
    free(text);
    return result;
}
