// AssumeRole with the STS client that the SDK brings along, then a call of Lambda with what it gave. Prints one line of JSON.
const { AssumeRoleCommand, STSClient } = require("@aws-sdk/nested-clients/sts");
const { LambdaClient, ListFunctionsCommand } = require("@aws-sdk/client-lambda");

const base = { endpoint: process.argv[2], region: "us-east-1", maxAttempts: 1 };
const key = { accessKeyId: process.env.AWS_ACCESS_KEY_ID, secretAccessKey: process.env.AWS_SECRET_ACCESS_KEY };
const assume = (RoleArn) => new STSClient({ ...base, credentials: key }).send(new AssumeRoleCommand({ RoleArn, RoleSessionName: "js" }));

(async () => {
  const { AssumedRoleUser, Credentials } = await assume(process.argv[3]);
  const credentials = { accessKeyId: Credentials.AccessKeyId, secretAccessKey: Credentials.SecretAccessKey, sessionToken: Credentials.SessionToken };
  const listed = await new LambdaClient({ ...base, credentials }).send(new ListFunctionsCommand({}));
  const wrong = await assume("nothing-valid-in-here").catch((error) => ({ name: error.name, message: error.message, status: error.$metadata.httpStatusCode }));
  console.log(JSON.stringify({ arn: AssumedRoleUser.Arn, expires: Credentials.Expiration.getTime(), listed: Array.isArray(listed.Functions), wrong }));
})();
