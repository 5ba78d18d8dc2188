// What AWS asks, in one table with its date: for `mayfly cost` and `mayfly simulate`. US dollars, us-east-1, x86, first tier; the monthly free
// tier (1 million requests, 400,000 GB-seconds) is not taken off, since it is one account's and not one function's.
#ifndef MF_CLI_PRICES_H
#define MF_CLI_PRICES_H

#include <stdint.h>

typedef enum cli_price {
  CLI_PRICE_GB_SECOND,      // of a Lambda function, billed by the millisecond
  CLI_PRICE_REQUEST,        // to a Lambda function
  CLI_PRICE_ENDPOINT_HOUR,  // of the always-on endpoint that a function replaces
  CLI_PRICES,
} cli_price;
extern const struct cli_price_row {
  const char *name, *what, *date;
  double dollars;
} cli_prices[CLI_PRICES];

// mb_ms: the sum of billed milliseconds times megabytes.
double cli_price_of_calls(uint64_t calls, double mb_ms);
double cli_price_of_endpoints(double hours);

struct json_t;
struct json_t *cli_prices_json(void);
void cli_print_prices(void);  // a line each, below a bill
#endif
