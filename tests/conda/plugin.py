"""A real conda with ucenv's plugin in it: a copy of the one that is named, so that nothing is installed there."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import msgspec

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

from tests.support import CHECKOUT, Unavailable


def with_plugin(root: Path, target: Path, *, dependencies: bool = True) -> Path:
    """A copy of the conda in `root`, without its environments and packages, in which ucenv is installed as pip would.

    Args:
        dependencies: whether it finds what ucenv imports, where this Python does.
    """
    shutil.copytree(root, target, symlinks=True, ignore=_not_the_conda)
    (target / "envs").mkdir()
    (target / "pkgs").mkdir()
    places = sorted(target.glob("lib/python3.*/site-packages"))
    if not places:
        raise Unavailable(f"{root} has no site-packages")
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]
    information = places[0] / "ucenv-0.0.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: ucenv\nVersion: 0.0.0\n")
    points = "".join(f"{name} = {module}\n" for name, module in project["entry-points"]["conda"].items())
    (information / "entry_points.txt").write_text(f"[conda]\n{points}")
    paths = [CHECKOUT, Path(msgspec.__file__).parents[1]] if dependencies else [CHECKOUT]
    (places[0] / "ucenv.pth").write_text("".join(f"{path}\n" for path in paths))
    program = target / "bin/conda"
    _, _, script = program.read_text().partition("\n")
    program.unlink()
    program.write_text(f"#!{target}/bin/python\n{script}")
    program.chmod(0o755)
    return target


def _not_the_conda(directory: str, names: list[str]) -> set[str]:
    return {name for name in names if name in ("pkgs", "envs") and (Path(directory) / "conda-meta").is_dir()}
