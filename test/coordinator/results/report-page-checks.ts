/** What every page of a report must be. */
import assert from "node:assert/strict";

/** Elements of HTML that have no end tag. */
const VOID = new Set(["meta", "img", "br", "link", "hr", "input"]);

/** A tag: a slash or none, the name, attributes with quoted values, a slash or none. */
const TAG = /<(\/?)([a-z][a-z0-9]*)(?:\s+[a-z][a-z0-9:-]*(?:="[^"]*")?)*\s*(\/?)>/gi;

/** Every tag is closed by its own end tag, and no id occurs twice. */
export function assertWellFormed(page: string): void {
  const body = page.replace(/^<!DOCTYPE html>/, "").replace(/<style>[\s\S]*?<\/style>/g, "<style></style>");
  const open: string[] = [];
  for (const [, end, name, selfClosed] of body.matchAll(TAG)) {
    if (end === "/") assert.equal(open.pop(), name, `</${name}> closes what is open`);
    else if (selfClosed !== "/" && !VOID.has(name as string)) open.push(name as string);
  }
  assert.deepEqual(open, [], "nothing stays open");
  assert.equal(/[<>]/.exec(body.replace(TAG, "")), null, "what is left is text");
  const ids = [...page.matchAll(/\sid="([^"]*)"/g)].map((match) => match[1]);
  assert.equal(new Set(ids).size, ids.length, "ids are unique");
}
