/* SPDX-License-Identifier: Apache-2.0 */
#include "host/daemon.h"

#include "base/log.h"
#include "core/meta.h"
#include "host/bundle.h"
#include "host/os_node.h"
#include "host/slots.h"
#include "image/boards.h"
#include "net/address.h"
#include "net/api_client.h"
#include "net/startup.h"
#include "net/stream.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MS 1000000ull
#define CALL_NS (3000 * MS)
#define WAIT_MS 1000u   /* longest pause between two looks at the partitions */
#define RETRY_US 500000 /* after a request that failed */
#define HTTP_OK 200
#define HTTP_UNAUTHORIZED 401
#define HTTP_BAD_REQUEST 400
#define SERVICES (AXC_SVC_LOG | AXC_SVC_TOPIC | AXC_SVC_IO) /* what Axcan OS offers */
#define SYSTEM_BYTES (16ull << 20)                          /* what it takes for itself at most */

struct daemon {
    const struct axi_host_options *options;
    struct axi_slots slots;
    struct axi_api_client client;
    char dir[PATH_MAX];
    char token[AXI_TOKEN_BYTES];
    char platform[24];
    uint64_t id;
    uint64_t revision; /* of the master's record */
    bool is_known;     /* a master has taken a report */
    char trouble[256]; /* said last; "" = all is well */
};

static volatile sig_atomic_t is_ending;

static void on_signal(int number)
{
    (void)number;
    is_ending = 1;
}

/* ---- the master ---- */

/* Says it once. */
static void note_trouble(struct daemon *d, const char *text)
{
    if (strcmp(d->trouble, text) != 0) {
        (void)snprintf(d->trouble, sizeof(d->trouble), "%.255s", text);
        if (text[0] != '\0') {
            axi_log(AXI_LOG_WARN, "master-trouble", "reason=\"%s\"", d->trouble);
        } else {
            axi_log(AXI_LOG_INFO, "master-answers", "api=%s", d->client.url);
        }
    }
}

/* One request; its answer, or NULL after having noted the trouble. *ret_status: 0 = nobody. */
static json_t *call(struct daemon *d, const char *method, const char *path, const json_t *body,
                    long *ret_status)
{
    struct axi_api_answer answer = {0};
    char *text = body != NULL ? json_dumps(body, JSON_COMPACT) : NULL;
    json_t *json = NULL;
    const char *reason;
    int code;

    *ret_status = 0;
    d->client.deadline_ns = axi_host_clock_ns(CLOCK_MONOTONIC) + CALL_NS;
    code = axi_api_client_exchange(&d->client, method, path, text, text != NULL ? strlen(text) : 0,
                                   ret_status, &answer);
    free(text);
    if (code == 0) {
        json = json_loadb(answer.bytes != NULL ? answer.bytes : "", answer.count, 0, NULL);
    }
    free(answer.bytes);
    reason = json_string_value(json_object_get(json_object_get(json, "error"), "reason"));
    if (code == 0 && *ret_status == HTTP_OK && json != NULL) {
        return json;
    }
    note_trouble(d, code != 0        ? axi_api_client_error(code)
                    : reason != NULL ? reason
                                     : "the answer is not that of an Axcan master");
    json_decref(json);
    return NULL;
}

/* max: partitions it takes from now on. */
static json_t *report_of(const struct daemon *d, uint64_t max)
{
    char id[20];

    (void)snprintf(id, sizeof(id), "%" PRIx64, d->id);
    return json_pack("{s:s, s:s, s:s, s:s, s:I, s:{s:s, s:I, s:I, s:I, s:I, s:I, s:I}, s:o}", "id",
                     id, "platform", d->platform, "hypervisor", d->options->hypervisor, "version",
                     AXI_VERSION, "max", (json_int_t)max, "node", "assurance", "partition",
                     "services", (json_int_t)SERVICES, "slots", (json_int_t)AXI_OS_NODE_SLOTS,
                     "capacity_ppm", (json_int_t)d->options->capacity_ppm, "memory_bytes",
                     (json_int_t)(AXI_BUNDLE_MEMORY_BYTES - SYSTEM_BYTES), "server_budget_ns",
                     (json_int_t)AXI_OS_NODE_SERVER_BUDGET_NS, "server_period_ns",
                     (json_int_t)AXI_OS_NODE_SERVER_PERIOD_NS, "partitions",
                     axi_slots_report(&d->slots));
}

/* Appends a master's node port as guests must be told it: by number. */
static void add_master(const char *address, char *list, size_t size)
{
    struct sockaddr_storage resolved = {0};
    char text[AXI_NET_ADDRESS_BYTES];
    size_t used = strlen(list);

    if (address == NULL || axi_address_resolve(address, &resolved) < 0) {
        return;
    }
    axi_address_print((const struct sockaddr *)&resolved, text);
    if (used + strlen(text) + 2 <= size) {
        (void)snprintf(list + used, size - used, "%s%s", used > 0 ? "," : "", text);
    }
}

/* Who there is to join; asked before something is started. */
static void find_masters(struct daemon *d)
{
    long status = 0;
    json_t *masters = call(d, "GET", "/v1/masters", NULL, &status);
    char list[sizeof(d->slots.masters)] = "";
    size_t index = 0;
    const json_t *item = NULL;

    json_array_foreach (json_object_get(masters, "items"), index, item) {
        add_master(json_string_value(json_object_get(item, "address")), list, sizeof(list));
    }
    if (list[0] != '\0') {
        (void)snprintf(d->slots.masters, sizeof(d->slots.masters), "%s", list);
    }
    json_decref(masters);
}

static bool is_any_wanted(const json_t *partitions)
{
    size_t index = 0;
    const json_t *item = NULL;

    json_array_foreach (partitions, index, item) {
        if (json_is_true(json_object_get(item, "wanted"))) {
            return true;
        }
    }
    return false;
}

/* 0: go on at once, 1: wait for news, negative: the master cannot be asked now; -AXC_EPERM: it
 * never will take what this host says. */
static int exchange(struct daemon *d)
{
    char path[128];
    long status = 0;
    json_t *body = report_of(d, d->options->max);
    json_t *answer;
    const json_t *partitions;
    bool is_done;

    (void)snprintf(path, sizeof(path), "/v1/hosts/%s", d->options->name);
    answer = call(d, "PUT", path, body, &status);
    json_decref(body);
    if (answer == NULL) {
        bool is_final = status == HTTP_UNAUTHORIZED || status == HTTP_BAD_REQUEST;

        return is_final && !d->is_known ? -AXC_EPERM : -AXC_EUNAVAILABLE;
    }
    note_trouble(d, "");
    d->is_known = true;
    d->revision = (uint64_t)json_integer_value(json_object_get(answer, "revision"));
    partitions = json_object_get(answer, "partitions");
    if (is_any_wanted(partitions)) {
        find_masters(d);
    }
    is_done = axi_slots_obey(&d->slots, partitions);
    json_decref(answer);
    return is_done ? 0 : 1;
}

static int wait_for_news(struct daemon *d)
{
    char path[160];
    long status = 0;
    json_t *answer;

    (void)snprintf(path, sizeof(path), "/v1/hosts/%s?revision=%" PRIu64 "&wait_ms=%u",
                   d->options->name, d->revision, WAIT_MS);
    answer = call(d, "GET", path, NULL, &status);
    json_decref(answer);
    return answer != NULL ? 0 : -AXC_EUNAVAILABLE;
}

/* Nothing is to be started here until the next daemon says so. */
static void say_goodbye(struct daemon *d)
{
    char path[128];
    long status = 0;
    json_t *body = report_of(d, 0);

    (void)snprintf(path, sizeof(path), "/v1/hosts/%s", d->options->name);
    json_decref(call(d, "PUT", path, body, &status));
    json_decref(body);
}

static int serve(struct daemon *d)
{
    while (!is_ending) {
        int r = exchange(d);

        if (r == 1) {
            r = wait_for_news(d);
        }
        if (r == -AXC_EPERM) {
            axi_log(AXI_LOG_ERROR, "start-failed", "what=report reason=\"%s\"", d->trouble);
            return 1;
        }
        if (r < 0 && !is_ending) {
            (void)usleep(RETRY_US);
        }
        (void)axi_slots_look(&d->slots);
    }
    if (d->is_known) {
        say_goodbye(d);
    }
    return 0;
}

/* ---- start ---- */

static int check(const struct axi_host_options *o)
{
    size_t length = strlen(o->name);
    struct in_addr address;

    if (length > 24 || length == 0 || o->name[0] == '-' || o->name[length - 1] == '-' ||
        strspn(o->name, "abcdefghijklmnopqrstuvwxyz0123456789-") != length) {
        axi_log(AXI_LOG_ERROR, "start-failed",
                "what=name value=%s cure=\"1 to 24 of a-z, 0-9 and inner -\"", o->name);
        return -AXC_EINVALID;
    }
    if (!axi_os_is_board(o->board)) {
        axi_log(AXI_LOG_ERROR, "start-failed", "what=board value=%s cure=\"one of %s\"", o->board,
                AXI_BOARD_NAMES);
        return -AXC_EINVALID;
    }
    if (inet_pton(AF_INET, o->advertise, &address) != 1) {
        axi_log(AXI_LOG_ERROR, "start-failed",
                "what=advertise value=%s cure=\"a numeric IPv4 address of this machine\"",
                o->advertise);
        return -AXC_EINVALID;
    }
    if (!o->removes && o->api == NULL) {
        axi_log(AXI_LOG_ERROR, "start-failed",
                "what=api cure=\"give --api HOST:PORT[,...] of the masters\"");
        return -AXC_EINVALID;
    }
    return axi_startup_masters("api", o->api, o->allow_remote);
}

static int open_slots(struct daemon *d)
{
    const struct axi_host_options *o = d->options;
    const struct axi_slots_config config = {.host = o->name,
                                            .dir = d->dir,
                                            .board = o->board,
                                            .hypervisor = o->hypervisor,
                                            .token_file = o->token_file,
                                            .address = o->advertise,
                                            .capacity_ppm = (uint32_t)o->capacity_ppm};
    char reason[AXI_RUNAX_REASON_BYTES];
    int r = axi_slots_init(&d->slots, &config);

    if (r < 0) {
        axi_log(AXI_LOG_ERROR, "start-failed",
                "what=runax cure=\"it is not there; build or install it\"");
        return r;
    }
    r = o->removes ? 0 : axi_runax_probe(&d->slots.runax, o->hypervisor, reason);
    if (r < 0) {
        axi_log(AXI_LOG_ERROR, "start-failed", "what=hypervisor value=%s reason=\"%s\"",
                o->hypervisor, reason);
    }
    return r;
}

static int start(struct daemon *d)
{
    const struct axi_host_options *o = d->options;
    char path[PATH_MAX];
    int r = check(o);

    if (r == 0) {
        r = axi_startup_private(o->token_file, o->dir, d->token);
    }
    if (r == 0 && realpath(o->dir, d->dir) == NULL) {
        r = axi_startup_fail("dir", o->dir, -AXC_EIO);
    }
    if (r == 0) {
        r = axi_startup_lock(d->dir);
    }
    if (r == 0) {
        r = axi_startup_path(d->dir, "host.id", path, sizeof(path));
    }
    if (r == 0) {
        r = axi_host_read_identity(path, &d->id);
        r = r < 0 ? axi_startup_fail("dir", path, r) : 0;
    }
    return r == 0 ? open_slots(d) : r;
}

int axi_host_daemon_run(const struct axi_host_options *options)
{
    static struct daemon d; /* too much for the stack */
    struct sigaction action = {.sa_handler = on_signal};
    int code = 1;

    d.options = options;
    (void)snprintf(d.platform, sizeof(d.platform), "axcan-%.16s", options->board);
    (void)sigaction(SIGTERM, &action, NULL);
    (void)sigaction(SIGINT, &action, NULL);
    if (start(&d) < 0) {
        return 1;
    }
    if (options->removes) {
        axi_slots_end_all(&d.slots);
        return 0;
    }
    if (axi_api_client_open(&d.client, options->api, d.token) == 0) {
        axi_log(AXI_LOG_INFO, "host-ready", "name=%s api=%s platform=%s max=%" PRIu64 " runax=%s",
                options->name, options->api, d.platform, options->max, d.slots.runax.program);
        code = serve(&d);
        axi_api_client_close(&d.client);
    }
    if (options->ends_partitions) {
        axi_slots_end_all(&d.slots);
    }
    axi_log(AXI_LOG_INFO, "host-stop", "name=%s", options->name);
    return code;
}
