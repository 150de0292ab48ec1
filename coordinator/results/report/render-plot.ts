/** Draws specifications: vega-lite to SVG, SVG to PNG. Needs neither a browser nor fonts on the machine. */
import { createRequire } from "node:module";
import { Resvg } from "@resvg/resvg-js";
import * as vega from "vega";
import { compile } from "vega-lite";
import type { TopLevelSpec } from "vega-lite";
import { ClusterError } from "../../../shared/errors.js";
import { textWidth } from "./text-width.js";

/** What vega measures text with: settable, though its typings leave it out. */
interface TextMetrics {
  width(item: { fontSize?: number; fontWeight?: string | number; limit?: number }, text: unknown): number;
}
const metrics = (vega as unknown as { textMetrics: TextMetrics }).textMetrics;
metrics.width = (item, text) => {
  const isBold = item.fontWeight === "bold" || Number(item.fontWeight) >= 600;
  const width = textWidth(
    typeof text === "string" || typeof text === "number" ? String(text).trim() : "",
    item.fontSize ?? 11,
    isBold,
  );
  return item.limit !== undefined && item.limit > 0 ? Math.min(width, item.limit) : width;
};

/** A specification as a stand-alone SVG file. The same specification gives the same text. */
export async function renderSvg(spec: TopLevelSpec): Promise<string> {
  const compiled = compile(spec, { logger: vega.logger(vega.Error) });
  const view = new vega.View(vega.parse(compiled.spec), { renderer: "none", logLevel: vega.Error });
  try {
    return await view.toSVG();
  } finally {
    view.finalize();
  }
}

/**
 * An SVG as PNG bytes at twice its size. Text is drawn with the bundled Arimo only: Debian's minimal images have no
 * font at all, and resvg leaves out text silently when it finds none.
 */
export function renderPng(svg: string): Uint8Array {
  const resvg = new Resvg(svg, {
    fitTo: { mode: "zoom", value: 2 },
    background: "white",
    font: {
      loadSystemFonts: false,
      fontFiles: fontFiles(),
      defaultFontFamily: "Arimo",
      sansSerifFamily: "Arimo",
    },
  });
  return resvg.render().asPng();
}

/** Regular and bold Arimo (SIL Open Font License 1.1). */
function fontFiles(): string[] {
  const resolve = createRequire(import.meta.url).resolve;
  try {
    return ["400Regular/Arimo_400Regular.ttf", "700Bold/Arimo_700Bold.ttf"].map((file) =>
      resolve(`@expo-google-fonts/arimo/${file}`),
    );
  } catch (error) {
    throw new ClusterError(
      "dependency",
      "Cannot draw plots as PNG: the bundled font Arimo is not installed",
      {
        hint: "run `npm ci` in the repository",
        cause: error,
      },
    );
  }
}
