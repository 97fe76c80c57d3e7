/* SPDX-License-Identifier: Apache-2.0 */
/* YAML as JSON. Plain whole numbers become integers; every other plain number stays text, so that
 * probabilities keep the digits that were written. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "cli/analyze.h"
#include "cli/command.h"

enum { DEPTH_LIMIT = 64, FILE_LIMIT = 256 << 20 };

static json_t *scalar(const yaml_node_t *node)
{
    const char *text = (const char *)node->data.scalar.value;
    char *end = NULL;
    long long number = 0;

    if (node->data.scalar.style != YAML_PLAIN_SCALAR_STYLE) {
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

/* Aliases make a graph: the depth limit also ends cycles. */
static json_t *convert(yaml_document_t *document, int index, int depth)
{
    yaml_node_t *node = yaml_document_get_node(document, index);
    json_t *result = NULL;

    if (node == NULL || depth > DEPTH_LIMIT) {
        return NULL;
    }
    if (node->type == YAML_SCALAR_NODE) {
        return scalar(node);
    }
    if (node->type == YAML_SEQUENCE_NODE) {
        result = json_array();
        for (yaml_node_item_t *i = node->data.sequence.items.start;
             i < node->data.sequence.items.top; i++) {
            if (json_array_append_new(result, convert(document, *i, depth + 1)) != 0) {
                json_decref(result);
                return NULL;
            }
        }
        return result;
    }
    result = json_object();
    for (yaml_node_pair_t *i = node->data.mapping.pairs.start; i < node->data.mapping.pairs.top;
         i++) {
        yaml_node_t *key = yaml_document_get_node(document, i->key);

        if (key == NULL || key->type != YAML_SCALAR_NODE ||
            json_object_set_new(result, (const char *)key->data.scalar.value,
                                convert(document, i->value, depth + 1)) != 0) {
            json_decref(result);
            return NULL;
        }
    }
    return result;
}

json_t *axi_yaml_parse(const char *text, size_t size, char *ret_error, size_t error_size)
{
    yaml_parser_t parser;
    yaml_document_t document;
    json_t *result = NULL;

    if (!yaml_parser_initialize(&parser)) {
        return NULL;
    }
    yaml_parser_set_input_string(&parser, (const unsigned char *)text, size);
    if (!yaml_parser_load(&parser, &document)) {
        (void)snprintf(ret_error, error_size, "line %zu: %s", parser.problem_mark.line + 1,
                       parser.problem != NULL ? parser.problem : "not YAML");
        yaml_parser_delete(&parser);
        return NULL;
    }
    (void)snprintf(ret_error, error_size, "empty, too deep or not plain data");
    if (yaml_document_get_root_node(&document) != NULL) {
        result = convert(&document, 1, 0);
    }
    yaml_document_delete(&document);
    yaml_parser_delete(&parser);
    return result;
}

static char *read_all(FILE *from, size_t *ret_size)
{
    char *text = NULL;
    size_t room = 0;
    size_t size = 0;

    do {
        char *grown = NULL;

        room = room == 0 ? 65536 : 2 * room;
        grown = room > FILE_LIMIT ? NULL : realloc(text, room);
        if (grown == NULL) {
            free(text);
            errno = EFBIG;
            return NULL;
        }
        text = grown;
        size += fread(text + size, 1, room - size - 1, from);
    } while (size == room - 1);
    text[size] = '\0';
    *ret_size = size;
    return text;
}

json_t *axi_analyze_load(const char *file)
{
    FILE *from = strcmp(file, "-") == 0 ? stdin : fopen(file, "r");
    char message[160] = "";
    json_error_t error;
    json_t *result = NULL;
    size_t size = 0;
    char *text = from != NULL ? read_all(from, &size) : NULL;

    if (text == NULL || ferror(from)) {
        (void)axi_cli_fail("analyze", "%s: %s", file, strerror(errno));
    } else if (text[strspn(text, " \t\r\n")] == '{' || text[strspn(text, " \t\r\n")] == '[') {
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
    if (from != NULL && from != stdin) {
        (void)fclose(from);
    }
    free(text);
    return result;
}
