/** The credentials of a pool as Kubernetes objects. */
import { stringify } from "yaml";
import type { MintedUser } from "./authority.js";

export const CREDS_SECRET = "saf-nats-creds";
export const AUTH_CONFIG_MAP = "saf-nats-auth";

/** Two documents: a Secret with `<name>.creds` for each user, a ConfigMap with `auth.conf` for the server. */
export function kubernetesManifests(options: {
  users: readonly MintedUser[];
  serverConfig: string;
  pool: string;
  namespace?: string | undefined;
}): string {
  const { users, serverConfig, pool, namespace } = options;
  const metadata = (name: string): object => ({
    name,
    ...(namespace === undefined ? {} : { namespace }),
    labels: { "app.kubernetes.io/name": "saf", "app.kubernetes.io/part-of": "saf" },
    annotations: { "saf/pool": pool },
  });
  const documents = [
    {
      apiVersion: "v1",
      kind: "Secret",
      metadata: metadata(CREDS_SECRET),
      type: "Opaque",
      stringData: Object.fromEntries(users.map(({ name, text }) => [`${name}.creds`, text])),
    },
    {
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: metadata(AUTH_CONFIG_MAP),
      data: { "auth.conf": serverConfig },
    },
  ];
  return documents.map((document) => stringify(document, { lineWidth: 0 })).join("---\n");
}
