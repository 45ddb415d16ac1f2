// OpenAI's own JavaScript client against a real `exo serve`, which `dotnet build -c Release src/Exo.Host` makes:
//   npm install && node check.mjs [-- COMMAND...]      (COMMAND starts a server on a free port and says where on standard error)
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import OpenAI from 'openai';

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..', '..');
const model = 'smollm2-135m-instruct';
const given = process.argv.slice(2).filter(argument => argument !== '--');
const command = given.length ? given : ['dotnet', join(root, 'src', 'Exo.Host', 'bin', 'Release', 'net10.0', 'exo.dll'), 'serve', '--listen', '127.0.0.1:0'];
const server = spawn(command[0], command.slice(1), { cwd: root, stdio: ['ignore', 'inherit', 'pipe'] });
const log = [];
const address = await new Promise((resolve, reject) => {
  createInterface({ input: server.stderr }).on('line', line => {
    log.push(line);
    if (line.startsWith('listening on ')) resolve(line.slice('listening on '.length));
  });
  server.on('exit', code => reject(new Error(`the server has ended with ${code}: ${log.join('\n')}`)));
});
const client = new OpenAI({ baseURL: `${address}/v1`, apiKey: 'none', maxRetries: 0, timeout: 120_000 });
const messages = [{ role: 'system', content: 'You answer in one sentence.' }, { role: 'user', content: 'Name three colours.' }];
const ask = more => client.chat.completions.create({ model, messages, temperature: 0, max_completion_tokens: 16, ...more });
const stream = async more => {
  const chunks = [];
  for await (const chunk of await ask({ ...more, stream: true })) chunks.push(chunk);
  return chunks;
};
const textOf = chunks => chunks.map(chunk => chunk.choices[0]?.delta?.content ?? '').join('');

const checks = {
  'an answer with usage': async () => {
    const answer = await ask();
    assert.equal(answer.object, 'chat.completion');
    assert.ok(answer.choices[0].message.content.length > 0);
    assert.equal(answer.usage.total_tokens, answer.usage.prompt_tokens + answer.usage.completion_tokens);
  },
  'a stream equals the answer, and ends with usage': async () => {
    const chunks = await stream({ stream_options: { include_usage: true } });
    assert.equal(textOf(chunks), (await ask()).choices[0].message.content);
    assert.ok(chunks.at(-1).usage.completion_tokens > 0);
  },
  'the stream helper assembles the same': async () => {
    const helper = client.chat.completions.stream({ model, messages, temperature: 0, max_completion_tokens: 16 });
    assert.equal(await helper.finalContent(), (await ask()).choices[0].message.content);
  },
  'a stop string ends the answer': async () => {
    const text = (await ask()).choices[0].message.content, stop = text.slice(9, 14);
    const expected = text.slice(0, text.indexOf(stop));
    const stopped = await ask({ stop: [stop] });
    assert.equal(stopped.choices[0].message.content, expected);
    assert.equal(stopped.choices[0].finish_reason, 'stop');
    assert.equal(textOf(await stream({ stop })), expected);
  },
  'log probabilities': async () => {
    const { content } = (await ask({ logprobs: true, top_logprobs: 4 })).choices[0].logprobs;
    for (const token of content) {
      assert.equal(token.top_logprobs.length, 4);
      assert.ok(token.logprob <= 0 && token.logprob === token.top_logprobs[0].logprob);
      assert.equal(Buffer.from(token.bytes).toString(), token.token);
    }
  },
  'a seed decides the answer': async () => {
    const [first, same, other] = await Promise.all([1, 1, 2].map(seed => ask({ seed, temperature: 1.5 })));
    assert.equal(first.choices[0].message.content, same.choices[0].message.content);
    assert.notEqual(first.choices[0].message.content, other.choices[0].message.content);
  },
  'several choices': async () => {
    const answer = await ask({ n: 3, temperature: 1.5, seed: 3 });
    assert.deepEqual(answer.choices.map(choice => choice.index), [0, 1, 2]);
    assert.equal(new Set(answer.choices.map(choice => choice.message.content)).size, 3);
  },
  'tools are accepted': async () => {
    const tools = [{ type: 'function', function: { name: 'weather', parameters: { type: 'object', properties: { city: { type: 'string' } } } } }];
    assert.ok((await ask({ tools, tool_choice: 'auto' })).choices.length === 1);
  },
  'a cancelled stream leaves the server at work': async () => {
    const running = await ask({ stream: true, max_completion_tokens: 500, user: 'cancels' });
    for await (const chunk of running) if (chunk.choices[0].delta.content) break;
    running.controller.abort();
    assert.ok((await ask({ max_completion_tokens: 1 })).choices[0].message.content.length > 0);
    assert.ok(log.some(line => line.includes('"User":"cancels"') && line.includes('"Status":499')), 'not in the log as cancelled');
  },
  'errors are typed': async () => {
    await assert.rejects(ask({ model: 'gpt-9' }), error => error instanceof OpenAI.NotFoundError && error.code === 'model_not_found');
    await assert.rejects(ask({ temperature: 9 }), error => error instanceof OpenAI.BadRequestError && error.param === 'temperature');
    await assert.rejects(ask({ messages: [{ role: 'user', content: 'word '.repeat(20000) }] }), error => error.code === 'context_length_exceeded');
  },
  'models': async () => {
    const ids = [];
    for await (const item of client.models.list()) ids.push(item.id);
    assert.deepEqual(ids, [model]);
    assert.equal((await client.models.retrieve(model)).id, model);
  },
};

let failed = 0;
for (const [name, check] of Object.entries(checks)) {
  try {
    await check();
    console.log(`ok      ${name}`);
  } catch (error) {
    failed++;
    console.log(`FAILED  ${name}: ${error.stack}`);
  }
}
server.removeAllListeners('exit');
server.kill('SIGTERM');
const code = await new Promise(resolve => server.on('exit', resolve));
console.log(`${Object.keys(checks).length - failed} of ${Object.keys(checks).length} checks passed; the server ended with ${code}`);
process.exit(failed === 0 && code === 0 ? 0 : 1);
