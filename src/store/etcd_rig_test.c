/* SPDX-License-Identifier: Apache-2.0 */
#include "store/etcd_rig_test.h"

#include "net/ports.h"
#include "store/etcd_internal.h"
#include "support/test.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static void run_member(const struct etcd_rig *rig, int member)
{
    char name[8], data[96], log[96], client[64], peer[64], cluster[256];
    int fd;

    snprintf(name, sizeof(name), "m%d", member);
    snprintf(data, sizeof(data), "%s/%s", rig->directory, name);
    snprintf(log, sizeof(log), "%s/%s.log", rig->directory, name);
    snprintf(client, sizeof(client), "http://127.0.0.1:%u", rig->client_ports[member]);
    snprintf(peer, sizeof(peer), "http://127.0.0.1:%u", rig->peer_ports[member]);
    snprintf(cluster, sizeof(cluster),
             "m0=http://127.0.0.1:%u,m1=http://127.0.0.1:%u,m2=http://127.0.0.1:%u",
             rig->peer_ports[0], rig->peer_ports[1], rig->peer_ports[2]);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    fd = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
    dup2(fd, STDOUT_FILENO);
    dup2(fd, STDERR_FILENO);
    execlp("etcd", "etcd", "--name", name, "--data-dir", data, "--listen-client-urls", client,
           "--advertise-client-urls", client, "--listen-peer-urls", peer,
           "--initial-advertise-peer-urls", peer, "--initial-cluster", cluster,
           "--heartbeat-interval=50", "--election-timeout=500", "--pre-vote", "--log-level=error",
           (char *)NULL);
    _exit(127);
}

void etcd_rig_start(struct etcd_rig *rig, int member)
{
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0) {
        run_member(rig, member);
    }
    rig->pids[member] = pid;
}

static struct axi_store_etcd *open_rig(const struct etcd_rig *rig)
{
    struct axi_store *store = NULL;

    assert_int_equal(axi_store_open(rig->location, &store, NULL), 0);
    return (struct axi_store_etcd *)store;
}

void etcd_rig_init(struct etcd_rig *rig)
{
    uint16_t ports[2 * ETCD_MEMBERS];
    struct axi_store_value value;
    struct axi_store *store = NULL;
    int rc = -1;

    memset(rig, 0, sizeof(*rig));
    snprintf(rig->directory, sizeof(rig->directory), "/tmp/axcan-etcd-XXXXXX");
    assert_non_null(mkdtemp(rig->directory));
    assert_int_equal(axi_ports_find(ports, 2 * ETCD_MEMBERS), 0);
    memcpy(rig->client_ports, ports, sizeof(rig->client_ports));
    memcpy(rig->peer_ports, ports + ETCD_MEMBERS, sizeof(rig->peer_ports));
    snprintf(rig->location, sizeof(rig->location),
             "etcd://127.0.0.1:%u,127.0.0.1:%u,127.0.0.1:%u/test?timeout_ms=3000", ports[0],
             ports[1], ports[2]);
    for (int i = 0; i < ETCD_MEMBERS; i++) {
        etcd_rig_start(rig, i);
    }
    store = &open_rig(rig)->base;
    for (int i = 0; i < 600 && rc != -AXC_ENOENT; i++) {
        rc = axi_store_get(store, "ready", &value);
        usleep(rc == -AXC_ENOENT ? 0 : 50000);
    }
    axi_store_free(store);
    assert_int_equal(rc, -AXC_ENOENT);
}

void etcd_rig_signal(struct etcd_rig *rig, int member, int number)
{
    assert_true(rig->pids[member] > 0);
    assert_int_equal(kill(rig->pids[member], number), 0);
}

void etcd_rig_kill(struct etcd_rig *rig, int member)
{
    etcd_rig_signal(rig, member, SIGKILL);
    waitpid(rig->pids[member], NULL, 0);
    rig->pids[member] = 0;
}

void etcd_rig_deinit(struct etcd_rig *rig)
{
    char command[96];

    for (int i = 0; i < ETCD_MEMBERS; i++) {
        if (rig->pids[i] > 0) {
            etcd_rig_kill(rig, i);
        }
    }
    snprintf(command, sizeof(command), "rm -rf '%s'", rig->directory);
    assert_int_equal(system(command), 0);
}

/* Asks one member only. */
static json_t *ask(const struct etcd_rig *rig, int member, const char *path, json_t *body)
{
    struct axi_store_etcd *s = open_rig(rig);
    json_t *answer = NULL;

    s->location.endpoint_count = 1;
    memcpy(s->location.endpoints[0], s->location.endpoints[member],
           sizeof(s->location.endpoints[0]));
    assert_int_equal(axi_etcd_call(s, path, body, false, &answer), 0);
    axi_store_free(&s->base);
    return answer;
}

int etcd_rig_leader(struct etcd_rig *rig)
{
    for (int i = 0; i < ETCD_MEMBERS; i++) {
        if (rig->pids[i] > 0) {
            json_t *answer = ask(rig, i, "maintenance/status", json_object());
            const json_t *leader = json_object_get(answer, "leader");
            const json_t *own = json_object_get(json_object_get(answer, "header"), "member_id");
            int is_leader = json_equal(leader, own);

            json_decref(answer);
            if (is_leader) {
                return i;
            }
        }
    }
    fail_msg("no member leads");
    return -1;
}

void etcd_rig_compact(struct etcd_rig *rig, uint64_t revision)
{
    json_t *body =
        json_pack("{s:o}", "revision", json_sprintf("%llu", (unsigned long long)revision));

    json_decref(ask(rig, 0, "kv/compaction", body));
}
