/* SPDX-License-Identifier: Apache-2.0 */
#include "os/kernel/space.h"

#include "os/kernel/memory.h"
#include "os/kernel/mmu.h"

#include <string.h>

static uint8_t asids_used[AXI_SPACES_MAX + 1]; /* 0 is the kernel's */

static uint32_t take_asid(void)
{
    for (uint32_t asid = 1; asid <= AXI_SPACES_MAX; asid++) {
        if (!asids_used[asid]) {
            asids_used[asid] = 1;
            return asid;
        }
    }
    return 0;
}

int axi_space_init(struct axi_space *space)
{
    uint32_t asid = take_asid();

    if (asid == 0) {
        return -AXC_ENOMEM;
    }
    uint64_t *root = axi_pages_take(AXI_PAGE_BYTES);

    if (root == NULL) {
        asids_used[asid] = 0;
        return -AXC_ENOMEM;
    }
    *space = (struct axi_space){.root = root, .asid = asid, .table_pages = 1};
    return 0;
}

static uint64_t *table_below(struct axi_space *space, uint64_t *entry)
{
    if (*entry == 0) {
        uint64_t *table = axi_pages_take(AXI_PAGE_BYTES);

        if (table == NULL) {
            return NULL;
        }
        *entry = axi_physical(table) | AXI_DESCRIPTOR_TABLE;
        space->table_pages++;
    }
    return axi_at_physical(*entry & AXI_DESCRIPTOR_ADDRESS);
}

static int map_page(struct axi_space *space, uint64_t address, uint64_t descriptor)
{
    uint64_t *table = table_below(space, &space->root[axi_table_index(address, 1)]);

    table = table != NULL ? table_below(space, &table[axi_table_index(address, 2)]) : NULL;
    if (table == NULL) {
        return -AXC_ENOMEM;
    }
    if (table[axi_table_index(address, 3)] != 0) {
        return -AXC_EINVALID;
    }
    table[axi_table_index(address, 3)] = descriptor;
    return 0;
}

int axi_space_map(struct axi_space *space, uint64_t address, const void *pages, size_t bytes,
                  enum axi_access access)
{
    uint64_t attributes = AXI_DESCRIPTOR_PAGE | AXI_DESCRIPTOR_EL0 | AXI_DESCRIPTOR_SHARED |
                          AXI_DESCRIPTOR_ACCESSED | AXI_DESCRIPTOR_NOT_GLOBAL | AXI_DESCRIPTOR_PXN;
    int error = 0;

    if ((address | (uintptr_t)pages | bytes) % AXI_PAGE_BYTES != 0 || address == 0 ||
        address >= AXI_SPACE_BYTES || bytes > AXI_SPACE_BYTES - address) {
        return -AXC_EINVALID;
    }
    attributes |= access == AXI_ACCESS_READ_WRITE ? 0 : AXI_DESCRIPTOR_READ_ONLY;
    attributes |= access == AXI_ACCESS_READ_EXECUTE ? 0 : AXI_DESCRIPTOR_UXN;
    for (size_t at = 0; at < bytes && error == 0; at += AXI_PAGE_BYTES) {
        error = map_page(space, address + at, axi_physical((const char *)pages + at) | attributes);
    }
    __asm__ volatile("dsb ishst\n\tisb" ::: "memory");
    return error;
}

static void free_tables(uint64_t *table, unsigned level)
{
    for (uint32_t i = 0; level < 3 && i < AXI_TABLE_ENTRIES; i++) {
        if (table[i] != 0) {
            free_tables(axi_at_physical(table[i] & AXI_DESCRIPTOR_ADDRESS), level + 1);
        }
    }
    axi_pages_give(table, AXI_PAGE_BYTES);
}

void axi_space_deinit(struct axi_space *space)
{
    if (space->root == NULL) {
        return;
    }
    __asm__ volatile(
        "dsb ishst\n\ttlbi aside1, %0\n\tdsb nsh\n\tisb" ::"r"((uint64_t)space->asid << 48)
        : "memory");
    free_tables(space->root, 1);
    asids_used[space->asid] = 0;
    *space = (struct axi_space){0};
}

/* The kernel's address of what EL0 has at `address`, when it may read (write) it; else NULL. Valid
 * up to the end of the page. */
static uint8_t *find(const struct axi_space *space, uint64_t address, bool is_write)
{
    const uint64_t *table = space->root;

    for (unsigned level = 1; level < 3; level++) {
        uint64_t entry = table[axi_table_index(address, level)];

        if (entry == 0) {
            return NULL;
        }
        table = axi_at_physical(entry & AXI_DESCRIPTOR_ADDRESS);
    }
    uint64_t entry = table[axi_table_index(address, 3)];

    if (entry == 0 || (is_write && (entry & AXI_DESCRIPTOR_READ_ONLY) != 0)) {
        return NULL;
    }
    return (uint8_t *)axi_at_physical(entry & AXI_DESCRIPTOR_ADDRESS) + address % AXI_PAGE_BYTES;
}

/* Bytes that may be accessed, at most `bytes`; copies them on the way when there is a buffer. */
static size_t pass(const struct axi_space *space, uint64_t address, size_t bytes, bool is_write,
                   uint8_t *to, const uint8_t *from)
{
    size_t done = 0;

    while (done < bytes && address + done < AXI_SPACE_BYTES) {
        size_t part = AXI_PAGE_BYTES - (address + done) % AXI_PAGE_BYTES;
        uint8_t *user = find(space, address + done, is_write);

        if (user == NULL) {
            break;
        }
        part = part < bytes - done ? part : bytes - done;
        if (to != NULL) {
            memcpy(to + done, user, part);
        } else if (from != NULL) {
            memcpy(user, from + done, part);
        }
        done += part;
    }
    return done;
}

size_t axi_space_readable(const struct axi_space *space, uint64_t address, size_t bytes)
{
    return address < AXI_SPACE_BYTES ? pass(space, address, bytes, false, NULL, NULL) : 0;
}

size_t axi_space_writable(const struct axi_space *space, uint64_t address, size_t bytes)
{
    return address < AXI_SPACE_BYTES ? pass(space, address, bytes, true, NULL, NULL) : 0;
}

int axi_space_read(const struct axi_space *space, uint64_t address, void *to, size_t bytes)
{
    if (axi_space_readable(space, address, bytes) != bytes) {
        return -AXC_EINVALID;
    }
    (void)pass(space, address, bytes, false, to, NULL);
    return 0;
}

int axi_space_write(const struct axi_space *space, uint64_t address, const void *from, size_t bytes)
{
    if (axi_space_writable(space, address, bytes) != bytes) {
        return -AXC_EINVALID;
    }
    (void)pass(space, address, bytes, true, NULL, from);
    return 0;
}
