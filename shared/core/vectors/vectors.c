/*
 * Sums and updates of parameter vectors for WebAssembly with 128-bit vectors. Each function computes what the loops in
 * reduction.ts and optimizer.ts compute, to the bit: sums in float32, updates in float64 rounded once, in that order.
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
