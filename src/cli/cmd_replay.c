/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/command.h"

static int run(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    return axi_cli_fail("replay", "not built in yet");
}

const struct axi_command axi_command_replay = {
    .name = "replay", .summary = "replay", .usage = "usage: axcan replay\n", .run = run};
