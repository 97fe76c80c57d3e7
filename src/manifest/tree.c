/* SPDX-License-Identifier: Apache-2.0 */
#include "manifest/tree.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#define DEPTH_MAX 64u

struct reader {
    yaml_parser_t parser;
    yaml_event_t event;
    struct axi_manifest_error *error;
    const char *text;
    size_t depth;
};

static int read_node(struct reader *reader, struct axi_yaml *node);

static int fail(struct reader *reader, const yaml_mark_t *mark, const char *text)
{
    reader->error->line = mark->line + 1;
    reader->error->column = mark->column + 1;
    (void)snprintf(reader->error->text, sizeof(reader->error->text), "%s", text);
    return -AXC_EMANIFEST;
}

static int not_yaml(struct reader *reader)
{
    const yaml_parser_t *parser = &reader->parser;
    char text[200];
    const char *context = parser->context != NULL ? parser->context : "";

    if (parser->error == YAML_MEMORY_ERROR) {
        return -AXC_ENOMEM;
    }
    (void)snprintf(text, sizeof(text), "%s%s%s",
                   parser->problem != NULL ? parser->problem : "not YAML",
                   *context != '\0' ? ", " : "", context);
    if (parser->error == YAML_READER_ERROR) { /* knows only how many bytes there were before */
        yaml_mark_t mark = {0};

        for (size_t i = 0; i < parser->problem_offset; i++) {
            mark.column = reader->text[i] == '\n' ? 0 : mark.column + 1;
            mark.line += reader->text[i] == '\n';
        }
        return fail(reader, &mark, text);
    }
    return fail(reader, &parser->problem_mark, text);
}

static int next(struct reader *reader)
{
    yaml_event_delete(&reader->event);
    memset(&reader->event, 0, sizeof(reader->event));
    return yaml_parser_parse(&reader->parser, &reader->event) ? 0 : not_yaml(reader);
}

static struct axi_yaml *add(struct axi_yaml *parent)
{
    size_t used = parent->count;

    if ((used & (used - 1)) == 0) { /* full: as many again */
        size_t room = used == 0 ? 1 : 2 * used;
        struct axi_yaml *grown = realloc(parent->items, room * sizeof(*grown));

        if (grown == NULL) {
            return NULL;
        }
        parent->items = grown;
    }
    memset(&parent->items[used], 0, sizeof(parent->items[used]));
    parent->count++;
    return &parent->items[used];
}

static int refuse_decoration(struct reader *reader, const yaml_char_t *anchor,
                             const yaml_char_t *tag)
{
    if (anchor != NULL) {
        return fail(reader, &reader->event.start_mark,
                    "anchors (&) are not taken: write the value out");
    }
    if (tag != NULL) {
        return fail(reader, &reader->event.start_mark,
                    "tags (!) are not taken: expected plain data");
    }
    return 0;
}

static int read_scalar(struct reader *reader, struct axi_yaml *node)
{
    const yaml_event_t *event = &reader->event;
    const char *text = (const char *)event->data.scalar.value;
    size_t length = event->data.scalar.length;
    int r = refuse_decoration(reader, event->data.scalar.anchor, event->data.scalar.tag);

    if (r < 0) {
        return r;
    }
    if (memchr(text, '\0', length) != NULL) {
        return fail(reader, &event->start_mark, "a text may not contain the character NUL");
    }
    node->is_plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    node->text = strdup(text);
    return node->text != NULL ? 0 : -AXC_ENOMEM;
}

static int read_list(struct reader *reader, struct axi_yaml *node)
{
    int r = refuse_decoration(reader, reader->event.data.sequence_start.anchor,
                              reader->event.data.sequence_start.tag);

    r = r == 0 ? next(reader) : r;
    while (r == 0 && reader->event.type != YAML_SEQUENCE_END_EVENT) {
        struct axi_yaml *item = add(node);

        r = item == NULL ? -AXC_ENOMEM : read_node(reader, item);
        r = r == 0 ? next(reader) : r;
    }
    return r;
}

/* keys: the lines where they were seen. */
static int read_key(struct reader *reader, struct axi_yaml *node, json_t *keys)
{
    yaml_mark_t mark = reader->event.start_mark;
    struct axi_yaml *key = add(node);
    char text[120];

    if (key == NULL) {
        return -AXC_ENOMEM;
    }
    if (reader->event.type == YAML_SEQUENCE_START_EVENT ||
        reader->event.type == YAML_MAPPING_START_EVENT) {
        return fail(reader, &mark, "expected a field's name; found a list or a map");
    }
    int r = read_node(reader, key);

    if (r < 0) {
        return r;
    }
    const json_t *former = json_object_get(keys, key->text);

    if (former != NULL) {
        (void)snprintf(text, sizeof(text), "'%.64s' is there already, in line %lld", key->text,
                       (long long)json_integer_value(former));
        return fail(reader, &mark, text);
    }
    return json_object_set_new_nocheck(keys, key->text, json_integer((json_int_t)key->line)) == 0
               ? 0
               : -AXC_ENOMEM;
}

static int read_map(struct reader *reader, struct axi_yaml *node)
{
    json_t *keys = json_object();
    int r = refuse_decoration(reader, reader->event.data.mapping_start.anchor,
                              reader->event.data.mapping_start.tag);

    r = r == 0 ? next(reader) : r;
    while (r == 0 && reader->event.type != YAML_MAPPING_END_EVENT) {
        struct axi_yaml *value = NULL;

        r = read_key(reader, node, keys);
        r = r == 0 ? next(reader) : r;
        if (r == 0) {
            value = add(node);
            r = value == NULL ? -AXC_ENOMEM : read_node(reader, value);
        }
        r = r == 0 ? next(reader) : r;
    }
    json_decref(keys);
    return r;
}

/* The event that begins the node is the present one; its last one is, afterwards. */
static int read_node(struct reader *reader, struct axi_yaml *node)
{
    int r = 0;

    node->line = reader->event.start_mark.line + 1;
    node->column = reader->event.start_mark.column + 1;
    if (reader->event.type == YAML_ALIAS_EVENT) {
        return fail(reader, &reader->event.start_mark,
                    "aliases (*) are not taken: write the value out");
    }
    if (reader->event.type == YAML_SCALAR_EVENT) {
        return read_scalar(reader, node);
    }
    if (++reader->depth > DEPTH_MAX) {
        return fail(reader, &reader->event.start_mark, "too deep");
    }
    node->kind = reader->event.type == YAML_SEQUENCE_START_EVENT ? AXI_YAML_LIST : AXI_YAML_MAP;
    r = node->kind == AXI_YAML_LIST ? read_list(reader, node) : read_map(reader, node);
    reader->depth--;
    return r;
}

static int read_documents(struct reader *reader, struct axi_yaml *documents)
{
    int r = next(reader); /* the stream's beginning */

    while (r == 0) {
        r = next(reader);
        if (r < 0 || reader->event.type == YAML_STREAM_END_EVENT) {
            break;
        }
        struct axi_yaml *document = add(documents);

        r = document == NULL ? -AXC_ENOMEM : next(reader);
        r = r == 0 ? read_node(reader, document) : r;
        r = r == 0 ? next(reader) : r; /* the document's end */
    }
    return r;
}

int axi_yaml_read(const char *text, size_t bytes, struct axi_yaml *ret_documents,
                  struct axi_manifest_error *ret_error)
{
    struct reader reader = {.error = ret_error, .text = text};
    struct axi_yaml documents = {.kind = AXI_YAML_LIST, .line = 1, .column = 1};

    memset(ret_error, 0, sizeof(*ret_error));
    if (!yaml_parser_initialize(&reader.parser)) {
        return -AXC_ENOMEM;
    }
    yaml_parser_set_encoding(&reader.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&reader.parser, (const unsigned char *)text, bytes);
    int r = read_documents(&reader, &documents);

    yaml_event_delete(&reader.event);
    yaml_parser_delete(&reader.parser);
    if (r < 0) {
        axi_yaml_clear(&documents);
        if (r == -AXC_ENOMEM) {
            (void)snprintf(ret_error->text, sizeof(ret_error->text), "out of memory");
        }
        return r;
    }
    *ret_documents = documents;
    return 0;
}

void axi_yaml_clear(struct axi_yaml *tree)
{
    for (size_t i = 0; i < tree->count; i++) {
        axi_yaml_clear(&tree->items[i]);
    }
    free(tree->items);
    free(tree->text);
    memset(tree, 0, sizeof(*tree));
}

static json_t *integer(const char *text)
{
    const char *digits = text + (*text == '-' || *text == '+');
    int base = strncmp(text, "0x", 2) == 0 ? 16 : strncmp(text, "0o", 2) == 0 ? 8 : 10;
    char *end = NULL;

    if (base != 10) {
        digits = text + 2;
    }
    if (*digits == '\0' || digits[strspn(digits, "0123456789abcdefABCDEF")] != '\0') {
        return NULL;
    }
    errno = 0;
    long long number = strtoll(base == 10 ? text : digits, &end, base);

    return *end == '\0' && errno == 0 ? json_integer(number) : NULL;
}

static json_t *fraction(const char *text)
{
    char *end = NULL;

    /* no "inf", "nan" or hexadecimal fractions */
    if (text[strspn(text, "+-.eE0123456789")] != '\0' || strpbrk(text, "0123456789") == NULL) {
        return NULL;
    }
    double number = strtod(text, &end);

    return *end == '\0' ? json_real(number) : NULL; /* NULL for what is not finite, too */
}

static json_t *core_scalar(const struct axi_yaml *node)
{
    const char *text = node->text;

    if (!node->is_plain) {
        return json_string(text);
    }
    if (strcmp(text, "true") == 0 || strcmp(text, "false") == 0) {
        return json_boolean(text[0] == 't');
    }
    if (*text == '\0' || strcmp(text, "null") == 0 || strcmp(text, "~") == 0) {
        return json_null();
    }
    json_t *number = integer(text);

    number = number != NULL ? number : fraction(text);
    return number != NULL ? number : json_string(text);
}

json_t *axi_yaml_json(const struct axi_yaml *tree, json_t *(*scalar)(const struct axi_yaml *))
{
    bool is_map = tree->kind == AXI_YAML_MAP;

    if (tree->kind == AXI_YAML_SCALAR) {
        return scalar != NULL ? scalar(tree) : core_scalar(tree);
    }
    json_t *result = is_map ? json_object() : json_array();

    for (size_t i = 0; i < tree->count; i += is_map ? 2 : 1) {
        json_t *value = axi_yaml_json(&tree->items[is_map ? i + 1 : i], scalar);
        int r = is_map ? json_object_set_new(result, tree->items[i].text, value)
                       : json_array_append_new(result, value);

        if (r != 0) {
            json_decref(result);
            return NULL;
        }
    }
    return result;
}
