/** The files of the page: a fixed list, read once. What is not in it does not exist, whatever the path looks like. */
import { createHash } from "node:crypto";
import { readFile, readdir } from "node:fs/promises";
import type { IncomingMessage, ServerResponse } from "node:http";

const FOLDER = new URL("../page/", import.meta.url);
const TYPES: Record<string, string> = {
  html: "text/html; charset=utf-8",
  css: "text/css; charset=utf-8",
  mjs: "text/javascript; charset=utf-8",
  svg: "image/svg+xml",
};

/** Nothing but our own files, no inline script or style, in no frame. */
const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "form-action 'self'",
  "base-uri 'none'",
  "frame-ancestors 'none'",
].join("; ");

export const PAGE_HEADERS = {
  "content-security-policy": CONTENT_SECURITY_POLICY,
  "x-content-type-options": "nosniff",
  // Not "no-referrer": a form would then come from the origin "null".
  "referrer-policy": "same-origin",
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
};

interface PageFile {
  type: string;
  content: Buffer;
  etag: string;
}

export class PageFiles {
  readonly #files: ReadonlyMap<string, PageFile>;

  private constructor(files: ReadonlyMap<string, PageFile>) {
    this.#files = files;
  }

  static async read(): Promise<PageFiles> {
    const known = (await readdir(FOLDER)).flatMap((name) => {
      const type = TYPES[endingOf(name)];
      return type === undefined ? [] : [{ name, type }];
    });
    const files = await Promise.all(
      known.map(async ({ name, type }): Promise<[string, PageFile]> => {
        const content = await readFile(new URL(name, FOLDER));
        const etag = `"${createHash("sha256").update(content).digest("base64url").slice(0, 22)}"`;
        return [`/${name}`, { type, content, etag }];
      }),
    );
    return new PageFiles(new Map(files));
  }

  has(path: string): boolean {
    return this.#files.has(path);
  }

  send(path: string, request: IncomingMessage, response: ServerResponse, status = 200): void {
    const file = this.#files.get(path);
    if (file === undefined) throw new Error(`The page has no file ${path}`);
    const { type, content, etag } = file;
    const headers = { ...PAGE_HEADERS, etag, "cache-control": "no-cache" };
    if (status === 200 && request.headers["if-none-match"] === etag) {
      response.writeHead(304, headers).end();
      return;
    }
    response.writeHead(status, { ...headers, "content-type": type, "content-length": content.length });
    response.end(request.method === "HEAD" ? undefined : content);
  }
}

function endingOf(name: string): string {
  return name.slice(name.lastIndexOf(".") + 1);
}
