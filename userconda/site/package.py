"""The module tree as a package: rpm, deb or tar, for nodes that have a tree of their own.

Packed is what the site's file asks for, not what lies in the tree. The same content makes the same bytes: all of it
belongs to root, and every time in the package is one.
"""

from __future__ import annotations

import gzip
import io
import os
import re
import shutil
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import userconda
from userconda import fsops
from userconda.errors import ProgramFailed, ProgramMissing, UsageError
from userconda.site.definition import Site
from userconda.site.modules import rendered

FORMATS: Final = ("rpm", "deb", "tar")

#: rpm's list of files has quotes, patterns, macros and directives, in other ways in other versions.
_RPM_PATH: Final = re.compile(r"/[A-Za-z0-9_./+@=~,-]*")


@dataclass(frozen=True, slots=True)
class PackagePlan:
    """
    Attributes:
        tree: where the files go when the package is installed.
        texts: path below the tree -> text.
        time: of everything in the package, in seconds since the epoch.
    """

    format: str
    name: str
    version: str
    release: str
    maintainer: str
    summary: str
    tree: str
    texts: Mapping[str, str]
    time: int
    notes: tuple[str, ...] = ()

    @property
    def file_name(self) -> str:
        """As the format's own tools name their packages."""
        version = f"{self.version}-{self.release}"
        return {
            "deb": f"{self.name}_{version}_all.deb",
            "rpm": f"{self.name}-{version}.noarch.rpm",
            "tar": f"{self.name}-{version}.tar.gz",
        }[self.format]

    @property
    def paths(self) -> list[str]:
        return [os.path.join(self.tree, path) for path in sorted(self.texts)]

    @property
    def directories(self) -> list[str]:
        """Those below the tree: they come and go with the package, the tree itself may be everybody's."""
        found = {parent for path in self.texts for parent in _parents(path)}
        return [os.path.join(self.tree, directory) for directory in sorted(found)]


def _parents(path: str) -> Iterator[str]:
    while path := os.path.dirname(path):
        yield path


def plan_package(site: Site, kind: str, *, source_date_epoch: str = "", expose_all: bool = False) -> PackagePlan:
    """What would be packed, and as what.

    Without a version in the site's file the package has conda's, and for a release the time of the last change to what
    the modulefiles are made of: it grows with each change, and is the same for who packs twice.

    Args:
        kind: rpm, deb or tar.
        source_date_epoch: seconds since 1970 instead of that time, as packaging tools take them from the environment.

    Raises:
        UsageError: that is no time, or a path cannot be said in this kind of package.
        SiteTemplateInvalid: as for `plan_modules`.
    """
    texts, notes = rendered(site, expose_all=expose_all)
    if not re.fullmatch(r"[0-9]{0,11}", source_date_epoch):
        raise UsageError(f"SOURCE_DATE_EPOCH is {source_date_epoch!r}: a number of seconds is wanted")
    moment = int(source_date_epoch) if source_date_epoch else _last_change(site)
    package = site.package
    plan = PackagePlan(
        kind,
        package.name,
        package.version or _as_version(site.version),
        package.release or time.strftime("%Y%m%d%H%M%S", time.gmtime(moment)),
        package.maintainer,
        f"Environment modules for the conda in {site.root}",
        site.modules.tree,
        texts,
        moment,
        tuple(notes),
    )
    unsayable = [path for path in plan.paths if kind == "rpm" and not _RPM_PATH.fullmatch(path)]
    unsayable += [path for path in plan.paths if kind == "deb" and path.startswith("/DEBIAN/")]
    if unsayable:
        raise UsageError(
            f"{unsayable[0]!r} cannot be in a package of the kind {kind}",
            "give modules.tree another path, or pack a tar",
        )
    return plan


def _as_version(version: str) -> str:
    """conda's version as rpm and dpkg both take one."""
    plain = re.sub(r"[-_]", ".", version)
    return plain if plain[0].isdigit() else f"0.{plain}"


def _last_change(site: Site) -> int:
    """When the last of what modulefiles are made of came to be as it is: the site's file, its environments' packages,
    an administrator's templates, and ucenv. Not the time that a file says of itself: an older one can come later."""
    made_of = [site.path, os.path.join(site.root, "envs"), os.path.dirname(userconda.__file__)]
    made_of += [os.path.join(site.prefix(environment.name), "conda-meta") for environment in site.environments]
    if site.modules.templates:
        made_of += [site.modules.templates]
        made_of += [os.path.join(site.modules.templates, f"module.{language}") for language in site.modules.formats]
    times = [0.0]
    for path in made_of:
        try:
            times.append(os.stat(path).st_ctime)
        except OSError:  # not there yet; its coming will be a change
            continue
    return int(max(times))


# building -------------------------------------------------------------------------------------------------------


def build(plan: PackagePlan, search_path: str) -> bytes:
    """The package. The same plan gives the same bytes, with the same tools.

    Args:
        search_path: PATH, for dpkg-deb and rpmbuild.

    Raises:
        ProgramMissing, ProgramFailed.
    """
    return _BUILDERS[plan.format](plan, search_path)


def publish(path: str, data: bytes) -> str:
    """Give the package its name, unless it is there already; returns what was done: written, replaced or same."""
    try:
        with open(path, "rb") as stream:
            if stream.read() == data:
                return "same"
        done = "replaced"
    except FileNotFoundError:
        done = "written"
    except OSError as exc:
        raise fsops.failure("reading", path, exc) from None
    try:
        fsops.make_directories(os.path.dirname(path))
    except OSError as exc:
        raise fsops.failure("making the directory", os.path.dirname(path), exc) from None
    fsops.write_file(path, data)
    return done


def _build_tar(plan: PackagePlan, _: str) -> bytes:
    """To be unpacked in `/`. Directories above the tree are not in it: tar would change those that are there."""
    packed = io.BytesIO()
    with (
        gzip.GzipFile("", "wb", 9, packed, mtime=plan.time) as compressed,
        tarfile.open(fileobj=compressed, mode="w", format=tarfile.PAX_FORMAT) as archive,
    ):
        for directory in plan.directories:
            entry = _entry(plan, directory, 0o755)
            entry.type = tarfile.DIRTYPE
            archive.addfile(entry)
        for path, text in sorted(plan.texts.items()):
            data = text.encode()
            entry = _entry(plan, os.path.join(plan.tree, path), 0o644)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return packed.getvalue()


def _entry(plan: PackagePlan, path: str, mode: int) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(path.lstrip("/"))
    entry.uname = entry.gname = "root"
    entry.mode, entry.mtime = mode, plan.time
    return entry


def _build_deb(plan: PackagePlan, search_path: str) -> bytes:
    with tempfile.TemporaryDirectory(prefix="ucenv-package.") as work:
        root = os.path.join(work, "root")
        _lay_out(plan, root)
        control = (
            f"Package: {plan.name}\nVersion: {plan.version}-{plan.release}\nArchitecture: all\n"
            f"Maintainer: {plan.maintainer}\nSection: admin\nPriority: optional\nDescription: {plan.summary}\n"
        )
        _write(os.path.join(root, "DEBIAN", "control"), control, plan.time)
        _set_times(root, plan.time)
        made = os.path.join(work, "made.deb")
        # Not every dpkg reads what newer ones compress with by default.
        words = ["--root-owner-group", "-Zxz", "--build", root, made]
        _run(plan, search_path, "dpkg-deb", "dpkg", words, work, {})
        with open(made, "rb") as stream:
            return stream.read()


#: Of the machine that builds, nothing: no name, no time, no steps of its distribution over the files, no compression
#: that an older rpm cannot read.
_RPM_MACROS: Final = {
    "_buildhost": "localhost",
    "use_source_date_epoch_as_buildtime": "1",
    "clamp_mtime_to_source_date_epoch": "1",
    "_build_id_links": "none",
    "debug_package": "%{nil}",
    "__os_install_post": "%{nil}",
    "_binary_payload": "w6.xzdio",
    "_binary_filedigest_algorithm": "8",
}


def _build_rpm(plan: PackagePlan, search_path: str) -> bytes:
    with tempfile.TemporaryDirectory(prefix="ucenv-package.") as work:
        root, spec = os.path.join(work, "root"), os.path.join(work, "package.spec")
        _lay_out(plan, root)
        _set_times(root, plan.time)
        files = [f"%dir {path}" for path in plan.directories] + plan.paths
        lines = (
            *(f"%global {name} {value}" for name, value in _RPM_MACROS.items()),
            f"Name: {plan.name}",
            f"Version: {plan.version}",
            f"Release: {plan.release}",
            f"Summary: {_literal(plan.summary)}",
            "License: Unspecified",
            f"Packager: {_literal(plan.maintainer)}",
            "BuildArch: noarch",
            "AutoReqProv: no",
            "%description",
            f"{_literal(plan.summary)}.",
            "%install",
            'mkdir -p "$RPM_BUILD_ROOT" && cp -Rp "$UCENV_PACKAGE/." "$RPM_BUILD_ROOT/"',
            "%files",
            "%defattr(0644,root,root,0755)",
            *files,
        )
        _write(spec, "\n".join(lines) + "\n", plan.time)
        words = ["-bb", "--quiet", "--nodeps", "--define", f"_topdir {work}/rpm", "--define", f"_rpmdir {work}/made"]
        words += ["--define", "_build_name_fmt made.rpm", "--define", f"_dbpath {work}/db", spec]
        _run(plan, search_path, "rpmbuild", "rpm-build (Debian, Ubuntu: rpm)", words, work, {"UCENV_PACKAGE": root})
        with open(os.path.join(work, "made", "made.rpm"), "rb") as stream:
            return stream.read()


def _literal(text: str) -> str:
    """A text of a spec file in which no macro is expanded."""
    return text.replace("%", "%%")


_BUILDERS: Final[dict[str, Callable[[PackagePlan, str], bytes]]] = {
    "rpm": _build_rpm,
    "deb": _build_deb,
    "tar": _build_tar,
}


def _lay_out(plan: PackagePlan, root: str) -> None:
    """The files below `root` as they are to be below `/`. Whatever the umask: everybody may read them there."""
    for path, text in plan.texts.items():
        _write(f"{root}{os.path.join(plan.tree, path)}", text, plan.time)


def _write(path: str, text: str, moment: int) -> None:
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8", newline="") as stream:
        stream.write(text)
    os.chmod(path, 0o644)
    os.utime(path, (moment, moment))


def _set_times(root: str, moment: int) -> None:
    for directory, _, _ in os.walk(root, topdown=False):
        os.chmod(directory, 0o755)
        os.utime(directory, (moment, moment))


def _run(
    plan: PackagePlan,
    search_path: str,
    program: str,
    package: str,
    words: list[str],
    work: str,
    variables: Mapping[str, Any],
) -> None:
    """A packaging tool, without its user's settings.

    Raises:
        ProgramMissing, ProgramFailed.
    """
    path = shutil.which(program, path=search_path)
    if path is None:
        raise ProgramMissing(program, package, f"builds a package of the kind {plan.format}")
    environment = {"PATH": search_path, "HOME": work, "LC_ALL": "C.UTF-8", "SOURCE_DATE_EPOCH": str(plan.time)}
    done = subprocess.run(
        [path, *words], env={**environment, **variables}, cwd=work, stdin=subprocess.DEVNULL, capture_output=True
    )
    if done.returncode:
        raise ProgramFailed(program, done.returncode, done.stderr.decode(errors="backslashreplace").strip())
