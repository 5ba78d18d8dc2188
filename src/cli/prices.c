#include "prices.h"

#include <jansson.h>
#include <stdio.h>

// The date is when a price was last seen published: Lambda's by the pages that quote it (x86, first tier of 6 billion GB-seconds a month), the
// endpoint's by those who print AWS's price list (AmazonSageMaker, us-east-1, usage type USE1-Host:ml.m5.large).
const struct cli_price_row cli_prices[CLI_PRICES] = {
    [CLI_PRICE_GB_SECOND] = {"lambda_gb_second", "a GB-second of a Lambda function", "2026-03", 0.0000166667},
    [CLI_PRICE_REQUEST] = {"lambda_request", "a request to a Lambda function", "2026-03", 0.20 / 1e6},
    [CLI_PRICE_ENDPOINT_HOUR] = {"endpoint_hour", "an hour of a SageMaker endpoint, one ml.m5.large", "2026-07", 0.115},
};

double cli_price_of_calls(uint64_t calls, double mb_ms) {
  return (double)calls * cli_prices[CLI_PRICE_REQUEST].dollars + mb_ms / 1024 / 1000 * cli_prices[CLI_PRICE_GB_SECOND].dollars;
}

double cli_price_of_endpoints(double hours) { return hours * cli_prices[CLI_PRICE_ENDPOINT_HOUR].dollars; }

json_t *cli_prices_json(void) {
  json_t *prices = json_object();
  for (int i = 0; i < CLI_PRICES; i++)
    json_object_set_new(prices, cli_prices[i].name,
                        json_pack("{s:f,s:s,s:s}", "usd", cli_prices[i].dollars, "what", cli_prices[i].what, "date", cli_prices[i].date));
  return prices;
}

void cli_print_prices(void) {
  for (int i = 0; i < CLI_PRICES; i++) printf("  $%.10f  %s (AWS, us-east-1, %s)\n", cli_prices[i].dollars, cli_prices[i].what, cli_prices[i].date);
}
