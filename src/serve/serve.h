// serve: the command that runs the server. It wires everything: reads the options, locks the data directory, binds the socket, starts
// the keeper; in front it makes store, host, Lambda service and HTTP server and hands each what it needs of the others.
#ifndef MF_SERVE_SERVE_H
#define MF_SERVE_SERVE_H

// argv[0] is "serve". Returns the program's exit status: 0 stopped in order, 1 failed (said why on stderr), 2 wrong usage.
int mf_serve_main(int argc, char **argv);
#endif
