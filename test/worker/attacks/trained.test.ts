import { startPrograms } from "../../../worker/engine/start.js";
import { trainedSuite } from "./trained-suite.js";

const programs = await startPrograms("wasm");
await trainedSuite("wasm", programs);
