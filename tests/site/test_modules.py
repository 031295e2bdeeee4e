"""`ucenv site modules`, `ucenv site init`: what is written and left alone, and that nothing leads out of a file."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.cli.conftest import Cluster
from tests.modules.conftest import ODD
from tests.support import Unavailable
from userconda.modulefile import lua_literal, tcl_literal

MODULES = ["conda/4.8.3", "python3/powerai_1.7.0"]


def definition(ucenv: Cluster) -> Path:
    return ucenv.site.conda.root / "etc/ucenv/site.toml"


def tree(ucenv: Cluster) -> Path:
    return ucenv.site.tmp / "modulefiles"


def contents(directory: Path) -> dict[str, bytes]:
    return {str(p.relative_to(directory)): p.read_bytes() for p in directory.rglob("*") if p.is_file()}


def actions(ucenv: Cluster, *words: str) -> dict[str, str]:
    run = ucenv("site", "modules", "--json", *words)
    assert run.code == 0, run.out
    return {change["path"]: change["action"] for change in run.json["result"]["files"]}


def append(ucenv: Cluster, text: str) -> None:
    with definition(ucenv).open("a") as stream:
        stream.write(text)


def test_written_once(ucenv: Cluster) -> None:
    wanted = {path for name in MODULES for path in (name, f"{name}.lua")}
    assert actions(ucenv) == dict.fromkeys(wanted, "written")
    first = contents(tree(ucenv))
    assert first.keys() == wanted
    assert actions(ucenv) == dict.fromkeys(wanted, "same")
    assert contents(tree(ucenv)) == first
    assert ucenv("site", "modules").out == f"{tree(ucenv)}: 4 files, nothing to do\n"


def test_a_dry_run_writes_nothing(ucenv: Cluster) -> None:
    assert {*actions(ucenv, "--dry-run").values()} == {"written"}
    assert not tree(ucenv).exists()


def test_only_what_is_ours_is_removed(ucenv: Cluster) -> None:
    actions(ucenv)
    theirs = tree(ucenv) / "python3/other"
    theirs.write_text("#%Module1.0\n")
    (tree(ucenv) / "python3/default").symlink_to("powerai_1.7.0")
    other = tree(ucenv) / "other/1.0.lua"
    other.parent.mkdir()
    other.write_text("-- made by ucenv site modules, of /another/conda; what is changed here is lost\n")
    definition(ucenv).write_text(definition(ucenv).read_text().replace("python3/powerai_1.7.0", "py/1"))
    done = actions(ucenv)
    assert {path for path, action in done.items() if action == "removed"} == {
        "python3/powerai_1.7.0",
        "python3/powerai_1.7.0.lua",
    }
    assert theirs.exists()
    assert other.exists()
    assert (tree(ucenv) / "python3/default").is_symlink()
    assert (tree(ucenv) / "py/1").exists()


def test_a_directory_that_is_empty_then_goes(ucenv: Cluster) -> None:
    actions(ucenv)
    definition(ucenv).write_text(definition(ucenv).read_text().replace("python3/powerai_1.7.0", "py/1"))
    actions(ucenv)
    assert not (tree(ucenv) / "python3").exists()


def test_files_of_somebody_else_are_not_overwritten(ucenv: Cluster) -> None:
    theirs = tree(ucenv) / "conda/4.8.3"
    theirs.parent.mkdir(parents=True)
    theirs.write_text("#%Module1.0\n# by hand\n")
    run = ucenv("site", "modules")
    assert (run.code, run.out) == (25, "")
    assert "conda/4.8.3" in run.err
    assert contents(tree(ucenv)) == {"conda/4.8.3": b"#%Module1.0\n# by hand\n"}


def test_nothing_is_written_while_the_file_has_a_mistake(ucenv: Cluster) -> None:
    append(ucenv, '[[environments]]\nnam = "x"\nmodule = "x/1"\n')
    run = ucenv("site", "modules")
    assert (run.code, run.out) == (2, "")
    assert re.search(r"line 10: environments\[1\]\.nam: there is no such key; did you mean name\?", run.err)
    assert not tree(ucenv).exists()


def test_an_environment_that_is_not_there_yet(ucenv: Cluster) -> None:
    append(ucenv, '[[environments]]\nname = "later"\nmodule = "later/1"\n')
    run = ucenv("site", "modules", "--json")
    assert run.json["warnings"] == ["later is not there: no module later/1 is made"]
    assert not (tree(ucenv) / "later").exists()


def test_environments_made_by_hand(ucenv: Cluster) -> None:
    for name in ("by_hand", "by hand"):
        shutil.copytree(ucenv.site.conda.prefix(), ucenv.site.conda.root / "envs" / name, symlinks=True)
    assert not any(path.startswith("by") for path in actions(ucenv))
    found = {path for path in actions(ucenv, "--all") if path.startswith("by")}
    assert len(found) == 2
    assert all(re.fullmatch(r"by_hand/3\.\d+\.\d+(\.lua)?", path) for path in found)
    assert ucenv("site", "modules", "--all", "--json").json["warnings"] == ["'by hand' cannot be the name of a module"]
    assert {path for path, action in actions(ucenv).items() if action == "removed"} == found


def test_an_administrators_template(ucenv: Cluster) -> None:
    templates = ucenv.site.tmp / "templates"
    templates.mkdir()
    (templates / "module.lua").write_text(
        '-- @made_by@\n@whatis@\nwhatis("URL: https://example.org/" .. @name@)\n@work@\n'
    )
    text = definition(ucenv).read_text().replace("[modules]\n", f'[modules]\ntemplates = "{templates}"\n')
    definition(ucenv).write_text(text)
    actions(ucenv)
    written = (tree(ucenv) / "python3/powerai_1.7.0.lua").read_text()
    assert 'whatis("URL: https://example.org/" .. "python3/powerai_1.7.0")' in written
    assert "ucenv_load" in written
    assert "help(" not in written
    assert (tree(ucenv) / "python3/powerai_1.7.0").read_text().startswith("#%Module1.0\n")
    for wrong, said in (("-- @made_by@ @nothing@", "@nothing@"), ("@work@", "@made_by@ is missing")):
        (templates / "module.lua").write_text(wrong)
        run = ucenv("site", "modules")
        assert (run.code, said in run.err) == (2, True)


def test_main_packages_are_told(ucenv: Cluster) -> None:
    append(ucenv, 'packages = ["demo-python-package"]\n')
    actions(ucenv)
    written = (tree(ucenv) / "python3/powerai_1.7.0.lua").read_text()
    assert re.search(r'extensions\(".*python/3\.\d+', written)


def test_without_a_tree(ucenv: Cluster) -> None:
    text = definition(ucenv).read_text()
    definition(ucenv).write_text(re.sub("tree = .*\n", "", text))
    assert "has no modules.tree" in ucenv("site", "modules").err


# init -----------------------------------------------------------------------------------------------------------


def test_init_writes_what_the_other_commands_read(ucenv: Cluster) -> None:
    definition(ucenv).unlink()
    assert ucenv("site", "init").code == 0
    text = definition(ucenv).read_text()
    assert f'root = "{ucenv.site.conda.root}"' in text
    assert 'name = "py3_powerai_1.7.0"' in text
    definition(ucenv).write_text(text.replace("# tree = ", f'tree = "{tree(ucenv)}" # '))
    assert any(path.startswith("py3_powerai_1.7.0/") for path in actions(ucenv))
    again = ucenv("site", "init")
    assert (again.code, again.out) == (26, "")
    assert ucenv("site", "init", "--print").out == text


def test_the_words_of_site(ucenv: Cluster) -> None:
    assert ucenv("site", "--help").out.startswith("example:\n  ucenv site ")
    assert (ucenv("site").code, ucenv("site").out) == (2, "")
    assert "did you mean `ucenv site modules`?" in ucenv("site", "module").err
    assert ucenv("site", "xyzzy", "--json").json["error"]["code"] == "usage"


# literals -------------------------------------------------------------------------------------------------------

TEXTS = st.text(st.characters(blacklist_categories=["Cs"]), max_size=30) | st.sampled_from([ODD, "]]", "]===]", "\\"])


def interpreted(program: str, code: str) -> bytes:
    if shutil.which(program) is None:
        raise Unavailable(f"needs {program}", tool=program)
    environment = {"LC_ALL": "C.UTF-8", "PATH": "/usr/bin:/bin"}
    done = subprocess.run([program, "-"], input=code.encode(), env=environment, capture_output=True, check=True)
    return done.stdout


@settings(max_examples=60, deadline=None)
@given(st.lists(TEXTS, min_size=1, max_size=20))
def test_lua_reads_a_literal_as_it_was(texts: list[str]) -> None:
    code = "".join(f"io.write({lua_literal(text)}, '\\0\\1')\n" for text in texts)
    assert interpreted("lua5.3", code) == "".join(text + "\0\1" for text in texts).encode()


@settings(max_examples=60, deadline=None)
@given(st.lists(TEXTS, min_size=1, max_size=20))
def test_tcl_reads_a_literal_as_it_was(texts: list[str]) -> None:
    # Tcl 8.6 has no characters past the first 65,536.
    texts = [text for text in texts if max(text, default="a") < "\ud800"]
    body = "".join(f"puts -nonewline {tcl_literal(text)}; puts -nonewline \\x00\\x01\n" for text in texts)
    code = "fconfigure stdout -encoding utf-8 -translation binary\nfconfigure stdout -encoding utf-8\n"
    assert (
        interpreted("tclsh8.6", f"{code}proc f {{ }} {{\n{body}}}\nf\n") == "".join(t + "\0\1" for t in texts).encode()
    )


def test_modules_of_an_environment_that_is_away_stay(ucenv: Cluster) -> None:
    """Its filesystem may be, for a while; what site.toml has no more goes."""
    append(ucenv, '[[package_modules]]\npackage = "python"\nmodule = "plain/{version}"\n')
    actions(ucenv)
    before = contents(tree(ucenv))
    assert any(path.startswith("plain/") for path in before)
    prefix = ucenv.site.conda.prefix()
    prefix.rename(prefix.with_name(".away"))
    assert {action for path, action in actions(ucenv).items() if not path.startswith("conda/")} <= {"kept", "same"}
    assert contents(tree(ucenv)) == before
    text = definition(ucenv).read_text()
    start = text.index("[[environments]]")
    definition(ucenv).write_text(text[:start] + text[text.index("[[package_modules]]") :])
    assert [path for path, action in actions(ucenv).items() if action == "kept"] == []
    assert not any(path.startswith(("python3/", "plain/")) for path in contents(tree(ucenv)))
