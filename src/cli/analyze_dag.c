/* SPDX-License-Identifier: Apache-2.0 */
/* axcan analyze dag: end-to-end latency over a graph. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/analyze.h"
#include "cli/command.h"
#include "model/dag.h"

enum { VERTEX_LIMIT = 256, EDGE_LIMIT = 4096, COMBINATIONS_LIMIT = 4000000, STATES = 1 << 20 };

struct graph {
    size_t count;
    const char *names[VERTEX_LIMIT];
    struct axi_dag_vertex vertices[VERTEX_LIMIT];
    size_t edge_count;
    struct axi_dag_edge edges[EDGE_LIMIT];
    uint64_t deadline;
};

static int find_name(const struct graph *graph, const char *name, size_t length)
{
    for (size_t v = 0; v < graph->count; v++) {
        if (strlen(graph->names[v]) == length && strncmp(graph->names[v], name, length) == 0) {
            return (int)v;
        }
    }
    return -1;
}

static bool add_edge(struct graph *graph, int from, int to)
{
    if (from < 0 || to < 0 || graph->edge_count == EDGE_LIMIT) {
        return false;
    }
    graph->edges[graph->edge_count++] = (struct axi_dag_edge){(uint32_t)from, (uint32_t)to};
    return true;
}

/* One step of "A->{B,C}->E": a name or a braced list; returns the end or NULL. */
static const char *parse_level(const struct graph *graph, const char *text, int *level,
                               size_t *ret_count)
{
    bool braced = *text == '{';

    text += braced;
    for (*ret_count = 0; *ret_count < VERTEX_LIMIT;) {
        size_t length = strcspn(text, "{},->; \t");

        level[*ret_count] = find_name(graph, text, length);
        if (level[(*ret_count)++] < 0) {
            return NULL;
        }
        text += length;
        if (!braced || *text == '}') {
            return text + (braced ? 1 : 0);
        }
        if (*text++ != ',') {
            return NULL;
        }
    }
    return NULL;
}

/* Each vertex of a step is a predecessor of each of the next. Stops at what is not an arrow. */
static bool parse_graph(struct graph *graph, const char *text)
{
    int last[VERTEX_LIMIT];
    int next[VERTEX_LIMIT];
    size_t last_count = 0;
    size_t next_count = 0;

    text = parse_level(graph, text, last, &last_count);
    while (text != NULL && strncmp(text, "->", 2) == 0) {
        text = parse_level(graph, text + 2, next, &next_count);
        for (size_t i = 0; text != NULL && i < last_count; i++) {
            for (size_t j = 0; j < next_count; j++) {
                if (!add_edge(graph, last[i], next[j])) {
                    return false;
                }
            }
        }
        memcpy(last, next, sizeof(last));
        last_count = next_count;
    }
    return text != NULL;
}

/* "edges": [["A", "B"], ...]; else "graph", else the word with an arrow in the title. */
static bool read_edges(struct graph *graph, const json_t *item)
{
    const char *text = json_string_value(json_object_get(item, "graph"));
    const char *title = json_string_value(json_object_get(item, "title"));
    size_t i = 0;
    json_t *edge = NULL;

    json_array_foreach (json_object_get(item, "edges"), i, edge) {
        const char *from = json_string_value(json_array_get(edge, 0));
        const char *to = json_string_value(json_array_get(edge, 1));

        if (from == NULL || to == NULL ||
            !add_edge(graph, find_name(graph, from, strlen(from)),
                      find_name(graph, to, strlen(to)))) {
            return false;
        }
    }
    if (json_object_get(item, "edges") != NULL) {
        return true;
    }
    if (text == NULL && title != NULL && strstr(title, "->") != NULL) {
        for (text = strstr(title, "->"); text > title && !isspace((unsigned char)text[-1]);) {
            text--;
        }
    }
    return text == NULL ? graph->count == 1 : parse_graph(graph, text);
}

static bool read_deadline(struct graph *graph, const json_t *item)
{
    json_t *value = json_object_get(item, "deadline");
    const char *title = json_string_value(json_object_get(item, "title"));
    const char *word = title != NULL ? strstr(title, "deadline ") : NULL;

    if (json_is_integer(value) && json_integer_value(value) > 0) {
        graph->deadline = (uint64_t)json_integer_value(value);
    } else if (value == NULL && word != NULL) {
        graph->deadline = strtoull(word + strlen("deadline "), NULL, 10);
    }
    return graph->deadline > 0;
}

static uint64_t ticks_of(const json_t *item, const char *table, const char *name)
{
    json_int_t ticks = json_integer_value(json_object_get(json_object_get(item, table), name));

    return ticks > 0 ? (uint64_t)ticks : 0;
}

static int read_graph(const struct axi_analyze *run, const json_t *item, struct graph *graph)
{
    json_t *nodes = json_object_get(item, "nodes");
    const char *name = NULL;
    json_t *pmf = NULL;

    json_object_foreach (nodes, name, pmf) {
        struct axi_dag_vertex *vertex = &graph->vertices[graph->count];
        int r = graph->count == VERTEX_LIMIT ? axi_analyze_complain(run, "nodes", -AXC_EFULL)
                                             : axi_analyze_pmf(run, pmf, name, &vertex->response);

        if (r != 0) {
            return r;
        }
        vertex->sampling_delay = ticks_of(item, "sampling_periods", name);
        vertex->deadline = ticks_of(item, "sub_deadlines", name);
        graph->names[graph->count++] = name;
    }
    if (!read_deadline(graph, item)) {
        return axi_cli_fail("analyze", "%s: case %s: \"deadline\" is missing", run->file,
                            run->case_id);
    }
    if (!read_edges(graph, item)) {
        return axi_cli_fail("analyze",
                            "%s: case %s: give \"edges\": [[\"A\", \"B\"], ...] or \"graph\": "
                            "\"A->{B,C}->E\" with names of nodes",
                            run->file, run->case_id);
    }
    return 0;
}

static int evaluate(struct axi_analyze *run, const json_t *item, const struct graph *graph,
                    json_t *computed)
{
    const struct axi_dag dag = {graph->vertices, graph->count, graph->edges, graph->edge_count};
    struct axi_pmf pmf;
    double fail = 0;
    int error = axi_dag_forward(&dag, graph->deadline, STATES, &fail, &pmf);

    if (error != 0) {
        return axi_analyze_complain(run, "graph", error);
    }
    (void)json_object_set_new(computed, "p_e2e_fail_topological_product", axi_analyze_value(fail));
    if (run->curves != NULL) {
        error = axi_analyze_curve(run, run->case_id, graph->deadline, &pmf);
    }
    axi_pmf_deinit(&pmf);
    if (error == 0 && axi_dag_exact(&dag, graph->deadline, COMBINATIONS_LIMIT, &fail) == 0) {
        (void)json_object_set_new(computed, "p_e2e_fail_exact", axi_analyze_value(fail));
    }
    if (error == 0 && json_object_get(item, "sub_deadlines") != NULL) {
        error = axi_dag_union_bound(&dag, graph->deadline, &fail);
        if (error == 0) {
            (void)json_object_set_new(computed, "p_e2e_fail_union_bound", axi_analyze_value(fail));
        }
    }
    return error != 0 ? axi_analyze_complain(run, "graph", error) : 0;
}

int axi_analyze_dag(struct axi_analyze *run, json_t *item, bool *ret_known)
{
    struct graph *graph = NULL;
    json_t *computed = NULL;
    int r = 0;

    *ret_known = json_is_object(json_object_get(item, "nodes"));
    if (!*ret_known) {
        return 0;
    }
    graph = calloc(1, sizeof(*graph));
    if (graph == NULL) {
        return axi_analyze_complain(run, "graph", -AXC_ENOMEM);
    }
    computed = json_object();
    run->steps = 1;
    r = read_graph(run, item, graph);
    if (r == 0) {
        r = evaluate(run, item, graph, computed);
    }
    for (size_t v = 0; v < graph->count; v++) {
        axi_pmf_deinit(&graph->vertices[v].response);
    }
    free(graph);
    (void)json_object_set_new(item, "computed", computed);
    return r;
}
