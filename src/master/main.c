/* SPDX-License-Identifier: Apache-2.0 */
#include "master/daemon.h"
#include "net/host.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char usage[] =
    "usage: axcan-master --dir DIR --token-file FILE [options]\n"
    "  --listen HOST:PORT     for nodes (default 127.0.0.1:7400)\n"
    "  --api HOST:PORT        for the axcan command (default 127.0.0.1:7401)\n"
    "  --dir DIR              store and images; made when missing\n"
    "  --store LOCATION       the cluster's state: sqlite:PATH (default DIR/store.db) or\n"
    "                         etcd://HOST:PORT[,HOST:PORT...][/PREFIX], etcds:// for TLS\n"
    "  --token-file FILE      secret that nodes and commands must show; mode 0600\n"
    "  --history-dir DIR      write the histories of nodes that have no disk, NAME.history each\n"
    "  --lease-ms N           lease of a node (default 500)\n"
    "  --heartbeat-ms N       how often nodes report (default 100)\n"
    "  --sync-policy alarm|migrate|drop  what to do with tasks whose node's clock became so bad\n"
    "                         that their deadlines cannot be kept (default alarm)\n"
    "  --allow-remote         listen beyond loopback; the streams are not encrypted yet\n"
    "  --ready-file FILE      written with both addresses once they are bound\n"
    "  --verbose, --quiet     more or less on stderr\n"
    "  --version, --help\n";

static const struct option names[] = {
    {"listen", required_argument, NULL, 'l'},
    {"api", required_argument, NULL, 'a'},
    {"dir", required_argument, NULL, 'd'},
    {"store", required_argument, NULL, 'S'},
    {"token-file", required_argument, NULL, 't'},
    {"history-dir", required_argument, NULL, 'i'},
    {"lease-ms", required_argument, NULL, 'L'},
    {"heartbeat-ms", required_argument, NULL, 'H'},
    {"sync-policy", required_argument, NULL, 's'},
    {"ready-file", required_argument, NULL, 'r'},
    {"allow-remote", no_argument, NULL, 'R'},
    {"verbose", no_argument, NULL, 'v'},
    {"quiet", no_argument, NULL, 'q'},
    {"version", no_argument, NULL, 'V'},
    {"help", no_argument, NULL, 'h'},
    {NULL, 0, NULL, 0},
};

static uint64_t read_ms(const char *name, const char *text)
{
    char *end = NULL;
    unsigned long value = strtoul(text, &end, 10);

    if (*text < '0' || *text > '9' || *end != '\0' || value < 1 || value > 600000) {
        (void)fprintf(stderr, "axcan-master: --%s: '%s' is no number of ms (1 to 600000)\n", name,
                      text);
        exit(2);
    }
    return value;
}

static uint64_t read_policy(const char *text)
{
    static const char *const words[] = {"alarm", "migrate", "drop"};

    for (uint64_t i = 0; i < 3; i++) {
        if (strcmp(text, words[i]) == 0) {
            return i;
        }
    }
    (void)fprintf(stderr, "axcan-master: --sync-policy: '%s' is none of alarm, migrate, drop\n",
                  text);
    exit(2);
}

int main(int argc, char **argv)
{
    struct axi_master_options options = {.listen = "127.0.0.1:7400", .api = "127.0.0.1:7401"};
    enum axi_log_level level = AXI_LOG_INFO;
    int option = 0;

    while ((option = getopt_long(argc, argv, "h", names, NULL)) != -1) {
        switch (option) {
        case 'l':
            options.listen = optarg;
            break;
        case 'a':
            options.api = optarg;
            break;
        case 'd':
            options.dir = optarg;
            break;
        case 'S':
            options.store = optarg;
            break;
        case 't':
            options.token_file = optarg;
            break;
        case 'i':
            options.history_dir = optarg;
            break;
        case 'L':
            options.lease_ms = read_ms("lease-ms", optarg);
            break;
        case 'H':
            options.heartbeat_ms = read_ms("heartbeat-ms", optarg);
            break;
        case 's':
            options.sync_policy = read_policy(optarg);
            break;
        case 'r':
            options.ready_file = optarg;
            break;
        case 'R':
            options.allow_remote = 1;
            break;
        case 'v':
            level = AXI_LOG_DEBUG;
            break;
        case 'q':
            level = AXI_LOG_WARN;
            break;
        case 'V':
            (void)puts("axcan-master " AXI_VERSION);
            return 0;
        case 'h':
            (void)fputs(usage, stdout);
            return 0;
        default:
            (void)fputs(usage, stderr);
            return 2;
        }
    }
    if (optind < argc || options.dir == NULL || options.token_file == NULL) {
        (void)fputs(usage, stderr);
        return 2;
    }
    axi_host_log_to_stderr(level);
    return axi_master_daemon_run(&options);
}
