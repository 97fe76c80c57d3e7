/* SPDX-License-Identifier: Apache-2.0 */
#include "net/api_client.h"

#include "net/host.h"

#include <curl/curl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ANSWER_BYTES_MAX (64u << 20)
#define ELECTION_NS 10000000000ull /* so long a new leader is waited for */
#define ELECTION_POLL_US 100000
#define CONNECT_MS 1000L

static uint64_t now_ns(void)
{
    return axi_host_clock_ns(CLOCK_MONOTONIC);
}

uint64_t axi_api_client_left_ms(const struct axi_api_client *client)
{
    uint64_t now = now_ns();

    return now < client->deadline_ns ? (client->deadline_ns - now) / 1000000 : 0;
}

static void use_next(struct axi_api_client *client)
{
    (void)snprintf(client->url, sizeof(client->url), "http://%s",
                   axi_masters_next(&client->masters));
}

int axi_api_client_open(struct axi_api_client *client, const char *apis, const char *token)
{
    if (strlen(apis) >= sizeof(client->apis) || strlen(token) >= sizeof(client->token)) {
        return -AXC_EINVALID;
    }
    (void)snprintf(client->apis, sizeof(client->apis), "%s", apis);
    (void)snprintf(client->token, sizeof(client->token), "%s", token);
    axi_masters_init(&client->masters, client->apis);
    use_next(client);
    (void)curl_global_init(CURL_GLOBAL_DEFAULT);
    client->curl = curl_easy_init();
    return client->curl != NULL ? 0 : -AXC_ENOMEM;
}

void axi_api_client_close(struct axi_api_client *client)
{
    if (client->curl != NULL) {
        curl_easy_cleanup(client->curl);
        client->curl = NULL;
    }
}

void axi_api_client_use(struct axi_api_client *client, const char *api)
{
    client->masters.count = 0;
    (void)snprintf(client->url, sizeof(client->url), "http://%s", api);
}

bool axi_api_client_is_late(int code)
{
    return code == CURLE_OPERATION_TIMEDOUT;
}

const char *axi_api_client_error(int code)
{
    return curl_easy_strerror((CURLcode)code);
}

static size_t on_body(char *bytes, size_t size, size_t count, void *context)
{
    struct axi_api_answer *buffer = context;
    size_t more = size * count;

    if (more > ANSWER_BYTES_MAX - buffer->count) {
        return 0;
    }
    char *grown = realloc(buffer->bytes, buffer->count + more + 1);

    if (grown == NULL) {
        return 0;
    }
    memcpy(grown + buffer->count, bytes, more);
    buffer->bytes = grown;
    buffer->count += more;
    return more;
}

/* Sends the request to one master; 0 or a CURLcode. */
static int exchange_once(struct axi_api_client *client, const char *method, const char *path,
                         const void *bytes, size_t count, struct axi_api_answer *answer,
                         long *ret_status)
{
    char url[512];
    char header[128];
    CURL *curl = client->curl;
    uint64_t left_ms = axi_api_client_left_ms(client);

    (void)snprintf(url, sizeof(url), "%s%s", client->url, path);
    (void)snprintf(header, sizeof(header), "Authorization: Bearer %s", client->token);
    struct curl_slist *headers = curl_slist_append(NULL, header);

    headers = curl_slist_append(headers, "Content-Type: application/json");
    headers = curl_slist_append(headers, "Expect:");
    curl_easy_reset(curl);
    (void)curl_easy_setopt(curl, CURLOPT_URL, url);
    (void)curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method);
    (void)curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    (void)curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    (void)curl_easy_setopt(curl, CURLOPT_PROXY, "");
    (void)curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)(left_ms > 0 ? left_ms : 1));
    if (client->masters.count > 1) {
        (void)curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_MS);
    }
    (void)curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
    (void)curl_easy_setopt(curl, CURLOPT_WRITEDATA, answer);
    if (bytes != NULL) {
        (void)curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)count);
        (void)curl_easy_setopt(curl, CURLOPT_POSTFIELDS, bytes);
    }
    CURLcode code = curl_easy_perform(curl);

    *ret_status = 0;
    if (code == CURLE_OK) {
        (void)curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, ret_status);
    }
    curl_slist_free_all(headers);
    return (int)code;
}

/* Does a master that does not lead say so? Then also who leads, "" when it does not know. */
static bool is_standby(long status, const struct axi_api_answer *answer, char *ret_leader)
{
    json_t *json =
        status == 503 || status == 200
            ? json_loadb(answer->bytes != NULL ? answer->bytes : "", answer->count, 0, NULL)
            : NULL;
    const json_t *error = json_object_get(json, "error");
    const char *name = json_string_value(json_object_get(error, "name"));
    const char *role = json_string_value(json_object_get(json, "role"));
    bool is_refused = name != NULL && strcmp(name, "NOT_LEADER") == 0;
    bool is_other = is_refused || (role != NULL && strcmp(role, "standby") == 0);
    const json_t *leader = json_object_get(is_refused ? error : json, "leader");
    const char *api = json_string_value(json_object_get(leader, "api"));

    (void)snprintf(ret_leader, AXI_MASTERS_ADDRESS_BYTES, "%s", is_other && api != NULL ? api : "");
    json_decref(json);
    return is_other;
}

/* Nothing was done there, or doing it twice is the same. */
static bool may_repeat(int code, const char *method)
{
    bool is_harmless = strcmp(method, "GET") == 0 || strcmp(method, "PUT") == 0;
    bool is_lost = code == CURLE_GOT_NOTHING || code == CURLE_RECV_ERROR ||
                   code == CURLE_SEND_ERROR || code == CURLE_PARTIAL_FILE;

    return code == CURLE_COULDNT_CONNECT || (code == CURLE_OPERATION_TIMEDOUT && is_harmless) ||
           (is_harmless && is_lost);
}

/* Among several: one that hangs must not cost the whole command. */
static int probe(struct axi_api_client *client, bool *ret_is_other, char *ret_leader)
{
    uint64_t deadline_ns = client->deadline_ns;
    uint64_t bound_ns = now_ns() + CONNECT_MS * 1000000ull;
    struct axi_api_answer answer = {0};
    long status = 0;

    client->deadline_ns = bound_ns < deadline_ns ? bound_ns : deadline_ns;
    int code = exchange_once(client, "GET", "/v1/status", NULL, 0, &answer, &status);

    client->deadline_ns = deadline_ns;
    *ret_is_other = code == 0 && is_standby(status, &answer, ret_leader);
    free(answer.bytes);
    return code;
}

/* Sends the request to whoever leads, waiting for an election; 0 or a CURLcode. When nobody leads
 * in time, what the last one answered. */
int axi_api_client_exchange(struct axi_api_client *client, const char *method, const char *path,
                            const void *bytes, size_t count, long *ret_status,
                            struct axi_api_answer *answer)
{
    uint64_t until_ns = now_ns() + ELECTION_NS;
    bool is_one_there = false;

    for (;;) {
        char leader[AXI_MASTERS_ADDRESS_BYTES];
        bool is_other = false;
        bool is_probed = client->masters.count > 1 && !client->is_found;
        int code = is_probed ? probe(client, &is_other, leader) : 0;
        bool is_asked = code == 0 && (!is_other || now_ns() > until_ns);

        if (is_asked) {
            code = exchange_once(client, method, path, bytes, count, answer, ret_status);
            is_other = code == 0 && is_standby(*ret_status, answer, leader);
        }
        if (is_asked && (client->masters.count == 0 || (code == 0 && !is_other) ||
                         (code != 0 && !may_repeat(code, method)))) {
            client->is_found = code == 0;
            return code;
        }
        bool is_next_soon = axi_masters_failed(&client->masters,
                                               code == CURLE_OPERATION_TIMEDOUT ? -AXC_ETIMEOUT : 0,
                                               is_other ? leader : NULL);

        is_one_there |= is_other || (client->masters.count > 1 && code == CURLE_OPERATION_TIMEDOUT);
        if ((!is_next_soon && !is_one_there) || axi_api_client_left_ms(client) == 0 ||
            (is_asked && now_ns() > until_ns)) {
            return code == 0 && !is_asked ? CURLE_OPERATION_TIMEDOUT : code;
        }
        free(answer->bytes);
        *answer = (struct axi_api_answer){0};
        (void)usleep(is_next_soon ? 1000 : ELECTION_POLL_US);
        client->changes += client->is_found;
        client->is_found = false;
        use_next(client);
    }
}
