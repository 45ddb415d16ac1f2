// Tokenizers that no family above has, made from two of them: every split behavior, every added-token flag, the other
// normalizers, pre-tokenizers, decoders and flags of the model.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const BEHAVIORS = ['Removed', 'Isolated', 'MergedWithPrevious', 'MergedWithNext', 'Contiguous'];
const PATTERN = "(?i:'s|'re)|\\p{Lu}?\\p{Ll}+|[^\\S\\n]{2,3}|\\p{N}{1,3}|(?<=\\d)[.,](?=\\d)|\\n++";

export function makeVariants(goldenFolder) {
  const read = family => JSON.parse(readFileSync(join(goldenFolder, family, 'tokenizer.json'), 'utf8'));
  const variants = {};
  const bytes = change => change(structuredClone(read('llama3')));
  const pieces = change => change(structuredClone(read('llama2')));
  const byteLevel = { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: false };
  const split = step => t => ({ ...t, pre_tokenizer: { type: 'Sequence', pretokenizers: [step, byteLevel] } });
  const normalized = normalizer => t => ({ ...t, normalizer });

  for (const behavior of BEHAVIORS)
    for (const invert of [false, true]) {
      const name = `split-${behavior}${invert ? '-invert' : ''}`;
      variants[name] = bytes(split({ type: 'Split', pattern: { Regex: PATTERN }, behavior, invert }));
      variants[`${name}-string`] = bytes(split({ type: 'Split', pattern: { String: 'a' }, behavior, invert }));
    }
  for (const behavior of BEHAVIORS) variants[`punctuation-${behavior}`] = bytes(split({ type: 'Punctuation', behavior }));
  for (const type of ['Whitespace', 'WhitespaceSplit']) variants[type] = bytes(split({ type }));
  variants['delimiter'] = bytes(split({ type: 'CharDelimiterSplit', delimiter: 'e' }));
  for (const individual_digits of [false, true]) variants[`digits-${individual_digits}`] = bytes(split({ type: 'Digits', individual_digits }));
  for (const [name, Regex] of Object.entries({
    words: '\\w+|[^\\w\\s]+|\\s+', borders: '\\b\\w|\\B[a-z]', lines: '^.|.$', empty: '(?=[A-Z])|x*', hex: '\\h+|\\H',
    han: '[\\p{Han}&&[^\\u4e00-\\u5fff]]+|[^\\p{Han}]', nested: '[a-c[x-z]&&[^b]]|[]a]|[\\]\\-^]', lazy: 'a.+?b|(?>a+)b|c{2,}?|d{,2}e',
    posix: '[[:digit:]]+|[[:space:]]+|[[:punct:]]|[[:^word:]]', behind: '(?<![a-z])[a-z]|(?<=\\s)\\S', cased: '(?i)straße|k|ς|[à-é]',
  })) variants[`regex-${name}`] = bytes(split({ type: 'Split', pattern: { Regex }, behavior: 'Isolated', invert: false }));
  variants['gpt2-prefix-space'] = bytes(t => ({ ...t, pre_tokenizer: { ...byteLevel, add_prefix_space: true, use_regex: true } }));

  for (const type of ['NFC', 'NFD', 'NFKC', 'NFKD', 'Lowercase']) variants[type] = bytes(normalized({ type }));
  for (const [strip_left, strip_right] of [[true, false], [false, true], [true, true]])
    variants[`strip-${strip_left}-${strip_right}`] = bytes(normalized({ type: 'Strip', strip_left, strip_right }));
  variants['replace-regex'] = bytes(normalized({ type: 'Replace', pattern: { Regex: '\\s+|\\p{Lu}' }, content: '$1_' }));
  variants['replace-nothing'] = bytes(normalized({ type: 'Sequence', normalizers: [
    { type: 'NFD' }, { type: 'Replace', pattern: { String: 'a' }, content: '' }, { type: 'Lowercase' }] }));
  variants['bytes-normalizer'] = bytes(t => ({ ...t, normalizer: { type: 'ByteLevel' }, pre_tokenizer: null }));

  for (const prepend_scheme of ['always', 'first', 'never'])
    for (const splits of [true, false]) {
      const step = { type: 'Metaspace', replacement: '\u2581', prepend_scheme, split: splits };
      variants[`metaspace-${prepend_scheme}-${splits}`] = pieces(t => ({ ...t, normalizer: null, pre_tokenizer: step, decoder: step }));
      variants[`metaspace-strip-${prepend_scheme}-${splits}`] = pieces(t => ({ ...t, pre_tokenizer: step,
        normalizer: { type: 'Sequence', normalizers: [{ type: 'Replace', pattern: { String: 'H' }, content: '' }, { type: 'Strip', strip_left: true, strip_right: false }] },
        decoder: { type: 'Sequence', decoders: [{ type: 'ByteFallback' }, step] } }));
    }
  const model = change => t => ({ ...t, model: { ...t.model, ...change } });
  variants['unknown-fused'] = pieces(model({ byte_fallback: false, fuse_unk: true }));
  variants['unknown-apart'] = pieces(model({ byte_fallback: false, fuse_unk: false }));
  variants['unknown-dropped'] = pieces(model({ byte_fallback: false, unk_token: null }));
  variants['byte-fallback-gaps'] = pieces(t => {
    for (const byte of ['<0xE2>', '<0xF0>', '<0xCC>']) delete t.model.vocab[byte];
    return t;
  });
  variants['ignore-merges'] = pieces(model({ ignore_merges: true }));

  for (const flags of ['lstrip', 'rstrip', 'lstrip rstrip', 'single_word', 'normalized', 'normalized single_word lstrip rstrip']) {
    const on = Object.fromEntries(flags.split(' ').map(flag => [flag, true]));
    for (const special of [true, false]) variants[`added ${flags} ${special ? 'special' : 'plain'}`] = bytes(t => withAdded(t, on, special));
  }
  return { ...variants, ...decoders(pieces) };
}

function withAdded(tokenizer, flags, special) {
  const plain = { single_word: false, lstrip: false, rstrip: false, normalized: false };
  const contents = ['<x>', 'the', ' a', 'É', 'aa', '\n', '  ', 'Hello W'];
  const first = Math.max(...tokenizer.added_tokens.map(token => token.id)) + 1;
  const inVocabulary = content => tokenizer.model.vocab[content];
  let next = first;
  const added = contents.map(content => ({ id: inVocabulary(content) ?? next++, content, ...plain, ...flags, special }));
  return { ...tokenizer, normalizer: { type: 'Lowercase' }, added_tokens: [...tokenizer.added_tokens, ...added] };
}

function decoders(pieces) {
  const made = {};
  const replace = content => ({ type: 'Replace', pattern: { String: '\u2581' }, content });
  const chains = {
    none: null,
    // The reference crashes where a token is shorter than what is stripped: never from both ends, never more than one behind.
    'strip-start': { type: 'Sequence', decoders: [{ type: 'Strip', content: 'e', start: 2, stop: 0 }] },
    'strip-stop': { type: 'Sequence', decoders: [{ type: 'Strip', content: 'e', start: 0, stop: 1 }] },
    'strip-fused': { type: 'Sequence', decoders: [replace(' '), { type: 'ByteFallback' }, { type: 'Fuse' }, { type: 'Strip', content: ' ', start: 2, stop: 0 }] },
    'replace-long': { type: 'Sequence', decoders: [{ type: 'Fuse' }, { type: 'Replace', pattern: { String: 'in' }, content: '' }] },
    'replace-regex': { type: 'Sequence', decoders: [{ type: 'Replace', pattern: { Regex: '[aeiou]+' }, content: '*' }, { type: 'ByteFallback' }] },
    suffix: { type: 'BPEDecoder', suffix: 'e' },
    'bytes-then-strip': { type: 'Sequence', decoders: [{ type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true }, { type: 'Strip', content: 'e', start: 1, stop: 0 }] },
  };
  for (const [name, decoder] of Object.entries(chains)) made[`decoder-${name}`] = pieces(t => ({ ...t, decoder }));
  return made;
}
