// Einsum: the sum over all labels of the products of the inputs, as numpy.einsum (with ellipsis, repeated labels, implicit output).
#include "nn.h"

enum { LETTERS = 52, N_LABELS = LETTERS + MF_MAX_RANK, MAX_TERMS = 16 };  // the last MF_MAX_RANK: dimensions of the ellipsis
enum { SET_EINSUM = MF_SET_FLOATS | 1 << MF_INT32 | 1 << MF_UINT32 | 1 << MF_INT64 | 1 << MF_UINT64 };

typedef struct term {  // one input, or the output
  uint32_t n;
  uint8_t labels[MF_MAX_RANK];
} term;

typedef struct einsum {
  uint32_t n_terms, n_ellipsis;  // the widest ellipsis
  term terms[MAX_TERMS], out;
  uint32_t count[N_LABELS];      // how often a label occurs in the inputs
  int64_t dims[N_LABELS];        // MF_DIM_UNKNOWN: not known
} einsum;

// ---- the equation ----

static int label_of(char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';  // numpy sorts capitals first
  return c >= 'a' && c <= 'z' ? c - 'a' + 26 : -1;
}

static bool bad_equation(mf_str equation, const char *why, mf_error *err) {
  return mf_fail(err, MF_InvalidModel, "equation '%.*s': %s", (int)MF_MIN(equation.len, 200), equation.data ? equation.data : "", why);
}

// Reads one term up to ',' or '-' or the end. `width`: dimensions that its ellipsis stands for.
static bool read_term(mf_str equation, size_t *at, uint32_t width, term *t, mf_error *err) {
  bool ellipsis = false;
  for (t->n = 0; *at < equation.len && equation.data[*at] != ',' && equation.data[*at] != '-'; ++*at) {
    const char c = equation.data[*at];
    if (c == ' ') continue;
    if (c == '.') {
      if (ellipsis || equation.len - *at < 3 || equation.data[*at + 1] != '.' || equation.data[*at + 2] != '.')
        return bad_equation(equation, "expected one '...'", err);
      ellipsis = true;
      *at += 2;
      for (uint32_t d = 0; d < width; ++d) {
        if (t->n == MF_MAX_RANK) return bad_equation(equation, "too many dimensions", err);
        t->labels[t->n++] = (uint8_t)(N_LABELS - width + d);
      }
      continue;
    }
    if (label_of(c) < 0) return bad_equation(equation, "expected letters, ',', '...' and '->'", err);
    if (t->n == MF_MAX_RANK) return bad_equation(equation, "too many dimensions", err);
    t->labels[t->n++] = (uint8_t)label_of(c);
  }
  return true;
}

// Letters of the term that begins at `at`: what the ellipsis stands for is the input's rank less these.
static uint32_t letters_from(mf_str equation, size_t at, bool *ellipsis) {
  uint32_t n = 0;
  for (*ellipsis = false; at < equation.len && equation.data[at] != ',' && equation.data[at] != '-'; ++at) {
    *ellipsis |= equation.data[at] == '.';
    n += label_of(equation.data[at]) >= 0;
  }
  return n;
}

static bool read_input(const mf_shape_call *call, mf_str equation, size_t *at, einsum *e, mf_error *err) {
  const mf_tensor *x = call->inputs[e->n_terms];
  term *t = &e->terms[e->n_terms++];
  bool ellipsis;
  const uint32_t letters = letters_from(equation, *at, &ellipsis);
  if (letters > x->rank || (!ellipsis && letters != x->rank))
    return mf_fail(err, MF_InvalidModel, "input %u has %u dimensions, its term of the equation %u letters", e->n_terms - 1, x->rank, letters);
  const uint32_t width = ellipsis ? x->rank - letters : 0;
  e->n_ellipsis = MF_MAX(e->n_ellipsis, width);
  if (!read_term(equation, at, width, t, err)) return false;
  for (uint32_t d = 0; d < t->n; ++d) {
    int64_t *dim = &e->dims[t->labels[d]];
    const int64_t now = mf_nn_dim_of(x, d);
    if (e->count[t->labels[d]]++ == 0 || *dim == 1) *dim = now;
    else if (now != 1 && !mf_ops_merge_dim(*dim, now, "dimensions with the same letter", dim, err)) return false;
  }
  return true;
}

// Without '->': the ellipsis, then every letter that occurs once.
static bool implicit_output(einsum *e, mf_str equation, mf_error *err) {
  for (uint32_t i = 0; i < N_LABELS; ++i) {
    const uint32_t label = i < MF_MAX_RANK ? LETTERS + i : i - MF_MAX_RANK;
    if (label < LETTERS ? e->count[label] != 1 : e->count[label] == 0) continue;
    if (e->out.n == MF_MAX_RANK) return bad_equation(equation, "too many dimensions", err);
    e->out.labels[e->out.n++] = (uint8_t)label;
  }
  return true;
}

static bool explicit_output(einsum *e, mf_str equation, size_t at, mf_error *err) {
  if (equation.data[at] != '-' || at + 1 >= equation.len || equation.data[at + 1] != '>')
    return bad_equation(equation, "expected '->'", err);
  at += 2;
  if (!read_term(equation, &at, e->n_ellipsis, &e->out, err)) return false;
  if (at < equation.len) return bad_equation(equation, "more than one output", err);
  uint64_t seen = 0;
  for (uint32_t d = 0; d < e->out.n; ++d) {
    const uint64_t bit = UINT64_C(1) << e->out.labels[d];
    if (seen & bit) return bad_equation(equation, "a letter occurs twice in the output", err);
    if (e->count[e->out.labels[d]] == 0) return bad_equation(equation, "a letter of the output is in no input", err);
    seen |= bit;
  }
  return true;
}

// All ranks must be known.
static bool read_einsum(const mf_shape_call *call, einsum *e, mf_error *err) {
  const mf_str equation = mf_attr_str(&call->attributes, 0);
  size_t at = 0;
  *e = (einsum){.n_terms = 0};
  if (call->n_inputs > MAX_TERMS) return mf_fail(err, MF_UnsupportedOperator, "%u inputs, supported are %d", call->n_inputs, MAX_TERMS);
  while (e->n_terms < call->n_inputs) {
    if (e->n_terms > 0 && (at >= equation.len || equation.data[at++] != ',')) return bad_equation(equation, "a term for each input expected", err);
    if (!read_input(call, equation, &at, e, err)) return false;
  }
  return at < equation.len ? explicit_output(e, equation, at, err) : implicit_output(e, equation, err);
}

static bool shape_einsum(mf_shape_call *call, mf_error *err) {
  bool known = true;
  for (uint32_t i = 0; i < call->n_inputs; ++i) {
    if (!mf_ops_expect(call, i, SET_EINSUM, err) || !mf_ops_expect_same(call, i, 0, err)) return false;
    known &= mf_ops_rank_known(call->inputs[i]);
  }
  mf_nn_set(call, 0, call->inputs[0]->type, MF_RANK_UNKNOWN, NULL);
  if (!known) return true;
  einsum e;
  if (!read_einsum(call, &e, err)) return false;
  int64_t dims[MF_MAX_RANK];
  for (uint32_t d = 0; d < e.out.n; ++d) dims[d] = e.dims[e.out.labels[d]];
  mf_nn_set(call, 0, call->inputs[0]->type, e.out.n, dims);
  return true;
}

// ---- the walk: output labels, then those that are summed ----

typedef struct walk {
  uint32_t n_terms, n_out, n_sum;
  int64_t out[MF_MAX_RANK], sum[N_LABELS], zero[N_LABELS];
  int64_t out_steps[MAX_TERMS][MF_MAX_RANK], sum_steps[MAX_TERMS][N_LABELS];
} walk;

// How far input i moves when the label goes on by one: repeated labels add up, broadcast dimensions do not move.
static int64_t step_of(const mf_tensor *x, const term *t, uint32_t label) {
  int64_t steps = 0;
  for (uint32_t d = 0; d < t->n; ++d)
    if (t->labels[d] == label && x->dims[d] != 1) steps += mf_tensor_span(x, d + 1, x->rank);
  return steps;
}

static void plan_walk(const mf_kernel_call *call, const einsum *e, walk *w) {
  *w = (walk){.n_terms = e->n_terms, .n_out = e->out.n};
  uint64_t out = 0;
  for (uint32_t d = 0; d < e->out.n; ++d) {
    out |= UINT64_C(1) << e->out.labels[d];
    w->out[d] = e->dims[e->out.labels[d]];
    for (uint32_t i = 0; i < e->n_terms; ++i) w->out_steps[i][d] = step_of(call->inputs[i], &e->terms[i], e->out.labels[d]);
  }
  for (uint32_t label = 0; label < N_LABELS; ++label) {
    if (e->count[label] == 0 || ((out >> label) & 1)) continue;
    w->sum[w->n_sum] = e->dims[label];
    for (uint32_t i = 0; i < e->n_terms; ++i) w->sum_steps[i][w->n_sum] = step_of(call->inputs[i], &e->terms[i], label);
    ++w->n_sum;
  }
}

static int64_t moved(uint32_t n, const int64_t *at, const int64_t *steps) {
  int64_t offset = 0;
  for (uint32_t d = 0; d < n; ++d) offset += at[d] * steps[d];
  return offset;
}

#define DEFINE_EINSUM(T, suffix, A)                                                                                       \
  static A einsum_element_##suffix(const mf_kernel_call *call, const walk *w, const int64_t *at) {                        \
    int64_t base[MAX_TERMS], inner[N_LABELS] = {0};                                                                       \
    A sum = 0;                                                                                                            \
    for (uint32_t i = 0; i < w->n_terms; ++i) base[i] = moved(w->n_out, at, w->out_steps[i]);                             \
    do {                                                                                                                  \
      A product = 1;                                                                                                      \
      for (uint32_t i = 0; i < w->n_terms; ++i)                                                                           \
        product *= (A)((const T *)call->inputs[i]->data)[base[i] + moved(w->n_sum, inner, w->sum_steps[i])];              \
      sum += product;                                                                                                     \
    } while (nn_step(w->n_sum, inner, w->zero, w->sum));                                                                  \
    return sum;                                                                                                           \
  }                                                                                                                       \
  static bool einsum_##suffix(mf_kernel_call *call, mf_error *err) {                                                      \
    const mf_shape_call view = mf_ops_view(call);                                                                         \
    einsum e;                                                                                                             \
    walk w;                                                                                                               \
    if (!read_einsum(&view, &e, err)) return false;                                                                       \
    plan_walk(call, &e, &w);                                                                                              \
    const bool empty = mf_nn_product(w.n_sum, w.sum) == 0;                                                                \
    int64_t at[MF_MAX_RANK] = {0};                                                                                        \
    T *y = call->outputs[0]->data;                                                                                        \
    for (int64_t count = mf_tensor_count(call->outputs[0]); count > 0; --count, nn_step(w.n_out, at, w.zero, w.out))      \
      *y++ = empty ? 0 : (T)einsum_element_##suffix(call, &w, at);                                                        \
    return true;                                                                                                          \
  }
DEFINE_EINSUM(float, f32, double)
DEFINE_EINSUM(double, f64, double)
// Signed integers as unsigned ones: the same bits, and overflow wraps.
DEFINE_EINSUM(uint32_t, u32, uint32_t)
DEFINE_EINSUM(uint64_t, u64, uint64_t)

static bool run_einsum(mf_kernel_call *call, mf_error *err) {
  switch ((int)call->inputs[0]->type) {
    case MF_FLOAT: return einsum_f32(call, err);
    case MF_DOUBLE: return einsum_f64(call, err);
    case MF_FLOAT16: return mf_nn_through_float(call, einsum_f32, err);
    case MF_INT32:
    case MF_UINT32: return einsum_u32(call, err);
    case MF_INT64:
    case MF_UINT64: return einsum_u64(call, err);
    default: return mf_ops_unsupported_type(call->inputs[0]->type, err);
  }
}
MF_REFERENCE(einsum, run_einsum);

const mf_operator mf_op_Einsum = {"", "Einsum", 12, MF_OP_ANY, 1, MF_OP_ANY, 1, 1, .shape = shape_einsum,
                                  MF_ATTRIBUTES(MF_REQUIRED("equation", MF_ATTR_STRING)), MF_KERNELS(&einsum_reference)};
