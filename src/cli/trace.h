// Reading the Azure Functions trace of 2019 (github.com/Azure/AzurePublicDataset, AzureFunctionsDataset2019.md): a file a day of each kind.
//
//   invocations_per_function_md.anon.dNN.csv       HashOwner,HashApp,HashFunction,Trigger,1,...,1440: calls in each minute of the day
//   function_durations_percentiles.anon.dNN.csv    HashOwner,HashApp,HashFunction,Average,Count,...: milliseconds without the cold start,
//                                                  the average of so many calls of the day
//   app_memory_percentiles.anon.dNN.csv            HashOwner,HashApp,SampleCount,AverageAllocatedMb,...: of so many samples of the day
//
// The text is anybody's: nothing in it is believed, and what is wrong is told with its line and column. No quotes, as the trace has none;
// lines end in a newline, a carriage return before it is passed over. Allocates nothing: fields point into the text.
#ifndef MF_CLI_TRACE_H
#define MF_CLI_TRACE_H

#include "base/base.h"

enum { TRACE_MINUTES = 1440, TRACE_FIELD_LARGEST = 256, TRACE_COLUMNS_LARGEST = 2048 };

typedef enum trace_kind { TRACE_CALLS, TRACE_DURATIONS, TRACE_MEMORY } trace_kind;

typedef struct trace_reader {
  const char *name;        // of the file, for errors
  trace_kind kind;
  mf_str left;             // what has not been read
  uint64_t line;           // that was read last
  uint32_t columns, value; // in each line; where the value stands (durations, memory)
  uint32_t weight;         // where it stands how many the value is the average of; 0: nowhere
} trace_reader;

typedef struct trace_row {
  mf_str owner, app, function, trigger;  // "" where the kind has none
  double value, weight;                  // milliseconds or megabytes, of so many (1 where it is not said); below 0: the trace does not know
  uint32_t calls[TRACE_MINUTES];         // of TRACE_CALLS
} trace_row;

// Reads the head line.
bool trace_open(trace_reader *reader, trace_kind kind, const char *name, mf_str text, mf_error *err) MF_MUST_CHECK;
// *more false: there was no further row.
bool trace_next(trace_reader *reader, trace_row *row, bool *more, mf_error *err) MF_MUST_CHECK;
// The kind and the day of a file by its name (no folder); false: it is none of the trace's.
bool trace_file_name(const char *name, trace_kind *kind, uint32_t *day);
#endif
