"""What pip builds and installs works outside the checkout, on another machine of the same distribution."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

from audited import ROOT, audit, clean_environment, run, seconds

GLIBC = {"linux-vdso.so.1", "libc.so.6", "libm.so.6", "libdl.so.2", "libpthread.so.0", "librt.so.1"}
VERSION = (ROOT / "VERSION").read_text(encoding="utf-8").strip()


def needed(library: Path) -> set[str]:
    """The names of the shared libraries that a file asks for, without the loader."""
    dynamic = subprocess.run(["readelf", "--dynamic", library], capture_output=True, text=True, check=True).stdout
    return {name for name in re.findall(r"\(NEEDED\).*\[(.*)\]", dynamic) if not name.startswith("ld-linux")}


def test_the_wheel_holds_the_command_the_package_and_the_recorder(wheel: Path) -> None:
    assert re.fullmatch(rf"headrace-{re.escape(VERSION)}-py3-none-\w*linux\w*\.whl", wheel.name)
    names = set(zipfile.ZipFile(wheel).namelist())
    package = {p.relative_to(ROOT / "python").as_posix() for p in (ROOT / "python").rglob("*.py")}
    wanted = package | {"headrace/py.typed", "headrace/VERSION", "headrace/shim/_recorder.abi3.so"}
    assert {name for name in names if name.startswith("headrace/")} == wanted
    assert f"headrace-{VERSION}.data/scripts/headrace" in names


def test_command_and_recorder_need_nothing_but_the_c_library(installed: Path) -> None:
    assert needed(installed / "bin" / "headrace") <= GLIBC
    (recorder,) = installed.glob("lib/python3.*/site-packages/headrace/shim/_recorder.abi3.so")
    assert needed(recorder) <= GLIBC
    symbols = subprocess.run(["readelf", "--dyn-syms", "--wide", recorder], capture_output=True, text=True, check=True)
    undefined = re.findall(r" UND (\S+)", symbols.stdout)
    of_cpp = [
        name for name in undefined if name.startswith(("_Z", "__cxa_guard", "__cxa_throw", "__cxa_pure", "__gxx"))
    ]
    assert of_cpp == [], "the recorder needs a C++ library: an environment may bring an older one"


def test_the_installed_command_audits_a_program(installed: Path, tmp_path: Path) -> None:
    python = installed / "bin" / "python"
    document = audit([str(installed / "bin" / "headrace")], python, tmp_path / "here")
    assert seconds(document, "startup.imports") > 0
    assert not str(document["run"]["command"]).count(str(ROOT))


def test_the_exit_code_of_the_program_is_the_exit_code(installed: Path, tmp_path: Path) -> None:
    audit([str(installed / "bin" / "headrace")], installed / "bin" / "python", tmp_path / "here", code=7)


def test_python_m_headrace_is_the_command(installed: Path, tmp_path: Path) -> None:
    python = installed / "bin" / "python"
    document = audit([str(python), "-m", "headrace"], python, tmp_path / "here", code=3)
    assert document["run"]["exit_code"] == 3
    version = run([str(python), "-c", "import headrace; print(headrace.__version__)"], tmp_path)
    assert version.stdout.strip() == VERSION


def test_python_m_headrace_without_its_command_says_so(installed: Path, tmp_path: Path) -> None:
    (package,) = installed.glob("lib/python3.*/site-packages/headrace")
    shutil.copytree(package, tmp_path / "elsewhere" / "headrace")
    lonely = run([sys.executable, "-I", "-c", LONELY, str(tmp_path / "elsewhere")], tmp_path)
    assert lonely.returncode == 70
    assert re.fullmatch(r"headrace: the command was not found at .*; install headrace again\n", lonely.stderr)


LONELY = """
import runpy, sys, sysconfig
sys.path.insert(0, sys.argv[1])
sysconfig.get_path = lambda name: "/nonexistent"
runpy.run_module("headrace", run_name="__main__")
"""


def test_pip_install_to_a_target_folder_works(wheel: Path, tmp_path: Path) -> None:
    target = tmp_path / "target"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--target", str(target)]
    subprocess.run([*pip, str(wheel)], env=clean_environment(), check=True)
    document = audit([str(target / "bin" / "headrace")], Path(sys.executable), tmp_path / "here")
    assert seconds(document, "startup.imports") > 0
