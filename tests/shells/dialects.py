"""The eight shells: how each is started, and how it says what a test wants said.

Code is text in which bytes that are not UTF-8 are surrogates; `harness` writes it with os.fsencode. Everything the
harness itself runs is a builtin called past the user's aliases and functions, or a program by its absolute path, so
that a hostile shell is looked at as well as a friendly one.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.support import Unavailable


@dataclass(frozen=True)
class Dialect:
    """A shell of the POSIX family. `builtin` runs a builtin, `say` prints its one argument as it is."""

    name: str
    command: tuple[str, ...]
    builtin: str
    say: str
    functions: str = ""
    more: tuple[tuple[str, str], ...] = ()
    append: str = ">>"
    hook = "ucenv.sh"
    script_suffix = ".sh"
    exported_functions = False

    def __str__(self) -> str:
        return self.name

    @property
    def argv(self) -> list[str]:
        program = shutil.which(self.command[0])
        if program is None:
            raise Unavailable(f"needs {self.command[0]}", tool=self.command[0])
        return [program, *self.command[1:]]

    def quote(self, value: str) -> str:
        return "'" + value.replace("'", "'\\''") + "'"

    def words(self, words: Sequence[str]) -> str:
        return " ".join(map(self.quote, words))

    def call(self, word: str, arguments: Sequence[str]) -> str:
        """`word` unquoted, so that an alias is one."""
        return " ".join([word, *map(self.quote, arguments)])

    def source(self, file: str | Path) -> str:
        return f". {self.quote(str(file))}"

    def export(self, name: str, value: str) -> str:
        return f"export {name}={self.quote(value)}"

    def assign(self, name: str, value: str) -> str:
        return f"{name}={self.quote(value)}"

    def unset(self, name: str) -> str:
        return f"unset {name}"

    def extend(self, name: str, front: str = "", back: str = "") -> str:
        """Put text before and behind what an exported variable holds."""
        return f'export {name}={self.quote(front)}"${{{name}-}}"{self.quote(back)}'

    def copy(self, name: str, source: str) -> str:
        return f'export {name}="${source}"'

    def prompt(self, text: str | None) -> str:
        return "unset PS1" if text is None else self.assign("PS1", text)

    def to_file(self, code: str, file: str) -> str:
        return f"{code} {self.append} {self.quote(file)}"

    def mark(self, program: str, out: str, err: str, file: str) -> str:
        """Status of the command before, and how much has been printed up to now."""
        line = f'{program} -Lc "$t_status %s" {self.quote(out)} {self.quote(err)}'
        return f"t_status=$?\n{self.to_file(line, file)}"

    def look(self, directory: str) -> list[str]:
        """Commands that write what can be seen of the shell into files of `directory`."""
        aspects = {
            "options": f"{self.builtin} set -o",
            "flags": f'{self.say} "$-"',
            "variables": f"{self.builtin} set",
            "ifs": f'{self.say} "${{IFS-unset}}"',
            "prompt": f'{self.say} "${{PS1-unset}}"',
            "umask": f"{self.builtin} umask",
            "directory": f"{self.builtin} pwd",
            "traps": f"{self.builtin} trap",
            "aliases": f"{self.builtin} alias",
            **({"functions": self.functions} if self.functions else {}),
            **dict(self.more),
        }
        return [self.to_file(code, f"{directory}/{aspect}") for aspect, code in aspects.items()]


@dataclass(frozen=True)
class Csh(Dialect):
    hook = "ucenv.csh"
    script_suffix = ".csh"

    def quote(self, value: str) -> str:
        return "'" + value.replace("'", "'\\''").replace("!", "\\!").replace("\n", "\\\n") + "'"

    def source(self, file: str | Path) -> str:
        return f"source {self.quote(str(file))}"

    def export(self, name: str, value: str) -> str:
        return f"setenv {name} {self.quote(value)}"

    def assign(self, name: str, value: str) -> str:
        return f"set {name} = {self.quote(value)}"

    def unset(self, name: str) -> str:
        return f"unsetenv {name}"

    def extend(self, name: str, front: str = "", back: str = "") -> str:
        setenv = f"setenv {name} {self.quote(front)}$" + f"{{{name}:q}}" + self.quote(back)
        return f"if ( ! $?{name} ) setenv {name}\n{setenv}"

    def copy(self, name: str, source: str) -> str:
        return f"setenv {name} ${{{source}:q}}"

    def prompt(self, text: str | None) -> str:
        return "unset prompt" if text is None else self.assign("prompt", text)

    def mark(self, program: str, out: str, err: str, file: str) -> str:
        line = f'{program} -Lc "$t_status %s" {self.quote(out)} {self.quote(err)}'
        return f"set t_status = $status\n{self.to_file(line, file)}"

    def look(self, directory: str) -> list[str]:
        # A word in quotes is no alias; with a backslash it would be no builtin either.
        aspects = {
            "variables": '""set',
            "settings": '""set',
            "umask": '""umask',
            "directory": '""echo $cwd:q',
            "aliases": '""alias',
        }
        return [self.to_file(code, f"{directory}/{aspect}") for aspect, code in aspects.items()]


@dataclass(frozen=True)
class Fish(Dialect):
    hook = "ucenv.fish"
    script_suffix = ".fish"

    def quote(self, value: str) -> str:
        return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"

    def source(self, file: str | Path) -> str:
        return f"source {self.quote(str(file))}"

    def export(self, name: str, value: str) -> str:
        return f"set -gx {name} {self.quote(value)}"

    def assign(self, name: str, value: str) -> str:
        return f"set -g {name} {self.quote(value)}"

    def unset(self, name: str) -> str:
        return f"set -e {name}; or true"

    def extend(self, name: str, front: str = "", back: str = "") -> str:
        # Variables that end in PATH are lists; "$X" joins them again with colons.
        return f'set -gx {name} {self.quote(front)}"${name}"{self.quote(back)}'

    def copy(self, name: str, source: str) -> str:
        return f'set -gx {name} "${source}"'

    def prompt(self, text: str | None) -> str:
        if text is None:
            return "functions -e fish_prompt"
        return f"function fish_prompt; builtin printf %s {self.quote(text)}; end"

    def mark(self, program: str, out: str, err: str, file: str) -> str:
        line = f'{program} -Lc "$t_status %s" {self.quote(out)} {self.quote(err)}'
        return f"set -g t_status $status\n{self.to_file(line, file)}"

    def look(self, directory: str) -> list[str]:
        aspects = {
            "variables": "builtin set --names",
            "umask": "umask",
            "directory": "builtin pwd",
            "functions": "builtin functions --names --all",
            "prompt": "fish_prompt",
            "prompt function": "builtin functions --no-details fish_prompt",
            "completions": "builtin complete -c conda",
        }
        return [self.to_file(code, f"{directory}/{aspect}") for aspect, code in aspects.items()]


BASH = Dialect(
    "bash",
    ("bash", "--norc", "--noprofile"),
    builtin="\\builtin",
    say="\\builtin printf '%s\\n'",
    functions="\\builtin declare -F",
    more=(("shopt", "\\builtin shopt"),),
)
ZSH = Dialect(
    "zsh",
    ("zsh", "-f"),
    builtin="\\builtin",
    say="\\builtin print -r --",
    functions="\\builtin typeset +f",
    append=">>|",
)
DASH = Dialect("dash", ("dash",), builtin="\\command", say="\\command printf '%s\\n'")
KSH = Dialect("ksh", ("ksh93",), builtin="\\command", say="\\command print -r --", functions="\\command typeset +f")
MKSH = Dialect("mksh", ("mksh",), builtin="\\builtin", say="\\builtin print -r --", functions="\\builtin typeset +f")
ASH = Dialect("ash", ("busybox", "ash"), builtin="\\command", say="\\command printf '%s\\n'")
TCSH = Csh("tcsh", ("tcsh", "-f"), builtin='""', say='""echo', append=">>!")
# fish's own prompt asks git and uname.
_FISH_PROMPT = "function fish_prompt; builtin printf 'fish> '; end"
FISH = Fish("fish", ("fish", "--no-config", "-C", _FISH_PROMPT), builtin="builtin", say="builtin printf '%s\\n'")

SHELLS = (BASH, ZSH, DASH, KSH, MKSH, ASH, TCSH, FISH)
POSIX = (BASH, ZSH, DASH, KSH, MKSH, ASH)
LISTING = (BASH, ZSH, KSH, MKSH, FISH)
"""Those that can list what is exported without a process; the others read the names in an activation script's text."""
