/* SPDX-License-Identifier: Apache-2.0 */
#include "cms/daemon.h"
#include "net/options.h"
#include "store/checkpoints.h"

#include <stdio.h>
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
    "  --master HOST:PORT[,HOST:PORT...]  the masters' node ports\n"
    "  --master-api HOST:PORT[,HOST:PORT...]  the masters' APIs: images of tasks come from there\n"
    "  --own-node NAME        node on this machine; tasks with short periods go there first\n"
    "  --keep N               checkpoints kept of each task (default 8)\n"
    "  --lease-ms N           lease of a node, until the master says (default 500)\n"
    "  --claim-lease-ms N     a claim without progress is open again (default 1000)\n"
    "  --notify udp:GROUP:PORT  where nodes with the same option send their notices\n"
    "  --allow-remote         go beyond loopback; the streams are not encrypted yet\n"
    "  --ready-file FILE      written with both addresses once they are bound\n"
    "  --verbose, --quiet     more or less on stderr\n"
    "  --version, --help\n";

static struct axi_cms_options options = {.listen = "127.0.0.1:7402", .api = "127.0.0.1:7403"};

static const struct axi_option table[] = {
    {.name = "name", .kind = AXI_OPTION_TEXT, .to = &options.name, .is_required = 1},
    {.name = "dir", .kind = AXI_OPTION_TEXT, .to = &options.dir, .is_required = 1},
    {.name = "store", .kind = AXI_OPTION_TEXT, .to = &options.store, .is_required = 1},
    {.name = "token-file", .kind = AXI_OPTION_TEXT, .to = &options.token_file, .is_required = 1},
    {.name = "listen", .kind = AXI_OPTION_TEXT, .to = &options.listen},
    {.name = "advertise", .kind = AXI_OPTION_TEXT, .to = &options.advertise},
    {.name = "api", .kind = AXI_OPTION_TEXT, .to = &options.api},
    {.name = "master", .kind = AXI_OPTION_TEXT, .to = &options.master},
    {.name = "master-api", .kind = AXI_OPTION_TEXT, .to = &options.master_api},
    {.name = "own-node", .kind = AXI_OPTION_TEXT, .to = &options.own_node},
    {.name = "keep",
     .kind = AXI_OPTION_NUMBER,
     .to = &options.keep,
     .min = 1,
     .max = AXI_CHECKPOINTS_KEEP_MAX},
    {.name = "lease-ms",
     .kind = AXI_OPTION_NUMBER,
     .to = &options.lease_ms,
     .min = 1,
     .max = 600000},
    {.name = "claim-lease-ms",
     .kind = AXI_OPTION_NUMBER,
     .to = &options.claim_lease_ms,
     .min = 1,
     .max = 600000},
    {.name = "ready-file", .kind = AXI_OPTION_TEXT, .to = &options.ready_file},
    {.name = "notify", .kind = AXI_OPTION_TEXT, .to = &options.notify},
    {.name = "allow-remote", .kind = AXI_OPTION_FLAG, .to = &options.allow_remote},
    {.name = NULL},
};

int main(int argc, char **argv)
{
    const struct axi_program program = {
        .name = "axcan-cms", .version = AXI_VERSION, .usage = usage};

    axi_options_read(&program, table, argc, argv);
    if (strlen(options.name) > 31) {
        (void)fprintf(stderr, "axcan-cms: --name: at most 31 characters\n");
        return 2;
    }
    return axi_cms_daemon_run(&options);
}
