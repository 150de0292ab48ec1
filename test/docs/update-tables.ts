/** Writes docs/openapi.json, and the generated tables into the documents: `node deploy/bootstrap.mjs exec dist/test/docs/update-tables.js`. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { OPENAPI_FILE, ROOT, TABLES, openApiText, placeOf, readDocument } from "./tables.js";

for (const { document, name, render } of TABLES) {
  const text = readDocument(document);
  const { start, end } = placeOf(text, name);
  writeFileSync(join(ROOT, document), text.slice(0, start) + render() + text.slice(end));
}
writeFileSync(OPENAPI_FILE, openApiText());
