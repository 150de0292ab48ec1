import { startPrograms } from "../../../worker/engine/start.js";
import { invariantsSuite } from "./invariants-suite.js";

const programs = await startPrograms("wasm");
invariantsSuite("wasm", programs);
