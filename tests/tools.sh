#!/bin/bash
# Installs the system packages that the tests use, where they are missing and we may (root, apt-get).
# Otherwise it names them and goes on: the tests that need them say so and skip. With CI=true a missing one is an error.
set -euo pipefail

PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin # an ordinary user's PATH lacks them

# package | a command that succeeds where what we use of the package is there
tools='
acl           | command -v setfacl
ash           | command -v ash
attr          | command -v setfattr
btrfs-progs   | command -v mkfs.btrfs
busybox       | command -v busybox
e2fsprogs     | command -v mkfs.ext4
fish          | command -v fish
fuse3         | command -v fusermount3
gcc           | command -v gcc
ksh93u+m      | command -v ksh
libc6-dev     | echo "#include <stdio.h>" | gcc -x c -E -o /dev/null -
libfuse3-dev  | pkg-config --exists fuse3
mksh          | command -v mksh
mount         | command -v losetup
passwd        | command -v useradd
pkg-config    | command -v pkg-config
procps        | command -v sysctl
shellcheck    | command -v shellcheck
shfmt         | command -v shfmt
strace        | command -v strace
tcsh          | command -v tcsh
util-linux    | command -v setpriv
xfsprogs      | command -v mkfs.xfs
zsh           | command -v zsh
'

missing_packages() {
    local package check
    while IFS='|' read -r package check; do
        package=${package// /}
        [ -z "$package" ] || bash -c "$check" >/dev/null 2>&1 || echo "$package"
    done <<<"$tools"
}

mapfile -t missing < <(missing_packages)
[ ${#missing[@]} -gt 0 ] || exit 0

if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "tools: installing ${missing[*]}"
    log=$(mktemp "${TMPDIR:-/tmp}/ucenv-apt.XXXXXX")
    trap 'rm -f "$log"' EXIT
    export DEBIAN_FRONTEND=noninteractive
    {
        apt-get update -qq
        apt-get install -qq -y --no-install-recommends "${missing[@]}"
    } >"$log" 2>&1 </dev/null || tail -n 20 "$log" >&2
    mapfile -t missing < <(missing_packages)
    [ ${#missing[@]} -gt 0 ] || exit 0
fi

echo "tools: missing ${missing[*]} (as root: apt-get install ${missing[*]}); the tests that need them are skipped" >&2
[ "${CI:-}" != true ]
