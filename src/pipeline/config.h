// Small JSON files of packages, read with jansson: tables of members with their types and limits,
// errors that name the place
// ("mayfly.json: picture.size.width: expected an integer from 1 to 16384"). Also the lists of
// labels in them.
#ifndef MF_PIPELINE_CONFIG_H
#define MF_PIPELINE_CONFIG_H

#include <jansson.h>

#include "recipe.h"

typedef struct mf_config {
  const char *file;  // for messages
  char place[128];   // "picture.size"
  bool strict;       // members that no table lists are errors
  mf_recipe *recipe;
  mf_archive *archive;
  mf_str folder;  // of the file
  mf_arena *arena;
  mf_error *err;
} mf_config;

typedef enum mf_member_kind {
  MF_MEMBER_INTEGER,
  MF_MEMBER_NUMBER,
  MF_MEMBER_TEXT,
  MF_MEMBER_BOOLEAN,
  MF_MEMBER_CHOICE,
  MF_MEMBER_OTHER
} mf_member_kind;
typedef struct mf_choice {
  const char *name;  // NULL: end of the list
  uint32_t value;
} mf_choice;
typedef struct mf_member {
  const char *name;  // NULL: end of the table
  mf_member_kind kind;
  size_t offset;       // in the struct: uint32_t, double, mf_str, bool, uint32_t
  double least, most;  // INTEGER, NUMBER
  const mf_choice *choices;
  bool (*read)(mf_config *config, json_t *value, void *into);  // OTHER
} mf_member;

// Parses; NULL with *err when it is no JSON object. Release with json_decref.
json_t *mf_config_parse(mf_config *config, mf_slice bytes) MF_MUST_CHECK;
bool mf_config_read(mf_config *config, json_t *object, const mf_member *members,
                    void *into) MF_MUST_CHECK;
bool mf_config_fail(mf_config *config, const char *format, ...)
    MF_PRINTF(2, 3);  // InvalidPackage with file and place
// One number, or a list of at most MF_MAX_CHANNELS.
bool mf_config_numbers(mf_config *config, json_t *value, double *numbers,
                       uint32_t *n) MF_MUST_CHECK;
bool mf_config_text(mf_config *config, json_t *value, mf_str *text) MF_MUST_CHECK;
// A list of texts, or an object {"0": "tench", …} that counts from 0 without gaps.
bool mf_config_labels(mf_config *config, json_t *value, const mf_str **labels,
                      uint32_t *n) MF_MUST_CHECK;
static inline void mf_json_release(json_t **json) { json_decref(*json); }
#define OWN_JSON __attribute__((cleanup(mf_json_release)))
#endif
