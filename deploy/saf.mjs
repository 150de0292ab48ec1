#!/usr/bin/env node
// The `saf` command: builds if a source changed, then becomes the compiled program.
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { ensureBuild, ensurePackages, isCheckout, root, runMain } from "./prepare.mjs";

await runMain(async () => {
  if (isCheckout()) {
    await ensurePackages();
    await ensureBuild({ what: "program" });
  }
  const program = join(root, "dist/deploy/cli/main.js");
  process.argv[1] = program;
  process.setSourceMapsEnabled(true);
  await import(pathToFileURL(program).href);
  return process.exitCode;
});
