// Editing a body: what the passes of this folder share. A pass walks the nodes there were, in
// order, and for each either keeps it or adds others in its place; nodes that vanished into a later
// one are dropped. Producers and numbers of uses are at hand.
//
//   mf_edit e;
//   mf_edit_open(&e, graph, err)
//   for each body: mf_edit_begin(&e, body)
//     for (i < e.n_old) { if (is what I replace) mf_edit_add(...) else mf_edit_keep(&e, e.old[i]) }
//     mf_edit_end(&e)
//
// A body costs what is in it, however many values and other bodies the model has.
#ifndef MF_ENGINE_PASSES_EDIT_H
#define MF_ENGINE_PASSES_EDIT_H

#include "../graph_internal.h"
#include "passes.h"

typedef struct mf_edit_value {
  mf_node *producer;  // in this body; NULL: an input, a constant, or made elsewhere
  uint32_t uses;      // as inputs in all bodies, and as bodies' outputs
  uint32_t own_uses;  // of these, as inputs in this body
  bool output;        // of a body
} mf_edit_value;

typedef struct mf_edit {
  mf_graph *graph;
  mf_body *body;
  mf_node **old;  // the nodes there were
  uint32_t n_old;
  mf_edit_value *values;
  uint32_t values_capacity;
  mf_value_id *touched;  // inputs and outputs of this body's nodes; some several times
  uint32_t n_touched, touched_capacity;
  mf_error *err;  // of the failing call; every function that returns false or NULL has filled it
} mf_edit;

bool mf_edit_open(mf_edit *e, mf_graph *graph, mf_error *err) MF_MUST_CHECK;
bool mf_edit_begin(mf_edit *e, uint32_t body) MF_MUST_CHECK;
bool mf_edit_keep(mf_edit *e, mf_node *node) MF_MUST_CHECK;
// Drops nodes that were marked dead after they had been kept.
void mf_edit_end(mf_edit *e);

// A new value like `like` (NULL: nothing known).
bool mf_edit_value_like(mf_edit *e, const mf_tensor *like, mf_value_id *id) MF_MUST_CHECK;
// A new constant; the data is the arena's, zeroed.
bool mf_edit_constant(mf_edit *e, mf_type type, uint32_t rank, const int64_t *dims,
                      mf_value_id *id) MF_MUST_CHECK;
bool mf_edit_ints(mf_edit *e, const int64_t *values, uint32_t n,
                  mf_value_id *id) MF_MUST_CHECK;  // int64[n]
// A node at the end of what was kept so far. Its inputs' uses are counted and its outputs get it as
// producer.
mf_node *mf_edit_add(mf_edit *e, const char *domain, const char *op, int64_t opset, mf_str name,
                     const mf_value_id *inputs, uint32_t n_inputs, const mf_value_id *outputs,
                     uint32_t n_outputs);
// A copy of `node` (same row and attributes) with other inputs and outputs, as many as it had.
mf_node *mf_edit_copy(mf_edit *e, const mf_node *node, const mf_value_id *inputs,
                      const mf_value_id *outputs);
void mf_edit_kill(mf_edit *e, mf_node *node);  // marks it dead and takes back its uses

// ---- looking ----
static inline mf_tensor *mf_edit_tensor(const mf_edit *e, mf_value_id id) {
  return &e->graph->values[id].tensor;
}
// Used by another body than this one, or an output of a body.
static inline bool mf_edit_captured(const mf_edit *e, mf_value_id id) {
  return e->values[id].uses != e->values[id].own_uses;
}
static inline mf_value_id mf_edit_input(const mf_node *node, uint32_t at) {
  return at < node->n_inputs ? node->inputs[at] : MF_NO_VALUE;
}
bool mf_edit_is(const mf_node *node, const char *domain, const char *op);  // false for NULL
// The producer of the value if it is this operator and nobody else uses the value.
mf_node *mf_edit_sole(const mf_edit *e, mf_value_id id, const char *domain, const char *op);
mf_node *mf_edit_producer(const mf_edit *e, mf_value_id id, const char *domain, const char *op);
mf_attribute *mf_edit_attribute(const mf_node *node,
                                const char *name);  // NULL if the row has no such attribute
int64_t mf_edit_int(const mf_node *node, const char *name, int64_t fallback);
float mf_edit_float(const mf_node *node, const char *name, float fallback);
bool mf_edit_ints_of(const mf_node *node, const char *name, const int64_t **values, uint32_t *n);
bool mf_edit_text_is(const mf_node *node, const char *name, const char *text);
void mf_edit_set_int(mf_node *node, const char *name, int64_t value);
void mf_edit_set_float(mf_node *node, const char *name, float value);
bool mf_edit_set_ints(mf_edit *e, mf_node *node, const char *name, const int64_t *values,
                      uint32_t n) MF_MUST_CHECK;
// Constants.
bool mf_edit_is_constant(const mf_edit *e, mf_value_id id);
const float *mf_edit_floats(const mf_edit *e, mf_value_id id,
                            int64_t *count);  // NULL: not a float32 constant
bool mf_edit_scalar(const mf_edit *e, mf_value_id id,
                    float *value);  // a float32 constant of one element
bool mf_edit_int_list(const mf_edit *e, mf_value_id id, int64_t *values,
                      uint32_t *n);  // int32/int64 constant, at most MF_MAX_RANK * 2
#endif
