#!/usr/bin/env bash
# Counts stack traffic inside the loops of the matmul kernels: disassembles them as the JIT compiles them during a short bench run and
# lists, per method, the vector moves to or from the stack that lie between a loop's head and its backward jump.
# usage: bench/spills.sh [--isa Avx2] (passed on to the bench); exits 1 when a loop spills a vector.
set -euo pipefail
cd "$(dirname "$0")/.."
dotnet build -c Release bench/Exo.Bench --nologo -v quiet
listing=$(mktemp)
trap 'rm -f "$listing"' EXIT
export DOTNET_JitStdOutFile="$listing" DOTNET_JitDisasmDiffable=1
export DOTNET_JitDisasm='*.FloatStreams:* *.FloatTiles*:* *.FloatPairs*:* *.IntFourStreams:* *.IntStreams:* *.IntTiles*:* *.IntDirect*:*'
dotnet bench/Exo.Bench/bin/Release/net10.0/Exo.Bench.dll matmul --shape 135m --test decode batch prefill "$@" > /dev/null
awk '
    /^; Assembly listing for method/ { finish(); method = $6; sub(/.*listing for method /, ""); method = $0; numLines = 0; next }
    /^G_M[0-9a-z_]+:/ || /^G_M.*IG[0-9]+:/ { label = $1; sub(/:.*/, "", label); at[method, label] = numLines; next }
    { line[++numLines] = $0 }
    END { finish(); exit bad }
    function finish(   i, target, first, j, spills) {
        if (method == "") return
        delete inLoop
        for (i = 1; i <= numLines; i++)
            if (match(line[i], /^ +j[a-z]+ +(SHORT )?G_M[0-9a-zA-Z_]+/)) {
                target = line[i]; sub(/^ +j[a-z]+ +(SHORT )?/, "", target); sub(/[ ;].*/, "", target)
                if ((method, target) in at && at[method, target] < i)
                    for (j = at[method, target] + 1; j <= i; j++) inLoop[j] = 1
            }
        spills = 0
        for (j in inLoop) if (line[j] ~ /[xyz]mm/ && line[j] ~ /\[(rsp|rbp)/) spills++
        printf "%4d  %s\n", spills, method
        if (spills > 0) bad = 1
    }' "$listing"
