"""Program A: what a tool adds to a training step of about 2 ms."""

from __future__ import annotations

import dataclasses
import statistics
import subprocess
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from common import (
    Criterion,
    Estimate,
    Progress,
    Verdict,
    at_most,
    clean_environment,
    estimate,
    less_than_zero,
    microseconds,
    not_above_zero,
    percent,
    print_table,
)
from overhead.cases import CASES, CONTROL, HEADRACE, PEERS, PLAIN, Case, program
from overhead.peers import Environment, version
from overhead.turns import Failed, Ran, Round, play

STEP_LIMIT_SECONDS = 20e-6
SPOOL_LIMIT_BYTES = 1_000_000
STEPS_PER_TURN = 250  # one pass over the data, as in programs/training.py
WARM_UP_TURNS = 1
BUSY_CORES = 1.5


@dataclass(frozen=True)
class Cost:
    """What a case added to the plain program of the same round."""

    step_seconds: float  # to the median step
    step_share: float
    loop_seconds_per_step: float  # to the whole loop, divided by its steps
    loop_share: float
    cpu_seconds_per_step: float  # to the CPU time of the thread that trains


@dataclass
class Result:
    """All rounds: for each the cases that ran, and the cases that were left out with the reason."""

    depth: int
    epochs: int
    rounds: list[Round] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)
    different: list[str] = field(default_factory=list)

    @property
    def measured(self) -> list[str]:
        """The cases beside the plain one that every round has."""
        return [case.name for case in CASES if case.name != PLAIN and all(case.name in one.ran for one in self.rounds)]


def counted(values: Sequence[float]) -> Sequence[float]:
    """What comes after the warm-up."""
    return values[WARM_UP_TURNS:]


def cost(case: Ran, plain: Ran) -> Cost:
    """Compares turn with turn, because the machine was the same for both, and takes the median; sums for the loop."""

    def added(mine: Sequence[float], its: Sequence[float]) -> float:
        return statistics.median(one - other for one, other in zip(counted(mine), counted(its), strict=True))

    step = added(case.median_step_seconds, plain.median_step_seconds)
    loop, its_loop = sum(counted(case.seconds)), sum(counted(plain.seconds))
    steps = STEPS_PER_TURN * len(counted(case.seconds))
    return Cost(
        step_seconds=step,
        step_share=step / statistics.median(counted(plain.median_step_seconds)),
        loop_seconds_per_step=(loop - its_loop) / steps,
        loop_share=loop / its_loop - 1,
        cpu_seconds_per_step=added(case.cpu_seconds, plain.cpu_seconds) / STEPS_PER_TURN,
    )


def plain_of(one: Round, name: str) -> Ran:
    """What a case is compared with: the mean of both plain programs, which scatters less; the one with the other."""
    plain, again = one.ran[PLAIN], one.ran.get(CONTROL)
    if again is None or name == CONTROL:
        return plain

    def mean(mine: Sequence[float], its: Sequence[float]) -> list[float]:
        return [(one + other) / 2 for one, other in zip(mine, its, strict=True)]

    return dataclasses.replace(
        plain,
        median_step_seconds=mean(plain.median_step_seconds, again.median_step_seconds),
        seconds=mean(plain.seconds, again.seconds),
        cpu_seconds=mean(plain.cpu_seconds, again.cpu_seconds),
    )


def costs(rounds: Sequence[Round], name: str) -> list[Cost]:
    """What a case cost in each round."""
    return [cost(one.ran[name], plain_of(one, name)) for one in rounds]


def differing(ran: Mapping[str, Ran]) -> list[str]:
    """The cases whose answer is not the plain program's."""
    return [name for name, one in ran.items() if one.answer != ran[PLAIN].answer]


def spool_per_1000_steps(ran: Ran, epochs: int) -> float:
    """Bytes of spool at its greatest, start-up included, for every 1,000 steps."""
    assert ran.spool_bytes is not None
    return ran.spool_bytes / (epochs * STEPS_PER_TURN) * 1000


def calibrate(environment: Environment) -> int:
    """How often the model applies its hidden layer to make a step take about 2 ms here."""
    command = [str(environment.python), program("training.py")]
    environ = clean_environment({"OMP_NUM_THREADS": "1"})
    return int(subprocess.run(command, env=environ, capture_output=True, text=True, check=True).stdout)


def one_round(cases: Sequence[Case], environment: Environment, depth: int, epochs: int) -> Round:
    """One round in a folder of its own."""
    with tempfile.TemporaryDirectory(prefix="headrace-bench-") as folder:
        arguments = ["--depth", str(depth), "--epochs", str(epochs)]
        return play(cases, environment, Path(folder), arguments, turns=epochs)


def leave_out(result: Result, name: str, reason: str) -> None:
    """A peer that cannot be had or run is named with the reason; without ours or the plain program nothing goes on."""
    if name not in PEERS:
        raise SystemExit(f"{name} {reason}")
    result.left_out[name] = reason


def rehearse(cases: Iterable[Case], environment: Environment, result: Result) -> None:
    """Installs the peers, and runs each case once for one epoch, alone: their answers are compared before any time."""
    ran: dict[str, Ran] = {}
    for case in cases:
        reason = environment.install(case.name) if case.name in PEERS else None
        if reason:
            leave_out(result, case.name, reason)
            continue
        try:
            ran |= one_round([case], environment, result.depth, epochs=1).ran
        except Failed as failure:
            leave_out(result, case.name, failure.reason)
    result.different = differing(ran)


def measure(names: Sequence[str], rounds: int, epochs: int) -> Result:
    """Measures the named cases against the plain program; stops at the first answer that differs."""
    environment = Environment()
    result = Result(calibrate(environment), epochs)
    cases = [case for case in CASES if case.name in (PLAIN, CONTROL, *names)]
    rehearse(cases, environment, result)
    progress = Progress("program A, rounds", rounds)
    while len(result.rounds) < rounds and not result.different:
        able = [case for case in cases if case.name not in result.left_out]
        # Each case is started first as often as any other: which memory a process gets depends on who came before it.
        first = len(result.rounds) % len(able)
        able = able[first:] + able[:first]
        try:
            one = one_round(able, environment, result.depth, epochs)
        except Failed as failure:
            leave_out(result, failure.name, failure.reason)
            continue
        result.different = differing(one.ran)
        result.rounds.append(one)
        progress.advance()
    return result


def criteria(result: Result, names: Sequence[str]) -> list[Criterion]:
    """The answers first; then the limits, and the comparisons with the peers."""
    same = Verdict.FALLS_SHORT if result.different else Verdict.PASS
    detail = f"{', '.join(result.different)} gave another" if result.different else "losses, weights, random numbers"
    found = [Criterion("every case gives the plain program's answer", same, detail)]
    if result.different or HEADRACE not in names:
        return found
    ours = costs(result.rounds, HEADRACE)
    step = estimate([one.step_seconds for one in ours])
    found.append(
        Criterion("headrace adds at most 20 µs to a step", at_most(step, STEP_LIMIT_SECONDS), microseconds(step))
    )
    spool = max(spool_per_1000_steps(one.ran[HEADRACE], result.epochs) for one in result.rounds)
    fits = Verdict.PASS if spool <= SPOOL_LIMIT_BYTES else Verdict.FALLS_SHORT
    found.append(Criterion("its spool grows by at most 1 MB in 1,000 steps", fits, f"{spool / 1e6:.3f} MB"))
    return found + [compare(result, ours, peer) for peer in PEERS if peer in names]


def compare(result: Result, ours: Sequence[Cost], peer: str) -> Criterion:
    """headrace against one peer, round by round.

    py-spy stops the program now and then, which no median step shows: there the whole loop is compared.
    """
    text = f"headrace adds {'no more to the loop' if peer == 'py-spy' else 'less to a step'} than {peer}"
    if peer in result.left_out:
        return Criterion(text, Verdict.NOT_MEASURED, result.left_out[peer])
    pairs = list(zip(ours, costs(result.rounds, peer), strict=True))
    if peer == "py-spy":
        loop = estimate([one.loop_seconds_per_step - other.loop_seconds_per_step for one, other in pairs])
        return Criterion(text, not_above_zero(loop, STEP_LIMIT_SECONDS), difference(loop))
    step = estimate([one.step_seconds - other.step_seconds for one, other in pairs])
    return Criterion(text, less_than_zero(step), difference(step))


def difference(value: Estimate) -> str:
    """The difference of two costs as text."""
    return f"ours less theirs: {microseconds(value)} a step"


def show(result: Result) -> None:
    """Prints what each case is and what it costs."""
    steps = STEPS_PER_TURN * (result.epochs - WARM_UP_TURNS)
    print(f"Program A: {len(result.rounds)} rounds of {steps} counted steps, in turns of {STEPS_PER_TURN}")
    plain = [statistics.median(one.ran[PLAIN].median_step_seconds[WARM_UP_TURNS:]) for one in result.rounds]
    print(f"plain step: {1e3 * statistics.median(plain):.3f} ms ({1e3 * min(plain):.3f} to {1e3 * max(plain):.3f})")
    busy = statistics.median(one.busy_cores for one in result.rounds)
    note = "; the machine is too busy for figures of any worth" if busy > BUSY_CORES else ""
    print(f"busy cores meanwhile: {busy:.2f}, 1 of them with the program in turn{note}\n")
    rows = [["case", "added to the median step", "share", "added to the loop, per step", "share", "CPU time, per step"]]
    for name in result.measured:
        found = costs(result.rounds, name)
        rows.append(
            [
                name,
                microseconds(estimate([one.step_seconds for one in found])),
                percent(estimate([one.step_share for one in found])),
                microseconds(estimate([one.loop_seconds_per_step for one in found])),
                percent(estimate([one.loop_share for one in found])),
                microseconds(estimate([one.cpu_seconds_per_step for one in found])),
            ]
        )
    print_table(rows)
    print("pseudo-median over the rounds, and its 90 % interval\n")
    stated = [one.ran[HEADRACE].stated_step_seconds for one in result.rounds if HEADRACE in one.ran]
    known = [seconds for seconds in stated if seconds is not None]
    if known:
        print(f"headrace itself states {microseconds(estimate(known))} a step")
    for case in CASES:
        if case.name in result.measured:
            print(f"{version(case.name)}: {case.mode}")
    for name, reason in result.left_out.items():
        print(f"{version(name)}: left out, it {reason}")
