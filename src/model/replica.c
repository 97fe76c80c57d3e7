/* SPDX-License-Identifier: Apache-2.0 */
#include "model/replica.h"

#include <math.h>
#include <string.h>

#include "model/response.h"

/* Distribution of the number of failed replicas among `count`. */
struct failures {
    size_t count;
    double p[AXI_REPLICA_MAX + 1];
};

static void add_replica(struct failures *failures, double fail)
{
    failures->p[++failures->count] = 0;
    for (size_t j = failures->count; j > 0; j--) {
        failures->p[j] = failures->p[j] * (1 - fail) + failures->p[j - 1] * fail;
    }
    failures->p[0] *= 1 - fail;
}

/* Everything in the group fails together with probability `common`. */
static void add_common(struct failures *failures, double common)
{
    for (size_t j = 0; j <= failures->count; j++) {
        failures->p[j] *= 1 - common;
    }
    failures->p[failures->count] += common;
}

static void add_group(struct failures *sum, const struct failures *group)
{
    struct failures result = {.count = sum->count + group->count};

    for (size_t i = 0; i <= sum->count; i++) {
        for (size_t j = 0; j <= group->count; j++) {
            result.p[i + j] += sum->p[i] * group->p[j];
        }
    }
    *sum = result;
}

static double tail(const struct failures *failures, size_t least)
{
    double sum = 0;

    for (size_t j = failures->count + 1; j-- > least;) {
        sum += failures->p[j];
    }
    return sum < 1 ? sum : 1;
}

double axi_replica_at_least(const double *probs, size_t n, size_t least)
{
    struct failures failures = {.p = {1}};

    for (size_t i = 0; i < n; i++) {
        add_replica(&failures, probs[i]);
    }
    return tail(&failures, least);
}

static bool is_probability(double p)
{
    return p >= 0 && p <= 1;
}

static bool shares_node(const struct axi_replica *replicas, size_t n, size_t i)
{
    for (size_t j = 0; j < n; j++) {
        if (j != i && replicas[j].node == replicas[i].node) {
            return true;
        }
    }
    return false;
}

static int check(const struct axi_replica *replicas, size_t n, const struct axi_scheme *scheme)
{
    if (n == 0 || scheme->k == 0 || scheme->k > n) {
        return -AXC_EMODEL_EMPTY;
    }
    if (n > AXI_REPLICA_MAX) {
        return -AXC_EFULL;
    }
    if (!is_probability(scheme->system_fail) || !is_probability(scheme->beta)) {
        return -AXC_EMODEL_PROBABILITY;
    }
    for (size_t i = 0; i < n; i++) {
        const struct axi_replica *r = &replicas[i];

        if (!is_probability(r->fail) || !is_probability(r->wrong) || r->wrong > r->fail ||
            !is_probability(r->node_fail) || !is_probability(r->platform_fail)) {
            return -AXC_EMODEL_PROBABILITY;
        }
        if (shares_node(replicas, n, i) && !(scheme->allow_colocated && scheme->k == 1)) {
            return -AXC_ECONFLICT;
        }
    }
    return 0;
}

/* One node: its best replica stands for all of them. Returns false if an earlier replica of the
 * list is on the same node. */
static bool node_group(const struct axi_replica *replicas, size_t n, size_t i, double independent,
                       struct failures *group)
{
    double best = replicas[i].fail;

    for (size_t j = 0; j < n; j++) {
        if (replicas[j].node != replicas[i].node) {
            continue;
        }
        if (j < i) {
            return false;
        }
        best = fmin(best, replicas[j].fail);
    }
    *group = (struct failures){.p = {1}};
    add_replica(group, best * independent);
    add_common(group, replicas[i].node_fail);
    return true;
}

static bool platform_seen(const struct axi_replica *replicas, size_t i)
{
    for (size_t j = 0; j < i; j++) {
        if (replicas[j].platform == replicas[i].platform) {
            return true;
        }
    }
    return false;
}

/* P(fewer than k succeed) with nodes and platforms as groups. */
static double fail_in_groups(const struct axi_replica *replicas, size_t n,
                             const struct axi_scheme *scheme)
{
    struct failures all = {.p = {1}};

    for (size_t i = 0; i < n; i++) {
        struct failures platform = {.p = {1}};

        if (platform_seen(replicas, i)) {
            continue;
        }
        for (size_t j = i; j < n; j++) {
            struct failures node;

            if (replicas[j].platform == replicas[i].platform &&
                node_group(replicas, n, j, 1 - scheme->beta, &node)) {
                add_group(&platform, &node);
            }
        }
        add_common(&platform, replicas[i].platform_fail);
        add_group(&all, &platform);
    }
    return tail(&all, all.count - scheme->k + 1);
}

/* Sum of logarithms, where the product of a plain 1-out-of-n underflows. */
static double fail_ln(const struct axi_replica *replicas, size_t n, const struct axi_scheme *scheme,
                      double fail)
{
    double sum = 0;

    if (fail > 1e-300 || scheme->k != 1 || scheme->allow_colocated) {
        return log(fail);
    }
    for (size_t i = 0; i < n; i++) {
        if (replicas[i].node_fail > 0 || replicas[i].platform_fail > 0) {
            return log(fail);
        }
        sum += log(replicas[i].fail);
    }
    return sum;
}

int axi_service_evaluate(const struct axi_replica *replicas, size_t n,
                         const struct axi_scheme *scheme, struct axi_service_failure *ret_failure)
{
    double wrong[AXI_REPLICA_MAX];
    double common = 0;
    double fail = 0;
    int error = check(replicas, n, scheme);

    if (error != 0) {
        return error;
    }
    for (size_t i = 0; i < n; i++) {
        common = fmax(common, scheme->beta * replicas[i].fail);
        wrong[i] = replicas[i].wrong;
    }
    fail = fail_in_groups(replicas, n, scheme);
    fail = common + (1 - common) * fail;
    fail = scheme->system_fail + (1 - scheme->system_fail) * fail;
    ret_failure->fail = fail < 1 ? fail : 1;
    ret_failure->fail_ln = fail_ln(replicas, n, scheme, ret_failure->fail);
    ret_failure->unsafe = scheme->k < 2 ? 0 : axi_replica_at_least(wrong, n, scheme->k);
    return 0;
}

/* Best unused candidate on an unused node; n when there is none. */
static size_t next_candidate(const struct axi_replica *candidates, size_t n, const bool *used,
                             const struct axi_replica *chosen, size_t count)
{
    size_t best = n;

    for (size_t i = 0; i < n; i++) {
        bool taken = used[i];

        for (size_t j = 0; j < count && !taken; j++) {
            taken = chosen[j].node == candidates[i].node;
        }
        if (!taken && (best == n || candidates[i].fail < candidates[best].fail)) {
            best = i;
        }
    }
    return best;
}

int axi_service_select(const struct axi_replica *candidates, size_t n,
                       const struct axi_scheme *scheme, double activations_per_hour,
                       double target_per_hour, bool (*admit)(void *context, size_t candidate),
                       void *context, struct axi_selection *ret_selection)
{
    struct axi_replica chosen[AXI_REPLICA_MAX];
    bool used[1024] = {false};

    memset(ret_selection, 0, sizeof(*ret_selection));
    ret_selection->per_hour = 1;
    ret_selection->failure.fail = 1;
    if (n > sizeof(used) / sizeof(used[0])) {
        return -AXC_EFULL;
    }
    for (;;) {
        size_t best = next_candidate(candidates, n, used, chosen, ret_selection->count);

        if (best == n || ret_selection->count == AXI_REPLICA_MAX) {
            return -AXC_EMODEL_UNREACHABLE;
        }
        used[best] = true;
        if (admit != NULL && !admit(context, best)) {
            continue;
        }
        chosen[ret_selection->count] = candidates[best];
        ret_selection->chosen[ret_selection->count++] = (uint32_t)best;
        if (ret_selection->count >= scheme->k) {
            int error =
                axi_service_evaluate(chosen, ret_selection->count, scheme, &ret_selection->failure);

            if (error != 0) {
                return error;
            }
            ret_selection->per_hour =
                axi_model_per_hour(ret_selection->failure.fail, activations_per_hour);
            if (ret_selection->per_hour <= target_per_hour) {
                return 0;
            }
        }
    }
}
