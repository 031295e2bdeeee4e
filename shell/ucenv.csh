# ucenv.csh - load, activate, deactivate and unload conda environments without leaving a trace.
# For tcsh and csh.  Sourcing defines the aliases ucenv, ucenv_load, ucenv_activate, ucenv_deactivate and ucenv_unload
# and does nothing else.  Each is one command: it sources ucenv-act.csh, where everything is explained.
#
# An alias is not expanded on the line that defines it, nor in `if (...) ucenv load`: write if ... then, endif.

# 7 ucenv ----------------------------------------------------------------------------------------------

# The file the aliases source lies beside this one, or in the share/ucenv/shell of its conda.  tcsh does not say where a
# sourced file is; but the shell has it open, and a builtin can write the name of what is open to an unlinked file of the
# shell's own (<<), from which this file, sourced again, reads it.
if ($#argv == 1) then
  if (x$argv[1]:q == x__ucenv_where) then
    f\iletest -L $__ucenv_self >! /proc/self/fd/0
    s\et __ucenv_where = "$<"
    e\xit 0
  endif
endif
s\et __ucenv_self = ""
foreach __ucenv_i (5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31 32)
  if (-L /proc/self/fd/$__ucenv_i =~ */ucenv.csh) s\et __ucenv_self = /proc/self/fd/$__ucenv_i
end
s\et __ucenv_where = /
if (x$__ucenv_self != x) then
  s\ource $__ucenv_self __ucenv_where << x
x
endif
s\et __ucenv_where = $__ucenv_where:h:q
s\et __ucenv_i = $__ucenv_where:h:h:q
if (-r $__ucenv_where:q/ucenv-act.csh) then
  s\et __ucenv_self = $__ucenv_where:q/ucenv-act.csh
else if (-r $__ucenv_i:q/share/ucenv/shell/ucenv-act.csh) then
  s\et __ucenv_self = $__ucenv_i:q/share/ucenv/shell/ucenv-act.csh
else
  s\et __ucenv_self = UCENV_CONDA_ROOT-is-not-set-and-no-ucenv-act.csh-was-found
  if ($?UCENV_CONDA_ROOT) then
    s\et __ucenv_self = $UCENV_CONDA_ROOT:q/share/ucenv/shell/ucenv-act.csh
  endif
endif
# In an alias a ' and a ! have to be quoted; a tcsh from before 2021 is not able to.
s\et __ucenv_i = \\
if (x$__ucenv_i:s/\\/x/ == xx) then
  s\et __ucenv_self = $__ucenv_self:as/'/'\\''/:as/\!/\\!/:q
endif
alias ucenv 's\ource '\'$__ucenv_self:q\'' ucenv \!*'
alias ucenv_load 's\ource '\'$__ucenv_self:q\'' load \!*'
alias ucenv_activate 's\ource '\'$__ucenv_self:q\'' activate \!*'
alias ucenv_deactivate 's\ource '\'$__ucenv_self:q\'' deactivate \!*'
alias ucenv_unload 's\ource '\'$__ucenv_self:q\'' unload \!*'
u\nset __ucenv_self __ucenv_where __ucenv_i
