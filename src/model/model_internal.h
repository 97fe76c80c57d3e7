/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by the analyses of one node; nobody outside src/model includes this. */
#ifndef AXI_MODEL_INTERNAL_H
#define AXI_MODEL_INTERNAL_H

#include "model/response.h"
#include "model/walk.h"

#define AXI_MODEL_CELLS (1u << 18)
#define AXI_MODEL_RELEASES (1u << 20)

struct axi_model_release {
    uint64_t time;
    uint32_t task;
};

/* All pmfs of the node on one grid. */
struct axi_model_scaled {
    uint64_t grid; /* 0: not made */
    bool up;       /* upper bound: work rounds up, releases and deadline down */
    struct axi_pmf *own;
    struct axi_pmf *interference;
};

struct axi_model {
    const struct axi_model_task *tasks;
    size_t count;
    struct axi_pmf *mixed; /* before containment */
    struct axi_pmf *interference;
    uint64_t gcd; /* of every time of the set except offsets */
    struct axi_model_scaled exact;
    struct axi_model_scaled coarse;
    struct axi_pmf prefix; /* first jobs of hp(prefix_task) on the exact grid; tails NULL: none */
    size_t prefix_task;
    struct axi_walk walk;
    struct axi_model_release *releases;
    size_t release_room;
};

static inline bool axi_model_interferes(const struct axi_model *model, size_t i, size_t k)
{
    return i != k && model->tasks[i].priority <= model->tasks[k].priority;
}

static inline void axi_model_put(uint64_t *set, size_t i, bool in)
{
    uint64_t bit = (uint64_t)1 << (i % 64);

    set[i / 64] = in ? set[i / 64] | bit : set[i / 64] & ~bit;
}

uint64_t axi_model_gcd(uint64_t a, uint64_t b);
AXC_MUST_USE int axi_model_scale(const struct axi_model *model, struct axi_model_scaled *scaled,
                                 uint64_t grid, bool up);
AXC_MUST_USE int axi_model_add_release(struct axi_model *model, size_t *count, uint64_t time,
                                       size_t task);
void axi_model_sort_releases(struct axi_model *model, size_t count);

/* One walk of S1 on a scaled set; the result stays in model->walk. */
AXC_MUST_USE int axi_model_walk(struct axi_model *model, const struct axi_model_scaled *scaled,
                                size_t k, const uint64_t *carry_in,
                                const struct axi_model_options *options);

/* Convolves the first jobs of hp(k) once, for the many walks of a search; no-op on other grids. */
AXC_MUST_USE int axi_model_make_prefix(struct axi_model *model,
                                       const struct axi_model_scaled *scaled, size_t k);

/* periodic.c */
AXC_MUST_USE int axi_model_periodic(struct axi_model *model, size_t k,
                                    const struct axi_model_options *options,
                                    struct axi_response *ret_response);

/* sound.c: bound on one scaled set; fills carry_in, doubled and the value with its term count. */
AXC_MUST_USE int axi_model_sound(struct axi_model *model, const struct axi_model_scaled *scaled,
                                 size_t k, const struct axi_model_options *options,
                                 struct axi_response *response, uint64_t *ret_terms);

/* ln of the moment generating function of the finite part at theta >= 0. */
double axi_model_ln_mgf(const struct axi_pmf *pmf, double theta);

#endif
