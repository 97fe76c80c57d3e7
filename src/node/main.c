/* SPDX-License-Identifier: Apache-2.0 */
#include "node/daemon.h"

int main(int argc, char **argv)
{
    return axi_node_daemon_run(axi_node_options_read(argc, argv));
}
