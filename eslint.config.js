// What the compiler does not see: forgotten promises, forgotten cases, and imports that point the wrong way
// (CONTRIBUTING.md "Which way imports point"; test/architecture.test.ts checks the directions again, on resolved paths).
import { defineConfig } from "eslint/config";
import tseslint from "typescript-eslint";

const ALL = ["shared/**/*.ts", "coordinator/**/*.ts", "worker/**/*.ts", "deploy/**/*.ts", "test/**/*.ts"];

const reaches = (folder) => `^(\\.\\.?/)+(.*/)?${folder}/`;
const boundaries = {
  barrel: {
    regex: "(^|/)index\\.js$",
    message: "Import the file that defines a thing: barrels breed import circles.",
  },
  coordinator: {
    regex: reaches("coordinator"),
    message: "Only coordinator/, deploy/ and test/ import coordinator/.",
  },
  worker: { regex: reaches("worker"), message: "Only worker/, deploy/ and test/ import worker/." },
  deploy: { regex: reaches("deploy"), message: "Only deploy/ and test/ import deploy/." },
  test: { regex: reaches("test"), message: "Nothing outside test/ imports test/." },
  tensorflow: {
    regex: "^@tensorflow/",
    message: "TensorFlow.js appears only under worker/engine/eager/, graph/, wasm/ and deploy/setup.",
  },
  engines: {
    regex: "(^|/)(eager|wasm)/",
    message: "Ask worker/engine/program.ts: how an engine computes is known only to itself and start.ts.",
  },
  node: { regex: "^node:", message: "This file is pure: no node: modules. Put the doing under io/." },
  io: { regex: "(^|/)io/", message: "This file is pure: no io/. Take an interface as an argument." },
  nats: {
    regex: "^(nats|nkeys\\.js|ws)$",
    message: "This file is pure: no sockets. Put the doing under io/.",
  },
};

/** Every file gets the rules of the last block that names it, so each block lists all of its own. */
const importRules = (...names) => ({
  "no-restricted-imports": ["error", { patterns: names.map((name) => boundaries[name]) }],
});

const PURE = ["node", "io", "nats"];
const COORDINATOR_PURE = [
  "coordinator/**/core/**/*.ts",
  "coordinator/{pool,leases}/**/*.ts",
  "coordinator/training/{modes,aggregation}/**/*.ts",
  "coordinator/evaluation/**/*.ts",
  "coordinator/sweeps/{samplers,checks,pruners}/**/*.ts",
];
/** Jobs hash the names of their tasks, and hold what they serve. */
const COORDINATOR_DOING = ["coordinator/evaluation/{*-job,served-weights}.ts"];
const purity = {
  "no-restricted-globals": [
    "error",
    { name: "process", message: "This file is pure: take it as an argument." },
  ],
  "no-restricted-properties": [
    "error",
    { object: "Date", property: "now", message: "This file is pure: take the time as an argument." },
    { object: "Math", property: "random", message: "Draw from a seeded stream (shared/random.ts)." },
    { object: "performance", property: "now", message: "This file is pure: take the time as an argument." },
  ],
};

export default defineConfig(
  { ignores: ["dist/", "node_modules/", "runs/", "coverage/", "shared/proto/generated/", "test/fixtures/"] },
  { linterOptions: { reportUnusedDisableDirectives: "error" } },
  {
    files: ALL,
    extends: [tseslint.configs.recommendedTypeChecked],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      eqeqeq: ["error", "always", { null: "ignore" }],
      "no-console": "error",
      "no-restricted-syntax": [
        "error",
        {
          selector: "ExportAllDeclaration",
          message: "Import the file that defines a thing: barrels breed import circles.",
        },
      ],
      "@typescript-eslint/consistent-type-imports": ["error", { fixStyle: "inline-type-imports" }],
      "@typescript-eslint/no-explicit-any": "error",
      "@typescript-eslint/no-floating-promises": [
        "error",
        // node:test waits for the tests of a file by itself.
        {
          allowForKnownSafeCalls: [
            { from: "package", package: "node:test", name: ["test", "it", "describe", "suite"] },
          ],
        },
      ],
      "@typescript-eslint/no-misused-promises": "error",
      "@typescript-eslint/switch-exhaustiveness-check": [
        "error",
        { considerDefaultExhaustiveForUnions: true },
      ],
      "@typescript-eslint/restrict-template-expressions": [
        "error",
        { allowNumber: true, allowBoolean: true },
      ],
      "@typescript-eslint/no-unused-vars": ["error", { argsIgnorePattern: "^_" }],
      // nats declares its statuses as enums of text and hands them out as text.
      "@typescript-eslint/no-unsafe-enum-comparison": "off",
      // Functions travel in plain objects here (`const { write } = await folder(t)`); `this` is rare.
      "@typescript-eslint/unbound-method": "off",
      // An interface's method may be asynchronous for one implementation and not for another.
      "@typescript-eslint/require-await": "off",
    },
  },
  {
    files: ["shared/**/*.ts"],
    rules: importRules("barrel", "coordinator", "worker", "deploy", "test", "tensorflow"),
  },
  { files: ["coordinator/**/*.ts"], rules: importRules("barrel", "worker", "deploy", "test", "tensorflow") },
  {
    files: ["worker/**/*.ts"],
    rules: importRules("barrel", "coordinator", "deploy", "test", "tensorflow", "engines"),
  },
  {
    files: ["worker/engine/start.ts"],
    rules: importRules("barrel", "coordinator", "deploy", "test", "tensorflow"),
  },
  {
    files: ["worker/engine/{eager,graph,wasm}/**/*.ts"],
    rules: importRules("barrel", "coordinator", "deploy", "test"),
  },
  { files: ["deploy/**/*.ts"], rules: importRules("barrel", "test", "tensorflow") },
  {
    files: ["deploy/setup/**/*.ts", "deploy/setup*.ts", "deploy/cli/setup*.ts"],
    rules: importRules("barrel", "test"),
  },
  {
    files: ["shared/**/*.ts"],
    ignores: ["shared/io/**"],
    rules: {
      ...importRules("barrel", "coordinator", "worker", "deploy", "test", "tensorflow", ...PURE),
      ...purity,
    },
  },
  {
    files: COORDINATOR_PURE,
    ignores: COORDINATOR_DOING,
    rules: { ...importRules("barrel", "worker", "deploy", "test", "tensorflow", ...PURE), ...purity },
  },
  {
    // A run is handed its time and its storage: a simulation runs it under a clock of its own. So is a sweep.
    files: ["coordinator/{runs,sweeps}/**/*.ts"],
    rules: {
      ...purity,
      "no-restricted-globals": [
        ...purity["no-restricted-globals"],
        { name: "setTimeout", message: "Take a Clock as an argument." },
        { name: "setInterval", message: "Take a Clock as an argument." },
      ],
    },
  },
  {
    files: ["worker/core/**/*.ts"],
    rules: {
      ...importRules("barrel", "coordinator", "deploy", "test", "tensorflow", "engines", ...PURE),
      ...purity,
    },
  },
  { files: ["test/**/*.ts"], rules: importRules("barrel") },
  {
    files: ["**/*.js", "**/*.mjs"],
    rules: { eqeqeq: "error", "no-unused-vars": "error", "no-var": "error", "prefer-const": "error" },
  },
);
