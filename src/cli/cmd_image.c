/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/command.h"
#include "cli/image_app.h"
#include "cli/image_ecu.h"

#include <string.h>

static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
} kinds[] = {
    {"build", axi_image_build},     {"node", axi_image_node},       {"inspect", axi_image_inspect},
    {"resolve", axi_image_resolve}, {"explain", axi_image_explain}, {"os", axi_image_os},
    {"ecu", axi_image_ecu},
};

static int run(int argc, char **argv)
{
    for (size_t i = 0; argc >= 2 && i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (strcmp(argv[1], kinds[i].name) == 0) {
            return kinds[i].run(argc - 1, argv + 1);
        }
    }
    return axi_cli_usage("image", "wants 'build', 'node', 'inspect', 'resolve', 'explain', 'os' or "
                                  "'ecu'");
}

const struct axi_command axi_command_image = {
    .name = "image",
    .summary = "application, container and bootable images",
    .usage =
        "usage: axcan image build TASK.axi|SOURCE.c|FOLDER... -o APP [options]\n"
        "       axcan image node -o APP\n"
        "       axcan image inspect APP [-o json]\n"
        "       axcan image resolve APP --board BOARD | --node NODE [--name REPOSITORY]\n"
        "       axcan image explain APP --board BOARD [options]\n\n"
        "An application image is an OCI image layout folder with one index: Linux containers and "
        "a\n"
        "bare-metal image per board, each with its binary runtime information (/boot/axcan.json).\n"
        "'build' makes one from tasks, 'node' one of axcan-node as a container. 'resolve' prints\n"
        "NAME@DIGEST of the entry for a board or a node of the cluster; 'explain' says what a\n"
        "partition of it would take on this machine, and why, and takes nothing. APP may be a\n"
        "layout folder, for 'resolve' also an index as skopeo inspect --raw prints it.\n\n"
        "  --board BOARD        virt, zcu102; 'build': up to 2 times (default: both)\n"
        "  --partition BOARD=FILE  'build': a bare-metal image of your own, ELF or raw\n"
        "  --bri BOARD=FILE.json   'build': its binary runtime information instead of a derived "
        "one\n"
        "  --memory BYTES, --cpus N, --hv NAME   'build': what the partitions state (64 MiB, 1, "
        "any)\n"
        "  --jobs N, --wcet NAME=TIME, --exit HOW, --time-limit TIME, --trace  'build': as below\n"
        "  --cflag FLAG         'build': for the compiler, when there are sources\n"
        "  --name NAME          the application's name, or the repository that is printed\n"
        "  --platform FILE, --resources DIR   'explain': as runax has them\n"
        "  --usage FILE         'explain': measured use, to predict what an image does not state\n"
        "  --dir, --api, --token-file   'resolve --node': the cluster\n\n"
        "       axcan image os --task [NAME=]IMAGE.axi [--task ...] -o FILE [options]\n"
        "       axcan image ecu --name NAME --master A:PORT[,B:PORT...] --token-file FILE\n"
        "                        (--dhcp | --address A/PREFIX) -o FILE [options]\n\n"
        "Packs the kernel of a board and its configuration into one bootable file. Nothing is\n"
        "linked. 'os' runs the packed tasks without any network; 'ecu' joins a cluster.\n\n"
        "  --board virt|zcu102  the machine (default virt)\n"
        "  --task IMAGE.axi     a task; NAME= renames this instance (up to 32 times)\n"
        "  --jobs N             jobs of each task (default: as the task says)\n"
        "  --wcet NAME=TIME     budget of a task instead of the declared one\n"
        "  --trace              every event is a line on the console\n"
        "  --exit HOW           at the end: psci (off, the default), semihosting (exit code) or\n"
        "                       halt\n"
        "  --time-limit TIME    end after this time, whatever the tasks do\n"
        "  --host-channel ADDRESS  page that the partition's monitor shares: heartbeat, stop, exit "
        "code\n"
        "  --capacity PPM       density accepted, in millionths (default 900000); 'os' warns on\n"
        "                       the console when its tasks need more\n"
        "  --format KIND        raw (arm64 Image, the default), elf (default for FILE.elf), or\n"
        "                       config: the configuration alone, for a loader\n"
        "  -o FILE              what to write\n\n"
        "Of 'image ecu', besides --board, --capacity, --format and -o:\n"
        "  --gateway A          for what is not on its network\n"
        "  --mac XX:XX:...      instead of the NIC's own; it is the node's identity\n"
        "  --peer-port N        where other nodes reach it (default 7402); --advertise A:PORT is\n"
        "                       what it tells them (behind address translation)\n"
        "  --loopback A         what stands for 127.0.0.1 (QEMU's user network: 10.0.2.2)\n"
        "  --server BUDGET/PERIOD  processor time of network and agent (default 1ms/10ms)\n"
        "  --slots N            instances at once (default 16)\n"
        "  --clock master|ptp[,domain=N]  whose clock it follows (default master); --clock-lines\n"
        "                       writes a line for every Sync (axcan analyze clock)\n"
        "  --clock-bound TIME, --latency-bound TIME  docs/time.md; default: as measured, 0\n"
        "  --io in:NAME=TARGET, out:NAME=TARGET  channel: udp:PORT, node:PORT; udp:A:PORT, "
        "node:A:PORT\n\n"
        "Run it: qemu-system-aarch64 -M virt -cpu cortex-a53 -nographic -kernel FILE\n"
        "Kernels are found by $AXCAN_OS, in the build tree, or in the installed prefix.\n",
    .run = run,
};
