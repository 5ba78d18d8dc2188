// The one thing we want of EXIF: which way is up. TIFF 6.0 §2 (header, image file directory),
// EXIF 2.32 tag 0x0112.
#include "picture.h"

typedef struct tiff {
  const uint8_t *data;
  size_t len;
  bool big_endian;
} tiff;

static uint32_t read16(const tiff *t, size_t at) {
  if (at + 2 > t->len) return 0;
  const uint8_t *p = t->data + at;
  return t->big_endian ? (uint32_t)p[0] << 8 | p[1] : (uint32_t)p[1] << 8 | p[0];
}

static uint32_t read32(const tiff *t, size_t at) {
  if (at + 4 > t->len) return 0;
  uint32_t first = read16(t, at), second = read16(t, at + 2);
  return t->big_endian ? first << 16 | second : second << 16 | first;
}

static uint8_t orientation_at(const tiff *t, size_t entry) {
  enum { BYTE = 1, SHORT = 3, LONG = 4 };
  uint32_t type = read16(t, entry + 2), count = read32(t, entry + 4), value = 0;
  if (count != 1) return 1;
  if (type == BYTE) value = entry + 8 < t->len ? t->data[entry + 8] : 0;
  if (type == SHORT) value = read16(t, entry + 8);
  if (type == LONG) value = read32(t, entry + 8);
  return value >= 1 && value <= 8 ? (uint8_t)value : 1;
}

uint8_t mf_exif_orientation(mf_slice exif) {
  tiff t = {exif.data, exif.len, false};
  if (t.len >= 6 && memcmp(t.data, "Exif\0\0", 6) == 0) {
    t.data += 6;
    t.len -= 6;
  }
  if (t.len < 8 || (memcmp(t.data, "II", 2) != 0 && memcmp(t.data, "MM", 2) != 0)) return 1;
  t.big_endian = t.data[0] == 'M';
  size_t directory = read32(&t, 4);
  if (read16(&t, 2) != 42 || directory > t.len) return 1;
  uint32_t n = read16(&t, directory);
  for (size_t i = 0, entry = directory + 2; i < n && entry + 12 <= t.len; i++, entry += 12)
    if (read16(&t, entry) == 0x0112) return orientation_at(&t, entry);
  return 1;
}
