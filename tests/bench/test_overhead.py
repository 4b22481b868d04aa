"""What bench/overhead makes of its samples, and how it runs its cases. No time is asserted."""

from __future__ import annotations

import itertools
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from common import Verdict
from overhead import demo, peers, slices, steps
from overhead.cases import CASES, CONTROL, HEADRACE, PEERS, PLAIN, Case
from overhead.peers import LIST, Environment, pinned
from overhead.turns import Failed, Ran, Round, order, play
from training import STEPS_PER_TURN, Training, spool_bytes

TURNS = 25  # of each made-up program, the warm-up included


def ran(added: float, answer: str = "same", loop: float | None = None, spool: int | None = None) -> Ran:
    """A program whose steps take 2 ms and what is added, on a machine that slows down from turn to turn."""
    drift = [1 + 0.01 * turn for turn in range(TURNS)]
    each = [2e-3 * slower + added for slower in drift]
    whole = [steps.STEPS_PER_TURN * (2e-3 * slower + (added if loop is None else loop)) for slower in drift]
    cpu = [steps.STEPS_PER_TURN * (1e-3 * slower + added) for slower in drift]
    return Ran(answer, each, whole, cpu, spool, None)


def result(rounds: int = 8, ours: float = 10e-6, spool: int = 1_000_000, **peers: float) -> steps.Result:
    """Rounds in which headrace and the peers add so much to each step, a little more each round."""
    found = steps.Result(depth=2, epochs=TURNS)
    for number in range(rounds):
        case = {PLAIN: ran(0), HEADRACE: ran(ours + number * 1e-7, spool=spool)}
        case |= {name.replace("_", "-"): ran(added + number * 1e-7) for name, added in peers.items()}
        found.rounds.append(Round(case, 1.0))
    return found


def verdicts(found: steps.Result, *names: str) -> list[Verdict]:
    return [one.verdict for one in steps.criteria(found, [HEADRACE, *names])]


def test_a_cost_is_of_turns_that_ran_side_by_side() -> None:
    found = steps.cost(ran(15e-6, loop=30e-6), ran(0))
    assert found.step_seconds == pytest.approx(15e-6)
    assert found.step_share == pytest.approx(15e-6 / (2e-3 * 1.125), rel=0.01)
    assert found.loop_seconds_per_step == pytest.approx(30e-6)
    assert found.cpu_seconds_per_step == pytest.approx(15e-6)


def test_a_turn_in_which_the_machine_was_disturbed_does_not_move_the_median() -> None:
    disturbed = ran(15e-6)
    disturbed.median_step_seconds[-1] = 1.0
    assert steps.cost(disturbed, ran(0)).step_seconds == pytest.approx(15e-6)


def test_the_warm_up_does_not_count() -> None:
    slow = ran(15e-6)
    slow.median_step_seconds[: steps.WARM_UP_TURNS] = [1.0] * steps.WARM_UP_TURNS
    slow.seconds[: steps.WARM_UP_TURNS] = [60.0] * steps.WARM_UP_TURNS
    assert steps.cost(slow, ran(0)) == steps.cost(ran(15e-6), ran(0))


def test_a_case_is_compared_with_both_plain_programs_and_they_with_each_other() -> None:
    both = [Round({PLAIN: ran(0), CONTROL: ran(4e-6), HEADRACE: ran(12e-6)}, 1.0)]
    assert [one.step_seconds for one in steps.costs(both, HEADRACE)] == pytest.approx([10e-6])
    assert [one.loop_seconds_per_step for one in steps.costs(both, HEADRACE)] == pytest.approx([10e-6])
    assert [one.step_seconds for one in steps.costs(both, CONTROL)] == pytest.approx([4e-6])


def test_headrace_passes_below_its_limits_and_below_the_peers() -> None:
    found = result(traceml=100e-6, gpuprof=90e-6, pyinstrument=40e-6, py_spy=11e-6)
    assert verdicts(found, *PEERS) == [Verdict.PASS] * 7


def test_headrace_falls_short_above_its_limits_and_above_a_peer() -> None:
    found = result(ours=30e-6, spool=10_000_000, gpuprof=25e-6, py_spy=0.0)
    short = Verdict.FALLS_SHORT
    assert verdicts(found, "gpuprof", "py-spy") == [Verdict.PASS, short, short, short, short]


def test_few_rounds_say_nothing() -> None:
    assert verdicts(result(rounds=4, gpuprof=90e-6), "gpuprof")[1] == Verdict.CANNOT_SAY
    assert verdicts(result(rounds=4, gpuprof=90e-6), "gpuprof")[3] == Verdict.CANNOT_SAY


def test_a_peer_that_was_left_out_is_not_measured_and_the_reason_is_given() -> None:
    found = result(gpuprof=90e-6)
    found.left_out["traceml"] = "could not be installed"
    last = steps.criteria(found, [HEADRACE, "gpuprof", "traceml"])[-2]
    assert (last.verdict, last.detail) == (Verdict.NOT_MEASURED, "could not be installed")


def test_another_answer_is_named_and_no_time_is_compared() -> None:
    found = result()
    found.different = steps.differing({PLAIN: ran(0), HEADRACE: ran(0), "py-spy": ran(0, answer="other")})
    (only,) = steps.criteria(found, [HEADRACE])
    assert (only.verdict, only.detail) == (Verdict.FALLS_SHORT, "py-spy gave another")


def test_the_spool_counts_for_1000_steps() -> None:
    assert steps.spool_per_1000_steps(ran(0, spool=1_250_000), epochs=5) == 1_000_000


def test_in_a_cycle_everybody_goes_once_and_over_the_cycles_everywhere() -> None:
    cycles = [order(6, cycle) for cycle in range(12)]
    assert all(sorted(cycle) == list(range(6)) for cycle in cycles)
    assert all(sorted(cycle[place] for cycle in cycles) == sorted(list(range(6)) * 2) for place in range(6))


def test_every_peer_is_pinned_and_none_brings_a_torch() -> None:
    text = LIST.read_text(encoding="utf-8")
    assert [case.name for case in CASES] == [PLAIN, CONTROL, HEADRACE, *PEERS]
    for peer in PEERS:
        assert pinned(peer, text)
        assert all("==" in package and not package.startswith(("torch", "numpy")) for package in pinned(peer, text))


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    return Environment(tmp_path_factory.mktemp("peers") / "venv")


def test_the_peers_see_the_packages_of_the_checkout(environment: Environment) -> None:
    code = "import importlib.util, sys; print(sys.prefix, bool(importlib.util.find_spec('torch')))"
    done = subprocess.run([environment.python, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [str(environment.folder), "True"]


def test_a_peer_that_cannot_be_installed_has_a_reason(
    tmp_path: Path, environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(peers, "LIST", tmp_path / "peers.txt")
    (tmp_path / "peers.txt").write_text("slow headrace-no-such-peer==1.0\nnothing\n")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    reason = environment.install("slow")
    assert reason is not None
    assert reason.startswith("could not be installed: ERROR: No matching distribution found for headrace-no-such-peer")


def test_a_case_that_cannot_be_had_is_left_out_only_if_it_is_a_peer() -> None:
    found = steps.Result(64, 5)
    steps.leave_out(found, "py-spy", "may not look")
    assert found.left_out == {"py-spy": "may not look"}
    with pytest.raises(SystemExit, match="headrace ended early"):
        steps.leave_out(found, HEADRACE, "ended early")


PLAYER = """
import json, socket, sys
options = dict(zip(sys.argv[1::2], sys.argv[2::2]))
turns = socket.socket(socket.AF_UNIX)
turns.connect(options["--turns"])
for turn in range(4):
    turns.sendall(b".")
    assert turns.recv(1)
    with open(LOG, "a") as log:
        log.write(NAME)
print("answer", NAME)
found = {"median_step_seconds": [0.002], "seconds": [0.1], "cpu_seconds": [0.1], "spool_bytes": None}
json.dump(found, open(options["--out"], "w"))
"""


def player(name: str, log: Path, text: str = PLAYER) -> Case:
    """A case whose program only takes its turns, and writes its name into the log each time."""

    def command(environment: Environment, folder: Path, arguments: Sequence[str]) -> list[str]:
        return [sys.executable, "-c", f"LOG, NAME = {str(log)!r}, {name!r}\n{text}", *arguments]

    return Case(name, "made up", command)


def test_the_programs_of_a_round_take_turns(tmp_path: Path, environment: Environment) -> None:
    log = tmp_path / "log"
    played = play([player("a", log), player("b", log)], environment, tmp_path, [], turns=3)
    assert log.read_text() == "ab" + "ba" + "ba" + "ab"  # three cycles, and what runs after the last of them
    assert {name: one.answer for name, one in played.ran.items()} == {"a": "a", "b": "b"}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("raise SystemExit('no such module')", "ended before its first step: no such module"),
        (PLAYER.replace("range(4)", "range(2)").replace("print", "raise SystemExit('stuck')\n#"), "its steps: stuck"),
        (PLAYER + "raise SystemExit('too late')", "ended with 1 and 1 answers: too late"),
        (PLAYER.replace('print("answer", NAME)', ""), "ended with 0 and 0 answers"),
    ],
)
def test_a_case_that_fails_is_named_with_its_last_words(
    tmp_path: Path, environment: Environment, text: str, reason: str
) -> None:
    log = tmp_path / "log"
    with pytest.raises(Failed, match=reason) as failure:
        play([player("good", log), player("bad", log, text)], environment, tmp_path, [], turns=3)
    assert failure.value.name == "bad"


def test_the_answer_tells_other_training_apart() -> None:
    assert STEPS_PER_TURN == steps.STEPS_PER_TURN

    def train(without: int) -> Training:
        training = Training(1, depth=2)
        for number, (x, y) in enumerate(training.loader):
            if number != without:
                training.step(x, y)
            training.tick()
        return training

    whole, again, other = train(-1).answer(), train(-1).answer(), train(249).answer()
    assert whole == again != other


def test_the_spool_is_what_its_files_take(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "1-1-0.spool").write_bytes(bytes(70_000))
    (tmp_path / "control").write_bytes(bytes(10))
    monkeypatch.setenv("HEADRACE_SPOOL", str(tmp_path))
    found = spool_bytes()
    assert found is not None
    assert 70_010 <= found <= 70_000 + 3 * 4096
    monkeypatch.delenv("HEADRACE_SPOOL")
    assert spool_bytes() is None


def shell(script: str, folder: Path, name: str) -> tuple[list[str], Path]:
    """A command and a folder of its own."""
    own = folder / name
    own.mkdir()
    return ["sh", "-c", script, name], own


def test_commands_in_slices_run_to_their_ends_by_turns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slices, "SLICE_SECONDS", 0.02)
    log = tmp_path / "log"
    work = f"i=0; while [ $i -lt 300000 ]; do i=$((i + 1)); [ $((i % 1000)) -ne 0 ] || echo $0 >> {log}; done"
    began = time.perf_counter()
    ended = slices.side_by_side(
        [
            shell(f"{work}; echo one >&2", tmp_path, "1"),
            shell(f"({work}) & wait; echo two >&2; exit 3", tmp_path, "2"),
            shell("true", tmp_path, "3"),
        ]
    )
    assert [(one.returncode, one.stderr) for one in ended] == [(0, "one\n"), (3, "two\n"), (0, "")]
    assert sum(one.wall_seconds for one in ended) <= time.perf_counter() - began
    wrote = log.read_text().split()
    assert (wrote.count("1"), wrote.count("2")) == (300, 300)
    assert sum(one != other for one, other in itertools.pairwise(wrote)) > 2


def test_an_end_of_the_benchmark_ends_the_commands(tmp_path: Path) -> None:
    commands = [shell("sleep 61803", tmp_path, "1"), (["/nonexistent/command"], tmp_path)]
    with pytest.raises(FileNotFoundError):
        slices.side_by_side(commands)
    left = subprocess.run(["pgrep", "-f", "sleep 61803"], capture_output=True, text=True, check=False)
    assert left.stdout == ""


LOG = """12:00:00 1600 photos to train on, 400 to validate on, 40 classes
12:00:01 epoch 0 step 0 of 50: loss 3.7004
12:00:05 epoch 0: loss 3.4, validation accuracy 12.5 %, 4.4 s
12:00:09 epoch 1: loss 3.1, validation accuracy 15.0 %, 3.9 s
12:00:09 best validation accuracy 15.0 %, saved as /tmp/one/best.pt
"""


def test_the_demo_programs_answer_is_its_log_without_times_and_folders() -> None:
    later = LOG.replace("12:00", "13:37").replace("4.4 s", "14.4 s").replace("/tmp/one", "/tmp/two")
    assert demo.answer(later) == demo.answer(LOG)
    assert demo.answer(LOG.replace("loss 3.1", "loss 3.2")) != demo.answer(LOG)


@pytest.mark.parametrize(
    ("added", "verdict"), [(0.005, Verdict.PASS), (0.02, Verdict.FALLS_SHORT), (0.01, Verdict.CANNOT_SAY)]
)
def test_the_demo_programs_limit_is_on_the_ratio_of_each_pair(added: float, verdict: Verdict) -> None:
    found = demo.Result(epochs=2)
    for number in range(8):
        slower = 1 + 0.1 * number  # the machine's, which both of a pair meet
        audited = slower * (1 + added + (0.001 if number % 2 else -0.001))
        plain = demo.Command("same", 15 * slower, 20.0, None)
        found.pairs.append((plain, demo.Command("same", 15 * audited, 20.2, 0.004)))
    assert [one.verdict for one in demo.criteria(found)] == [Verdict.PASS, verdict]
    assert demo.shares(found)["CPU time of all its processes"] == pytest.approx([0.01] * 8)


def test_another_answer_of_the_demo_program_falls_short() -> None:
    found = demo.Result(epochs=2, different=True)
    assert [one.verdict for one in demo.criteria(found)] == [Verdict.FALLS_SHORT]
