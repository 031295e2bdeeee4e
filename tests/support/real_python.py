"""Environments of real software: a Python that works in its prefix, and PyPI's distributions as conda packages."""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import hashlib
import json
import multiprocessing
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from demo import Package, SystemConda, install_packages, package_from_python, package_from_wheel, write_package
from demo.packages import PYTHON, SITE_PACKAGES, text_file
from demo.system_conda import put_package
from tests.support import CHECKOUT, Unavailable

CACHE = CHECKOUT / "build/cache/real"

SMALL = tuple(
    """
    numpy==2.2.6 pyzmq==26.2.0 zope.event==5.0 zope.interface==7.2 pip==24.3.1 ipykernel==6.29.5 ipython==8.37.0
    jupyter-client==8.6.3 jupyter-core==5.7.2 comm==0.2.2 traitlets==5.14.3 tornado==6.4.2 matplotlib-inline==0.1.7
    nest-asyncio==1.6.0 packaging==24.2 psutil==6.1.0 platformdirs==4.3.6 python-dateutil==2.9.0 six==1.17.0
    decorator==5.1.1 pexpect==4.9.0 ptyprocess==0.7.0 prompt-toolkit==3.0.48 pygments==2.18.0 wcwidth==0.2.13
    stack-data==0.6.3 executing==2.1.0 asttokens==3.0.0 pure-eval==0.2.3 typing-extensions==4.12.2
    exceptiongroup==1.2.2
    """.split()  # noqa: SIM905 -- 30 quoted names would be a page
)
"""A Jupyter kernel and all it needs; extensions, with libraries of their own (`numpy.libs`); a namespace of two."""

BIG = tuple(
    """
    ansible astropy azure-storage-blob biopython black bokeh boto3 cython dask django fastapi flask furo
    google-cloud-storage h5py ipywidgets jupyterlab keras kubernetes lightgbm matplotlib mypy myst-nb netcdf4 networkx
    nltk notebook numba numpydoc opencv-python-headless pandas pillow pip plotly polars pyarrow pylint pytest ruff
    scikit-image scikit-learn scipy seaborn setuptools sphinx sphinx-rtd-theme sqlalchemy statsmodels sympy tables
    tensorboard tensorflow-cpu torch transformers vtk wheel xarray zarr
    """.split()  # noqa: SIM905 -- 60 quoted names would be a page
)
"""About what a site's own environment holds."""

#: What conda's packages run when they are activated.
_ACTIVATION = Package(
    "activation",
    "1.0",
    "0",
    files=(
        text_file("etc/conda/activate.d/activation.sh", 'export ACTIVATION_HOME="@PREFIX@/share/activation"\n'),
        text_file("etc/conda/deactivate.d/activation.sh", "unset ACTIVATION_HOME\n"),
    ),
)


def make_small(root: Path) -> SystemConda:
    """A system conda of `SMALL`, installed by rattler and compiled as conda does."""
    conda = SystemConda(root)
    conda.envs.mkdir(parents=True)
    install_packages(_small_packages(), conda.prefix(), conda.pkgs, requested=[f"python={PYTHON[6:]}"])
    compile_noarch(conda.prefix())
    _open_to_all(conda.root)
    return conda


def make_big(root: Path, wheels: Sequence[Path]) -> SystemConda:
    """One of these wheels, with packages for this platform only; all that is in it is written, nothing extracted."""
    conda = SystemConda(root)
    prefix = conda.prefix()
    (prefix / "conda-meta").mkdir(parents=True)
    for package in (package_from_python(), _ACTIVATION):
        put_package(conda, prefix, package)
    owners: dict[str, Path] = {}
    for wheel in wheels:
        with zipfile.ZipFile(wheel) as archive:
            for name in archive.namelist():
                owners.setdefault(name, wheel)
    jobs = []
    for wheel in sorted(wheels, key=lambda path: -path.stat().st_size):
        with zipfile.ZipFile(wheel) as archive:
            jobs.append((conda, wheel, {name for name in archive.namelist() if owners[name] != wheel}))
    with multiprocessing.get_context("fork").Pool(2, maxtasksperchild=8) as pool:
        pool.starmap(_put_wheel, jobs, chunksize=1)
    (prefix / "conda-meta/history").write_text("==> 2020-01-15 10:22:03 <==\n# cmd: conda create --name big\n")
    _open_to_all(conda.root)
    return conda


def _put_wheel(conda: SystemConda, wheel: Path, elsewhere: set[str]) -> None:
    """What two distributions hold (`tests/__init__.py`) is the first one's."""
    package = package_from_wheel(wheel, noarch=False)
    taken = {f"{SITE_PACKAGES}/{name}" for name in elsewhere}
    files = [file for file in package.files if file.path not in taken]
    prefix = conda.prefix()
    # Scripts and data of two, and what is compiled of the above.
    files = [file for file in {file.path: file for file in files}.values() if not (prefix / file.path).exists()]
    package = dataclasses.replace(package, files=tuple(files))
    put_package(conda, prefix, package)
    if wheel.stem.endswith("-none-any"):
        _note_noarch(prefix / "conda-meta" / f"{package.stem}.json")


def _note_noarch(path: Path) -> None:
    """A record as conda has it of a noarch package: it names no hash of what it made itself."""
    record = json.loads(path.read_text())
    paths = record["paths_data"]["paths"]
    for number, entry in enumerate(paths):
        name = entry["_path"]
        if name.endswith(".pyc"):
            paths[number] = {"_path": name, "path_type": "pyc_file"}
        elif name.startswith("bin/") and "prefix_placeholder" in entry:
            paths[number] = {"_path": name, "path_type": "unix_python_entry_point"}
    record |= {"noarch": "python", "subdir": "noarch"}
    path.write_text(json.dumps(record, indent=2))


def _open_to_all(root: Path) -> None:
    """rattler's records are closed to others."""
    subprocess.run(["chmod", "-R", "a+rX", root], check=True)


def compile_noarch(prefix: Path) -> None:
    """The .pyc files of noarch packages, and their records, as conda leaves them."""
    records = {path: json.loads(path.read_text()) for path in sorted((prefix / "conda-meta").glob("*.json"))}
    noarch = {path: record for path, record in records.items() if record.get("noarch") == "python"}
    modules = [name for record in noarch.values() for name in record["files"] if name.endswith(".py")]
    subprocess.run(
        [prefix / "bin/python", "-Wi", "-m", "compileall", "-q", "-l", "-j", "2", "-i", "-"],
        input="\n".join(modules),
        text=True,
        cwd=prefix,
        # Templates and sources for other Pythons do not compile.
        check=False,
        stdout=subprocess.DEVNULL,
    )
    for path, record in noarch.items():
        compiled = [_pyc(name) for name in record["files"] if name.endswith(".py")]
        compiled = [name for name in compiled if (prefix / name).exists()]
        record["files"] += compiled
        record["paths_data"]["paths"] += [{"_path": name, "path_type": "pyc_file"} for name in compiled]
        path.unlink()
        path.write_text(json.dumps(record, indent=2))


def _pyc(module: str) -> str:
    directory, _, name = module.rpartition("/")
    return f"{directory}/__pycache__/{name[:-3]}.{sys.implementation.cache_tag}.pyc"


def _small_packages() -> list[Path]:
    """Archives, made once."""
    wheels = download("small", ("--no-deps", *SMALL))
    channel = wheels[0].parent / "channel"
    with _once(channel / "done") as needed:
        if needed:
            for package in (package_from_python(), _ACTIVATION, *map(package_from_wheel, wheels)):
                write_package(package, channel)
    return sorted(channel.glob("*/*.conda"))


def download(name: str, requirements: Sequence[str]) -> list[Path]:
    """Wheels of these and of what they need, from PyPI by pip, once. Unavailable where it has none for this Python."""
    digest = hashlib.sha256(" ".join((sys.implementation.cache_tag, *requirements)).encode()).hexdigest()[:12]
    directory = CACHE / f"{name}-{digest}"
    with _once(directory / "done") as needed:
        if needed:
            kept = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
            argv = [sys.executable, "-m", "pip", "download", "--quiet", "--only-binary=:all:", "--dest", str(directory)]
            done = subprocess.run([*argv, *requirements], env=kept, capture_output=True, text=True)
            if done.returncode:
                raise Unavailable(f"pip download: {(done.stderr.strip().splitlines() or ['?'])[-1]}")
    return sorted(directory.glob("*.whl"))


@contextlib.contextmanager
def _once(marker: Path) -> Iterator[bool]:
    """True where the marker is not there yet; it is when this ends without an error. One process at a time."""
    marker.parent.mkdir(parents=True, exist_ok=True)
    with (marker.parent / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield not marker.exists()
        marker.touch()
