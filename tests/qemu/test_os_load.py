# SPDX-License-Identifier: Apache-2.0
"""Loading and unloading on bare metal, for ever."""
import os
import re
import subprocess

from harness import BUILD
import machine


def test_100000_loads_and_unloads_leave_the_memory_as_it_was(tmp_path):
    config = tmp_path / "config"
    subprocess.run([os.path.join(BUILD, "src", "cli", "axcan"), "image", "os", "--format", "config",
                    "--task", os.path.join(BUILD, "tasks", "cruise.axi"), "-o", config],
                   check=True, timeout=60, stdout=subprocess.DEVNULL)
    code, console = machine.run(
        "virt", os.path.join(machine.BUILD, "bench", "axcan-os-load.elf"), *machine.DETERMINISTIC,
        "-device", "loader,file=%s,addr=%#x,force-raw=on" % (config, machine.CONFIG_ADDRESS["virt"]),
        seconds=300)
    found = re.search(r"^G 100000 memory_before=(\d+) memory_after=(\d+) ", console, re.M)

    assert code == 0, console
    assert found, console
    assert found.group(1) == found.group(2)
