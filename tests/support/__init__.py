"""What the tests stand on: real filesystems, real users, a sysctl, manifests and injected faults."""

from __future__ import annotations

import os
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]


class Unavailable(Exception):
    """This machine cannot give what a test needs. `tests/conftest.py` turns it into a skip that says why,
    and with CI=true into a failure where only an installable tool is missing (`tool`)."""

    def __init__(self, reason: str, *, tool: str | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.tool = tool


def need_root(purpose: str) -> None:
    if os.geteuid() != 0:
        raise Unavailable(f"needs root: {purpose}")
