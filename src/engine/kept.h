// Kept layouts: what a run of a dynamic model found out about shapes and places, kept for the next run with inputs of these shapes.
//
// The first run with new input shapes is recorded (record.c): it goes node by node, as every run of a dynamic model would, and notes
// the outputs of each node whose shapes follow from the input shapes alone. "Alone" is proved, not assumed: the node's shape function
// is asked with shapes that are all known, constants, and what was computed from those (Shape -> Gather -> Concat …), and must know the
// answer. Those outputs get places in one block (the slab), by lifetime, first fit. The next run with the same shapes binds the
// layout (kept.c): tensors and scratch memory point into the slab, and the nodes run as a static plan's do: no shape inference, no
// allocation. Nodes that are not in the layout (NonZero and what hangs on it, a branch that was not taken then) go on node by node.
//
// The tables lie in the instance's memory from the beginning, the slab in its heap; nothing grows. When memory is short the slab goes.
#ifndef MF_ENGINE_KEPT_H
#define MF_ENGINE_KEPT_H

#include "image.h"

enum { MF_KEPT_LAYOUTS = 4 };

typedef enum mf_place_kind {
  MF_PLACE_NONE,         // not in the layout
  MF_PLACE_SLAB,
  MF_PLACE_FIXED_ALIAS,  // of memory that stays where it is: nothing to run
  MF_PLACE_ALIAS,        // of an input, whose memory is the caller's to choose
  MF_PLACE_ITEM,         // what a Scan hands to its body: shape only
} mf_place_kind;

typedef struct mf_place {
  mf_tensor shape;         // data NULL
  uint64_t offset, bytes;  // in the slab; bytes aligned
  uint32_t kind;
  bool live;               // while recording: it occupies its place
  bool stays;              // and does so when it is dead: its place is nobody else's
} mf_place;

typedef struct mf_kept_node {
  uint64_t scratch_offset, scratch_bytes;
  uint32_t known;  // all that it makes is in the layout
} mf_kept_node;

typedef enum mf_kept_state { MF_KEPT_EMPTY, MF_KEPT_WHOLE, MF_KEPT_REFUSED } mf_kept_state;  // REFUSED: these shapes run without

typedef struct mf_kept_layout {
  mf_tensor *inputs;     // the key; data NULL
  mf_place *places;
  mf_kept_node *nodes;
  uint64_t slab_bytes, last_used;
  mf_kept_state state;
} mf_kept_layout;

typedef struct mf_range {
  uint64_t offset, bytes;
} mf_range;

typedef struct mf_kept {
  bool on;                      // there is something to keep
  bool stale;                   // the run found something else than its layout says: run it again without
  bool scans_vary;              // a Scan's body saw different shapes: bodies are no longer believed to
  uint32_t n_places;
  uint32_t *place_of;           // value -> place, MF_IMAGE_ABSENT
  mf_kept_layout layouts[MF_KEPT_LAYOUTS];
  mf_kept_layout *bound, *recording;
  uint8_t *slab;
  uint64_t clock;
  uint8_t *known_at_first;      // by value: mf_known
  uint32_t *alias_first, *alias_next;  // planned values without a node of their own, by the hash of their offset
  // While recording:
  uint8_t *known;
  mf_range *live;               // by offset
  uint32_t n_live;
  mf_tensor *masked;            // inputs without the data that are not known
  const mf_tensor **masked_inputs;
} mf_kept;

typedef enum mf_known {
  MF_KNOWN_SHAPE = 1,  // its shape follows from the input shapes
  MF_KNOWN_DATA = 2,   // so do its elements
  MF_KNOWN_FIXED = 4,  // its memory is the same in every run of this layout
} mf_known;

// What nodes carry while they run besides mf_node_flags.
enum { MF_RUN_RECORD = 1 << 16 };

struct mf_run_node;
size_t mf_kept_bytes(const mf_image *image);
void mf_kept_init(mf_instance *instance, void *memory);
// Binds the layout for the inputs' shapes or begins to record one; mf_kept_end is told how the run went.
void mf_kept_begin(mf_instance *instance);
void mf_kept_end(mf_instance *instance, bool good);
// The layout that was bound did not do: forgets it (refuse: for good), so that the run can be repeated without.
void mf_kept_give_up(mf_instance *instance, bool refuse);
// The run found another shape than the layout says: notes it and fails; the run is repeated without.
bool mf_kept_disagrees(mf_kept *kept, mf_error *err);
// Frees the slab, if there is one; true if that made room.
bool mf_kept_release(mf_instance *instance);

static inline bool mf_kept_owns(const mf_kept *kept, const void *data) {
  return kept->slab && (const uint8_t *)data >= kept->slab && (const uint8_t *)data < kept->slab + kept->bound->slab_bytes;
}
static inline mf_place *mf_kept_place(const mf_kept *kept, mf_kept_layout *layout, uint32_t id) {
  return layout && kept->place_of[id] != MF_IMAGE_ABSENT ? &layout->places[kept->place_of[id]] : NULL;
}
static inline uint32_t *mf_kept_aliases(const mf_kept *kept, const mf_image *image, uint64_t offset) {
  return &kept->alias_first[offset / MF_IMAGE_ALIGNMENT % image->n_values];
}

// ---- record.c ----
void mf_record_begin(mf_instance *instance, mf_kept_layout *layout);
void mf_record_abandon(mf_instance *instance);
// Infers from what is known alone; false: more is needed, or it is not known.
bool mf_record_infer(mf_instance *instance, struct mf_run_node *node, mf_shape_call *shapes);
// The outputs that were so inferred, and scratch memory, get their places.
void mf_record_outputs(mf_instance *instance, struct mf_run_node *node, const mf_shape_call *shapes);
// An output of a node that sets its own shapes; called by alloc_output.
void mf_record_own_output(mf_instance *instance, struct mf_run_node *node, uint32_t at);
void mf_record_item(mf_instance *instance, const struct mf_run_node *node, uint32_t id);
void mf_record_done(mf_instance *instance, const struct mf_run_node *node);  // after the kernel, before its releases
void mf_record_releases(mf_instance *instance, uint32_t first, uint32_t n);
#endif
