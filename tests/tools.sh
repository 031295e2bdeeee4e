#!/bin/bash
# Installs the system packages that the tests use, where they are missing and we may (root, apt-get).
# Otherwise it names them and goes on: the tests that need them say so and skip. With CI=true a missing one is an error.
set -euo pipefail

cd "$(dirname "$0")/.."
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin # an ordinary user's PATH lacks them

# package | a command that succeeds where what we use of the package is there
tools='
acl           | command -v setfacl
ash           | command -v ash
attr          | command -v setfattr
btrfs-progs   | command -v mkfs.btrfs
busybox       | command -v busybox
cpio          | command -v cpio
e2fsprogs     | command -v mkfs.ext4
fish          | command -v fish
fuse3         | command -v fusermount3
gcc           | command -v gcc
ksh93u+m      | command -v ksh
libc6-dev     | echo "#include <stdio.h>" | gcc -x c -E -o /dev/null -
libfuse3-dev  | pkg-config --exists fuse3
lua-filesystem | lua5.3 -e "require(\"lfs\")"
lua-json      | lua5.3 -e "require(\"json\")"
lua-posix     | lua5.3 -e "require(\"posix\")"
lua-term      | lua5.3 -e "require(\"term\")"
lua5.3        | command -v lua5.3
mksh          | command -v mksh
mount         | command -v losetup
passwd        | command -v useradd
pkg-config    | command -v pkg-config
procps        | command -v sysctl
rpm           | command -v rpmbuild
shellcheck    | command -v shellcheck
shfmt         | command -v shfmt
strace        | command -v strace
tcl8.6        | command -v tclsh8.6
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

# The two module systems exclude each other: neither is installed, both are unpacked. Needs no root.
unpack_module_systems() {
    local package file
    for package in lmod environment-modules; do
        if [ -e "build/$package/usr" ] || ! command -v apt-get >/dev/null; then continue; fi
        echo "tools: unpacking $package"
        rm -rf "build/$package" && mkdir -p "build/$package"
        (cd "build/$package" && apt-get download -qq "$package" && for file in *.deb; do dpkg -x "$file" .; done) \
            >"build/$package.log" 2>&1 </dev/null || tail -n 5 "build/$package.log" >&2
    done
    [ -e build/lmod/usr ] && [ -e build/environment-modules/usr ]
}

mapfile -t missing < <(missing_packages)
if [ ${#missing[@]} = 0 ] && unpack_module_systems; then exit 0; fi

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
fi
if ! unpack_module_systems; then
    echo "tools: no lmod, no environment-modules (apt-get download); the tests of modulefiles are skipped" >&2
    [ "${CI:-}" != true ] || exit 1
fi
[ ${#missing[@]} -gt 0 ] || exit 0

echo "tools: missing ${missing[*]} (as root: apt-get install ${missing[*]}); the tests that need them are skipped" >&2
[ "${CI:-}" != true ]
