"""Makes docs/reference from the code: `python docs/generate.py`; with --check it only tells what is stale."""

from __future__ import annotations

import importlib
import inspect
import sys
from pathlib import Path

from userconda import errors
from userconda.cli import COMMANDS, GROUPS
from userconda.cli.boundary import group, parser_for
from userconda.config import SETTINGS

REFERENCE = Path(__file__).parent / "reference"
MADE = "<!-- made by docs/generate.py -->\n"

CONFIGURATION = """# Configuration

Later wins: defaults, the site's file (`<conda root>/etc/ucenv/config.toml`), the user's file
(`$XDG_CONFIG_HOME/ucenv/config.toml`, usually `~/.config/ucenv/config.toml`), variables, flags. Lists add up.
`ucenv config --show-origin` tells where each value came from.

```toml
root = "/scratch/alice/conda_local"

[clone]
when_refused = "own-copy"
private = ["share/myapp/**", "*.sqlite"]
```

| setting | variable | default | meaning |
|---|---|---|---|
"""

EXIT_CODES = """# Exit codes

The word is `error.code` in `--json`.

| exit | word | meaning |
|---|---|---|
"""


def commands() -> str:
    parts = [MADE, "# Commands\n"]
    names = [
        word for name in COMMANDS for word in ([f"{name} {part}" for part in group(name)] if name in GROUPS else [name])
    ]
    for name in names:
        module = importlib.import_module(f"userconda.cli.{name.replace(' ', '.')}")
        parser = parser_for(name, module)
        parts.append(f"\n## ucenv {name}\n\n{parser.description}\n\n```console\n$ {module.EXAMPLE}\n```\n\n")
        parts.append("| | |\n|---|---|\n")
        # Not argparse's own text: its layout differs from one Python to the next.
        for action in parser._actions:
            if action.dest != "help":
                # A bar would end the table's cell.
                choices = "\\|".join(map(str, action.choices or ()))
                value = f" {action.metavar or choices}".rstrip()
                words = ", ".join(f"{option}{value}" for option in action.option_strings) or value.strip()
                parts.append(f"| `{words}` | {action.help} |\n")
    return "".join(parts)


def exit_codes() -> str:
    rows = {(0, ""): "done", (1, ""): "done, and the answer is bad", (3, "bug"): "a bug in ucenv; a log file has more"}
    for value in vars(errors).values():
        if inspect.isclass(value) and issubclass(value, errors.UcenvError) and value is not errors.UcenvError:
            rows.setdefault((value.exit_code, value.code), (inspect.getdoc(value) or "").splitlines()[0])
    rows[errors.Interrupted.exit_code, "interrupted"] = "SIGINT, SIGTERM or SIGHUP"
    rows[141, ""] = "whoever read the output closed it"
    lines = [f"| {code} | {word and f'`{word}`'} | {meaning} |" for (code, word), meaning in sorted(rows.items())]
    return MADE + EXIT_CODES + "\n".join(lines) + "\n"


def configuration() -> str:
    lines = []
    for setting in SETTINGS.values():
        default = "" if setting.default in (None, "", ()) else f"`{setting.default}`"
        lines.append(f"| `{setting.key}` | `{setting.variable}` | {default} | {setting.meaning} |")
    return MADE + CONFIGURATION + "\n".join(lines) + "\n"


PAGES = {"commands.md": commands, "exit-codes.md": exit_codes, "configuration.md": configuration}


def main() -> int:
    stale = {name: text for name, make in PAGES.items() if not _is_current(name, text := make())}
    for name, text in stale.items():
        if "--check" in sys.argv[1:]:
            print(f"docs/reference/{name} is not what the code says: run python docs/generate.py", file=sys.stderr)
        else:
            (REFERENCE / name).write_text(text)
    return bool(stale) if "--check" in sys.argv[1:] else 0


def _is_current(name: str, text: str) -> bool:
    path = REFERENCE / name
    return path.exists() and path.read_text() == text


if __name__ == "__main__":
    raise SystemExit(main())
