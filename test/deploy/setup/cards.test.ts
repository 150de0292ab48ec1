import assert from "node:assert/strict";
import { test } from "node:test";
import { type Capability, codeFor, parseCards, supportOf } from "../../../deploy/setup/core/cards.js";

function capability(text: string): Capability {
  const [major = 0, minor = 0] = text.split(".").map(Number);
  return { major, minor };
}

test("machine code runs on the same major capability from its own minor one on; PTX on any later card", () => {
  const rows: [card: string, wheel: string, stock: string][] = [
    ["3.7", "none", "binary 3.5"],
    ["5.2", "none", "binary 5.0"],
    ["6.0", "binary 6.0", "binary 6.0"],
    ["6.1", "binary 6.0", "binary 6.0"],
    ["7.0", "binary 7.0", "binary 7.0"],
    ["7.5", "binary 7.0", "binary 7.5"],
    ["8.0", "binary 8.0", "ptx 8.0"],
    ["8.6", "binary 8.0", "ptx 8.0"],
    ["8.9", "binary 8.9", "ptx 8.0"],
    ["9.0", "ptx 9.0", "ptx 8.0"],
    ["10.0", "ptx 9.0", "ptx 8.0"],
    ["12.0", "ptx 9.0", "ptx 8.0"],
  ];
  const words = (card: string, build: "wheel" | "stock"): string => {
    const code = codeFor(capability(card), build);
    return code.kind === "none" ? "none" : `${code.kind} ${code.of.major}.${code.of.minor}`;
  };
  for (const [card, wheel, stock] of rows) {
    assert.equal(words(card, "wheel"), wheel, `${card} under the wheel`);
    assert.equal(words(card, "stock"), stock, `${card} under the stock library`);
  }
});

test("every kind of card is told what TensorFlow 2.21 does on it", () => {
  const rows: [card: string, standing: string, words: RegExp][] = [
    ["5.2", "too-old", /has code for 6\.0 and later/],
    ["6.1", "good", /runs its code for 6\.0 on it/],
    ["7.5", "good", /runs its code for 7\.0 on it/],
    ["8.0", "good", /has code for it/],
    ["8.6", "good", /runs its code for 8\.0 on it/],
    ["8.9", "good", /has code for it/],
    ["9.0", "slow", /compiles it at first use, which takes minutes/],
    ["10.0", "doubtful", /known to fail on Blackwell/],
    ["12.0", "doubtful", /known to fail on Blackwell/],
  ];
  for (const [card, standing, words] of rows) {
    const support = supportOf(capability(card));
    assert.equal(support.standing, standing, card);
    assert.match(support.words, words, card);
  }
});

test("cards are read from nvidia-smi's lines, and other lines are none", () => {
  const text =
    "NVIDIA H200, 580.159.03, 9.0\nTesla P4, with a comma, 535.104.05, 6.1\n\nwarning: infoROM is corrupted\n";
  assert.deepEqual(parseCards(text), [
    { name: "NVIDIA H200", driver: "580.159.03", capability: { major: 9, minor: 0 } },
    { name: "Tesla P4, with a comma", driver: "535.104.05", capability: { major: 6, minor: 1 } },
  ]);
  assert.deepEqual(parseCards("NVIDIA H200, [N/A], [N/A]\n"), []);
});
