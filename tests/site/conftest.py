"""The fixtures of the other commands' tests: a system conda, and a prompt."""

from tests.cli.conftest import prompt, ucenv

__all__ = ["prompt", "ucenv"]
