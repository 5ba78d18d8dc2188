// What an opened image tells about itself.
#include "image.h"

uint32_t mf_image_n_inputs(const mf_image *image) { return image->header->n_inputs; }
uint32_t mf_image_n_outputs(const mf_image *image) { return image->header->n_outputs; }

const mf_signature_entry *mf_image_input(const mf_image *image, uint32_t at) {
  assert(at < image->header->n_inputs);
  return &image->signature[at];
}

const mf_signature_entry *mf_image_output(const mf_image *image, uint32_t at) {
  assert(at < image->header->n_outputs);
  return &image->signature[image->header->n_inputs + at];
}

mf_slice mf_image_metadata(const mf_image *image) {
  const mf_image_section *s = mf_image_section_of(image, MF_SECTION_METADATA);
  return (mf_slice){image->base + s->offset, s->count};
}

mf_isa mf_image_isa(const mf_image *image) { return (mf_isa)image->header->isa; }

void mf_image_summarize(const mf_image *image, mf_image_summary *summary) {
  const mf_image_header *h = image->header;
  *summary = (mf_image_summary){.file_bytes = h->file_bytes, .constant_bytes = h->constants_bytes,
                                .arena_bytes = mf_instance_table_bytes(image) + h->planned_bytes, .n_nodes = image->n_nodes,
                                .n_values = image->n_values, .n_plans = image->n_plans, .dynamic = image->dynamic};
}

bool mf_image_node_at(const mf_image *image, uint32_t at, mf_image_node *node) {
  if (at >= image->n_nodes) return false;
  const mf_image_node_record *record = &image->nodes[at];
  uint32_t plan = 0;
  while (at >= image->plans[plan].first_node + image->plans[plan].n_nodes) plan++;
  *node = (mf_image_node){.name = mf_image_text_of(image, record->name), .op = image->operators[record->kernel],
                          .kernel = image->kernels[record->kernel], .plan = plan};
  return true;
}
