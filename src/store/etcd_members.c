/* SPDX-License-Identifier: Apache-2.0 */
/* How each member of etcd is: all are asked for their status now and then, beside what the store is
 * used for and without waiting for an answer. */
#include "store/etcd_internal.h"

#include <stdlib.h>
#include <string.h>

#define EVERY_MS 500
#define FAILURES 2 /* in a row: one may be an election, or a packet */

struct axi_etcd_probe {
    CURL *easy; /* the question under way; NULL = none */
    struct axi_etcd_buffer answer;
    uint64_t due_ms; /* of the next question */
    uint32_t failures;
    bool is_silent;
};

static void end(struct axi_store_etcd *s, struct axi_etcd_probe *probe)
{
    if (probe->easy != NULL) {
        curl_multi_remove_handle(s->probe_multi, probe->easy);
        curl_easy_cleanup(probe->easy);
    }
    free(probe->answer.bytes);
    probe->easy = NULL;
    probe->answer = (struct axi_etcd_buffer){0};
}

void axi_etcd_members_free(struct axi_store_etcd *s)
{
    for (size_t i = 0; s->probes != NULL && i < s->location.endpoint_count; i++) {
        end(s, &s->probes[i]);
    }
    curl_multi_cleanup(s->probe_multi);
    free(s->probes);
}

/* Without memory nothing is asked, and nothing said. */
static void ask(struct axi_store_etcd *s, size_t endpoint)
{
    struct axi_etcd_probe *probe = &s->probes[endpoint];

    probe->due_ms = axi_etcd_now_ms() + EVERY_MS;
    probe->easy = curl_easy_init();
    if (probe->easy == NULL ||
        axi_etcd_prepare(s, probe->easy, endpoint, "maintenance/status", &probe->answer) != 0) {
        curl_easy_cleanup(probe->easy);
        probe->easy = NULL;
        return;
    }
    curl_easy_setopt(probe->easy, CURLOPT_POSTFIELDS, "{}");
    curl_easy_setopt(probe->easy, CURLOPT_TIMEOUT_MS, (long)s->location.timeout_ms);
    curl_easy_setopt(probe->easy, CURLOPT_PRIVATE, probe);
    if (curl_multi_add_handle(s->probe_multi, probe->easy) != CURLM_OK) {
        curl_easy_cleanup(probe->easy);
        probe->easy = NULL;
    }
}

/* A member with a leader belongs to a majority, or did so an election ago. The leader's number has
 * 64 bits and is left out when there is none. */
static bool has_leader(const struct axi_etcd_probe *probe)
{
    json_t *answer = NULL;
    const char *leader = NULL;
    bool is_led = false;

    if (axi_etcd_parse(probe->answer.bytes, probe->answer.count, &answer) == 0) {
        leader = json_string_value(json_object_get(answer, "leader"));
        is_led = leader != NULL && strcmp(leader, "0") != 0;
    }
    json_decref(answer);
    return is_led;
}

static void take_answer(struct axi_store_etcd *s, struct axi_etcd_probe *probe, CURLcode result)
{
    probe->is_silent = result != CURLE_OK;
    probe->failures =
        !probe->is_silent && has_leader(probe) ? 0 : probe->failures + (probe->failures < FAILURES);
    end(s, probe);
}

static bool begin(struct axi_store_etcd *s)
{
    if (s->probe_multi == NULL) {
        s->probe_multi = curl_multi_init();
    }
    if (s->probes == NULL) {
        s->probes = calloc(s->location.endpoint_count, sizeof(s->probes[0]));
    }
    return s->probe_multi != NULL && s->probes != NULL;
}

void axi_etcd_members(struct axi_store *store, struct axi_store_member members[])
{
    struct axi_store_etcd *s = (struct axi_store_etcd *)store;
    CURLMsg *message;
    int count = 0;

    if (!begin(s)) {
        return;
    }
    curl_multi_perform(s->probe_multi, &count);
    while ((message = curl_multi_info_read(s->probe_multi, &count)) != NULL) {
        struct axi_etcd_probe *probe = NULL;

        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&probe);
        take_answer(s, probe, message->data.result);
    }
    for (size_t i = 0; i < s->location.endpoint_count; i++) {
        struct axi_etcd_probe *probe = &s->probes[i];

        if (probe->easy == NULL && axi_etcd_now_ms() >= probe->due_ms) {
            ask(s, i);
        }
        memcpy(members[i].name, s->location.endpoints[i], sizeof(members[i].name));
        members[i].is_lost = probe->failures >= FAILURES;
        members[i].is_silent = members[i].is_lost && probe->is_silent;
    }
}
