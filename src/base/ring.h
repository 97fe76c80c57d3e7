/* SPDX-License-Identifier: Apache-2.0 */
/* Single-producer single-consumer ring of fixed-size records, lock-free; the only channel between
 * the scheduler (real-time context) and the agent (not real-time). Freestanding. The caller gives
 * the memory; capacity is a power of two. push never blocks: a full ring refuses.
 *
 *      head (producer)                tail (consumer)      count = head - tail, indices wrap at
 * 2^32
 */
#ifndef AXI_BASE_RING_H
#define AXI_BASE_RING_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct axi_ring {
    uint8_t *records; /* borrowed: capacity * record_bytes */
    uint32_t record_bytes;
    uint32_t mask; /* capacity - 1 */
    _Alignas(64) _Atomic uint32_t head;
    _Alignas(64) _Atomic uint32_t tail;
};

void axi_ring_init(struct axi_ring *ring, void *records, uint32_t record_bytes, uint32_t capacity);

/* Producer: copies one record in; false when the ring is full. */
bool axi_ring_push(struct axi_ring *ring, const void *record);

/* Consumer: copies the oldest record out; false when the ring is empty. */
bool axi_ring_pop(struct axi_ring *ring, void *ret_record);

/* Either side: records waiting now. */
uint32_t axi_ring_count(struct axi_ring *ring);

#endif
