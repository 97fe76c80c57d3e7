/* SPDX-License-Identifier: Apache-2.0 */
#include "master/daemon.h"
#include "net/options.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

static const char usage[] =
    "usage: axcan-master --dir DIR --token-file FILE [options]\n"
    "  --name NAME            of this master, where there are several (default master)\n"
    "  --listen HOST:PORT     for nodes (default 127.0.0.1:7400)\n"
    "  --advertise HOST:PORT  how nodes and other masters reach it (default: what it listens on)\n"
    "  --api HOST:PORT        for the axcan command (default 127.0.0.1:7401)\n"
    "  --dir DIR              store and images; made when missing\n"
    "  --store LOCATION       the cluster's state: sqlite:PATH (default DIR/store.db) or\n"
    "                         etcd://HOST:PORT[,HOST:PORT...][/PREFIX], etcds:// for TLS\n"
    "  --token-file FILE      secret that nodes and commands must show; mode 0600\n"
    "  --predictor FILE       weights of the load predictor, by axcan train (default: built in)\n"
    "  --telemetry FILE       record the nodes' load there, for axcan train; two files of 64 MiB\n"
    "  --history-dir DIR      write the histories of nodes that have no disk, NAME.history each\n"
    "  --lease-ms N           lease of a node (default 500)\n"
    "  --leader-lease-ms N    so long after the leader's end another master leads (default 2000)\n"
    "  --heartbeat-ms N       how often nodes report (default 100)\n"
    "  --clock SOURCE         follow a grandmaster as the nodes do: ptp4l[:SOCKET] or\n"
    "                         ptp:INTERFACE[,l2][,domain=N] (default: this host's TAI clock)\n"
    "  --sync-policy alarm|migrate|drop  what to do with tasks whose node's clock became so bad\n"
    "                         that their deadlines cannot be kept (default alarm)\n"
    "  --allow-remote         listen beyond loopback; the streams are not encrypted yet\n"
    "  --ready-file FILE      written with both addresses once they are bound\n"
    "  --verbose, --quiet     more or less on stderr\n"
    "  --version, --help\n";

static struct axi_master_options options = {
    .name = "master", .listen = "127.0.0.1:7400", .api = "127.0.0.1:7401"};
static const char *const policies[] = {"alarm", "migrate", "drop", NULL}; /* axi_sync_policy */

static const struct axi_option table[] = {
    {.name = "dir", .kind = AXI_OPTION_TEXT, .to = &options.dir, .is_required = 1},
    {.name = "token-file", .kind = AXI_OPTION_TEXT, .to = &options.token_file, .is_required = 1},
    {.name = "name", .kind = AXI_OPTION_TEXT, .to = &options.name},
    {.name = "advertise", .kind = AXI_OPTION_TEXT, .to = &options.advertise},
    {.name = "leader-lease-ms",
     .kind = AXI_OPTION_NUMBER,
     .to = &options.leader_lease_ms,
     .min = 200,
     .max = 600000},
    {.name = "listen", .kind = AXI_OPTION_TEXT, .to = &options.listen},
    {.name = "api", .kind = AXI_OPTION_TEXT, .to = &options.api},
    {.name = "store", .kind = AXI_OPTION_TEXT, .to = &options.store},
    {.name = "predictor", .kind = AXI_OPTION_TEXT, .to = &options.predictor},
    {.name = "telemetry", .kind = AXI_OPTION_TEXT, .to = &options.telemetry},
    {.name = "history-dir", .kind = AXI_OPTION_TEXT, .to = &options.history_dir},
    {.name = "lease-ms",
     .kind = AXI_OPTION_NUMBER,
     .to = &options.lease_ms,
     .min = 1,
     .max = 600000},
    {.name = "heartbeat-ms",
     .kind = AXI_OPTION_NUMBER,
     .to = &options.heartbeat_ms,
     .min = 1,
     .max = 600000},
    {.name = "clock", .kind = AXI_OPTION_TEXT, .to = &options.clock},
    {.name = "sync-policy", .kind = AXI_OPTION_WORD, .to = &options.sync_policy, .words = policies},
    {.name = "ready-file", .kind = AXI_OPTION_TEXT, .to = &options.ready_file},
    {.name = "allow-remote", .kind = AXI_OPTION_FLAG, .to = &options.allow_remote},
    {.name = NULL},
};

int main(int argc, char **argv)
{
    const struct axi_program program = {
        .name = "axcan-master", .version = AXI_VERSION, .usage = usage};

    axi_options_read(&program, table, argc, argv);
    if (strlen(options.name) > 31) {
        (void)fprintf(stderr, "axcan-master: --name: at most 31 characters\n");
        return 2;
    }
    return axi_master_daemon_run(&options);
}
