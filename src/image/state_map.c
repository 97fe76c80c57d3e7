/* SPDX-License-Identifier: Apache-2.0 */
#include "image/state_map.h"

#include "image/state_fields.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* Values of one field, in the schema's order. */
struct field {
    char *path; /* as in the schema's line, with the shape of every array */
    char kind[8];
    uint32_t first, count; /* in offsets */
    uint32_t bytes;        /* of one value */
};

struct layout {
    struct field *fields;
    uint32_t *offsets; /* one per value; there are no more of them than bytes */
    uint32_t field_count, value_count;
};

struct copy {
    uint32_t from, to, bytes;
};

struct axi_state_map {
    uint32_t to_bytes, count;
    struct copy copies[];
};

static void layout_clear(struct layout *layout)
{
    for (uint32_t i = 0; i < layout->field_count; i++) {
        free(layout->fields[i].path);
    }
    free(layout->fields);
    free(layout->offsets);
}

static int add_field(struct layout *layout, const struct axi_state_value *value)
{
    struct field *grown =
        realloc(layout->fields, (layout->field_count + 1) * sizeof(layout->fields[0]));
    struct field *field;

    if (grown == NULL) {
        return -AXC_ENOMEM;
    }
    layout->fields = grown;
    field = &grown[layout->field_count];
    *field = (struct field){
        .path = strdup(value->path), .first = layout->value_count, .bytes = value->bytes};
    if (field->path == NULL) {
        return -AXC_ENOMEM;
    }
    strncpy(field->kind, value->kind, sizeof(field->kind) - 1);
    layout->field_count++;
    return 0;
}

static int visit(void *context, const struct axi_state_value *value)
{
    struct layout *layout = context;
    const struct field *last =
        layout->field_count > 0 ? &layout->fields[layout->field_count - 1] : NULL;
    int r = 0;

    if (last == NULL || strcmp(last->path, value->path) != 0) {
        r = add_field(layout, value);
    }
    if (r == 0) {
        layout->offsets[layout->value_count++] = value->offset;
        layout->fields[layout->field_count - 1].count++;
    }
    return r;
}

static int read_layout(const char *schema, uint32_t bytes, struct layout *layout)
{
    *layout = (struct layout){.offsets = calloc((size_t)bytes + 1, sizeof(uint32_t))};
    return layout->offsets == NULL ? -AXC_ENOMEM : axi_state_walk(schema, bytes, visit, layout);
}

static const struct field *find(const struct layout *layout, const struct field *like)
{
    for (uint32_t i = 0; i < layout->field_count; i++) {
        const struct field *field = &layout->fields[i];

        if (strcmp(field->path, like->path) == 0 && strcmp(field->kind, like->kind) == 0 &&
            field->bytes == like->bytes && field->count == like->count) {
            return field;
        }
    }
    return NULL;
}

static void fill(const struct layout *from, const struct layout *to, struct axi_state_map *map)
{
    for (uint32_t i = 0; i < to->field_count; i++) {
        const struct field *new = &to->fields[i];
        const struct field *old = find(from, new);

        for (uint32_t v = 0; old != NULL && v < new->count; v++) {
            map->copies[map->count++] = (struct copy){from->offsets[old->first + v],
                                                      to->offsets[new->first + v], new->bytes};
        }
    }
}

int axi_state_map_new(const char *from, uint32_t from_bytes, const char *to, uint32_t to_bytes,
                      struct axi_state_map **ret_map)
{
    struct layout old = {0};
    struct layout new = {0};
    struct axi_state_map *map = NULL;
    int r = read_layout(from, from_bytes, &old);

    r = r == 0 ? read_layout(to, to_bytes, &new) : r;
    if (r == 0) {
        map = calloc(1, sizeof(*map) + new.value_count * sizeof(struct copy));
        r = map == NULL ? -AXC_ENOMEM : 0;
    }
    if (r == 0) {
        map->to_bytes = to_bytes;
        fill(&old, &new, map);
        r = map->count == 0 ? -AXC_ENOENT : 0;
    }
    layout_clear(&old);
    layout_clear(&new);
    if (r != 0) {
        free(map);
        return r;
    }
    *ret_map = map;
    return 0;
}

void axi_state_map_apply(const struct axi_state_map *map, const uint8_t *state, uint8_t *ret_state)
{
    memset(ret_state, 0, map->to_bytes);
    for (uint32_t i = 0; i < map->count; i++) {
        memcpy(ret_state + map->copies[i].to, state + map->copies[i].from, map->copies[i].bytes);
    }
}

void axi_state_map_free(struct axi_state_map *map)
{
    free(map);
}
