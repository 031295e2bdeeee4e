# ucenv.sh - load, activate, deactivate and unload conda environments without leaving a trace.
# For bash, zsh, dash, ksh93, mksh and busybox ash. Sourcing defines functions and does nothing else.
#
#   1 what is ours        names, and how values are kept in the environment
#   2 lists               PATH-like variables, by whole entries
#   3 keeping, restoring  three states: unset, empty, set
#   4 scripts             activate.d and deactivate.d, state files, and undoing what they leave
#   5 levels              activate, deactivate
#   6 load, unload        the user's space, conda's function, and back
#   7 ucenv               the word users type
#
# Builtins only, and never through an alias or a function of the user's: `\command` before each. Nothing that is read
# is ever evaluated: eval sees names made of letters, digits and `_`, and values by reference.
# `\command set -- "$1" $names` splits on purpose, `=value` and `:=` are states and lists, and sections for one shell are meant:
# shellcheck shell=sh disable=SC1001,SC1003,SC1007,SC1097,SC2016,SC2034,SC2086,SC2119,SC2120,SC2145,SC2154,SC2283,SC3028,SC3043,SC3044

# 1 what is ours -------------------------------------------------------------------------------------------------
#
# Exported between load and unload, so that a child of any kind can unload what its parent loaded:
#   __UCENV_LEVELS           levels with a record: 0 the load, n an activation at CONDA_SHLVL n
#   __UCENV_TOKEN            the module that loaded
#   __UCENV_<n>              the conda root (level 0) or the prefix
#   __UCENV_<n>_             names recorded there
#   __UCENV_<n>_<NAME>       state of NAME before: `=value`, `-` unset, `~value` set but not exported
#   __UCENV_<n>G_<NAME>      state that we gave it
#
# Functions return values in __ucenv_r. Shell variables of ours live as long as a call; three stay: where this file is,
# and, while loaded, that `conda` is a function of ours, and that a module brought the words.

# Under `set -a` all of this would be exported. (zsh exports no functions.) Put back at the end of the file.
case ${ZSH_VERSION-}$- in
[0-9]*) ;;
*a*)
    \command set +a
    __ucenv_flags=a
    ;;
esac

__ucenv_where() {
    case ${ZSH_VERSION-} in ?*) \builtin emulate -L sh && \command set +a ;; esac
    case $1 in
    /*) __ucenv_hook=$1 ;;
    */*) __ucenv_hook=$PWD/$1 ;;
    esac
}

# Where this file is; dash, mksh and ash do not tell.
case ${BASH_VERSION:+bash}${ZSH_VERSION:+zsh}${KSH_VERSION:+ksh} in
bash*) \command eval '__ucenv_where "${BASH_SOURCE-}"' ;;
zsh*) \builtin eval '__ucenv_where "${(%):-%x}"' ;;
ksh*) case $KSH_VERSION in *93*) \command eval '__ucenv_where "${.sh.file-}"' ;; esac ;;
esac

# The door: options, IFS and glob settings are as the user has them afterwards, and no variable of ours is left.
# Called in the condition of `||`, where neither `set -e` nor an ERR trap acts.
__ucenv_call() {
    case ${ZSH_VERSION-} in ?*) \builtin emulate -L sh ;; esac
    case $- in
    *r*)
        __ucenv_say 'this shell is restricted: PATH cannot be set'
        \command return
        ;;
    esac
    case ${__ucenv_inside-} in
    1)
        \command unset -v __ucenv_inside
        if __ucenv_is_nested; then
            __ucenv_say "'ucenv $1' inside an activation script is not followed"
            \command return
        fi
        # A Ctrl-C has ended a script, and what it found is still here.
        \command unalias exit || \command :
        __ucenv_interrupted=1
        ;;
    *) __ucenv_flags=$- __ucenv_ifs=${IFS+=}${IFS-} __ucenv_shopt= __ucenv_interrupted= ;;
    esac
    \command set +aeux -f
    if __ucenv_fixed IFS || __ucenv_is_refused IFS; then __ucenv_ifs=fixed; fi
    case $__ucenv_ifs in fixed) ;; *) IFS=' 	
' ;; esac
    __ucenv_blank=${IFS-} __ucenv_status=0
    # bash's: what would make patterns match other than they say, or fail
    for __ucenv_r in dotglob failglob nocaseglob nocasematch; do
        case :${BASH_VERSION:+${BASHOPTS-}}: in *:$__ucenv_r:*)
            \command shopt -u "$__ucenv_r"
            __ucenv_shopt="$__ucenv_shopt $__ucenv_r"
            ;;
        esac
    done
    __ucenv_kept= __ucenv_lost= __ucenv_broken=
    case $__ucenv_interrupted${__ucenv_noted-} in 1?*) __ucenv_settle back ;; esac
    case $__ucenv_ifs in
    fixed) __ucenv_say 'IFS is readonly' || __ucenv_status=1 ;;
    *) __ucenv_do_"$@" || __ucenv_status=$? ;;
    esac
    case $__ucenv_kept in ?*) __ucenv_say "kept, because they were changed since:$__ucenv_kept" || \command : ;; esac
    case $__ucenv_lost in ?*) __ucenv_say "cannot restore here (too long for the environment):$__ucenv_lost" || \command : ;; esac
    case $__ucenv_broken in ?*) __ucenv_say "conda's state was broken ($__ucenv_broken); cleaned up" || \command : ;; esac
    __ucenv_c=
    for __ucenv_r in u a x e; do
        case $__ucenv_flags in *$__ucenv_r*) __ucenv_c=$__ucenv_c$__ucenv_r ;; esac
    done
    for __ucenv_r in $__ucenv_shopt; do \command shopt -s "$__ucenv_r"; done
    case $__ucenv_flags in *f*) ;; *) \command set +f ;; esac
    for __ucenv_n in ${__ucenv_sets-}; do \command unset -v "__ucenv_set_$__ucenv_n"; done
    case "$1 ${2-} ${__ucenv_brought-} ${__UCENV_LEVELS-}" in
    'unload --module 1 ') __ucenv_r=forget ;;
    *) __ucenv_r= ;;
    esac
    \command set -- "$__ucenv_status" "$__ucenv_c" "$__ucenv_ifs" "$__ucenv_r"
    \command unset -v __ucenv_alias __ucenv_all __ucenv_before __ucenv_below __ucenv_blank __ucenv_broken \
        __ucenv_c __ucenv_callback __ucenv_changed __ucenv_close __ucenv_code __ucenv_conda_root __ucenv_depth \
        __ucenv_env __ucenv_failed __ucenv_file __ucenv_flags __ucenv_given __ucenv_ifs __ucenv_inside \
        __ucenv_interrupted __ucenv_json __ucenv_kept __ucenv_key __ucenv_known __ucenv_lang __ucenv_leave \
        __ucenv_leaves __ucenv_level __ucenv_line __ucenv_list __ucenv_listed __ucenv_lost __ucenv_modifier \
        __ucenv_module __ucenv_n __ucenv_names __ucenv_noted __ucenv_numbers __ucenv_object __ucenv_old \
        __ucenv_open __ucenv_option __ucenv_prefix __ucenv_put __ucenv_r __ucenv_root __ucenv_s __ucenv_scripts \
        __ucenv_section __ucenv_sets __ucenv_shopt __ucenv_space __ucenv_stack __ucenv_status __ucenv_text \
        __ucenv_token __ucenv_top __ucenv_undecoded __ucenv_user_exit __ucenv_v
    case $3 in
    =*) IFS=${3#=} ;;
    '') \command unset -v IFS ;;
    esac
    case $4 in ?*) __ucenv_forget_words || \command : ;; esac
    case $2 in ?*) \command set "-$2" ;; esac
    \command return "$1"
}

# Did an activation script call us, or did a Ctrl-C end one and leave its marks?
__ucenv_is_nested() {
    case ${BASH_VERSION:+bash}${ZSH_VERSION:+zsh} in
    bash) \command eval '__ucenv_r=" ${FUNCNAME[*]} "' ;;
    zsh) \command eval '__ucenv_r=" ${funcstack[*]} "' ;;
    *) \command return 0 ;;
    esac
    case $__ucenv_r in *' __ucenv_source '*) ;; *) \command return 1 ;; esac
}

# One line on stderr; fails, so that it can end what failed.
__ucenv_say() {
    # mksh has no printf
    case ${KSH_VERSION-} in
    *MIRBSD* | *LEGACY*) \command print -ru2 -- "ucenv: $1" ;;
    *) \command printf 'ucenv: %s\n' "$1" >&2 ;;
    esac
    \command return 1
}

# In every locale the same 63 characters.
__ucenv_is_name() {
    case $1 in
    '' | [0123456789]*) \command return 1 ;;
    *[!ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_]*) \command return 1 ;;
    esac
}

# State of variable $1.
__ucenv_state() {
    \command eval "__ucenv_r=\${$1+\"=\$$1\"}"
    case $__ucenv_r in
    '') __ucenv_r=- ;;
    *) __ucenv_exported "$1" || __ucenv_r=\~${__ucenv_r#=} ;;
    esac
}

# __ucenv_exported: whether variable $1, which is set, is exported. __ucenv_exports: the names of all that are.
# __ucenv_fixed: whether $1 is readonly, where trying would not do. __ucenv_counts: whether it is a number, for which the
# shell evaluates what is assigned. A shell that cannot list says yes, none, no and no.
__ucenv_lists() { \command return 1; }
__ucenv_exported() { \command :; }
__ucenv_exports() { __ucenv_names=$__ucenv_known; }
__ucenv_names_from() { __ucenv_names=; }
__ucenv_fixed() { \command return 1; }
__ucenv_counts() { \command return 1; }
__ucenv_has_alias() { \command alias "$1" >/dev/null 2>&1; }
# Noted values stand in variables __ucenv_was_<NAME>; bash, whose listing slows down with each, has an array. The two loops
# are for hundreds of names, all valid: one eval for each, no function.
__ucenv_slots() { __ucenv_open=__ucenv_was_ __ucenv_close=; }
__ucenv_copy() {
    for __ucenv_n in $1; do \command eval "__ucenv_was_$__ucenv_n=\${$__ucenv_n+=}\${$__ucenv_n-}"; done
}
__ucenv_compare() {
    for __ucenv_n in $1; do
        \command eval "case \${$__ucenv_n+=}\${$__ucenv_n-} in \"\${__ucenv_was_$__ucenv_n-}\") ;;
            *) __ucenv_changed=\"\$__ucenv_changed $__ucenv_n\" ;; esac"
    done
}
case ${BASH_VERSION:+bash}${ZSH_VERSION:+zsh}${KSH_VERSION:+ksh} in
bash*)
    case $BASH_VERSION in
    4.[4-9]* | [5-9].* | [1-9][0-9]*)
        \command eval '
        __ucenv_lists() { \command :; }
        __ucenv_exported() {
            \command eval "__ucenv_v=\${$1@a}"
            case $__ucenv_v in *x*) ;; *) \command return 1 ;; esac
        }
        __ucenv_counts() {
            \command eval "__ucenv_v=\${$1@a}"
            case $__ucenv_v in *i*) ;; *) \command return 1 ;; esac
        }
        __ucenv_exports() {
            \command set -- ${!_@} ${!A@} ${!B@} ${!C@} ${!D@} ${!E@} ${!F@} ${!G@} ${!H@} ${!I@} ${!J@} ${!K@} ${!L@} ${!M@} \
                ${!N@} ${!O@} ${!P@} ${!Q@} ${!R@} ${!S@} ${!T@} ${!U@} ${!V@} ${!W@} ${!X@} ${!Y@} ${!Z@} ${!a@} ${!b@} ${!c@} \
                ${!d@} ${!e@} ${!f@} ${!g@} ${!h@} ${!i@} ${!j@} ${!k@} ${!l@} ${!m@} ${!n@} ${!o@} ${!p@} ${!q@} ${!r@} ${!s@} \
                ${!t@} ${!u@} ${!v@} ${!w@} ${!x@} ${!y@} ${!z@}
            __ucenv_names=
            for __ucenv_n; do
                case ${!__ucenv_n@a} in *x*) __ucenv_names+=" $__ucenv_n" ;; esac
            done
        }
        __ucenv_names_from() { \command eval "__ucenv_names=\"\${!$1@}\""; }
        __ucenv_slots() {
            \command declare -gA __ucenv_was
            __ucenv_open="__ucenv_was[" __ucenv_close="]"
        }
        __ucenv_copy() { for __ucenv_n in $1; do __ucenv_was[$__ucenv_n]=${!__ucenv_n+=}${!__ucenv_n-}; done; }
        __ucenv_compare() {
            for __ucenv_n in $1; do
                case ${!__ucenv_n+=}${!__ucenv_n-} in
                "${__ucenv_was[$__ucenv_n]-}") ;;
                *) __ucenv_changed+=" $__ucenv_n" ;;
                esac
            done
        }'
        ;;
    esac
    ;;
zsh*)
    \builtin eval '
    __ucenv_lists() { \command :; }
    __ucenv_exported() {
        \command eval "__ucenv_v=\${(t)$1}"
        case $__ucenv_v in *export*) ;; *) \command return 1 ;; esac
    }
    __ucenv_exports() {
        __ucenv_parameters
        __ucenv_names="${(k)parameters[(R)*export*]}"
        __ucenv_parameters
    }
    __ucenv_names_from() {
        __ucenv_parameters
        __ucenv_names="${(k)parameters[(I)$1*]}"
        __ucenv_parameters
    }
    # A zsh that was started as sh does not load them by itself.
    __ucenv_parameters() {
        case ${__ucenv_c-}${parameters+x} in
        loadedx)
            \builtin zmodload -F zsh/parameter -p:parameters
            __ucenv_c=
            ;;
        x | ?*x) ;;
        *)
            \builtin zmodload -F zsh/parameter p:parameters
            __ucenv_c=loaded
            ;;
        esac
    }
    # zsh complains about a closed stderr
    __ucenv_fixed() {
        \command eval "__ucenv_v=\${(t)$1}"
        case $__ucenv_v in *readonly*) ;; *) \command return 1 ;; esac
    }
    __ucenv_counts() {
        \command eval "__ucenv_v=\${(t)$1}"
        case $__ucenv_v in integer* | float*) ;; *) \command return 1 ;; esac
    }'
    ;;
ksh*)
    # Listing costs a file in mksh, and what the list does not know yet is ours, which we export.
    \command eval '
    __ucenv_lists() { \command :; }
    __ucenv_line_up() { __ucenv_v=" $* "; }
    __ucenv_exported() {
        case ${__ucenv_listed-} in "")
            __ucenv_line_up ${ \command typeset +x; }
            __ucenv_listed=$__ucenv_v
            ;;
        esac
        case $__ucenv_listed in *" $1 "*) ;; *) \command return 1 ;; esac
    }
    __ucenv_exports() {
        __ucenv_names=${ \command typeset +x; }
        __ucenv_line_up $__ucenv_names
        __ucenv_listed=$__ucenv_v
    }
    __ucenv_names_from() { __ucenv_exports; }
    __ucenv_counts() {
        case ${__ucenv_numbers-} in "")
            __ucenv_line_up HISTSIZE ${ \command typeset +i; \command typeset +E 2>&-; \command typeset +F 2>&-; }
            __ucenv_numbers=$__ucenv_v
            ;;
        esac
        case $__ucenv_numbers in *" $1 "*) ;; *) \command return 1 ;; esac
    }
    # ksh93 opens a dozen catalogs to say that there is no such alias
    __ucenv_has_alias() {
        case "
${ \command alias; }" in *"
$1="*) ;; *) \command return 1 ;; esac
    }'
    ;;
esac

# Bring variable $1 to state $2. What is readonly stays as it is, silently: stderr is closed, which costs no open as
# /dev/null would. So does a number that would be given more than digits. PS1 keeps its attribute: nobody meant to export it.
__ucenv_put() {
    case ${2#?} in *[!-.0123456789]*) if __ucenv_counts "$1"; then \command return 0; fi ;; esac
    __ucenv_fixed "$1" || case $2 in
    -) \command unset -v "$1" ;;
    =*)
        case $1 in
        PS1) __ucenv_assign PS1 "${2#=}" ;;
        *)
            \command export "$1=${2#=}"
            __ucenv_listed=${__ucenv_listed:+"$__ucenv_listed$1 "}
            ;;
        esac
        ;;
    *)
        case $1 in
        PS1) __ucenv_assign PS1 "${2#?}" ;;
        *) __ucenv_assign_plain "$1" "${2#?}" ;;
        esac
        ;;
    esac 2>&- || \command :
}
__ucenv_assign() { \command eval "$1=\$2"; }
__ucenv_assign_plain() {
    case ${ZSH_VERSION-} in
    ?*) \builtin typeset -g +x "$1=$2" ;;
    *)
        \command unset -v "$1"
        __ucenv_assign "$1" "$2"
        ;;
    esac
}
# Is variable $1 readonly, where no attribute tells? It is tried, with the value it has.
__ucenv_is_refused() {
    \command eval "__ucenv_r=\${$1+=}\${$1-}"
    case $__ucenv_r in '') \command return 1 ;; esac
    if __ucenv_assign "$1" "${__ucenv_r#=}"; then \command return 1; fi
} 2>&-

# 2 lists --------------------------------------------------------------------------------------------------------
#
# Worked on as `:a:b:`, where an entry is found whole as `:a:`; no entries are `:`. An empty entry is an entry.

# State $1 as a list, with the separator of variable $2.
__ucenv_open_list() {
    case $2 in
    CONDA_PKGS_DIRS) __ucenv_s=, ;;
    *) __ucenv_s=: ;;
    esac
    case $1 in
    -) __ucenv_list=$__ucenv_s ;;
    *) __ucenv_list=$__ucenv_s${1#?}$__ucenv_s ;;
    esac
}

# The list as a state. Without entries it is unset where $1, a state before, was, else empty.
__ucenv_close_list() {
    case $__ucenv_list in
    "$__ucenv_s" | "$__ucenv_s$__ucenv_s")
        case $1 in
        -) __ucenv_r=- ;;
        *) __ucenv_r== ;;
        esac
        ;;
    *)
        __ucenv_r=${__ucenv_list%"$__ucenv_s"}
        __ucenv_r==${__ucenv_r#"$__ucenv_s"}
        ;;
    esac
}

# Takes the next entry of __ucenv_v (`a:b:`), as __ucenv_r; fails at its end.
__ucenv_next() {
    case $__ucenv_v in '') \command return 1 ;; esac
    __ucenv_r=${__ucenv_v%%"$__ucenv_s"*}
    __ucenv_v=${__ucenv_v#*"$__ucenv_s"}
}

# The first entry equal to $1 makes room for the entries $2 (`a:b:`, or none); fails where there is no such entry.
__ucenv_replace() {
    case $__ucenv_list in
    *"$__ucenv_s$1$__ucenv_s"*)
        __ucenv_list=${__ucenv_list%%"$__ucenv_s$1$__ucenv_s"*}$__ucenv_s$2${__ucenv_list#*"$__ucenv_s$1$__ucenv_s"}
        ;;
    *) \command return 1 ;;
    esac
}

# State $1 of list variable $4 without what the step from state $2 to $3 changed. Others' entries stay. $5 = stale: what the
# step took out is not put back.
__ucenv_merge() {
    __ucenv_open_list "$3" "$4"
    __ucenv_v=${__ucenv_list#?}
    __ucenv_open_list "$2" "$4"
    \command set -- "$1" "$2" "$4" "$5"
    while __ucenv_next; do
        __ucenv_replace "$__ucenv_r" '' || \command set -- "$@" "$__ucenv_r"
    done
    # Left over is what the step took out: it goes back where the first that it added stands.
    __ucenv_put=${__ucenv_list#?}
    case $4 in stale) __ucenv_put= ;; esac
    __ucenv_open_list "$1" "$3"
    __ucenv_v=$2 __ucenv_c=$3
    # Empty now, it stays set only where it was set to nothing before, or by somebody since.
    case $2 in -) ;; *) case $1 in [=~]) ;; -) __ucenv_v=- ;; *) case $2 in [=~]) ;; *) __ucenv_v=- ;; esac ;; esac ;; esac
    \command shift 4
    for __ucenv_r; do
        if __ucenv_replace "$__ucenv_r" "$__ucenv_put"; then __ucenv_put=; fi
    done
    # A venv that is older than the level has none of the added entries.
    case $__ucenv_c in _OLD_VIRTUAL_PATH) ;; *) __ucenv_list=$__ucenv_s$__ucenv_put${__ucenv_list#?} ;; esac
    __ucenv_close_list "$__ucenv_v"
}

# Take entries at or under directory $1 out of the list, but for those in list $2 (`:a:b:`) and of the active prefix.
__ucenv_take_under() {
    __ucenv_v=${__ucenv_list#?}
    __ucenv_list=$__ucenv_s
    while __ucenv_next; do
        case $__ucenv_r in
        "${CONDA_PREFIX:-/dev/null}"/*) ;;
        "$1" | "$1"/*) case $2 in *"$__ucenv_s$__ucenv_r$__ucenv_s"*) ;; *) \command continue ;; esac ;;
        esac
        __ucenv_list=$__ucenv_list$__ucenv_r$__ucenv_s
    done
}

# Path $1 as os.path.normpath writes it: conda does that to every entry of PATH.
__ucenv_normal() {
    case $1 in
    '' | . | .. | */ | *//* | ./* | ../* | */./* | */../* | */. | */..) ;;
    *)
        __ucenv_r=$1
        \command return 0
        ;;
    esac
    case $1 in
    ///*) __ucenv_stack=/ ;;
    //*) __ucenv_stack=// ;;
    /*) __ucenv_stack=/ ;;
    *) __ucenv_stack= ;;
    esac
    \command set -- "$1/" "$__ucenv_stack"
    __ucenv_stack=
    while \command :; do
        case $1 in '') \command break ;; esac
        __ucenv_r=${1%%/*}
        \command set -- "${1#*/}" "$2"
        case $__ucenv_r:$__ucenv_stack in
        :* | .:*) ;;
        ..: | ..:*/.. | ..:..) case $2 in '') __ucenv_stack=${__ucenv_stack:+$__ucenv_stack/}.. ;; esac ;;
        ..:*/*) __ucenv_stack=${__ucenv_stack%/*} ;;
        ..:*) __ucenv_stack= ;;
        *) __ucenv_stack=${__ucenv_stack:+$__ucenv_stack/}$__ucenv_r ;;
        esac
    done
    __ucenv_r=$2$__ucenv_stack
    __ucenv_r=${__ucenv_r:-.}
}

# PATH state $1, in which conda may have normalised the entries of $2, the PATH before: those as they were.
__ucenv_as_before() {
    __ucenv_r=$1
    case $1 in -) \command return 0 ;; esac
    case $2 in -) \command return 0 ;; esac
    __ucenv_open_list "$2" PATH
    __ucenv_v=${__ucenv_list#?}
    \command set -- "$1" "$__ucenv_list"
    __ucenv_list=:
    while __ucenv_next; do
        __ucenv_normal "$__ucenv_r"
        __ucenv_list=$__ucenv_list$__ucenv_r:
    done
    __ucenv_r=$1
    case $__ucenv_list in "$2") \command return 0 ;; esac
    case :${1#?}: in
    *"$__ucenv_list"*)
        \command set -- "$2" "$__ucenv_list" ":${1#?}:"
        __ucenv_list=${3%%"$2"*}$1${3#*"$2"}
        __ucenv_close_list =
        ;;
    esac
}

# 3 keeping, restoring -------------------------------------------------------------------------------------------

# Keep state $2 as variable $1 of ours. exec fails for everything once one NAME=value has 131,072 bytes: not exported then.
__ucenv_keep() {
    __ucenv_r=$((${#1} + ${#2} + 2))
    # A character has at most four bytes.
    if \command test "$__ucenv_r" -gt 32768; then __ucenv_bytes "$1=$2 "; fi
    if \command test "$__ucenv_r" -gt 131072; then __ucenv_assign "$1" "$2"; else \command export "$1=$2"; fi
}

# Length of $1 in bytes.
__ucenv_bytes() {
    __ucenv_locale
    __ucenv_r=${#1}
    __ucenv_locale_back
    case ${KSH_VERSION-} in *MIRBSD*) __ucenv_r=$((__ucenv_r * 4)) ;; esac
}
__ucenv_locale() {
    __ucenv_state LC_ALL
    __ucenv_lang=$__ucenv_r
    __ucenv_fixed LC_ALL || __ucenv_assign LC_ALL C || \command :
}
__ucenv_locale_back() { __ucenv_put LC_ALL "$__ucenv_lang"; }

# Record at level $1 that variable $2 was in state $3.
__ucenv_record() {
    \command eval "__ucenv_r=\${__UCENV_$1_-}"
    case " $__ucenv_r " in
    *" $2 "*) ;;
    *)
        \command export "__UCENV_$1_=${__ucenv_r:+$__ucenv_r }$2"
        __ucenv_keep "__UCENV_$1_$2" "$3"
        ;;
    esac
}

# Note in record $1 what variables $2... were given: their state now.
__ucenv_seal() {
    __ucenv_c=$1
    \command shift
    for __ucenv_n; do
        __ucenv_state "$__ucenv_n"
        __ucenv_keep "__UCENV_${__ucenv_c}G_$__ucenv_n" "$__ucenv_r"
    done
}

# The record of level $1 begins: of prefix $2.
__ucenv_open_record() {
    \command export "__UCENV_LEVELS=${__UCENV_LEVELS:+$__UCENV_LEVELS }$1" "__UCENV_$1=$2" "__UCENV_$1_="
}

# Forget the record of level $1.
__ucenv_drop() {
    \command eval "__ucenv_r=\${__UCENV_$1_-}"
    for __ucenv_n in $__ucenv_r; do
        __ucenv_is_name "$__ucenv_n" && \command unset -v "__UCENV_$1_$__ucenv_n" "__UCENV_$1G_$__ucenv_n"
    done
    \command unset -v "__UCENV_$1" "__UCENV_$1_"
    __ucenv_r=" ${__UCENV_LEVELS-} "
    __ucenv_r=${__ucenv_r%%" $1 "*}
    __ucenv_r=${__ucenv_r# }
    case $__ucenv_r in
    '') \command unset -v __UCENV_LEVELS __UCENV_TOKEN ;;
    *) \command export "__UCENV_LEVELS=$__ucenv_r" ;;
    esac
}

# Undo record $1, or only names that are $2 there. Then it is forgotten.
__ucenv_undo() {
    \command eval "__ucenv_all=\${__UCENV_$1_-}"
    for __ucenv_n in $__ucenv_all; do
        __ucenv_is_watched "$__ucenv_n" || \command continue
        \command eval "__ucenv_before=\${__UCENV_$1_$__ucenv_n-} __ucenv_given=\${__UCENV_$1G_$__ucenv_n-}"
        case $__ucenv_before in
        '')
            __ucenv_lost="$__ucenv_lost $__ucenv_n"
            \command continue
            ;;
        esac
        __ucenv_undo_name "$__ucenv_n" "$__ucenv_n" "$1" "${2-}"
        case $__ucenv_n in
        PATH) case ${_OLD_VIRTUAL_PATH+x} in x) __ucenv_undo_name _OLD_VIRTUAL_PATH PATH "$1" "${2-}" ;; esac ;;
        PS1) case ${_OLD_VIRTUAL_PS1+x} in x) __ucenv_undo_name _OLD_VIRTUAL_PS1 PS1 "$1" "${2-}" ;; esac ;;
        esac
    done
    __ucenv_drop "$1"
}

# Variable $1, by what level $3 recorded of variable $2 (the two differ for what a venv on top has saved).
# $4 = stale: conda went down without us. Only what nobody touched since is put back, and entries of ours are taken out.
__ucenv_undo_name() {
    __ucenv_state "$1"
    case $__ucenv_r in "$__ucenv_before") \command return 0 ;; esac
    # A child has no plain variables.
    case $__ucenv_r:$__ucenv_given in -:\~*) \command return 0 ;; esac
    case $__ucenv_given in
    '' | "$__ucenv_r")
        __ucenv_put "$1" "$__ucenv_before"
        \command return 0
        ;;
    esac
    case $4:$2:$__ucenv_r$__ucenv_before in
    stale:PS1:*) ;;
    stale:*:=-) __ucenv_put "$1" - ;; # conda since 25.7: empty is gone
    *:PS1:*) __ucenv_undo_prompt "$1" "$3" ;;
    *:*PATH:* | *:*DIRS:*)
        \command set -- "$1" "$2" "$3" "${__ucenv_r%"${__ucenv_r#?}"}" "$4"
        __ucenv_merge "$__ucenv_r" "$__ucenv_before" "$__ucenv_given" "$1" "$5"
        case $2:$3 in PATH:0) __ucenv_as_before "$__ucenv_r" "$__ucenv_before" ;; esac
        case $4$__ucenv_r in
        \~=*) __ucenv_put "$1" "~${__ucenv_r#=}" ;;
        *) __ucenv_put "$1" "$__ucenv_r" ;;
        esac
        ;;
    stale:*) ;;
    *) __ucenv_kept="$__ucenv_kept $1" ;;
    esac
}

# Prompt $1, whose state is __ucenv_r: our words are taken out where they were put.
__ucenv_undo_prompt() {
    __ucenv_v=$__ucenv_r
    case $__ucenv_r in
    -) ;;
    [=~]"${__ucenv_modifier:-:}"*) __ucenv_v=${__ucenv_r%"${__ucenv_r#?}"}${__ucenv_r#?"$__ucenv_modifier"} ;;
    esac
    case $__ucenv_given in
    ??*) case $__ucenv_r in ?*"${__ucenv_given#?}") __ucenv_v=${__ucenv_r%"${__ucenv_given#?}"}${__ucenv_before#?} ;; esac ;;
    esac
    case $2$__ucenv_before$__ucenv_v in
    0-[=~]) __ucenv_v=- ;;
    esac
    __ucenv_put "$1" "$__ucenv_v"
}

# 4 scripts ------------------------------------------------------------------------------------------------------

# Call function $1 for each file of directory $2 whose name ends in $3, as __ucenv_file, in code-point order as conda
# does ($4 = down: the reverse), until one call fails.
__ucenv_each() {
    \command test -d "$2" || \command return 0
    __ucenv_callback=$1
    __ucenv_glob "$2" "$3" "$4"
}
__ucenv_glob() {
    __ucenv_state GLOBIGNORE
    case $__ucenv_r in -) ;; *) \command unset -v GLOBIGNORE ;; esac
    \command set -- "$@" "$__ucenv_r"
    \command set +f
    \command set -- "$1" "$2" "$3" "$4" "$1"/*"$2"
    case $# in
    [0-5]) ;;
    *)
        __ucenv_locale
        \command set -- "$1" "$2" "$3" "$4" "$1"/*"$2"
        __ucenv_locale_back
        ;;
    esac
    \command set -f
    case $4 in -) ;; *) __ucenv_put GLOBIGNORE "$4" ;; esac
    \command test -e "${5-}" || \command return 0
    case $3 in
    down)
        \command shift 4
        \command set -- '' "$@"
        for __ucenv_file; do \command set -- "$__ucenv_file" "$@"; done
        ;;
    *) \command shift 4 ;;
    esac
    for __ucenv_file; do
        case $__ucenv_file in '') \command break ;; esac
        $__ucenv_callback || \command return
    done
}

# The text of file $1 in __ucenv_text.
__ucenv_read() {
    __ucenv_text=
    IFS=
    while \command read -r __ucenv_line || \command test -n "$__ucenv_line"; do
        __ucenv_text="$__ucenv_text$__ucenv_line
"
    done <"$1"
    IFS=$__ucenv_blank
}

# Run script __ucenv_file. `exit` at its top level ends the script, not the shell: it reads `return` there. Whoever ended
# one by Ctrl-C still leaves bash and zsh by `exit`, though `return` ends only functions and scripts there.
__ucenv_source() {
    case ${__ucenv_user_exit-} in '')
        __ucenv_user_exit=no
        if __ucenv_has_alias exit; then __ucenv_user_exit=yes; fi
        ;;
    esac
    case $__ucenv_user_exit in
    yes) __ucenv_alias= ;;
    *) __ucenv_alias=1 ;;
    esac
    __ucenv_leave='return'
    case $__ucenv_alias${BASH_VERSION:+bash}${ZSH_VERSION:+zsh} in
    1zsh) __ucenv_leave='\builtin ${${funcstack:+return}:-exit}' ;;
    1bash)
        \command eval '__ucenv_leaves=(exit return)'
        __ucenv_leave='\builtin ${__ucenv_leaves[${#FUNCNAME[*]}>0]}'
        if \command shopt -q expand_aliases; then \command :; else
            \command shopt -s expand_aliases
            __ucenv_alias=2
        fi
        ;;
    esac
    case $__ucenv_alias in ?) \command alias "exit=$__ucenv_leave" ;; esac
    \command set +f
    case $__ucenv_flags in *x*) \command set -x ;; esac
    __ucenv_failed=0 __ucenv_inside=1
    case ${ZSH_VERSION-} in
    ?*)
        # else a failing special builtin would end zsh
        \builtin unsetopt posix_builtins
        \builtin . "$__ucenv_file" || __ucenv_failed=$?
        \builtin emulate sh
        \builtin setopt local_options
        ;;
    *) \command . "$__ucenv_file" || __ucenv_failed=$? ;;
    esac
    \command set +aeux -f
    \command unset -v __ucenv_inside
    IFS=$__ucenv_blank
    case $__ucenv_alias in ?) \command unalias exit || \command : ;; esac
    case $__ucenv_alias in 2) \command shopt -u expand_aliases ;; esac
    \command return "$__ucenv_failed"
}
__ucenv_source_all() { __ucenv_source || \command :; }

# Are there scripts to run in directory $1? Where the shell cannot list its variables, those to watch are the names that
# the scripts' text assigns or exports.
__ucenv_expect() {
    if \command test -d "$1"; then
        __ucenv_scripts=1
        __ucenv_lists || __ucenv_each __ucenv_names_in_file "$1" .sh up
    fi
}
__ucenv_names_in_file() {
    __ucenv_read "$__ucenv_file"
    __ucenv_v=$__ucenv_text
    while \command :; do
        case $__ucenv_v in *=*) ;; *) \command break ;; esac
        __ucenv_r=${__ucenv_v%%=*}
        __ucenv_v=${__ucenv_v#*=}
        __ucenv_r=${__ucenv_r%[:+]}
        __ucenv_r=${__ucenv_r##*[!ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_]}
        __ucenv_is_name "$__ucenv_r" && __ucenv_known="$__ucenv_known $__ucenv_r"
    done
    while \command :; do
        case $__ucenv_text in '') \command break ;; esac
        __ucenv_line=${__ucenv_text%%"
"*}
        __ucenv_text=${__ucenv_text#*"
"}
        case $__ucenv_line in
        *export* | *unset* | *declare* | *typeset* | *readonly* | *read*)
            for __ucenv_r in $__ucenv_line; do
                __ucenv_r=${__ucenv_r%%[\;\&\)]*}
                __ucenv_is_name "$__ucenv_r" && __ucenv_known="$__ucenv_known $__ucenv_r"
            done
            ;;
        esac
    done
}

# Environment variables of prefix $1, from conda's state files: names in __ucenv_json, values in __ucenv_value_<NAME>.
__ucenv_read_state() {
    __ucenv_json=
    __ucenv_object=1
    __ucenv_each __ucenv_read_json "$1/etc/conda/env_vars.d" '' up || \command :
    __ucenv_object=2
    __ucenv_file=$1/conda-meta/state
    if \command test -f "$__ucenv_file"; then __ucenv_read_json; fi
}
__ucenv_forget_state() {
    for __ucenv_n in $__ucenv_json; do \command unset -v "__ucenv_value_$__ucenv_n"; done
}

# Strings of the object at depth __ucenv_object (at depth 2: that of "env_vars") of JSON file __ucenv_file.
__ucenv_read_json() {
    __ucenv_read "$__ucenv_file"
    __ucenv_depth=0 __ucenv_key= __ucenv_section=
    while \command :; do
        __ucenv_text=${__ucenv_text#"${__ucenv_text%%[\"\{\}\[\],]*}"}
        case $__ucenv_text in '') \command break ;; esac
        __ucenv_r=${__ucenv_text%"${__ucenv_text#?}"}
        __ucenv_text=${__ucenv_text#?}
        case $__ucenv_r in
        '{' | '[') __ucenv_depth=$((__ucenv_depth + 1)) __ucenv_key= ;;
        '}' | ']') __ucenv_depth=$((__ucenv_depth - 1)) __ucenv_key= ;;
        ,) __ucenv_key= ;;
        *)
            __ucenv_json_string
            case ${__ucenv_text#"${__ucenv_text%%[! 	]*}"} in
            :*)
                __ucenv_key=$__ucenv_v
                case $__ucenv_depth in 1) __ucenv_section=$__ucenv_v ;; esac
                ;;
            *)
                case $__ucenv_object:$__ucenv_depth:$__ucenv_section in
                1:1:* | 2:2:env_vars) __ucenv_state_value "$__ucenv_key" "$__ucenv_v" ;;
                esac
                ;;
            esac
            ;;
        esac
    done
}
__ucenv_state_value() {
    case $1 in PATH | PS1) \command return 0 ;; esac
    __ucenv_is_watched "$1" || \command return 0
    if __ucenv_is_owned "$1"; then \command return 0; fi
    case $__ucenv_failed in
    1)
        __ucenv_undecoded="$__ucenv_undecoded $1"
        \command return 0
        ;;
    esac
    case " $__ucenv_json " in *" $1 "*) ;; *) __ucenv_json="$__ucenv_json $1" ;; esac
    __ucenv_assign "__ucenv_value_$1" "$2"
}

# The string that __ucenv_text continues with, in __ucenv_v; __ucenv_failed is 1 where this shell cannot decode it.
__ucenv_json_string() {
    __ucenv_v= __ucenv_failed=
    while \command :; do
        __ucenv_r=${__ucenv_text%%[\"\\]*}
        __ucenv_v=$__ucenv_v$__ucenv_r
        __ucenv_text=${__ucenv_text#"$__ucenv_r"}
        case $__ucenv_text in
        '\u'????*)
            __ucenv_json_code
            case $__ucenv_code in
            5529[6-9] | 55[3-9]?? | 56[0-2]?? | 563[01]?)
                case $__ucenv_text in '\u'????*)
                    \command set -- "$__ucenv_code"
                    __ucenv_json_code
                    __ucenv_code=$((($1 - 55296) * 1024 + __ucenv_code - 56320 + 65536))
                    ;;
                esac
                ;;
            esac
            __ucenv_character "$__ucenv_code"
            \command continue
            ;;
        '\n'*) __ucenv_v="$__ucenv_v
" ;;
        '\t'*) __ucenv_v="$__ucenv_v	" ;;
        '\r'*) __ucenv_character 13 ;;
        '\b'*) __ucenv_character 8 ;;
        '\f'*) __ucenv_character 12 ;;
        '\'?*)
            __ucenv_r=${__ucenv_text#?}
            __ucenv_v=$__ucenv_v${__ucenv_r%"${__ucenv_r#?}"}
            ;;
        *)
            __ucenv_text=${__ucenv_text#?}
            \command return 0
            ;;
        esac
        __ucenv_text=${__ucenv_text#??}
    done
}
__ucenv_json_code() {
    __ucenv_r=${__ucenv_text#??}
    __ucenv_text=${__ucenv_r#????}
    __ucenv_r=${__ucenv_r%"$__ucenv_text"}
    case $__ucenv_r in
    *[!0123456789abcdefABCDEF]*) __ucenv_code=0 ;;
    *) __ucenv_code=$((0x$__ucenv_r)) ;;
    esac
}

# Append character number $1 in UTF-8, whatever the locale. dash has no $'...': there ASCII without control characters but tab and newline.
__ucenv_character() {
    if \command test "$1" -lt 128; then
        \command set -- "$1"
    elif \command test "$1" -lt 2048; then
        \command set -- $((192 + $1 / 64)) $((128 + $1 % 64))
    elif \command test "$1" -lt 65536; then
        \command set -- $((224 + $1 / 4096)) $((128 + $1 / 64 % 64)) $((128 + $1 % 64))
    else
        \command set -- $((240 + $1 / 262144)) $((128 + $1 / 4096 % 64)) $((128 + $1 / 64 % 64)) $((128 + $1 % 64))
    fi
    __ucenv_c=
    for __ucenv_r; do
        __ucenv_c="$__ucenv_c\\$((__ucenv_r / 64))$((__ucenv_r / 8 % 8))$((__ucenv_r % 8))"
    done
    \command eval "__ucenv_c=\$'$__ucenv_c'"
    case $1:$__ucenv_c in
    0:*) __ucenv_failed=1 ;;
    9:*) __ucenv_c='	' ;;
    10:*)
        __ucenv_c='
'
        ;;
    3[23456789]:\$\\* | [456789]?:\$\\* | 1[01]?:\$\\* | 12[0123456]:\$\\*)
        __ucenv_c=' !"#$%&'\''()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\]^_`abcdefghijklmnopqrstuvwxyz{|}~'
        __ucenv_r=32
        while \command test "$__ucenv_r" -lt "$1"; do
            __ucenv_c=${__ucenv_c#?}
            __ucenv_r=$((__ucenv_r + 1))
        done
        __ucenv_c=${__ucenv_c%"${__ucenv_c#?}"}
        ;;
    *:\$\\*) __ucenv_failed=1 __ucenv_c= ;;
    esac
    __ucenv_v=$__ucenv_v$__ucenv_c
}

# Note the exported variables (where the shell cannot list them those in __ucenv_known) and $@, for __ucenv_settle.
# Without scripts to come only $@ can change.
__ucenv_note() {
    __ucenv_names=
    case $__ucenv_scripts in 1) __ucenv_exports ;; esac
    __ucenv_noted=$__ucenv_names
    __ucenv_note_also "$@"
}

# Note again, after the undoing of a record, and $@ in addition.
__ucenv_note_also() {
    __ucenv_slots
    __ucenv_copy "$__ucenv_noted"
    for __ucenv_n; do
        __ucenv_is_watched "$__ucenv_n" || \command continue
        __ucenv_noted="$__ucenv_noted $__ucenv_n"
        __ucenv_state "$__ucenv_n"
        __ucenv_assign "$__ucenv_open$__ucenv_n$__ucenv_close" "${__ucenv_r#-}"
    done
}
__ucenv_is_watched() {
    case $1 in
    _ | PWD | OLDPWD | SHLVL | IFS | OPTIND | OPTARG | PS4 | __UCENV* | __ucenv*) \command return 1 ;;
    # evaluated by bash, whether it can tell or not
    RANDOM | SRANDOM | SECONDS | LINENO | BASHPID | HISTCMD | MAILCHECK | ERRNO) \command return 1 ;;
    esac
    __ucenv_is_name "$1"
}
__ucenv_is_owned() {
    case $1 in
    CONDA_EXE | CONDA_PYTHON_EXE | CONDA_SHLVL | CONDA_PREFIX | CONDA_DEFAULT_ENV | CONDA_PROMPT_MODIFIER) ;;
    _CE_M | _CE_CONDA | _CONDA_EXE | _CONDA_ROOT | CONDA_PREFIX_[0123456789]* | CONDA_STACKED_[0123456789]*) ;;
    *) \command return 1 ;;
    esac
}

# What became of the noted variables since: $1 = record, at level $2; revert, but for what conda owns; back, all.
# $1 = half: as revert, for now without a look at new names.
__ucenv_settle() {
    __ucenv_names=
    case $__ucenv_scripts:$1 in
    1:half) ;;
    1:*) __ucenv_exports ;;
    esac
    __ucenv_changed=
    __ucenv_compare "$__ucenv_noted $__ucenv_names"
    for __ucenv_n in $__ucenv_changed; do
        __ucenv_is_watched "$__ucenv_n" || \command continue
        \command eval "__ucenv_before=\${$__ucenv_open$__ucenv_n$__ucenv_close:--}"
        __ucenv_state "$__ucenv_n"
        case $__ucenv_r in "$__ucenv_before") \command continue ;; esac
        case $1 in
        back) __ucenv_put "$__ucenv_n" "$__ucenv_before" ;;
        *)
            __ucenv_is_owned "$__ucenv_n" && \command continue
            case $1 in
            revert | half) __ucenv_put "$__ucenv_n" "$__ucenv_before" ;;
            record)
                \command set -- "$1" "$2" "$__ucenv_r"
                __ucenv_record "$2" "$__ucenv_n" "$__ucenv_before"
                __ucenv_keep "__UCENV_$2G_$__ucenv_n" "$3"
                ;;
            esac
            ;;
        esac
    done
    case $1 in half) ;; *) __ucenv_unnote ;; esac
}
__ucenv_unnote() {
    case $__ucenv_close in
    ?) \command unset -v __ucenv_was ;;
    *) for __ucenv_n in $__ucenv_noted; do \command unset -v "__ucenv_was_$__ucenv_n"; done ;;
    esac
    __ucenv_noted=
}

# 5 levels -------------------------------------------------------------------------------------------------------

# CONDA_SHLVL in __ucenv_level; 0, and not true, where it is no number from 0 to 99.
__ucenv_read_level() {
    case ${CONDA_SHLVL-} in
    '' | [0123456789] | [123456789][0123456789]) __ucenv_level=${CONDA_SHLVL:-0} ;;
    *)
        __ucenv_level=0
        \command return 1
        ;;
    esac
}

# The prefix of level $1 in __ucenv_prefix.
__ucenv_prefix_of() {
    case $1 in
    "$__ucenv_level") __ucenv_prefix=${CONDA_PREFIX-} ;;
    *) \command eval "__ucenv_prefix=\${CONDA_PREFIX_$1-}" ;;
    esac
}

# Level of the topmost record, in __ucenv_top; empty without a load.
__ucenv_topmost() {
    __ucenv_top=${__UCENV_LEVELS-}
    __ucenv_top=${__ucenv_top##* }
    case $__ucenv_top in *[!0123456789]*) __ucenv_top= ;; esac
}

# Records of levels that conda has left without us are undone where nobody touched what they say, and forgotten.
__ucenv_forget_stale() {
    __ucenv_read_level || \command :
    while \command :; do
        __ucenv_topmost
        case $__ucenv_top in '' | 0) \command break ;; esac
        __ucenv_prefix_of "$__ucenv_top"
        \command eval "__ucenv_r=\${__UCENV_$__ucenv_top-}"
        if \command test "$__ucenv_top" -le "$__ucenv_level"; then
            case $__ucenv_prefix in "$__ucenv_r") \command break ;; esac
        fi
        __ucenv_undo "$__ucenv_top" stale
    done
}

# The conda root of the load, else that of conda's variables, in __ucenv_root.
__ucenv_active_root() {
    __ucenv_root=${__UCENV_0-}
    case $__ucenv_root in
    '')
        __ucenv_root=${CONDA_EXE-}
        case $__ucenv_root in
        */bin/conda) __ucenv_root=${__ucenv_root%/bin/conda} ;;
        */condabin/conda) __ucenv_root=${__ucenv_root%/condabin/conda} ;;
        *) __ucenv_root=${_CONDA_ROOT-} ;;
        esac
        ;;
    esac
}

# What conda calls prefix $1.
__ucenv_default_env() {
    case $1 in
    "$__ucenv_root") __ucenv_r=base ;;
    */envs/*/*)
        __ucenv_r=${1%/*}
        case $__ucenv_r in */envs) __ucenv_r=${1##*/} ;; *) __ucenv_r=$1 ;; esac
        ;;
    */envs/*) __ucenv_r=${1##*/} ;;
    *) __ucenv_r=$1 ;;
    esac
}

# Conda's own variables for prefix $1 at level $2, $3 = "" for no words in the prompt.
__ucenv_own() {
    __ucenv_default_env "$1"
    \command export "CONDA_PREFIX=$1" "CONDA_SHLVL=$2" "CONDA_DEFAULT_ENV=$__ucenv_r" "CONDA_PROMPT_MODIFIER=${3:+($__ucenv_r) }"
}

# The prompt shows the active environment. Its old words stand at the front, unless somebody moved them.
__ucenv_set_prompt() {
    case ${PS1+x}${PS1-} in
    '' | *POWERLINE_COMMAND*) \command return 0 ;;
    esac
    __ucenv_v=$PS1
    case $__ucenv_modifier in
    ?*)
        case $PS1 in
        "$__ucenv_modifier"*) __ucenv_v=${PS1#"$__ucenv_modifier"} ;;
        *"$__ucenv_modifier"*) __ucenv_v=${PS1%%"$__ucenv_modifier"*}${PS1#*"$__ucenv_modifier"} ;;
        esac
        ;;
    esac
    # Shells expand what stands in a prompt.
    case ${CONDA_PROMPT_MODIFIER-} in
    *[\\\$\`]*) __ucenv_put PS1 "=$__ucenv_v" ;;
    *) __ucenv_put PS1 "=${CONDA_PROMPT_MODIFIER-}$__ucenv_v" ;;
    esac
}

# In PATH the first entry of prefix $1 becomes that of $2 (none: it goes). Without $1, $2 comes in front.
__ucenv_swap_path() {
    __ucenv_state PATH
    \command set -- "$1" "${2:+$2/bin:}" "$__ucenv_r"
    __ucenv_open_list "$3" PATH
    case $1 in
    '') __ucenv_list=:$2${__ucenv_list#:} ;;
    *) __ucenv_replace "$1/bin" "$2" || __ucenv_list=:$2${__ucenv_list#:} ;;
    esac
    __ucenv_close_list "$3"
    __ucenv_put PATH "$__ucenv_r"
}

# One level up, to prefix $1; $2 = stack: on top of the active one. Fails, and nothing is changed, where a script does.
__ucenv_up() {
    __ucenv_old=${CONDA_PREFIX-}
    __ucenv_modifier=${CONDA_PROMPT_MODIFIER-}
    __ucenv_known= __ucenv_scripts= __ucenv_undecoded=
    case $__ucenv_level:$2:$__ucenv_old in
    0:* | *:stack:* | *:) \command set -- "$1" '' "$((__ucenv_level + 1))" "$2" ;;
    *)
        \command set -- "$1" "$__ucenv_old" "$((__ucenv_level + 1))" ''
        __ucenv_expect "$2/etc/conda/deactivate.d"
        ;;
    esac
    __ucenv_expect "$1/etc/conda/activate.d"
    __ucenv_read_state "$1"
    for __ucenv_n in $__ucenv_json; do __ucenv_known="$__ucenv_known $__ucenv_n __CONDA_SHLVL_${__ucenv_level}_$__ucenv_n"; done
    __ucenv_note PATH PS1 CONDA_PREFIX CONDA_SHLVL CONDA_DEFAULT_ENV CONDA_PROMPT_MODIFIER \
        "CONDA_PREFIX_$__ucenv_level" "CONDA_STACKED_$3" $__ucenv_known
    case $2 in ?*) __ucenv_each __ucenv_source_all "$2/etc/conda/deactivate.d" .sh down ;; esac
    __ucenv_swap_path "$2" "$1"
    case $__ucenv_level:$__ucenv_old in 0:* | *:) ;; *) \command export "CONDA_PREFIX_$__ucenv_level=$__ucenv_old" ;; esac
    case $4 in stack) \command export "CONDA_STACKED_$3=true" ;; esac
    case $__ucenv_level:$__ucenv_modifier:${CONDA_CHANGEPS1-} in
    [!0]*::* | *:[Ff] | *:[Ff][Aa][Ll][Ss][Ee] | *:[Nn] | *:[Nn][Oo] | *:[Oo][Ff][Ff] | *:0) __ucenv_own "$1" "$3" '' ;;
    *) __ucenv_own "$1" "$3" words ;;
    esac
    for __ucenv_n in $__ucenv_json; do
        \command eval "__ucenv_v=\$__ucenv_value_$__ucenv_n"
        case $__ucenv_v in '***unset***') \command continue ;; esac
        \command set -- "$1" "$2" "$3" "$4" "$__ucenv_v"
        __ucenv_state "$__ucenv_n"
        case $__ucenv_r in =*) __ucenv_put "__CONDA_SHLVL_${__ucenv_level}_$__ucenv_n" "$__ucenv_r" ;; esac
        __ucenv_put "$__ucenv_n" "=$5"
    done
    __ucenv_forget_state
    __ucenv_set_prompt
    if __ucenv_each __ucenv_source "$1/etc/conda/activate.d" .sh up; then
        __ucenv_open_record "$3" "$1"
        __ucenv_settle record "$3"
        case $__ucenv_undecoded in
        ?*) __ucenv_say "this shell cannot decode the value that $1 gives:$__ucenv_undecoded; left as before" || \command : ;;
        esac
    else
        \command set -- "$1" "$__ucenv_file" "$__ucenv_failed"
        __ucenv_settle back
        __ucenv_say "$2 returned $3; $1 was not activated"
    fi
}

# One level down, of a level that has a record: exactly what it recorded.
__ucenv_down() {
    __ucenv_modifier=${CONDA_PROMPT_MODIFIER-}
    __ucenv_known= __ucenv_scripts=
    __ucenv_below=$((__ucenv_level - 1))
    \command eval "__ucenv_v=\${CONDA_PREFIX_$__ucenv_below-} __ucenv_r=\${CONDA_STACKED_$__ucenv_level-}"
    \command set -- "$CONDA_PREFIX" "$__ucenv_v" "$__ucenv_r"
    __ucenv_expect "$1/etc/conda/deactivate.d"
    case $2:$3 in ?*:) __ucenv_expect "$2/etc/conda/activate.d" ;; esac
    __ucenv_note PATH PS1
    __ucenv_each __ucenv_source_all "$1/etc/conda/deactivate.d" .sh down
    __ucenv_settle half
    \command eval "__ucenv_names=\${__UCENV_${__ucenv_level}_-}"
    \command set -- "$1" "$2" "$3" "$__ucenv_names"
    __ucenv_undo "$__ucenv_level"
    __ucenv_own_below "$2"
    __ucenv_forget_copies "$1" "$4"
    __ucenv_note_also $4
    case $2:$3 in ?*:) __ucenv_each __ucenv_source_all "$2/etc/conda/activate.d" .sh up ;; esac
    __ucenv_settle revert
    __ucenv_level=$__ucenv_below
}

# The copies that an activation keeps, as conda does, of what state variables of prefix $1 overwrote. Another shell that
# made them may have no record of them: $2 are the names it recorded.
__ucenv_forget_copies() {
    if \command test -f "$1/conda-meta/state"; then
        __ucenv_read_state "$1"
        __ucenv_forget_state
        for __ucenv_n in $__ucenv_json; do
            case " $2 " in
            *" __CONDA_SHLVL_${__ucenv_below}_$__ucenv_n "*) ;;
            *) \command unset -v "__CONDA_SHLVL_${__ucenv_below}_$__ucenv_n" ;;
            esac
        done
    fi
}

# Conda's variables for the level below, whose prefix is $1.
__ucenv_own_below() {
    \command unset -v "CONDA_STACKED_$__ucenv_level" "CONDA_PREFIX_$__ucenv_below"
    case $1 in
    '')
        \command unset -v CONDA_PREFIX CONDA_DEFAULT_ENV CONDA_PROMPT_MODIFIER
        \command export "CONDA_SHLVL=$__ucenv_below"
        ;;
    *) __ucenv_own "$1" "$__ucenv_below" "$__ucenv_modifier" ;;
    esac
}

# One level down, of a level that conda or micromamba made: as conda does it. Then what its scripts left is looked for.
__ucenv_down_natively() {
    __ucenv_modifier=${CONDA_PROMPT_MODIFIER-}
    __ucenv_known= __ucenv_undecoded=
    \command set -- "${CONDA_PREFIX-}"
    case $1 in '') __ucenv_broken="CONDA_PREFIX is empty at level $__ucenv_level" ;; esac
    \command eval "__ucenv_r=\${CONDA_STACKED_$__ucenv_level-}"
    \command set -- "$1" '' "$__ucenv_r"
    __ucenv_below=$((__ucenv_level - 1))
    \command unset -v "CONDA_STACKED_$__ucenv_level"
    while \command test "$__ucenv_below" -gt 0; do
        __ucenv_prefix_of "$__ucenv_below"
        \command set -- "$1" "$__ucenv_prefix" "$3"
        case $2 in ?*) \command break ;; esac
        __ucenv_broken="CONDA_PREFIX_$__ucenv_below is missing"
        \command unset -v "CONDA_PREFIX_$__ucenv_below" "CONDA_STACKED_$__ucenv_below"
        __ucenv_below=$((__ucenv_below - 1))
    done
    case $1:$3 in
    :*) ;;
    *:) __ucenv_swap_path "$1" "$2" ;;
    *) __ucenv_swap_path "$1" '' ;;
    esac
    case $1 in
    ?*)
        __ucenv_each __ucenv_names_in_file "$1/etc/conda/activate.d" .sh up
        __ucenv_each __ucenv_source_all "$1/etc/conda/deactivate.d" .sh down
        __ucenv_read_state "$1"
        __ucenv_forget_state
        ;;
    *) __ucenv_json= ;;
    esac
    \command set -- "$1" "$2" "$3" "$__ucenv_json"
    for __ucenv_n in $4; do __ucenv_put "$__ucenv_n" -; done
    __ucenv_own_below "$2"
    __ucenv_set_prompt
    case $2 in ?*) __ucenv_set_state "$2" ;; esac
    for __ucenv_n in $4; do
        __ucenv_state "__CONDA_SHLVL_${__ucenv_below}_$__ucenv_n"
        case $__ucenv_r in -) \command continue ;; esac
        __ucenv_put "$__ucenv_n" "$__ucenv_r"
        \command unset -v "__CONDA_SHLVL_${__ucenv_below}_$__ucenv_n"
    done
    __ucenv_sweep "$1" $__ucenv_known
    case $2:$3 in ?*:) __ucenv_again "$2" ;; esac
    __ucenv_level=$__ucenv_below
}

# Run the activation scripts of prefix $1 again, as conda does on the way down. Where the level is ours, what its record
# says was given and still is there stays as it is: most scripts put a second entry in front of a list.
__ucenv_again() {
    __ucenv_topmost
    case $__ucenv_top in
    "$__ucenv_below") \command eval "__ucenv_r=\${__UCENV_${__ucenv_below}_-}" ;;
    *) __ucenv_r= ;;
    esac
    \command set -- "$1" $__ucenv_r
    __ucenv_prefix=$1
    \command shift
    __ucenv_scripts=
    __ucenv_note "$@"
    __ucenv_each __ucenv_source_all "$__ucenv_prefix/etc/conda/activate.d" .sh up
    for __ucenv_n; do
        __ucenv_is_watched "$__ucenv_n" || \command continue
        \command eval "__ucenv_old=\${$__ucenv_open$__ucenv_n$__ucenv_close:--} __ucenv_given=\${__UCENV_${__ucenv_below}G_$__ucenv_n-}
            __ucenv_before=\${__UCENV_${__ucenv_below}_$__ucenv_n:--}"
        case $__ucenv_n:$__ucenv_old in
        *":$__ucenv_given") __ucenv_put "$__ucenv_n" "$__ucenv_old" ;;
        *PATH:[=~]* | *DIRS:[=~]*)
            __ucenv_merge "$__ucenv_old" "$__ucenv_before" "$__ucenv_given" "$__ucenv_n" stale
            case $__ucenv_r in "$__ucenv_old") ;; *) __ucenv_put "$__ucenv_n" "$__ucenv_old" ;; esac
            ;;
        esac
    done
    __ucenv_unnote
}

# Set the state variables of prefix $1, without regard to what was there.
__ucenv_set_state() {
    __ucenv_read_state "$1"
    for __ucenv_n in $__ucenv_json; do
        \command eval "__ucenv_v=\$__ucenv_value_$__ucenv_n"
        case $__ucenv_v in '***unset***') ;; *) __ucenv_put "$__ucenv_n" "=$__ucenv_v" ;; esac
    done
    __ucenv_forget_state
}

# Take what points into prefix $1, which is active no more, out of the variables $2..., which its scripts set.
__ucenv_sweep() {
    \command set -- "$@"
    case $1 in '') \command return 0 ;; esac
    __ucenv_c=$__ucenv_below
    while \command test "$__ucenv_c" -gt 0; do
        \command eval "__ucenv_r=\${CONDA_PREFIX_$__ucenv_c-}"
        case $__ucenv_r in "$1") \command return 0 ;; esac
        __ucenv_c=$((__ucenv_c - 1))
    done
    case ${CONDA_PREFIX-} in "$1") \command return 0 ;; esac
    __ucenv_prefix=$1
    \command shift
    for __ucenv_n; do
        case $__ucenv_n in PATH) \command continue ;; esac
        __ucenv_is_watched "$__ucenv_n" || \command continue
        __ucenv_is_owned "$__ucenv_n" && \command continue
        __ucenv_state "$__ucenv_n"
        case $__ucenv_n:$__ucenv_r in
        *PATH:[=~]* | *DIRS:[=~]*) __ucenv_sweep_list "$__ucenv_n" "$__ucenv_prefix" ;;
        *:?"$__ucenv_prefix" | *"$__ucenv_prefix"/*) __ucenv_put "$__ucenv_n" - ;;
        esac
    done
}

# Take entries at or under directory $2 out of list variable $1, but for those it had before the load.
__ucenv_sweep_list() {
    __ucenv_state "$1"
    case $__ucenv_r in -) \command return 0 ;; esac
    \command set -- "$1" "$2" "$__ucenv_r"
    \command eval "__ucenv_before=\${__UCENV_0_$1--}"
    __ucenv_open_list "$__ucenv_before" "$1"
    __ucenv_before=$__ucenv_list
    __ucenv_open_list "$3" "$1"
    __ucenv_take_under "$2" "$__ucenv_before"
    __ucenv_close_list -
    case $__ucenv_r in "$3") ;; *) __ucenv_put "$1" "$__ucenv_r" ;; esac
}

# Down to level $1.
__ucenv_down_to() {
    while \command test "$__ucenv_level" -gt "$1"; do
        __ucenv_topmost
        case $__ucenv_top in
        "$__ucenv_level") __ucenv_down ;;
        *) __ucenv_down_natively ;;
        esac
    done
}

# The level, also where conda's own variables are broken: then as many as have a prefix.
__ucenv_find_level() {
    __ucenv_read_level && \command return 0
    __ucenv_broken="CONDA_SHLVL is no level"
    case ${CONDA_PREFIX-} in '') \command return 0 ;; esac
    while \command :; do
        __ucenv_level=$((__ucenv_level + 1))
        \command eval "__ucenv_r=\${CONDA_PREFIX_$__ucenv_level-}"
        case $__ucenv_r in '') \command break ;; esac
    done
}

# The prefix of environment $1 in __ucenv_prefix; names are looked for in directories $2 (`a:b`).
__ucenv_find() {
    case $1 in
    '') __ucenv_say "no environment '': its name is empty" || \command return ;;
    base | root) __ucenv_prefix=$__ucenv_root ;;
    */*)
        case $1 in
        /*) __ucenv_normal "$1" ;;
        *) __ucenv_normal "${PWD%/}/$1" ;;
        esac
        __ucenv_prefix=$__ucenv_r
        ;;
    *)
        __ucenv_open_list "=$2" PATH
        __ucenv_v=${__ucenv_list#:}$__ucenv_root/envs:
        while \command :; do
            case $__ucenv_v in '') __ucenv_say "no environment $1 in $2" || \command return ;; esac
            __ucenv_prefix=${__ucenv_v%%:*}/$1
            __ucenv_v=${__ucenv_v#*:}
            case $__ucenv_prefix in /*) if \command test -d "$__ucenv_prefix/conda-meta"; then \command break; fi ;; esac
        done
        __ucenv_normal "$__ucenv_prefix"
        __ucenv_prefix=$__ucenv_r
        ;;
    esac
    case $__ucenv_prefix in *:*) __ucenv_say "$__ucenv_prefix has a ':', which PATH cannot hold" || \command return ;; esac
    if \command test ! -d "$__ucenv_prefix/conda-meta"; then __ucenv_say "no environment $1: $__ucenv_prefix/conda-meta is missing"; fi
}

__ucenv_usage() {
    __ucenv_say "usage: ucenv $1" || \command return 2
}

__ucenv_do_activate() {
    __ucenv_stack= __ucenv_env=
    for __ucenv_v; do
        case $__ucenv_env:$__ucenv_v in
        *:--stack) __ucenv_stack=stack ;;
        *:--no-stack) __ucenv_stack= ;;
        *:-* | ?*:*) __ucenv_usage 'activate [--stack] [ENV]' || \command return ;;
        *) __ucenv_env==$__ucenv_v ;;
        esac
    done
    __ucenv_env=${__ucenv_env:-=base}
    \command set -- "${__ucenv_env#=}" "$__ucenv_stack"
    case ${__UCENV_LEVELS-} in '')
        __ucenv_do_load "$1"
        \command return
        ;;
    esac
    __ucenv_active_root
    __ucenv_find "$1" "${CONDA_ENVS_PATH-}" || \command return
    \command set -- "$__ucenv_prefix" "$2"
    __ucenv_forget_stale
    __ucenv_find_level
    __ucenv_climb "$1" "$2"
}

# Up to prefix $1, unless it is active.
__ucenv_climb() {
    case $__ucenv_level:${CONDA_PREFIX-} in
    0:*) ;;
    *:"$1")
        __ucenv_topmost
        case $__ucenv_top in
        "$__ucenv_level") __ucenv_down ;;
        *) \command return 0 ;;
        esac
        ;;
    esac
    __ucenv_up "$1" "$2"
}

__ucenv_do_deactivate() {
    case $#:${1-} in
    0:) ;;
    1:--all) ;;
    *) __ucenv_usage 'deactivate [--all]' || \command return ;;
    esac
    __ucenv_active_root
    __ucenv_forget_stale
    __ucenv_find_level
    case $__ucenv_level:$# in
    0:*) ;;
    *:0) __ucenv_down_to "$((__ucenv_level - 1))" ;;
    *) __ucenv_down_to 0 ;;
    esac
}

# 6 load, unload -------------------------------------------------------------------------------------------------

# The conda that this file belongs to, in __ucenv_root.
__ucenv_find_root() {
    case ${__ucenv_conda_root-} in
    ?*)
        __ucenv_root=${__ucenv_conda_root%/}
        if \command test ! -x "$__ucenv_root/bin/conda"; then
            __ucenv_say "no conda: the module's is $__ucenv_conda_root, and no bin/conda is there" || \command return
        fi
        \command return 0
        ;;
    esac
    case ${UCENV_CONDA_ROOT-} in
    ?*)
        __ucenv_root=${UCENV_CONDA_ROOT%/}
        if \command test ! -x "$__ucenv_root/bin/conda"; then
            __ucenv_say "no conda: UCENV_CONDA_ROOT is $UCENV_CONDA_ROOT, and no bin/conda is there" || \command return
        fi
        \command return 0
        ;;
    esac
    case ${__ucenv_hook-} in
    */etc/profile.d/*) __ucenv_root=${__ucenv_hook%/etc/profile.d/*} ;;
    */share/ucenv/shell/*) __ucenv_root=${__ucenv_hook%/share/ucenv/shell/*} ;;
    *) __ucenv_root= ;;
    esac
    case $__ucenv_root in ?*) if \command test -x "$__ucenv_root/bin/conda"; then \command return 0; fi ;; esac
    \command set -- "${__UCENV_0-}"
    case $1 in '')
        __ucenv_active_root
        \command set -- "$__ucenv_root"
        ;;
    esac
    __ucenv_root=$1
    if \command test -z "$1" || \command test ! -x "$1/bin/conda"; then
        __ucenv_say "no conda: set UCENV_CONDA_ROOT to the directory it is installed in"
    fi
}

__ucenv_do_load() {
    __ucenv_module= __ucenv_env= __ucenv_token= __ucenv_option= __ucenv_conda_root= __ucenv_space= __ucenv_sets=
    for __ucenv_v; do
        case $__ucenv_option:$__ucenv_v in
        --module:*) __ucenv_module=$__ucenv_v __ucenv_token=1 __ucenv_option= ;;
        --conda:*) __ucenv_conda_root=$__ucenv_v __ucenv_option= ;;
        --space:*) __ucenv_space=$__ucenv_v __ucenv_option= ;;
        --set:*=*)
            __ucenv_option=
            __ucenv_set "${__ucenv_v%%=*}" "${__ucenv_v#*=}" || __ucenv_option=usage
            ;;
        :--module | :--conda | :--space | :--set) __ucenv_option=$__ucenv_v ;;
        :--module=*) __ucenv_module=${__ucenv_v#*=} __ucenv_token=1 ;;
        *:-* | ?*:*) __ucenv_option=usage ;;
        *)
            case $__ucenv_env in ?*) __ucenv_option=usage ;; esac
            __ucenv_env==$__ucenv_v
            ;;
        esac
    done
    case $__ucenv_option:$__ucenv_token:$__ucenv_module in
    ?*:*:* | :1:) __ucenv_usage 'load [--module TOKEN] [ENV]' || \command return ;;
    esac
    case $__ucenv_token:$__ucenv_module in
    1:"${__UCENV_TOKEN-}")
        __ucenv_root=${__UCENV_0-}
        __ucenv_define_conda
        \command return
        ;;
    :) __ucenv_module=${__UCENV_TOKEN-} ;;
    esac
    __ucenv_find_root || \command return
    # A space that the module before has given is not the user's own wish.
    case ${UCENV_ROOT:+u}${__UCENV_0_UCENV_ROOT:+m}:$__ucenv_space:${SCRATCH:+s} in
    u:*) __ucenv_space=$UCENV_ROOT ;;
    *:?*:*) __ucenv_set UCENV_ROOT "$__ucenv_space" ;;
    *:s) __ucenv_space=$SCRATCH/conda_local ;;
    *) __ucenv_say 'no space for environments: set SCRATCH, or UCENV_ROOT' || \command return ;;
    esac
    case $__ucenv_space in *[:,]*) __ucenv_say "$__ucenv_space has a ':' or ',', which conda cannot take" || \command return ;; esac
    case $__ucenv_env in
    ?*) __ucenv_find "${__ucenv_env#=}" "$__ucenv_space/envs:$__ucenv_root/envs" || \command return ;;
    *) __ucenv_prefix= ;;
    esac
    \command set -- "$__ucenv_prefix" "$__ucenv_root" "$__ucenv_space" "$__ucenv_module"
    if __ucenv_fixed PATH || __ucenv_is_refused PATH; then __ucenv_say 'PATH is readonly' || \command return; fi
    case ${__UCENV_LEVELS-} in ?*) __ucenv_unload || \command return ;; esac
    __ucenv_root=$2 __ucenv_space=$3
    __ucenv_read_level || \command :
    case $__ucenv_level in 99) __ucenv_level=0 ;; esac
    __ucenv_open_record 0 "$2"
    case $4 in ?*) \command export "__UCENV_TOKEN=$4" ;; esac
    for __ucenv_n in CONDA_EXE CONDA_PYTHON_EXE CONDA_SHLVL CONDA_PREFIX CONDA_DEFAULT_ENV CONDA_PROMPT_MODIFIER _CE_M \
        _CE_CONDA _CONDA_EXE _CONDA_ROOT PATH PS1 LD_LIBRARY_PATH MANPATH CONDA_ENVS_PATH CONDA_PKGS_DIRS; do
        __ucenv_state "$__ucenv_n"
        __ucenv_record 0 "$__ucenv_n" "$__ucenv_r"
    done
    __ucenv_c=0
    while \command test "$__ucenv_c" -lt $((__ucenv_level + 10)); do
        __ucenv_c=$((__ucenv_c + 1))
        for __ucenv_n in "CONDA_PREFIX_$__ucenv_c" "CONDA_STACKED_$__ucenv_c"; do
            __ucenv_state "$__ucenv_n"
            case $__ucenv_r in -) ;; *) __ucenv_record 0 "$__ucenv_n" "$__ucenv_r" ;; esac
        done
    done
    __ucenv_names_from __CONDA_SHLVL_
    for __ucenv_n in $__ucenv_names; do
        case $__ucenv_n in __CONDA_SHLVL_*) ;; *) \command continue ;; esac
        __ucenv_state "$__ucenv_n"
        __ucenv_record 0 "$__ucenv_n" "$__ucenv_r"
    done
    __ucenv_state PATH
    __ucenv_open_list "$__ucenv_r" PATH
    case $__ucenv_list in
    *":$2/condabin:"*) ;;
    *)
        __ucenv_list=:$2/condabin$__ucenv_list
        __ucenv_close_list =
        __ucenv_put PATH "$__ucenv_r"
        ;;
    esac
    __ucenv_put CONDA_ENVS_PATH "=$3/envs:$2/envs"
    __ucenv_put CONDA_PKGS_DIRS "=$3/pkgs,$2/pkgs"
    \command export "CONDA_SHLVL=$__ucenv_level" \
        "CONDA_EXE=$2/bin/conda" "CONDA_PYTHON_EXE=$2/bin/python" "_CE_M=" "_CE_CONDA=" "_CONDA_EXE=$2/bin/conda" "_CONDA_ROOT=$2"
    for __ucenv_n in $__ucenv_sets; do
        __ucenv_state "$__ucenv_n"
        __ucenv_record 0 "$__ucenv_n" "$__ucenv_r"
        \command eval "__ucenv_r=\$__ucenv_set_$__ucenv_n"
        __ucenv_put "$__ucenv_n" "=$__ucenv_r"
    done
    __ucenv_define_conda
    \command set -- "$1" $__ucenv_sets
    __ucenv_prefix=$1
    \command shift
    __ucenv_seal 0 PATH PS1 LD_LIBRARY_PATH MANPATH CONDA_ENVS_PATH CONDA_PKGS_DIRS "$@"
    \command set -- "$__ucenv_prefix"
    case $1 in ?*)
        if __ucenv_climb "$1" ''; then \command :; else
            __ucenv_unload
            \command return 1
        fi
        ;;
    esac
}

# Keep variable $1 and value $2 until the load sets it.
__ucenv_set() {
    __ucenv_is_name "$1" || \command return
    \command eval "__ucenv_set_$1=\$2"
    __ucenv_sets="$__ucenv_sets $1"
}

# `conda`, where the user has none: conda's own, or where conda's file cannot be read by this shell, ours.
__ucenv_define_conda() {
    __ucenv_has_conda && \command return 0
    __ucenv_conda=1
    case ${KSH_VERSION+ksh} in '')
        if \command test -r "$__ucenv_root/etc/profile.d/conda.sh"; then
            \command . "$__ucenv_root/etc/profile.d/conda.sh"
            \command return
        fi
        ;;
    esac
    \command eval 'conda() {
        case ${1-} in
        activate | deactivate) __ucenv_call "$@" ;;
        *) "$CONDA_EXE" "$@" ;;
        esac
    }'
}
# Is `conda` a function or an alias? ksh93 looks into every directory of PATH whenever PATH is set, so it is asked otherwise.
__ucenv_has_conda() {
    case ${KSH_VERSION+ksh} in
    ksh) __ucenv_has_alias conda || \command typeset -f conda >/dev/null 2>&1 ;;
    *) PATH=/dev/null \command -v conda >/dev/null 2>&1 ;;
    esac
}
__ucenv_undefine_conda() {
    \command unset -f conda __conda_exe __conda_hashr __conda_activate __conda_reactivate || \command :
    \command unset -v __ucenv_conda
}

# Everything back as it was before the load.
__ucenv_unload() {
    __ucenv_active_root
    __ucenv_forget_stale
    __ucenv_find_level
    # The level before the load: 0 where it was broken, as the load took it.
    \command set -- "${__UCENV_0_CONDA_SHLVL-}"
    case $1 in
    =99) \command set -- 0 ;;
    =[0123456789] | =[123456789][0123456789]) \command set -- "${1#=}" ;;
    *) \command set -- 0 ;;
    esac
    __ucenv_down_to "$1"
    __ucenv_forget_levels "$1"
    __ucenv_undo 0
    __ucenv_names_from __UCENV_
    for __ucenv_n in $__ucenv_names; do
        case $__ucenv_n in __UCENV_*) \command unset -v "$__ucenv_n" ;; esac
    done
    case ${__ucenv_conda-} in 1) __ucenv_undefine_conda ;; esac
}

# What conda leaves of levels above $1: since 25.7 empty variables, and the copies of what its state variables overwrote.
__ucenv_forget_levels() {
    __ucenv_c=$1
    while \command test "$__ucenv_c" -lt $(($1 + 10)); do
        __ucenv_c=$((__ucenv_c + 1))
        \command unset -v "CONDA_PREFIX_$__ucenv_c" "CONDA_STACKED_$__ucenv_c"
    done
    __ucenv_names_from __CONDA_SHLVL_
    for __ucenv_n in $__ucenv_names; do
        case $__ucenv_n in __CONDA_SHLVL_[0123456789]*_*)
            __ucenv_r=${__ucenv_n#__CONDA_SHLVL_}
            __ucenv_r=${__ucenv_r%%_*}
            case $__ucenv_r in
            *[!0123456789]*) ;;
            *) if \command test "$__ucenv_r" -ge "$1"; then \command unset -v "$__ucenv_n"; fi ;;
            esac
            ;;
        esac
    done
}

__ucenv_do_unload() {
    __ucenv_module= __ucenv_token=
    for __ucenv_v; do
        case $__ucenv_module:$__ucenv_v in
        next:*) __ucenv_module=$__ucenv_v ;;
        :--module) __ucenv_module=next ;;
        :--module=*) __ucenv_module=${__ucenv_v#*=} ;;
        *:--all-names) __ucenv_token=all ;;
        *) __ucenv_usage 'unload [--module TOKEN] [--all-names]' || \command return ;;
        esac
    done
    case $__ucenv_module in
    '' | "${__UCENV_TOKEN-}") ;;
    next) __ucenv_usage 'unload [--module TOKEN] [--all-names]' || \command return ;;
    *) \command return 0 ;;
    esac
    \command set -- "$__ucenv_token"
    case ${__UCENV_LEVELS-} in
    ?*) __ucenv_unload ;;
    *) __ucenv_unload_inherited ;;
    esac
    case $1 in all) __ucenv_forget_all_names ;; esac
}

# Conda that we did not load: an activated shell that a job inherited, or `conda init`.
__ucenv_unload_inherited() {
    case ${CONDA_SHLVL+x}${CONDA_PREFIX+x}${CONDA_EXE+x}${_CONDA_ROOT+x} in '') \command return 0 ;; esac
    __ucenv_active_root
    __ucenv_find_level
    \command set -- "$__ucenv_root"
    __ucenv_c=0
    while \command test "$__ucenv_c" -lt "$__ucenv_level"; do
        __ucenv_c=$((__ucenv_c + 1))
        __ucenv_prefix_of "$__ucenv_c"
        \command set -- "$@" "$__ucenv_prefix"
    done
    __ucenv_down_to 0
    __ucenv_forget_levels 0
    for __ucenv_n in CONDA_ENVS_PATH CONDA_ENVS_DIRS CONDA_PKGS_DIRS; do __ucenv_forget_dirs "$__ucenv_n" "$1"; done
    for __ucenv_file; do
        case $__ucenv_file in '') \command continue ;; esac
        for __ucenv_n in PATH LD_LIBRARY_PATH MANPATH; do __ucenv_sweep_list "$__ucenv_n" "$__ucenv_file"; done
    done
    \command unset -v CONDA_EXE CONDA_PYTHON_EXE CONDA_SHLVL CONDA_PREFIX CONDA_DEFAULT_ENV CONDA_PROMPT_MODIFIER _CE_M _CE_CONDA \
        _CONDA_EXE _CONDA_ROOT
    __ucenv_has_alias conda || __ucenv_undefine_conda
}

# Variable $1 goes if every entry of it is under conda root $2 or the user's space.
__ucenv_forget_dirs() {
    __ucenv_state "$1"
    case $__ucenv_r in -) \command return 0 ;; esac
    __ucenv_open_list "$__ucenv_r" "$1"
    __ucenv_take_under "${2:-/dev/null}" ''
    case ${UCENV_ROOT:+u}${SCRATCH:+s} in
    u*) __ucenv_take_under "$UCENV_ROOT" '' ;;
    s) __ucenv_take_under "$SCRATCH/conda_local" '' ;;
    esac
    case $__ucenv_list in "$__ucenv_s") \command unset -v "$1" ;; esac
}

# Every exported name with CONDA in it, and say which.
__ucenv_forget_all_names() {
    if __ucenv_lists; then \command :; else
        __ucenv_say 'this shell cannot list its variables: --all-names did nothing'
        \command return
    fi
    __ucenv_exports
    __ucenv_v=
    for __ucenv_n in $__ucenv_names; do
        case $__ucenv_n in *CONDA*)
            \command unset -v "$__ucenv_n"
            __ucenv_v="$__ucenv_v $__ucenv_n"
            ;;
        esac
    done
    case $__ucenv_v in ?*) __ucenv_say "unset:$__ucenv_v" || \command : ;; esac
}

# 7 ucenv --------------------------------------------------------------------------------------------------------

ucenv_load() { __ucenv_call load "$@"; }
ucenv_activate() { __ucenv_call activate "$@"; }
ucenv_deactivate() { __ucenv_call deactivate "$@"; }
ucenv_unload() { __ucenv_call unload "$@"; }

ucenv() {
    case ${1-} in
    load | activate | deactivate | unload) __ucenv_call "$@" ;;
    *) __ucenv_program "$@" ;;
    esac
}

# A module that brought these words takes them along. (mksh ends at the first that it does not have.)
__ucenv_forget_words() {
    for __ucenv_n in __ucenv_active_root __ucenv_again __ucenv_as_before __ucenv_assign __ucenv_assign_plain __ucenv_bytes \
        __ucenv_call __ucenv_character __ucenv_climb __ucenv_close_list __ucenv_compare __ucenv_copy \
        __ucenv_counts __ucenv_default_env __ucenv_define_conda __ucenv_do_activate __ucenv_do_deactivate \
        __ucenv_do_load __ucenv_do_unload __ucenv_down __ucenv_down_natively __ucenv_down_to __ucenv_drop \
        __ucenv_each __ucenv_expect __ucenv_exported __ucenv_exports __ucenv_find __ucenv_find_level \
        __ucenv_find_root __ucenv_fixed __ucenv_forget_all_names __ucenv_forget_copies __ucenv_forget_dirs \
        __ucenv_forget_levels __ucenv_forget_stale __ucenv_forget_state __ucenv_forget_words __ucenv_glob \
        __ucenv_has_alias __ucenv_has_conda __ucenv_is_name __ucenv_is_nested __ucenv_is_owned \
        __ucenv_is_refused __ucenv_is_watched __ucenv_json_code __ucenv_json_string __ucenv_keep __ucenv_line_up \
        __ucenv_lists __ucenv_locale __ucenv_locale_back __ucenv_merge __ucenv_names_from __ucenv_names_in_file \
        __ucenv_next __ucenv_normal __ucenv_note __ucenv_note_also __ucenv_open_list __ucenv_open_record \
        __ucenv_own __ucenv_own_below __ucenv_parameters __ucenv_prefix_of __ucenv_program __ucenv_put \
        __ucenv_read __ucenv_read_json __ucenv_read_level __ucenv_read_state __ucenv_record __ucenv_replace \
        __ucenv_say __ucenv_seal __ucenv_set __ucenv_set_prompt __ucenv_set_state __ucenv_settle __ucenv_slots \
        __ucenv_source __ucenv_source_all __ucenv_state __ucenv_state_value __ucenv_swap_path __ucenv_sweep \
        __ucenv_sweep_list __ucenv_take_under __ucenv_topmost __ucenv_undefine_conda __ucenv_undo \
        __ucenv_undo_name __ucenv_undo_prompt __ucenv_unload __ucenv_unload_inherited __ucenv_unmark \
        __ucenv_unnote __ucenv_up __ucenv_usage __ucenv_where ucenv ucenv_activate ucenv_deactivate ucenv_load \
        ucenv_unload; do
        \command unset -f "$__ucenv_n"
    done
    \command unset -v __ucenv_n __ucenv_brought __ucenv_hook
}

# The command, of the conda that is loaded or that this file belongs to, else the one on PATH.
__ucenv_program() {
    case ${ZSH_VERSION-} in ?*) \builtin emulate -L sh ;; esac
    __ucenv_root=${__UCENV_0:-${UCENV_CONDA_ROOT-}}
    case $__ucenv_root:${__ucenv_hook-} in
    :*/etc/profile.d/*) __ucenv_root=${__ucenv_hook%/etc/profile.d/*} ;;
    :*/share/ucenv/shell/*) __ucenv_root=${__ucenv_hook%/share/ucenv/shell/*} ;;
    esac
    \command set -- "$__ucenv_root" "$@"
    \command unset -v __ucenv_root
    if \command test -x "${1:-/dev/null}/bin/ucenv"; then
        __ucenv_r=$1/bin/ucenv
        \command shift
        \command set -- "$__ucenv_r" "$@"
        \command unset -v __ucenv_r
        "$@"
    else
        \command shift
        \command ucenv "$@"
    fi
}

# A mark of a script that runs, or was ended by a Ctrl-C, is this shell's only if it stands there now: none is inherited.
__ucenv_unmark() {
    case ${ZSH_VERSION-} in ?*) \builtin emulate -L sh ;; esac
    __ucenv_is_nested || \command unset -v __ucenv_inside
    \command unset -v __ucenv_r
}
__ucenv_unmark

case ${__ucenv_flags-} in
a)
    \command unset -v __ucenv_flags
    \command set -a
    ;;
esac
