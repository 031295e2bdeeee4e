"""Wheels made by hand, and a pip to install them with, without an index."""

from __future__ import annotations

import base64
import hashlib
import importlib.metadata
import os
import shutil
import zipfile
from collections.abc import Mapping
from pathlib import Path


def make_wheel(directory: Path, name: str, version: str, files: Mapping[str, str], *, entry_points: str = "") -> Path:
    """A pure wheel with these members; RECORD and what else pip wants are added."""
    information = f"{name}-{version}.dist-info"
    members = {
        **files,
        f"{information}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{information}/WHEEL": "Wheel-Version: 1.0\nGenerator: by hand\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    if entry_points:
        members[f"{information}/entry_points.txt"] = f"[console_scripts]\n{entry_points}\n"
    rows = []
    for path, text in members.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
        rows.append(f"{path},sha256={digest},{len(text.encode())}\n")
    directory.mkdir(parents=True, exist_ok=True)
    wheel = directory / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for path, text in members.items():
            archive.writestr(path, text)
        archive.writestr(f"{information}/RECORD", "".join(rows) + f"{information}/RECORD,,\n")
    return wheel


def add_pip(site_packages: Path) -> None:
    """The pip that these tests run with, as it would be installed there."""
    for file in importlib.metadata.distribution("pip").files or ():
        if not file.parts[0].startswith("..") and "__pycache__" not in file.parts:
            target = site_packages / file
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(os.fspath(file.locate()), target)
