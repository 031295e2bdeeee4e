"""A site's conda with its module tree, for every test; and each test in each shell with each module system."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from tests.modules.systems import READERS, ModuleSystem
from tests.shells.dialects import BASH, DASH, FISH, KSH, TCSH, ZSH, Dialect
from tests.shells.harness import Say, Step
from tests.shells.sites import Site, build_site
from userconda.site.definition import parse_site
from userconda.site.modules import execute_modules, plan_modules

SITE_FILE = """
[conda]
root = {root}
version = "4.8.3"

[user_space]
root = "{space}"

[modules]
tree = "{tree}"
formats = [{formats}]
setenv = {{ IBM_POWERAI_LICENSE_ACCEPT = "yes", ODD = "{odd}" }}
defaults = ["python3/powerai_1.7.0"]

[[environments]]
name = "py{{python}}_powerai_{{powerai}}"
module = "python{{python}}/powerai_{{powerai}}"
matrix = {{ python = ["3"], powerai = ["1.7.0", "1.6.2"] }}

[[package_modules]]
package = "tensorflow"
module = "tensorflow-py{{python}}/{{version}}"
family = "package"
"""
ODD = 'it\'s "q" \\ $HOME `id` ; & ! [x] {y * ~ % ü'
RECORDS = {
    "py3_powerai_1.7.0": {"python": "3.7.6", "tensorflow": "2.1.0", "libz": "1.2.13"},
    "py3_powerai_1.6.2": {"python": "3.6.9", "tensorflow": "2.0.0"},
}
#: A module of somebody else's, made by the module system's own means.
FOREIGN = {
    "lua": 'prepend_path("PATH", "/f/bin")\nprepend_path("LD_LIBRARY_PATH", "/f/lib")\nsetenv("FOREIGN", "a b")\n',
    "tcl": '#%Module1.0\nprepend-path PATH /f/bin\nprepend-path LD_LIBRARY_PATH /f/lib\nsetenv FOREIGN "a b"\n',
}


@dataclass(frozen=True)
class ModuleSite:
    """A conda, the directory with its modulefiles, and the file that says what is in them."""

    site: Site
    tree: Path
    definition: str

    @property
    def start(self) -> dict[str, str]:
        return {**self.site.start, "MODULEPATH": str(self.tree)}

    def prefix(self, name: str) -> Path:
        return self.site.root / "envs" / name


def build_modules(
    directory: Path,
    root_name: str = "conda-4.8.3",
    space: str = "$SCRATCH/conda_local",
    formats: Sequence[str] = ("lua", "tcl"),
) -> ModuleSite:
    site = build_site(directory, root_name)
    site.environment("py3_powerai_1.6.2", prefix=site.root / "envs/py3_powerai_1.6.2")
    for environment, records in RECORDS.items():
        for name, version in records.items():
            (site.root / "envs" / environment / f"conda-meta/{name}-{version}-h1_0.json").write_text("{}")
    tree = directory / "tree"
    odd = ODD.replace("\\", "\\\\").replace('"', '\\"')
    root = '"' + str(site.root).replace("\\", "\\\\").replace('"', '\\"') + '"'
    listed = ", ".join(f'"{language}"' for language in formats)
    definition = SITE_FILE.format(root=root, space=space, tree=tree, odd=odd, formats=listed)
    execute_modules(plan_modules(parse_site(definition, "site.toml")))
    (tree / "foreign").mkdir()
    for language in formats:
        (tree / f"foreign/1.0{'.lua' if language == 'lua' else ''}").write_text(FOREIGN[language])
    return ModuleSite(site, tree, definition)


@pytest.fixture(scope="session")
def module_sites(tmp_path_factory: pytest.TempPathFactory) -> Callable[[tuple[str, ...]], ModuleSite]:
    return cache(lambda formats: build_modules(tmp_path_factory.mktemp("modules"), formats=formats))


@pytest.fixture
def modules(system: ModuleSystem, module_sites: Callable[[tuple[str, ...]], ModuleSite]) -> ModuleSite:
    return module_sites(system.formats)


@pytest.fixture
def make_modules(system: ModuleSystem, tmp_path: Path) -> Callable[..., ModuleSite]:
    def make(**how: str) -> ModuleSite:
        return build_modules(tmp_path, formats=system.formats, **how)

    return make


@pytest.fixture(params=READERS, ids=str)
def system(request: pytest.FixtureRequest) -> ModuleSystem:
    system: ModuleSystem = request.param
    assert system.program
    return system


@pytest.fixture(params=(BASH, ZSH, DASH, KSH, TCSH, FISH), ids=str)
def shell(request: pytest.FixtureRequest) -> Dialect:
    dialect: Dialect = request.param
    assert dialect.argv
    return dialect


def module(*words: str) -> Step:
    return Say(lambda dialect: dialect.call("module", words), told=f"module {' '.join(words)}")


def start(system: ModuleSystem) -> Step:
    return Say(system.start, told=f"start {system}")
