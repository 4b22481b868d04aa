"""The JSON of real audits follows docs/formats/*.schema.json, and the schemas are as strict as they promise."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from harness import ROOT, audit, headrace_command, program, run

FORMATS = ROOT / "docs" / "formats"
COMMANDS = {
    "training with workers": program("train.py", "--samples", "128", "--workers", "2", "--evaluate", "32"),
    "training in the loop": program("train.py", "--samples", "64", "--workers", "0"),
    "a program that is no Python": ["sh", "-c", "exit 3"],
    "a killed program": ["sh", "-c", "kill -KILL $$"],
    "an argument that is not UTF-8": ["sh", "-c", "exit 0", b"\xff\xfe".decode(errors="surrogateescape")],
}


def schema(name: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((FORMATS / f"{name}.schema.json").read_text(encoding="utf-8"))
    return document


def check(document: object, name: str) -> None:
    jsonschema.Draft202012Validator(schema(name)).validate(document)


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The report of a training with workers."""
    folder = tmp_path_factory.mktemp("report")
    return audit(COMMANDS["training with workers"], home=folder / "home", cwd=folder).report


def sub_schemas(node: object) -> Iterator[dict[str, Any]]:
    """Every schema of an object or array within a schema."""
    if isinstance(node, dict):
        if "type" in node:
            yield node
        for value in node.values():
            yield from sub_schemas(value)
    elif isinstance(node, list):
        for value in node:
            yield from sub_schemas(value)


def objects(document: object) -> Iterator[dict[str, Any]]:
    """Every object within a document."""
    if isinstance(document, dict):
        yield document
        for value in document.values():
            yield from objects(value)
    elif isinstance(document, list):
        for value in document:
            yield from objects(value)


@pytest.mark.parametrize("name", ["report", "runs", "doctor", "gap"])
def test_a_schema_is_valid_and_strict(name: str) -> None:
    document = schema(name)
    jsonschema.Draft202012Validator.check_schema(document)
    for node in sub_schemas(document):
        if "object" in (node["type"] if isinstance(node["type"], list) else [node["type"]]):
            assert node["additionalProperties"] is False, node
            assert node["required"] == list(node["properties"]), node


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS.keys())
def test_a_report_follows_the_schema(command: list[str], tmp_path: Path) -> None:
    audited = audit(command, home=tmp_path / "home", cwd=tmp_path)
    check(audited.report, "report")


def test_a_ledger_adds_up(report: dict[str, Any]) -> None:
    for ledger in [report["ledger"], *report["ranks"]]:
        assert sum(entry["seconds"] for entry in ledger["entries"]) == pytest.approx(ledger["wall_seconds"], rel=1e-3)
        assert sum(entry["share"] for entry in ledger["entries"]) == pytest.approx(1, abs=1e-3)
    waited = next(entry for entry in report["ledger"]["entries"] if entry["name"] == "input.wait")
    assert sum(stage["seconds"] for stage in report["input"]["wait"]) == pytest.approx(waited["seconds"], abs=1e-6)
    assert report["ranks"][0] == report["ledger"]


def test_the_schema_refuses_what_lacks_or_has_a_key_too_many(report: dict[str, Any]) -> None:
    count = sum(1 for _ in objects(report))
    for number in range(count):
        lacking = copy.deepcopy(report)
        node = list(objects(lacking))[number]
        del node[next(iter(node))]
        with pytest.raises(jsonschema.ValidationError):
            check(lacking, "report")
        extended = copy.deepcopy(report)
        list(objects(extended))[number]["surplus"] = 1
        with pytest.raises(jsonschema.ValidationError):
            check(extended, "report")


def test_the_schema_refuses_another_order_of_the_ledger(report: dict[str, Any]) -> None:
    shuffled = copy.deepcopy(report)
    entries = shuffled["ledger"]["entries"]
    entries[0], entries[1] = entries[1], entries[0]
    with pytest.raises(jsonschema.ValidationError):
        check(shuffled, "report")


def test_the_other_documents_follow_their_schemas(tmp_path: Path) -> None:
    home = tmp_path / "home"
    audit(["sh", "-c", "exit 3"], home=home, cwd=tmp_path)
    damaged = audit(["true"], home=tmp_path / "other", cwd=tmp_path).folder
    damaged.rename(home / "runs" / damaged.name)
    (home / "runs" / damaged.name / "run.db").write_bytes(b"nonsense")
    listed = run([str(headrace_command()), "report", "--dir", str(home), "--list", "--json", "-"], cwd=tmp_path)
    check(json.loads(listed.stdout), "runs")
    assert sorted(run["problem"] is None for run in json.loads(listed.stdout)) == [False, True]
    found = run([str(headrace_command()), "doctor", "--json", "-"], cwd=tmp_path)
    check(json.loads(found.stdout), "doctor")
