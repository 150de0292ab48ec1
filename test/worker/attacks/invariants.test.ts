import { startEngine } from "../../../worker/engine/eager/backend.js";
import { invariantsSuite } from "./invariants-suite.js";

const { tf } = await startEngine("wasm");
invariantsSuite("wasm", tf);
