import assert from "node:assert/strict";
import { test } from "node:test";
import { decidingFlags, engineEnvironment, processorSets } from "../../../worker/engine/environment.js";

const CPUINFO = "processor\t: 0\nflags\t\t: fpu sse avx avx2 fma avx512f erms\n\nprocessor\t: 1\n";

test("an engine gets one thread and determinism, whatever the process was started with", () => {
  const env = engineEnvironment("tensorflow", { TF_NUM_INTRAOP_THREADS: "8", OMP_NUM_THREADS: "8" });
  assert.deepEqual(
    [env["TF_NUM_INTRAOP_THREADS"], env["TF_NUM_INTEROP_THREADS"], env["OMP_NUM_THREADS"]],
    ["1", "1", "1"],
  );
  assert.equal(env["TF_DETERMINISTIC_OPS"], "1");
});

test("what the operator decided about oneDNN and the log stays", () => {
  const env = engineEnvironment("tensorflow", { TF_ENABLE_ONEDNN_OPTS: "0", TF_CPP_MIN_LOG_LEVEL: "0" });
  assert.deepEqual([env["TF_ENABLE_ONEDNN_OPTS"], env["TF_CPP_MIN_LOG_LEVEL"]], ["0", "0"]);
});

test("flags are the variables that decide bits, and no others", () => {
  const env = {
    TF_ENABLE_ONEDNN_OPTS: "1",
    ONEDNN_MAX_CPU_ISA: "AVX2",
    TF_CPP_MIN_LOG_LEVEL: "2",
    HOME: "/root",
  };
  assert.deepEqual(decidingFlags("tensorflow", env), ["TF_ENABLE_ONEDNN_OPTS=1", "ONEDNN_MAX_CPU_ISA=AVX2"]);
  assert.deepEqual(decidingFlags("wasm", env), []);
});

test("instruction sets are read as Linux names them; without them the architecture is left", () => {
  assert.deepEqual(processorSets(CPUINFO), [process.arch, "avx", "avx2", "fma", "avx512f"]);
  assert.deepEqual(processorSets("Features\t: fp asimd sve"), [process.arch, "asimd", "sve"]);
  assert.deepEqual(processorSets(""), [process.arch]);
});

test("a GPU multiplies in full precision unless the operator says otherwise, and a pool sees it", () => {
  const tf32 = (engine: "tensorflow" | "tensorflow-gpu", env: NodeJS.ProcessEnv) =>
    engineEnvironment(engine, env)["NVIDIA_TF32_OVERRIDE"];
  assert.equal(tf32("tensorflow-gpu", {}), "0");
  assert.equal(tf32("tensorflow-gpu", { NVIDIA_TF32_OVERRIDE: "1" }), "1");
  assert.equal(tf32("tensorflow", {}), undefined);
  const flags = decidingFlags("tensorflow-gpu", engineEnvironment("tensorflow-gpu", {}));
  assert.ok(flags.includes("NVIDIA_TF32_OVERRIDE=0"), flags.join(" "));
});
