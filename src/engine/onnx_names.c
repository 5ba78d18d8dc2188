// Names to values while a model is read: one hash table a scope.
#include "onnx.h"

static struct mf_name *slot_of(const mf_names *names, mf_str name) {
  size_t at = (size_t)mf_hash64(name.data, name.len, 0) & (names->capacity - 1);
  while (names->slots[at].used && !mf_str_equal(names->slots[at].name, name)) at = (at + 1) & (names->capacity - 1);
  return &names->slots[at];
}

static bool rehash(mf_arena *arena, mf_names *names, mf_error *err) {
  mf_names bigger = {.n = names->n, .capacity = names->capacity ? names->capacity * 4 : 64};
  bigger.slots = MF_NEW_ARRAY(arena, struct mf_name, bigger.capacity);
  if (!bigger.slots) return mf_out_of_arena(err);
  for (size_t i = 0; i < names->capacity; i++)
    if (names->slots[i].used) *slot_of(&bigger, names->slots[i].name) = names->slots[i];
  *names = bigger;
  return true;
}

bool mf_names_add(mf_arena *arena, mf_names *names, mf_str name, mf_value_id value, bool *duplicate, mf_error *err) {
  if (names->n * 2 >= names->capacity && !rehash(arena, names, err)) return false;
  struct mf_name *slot = slot_of(names, name);
  *duplicate = slot->used;
  if (slot->used) return true;
  *slot = (struct mf_name){name, value, true};
  names->n++;
  return true;
}

bool mf_names_find(const mf_names *names, mf_str name, mf_value_id *value) {
  if (!names->capacity) return false;
  const struct mf_name *slot = slot_of(names, name);
  if (slot->used) *value = slot->value;
  return slot->used;
}
