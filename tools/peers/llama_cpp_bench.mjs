// Speed of llama.cpp on a GGUF file, through the prebuilt binaries of the npm package node-llama-cpp.
// Developer-only: npm install node-llama-cpp --ignore-scripts (anywhere), then
//   node tools/peers/llama_cpp_bench.mjs NODE_MODULES_DIR MODEL.gguf [prompt tokens] [answer tokens] [threads] [runs]
// Prints medians: prompt tokens/s and decode tokens/s, context empty at the start of each run.
import { pathToFileURL } from "node:url";
import path from "node:path";

const [modules, model, prompt = "512", answer = "128", threads = "2", runs = "5"] = process.argv.slice(2);
const entry = path.join(path.resolve(modules), "node-llama-cpp", "dist", "index.js");
const { getLlama, LlamaLogLevel } = await import(pathToFileURL(entry));

const llama = await getLlama({ gpu: false, build: "never", logLevel: LlamaLogLevel.error, maxThreads: Number(threads) });
const loaded = await llama.loadModel({ modelPath: path.resolve(model) });
const size = Number(prompt) + Number(answer) + 8;
const context = await loaded.createContext({ contextSize: size, batchSize: 512, threads: Number(threads), flashAttention: true });
const sequence = context.getSequence();
const text = "The quick brown fox jumps over the lazy dog while seven wizards quietly make toxic brew. ";
const ids = loaded.tokenize(text.repeat(200)).slice(0, Number(prompt));

const median = (values) => values.sort((a, b) => a - b)[Math.floor(values.length / 2)];
const seconds = () => Number(process.hrtime.bigint()) / 1e9;
const prompts = [], decodes = [];
for (let run = 0; run <= Number(runs); run++) {
  await sequence.clearHistory();
  let begin = seconds();
  let next = null;
  const stream = sequence.evaluate(ids, { temperature: 0 });
  next = (await stream.next()).value;
  const first = seconds();
  let count = 0;
  for (; count < Number(answer); count++) {
    const step = await stream.next();
    if (step.done) break;
  }
  const end = seconds();
  if (run === 0) continue; // warm-up
  prompts.push(ids.length / (first - begin));
  decodes.push(count / (end - first));
}
console.log(JSON.stringify({ program: "llama.cpp", prompt: ids.length, threads: Number(threads), prompt_tokens_per_second: median(prompts), decode_tokens_per_second: median(decodes) }));
process.exit(0);
