"""`headrace apply`: proven fixes put into a program with no edit, and nothing else."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from harness import PROGRAMS, ROOT, audit, clean_environment, headrace_command

CALL = "DataLoader(samples, batch_size=4, shuffle=True, num_workers=options.workers)"
WITH_SAMPLER = "DataLoader(samples, batch_sampler=BatchSampler(RandomSampler(samples), 4, False))"


@dataclass
class Place:
    """A folder with the program and a headrace.toml."""

    folder: Path
    machine: dict[str, Any]

    @property
    def line(self) -> int:
        """Where the program makes its loader."""
        return self.line_of(CALL)

    def line_of(self, call: str) -> int:
        """Where a call stands."""
        source = (self.folder / "applied.py").read_text(encoding="utf-8").splitlines()
        return next(number for number, line in enumerate(source, 1) if call in line)

    def write(self, *fixes: str, **machine: object) -> None:
        """The file with these fixes, for this machine or another."""
        here = {name: self.machine[name] for name in ("cpu", "cores_usable", "accelerators")} | machine
        lines = ["version = 1", "[machine]", *(f"{name} = {json.dumps(value)}" for name, value in here.items())]
        (self.folder / "headrace.toml").write_text("\n".join([*lines, *fixes]) + "\n", encoding="utf-8")

    def loader_fix(self, settings: str = "workers = 2, threads = 1, persistent_workers = true", **was: object) -> str:
        """A fix of the program's loader."""
        given = ", ".join(f"{name} = {json.dumps(value)}" for name, value in was.items())
        return fix("input.workers", "random_streams", settings) + (
            f'[fix.loader]\nfile = "applied.py"\nline = {self.line}\nsampler = "RandomSampler"\n'
            f"call = {json.dumps(CALL)}\n" + (f"was = {{ {given} }}\n" if given else "")
        )

    def run(
        self, *arguments: str, options: tuple[str, ...] = (), env: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """The program under headrace apply."""
        return self.command("apply", *options, "--", sys.executable, "applied.py", *arguments, env=env)

    def command(self, *words: str, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        """A headrace command in the folder."""
        return subprocess.run(
            [str(headrace_command()), *words],
            cwd=self.folder,
            env=clean_environment(env),
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    def plain(self, *arguments: str) -> dict[str, Any]:
        """What the program tells without headrace."""
        done = subprocess.run(
            [sys.executable, "applied.py", *arguments],
            cwd=self.folder,
            env=clean_environment(),
            capture_output=True,
            text=True,
            check=True,
            timeout=120,
        )
        return told(done)


def fix(name: str, changes: str, settings: str) -> str:
    """The begin of a fix; its proof is that of another one."""
    return (
        f'[[fix]]\nid = "{name}"\nchanges = "{changes}"\nset = {{ {settings} }}\n'
        'proof = { measured = { ratio = 1.5, low = 1.4, high = 1.6 }, pairs = 3, steps = 60, date = "2026-12-01", '
        'host = "vm" }\n'
    )


def told(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    """What the program told."""
    content: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return content


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The machine as headrace sees it."""
    folder = tmp_path_factory.mktemp("machine")
    found: dict[str, Any] = audit(["true"], home=folder / "home", cwd=folder).report["run"]["machine"]
    return found


@pytest.fixture
def place(tmp_path: Path, machine: dict[str, Any]) -> Place:
    """A folder with the program and no fixes yet."""
    shutil.copy(PROGRAMS / "applied.py", tmp_path)
    return Place(tmp_path, machine)


def test_a_fix_is_applied_and_nothing_else_changes(place: Place) -> None:
    """The loader and the threads are those of the fix; the order of samples and all else are as ever."""
    place.write(place.loader_fix(workers=0, batch_size=4))
    plain, done = place.plain("--threads", "2"), place.run("--threads", "2")
    assert done.returncode == 0, done
    content = told(done)
    assert (content["workers"], content["persistent_workers"], content["prefetch_factor"]) == (2, True, 2)
    assert content["threads"] == 1
    assert done.stderr == ("headrace: applied: input.workers (num_workers=2, persistent_workers=True, threads=1)\n")
    for name in ("order", "weights", "dtype", "modules", "path", "made"):
        assert content[name] == plain[name], name
    assert plain["workers"] == 0
    assert plain["threads"] == 2
    assert content["parent"] == os.getpid()  # headrace has become the program


def test_in_another_clone_by_another_path(place: Place, tmp_path: Path) -> None:
    """The file is named as seen from where the program is started, however the interpreter names it."""
    place.write(place.loader_fix(workers=0))
    clone = tmp_path / "another"
    clone.mkdir()
    for name in ("applied.py", "headrace.toml"):
        shutil.copy(place.folder / name, clone)
    elsewhere = Place(clone, place.machine)
    assert told(elsewhere.run())["workers"] == 2
    done = elsewhere.command("apply", "--quiet", "--", sys.executable, str(clone / "applied.py"))
    assert told(done)["workers"] == 2


def test_quiet_says_nothing(place: Place) -> None:
    """Only the program is heard."""
    place.write(place.loader_fix())
    done = place.run(options=("--quiet",))
    assert done.stderr == ""
    assert told(done)["workers"] == 2


def test_a_loader_with_other_arguments_is_left_alone(place: Place) -> None:
    """With one sentence; its threads too, which were proven with it."""
    place.write(place.loader_fix(workers=0, batch_size=4))
    done = place.run("--workers", "1", "--threads", "2")
    assert done.returncode == 0, done
    assert told(done)["workers"] == 1
    assert told(done)["threads"] == 2
    assert done.stderr.splitlines()[1:] == [
        f"headrace: input.workers is left out: the loader of applied.py:{place.line} has num_workers 1, and it was "
        "proven for 0"
    ]


def test_a_loader_that_is_given_a_sampler_of_batches(place: Place) -> None:
    """Its batches are of the sampler's size: that is what an audit records."""
    line = place.line_of(WITH_SAMPLER)
    place.write(
        fix("input.workers", "random_streams", "workers = 2")
        + f'[fix.loader]\nfile = "applied.py"\nline = {line}\nsampler = "SequentialSampler"\n'
        f"call = {json.dumps(WITH_SAMPLER)}\nwas = {{ workers = 0, batch_size = 4 }}\n"
    )
    done = place.run("--batch-sampler")
    assert told(done)["workers"] == 2, done


def test_a_call_that_moved_is_found(place: Place) -> None:
    """Lines before it do not matter."""
    place.write(place.loader_fix(workers=0))
    source = (place.folder / "applied.py").read_text(encoding="utf-8")
    (place.folder / "applied.py").write_text(
        source.replace("class Samples", "MORE = 1\n\n\nclass Samples"), encoding="utf-8"
    )
    assert told(place.run())["workers"] == 2


def test_another_call_is_not_touched(place: Place) -> None:
    """The program runs all the same, and it is said."""
    place.write(place.loader_fix(workers=0))
    source = (place.folder / "applied.py").read_text(encoding="utf-8")
    (place.folder / "applied.py").write_text(source.replace("batch_size=4,", "batch_size=6,"), encoding="utf-8")
    done = place.run()
    assert told(done)["workers"] == 0
    assert done.stderr == (
        "headrace: nothing is applied; input.workers is left out: the loader that it is for is no longer made in "
        "applied.py as it was\n"
    )


def test_a_loader_that_is_not_made_is_missed(place: Place) -> None:
    """What was announced and did not happen is said at the end."""
    place.write(place.loader_fix(workers=0))
    done = place.run("--no-loader")
    assert told(done)["workers"] == 0
    assert done.stderr.splitlines()[1:] == [
        f"headrace: input.workers was not applied: no loader was made at applied.py:{place.line} with a RandomSampler"
    ]


def test_another_machine(place: Place) -> None:
    """Nothing is applied there."""
    place.write(place.loader_fix(), cores_usable=512)
    done = place.run()
    assert told(done)["workers"] == 0
    assert "with 512 cores, and this is" in done.stderr


def test_the_file_of_the_docs(place: Place) -> None:
    """The example of the format is one, of another machine."""
    document = (ROOT / "docs" / "formats" / "fixes.md").read_text(encoding="utf-8")
    example = re.search(r"```toml\n(.*?)```", document, re.DOTALL)
    assert example is not None
    (place.folder / "headrace.toml").write_text(example[1].replace("AMD EPYC", "another"), encoding="utf-8")
    done = place.run()
    assert told(done)["workers"] == 0
    assert done.stderr.startswith("headrace: nothing is applied; input.workers is left out: it was proven on another")


def test_numerics_need_a_word(place: Place) -> None:
    """Autocast only with --allow numerics, and then as the user would write it."""
    place.write(place.loader_fix(workers=0), fix("compute.precision", "numerics", 'precision = "bfloat16"'))
    without = place.run()
    assert told(without)["dtype"] == "torch.float32"
    assert told(without)["workers"] == 2
    assert "compute.precision is left out: it changes numerics: give --allow numerics" in without.stderr
    allowed = place.run(options=("--allow", "numerics"))
    assert told(allowed)["dtype"] == "torch.bfloat16", allowed
    assert told(allowed)["workers"] == 2


def test_threads_alone(place: Place) -> None:
    """A number that the program sets itself later is kept out."""
    place.write(fix("compute.threads", "rounding", "threads = 1"))
    done = place.run("--threads", "2")
    assert told(done)["threads"] == 1
    assert done.stderr == "headrace: applied: compute.threads (threads=1)\n"


@pytest.mark.parametrize("workers", ["0", "2"])
def test_a_cache_of_samples(place: Place, workers: str) -> None:
    """Each sample is made once in two epochs, and the training is the same."""
    place.write(place.loader_fix("cache_bytes = 1000000"))
    plain, content = place.plain("--workers", workers), told(place.run("--workers", workers))
    assert (plain["made"], content["made"]) == (48, 24)
    assert content["order"] == plain["order"]
    assert content["weights"] == plain["weights"]


def test_under_an_audit(place: Place) -> None:
    """The run is audited as it is applied."""
    place.write(place.loader_fix(workers=0))
    home = place.folder / "home"
    done = place.command(
        "audit", "--dir", str(home), "--", str(headrace_command()), "apply", "--", sys.executable, "applied.py"
    )
    assert done.returncode == 0, done
    assert told(done)["workers"] == 2
    report = json.loads(next((home / "runs").glob("*/report.json")).read_text(encoding="utf-8"))
    assert report["input"]["loaders"][0]["workers"] == 2


def test_exit_codes_and_signals_are_the_programs(place: Place) -> None:
    """It has become the program."""
    place.write(place.loader_fix())
    assert place.run("--exit", "7").returncode == 7
    command = [str(headrace_command()), "apply", "--quiet", "--", sys.executable, "applied.py", "--sleep", "60"]
    with subprocess.Popen(
        command, cwd=place.folder, env=clean_environment(), stdout=subprocess.PIPE, text=True
    ) as running:
        assert running.stdout is not None
        assert running.stdout.readline() == "ready\n"
        running.send_signal(signal.SIGTERM)
    assert running.returncode == -signal.SIGTERM


def test_a_program_that_is_no_python(place: Place) -> None:
    """Runs as ever."""
    place.write(place.loader_fix())
    done = place.command("apply", "--quiet", "--", "sh", "-c", "echo of sh; exit 3")
    assert (done.returncode, done.stdout) == (3, "of sh\n")


@pytest.mark.parametrize("option", ["-I", "-sE", "-S"])
def test_a_python_that_lets_nothing_in(place: Place, option: str) -> None:
    """Nothing is said to be applied that is not."""
    place.write(place.loader_fix())
    done = place.command("apply", "--", sys.executable, "-X", "utf8", option, "-c", "print('ran')")
    assert (done.returncode, done.stdout) == (0, "ran\n")
    assert done.stderr == f"headrace: nothing is applied: Python {option} lets nothing in\n"


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (("apply",), 2, "no program was given to run"),
        (("apply", "--with", "none.toml", "--", "true"), 2, "there is no none.toml: headrace improve writes one"),
        (("apply", "--allow", "all", "--", "true"), 2, "--allow is 'all': give numerics, or semantics"),
        (("apply", "--", "no-such-program"), 127, "no-such-program"),
        (("apply", "--", "./applied.py"), 126, "applied.py"),
    ],
)
def test_bad_input(place: Place, words: tuple[str, ...], code: int, sentence: str) -> None:
    """One sentence, and nothing is run."""
    place.write(place.loader_fix())
    done = place.command(*words)
    assert done.returncode == code, done
    assert len(done.stderr.splitlines()) == 1
    assert sentence in done.stderr
    assert done.stdout == ""


def test_a_file_that_cannot_be_read_starts_nothing(place: Place) -> None:
    """A misspelt setting is not silently without effect."""
    place.write(place.loader_fix("worker = 2"))
    done = place.run()
    assert done.returncode == 2
    assert "headrace.toml, line 9: there is no setting fix.set.worker" in done.stderr
    assert done.stdout == ""
    (place.folder / "headrace.toml").unlink()
    assert "there is no headrace.toml here: headrace improve writes one" in place.run().stderr
