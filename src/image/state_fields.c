/* SPDX-License-Identifier: Apache-2.0 */
#include "image/state_fields.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAME_BYTES 512u
#define PATH_BYTES 256u
#define DIMENSIONS_MAX 8u
#define FIELDS_MAX 4096u

struct field {
    char path[PATH_BYTES];
    char kind[8];
    uint32_t offset, bytes;
};

struct walk {
    struct field *fields;
    size_t count;
    uint32_t state_bytes, visits;
    axi_state_visit visit;
    void *context;
    const struct field *leaf;
};

static int parse(const char *schema, struct walk *walk)
{
    uint32_t bytes = 0;
    int used = 0;

    if (sscanf(schema, "axcan-schema 1 %" SCNu32 "\n%n", &bytes, &used) != 1 || used == 0 ||
        bytes != walk->state_bytes) {
        return -AXC_EINVALID;
    }
    for (const char *at = schema + used; *at != '\0';) {
        struct field *field = &walk->fields[walk->count];
        size_t length = strcspn(at, "\n");

        if (walk->count == FIELDS_MAX || length >= PATH_BYTES ||
            sscanf(at, "%255s %" SCNu32 " %" SCNu32 " %7s", field->path, &field->offset,
                   &field->bytes, field->kind) != 4) {
            return -AXC_EINVALID;
        }
        walk->count++;
        at += length + (at[length] == '\n');
    }
    return 0;
}

/* The field whose path is the first `length` characters; every part of a path has its own line. */
static const struct field *find(const struct walk *walk, const char *path, size_t length)
{
    for (size_t i = 0; i < walk->count; i++) {
        if (strlen(walk->fields[i].path) == length &&
            strncmp(walk->fields[i].path, path, length) == 0) {
            return &walk->fields[i];
        }
    }
    return NULL;
}

/* "[4][8]" -> 4, 8; returns how many, or -1. *ret_count: the product. */
static int read_dimensions(const char *text, const char *end, uint32_t dimensions[DIMENSIONS_MAX],
                           uint32_t *ret_count)
{
    int count = 0;
    uint64_t product = 1;

    while (text < end && *text == '[') {
        char *close = NULL;
        unsigned long value = strtoul(text + 1, &close, 10);

        if (count == (int)DIMENSIONS_MAX || *close != ']' || value == 0 || value > 65536) {
            return -1;
        }
        dimensions[count++] = (uint32_t)value;
        product *= value;
        if (product > 65536) {
            return -1;
        }
        text = close + 1;
    }
    *ret_count = (uint32_t)product;
    return text == end ? count : -1;
}

static void append_index(char *name, size_t *length, uint32_t index, const uint32_t *dimensions,
                         int count)
{
    uint32_t below = 1;

    for (int d = 1; d < count; d++) {
        below *= dimensions[d];
    }
    for (int d = 0; d < count; d++) {
        int more = snprintf(name + *length, NAME_BYTES - *length, "[%" PRIu32 "]",
                            index / below % dimensions[d]);

        *length += more > 0 ? (size_t)more : 0;
        below /= d + 1 < count ? dimensions[d + 1] : 1;
    }
}

static int visit_leaf(struct walk *walk, const char *name, uint64_t shift)
{
    const struct field *leaf = walk->leaf;
    uint64_t offset = leaf->offset + shift;

    /* values do not overlap, so there are not more of them than bytes */
    if (offset > walk->state_bytes || leaf->bytes > walk->state_bytes - offset ||
        walk->visits++ == walk->state_bytes) {
        return -AXC_EINVALID;
    }
    const struct axi_state_value value = {.name = name,
                                          .path = leaf->path,
                                          .kind = leaf->kind,
                                          .offset = (uint32_t)offset,
                                          .bytes = leaf->bytes};

    return walk->visit(walk->context, &value);
}

/* From `path` on, inside the leaf's path: one component after the other, each with all its
 * elements. name holds what was passed already; shift is what the elements chosen so far add; room
 * is the size of what the component lies in. */
static int expand(struct walk *walk, const char *path, char *name, size_t length, uint64_t shift,
                  uint32_t room)
{
    size_t part = strcspn(path, ".");
    size_t plain = strcspn(path, ".[");
    const char *end = path + part;
    const struct field *field = find(walk, walk->leaf->path, (size_t)(end - walk->leaf->path));
    uint32_t dimensions[DIMENSIONS_MAX];
    uint32_t elements = 0;
    int count = read_dimensions(path + plain, end, dimensions, &elements);

    if (field == NULL || count < 0 || length + part + 2 > PATH_BYTES || field->bytes == 0 ||
        (uint64_t)elements * field->bytes > room) {
        return -AXC_EINVALID;
    }
    memcpy(name + length, path, plain);
    for (uint32_t i = 0; i < elements; i++) {
        size_t here = length + plain;
        uint64_t inner = shift + (uint64_t)i * field->bytes;
        int r;

        append_index(name, &here, i, dimensions, count);
        name[here] = '\0';
        if (*end == '\0') {
            r = visit_leaf(walk, name, inner);
        } else {
            name[here] = '.';
            r = expand(walk, end + 1, name, here + 1, inner, field->bytes);
        }
        if (r < 0) {
            return r;
        }
    }
    return 0;
}

int axi_state_walk(const char *schema, uint32_t state_bytes, axi_state_visit visit, void *context)
{
    struct walk walk = {.state_bytes = state_bytes, .visit = visit, .context = context};
    char name[NAME_BYTES];

    walk.fields = calloc(FIELDS_MAX, sizeof(walk.fields[0]));
    if (walk.fields == NULL) {
        return -AXC_ENOMEM;
    }
    int r = parse(schema, &walk);

    for (size_t i = 0; i < walk.count && r == 0; i++) {
        walk.leaf = &walk.fields[i];
        if (strcmp(walk.leaf->kind, "struct") != 0) {
            r = expand(&walk, walk.leaf->path, name, 0, 0, state_bytes);
        }
    }
    free(walk.fields);
    return r;
}

static uint64_t read_unsigned(const uint8_t *at, uint32_t bytes)
{
    uint64_t number = 0;

    for (uint32_t i = bytes; i > 0; i--) {
        number = number << 8 | at[i - 1];
    }
    return number;
}

void axi_state_print(const struct axi_state_value *value, const uint8_t *state, char *ret_text,
                     size_t size)
{
    uint32_t bytes = value->bytes <= 8 ? value->bytes : 8;
    uint64_t number = read_unsigned(state + value->offset, bytes);

    if (strcmp(value->kind, "f64") == 0) {
        double real = 0;

        memcpy(&real, &number, sizeof(real));
        (void)snprintf(ret_text, size, "%.17g", real);
    } else if (strcmp(value->kind, "f32") == 0) {
        uint32_t word = (uint32_t)number;
        float real = 0;

        memcpy(&real, &word, sizeof(real));
        (void)snprintf(ret_text, size, "%.9g", (double)real);
    } else if (value->kind[0] == 'i') {
        unsigned unused = 64 - 8 * bytes;

        (void)snprintf(ret_text, size, "%" PRId64, (int64_t)(number << unused) >> unused);
    } else if (strcmp(value->kind, "bool") == 0) {
        (void)snprintf(ret_text, size, "%s", number != 0 ? "true" : "false");
    } else {
        (void)snprintf(ret_text, size, "%" PRIu64, number);
    }
}
