// exo bench beside llama.cpp on the same weights: alternating runs, each a process of its own, medians and ratios at the end.
// See README.md in the folder above. Rounds are appended to a file, so that they can be taken in slices.
import {execFileSync} from "node:child_process";
import {cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync} from "node:fs";
import os from "node:os";
import path from "node:path";
import {fileURLToPath} from "node:url";
import {parseArgs} from "node:util";

const here = path.dirname(fileURLToPath(import.meta.url));
const processTimeoutMs = 15 * 60_000;
const maxOthersShare = 0.1; // a run beside busier neighbours says nothing about either side
const maxAttempts = 3;
const {values: options} = parseArgs({
    options: {
        exo: {type: "string"},
        model: {type: "string"},
        gguf: {type: "string"},
        label: {type: "string"},
        rounds: {type: "string", default: "5"},
        threads: {type: "string", default: "2"},
        prompt: {type: "string", default: "512"},
        generate: {type: "string", default: "128"},
        append: {type: "string"}
    }
});
for (const name of ["exo", "model", "gguf"]) if (options[name] == null) throw new Error(`--${name} is required`);

const model = path.resolve(options.model), gguf = path.resolve(options.gguf);
const prompt = Number(options.prompt), generate = Number(options.generate), threads = Number(options.threads);
const tests = `pp${prompt},tg${generate}`;
const vocabulary = JSON.parse(readFileSync(path.join(model, "config.json"), "utf8")).vocab_size;

const scratch = mkdtempSync(path.join(os.tmpdir(), "exo-peers-"));
process.on("exit", () => rmSync(scratch, {recursive: true, force: true}));

/** Folders of llama.cpp's binary by variant: its best, and the AVX2 one where the processor has more. */
function variants() {
    const platform = `${process.platform === "darwin" ? "mac" : process.platform === "win32" ? "win" : "linux"}-${process.arch}${process.platform === "darwin" && process.arch === "arm64" ? "-metal" : ""}`;
    const binaries = path.join(here, "node_modules", "@node-llama-cpp", platform, "bins", platform);
    if (!existsSync(binaries)) throw new Error(`${path.relative(here, binaries)}: not found; npm install first`);
    const flags = existsSync("/proc/cpuinfo") ? readFileSync("/proc/cpuinfo", "utf8") : "";
    if (!/\bavx512f\b/.test(flags)) return {best: binaries};
    const avx2 = path.join(scratch, "avx2");
    mkdirSync(avx2);
    for (const file of readdirSync(binaries))
        if (!file.startsWith("libggml-cpu-") || file === "libggml-cpu-haswell.so") cpSync(path.join(binaries, file), path.join(avx2, file), {recursive: true});
    return {avx2, best: binaries};
}

/** Seconds of processor time: of everything on the machine, and of the processes that this one has waited for. Linux only. */
function processorTime() {
    if (!existsSync("/proc/stat")) return {all: 0, ours: 0};
    const ticksPerSecond = 100;
    const [user, nice, system, , , irq, softirq, steal] = readFileSync("/proc/stat", "utf8").split("\n")[0].trim().split(/\s+/).slice(1).map(Number);
    const own = readFileSync("/proc/self/stat", "utf8").replace(/^.*\) /, "").split(" ").slice(11, 15).map(Number);
    return {all: (user + nice + system + irq + softirq + steal) / ticksPerSecond, ours: own.reduce((sum, value) => sum + value) / ticksPerSecond};
}

/** Runs a process that prints JSON; adds the share of the machine that others took meanwhile. Tries again where that was much. */
function run(command, args) {
    let attempt;
    for (let i = 0; i < maxAttempts; i++) {
        attempt = runOnce(command, args);
        if (attempt.othersShare <= maxOthersShare) return attempt;
        console.error(`run again: other processes took ${(attempt.othersShare * 100).toFixed(0)}% of the machine`);
    }
    return attempt;
}

function runOnce(command, args) {
    const before = processorTime(), start = performance.now();
    const result = JSON.parse(execFileSync(command, args, {timeout: processTimeoutMs, maxBuffer: 1 << 26, stdio: ["ignore", "pipe", "inherit"]}).toString());
    const after = processorTime(), seconds = (performance.now() - start) / 1e3;
    const others = after.all - before.all - (after.ours - before.ours);
    return {result, othersShare: Math.max(0, others / seconds / os.availableParallelism())};
}

const exoCommand = options.exo.endsWith(".dll") ? ["dotnet", [path.resolve(options.exo)]] : [path.resolve(options.exo), []];

function ours() {
    const {result: rows, othersShare} = run(
        exoCommand[0], [...exoCommand[1], "bench", model, "--tests", tests, "-r", "1", "--threads", `${threads}`, "--json"]);
    const one = (row) => ({
        tokensPerSecond: row.tokensPerSecond,
        shareOfLimit: row.shareOfLimit,
        limit: row.limit,
        limitGigabytesPerSecond: row.samples[0].limitGigabytesPerSecond,
        limitGigaflopsPerSecond: row.samples[0].limitGigaflopsPerSecond
    });
    return {rows, prefill: one(rows[0]), decode: one(rows[1]), loadSeconds: rows[0].loadSeconds, othersShare};
}

function theirs(folder) {
    const {result, othersShare} = run(
        process.execPath, [path.join(here, "llama.mjs"), folder, gguf, ...[vocabulary, threads, prompt, generate].map(String)]);
    return {...result, othersShare};
}

function median(values) {
    const sorted = [...values].sort((a, b) => a - b), middle = sorted.length >> 1;
    return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** Medians; ratios are medians of the rounds' ratios, because a shared machine drifts from round to round. */
function summarize(rounds) {
    const summary = {rounds: rounds.length};
    for (const phase of ["prefill", "decode"]) {
        summary[phase] = {
            exo: median(rounds.map((round) => round.exo[phase].tokensPerSecond)),
            shareOfLimit: median(rounds.map((round) => round.exo[phase].shareOfLimit))
        };
        for (const variant of Object.keys(rounds[0].llama)) {
            summary[phase][variant] = median(rounds.map((round) => round.llama[variant][phase]));
            summary[phase][`ratioTo_${variant}`] = median(rounds.map((round) => round.exo[phase].tokensPerSecond / round.llama[variant][phase]));
        }
    }
    return summary;
}

function circumstances(rows, llama) {
    const row = rows[0];
    const llamaOf = (key) => Object.fromEntries(Object.entries(llama).map(([variant, result]) => [variant, result[key]]));
    return {
        label: options.label ?? path.basename(model),
        machine: {
            cpu: row.cpu, cores: os.availableParallelism(), memoryBytes: os.totalmem(), lastLevelCacheBytes: row.lastLevelCacheBytes,
            features: row.cpuFeatures, featuresNotExposedByDotnet: row.cpuFeaturesNotExposed, system: `${os.type()} ${os.release()}`
        },
        settings: {threads, promptTokens: prompt, generatedTokens: generate, batch: 512},
        exo: {
            version: row.version, weightFormat: row.weightFormat, activations: row.activations, kvType: row.kvType, instructionSet: row.instructionSet,
            allocatedBytesPerToken: rows.map((one) => one.allocatedBytesPerToken), notes: row.notes.filter((note) => !note.includes("rounds"))
        },
        llama: {
            nodeLlamaCpp: JSON.parse(readFileSync(path.join(here, "node_modules", "node-llama-cpp", "package.json"), "utf8")).version,
            ...JSON.parse(readFileSync(path.join(here, "node_modules", "node-llama-cpp", "llama", "llama.cpp.info.json"), "utf8")),
            kvType: "F16", flashAttention: "auto", modelDescription: Object.values(llama)[0].modelDescription, systemInfo: llamaOf("systemInfo")
        }
    };
}

const earlier = options.append != null && existsSync(options.append) ? JSON.parse(readFileSync(options.append, "utf8")) : {rounds: []};
const allRounds = earlier.rounds;
const folders = variants();
let result;
for (let i = 0; i < Number(options.rounds); i++) {
    const exo = ours();
    const llama = Object.fromEntries(Object.entries(folders).map(([variant, folder]) => [variant, theirs(folder)]));
    const others = Math.max(exo.othersShare, ...Object.values(llama).map((one) => one.othersShare));
    if (others > maxOthersShare) {
        console.error("the round is dropped");
        continue;
    }
    const {rows, ...sample} = exo;
    allRounds.push({
        date: new Date().toISOString(),
        exo: sample,
        llama: Object.fromEntries(Object.entries(llama).map(
            ([variant, {prefill, decode, decodeByThreads, loadSeconds, othersShare}]) =>
                [variant, {prefill, decode, decodeByThreads, loadSeconds, othersShare}]))
    });
    result = {...circumstances(rows, llama), summary: summarize(allRounds), rounds: allRounds};
    if (options.append != null) writeFileSync(options.append, JSON.stringify(result, null, 2) + "\n");
}
if (result == null) process.exit(1);
console.log(JSON.stringify({...result, rounds: undefined}, null, 2));
