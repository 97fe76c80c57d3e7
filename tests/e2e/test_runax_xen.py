# SPDX-License-Identifier: Apache-2.0
"""Two partitions started by Debian's Xen for arm64 itself, in QEMU, from what `runax dom0less` prints.
Needs `tools/get-xen .fetched/xen` once (tools/run-tests does it)."""
import os
import shutil
import subprocess

import pytest
from runax import GUESTS, Runax, wait_text

XEN = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../.fetched/xen/xen")
MACHINE = "virt,virtualization=on,gic-version=3"
QEMU = ["qemu-system-aarch64", "-cpu", "cortex-a57", "-smp", "2", "-m", "1024", "-nographic"]

pytestmark = pytest.mark.skipif(not os.path.exists(XEN) or shutil.which("dtc") is None,
                                reason="capability:xen-arm64")


def run(*command):
    subprocess.run(list(map(str, command)), check=True, timeout=60, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL)


def test_xen_starts_two_partitions_from_our_overlays(tmp_path):
    image, tree = tmp_path / "guest.img", tmp_path / "virt.dts"
    run("aarch64-linux-gnu-gcc", "-nostdlib", "-static", "-Wl,-Ttext=0", "-Wl,--build-id=none",
        "-o", tmp_path / "guest.elf", os.path.join(GUESTS, "xen.S"))
    run("aarch64-linux-gnu-objcopy", "-O", "binary", tmp_path / "guest.elf", image)
    run(*QEMU, "-machine", "%s,dumpdtb=%s" % (MACHINE, tmp_path / "virt.dtb"))
    run("dtc", "-I", "dtb", "-O", "dts", "-o", tree, tmp_path / "virt.dtb")
    command = [*QEMU, "-kernel", XEN, "-machine", MACHINE, "-dtb", str(tmp_path / "all.dtb")]
    text = tree.read_text() + "&{/chosen} { #address-cells = <2>; #size-cells = <2>; };\n"
    with Runax(tmp_path / "engine") as runax:
        for name, address in (("one", "0x50000000"), ("two", "0x51000000")):
            bundle = runax.bundle(name, image, {
                "dev.axcan.hv": "xen", "dev.axcan.memory": "0x1000000",
                "dev.axcan.hv.module_address": address})
            overlay = runax.ok("dom0less", "--bundle", bundle, name)
            assert overlay.startswith("/dts-v1/;\n/plugin/;\n")
            text += overlay.replace("/dts-v1/;\n/plugin/;\n", "")
            command += ["-device", "loader,file=%s,addr=%s,force-raw=on" % (image, address)]
    (tmp_path / "all.dts").write_text(text)
    run("dtc", "-I", "dts", "-O", "dtb", "-o", tmp_path / "all.dtb", tmp_path / "all.dts")
    output = tmp_path / "xen.out"
    with open(output, "wb") as file:
        machine = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=file, stderr=file)
    try:
        for domain in (1, 2):
            wait_text(output, "(XEN) DOM%d: hello from a partition" % domain, 120)
    finally:
        machine.kill()
        machine.wait()
