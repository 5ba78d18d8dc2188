// What the parts of the service share.
#ifndef MF_SERVICES_LOGS_INTERNAL_H
#define MF_SERVICES_LOGS_INTERNAL_H

#include "logs.h"

enum { MF_KNOWN_GROUPS = 16384, MF_STREAM_NAME_BYTES = 64 };
struct mf_logs {
  mf_store *store;
  mf_rpc_endpoint endpoint;
  uint64_t known[MF_KNOWN_GROUPS];  // hashes of groups that have a row for certain, so that writing need not look
};

#define MF_LOGS_SHAPE(name, ...) extern const mf_shape mf_logs_shape_##name;
#include "shapes.def"
#undef MF_LOGS_SHAPE

#define MF_OPERATION(name, input) void mf_logs_##name(mf_rpc_call *call);
#define MF_UNSUPPORTED_OPERATION(name)
#include "operations.def"
#undef MF_OPERATION
#undef MF_UNSUPPORTED_OPERATION

typedef struct mf_log_group {  // one that a request names; in its arena
  mf_str name, row_key, log_key;
  json_t *row;                 // to be released
} mf_log_group;

typedef struct mf_log_stream {
  mf_log_segment segment;
  char name[MF_STREAM_NAME_BYTES];
} mf_log_stream;

// groups.c. false: an answer was sent.
bool mf_logs_require_group(mf_rpc_call *call, mf_log_group *group);
mf_str mf_logs_text(const mf_rpc_call *call, const char *name);                        // "" if absent
int64_t mf_logs_number(const mf_rpc_call *call, const char *name, int64_t otherwise);

// streams.c: oldest first. hidden_before_ms: events before are as good as deleted, by the group's retention.
uint32_t mf_logs_streams(mf_logs *logs, mf_str log_key, mf_log_stream streams[MF_MAX_LOG_SEGMENTS], int64_t *hidden_before_ms);
// The one that the call's logStreamName names. false: an answer was sent.
bool mf_logs_require_stream(mf_rpc_call *call, mf_str log_key, mf_log_stream *stream, int64_t *hidden_before_ms) MF_MUST_CHECK;
char *mf_logs_group_arn(mf_rpc_call *call, mf_str group, const char *suffix);
#endif
