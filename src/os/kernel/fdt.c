/* SPDX-License-Identifier: Apache-2.0 */
#include "os/kernel/fdt.h"

#include <stdbool.h>
#include <string.h>

#define MAGIC 0xd00dfeedu
#define HEADER_BYTES 40u
#define DEPTH_MAX 16u

enum token { BEGIN_NODE = 1, END_NODE = 2, PROPERTY = 3, NOP = 4, END = 9 };
enum node { OTHER, MEMORY, CHOSEN };

/* Positions are offsets into the tree; everything below `end` may be read. */
struct reader {
    const uint8_t *tree;
    uint32_t at, end; /* structure block */
    uint32_t strings, strings_end;
    uint32_t depth; /* 1: in the root node */
    enum node node; /* the depth 2 node that we are in */
    uint32_t address_cells, size_cells;
    struct axi_fdt_facts facts;
};

static uint32_t get(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* One or two cells. */
static uint64_t get_cells(const uint8_t *p, uint32_t cells)
{
    return cells == 1 ? get(p) : (uint64_t)get(p) << 32 | get(p + 4);
}

static bool is_named(const char *name, const char *wanted)
{
    size_t bytes = strlen(wanted);

    return memcmp(name, wanted, bytes) == 0 && (name[bytes] == '\0' || name[bytes] == '@');
}

static bool take_node_name(struct reader *reader)
{
    const char *name = (const char *)&reader->tree[reader->at];
    size_t room = reader->end - reader->at, length = strnlen(name, room);

    if (length == room || ++reader->depth > DEPTH_MAX) {
        return false;
    }
    if (reader->depth == 2) {
        reader->node = strnlen(name, 6) == 6 && is_named(name, "memory")   ? MEMORY
                       : strnlen(name, 6) == 6 && is_named(name, "chosen") ? CHOSEN
                                                                           : OTHER;
    }
    reader->at += ((uint32_t)length + 4) & ~3u; /* with the NUL */
    return reader->at <= reader->end;
}

static void use_property(struct reader *reader, const char *name, const uint8_t *value,
                         uint32_t bytes)
{
    uint32_t address = reader->address_cells, size = reader->size_cells;

    if (reader->depth == 1 && bytes == 4 && strcmp(name, "#address-cells") == 0) {
        reader->address_cells = get(value);
    } else if (reader->depth == 1 && bytes == 4 && strcmp(name, "#size-cells") == 0) {
        reader->size_cells = get(value);
    } else if (reader->depth == 2 && reader->node == MEMORY && strcmp(name, "reg") == 0) {
        if (reader->facts.ram_bytes == 0 && address - 1 < 2 && size - 1 < 2 &&
            bytes >= 4 * (address + size)) {
            reader->facts.ram_base = get_cells(value, address);
            reader->facts.ram_bytes = get_cells(value + 4 * (size_t)address, size);
        }
    } else if (reader->depth == 2 && reader->node == CHOSEN && (bytes == 4 || bytes == 8) &&
               strcmp(name, "axcan,config") == 0) {
        reader->facts.config_address = get_cells(value, bytes / 4);
    }
}

static bool take_property(struct reader *reader)
{
    if (reader->end - reader->at < 8) {
        return false;
    }
    uint32_t bytes = get(&reader->tree[reader->at]);
    uint32_t name = get(&reader->tree[reader->at + 4]);
    uint32_t names = reader->strings_end - reader->strings;

    reader->at += 8;
    if (reader->depth == 0 || bytes > reader->end - reader->at || name >= names) {
        return false;
    }
    const char *text = (const char *)&reader->tree[reader->strings + name];

    if (strnlen(text, names - name) == names - name) {
        return false;
    }
    use_property(reader, text, &reader->tree[reader->at], bytes);
    reader->at += bytes;
    reader->at = (reader->at + 3) & ~3u;
    return reader->at <= reader->end;
}

/* True until END or an error; *ret_error tells which. */
static bool take_token(struct reader *reader, bool *ret_is_good)
{
    *ret_is_good = false;
    if (reader->end - reader->at < 4) {
        return false;
    }
    uint32_t token = get(&reader->tree[reader->at]);

    reader->at += 4;
    switch (token) {
    case BEGIN_NODE:
        return take_node_name(reader);
    case END_NODE:
        return reader->depth-- > 0;
    case PROPERTY:
        return take_property(reader);
    case NOP:
        return true;
    case END:
        *ret_is_good = reader->depth == 0;
        return false;
    default:
        return false;
    }
}

int axi_fdt_read(const void *tree, size_t room, struct axi_fdt_facts *ret_facts)
{
    const uint8_t *p = tree;
    struct reader reader = {.tree = p, .address_cells = 2, .size_cells = 1};
    bool is_good = false;

    if (room < HEADER_BYTES || get(p) != MAGIC) {
        return -AXC_EINVALID;
    }
    uint32_t total = get(p + 4), structure = get(p + 8), strings = get(p + 12);
    uint32_t strings_bytes = get(p + 32), structure_bytes = get(p + 36);

    if (total > room || total > INT32_MAX || structure % 4 != 0 || structure > total ||
        structure_bytes > total - structure || strings > total || strings_bytes > total - strings) {
        return -AXC_EINVALID;
    }
    reader.at = structure;
    reader.end = structure + (structure_bytes & ~3u);
    reader.strings = strings;
    reader.strings_end = strings + strings_bytes;
    while (take_token(&reader, &is_good)) {
    }
    if (!is_good) {
        return -AXC_EINVALID;
    }
    *ret_facts = reader.facts;
    return 0;
}
