# SPDX-License-Identifier: Apache-2.0
"""The task SDK end to end: build, its refusals, inspect, replay, OCI tools, install, both ISAs."""
import json
import os
import re
import subprocess

import pytest

ROOT = os.path.normpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
BUILD = os.path.abspath(os.environ.get("AXCAN_BUILD", os.path.join(ROOT, "build")))
AXCAN = os.path.join(BUILD, "src", "cli", "axcan")
SAMPLES = ["cruise", "planner", "lane", "radar", "video", "neural"]

TASK = """#include <axcan/task.h>
%(before)s
struct state { %(fields)s };
static int job(const struct axc_job *job, void *state)
{
    struct state *s = state;
    %(body)s
    return job->services->output(job, "digest", s, sizeof(*s));
}
AXCAN_TASK("%(name)s", .job = job, .state_bytes = %(bytes)s, .state_version = 1,
           .period_us = %(period)s, .deadline_us = 10000, .needs = AXC_SVC_IO,
           .wcet = {{"linux-x86_64", 500}, {"linux-aarch64", 500}});
"""


def run(*arguments, **options):
    return subprocess.run([str(a) for a in arguments], capture_output=True, text=True, timeout=120,
                          **options)


def axcan(*arguments, **options):
    return run(AXCAN, *arguments, **options)


def write_task(folder, fields="uint64_t n;", before="", body="s->n++;", name="probe",
               bytes="sizeof(struct state)", period="10000"):
    source = folder / "probe.c"
    source.write_text(TASK % locals())
    return source


def build(folder, **parts):
    source = write_task(folder, **parts)
    return axcan("build", source, "-o", folder / "probe.axi")


def image_blob(image, digest):
    return os.path.join(str(image), "blobs", "sha256", digest.split(":")[1])


def elf_of(image, isa):
    document = json.loads(axcan("inspect", image, "-o", "json").stdout)
    return image_blob(image, [e for e in document["entries"] if e["isa"] == isa][0]["digest"])


def test_builds_both_instruction_sets_the_same_every_time(tmp_path):
    first = build(tmp_path)
    assert first.returncode == 0, first.stderr
    index = (tmp_path / "probe.axi" / "index.json").read_bytes()
    assert build(tmp_path).returncode == 0
    assert (tmp_path / "probe.axi" / "index.json").read_bytes() == index
    assert len(os.listdir(str(tmp_path / "probe.axi" / "blobs" / "sha256"))) == 6


def test_rebuild_leaves_no_old_blobs(tmp_path):
    assert build(tmp_path).returncode == 0
    assert build(tmp_path, body="s->n += 2;").returncode == 0
    assert len(os.listdir(str(tmp_path / "probe.axi" / "blobs" / "sha256"))) == 6


@pytest.mark.parametrize("fields,code,word", [
    ("uint64_t n; char *p;", "SCHEMA_POINTER", "'p'"),
    ("uint64_t n; int (*f)(void);", "SCHEMA_POINTER", "'f'"),
    ("uint64_t n; long l;", "SCHEMA_LONG", "'l'"),
    ("uint64_t n; unsigned long l;", "SCHEMA_LONG", "'l'"),
    ("uint64_t n; size_t z[4];", "SCHEMA_LONG", "size_t"),
    ("uint64_t n; uint32_t a : 3, b : 29; uint32_t c;", "SCHEMA_BITFIELD", "'a'"),
    ("uint32_t a; uint64_t n;", "SCHEMA_PADDING", "before field 'n'"),
    ("uint64_t n; uint8_t tail;", "SCHEMA_PADDING", "at the end of 'struct state'"),
    ("uint64_t n; struct { uint8_t a; uint16_t b; } in[2];", "SCHEMA_PADDING", "in[2].b"),
    ("uint64_t n; union { uint32_t a; float b; } u; uint32_t z;", "SCHEMA_TYPE", "'u'"),
    ("uint64_t n, m; long double d;", "SCHEMA_TYPE", "'d'"),
    ("uint64_t n; char text[8];", "SCHEMA_ISA", "text[8]"),
    ("uint64_t n; uint8_t more[];", "SCHEMA_TYPE", "'more'"),
    ("uint64_t n; uint8_t big[70000];", "META_", "state"),
])
def test_refuses_a_state_that_cannot_travel(tmp_path, fields, code, word):
    result = build(tmp_path, fields=fields)
    assert result.returncode == 1
    assert code in result.stderr
    assert word in result.stderr
    assert not (tmp_path / "probe.axi").exists()


@pytest.mark.parametrize("parts,text", [
    ({"bytes": "4"}, "SCHEMA_SIZE"),
    ({"name": "Bad Name"}, "META_NAME"),
    ({"period": "0"}, "META_PARAM"),
    ({"body": "s->n = missing;"}, "undeclared"),
    ({"before": "int elsewhere(void);", "body": "s->n += (unsigned)elsewhere();"},
     "undefined reference to"),
    ({"before": "static __thread int t;", "body": "s->n += (unsigned)t++;"}, "thread-local"),
    ({"before": "int made; __attribute__((constructor)) void make(void);"
                "void make(void) { made++; }", "body": "s->n += (unsigned)made;"},
     "constructors"),
])
def test_refuses_what_is_no_task(tmp_path, parts, text):
    result = build(tmp_path, **parts)
    assert result.returncode == 1
    assert text in result.stderr
    assert not (tmp_path / "probe.axi").exists()


def test_refuses_parameters_that_differ_between_instruction_sets(tmp_path):
    before = "#ifdef __x86_64__\n#define EVERY 20000\n#else\n#define EVERY 30000\n#endif"
    result = build(tmp_path, before=before, period="EVERY")
    assert result.returncode == 1 and "different values" in result.stderr
    result = axcan("build", tmp_path / "probe.c", "-o", tmp_path / "a.axi", "--isa", "aarch64")
    assert result.returncode == 0, result.stderr


def test_names_a_missing_descriptor_and_a_missing_state(tmp_path):
    (tmp_path / "a.c").write_text("int axcan_entry(void); int axcan_entry(void) { return 0; }\n")
    result = axcan("build", tmp_path / "a.c", "-o", tmp_path / "a.axi")
    assert result.returncode == 1 and "AXCAN_TASK" in result.stderr
    source = write_task(tmp_path)
    source.write_text(source.read_text().replace("struct state", "struct memory"))
    result = axcan("build", source, "-o", tmp_path / "a.axi")
    assert result.returncode == 1 and "SCHEMA_NONE" in result.stderr


@pytest.mark.parametrize("arguments", [
    ["build"], ["build", "x.c", "--isa", "z80"], ["build", "x.c", "--bogus"], ["build", "x.c", "-o"],
    ["inspect"], ["inspect", "a", "b"], ["inspect", "a", "-o", "xml"],
    ["replay"], ["replay", "a", "--jobs", "many"], ["replay", "a", "--jobs"],
])
def test_wrong_command_lines_exit_2(arguments):
    result = axcan(*arguments)
    assert result.returncode == 2
    assert "--help" in result.stderr


def test_never_replaces_a_folder_that_is_no_image(tmp_path):
    (tmp_path / "probe.axi").mkdir()
    (tmp_path / "probe.axi" / "precious").write_text("x")
    result = build(tmp_path)
    assert result.returncode == 1 and "no task image" in result.stderr
    assert os.listdir(str(tmp_path / "probe.axi")) == ["precious"]


def test_inspect_shows_parameters_segments_and_schema(tmp_path):
    assert build(tmp_path, fields="uint64_t n; struct { float x; int16_t y[2][3]; } in[4];"
                 ).returncode == 0
    document = json.loads(axcan("inspect", tmp_path / "probe.axi", "-o", "json").stdout)
    assert document["task"]["name"] == "probe"
    assert document["task"]["needs"] == ["io"]
    assert document["schema"] == ("axcan-schema 1 72\nn 0 8 u64\nin[4] 8 16 struct\n"
                                  "in[4].x 8 4 f32\nin[4].y[2][3] 12 2 i16\n")
    assert [e["isa"] for e in document["entries"]] == ["x86_64", "aarch64"]
    for entry in document["entries"]:
        assert [s["flags"] for s in entry["segments"]] == ["r-x", "rw-"]
        assert entry["relocations"]["count"] == sum(entry["relocations"]["types"].values())
        assert set(entry["relocations"]["types"]) <= {"R_X86_64_RELATIVE", "R_AARCH64_RELATIVE"}
    text = axcan("inspect", elf_of(tmp_path / "probe.axi", "aarch64"))
    assert text.returncode == 0 and "R_AARCH64_RELATIVE" in text.stdout


@pytest.mark.parametrize("isa,architecture", [("x86_64", "amd64"), ("aarch64", "arm64")])
def test_oci_tools_read_the_image(isa, architecture):
    image = os.path.join(BUILD, "tasks", "cruise.axi")
    shown = run("skopeo", "inspect", "oci:%s:%s" % (image, isa))
    assert shown.returncode == 0, shown.stderr
    document = json.loads(shown.stdout)
    assert document["Architecture"] == architecture and document["Os"] == "linux"
    assert document["Labels"]["dev.axcan.name"] == "cruise-control"
    assert isa in run("umoci", "ls", "--layout", image).stdout.split()
    assert run("umoci", "stat", "--image", "%s:%s" % (image, isa)).returncode == 0


def test_skopeo_copies_an_image_that_still_verifies(tmp_path):
    image = os.path.join(BUILD, "tasks", "lane.axi")
    copy = tmp_path / "copy.axi"
    result = run("skopeo", "--insecure-policy", "copy", "oci:%s:x86_64" % image,
                 "oci:%s:x86_64" % copy)
    assert result.returncode == 0, result.stderr
    blobs = os.listdir(str(copy / "blobs" / "sha256"))
    assert len(blobs) == 3
    assert set(blobs) <= set(os.listdir(os.path.join(image, "blobs", "sha256")))


@pytest.mark.parametrize("damage,code", [
    (lambda i, elf: open(elf, "r+b").write(b"\x7fBAD"), "IMAGE_DIGEST"),
    (lambda i, elf: os.unlink(elf), "IMAGE_BLOB"),
    (lambda i, elf: (i / "oci-layout").write_text("{}"), "IMAGE_LAYOUT"),
    (lambda i, elf: (i / "index.json").write_text("{]"), "IMAGE_INDEX"),
    (lambda i, elf: (i / "index.json").write_text('{"schemaVersion":2,"manifests":[]}'),
     "IMAGE_COUNT"),
    (lambda i, elf: (i / "index.json").write_text(
        (i / "index.json").read_text().replace("arm64", "riscv64")), "IMAGE_PLATFORM"),
    (lambda i, elf: (i / "index.json").write_text(
        (i / "index.json").read_text().replace("arm64", "amd64")), "IMAGE_COUNT"),
    (lambda i, elf: (i / "index.json").write_text(
        re.sub(r'"size":\d+', '"size":7', (i / "index.json").read_text())), "IMAGE_SIZE"),
    (lambda i, elf: (i / "index.json").write_text(" " * 300000), "IMAGE_TOO_LARGE"),
])
def test_damaged_images_are_refused(tmp_path, damage, code):
    assert build(tmp_path).returncode == 0
    image = tmp_path / "probe.axi"
    damage(image, elf_of(image, "x86_64"))
    result = axcan("inspect", image)
    assert result.returncode == 1 and code in result.stderr


def rows(text):
    return [line.split() for line in text.splitlines()[1:]]


def test_replay_discards_killed_jobs(tmp_path):
    image = os.path.join(BUILD, "tasks", "radar.axi")
    plain = rows(axcan("replay", image, "--jobs", 20).stdout)
    assert [r[0] for r in plain] == [str(n) for n in range(20)]
    completed = tmp_path / "completed"
    completed.write_text("# job 7 was killed\n" + "".join("%d\n" % n for n in range(20) if n != 7))
    killed = rows(axcan("replay", image, "--completed", completed).stdout)
    assert killed[:7] == plain[:7]
    assert [r[0] for r in killed] == [str(n) for n in range(20) if n != 7]
    assert all(k[2] != p[2] for k, p in zip(killed[7:], plain[8:]))
    document = json.loads(axcan("replay", image, "--jobs", 2, "-o", "json").stdout)
    assert document["task"] == "radar"
    assert [j["output_crc"] for j in document["jobs"]] == [r[2] for r in plain[:2]]
    completed.write_text("3\n2\n")
    assert axcan("replay", image, "--completed", completed).returncode == 1


def test_a_task_that_looks_at_the_clock_is_not_comparable(tmp_path):
    assert build(tmp_path, body="s->n += job->services->now(job);").returncode == 0
    result = axcan("replay", tmp_path / "probe.axi")
    assert result.returncode == 1 and "clock" in result.stderr


@pytest.fixture(scope="module")
def foreign_replay(tmp_path_factory):
    """The replay engine and the loader, compiled for aarch64."""
    program = tmp_path_factory.mktemp("foreign") / "replay"
    sources = ["tests/support/replay_main.c", "src/replay/replay.c", "src/core/elf.c",
               "src/core/meta.c", "src/core/meta_elf.c", "src/base/crc32c.c",
               "src/base/crc32c_arm64.c", "src/base/error.c"]
    result = run("aarch64-linux-gnu-gcc", "-O2", "-march=armv8-a+crc", "-D_GNU_SOURCE", "-Isrc",
                 "-Iinclude", *sources, "-o", program, cwd=ROOT)
    assert result.returncode == 0, result.stderr
    return program


@pytest.mark.parametrize("name", SAMPLES)
def test_both_instruction_sets_compute_the_same(name, foreign_replay):
    if os.uname().machine != "x86_64":
        pytest.fail("this test compares an x86-64 host with emulated aarch64")
    image = os.path.join(BUILD, "tasks", name + ".axi")
    foreign = run("qemu-aarch64", "-L", "/usr/aarch64-linux-gnu", foreign_replay,
                  elf_of(image, "aarch64"), 150)
    assert foreign.returncode == 0, foreign.stderr
    native = rows(axcan("replay", image, "--jobs", 150).stdout)
    assert [line.split() for line in foreign.stdout.splitlines()] == native


def test_installed_sdk_builds_outside_the_source_tree(tmp_path):
    result = run("meson", "install", "-C", BUILD, "--no-rebuild", "--destdir", tmp_path / "root")
    assert result.returncode == 0, result.stdout + result.stderr
    programs = list((tmp_path / "root").rglob("bin/axcan"))
    configs = list((tmp_path / "root").rglob("axcan-task.pc"))
    assert len(programs) == 1 and len(configs) == 1
    variables = dict(os.environ, PKG_CONFIG_PATH=str(configs[0].parent),
                     PKG_CONFIG_SYSROOT_DIR=str(tmp_path / "root"))
    variables.pop("AXCAN_SDK", None)
    flags = run("pkg-config", "--cflags", "axcan-task", env=variables)
    assert flags.returncode == 0, flags.stderr
    work = tmp_path / "elsewhere"
    work.mkdir()
    source = write_task(work, before="#include <axcan/math.h>",
                        body="s->n += (uint64_t)(1000 * axc_sin(1.0));")
    checked = run("gcc", "-fsyntax-only", *flags.stdout.split(), source, cwd=work)
    assert checked.returncode == 0, checked.stderr
    built = run(programs[0], "build", source.name, cwd=work, env=variables)
    assert built.returncode == 0, built.stderr
    assert run(programs[0], "replay", work / "probe.axi", cwd=work).returncode == 0


def test_the_sdk_is_found_by_environment_or_named_as_missing(tmp_path):
    source = write_task(tmp_path)
    variables = dict(os.environ, AXCAN_SDK=os.path.join(BUILD, "sdk"))
    assert axcan("build", source, "-o", tmp_path / "a.axi", env=variables).returncode == 0
    variables["AXCAN_SDK"] = str(tmp_path)
    result = axcan("build", source, "-o", tmp_path / "b.axi", env=variables)
    assert result.returncode == 1 and "AXCAN_SDK" in result.stderr
