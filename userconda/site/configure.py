"""What `[condarc]` and `[pins]` of site.toml make of a conda's files, and who may read them.

The root's `.condarc` gets the keys of `[condarc]`; what else is in it stays. Which of its keys were written from
site.toml, and with which value, is noted in `<root>/etc/ucenv/configured.json`, as digests, since a channel's address
may hold a password: so a key that site.toml has no more is taken out again, and one that somebody has changed is known.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from userconda import condarc, fsops
from userconda.errors import FileOperation, FileRefused, SiteFileInvalid, SiteFileProblem
from userconda.locks import is_named_after_dead
from userconda.site.definition import Key, Site, line_of
from userconda.site.edits import FileEdit, encode, read_text
from userconda.site.permissions import PermissionsPlan, execute_permissions, plan_permissions
from userconda.site.pins import pin_specs, plan_pinned
from userconda.site.settings import Conda, CondaUnusable, problems_of_types
from userconda.units import hide_secrets

PINNED: Final = "pinned_packages"
_NOTE: Final = os.path.join("etc", "ucenv", "configured.json")
_TRIES: Final = 3
_LISTED: Final = 5
_UNFINISHED: Final = re.compile(r"(?:\.condarc|configured\.json|pinned)\..+\.[0-9]+\.tmp")


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that differs.

    Attributes:
        action: of a key: set, changed, overwritten (somebody had changed what we wrote, or written it before us),
            removed, left (site.toml has it no more, and it is not as we wrote it); of a `pinned`: pinned; of
            permissions: opened; of what a killed run has left: cleared.
    """

    action: str
    path: str
    what: str

    def to_json(self) -> dict[str, Any]:
        return dataclasses.asdict(self)


@dataclass(frozen=True, slots=True)
class ConfigurePlan:
    """
    Attributes:
        edits: in the order in which they are made.
        unvalidated: why no conda was asked about the settings; empty where one was, or none had to be.
    """

    root: str
    changes: tuple[Change, ...] = ()
    edits: tuple[FileEdit, ...] = ()
    permissions: PermissionsPlan | None = None
    warnings: tuple[str, ...] = ()
    unvalidated: str = ""

    @property
    def differs(self) -> bool:
        return any(change.action != "left" for change in self.changes)


# what is wanted -------------------------------------------------------------------------------------------------


def validate(site: Site, text: str) -> tuple[dict[str, str], str]:
    """Have the conda at hand judge `[condarc]` and `[pins]`.

    Args:
        text: of site.toml, for the lines.

    Returns:
        alias -> name, of all settings of that conda; and why there was none to ask, "" where there was.

    Raises:
        SiteFileInvalid: with all that is wrong.
    """
    found = list(problems_of_types(site.condarc, ("condarc",)))
    if site.pins and PINNED in site.condarc:
        found.append((("condarc", PINNED), "[pins] is this too: say all of it there"))
    aliases, why = dict[str, str](), ""
    if not found:
        try:
            conda = Conda(site.root)
            aliases = conda.aliases
            wanted = {**site.condarc, **({PINNED: pin_specs(site.pins)} if site.pins else {})}
            for key, said in conda.problems(wanted, _now(site.root, aliases)):
                found.append((("pins",) if key == PINNED and site.pins else ("condarc", key), said))
        except CondaUnusable as exc:
            why = str(exc)
    _raise(site, text, found)
    return aliases, why


def _raise(site: Site, text: str, found: Sequence[tuple[Key, str]]) -> None:
    if found:
        problems = [SiteFileProblem(line_of(text, key), ".".join(map(str, key)), said) for key, said in found]
        raise SiteFileInvalid(site.path, tuple(sorted(problems, key=lambda problem: problem.line)))


def _now(root: str, aliases: Mapping[str, str]) -> dict[str, Any]:
    text, _, _ = read_text(os.path.join(root, ".condarc"))
    try:
        return {aliases.get(entry.key, entry.key): entry.value for entry in condarc.read_entries(text)}
    except condarc.NotPlain:
        return {}


# the plan -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Note:
    """What was written from site.toml, or was about to be.

    Attributes:
        digests: of the values, by the key that conda prefers.
        aliases: other names of settings, as the conda had them then.
    """

    digests: Mapping[str, Sequence[str]] = field(default_factory=dict)
    aliases: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def parse(cls, text: str) -> _Note:
        """An empty one of what is no note of ours: then nothing is known for ours, and nothing removed."""
        try:
            document = json.loads(text)
            digests = {str(key): [str(one) for one in value] for key, value in document["condarc"].items()}
            return cls(digests, {str(key): str(value) for key, value in document["aliases"].items()})
        except (ValueError, KeyError, TypeError, AttributeError):
            return cls()

    def data(self) -> bytes:
        about = "written by `ucenv site configure`: digests of the values that .condarc has from site.toml"
        document = {"about": about, "condarc": self.digests, "aliases": self.aliases}
        return (json.dumps(document, indent=1) + "\n").encode()

    def name(self, key: str) -> str:
        return self.aliases.get(key, key)

    def wrote(self, name: str, value: Any) -> bool:
        return _digest(value) in self.digests.get(name, ())


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:32]


def plan_configure(
    site: Site, aliases: Mapping[str, str] | None = None, unvalidated: str = "", *, permissions: bool = True
) -> ConfigurePlan:
    """What differs from site.toml. Nothing is written and no process started.

    Args:
        aliases: other names of settings, as `validate` gives them; None: those noted at the last run.
        permissions: look at those of every file.

    Raises:
        FileRefused: a file that would have to change is written in a way that is not understood.
        FileOperation: something cannot be read.
    """
    permissions_plan = plan_permissions(site.root) if permissions else None
    changes, edits, warnings = _plan_condarc(site, aliases)
    for environment in site.environments:
        prefix = site.prefix(environment.name)
        if os.path.isdir(os.path.join(prefix, "conda-meta")):
            edit, left_out = plan_pinned(prefix, site.pins)
            warnings += left_out
            if edit:
                edits.append(edit)
                what = ", ".join(pin_specs(site.pins)) or "no pins from site.toml any more"
                changes.append(Change("pinned", edit.path, what))
    if permissions_plan:
        for opened in permissions_plan.opened:
            what = f"{opened.mode:04o} -> {opened.wanted:04o}"
            changes.append(Change("opened", os.path.join(site.root, opened.path).rstrip("/"), what))
        warnings += _permission_warnings(permissions_plan)
    return ConfigurePlan(site.root, tuple(changes), tuple(edits), permissions_plan, tuple(warnings), unvalidated)


def _plan_condarc(site: Site, aliases: Mapping[str, str] | None) -> tuple[list[Change], list[FileEdit], list[str]]:
    note_text, note_path, note_status = read_text(os.path.join(site.root, _NOTE))
    note = _Note.parse(note_text)
    if aliases:
        note = dataclasses.replace(note, aliases=dict(aliases))
    wanted = {note.name(key): value for key, value in site.condarc.items()}
    if site.pins:
        wanted[PINNED] = pin_specs(site.pins)
    path = os.path.join(site.root, ".condarc")
    text, target, status = read_text(path)
    try:
        there: dict[str, list[condarc.Entry]] = {}
        for entry in condarc.read_entries(text):
            there.setdefault(note.name(entry.key), []).append(entry)
        changes = list(_key_changes(path, wanted, there, note))
        names = {action: {c.what.partition(":")[0] for c in changes if c.action == action} for action in _ACTIONS}
        replaced = {name: wanted[name] for name in wanted if any(name in names[action] for action in _ACTIONS[:3])}
        new = condarc.edit(text, replaced, names["removed"], note.name)
    except condarc.NotPlain as exc:
        raise FileRefused(path, exc.line, exc.reason) from None
    edits = list(_unfinished(site))
    changes += [Change("cleared", edit.path, "left by a run that was killed") for edit in edits]
    # What is ours in the file now, and what is about to be: told apart from the hand of others also where a run ends
    # between the two files.
    ours = {name: [e.value for e in found if note.wrote(name, e.value)] for name, found in there.items()}
    ours = {name: values for name, values in ours.items() if values}
    for name, value in replaced.items():
        ours.setdefault(name, []).append(value)
    after = dataclasses.replace(note, digests={name: sorted({*map(_digest, ours[name])}) for name in sorted(ours)})
    if (new != text or names["left"]) and after.data() != note_text.encode("utf-8", "surrogateescape"):
        edits.append(FileEdit(note_path, after.data(), note_status, 0o444))
    if new != text:
        edits.append(FileEdit(target, encode(new), status, 0o444))
    warnings = []
    if hide_secrets(new) != new:
        warnings.append(f"{path} holds a password or token, for all to read: conda fails for whoever cannot read it")
    return changes, edits, [*warnings, *_read_later(site.root, wanted, note)]


#: Of keys; the first three write one.
_ACTIONS: Final = ("set", "changed", "overwritten", "removed", "left")


def _key_changes(
    path: str, wanted: Mapping[str, Any], there: Mapping[str, Sequence[condarc.Entry]], note: _Note
) -> Iterator[Change]:
    for name, value in wanted.items():
        found = there.get(name, ())
        for entry in found:
            if entry.odd:  # it cannot be compared
                raise entry.odd
        if not found:
            yield Change("set", path, f"{name}: {shown(value)}")
        elif len(found) > 1 or not condarc.same(value, found[0].value):
            action = "changed" if all(note.wrote(name, entry.value) for entry in found) else "overwritten"
            before = " and ".join(shown(entry.value) for entry in found)
            yield Change(action, path, f"{name}: {before} -> {shown(value)}")
    for name in note.digests:
        for entry in there.get(name, ()) if name not in wanted else ():
            if entry.odd is None and note.wrote(name, entry.value):
                yield Change("removed", path, f"{name}: {shown(entry.value)}")
            else:
                yield Change("left", path, f"{name}: {shown(entry.value)}")


def shown(value: Any) -> str:
    """A value in one line, without passwords and tokens."""
    text = hide_secrets(json.dumps(value, ensure_ascii=False))  # before a cut, which could take the sign of one away
    return text if len(text) <= 300 else f"{text[:300]}..."


def _read_later(root: str, wanted: Mapping[str, Any], note: _Note) -> Iterator[str]:
    """Files of the same root that conda reads after `.condarc`."""
    directory = os.path.join(root, "condarc.d")
    try:
        names = sorted(name for name in os.listdir(directory) if name.endswith((".yml", ".yaml")))
    except OSError:
        names = []
    for path in (os.path.join(root, "condarc"), *(os.path.join(directory, name) for name in names)):
        try:
            keys = {note.name(entry.key) for entry in condarc.read_entries(read_text(path)[0])}
        except (condarc.NotPlain, FileRefused, FileOperation):  # conda's to complain of
            continue
        if both := [name for name in wanted if name in keys]:
            yield f"{path} is read after .condarc and has {', '.join(both)} too"


def _unfinished(site: Site) -> Iterator[FileEdit]:
    """What a killed run has left beside the files that it was to replace."""
    prefixes = [os.path.join(site.prefix(environment.name), "conda-meta") for environment in site.environments]
    for directory in (site.root, os.path.join(site.root, os.path.dirname(_NOTE)), *prefixes):
        try:
            names = os.listdir(directory)
        except OSError:  # not there yet
            continue
        for name in sorted(names):
            path = os.path.join(directory, name)
            if _UNFINISHED.fullmatch(name) and is_named_after_dead(path):
                with contextlib.suppress(FileNotFoundError):  # another run clears it
                    yield FileEdit(path, None, os.lstat(path))


def _permission_warnings(plan: PermissionsPlan) -> Iterator[str]:
    groups: dict[str, list[str]] = {}
    for path, who in plan.writable:
        groups.setdefault(f"can be written by {who}, who could change what others run", []).append(path)
    for path, owner in plan.foreign:
        groups.setdefault(f"is closed to others and {owner}", []).append(path)
    for path, why in plan.kept:
        groups.setdefault(f"stays closed: {why}", []).append(path)
    for what, paths in groups.items():
        first = ", ".join(path or "." for path in sorted(paths)[:_LISTED])
        more = f" and {len(paths) - _LISTED:,} more" if len(paths) > _LISTED else ""
        yield f"{what}: {first}{more} (below {plan.root})"


# acting ---------------------------------------------------------------------------------------------------------


def execute_configure(plan: ConfigurePlan) -> bool:
    """Each file complete under its name at any time, then the permissions.

    Returns:
        False where somebody else has changed a file meanwhile: what was written before that stays, and is right.

    Raises:
        FileOperation, NotEnoughSpace, QuotaExceeded: what was written before stays, and is right.
    """
    for edit in plan.edits:
        directory = os.path.dirname(edit.path)
        try:
            fsops.make_directories(directory)
        except OSError as exc:
            raise fsops.failure("making the directory", directory, exc) from None
        if not edit.write():
            return False
    if plan.permissions:
        execute_permissions(plan.permissions)
    return True


def configure(site: Site, text: str, *, permissions: bool = True, dry_run: bool = False) -> ConfigurePlan:
    """Validate, plan and act; again where another administrator is at it too.

    Raises:
        SiteFileInvalid: a setting is wrong; nothing was written.
        FileRefused, FileOperation, NotEnoughSpace, QuotaExceeded.
    """
    aliases, unvalidated = validate(site, text)
    for _ in range(_TRIES):
        plan = plan_configure(site, aliases, unvalidated, permissions=permissions)
        if dry_run or execute_configure(plan):
            return plan
    raise FileRefused(os.path.join(site.root, ".condarc"), 0, "somebody else is changing it, or a file beside it")
