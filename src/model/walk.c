/* SPDX-License-Identifier: Apache-2.0 */
#include "model/walk.h"

#include <stdlib.h>
#include <string.h>

#include "model/convolve.h"

static int list_reserve(struct axi_walk_list *list, size_t room)
{
    uint64_t *values = NULL;
    double *probs = NULL;

    if (room <= list->room) {
        return 0;
    }
    room = room < 64 ? 64 : room + room / 2;
    values = realloc(list->values, room * sizeof(*values));
    if (values == NULL) {
        return -AXC_ENOMEM;
    }
    list->values = values;
    probs = realloc(list->probs, room * sizeof(*probs));
    if (probs == NULL) {
        return -AXC_ENOMEM;
    }
    list->probs = probs;
    list->room = room;
    return 0;
}

static int list_append(struct axi_walk_list *list, uint64_t value, double prob)
{
    if (prob <= 0) {
        return 0;
    }
    if (list->count > list->head && list->values[list->count - 1] == value) {
        list->probs[list->count - 1] += prob;
        return 0;
    }
    if (list->count == list->room) {
        int error = list_reserve(list, list->count + 1);

        if (error != 0) {
            return error;
        }
    }
    list->values[list->count] = value;
    list->probs[list->count++] = prob;
    return 0;
}

static void list_deinit(struct axi_walk_list *list)
{
    free(list->values);
    free(list->probs);
    memset(list, 0, sizeof(*list));
}

void axi_walk_init(struct axi_walk *walk, size_t max_cells, bool keep_done)
{
    memset(walk, 0, sizeof(*walk));
    walk->max_cells = max_cells;
    walk->keep_done = keep_done;
}

void axi_walk_deinit(struct axi_walk *walk)
{
    list_deinit(&walk->list);
    list_deinit(&walk->scratch);
    list_deinit(&walk->done);
    free(walk->memory);
    memset(walk, 0, sizeof(*walk));
}

static void reset(struct axi_walk *walk, uint64_t deadline)
{
    if (walk->dense && !walk->empty) {
        memset(walk->cells + walk->lo, 0, (walk->hi - walk->lo + 1) * sizeof(double));
    }
    walk->deadline = deadline;
    walk->miss = 0;
    walk->terms = 0;
    walk->empty = false;
    walk->dense = false;
    walk->list.head = walk->list.count = 0;
    walk->done.head = walk->done.count = 0;
}

int axi_walk_begin(struct axi_walk *walk, uint64_t deadline)
{
    reset(walk, deadline);
    return list_append(&walk->list, 0, 1.0);
}

int axi_walk_begin_from(struct axi_walk *walk, uint64_t deadline, const struct axi_pmf *from)
{
    reset(walk, deadline);
    for (size_t j = 0; j < from->count; j++) {
        int error = 0;

        if (from->values[j] > deadline) {
            walk->miss += from->tails[j];
            walk->empty = walk->list.count == 0;
            return 0;
        }
        error = list_append(&walk->list, from->values[j], from->probs[j]);
        if (error != 0) {
            return error;
        }
    }
    walk->miss += from->inf;
    walk->empty = walk->list.count == 0;
    return 0;
}

/* The array is all zero between uses: settle, reset and convolution keep it so. */
static int make_dense(struct axi_walk *walk)
{
    struct axi_walk_list *list = &walk->list;
    size_t room = (size_t)walk->deadline + 1 + 2 * AXI_CONVOLVE_PAD;

    if (room > walk->cell_room) {
        double *memory = calloc(room, sizeof(*memory));

        if (memory == NULL) {
            return -AXC_ENOMEM;
        }
        free(walk->memory);
        walk->memory = memory;
        walk->cells = memory + AXI_CONVOLVE_PAD;
        walk->cell_room = room;
    }
    for (size_t i = list->head; i < list->count; i++) {
        walk->cells[list->values[i]] = list->probs[i];
    }
    walk->lo = list->values[list->head];
    walk->hi = list->values[list->count - 1];
    walk->dense = true;
    return 0;
}

/* Index of the first value of pmf that is > limit. */
static size_t first_above(const struct axi_pmf *pmf, uint64_t limit)
{
    size_t j = pmf->count;

    while (j > 0 && pmf->values[j - 1] > limit) {
        j--;
    }
    return j;
}

static void add_dense(struct axi_walk *walk, const struct axi_pmf *pmf)
{
    struct axi_convolve_job job = {walk->cells, walk->lo,   walk->hi,  walk->deadline,
                                   pmf->values, pmf->probs, pmf->count};
    uint64_t longest = pmf->count > 0 ? pmf->values[pmf->count - 1] : 0;
    size_t j = pmf->count;
    size_t x = walk->lo;
    double miss = 0;

    if (pmf->inf <= 0 && walk->deadline - walk->lo > longest) {
        x = walk->deadline - longest;
    }
    for (; x <= walk->hi; x++) {
        while (j > 0 && pmf->values[j - 1] > walk->deadline - x) {
            j--;
        }
        miss += walk->cells[x] * pmf->tails[j];
    }
    walk->miss += miss;
    if (pmf->count == 0 || walk->lo + pmf->values[0] > walk->deadline) {
        memset(walk->cells + walk->lo, 0, (walk->hi - walk->lo + 1) * sizeof(double));
        walk->empty = true;
        return;
    }
    walk->hi = axi_convolve(&job);
    walk->lo += pmf->values[0];
}

/* One cursor per value of the pmf, ordered by the sum it produces next. */
struct cursor {
    uint64_t sum;
    uint32_t value;
    uint32_t state;
};

static void sift_down(struct cursor *heap, size_t count, size_t at)
{
    struct cursor moving = heap[at];

    for (size_t child = 2 * at + 1; child < count; child = 2 * at + 1) {
        if (child + 1 < count && heap[child + 1].sum < heap[child].sum) {
            child++;
        }
        if (moving.sum <= heap[child].sum) {
            break;
        }
        heap[at] = heap[child];
        at = child;
    }
    heap[at] = moving;
}

/* Merges the shifted copies of the list in one pass; sums beyond the deadline are left out. */
static int merge(struct axi_walk *walk, const struct axi_pmf *pmf, size_t values,
                 struct cursor *heap)
{
    const struct axi_walk_list *in = &walk->list;
    struct axi_walk_list *out = &walk->scratch;
    size_t count = values;

    out->head = out->count = 0;
    for (size_t j = 0; j < values; j++) {
        heap[j] =
            (struct cursor){in->values[in->head] + pmf->values[j], (uint32_t)j, (uint32_t)in->head};
    }
    while (count > 0 && heap[0].sum <= walk->deadline) {
        struct cursor *top = &heap[0];
        int error = list_append(out, top->sum, in->probs[top->state] * pmf->probs[top->value]);

        if (error != 0) {
            return error;
        }
        if (out->count > walk->max_cells) {
            return -AXC_EMODEL_GRID;
        }
        top->state++;
        if (top->state == in->count) {
            heap[0] = heap[--count];
        } else {
            top->sum = in->values[top->state] + pmf->values[top->value];
        }
        if (count > 0) {
            sift_down(heap, count, 0);
        }
    }
    return 0;
}

static int add_sparse(struct axi_walk *walk, const struct axi_pmf *pmf)
{
    struct axi_walk_list *list = &walk->list;
    struct axi_walk_list swap;
    struct cursor small[64];
    struct cursor *heap = small;
    size_t values = 0;
    int error = 0;

    for (size_t i = list->head; i < list->count; i++) {
        walk->miss +=
            list->probs[i] * pmf->tails[first_above(pmf, walk->deadline - list->values[i])];
    }
    values = first_above(pmf, walk->deadline - list->values[list->head]);
    if (values > 64) {
        heap = malloc(values * sizeof(*heap));
        if (heap == NULL) {
            return -AXC_ENOMEM;
        }
    }
    error = merge(walk, pmf, values, heap);
    if (heap != small) {
        free(heap);
    }
    swap = *list;
    *list = walk->scratch;
    walk->scratch = swap;
    walk->empty = list->count == 0;
    return error;
}

/* Dense pays when the list, after this addition, could fill an eighth of the array. */
static bool wants_dense(const struct axi_walk *walk, const struct axi_pmf *pmf)
{
    size_t states = walk->list.count - walk->list.head;

    if (walk->deadline >= walk->max_cells) {
        return false;
    }
    return states * pmf->count > walk->deadline / 8;
}

int axi_walk_add(struct axi_walk *walk, const struct axi_pmf *pmf)
{
    walk->terms += pmf->count + 2;
    if (walk->empty) {
        return 0;
    }
    if (!walk->dense && wants_dense(walk, pmf)) {
        int error = make_dense(walk);

        if (error != 0) {
            return error;
        }
    }
    if (!walk->dense) {
        return add_sparse(walk, pmf);
    }
    add_dense(walk, pmf);
    return 0;
}

static int settle_dense(struct axi_walk *walk, uint64_t time)
{
    size_t end = time < walk->hi ? (size_t)time : walk->hi;

    for (size_t x = walk->lo; x <= end; x++) {
        if (walk->keep_done) {
            int error = list_append(&walk->done, x, walk->cells[x]);

            if (error != 0) {
                return error;
            }
        }
        walk->cells[x] = 0;
    }
    walk->lo = end >= walk->lo ? end + 1 : walk->lo;
    while (walk->lo <= walk->hi && walk->cells[walk->lo] <= 0) {
        walk->lo++;
    }
    walk->empty = walk->lo > walk->hi;
    return 0;
}

int axi_walk_settle(struct axi_walk *walk, uint64_t time)
{
    struct axi_walk_list *list = &walk->list;

    if (walk->empty) {
        return 0;
    }
    if (walk->dense) {
        return settle_dense(walk, time);
    }
    for (; list->head < list->count && list->values[list->head] <= time; list->head++) {
        if (walk->keep_done) {
            int error = list_append(&walk->done, list->values[list->head], list->probs[list->head]);

            if (error != 0) {
                return error;
            }
        }
    }
    walk->empty = list->head == list->count;
    return 0;
}

int axi_walk_begin_walk(struct axi_walk *walk, uint64_t deadline, const struct axi_walk *from)
{
    const struct axi_walk_list *list = &from->list;
    int error = 0;

    reset(walk, deadline);
    walk->miss = from->miss;
    if (from->dense && !from->empty) {
        for (size_t x = from->lo; x <= from->hi && error == 0; x++) {
            if (x > deadline) {
                walk->miss += from->cells[x];
            } else {
                error = list_append(&walk->list, x, from->cells[x]);
            }
        }
    }
    for (size_t i = list->head; !from->dense && i < list->count && error == 0; i++) {
        if (list->values[i] > deadline) {
            walk->miss += list->probs[i];
        } else {
            error = list_append(&walk->list, list->values[i], list->probs[i]);
        }
    }
    walk->empty = walk->list.count == 0;
    return error;
}

static void elapse_dense(struct axi_walk *walk, uint64_t time)
{
    size_t end = time < walk->hi ? (size_t)time : walk->hi;
    double sum = 0;

    for (size_t x = walk->lo; x <= end; x++) {
        sum += walk->cells[x];
        walk->cells[x] = 0;
    }
    if (end < walk->hi) {
        size_t first = end + 1 > walk->lo ? end + 1 : walk->lo;
        size_t count = walk->hi - first + 1;

        memmove(walk->cells + first - time, walk->cells + first, count * sizeof(double));
        memset(walk->cells + walk->hi + 1 - time, 0, (size_t)time * sizeof(double));
        walk->lo = sum > 0 ? 0 : first - (size_t)time;
        walk->hi -= (size_t)time;
    } else {
        walk->lo = walk->hi = 0;
    }
    walk->cells[0] += sum;
}

int axi_walk_elapse(struct axi_walk *walk, uint64_t time)
{
    struct axi_walk_list *list = &walk->list;
    size_t at = list->head;
    double sum = 0;

    if (walk->empty || time == 0) {
        return 0;
    }
    if (walk->dense) {
        elapse_dense(walk, time);
        return 0;
    }
    for (; at < list->count && list->values[at] <= time; at++) {
        sum += list->probs[at];
    }
    for (size_t i = at; i < list->count; i++) {
        list->values[i] -= time;
    }
    if (at > list->head) {
        list->head = at - 1;
        list->values[list->head] = 0;
        list->probs[list->head] = sum;
    }
    return 0;
}

int axi_walk_result(struct axi_walk *walk, struct axi_pmf *ret_pmf)
{
    struct axi_pmf raw = {0};
    int error = axi_walk_settle(walk, walk->deadline);

    if (error != 0) {
        return error;
    }
    raw.count = walk->done.count;
    raw.values = walk->done.values;
    raw.probs = walk->done.probs;
    raw.inf = walk->miss;
    return axi_pmf_copy(ret_pmf, &raw);
}
