import { startEngine } from "../../../worker/engine/eager/backend.js";
import { torchSuite } from "./torch-suite.js";

const { tf } = await startEngine("wasm");
torchSuite("wasm", tf);
