#!/usr/bin/env bash
# Every model, and that the checker does find what it is for: mutants of the sources with a fence or
# an order gone, each of which some model must catch.
set -u
cd "$(dirname "$0")/../.."
{
    build/model/model
    tests/mutants/run.py "fence" "without release" "without acquire"
} | awk '
    /^[0-9]+ passed, [0-9]+ failed$/ { passed += $1; failed += $3; parts++; next }
    { print; fflush() }
    END {
        if (parts != 2) { print "FAIL a part of the models did not end"; failed++ }
        print passed + 0 " passed, " failed + 0 " failed"
        exit failed > 0
    }'
