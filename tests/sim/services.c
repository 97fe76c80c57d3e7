/* SPDX-License-Identifier: Apache-2.0 */
/* Clients that declare services and nodes: apply, update to good and bad versions, conflicting
 * applies, cordon, drain, take back. What must be true then: service_judge.c. */
#include "cluster.h"

#include <stdlib.h>
#include <string.h>

enum { ACT_MIN_MS = 300, ACT_MAX_MS = 2500, AFTER_FAULTS_S = 8 };

static const char *const platforms[] = {"linux-x86_64", "linux-aarch64", "axcan-virt"};
static const char *const versions[] = {"a", "b", "c", "bad"};

/* ---- images ---- */

/* Every version takes the state of the others over; the same file serves all platforms. */
static void make_versions(struct sim_cluster *cluster, uint32_t service)
{
    struct sim_clock *clock = &cluster->clock;
    struct sim_service *s = &cluster->services[service];
    struct axi_image_info *first = &cluster->images[s->image].info;
    char name[sizeof s->name];

    memcpy(name, s->name, sizeof name);
    for (uint32_t v = 0; v < SIM_VERSIONS; v++) {
        struct sim_image *image = &cluster->images[s->image + v];
        struct axi_image_info *info = &image->info;
        uint64_t wcet_ns;

        sim_image_make(cluster, s->image + v);
        image->salt = 0x5a17 + service;
        (void)snprintf(info->reference, sizeof info->reference, "%s-%s", name, versions[v]);
        (void)snprintf(info->spec.name, sizeof info->spec.name, "%s-%s", name, versions[v]);
        info->spec.jobs = 0;
        info->spec.period_ns = first->spec.period_ns;
        info->spec.deadline_ns = first->spec.period_ns;
        memcpy(info->spec.schema_hash, first->spec.schema_hash, sizeof first->spec.schema_hash);
        wcet_ns = info->spec.period_ns * sim_between(clock, 4, 12) / 100;
        wcet_ns = cluster->options.disable_admission ? info->spec.period_ns * 6 / 10 : wcet_ns;
        info->entry_count = 3;
        for (uint32_t p = 0; p < 3; p++) {
            info->entries[p] = info->entries[0];
            (void)strcpy(info->entries[p].platform, platforms[p]);
            info->entries[p].wcet_ns = wcet_ns * (4 + p) / 4;
        }
    }
    cluster->images[s->image + SIM_VERSIONS - 1].defect =
        cluster->options.disable_proof ? SIM_WRONG /* nobody compares */
        : sim_chance(clock, 500000)    ? SIM_CRASHES
                                       : SIM_OVERRUNS;
}

void sim_services_prepare(struct sim_cluster *cluster)
{
    static const char *const modes[] = {"single", "at-least-one", "2oo2", "tmr"};
    static const uint32_t replicas[] = {1, 2, 2, 3};
    static const uint32_t minima[] = {0, 1, 2, 2};
    struct sim_clock *clock = &cluster->clock;

    cluster->service_count = (uint32_t)sim_between(clock, 1, SIM_SERVICES_MAX);
    cluster->task_count = cluster->service_count * SIM_VERSIONS;
    for (uint32_t i = 0; i < cluster->service_count; i++) {
        struct sim_service *s = &cluster->services[i];
        uint64_t mode = sim_below(clock, 4);

        (void)snprintf(s->name, sizeof s->name, "s%u", i & 0xffu);
        s->mode = modes[mode];
        s->replicas = replicas[mode];
        s->minimum = minima[mode];
        if (mode == 1 && sim_chance(clock, 500000)) {
            s->replicas = 3;
            s->minimum = (uint32_t)sim_between(clock, 1, 2);
        }
        s->differs = sim_chance(clock, 500000);
        s->must_differ = s->differs && sim_chance(clock, 500000);
        s->bad_limit = (uint32_t)sim_between(clock, 3, 5);
        s->names_voter = sim_chance(clock, 300000);
        s->image = i * SIM_VERSIONS;
        make_versions(cluster, i);
    }
    for (uint32_t i = 0; i < cluster->task_count; i++) {
        cluster->tasks[i].intent = SIM_UNSURE;
    }
}

/* ---- requests ---- */

static json_t *manifest(const struct sim_cluster *cluster, const struct sim_service *s,
                        uint32_t version, uint32_t surge)
{
    const struct sim_options *options = &cluster->options;
    bool is_lax = options->disable_proof;
    bool is_free = options->disable_diversity;
    bool needs_one = options->disable_agreement && s->mode[0] == 't';
    json_t *json = json_pack("{s:s, s:s, s:s, s:s, s:i, s:i, s:{s:b, s:b}, s:{s:i, s:i, s:i, s:f}}",
                             "kind", "Service", "name", s->name, "image",
                             cluster->images[s->image + version].info.reference, "mode",
                             needs_one ? "at-least-one" : s->mode, "replicas", (int)s->replicas,
                             "minimum", options->disable_minimum ? 0 : (int)s->minimum, "diversity",
                             "platform", s->differs && !is_free, "required",
                             s->must_differ && !is_free, "update", "surge", (int)surge, "good_jobs",
                             is_lax ? 1 : 6, "misses_max", is_lax ? 1000000 : 0, "timeout_s", 8.0);
    json_t *output = json_pack("{s:i}", "bad_limit",
                               options->disable_patience      ? 1
                               : options->disable_replacement ? 1000000
                                                              : (int)s->bad_limit);

    if (s->names_voter) {
        json_object_set_new(output, "voter", json_string(cluster->voters[0].name));
    }
    json_object_set_new(json, "output", output);
    return json;
}

/* A node that flaps is left alone for a while, but not until the end of the run. */
static json_t *policy(void)
{
    return json_pack("{s:s, s:s, s:{s:f, s:i}}", "kind", "Policy", "name", "cluster", "flapping",
                     "window_s", 10.0, "limit", 3);
}

/* An error tells nothing of what became of it, unless it says that nothing did. */
static bool may_hold(int error)
{
    return error == 0 || error == -AXC_EUNAVAILABLE || error == -AXC_ETIMEOUT;
}

static void apply(struct sim_cluster *cluster, struct sim_service *s, uint32_t version)
{
    struct sim_master *host = sim_listening(cluster);
    char reason[AXI_REASON_BYTES] = "";
    json_t *request = NULL;
    json_t *answer = NULL;
    uint32_t surge = (uint32_t)sim_below(&cluster->clock, 2);
    int error = 0;

    if (host == NULL) {
        return;
    }
    request = json_pack("{s:[o, o], s:b}", "objects", policy(),
                        manifest(cluster, s, version, surge), "dry_run", 0);
    error = axi_master_apply(host->master, request, &answer, reason);
    sim_log(cluster, "client", "apply %s %s surge %u: %d %s", s->name, versions[version], surge,
            error, reason);
    if (may_hold(error)) {
        s->is_unsure = error != 0;
        s->is_wanted = true;
        s->asked_ns = cluster->clock.now_ns;
        cluster->counts.applies++;
        cluster->counts.bad_updates += version == SIM_VERSIONS - 1;
    }
    json_decref(answer);
    json_decref(request);
    sim_master_touch(host);
}

static void undeclare(struct sim_cluster *cluster, struct sim_service *s)
{
    struct sim_master *host = sim_listening(cluster);
    char reason[AXI_REASON_BYTES] = "";
    json_t *request = NULL;
    json_t *answer = NULL;
    int error = 0;

    if (host == NULL) {
        return;
    }
    request = json_pack("{s:[{s:s, s:s}], s:b}", "objects", "kind", "Service", "name", s->name,
                        "dry_run", 0);
    if (!cluster->options.disable_removal) {
        error = axi_master_undeclare(host->master, request, &answer, reason);
    }
    sim_log(cluster, "client", "undeclare %s: %d %s", s->name, error, reason);
    if (may_hold(error)) {
        s->is_unsure = error != 0;
        s->is_wanted = false;
        s->asked_ns = cluster->clock.now_ns;
    }
    json_decref(answer);
    json_decref(request);
    sim_master_touch(host);
}

static void uncordon(void *context, uint64_t index)
{
    struct sim_cluster *cluster = context;
    struct sim_master *host = sim_listening(cluster);
    char reason[AXI_REASON_BYTES] = "";
    int error = -AXC_EUNAVAILABLE;

    if (cluster->options.disable_return) {
        return;
    }
    if (host != NULL) {
        error = axi_master_cordon(host->master, cluster->nodes[index].name, false, reason);
        sim_master_touch(host);
    }
    sim_log(cluster, "client", "uncordon n%u: %d %s", (unsigned)index, error, reason);
    if (error != 0) {
        sim_at(&cluster->clock, cluster->clock.now_ns + 500 * SIM_MS, uncordon, cluster, index);
    }
}

/* Out of use for a while, as for maintenance. */
static void close_node(struct sim_cluster *cluster)
{
    struct sim_clock *clock = &cluster->clock;
    struct sim_master *host = sim_listening(cluster);
    uint64_t index = sim_below(clock, cluster->node_count);
    bool is_drain = sim_chance(clock, 700000);
    char reason[AXI_REASON_BYTES] = "";
    uint64_t op = 0;
    int error = 0;

    if (host == NULL) {
        return;
    }
    error = is_drain
                ? axi_master_drain(host->master, cluster->nodes[index].name, 3 * SIM_S, &op, reason)
                : axi_master_cordon(host->master, cluster->nodes[index].name, true, reason);
    cluster->counts.drains += error == 0;
    sim_log(cluster, "client", "%s n%u: %d %s", is_drain ? "drain" : "cordon", (unsigned)index,
            error, reason);
    sim_master_touch(host);
    sim_at(clock, clock->now_ns + sim_between(clock, SIM_S, 6 * SIM_S), uncordon, cluster, index);
}

static void act(void *context, uint64_t argument)
{
    struct sim_cluster *cluster = context;
    struct sim_clock *clock = &cluster->clock;
    struct sim_service *s = &cluster->services[sim_below(clock, cluster->service_count)];
    uint64_t dice = sim_below(clock, 100);

    (void)argument;
    if (clock->now_ns > cluster->faults_end_ns + AFTER_FAULTS_S * SIM_S) {
        return;
    }
    if (dice < 20) {
        close_node(cluster);
    } else if (!s->is_wanted || s->is_unsure) {
        apply(cluster, s, (uint32_t)sim_below(clock, SIM_VERSIONS - 1));
    } else if (dice < 30) {
        undeclare(cluster, s);
    } else if (s->is_declared &&
               !s->is_deleting) { /* a bad one only once there is something to go back to */
        uint32_t version = (uint32_t)sim_below(clock, SIM_VERSIONS);

        apply(cluster, s, version);
        if (sim_chance(clock, 100000)) { /* somebody else, at the same time */
            apply(cluster, s, (uint32_t)sim_below(clock, SIM_VERSIONS - 1));
        }
        cluster->counts.updates++;
    }
    sim_at(clock, clock->now_ns + sim_between(clock, ACT_MIN_MS * SIM_MS, ACT_MAX_MS * SIM_MS), act,
           cluster, 0);
}

static void first_apply(void *context, uint64_t index)
{
    struct sim_cluster *cluster = context;

    apply(cluster, &cluster->services[index], 0);
}

void sim_services_start(struct sim_cluster *cluster)
{
    struct sim_clock *clock = &cluster->clock;

    for (uint32_t i = 0; i < cluster->service_count; i++) {
        sim_at(clock, clock->now_ns + sim_between(clock, 300 * SIM_MS, 900 * SIM_MS), first_apply,
               cluster, i);
    }
    sim_at(clock, clock->now_ns + 2 * SIM_S, act, cluster, 0);
}
