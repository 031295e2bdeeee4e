"""Before and after a transaction of conda's: thaw what it changes in a thin clone, seed the user's package cache.

What is ours must not break conda: an error of ours is one line on stderr and the transaction goes on. The exceptions
are those where going on would do harm: a thin clone whose parent the user could write to, and a thaw that failed.

How conda (26.7, core/link.py) calls an action, which decides what is done where:

- It is constructed in `prepare()`, when nothing has been touched; an exception ends the command. `verify()` is left
  out under `safety_checks: disabled`. So what refuses a transaction is in the constructor.
- Where `execute()` raises, conda unlinks all the same, then stops and rolls back.
- The rollback calls `reverse()` of a pre-transaction action *before* the links and unlinks are taken back, and twice
  for the one that raised. A link put back at that moment would lead conda's own removals into the parent. So what was
  thawed stays thawed: the clone is correct either way.
- Post-transaction actions run after a failure too.
"""

from __future__ import annotations

import logging
import os
import sys

from conda import CondaError
from conda.core.path_actions import Action

from userconda.provenance import read_provenance

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

    from userconda.seed import Installed
    from userconda.thaw import ThawPlan

log = logging.getLogger(__name__)


def _warn(text: str) -> None:
    sys.stderr.write(f"ucenv: {text}\n")


def _refusal(text: str, hints: Sequence[str] = ()) -> CondaError:
    # CondaError formats its message with `%`.
    return CondaError("\n  ".join((f"ucenv: {text}", *hints)).replace("%", "%%"))


class _Quiet(Action):  # type: ignore[misc]  # conda has no types where this is checked
    """An action that has nothing to verify, to take back or to clean up."""

    def verify(self) -> None:
        self._verified = True

    def reverse(self) -> None:
        pass

    def cleanup(self) -> None:
        pass


def check_records(prefix: str) -> None:
    from userconda import recorded
    from userconda.errors import UcenvError

    try:
        recorded.check_records(prefix)
    except UcenvError as exc:
        raise _refusal(exc.message, exc.hints) from None


# before: thaw -----------------------------------------------------------------------------------------------------


class ThawAction(_Quiet):
    """In a thin clone: real directories where the transaction removes files or adds some, and real files where a
    library is reached that changes. Where it removes everything, the links go and nothing is thawed."""

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        super().__init__(*arguments, **keywords)
        self._plan: ThawPlan | None = None
        self._leaving: dict[str, str] = {}
        note = read_provenance(self.target_prefix)
        if note is not None and note.thin:
            self._plan = self._prepare()

    def _prepare(self) -> ThawPlan | None:
        from userconda.errors import UcenvError

        try:
            from userconda import thin

            note = thin.check_guard(self.target_prefix)
        except UcenvError as exc:
            raise _refusal(exc.message, exc.hints) from None
        except Exception as exc:  # without the guard nobody knows whose files conda would remove
            raise _refusal(f"cannot tell whether {self.target_prefix} is safe to change: {exc!r}") from exc
        if note is None:
            return None
        try:
            if self._removes_all():
                self._leaving = {path: os.path.join(note.links_to, path) for path in self._holding(note.linked)}
                return None
            return self._plan_thaw(note.links_to)
        except UcenvError as exc:
            raise _refusal(exc.message, exc.hints) from None
        except Exception as exc:  # conda fails on what stays a link, and takes everything back
            log.debug("ucenv", exc_info=True)
            _warn(f"what this transaction changes in a thin clone could not be told: {exc!r}")
            return None

    def _plan_thaw(self, links_to: str) -> ThawPlan | None:
        from userconda.cli.thaw import surroundings
        from userconda.config import read_config
        from userconda.errors import ParentGone
        from userconda.reach import find_touched
        from userconda.thaw import plan_thaw

        prefix, removed = self.target_prefix, {*self._removed()}
        touched = find_touched(prefix, links_to, removed, self._added())
        # Behind what leads nowhere there is nothing to thaw, and nothing that conda could remove.
        gone = tuple(path for path in touched.directories if not os.path.isdir(os.path.join(prefix, path)))
        if gone:
            _warn(ParentGone(prefix, links_to, gone).message)
        directories = {*touched.directories}.difference(gone)
        if not directories and not touched.paths:
            return None
        places = surroundings(read_config())
        return plan_thaw(prefix, touched.paths, directories=directories, leaving=removed, surroundings=places)

    def _removes_all(self) -> bool:
        from conda.core.prefix_data import PrefixData

        leaving = {package.name for package in self.unlink_precs or ()}
        return not self.link_precs and all(r.name in leaving for r in PrefixData(self.target_prefix).iter_records())

    def _holding(self, linked: Sequence[str]) -> set[str]:
        """The linked directories that have files of packages in them: what else is linked is not conda's to remove."""
        places, found = {*linked}, set()
        for directory in {os.path.dirname(path) for path in self._removed()}:
            while directory and directory not in places:
                directory = os.path.dirname(directory)
            found.add(directory)
        return found - {""}

    def _removed(self) -> Iterator[str]:
        from conda.core.prefix_data import PrefixData

        installed = PrefixData(self.target_prefix)
        for package in self.unlink_precs or ():
            record = installed.get(package.name, None)
            yield from record.files if record else ()

    def _added(self) -> Iterator[str]:
        """Files of the packages, and the .pyc that conda compiles beside those of noarch ones."""
        from conda.core.package_cache_data import PackageCacheData
        from conda.gateways.disk.read import read_package_info

        from userconda.records import noarch_path

        for package in self.link_precs or ():
            entry = PackageCacheData.get_entry_to_link(package)
            site_packages = self._site_packages(package)
            for path in read_package_info(package, entry).paths_data.paths:
                installed = noarch_path(path.path, site_packages)
                yield installed
                if site_packages and installed.endswith(".py"):
                    yield os.path.join(os.path.dirname(installed), "__pycache__", "pyc")

    def _site_packages(self, package: Any) -> str | None:
        return _site_packages(self.transaction_context, package)

    def execute(self) -> None:
        for path, target in self._leaving.items():
            if _leads(link := os.path.join(self.target_prefix, path), target):
                os.unlink(link)
        if self._plan is None:
            return
        from userconda.errors import UcenvError
        from userconda.thaw import execute_thaw

        try:
            execute_thaw(self._plan)
        except UcenvError as exc:
            raise _refusal(exc.message, exc.hints) from None
        except Exception as exc:
            raise _refusal(f"thawing {self.target_prefix} failed: {exc!r}") from exc

    def reverse(self) -> None:
        """Of what conda takes back after this, nothing is behind these links: it has put no file there, and what it
        renames back it has not found."""
        for path, target in self._leaving.items():
            if not os.path.lexists(link := os.path.join(self.target_prefix, path)):
                os.symlink(target, link)


def _leads(link: str, target: str) -> bool:
    try:
        return os.readlink(link) == target
    except OSError:  # thawed since
        return False


def _site_packages(transaction_context: Any, package: Any) -> str | None:
    """For a noarch Python package where its modules go; None for others."""
    noarch = getattr(package.noarch, "value", package.noarch)
    directory = transaction_context.get("target_site_packages_short_path")
    return directory if noarch == "python" and isinstance(directory, str) else None


# after: seed ------------------------------------------------------------------------------------------------------


class SeedAction(_Quiet):
    """Where packages were copied from a cache that the kernel refuses links from: these copies become entries of the
    user's own cache, by hard links, so that the next environment costs nothing.

    After, not before: conda has read which cache each file comes from when the first hook is called, and what it has
    copied by now need not be copied a second time.
    """

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        super().__init__(*arguments, **keywords)
        # Shared by all prefixes of the transaction, so this prefix' values have to be taken now.
        self._context = dict(self.transaction_context or {})

    def execute(self) -> None:
        try:
            self._seed()
        except Exception as exc:
            log.debug("ucenv", exc_info=True)
            _warn(f"the package cache was left as it is: {exc!r}")

    def _seed(self) -> None:
        candidates = [*self._candidates()] if self.link_precs else []
        if not candidates:
            return
        from userconda.errors import NotEnoughSpace, UcenvError
        from userconda.seed import LinksRefused, NotSeeded, seed, was_copied

        linked: set[tuple[str, int]] = set()
        for package, cache in candidates:
            kind = os.path.dirname(package.extracted), os.stat(package.extracted).st_uid
            try:
                if kind in linked or not was_copied(package):
                    linked.add(kind)  # what the kernel allowed for one package of theirs, it allowed for all
                    continue
                cache = cache or _new_cache(self.target_prefix)
                if cache is None:
                    return
                seed(package, cache)
            except LinksRefused as exc:
                log.info("ucenv: %s cannot be seeded: %s", cache, exc)
                return
            except NotSeeded as exc:
                log.info("ucenv: %s", exc)
            except NotEnoughSpace as exc:
                _warn(f"the package cache was left as it is: {exc.message}")
                return
            except UcenvError as exc:
                _warn(f"{os.path.basename(package.extracted)} was not put into your package cache: {exc.message}")

    def _candidates(self) -> Iterator[tuple[Installed, str | None]]:
        """Packages that came from another cache than the one that conda would look into first and can link from.

        One look-up and at most one stat a package, so that it takes no time where there is nothing to do.
        """
        from conda.base.context import context
        from conda.core.package_cache_data import PackageCacheData

        if context.always_copy or context.always_softlink:
            return
        caches = PackageCacheData.all_caches_writable_first()  # those that are not made yet are not among them
        device = os.stat(self.target_prefix).st_dev
        near = [os.stat(cache.pkgs_dir).st_dev == device for cache in caches]
        own = next((n for n, cache in enumerate(caches) if near[n] and cache.is_writable), None)
        for package in self.link_precs:
            position, entry = _entry(caches, package)
            if entry is None or (own is not None and position <= own):
                continue
            if near[position] and os.stat(entry.extracted_package_dir).st_uid == os.geteuid():
                continue
            installed = _installed(entry, self.target_prefix, _site_packages(self._context, package))
            yield installed, caches[own].pkgs_dir if own is not None else None


def _new_cache(prefix: str) -> str | None:
    """The user's own, where conda has not made it yet: it does so when it first downloads something."""
    from conda.base.context import context
    from conda.core.package_cache_data import PackageCacheData
    from conda.gateways.disk.create import create_package_cache_directory

    for path in context.pkgs_dirs:
        if PackageCacheData(path).is_writable is None and _nearest_device(path) == os.stat(prefix).st_dev:
            return path if create_package_cache_directory(path) else None
    return None


def _entry(caches: Sequence[Any], package: Any) -> tuple[int, Any]:
    """The cache entry that conda links from: the first that is extracted (PackageCacheData.get_entry_to_link)."""
    for position, cache in enumerate(caches):
        entry = cache.get(package, None)
        if entry is not None and entry.is_extracted:
            return position, entry
    return -1, None


def _nearest_device(path: str) -> int | None:
    while True:
        try:
            return os.stat(path).st_dev
        except FileNotFoundError:
            path = os.path.dirname(path)
        except OSError:
            return None


def _installed(entry: Any, prefix: str, site_packages: str | None) -> Installed:
    import json

    from conda.models.records import PackageRecord

    from userconda.seed import Installed

    record = PackageRecord.from_objects(entry).dump()
    return Installed(
        extracted=entry.extracted_package_dir,
        prefix=prefix,
        site_packages=site_packages,
        repodata_record=json.dumps(record, indent=2, sort_keys=True).encode() + b"\n",
        url=entry.get("url"),
    )
