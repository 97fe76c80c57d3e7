/* SPDX-License-Identifier: Apache-2.0 */
#include "model/node.h"

#include <stdlib.h>
#include <string.h>

#include "model/model_internal.h"

/* Convolution of the first jobs of all tasks of a priority or above, for the next candidate. */
struct prefix {
    uint32_t priority;
    uint64_t grid; /* 0: unused */
    uint64_t deadline;
    struct axi_pmf pmf;
};

enum { PREFIX_COUNT = 8 };

struct axi_node_model {
    size_t count;
    struct axi_model_task *tasks;
    double *bounds; /* SOUND bound of each task; negative: not computed yet */
    struct prefix prefixes[PREFIX_COUNT];
    size_t next_prefix;
};

static int copy_task(struct axi_model_task *to, const struct axi_model_task *from)
{
    int error = 0;

    *to = *from;
    memset(&to->ok, 0, sizeof(to->ok));
    memset(&to->bad, 0, sizeof(to->bad));
    error = axi_pmf_copy(&to->ok, &from->ok);
    if (error == 0 && from->bad.tails != NULL) {
        error = axi_pmf_copy(&to->bad, &from->bad);
    }
    if (error != 0) {
        axi_pmf_deinit(&to->ok);
    }
    return error;
}

int axi_node_model_new(struct axi_node_model **ret_node, const struct axi_model_task *tasks,
                       size_t count)
{
    struct axi_node_model *node = calloc(1, sizeof(*node));
    int error = node == NULL ? -AXC_ENOMEM : 0;

    for (size_t i = 0; i < count && error == 0; i++) {
        error = axi_node_model_add(node, &tasks[i]);
    }
    if (error != 0) {
        axi_node_model_free(node);
        return error;
    }
    *ret_node = node;
    return 0;
}

static void forget_prefixes(struct axi_node_model *node)
{
    for (size_t i = 0; i < PREFIX_COUNT; i++) {
        axi_pmf_deinit(&node->prefixes[i].pmf);
        node->prefixes[i].grid = 0;
    }
}

void axi_node_model_free(struct axi_node_model *node)
{
    if (node == NULL) {
        return;
    }
    for (size_t i = 0; i < node->count; i++) {
        axi_pmf_deinit(&node->tasks[i].ok);
        axi_pmf_deinit(&node->tasks[i].bad);
    }
    forget_prefixes(node);
    free(node->tasks);
    free(node->bounds);
    free(node);
}

int axi_node_model_add(struct axi_node_model *node, const struct axi_model_task *candidate)
{
    struct axi_model_task *tasks = realloc(node->tasks, (node->count + 1) * sizeof(*node->tasks));
    double *bounds = NULL;
    int error = 0;

    if (tasks == NULL) {
        return -AXC_ENOMEM;
    }
    node->tasks = tasks;
    bounds = realloc(node->bounds, (node->count + 1) * sizeof(*bounds));
    if (bounds == NULL) {
        return -AXC_ENOMEM;
    }
    node->bounds = bounds;
    error = copy_task(&tasks[node->count], candidate);
    if (error != 0) {
        return error;
    }
    node->count++;
    forget_prefixes(node);
    for (size_t i = 0; i < node->count; i++) {
        bool disturbed = i + 1 == node->count || tasks[i].priority >= candidate->priority;

        bounds[i] = disturbed ? -1 : bounds[i];
    }
    return 0;
}

static const struct prefix *find_prefix(const struct axi_node_model *node, uint32_t priority,
                                        uint64_t grid, uint64_t deadline)
{
    for (size_t i = 0; i < PREFIX_COUNT; i++) {
        const struct prefix *prefix = &node->prefixes[i];

        if (prefix->grid == grid && prefix->priority == priority && prefix->deadline >= deadline) {
            return prefix;
        }
    }
    return NULL;
}

/* The model's first search leaves the convolution of level k behind; keep it for the next one. */
static int keep_prefix(struct axi_node_model *node, const struct axi_model *model, size_t k)
{
    struct prefix *slot = &node->prefixes[node->next_prefix];
    struct axi_pmf copy;
    int error = 0;

    if (model->prefix.tails == NULL || model->prefix_task != k) {
        return 0;
    }
    error = axi_pmf_copy(&copy, &model->prefix);
    if (error == 0) {
        axi_pmf_deinit(&slot->pmf);
        *slot =
            (struct prefix){model->tasks[k].priority, model->gcd, model->tasks[k].deadline, copy};
        node->next_prefix = (node->next_prefix + 1) % PREFIX_COUNT;
    }
    return error;
}

static int judge_candidate(struct axi_node_model *node, struct axi_model *model,
                           const struct axi_model_options *options,
                           struct axi_node_verdict *verdict)
{
    size_t k = node->count;
    const struct axi_model_task *task = &model->tasks[k];
    const struct prefix *prefix = find_prefix(node, task->priority, model->gcd, task->deadline);
    int error = 0;

    if (prefix != NULL) {
        error = axi_pmf_copy(&model->prefix, &prefix->pmf);
        model->prefix_task = k;
    }
    if (error == 0) {
        error = axi_model_response(model, k, options, &verdict->candidate);
    }
    if (error == 0 && prefix == NULL) {
        error = keep_prefix(node, model, k);
    }
    verdict->fail = axi_model_failure(task, verdict->candidate.hi);
    return error;
}

/* Tasks above the candidate keep their bounds. */
static int judge_others(struct axi_node_model *node, struct axi_model *model,
                        const struct axi_model_options *options, struct axi_node_verdict *verdict)
{
    uint32_t priority = model->tasks[node->count].priority;

    for (size_t i = 0; i < node->count; i++) {
        bool disturbed = node->tasks[i].priority >= priority;
        double bound = disturbed ? -1 : node->bounds[i];

        if (bound < 0) {
            struct axi_response response;
            int error = axi_model_response(model, i, options, &response);

            if (error != 0) {
                return error;
            }
            bound = response.hi;
            node->bounds[i] = disturbed ? node->bounds[i] : bound;
        }
        if (bound > verdict->worst_other) {
            verdict->worst_other = bound;
            verdict->worst_index = i;
        }
    }
    return 0;
}

int axi_node_model_try(struct axi_node_model *node, const struct axi_model_task *candidate,
                       bool with_others, const struct axi_model_options *options,
                       struct axi_node_verdict *ret_verdict)
{
    struct axi_model_options own = {0};
    struct axi_node_verdict verdict = {0};
    struct axi_model_task *tasks = malloc((node->count + 1) * sizeof(*tasks));
    struct axi_model *model = NULL;
    int error = 0;

    if (tasks == NULL) {
        return -AXC_ENOMEM;
    }
    if (options != NULL) {
        own = *options;
    }
    own.mode = AXI_MODE_SOUND;
    if (node->count > 0) {
        memcpy(tasks, node->tasks, node->count * sizeof(*tasks));
    }
    tasks[node->count] = *candidate;
    error = axi_model_new(&model, tasks, node->count + 1);
    if (error == 0) {
        error = judge_candidate(node, model, &own, &verdict);
    }
    if (error == 0 && with_others) {
        error = judge_others(node, model, &own, &verdict);
    }
    axi_model_free(model);
    free(tasks);
    if (error == 0) {
        *ret_verdict = verdict;
    }
    return error;
}
