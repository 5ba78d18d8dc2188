// Settings: what belongs to a function or to one of its qualifiers and is a row of its own
// (aliases, policies, URLs, …). A row is JSON under "region/name:qualifier"; the qualifier may be
// empty where a table says so. They go with the function, in the same commit.
#ifndef MF_SERVICES_LAMBDA_SETTINGS_H
#define MF_SERVICES_LAMBDA_SETTINGS_H

#include "internal.h"

// "region/name:qualifier" in the call's arena. Empty: an answer was sent, there was no memory.
mf_str mf_setting_key(mf_operation_call *call, mf_str qualifier);
// A new reference; *value NULL: there is none.
bool mf_setting_load(mf_store *store, mf_table table, mf_str key, json_t **value,
                     mf_error *err) MF_MUST_CHECK;
// value NULL: deletes the row. done as in mf_store_commit. Several of one commit: mf_setting_write
// and mf_store_commit.
bool mf_setting_save(mf_store *store, mf_table table, mf_str key, const json_t *value,
                     mf_store_done *done, void *context, mf_error *err) MF_MUST_CHECK;
// The write for it; its text is in the arena. NULL value: deletion.
bool mf_setting_write(mf_arena *arena, mf_table table, mf_str key, const json_t *value,
                      mf_write *write, mf_error *err) MF_MUST_CHECK;

// The answer to a change, which is sent when the change is on disk: `mf_answer_stored` is the store's callback for it.
typedef struct mf_pending_answer mf_pending_answer;
// Takes the reference; NULL answer: no body. The status is the operation's. NULL: another answer was sent.
mf_pending_answer *mf_answer_when_stored(mf_operation_call *call, json_t *answer);
void mf_answer_stored(void *pending_answer, const mf_error *err);

// One row as a List operation shows it, a new reference; NULL: it is not shown. key: without the
// prefix.
typedef json_t *mf_list_item(mf_operation_call *call, mf_str key, const json_t *value);
// Answers with {member: items} of the table's rows with this prefix, in the order of their keys, in
// pages: Marker (the base64 of the last key before) and MaxItems, 50 at most.
void mf_answer_list(mf_operation_call *call, mf_table table, mf_str prefix, const char *member,
                    mf_list_item *item);
// The same with an item before the rows, which are behind "$LATEST" in the order of keys. Takes it.
void mf_answer_list_after(mf_operation_call *call, mf_table table, mf_str prefix,
                          const char *member, json_t *first, mf_list_item *item);
// The parts, for lists of another order: the text of the Marker in the arena ("" without one; data
// NULL: an answer was sent), the number of items that are asked for, and the answer, with the marker
// of the next page when `next` is not "". Takes the items.
mf_str mf_list_marker(mf_operation_call *call);
uint32_t mf_list_limit(mf_operation_call *call);
void mf_list_answer(mf_operation_call *call, const char *member, json_t *items, mf_str next);

// The writes that delete all of a function's rows in the tables of settings, in the arena (key:
// "region/name"), or those of one of its qualifiers ("region/name:qualifier").
bool mf_settings_deletions(mf_store *store, mf_str key, mf_arena *arena, mf_write **writes,
                           uint32_t *n_writes, mf_error *err) MF_MUST_CHECK;
#endif
