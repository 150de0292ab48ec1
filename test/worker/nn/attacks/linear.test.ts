import { startEngine } from "../../../../worker/nn/backend.js";
import { linearSuite } from "./linear-suite.js";

const { tf } = await startEngine("wasm");
linearSuite("wasm", tf);
