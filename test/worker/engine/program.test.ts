import { startEngine } from "../../../worker/engine/eager/backend.js";
import { EagerPrograms } from "../../../worker/engine/eager/programs.js";
import { eagerSuite } from "./eager-suite.js";
import { programSuite } from "./program-suite.js";

const engine = await startEngine("wasm");
programSuite("wasm", new EagerPrograms(engine));
eagerSuite("wasm", engine);
