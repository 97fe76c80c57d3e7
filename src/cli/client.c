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

#define TIMEOUT_NS_DEFAULT 30000000000ull

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
    return axi_api_client_left_ms(&client->http);
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

static int read_token(const struct axi_client *client, const char *dir, char token[AXI_TOKEN_BYTES])
{
    char path[AXI_CLI_PATH_BYTES + 8];

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
    return 0;
}

int axi_client_open(struct axi_client *client)
{
    char dir[AXI_CLI_PATH_BYTES];
    char apis[AXI_MASTERS_TEXT_BYTES];
    char token[AXI_TOKEN_BYTES];
    int r = axi_client_dir(client, dir);

    if (r != 0) {
        return r;
    }
    client->http.deadline_ns = axi_cli_now_ns() + client->timeout_ns;
    if (client->api != NULL) {
        (void)snprintf(apis, sizeof(apis), "%s", client->api);
    } else if (axi_cluster_api(dir, apis, sizeof(apis)) < 0) {
        return axi_cli_fail(client->command,
                            "no cluster in %s; start one by 'axcan up', or give "
                            "--dir or --api",
                            dir);
    }
    r = read_token(client, dir, token);
    if (r != 0) {
        return r;
    }
    return axi_api_client_open(&client->http, apis, token) == 0
               ? 0
               : axi_cli_fail(client->command, "out of memory");
}

void axi_client_close(struct axi_client *client)
{
    axi_api_client_close(&client->http);
}

void axi_client_print_page(const struct axi_client *client, const char *label)
{
    char *token = curl_easy_escape(client->http.curl, client->http.token, 0);

    if (token != NULL) {
        (void)printf("%s %s/#token=%s\n", label, client->http.url, token);
    }
    curl_free(token);
}

static int parse(struct axi_api_answer *answer, json_t **ret_json)
{
    json_error_t error;

    *ret_json = json_loadb(answer->bytes != NULL ? answer->bytes : "", answer->count, 0, &error);
    free(answer->bytes);
    return *ret_json != NULL ? 0 : -1;
}

int axi_client_try(struct axi_client *client, const char *method, const char *path,
                   const json_t *body, long *ret_status, json_t **ret_json)
{
    struct axi_api_answer answer = {0};
    char *text = body != NULL ? json_dumps(body, JSON_COMPACT) : NULL;
    const char *bytes = text != NULL ? text : (strcmp(method, "POST") == 0 ? "" : NULL);
    int code = axi_api_client_exchange(&client->http, method, path, bytes,
                                       bytes != NULL ? strlen(bytes) : 0, ret_status, &answer);

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
    if (axi_api_client_is_late(code)) {
        return axi_cli_fail(client->command,
                            "the master at %s did not answer in time; 'axcan status' tells whether "
                            "it lives, --timeout gives it longer",
                            client->http.url);
    }
    return axi_cli_fail(client->command, "the master at %s: %s; 'axcan up' starts it",
                        client->http.url, axi_api_client_error(code));
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
                           client->http.url, status);
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
    struct axi_api_answer answer = {0};
    json_t *json = NULL;
    long status = 0;
    int code = axi_api_client_exchange(&client->http, "PUT", path, bytes, count, &status, &answer);

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
    struct axi_api_answer answer = {0};
    int code =
        axi_api_client_exchange(&client->http, method, path, bytes, count, ret_status, &answer);

    if (code == 0 && answer.bytes == NULL) { /* an empty body */
        answer.bytes = malloc(1);
        code = answer.bytes == NULL ? -1 : 0;
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
