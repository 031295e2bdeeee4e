"""`site.toml`, typed: what a site's conda has, and every mistake in the file with its line.

What is taken here is safe where it goes: names are plain words in Lua, Tcl, every shell and every file system, and no
text holds control characters. What is written from a `Site` is quoted all the same; this says that it can be.
"""

from __future__ import annotations

import difflib
import itertools
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from userconda.config import parse_toml
from userconda.errors import SiteFileInvalid, SiteFileProblem
from userconda.modulefile import DEFAULT_SPACE, FORMATS

T = TypeVar("T")
Key = tuple[str | int, ...]

#: In a name of conda's and of a module; neither a shell nor a file name pattern sees anything in it.
_WORD: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]*")
_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_PLACEHOLDER: Final = re.compile(r"\{([^{}]*)\}")
_SPACE: Final = re.compile(r"(?:\$[A-Za-z_][A-Za-z0-9_]*|[A-Za-z0-9_./+=@%-])+")
#: The load keeps these itself, or they would break the shell of whoever loads.
_NOT_SETTABLE: Final = re.compile(
    r"_*CONDA_?.*|_CE_.*|_*UCENV_.*|_*LMOD_.*|_*MODULE.*|_LMFILES_|LOADEDMODULES|PATH|LD_LIBRARY_PATH|LD_PRELOAD"
    r"|MANPATH|HOME|PWD|OLDPWD|SHELL|USER|IFS|ENV|BASH_ENV|SHLVL|_|PS1|SCRATCH|TERM"
)


@dataclass(frozen=True, slots=True)
class SiteEnvironment:
    """One combination of a matrix: an environment and its module.

    Attributes:
        module: NAME/VERSION.
        packages: what it is created from; empty for one that exists already and is only exposed.
        axes: the matrix's values, by axis.
        freeze: conda is to refuse changes (`conda-meta/frozen`).
    """

    name: str
    module: str
    packages: tuple[str, ...] = ()
    channels: tuple[str, ...] = ()
    axes: Mapping[str, str] = field(default_factory=dict)
    description: str = ""
    freeze: bool = False


@dataclass(frozen=True, slots=True)
class PackageModule:
    """A module for a package that several environments have.

    Attributes:
        module: NAME/VERSION with `{version}` and axes in it.
    """

    package: str
    module: str
    family: str = ""


@dataclass(frozen=True, slots=True)
class Modules:
    """
    Attributes:
        tree: where the modulefiles go, a directory of MODULEPATH.
        defaults: NAME/VERSION of those that `module load NAME` means.
        templates: a directory whose `module.lua` and `module.tcl` are used instead of ours.
    """

    tree: str = ""
    formats: tuple[str, ...] = FORMATS
    base: str = "conda"
    family: str = "python"
    category: str = "python"
    keywords: tuple[str, ...] = ("python", "conda")
    help: str = ""
    setenv: Mapping[str, str] = field(default_factory=dict)
    defaults: tuple[str, ...] = ()
    templates: str = ""


@dataclass(frozen=True, slots=True)
class Package:
    """What the module tree is called as an rpm, deb or tar.

    Attributes:
        version: empty for that of conda.
        release: empty for the time of the last change.
    """

    name: str = "ucenv-modules"
    version: str = ""
    release: str = ""
    maintainer: str = "Administrators <root@localhost>"


@dataclass(frozen=True, slots=True)
class Site:
    """
    Attributes:
        path: of the file.
        root: the conda's.
        version: names the base module.
        condarc: as it stands in the file; conda itself knows what it may hold.
        space: `$SCRATCH/conda_local`, its variables not yet replaced.
        search: patterns of all users' spaces.
        program: what makes environments: conda, mamba or micromamba, by its name or path.
    """

    path: str
    root: str
    version: str
    condarc: Mapping[str, Any] = field(default_factory=dict)
    pins: Mapping[str, str] = field(default_factory=dict)
    space: str = DEFAULT_SPACE
    modules: Modules = field(default_factory=Modules)
    environments: tuple[SiteEnvironment, ...] = ()
    package_modules: tuple[PackageModule, ...] = ()
    search: tuple[str, ...] = ()
    package: Package = field(default_factory=Package)
    program: str = "conda"

    @property
    def base_module(self) -> str:
        return f"{self.modules.base}/{self.version}"

    def prefix(self, name: str) -> str:
        return os.path.join(self.root, "envs", name)


def parse_site(text: str, path: str) -> Site:
    """
    Raises:
        SiteFileInvalid: with all that is wrong, each with its line.
    """
    try:
        document = parse_toml(text)
    except ValueError as exc:
        line = re.search(r"\(at line (\d+)", str(exc))
        what = re.sub(r" \(at .*\)$", "", str(exc))
        problem = SiteFileProblem(int(line[1]) if line else text.count("\n") + 1, "", f"this is not TOML: {what}")
        raise SiteFileInvalid(path, (problem,)) from None
    reader = _Reader()
    site = reader.site(document, path)
    if reader.problems:
        found = [SiteFileProblem(line_of(text, key), _dotted(key), said) for key, said in reader.problems]
        raise SiteFileInvalid(path, tuple(sorted(dict.fromkeys(found), key=lambda problem: problem.line)))
    return site


def line_of(text: str, key: Key) -> int:
    """The line in which the statement that gives `key` begins: the first one with which the beginning of the file, as
    TOML, has it. Where it is missing, that of the table it is missing from."""
    lines = text.splitlines(keepends=True)
    while key:
        begins = 1
        for number in range(1, len(lines) + 1):
            try:
                document = parse_toml("".join(lines[:number]))
            except ValueError:  # within a value of several lines
                continue
            if _has(document, key):
                while begins < number and not lines[begins - 1].split("#")[0].strip():
                    begins += 1
                return begins
            begins = number + 1
        key = key[:-1]
    return 1


def _has(document: Any, key: Key) -> bool:
    for part in key:
        try:
            document = document[part]
        except (KeyError, IndexError, TypeError):
            return False
    return True


def _dotted(key: Key) -> str:
    """("environments", 1, "name") -> environments[1].name"""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in key).lstrip(".")


# values ---------------------------------------------------------------------------------------------------------


class _Wrong(ValueError):
    """What is wanted instead."""


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise _Wrong("a text is wanted")
    if not all(character.isprintable() for character in value):
        raise _Wrong("a text without control characters is wanted")
    if any(character > "\uffff" for character in value):
        raise _Wrong("a text without characters past U+FFFF is wanted: Tcl 8.6, which reads modulefiles, knows none")
    if "]===]" in value:
        raise _Wrong("a text without ']===]' is wanted: it ends a string where Lmod reads a Tcl modulefile")
    return value


def _lines(value: Any) -> str:
    """A text that may have several lines."""
    for line in value.split("\n") if isinstance(value, str) else [value]:
        _text(line)
    return str(value)


def _word(value: Any) -> str:
    if not isinstance(value, str) or not _WORD.fullmatch(value):
        raise _Wrong("a name of letters, digits and _ . + - is wanted, which begins with a letter, a digit or _")
    return value


def _module_name(value: Any) -> str:
    """NAME/VERSION: what reads as a file of the module system's own is none."""
    if not isinstance(value, str) or "/" not in value or not all(map(_WORD.fullmatch, value.split("/"))):
        raise _Wrong("NAME/VERSION is wanted, each of letters, digits and _ . + -")
    if value.rpartition("/")[2] == "default" or value.endswith(".lua"):
        raise _Wrong("a version that is neither `default` nor ends in .lua is wanted")
    return value


def _path(value: Any) -> str:
    if not isinstance(value, str) or not value.startswith("/") or any(c in value for c in ":,"):
        raise _Wrong("an absolute path without ':' and ',' is wanted")
    return os.path.normpath(_text(value))


def _space(value: Any) -> str:
    if not isinstance(value, str) or not _SPACE.fullmatch(value) or value[0] not in "/$" or value.endswith("$"):
        raise _Wrong("an absolute path is wanted, which may have variables: $SCRATCH/conda_local, /scratch/$USER/conda")
    return value


def _pattern(value: Any) -> str:
    """Of paths; each part stands for names in one directory, so that it is known how far a search goes."""
    if not isinstance(value, str) or not value.startswith("/") or "**" in value:
        raise _Wrong("an absolute path is wanted, which may have * ? [] in it but not **: /scratch/*/conda_local")
    return os.path.normpath(_text(value))


def _package_name(value: Any) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"[a-z0-9][a-z0-9+.-]+", value):
        raise _Wrong("a package's name of small letters, digits and + . - is wanted")
    return value


def _package_version(value: Any) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"[0-9][A-Za-z0-9.+~]*", value):
        raise _Wrong("a version in quotes of letters, digits and . + ~ is wanted, which begins with a digit")
    return value


def _maintainer(value: Any) -> str:
    if not re.fullmatch(r"[^<>]*[^<> ] <[^<>@ ]+@[^<>@ ]+>", _text(value)):
        raise _Wrong("'Name <mail@example.org>' is wanted")
    return str(value)


def _program(value: Any) -> str:
    """A name, which is looked for in the conda first, or a path."""
    return _path(value) if isinstance(value, str) and "/" in value else _word(value)


def _boolean(value: Any) -> bool:
    if not isinstance(value, bool):
        raise _Wrong("true or false is wanted")
    return value


def _family(value: Any) -> str:
    return "" if value == "" else _word(value)


def _spec(value: Any) -> str:
    """Something conda installs. What begins with `-` would be an option of conda's."""
    if not _text(value).strip() or value.lstrip().startswith("-"):
        raise _Wrong("a package such as 'python=3.9' is wanted")
    return str(value)


def _channel(value: Any) -> str:
    if not _text(value).strip() or value.startswith("-"):
        raise _Wrong("a channel's name or address is wanted")
    return str(value)


def _format(value: Any) -> str:
    if value not in FORMATS:
        raise _Wrong("'lua' or 'tcl' is wanted")
    return str(value)


def _axis_value(value: Any) -> str:
    """2.10 is a number that has lost its zero by the time it is seen."""
    if not isinstance(value, str) or not _WORD.fullmatch(value):
        raise _Wrong("a version in quotes is wanted, such as '3.10'")
    return value


def _set_name(name: str) -> None:
    if not _VARIABLE.fullmatch(name):
        raise _Wrong("the name of a variable is wanted")
    if _NOT_SETTABLE.fullmatch(name):
        raise _Wrong("a variable is wanted that neither the load nor the shell keeps itself")


def _list(item: Callable[[Any], T]) -> Callable[[Any], tuple[T, ...]]:
    def check(value: Any) -> tuple[T, ...]:
        if not isinstance(value, list):
            raise _Wrong("a list is wanted")
        return tuple(map(item, value))

    return check


# tables ---------------------------------------------------------------------------------------------------------


class _Table:
    """A table that is taken apart. What nobody has taken at the end is unknown."""

    def __init__(self, reader: _Reader, value: Any, key: Key) -> None:
        self.reader, self.key, self.known = reader, key, list[str]()
        self.entries: Mapping[str, Any] = value if isinstance(value, dict) else {}
        if not isinstance(value, dict):
            reader.say(key, "a table is wanted")

    def take(self, name: str, check: Callable[[Any], T], default: T, *, required: bool = False) -> T:
        self.known.append(name)
        if name not in self.entries:
            if required:
                self.reader.say((*self.key, name), "is missing")
            return default
        try:
            return check(self.entries[name])
        except _Wrong as exc:
            self.reader.say((*self.key, name), f"{exc}, not {self.entries[name]!r}")
            return default

    def table(self, name: str) -> _Table:
        self.known.append(name)
        return _Table(self.reader, self.entries.get(name, {}), (*self.key, name))

    def tables(self, name: str) -> Iterator[_Table]:
        self.known.append(name)
        value = self.entries.get(name, [])
        if not isinstance(value, list):
            self.reader.say((*self.key, name), f"[[{name}]] is wanted, with two brackets")
            return
        for number, entry in enumerate(value):
            yield _Table(self.reader, entry, (*self.key, name, number))

    def mapping(self, check: Callable[[Any], T], check_name: Callable[[str], object]) -> dict[str, T]:
        """All entries, under names that are the site's to choose."""
        taken = {}
        for name, value in self.entries.items():
            try:
                check_name(name)
                taken[name] = check(value)
            except _Wrong as exc:
                self.reader.say((*self.key, name), f"{exc}, not {value!r}")
        return taken

    def end(self) -> None:
        for name in self.entries:
            if name not in self.known:
                near = difflib.get_close_matches(name, self.known, 1)
                hint = f"did you mean {near[0]}?" if near else f"known here: {', '.join(self.known)}"
                self.reader.say((*self.key, name), f"there is no such key; {hint}")


class _Reader:
    def __init__(self) -> None:
        self.problems: list[tuple[Key, str]] = []

    def say(self, key: Key, text: str) -> None:
        self.problems.append((key, text))

    def site(self, document: Mapping[str, Any], path: str) -> Site:
        top = _Table(self, document, ())
        conda = top.table("conda")
        root = conda.take("root", _path, "/", required=True)
        version = conda.take("version", _word, "0", required=True)
        program = conda.take("program", _program, "conda")
        conda.end()
        condarc = top.table("condarc").entries
        pins = top.table("pins").mapping(_spec, _word)
        space = top.table("user_space")
        space_root = space.take("root", _space, DEFAULT_SPACE)
        search = space.take("search", _list(_pattern), tuple[str, ...]())
        space.end()
        modules = self.modules(top.table("modules"))
        groups = [self.group(table) for table in top.tables("environments")]
        axes = sorted({axis for _, axes in groups for axis in axes})
        package_modules = [self.package_module(table, axes) for table in top.tables("package_modules")]
        package = self.package(top.table("package"))
        top.end()
        environments = tuple(environment for group, _ in groups for environment in group)
        site = Site(
            path, root, version, condarc, pins, space_root, modules, environments, tuple(package_modules), search,
            package, program,
        )  # fmt: skip
        if not self.problems:
            self.check_names(site, groups)
        return site

    def modules(self, table: _Table) -> Modules:
        default = Modules()
        modules = Modules(
            tree=table.take("tree", _path, default.tree),
            formats=table.take("formats", _list(_format), default.formats),
            base=table.take("base", _word, default.base),
            family=table.take("family", _family, default.family),
            category=table.take("category", _text, default.category),
            keywords=table.take("keywords", _list(_text), default.keywords),
            help=table.take("help", _lines, default.help),
            setenv=table.table("setenv").mapping(_text, _set_name),
            defaults=table.take("defaults", _list(_module_name), default.defaults),
            templates=table.take("templates", _path, default.templates),
        )
        table.end()
        return modules

    def package(self, table: _Table) -> Package:
        default = Package()
        package = Package(
            name=table.take("name", _package_name, default.name),
            version=table.take("version", _package_version, default.version),
            release=table.take("release", _package_version, default.release),
            maintainer=table.take("maintainer", _maintainer, default.maintainer),
        )
        table.end()
        return package

    def group(self, table: _Table) -> tuple[list[SiteEnvironment], tuple[str, ...]]:
        """Every combination of a matrix, the last axis fastest; and the names of the axes."""
        before, none = len(self.problems), tuple[str, ...]()
        axes_table = table.table("matrix")
        names = tuple(axes_table.entries)
        matrix = axes_table.mapping(_list(_axis_value), _check_axis)
        for axis, values in matrix.items():
            if not values:
                self.say((*table.key, "matrix", axis), "at least one value is wanted")
        name = table.take("name", _template(names), "", required=True)
        module = table.take("module", _template((*names, "name")), "", required=True)
        description = table.take("description", _template((*names, "name")), "")
        packages = table.take("packages", _list(_template(names)), none)
        channels = table.take("channels", _list(_channel), none)
        freeze = table.take("freeze", _boolean, False)
        table.end()
        made: list[SiteEnvironment] = []
        for values in itertools.product(*matrix.values()) if len(self.problems) == before else ():
            axes = dict(zip(matrix, values, strict=True))
            named = {**axes, "name": _filled(name, axes)}
            made.append(
                SiteEnvironment(
                    self.filled((*table.key, "name"), _word, name, axes),
                    self.filled((*table.key, "module"), _module_name, module, named),
                    tuple(self.filled((*table.key, "packages"), _spec, package, axes) for package in packages),
                    channels,
                    axes,
                    _filled(description, named),
                    freeze,
                )
            )
        return made, names

    def filled(self, key: Key, check: Callable[[Any], str], template: str, values: Mapping[str, str]) -> str:
        text = _filled(template, values)
        try:
            return check(text)
        except _Wrong as exc:
            self.say(key, f"{exc}, not {text!r}")
            return text

    def package_module(self, table: _Table, axes: Sequence[str]) -> PackageModule:
        package = table.take("package", _word, "x", required=True)
        module = table.take("module", _template((*axes, "version", "name")), "", required=True)
        family = table.take("family", _family, "")
        if module and "{version}" not in module:
            self.say((*table.key, "module"), "{version} is wanted in it, which stands for the package's")
        table.end()
        if module:
            try:
                _module_name(_PLACEHOLDER.sub("0", module))
            except _Wrong as exc:
                self.say((*table.key, "module"), f"{exc}, not {module!r}")
        return PackageModule(package, module, family)

    def check_names(self, site: Site, groups: Sequence[tuple[list[SiteEnvironment], object]]) -> None:
        """Two of one name would be one environment, or one file."""
        seen = {("module", site.base_module): "the base module"}
        for number, (group, _) in enumerate(groups):
            for environment in group:
                for what, name in (("name", environment.name), ("module", environment.module)):
                    if (what, name) in seen:
                        self.say(("environments", number, what), f"{name!r} is there already: {seen[what, name]}")
                    seen[what, name] = f"environments[{number}]"
        modules = {name for what, name in seen if what == "module"}
        for name in sorted(modules):
            if any(other.startswith(f"{name}/") for other in modules):
                self.say(("environments",), f"module {name!r} would be a file and a directory")
        directories = [name.rpartition("/")[0] for name in site.modules.defaults]
        for directory in sorted({d for d in directories if directories.count(d) > 1}):
            count = directories.count(directory)
            self.say(("modules", "defaults"), f"one default is wanted for {directory!r}, not {count}")
        known = modules | {p.module for p in site.package_modules}
        for name in site.modules.defaults:
            if name not in known and not any(_could_be(name, p.module) for p in site.package_modules):
                near = difflib.get_close_matches(name, modules, 1)
                hint = f"; did you mean {near[0]}?" if near else ""
                self.say(("modules", "defaults"), f"there is no module {name!r}{hint}")


def _could_be(name: str, template: str) -> bool:
    parts = _PLACEHOLDER.split(template)
    pattern = "".join(re.escape(part) if number % 2 == 0 else "[^/]+" for number, part in enumerate(parts))
    return re.fullmatch(pattern, name) is not None


def _check_axis(name: str) -> None:
    if not _VARIABLE.fullmatch(name) or name in ("name", "version"):
        raise _Wrong("an axis with a plain name is wanted, other than name and version")


def _template(known: Sequence[str]) -> Callable[[Any], str]:
    """A text whose braces are around a known word."""

    def check(value: Any) -> str:
        text = _text(value)
        for name in _PLACEHOLDER.findall(text):
            if name not in known:
                near = difflib.get_close_matches(name, known, 1)
                hint = f"did you mean {{{near[0]}}}?" if near else f"known: {', '.join(known) or 'none'}"
                raise _Wrong(f"{{{name}}} is no axis of the matrix ({hint}); a text with its axes is wanted")
        if set(_PLACEHOLDER.sub("", text)) & set("{}"):
            raise _Wrong("a text is wanted whose braces belong to {axis}")
        return text

    return check


def _filled(template: str, values: Mapping[str, str]) -> str:
    return _PLACEHOLDER.sub(lambda match: values[match[1]], template)


def fill_package_module(template: str, axes: Mapping[str, str], name: str, version: str) -> str | None:
    """The module's name; None for an environment without one of the axes, or a version that is no plain word."""
    values = {**axes, "name": name, "version": version}
    if any(wanted not in values for wanted in _PLACEHOLDER.findall(template)):
        return None
    try:
        return _module_name(_filled(template, values))
    except _Wrong:
        return None


def is_module_name(name: str) -> bool:
    try:
        _module_name(name)
    except _Wrong:
        return False
    return True
