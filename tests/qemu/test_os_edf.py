# SPDX-License-Identifier: Apache-2.0
"""Textbook task sets on bare metal: the kernel's trace is that of the core simulation."""
import json
import math
import os

import pytest

from harness import BOARDS, ROOT, Task, reference, run

VECTORS = os.path.join(ROOT, "tests", "qemu", "vectors", "edf-sets.json")
with open(VECTORS, encoding="utf-8") as file:
    SETS = {entry["name"]: entry for entry in json.load(file)["sets"]}

# Each job burns so much less than C that the kernel's own work fits in: then everything that is due
# on a tick happens near that tick, and in the same order.
MARGIN = 60000
FIRST = "abcdefgh"


def tasks_of(entry, rounds=2):
    tick = entry["tick_us"] * 1000
    hyperperiod = math.lcm(*(t for _, _, t, _ in entry["tasks"]))
    return [Task(FIRST[i], t * tick, d * tick, c * tick - MARGIN, budget=c * tick + tick // 2,
                 jobs=max(1, rounds * hyperperiod // t), offset=o * tick)
            for i, (c, d, t, o) in enumerate(entry["tasks"])], tick


def order_of(events):
    """What happened, but for misses: when one is noticed depends on who looks."""
    return [(kind, task, job) for _, kind, task, job in events if kind != "missed"]


def ticks_of(events, tick):
    return [(round(time / tick), kind, task, job) for time, kind, task, job in events
            if kind in ("released", "completed", "finished")]


def missed_of(events):
    return {(task, job) for _, kind, task, job in events if kind == "missed"}


def first_miss(records, tasks, tick):
    deadlines = {task.name: task.deadline for task in tasks}
    missed = [r.release + deadlines[r.task] for r in records if r.kind == "missed"]

    return min(missed) // tick if missed else None


# All sets on both boards; one also with the other interrupt controller and started at EL2.
@pytest.mark.parametrize("name,kind", [(name, kind) for name in SETS for kind in BOARDS] + [
    ("B1", "virt-gicv3"), ("B1", "virt-el2"), ("B1", "zcu102-el2")])
def test_the_trace_is_that_of_the_core_simulation(tmp_path, name, kind):
    tasks, tick = tasks_of(SETS[name])
    done = run(tmp_path, kind, tasks)
    found = [(r.time, r.kind, r.task, r.job) for r in done.records]
    expected = [event[:4] for event in reference(tasks, 10**15)]

    assert done.code == 0, done.console
    assert done.end["traces_lost"] == 0
    assert order_of(found) == order_of(expected)
    assert ticks_of(found, tick) == ticks_of(expected, tick)
    assert missed_of(found) == missed_of(expected)
    assert first_miss(done.records, tasks, tick) == SETS[name]["first_miss"]
    for record in done.records:
        if record.kind == "completed":
            c = next(t for t in tasks if t.name == record.task).exec_ns
            assert c <= record.execution <= c + MARGIN // 2


def test_the_deepest_set_is_preempted_on_four_levels(tmp_path):
    """What O2 says of itself: otherwise the comparison above would show little."""
    tasks, _ = tasks_of(SETS["O2"])
    depth = deepest = 0

    for record in run(tmp_path, "virt", tasks).records:
        depth += {"released": 1, "completed": -1}.get(record.kind, 0)
        deepest = max(deepest, depth)
    assert deepest == 5


@pytest.mark.parametrize("board", BOARDS)
def test_two_runs_are_byte_identical(tmp_path, board):
    tasks, _ = tasks_of(SETS["B1"])
    tasks += [Task("bad", 70000000, exec_ns=1000000, jobs=5, mode="null-pointer", every=2)]
    consoles = []

    for i in range(2):
        directory = tmp_path / str(i)
        directory.mkdir()
        consoles.append(run(directory, board, tasks).console)
    assert consoles[0] == consoles[1]
    assert consoles[0].count("\nT ") > 100
