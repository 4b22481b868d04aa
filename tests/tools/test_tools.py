"""The tools of the checkout find what they are there to find."""

from __future__ import annotations

import filecmp
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TOOLS = ROOT / "tools"


def tool(*command: object) -> subprocess.CompletedProcess[str]:
    """Runs a tool and gives what it said."""
    return subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)


def write(path: Path, text: str) -> None:
    """Writes a file and makes its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


ALLOWED = [
    ("src/cli/main.cpp", "report/screen.h"),
    ("src/audit/audit.cpp", "audit/record.h"),
    ("src/sys/file.cpp", "headrace/run.h"),
    ("src/capture/hook.cpp", "run/spool_format.h"),
    ("src/report/json.cpp", "headrace/ledger.h"),
    ("include/headrace/headrace.h", "headrace/report.h"),
]
REFUSED = [
    ("src/base/text.cpp", "sys/file.h", "sys is on line 2, not below base on line 1"),
    ("src/stats/quantile.cpp", "sys/file.h", "sys is on line 2, not below stats on line 2"),
    ("src/sys/file.cpp", "headrace/ledger.h", "audit is on line 5, not below sys on line 2"),
    ("src/sys/file.cpp", "run/store.h", "run is on line 3, not below sys on line 2"),
    ("src/capture/hook.cpp", "base/text.h", "capture knows only run/spool_format.h"),
    ("src/run/store.cpp", "capture/hook.h", "capture rides in the audited program"),
    ("src/run/spool_format.h", "headrace/result.h", "shared with the recorder"),
    ("src/run/store.cpp", "store.h", "names no known module"),
    ("include/headrace/result.h", "headrace/run.h", "run is on line 3, not below base on line 1"),
]


@pytest.mark.parametrize(("path", "header"), ALLOWED)
def test_an_include_of_a_lower_layer_is_allowed(tmp_path: Path, path: str, header: str) -> None:
    write(tmp_path / path, f'#include "{header}"\n#include <vector>\n')
    done = tool(TOOLS / "check_layers", tmp_path)
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize(("path", "header", "why"), REFUSED)
def test_an_include_of_another_layer_is_found(tmp_path: Path, path: str, header: str, why: str) -> None:
    write(tmp_path / path, f'  # include "{header}"\n')
    done = tool(TOOLS / "check_layers", tmp_path)
    assert done.returncode == 1
    assert done.stdout.startswith(f'{path}: may not include "{header}": ')
    assert why in done.stdout


def test_a_module_without_a_layer_is_found(tmp_path: Path) -> None:
    write(tmp_path / "src" / "odd" / "odd.cpp", "")
    assert "belongs to no module" in tool(TOOLS / "check_layers", tmp_path).stdout


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A git checkout with the size check in it."""
    for name in ("check_sizes", "sources"):
        write(tmp_path / "tools" / name, (TOOLS / name).read_text(encoding="utf-8"))
        (tmp_path / "tools" / name).chmod(0o755)
    write(tmp_path / "tools" / "sizes.txt", "")
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)
    return tmp_path


FREE = "namespace a {{\n\nint f(int x,\n      int y) {{\n{body}}}\n\n}}  // namespace a\n"
METHOD = "class A {{\npublic:\n    int f() const {{\n{body}    }}\n    int g() {{ return 1; }}\n}};\n"
PYTHON = "def f():\n{body}"


@pytest.mark.parametrize(("name", "shape", "own_lines"), [("a.cpp", FREE, 3), ("a.h", METHOD, 2), ("a.py", PYTHON, 1)])
def test_a_function_is_too_long_from_81_lines_on(checkout: Path, name: str, shape: str, own_lines: int) -> None:
    line = "        x = 1\n" if name.endswith(".py") else "        x = 1;\n"
    write(checkout / name, shape.format(body=line * (80 - own_lines)))
    assert tool(checkout / "tools" / "check_sizes").stdout == ""
    write(checkout / name, shape.format(body=line * (81 - own_lines)))
    done = tool(checkout / "tools" / "check_sizes")
    assert done.returncode == 1
    assert "81 lines, 80 at most: " in done.stdout


def test_a_file_is_too_long_from_801_lines_on_unless_it_is_listed_with_a_reason(checkout: Path) -> None:
    write(checkout / "table.h", "// x\n" * 800)
    assert tool(checkout / "tools" / "check_sizes").returncode == 0
    write(checkout / "table.h", "// x\n" * 801)
    assert tool(checkout / "tools" / "check_sizes").stdout == "table.h: 801 lines, 800 at most\n"
    write(checkout / "tools" / "sizes.txt", "table.h a flat table\n")
    assert tool(checkout / "tools" / "check_sizes").returncode == 0
    write(checkout / "tools" / "sizes.txt", "table.h\n")
    assert "has no reason" in tool(checkout / "tools" / "check_sizes").stderr


def corpus(out: Path, *options: object) -> subprocess.CompletedProcess[str]:
    """Makes a small corpus."""
    return tool(sys.executable, TOOLS / "make_corpus.py", "--out", out, "--count", 12, "--classes", 3, *options)


def test_the_corpus_is_the_same_for_any_number_of_processes_and_is_made_once(tmp_path: Path) -> None:
    first = corpus(tmp_path / "first", "--procs", 1)
    assert (first.returncode, first.stdout[:9]) == (0, "12 images")
    assert corpus(tmp_path / "second", "--procs", 3).returncode == 0
    names = [str(p.relative_to(tmp_path / "first")) for p in (tmp_path / "first").rglob("*.JPEG")]
    assert len(names) == 12
    assert filecmp.cmpfiles(tmp_path / "first", tmp_path / "second", names, shallow=False)[0] == names
    again = corpus(tmp_path / "first", "--procs", 1)
    assert (again.returncode, again.stdout) == (0, "")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["first", "second"]


def test_an_incomplete_corpus_and_one_of_other_arguments_are_made_anew(tmp_path: Path) -> None:
    corpus(tmp_path / "corpus")
    next((tmp_path / "corpus").rglob("*.JPEG")).unlink()
    assert corpus(tmp_path / "corpus").stdout != ""
    assert corpus(tmp_path / "corpus", "--seed", 2).stdout != ""
    assert corpus(tmp_path / "corpus", "--seed", 2).stdout == ""


def test_a_folder_that_is_no_corpus_is_left_alone(tmp_path: Path) -> None:
    write(tmp_path / "mine" / "thesis.txt", "years of work")
    done = corpus(tmp_path / "mine")
    assert done.returncode == 1
    assert done.stderr.endswith("exists and is no corpus of this tool; name another folder with --out\n")
    assert (tmp_path / "mine" / "thesis.txt").read_text(encoding="utf-8") == "years of work"


ROWS = """
{"session": {"date": "2026-01-02", "python": "3.11.7", "headrace": "9.9"}}
{"test": "t::truth[a]", "row": ["The plain loop", "a"]}
{"test": "t::same[a]", "row": ["The plain loop", "a"]}
{"test": "t::truth[b]", "row": ["The plain loop", "b"]}
{"test": "t::truth[c]", "row": ["The plain loop", "c"]}
{"test": "t::outside[d]", "row": ["Programs without torch", "d"]}
{"test": "t::truth[a]", "facts": {"attempt": 1}}
{"test": "t::truth[a]", "facts": {"difference": [0.5, "sync"], "unattributed": 0.4}}
{"test": "t::truth[a]", "facts": {"attempt": 2}}
{"test": "t::truth[a]", "facts": {"difference": [0.012, "host"], "limits": ["First.", "Second."]}}
{"test": "t::truth[a]", "facts": {"difference": [0.001, "sync"], "unattributed": 0.002}}
{"test": "t::truth[a]", "outcome": "passed", "reason": ""}
{"test": "t::same[a]", "facts": {"identical": true}}
{"test": "t::same[a]", "outcome": "passed", "reason": ""}
{"test": "t::truth[b]", "facts": {"difference": [0.03, "host"]}}
{"test": "t::truth[b]", "outcome": "failed", "reason": "AssertionError: host"}
{"test": "t::outside[d]", "facts": {"identical": false, "limits": ["Second."]}}
{"test": "t::outside[d]", "outcome": "skipped", "reason": "Skipped: no such package"}
{"test": "t::of_no_row", "outcome": "failed", "reason": "not here"}
"""


def cells(page: str, name: str) -> list[str]:
    """The cells of a program's row."""
    (line,) = (line for line in page.splitlines() if line.startswith(f"| {name} |"))
    return line.strip("| ").split(" | ")


def test_programs_page_hides_nothing(tmp_path: Path) -> None:
    """The last attempt counts, the worst of its figures is shown, and what failed or was not run is said."""
    write(tmp_path / "rows.jsonl", ROWS.strip())
    made = tool(sys.executable, TOOLS / "programs_page.py", tmp_path / "rows.jsonl")
    assert made.returncode == 1, made.stderr
    none = "not measured"
    expected = ["a", none, "1.20 % host", "0.20 %", none, "yes", none, "1, 2", "ok, run 2 of 3"]
    assert cells(made.stdout, "a") == expected
    assert cells(made.stdout, "b")[2] == "3.00 % host"
    assert cells(made.stdout, "b")[-1] == "**fails**: AssertionError: host"
    assert cells(made.stdout, "c") == ["c", *[none] * 7, "not run"]
    assert cells(made.stdout, "d")[-4:] == ["**no**", none, "2", "not run: Skipped: no such package"]
    assert "1. First.\n2. Second.\n" in made.stdout
    assert "not here" not in made.stdout
    assert "2026-01-02 with headrace 9.9, Python 3.11.7" in made.stdout
    assert "put together" not in made.stdout
    write(tmp_path / "rows.jsonl", ROWS.strip() + '\n{"session": {"date": "2026-01-03"}}')
    again = tool(sys.executable, TOOLS / "programs_page.py", tmp_path / "rows.jsonl")
    assert "put together from 2 runs, not from one run" in again.stdout


def test_programs_page_is_done_when_all_rows_are(tmp_path: Path) -> None:
    """Ends with 0, and with a message where a row names a table that the page does not have."""
    good = [line for line in ROWS.strip().splitlines() if "[a]" in line]
    write(tmp_path / "rows.jsonl", "\n".join(good))
    assert tool(sys.executable, TOOLS / "programs_page.py", tmp_path / "rows.jsonl").returncode == 0
    write(tmp_path / "rows.jsonl", '{"test": "t", "row": ["Nowhere", "a"]}')
    refused = tool(sys.executable, TOOLS / "programs_page.py", tmp_path / "rows.jsonl")
    assert refused.returncode == 1
    assert "no table of that name: Nowhere" in refused.stderr
