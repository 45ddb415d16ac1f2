// One run of llama.cpp, as a process of its own: a prompt, then a generation, on ids made up. Prints one JSON object.
// The native module is driven directly, without the JavaScript library's queues, so that what is timed is llama.cpp.
// Usage: node llama.mjs FOLDER_OF_BINARY MODEL.gguf VOCABULARY THREADS PROMPT_TOKENS GENERATED_TOKENS
import {createRequire} from "node:module";
import path from "node:path";

const [folder, gguf, ...numbers] = process.argv.slice(2);
const [vocabulary, threads, promptTokens, generatedTokens] = numbers.map(Number);
const batchSize = 512;

const binding = createRequire(import.meta.url)(path.join(folder, "llama-addon.node"));
binding.setLoggerLogLevel(1);
binding.loadBackends(); // where the system's search path has them
if (binding.getGpuType() == null) binding.loadBackends(folder);
await binding.init();
binding.markLoaded();

const loadStart = performance.now();
const model = new binding.AddonModel(gguf, {addonExports: binding, gpuLayers: 0, useMmap: true});
if (!await model.init()) throw new Error(`${gguf}: cannot be loaded`);
const context = new binding.AddonContext(model, {
    contextSize: Math.max(promptTokens, generatedTokens) + 256,
    batchSize,
    sequences: 1,
    flashAttention: "auto",
    threads
});
if (!await context.init()) throw new Error("no context");
const loadSeconds = (performance.now() - loadStart) / 1e3;

const id = (position) => Number(((BigInt(position) + 1n) * 0x9E3779B97F4A7C15n & 0xFFFFFFFFFFFFFFFFn) >> 33n) % vocabulary;

async function step(position, count) {
    context.initBatch(count);
    const ids = Uint32Array.from({length: count}, (_, i) => id(position + i));
    context.addToBatch(0, position, ids, Uint32Array.of(count - 1));
    await context.decodeBatch(); // the logits; choosing a token is the library's business and not timed
}

async function timed(count, chunk) {
    context.disposeSequence(0);
    const start = performance.now();
    for (let done = 0; done < count; done += chunk) await step(done, Math.min(chunk, count - done));
    return count / (performance.now() - start) * 1e3;
}

await timed(promptTokens, batchSize);
await timed(8, 1);
const prefill = await timed(promptTokens, batchSize);
const decodeByThreads = {[threads]: await timed(generatedTokens, 1)};
// Its threads are made anew for every token, and where they meet on one core a small model is faster with one: the better counts.
if (threads > 1) {
    context.setThreads(1);
    await timed(8, 1);
    decodeByThreads[1] = await timed(Math.ceil(generatedTokens / 4), 1);
}
const result = {
    prefill,
    decode: Math.max(...Object.values(decodeByThreads)),
    decodeByThreads,
    loadSeconds,
    modelDescription: model.getModelDescription(),
    systemInfo: binding.systemInfo().trim()
};
process.stdout.write(JSON.stringify(result), () => process.exit(0));
