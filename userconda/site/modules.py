"""Modulefiles for what a site has: made, compared with what is there, written, and removed where they are ours."""

from __future__ import annotations

import contextlib
import os
import re
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from userconda import fsops
from userconda.environments import versions_of
from userconda.errors import ModuleTreeConflict, SiteTemplateInvalid
from userconda.modulefile import Modulefile, render
from userconda.shells import find_hook, quote
from userconda.site.definition import Site, SiteEnvironment, fill_package_module, is_module_name

#: How many packages `module spider` finds, and which it does not: all there are would be hundreds of libraries.
_MAIN: Final = 40
_LIBRARY: Final = re.compile(
    r"_.*|lib.*|.*-(abi|base|devel|impl|mutex|runtime)|ca-certificates|openssl|ncurses|readline"
)


@dataclass(frozen=True, slots=True)
class Change:
    """One file of the tree.

    Attributes:
        action: written, replaced, removed, same, or kept (of an environment that is not there now).
        path: below the tree.
    """

    action: str
    path: str
    text: str = ""

    def to_json(self) -> dict[str, Any]:
        return {"action": self.action, "path": self.path}


@dataclass(frozen=True, slots=True)
class ModulesPlan:
    tree: str
    changes: tuple[Change, ...]
    notes: tuple[str, ...] = ()


def calls(
    name: str, conda_root: str, hooks: str, prefix: str | None, setenv: Mapping[str, str]
) -> dict[str, tuple[str, str]]:
    """Kind of shell -> what it evaluates at load, and at unload.

    Words that the module brings into a shell go with its unload: a variable that is not exported notes that they were
    not there before. In csh, where asking for an alias starts a process, the file that acts does that itself.

    Raises:
        UnquotableValue: a shell would see another path.
    """
    made = {}
    for kind, shell in (("sh", "bash"), ("csh", "tcsh"), ("fish", "fish")):
        settings = [word for item in setenv.items() for word in ("--set", "=".join(item))]
        words = ["--module", name, "--conda", conda_root, *settings, *([prefix] if prefix else [])]
        load, unload = " ".join(quote(shell, word) for word in words), f"--module {quote(shell, name)}"
        if kind == "csh":
            load = " ".join(["--encoded", *(_encoded(word) for word in words)])
            file = quote(shell, os.path.join(hooks, "ucenv-act.csh"))
            made[kind] = (f"source {file} load {load}", f"source {file} unload {unload}")
            continue
        file = quote(shell, os.path.join(hooks, f"ucenv.{kind}"))
        # The words that are there may be of an older hook: a load brings its own, an unload takes what has loaded.
        if kind == "sh":
            start = f"\\command -v ucenv_load >/dev/null 2>&1 || __ucenv_brought=1; \\. {file}"
            again = f"\\command -v ucenv_unload >/dev/null 2>&1 || {{ __ucenv_brought=1; \\. {file}; }}"
        else:
            start = f"functions -q ucenv_load; or set -g __ucenv_brought 1; source {file}"
            again = f"functions -q ucenv_unload; or begin; set -g __ucenv_brought 1; source {file}; end"
        made[kind] = (f"{start}; ucenv_load {load}", f"{again}; ucenv_unload {unload}")
    return made


#: As ucenv-act.csh writes what tcsh could take for its own.
_ENCODED: Final = dict(zip("% \t\n()*?[]{}^~\\'\"`$!#&;|<>,", "pstnlraqbeochwkiugdxmyzvjfC", strict=True))


def _encoded(word: str) -> str:
    """A word that no quoting has to hold together: module systems put it through tcsh's backquotes, and there even a
    quoted brace without its other one is an error."""
    return "".join(f"%{_ENCODED[c]}" if c in _ENCODED else c for c in word)


def hook_directory(site: Site) -> str:
    """Where the files are that modulefiles source.

    Raises:
        HookMissing: they were not installed with ucenv.
    """
    hooks = os.path.dirname(find_hook("bash", site.root))
    if os.path.basename(hooks) == "profile.d":  # ucenv-act.csh is never there
        hooks = os.path.join(os.path.dirname(os.path.dirname(hooks)), "share", "ucenv", "shell")
    return hooks


def hook_problems(site: Site) -> list[str]:
    """Files that modulefiles source and that are not there, or older than the words used in them."""
    words, found = ("--module", "--conda", "--set"), []
    for name, needed in (("ucenv.sh", words), ("ucenv.fish", words), ("ucenv-act.csh", (*words, "--encoded"))):
        path = os.path.join(hook_directory(site), name)
        text = _read(path)
        if text is None:
            found.append(f"{path} is missing")
        elif missing := [word for word in needed if word not in text]:
            found.append(f"{path} cannot be read, or is older than the modulefiles: it has no {', '.join(missing)}")
    return found


# what there is to say -------------------------------------------------------------------------------------------


def modulefiles(site: Site, *, expose_all: bool) -> tuple[list[Modulefile], list[str]]:
    """Every modulefile that a site has, base first; and what could not be had, in words.

    Args:
        expose_all: environments too that the file does not name.
    """
    hooks = hook_directory(site)
    notes: list[str] = []
    made = [_base(site, hooks)]
    environments = [*site.environments, *(_unnamed(site, notes) if expose_all else ())]
    packages: dict[str, str] = {}
    for environment in environments:
        prefix = site.prefix(environment.name)
        versions = versions_of(prefix)
        if versions is None:
            notes.append(f"{environment.name} is not there: no module {environment.module} is made")
            continue
        made.append(_environment(site, hooks, environment, versions))
        for wanted in site.package_modules:
            if wanted.package not in versions:
                continue
            version = versions[wanted.package]
            name = fill_package_module(wanted.module, environment.axes, environment.name, version)
            if name is None:
                continue
            if name in packages:
                notes.append(f"{name} is that of {packages[name]}; {environment.name} has the same version")
                continue
            packages[name] = environment.name
            made.append(
                Modulefile(
                    name, site.root, hooks, {},
                    depends_on=environment.module, family=wanted.family,
                    description=f"{wanted.package} {version}, of {environment.module}",
                    category=site.modules.category, keywords=(*site.modules.keywords, wanted.package),
                    help=f"{wanted.package} {version}, in the environment {environment.name} ({environment.module}).",
                )
            )  # fmt: skip
    for name in site.modules.defaults:
        if name not in {module.name for module in made}:
            notes.append(f"there is no module {name} to be a default")
    return made, notes


def _unnamed(site: Site, notes: list[str]) -> Iterator[SiteEnvironment]:
    """Environments made by hand, as NAME/VERSION of their Python, or of their own name where that has a version."""
    named = {environment.name for environment in site.environments}
    modules = {environment.module for environment in site.environments} | {site.base_module}
    try:
        found = sorted(os.listdir(os.path.join(site.root, "envs")))
    except FileNotFoundError:
        return
    for name in found:
        versions = versions_of(site.prefix(name))
        if name in named or name.startswith(".") or versions is None:
            continue
        module = f"{name}/{versions.get('python', '0')}"
        if is_module_name(module) and module not in modules:
            yield SiteEnvironment(name, module)
        else:
            notes.append(f"{name!r} cannot be the name of a module")


def _base(site: Site, hooks: str) -> Modulefile:
    name, setenv = site.base_module, site.modules.setenv
    text = (
        f"conda {site.version}, your environments before the system's. They are in {site.space}/envs, downloaded "
        f"packages in {site.space}/pkgs.\n\n"
        "  ucenv list                 environments you can activate\n"
        "  ucenv clone ENV mine       your own variant of one, linked where the file system lets you\n"
        "  conda create -n mine ...   a new one\n"
        "  conda activate mine\n"
    )
    return Modulefile(
        name, site.root, hooks, calls(name, site.root, hooks, None, setenv),
        family=site.modules.family, space=site.space, description=f"conda {site.version}",
        category=site.modules.category, keywords=site.modules.keywords, help=_help(site, text),
    )  # fmt: skip


def _environment(site: Site, hooks: str, environment: SiteEnvironment, versions: Mapping[str, str]) -> Modulefile:
    name, prefix = environment.module, site.prefix(environment.name)
    python = versions.get("python")
    about = environment.description or f"conda environment {environment.name}" + (
        f", Python {python}" if python else ""
    )
    text = (
        f"{about}.\n\nIt cannot be written. To add packages make your own variant, in seconds and at little cost:\n\n"
        f"  ucenv clone {environment.name} mine\n"
        "  conda activate mine\n"
        "  conda install ..., or python -m pip install ...\n\n"
        "Never use pip's --user: every environment would see it.\n"
    )
    return Modulefile(
        name, site.root, hooks, calls(name, site.root, hooks, prefix, site.modules.setenv),
        prefix=prefix, family=site.modules.family, space=site.space, description=about,
        category=site.modules.category, keywords=site.modules.keywords, help=_help(site, text),
        extensions=_main_packages(environment, versions),
    )  # fmt: skip


def _help(site: Site, text: str) -> str:
    return f"{text}\n{site.modules.help}".rstrip()


def _main_packages(environment: SiteEnvironment, versions: Mapping[str, str]) -> list[tuple[str, str]]:
    """Those that the environment was made of, else those that are no libraries."""
    asked = [re.match(r"[^=<>!~ \[]*", spec.rpartition("::")[2]) for spec in environment.packages]
    names = [match[0].lower() for match in asked if match and match[0].lower() in versions]
    names += sorted(name for name in versions if name not in names and not _LIBRARY.fullmatch(name))
    return [(name, versions[name]) for name in names[:_MAIN]]


# the tree -------------------------------------------------------------------------------------------------------


def rendered(site: Site, *, expose_all: bool) -> tuple[dict[str, str], list[str]]:
    """Path below the tree -> text, of every file that a site's tree has; and what could not be had, in words.

    Raises:
        SiteTemplateInvalid: an administrator's template with a word that there is none of.
    """
    made, notes = modulefiles(site, expose_all=expose_all)
    mark = _mark(site)
    wanted: dict[str, str] = {}
    for module in made:
        for language in site.modules.formats:
            template, file = _template(site, language)
            try:
                text = render(module, language, mark, template)
            except KeyError as exc:
                raise SiteTemplateInvalid(file, str(exc.args[0])) from None
            if mark not in text:
                raise SiteTemplateInvalid(file, "")
            wanted[module.name + (".lua" if language == "lua" else "")] = text
    for name in site.modules.defaults:
        directory = name.rpartition("/")[0]
        wanted[f"{directory}/.modulerc"] = f"#%Module1.0\n# {mark}\nmodule-version {name} default\n"
    return wanted, notes


def _mark(site: Site) -> str:
    return f"made by ucenv site modules, of {site.root}; what is changed here is lost"


def plan_modules(site: Site, *, expose_all: bool = False) -> ModulesPlan:
    """What the tree lacks, and what it has too much of.

    Raises:
        ModuleTreeConflict: a file that is not ours is where one of ours would be.
        SiteTemplateInvalid: an administrator's template with a word that there is none of.
    """
    wanted, notes = rendered(site, expose_all=expose_all)
    mark = _mark(site)
    tree = site.modules.tree
    ours, unsafe = _ours(tree, mark)
    notes += [
        f"{path} is left: other users may write the directory it is in" for path in sorted({*unsafe} - wanted.keys())
    ]
    there = {path: _read(os.path.join(tree, path)) for path in {*wanted, *ours}}
    foreign = [path for path in sorted(wanted) if (found := there[path]) is not None and mark not in found]
    if foreign:
        raise ModuleTreeConflict(tree, tuple(foreign))
    changes = [
        Change("same" if there[path] == text else "written" if there[path] is None else "replaced", path, text)
        for path, text in sorted(wanted.items())
    ]
    # An environment may be away for a while, with its filesystem or being made anew: its modules go with site.toml.
    away = [e.module for e in site.environments if versions_of(site.prefix(e.name)) is None]
    for path in sorted(there.keys() - wanted.keys()):
        waits = any(name == path.removesuffix(".lua") or name in (there[path] or "") for name in away)
        changes.append(Change("kept" if waits else "removed", path))
    return ModulesPlan(tree, tuple(changes), tuple(notes))


def execute_modules(plan: ModulesPlan) -> None:
    """Each file complete under its name at any time."""
    for change in plan.changes:
        path = os.path.join(plan.tree, change.path)
        if change.action in ("written", "replaced"):
            try:
                fsops.make_directories(os.path.dirname(path), 0o755)
            except OSError as exc:
                raise fsops.failure("making the directory", os.path.dirname(path), exc) from None
            fsops.write_file(path, change.text.encode(), 0o644)
        elif change.action == "removed":
            try:
                os.unlink(path)
            except FileNotFoundError:  # somebody was faster
                pass
            except OSError as exc:
                raise fsops.failure("removing", path, exc) from None
            _remove_empty(plan.tree, os.path.dirname(path))


def _remove_empty(tree: str, directory: str) -> None:
    while directory != tree:
        with contextlib.suppress(OSError):  # not empty: somebody else's modules are there
            os.rmdir(directory)
        directory = os.path.dirname(directory)


def _ours(tree: str, mark: str) -> tuple[list[str], list[str]]:
    """Paths below the tree of files with our mark for this conda, which stands in their first lines; and of those that
    are or lie in a directory which others may write: it could be a link to another one by the time of a removal."""
    found, unsafe, open_to_others = list[str](), list[str](), set[str]()
    trusted = {0, os.geteuid()}
    for directory, _, names in os.walk(tree):
        try:
            status = os.stat(directory) if directory == tree else os.lstat(directory)
        except OSError:  # gone since
            continue
        if directory == tree:
            trusted.add(status.st_uid)
        untrusted = status.st_uid not in trusted or status.st_mode & stat.S_IWOTH
        if untrusted or os.path.dirname(directory) in open_to_others:
            open_to_others.add(directory)
        for name in names:
            path = os.path.join(directory, name)
            # A link to one of ours (`default`) is somebody else's.
            text = None if os.path.islink(path) else _read(path, 4096)
            if text is not None and mark in text:
                (unsafe if directory in open_to_others else found).append(os.path.relpath(path, tree))
    return found, unsafe


def _read(path: str, limit_bytes: int = -1) -> str | None:
    """None where there is nothing. What is no file is not ours, whatever it is."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(descriptor, encoding="utf-8", errors="surrogateescape") as stream:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):  # a pipe would be waited for
                return ""
            return stream.read(limit_bytes)
    except FileNotFoundError:
        return None
    except OSError:  # a directory, or closed to us
        return ""


def _template(site: Site, language: str) -> tuple[str, str]:
    """The administrator's template, and where it is; an empty one where there is none."""
    if not site.modules.templates:
        return "", ""
    path = os.path.join(site.modules.templates, f"module.{language}")
    return _read(path) or "", path
