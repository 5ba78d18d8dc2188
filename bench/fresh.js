// A fresh Node process with ONNX Runtime, one thread: what people use today to answer one request from nothing. Prints the first result.
//   node fresh.js MODEL INPUTS.json      {"name": {"dims": [...], "data": [...]}}
const ort = require('onnxruntime-node');
const fs = require('fs');

async function main() {
  const session = await ort.InferenceSession.create(process.argv[2], {
    intraOpNumThreads: 1, interOpNumThreads: 1, graphOptimizationLevel: 'all', executionMode: 'sequential'});
  const feeds = {};
  for (const [name, {dims, data}] of Object.entries(JSON.parse(fs.readFileSync(process.argv[3]))))
    feeds[name] = new ort.Tensor('float32', Float32Array.from(data), dims);
  const results = await session.run(feeds);
  const last = results[session.outputNames[session.outputNames.length - 1]];
  console.log(JSON.stringify(Array.from(last.data.slice(0, 4))));
}
main();
