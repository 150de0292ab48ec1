import { startPrograms } from "../../../worker/engine/start.js";
import { linearSuite } from "./linear-suite.js";

const programs = await startPrograms("wasm");
linearSuite("wasm", programs);
