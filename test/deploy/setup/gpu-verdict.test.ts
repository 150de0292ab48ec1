import assert from "node:assert/strict";
import { test } from "node:test";
import { libraryNames, missingLibraries, missingWords } from "../../../deploy/setup/core/cuda-libraries.js";
import {
  type GpuFacts,
  type Severity,
  type SmiOutcome,
  gpuFinding,
  judgeGpu,
  reasonAgainst,
} from "../../../deploy/setup/core/gpu-verdict.js";

const facts = (smi: SmiOutcome, more: Partial<GpuFacts> = {}): GpuFacts => ({
  visibleDevices: undefined,
  smi,
  hasDevice: true,
  ...more,
});
const answered = (text: string): SmiOutcome => ({ kind: "answered", text });
const failed = (words: string, code = 9): SmiOutcome => ({ kind: "failed", code, words });

const H200 = "NVIDIA H200, 580.159.03, 9.0";
const A100 = "NVIDIA A100-SXM4-80GB, 550.54.15, 8.0";
const RTX_5090 = "NVIDIA GeForce RTX 5090, 575.57.08, 12.0";
const K80 = "Tesla K80, 470.82.01, 3.7";

test("each state of driver and card has a severity, a message and what to do", () => {
  const rows: [facts: GpuFacts, severity: Severity, message: RegExp, hint?: RegExp][] = [
    [facts({ kind: "missing" }, { hasDevice: false }), "none", /^no NVIDIA GPU is visible/],
    [facts({ kind: "missing" }), "usable", /no nvidia-smi/, /compute,utility/],
    [facts(answered(H200), { visibleDevices: "" }), "none", /CUDA_VISIBLE_DEVICES is ""/],
    [facts(answered(H200), { visibleDevices: "-1" }), "none", /CUDA_VISIBLE_DEVICES is "-1"/],
    [facts({ kind: "hung", afterSeconds: 15 }), "broken", /does not answer within 15 s/, /dmesg/],
    [
      facts(
        failed(
          "Failed to initialize NVML: Driver/library version mismatch\nNVML library version: 570.133",
          18,
        ),
      ),
      "broken",
      /kernel and its libraries are of different versions \(nvidia-smi: Failed to initialize NVML/,
      /restart the machine/,
    ],
    [facts(failed("No devices were found", 6)), "broken", /finds no card/, /--gpus/],
    [facts(answered("No devices were found\n")), "broken", /finds no card/, /--gpus/],
    [
      facts(failed("Failed to initialize NVML: Insufficient Permissions", 4)),
      "broken",
      /may not open/,
      /group of \/dev\/nvidia/,
    ],
    [
      facts(
        failed(
          "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver. Make sure that the latest NVIDIA driver is installed and running.",
        ),
      ),
      "broken",
      /not loaded in the kernel/,
      /modprobe nvidia/,
    ],
    [
      facts(failed("NVIDIA-SMI couldn't find libnvidia-ml.so library in your system.", 12)),
      "broken",
      /libnvidia-ml\.so is not/,
      /install the driver/,
    ],
    [facts(failed('Field "compute_cap" is not a valid field to query.', 2)), "broken", /older than the 525/],
    [
      facts(failed("Unable to determine the device handle for GPU0000:01:00.0: Unknown Error", 255)),
      "broken",
      /lost a card/,
      /Xid/,
    ],
    [facts(failed("", 134)), "broken", /nvidia-smi fails: exit code 134/, /by hand/],
    [facts(failed("spawn nvidia-smi EACCES")), "broken", /nvidia-smi fails: spawn nvidia-smi EACCES/],
    [
      facts(answered(A100)),
      "usable",
      /^NVIDIA A100-SXM4-80GB, driver 550\.54\.15, compute capability 8\.0: /,
    ],
    [facts(answered(H200)), "slow", /takes minutes/, /CUDA_CACHE_PATH/],
    [facts(answered(RTX_5090)), "doubtful", /known to fail/, /saf setup --engine tensorflow-gpu/],
    [facts(answered("Tesla K80, 535.104.05, 3.7")), "broken", /too old: TensorFlow/, /on the CPU/],
    [facts(answered(K80)), "broken", /the driver is too old/, /525\.60\.13/],
    [facts(answered("NVIDIA A100, 525.60.13, 8.0")), "usable", /has code for it/],
    [facts(answered("NVIDIA A100, 525.60.11, 8.0")), "broken", /the driver is too old/],
  ];
  for (const [given, severity, message, hint] of rows) {
    const verdict = judgeGpu(given);
    const shown = JSON.stringify({ given, verdict });
    assert.equal(verdict.severity, severity, shown);
    assert.match(verdict.message, message, shown);
    if (hint !== undefined) assert.match(verdict.hint ?? "", hint, shown);
    assert.ok(!verdict.message.includes("\n") && !verdict.hint?.includes("\n"), shown);
  }
});

test("of several cards the last one that is visible counts, and a better one is named", () => {
  const both = answered(`${A100}\n${RTX_5090}\n`);
  assert.equal(judgeGpu(facts(both, { visibleDevices: "0" })).card?.name, "NVIDIA A100-SXM4-80GB");
  assert.equal(judgeGpu(facts(both, { visibleDevices: "1, 0" })).severity, "usable");
  assert.equal(judgeGpu(facts(both, { visibleDevices: "GPU-8932f937" })).severity, "doubtful");
  assert.equal(judgeGpu(facts(both, { visibleDevices: "0,7,1" })).severity, "usable");
  assert.match(judgeGpu(facts(both, { visibleDevices: "7" })).message, /names a card that is not there/);

  const verdict = judgeGpu(facts(both));
  assert.equal(verdict.severity, "doubtful");
  assert.equal(verdict.hint, "CUDA_VISIBLE_DEVICES=0 takes NVIDIA A100-SXM4-80GB");
});

test("a card that is known to fail is tried only where the engine is named, a broken one never", () => {
  const against = (smi: SmiOutcome, isNamed: boolean): string | undefined =>
    reasonAgainst(judgeGpu(facts(smi)), isNamed);
  assert.equal(against(answered(A100), false), undefined);
  assert.equal(against(answered(H200), false), undefined);
  assert.match(against(answered(RTX_5090), false) ?? "", /known to fail .*\(`npx saf setup/);
  assert.equal(against(answered(RTX_5090), true), undefined);
  assert.match(against(failed("No devices were found"), true) ?? "", /finds no card/);
});

test("`doctor` warns of a GPU that lies idle, and says why", () => {
  const cpu = { engine: "tensorflow", why: ["tensorflow-gpu: wheel: libcudnn.so.9 is missing", "x: y"] };
  const named = { engine: "wasm", why: [] };
  const gpu = { engine: "tensorflow-gpu", why: [] };
  const of = (smi: SmiOutcome, chosen: { engine: string; why: string[] } | undefined, hasDevice = true) =>
    gpuFinding(judgeGpu(facts(smi, { hasDevice })), chosen);

  assert.equal(of({ kind: "missing" }, cpu, false).warning, false);
  assert.equal(of(answered(A100), gpu).warning, false);
  assert.equal(of(answered(A100), undefined).warning, false);
  assert.match(of(answered(A100), named).detail, /not used, the engine is wasm$/);
  assert.equal(of(answered(A100), named).warning, false);
  const idle = of(answered(A100), cpu);
  assert.equal(idle.warning, true);
  assert.match(idle.detail, /not used: wheel: libcudnn\.so\.9 is missing \(npx saf setup --refresh tries/);
  assert.equal(of(failed("No devices were found"), cpu).warning, true);
  assert.equal(of(failed("No devices were found"), undefined).warning, true);
  assert.equal(of(answered(RTX_5090), gpu).warning, true);
});

test("missing CUDA libraries are named, and the driver's own is explained", () => {
  const listing = [
    "3 libs found in cache `/etc/ld.so.cache'",
    "\tlibcuda.so.1 (libc6,x86-64) => /usr/lib/x86_64-linux-gnu/libcuda.so.1",
    "\tlibcudart.so.12 (libc6,x86-64) => /usr/local/cuda/lib64/libcudart.so.12",
    "\tlibcublas.so.12 (libc6,x86-64, hwcap: 4) => /usr/local/cuda/lib64/libcublas.so.12",
  ].join("\n");
  const names = libraryNames(listing);
  assert.deepEqual([...names], ["libcuda.so.1", "libcudart.so.12", "libcublas.so.12"]);
  const missing = missingLibraries("wheel", (name) => names.has(name));
  assert.deepEqual(missing, [
    "libcublasLt.so.12",
    "libcufft.so.11",
    "libcusolver.so.11",
    "libcusparse.so.12",
    "libcudnn.so.9",
  ]);
  assert.match(
    missingWords(missing) ?? "",
    /^the loader does not find libcublasLt\.so\.12, .*libcudnn\.so\.9$/,
  );
  assert.match(missingWords(["libcuda.so.1"]) ?? "", /is the driver's/);
  assert.equal(missingWords(missingLibraries("stock", () => true)), undefined);
});
