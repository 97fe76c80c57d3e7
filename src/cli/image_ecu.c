/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/image_ecu.h"

#include "cli/command.h"
#include "cli/options.h"
#include "core/meta.h"
#include "host/os_files.h"
#include "net/host.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define COMMAND "image ecu"

struct request {
    const char *board, *out, *format_text;
    const char *name, *master, *token_file, *address, *gateway, *mac, *advertise, *loopback,
        *server, *clock, *clock_bound, *latency_bound;
    bool is_dhcp, has_clock_lines;
    uint64_t peer_port, slots, capacity_ppm;
    struct axi_option_list channels;
    enum axi_os_format format;
    struct axi_boot_config config;
};

/* false when the text is longer than the field takes. */
static bool set_text(char *field, size_t size, const char *text)
{
    return text == NULL || snprintf(field, size, "%s", text) < (int)size;
}

static bool set_ip(uint8_t field[4], const char *text)
{
    return text == NULL || inet_pton(AF_INET, text, field) == 1;
}

/* "a.b.c.d:port": the kernel resolves no names. */
static bool is_ip_and_port(const char *text)
{
    char host[INET_ADDRSTRLEN];
    const char *colon = strchr(text, ':');
    uint8_t ip[4];
    uint64_t port = 0;

    if (colon == NULL || (size_t)(colon - text) >= sizeof(host)) {
        return false;
    }
    (void)snprintf(host, sizeof(host), "%.*s", (int)(colon - text), text);
    return inet_pton(AF_INET, host, ip) == 1 && axi_parse_number(colon + 1, &port) && port > 0 &&
           port <= UINT16_MAX;
}

static int set_address(struct request *request)
{
    struct axi_boot_config *config = &request->config;
    char host[INET_ADDRSTRLEN];
    const char *slash = request->address != NULL ? strchr(request->address, '/') : NULL;
    uint64_t prefix = 0;

    if (request->is_dhcp == (request->address != NULL)) {
        return axi_cli_usage(COMMAND, "either --dhcp or --address A/PREFIX");
    }
    if (request->is_dhcp) {
        config->network = AXI_BOOT_NETWORK_DHCP;
        return 0;
    }
    if (slash == NULL || (size_t)(slash - request->address) >= sizeof(host) ||
        !axi_parse_number(slash + 1, &prefix) || prefix < 1 || prefix > 30) {
        return axi_cli_usage(COMMAND, "--address: '%s' is not a.b.c.d/PREFIX (1 to 30)",
                             request->address);
    }
    (void)snprintf(host, sizeof(host), "%.*s", (int)(slash - request->address), request->address);
    if (!set_ip(config->address, host)) {
        return axi_cli_usage(COMMAND, "--address: '%s' is no IPv4 address", host);
    }
    config->network = AXI_BOOT_NETWORK_STATIC;
    config->prefix = (uint32_t)prefix;
    return 0;
}

static int set_mac(struct request *request)
{
    unsigned b[6];
    char end = 0;

    if (request->mac == NULL) {
        return 0;
    }
    if (sscanf(request->mac, "%2x:%2x:%2x:%2x:%2x:%2x%c", &b[0], &b[1], &b[2], &b[3], &b[4], &b[5],
               &end) != 6 ||
        (b[0] & 1) != 0) {
        return axi_cli_usage(COMMAND, "--mac: '%s' is no address of one interface", request->mac);
    }
    for (size_t i = 0; i < 6; i++) {
        request->config.mac[i] = (uint8_t)b[i];
    }
    request->config.has_mac = true;
    return 0;
}

/* "1ms/10ms". */
static int set_server(struct request *request)
{
    struct axi_boot_config *config = &request->config;
    char budget[32];
    const char *slash = request->server != NULL ? strchr(request->server, '/') : NULL;

    if (request->server == NULL) {
        return 0;
    }
    if (slash == NULL || (size_t)(slash - request->server) >= sizeof(budget)) {
        return axi_cli_usage(COMMAND, "--server: '%s' is not BUDGET/PERIOD", request->server);
    }
    (void)snprintf(budget, sizeof(budget), "%.*s", (int)(slash - request->server), request->server);
    if (!axi_parse_time_ns(budget, &config->server_budget_ns) ||
        !axi_parse_time_ns(slash + 1, &config->server_period_ns) || config->server_budget_ns == 0 ||
        config->server_budget_ns > config->server_period_ns) {
        return axi_cli_usage(COMMAND, "--server: '%s' is not BUDGET/PERIOD with budget <= period",
                             request->server);
    }
    return 0;
}

/* "master", "ptp" or "ptp,domain=N". */
static int set_clock(struct request *request)
{
    struct axi_boot_config *config = &request->config;
    const char *text = request->clock != NULL ? request->clock : "master";
    uint64_t domain = 0;

    if (strncmp(text, "ptp,domain=", 11) == 0) {
        if (!axi_parse_number(text + 11, &domain) || domain > UINT8_MAX) {
            return axi_cli_usage(COMMAND, "--clock: '%s' is no domain, 0 to 255", text + 11);
        }
        text = "ptp";
    }
    if (strcmp(text, "ptp") != 0 && strcmp(text, "master") != 0) {
        return axi_cli_usage(COMMAND, "--clock: '%s' is none of master, ptp, ptp,domain=N", text);
    }
    if ((request->clock_bound != NULL &&
         !axi_parse_time_ns(request->clock_bound, &config->clock_bound_ns)) ||
        (request->latency_bound != NULL &&
         !axi_parse_time_ns(request->latency_bound, &config->latency_ns))) {
        return axi_cli_usage(COMMAND, "--clock-bound and --latency-bound are times such as 50us");
    }
    config->clock = text[0] == 'p' ? AXI_BOOT_CLOCK_PTP : AXI_BOOT_CLOCK_MASTER;
    config->clock_domain = (uint8_t)domain;
    config->clock_flags = request->has_clock_lines ? AXI_BOOT_CLOCK_FLAG_LINES : 0;
    return 0;
}

/* "in:NAME=TARGET" or "out:NAME=TARGET". */
static int add_channel(struct axi_boot_config *config, const char *text)
{
    struct axi_boot_channel *channel = &config->channels[config->channel_count];
    bool is_output = strncmp(text, "out:", 4) == 0;
    const char *name = text + (is_output ? 4 : 3);
    const char *equals = strchr(text, '=');

    if ((!is_output && strncmp(text, "in:", 3) != 0) || equals == NULL || equals <= name ||
        (size_t)(equals - name) >= sizeof(channel->name) ||
        !set_text(channel->target, sizeof(channel->target), equals + 1)) {
        return axi_cli_usage(COMMAND, "--io: '%s' is not in:NAME=TARGET or out:NAME=TARGET", text);
    }
    memcpy(channel->name, name, (size_t)(equals - name));
    channel->is_output = is_output;
    config->channel_count++;
    return 0;
}

/* The first one, and the others. */
static bool set_masters(struct request *request)
{
    struct axi_boot_config *config = &request->config;
    char list[AXI_BOOT_TEXT_BYTES + AXI_BOOT_MASTERS_BYTES];
    char *rest = list;
    bool is_ok = set_text(list, sizeof(list), request->master);

    for (char *one = is_ok ? strtok_r(list, ",", &rest) : NULL; one != NULL && is_ok;
         one = strtok_r(NULL, ",", &rest)) {
        size_t used = strlen(config->masters);

        is_ok = is_ip_and_port(one);
        if (config->master[0] == '\0') {
            is_ok = is_ok && set_text(config->master, sizeof(config->master), one);
        } else {
            is_ok = is_ok && used + strlen(one) + 2 < sizeof(config->masters);
            (void)snprintf(config->masters + used, sizeof(config->masters) - used, "%s%s",
                           used > 0 ? "," : "", one);
        }
    }
    return is_ok && config->master[0] != '\0';
}

static int check_needed(struct request *request)
{
    if (request->out == NULL || request->name == NULL || request->master == NULL ||
        request->token_file == NULL) {
        return axi_cli_usage(COMMAND, "--name, --master, --token-file and -o are needed");
    }
    char name[AXC_NAME_BYTES] = "";

    if (!set_text(name, sizeof(name), request->name) || !axi_meta_is_name(name)) {
        return axi_cli_usage(COMMAND, "--name: '%s' is not [a-z][a-z0-9-]*, at most 31 characters",
                             request->name);
    }
    if (!axi_os_is_board(request->board)) {
        return axi_cli_usage(COMMAND, "--board: '%s' is none of virt, zcu102", request->board);
    }
    if (!set_masters(request)) {
        return axi_cli_usage(COMMAND, "--master: '%s' is not a.b.c.d:PORT[,a.b.c.d:PORT...]",
                             request->master);
    }
    if (request->advertise != NULL && !is_ip_and_port(request->advertise)) {
        return axi_cli_usage(COMMAND, "--advertise: '%s' is not a.b.c.d:PORT", request->advertise);
    }
    if (request->peer_port > UINT16_MAX || request->slots < 1 ||
        request->slots > AXI_BOOT_SLOTS_MAX || request->capacity_ppm < 1 ||
        request->capacity_ppm > 1000000) {
        return axi_cli_usage(COMMAND,
                             "--peer-port: 0 to 65535; --slots: 1 to %u; --capacity: 1 to "
                             "1000000",
                             AXI_BOOT_SLOTS_MAX);
    }
    return 0;
}

static int fill(struct request *request)
{
    struct axi_boot_config *config = &request->config;
    char token[AXI_TOKEN_BYTES];
    int r = set_address(request);

    r = r != 0 ? r : set_mac(request);
    r = r != 0 ? r : set_server(request);
    r = r != 0 ? r : set_clock(request);
    for (size_t i = 0; i < request->channels.count && r == 0; i++) {
        r = add_channel(config, request->channels.items[i]);
    }
    if (r != 0) {
        return r;
    }
    (void)set_text(config->name, sizeof(config->name), request->name);
    if (!set_text(config->advertise, sizeof(config->advertise), request->advertise) ||
        !set_ip(config->gateway, request->gateway) ||
        !set_ip(config->loopback, request->loopback)) {
        return axi_cli_usage(COMMAND, "--gateway or --loopback is no IPv4 "
                                      "address");
    }
    r = axi_host_read_token(request->token_file, token);
    if (r < 0) {
        return axi_cli_fail(COMMAND, "%s: %s; it must be a file of mode 0600", request->token_file,
                            axi_error_text(r));
    }
    (void)set_text(config->token, sizeof(config->token), token);
    config->peer_port = (uint16_t)request->peer_port;
    config->slots = (uint32_t)request->slots;
    config->capacity_ppm = (uint32_t)request->capacity_ppm;
    if (getrandom(&config->seed, sizeof(config->seed), 0) != (ssize_t)sizeof(config->seed)) {
        return axi_cli_fail(COMMAND, "no random numbers");
    }
    return 0;
}

static int write_image(const struct request *request)
{
    const struct axi_os_file file = {.board = request->board,
                                     .format = request->format,
                                     .config = &request->config,
                                     .path = request->out};
    char reason[AXI_OS_REASON_BYTES];
    size_t bytes = 0;
    int r = axi_os_write(&file, &bytes, reason);

    if (r < 0) {
        r = axi_cli_fail(COMMAND, "%s", reason);
    } else {
        (void)printf("%s: Axcan OS for %s, node %s of the master at %s, %zu bytes\n", request->out,
                     request->board, request->name, request->master, bytes);
    }
    return r;
}

int axi_image_ecu(int argc, char **argv)
{
    static struct request request = {
        .board = "virt", .peer_port = 7402, .slots = 16, .capacity_ppm = 900000};
    const struct axi_option options[] = {
        {"board", AXI_OPTION_TEXT, &request.board},
        {"name", AXI_OPTION_TEXT, &request.name},
        {"master", AXI_OPTION_TEXT, &request.master},
        {"token-file", AXI_OPTION_TEXT, &request.token_file},
        {"dhcp", AXI_OPTION_FLAG, &request.is_dhcp},
        {"address", AXI_OPTION_TEXT, &request.address},
        {"gateway", AXI_OPTION_TEXT, &request.gateway},
        {"mac", AXI_OPTION_TEXT, &request.mac},
        {"peer-port", AXI_OPTION_NUMBER, &request.peer_port},
        {"advertise", AXI_OPTION_TEXT, &request.advertise},
        {"loopback", AXI_OPTION_TEXT, &request.loopback},
        {"server", AXI_OPTION_TEXT, &request.server},
        {"slots", AXI_OPTION_NUMBER, &request.slots},
        {"capacity", AXI_OPTION_NUMBER, &request.capacity_ppm},
        {"io", AXI_OPTION_LIST, &request.channels},
        {"clock", AXI_OPTION_TEXT, &request.clock},
        {"clock-lines", AXI_OPTION_FLAG, &request.has_clock_lines},
        {"clock-bound", AXI_OPTION_TEXT, &request.clock_bound},
        {"latency-bound", AXI_OPTION_TEXT, &request.latency_bound},
        {"format", AXI_OPTION_TEXT, &request.format_text},
        {"o", AXI_OPTION_TEXT, &request.out},
    };
    int r = axi_options_parse(COMMAND, argc, argv, options, sizeof(options) / sizeof(options[0]),
                              "", 0, 0, NULL, NULL);

    axi_boot_config_init(&request.config);
    r = r != 0 ? r : check_needed(&request);
    if (r == 0 && axi_os_parse_format(request.format_text, request.out, &request.format) < 0) {
        r = axi_cli_usage(COMMAND, "--format: '%s' is none of raw, elf, config",
                          request.format_text);
    }
    r = r != 0 ? r : fill(&request);
    return r != 0 ? r : write_image(&request);
}
