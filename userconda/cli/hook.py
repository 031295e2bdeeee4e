"""`ucenv hook [SHELL]`: the file to source for `ucenv load`, `activate`, `deactivate` and `unload`."""

from __future__ import annotations

from userconda.config import read_config
from userconda.shells import detect_shell, find_hook, root_for_hook, source_command

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

EXAMPLE = '. "$(ucenv hook bash)"'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("shell", nargs="?", metavar="SHELL", help="bash, zsh, dash, ksh, mksh, tcsh, fish (detected)")
    parser.add_argument("--print", action="store_true", help="print the file's text instead of its path")


def code(shell: str, root: str | None = None) -> str:
    """The path as a line, for `. "$(ucenv hook)"`."""
    return find(shell, root).path + "\n"


def find(shell: str, root: str | None) -> HookResult:
    config = read_config({"root": root})
    shell = shell or detect_shell(config.environment.get("SHELL", ""))
    return HookResult(shell, find_hook(shell, config.conda_root), config.conda_root)


def run(args: argparse.Namespace) -> str | HookResult:
    result = find(args.shell or "", args.root)
    if args.print:
        result.text = _read(result.path)
    return result if args.json else result.text or result.path + "\n"


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as stream:
            return stream.read()
    except OSError as exc:
        from userconda.errors import FileOperation

        raise FileOperation("reading", path, exc.errno or 0) from None


class HookResult:
    """For `--json`."""

    def __init__(self, shell: str, path: str, conda_root: str | None) -> None:
        self.shell, self.path, self.conda_root, self.text = shell, path, conda_root, ""

    @property
    def source(self) -> str:
        """What a user types to have the hook."""
        return source_command(self.shell, self.path, root_for_hook(self.shell, self.path, self.conda_root))

    def to_json(self) -> dict[str, object]:
        text = {"text": self.text} if self.text else {}
        return {"shell": self.shell, "path": self.path, "conda_root": self.conda_root, "source": self.source, **text}
