"""The code blocks of a Markdown document that are examples to run.

A block of `sh` or `console` (there the lines that begin with `$ `) is run by bash; a block of `python` is run by the
Python of the environment. All blocks of one document are run in order in one folder that holds examples/ and a small
corpus/. A comment on the line before a block changes that:

    <!-- test: file train.py -->           the block is not run but written to this file
    <!-- test: exit 2 -->                  the command ends with 2
    <!-- test: skip needs a network -->    the block is not run, for this reason

Blocks of any other language are not run.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

FENCE = re.compile(
    r"^(?P<fence>```+)(?P<language>[\w+-]*)[^\n]*\n(?P<body>.*?)^(?P=fence)\s*$", re.MULTILINE | re.DOTALL
)
COMMENT = re.compile(r"<!-- test: (?P<verb>file|exit|skip)(?: (?P<rest>[^\n]*?))? -->\s*\Z")
SHELLS = ("sh", "bash", "console")


@dataclass(frozen=True)
class Snippet:
    """One block that a test runs."""

    line: int
    language: str
    text: str
    file: str | None = None
    exit_code: int = 0


def commands(body: str) -> str:
    """The commands of a console session: what follows `$ `, with lines continued by a backslash."""
    taken, going_on = [], False
    for line in body.splitlines():
        if going_on or line.startswith("$ "):
            taken.append(line if going_on else line[2:])
            going_on = line.endswith("\\")
    return "\n".join(taken) + "\n"


def snippets(document: Path) -> list[Snippet]:
    """The blocks of a document that are run or written, in order. A comment that says nothing is a ValueError."""
    text = document.read_text(encoding="utf-8")
    found = []
    for block in FENCE.finditer(text):
        line = text.count("\n", 0, block.start()) + 1
        comment = COMMENT.search(text[: block.start()])
        verb, rest = (comment["verb"], comment["rest"]) if comment else ("", "")
        if verb and not rest:
            raise ValueError(f"{document}:{line}: `test: {verb}` needs a word after it")
        language, body = block["language"], block["body"]
        if verb == "file":
            found.append(Snippet(line, language, body, file=rest))
        elif verb != "skip" and language in (*SHELLS, "python"):
            body = commands(body) if language == "console" else body
            found.append(Snippet(line, language, body, exit_code=int(rest) if verb == "exit" else 0))
    return found
