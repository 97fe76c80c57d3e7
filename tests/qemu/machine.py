# SPDX-License-Identifier: Apache-2.0
"""QEMU machines that run images of Axcan OS, one per call, without a network."""
import os
import subprocess

ROOT = os.path.normpath(os.path.join(os.path.dirname(__file__), "..", ".."))
BUILD = os.path.join(os.environ.get("AXCAN_BUILD", os.path.join(ROOT, "build")), "os")

BOARDS = {
    "virt": ["-M", "virt", "-cpu", "cortex-a53"],
    "virt-gicv3": ["-M", "virt,gic-version=3", "-cpu", "cortex-a53"],
    "virt-el2": ["-M", "virt,virtualization=on", "-cpu", "cortex-a53"],
    "virt-gicv3-el2": ["-M", "virt,gic-version=3,virtualization=on", "-cpu", "cortex-a53"],
    "zcu102": ["-M", "xlnx-zcu102"],
    "zcu102-el2": ["-M", "xlnx-zcu102,virtualization=on"],
}
# One instruction is 8 ns, and the clock jumps while the processor waits: every run is the same.
DETERMINISTIC = ["-icount", "shift=3,sleep=off"]
CONFIG_ADDRESS = {"virt": 0x44000000, "zcu102": 0x04000000}


def board_of(machine):
    return machine.split("-")[0]


def run(machine, image, *options, seconds=60):
    """(exit code, console) of an image that ends by itself."""
    command = ["qemu-system-aarch64", *BOARDS[machine], "-nodefaults", "-display", "none",
               "-monitor", "none", "-serial", "stdio",
               "-semihosting-config", "enable=on,target=native", "-kernel", image, *options]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          errors="replace", timeout=seconds, check=False,
                          env=dict(os.environ, QEMU_AUDIO_DRV="none"))
    return done.returncode, done.stdout


def word(address, value, size=8):
    """Options that put a number into memory before the machine starts."""
    return ["-device", "loader,addr=%#x,data=%#x,data-len=%d" % (address, value, size)]
