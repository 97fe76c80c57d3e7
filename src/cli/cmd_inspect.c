/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/command.h"

static int run(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    return axi_cli_fail("inspect", "not built in yet");
}

const struct axi_command axi_command_inspect = {
    .name = "inspect", .summary = "inspect", .usage = "usage: axcan inspect\n", .run = run};
