// Running a trial; see trial.h.
#include "trial.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static uint64_t random_state;
void random_seed(uint64_t seed) { random_state = seed * 2 + 1; }
static uint32_t next_random(void) {  // PCG (O'Neill 2014), XSH-RR
  uint64_t old = random_state;
  random_state = old * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
  uint32_t mixed = (uint32_t)(((old >> 18) ^ old) >> 27), turn = (uint32_t)(old >> 59);
  return mixed >> turn | mixed << (-turn & 31);
}
int64_t random_int(int64_t least, int64_t most) {
  return least + (int64_t)(next_random() % (uint32_t)(most - least + 1));
}
float random_float(float least, float most) {
  return least + (most - least) * ((float)(next_random() >> 8) / 16777216.0f);
}

static void *exactly(size_t bytes) {
  void *memory = malloc(bytes ? bytes : 1);
  if (!memory) abort();
  return memory;
}
static size_t bytes_of(const mf_tensor *t) {
  size_t bytes;
  if (!mf_tensor_bytes(t, &bytes)) abort();
  return bytes;
}

void trial_input(trial *t, uint32_t at, mf_type type, uint32_t rank, const int64_t *dims) {
  mf_tensor *x = &t->inputs[at];
  *x = (mf_tensor){.type = type, .rank = rank};
  for (uint32_t i = 0; i < rank; i++) x->dims[i] = dims[i];
  x->data = exactly(bytes_of(x));
  int64_t n = mf_tensor_count(x);
  for (int64_t i = 0; i < n; i++) switch ((int)type) {
      case MF_FLOAT: ((float *)x->data)[i] = random_float(-2, 2); break;
      case MF_DOUBLE: ((double *)x->data)[i] = (double)random_float(-2, 2); break;
      case MF_FLOAT16: ((uint16_t *)x->data)[i] = mf_float_to_half(random_float(-2, 2)); break;
      case MF_INT64: ((int64_t *)x->data)[i] = random_int(-100, 100); break;
      case MF_INT32: ((int32_t *)x->data)[i] = (int32_t)random_int(-100, 100); break;
      case MF_INT8: ((int8_t *)x->data)[i] = (int8_t)random_int(-100, 100); break;
      case MF_UINT8: ((uint8_t *)x->data)[i] = (uint8_t)random_int(0, 100); break;
      case MF_BOOL: ((uint8_t *)x->data)[i] = (uint8_t)random_int(0, 1); break;
      default: abort();
    }
  if (t->n_inputs <= at) t->n_inputs = at + 1;
}

static uint32_t attribute_at(const trial *t, const char *name) {
  for (uint32_t i = 0; i < t->op->n_attributes; i++)
    if (strcmp(t->op->attributes[i].name, name) == 0) return i;
  fprintf(stderr, "%s has no attribute %s\n", t->op->name, name);
  abort();
}
void trial_int(trial *t, const char *attribute, int64_t value) {
  t->attributes[attribute_at(t, attribute)] = (mf_attribute){MF_ATTR_INT, 1, {.i = value}};
}
void trial_float(trial *t, const char *attribute, float value) {
  t->attributes[attribute_at(t, attribute)] = (mf_attribute){MF_ATTR_FLOAT, 1, {.f = value}};
}
void trial_text(trial *t, const char *attribute, const char *text) {
  t->attributes[attribute_at(t, attribute)] =
      (mf_attribute){MF_ATTR_STRING, (uint32_t)strlen(text), {.offset = (uint64_t)(uintptr_t)text}};
}
void trial_ints(trial *t, const char *attribute, const int64_t *values, uint32_t n) {
  uint32_t at = attribute_at(t, attribute);
  memcpy(t->ints[at], values, n * sizeof *values);
  t->attributes[at] = (mf_attribute){MF_ATTR_INTS, n, {.offset = (uint64_t)(uintptr_t)t->ints[at]}};
}

const char *trial_describe(const trial *t) {
  static char text[2048];
  char shape[128];
  int len = snprintf(text, sizeof text, "%s:%s", t->op->domain, t->op->name);
  for (uint32_t i = 0; i < t->n_inputs; i++)
    len += snprintf(text + len, sizeof text - (size_t)len, " %s",
                    mf_tensor_describe(&t->inputs[i], shape, sizeof shape));
  for (uint32_t i = 0; i < t->op->n_attributes; i++) {
    const mf_attribute *a = &t->attributes[i];
    len += snprintf(text + len, sizeof text - (size_t)len, " %s=", t->op->attributes[i].name);
    if (a->type == MF_ATTR_INT)
      len += snprintf(text + len, sizeof text - (size_t)len, "%lld", (long long)a->i);
    if (a->type == MF_ATTR_FLOAT)
      len += snprintf(text + len, sizeof text - (size_t)len, "%g", (double)a->f);
    for (uint32_t j = 0; a->type == MF_ATTR_INTS && j < a->count; j++)
      len += snprintf(text + len, sizeof text - (size_t)len, "%lld,", (long long)t->ints[i][j]);
  }
  return text;
}

// One side of the comparison: which kernel, what it sees, what it made.
typedef struct side {
  const mf_tensor *inputs[TRIAL_INPUTS];
  mf_tensor packed[TRIAL_INPUTS], outputs[TRIAL_OUTPUTS];
  mf_tensor *output_list[TRIAL_OUTPUTS];
  void *temporaries[64];
  uint32_t n_temporaries;
} side;

static void *alloc_temporary(mf_kernel_call *call, size_t bytes, mf_error *err) {
  side *s = call->run;
  if (s->n_temporaries == MF_COUNT(s->temporaries))
    return mf_fail(err, MF_OutOfMemory, "too many temporaries"), NULL;
  return s->temporaries[s->n_temporaries++] = exactly(bytes);
}
static bool alloc_output(mf_kernel_call *call, uint32_t at, mf_error *err) {
  (void)err;
  call->outputs[at]->data = exactly(bytes_of(call->outputs[at]));
  return true;
}

static bool run_side(const trial *t, const mf_kernel *kernel, mf_shape_call *shapes, side *s,
                     mf_arena *arena, mf_error *err) {
  memcpy(s->inputs, shapes->inputs, sizeof s->inputs);
  for (uint32_t i = 0; i < t->n_inputs; i++)
    if (t->constant[i] && kernel->pack && kernel->pack(shapes, i, arena, &s->packed[i]))
      s->inputs[i] = &s->packed[i];
  for (uint32_t i = 0; i < t->n_outputs; i++) {
    s->outputs[i] = shapes->outputs[i];
    s->output_list[i] = &s->outputs[i];
    if (!(t->op->flags & MF_OP_SHAPES_ITSELF))
      s->outputs[i].data = exactly(bytes_of(&s->outputs[i]));
  }
  size_t scratch =
      kernel->scratch ? kernel->scratch(shapes) : 0;  // sees shapes as they were before packing
  mf_kernel_call call = {.inputs = s->inputs,
                         .outputs = s->output_list,
                         .n_inputs = t->n_inputs,
                         .n_outputs = t->n_outputs,
                         .attributes = shapes->attributes,
                         .opset = t->opset,
                         .scratch = exactly(scratch),
                         .scratch_bytes = scratch,
                         .alloc_output = alloc_output,
                         .alloc_temporary = alloc_temporary,
                         .run = s};
  bool done = kernel->run(&call, err);
  free(call.scratch);
  return done;
}

static void free_side(side *s) {
  for (uint32_t i = 0; i < TRIAL_OUTPUTS; i++) free(s->outputs[i].data);
  for (uint32_t i = 0; i < s->n_temporaries; i++) free(s->temporaries[i]);
}

static double element(const mf_tensor *t, int64_t i) {
  switch ((int)t->type) {
    case MF_FLOAT: return (double)((const float *)t->data)[i];
    case MF_DOUBLE: return ((const double *)t->data)[i];
    case MF_FLOAT16: return (double)mf_half_to_float(((const uint16_t *)t->data)[i]);
    case MF_INT64: return (double)((const int64_t *)t->data)[i];
    case MF_INT32: return (double)((const int32_t *)t->data)[i];
    case MF_INT8: return (double)((const int8_t *)t->data)[i];
    default: return (double)((const uint8_t *)t->data)[i];
  }
}

static const char *compare(const trial *t, const mf_tensor *fast, const mf_tensor *reference) {
  static char text[256];
  if (!mf_tensor_same_shape(fast, reference) || fast->type != reference->type)
    return "shapes differ";
  for (int64_t i = 0; i < mf_tensor_count(fast); i++) {
    double a = element(fast, i), b = element(reference, i);
    if ((isnan(a) && isnan(b)) || a == b ||
        fabs(a - b) <= (double)t->atol + (double)t->rtol * fabs(b))
      continue;
    snprintf(text, sizeof text, "element %lld is %.9g, expected %.9g", (long long)i, a, b);
    return text;
  }
  return NULL;
}

static const mf_kernel *reference_of(const mf_operator *op) {
  const mf_kernel *const *k = op->kernels;
  while (k[1]) k++;
  return k[0];
}

const char *trial_run(trial *t, bool *ran) {
  static mf_error err;
  const mf_tensor *inputs[TRIAL_INPUTS] = {0};
  mf_tensor outputs[TRIAL_OUTPUTS] = {0};
  for (uint32_t i = 0; i < t->n_inputs; i++) inputs[i] = t->inputs[i].type ? &t->inputs[i] : NULL;
  for (uint32_t i = 0; i < t->n_outputs; i++) outputs[i].rank = MF_RANK_UNKNOWN;
  mf_shape_call shapes = {.inputs = inputs,
                          .n_inputs = t->n_inputs,
                          .outputs = outputs,
                          .n_outputs = t->n_outputs,
                          .opset = t->opset,
                          .attributes = {0, t->attributes, t->op->n_attributes}};
  *ran = false;
  if (!t->op->shape(&shapes, &err)) return err.message;
  if (t->kernel->applies && !t->kernel->applies(&shapes)) return NULL;
  *ran = true;
  side fast = {0}, reference = {0};
  mf_arena arena;
  mf_arena_init(&arena, 0);
  const char *wrong = NULL;
  if (!run_side(t, t->kernel, &shapes, &fast, &arena, &err) ||
      !run_side(t, reference_of(t->op), &shapes, &reference, &arena, &err))
    wrong = err.message;
  for (uint32_t i = 0; i < t->n_outputs && !wrong; i++)
    wrong = compare(t, &fast.outputs[i], &reference.outputs[i]);
  free_side(&fast);
  free_side(&reference);
  mf_arena_deinit(&arena);
  return wrong;
}

void trial_deinit(trial *t) {
  for (uint32_t i = 0; i < TRIAL_INPUTS; i++) free(t->inputs[i].data);
}
