/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/up_store.h"

#include "cli/client.h"
#include "cli/cluster.h"
#include "cli/command.h"
#include "host/programs.h"
#include "net/ports.h"

#include <curl/curl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define ETCD_MEMBERS 3u

/* Fast election, for members beside each other; docs/operations.md says what to set elsewhere. */
static json_t *arguments_of(const char *program, const char *dir, unsigned member,
                            const char *cluster, const uint16_t *client, const uint16_t *peer)
{
    json_t *argv =
        json_pack("[s, s, s, s, s, s, s, s, s, s, s]", program, "--heartbeat-interval=20",
                  "--election-timeout=200", "--pre-vote", "--quota-backend-bytes=8589934592",
                  "--auto-compaction-mode=revision", "--auto-compaction-retention=100000",
                  "--experimental-initial-corrupt-check=true", "--logger=zap", "--log-level=warn",
                  "--log-outputs=stderr");

    (void)json_array_append_new(argv, json_sprintf("--name=etcd%u", member + 1));
    (void)json_array_append_new(argv, json_sprintf("--data-dir=%s/etcd%u", dir, member + 1));
    (void)json_array_append_new(
        argv, json_sprintf("--listen-client-urls=http://127.0.0.1:%u", client[member]));
    (void)json_array_append_new(
        argv, json_sprintf("--advertise-client-urls=http://127.0.0.1:%u", client[member]));
    (void)json_array_append_new(
        argv, json_sprintf("--listen-peer-urls=http://127.0.0.1:%u", peer[member]));
    (void)json_array_append_new(
        argv, json_sprintf("--initial-advertise-peer-urls=http://127.0.0.1:%u", peer[member]));
    (void)json_array_append_new(argv, json_sprintf("--initial-cluster=%s", cluster));
    return argv;
}

static int prepare_etcd(json_t *cluster, const char *dir)
{
    uint16_t ports[2 * ETCD_MEMBERS];
    const uint16_t *peer = ports + ETCD_MEMBERS;
    char program[4096];
    char peers[200];
    char location[200];
    json_t *stores = json_array();

    if (axi_find_program("etcd", program, sizeof(program)) < 0) {
        json_decref(stores);
        return axi_cli_fail("up", "etcd is not there; install Debian's etcd-server");
    }
    if (axi_ports_find(ports, 2 * ETCD_MEMBERS) < 0) {
        json_decref(stores);
        return axi_cli_fail("up", "no free ports on loopback for etcd");
    }
    (void)snprintf(peers, sizeof(peers),
                   "etcd1=http://127.0.0.1:%u,etcd2=http://127.0.0.1:%u,etcd3=http://127.0.0.1:%u",
                   peer[0], peer[1], peer[2]);
    (void)snprintf(location, sizeof(location), "etcd://127.0.0.1:%u,127.0.0.1:%u,127.0.0.1:%u",
                   ports[0], ports[1], ports[2]);
    for (unsigned i = 0; i < ETCD_MEMBERS; i++) {
        json_t *member = json_pack("{s:o, s:o, s:o, s:o}", "name", json_sprintf("etcd%u", i + 1),
                                   "log", json_sprintf("%s/etcd%u.log", dir, i + 1), "health",
                                   json_sprintf("http://127.0.0.1:%u/health", ports[i]), "argv",
                                   arguments_of(program, dir, i, peers, ports, peer));

        (void)json_array_append_new(stores, member);
    }
    (void)json_object_set_new(cluster, "stores", stores);
    (void)json_object_set_new(cluster, "store", json_string(location));
    return 0;
}

int axi_up_store_prepare(json_t *cluster, const char *dir, const char *store)
{
    if (store == NULL || strcmp(store, "sqlite") == 0) {
        return 0;
    }
    if (strcmp(store, "etcd") == 0) {
        return prepare_etcd(cluster, dir);
    }
    if (strncmp(store, "etcd://", 7) != 0 && strncmp(store, "etcds://", 8) != 0 &&
        strncmp(store, "sqlite:", 7) != 0) {
        return axi_cli_usage("up", "--store: sqlite, etcd, sqlite:PATH or "
                                   "etcd://HOST:PORT[,HOST:PORT...][/PREFIX]");
    }
    (void)json_object_set_new(cluster, "store", json_string(store));
    return 0;
}

int axi_up_store_check(const json_t *cluster, const char *store)
{
    const char *location = json_string_value(json_object_get(cluster, "store"));
    bool is_ours = json_object_get(cluster, "stores") != NULL;

    if (store == NULL || (location == NULL && strcmp(store, "sqlite") == 0) ||
        (is_ours && strcmp(store, "etcd") == 0) ||
        (location != NULL && strcmp(store, location) == 0)) {
        return 0;
    }
    return axi_cli_fail("up", "this cluster keeps its state in %s; --store is for a new one",
                        location != NULL ? location : "sqlite");
}

static size_t ignore_body(char *bytes, size_t size, size_t count, void *context)
{
    (void)bytes;
    (void)context;
    return size * count;
}

/* Healthy: it belongs to a majority with a leader. */
static bool is_healthy(const json_t *member)
{
    const char *url = json_string_value(json_object_get(member, "health"));
    CURL *curl = url != NULL ? curl_easy_init() : NULL;
    bool is_ok = false;

    if (curl != NULL) {
        (void)curl_easy_setopt(curl, CURLOPT_URL, url);
        (void)curl_easy_setopt(curl, CURLOPT_PROXY, "");
        (void)curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
        (void)curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, 1000L);
        (void)curl_easy_setopt(curl, CURLOPT_FAILONERROR, 1L);
        (void)curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, ignore_body);
        is_ok = curl_easy_perform(curl) == CURLE_OK;
        curl_easy_cleanup(curl);
    }
    return is_ok;
}

static int wait_healthy(json_t *member, uint64_t deadline_ns)
{
    while (!is_healthy(member)) {
        bool is_late = axi_cli_now_ns() > deadline_ns;

        if (is_late || !axi_member_is_alive(member)) {
            axi_member_show_log(member);
            return axi_cli_fail("up", "%s %s; its log above says why",
                                json_string_value(json_object_get(member, "name")),
                                is_late ? "is not ready in time" : "ended at once");
        }
        (void)usleep(20000);
    }
    return 0;
}

int axi_up_store_start(json_t *cluster, const char *dir, uint64_t deadline_ns)
{
    json_t *stores = json_object_get(cluster, "stores");
    size_t index = 0;
    json_t *member = NULL;
    int r = 0;

    json_array_foreach (stores, index, member) {
        if (!axi_member_is_alive(member) && axi_member_start(member) < 0) {
            return axi_cli_fail("up", "etcd cannot be started: out of processes or memory");
        }
    }
    if (stores != NULL && axi_cluster_save(dir, cluster) < 0) {
        return axi_cli_fail("up", "%s/cluster.json cannot be written", dir);
    }
    json_array_foreach (stores, index, member) {
        r = r == 0 ? wait_healthy(member, deadline_ns) : r;
    }
    return r;
}

void axi_up_store_undo(json_t *cluster, const char *dir)
{
    json_t *stores = json_object_get(cluster, "stores");
    size_t index = 0;
    json_t *member = NULL;
    char path[PATH_MAX];

    json_array_foreach (stores, index, member) {
        (void)axi_member_stop(member, 3000);
        (void)snprintf(path, sizeof(path), "%s/%s", dir,
                       json_string_value(json_object_get(member, "name")));
        (void)!axi_cluster_remove_tree(path);
    }
}
