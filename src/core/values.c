/* SPDX-License-Identifier: Apache-2.0 */
#include "core/values.h"

#include <string.h>

#define READ_ATTEMPTS 16

static struct axi_value *find(struct axi_value_table *table, const char *name)
{
    uint32_t count = atomic_load_explicit(&table->count, memory_order_acquire);

    for (uint32_t i = 0; i < count && i < AXI_VALUES_MAX; i++) {
        if (strcmp(table->values[i].name, name) == 0) {
            return &table->values[i];
        }
    }
    return NULL;
}

static int is_name_ok(const char *name)
{
    size_t length = strnlen(name, AXC_NAME_BYTES);

    return length > 0 && length < AXC_NAME_BYTES;
}

static struct axi_value *add(struct axi_value_table *table, const char *name)
{
    uint32_t count = atomic_load_explicit(&table->count, memory_order_relaxed);

    if (count >= AXI_VALUES_MAX) {
        return NULL;
    }
    memcpy(table->values[count].name, name, strnlen(name, AXC_NAME_BYTES - 1));
    atomic_store_explicit(&table->count, count + 1, memory_order_release);
    return &table->values[count];
}

int32_t axi_values_write(struct axi_value_table *table, const char *name, const void *value,
                         uint32_t bytes)
{
    struct axi_value *entry;
    uint64_t sequence;

    if (!is_name_ok(name)) {
        return AXC_SERVICE_ENAME;
    }
    if (bytes > AXC_VALUE_BYTES_MAX) {
        return AXC_SERVICE_ESIZE;
    }
    entry = find(table, name);
    entry = entry != NULL ? entry : add(table, name);
    if (entry == NULL) {
        return AXC_SERVICE_EFULL;
    }
    sequence = atomic_load_explicit(&entry->sequence, memory_order_relaxed) + 1;
    atomic_thread_fence(memory_order_release); /* the former number is seen before the new bytes */
    entry->copies[sequence % 2].bytes = bytes;
    memcpy(entry->copies[sequence % 2].data, value, bytes);
    atomic_store_explicit(&entry->sequence, sequence, memory_order_release);
    return 0;
}

int32_t axi_values_read(struct axi_value_table *table, const char *name, void *buffer,
                        uint32_t capacity, uint64_t *ret_sequence)
{
    struct axi_value *entry;

    if (!is_name_ok(name)) {
        return AXC_SERVICE_ENAME;
    }
    entry = find(table, name);
    for (int i = 0; entry != NULL && i < READ_ATTEMPTS; i++) {
        uint64_t sequence = atomic_load_explicit(&entry->sequence, memory_order_acquire);
        uint32_t bytes = entry->copies[sequence % 2].bytes;

        if (sequence == 0) {
            break;
        }
        if (bytes <= capacity && bytes <= AXC_VALUE_BYTES_MAX) {
            memcpy(buffer, entry->copies[sequence % 2].data, bytes);
        }
        atomic_thread_fence(memory_order_acquire);
        if (atomic_load_explicit(&entry->sequence, memory_order_relaxed) != sequence) {
            continue;
        }
        if (bytes > capacity) {
            return AXC_SERVICE_ESIZE;
        }
        if (ret_sequence != NULL) {
            *ret_sequence = sequence;
        }
        return (int32_t)bytes;
    }
    return AXC_SERVICE_ENOENT;
}
