# ucenv-act.csh - what the aliases of ucenv.csh source: load, activate, deactivate, unload.
# For tcsh and csh.  `source ucenv-act.csh load [--module TOKEN] [ENV]` does without the aliases.
#
# A module's load has more options: --conda ROOT, --space DIR, --set NAME=VALUE; and --encoded, after which these and ENV come
# as __ucenv_encode makes them: module systems put them through backquotes, where a brace alone is an error.
#
#   1 what is ours        names, and how values are kept in the environment
#   2 lists               PATH-like variables, by whole entries
#   3 keeping, restoring  three states: unset, empty, set
#   4 scripts             activate.d and deactivate.d, and undoing what they leave
#   5 levels              activate, deactivate
#   6 load, unload        the user's space, conda's alias, and back
#   7 ucenv               the word users type
#
# How to read it.  tcsh has no functions.  What is one line of commands is an alias, gone at the end; $\!{:1} in it is the
# variable that the alias is called with.  What is longer is a step: a label, reached by __ucenv_plan, the list of the
# steps still to do, and left by `goto __ucenv_next`.  A goto reads the file from its beginning: steps are few and large.
#   s\et, u\nset ...    a backslash inside a builtin's name keeps the user's aliases out; so does `if (...) set`.
#   alias __ucenv_do    a variable whose name is in a variable: the alias is made of the name, then called.  Names are
#                       checked to be identifiers before; a value is never part of it, but for encoded ones (see 2).
#   $x:q                a value, byte for byte.  "$x" fails on a newline, and is for texts that have none.
#                       One chain of modifiers has :as only or :s only: before 2020 the `a` was for the whole chain.
# Comparisons begin with x, as tcsh takes -e or ( for an operator, and a pattern (=~) never holds a value that is not
# encoded.  Nothing that was read is ever parsed.
#
# A room is a part of this file that is entered by sourcing it once more: with its input redirected, for $< reads from
# there, which is how tcsh reads a file without a process.

if ($#argv > 1) then
  if (x$argv[1]:q == x__ucenv_room) goto __ucenv_room_$argv[2]
endif
goto __ucenv_begin

__ucenv_next:
if ($#__ucenv_plan) then
  s\et __ucenv_step = $__ucenv_plan[1]
  s\hift __ucenv_plan
  goto __ucenv_$__ucenv_step
endif

# The end of a call: the user's options come back, every variable and alias of ours goes, and what there is to say is said.
__ucenv_done:
if ($%__ucenv_broken && ! $__ucenv_status) set __ucenv_messages = ( $__ucenv_messages:q "conda's state was broken ($__ucenv_broken); cleaned up" )
if ($#__ucenv_kept) set __ucenv_messages = ( $__ucenv_messages:q "kept, because they were changed since: $__ucenv_kept" )
if ($#__ucenv_lost) set __ucenv_messages = ( $__ucenv_messages:q "not restored, because too long to be handed to this shell: $__ucenv_lost" )
foreach __ucenv_name ($__ucenv_options)
  alias __ucenv_do 's\et '$__ucenv_name' = $__ucenv_option_'$__ucenv_name':q'
  __ucenv_do
end
if (! $__ucenv_noglob) u\nset noglob
if ($__ucenv_by_module == 2 && $?__UCENVbrought && ! $?__UCENV_LEVELS) then
  unalias ucenv ucenv_load ucenv_activate ucenv_deactivate ucenv_unload
  u\nset __UCENVbrought
endif
alias __ucenv_end 'u\nset __ucenv_\*; unalias __ucenv_\*; e\xit '$__ucenv_status
foreach __ucenv_text ($__ucenv_messages:q)
  e\cho ucenv: $__ucenv_text:q >>! /dev/stderr
end
__ucenv_end

__ucenv_fail:
s\et __ucenv_status = 1
__ucenv_say:
if (1) set __ucenv_messages = ( $__ucenv_error:q )
goto __ucenv_done
__ucenv_usage:
s\et __ucenv_status = 2
goto __ucenv_say

# 1 what is ours ---------------------------------------------------------------------------------------

# The records, exported, so that a child of any shell can undo them; they exist between load and unload only:
#   __UCENV_LEVELS         levels that have one: 0 is the load, n an activation at CONDA_SHLVL n
#   __UCENV_TOKEN          the module that loaded
#   __UCENV_<n>            the conda root, or the environment's prefix
#   __UCENV_<n>_           names recorded
#   __UCENV_<n>_<NAME>     its state before: =value, - (unset), ~value (set but not exported, in a parent)
#   __UCENV_<n>G_<NAME>    its state after; missing where conda owns the name
# Not exported: __UCENV_conda (this file, if the alias conda is ours), __UCENV_path (where PATH was unset), __UCENV_deadly (scripts
# that ended a call: see 4); and as long as a module is loaded that brought the words: __UCENVbrought.

__ucenv_begin:
# A script that tcsh could not go on after has ended the call before this one: see 4.
if ($?__ucenv_running) then
  if (! $?__UCENV_deadly) set __UCENV_deadly = ()
  if (1) set __UCENV_deadly = ( $__UCENV_deadly:q $__ucenv_running:q )
  u\nset __ucenv_running
  if (1) set __ucenv_plan = ( back prompt_back recovered )
else
  s\et __ucenv_loading = 0
  if (1) set __ucenv_plan = ()
endif
# What is asked: `load ...`, or `ucenv load ...`, or something for a command.
s\et __ucenv_arg = 2
s\et __ucenv_word = ""
if ($#argv) s\et __ucenv_word = $argv[1]:q
if (x$__ucenv_word:q == xucenv || x$__ucenv_word:q == xconda) then
  s\et __ucenv_arg = 3
  s\et __ucenv_word = ""
  if ($#argv > 1) then
    s\et __ucenv_word = $argv[2]:q
  endif
  if ($argv[1] == conda && x$__ucenv_word:q !~ x{,de}activate) s\et __ucenv_word = conda
endif
s\et __ucenv_step = program
if (x$__ucenv_word:q =~ x{load,unload,activate,deactivate}) s\et __ucenv_step = $__ucenv_word
if (1) set __ucenv_plan = ( $__ucenv_plan $__ucenv_step )
# Options of the user's that would change how this file is read.
if (! $?__ucenv_options) then
  if (1) set __ucenv_options = ()
  s\et __ucenv_noglob = $?noglob
endif
if ($?echo || $?verbose || $?nonomatch || $?globdot || $?backslash_quote || $?histchars) then
  foreach __ucenv_name (echo verbose nonomatch globdot backslash_quote histchars)
    alias __ucenv_do 's\et __ucenv_there = $?'$__ucenv_name
    __ucenv_do
    if (! $__ucenv_there) continue
    alias __ucenv_do 's\et __ucenv_option_'$__ucenv_name' = $'$__ucenv_name':q; u\nset '$__ucenv_name
    __ucenv_do
    if (1) set __ucenv_options = ( $__ucenv_options $__ucenv_name )
  end
endif
s\et noglob

s\et __ucenv_letters = ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_
s\et __ucenv_digits = 0123456789
# Not a script's to set, or a shell variable of tcsh's that would hide the environment's for ever.
s\et __ucenv_unwatched = " _ PWD OLDPWD SHLVL argv command cwd echo euid gid group histchars history home host loginsh noglob owd path prompt prompt2 prompt3 shell shlvl status term tcsh tty uid user version verbose "
if (1) set __ucenv_owned = ( CONDA_EXE CONDA_PYTHON_EXE CONDA_SHLVL CONDA_PREFIX CONDA_DEFAULT_ENV CONDA_PROMPT_MODIFIER _CE_M _CE_CONDA _CONDA_EXE _CONDA_ROOT )
if (1) set __ucenv_messages = () __ucenv_kept = () __ucenv_lost = () __ucenv_lists = () __ucenv_state_names = () __ucenv_undecoded = ()
s\et __ucenv_status = 0
if (1) set __ucenv_sets = () __ucenv_module_root = "" __ucenv_module_space = "" __ucenv_by_module = 0 __ucenv_encoded = 0
s\et __ucenv_broken = ""
s\et __ucenv_failed = ""
s\et __ucenv_stale = 0
s\et __ucenv_stack = 0
s\et __ucenv_self = ""
foreach __ucenv_i (5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31 32)
  if (-L /proc/self/fd/$__ucenv_i =~ */ucenv-act.csh) s\et __ucenv_self = /proc/self/fd/$__ucenv_i
  if ($%__ucenv_self) break
end

# Words of our own: aliases, each one line of commands.

# $__ucenv_text without any character that tcsh, a pattern or a list could take for its own; and back.  Until 2020 the a of
# :as was lost by a :q after it, so texts stand in "", where no newline may result; it did not end where the new text held
# the old one, as %p does; and until 2021 no backslash was needed before a backslash.
s\et __ucenv_text = \\
s\et __ucenv_lines = ""
s\et __ucenv_old_tcsh = 1
alias __ucenv_encode_backslash 's\et __ucenv_text = "$__ucenv_text:as/\/%k/"'
alias __ucenv_decode_backslash 's\et __ucenv_text = "$__ucenv_text:as/%k/\/"'
if (x$__ucenv_text:s/\\/x/ == xx) then
  s\et __ucenv_old_tcsh = 0
  alias __ucenv_encode_backslash 's\et __ucenv_text = $__ucenv_text:as/\\/%k/:q'
  alias __ucenv_decode_backslash 's\et __ucenv_text = $__ucenv_text:as/%k/\\/:q'
endif
alias __ucenv_encode 'if (x$__ucenv_text:q =~ *%*) s\ource $__ucenv_self __ucenv_room percent; s\et __ucenv_text = "$__ucenv_text:as/ /%s/:as/	/%t/:as/\
/%n/:as/(/%l/:as/)/%r/:as/*/%a/:as/?/%q/:as/[/%b/:as/]/%e/:as/{/%o/:as/}/%c/:as/^/%h/:as/~/%w/:as/'\''/%i/:as/"/%u/:as/`/%g/:as/$/%d/:as/\!/%x/:as/#/%m/:as/&/%y/:as/;/%z/:as/|/%v/:as/</%j/:as/>/%f/:as/,/%C/"; __ucenv_encode_backslash'
alias __ucenv_decode \
  'if ("$__ucenv_text" =~ *%n*) s\ource $__ucenv_self __ucenv_room lines; __ucenv_decode_line;' \
  'if (x$__ucenv_lines:q != x) set __ucenv_text = $__ucenv_lines:q; s\et __ucenv_lines = ""'
alias __ucenv_decode_line '__ucenv_decode_backslash; s\et __ucenv_text = "$__ucenv_text:as/%C/,/:as/%f/>/:as/%j/</:as/%v/|/:as/%z/;/:as/%y/&/:as/%m/#/:as/%x/\!/:as/%d/$/:as/%g/`/:as/%u/"/:as/%i/'\''/:as/%w/~/:as/%h/^/:as/%c/}/:as/%o/{/:as/%e/]/:as/%b/[/:as/%q/?/:as/%a/*/:as/%r/)/:as/%l/(/:as/%t/	/:as/%s/ /:as/%p/%/"'

# A list is its encoded entries between blanks, each with an x before it: " x/usr/bin x x/bin ".  So an empty entry is a
# word, and every entry is compared whole.  From the state of a variable ($__ucenv_comma: entries end at commas); and back.
s\et __ucenv_comma = 0
alias __ucenv_split \
  's\et __ucenv_text = $__ucenv_state:s/=//:q; __ucenv_encode;' \
  'if ($__ucenv_comma) set __ucenv_text = $__ucenv_text:as/:/%A/:as/%C/:/;' \
  's\et __ucenv_list = " x$__ucenv_text:as/:/ x/ ";' \
  'if (x$__ucenv_state:q == x-) set __ucenv_list = " "'
alias __ucenv_join \
  's\et __ucenv_text = "$__ucenv_list:as/ x/:/:as/ //"; s\et __ucenv_text = $__ucenv_text:s/://:q;' \
  'if ($__ucenv_comma) set __ucenv_text = $__ucenv_text:as/:/%C/:as/%A/:/;' \
  '__ucenv_decode; s\et __ucenv_state = =$__ucenv_text:q;' \
  'if ("$__ucenv_list" == " ") set __ucenv_state = -'

# In PATH the first entry of prefix $__ucenv_from becomes that of $__ucenv_to (none: it goes).  Without the one, or where it
# is not found, the other comes in front.  PATH may be long, so it is not split: $__ucenv_list is ":/usr/bin::/bin:%Z".
# What to replace, and by what; then __ucenv_do is made and called; then the new state of PATH.
alias __ucenv_swap \
  's\et __ucenv_text = $__ucenv_state:s/=//:q; __ucenv_encode; s\et __ucenv_list = ":${__ucenv_text}:%Z";' \
  'if (x$__ucenv_state:q == x-) set __ucenv_list = ":%Z";' \
  's\et __ucenv_text = $__ucenv_from:q; __ucenv_encode; s\et __ucenv_old = ":$__ucenv_text/bin:";' \
  'if (x$__ucenv_from:q == x || "$__ucenv_list" !~ "*$__ucenv_old*") set __ucenv_old = ":";' \
  's\et __ucenv_text = $__ucenv_to:q; __ucenv_encode; s\et __ucenv_new = ":$__ucenv_text/bin:";' \
  'if (x$__ucenv_to:q == x) set __ucenv_new = ":"'
alias __ucenv_swapped \
  's\et __ucenv_text = "$__ucenv_list:s,:%Z,,"; s\et __ucenv_text = $__ucenv_text:s/://:q; __ucenv_decode;' \
  's\et __ucenv_state = =$__ucenv_text:q; if ("$__ucenv_list" == ":%Z") set __ucenv_state = -'

# The state of a variable in the environment -> $__ucenv_state: __ucenv_ask NAME, and on the next line __ucenv_tell.  In
# two lines, as tcsh reads even what it does not use: __ucenv_tell is made for a variable that is there or for one that is
# not.  A shell variable of that name hides it, and __ucenv_see notices: of a variable of the environment $x[*] is the
# value and then [*] as it stands.  (Not in "" where there is a newline; nobody hides such a value.)
alias __ucenv_ask 'alias __ucenv_tell __ucenv_tell_$?\!{:1} \!{:1}'
alias __ucenv_tell_0 's\et __ucenv_state = -; : \!*'
alias __ucenv_tell_1 's\et __ucenv_state = =$\!{:1}:q'
alias __ucenv_see 's\et __ucenv_whole = "$\!{:1}[*]"; if ("$__ucenv_whole" !~ *[[][*]]) s\ource $__ucenv_self __ucenv_room hidden \!{:1}'
s\et __ucenv_newline = '\
'
alias __ucenv_put \
  'if (x$__ucenv_state:q != x-) setenv \!{:1} $__ucenv_state:s/=//:q;' \
  'if (x$__ucenv_state:q == x-) unsetenv \!{:1}'
# A record, from $__ucenv_state; and its value -> $__ucenv_recalled, empty where there is none.
alias __ucenv_keep \
  'if ($%__ucenv_state > 32000) s\ource $__ucenv_self __ucenv_room measure \!{:1};' \
  'if ($%__ucenv_state <= 32000) setenv \!{:1} $__ucenv_state:q'
alias __ucenv_recall 'alias __ucenv_tell __ucenv_recall_$?\!{:1} \!{:1}'
alias __ucenv_recall_0 's\et __ucenv_recalled = ""; : \!*'
alias __ucenv_recall_1 's\et __ucenv_recalled = $\!{:1}:q'
alias __ucenv_given_0 's\et __ucenv_given = ""; : \!*'
alias __ucenv_given_1 's\et __ucenv_given = $\!{:1}:q'
# conda's variables for prefix $__ucenv_to at level $__ucenv_n, with words in the prompt if $__ucenv_shown.
alias __ucenv_own \
  's\et __ucenv_value = $__ucenv_to:q; if (x$__ucenv_to:h:t:q == xenvs) set __ucenv_value = $__ucenv_to:t:q;' \
  'if (x$__ucenv_to:q == x$__ucenv_root:q) set __ucenv_value = base;' \
  's\etenv CONDA_PREFIX $__ucenv_to:q; s\etenv CONDA_SHLVL $__ucenv_n; s\etenv CONDA_DEFAULT_ENV $__ucenv_value:q;' \
  'if ($__ucenv_shown) setenv CONDA_PROMPT_MODIFIER "("$__ucenv_value:q") "; if (! $__ucenv_shown) setenv CONDA_PROMPT_MODIFIER ""'

# What conda's variables say: $__ucenv_level, $__ucenv_prefix, $__ucenv_modifier; the topmost record, $__ucenv_top (0: none
# of an activation); and the conda that is loaded, or that conda's variables name, $__ucenv_root.
__ucenv_find_level:
s\et __ucenv_level = 0
s\et __ucenv_prefix = ""
s\et __ucenv_modifier = ""
s\et __ucenv_root = ""
s\et __ucenv_top = 0
s\et __ucenv_stale = 0
if ($?CONDA_PREFIX) then
  s\et __ucenv_prefix = $CONDA_PREFIX:q
endif
if ($?CONDA_SHLVL) then
  if (x$CONDA_SHLVL:q =~ x[0123456789] || x$CONDA_SHLVL:q =~ x[123456789][0123456789]) then
    s\et __ucenv_level = $CONDA_SHLVL
  else if ($%CONDA_SHLVL) then
    s\et __ucenv_broken = "CONDA_SHLVL is no level"
    # Then there are as many levels as have a prefix.
    foreach __ucenv_i (1 2 3 4 5 6 7 8 9)
      if (! $%__ucenv_prefix) break
      s\et __ucenv_level = $__ucenv_i
      alias __ucenv_do 's\et __ucenv_there = $?CONDA_PREFIX_'$__ucenv_i
      __ucenv_do
      if (! $__ucenv_there) break
    end
  endif
endif
if ($?CONDA_PROMPT_MODIFIER) then
  s\et __ucenv_modifier = $CONDA_PROMPT_MODIFIER:q
endif
if ($?__UCENV_0) then
  s\et __ucenv_root = $__UCENV_0:q
  foreach __ucenv_word ($__UCENV_LEVELS)
    if (x$__ucenv_word =~ x[0123456789] || x$__ucenv_word =~ x[123456789][0123456789]) s\et __ucenv_top = $__ucenv_word
  end
else if ($?CONDA_EXE) then
  if (x$CONDA_EXE:q =~ x*/bin/conda || x$CONDA_EXE:q =~ x*/condabin/conda) s\et __ucenv_root = $CONDA_EXE:h:h:q
endif
if (! $%__ucenv_root && $?_CONDA_ROOT) then
  s\et __ucenv_root = $_CONDA_ROOT:q
endif
if ($__ucenv_top) set __ucenv_plan = ( stale $__ucenv_plan )
goto __ucenv_next

# Whether the words are there -> $__ucenv_text, empty where they are not.
__ucenv_room_words:
alias ucenv_load >! /proc/self/fd/0
s\et __ucenv_text = "$<"
e\xit 0

# The place of this file -> $__ucenv_where, and the user's alias conda -> $__ucenv_text.  The input is an unlinked file of
# the shell's own (<<), which a builtin writes by its name in /proc.
__ucenv_room_where:
f\iletest -L $__ucenv_self >! /proc/self/fd/0
alias conda >>! /proc/self/fd/0
s\et __ucenv_where = "$<"
s\et __ucenv_text = "$<"
e\xit 0

# 2 lists ----------------------------------------------------------------------------------------------

# A text with a percent sign: that and newlines are encoded, where need be by way of two characters that it does not have.
__ucenv_room_percent:
alias __ucenv_here 's\et __ucenv_text = "$__ucenv_text:as/%/%p/:as/\
/%n/"'
if (! $__ucenv_old_tcsh) then
  __ucenv_here
  e\xit 0
endif
if (1) set __ucenv_free = ()
foreach __ucenv_word (@ + = _ - . J Q X Z K Y W V U G H B D F 9 8 7 6 5 4 3 2 1 0 j q z k y w v u g b)
  if (x$__ucenv_text:q !~ x*$__ucenv_word*) set __ucenv_free = ( $__ucenv_free $__ucenv_word )
  if ($#__ucenv_free == 2) b\reak
end
alias __ucenv_here 's\et __ucenv_text = "$__ucenv_text:as/\
/'$__ucenv_free[2]'/:as/%/'$__ucenv_free[1]'/:as/'$__ucenv_free[1]'/%p/:as/'$__ucenv_free[2]'/%n/"'
__ucenv_here
e\xit 0

# A text of several lines: decoded line by line -> $__ucenv_lines.
__ucenv_room_lines:
s\et __ucenv_text = "x$__ucenv_text:as/%n/ x/"
s\et __ucenv_first = 1
foreach __ucenv_line ($__ucenv_text)
  s\et __ucenv_text = "$__ucenv_line:s/x//"
  __ucenv_decode_line
  if ($__ucenv_first) then
    s\et __ucenv_lines = $__ucenv_text:q
  else
    s\et __ucenv_lines = $__ucenv_lines:q'\
'$__ucenv_text:q
  endif
  s\et __ucenv_first = 0
end
s\et __ucenv_text = ""
e\xit 0

# What given had and before had not leaves $__ucenv_list, once each; what was taken from before comes back in its place.
__ucenv_merge:
s\et __ucenv_removed = "$__ucenv_before_list"
if (1) set __ucenv_added = ()
foreach __ucenv_word ($__ucenv_given_list)
  if ("$__ucenv_removed" =~ "* $__ucenv_word *") then
    alias __ucenv_do 's\et __ucenv_removed = "$__ucenv_removed:s, '$__ucenv_word' , ,"'
    __ucenv_do
  else
    if (1) set __ucenv_added = ( $__ucenv_added $__ucenv_word )
  endif
end
s\et __ucenv_new = "$__ucenv_removed"
foreach __ucenv_word ($__ucenv_added)
  if ("$__ucenv_list" !~ "* $__ucenv_word *") continue
  alias __ucenv_do 's\et __ucenv_list = "$__ucenv_list:s, '$__ucenv_word' ,'"$__ucenv_new"',"'
  __ucenv_do
  s\et __ucenv_new = " "
end
if ("$__ucenv_new" != " ") s\et __ucenv_list = "$__ucenv_new$__ucenv_list:s/ //"
goto __ucenv_next

# Every entry of $__ucenv_list as os.path.normpath writes it.
__ucenv_normalise:
s\et __ucenv_words = " "
foreach __ucenv_word ($__ucenv_list)
  s\et __ucenv_word = $__ucenv_word:s/x//
  s\et __ucenv_lead = ""
  if ("$__ucenv_word" =~ /*) s\et __ucenv_lead = /
  if ("$__ucenv_word" =~ //* && "$__ucenv_word" !~ ///*) s\et __ucenv_lead = //
  s\et __ucenv_out = ""
  s\et __ucenv_text = "$__ucenv_word:as,/, ,"
  foreach __ucenv_part ($__ucenv_text)
    if ($__ucenv_part == .) continue
    if ($__ucenv_part != ..) then
      s\et __ucenv_out = $__ucenv_out/$__ucenv_part
    else if ("$__ucenv_out" == "" || "$__ucenv_out" =~ */..) then
      if ("$__ucenv_lead" == "") s\et __ucenv_out = $__ucenv_out/..
    else
      s\et __ucenv_out = "$__ucenv_out:h"
    endif
  end
  s\et __ucenv_out = "$__ucenv_lead$__ucenv_out:s,/,,"
  if ("$__ucenv_out" == "") s\et __ucenv_out = .
  s\et __ucenv_words = "${__ucenv_words}x$__ucenv_out "
end
s\et __ucenv_list = "$__ucenv_words"
goto __ucenv_next

# The entries at directory $__ucenv_under (encoded) or under it leave the variables $__ucenv_lists, but for as many of each
# as stood there before the load.  A variable that is empty then is unset.
__ucenv_leave:
foreach __ucenv_name ($__ucenv_lists)
  alias __ucenv_do '__ucenv_recall __UCENV_0_'$__ucenv_name
  __ucenv_do
  __ucenv_tell
  s\et __ucenv_comma = 0
  s\et __ucenv_state = -
  if (x$__ucenv_recalled:q =~ x=*) s\et __ucenv_state = $__ucenv_recalled:q
  __ucenv_split
  s\et __ucenv_before_list = "$__ucenv_list"
  alias __ucenv_do '__ucenv_ask '$__ucenv_name
  __ucenv_do
  __ucenv_tell
  __ucenv_split
  s\et __ucenv_words = " "
  foreach __ucenv_word ($__ucenv_list)
    if ($__ucenv_word == x$__ucenv_under || $__ucenv_word =~ x$__ucenv_under/*) then
      if ("$__ucenv_before_list" !~ "* $__ucenv_word *") continue
      alias __ucenv_do 's\et __ucenv_before_list = "$__ucenv_before_list:s, '$__ucenv_word' , ,"'
      __ucenv_do
    endif
    s\et __ucenv_words = "$__ucenv_words$__ucenv_word "
  end
  if ("$__ucenv_words" == "$__ucenv_list") continue
  s\et __ucenv_list = "$__ucenv_words"
  if ("$__ucenv_list" == " x ") s\et __ucenv_list = " "
  __ucenv_join
  alias __ucenv_do '__ucenv_put '$__ucenv_name
  __ucenv_do
end
goto __ucenv_next

# 3 keeping, restoring ---------------------------------------------------------------------------------


# A record of a level that conda has left without us is undone where nobody touched what it says, silently.
__ucenv_stale:
alias __ucenv_do '__ucenv_recall __UCENV_'$__ucenv_top
__ucenv_do
__ucenv_tell
s\et __ucenv_value = $__ucenv_recalled:q
alias __ucenv_do '__ucenv_recall CONDA_PREFIX_'$__ucenv_top
if ($__ucenv_top == $__ucenv_level) alias __ucenv_do '__ucenv_recall CONDA_PREFIX'
__ucenv_do
__ucenv_tell
if ($__ucenv_top <= $__ucenv_level && x$__ucenv_value:q == x$__ucenv_recalled:q) goto __ucenv_next
s\et __ucenv_n = $__ucenv_top
s\et __ucenv_stale = 1
if (1) set __ucenv_plan = ( undo find_level $__ucenv_plan )
goto __ucenv_next

# A shell variable of the name $argv[3] hides the environment's: that one's state -> $__ucenv_state.
__ucenv_room_hidden:
s\et __ucenv_state = -
if ("$__ucenv_unwatched" =~ "* $argv[3] *") e\xit 0
alias __ucenv_here 'if (1) set __ucenv_saved = ( $'$argv[3]':q ); u\nset '$argv[3]'; s\et __ucenv_there = $?'$argv[3]
__ucenv_here
alias __ucenv_here 's\et __ucenv_state = =$'$argv[3]':q'
if ($__ucenv_there) then
  __ucenv_here
endif
alias __ucenv_here 'if (1) set '$argv[3]' = ( $__ucenv_saved:q )'
__ucenv_here
e\xit 0

# Keep a long $__ucenv_state as $argv[3].  NAME=value and a NUL of 131,072 bytes or more let no command start any more: such
# a copy is not exported.  tcsh counts characters; the bytes are those of a file, where it can have one.
__ucenv_room_measure:
@ __ucenv_bytes = $%__ucenv_state * 4
if (x$__ucenv_self:q =~ x/proc/*) then
  s\ource $__ucenv_self __ucenv_room bytes << x
x
endif
s\et __ucenv_text = $argv[3]
@ __ucenv_bytes += $%__ucenv_text + 2
if ($__ucenv_bytes < 131072) then
  s\etenv $argv[3] $__ucenv_state:q
else
  alias __ucenv_here 's\et '$argv[3]' = $__ucenv_state:q'
  __ucenv_here
endif
e\xit 0
__ucenv_room_bytes:
g\lob $__ucenv_state:q >! /proc/self/fd/0
@ __ucenv_bytes = -Z /proc/self/fd/0
e\xit 0

# Undo record $__ucenv_n: what is still as it was given becomes what it was before.  Then the record is forgotten.  If
# $__ucenv_stale, conda went down without us, and what somebody touched since is left alone.
__ucenv_undo:
alias __ucenv_do '__ucenv_recall __UCENV_'$__ucenv_n'_'
__ucenv_do
__ucenv_tell
s\et __ucenv_text = $__ucenv_recalled:q
__ucenv_encode
if (1) set __ucenv_names = ()
if (1) set __ucenv_lists = ()
s\et __ucenv_text = "$__ucenv_text:as/%s/ /"
foreach __ucenv_name ($__ucenv_text)
  if ($__ucenv_name !~ [$__ucenv_letters]* || $__ucenv_name =~ *[^$__ucenv_letters$__ucenv_digits]*) continue
  if (1) set __ucenv_names = ( $__ucenv_names $__ucenv_name )
  alias __ucenv_do 'alias __ucenv_tell "__ucenv_given_$?__UCENV_'$__ucenv_n'G_'$__ucenv_name' __UCENV_'$__ucenv_n'G_'$__ucenv_name'; __ucenv_recall_$?__UCENV_'$__ucenv_n'_'$__ucenv_name' __UCENV_'$__ucenv_n'_'$__ucenv_name'; __ucenv_tell_$?'$__ucenv_name' '$__ucenv_name'"'
  __ucenv_do
  __ucenv_tell
  if (x$__ucenv_state:q != x- && x$__ucenv_state:q !~ *${__ucenv_newline:q}*) then
    alias __ucenv_do '__ucenv_see '$__ucenv_name
    __ucenv_do
  endif
  if (x$__ucenv_recalled:q == x) then
    if (1) set __ucenv_lost = ( $__ucenv_lost $__ucenv_name )
    continue
  endif
  # A child has no plain variables of its parent's.
  if (x$__ucenv_recalled:q =~ x~*) s\et __ucenv_recalled = -
  if (x$__ucenv_given:q =~ x~*) s\et __ucenv_given = -
  if (x$__ucenv_state:q == x$__ucenv_recalled:q) continue
  if (x$__ucenv_given:q == x || x$__ucenv_state:q == x$__ucenv_given:q) then
    s\et __ucenv_state = $__ucenv_recalled:q
    alias __ucenv_do '__ucenv_put '$__ucenv_name
    __ucenv_do
  else if ($__ucenv_stale) then
    continue
  else if ($__ucenv_name =~ *PATH || $__ucenv_name =~ *DIRS || $__ucenv_name == PS1) then
    if (1) set __ucenv_lists = ( $__ucenv_lists $__ucenv_name )
  else
    if (1) set __ucenv_kept = ( $__ucenv_kept $__ucenv_name )
  endif
end
# A venv on top has its copy of PATH.
if ($?_OLD_VIRTUAL_PATH && " $__ucenv_names " =~ "* PATH *" && ! $__ucenv_stale) set __ucenv_lists = ( $__ucenv_lists _OLD_VIRTUAL_PATH )
if ($#__ucenv_lists) then
  if (1) set __ucenv_plan = ( undo_list forget $__ucenv_plan )
  goto __ucenv_next
endif

# Record $__ucenv_n is no more.
__ucenv_forget:
if ($__ucenv_n == 0) then
  if ($?__UCENV_conda) unalias conda
  # Without PATH tcsh has a $path of its own, which setting PATH replaced.
  if ($?__UCENV_path && ! $?PATH) then
    if (1) set path = ( $__UCENV_path:q )
    u\nsetenv PATH
  endif
  u\nsetenv __UCENV_\*
  u\nset __UCENV_\*
  goto __ucenv_next
endif
u\nsetenv __UCENV_$__ucenv_n __UCENV_${__ucenv_n}_\* __UCENV_${__ucenv_n}G_\*
u\nset __UCENV_${__ucenv_n}_\* __UCENV_${__ucenv_n}G_\*
s\et __ucenv_text = ""
foreach __ucenv_word ($__UCENV_LEVELS)
  if (x$__ucenv_word:q == x$__ucenv_n) continue
  if ($%__ucenv_text) s\et __ucenv_text = "$__ucenv_text "
  s\et __ucenv_text = "$__ucenv_text$__ucenv_word"
end
if ($%__ucenv_text) s\etenv __UCENV_LEVELS "$__ucenv_text"
if (! $%__ucenv_text) u\nsetenv __UCENV_LEVELS
goto __ucenv_next

# The lists that were changed since, one after another.
__ucenv_undo_list:
if ($#__ucenv_lists == 0) goto __ucenv_next
s\et __ucenv_name = $__ucenv_lists[1]
s\hift __ucenv_lists
s\et __ucenv_of = $__ucenv_name:s/_OLD_VIRTUAL_//
alias __ucenv_do 'alias __ucenv_tell "__ucenv_given_$?__UCENV_'$__ucenv_n'G_'$__ucenv_of' __UCENV_'$__ucenv_n'G_'$__ucenv_of'; __ucenv_recall_$?__UCENV_'$__ucenv_n'_'$__ucenv_of' __UCENV_'$__ucenv_n'_'$__ucenv_of'; __ucenv_tell_$?'$__ucenv_name' '$__ucenv_name'"'
__ucenv_do
__ucenv_tell
s\et __ucenv_in_shell = 0
if ($__ucenv_name == _OLD_VIRTUAL_PATH) then
  # venv's activate.csh keeps it in a shell variable.
  s\et __ucenv_state = =$_OLD_VIRTUAL_PATH:q
  if (x$__ucenv_state:q !~ *${__ucenv_newline:q}*) then
    if ("$_OLD_VIRTUAL_PATH[*]" !~ *[[][*]]) s\et __ucenv_in_shell = 1
  endif
endif
if (x$__ucenv_recalled:q =~ x~*) s\et __ucenv_recalled = -
if (x$__ucenv_given:q =~ x~*) s\et __ucenv_given = -
s\et __ucenv_before = $__ucenv_recalled:q
if (x$__ucenv_state:q == x$__ucenv_before:q) goto __ucenv_undo_list
if ($__ucenv_name == PS1) then
  # A parent's prompt: its words are taken out where they were put.
  s\et __ucenv_text = $__ucenv_modifier:q
  __ucenv_encode
  s\et __ucenv_old = $__ucenv_text:q
  s\et __ucenv_text = $__ucenv_state:s/=//:q
  __ucenv_encode
  if (! $%__ucenv_old || $__ucenv_state:q !~ =* || x$__ucenv_text !~ x$__ucenv_old*) goto __ucenv_undo_list
  alias __ucenv_do 's\et __ucenv_text = x$__ucenv_text:s,'$__ucenv_old',,'
  __ucenv_do
  s\et __ucenv_text = $__ucenv_text:s/x//
  __ucenv_decode
  s\et __ucenv_state = =$__ucenv_text:q
  if (x$__ucenv_state:q == x= && x$__ucenv_before:q == x-) s\et __ucenv_state = -
  __ucenv_put PS1
  goto __ucenv_undo_list
endif
if (1) set __ucenv_plan = ( undo_list_put undo_list $__ucenv_plan )
if (x$__ucenv_state:q == x$__ucenv_given:q) then
  s\et __ucenv_state = $__ucenv_before:q
  goto __ucenv_next
endif
s\et __ucenv_comma = 0
if ($__ucenv_name == CONDA_PKGS_DIRS) s\et __ucenv_comma = 1
s\et __ucenv_there = 0
if (x$__ucenv_state:q == x= || (x$__ucenv_state:q != x- && x$__ucenv_before:q == x=)) s\et __ucenv_there = 1
__ucenv_split
s\et __ucenv_current_list = "$__ucenv_list"
s\et __ucenv_state = $__ucenv_given:q
__ucenv_split
s\et __ucenv_given_list = "$__ucenv_list"
s\et __ucenv_state = $__ucenv_before:q
__ucenv_split
s\et __ucenv_before_list = "$__ucenv_list"
s\et __ucenv_list = "$__ucenv_current_list"
if (1) set __ucenv_plan = ( merge undo_list_as_found $__ucenv_plan )
goto __ucenv_next

# conda writes every entry of PATH as normpath does, and does not undo it.  Where the rest is the PATH that the load found,
# so written, it becomes that PATH again.
__ucenv_undo_list_as_found:
if ($__ucenv_n == 0 && $__ucenv_of == PATH && "$__ucenv_list" != "$__ucenv_before_list") then
  s\et __ucenv_current_list = "$__ucenv_list"
  s\et __ucenv_list = "$__ucenv_before_list"
  if (1) set __ucenv_plan = ( normalise undo_list_normal undo_list_join $__ucenv_plan )
  goto __ucenv_next
endif
__ucenv_undo_list_join:
__ucenv_join
# Empty now (or one empty entry), it stays set only where it was set to nothing before, or by somebody since.
if (x$__ucenv_before:q == x-) s\et __ucenv_there = 0
if (x$__ucenv_state:q == x= && ! $__ucenv_there) s\et __ucenv_state = -
if (x$__ucenv_state:q == x- && $__ucenv_there) s\et __ucenv_state = "="
goto __ucenv_next
__ucenv_undo_list_normal:
s\et __ucenv_old = "$__ucenv_list"
s\et __ucenv_list = "$__ucenv_current_list"
if ("$__ucenv_old" == " " || "$__ucenv_list" !~ "*$__ucenv_old*") goto __ucenv_next
alias __ucenv_do 's\et __ucenv_list = "$__ucenv_list:s,'"$__ucenv_old,$__ucenv_before_list"',"'
__ucenv_do
goto __ucenv_next

__ucenv_undo_list_put:
alias __ucenv_do '__ucenv_put '$__ucenv_name
if ($__ucenv_in_shell) alias __ucenv_do 's\et '$__ucenv_name' = $__ucenv_state:s/=//:q'
__ucenv_do
goto __ucenv_next

# 4 scripts --------------------------------------------------------------------------------------------

# No builtin of tcsh lists variables without a process: the names are those that the scripts' text sets or unsets.
# An error that tcsh ends a script with (an undefined variable, a failed cd; the docs list them) ends this file as well.
# Then $__ucenv_running says which script it was, and what was noted before it is there: the next call takes back what was
# begun and from then on leaves that script out.

# The scripts to run when prefix $__ucenv_from goes down, or $__ucenv_to comes up, in conda's order -> $__ucenv_scripts_down,
# $__ucenv_scripts_up.  What they set -> $__ucenv_names.
__ucenv_list_down:
__ucenv_list_up:
__ucenv_list_sets:
s\et __ucenv_scripts_of = $__ucenv_to:q/etc/conda/activate.d
if ($__ucenv_step == list_down) s\et __ucenv_scripts_of = $__ucenv_from:q/etc/conda/deactivate.d
if ($__ucenv_step == list_sets) s\et __ucenv_scripts_of = $__ucenv_from:q/etc/conda/activate.d
if (! -d $__ucenv_scripts_of:q) goto __ucenv_next
u\nset noglob
s\et nonomatch
if (1) set __ucenv_scripts = ( $__ucenv_scripts_of:q/*.csh )
if (! -e $__ucenv_scripts[1]:q && ! -l $__ucenv_scripts[1]:q) set __ucenv_scripts = ()
if ($#__ucenv_scripts > 1) then
  # A glob's order is the locale's, and conda's is not.
  __ucenv_ask LC_ALL
  __ucenv_tell
  s\et __ucenv_all = $__ucenv_state:q
  __ucenv_ask LC_CTYPE
  __ucenv_tell
  s\et __ucenv_ctype = $__ucenv_state:q
  __ucenv_ask LC_COLLATE
  __ucenv_tell
  s\et __ucenv_collate = $__ucenv_state:q
  s\etenv LC_COLLATE C
  if (x$__ucenv_all:q != x-) s\etenv LC_CTYPE $__ucenv_all:s/=//:q
  u\nsetenv LC_ALL
  if (1) set __ucenv_scripts = ( $__ucenv_scripts_of:q/*.csh )
  s\et __ucenv_state = $__ucenv_all:q
  __ucenv_put LC_ALL
  s\et __ucenv_state = $__ucenv_ctype:q
  __ucenv_put LC_CTYPE
  s\et __ucenv_state = $__ucenv_collate:q
  __ucenv_put LC_COLLATE
endif
u\nset nonomatch
s\et noglob
foreach __ucenv_file ($__ucenv_scripts:q)
  if (! -r $__ucenv_file:q) continue
  @ __ucenv_size = -Z $__ucenv_file:q
  s\ource $__ucenv_self __ucenv_room script < $__ucenv_file:q
end
if ($__ucenv_step == list_up) set __ucenv_scripts_up = ( $__ucenv_scripts:q )
if ($__ucenv_step != list_down) goto __ucenv_next
foreach __ucenv_file ($__ucenv_scripts:q)
  if (1) set __ucenv_scripts_down = ( $__ucenv_file:q $__ucenv_scripts_down:q )
end
goto __ucenv_next

# The lines of a script -> __ucenv_names, those that it sets or unsets.
__ucenv_room_script:
s\et __ucenv_read = 0
while ($__ucenv_read < $__ucenv_size)
  s\et __ucenv_text = "$<"
  # Characters are counted against bytes: at worst a few empty lines are read past the end.
  @ __ucenv_read += $%__ucenv_text + 1
  if (x$__ucenv_text:q !~ x*setenv*) continue
  __ucenv_encode
  # blanks, tabs, ( ) ' " ` end a word, and ; & | a command: %E
  s\et __ucenv_text = "$__ucenv_text:as/%s/ /:as/%t/ /:as/%l/ /:as/%r/ /:as/%i/ /:as/%u/ /:as/%g/ /:as/%z/ %E /:as/%y/ %E /:as/%v/ %E /"
  s\et __ucenv_verb = ""
  foreach __ucenv_word ($__ucenv_text)
    if ($__ucenv_word == setenv || $__ucenv_word == unsetenv) then
      s\et __ucenv_verb = $__ucenv_word
    else if ($__ucenv_word == %E) then
      s\et __ucenv_verb = ""
    else if ($__ucenv_verb != "") then
      if ($__ucenv_word =~ [$__ucenv_letters]* && $__ucenv_word !~ *[^$__ucenv_letters$__ucenv_digits]* && "$__ucenv_unwatched" !~ "* $__ucenv_word *") set __ucenv_names = ( $__ucenv_names $__ucenv_word )
      if ($__ucenv_verb == setenv) s\et __ucenv_verb = ""
    endif
  end
end
e\xit 0

# Run them.  Those that come up, until one fails: $__ucenv_failed; `again` and on the way down it does not matter.
__ucenv_run_down:
__ucenv_run_up:
__ucenv_run_again:
s\et __ucenv_strict = 0
if ($__ucenv_step == run_up) s\et __ucenv_strict = 1
if (1) set __ucenv_scripts = ( $__ucenv_scripts_up:q )
if ($__ucenv_step == run_down) set __ucenv_scripts = ( $__ucenv_scripts_down:q )
if (! $__ucenv_noglob) u\nset noglob
if (1) set argv = ()
foreach __ucenv_file ($__ucenv_scripts:q)
  if (! -r $__ucenv_file:q) continue
  s\et __ucenv_there = 0
  if ($?__UCENV_deadly) then
    foreach __ucenv_word ($__UCENV_deadly:q)
      if (x$__ucenv_word:q == x$__ucenv_file:q) s\et __ucenv_there = 1
    end
  endif
  if ($__ucenv_there) continue
  s\et __ucenv_running = $__ucenv_file:q
  s\ource $__ucenv_file:q
  s\et __ucenv_returned = $status
  u\nset __ucenv_running
  if ($__ucenv_returned == 0 || ! $__ucenv_strict) continue
  s\et __ucenv_failed = $__ucenv_file:q
  b\reak
end
s\et noglob
goto __ucenv_next

# What became of the noted variables: revert, but for what conda owns (or only lists); back, all; settle, in the record of
# level $__ucenv_n.
__ucenv_revert:
__ucenv_revert_lists:
__ucenv_back:
__ucenv_settle:
if (1) set __ucenv_names = ()
s\et __ucenv_i = 0
foreach __ucenv_name ($__ucenv_noted_names)
  @ __ucenv_i ++
  alias __ucenv_do '__ucenv_ask '$__ucenv_name
  __ucenv_do
  __ucenv_tell
  if (x$__ucenv_state:q != x- && x$__ucenv_state:q !~ *${__ucenv_newline:q}*) then
    alias __ucenv_do '__ucenv_see '$__ucenv_name
    __ucenv_do
  endif
  if (x$__ucenv_state:q == x$__ucenv_noted[$__ucenv_i]:q || " $__ucenv_names " =~ "* $__ucenv_name *") continue
  if ($__ucenv_step == revert_lists && $__ucenv_name !~ *PATH && $__ucenv_name !~ *DIRS) continue
  if ($__ucenv_step != back) then
    if (" $__ucenv_owned " =~ "* $__ucenv_name *" || $__ucenv_name =~ CONDA_PREFIX_[$__ucenv_digits]* || $__ucenv_name =~ CONDA_STACKED_[$__ucenv_digits]*) continue
  endif
  if ($__ucenv_step == settle) then
    if (1) set __ucenv_names = ( $__ucenv_names $__ucenv_name )
    alias __ucenv_do '__ucenv_keep __UCENV_'$__ucenv_n'G_'$__ucenv_name'; s\et __ucenv_state = $__ucenv_noted[$__ucenv_i]:q; __ucenv_keep __UCENV_'$__ucenv_n'_'$__ucenv_name
  else
    s\et __ucenv_state = $__ucenv_noted[$__ucenv_i]:q
    alias __ucenv_do '__ucenv_put '$__ucenv_name
  endif
  __ucenv_do
end
if ($__ucenv_step == settle) s\etenv __UCENV_${__ucenv_n}_ "$__ucenv_names"
goto __ucenv_next

# The state variables of prefix $__ucenv_state_of -> $__ucenv_state_names, $__ucenv_state_values.
__ucenv_state:
if (1) set __ucenv_state_names = ()
if (1) set __ucenv_state_values = ()
if (1) set __ucenv_files = ()
if (-d $__ucenv_state_of:q/etc/conda/env_vars.d) then
  u\nset noglob
  s\et nonomatch
  if (1) set __ucenv_files = ( $__ucenv_state_of:q/etc/conda/env_vars.d/*.json )
  u\nset nonomatch
  s\et noglob
endif
foreach __ucenv_file ($__ucenv_files:q $__ucenv_state_of:q/conda-meta/state)
  if (! -r $__ucenv_file:q) continue
  s\et __ucenv_flat = 1
  if (x$__ucenv_file:t:q == xstate) s\et __ucenv_flat = 0
  @ __ucenv_size = -Z $__ucenv_file:q
  s\ource $__ucenv_self __ucenv_room state < $__ucenv_file:q
end
goto __ucenv_next

# The JSON of conda-meta/state or of a file in env_vars.d -> __ucenv_state_names, and __ucenv_state_values as JSON writes
# them, encoded.  Inside a string \\ becomes %K and \" becomes %U; then every other part between two " is a string.
__ucenv_room_state:
s\et __ucenv_read = 0
s\et __ucenv_json = ""
while ($__ucenv_read < $__ucenv_size)
  s\et __ucenv_text = "$<"
  @ __ucenv_read += $%__ucenv_text + 1
  __ucenv_encode
  s\et __ucenv_json = "$__ucenv_json$__ucenv_text"
end
s\et __ucenv_json = "x$__ucenv_json:as/%k%k/%K/:as/%k%u/%U/:as/%u/ x/"
s\et __ucenv_is_string = 1
s\et __ucenv_string = ""
s\et __ucenv_name = ""
s\et __ucenv_value = ""
s\et __ucenv_depth = 0
# The depth of the object that holds the variables: the outermost (env_vars.d), or the one called env_vars.
s\et __ucenv_vars_depth = $__ucenv_flat
foreach __ucenv_word ($__ucenv_json)
  @ __ucenv_is_string = ! $__ucenv_is_string
  s\et __ucenv_word = "$__ucenv_word:s/x//"
  if ($__ucenv_is_string) then
    s\et __ucenv_string = "$__ucenv_word"
    continue
  endif
  # A string before a colon is a key; one after nothing but a colon was the value of the key before.
  if ("$__ucenv_name" != "" && ("$__ucenv_word" =~ *%C* || "$__ucenv_word" =~ *%c*)) then
    if (1) set __ucenv_state_names = ( $__ucenv_state_names $__ucenv_name )
    if (1) set __ucenv_state_values = ( $__ucenv_state_values "x$__ucenv_string" )
  endif
  s\et __ucenv_name = ""
  if ("$__ucenv_word" =~ *:* && $__ucenv_depth == $__ucenv_vars_depth && $__ucenv_depth) then
    # Blanks, and a carriage return that cannot be named here, may stand around the colon.
    s\et __ucenv_text = "$__ucenv_word:s/://"
    s\et __ucenv_text = "$__ucenv_text:as/%s//:as/%t//"
    if ("$__ucenv_text" !~ *[%$__ucenv_letters$__ucenv_digits+.-]* && "$__ucenv_string" =~ [$__ucenv_letters]* && "$__ucenv_string" !~ *[^$__ucenv_letters$__ucenv_digits]*) then
      s\et __ucenv_name = "$__ucenv_string"
      if ("$__ucenv_unwatched PATH PS1 IFS " =~ "* $__ucenv_name *" || $__ucenv_name =~ __UCENV*) s\et __ucenv_name = ""
    endif
  endif
  while ("$__ucenv_word" =~ *%[oc]*)
    # Whichever comes first; closing the object with the variables ends it all.
    s\et __ucenv_text = "x$__ucenv_word:s/%o/ x/"
    if (1) set __ucenv_words = ( $__ucenv_text )
    if ("$__ucenv_word" =~ *%o* && "$__ucenv_words[1]" !~ *%c*) then
      @ __ucenv_depth ++
      s\et __ucenv_word = "$__ucenv_word:s/%o//"
      if (! $__ucenv_flat && $__ucenv_depth == 2 && "$__ucenv_string" == env_vars) s\et __ucenv_vars_depth = 2
    else
      if ($__ucenv_depth == $__ucenv_vars_depth && $__ucenv_depth) e\xit 0
      @ __ucenv_depth --
      s\et __ucenv_word = "$__ucenv_word:s/%c//"
    endif
  end
end
e\xit 0

# Set them; of two values the later one counts.  If $__ucenv_save, what was there goes where conda keeps it.
__ucenv_state_set:
s\et __ucenv_i = 0
foreach __ucenv_name ($__ucenv_state_names)
  @ __ucenv_i ++
  s\et __ucenv_value = $__ucenv_state_values[$__ucenv_i]
  if ($__ucenv_value == x%a%a%aunset%a%a%a) continue
  s\et __ucenv_value = "$__ucenv_value:as/%U/%u/:as,%k/,/,:as/%kn/%n/:as/%kt/%t/:as/%kr/%ku000d/:as/%kb/%ku0008/:as/%kf/%ku000c/"
  s\et __ucenv_bad = 0
  while ("$__ucenv_value" =~ *%ku*)
    # The four digits; tcsh can write what is ASCII.
    s\et __ucenv_text = "$__ucenv_value:s/%ku/ x/"
    if (1) set __ucenv_words = ( $__ucenv_text )
    if (1) set __ucenv_hex = ( x )
    foreach __ucenv_word (1 2 3 4)
      foreach __ucenv_digit (0 1 2 3 4 5 6 7 8 9 a b c d e f A B C D E F)
        if ("$__ucenv_words[2]" !~ $__ucenv_hex[1]$__ucenv_digit*) continue
        if (1) set __ucenv_hex = ( $__ucenv_hex[1]$__ucenv_digit $__ucenv_hex[2-] $__ucenv_digit )
        b\reak
      end
    end
    if ($__ucenv_hex[1] !~ x00[01234567]? || $__ucenv_hex[1] == x0000 || "$version" =~ "tcsh 6.[01]*" || "$version" =~ "tcsh 6.2[0123].*") then
      s\et __ucenv_bad = 1
      b\reak
    endif
    alias __ucenv_do 's\et __ucenv_text = $'\''\x'$__ucenv_hex[4]$__ucenv_hex[5]\'
    __ucenv_do
    __ucenv_encode
    alias __ucenv_do 's\et __ucenv_value = "$__ucenv_value:s,%ku'$__ucenv_hex[2]$__ucenv_hex[3]$__ucenv_hex[4]$__ucenv_hex[5]','$__ucenv_text',"'
    __ucenv_do
  end
  if ($__ucenv_bad) then
    if (1) set __ucenv_undecoded = ( $__ucenv_undecoded $__ucenv_name )
    continue
  endif
  alias __ucenv_do '__ucenv_ask '$__ucenv_name
  __ucenv_do
  __ucenv_tell
  if ($__ucenv_save && x$__ucenv_state:q != x-) then
    alias __ucenv_do '__ucenv_put __CONDA_SHLVL_'$__ucenv_level'_'$__ucenv_name
    __ucenv_do
  endif
  s\et __ucenv_text = "$__ucenv_value:s/x//"
  s\et __ucenv_text = "$__ucenv_text:as/%K/%k/"
  __ucenv_decode
  s\et __ucenv_state = =$__ucenv_text:q
  alias __ucenv_do '__ucenv_put '$__ucenv_name
  __ucenv_do
end
goto __ucenv_next

# 5 levels ---------------------------------------------------------------------------------------------

# The state of $__ucenv_names, to be compared after something has run.
__ucenv_note:
if (1) set __ucenv_noted_names = ( $__ucenv_names )
if (1) set __ucenv_noted = ()
foreach __ucenv_name ($__ucenv_names)
  alias __ucenv_do '__ucenv_ask '$__ucenv_name
  __ucenv_do
  __ucenv_tell
  if (x$__ucenv_state:q != x- && x$__ucenv_state:q !~ *${__ucenv_newline:q}*) then
    alias __ucenv_do '__ucenv_see '$__ucenv_name
    __ucenv_do
  endif
  if (1) set __ucenv_noted = ( $__ucenv_noted:q $__ucenv_state:q )
end
goto __ucenv_next

# The prompt: conda's old words ($__ucenv_modifier), where they stand in front, give way to the new ones.
__ucenv_prompt:
if ($?prompt) then
  s\et __ucenv_text = $__ucenv_modifier:q
  __ucenv_encode
  s\et __ucenv_old = "$__ucenv_text"
  s\et __ucenv_text = $prompt:q
  __ucenv_encode
  if ($%__ucenv_old && "$__ucenv_text" =~ $__ucenv_old*) then
    alias __ucenv_do 's\et __ucenv_text = "x$__ucenv_text:s,'$__ucenv_old',,"'
    __ucenv_do
    s\et __ucenv_text = "$__ucenv_text:s/x//"
  endif
  __ucenv_decode
  __ucenv_recall CONDA_PROMPT_MODIFIER
  __ucenv_tell
  s\et prompt = $__ucenv_recalled:q$__ucenv_text:q
endif
goto __ucenv_next
__ucenv_prompt_back:
if ($?__ucenv_prompt_was) then
  s\et prompt = $__ucenv_prompt_was:q
endif
goto __ucenv_next

# One level up, to $__ucenv_target, unless it is active; on top of the active one if $__ucenv_stack.
__ucenv_up:
if ($__ucenv_level && x$__ucenv_target:q == x$__ucenv_prefix:q) then
  if ($__ucenv_top != $__ucenv_level) goto __ucenv_next
  if (1) set __ucenv_again = ( $__ucenv_target:q )
  if (1) set __ucenv_plan = ( down up_again $__ucenv_plan )
  goto __ucenv_next
endif
@ __ucenv_n = $__ucenv_level + 1
s\et __ucenv_from = ""
if ($__ucenv_level && ! $__ucenv_stack) s\et __ucenv_from = $__ucenv_prefix:q
s\et __ucenv_to = $__ucenv_target:q
s\et __ucenv_state_of = $__ucenv_target:q
s\et __ucenv_failed = ""
if (1) set __ucenv_names = ( PATH CONDA_PREFIX CONDA_SHLVL CONDA_DEFAULT_ENV CONDA_PROMPT_MODIFIER CONDA_PREFIX_$__ucenv_level CONDA_STACKED_$__ucenv_n )
if (1) set __ucenv_scripts_down = ()
if (1) set __ucenv_scripts_up = ()
if (1) set __ucenv_state_names = ()
if (1) set __ucenv_undecoded = ()
if (1) set __ucenv_undecoded = ()
if ($?prompt) then
  s\et __ucenv_prompt_was = $prompt:q
endif
if (1) set __ucenv_rest = ( $__ucenv_plan )
s\et __ucenv_scripts_of = $__ucenv_from:q/etc/conda/deactivate.d
if (-e $__ucenv_to:q/conda-meta/state || -d $__ucenv_to:q/etc/conda/env_vars.d) set __ucenv_rest = ( state $__ucenv_rest )
if (-d $__ucenv_to:q/etc/conda/activate.d) set __ucenv_rest = ( list_up $__ucenv_rest )
if ($%__ucenv_from && -d $__ucenv_scripts_of:q) set __ucenv_rest = ( list_down $__ucenv_rest )
s\et __ucenv_noting = 0
if ($#__ucenv_rest > $#__ucenv_plan) then
  s\et __ucenv_noting = 1
  @ __ucenv_i = $#__ucenv_rest - $#__ucenv_plan
  if (1) set __ucenv_plan = ( $__ucenv_rest[-$__ucenv_i] up_go up_end settle $__ucenv_plan )
  goto __ucenv_next
endif
__ucenv_up_own:
s\et __ucenv_shown = 1
if ($__ucenv_level && ! $%__ucenv_modifier) s\et __ucenv_shown = 0
if ($?CONDA_CHANGEPS1) then
  foreach __ucenv_word ([Ff] [Ff][Aa][Ll][Ss][Ee] [Nn] [Nn][Oo] [Oo][Ff][Ff] 0)
    if (x$CONDA_CHANGEPS1:q =~ x$__ucenv_word) s\et __ucenv_shown = 0
  end
endif
if ($__ucenv_level) s\etenv CONDA_PREFIX_$__ucenv_level $__ucenv_prefix:q
if ($__ucenv_stack) s\etenv CONDA_STACKED_$__ucenv_n true
__ucenv_own
__ucenv_ask PATH
__ucenv_tell
__ucenv_swap
s\et __ucenv_was = $__ucenv_state:q
alias __ucenv_do 's\et __ucenv_list = "$__ucenv_list:s,'"$__ucenv_old,$__ucenv_new"',"'
__ucenv_do
__ucenv_swapped
__ucenv_put PATH
s\et __ucenv_save = 1
if (! $__ucenv_noting) then
  if (1) set __ucenv_plan = ( up_end $__ucenv_plan )
endif
if ($?prompt) goto __ucenv_prompt
if ($__ucenv_noting) goto __ucenv_next
s\hift __ucenv_plan
__ucenv_up_end:
if ($%__ucenv_failed) then
  if (1) set __ucenv_messages = ( $__ucenv_messages:q $__ucenv_failed:q" returned $__ucenv_returned; "$__ucenv_target:q" was not activated" )
  s\et __ucenv_status = 1
  # Of a load, what it did before goes too.
  if (1) set __ucenv_plan = ( back prompt_back )
  if ($__ucenv_loading) set __ucenv_plan = ( back prompt_back find_level unload_loaded )
  goto __ucenv_next
endif
s\et __ucenv_text = ""
if ($?__UCENV_LEVELS) then
  s\et __ucenv_text = "$__UCENV_LEVELS "
endif
s\etenv __UCENV_LEVELS "$__ucenv_text$__ucenv_n"
s\etenv __UCENV_$__ucenv_n $__ucenv_to:q
if ($#__ucenv_undecoded) set __ucenv_messages = ( $__ucenv_messages:q "this shell cannot decode the value that "$__ucenv_to:q" gives: $__ucenv_undecoded; left as before" )
if ($__ucenv_noting) goto __ucenv_next
# Without scripts and state variables it is PATH that has changed.
s\etenv __UCENV_${__ucenv_n}_ PATH
alias __ucenv_do '__ucenv_keep __UCENV_'$__ucenv_n'G_PATH; s\et __ucenv_state = $__ucenv_was:q; __ucenv_keep __UCENV_'$__ucenv_n'_PATH'
__ucenv_ask PATH
__ucenv_tell
__ucenv_do
goto __ucenv_next

__ucenv_up_again:
s\et __ucenv_target = $__ucenv_again[1]:q
goto __ucenv_up
__ucenv_up_go:
foreach __ucenv_word ($__ucenv_state_names)
  if (1) set __ucenv_names = ( $__ucenv_names $__ucenv_word __CONDA_SHLVL_${__ucenv_level}_$__ucenv_word )
end
if ($#__ucenv_scripts_up) set __ucenv_plan = ( run_up $__ucenv_plan )
if ($#__ucenv_state_names) set __ucenv_plan = ( state_set $__ucenv_plan )
if (1) set __ucenv_plan = ( up_own $__ucenv_plan )
if ($#__ucenv_scripts_down) set __ucenv_plan = ( run_down $__ucenv_plan )
goto __ucenv_note

# deactivate [--all]
__ucenv_deactivate:
s\et __ucenv_error = "usage: ucenv deactivate [--all]"
s\et __ucenv_all = 0
if ($__ucenv_arg == $#argv) then
  if (x$argv[$__ucenv_arg]:q == x--all) s\et __ucenv_all = 1
endif
if ($__ucenv_arg + $__ucenv_all <= $#argv) goto __ucenv_usage
@ __ucenv_least = $__ucenv_level - 1
if ($__ucenv_all || $__ucenv_level == 0) s\et __ucenv_least = 0

# Down to level $__ucenv_least.
__ucenv_down_to:
if ($__ucenv_level <= $__ucenv_least) goto __ucenv_next
if ($__ucenv_level > $__ucenv_least + 1) set __ucenv_plan = ( down_to $__ucenv_plan )

# One level down.
__ucenv_down:
@ __ucenv_below = $__ucenv_level - 1
s\et __ucenv_from = $__ucenv_prefix:q
s\et __ucenv_to = ""
alias __ucenv_do 'alias __ucenv_tell "__ucenv_given_$?CONDA_STACKED_'$__ucenv_level' CONDA_STACKED_'$__ucenv_level'; __ucenv_recall_$?CONDA_PREFIX_'$__ucenv_below' CONDA_PREFIX_'$__ucenv_below'"'
__ucenv_do
__ucenv_tell
s\et __ucenv_stacked = $%__ucenv_given
if ($__ucenv_below) s\et __ucenv_to = $__ucenv_recalled:q
if (1) set __ucenv_names = ( PATH )
if (1) set __ucenv_scripts_down = ()
if (1) set __ucenv_scripts_up = ()
if ($__ucenv_top != $__ucenv_level) goto __ucenv_native
s\et __ucenv_n = $__ucenv_level
if (1) set __ucenv_rest = ( $__ucenv_plan )
if (1) set __ucenv_plan = ( down_go $__ucenv_plan )
s\et __ucenv_scripts_of = $__ucenv_to:q/etc/conda/activate.d
if ($__ucenv_below && ! $__ucenv_stacked && -d $__ucenv_scripts_of:q) set __ucenv_plan = ( list_up $__ucenv_plan )
s\et __ucenv_scripts_of = $__ucenv_from:q/etc/conda/deactivate.d
if (-d $__ucenv_scripts_of:q) set __ucenv_plan = ( list_down $__ucenv_plan )
# Without scripts there is nothing to look for.
if ($__ucenv_plan[1] == down_go) then
  if (1) set __ucenv_plan = ( undo down_own $__ucenv_rest )
endif
goto __ucenv_next
__ucenv_down_go:
if (1) set __ucenv_expected = ( $__ucenv_names )
if ($#__ucenv_scripts_down) then
  if (1) set __ucenv_plan = ( note run_down revert undo down_own $__ucenv_plan )
else
  if (1) set __ucenv_plan = ( undo down_own $__ucenv_plan )
endif
goto __ucenv_next
# conda's variables for the level below; the scripts of its environment run again, and what they export is taken back:
# the record knows better.
__ucenv_down_own:
u\nsetenv CONDA_STACKED_$__ucenv_level CONDA_PREFIX_$__ucenv_below
if ($__ucenv_below == 0) then
  u\nsetenv CONDA_PREFIX CONDA_DEFAULT_ENV CONDA_PROMPT_MODIFIER
  s\etenv CONDA_SHLVL 0
else
  s\et __ucenv_n = $__ucenv_below
  s\et __ucenv_shown = 0
  if ($%__ucenv_modifier) s\et __ucenv_shown = 1
  __ucenv_own
endif
if ($#__ucenv_plan) set __ucenv_plan = ( find_level $__ucenv_plan )
if ($#__ucenv_scripts_up) then
  if (1) set __ucenv_names = ( $__ucenv_names $__ucenv_expected )
  if (1) set __ucenv_plan = ( note run_again revert $__ucenv_plan )
endif
if ($?prompt) goto __ucenv_prompt
goto __ucenv_next
# One level down, of a level that conda or micromamba made: as conda does it.  Then what its scripts left is looked for.
__ucenv_native:
if (! $%__ucenv_from) s\et __ucenv_broken = "CONDA_PREFIX is empty at level $__ucenv_level"
while ($__ucenv_below && ! $%__ucenv_to)
  s\et __ucenv_broken = "CONDA_PREFIX_$__ucenv_below is missing"
  u\nsetenv CONDA_PREFIX_$__ucenv_below CONDA_STACKED_$__ucenv_below
  @ __ucenv_below --
  alias __ucenv_do '__ucenv_recall CONDA_PREFIX_'$__ucenv_below
  __ucenv_do
  __ucenv_tell
  if ($__ucenv_below) s\et __ucenv_to = $__ucenv_recalled:q
end
s\et __ucenv_state_of = $__ucenv_from:q
if (1) set __ucenv_names = ()
if (1) set __ucenv_state_names = ()
if (! $%__ucenv_from) then
  if (1) set __ucenv_plan = ( down_own $__ucenv_plan )
else
  if (1) set __ucenv_plan = ( native_path list_sets native_scripts list_down run_down state native_unset down_own native_below state_set native_saved leave native_up $__ucenv_plan )
endif
if (1) set __ucenv_sets = ()
goto __ucenv_next
__ucenv_native_path:
s\et __ucenv_value = $__ucenv_to:q
if ($__ucenv_stacked) s\et __ucenv_to = ""
__ucenv_ask PATH
__ucenv_tell
__ucenv_swap
alias __ucenv_do 's\et __ucenv_list = "$__ucenv_list:s,'"$__ucenv_old,$__ucenv_new"',"'
__ucenv_do
__ucenv_swapped
__ucenv_put PATH
s\et __ucenv_to = $__ucenv_value:q
goto __ucenv_next
__ucenv_native_scripts:
if (1) set __ucenv_sets = ( $__ucenv_names )
goto __ucenv_next
__ucenv_native_unset:
if (1) set __ucenv_gone = ( $__ucenv_state_names )
foreach __ucenv_name ($__ucenv_gone)
  u\nsetenv $__ucenv_name
end
goto __ucenv_next
# The state variables of the level below are set again; then what the level above had saved is put back.
__ucenv_native_below:
if (1) set __ucenv_state_names = ()
s\et __ucenv_save = 0
s\et __ucenv_state_of = $__ucenv_to:q
if ($%__ucenv_to) set __ucenv_plan = ( state $__ucenv_plan )
goto __ucenv_next
# What points into the old prefix leaves the variables that its scripts set, unless it is still active below.
__ucenv_native_saved:
if (1) set __ucenv_lists = ()
foreach __ucenv_name ($__ucenv_gone)
  alias __ucenv_do '__ucenv_ask __CONDA_SHLVL_'$__ucenv_below'_'$__ucenv_name
  __ucenv_do
  __ucenv_tell
  if (x$__ucenv_state:q == x-) continue
  alias __ucenv_do '__ucenv_put '$__ucenv_name'; u\nsetenv __CONDA_SHLVL_'$__ucenv_below'_'$__ucenv_name
  __ucenv_do
end
foreach __ucenv_i (0 1 2 3 4 5 6 7 8 9)
  alias __ucenv_do '__ucenv_recall CONDA_PREFIX_'$__ucenv_i
  if ($__ucenv_i == 0) alias __ucenv_do '__ucenv_recall CONDA_PREFIX'
  __ucenv_do
  __ucenv_tell
  if (x$__ucenv_recalled:q == x$__ucenv_from:q) set __ucenv_sets = ()
end
s\et __ucenv_text = $__ucenv_from:q
__ucenv_encode
s\et __ucenv_under = "$__ucenv_text"
foreach __ucenv_name ($__ucenv_sets)
  if ($__ucenv_name == PATH || " $__ucenv_owned " =~ "* $__ucenv_name *") continue
  if ($__ucenv_name =~ *PATH || $__ucenv_name =~ *DIRS) then
    if (1) set __ucenv_lists = ( $__ucenv_lists $__ucenv_name )
    continue
  endif
  alias __ucenv_do '__ucenv_ask '$__ucenv_name
  __ucenv_do
  __ucenv_tell
  s\et __ucenv_text = $__ucenv_state:q
  __ucenv_encode
  if ("$__ucenv_text" == "=$__ucenv_under" || "$__ucenv_text" =~ *$__ucenv_under/*) u\nsetenv $__ucenv_name
end
goto __ucenv_next
__ucenv_native_up:
if (! $%__ucenv_to || $__ucenv_stacked) goto __ucenv_next
if (1) set __ucenv_names = ( PATH )
if ($__ucenv_top && $__ucenv_top == $__ucenv_below) then
  # A level of ours, whose record has its entries in lists; they would be there twice.
  if (1) set __ucenv_plan = ( list_up note run_again revert_lists $__ucenv_plan )
else
  if (1) set __ucenv_plan = ( list_up run_again $__ucenv_plan )
endif
goto __ucenv_next

# After a call that a script ended: what the load or the activation had begun is gone.
__ucenv_recovered:
if ($__ucenv_loading) set __ucenv_plan = ( unload_loaded find_level $__ucenv_plan )
s\et __ucenv_loading = 0
if (1) set __ucenv_plan = ( find_level $__ucenv_plan )
goto __ucenv_next

# activate [--stack] [ENV]
__ucenv_activate:
s\et __ucenv_error = "usage: ucenv activate [--stack] [ENV]"
s\et __ucenv_has_env = 0
s\et __ucenv_env = base
while ($__ucenv_arg <= $#argv)
  s\et __ucenv_word = $argv[$__ucenv_arg]:q
  @ __ucenv_arg ++
  if (x$__ucenv_word:q == x--stack) then
    s\et __ucenv_stack = 1
  else if (x$__ucenv_word:q == x--no-stack) then
    s\et __ucenv_stack = 0
  else if (x$__ucenv_word:q =~ x-* || $__ucenv_has_env) then
    goto __ucenv_usage
  else
    s\et __ucenv_has_env = 1
    s\et __ucenv_env = $__ucenv_word:q
  endif
end
if (! $?__UCENV_0) then
  s\et __ucenv_has_env = 1
  s\et __ucenv_module = ""
  goto __ucenv_load_found
endif
__ucenv_ask CONDA_ENVS_PATH
__ucenv_tell
if (x$__ucenv_state:q == x-) s\et __ucenv_state = =
if (1) set __ucenv_plan = ( find_env up )
goto __ucenv_next

# 6 load, unload ---------------------------------------------------------------------------------------

# The prefix of environment $__ucenv_env -> $__ucenv_target; names are looked for in the list that is $__ucenv_state, then
# in the root's.
__ucenv_find_env:
s\et __ucenv_error = "no environment '': its name is empty"
if (! $%__ucenv_env) goto __ucenv_fail
s\et __ucenv_where = $__ucenv_state:s/=//:q
s\et __ucenv_target = ""
if (x$__ucenv_env:q == xbase || x$__ucenv_env:q == xroot) then
  s\et __ucenv_target = $__ucenv_root:q
else if (x$__ucenv_env:q =~ x*/*) then
  s\et __ucenv_target = $__ucenv_env:q
  if (x$__ucenv_env:q !~ x/*) s\et __ucenv_target = $cwd:q/$__ucenv_env:q
else
  s\et __ucenv_comma = 0
  s\et __ucenv_state = $__ucenv_state:q":"$__ucenv_root:q/envs
  __ucenv_split
  foreach __ucenv_word ($__ucenv_list)
    if ($__ucenv_word !~ x/*) continue
    s\et __ucenv_text = $__ucenv_word:s/x//
    __ucenv_decode
    if (! -d $__ucenv_text:q/$__ucenv_env:q/conda-meta) continue
    s\et __ucenv_target = $__ucenv_text:q/$__ucenv_env:q
    b\reak
  end
endif
s\et __ucenv_error = "no environment "$__ucenv_env:q" in "$__ucenv_where:q
if (! $%__ucenv_target) goto __ucenv_fail
s\et __ucenv_error = $__ucenv_target:q" has a ':', which PATH cannot hold"
if (x$__ucenv_target:q =~ *:*) goto __ucenv_fail
if (x$__ucenv_target:q =~ *//* || x$__ucenv_target:q =~ */. || x$__ucenv_target:q =~ */.* || x$__ucenv_target:q =~ */) then
  s\et __ucenv_state = =$__ucenv_target:q
  s\et __ucenv_comma = 0
  __ucenv_split
  if (1) set __ucenv_plan = ( normalise find_env_normal $__ucenv_plan )
  goto __ucenv_next
endif
if (-d $__ucenv_target:q/conda-meta) goto __ucenv_next
goto __ucenv_find_env_none
__ucenv_find_env_normal:
__ucenv_join
s\et __ucenv_target = $__ucenv_state:s/=//:q
if (-d $__ucenv_target:q/conda-meta) goto __ucenv_next
__ucenv_find_env_none:
s\et __ucenv_error = "no environment "$__ucenv_env:q": "$__ucenv_target:q"/conda-meta is missing"
goto __ucenv_fail

# load [--module TOKEN] [ENV]
__ucenv_load:
s\et __ucenv_error = "usage: ucenv load [--module TOKEN] [ENV]"
s\et __ucenv_module = ""
s\et __ucenv_has_env = 0
while ($__ucenv_arg <= $#argv)
  s\et __ucenv_word = $argv[$__ucenv_arg]:q
  @ __ucenv_arg ++
  if (x$__ucenv_word:q =~ x--module* && ! $%__ucenv_module) then
    if (x$__ucenv_word:q == x--module && $__ucenv_arg <= $#argv) then
      s\et __ucenv_module = $argv[$__ucenv_arg]:q
      @ __ucenv_arg ++
    else if (x$__ucenv_word:q =~ x--module=*) then
      s\et __ucenv_module = $__ucenv_word:s/--module=//:q
    endif
    if (! $%__ucenv_module) goto __ucenv_usage
    s\et __ucenv_by_module = 1
  else if (x$__ucenv_word:q == x--encoded) then
    s\et __ucenv_encoded = 1
  else if (x$__ucenv_word:q =~ x--{conda,space,set} && $__ucenv_arg <= $#argv) then
    s\et __ucenv_text = $argv[$__ucenv_arg]:q
    @ __ucenv_arg ++
    if (x$__ucenv_word == x--set) then
      if (! $__ucenv_encoded) then
        __ucenv_encode
      endif
      if (x$__ucenv_text !~ x[$__ucenv_letters]*=*) goto __ucenv_usage
      if (1) set __ucenv_sets = ( $__ucenv_sets $__ucenv_text )
      continue
    endif
    if ($__ucenv_encoded) then
      __ucenv_decode
    endif
    if (x$__ucenv_word == x--conda) s\et __ucenv_module_root = $__ucenv_text:q
    if (x$__ucenv_word == x--space) s\et __ucenv_module_space = $__ucenv_text:q
  else if (x$__ucenv_word:q =~ x-* || $__ucenv_has_env) then
    goto __ucenv_usage
  else
    s\et __ucenv_has_env = 1
    s\et __ucenv_text = $__ucenv_word:q
    if ($__ucenv_encoded) then
      __ucenv_decode
    endif
    s\et __ucenv_env = $__ucenv_text:q
  endif
end
if ($?__UCENV_TOKEN) then
  if ($%__ucenv_module && x$__UCENV_TOKEN:q == x$__ucenv_module:q) goto __ucenv_define_conda
  if (! $%__ucenv_module) s\et __ucenv_module = $__UCENV_TOKEN:q
endif
__ucenv_load_found:
# Everything is looked up before anything is changed.  The conda that this file belongs to:
if ($?UCENV_CONDA_ROOT) then
  s\et __ucenv_value = $UCENV_CONDA_ROOT:q
else
  s\et __ucenv_value = ""
endif
if ($%__ucenv_module_root) then
  s\et __ucenv_value = $__ucenv_module_root:q
  s\et __ucenv_error = "no conda: the module's is "$__ucenv_value:q", and no bin/conda is there"
else if ($%__ucenv_value) then
  if (x$__ucenv_value:q =~ x*/) s\et __ucenv_value = $__ucenv_value:h:q
  s\et __ucenv_error = "no conda: UCENV_CONDA_ROOT is "$UCENV_CONDA_ROOT:q", and no bin/conda is there"
else
  s\et __ucenv_where = $__ucenv_self:q
  if (x$__ucenv_self:q =~ x/proc/*) then
    s\ource $__ucenv_self __ucenv_room where << x
x
  endif
  s\et __ucenv_value = $__ucenv_where:h:h:h:q
  if (x$__ucenv_where:q =~ x*/share/ucenv/shell/*) s\et __ucenv_value = $__ucenv_where:h:h:h:h:q
  if (! -x $__ucenv_value:q/bin/conda) s\et __ucenv_value = $__ucenv_root:q
  s\et __ucenv_error = "no conda: set UCENV_CONDA_ROOT to the directory it is installed in"
  if (! $%__ucenv_value) goto __ucenv_fail
endif
if (! -x $__ucenv_value:q/bin/conda) goto __ucenv_fail
s\et __ucenv_load_root = $__ucenv_value:q
s\et __ucenv_root = $__ucenv_value:q
s\et __ucenv_space = ""
if ($?SCRATCH) then
  if ($%SCRATCH) s\et __ucenv_space = $SCRATCH:q/conda_local
endif
# A space that the module before has given is not the user's own wish.
s\et __ucenv_there = 0
if ($?UCENV_ROOT && ! $?__UCENV_0_UCENV_ROOT) then
  if ($%UCENV_ROOT) s\et __ucenv_there = 1
  if ($%UCENV_ROOT) s\et __ucenv_space = $UCENV_ROOT:q
endif
if ($%__ucenv_module_space && ! $__ucenv_there) then
  s\et __ucenv_space = $__ucenv_module_space:q
  s\et __ucenv_text = UCENV_ROOT=$__ucenv_space:q
  __ucenv_encode
  if (1) set __ucenv_sets = ( $__ucenv_sets "$__ucenv_text" )
endif
s\et __ucenv_error = "no space for environments: set SCRATCH, or UCENV_ROOT"
if (! $%__ucenv_space) goto __ucenv_fail
s\et __ucenv_error = $__ucenv_space:q" has a ':' or ',', which conda cannot take"
if (x$__ucenv_space:q =~ *[:,]*) goto __ucenv_fail
s\et __ucenv_state = =$__ucenv_space:q/envs:$__ucenv_root:q/envs
if ($__ucenv_has_env || $?__UCENV_0) then
  if (1) set __ucenv_plan = ( load_set )
  if ($?__UCENV_0) set __ucenv_plan = ( unload_loaded find_level load_set )
  if ($__ucenv_has_env) set __ucenv_plan = ( find_env $__ucenv_plan up )
  goto __ucenv_next
endif
# The record, and what the load sets.
__ucenv_load_set:
s\et __ucenv_root = $__ucenv_load_root:q
s\et __ucenv_broken = ""
if (! $%__ucenv_prefix || $__ucenv_level == 99) s\et __ucenv_level = 0
s\et __ucenv_condabin = $__ucenv_root:q/condabin
s\et __ucenv_envs = =$__ucenv_space:q/envs:$__ucenv_root:q/envs
s\et __ucenv_pkgs = =$__ucenv_space:q/pkgs,$__ucenv_root:q/pkgs
if (1) set __ucenv_names = ()
# Those that are set of the levels below, and some above: what conda left empty there is not ours.
@ __ucenv_i = $__ucenv_level + 4
while ($__ucenv_i)
  alias __ucenv_do 's\et __ucenv_there = $?CONDA_PREFIX_'$__ucenv_i'; s\et __ucenv_stacked = $?CONDA_STACKED_'$__ucenv_i
  __ucenv_do
  if ($__ucenv_there) set __ucenv_names = ( $__ucenv_names CONDA_PREFIX_$__ucenv_i )
  if ($__ucenv_stacked) set __ucenv_names = ( $__ucenv_names CONDA_STACKED_$__ucenv_i )
  @ __ucenv_i --
end
foreach __ucenv_word ($__ucenv_sets)
  s\et __ucenv_text = "$__ucenv_word:s/=/ x/"
  if (1) set __ucenv_words = ( $__ucenv_text )
  if (1) set __ucenv_names = ( $__ucenv_names $__ucenv_words[1] )
end
if (1) set __ucenv_names = ( $__ucenv_owned $__ucenv_names PATH LD_LIBRARY_PATH MANPATH CONDA_ENVS_PATH CONDA_PKGS_DIRS PS1 )
s\etenv __UCENV_LEVELS 0
s\etenv __UCENV_0 $__ucenv_root:q
s\etenv __UCENV_0_ "$__ucenv_names"
if ($%__ucenv_module) s\etenv __UCENV_TOKEN $__ucenv_module:q
foreach __ucenv_name ($__ucenv_names)
  alias __ucenv_do '__ucenv_ask '$__ucenv_name
  __ucenv_do
  __ucenv_tell
  if (x$__ucenv_state:q != x- && x$__ucenv_state:q !~ *${__ucenv_newline:q}*) then
    alias __ucenv_do '__ucenv_see '$__ucenv_name
    __ucenv_do
  endif
  alias __ucenv_do '__ucenv_keep __UCENV_0_'$__ucenv_name
  __ucenv_do
  if ($__ucenv_name !~ *PATH && $__ucenv_name !~ *DIRS && $__ucenv_name != PS1) continue
  if ($__ucenv_name == PATH) then
    s\et __ucenv_path = $__ucenv_state:q
    if (x$__ucenv_path:q == x- && $?path) set __UCENV_path = ( $path:q )
    s\et __ucenv_text = $__ucenv_path:s/=/:/:q
    __ucenv_encode
    s\et __ucenv_list = "${__ucenv_text}:"
    s\et __ucenv_text = $__ucenv_condabin:q
    __ucenv_encode
    s\et __ucenv_value = $__ucenv_path:s/=/:/:q
    if (x$__ucenv_path:q == x-) s\et __ucenv_value = ""
    s\et __ucenv_state = $__ucenv_path:q
    if ("$__ucenv_list" !~ "*:${__ucenv_text}:*") s\et __ucenv_state = =$__ucenv_condabin:q$__ucenv_value:q
    if ("$__ucenv_list" !~ "*:${__ucenv_text}:*") s\etenv PATH $__ucenv_condabin:q$__ucenv_value:q
  else if ($__ucenv_name == CONDA_ENVS_PATH) then
    s\et __ucenv_state = $__ucenv_envs:q
    __ucenv_put CONDA_ENVS_PATH
  else if ($__ucenv_name == CONDA_PKGS_DIRS) then
    s\et __ucenv_state = $__ucenv_pkgs:q
    __ucenv_put CONDA_PKGS_DIRS
  endif
  alias __ucenv_do '__ucenv_keep __UCENV_0G_'$__ucenv_name
  __ucenv_do
end
foreach __ucenv_word ($__ucenv_sets)
  s\et __ucenv_text = "$__ucenv_word:s/=/ x/"
  if (1) set __ucenv_words = ( $__ucenv_text )
  s\et __ucenv_text = "$__ucenv_words[2]:s/x//"
  __ucenv_decode
  s\et __ucenv_state = =$__ucenv_text:q
  alias __ucenv_do '__ucenv_put '$__ucenv_words[1]'; __ucenv_keep __UCENV_0G_'$__ucenv_words[1]
  __ucenv_do
end
s\etenv CONDA_EXE $__ucenv_root:q/bin/conda
s\etenv CONDA_PYTHON_EXE $__ucenv_root:q/bin/python
s\etenv CONDA_SHLVL $__ucenv_level
s\etenv _CE_M ""
s\etenv _CE_CONDA ""
s\etenv _CONDA_EXE $__ucenv_root:q/bin/conda
s\etenv _CONDA_ROOT $__ucenv_root:q
s\et __ucenv_loading = $__ucenv_has_env

# `conda`, where the user has none.  The alias is ours as long as __UCENV_conda is set.
__ucenv_define_conda:
# The words of ucenv.csh, where a module is what brings them; they are the module's as long as __UCENVbrought is set.
if ($__ucenv_by_module && ! $?__UCENVbrought && x$__ucenv_self:q =~ x/proc/*) then
  s\ource $__ucenv_self __ucenv_room words << x
x
  if (! $%__ucenv_text) then
    s\ource $__ucenv_self __ucenv_room where << x
x
    s\et __ucenv_where = $__ucenv_where:as/'/'\\''/:as/\!/\\!/:q
    alias ucenv 's\ource '\'$__ucenv_where:q\'' ucenv \!*'
    foreach __ucenv_word (load activate deactivate unload)
      alias ucenv_$__ucenv_word 's\ource '\'$__ucenv_where:q\'' '$__ucenv_word' \!*'
    end
    s\et __UCENVbrought
  endif
endif
if ($?__UCENV_conda || x$__ucenv_self:q !~ x/proc/*) goto __ucenv_next
s\ource $__ucenv_self __ucenv_room where << x
x
if ($%__ucenv_text) goto __ucenv_next
s\et __UCENV_conda = $__ucenv_where:q
alias conda 's\ource $__UCENV_conda:q conda \!*'
goto __ucenv_next

# unload [--module TOKEN] [--all-names]
__ucenv_unload:
s\et __ucenv_error = "usage: ucenv unload [--module TOKEN] [--all-names]"
s\et __ucenv_module = ""
while ($__ucenv_arg <= $#argv)
  s\et __ucenv_word = $argv[$__ucenv_arg]:q
  @ __ucenv_arg ++
  if (x$__ucenv_word:q == x--all-names) then
    s\et __ucenv_status = 1
    if (1) set __ucenv_messages = ( "this shell cannot list its variables: --all-names did nothing" )
  else if (x$__ucenv_word:q == x--module && $__ucenv_arg <= $#argv) then
    s\et __ucenv_module = $argv[$__ucenv_arg]:q
    s\et __ucenv_by_module = 2
    @ __ucenv_arg ++
  else if (x$__ucenv_word:q =~ x--module=*) then
    s\et __ucenv_module = $__ucenv_word:s/--module=//:q
  else
    goto __ucenv_usage
  endif
end
if ($%__ucenv_module) then
  __ucenv_recall __UCENV_TOKEN
  __ucenv_tell
  if (x$__ucenv_recalled:q != x$__ucenv_module:q) goto __ucenv_next
endif
if (! $?__UCENV_0) goto __ucenv_unload_inherited

# Everything back as it was before the load.
__ucenv_unload_loaded:
s\et __ucenv_least = 0
__ucenv_recall __UCENV_0_CONDA_PREFIX
__ucenv_tell
if ($%__ucenv_recalled > 1) then
  __ucenv_recall __UCENV_0_CONDA_SHLVL
  __ucenv_tell
  if (x$__ucenv_recalled:q =~ x=[0123456789] || x$__ucenv_recalled:q =~ x=[123456789][0123456789]) s\et __ucenv_least = $__ucenv_recalled:s/=//
  if ($__ucenv_least == 99) s\et __ucenv_least = 0
endif
if (1) set __ucenv_plan = ( unload_zero undo $__ucenv_plan )
if ($__ucenv_level > $__ucenv_least) goto __ucenv_down_to
s\hift __ucenv_plan
__ucenv_unload_zero:
s\et __ucenv_n = 0
# What conda leaves of levels above: since 25.7 empty variables, and copies of what its state variables overwrote.
@ __ucenv_i = $__ucenv_least
while ($__ucenv_i < $__ucenv_least + 4)
  @ __ucenv_i ++
  alias __ucenv_do '@ __ucenv_there = $?CONDA_PREFIX_'$__ucenv_i' + $?CONDA_STACKED_'$__ucenv_i
  __ucenv_do
  if ($__ucenv_there) u\nsetenv CONDA_PREFIX_$__ucenv_i CONDA_STACKED_$__ucenv_i __CONDA_SHLVL_${__ucenv_i}_\*
end
goto __ucenv_next
# conda that we did not load: an activated shell that a job inherited, or `conda init`.
__ucenv_unload_inherited:
if (! ($?CONDA_SHLVL || $?CONDA_PREFIX || $?CONDA_EXE || $?_CONDA_ROOT)) goto __ucenv_next
s\et __ucenv_least = 0
if (1) set __ucenv_prefixes = ()
if ($%__ucenv_root) set __ucenv_prefixes = ( $__ucenv_root:q )
s\et __ucenv_old_root = $__ucenv_root:q
if ($%__ucenv_prefix) set __ucenv_prefixes = ( $__ucenv_prefixes:q $__ucenv_prefix:q )
s\et __ucenv_i = 1
while ($__ucenv_i < $__ucenv_level)
  alias __ucenv_do '__ucenv_recall CONDA_PREFIX_'$__ucenv_i
  __ucenv_do
  __ucenv_tell
  if ($%__ucenv_recalled) set __ucenv_prefixes = ( $__ucenv_prefixes:q $__ucenv_recalled:q )
  @ __ucenv_i ++
end
if (1) set __ucenv_plan = ( down_to inherited_names inherited_lists )
goto __ucenv_next
__ucenv_inherited_names:
foreach __ucenv_i (0 1 2 3 4 5 6 7 8 9)
  u\nsetenv CONDA_PREFIX_$__ucenv_i CONDA_STACKED_$__ucenv_i __CONDA_SHLVL_${__ucenv_i}_\*
end
foreach __ucenv_name ($__ucenv_owned)
  u\nsetenv $__ucenv_name
end
# A list of conda's goes if every entry of it is under the conda root or the user's space.
s\et __ucenv_text = /dev/null
if ($%__ucenv_old_root) s\et __ucenv_text = $__ucenv_old_root:q
__ucenv_encode
s\et __ucenv_under = "$__ucenv_text"
s\et __ucenv_text = /dev/null
if ($?SCRATCH) then
  if ($%SCRATCH) s\et __ucenv_text = $SCRATCH:q/conda_local
endif
if ($?UCENV_ROOT) then
  if ($%UCENV_ROOT) s\et __ucenv_text = $UCENV_ROOT:q
endif
__ucenv_encode
s\et __ucenv_space = "$__ucenv_text"
foreach __ucenv_name (CONDA_ENVS_PATH CONDA_ENVS_DIRS CONDA_PKGS_DIRS)
  alias __ucenv_do '__ucenv_ask '$__ucenv_name
  __ucenv_do
  __ucenv_tell
  if (x$__ucenv_state:q == x-) continue
  s\et __ucenv_comma = 0
  if ($__ucenv_name == CONDA_PKGS_DIRS) s\et __ucenv_comma = 1
  __ucenv_split
  s\et __ucenv_there = 0
  foreach __ucenv_word ($__ucenv_list)
    foreach __ucenv_text ($__ucenv_under $__ucenv_space)
      if ($__ucenv_word == x$__ucenv_text || $__ucenv_word =~ x$__ucenv_text/*) s\et __ucenv_word = ""
    end
    if ($%__ucenv_word) s\et __ucenv_there = 1
  end
  if (! $__ucenv_there) u\nsetenv $__ucenv_name
end
goto __ucenv_next
__ucenv_inherited_lists:
if ($#__ucenv_prefixes == 0) goto __ucenv_next
s\et __ucenv_text = $__ucenv_prefixes[1]:q
s\hift __ucenv_prefixes
__ucenv_encode
s\et __ucenv_under = "$__ucenv_text"
if (1) set __ucenv_lists = ( PATH LD_LIBRARY_PATH MANPATH )
if (1) set __ucenv_plan = ( leave inherited_lists $__ucenv_plan )
goto __ucenv_next

# 7 ucenv ----------------------------------------------------------------------------------------------

# Any other word is the command's: of the conda that is loaded or that this file belongs to, else the one on PATH.
__ucenv_program:
s\et __ucenv_error = "usage: source ucenv-act.csh load|activate|deactivate|unload|ucenv ..."
if ($__ucenv_arg == 2) goto __ucenv_usage
s\et __ucenv_value = $argv[1]
if ($argv[1] == conda) then
  if ($?CONDA_EXE) then
    s\et __ucenv_value = $CONDA_EXE:q
  endif
else
  if ($?UCENV_CONDA_ROOT && ! $?__UCENV_0) then
    s\et __ucenv_root = $UCENV_CONDA_ROOT:q
  endif
  if (-x $__ucenv_root:q/bin/ucenv) s\et __ucenv_value = $__ucenv_root:q/bin/ucenv
endif
# An empty argument is one, and "$x" fails on a newline.
s\et __ucenv_text = ""
s\et __ucenv_i = 1
while ($__ucenv_i < $#argv)
  @ __ucenv_i ++
  if ($%argv[$__ucenv_i]) then
    s\et __ucenv_text = "$__ucenv_text "'$argv['$__ucenv_i']:q'
  else
    s\et __ucenv_text = "$__ucenv_text "\'\'
  endif
end
alias __ucenv_do '$__ucenv_value:q'"$__ucenv_text"
if (! $__ucenv_noglob) u\nset noglob
__ucenv_do
s\et __ucenv_status = $status
goto __ucenv_done
