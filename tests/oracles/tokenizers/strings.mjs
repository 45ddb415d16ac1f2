// Strings that are unkind to tokenizers: every plane of Unicode, marks, spaces of all kinds, contractions in odd case,
// pieces of special tokens, the tokenizers' own alphabets as text, long runs.
const SPACES = [' ', '  ', '   ', '\n', '\r\n', '\t', '\r', '\u00a0', '\u3000', '\u2009', '\u0085', '\u2028', '\u2029', '\u1680', '\u200b', '\v', '\f'];
const CONTRACTIONS = ["'s", "'S", "'\u017f", "'t", "'RE", "'vE", "'m", "'LL", "'d", "\u2019s", "'k", "'\u212a", "''s", "' s", "'"];
const SCRIPTS = [
  [0x20, 0x7e], [0xa0, 0x24f], [0x300, 0x36f], [0x370, 0x3ff], [0x400, 0x4ff], [0x590, 0x5ff], [0x600, 0x6ff], [0x900, 0x97f],
  [0xe00, 0xe7f], [0x10a0, 0x10ff], [0x1100, 0x11ff], [0x1e00, 0x1fff], [0x2000, 0x206f], [0x2070, 0x209f], [0x20a0, 0x20ff],
  [0x2100, 0x218f], [0x2460, 0x24ff], [0x2e80, 0x2fdf], [0x3000, 0x30ff], [0x3130, 0x318f], [0x4e00, 0x9fff], [0xac00, 0xd7a3],
  [0xe000, 0xf8ff], [0xf900, 0xfb4f], [0xfe00, 0xfe6f], [0xff00, 0xffef], [0x10000, 0x103ff], [0x10400, 0x104ff], [0x1d100, 0x1d2ff],
  [0x1d400, 0x1d7ff], [0x1e000, 0x1e95f], [0x1f100, 0x1f2ff], [0x1f300, 0x1faff], [0x20000, 0x2a6df], [0x2f800, 0x2fa1f],
  [0xe0000, 0xe01ef], [0xf0000, 0xf00ff], [0, 0x1f], [0x7f, 0x9f],
];
const WORDS = ['the', 'Hello', 'WORLD', 'iPhone', 'XMLHttpRequest', 'don', 'I', 'être', 'Straße', '中文', 'привет', 'ﬁne', 'İstanbul', 'ΣΑΣ'];
const OWN = ['\u2581', '\u2581\u2581', '\u0120', '\u010a', '<0x0A>', '<0xE4>', '<unk>', '\ufffd', '\u0301', '\u200d', '\ufe0f', '\u00e2\u0122'];

const codePoint = (random, first, last) => {
  const value = first + random.below(last - first + 1);
  return value >= 0xd800 && value < 0xe000 ? '\ufffd' : String.fromCodePoint(value);
};

function atom(random, vocabulary, added) {
  switch (random.below(16)) {
    case 0: return random.pick(SPACES);
    case 1: return random.pick(WORDS) + random.pick(CONTRACTIONS);
    case 2: return random.pick(OWN);
    case 3: return String(random.below(10 ** random.below(9)));
    case 4: return random.pick('!"#$%&\'()*+,-./:;<=>?@[\\]^_`{|}~').repeat(1 + random.below(4));
    case 5: return codePoint(random, 0, 0x10ffff);
    case 6: return codePoint(random, 0, 0x3ffff);
    case 7: case 8: {
      const [first, last] = random.pick(SCRIPTS);
      let text = '';
      for (let n = 1 + random.below(6); n > 0; n--) text += codePoint(random, first, last);
      return text;
    }
    case 9: {
      let text = codePoint(random, 0x41, 0x17f);
      for (let n = random.below(5); n > 0; n--) text += codePoint(random, 0x300, 0x36f);
      return text;
    }
    case 10: return random.pick(vocabulary);
    case 11: return added.length ? random.pick(added) : ' ';
    case 12: {
      const token = added.length ? random.pick(added) : '<s>';
      return token.slice(random.below(2), token.length - random.below(3));
    }
    case 13: return random.pick(SPACES).repeat(1 + random.below(5));
    case 14: return String.fromCharCode(97 + random.below(26)).repeat(1 + random.below(random.below(20) === 0 ? 400 : 12));
    default: return (random.below(2) ? ' ' : '') + random.pick(WORDS);
  }
}

export function makeString(random, vocabulary, added) {
  let text = '';
  for (let n = random.below(12); n >= 0; n--) text += atom(random, vocabulary, added);
  return text.toWellFormed ? text.toWellFormed() : Buffer.from(text, 'utf8').toString('utf8');
}
