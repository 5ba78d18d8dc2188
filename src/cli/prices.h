// What AWS asks, in one table with its date: for `mayfly cost` and `mayfly simulate`. US dollars, us-east-1, x86, first tier; the monthly free
// tier (1 million requests, 400,000 GB-seconds) is not taken off, since it is one account's and not one function's.
#ifndef MF_CLI_PRICES_H
#define MF_CLI_PRICES_H

#include <stdbool.h>
#include <stdint.h>

typedef enum cli_price {
  CLI_PRICE_GB_SECOND,      // of a Lambda function, billed by the millisecond
  CLI_PRICE_REQUEST,        // to a Lambda function
  CLI_PRICE_RUN_GB_SECOND,  // of a function that runs on provisioned concurrency
  CLI_PRICE_KEPT_GB_SECOND, // of provisioned concurrency, whether anything runs or not
  CLI_PRICE_ENDPOINT_HOUR,  // of the always-on endpoint that a function replaces
  CLI_PRICES,
} cli_price;
extern const struct cli_price_row {
  const char *name, *what, *date;
  double dollars;
  bool provisioned;         // of provisioned concurrency only
} cli_prices[CLI_PRICES];

// mb_ms: the sum of billed milliseconds times megabytes.
double cli_price_of_calls(uint64_t calls, double mb_ms);
// On provisioned concurrency: what ran (its calls are among those above), and what was kept.
double cli_price_of_provisioned(double run_mb_ms, double kept_mb_ms);
double cli_price_of_endpoints(double hours);

struct json_t;
// provisioned: those of provisioned concurrency too.
struct json_t *cli_prices_json(bool provisioned);
void cli_print_prices(bool provisioned);  // a line each, below a bill
#endif
