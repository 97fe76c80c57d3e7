/* SPDX-License-Identifier: Apache-2.0 */
#include "os/kernel/fdt.h"

#include "support/test.h"

#include <string.h>

/* Builds a tree token by token. */
static struct {
    uint8_t bytes[1024];
    size_t at;
} tree;

static const char strings[] = "#address-cells\0#size-cells\0reg\0axcan,config";
enum { ADDRESS_CELLS = 0, SIZE_CELLS = 15, REG = 27, CONFIG = 31 };

static void put(uint32_t value)
{
    for (int shift = 24; shift >= 0; shift -= 8) {
        tree.bytes[tree.at++] = (uint8_t)(value >> shift);
    }
}

static void put_at(size_t at, uint32_t value)
{
    size_t former = tree.at;

    tree.at = at;
    put(value);
    tree.at = former;
}

static void begin_tree(void)
{
    memset(&tree, 0, sizeof(tree));
    tree.at = 40;
    put(1); /* root */
    put(0);
}

static void begin_node(const char *name)
{
    put(1);
    memcpy(&tree.bytes[tree.at], name, strlen(name) + 1);
    tree.at += (strlen(name) + 4) & ~3u;
}

static void put_property(uint32_t name, const uint32_t *cells, uint32_t count)
{
    put(3);
    put(4 * count);
    put(name);
    for (uint32_t i = 0; i < count; i++) {
        put(cells[i]);
    }
}

#define PROPERTY(name, ...)                                                                        \
    put_property(name, (const uint32_t[]){__VA_ARGS__},                                            \
                 sizeof((uint32_t[]){__VA_ARGS__}) / sizeof(uint32_t))

static void end_tree(void)
{
    size_t end;

    put(2);
    put(9);
    end = tree.at;
    memcpy(&tree.bytes[end], strings, sizeof(strings));
    put_at(0, 0xd00dfeed);
    put_at(4, (uint32_t)(end + sizeof(strings)));
    put_at(8, 40);
    put_at(12, (uint32_t)end);
    put_at(32, sizeof(strings));
    put_at(36, (uint32_t)end - 40);
}

static int read_tree(struct axi_fdt_facts *ret_facts)
{
    memset(ret_facts, 0, sizeof(*ret_facts));
    return axi_fdt_read(tree.bytes, sizeof(tree.bytes), ret_facts);
}

static void make_tree(void)
{
    begin_tree();
    PROPERTY(ADDRESS_CELLS, 2);
    PROPERTY(SIZE_CELLS, 2);
    begin_node("memory@40000000");
    PROPERTY(REG, 0, 0x40000000, 1, 0x8000000);
    put(2);
    begin_node("chosen");
    PROPERTY(CONFIG, 0x48000000);
    put(2);
    end_tree();
}

static void finds_memory_and_configuration(void **state)
{
    struct axi_fdt_facts facts;

    (void)state;
    make_tree();
    assert_int_equal(read_tree(&facts), 0);
    assert_int_equal(facts.ram_base, 0x40000000);
    assert_int_equal(facts.ram_bytes, 0x108000000);
    assert_int_equal(facts.config_address, 0x48000000);
}

static void takes_one_cell_and_two(void **state)
{
    struct axi_fdt_facts facts;

    (void)state;
    begin_tree();
    PROPERTY(ADDRESS_CELLS, 1);
    PROPERTY(SIZE_CELLS, 1);
    begin_node("memory");
    PROPERTY(REG, 0x1000, 0x2000, 0x9000, 0x9000);
    put(2);
    begin_node("chosen");
    PROPERTY(CONFIG, 1, 2);
    put(2);
    end_tree();
    assert_int_equal(read_tree(&facts), 0);
    assert_int_equal(facts.ram_base, 0x1000);
    assert_int_equal(facts.ram_bytes, 0x2000);
    assert_int_equal(facts.config_address, 0x100000002);
}

static void passes_over_what_only_looks_alike(void **state)
{
    struct axi_fdt_facts facts;

    (void)state;
    begin_tree();
    begin_node("memory-controller");
    PROPERTY(REG, 1, 2, 3, 4);
    put(2);
    begin_node("soc");
    begin_node("memory@0");
    PROPERTY(REG, 1, 2, 3, 4);
    PROPERTY(CONFIG, 7);
    put(2);
    put(2);
    begin_node("memory@8");
    PROPERTY(REG, 1); /* too short */
    put(2);
    end_tree();
    assert_int_equal(read_tree(&facts), 0);
    assert_int_equal(facts.ram_bytes, 0);
    assert_int_equal(facts.config_address, 0);
}

static void refuses_every_cut(void **state)
{
    uint8_t cut[sizeof(tree.bytes)] __attribute__((aligned(8)));
    struct axi_fdt_facts facts = {.ram_bytes = 5};
    size_t total;

    (void)state;
    make_tree();
    total = (size_t)tree.bytes[6] << 8 | tree.bytes[7];
    for (size_t room = 0; room < total; room++) {
        memcpy(cut, tree.bytes, room);
        assert_int_equal(axi_fdt_read(cut, room, &facts), -AXC_EINVALID);
    }
    assert_int_equal(facts.ram_bytes, 5);
    assert_int_equal(axi_fdt_read(tree.bytes, total, &facts), 0);
}

static void refuses_a_broken_header_or_token(void **state)
{
    static const struct {
        size_t at;
        uint32_t value;
    } cases[] = {
        {0, 0xd00dfeee},                             /* magic */
        {4, 0xffffffff},                             /* total */
        {8, 41},                                     /* structure: misaligned */
        {8, 0xfffffffc},                             /* behind the end */
        {12, 0xffffffff},                            /* strings */
        {32, 0xffffffff}, {36, 0xffffffff}, {36, 8}, /* sizes */
        {40, 2},                                     /* end of a node that did not begin */
        {40, 7},                                     /* no token */
        {48, 9},                                     /* end within a node */
        {52, 0xfffffff0},                            /* a property's length */
        {56, 4000},                                  /* a property's name */
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct axi_fdt_facts facts;

        make_tree();
        put_at(cases[i].at, cases[i].value);
        assert_int_equal(read_tree(&facts), -AXC_EINVALID);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_memory_and_configuration),
        cmocka_unit_test(takes_one_cell_and_two),
        cmocka_unit_test(passes_over_what_only_looks_alike),
        cmocka_unit_test(refuses_every_cut),
        cmocka_unit_test(refuses_a_broken_header_or_token),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
