// The table of the engine's operators, built from operators.def: adding a row there is all that it takes.
#include "engine/operator.h"

#define OPERATOR(name) extern const mf_operator mf_op_##name;
#include "operators.def"
#undef OPERATOR

static const mf_operator *const rows[] = {
#define OPERATOR(name) &mf_op_##name,
#include "operators.def"
#undef OPERATOR
  NULL,
};

const mf_operator_table mf_builtin_operators = {rows, (uint32_t)(MF_COUNT(rows) - 1)};
