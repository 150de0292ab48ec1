/** The small module of our own (kernels.c) on the heap of the wasm backend. */
import { readFileSync } from "node:fs";
import type { TensorInfo } from "@tensorflow/tfjs-core";
import type { BackendWasm } from "@tensorflow/tfjs-backend-wasm";

/** The functions of kernels.wasm; pointers are byte offsets into the backend's heap, all else counts of cells. */
export interface HeapKernels {
  conv(images: number, filter: number, result: number, scratch: number, ...sizes: number[]): void;
  conv_filter_gradient(
    images: number,
    given: number,
    result: number,
    scratch: number,
    ...sizes: number[]
  ): void;
  conv_input_gradient(
    given: number,
    filter: number,
    result: number,
    scratch: number,
    ...sizes: number[]
  ): void;
  max_pool_gradient(
    images: number,
    greatest: number,
    given: number,
    result: number,
    ...sizes: number[]
  ): void;
  average_pool_gradient(given: number, result: number, ...sizes: number[]): void;
  sum_rows(values: number, totals: number, scratch: number, rows: number, channels: number): void;
}

/** What is used of WebAssembly, for which the compiler's settings have no types, and of the backend's own module. */
interface WasmApi {
  Memory: abstract new () => object;
  Module: new (bytes: Uint8Array) => object;
  Instance: new (module: object, imports: object) => { exports: object };
}
interface WasmModule {
  asm: Record<string, unknown>;
  _malloc(bytes: number): number;
  _free(offset: number): void;
}

function moduleOf(backend: BackendWasm): WasmModule {
  return backend.wasm as unknown as WasmModule;
}

export function loadHeapKernels(backend: BackendWasm): HeapKernels {
  const { WebAssembly: api } = globalThis as unknown as { WebAssembly: WasmApi };
  const memory = Object.values(moduleOf(backend).asm).find((value) => value instanceof api.Memory);
  if (memory === undefined) throw new Error("the wasm backend does not show its memory");
  const module = new api.Module(readFileSync(new URL("./kernels.wasm", import.meta.url)));
  return new api.Instance(module, { env: { memory } }).exports as HeapKernels;
}

/** Calls `use` with the offset of so many bytes, freed afterwards. Like every allocation it may grow the heap. */
export function withScratch(backend: BackendWasm, bytes: number, use: (offset: number) => void): void {
  const module = moduleOf(backend);
  const offset = module._malloc(bytes) >>> 0;
  try {
    use(offset);
  } finally {
    module._free(offset);
  }
}

export function offsetOf(backend: BackendWasm, tensor: TensorInfo): number {
  return backend.getMemoryOffset(tensor.dataId);
}
