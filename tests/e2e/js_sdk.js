// The newest AWS SDK for JavaScript against a server: the walk of a function's life. Prints one JSON line of what it saw; exits 1 on any
// answer that the SDK itself finds wrong.
//   node js_sdk.js ENDPOINT PACKAGE.zip PAYLOAD.json
const {
  LambdaClient, CreateFunctionCommand, GetFunctionCommand, InvokeCommand, ListFunctionsCommand, UpdateFunctionConfigurationCommand,
  UpdateFunctionCodeCommand, PutFunctionConcurrencyCommand, GetFunctionConcurrencyCommand, DeleteFunctionConcurrencyCommand,
  DeleteFunctionCommand, TagResourceCommand, UntagResourceCommand, ListTagsCommand, GetAccountSettingsCommand,
  waitUntilFunctionActiveV2, waitUntilFunctionUpdatedV2} = require('@aws-sdk/client-lambda');
const fs = require('fs');

const client = new LambdaClient({endpoint: process.argv[2], region: 'us-east-1', maxAttempts: 1});
const name = {FunctionName: 'js'};
const limits = {client, maxWaitTime: 60, minDelay: 1};

async function failure(command) {
  try {
    await client.send(command);
    return null;
  } catch (problem) {
    return {name: problem.name, status: problem.$metadata.httpStatusCode, message: problem.message};
  }
}

async function walk() {
  const seen = {};
  const zip = fs.readFileSync(process.argv[3]);
  const created = await client.send(new CreateFunctionCommand({...name, Role: 'arn:aws:iam::000000000000:role/any', Code: {ZipFile: zip},
    Description: 'from JavaScript', Tags: {team: 'vision'}, Environment: {Variables: {AB: 'c'}}}));
  seen.created = {State: created.State, Version: created.Version, CodeSize: created.CodeSize, zip: zip.length};
  await waitUntilFunctionActiveV2(limits, name);
  seen.again = await failure(new CreateFunctionCommand({...name, Role: 'arn:aws:iam::000000000000:role/any', Code: {ZipFile: zip}}));
  const got = await client.send(new GetFunctionCommand(name));
  seen.got = {State: got.Configuration.State, Tags: got.Tags, Environment: got.Configuration.Environment, Description: got.Configuration.Description};
  const tagged = {Resource: got.Configuration.FunctionArn};
  await client.send(new TagResourceCommand({...tagged, Tags: {'a b&c': 'ü', d: ''}}));
  await client.send(new UntagResourceCommand({...tagged, TagKeys: ['team', 'd']}));
  seen.tags = (await client.send(new ListTagsCommand(tagged))).Tags;
  seen.usage = (await client.send(new GetAccountSettingsCommand({}))).AccountUsage;
  const answer = await client.send(new InvokeCommand({...name, Payload: fs.readFileSync(process.argv[4]), LogType: 'Tail'}));
  seen.invoked = {StatusCode: answer.StatusCode, ExecutedVersion: answer.ExecutedVersion, FunctionError: answer.FunctionError ?? null,
    payload: JSON.parse(Buffer.from(answer.Payload)), log: Buffer.from(answer.LogResult, 'base64').toString()};
  seen.dry = (await client.send(new InvokeCommand({...name, InvocationType: 'DryRun'}))).StatusCode;
  const wrong = await client.send(new InvokeCommand({...name, Payload: Buffer.from('{"nonsense": 1}')}));
  seen.wrong = {StatusCode: wrong.StatusCode, FunctionError: wrong.FunctionError, payload: JSON.parse(Buffer.from(wrong.Payload))};
  await client.send(new UpdateFunctionConfigurationCommand({...name, Timeout: 9}));
  await waitUntilFunctionUpdatedV2(limits, name);
  await client.send(new UpdateFunctionCodeCommand({...name, ZipFile: zip}));
  await waitUntilFunctionUpdatedV2(limits, name);
  await client.send(new PutFunctionConcurrencyCommand({...name, ReservedConcurrentExecutions: 0}));
  seen.limit = (await client.send(new GetFunctionConcurrencyCommand(name))).ReservedConcurrentExecutions;
  seen.throttled = await failure(new InvokeCommand({...name, Payload: fs.readFileSync(process.argv[4])}));
  await client.send(new DeleteFunctionConcurrencyCommand(name));
  seen.listed = (await client.send(new ListFunctionsCommand({}))).Functions.map(f => [f.FunctionName, f.Timeout]);
  await client.send(new DeleteFunctionCommand(name));
  seen.gone = await failure(new GetFunctionCommand(name));
  return seen;
}

walk().then(seen => console.log(JSON.stringify(seen)), problem => {
  console.error(problem);
  process.exit(1);
});
