// Files of labels: one a line, numbered or not, or JSON.
#include <stdio.h>

#include "config.h"

static bool read_json(mf_archive *archive, const mf_archive_entry *entry, mf_slice bytes,
                      const mf_str **labels, uint32_t *n, mf_error *err) {
  char file[128];
  snprintf(file, sizeof file, "%.*s", (int)MF_MIN(entry->name.len, sizeof file - 1),
           entry->name.data);
  mf_config config = {.file = file, .arena = archive->arena, .err = err};
  json_error_t error;
  OWN_JSON json_t *json = json_loadb(bytes.data, bytes.len, JSON_REJECT_DUPLICATES, &error);
  if (!json)
    return mf_config_fail(&config, "line %d, column %d: %s", error.line, error.column, error.text);
  return mf_config_labels(&config, json, labels, n);
}

static mf_str trimmed(mf_str line) {
  while (line.len > 0 && (unsigned char)line.data[line.len - 1] <= ' ') line.len--;
  while (line.len > 0 && (unsigned char)line.data[0] <= ' ')
    line = (mf_str){line.data + 1, line.len - 1};
  return line;
}

static bool next_line(mf_str *rest, mf_str *line) {
  if (rest->len == 0) return false;
  const char *newline = memchr(rest->data, '\n', rest->len);
  size_t len = newline ? (size_t)(newline - rest->data) : rest->len;
  *line = trimmed((mf_str){rest->data, len});
  size_t used = MF_MIN(len + 1, rest->len);
  *rest = (mf_str){rest->data + used, rest->len - used};
  return true;
}

// Length of "<number><separator>" before a label, 0 if the line does not begin so.
static size_t number_prefix(mf_str line, size_t number) {
  char digits[24];
  size_t n = (size_t)snprintf(digits, sizeof digits, "%zu", number);
  if (line.len <= n || memcmp(line.data, digits, n) != 0) return 0;
  char separator = line.data[n];
  return separator == ',' || separator == ':' || separator == '\t' || separator == ';' ? n + 1 : 0;
}

static bool read_lines(mf_archive *archive, const mf_archive_entry *entry, mf_str text,
                       const mf_str **labels, uint32_t *n, mf_error *err) {
  size_t count = 0, numbered = 0;
  mf_str line;
  for (mf_str rest = text; next_line(&rest, &line);) {
    if (line.len == 0 && trimmed(rest).len == 0) break;
    numbered += number_prefix(line, count++) > 0;
  }
  if (count == 0 || count >= UINT32_MAX)
    return mf_fail(err, MF_InvalidPackage, "'%.*s' holds no labels", MF_STR_ARG(entry->name));
  mf_str *list = MF_NEW_ARRAY(archive->arena, mf_str, count);
  if (!list)
    return mf_fail(err, MF_OutOfMemory, "no memory left for the labels in '%.*s'",
                   MF_STR_ARG(entry->name));
  mf_str rest = text;
  for (size_t i = 0; i < count && next_line(&rest, &line); i++) {
    size_t prefix = numbered == count ? number_prefix(line, i) : 0;
    list[i] = trimmed((mf_str){line.data + prefix, line.len - prefix});
  }
  *labels = list;
  *n = (uint32_t)count;
  return true;
}

bool mf_labels_read(mf_archive *archive, const mf_archive_entry *entry, const mf_str **labels,
                    uint32_t *n, mf_error *err) {
  mf_slice bytes;
  if (!mf_archive_read(archive, entry, &bytes, err)) return false;
  mf_str text = {bytes.data, bytes.len};
  if (mf_str_ends(entry->name, MF_STR(".json")))
    return read_json(archive, entry, bytes, labels, n, err);
  if (mf_str_starts(text, MF_STR("\xef\xbb\xbf"))) text = (mf_str){text.data + 3, text.len - 3};
  if (!mf_str_is_utf8(text))
    return mf_fail(err, MF_InvalidPackage, "'%.*s' is not UTF-8", MF_STR_ARG(entry->name));
  return read_lines(archive, entry, text, labels, n, err);
}
