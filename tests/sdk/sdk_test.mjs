// The packages openai and @anthropic-ai/sdk of JavaScript against a running server:
//   NODE_PATH=.../node_modules node sdk_test.mjs URL
import assert from 'node:assert/strict';
import {createRequire} from 'node:module';
import test from 'node:test';

const modules = process.env.VARVE_SDK_NODE_MODULES;
const require = createRequire(modules ? modules + '/' : import.meta.url);
const OpenAI = require('openai').default;
const Anthropic = require('@anthropic-ai/sdk').default;

const url = process.argv[2] ?? 'http://127.0.0.1:8080';
const openai = new OpenAI({baseURL: url + '/v1', apiKey: 'none', maxRetries: 0});
const anthropic = new Anthropic({baseURL: url, apiKey: 'none', maxRetries: 0});
const messages = [{role: 'user', content: 'Say hello.'}];
const schema = {
  type: 'object',
  properties: {city: {type: 'string', maxLength: 12}},
  required: ['city'],
  additionalProperties: false,
};
const model = (await openai.models.list()).data[0].id;
const chat = {model, messages, max_tokens: 12, temperature: 0};
const message = {model: 'claude-opus', messages, max_tokens: 12, temperature: 0};

test('openai: a stream adds up to the whole', async () => {
  const whole = await openai.chat.completions.create(chat);
  let text = '';
  for await (const chunk of await openai.chat.completions.create({...chat, stream: true}))
    text += chunk.choices[0]?.delta.content ?? '';
  assert.equal(text, whole.choices[0].message.content);
  const runner = openai.chat.completions.stream(chat);
  assert.equal((await runner.finalChatCompletion()).choices[0].message.content, text);
});

test('openai: tools', async () => {
  const tools = [{type: 'function', function: {name: 'get_weather', description: 'Weather', parameters: schema}}];
  const answer = await openai.chat.completions.create(
      {...chat, max_tokens: 300, tools, tool_choice: 'required', parallel_tool_calls: false});
  assert.equal(answer.choices[0].finish_reason, 'tool_calls');
  const [call] = answer.choices[0].message.tool_calls;
  assert.ok('city' in JSON.parse(call.function.arguments));
  const streamed = await openai.chat.completions
      .stream({...chat, max_tokens: 300, tools, tool_choice: 'required', parallel_tool_calls: false})
      .finalChatCompletion();
  assert.equal(streamed.choices[0].message.tool_calls[0].function.arguments, call.function.arguments);
  await openai.chat.completions.create({
    ...chat,
    tools,
    messages: [...messages, answer.choices[0].message, {role: 'tool', tool_call_id: call.id, content: '12 degrees'}],
  });
});

test('openai: a schema', async () => {
  const answer = await openai.chat.completions.create({
    ...chat,
    max_tokens: 100,
    response_format: {type: 'json_schema', json_schema: {name: 'x', strict: true, schema}},
  });
  assert.deepEqual(Object.keys(JSON.parse(answer.choices[0].message.content)), ['city']);
});

test('openai: completions, errors', async () => {
  const answer = await openai.completions.create({model, prompt: 'Once upon a time', max_tokens: 5, temperature: 0});
  assert.ok(answer.choices[0].text);
  await assert.rejects(openai.chat.completions.create({...chat, n: 17}),
                       (error) => error instanceof OpenAI.BadRequestError && error.param === 'n');
});

test('anthropic: a stream adds up to the whole', async () => {
  const whole = await anthropic.messages.create(message);
  const stream = anthropic.messages.stream(message);
  const final = await stream.finalMessage();
  assert.equal(final.content[0].text, whole.content[0].text);
  assert.equal(final.stop_reason, whole.stop_reason);
  assert.equal(final.usage.output_tokens, whole.usage.output_tokens);
});

test('anthropic: tools, counting, errors', async () => {
  const tools = [{name: 'get_weather', description: 'Weather', input_schema: schema}];
  const tool_choice = {type: 'tool', name: 'get_weather', disable_parallel_tool_use: true};
  const answer = await anthropic.messages.create({...message, max_tokens: 300, tools, tool_choice});
  assert.equal(answer.stop_reason, 'tool_use');
  const call = answer.content.find((block) => block.type === 'tool_use');
  assert.ok('city' in call.input);
  const final = await anthropic.messages.stream({...message, max_tokens: 300, tools, tool_choice}).finalMessage();
  assert.deepEqual(final.content.find((block) => block.type === 'tool_use').input, call.input);
  const {input_tokens} = await anthropic.messages.countTokens({model, messages, tools});
  assert.ok(input_tokens > 0);
  await assert.rejects(anthropic.messages.create({...message, telepathy: true}),
                       (error) => error instanceof Anthropic.BadRequestError);
});
