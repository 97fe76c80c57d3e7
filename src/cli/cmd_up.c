/* SPDX-License-Identifier: Apache-2.0 */
/* axcan up: a cluster of this machine in the background. axcan down: cmd_down.c */
#include "cli/client.h"
#include "cli/cluster.h"
#include "cli/command.h"
#include "cli/ecu.h"
#include "cli/member.h"
#include "cli/up_hosts.h"
#include "cli/up_managers.h"
#include "cli/up_masters.h"
#include "cli/up_store.h"
#include "cli/up_voters.h"
#include "host/os_files.h"
#include "image/boards.h"
#include "net/host.h"

#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define NODES_MAX 64u
#define ECUS_MAX 16u
#define PARTITIONS_MAX 16u
#define MEMBERS_MAX (1u + NODES_MAX + ECUS_MAX + PARTITIONS_MAX)
#define UNSET UINT64_MAX
#define NODES_DEFAULT 3u
#define MANAGERS_DEFAULT 2u
#define CAPACITY_PPM 900000u

struct up {
    struct axi_client client;
    char dir[AXI_CLI_PATH_BYTES];
    uint64_t nodes, ecus, partitions, managers; /* wanted; UNSET = what is there */
    uint64_t lease_ms, capacity_ppm, slots;
    const char *fifo, *board, *partition_board, *store;
    json_t *cluster;
    bool is_started[MEMBERS_MAX]; /* by this command, not before */
    bool is_manager_started[AXI_UP_MANAGERS_MAX];
    struct axi_up_voters voters;
    struct axi_up_hosts hosts;
    struct axi_up_masters masters;
    bool is_new;                          /* there was no cluster here */
    size_t members_there, managers_there; /* before this command */
};

static json_t *members_of(const struct up *up)
{
    return json_object_get(up->cluster, "members");
}

/* Members of one kind are named by it and a number: "node1", "ecu1". */
static uint64_t count_kind(const struct up *up, const char *kind)
{
    uint64_t count = 0;
    size_t index = 0;
    const json_t *member = NULL;

    json_array_foreach (members_of(up), index, member) {
        const char *name = json_string_value(json_object_get(member, "name"));

        count += name != NULL && strncmp(name, kind, strlen(kind)) == 0;
    }
    return count;
}

static int add_master(struct up *up)
{
    const char *listen = json_string_value(json_object_get(up->cluster, "listen"));
    const char *api = json_string_value(json_object_get(up->cluster, "api"));
    json_t *member = axi_member_new(up->dir, "master", "axcan-master");

    if (member == NULL) {
        return axi_cli_fail("up", "axcan-master is not there; build or install it");
    }
    axi_member_add_path(member, "--dir", up->dir, "master");
    axi_member_add_path(member, "--token-file", up->dir, "token");
    axi_member_add_path(member, "--ready-file", up->dir, "master.ready");
    axi_member_add(member, "--listen", listen != NULL ? listen : "127.0.0.1:0");
    axi_member_add(member, "--api", api != NULL ? api : "127.0.0.1:0");
    axi_member_add(member, "--history-dir", up->dir); /* of nodes without a disk */
    if (json_object_get(up->cluster, "store") != NULL) {
        axi_member_add(member, "--store", json_string_value(json_object_get(up->cluster, "store")));
    }
    if (up->lease_ms > 0) {
        axi_member_add_number(member, "--lease-ms", up->lease_ms);
    }
    (void)json_array_append_new(members_of(up), member);
    return 0;
}

/* The processors this process may use; returns how many. */
static unsigned list_cpus(unsigned cpus[CPU_SETSIZE])
{
    cpu_set_t set;
    unsigned count = 0;

    if (sched_getaffinity(0, sizeof(set), &set) < 0) {
        cpus[0] = 0;
        return 1;
    }
    for (unsigned i = 0; i < CPU_SETSIZE; i++) {
        if (CPU_ISSET(i, &set)) {
            cpus[count++] = i;
        }
    }
    return count;
}

/* Nodes go round the processors; those on one processor divide it, and one of them may use
 * SCHED_FIFO: two would preempt each other's tasks. */
static int add_node(struct up *up, unsigned index, const char *listen)
{
    unsigned cpus[CPU_SETSIZE];
    unsigned cpu_count = list_cpus(cpus);
    uint64_t sharing = (up->nodes - index % cpu_count + cpu_count - 1) / cpu_count;
    uint64_t capacity_ppm = up->capacity_ppm > 0 ? up->capacity_ppm : CAPACITY_PPM / sharing;
    char name[32];
    char file[64];

    (void)snprintf(name, sizeof(name), "node%u", index + 1);
    json_t *member = axi_member_new(up->dir, name, "axcan-node");

    if (member == NULL) {
        return axi_cli_fail("up", "axcan-node is not there; build or install it");
    }
    axi_member_add(member, "--name", name);
    axi_member_add(member, "--master", listen);
    axi_member_add(member, "--listen", "127.0.0.1:0");
    axi_member_add_path(member, "--dir", up->dir, name);
    axi_member_add_path(member, "--token-file", up->dir, "token");
    (void)snprintf(file, sizeof(file), "%s.history", name);
    axi_member_add_path(member, "--history", up->dir, file);
    axi_member_add_number(member, "--capacity", capacity_ppm);
    if (up->slots > 0) {
        axi_member_add_number(member, "--slots", up->slots);
    }
    if (index < cpu_count && strcmp(up->fifo, "no") != 0) {
        axi_member_add_number(member, "--cpu", cpus[index % cpu_count]);
        axi_member_add(member, "--fifo", up->fifo);
    } else { /* without SCHED_FIFO the kernel places better than we */
        axi_member_add(member, "--fifo", "no");
    }
    (void)json_array_append_new(members_of(up), member);
    return 0;
}

/* Nodes of Axcan OS: "ecu1" in QEMU, "part1" in a partition. */
static void add_os_node(struct up *up, const char *kind, uint64_t index, bool is_partition)
{
    char name[32];

    (void)snprintf(name, sizeof(name), "%s%" PRIu64, kind, index + 1);
    (void)json_array_append_new(
        members_of(up),
        axi_ecu_member(up->dir, name, is_partition ? up->partition_board : up->board,
                       up->capacity_ppm > 0 ? up->capacity_ppm : CAPACITY_PPM, is_partition));
}

static int make_token(const char *dir)
{
    char path[AXI_CLI_PATH_BYTES + 8];
    unsigned char bytes[32];
    char text[66];

    (void)snprintf(path, sizeof(path), "%s/token", dir);
    if (access(path, F_OK) == 0) {
        return 0;
    }
    if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes)) {
        return -AXC_EIO;
    }
    for (size_t i = 0; i < sizeof(bytes); i++) {
        (void)snprintf(text + 2 * i, 3, "%02x", bytes[i]);
    }
    (void)snprintf(text + 64, 2, "\n");
    return axi_host_write_file(path, text);
}

/* Starts the master when it is not alive and reads the addresses it bound. */
static int start_master(struct up *up)
{
    json_t *member = json_array_get(members_of(up), 0);

    if (axi_member_is_alive(member)) {
        return 0;
    }
    up->is_started[0] = true;
    int r = axi_member_start_bound(member, up->dir, up->client.http.deadline_ns);

    if (r == 0) {
        (void)json_object_set(up->cluster, "listen", json_object_get(member, "listen"));
        (void)json_object_set(up->cluster, "api", json_object_get(member, "api"));
    }
    return r;
}

static int start_nodes(struct up *up)
{
    const char *listen = json_string_value(json_object_get(up->cluster, "listen"));
    int r = 0;

    for (uint64_t i = count_kind(up, "node"); i < up->nodes && r == 0; i++) {
        r = add_node(up, (unsigned)i, listen);
    }
    for (uint64_t i = count_kind(up, "ecu"); i < up->ecus && r == 0; i++) {
        add_os_node(up, "ecu", i, false);
    }
    for (uint64_t i = count_kind(up, "part"); i < up->partitions && r == 0; i++) {
        add_os_node(up, "part", i, true);
    }
    for (size_t i = 1; r == 0 && i < json_array_size(members_of(up)); i++) {
        json_t *member = json_array_get(members_of(up), i);

        if (axi_member_is_alive(member)) {
            continue;
        }
        if (axi_ecu_is_member(member)) {
            r = axi_ecu_prepare(up->dir, listen, member);
        }
        if (r == 0 && axi_member_start(member) < 0) {
            r = axi_cli_fail("up", "a node cannot be started: out of processes or memory");
        }
        up->is_started[i] = r == 0;
    }
    return r;
}

static uint64_t count_ready(struct up *up)
{
    json_t *status = NULL;
    long http = 0;
    uint64_t ready = 0;

    if (axi_client_try(&up->client, "GET", "/v1/status", NULL, &http, &status) == 0 &&
        http == 200) {
        ready = (uint64_t)json_integer_value(json_object_get(status, "ready"));
    }
    json_decref(status);
    return ready;
}

static int wait_ready(struct up *up)
{
    size_t wanted = json_array_size(members_of(up)) - 1;
    uint64_t ready = 0;

    while ((ready = count_ready(up)) < wanted) {
        for (size_t i = 0; i <= wanted; i++) {
            const json_t *member = json_array_get(members_of(up), i);

            if (axi_member_is_dead_child(member)) {
                return axi_member_say_dead(member);
            }
        }
        if (axi_client_left_ms(&up->client) == 0) {
            return axi_cli_fail("up", "%" PRIu64 " of %zu nodes joined in time; see the logs in %s",
                                ready, wanted, up->dir);
        }
        (void)usleep(20000);
    }
    return 0;
}

static void truncate_array(json_t *array, size_t count)
{
    while (json_array_size(array) > count) {
        (void)json_array_remove(array, json_array_size(array) - 1);
    }
}

/* Ends what this command has started and forgets what it has added; what ran before goes on. */
static void undo(struct up *up)
{
    char path[AXI_CLI_PATH_BYTES + 16];

    for (size_t i = json_array_size(members_of(up)); i > 0; i--) {
        if (up->is_started[i - 1]) {
            (void)axi_member_stop(json_array_get(members_of(up), i - 1), 3000);
        }
    }
    axi_up_managers_stop(up->cluster, up->is_manager_started);
    axi_up_hosts_undo(&up->hosts, up->cluster);
    axi_up_voters_undo(&up->voters, up->cluster);
    axi_up_masters_undo(&up->masters, up->cluster);
    if (up->is_new) {
        axi_up_store_undo(up->cluster, up->dir);
        (void)snprintf(path, sizeof(path), "%s/cluster.json", up->dir);
        (void)unlink(path);
    } else {
        truncate_array(members_of(up), up->members_there);
        truncate_array(json_object_get(up->cluster, "managers"), up->managers_there);
        (void)!axi_cluster_save(up->dir, up->cluster);
    }
}

static int open_cluster(struct up *up)
{
    char path[AXI_CLI_PATH_BYTES + 16];

    (void)snprintf(path, sizeof(path), "%s/cluster.json", up->dir);
    up->cluster = axi_cluster_load(up->dir);
    if (up->cluster == NULL && access(path, F_OK) == 0) {
        return axi_cli_fail(
            "up", "%s is damaged; end what runs, then 'axcan down --purge' removes it", path);
    }
    if (up->cluster != NULL) {
        size_t there = json_array_size(members_of(up));

        if (there == 0 || there > MEMBERS_MAX) {
            return axi_cli_fail("up", "%s/cluster.json is damaged; 'axcan down --purge' removes it",
                                up->dir);
        }
        up->members_there = there;
        up->managers_there = json_array_size(json_object_get(up->cluster, "managers"));
        up->nodes = up->nodes == UNSET ? 0 : up->nodes; /* what is there stays */
        up->ecus = up->ecus == UNSET ? 0 : up->ecus;
        up->partitions = up->partitions == UNSET ? 0 : up->partitions;
        up->managers = up->managers == UNSET ? 0 : up->managers;
        return axi_up_store_check(up->cluster, up->store);
    }
    up->nodes = up->nodes == UNSET ? NODES_DEFAULT : up->nodes;
    up->ecus = up->ecus == UNSET ? 0 : up->ecus;
    up->partitions = up->partitions == UNSET ? 0 : up->partitions;
    up->managers = up->managers == UNSET ? MANAGERS_DEFAULT : up->managers;
    up->is_new = up->masters.is_new = true;
    up->cluster = json_pack("{s:[]}", "members");
    int r = axi_up_store_prepare(up->cluster, up->dir, up->store);

    return r == 0 ? add_master(up) : r;
}

/* After every step, so that 'axcan down' finds what runs when this command is interrupted. */
static int save(const struct up *up)
{
    return axi_cluster_save(up->dir, up->cluster) == 0
               ? 0
               : axi_cli_fail("up", "%s/cluster.json cannot be written", up->dir);
}

static int start_all(struct up *up)
{
    int r = axi_up_store_start(up->cluster, up->dir, up->client.http.deadline_ns);

    if (r == 0) {
        r = start_master(up);
    }
    if (r == 0) {
        r = axi_up_masters_start(&up->masters, up->cluster, up->dir, up->lease_ms,
                                 up->client.http.deadline_ns);
    }
    if (r == 0) {
        r = save(up);
    }
    if (r == 0) {
        r = axi_up_managers_start(up->cluster, up->dir, up->managers, up->lease_ms,
                                  up->client.http.deadline_ns, up->is_manager_started);
    }
    if (r == 0) {
        r = axi_up_voters_start(&up->voters, up->cluster, up->dir, up->client.http.deadline_ns);
    }
    if (r == 0) {
        r = save(up);
    }
    if (r == 0) {
        r = start_nodes(up);
    }
    if (r == 0) {
        r = save(up);
    }
    if (r == 0) {
        up->client.dir = up->dir;
        uint64_t deadline_ns = up->client.http.deadline_ns;

        r = axi_client_open(&up->client);
        up->client.http.deadline_ns = deadline_ns;
    }
    if (r == 0) {
        r = wait_ready(up);
    }
    if (r == 0) {
        r = axi_up_hosts_start(&up->hosts, up->cluster, up->dir, &up->client);
    }
    return r == 0 ? save(up) : r;
}

static void say_count(uint64_t count, const char *what)
{
    if (count > 0) {
        (void)printf(", %" PRIu64 " %s%s", count, what, count == 1 ? "" : "s");
    }
}

static void say_up(const struct up *up)
{
    (void)printf("up: master");
    say_count(json_array_size(json_object_get(up->cluster, "masters")), "standby master");
    say_count(json_array_size(json_object_get(up->cluster, "managers")), "manager");
    say_count(json_array_size(json_object_get(up->cluster, "voters")), "voter");
    say_count(count_kind(up, "node"), "node");
    say_count(count_kind(up, "ecu"), "ECU");
    say_count(count_kind(up, "part"), "partition");
    say_count(json_array_size(json_object_get(up->cluster, "hosts")), "partition host");
    (void)printf(", api http://%s, state in %s\n",
                 json_string_value(json_object_get(up->cluster, "api")), up->dir);
    axi_client_print_page(&up->client, "web page:");
}

static int bring_up(struct up *up)
{
    if (axi_host_make_directory(up->dir) < 0 || make_token(up->dir) < 0) {
        return axi_cli_fail("up", "%s cannot be made or written; give another --dir", up->dir);
    }
    if (axi_cluster_lock(up->dir) < 0) {
        return axi_cli_fail("up", "another axcan up or down works on %s; wait for it", up->dir);
    }
    int r = open_cluster(up);

    if (r == 0) {
        r = start_all(up);
        if (r != 0) {
            undo(up);
        }
    }
    if (r == 0) {
        say_up(up);
    }
    return r;
}

static int check(const struct up *up)
{
    if (up->nodes > NODES_MAX && up->nodes != UNSET) {
        return axi_cli_usage("up", "--nodes: 0 to %u", NODES_MAX);
    }
    if (up->ecus > ECUS_MAX && up->ecus != UNSET) {
        return axi_cli_usage("up", "--ecus: 0 to %u", ECUS_MAX);
    }
    if (up->partitions > PARTITIONS_MAX && up->partitions != UNSET) {
        return axi_cli_usage("up", "--partitions: 0 to %u", PARTITIONS_MAX);
    }
    if (up->managers > AXI_UP_MANAGERS_MAX && up->managers != UNSET) {
        return axi_cli_usage("up", "--managers: 0 to %u", AXI_UP_MANAGERS_MAX);
    }
    if (up->masters.count > AXI_UP_MASTERS_MAX) {
        return axi_cli_usage("up", "--masters: 1 to %u", AXI_UP_MASTERS_MAX);
    }
    if (up->voters.count > AXI_UP_VOTERS_MAX) {
        return axi_cli_usage("up", "--voters: 0 to %u", AXI_UP_VOTERS_MAX);
    }
    if (up->hosts.count > AXI_UP_HOSTS_MAX) {
        return axi_cli_usage("up", "--partition-hosts: 0 to %u", AXI_UP_HOSTS_MAX);
    }
    if (!axi_os_is_board(up->board) || !axi_os_is_board(up->partition_board)) {
        return axi_cli_usage("up", "--board and --partition-board: one of " AXI_BOARD_NAMES);
    }
    if (strcmp(up->fifo, "auto") != 0 && strcmp(up->fifo, "no") != 0 &&
        strcmp(up->fifo, "yes") != 0) {
        return axi_cli_usage("up", "--fifo: auto, yes or no");
    }
    return 0;
}

static int run_up(int argc, char **argv)
{
    struct up up = {.fifo = "auto",
                    .board = "virt",
                    .partition_board = "zcu102",
                    .nodes = UNSET,
                    .ecus = UNSET,
                    .partitions = UNSET,
                    .managers = UNSET};

    axi_client_init(&up.client, "up");
    const struct axi_option options[] = {
        {"dir", AXI_OPTION_TEXT, &up.client.dir},
        {"timeout", AXI_OPTION_TIME, &up.client.timeout_ns},
        {"nodes", AXI_OPTION_NUMBER, &up.nodes},
        {"ecus", AXI_OPTION_NUMBER, &up.ecus},
        {"board", AXI_OPTION_TEXT, &up.board},
        {"partitions", AXI_OPTION_NUMBER, &up.partitions},
        {"partition-board", AXI_OPTION_TEXT, &up.partition_board},
        {"partition-hosts", AXI_OPTION_NUMBER, &up.hosts.count},
        {"managers", AXI_OPTION_NUMBER, &up.managers},
        {"masters", AXI_OPTION_NUMBER, &up.masters.count},
        {"voters", AXI_OPTION_NUMBER, &up.voters.count},
        {"voter-out", AXI_OPTION_TEXT, &up.voters.out},
        {"store", AXI_OPTION_TEXT, &up.store},
        {"lease-ms", AXI_OPTION_NUMBER, &up.lease_ms},
        {"capacity", AXI_OPTION_NUMBER, &up.capacity_ppm},
        {"slots", AXI_OPTION_NUMBER, &up.slots},
        {"fifo", AXI_OPTION_TEXT, &up.fifo},
    };
    int r = axi_options_parse("up", argc, argv, options, sizeof(options) / sizeof(options[0]), "",
                              0, 0, NULL, NULL);

    up.hosts.board = up.partition_board;
    r = r != 0 ? r : check(&up);
    if (r == 0) {
        r = axi_client_dir(&up.client, up.dir);
    }
    if (r != 0) {
        return r;
    }
    up.client.http.deadline_ns = axi_cli_now_ns() + up.client.timeout_ns;
    r = bring_up(&up);
    axi_client_close(&up.client);
    json_decref(up.cluster);
    return r;
}

const struct axi_command axi_command_up = {
    .name = "up",
    .summary = "start a cluster on this machine in the background",
    .usage =
        "usage: axcan up [--nodes N] [--ecus N] [options]\n"
        "Starts a master, N nodes (default 3) and ECUs in the background and waits until all have "
        "joined.\n"
        "On a cluster that is there already: starts what has died, adds nodes up to N.\n"
        "  --nodes N         nodes, named node1, node2, ...\n"
        "  --ecus N          bare-metal nodes: Axcan OS in QEMU, named ecu1, ecu2, ... (default "
        "0);\n"
        "                    what they print is in DIR/ecu1.console\n"
        "  --board virt|zcu102  of the ECUs that are added (default virt)\n"
        "  --partitions N    nodes in partitions: Axcan OS under runax, named part1, part2, ...\n"
        "                    (default 0); --partition-board virt|zcu102 (default zcu102)\n"
        "  --partition-hosts N  hosts named host1, ... on which the master starts partitions when "
        "it\n"
        "                    finds no node for something, up to two each (default 0)\n"
        "  --masters N       of a new cluster: one leads, the others stand by (default 1)\n"
        "  --managers N      checkpoint managers, named manager1, ... (default 2)\n"
        "  --voters N        voters on replicas' outputs, named voter1, ... (default 0)\n"
        "  --voter-out TARGET  where new ones put out agreed values: [SERVICE=]file:PATH,\n"
        "                    udp:HOST:PORT or node:HOST:PORT\n"
        "  --store WHERE     of a new cluster: sqlite (default), etcd (three members of its own),\n"
        "                    or etcd://HOST:PORT[,HOST:PORT...][/PREFIX]\n"
        "  --dir DIR         state: store, logs, histories, token (default $AXCAN_DIR, else\n"
        "                    $XDG_STATE_HOME/axcan, else ~/.local/state/axcan)\n"
        "  --fifo auto|yes|no  SCHED_FIFO for the first node of each processor (default auto:\n"
        "                    when privileged)\n"
        "  --capacity PPM    density each node accepts, in millionths of a processor\n"
        "                    (default 900000 divided by the nodes of the processor)\n"
        "  --slots N         instances at once on each node that is added (default 16)\n"
        "  --lease-ms N      lease of a node (default 500)\n"
        "  --timeout TIME    give up after this time (default 30s)\n",
    .run = run_up};
