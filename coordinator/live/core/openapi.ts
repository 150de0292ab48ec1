/** The OpenAPI file of the HTTP API, made from the schemas that also give the types. */
import { z } from "zod";
import { API, ENDPOINTS, type Endpoint, errorView, namedIn } from "./api.js";

/** OpenAPI 3.1, whose schemas are JSON Schema 2020-12. */
export function openApiDocument(version: string): object {
  const schemas = new Schemas();
  const paths = ENDPOINTS.map((endpoint): [string, object] => [
    endpoint.path,
    { get: operationOf(endpoint, schemas) },
  ]);
  return {
    openapi: "3.1.0",
    info: {
      title: "saf live API",
      version,
      description:
        "What the coordinator's live page shows, as JSON. Read only. Shares lie in [0, 1]; times are milliseconds since 1970-01-01 UTC; null means not known. /ws pushes the same: one snapshot, then what changed.",
      license: { name: "Apache-2.0", identifier: "Apache-2.0" },
    },
    servers: [{ url: API }],
    security: [{}, { bearer: [] }],
    paths: Object.fromEntries(paths),
    components: {
      securitySchemes: {
        bearer: {
          type: "http",
          scheme: "bearer",
          description: "Only where the coordinator was given a token (SAF_HTTP_TOKEN_FILE).",
        },
      },
      schemas: schemas.named,
    },
  };
}

function operationOf({ path, summary, schema }: Endpoint, schemas: Schemas): object {
  const named = namedIn(path);
  const description = named === "run" ? "name or id" : "name";
  const parameters = [
    ...(named === undefined
      ? []
      : [{ name: named, in: "path", required: true, description, schema: { type: "string" } }]),
    ...(path === "/events"
      ? [{ name: "after", in: "query", required: false, schema: { type: "integer", minimum: 0 } }]
      : []),
  ];
  const failed = (description: string): object => ({ description, content: schemas.content(errorView) });
  return {
    operationId: `get${path
      .split("/")
      .map((word) => word.replace(/\W/g, ""))
      .map((word) => word.slice(0, 1).toUpperCase() + word.slice(1))
      .join("")}`,
    summary,
    ...(parameters.length === 0 ? {} : { parameters }),
    responses: {
      "200": { description: "OK", content: schemas.content(schema) },
      "401": failed("The token is missing or wrong."),
      ...(named === undefined ? {} : { "404": failed(`There is no such ${named}.`) }),
    },
  };
}

/** Schemas with a name stand once, and are referred to. */
class Schemas {
  #named: Record<string, unknown> = {};

  get named(): object {
    return Object.fromEntries(Object.entries(this.#named).sort(([a], [b]) => a.localeCompare(b, "en")));
  }

  content(schema: z.ZodType): object {
    const moved = JSON.stringify(z.toJSONSchema(schema)).replaceAll('"#/$defs/', '"#/components/schemas/');
    const { $defs, ...own } = JSON.parse(moved) as Record<string, object>;
    delete own["$schema"];
    this.#named = { ...this.#named, ...$defs };
    return { "application/json": { schema: own } };
  }
}
