#include "prices.h"

#include <jansson.h>
#include <stdio.h>

// The date is when a price was last seen published: Lambda's by the pages that quote it (x86, first tier of 6 billion GB-seconds a month),
// provisioned concurrency's by copies of AWS's price list, the endpoint's by those who print that list (AmazonSageMaker, us-east-1, usage type
// USE1-Host:ml.m5.large).
const struct cli_price_row cli_prices[CLI_PRICES] = {
    [CLI_PRICE_GB_SECOND] = {"lambda_gb_second", "a GB-second of a Lambda function", "2026-03", 0.0000166667, false},
    [CLI_PRICE_REQUEST] = {"lambda_request", "a request to a Lambda function", "2026-03", 0.20 / 1e6, false},
    [CLI_PRICE_RUN_GB_SECOND] = {"provisioned_run_gb_second", "a GB-second of a function on provisioned concurrency", "2025", 0.0000097222, true},
    [CLI_PRICE_KEPT_GB_SECOND] = {"provisioned_kept_gb_second", "a GB-second of provisioned concurrency kept", "2025", 0.0000041667, true},
    [CLI_PRICE_ENDPOINT_HOUR] = {"endpoint_hour", "an hour of a SageMaker endpoint, one ml.m5.large", "2026-07", 0.115, false},
};

double cli_price_of_calls(uint64_t calls, double mb_ms) {
  return (double)calls * cli_prices[CLI_PRICE_REQUEST].dollars + mb_ms / 1024 / 1000 * cli_prices[CLI_PRICE_GB_SECOND].dollars;
}

double cli_price_of_provisioned(double run_mb_ms, double kept_mb_ms) {
  return run_mb_ms / 1024 / 1000 * cli_prices[CLI_PRICE_RUN_GB_SECOND].dollars + kept_mb_ms / 1024 / 1000 * cli_prices[CLI_PRICE_KEPT_GB_SECOND].dollars;
}

double cli_price_of_endpoints(double hours) { return hours * cli_prices[CLI_PRICE_ENDPOINT_HOUR].dollars; }

json_t *cli_prices_json(bool provisioned) {
  json_t *prices = json_object();
  for (int i = 0; i < CLI_PRICES; i++)
    if (provisioned || !cli_prices[i].provisioned)
      json_object_set_new(prices, cli_prices[i].name,
                          json_pack("{s:f,s:s,s:s}", "usd", cli_prices[i].dollars, "what", cli_prices[i].what, "date", cli_prices[i].date));
  return prices;
}

void cli_print_prices(bool provisioned) {
  for (int i = 0; i < CLI_PRICES; i++)
    if (provisioned || !cli_prices[i].provisioned)
      printf("  $%.10f  %s (AWS, us-east-1, %s)\n", cli_prices[i].dollars, cli_prices[i].what, cli_prices[i].date);
}
