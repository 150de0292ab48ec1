/**
 * Secrets that end up in a text all the same (a message of a library, a URL somebody typed) are blotted out before it is
 * shown, logged or written. This is the last line of defence: code does not put secrets into texts in the first place.
 */

const BLOT = "***";

const PATTERNS: readonly (readonly [RegExp, string])[] = [
  // user:password@ or token@ in a URL
  [/\b([a-z][a-z0-9+.-]{1,15}:\/\/)[^\s/"'`<>]{1,512}@/gi, `$1${BLOT}@`],
  // ?token=…, &password=… in a URL; --token=…, password: … in a command or a configuration
  [
    /\b(token|password|passwd|secret|api[_-]?key|access[_-]?key)(\\?["']?\s*[=:]\s*\\?["']?)[^\s"'&,;}\\]{1,4096}/gi,
    `$1$2${BLOT}`,
  ],
  [/\b(bearer|basic)(\s+)[\w.~+/=-]{8,4096}/gi, `$1$2${BLOT}`],
  // nkey seeds of every kind: S, the kind, 56 of base32
  [/\bS[UAOCNX][A-Z2-7]{56}\b/g, BLOT],
  // tokens of saf join
  [/\bsafjoin\d+_[\w-]{8,4096}/g, BLOT],
  // JWTs: two parts of base64url JSON and a signature
  [/\beyJ[\w-]{8,8192}\.[\w-]{8,16384}\.[\w-]{8,1024}/g, BLOT],
  [
    /-----BEGIN [A-Z ]*PRIVATE KEY-----(?:(?!-----BEGIN)[\s\S]){1,16384}?-----END [A-Z ]*PRIVATE KEY-----/g,
    BLOT,
  ],
];

/** What may hold a secret; most texts do not, and are looked at only once. */
const SUSPICIOUS = /@|token|safjoin|passw|secret|key|bearer|basic|eyJ|S[UAOCNX][A-Z2-7]{56}/i;

export function redact(text: string): string {
  if (!SUSPICIOUS.test(text)) return text;
  let clean = text;
  for (const [pattern, replacement] of PATTERNS) clean = clean.replace(pattern, replacement);
  return clean;
}

/** Does a URL carry a user, a password or a token? */
export function hasSecret(url: string): boolean {
  return /^[a-z][a-z0-9+.-]*:\/\/[^/]*@/i.test(url);
}

/** The same of every text in a record that is going to be written. */
export function redactTexts<Record extends object>(record: Record): Record {
  const clean = Object.entries(record).map(([key, value]: [string, unknown]) => [
    key,
    typeof value === "string" ? redact(value) : value,
  ]);
  return Object.fromEntries(clean) as Record;
}
