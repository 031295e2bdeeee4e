"""`ucenv usage [ENV...]`: what is charged, what is shared, what a removal would free."""

from __future__ import annotations

import argparse
import gc
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final

from userconda import report
from userconda.config import Config, read_config
from userconda.errors import UcenvError, UsageError
from userconda.models import QuotaAnswer, Skipped
from userconda.parallel import Pool
from userconda.scan import Scan, Top, scan
from userconda.scopes import Kind, Scope, closed_directories, named_scopes, own_scopes
from userconda.sharing import Amount, Charging, Figures, Mine, Unresolved, figures_of
from userconda.units import percent

EXAMPLE = "ucenv usage"

#: --sort's word -> what is compared, largest first.
SORT_KEYS: Final[dict[str, Callable[[Figures], int]]] = {
    "charged": lambda figures: figures.charged.size_bytes,
    "shared": lambda figures: figures.shared.size_bytes,
    "saved": lambda figures: figures.saved.size_bytes,
    "freed": lambda figures: figures.freed.size_bytes,
    "unique": lambda figures: figures.unique.size_bytes,
    "on-disk": lambda figures: figures.on_disk.size_bytes,
    "files": lambda figures: figures.files,
}

_AMOUNTS: Final = (
    "apparent", "on_disk", "charged", "shared", "shared_own", "unique", "freed_if_removed", "linked_outside", "saved",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class PackageRow:
    """
    Attributes:
        by: conda, pip, several (directories in which packages meet) or none (what no package owns).
    """

    name: str
    version: str
    by: str
    figures: Figures

    def to_json(self) -> dict[str, Any]:
        return {"name": self.name, "version": self.version, "by": self.by, **figures_to_json(self.figures)}


@dataclass(frozen=True, slots=True)
class Row:
    """One environment or package cache.

    Attributes:
        packages: None unless they were asked for.
    """

    scope: Scope
    figures: Figures
    packages: tuple[PackageRow, ...] | None = None

    def to_json(self) -> dict[str, Any]:
        packages = {} if self.packages is None else {"packages": [package.to_json() for package in self.packages]}
        parent = {"parent": self.scope.parent} if self.scope.kind is Kind.ENVIRONMENT else {}
        scope = {"name": self.scope.name, "prefix": self.scope.prefix}
        return {**scope, **parent, **figures_to_json(self.figures), **packages}


@dataclass(frozen=True, slots=True)
class Together:
    """What several scopes are as one: their freed figure is more than the sum of theirs.

    Attributes:
        asked: they were named on the command line; else they are what is worth most to remove together.
    """

    names: tuple[str, ...]
    figures: Figures
    with_cache: bool

    def to_json(self) -> dict[str, Any]:
        return {"names": list(self.names), "with_cache": self.with_cache, **figures_to_json(self.figures)}


@dataclass(frozen=True, slots=True)
class UsageResult:
    """
    Attributes:
        rows: what was asked for, else everything; `total` is of everything all the same.
        selected: of those named, together.
        better_together: what would free clearly more together than one by one.
        unreadable: directories; all figures are floors then.
        exit_code: 1 where a quota is fuller than --fail-over allows.
    """

    root: str
    user: str
    quotas: QuotaAnswer
    rows: tuple[Row, ...]
    total: Figures
    selected: Together | None
    better_together: Together | None
    mine: Mine
    unreadable: tuple[str, ...]
    vanished: tuple[str, ...]
    skipped: tuple[Skipped, ...]
    inodes: bool = False
    exit_code: int = 0
    warnings: tuple[str, ...] = ()

    @property
    def at_least(self) -> bool:
        return bool(self.unreadable)

    def to_json(self) -> dict[str, Any]:
        def of(kind: Kind) -> list[dict[str, Any]]:
            return [row.to_json() for row in self.rows if row.scope.kind is kind]

        return {
            "root": self.root,
            "user": self.user,
            "charged_by": self.mine.by.value,
            "quota": [reading.to_json() for reading in self.quotas.readings],
            "quota_unknown": list(self.quotas.unknown),
            "environments": of(Kind.ENVIRONMENT),
            "package_caches": of(Kind.PACKAGE_CACHE),
            "total": figures_to_json(self.total),
            "selected": self.selected.to_json() if self.selected else None,
            "at_least": self.at_least,
            "unreadable": list(self.unreadable),
            "vanished": list(self.vanished),
            "not_entered": [{"path": skipped.path, "reason": skipped.reason} for skipped in self.skipped],
        }


def figures_to_json(figures: Figures) -> dict[str, int]:
    amounts: dict[str, Amount] = {name: getattr(figures, name.removesuffix("_if_removed")) for name in _AMOUNTS}
    return {
        **{f"{name}_bytes": amount.size_bytes for name, amount in amounts.items()},
        "files": figures.files,
        "directories": figures.directories,
        **{f"{name}_inodes": amount.inodes for name, amount in amounts.items() if name != "apparent"},
    }


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("environments", metavar="ENV", nargs="*", help="only these, and what they are together")
    parser.add_argument("--with-cache", action="store_true", help="with your package caches among those")
    parser.add_argument("--tree", action="store_true", help="by package")
    parser.add_argument("--inodes", action="store_true", help="count inodes, not bytes")
    parser.add_argument("--sort", choices=["name", *SORT_KEYS], help="order of the lines (largest first)")
    parser.add_argument("--plot", metavar="FILE.svg", help="draw charged, shared and freed, for each environment")
    parser.add_argument(
        "--fail-over",
        metavar="PERCENT",
        type=percent,
        help="exit with 1 where a quota is used up to that, in bytes or files",
    )
    parser.add_argument("-q", "--quiet", action="store_true", help="print nothing unless it fails")


def run(args: argparse.Namespace) -> UsageResult:
    config = read_config({"root": args.root})
    scopes = own_scopes(config)
    named = named_scopes(args.environments, scopes, config)
    if args.with_cache and not args.environments:
        raise UsageError("--with-cache goes with environments", "`ucenv usage ENV... --with-cache`")
    # Cycles are looked for among what is kept, and nothing that is kept has any.
    gc.disable()
    count = _Count(scopes, config)
    with report.progress(enabled=not args.quiet and not args.json) as progress:
        count.scan(args.tree, lambda done: progress("counting", done, 0))
    result = count.result(named, args)
    if args.plot:
        _write_plot(result, args.plot)
    return result


class _Count:
    """Scan, quota, figures: one after the other, but for the quota, which is asked for while the workers scan."""

    def __init__(self, scopes: Sequence[Scope], config: Config) -> None:
        self._scopes = scopes
        self._config = config
        self._places = self._places_by_device()
        self._answers: dict[int, QuotaAnswer] = {}
        self._divisions: dict[int, Any] = {}
        self._notes: list[str] = []
        self._parts: list[range] = []
        self._scan = Scan()
        self._scan_again: Callable[..., Scan] = scan

    def scan(self, tree: bool, on_tick: Callable[[int], None]) -> None:
        tops = []
        for number, scope in enumerate(self._scopes):
            first = self._parts[-1].stop if self._parts else 0
            division = self._division(scope, first) if tree else None
            self._divisions[number] = division
            self._parts.append(range(first, first + (len(division.parts) if division else 1)))
            tops.append(Top(scope.prefix, first, division))
        pool, in_flight = Pool(self._config["operations_in_flight"]), self._config["usage.operations_in_flight"]
        self._scan_again = partial(scan, tops, pool, in_flight=in_flight, on_tick=on_tick)
        self._scan = self._scan_again(meanwhile=self._read_quotas)
        if not self._scan.projects_known and self._charged_by_projects():
            self._scan = self._scan_again(projects=True)

    def _division(self, scope: Scope, first: int) -> Any:
        """None, with a note, where the records do not tell."""
        from userconda.division import CacheDivision, EnvironmentDivision

        try:
            if scope.kind is Kind.PACKAGE_CACHE:
                return CacheDivision(scope.prefix, first)
            return EnvironmentDivision(scope.prefix, first)
        except UcenvError as exc:
            self._notes.append(f"{scope.name} is not shown by package: {exc.message}")
            return None

    def _places_by_device(self) -> dict[int, str]:
        """A directory on each filesystem that something is counted on, the user's space first."""
        places: dict[int, str] = {}
        for path in (self._config.root, *(scope.prefix for scope in self._scopes)):
            places.setdefault(_device_of(path), path)
        return places

    def _read_quotas(self) -> None:
        from userconda.quota import read_quotas

        for device, path in self._places.items():
            self._answers[device] = read_quotas(path, self._config)

    def _mine(self) -> dict[int, Mine]:
        """Device -> who is charged there."""
        from userconda.quota import charged_to

        devices = (*self._places, *self._scan.table.all_devices())
        return {device: charged_to(self._answers.get(device, QuotaAnswer())) for device in devices}

    def _charged_by_projects(self) -> bool:
        return any(mine.by is Charging.PROJECT and mine.number for mine in self._mine().values())

    # results ----------------------------------------------------------------------------------------------------

    def result(self, named: Sequence[int], args: argparse.Namespace) -> UsageResult:
        caches = [number for number, scope in enumerate(self._scopes) if scope.kind is Kind.PACKAGE_CACHE]
        selected = [*named, *(caches if args.with_cache else ())]
        own = [number for number, scope in enumerate(self._scopes) if scope.own or number in selected]
        groups: dict[object, Sequence[int]] = {"total": own, "selected": selected}
        groups |= {number: [number] for number in own}
        groups |= {(number, cache): [number, cache] for number in own for cache in caches if number != cache}
        figures = self._figures(groups)
        quotas = sum(self._answers.values(), QuotaAnswer())
        rows = tuple(self._row(number, figures) for number in (selected or own))
        return UsageResult(
            root=self._config.root,
            user=_user_name(),
            quotas=quotas,
            rows=_sorted(rows, args.sort),
            total=figures["total"],
            selected=Together(self._names(named), figures["selected"], args.with_cache) if selected else None,
            better_together=None if selected else self._better_together(own, caches, figures),
            mine=next(iter(self._mine().values())),
            unreadable=(*closed_directories(self._config), *self._scan.unreadable),
            vanished=tuple(self._scan.vanished),
            skipped=tuple(self._scan.skipped),
            inodes=args.inodes,
            exit_code=int(args.fail_over is not None and quotas.reaches(args.fail_over)),
            warnings=(*self._notes, *quotas.unknown),
        )

    def _figures(self, groups: dict[object, Sequence[int]]) -> dict[object, Figures]:
        parts: dict[object, list[int]] = {
            group: [part for number in numbers for part in self._parts[number]] for group, numbers in groups.items()
        }
        for number, division in self._divisions.items():
            if division is not None:
                parts |= {("part", part): [part] for part in self._parts[number]}
        # The package cache bears what environments share with it.
        order = sorted(range(len(self._scopes)), key=lambda number: self._scopes[number].kind is Kind.ENVIRONMENT)
        scopes = [self._parts[number] for number in order]
        try:
            return figures_of(self._scan.table, parts, scopes, self._mine())
        except Unresolved:
            self._scan = self._scan_again(trust=False, projects=self._charged_by_projects() or None)
            return figures_of(self._scan.table, parts, scopes, self._mine())

    def _row(self, number: int, figures: dict[object, Figures]) -> Row:
        division, packages = self._divisions[number], None
        if division is not None:
            found = (
                (part, figures["part", place]) for part, place in zip(division.parts, self._parts[number], strict=True)
            )
            packages = tuple(
                PackageRow(part.name, part.version, part.by, its) for part, its in found if its.files or its.directories
            )
        return Row(self._scopes[number], figures[number], packages)

    def _names(self, numbers: Sequence[int]) -> tuple[str, ...]:
        return tuple(self._scopes[number].name for number in numbers)

    def _better_together(
        self, own: Sequence[int], caches: Sequence[int], figures: dict[object, Figures]
    ) -> Together | None:
        """The environment that, removed with the cache, frees most beyond what the two free alone."""
        best, most = None, 0
        for cache in caches if len(caches) == 1 else ():
            for number in own:
                if number != cache:
                    pair = figures[number, cache].freed.size_bytes
                    gain = pair - figures[number].freed.size_bytes - figures[cache].freed.size_bytes
                    if gain > max(most, pair // 20):
                        best, most = Together(self._names([number]), figures[number, cache], True), gain
        return best


def _sorted(rows: Sequence[Row], key: str | None) -> tuple[Row, ...]:
    def ordered(items: Sequence[Any], name: Callable[[Any], str]) -> list[Any]:
        if key == "name":
            return sorted(items, key=lambda item: name(item).lower())
        return sorted(items, key=lambda item: SORT_KEYS[key or "charged"](item.figures), reverse=True)

    if key is not None:
        rows = ordered(rows, lambda row: str(row.scope.name))
    return tuple(
        replace(row, packages=tuple(ordered(row.packages, lambda package: str(package.name))))
        if row.packages is not None
        else row
        for row in rows
    )


def _device_of(path: str) -> int:
    """Of the path, or of what is above it where it is not made yet, or closed."""
    while True:
        try:
            return os.stat(path).st_dev
        except OSError:
            if path == os.path.dirname(path):
                raise
            path = os.path.dirname(path)


def _user_name() -> str:
    from userconda.probe import owner_name

    return owner_name(os.geteuid())


def _write_plot(result: UsageResult, path: str) -> None:
    from userconda import fsops
    from userconda.report.plot import plot

    fsops.write_file(os.path.abspath(path), plot(result).encode("utf-8", "backslashreplace"))
