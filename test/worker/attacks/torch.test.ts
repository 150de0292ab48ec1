import { startPrograms } from "../../../worker/engine/start.js";
import { torchSuite } from "./torch-suite.js";

const programs = await startPrograms("wasm");
torchSuite("wasm", programs);
