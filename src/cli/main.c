// The program `mayfly`: a table of commands, their help, and nothing else. What a command does is in the file that it names.
#include <stdio.h>
#include <string.h>

#include "client.h"
#include "model.h"
#include "serve/serve.h"
#include "simulate.h"

typedef struct command {
  const char *name;
  int (*run)(int argc, char **argv);
  const char *arguments, *summary, *details;
} command;

#define SERVER_HELP \
  "  --data DIR        the server with this data directory (default: MAYFLY_DATA, else /var/lib/mayfly for root,\n" \
  "                    else ~/.local/share/mayfly)\n" \
  "  --endpoint URL    the server at this address; the key then comes from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY,\n" \
  "                    or from --data\n"
#define JSON_HELP "  --json            JSON also on a terminal\n"

static const command commands[] = {
    {"serve", mf_serve_main,
     "[--data DIR] [--listen ADDR:PORT] [--keep-alive SECONDS|hybrid] [--run-slots N] [--pool-memory MB]\n"
     "                    [--max-package MB] [--retry-scale X] [--keep-alive-scale X] [--tls-cert FILE --tls-key FILE | --insecure]",
     "run the server",
     "Serves functions until SIGTERM or SIGINT, then finishes what is under way and exits with 0.\n\n"
     "  --data DIR          where functions, keys and logs are kept (default: MAYFLY_DATA, else /var/lib/mayfly for root,\n"
     "                      else ~/.local/share/mayfly); made when it is not there\n"
     "  --listen ADDR:PORT  default 127.0.0.1:4566\n"
     "  --keep-alive SEC|hybrid   how long an idle instance stays; fractions allowed; 0: gone after its answer. hybrid,\n"
     "                      the default: while its function's next call is to be expected, from a histogram of the\n"
     "                      function's own pauses (four hours as long as it has had fewer than ten); made again in time\n"
     "  --run-slots N       how many invocations compute at once, default: the number of cores; of those under 1 ms\n"
     "                      twice as many, so that the next is there when one ends\n"
     "  --pool-memory MB    that blank workers hold ready to become instances, default 256\n"
     "  --max-package MB    largest package, unzipped, default 250\n"
     "  --retry-scale X     of the delays between attempts of asynchronous events (1 and 2 minutes, and the back-off of\n"
     "                      1 s to 5 min); from 0.000001 to 1; for tests\n"
     "  --keep-alive-scale X   of the minutes that hybrid counts in; from 0.0001 to 1; for tests\n"
     "  --tls-cert, --tls-key FILE   serve HTTPS with this PEM certificate and key\n"
     "  --insecure          plain HTTP on an address that is not loopback\n"},
    {"deploy", mf_cli_deploy, "PATH [--name NAME] [--memory MB] [--timeout SECONDS]", "make or change a function, wait until it serves",
     "PATH is a .onnx file, a .zip, or a folder with a model (and perhaps mayfly.json, config.json, ... beside it).\n"
     "An existing function goes on answering with its old model until the new one is ready, or if that fails. A new function\n"
     "that fails is removed again.\n\n"
     "  --name NAME       default: made of the file's or folder's name\n"
     "  --memory MB       default: what the model needs\n"
     "  --timeout SEC     of one invocation\n" JSON_HELP SERVER_HELP},
    {"ls", mf_cli_ls, "[--json]", "list functions and what they have done", JSON_HELP SERVER_HELP},
    {"describe", mf_cli_describe, "NAME [--json]", "show a function's inputs, outputs, configuration and counters", JSON_HELP SERVER_HELP},
    {"rm", mf_cli_rm, "NAME", "remove a function", SERVER_HELP},
    {"invoke", mf_cli_invoke, "NAME [JSON | @FILE | -] [--log]", "call a function",
     "The payload is the JSON given, a file's bytes (a picture, say) or standard input; without one it is empty. The answer goes\n"
     "to standard output as it came. Exits with 1 when the function failed.\n\n"
     "  --log             the invocation's log lines, on standard error\n" SERVER_HELP},
    {"logs", mf_cli_logs, "NAME [--follow]", "show a function's log", "  --follow          wait for more, until interrupted or the function is removed\n" SERVER_HELP},
    {"events", mf_cli_events, "[NAME | show ID | retry ID | drop ID] [--limit N] [--json]", "show asynchronous events that wait, run or failed",
     "Without an ID: how many events wait and run for each function (or for NAME), and the oldest 20 of those that wait, wait for another\n"
     "attempt, or failed. Failed events for which the function has no destination or dead-letter target are kept: the last 1000 of the\n"
     "server, at most 64 MB and for 14 days.\n\n"
     "  show ID           its payload, as it came\n"
     "  retry ID          a failed event is accepted anew; one that waits for another attempt is tried now\n"
     "  drop ID           remove it\n"
     "  --limit N         up to N of each state instead of 20, at most 1000\n" JSON_HELP SERVER_HELP},
    {"env", mf_cli_env, "", "print key, region and endpoint as shell exports",
     "Use:  eval \"$(mayfly env)\"\nAWS clients in that shell then talk to this server.\n\n" SERVER_HELP},
    {"aws", mf_cli_aws, "[--data DIR] [--endpoint URL] ARGS...", "run aws-cli against this server",
     "Everything after our own options goes to aws-cli:  mayfly aws lambda list-functions\n\n" SERVER_HELP},
    {"cost", mf_cli_cost, "[NAME] [--since DATE] [--json]", "what functions have cost, beside the endpoints that they replace",
     "What was billed by the millisecond since a day, at AWS's prices for Lambda, beside an endpoint that is always on from a function's\n"
     "first day. The server counts by days (UTC) and keeps 400 of them, also of functions that were removed meanwhile.\n\n"
     "  --since DATE      such as 2026-11-30, default: 30 days ago\n" JSON_HELP SERVER_HELP},
    {"keys", mf_cli_keys, "[new | rm ID]", "list, make and remove access keys", JSON_HELP SERVER_HELP},
    {"compile", mf_cli_compile, "MODEL -o IMAGE", "compile a model to a model image",
     "MODEL is a .onnx file, a .zip or a folder. No server is needed.\n\n  -o IMAGE          the file to write\n"},
    {"inspect", mf_cli_inspect, "MODEL|IMAGE [--json]", "show a model's signature, operators, memory and kernels",
     "  --json            JSON also on a terminal\n  --operators       instead of a model: the operators there are\n"},
    {"run", mf_cli_run, "MODEL|IMAGE [--input NAME=FILE]... [--output-dir DIR]", "run a model once, without a server",
     "  --input NAME=FILE   a tensor from a .npy or .pb file\n  --output-dir DIR    write each output there as NAME.npy, instead of printing it\n"},
    {"check", mf_cli_check, "DIR... [--rtol R] [--atol A] [--reference]", "compare models with their recorded outputs",
     "Each DIR holds model.onnx and test_data_set_N folders (input_K.pb, output_K.pb). NaN equals NaN. What is skipped lacks an\n"
     "operator or a type, which is named. The last line is \"N passed, N failed, N skipped\".\n\n"
     "  --rtol R, --atol A   tolerances; else the folder's file `tolerance` (two numbers), else 1e-3 1e-5\n"
     "  --reference          with the reference kernels\n"},
    {"bench", mf_cli_bench, "MODEL|IMAGE [--threads N] [--json]", "measure a model's run time: p50, p99, min",
     "  --threads N       default 1\n  --json            JSON also on a terminal\n  --profile         time of each operator\n"},
    {"simulate", mf_cli_simulate, "[--trace FILE|DIR] [--functions N] [--days D] [--seed S] [--json]", "what keep-alive policies and bills come to for a workload",
     "Replays calls under ten and sixty fixed minutes of keep-alive and the hybrid policy,\n"
     "as `mayfly serve` runs it: cold starts, memory held and wasted, and the bill beside endpoints that are always on.\n"
     "No server is needed.\n\n"
     "  --trace FILE|DIR  Azure's trace of 2019: one day's invocations_per_function_md.anon.dNN.csv, or a folder of them and\n"
     "                    of the files of durations and memory beside them; else a workload like it is made up\n"
     "  --functions N     so many are made up, default 1000, or at most so many of the trace\n"
     "  --days D          so many are made up, default 7, or at most so many of the trace\n"
     "  --seed S          of what is made up, default 1\n" JSON_HELP},
};

static void print_help(void) {
  puts("mayfly " MF_VERSION ": machine-learning models as functions\n\nusage: mayfly COMMAND [ARGUMENTS]\n");
  for (size_t i = 0; i < MF_COUNT(commands); i++) printf("  %-10s %s\n", commands[i].name, commands[i].summary);
  puts("\n`mayfly COMMAND --help` tells more.  To begin:\n"
       "  mayfly serve &\n  mayfly deploy model.onnx --name hello\n  mayfly describe hello\n  mayfly invoke hello '{\"input\": [1, 2, 3]}'\n\n"
       "From the environment:\n"
       "  MAYFLY_DATA       the data directory, where --data is not given\n"
       "  MAYFLY_LOG=debug  the server's log tells more\n"
       "  MAYFLY_ISA        generic, avx2 or avx512: compile for less than this processor's best\n"
       "  AWS_CA_BUNDLE     PEM file of certificates that the client trusts");
}

static void print_command_help(const command *c) {
  printf("usage: mayfly %s%s%s\n\n%c%s.\n\n%s", c->name, *c->arguments ? " " : "", c->arguments, c->summary[0] - 32, c->summary + 1, c->details);
}

// aws's own --help is aws-cli's, unless it is the first argument.
static bool wants_help(const command *c, int argc, char **argv) {
  int last = c->run == mf_cli_aws ? MF_MIN(argc, 2) : argc;
  for (int i = 1; i < last && strcmp(argv[i], "--") != 0; i++)
    if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) return true;
  return false;
}

static int unknown(const char *name) {
  fprintf(stderr, "mayfly: error: there is no command '%s'; `mayfly --help` lists them\n", name);
  return CLI_USAGE;
}

int main(int argc, char **argv) {
  if (argc < 2) {
    print_help();
    return CLI_USAGE;
  }
  if (strcmp(argv[1], "--version") == 0) {
    puts("mayfly " MF_VERSION);
    return CLI_OK;
  }
  bool is_help = strcmp(argv[1], "help") == 0 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0;
  if (is_help && argc == 2) {
    print_help();
    return CLI_OK;
  }
  const char *name = is_help ? argv[2] : argv[1];
  for (size_t i = 0; i < MF_COUNT(commands); i++) {
    const command *c = &commands[i];
    if (strcmp(c->name, name) != 0) continue;
    if (!is_help && !wants_help(c, argc - 1, argv + 1)) return c->run(argc - 1, argv + 1);
    print_command_help(c);
    return CLI_OK;
  }
  return unknown(name);
}
