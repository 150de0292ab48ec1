import { startEngine } from "../../../worker/nn/backend.js";
import { networkEngineSuite } from "./network-engine-suite.js";

const { tf } = await startEngine("wasm");
networkEngineSuite("wasm", tf);
