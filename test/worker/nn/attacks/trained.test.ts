import { startEngine } from "../../../../worker/nn/backend.js";
import { trainedSuite } from "./trained-suite.js";

const { tf } = await startEngine("wasm");
await trainedSuite("wasm", tf);
