/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/command.h"

static int run(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    return axi_cli_fail("build", "not built in yet");
}

const struct axi_command axi_command_build = {
    .name = "build", .summary = "build", .usage = "usage: axcan build\n", .run = run};
