#!/usr/bin/env python3
"""Makes a corpus of ImageNet-like JPEG images from photographs that ship in Debian packages (tools/packages.txt).

    python tools/make_corpus.py --count 2000 --out DIR --seed 1 [--photos odd|even|all] [--classes 100]

Every image depends on (seed, its number) alone, never on the scheduling of processes: the same Pillow, photographs and
arguments give the same bytes. DIR appears whole or not at all, with manifest.json beside the class folders; where the
same corpus is there already nothing is done.
"""

from __future__ import annotations

import argparse
import glob
import hashlib
import io
import json
import os
import shutil
import sys
from collections.abc import Sequence
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

import numpy as np
import PIL
from PIL import Image

ROOTS = ("/usr/share/backgrounds", "/usr/share/wallpapers", "/usr/share/images")
SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")
MIN_BYTES = 150_000
MIN_SIDE = 900
MAX_SIDE = 3840
ENOUGH_DETAIL = 14.0  # mean difference of neighbouring grey values
MANIFEST = "manifest.json"
Image.MAX_IMAGE_PIXELS = None  # the photographs are trusted, and larger than what Pillow warns of


class Job(NamedTuple):
    """One class folder: which photographs its images are cut from, and their numbers."""

    folder: str
    seed: int
    photos: tuple[str, ...]
    first: int
    images: int


def area(path: str) -> tuple[int, int]:
    """Width and height of a picture in pixels; 0 and 0 where the file is none."""
    try:
        with Image.open(path) as image:
            return image.size
    except Exception:  # Pillow's plugins raise whatever they like on a file that is no picture
        return 0, 0


def candidates(roots: Sequence[str]) -> list[str]:
    """Every picture below the roots that is large enough to cut from, each once."""
    seen: set[str] = set()
    found = []
    for root in roots:
        for name in sorted(glob.glob(root + "/**/*", recursive=True)):
            if not name.lower().endswith(SUFFIXES) or not os.path.isfile(name):
                continue
            path = os.path.realpath(name)
            if path in seen or os.path.getsize(path) < MIN_BYTES:
                continue
            seen.add(path)
            if min(area(path)) >= MIN_SIDE:
                found.append(path)
    return found


def choose_photos(which: str, roots: Sequence[str]) -> list[str]:
    """The photographs of one half (odd or even) or all, in an order that does not depend on their folders."""
    families: dict[str, tuple[int, str]] = {}
    for path in candidates(roots):
        # KDE ships one picture in many resolutions: the largest stands for all.
        family = os.path.dirname(path) if "/contents/images" in path else path
        width, height = area(path)
        if family not in families or width * height > families[family][0]:
            families[family] = (width * height, path)
    photos = sorted(path for _, path in families.values())
    photos.sort(key=lambda path: hashlib.sha1(os.path.basename(path).encode()).hexdigest())
    return photos if which == "all" else photos[1 if which == "odd" else 0 :: 2]


def load(path: str) -> Image.Image:
    """A photograph in RGB, scaled down to at most MAX_SIDE pixels."""
    image: Image.Image = Image.open(path).convert("RGB")
    width, height = image.size
    scale = MAX_SIDE / max(width, height)
    if scale < 1:
        image = image.resize((int(width * scale), int(height * scale)), Image.Resampling.LANCZOS)
    return image


def draw_size(rng: np.random.Generator) -> tuple[int, int]:
    """Width and height of an image, distributed as ImageNet's are."""
    u = rng.random()
    if u < 0.52:
        return 500, 375
    if u < 0.66:
        return 375, 500
    if u < 0.80:
        return 500, int(rng.integers(281, 400))
    if u < 0.88:
        return int(rng.integers(281, 400)), 500
    if u < 0.95:
        return int(rng.integers(200, 480)), int(rng.integers(180, 480))
    return int(rng.integers(600, 1200)), int(rng.integers(450, 900))


def detail(image: Image.Image) -> float:
    """How much neighbouring grey values differ in the mean."""
    grey = np.asarray(image.convert("L"), np.int16)
    return float(np.abs(np.diff(grey, axis=1)).mean() + np.abs(np.diff(grey, axis=0)).mean())


def cut(photo: Image.Image, rng: np.random.Generator) -> Image.Image:
    """A crop of a photograph: of up to four the one with most detail, because photographs have dull skies."""
    best: Image.Image | None = None
    best_detail = 0.0
    width, height = draw_size(rng)
    for _ in range(4):
        scale = float(np.exp(rng.uniform(np.log(1.2), np.log(5.0))))
        crop_width, crop_height = min(photo.width, int(width * scale)), min(photo.height, int(height * scale))
        fit = min(crop_width / width, crop_height / height)
        crop_width, crop_height = max(8, int(width * fit)), max(8, int(height * fit))
        x = int(rng.integers(0, photo.width - crop_width + 1))
        y = int(rng.integers(0, photo.height - crop_height + 1))
        crop = photo.crop((x, y, x + crop_width, y + crop_height)).resize((width, height), Image.Resampling.BICUBIC)
        crop_detail = detail(crop)
        if best is None or crop_detail > best_detail:
            best, best_detail = crop, crop_detail
        if crop_detail > ENOUGH_DETAIL:
            break
    assert best is not None
    return best


def make_image(photo: Image.Image, seed: int, number: int) -> bytes:
    """One JPEG of the corpus: a crop with the sensor noise, contrast and encodings of consumer photographs."""
    rng = np.random.default_rng([seed, number])
    pixels = np.asarray(cut(photo, rng), np.float32)
    pixels = pixels + rng.normal(0, float(rng.uniform(2, 13)), (*pixels.shape[:2], 1)).astype(np.float32)
    if rng.random() < 0.3:
        pixels = (pixels - 127) * float(rng.uniform(0.7, 1.25)) + 127
    image = Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
    u = rng.random()
    quality = int(rng.choice([75, 85, 88, 90, 92, 95, 96], p=[0.02, 0.03, 0.05, 0.20, 0.27, 0.25, 0.18]))
    mode = "L" if rng.random() < 0.015 else "RGB"
    subsampling = 2 if u < 0.75 else 0 if u < 0.95 else 1
    out = io.BytesIO()
    image.convert(mode).save(
        out, "JPEG", quality=quality, subsampling=subsampling, optimize=False, progressive=rng.random() < 0.01
    )
    return out.getvalue()


def run(job: Job) -> int:
    """Writes one class folder and gives its bytes."""
    os.makedirs(job.folder)
    photos = [load(path) for path in job.photos]
    total = 0
    for k in range(job.images):
        number = job.first + k
        image = make_image(photos[k % len(photos)], job.seed, number)
        with open(os.path.join(job.folder, f"{number:08d}.JPEG"), "wb") as file:
            total += file.write(image)
    return total


def plan(folder: Path, photos: list[str], seed: int, count: int, classes: int) -> list[Job]:
    """The class folders: every class has two photographs of its own choice and its share of the images."""
    jobs, first = [], 0
    for label in range(classes):
        share = count // classes + (1 if label < count % classes else 0)
        rng = np.random.default_rng([seed, 7777, label])
        pair = (photos[label % len(photos)], photos[int(rng.integers(len(photos)))])
        jobs.append(Job(str(folder / f"class_{label:03d}"), seed, pair, first, share))
        first += share
    return jobs


def is_there(out: Path, wanted: dict[str, object]) -> bool:
    """Whether a folder holds the corpus wanted. One that holds something else is a SystemExit with a sentence."""
    try:
        found = json.loads((out / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        if out.exists() and (not out.is_dir() or any(out.iterdir())):
            sys.exit(f"make_corpus: {out} exists and is no corpus of this tool; name another folder with --out")
        return False
    images = sum(1 for _ in out.glob("class_*/*.JPEG"))
    return images == wanted["count"] and all(found.get(key) == value for key, value in wanted.items())


def replace(new: Path, out: Path) -> None:
    """Puts a finished folder in the place of an older corpus or of nothing."""
    if out.exists():
        old = new.with_name(new.name + "-old")
        out.rename(old)
        new.rename(out)
        shutil.rmtree(old)
    else:
        new.rename(out)


def natural(text: str) -> int:
    """An argument that is a whole number from 0 on."""
    value = int(text)
    if value < 0:
        raise argparse.ArgumentTypeError(f"{value} is less than 0")
    return value


def positive(text: str) -> int:
    """An argument that is a whole number from 1 on."""
    value = natural(text)
    if value == 0:
        raise argparse.ArgumentTypeError("0 is too few")
    return value


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description="Make a corpus of JPEG images from photographs of Debian packages.")
    parser.add_argument("--out", required=True, type=Path, help="folder of the corpus, made whole or not at all")
    parser.add_argument("--count", type=positive, default=6000, help="images (6000)")
    parser.add_argument("--seed", type=natural, default=1, help="seed of every random choice (1)")
    parser.add_argument("--classes", type=positive, default=100, help="class folders (100)")
    parser.add_argument("--photos", default="odd", choices=["all", "even", "odd"], help="which photographs (odd)")
    parser.add_argument("--procs", type=positive, default=2, help="processes (2); the bytes do not depend on them")
    parser.add_argument("--root", action="append", default=[], help="one more folder with photographs")
    return parser.parse_args()


def main() -> None:
    """Makes the corpus, or finds it made."""
    args = arguments()
    wanted: dict[str, object] = {key: getattr(args, key) for key in ("count", "seed", "classes", "photos", "root")}
    wanted["pillow"] = PIL.__version__
    if is_there(args.out, wanted):
        return
    photos = choose_photos(args.photos, [*ROOTS, *args.root])
    if not photos:
        sys.exit(f"make_corpus: no photographs were found below {', '.join([*ROOTS, *args.root])}; run tools/setup")
    new = args.out.absolute().with_name(f".{args.out.name}-{os.getpid()}")
    try:
        with get_context("fork").Pool(args.procs) as pool:
            jobs = plan(new, photos, args.seed, args.count, args.classes)
            total = sum(pool.imap_unordered(run, jobs))
        manifest = {**wanted, "bytes": total, "source_photos": len(photos)}
        (new / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
        replace(new, args.out)
    except OSError as error:
        sys.exit(f"make_corpus: cannot write {args.out}: {error}; nothing of it was kept")
    finally:
        shutil.rmtree(new, ignore_errors=True)
    print(f"{args.count} images, {total} bytes, mean {total / args.count:.0f}, {len(photos)} source photos")


if __name__ == "__main__":
    main()
