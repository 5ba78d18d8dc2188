// What the parts of the compiler share about graphs beyond the public header.
#ifndef MF_ENGINE_GRAPH_INTERNAL_H
#define MF_ENGINE_GRAPH_INTERNAL_H

#include <assert.h>

#include "graph.h"

enum { MF_MAX_BODY_DEPTH = 16 };

bool mf_out_of_arena(mf_error *err);  // OutOfMemory, returns false
// Copies what the attribute points to (base 0) into the arena.
bool mf_attribute_copy(mf_arena *arena, mf_attribute *attribute, mf_error *err) MF_MUST_CHECK;
// Adds a node of another place, or one that was taken out, at the end of a body.
bool mf_graph_append(mf_graph *graph, uint32_t body, mf_node *node, mf_error *err) MF_MUST_CHECK;
// Wraps an error with the node's place: "node 12 'conv1' (Conv)". Returns false.
bool mf_node_error(const mf_node *node, uint32_t number, mf_error *err);
#ifdef __clang_analyzer__  // as in base/error.h
#define mf_out_of_arena(err) ((void)(mf_out_of_arena)(err), false)
#define mf_node_error(...) ((void)(mf_node_error)(__VA_ARGS__), false)
#endif
// Puts every body in topological order; InvalidModel names a node of a cycle.
bool mf_graph_sort(mf_graph *graph, mf_error *err) MF_MUST_CHECK;

// The bodies that a node runs: calls `visit` for each graph attribute; stops at and returns the first false.
typedef bool mf_body_fn(void *context, uint32_t body, mf_error *err);
bool mf_node_bodies(const mf_node *node, mf_body_fn *visit, void *context, mf_error *err) MF_MUST_CHECK;
#endif
