/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/client.h"

#include "cli/cluster.h"
#include "cli/command.h"
#include "net/host.h"

#include <curl/curl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define ANSWER_BYTES_MAX (64u << 20)
#define ELECTION_NS 10000000000ull /* so long a new leader is waited for */
#define ELECTION_POLL_US 100000
#define CONNECT_MS 1000L
#define TIMEOUT_NS_DEFAULT 30000000000ull

struct buffer {
    char *bytes;
    size_t count;
};

uint64_t axi_cli_now_ns(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000ull + (uint64_t)now.tv_nsec;
}

void axi_client_init(struct axi_client *client, const char *command)
{
    memset(client, 0, sizeof(*client));
    client->command = command;
    client->timeout_ns = TIMEOUT_NS_DEFAULT;
}

uint64_t axi_client_left_ms(const struct axi_client *client)
{
    uint64_t now_ns = axi_cli_now_ns();

    return now_ns < client->deadline_ns ? (client->deadline_ns - now_ns) / 1000000 : 0;
}

int axi_client_dir(const struct axi_client *client, char ret_dir[AXI_CLI_PATH_BYTES])
{
    const char *from = client->dir != NULL ? client->dir : getenv("AXCAN_DIR");
    const char *state = getenv("XDG_STATE_HOME");
    const char *home = getenv("HOME");
    char here[PATH_MAX];
    int length = 0;

    if (from != NULL && *from == '/') {
        length = snprintf(ret_dir, AXI_CLI_PATH_BYTES, "%s", from);
    } else if (from != NULL && *from != '\0' && getcwd(here, sizeof(here)) != NULL) {
        length = snprintf(ret_dir, AXI_CLI_PATH_BYTES, "%s/%s", here, from);
    } else if (state != NULL && *state == '/') {
        length = snprintf(ret_dir, AXI_CLI_PATH_BYTES, "%s/axcan", state);
    } else if (home != NULL && *home == '/') {
        length = snprintf(ret_dir, AXI_CLI_PATH_BYTES, "%s/.local/state/axcan", home);
    }
    if (length <= 0 || length >= (int)AXI_CLI_PATH_BYTES - 64) {
        return axi_cli_fail(client->command, "no state directory; give --dir DIR");
    }
    return 0;
}

static int read_token(struct axi_client *client, const char *dir)
{
    char path[AXI_CLI_PATH_BYTES + 8];
    char token[AXI_TOKEN_BYTES];

    (void)snprintf(path, sizeof(path), "%s/token", dir);
    const char *file = client->token_file != NULL ? client->token_file : path;
    int r = axi_host_read_token(file, token);

    if (r == -AXC_EPERM) {
        return axi_cli_fail(client->command,
                            "%s: not readable, or readable by others; chmod 600 it", file);
    }
    if (r < 0) {
        return axi_cli_fail(client->command, "%s: %s; give the master's --token-file", file,
                            axi_error_text(r));
    }
    (void)snprintf(client->token, sizeof(client->token), "%s", token);
    return 0;
}

static void use_next(struct axi_client *client)
{
    (void)snprintf(client->url, sizeof(client->url), "http://%s",
                   axi_masters_next(&client->masters));
}

int axi_client_open(struct axi_client *client)
{
    char dir[AXI_CLI_PATH_BYTES];
    int r = axi_client_dir(client, dir);

    if (r != 0) {
        return r;
    }
    client->deadline_ns = axi_cli_now_ns() + client->timeout_ns;
    if (client->api != NULL) {
        (void)snprintf(client->apis, sizeof(client->apis), "%s", client->api);
    } else if (axi_cluster_api(dir, client->apis, sizeof(client->apis)) < 0) {
        return axi_cli_fail(client->command,
                            "no cluster in %s; start one by 'axcan up', or give "
                            "--dir or --api",
                            dir);
    }
    r = read_token(client, dir);
    if (r != 0) {
        return r;
    }
    axi_masters_init(&client->masters, client->apis);
    use_next(client);
    (void)curl_global_init(CURL_GLOBAL_DEFAULT);
    client->curl = curl_easy_init();
    return client->curl != NULL ? 0 : axi_cli_fail(client->command, "out of memory");
}

void axi_client_close(struct axi_client *client)
{
    if (client->curl != NULL) {
        curl_easy_cleanup(client->curl);
        client->curl = NULL;
    }
}

void axi_client_print_page(const struct axi_client *client, const char *label)
{
    char *token = curl_easy_escape(client->curl, client->token, 0);

    if (token != NULL) {
        (void)printf("%s %s/#token=%s\n", label, client->url, token);
    }
    curl_free(token);
}

static size_t on_body(char *bytes, size_t size, size_t count, void *context)
{
    struct buffer *buffer = context;
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
static int exchange_once(struct axi_client *client, const char *method, const char *path,
                         const void *bytes, size_t count, struct buffer *answer, long *ret_status)
{
    char url[512];
    char header[128];
    CURL *curl = client->curl;
    uint64_t left_ms = axi_client_left_ms(client);

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
static bool is_standby(long status, const struct buffer *answer, char *ret_leader)
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
static int probe(struct axi_client *client, bool *ret_is_other, char *ret_leader)
{
    uint64_t deadline_ns = client->deadline_ns;
    uint64_t bound_ns = axi_cli_now_ns() + CONNECT_MS * 1000000ull;
    struct buffer answer = {0};
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
static int exchange(struct axi_client *client, const char *method, const char *path,
                    const void *bytes, size_t count, struct buffer *answer, long *ret_status)
{
    uint64_t until_ns = axi_cli_now_ns() + ELECTION_NS;
    bool is_one_there = false;

    for (;;) {
        char leader[AXI_MASTERS_ADDRESS_BYTES];
        bool is_other = false;
        bool is_probed = client->masters.count > 1 && !client->is_found;
        int code = is_probed ? probe(client, &is_other, leader) : 0;
        bool is_asked = code == 0 && (!is_other || axi_cli_now_ns() > until_ns);

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
        if ((!is_next_soon && !is_one_there) || axi_client_left_ms(client) == 0 ||
            (is_asked && axi_cli_now_ns() > until_ns)) {
            return code == 0 && !is_asked ? CURLE_OPERATION_TIMEDOUT : code;
        }
        free(answer->bytes);
        *answer = (struct buffer){0};
        (void)usleep(is_next_soon ? 1000 : ELECTION_POLL_US);
        client->changes += client->is_found;
        client->is_found = false;
        use_next(client);
    }
}

static int parse(struct buffer *answer, json_t **ret_json)
{
    json_error_t error;

    *ret_json = json_loadb(answer->bytes != NULL ? answer->bytes : "", answer->count, 0, &error);
    free(answer->bytes);
    return *ret_json != NULL ? 0 : -1;
}

int axi_client_try(struct axi_client *client, const char *method, const char *path,
                   const json_t *body, long *ret_status, json_t **ret_json)
{
    struct buffer answer = {0};
    char *text = body != NULL ? json_dumps(body, JSON_COMPACT) : NULL;
    const char *bytes = text != NULL ? text : (strcmp(method, "POST") == 0 ? "" : NULL);
    int code = exchange(client, method, path, bytes, bytes != NULL ? strlen(bytes) : 0, &answer,
                        ret_status);

    free(text);
    if (code != 0) {
        free(answer.bytes);
        *ret_json = NULL;
        return code;
    }
    (void)parse(&answer, ret_json);
    return 0;
}

int axi_client_complain(const struct axi_client *client, int code)
{
    if (code == CURLE_OPERATION_TIMEDOUT) {
        return axi_cli_fail(client->command,
                            "the master at %s did not answer in time; 'axcan status' tells whether "
                            "it lives, --timeout gives it longer",
                            client->url);
    }
    return axi_cli_fail(client->command, "the master at %s: %s; 'axcan up' starts it", client->url,
                        curl_easy_strerror((CURLcode)code));
}

int axi_client_judge(const struct axi_client *client, long status, json_t *takes_answer,
                     json_t **ret_json)
{
    const json_t *error = json_object_get(takes_answer, "error");

    if (status >= 200 && status < 300 && takes_answer != NULL) {
        if (ret_json != NULL) {
            *ret_json = takes_answer;
        } else {
            json_decref(takes_answer);
        }
        return 0;
    }
    const char *reason = json_string_value(json_object_get(error, "reason"));
    const char *cure = json_string_value(json_object_get(error, "cure"));
    const char *name = json_string_value(json_object_get(error, "name"));

    if (reason == NULL) {
        (void)axi_cli_fail(client->command,
                           "%s answered %ld with something else than JSON; is it "
                           "an Axcan master?",
                           client->url, status);
    } else {
        bool has_cure = cure != NULL && *cure != '\0';

        (void)axi_cli_fail(client->command, "%s (%s)%s%s", reason, name != NULL ? name : "?",
                           has_cure ? "; " : "", has_cure ? cure : "");
    }
    json_decref(takes_answer);
    return AXI_EXIT_FAILED;
}

int axi_client_call(struct axi_client *client, const char *method, const char *path,
                    const json_t *body, json_t **ret_json)
{
    json_t *answer = NULL;
    long status = 0;
    int code = axi_client_try(client, method, path, body, &status, &answer);

    return code != 0 ? axi_client_complain(client, code)
                     : axi_client_judge(client, status, answer, ret_json);
}

int axi_client_put(struct axi_client *client, const char *path, const void *bytes, size_t count)
{
    struct buffer answer = {0};
    json_t *json = NULL;
    long status = 0;
    int code = exchange(client, "PUT", path, bytes, count, &answer, &status);

    if (code != 0) {
        free(answer.bytes);
        return axi_client_complain(client, code);
    }
    (void)parse(&answer, &json);
    return axi_client_judge(client, status, json, NULL);
}

int axi_client_raw(struct axi_client *client, const char *method, const char *path,
                   const void *bytes, size_t count, long *ret_status, uint8_t **ret_answer,
                   size_t *ret_count)
{
    struct buffer answer = {0};
    int code = exchange(client, method, path, bytes, count, &answer, ret_status);

    if (code == 0 && answer.bytes == NULL) { /* an empty body */
        answer.bytes = malloc(1);
        code = answer.bytes == NULL ? CURLE_OUT_OF_MEMORY : 0;
    }
    if (code != 0) {
        free(answer.bytes);
        return code;
    }
    answer.bytes[answer.count] = '\0';
    *ret_answer = (uint8_t *)answer.bytes;
    *ret_count = answer.count;
    return 0;
}

int axi_client_check_name(const struct axi_client *client, const char *name)
{
    if (*name == '\0' || strlen(name) > 64 || strpbrk(name, "/?#% &") != NULL) {
        return axi_cli_usage(client->command, "'%s' is no name", name);
    }
    return 0;
}
