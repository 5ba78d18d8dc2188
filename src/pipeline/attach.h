// A recipe becomes graph nodes: in front of the model's input what makes a picture a tensor, behind
// its output what makes scores probabilities; what is left for the worker to know goes into the
// graph's metadata.
#ifndef MF_PIPELINE_ATTACH_H
#define MF_PIPELINE_ATTACH_H

#include "recipe.h"

// Checks the recipe against the model (InvalidPackage with both sides when they do not fit). May
// complete the recipe (layout, type).
bool mf_recipe_attach(mf_recipe *recipe, mf_graph *graph, mf_error *err) MF_MUST_CHECK;
#endif
