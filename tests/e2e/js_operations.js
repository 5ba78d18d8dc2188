// Sends every operation that the newest AWS SDK for JavaScript knows of Lambda, with no more than its path needs, and prints one JSON line:
// what each of them answered, as the SDK shows it.
//   node js_operations.js ENDPOINT
const lambda = require('@aws-sdk/client-lambda');

const client = new lambda.LambdaClient({endpoint: process.argv[2], region: 'us-east-1', maxAttempts: 1});

async function answer(Command) {
  const [, , operation, {http}] = new Command({}).schema;
  const labels = [...http[1].matchAll(/{(\w+)}/g)].map(found => [found[1], found[1] === 'VersionNumber' ? 1 : 'x']);
  try {
    await client.send(new Command(Object.fromEntries(labels)));
    return [operation, {status: 200}];
  } catch (problem) {
    return [operation, {status: problem.$metadata?.httpStatusCode ?? 0, name: problem.name, message: problem.message}];
  }
}

async function walk() {
  const commands = Object.entries(lambda).filter(([name]) => /^\w+Command$/.test(name)).map(([, command]) => command);
  const answers = {};
  for (const command of commands) {
    const [operation, seen] = await answer(command);
    answers[operation] = seen;
  }
  return answers;
}

walk().then(answers => console.log(JSON.stringify(answers)), problem => {
  console.error(problem);
  process.exit(1);
});
