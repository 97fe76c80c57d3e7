# SPDX-License-Identifier: Apache-2.0
"""The whole node (kernel, network, agent, scheduler) stays small: it is what a partition carries."""
import os
import struct

import pytest

from harness import BOARDS, BUILD, Task, run

FLASH_BYTES_MAX = 256 * 1024
RAM_BYTES_MAX = 4 * 1024 * 1024


def images(board):
    return [os.path.join(BUILD, "os", "axcan-os-%s.%s" % (board, kind)) for kind in ("elf", "bin")]


@pytest.mark.parametrize("board", BOARDS)
def test_image_fits(board):
    assert os.path.getsize(images(board)[1]) <= FLASH_BYTES_MAX


@pytest.mark.parametrize("board", BOARDS)
def test_memory_without_tasks_fits(board, tmp_path):
    """image_size of the header counts bss and stacks; the rest comes from the page pool at start."""
    with open(images(board)[1], "rb") as file:
        image_bytes, = struct.unpack("<Q", file.read(24)[16:])
    console = run(tmp_path, board, [Task("one", 1000000, jobs=1)]).console
    words = dict(word.split("=") for word in console.split() if word.count("=") == 1)
    pool_kib = int(words["memory_kib"]) - int(words["free_kib"])
    assert image_bytes + pool_kib * 1024 <= RAM_BYTES_MAX, console
