/* SPDX-License-Identifier: Apache-2.0 */
#include "net/options.h"
#include "vote/daemon.h"

#include <stdio.h>
#include <string.h>

static const char usage[] =
    "usage: axcan-voter --name NAME --master HOST:PORT[,...] --token-file FILE [options]\n"
    "Compares the outputs of a service's replicas and puts out what enough of them agree on.\n"
    "  --name NAME            of this voter in the cluster\n"
    "  --master HOST:PORT[,...]  the masters' node ports\n"
    "  --token-file FILE      the cluster's secret; mode 0600\n"
    "  --listen HOST:PORT     for outputs, UDP (default 127.0.0.1:7404)\n"
    "  --advertise HOST:PORT  how nodes reach it (default: what it listens on)\n"
    "  --out [SERVICE=]TARGET where agreed values go: file:PATH, udp:HOST:PORT or node:HOST:PORT\n"
    "                         (stamped, for an `in:NAME=node:PORT` of a node); repeatable\n"
    "  --history FILE         log of verdicts: one JSON object a line\n"
    "  --allow-remote         go beyond loopback; outputs are not authenticated\n"
    "  --ready-file FILE      written with the address once it is bound\n"
    "  --verbose, --quiet     more or less on stderr\n"
    "  --version, --help\n";

static struct axi_vote_options options = {.listen = "127.0.0.1:7404"};

static const char *add_out(void *to, const char *value)
{
    struct axi_vote_options *all = to;

    if (all->out_count == AXI_VOTE_OUTS_MAX) {
        return "at most 16 outputs";
    }
    all->outs[all->out_count++] = value;
    return NULL;
}

static const struct axi_option table[] = {
    {.name = "name", .kind = AXI_OPTION_TEXT, .to = &options.name, .is_required = 1},
    {.name = "master", .kind = AXI_OPTION_TEXT, .to = &options.master, .is_required = 1},
    {.name = "token-file", .kind = AXI_OPTION_TEXT, .to = &options.token_file, .is_required = 1},
    {.name = "listen", .kind = AXI_OPTION_TEXT, .to = &options.listen},
    {.name = "advertise", .kind = AXI_OPTION_TEXT, .to = &options.advertise},
    {.name = "out", .kind = AXI_OPTION_CALL, .to = &options, .call = add_out},
    {.name = "history", .kind = AXI_OPTION_TEXT, .to = &options.history},
    {.name = "ready-file", .kind = AXI_OPTION_TEXT, .to = &options.ready_file},
    {.name = "allow-remote", .kind = AXI_OPTION_FLAG, .to = &options.allow_remote},
    {.name = NULL},
};

int main(int argc, char **argv)
{
    const struct axi_program program = {
        .name = "axcan-voter", .version = AXI_VERSION, .usage = usage};

    axi_options_read(&program, table, argc, argv);
    if (strlen(options.name) > 31) {
        (void)fprintf(stderr, "axcan-voter: --name: at most 31 characters\n");
        return 2;
    }
    return axi_vote_daemon_run(&options);
}
