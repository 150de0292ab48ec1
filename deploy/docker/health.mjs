// HEALTHCHECK of the images, without curl: is the process's own HTTP port alive? Kubernetes asks by itself.
const { SAF_HTTP_PORT: port = "9464", SAF_HTTP_CERT_FILE: certificate } = process.env;
// The certificate is for the name that others call us by.
if (certificate) process.env.NODE_TLS_REJECT_UNAUTHORIZED = "0";
try {
  const url = `${certificate ? "https" : "http"}://127.0.0.1:${port}/healthz`;
  const { ok } = await fetch(url, { signal: AbortSignal.timeout(4000) });
  process.exitCode = ok ? 0 : 1;
} catch {
  process.exitCode = 1;
}
