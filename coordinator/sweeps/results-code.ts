/** Version of the code that decides a trial's numbers. It is part of every trial's id: under another one, all is to be done again. */
import { MEASURES_VERSION } from "../../shared/measures.js";
import { VERSION } from "../../shared/version.js";

export const RESULTS_CODE = `${VERSION}+${MEASURES_VERSION}`;
