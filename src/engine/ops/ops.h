// ops: what the operators in this folder share and nobody else sees. Macros that make a row short, loads and stores by element
// type, checks for shape functions that know little (any type, rank or dimension may be unknown), axes, integer lists.
//
//   static bool shape(mf_shape_call *call, mf_error *err) {
//     if (!mf_ops_expect(call, 0, MF_SET_FLOATS, err)) return false;
//     mf_ops_copy_shape(call, 0, 0);
//     return true;
//   }
//   MF_REFERENCE(Exp, run_exp);
//   const mf_operator mf_op_Exp = {"", "Exp", 6, MF_OP_ANY, 1, 1, 1, 1, .flags = MF_OP_INPLACE, .shape = shape, MF_KERNELS(&Exp_reference)};
#ifndef MF_ENGINE_OPS_H
#define MF_ENGINE_OPS_H

#include "engine/operator.h"

// ---- rows ----
#define MF_KERNELS(...) .kernels = (const mf_kernel *const[]){__VA_ARGS__, NULL}
#define MF_REFERENCE(id, function) static const mf_kernel id##_reference = {.name = #id "_reference", .run = function}
#define MF_ATTRIBUTES(...)                                \
  .attributes = (const mf_attribute_row[]){__VA_ARGS__},  \
  .n_attributes = sizeof((const mf_attribute_row[]){__VA_ARGS__}) / sizeof(mf_attribute_row)
#define MF_INT(id, value) {id, MF_ATTR_INT, false, {MF_ATTR_INT, 1, {.i = value}}}
#define MF_REAL(id, value) {id, MF_ATTR_FLOAT, false, {MF_ATTR_FLOAT, 1, {.f = value}}}
#define MF_TEXT(id, literal) \
  {id, MF_ATTR_STRING, false, {MF_ATTR_STRING, sizeof(literal) - 1, {.offset = (uint64_t)(uintptr_t)("" literal)}}}
#define MF_OPTIONAL(id, type) {id, type, false, {MF_ATTR_ABSENT, 0, {.i = 0}}}
#define MF_REQUIRED(id, type) {id, type, true, {MF_ATTR_ABSENT, 0, {.i = 0}}}

// ---- element types ----
// X(MF_TYPE, suffix, C type to compute in, ...); mf_get_<suffix> and mf_put_<suffix> read and write element i.
#define MF_FLOAT_TYPES(X, ...) \
  X(MF_FLOAT, f32, float, __VA_ARGS__) X(MF_DOUBLE, f64, double, __VA_ARGS__) X(MF_FLOAT16, f16, float, __VA_ARGS__)
#define MF_SIGNED_TYPES(X, ...)                                                        \
  X(MF_INT8, i8, int8_t, __VA_ARGS__) X(MF_INT16, i16, int16_t, __VA_ARGS__)           \
  X(MF_INT32, i32, int32_t, __VA_ARGS__) X(MF_INT64, i64, int64_t, __VA_ARGS__)
#define MF_UNSIGNED_TYPES(X, ...)                                                      \
  X(MF_UINT8, u8, uint8_t, __VA_ARGS__) X(MF_UINT16, u16, uint16_t, __VA_ARGS__)       \
  X(MF_UINT32, u32, uint32_t, __VA_ARGS__) X(MF_UINT64, u64, uint64_t, __VA_ARGS__)
#define MF_INTEGER_TYPES(X, ...) MF_SIGNED_TYPES(X, __VA_ARGS__) MF_UNSIGNED_TYPES(X, __VA_ARGS__)
#define MF_NUMBER_TYPES(X, ...) MF_FLOAT_TYPES(X, __VA_ARGS__) MF_INTEGER_TYPES(X, __VA_ARGS__)
#define MF_BOOL_TYPES(X, ...) X(MF_BOOL, b8, uint8_t, __VA_ARGS__)

#define MF_DEFINE_ACCESS(TYPE, s, T, ...)                                                     \
  static inline T mf_get_##s(const void *data, int64_t i) { return ((const T *)data)[i]; }    \
  static inline void mf_put_##s(void *data, int64_t i, T value) { ((T *)data)[i] = value; }
MF_INTEGER_TYPES(MF_DEFINE_ACCESS, )
MF_BOOL_TYPES(MF_DEFINE_ACCESS, )
MF_DEFINE_ACCESS(MF_FLOAT, f32, float)
MF_DEFINE_ACCESS(MF_DOUBLE, f64, double)
static inline float mf_get_f16(const void *data, int64_t i) { return mf_half_to_float(((const uint16_t *)data)[i]); }
static inline void mf_put_f16(void *data, int64_t i, float value) { ((uint16_t *)data)[i] = mf_float_to_half(value); }
static inline mf_str mf_get_str(const void *data, int64_t i) { return ((const mf_str *)data)[i]; }

// Element i as a double or an int64, whatever the (numeric or bool) type; reals are cut off toward zero and clamped to int64.
double mf_ops_get_double(const mf_tensor *t, int64_t i);
// Towards zero; NaN is 0, and what does not fit is the nearest that does. Bits: of what an unsigned integer holds as well.
int64_t mf_ops_to_int(double value);
uint64_t mf_ops_to_bits(double value);
int64_t mf_ops_get_int(const mf_tensor *t, int64_t i);
void mf_ops_put_double(const mf_tensor *t, int64_t i, double value);  // for the float types
static inline char *mf_ops_at(const mf_tensor *t, int64_t i, size_t element_bytes) {
  return (char *)t->data + (size_t)i * element_bytes;
}

// Sets of types: bit 1 << mf_type.
enum {
  MF_SET_FLOATS = 1 << MF_FLOAT | 1 << MF_DOUBLE | 1 << MF_FLOAT16,
  MF_SET_SIGNED = 1 << MF_INT8 | 1 << MF_INT16 | 1 << MF_INT32 | 1 << MF_INT64,
  MF_SET_UNSIGNED = 1 << MF_UINT8 | 1 << MF_UINT16 | 1 << MF_UINT32 | 1 << MF_UINT64,
  MF_SET_INTEGERS = MF_SET_SIGNED | MF_SET_UNSIGNED,
  MF_SET_NUMBERS = MF_SET_FLOATS | MF_SET_INTEGERS,
  MF_SET_BOOL = 1 << MF_BOOL,
  MF_SET_STRING = 1 << MF_STRING,
  MF_SET_INDICES = 1 << MF_INT32 | 1 << MF_INT64,
  MF_SET_INT64 = 1 << MF_INT64,
  MF_SET_ALL = MF_SET_NUMBERS | MF_SET_BOOL | MF_SET_STRING,
};

// ---- checks for shape functions; all accept what is unknown ----
// The input is there (not a missing optional one).
static inline bool mf_ops_has(const mf_shape_call *call, uint32_t at) { return at < call->n_inputs && call->inputs[at]; }
static inline bool mf_ops_wanted(const mf_kernel_call *call, uint32_t at) { return at < call->n_outputs && call->outputs[at]; }
// Input `at` is there and of one of these types.
bool mf_ops_expect(const mf_shape_call *call, uint32_t at, uint32_t set, mf_error *err) MF_MUST_CHECK;
// Input `at` has the type of input `as`.
bool mf_ops_expect_same(const mf_shape_call *call, uint32_t at, uint32_t as, mf_error *err) MF_MUST_CHECK;
bool mf_ops_expect_rank(const mf_shape_call *call, uint32_t at, uint32_t least, uint32_t most, mf_error *err) MF_MUST_CHECK;
// Every number of inputs from the row's first to its last has a type of the set, all the same.
bool mf_ops_expect_all(const mf_shape_call *call, uint32_t set, mf_error *err) MF_MUST_CHECK;

static inline bool mf_ops_rank_known(const mf_tensor *t) { return t->rank != MF_RANK_UNKNOWN; }
// Dims [from, to) are all known (false for an unknown rank).
bool mf_ops_dims_known(const mf_tensor *t, uint32_t from, uint32_t to);
// Product of dims [from, to), MF_DIM_UNKNOWN when one is unknown; fails when it overflows.
bool mf_ops_span(const mf_tensor *t, uint32_t from, uint32_t to, int64_t *span, mf_error *err) MF_MUST_CHECK;
// a + b and a * b of dimensions; unknown if one is (0 * unknown stays unknown); fails on overflow or a negative result.
bool mf_ops_add_dims(int64_t a, int64_t b, int64_t *sum, mf_error *err) MF_MUST_CHECK;
bool mf_ops_mul_dims(int64_t a, int64_t b, int64_t *product, mf_error *err) MF_MUST_CHECK;
// The one known of two dimensions that must agree; fails when both are known and differ. `what` names them in the message.
bool mf_ops_merge_dim(int64_t a, int64_t b, const char *what, int64_t *merged, mf_error *err) MF_MUST_CHECK;

// Output `out` gets type, rank and dims of input `in`.
void mf_ops_copy_shape(mf_shape_call *call, uint32_t in, uint32_t out);
void mf_ops_set_rank(mf_tensor *t, uint32_t rank);  // all dims unknown
bool mf_ops_check_rank(uint32_t rank, mf_error *err) MF_MUST_CHECK;  // rank <= MF_MAX_RANK
// The most common shape function: one input, one output alike, any type of the set.
#define MF_SHAPE_ALIKE(id, set)                             \
  static bool id(mf_shape_call *call, mf_error *err) {      \
    if (!mf_ops_expect(call, 0, set, err)) return false;    \
    mf_ops_copy_shape(call, 0, 0);                          \
    return true;                                            \
  }

// ---- axes and integer lists ----
// An axis counted from the front; negative ones count from the back. Rank must be known.
bool mf_ops_axis(int64_t axis, uint32_t rank, uint32_t *normal, mf_error *err) MF_MUST_CHECK;
typedef struct mf_ops_ints {
  int64_t values[2 * MF_MAX_RANK];
  uint32_t n;
  bool known;   // false: there, but its values come only at run time
  bool absent;  // the optional input or attribute is missing; n is 0, known is true
} mf_ops_ints;
// Integer list of at most 2 * MF_MAX_RANK values from a one-dimensional (or scalar) int32/int64 input, or from an attribute.
// If the values are unknown but their number is not, n is that number; else UINT32_MAX.
bool mf_ops_ints_input(const mf_shape_call *call, uint32_t at, mf_ops_ints *list, mf_error *err) MF_MUST_CHECK;
bool mf_ops_ints_attribute(const mf_attributes *attributes, uint32_t at, mf_ops_ints *list, mf_error *err) MF_MUST_CHECK;
// The same list as a kernel sees it (shape function has checked it).
void mf_ops_ints_of(const mf_tensor *t, mf_ops_ints *list);
// Bit i set: axis i is in the list; fails on one out of range or named twice. Rank and list must be known.
bool mf_ops_axis_set(const mf_ops_ints *axes, uint32_t rank, uint32_t *set, mf_error *err) MF_MUST_CHECK;
// Reads scalar input `at`; *known false when its data is not there.
bool mf_ops_scalar_int(const mf_shape_call *call, uint32_t at, int64_t *value, bool *known, mf_error *err) MF_MUST_CHECK;

// ---- kernels ----
bool mf_ops_unsupported_type(mf_type type, mf_error *err);  // fails; for the default branch of a switch over types
// A view of a kernel's call as shape functions see it, to share code between the two.
static inline mf_shape_call mf_ops_view(const mf_kernel_call *call) {
  return (mf_shape_call){.inputs = call->inputs, .n_inputs = call->n_inputs, .attributes = call->attributes, .opset = call->opset};
}
// No elements: kernels that loop over outer dimensions return at once, since those may be huge beside one that is 0.
static inline bool mf_ops_empty(const mf_tensor *t) { return mf_tensor_count(t) == 0; }
// a * b modulo 2^64: strides of a tensor without elements may overflow, and nobody uses them.
static inline int64_t mf_ops_wrap_mul(int64_t a, int64_t b) { return (int64_t)((uint64_t)a * (uint64_t)b); }
// Copies all elements of `from` to `to`, which has as many.
void mf_ops_copy_data(const mf_tensor *to, const mf_tensor *from);
// index counted from the back if negative, checked against the dimension; the message names them.
bool mf_ops_index(int64_t index, int64_t dim, int64_t *normal, mf_error *err) MF_MUST_CHECK;
#endif
