/* SPDX-License-Identifier: Apache-2.0 */
/* Intrusive binary heap: smallest key first, equal keys by smaller `order`. The caller gives the
 * array of node pointers; nothing is allocated. O(log n) insert, remove and re-key. Freestanding;
 * not synchronised. */
#ifndef AXI_BASE_HEAP_H
#define AXI_BASE_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct axi_heap_node {
    uint64_t key;
    uint32_t order;    /* breaks ties, so that every run sorts alike */
    uint32_t position; /* index + 1 in the heap; 0 = not in a heap */
};

struct axi_heap {
    struct axi_heap_node **nodes; /* borrowed from the caller for the heap's life */
    uint32_t capacity;
    uint32_t count;
};

void axi_heap_init(struct axi_heap *heap, struct axi_heap_node **nodes, uint32_t capacity);

/* Inserts a node that is in no heap; its key and order are set. The heap must have room: the caller
 * sizes it for all nodes that exist (asserted). */
void axi_heap_insert(struct axi_heap *heap, struct axi_heap_node *node);

/* Removes the node; a node that is in no heap is left alone. */
void axi_heap_remove(struct axi_heap *heap, struct axi_heap_node *node);

/* The smallest node, or NULL. */
static inline struct axi_heap_node *axi_heap_first(const struct axi_heap *heap)
{
    return heap->count > 0 ? heap->nodes[0] : NULL;
}

static inline bool axi_heap_holds(const struct axi_heap_node *node)
{
    return node->position != 0;
}

#endif
