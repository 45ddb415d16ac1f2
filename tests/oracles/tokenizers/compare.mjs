// Generates strings (and ids) by a seed, has both Hugging Face's tokenizers and ours work on them, and reports what differs.
//   npm install && node compare.mjs [--count 20000] [--seed 1] [--only NAME] [--variants] [-- COMMAND...]
// COMMAND gets "MODEL [--decode] [--special]" appended and answers a line with a line; by default it is `exo-weights tokenize`,
// which `dotnet build -c Release weights-tools` makes.
import { spawn } from 'node:child_process';
import { mkdtempSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { Tokenizer } from 'tokenizers';
import { Random } from './random.mjs';
import { makeString } from './strings.mjs';
import { makeVariants } from './variants.mjs';

const MAX_SHOWN = 3;
const here = dirname(fileURLToPath(import.meta.url));
const root = join(here, '..', '..', '..');
const golden = join(root, 'tests', 'golden', 'tokenizers');
const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    count: { type: 'string', default: '20000' }, seed: { type: 'string', default: '1' }, only: { type: 'string' },
    variants: { type: 'boolean', default: false },
  },
});
const command = positionals.length ? positionals
  : ['dotnet', join(root, 'weights-tools', 'bin', 'Release', 'net10.0', 'exo-weights.dll'), 'tokenize'];

function ours(args, lines) {
  return new Promise((resolve, reject) => {
    const child = spawn(command[0], [...command.slice(1), ...args], { stdio: ['pipe', 'pipe', 'inherit'] });
    const answers = [];
    createInterface({ input: child.stdout }).on('line', line => answers.push(JSON.parse(line)));
    child.on('error', reject);
    child.stdin.on('error', () => {});
    child.on('close', code => code === 0 && answers.length === lines.length
      ? resolve(answers) : reject(new Error(`${command.join(' ')} ${args.join(' ')}: exit ${code}, ${answers.length} of ${lines.length} lines`)));
    child.stdin.end(lines.map(line => JSON.stringify(line) + '\n').join(''));
  });
}

function report(name, what, inputs, expected, got) {
  let differing = 0;
  for (let i = 0; i < inputs.length; i++) {
    const [a, b] = [JSON.stringify(expected[i]), JSON.stringify(got[i])];
    if (a === b) continue;
    if (differing++ < MAX_SHOWN) console.log(`  ${name} ${what} ${JSON.stringify(inputs[i])}\n    reference ${a}\n    ours      ${b}`);
  }
  return differing;
}

async function compare(name, folder, count, seed) {
  const random = new Random(seed);
  const json = JSON.parse(readFileSync(join(folder, 'tokenizer.json'), 'utf8'));
  const reference = Tokenizer.fromFile(join(folder, 'tokenizer.json'));
  const added = json.added_tokens.map(token => token.content);
  const vocabulary = Object.keys(json.model.vocab);
  const texts = Array.from({ length: count }, () => makeString(random, vocabulary, added));
  const idLists = Array.from({ length: Math.ceil(count / 4) }, () =>
    Array.from({ length: random.below(20) }, () => random.below(random.below(3) ? vocabulary.length + added.length + 3 : 300)));

  const encode = async special => {
    const ids = [];
    for (const text of texts) ids.push((await reference.encode(text, null, { addSpecialTokens: special })).getIds());
    return ids;
  };
  const decode = async skip => {
    const decoded = [];
    for (const ids of idLists) decoded.push(ids.length ? await reference.decode(ids, skip) : '');
    return decoded;
  };
  let differing = report(name, 'ids', texts, await encode(false), await ours([folder], texts));
  differing += report(name, 'ids with special', texts, await encode(true), await ours([folder, '--special'], texts));
  differing += report(name, 'decoded', idLists, await decode(false), await ours([folder, '--decode'], idLists));
  // The reference does not skip a special token whose content the normalizer changes; ours does.
  if (!json.added_tokens.some(token => token.special && token.normalized))
    differing += report(name, 'decoded without special', idLists, await decode(true), await ours([folder, '--decode', '--special'], idLists));
  console.log(`${name}: ${count} strings, ${idLists.length} lists of ids, ${differing} differ`);
  return differing;
}

const count = Number(options.count), seed = Number(options.seed);
const scratch = mkdtempSync(join(tmpdir(), 'tokenizers-'));
let total = 0;
try {
  const tokenizers = Object.fromEntries(readdirSync(golden).map(family => [family, readFileSync(join(golden, family, 'tokenizer.json'))]));
  if (options.variants)
    for (const [name, json] of Object.entries(makeVariants(golden))) tokenizers[name] = JSON.stringify(json);
  console.log(`seed ${seed}`);
  for (const [name, json] of Object.entries(tokenizers)) {
    if (options.only && !name.includes(options.only)) continue;
    // exo-weights takes a folder with a config.json for a model.
    const folder = join(scratch, name.replaceAll(' ', '_'));
    mkdirSync(folder);
    writeFileSync(join(folder, 'tokenizer.json'), json);
    writeFileSync(join(folder, 'config.json'), '{}');
    total += await compare(name, folder, count, seed);
  }
} finally {
  rmSync(scratch, { recursive: true });
}
process.exitCode = total === 0 ? 0 : 1;
