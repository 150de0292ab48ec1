import { startEngine } from "../../../../worker/nn/backend.js";
import { invariantsSuite } from "./invariants-suite.js";

const { tf } = await startEngine("wasm");
invariantsSuite("wasm", tf);
