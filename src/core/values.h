/* SPDX-License-Identifier: Apache-2.0 */
/* Table of latest values by name: topics, and the inputs of sensors. One writer, any number of
 * readers, which may see it read-only. Each entry has two copies, so that a writer that is stopped
 * in the middle holds up nobody. Freestanding. */
#ifndef AXI_CORE_VALUES_H
#define AXI_CORE_VALUES_H

#include "axcan/task.h"

#include <stdatomic.h>
#include <stdint.h>

#define AXI_VALUES_MAX 128u

struct axi_value {
    char name[AXC_NAME_BYTES];
    _Atomic uint64_t sequence; /* values written; the newest is in copy sequence % 2 */
    struct {
        uint32_t bytes;
        uint8_t data[AXC_VALUE_BYTES_MAX];
    } copies[2];
};

struct axi_value_table {
    _Atomic uint32_t count;
    struct axi_value values[AXI_VALUES_MAX];
};

/* 0 or AXC_SERVICE_E{NAME,SIZE,FULL}. Writer only. name: AXC_NAME_BYTES with a NUL inside. */
int32_t axi_values_write(struct axi_value_table *table, const char *name, const void *value,
                         uint32_t bytes);

/* Bytes copied, or AXC_SERVICE_E{NAME,NOENT,SIZE}. Bounded; any reader. */
int32_t axi_values_read(struct axi_value_table *table, const char *name, void *buffer,
                        uint32_t capacity, uint64_t *ret_sequence);

#endif
