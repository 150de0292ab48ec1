import assert from "node:assert/strict";
import { test } from "node:test";
import { LONGEST_MS, MOST_DEPARTED, SeriesLifetime } from "../../../coordinator/telemetry/series-lifetime.js";

const SCRAPE_MS = 15_000;

test("what left is shown in two more scrapes and gone in the third, once", () => {
  const lifetime = new SeriesLifetime();
  lifetime.left("worker w1", 1000);
  const gone = [1, 2, 3, 4].map((scrape) => lifetime.scraped(1000 + scrape * SCRAPE_MS));
  assert.deepEqual(gone, [[], [], ["worker w1"], []]);
});

test("scrapes in a row count as one, so that a look by hand does not hide it from Prometheus", () => {
  const lifetime = new SeriesLifetime();
  lifetime.left("run a", 0);
  for (let i = 0; i < 20; i++) assert.deepEqual(lifetime.scraped(100 + i), []);
  assert.deepEqual(lifetime.scraped(100 + SCRAPE_MS), []);
  assert.deepEqual(lifetime.scraped(100 + 2 * SCRAPE_MS), ["run a"]);
});

test("who comes back in time stays", () => {
  const lifetime = new SeriesLifetime();
  lifetime.left("worker w1", 0);
  lifetime.scraped(SCRAPE_MS);
  lifetime.returned("worker w1");
  for (let scrape = 2; scrape < 6; scrape++) assert.deepEqual(lifetime.scraped(scrape * SCRAPE_MS), []);
});

test("where nobody scrapes it goes after ten minutes", () => {
  const lifetime = new SeriesLifetime();
  lifetime.left("run a", 0);
  lifetime.left("run b", 60_000);
  assert.deepEqual(lifetime.expired(LONGEST_MS - 1), []);
  assert.deepEqual(lifetime.expired(LONGEST_MS), ["run a"]);
  assert.deepEqual(lifetime.expired(LONGEST_MS + 60_000), ["run b"]);
});

test("leaving twice does not make it stay longer", () => {
  const lifetime = new SeriesLifetime();
  lifetime.left("run a", 0);
  lifetime.scraped(SCRAPE_MS);
  lifetime.left("run a", SCRAPE_MS + 1);
  assert.deepEqual(lifetime.scraped(2 * SCRAPE_MS), []);
  assert.deepEqual(lifetime.scraped(3 * SCRAPE_MS), ["run a"]);
});

test("where hundreds leave before a scrape, the newest are shown, and never many more", () => {
  const lifetime = new SeriesLifetime();
  const gone: string[] = [];
  for (let i = 0; i < 1000; i++) {
    lifetime.left(`run ${i}`, i);
    gone.push(...lifetime.expired(i));
    assert.ok(i + 1 - gone.length < 100, `${i + 1 - gone.length} after ${i}`);
  }
  assert.deepEqual(
    gone,
    Array.from({ length: gone.length }, (_, i) => `run ${i}`),
    "those that left first, in their order, each once",
  );
  assert.ok(gone.length <= 1000 - MOST_DEPARTED);
});
