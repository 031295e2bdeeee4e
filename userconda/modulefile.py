"""Values -> modulefiles, in Lua (Lmod) and Tcl (Environment Modules, Lmod).

The files are thin: load and unload are the hook's own, so they undo exactly what they did, whatever was done in
between, in a child shell too. Lmod prints the changes of variables first and a module's own commands last, so on a swap
the old module's unload runs after the new module's load, some of it twice: each call says which module it is for, by
NAME/VERSION, and the hook follows only the one that is loaded.

A template has `@words@` for what is filled in. Each is a whole statement, or a literal that nothing leads out of.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

FORMATS: Final = ("lua", "tcl")

#: Where the hook itself looks for a user's environments.
DEFAULT_SPACE: Final = "$SCRATCH/conda_local"


@dataclass(frozen=True, slots=True)
class Modulefile:
    """What a modulefile says.

    Attributes:
        name: NAME/VERSION; also what its load and unload are known by.
        hooks: directory of ucenv.sh, ucenv.csh and ucenv.fish.
        calls: kind of shell (sh, csh, fish, as both module systems call them) -> what it evaluates at load, and at
            unload; each one line, safe to run twice.
        prefix: of the environment that is activated; None for conda alone.
        depends_on: the module that does the work; then this one only loads that.
        space: the user's space, with variables of the user's that are looked up at load.
        setenv: variables that are set until the unload.
        extensions: packages with their versions.
    """

    name: str
    conda_root: str
    hooks: str
    calls: Mapping[str, tuple[str, str]]
    prefix: str | None = None
    depends_on: str | None = None
    family: str = ""
    space: str = DEFAULT_SPACE
    setenv: Mapping[str, str] = field(default_factory=dict)
    description: str = ""
    category: str = ""
    keywords: tuple[str, ...] = ()
    help: str = ""
    extensions: Sequence[tuple[str, str]] = ()


# languages ------------------------------------------------------------------------------------------------------


def lua_literal(text: str) -> str:
    """A string of Lua's, in double quotes."""
    escaped = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\0": "\\0"}
    return '"' + "".join(escaped.get(c, c if c >= " " else f"\\{ord(c):03d}") for c in text) + '"'


def tcl_literal(text: str) -> str:
    """A word of Tcl's, in double quotes. Braces are escaped too: within a proc's braces they would count."""
    special = {"\n": "\\n", "\r": "\\r", "\t": "\\t", "\0": "\\x00"}
    return '"' + "".join(special.get(c, f"\\{c}" if c in '\\"$[]{};#' else c) for c in text) + '"'


LUA_TEMPLATE: Final = """\
-- @made_by@
@help@
@whatis@
@extensions@
@family@
@work@
"""

TCL_TEMPLATE: Final = """\
#%Module1.0
# @made_by@
@help@
@whatis@
@extensions@
@family@
@work@
"""

_LUA_WORK: Final = """\
local hooks, prefix = @hooks@, @prefix@
local calls = {
   sh = {@sh_load@,
         @sh_unload@},
   csh = {@csh_load@,
          @csh_unload@},
   fish = {@fish_load@,
           @fish_unload@},
}
local call = calls[myShellType()]
if mode() == "load" then
   if not call then
      LmodError("this module is for shells, and ", myShellName(), " is none")
   end
   if not isDir(prefix .. "/conda-meta") or not isFile(hooks .. "/ucenv.sh") then
      LmodError("nothing is at ", prefix, " or at ", hooks, ": the administrators have moved it")
   end
@space@
end
if call then
   execute{cmd = call[1], modeA = {"load", "refresh"}}
   execute{cmd = call[2], modeA = {"unload"}}
end"""

# Errors with that code are shown by Environment Modules without a stack trace.
_TCL_WORK: Final = """\
set hooks @hooks@
set prefix @prefix@
switch -- [module-info shelltype] {
   sh {
      set load @sh_load@
      set unload @sh_unload@
   }
   csh {
      set load @csh_load@
      set unload @csh_unload@
   }
   fish {
      set load @fish_load@
      set unload @fish_unload@
   }
   default {
      set load ""
      set unload ""
   }
}
if {[module-info mode load]} {
   if {$load eq ""} {
      error "this module is for shells" {} MODULES_ERR_GLOBAL
   }
   if {![file isdirectory $prefix/conda-meta] || ![file isfile $hooks/ucenv.sh]} {
      error @say@"nothing is at $prefix or at $hooks: the administrators have moved it"@said@ {} MODULES_ERR_GLOBAL
   }
@space@
   # csh sees all lines as one
   puts stdout @say@"$load;"@said@
} elseif {[module-info mode remove] || [module-info mode unload]} {
   if {$unload ne ""} {
      puts stdout @say@"$unload;"@said@
   }
}"""


#: Tcl reads a file, and the environment, as the locale says. Environment Modules, and a tclsh that Lmod starts, write
#: as they read; the interpreter within Lmod hands everything on as UTF-8, what it took for Latin-1 too.
_TCL_TEXT: Final = """\
proc ucenv_text {text} {
   if {[encoding system] eq "utf-8" || [string match tclsh* [file tail [info nameofexecutable]]]} {
      return $text
   }
   return [encoding convertfrom utf-8 [encoding convertto $text]]
}
"""

_VARIABLE: Final = re.compile(r"\$([A-Za-z_][A-Za-z0-9_]*)")


def render(module: Modulefile, language: str, made_by: str, template: str = "") -> str:
    """The text of a modulefile.

    Args:
        made_by: goes into a comment at the top.
        template: an administrator's; ours where it is empty.

    Raises:
        KeyError: a template's `@word@` that there is none of.
    """
    lua = language == "lua"
    literal = lua_literal if lua else tcl_literal
    say = not lua and not _is_ascii(module)
    words = {
        "say": "",
        "said": "",
        "made_by": made_by,
        "help": _help(module, lua, say),
        "whatis": _whatis(module, lua, say),
        "extensions": _extensions(module, lua),
        "family": _family(module, lua),
        "name": literal(module.name),
        "version": literal(module.name.rpartition("/")[2]),
        "conda_root": literal(module.conda_root),
        "hooks": literal(module.hooks),
        "prefix": literal(module.prefix or module.conda_root),
        "description": literal(module.description),
        "space": _space(module, lua),
    }
    for kind, (load, unload) in module.calls.items():
        words |= {f"{kind}_load": literal(load), f"{kind}_unload": literal(unload)}
    if say:
        words |= {"say": "[ucenv_text ", "said": "]"}
    if module.depends_on:
        words["work"] = _depends_on(module.depends_on, lua)
    else:
        words["work"] = _filled(_LUA_WORK if lua else _TCL_WORK, words)
    if say:  # a template need not have all of them
        words |= {name: _TCL_TEXT + words[name] for name in ("help", "whatis", "work")}
    text = _filled(template or (LUA_TEMPLATE if lua else TCL_TEMPLATE), words)
    return re.sub(r"\n{2,}", "\n", text) if not template else text


def _filled(template: str, words: Mapping[str, str]) -> str:
    return re.sub(r"@([a-z_]+)@", lambda match: words[match[1]], template)


def _is_ascii(module: Modulefile) -> bool:
    """Whether all that a file hands on is: its own texts, and what the user's variables are put into."""
    texts = (module.help, module.description, module.category, *module.keywords, module.conda_root, module.hooks)
    calls = (call for both in module.calls.values() for call in both)
    return module.space == DEFAULT_SPACE and "".join((*texts, *calls)).isascii()


def _tcl_said(text: str, say: bool) -> str:
    return f"[ucenv_text {tcl_literal(text)}]" if say else tcl_literal(text)


def _help(module: Modulefile, lua: bool, say: bool) -> str:
    return (
        f"help({lua_literal(module.help)})"
        if lua
        else f"proc ModulesHelp {{ }} {{\n   puts stderr {_tcl_said(module.help, say)}\n}}"
    )


def _whatis(module: Modulefile, lua: bool, say: bool) -> str:
    name, _, version = module.name.rpartition("/")
    rows = {
        "Name": name,
        "Version": version,
        "Category": module.category,
        "Keywords": ", ".join(module.keywords),
        "Description": module.description,
    }
    texts = [f"{key}: {value}" for key, value in rows.items() if value]
    if lua:
        return "\n".join(f"whatis({lua_literal(text)})" for text in texts)
    return "\n".join(f"module-whatis {_tcl_said(text, say)}" for text in texts)


def _extensions(module: Modulefile, lua: bool) -> str:
    if not module.extensions:
        return ""
    text = ", ".join(f"{name}/{version}" for name, version in module.extensions)
    if lua:
        return f"if extensions then\n   extensions({lua_literal(text)})\nend"
    return f'if {{[info commands extensions] ne ""}} {{\n   extensions {tcl_literal(text)}\n}}'


def _family(module: Modulefile, lua: bool) -> str:
    if not module.family:
        return ""
    if lua:
        return f"family({lua_literal(module.family)})"
    # Environment Modules before 5.1 has none; two of one name exclude each other there too.
    return f'if {{[info commands family] ne ""}} {{\n   family {tcl_literal(module.family)}\n}}'


def _depends_on(name: str, lua: bool) -> str:
    if lua:
        return f"depends_on({lua_literal(name)})"
    return (
        f'if {{[info commands depends-on] ne ""}} {{\n   depends-on {tcl_literal(name)}\n'
        f"}} else {{\n   module load {tcl_literal(name)}\n}}"
    )


def _space(module: Modulefile, lua: bool) -> str:
    """Said before anything is changed: that a variable is missing of which the user's space is made.

    A space other than the hook's own is handed to it, in quotes that mean the same in every shell.
    """
    names = dict.fromkeys(_VARIABLE.findall(module.space))
    missing = {n: f"{n} is not set: your environments would be in {module.space}; set it, or UCENV_ROOT" for n in names}
    odd = f"{module.space} has a character in it that cannot be in the path of your environments"
    if lua:
        lines = [
            f'      if (os.getenv("{name}") or "") == "" then LmodError({lua_literal(text)}) end'
            for name, text in missing.items()
        ]
        if module.space != DEFAULT_SPACE:
            lines += [
                f'      local space = string.gsub({lua_literal(module.space)}, "%$([%a_][%w_]*)", os.getenv)',
                f'      if string.find(space, "[%c\'\\\\!:,]") then LmodError({lua_literal(odd)}) end',
                """      call = {call[1] .. " --space '" .. space .. "'", call[2]}""",
            ]
        return '   if (os.getenv("UCENV_ROOT") or "") == "" then\n' + "\n".join(lines) + "\n   end" if lines else ""
    lines = [
        f'      if {{![info exists ::env({name})] || $::env({name}) eq ""}} {{ '
        f"error {tcl_literal(text)} {{}} MODULES_ERR_GLOBAL }}"
        for name, text in missing.items()
    ]
    if module.space != DEFAULT_SPACE:
        value = _VARIABLE.sub(r"$::env(\1)", module.space)
        lines += [
            f'      set space "{value}"',
            "      if {[regexp {[[:cntrl:]'\\\\!:,]} $space]} {",
            f"         error {tcl_literal(odd)} {{}} MODULES_ERR_GLOBAL\n      }}",
            """      append load " --space '$space'\"""",
        ]
    condition = '![info exists ::env(UCENV_ROOT)] || $::env(UCENV_ROOT) eq ""'
    return f"   if {{{condition}}} {{\n" + "\n".join(lines) + "\n   }" if lines else ""
