/* SPDX-License-Identifier: Apache-2.0 */
/* The master's API as the subcommands see it: where it is, one call, one operation waited for. */
#ifndef AXI_CLI_CLIENT_H
#define AXI_CLI_CLIENT_H

#include "cli/options.h"
#include "net/api_client.h"

#include <jansson.h>

#define AXI_CLI_PATH_BYTES 4096u

/* Where the cluster is and how long a command may take. Options every such command shares:
 * AXI_CLIENT_OPTIONS. Set `command` and defaults by axi_client_init before parsing. */
struct axi_client {
    const char *command;        /* for messages */
    const char *dir;            /* --dir; NULL = the default state directory */
    const char *api;            /* --api HOST:PORT[,HOST:PORT...] instead of what dir says */
    const char *token_file;     /* --token-file instead of dir's */
    uint64_t timeout_ns;        /* --timeout */
    bool no_wait;               /* --no-wait */
    struct axi_api_client http; /* its deadline is set by axi_client_open */
};

#define AXI_CLIENT_OPTIONS(client)                                                                 \
    {"dir", AXI_OPTION_TEXT, &(client)->dir}, {"api", AXI_OPTION_TEXT, &(client)->api},            \
        {"token-file", AXI_OPTION_TEXT, &(client)->token_file},                                    \
    {                                                                                              \
        "timeout", AXI_OPTION_TIME, &(client)->timeout_ns                                          \
    }

#define AXI_CLIENT_USAGE                                                                           \
    "  --dir DIR         the cluster's state directory (default $AXCAN_DIR, else\n"                \
    "                    $XDG_STATE_HOME/axcan, else ~/.local/state/axcan)\n"                      \
    "  --api HOST:PORT[,HOST:PORT...], --token-file FILE   other masters than those of --dir\n"    \
    "  --timeout TIME    give up after this time (default 30s)\n"

void axi_client_init(struct axi_client *client, const char *command);

/* Finds the API. 0, or an exit code after having said what is wrong and how to cure it. */
int axi_client_open(struct axi_client *client);
void axi_client_close(struct axi_client *client);

/* The state directory this client uses, absolute. 0 or an exit code, said. */
int axi_client_dir(const struct axi_client *client, char ret_dir[AXI_CLI_PATH_BYTES]);

/* Says where the web page is: "LABEL URL", the token in the fragment, which browsers keep to
 * themselves. */
void axi_client_print_page(const struct axi_client *client, const char *label);

/* One request. 0 and a new reference (may be NULL-checked away by ret_json = NULL), or an exit
 * code after having printed reason and cure. body may be NULL. */
int axi_client_call(struct axi_client *client, const char *method, const char *path,
                    const json_t *body, json_t **ret_json);
int axi_client_put(struct axi_client *client, const char *path, const void *bytes, size_t count);

/* The same without a word on stderr; *ret_status is the HTTP status, 0 when nobody answered. */
int axi_client_try(struct axi_client *client, const char *method, const char *path,
                   const json_t *body, long *ret_status, json_t **ret_json);

/* Says why nobody answered (what axi_client_try returned); an exit code. */
int axi_client_complain(const struct axi_client *client, int code);
/* 0 and the answer, or an exit code after having printed reason and cure. */
int axi_client_judge(const struct axi_client *client, long status, json_t *takes_answer,
                     json_t **ret_json);

/* Bytes instead of JSON, both ways: *ret_answer from malloc (NUL after the end), also when the
 * status is no success. bytes NULL: no body. Non-zero: nobody answered. */
int axi_client_raw(struct axi_client *client, const char *method, const char *path,
                   const void *bytes, size_t count, long *ret_status, uint8_t **ret_answer,
                   size_t *ret_count);

/* May the name stand in a path? 0, or AXI_EXIT_USAGE, said. */
int axi_client_check_name(const struct axi_client *client, const char *name);

/* Time left until the command's deadline, in ms; 0 = past. */
uint64_t axi_client_left_ms(const struct axi_client *client);
uint64_t axi_cli_now_ns(void);

#endif
