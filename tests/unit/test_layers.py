"""The layers of docs/explanation: imports point down only, and what is pure touches nothing."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import userconda

PACKAGE = Path(userconda.__file__).parent

PURE = {"condarc", "plan", "placeholder", "records", "sharing", "modulefile", "models", "errors", "units"}
LAYERS = ("pure", "effects", "report", "cli")

THIRD_PARTY = {
    "conda": {"conda_plugin"},
    "msgspec": {"records"},
    "platformdirs": {"config"},
    "psutil": {"processes", "probe"},
    "rich": {"report"},
    "shellingham": {"shells"},
    "tomli": {"config"},
}

#: What a pure module may take from `os`: names of paths as bytes and back, and the words for an errno.
PURE_OS = {"fsencode", "fsdecode", "strerror", "fspath", "sep", "path"}
PURE_OS_PATH = {"basename", "dirname", "join", "normpath", "split", "splitext", "isabs", "commonprefix", "commonpath"}
IMPURE = {
    "asyncio", "ctypes", "datetime", "fcntl", "getpass", "glob", "io", "locale", "logging", "mmap", "multiprocessing",
    "pathlib", "platform", "pwd", "random", "secrets", "select", "shutil", "signal", "socket", "stat", "subprocess",
    "tempfile", "threading", "time", "uuid",
}  # fmt: skip


@cache
def modules() -> dict[str, ast.Module]:
    """Dotted name below the package -> syntax tree."""
    paths = [path for path in PACKAGE.rglob("*.py") if path.name != "__main__.py"]
    names = {path: ".".join(path.relative_to(PACKAGE).with_suffix("").parts) for path in paths}
    return {name.removesuffix(".__init__"): ast.parse(path.read_text()) for path, name in names.items()}


def layer(module: str) -> str:
    first = module.partition(".")[0]
    if first == "conda_plugin":  # conda's words instead of the shell's
        return "cli"
    return "pure" if first in PURE else first if first in ("report", "cli") else "effects"


def running_nodes(tree: ast.AST) -> Iterator[ast.AST]:
    """Every node that runs: what stands under `if TYPE_CHECKING` does not."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            continue
        yield node
        yield from running_nodes(node)


def imports(module: str) -> set[str]:
    """Whole names of what a module imports, at its top or inside its functions."""
    found = set()
    for node in running_nodes(modules()[module]):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} has a relative import"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def own_imports(module: str) -> set[str]:
    """Those of this package, by their dotted name in it."""
    below = {name.removeprefix("userconda.") for name in imports(module) if name.startswith("userconda.")}
    known = {name if name in modules() else name.rpartition(".")[0] for name in below}
    return known & modules().keys() - {"__init__"}


MODULES = sorted(modules())
PURE_MODULES = [name for name in MODULES if layer(name) == "pure"]


def attributes_of(module: str, name: str) -> set[str]:
    """What a module takes of `name`, `os.path` for instance."""
    taken = {imported.removeprefix(f"{name}.") for imported in imports(module) if imported.startswith(f"{name}.")}
    nodes = (node for node in running_nodes(modules()[module]) if isinstance(node, ast.Attribute))
    return taken | {node.attr for node in nodes if ast.unparse(node.value) == name}


def test_the_layers_are_those_that_exist() -> None:
    assert {layer(name) for name in MODULES} == set(LAYERS)
    assert {"plan", "placeholder", "records", "models", "errors", "units"} <= set(PURE_MODULES)


@pytest.mark.parametrize("module", MODULES)
def test_imports_point_down(module: str) -> None:
    height = LAYERS.index(layer(module))
    assert {name for name in own_imports(module) if LAYERS.index(layer(name)) > height} == set()


def test_imports_go_in_no_circle() -> None:
    remaining = {name: own_imports(name) - {name} for name in MODULES if layer(name) != "cli"}
    while ready := {name for name, needed in remaining.items() if not needed & remaining.keys()}:
        remaining = {name: needed for name, needed in remaining.items() if name not in ready}
    assert remaining == {}


def test_a_third_party_package_has_one_importer() -> None:
    standard = sys.stdlib_module_names | {"userconda"}
    importers: dict[str, set[str]] = {}
    for module in MODULES:
        for name in {imported.partition(".")[0] for imported in imports(module)} - standard:
            importers.setdefault(name, set()).add(module.partition(".")[0])  # a package's parts are one
    assert {name: found for name, found in importers.items() if not found <= THIRD_PARTY.get(name, set())} == {}
    assert THIRD_PARTY.keys() - {"tomli"} <= importers.keys()


@pytest.mark.parametrize("module", PURE_MODULES)
def test_a_pure_module_imports_nothing_that_acts(module: str) -> None:
    assert {name.partition(".")[0] for name in imports(module)} & IMPURE == set()


@pytest.mark.parametrize("module", PURE_MODULES)
def test_a_pure_module_asks_the_system_nothing(module: str) -> None:
    assert attributes_of(module, "os") <= PURE_OS
    assert attributes_of(module, "os.path") <= PURE_OS_PATH
    calls = {
        node.func.id
        for node in ast.walk(modules()[module])
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    assert calls & {"open", "print", "input", "exec", "eval"} == set()


def test_the_environment_is_read_in_config_only() -> None:
    readers = {name for name in MODULES if attributes_of(name, "os") & {"environ", "environb", "getenv"}}
    assert readers == {"config", "report"}
    asked = [ast.unparse(node) for node in ast.walk(modules()["report"]) if isinstance(node, ast.Call)]
    assert [call for call in asked if call.startswith(("os.environ", "os.getenv"))] == ["os.environ.get('TERM')"]


@pytest.mark.parametrize("words", [["--version"], ["env", "bash"], ["env", "fish"], ["hook", "bash"]])
@pytest.mark.parametrize("scratch", ["/scratch/me", ""])
def test_what_job_scripts_run_imports_nothing_heavy(words: list[str], scratch: str, tmp_path: Path) -> None:
    code = (
        "import sys; from userconda.cli import main; assert main(sys.argv[1:]) == 0; "
        "print('MODULES', *{name.partition('.')[0] for name in sys.modules})"
    )
    environment = {"HOME": str(tmp_path), "SCRATCH": scratch, "PYTHONPATH": str(PACKAGE.parent)}
    done = subprocess.run([sys.executable, "-c", code, *words], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    output, _, imported = done.stdout.partition("MODULES ")
    assert "/scratch/me" in output or "ucenv" in output
    assert {*imported.split()} & {"rich", "psutil", "platformdirs", "shellingham", "msgspec"} == set()
