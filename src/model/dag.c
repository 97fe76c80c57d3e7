/* SPDX-License-Identifier: Apache-2.0 */
#include "model/dag.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "model/walk.h"

/* Kahn's order; the caller frees it. */
static int sort_vertices(const struct axi_dag *dag, uint32_t **ret_order)
{
    uint32_t *order = calloc(dag->vertex_count + 1, sizeof(*order));
    uint32_t *degree = calloc(dag->vertex_count + 1, sizeof(*degree));
    size_t count = 0;
    int error = dag->vertex_count == 0 ? -AXC_EMODEL_EMPTY : 0;

    if (order == NULL || degree == NULL) {
        error = -AXC_ENOMEM;
    }
    for (size_t e = 0; error == 0 && e < dag->edge_count; e++) {
        if (dag->edges[e].from >= dag->vertex_count || dag->edges[e].to >= dag->vertex_count) {
            error = -AXC_EINVALID;
        } else {
            degree[dag->edges[e].to]++;
        }
    }
    for (uint32_t v = 0; error == 0 && v < dag->vertex_count; v++) {
        if (degree[v] == 0) {
            order[count++] = v;
        }
    }
    for (size_t done = 0; error == 0 && done < count; done++) {
        for (size_t e = 0; e < dag->edge_count; e++) {
            if (dag->edges[e].from == order[done] && --degree[dag->edges[e].to] == 0) {
                order[count++] = dag->edges[e].to;
            }
        }
    }
    free(degree);
    if (error == 0 && count < dag->vertex_count) {
        error = -AXC_EMODEL_CYCLE;
    }
    if (error != 0) {
        free(order);
        return error;
    }
    *ret_order = order;
    return 0;
}

/* Maximum of two independent times: p(x) = a(x) B(x) + A(x-) b(x), mass at infinity a + (1 - a) b.
 * A and B are sums from below. */
static int join(struct axi_pmf *ret_pmf, const struct axi_pmf *a, const struct axi_pmf *b)
{
    struct axi_pmf raw = {.values = calloc(a->count + b->count + 1, sizeof(uint64_t)),
                          .probs = calloc(a->count + b->count + 1, sizeof(double)),
                          .inf = a->inf + (1 - a->inf) * b->inf};
    double below_a = 0;
    double below_b = 0;
    size_t i = 0;
    size_t j = 0;
    int error = raw.values == NULL || raw.probs == NULL ? -AXC_ENOMEM : 0;

    while (error == 0 && (i < a->count || j < b->count)) {
        bool from_a = j >= b->count || (i < a->count && a->values[i] <= b->values[j]);
        bool from_b = i >= a->count || (j < b->count && b->values[j] <= a->values[i]);
        double pa = from_a ? a->probs[i] : 0;
        double pb = from_b ? b->probs[j] : 0;

        raw.values[raw.count] = from_a ? a->values[i] : b->values[j];
        raw.probs[raw.count++] = pa * (below_b + pb) + below_a * pb;
        below_a += pa;
        below_b += pb;
        i += from_a;
        j += from_b;
    }
    error = error == 0 ? axi_pmf_copy(ret_pmf, &raw) : error;
    free(raw.values);
    free(raw.probs);
    return error;
}

/* Replaces *sum by the maximum with `more`; takes `more` as it is when *sum is empty. */
static int join_into(struct axi_pmf *sum, const struct axi_pmf *more)
{
    struct axi_pmf result;
    int error = sum->tails == NULL ? axi_pmf_copy(&result, more) : join(&result, sum, more);

    if (error == 0) {
        axi_pmf_deinit(sum);
        *sum = result;
    }
    return error;
}

/* Completion of one vertex from the completions of its predecessors. */
static int complete(const struct axi_dag *dag, uint32_t v, struct axi_pmf *done,
                    struct axi_walk *walk, uint64_t deadline)
{
    const struct axi_dag_vertex *vertex = &dag->vertices[v];
    struct axi_pmf start = {0};
    int error = 0;

    for (size_t e = 0; e < dag->edge_count && error == 0; e++) {
        if (dag->edges[e].to == v) {
            error = join_into(&start, &done[dag->edges[e].from]);
        }
    }
    if (error == 0 && start.tails == NULL) {
        error = axi_walk_begin(walk, deadline);
    } else if (error == 0) {
        for (size_t j = 0; j < start.count; j++) {
            start.values[j] += vertex->sampling_delay;
        }
        error = axi_walk_begin_from(walk, deadline, &start);
    }
    if (error == 0) {
        error = axi_walk_add(walk, &vertex->response);
    }
    if (error == 0) {
        error = axi_walk_result(walk, &done[v]);
    }
    axi_pmf_deinit(&start);
    return error;
}

static bool is_sink(const struct axi_dag *dag, uint32_t v)
{
    for (size_t e = 0; e < dag->edge_count; e++) {
        if (dag->edges[e].from == v) {
            return false;
        }
    }
    return true;
}

int axi_dag_forward(const struct axi_dag *dag, uint64_t deadline, size_t max_states,
                    double *ret_fail, struct axi_pmf *ret_pmf)
{
    uint32_t *order = NULL;
    struct axi_pmf *done = NULL;
    struct axi_pmf end = {0};
    struct axi_walk walk;
    int error = sort_vertices(dag, &order);

    if (error != 0) {
        return error;
    }
    axi_walk_init(&walk, max_states, true);
    done = calloc(dag->vertex_count, sizeof(*done));
    error = done == NULL ? -AXC_ENOMEM : 0;
    for (size_t i = 0; i < dag->vertex_count && error == 0; i++) {
        error = complete(dag, order[i], done, &walk, deadline);
    }
    for (uint32_t v = 0; v < dag->vertex_count && error == 0; v++) {
        error = is_sink(dag, v) ? join_into(&end, &done[v]) : 0;
    }
    if (error == 0) {
        *ret_fail = end.inf;
    }
    if (error == 0 && ret_pmf != NULL) {
        *ret_pmf = end;
    } else {
        axi_pmf_deinit(&end);
    }
    for (size_t v = 0; done != NULL && v < dag->vertex_count; v++) {
        axi_pmf_deinit(&done[v]);
    }
    free(done);
    free(order);
    axi_walk_deinit(&walk);
    return error;
}

/* Latest completion with the given response times; saturates. */
static uint64_t longest_path(const struct axi_dag *dag, const uint32_t *order,
                             const uint64_t *times, uint64_t *finish)
{
    uint64_t latest = 0;

    for (size_t i = 0; i < dag->vertex_count; i++) {
        uint32_t v = order[i];
        uint64_t start = 0;

        for (size_t e = 0; e < dag->edge_count; e++) {
            if (dag->edges[e].to == v) {
                uint64_t from = finish[dag->edges[e].from] + dag->vertices[v].sampling_delay;

                start = from > start ? from : start;
            }
        }
        if (__builtin_add_overflow(start, times[v], &finish[v]) || finish[v] > UINT64_MAX / 2) {
            finish[v] = UINT64_MAX / 2;
        }
        latest = finish[v] > latest ? finish[v] : latest;
    }
    return latest;
}

static bool too_many(const struct axi_dag *dag, uint64_t limit)
{
    uint64_t product = 1;

    for (size_t v = 0; v < dag->vertex_count; v++) {
        if (__builtin_mul_overflow(product, dag->vertices[v].response.count + 1, &product) ||
            product > limit) {
            return true;
        }
    }
    return false;
}

/* Steps the mixed-radix counter; index count stands for the mass at infinity. */
static bool next_combination(const struct axi_dag *dag, size_t *choice)
{
    for (size_t v = 0; v < dag->vertex_count; v++) {
        if (++choice[v] <= dag->vertices[v].response.count) {
            return true;
        }
        choice[v] = 0;
    }
    return false;
}

static long double sum_late(const struct axi_dag *dag, uint64_t deadline, const uint32_t *order,
                            size_t *choice, uint64_t *times)
{
    uint64_t *finish = times + dag->vertex_count;
    long double fail = 0;

    do {
        long double p = 1;

        for (size_t v = 0; v < dag->vertex_count; v++) {
            const struct axi_pmf *pmf = &dag->vertices[v].response;
            bool never = choice[v] == pmf->count;

            p *= never ? pmf->inf : pmf->probs[choice[v]];
            times[v] = never ? UINT64_MAX / 2 : pmf->values[choice[v]];
        }
        if (p > 0 && longest_path(dag, order, times, finish) > deadline) {
            fail += p;
        }
    } while (next_combination(dag, choice));
    return fail;
}

int axi_dag_exact(const struct axi_dag *dag, uint64_t deadline, uint64_t max_combinations,
                  double *ret_fail)
{
    uint32_t *order = NULL;
    size_t *choice = NULL;
    uint64_t *times = NULL;
    int error = sort_vertices(dag, &order);

    if (error != 0) {
        return error;
    }
    if (too_many(dag, max_combinations)) {
        error = -AXC_EMODEL_GRID;
    }
    choice = calloc(dag->vertex_count, sizeof(*choice));
    times = calloc(2 * dag->vertex_count, sizeof(*times));
    if (error == 0 && (choice == NULL || times == NULL)) {
        error = -AXC_ENOMEM;
    }
    if (error == 0) {
        *ret_fail = (double)sum_late(dag, deadline, order, choice, times);
    }
    free(order);
    free(choice);
    free(times);
    return error;
}

int axi_dag_union_bound(const struct axi_dag *dag, uint64_t deadline, double *ret_fail)
{
    uint64_t *times = calloc(2 * dag->vertex_count + 1, sizeof(*times));
    uint32_t *order = NULL;
    double fail = 0;
    int error = times == NULL ? -AXC_ENOMEM : sort_vertices(dag, &order);

    for (size_t v = 0; v < dag->vertex_count && error == 0; v++) {
        times[v] = dag->vertices[v].deadline;
        error = times[v] == 0 ? -AXC_EMODEL_DEADLINE : 0;
        fail += axi_pmf_exceed(&dag->vertices[v].response, times[v]);
    }
    if (error == 0 && longest_path(dag, order, times, times + dag->vertex_count) > deadline) {
        error = -AXC_EMODEL_DEADLINE;
    }
    if (error == 0) {
        *ret_fail = fail < 1 ? fail : 1;
    }
    free(times);
    free(order);
    return error;
}
