/*
 * Convolutions, and gradients of convolutions and pools, on the heap of the tfjs wasm backend, for WebAssembly with 128-bit vectors.
 * Built by build.sh into kernels.wasm, which is checked in: no compiler is needed to use it.
 *
 * Layouts as in TensorFlow: images [batch][height][width][channel], filters [height][width][in][out], all float32.
 * Nothing is allocated here and no stack is used; the caller hands over scratch memory of the stated size.
 */
#include <wasm_simd128.h>

#define EXPORT(name) __attribute__((export_name(name)))
#define INLINE static inline __attribute__((always_inline))

/* Sums are kept in tiles of 4 rows × 8 columns: 8 registers, which leaves room for the factors in 16. */
enum { ROWS = 4, LANES = 4 };

INLINE int round_up(int size) { return (size + LANES - 1) / LANES * LANES; }
INLINE int smaller(int a, int b) { return a < b ? a : b; }
/* Cells of an axis that the windows reach: none where they lie in the padding before it. */
INLINE int reached(int size, int padded, int before) { return padded < before ? 0 : smaller(size, padded - before); }

/* sums[i][v] += a[i] · b, over `runs` runs of `steps` steps each; `height` and `vectors` are constants at each call. */
INLINE void add_products(int height, int vectors, v128_t sums[ROWS][2], const float *a[ROWS], int a_run, int a_step,
                         const float *b, int b_run, int b_step, int runs, int steps) {
  for (int run = 0; run < runs; run++) {
    const float *left[ROWS];
    for (int i = 0; i < height; i++) left[i] = a[i] + run * a_run;
    const float *right = b + run * b_run;
    for (int step = 0; step < steps; step++) {
      v128_t factors[2];
      for (int v = 0; v < vectors; v++) factors[v] = wasm_v128_load(right + v * LANES);
      for (int i = 0; i < height; i++) {
        v128_t factor = wasm_v128_load32_splat(left[i]);
        for (int v = 0; v < vectors; v++) sums[i][v] = wasm_f32x4_add(sums[i][v], wasm_f32x4_mul(factor, factors[v]));
        left[i] += a_step;
      }
      right += b_step;
    }
  }
}

INLINE void clear(v128_t sums[ROWS][2]) {
  for (int i = 0; i < ROWS; i++)
    for (int v = 0; v < 2; v++) sums[i][v] = wasm_f32x4_const_splat(0);
}

INLINE void add_to(float *place, v128_t value) { wasm_v128_store(place, wasm_f32x4_add(wasm_v128_load(place), value)); }

/* What of the image the windows reach, [padded_height][padded_width], with zeros where that is outside. */
INLINE void pad_image(const float *image, float *padded, int height, int width, int channels, int top, int left,
                      int padded_height, int padded_width) {
  int rows = reached(height, padded_height, top);
  int row_length = reached(width, padded_width, left) * channels;
  __builtin_memset(padded, 0, (unsigned)(padded_height * padded_width * channels) * sizeof(float));
  for (int row = 0; row < rows; row++)
    __builtin_memcpy(padded + ((row + top) * padded_width + left) * channels, image + row * width * channels,
                     (unsigned)row_length * sizeof(float));
}

/* Rows of `from` columns into rows of `to` ≥ `from`, filled up with zeros. */
INLINE void widen(const float *source, float *target, int rows, int from, int to) {
  for (int row = 0; row < rows; row++) {
    for (int i = 0; i < from; i++) target[row * to + i] = source[row * from + i];
    for (int i = from; i < to; i++) target[row * to + i] = 0;
  }
}

/* `height` neighbouring results of one row, [height][out4]. */
INLINE void convolve(int height, const float *image, int step, int run, const float *filter, int patch_row, int out4,
                     int window_height, float *place) {
  const float *a[ROWS];
  for (int i = 0; i < height; i++) a[i] = image + i * step;
  v128_t sums[ROWS][2];
  int column = 0;
  for (; column + 2 * LANES <= out4; column += 2 * LANES) {
    clear(sums);
    add_products(height, 2, sums, a, run, 1, filter + column, patch_row * out4, out4, window_height, patch_row);
    for (int i = 0; i < height; i++)
      for (int v = 0; v < 2; v++) wasm_v128_store(place + i * out4 + column + v * LANES, sums[i][v]);
  }
  if (column < out4) {
    clear(sums);
    add_products(height, 1, sums, a, run, 1, filter + column, patch_row * out4, out4, window_height, patch_row);
    for (int i = 0; i < height; i++) wasm_v128_store(place + i * out4 + column, sums[i][0]);
  }
}

/*
 * result[position][out] = Σ over taps of image[position + tap] · filter[tap][out].
 * Scratch, in floats: padded image, padded_height·padded_width·in, rounded up to 4; the widened filter, taps·out4; and
 * one row of results, out_width·out4, where out4 is `out` rounded up to 4.
 */
EXPORT("conv")
void conv(const float *images, const float *filter, float *result, float *scratch, int batch, int height, int width,
          int in, int out_height, int out_width, int out, int window_height, int window_width, int stride_height,
          int stride_width, int top, int left, int padded_height, int padded_width) {
  int out4 = round_up(out);
  int patch_row = window_width * in;
  float *image = scratch;
  float *widened = image + round_up(padded_height * padded_width * in);
  float *row = widened + window_height * patch_row * out4;
  int run = padded_width * in;
  int step = stride_width * in;
  const float *taps = filter;
  if (out4 != out) {
    widen(filter, widened, window_height * patch_row, out, out4);
    taps = widened;
  }
  for (int n = 0; n < batch; n++) {
    pad_image(images + n * height * width * in, image, height, width, in, top, left, padded_height, padded_width);
    for (int y = 0; y < out_height; y++) {
      const float *source = image + y * stride_height * run;
      float *target = result + (n * out_height + y) * out_width * out;
      float *place = out4 == out ? target : row;
      int x = 0;
      for (; x + ROWS <= out_width; x += ROWS)
        convolve(ROWS, source + x * step, step, run, taps, patch_row, out4, window_height, place + x * out4);
      for (; x < out_width; x++)
        convolve(1, source + x * step, step, run, taps, patch_row, out4, window_height, place + x * out4);
      if (place == target) continue;
      for (x = 0; x < out_width; x++)
        for (int i = 0; i < out; i++) target[x * out + i] = row[x * out4 + i];
    }
  }
}

/*
 * result[tap][out] = Σ over images and positions of image[position + tap] · given[position][out].
 * Scratch, in floats: padded image, padded_height·padded_width·in; one image's gradient, out_height·out_width·out4; and
 * the sums, taps4·out4, where taps4 and out4 are the counts rounded up to 4.
 */
EXPORT("conv_filter_gradient")
void conv_filter_gradient(const float *images, const float *given, float *result, float *scratch, int batch, int height,
                          int width, int in, int out_height, int out_width, int out, int window_height,
                          int window_width, int stride_height, int stride_width, int top, int left,
                          int padded_height, int padded_width) {
  int out4 = round_up(out);
  int patch_row = window_width * in;
  int taps = window_height * patch_row;
  int positions = out_height * out_width;
  float *image = scratch;
  float *widened = image + round_up(padded_height * padded_width * in);
  float *total = widened + positions * out4;
  __builtin_memset(total, 0, (unsigned)(round_up(taps) * out4) * sizeof(float));

  for (int n = 0; n < batch; n++) {
    pad_image(images + n * height * width * in, image, height, width, in, top, left, padded_height, padded_width);
    const float *right = given + n * positions * out;
    if (out4 != out) {
      widen(right, widened, positions, out, out4);
      right = widened;
    }
    for (int tap = 0; tap < taps; tap += ROWS) {
      const float *a[ROWS];
      for (int i = 0; i < ROWS; i++) {
        int at = smaller(tap + i, taps - 1); /* the sums of a tap too many are not copied out */
        a[i] = image + at / patch_row * padded_width * in + at % patch_row;
      }
      int run = stride_height * padded_width * in;
      float *place = total + tap * out4;
      int column = 0;
      v128_t sums[ROWS][2];
      for (; column + 2 * LANES <= out4; column += 2 * LANES) {
        clear(sums);
        add_products(ROWS, 2, sums, a, run, stride_width * in, right + column, out_width * out4, out4, out_height,
                     out_width);
        for (int i = 0; i < ROWS; i++)
          for (int v = 0; v < 2; v++) add_to(place + i * out4 + column + v * LANES, sums[i][v]);
      }
      if (column < out4) {
        clear(sums);
        add_products(ROWS, 1, sums, a, run, stride_width * in, right + column, out_width * out4, out4, out_height,
                     out_width);
        for (int i = 0; i < ROWS; i++) add_to(place + i * out4 + column, sums[i][0]);
      }
    }
  }
  for (int tap = 0; tap < taps; tap++)
    for (int i = 0; i < out; i++) result[tap * out + i] = total[tap * out4 + i];
}

/* One row of windows, `height` of them beside each other: what each gives to the row of the image below it. */
INLINE void spread(int height, const float *given, int out, const float *filter, int patch_row4, float *image, int step) {
  const float *a[ROWS];
  for (int i = 0; i < height; i++) a[i] = given + i * out;
  v128_t sums[ROWS][2];
  int column = 0;
  for (; column + 2 * LANES <= patch_row4; column += 2 * LANES) {
    clear(sums);
    add_products(height, 2, sums, a, 0, 1, filter + column, 0, patch_row4, 1, out);
    for (int i = 0; i < height; i++)
      for (int v = 0; v < 2; v++) add_to(image + i * step + column + v * LANES, sums[i][v]);
  }
  if (column < patch_row4) {
    clear(sums);
    add_products(height, 1, sums, a, 0, 1, filter + column, 0, patch_row4, 1, out);
    for (int i = 0; i < height; i++) add_to(image + i * step + column, sums[i][0]);
  }
}

/*
 * result[position + tap] += Σ over out of given[position][out] · filter[tap][out], for every position and tap.
 * Scratch, in floats: the turned filter, window_height·out·patch_row4, where patch_row4 is window_width·in rounded up to
 * 4; and the padded image, padded_height·padded_width·in + 4, for the last window writes its rounding too.
 */
EXPORT("conv_input_gradient")
void conv_input_gradient(const float *given, const float *filter, float *result, float *scratch, int batch, int height,
                         int width, int in, int out_height, int out_width, int out, int window_height, int window_width,
                         int stride_height, int stride_width, int top, int left, int padded_height,
                         int padded_width) {
  int patch_row = window_width * in;
  int patch_row4 = round_up(patch_row);
  float *turned = scratch;
  float *image = turned + window_height * out * patch_row4;
  int image_size = padded_height * padded_width * in;
  for (int row = 0; row < window_height; row++)
    for (int o = 0; o < out; o++)
      for (int i = 0; i < patch_row4; i++)
        turned[(row * out + o) * patch_row4 + i] = i < patch_row ? filter[(row * patch_row + i) * out + o] : 0;

  int step = stride_width * in;
  for (int n = 0; n < batch; n++) {
    __builtin_memset(image, 0, (unsigned)(image_size + LANES) * sizeof(float));
    for (int row = 0; row < window_height; row++) {
      const float *taps = turned + row * out * patch_row4;
      for (int y = 0; y < out_height; y++) {
        const float *left_factor = given + ((n * out_height + y) * out_width) * out;
        float *target = image + (y * stride_height + row) * padded_width * in;
        int x = 0;
        for (; x + ROWS <= out_width; x += ROWS)
          spread(ROWS, left_factor + x * out, out, taps, patch_row4, target + x * step, step);
        for (; x < out_width; x++) spread(1, left_factor + x * out, out, taps, patch_row4, target + x * step, step);
      }
    }
    int rows = reached(height, padded_height, top);
    int row_length = reached(width, padded_width, left) * in;
    float *place = result + n * height * width * in;
    if (rows < height || row_length < width * in)
      __builtin_memset(place, 0, (unsigned)(height * width * in) * sizeof(float));
    for (int row = 0; row < rows; row++)
      __builtin_memcpy(place + row * width * in, image + ((row + top) * padded_width + left) * in,
                       (unsigned)row_length * sizeof(float));
  }
}

/* The part of a window inside the image, along one axis. */
INLINE int first_inside(int index, int stride, int before) {
  int first = index * stride - before;
  return first < 0 ? 0 : first;
}
INLINE int end_inside(int index, int stride, int before, int window, int size) {
  return smaller(size, index * stride - before + window);
}

/*
 * Each window's gradient goes to its first cell, in reading order, that equals the window's greatest value; if none does
 * (NaN), to its first cell. `result` need not be cleared.
 */
EXPORT("max_pool_gradient")
void max_pool_gradient(const float *images, const float *greatest, const float *given, float *result, int batch,
                       int height, int width, int channels, int out_height, int out_width, int window_height,
                       int window_width, int stride_height, int stride_width, int top, int left) {
  unsigned image_bytes = (unsigned)(height * width * channels) * sizeof(float);
  for (int n = 0; n < batch; n++) {
    __builtin_memset(result + n * height * width * channels, 0, image_bytes); /* by image: it is in the cache then */
    for (int y = 0; y < out_height; y++) {
      int row0 = first_inside(y, stride_height, top), row1 = end_inside(y, stride_height, top, window_height, height);
      for (int x = 0; x < out_width; x++) {
        int column0 = first_inside(x, stride_width, left);
        int column1 = end_inside(x, stride_width, left, window_width, width);
        if (row0 >= row1 || column0 >= column1) continue; /* a window of padding alone */
        int window = ((n * out_height + y) * out_width + x) * channels;
        int corner = ((n * height + row0) * width + column0) * channels;
        int channel = 0;
        for (; channel + LANES <= channels; channel += LANES) {
          v128_t wanted = wasm_v128_load(greatest + window + channel);
          v128_t gradient = wasm_v128_load(given + window + channel);
          v128_t open = wasm_i32x4_const_splat(-1);
          for (int row = row0; row < row1; row++)
            for (int column = column0; column < column1; column++) {
              int at = ((n * height + row) * width + column) * channels + channel;
              v128_t takes = wasm_v128_and(open, wasm_f32x4_eq(wasm_v128_load(images + at), wanted));
              add_to(result + at, wasm_v128_and(takes, gradient));
              open = wasm_v128_andnot(open, takes);
            }
          add_to(result + corner + channel, wasm_v128_and(open, gradient));
        }
        for (; channel < channels; channel++) {
          int target = corner + channel;
          for (int row = row0, open = 1; row < row1 && open; row++)
            for (int column = column0; column < column1 && open; column++) {
              int at = ((n * height + row) * width + column) * channels + channel;
              if (images[at] == greatest[window + channel]) {
                target = at;
                open = 0;
              }
            }
          result[target] += given[window + channel];
        }
      }
    }
  }
}

/* Each window's gradient, divided by the cells of it inside the image, goes to each of those. `result` is cleared here. */
EXPORT("average_pool_gradient")
void average_pool_gradient(const float *given, float *result, int batch, int height, int width, int channels,
                           int out_height, int out_width, int window_height, int window_width, int stride_height,
                           int stride_width, int top, int left) {
  unsigned image_bytes = (unsigned)(height * width * channels) * sizeof(float);
  for (int n = 0; n < batch; n++) {
    __builtin_memset(result + n * height * width * channels, 0, image_bytes); /* by image: it is in the cache then */
    for (int y = 0; y < out_height; y++) {
      int row0 = first_inside(y, stride_height, top), row1 = end_inside(y, stride_height, top, window_height, height);
      for (int x = 0; x < out_width; x++) {
        int column0 = first_inside(x, stride_width, left);
        int column1 = end_inside(x, stride_width, left, window_width, width);
        const float *window = given + ((n * out_height + y) * out_width + x) * channels;
        float share = 1.0f / (float)((row1 - row0) * (column1 - column0));
        for (int row = row0; row < row1; row++)
          for (int column = column0; column < column1; column++) {
            float *cell = result + ((n * height + row) * width + column) * channels;
            int channel = 0;
            for (; channel + LANES <= channels; channel += LANES)
              add_to(cell + channel, wasm_f32x4_mul(wasm_v128_load(window + channel), wasm_f32x4_splat(share)));
            for (; channel < channels; channel++) cell[channel] += window[channel] * share;
          }
      }
    }
  }
}

/* totals[channel] = Σ over rows of values[row][channel], in doubles: a chain of floats would lose digits. */
EXPORT("sum_rows")
void sum_rows(const float *values, float *totals, double *scratch, int rows, int channels) {
  for (int channel = 0; channel < channels; channel++) scratch[channel] = 0;
  for (int row = 0; row < rows; row++)
    for (int channel = 0; channel < channels; channel++) scratch[channel] += values[row * channels + channel];
  for (int channel = 0; channel < channels; channel++) totals[channel] = (float)scratch[channel];
}
