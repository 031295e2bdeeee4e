"""What conda loads of ucenv (entry point group `conda`): `conda ucenv ...`, and what happens around a transaction.

conda imports this for nearly every command of its own: nothing is imported here that conda has not imported itself,
and each hook imports what it needs when it is called. Health checks (`conda_health_checks`) belong here too.

Transactions have hooks since conda 25.5; before, pluggy registers these two and nobody calls them.
"""

from __future__ import annotations

from conda.plugins import hookimpl

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any, TypeVar

    Hook = TypeVar("Hook", bound=Callable[..., object])

_hook: Callable[[Hook], Hook] = hookimpl


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


def _action(kind: Any, name: str, action: str) -> Iterator[Any]:
    """Nothing, with a warning, where this conda is not one that our actions can be made for."""
    try:
        from userconda.conda_plugin import actions
    except Exception as exc:
        import sys

        sys.stderr.write(f"ucenv: the plugin does not work with this conda: {exc!r}\n")
    else:
        yield kind(name, getattr(actions, action))
