#!/usr/bin/env bash
# Do vectors leave the registers inside the loops of the kernels? Runs the contract tests of the kernels, which call the kernels of every
# instruction set of this machine, lists what the JIT compiles, and counts in each kernel's loops the vector instructions that write to the
# stack or read from it. A line a kernel:
#   SPILLS  a vector is written to the stack in an inner loop (no loop in it, and no call)
#   reload  an inner loop only reads one: a constant or the like that no register was left for
#   around  only loops around inner ones, or loops with calls, touch the stack
#   clean   nothing of this
# Packing weights happens once, at load, and is not looked at. Exits 1 where a kernel spills, 2 where kernels are missing.
# Usage: bench/spills.sh [-v]     (-v: the instructions too)
set -euo pipefail
cd "$(dirname "$0")/.."
verbose=0
if [ "${1:-}" == -v ]; then verbose=1; fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
dotnet build -c Release tests/campaigns/kernels-run.cs --artifacts-path "$work/build" -o "$work/run" --nologo -v quiet >&2
matmul='*.Float*:* *.Int*:* *.PanelUnpacker:* *.LeafStack:* *.ActivationPieces:* *.Int8Blocks:*'
attention='*.Tile`3:* *.BlockSoftmax`2:* *.KvBlocks`2:* *.Segment*:*'
others='Exo.Kernels.Cpu.*Op:*' # experts, routes, elementwise

# Threads that compile at once write into each other's listings: whole listings are kept, until a run or two gave one of every method.
for attempt in 1 2 3 4 5; do
    DOTNET_TieredCompilation=0 DOTNET_JitStdOutFile="$work/listing.$attempt" DOTNET_JitDisasmDiffable=1 \
        DOTNET_JitDisasm="$matmul $attention $others" \
        timeout 300 "$work/run/kernels-run" Contract.Cpu CpuAttention >"$work/tests" || { cat "$work/tests"; exit 2; }
    awk '
        /^; Assembly listing for method/ { if (open++ == 0) { text = ""; isWhole = 1 } else isWhole = 0 }
        open > 0 { text = text $0 "\n" }
        /^; Total bytes of code/ { if (--open == 0 && isWhole) printf "%s", text }' "$work/listing.$attempt" >>"$work/listings"
    grep -h '^; Assembly listing for method .*(FullOpts)$' "$work"/listing.* | sort -u >"$work/methods"
    grep '^; Assembly listing for method' "$work/listings" | sort -u | comm -23 "$work/methods" - >"$work/broken"
    if [ ! -s "$work/broken" ]; then break; fi
done
if [ -s "$work/broken" ]; then echo "no whole listing of:"; cat "$work/broken"; exit 2; fi

# What the table of products names must have been compiled, by classes: not every height of a tile is needed on every machine.
classes=$(grep -o '&[A-Za-z0-9]*\.' src/Exo.Kernels/Cpu/MatMul/KernelTable.cs | tr -d '&.' | sort -u)
grep -q avx512bw /proc/cpuinfo || { classes=$(grep -v 512 <<<"$classes"); echo "This machine has no AVX-512: its kernels were not compiled."; }
for class in $classes BlockSoftmax Tile KvBlocks Segment ExpertSumOp RouteOp; do
    grep -q "\.$class[\`:]" "$work/methods" || { echo "no kernel of $class was compiled"; exit 2; }
done

awk -v verbose="$verbose" '
    /^; Assembly listing for method/ {
        finish(); method = $0; numLines = 0; delete at
        sub(/.*listing for method /, "", method); sub(/\([^()]*\)[^()]*\(FullOpts\).*/, "", method)
        gsub(/Exo\.Kernels\.(Cpu\.|Numerics\.)?|System\.Runtime\.Intrinsics\.|`[0-9]/, "", method)
        if (method ~ /Packer|Xunit/ || method in seen) method = ""
        seen[method] = 1
        next
    }
    /^G_M[0-9]+_IG[0-9]+:/ { label = $1; sub(/:.*/, "", label); at[label] = numLines; next }
    { line[++numLines] = $0 }
    END {
        finish()
        printf "%d kernels with loops: %d spill, %d reload, %d touch the stack around inner loops, %d are clean\n",
            kernels, count["SPILLS"], count["reload"], count["around"], count["clean"]
        exit count["SPILLS"] > 0
    }

    # A loop is what lies between a label and a jump back to it.
    function finish(   i, j, k, n, target, depth, isInner, isInnerLoop, writes, reads, outer, vectors, verdict, shown) {
        if (method == "") return
        n = writes = reads = outer = vectors = 0
        for (i = 1; i <= numLines; i++)
            if (line[i] ~ /^ +j[a-z]+ +(SHORT )?G_M/) {
                target = line[i]; sub(/^ +j[a-z]+ +(SHORT )?/, "", target); sub(/[ ;].*/, "", target)
                if (target in at && at[target] < i) { n++; head[n] = at[target] + 1; tail[n] = i }
            }
        for (k = 1; k <= n; k++) {
            isInnerLoop[k] = 1
            for (i = 1; i <= n; i++)
                if (head[i] >= head[k] && tail[i] <= tail[k] && (head[i] > head[k] || tail[i] < tail[k])) isInnerLoop[k] = 0
            for (j = head[k]; j <= tail[k]; j++) if (line[j] ~ /^ +call /) isInnerLoop[k] = 0
        }
        shown = ""
        for (j = 1; j <= numLines; j++) {
            if (line[j] !~ /[xyz]mm/) continue
            depth = isInner = 0
            for (k = 1; k <= n; k++)
                if (j >= head[k] && j <= tail[k]) { depth++; if (isInnerLoop[k]) isInner = 1 }
            if (depth == 0) continue
            vectors++
            if (line[j] !~ /\[(rsp|rbp)/) continue
            if (!isInner) outer++; else if (line[j] ~ /ptr \[[^\]]*\], /) writes++; else reads++
            shown = shown (isInner ? "    inner " : "    around") line[j] "\n"
        }
        if (vectors == 0) return
        verdict = writes > 0 ? "SPILLS" : reads > 0 ? "reload" : outer > 0 ? "around" : "clean"
        kernels++
        count[verdict]++
        printf "%-7s %d written and %d read in inner loops, %d around, of %d vector instructions in %d loops: %s\n",
            verdict, writes, reads, outer, vectors, n, method
        if (verbose) printf "%s", shown
    }' "$work/listings"
