# SPDX-License-Identifier: Apache-2.0
"""What a task does on bare metal concerns nobody but itself."""
import os
import struct

import pytest

from harness import BOARDS, KILL_JOB, RESTART, STOP, Task, reference, run

MS = 1000000
MARGIN = 60000  # see test_os_edf.py
BUDGET = 3 * MS - MARGIN
KERNEL = 0xffffff8040200000
STACK = 0x7ff00000
GUARD = 0x7fe00000

# mode: cause, and what the detail must be (None: anything)
FAULTS = {
    "null-pointer": ("segv", lambda detail: detail == 0x10),
    "illegal": ("illegal", lambda detail: 0x40000000 <= detail < 0x40100000),
    "stack": ("stack", lambda detail: GUARD <= detail < STACK),
    "loop": ("budget", lambda detail: BUDGET <= detail < BUDGET + 30000),
    "call-loop": ("budget", lambda detail: BUDGET <= detail < BUDGET + 30000),
    "misaligned": ("bus", lambda detail: detail % 2 == 1),
    "odd-jump": ("bus", lambda detail: detail % 4 == 2),
    "bad-text": ("stack", lambda detail: detail == STACK - 1),
    "bad-buffer": ("segv", lambda detail: detail == KERNEL),
    "syscall": ("syscall", lambda detail: detail == 172),
    "result": ("result", lambda detail: detail == 2**64 - 42),
    "jump": ("segv", lambda detail: detail == 0x12340000),
    "write-text": ("segv", lambda detail: 0x40000000 <= detail < 0x40100000),
    "execute-data": ("segv", lambda detail: 0x40000000 <= detail < 0x40100000),
    "kernel": ("segv", lambda detail: detail == KERNEL),
    "privileged": ("illegal", lambda detail: 0x40000000 <= detail < 0x40100000),
    "smash-data": ("segv", lambda detail: detail == 0x18),
    "overlong": ("budget", lambda detail: BUDGET <= detail < BUDGET + 30000),
}


def behaviour_of(mode):
    return {"loop": "loop", "call-loop": "loop", "overlong": "over", "result": "result"}.get(mode, "fault")


def good_tasks():
    return [Task("fast", 5 * MS, exec_ns=1 * MS - MARGIN, jobs=48),
            Task("slow", 30 * MS, exec_ns=6 * MS - MARGIN, jobs=8)]


def bad_task(mode, **options):
    return Task("bad", 20 * MS, exec_ns=2 * MS - MARGIN, budget=BUDGET, jobs=12, mode=mode, every=3,
                **options)


def outcome(records):
    """Order of what happened to each task, without times and misses."""
    return [(r.kind, r.task, r.job, r.cause) for r in records if r.kind != "missed"]


@pytest.mark.parametrize("board", BOARDS)
@pytest.mark.parametrize("mode", FAULTS)
def test_a_fault_ends_that_job_alone(tmp_path, board, mode):
    tasks = good_tasks() + [bad_task(mode)]
    done = run(tmp_path, board, tasks)
    cause, is_detail = FAULTS[mode]
    killed = done.of("bad", "killed")

    assert done.code == 0, done.console
    assert [r.job for r in killed] == [2, 5, 8, 11]
    assert {r.cause for r in killed} == {cause}
    assert all(is_detail(r.detail) for r in killed), killed
    assert done.summary["bad"]["completed"] == 8
    for name, jobs in (("fast", 48), ("slow", 8)):
        assert done.summary[name]["completed"] == jobs
        assert done.summary[name]["missed"] == 0
        assert done.summary[name]["killed"] == 0
    assert done.end["memory_before"] == done.end["memory_after"]
    expected = reference(tasks, 10**12, {"bad": behaviour_of(mode)})
    assert [(r.kind, r.task, r.job) for r in done.records if r.kind != "missed"] == [
        event[1:4] for event in expected if event[1] != "missed"]


def test_what_a_job_leaves_in_registers_and_data_ends_with_it(tmp_path):
    """Rounding modes and destroyed data: the jobs after it compute as if nothing had been."""
    states = {}

    for mode in ("well", "modes"):
        done = run(tmp_path, "virt", [bad_task(mode)])
        states[mode] = [r.state_crc for r in done.of("bad", "completed")]
        assert done.summary["bad"]["completed"] == 12
    assert states["well"] == states["modes"]
    done = run(tmp_path, "virt", [bad_task("smash-data")])
    assert {r.cause for r in done.of("bad", "killed")} == {"segv"}  # never -7: its data were right


def test_preemption_changes_no_result(tmp_path):
    """Integer and floating-point registers of jobs that are preempted again and again."""
    slow = Task("slow", 50 * MS, exec_ns=20 * MS, jobs=10)
    alone = run(tmp_path, "virt", [slow]).of("slow", "completed")
    beside = run(tmp_path, "virt", [
        slow, Task("a", 2 * MS, exec_ns=300000, jobs=250),
        Task("b", 7 * MS, exec_ns=700000, jobs=71)])

    assert [r.state_crc for r in alone] == [r.state_crc for r in beside.of("slow", "completed")]
    assert beside.of("slow", "completed")[0].response > alone[0].response + 5 * MS
    assert all(beside.summary[name]["missed"] == 0 for name in ("slow", "a", "b"))


@pytest.mark.parametrize("board", BOARDS)
def test_a_job_is_resumed_from_its_step(tmp_path, board):
    tasks = good_tasks() + [bad_task("step")]
    done = run(tmp_path, board, tasks)
    steps = [(r.kind, r.job) for r in done.of("bad", "step", "killed", "completed") if r.job == 2]

    assert done.code == 0
    assert steps == [("step", 2), ("killed", 2), ("completed", 2)]
    assert {r.detail for r in done.of("bad", "step")} == {7}
    assert done.summary["bad"]["completed"] == 12  # the number is not consumed
    assert done.summary["fast"]["missed"] == done.summary["slow"]["missed"] == 0
    assert outcome(done.records) == [
        event[1:4] + event[5:] for event in reference(tasks, 10**12, {"bad": "step"})
        if event[1] != "missed"]


def test_checkpoints_for_ever_end_with_the_budget(tmp_path):
    """A job that is repeated from its step does not advance; after some attempts the task failed."""
    done = run(tmp_path, "virt", good_tasks() + [bad_task("step-loop")], flags=0)

    assert done.code == 1
    assert done.summary["bad"]["state"] == "FAILED"
    assert done.summary["bad"]["overruns"] == done.summary["bad"]["killed"] == 4
    for name in ("fast", "slow"):
        assert done.summary[name]["missed"] == done.summary[name]["killed"] == 0


def test_services_called_at_random_harm_nobody(tmp_path):
    """Pointers to everywhere, sizes of all kinds, in 3000 jobs: the kernel stays, and in time."""
    wild = Task("wild", 2 * MS, exec_ns=10000, budget=MS, jobs=3000, mode="random", every=1)
    writer = Task("writer", 10 * MS, exec_ns=MS, jobs=600, topic=1)
    done = run(tmp_path, "virt", [wild, writer], flags=0, server=(MS, 10 * MS))
    again = run(tmp_path, "virt", [Task("wild", 2 * MS, exec_ns=10000, budget=MS, jobs=300,
                                        mode="random", every=1)])

    assert done.code == 0, done.console[-2000:]
    assert done.summary["wild"]["killed"] > 500 and done.summary["wild"]["completed"] > 50
    assert done.summary["writer"]["completed"] == 600
    assert done.summary["writer"]["missed"] == done.summary["writer"]["killed"] == 0
    assert done.end["memory_before"] == done.end["memory_after"]
    assert {r.cause for r in again.of("wild", "killed")} == {"segv", "stack"}


def test_the_server_takes_no_more_than_its_share(tmp_path):
    """The console gets more lines than the server's 10 % can print: lines are lost, deadlines not."""
    short = [Task("s%d" % i, MS, exec_ns=10000, jobs=1500) for i in range(8)]
    long = Task("long", 100 * MS, exec_ns=40 * MS, jobs=15)
    done = run(tmp_path, "virt", [*short, long], server=(MS, 10 * MS))

    assert done.code == 0, done.console[-2000:]
    assert done.end["traces_lost"] > 0
    for task in [*short, long]:
        assert done.summary[task.name]["completed"] == task.jobs
        assert done.summary[task.name]["missed"] == 0


def test_policies(tmp_path):
    def bad(name, policy, every, **options):
        return Task(name, 10 * MS, exec_ns=MS, jobs=12, mode="illegal", every=every, fault=policy,
                    **options)
    done = run(tmp_path, "virt", [
        bad("go-on", KILL_JOB, 1), bad("stop", STOP, 4), bad("often", RESTART, 1, restart_limit=2),
        bad("seldom", RESTART, 4, restart_limit=2)])

    assert done.code == 1  # a task failed
    assert done.summary["go-on"]["state"] == "FINISHED"
    assert done.summary["go-on"]["killed"] == 12
    assert done.summary["stop"]["state"] == "FAILED"
    assert (done.summary["stop"]["completed"], done.summary["stop"]["killed"]) == (3, 1)
    assert done.summary["often"]["state"] == "FAILED"
    assert done.summary["often"]["killed"] == 3
    assert done.summary["seldom"]["state"] == "FINISHED"
    assert done.summary["seldom"]["killed"] == 3


def test_a_killed_job_goes_back_to_the_last_checkpoint(tmp_path):
    """With a checkpoint each third job, jobs between it and the kill are lost, as on Linux."""
    done = run(tmp_path, "virt", [Task("bad", 10 * MS, exec_ns=MS, jobs=7, mode="illegal", every=6,
                                       checkpoint_every=4)])
    plain = run(tmp_path, "virt", [Task("good", 10 * MS, exec_ns=MS, jobs=5)])

    assert [r.job for r in done.of("bad", "killed")] == [5]
    # jobs 0 .. 3, the checkpoint, 4 (lost), 5 (killed), 6 from the checkpoint: the fifth addition
    assert done.of("bad", "completed")[-1].job == 6
    assert done.of("bad", "completed")[-1].state_crc == plain.of("good", "completed")[-1].state_crc


def test_topics_and_outputs_of_a_killed_job_are_not_seen(tmp_path):
    writer = Task("writer", 10 * MS, exec_ns=MS, jobs=8, topic=1, mode="illegal", every=2)
    reader = Task("reader", 10 * MS, exec_ns=MS, jobs=8, topic=2, offset=5 * MS)
    clean = Task("writer", 20 * MS, exec_ns=MS, jobs=4, topic=1)
    done = run(tmp_path, "virt", [writer, reader])
    expected = run(tmp_path, "virt", [clean, reader])

    assert done.summary["writer"]["killed"] == 4
    assert all(r.output_crc != "00000000" for r in done.of("writer", "completed"))
    assert all(r.output_crc == "00000000" for r in done.of("writer", "killed"))
    assert [r.state_crc for r in done.of("reader", "completed")] == [
        r.state_crc for r in expected.of("reader", "completed")]


def test_log_lines_reach_the_console(tmp_path):
    done = run(tmp_path, "virt", [Task("noisy", 10 * MS, exec_ns=MS, jobs=5, topic=3)])

    assert done.logs == [["noisy", "2", str(job), "a", "line"] for job in range(5)]


def test_what_cannot_be_loaded_is_refused_and_the_rest_runs(tmp_path):
    good = Task("good", 10 * MS, exec_ns=MS, jobs=3)
    noise = Task("noise", 10 * MS, elf=b"\x7fELF" + bytes(200))
    x86 = bytearray(good.elf())
    x86[18] = 62  # e_machine
    done = run(tmp_path, "virt", [noise, good, Task("x86", 10 * MS, elf=bytes(x86)),
                                  Task("cut", 10 * MS, elf=good.elf()[:1000])])

    assert done.code == 1
    assert done.summary["good"]["completed"] == 3
    assert [done.summary[name]["state"] for name in ("noise", "x86", "cut")] == ["REFUSED"] * 3
    assert "task x86 refused: ELF: wrong instruction set (ELF_MACHINE)" in done.console


def with_data(elf, data_bytes):
    """The same file with so much more (zero) data in memory."""
    image = bytearray(elf)
    phoff, = struct.unpack_from("<Q", image, 32)
    for i in range(struct.unpack_from("<H", image, 56)[0]):
        at = phoff + i * 56
        if struct.unpack_from("<II", image, at) == (1, 6):
            struct.pack_into("<Q", image, at + 40, data_bytes)
    return bytes(image)


def test_a_task_without_room_is_refused(tmp_path):
    """3 MiB of data each, and a copy of it: not 32 times in a machine of 128 MiB."""
    tasks = [Task("t%d" % i, 10 * MS, exec_ns=10000, jobs=2) for i in range(32)]
    elf = with_data(tasks[0].elf(), 3 << 20)
    done = run(tmp_path, "virt", [Task(t.name, t.period, exec_ns=10000, jobs=2, elf=elf)
                                  for t in tasks], slots=32)
    states = [done.summary[task.name]["state"] for task in tasks]

    assert done.code == 1
    assert 5 < states.count("FINISHED") < 32
    assert states.count("FINISHED") + states.count("REFUSED") == 32
    assert "not enough memory for image and state (ADMIT_MEMORY)" in done.console
    assert done.end["memory_before"] == done.end["memory_after"]


def test_ten_virtual_minutes(tmp_path):
    soak(tmp_path, 600)


if "AXCAN_SOAK" in os.environ:
    def test_soak_of_24_virtual_hours(tmp_path):
        soak(tmp_path, 24 * 3600, 7200)


def soak(directory, virtual_seconds, wall_seconds=300):
    """No drift: every release at its time; no leak: the same memory after as before."""
    limit = virtual_seconds * 1000 * MS
    periods = {"a": 20, "b": 50, "c": 110, "d": 1000}
    tasks = [Task(name, period * MS, exec_ns=30000, jobs=0) for name, period in periods.items()]
    tasks += [Task("bad", 100 * MS, exec_ns=30000, budget=2 * MS, mode="loop", every=7)]
    tasks += [Task("end", 10 * MS, exec_ns=10000, jobs=virtual_seconds * 100)]
    done = run(directory, "virt", tasks, seconds=wall_seconds, flags=0, limit=2 * limit)

    assert done.code == 0, done.console
    assert done.end["code"] == 0 and done.end["traces_lost"] == 0
    assert done.end["memory_before"] == done.end["memory_after"]
    for name, period in periods.items():
        assert done.summary[name]["missed"] == done.summary[name]["skipped"] == 0
        assert abs(done.summary[name]["completed"] - virtual_seconds * 1000 // period) <= 1
    assert done.summary["end"]["missed"] == 0
    assert abs(done.summary["bad"]["killed"] - virtual_seconds * 10 // 7) <= 1
    # the last job was released at its nominal time: no drift
    assert 0 <= done.end["time"] - done.start - (limit - 10 * MS) < 10 * MS
