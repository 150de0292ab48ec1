import assert from "node:assert/strict";
import { test } from "node:test";
import {
  distributionSource,
  parseAptSources,
  privateAptConfig,
  sourceForSuite,
} from "../../deploy/local/nats/apt-sources.js";
import { parseOsRelease, suitesToTry } from "../../deploy/local/nats/package-managers.js";

const PARAGRAPHS = `# a comment
Types: deb deb-src
URIs: http://mirror.example/debian
Suites: bookworm bookworm-updates
Components: main contrib
Signed-By: /usr/share/keyrings/archive.gpg

Enabled: no
Types: deb
URIs: http://off.example/debian
Suites: bookworm
Components: main

Types: deb
URIs: http://security.example/debian
Suites: bookworm-security
Components: main
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 abc
 -----END PGP PUBLIC KEY BLOCK-----
`;

test("sources in paragraphs are read, with keys over several lines and without those that are off", () => {
  const sources = parseAptSources("/etc/apt/sources.list.d/debian.sources", PARAGRAPHS);
  assert.deepEqual(
    sources.map((source) => source.uris),
    [["http://mirror.example/debian"], ["http://security.example/debian"]],
  );
  assert.deepEqual(sources[0]?.suites, ["bookworm", "bookworm-updates"]);
  assert.equal(sources[0]?.signedBy, "/usr/share/keyrings/archive.gpg");
  assert.match(sources[1]?.signedBy ?? "", /^\n -----BEGIN[^]*END PGP PUBLIC KEY BLOCK-----\n?$/);
});

test("sources in lines are read, with and without options", () => {
  const text = [
    "# deb http://comment.example bookworm main",
    "deb http://plain.example/debian bookworm main non-free # and a comment",
    "deb [arch=amd64 signed-by=/keys/a.gpg] https://options.example/debian trixie main",
    "deb-src http://source.example/debian bookworm main",
  ].join("\n");
  assert.deepEqual(parseAptSources("/etc/apt/sources.list", text), [
    {
      uris: ["http://plain.example/debian"],
      suites: ["bookworm"],
      components: ["main", "non-free"],
      signedBy: undefined,
    },
    {
      uris: ["https://options.example/debian"],
      suites: ["trixie"],
      components: ["main"],
      signedBy: "/keys/a.gpg",
    },
  ]);
});

test("the distribution's own source is told from those of other vendors", () => {
  const vendor = parseAptSources("a.list", "deb https://vendor.example/node nodistro main");
  const all = [...vendor, ...parseAptSources("b.sources", PARAGRAPHS)];
  assert.deepEqual(distributionSource(all, "bookworm")?.uris, ["http://mirror.example/debian"]);
  assert.equal(distributionSource(vendor, "bookworm"), undefined);
});

test("the source for another suite keeps mirror and key", () => {
  const source = distributionSource(parseAptSources("b.sources", PARAGRAPHS), "bookworm");
  assert.ok(source);
  assert.equal(
    sourceForSuite(source, "sid"),
    "Types: deb\nURIs: http://mirror.example/debian\nSuites: sid\nComponents: main\n" +
      "Signed-By: /usr/share/keyrings/archive.gpg\n",
  );
});

test("private apt settings leave no directory of the system to write to", () => {
  const config = privateAptConfig("/private");
  for (const name of [
    "Dir::Etc::sourcelist",
    "Dir::Etc::sourceparts",
    "Dir::State",
    "Dir::State::status",
    "Dir::Cache",
  ]) {
    assert.match(config, new RegExp(`^${name} "/private/`, "m"));
  }
});

test("a newer suite of the same distribution is tried before the machine's own", () => {
  assert.deepEqual(
    suitesToTry(parseOsRelease('ID=debian\nVERSION_CODENAME=bookworm\nNAME="Debian GNU/Linux"')),
    [...["sid", "trixie", "bookworm"]],
  );
  assert.deepEqual(suitesToTry(parseOsRelease("ID=ubuntu\nVERSION_CODENAME=noble")), ["devel", "noble"]);
  assert.deepEqual(suitesToTry(parseOsRelease('ID="linuxmint"\nID_LIKE=ubuntu')), []);
});
