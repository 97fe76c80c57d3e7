# SPDX-License-Identifier: Apache-2.0
"""The kernel by itself: address spaces, contexts, timer, panics. kernel_test.c is the image."""
import os
import re
import struct
import subprocess

import pytest

from machine import BOARDS, BUILD, CONFIG_ADDRESS, DETERMINISTIC, board_of, run, word

MODE = 0x54455354


def image(machine):
    return os.path.join(BUILD, "tests", "qemu", "axcan-kernel-test-%s.elf" % board_of(machine))


def panic(machine, mode, *options):
    where = CONFIG_ADDRESS[board_of(machine)] - 16
    return run(machine, image(machine), *word(where, MODE | mode << 32), *options)


@pytest.mark.parametrize("machine", BOARDS)
def test_kernel_holds_its_contract(machine):
    code, console = run(machine, image(machine))
    assert code == 0 and re.search(r"^\d{2,} passed, 0 failed", console, re.M), console


@pytest.mark.parametrize("machine", ["virt", "zcu102"])
def test_two_runs_are_identical(machine):
    first = run(machine, image(machine), *DETERMINISTIC)
    assert first[0] == 0, first[1]
    assert run(machine, image(machine), *DETERMINISTIC) == first


@pytest.mark.parametrize("machine", ["virt", "zcu102"])
def test_raw_image_boots(machine, tmp_path):
    raw = str(tmp_path / "raw")
    subprocess.run(["aarch64-linux-gnu-objcopy", "-O", "binary", image(machine), raw], check=True)
    with open(raw, "rb") as file:
        header = file.read(96)
    assert header[0x38:0x3c] == b"ARM\x64" and header[64:68] == b"AXOS"
    assert header[88:96].rstrip(b"\0").decode() == board_of(machine)
    assert struct.unpack("<Q", header[16:24])[0] >= os.path.getsize(raw)
    code, console = run(machine, raw)
    assert code == 0, console


@pytest.mark.parametrize("mode, words", [
    (1, "panic: asked for: 1"),
    (2, "panic: exception in the kernel: esr=96000045"),  # translation fault, write
    (3, "panic: exception in the kernel: esr=9600004f"),  # permission fault, write
    (4, "panic: exception in the kernel: esr=9600004f"),
    (5, "panic: exception in the kernel: esr=8600000f"),  # permission fault, fetch
    (6, "panic: exception in the kernel: esr=96000047"),  # the stack's guard page
    (7, "panic: exception in a thread: esr=96000047"),
])
def test_kernel_bug_ends_in_a_panic(mode, words):
    code, console = panic("virt", mode)
    assert code == 99 and words in console, console
    assert "x30" in console or mode == 1


@pytest.mark.parametrize("machine", ["virt", "zcu102"])
def test_panic_record_survives_the_reset(machine):
    """Mode + 16: as above, but by reset; the second boot ends with 0 when it finds the record."""
    code, console = panic(machine, 16 + 3)
    assert code == 0, console
    assert console.count("axcan os: board=") == 2
    assert re.search(r"reset by: exception in the kernel: esr=9600004f elr=ffffff\w+ far=ffffff",
                     console), console


def test_boot_that_always_fails_ends_off():
    """Mode + 32: in each boot."""
    code, console = panic("virt", 32 + 3)
    assert code == 0 and "twice in a row while booting: off" in console, console
    assert console.count("axcan os: board=") == 2


def test_memory_is_what_the_device_tree_says():
    for mib in (64, 256):
        code, console = run("virt", image("virt"), "-m", str(mib))
        assert code == 0, console
        kib = int(re.search(r"memory_kib=(\d+)", console).group(1))
        assert mib - 4 < kib / 1024 < mib, console
