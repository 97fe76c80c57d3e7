/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/schema.h"

#include "axcan/task.h"

#include <dwarf.h>
#include <elfutils/libdw.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PATH_MAX_BYTES 256u
#define DEPTH_MAX 16u

/* One walk over one struct state. */
struct walk {
    FILE *out;
    struct axi_schema_problem *problem;
};

/* A field's type with names peeled off. */
struct field_type {
    Dwarf_Die die;       /* base, enumeration, struct, pointer, ... */
    Dwarf_Word count;    /* elements, all dimensions together; 1 when no array */
    char suffix[64];     /* "[4][8]" */
    const char *name;    /* the outermost name, for messages */
    bool is_fixed_width; /* came through int32_t and the like */
};

static int __attribute__((format(printf, 3, 4)))
refuse(struct axi_schema_problem *problem, int error, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(problem->text, sizeof(problem->text), format, arguments);
    va_end(arguments);
    return error;
}

static bool is_fixed_width_name(const char *name)
{
    static const char *const names[] = {"int8_t",  "int16_t",  "int32_t",  "int64_t",
                                        "uint8_t", "uint16_t", "uint32_t", "uint64_t"};

    for (size_t i = 0; name != NULL && i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(name, names[i]) == 0) {
            return true;
        }
    }
    return false;
}

static bool next_type(Dwarf_Die *die)
{
    Dwarf_Attribute attribute;

    return dwarf_formref_die(dwarf_attr_integrate(die, DW_AT_type, &attribute), die) != NULL;
}

/* Multiplies in the dimensions of an array type; false when one has no fixed, positive count. */
static bool add_dimensions(Dwarf_Die *array, struct field_type *type)
{
    Dwarf_Die range;
    bool is_any = false;

    if (dwarf_child(array, &range) != 0) {
        return false;
    }
    do {
        Dwarf_Attribute attribute;
        Dwarf_Word count = 0;
        size_t used = strlen(type->suffix);

        if (dwarf_tag(&range) != DW_TAG_subrange_type) {
            continue;
        }
        if (dwarf_formudata(dwarf_attr(&range, DW_AT_upper_bound, &attribute), &count) == 0) {
            count++;
        } else if (dwarf_formudata(dwarf_attr(&range, DW_AT_count, &attribute), &count) != 0) {
            return false;
        }
        if (count == 0 || count > AXC_STATE_BYTES_MAX ||
            type->count > AXC_STATE_BYTES_MAX / count || used + 12 > sizeof(type->suffix)) {
            return false;
        }
        type->count *= count;
        (void)snprintf(type->suffix + used, sizeof(type->suffix) - used, "[%llu]",
                       (unsigned long long)count);
        is_any = true;
    } while (dwarf_siblingof(&range, &range) == 0);
    return is_any;
}

/* Peels typedefs, qualifiers and arrays. False when the type has no fixed size. */
static bool peel(Dwarf_Die *member, struct field_type *ret_type)
{
    struct field_type type = {.die = *member, .count = 1};

    if (!next_type(&type.die)) {
        return false;
    }
    for (;;) {
        int tag = dwarf_tag(&type.die);

        if (type.name == NULL) {
            type.name = dwarf_diename(&type.die);
        }
        if (tag == DW_TAG_typedef) {
            type.is_fixed_width =
                type.is_fixed_width || is_fixed_width_name(dwarf_diename(&type.die));
        } else if (tag == DW_TAG_array_type) {
            if (!add_dimensions(&type.die, &type)) {
                return false;
            }
        } else if (tag != DW_TAG_const_type && tag != DW_TAG_volatile_type &&
                   tag != DW_TAG_atomic_type) {
            *ret_type = type;
            return true;
        }
        if (!next_type(&type.die)) {
            return false;
        }
    }
}

static const char *base_kind(Dwarf_Die *die, int bytes)
{
    static const char *const signed_kinds[] = {"i8", "i16", "i32", "i64"};
    static const char *const unsigned_kinds[] = {"u8", "u16", "u32", "u64"};
    Dwarf_Attribute attribute;
    Dwarf_Word encoding = 0;
    int log2 = bytes == 1 ? 0 : bytes == 2 ? 1 : bytes == 4 ? 2 : bytes == 8 ? 3 : -1;

    if (log2 < 0 ||
        dwarf_formudata(dwarf_attr_integrate(die, DW_AT_encoding, &attribute), &encoding) != 0) {
        return NULL;
    }
    switch (encoding) {
    case DW_ATE_signed:
    case DW_ATE_signed_char:
        return signed_kinds[log2];
    case DW_ATE_unsigned:
    case DW_ATE_unsigned_char:
    case DW_ATE_UTF:
        return unsigned_kinds[log2];
    case DW_ATE_boolean:
        return bytes == 1 ? "bool" : NULL;
    case DW_ATE_float:
        return bytes == 4 ? "f32" : bytes == 8 ? "f64" : NULL;
    default:
        return NULL;
    }
}

static bool is_long(const char *name)
{
    return name != NULL && strstr(name, "long") != NULL && strstr(name, "long long") == NULL &&
           strstr(name, "double") == NULL;
}

static int scalar_kind(const struct walk *walk, const char *path, struct field_type *type,
                       const char **ret_kind)
{
    const char *name = type->name != NULL ? type->name : "an unnamed type";
    int tag = dwarf_tag(&type->die);
    int bytes = dwarf_bytesize(&type->die);
    const char *kind = NULL;

    if (tag == DW_TAG_pointer_type || tag == DW_TAG_subroutine_type) {
        return refuse(walk->problem, -AXC_ESCHEMA_POINTER,
                      "field '%s' is a pointer; an address means nothing on another node: store an "
                      "index or the value itself",
                      path);
    }
    if (tag == DW_TAG_enumeration_type && !next_type(&type->die)) {
        tag = 0;
    }
    if (tag == DW_TAG_base_type || tag == DW_TAG_enumeration_type) {
        if (!type->is_fixed_width && is_long(dwarf_diename(&type->die))) {
            return refuse(walk->problem, -AXC_ESCHEMA_LONG,
                          "field '%s' has type '%s', a 'long', whose size differs between "
                          "platforms: use int64_t, uint64_t or a smaller fixed width",
                          path, name);
        }
        kind = base_kind(&type->die, bytes);
    }
    if (kind == NULL) {
        return refuse(walk->problem, -AXC_ESCHEMA_TYPE,
                      "field '%s' has type '%s', which has no portable form: use fixed-width "
                      "integers, float, double, bool, arrays and structs of them",
                      path, name);
    }
    *ret_kind = kind;
    return 0;
}

static int walk_struct(const struct walk *walk, Dwarf_Die *die, const char *path, uint64_t base,
                       unsigned depth);

static int walk_type(const struct walk *walk, struct field_type *type, const char *path,
                     uint64_t offset, unsigned depth, uint64_t *ret_bytes)
{
    const char *kind = "struct";
    int error = 0;
    int bytes = 0;

    if (dwarf_tag(&type->die) != DW_TAG_structure_type) {
        error = scalar_kind(walk, path, type, &kind);
    }
    bytes = dwarf_bytesize(&type->die);
    if (error == 0 && bytes <= 0) {
        error = refuse(walk->problem, -AXC_ESCHEMA_TYPE, "field '%s' has no size", path);
    }
    if (error != 0) {
        return error;
    }
    (void)fprintf(walk->out, "%s %llu %d %s\n", path, (unsigned long long)offset, bytes, kind);
    *ret_bytes = (uint64_t)bytes * type->count;
    return strcmp(kind, "struct") == 0 ? walk_struct(walk, &type->die, path, offset, depth + 1) : 0;
}

static bool is_bit_field(Dwarf_Die *member)
{
    return dwarf_hasattr(member, DW_AT_bit_size) != 0 ||
           dwarf_hasattr(member, DW_AT_data_bit_offset) != 0;
}

/* One member; *end is where the previous one ended and is moved on. */
static int walk_member(const struct walk *walk, Dwarf_Die *member, const char *parent,
                       uint64_t base, unsigned depth, uint64_t *end)
{
    const char *name = dwarf_diename(member) != NULL ? dwarf_diename(member) : "(anonymous)";
    char path[PATH_MAX_BYTES];
    Dwarf_Attribute attribute;
    Dwarf_Word offset = 0;
    uint64_t bytes = 0;
    struct field_type type;
    int error = 0;
    int length = snprintf(path, sizeof(path), "%s%s%s", parent, *parent != '\0' ? "." : "", name);

    if (is_bit_field(member)) {
        return refuse(walk->problem, -AXC_ESCHEMA_BITFIELD,
                      "field '%s' is a bit-field, whose layout is the compiler's choice: use a "
                      "whole integer with masks",
                      path);
    }
    if (!peel(member, &type)) {
        return refuse(walk->problem, -AXC_ESCHEMA_TYPE, "field '%s' has no fixed size", path);
    }
    (void)dwarf_formudata(dwarf_attr(member, DW_AT_data_member_location, &attribute), &offset);
    if (offset != *end) {
        return refuse(walk->problem, -AXC_ESCHEMA_PADDING,
                      "%llu byte(s) of implicit padding before field '%s': reorder the fields or "
                      "add a named one",
                      (unsigned long long)(offset - *end), path);
    }
    if (length + strlen(type.suffix) >= sizeof(path)) {
        return refuse(walk->problem, -AXC_ESCHEMA_TYPE, "the path of field '%s' is too long", name);
    }
    strcat(path, type.suffix);
    error = walk_type(walk, &type, path, base + offset, depth, &bytes);
    *end = offset + bytes;
    return error;
}

static int walk_struct(const struct walk *walk, Dwarf_Die *die, const char *path, uint64_t base,
                       unsigned depth)
{
    Dwarf_Die member;
    uint64_t end = 0;
    int bytes = dwarf_bytesize(die);
    int has_member = dwarf_child(die, &member);

    if (depth > DEPTH_MAX) {
        return refuse(walk->problem, -AXC_ESCHEMA_TYPE, "'%s' is nested too deeply", path);
    }
    for (; has_member == 0; has_member = dwarf_siblingof(&member, &member)) {
        int error = 0;

        if (dwarf_tag(&member) != DW_TAG_member) {
            continue;
        }
        error = walk_member(walk, &member, path, base, depth, &end);
        if (error != 0) {
            return error;
        }
    }
    if (bytes < 0 || (uint64_t)bytes != end) {
        return refuse(walk->problem, -AXC_ESCHEMA_PADDING,
                      "%lld byte(s) of implicit padding at the end of '%s': add a named field",
                      (long long)bytes - (long long)end, *path != '\0' ? path : "struct state");
    }
    return 0;
}

/* The text for one definition of struct state; NULL text on failure. */
static int describe(Dwarf_Die *die, char **ret_text, uint32_t *ret_bytes,
                    struct axi_schema_problem *problem)
{
    char *text = NULL;
    size_t length = 0;
    struct walk walk = {.out = open_memstream(&text, &length), .problem = problem};
    int bytes = dwarf_bytesize(die);
    int error = 0;

    if (walk.out == NULL) {
        return -AXC_ENOMEM;
    }
    (void)fprintf(walk.out, "axcan-schema 1 %d\n", bytes);
    error = walk_struct(&walk, die, "", 0, 0);
    if (fclose(walk.out) != 0 && error == 0) {
        error = -AXC_ENOMEM;
    }
    if (error == 0 && (bytes <= 0 || (uint32_t)bytes > AXC_STATE_BYTES_MAX)) {
        error = refuse(problem, -AXC_ESCHEMA_SIZE, "struct state has %d bytes; 1 to %u are allowed",
                       bytes, AXC_STATE_BYTES_MAX);
    }
    if (error != 0) {
        free(text);
        return error;
    }
    *ret_text = text;
    *ret_bytes = (uint32_t)bytes;
    return 0;
}

static bool is_state(Dwarf_Die *die)
{
    const char *name = dwarf_diename(die);

    return dwarf_tag(die) == DW_TAG_structure_type && name != NULL && strcmp(name, "state") == 0 &&
           dwarf_hasattr(die, DW_AT_declaration) == 0;
}

/* Takes the definition in; a second, different one is an error. */
static int take(Dwarf_Die *die, char **text, uint32_t *bytes, struct axi_schema_problem *problem)
{
    char *other = NULL;
    int error = 0;

    if (*text == NULL) {
        return describe(die, text, bytes, problem);
    }
    error = describe(die, &other, bytes, problem);
    if (error == 0 && strcmp(other, *text) != 0) {
        error = refuse(problem, -AXC_ESCHEMA_NONE,
                       "two different types are named 'struct state': rename one");
    }
    free(other);
    return error;
}

static int scan(Dwarf *dwarf, char **text, uint32_t *bytes, struct axi_schema_problem *problem)
{
    Dwarf_CU *unit = NULL;
    Dwarf_Die root;

    while (dwarf_get_units(dwarf, unit, &unit, NULL, NULL, &root, NULL) == 0) {
        Dwarf_Die die;
        int more = dwarf_child(&root, &die);

        for (; more == 0; more = dwarf_siblingof(&die, &die)) {
            int error = is_state(&die) ? take(&die, text, bytes, problem) : 0;

            if (error != 0) {
                return error;
            }
        }
    }
    return 0;
}

int axi_schema_from_elf(const char *path, char **ret_text, uint32_t *ret_bytes,
                        struct axi_schema_problem *problem)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    Dwarf *dwarf = NULL;
    char *text = NULL;
    uint32_t bytes = 0;
    int error = 0;

    problem->text[0] = '\0';
    if (fd < 0) {
        return -AXC_EIO;
    }
    dwarf = dwarf_begin(fd, DWARF_C_READ);
    if (dwarf != NULL) {
        error = scan(dwarf, &text, &bytes, problem);
        (void)dwarf_end(dwarf);
    }
    (void)close(fd);
    if (error == 0 && text == NULL) {
        error = refuse(problem, -AXC_ESCHEMA_NONE,
                       "no type named 'struct state': declare the task's state so");
    }
    if (error != 0) {
        free(text);
        return error;
    }
    *ret_text = text;
    *ret_bytes = bytes;
    return 0;
}

int axi_schema_compare(const char *a, const char *a_name, const char *b, const char *b_name,
                       struct axi_schema_problem *problem)
{
    size_t line = 0;

    problem->text[0] = '\0';
    if (strcmp(a, b) == 0) {
        return 0;
    }
    for (size_t i = 0; a[i] == b[i]; i++) {
        line = a[i] == '\n' ? i + 1 : line;
    }
    return refuse(problem, -AXC_ESCHEMA_ISA,
                  "the instruction sets disagree: '%.*s' on %s, '%.*s' on %s (PATH OFFSET BYTES "
                  "KIND); plain char has different signs, use int8_t or uint8_t",
                  (int)strcspn(a + line, "\n"), a + line, a_name, (int)strcspn(b + line, "\n"),
                  b + line, b_name);
}
