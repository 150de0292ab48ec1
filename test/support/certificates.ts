/** Certificates for tests, made by openssl. */
import { spawnSync } from "node:child_process";
import { join } from "node:path";

export interface Certificate {
  certFile: string;
  keyFile: string;
}

/** For localhost and 127.0.0.1, signed by itself. Undefined where there is no openssl. */
export function makeCertificate(folder: string, name: string): Certificate | undefined {
  const [certFile, keyFile] = [join(folder, `${name}.crt`), join(folder, `${name}.key`)];
  const { status } = spawnSync("openssl", [
    ...["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"],
    ...["-subj", `/CN=${name}`, "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"],
    ...["-keyout", keyFile, "-out", certFile],
  ]);
  return status === 0 ? { certFile, keyFile } : undefined;
}
