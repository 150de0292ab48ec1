/*
 * Sums and updates of parameter vectors for WebAssembly with 128-bit vectors. Each function computes what the loops in
 * reduction.ts and optimizer.ts compute, to the bit: sums in float32, updates in float64 rounded once, in that order.
bf16 is the upper half of a float32, rounded to the nearest, ties to even: as the loops in bf16.ts do it.
 * Built by build.sh into vectors-wasm.ts, which is checked in: no compiler is needed to use it.
 */
#include <wasm_simd128.h>

#define EXPORT(name) __attribute__((export_name(name)))

/* target[i] = left[i] + right[i] */
EXPORT("add") void add(float *target, const float *left, const float *right, int count) {
  int i = 0;
  for (; i + 4 <= count; i += 4)
    wasm_v128_store(target + i, wasm_f32x4_add(wasm_v128_load(left + i), wasm_v128_load(right + i)));
  for (; i < count; i++) target[i] = left[i] + right[i];
}

/* Is an infinity or a NaN among the values? Those have all bits of the exponent set. */
EXPORT("nonfinite") int nonfinite(const unsigned *values, int count) {
  const unsigned exponent = 0x7f800000u;
  v128_t mask = wasm_i32x4_splat((int)exponent), found = wasm_i32x4_const_splat(0);
  int i = 0;
  for (; i + 4 <= count; i += 4)
    found = wasm_v128_or(found, wasm_i32x4_eq(wasm_v128_and(wasm_v128_load(values + i), mask), mask));
  int any = wasm_v128_any_true(found);
  for (; i < count; i++) any |= (values[i] & exponent) == exponent;
  return any;
}

/* target[i] = values[i]. Is an infinity or a NaN among the values? */
EXPORT("copy") int copy(unsigned *target, const unsigned *values, int count) {
  const unsigned exponent = 0x7f800000u;
  v128_t mask = wasm_i32x4_splat((int)exponent), found = wasm_i32x4_const_splat(0);
  int i = 0;
  for (; i + 4 <= count; i += 4) {
    v128_t four = wasm_v128_load(values + i);
    wasm_v128_store(target + i, four);
    found = wasm_v128_or(found, wasm_i32x4_eq(wasm_v128_and(four, mask), mask));
  }
  int any = wasm_v128_any_true(found);
  for (; i < count; i++) {
    target[i] = values[i];
    any |= (values[i] & exponent) == exponent;
  }
  return any;
}

/* target[i] = held[i] + values[i]. Is an infinity or a NaN among the values? */
EXPORT("merge") int merge(float *target, const float *held, const float *values, int count) {
  const unsigned exponent = 0x7f800000u;
  v128_t mask = wasm_i32x4_splat((int)exponent), found = wasm_i32x4_const_splat(0);
  int i = 0;
  for (; i + 4 <= count; i += 4) {
    v128_t four = wasm_v128_load(values + i);
    wasm_v128_store(target + i, wasm_f32x4_add(wasm_v128_load(held + i), four));
    found = wasm_v128_or(found, wasm_i32x4_eq(wasm_v128_and(four, mask), mask));
  }
  int any = wasm_v128_any_true(found);
  for (; i < count; i++) {
    target[i] = held[i] + values[i];
    any |= (((const unsigned *)values)[i] & exponent) == exponent;
  }
  return any;
}

static inline v128_t wide(const float *values) { return wasm_f64x2_promote_low_f32x4(wasm_v128_load64_zero(values)); }
static inline v128_t narrow(v128_t values) { return wasm_f32x4_demote_f64x2_zero(values); }

/* moved = momentum·velocity − decay·current − sums·per_sample; next = current + rate·moved */
EXPORT("descend")
void descend(float *next, float *moved, const float *velocity, const float *current, const float *sums, int count,
             double momentum, double decay, double per_sample, double rate) {
  v128_t m = wasm_f64x2_splat(momentum), d = wasm_f64x2_splat(decay);
  v128_t p = wasm_f64x2_splat(per_sample), r = wasm_f64x2_splat(rate);
  int i = 0;
  for (; i + 2 <= count; i += 2) {
    v128_t weight = wide(current + i);
    v128_t kept = wasm_f64x2_sub(wasm_f64x2_mul(m, wide(velocity + i)), wasm_f64x2_mul(d, weight));
    v128_t two = narrow(wasm_f64x2_sub(kept, wasm_f64x2_mul(wide(sums + i), p)));
    wasm_v128_store64_lane(moved + i, two, 0);
    v128_t stepped = wasm_f64x2_add(weight, wasm_f64x2_mul(r, wasm_f64x2_promote_low_f32x4(two)));
    wasm_v128_store64_lane(next + i, narrow(stepped), 0);
  }
  for (; i < count; i++) {
    double weight = current[i];
    moved[i] = (float)(momentum * velocity[i] - decay * weight - sums[i] * per_sample);
    next[i] = (float)(weight + rate * moved[i]);
  }
}

/* bf16 of four values, in the upper halves of the lanes; a NaN stays one, by its quiet bit. */
static inline v128_t nearest(v128_t bits) {
  v128_t odd = wasm_v128_and(wasm_u32x4_shr(bits, 16), wasm_i32x4_const_splat(1));
  v128_t near = wasm_i32x4_add(bits, wasm_i32x4_add(odd, wasm_i32x4_const_splat(0x7fff)));
  v128_t is_nan = wasm_i32x4_gt(wasm_v128_and(bits, wasm_i32x4_const_splat(0x7fffffff)), wasm_i32x4_const_splat(0x7f800000));
  v128_t quiet = wasm_v128_or(bits, wasm_i32x4_const_splat(0x00400000));
  return wasm_v128_and(wasm_v128_bitselect(quiet, near, is_nan), wasm_i32x4_const_splat((int)0xffff0000u));
}

static inline unsigned nearest_one(unsigned bits) {
  if ((bits & 0x7fffffffu) > 0x7f800000u) return (bits | 0x00400000u) & 0xffff0000u;
  return (bits + 0x7fffu + ((bits >> 16) & 1u)) & 0xffff0000u;
}

/* values[i] = the nearest bf16 */
EXPORT("round_bf16") void round_bf16(unsigned *values, int count) {
  int i = 0;
  for (; i + 4 <= count; i += 4) wasm_v128_store(values + i, nearest(wasm_v128_load(values + i)));
#pragma clang loop vectorize(disable) unroll(disable)
  for (; i < count; i++) values[i] = nearest_one(values[i]);
}

/* target[i] = the nearest bf16 of values[i]; target may begin where values do. */
EXPORT("encode_bf16") void encode_bf16(unsigned short *target, const unsigned *values, int count) {
  int i = 0;
  for (; i + 8 <= count; i += 8) {
    v128_t low = wasm_u32x4_shr(nearest(wasm_v128_load(values + i)), 16);
    v128_t high = wasm_u32x4_shr(nearest(wasm_v128_load(values + i + 4)), 16);
    wasm_v128_store(target + i, wasm_u16x8_narrow_i32x4(low, high));
  }
#pragma clang loop vectorize(disable) unroll(disable)
  for (; i < count; i++) target[i] = (unsigned short)(nearest_one(values[i]) >> 16);
}

/* target[i] = encoded[i]. Is an infinity or a NaN among them? */
EXPORT("decode_bf16") int decode_bf16(unsigned *target, const unsigned short *encoded, int count) {
  v128_t mask = wasm_i16x8_const_splat(0x7f80), found = wasm_i32x4_const_splat(0);
  int i = 0;
  for (; i + 8 <= count; i += 8) {
    v128_t eight = wasm_v128_load(encoded + i);
    wasm_v128_store(target + i, wasm_i32x4_shl(wasm_u32x4_extend_low_u16x8(eight), 16));
    wasm_v128_store(target + i + 4, wasm_i32x4_shl(wasm_u32x4_extend_high_u16x8(eight), 16));
    found = wasm_v128_or(found, wasm_i16x8_eq(wasm_v128_and(eight, mask), mask));
  }
  int any = wasm_v128_any_true(found);
#pragma clang loop vectorize(disable) unroll(disable)
  for (; i < count; i++) {
    target[i] = (unsigned)encoded[i] << 16;
    any |= (encoded[i] & 0x7f80) == 0x7f80;
  }
  return any;
}

/* target[i] = held[i] + encoded[i]. Is an infinity or a NaN among the encoded? */
EXPORT("merge_bf16") int merge_bf16(float *target, const float *held, const unsigned short *encoded, int count) {
  v128_t mask = wasm_i16x8_const_splat(0x7f80), found = wasm_i32x4_const_splat(0);
  int i = 0;
  for (; i + 8 <= count; i += 8) {
    v128_t eight = wasm_v128_load(encoded + i);
    v128_t low = wasm_i32x4_shl(wasm_u32x4_extend_low_u16x8(eight), 16);
    v128_t high = wasm_i32x4_shl(wasm_u32x4_extend_high_u16x8(eight), 16);
    wasm_v128_store(target + i, wasm_f32x4_add(wasm_v128_load(held + i), low));
    wasm_v128_store(target + i + 4, wasm_f32x4_add(wasm_v128_load(held + i + 4), high));
    found = wasm_v128_or(found, wasm_i16x8_eq(wasm_v128_and(eight, mask), mask));
  }
  int any = wasm_v128_any_true(found);
#pragma clang loop vectorize(disable) unroll(disable)
  for (; i < count; i++) {
    union { unsigned bits; float value; } one = {(unsigned)encoded[i] << 16};
    target[i] = held[i] + one.value;
    any |= (encoded[i] & 0x7f80) == 0x7f80;
  }
  return any;
}
