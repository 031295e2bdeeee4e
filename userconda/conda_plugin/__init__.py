"""What conda loads of ucenv (entry point group `conda`): `conda ucenv ...`, and what happens around a transaction.

conda imports this for nearly every command of its own: nothing is imported here that conda has not imported itself,
and each hook imports what it needs when it is called. Health checks (`conda_health_checks`) belong here too.

Transactions have hooks since conda 25.5; before, pluggy registers those two and nobody calls them.
"""

from __future__ import annotations

from conda.plugins import hookimpl

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any, TypeVar

    Hook = TypeVar("Hook", bound=Callable[..., object])

_hook: Callable[[Hook], Hook] = hookimpl

#: conda's commands, as it names them to plugins (`conda env remove` is env_remove), that read an environment's records.
_READ_RECORDS = {"compare", "env_remove", "env_update", "export", "install", "list", "remove", "rename", "update"}


def _run(words: tuple[str, ...]) -> int:
    from userconda.cli import main

    return main(words)


@_hook
def conda_subcommands() -> Iterator[Any]:
    from conda.plugins.types import CondaSubcommand

    yield CondaSubcommand(
        name="ucenv",
        summary="Clone, share and account for conda environments on clusters.",
        action=_run,
    )


@_hook
def conda_pre_transaction_actions() -> Iterator[Any]:
    from conda.plugins.types import CondaPreTransactionAction

    yield from _action(CondaPreTransactionAction, "ucenv-thaw", "ThawAction")


@_hook
def conda_post_transaction_actions() -> Iterator[Any]:
    from conda.plugins.types import CondaPostTransactionAction

    yield from _action(CondaPostTransactionAction, "ucenv-seed", "SeedAction")


@_hook
def conda_pre_commands() -> Iterator[Any]:
    from conda.plugins.types import CondaPreCommand

    yield CondaPreCommand(name="ucenv-records", action=_check_records, run_for=_READ_RECORDS)


def _check_records(command: str) -> None:
    """A thin clone's records are links into its parent; conda ends with a traceback on one that leads nowhere."""
    from conda.base.context import context

    from userconda.provenance import read_provenance

    try:
        prefix = context.target_prefix
    except Exception:  # there is none, which the command itself says better
        return
    note = read_provenance(prefix)
    if note is not None and note.thin:
        from userconda.conda_plugin.actions import check_records

        check_records(prefix)


def _action(kind: Any, name: str, action: str) -> Iterator[Any]:
    """Nothing, with a warning, where this conda is not one that our actions can be made for."""
    try:
        from userconda.conda_plugin import actions
    except Exception as exc:
        import sys

        sys.stderr.write(f"ucenv: the plugin does not work with this conda: {exc!r}\n")
    else:
        yield kind(name, getattr(actions, action))
