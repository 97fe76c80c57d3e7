/* SPDX-License-Identifier: Apache-2.0 */
/* End-to-end latency over a directed acyclic graph of response times (S8). Response-time pmfs may
 * be defective; a link is a vertex with its latency as pmf. */
#ifndef AXI_MODEL_DAG_H
#define AXI_MODEL_DAG_H

#include "model/pmf.h"

struct axi_dag_vertex {
    struct axi_pmf response; /* borrowed */
    uint64_t sampling_delay; /* ticks added when it has predecessors it polls: one period; or 0 */
    uint64_t deadline;       /* sub-deadline for axi_dag_union_bound; 0: none */
};

struct axi_dag_edge {
    uint32_t from;
    uint32_t to;
};

struct axi_dag {
    const struct axi_dag_vertex *vertices;
    size_t vertex_count;
    const struct axi_dag_edge *edges;
    size_t edge_count;
};

/* P(latest sink later than deadline), each join taken as a maximum of independent times: an upper
 * bound by association when response times are independent. ret_pmf (NULL allowed): latency up to
 * the deadline, inf = the result. -AXC_EMODEL_EMPTY, _CYCLE, _GRID, -AXC_EINVALID (bad edge). */
AXC_MUST_USE int axi_dag_forward(const struct axi_dag *dag, uint64_t deadline, size_t max_states,
                                 double *ret_fail, struct axi_pmf *ret_pmf);

/* The same exactly, by all combinations; -AXC_EMODEL_GRID above `max_combinations`. */
AXC_MUST_USE int axi_dag_exact(const struct axi_dag *dag, uint64_t deadline,
                               uint64_t max_combinations, double *ret_fail);

/* sum over vertices of P(response > sub-deadline): sound for dependent response times when the
 * sub-deadlines and sampling delays of every path sum to at most the deadline (checked:
 * -AXC_EMODEL_DEADLINE). */
AXC_MUST_USE int axi_dag_union_bound(const struct axi_dag *dag, uint64_t deadline,
                                     double *ret_fail);

#endif
