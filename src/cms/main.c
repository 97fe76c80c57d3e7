/* SPDX-License-Identifier: Apache-2.0 */
#include "cms/daemon.h"
#include "net/host.h"
#include "store/checkpoints.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char usage[] =
    "usage: axcan-cms --name NAME --dir DIR --store LOCATION --token-file FILE [options]\n"
    "Keeps the checkpoints of all tasks durably, and restores the tasks of dead nodes.\n"
    "  --name NAME            of this manager in the cluster\n"
    "  --dir DIR              identity, checkpoints and images; made when missing\n"
    "  --store LOCATION       the cluster's store: PATH, sqlite:PATH or etcd://HOST:PORT,...\n"
    "  --token-file FILE      the cluster's secret; mode 0600\n"
    "  --listen HOST:PORT     for nodes and other managers (default 127.0.0.1:7402)\n"
    "  --advertise HOST:PORT  how they reach it (default: what it listens on)\n"
    "  --api HOST:PORT        for the axcan command (default 127.0.0.1:7403)\n"
    "  --master HOST:PORT     the master's node port\n"
    "  --master-api HOST:PORT where the images of tasks come from\n"
    "  --own-node NAME        node on this machine; tasks with short periods go there first\n"
    "  --keep N               checkpoints kept of each task (default 8)\n"
    "  --lease-ms N           lease of a node, until the master says (default 500)\n"
    "  --claim-lease-ms N     a claim without progress is open again (default 1000)\n"
    "  --notify udp:GROUP:PORT  where nodes with the same option send their notices\n"
    "  --allow-remote         go beyond loopback; the streams are not encrypted yet\n"
    "  --ready-file FILE      written with both addresses once they are bound\n"
    "  --verbose, --quiet     more or less on stderr\n"
    "  --version, --help\n";

static const struct option names[] = {
    {"name", required_argument, NULL, 'n'},
    {"dir", required_argument, NULL, 'd'},
    {"store", required_argument, NULL, 's'},
    {"token-file", required_argument, NULL, 't'},
    {"listen", required_argument, NULL, 'l'},
    {"advertise", required_argument, NULL, 'A'},
    {"api", required_argument, NULL, 'a'},
    {"master", required_argument, NULL, 'm'},
    {"master-api", required_argument, NULL, 'M'},
    {"own-node", required_argument, NULL, 'o'},
    {"keep", required_argument, NULL, 'k'},
    {"lease-ms", required_argument, NULL, 'L'},
    {"claim-lease-ms", required_argument, NULL, 'c'},
    {"ready-file", required_argument, NULL, 'r'},
    {"notify", required_argument, NULL, 'N'},
    {"allow-remote", no_argument, NULL, 'R'},
    {"verbose", no_argument, NULL, 'v'},
    {"quiet", no_argument, NULL, 'q'},
    {"version", no_argument, NULL, 'V'},
    {"help", no_argument, NULL, 'h'},
    {NULL, 0, NULL, 0},
};

static uint64_t read_number(const char *name, const char *text, uint64_t max)
{
    char *end = NULL;
    unsigned long value = strtoul(text, &end, 10);

    if (*text < '0' || *text > '9' || *end != '\0' || value < 1 || value > max) {
        (void)fprintf(stderr, "axcan-cms: --%s: '%s' is not a number from 1 to %lu\n", name, text,
                      (unsigned long)max);
        exit(2);
    }
    return value;
}

static void set_number(int option, const char *text, struct axi_cms_options *options)
{
    switch (option) {
    case 'k':
        options->keep = read_number("keep", text, AXI_CHECKPOINTS_KEEP_MAX);
        break;
    case 'L':
        options->lease_ms = read_number("lease-ms", text, 600000);
        break;
    default:
        options->claim_lease_ms = read_number("claim-lease-ms", text, 600000);
        break;
    }
}

/* Options with a text; false: not one of them. */
static int set_text(int option, const char *text, struct axi_cms_options *options)
{
    const struct {
        int option;
        const char **where;
    } texts[] = {
        {'n', &options->name},       {'d', &options->dir},        {'s', &options->store},
        {'t', &options->token_file}, {'l', &options->listen},     {'A', &options->advertise},
        {'a', &options->api},        {'m', &options->master},     {'M', &options->master_api},
        {'o', &options->own_node},   {'r', &options->ready_file}, {'N', &options->notify},
    };

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        if (texts[i].option == option) {
            *texts[i].where = text;
            return 1;
        }
    }
    return 0;
}

/* -1: go on; else the exit code. */
static int apply(int option, struct axi_cms_options *options, enum axi_log_level *level)
{
    switch (option) {
    case 'k':
    case 'L':
    case 'c':
        set_number(option, optarg, options);
        return -1;
    case 'R':
        options->allow_remote = 1;
        return -1;
    case 'v':
        *level = AXI_LOG_DEBUG;
        return -1;
    case 'q':
        *level = AXI_LOG_WARN;
        return -1;
    case 'V':
        (void)puts("axcan-cms " AXI_VERSION);
        return 0;
    case 'h':
        (void)fputs(usage, stdout);
        return 0;
    default:
        if (set_text(option, optarg, options)) {
            return -1;
        }
        (void)fputs(usage, stderr);
        return 2;
    }
}

int main(int argc, char **argv)
{
    struct axi_cms_options options = {.listen = "127.0.0.1:7402", .api = "127.0.0.1:7403"};
    enum axi_log_level level = AXI_LOG_INFO;
    int option = 0;

    while ((option = getopt_long(argc, argv, "h", names, NULL)) != -1) {
        int code = apply(option, &options, &level);

        if (code >= 0) {
            return code;
        }
    }
    if (optind < argc || options.name == NULL || options.dir == NULL || options.store == NULL ||
        options.token_file == NULL) {
        (void)fputs(usage, stderr);
        return 2;
    }
    if (strlen(options.name) > 31) {
        (void)fprintf(stderr, "axcan-cms: --name: at most 31 characters\n");
        return 2;
    }
    axi_host_log_to_stderr(level);
    return axi_cms_daemon_run(&options);
}
