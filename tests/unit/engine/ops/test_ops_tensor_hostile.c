// The tensor operators (tensor.def) on random and on hostile input. Whatever types, shapes, lists and attributes a model brings, a
// shape function answers or fails with a message, a kernel that is called after it stays inside its memory (the sanitizers watch),
// and a shape function that knows less never contradicts one that knows everything.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "runner.h"

#define OPERATOR(name) extern const mf_operator mf_op_##name;
#include "engine/ops/tensor.def"
#undef OPERATOR
static const mf_operator *const rows[] = {
#define OPERATOR(name) &mf_op_##name,
#include "engine/ops/tensor.def"
#undef OPERATOR
};

// ---- random worlds, from a seed that is printed when something fails ----
static uint64_t seed_state;
static uint32_t next_random(uint32_t below) {  // splitmix64
  uint64_t z = seed_state += UINT64_C(0x9E3779B97F4A7C15);
  z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
  z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
  return (uint32_t)((z ^ z >> 31) >> 32) % below;
}
static bool calm;  // half of the worlds: small integers, inputs of one shape, so that more of them are accepted
static int64_t random_int(void) {
  if (calm) return (int64_t)next_random(3) - 1;
  static const int64_t extremes[] = {INT64_MIN, INT64_MAX, INT32_MIN, INT32_MAX, INT64_MIN + 1, INT64_C(1) << 61, 100, -100, 13, 0};
  if (next_random(24) == 0) return extremes[next_random(MF_COUNT(extremes))];
  return (int64_t)next_random(7) - 3;
}
static double random_real(void) {
  static const double extremes[] = {0.0, -0.0, INFINITY, -INFINITY, NAN, 1e300, -1e300, 5e-324};
  if (next_random(16) == 0) return extremes[next_random(MF_COUNT(extremes))];
  return ((double)next_random(2001) - 1000) / 250;
}
static void fill(mf_tensor *t) {
  static const char *const words[] = {"", "a", "b", "1.5", "-7", "nan", "x y", "12345678901234567890"};
  int64_t n = mf_tensor_count(t);
  for (int64_t i = 0; i < n; i++) {
    switch ((int)t->type) {
      case MF_FLOAT: ((float *)t->data)[i] = (float)random_real(); break;
      case MF_DOUBLE: ((double *)t->data)[i] = random_real(); break;
      case MF_FLOAT16: ((uint16_t *)t->data)[i] = mf_float_to_half((float)random_real()); break;
      case MF_STRING: ((mf_str *)t->data)[i] = mf_str_from(words[next_random(MF_COUNT(words))]); break;
      case MF_BOOL: ((uint8_t *)t->data)[i] = (uint8_t)next_random(2); break;
      default: {
        int64_t value = random_int();
        memcpy((char *)t->data + (size_t)i * mf_type_size(t->type), &value, mf_type_size(t->type));
      }
    }
  }
}
static mf_tensor random_tensor(uint32_t rank) {
  static const mf_type types[] = {MF_FLOAT, MF_DOUBLE, MF_FLOAT16, MF_INT64, MF_INT32, MF_INT8, MF_INT16,
                                  MF_UINT8, MF_UINT16, MF_UINT32, MF_UINT64, MF_BOOL, MF_STRING};
  mf_tensor t = {.type = types[next_random(MF_COUNT(types))], .rank = rank};
  for (uint32_t d = 0; d < rank; d++) t.dims[d] = next_random(12) ? 1 + next_random(4) : next_random(8);
  return t;
}
// Inputs that belong together more often than chance has it: the first one's type and rank, or a list as long as its rank.
static void random_inputs(runner_node *node, mf_tensor *tensors) {
  uint32_t most = node->op->max_inputs < 0 ? 4 : (uint32_t)node->op->max_inputs, least = (uint32_t)node->op->min_inputs;
  node->n_inputs = least + (most > least ? next_random(most - least + 1) : 0);
  for (uint32_t i = 0; i < node->n_inputs; i++) {
    mf_tensor *t = &tensors[i], *first = &tensors[0];
    *t = random_tensor(next_random(calm ? 3 : 6));
    if (i > 0 && next_random(2)) t->type = first->type;
    if (i > 0 && (next_random(calm ? 4 : 3) != 0) == calm) *t = *first;
    if (i > 0 && (node->op->shape_inputs >> i & 1) && next_random(4))
      *t = (mf_tensor){.type = MF_INT64, .rank = 1, .dims = {next_random(4) ? first->rank : next_random(5)}};
    if (i > 0 && next_random(8) == 0) *t = (mf_tensor){.type = MF_INT64, .rank = 1, .dims = {first->dims[next_random(2)]}};
    if (i == 1 && next_random(3) == 0) t->type = next_random(2) ? MF_INT64 : MF_INT32;
    if ((node->op->shape_inputs >> i & 1) && next_random(4) == 0) t->rank = 0;
    size_t bytes;
    assert_true(mf_tensor_bytes(t, &bytes));
    t->data = runner_memory(bytes);
    fill(t);
    node->inputs[i] = i >= least && next_random(6) == 0 ? NULL : t;
  }
}

typedef struct attribute_memory {
  mf_attribute list[16];
  int64_t ints[16][8];
  float floats[16][8];
  mf_attribute_tensor tensors[16];
  int64_t tensor_data[16][64];
} attribute_memory;

static void random_attribute(const mf_attribute_row *row, uint32_t at, attribute_memory *m) {
  static const char *const words[] = {"none", "add", "mul", "max", "min", "LEFT", "RIGHT", "constant", "reflect", "edge", "wrap", "DCR", "CRD", "tanh", "?"};
  mf_attribute *a = &m->list[at];
  *a = row->fallback;
  if (!row->required && next_random(3) == 0) return;
  a->type = row->type;
  a->count = 1;
  switch (row->type) {
    case MF_ATTR_INT: a->i = next_random(3) ? (int64_t)next_random(4) : random_int(); break;
    case MF_ATTR_FLOAT: a->f = (float)random_real(); break;
    case MF_ATTR_STRING: {
      const char *word = words[next_random(MF_COUNT(words))];
      if (!row->required && next_random(2)) { *a = row->fallback; break; }
      a->count = (uint32_t)strlen(word);
      a->offset = (uint64_t)(uintptr_t)word;
      break;
    }
    case MF_ATTR_INTS:
      a->count = next_random(8);
      a->offset = (uint64_t)(uintptr_t)m->ints[at];
      for (uint32_t i = 0; i < 8; i++) m->ints[at][i] = random_int();
      break;
    case MF_ATTR_FLOATS:
      a->count = next_random(8);
      a->offset = (uint64_t)(uintptr_t)m->floats[at];
      break;
    case MF_ATTR_TENSOR: {
      mf_tensor t = random_tensor(next_random(3));
      if (t.type == MF_STRING) t.type = MF_FLOAT;
      m->tensors[at] = (mf_attribute_tensor){t.type, t.rank, {t.dims[0], t.dims[1]}, (uint64_t)(uintptr_t)m->tensor_data[at]};
      a->offset = (uint64_t)(uintptr_t)&m->tensors[at];
      break;
    }
    default: *a = (mf_attribute){.type = MF_ATTR_ABSENT};
  }
}

static bool small(const mf_tensor *outputs, uint32_t n) {
  for (uint32_t i = 0; i < n; i++) {
    size_t bytes;
    if (mf_tensor_is_static(&outputs[i]) && (!mf_tensor_bytes(&outputs[i], &bytes) || bytes > 1 << 20)) return false;
  }
  return true;
}

static uint64_t others;

// Returns whether the operator accepted the world.
static bool try_world(const mf_operator *op, uint64_t seed) {
  static attribute_memory memory;
  mf_tensor tensors[8] = {{0}}, outputs[RUNNER_MAX] = {{0}};
  mf_error err = {0};
  seed_state = seed;
  calm = next_random(2) != 0;
  runner_node node = {.op = op, .opset = op->until < 0 ? op->since + next_random(8) : op->until, .attributes = memory.list};
  random_inputs(&node, tensors);
  for (uint32_t i = 0; i < op->n_attributes; i++) random_attribute(&op->attributes[i], i, &memory);
  uint32_t most = op->max_outputs < 0 ? 4 : (uint32_t)op->max_outputs;
  node.n_outputs = (uint32_t)op->min_outputs + (most > (uint32_t)op->min_outputs ? next_random(most - (uint32_t)op->min_outputs + 1) : 0);
  for (uint32_t i = 0; i < node.n_outputs; i++) node.unwanted[i] = node.n_outputs > 1 && next_random(8) == 0;
  bool done = runner_shape(&node, outputs, &err);
  if (!done) assert_true(err.code != MF_OK && err.message[0]);
  if (done && small(outputs, node.n_outputs)) {
    done = runner_run(&node, outputs, &err);
    if (!done) assert_true(err.code != MF_OK && err.message[0]);
    if (done && !runner_check_partial(&node, outputs, &err)) fail_msg("%s, seed %llu: %s", op->name, (unsigned long long)seed, err.message);
    runner_free(outputs, node.n_outputs);
    if (done) others += runner_run_others(&node);
  }
  for (uint32_t i = 0; i < node.n_inputs; i++) free(tensors[i].data);
  return done;
}

static void random_worlds_neither_crash_nor_contradict(void **state) {
  (void)state;
  const char *factor = getenv("MAYFLY_TEST_WORLDS");
  uint64_t worlds = factor ? strtoull(factor, NULL, 10) : 3000;
  for (uint32_t r = 0; r < MF_COUNT(rows); r++) {
    uint64_t accepted = 0;
    for (uint64_t w = 0; w < worlds; w++) accepted += try_world(rows[r], (uint64_t)r << 32 | w);
    if (accepted * 2000 < worlds) fail_msg("%s (opset %lld) accepted %llu of %llu worlds", rows[r]->name, (long long)rows[r]->since, (unsigned long long)accepted, (unsigned long long)worlds);
    if (getenv("MAYFLY_TEST_VERBOSE")) printf("%s %lld: %llu of %llu accepted\n", rows[r]->name, (long long)rows[r]->since, (unsigned long long)accepted, (unsigned long long)worlds);
  }
  assert_true(others * 100 > worlds);  // fast kernels had their share
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(random_worlds_neither_crash_nor_contradict),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
