"""Python, extensions, a Jupyter kernel, venv and pip, out of a thin clone of somebody else's environment."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from demo.packages import PYTHON, SITE_PACKAGES
from tests.support import manifest
from tests.support.users import USER, run_as
from tests.support.wheels import make_wheel
from tests.thin.places import Place, assert_reads_as_clone

pytestmark = [pytest.mark.root, pytest.mark.serial]

_IMPORT = """
import importlib, importlib.metadata, io, json, pkgutil, sys, sysconfig
places = [sysconfig.get_path("purelib"), sysconfig.get_path("stdlib"), sysconfig.get_path("stdlib") + "/lib-dynload"]
names = {module.name for module in pkgutil.iter_modules(places)} - {"antigravity", "this", "__main__"}
names |= {"zope.event", "zope.interface"}
found, shown = {}, sys.stdout
sys.stdout = sys.stderr = io.StringIO()
for name in sorted(names):
    try:
        module = importlib.import_module(name)
    except BaseException as error:
        found[name] = [f"{type(error).__name__}: {error}"[:300], None]
    else:
        version = getattr(module, "__version__", None)
        found[name] = [version if isinstance(version, str) else None, getattr(module, "__file__", None)]
versions = sorted((d.metadata["Name"], d.version) for d in importlib.metadata.distributions())
json.dump({"modules": found, "versions": versions, "prefix": sys.prefix, "executable": sys.executable}, shown)
"""

_MAPS = """
import json, os
import numpy, numpy.linalg, zmq, psutil, ssl, sqlite3, ctypes, tornado.speedups
lines = [line.split(None, 5) for line in open("/proc/self/maps")]
names = {line[5].strip() for line in lines if len(line) > 5 and line[5].startswith("/")}
print(json.dumps(sorted([name, os.stat(name).st_dev, os.stat(name).st_ino] for name in names if ".so" in name)))
"""

_KERNEL = """
import json
from jupyter_client.manager import start_new_kernel
manager, client = start_new_kernel(kernel_name="python3", startup_timeout=90)
said = []
try:
    code = "import sys, numpy; print(sys.prefix, numpy.__file__)"
    hear = lambda message: said.append(message["content"].get("text"))
    client.execute_interactive(code, timeout=90, output_hook=hear)
finally:
    client.stop_channels()
    manager.shutdown_kernel(now=True)
print(json.dumps([text for text in said if text]))
"""


def test_next_to_nothing_is_charged(real: Place) -> None:
    result = real.clone("counted")
    entries = sum(1 for _ in os.walk(real.target("counted")) for _ in (*_[1], *_[2]))
    everything = sum(len(inside) + len(names) for _, inside, names in os.walk(real.source))
    assert result["thin"] is True
    assert result["inodes"]["charged"] < everything / 5
    assert entries < everything / 5
    assert result["bytes"]["charged"] < result["bytes"]["total"] / 5


def test_every_module_imports_as_in_the_source(real: Place) -> None:
    source, clone = (real.answer(prefix, _IMPORT) for prefix in (real.source, real.target()))
    assert clone["prefix"] == str(real.target())
    assert clone["executable"] == f"{real.target()}/bin/python"
    assert clone["versions"] == source["versions"]
    assert len(clone["versions"]) > 25
    moved = {
        name: [said, file and file.replace(str(real.source), str(real.target()))]
        for name, (said, file) in source["modules"].items()
    }
    assert clone["modules"] == moved
    for name in ("numpy", "zmq", "IPython", "ipykernel", "zope.event", "zope.interface", "pip", "ssl"):
        assert str(clone["modules"][name][1]).startswith(f"{real.target()}/"), clone["modules"][name]


def test_a_process_maps_the_same_libraries(real: Place) -> None:
    def files(prefix: Path) -> set[tuple[int, int]]:
        return {(device, inode) for _, device, inode in real.answer(prefix, _MAPS)}

    assert files(real.target()) == files(real.source)
    names = [Path(name).name for name, _, _ in real.answer(real.target(), _MAPS)]
    assert any("openblas" in name for name in names), names


def test_it_reads_as_the_source_does(real: Place) -> None:
    real.clone("read")
    assert_reads_as_clone(real.source, real.target("read"))


def test_entry_points_run_with_the_clones_python(real: Place) -> None:
    binaries = real.target() / "bin"
    shown = run_as(USER, [binaries / "pip", "--version"])
    assert str(real.target() / SITE_PACKAGES) in shown.stdout, shown.stderr
    shown = run_as(USER, [binaries / "ipython", "-c", "import sys; print(sys.prefix)"])
    assert shown.stdout.split() == [str(real.target())], shown.stderr
    shown = run_as(USER, [binaries / "jupyter-kernelspec", "list", "--json"])
    specification = json.loads(shown.stdout)["kernelspecs"]["python3"]
    assert specification["resource_dir"] == str(real.target() / "share/jupyter/kernels/python3")


def test_no_script_is_a_link_to_the_sources(real: Place) -> None:
    scripts = [path for path in (real.target() / "bin").iterdir() if path.resolve().read_bytes()[:2] == b"#!"]
    assert len(scripts) > 10
    for path in scripts:
        assert path.resolve().is_relative_to(real.target()), path
        assert os.fsencode(real.source) not in path.read_bytes()


def test_activation_scripts_hold_the_clones_prefix(real: Place) -> None:
    scripts = sorted((real.target() / "etc/conda/activate.d").glob("*.sh"))
    code = "".join(f'. "{script}"\n' for script in scripts) + "echo $ACTIVATION_HOME"
    assert run_as(USER, ["/bin/sh", "-ec", code]).stdout.split() == [f"{real.target()}/share/activation"]


def test_a_jupyter_kernel_starts(real: Place) -> None:
    (said,) = real.answer(real.target(), _KERNEL)
    assert said.split() == [str(real.target()), str(real.target() / SITE_PACKAGES / "numpy/__init__.py")]


def test_venv_on_top(real: Place) -> None:
    venv = real.space / "venv"
    done = real.python(real.target(), "-m", "venv", "--system-site-packages", "--without-pip", venv)
    assert done.returncode == 0, done.stderr
    code = "import json, sys, numpy; print(json.dumps([sys.prefix, sys.base_prefix, numpy.__file__]))"
    prefix, base, file = real.answer(venv, code)
    assert (prefix, base) == (str(venv), str(real.target()))
    assert file == str(real.target() / SITE_PACKAGES / "numpy/__init__.py")


# pip ------------------------------------------------------------------------------------------------------------


def pip(place: Place, prefix: Path, *words: str | Path) -> subprocess.CompletedProcess[str]:
    return place.python(prefix, "-m", "pip", "--disable-pip-version-check", *words)


def install(place: Place, prefix: Path, wheel: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return pip(place, prefix, "install", "--no-index", "--no-deps", *options, wheel)


@pytest.fixture
def wheels(real: Place) -> Path:
    directory = real.conda.root.parent / "wheels"
    directory.mkdir(exist_ok=True)
    return directory


def test_pip_installs_what_is_new(real: Place, wheels: Path) -> None:
    files = {"brand_new/__init__.py": "def main():\n    import sys\n    print(sys.prefix)\n"}
    wheel = make_wheel(wheels, "brand_new", "1.0", files, entry_points="brand-new = brand_new:main")
    done = install(real, real.target(), wheel)
    assert done.returncode == 0, done.stderr
    assert run_as(USER, [real.target() / "bin/brand-new"]).stdout.split() == [str(real.target())]
    assert pip(real, real.target(), "uninstall", "--yes", "brand_new").returncode == 0
    assert not (real.target() / SITE_PACKAGES / "brand_new").exists()


def test_pip_adds_to_a_namespace(real: Place, wheels: Path) -> None:
    files = {"zope/another/__init__.py": "WHO = 'another'\n"}
    wheel = make_wheel(wheels, "zope_another", "1.0", files)
    done = install(real, real.target(), wheel)
    assert done.returncode == 0, done.stderr
    code = "import json, zope.another as a, zope.interface as i; print(json.dumps([a.WHO, i.__file__]))"
    assert real.answer(real.target(), code) == [
        "another",
        str(real.target() / SITE_PACKAGES / "zope/interface/__init__.py"),
    ]
    assert pip(real, real.target(), "uninstall", "--yes", "zope_another").returncode == 0


@pytest.mark.parametrize("command", ["upgrade", "uninstall"])
def test_pip_fails_cleanly_with_what_is_linked(real: Place, wheels: Path, command: str) -> None:
    clone = real.target(f"pip-{command}")
    real.clone(clone.name)
    source, before = real.manifest(), manifest.manifest(clone)
    if command == "upgrade":
        wheel = make_wheel(wheels, "comm", "9.0", {"comm/__init__.py": "__version__ = '9.0'\n"})
        done = install(real, clone, wheel, "--upgrade")
    else:
        done = pip(real, clone, "uninstall", "--yes", "comm")
    assert done.returncode != 0
    assert "Permission denied" in done.stderr
    assert manifest.diff(source, real.manifest()) == []
    # pip moves aside and back: directories' times are all that may tell.
    assert manifest.diff(before, manifest.manifest(clone), ignoring=("mtime_ns",)) == []
    assert real.answer(clone, "import json, comm; print(json.dumps(comm.__version__))") == "0.2.2"


def test_ucenv_pip_upgrades_what_is_linked(real: Place, wheels: Path) -> None:
    clone = real.target("ucenv-pip")
    real.clone(clone.name)
    source = real.manifest()
    wheel = make_wheel(wheels, "comm", "9.0", {"comm/__init__.py": "__version__ = '9.0'\n"})
    done = real.ucenv("pip", clone.name, "install", "--no-index", "--no-deps", "--upgrade", wheel)
    assert done.returncode == 0, done.stdout + done.stderr
    assert real.answer(clone, "import json, comm; print(json.dumps(comm.__version__))") == "9.0"
    assert manifest.diff(source, real.manifest()) == []


# other things ---------------------------------------------------------------------------------------------------


def test_the_standard_library_is_linked_directory_by_directory(real: Place) -> None:
    """Not whole: site-packages is inside it, and conda replaces Python file by file."""
    library = real.target() / "lib" / PYTHON
    assert not library.is_symlink()
    assert (library / "json").is_symlink()
    assert os.readlink(library / "json") == str(real.source / "lib" / PYTHON / "json")


def test_nothing_is_compiled_again(real: Place) -> None:
    """A .pyc that is not valid would be, at each start, and could not be kept."""
    shown = real.python(real.target(), "-v", "-c", "import numpy, IPython, ipykernel").stderr
    read = [line for line in shown.splitlines() if line.startswith("# code object from ")]
    assert len(read) > 300
    assert [line for line in read if not line.endswith(".pyc'")] == []
