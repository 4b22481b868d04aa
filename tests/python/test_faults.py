"""What goes wrong on real machines: the program is unchanged, and what was recorded whole is kept."""

from __future__ import annotations

import json
import math
import os
import random
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from harness import PROGRAMS, Audited, audit, descendants, headrace_command, program, report_again, run, started_at
from shared import mounted
from test_same_behaviour import masked, same

slow = pytest.mark.slow
KILLS = 50
AT_ONCE = 3  # nothing here is timed
Process = subprocess.Popen[bytes]


def printed_steps(output: bytes) -> int:
    """How many steps the program had ended when it printed its last line: it prints every tenth."""
    return max((int(number) + 1 for number in re.findall(rb"^step (\d+) ", output, re.MULTILINE)), default=0)


def recorded_steps(report: dict[str, Any]) -> int:
    """The steps of the ledger; the first one is start-up and is not counted in steady."""
    first = next(e["seconds"] for e in report["ledger"]["entries"] if e["name"] == "startup.first_step")
    return int(report["steady"]["steps"]) + (1 if first > 0 else 0)


def check_whole(report: dict[str, Any]) -> None:
    """The ledger adds up to the wall time, to the nearest thousandth."""
    whole = sum(entry["seconds"] for entry in report["ledger"]["entries"])
    assert whole == pytest.approx(report["ledger"]["wall_seconds"], rel=1e-3)


def seconds_to_kill_in(command: list[str], folder: Path) -> float:
    """How long the program lives on this machine, a little more than alone because several run at once."""
    begin = time.monotonic()
    assert run(command, cwd=folder).returncode == 0
    return 1.2 * (time.monotonic() - begin)


def killed_at_random(
    tmp_path: Path, kill: Callable[[Process, random.Random], None], fewest_processes: int = 0
) -> list[Audited]:
    """Audits one program many times; `kill` is called at a random moment of its life, once it has some processes."""
    command = program("endings.py", "--steps", "120", "--step-ms", "10")
    life = seconds_to_kill_in(command, tmp_path)

    def one(number: int) -> Audited:
        chance = random.Random(number)
        folder = tmp_path / str(number)
        folder.mkdir()

        def later(process: Process) -> None:
            while len(below(process)) < fewest_processes and process.poll() is None:
                time.sleep(0.01)
            time.sleep(chance.uniform(0.05, 1.2 if fewest_processes else life))  # workers live for 120 steps of 10 ms
            kill(process, chance)

        return audit(command, home=folder / "home", cwd=folder, while_running=later)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(one, range(KILLS)))


def below(process: Process) -> list[int]:
    """The program and what it started, outermost first; none when it has ended. Not headrace's own helper."""
    pids = [pid for pid in descendants(process.pid) if name_of(pid) not in ("signal-sentinel", "headrace")]
    return sorted(pids, key=began)  # not by their numbers, which begin again at the lowest


def began(pid: int) -> float:
    """When a process was started; the last of all where it has ended."""
    try:
        return started_at(pid)
    except OSError:
        return math.inf


def name_of(pid: int) -> str:
    """The name of a process, empty when it has ended."""
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


def kill_quietly(pid: int) -> None:
    """Kills a process that may have ended meanwhile."""
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


@slow
def test_the_program_is_killed_at_random(tmp_path: Path) -> None:
    def kill(process: Process, chance: random.Random) -> None:
        pids = below(process)
        if pids:
            kill_quietly(pids[0])

    audits = killed_at_random(tmp_path, kill)
    killed = [audited for audited in audits if audited.returncode == 128 + signal.SIGKILL]
    assert len(killed) > KILLS // 2
    for audited in audits:
        report = audited.report
        assert report["run"]["outcome"] == ("killed" if audited in killed else "finished")
        check_whole(report)
        assert recorded_steps(report) >= printed_steps(audited.stdout)


@slow
def test_a_worker_is_killed_at_random(tmp_path: Path) -> None:
    def kill(process: Process, chance: random.Random) -> None:
        pids = below(process)
        if len(pids) > 1:
            kill_quietly(chance.choice(pids[1:]))

    audits = killed_at_random(tmp_path, kill, fewest_processes=2)
    failed = [audited for audited in audits if audited.returncode != 0]
    assert failed
    for audited in audits:
        report = audited.report
        assert report["run"]["exit_code"] == audited.returncode
        assert report["run"]["outcome"] == ("failed" if audited in failed else "finished")
        check_whole(report)
        assert recorded_steps(report) >= printed_steps(audited.stdout)
        if audited in failed:
            assert audited.stderr.strip()  # of torch, in one of several ways; "lost sys.stderr" while Python shuts down


@slow
def test_headrace_is_killed_at_random(tmp_path: Path) -> None:
    audits = killed_at_random(tmp_path, lambda process, chance: kill_quietly(process.pid))
    plain = run(program("endings.py", "--steps", "120", "--step-ms", "10"), cwd=tmp_path)
    killed = [audited for audited in audits if audited.returncode == -signal.SIGKILL]
    assert len(killed) > KILLS // 2
    for audited in audits:
        if not (audited.home / "runs").exists() or not list((audited.home / "runs").glob("*/run.db")):
            continue  # killed before it had begun
        assert b"headrace: " not in audited.stderr
        if audited.stdout:
            assert (audited.stdout, audited.stderr) == (plain.stdout, plain.stderr)
        shown = report_again(audited.home, tmp_path)
        assert shown.returncode == 0, shown.stderr
        report = json.loads(shown.stdout)
        check_whole(report)
        assert recorded_steps(report) >= printed_steps(audited.stdout)


@slow
def test_too_little_memory(tmp_path: Path) -> None:
    """The limit ends the program in the same way, and the run says how."""
    grow = "import torch; x = []; print('begun', flush=True)\nwhile True: x.append(torch.ones(1 << 24))"
    command = ["sh", "-c", f"ulimit -v 6000000; exec {shlex.join([sys.executable, '-c', grow])}"]
    plain = run(command, cwd=tmp_path)
    assert plain.returncode != 0
    audited = audit(command, home=tmp_path / "home", cwd=tmp_path)
    assert (audited.returncode, audited.stdout) == (plain.returncode, plain.stdout)
    assert audited.stderr.splitlines()[-1].split(b":")[0] == plain.stderr.splitlines()[-1].split(b":")[0]
    assert audited.report["run"]["outcome"] in ("failed", "killed")


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    """One sentence and nothing done: the user asked for a recording."""
    with mounted(tmp_path / "read-only", "ro") as read_only:
        audited = audit(program("endings.py"), home=read_only / "home", cwd=tmp_path)
    assert audited.returncode == 125
    assert audited.stdout == b""
    lines = audited.stderr.decode().splitlines()
    assert len(lines) == 1 and lines[0].startswith("headrace: cannot make the folder"), lines
    assert lines[0].endswith(": Read-only file system; keep runs in another place with --dir or HEADRACE_DIR"), lines


def test_a_limit_on_the_size_of_files(tmp_path: Path) -> None:
    """The program is told of nothing, and the report does not blame the disk."""
    command = program("endings.py", "--steps", "400", "--step-ms", "1")
    command = ["sh", "-c", 'ulimit -f 200; exec "$@"', "sh", *command]
    plain = run(command, cwd=tmp_path)
    audited = audit(command, home=tmp_path / "home", cwd=tmp_path)
    assert (audited.returncode, audited.stdout, audited.stderr) == (0, plain.stdout, plain.stderr)
    [limit] = [limit for limit in audited.report["limits"] if "stopped recording" in limit]
    assert re.fullmatch(
        r"(1 thread|\d+ threads) stopped recording before the end: the limit .* \(ulimit -f\) was reached\.", limit
    )


def test_a_limit_on_the_size_of_headraces_own_files(tmp_path: Path) -> None:
    """As on a full disk the program runs, unrecorded, and the limit is named."""
    line = [str(headrace_command()), "audit", "--dir", str(tmp_path / "home"), "--", "echo", "ran"]
    audited = run(["sh", "-c", 'ulimit -f 16; exec "$@"', "sh", *line], cwd=tmp_path)
    assert (audited.returncode, audited.stdout) == (0, b"ran\n")
    assert b"File too large" in audited.stderr
    assert b"disk I/O error" not in audited.stderr


def test_a_spool_that_cannot_be_written_later(tmp_path: Path) -> None:
    """The run's folder goes away while the program starts: the program does not notice."""
    home = tmp_path / "home"

    def remove(process: Process) -> None:
        for _ in range(500):
            pages = list(home.glob("runs/*/spool/control"))  # before that headrace itself would miss the folder
            if pages:
                pages[0].parent.rename(tmp_path / "elsewhere")
                return
            time.sleep(0.01)

    command = program("endings.py")
    plain = run(command, cwd=tmp_path)
    audited = audit(command, home=home, cwd=tmp_path, while_running=remove)
    assert (audited.returncode, audited.stdout, audited.stderr) == (0, plain.stdout, plain.stderr)
    check_whole(audited.report)
    assert (tmp_path / "elsewhere").is_dir()
    assert audited.report["limits"]


def test_a_broken_sitecustomize_of_the_users_own(tmp_path: Path) -> None:
    """Its error is shown as without headrace, and the program runs on."""
    site = tmp_path / "site"
    site.mkdir()
    (site / "sitecustomize.py").write_text("raise RuntimeError('the sitecustomize of the user is broken')\n")
    plain = same([sys.executable, "-c", "print('done')"], tmp_path, {"PYTHONPATH": str(site)})
    assert b"the sitecustomize of the user is broken" in plain.stderr
    assert plain.stdout == b"done\n"


HOOK_POINTS = (
    "torch.utils.data.dataloader._BaseDataLoaderIter.__next__",
    "torch.utils.data._utils.fetch._MapDatasetFetcher.fetch",
    "torch.utils.data.dataloader._MultiProcessingDataLoaderIter._try_get_data",
    "torch.utils.data._utils.worker._worker_loop",
    "torch.nn.Module.train",
)


@pytest.mark.parametrize(
    "point", [HOOK_POINTS[1], *(pytest.param(p, marks=slow) for p in HOOK_POINTS if p != HOOK_POINTS[1])]
)
def test_a_torch_without_a_hook_point(point: str, tmp_path: Path) -> None:
    """A release that renames what we hook: simulated by a property that the hook cannot read."""
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text((PROGRAMS / "hidden_hook_point.py").read_text())
    env = {"PYTHONPATH": str(folder), "HIDDEN_HOOK_POINT": point}
    command = program("endings.py")
    plain = run(command, cwd=tmp_path, env=env)
    audited = audit(command, home=tmp_path / "home", cwd=tmp_path, env=env)
    assert (audited.returncode, audited.stdout, audited.stderr) == (0, plain.stdout, plain.stderr)
    report = audited.report
    check_whole(report)
    assert report["overhead"]["hooks_disabled"] == 1
    assert any(point.rsplit(".", 1)[1] in limit for limit in report["limits"]), report["limits"]


def test_a_program_that_executes_another_interpreter(tmp_path: Path) -> None:
    """Its environment is changed and the process goes on as another program."""
    inner = "import sys; print('inner', sys.argv)"
    text = (
        "import os, sys\n"
        "os.environ['PYTHONPATH'] = '/nonexistent'\n"
        "print('outer', flush=True)\n"
        f"os.execv(sys.executable, [sys.executable, '-c', {inner!r}, 'x'])\n"
    )
    (tmp_path / "outer.py").write_text(text)
    plain = same([sys.executable, str(tmp_path / "outer.py")], tmp_path)
    assert plain.stdout == b"outer\ninner ['-c', 'x']\n"


@slow
def test_a_thousand_short_children(tmp_path: Path) -> None:
    """Each is a Python with hooks; the run keeps them apart."""
    text = (
        "import subprocess, sys\n"
        "total = 0\n"
        "for i in range(1000):\n"
        "    out = subprocess.run([sys.executable, '-c', f'print({i})'], capture_output=True, check=True).stdout\n"
        "    total += int(out)\n"
        "print(total)\n"
    )
    (tmp_path / "many.py").write_text(text)
    audited = audit([sys.executable, str(tmp_path / "many.py")], home=tmp_path / "home", cwd=tmp_path)
    assert (audited.returncode, audited.stdout, masked(audited.stderr)) == (0, b"499500\n", b"")
    assert audited.report["run"]["processes"] == 1001
    check_whole(audited.report)
