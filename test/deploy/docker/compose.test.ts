import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { parse } from "yaml";
import { z } from "zod";
import { knownVariables, unknownVariables } from "../../../deploy/cli/environment.js";
import { POOL_VARIABLES } from "../../../deploy/cli/pool-options.js";
import { createProgram } from "../../../deploy/cli/program.js";
import { checkCommand } from "../../docs/commands.js";
import { ROOT } from "../../docs/tables.js";

const FOLDER = join(ROOT, "deploy/docker");

/** The part of the Compose specification that the file uses; strict, so a misspelt key is found. */
const duration = z.string().regex(/^\d+s$/);
const pinned = z.string().regex(/:v?\d+\.\d+\.\d+[\w.-]*$/, "an exact version");
const serviceSchema = z.strictObject({
  profiles: z.array(z.enum(["gpu", "monitoring"])).optional(),
  image: pinned,
  build: z.strictObject({ context: z.literal("../.."), dockerfile: z.string() }).optional(),
  command: z.array(z.string()).optional(),
  user: z.literal("1000:1000").optional(),
  read_only: z.literal(true).optional(),
  cap_drop: z.tuple([z.literal("ALL")]).optional(),
  cap_add: z.array(z.string()).optional(),
  security_opt: z.tuple([z.literal("no-new-privileges:true")]).optional(),
  restart: z.string().regex(/^(unless-stopped|on-failure:\d+)$/),
  tmpfs: z.array(z.string()).optional(),
  environment: z.record(z.string(), z.string()).optional(),
  volumes: z.array(z.string()).optional(),
  ports: z.array(z.string().regex(/^127\.0\.0\.1:\d+:\d+$/, "on loopback only")).optional(),
  networks: z.strictObject({ default: z.strictObject({ aliases: z.array(z.string()) }) }).optional(),
  depends_on: z.record(z.string(), z.strictObject({ condition: z.literal("service_healthy") })).optional(),
  stop_grace_period: duration.optional(),
  healthcheck: z
    .strictObject({ test: z.array(z.string()), interval: duration, timeout: duration, retries: z.int() })
    .optional(),
  deploy: z
    .strictObject({
      resources: z.strictObject({
        reservations: z.strictObject({
          devices: z.array(
            z.strictObject({
              driver: z.literal("nvidia"),
              count: z.union([z.int(), z.literal("all")]),
              // The specification asks for it.
              capabilities: z.array(z.string()).min(1),
            }),
          ),
        }),
      }),
    })
    .optional(),
});
const composeSchema = z.strictObject({
  name: z.string(),
  "x-process": z.unknown(),
  "x-environment": z.unknown(),
  services: z.record(z.string(), serviceSchema),
  volumes: z.record(z.string(), z.strictObject({})),
});

const compose = (): z.output<typeof composeSchema> => {
  const read: unknown = parse(readFileSync(join(FOLDER, "compose.yaml"), "utf8"), { merge: true });
  return composeSchema.parse(read);
};

describe("compose.yaml", () => {
  test("is of the specification's form, images pinned, ports on loopback", () => {
    const { services } = compose();
    assert.deepEqual(Object.keys(services), [
      ...["nats", "coordinator", "worker", "worker-gpu", "prometheus", "grafana", "dcgm-exporter"],
    ]);
  });

  test("a misspelt key is found", () => {
    const read = parse(readFileSync(join(FOLDER, "compose.yaml"), "utf8"), { merge: true }) as {
      services: Record<string, Record<string, unknown>>;
    };
    const { worker } = read.services;
    assert.ok(worker !== undefined);
    worker["stop_grace_periods"] = "30s";
    assert.throws(() => composeSchema.parse(read), /stop_grace_periods/);
  });

  test("what it mounts is there, and what it waits for can be healthy", () => {
    const { services, volumes } = compose();
    for (const [name, { volumes: mounts = [], depends_on: awaited = {}, build }] of Object.entries(
      services,
    )) {
      for (const mount of mounts) {
        const source = mount.replace(/^\$\{\w+:-([^}]*)\}/, "$1").split(":")[0] as string;
        const isThere = source.startsWith(".") ? existsSync(join(FOLDER, source)) : source in volumes;
        assert.ok(isThere, `${name}: there is no ${source}`);
      }
      for (const other of Object.keys(awaited))
        assert.ok(
          services[other]?.healthcheck !== undefined,
          `${name} waits for ${other}, which has no health check`,
        );
      if (build !== undefined) assert.ok(existsSync(join(ROOT, build.dockerfile)), build.dockerfile);
    }
  });

  test("processes of ours get commands that parse and variables that are read", async () => {
    const { services } = compose();
    const known = knownVariables(
      createProgram().commands.flatMap((command) => command.options.map(({ envVar }) => envVar)),
      POOL_VARIABLES.keys(),
    );
    const ours = Object.entries(services).filter(([, { image }]) => image.startsWith("saf-"));
    assert.deepEqual(
      ours.map(([name]) => name),
      ["coordinator", "worker", "worker-gpu"],
    );
    for (const [name, { command = [], environment = {}, ...service }] of ours) {
      const { problem } = await checkCommand(["saf", ...command], true);
      assert.equal(problem, undefined, `${name}: ${problem}`);
      assert.deepEqual(unknownVariables(environment, known), []);
      assert.ok(
        service.read_only === true && service.user === "1000:1000" && service.cap_drop !== undefined,
        name,
      );
    }
  });

  test("workers can be scaled: no fixed name, no fixed port", () => {
    const { services } = compose();
    for (const name of ["worker", "worker-gpu"]) {
      assert.equal(services[name]?.ports, undefined);
      assert.equal(services[name]?.environment?.["SAF_WORKER_ID"], undefined);
    }
  });

  test("Prometheus looks for names that are services here", () => {
    const { services } = compose();
    const { scrape_configs: jobs } = parse(
      readFileSync(join(ROOT, "deploy/monitoring/prometheus.yml"), "utf8"),
    ) as {
      scrape_configs: { dns_sd_configs: { names: string[]; port: number }[] }[];
    };
    const names = jobs.flatMap((job) => job.dns_sd_configs.flatMap((config) => config.names));
    assert.deepEqual(
      names.filter((name) => !(name in services)),
      [],
    );
  });
});
