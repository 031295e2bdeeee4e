# ucenv.fish - load, activate, deactivate and unload conda environments without leaving a trace.
# For fish 3.2 and newer. Sourcing defines functions and does nothing else.
#
#   1 what is ours        names, and how values are kept in the environment
#   2 lists               PATH-like variables, by whole entries
#   3 keeping, restoring  three states: unset, empty, set
#   4 scripts             activate.d and deactivate.d, and undoing what they leave
#   5 levels              activate, deactivate
#   6 load, unload        the user's space, conda's function, and back
#   7 ucenv               the word users type
#
# Builtins only. Those that a function of the user's could hide are called through `builtin`; set, string, test, read,
# status and the keywords are names that fish refuses to functions.
#
# Helpers leave their result in a variable, not on stdout: fish fills a (command substitution) from a thread, and
# aborts where the process table is full. The few that remain say why.
#
# Values are data: nothing read from the environment or from a file is ever evaluated. A variable is reached by name
# ("$$__ucenv_name"), so what a function keeps to itself is called __ucenv_* wherever such a name may be the user's.

# 1 what is ours ---------------------------------------------------------------------------------------------------

# Exported between load and unload, understood by the hooks of every shell:
#   __UCENV_LEVELS       levels that have a record: "0" the load itself, "2" an activation at CONDA_SHLVL 2
#   __UCENV_TOKEN        the module that loaded us
#   __UCENV_<n>          the conda root (n = 0) or the activated prefix
#   __UCENV_<n>_         names recorded at that level
#   __UCENV_<n>_<NAME>   state before it: "=value", "~value" (set, not exported) or "-" (unset)
#   __UCENV_<n>G_<NAME>  state it was given; missing where conda owns the name: that is put back whatever it is now
#
# Not exported: __ucenv_list_<n>_<NAME> (elements of an exported list), __ucenv_our_conda and __ucenv_our_prompt.
# All other __ucenv_* variables live only while one of our functions runs.

# Where this file is: `source hook/ucenv.fish` leaves a relative name, and the directory may change until the load.
set -l __ucenv_here $PWD
function __ucenv_own_file --inherit-variable __ucenv_here -d 'leaves the absolute path of this file in __ucenv_result'
    # fish tells it on stdout only: the one substitution of a load, saved by UCENV_CONDA_ROOT.
    set -g __ucenv_result (status filename)
    string match -q '/*' -- "$__ucenv_result"
    or set __ucenv_result $__ucenv_here/$__ucenv_result
    __ucenv_normpath $__ucenv_result
end

function __ucenv_say
    builtin echo "ucenv: $argv" >&2
end

function __ucenv_owned -d 'names that conda owns, in __ucenv_result'
    set -g __ucenv_result CONDA_EXE CONDA_PYTHON_EXE CONDA_SHLVL CONDA_PREFIX CONDA_DEFAULT_ENV \
        CONDA_PROMPT_MODIFIER _CE_M _CE_CONDA _CONDA_EXE _CONDA_ROOT
end

function __ucenv_find -a regex text -d 'all that regex finds in text by its group __ucenv_found, as a list'
    set -g __ucenv_found
    string match -arq -- $regex "$text"
end

# Names are ASCII whatever the locale; anything else in a header is skipped.
function __ucenv_words -a text -d 'the names in a header, in __ucenv_found'
    __ucenv_find '(?:\A| )(?<__ucenv_found>[A-Za-z_][A-Za-z0-9_]*)(?= |\z)' "$text"
end

function __ucenv_levels -a least -d 'the levels >= least that have a record, topmost first, in __ucenv_result'
    set -g __ucenv_result
    __ucenv_find '(?:\A| )(?<__ucenv_found>0|[1-9][0-9]?)(?= |\z)' "$__UCENV_LEVELS"
    for level in $__ucenv_found
        test $level -ge $least
        and set -p __ucenv_result $level
    end
end

# Counting without `math`, which could be read through a substitution only: __ucenv_below[n] is n - 1 and
# __ucenv_above[n] is n + 1, for n from 1 to 99.
function __ucenv_count
    set -l tens '' 1 2 3 4 5 6 7 8 9
    set -g __ucenv_below $tens{0,1,2,3,4,5,6,7,8,9}
    set -g __ucenv_above $__ucenv_below[3..-1] 100
end

function __ucenv_is_level -a text
    string match -rq '\A(?:0|[1-9][0-9]?)\z' -- "$text"
end

function __ucenv_level -d 'CONDA_SHLVL in __ucenv_at, 0 where it is no number in 0..99'
    set -g __ucenv_at 0
    __ucenv_is_level "$CONDA_SHLVL"
    and set __ucenv_at $CONDA_SHLVL
end

# NAME=VALUE of 131,072 bytes with its final NUL makes every later exec fail. 32,767 characters are never that long; a
# character outside ASCII is counted as four bytes.
function __ucenv_too_long -a text
    string match -rq '(?s)\A.{32767}' -- $text
    or return 1
    __ucenv_find '(?<__ucenv_found>[^\x00-\x7f]+)' $text
    string match -rq '(?s)\A(?:.{43690}){3}.' -- "$text$__ucenv_found$__ucenv_found$__ucenv_found"
end

function __ucenv_export -a name value -d 'exports a value of ours, unless that would make every exec fail'
    if __ucenv_too_long "$name=$value"
        set -gu $name $value
    else
        set -gx $name $value
    end
    return 0
end

function __ucenv_erase -d 'erases global variables'
    set -q argv[1]
    and set -eg $argv
    return 0
end

function __ucenv_state -a __ucenv_name -d 'the state of a variable, in __ucenv_result'
    if set -qx $__ucenv_name
        set -g __ucenv_result "=$$__ucenv_name"
    else if set -q $__ucenv_name
        set -g __ucenv_result "~$$__ucenv_name"
    else
        set -g __ucenv_result -
    end
end

# A universal variable of the user's shows again once the global one over it is gone.
function __ucenv_put -a __ucenv_name __ucenv_to __ucenv_kept -d 'gives a variable a state; kept: name of its list'
    if test "$__ucenv_to" = -
        __ucenv_erase $__ucenv_name
        set -qxU $__ucenv_name
        and set -eU $__ucenv_name
        return 0
    end
    if set -qU $__ucenv_name
        __ucenv_erase $__ucenv_name
        __ucenv_state $__ucenv_name
        test "$__ucenv_result" = "$__ucenv_to"
        and return 0
    end
    set -l __ucenv_flags -gx
    string match -q '~*' -- "$__ucenv_to"
    and set __ucenv_flags -gu
    __ucenv_find '(?s)\A.(?<__ucenv_found>.*)\z' "$__ucenv_to"
    set -l __ucenv_value $__ucenv_found
    # fish makes an empty entry of these two a dot: only a list without entries exports as an empty text.
    if builtin contains -- $__ucenv_name PATH CDPATH; and test -z "$__ucenv_value"
        set __ucenv_value
    end
    # A list of the user's gets its elements back, not their text as one.
    if test -n "$__ucenv_kept"; and set -q $__ucenv_kept; and test "x$$__ucenv_kept" = "x$__ucenv_value"
        set __ucenv_value $$__ucenv_kept
    end
    # fish keeps a few names (PWD, SHLVL, status ...) to itself. `set` leaves the status alone where it succeeds.
    builtin true
    set $__ucenv_flags $__ucenv_name $__ucenv_value 2>&-
end

# 2 lists ----------------------------------------------------------------------------------------------------------

# Lists are worked on in __ucenv_list, one element an entry. Entries are compared whole: /opt/conda does not match
# /opt/conda-extra, and an empty entry is an entry.

function __ucenv_is_list -a name
    string match -rq '(?:PATH|DIRS)\z' -- $name
end

function __ucenv_split -a name state -d 'the entries of a list in a state'
    set -g __ucenv_list
    test "$state" = -
    and return 0
    __ucenv_find '(?s)\A.(?<__ucenv_found>.*)\z' "$state"
    if test $name = CONDA_PKGS_DIRS
        __ucenv_find '(?:\A|,)(?<__ucenv_found>[^,]*)' "$__ucenv_found"
        set __ucenv_list $__ucenv_found
    else
        set -l --path entries "$__ucenv_found"
        set __ucenv_list $entries
    end
end

function __ucenv_join -a name -d 'the text of the entries, in __ucenv_result'
    if test $name = CONDA_PKGS_DIRS
        set -g __ucenv_result "$__ucenv_list[1]"
        for entry in $__ucenv_list[2..-1]
            set __ucenv_result "$__ucenv_result,$entry"
        end
    else
        set -l --path entries $__ucenv_list
        set -g __ucenv_result "$entries"
    end
end

# What stood before and after it is left in __ucenv_front and __ucenv_back.
function __ucenv_take -a entry -d 'takes the first entry equal to entry out of the list'
    set -g __ucenv_front
    set -g __ucenv_back $__ucenv_list
    builtin contains -- "$entry" $__ucenv_list
    or return 1
    # The x keeps an entry like ( or ! from being taken for an operator.
    while test "x$__ucenv_back[1]" != "x$entry"
        set -a __ucenv_front $__ucenv_back[1]
        set -e __ucenv_back[1]
    end
    set -e __ucenv_back[1]
    set __ucenv_list $__ucenv_front $__ucenv_back
end

# What was added leaves the list, entry by entry; what was removed comes back where the first of the added stood.
function __ucenv_merge -a name before given current older -d 'states -> state in __ucenv_result'
    __ucenv_split $name $before
    set -l old $__ucenv_list
    __ucenv_split $name $given
    set -l new $__ucenv_list
    for entry in $old
        __ucenv_take "$entry"
    end
    set -l added $__ucenv_list
    set __ucenv_list $old
    for entry in $new
        __ucenv_take "$entry"
    end
    set -l removed $__ucenv_list
    __ucenv_split $name $current
    set -l found no
    for entry in $added
        if __ucenv_take "$entry"; and test $found = no
            set found yes
            set __ucenv_list $__ucenv_front $removed $__ucenv_back
        end
    end
    if test $found = no
        # A venv that was there first has saved a PATH that never had any of it.
        if test -n "$older"
            set -g __ucenv_result $current
            return
        end
        set -p __ucenv_list $removed
    end
    # Empty now, it stays set only where it was set to nothing before, or by somebody since.
    if test "x$before" != x=; and test "x$current" != x=
        set before -
    end
    __ucenv_list_state $name $before $current
end

function __ucenv_list_state -a name before current -d 'the state of a list that has lost entries of ours'
    __ucenv_join $name
    if test -z "$__ucenv_result"; and begin
            test "$before" = -
            or test "$current" = -
        end
        set __ucenv_result -
    else
        set __ucenv_result "=$__ucenv_result"
    end
end

function __ucenv_normpath -a path -d 'what os.path.normpath makes of a path, in __ucenv_result'
    set -l root ''
    if string match -rq '\A//(?!/)' -- "$path"
        set root //
    else if string match -rq '\A/' -- "$path"
        set root /
    end
    __ucenv_find '(?<__ucenv_found>[^/]+)' "$path"
    set -l names
    for name in $__ucenv_found
        if test "x$name" = x..
            if set -q names[1]; and test "$names[-1]" != ..
                set -e names[-1]
            else if test -z "$root"
                set -a names ..
            end
        else if test "x$name" != x.
            set -a names $name
        end
    end
    set -g __ucenv_result "$root$names[1]"
    for name in $names[2..-1]
        set __ucenv_result "$__ucenv_result/$name"
    end
    test -n "$__ucenv_result"
    or set __ucenv_result .
end

# conda rewrites every entry of PATH as os.path.normpath does, and fish writes an empty one as a dot. If the list has
# the entries of `before` in that form, they get their text back.
function __ucenv_denormalise -a before
    set -l current $__ucenv_list
    __ucenv_split PATH $before
    set -l old $__ucenv_list
    set -l normal
    for entry in $old
        __ucenv_normpath "$entry"
        set -a normal $__ucenv_result
    end
    set __ucenv_list $current
    set -q normal[1]
    or return 0
    test "x$old" != "x$normal"
    or return 0
    set -l front
    set -l back $current
    while set -q back[1]
        set -l rest $back
        set -l same yes
        for entry in $normal
            if not set -q rest[1]; or test "x$rest[1]" != "x$entry"
                set same no
                break
            end
            set -e rest[1]
        end
        if test $same = yes
            set __ucenv_list $front $old $rest
            return 0
        end
        set -a front $back[1]
        set -e back[1]
    end
end

# Entries that a record below gave are not this prefix's to take along, nor is condabin, nor the environment that is
# active now: it may lie under the root, whose `base` was on top of it.
function __ucenv_take_prefix -a prefix -d 'takes the entries at or under a prefix out of lists (the search paths)'
    test -n "$prefix"
    or return 0
    __ucenv_levels 0
    set -l records $__ucenv_result
    set -l next
    if test -n "$CONDA_PREFIX"; and __ucenv_is_under $CONDA_PREFIX $prefix; and test "x$CONDA_PREFIX" != "x$prefix"
        set next $CONDA_PREFIX
    end
    set -l __ucenv_lists $argv[2..-1]
    set -q __ucenv_lists[1]
    or set __ucenv_lists PATH LD_LIBRARY_PATH MANPATH
    for __ucenv_name in $__ucenv_lists
        set -q $__ucenv_name
        or continue
        set -l safe $prefix/condabin
        for record in $records
            set -l __ucenv_given __UCENV_{$record}G_$__ucenv_name
            set -q $__ucenv_given
            or continue
            __ucenv_split $__ucenv_name "$$__ucenv_given"
            set -a safe $__ucenv_list
            break
        end
        __ucenv_state $__ucenv_name
        set -l state $__ucenv_result
        __ucenv_split $__ucenv_name $state
        set -l left
        for entry in $__ucenv_list
            if not __ucenv_is_under "$entry" $prefix; or builtin contains -- "$entry" $safe
                set -a left "$entry"
            else if set -q next[1]; and __ucenv_is_under "$entry" $next
                set -a left "$entry"
            end
        end
        test "x$left" = "x$__ucenv_list"
        and continue
        set __ucenv_list $left
        # Searching an empty library path means the current directory: no entry of the user's, no variable.
        if test $__ucenv_name = PATH
            __ucenv_list_state PATH $state $state
        else
            __ucenv_list_state $__ucenv_name - $state
        end
        __ucenv_put $__ucenv_name $__ucenv_result
    end
end

function __ucenv_is_under -a path prefix
    test "x$path" = "x$prefix"
    and return 0
    # In quotes and with its magic characters escaped, a prefix is no pattern.
    __ucenv_literal $prefix
    string match -rq "\A$__ucenv_result/" -- "$path"
end

function __ucenv_literal -a text -d 'a regex that matches text, in __ucenv_result'
    set -g __ucenv_result ''
    __ucenv_find '(?s)(?<__ucenv_found>[A-Za-z0-9_/-]+|.)' "$text"
    for piece in $__ucenv_found
        string match -rq '\A[A-Za-z0-9_/-]|[^\x00-\x7f]' -- $piece
        or set piece "\\$piece"
        set __ucenv_result "$__ucenv_result$piece"
    end
end

# 3 keeping, restoring ---------------------------------------------------------------------------------------------

# Before an operation, states are noted in __ucenv_was_<NAME>, and the elements of a list in __ucenv_elements_<NAME>;
# afterwards, what is to be undone one day is written into the record. Where scripts run, every variable is noted: those
# loops are what the time goes into.

function __ucenv_note -d 'notes the state of variables'
    for name in $argv
        __ucenv_state $name
        set -g __ucenv_was_$name $__ucenv_result
        set -q "$name"[2]
        and set -g __ucenv_elements_$name $$name
    end
    set -ga __ucenv_noted $argv
end

# `set -n` prints: the substitution of an operation with scripts.
function __ucenv_note_all -d 'notes every variable that a script could change'
    __ucenv_listed -nx
    set -l exported $__ucenv_result
    for __ucenv_name in $exported
        set -g __ucenv_was_$__ucenv_name "=$$__ucenv_name"
        set -q "$__ucenv_name"[2]
        and set -g __ucenv_elements_$__ucenv_name $$__ucenv_name
    end
    __ucenv_listed -ngu
    for __ucenv_name in $__ucenv_result
        set -g __ucenv_was_$__ucenv_name "~$$__ucenv_name"
        set -q "$__ucenv_name"[2]
        and set -g __ucenv_elements_$__ucenv_name $$__ucenv_name
    end
    set -ga __ucenv_noted $exported $__ucenv_result
end

function __ucenv_listed -a option -d 'names that `set OPTION` lists, less our own and those fish keeps to itself'
    set -l listed (set $option)
    set -l not '(?!__ucenv_|__UCENV_|(?:PWD|OLDPWD|SHLVL|_|argv|history|status|pipestatus)(?: |\z))'
    __ucenv_find '(?:\A| )'$not'(?<__ucenv_found>[A-Za-z_][A-Za-z0-9_]*)(?= |\z)' "$listed"
    set -g __ucenv_result $__ucenv_found
end

function __ucenv_noted_state -a name -d 'what was noted of a variable, in __ucenv_result'
    set -l __ucenv_was __ucenv_was_$name
    set -g __ucenv_result -
    set -q $__ucenv_was
    and set __ucenv_result "$$__ucenv_was"
    return 0
end

function __ucenv_forget_notes
    __ucenv_erase __ucenv_was_$__ucenv_noted __ucenv_elements_$__ucenv_noted
    set -g __ucenv_noted
end

# The directory is not ours to undo, and the records are not a script's to change.
function __ucenv_changed -a listed -d 'exported variables that differ from the notes, in __ucenv_result'
    set -l exported $__ucenv_noted
    if test "$listed" = all
        __ucenv_listed -nx
        set exported $__ucenv_result
    end
    set -l changed
    for __ucenv_name in $exported
        set -l __ucenv_was __ucenv_was_$__ucenv_name
        test "=$$__ucenv_name" = "$$__ucenv_was"
        or set -a changed $__ucenv_name
    end
    for __ucenv_name in $__ucenv_noted
        set -qx $__ucenv_name
        or set -a changed $__ucenv_name
    end
    # A variable that neither was nor is exported is no change.
    set -g __ucenv_result
    for __ucenv_name in $changed
        set -l __ucenv_was __ucenv_was_$__ucenv_name
        if set -qx $__ucenv_name; or string match -q '=*' -- "$$__ucenv_was"
            builtin contains -- $__ucenv_name $__ucenv_result
            or set -a __ucenv_result $__ucenv_name
        end
    end
end

function __ucenv_revert -a listed -d 'puts everything exported back to what was noted'
    __ucenv_changed $listed
    for name in $__ucenv_result
        __ucenv_noted_state $name
        __ucenv_put $name "$__ucenv_result" __ucenv_elements_$name
    end
end

function __ucenv_keep -a level __ucenv_name -d 'writes what was noted of a variable into a record'
    __ucenv_noted_state $__ucenv_name
    __ucenv_export __UCENV_{$level}_$__ucenv_name "$__ucenv_result"
    set -l __ucenv_elements __ucenv_elements_$__ucenv_name
    set -q $__ucenv_elements
    and set -g __ucenv_list_{$level}_$__ucenv_name $$__ucenv_elements
    set -l __ucenv_header __UCENV_{$level}_
    if test -n "$$__ucenv_header"
        set -gx $__ucenv_header "$$__ucenv_header $__ucenv_name"
    else
        set -gx $__ucenv_header $__ucenv_name
    end
end

function __ucenv_given -a level -d 'writes what variables were given into a record'
    for name in $argv[2..-1]
        __ucenv_state $name
        __ucenv_export __UCENV_{$level}G_$name "$__ucenv_result"
    end
end

function __ucenv_open_record -a level prefix
    set -gx __UCENV_$level $prefix
    set -gx __UCENV_{$level}_ ''
    # Levels stay in ascending order, though a record below may be missing.
    __ucenv_levels 0
    set -l text $level
    for other in $__ucenv_result
        test $other -lt $level
        and set text "$other $text"
        test $other -gt $level
        and set text "$text $other"
    end
    set -gx __UCENV_LEVELS $text
end

function __ucenv_drop_record -a level
    test $level = 0
    and __ucenv_erase __UCENV_TOKEN
    set -l header __UCENV_{$level}_
    __ucenv_words "$$header"
    for name in $__ucenv_found
        __ucenv_erase __UCENV_{$level}_$name __UCENV_{$level}G_$name __ucenv_list_{$level}_$name
    end
    __ucenv_erase __UCENV_$level $header
    __ucenv_levels 0
    set -l text
    for other in $__ucenv_result
        test $other != $level
        and set -p text $other
    end
    if set -q text[1]
        set -gx __UCENV_LEVELS "$text"
    else
        __ucenv_erase __UCENV_LEVELS
    end
end

# What is still as it was given goes back; in a list, our entries go; anything else is the user's by now.
function __ucenv_undo -a level name __ucenv_target -d 'undoes one recorded name (in target, where that is another)'
    set -l __ucenv_before __UCENV_{$level}_$name
    set -l __ucenv_given __UCENV_{$level}G_$name
    if not set -q $__ucenv_before
        set -ga __ucenv_lost $name
        return
    end
    test -n "$__ucenv_target"
    or set __ucenv_target $name
    set -l before "$$__ucenv_before"
    __ucenv_state $__ucenv_target
    set -l current $__ucenv_result
    if not set -q $__ucenv_given; or test "x$current" = "x$$__ucenv_given"
        __ucenv_put $__ucenv_target $before __ucenv_list_{$level}_$name
        return
    end
    set -l given "$$__ucenv_given"
    test "x$current" = "x$before"
    and return
    if test $name = PS1
        # Another shell's prompt: the modifier that begins it is ours.
        __ucenv_literal "$CONDA_PROMPT_MODIFIER"
        if test -n "$__ucenv_result"; and string match -q '=*' -- $current
            __ucenv_find "(?s)\A=$__ucenv_result(?<__ucenv_found>.*)\z" $current
            and __ucenv_put PS1 "=$__ucenv_found"
        end
    else if string match -q '~*' -- $given; and test "$current" = -
        # A shell variable of the parent's, never ours to see.
    else if __ucenv_is_list $name
        set -l older
        test $__ucenv_target != $name
        and set older yes
        __ucenv_merge $name $before $given $current $older
        __ucenv_put $__ucenv_target $__ucenv_result
    else
        builtin contains -- $name $__ucenv_conflicts
        or set -ga __ucenv_conflicts $name
    end
end

function __ucenv_undo_record -a level -d 'undoes all that a level has recorded'
    set -l header __UCENV_{$level}_
    __ucenv_words "$$header"
    set -l names $__ucenv_found
    for name in $names
        __ucenv_undo $level $name
        # A venv on top keeps the PATH it found.
        if test $name = PATH; and set -q _OLD_VIRTUAL_PATH
            __ucenv_undo $level PATH _OLD_VIRTUAL_PATH
        end
    end
    if test $level = 0; and set -q __UCENV_0_PATH
        for name in PATH _OLD_VIRTUAL_PATH
            set -q $name
            or continue
            __ucenv_state $name
            test "x$__ucenv_result" = "x$__UCENV_0_PATH"
            and continue
            set -l state $__ucenv_result
            __ucenv_split PATH $state
            __ucenv_denormalise "$__UCENV_0_PATH"
            __ucenv_list_state PATH $state $state
            __ucenv_put $name $__ucenv_result
        end
    end
    __ucenv_drop_record $level
end

# The real conda went on without us: what it cannot know of is undone, the record goes.
function __ucenv_drop_stale
    __ucenv_levels 1
    for level in $__ucenv_result
        set -l __ucenv_active CONDA_PREFIX_$level
        test $level = $__ucenv_at
        and set __ucenv_active CONDA_PREFIX
        set -l __ucenv_recorded __UCENV_$level
        if test $level -le $__ucenv_at; and test "x$$__ucenv_active" = "x$$__ucenv_recorded"
            continue
        end
        set -l header __UCENV_{$level}_
        __ucenv_words "$$header"
        for name in $__ucenv_found
            builtin contains -- $name PATH PS1
            and continue
            set -l __ucenv_before __UCENV_{$level}_$name
            set -l __ucenv_given __UCENV_{$level}G_$name
            __ucenv_state $name
            set -q $__ucenv_before
            and set -q $__ucenv_given
            and test "x$__ucenv_result" = "x$$__ucenv_given"
            and __ucenv_put $name "$$__ucenv_before" __ucenv_list_{$level}_$name
        end
        __ucenv_drop_record $level
        set -g __ucenv_leftovers yes
    end
end

# 4 scripts --------------------------------------------------------------------------------------------------------

function __ucenv_scripts -a prefix kind -d 'the scripts in <prefix>/etc/conda/<kind>.d, in conda\'s order'
    set -l directory $prefix/etc/conda/$kind.d
    set -l files
    test -d $directory
    and set files $directory/*.fish
    __ucenv_sort $files
    test $kind = deactivate
    and set __ucenv_result $__ucenv_result[-1..1]
    return 0
end

# fish sorts a glob as people count (9 before 10, case aside); conda sorts by code point.
function __ucenv_sort -d 'sorts files of one directory, into __ucenv_result'
    set -l sorted
    for file in $argv
        set -l earlier
        while set -q sorted[1]; and __ucenv_is_before $sorted[1] $file
            set -a earlier $sorted[1]
            set -e sorted[1]
        end
        set sorted $earlier $file $sorted
    end
    set -g __ucenv_result $sorted
end

# What decides is the character after all that two names have in common: it is the lower one if a range [x-] from it
# reaches the other.
function __ucenv_is_before -a one other
    __ucenv_find '(?<__ucenv_found>[^/]*)\z' $one
    set -l names $__ucenv_found[1]
    __ucenv_find '(?<__ucenv_found>[^/]*)\z' $other
    set names "$names/$__ucenv_found[1]"
    set -l common '(?s)\A([^/]*)'
    __ucenv_find $common'(?<__ucenv_found>[^/]?)[^/]*/\1[^/]*\z' $names
    set -l low "$__ucenv_found"
    __ucenv_find $common'[^/]?[^/]*/\1(?<__ucenv_found>[^/]?)[^/]*\z' $names
    set -l high "$__ucenv_found"
    test -n "$low"
    or return 0
    __ucenv_literal $low
    string match -rq "\A[$__ucenv_result-\x{10ffff}]" -- "$high"
end

# `exit` ends the script only; `return` ends the function that sourced it: this one, so it takes one script at a time.
function __ucenv_run -a __ucenv_script -d 'sources a script; its status, if that tells of a failure'
    # `set` does not touch the status: a script of nothing else would return what we had.
    builtin true
    builtin source $__ucenv_script
    set -l __ucenv_status $status
    __ucenv_is_idle $__ucenv_status $__ucenv_script
    or return $__ucenv_status
end

# `set` returns 4 where there is nothing to erase, and what its substitution returned: `string join` says 1 of a list of
# one. Where it is the last command of a script, by the text, that is no failure.
function __ucenv_is_idle -a code file
    builtin contains -- $code 1 4
    and test -r $file
    or return 1
    set -l text
    read -z text <$file
    __ucenv_find '(?m)(?:^|;)[ \t]*(?!end\b|else[ \t]*(?:;|$)|#)(?<__ucenv_found>[^\s;]+)' "$text"
    test "x$__ucenv_found[-1]" = xset
end

# Environment variables of an environment: etc/conda/env_vars.d/*.json, then conda-meta/state; what comes later counts.
function __ucenv_env_vars -a prefix -d 'leaves them in __ucenv_names and __ucenv_values'
    set -g __ucenv_names
    set -g __ucenv_values
    set -g __ucenv_undecoded
    set -l directory $prefix/etc/conda/env_vars.d
    set -l files
    test -d $directory
    and set files $directory/*.json
    __ucenv_sort $files
    for file in $__ucenv_result
        __ucenv_json $file ''
    end
    __ucenv_json $prefix/conda-meta/state '"env_vars"'
end

function __ucenv_json -a file key -d 'reads an object of strings: the whole file, or what it has under key'
    test -r $file -a -f $file
    or return 0
    set -l text
    read -z text <$file
    __ucenv_find '(?<__ucenv_found>"(?:[^"\\\\]|\\\\.)*+"|[{}\[\]:,]|[^\s"{}\[\]:,]+)' "$text"
    set -l open
    set -l outer
    set -l name
    set -l expected key
    for token in $__ucenv_found
        switch $token
            case '{' '['
                set -a open $token
                set expected key
            case '}' ']'
                set -q open[1]
                and set -e open[-1]
            case ,
                set expected key
            case :
                set expected value
            case '*'
                if test $expected = key
                    set -q open[2]
                    or set outer "$token"
                    set name "$token"
                else if test -z "$key"; and not set -q open[2]
                    __ucenv_add_var $name $token
                else if test "x$outer" = "x$key"; and set -q open[2]; and not set -q open[3]
                    __ucenv_add_var $name $token
                end
        end
    end
end

# PATH is reserved, conda says; its own variables and fish's are not a state file's to set either.
function __ucenv_add_var -a name value
    __ucenv_unquote $name
    set name $__ucenv_result
    string match -rq '\A[A-Za-z_][A-Za-z0-9_]*\z' -- "$name"
    or return 0
    __ucenv_owned
    builtin contains -- $name PATH $__ucenv_result
    and return 0
    switch $name
        case '__UCENV_*' '__ucenv_*' argv umask history status pipestatus PWD SHLVL _ version FISH_VERSION
            return 0
    end
    if not __ucenv_unquote $value
        set -ga __ucenv_undecoded $name
        set __ucenv_result '***unset***'
    end
    if builtin contains -- $name $__ucenv_names
        set -l index (builtin contains -i -- $name $__ucenv_names)
        set -e __ucenv_names[$index]
        set -e __ucenv_values[$index]
    end
    set -a __ucenv_names $name
    set -a __ucenv_values "$__ucenv_result"
end

function __ucenv_unquote -a token -d 'the value of a JSON scalar, in __ucenv_result'
    if not string match -rq '\A"' -- $token
        switch $token
            case true
                set -g __ucenv_result True
            case false
                set -g __ucenv_result False
            case null
                set -g __ucenv_result '***unset***'
            case '*'
                set -g __ucenv_result $token
        end
        return 0
    end
    __ucenv_find '(?s)\A"(?<__ucenv_found>.*)"\z' $token
    set -g __ucenv_result "$__ucenv_found"
    string match -rq '\\\\' -- $__ucenv_result
    or return 0
    set -l hex '[0-9a-fA-F]'
    __ucenv_find "(?s)(?<__ucenv_found>\\\\u[dD][89abAB]$hex{2}\\\\u[dD][c-fC-F]$hex{2}|\\\\u$hex{4}|\\\\.|[^\\\\]+)" \
        $__ucenv_result
    set -l text ''
    for piece in $__ucenv_found
        switch $piece
            case '\\n' '\\u000a' '\\u000A'
                set text $text\n
            case '\\t'
                set text $text\t
            case '\\r'
                set text $text\r
            case '\\b'
                set text $text\b
            case '\\f'
                set text $text\f
            case '\\u0000'
                return 1
            case '\\u*'
                __ucenv_character $piece
                or return 1
                set text "$text$__ucenv_result"
            case '*'
                __ucenv_find '(?s)\A\\\\?(?<__ucenv_found>.*)\z' $piece
                set text "$text$__ucenv_found"
        end
    end
    set __ucenv_result $text
    return 0
end

# Only printf makes a character from its number.
function __ucenv_character -a escape -d 'what \\uXXXX stands for, alone or in a pair, in __ucenv_result'
    __ucenv_find '(?<__ucenv_found>[0-9a-fA-F]{4})' $escape
    set -l codes $__ucenv_found
    if set -q codes[2]
        set codes (builtin printf '%d\n' 0x$codes)
        set codes (builtin math 65536 + "($codes[1] - 55296) * 1024" + $codes[2] - 56320)
        set -g __ucenv_result (builtin printf "\\U"(builtin printf '%08x' $codes))
    else
        string match -rq '\A[dD][89a-fA-F]' -- $codes
        and return 1
        set -g __ucenv_result (builtin printf "\\u$codes")
    end
    return 0
end

# What activation scripts of another shell did, no script of fish undoes. By their text: a name that activate.d assigns
# goes if deactivate.d does nothing but unset it; else whatever in it still points into the prefix goes.
function __ucenv_sweep -a prefix
    __ucenv_texts $prefix/etc/conda/activate.d
    set -l text "$__ucenv_result"
    test -n "$text"
    or return 0
    __ucenv_assigned "$text"
    set -l names $__ucenv_result
    __ucenv_texts $prefix/etc/conda/deactivate.d
    set text "$__ucenv_result"
    __ucenv_find '(?<![^\s;&|(){}])(?:unset(?:env)?|set)\s+(?:-\S+\s+)*(?<__ucenv_found>[A-Za-z_][A-Za-z0-9_]*)' "$text"
    set -l unset $__ucenv_found
    __ucenv_assigned "$text"
    set -l restored $__ucenv_result
    __ucenv_owned
    set -l done PATH LD_LIBRARY_PATH MANPATH $__ucenv_result
    __ucenv_literal $prefix
    set -l inside "$__ucenv_result(?:/|\z)"
    for __ucenv_name in $names
        builtin contains -- $__ucenv_name $done
        and continue
        set -a done $__ucenv_name
        if builtin contains -- $__ucenv_name $unset; and not builtin contains -- $__ucenv_name $restored
            __ucenv_erase $__ucenv_name
        else if not string match -rq $inside -- "$$__ucenv_name"
            continue
        else if __ucenv_is_list $__ucenv_name
            __ucenv_take_prefix $prefix $__ucenv_name
        else
            __ucenv_erase $__ucenv_name
        end
    end
end

function __ucenv_texts -a directory -d 'what the scripts of all shells in a directory hold, in __ucenv_result'
    set -g __ucenv_result
    set -l files $directory/*
    for file in $files
        string match -rq '\.(?:sh|csh|fish)\z' -- $file
        and test -r $file -a -f $file
        or continue
        set -l text
        read -z text <$file
        set -a __ucenv_result \n$text
    end
end

function __ucenv_assigned -a text -d 'names that a script of any shell assigns, in __ucenv_result'
    __ucenv_find '(?<![^\s;&|(){}])(?<__ucenv_found>[A-Za-z_][A-Za-z0-9_]*)=' "$text"
    set -g __ucenv_result $__ucenv_found
    # setenv NAME, set NAME = ..., set -gx NAME; but fish's set -e takes one away.
    __ucenv_find '(?<![^\s;&|(){}])set(?:env)?\s+(?:-(?!\w*e)\S+\s+)*(?<__ucenv_found>[A-Za-z_][A-Za-z0-9_]*)' "$text"
    set -a __ucenv_result $__ucenv_found
end

# 5 levels ---------------------------------------------------------------------------------------------------------

function __ucenv_default_env -a prefix -d 'what conda calls an environment, in __ucenv_result'
    set -l root "$__UCENV_0"
    if test -z "$root"
        __ucenv_find '(?s)\A(?<__ucenv_found>.*)/[^/]*/[^/]*\z' "$CONDA_EXE"
        set root "$__ucenv_found"
    end
    __ucenv_find '(?s)/envs/(?<__ucenv_found>[^/]+)\z' $prefix
    if test "x$prefix" = "x$root"
        set -g __ucenv_result base
    else if set -q __ucenv_found[1]
        set -g __ucenv_result $__ucenv_found
    else
        set -g __ucenv_result $prefix
    end
end

# conda exports nothing where its prompt is switched off; a level below without a modifier says that it is.
function __ucenv_set_level -a level prefix -d 'sets the four variables of a level'
    set -l modifier yes
    string match -rqi '\A(?:false|no|off|0|n|f)\z' -- "$CONDA_CHANGEPS1"
    and set modifier no
    test "$__ucenv_at" -ge 1 -a -z "$CONDA_PROMPT_MODIFIER"
    and set modifier no
    __ucenv_default_env $prefix
    set -gx CONDA_PREFIX $prefix
    set -gx CONDA_SHLVL $level
    set -gx CONDA_DEFAULT_ENV $__ucenv_result
    if test $modifier = yes
        set -gx CONDA_PROMPT_MODIFIER "($__ucenv_result) "
    else
        set -gx CONDA_PROMPT_MODIFIER ''
    end
    set __ucenv_at $level
end

function __ucenv_lower_level -a prefix -d 'sets the variables of the level below, whose prefix is given'
    set -l level $__ucenv_at
    set -l below $__ucenv_below[$level]
    __ucenv_erase CONDA_STACKED_$level
    if test $below -gt 0
        __ucenv_erase CONDA_PREFIX_$below
        __ucenv_set_level $below $prefix
    else
        __ucenv_erase CONDA_PREFIX CONDA_DEFAULT_ENV CONDA_PROMPT_MODIFIER
        set -gx CONDA_SHLVL 0
        set __ucenv_at 0
    end
end

# In PATH, what a level has in front stands where the level below had it.
function __ucenv_swap_bin -a old new -d 'puts new for the first entry old in PATH; either may be empty'
    __ucenv_state PATH
    __ucenv_split PATH $__ucenv_result
    if test -n "$old"; and __ucenv_take $old/bin
        test -n "$new"
        and set __ucenv_list $__ucenv_front $new/bin $__ucenv_back
    else if test -n "$new"
        set -p __ucenv_list $new/bin
    else
        return 0
    end
    set -gx PATH $__ucenv_list
end

function __ucenv_enter -a prefix stack -d 'one level up'
    set -l at $__ucenv_at
    set -l level 1
    set -l old
    if test $at -gt 0
        set level $__ucenv_above[$at]
        set old "$CONDA_PREFIX"
    end
    if test $level -gt 99
        __ucenv_say "CONDA_SHLVL is $at: no level is left"
        return 1
    end
    set -l off
    if test -n "$old" -a $stack = no
        __ucenv_scripts $old deactivate
        set off $__ucenv_result
    end
    __ucenv_scripts $prefix activate
    set -l on $__ucenv_result
    __ucenv_env_vars $prefix
    set -l names $__ucenv_names
    set -l values $__ucenv_values
    set -q __ucenv_undecoded[1]
    and __ucenv_say "left unset, because their values cannot be decoded: $__ucenv_undecoded"
    __ucenv_owned
    set -l owned $__ucenv_result CONDA_PREFIX_$at CONDA_STACKED_$level
    set -l listed
    if set -q off[1]; or set -q on[1]
        set listed all
        __ucenv_note_all
    end
    __ucenv_note PATH $owned $names __CONDA_SHLVL_{$at}_$names

    __ucenv_run_all $off
    if test $stack = yes
        __ucenv_swap_bin '' $prefix
        set -gx CONDA_STACKED_$level true
    else
        __ucenv_swap_bin "$old" $prefix
    end
    test $at -gt 0
    and set -gx CONDA_PREFIX_$at $old
    __ucenv_set_level $level $prefix
    for __ucenv_name in $names
        set -l __ucenv_value "$values[1]"
        set -e values[1]
        test "x$__ucenv_value" = 'x***unset***'
        and continue
        # A real `conda deactivate` looks for the old value there.
        set -l __ucenv_was __ucenv_was_$__ucenv_name
        if string match -q '=*' -- "$$__ucenv_was"
            __ucenv_find '(?s)\A=(?<__ucenv_found>.*)\z' "$$__ucenv_was"
            set -l __ucenv_value "$__ucenv_found"
            __ucenv_export __CONDA_SHLVL_{$at}_$__ucenv_name $__ucenv_value
        end
        __ucenv_put $__ucenv_name "=$__ucenv_value"
        or __ucenv_say "$__ucenv_name is not set: fish keeps it to itself"
    end
    for script in $on
        __ucenv_run $script
        set -l code $status
        test $code -eq 0
        and continue
        __ucenv_revert all
        __ucenv_forget_notes
        set __ucenv_at $at
        __ucenv_say "$script returned $code; $prefix was not activated"
        return 1
    end

    __ucenv_changed $listed
    set -l recorded PATH
    for name in $__ucenv_result
        builtin contains -- $name PATH $owned
        and continue
        string match -rq '\ACONDA_(?:PREFIX|STACKED)_[0-9]' -- $name
        or set -a recorded $name
    end
    __ucenv_open_record $level $prefix
    for name in $recorded
        __ucenv_keep $level $name
    end
    __ucenv_given $level $recorded
    __ucenv_forget_notes
    return 0
end

# What a script returns on the way down stops nothing.
function __ucenv_run_all
    for script in $argv
        __ucenv_run $script
    end
    return 0
end

function __ucenv_run_reverted -d 'runs scripts for what else they do; what they export is taken back'
    set -q argv[1]
    or return 0
    __ucenv_note_all
    __ucenv_run_all $argv
    __ucenv_revert all
    __ucenv_forget_notes
end

# The top level is ours or conda's.
function __ucenv_leave -d 'one level down'
    set -l level $__ucenv_at
    set -l below $__ucenv_below[$level]
    set -l prefix "$CONDA_PREFIX"
    set -l next
    if test $below -gt 0
        set -l __ucenv_next CONDA_PREFIX_$below
        set next "$$__ucenv_next"
    end
    # conda since 25.7 leaves empty strings where it used to unset: both mean gone.
    set -l __ucenv_stacked CONDA_STACKED_$level
    set -l stacked no
    test -n "$$__ucenv_stacked"
    and set stacked yes
    __ucenv_scripts $prefix deactivate
    set -l off $__ucenv_result
    set -l on
    if test -n "$next" -a $stacked = no
        __ucenv_scripts $next activate
        set on $__ucenv_result
    end

    if set -q __UCENV_$level
        __ucenv_run_reverted $off
        __ucenv_undo_record $level
        __ucenv_lower_level $next
        __ucenv_run_reverted $on
    else
        __ucenv_leave_as_conda $prefix "$next" $stacked
    end
end

function __ucenv_leave_as_conda -a prefix next stacked -d 'undoes a level that conda or micromamba made'
    set -g __ucenv_leftovers yes
    set -l below $__ucenv_below[$__ucenv_at]
    __ucenv_env_vars $prefix
    set -l names $__ucenv_names
    __ucenv_scripts $prefix deactivate
    set -l off $__ucenv_result
    if test $stacked = yes
        __ucenv_swap_bin $prefix ''
    else
        __ucenv_swap_bin $prefix "$next"
    end
    __ucenv_run_all $off
    set -l saved
    for name in $names
        set -l __ucenv_saved __CONDA_SHLVL_{$below}_$name
        if test -n "$$__ucenv_saved"
            set -a saved $name
        else
            __ucenv_erase $name
        end
    end
    __ucenv_lower_level "$next"
    if test -n "$next"
        __ucenv_env_vars $next
        for name in $__ucenv_names
            set -l value "$__ucenv_values[1]"
            set -e __ucenv_values[1]
            test "x$value" != 'x***unset***'
            and __ucenv_put $name "=$value"
        end
    end
    for name in $saved
        set -l __ucenv_saved __CONDA_SHLVL_{$below}_$name
        __ucenv_put $name "=$$__ucenv_saved"
        __ucenv_erase $__ucenv_saved
    end
    if test "x$prefix" != "x$next"
        __ucenv_take_prefix $prefix
        __ucenv_sweep $prefix
    end
    if test -n "$next" -a $stacked = no
        __ucenv_scripts $next activate
        __ucenv_run_again $below $__ucenv_result
    end
end

# Where the level is ours, its record says what it was given: what still is so stays, for most scripts put a second
# entry in front of a list.
function __ucenv_run_again -a level -d 'runs the activation scripts of a level once more, as conda does'
    set -l header __UCENV_{$level}_
    __ucenv_words "$$header"
    set -l names $__ucenv_found
    __ucenv_note $names
    __ucenv_run_all $argv[2..-1]
    for name in $names
        set -l __ucenv_before __UCENV_{$level}_$name
        set -l __ucenv_given __UCENV_{$level}G_$name
        __ucenv_noted_state $name
        set -l noted "$__ucenv_result"
        if test "x$noted" != "x$$__ucenv_given"
            __ucenv_is_list $name
            and test "$noted" != -
            or continue
            __ucenv_merge $name "$$__ucenv_before" "$$__ucenv_given" "$noted" older
            test "x$__ucenv_result" != "x$noted"
            or continue
        end
        __ucenv_put $name "$noted" __ucenv_elements_$name
    end
    __ucenv_forget_notes
end

function __ucenv_broken -a least -d 'why the levels above least cannot be undone one by one, in __ucenv_result'
    # Empty is what conda since 25.7 leaves for unset; but a load has made it a number.
    if not __ucenv_is_level "$CONDA_SHLVL"; and test -n "$CONDA_SHLVL$__UCENV_LEVELS"
        set -g __ucenv_result "CONDA_SHLVL is '$CONDA_SHLVL'"
        return 0
    end
    test $__ucenv_at -gt $least
    or return 1
    if test -z "$CONDA_PREFIX"
        set -g __ucenv_result "CONDA_PREFIX is missing"
        return 0
    end
    for level in $__ucenv_below[2..-1]
        test $level -lt $__ucenv_at
        or break
        set -l __ucenv_prefix CONDA_PREFIX_$level
        if test $level -gt $least -a -z "$$__ucenv_prefix"
            set -g __ucenv_result "CONDA_PREFIX_$level is missing"
            return 0
        end
    end
    return 1
end

# A state that cannot be undone level by level: every prefix still known is taken out once, from the top.
function __ucenv_collapse -a least why -d 'from a broken state to level least'
    set -g __ucenv_leftovers yes
    set -l prefixes $CONDA_PREFIX
    for level in $__ucenv_below[-1..2]
        set -l __ucenv_prefix CONDA_PREFIX_$level
        test $level -gt $least -a -n "$$__ucenv_prefix"
        and set -a prefixes $$__ucenv_prefix
    end
    for prefix in $prefixes
        __ucenv_scripts $prefix deactivate
        __ucenv_run_all $__ucenv_result
    end
    set -l first 1
    test $least -gt 0
    and set first $__ucenv_above[$least]
    __ucenv_levels $first
    for level in $__ucenv_result
        __ucenv_undo_record $level
    end
    for prefix in $prefixes
        __ucenv_take_prefix $prefix
        __ucenv_sweep $prefix
        __ucenv_env_vars $prefix
        for name in $__ucenv_names
            __ucenv_state $name
            test "x$__ucenv_result" = "x=$__ucenv_values[1]"
            and __ucenv_erase $name
            set -e __ucenv_values[1]
        end
    end
    for level in $__ucenv_below[2..-1]
        test $level -gt $least
        and __ucenv_erase CONDA_PREFIX_$level CONDA_STACKED_$level
    end
    __ucenv_erase CONDA_PREFIX CONDA_DEFAULT_ENV CONDA_PROMPT_MODIFIER
    set -gx CONDA_SHLVL $least
    set __ucenv_at $least
    __ucenv_say "conda's state was broken ($why); cleaned up"
end

function __ucenv_lower_to -a least -d 'level by level down to least, from any state'
    if __ucenv_broken $least
        __ucenv_collapse $least "$__ucenv_result"
        return 0
    end
    __ucenv_drop_stale
    while test $__ucenv_at -gt $least
        __ucenv_leave
    end
    return 0
end

# Every environment's directory has a conda-meta.
function __ucenv_find_env -a name root -d 'the prefix of a name (in the directories that follow) or a path'
    set -g __ucenv_result
    switch "$name"
        case '*/*'
            string match -q '/*' -- $name
            or set name $PWD/$name
            __ucenv_normpath $name
        case base root
            set __ucenv_result $root
            return 0
        case '?*'
            for directory in $argv[3..-1] $root/envs
                if test -n "$directory"; and test -d $directory/$name/conda-meta
                    set __ucenv_result $directory/$name
                    break
                end
            end
    end
    if not test -d "$__ucenv_result/conda-meta"
        __ucenv_say "no environment $name"
        return 1
    end
end

function __ucenv_activate -d '[--stack] [ENV]'
    set -l stack no
    set -l envs
    for word in $argv
        switch $word
            case --stack
                set stack yes
            case --no-stack
                set stack no
            case '-*'
                __ucenv_say "activate: unknown option $word"
                return 2
            case '*'
                set -a envs $word
        end
    end
    if set -q envs[2]
        __ucenv_say 'activate takes one environment'
        return 2
    end
    set -q envs[1]
    or set envs base
    if not set -q __UCENV_LEVELS
        __ucenv_load_env '' $stack $envs
        return
    end
    __ucenv_split CONDA_ENVS_PATH "=$CONDA_ENVS_PATH"
    __ucenv_find_env $envs "$__UCENV_0" $__ucenv_list
    or return
    set -l prefix $__ucenv_result
    if __ucenv_broken $__ucenv_least
        __ucenv_collapse $__ucenv_least "$__ucenv_result"
    end
    __ucenv_drop_stale
    # conda calls this reactivation: back, and the same level again.
    if test $__ucenv_at -gt 0; and test "x$CONDA_PREFIX" = "x$prefix"
        set -l __ucenv_stacked CONDA_STACKED_$__ucenv_at
        set stack no
        test -n "$$__ucenv_stacked"
        and set stack yes
        __ucenv_leave
    end
    __ucenv_enter $prefix $stack
end

function __ucenv_deactivate -d '[--all]'
    set -l least
    switch "$argv"
        case ''
        case --all
            set least 0
        case '*'
            __ucenv_say "deactivate: unknown argument $argv"
            return 2
    end
    if __ucenv_broken $__ucenv_least
        __ucenv_collapse 0 "$__ucenv_result"
        return 0
    end
    test $__ucenv_at -gt 0
    or return 0
    set -q least[1]
    or set least $__ucenv_below[$__ucenv_at]
    __ucenv_lower_to $least
end

# 6 load, unload ---------------------------------------------------------------------------------------------------

function __ucenv_root -d 'the conda this shell is to have, in __ucenv_result; 1: none'
    if test -n "$__ucenv_module_root"
        set -g __ucenv_result $__ucenv_module_root
        test -x $__ucenv_result/bin/conda
        and return 0
        set __ucenv_result "no conda: the module's is $__ucenv_module_root, and no bin/conda is there"
        return 1
    end
    if test -n "$UCENV_CONDA_ROOT"
        set -g __ucenv_result $UCENV_CONDA_ROOT
        test -x $__ucenv_result/bin/conda
        and return 0
        set __ucenv_result "no conda in UCENV_CONDA_ROOT ($UCENV_CONDA_ROOT)"
        return 1
    end
    __ucenv_own_file
    __ucenv_find '(?s)\A(?<__ucenv_found>.*)/(?:etc/profile\.d|share/ucenv/shell)/[^/]*\z' $__ucenv_result
    if set -q __ucenv_found[1]; and test -x $__ucenv_found/bin/conda
        set __ucenv_result $__ucenv_found
        return 0
    end
    __ucenv_root_of_exe
    and test -x $__ucenv_result/bin/conda
    and return 0
    set __ucenv_result 'no conda found: set UCENV_CONDA_ROOT'
    return 1
end

function __ucenv_root_of_exe
    __ucenv_find '(?s)\A(?<__ucenv_found>/.*)/(?:bin|condabin)/conda\z' "$CONDA_EXE"
    set -g __ucenv_result $__ucenv_found
    set -q __ucenv_result[1]
end

function __ucenv_space -d 'the user\'s space, in __ucenv_result; 1: none'
    set -g __ucenv_result "$UCENV_ROOT"
    # A space that the module before has given is not the user's own wish.
    if test -n "$__ucenv_module_space"; and test -z "$__ucenv_result"; or set -q __UCENV_0_UCENV_ROOT
        set __ucenv_result $__ucenv_module_space
        if test -n "$__ucenv_result"
            set -ga __ucenv_module_names UCENV_ROOT
            set -g __ucenv_module_value_UCENV_ROOT $__ucenv_result
        end
    end
    if test -z "$__ucenv_result" -a -n "$SCRATCH"
        set __ucenv_result $SCRATCH/conda_local
    end
    if test -z "$__ucenv_result"
        set __ucenv_result 'neither UCENV_ROOT nor SCRATCH is set: there is no place for your environments'
        return 1
    end
    if string match -q '*:*' -- $__ucenv_result
        set __ucenv_result "a colon in $__ucenv_result: it cannot stand in CONDA_ENVS_PATH"
        return 1
    end
end

# What the load found, level 0 to be: the user's own conda may be active.
function __ucenv_find_least -d 'the level of the load, in __ucenv_least'
    set -g __ucenv_least 0
    __ucenv_find '\A=(?<__ucenv_found>0|[1-9][0-9]?)\z' "$__UCENV_0_CONDA_SHLVL"
    and test $__ucenv_found -lt 99
    and set __ucenv_least $__ucenv_found
end

function __ucenv_load -d '[--module TOKEN] [ENV]'
    set -l token
    set -l envs
    while set -q argv[1]
        switch $argv[1]
            case --module
                if test -z "$argv[2]"
                    __ucenv_say 'load: --module takes a token'
                    return 2
                end
                set token $argv[2]
                set -e argv[1]
            case --conda
                set -g __ucenv_module_root "$argv[2]"
                set -e argv[1]
            case --space
                set -g __ucenv_module_space "$argv[2]"
                set -e argv[1]
            case --set
                if not __ucenv_find '(?s)\A(?<__ucenv_found>[A-Za-z_][A-Za-z0-9_]*)=' "$argv[2]"
                    __ucenv_say 'load: --set takes NAME=VALUE'
                    return 2
                end
                set -ga __ucenv_module_names $__ucenv_found
                set -g __ucenv_module_value_$__ucenv_found (string replace -r '(?s)\A[^=]*=' '' -- $argv[2])
                set -e argv[1]
            case '-*'
                __ucenv_say "load: unknown option $argv[1]"
                return 2
            case '*'
                set -a envs $argv[1]
        end
        set -e argv[1]
    end
    if set -q envs[2]
        __ucenv_say 'load takes one environment'
        return 2
    end
    __ucenv_load_env "$token" no $envs
end

function __ucenv_load_env -a token stack
    if set -q __UCENV_LEVELS; and test -n "$token"; and test "x$token" = "x$__UCENV_TOKEN"
        __ucenv_define_conda
        return 0
    end
    if not __ucenv_root
        __ucenv_say $__ucenv_result
        return 1
    end
    set -l root $__ucenv_result
    if not __ucenv_space
        __ucenv_say $__ucenv_result
        return 1
    end
    set -l space $__ucenv_result
    set -l prefix
    if set -q argv[3]
        __ucenv_find_env $argv[3] $root $space/envs
        or return
        set prefix $__ucenv_result
    end
    if set -q __UCENV_LEVELS
        test -n "$token"
        or set token "$__UCENV_TOKEN"
        __ucenv_unload_loaded
    end

    __ucenv_owned
    set -l names $__ucenv_result
    # conda since 25.7 leaves some of them empty above its level, where activations of ours would use them.
    for name in CONDA_PREFIX_$__ucenv_below[2..-1] CONDA_STACKED_$__ucenv_below[2..-1]
        set -q $name
        and set -a names $name
    end
    # Where conda was used before, it may have left saved values that an activation of ours would overwrite.
    if set -q CONDA_SHLVL
        __ucenv_saved_names 0
        set -a names $__ucenv_result
    end
    set -l lists PATH LD_LIBRARY_PATH MANPATH CONDA_ENVS_PATH CONDA_PKGS_DIRS PS1 $__ucenv_module_names
    __ucenv_note $names $lists
    __ucenv_open_record 0 $root
    for name in $names $lists
        __ucenv_keep 0 $name
    end
    __ucenv_forget_notes
    test -n "$token"
    and set -gx __UCENV_TOKEN $token

    set -l path $PATH
    builtin contains -- $root/condabin $path
    or set -gx PATH $root/condabin $path
    set -gx CONDA_ENVS_PATH $space/envs:$root/envs
    set -gx CONDA_PKGS_DIRS $space/pkgs,$root/pkgs
    set -gx CONDA_EXE $root/bin/conda
    set -gx CONDA_PYTHON_EXE $root/bin/python
    set -gx _CE_M ''
    set -gx _CE_CONDA ''
    set -gx _CONDA_EXE $root/bin/conda
    set -gx _CONDA_ROOT $root
    for name in $__ucenv_module_names
        set -l value __ucenv_module_value_$name
        set -gx $name "$$value"
    end
    __ucenv_given 0 $lists
    # What is no level, or has none above it, is as good as none: the load starts at 0.
    __ucenv_find_least
    set __ucenv_at $__ucenv_least
    set -gx CONDA_SHLVL $__ucenv_at
    __ucenv_define_conda
    test -z "$prefix"
    and return 0
    if not __ucenv_enter $prefix $stack
        __ucenv_unload_loaded
        return 1
    end
end

# A conda of the user's own is kept: it runs $CONDA_EXE.
function __ucenv_define_conda
    __ucenv_show_prompt
    builtin functions -q conda
    and return 0
    set -g __ucenv_our_conda yes
    function conda -d 'conda; activate and deactivate are those of ucenv'
        switch "$argv[1]"
            case activate deactivate
                ucenv_$argv[1] $argv[2..-1]
            case '*'
                command $CONDA_EXE $argv
        end
    end
end

# A function that is copied or erased does not come back as it was (fish notes the copy, and autoloads it no more). So
# fish_prompt is never touched: the modifier stands on the right, as conda's own hook has it, where the user has
# nothing there, else on a line of its own.
function __ucenv_show_prompt
    status is-interactive
    and not set -q __ucenv_our_prompt
    and not builtin functions -q __conda_add_prompt
    or return 0
    if builtin functions -q fish_right_prompt
        set -g __ucenv_our_prompt __ucenv_prompt_line
        function __ucenv_prompt_line --on-event fish_prompt
            test -n "$CONDA_PROMPT_MODIFIER"
            and builtin echo $CONDA_PROMPT_MODIFIER
        end
    else
        set -g __ucenv_our_prompt fish_right_prompt
        builtin functions -c __ucenv_right_prompt fish_right_prompt
    end
end

function __ucenv_right_prompt -d 'the active environment, by ucenv'
    builtin echo -n $CONDA_PROMPT_MODIFIER
end

function __ucenv_take_back_functions
    set -q __ucenv_our_conda
    and builtin functions -e conda
    set -q __ucenv_our_prompt
    and builtin functions -e $__ucenv_our_prompt
    __ucenv_erase __ucenv_our_conda __ucenv_our_prompt
end

# `set -n` prints: a substitution, where conda may have left what no record knows of.
function __ucenv_saved_names -a least -d 'names of values that conda saved at level least or above, in __ucenv_result'
    set -l names
    for name in (set -nx)
        __ucenv_find '\A__CONDA_SHLVL_(?<__ucenv_found>[0-9]{1,2})_' $name
        and test $__ucenv_found -ge $least
        and set -a names $name
    end
    set -g __ucenv_result $names
end

function __ucenv_unload_loaded
    # Only a conda that is not ours leaves saved values behind. It may have run in a parent shell.
    if not set -q __ucenv_our_conda; or builtin functions -q micromamba; or builtin functions -q mamba
        set -g __ucenv_leftovers yes
    end
    __ucenv_lower_to $__ucenv_least
    if set -q __ucenv_leftovers
        __ucenv_saved_names $__ucenv_least
        __ucenv_erase $__ucenv_result CONDA_{PREFIX,STACKED}_$__ucenv_below[2..-1]
    end
    # A record that something erased in part is no reason to keep the rest.
    __ucenv_levels 0
    for level in $__ucenv_result
        __ucenv_undo_record $level
    end
    __ucenv_erase __UCENV_LEVELS __UCENV_TOKEN
    __ucenv_take_back_functions
    __ucenv_level
    __ucenv_find_least
end

# A shell that inherited an active conda without ever loading one.
function __ucenv_unload_foreign
    set -l root
    __ucenv_root_of_exe
    and set root $__ucenv_result
    test -n "$root"
    or set root "$_CONDA_ROOT"
    __ucenv_owned
    set -l names $__ucenv_result
    set -l any no
    for __ucenv_name in $names
        set -q $__ucenv_name
        and set any yes
    end
    test $any = yes
    or return 0
    __ucenv_lower_to 0
    __ucenv_take_prefix "$CONDA_PREFIX"
    __ucenv_take_prefix $root
    test -n "$root"
    and __ucenv_take_prefix $root/condabin
    __ucenv_space
    and set -l space $__ucenv_result
    or set -l space
    for __ucenv_name in CONDA_ENVS_PATH CONDA_ENVS_DIRS CONDA_PKGS_DIRS
        set -q $__ucenv_name
        or continue
        __ucenv_state $__ucenv_name
        __ucenv_split $__ucenv_name $__ucenv_result
        set -l ours yes
        for entry in $__ucenv_list
            __ucenv_is_ours "$entry" "$root" "$space"
            or set ours no
        end
        test $ours = yes
        and set -a names $__ucenv_name
    end
    for level in $__ucenv_below[2..-1]
        set -a names CONDA_PREFIX_$level CONDA_STACKED_$level
    end
    __ucenv_saved_names 0
    __ucenv_erase $names $__ucenv_result
    __ucenv_forget_conda
end

function __ucenv_is_ours -a entry root space
    for directory in $root $space
        test -n "$directory"
        and __ucenv_is_under $entry $directory
        and return 0
    end
    return 1
end

# What conda's own conda.fish defines, if the user's configuration sourced it.
function __ucenv_forget_conda
    builtin functions -q __fish_conda_commands
    or return 0
    for prompt in fish_prompt fish_right_prompt
        builtin functions -q __{$prompt}_orig
        or continue
        builtin functions -e $prompt
        builtin functions -c __{$prompt}_orig $prompt
        builtin functions -e __{$prompt}_orig
    end
    builtin functions -e conda return_last_status __conda_add_prompt __fish_conda_{commands,env_commands,envs} \
        __fish_conda_{packages,needs_command,using_command}
    builtin complete -e -c conda
end

function __ucenv_unload -d '[--module TOKEN] [--all-names]'
    set -l token
    set -l all_names no
    while set -q argv[1]
        switch $argv[1]
            case --module
                if test -z "$argv[2]"
                    __ucenv_say 'unload: --module takes a token'
                    return 2
                end
                set token $argv[2]
                set -e argv[1]
            case --all-names
                set all_names yes
            case '*'
                __ucenv_say "unload: unknown argument $argv[1]"
                return 2
        end
        set -e argv[1]
    end
    if set -q token[1]; and test "x$token" != "x$__UCENV_TOKEN"
        return 0
    end
    if set -q __UCENV_LEVELS
        __ucenv_unload_loaded
    else
        __ucenv_unload_foreign
    end
    if test $all_names = yes
        set -l names
        for name in (set -nx)
            string match -q '*CONDA*' -- $name
            and set -a names $name
        end
        __ucenv_erase $names
        set -q names[1]
        and __ucenv_say "also unset: $names"
    end
    return 0
end

# 7 ucenv ----------------------------------------------------------------------------------------------------------

function __ucenv_do -d 'one operation, and the lines it ends with'
    # Local, so that an interrupt ends it; exported, so that the functions called see it.
    if set -ql __ucenv_running
        __ucenv_say 'an activation script cannot call ucenv'
        return 1
    end
    set -lx __ucenv_running yes
    __ucenv_clear
    __ucenv_count
    __ucenv_level
    __ucenv_find_least
    __ucenv_$argv[1] $argv[2..-1]
    set -l outcome $status
    set -q __ucenv_lost[1]
    and __ucenv_say "cannot be restored, because their values were too long for this shell to inherit: $__ucenv_lost"
    set -q __ucenv_conflicts[1]
    and __ucenv_say "kept, because they were changed since: $__ucenv_conflicts"
    __ucenv_clear
    if test "$argv[1..2]" = 'unload --module'; and set -q __ucenv_brought; and not set -q __UCENV_LEVELS
        # A module that brought these words takes them along.
        set -eg __ucenv_brought
        builtin functions -e (builtin functions --names --all | string match -r '^(?:__ucenv_.*|ucenv|ucenv_(?:de)?activate|ucenv_(?:un)?load)$')
    end
    return $outcome
end

# What an interrupt left is gone before the next operation.
function __ucenv_clear
    __ucenv_forget_notes
    __ucenv_erase __ucenv_{result,found,list,front,back,names,values,noted,at,least,below,above} \
        __ucenv_{conflicts,lost,leftovers,undecoded} __ucenv_module_value_$__ucenv_module_names __ucenv_module_{root,space,names}
end

function ucenv_load -d 'make conda and your own environments ready, and activate one: [ENV]'
    __ucenv_do load $argv
end

function ucenv_activate -d 'activate an environment: [--stack] [ENV]'
    __ucenv_do activate $argv
end

function ucenv_deactivate -d 'one level back: [--all]'
    __ucenv_do deactivate $argv
end

function ucenv_unload -d 'everything as it was before the load: [--all-names]'
    __ucenv_do unload $argv
end

function ucenv -d 'user environments in a shared conda'
    switch "$argv[1]"
        case load activate deactivate unload
            ucenv_$argv[1] $argv[2..-1]
        case '*'
            __ucenv_root
            set -l root $__ucenv_result
            __ucenv_erase __ucenv_result __ucenv_found
            if test -x "$root/bin/ucenv"
                command $root/bin/ucenv $argv
            else if command -sq ucenv
                command ucenv $argv
            else
                __ucenv_say 'no command ucenv in the conda root or on PATH'
                return 127
            end
    end
end
