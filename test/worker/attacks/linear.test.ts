import { startEngine } from "../../../worker/engine/eager/backend.js";
import { linearSuite } from "./linear-suite.js";

const { tf } = await startEngine("wasm");
linearSuite("wasm", tf);
