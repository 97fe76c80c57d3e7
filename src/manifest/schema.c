/* SPDX-License-Identifier: Apache-2.0 */
/* The table of fields as JSON schema, draft 2020-12. What a schema cannot say (contradictions
 * between fields) the check says. */
#include "manifest/fields.h"
#include "manifest/manifest.h"

#include <stdio.h>
#include <string.h>

#define TASK_PATTERN "^[a-z][a-z0-9-]*$"
#define NODE_PATTERN "^[A-Za-z0-9][A-Za-z0-9._-]*$"

static json_t *schema_of(const struct axi_field *field);

static json_t *choices_of(const struct axi_field *field)
{
    json_t *list = json_array();

    for (size_t i = 0; field->choices[i] != NULL; i++) {
        (void)json_array_append_new(list, json_string(field->choices[i]));
    }
    return json_pack("{s:o}", "enum", list);
}

static json_t *name_of(const struct axi_field *field)
{
    return json_pack("{s:s, s:s, s:I}", "type", "string", "pattern",
                     field->rule == AXI_NAME_TASK ? TASK_PATTERN : NODE_PATTERN, "maxLength",
                     (json_int_t)field->text_max);
}

static json_t *image(void)
{
    return json_pack("{s:s, s:s}", "type", "string", "pattern",
                     "^([A-Za-z0-9._:@-]{1,95}|.+\\.axi)$");
}

static json_t *bound(double value)
{
    bool is_whole = value >= -9e15 && value <= 9.1e15 && value == (double)(json_int_t)value;

    return is_whole ? json_integer((json_int_t)value) : json_real(value);
}

static json_t *number(const struct axi_field *field)
{
    return json_pack("{s:s, s:o, s:o}", "type",
                     field->type == AXI_FIELD_NUMBER ? "number" : "integer", "minimum",
                     bound(field->min), "maximum", bound(field->max));
}

static json_t *list_of(const struct axi_field *field, json_t *takes_items)
{
    return json_pack("{s:s, s:I, s:b, s:o}", "type", "array", "maxItems",
                     (json_int_t)field->count_max, "uniqueItems", 1, "items", takes_items);
}

static json_t *map_of(const struct axi_field *field, json_t *takes_values)
{
    return json_pack("{s:s, s:I, s:{s:s}, s:o}", "type", "object", "maxProperties",
                     (json_int_t)field->count_max, "propertyNames", "pattern", NODE_PATTERN,
                     "additionalProperties", takes_values);
}

static json_t *object_of(const struct axi_field *field)
{
    const struct axi_field *member = NULL;
    json_t *properties = json_object();
    json_t *required = json_array();

    while ((member = axi_field_next(field, member)) != NULL) {
        (void)json_object_set_new(properties, axi_field_name(member), schema_of(member));
        if (member->is_required) {
            (void)json_array_append_new(required, json_string(axi_field_name(member)));
        }
    }
    json_t *object = json_pack("{s:s, s:o, s:b}", "type", "object", "properties", properties,
                               "additionalProperties", 0);

    if (json_array_size(required) > 0) {
        (void)json_object_set(object, "required", required);
    }
    json_decref(required);
    return object;
}

static json_t *type_of(const struct axi_field *field)
{
    switch (field->type) {
    case AXI_FIELD_OBJECT:
        return object_of(field);
    case AXI_FIELD_NAME:
        return name_of(field);
    case AXI_FIELD_IMAGE:
        return image();
    case AXI_FIELD_CHOICE:
        return choices_of(field);
    case AXI_FIELD_BOOLEAN:
        return json_pack("{s:s}", "type", "boolean");
    case AXI_FIELD_INTEGER:
    case AXI_FIELD_NUMBER:
        return number(field);
    case AXI_FIELD_NAMES:
        return list_of(field, name_of(field));
    case AXI_FIELD_IMAGES:
        return list_of(field, image());
    case AXI_FIELD_LABELS:
        return map_of(field, name_of(field));
    case AXI_FIELD_NUMBERS:
        return map_of(field, number(field));
    case AXI_FIELD_OBJECTS:
        return map_of(field, schema_of(axi_field_member(field, "*")));
    }
    return NULL;
}

static json_t *schema_of(const struct axi_field *field)
{
    json_t *schema = type_of(field);

    (void)json_object_set_new(schema, "description", json_string(field->doc));
    if (field->fallback != NULL) {
        (void)json_object_set_new(schema, "default",
                                  json_loads(field->fallback, JSON_DECODE_ANY, NULL));
    }
    return schema;
}

json_t *axi_manifest_schema(void)
{
    json_t *definitions = json_object();
    json_t *any = json_array();
    char reference[32];

    for (size_t i = 0; i < axi_field_count; i++) {
        const char *path = axi_fields[i].path;

        if (strchr(path, '.') == NULL) {
            (void)json_object_set_new(definitions, path, schema_of(&axi_fields[i]));
            (void)snprintf(reference, sizeof(reference), "#/$defs/%s", path);
            (void)json_array_append_new(any, json_pack("{s:s}", "$ref", reference));
        }
    }
    return json_pack("{s:s, s:s, s:s, s:o, s:o}", "$schema",
                     "https://json-schema.org/draft/2020-12/schema", "title", "Axcan manifest",
                     "description", "One document of a manifest (docs/orchestration.md).", "oneOf",
                     any, "$defs", definitions);
}
