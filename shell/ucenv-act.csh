# ucenv-act.csh - what the aliases of ucenv.csh source: load, activate, deactivate, unload.
# For tcsh and csh.  `source ucenv-act.csh load [--module TOKEN] [ENV]` works without the aliases too.
#
#   1 what is ours        names, and how values are kept in the environment
#   2 lists               PATH-like variables, by whole entries
#   3 keeping, restoring  three states: unset, empty, set
#   4 scripts             activate.d and deactivate.d, and undoing what they leave
#   5 levels              activate, deactivate
#   6 load, unload        the user's space, conda's alias, and back
#   7 ucenv               the word users type
#
# How to read it.  tcsh has no functions.  Here a step is a label, __ucenv_plan lists the steps still to do, and every
# step ends with `goto __ucenv_next`, which stands near the top because goto reads the file from its beginning.
#   s\et, u\nset ...    a backslash inside a builtin's name keeps the user's aliases out; `if (1)` does the same.
#   alias __ucenv_do    a variable whose name is in a variable: the text of the alias holds the name, never a value.
#                       Names are checked to be identifiers before; nothing that was read is ever parsed.
#   $x:q                a value, byte for byte.  "$x" fails on a newline.
# Comparisons begin with x, for tcsh takes -e or ( as an operator.  A pattern (=~) never holds a plain value, only an
# encoded one (see 2).  One room (a label __ucenv_room_*) is entered by sourcing this file with its input redirected:
# $< reads from there, which is how tcsh reads a file without a process.

if ($#argv == 2) then
  if ("x$argv[1]" == x__ucenv_room) goto __ucenv_room_$argv[2]
endif
# A script that tcsh could not go on after has ended the call before this one: see 4.
if ($?__ucenv_running) then
  if (! $?__UCENV_deadly) set __UCENV_deadly = ()
  if (1) set __UCENV_deadly = ( $__UCENV_deadly:q $__ucenv_running:q )
  if (1) set __ucenv_plan = ( back up_back recovered start )
  u\nset __ucenv_running
else
  if (1) set __ucenv_plan = ( start )
  s\et __ucenv_loading = 0
endif
if (1) set __ucenv_messages = ()
if (1) set __ucenv_kept = ()
if (1) set __ucenv_lost = ()
if (1) set __ucenv_arguments = ( $argv:q )
s\et __ucenv_status = 0
s\et __ucenv_broken = ""
s\et __ucenv_stale = 0
s\et __ucenv_stack = 0
s\et __ucenv_in_shell = 0
goto __ucenv_options

__ucenv_next:
if ($#__ucenv_plan == 0) goto __ucenv_done
s\et __ucenv_step = $__ucenv_plan[1]
s\hift __ucenv_plan
goto __ucenv_$__ucenv_step

# Rooms: entered with input redirected, so they stand where goto finds them soon.

# The lines of a script -> __ucenv_names, those it sets or unsets.
__ucenv_room_script:
s\et __ucenv_read = 0
while ($__ucenv_read < $__ucenv_size)
  s\et __ucenv_text = "$<"
  # Characters are counted against bytes: at worst a few empty lines are read past the end.
  @ __ucenv_read += $%__ucenv_text + 1
  if (x$__ucenv_text:q =~ x*setenv*) then
    __ucenv_encode
    # blanks, tabs, ; ( ) ' " ` & | end a word
    s\et __ucenv_text = $__ucenv_text:as/%s/ /:as/%t/ /:as/%z/ ; /:as/%l/ /:as/%r/ /:as/%i/ /:as/%u/ /:as/%g/ /:as/%y/ ; /:as/%v/ ; /:q
    s\et __ucenv_verb = ""
    foreach __ucenv_word ($__ucenv_text:x)
      if ($__ucenv_word == setenv || $__ucenv_word == unsetenv) then
        s\et __ucenv_verb = $__ucenv_word
      else if ($__ucenv_word == ";") then
        s\et __ucenv_verb = ""
      else if ($__ucenv_verb != "") then
        if ($__ucenv_word =~ [$__ucenv_letters]* && $__ucenv_word !~ *[^${__ucenv_letters}0123456789]*) then
          if (1) set __ucenv_names = ( $__ucenv_names $__ucenv_word )
        endif
        if ($__ucenv_verb == setenv) s\et __ucenv_verb = ""
      endif
    end
  endif
end
e\xit 0

# The JSON of conda-meta/state or of a file in env_vars.d -> __ucenv_state_names and, still encoded, their values.
__ucenv_room_state:
s\et __ucenv_read = 0
s\et __ucenv_json = ""
while ($__ucenv_read < $__ucenv_size)
  s\et __ucenv_text = "$<"
  @ __ucenv_read += $%__ucenv_text + 1
  __ucenv_encode
  s\et __ucenv_json = $__ucenv_json:q$__ucenv_text:q
end
# Inside a string: \\ is %K, \" is %U.  What then is between two " is a string, every other word.
s\et __ucenv_text = x$__ucenv_json:as/%k%k/%K/:as/%k%u/%U/:as/%u/ x/:q
s\et __ucenv_inside = 1
s\et __ucenv_in_vars = $__ucenv_flat
s\et __ucenv_string = ""
s\et __ucenv_name = ""
foreach __ucenv_word ($__ucenv_text:x)
  @ __ucenv_inside = 1 - $__ucenv_inside
  if ($__ucenv_inside) then
    s\et __ucenv_string = $__ucenv_word:s/x//
    if ($__ucenv_in_vars && $__ucenv_name != "") then
      if (1) set __ucenv_state_names = ( $__ucenv_state_names $__ucenv_name )
      if (1) set __ucenv_state_values = ( $__ucenv_state_values $__ucenv_word )
      s\et __ucenv_name = ""
    endif
  else
    s\et __ucenv_word = $__ucenv_word:as/%s//:as/%t//:as/%n//
    if ($__ucenv_in_vars && $__ucenv_word == x:) then
      s\et __ucenv_name = ""
      if ($__ucenv_string =~ [$__ucenv_letters]* && $__ucenv_string !~ *[^${__ucenv_letters}0123456789]*) then
        s\et __ucenv_name = $__ucenv_string
      endif
    else if ($__ucenv_in_vars && $__ucenv_word =~ x*%c*) then
      b\reak
    else if ($__ucenv_string == env_vars && $__ucenv_word == x:%o) then
      s\et __ucenv_in_vars = 1
    endif
  endif
end
e\xit 0

# The place of this file -> $__ucenv_where, and the user's alias conda -> $__ucenv_text.  The input is an unlinked file of
# the shell's own (<<), which a builtin writes through its name in /proc.
__ucenv_room_where:
f\iletest -L $__ucenv_self >! /proc/self/fd/0
alias conda >> /proc/self/fd/0
s\et __ucenv_where = "$<"
s\et __ucenv_text = "$<"
e\xit 0

# 1 what is ours ---------------------------------------------------------------------------------------

# The records, exported, so that a child of any shell can undo them; they exist between load and unload only:
#   __UCENV_LEVELS         levels that have one: 0 is the load, n an activation at CONDA_SHLVL n
#   __UCENV_TOKEN          the module that loaded
#   __UCENV_<n>            the conda root, or the environment's prefix
#   __UCENV_<n>_           names recorded
#   __UCENV_<n>_<NAME>     its state before: =value, - (unset), ~value (set, not exported: a parent's)
#   __UCENV_<n>G_<NAME>    its state after; missing where conda owns the name
# Not exported, in this shell only: __UCENV_conda (the alias is ours), __UCENV_prompt_<n> (the prompt before and after).

__ucenv_options:
# Options of the user's that would change how this file is read.
if (! $?__ucenv_options) set __ucenv_options = ()
foreach __ucenv_name (echo verbose noglob nonomatch globdot backslash_quote histchars)
  alias __ucenv_do 's\et __ucenv_there = $?'$__ucenv_name
  __ucenv_do
  if ($__ucenv_there && " $__ucenv_options " !~ "* $__ucenv_name *") then
    alias __ucenv_do 's\et __ucenv_option_'$__ucenv_name' = $'$__ucenv_name':q; u\nset '$__ucenv_name
    __ucenv_do
    if (1) set __ucenv_options = ( $__ucenv_options $__ucenv_name )
  endif
end
s\et __ucenv_noglob = 0
if (" $__ucenv_options " =~ "* noglob *") s\et __ucenv_noglob = 1
s\et noglob
s\et __ucenv_beyond_ascii = "*[^ -~]*"
s\et __ucenv_letters = ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_
if (1) set __ucenv_owned = ( CONDA_EXE CONDA_PYTHON_EXE CONDA_SHLVL CONDA_PREFIX CONDA_DEFAULT_ENV CONDA_PROMPT_MODIFIER _CE_M _CE_CONDA _CONDA_EXE _CONDA_ROOT )
# __ucenv_text without any character that tcsh, a pattern or a list could take for its own; and back.
alias __ucenv_encode 's\et __ucenv_text = $__ucenv_text:as/%/%p/:as/ /%s/:as/	/%t/:as/\
/%n/:as/(/%l/:as/)/%r/:as/*/%a/:as/?/%q/:as/[/%b/:as/]/%e/:as/{/%o/:as/}/%c/:as/^/%h/:as/~/%w/:as/\\/%k/:as/'\''/%i/:as/"/%u/:as/`/%g/:as/$/%d/:as/\!/%x/:as/#/%m/:as/&/%y/:as/;/%z/:as/|/%v/:as/</%j/:as/>/%f/:as/,/%C/:q'
alias __ucenv_decode 's\et __ucenv_text = $__ucenv_text:as/%C/,/:as/%f/>/:as/%j/</:as/%v/|/:as/%z/;/:as/%y/&/:as/%m/#/:as/%x/\!/:as/%d/$/:as/%g/`/:as/%u/"/:as/%i/'\''/:as/%k/\\/:as/%w/~/:as/%h/^/:as/%c/}/:as/%o/{/:as/%e/]/:as/%b/[/:as/%q/?/:as/%a/*/:as/%r/)/:as/%l/(/:as/%n/\
/:as/%t/	/:as/%s/ /:as/%p/%/:q'
goto __ucenv_next

# 2 lists ----------------------------------------------------------------------------------------------

# A list is held as its encoded entries between blanks, each with an x before it: " x/usr/bin x x/bin ".  So an empty
# entry is a word, and every entry is compared whole.

# $__ucenv_state of variable $__ucenv_name -> $__ucenv_list
__ucenv_split:
if ($__ucenv_state:q == "-") then
  s\et __ucenv_list = " "
else
  s\et __ucenv_text = $__ucenv_state:s/=//:q
  __ucenv_encode
  if ($__ucenv_name == CONDA_PKGS_DIRS) s\et __ucenv_text = $__ucenv_text:as/:/%A/:as/%C/:/:q
  s\et __ucenv_list = " x$__ucenv_text:as/:/ x/ "
endif
goto __ucenv_next

# $__ucenv_list -> $__ucenv_state of variable $__ucenv_name
__ucenv_join:
if ("$__ucenv_list" == " ") then
  s\et __ucenv_state = "-"
else
  s\et __ucenv_text = "$__ucenv_list:as/ x/:/:s/:// "
  s\et __ucenv_text = $__ucenv_text:as/ //:q
  if ($__ucenv_name == CONDA_PKGS_DIRS) s\et __ucenv_text = $__ucenv_text:as/:/%C/:as/%A/:/:q
  __ucenv_decode
  s\et __ucenv_state = =$__ucenv_text:q
endif
goto __ucenv_next

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
s\et __ucenv_place = 0
foreach __ucenv_word ($__ucenv_added)
  if ("$__ucenv_list" =~ "* $__ucenv_word *") then
    if ($__ucenv_place) then
      alias __ucenv_do 's\et __ucenv_list = "$__ucenv_list:s, '$__ucenv_word' , ,"'
    else
      alias __ucenv_do 's\et __ucenv_list = "$__ucenv_list:s, '$__ucenv_word' ,'"$__ucenv_removed"',"'
    endif
    __ucenv_do
    s\et __ucenv_place = 1
  endif
end
if (! $__ucenv_place) s\et __ucenv_list = "$__ucenv_removed$__ucenv_list:s/ //"
goto __ucenv_next

# Every entry of $__ucenv_list as os.path.normpath writes it, which is what conda does to PATH.
__ucenv_normalise:
s\et __ucenv_words = " "
foreach __ucenv_word ($__ucenv_list)
  s\et __ucenv_word = $__ucenv_word:s/x//
  s\et __ucenv_lead = ""
  if ("$__ucenv_word" =~ /*) s\et __ucenv_lead = /
  if ("$__ucenv_word" =~ //* && "$__ucenv_word" !~ ///*) s\et __ucenv_lead = //
  s\et __ucenv_out = ""
  foreach __ucenv_part ($__ucenv_word:as,/, ,:x)
    if ($__ucenv_part == .) continue
    if ($__ucenv_part != ..) then
      s\et __ucenv_out = $__ucenv_out/$__ucenv_part
    else if ("$__ucenv_out" == "" || "$__ucenv_out" =~ */..) then
      if ("$__ucenv_lead" == "") s\et __ucenv_out = $__ucenv_out/..
    else
      s\et __ucenv_out = $__ucenv_out:h
    endif
  end
  s\et __ucenv_out = "$__ucenv_lead$__ucenv_out:s,/,,"
  if ("$__ucenv_out" == "") s\et __ucenv_out = .
  s\et __ucenv_words = "${__ucenv_words}x$__ucenv_out "
end
s\et __ucenv_list = "$__ucenv_words"
goto __ucenv_next

# The entries at $__ucenv_under (encoded) or under it leave $__ucenv_list.
__ucenv_leave:
s\et __ucenv_whole = "$__ucenv_list"
s\et __ucenv_words = " "
foreach __ucenv_word ($__ucenv_list)
  if ($__ucenv_word != x$__ucenv_under && "$__ucenv_word" !~ x$__ucenv_under/*) s\et __ucenv_words = "$__ucenv_words$__ucenv_word "
end
s\et __ucenv_list = "$__ucenv_words"
goto __ucenv_next

# 3 keeping, restoring ---------------------------------------------------------------------------------

# The states of $__ucenv_names in the environment -> $__ucenv_now
__ucenv_look:
if (1) set __ucenv_now = ()
foreach __ucenv_name ($__ucenv_names)
  s\et __ucenv_state = "-"
  alias __ucenv_do 's\et __ucenv_there = $?'$__ucenv_name
  __ucenv_do
  if ($__ucenv_there) then
    # A shell variable of that name hides the environment's.  Of the latter, $x[*] is the value and then [*] as it stands.
    alias __ucenv_do 'if (1) set __ucenv_words = ( $'$__ucenv_name'[*] )'
    __ucenv_do
    s\et __ucenv_hidden = 1
    if ($#__ucenv_words) then
      if (x$__ucenv_words[$#__ucenv_words]:q =~ *[[][*]]) s\et __ucenv_hidden = 0
    endif
    if ($__ucenv_hidden) then
      alias __ucenv_do 'if (1) set __ucenv_words = ( $'$__ucenv_name':q ); u\nset '$__ucenv_name'; s\et __ucenv_there = $?'$__ucenv_name
      __ucenv_do
    endif
    alias __ucenv_do 's\et __ucenv_state = =$'$__ucenv_name':q'
    if ($__ucenv_there) then
      __ucenv_do
    endif
    if ($__ucenv_hidden) then
      alias __ucenv_do 'if (1) set '$__ucenv_name' = ( $__ucenv_words:q )'
      __ucenv_do
    endif
  endif
  if (1) set __ucenv_now = ( $__ucenv_now:q $__ucenv_state:q )
end
goto __ucenv_next


# Record $__ucenv_n: the states in $__ucenv_now of $__ucenv_names, as those before, or ($__ucenv_g is G) as those given.
__ucenv_record:
s\et __ucenv_i = 0
foreach __ucenv_name ($__ucenv_names)
  @ __ucenv_i ++
  s\et __ucenv_mark = __UCENV_${__ucenv_n}${__ucenv_g}_$__ucenv_name
  s\et __ucenv_state = $__ucenv_now[$__ucenv_i]:q
  # NAME=value and a NUL of 131,072 bytes or more would let no command start any more: such a copy is not exported.
  # What counts is bytes, and what tcsh counts is characters: a long value that is not all ASCII is taken for too long.
  @ __ucenv_length = $%__ucenv_state + $%__ucenv_mark + 2
  if ($__ucenv_length > 32000) then
    if (x$__ucenv_state:q =~ $__ucenv_beyond_ascii) @ __ucenv_length *= 4
  endif
  if ($__ucenv_length < 131072) then
    s\etenv $__ucenv_mark $__ucenv_state:q
  else
    alias __ucenv_do 's\et '$__ucenv_mark' = $__ucenv_state:q'
    __ucenv_do
  endif
end
goto __ucenv_next

# Undo record $__ucenv_n: what is still as it was given becomes what it was before.  Then it is forgotten.
__ucenv_undo:
s\et __ucenv_text = ""
alias __ucenv_do 's\et __ucenv_there = $?__UCENV_'$__ucenv_n'_'
__ucenv_do
alias __ucenv_do 's\et __ucenv_text = $__UCENV_'$__ucenv_n'_:q'
if ($__ucenv_there) then
  __ucenv_do
endif
__ucenv_encode
if (1) set __ucenv_names = ()
foreach __ucenv_name ($__ucenv_text:as/%s/ /:x)
  if ($__ucenv_name =~ [$__ucenv_letters]* && $__ucenv_name !~ *[^${__ucenv_letters}0123456789]*) then
    if (1) set __ucenv_names = ( $__ucenv_names $__ucenv_name )
  endif
end
if (1) set __ucenv_lists = ()
if ($?_OLD_VIRTUAL_PATH && "$__ucenv_names" =~ *PATH*) set __ucenv_lists = ( _OLD_VIRTUAL_PATH )
if (1) set __ucenv_plan = ( look undo_names undo_lists forget $__ucenv_plan )
goto __ucenv_next

__ucenv_undo_names:
s\et __ucenv_i = 0
foreach __ucenv_name ($__ucenv_names)
  @ __ucenv_i ++
  alias __ucenv_do 's\et __ucenv_there = $?__UCENV_'$__ucenv_n'_'$__ucenv_name'; s\et __ucenv_has_given = $?__UCENV_'$__ucenv_n'G_'$__ucenv_name
  __ucenv_do
  if (! $__ucenv_there) then
    if (1) set __ucenv_lost = ( $__ucenv_lost $__ucenv_name )
    continue
  endif
  alias __ucenv_do 's\et __ucenv_before = $__UCENV_'$__ucenv_n'_'$__ucenv_name':q'
  __ucenv_do
  s\et __ucenv_given = $__ucenv_now[$__ucenv_i]:q
  alias __ucenv_do 's\et __ucenv_given = $__UCENV_'$__ucenv_n'G_'$__ucenv_name':q'
  if ($__ucenv_has_given) then
    __ucenv_do
  endif
  # A child has no plain variables of its parent's.
  if (x$__ucenv_before:q =~ x~*) s\et __ucenv_before = -
  if (x$__ucenv_given:q =~ x~*) s\et __ucenv_given = -
  s\et __ucenv_state = $__ucenv_before:q
  if (x$__ucenv_now[$__ucenv_i]:q == x$__ucenv_before:q) continue
  if (x$__ucenv_now[$__ucenv_i]:q == x$__ucenv_given:q) then
    alias __ucenv_do 's\etenv '$__ucenv_name' $__ucenv_state:s/=//:q'
    if (x$__ucenv_state:q == x-) alias __ucenv_do 'u\nsetenv '$__ucenv_name
    __ucenv_do
  else if (! $__ucenv_stale) then
    if ($__ucenv_name =~ *PATH || $__ucenv_name =~ *DIRS || $__ucenv_name == PS1) then
      if (1) set __ucenv_lists = ( $__ucenv_lists $__ucenv_name )
    else
      if (1) set __ucenv_kept = ( $__ucenv_kept $__ucenv_name )
    endif
  endif
end
goto __ucenv_next

# Lists that were changed since, one after another.  _OLD_VIRTUAL_PATH, which a venv on top has, is treated as PATH is.
__ucenv_undo_lists:
if ($#__ucenv_lists == 0) goto __ucenv_next
if (1) set __ucenv_names = ( $__ucenv_lists[1] )
s\hift __ucenv_lists
if (1) set __ucenv_plan = ( look undo_list undo_lists $__ucenv_plan )
goto __ucenv_next

__ucenv_undo_list:
s\et __ucenv_in_shell = 0
s\et __ucenv_current = $__ucenv_now[1]:q
if ($__ucenv_name == _OLD_VIRTUAL_PATH) then
  s\et __ucenv_in_shell = $__ucenv_hidden
  s\et __ucenv_current = =$_OLD_VIRTUAL_PATH:q
endif
s\et __ucenv_of = $__ucenv_name:s/_OLD_VIRTUAL_//
alias __ucenv_do 's\et __ucenv_before = $__UCENV_'$__ucenv_n'_'$__ucenv_of':q; s\et __ucenv_given = $__UCENV_'$__ucenv_n'G_'$__ucenv_of':q'
__ucenv_do
if (x$__ucenv_before:q =~ x~*) s\et __ucenv_before = -
if (x$__ucenv_given:q =~ x~*) s\et __ucenv_given = -
s\et __ucenv_state = $__ucenv_before:q
if (x$__ucenv_current:q == x$__ucenv_before:q) goto __ucenv_next
if ($__ucenv_name == PS1) goto __ucenv_undo_ps1
if (x$__ucenv_current:q == x$__ucenv_given:q) goto __ucenv_put
if (1) set __ucenv_plan = ( split undo_list_before split undo_list_given split merge undo_list_as_before $__ucenv_plan )
goto __ucenv_next
__ucenv_undo_list_before:
s\et __ucenv_before_list = "$__ucenv_list"
s\et __ucenv_state = $__ucenv_given:q
goto __ucenv_next
__ucenv_undo_list_given:
s\et __ucenv_given_list = "$__ucenv_list"
s\et __ucenv_state = $__ucenv_current:q
goto __ucenv_next
__ucenv_undo_list_as_before:
# conda writes every entry of PATH as normpath does, and does not undo it: where the rest is the PATH found by the load,
# so written, it becomes that PATH again.
if ($__ucenv_n != 0 || $__ucenv_of != PATH) then
  if (1) set __ucenv_plan = ( join undo_list_put $__ucenv_plan )
else
  s\et __ucenv_merged = "$__ucenv_list"
  s\et __ucenv_list = "$__ucenv_before_list"
  if (1) set __ucenv_plan = ( normalise undo_list_as_found join undo_list_put $__ucenv_plan )
endif
goto __ucenv_next
__ucenv_undo_list_as_found:
s\et __ucenv_normal = "$__ucenv_list"
s\et __ucenv_list = "$__ucenv_merged"
if ("$__ucenv_normal" != "$__ucenv_before_list" && "$__ucenv_list" =~ *"$__ucenv_normal"*) then
  alias __ucenv_do 's\et __ucenv_list = "$__ucenv_list:s,'"$__ucenv_normal,$__ucenv_before_list"',"'
  __ucenv_do
endif
goto __ucenv_next
__ucenv_undo_list_put:
# A variable that was unset, and is empty or holds one empty entry now, is unset.
if (x$__ucenv_state:q == x= && x$__ucenv_before:q == x-) s\et __ucenv_state = -
if (x$__ucenv_state:q == x- && x$__ucenv_before:q != x-) s\et __ucenv_state = "="
goto __ucenv_put

# An exported PS1 is a parent's: its words are taken out where they were put, and the rest is its own.
__ucenv_undo_ps1:
s\et __ucenv_text = $__ucenv_current:s/=//:q
__ucenv_encode
s\et __ucenv_words = $__ucenv_text:q
s\et __ucenv_text = $__ucenv_modifier:q
__ucenv_encode
if (x$__ucenv_current:q == x- || x$__ucenv_text == x || x$__ucenv_words !~ x$__ucenv_text*) goto __ucenv_next
alias __ucenv_do "s\et __ucenv_text = \$__ucenv_words:s,$__ucenv_text,,"
__ucenv_do
__ucenv_decode
s\et __ucenv_state = =$__ucenv_text:q
if (x$__ucenv_state:q == x= && x$__ucenv_before:q == x-) s\et __ucenv_state = -
goto __ucenv_put

# $__ucenv_name gets $__ucenv_state.
__ucenv_put:
if ($__ucenv_in_shell) then
  alias __ucenv_do 's\et '$__ucenv_name' = $__ucenv_state:s/=//:q'
else if (x$__ucenv_state:q == x-) then
  alias __ucenv_do 'u\nsetenv '$__ucenv_name
else
  alias __ucenv_do 's\etenv '$__ucenv_name' $__ucenv_state:s/=//:q'
endif
__ucenv_do
s\et __ucenv_in_shell = 0
goto __ucenv_next

# Record $__ucenv_n is no more.
__ucenv_forget:
foreach __ucenv_mark ("__UCENV_$__ucenv_n" "__UCENV_${__ucenv_n}_*" "__UCENV_${__ucenv_n}G_*")
  u\nsetenv $__ucenv_mark:q
  u\nset $__ucenv_mark:q
end
s\et __ucenv_text = ""
foreach __ucenv_word ($__UCENV_LEVELS)
  if ("$__ucenv_word" == $__ucenv_n) continue
  if ("$__ucenv_text" != "") s\et __ucenv_text = "$__ucenv_text "
  s\et __ucenv_text = "$__ucenv_text$__ucenv_word"
end
if ("$__ucenv_text" == "") then
  u\nsetenv __UCENV_LEVELS
else
  s\etenv __UCENV_LEVELS "$__ucenv_text"
endif
goto __ucenv_next

# 4 scripts --------------------------------------------------------------------------------------------

# No builtin of tcsh lists variables without a process: the names are those that the scripts' text sets or unsets.
# An error that tcsh ends a script with (an undefined variable, a failed cd; the docs list them) ends this file as well.
# $__ucenv_noted is there then, and $__ucenv_running says which script it was: the next call takes back what was begun
# and leaves that script out.

# The scripts of directory $__ucenv_scripts_of, in code-point order -> $__ucenv_scripts, and their names -> $__ucenv_names
__ucenv_list:
if (1) set __ucenv_scripts = ()
if (! -d $__ucenv_scripts_of:q) goto __ucenv_next
u\nset noglob
s\et nonomatch
if (1) set __ucenv_scripts = ( $__ucenv_scripts_of:q/*.csh )
u\nset nonomatch
s\et noglob
if (! -e $__ucenv_scripts[1]:q && ! -l $__ucenv_scripts[1]:q) set __ucenv_scripts = ()
# A glob's order is the locale's, and conda's is not.
if ($#__ucenv_scripts > 1) then
  if (1) set __ucenv_saved = ( $__ucenv_names )
  if (1) set __ucenv_names = ( LC_ALL LC_COLLATE LC_CTYPE )
  if (1) set __ucenv_plan = ( look list_sorted self list_names $__ucenv_plan )
else if ($#__ucenv_scripts) then
  if (1) set __ucenv_plan = ( self list_names $__ucenv_plan )
endif
goto __ucenv_next

__ucenv_list_sorted:
if (1) set __ucenv_names = ( $__ucenv_saved )
s\etenv LC_COLLATE C
if (x$__ucenv_now[1]:q != x-) then
  s\etenv LC_CTYPE $__ucenv_now[1]:s/=//:q
  u\nsetenv LC_ALL
endif
u\nset noglob
if (1) set __ucenv_scripts = ( $__ucenv_scripts_of:q/*.csh )
s\et noglob
if (x$__ucenv_now[1]:q != x-) then
  s\etenv LC_ALL $__ucenv_now[1]:s/=//:q
  if (x$__ucenv_now[3]:q == x-) u\nsetenv LC_CTYPE
  s\et __ucenv_state = $__ucenv_now[3]:s/=//:q
  if (x$__ucenv_now[3]:q != x-) s\etenv LC_CTYPE $__ucenv_state:q
endif
if (x$__ucenv_now[2]:q == x-) u\nsetenv LC_COLLATE
s\et __ucenv_state = $__ucenv_now[2]:s/=//:q
if (x$__ucenv_now[2]:q != x-) s\etenv LC_COLLATE $__ucenv_state:q
goto __ucenv_next

__ucenv_list_names:
foreach __ucenv_file ($__ucenv_scripts:q)
  if (! -r $__ucenv_file:q) continue
  @ __ucenv_size = -Z $__ucenv_file:q
  s\ource $__ucenv_self __ucenv_room script < $__ucenv_file:q
end
goto __ucenv_next

# Run $__ucenv_scripts until one fails: $__ucenv_failed.
__ucenv_run:
if ($__ucenv_noglob) s\et noglob
if (! $__ucenv_noglob) u\nset noglob
if (1) set argv = ()
foreach __ucenv_file ($__ucenv_scripts:q)
  if (! -r $__ucenv_file:q) continue
  if ($?__UCENV_deadly) then
    s\et __ucenv_skip = 0
    foreach __ucenv_word ($__UCENV_deadly:q)
      if (x$__ucenv_word:q == x$__ucenv_file:q) s\et __ucenv_skip = 1
    end
    if ($__ucenv_skip) continue
  endif
  s\et __ucenv_running = $__ucenv_file:q
  s\ource $__ucenv_file:q
  s\et __ucenv_returned = $status
  u\nset __ucenv_running
  if ($__ucenv_returned != 0 && $__ucenv_strict) then
    s\et __ucenv_failed = $__ucenv_file:q
    break
  endif
end
s\et noglob
goto __ucenv_next

# The states of $__ucenv_names, to be compared when something has run.
__ucenv_note:
if (1) set __ucenv_plan = ( look noted $__ucenv_plan )
goto __ucenv_next
__ucenv_noted:
if (1) set __ucenv_noted_names = ( $__ucenv_names )
if (1) set __ucenv_noted = ( $__ucenv_now:q )
goto __ucenv_next

# What became of them: revert, but for what conda owns; back, all; record, in the record of level $__ucenv_n.
__ucenv_revert:
__ucenv_back:
__ucenv_settle:
s\et __ucenv_mode = $__ucenv_step
if (1) set __ucenv_names = ( $__ucenv_noted_names )
if (1) set __ucenv_plan = ( look settle_names $__ucenv_plan )
goto __ucenv_next

__ucenv_settle_names:
if (1) set __ucenv_names = ()
if (1) set __ucenv_befores = ()
if (1) set __ucenv_givens = ()
s\et __ucenv_i = 0
foreach __ucenv_name ($__ucenv_noted_names)
  @ __ucenv_i ++
  s\et __ucenv_state = $__ucenv_noted[$__ucenv_i]:q
  if (x$__ucenv_state:q == x$__ucenv_now[$__ucenv_i]:q) continue
  if ($__ucenv_mode != back) then
    if ("$__ucenv_owned" =~ *"$__ucenv_name"* || $__ucenv_name =~ CONDA_PREFIX_[0123456789]* || $__ucenv_name =~ CONDA_STACKED_[0123456789]*) continue
  endif
  if ($__ucenv_mode == settle) then
    if (" $__ucenv_names " =~ "* $__ucenv_name *") continue
    if (1) set __ucenv_names = ( $__ucenv_names $__ucenv_name )
    if (1) set __ucenv_befores = ( $__ucenv_befores:q $__ucenv_state:q )
    if (1) set __ucenv_givens = ( $__ucenv_givens:q $__ucenv_now[$__ucenv_i]:q )
  else
    alias __ucenv_do 's\etenv '$__ucenv_name' $__ucenv_state:s/=//:q'
    if (x$__ucenv_state:q == x-) alias __ucenv_do 'u\nsetenv '$__ucenv_name
    __ucenv_do
  endif
end
u\nset __ucenv_noted
if ($__ucenv_mode == settle) set __ucenv_plan = ( settle_before record settle_given record $__ucenv_plan )
goto __ucenv_next
__ucenv_settle_before:
if (1) set __ucenv_now = ( $__ucenv_befores:q )
s\et __ucenv_g = ""
s\etenv __UCENV_${__ucenv_n}_ "$__ucenv_names"
goto __ucenv_next
__ucenv_settle_given:
if (1) set __ucenv_now = ( $__ucenv_givens:q )
s\et __ucenv_g = G
goto __ucenv_next

# The state variables of prefix $__ucenv_prefix -> $__ucenv_state_names, and encoded, as JSON writes them,
# $__ucenv_state_values.  Of two values the later one counts.
__ucenv_state:
if (1) set __ucenv_state_names = ()
if (1) set __ucenv_state_values = ()
if (1) set __ucenv_files = ()
if (-d $__ucenv_prefix:q/etc/conda/env_vars.d) then
  u\nset noglob
  s\et nonomatch
  if (1) set __ucenv_files = ( $__ucenv_prefix:q/etc/conda/env_vars.d/*.json )
  u\nset nonomatch
  s\et noglob
endif
if (-r $__ucenv_prefix:q/conda-meta/state) set __ucenv_files = ( $__ucenv_files:q $__ucenv_prefix:q/conda-meta/state )
if ($#__ucenv_files) set __ucenv_plan = ( self state_files $__ucenv_plan )
goto __ucenv_next
__ucenv_state_files:
foreach __ucenv_file ($__ucenv_files:q)
  if (! -r $__ucenv_file:q) continue
  s\et __ucenv_flat = 1
  if (x$__ucenv_file:t:q == xstate) s\et __ucenv_flat = 0
  @ __ucenv_size = -Z $__ucenv_file:q
  s\ource $__ucenv_self __ucenv_room state < $__ucenv_file:q
end
goto __ucenv_next

# A value as JSON writes it, $__ucenv_word -> $__ucenv_state, or $__ucenv_bad where tcsh cannot write it: \u beyond ASCII.
__ucenv_value:
s\et __ucenv_bad = 0
s\et __ucenv_value = $__ucenv_word:s/x//:as/%U/%u/:as,%k/,/,:as/%kn/%n/:as/%kt/%t/:as/%kr/%ku000d/:as/%kb/%ku0008/:as/%kf/%ku000c/:q
while ("$__ucenv_value" =~ *%ku*)
  if (1) set __ucenv_words = ( x$__ucenv_value:s/%ku/ x/:x )
  if (1) set __ucenv_digits = ()
  s\et __ucenv_hex = ""
  foreach __ucenv_i (1 2 3 4)
    foreach __ucenv_digit (0 1 2 3 4 5 6 7 8 9 a b c d e f A B C D E F)
      if ("$__ucenv_words[2]" =~ x$__ucenv_hex$__ucenv_digit*) then
        if (1) set __ucenv_digits = ( $__ucenv_digits $__ucenv_digit )
        s\et __ucenv_hex = $__ucenv_hex$__ucenv_digit
        b\reak
      endif
    end
  end
  if ($__ucenv_hex !~ 00[01234567]? || $__ucenv_hex == 0000 || "$version" =~ "tcsh 6.[01]*" || "$version" =~ "tcsh 6.2[0123].*") then
    s\et __ucenv_bad = 1
    b\reak
  endif
  alias __ucenv_do 's\et __ucenv_text = $'"'\x$__ucenv_digits[3]$__ucenv_digits[4]'"
  __ucenv_do
  __ucenv_encode
  alias __ucenv_do "s\et __ucenv_value = \$__ucenv_value:s,%ku$__ucenv_hex,$__ucenv_text,"
  __ucenv_do
end
s\et __ucenv_text = $__ucenv_value:as/%K/%k/
__ucenv_decode
s\et __ucenv_state = =$__ucenv_text:q
goto __ucenv_next

# Set them, one after another; what was there goes where conda keeps it ($__ucenv_save: at level $__ucenv_level).
__ucenv_state_set:
if ($#__ucenv_state_names == 0) goto __ucenv_next
if (1) set __ucenv_names = ( $__ucenv_state_names[1] )
s\et __ucenv_word = $__ucenv_state_values[1]
s\hift __ucenv_state_names
s\hift __ucenv_state_values
if ($__ucenv_word == x%a%a%aunset%a%a%a) goto __ucenv_state_set
if (1) set __ucenv_plan = ( look value state_put state_set $__ucenv_plan )
goto __ucenv_next
__ucenv_state_put:
s\et __ucenv_name = $__ucenv_names[1]
if ($__ucenv_bad) then
  if (1) set __ucenv_undecoded = ( $__ucenv_undecoded $__ucenv_name )
  goto __ucenv_next
endif
if ($__ucenv_save && x$__ucenv_now[1]:q != x-) then
  s\et __ucenv_value = $__ucenv_now[1]:s/=//:q
  s\etenv __CONDA_SHLVL_${__ucenv_level}_$__ucenv_name $__ucenv_value:q
endif
goto __ucenv_put

# 5 levels ---------------------------------------------------------------------------------------------

# $__ucenv_level, $__ucenv_prefix_now, and $__ucenv_top, the topmost record (0 without one).
__ucenv_find_level:
s\et __ucenv_level = 0
s\et __ucenv_prefix_now = ""
s\et __ucenv_modifier = ""
if ($?CONDA_SHLVL) then
  if (x$CONDA_SHLVL:q =~ x[0123456789] || x$CONDA_SHLVL:q =~ x[123456789][0123456789]) then
    s\et __ucenv_level = $CONDA_SHLVL
  else if ($%CONDA_SHLVL) then
    s\et __ucenv_broken = "CONDA_SHLVL is no level"
  endif
endif
if ($?CONDA_PREFIX) then
  s\et __ucenv_prefix_now = $CONDA_PREFIX:q
  # Then there are as many levels as have a prefix.
  if ("$__ucenv_broken" =~ "CONDA_SHLVL*" && $%CONDA_PREFIX) then
    foreach __ucenv_i (1 2 3 4 5 6 7 8 9)
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
s\et __ucenv_top = 0
if ($?__UCENV_LEVELS) then
  foreach __ucenv_word ($__UCENV_LEVELS)
    if ("$__ucenv_word" =~ [0123456789] || "$__ucenv_word" =~ [0123456789][0123456789]) s\et __ucenv_top = $__ucenv_word
  end
endif
goto __ucenv_next

# The prefix of level $__ucenv_n -> $__ucenv_prefix, empty where there is none.
__ucenv_prefix_of:
s\et __ucenv_prefix = $__ucenv_prefix_now:q
if ($__ucenv_n == $__ucenv_level) goto __ucenv_next
s\et __ucenv_prefix = ""
alias __ucenv_do 's\et __ucenv_there = $?CONDA_PREFIX_'$__ucenv_n
__ucenv_do
alias __ucenv_do 's\et __ucenv_prefix = $CONDA_PREFIX_'$__ucenv_n':q'
if ($__ucenv_there) then
  __ucenv_do
endif
goto __ucenv_next

# Records of levels that conda left without us: what nobody touched since is put back, silently.
__ucenv_forget_stale:
s\et __ucenv_stale = 0
if ($__ucenv_top == 0) goto __ucenv_next
s\et __ucenv_n = $__ucenv_top
if (1) set __ucenv_plan = ( prefix_of forget_if_stale $__ucenv_plan )
goto __ucenv_next
__ucenv_forget_if_stale:
alias __ucenv_do 's\et __ucenv_value = $__UCENV_'$__ucenv_n':q'
__ucenv_do
if ($__ucenv_n <= $__ucenv_level && x$__ucenv_value:q == x$__ucenv_prefix:q) goto __ucenv_next
s\et __ucenv_stale = 1
if (1) set __ucenv_plan = ( undo find_level forget_stale $__ucenv_plan )
goto __ucenv_next

# In PATH the first entry of prefix $__ucenv_from becomes that of $__ucenv_to (none: it goes).  Without the first, or where
# it is not found, the second comes in front.
__ucenv_swap_path:
if (1) set __ucenv_names = ( PATH )
if (1) set __ucenv_plan = ( look swap_path_split split swap_path_entry join put $__ucenv_plan )
goto __ucenv_next
__ucenv_swap_path_split:
s\et __ucenv_state = $__ucenv_now[1]:q
s\et __ucenv_was = $__ucenv_state:q
goto __ucenv_next
__ucenv_swap_path_entry:
s\et __ucenv_text = $__ucenv_from:q
__ucenv_encode
s\et __ucenv_word = x$__ucenv_text/bin
s\et __ucenv_text = $__ucenv_to:q
__ucenv_encode
s\et __ucenv_text = "x$__ucenv_text/bin "
if (x$__ucenv_to:q == x) s\et __ucenv_text = ""
if (x$__ucenv_from:q != x && "$__ucenv_list" =~ "* $__ucenv_word *") then
  alias __ucenv_do 's\et __ucenv_list = "$__ucenv_list:s, '"$__ucenv_word , $__ucenv_text"',"'
else
  alias __ucenv_do 's\et __ucenv_list = "$__ucenv_list:s, , '"$__ucenv_text"',"'
endif
__ucenv_do
goto __ucenv_next

# conda's variables for prefix $__ucenv_prefix at level $__ucenv_n, with words in the prompt if $__ucenv_shown.
__ucenv_own:
s\et __ucenv_value = $__ucenv_prefix:q
if (x$__ucenv_prefix:q == x$__ucenv_root:q) s\et __ucenv_value = base
if (x$__ucenv_prefix:h:t:q == xenvs) s\et __ucenv_value = $__ucenv_prefix:t:q
s\etenv CONDA_PREFIX $__ucenv_prefix:q
s\etenv CONDA_SHLVL $__ucenv_n
s\etenv CONDA_DEFAULT_ENV $__ucenv_value:q
s\etenv CONDA_PROMPT_MODIFIER ""
if ($__ucenv_shown) s\etenv CONDA_PROMPT_MODIFIER "($__ucenv_value) "
goto __ucenv_next

# The prompt: the old words of conda's ($__ucenv_modifier), where they stand in front, give way to the new ones.
__ucenv_prompt:
if (! $?prompt) goto __ucenv_next
if ($#prompt != 1) goto __ucenv_next
s\et __ucenv_text = $__ucenv_modifier:q
__ucenv_encode
s\et __ucenv_word = $__ucenv_text:q
s\et __ucenv_text = $prompt:q
__ucenv_encode
if ($%__ucenv_word && x$__ucenv_text =~ x$__ucenv_word*) then
  alias __ucenv_do "s\et __ucenv_text = x\$__ucenv_text:s,$__ucenv_word,,"
  __ucenv_do
  s\et __ucenv_text = $__ucenv_text:s/x//
endif
__ucenv_decode
s\et __ucenv_value = ""
if ($?CONDA_PROMPT_MODIFIER) then
  s\et __ucenv_value = $CONDA_PROMPT_MODIFIER:q
endif
s\et prompt = $__ucenv_value:q$__ucenv_text:q
goto __ucenv_next

# One level up, to $__ucenv_target; on top of the active one if $__ucenv_stack.  Nothing is changed if a script fails.
__ucenv_up:
@ __ucenv_n = $__ucenv_level + 1
s\et __ucenv_from = $__ucenv_prefix_now:q
if ($__ucenv_level == 0 || $__ucenv_stack) s\et __ucenv_from = ""
s\et __ucenv_to = $__ucenv_target:q
if (1) set __ucenv_names = ( PATH CONDA_PREFIX CONDA_SHLVL CONDA_DEFAULT_ENV CONDA_PROMPT_MODIFIER CONDA_PREFIX_$__ucenv_level CONDA_STACKED_$__ucenv_n )
if (1) set __ucenv_undecoded = ()
s\et __ucenv_prefix = $__ucenv_target:q
s\et __ucenv_failed = ""
s\et __ucenv_scripts_of = $__ucenv_from:q/etc/conda/deactivate.d
if (1) set __ucenv_plan = ( list list_is_down up_list list list_is_up state up_note note run_down up_set swap_path state_set prompt run_up up_end $__ucenv_plan )
if (x$__ucenv_from:q == x) set __ucenv_scripts_of = /dev/null
goto __ucenv_next
__ucenv_up_list:
s\et __ucenv_scripts_of = $__ucenv_target:q/etc/conda/activate.d
goto __ucenv_next
__ucenv_up_note:
if (1) set __ucenv_names = ( $__ucenv_names $__ucenv_state_names )
foreach __ucenv_word ($__ucenv_state_names)
  if (1) set __ucenv_names = ( $__ucenv_names __CONDA_SHLVL_${__ucenv_level}_$__ucenv_word )
end
if ($?prompt) then
  if (1) set __ucenv_prompt = ( $prompt:q )
endif
goto __ucenv_next
__ucenv_up_set:
s\et __ucenv_shown = 1
if ($__ucenv_level && ! $%__ucenv_modifier) s\et __ucenv_shown = 0
if ($?CONDA_CHANGEPS1) then
  if ($CONDA_CHANGEPS1:q =~ [Ff] || $CONDA_CHANGEPS1:q =~ [Ff][Aa][Ll][Ss][Ee] || $CONDA_CHANGEPS1:q =~ [Nn] || $CONDA_CHANGEPS1:q =~ [Nn][Oo]) s\et __ucenv_shown = 0
  if ($CONDA_CHANGEPS1:q =~ [Oo][Ff][Ff] || $CONDA_CHANGEPS1:q =~ 0) s\et __ucenv_shown = 0
endif
if ($__ucenv_level) s\etenv CONDA_PREFIX_$__ucenv_level $__ucenv_prefix_now:q
if ($__ucenv_stack) s\etenv CONDA_STACKED_$__ucenv_n true
s\et __ucenv_save = 1
goto __ucenv_own
__ucenv_up_end:
if (x$__ucenv_failed:q != x) then
  if (1) set __ucenv_messages = ( $__ucenv_messages:q $__ucenv_failed:q" returned $__ucenv_returned; "$__ucenv_target:q" was not activated" )
  s\et __ucenv_status = 1
  if (1) set __ucenv_plan = ( back up_back $__ucenv_plan )
  goto __ucenv_next
endif
s\et __ucenv_text = ""
if ($?__UCENV_LEVELS) then
  s\et __ucenv_text = "$__UCENV_LEVELS "
endif
s\etenv __UCENV_LEVELS "$__ucenv_text$__ucenv_n"
s\etenv __UCENV_$__ucenv_n $__ucenv_target:q
if ($#__ucenv_undecoded) set __ucenv_messages = ( $__ucenv_messages:q "tcsh cannot decode the value that "$__ucenv_target:q" gives: $__ucenv_undecoded; left as before" )
if (1) set __ucenv_plan = ( settle $__ucenv_plan )
goto __ucenv_next
__ucenv_up_back:
if ($?__ucenv_prompt) then
  if (1) set prompt = ( $__ucenv_prompt:q )
endif
goto __ucenv_next

# After a call that a script ended.
__ucenv_recovered:
s\et __ucenv_status = 0
if ($__ucenv_loading) set __ucenv_plan = ( unload_loaded $__ucenv_plan )
s\et __ucenv_loading = 0
goto __ucenv_next

__ucenv_list_is_down:
if (1) set __ucenv_scripts_down = ()
foreach __ucenv_file ($__ucenv_scripts:q)
  if (1) set __ucenv_scripts_down = ( $__ucenv_file:q $__ucenv_scripts_down:q )
end
goto __ucenv_next
__ucenv_list_is_up:
if (1) set __ucenv_scripts_up = ( $__ucenv_scripts:q )
goto __ucenv_next
__ucenv_run_down:
s\et __ucenv_strict = 0
if (1) set __ucenv_scripts = ( $__ucenv_scripts_down:q )
goto __ucenv_run
__ucenv_run_up:
s\et __ucenv_strict = 1
if (1) set __ucenv_scripts = ( $__ucenv_scripts_up:q )
goto __ucenv_run

# One level down, from the level find_level found.
__ucenv_down:
@ __ucenv_below = $__ucenv_level - 1
s\et __ucenv_from = $__ucenv_prefix_now:q
s\et __ucenv_stacked = 0
alias __ucenv_do 's\et __ucenv_there = $?CONDA_STACKED_'$__ucenv_level
__ucenv_do
if ($__ucenv_there) then
  alias __ucenv_do 's\et __ucenv_stacked = $%CONDA_STACKED_'$__ucenv_level
  __ucenv_do
endif
s\et __ucenv_n = $__ucenv_below
s\et __ucenv_to = ""
if (1) set __ucenv_names = ( PATH )
s\et __ucenv_scripts_of = $__ucenv_from:q/etc/conda/deactivate.d
if ($__ucenv_top == $__ucenv_level) then
  if (1) set __ucenv_plan = ( list list_is_down down_below prefix_of down_list list list_is_up down_recorded find_level $__ucenv_plan )
else
  if (x$__ucenv_from:q == x) s\et __ucenv_broken = "CONDA_PREFIX is empty at level $__ucenv_level"
  if (1) set __ucenv_plan = ( down_below prefix_of native find_level $__ucenv_plan )
endif
goto __ucenv_next
__ucenv_down_below:
s\et __ucenv_n = $__ucenv_below
if ($__ucenv_below == 0) then
  s\et __ucenv_prefix = ""
  s\hift __ucenv_plan
endif
goto __ucenv_next
__ucenv_down_list:
s\et __ucenv_to = $__ucenv_prefix:q
s\et __ucenv_scripts_of = $__ucenv_to:q/etc/conda/activate.d
if ($__ucenv_below == 0 || $__ucenv_stacked) s\et __ucenv_scripts_of = /dev/null
goto __ucenv_next
__ucenv_down_recorded:
if (1) set __ucenv_expected = ( $__ucenv_names )
if ($#__ucenv_scripts_down) set __ucenv_plan = ( note run_down revert down_undo $__ucenv_plan )
if (! $#__ucenv_scripts_down) set __ucenv_plan = ( down_undo $__ucenv_plan )
goto __ucenv_next
__ucenv_down_undo:
s\et __ucenv_n = $__ucenv_level
if ($#__ucenv_scripts_up) then
  if (1) set __ucenv_plan = ( undo own_below prompt down_note note run_down revert $__ucenv_plan )
else
  if (1) set __ucenv_plan = ( undo own_below prompt $__ucenv_plan )
endif
goto __ucenv_next
__ucenv_down_note:
if (1) set __ucenv_names = ( $__ucenv_names $__ucenv_expected )
if (1) set __ucenv_scripts_down = ( $__ucenv_scripts_up:q )
goto __ucenv_next

# conda's variables for level $__ucenv_below, whose prefix is $__ucenv_to.
__ucenv_own_below:
u\nsetenv CONDA_STACKED_$__ucenv_level
u\nsetenv CONDA_PREFIX_$__ucenv_below
s\et __ucenv_n = $__ucenv_below
s\et __ucenv_prefix = $__ucenv_to:q
s\et __ucenv_shown = $%__ucenv_modifier
if ($__ucenv_below) goto __ucenv_own
u\nsetenv CONDA_PREFIX
u\nsetenv CONDA_DEFAULT_ENV
u\nsetenv CONDA_PROMPT_MODIFIER
s\etenv CONDA_SHLVL 0
goto __ucenv_next

# One level down, of a level that conda or micromamba made: as conda does it.  Then what its scripts left is looked for.
__ucenv_native:
s\et __ucenv_to = $__ucenv_prefix:q
if (x$__ucenv_to:q == x && $__ucenv_below > 0) then
  s\et __ucenv_broken = "CONDA_PREFIX_$__ucenv_below is missing"
  u\nsetenv CONDA_STACKED_$__ucenv_level
  u\nsetenv CONDA_PREFIX_$__ucenv_below
  u\nsetenv CONDA_STACKED_$__ucenv_below
  @ __ucenv_below --
  if (1) set __ucenv_plan = ( down_below prefix_of native $__ucenv_plan )
  goto __ucenv_next
endif
if (1) set __ucenv_names = ()
if (1) set __ucenv_expected = ()
if (1) set __ucenv_scripts_down = ()
if (1) set __ucenv_scripts_up = ()
if (1) set __ucenv_state_names = ()
if (x$__ucenv_from:q == x) then
  if (1) set __ucenv_plan = ( own_below prompt $__ucenv_plan )
else
  if (1) set __ucenv_plan = ( native_path swap_path native_list list native_names list list_is_down run_down native_state state native_unset own_below prompt native_below native_back sweep native_up run_down $__ucenv_plan )
endif
goto __ucenv_next
__ucenv_native_path:
s\et __ucenv_prefix = $__ucenv_from:q
if ($__ucenv_stacked) s\et __ucenv_to = ""
goto __ucenv_next
__ucenv_native_list:
s\et __ucenv_scripts_of = $__ucenv_from:q/etc/conda/activate.d
goto __ucenv_next
__ucenv_native_names:
if (1) set __ucenv_expected = ( $__ucenv_names )
s\et __ucenv_scripts_of = $__ucenv_from:q/etc/conda/deactivate.d
goto __ucenv_next
__ucenv_native_state:
s\et __ucenv_n = $__ucenv_below
s\et __ucenv_prefix = $__ucenv_from:q
goto __ucenv_next
__ucenv_native_unset:
foreach __ucenv_name ($__ucenv_state_names)
  u\nsetenv $__ucenv_name
end
if (1) set __ucenv_gone = ( $__ucenv_state_names )
s\et __ucenv_to = ""
alias __ucenv_do 's\et __ucenv_to = $CONDA_PREFIX_'$__ucenv_below':q'
if ($__ucenv_below) then
  __ucenv_do
endif
goto __ucenv_next
# The state variables of the level below are set again, then what the level above had saved is put back.
__ucenv_native_below:
s\et __ucenv_save = 0
s\et __ucenv_prefix = $__ucenv_to:q
if ($__ucenv_below) set __ucenv_plan = ( state state_set $__ucenv_plan )
goto __ucenv_next
__ucenv_native_back:
foreach __ucenv_name ($__ucenv_gone)
  alias __ucenv_do 's\et __ucenv_there = $?__CONDA_SHLVL_'$__ucenv_below'_'$__ucenv_name
  __ucenv_do
  if (! $__ucenv_there) continue
  alias __ucenv_do 's\etenv '$__ucenv_name' $__CONDA_SHLVL_'$__ucenv_below'_'$__ucenv_name':q; u\nsetenv __CONDA_SHLVL_'$__ucenv_below'_'$__ucenv_name
  __ucenv_do
end
goto __ucenv_next
__ucenv_native_up:
if (1) set __ucenv_scripts_down = ()
s\et __ucenv_scripts_of = $__ucenv_to:q/etc/conda/activate.d
if ($__ucenv_below && ! $__ucenv_stacked) set __ucenv_plan = ( list native_up_run $__ucenv_plan )
goto __ucenv_next
__ucenv_native_up_run:
if (1) set __ucenv_scripts_down = ( $__ucenv_scripts:q )
goto __ucenv_next

# What points into $__ucenv_from, which is active no more, leaves the variables $__ucenv_expected, which its scripts set.
__ucenv_sweep:
foreach __ucenv_i (1 2 3 4 5 6 7 8 9)
  alias __ucenv_do 's\et __ucenv_there = $?CONDA_PREFIX_'$__ucenv_i
  __ucenv_do
  if (! $__ucenv_there) continue
  alias __ucenv_do 's\et __ucenv_value = $CONDA_PREFIX_'$__ucenv_i':q'
  __ucenv_do
  if (x$__ucenv_value:q == x$__ucenv_from:q) goto __ucenv_next
end
if ($?CONDA_PREFIX) then
  if (x$CONDA_PREFIX:q == x$__ucenv_from:q) goto __ucenv_next
endif
if (1) set __ucenv_names = ( $__ucenv_expected )
s\et __ucenv_text = $__ucenv_from:q
__ucenv_encode
s\et __ucenv_under = $__ucenv_text:q
if ($#__ucenv_names) set __ucenv_plan = ( look sweep_names sweep_lists $__ucenv_plan )
goto __ucenv_next
__ucenv_sweep_names:
if (1) set __ucenv_lists = ()
s\et __ucenv_i = 0
foreach __ucenv_name ($__ucenv_names)
  @ __ucenv_i ++
  if (x$__ucenv_now[$__ucenv_i]:q == x- || "$__ucenv_owned" =~ *"$__ucenv_name"*) continue
  if ($__ucenv_name =~ *PATH || $__ucenv_name =~ *DIRS) then
    if ($__ucenv_name != PATH) set __ucenv_lists = ( $__ucenv_lists $__ucenv_name )
  else
    s\et __ucenv_text = $__ucenv_now[$__ucenv_i]:q
    __ucenv_encode
    if ("$__ucenv_text" == =$__ucenv_under || "$__ucenv_text" =~ *$__ucenv_under/*) u\nsetenv $__ucenv_name
  endif
end
goto __ucenv_next
# $__ucenv_under leaves the lists $__ucenv_lists; one that is empty then is unset.
__ucenv_sweep_lists:
if ($#__ucenv_lists == 0) goto __ucenv_next
if (1) set __ucenv_names = ( $__ucenv_lists[1] )
s\hift __ucenv_lists
if (1) set __ucenv_plan = ( look sweep_list split leave sweep_joined sweep_lists $__ucenv_plan )
goto __ucenv_next
__ucenv_sweep_list:
s\et __ucenv_state = $__ucenv_now[1]:q
goto __ucenv_next
__ucenv_sweep_joined:
if ("$__ucenv_words" == "$__ucenv_whole") goto __ucenv_next
if ("$__ucenv_list" == " x ") s\et __ucenv_list = " "
if (1) set __ucenv_plan = ( join put $__ucenv_plan )
goto __ucenv_next

# Down to level $__ucenv_least.
__ucenv_down_to:
if ($__ucenv_level > $__ucenv_least) set __ucenv_plan = ( down down_to $__ucenv_plan )
goto __ucenv_next

# 6 load, unload ---------------------------------------------------------------------------------------

# This file, as the shell has it open: $__ucenv_self.
__ucenv_self:
if ($?__ucenv_self) goto __ucenv_next
foreach __ucenv_i (5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31 32)
  if (-L /proc/self/fd/$__ucenv_i =~ */ucenv-act.csh) s\et __ucenv_self = /proc/self/fd/$__ucenv_i
end
if (! $?__ucenv_self) then
  foreach __ucenv_word (UCENV_CONDA_ROOT __UCENV_0 CONDA_EXE)
    alias __ucenv_do 's\et __ucenv_there = $?'$__ucenv_word
    __ucenv_do
    if (! $__ucenv_there) continue
    alias __ucenv_do 's\et __ucenv_value = $'$__ucenv_word':q'
    __ucenv_do
    if ($__ucenv_word == CONDA_EXE) s\et __ucenv_value = $__ucenv_value:h:h:q
    foreach __ucenv_file ($__ucenv_value:q/share/ucenv/shell/ucenv-act.csh $__ucenv_value:q/etc/profile.d/ucenv-act.csh)
      if (-r $__ucenv_file:q && ! $?__ucenv_self) s\et __ucenv_self = $__ucenv_file:q
    end
  end
endif
if ($?__ucenv_self) goto __ucenv_next
s\et __ucenv_error = "no /proc here: set UCENV_CONDA_ROOT to the directory conda is installed in"
goto __ucenv_fail

# The conda that is loaded, else that of conda's variables -> $__ucenv_root
__ucenv_active_root:
s\et __ucenv_root = ""
if ($?__UCENV_0) then
  s\et __ucenv_root = $__UCENV_0:q
else if ($?CONDA_EXE) then
  if (x$CONDA_EXE:q =~ x*/bin/conda || x$CONDA_EXE:q =~ x*/condabin/conda) s\et __ucenv_root = $CONDA_EXE:h:h:q
endif
if (x$__ucenv_root:q == x && $?_CONDA_ROOT) then
  s\et __ucenv_root = $_CONDA_ROOT:q
endif
goto __ucenv_next

# The conda that this file belongs to -> $__ucenv_root
__ucenv_find_root:
if ($?UCENV_CONDA_ROOT) then
  if ($%UCENV_CONDA_ROOT) then
    s\et __ucenv_root = $UCENV_CONDA_ROOT:q
    if (x$__ucenv_root:q =~ x*/) s\et __ucenv_root = $__ucenv_root:h:q
    if (-x $__ucenv_root:q/bin/conda) goto __ucenv_next
    s\et __ucenv_error = "no conda: UCENV_CONDA_ROOT is "$UCENV_CONDA_ROOT:q", and no bin/conda is there"
    goto __ucenv_fail
  endif
endif
if (1) set __ucenv_plan = ( self find_place $__ucenv_plan )
goto __ucenv_next
__ucenv_find_place:
s\et __ucenv_where = $__ucenv_self:q
if (x$__ucenv_self:q =~ x/proc/*) then
  s\ource $__ucenv_self __ucenv_room where << x
x
endif
s\et __ucenv_root = $__ucenv_where:h:h:h:q
if (x$__ucenv_where:q =~ x*/share/ucenv/shell/*) s\et __ucenv_root = $__ucenv_where:h:h:h:h:q
if (-x $__ucenv_root:q/bin/conda) goto __ucenv_next
if (1) set __ucenv_plan = ( active_root find_root_last $__ucenv_plan )
goto __ucenv_next
__ucenv_find_root_last:
if ($%__ucenv_root && -x $__ucenv_root:q/bin/conda) goto __ucenv_next
s\et __ucenv_error = "no conda: set UCENV_CONDA_ROOT to the directory it is installed in"
goto __ucenv_fail

# The user's own space -> $__ucenv_space
__ucenv_find_space:
s\et __ucenv_space = ""
if ($?SCRATCH) then
  if ($%SCRATCH) s\et __ucenv_space = $SCRATCH:q/conda_local
endif
if ($?UCENV_ROOT) then
  if ($%UCENV_ROOT) s\et __ucenv_space = $UCENV_ROOT:q
endif
s\et __ucenv_error = "no space for environments: set SCRATCH, or UCENV_ROOT"
if (! $%__ucenv_space) goto __ucenv_fail
s\et __ucenv_error = $__ucenv_space:q" has a ':' or ',', which conda cannot take"
if (x$__ucenv_space:q =~ *[:,]*) goto __ucenv_fail
s\et __ucenv_state = =$__ucenv_space:q/envs:$__ucenv_root:q/envs
goto __ucenv_next

# The prefix of environment $__ucenv_env -> $__ucenv_target; names are looked for in the list $__ucenv_state.
__ucenv_find_env:
s\et __ucenv_name = PATH
s\et __ucenv_where = $__ucenv_state:s/=//:q
s\et __ucenv_target = ""
s\et __ucenv_error = "no environment '': its name is empty"
if (! $%__ucenv_env) goto __ucenv_fail
if (x$__ucenv_env:q == xbase || x$__ucenv_env:q == xroot) then
  s\et __ucenv_target = $__ucenv_root:q
  goto __ucenv_find_env_meta
endif
if (x$__ucenv_env:q =~ x*/*) then
  s\et __ucenv_state = =$__ucenv_env:q
  if (x$__ucenv_env:q !~ x/*) s\et __ucenv_state = =$cwd:q/$__ucenv_env:q
  if (x$__ucenv_state:q =~ *:*) goto __ucenv_find_env_colon
  if (1) set __ucenv_plan = ( split normalise join find_env_path $__ucenv_plan )
else
  s\et __ucenv_state = $__ucenv_state:q':'$__ucenv_root:q/envs
  if (1) set __ucenv_plan = ( split find_env_named $__ucenv_plan )
endif
goto __ucenv_next
__ucenv_find_env_named:
foreach __ucenv_word ($__ucenv_list)
  s\et __ucenv_text = $__ucenv_word:s/x//:q
  __ucenv_decode
  if (x$__ucenv_text:q !~ x/* || ! -d $__ucenv_text:q/$__ucenv_env:q/conda-meta) continue
  s\et __ucenv_state = =$__ucenv_text:q/$__ucenv_env:q
  if (x$__ucenv_state:q =~ *:*) goto __ucenv_find_env_colon
  if (1) set __ucenv_plan = ( split normalise join find_env_path $__ucenv_plan )
  goto __ucenv_next
end
s\et __ucenv_error = "no environment "$__ucenv_env:q" in "$__ucenv_where:q
goto __ucenv_fail
__ucenv_find_env_path:
s\et __ucenv_target = $__ucenv_state:s/=//:q
goto __ucenv_find_env_meta
__ucenv_find_env_colon:
s\et __ucenv_error = $__ucenv_state:s/=//:q" has a ':', which PATH cannot hold"
goto __ucenv_fail
__ucenv_find_env_meta:
if (-d $__ucenv_target:q/conda-meta) goto __ucenv_next
s\et __ucenv_error = "no environment "$__ucenv_env:q": "$__ucenv_target:q"/conda-meta is missing"
goto __ucenv_fail

__ucenv_fail:
if (1) set __ucenv_messages = ( $__ucenv_messages:q $__ucenv_error:q )
s\et __ucenv_status = 1
goto __ucenv_done

# load [--module TOKEN] [ENV]
__ucenv_load:
s\et __ucenv_error = "usage: ucenv load [--module TOKEN] [ENV]"
s\et __ucenv_module = ""
s\et __ucenv_has_env = 0
while ($#__ucenv_argv)
  s\et __ucenv_word = $__ucenv_argv[1]:q
  s\hift __ucenv_argv
  if (x$__ucenv_word:q == x--module) then
    if ($#__ucenv_argv == 0 || $%__ucenv_module) goto __ucenv_usage
    s\et __ucenv_module = $__ucenv_argv[1]:q
    s\hift __ucenv_argv
    if (! $%__ucenv_module) goto __ucenv_usage
  else if (x$__ucenv_word:q =~ x--module=?*) then
    s\et __ucenv_module = $__ucenv_word:s/--module=//:q
  else if (x$__ucenv_word:q =~ x-* || $__ucenv_has_env) then
    goto __ucenv_usage
  else
    s\et __ucenv_has_env = 1
    s\et __ucenv_env = $__ucenv_word:q
  endif
end
if ($?__UCENV_TOKEN) then
  if ($%__ucenv_module && x$__UCENV_TOKEN:q == x$__ucenv_module:q) then
    if (1) set __ucenv_plan = ( define_conda )
    goto __ucenv_next
  endif
  if (! $%__ucenv_module) s\et __ucenv_module = $__UCENV_TOKEN:q
endif
if (1) set __ucenv_plan = ( find_root find_space )
if ($__ucenv_has_env) set __ucenv_plan = ( $__ucenv_plan find_env )
if (1) set __ucenv_plan = ( $__ucenv_plan load_found )
goto __ucenv_next
__ucenv_load_found:
if (1) set __ucenv_load = ( $__ucenv_root:q $__ucenv_space:q )
if ($?__UCENV_LEVELS) set __ucenv_plan = ( unload_loaded )
if (1) set __ucenv_plan = ( $__ucenv_plan find_level load_names look load_record record load_set look load_given record define_conda )
if ($__ucenv_has_env) set __ucenv_plan = ( $__ucenv_plan find_level load_env )
goto __ucenv_next
__ucenv_load_names:
s\et __ucenv_root = $__ucenv_load[1]:q
s\et __ucenv_space = $__ucenv_load[2]:q
s\et __ucenv_broken = ""
if (! $%__ucenv_prefix_now || $__ucenv_level == 99) s\et __ucenv_level = 0
if (1) set __ucenv_listed = ( PATH LD_LIBRARY_PATH MANPATH CONDA_ENVS_PATH CONDA_PKGS_DIRS PS1 )
if (1) set __ucenv_names = ( $__ucenv_owned $__ucenv_listed )
# Those that are set of the levels below, and some above: what conda left empty there is not ours.
@ __ucenv_n = $__ucenv_level + 4
while ($__ucenv_n)
  foreach __ucenv_word (CONDA_PREFIX_$__ucenv_n CONDA_STACKED_$__ucenv_n)
    alias __ucenv_do 's\et __ucenv_there = $?'$__ucenv_word
    __ucenv_do
    if ($__ucenv_there) set __ucenv_names = ( $__ucenv_names $__ucenv_word )
  end
  @ __ucenv_n --
end
goto __ucenv_next
__ucenv_load_record:
s\etenv __UCENV_LEVELS 0
s\etenv __UCENV_0 $__ucenv_root:q
s\etenv __UCENV_0_ "$__ucenv_names"
if ($%__ucenv_module) s\etenv __UCENV_TOKEN $__ucenv_module:q
s\et __ucenv_n = 0
s\et __ucenv_g = ""
# PATH is the eleventh.
s\et __ucenv_path = $__ucenv_now[11]:q
goto __ucenv_next
__ucenv_load_set:
s\et __ucenv_text = $__ucenv_root:q/condabin
__ucenv_encode
s\et __ucenv_word = $__ucenv_text:q
s\et __ucenv_text = $__ucenv_path:s/=/:/:q
__ucenv_encode
if ("${__ucenv_text}:" !~ *":${__ucenv_word}:"*) then
  s\et __ucenv_value = $__ucenv_path:s/=/:/:q
  if (x$__ucenv_path:q == x-) s\et __ucenv_value = ""
  s\etenv PATH $__ucenv_root:q/condabin$__ucenv_value:q
endif
s\etenv CONDA_ENVS_PATH $__ucenv_space:q/envs:$__ucenv_root:q/envs
s\etenv CONDA_PKGS_DIRS $__ucenv_space:q/pkgs,$__ucenv_root:q/pkgs
s\etenv CONDA_EXE $__ucenv_root:q/bin/conda
s\etenv CONDA_PYTHON_EXE $__ucenv_root:q/bin/python
s\etenv CONDA_SHLVL $__ucenv_level
s\etenv _CE_M ""
s\etenv _CE_CONDA ""
s\etenv _CONDA_EXE $__ucenv_root:q/bin/conda
s\etenv _CONDA_ROOT $__ucenv_root:q
if (1) set __ucenv_names = ( $__ucenv_listed )
goto __ucenv_next
__ucenv_load_given:
s\et __ucenv_n = 0
s\et __ucenv_g = G
goto __ucenv_next
__ucenv_load_env:
s\et __ucenv_loading = 1
if (1) set __ucenv_plan = ( climb load_end $__ucenv_plan )
goto __ucenv_next
__ucenv_load_end:
s\et __ucenv_loading = 0
if ($__ucenv_status) set __ucenv_plan = ( unload_loaded )
goto __ucenv_next

# Up to $__ucenv_target, unless it is active.
__ucenv_climb:
if ($__ucenv_level && x$__ucenv_target:q == x$__ucenv_prefix_now:q) then
  if ($__ucenv_top != $__ucenv_level) goto __ucenv_next
  if (1) set __ucenv_plan = ( down up $__ucenv_plan )
else
  if (1) set __ucenv_plan = ( up $__ucenv_plan )
endif
goto __ucenv_next

# `conda`, where the user has none.  The alias is ours as long as __UCENV_conda is set.
__ucenv_define_conda:
if ($?__UCENV_conda) goto __ucenv_next
if (1) set __ucenv_plan = ( self conda_alias $__ucenv_plan )
goto __ucenv_next
__ucenv_conda_alias:
s\et __ucenv_where = $__ucenv_self:q
if (x$__ucenv_self:q !~ x/proc/*) goto __ucenv_next
s\ource $__ucenv_self __ucenv_room where << x
x
if ($%__ucenv_text) goto __ucenv_next
s\et __UCENV_conda
s\et __ucenv_where = $__ucenv_where:as/'/'\\''/:as/\!/\\!/:q
alias conda 's\ource '\'$__ucenv_where:q\'' conda \!*'
goto __ucenv_next

# unload [--module TOKEN] [--all-names]
__ucenv_unload:
s\et __ucenv_error = "usage: ucenv unload [--module TOKEN] [--all-names]"
s\et __ucenv_module = ""
while ($#__ucenv_argv)
  s\et __ucenv_word = $__ucenv_argv[1]:q
  s\hift __ucenv_argv
  if (x$__ucenv_word:q == x--module) then
    if ($#__ucenv_argv == 0) goto __ucenv_usage
    s\et __ucenv_module = $__ucenv_argv[1]:q
    s\hift __ucenv_argv
  else if (x$__ucenv_word:q =~ x--module=?*) then
    s\et __ucenv_module = $__ucenv_word:s/--module=//:q
  else if (x$__ucenv_word:q == x--all-names) then
    if (1) set __ucenv_messages = ( $__ucenv_messages:q "tcsh cannot list its variables: --all-names did nothing" )
  else
    goto __ucenv_usage
  endif
end
if ($%__ucenv_module) then
  s\et __ucenv_token = ""
  if ($?__UCENV_TOKEN) then
    s\et __ucenv_token = $__UCENV_TOKEN:q
  endif
  if (x$__ucenv_token:q != x$__ucenv_module:q) goto __ucenv_next
endif
if ($?__UCENV_LEVELS) then
  if (1) set __ucenv_plan = ( unload_loaded )
else
  if (1) set __ucenv_plan = ( unload_inherited )
endif
goto __ucenv_next

# Everything back as it was before the load.
__ucenv_unload_loaded:
if (1) set __ucenv_plan = ( active_root find_level forget_stale unload_least down_to unload_zero undo unload_end $__ucenv_plan )
goto __ucenv_next
__ucenv_unload_least:
s\et __ucenv_least = 0
s\et __ucenv_stale = 0
if ($?__UCENV_0_CONDA_SHLVL) then
  if ($__UCENV_0_CONDA_SHLVL:q =~ =[0123456789] || $__UCENV_0_CONDA_SHLVL:q =~ =[123456789][0123456789]) s\et __ucenv_least = $__UCENV_0_CONDA_SHLVL:s/=//
endif
goto __ucenv_next
__ucenv_unload_zero:
s\et __ucenv_n = 0
# What conda leaves of levels above: since 25.7 empty variables, and copies of what its state variables overwrote.
@ __ucenv_i = $__ucenv_least
while ($__ucenv_i < $__ucenv_least + 10)
  u\nsetenv __CONDA_SHLVL_${__ucenv_i}_\*
  @ __ucenv_i ++
  u\nsetenv CONDA_PREFIX_$__ucenv_i
  u\nsetenv CONDA_STACKED_$__ucenv_i
end
goto __ucenv_next
__ucenv_unload_end:
u\nsetenv __UCENV_\*
if ($?__UCENV_conda) then
  unalias conda
endif
u\nset __UCENV_\*
goto __ucenv_next

# conda that we did not load: an activated shell that a job inherited, or `conda init`.
__ucenv_unload_inherited:
if (! ($?CONDA_SHLVL || $?CONDA_PREFIX || $?CONDA_EXE || $?_CONDA_ROOT)) goto __ucenv_next
s\et __ucenv_least = 0
if (1) set __ucenv_plan = ( active_root find_level inherited_prefixes down_to inherited_lists $__ucenv_plan )
goto __ucenv_next
__ucenv_inherited_prefixes:
if (1) set __ucenv_prefixes = ()
if ($%__ucenv_root) set __ucenv_prefixes = ( $__ucenv_root:q )
if ($%__ucenv_prefix_now) set __ucenv_prefixes = ( $__ucenv_prefixes:q $__ucenv_prefix_now:q )
s\et __ucenv_i = 1
while ($__ucenv_i < $__ucenv_level)
  alias __ucenv_do 's\et __ucenv_there = $?CONDA_PREFIX_'$__ucenv_i
  __ucenv_do
  alias __ucenv_do 'if (1) set __ucenv_prefixes = ( $__ucenv_prefixes:q $CONDA_PREFIX_'$__ucenv_i':q )'
  if ($__ucenv_there) then
    __ucenv_do
  endif
  @ __ucenv_i ++
end
goto __ucenv_next
__ucenv_inherited_lists:
s\et __ucenv_i = 0
while ($__ucenv_i < 10)
  u\nsetenv __CONDA_SHLVL_${__ucenv_i}_\*
  @ __ucenv_i ++
  u\nsetenv CONDA_PREFIX_$__ucenv_i
  u\nsetenv CONDA_STACKED_$__ucenv_i
end
foreach __ucenv_name ($__ucenv_owned)
  u\nsetenv $__ucenv_name
end
if (1) set __ucenv_lists = ( CONDA_ENVS_PATH CONDA_ENVS_DIRS CONDA_PKGS_DIRS )
if (1) set __ucenv_plan = ( inherited_dirs inherited_sweep $__ucenv_plan )
goto __ucenv_next
# A list of conda's goes if every entry of it is under the conda root or the user's space.
__ucenv_inherited_dirs:
if ($#__ucenv_lists == 0) goto __ucenv_next
if (1) set __ucenv_names = ( $__ucenv_lists[1] )
s\hift __ucenv_lists
if (1) set __ucenv_plan = ( look sweep_list split inherited_under leave inherited_space leave inherited_dir inherited_dirs $__ucenv_plan )
goto __ucenv_next
__ucenv_inherited_under:
s\et __ucenv_text = $__ucenv_root:q
if (! $%__ucenv_root) s\et __ucenv_text = /dev/null
__ucenv_encode
s\et __ucenv_under = $__ucenv_text
goto __ucenv_next
__ucenv_inherited_space:
s\et __ucenv_text = /dev/null
if ($?SCRATCH) then
  if ($%SCRATCH) s\et __ucenv_text = $SCRATCH:q/conda_local
endif
if ($?UCENV_ROOT) then
  if ($%UCENV_ROOT) s\et __ucenv_text = $UCENV_ROOT:q
endif
__ucenv_encode
s\et __ucenv_under = $__ucenv_text
goto __ucenv_next
__ucenv_inherited_dir:
if ("$__ucenv_list" == " ") u\nsetenv $__ucenv_names[1]
goto __ucenv_next
__ucenv_inherited_sweep:
if ($#__ucenv_prefixes == 0) goto __ucenv_next
s\et __ucenv_text = $__ucenv_prefixes[1]:q
s\hift __ucenv_prefixes
__ucenv_encode
s\et __ucenv_under = $__ucenv_text
if (1) set __ucenv_lists = ( PATH LD_LIBRARY_PATH MANPATH )
if (1) set __ucenv_plan = ( sweep_lists inherited_sweep $__ucenv_plan )
goto __ucenv_next

# activate [--stack] [ENV]
__ucenv_activate:
s\et __ucenv_error = "usage: ucenv activate [--stack] [ENV]"
s\et __ucenv_has_env = 0
s\et __ucenv_env = base
while ($#__ucenv_argv)
  s\et __ucenv_word = $__ucenv_argv[1]:q
  s\hift __ucenv_argv
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
if (! $?__UCENV_LEVELS) then
  if (1) set __ucenv_argv = ( $__ucenv_env:q )
  goto __ucenv_load
endif
s\et __ucenv_state = "="
if ($?CONDA_ENVS_PATH) then
  s\et __ucenv_state = =$CONDA_ENVS_PATH:q
endif
if (1) set __ucenv_plan = ( active_root find_env find_level forget_stale climb )
goto __ucenv_next

# deactivate [--all]
__ucenv_deactivate:
s\et __ucenv_error = "usage: ucenv deactivate [--all]"
s\et __ucenv_all = 0
if ($#__ucenv_argv == 1) then
  if (x$__ucenv_argv[1]:q == x--all) s\et __ucenv_all = 1
endif
if ($#__ucenv_argv != $__ucenv_all) goto __ucenv_usage
if (1) set __ucenv_plan = ( active_root find_level forget_stale deactivate_to down_to )
goto __ucenv_next
__ucenv_deactivate_to:
s\et __ucenv_stale = 0
@ __ucenv_least = $__ucenv_level - 1
if ($__ucenv_all || $__ucenv_level == 0) s\et __ucenv_least = 0
goto __ucenv_next

__ucenv_usage:
if (1) set __ucenv_messages = ( $__ucenv_error:q )
s\et __ucenv_status = 2
goto __ucenv_done

# 7 ucenv ----------------------------------------------------------------------------------------------

__ucenv_start:
if (1) set __ucenv_argv = ( $__ucenv_arguments:q )
s\et __ucenv_word = ""
if ($#__ucenv_argv) then
  s\et __ucenv_word = $__ucenv_argv[1]:q
  s\hift __ucenv_argv
endif
if ($__ucenv_word:q == ucenv || $__ucenv_word:q == conda) then
  s\et __ucenv_called = $__ucenv_word
  if ($#__ucenv_argv == 0) goto __ucenv_program
  if (x$__ucenv_argv[1]:q != xactivate && x$__ucenv_argv[1]:q != xdeactivate) then
    if ($__ucenv_called == conda) goto __ucenv_program
    if (x$__ucenv_argv[1]:q != xload && x$__ucenv_argv[1]:q != xunload) goto __ucenv_program
  endif
  s\et __ucenv_word = $__ucenv_argv[1]:q
  s\hift __ucenv_argv
endif
if (1) set __ucenv_plan = ( $__ucenv_word:q )
if (x$__ucenv_word:q == xload || x$__ucenv_word:q == xactivate || x$__ucenv_word:q == xdeactivate || x$__ucenv_word:q == xunload) goto __ucenv_next
s\et __ucenv_error = "usage: source ucenv-act.csh load|activate|deactivate|unload|ucenv ..."
goto __ucenv_usage

# Anything else is the command's: of the conda that is loaded or that this file belongs to, else the one on PATH.
__ucenv_program:
s\et __ucenv_where = ""
if ($__ucenv_called == conda) then
  if ($?CONDA_EXE) then
    s\et __ucenv_where = $CONDA_EXE:q
  endif
  if (1) set __ucenv_plan = ( program_run )
  goto __ucenv_next
endif
if (1) set __ucenv_plan = ( active_root program_root program_run )
goto __ucenv_next
__ucenv_program_root:
if ($?UCENV_CONDA_ROOT) then
  s\et __ucenv_value = $UCENV_CONDA_ROOT:q
else
  s\et __ucenv_value = $__ucenv_root:q
endif
if ($?__UCENV_0) then
  s\et __ucenv_value = $__UCENV_0:q
endif
if (-x $__ucenv_value:q/bin/ucenv) s\et __ucenv_where = $__ucenv_value:q/bin/ucenv
goto __ucenv_next
__ucenv_program_run:
if (! $%__ucenv_where) s\et __ucenv_where = $__ucenv_called
if ($__ucenv_noglob == 0) u\nset noglob
$__ucenv_where:q $__ucenv_argv:q
s\et __ucenv_status = $status
s\et noglob
goto __ucenv_done

# A literal `exit` ends this file; before it, every variable and alias of ours goes, the user's options come back, and
# then what there is to say is said.
__ucenv_done:
if ($%__ucenv_broken && ! $__ucenv_status) set __ucenv_messages = ( $__ucenv_messages:q "conda's state was broken ($__ucenv_broken); cleaned up" )
if ($#__ucenv_kept) set __ucenv_messages = ( $__ucenv_messages:q "kept, because they were changed since: $__ucenv_kept" )
if ($#__ucenv_lost) set __ucenv_messages = ( $__ucenv_messages:q "too long to be handed to this shell, so not restored: $__ucenv_lost" )
foreach __ucenv_name ($__ucenv_options)
  alias __ucenv_do 's\et '$__ucenv_name' = $__ucenv_option_'$__ucenv_name':q'
  __ucenv_do
end
if (" $__ucenv_options " !~ "* noglob *") u\nset noglob
alias __ucenv_end 'u\nset __ucenv_\*; unalias __ucenv_\*; e\xit '$__ucenv_status
if ($#__ucenv_messages == 0) goto __ucenv_last
foreach __ucenv_text ($__ucenv_messages:q)
  e\cho ucenv: $__ucenv_text:q >> /dev/stderr
end
__ucenv_last:
__ucenv_end
