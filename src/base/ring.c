/* SPDX-License-Identifier: Apache-2.0 */
#include "base/ring.h"

#include <assert.h>
#include <string.h>

void axi_ring_init(struct axi_ring *ring, void *records, uint32_t record_bytes, uint32_t capacity)
{
    assert(capacity > 0 && (capacity & (capacity - 1)) == 0);
    ring->records = records;
    ring->record_bytes = record_bytes;
    ring->mask = capacity - 1;
    atomic_init(&ring->head, 0);
    atomic_init(&ring->tail, 0);
}

static uint8_t *record_at(struct axi_ring *ring, uint32_t index)
{
    return ring->records + (size_t)(index & ring->mask) * ring->record_bytes;
}

bool axi_ring_push(struct axi_ring *ring, const void *record)
{
    uint32_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);
    uint32_t tail = atomic_load_explicit(&ring->tail, memory_order_acquire);

    if (head - tail > ring->mask) {
        return false;
    }
    memcpy(record_at(ring, head), record, ring->record_bytes);
    atomic_store_explicit(&ring->head, head + 1, memory_order_release);
    return true;
}

bool axi_ring_pop(struct axi_ring *ring, void *ret_record)
{
    uint32_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);
    uint32_t head = atomic_load_explicit(&ring->head, memory_order_acquire);

    if (head == tail) {
        return false;
    }
    memcpy(ret_record, record_at(ring, tail), ring->record_bytes);
    atomic_store_explicit(&ring->tail, tail + 1, memory_order_release);
    return true;
}

uint32_t axi_ring_count(struct axi_ring *ring)
{
    return atomic_load_explicit(&ring->head, memory_order_acquire) -
           atomic_load_explicit(&ring->tail, memory_order_acquire);
}
