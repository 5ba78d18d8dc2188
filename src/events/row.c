// Rows and keys as bytes.
//
//   row: version (2), attempts, refusals, number of lineage entries, length of the qualifier, followers spent (2, LE), 1 unused;
//        accepted_ms (8, LE); request id (36); the function's uid (8, LE); qualifier; lineage (5 each: hash LE, runs); payload.
//   Version 1 had no uid.
#include "internal.h"

enum { ROW_VERSION = 2, UID_AT = 16 + MF_UUID_TEXT, HEADER = UID_AT + 8, LINEAGE_BYTES = 5 };

void mf_put_u64(uint64_t value, char out[8]) {
  for (int i = 7; i >= 0; i--, value >>= 8) out[i] = (char)(value & 0xff);
}

uint64_t mf_take_u64(const char *bytes) {
  uint64_t value = 0;
  for (int i = 0; i < 8; i++) value = value << 8 | (unsigned char)bytes[i];
  return value;
}

size_t mf_row_bytes(const mf_event_facts *facts) {
  return HEADER + facts->qualifier.len + (size_t)facts->n_lineage * LINEAGE_BYTES + facts->payload.len;
}

void mf_row_put(const mf_event_facts *facts, char *row) {
  memset(row, 0, HEADER);
  row[0] = ROW_VERSION;
  row[1] = (char)facts->attempts;
  row[2] = (char)facts->refusals;
  row[3] = (char)facts->n_lineage;
  row[4] = (char)facts->qualifier.len;
  memcpy(row + 5, &facts->spent, 2);
  memcpy(row + 8, &facts->accepted_ms, 8);
  memcpy(row + 16, facts->request_id.data, MF_MIN(facts->request_id.len, (size_t)MF_UUID_TEXT));
  memcpy(row + UID_AT, &facts->uid, 8);
  char *at = row + HEADER;
  if (facts->qualifier.len > 0) memcpy(at, facts->qualifier.data, facts->qualifier.len);
  at += facts->qualifier.len;
  for (uint32_t i = 0; i < facts->n_lineage; i++, at += LINEAGE_BYTES) {
    memcpy(at, &facts->lineage[i].function, 4);
    at[4] = (char)facts->lineage[i].runs;
  }
  if (facts->payload.data && facts->payload.len > 0) memcpy(at, facts->payload.data, facts->payload.len);
}

bool mf_row_read(mf_slice row, mf_event_facts *facts) {
  const char *bytes = row.data;
  *facts = (mf_event_facts){0};
  const size_t header = row.len > 0 && bytes[0] == 1 ? UID_AT : HEADER;
  if (row.len < header || (bytes[0] != 1 && bytes[0] != ROW_VERSION)) return false;
  facts->attempts = (uint8_t)bytes[1];
  facts->refusals = (uint8_t)bytes[2];
  facts->n_lineage = (uint8_t)bytes[3];
  facts->qualifier = (mf_str){bytes + header, (unsigned char)bytes[4]};
  facts->request_id = (mf_str){bytes + 16, MF_UUID_TEXT};
  memcpy(&facts->spent, bytes + 5, 2);
  memcpy(&facts->accepted_ms, bytes + 8, 8);
  if (header == HEADER) memcpy(&facts->uid, bytes + UID_AT, 8);
  const size_t rest = header + facts->qualifier.len + (size_t)facts->n_lineage * LINEAGE_BYTES;
  if (facts->n_lineage > MF_LINEAGE || rest > row.len) return false;
  const char *at = bytes + header + facts->qualifier.len;
  for (uint32_t i = 0; i < facts->n_lineage; i++, at += LINEAGE_BYTES) {
    memcpy(&facts->lineage[i].function, at, 4);
    facts->lineage[i].runs = (uint8_t)at[4];
  }
  facts->payload = (mf_slice){bytes + rest, row.len - rest};
  return true;
}

size_t mf_event_key(bool has_time, uint64_t time, mf_str function, uint64_t sequence, char key[MF_EVENT_KEY]) {
  char *at = key;
  if (has_time) mf_put_u64(time, at), at += 8;
  memcpy(at, function.data, function.len);
  at += function.len;
  *at++ = 0;
  mf_put_u64(sequence, at);
  return (size_t)(at + 8 - key);
}

bool mf_event_key_read(bool has_time, mf_str key, uint64_t *time, mf_str *function, uint64_t *sequence) {
  const size_t before = has_time ? 8 : 0;
  if (key.len < before + 1 + 1 + 8 || key.len > MF_EVENT_KEY || key.data[key.len - 9] != 0) return false;
  *time = has_time ? mf_take_u64(key.data) : 0;
  *function = (mf_str){key.data + before, key.len - before - 9};
  *sequence = mf_take_u64(key.data + key.len - 8);
  return true;
}

// ---- the chain that an event belongs to ----
static uint32_t name_hash(mf_str function) { return (uint32_t)mf_hash64(function.data, function.len, 0); }

uint32_t mf_lineage_runs(const mf_event_facts *facts, mf_str function) {
  const uint32_t hash = name_hash(function);
  for (uint32_t i = 0; i < facts->n_lineage; i++)
    if (facts->lineage[i].function == hash) return facts->lineage[i].runs;
  return 0;
}

// A chain of more functions than there are places shares the last one, so that it ends too, however long its circle.
uint32_t mf_lineage_add(mf_event_facts *facts, mf_str function) {
  const uint32_t hash = name_hash(function);
  uint32_t at = 0;
  while (at < facts->n_lineage && facts->lineage[at].function != hash) at++;
  if (at == MF_LINEAGE) facts->lineage[--at].function = hash;
  else if (at == facts->n_lineage) facts->lineage[facts->n_lineage++].function = hash, facts->lineage[at].runs = 0;
  const uint32_t before = facts->lineage[at].runs;
  if (before < UINT8_MAX) facts->lineage[at].runs++;
  return before;
}
