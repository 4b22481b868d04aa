"""Sees what samples are made of: files and pictures. Only in the run that probes a program, in its sandbox.

In each process that fetches, from its second batch on, some batches are watched: which files are opened for reading
meanwhile, and which pictures Pillow decodes. What one process saw is one line of JSON in the probe's file:

    {"samples": 96, "files": ["photos/1.jpg", ...], "opens": 96, "needed": [64, 64],
     "pictures": [{"file": "photos/1.jpg", "size": [500, 375], "seconds": 0.003}, ...]}

`files` are at most 512 different ones, `needed` height and width of the pictures in the batch, where it has some.
`compare` takes the time of decoding such pictures as they are and in the smallest scale that JPEG offers. What the
program read before its training is one line, too: {"startup": {"files": 2, "folders": 1, "bytes": 50, "digest": "…"}}.
"""

import hashlib
import importlib
import json
import os
import sys
import time
from typing import Any

BATCHES = 4  # that are watched, the first one left out: modules are imported in it
MOST_FILES = 512
MOST_PICTURES = 64
COMPARED = 24  # pictures
MOST_INPUTS = 4096  # files, and folders, of a start-up
MOST_HASHED = 256_000_000  # bytes
# Code and the kernel's own files are no data.
_NO_DATA = (".py", ".pyc", ".so")
_NO_FOLDERS = ("/proc/", "/sys/", "/dev/")


class Sight:
    """What this process sees."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._inside = False
        self._batches = -1
        self._samples = 0
        self._opens = 0
        self._files: dict[str, None] = {}
        self._pictures: list[dict[str, Any]] = []
        self._needed: list[int] | None = None
        self._hooked = False
        sys.addaudithook(self._audit)

    def _audit(self, event: str, args: tuple[Any, ...]) -> None:
        if not self._inside or event != "open":
            return
        file, flags = args[0], args[2]
        if not isinstance(file, str | bytes) or (flags & os.O_ACCMODE) != os.O_RDONLY:
            return
        name = os.fsdecode(file)
        if name.endswith(_NO_DATA) or name.startswith(_NO_FOLDERS):
            return
        self._opens += 1
        if len(self._files) < MOST_FILES:
            self._files[name] = None

    def fetched(self, fetch: Any, fetcher: Any, index: Any) -> Any:
        """Let a fetcher fetch, and watch it."""
        if self._batches >= BATCHES:
            return fetch(fetcher, index)
        self._hook_pillow()
        self._inside = self._batches >= 0
        try:
            batch = fetch(fetcher, index)
        finally:
            watched, self._inside = self._inside, False
        self._batches += 1
        if watched:
            self._samples += len(index) if isinstance(index, list) else 1
            self._needed = self._needed or shape_of(batch)
            if self._batches == BATCHES:
                self._tell()
        return batch

    def _hook_pillow(self) -> None:
        file = sys.modules.get("PIL.ImageFile")
        if file is None or self._hooked:
            return
        self._hooked = True
        own = file.ImageFile.load

        def load(picture: Any) -> Any:
            if not self._inside or not picture.tile or len(self._pictures) >= MOST_PICTURES:
                return own(picture)
            begin = time.thread_time()
            result = own(picture)
            name = getattr(picture, "filename", "")
            if picture.format == "JPEG" and isinstance(name, str) and name:
                seconds = time.thread_time() - begin
                self._pictures.append({"file": name, "size": list(picture.size), "seconds": seconds})
            return result

        file.ImageFile.load = load

    def _tell(self) -> None:
        line = {
            "samples": self._samples,
            "files": list(self._files),
            "opens": self._opens,
            "needed": self._needed,
            "pictures": self._pictures,
        }
        with open(self._path, "a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")


class StartUp:
    """The files and folders that the program reads before its training begins, but for its code and packages."""

    def __init__(self) -> None:
        self._on = True
        self._files: dict[str, None] = {}
        self._folders: dict[str, None] = {}
        sys.addaudithook(self._audit)

    def _audit(self, event: str, args: tuple[Any, ...]) -> None:
        if not self._on or event not in ("open", "os.listdir", "os.scandir"):
            return
        if event == "open" and (args[2] & os.O_ACCMODE) != os.O_RDONLY:
            return
        seen = self._files if event == "open" else self._folders
        name = "." if args[0] is None and event != "open" else args[0]
        if isinstance(name, os.PathLike):
            name = os.fspath(name)
        if isinstance(name, str | bytes) and len(seen) < MOST_INPUTS:
            seen[os.fsdecode(name)] = None

    def end(self) -> dict[str, Any] | None:
        """Stop, and return what was read with a digest of its content; None where nothing was."""
        self._on = False
        digest = hashlib.blake2b(digest_size=16)
        files = folders = size = 0
        for name in sorted(self._files):
            if is_data(name) and os.path.isfile(name):
                try:
                    size += add_file(name, size, digest)
                except OSError:  # the program could not open it either
                    continue
                files += 1
        imported = {os.path.abspath(path) for path in sys.path}  # Python itself lists these
        for name in sorted(self._folders):
            if is_data(name + "/") and os.path.isdir(name) and os.path.abspath(name) not in imported:
                try:
                    names = sorted(os.listdir(name))
                except OSError:
                    continue
                folders += 1
                digest.update(("\0".join([name, *names]) + "\0\0").encode(errors="surrogateescape"))
        if not files and not folders:
            return None
        return {"files": files, "folders": folders, "bytes": size, "digest": digest.hexdigest()}


def is_data(name: str) -> bool:
    """Say whether a path is neither code, nor a package, nor the kernel's."""
    path = os.path.abspath(name)
    packaged = "/site-packages/" in path or "/dist-packages/" in path
    roots = tuple(os.path.join(root, "") for root in (sys.prefix, sys.base_prefix) if root != "/usr")
    system = path.startswith((*_NO_FOLDERS, "/usr/lib/", "/usr/share/", "/lib/", "/etc/", *roots))
    return not (packaged or system or path.endswith(_NO_DATA))


def add_file(name: str, before: int, digest: Any) -> int:
    """Add a file to a digest, and return its size: its content, once many bytes came before its time instead."""
    status = os.stat(name)
    digest.update(f"{name}\0{status.st_size}\0".encode(errors="surrogateescape"))
    if before + status.st_size > MOST_HASHED:
        digest.update(f"{status.st_mtime_ns}\0".encode())
    else:
        with open(name, "rb") as file:
            digest.update(file.read())
    return status.st_size


def shape_of(value: Any) -> list[int] | None:
    """Return height and width of the pictures of a batch, channels first or last; None where it has none."""
    torch = sys.modules["torch"]
    if isinstance(value, torch.Tensor):
        if value.dim() != 4:
            return None
        first = value.shape[1] in (1, 3, 4)
        last = value.shape[3] in (1, 3, 4)
        return list(value.shape[2:4]) if first else list(value.shape[1:3]) if last else None
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else ()
    return next((shape for shape in map(shape_of, inner) if shape), None)


def compare(path: str) -> dict[str, Any] | None:
    """Decode pictures that were seen, as they are and scaled down by JPEG's own transform, and return both times.

    Scaled, they keep twice the height and width that the batch has, for crops of them. None where nothing was seen.
    """
    with open(path, encoding="utf-8") as file:
        lines = [json.loads(line) for line in file if line.startswith('{"samples"')]
    seen = [line for line in lines if line["pictures"] and line["needed"]]
    if not seen:
        return None
    image: Any = importlib.import_module("PIL.Image")  # only workers may have imported it
    height, width = seen[0]["needed"]
    whole = scaled = 0.0
    count = 0
    for picture in [one for line in seen for one in line["pictures"]][:COMPARED]:
        times = []
        for draft in (False, True):
            begin = time.thread_time()
            with image.open(picture["file"]) as opened:
                if draft:
                    opened.draft("RGB", (2 * width, 2 * height))
                opened.load()
            times.append(time.thread_time() - begin)
        whole += times[0]
        scaled += times[1]
        count += 1
    sizes = [one["size"] for line in seen for one in line["pictures"]]
    return {
        "pictures": count,
        "size": [sum(size[side] for size in sizes) / len(sizes) for side in (0, 1)],
        "needed": [width, height],
        "whole_seconds": whole / count,
        "scaled_seconds": scaled / count,
    }
