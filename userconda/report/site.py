"""`ucenv site ...` as text."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from userconda.report.terminal import print_text
from userconda.units import format_bytes, format_count, printable

if TYPE_CHECKING:
    from userconda.cli.site.check import CheckResult
    from userconda.cli.site.configure import ConfigureResult
    from userconda.cli.site.index import IndexResult
    from userconda.cli.site.init import InitResult
    from userconda.cli.site.modules import ModulesResult
    from userconda.cli.site.package import PackageResult
    from userconda.cli.site.users import UsersResult
    from userconda.site.users import Dependents


def render_init(result: InitResult) -> None:
    would = "would be written" if result.dry_run else "written"
    print_text(f"{printable(result.path)} {would}, for {printable(result.conda_root)}")
    print_text("edit it; then `ucenv site check` tells what is to be done")


def render_modules(result: ModulesResult) -> None:
    """What changes, file by file; then the sums."""
    would = "would be " if result.dry_run else ""
    changes = result.plan.changes
    for change in changes:
        if change.action != "same":
            print_text(f"{would}{change.action}: {printable(change.path)}")
    counts = {action: sum(c.action == action for c in changes) for action in ("written", "replaced", "removed", "same")}
    said = ", ".join(f"{count:,} {action}" for action, count in counts.items() if count and action != "same")
    files = format_count(len(changes) - counts["removed"], "file")
    print_text(f"{printable(result.plan.tree)}: {files}{f' ({would}{said})' if said else ', nothing to do'}")


def render_package(result: PackageResult) -> None:
    """What was made, or what would be in it; how to install it is the package manager's."""
    plan = result.plan
    files = format_count(len(plan.paths), "file")
    where = f"{files} for {printable(plan.tree)}"
    if not result.action:
        print_text(f"would be written: {printable(result.path)}, {where}")
        for path in plan.paths:
            print_text(f"  {printable(path)}")
        return
    said = "nothing to do: it is there already" if result.action == "same" else result.action
    print_text(f"{printable(result.path)}: {said}, {where}, {format_bytes(result.size_bytes or 0)}")


def render_index(result: IndexResult) -> None:
    """A line for each environment."""
    width = max((len(printable(indexed.name)) for indexed in result.environments), default=0)
    for indexed in result.environments:
        what = f"a thin clone has {format_count(indexed.entries, 'entry')}" if indexed.entries else indexed.reason
        if indexed.uncompiled:
            what += f"; {format_count(indexed.uncompiled, 'module')} in it without .pyc: --compile makes them"
        print_text(f"{printable(indexed.name):<{width}}  {indexed.state:<10}  {printable(what)}".rstrip())
    if not result.environments:
        print_text("no environments to index")


def render_users(result: UsersResult) -> None:
    """Each environment with the clones of it; then where was looked."""
    found = result.found
    for environment in found.environments:
        module = f" ({environment.module})" if environment.module else ""
        gone = "" if environment.exists else ", which is no more"
        owners = format_count(len({clone.owner for clone in environment.clones}), "user")
        count = f"{format_count(len(environment.clones), 'clone')} of {owners}" if environment.clones else "no clones"
        print_text(f"{printable(environment.name)}{module}{gone}: {count}")
        _clones(environment)
    print_text(
        f"{format_count(sum(len(e.clones) for e in found.environments), 'clone')} among "
        f"{format_count(found.looked_at, 'environment')} in {format_count(found.spaces, 'space')}: "
        + ", ".join(map(printable, found.searched))
    )


def _clones(environment: Dependents) -> None:
    rows = []
    for clone in environment.clones:
        made = time.strftime("%Y-%m-%d", time.localtime(clone.made)) if clone.made else "?"
        remarks = [clone.how, *([f"through {clone.via}"] if clone.via else []), *([clone.state] if clone.state else [])]
        rows.append((printable(clone.owner), made, printable(clone.prefix), printable(", ".join(remarks))))
    widths = [max(len(row[column]) for row in rows) for column in range(3)] if rows else []
    for row in rows:
        print_text("  " + "  ".join(f"{cell:<{width}}" for cell, width in zip(row, [*widths, 0], strict=True)))


def render_configure(result: ConfigureResult) -> None:
    """Key by key, from what to what; permissions in a sum, with the first few."""
    would, changes = "would be " if result.dry_run else "", result.plan.changes
    opened = [change for change in changes if change.action == "opened"]
    remarks = {
        "overwritten": "  (not as ucenv had written it)",
        "left": "  (no longer in site.toml, but changed by hand since: take it out yourself if it is to go)",
    }
    for change in changes:
        if change.action != "opened":
            file = "" if change.path.endswith("/.condarc") else f"{printable(change.path)}: "
            doing = "" if change.action == "left" else would
            print_text(f"{doing}{change.action}: {file}{printable(change.what)}{remarks.get(change.action, '')}")
    for change in opened[:5]:
        print_text(f"{would}opened for everyone: {printable(change.path)} ({change.what})")
    if len(opened) > 5:
        print_text(f"{would}opened for everyone: {len(opened) - 5:,} more (--json lists them)")
    count = sum(change.action not in ("opened", "left") for change in changes)
    said = [format_count(count, "change")] if count else []
    said += [f"{format_count(len(opened), 'entry')} opened"] if opened else []
    permissions = result.plan.permissions
    looked = f" ({format_count(permissions.entries, 'entry')} looked at)" if permissions else ""
    print_text(f"{printable(result.plan.root)}: {' and '.join(said) or 'nothing to do'}{looked}")


def render_check(result: CheckResult) -> None:
    """One line where all is well; else one line a difference, under the command that mends them."""
    remarks = format_count(len(result.remarks), "remark")
    remarks = f" ({remarks}: ucenv site check --json)" if result.remarks else ""
    if not result.differences:
        print_text(f"{printable(result.root)} is as {printable(result.path)} says{remarks}")
        return
    shown = 20
    for area in dict.fromkeys(difference.area for difference in result.differences):
        found = [difference for difference in result.differences if difference.area == area]
        for mend in dict.fromkeys(difference.mend for difference in found):
            lines = [difference.text for difference in found if difference.mend == mend]
            print_text(f"{area}: {printable(mend)}")
            for line in lines[:shown]:
                print_text(f"  {printable(line)}")
            if len(lines) > shown:
                print_text(f"  and {len(lines) - shown:,} more (--json lists them)")
    count = format_count(len(result.differences), "difference")
    print_text(f"{printable(result.root)}: {count} from {printable(result.path)}{remarks}")
