# SPDX-License-Identifier: Apache-2.0
"""The six sample tasks on bare metal compute, bit for bit, what they compute on this machine."""
import json
import os
import re
import subprocess

import pytest

from harness import BOARDS, BUILD, Run
import machine

AXCAN = os.path.join(BUILD, "src", "cli", "axcan")
TASKS = ("cruise", "planner", "lane", "radar", "video", "neural")
JOBS = 12


def axcan(*arguments):
    return subprocess.run([AXCAN, *map(str, arguments)], check=True, timeout=60, text=True,
                          stdout=subprocess.PIPE).stdout


def image(task):
    return os.path.join(BUILD, "tasks", task + ".axi")


@pytest.mark.parametrize("board", BOARDS)
def test_every_job_has_the_digests_of_the_reference(tmp_path, board):
    packed = tmp_path / "image"
    # alone in its reference a task reads no topic of another: one image each
    for task in TASKS:
        axcan("image", "os", "--board", board, "--task", "one=" + image(task), "--jobs", JOBS,
              "--trace", "--exit", "semihosting", "--wcet", "one=200ms", "-o", packed)
        done = Run(*machine.run(board, str(packed), *machine.DETERMINISTIC))
        expected = json.loads(axcan("replay", image(task), "--jobs", JOBS, "-o", "json"))

        assert done.code == 0, done.console
        digest = re.search("^E one ([0-9a-f]{64})$", done.console, re.M).group(1)
        assert os.path.exists(os.path.join(image(task), "blobs", "sha256", digest))
        assert [(r.job, r.state_crc, r.output_crc) for r in done.of("one", "completed")] == [
            (row["job"], row["state_crc"], row["output_crc"]) for row in expected["jobs"]], task
