/* SPDX-License-Identifier: Apache-2.0 */
#include "base/heap.h"

#include <assert.h>

static bool before(const struct axi_heap_node *a, const struct axi_heap_node *b)
{
    return a->key != b->key ? a->key < b->key : a->order < b->order;
}

static void place(struct axi_heap *heap, struct axi_heap_node *node, uint32_t index)
{
    heap->nodes[index] = node;
    node->position = index + 1;
}

static void sift_up(struct axi_heap *heap, struct axi_heap_node *node, uint32_t index)
{
    while (index > 0) {
        uint32_t parent = (index - 1) / 2;

        if (!before(node, heap->nodes[parent])) {
            break;
        }
        place(heap, heap->nodes[parent], index);
        index = parent;
    }
    place(heap, node, index);
}

static void sift_down(struct axi_heap *heap, struct axi_heap_node *node, uint32_t index)
{
    for (;;) {
        uint32_t child = 2 * index + 1;

        if (child >= heap->count) {
            break;
        }
        if (child + 1 < heap->count && before(heap->nodes[child + 1], heap->nodes[child])) {
            child++;
        }
        if (!before(heap->nodes[child], node)) {
            break;
        }
        place(heap, heap->nodes[child], index);
        index = child;
    }
    place(heap, node, index);
}

void axi_heap_init(struct axi_heap *heap, struct axi_heap_node **nodes, uint32_t capacity)
{
    heap->nodes = nodes;
    heap->capacity = capacity;
    heap->count = 0;
}

void axi_heap_insert(struct axi_heap *heap, struct axi_heap_node *node)
{
    assert(node->position == 0 && heap->count < heap->capacity);
    heap->count++;
    sift_up(heap, node, heap->count - 1);
}

void axi_heap_remove(struct axi_heap *heap, struct axi_heap_node *node)
{
    if (node->position == 0) {
        return;
    }
    uint32_t index = node->position - 1;

    assert(index < heap->count && heap->nodes[index] == node);
    heap->count--;
    node->position = 0;
    if (index == heap->count) {
        return;
    }
    struct axi_heap_node *moved = heap->nodes[heap->count];

    if (index > 0 && before(moved, heap->nodes[(index - 1) / 2])) {
        sift_up(heap, moved, index);
    } else {
        sift_down(heap, moved, index);
    }
}
