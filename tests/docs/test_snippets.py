"""Every example in the README and in docs/ runs and ends as it says."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from shared import made_once
from snippets import SHELLS, Snippet, snippets

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
WITH_SNIPPETS = [document for document in DOCUMENTS if document.exists() and snippets(document)]


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small corpus: the examples need photographs, not many."""

    def make(folder: Path) -> None:
        tool = [sys.executable, str(ROOT / "tools" / "make_corpus.py"), "--out", str(folder / "photos")]
        subprocess.run([*tool, "--count", "200", "--classes", "10"], check=True)

    return made_once(tmp_path_factory, "corpus", make) / "photos"


def run(snippet: Snippet, folder: Path) -> subprocess.CompletedProcess[str]:
    """Runs a snippet as a user would who has activated the environment."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("HEADRACE")}
    environment["PATH"] = f"{Path(sys.executable).parent}:{environment['PATH']}"
    shell = ["bash", "-eu", "-o", "pipefail", "-c", snippet.text]
    command = shell if snippet.language in SHELLS else [sys.executable, "-c", snippet.text]
    return subprocess.run(
        command,
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("document", WITH_SNIPPETS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_the_examples_of_a_document_run(document: Path, corpus: Path, tmp_path: Path) -> None:
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    (tmp_path / ".cache").mkdir()
    for place in (tmp_path / "corpus", tmp_path / ".cache" / "corpus"):
        place.symlink_to(corpus)
    for snippet in snippets(document):
        if snippet.file:
            (tmp_path / snippet.file).write_text(snippet.text, encoding="utf-8")
            continue
        done = run(snippet, tmp_path)
        where = f"{document.relative_to(ROOT)}:{snippet.line}"
        assert done.returncode == snippet.exit_code, f"{where}:\n{snippet.text}\n{done.stdout}"


def test_the_readme_has_examples() -> None:
    assert ROOT / "README.md" in WITH_SNIPPETS


DOCUMENT = """
```sh
echo one
```
<!-- test: skip there is no machine like this -->
```sh
false
```
<!-- test: file train.py -->
```python
print("two")
```
```console
$ python \\
    train.py
two
$ true
```

<!-- test: exit 3 -->

```python
raise SystemExit(3)
```
```json
{}
```
"""


def test_blocks_are_taken_as_their_comments_say(tmp_path: Path) -> None:
    document = tmp_path / "document.md"
    document.write_text(DOCUMENT, encoding="utf-8")
    assert snippets(document) == [
        Snippet(2, "sh", "echo one\n"),
        Snippet(10, "python", 'print("two")\n', file="train.py"),
        Snippet(13, "console", "python \\\n    train.py\ntrue\n"),
        Snippet(22, "python", "raise SystemExit(3)\n", exit_code=3),
    ]


def test_a_comment_without_a_reason_is_refused(tmp_path: Path) -> None:
    document = tmp_path / "document.md"
    document.write_text("<!-- test: skip -->\n```sh\nfalse\n```\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"document.md:2: `test: skip` needs a word"):
        snippets(document)
