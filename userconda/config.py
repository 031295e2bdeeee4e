"""Settings and where each came from. The only reader of the process' environment, configuration files and platformdirs.

Later wins: defaults, the site's file (`<conda root>/etc/ucenv/config.toml`), the user's file, `UCENV_*`, flags.

Imported by `ucenv env` in every job script, so it imports nothing that opens files: annotations are not evaluated,
classes are plain, errors and TOML come in when they are needed.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any


#: Where the user's files are follows the XDG rules; elsewhere platformdirs knows.
_XDG = bool(sys.platform != "darwin")


class Setting:
    """One setting: its TOML key, what values it takes, and what it means."""

    __slots__ = ("choices", "default", "key", "kind", "meaning")

    def __init__(self, key: str, kind: str, default: Any, meaning: str, choices: tuple[str, ...] = ()) -> None:
        self.key, self.kind, self.default, self.meaning, self.choices = key, kind, default, meaning, choices

    @property
    def variable(self) -> str:
        """`clone.when_refused` -> `UCENV_CLONE_WHEN_REFUSED`."""
        return "UCENV_" + self.key.replace(".", "_").upper()


SETTINGS = {
    setting.key: setting
    for setting in (
        Setting("root", "path", None, "the user's space: envs, pkgs and .ucenv are in it ($SCRATCH/conda_local)"),
        Setting("conda_root", "path", None, "the conda that ucenv serves, where it is not installed in it"),
        Setting("environments", "paths", (), "more directories of system environments"),
        Setting("operations_in_flight", "count", 8, "file operations at a time, at most"),
        Setting(
            "usage.operations_in_flight", "count", 32, "the same where `usage` only asks, and each answer takes long"
        ),
        Setting(
            "clone.when_refused",
            "word",
            "",
            "where links are refused: ask (on a terminal), own-copy, thin or fail",
            ("", "ask", "own-copy", "thin", "fail"),
        ),
        Setting(
            "clone.own_copy_share",
            "percent",
            25,
            "without a terminal, an own copy is made up to this share of the remaining quota, in percent",
        ),
        Setting("clone.private", "list", (), "patterns of files that are never shared, beside the built-in ones"),
        Setting(
            "quota.family",
            "word",
            "",
            "how quotas are asked for, where the mount's type misleads",
            ("", "lustre", "gpfs", "quota", "xfs", "beegfs", "cephfs", "zfs", "btrfs", "panasas", "statvfs"),
        ),
        Setting(
            "quota.command",
            "command",
            (),
            "a command of the site's that prints quotas as JSON; {directory} and {user} in its words are filled in",
        ),
    )
}


class Value:
    """A setting's value and where it came from, in words."""

    __slots__ = ("origin", "value")

    def __init__(self, value: Any, origin: str) -> None:
        self.value, self.origin = value, origin


class Config:
    """The settings of one run, and what of the environment the commands need."""

    def __init__(self, environment: Mapping[str, str], flags: Mapping[str, Any] | None = None) -> None:
        """
        Raises:
            ConfigError: a file or variable holds what cannot be used; it is named.
        """
        self.environment = environment
        self.values = {key: Value(setting.default, "default") for key, setting in SETTINGS.items()}
        given = {
            setting.key: environment[setting.variable]
            for setting in SETTINGS.values()
            if environment.get(setting.variable)
        }
        # Which conda it is decides where the site's file is, so the file cannot decide that.
        self.files: list[str] = []
        if "conda_root" in given:
            self._set("conda_root", given["conda_root"], "UCENV_CONDA_ROOT")
        root = self.conda_root
        if root:
            self._read_file(os.path.join(root, "etc", "ucenv", "config.toml"), "site")
        self._read_file(user_file(environment), "user")
        for key, text in given.items():
            self._set(key, text, SETTINGS[key].variable)
        for key, value in (flags or {}).items():
            if value is not None:
                self._set(key, value, "flag")

    def __getitem__(self, key: str) -> Any:
        return self.values[key].value

    # the user's space -------------------------------------------------------------------------------------------

    @property
    def root(self) -> str:
        """Absolute path of the user's space."""
        return self.root_and_origin()[0]

    def root_and_origin(self) -> tuple[str, str]:
        value = self.values["root"]
        if value.value:
            return value.value, value.origin
        scratch = self.environment.get("SCRATCH", "")
        if scratch.startswith("/"):
            return os.path.join(os.path.normpath(scratch), "conda_local"), "$SCRATCH"
        return os.path.join(
            _data_directory(self.environment), "conda_local"
        ), f"the data directory, as {self.scratch_missing}"

    @property
    def scratch_missing(self) -> str:
        """Why the user's space is not on the scratch filesystem; empty where it is, or was put elsewhere."""
        scratch = self.environment.get("SCRATCH", "")
        if self.values["root"].value or scratch.startswith("/"):
            return ""
        return f"$SCRATCH is no absolute path ({scratch!r})" if scratch else "$SCRATCH is not set"

    # the system's -----------------------------------------------------------------------------------------------

    @property
    def conda_root(self) -> str | None:
        """Root prefix of the conda that is served: named, else the one ucenv is installed in, else CONDA_EXE's."""
        named = self.values["conda_root"].value
        if named:
            return str(named)
        if is_conda_root(sys.prefix):
            return sys.prefix
        executable = self.environment.get("CONDA_EXE", "")
        if executable.startswith("/"):
            return os.path.dirname(os.path.dirname(os.path.normpath(executable)))
        return None

    @property
    def system_envs(self) -> list[str]:
        root = self.conda_root
        return [*([os.path.join(root, "envs")] if root else []), *self["environments"]]

    @property
    def system_pkgs(self) -> list[str]:
        root = self.conda_root
        return [os.path.join(root, "pkgs")] if root else []

    @property
    def user_envs(self) -> list[str]:
        """The user's environments directories: ours, then those conda is told of that are not the system's."""
        listed = self.environment.get("CONDA_ENVS_PATH") or self.environment.get("CONDA_ENVS_DIRS") or ""
        others = [os.path.normpath(path) for path in listed.split(os.pathsep) if path.startswith("/")]
        others.append(os.path.join(home_directory(self.environment), ".conda", "envs"))
        system = set(self.system_envs)
        return list(dict.fromkeys([os.path.join(self.root, "envs"), *(p for p in others if p not in system)]))

    @property
    def user_pkgs(self) -> list[str]:
        return [os.path.join(self.root, "pkgs")]

    # reading ----------------------------------------------------------------------------------------------------

    def _read_file(self, path: str, origin: str) -> None:
        try:
            with open(path, "rb") as stream:
                data = stream.read()
        except (FileNotFoundError, NotADirectoryError):
            return
        except OSError as exc:
            raise _error(f"{path} cannot be read: {exc.strerror}") from None
        try:
            document = parse_toml(data.decode())
        except ValueError as exc:
            raise _error(f"{path}: {exc}") from None
        self.files.append(path)
        for key, value in _flatten(document).items():
            if key not in SETTINGS:
                known = ", ".join(SETTINGS)
                raise _error(f"{path}: there is no setting {key!r}", f"settings are: {known}")
            if key == "conda_root" and origin == "site":
                continue
            self._set(key, value, f"{origin} file {path}")

    def _set(self, key: str, value: Any, origin: str) -> None:
        checked, before = _checked(SETTINGS[key], value, origin), self.values[key]
        if SETTINGS[key].kind in ("list", "paths") and before.value:
            checked, origin = before.value + checked, f"{before.origin}, {origin}"
        self.values[key] = Value(checked, origin)


def parse_toml(text: str) -> dict[str, Any]:
    """
    Raises:
        ValueError: that is not TOML; with the line.
    """
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    return tomllib.loads(text)


def _checked(setting: Setting, value: Any, origin: str) -> Any:
    """A value of the setting's kind, from TOML, a variable or a flag."""
    kind, given = setting.kind, value
    if isinstance(value, str):
        if kind in ("count", "percent"):
            value = int(value) if value.strip().isdecimal() else None
        elif kind == "paths":
            value = [part for part in value.split(os.pathsep) if part]
        elif kind == "list":
            value = [part for part in value.split(",") if part]
        elif kind == "path":
            value = os.path.expanduser(value)
        elif kind == "command":
            value = _words(value)
    good = (
        (kind == "path" and isinstance(value, str) and value.startswith("/"))
        or (kind == "word" and value in setting.choices)
        or (kind == "count" and type(value) is int and 1 <= value <= 256)
        or (kind == "percent" and type(value) is int and 0 <= value <= 100)
        or (kind == "list" and isinstance(value, (list, tuple)) and all(isinstance(part, str) for part in value))
        or (
            kind == "command"
            and isinstance(value, (list, tuple))
            and all(isinstance(part, str) and "\0" not in part for part in value)
            and bool(value and value[0])
        )
        or (
            kind == "paths"
            and isinstance(value, (list, tuple))
            and all(isinstance(part, str) and part.startswith("/") for part in value)
        )
    )
    if not good:
        wanted = {
            "path": "an absolute path",
            "paths": "absolute paths",
            "list": "a list of patterns",
            "count": "a number from 1 to 256",
            "percent": "a number from 0 to 100",
            "word": " or ".join(choice for choice in setting.choices if choice),
            "command": "a command's words, as a list or as a shell would split them (no shell runs it)",
        }[kind]
        raise _error(f"{setting.key} = {given!r} ({origin}): {wanted} is wanted")
    if kind in ("list", "paths", "command"):
        return tuple(value)
    return os.path.normpath(value) if kind == "path" else value


def _words(text: str) -> list[str] | None:
    import shlex

    try:
        return shlex.split(text)
    except ValueError:  # a quotation without its end
        return None


def _flatten(document: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in document.items():
        flat |= _flatten(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key: value}
    return flat


def _error(text: str, hint: str = "") -> Exception:
    from userconda.errors import ConfigError

    return ConfigError(text, hint)


def is_conda_root(prefix: str) -> bool:
    return os.path.isdir(os.path.join(prefix, "conda-meta")) and os.path.isdir(os.path.join(prefix, "condabin"))


def home_directory(environment: Mapping[str, str]) -> str:
    """$HOME; where that is not set, or relative, what the system's user database says."""
    home = environment.get("HOME", "")
    if home.startswith("/"):
        return home
    import pwd

    try:
        return pwd.getpwuid(os.getuid()).pw_dir
    except KeyError:  # a uid of another node's, or of a container's
        return "/"


def user_file(environment: Mapping[str, str]) -> str:
    """The user's configuration file. On Linux by platformdirs' rule but without its import, which costs more than all
    the rest of `ucenv env`."""
    if _XDG:
        base = environment.get("XDG_CONFIG_HOME", "")
        if not base.startswith("/"):
            base = os.path.join(home_directory(environment), ".config")
        return os.path.join(base, "ucenv", "config.toml")
    import platformdirs

    return os.path.join(platformdirs.user_config_dir("ucenv"), "config.toml")


def _data_directory(environment: Mapping[str, str]) -> str:
    if _XDG:
        base = environment.get("XDG_DATA_HOME", "")
        if not base.startswith("/"):
            base = os.path.join(home_directory(environment), ".local", "share")
        return os.path.join(base, "ucenv")
    import platformdirs

    return platformdirs.user_data_dir("ucenv")


def read_config(flags: Mapping[str, Any] | None = None) -> Config:
    """The configuration of this process."""
    return Config(os.environ, flags)
