#!/bin/sh
# Builds tests/sys/both.c without a libc and on one, for each architecture and compiler here,
# and compares what each says. One line for each check, then "N passed, N failed".
cd "$(dirname "$0")/../.." || exit 1
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
passed=0 failed=0
host=$(uname -m)

report() { # name, status
    if [ "$2" = 0 ]; then
        passed=$((passed + 1)); echo "ok   $1"
    else
        failed=$((failed + 1)); echo "FAIL $1"
    fi
}

# build NAME TARGET [make variables]: leaves the target in $binary
build() {
    name=$1 binary=$2; shift 2
    make -s WERROR=-Werror "$@" "$binary" >"$work/$name.log" 2>&1
    status=$?
    [ $status = 0 ] || head -20 "$work/$name.log"
    report "$name: builds" $status
    return $status
}

# run NAME [emulator]: with known arguments and environment (one variable: qemu-user reorders them)
run() {
    name=$1; shift
    env -i ONE=1 "$@" "$binary" first 'two words' '' >"$work/$name.txt" 2>"$work/$name.err"
    report "$name: nothing wrong" $?
    grep WRONG "$work/$name.txt"
    return 0
}

agree() { # NAME: its transcript is the hosted one's
    [ -s "$work/hosted.txt" ] && diff "$work/hosted.txt" "$work/$1.txt"
    report "$1: says the same as hosted" $?
}

dies() { # NAME [emulator]: the guard page stops a thread that runs over its stack
    name=$1; shift
    { sh -c 'ulimit -c 0; "$@"; exit $?' sh "$@" "$binary" overflow; } >/dev/null 2>&1
    [ $? = 139 ]
    report "$name: stack overflow is trapped" $?
}

# overrun NAME STATUS [emulator]: the stack protector ends it, and says so, on each kind of thread
overrun() {
    name=$1 trap=$2; shift 2
    for where in overrun overrun-thread; do
        { sh -c 'ulimit -c 0; "$@"; exit $?' sh "$@" "$binary" $where; } 2>"$work/$where.err"
        [ $? = "$trap" ] && grep -q '^stack overrun: stopped$' "$work/$where.err"
        report "$name: $where is stopped" $?
    done
}

# pie NAME: position independent, and none of its pages to be written and executed
pie() {
    readelf -hlW "$binary" >"$work/elf.txt" && grep -q 'Type:.*DYN' "$work/elf.txt" &&
        grep -q GNU_RELRO "$work/elf.txt" && grep -q 'GNU_STACK.* RW ' "$work/elf.txt" &&
        ! grep -Eq 'DYNAMIC|INTERP|RWE' "$work/elf.txt"
    report "$1: is a static PIE" $?
}

if build hosted build/hosted/tests/both; then
    run hosted
    [ "$(wc -l <"$work/hosted.txt")" -gt 100 ]
    report "hosted: the transcript is whole" $?
    dies hosted
fi
build hosted-asan build/hosted-asan/tests/both SAN=asan && run hosted-asan && agree hosted-asan
build hosted-tsan build/hosted-tsan/tests/both SAN=tsan && run hosted-tsan && agree hosted-tsan

native() { # NAME: what holds for each build that runs on this machine without a libc
    run "$1"
    agree "$1"
    dies "$1"
    [ "$("$binary" vdso)" = outside ]
    report "$1: the clock is the vDSO's" $?
    pie "$1"
    overrun "$1" 132
}

build free build/tests/both && native free
build free-debug build/debug/tests/both DEBUG=1 && native free-debug

clang_warn='-std=gnu17 -Wall -Wextra -Wno-unused-parameter -Wno-ignored-optimization-argument'
if command -v clang >/dev/null; then
    build free-clang "build/clang/tests/both" OUT=build/clang CC=clang LTO= WARN="$clang_warn" &&
        native free-clang
    build hosted-clang build/hosted-clang/tests/both HOUT=build/hosted-clang CC=clang \
        WARN="$clang_warn" && run hosted-clang && agree hosted-clang
else
    echo "skip clang: not installed"
fi

arm=aarch64-linux-gnu
if [ "$host" = aarch64 ] || ! command -v $arm-gcc >/dev/null ||
    ! command -v qemu-aarch64 >/dev/null; then
    echo "skip aarch64: needs $arm-gcc and qemu-aarch64 on another machine"
else
    # qemu-user has no openat2 in all versions; there the calls say ENOSYS and nothing is compared.
    plain="$work/hosted.all"
    emulated() {
        run "$1" qemu-aarch64
        if grep -q '^openat2.*ENOSYS' "$work/$1.txt"; then
            cp "$work/hosted.txt" "$plain"
            sed -i '/^openat2/d' "$work/$1.txt" "$work/hosted.txt"
            agree "$1"
            cp "$plain" "$work/hosted.txt"
        else
            agree "$1"
        fi
        dies "$1" qemu-aarch64
        pie "$1"
        overrun "$1" 133 qemu-aarch64
        { sh -c 'ulimit -c 0; "$@"; exit $?' sh qemu-aarch64 -cpu max "$binary" land; } 2>/dev/null
        [ $? = 132 ]
        report "$1: code is entered where it says it may be" $?
    }
    build aarch64 build/aarch64/tests/both ARCH=aarch64 && emulated aarch64
    build aarch64-debug build/aarch64/debug/tests/both ARCH=aarch64 DEBUG=1 &&
        emulated aarch64-debug
    command -v clang >/dev/null &&
        build aarch64-clang build/clang-aarch64/tests/both OUT=build/clang-aarch64 \
            ARCH=aarch64 LTO= \
            FREE_CC="clang --target=$arm" WARN="$clang_warn" && emulated aarch64-clang
fi

# Tasks and fibers: tests/sys/tasks.c.
like_hosted() { # NAME [emulator]
    name=$1
    run "$@"
    [ -s "$work/tasks.txt" ] && diff "$work/tasks.txt" "$work/$name.txt"
    report "$name: says the same as hosted" $?
}

if build tasks build/hosted/tests/tasks; then
    run tasks
    dies tasks
fi
build tasks-asan build/hosted-asan/tests/tasks SAN=asan && like_hosted tasks-asan
build tasks-tsan build/hosted-tsan/tests/tasks SAN=tsan && like_hosted tasks-tsan
build tasks-free build/tests/tasks && like_hosted tasks-free && dies tasks-free
build tasks-free-debug build/debug/tests/tasks DEBUG=1 && like_hosted tasks-free-debug
if [ "$host" != aarch64 ] && command -v $arm-gcc >/dev/null && command -v qemu-aarch64 >/dev/null
then
    build tasks-aarch64 build/aarch64/tests/tasks ARCH=aarch64 &&
        like_hosted tasks-aarch64 qemu-aarch64 && dies tasks-aarch64 qemu-aarch64
fi

echo "$passed passed, $failed failed"
[ $failed = 0 ]
