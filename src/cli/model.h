// Commands that read models themselves, without a server: compile, inspect, run, check, bench. Each takes its own arguments (argv[0] is
// the command's name) and returns the program's exit status: 0 done, 1 failed (the reason is on stderr), 2 wrong usage. Everything
// that reads a model or a tensor runs in the sandbox of host.
#ifndef MF_CLI_MODEL_H
#define MF_CLI_MODEL_H

int mf_cli_compile(int argc, char **argv);  // compile MODEL -o IMAGE
int mf_cli_inspect(int argc, char **argv);  // inspect MODEL|IMAGE [--json], inspect --operators
int mf_cli_run(int argc, char **argv);      // run MODEL|IMAGE [--input NAME=FILE.npy|.pb]... [--output-dir DIR]
int mf_cli_check(int argc, char **argv);    // check DIR... [--rtol R] [--atol A] [--reference]
int mf_cli_bench(int argc, char **argv);    // bench MODEL|IMAGE [--threads N] [--json] [--profile]
#endif
