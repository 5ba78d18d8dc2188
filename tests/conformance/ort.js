// Runs models with ONNX Runtime (npm onnxruntime-node): the independent source of tests/conformance/test_dynamic.py.
// Reads one JSON job a line from standard input: {"model": PATH, "inputs": {name: {type, dims, file}}, "directory": DIR}; writes each
// output's raw bytes to DIR/N.bin and answers one JSON line: {"outputs": [{name, type, dims}]} or {"error": text}; strings are in the line.
const ort = require('onnxruntime-node');
const fs = require('fs');
const readline = require('readline');

const arrays = {float32: Float32Array, float64: Float64Array, int8: Int8Array, int32: Int32Array, int64: BigInt64Array, uint8: Uint8Array,
  uint32: Uint32Array, bool: Uint8Array};
const sessions = new Map();

async function answer(job) {
  if (!sessions.has(job.model)) sessions.set(job.model, await ort.InferenceSession.create(job.model, {intraOpNumThreads: 1, logSeverityLevel: 4}));
  const session = sessions.get(job.model);
  const feeds = {};
  for (const [name, {type, dims, file}] of Object.entries(job.inputs)) {
    const bytes = fs.readFileSync(file);
    const copy = new Uint8Array(bytes).buffer;
    feeds[name] = new ort.Tensor(type, new arrays[type](copy), dims);
  }
  const results = await session.run(feeds);
  return session.outputNames.map((name, i) => {
    const t = results[name];
    if (t.type === 'string') return {name, type: t.type, dims: t.dims, strings: t.data};
    fs.writeFileSync(`${job.directory}/${i}.bin`, Buffer.from(t.data.buffer, t.data.byteOffset, t.data.byteLength));
    return {name, type: t.type, dims: t.dims};
  });
}

(async () => {
  for await (const line of readline.createInterface({input: process.stdin})) {
    try {
      console.log(JSON.stringify({outputs: await answer(JSON.parse(line))}));
    } catch (problem) {
      console.log(JSON.stringify({error: String(problem)}));
    }
  }
})();
