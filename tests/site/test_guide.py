"""docs/administrator.md, followed to the letter: its files are written, its commands run, its outputs real.

`python -m tests.site.test_guide` (as root) writes the outputs of today into the text. There conda is in /apps, users
are in /scratch and channels on the web; here all of that is in a directory, and names are put back.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from demo import index_channel, write_package
from tests.modules.systems import SYSTEMS
from tests.site.cluster import Cluster, make_cluster, plain_package
from tests.support import CHECKOUT, Unavailable
from tests.support.filesystems import scratch_directory
from tests.support.sysctl import protected_hardlinks
from tests.support.users import two_users
from userconda.config import parse_toml
from userconda.errors import SiteFileInvalid, SiteFileProblem
from userconda.site.definition import parse_site

GUIDE = CHECKOUT / "docs/administrator.md"
PLACE = re.compile(r"^## (?P<heading>[^\n]+)$|^```(?P<language>\w*)\n(?P<text>.*?)^```$", re.M | re.S)
CRON = re.compile(r"^(?:[\d*/,-]+ +){5}(.*)$", re.M)
END = "\x01"
#: A user without a name.
STRANGER = 61003
#: What differs from day to day, from machine to machine and from Python to Python.
UNSTEADY = (
    (r"\b\d[\d,.]* (B|kB|MB|GB|TB|s|entries|entry)\b", r"N \1"),
    (r"\d{4}-\d\d-\d\d", "DATE"),
    (r"\b\d{14}\b", "TIME"),
    (r"hard-linked|reflinked|copied", "HOW"),  # by the node's sysctl
    (r"[ \t]+", " "),
)


# the world of the text ------------------------------------------------------------------------------------------


@dataclass
class Guide:
    """
    Attributes:
        start: gives bash the word `module`.
    """

    cluster: Cluster
    start: str

    @property
    def names(self) -> dict[str, str]:
        """What the text calls something -> what it is here."""
        here = self.cluster.directory
        return {
            "https://example.org/wmlce": self.cluster.channel.as_uri(),
            '"conda-forge"': f'"{(here / "apps/web/conda-forge").as_uri()}"',
            "/scratch/alice": str(self.cluster.scratch),
            "/apps": f"{here}/apps",
            "/scratch": f"{here}/scratch",
            "/srv": f"{here}/srv",
        }

    def here(self, text: str) -> str:
        words = "|".join(map(re.escape, self.names))
        return re.sub(rf"(?<![\w./~-])(?:{words})", lambda match: self.names[match[0]], text)

    def there(self, text: str) -> str:
        """What is said here, as the guide would say it."""
        for name, real in self.names.items():
            text = text.replace(real, name)
        # The stand-in is asked nothing about settings; the conda of the text is, and agrees.
        text = re.sub(r"^note: the settings were not validated: .*\n", "", text, flags=re.M)
        text = re.sub(r"python-\d+\.\d+\.\d+-\w+", "python-3.11.2-h0000000_0_cpython", text)
        text = re.sub(r"\bPython \d+\.\d+\.\d+", "Python 3.11.2", text)
        text = text.replace(f"user {STRANGER}", "bob")
        return text.replace(self.cluster.user.name, "alice").replace(self.cluster.administrator.name, "conda")

    def follow(self, block: str) -> list[tuple[str, str, int]]:
        """Each command of a block in one shell, its output and its exit code. Modules are loaded by a user."""
        commands = [line[2:] for line in block.splitlines() if line.startswith("$ ")]
        by_user = any(command.startswith("module ") for command in commands)
        lines = [self.start] if by_user else []
        for command in commands:
            lines += [self.here(command), f"__status=$?; printf '{END}%s\\n' \"$__status\"; (exit $__status)"]
        run = self.cluster.as_user if by_user else self.cluster.as_administrator
        done = run("\n".join(lines))
        said = re.findall(rf"(.*?){END}(\d+)\n", done.stdout, re.S)
        assert len(said) == len(commands), done.stdout
        pairs = zip(commands, said, strict=True)
        return [(command, self.there(output), int(code)) for command, (output, code) in pairs]

    def write(self, text: str) -> None:
        self.cluster.file.write_text(self.here(text))


def _hand_made_settings(guide: Guide) -> None:
    root = guide.cluster.root
    (root / "etc/ucenv/configured.json").unlink()
    (root / ".condarc").write_text("channels:\n  - defaults\n")
    (root / "envs/py3_powerai_1.7.0/conda-meta/pinned").unlink()
    next((root / "envs/py3_powerai_1.7.0/conda-meta").glob("python-3*.json")).chmod(0o600)


def _a_bad_day(guide: Guide) -> None:
    root, tree = guide.cluster.root, guide.cluster.tree
    condarc = root / ".condarc"
    condarc.write_text(condarc.read_text().replace("default_threads: 4", "default_threads: 1"))
    (tree / "conda/26.7.1").write_text((tree / "conda/26.7.1").read_text() + "# a hand\n")
    _without_an_environment(guide)


def _without_an_environment(guide: Guide) -> None:
    path = guide.cluster.prefix("py3_powerai_1.6.2")
    assert guide.cluster.as_administrator(f"rm -r {path}").returncode == 0


def _mended(guide: Guide) -> None:
    done = guide.cluster.as_administrator("ucenv site configure; ucenv site environments; ucenv site modules")
    assert done.returncode == 0, done.stdout


def _many_users(guide: Guide) -> None:
    """Clones of alice's, one of bob's of what is no more, and eve, who keeps hers closed."""
    cluster = guide.cluster
    old, new = cluster.prefix("py3_powerai_1.6.1"), cluster.prefix("py3_powerai_1.6.2")
    scratch = cluster.scratch.parent
    made = cluster.as_administrator(f"cp -a {new} {old}")
    assert made.returncode == 0, made.stdout
    ucenv = f"{cluster.root}/bin/ucenv clone -q -y"
    made = cluster.as_user(f"{ucenv} mine mine2 && UCENV_ROOT=$SCRATCH/bob/conda_local {ucenv} {old.name} old")
    assert made.returncode == 0, made.stdout
    shutil.rmtree(old)
    (cluster.scratch / "bob").rename(scratch / "bob")
    for path in (scratch / "bob", *(scratch / "bob").rglob("*")):
        os.chown(path, STRANGER, STRANGER, follow_symlinks=False)
    (scratch / "eve/conda_local/envs").mkdir(parents=True)
    (scratch / "eve/conda_local/envs").chmod(0o700)


#: What ends with 1 where it finds something -> where it shall.
DIFFERS = {"ucenv site check": "A check for every night"}

#: heading -> what has happened before.
BEFORE: dict[str, Callable[[Guide], None]] = {
    "Settings, pins and permissions": _hand_made_settings,
    "A check for every night": _a_bad_day,
    "Environments": _without_an_environment,
    "Cache": _mended,
    "Who has clones of what": _many_users,
}


@contextlib.contextmanager
def world() -> Iterator[Guide]:
    administrator, user = two_users()
    systems = [system for system in SYSTEMS if _is_there(system.name)]
    if not systems:
        raise Unavailable("needs Lmod or Environment Modules, unpacked by tests/tools.sh", tool="Lmod")
    with scratch_directory() as directory:
        cluster = make_cluster(directory, administrator, user)
        forge = directory / "apps/web/conda-forge"
        for package in (plain_package("numpy", "1.26.4"), plain_package("pandas", "2.2.3", "numpy")):
            write_package(package, forge)
        index_channel(forge)
        for path in (directory / "scratch/apps", directory / "srv/repository", directory / "srv/node"):
            path.mkdir(parents=True)
            os.chown(path, administrator.uid, administrator.gid)
        yield Guide(cluster, cluster.start_of(systems[0]))


def _is_there(name: str) -> bool:
    try:
        return any(system.program for system in SYSTEMS if system.name == name)
    except Unavailable:
        return False


# following it ---------------------------------------------------------------------------------------------------


def follow(guide: Guide, text: str) -> str:
    """Do all that the text says, in its order; return it with the outputs that there were."""
    heading = ""

    def done(match: re.Match[str]) -> str:
        nonlocal heading
        if match["heading"]:
            heading = match["heading"]
            if before := BEFORE.get(heading):
                before(guide)
        elif match["language"] == "toml" and 'root = "/apps/conda"' in match["text"]:
            guide.write(match["text"])
        elif match["language"] == "console":
            return f"```console\n{_followed(guide, heading, match['text'])}```"
        return match[0]

    return PLACE.sub(done, text)


def _followed(guide: Guide, heading: str, block: str) -> str:
    """The block with its outputs; a command whose output the text does not show keeps none."""
    parts = re.split(r"^\$ (.*)\n", block, flags=re.M)
    lines = []
    for shown, (command, output, code) in zip(parts[2::2], guide.follow(block), strict=True):
        told = f"{heading}: $ {command}\n{output}"
        assert code == (1 if DIFFERS.get(command) == heading and "differences from" in output else 0), told
        assert "Traceback" not in output, told
        lines += [f"$ {command}\n", output if shown else ""]
    return "".join(lines)


def steady(text: str) -> list[str]:
    for pattern, instead in UNSTEADY:
        text = re.sub(pattern, instead, text)
    return text.splitlines()


def test_the_guide_does_what_it_shows() -> None:
    text = GUIDE.read_text()
    if shutil.which("rpmbuild") is None:
        raise Unavailable("needs rpmbuild", tool="rpm")
    with world() as guide:
        assert steady(follow(guide, text)) == steady(text)


def test_what_cron_runs_is_silent_where_all_is_well() -> None:
    (command,) = CRON.findall(GUIDE.read_text())
    with world() as guide:
        assert guide.cluster.as_administrator("ucenv site init").returncode == 0
        guide.write(next(m["text"] for m in PLACE.finditer(GUIDE.read_text()) if m["language"] == "toml"))
        done = guide.cluster.as_administrator(guide.here(command))
        assert (done.returncode, "py3_powerai_1.7.0 is missing" in done.stdout) == (0, True), done.stdout
        _mended(guide)
        done = guide.cluster.as_administrator(guide.here(command), PATH="/usr/bin:/bin")
        assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize("text", [m["text"] for m in PLACE.finditer(GUIDE.read_text()) if m["language"] == "toml"])
def test_what_the_guide_shows_of_the_file_is_taken(text: str) -> None:
    """Each piece, put into a file that has the rest."""
    assert parse_toml(text)
    if "root =" not in text.partition("[user_space]")[0]:
        text = text if "[conda]" in text else f"[conda]\n{text}"
        text = text.replace("[conda]", '[conda]\nroot = "/apps/conda"\nversion = "1"')
    problems: tuple[SiteFileProblem, ...] = ()
    try:
        parse_site(text, "site.toml")
    except SiteFileInvalid as exc:
        problems = exc.problems
    assert [problem for problem in problems if problem.text != "is missing"] == []


if __name__ == "__main__":
    with protected_hardlinks(0), world() as made:
        GUIDE.write_text(follow(made, GUIDE.read_text()))
    sys.exit(0)
