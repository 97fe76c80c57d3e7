/* SPDX-License-Identifier: Apache-2.0 */
/* axcan-sim: whole clusters in virtual time, one per seed. docs/testing.md. */
#include "cluster.h"

#include <getopt.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { EVENTS_MAX = 8000000, QUIET_S = 22, SERVICES_QUIET_S = 50 };

static volatile uint64_t seed_under_way;

void sim_log(struct sim_cluster *cluster, const char *who, const char *format, ...)
{
    va_list arguments;

    if (!cluster->options.is_verbose) {
        return;
    }
    (void)printf("%11.6f %-6s ", (double)(cluster->clock.now_ns - cluster->start_ns) / 1e9, who);
    va_start(arguments, format);
    (void)vprintf(format, arguments);
    va_end(arguments);
    (void)putchar('\n');
}

static void say_seed(int signal_number)
{
    char text[96];
    /* The process is lost already; its seed is worth the risk.
     * NOLINTNEXTLINE(bugprone-signal-handler) */
    int length = snprintf(text, sizeof text, "\naxcan-sim: signal %d in seed %llu\n", signal_number,
                          (unsigned long long)seed_under_way);

    (void)!write(STDOUT_FILENO, text, (size_t)length);
    (void)signal(signal_number, SIG_DFL);
    (void)raise(signal_number);
}

static uint64_t virtual_now(void *context)
{
    return ((struct sim_clock *)context)->now_ns;
}

static void set_up(struct sim_cluster *cluster, uint64_t seed, const struct sim_options *options)
{
    const struct axi_store_sqlite_options store = {.path = ":memory:",
                                                   .is_volatile = 1,
                                                   .now_ns = virtual_now,
                                                   .clock_context = &cluster->clock};

    memset(cluster, 0, sizeof *cluster);
    cluster->options = *options;
    cluster->seed = seed;
    sim_clock_init(&cluster->clock, seed);
    cluster->clock.now_ns = 1800000000ull * SIM_S; /* TAI, some day in 2027 */
    cluster->start_ns = cluster->clock.now_ns;
    cluster->faults_end_ns = cluster->start_ns + sim_between(&cluster->clock, 4, 12) * SIM_S;
    cluster->end_ns =
        cluster->faults_end_ns + (options->has_services ? SERVICES_QUIET_S : QUIET_S) * SIM_S;
    cluster->network = sim_network_new(&cluster->clock);
    cluster->verdict = calloc(1, sizeof *cluster->verdict);
    if (cluster->verdict == NULL || axi_store_sqlite_new(&store, &cluster->store) < 0) {
        abort();
    }
    cluster->consumer.clock = &cluster->clock;
    cluster->consumer.skip_epoch_check = options->disable_epoch;
    cluster->node_count = options->has_services
                              ? (uint32_t)sim_between(&cluster->clock, 4, SIM_NODES_MAX)
                              : (uint32_t)sim_between(&cluster->clock, 2, SIM_NODES_MAX - 1);
    if (options->has_services) {
        sim_services_prepare(cluster);
    } else {
        sim_workload_prepare(cluster);
    }
    for (uint32_t i = 0; i < SIM_MASTERS; i++) {
        cluster->masters[i].crash_at = UINT32_MAX;
    }
    for (uint32_t i = 0; i < cluster->node_count; i++) {
        sim_node_init(cluster, i);
    }
    cluster->manager_count = options->managers >= 0 ? (uint32_t)options->managers
                             : sim_chance(&cluster->clock, 300000)
                                 ? 0
                                 : (uint32_t)sim_between(&cluster->clock, 2, SIM_MANAGERS_MAX);
    for (uint32_t i = 0; i < cluster->manager_count; i++) {
        sim_manager_init(cluster, i);
    }
    cluster->votes = sim_votes_new();
    cluster->voter_count = options->has_services && sim_chance(&cluster->clock, 850000)
                               ? (uint32_t)sim_between(&cluster->clock, 1, SIM_VOTERS_MAX)
                               : 0;
    for (uint32_t i = 0; i < cluster->voter_count; i++) {
        sim_voter_init(cluster, i);
    }
    sim_faults_start(cluster);
    cluster->has_election = seed % 4 == 3 && !options->disable_cas && !options->disable_claim &&
                            !options->disable_epoch && !options->disable_fence &&
                            !options->disable_lapse;
    sim_master_boot(cluster, 0);
    if (cluster->has_election) {
        sim_master_boot(cluster, 1);
    }
    for (uint32_t i = 0; i < cluster->manager_count; i++) {
        sim_manager_boot(&cluster->managers[i]);
    }
    for (uint32_t i = 0; i < cluster->node_count; i++) {
        sim_node_boot(&cluster->nodes[i]);
    }
    for (uint32_t i = 0; i < cluster->voter_count; i++) {
        sim_voter_boot(&cluster->voters[i]);
    }
    if (options->has_services) {
        sim_services_start(cluster);
        sim_calm_start(cluster);
    } else {
        sim_workload_start(cluster);
    }
}

static void tear_down(struct sim_cluster *cluster)
{
    for (uint32_t i = 0; i < SIM_MASTERS; i++) {
        axi_master_free(cluster->masters[i].master);
        axi_leader_free(cluster->masters[i].leader);
    }
    for (uint32_t i = 0; i < cluster->manager_count; i++) {
        sim_manager_deinit(&cluster->managers[i]);
    }
    for (uint32_t i = 0; i < cluster->node_count; i++) {
        sim_node_deinit(&cluster->nodes[i]);
    }
    for (uint32_t i = 0; i < cluster->voter_count; i++) {
        sim_voter_deinit(&cluster->voters[i]);
    }
    sim_actuators_deinit(cluster);
    sim_votes_free(cluster->votes);
    sim_network_free(cluster->network);
    sim_consumer_deinit(&cluster->consumer);
    sim_store_deinit(cluster);
    axi_verdict_free(cluster->verdict);
    sim_clock_deinit(&cluster->clock);
}

struct totals {
    uint64_t jobs, migrations, restores, aborted, crashes, crash_points, failovers, store_faults;
    uint64_t agreed, replaced, calm, degraded, spares;
};

static bool run_seed(uint64_t seed, const struct sim_options *options, struct totals *totals)
{
    struct sim_cluster *cluster = malloc(sizeof *cluster);
    bool is_ok = false;

    if (cluster == NULL) {
        abort();
    }
    seed_under_way = seed;
    set_up(cluster, seed, options);
    while (cluster->clock.executed < EVENTS_MAX && sim_step(&cluster->clock, cluster->end_ns)) {
    }
    if (cluster->clock.executed >= EVENTS_MAX) {
        (void)axi_verdict_violate(cluster->verdict, AXI_I5, NULL,
                                  "the cluster never rests: %d "
                                  "events",
                                  EVENTS_MAX);
    }
    is_ok = sim_judge(cluster);
    for (size_t i = 0; i < cluster->verdict->task_count; i++) {
        totals->jobs += cluster->verdict->tasks[i].released;
    }
    for (size_t i = 0; i < cluster->verdict->handover_count; i++) {
        totals->restores += cluster->verdict->handovers[i].is_restore;
        totals->migrations += !cluster->verdict->handovers[i].is_restore;
    }
    totals->aborted += cluster->counts.aborted;
    totals->crashes += cluster->counts.node_crashes + cluster->counts.master_crashes +
                       cluster->counts.manager_crashes;
    totals->crash_points += cluster->counts.crash_points;
    totals->failovers += cluster->counts.failovers;
    totals->store_faults += cluster->counts.store_faults;
    totals->agreed += cluster->counts.agreed;
    totals->replaced += cluster->counts.replaced;
    totals->calm += cluster->counts.calm;
    totals->degraded += cluster->counts.degraded;
    totals->spares += cluster->counts.spares;
    tear_down(cluster);
    free(cluster);
    return is_ok;
}

static int usage(void)
{
    (void)fputs("usage: axcan-sim [--seeds N] [--seed S] [--managers N] [--services] "
                "[--disable X]... [-v]\n"
                "  --seeds N   seeds S .. S + N - 1 (default 500 from 1)\n"
                "  --seed S    first seed; alone: only this one\n"
                "  --managers N  so many checkpoint managers (default: drawn, 0, 2 or 3)\n"
                "  --services  declared services instead of single tasks\n"
                "  --disable X turns one protection off: the run must then fail; cas, fence,\n"
                "              epoch, claim, lapse, grid; of services also admission, minimum,\n"
                "              diversity, proof, removal, return, agreement, patience,\n"
                "              replacement, majority, once, labels, degrading, whole, spare\n"
                "  --stop-at N  stop at the N-th failing seed (default 5)\n"
                "  --keep-going  never stop\n"
                "  -v          event log\n",
                stderr);
    return 2;
}

static const struct {
    const char *name;
    size_t offset; /* of its flag */
} switches[] = {
    {"cas", offsetof(struct sim_options, disable_cas)},
    {"fence", offsetof(struct sim_options, disable_fence)},
    {"epoch", offsetof(struct sim_options, disable_epoch)},
    {"claim", offsetof(struct sim_options, disable_claim)},
    {"lapse", offsetof(struct sim_options, disable_lapse)},
    {"grid", offsetof(struct sim_options, disable_grid)},
    {"admission", offsetof(struct sim_options, disable_admission)},
    {"minimum", offsetof(struct sim_options, disable_minimum)},
    {"diversity", offsetof(struct sim_options, disable_diversity)},
    {"proof", offsetof(struct sim_options, disable_proof)},
    {"removal", offsetof(struct sim_options, disable_removal)},
    {"return", offsetof(struct sim_options, disable_return)},
    {"labels", offsetof(struct sim_options, disable_labels)},
    {"spare", offsetof(struct sim_options, disable_spare)},
    {"whole", offsetof(struct sim_options, disable_whole)},
    {"degrading", offsetof(struct sim_options, disable_degrading)},
    {"agreement", offsetof(struct sim_options, disable_agreement)},
    {"patience", offsetof(struct sim_options, disable_patience)},
    {"replacement", offsetof(struct sim_options, disable_replacement)},
    {"majority", offsetof(struct sim_options, disable_majority)},
    {"once", offsetof(struct sim_options, disable_once)},
};
#define SWITCHES (sizeof switches / sizeof switches[0])

static bool disable(struct sim_options *options, const char *what)
{
    for (size_t i = 0; i < SWITCHES; i++) {
        if (strcmp(switches[i].name, what) == 0) {
            *(bool *)((char *)options + switches[i].offset) = true;
            return true;
        }
    }
    return false;
}

static void print_replay(uint64_t seed, const struct sim_options *options)
{
    (void)printf("seed %llu FAILED; replay: axcan-sim --seed %llu -v%s", (unsigned long long)seed,
                 (unsigned long long)seed, options->has_services ? " --services" : "");
    for (size_t i = 0; i < SWITCHES; i++) {
        if (*(const bool *)((const char *)options + switches[i].offset)) {
            (void)printf(" --disable %s", switches[i].name);
        }
    }
    if (options->managers >= 0) {
        (void)printf(" --managers %d", options->managers);
    }
    (void)putchar('\n');
    (void)fflush(stdout);
}

static int run_all(uint64_t first, uint64_t count, const struct sim_options *options,
                   uint64_t stop_at)
{
    struct totals totals = {0};
    uint64_t failed = 0;
    uint64_t done = 0;
    clock_t began = clock();

    for (; done < count && failed < stop_at; done++) {
        if (!run_seed(first + done, options, &totals)) {
            failed++;
            print_replay(first + done, options);
        }
    }
    (void)printf("%llu seeds, %llu failed: %llu jobs, %llu migrations, %llu restores, %llu failed "
                 "operations, %llu crashes (%llu at crash points), %llu failovers, %llu store "
                 "faults; %.1f s of processor time\n",
                 (unsigned long long)done, (unsigned long long)failed,
                 (unsigned long long)totals.jobs, (unsigned long long)totals.migrations,
                 (unsigned long long)totals.restores, (unsigned long long)totals.aborted,
                 (unsigned long long)totals.crashes, (unsigned long long)totals.crash_points,
                 (unsigned long long)totals.failovers, (unsigned long long)totals.store_faults,
                 (double)(clock() - began) / CLOCKS_PER_SEC);
    if (options->has_services) {
        (void)printf("%llu outputs agreed on, %llu replicas replaced for theirs, %llu degraded; in "
                     "the calm %llu clusters struck, %llu judged for the loss of each node\n",
                     (unsigned long long)totals.agreed, (unsigned long long)totals.replaced,
                     (unsigned long long)totals.degraded, (unsigned long long)totals.calm,
                     (unsigned long long)totals.spares);
    }
    return failed == 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
    static const struct option names[] = {{"seeds", required_argument, NULL, 'n'},
                                          {"seed", required_argument, NULL, 's'},
                                          {"managers", required_argument, NULL, 'm'},
                                          {"services", no_argument, NULL, 'S'},
                                          {"disable", required_argument, NULL, 'd'},
                                          {"keep-going", no_argument, NULL, 'k'},
                                          {"stop-at", required_argument, NULL, 'a'},
                                          {"verbose", no_argument, NULL, 'v'},
                                          {NULL, 0, NULL, 0}};
    struct sim_options options = {.managers = -1};
    uint64_t first = 1;
    uint64_t count = 0;
    bool is_one = false;
    uint64_t stop_at = 5;

    for (int c = 0; (c = getopt_long(argc, argv, "v", names, NULL)) != -1;) {
        switch (c) {
        case 'n':
            count = strtoull(optarg, NULL, 10);
            break;
        case 's':
            first = strtoull(optarg, NULL, 10);
            is_one = true;
            break;
        case 'm':
            options.managers = atoi(optarg) % (int)(SIM_MANAGERS_MAX + 1);
            break;
        case 'd':
            if (!disable(&options, optarg)) {
                return usage();
            }
            break;
        case 'S':
            options.has_services = true;
            break;
        case 'k':
            stop_at = UINT64_MAX;
            break;
        case 'a':
            stop_at = strtoull(optarg, NULL, 10);
            break;
        case 'v':
            options.is_verbose = true;
            break;
        default:
            return usage();
        }
    }
    (void)signal(SIGSEGV, say_seed);
    (void)signal(SIGABRT, say_seed);
    return run_all(first, count != 0 ? count : is_one ? 1 : 500, &options, stop_at);
}
