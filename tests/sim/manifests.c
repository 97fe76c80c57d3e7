/* SPDX-License-Identifier: Apache-2.0 */
/* What clients declare: services with the images of their versions, nodes with labels, a policy. */
#include "base/sha256.h"
#include "cluster.h"

#include <stdlib.h>
#include <string.h>

static const char *const platforms[] = {"linux-x86_64", "linux-aarch64", "axcan-virt"};
static const char *const versions[] = {"a", "b", "c", "bad", "lesser"};

/* ---- images ---- */

/* The state of simulated tasks (machine.h), and the same with its fields in another order. */
static void set_schema(struct sim_image *image, uint32_t service, bool is_mirrored)
{
    static const char *const fields[2][6] = {{"jobs", "chain", "last", "partial", "step", "pad"},
                                             {"chain", "jobs", "partial", "last", "pad", "step"}};
    int used =
        snprintf(image->schema, sizeof image->schema, "axcan-schema 1 %u\n", SIM_STATE_BYTES);
    struct axi_sha256 sha;

    for (uint32_t i = 0; i < 6; i++) {
        used += snprintf(image->schema + used, sizeof image->schema - (size_t)used,
                         "%s%u %u 8 u64\n", fields[is_mirrored][i], service, 8 * i);
    }
    axi_sha256_init(&sha);
    axi_sha256_update(&sha, image->schema, strlen(image->schema));
    axi_sha256_final(&sha, image->info.spec.schema_hash);
    image->is_mirrored = is_mirrored;
}

static uint64_t draw_wcet(struct sim_cluster *cluster, uint64_t period_ns)
{
    uint64_t percent = cluster->is_crowded ? sim_between(&cluster->clock, 26, 40)
                                           : sim_between(&cluster->clock, 4, 12);

    return cluster->options.disable_admission ? period_ns * 6 / 10 : period_ns * percent / 100;
}

/* Every version takes the state of the others over; the same file serves all platforms, or those
 * that the service is limited to. */
static void make_image(struct sim_cluster *cluster, const struct sim_service *s, uint32_t version)
{
    struct sim_image *image = &cluster->images[s->image + version];
    const struct axi_image_info *first = &cluster->images[s->image].info;
    struct axi_image_info *info = &image->info;
    uint32_t service = (uint32_t)(s - cluster->services);
    bool is_lesser = version == SIM_LESSER;
    struct axi_image_entry entry;
    char name[sizeof s->name];
    uint64_t wcet_ns;

    (void)strcpy(name, s->name); /* gcc believes that the cluster's own would overlap */
    sim_image_make(cluster, s->image + version);
    entry = info->entries[0];
    image->salt = 0x5a17 + service;
    (void)snprintf(info->reference, sizeof info->reference, "%.7s-%s", name, versions[version]);
    (void)snprintf(info->spec.name, sizeof info->spec.name, "%.7s-%s", name, versions[version]);
    info->spec.jobs = 0;
    info->spec.period_ns = first->spec.period_ns;
    info->spec.deadline_ns = first->spec.period_ns;
    set_schema(image, service, is_lesser && s->is_lesser_mirrored);
    wcet_ns = draw_wcet(cluster, info->spec.period_ns);
    info->entry_count = 0;
    for (uint32_t p = 0; p < 3; p++) {
        if (is_lesser || (s->platforms & 1u << p) != 0) {
            (void)strcpy(entry.platform, platforms[p]);
            entry.wcet_ns = wcet_ns * (4 + p) / 4;
            info->entries[info->entry_count++] = entry;
        }
    }
}

static void make_versions(struct sim_cluster *cluster, const struct sim_service *s)
{
    for (uint32_t v = 0; v < SIM_EACH; v++) {
        make_image(cluster, s, v);
    }
    cluster->images[s->image + SIM_BAD].defect =
        cluster->options.disable_proof        ? SIM_WRONG /* nobody compares */
        : sim_chance(&cluster->clock, 500000) ? SIM_CRASHES
                                              : SIM_OVERRUNS;
}

/* ---- services ---- */

static void draw_mode(struct sim_cluster *cluster, struct sim_service *s)
{
    static const char *const modes[] = {"single", "at-least-one", "2oo2", "tmr"};
    static const uint32_t replicas[] = {1, 2, 2, 3};
    static const uint32_t minima[] = {0, 1, 2, 2};
    struct sim_clock *clock = &cluster->clock;
    uint64_t mode = sim_below(clock, 4);

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
}

/* Where it may run, what it does when it cannot, and what it needs when a node is lost. */
static void draw_places(struct sim_cluster *cluster, struct sim_service *s)
{
    struct sim_clock *clock = &cluster->clock;

    s->platforms = 7;
    s->needs_label = sim_chance(clock, 300000);
    s->prefers = sim_chance(clock, 200000);
    if (s->replicas <= 2 && sim_chance(clock, 400000)) {
        s->may_degrade = true;
        s->needs_label = s->differs = s->must_differ = false;
        s->is_lesser_mirrored = sim_chance(clock, 500000);
        s->platforms = s->replicas == 1 ? 4 : 1; /* one node of five, two nodes */
    } else {
        s->survives = sim_chance(clock, cluster->is_crowded ? 700000 : 300000) &&
                      s->replicas + s->needs_label < cluster->node_count && !s->must_differ;
    }
}

void sim_services_prepare(struct sim_cluster *cluster)
{
    struct sim_clock *clock = &cluster->clock;

    cluster->is_crowded = sim_chance(clock, 250000) || cluster->options.disable_spare;
    cluster->service_count = (uint32_t)sim_between(clock, 1, SIM_SERVICES_MAX);
    cluster->task_count = cluster->service_count * SIM_EACH;
    for (uint32_t i = 0; i < cluster->service_count; i++) {
        struct sim_service *s = &cluster->services[i];

        (void)snprintf(s->name, sizeof s->name, "s%u", i & 0xffu);
        draw_mode(cluster, s);
        draw_places(cluster, s);
        s->image = i * SIM_EACH;
        make_versions(cluster, s);
    }
    for (uint32_t i = 0; i < cluster->task_count; i++) {
        cluster->tasks[i].intent = SIM_UNSURE;
    }
}

static void add_places(const struct sim_cluster *cluster, const struct sim_service *s, json_t *json)
{
    const struct sim_options *options = &cluster->options;

    if (s->needs_label && !options->disable_labels) {
        json_object_set_new(json, "labels", json_pack("{s:s}", "bay", "open"));
    }
    if (s->prefers) {
        json_object_set_new(json, "prefer", json_pack("{s:s}", "rack", "b"));
    }
    if (s->survives && !options->disable_spare) {
        json_object_set_new(json, "survive_node_loss", json_true());
    }
    if (s->may_degrade && !options->disable_whole) {
        json_object_set_new(json, "degraded",
                            json_pack("{s:s, s:s, s:f}", "image",
                                      cluster->images[s->image + SIM_LESSER].info.reference,
                                      "state", s->is_lesser_mirrored ? "map" : "carry", "after_s",
                                      1.0));
    }
}

json_t *sim_manifest_service(const struct sim_cluster *cluster, const struct sim_service *s,
                             uint32_t version, uint32_t surge)
{
    const struct sim_options *options = &cluster->options;
    bool is_lax = options->disable_proof;
    bool is_free = options->disable_diversity;
    bool needs_one = options->disable_agreement && s->mode[0] == 't';
    uint32_t image = s->may_degrade && options->disable_whole ? SIM_LESSER : version;
    uint32_t limit = options->disable_patience ? 1 : options->disable_replacement ? 1000000 : 0;
    json_t *output = json_pack("{s:i}", "bad_limit", (int)(limit != 0 ? limit : s->bad_limit));
    json_t *json = json_pack(
        "{s:s, s:s, s:s, s:s, s:i, s:i, s:{s:b, s:b}, s:{s:i, s:i, s:i, s:f}, s:o}", "kind",
        "Service", "name", s->name, "image", cluster->images[s->image + image].info.reference,
        "mode", needs_one ? "at-least-one" : s->mode, "replicas", (int)s->replicas, "minimum",
        options->disable_minimum ? 0 : (int)s->minimum, "diversity", "platform",
        s->differs && !is_free, "required", s->must_differ && !is_free, "update", "surge",
        (int)surge, "good_jobs", is_lax ? 1 : 6, "misses_max", is_lax ? 1000000 : 0, "timeout_s",
        8.0, "output", output);

    if (s->names_voter && cluster->voter_count > 0) {
        json_object_set_new(output, "voter", json_string(cluster->voters[0].name));
    }
    add_places(cluster, s, json);
    return json;
}

/* ---- nodes, policy ---- */

uint32_t sim_twin_node(struct sim_cluster *cluster)
{
    uint32_t twins = cluster->node_count - 3; /* of the first so many platforms there are two */
    uint32_t platform = (uint32_t)sim_below(&cluster->clock, twins);

    return platform + (sim_chance(&cluster->clock, 500000) ? 3 : 0);
}

json_t *sim_manifest_nodes(const struct sim_cluster *cluster)
{
    json_t *list = json_array();

    for (uint32_t i = 0; i < cluster->node_count; i++) {
        json_array_append_new(list, json_pack("{s:s, s:s, s:{s:s, s:s}}", "kind", "Node", "name",
                                              cluster->nodes[i].name, "labels", "bay",
                                              i == cluster->bare_node ? "shut" : "open", "rack",
                                              i % 2 == 0 ? "a" : "b"));
    }
    return list;
}

/* A node that flaps is left alone for a while, but not until the end of the run. */
json_t *sim_manifest_policy(void)
{
    return json_pack("{s:s, s:s, s:{s:f, s:i}}", "kind", "Policy", "name", "cluster", "flapping",
                     "window_s", 10.0, "limit", 3);
}
