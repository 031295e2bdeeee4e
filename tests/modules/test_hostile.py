"""No text of site.toml leads out of the Lua, Tcl or shell that it is written into: each file is really loaded."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.modules.conftest import module, start
from tests.modules.systems import ModuleSystem
from tests.modules.test_exactness import assert_undone
from tests.shells.dialects import BASH, FISH, TCSH, ZSH, Dialect
from tests.shells.harness import Look, Outcome, Step, run
from tests.shells.sites import Site as CondaSite
from tests.shells.sites import build_site
from userconda.errors import SiteFileInvalid
from userconda.site.definition import parse_site
from userconda.site.modules import execute_modules, plan_modules

#: What would make a file of that name, were it run as Lua, Tcl, sh, csh or fish, or break out of a quotation first.
ATTEMPTS = (
    "$(touch {canary})",
    "`touch {canary}`",
    "'; touch {canary}; '",
    '"; touch {canary}; "',
    "\\'; touch {canary}; \\'",
    '") os.execute("touch {canary}") --',
    "]] os.execute('touch {canary}') --[[",
    "]==] os.execute('touch {canary}') --[==[",
    "[exec touch {canary}]",
    "}} ; exec touch {canary} ; {{",
    '" ; exec touch {canary} ; "',
    "${{env(HOME)}} [exec touch {canary}] \\",
    "| touch {canary} & touch {canary}",
    "(touch {canary}) && touch {canary}",
    "@made_by@ @work@ @nothing@ @say@",
    "%s %n {{version}} {{name}}",
    "!touch !! !$ ^a^b ~ * ? [a-z] # -n",
    "{{",
    "\\",
    "é ü 日本 €",
)


@pytest.fixture(params=(BASH, ZSH, TCSH, FISH), ids=str)
def shell(request: pytest.FixtureRequest) -> Dialect:
    dialect: Dialect = request.param
    assert dialect.argv
    return dialect


@pytest.fixture(scope="session")
def conda(tmp_path_factory: pytest.TempPathFactory) -> CondaSite:
    return build_site(tmp_path_factory.mktemp("hostile"), "conda")


def toml(text: str) -> str:
    """In quotes. Braces are an axis's, in what is a template."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def written(
    tree: Path, system: ModuleSystem, root: Path, text: str, description: str, *, number: int = 0, templates: str = ""
) -> None:
    """The modules of a site where everything that is a text is this one; odd/NUMBER is its environment's."""
    plain_environment(root)
    formats = ", ".join(toml(language) for language in system.formats)
    execute_modules(
        plan_modules(
            parse_site(
                f'[conda]\nroot = {toml(str(root))}\nversion = "1"\n[modules]\ntree = {toml(str(tree))}\n'
                f'base = "base{number}"\nformats = [{formats}]\nhelp = {toml(text)}\ncategory = {toml(text)}\n'
                f"keywords = [{toml(text)}, {toml(text)}]\n"
                f"setenv = {{ ODD = {toml(text)}, ODD_TOO = {toml(text[::-1])} }}\n{templates}"
                f'[[environments]]\nname = "plain"\nmodule = "odd/{number}"\ndescription = {toml(description)}\n',
                str(root / "site.toml"),
            )
        )
    )


def plain_environment(root: Path) -> None:
    for directory in ("bin", "conda-meta", "condabin", "envs/plain/conda-meta", "envs/plain/bin"):
        (root / directory).mkdir(parents=True, exist_ok=True)
    program = root / "bin/conda"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)


def steps(number: int) -> list[Step]:
    name = f"odd/{number}"
    told = [module("help", name), module("whatis", name)]
    return [*told, module("load", name), Look(f"loaded {number}"), module("unload", name), Look(f"after {number}")]


def attempted(
    shell: Dialect, system: ModuleSystem, conda: CondaSite, tree: Path, numbers: Iterable[int], here: Path
) -> Outcome:
    """All of them one after another in one shell, in a directory where what is run by mistake may leave something."""
    here.mkdir()
    all_steps = [start(system), Look("before"), *(step for number in numbers for step in steps(number))]
    environment = conda.start | {"MODULEPATH": str(tree)}
    outcome = run(shell, all_steps, environment, cwd=here, timeout_seconds=300)
    assert [*here.iterdir()] == []
    for number in numbers:
        assert_undone(outcome, system, after=f"after {number}")
    return outcome


def test_texts(conda: CondaSite, tmp_path: Path, system: ModuleSystem, shell: Dialect) -> None:
    """Of help, category, keywords, description, and values of variables."""
    canary = tmp_path / "here/canary"
    texts = [attempt.format(canary=canary) for attempt in ATTEMPTS]
    for number, text in enumerate(texts):
        description = text.replace("{", "(").replace("}", ")")
        written(tmp_path / "tree", system, tmp_path / f"{number}", text, description, number=number)
    outcome = attempted(shell, system, conda, tmp_path / "tree", range(len(texts)), tmp_path / "here")
    for number, text in enumerate(texts):
        loaded = outcome[f"loaded {number}"]
        assert (loaded["ODD"], loaded["ODD_TOO"]) == (text, text[::-1])
        told = outcome.steps[2 + 6 * number]
        assert "".join(text.split()) in "".join((told.stdout + told.stderr).split())


def test_paths(conda: CondaSite, tmp_path: Path, system: ModuleSystem, shell: Dialect) -> None:
    """Of the conda. Canaries lie where the shell is: the name of a directory has no other one in it."""
    roots = []
    for number, attempt in enumerate(ATTEMPTS):
        name = attempt.format(canary="canary").replace(":", "").replace(",", "")
        roots.append(tmp_path / "roots" / name / "conda")
        written(tmp_path / "tree", system, roots[-1], "x", "x", number=number)
    outcome = attempted(shell, system, conda, tmp_path / "tree", range(len(roots)), tmp_path / "here")
    for number, root in enumerate(roots):
        assert outcome[f"loaded {number}"]["CONDA_PREFIX"] == str(root / "envs/plain")


@pytest.mark.parametrize("field", ["root", "name", "module", "package", "family", "base", "version", "axis", "space"])
@pytest.mark.parametrize("attempt", [*ATTEMPTS, "a b", "../x", "/x", "", "a/../b", ".hidden", "-n", "default", "x.lua"])
def test_what_is_a_name_is_a_plain_word(field: str, attempt: str) -> None:
    """Refused where it is read, with its line: no file is written."""
    text = attempt.format(canary="/canary")
    if (field, attempt) in {("family", ""), ("root", "/x"), ("space", "/x")} or attempt in ("default", "x.lua"):
        return
    values = dict.fromkeys(("root", "name", "module", "package", "family", "base", "version", "axis", "space"), "x")
    values |= {"root": "/x", "module": "x/1", "space": "/x", field: text}
    if field == "module":
        values["module"] = f"x/{text}"
    quoted = {name: toml(value) for name, value in values.items()}
    lines = (
        f"[conda]\nroot = {quoted['root']}\nversion = {quoted['version']}\n[user_space]\nroot = {quoted['space']}\n"
        f"[modules]\ntree = '/t'\nfamily = {quoted['family']}\nbase = {quoted['base']}\n"
        f"[[environments]]\nname = {quoted['name']}\nmodule = {quoted['module']}\n"
        f"matrix = {{ a = [{quoted['axis']}] }}\n"
        f"[[package_modules]]\npackage = {quoted['package']}\nmodule = 'p/{{version}}'\n"
    )
    with pytest.raises(SiteFileInvalid) as caught:
        parse_site(lines, "site.toml")
    assert all(problem.line > 1 or field == "root" for problem in caught.value.problems)


@pytest.mark.parametrize("name", ["PATH", "LD_PRELOAD", "BASH_ENV", "a b", "A=1", "$(x)", "__UCENV_0", "IFS", "A;B"])
def test_variables_that_are_none_to_set(name: str) -> None:
    with pytest.raises(SiteFileInvalid, match=r"modules\.setenv"):
        parse_site(f'[conda]\nroot = "/x"\nversion = "1"\n[modules]\nsetenv = {{ {toml(name)} = "x" }}\n', "site.toml")


@pytest.mark.parametrize("text", ["a\\nb", "\\u0000", "\\u001b[2J", "\\u2028", "x ]===] y", "\\u0085", "\\U0001f600"])
@pytest.mark.parametrize("key", ["category", "keywords", "setenv"])
def test_control_characters_are_refused(key: str, text: str) -> None:
    value = {"category": f'"{text}"', "keywords": f'["{text}"]', "setenv": f'{{ A = "{text}" }}'}[key]
    with pytest.raises(SiteFileInvalid, match="without"):
        parse_site(f'[conda]\nroot = "/x"\nversion = "1"\n[modules]\n{key} = {value}\n', "site.toml")


def test_a_template_gets_literals(conda: CondaSite, tmp_path: Path, system: ModuleSystem) -> None:
    """Each word of one, where an administrator puts it into Lua or Tcl of their own."""
    texts = [attempt.format(canary=tmp_path / "here/canary") for attempt in ATTEMPTS]
    words = ("name", "version", "prefix", "conda_root", "hooks", "description")
    lua = "\n".join(f"local x{number} = @{word}@" for number, word in enumerate(words))
    tcl = "\n".join(f"set x{number} @{word}@" for number, word in enumerate(words))
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates/module.lua").write_text(f"-- @made_by@\n@help@\n{lua}\n@whatis@\n@work@\n")
    (tmp_path / "templates/module.tcl").write_text(f"#%Module1.0\n# @made_by@\n@help@\n{tcl}\n@whatis@\n@work@\n")
    templates = f"templates = {toml(str(tmp_path / 'templates'))}\n"
    for number, text in enumerate(texts):
        description = text.replace("{", "(").replace("}", ")")
        root = tmp_path / f"{number}"
        written(tmp_path / "tree", system, root, text, description, number=number, templates=templates)
    outcome = attempted(BASH, system, conda, tmp_path / "tree", range(len(texts)), tmp_path / "here")
    assert [outcome[f"loaded {number}"]["ODD"] for number in range(len(texts))] == texts


TEXTS = st.text(
    st.characters(blacklist_categories=["Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp", "Zs"]) | st.just(" "), max_size=40
).filter(lambda text: "]===]" not in text and text.isprintable() and max(text, default="") <= "\uffff")


@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(values=st.lists(TEXTS, min_size=1, max_size=12))
def test_any_text_arrives(
    conda: CondaSite, tmp_path: Path, system: ModuleSystem, shell: Dialect, values: list[str]
) -> None:
    """Several in one file, so that a shell's start is paid once."""
    plain_environment(tmp_path / "conda")
    entries = ", ".join(f"ODD{number} = {toml(text)}" for number, text in enumerate(values))
    formats = ", ".join(toml(language) for language in system.formats)
    site = parse_site(
        f'[conda]\nroot = {toml(str(tmp_path / "conda"))}\nversion = "1"\n[modules]\ntree = "{tmp_path}/tree"\n'
        f"formats = [{formats}]\nhelp = {toml(' '.join(values))}\nsetenv = {{ {entries} }}\n"
        f'[[environments]]\nname = "plain"\nmodule = "odd/1"\n',
        "site.toml",
    )
    execute_modules(plan_modules(site))
    load, unload = module("load", "odd/1"), module("unload", "odd/1")
    environment = conda.start | {"MODULEPATH": str(tmp_path / "tree")}
    outcome = run(shell, [start(system), Look("before"), load, Look("loaded"), unload, Look("after")], environment)
    assert_undone(outcome, system)
    assert [outcome["loaded"].get(f"ODD{number}") for number in range(len(values))] == values
