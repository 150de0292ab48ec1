import { startEngine } from "../../../worker/engine/eager/backend.js";
import { trainedSuite } from "./trained-suite.js";

const { tf } = await startEngine("wasm");
await trainedSuite("wasm", tf);
